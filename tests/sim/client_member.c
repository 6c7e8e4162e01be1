/* tests/sim/client_member.c - a member of a group that speaks the classic protocol, as a simulated
 * client: joins with any version, leads or follows, beats, fetches and commits the offsets of what
 * it owns, is slow, crashes, leaves, comes back. It tells the book what it was told. Whether the
 * group is a classic one, or one of the other protocol that has it as a guest, it need not know. */
#include <string.h>
#include "base/assert.h"
#include "protocol/errors.h"
#include "tests/sim/client_seat.h"

struct member {
    struct seat seat;
    char leader_of[BOOK_MEMBERS][64]; /* ids to assign to, when it leads */
    uint32_t leader_count;
    bool is_assigned, has_settled;
};

static void forget_assignment(struct member *m) {
    m->is_assigned = m->has_settled = false;
    seat_let_go(&m->seat);
}

static void forget_id(struct member *m) {
    m->seat.id[0] = '\0';
    forget_assignment(m);
}

/* Errors that a client of Kafka's lives with: it tries again, joins again, or begins anew. */
static void take_error(struct member *m, const char *what, int16_t error) {
    world_trace(m->seat.book->world, "%s of member %u of group %u: %s", what, m->seat.number,
                m->seat.group, kafka_error_name(error));
    if (seat_waits(&m->seat, error)) return;
    switch (error) {
    case KAFKA_NETWORK_EXCEPTION: return;
    case KAFKA_REBALANCE_IN_PROGRESS:
        forget_assignment(m);
        m->seat.book->rebalances++;
        return;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_GROUP_ID_NOT_FOUND: /* an empty group expired */
    case KAFKA_FENCED_INSTANCE_ID: forget_id(m); return;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION: seat_make_topic(&m->seat); return;
    default:
        world_fail(m->seat.book->world, "%s of member %u: %s", what, m->seat.number,
                   kafka_error_name(error));
    }
}

/* --- joining --- */

static void keep_members(struct member *m, const struct join_group_response *response) {
    m->leader_count = 0;
    for (int32_t i = 0; i < response->members_count && m->leader_count < BOOK_MEMBERS; i++) {
        if (seat_keep_id(m->leader_of[m->leader_count], sizeof m->leader_of[0],
                    response->members[i].member_id))
            m->leader_count++;
    }
}

/* true: it is in a generation and may sync. */
static bool join(struct member *m) {
    struct join_group_request request;
    struct join_group_response response;
    struct join_group_request_protocol protocol = {
        .name = STR("simulated"),
        .metadata = {(const uint8_t *)"\0\0\0\0\0\1\0\6events\xff\xff\xff\xff", 18}};
    int16_t version = actor_version(m->seat.actor, API_JOIN_GROUP, m->seat.is_static ? 5 : 0);
    join_group_request_defaults(&request);
    request.group_id = str_of(m->seat.group_id);
    /* Shorter than rebalances mostly; longer, so that a static member may sleep through one. */
    int32_t session_ms = actor_chance(m->seat.actor, 70) ? 300 : 3000;
    request.session_timeout_ms = session_ms + (int32_t)actor_draw(m->seat.actor, 1000);
    request.rebalance_timeout_ms = 500 + (int32_t)actor_draw(m->seat.actor, 2000);
    request.member_id = str_of(m->seat.id);
    if (m->seat.is_static) request.group_instance_id = str_of(m->seat.instance_id);
    request.protocol_type = STR("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    if (seat_call(&m->seat, API_JOIN_GROUP, version, &request, &response) != ST_OK) return false;
    if (response.error_code == KAFKA_MEMBER_ID_REQUIRED) {
        (void)seat_keep_id(m->seat.id, sizeof m->seat.id, response.member_id);
        return false;
    }
    if (response.error_code != KAFKA_NONE) {
        take_error(m, "JoinGroup", response.error_code);
        return false;
    }
    group_book_joined(m->seat.book, m->seat.group, response.leader.len > 0);
    if (!seat_keep_id(m->seat.id, sizeof m->seat.id, response.member_id)) return false;
    m->seat.generation = response.generation_id;
    m->leader_count = 0;
    bool leads = str_eq(response.leader, response.member_id) && !response.skip_assignment;
    if (leads) keep_members(m, &response);
    return true;
}

/* ConsumerProtocolAssignment, of events alone; null: it did not fit. */
static struct bytes write_assignment(struct member *m, int32_t *partitions, int32_t count) {
    struct arena *arena = &m->seat.actor->arena;
    struct consumer_protocol_assignment a;
    struct consumer_protocol_assignment_topic_partition topic = {
        .topic = str_of(book_names[0]), .partitions = partitions, .partitions_count = count};
    struct bytes body;
    consumer_protocol_assignment_defaults(&a);
    a.assigned_partitions = &topic;
    a.assigned_partitions_count = count > 0;
    ASSERT(codec_encode_arena(&consumer_protocol_assignment_schema, 0, &a, arena, &body) == ST_OK);
    uint8_t *octets = arena_alloc(arena, body.len + 2);
    put_u16(octets, 0);
    memcpy(octets + 2, body.ptr, body.len);
    return (struct bytes){octets, body.len + 2};
}

static void take_assignment(struct member *m, struct bytes octets) {
    struct consumer_protocol_assignment a = {0};
    size_t used = 0;
    forget_assignment(m);
    m->is_assigned = true;
    m->seat.book->synced++;
    if (octets.len == 0) return;
    enum status st = octets.len < 2 ? ST_CORRUPT
                                    : codec_decode(&consumer_protocol_assignment_schema,
                                                   (int16_t)get_u16(octets.ptr),
                                                   (struct bytes){octets.ptr + 2, octets.len - 2},
                                                   &m->seat.actor->arena, &a, &used);
    if (st != ST_OK) world_fail(m->seat.book->world, "an assignment: %s", status_name(st));
    for (int32_t t = 0; st == ST_OK && t < a.assigned_partitions_count; t++) {
        const struct consumer_protocol_assignment_topic_partition *topic =
            &a.assigned_partitions[t];
        if (!str_eq(topic->topic, str_of(book_names[0])))
            world_fail(m->seat.book->world, "member %u was assigned %.*s", m->seat.number,
                       STR_ARG(topic->topic));
        for (int32_t i = 0; i < topic->partitions_count; i++)
            seat_take(&m->seat, 0, (uint32_t)topic->partitions[i]);
    }
}

static void sync_up(struct member *m) {
    arena_reset(&m->seat.actor->arena);
    struct sync_group_request request;
    struct sync_group_response response;
    struct sync_group_request_assignment assignments[BOOK_MEMBERS];
    int32_t parts[BOOK_MEMBERS][BOOK_PARTITIONS], counts[BOOK_MEMBERS] = {0};
    int16_t version = actor_version(m->seat.actor, API_SYNC_GROUP, m->seat.is_static ? 3 : 0);
    sync_group_request_defaults(&request);
    request.group_id = str_of(m->seat.group_id);
    request.generation_id = m->seat.generation;
    request.member_id = str_of(m->seat.id);
    if (m->seat.is_static) request.group_instance_id = str_of(m->seat.instance_id);
    if (version >= 5) {
        request.protocol_type = STR("consumer");
        request.protocol_name = STR("simulated");
    }
    for (uint32_t p = 0; p < BOOK_PARTITIONS && m->leader_count > 0; p++) {
        uint32_t to = (p + actor_draw(m->seat.actor, 2)) % m->leader_count;
        parts[to][counts[to]++] = (int32_t)p;
    }
    for (uint32_t i = 0; i < m->leader_count; i++) {
        sync_group_request_assignment_defaults(&assignments[i]);
        assignments[i].member_id = str_of(m->leader_of[i]);
        assignments[i].assignment = write_assignment(m, parts[i], counts[i]);
    }
    request.assignments = assignments;
    request.assignments_count = (int32_t)m->leader_count;
    m->seat.asked_us = m->seat.book->world->now_us;
    if (actor_connect(m->seat.actor) != ST_OK ||
        actor_call(m->seat.actor, API_SYNC_GROUP, version, &request, &response) != ST_OK)
        return;
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
    request.group_id = str_of(m->seat.group_id);
    request.generation_id = m->seat.generation;
    request.member_id = str_of(m->seat.id);
    int16_t version = actor_version(m->seat.actor, API_HEARTBEAT, m->seat.is_static ? 3 : 0);
    if (m->seat.is_static) request.group_instance_id = str_of(m->seat.instance_id);
    bool was_overtaken = seat_is_overtaken(&m->seat);
    uint64_t asked_us = m->seat.book->world->now_us;
    if (seat_call(&m->seat, API_HEARTBEAT, version, &request, &response) != ST_OK) return;
    if (response.error_code != KAFKA_NONE) {
        take_error(m, "Heartbeat", response.error_code);
    } else if (was_overtaken &&
               !group_book_was_loading(m->seat.book, m->seat.group, asked_us)) {
        group_book_overtaken(m->seat.book, m->seat.group, m->seat.number, "a heartbeat");
    } else {
        m->has_settled = true;
    }
}

static void commit(struct member *m, uint32_t partition) {
    int16_t version = (int16_t)(2 + (int16_t)actor_draw(m->seat.actor, 8)); /* up to 9: by name */
    if (m->seat.is_static && version < 7) version = 7;
    int16_t error = seat_commit(&m->seat, partition, version);
    if (error != KAFKA_NONE) take_error(m, "OffsetCommit", error);
}

/* As one that was under way when its generation ended. Among members of the other protocol some are
 * acknowledged (client_beater.c). */
static void commit_wrongly(struct member *m, uint32_t partition) {
    struct seat *seat = &m->seat;
    int32_t generation = seat->generation - 1;
    int16_t error = seat_commit_wrongly(seat, partition, generation);
    if (error == KAFKA_NONE && !seat->book->has_consumer[seat->group])
        group_book_misjudged(seat->book, seat->group, seat->number, partition, generation, true);
    if (error != KAFKA_NONE && error != KAFKA_ILLEGAL_GENERATION) /* of the one that is over */
        take_error(m, "OffsetCommit", error);
}

static void fetch(struct member *m, uint32_t partition) {
    int16_t error = seat_fetch(&m->seat, partition);
    if (error != KAFKA_NONE) take_error(m, "OffsetFetch", error);
}

static void work(struct member *m) {
    for (uint32_t p = 0; p < BOOK_PARTITIONS && m->is_assigned; p++) {
        if (!seat_owns(&m->seat, 0, p)) continue;
        if (!m->seat.is_known[p]) {
            fetch(m, p); /* or next time */
        } else if (actor_chance(m->seat.actor, 60)) {
            commit(m, p);
        }
    }
    if (m->is_assigned && m->seat.generation > 1 && !m->seat.book->has_consumer[m->seat.group] &&
        actor_chance(m->seat.actor, 20))
        commit_wrongly(m, actor_draw(m->seat.actor, BOOK_PARTITIONS));
}

static void leave(struct member *m) {
    struct leave_group_request request;
    struct leave_group_response response;
    struct leave_group_request_member_identity one;
    int16_t version = actor_version(m->seat.actor, API_LEAVE_GROUP, m->seat.is_static ? 3 : 0);
    leave_group_request_defaults(&request);
    leave_group_request_member_identity_defaults(&one);
    request.group_id = str_of(m->seat.group_id);
    request.member_id = version < 3 ? str_of(m->seat.id) : STR("");
    one.member_id = str_of(m->seat.id);
    if (m->seat.is_static) one.group_instance_id = str_of(m->seat.instance_id);
    request.members = &one;
    request.members_count = version < 3 ? 0 : 1;
    if (seat_call(&m->seat, API_LEAVE_GROUP, version, &request, &response) == ST_OK)
        m->seat.book->left++;
    forget_id(m);
}

/* --- a life --- */

static void crash(struct member *m) {
    wire_close(&m->seat.actor->wire);
    m->seat.book->crashed++;
    forget_id(m);
    actor_sleep(m->seat.actor, 500000);
}

static void live(struct member *m) {
    if (!m->is_assigned) {
        if (join(m)) sync_up(m);
        if (!m->is_assigned && actor_chance(m->seat.actor, 20)) seat_find_coordinator(&m->seat);
        return;
    }
    actor_sleep(m->seat.actor, 100000);
    /* One that does not beat may not know that its generation is over. */
    if (!actor_chance(m->seat.actor, 30)) beat(m);
    if (m->is_assigned) work(m);
    if (seat_is_ending(&m->seat)) return;
    if (seat_acts_up(&m->seat)) crash(m);
    if (seat_acts_up(&m->seat)) leave(m);
    /* Slower than its session. */
    if (seat_acts_up(&m->seat)) actor_sleep(m->seat.actor, 3000000);
}

static void member_main(struct actor *actor) {
    struct member *m = MEM_NEW(job_mem(actor->job), struct member);
    seat_init(&m->seat, actor, false);
    while (!m->seat.book->has_events && !actor->clients->world->stopped) {
        seat_make_topic(&m->seat);
        actor_sleep(actor, 50000);
    }
    while (!seat_is_ending(&m->seat) || !seat_is_done(&m->seat, 1, m->has_settled)) {
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
