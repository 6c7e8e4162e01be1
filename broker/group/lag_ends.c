/* broker/group/lag_ends.c - where partitions end, and when the records were written that groups
 * read next. */
#include "broker/group/lag.h"
#include "broker/group/host.h"
#include "protocol/batch.h"

/* When the record that follows `offset` was written. It holds until retention takes that record, a
 * new leader may have cut it, or, when there is none, until the watermark moves on. */
struct lag_entry {
    struct map_node node; /* in cache->entries */
    struct uuid topic_id;
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset;
    int64_t found_offset; /* -1: there was none below ... */
    int64_t upper_offset; /* ... this */
    int64_t next_ms;
    uint32_t round; /* that asked for it last */
};

/* --- what is remembered --- */

void lag_cache_init(struct lag_cache *cache, struct mem *mem) {
    *cache = (struct lag_cache){.mem = mem};
    map_init(&cache->entries, mem);
}

static uint64_t entry_hash(const struct lag_row *row) {
    return hash_bytes(row->topic_id.b, sizeof row->topic_id.b,
                      (uint64_t)row->partition ^ (uint64_t)row->committed << 20);
}

static bool is_of_row(const struct map_node *node, const void *key) {
    const struct lag_entry *entry = CONTAINER_OF(node, struct lag_entry, node);
    const struct lag_row *row = key;
    return entry->offset == row->committed && entry->partition == row->partition &&
           uuid_eq(entry->topic_id, row->topic_id);
}

static struct lag_entry *find_entry(const struct lag_cache *cache, const struct lag_row *row) {
    struct map_node *node = map_find(&cache->entries, entry_hash(row), is_of_row, row);
    return node != NULL ? CONTAINER_OF(node, struct lag_entry, node) : NULL;
}

static bool holds(const struct lag_entry *entry, const struct partition *p) {
    if (entry->leader_epoch != p->leader_epoch) return false;
    return entry->found_offset >= 0 ? entry->found_offset >= log_start_offset(p->log)
                                    : entry->upper_offset == p->high_watermark;
}

/* Without memory nothing is remembered. */
static void remember(struct lag_cache *cache, const struct lag_row *row, const struct partition *p,
                     const struct log_found *found, int64_t upper_offset) {
    struct lag_entry *entry = find_entry(cache, row);
    if (entry == NULL) {
        entry = mem_alloc(cache->mem, sizeof *entry);
        if (entry == NULL) return;
        *entry = (struct lag_entry){
            .topic_id = row->topic_id, .partition = row->partition, .offset = row->committed};
        map_insert(&cache->entries, entry_hash(row), &entry->node);
    }
    entry->leader_epoch = p->leader_epoch;
    entry->found_offset = found->offset;
    entry->upper_offset = upper_offset;
    entry->next_ms = found->timestamp_ms;
    entry->round = cache->round;
}

/* What this round did not ask for, or everything. */
static void forget(struct lag_cache *cache, bool all) {
    struct map_node *next = map_next(&cache->entries, NULL);
    while (next != NULL) {
        struct lag_entry *entry = CONTAINER_OF(next, struct lag_entry, node);
        next = map_next(&cache->entries, next);
        if (!all && entry->round == cache->round) continue;
        map_remove(&cache->entries, &entry->node);
        MEM_FREE(cache->mem, entry);
    }
}

void lag_cache_release(struct lag_cache *cache) {
    forget(cache, true);
    map_release(&cache->entries);
}

/* --- the way through the rows --- */

static struct partition *own_partition(const struct lag_ends *ends, const struct lag_row *row) {
    const struct shard *shard = ends->shard;
    if (uuid_is_zero(row->topic_id)) return NULL;
    if (shard_of_partition(shard->broker, row->topic_id, row->partition) != shard->index)
        return NULL;
    struct partition *p = shard_partition(shard, row->topic_id, row->partition);
    return p != NULL && p->state == PARTITION_ONLINE ? p : NULL;
}

static void set_next(struct lag_row *row, int64_t next_ms) {
    row->next_ms = next_ms;
    row->has_next = true;
}

/* false: the next record has to be looked up. */
static bool fill_in(struct lag_ends *ends, struct lag_row *row, const struct partition *p) {
    struct lag_cache *cache = &ends->shard->groups->lag;
    row->high_watermark = p->high_watermark;
    row->last_stable_offset = p->last_stable_offset;
    row->has_ends = true;
    if (!row->is_listed) return true;
    struct lag_entry *entry = NULL;
    if (row->committed >= p->high_watermark) {
        set_next(row, NO_TIMESTAMP);
    } else if ((entry = find_entry(cache, row)) != NULL && holds(entry, p)) {
        entry->round = cache->round;
        set_next(row, entry->next_ms);
    }
    return row->has_next;
}

static void look_up(struct job *job, struct lag_ends *ends, struct lag_row *row) {
    struct partition *p = own_partition(ends, row);
    struct log_found found;
    if (p == NULL || !row->is_listed || !row->has_ends || row->has_next) return;
    int64_t upper = row->high_watermark;
    partition_use(p);
    if (log_find_record(job, p->log, MAX(row->committed, 0), upper, &found) == ST_OK) {
        set_next(row, found.timestamp_ms);
        remember(&ends->shard->groups->lag, row, p, &found, upper);
    }
    partition_unuse(p);
}

static void finish(struct lag_ends *ends) {
    forget(&ends->shard->groups->lag, false);
    ends->done(ends);
}

static void find_job(struct job *job, void *argument) {
    struct lag_ends *ends = argument;
    const struct shard *shard = ends->shard;
    for (uint32_t n = 0; n < ends->notes_count; n++) {
        for (uint32_t i = 0; i < ends->notes[n]->row_count; i++) {
            if (shard->stopping || shard->io->now.mono_us >= ends->until_us) break;
            look_up(job, ends, &ends->notes[n]->rows[i]);
        }
    }
    finish(ends);
}

void lag_ends_find(struct lag_ends *ends) {
    bool needs_job = false;
    ends->until_us = ends->shard->io->now.mono_us + LAG_LOOKUP_US;
    ends->shard->groups->lag.round++;
    for (uint32_t n = 0; n < ends->notes_count && !ends->shard->stopping; n++) {
        for (uint32_t i = 0; i < ends->notes[n]->row_count; i++) {
            struct lag_row *row = &ends->notes[n]->rows[i];
            const struct partition *p = own_partition(ends, row);
            if (p != NULL && !fill_in(ends, row, p)) needs_job = true;
        }
    }
    if (needs_job) {
        job_start(&ends->shard->jobs, find_job, ends);
    } else {
        finish(ends);
    }
}
