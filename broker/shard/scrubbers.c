/* broker/shard/scrubbers.c - one job a log directory. */
#include "broker/shard/scrubbers.h"
#include <inttypes.h>
#include "base/logging.h"
#include "log/scrub.h"

#define REST_US ((uint64_t)60 * 1000000) /* between two passes over a directory */
#define STEP_US ((uint64_t)100000)       /* how soon the end of the shard is noticed at rest */

struct scrubber {
    struct shard *shard;
    struct broker_dir *dir;
    struct scrub scrub;
};

static void on_found(struct scrub *scrub, const struct scrub_finding *finding) {
    struct scrubber *s = CONTAINER_OF(scrub, struct scrubber, scrub);
    metrics_add(&s->shard->metrics, METRIC_SCRUB_FINDINGS, 1);
    LOG_ERROR("scrub", "event=damage file=%s position=%" PRId64 " what=\"%s\"",
              LOG_TEXT(str_of(finding->file)), finding->position, finding->what);
}

static void rest(struct job *job, const struct scrubber *s) {
    uint64_t until_us = s->shard->io->now.mono_us + REST_US;
    while (!s->shard->stopping && s->shard->io->now.mono_us < until_us)
        job_sleep_until(job, s->shard->io->now.mono_us + STEP_US);
}

static void pass(struct job *job, struct scrubber *s) {
    enum status st = scrub_directory(job, &s->scrub, s->dir->path);
    if (s->shard->stopping) return;
    metrics_add(&s->shard->metrics, METRIC_SCRUB_PASSES, 1);
    if (st != ST_OK) {
        LOG_ERROR("scrub", "event=failed dir=%s status=\"%s\"", LOG_TEXT(s->dir->path),
                  status_name(st));
        return;
    }
    LOG_INFO("scrub",
             "event=pass dir=%s files=%" PRIu64 " batches=%" PRIu64 " octets=%" PRIu64
             " findings=%" PRIu64,
             LOG_TEXT(s->dir->path), s->scrub.files, s->scrub.batches, s->scrub.bytes,
             s->scrub.findings);
}

static void scrubber_job(struct job *job, void *argument) {
    struct scrubber *s = argument;
    struct shard *shard = s->shard;
    uint64_t rate = (uint64_t)shard->broker->config->klamm_scrub_bytes_per_second;
    while (!shard->stopping) {
        s->scrub = (struct scrub){
            .found = on_found,
            .bytes_per_second = MAX(rate / shard->broker->dir_count, 1u),
            .is_live = true,
            .stop = &shard->stopping,
        };
        pass(job, s);
        metrics_add(&shard->metrics, METRIC_SCRUB_BYTES, s->scrub.bytes);
        rest(job, s);
    }
    MEM_FREE(shard->mem, s);
    if (--shard->scrubber_count > 0 || shard->scrubbers_ended == NULL) return;
    struct job *waiter = shard->scrubbers_ended;
    shard->scrubbers_ended = NULL;
    job_wake(waiter);
}

void scrubbers_start(struct shard *shard) {
    struct broker *broker = shard->broker;
    if (broker->config->klamm_scrub_bytes_per_second == 0) return;
    for (uint32_t i = shard->index; i < broker->dir_count; i += broker->shard_count) {
        struct scrubber *s = MEM_NEW(shard->mem, struct scrubber);
        *s = (struct scrubber){.shard = shard, .dir = &broker->dirs[i]};
        shard->scrubber_count++;
        job_start(&shard->jobs, scrubber_job, s);
    }
}

void scrubbers_wait(struct job *job, struct shard *shard) {
    if (shard->scrubber_count == 0) return;
    shard->scrubbers_ended = job;
    job_suspend(job);
}
