/* broker/http/process.h - what the system and the allocator know of this process, for /metrics. */
#pragma once
#include "broker/metrics/page.h"

/** Sets what can be found out; what cannot be has no sample. On any thread. */
void process_sample(struct metrics_sample *sample);
