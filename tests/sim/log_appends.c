/* tests/sim/log_appends.c - batches of `sim log`: made, appended, and told to the history when they
 * are in the file and when they are durable. */
#include <string.h>
#include "base/assert.h"
#include "tests/sim/log_process.h"

enum { RECORDS = 12 }; /* of a batch, at most */

static enum status add_keyed(struct log_process *p, uint64_t id, int64_t wall_ms,
                             struct bytes value) {
    char key[LOG_KEYS_KEY_BYTES];
    uint8_t octets[LOG_KEYS_ID_BYTES];
    log_keys_key(id, key);
    put_u64(octets, id);
    struct record_header header = {STR("id"), {octets, sizeof octets}};
    return batch_builder_add(&p->builder, wall_ms, (struct bytes){(uint8_t *)key, strlen(key)},
                             log_keys_is_tombstone(id) ? BYTES_NULL : value, &header, 1);
}

static void take_octets(struct log_batch *b, struct bytes octets) {
    b->bytes = octets.len;
    b->append.batch = mem_need(b->process->mem, octets.len);
    memcpy(b->append.batch, octets.ptr, octets.len);
    b->append.batch_bytes = (uint32_t)octets.len;
    b->append.record_count = (int32_t)b->count;
    b->append.leader_epoch = b->process->scenario->epoch;
}

/* `producer` may be NULL: without an id. */
static void data_make(struct log_process *p, struct log_batch *b,
                      struct producer_summary *producer) {
    struct log_scenario *s = p->scenario;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = (enum codec)draw(s, CODEC_COUNT);
    if (producer != NULL) {
        bool is_open = producer->txn_first_offset >= 0;
        options.transactional = is_open || draw(s, 2) == 0;
        options.producer_id = producer->producer_id;
        options.producer_epoch = producer->epoch;
        options.base_sequence = sequence_add(MAX(producer->last_sequence, -1) + 1, 0);
        producer->last_sequence = options.base_sequence + (int32_t)b->count - 1;
        if (options.transactional) {
            producer->txn_first_offset = 0;
            b->txn_producer_id = producer->producer_id;
        }
    }
    enum status st = batch_builder_start(&p->builder, &options);
    int64_t wall_ms = io_now(p->io).wall_ms;
    for (uint32_t i = 0; i < b->count && st == ST_OK; i++) {
        uint8_t value[VALUE_MAX];
        struct bytes content = value_of(b->first_id + i, value);
        st = s->tending == TEND_KEYS
                 ? add_keyed(p, b->first_id + i, wall_ms, content)
                 : batch_builder_add(&p->builder, wall_ms, BYTES_NULL, content, NULL, 0);
    }
    struct bytes batch = BYTES_NULL;
    if (st == ST_OK) st = batch_builder_finish(&p->builder, &batch);
    ASSERT(st == ST_OK);
    b->append.max_timestamp_ms = wall_ms;
    take_octets(b, batch);
}

static void marker_make(struct log_process *p, struct log_batch *b,
                        struct producer_summary *producer) {
    struct log_scenario *s = p->scenario;
    uint8_t octets[TXN_MARKER_BATCH_BYTES];
    struct txn_marker marker = {.is_commit = draw(s, 2) == 0, .timestamp = (int64_t)b->first_id};
    if (draw(s, 2) == 0) { /* as transaction.version 2 does */
        producer->epoch++;
        producer->last_sequence = NO_SEQUENCE;
    }
    producer->txn_first_offset = -1;
    b->txn_producer_id = producer->producer_id;
    b->kind = marker.is_commit ? LOG_KEYS_COMMIT : LOG_KEYS_ABORT;
    txn_marker_encode(octets, producer->producer_id, producer->epoch, &marker);
    b->append.max_timestamp_ms = marker.timestamp;
    take_octets(b, (struct bytes){octets, sizeof octets});
}

enum status log_process_learn_producers(struct log_process *p) {
    struct producer_list list;
    for (int64_t id = 0; id < PRODUCERS; id++) {
        p->producers[id] = (struct producer_summary){
            .producer_id = id, .last_sequence = NO_SEQUENCE, .txn_first_offset = -1};
    }
    enum status st = log_list_producers(p->log, &list);
    if (st != ST_OK) return st;
    for (size_t i = 0; i < list.count; i++)
        p->producers[list.producers[i].producer_id] = list.producers[i];
    producer_list_release(&list, p->mem);
    return ST_OK;
}

static void batch_end(struct log_batch *b) {
    list_remove(&b->link);
    mem_free(b->process->mem, b->append.batch, b->bytes);
    list_push_back(&b->process->spare, &b->link);
    b->process->under_way--;
}

static void note_time(struct log_scenario *s, int64_t first, int64_t last) {
    size_t end = (size_t)last + 1;
    if (end > s->appended_capacity) {
        size_t capacity = end * 2;
        uint64_t *grown = mem_need(s->history.mem, capacity * sizeof *grown);
        if (s->appended_capacity > 0)
            memcpy(grown, s->appended_us, s->appended_capacity * sizeof *grown);
        mem_free(s->history.mem, s->appended_us, s->appended_capacity * sizeof *grown);
        s->appended_us = grown;
        s->appended_capacity = capacity;
    }
    for (size_t i = (size_t)first; i < end; i++) s->appended_us[i] = s->world->now_us;
}

static void append_done(struct log_append *append) {
    struct log_batch *b = CONTAINER_OF(append, struct log_batch, append);
    struct log_process *p = b->process;
    if (append->status != ST_OK) {
        if (!p->scenario->may_fail) failed(p->scenario, "append", append->status);
        batch_end(b);
        return;
    }
    world_trace(p->scenario->world, "appended %lld..%lld", (long long)append->base_offset,
                (long long)append->last_offset);
    history_acked(&p->scenario->history, PARTITION, b->first_id, b->count, append->base_offset, 1);
    if (p->scenario->tending == TEND_KEYS)
        log_keys_appended(&p->scenario->keys, append->base_offset, b->first_id, b->count,
                          b->txn_producer_id, b->kind);
    note_time(p->scenario, append->base_offset, append->last_offset);
    list_push_back(&p->written, &b->link);
    if (draw(p->scenario, 3) > 0) log_sync(p->log);
}

void log_process_durable(struct log_owner *owner) {
    struct log_process *p = CONTAINER_OF(owner, struct log_process, owner);
    world_trace(p->scenario->world, "durable up to %lld", (long long)log_durable_end(p->log));
    if (p->scenario->tending == TEND_KEYS)
        log_keys_durable(&p->scenario->keys, log_durable_end(p->log));
    LIST_EACH(&p->written, node) {
        struct log_batch *b = CONTAINER_OF(node, struct log_batch, link);
        if (b->append.last_offset >= log_durable_end(p->log)) break;
        history_acked(&p->scenario->history, PARTITION, b->first_id, b->count,
                      b->append.base_offset, -1);
        batch_end(b);
    }
}

void log_process_append(struct log_process *p) {
    struct log_scenario *s = p->scenario;
    struct list *node = list_pop_front(&p->spare);
    struct log_batch *b = node != NULL ? CONTAINER_OF(node, struct log_batch, link)
                                       : MEM_NEW(p->mem, struct log_batch);
    *b = (struct log_batch){.process = p, .append.done = append_done, .txn_producer_id = -1};
    struct producer_summary *producer = NULL;
    if (has_transactions(s) && draw(s, 3) > 0) producer = &p->producers[draw(s, PRODUCERS)];
    bool is_end = producer != NULL && producer->txn_first_offset >= 0 && draw(s, 3) == 0;
    b->count = is_end ? 1 : 1 + draw(s, draw(s, 4) == 0 ? RECORDS : 2);
    b->first_id = s->next_id;
    s->next_id += b->count;
    if (is_end) {
        marker_make(p, b, producer);
    } else {
        data_make(p, b, producer);
    }
    history_sent(&s->history, PARTITION, 1, b->first_id, b->count, true);
    p->under_way++;
    enum status st = log_append(p->log, &b->append);
    if (st == ST_OK) return;
    if (!s->may_fail) failed(s, "append refused", st);
    batch_end(b);
}
