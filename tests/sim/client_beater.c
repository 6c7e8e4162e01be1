/* tests/sim/client_beater.c - a member of a consumer group (KIP-848), as a simulated client: joins
 * by a heartbeat, is told what it shall own, lets go of what it shall not own any more (at once or
 * only after a while) and says so, commits offsets, is slow, crashes, leaves for good or for a
 * while. It is subscribed by names or by a regular expression, to topics that come and go. */
#include <stdio.h>
#include "base/assert.h"
#include "protocol/errors.h"
#include "tests/sim/client_seat.h"

#define EPOCH_LEAVE (-1)
#define EPOCH_LEAVE_FOR_A_WHILE (-2)

struct beater {
    struct seat seat; /* its generation: the member's epoch; 0: to join */
    uint32_t names;   /* that it is subscribed to */
    const char *regex; /* NULL: by names */
    bool has_had_regex; /* which only version 1 takes back */
    struct book_holding target;
    int32_t heard;                  /* up to this epoch it knows all that it was given */
    bool is_behind;                 /* and not of later ones */
    int32_t since[BOOK_PARTITIONS]; /* the epoch since when it has had each of events, at least */
    bool is_exact[BOOK_PARTITIONS]; /* and at most */
    bool tells_all;  /* in the next heartbeat, as after one that got no answer */
    bool tells_held; /* something was let go, or taken */
    bool has_settled;
    uint32_t lives;
};

static void begin_anew(struct beater *b) {
    seat_let_go(&b->seat);
    b->target = (struct book_holding){0};
    b->seat.generation = b->heard = 0;
    b->has_settled = b->is_behind = false;
}

static void take_new_id(struct beater *b) {
    begin_anew(b);
    (void)snprintf(b->seat.id, sizeof b->seat.id, "beater-%u-%u", b->seat.number, ++b->lives);
}

static void subscribe(struct beater *b) {
    static const char *const regexes[] = {"events.*", "events-[12]", "(events|nothing)(-1)?"};
    static const uint32_t fits[] = {7, 6, 3};
    b->regex = NULL;
    b->names = 1u << actor_draw(b->seat.actor, BOOK_NAMES) | actor_chance(b->seat.actor, 70);
    if (!actor_chance(b->seat.actor, 40)) return;
    uint32_t chosen = actor_draw(b->seat.actor, COUNT(regexes));
    b->regex = regexes[chosen];
    b->names = fits[chosen];
    b->has_had_regex = true;
    world_count(b->seat.book->world, FAULT_REGEX);
}

static void take_error(struct beater *b, const char *what, int16_t error) {
    if (error != KAFKA_NONE)
        world_trace(b->seat.book->world, "%s of member %u of group %u: %s", what, b->seat.number,
                    b->seat.group, kafka_error_name(error));
    if (seat_waits(&b->seat, error)) return;
    switch (error) {
    case KAFKA_NONE:
    case KAFKA_NETWORK_EXCEPTION: return;
    case KAFKA_STALE_MEMBER_EPOCH: return; /* the next heartbeat tells */
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION: seat_make_topic(&b->seat); return;
    case KAFKA_UNRELEASED_INSTANCE_ID: actor_sleep(b->seat.actor, 200000); return;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_ILLEGAL_GENERATION: /* a commit to what is a classic group now */
    case KAFKA_FENCED_MEMBER_EPOCH:
    case KAFKA_GROUP_ID_NOT_FOUND: begin_anew(b); return;
    case KAFKA_FENCED_INSTANCE_ID: take_new_id(b); return;
    default:
        world_fail(b->seat.book->world, "%s of member %u: %s", what, b->seat.number,
                   kafka_error_name(error));
    }
}

/* --- topics by their ids --- */

/* BOOK_TOPICS: not there any more, or not told for now. */
static uint32_t topic_of(struct beater *b, struct uuid id) {
    uint32_t found = group_book_find_topic(b->seat.book, id);
    if (found < BOOK_TOPICS) return found;
    struct metadata_request request;
    struct metadata_response response;
    struct metadata_request_topic topic;
    metadata_request_defaults(&request);
    metadata_request_topic_defaults(&topic);
    topic.topic_id = id;
    topic.name = STR_NULL;
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    if (seat_call(&b->seat, API_METADATA, 12, &request, &response) != ST_OK ||
        response.topics_count != 1 || response.topics[0].error_code != KAFKA_NONE)
        return BOOK_TOPICS;
    for (uint32_t i = 0; i < BOOK_NAMES; i++) {
        if (str_eq(response.topics[0].name, str_of(book_names[i])))
            return group_book_topic(b->seat.book, id, i);
    }
    world_fail(b->seat.book->world, "member %u is assigned another topic", b->seat.number);
    return BOOK_TOPICS;
}

/* --- the heartbeat --- */

static void put_held(struct beater *b, struct consumer_group_heartbeat_request *request) {
    struct arena *arena = &b->seat.actor->arena;
    request->topic_partitions =
        consumer_group_heartbeat_request_topic_partitions_array(arena, BOOK_TOPICS);
    request->topic_partitions_count = 0;
    for (uint32_t t = 0; t < b->seat.book->topic_count; t++) {
        if (b->seat.holding.topics[t] == 0) continue;
        struct consumer_group_heartbeat_request_topic_partitions *out =
            &request->topic_partitions[request->topic_partitions_count++];
        out->topic_id = b->seat.book->topics[t].id;
        out->partitions = arena_array(arena, BOOK_INDEXES, sizeof *out->partitions);
        out->partitions_count = 0;
        for (uint32_t i = 0; i < BOOK_INDEXES; i++) {
            if (seat_owns(&b->seat, t, i)) out->partitions[out->partitions_count++] = (int32_t)i;
        }
    }
}

static void put_all(struct beater *b, int16_t version,
                    struct consumer_group_heartbeat_request *request) {
    struct arena *arena = &b->seat.actor->arena;
    request->rebalance_timeout_ms = 500 + (int32_t)actor_draw(b->seat.actor, 2000);
    request->subscribed_topic_names = arena_array(arena, BOOK_NAMES, sizeof(struct str));
    request->subscribed_topic_names_count = 0;
    if (b->regex != NULL && version >= 1) {
        request->subscribed_topic_regex = str_of(b->regex);
    } else {
        if (version >= 1) request->subscribed_topic_regex = STR("");
        for (uint32_t i = 0; i < BOOK_NAMES; i++) {
            if ((b->names >> i & 1) != 0)
                request->subscribed_topic_names[request->subscribed_topic_names_count++] =
                    str_of(book_names[i]);
        }
    }
    put_held(b, request);
}

/* What has arrived and may be in use by now; the arena of the response is gone afterwards. */
static void take_target(struct beater *b,
                        const struct consumer_group_heartbeat_response_assignment *in) {
    struct {
        struct uuid id;
        uint8_t bits;
    } told[BOOK_TOPICS];
    uint32_t count = 0;
    for (int32_t i = 0; i < in->topic_partitions_count && count < BOOK_TOPICS; i++) {
        told[count].id = in->topic_partitions[i].topic_id;
        told[count].bits = 0;
        for (int32_t p = 0; p < in->topic_partitions[i].partitions_count; p++) {
            int32_t index = in->topic_partitions[i].partitions[p];
            if (index < 0 || index >= BOOK_INDEXES) {
                world_fail(b->seat.book->world, "partition %d was assigned", index);
                return;
            }
            told[count].bits |= (uint8_t)(1u << index);
        }
        count++;
    }
    b->target = (struct book_holding){0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t topic = topic_of(b, told[i].id);
        if (topic < BOOK_TOPICS) b->target.topics[topic] = told[i].bits;
        b->is_behind = b->is_behind || topic == BOOK_TOPICS;
    }
}

/* An answer was lost: what it has it may have been given once more, at a later epoch. */
static void fall_behind(struct beater *b) {
    b->is_behind = true;
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) b->is_exact[p] = false;
}

/* Since when it has what it was not to have `before`: since the epoch of the answer, unless an
 * earlier one may have said so; and one that joins may have had it under another name. */
static void note_epochs(struct beater *b, uint8_t before, bool is_exact) {
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
        if (((b->target.topics[0] & ~before) >> p & 1) == 0) continue;
        b->since[p] = is_exact ? b->seat.generation : b->heard;
        b->is_exact[p] = is_exact;
    }
}

/* Lets go of what it shall not have, and then takes what it shall have. */
static void reconcile(struct beater *b) {
    struct seat *seat = &b->seat;
    bool slow = !seat_is_ending(seat) && actor_chance(seat->actor, 30);
    for (uint32_t t = 0; t < seat->book->topic_count && !slow; t++) {
        uint8_t kept = seat->holding.topics[t] & b->target.topics[t];
        if (kept != seat->holding.topics[t]) b->tells_held = true;
        seat->holding.topics[t] = kept;
    }
    for (uint32_t t = 0; t < seat->book->topic_count; t++) {
        for (uint32_t i = 0; i < BOOK_INDEXES; i++) {
            if ((b->target.topics[t] >> i & 1) == 0) continue;
            if (!seat_owns(seat, t, i)) {
                b->tells_held = true;
                if (t == 0 && i < BOOK_PARTITIONS) seat->is_known[i] = false;
            }
            seat_take(seat, t, i);
        }
    }
}

static bool holds_target(const struct beater *b) {
    return memcmp(&b->target, &b->seat.holding, sizeof b->target) == 0;
}

static void beat(struct beater *b, int32_t epoch) {
    struct seat *seat = &b->seat;
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    int16_t version = b->has_had_regex || actor_chance(seat->actor, 70) ? 1 : 0;
    bool joins = epoch == 0;
    arena_reset(&seat->actor->arena);
    consumer_group_heartbeat_request_defaults(&request);
    request.group_id = str_of(seat->group_id);
    request.member_id = str_of(seat->id);
    request.member_epoch = epoch;
    request.topic_partitions_count = -1;
    request.subscribed_topic_names_count = -1;
    if (seat->is_static) request.instance_id = str_of(seat->instance_id);
    if (joins || (b->tells_all && epoch > 0)) {
        put_all(b, version, &request);
    } else if (b->tells_held && epoch > 0) {
        put_held(b, &request);
    }
    bool was_overtaken = epoch > 0 && seat_is_overtaken(seat);
    struct book_holding told = seat->holding;
    bool tells = request.topic_partitions_count >= 0;
    b->tells_all = true; /* unless it is answered */
    seat->asked_us = seat->book->world->now_us;
    if (actor_connect(seat->actor) != ST_OK ||
        actor_call(seat->actor, API_CONSUMER_GROUP_HEARTBEAT, version, &request, &response) !=
            ST_OK) {
        fall_behind(b);
        return;
    }
    if (response.error_code != KAFKA_NONE) {
        fall_behind(b);
        take_error(b, "ConsumerGroupHeartbeat", response.error_code);
        return;
    }
    if (was_overtaken) group_book_overtaken(seat->book, seat->group, seat->number, "a heartbeat");
    if (epoch < 0) return;
    b->tells_all = false;
    if (tells) b->tells_held = false;
    if (joins) seat->book->joined++;
    seat->generation = response.member_epoch;
    bool is_exact = !b->is_behind && !joins;
    uint8_t before = b->target.topics[0];
    /* One of a topic that it did not know is told again with the next assignment only. */
    b->is_behind = b->is_behind && response.assignment == NULL;
    b->has_settled = response.assignment == NULL && holds_target(b) && !b->tells_held &&
                     memcmp(&told, &seat->holding, sizeof told) == 0;
    if (response.assignment != NULL) {
        seat->book->synced++;
        take_target(b, response.assignment);
        note_epochs(b, before, is_exact);
    }
    if (!b->is_behind) b->heard = seat->generation;
    reconcile(b);
}

/* --- a life --- */

/* At the member's epoch, or as one that a heartbeat has overtaken: at any since when it has had the
 * partition it is acknowledged (KIP-1251). */
static void commit(struct beater *b, uint32_t partition) {
    struct seat *seat = &b->seat;
    int32_t since = b->since[partition];
    bool may_be_late = b->is_exact[partition] && since < seat->generation;
    int16_t error;
    if (may_be_late && actor_chance(seat->actor, 30)) {
        uint32_t epochs = (uint32_t)(seat->generation - since);
        int32_t late = since + (int32_t)actor_draw(seat->actor, epochs);
        error = seat_commit_overtaken(seat, partition, late);
        if (error == KAFKA_STALE_MEMBER_EPOCH)
            group_book_misjudged(seat->book, seat->group, seat->number, partition, late, false);
    } else {
        error = seat_commit(seat, partition, 9);
    }
    take_error(b, "OffsetCommit", error);
}

/* At an epoch since when it has not had it: that is refused. */
static void commit_wrongly(struct beater *b, uint32_t partition) {
    struct seat *seat = &b->seat;
    bool holds = seat_owns(seat, 0, partition);
    /* One that it has let go of without having said so may be its own yet. */
    if (!holds && (b->is_behind || b->tells_held || b->tells_all)) return;
    int32_t end = holds ? MIN(b->since[partition], seat->generation) : seat->generation;
    if (end < 2) return;
    int32_t epoch = end - 1;
    if (actor_chance(seat->actor, 50)) epoch -= (int32_t)actor_draw(seat->actor, (uint32_t)epoch);
    int16_t error = seat_commit_wrongly(seat, partition, epoch);
    if (error == KAFKA_NONE)
        group_book_misjudged(seat->book, seat->group, seat->number, partition, epoch, true);
    take_error(b, "OffsetCommit", error);
}

static void work(struct beater *b) {
    struct seat *seat = &b->seat;
    for (uint32_t p = 0; p < BOOK_PARTITIONS && seat->generation > 0; p++) {
        if (!seat_owns(seat, 0, p)) continue;
        if (!seat->is_known[p]) {
            take_error(b, "OffsetFetch", seat_fetch(seat, p));
        } else if (actor_chance(seat->actor, 60)) {
            commit(b, p);
        }
    }
    for (uint32_t t = 1; t < seat->book->topic_count && seat->generation > 0; t++) {
        if (seat_owns(seat, t, 0) && actor_chance(seat->actor, 30))
            take_error(b, "OffsetCommit", seat_commit_passing(seat, t, 0));
    }
    if (seat->generation > 1 && seat->book->has_events && actor_chance(seat->actor, 20))
        commit_wrongly(b, actor_draw(seat->actor, BOOK_PARTITIONS));
}

static void leave(struct beater *b, int32_t epoch) {
    seat_let_go(&b->seat); /* before it says so */
    if (b->seat.generation > 0) beat(b, epoch);
    b->seat.book->left++;
    begin_anew(b);
}

static void misbehave(struct beater *b) {
    struct seat *seat = &b->seat;
    if (seat_acts_up(seat)) {
        wire_close(&seat->actor->wire);
        seat->book->crashed++;
        take_new_id(b);
        actor_sleep(seat->actor, 500000);
    }
    if (seat_acts_up(seat)) {
        leave(b, EPOCH_LEAVE);
        take_new_id(b);
        subscribe(b);
    }
    if (seat->is_static && actor_chance(seat->actor, 6)) {
        world_count(seat->book->world, FAULT_STATIC_AWAY);
        leave(b, EPOCH_LEAVE_FOR_A_WHILE);
        if (actor_chance(seat->actor, 50)) take_new_id(b);
        actor_sleep(seat->actor, 1000000);
    }
    if (seat_acts_up(seat)) actor_sleep(seat->actor, 3000000); /* longer than a session */
    if (seat_acts_up(seat)) {
        subscribe(b);
        b->tells_all = true;
    }
}

static void beater_main(struct actor *actor) {
    struct beater *b = MEM_NEW(job_mem(actor->job), struct beater);
    seat_init(&b->seat, actor, true);
    take_new_id(b);
    subscribe(b);
    while (!seat_is_ending(&b->seat) || !seat_is_done(&b->seat, b->names, b->has_settled)) {
        beat(b, b->seat.generation);
        if (actor->clients->world->stopped) break;
        if (b->seat.generation > 0) {
            work(b);
        } else if (actor_chance(actor, 20)) {
            seat_find_coordinator(&b->seat);
        }
        if (!seat_is_ending(&b->seat)) misbehave(b);
        actor_sleep(actor, 100000);
    }
    leave(b, EPOCH_LEAVE);
    MEM_FREE(job_mem(actor->job), b);
}

void client_start_beater(struct clients *clients) {
    actor_start(clients, "beater", beater_main, true, clients->member_count++);
}
