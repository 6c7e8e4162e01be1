/* tests/sim/lost_caller.c - every call to a group coordinator meets its loss while it waits, and a
 * disk that keeps its record for longer than offsets.commit.timeout.ms; every call that writes
 * meets a disk that has no room for its record, and one that fails. Of each is held:
 *
 *   the answer is Kafka's: NOT_COORDINATOR when the coordinator went (from ListGroups: a list
 *   without its groups) or its device, COORDINATOR_LOAD_IN_PROGRESS before it is back,
 *   COORDINATOR_NOT_AVAILABLE when it took too long (from OffsetFetch NOT_COORDINATOR: clients
 *   before 3.9 fail on the other), also when it waits for room;
 *   nothing of it is half there: what is loaded is what was (verify_groups) and what the log says
 *   (loss_compare);
 *   the same call tried again succeeds, or is told that it has succeeded before; then from the
 *   beginning it succeeds at once.
 *
 * Moments are drawn; each call is made until it was hit. Source: GroupCoordinatorService,
 * CoordinatorRuntime, CoordinatorOperationExceptionHelper. */
#include <stdio.h>
#include <string.h>
#include "base/assert.h"
#include "broker/group/coordinator.h"
#include "tests/sim/lost_calls.h"

enum { ATTEMPTS = 60, AGAIN_MS = 20, PATIENCE_MS = 60000 };

struct step {
    const char *name;
    caller_ask *ask;
    struct call_versions versions;
    caller_ask *before[3]; /* undisturbed; NULL: no more */
    caller_ask *after;     /* what shall be there then */
    bool is_static;        /* the member has an instance id */
    bool writes;           /* else a commit beside it is what it waits for */
    bool is_nobodys;       /* it writes because of the time: only what was written can be seen */
    bool is_elsewhere;     /* no coordinator is asked: it succeeds as if nothing was */
    int16_t done_before;   /* it was done, and the answer lost; NONE: it may be done twice */
    int16_t forgotten;     /* of what no record tells, and so goes with the coordinator */
};

static int16_t nothing_committed(struct caller *c) {
    c->offset = -1;
    return caller_fetch(c);
}

static const struct step steps[] = {
    {.name = "JoinGroup", .ask = caller_join, .writes = true, .after = caller_sync,
     .forgotten = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "JoinGroup, version 0", .ask = caller_join, .versions = {0, 1}, .writes = true,
     .after = caller_sync, .forgotten = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "JoinGroup with an id", .ask = caller_join_as, .before = {caller_ask_id},
     .after = caller_sync, .forgotten = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "JoinGroup of a static member", .ask = caller_join, .is_static = true,
     .writes = true, .after = caller_sync, .forgotten = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "JoinGroup of a static member that is back", .ask = caller_join, .is_static = true,
     .before = {caller_join, caller_sync}, .writes = true, .after = caller_beat},
    {.name = "SyncGroup of a leader", .ask = caller_sync, .before = {caller_join}, .writes = true,
     .after = caller_describe, .forgotten = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "SyncGroup of a static leader", .ask = caller_sync, .is_static = true,
     .before = {caller_join}, .writes = true, .after = caller_describe,
     .forgotten = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "SyncGroup of a follower", .ask = caller_sync_both,
     .before = {caller_join_both}, .writes = true,
     .after = caller_describe, .forgotten = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "Heartbeat", .ask = caller_beat, .before = {caller_join, caller_sync},
     .after = caller_describe},
    {.name = "Heartbeat of a static member", .ask = caller_beat, .is_static = true,
     .before = {caller_join, caller_sync}, .after = caller_describe},
    {.name = "LeaveGroup", .ask = caller_leave, .before = {caller_join, caller_sync},
     .writes = true, .done_before = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "LeaveGroup, versions 0 to 2", .ask = caller_leave_old,
     .before = {caller_join, caller_sync}, .writes = true,
     .done_before = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "LeaveGroup of a static member", .ask = caller_leave, .is_static = true,
     .before = {caller_join, caller_sync}, .writes = true,
     .done_before = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "OffsetCommit of a member", .ask = caller_commit,
     .before = {caller_join, caller_sync}, .writes = true, .after = caller_fetch},
    {.name = "OffsetCommit of a member, versions 2 to 4", .ask = caller_commit,
     .versions = {2, 3}, .before = {caller_join, caller_sync}, .writes = true,
     .after = caller_fetch_old},
    {.name = "OffsetCommit of a static member", .ask = caller_commit, .is_static = true,
     .before = {caller_join, caller_sync}, .writes = true, .after = caller_fetch},
    {.name = "OffsetCommit by a topic's id", .ask = caller_commit, .versions = {10, 1},
     .before = {caller_join, caller_sync}, .writes = true, .after = caller_fetch},
    {.name = "OffsetCommit of nobody", .ask = caller_commit, .writes = true,
     .after = caller_fetch},
    {.name = "OffsetFetch", .ask = caller_fetch, .before = {caller_commit}},
    {.name = "OffsetFetch, versions 1 to 7", .ask = caller_fetch_old, .before = {caller_commit}},
    {.name = "OffsetDelete", .ask = caller_forget, .before = {caller_commit}, .writes = true,
     .after = nothing_committed, .done_before = KAFKA_GROUP_ID_NOT_FOUND},
    {.name = "an offset that expires", .ask = caller_see_expired,
     .before = {caller_commit_passing}, .writes = true, .is_nobodys = true},
    {.name = "DeleteGroups", .ask = caller_delete, .before = {caller_commit}, .writes = true,
     .after = nothing_committed, .done_before = KAFKA_GROUP_ID_NOT_FOUND},
    {.name = "DescribeGroups", .ask = caller_describe, .before = {caller_join, caller_sync}},
    {.name = "ListGroups", .ask = caller_list, .before = {caller_commit}},
    {.name = "ConsumerGroupHeartbeat that joins", .ask = caller_consumer_join, .writes = true,
     .after = caller_describe_consumer},
    {.name = "ConsumerGroupHeartbeat", .ask = caller_consumer_beat,
     .before = {caller_consumer_join}, .after = caller_describe_consumer},
    {.name = "ConsumerGroupHeartbeat that subscribes", .ask = caller_consumer_subscribe,
     .before = {caller_consumer_join}, .writes = true, .after = caller_describe_consumer,
     .forgotten = KAFKA_FENCED_MEMBER_EPOCH},
    {.name = "ConsumerGroupHeartbeat that leaves", .ask = caller_consumer_leave,
     .before = {caller_consumer_join}, .writes = true, .after = caller_describe_consumer,
     .done_before = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "a session that ends", .ask = caller_consumer_lapse,
     .before = {caller_consumer_join}, .writes = true, .is_nobodys = true},
    {.name = "ConsumerGroupHeartbeat of a static member that joins",
     .ask = caller_consumer_join, .is_static = true, .writes = true,
     .after = caller_describe_consumer},
    {.name = "ConsumerGroupHeartbeat of a static member", .ask = caller_consumer_beat,
     .is_static = true, .before = {caller_consumer_join}, .after = caller_describe_consumer},
    {.name = "ConsumerGroupHeartbeat of a static member that is away for a while",
     .ask = caller_consumer_pause, .is_static = true, .before = {caller_consumer_join},
     .writes = true, .after = caller_describe_consumer},
    {.name = "ConsumerGroupHeartbeat of a static member that is back",
     .ask = caller_consumer_return, .is_static = true,
     .before = {caller_consumer_join, caller_consumer_pause}, .writes = true,
     .after = caller_consumer_beat},
    {.name = "ConsumerGroupHeartbeat of a static member that leaves",
     .ask = caller_consumer_leave, .is_static = true, .before = {caller_consumer_join},
     .writes = true, .after = caller_describe_consumer, .done_before = KAFKA_UNKNOWN_MEMBER_ID},
    {.name = "ConsumerGroupDescribe", .ask = caller_describe_consumer,
     .before = {caller_consumer_join}},
    {.name = "IncrementalAlterConfigs of a group", .ask = caller_configure,
     .is_elsewhere = true},
    {.name = "FindCoordinator", .ask = caller_find, .is_elsewhere = true},
};

/* --- what surrounds a call --- */

static bool is_over(const struct caller *c) { return c->lost->world->stopped; }

static bool asks_again(int16_t error) {
    return error == KAFKA_NOT_COORDINATOR || error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
           error == KAFKA_COORDINATOR_NOT_AVAILABLE;
}

/* As clients do it. */
static int16_t ask_until_told(struct caller *c, caller_ask *ask) {
    int16_t error;
    uint32_t left = PATIENCE_MS / AGAIN_MS;
    while (asks_again(error = ask(c)) && --left > 0 && !is_over(c)) {
        arena_reset(&c->actor->arena);
        actor_sleep(c->actor, AGAIN_MS * 1000);
    }
    return error;
}

static void expect(struct caller *c, const struct step *step, const char *when, int16_t error) {
    if (error == KAFKA_NONE || is_over(c)) return;
    world_fail(c->lost->world, "%s, %s: %s", step->name, when, kafka_error_name(error));
}

static int32_t partition_of(const struct caller *c, const char *id) {
    return group_partition((struct str){id, strlen(id)}, c->lost->partitions);
}

/* Two groups that nobody has heard of, of one coordinator. */
static void name_groups(struct caller *c) {
    uint32_t number = ++c->attempts;
    (void)snprintf(c->group_id, sizeof c->group_id, "group-%u", number); /* fits, as the other */
    do {
        (void)snprintf(c->beside_id, sizeof c->beside_id, "beside-%u", number);
        number += 2 * ATTEMPTS * COUNT(steps);
    } while (partition_of(c, c->beside_id) != partition_of(c, c->group_id));
}

static void begin(struct caller *c, const struct step *step) {
    c->member_count = 0;
    c->is_static = step->is_static;
    name_groups(c);
    for (size_t i = 0; i < COUNT(step->before) && step->before[i] != NULL; i++)
        expect(c, step, "before it", ask_until_told(c, step->before[i]));
}

static void await_load(struct caller *c, uint32_t loads) {
    uint32_t left = PATIENCE_MS / AGAIN_MS;
    while (c->lost->loads == loads && --left > 0 && !is_over(c))
        actor_sleep(c->actor, AGAIN_MS * 1000);
    if (left == 0) world_fail(c->lost->world, "the coordinator does not come back");
}

/* --- one attempt --- */

enum harm { LOSS, LATENESS, FULL, BROKEN, HARM_COUNT };
static const char *const harm_names[HARM_COUNT] = {
    [LOSS] = "the coordinator lost", [LATENESS] = "too late",
    [FULL] = "no room", [BROKEN] = "the device failed"};

/* Whether the harm can meet the call at all. */
static bool may_meet(const struct step *step, enum harm harm) {
    switch (harm) {
    case LOSS: return !step->is_nobodys; /* nobody knows the moment */
    case LATENESS: return true;
    case FULL:
    case BROKEN: return step->writes;
    case HARM_COUNT: break;
    }
    UNREACHABLE();
}

static bool fetches(const struct step *step) {
    return step->ask == caller_fetch || step->ask == caller_fetch_old ||
           step->ask == caller_see_expired;
}

/* What the call's first answer may be; *ret_hit: it waited, and was told so. */
static bool is_answer(const struct step *step, enum harm harm, int16_t error, bool *ret_hit) {
    bool is_gone = harm == LOSS || harm == BROKEN;
    int16_t told = is_gone || fetches(step) ? KAFKA_NOT_COORDINATOR
                                            : KAFKA_COORDINATOR_NOT_AVAILABLE;
    *ret_hit = error == told;
    if (step->is_elsewhere) return error == KAFKA_NONE;
    if (*ret_hit || error == KAFKA_NONE) return true;
    return is_gone && (error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS || error == step->forgotten);
}

static void strike(struct caller *c, enum harm harm) {
    struct lost *lost = c->lost;
    uint32_t *sync_us = &lost->world->faults.disk.sync_us;
    int32_t index = partition_of(c, c->group_id);
    lost->loss.index = index;
    switch (harm) {
    case LOSS:
        *sync_us = LOST_SLOW_SYNC_US;
        lost_lose(lost, index, prng_below(&lost->world->prng, LOST_SLOW_SYNC_US));
        break;
    case LATENESS: *sync_us = LOST_LATE_SYNC_US; break;
    case FULL: lost_set_disk(lost, LOST_DISK_FULL); break;
    case BROKEN: lost_set_disk(lost, LOST_DISK_BROKEN); break;
    case HARM_COUNT: UNREACHABLE();
    }
}

static void connect_other(struct caller *c) {
    struct io_address address = c->lost->node->address;
    address.port = c->lost->clients.port;
    if (wire_open(&c->other, &address) != ST_OK) world_fail(c->lost->world, "nobody listens");
}

/* A directory that failed is not looked at again before the next start. */
static void restart(struct caller *c) {
    wire_close(&c->actor->wire);
    wire_close(&c->other);
    lost_restart(c->lost);
    while (!c->lost->is_serving && !is_over(c)) actor_sleep(c->actor, AGAIN_MS * 1000);
    if (is_over(c)) return;
    connect_other(c);
    if (actor_connect(c->actor) != ST_OK) world_fail(c->lost->world, "nobody listens");
}

static void heal(struct caller *c, enum harm harm) {
    c->lost->world->faults.disk.sync_us = LOST_SYNC_US;
    lost_set_disk(c->lost, LOST_DISK_WHOLE);
    if (harm == BROKEN) restart(c);
}

/* What there is by now is what a replay gives: the coordinator is loaded once more. */
static void verify(struct caller *c) {
    uint32_t loads = c->lost->loads;
    lost_lose(c->lost, partition_of(c, c->group_id), 1);
    await_load(c, loads);
}

static int16_t ask_under(struct caller *c, const struct step *step, enum harm harm) {
    strike(c, harm);
    if (!step->writes) caller_begin_beside(c);
    c->versions = step->versions;
    int16_t error = step->ask(c);
    c->versions = (struct call_versions){0};
    c->lost->calls++;
    world_trace(c->lost->world, "%s: %s", step->name, kafka_error_name(error));
    return error;
}

static int16_t ask_again(struct caller *c, const struct step *step) {
    c->versions = step->versions;
    int16_t error = ask_until_told(c, step->ask);
    c->versions = (struct call_versions){0};
    return error;
}

/* The group may have been swept since, being empty. */
static bool was_done(const struct step *step, int16_t error) {
    return step->done_before != KAFKA_NONE &&
           (error == step->done_before || error == KAFKA_GROUP_ID_NOT_FOUND);
}

/* Once all is whole again. `told`: what the first answer was. */
static void go_on(struct caller *c, const struct step *step, bool may_be_forgotten,
                  int16_t told) {
    int16_t error = asks_again(told) ? ask_again(c, step) : told;
    /* As a client does that is told so; a sweep in that very moment may forget it once more: an
     * empty group goes, whoever has got an id in it, in Kafka too. */
    for (int i = 0; i < 2 && error != KAFKA_NONE && error == step->forgotten; i++) {
        begin(c, step);
        error = ask_again(c, step);
    }
    if (was_done(step, error)) {
        c->member_count = 0; /* it has left, or there was none */
        error = KAFKA_NONE;
    }
    expect(c, step, "tried again", error);
    if (step->after == NULL) return;
    error = ask_until_told(c, step->after);
    if (may_be_forgotten && error == step->forgotten) error = KAFKA_NONE;
    expect(c, step, "after it", error);
}

static bool attempt(struct caller *c, const struct step *step, enum harm harm) {
    struct lost *lost = c->lost;
    bool is_hit = false;
    begin(c, step);
    if (is_over(c)) return false;
    uint32_t loads = lost->loads;
    int16_t error = ask_under(c, step, harm);
    if (!is_answer(step, harm, error, &is_hit) && !is_over(c)) {
        world_fail(lost->world, "%s, %s: %s", step->name, harm_names[harm],
                   kafka_error_name(error));
    }
    lost->hits += is_hit;
    int16_t beside = step->writes ? KAFKA_NONE : caller_end_beside(c);
    heal(c, harm);
    if (asks_again(beside)) beside = ask_until_told(c, caller_commit_beside);
    expect(c, step, "a commit beside it", beside);
    if (harm == LOSS || harm == BROKEN) await_load(c, loads);
    go_on(c, step, harm == LOSS && error == KAFKA_NONE, error);
    if (is_hit && harm != LOSS && !is_over(c)) verify(c);
    return is_hit;
}

static void take(struct caller *c, const struct step *step, enum harm harm) {
    if (!may_meet(step, harm)) return;
    for (uint32_t i = 0; i < ATTEMPTS && !is_over(c); i++) {
        arena_reset(&c->actor->arena);
        if (attempt(c, step, harm) || (step->is_elsewhere && i >= 2)) return;
    }
    if (!is_over(c))
        world_fail(c->lost->world, "%s was never hit: %s", step->name, harm_names[harm]);
}

static void make_topic(struct caller *c) {
    struct metadata_request_topic topic;
    struct metadata_request request;
    struct metadata_response response = {.topics_count = 0};
    metadata_request_defaults(&request);
    metadata_request_topic_defaults(&topic);
    topic.name = STR("events");
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = true;
    do {
        actor_sleep(c->actor, AGAIN_MS * 1000);
        if (actor_connect(c->actor) != ST_OK ||
            actor_call(c->actor, API_METADATA, 12, &request, &response) != ST_OK)
            continue;
    } while (!is_over(c) &&
             (response.topics_count == 0 || response.topics[0].error_code != KAFKA_NONE));
    if (!is_over(c)) c->topic_id = response.topics[0].topic_id;
}

static void caller_main(struct actor *actor) {
    struct caller *c = MEM_NEW(job_mem(actor->job), struct caller);
    *c = (struct caller){.actor = actor,
                         .lost = CONTAINER_OF(actor->clients, struct lost, clients)};
    actor->wire.timeout_us = UINT64_C(60000000);
    wire_init(&c->other, c->lost->world, actor->job);
    c->other.timeout_us = UINT64_C(60000000);
    connect_other(c);
    make_topic(c);
    (void)ask_until_told(c, caller_find); /* which makes the topic of the offsets */
    for (size_t i = 0; i < COUNT(steps) && !is_over(c); i++) {
        for (enum harm harm = LOSS; harm < HARM_COUNT; harm++) take(c, &steps[i], harm);
    }
    wire_release(&c->other);
    MEM_FREE(job_mem(actor->job), c);
}

void lost_start_caller(struct lost *lost) {
    actor_start(&lost->clients, "caller", caller_main, true, 0);
}
