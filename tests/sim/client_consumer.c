/* tests/sim/client_consumer.c - follows partitions by long polls; and the judge, who reads
 * everything once more when all is healed and asks the history for its verdict. */
#include <string.h>
#include "base/assert.h"
#include "protocol/batch.h"
#include "protocol/errors.h"
#include "protocol/record_iter.h"
#include "tests/sim/client.h"

enum { FOLLOWED = 8, EMPTY_ANSWERS = 5, EARLIEST = -2, LATEST = -1 };

struct follow {
    struct client_topic *topic;
    uint32_t index;
    struct history_reader reader;
    uint64_t power_cuts; /* when the request left */
    int64_t known;       /* watermark, when the request left */
    int64_t watermark;   /* of the last answer; -1: none */
    int64_t log_start;
    uint32_t empty_answers; /* although the watermark is higher */
    bool is_below;          /* the log's start, perhaps */
};

struct consumer {
    struct actor *actor;
    struct record_iter iter;
    struct follow follows[FOLLOWED];
    uint32_t follow_count;
    bool is_judge;
};

static struct follow *follow_find(struct consumer *c,
                                  const struct fetch_response_fetchable_topic *topic, int32_t index,
                                  int16_t version) {
    for (uint32_t i = 0; i < c->follow_count; i++) {
        struct follow *f = &c->follows[i];
        bool same = version >= 13 ? uuid_eq(topic->topic_id, f->topic->id)
                                  : str_eq(topic->topic, str_of(f->topic->name));
        if (same && (int32_t)f->index == index) return f;
    }
    return NULL;
}

/* The records of one batch, from the reader's offset on. false: it is asked for again. */
static bool batch_read(struct consumer *c, struct follow *f, struct bytes octets,
                       const struct batch_view *view) {
    struct world *world = c->actor->clients->world;
    if (!batch_crc_matches((struct bytes){octets.ptr, view->batch_bytes})) {
        /* A page that a failed sync took back may be on its way to the client by then. */
        if (world->counts.fired[FAULT_DISK_SYNC_ERROR] > 0) return false;
        world_fail(world, "%s-%u: the checksum of the batch at %lld does not fit", f->topic->name,
                   f->index, (long long)view->base_offset);
        return false;
    }
    struct record record;
    world_trace(world, "    %s-%u: read %d records at %lld, the watermark is %lld", f->topic->name,
                f->index, view->record_count, (long long)view->base_offset,
                (long long)f->watermark);
    record_iter_open(&c->iter, view, 0);
    while (record_iter_next(&c->iter, &record)) {
        if (record.offset < f->reader.next_offset && view->base_offset < f->reader.next_offset &&
            batch_last_offset(view) >= f->reader.next_offset)
            continue; /* a batch comes whole */
        history_read(c->actor->clients->history, &f->reader, record.offset, record.value,
                     f->watermark);
    }
    record_iter_close(&c->iter);
    if (c->iter.status != ST_OK) {
        world_fail(world, "%s-%u: the batch at %lld is %s", f->topic->name, f->index,
                   (long long)view->base_offset, status_name(c->iter.status));
    }
    return true;
}

static void records_read(struct consumer *c, struct follow *f, struct bytes octets) {
    while (octets.len > 0) {
        struct batch_view view;
        enum status st = batch_open(octets, &view);
        if (st == ST_SHORT) return; /* the last one may be cut */
        if (st != ST_OK) {
            world_fail(c->actor->clients->world, "%s-%u: a batch is %s behind offset %lld",
                       f->topic->name, f->index, status_name(st), (long long)f->reader.next_offset);
            return;
        }
        if (!batch_read(c, f, octets, &view)) return;
        if (c->actor->clients->history->compacts) /* the last of its records may be gone */
            f->reader.next_offset = MAX(f->reader.next_offset, batch_next_offset(&view));
        octets = (struct bytes){octets.ptr + view.batch_bytes, octets.len - view.batch_bytes};
    }
}

static void partition_answered(struct consumer *c, struct follow *f,
                               const struct fetch_response_partition_data *data) {
    struct clients *clients = c->actor->clients;
    switch (data->error_code) {
    case KAFKA_NONE: break;
    case KAFKA_OFFSET_OUT_OF_RANGE:
        history_out_of_range(clients->history, &f->reader);
        f->is_below = history_may_begin_later(clients->history);
        return;
    case KAFKA_CORRUPT_MESSAGE: history_damaged(clients->history, &f->reader); return;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_LEADER_NOT_AVAILABLE:
    case KAFKA_OFFSET_NOT_AVAILABLE:
    case KAFKA_KAFKA_STORAGE_ERROR: return;
    default:
        world_fail(clients->world, "Fetch of %s-%u: error %d", f->topic->name, f->index,
                   data->error_code);
        return;
    }
    /* An answer that was on its way when the power went says nothing of what is left. */
    if (!clients->flush && f->power_cuts != clients->history->power_cuts) return;
    history_watermark(clients->history, f->reader.partition, data->high_watermark, f->known);
    f->watermark = data->high_watermark;
    f->log_start = data->log_start_offset;
    int64_t before = f->reader.next_offset;
    records_read(c, f, data->records.bytes);
    bool is_empty = f->reader.next_offset == before && data->high_watermark > before;
    if (!is_empty) f->empty_answers = 0;
    if (!is_empty || !c->is_judge) return;
    if (++f->empty_answers < EMPTY_ANSWERS) return; /* others may have had their turn */
    history_damaged(clients->history, &f->reader);  /* a gap at the end */
    f->empty_answers = EMPTY_ANSWERS - 1;           /* and it may be long */
}

static void fetch_make(struct consumer *c, int16_t version, struct fetch_request *request) {
    struct actor *actor = c->actor;
    codec_defaults(&fetch_request_schema, request);
    request->max_wait_ms = c->is_judge ? 10 : (int32_t)actor_draw(actor, 500);
    request->min_bytes =
        c->is_judge ? 1 : (int32_t)actor_draw(actor, actor_chance(actor, 20) ? 5000 : 2);
    uint32_t small_percent = c->is_judge ? 5 : 50;
    request->max_bytes =
        1 + (int32_t)actor_draw(actor, actor_chance(actor, small_percent) ? 100 : 1000000);
    request->isolation_level = (int8_t)actor_draw(actor, 2);
    request->topics = fetch_request_topic_array(&actor->arena, (int32_t)c->follow_count);
    for (uint32_t i = 0; i < c->follow_count; i++) {
        struct follow *f = &c->follows[i];
        struct fetch_request_topic *topic = &request->topics[request->topics_count++];
        if (version >= 13) {
            topic->topic_id = f->topic->id;
        } else {
            topic->topic = str_of(f->topic->name);
        }
        topic->partitions = fetch_request_partition_array(&actor->arena, 1);
        topic->partitions_count = 1;
        topic->partitions[0].partition = (int32_t)f->index;
        topic->partitions[0].fetch_offset = f->reader.next_offset;
        topic->partitions[0].partition_max_bytes =
            1 + (int32_t)actor_draw(actor, actor_chance(actor, small_percent) ? 100 : 1000000);
        f->known = history_watermark_known(actor->clients->history, f->reader.partition);
        f->power_cuts = actor->clients->history->power_cuts;
        f->watermark = -1;
    }
}

static enum status fetch(struct consumer *c) {
    struct actor *actor = c->actor;
    int16_t version = actor_version(actor, API_FETCH, 4);
    struct fetch_request request;
    fetch_make(c, version, &request);
    struct fetch_response response;
    enum status st = actor_call(actor, API_FETCH, version, &request, &response);
    if (st != ST_OK) return st;
    actor->clients->fetch_answers++;
    if (response.error_code != KAFKA_NONE) {
        world_fail(actor->clients->world, "Fetch v%d: error %d", version, response.error_code);
        return ST_CORRUPT;
    }
    for (int32_t t = 0; t < response.responses_count; t++) {
        const struct fetch_response_fetchable_topic *topic = &response.responses[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            struct follow *f = follow_find(c, topic, topic->partitions[i].partition_index, version);
            if (f == NULL) {
                world_fail(actor->clients->world,
                           "Fetch v%d answered for a partition not asked for", version);
                return ST_CORRUPT;
            }
            partition_answered(c, f, &topic->partitions[i]);
        }
    }
    return ST_OK;
}

/* The offset at one end of the log; < 0: not told. */
static int64_t list_offset(struct consumer *c, const struct follow *f, int64_t timestamp) {
    struct actor *actor = c->actor;
    struct list_offsets_request request;
    codec_defaults(&list_offsets_request_schema, &request);
    request.replica_id = -1;
    request.topics = list_offsets_request_topic_array(&actor->arena, 1);
    request.topics_count = 1;
    request.topics[0].name = str_of(f->topic->name);
    request.topics[0].partitions = list_offsets_request_partition_array(&actor->arena, 1);
    request.topics[0].partitions_count = 1;
    request.topics[0].partitions[0].partition_index = (int32_t)f->index;
    request.topics[0].partitions[0].timestamp = timestamp;
    struct list_offsets_response response;
    int16_t version = actor_version(actor, API_LIST_OFFSETS, 1);
    if (actor_call(actor, API_LIST_OFFSETS, version, &request, &response) != ST_OK) return -1;
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1) {
        world_fail(actor->clients->world, "ListOffsets v%d answered for other partitions", version);
        return -1;
    }
    const struct list_offsets_response_partition *one = &response.topics[0].partitions[0];
    return one->error_code == KAFKA_NONE ? one->offset : -1;
}

static void ask_offsets(struct consumer *c, const struct follow *f) {
    struct history *history = c->actor->clients->history;
    int64_t known = history_watermark_known(history, f->reader.partition);
    uint64_t power_cuts = history->power_cuts;
    int64_t latest = list_offset(c, f, LATEST);
    if (latest >= 0 && power_cuts == history->power_cuts)
        history_watermark(history, f->reader.partition, latest, known);
}

static void follow_add(struct consumer *c, struct client_topic *topic, uint32_t index) {
    for (uint32_t i = 0; i < c->follow_count; i++) {
        if (c->follows[i].topic == topic && c->follows[i].index == index) return;
    }
    if (c->follow_count == FOLLOWED) return;
    c->follows[c->follow_count++] = (struct follow){
        .topic = topic, .index = index, .reader.partition = topic->first_partition + index};
}

static void follows_forget_deleted(struct consumer *c) {
    for (uint32_t i = 0; i < c->follow_count;) {
        if (c->follows[i].topic->is_live) {
            i++;
        } else {
            c->follows[i] = c->follows[--c->follow_count];
        }
    }
}

static struct consumer *consumer_new(struct actor *actor, bool is_judge) {
    struct consumer *c = MEM_NEW(job_mem(actor->job), struct consumer);
    c->actor = actor;
    c->is_judge = is_judge;
    record_iter_init(&c->iter, job_mem(actor->job));
    return c;
}

static void consumer_free(struct consumer *c) {
    record_iter_release(&c->iter);
    MEM_FREE(job_mem(c->actor->job), c);
}

/* What retention took from under a reader. */
static void find_starts(struct consumer *c) {
    for (uint32_t i = 0; i < c->follow_count; i++) {
        struct follow *f = &c->follows[i];
        int64_t start = f->is_below ? list_offset(c, f, EARLIEST) : -1;
        if (start < 0) continue;
        f->is_below = false;
        f->reader.next_offset = MAX(f->reader.next_offset, start);
    }
}

static void consumer_main(struct actor *actor) {
    struct consumer *c = consumer_new(actor, false);
    while (!actor->clients->is_ending) {
        arena_reset(&actor->arena);
        follows_forget_deleted(c);
        struct client_topic *topic =
            c->follow_count < 1 + actor_draw(actor, FOLLOWED) ? actor_topic(actor) : NULL;
        if (topic != NULL) follow_add(c, topic, actor_draw(actor, topic->partition_count));
        if (c->follow_count == 0) {
            actor_sleep(actor, 50000);
            continue;
        }
        if (actor_connect(actor) != ST_OK) continue;
        find_starts(c);
        if (actor_chance(actor, 5)) {
            ask_offsets(c, &c->follows[0]);
        } else if (fetch(c) != ST_OK) {
            actor_sleep(actor, 20000);
        }
        if (actor_chance(actor, 2)) actor_sleep(actor, 300000); /* falls behind */
        if (actor_chance(actor, 1)) c->follow_count = 0; /* another one, from the beginning */
    }
    consumer_free(c);
}

void client_start_consumer(struct clients *clients) {
    actor_start(clients, "consumer", consumer_main, true, 0);
}

/* --- the judge --- */

/* Asks until it is told; all is healed. 0 once the world has stopped. */
static int64_t start_now(struct consumer *c, const struct follow *f) {
    while (!c->actor->clients->world->stopped) {
        arena_reset(&c->actor->arena);
        int64_t start = actor_connect(c->actor) == ST_OK ? list_offset(c, f, EARLIEST) : -1;
        if (start >= 0) return start;
        actor_sleep(c->actor, 20000);
    }
    return 0;
}

static void partition_judge(struct consumer *c, struct client_topic *topic, uint32_t index) {
    struct history *history = c->actor->clients->history;
    c->follow_count = 0;
    follow_add(c, topic, index);
    struct follow *f = &c->follows[0];
    history_end_begin(history, f->reader.partition);
    for (;;) {
        arena_reset(&c->actor->arena);
        if (actor_connect(c->actor) != ST_OK) continue;
        int64_t end = list_offset(c, f, LATEST), start = end < 0 ? -1 : list_offset(c, f, EARLIEST);
        if (start < 0) {
            actor_sleep(c->actor, 20000);
            continue;
        }
        f->reader.next_offset = MAX(f->reader.next_offset, start);
        while (f->reader.next_offset < end && !c->actor->clients->world->stopped) {
            arena_reset(&c->actor->arena);
            if (actor_connect(c->actor) != ST_OK) continue;
            find_starts(c);
            int64_t before = f->reader.next_offset;
            enum status st = fetch(c);
            bool is_refused = f->watermark < 0 && f->reader.next_offset == before;
            if (st != ST_OK || is_refused) actor_sleep(c->actor, 20000);
        }
        /* What was on its way may have come meanwhile, and retention may have taken some. */
        start = start_now(c, f);
        history_end(history, f->reader.partition, start, MAX(end, f->reader.next_offset));
        return;
    }
}

static void judge_main(struct actor *actor) {
    struct consumer *c = consumer_new(actor, true);
    for (uint32_t t = 0; t < actor->clients->topic_count; t++) {
        struct client_topic *topic = &actor->clients->topics[t];
        for (uint32_t i = 0; topic->is_live && i < topic->partition_count; i++)
            partition_judge(c, topic, i);
    }
    consumer_free(c);
    actor->clients->is_judged = true;
}

void client_start_judge(struct clients *clients) {
    actor_start(clients, "judge", judge_main, false, 0);
}
