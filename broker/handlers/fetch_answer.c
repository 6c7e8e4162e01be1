/* broker/handlers/fetch_answer.c - from what was read to the answer: size limits in the order of
 * reading, what a session's client already knows left out, topics put together.
 * Source: kafka.server.FullFetchContext and IncrementalFetchContext.updateAndGenerateResponseData,
 * FetchResponse.of (partitions of a topic that do not follow each other make several entries). */
#include "broker/handlers/cluster.h"
#include "broker/handlers/fetch.h"
#include "protocol/errors.h"

/* The first partition with records gives its first batch whole, any other at least that or nothing:
 * clients take a cut first batch for one that is too large for them (librdkafka doubles its limit).
 */
static void fill_records(struct fetch *fetch) {
    struct shard *shard = fetch->rq->shard;
    uint64_t left = fetch->max_bytes;
    bool is_first = true;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        breathe();
        part->answer.records = (struct records){.bytes = {(const uint8_t *)"", 0}};
        metrics_add(&shard->metrics, METRIC_FETCH_FAILED, part->answer.error_code != KAFKA_NONE);
        if (!part->has_segment) continue;
        uint64_t limit = MIN((uint64_t)MAX(part->wish.max_bytes, 0), left);
        if (!is_first && limit < part->read.first_batch_bytes) continue;
        uint64_t take = MIN(part->range.bytes, MAX(limit, part->read.first_batch_bytes));
        if (take == 0) continue;
        is_first = false;
        left -= MIN(left, take);
        part->range.bytes = part->given_bytes = take;
        part->answer.records = (struct records){.external_bytes = take, .external = &part->range};
        metrics_add(&shard->metrics, METRIC_FETCH_BYTES, take);
    }
}

/* The list that was found with the records; false: no memory. */
static bool fill_aborted(struct fetch *fetch) {
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        const struct aborted_txns *list = &part->aborted.list;
        breathe();
        if (!part->has_segment || part->given_bytes == 0 || list->count == 0) continue;
        struct fetch_response_partition_data *answer = &part->answer;
        answer->aborted_transactions =
            fetch_response_aborted_transaction_array(&fetch->rq->arena, (int32_t)list->count);
        if (answer->aborted_transactions == NULL) return false;
        answer->aborted_transactions_count = (int32_t)list->count;
        for (uint32_t t = 0; t < list->count; t++) {
            answer->aborted_transactions[t].producer_id = list->txns[t].producer_id;
            answer->aborted_transactions[t].first_offset = list->txns[t].first_offset;
        }
    }
    return true;
}

/* KIP-951: who leads, for a client that asked the wrong node or remembers an old epoch; for
 * consumers with the address. */
static void tell_leader(struct fetch *fetch, struct fetch_part *part) {
    int16_t error = part->answer.error_code;
    struct request *rq = fetch->rq;
    const struct image *image = rq->shard->image;
    struct fetch_response *out = rq->out;
    if (rq->header.request_api_version < 16 ||
        (error != KAFKA_NOT_LEADER_OR_FOLLOWER && error != KAFKA_FENCED_LEADER_EPOCH))
        return;
    const struct topic_image *topic = image_topic_by_id(image, part->topic_id);
    if (topic == NULL || part->wish.index >= topic->partition_count) return;
    const struct partition_image *partition = &topic->partitions[part->wish.index];
    part->answer.current_leader.leader_id = partition->leader;
    part->answer.current_leader.leader_epoch = partition->leader_epoch;
    struct leader_address address;
    if (fetch->is_replica || out->node_endpoints_count > 0 ||
        !leader_address_of(rq, partition->leader, &address))
        return;
    out->node_endpoints = fetch_response_node_endpoint_array(&rq->arena, 1);
    if (out->node_endpoints == NULL) return; /* the client asks for metadata instead */
    out->node_endpoints_count = 1;
    out->node_endpoints[0].node_id = partition->leader;
    out->node_endpoints[0].host = address.host;
    out->node_endpoints[0].port = address.port;
    out->node_endpoints[0].rack = address.rack;
}

static bool is_same_topic(const struct fetch_part *a, const struct fetch_part *b) {
    return a->topic.ptr != NULL ? str_eq(a->topic, b->topic) : uuid_eq(a->topic_id, b->topic_id);
}

struct answer {
    struct fetch *fetch;
    struct fetch_response *out;
    struct fetch_response_partition_data *rows; /* all of them, topic after topic */
    uint32_t count;
    const struct fetch_part *last;
};

static void put_part(struct answer *answer, struct fetch_part *part) {
    struct fetch *fetch = answer->fetch;
    struct fetch_response *out = answer->out;
    if (part->cached != NULL && !fetch_session_answers(fetch->session, part->cached, &part->answer,
                                                       part->answer.records.external_bytes))
        return;
    tell_leader(fetch, part);
    if (answer->last == NULL || !is_same_topic(answer->last, part)) {
        struct fetch_response_fetchable_topic *topic = &out->responses[out->responses_count++];
        /* A session's name goes back with the session, before the answer is encoded. */
        topic->topic =
            part->cached != NULL ? arena_str(&fetch->rq->arena, part->topic) : part->topic;
        topic->topic_id = part->topic_id;
        topic->partitions = &answer->rows[answer->count];
    }
    answer->rows[answer->count++] = part->answer;
    out->responses[out->responses_count - 1].partitions_count++;
    answer->last = part;
}

void fetch_begin_session(struct fetch *fetch, struct shard *at) {
    struct fetch_sessions *cache = &at->fetch_sessions;
    struct fetch_response *out = fetch->rq->out;
    struct fetch_session *session =
        fetch_session_new(cache, fetch_by_ids(fetch->rq), fetch->part_count, at->io->now.mono_us);
    if (session == NULL) return;
    bool has_room = true;
    for (int pass = 0; pass < 2; pass++) { /* in the order of the answer */
        for (uint32_t i = 0; i < fetch->part_count && has_room; i++) {
            const struct fetch_part *part = &fetch->parts[i];
            breathe();
            if ((part->answer.error_code != KAFKA_NONE && part->visit == NULL) != (pass == 1))
                continue;
            struct session_part *cached =
                fetch_session_put(cache, session, part->topic, part->topic_id, &part->wish);
            has_room = cached != NULL;
            if (!has_room) break;
            cached->high_watermark = part->answer.high_watermark;
            cached->log_start_offset = part->answer.log_start_offset;
            cached->is_known = part->visit != NULL;
        }
    }
    out->session_id = has_room ? session->id : FETCH_SESSION_NONE;
    if (!has_room) fetch_session_close(cache, session->id);
    fetch_session_give_back(cache, session);
}

bool fetch_put_answer(struct fetch *fetch) {
    struct request *rq = fetch->rq;
    struct fetch_response *out = rq->out;
    fill_records(fetch);
    if (!fill_aborted(fetch)) return false;
    out->responses = fetch_response_fetchable_topic_array(&rq->arena, (int32_t)fetch->part_count);
    struct answer answer = {
        .fetch = fetch,
        .out = out,
        .rows = fetch_response_partition_data_array(&rq->arena, (int32_t)fetch->part_count),
    };
    if (fetch->part_count > 0 && (out->responses == NULL || answer.rows == NULL)) return false;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < fetch->part_count; i++) {
            if ((fetch->parts[i].visit == NULL) == (pass == 1)) put_part(&answer, &fetch->parts[i]);
            breathe();
        }
    }
    return true;
}
