/* tests/sim/client_seat.h - what members of both protocols share: a place in a group, what they
 * hold, and the offsets of the partitions of `events` that they own. Internal to the clients. */
#pragma once
#include "tests/sim/client.h"

struct seat {
    struct actor *actor;
    struct group_book *book;
    uint32_t number; /* a crash makes another member of it */
    uint32_t group;
    char group_id[16], instance_id[16];
    char id[64]; /* empty: none yet */
    bool is_static;
    int32_t generation;          /* or member epoch */
    uint64_t asked_us;           /* when it asked for what it is told */
    struct book_holding holding; /* what it was told that it owns, and has not let go of */
    int64_t offsets[BOOK_PARTITIONS]; /* committed, as it knows; next is one above */
    bool is_known[BOOK_PARTITIONS];
};

/** speaks_consumer: the protocol of KIP-848. */
void seat_init(struct seat *seat, struct actor *actor, bool speaks_consumer);
bool seat_is_ending(const struct seat *seat);
/** By chance: it does something that does not happen after every heartbeat. */
bool seat_acts_up(const struct seat *seat);
bool seat_owns(const struct seat *seat, uint32_t topic, uint32_t index);
/** It was told that it owns this. */
void seat_take(struct seat *seat, uint32_t topic, uint32_t index);
void seat_let_go(struct seat *seat);
/** Whether another was told something that it holds: then nothing may be acknowledged to it. */
bool seat_is_overtaken(const struct seat *seat);
/** Once everything ends: what it says of itself, and whether the group is whole. */
bool seat_is_done(struct seat *seat, uint32_t names, bool is_settled);
bool seat_keep_id(char *out, size_t room, struct str id);
enum status seat_call(struct seat *seat, int16_t key, int16_t version,
                      const void *request, void *ret_response);
/** Fetches the committed offset of an owned partition, or commits the next one. The wire's error;
 * KAFKA_NETWORK_EXCEPTION without an answer. */
int16_t seat_fetch(struct seat *seat, uint32_t partition);
int16_t seat_commit(struct seat *seat, uint32_t partition, int16_t version);
/** Commits at an earlier generation what it has had since then, as a commit that was overtaken. */
int16_t seat_commit_overtaken(struct seat *seat, uint32_t partition, int32_t generation);
/** The same of what it has not had since then, and with an offset that is long over; the caller
 * says what is wrong when it is acknowledged. */
int16_t seat_commit_wrongly(struct seat *seat, uint32_t partition, int32_t generation);
/** Commits for a topic that comes and goes, which takes its offsets along. */
int16_t seat_commit_passing(struct seat *seat, uint32_t topic, uint32_t index);
/** Waits, where the coordinator asks for it by its error; false: it is another kind of error. */
bool seat_waits(struct seat *seat, int16_t error);
/** Asks for `events` and the coordinator, which makes both when they are not there. */
void seat_make_topic(struct seat *seat);
void seat_find_coordinator(struct seat *seat);
