/* tests/sim/client_member.c - a member of a classic consumer group, as a simulated client: joins
 * with any version, leads or follows, beats, fetches and commits the offsets of what it owns, is
 * slow, crashes, leaves, comes back. It tells the book what it was told. An assignment is one octet
 * a partition. */
#include <stdio.h>
#include "base/assert.h"
#include "protocol/errors.h"
#include "tests/sim/client.h"

struct member {
    struct actor *actor;
    struct group_book *book;
    uint32_t number; /* of this life: a crash makes another member of it */
    uint32_t group;
    char group_id[16], instance_id[16];
    char id[64];
    char leader_of[BOOK_MEMBERS][64]; /* ids to assign to, when it leads */
    uint32_t leader_count;
    int32_t generation;
    bool is_static, is_assigned, has_settled;
    bool owns[BOOK_PARTITIONS];
    int64_t offsets[BOOK_PARTITIONS]; /* committed, as it knows; next is one above */
    bool is_known[BOOK_PARTITIONS];
};

static const struct clients *clients_of(const struct member *m) { return m->actor->clients; }

static bool is_ending(const struct member *m) { return clients_of(m)->is_ending; }

static void forget_assignment(struct member *m) {
    m->is_assigned = false;
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) m->owns[p] = m->is_known[p] = false;
}

static void forget_id(struct member *m) {
    m->id[0] = '\0';
    forget_assignment(m);
}

/* Errors that a client of Kafka's lives with: it tries again, joins again, or begins anew. */
static void take_error(struct member *m, const char *what, int16_t error) {
    switch (error) {
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_NOT_COORDINATOR:
        actor_sleep(m->actor, 50000);
        return;
    case KAFKA_REBALANCE_IN_PROGRESS:
        forget_assignment(m);
        m->book->rebalances++;
        return;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_FENCED_INSTANCE_ID: forget_id(m); return;
    default:
        world_fail(clients_of(m)->world, "%s of member %u: %s", what, m->number,
                   kafka_error_name(error));
    }
}

static enum status call(struct member *m, int16_t key, int16_t version, const void *request,
                        void *ret_response) {
    arena_reset(&m->actor->arena);
    if (actor_connect(m->actor) != ST_OK) return ST_CLOSED;
    return actor_call(m->actor, key, version, request, ret_response);
}

/* --- the topics --- */

static void find_coordinator(struct member *m) {
    struct find_coordinator_request request;
    struct find_coordinator_response response;
    find_coordinator_request_defaults(&request);
    request.key = str_of(m->group_id);
    (void)call(m, API_FIND_COORDINATOR, 3, &request, &response); /* made when it is asked for */
}

static void make_topic(struct member *m) {
    struct metadata_request request;
    struct metadata_response response;
    struct metadata_request_topic topic;
    metadata_request_defaults(&request);
    metadata_request_topic_defaults(&topic);
    topic.name = STR("events");
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = true;
    (void)call(m, API_METADATA, 9, &request, &response); /* asked again until it is there */
}

/* --- joining --- */

static bool keep_id(char *out, size_t room, struct str id) {
    if (id.len >= room) return false;
    memcpy(out, id.ptr, id.len);
    out[id.len] = '\0';
    return true;
}

static void keep_members(struct member *m, const struct join_group_response *response) {
    m->leader_count = 0;
    for (int32_t i = 0; i < response->members_count && m->leader_count < BOOK_MEMBERS; i++) {
        if (keep_id(m->leader_of[m->leader_count], sizeof m->leader_of[0],
                    response->members[i].member_id))
            m->leader_count++;
    }
}

/* true: it is in a generation and may sync. */
static bool join(struct member *m) {
    struct join_group_request request;
    struct join_group_response response;
    struct join_group_request_protocol protocol = {
        .name = STR("simulated"), .metadata = {(const uint8_t *)"\0\0\0\0\0\1\0\6events", 14}};
    int16_t version = actor_version(m->actor, API_JOIN_GROUP, m->is_static ? 5 : 0);
    join_group_request_defaults(&request);
    request.group_id = str_of(m->group_id);
    /* Shorter than rebalances mostly; longer, so that a static member may sleep through one. */
    int32_t session_ms = actor_chance(m->actor, 70) ? 300 : 3000;
    request.session_timeout_ms = session_ms + (int32_t)actor_draw(m->actor, 1000);
    request.rebalance_timeout_ms = 500 + (int32_t)actor_draw(m->actor, 2000);
    request.member_id = str_of(m->id);
    if (m->is_static) request.group_instance_id = str_of(m->instance_id);
    request.protocol_type = STR("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    if (call(m, API_JOIN_GROUP, version, &request, &response) != ST_OK) return false;
    if (response.error_code == KAFKA_MEMBER_ID_REQUIRED) {
        (void)keep_id(m->id, sizeof m->id, response.member_id);
        return false;
    }
    if (response.error_code != KAFKA_NONE) {
        take_error(m, "JoinGroup", response.error_code);
        return false;
    }
    m->book->joined++;
    if (!keep_id(m->id, sizeof m->id, response.member_id)) return false;
    m->generation = response.generation_id;
    m->leader_count = 0;
    bool leads = str_eq(response.leader, response.member_id) && !response.skip_assignment;
    if (leads) keep_members(m, &response);
    return true;
}

static void take_assignment(struct member *m, struct bytes assignment) {
    forget_assignment(m);
    m->is_assigned = true;
    m->book->synced++;
    for (size_t i = 0; i < assignment.len; i++) {
        uint32_t partition = assignment.ptr[i];
        if (partition >= BOOK_PARTITIONS) {
            world_fail(clients_of(m)->world, "member %u is assigned partition %u", m->number,
                       partition);
            return;
        }
        m->owns[partition] = true;
        group_book_own(m->book, m->group, m->generation, partition, m->number);
    }
}

static void sync_up(struct member *m) {
    struct sync_group_request request;
    struct sync_group_response response;
    struct sync_group_request_assignment assignments[BOOK_MEMBERS];
    uint8_t parts[BOOK_MEMBERS][BOOK_PARTITIONS];
    uint32_t counts[BOOK_MEMBERS] = {0};
    int16_t version = actor_version(m->actor, API_SYNC_GROUP, m->is_static ? 3 : 0);
    sync_group_request_defaults(&request);
    request.group_id = str_of(m->group_id);
    request.generation_id = m->generation;
    request.member_id = str_of(m->id);
    if (m->is_static) request.group_instance_id = str_of(m->instance_id);
    if (version >= 5) {
        request.protocol_type = STR("consumer");
        request.protocol_name = STR("simulated");
    }
    for (uint32_t p = 0; p < BOOK_PARTITIONS && m->leader_count > 0; p++) {
        uint32_t to = (p + actor_draw(m->actor, 2)) % m->leader_count;
        parts[to][counts[to]++] = (uint8_t)p;
    }
    for (uint32_t i = 0; i < m->leader_count; i++) {
        sync_group_request_assignment_defaults(&assignments[i]);
        assignments[i].member_id = str_of(m->leader_of[i]);
        assignments[i].assignment = (struct bytes){parts[i], counts[i]};
    }
    request.assignments = assignments;
    request.assignments_count = (int32_t)m->leader_count;
    if (call(m, API_SYNC_GROUP, version, &request, &response) != ST_OK) return;
    if (response.error_code == KAFKA_NONE) {
        take_assignment(m, response.assignment);
    } else {
        take_error(m, "SyncGroup", response.error_code);
    }
}

/* --- between rebalances --- */

static void beat(struct member *m) {
    struct heartbeat_request request;
    struct heartbeat_response response;
    heartbeat_request_defaults(&request);
    request.group_id = str_of(m->group_id);
    request.generation_id = m->generation;
    request.member_id = str_of(m->id);
    int16_t version = actor_version(m->actor, API_HEARTBEAT, m->is_static ? 3 : 0);
    if (m->is_static) request.group_instance_id = str_of(m->instance_id);
    if (call(m, API_HEARTBEAT, version, &request, &response) != ST_OK) return;
    if (response.error_code != KAFKA_NONE) {
        take_error(m, "Heartbeat", response.error_code);
    } else if (is_ending(m)) {
        m->has_settled = true;
    }
}

static void commit(struct member *m, uint32_t partition) {
    struct offset_commit_request request;
    struct offset_commit_response response;
    struct offset_commit_request_topic topic;
    struct offset_commit_request_partition one;
    int64_t offset = m->offsets[partition] + 1 + (int64_t)actor_draw(m->actor, 10);
    int16_t version =
        (int16_t)(2 + (int16_t)actor_draw(m->actor, 8)); /* by name: up to version 9 */
    if (m->is_static && version < 7) version = 7;
    offset_commit_request_defaults(&request);
    offset_commit_request_topic_defaults(&topic);
    offset_commit_request_partition_defaults(&one);
    request.group_id = str_of(m->group_id);
    request.generation_id_or_member_epoch = m->generation;
    request.member_id = str_of(m->id);
    if (m->is_static) request.group_instance_id = str_of(m->instance_id);
    topic.name = STR("events");
    topic.partitions = &one;
    topic.partitions_count = 1;
    one.partition_index = (int32_t)partition;
    one.committed_offset = offset;
    one.committed_metadata = STR("");
    request.topics = &topic;
    request.topics_count = 1;
    int32_t generation = m->generation, latest = m->book->latest[m->group];
    group_book_committing(m->book, m->group, partition, offset);
    m->is_known[partition] = false; /* until the answer is there */
    if (call(m, API_OFFSET_COMMIT, version, &request, &response) != ST_OK) return;
    int16_t error = response.topics[0].partitions[0].error_code;
    if (error == KAFKA_NONE) {
        group_book_committed(m->book, m->group, partition, offset, generation, latest);
        m->offsets[partition] = offset;
        m->is_known[partition] = true;
    } else if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
        make_topic(m);
    } else {
        take_error(m, "OffsetCommit", error);
    }
}

static bool fetch(struct member *m, uint32_t partition) {
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    struct offset_fetch_request_topic topic;
    int32_t index = (int32_t)partition;
    int16_t version = (int16_t)(1 + (int16_t)actor_draw(m->actor, 7));
    offset_fetch_request_defaults(&request);
    offset_fetch_request_topic_defaults(&topic);
    request.group_id = str_of(m->group_id);
    topic.name = STR("events");
    topic.partition_indexes = &index;
    topic.partition_indexes_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    int64_t known = group_book_known(m->book, m->group, partition);
    if (call(m, API_OFFSET_FETCH, version, &request, &response) != ST_OK) return false;
    int16_t error = response.error_code;
    if (error == KAFKA_NONE && response.topics_count == 1)
        error = response.topics[0].partitions[0].error_code;
    if (error != KAFKA_NONE || response.topics_count != 1) {
        take_error(m, "OffsetFetch", error);
        return false;
    }
    m->offsets[partition] = response.topics[0].partitions[0].committed_offset;
    m->is_known[partition] = true;
    group_book_fetched(m->book, m->group, partition, known, m->offsets[partition]);
    return true;
}

static void work(struct member *m) {
    for (uint32_t p = 0; p < BOOK_PARTITIONS && m->is_assigned; p++) {
        if (!m->owns[p]) continue;
        if (!m->is_known[p]) {
            (void)fetch(m, p); /* or next time */
        } else if (actor_chance(m->actor, 60)) {
            commit(m, p);
        }
    }
}

static void leave(struct member *m) {
    struct leave_group_request request;
    struct leave_group_response response;
    struct leave_group_request_member_identity one;
    int16_t version = actor_version(m->actor, API_LEAVE_GROUP, m->is_static ? 3 : 0);
    leave_group_request_defaults(&request);
    leave_group_request_member_identity_defaults(&one);
    request.group_id = str_of(m->group_id);
    request.member_id = version < 3 ? str_of(m->id) : STR("");
    one.member_id = str_of(m->id);
    if (m->is_static) one.group_instance_id = str_of(m->instance_id);
    request.members = &one;
    request.members_count = version < 3 ? 0 : 1;
    if (call(m, API_LEAVE_GROUP, version, &request, &response) == ST_OK) m->book->left++;
    forget_id(m);
}

/* --- a life --- */

static void crash(struct member *m) {
    wire_close(&m->actor->wire);
    m->book->crashed++;
    forget_id(m);
    actor_sleep(m->actor, 500000);
}

static void live(struct member *m) {
    if (!m->is_assigned) {
        if (join(m)) sync_up(m);
        if (!m->is_assigned && actor_chance(m->actor, 20)) find_coordinator(m);
        return;
    }
    actor_sleep(m->actor, 100000);
    if (!actor_chance(m->actor, 30)) beat(m); /* one that does not may not know that it is over */
    if (m->is_assigned) work(m);
    if (is_ending(m)) return;
    if (actor_chance(m->actor, 3)) crash(m);
    if (actor_chance(m->actor, 3)) leave(m);
    if (actor_chance(m->actor, 3)) actor_sleep(m->actor, 3000000); /* slower than its session */
}

static void member_main(struct actor *actor) {
    struct member *m = MEM_NEW(job_mem(actor->job), struct member);
    m->actor = actor;
    m->book = actor->clients->book;
    m->number = actor->number;
    m->group = actor_draw(actor, BOOK_GROUPS);
    m->is_static = actor_chance(actor, 30);
    (void)snprintf(m->group_id, sizeof m->group_id, "group-%u", m->group);
    (void)snprintf(m->instance_id, sizeof m->instance_id, "instance-%u", m->number);
    while (!is_ending(m) || !m->has_settled) {
        live(m);
        if (actor->clients->world->stopped) break;
        if (!m->is_assigned) actor_sleep(actor, 20000);
    }
    leave(m);
    MEM_FREE(job_mem(actor->job), m);
}

void client_start_member(struct clients *clients) {
    actor_start(clients, "member", member_main, true, clients->member_count++);
}
