/* broker/group/host_load.c - a coordinator out of its log. One job of the shard reads the logs of
 * the partitions that came online, one after the other, in slices; requests meanwhile are told that
 * it loads. A hole is stepped over: what a power cut left of batches that were never acknowledged
 * must not keep the groups behind it for ever. Damage without a known end ends the load.
 * Source: org.apache.kafka.coordinator.common.runtime.CoordinatorLoaderImpl. */
#include "base/assert.h"
#include "base/logging.h"
#include "broker/group/host.h"
#include "protocol/errors.h"
#include "protocol/record_iter.h"

#define RECORDS_A_SLICE 512 /* between looks at other work */
#define LOAD_BYTES_MIN 65536
#define RETRY_SOON_US 500000   /* no memory, no descriptor */
#define RETRY_LATER_US 30000000 /* damage: after somebody repaired it */

struct loading {
    struct job *job;
    struct hosted *host;
    struct partition *partition;
    struct coordinator *core;
    struct arena scratch;
    struct record_iter iter;
    int64_t offset, end;
    uint64_t record_count;
    uint8_t *data;
    size_t capacity;
};

struct reading {
    struct log_read read;
    struct job *job;
    bool is_waiting;
};

static void on_read(struct log_read *read) {
    struct reading *reading = CONTAINER_OF(read, struct reading, read);
    if (reading->is_waiting) job_wake(reading->job);
}

static bool is_wanted(const struct loading *l) {
    return l->host->state == HOST_LOADING && l->partition->state == PARTITION_ONLINE;
}

/* --- records --- */

static enum status replay_control(struct loading *l, const struct record *record) {
    if (record->key.len < 4) return ST_CORRUPT;
    uint16_t type = get_u16(record->key.ptr + 2);
    if (type > 1) return ST_OK; /* neither abort nor commit: nothing of transactions */
    return coordinator_replay_marker(l->core, l->iter.view.producer_id, type == 1);
}

static enum status replay_batch(struct loading *l, const struct batch_view *view) {
    bool is_control = batch_is_control(view);
    struct record record;
    record_iter_open(&l->iter, view, 0);
    enum status st = ST_OK;
    while (st == ST_OK && record_iter_next(&l->iter, &record)) {
        struct replay_context at = {
            .offset = record.offset,
            .producer_id = batch_is_transactional(view) ? view->producer_id : NO_PRODUCER_ID};
        st = is_control ? replay_control(l, &record)
                        : coordinator_replay(l->core, &at, record.key, record.value, &l->scratch);
        arena_reset(&l->scratch);
        if (++l->record_count % RECORDS_A_SLICE == 0) job_yield(l->job);
        if (!is_wanted(l)) st = ST_CANCELLED;
    }
    if (st == ST_OK) st = l->iter.status;
    record_iter_close(&l->iter);
    return st;
}

/* All whole batches of what was read; *ret_offset is where to go on. */
static enum status replay_range(struct loading *l, struct bytes range) {
    while (range.len > 0) {
        struct batch_view view;
        enum status st = batch_open(range, &view);
        if (st == ST_SHORT) return ST_OK; /* the range ends inside it */
        if (st != ST_OK) return st;
        struct bytes batch = {range.ptr, view.batch_bytes};
        if (view.base_offset >= l->end) return ST_OK;
        if (!batch_crc_matches(batch)) return ST_CORRUPT;
        st = replay_batch(l, &view);
        if (st != ST_OK) return st;
        l->offset = batch_next_offset(&view);
        range = (struct bytes){range.ptr + view.batch_bytes, range.len - view.batch_bytes};
    }
    return ST_OK;
}

/* --- octets --- */

static enum status reserve(struct loading *l, size_t bytes) {
    struct mem *mem = l->host->service->shard->mem;
    if (bytes <= l->capacity) return ST_OK;
    mem_free(mem, l->data, l->capacity);
    l->capacity = 0;
    l->data = mem_alloc(mem, bytes);
    if (l->data == NULL) return ST_NOMEM;
    l->capacity = bytes;
    return ST_OK;
}

static enum status load_range(struct loading *l) {
    const struct config *config = l->host->service->shard->broker->config;
    struct reading reading = {
        .read = {.done = on_read,
                 .offset = l->offset,
                 .upper_offset = l->end,
                 .max_bytes = (uint32_t)MAX(config->offsets_load_buffer_size, LOAD_BYTES_MIN),
                 .whole_first = true},
        .job = l->job};
    if (!log_read_start(l->partition->log, &reading.read)) {
        reading.is_waiting = true;
        job_suspend(l->job);
    }
    struct log_read *read = &reading.read;
    if (read->status == ST_CORRUPT && read->hole_end > l->offset) {
        LOG_ERROR("groups", "event=hole-skipped partition=%d from=%lld to=%lld", l->host->index,
                  (long long)l->offset, (long long)read->hole_end);
        l->offset = read->hole_end;
        return ST_OK;
    }
    if (read->status != ST_OK) return read->status;
    if (read->bytes == 0) { /* what compaction left of the end: nothing */
        l->offset = l->end;
        return ST_OK;
    }
    size_t bytes = read->bytes;
    enum status st = reserve(l, bytes);
    if (st == ST_OK) st = job_read(l->job, read->file, l->data, bytes, read->position);
    log_read_release(read);
    int64_t before = l->offset;
    if (st == ST_OK) st = replay_range(l, (struct bytes){l->data, bytes});
    return st == ST_OK && l->offset == before ? ST_CORRUPT : st;
}

static enum status read_log(struct loading *l) {
    struct partition *p = l->partition;
    /* What an earlier life of this coordinator appended may still be on its way into the file. */
    while (is_wanted(l) && log_end(p->log) < log_assigned_end(p->log))
        job_sleep_until(l->job, job_io(l->job)->now.mono_us + 1000);
    l->offset = log_start_offset(p->log);
    l->end = log_end(p->log);
    while (is_wanted(l) && l->offset < l->end) {
        enum status st = load_range(l);
        if (st != ST_OK) return st;
        job_yield(l->job);
    }
    return is_wanted(l) ? ST_OK : ST_CANCELLED;
}

/* --- one coordinator --- */

static void begin(struct loading *l) {
    struct group_service *service = l->host->service;
    uint64_t seed = 0;
    io_random(service->shard->io, &seed, sizeof seed);
    l->core = coordinator_new(&service->mem, &service->settings, seed);
    arena_init(&l->scratch, service->shard->mem, 4096, 0);
    record_iter_init(&l->iter, service->shard->mem);
}

static void end(struct loading *l) {
    mem_free(l->host->service->shard->mem, l->data, l->capacity);
    record_iter_release(&l->iter);
    arena_release(&l->scratch);
    if (l->core != NULL) coordinator_free(l->core);
}

static size_t unit_bytes_max(const struct partition *p) {
    const struct log_config *config = log_get_config(p->log);
    size_t most = MIN((size_t)config->max_message_bytes, (size_t)config->segment_bytes);
    return most > 256 ? most - 128 : 128; /* less a batch's header */
}

/* For whoever replays the log by other means. */
static void tell(const struct loading *l) {
    const struct broker_setup *setup = &l->host->service->shard->broker->setup;
    struct strbuf dump;
    if (setup->on_group_loaded == NULL) return;
    strbuf_init(&dump, l->host->verify.mem);
    coordinator_dump(l->core, &dump);
    setup->on_group_loaded(setup->owner, l->host->index, l->end, strbuf_str(&dump));
    strbuf_release(&dump);
}

/* The state that counts is what a replay gives. */
static void verify(struct hosted *host, const struct coordinator *core) {
    struct strbuf now;
    if (!host->is_verified) return;
    strbuf_init(&now, host->verify.mem);
    coordinator_dump(core, &now);
    bool is_same = str_eq(strbuf_str(&now), strbuf_str(&host->verify));
    if (!is_same) {
        LOG_ERROR("groups", "event=not-what-it-was partition=%d was=%s is=%s", host->index,
                  LOG_TEXT(strbuf_str(&host->verify)), LOG_TEXT(strbuf_str(&now)));
    }
    strbuf_release(&now);
    ASSERT(is_same);
}

static void activate(struct loading *l) {
    struct hosted *host = l->host;
    struct shard *shard = host->service->shard;
    verify(host, l->core);
    tell(l);
    host->core = l->core;
    l->core = NULL;
    host->state = HOST_ACTIVE;
    host->fx.unit_bytes_max = unit_bytes_max(l->partition);
    host_await(host, l->partition, l->end);
    coordinator_loaded(host->core, shard->io->now, shard->image, l->end, &host->fx);
    host_take_effects(host);
}

static void on_retry(struct io_timer *timer) {
    struct hosted *host = CONTAINER_OF(timer, struct hosted, retry);
    if (host->state == HOST_FAILED) host_load(host);
}

static void retry_after(struct hosted *host, enum status why) {
    struct io *io = host->service->shard->io;
    host->retry.fire = on_retry;
    io_timer_set(io, &host->retry,
                 io->now.mono_us + (why == ST_NOMEM ? RETRY_SOON_US : RETRY_LATER_US));
}

static void load(struct job *job, struct hosted *host) {
    struct loading l = {.job = job, .host = host, .partition = host_partition(host)};
    if (l.partition == NULL || l.partition->state != PARTITION_ONLINE) {
        host->state = HOST_FAILED;
        return;
    }
    partition_use(l.partition);
    uint64_t begun_us = job_io(job)->now.mono_us;
    host->is_being_read = true;
    host->leader_epoch = l.partition->leader_epoch;
    begin(&l);
    enum status st = read_log(&l);
    host->is_being_read = false;
    if (st == ST_OK && l.partition->leader_epoch != host->leader_epoch) {
        end(&l); /* another epoch began meanwhile: once more */
        partition_unuse(l.partition);
        return;
    }
    if (st == ST_OK) {
        LOG_AT(l.record_count > 0 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "groups",
                 "event=loaded partition=%d epoch=%d records=%llu groups=%zu offsets=%llu ms=%llu",
                 host->index, host->leader_epoch, (unsigned long long)l.record_count,
                 l.core->groups.count, (unsigned long long)l.core->offset_count,
                 (unsigned long long)((job_io(job)->now.mono_us - begun_us) / 1000));
        activate(&l);
    } else if (st != ST_CANCELLED) {
        LOG_ERROR("groups", "event=load-failed partition=%d offset=%lld status=\"%s\"", host->index,
                  (long long)l.offset, status_name(st));
        if (host->state == HOST_LOADING) retry_after(host, st);
    }
    host->is_verified = false;
    if (host->state == HOST_LOADING) host->state = HOST_FAILED;
    end(&l);
    partition_unuse(l.partition);
}

static struct hosted *next_to_load(struct group_service *service) {
    LIST_EACH(&service->hosts, node) {
        struct hosted *host = CONTAINER_OF(node, struct hosted, link);
        if (host->state == HOST_LOADING) return host;
    }
    return NULL;
}

static void load_all(struct job *job, void *argument) {
    struct group_service *service = argument;
    struct hosted *host;
    while ((host = next_to_load(service)) != NULL) {
        load(job, host);
        job_yield(job); /* a failed append that asks for another load must not keep the shard */
    }
    service->is_loading = false;
}

void host_renew(struct hosted *host) {
    if (host->core != NULL) host_flush(host); /* may lose it, too */
    if (host->core != NULL && host->service->shard->broker->setup.verify_groups) {
        strbuf_clear(&host->verify);
        coordinator_dump(host->core, &host->verify);
        host->is_verified = !host->verify.failed;
    }
    if (host->state == HOST_LOADING) return;
    host_unload(host, KAFKA_NOT_COORDINATOR);
    host_load(host);
}

void host_load(struct hosted *host) {
    struct group_service *service = host->service;
    ASSERT(host->core == NULL);
    if (service->is_stopped) return;
    io_timer_clear(service->shard->io, &host->retry);
    host->state = HOST_LOADING;
    const struct broker_setup *setup = &service->shard->broker->setup;
    if (setup->on_group_loading != NULL) setup->on_group_loading(setup->owner, host->index);
    if (service->is_loading) return;
    service->is_loading = true;
    job_start(&service->shard->jobs, load_all, service);
}
