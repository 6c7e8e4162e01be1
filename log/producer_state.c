/* log/producer_state.c - entries by id, five batches each, and their snapshot. */
#include "log/producer_state.h"
#include <stdlib.h>
#include "base/assert.h"
#include "protocol/crc32c.h"

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_HEAD_BYTES 10 /* version i16, crc u32, count i32 */
#define SNAPSHOT_ENTRY_BYTES 46
#define SNAPSHOT_CRC_FROM 6

struct producer_entry {
    struct map_node node;
    struct list link; /* in states->by_use */
    int64_t producer_id;
    int64_t noted_ms;                 /* wall clock of the last append or replay */
    int64_t transaction_first_offset; /* -1: none open */
    int64_t last_timestamp_ms;
    int32_t coordinator_epoch;
    int16_t epoch;
    uint8_t batch_count;
    struct producer_batch batches[PRODUCER_BATCHES]; /* oldest first */
};

void producer_states_init(struct producer_states *states, struct mem *mem) {
    *states = (struct producer_states){.mem = mem, .limit_count = PRODUCERS_MAX};
    map_init(&states->map, mem);
    list_init(&states->by_use);
}

static void forget(struct producer_states *states, struct producer_entry *entry) {
    map_remove(&states->map, &entry->node);
    list_remove(&entry->link);
    MEM_FREE(states->mem, entry);
}

void producer_states_clear(struct producer_states *states) {
    while (!list_is_empty(&states->by_use)) {
        forget(states, CONTAINER_OF(states->by_use.next, struct producer_entry, link));
    }
}

void producer_states_release(struct producer_states *states) {
    producer_states_clear(states);
    map_release(&states->map);
}

static uint64_t hash_id(int64_t producer_id) {
    return hash_bytes(&producer_id, sizeof producer_id, 0);
}

static bool has_id(const struct map_node *node, const void *key) {
    return CONTAINER_OF(node, struct producer_entry, node)->producer_id == *(const int64_t *)key;
}

static struct producer_entry *find(const struct producer_states *states, int64_t producer_id) {
    struct map_node *node = map_find(&states->map, hash_id(producer_id), has_id, &producer_id);
    return node != NULL ? CONTAINER_OF(node, struct producer_entry, node) : NULL;
}

static int32_t last_sequence(const struct producer_entry *entry) {
    return entry->batch_count > 0 ? entry->batches[entry->batch_count - 1].last_sequence
                                  : NO_SEQUENCE;
}

enum producer_verdict producer_states_check(const struct producer_states *states,
                                            const struct batch_view *batch,
                                            struct producer_batch *ret_duplicate) {
    if (!batch_has_producer_id(batch) || batch_is_control(batch)) return PRODUCER_APPEND;
    const struct producer_entry *entry = find(states, batch->producer_id);
    if (entry == NULL) return PRODUCER_APPEND; /* expired or new: any sequence, KIP-360 */
    if (batch->producer_epoch < entry->epoch) return PRODUCER_FENCED;
    if (batch->producer_epoch > entry->epoch) {
        return batch->base_sequence == 0 ? PRODUCER_APPEND : PRODUCER_OUT_OF_ORDER;
    }
    for (unsigned i = 0; i < entry->batch_count; i++) {
        const struct producer_batch *known = &entry->batches[i];
        if (known->first_sequence == batch->base_sequence &&
            known->last_sequence == batch_last_sequence(batch)) {
            *ret_duplicate = *known;
            return PRODUCER_DUPLICATE;
        }
    }
    int32_t last = last_sequence(entry);
    int32_t next = last == NO_SEQUENCE ? 0 : sequence_add(last, 1);
    return batch->base_sequence == next ? PRODUCER_APPEND : PRODUCER_OUT_OF_ORDER;
}

static struct producer_entry *find_or_add(struct producer_states *states, int64_t producer_id) {
    struct producer_entry *entry = find(states, producer_id);
    if (entry != NULL) return entry;
    if (states->map.count >= states->limit_count) {
        forget(states, CONTAINER_OF(states->by_use.next, struct producer_entry, link));
    }
    entry = mem_alloc(states->mem, sizeof *entry);
    if (entry == NULL) return NULL;
    *entry = (struct producer_entry){
        .producer_id = producer_id,
        .epoch = NO_PRODUCER_EPOCH,
        .transaction_first_offset = -1,
        .last_timestamp_ms = NO_TIMESTAMP,
        .coordinator_epoch = -1,
    };
    map_insert(&states->map, hash_id(producer_id), &entry->node);
    return entry;
}

static void push_batch(struct producer_entry *entry, const struct producer_batch *batch) {
    if (entry->batch_count == PRODUCER_BATCHES) {
        memmove(&entry->batches[0], &entry->batches[1],
                (PRODUCER_BATCHES - 1) * sizeof entry->batches[0]);
        entry->batch_count--;
    }
    entry->batches[entry->batch_count++] = *batch;
}

enum status producer_states_append(struct producer_states *states, const struct batch_view *batch,
                                   int64_t base_offset, int64_t wall_ms) {
    if (!batch_has_producer_id(batch)) return ST_OK;
    struct producer_entry *entry = find_or_add(states, batch->producer_id);
    if (entry == NULL) return ST_NOMEM;
    list_remove(&entry->link);
    list_push_back(&states->by_use, &entry->link);
    entry->noted_ms = wall_ms;
    entry->last_timestamp_ms = batch->max_timestamp;
    bool is_marker = batch_is_control(batch);
    if (batch->producer_epoch != entry->epoch || is_marker) {
        entry->epoch = batch->producer_epoch;
        entry->batch_count = 0; /* the next one begins at 0 */
    }
    if (is_marker) return ST_OK;
    push_batch(entry, &(struct producer_batch){
                          .first_sequence = batch->base_sequence,
                          .last_sequence = batch_last_sequence(batch),
                          .last_offset = base_offset + batch->last_offset_delta,
                          .offset_delta = batch->last_offset_delta,
                          .timestamp_ms = batch->max_timestamp,
                      });
    return ST_OK;
}

void producer_states_expire(struct producer_states *states, int64_t wall_ms,
                            int64_t expiration_ms) {
    LIST_EACH(&states->by_use, node) {
        struct producer_entry *entry = CONTAINER_OF(node, struct producer_entry, link);
        /* The clock may have stepped back: an entry of the future is kept. */
        if (entry->noted_ms >= wall_ms - expiration_ms) continue;
        if (entry->transaction_first_offset < 0) forget(states, entry);
    }
}

/* --- the snapshot --- */

static int by_id(const void *a, const void *b) {
    const struct producer_entry *x = *(struct producer_entry *const *)a;
    const struct producer_entry *y = *(struct producer_entry *const *)b;
    return x->producer_id < y->producer_id ? -1 : x->producer_id > y->producer_id;
}

/* The last batch below `offset`; NULL when there is none. */
static const struct producer_batch *last_below(const struct producer_entry *entry, int64_t offset) {
    for (unsigned i = entry->batch_count; i > 0; i--) {
        if (entry->batches[i - 1].last_offset < offset) return &entry->batches[i - 1];
    }
    return NULL;
}

static void put_entry(uint8_t *at, const struct producer_entry *entry,
                      const struct producer_batch *last) {
    put_u64(at, (uint64_t)entry->producer_id);
    put_u16(at + 8, (uint16_t)entry->epoch);
    put_u32(at + 10, last != NULL ? (uint32_t)last->last_sequence : UINT32_MAX);
    put_u64(at + 14, last != NULL ? (uint64_t)last->last_offset : UINT64_MAX);
    put_u32(at + 22, last != NULL ? (uint32_t)last->offset_delta : 0);
    put_u64(at + 26, (uint64_t)(last != NULL ? last->timestamp_ms : entry->last_timestamp_ms));
    put_u32(at + 34, (uint32_t)entry->coordinator_epoch);
    put_u64(at + 38, (uint64_t)entry->transaction_first_offset);
}

enum status producer_states_encode(const struct producer_states *states, int64_t offset,
                                   uint8_t **ret_data, size_t *ret_bytes) {
    size_t order_bytes = (states->map.count + 1) * sizeof(struct producer_entry *);
    struct producer_entry **order = mem_alloc(states->mem, order_bytes);
    if (order == NULL) return ST_NOMEM;
    size_t count = 0;
    LIST_EACH(&states->by_use, node) {
        struct producer_entry *entry = CONTAINER_OF(node, struct producer_entry, link);
        bool is_later = entry->batch_count > 0 && last_below(entry, offset) == NULL;
        if (!is_later) order[count++] = entry;
    }
    size_t bytes = SNAPSHOT_HEAD_BYTES + count * SNAPSHOT_ENTRY_BYTES;
    uint8_t *data = mem_alloc(states->mem, bytes);
    if (data != NULL) {
        qsort(order, count, sizeof order[0], by_id);
        put_u16(data, SNAPSHOT_VERSION);
        put_u32(data + SNAPSHOT_CRC_FROM, (uint32_t)count);
        for (size_t i = 0; i < count; i++) {
            put_entry(data + SNAPSHOT_HEAD_BYTES + i * SNAPSHOT_ENTRY_BYTES, order[i],
                      last_below(order[i], offset));
        }
        put_u32(data + 2, crc32c(0, data + SNAPSHOT_CRC_FROM, bytes - SNAPSHOT_CRC_FROM));
    }
    mem_free(states->mem, order, order_bytes);
    *ret_data = data;
    *ret_bytes = bytes;
    return data != NULL ? ST_OK : ST_NOMEM;
}

static enum status take_entry(struct producer_states *states, const uint8_t *at, int64_t wall_ms) {
    struct producer_entry *entry = find_or_add(states, (int64_t)get_u64(at));
    if (entry == NULL) return ST_NOMEM;
    if (list_is_linked(&entry->link)) return ST_CORRUPT; /* one id twice */
    list_push_back(&states->by_use, &entry->link);
    entry->noted_ms = wall_ms;
    entry->epoch = (int16_t)get_u16(at + 8);
    int32_t sequence = (int32_t)get_u32(at + 10);
    int64_t last_offset = (int64_t)get_u64(at + 14);
    int32_t delta = (int32_t)get_u32(at + 22);
    entry->last_timestamp_ms = (int64_t)get_u64(at + 26);
    entry->coordinator_epoch = (int32_t)get_u32(at + 34);
    entry->transaction_first_offset = (int64_t)get_u64(at + 38);
    if (last_offset < 0) return ST_OK;
    if (delta < 0 || sequence < 0) return ST_CORRUPT;
    /* Sequences go round at 2^31: one step back over the end. */
    int32_t first = (int32_t)(((uint32_t)sequence - (uint32_t)delta) & INT32_MAX);
    push_batch(entry, &(struct producer_batch){.first_sequence = first,
                                               .last_sequence = sequence,
                                               .last_offset = last_offset,
                                               .offset_delta = delta,
                                               .timestamp_ms = entry->last_timestamp_ms});
    return ST_OK;
}

enum status producer_states_decode(struct producer_states *states, struct bytes data,
                                   int64_t wall_ms) {
    ASSERT(states->map.count == 0);
    if (data.len < SNAPSHOT_HEAD_BYTES || get_u16(data.ptr) != SNAPSHOT_VERSION) return ST_CORRUPT;
    uint32_t crc = crc32c(0, data.ptr + SNAPSHOT_CRC_FROM, data.len - SNAPSHOT_CRC_FROM);
    uint32_t count = get_u32(data.ptr + SNAPSHOT_CRC_FROM);
    size_t body = data.len - SNAPSHOT_HEAD_BYTES;
    if (get_u32(data.ptr + 2) != crc || body / SNAPSHOT_ENTRY_BYTES != count ||
        body % SNAPSHOT_ENTRY_BYTES != 0) {
        return ST_CORRUPT;
    }
    enum status st = ST_OK;
    for (uint32_t i = 0; i < count && st == ST_OK; i++) {
        st = take_entry(states, data.ptr + SNAPSHOT_HEAD_BYTES + i * SNAPSHOT_ENTRY_BYTES, wall_ms);
    }
    if (st != ST_OK) producer_states_clear(states);
    return st;
}
