/* broker/group/lag_ends.c - where partitions end, and when the records were written that groups
 * read next. */
#include "broker/group/lag.h"
#include "base/assert.h"
#include "broker/group/host.h"
#include "protocol/batch.h"

/* Where somebody stands. */
struct lag_key {
    struct uuid topic_id;
    int32_t partition;
    int64_t offset;
};

/* When the record that follows was written. It holds until retention takes that record, a new
 * leader may have cut it, or, when there is none, until the watermark moves on. */
struct lag_entry {
    struct map_node node; /* in cache->entries */
    struct lag_key key;
    int32_t leader_epoch;
    int64_t found_offset; /* -1: there was none below ... */
    int64_t upper_offset; /* ... this */
    int64_t next_ms;
    uint32_t round; /* that asked for it last */
};

/* What the job looks up. */
struct lag_want {
    struct lag_key key;
    int64_t upper_offset;
    struct lag_row *row; /* only while somebody waits */
};

/* --- what is remembered --- */

static uint64_t key_hash(const struct lag_key *key) {
    return hash_bytes(key->topic_id.b, sizeof key->topic_id.b,
                      (uint64_t)key->partition ^ (uint64_t)key->offset << 20);
}

static struct lag_key key_of(const struct lag_row *row) {
    return (struct lag_key){row->topic_id, row->partition, row->committed};
}

static bool has_key(const struct map_node *node, const void *wanted) {
    const struct lag_key *a = &CONTAINER_OF(node, struct lag_entry, node)->key, *b = wanted;
    return a->offset == b->offset && a->partition == b->partition &&
           uuid_eq(a->topic_id, b->topic_id);
}

static struct lag_entry *find_entry(const struct lag_cache *cache, const struct lag_key *key) {
    struct map_node *node = map_find(&cache->entries, key_hash(key), has_key, key);
    return node != NULL ? CONTAINER_OF(node, struct lag_entry, node) : NULL;
}

static bool holds(const struct lag_entry *entry, const struct partition *p) {
    if (entry->leader_epoch != p->leader_epoch) return false;
    return entry->found_offset >= 0 ? entry->found_offset >= log_start_offset(p->log)
                                    : entry->upper_offset == p->high_watermark;
}

/* Without memory nothing is remembered. */
static void remember(struct lag_cache *cache, const struct lag_want *want,
                     const struct partition *p, const struct log_found *found) {
    struct lag_entry *entry = find_entry(cache, &want->key);
    if (entry == NULL) {
        entry = mem_alloc(cache->mem, sizeof *entry);
        if (entry == NULL) return;
        *entry = (struct lag_entry){.key = want->key};
        map_insert(&cache->entries, key_hash(&want->key), &entry->node);
    }
    entry->leader_epoch = p->leader_epoch;
    entry->found_offset = found->offset;
    entry->upper_offset = want->upper_offset;
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

/* --- whoever asks --- */

static void answer(struct lag_cache *cache) {
    struct lag_ends *ends = cache->asking;
    if (ends == NULL) return;
    cache->asking = NULL;
    io_timer_clear(ends->shard->io, &cache->patience);
    forget(cache, false);
    ends->done(ends);
}

/* The job goes on, for the next one who asks. */
static void on_patience_over(struct io_timer *timer) {
    answer(CONTAINER_OF(timer, struct lag_cache, patience));
}

void lag_cache_init(struct lag_cache *cache, struct mem *mem) {
    *cache = (struct lag_cache){.mem = mem, .patience = {.fire = on_patience_over}};
    map_init(&cache->entries, mem);
}

void lag_cache_stop(struct lag_cache *cache) { answer(cache); }

void lag_cache_release(struct lag_cache *cache) {
    ASSERT(cache->wants == NULL && cache->asking == NULL);
    forget(cache, true);
    map_release(&cache->entries);
}

/* --- the way through the rows --- */

static struct partition *online_partition(const struct shard *shard, const struct lag_key *key) {
    struct partition *p = shard_partition(shard, key->topic_id, key->partition);
    return p != NULL && p->state == PARTITION_ONLINE ? p : NULL;
}

static struct partition *own_partition(const struct shard *shard, const struct lag_row *row) {
    struct lag_key key = key_of(row);
    if (uuid_is_zero(row->topic_id)) return NULL;
    if (shard_of_partition(shard->broker, row->topic_id, row->partition) != shard->index)
        return NULL;
    return online_partition(shard, &key);
}

static void set_next(struct lag_row *row, int64_t next_ms) {
    row->next_ms = next_ms;
    row->has_next = true;
}

/* false: the next record has to be looked up. */
static bool fill_in(struct lag_cache *cache, struct lag_row *row, const struct partition *p) {
    struct lag_key key = key_of(row);
    struct lag_entry *entry = NULL;
    row->high_watermark = p->high_watermark;
    row->last_stable_offset = p->last_stable_offset;
    row->has_ends = true;
    if (!row->is_listed) return true;
    if (row->committed >= p->high_watermark) {
        set_next(row, NO_TIMESTAMP);
    } else if ((entry = find_entry(cache, &key)) != NULL && holds(entry, p)) {
        entry->round = cache->round;
        set_next(row, entry->next_ms);
    }
    return row->has_next;
}

static bool is_wanted(const struct shard *shard, const struct lag_row *row) {
    return row->is_listed && row->has_ends && !row->has_next && own_partition(shard, row) != NULL;
}

/* What was not known goes to the job; false when there is nothing, or no memory. */
static bool collect_wants(struct lag_cache *cache, const struct lag_ends *ends, uint32_t count) {
    if (count == 0) return false;
    cache->wants = mem_alloc(cache->mem, count * sizeof *cache->wants);
    if (cache->wants == NULL) return false;
    cache->want_capacity = count;
    cache->want_count = 0;
    for (uint32_t n = 0; n < ends->notes_count; n++) {
        for (uint32_t i = 0; i < ends->notes[n]->row_count; i++) {
            struct lag_row *row = &ends->notes[n]->rows[i];
            if (!is_wanted(ends->shard, row) || cache->want_count == count) continue;
            cache->wants[cache->want_count++] = (struct lag_want){
                .key = key_of(row), .upper_offset = row->high_watermark, .row = row};
        }
    }
    return true;
}

static void look_up(struct job *job, const struct shard *shard, const struct lag_want *want) {
    struct lag_cache *cache = &shard->groups->lag;
    struct partition *p = online_partition(shard, &want->key);
    struct log_found found;
    if (p == NULL) return;
    partition_use(p);
    enum status st =
        log_find_record(job, p->log, MAX(want->key.offset, 0), want->upper_offset, &found);
    if (st == ST_OK) {
        remember(cache, want, p, &found);
        if (cache->asking != NULL && cache->asking_round == cache->want_round)
            set_next(want->row, found.timestamp_ms);
    }
    partition_unuse(p);
}

static void find_job(struct job *job, void *argument) {
    const struct shard *shard = argument;
    struct lag_cache *cache = &shard->groups->lag;
    uint64_t until_us = shard->io->now.mono_us + LAG_LOOKUP_US;
    for (uint32_t i = 0; i < cache->want_count; i++) {
        if (shard->stopping || shard->io->now.mono_us >= until_us) break;
        look_up(job, shard, &cache->wants[i]);
    }
    mem_free(cache->mem, cache->wants, cache->want_capacity * sizeof *cache->wants);
    cache->wants = NULL;
    if (cache->asking_round == cache->want_round) answer(cache);
}

void lag_ends_find(struct lag_ends *ends) {
    struct shard *shard = ends->shard;
    struct lag_cache *cache = &shard->groups->lag;
    uint32_t unknown = 0;
    ASSERT(cache->asking == NULL);
    cache->asking = ends;
    cache->asking_round = ++cache->round;
    for (uint32_t n = 0; n < ends->notes_count && !shard->stopping; n++) {
        for (uint32_t i = 0; i < ends->notes[n]->row_count; i++) {
            struct lag_row *row = &ends->notes[n]->rows[i];
            const struct partition *p = own_partition(shard, row);
            if (p != NULL && !fill_in(cache, row, p)) unknown++;
        }
    }
    /* One job at a time: while a disk hangs, so does its job, and nobody waits for it twice. */
    if (cache->wants != NULL || !collect_wants(cache, ends, unknown)) {
        answer(cache);
        return;
    }
    cache->want_round = cache->round;
    io_timer_set(shard->io, &cache->patience, shard->io->now.mono_us + LAG_LOOKUP_US);
    job_start(&shard->jobs, find_job, shard);
}
