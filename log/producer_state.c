/* log/producer_state.c - entries by id, five batches each, open and ended transactions. */
#include "log/producer_state.h"
#include <stdlib.h>
#include "base/assert.h"

enum { NO_TRANSACTION = -1, NO_OFFSET = -1, NO_COORDINATOR_EPOCH = -1, FIRST_ENDED_CAPACITY = 8 };

struct producer_entry {
    struct map_node node;
    struct list link; /* in states->by_use or states->open */
    int64_t producer_id;
    int64_t noted_ms;         /* steady, of the last append or replay */
    int64_t txn_first_offset; /* NO_TRANSACTION: none open */
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
    list_init(&states->open);
}

static void forget(struct producer_states *states, struct producer_entry *entry) {
    map_remove(&states->map, &entry->node);
    list_remove(&entry->link);
    MEM_FREE(states->mem, entry);
}

static struct producer_entry *first_of(const struct list *list) {
    return list_is_empty(list) ? NULL : CONTAINER_OF(list->next, struct producer_entry, link);
}

void producer_states_clear(struct producer_states *states) {
    struct producer_entry *entry;
    while ((entry = first_of(&states->by_use)) != NULL) forget(states, entry);
    while ((entry = first_of(&states->open)) != NULL) forget(states, entry);
    states->ended_count = 0;
}

void producer_states_release(struct producer_states *states) {
    producer_states_clear(states);
    map_release(&states->map);
    mem_free(states->mem, states->ended, states->ended_capacity * sizeof *states->ended);
    states->ended = NULL;
    states->ended_capacity = 0;
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

/* --- may it be appended? --- */

static int32_t last_sequence(const struct producer_entry *entry) {
    return entry->batch_count > 0 ? entry->batches[entry->batch_count - 1].last_sequence
                                  : NO_SEQUENCE;
}

static enum producer_verdict check_sequence(const struct producer_entry *entry,
                                            const struct batch_view *batch) {
    int32_t next = 0;
    if (batch->producer_epoch == entry->epoch && entry->batch_count > 0)
        next = sequence_add(last_sequence(entry), 1);
    return batch->base_sequence == next ? PRODUCER_APPEND : PRODUCER_OUT_OF_ORDER;
}

enum producer_verdict producer_states_check(const struct producer_states *states,
                                            const struct batch_view *batch,
                                            struct producer_batch *ret_duplicate) {
    if (!batch_has_producer_id(batch)) return PRODUCER_APPEND;
    const struct producer_entry *entry = find(states, batch->producer_id);
    int16_t epoch = entry != NULL ? entry->epoch : NO_PRODUCER_EPOCH;
    if (batch->producer_epoch < epoch) return PRODUCER_FENCED;
    if (entry == NULL) return PRODUCER_APPEND; /* expired or new: any sequence, KIP-360 */
    for (unsigned i = 0; batch->producer_epoch == entry->epoch && i < entry->batch_count; i++) {
        const struct producer_batch *known = &entry->batches[i];
        if (known->first_sequence == batch->base_sequence &&
            known->last_sequence == batch_last_sequence(batch)) {
            *ret_duplicate = *known;
            return PRODUCER_DUPLICATE;
        }
    }
    enum producer_verdict verdict = check_sequence(entry, batch);
    if (verdict == PRODUCER_APPEND && entry->txn_first_offset >= 0 &&
        !batch_is_transactional(batch))
        return PRODUCER_IN_TRANSACTION;
    return verdict;
}

enum producer_verdict producer_states_check_marker(const struct producer_states *states,
                                                   const struct batch_view *batch,
                                                   const struct txn_marker *marker) {
    const struct producer_entry *entry = find(states, batch->producer_id);
    if (entry == NULL) return PRODUCER_APPEND;
    if (batch->producer_epoch < entry->epoch) return PRODUCER_FENCED;
    return marker->coordinator_epoch < entry->coordinator_epoch ? PRODUCER_COORDINATOR_FENCED
                                                                : PRODUCER_APPEND;
}

/* --- it was appended --- */

static struct producer_summary summary_of(const struct producer_entry *entry) {
    const struct producer_batch *last =
        entry->batch_count > 0 ? &entry->batches[entry->batch_count - 1] : NULL;
    return (struct producer_summary){
        .producer_id = entry->producer_id,
        .epoch = entry->epoch,
        .last_sequence = last_sequence(entry),
        .last_offset = last != NULL ? last->last_offset : NO_OFFSET,
        .offset_delta = last != NULL ? last->offset_delta : 0,
        .last_timestamp_ms = entry->last_timestamp_ms,
        .coordinator_epoch = entry->coordinator_epoch,
        .txn_first_offset = entry->txn_first_offset,
    };
}

/* In no list yet. NULL: no memory. */
static struct producer_entry *add(struct producer_states *states, int64_t producer_id) {
    struct producer_entry *oldest = first_of(&states->by_use);
    if (states->map.count >= states->limit_count && oldest != NULL) forget(states, oldest);
    struct producer_entry *entry = mem_alloc(states->mem, sizeof *entry);
    if (entry == NULL) return NULL;
    *entry = (struct producer_entry){
        .producer_id = producer_id,
        .epoch = NO_PRODUCER_EPOCH,
        .txn_first_offset = NO_TRANSACTION,
        .last_timestamp_ms = NO_TIMESTAMP,
        .coordinator_epoch = NO_COORDINATOR_EPOCH,
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

/* Room for one more ended transaction. */
static bool reserve_ended(struct producer_states *states) {
    struct mem *mem = states->mem;
    if (states->ended_first + states->ended_count < states->ended_capacity) return true;
    if (states->ended_first > states->ended_capacity / 2) {
        memmove(states->ended, states->ended + states->ended_first,
                states->ended_count * sizeof *states->ended);
        states->ended_first = 0;
        return true;
    }
    uint32_t capacity =
        states->ended_capacity > 0 ? states->ended_capacity * 2 : FIRST_ENDED_CAPACITY;
    struct ended_txn *grown = mem_resize(mem, states->ended, states->ended_capacity * sizeof *grown,
                                         capacity * sizeof *grown);
    if (grown == NULL) return false;
    states->ended = grown;
    states->ended_capacity = capacity;
    return true;
}

static void push_ended(struct producer_states *states, struct ended_txn txn) {
    struct ended_txn *ended = states->ended + states->ended_first;
    while (states->ended_count > 0 &&
           ended[states->ended_count - 1].first_offset >= txn.first_offset)
        states->ended_count--;
    ended[states->ended_count++] = txn;
}

static void begin_txn(struct producer_states *states, struct producer_entry *entry,
                      int64_t first_offset) {
    entry->txn_first_offset = first_offset;
    list_remove(&entry->link);
    list_push_back(&states->open, &entry->link);
}

static void end_txn(struct producer_states *states, struct producer_entry *entry,
                    const struct txn_marker *marker, int64_t offset,
                    struct producer_change *change) {
    int64_t first_offset = entry->txn_first_offset;
    entry->txn_first_offset = NO_TRANSACTION;
    list_remove(&entry->link);
    list_push_back(&states->by_use, &entry->link);
    push_ended(states, (struct ended_txn){first_offset, offset});
    const struct producer_entry *next = first_of(&states->open);
    change->is_abort = !marker->is_commit;
    change->aborted = (struct aborted_txn){
        .producer_id = entry->producer_id,
        .first_offset = first_offset,
        .last_offset = offset,
        .last_stable_offset = next != NULL ? next->txn_first_offset : offset + 1,
    };
}

enum status producer_states_append(struct producer_states *states, const struct batch_view *batch,
                                   const struct txn_marker *marker, int64_t base_offset,
                                   int64_t steady_ms, struct producer_change *ret_change) {
    *ret_change = (struct producer_change){.before.producer_id = NO_PRODUCER_ID};
    if (!batch_has_producer_id(batch) || (batch_is_control(batch) && marker == NULL)) return ST_OK;
    if (marker != NULL && !reserve_ended(states)) return ST_NOMEM;
    struct producer_entry *entry = find(states, batch->producer_id);
    ret_change->was_known = entry != NULL;
    if (entry == NULL) entry = add(states, batch->producer_id);
    if (entry == NULL) return ST_NOMEM;
    ret_change->before = summary_of(entry);
    entry->noted_ms = steady_ms;
    entry->last_timestamp_ms = marker != NULL ? marker->timestamp : batch->max_timestamp;
    if (batch->producer_epoch != entry->epoch) {
        entry->epoch = batch->producer_epoch;
        entry->batch_count = 0; /* the next one begins at 0 */
    }
    if (entry->txn_first_offset < 0) {
        list_remove(&entry->link);
        list_push_back(&states->by_use, &entry->link);
    }
    if (marker != NULL) {
        entry->coordinator_epoch = marker->coordinator_epoch;
        if (entry->txn_first_offset >= 0) end_txn(states, entry, marker, base_offset, ret_change);
        return ST_OK;
    }
    push_batch(entry, &(struct producer_batch){
                          .first_sequence = batch->base_sequence,
                          .last_sequence = batch_last_sequence(batch),
                          .last_offset = base_offset + batch->last_offset_delta,
                          .offset_delta = batch->last_offset_delta,
                          .timestamp_ms = batch->max_timestamp,
                      });
    if (batch_is_transactional(batch) && entry->txn_first_offset < 0)
        begin_txn(states, entry, base_offset);
    return ST_OK;
}

void producer_states_expire(struct producer_states *states, int64_t steady_ms,
                            int64_t expiration_ms) {
    LIST_EACH(&states->by_use, node) {
        struct producer_entry *entry = CONTAINER_OF(node, struct producer_entry, link);
        if (entry->noted_ms < steady_ms - expiration_ms) forget(states, entry);
    }
}

/* --- stability --- */

int64_t producer_states_first_unstable(const struct producer_states *states) {
    const struct producer_entry *open = first_of(&states->open);
    int64_t first = open != NULL ? open->txn_first_offset : NO_UNSTABLE_OFFSET;
    if (states->ended_count > 0)
        first = MIN(first, states->ended[states->ended_first].first_offset);
    return first;
}

void producer_states_decide(struct producer_states *states, int64_t offset) {
    while (states->ended_count > 0 && states->ended[states->ended_first].last_offset < offset) {
        states->ended_first++;
        states->ended_count--;
    }
    if (states->ended_count == 0) states->ended_first = 0;
}

/* --- all of them --- */

static int by_id(const void *a, const void *b) {
    const struct producer_summary *x = a, *y = b;
    return x->producer_id < y->producer_id ? -1 : x->producer_id > y->producer_id;
}

static int by_txn(const void *a, const void *b) {
    const struct producer_summary *x = a, *y = b;
    if (x->txn_first_offset != y->txn_first_offset)
        return x->txn_first_offset < y->txn_first_offset ? -1 : 1;
    return by_id(a, b);
}

void producer_list_release(struct producer_list *list, struct mem *mem) {
    mem_free(mem, list->producers, list->capacity * sizeof *list->producers);
    *list = (struct producer_list){0};
}

static void add_all(struct producer_list *list, const struct list *entries) {
    LIST_EACH(entries, node) {
        list->producers[list->count++] =
            summary_of(CONTAINER_OF(node, struct producer_entry, link));
    }
}

enum status producer_states_list(const struct producer_states *states,
                                 const struct producer_change *const *later, size_t later_count,
                                 struct producer_list *ret_list) {
    enum { SIZE = sizeof(struct producer_summary) };
    struct producer_list list = {.capacity = states->map.count + 1};
    list.producers = mem_alloc(states->mem, list.capacity * SIZE);
    if (list.producers == NULL) return ST_NOMEM;
    add_all(&list, &states->by_use);
    add_all(&list, &states->open);
    qsort(list.producers, list.count, SIZE, by_id);
    for (size_t i = later_count; i > 0; i--) { /* backwards, so that the first one has the say */
        const struct producer_change *change = later[i - 1];
        struct producer_summary *found =
            bsearch(&change->before, list.producers, list.count, SIZE, by_id);
        if (found == NULL) continue; /* forgotten since, or nothing changed */
        *found = change->before;
        if (!change->was_known) found->epoch = NO_PRODUCER_EPOCH;
    }
    size_t kept = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (list.producers[i].epoch != NO_PRODUCER_EPOCH)
            list.producers[kept++] = list.producers[i];
    }
    list.count = kept;
    *ret_list = list;
    return ST_OK;
}

static enum status restore_one(struct producer_states *states, const struct producer_summary *from,
                               int64_t steady_ms) {
    if (find(states, from->producer_id) != NULL) return ST_CORRUPT; /* one id twice */
    struct producer_entry *entry = add(states, from->producer_id);
    if (entry == NULL) return ST_NOMEM;
    entry->noted_ms = steady_ms;
    entry->epoch = from->epoch;
    entry->last_timestamp_ms = from->last_timestamp_ms;
    entry->coordinator_epoch = from->coordinator_epoch;
    entry->txn_first_offset = from->txn_first_offset;
    list_push_back(from->txn_first_offset >= 0 ? &states->open : &states->by_use, &entry->link);
    if (from->last_offset < 0) return ST_OK;
    /* Sequences go round at 2^31: one step back over the end. */
    int32_t first =
        (int32_t)(((uint32_t)from->last_sequence - (uint32_t)from->offset_delta) & INT32_MAX);
    push_batch(entry, &(struct producer_batch){.first_sequence = first,
                                               .last_sequence = from->last_sequence,
                                               .last_offset = from->last_offset,
                                               .offset_delta = from->offset_delta,
                                               .timestamp_ms = from->last_timestamp_ms});
    return ST_OK;
}

enum status producer_states_restore(struct producer_states *states, struct producer_list *list,
                                    int64_t steady_ms) {
    ASSERT(states->map.count == 0 && states->ended_count == 0);
    enum status st = ST_OK;
    if (list->count > 0) /* as the open ones are to stand */
        qsort(list->producers, list->count, sizeof *list->producers, by_txn);
    for (size_t i = 0; st == ST_OK && i < list->count; i++)
        st = restore_one(states, &list->producers[i], steady_ms);
    if (st != ST_OK) producer_states_clear(states);
    return st;
}

enum status producer_states_undo(struct producer_states *states,
                                 const struct producer_change *const *later, size_t later_count,
                                 int64_t end, int64_t steady_ms) {
    struct producer_list list = {0};
    enum status st = producer_states_list(states, later, later_count, &list);
    if (st != ST_OK) return st;
    uint32_t ended_count = states->ended_count;
    producer_states_clear(states);
    st = producer_states_restore(states, &list, steady_ms);
    producer_list_release(&list, states->mem);
    /* What those batches ended is open again; what ended before is as undecided as it was. */
    const struct ended_txn *ended = states->ended + states->ended_first;
    while (ended_count > 0 && ended[ended_count - 1].last_offset >= end) ended_count--;
    states->ended_count = ended_count;
    return st;
}
