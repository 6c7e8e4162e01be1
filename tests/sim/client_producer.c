/* tests/sim/client_producer.c - sends batches to several partitions, in one request or in several
 * at once, again when they fail, with any codec, acks and version. */
#include <string.h>
#include "base/assert.h"
#include "protocol/batch_builder.h"
#include "protocol/errors.h"
#include "tests/sim/client.h"

enum { BATCHES = 4, RECORDS = 24, PARTITIONS = CLIENT_TOPICS * CLIENT_PARTITIONS };

/* A batch on its way. */
struct outgoing {
    struct client_topic *topic;
    uint32_t index;     /* partition within the topic */
    uint32_t partition; /* in the history */
    uint64_t first_id;
    uint32_t count;
    struct bytes batch; /* arena */
    uint32_t attempts;
    uint64_t power_cuts; /* before the last attempt */
    bool is_resolved;
};

struct producer {
    struct actor *actor;
    struct batch_builder builder;
    int16_t acks;
    bool is_idempotent;
    bool gives_up;   /* after a few attempts */
    bool must_renew; /* its id */
    bool repeats;    /* this round may have several batches for one partition */
    int64_t producer_id;
    int16_t epoch;
    int32_t sequences[PARTITIONS]; /* next, by partition of the history */
    bool is_known[PARTITIONS];     /* has acknowledged a batch of this id */
    uint64_t next_id;
    struct outgoing out[BATCHES];
    uint32_t out_count;
};

static void batch_make(struct producer *p, struct outgoing *out) {
    struct actor *actor = p->actor;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = (enum codec)actor_draw(actor, CODEC_COUNT);
    if (p->is_idempotent) {
        options.producer_id = p->producer_id;
        options.producer_epoch = p->epoch;
        options.base_sequence = p->sequences[out->partition];
        p->sequences[out->partition] =
            sequence_add(p->sequences[out->partition], (int32_t)out->count);
    }
    enum status st = batch_builder_start(&p->builder, &options);
    for (uint32_t i = 0; i < out->count && st == ST_OK; i++) {
        uint64_t id = out->first_id + i;
        size_t len = history_value_bytes(id, actor->clients->value_max);
        uint8_t *value = arena_alloc(&actor->arena, len);
        history_value(id, value, len);
        uint8_t cleaned_key = history_key(id);
        struct bytes key = {value, actor_chance(actor, 50) ? 8 : 0};
        if (key.len == 0) key.ptr = NULL;
        if (actor->clients->history->compacts) key = (struct bytes){&cleaned_key, 1};
        st = batch_builder_add(&p->builder, io_now(job_io(actor->job)).wall_ms, key,
                               (struct bytes){value, len}, NULL, 0);
    }
    struct bytes batch;
    if (st == ST_OK) st = batch_builder_finish(&p->builder, &batch);
    ASSERT(st == ST_OK); /* small records, memory without limit */
    out->batch = arena_bytes(&actor->arena, batch);
}

static bool is_taken(const struct producer *p, uint32_t partition) {
    for (uint32_t i = 0; i < p->out_count; i++) {
        if (p->out[i].partition == partition) return true;
    }
    return false;
}

/* Up to BATCHES batches, for different partitions; an idempotent producer may have several on their
 * way to one partition, where their order is checked. */
static void round_make(struct producer *p) {
    struct actor *actor = p->actor;
    uint32_t wanted = 1 + actor_draw(actor, BATCHES);
    p->repeats = p->is_idempotent && actor_chance(actor, 50);
    p->out_count = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        struct client_topic *topic = actor_topic(actor);
        if (topic == NULL) return;
        uint32_t index = actor_draw(actor, topic->partition_count);
        uint32_t partition = topic->first_partition + index;
        if (!p->repeats && is_taken(p, partition)) continue;
        struct outgoing *out = &p->out[p->out_count++];
        *out = (struct outgoing){.topic = topic, .index = index, .partition = partition};
        out->count = 1 + actor_draw(actor, actor_chance(actor, 20) ? RECORDS : 3);
        out->first_id = (uint64_t)actor->number << 40 | p->next_id;
        p->next_id += out->count;
        batch_make(p, out);
    }
}

static enum status produce_send(struct producer *p, int16_t version, struct outgoing **outs,
                                uint32_t count) {
    struct actor *actor = p->actor;
    struct produce_request request;
    codec_defaults(&produce_request_schema, &request);
    request.acks = p->acks;
    request.timeout_ms = 3000;
    request.topic_data = produce_request_topic_data_array(&actor->arena, (int32_t)count);
    for (uint32_t i = 0; i < count; i++) { /* one topic entry for each; a topic may come twice */
        struct outgoing *out = outs[i];
        struct produce_request_topic_data *topic = NULL;
        for (int32_t k = 0; k < request.topic_data_count; k++) {
            if (uuid_eq(request.topic_data[k].topic_id, out->topic->id))
                topic = &request.topic_data[k];
        }
        if (topic == NULL) {
            topic = &request.topic_data[request.topic_data_count++];
            topic->name = str_of(out->topic->name);
            topic->topic_id = out->topic->id;
            topic->partition_data =
                produce_request_partition_data_array(&actor->arena, (int32_t)count);
        }
        struct produce_request_partition_data *data =
            &topic->partition_data[topic->partition_data_count++];
        data->index = (int32_t)out->index;
        data->records.bytes = out->batch;
        history_sent(actor->clients->history, out->partition, actor->number, out->first_id,
                     out->count, p->is_idempotent && actor->clients->dedupes);
        out->attempts++;
        out->power_cuts = actor->clients->history->power_cuts;
    }
    enum status st = wire_send(&actor->wire, &actor->arena, API_PRODUCE, version, &request);
    if (p->acks == 0) wire_expect_none(&actor->wire);
    return st;
}

static bool is_retriable(int16_t error) {
    switch (error) {
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_LEADER_NOT_AVAILABLE:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_REQUEST_TIMED_OUT:
    case KAFKA_NOT_ENOUGH_REPLICAS:
    case KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_INVALID_TIMESTAMP: return true; /* the last one until the clock is right again */
    default: return false;
    }
}

/* An earlier batch of the partition was not taken: then this one cannot be, and both come again. */
static bool is_behind(const struct producer *p, const struct outgoing *out) {
    for (const struct outgoing *other = p->out; other < out; other++) {
        if (other->partition == out->partition && !other->is_resolved) return true;
    }
    return false;
}

static void answered(struct producer *p, struct outgoing *out,
                     const struct produce_response_partition *response) {
    struct clients *clients = p->actor->clients;
    int16_t error = response->error_code;
    clients->produce_answers++;
    world_trace(clients->world,
                "    %s-%u: %u records from %llu.%llu on: acks=%d error=%d offset=%lld",
                out->topic->name, out->index, out->count, (unsigned long long)(out->first_id >> 40),
                (unsigned long long)(out->first_id & 0xffffffffff), p->acks, error,
                (long long)response->base_offset);
    bool is_promised = p->acks == -1 && clients->flush;
    if (error == KAFKA_NONE) {
        out->is_resolved = true;
        p->is_known[out->partition] = true;
        /* An answer that was on its way when the power went says nothing of what is left. */
        if (!is_promised && out->power_cuts != clients->history->power_cuts) return;
        history_acked(clients->history, out->partition, out->first_id, out->count,
                      response->base_offset, p->acks);
    } else if (error == KAFKA_DUPLICATE_SEQUENCE_NUMBER && p->is_idempotent) {
        out->is_resolved = true; /* it stands somewhere */
    } else if (error == KAFKA_INVALID_TIMESTAMP && !p->is_idempotent) {
        out->is_resolved = true; /* the broker's clock has stepped too far from ours */
        if (out->attempts == 1) {
            history_refused(clients->history, out->partition, out->first_id, out->count);
        }
    } else if (error == KAFKA_INVALID_REQUIRED_ACKS && p->acks > 1) {
        out->is_resolved = true;
        history_refused(clients->history, out->partition, out->first_id, out->count);
    } else if (error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && is_behind(p, out)) {
        return;
    } else if (error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && p->repeats &&
               (out->attempts > 1 || !p->is_known[out->partition])) {
        /* As in Kafka: a snapshot file remembers only the last batch of a producer; and whom a
         * partition does not know may begin with any sequence, so with the second batch when the
         * first one came before the partition was open. */
        p->must_renew = true;
    } else if (error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && p->is_idempotent && !clients->flush &&
               clients->history->power_cuts > 0) {
        p->must_renew = true; /* what was acknowledged is gone, as was agreed */
    } else if (!is_retriable(error) && !out->topic->is_deleted) {
        world_fail(clients->world, "Produce to %s-%u: error %d", out->topic->name, out->index,
                   error);
    }
}

static enum status produce_receive(struct producer *p, int16_t version, struct outgoing **outs,
                                   uint32_t count) {
    struct actor *actor = p->actor;
    struct produce_response response;
    enum status st = wire_receive(&actor->wire, &actor->arena, API_PRODUCE, version, &response);
    if (st != ST_OK) return st;
    uint32_t found = 0;
    for (int32_t t = 0; t < response.responses_count; t++) {
        const struct produce_response_topic *topic = &response.responses[t];
        for (int32_t i = 0; i < topic->partition_responses_count; i++) {
            const struct produce_response_partition *one = &topic->partition_responses[i];
            for (uint32_t k = 0; k < count; k++) {
                bool same = version >= 13 ? uuid_eq(topic->topic_id, outs[k]->topic->id)
                                          : str_eq(topic->name, str_of(outs[k]->topic->name));
                if (!same || (int32_t)outs[k]->index != one->index) continue;
                answered(p, outs[k], one);
                found++;
            }
        }
    }
    if (found != count) {
        world_fail(actor->clients->world, "Produce v%d answered %u of %u partitions", version,
                   found, count);
    }
    return ST_OK;
}

/* zstd is for those who speak version 7 (KIP-110). */
static int16_t least_version(struct outgoing **outs, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint16_t attributes = get_u16(outs[i]->batch.ptr + BATCH_AT_ATTRIBUTES);
        if ((attributes & BATCH_ATTR_CODEC) == CODEC_ZSTD) return 7;
    }
    return 3; /* older ones are advertised for librdkafka's sake and not served */
}

/* One attempt for everything that is not resolved: as one request, or one for each, sent before the
 * first answer. */
static enum status attempt(struct producer *p) {
    struct actor *actor = p->actor;
    struct outgoing *open[BATCHES];
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->out_count; i++) {
        if (!p->out[i].is_resolved) open[count++] = &p->out[i];
    }
    if (count == 0) return ST_OK;
    int16_t version = actor_version(actor, API_PRODUCE, least_version(open, count));
    uint32_t each = !p->repeats && actor_chance(actor, 50) ? count : 1;
    enum status st = ST_OK;
    for (uint32_t i = 0; i < count && st == ST_OK; i += each)
        st = produce_send(p, version, &open[i], each);
    if (p->acks == 0) {
        for (uint32_t i = 0; i < count; i++) open[i]->is_resolved = true; /* nobody will say */
        return st;
    }
    for (uint32_t i = 0; i < count && st == ST_OK; i += each) {
        st = produce_receive(p, version, &open[i], each);
    }
    return st;
}

static bool all_resolved(const struct producer *p) {
    for (uint32_t i = 0; i < p->out_count; i++) {
        if (!p->out[i].is_resolved) return false;
    }
    return true;
}

/* An idempotent producer cannot leave out a sequence number, except for a topic that is gone. */
static void give_up_on(struct producer *p) {
    for (uint32_t i = 0; i < p->out_count; i++) {
        struct outgoing *out = &p->out[i];
        if (out->topic->is_deleted || !out->topic->is_live) out->is_resolved = true;
        if (p->gives_up && !p->is_idempotent && out->attempts > 2) out->is_resolved = true;
    }
}

static bool get_producer_id(struct producer *p) {
    struct init_producer_id_request request;
    codec_defaults(&init_producer_id_request_schema, &request);
    request.transactional_id = STR_NULL;
    struct init_producer_id_response response;
    struct actor *actor = p->actor;
    int16_t version = actor_version(actor, API_INIT_PRODUCER_ID, 0);
    if (actor_call(actor, API_INIT_PRODUCER_ID, version, &request, &response) != ST_OK)
        return false;
    if (response.error_code != KAFKA_NONE) return false; /* loading; asked for again */
    p->producer_id = response.producer_id;
    p->epoch = response.producer_epoch;
    return true;
}

static void producer_main(struct actor *actor) {
    struct producer *p = MEM_NEW(job_mem(actor->job), struct producer);
    *p = (struct producer){.actor = actor, .producer_id = NO_PRODUCER_ID};
    batch_builder_init(&p->builder, job_mem(actor->job));
    p->is_idempotent = actor_chance(actor, 40);
    static const int16_t acks[] = {-1, -1, -1, 1, 0};
    p->acks = p->is_idempotent ? -1 : acks[actor_draw(actor, COUNT(acks))];
    p->gives_up = actor_chance(actor, 50);
    uint64_t pause_us = 1 + actor_draw(actor, 50000);
    while (!actor->clients->is_ending || !all_resolved(p)) {
        if (all_resolved(p)) {
            arena_reset(&actor->arena);
            p->out_count = 0;
            actor_sleep(actor, pause_us);
        }
        if (actor_connect(actor) != ST_OK) {
            give_up_on(p);
            continue;
        }
        if (p->is_idempotent && p->producer_id == NO_PRODUCER_ID && !get_producer_id(p)) continue;
        if (p->out_count == 0 && !actor->clients->is_ending) round_make(p);
        int16_t right_acks = p->acks;
        bool wrong = !p->is_idempotent && p->acks != 0 && p->out_count > 0 &&
                     p->out[0].attempts == 0 && actor_chance(actor, 2);
        if (wrong) p->acks = 2; /* refused before anything is appended */
        enum status st = attempt(p);
        p->acks = right_acks;
        if (st != ST_OK) {
            actor->clients->calls_failed++;
            wire_close(&actor->wire);
        }
        if (wrong) {
            for (uint32_t i = 0; i < p->out_count; i++) p->out[i].is_resolved = true;
        }
        if (p->must_renew) {
            p->must_renew = false;
            p->producer_id = NO_PRODUCER_ID;
            memset(p->sequences, 0, sizeof p->sequences);
            memset(p->is_known, 0, sizeof p->is_known);
            for (uint32_t i = 0; i < p->out_count; i++) p->out[i].is_resolved = true;
        }
        if (!all_resolved(p)) {
            give_up_on(p);
            actor_sleep(actor, 100000);
        }
        if (actor_chance(actor, 1)) wire_close(&actor->wire);
    }
    batch_builder_release(&p->builder);
    MEM_FREE(job_mem(actor->job), p);
}

void client_start_producer(struct clients *clients) {
    actor_start(clients, "producer", producer_main, true, ++clients->producer_count);
}
