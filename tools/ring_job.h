/* tools/ring_job.h - for tools that work on files as the broker does: one job on its own ring. */
#pragma once
#include "base/job.h"

/** Runs fn(job, argument) on a shard of its own and returns when it is through; meanwhile what
 * `argument` points at is the job's. Ends the process with 1 where io_uring cannot be had. */
void ring_job_run(job_fn *fn, void *argument);
