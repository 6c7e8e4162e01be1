/* tools/modern_member.c - see modern_member.h. */
#include "tools/modern_member.h"
#include <stdlib.h>
#include <sys/random.h>
#include "base/assert.h"
#include "tools/clock.h"
#include "tools/group_member.h"
#include "tools/groups.h"
#include "tools/interrupt.h"
#include "tools/rdkafka_settings.h"
#include "tools/topics.h"

#define EPOCH_JOIN 0
#define EPOCH_LEAVE (-1)
#define EPOCH_LEAVE_FOR_A_WHILE (-2) /* a static member comes back */
#define PATIENCE_MS 60000            /* of one call */
#define LEAVE_MS 5000
#define REBALANCE_MS 300000   /* max.poll.interval.ms */
#define COMMIT_MS 5000        /* auto.commit.interval.ms */
#define COMMITS_TRIED 5       /* while the member's epoch moves on */
#define ARENA_BYTES (1 << 20) /* a connection is made anew when its answers took more */
#define TOPIC_ID_VERSION 10   /* of Metadata */

void modern_member_conf(rd_kafka_conf_t *conf) {
    rdkafka_must_set(conf, "enable.auto.commit", "false");
}

void modern_member_start(struct modern_member *m, const struct settings *settings, rd_kafka_t *rk) {
    struct uuid id;
    m->bootstrap = settings_get(settings, "bootstrap.servers").ptr;
    m->group_id = settings_get(settings, "group.id");
    m->instance_id = settings_get(settings, "group.instance.id");
    m->assignor = settings_get(settings, "group.remote.assignor");
    m->rebalance_timeout_ms =
        (int32_t)settings_get_ms(settings, "max.poll.interval.ms", REBALANCE_MS);
    m->commit_ms = settings_get_ms(settings, "auto.commit.interval.ms", COMMIT_MS);
    m->committed_ms = clock_ms();
    if (getrandom(&id, sizeof id, 0) != sizeof id) cli_exit("no random octets for a member's id");
    uuid_format(id, m->id);
    group_member_begin(settings);
    m->mem = settings->arena->mem;
    m->rk = rk;
    m->topics = rd_kafka_topic_partition_list_new(0);
    m->topic_ids = NULL;
    m->epoch = EPOCH_JOIN;
    m->due_ms = 0;
    m->owned = rd_kafka_topic_partition_list_new(0);
    m->is_leaving = m->is_connected = m->tells_owned = m->tells_topics = m->tells_all = false;
}

/* --- its topics --- */

static size_t ids_bytes(const struct modern_member *m) {
    return (size_t)m->topics->cnt * sizeof *m->topic_ids;
}

/* -1: it is not subscribed to that. */
static int topic_named(const struct modern_member *m, const char *name) {
    for (int i = 0; i < m->topics->cnt; i++)
        if (strcmp(m->topics->elems[i].topic, name) == 0) return i;
    return -1;
}

static int topic_of_id(const struct modern_member *m, struct uuid id) {
    for (int i = 0; i < m->topics->cnt; i++)
        if (uuid_eq(m->topic_ids[i], id)) return i;
    return -1;
}

void modern_member_subscribe(struct modern_member *m,
                             const rd_kafka_topic_partition_list_t *names) {
    size_t count = (size_t)names->cnt;
    struct uuid *ids = mem_need(m->mem, count * sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        int known = topic_named(m, names->elems[i].topic);
        ids[i] = known >= 0 ? m->topic_ids[known] : UUID_ZERO;
    }
    mem_free(m->mem, m->topic_ids, ids_bytes(m));
    rd_kafka_topic_partition_list_destroy(m->topics);
    m->topics = rd_kafka_topic_partition_list_copy(names);
    m->topic_ids = ids;
    m->tells_topics = true;
    m->due_ms = 0;
}

/* --- its connection --- */

/* NULL: none. Who leaves looks for no broker any more, which has a longer time of its own. */
static struct client *client_of(struct modern_member *m) {
    bool is_full = m->is_connected && m->admin.arena.used_bytes > ARENA_BYTES;
    if (is_full && !m->is_leaving) {
        admin_stop(&m->admin);
        m->is_connected = false;
    }
    if (!m->is_connected) {
        if (m->is_leaving) return NULL;
        if (admin_start(&m->admin, m->mem, m->bootstrap, m->config_path) != ST_OK) {
            (void)snprintf(m->why, sizeof m->why, "%s", m->admin.client.message);
            admin_stop(&m->admin);
            return NULL;
        }
        m->is_connected = true;
    }
    client_set_patience(&m->admin.client,
                        m->is_leaving || interrupt_seen() ? LEAVE_MS : PATIENCE_MS);
    return &m->admin.client;
}

static enum status fail(struct modern_member *m, struct str why) {
    (void)snprintf(m->why, sizeof m->why, "%.*s", STR_ARG(why)); /* cut when longer */
    return ST_INVALID;
}

/* They are made where brokers do that, as when another client asks for them. */
static enum status learn_topics(struct modern_member *m, struct client *c) {
    struct metadata_request request;
    struct metadata_response response;
    codec_defaults(&metadata_request_schema, &request);
    request.topics = metadata_request_topic_array(c->arena, m->topics->cnt);
    ASSERT(request.topics != NULL); /* the arena has no limit */
    for (int i = 0; i < m->topics->cnt; i++) {
        if (uuid_is_zero(m->topic_ids[i]))
            request.topics[request.topics_count++].name = str_of(m->topics->elems[i].topic);
    }
    if (request.topics_count == 0) return ST_OK;
    request.allow_auto_topic_creation = true;
    if (client_version(c, API_METADATA) < TOPIC_ID_VERSION)
        return fail(m, STR("The brokers do not tell ids of topics, which the protocol needs"));
    enum status st = client_call(c, CLIENT_ANY, API_METADATA, &request, &response);
    if (st != ST_OK) return fail(m, str_of(c->message));
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct metadata_response_topic *topic = &response.topics[i];
        if (topic->error_code != KAFKA_NONE) continue; /* it may come yet */
        for (int t = 0; t < m->topics->cnt; t++)
            if (str_eq(str_of(m->topics->elems[t].topic), topic->name))
                m->topic_ids[t] = topic->topic_id;
    }
    return ST_OK;
}

/* --- what it has --- */

/* Those of `list` that `other` lacks. */
static rd_kafka_topic_partition_list_t *without(const rd_kafka_topic_partition_list_t *list,
                                                const rd_kafka_topic_partition_list_t *other) {
    rd_kafka_topic_partition_list_t *rest = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        if (rd_kafka_topic_partition_list_find(other, p->topic, p->partition) == NULL)
            rd_kafka_topic_partition_list_add(rest, p->topic, p->partition)->offset =
                RD_KAFKA_OFFSET_STORED;
    }
    return rest;
}

static void must_assign(rd_kafka_error_t *error) {
    if (error != NULL) cli_exit("assign: %s", rd_kafka_error_string(error));
}

/* What was read of the partitions. */
static void commit_positions(struct modern_member *m,
                             const rd_kafka_topic_partition_list_t *partitions) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(partitions);
    rd_kafka_topic_partition_list_t *read = rd_kafka_topic_partition_list_new(list->cnt);
    bool is_known = rd_kafka_position(m->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; is_known && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        if (p->offset >= 0) /* else nothing of it was read */
            rd_kafka_topic_partition_list_add(read, p->topic, p->partition)->offset = p->offset;
    }
    if (read->cnt > 0) (void)modern_member_commit(m, read); /* or next time */
    rd_kafka_topic_partition_list_destroy(read);
    rd_kafka_topic_partition_list_destroy(list);
}

static void find_beginnings(struct modern_member *m, rd_kafka_topic_partition_list_t *given) {
    rd_kafka_topic_partition_list_t *found = group_member_find_positions(m->rk, given, m->commits);
    if (m->commits && found->cnt > 0)
        (void)modern_member_commit(m, found); /* the next one would have it, too */
    rd_kafka_topic_partition_list_destroy(found);
}

/* From what it has to `target` (taken): lets go first. */
static void take(struct modern_member *m, rd_kafka_topic_partition_list_t *target) {
    rd_kafka_topic_partition_list_t *gone = without(m->owned, target);
    rd_kafka_topic_partition_list_t *given = without(target, m->owned);
    if (gone->cnt > 0) {
        if (m->commits) commit_positions(m, gone);
        if (m->changed != NULL) m->changed(m->owner, false, gone);
        if (group_member_problem() == NULL) /* else it may never have had them */
            must_assign(rd_kafka_incremental_unassign(m->rk, gone));
    }
    if (given->cnt > 0) {
        if (m->changed != NULL) m->changed(m->owner, true, given);
        find_beginnings(m, given);
        must_assign(rd_kafka_incremental_assign(m->rk, given));
    }
    m->tells_owned = gone->cnt > 0 || given->cnt > 0;
    rd_kafka_topic_partition_list_destroy(gone);
    rd_kafka_topic_partition_list_destroy(given);
    rd_kafka_topic_partition_list_destroy(m->owned);
    m->owned = target;
}

static void lose_all(struct modern_member *m) {
    take(m, rd_kafka_topic_partition_list_new(0));
    m->epoch = EPOCH_JOIN;
    m->due_ms = 0;
}

/* Whether the member knows the topics of all that it is to have. */
static bool knows_all(const struct modern_member *m,
                      const struct consumer_group_heartbeat_response_assignment *assignment) {
    for (int32_t t = 0; t < assignment->topic_partitions_count; t++)
        if (topic_of_id(m, assignment->topic_partitions[t].topic_id) < 0) return false;
    return true;
}

/* What is of no topic that it knows is left out. */
static rd_kafka_topic_partition_list_t *
target_of(const struct modern_member *m,
          const struct consumer_group_heartbeat_response_assignment *assignment) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (int32_t t = 0; t < assignment->topic_partitions_count; t++) {
        const struct consumer_group_heartbeat_response_topic_partitions *topic =
            &assignment->topic_partitions[t];
        int at = topic_of_id(m, topic->topic_id);
        for (int32_t i = 0; at >= 0 && i < topic->partitions_count; i++)
            rd_kafka_topic_partition_list_add(list, m->topics->elems[at].topic,
                                              topic->partitions[i]);
    }
    rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    return list;
}

/* --- heartbeats --- */

static int16_t beat_error(const void *response) {
    return ((const struct consumer_group_heartbeat_response *)response)->error_code;
}

/* What it owns, which is in order of topics; of one that it is subscribed to no more it tells
 * nothing: nobody else waits for that. */
static void put_owned(const struct modern_member *m, struct client *c,
                      struct consumer_group_heartbeat_request *request) {
    const rd_kafka_topic_partition_list_t *owned = m->owned;
    struct consumer_group_heartbeat_request_topic_partitions *topics =
        consumer_group_heartbeat_request_topic_partitions_array(c->arena, owned->cnt);
    int32_t *partitions = arena_array(c->arena, (size_t)owned->cnt, sizeof *partitions);
    ASSERT(topics != NULL && partitions != NULL); /* the arena has no limit */
    request->topic_partitions = topics;
    request->topic_partitions_count = 0;
    for (int i = 0; i < owned->cnt; i++) {
        const char *name = owned->elems[i].topic;
        bool is_next = i == 0 || strcmp(name, owned->elems[i - 1].topic) != 0;
        int at = topic_named(m, name);
        if (at < 0) continue;
        if (is_next) {
            topics[request->topic_partitions_count++] =
                (struct consumer_group_heartbeat_request_topic_partitions){
                    .topic_id = m->topic_ids[at], .partitions = &partitions[i]};
        }
        partitions[i] = owned->elems[i].partition;
        topics[request->topic_partitions_count - 1].partitions_count++;
    }
}

static void put_topics(const struct modern_member *m, struct client *c,
                       struct consumer_group_heartbeat_request *request) {
    struct str *names = arena_array(c->arena, (size_t)m->topics->cnt, sizeof *names);
    ASSERT(names != NULL); /* the arena has no limit */
    for (int i = 0; i < m->topics->cnt; i++) names[i] = str_of(m->topics->elems[i].topic);
    request->subscribed_topic_names = names;
    request->subscribed_topic_names_count = m->topics->cnt;
}

/* A first one says everything, later ones what is new. To one that says everything brokers answer
 * with everything. */
static void fill_beat(const struct modern_member *m, struct client *c, int32_t epoch,
                      struct consumer_group_heartbeat_request *request) {
    bool all = epoch == EPOCH_JOIN || m->tells_all;
    codec_defaults(&consumer_group_heartbeat_request_schema, request);
    request->group_id = m->group_id;
    request->member_id = str_of(m->id);
    request->member_epoch = epoch;
    request->instance_id = m->instance_id;
    request->subscribed_topic_names_count = -1;
    request->topic_partitions_count = -1;
    if (all) {
        request->rebalance_timeout_ms = m->rebalance_timeout_ms;
        request->server_assignor = m->assignor;
    }
    if (all || m->tells_topics) put_topics(m, c, request);
    if (all || m->tells_owned) put_owned(m, c, request);
}

/* What it is to have. Of a topic that it does not know, being new or made anew, it asks first; what
 * it then still does not know it is told once more. */
static enum status take_assignment(struct modern_member *m, struct client *c,
                       const struct consumer_group_heartbeat_response_assignment *assignment) {
    if (!knows_all(m, assignment)) {
        memset(m->topic_ids, 0, ids_bytes(m));
        enum status st = learn_topics(m, c);
        if (st != ST_OK) return st;
    }
    m->tells_all = !knows_all(m, assignment);
    take(m, target_of(m, assignment));
    return ST_OK;
}

static enum status beat(struct modern_member *m) {
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    struct client *c = client_of(m);
    if (c == NULL) return ST_TIMEOUT;
    enum status st = learn_topics(m, c);
    if (st != ST_OK) return st;
    fill_beat(m, c, m->epoch, &request);
    st = group_ask(c, m->group_id, API_CONSUMER_GROUP_HEARTBEAT, INT16_MAX, &request, &response,
                   beat_error);
    if (st != ST_OK) return fail(m, str_of(c->message));
    switch (response.error_code) {
    case KAFKA_NONE: break;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_MEMBER_EPOCH: lose_all(m); return ST_OK; /* and joins again */
    default: return fail(m, error_text(response.error_message, response.error_code));
    }
    m->epoch = response.member_epoch;
    m->tells_owned = m->tells_topics = m->tells_all = false;
    if (response.assignment != NULL) {
        st = take_assignment(m, c, response.assignment);
        if (st != ST_OK) return st;
    }
    m->due_ms = m->tells_owned ? 0 : clock_ms() + response.heartbeat_interval_ms;
    return ST_OK;
}

enum status modern_member_step(struct modern_member *m) {
    if (m->commits && clock_ms() - m->committed_ms >= m->commit_ms) {
        commit_positions(m, m->owned);
        m->committed_ms = clock_ms();
    }
    if (interrupt_seen()) return ST_OK; /* it leaves next */
    enum status st = clock_ms() >= m->due_ms ? beat(m) : ST_OK;
    return interrupt_seen() ? ST_OK : st; /* what it ended is no failure */
}

void modern_member_leave(struct modern_member *m) {
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    int32_t epoch = m->instance_id.ptr != NULL ? EPOCH_LEAVE_FOR_A_WHILE : EPOCH_LEAVE;
    bool is_in = m->epoch > 0;
    m->is_leaving = true;
    lose_all(m);
    struct client *c = is_in ? client_of(m) : NULL;
    if (c != NULL) {
        m->tells_owned = m->tells_topics = m->tells_all = false;
        fill_beat(m, c, epoch, &request);
        enum status st = group_ask(c, m->group_id, API_CONSUMER_GROUP_HEARTBEAT, INT16_MAX,
                                   &request, &response, beat_error);
        (void)st; /* else its session ends */
    }
    if (m->is_connected) admin_stop(&m->admin);
    m->is_connected = false;
    mem_free(m->mem, m->topic_ids, ids_bytes(m));
    rd_kafka_topic_partition_list_destroy(m->topics);
    rd_kafka_topic_partition_list_destroy(m->owned);
}

/* --- commits --- */

static int16_t try_commit(struct modern_member *m, const struct group_offsets *offsets,
                          int16_t *errors) {
    struct client *c = client_of(m);
    if (c == NULL) return KAFKA_NETWORK_EXCEPTION;
    const struct group_committer who = {str_of(m->id), m->instance_id, m->epoch};
    if (group_commit(c, m->group_id, &who, offsets, errors) != ST_OK)
        return KAFKA_NETWORK_EXCEPTION;
    for (uint32_t i = 0; i < offsets->count; i++)
        if (errors[i] != KAFKA_NONE) return errors[i];
    return KAFKA_NONE;
}

int16_t modern_member_commit(struct modern_member *m,
                             const rd_kafka_topic_partition_list_t *offsets) {
    size_t count = (size_t)offsets->cnt;
    struct group_offset *all = mem_need(m->mem, (count + 1) * sizeof *all);
    int16_t *errors = mem_need(m->mem, (count + 1) * sizeof *errors);
    int16_t error = KAFKA_NONE;
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_topic_partition_t *p = &offsets->elems[i];
        all[i] = (struct group_offset){.place = {str_of(p->topic), p->partition},
                                       .offset = p->offset,
                                       .leader_epoch = -1,
                                       .metadata = STR("")};
    }
    qsort(all, count, sizeof *all, group_place_compare);
    for (int i = 0; i < COMMITS_TRIED; i++) {
        error = try_commit(m, &(struct group_offsets){all, (uint32_t)count}, errors);
        /* Another member came or went: the next heartbeat tells the epoch. */
        if (error != KAFKA_STALE_MEMBER_EPOCH || beat(m) != ST_OK) break;
    }
    mem_free(m->mem, all, (count + 1) * sizeof *all);
    mem_free(m->mem, errors, (count + 1) * sizeof *errors);
    return error;
}
