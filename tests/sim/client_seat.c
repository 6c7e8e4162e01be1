/* tests/sim/client_seat.c - see client_seat.h. */
#include "tests/sim/client_seat.h"
#include <stdio.h>
#include "base/assert.h"
#include "protocol/errors.h"

void seat_init(struct seat *seat, struct actor *actor, bool speaks_consumer) {
    *seat = (struct seat){.actor = actor, .book = actor->clients->book, .number = actor->number};
    seat->group = actor_draw(actor, BOOK_GROUPS);
    seat->is_static = actor_chance(actor, 30);
    (void)snprintf(seat->group_id, sizeof seat->group_id, "group-%u", seat->group);
    (void)snprintf(seat->instance_id, sizeof seat->instance_id, "instance-%u", seat->number);
    *(speaks_consumer ? &seat->book->has_consumer[seat->group]
                      : &seat->book->has_classic[seat->group]) = true;
    seat->book->members[seat->number] = (struct book_member){.is_in = true, .group = seat->group};
}

bool seat_is_ending(const struct seat *seat) { return seat->actor->clients->is_ending; }

/* Offsets expire in groups that are empty for a while. */
bool seat_acts_up(const struct seat *seat) {
    return actor_chance(seat->actor, seat->book->may_expire ? 10 : 3);
}

bool seat_owns(const struct seat *seat, uint32_t topic, uint32_t index) {
    return (seat->holding.topics[topic] >> index & 1) != 0;
}

void seat_take(struct seat *seat, uint32_t topic, uint32_t index) {
    if (index >= BOOK_INDEXES) {
        world_fail(seat->book->world, "member %u is assigned partition %u", seat->number, index);
        return;
    }
    seat->holding.topics[topic] |= (uint8_t)(1u << index);
    const struct book_telling telling = {.group = seat->group,
                                         .member = seat->number,
                                         .generation = seat->generation,
                                         .asked_us = seat->asked_us};
    group_book_own(seat->book, &telling, topic, index);
}

void seat_let_go(struct seat *seat) {
    seat->holding = (struct book_holding){0};
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) seat->is_known[p] = false;
}

bool seat_is_overtaken(const struct seat *seat) {
    return group_book_is_overtaken(seat->book, seat->group, &seat->holding, seat->number);
}

bool seat_is_done(struct seat *seat, uint32_t names, bool is_settled) {
    struct book_member *member = &seat->book->members[seat->number];
    member->names = names;
    member->is_settled = is_settled;
    member->holding = seat->holding;
    return seat->book->has_converged[seat->group] ||
           (seat->book->has_converged[seat->group] =
                group_book_has_converged(seat->book, seat->group));
}

bool seat_keep_id(char *out, size_t room, struct str id) {
    if (id.len >= room) return false;
    memcpy(out, id.ptr, id.len);
    out[id.len] = '\0';
    return true;
}

enum status seat_call(struct seat *seat, int16_t key, int16_t version, const void *request,
                      void *ret_response) {
    arena_reset(&seat->actor->arena);
    world_trace(seat->book->world, "member %u of group %u asks %d/%d, generation %d", seat->number,
                seat->group, key, version, seat->generation);
    if (actor_connect(seat->actor) != ST_OK) return ST_CLOSED;
    return actor_call(seat->actor, key, version, request, ret_response);
}

bool seat_waits(struct seat *seat, int16_t error) {
    if (error != KAFKA_COORDINATOR_NOT_AVAILABLE && error != KAFKA_COORDINATOR_LOAD_IN_PROGRESS &&
        error != KAFKA_NOT_COORDINATOR)
        return false;
    actor_sleep(seat->actor, 50000);
    return true;
}

void seat_find_coordinator(struct seat *seat) {
    struct find_coordinator_request request;
    struct find_coordinator_response response;
    find_coordinator_request_defaults(&request);
    request.key = str_of(seat->group_id);
    (void)seat_call(seat, API_FIND_COORDINATOR, 3, &request, &response); /* asked again */
}

void seat_make_topic(struct seat *seat) {
    struct metadata_request request;
    struct metadata_response response;
    struct metadata_request_topic topic;
    metadata_request_defaults(&request);
    metadata_request_topic_defaults(&topic);
    topic.name = str_of(book_names[0]);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = true;
    if (seat_call(seat, API_METADATA, 9, &request, &response) == ST_OK &&
        response.topics_count == 1 && response.topics[0].error_code == KAFKA_NONE)
        seat->book->has_events = true; /* else it is asked again */
}

/* --- offsets --- */

/* KAFKA_NONE: it was acknowledged. */
static int16_t ask_commit(struct seat *seat, int16_t version, int32_t generation, uint32_t name,
                          uint32_t partition, int64_t offset) {
    struct offset_commit_request request;
    struct offset_commit_response response;
    struct offset_commit_request_topic topic;
    struct offset_commit_request_partition one;
    offset_commit_request_defaults(&request);
    offset_commit_request_topic_defaults(&topic);
    offset_commit_request_partition_defaults(&one);
    request.group_id = str_of(seat->group_id);
    request.generation_id_or_member_epoch = generation;
    request.member_id = str_of(seat->id);
    if (seat->is_static) request.group_instance_id = str_of(seat->instance_id);
    topic.name = str_of(book_names[name]);
    topic.partitions = &one;
    topic.partitions_count = 1;
    one.partition_index = (int32_t)partition;
    one.committed_offset = offset;
    one.committed_metadata = STR("");
    request.topics = &topic;
    request.topics_count = 1;
    bool was_overtaken = seat_is_overtaken(seat);
    if (seat_call(seat, API_OFFSET_COMMIT, version, &request, &response) != ST_OK)
        return KAFKA_NETWORK_EXCEPTION;
    int16_t error = response.topics[0].partitions[0].error_code;
    if (error == KAFKA_NONE && was_overtaken)
        group_book_overtaken(seat->book, seat->group, seat->number, "a commit");
    return error;
}

int16_t seat_commit_passing(struct seat *seat, uint32_t topic, uint32_t index) {
    return ask_commit(seat, 9, seat->generation, seat->book->topics[topic].name, index, 1);
}

static int16_t commit_next(struct seat *seat, uint32_t partition, int16_t version,
                           int32_t generation) {
    int64_t offset = seat->offsets[partition] + 1 + (int64_t)actor_draw(seat->actor, 10);
    int32_t latest = seat->book->latest[seat->group];
    group_book_committing(seat->book, seat->group, partition, offset);
    seat->is_known[partition] = false; /* until the answer is there */
    int16_t error = ask_commit(seat, version, generation, 0, partition, offset);
    if (error != KAFKA_NONE) return error;
    group_book_committed(seat->book, seat->group, partition, offset, generation, latest);
    seat->offsets[partition] = offset;
    seat->is_known[partition] = true;
    return KAFKA_NONE;
}

int16_t seat_commit(struct seat *seat, uint32_t partition, int16_t version) {
    return commit_next(seat, partition, version, seat->generation);
}

int16_t seat_commit_overtaken(struct seat *seat, uint32_t partition, int32_t generation) {
    int16_t error = commit_next(seat, partition, 9, generation);
    if (error == KAFKA_NONE) world_count(seat->book->world, FAULT_COMMIT_OVERTAKEN);
    return error;
}

/* Were it taken, the offset would go back. */
int16_t seat_commit_wrongly(struct seat *seat, uint32_t partition, int32_t generation) {
    int16_t error = ask_commit(seat, 9, generation, 0, partition, 0);
    if (error == KAFKA_STALE_MEMBER_EPOCH || error == KAFKA_ILLEGAL_GENERATION)
        world_count(seat->book->world, FAULT_COMMIT_REFUSED);
    return error;
}

int16_t seat_fetch(struct seat *seat, uint32_t partition) {
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    struct offset_fetch_request_topic topic;
    int32_t index = (int32_t)partition;
    int16_t version = (int16_t)(1 + (int16_t)actor_draw(seat->actor, 7));
    offset_fetch_request_defaults(&request);
    offset_fetch_request_topic_defaults(&topic);
    request.group_id = str_of(seat->group_id);
    topic.name = str_of(book_names[0]);
    topic.partition_indexes = &index;
    topic.partition_indexes_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    int64_t known = group_book_known(seat->book, seat->group, partition);
    if (seat_call(seat, API_OFFSET_FETCH, version, &request, &response) != ST_OK)
        return KAFKA_NETWORK_EXCEPTION;
    int16_t error = response.error_code;
    if (error == KAFKA_NONE && response.topics_count == 1)
        error = response.topics[0].partitions[0].error_code;
    if (error != KAFKA_NONE) return error;
    if (response.topics_count != 1) {
        world_fail(seat->book->world, "OffsetFetch answers for %d topics", response.topics_count);
        return KAFKA_NETWORK_EXCEPTION;
    }
    seat->offsets[partition] = response.topics[0].partitions[0].committed_offset;
    seat->is_known[partition] = true;
    group_book_fetched(seat->book, seat->group, partition, known, seat->offsets[partition]);
    return KAFKA_NONE;
}
