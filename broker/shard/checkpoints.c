/* broker/shard/checkpoints.c - one file of each kind per directory, sorted by topic and partition.
 */
#include "broker/shard/checkpoints.h"
#include <stdlib.h>
#include "base/logging.h"

static int by_topic_and_partition(const void *a, const void *b) {
    const struct checkpoint_entry *x = a, *y = b;
    int order = str_cmp(x->topic, y->topic);
    if (order != 0) return order;
    return x->partition < y->partition ? -1 : x->partition > y->partition;
}

static void add(struct checkpoint *checkpoint, const struct closed_partition *closed,
                int64_t offset) {
    checkpoint->entries[checkpoint->count++] = (struct checkpoint_entry){
        .topic = closed->topic, .partition = closed->partition, .offset = offset};
}

static enum status write_dir(struct job *job, struct broker *broker, uint32_t dir_index,
                             uint32_t total) {
    struct arena arena;
    arena_init(&arena, job_mem(job), 4096, 0);
    struct checkpoint kinds[3];
    static const char *const files[3] = {"recovery-point-offset-checkpoint",
                                         "log-start-offset-checkpoint",
                                         "replication-offset-checkpoint"};
    enum status st = ST_OK;
    for (int k = 0; k < 3; k++) {
        kinds[k] = (struct checkpoint){
            .entries = arena_array(&arena, total, sizeof(struct checkpoint_entry))};
        if (kinds[k].entries == NULL) st = ST_NOMEM;
    }
    for (uint32_t s = 0; s < broker->shard_count && st == ST_OK; s++) {
        const struct shard *shard = broker->shards[s];
        for (uint32_t i = 0; i < shard->closed_count; i++) {
            const struct closed_partition *closed = &shard->closed[i];
            if (closed->dir_index != dir_index) continue;
            add(&kinds[0], closed, closed->end);
            /* As Kafka: only partitions whose start is not where their first file begins. */
            if (closed->log_start > closed->first_base_offset)
                add(&kinds[1], closed, closed->log_start);
            add(&kinds[2], closed, closed->end);
        }
    }
    for (int k = 0; k < 3 && st == ST_OK; k++) {
        qsort(kinds[k].entries, kinds[k].count, sizeof *kinds[k].entries, by_topic_and_partition);
        st = checkpoint_write(job, broker->dirs[dir_index].path, files[k], &kinds[k]);
        if (st != ST_OK) {
            LOG_ERROR("log", "event=checkpoint-failed file=%s status=\"%s\"", files[k],
                      status_name(st));
        }
    }
    arena_release(&arena);
    return st;
}

enum status checkpoints_write(struct job *job, struct broker *broker) {
    uint32_t total = 0;
    enum status st = ST_OK;
    for (uint32_t s = 0; s < broker->shard_count; s++) total += broker->shards[s]->closed_count;
    for (uint32_t d = 0; d < broker->dir_count && st == ST_OK; d++)
        if (!broker->dirs[d].failed) st = write_dir(job, broker, d, total);
    return st;
}
