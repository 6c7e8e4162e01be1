/* broker/handlers/fetch_request.c - API 1, its beginning and its end: which partitions are fetched,
 * by the request alone or by its session. The session may live on another shard (the client has a
 * new connection): it is visited there, taken, changed as the request says, and lent to this shard
 * until the answer is put together. Source: KIP-227, kafka.server.FetchManager.newContext,
 * KafkaApis.handleFetchRequest. */
#include "broker/handlers/fetch.h"
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

/* --- partitions --- */

static int32_t replica_of(const struct request *rq) {
    const struct fetch_request *in = rq->in;
    return rq->header.request_api_version >= 15 ? in->replica_state.replica_id : in->replica_id;
}

/* The error of a partition that is not read. */
static int16_t early_problem(const struct fetch_part *part, const struct topic_image *topic) {
    if (topic == NULL) {
        bool was_known = part->cached != NULL && part->cached->is_known;
        return part->topic.ptr == NULL && !was_known ? KAFKA_UNKNOWN_TOPIC_ID
                                                     : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (part->cached != NULL) part->cached->is_known = true;
    return part->wish.index < 0 || part->wish.index >= topic->partition_count
               ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
               : KAFKA_NONE;
}

/* topic: null for a fetch by ids. */
static void add(struct fetch *fetch, struct str topic_name, struct uuid topic_id,
                const struct fetch_wish *wish, struct session_part *cached) {
    struct shard *shard = fetch->rq->shard;
    const struct topic_image *topic = topic_name.ptr != NULL
                                          ? image_topic_by_name(shard->image, topic_name)
                                          : image_topic_by_id(shard->image, topic_id);
    struct fetch_part *part = &fetch->parts[fetch->part_count++];
    *part = (struct fetch_part){
        .topic = topic_name, .topic_id = topic_id, .cached = cached, .wish = *wish};
    struct fetch_response_partition_data *answer = &part->answer;
    fetch_response_partition_data_defaults(answer);
    answer->partition_index = wish->index;
    answer->high_watermark = -1;
    answer->error_code = early_problem(part, topic);
    if (answer->error_code != KAFKA_NONE) return;
    part->topic_id = topic->id;
    answer->aborted_transactions_count = -1;
    if (!isolation_is_known(((const struct fetch_request *)fetch->rq->in)->isolation_level)) {
        answer->error_code = KAFKA_UNKNOWN_SERVER_ERROR;
        return;
    }
    if (fetch->is_replica) { /* nobody follows here, whoever says so */
        answer->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        return;
    }
    uint32_t owner = shard_of_partition(shard->broker, topic->id, wish->index);
    part->visit = &fetch->visits[owner];
    part->visit->fetch = fetch;
    fetch->rq->shards |= (uint64_t)1 << owner;
    fetch->served_count++;
    list_push_back(&part->visit->parts, &part->link);
}

/* The image may be another one behind it. */
static void add_part(struct fetch *fetch, struct str topic_name, struct uuid topic_id,
                     const struct fetch_wish *wish, struct session_part *cached) {
    add(fetch, topic_name, topic_id, wish, cached);
    breathe();
}

static struct fetch_wish wish_of(const struct fetch_request_partition *in) {
    return (struct fetch_wish){
        .index = in->partition,
        .leader_epoch = in->current_leader_epoch,
        .last_fetched_epoch = in->last_fetched_epoch,
        .max_bytes = in->partition_max_bytes,
        .offset = in->fetch_offset,
    };
}

static struct str name_of(const struct request *rq, const struct fetch_request_topic *topic) {
    return fetch_by_ids(rq) ? STR_NULL : topic->topic;
}

static bool reserve(struct fetch *fetch, size_t count) {
    fetch->parts = arena_array(&fetch->rq->arena, count, sizeof *fetch->parts);
    return fetch->parts != NULL && request_reserve_cuts(fetch->rq, (uint32_t)count);
}

static bool add_from_request(struct fetch *fetch) {
    const struct fetch_request *in = fetch->rq->in;
    size_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++) {
        count += (size_t)MAX(in->topics[i].partitions_count, 0);
        breathe();
    }
    if (!reserve(fetch, count)) return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct fetch_request_topic *topic = &in->topics[i];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            struct fetch_wish wish = wish_of(&topic->partitions[p]);
            add_part(fetch, name_of(fetch->rq, topic), topic->topic_id, &wish, NULL);
        }
    }
    return true;
}

static bool add_from_session(struct fetch *fetch) {
    if (!reserve(fetch, fetch->session->part_count)) return false;
    LIST_EACH(&fetch->session->parts, node) {
        struct session_part *part = CONTAINER_OF(node, struct session_part, link);
        add_part(fetch, part->topic, part->topic_id, &part->wish, part);
    }
    return true;
}

static bool add_parts(struct request *rq) {
    struct fetch *fetch = rq->state_of_handler;
    fetch->has_memory = fetch->session != NULL ? add_from_session(fetch) : add_from_request(fetch);
    return true; /* without memory a session goes back first */
}

static void parts_added(struct request *rq) {
    struct fetch *fetch = rq->state_of_handler;
    if (fetch->has_memory) {
        fetch_start(fetch);
    } else {
        fetch_finish(fetch, false);
    }
}

static void begin(struct fetch *fetch) { request_in_turns(fetch->rq, add_parts, parts_added); }

/* --- the session, on its shard --- */

static void visit_close(struct visit *visit, struct shard *at) {
    struct fetch *fetch = CONTAINER_OF(visit, struct fetch, session_visit);
    const struct fetch_request *in = fetch->rq->in;
    fetch_session_close(&at->fetch_sessions, in->session_id);
    visit_return(visit);
}

static bool update_session(struct fetch_sessions *cache, struct fetch *fetch,
                           struct fetch_session *session) {
    const struct fetch_request *in = fetch->rq->in;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct fetch_request_topic *topic = &in->topics[i];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            struct fetch_wish wish = wish_of(&topic->partitions[p]);
            if (fetch_session_put(cache, session, topic->topic, topic->topic_id, &wish) == NULL)
                return false;
            breathe();
        }
    }
    for (int32_t i = 0; i < in->forgotten_topics_data_count; i++) {
        const struct fetch_request_forgotten_topic *topic = &in->forgotten_topics_data[i];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            fetch_session_forget(cache, session, topic->topic, topic->topic_id,
                                 topic->partitions[p]);
            breathe();
        }
        breathe();
    }
    return true;
}

static void session_job(struct job *job, void *argument) {
    struct fetch *fetch = argument;
    job_breathe(job);
    fetch->session_work(fetch, fetch->session_at);
    job_hold_breath(job);
    visit_return(&fetch->session_visit);
}

/* What a visit has to do; of a large request with turns of others in between. */
static void visit_in_turns(struct visit *visit, struct shard *at,
                           void (*work)(struct fetch *fetch, struct shard *at)) {
    struct fetch *fetch = CONTAINER_OF(visit, struct fetch, session_visit);
    if (request_is_large(fetch->rq)) {
        fetch->session_at = at;
        fetch->session_work = work;
        job_start(&at->large_jobs, session_job, fetch);
    } else {
        work(fetch, at);
        visit_return(visit);
    }
}

static void take(struct fetch *fetch, struct shard *at) {
    const struct fetch_request *in = fetch->rq->in;
    struct fetch_sessions *cache = &at->fetch_sessions;
    struct fetch_session *session = NULL;
    fetch->session_error = fetch_session_take(cache, in->session_id, in->session_epoch,
                                              fetch_by_ids(fetch->rq), &session);
    if (session != NULL && !update_session(cache, fetch, session)) {
        fetch->session_error = KAFKA_FETCH_SESSION_ID_NOT_FOUND; /* the client begins anew */
        fetch_session_close(cache, session->id);
        fetch_session_give_back(cache, session);
    } else if (session != NULL && fetch_session_advance(cache, session, at->io->now.mono_us)) {
        fetch->session = session;
    }
}

static void visit_take(struct visit *visit, struct shard *at) { visit_in_turns(visit, at, take); }

static void visit_begin(struct visit *visit, struct shard *at) {
    visit_in_turns(visit, at, fetch_begin_session);
}

static void visit_give_back(struct visit *visit, struct shard *at) {
    struct fetch *fetch = CONTAINER_OF(visit, struct fetch, session_visit);
    fetch_session_give_back(&at->fetch_sessions, fetch->session);
    visit_return(visit);
}

/* --- the session, from the request's shard --- */

static void closed(struct visit *visit) { begin(CONTAINER_OF(visit, struct fetch, session_visit)); }

static void taken(struct visit *visit) {
    struct fetch *fetch = CONTAINER_OF(visit, struct fetch, session_visit);
    struct fetch_response *out = fetch->rq->out;
    if (fetch->session_error != KAFKA_NONE) {
        out->error_code = fetch->session_error;
        request_respond(fetch->rq);
        return;
    }
    if (fetch->session != NULL) out->session_id = fetch->session->id;
    begin(fetch);
}

static void answered(struct visit *visit) {
    request_respond(CONTAINER_OF(visit, struct fetch, session_visit)->rq);
}

static void dropped(struct visit *visit) {
    request_abandon(CONTAINER_OF(visit, struct fetch, session_visit)->rq, true);
}

static void go_to(struct fetch *fetch, uint32_t target,
                  void (*work)(struct visit *visit, struct shard *at),
                  void (*returned)(struct visit *visit)) {
    fetch->session_visit = (struct visit){
        .home = fetch->rq->shard, .target = target, .work = work, .returned = returned};
    visit_go(&fetch->session_visit);
}

static void go(struct fetch *fetch, int32_t session_id,
               void (*work)(struct visit *visit, struct shard *at),
               void (*returned)(struct visit *visit)) {
    const struct shard *home = fetch->rq->shard;
    int32_t target = fetch_session_shard(session_id, home->broker->shard_count);
    /* An id that no session has is not found at home either. */
    go_to(fetch, target >= 0 ? (uint32_t)target : home->index, work, returned);
}

/* A session of one shard's partitions begins there: its connection will move there, too. */
static uint32_t shard_of_session(const struct fetch *fetch) {
    uint64_t shards = fetch->rq->shards;
    bool is_one = shards != 0 && (shards & (shards - 1)) == 0;
    return is_one ? (uint32_t)__builtin_ctzll(shards) : fetch->rq->shard->index;
}

void fetch_finish(struct fetch *fetch, bool has_answer) {
    if (fetch->session != NULL) {
        go(fetch, fetch->session->id, visit_give_back, has_answer ? answered : dropped);
    } else if (has_answer && fetch->begins_session) {
        go_to(fetch, shard_of_session(fetch), visit_begin, answered);
    } else if (has_answer) {
        request_respond(fetch->rq);
    } else {
        request_abandon(fetch->rq, true);
    }
}

static struct fetch *fetch_new(struct request *rq) {
    struct broker *broker = rq->shard->broker;
    const struct fetch_request *in = rq->in;
    struct fetch *fetch = ARENA_NEW(&rq->arena, struct fetch);
    if (fetch == NULL) return NULL;
    fetch->rq = rq;
    fetch->max_bytes =
        (uint64_t)MIN((int64_t)MAX(in->max_bytes, 0), broker->config->fetch_max_bytes);
    fetch->visits = arena_array(&rq->arena, broker->shard_count, sizeof *fetch->visits);
    if (fetch->visits == NULL) return NULL;
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        fetch->visits[i].visit = (struct visit){.home = rq->shard, .target = i};
        list_init(&fetch->visits[i].parts);
    }
    return fetch;
}

void handle_fetch(struct request *rq) {
    const struct fetch_request *in = rq->in;
    struct fetch *fetch = fetch_new(rq);
    if (fetch == NULL) {
        request_abandon(rq, true);
        return;
    }
    rq->state_of_handler = fetch;
    fetch->is_replica = replica_of(rq) >= 0;
    bool is_full =
        in->session_epoch == FETCH_EPOCH_INITIAL || in->session_epoch == FETCH_EPOCH_FINAL;
    if (!is_full) {
        go(fetch, in->session_id, visit_take, taken);
        return;
    }
    fetch->begins_session = in->session_epoch == FETCH_EPOCH_INITIAL;
    if (in->session_id != FETCH_SESSION_NONE) {
        go(fetch, in->session_id, visit_close, closed);
    } else {
        begin(fetch);
    }
}
