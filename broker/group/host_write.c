/* broker/group/host_write.c - from effects to the log, and from the watermark to answers. */
#include "base/assert.h"
#include "base/logging.h"
#include "broker/group/host.h"
#include "protocol/errors.h"

#define RECORD_OVERHEAD_BYTES 32

/* One batch on its way, or (without a buffer) only a wait for what was loaded. */
struct group_write {
    struct list link;    /* in host->writes */
    struct hosted *host; /* NULL: unloaded meanwhile */
    struct shard *shard;
    struct partition *partition; /* used until the append is done */
    struct buffer *buffer;
    uint64_t number;
    struct log_append append;
    struct watermark_wait wait;
};

static struct group_call *call_of(struct list *link) {
    return CONTAINER_OF(CONTAINER_OF(link, struct group_ticket, link), struct group_call, ticket);
}

static void release_answers(struct hosted *host) {
    while (!list_is_empty(&host->waiting)) {
        struct group_call *call = call_of(host->waiting.next);
        if (call->after > host->committed) return;
        list_remove(&call->ticket.link);
        group_call_finish(call);
    }
}

static void write_free(struct group_write *write) {
    list_remove(&write->link);
    MEM_FREE(write->shard->mem, write);
}

/* The log did not take it: what the core says is not what the log says. */
static void write_failed(struct group_write *write) {
    struct hosted *host = write->host;
    write_free(write);
    if (host == NULL) return;
    LOG_WARN("groups", "event=append-failed partition=%d", host->index);
    host_unload(host, KAFKA_NOT_COORDINATOR);
    host_load(host);
}

static void write_committed(struct group_write *write) {
    struct hosted *host = write->host;
    uint64_t number = write->number;
    write_free(write);
    if (host == NULL) return;
    ASSERT(number == host->committed + 1);
    host->committed = number;
    release_answers(host);
}

static void on_watermark(struct watermark_wait *wait, enum status st) {
    struct group_write *write = CONTAINER_OF(wait, struct group_write, wait);
    if (st == ST_OK) {
        write_committed(write);
    } else {
        write_failed(write);
    }
}

static void on_appended(struct log_append *append) {
    struct group_write *write = CONTAINER_OF(append, struct group_write, append);
    struct partition *p = write->partition;
    bool is_good = append->status == ST_OK && p->state == PARTITION_ONLINE;
    bool must_wait = false;
    buffer_put(&write->shard->buffers, write->buffer);
    write->buffer = NULL;
    if (is_good) {
        if (p->flush_before_ack) log_sync(p->log);
        write->wait =
            (struct watermark_wait){.offset = append->last_offset + 1, .over = on_watermark};
        must_wait = partition_wait(p, &write->wait);
    }
    partition_unuse(p);
    if (must_wait) return;
    if (is_good) {
        write_committed(write);
    } else {
        write_failed(write);
    }
}

static struct group_write *write_new(struct hosted *host, struct partition *p) {
    struct group_write *write = MEM_NEW(host->service->shard->mem, struct group_write);
    *write = (struct group_write){
        .host = host, .shard = host->service->shard, .partition = p, .number = ++host->emitted};
    list_push_back(&host->writes, &write->link);
    return write;
}

void host_await(struct hosted *host, struct partition *p, int64_t offset) {
    struct group_write *write = write_new(host, p);
    write->wait = (struct watermark_wait){.offset = offset, .over = on_watermark};
    log_sync(p->log);
    if (!partition_wait(p, &write->wait)) write_committed(write);
}

void host_orphan_writes(struct hosted *host) {
    LIST_EACH(&host->writes, node) {
        struct group_write *write = CONTAINER_OF(node, struct group_write, link);
        write->host = NULL;
        list_remove(node);
    }
}

/* --- the batch --- */

static enum status append(struct hosted *host, struct partition *p, struct bytes batch,
                          int32_t record_count) {
    struct shard *shard = host->service->shard;
    struct buffer *buffer = buffer_get(&shard->buffers, batch.len);
    if (buffer == NULL) return ST_NOMEM;
    memcpy(buffer->data, batch.ptr, batch.len);
    struct group_write *write = write_new(host, p);
    write->buffer = buffer;
    write->append = (struct log_append){
        .done = on_appended,
        .batch = buffer->data,
        .batch_bytes = (uint32_t)batch.len,
        .record_count = record_count,
        .max_timestamp_ms = host->builder.max_timestamp,
        .max_timestamp_offset_delta = record_count - 1,
        .leader_epoch = p->leader_epoch,
    };
    enum status st = log_append(p->log, &write->append);
    if (st == ST_OK) {
        partition_use(p);
        return ST_OK;
    }
    buffer_put(&shard->buffers, buffer);
    host->emitted--;
    write_free(write);
    return st;
}

/* Each of many coordinators would else keep room for its largest batch ever. */
static void trim_builder(struct hosted *host) {
    if (host->builder.out.capacity <= host->service->cached_bytes_max) return;
    batch_builder_release(&host->builder);
    batch_builder_init(&host->builder, host->service->shard->mem);
}

/* false: the coordinator is gone. */
static bool flush(struct hosted *host) {
    struct bytes batch = BYTES_NULL;
    struct partition *p = host_partition(host);
    io_timer_clear(host->service->shard->io, &host->linger);
    list_remove(&host->dirty_link);
    if (!host->has_batch) return true;
    host->has_batch = false;
    int32_t record_count = host->builder.record_count;
    enum status st = batch_builder_finish(&host->builder, &batch);
    if (st == ST_OK) st = partition_problem(p, -1) == KAFKA_NONE ? ST_OK : ST_CLOSED;
    if (st == ST_OK) st = append(host, p, batch, record_count);
    trim_builder(host);
    if (st == ST_OK) return true;
    LOG_WARN("groups", "event=append-refused partition=%d status=\"%s\"", host->index,
             status_name(st));
    host_unload(host, KAFKA_NOT_COORDINATOR);
    host_load(host);
    return false;
}

void host_flush(struct hosted *host) { (void)flush(host); /* what fails was told to who waited */ }

static size_t unit_bytes(const struct group_effects *fx, uint32_t from) {
    size_t bytes = 0;
    for (uint32_t i = from; i < fx->record_count && fx->records[i].unit == fx->records[from].unit;
         i++)
        bytes += fx->records[i].key.len + fx->records[i].value.len + RECORD_OVERHEAD_BYTES;
    return bytes;
}

static enum status begin_batch(struct hosted *host) {
    const struct shard *shard = host->service->shard;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = (enum codec)shard->broker->config->offsets_topic_compression_codec;
    enum status st = batch_builder_start(&host->builder, &options);
    host->has_batch = st == ST_OK;
    return st;
}

/* Puts the records of the step into batches, units whole. false: the coordinator is gone. */
static bool put_records(struct hosted *host) {
    const struct group_effects *fx = &host->fx;
    int64_t now_ms = host->service->shard->io->now.wall_ms;
    for (uint32_t i = 0; i < fx->record_count; i++) {
        bool begins_unit = i == 0 || fx->records[i].unit != fx->records[i - 1].unit;
        bool is_full = begins_unit && host->has_batch &&
                       batch_builder_bytes(&host->builder) + unit_bytes(fx, i) > fx->unit_bytes_max;
        if (is_full && !flush(host)) return false;
        enum status st = host->has_batch ? ST_OK : begin_batch(host);
        if (st == ST_OK) {
            st = batch_builder_add(&host->builder, now_ms, fx->records[i].key,
                                   fx->records[i].value, NULL, 0);
        }
        if (st == ST_OK) continue;
        LOG_WARN("groups", "event=append-refused partition=%d status=\"%s\"", host->index,
                 status_name(st));
        host->has_batch = false;
        host_unload(host, KAFKA_NOT_COORDINATOR);
        host_load(host);
        return false;
    }
    return true;
}

static void on_linger(struct io_timer *timer) {
    host_flush(CONTAINER_OF(timer, struct hosted, linger));
}

static void flush_soon(struct hosted *host) {
    struct group_service *service = host->service;
    struct io *io = service->shard->io;
    if (service->linger_ms <= 0) {
        if (!list_is_linked(&host->dirty_link)) list_push_back(&service->dirty, &host->dirty_link);
        io_later(io, &service->flush);
    } else if (!io_timer_is_set(&host->linger)) {
        host->linger.fire = on_linger;
        io_timer_set(io, &host->linger, io->now.mono_us + (uint64_t)service->linger_ms * 1000);
    }
}

static void on_wake(struct io_timer *timer) {
    struct hosted *host = CONTAINER_OF(timer, struct hosted, wake);
    struct shard *shard = host->service->shard;
    host->core->image = shard->image;
    coordinator_tick(host->core, shard->io->now, &host->fx);
    host_take_effects(host);
}

static void set_wake(struct hosted *host) {
    struct io *io = host->service->shard->io;
    uint64_t wake_us = coordinator_wake_us(host->core);
    host->wake.fire = on_wake;
    if (wake_us == UINT64_MAX) {
        io_timer_clear(io, &host->wake);
    } else if (!io_timer_is_set(&host->wake) || host->wake.at_us != wake_us) {
        io_timer_set(io, &host->wake, wake_us);
    }
}

/* What it wrote may yet be committed: its client asks again, or finds it done. */
static void on_late(struct io_timer *timer) {
    struct hosted *host = CONTAINER_OF(timer, struct hosted, late);
    struct io *io = host->service->shard->io;
    while (!list_is_empty(&host->waiting)) {
        struct group_call *call = call_of(host->waiting.next);
        if (call->late_us > io->now.mono_us) {
            io_timer_set(io, &host->late, call->late_us);
            return;
        }
        list_remove(&call->ticket.link);
        group_ticket_fail(&call->ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
        group_call_finish(call);
    }
}

/* An answer waits for its records. */
static void wait_for_commit(struct hosted *host, struct group_call *call, uint64_t after) {
    struct io *io = host->service->shard->io;
    call->after = after;
    call->late_us = io->now.mono_us + host->service->patience_us;
    list_push_back(&host->waiting, &call->ticket.link);
    if (after <= host->committed || io_timer_is_set(&host->late)) return;
    host->late.fire = on_late;
    io_timer_set(io, &host->late, call->late_us);
}

void host_take_effects(struct hosted *host) {
    struct group_effects *fx = &host->fx;
    if (fx->is_broken) {
        LOG_WARN("groups", "event=out-of-memory partition=%d", host->index);
        host_unload(host, KAFKA_COORDINATOR_NOT_AVAILABLE);
        host_load(host);
        return;
    }
    if (fx->record_count > 0 && !put_records(host)) return;
    uint64_t after = host->emitted + host->has_batch;
    for (struct list *node; (node = list_pop_front(&fx->replies)) != NULL;)
        wait_for_commit(host, call_of(node), after);
    group_effects_clear(fx);
    if (host->has_batch) flush_soon(host);
    set_wake(host);
    release_answers(host);
}

/* --- the end --- */

static void fail_all(struct list *tickets, int16_t error) {
    for (struct list *node; (node = list_pop_front(tickets)) != NULL;) {
        struct group_call *call = call_of(node);
        group_ticket_fail(&call->ticket, error);
        group_call_finish(call);
    }
}

void host_unload(struct hosted *host, int16_t error) {
    struct io *io = host->service->shard->io;
    struct coordinator *core = host->core;
    host->core = NULL;
    host->state = HOST_FAILED;
    host->has_batch = false;
    list_remove(&host->dirty_link);
    io_timer_clear(io, &host->wake);
    io_timer_clear(io, &host->linger);
    io_timer_clear(io, &host->late);
    host_orphan_writes(host);
    host->emitted = host->committed = 0;
    if (core == NULL) return;
    coordinator_unload(core, error, &host->fx);
    struct list failed;
    list_init(&failed);
    while (!list_is_empty(&host->waiting))
        list_push_back(&failed, list_pop_front(&host->waiting));
    while (!list_is_empty(&host->fx.replies))
        list_push_back(&failed, list_pop_front(&host->fx.replies));
    group_effects_clear(&host->fx);
    coordinator_free(core);
    fail_all(&failed, error);
}
