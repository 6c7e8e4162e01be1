/* tests/sim/group_book.h - what simulated group members were told, held together: who owns what in
 * which generation, which offsets were committed, whether the members' shares make a whole. It
 * knows Kafka's promises and nothing of the coordinator.
 *
 * Epochs of consumer groups are generations here, too: a partition is in one member's target of an
 * epoch at most, so in each it has one owner. They rise for ever while all members speak one
 * protocol and no group expires; an empty group that makes way for one of the other kind begins
 * again. Owners in time hold always: once somebody was told a partition, nobody who held it before
 * and has not let go of it is acknowledged anything. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

enum {
    BOOK_GROUPS = 2,
    BOOK_NAMES = 3,      /* events, which stays, events-1 and events-2, which come and go */
    BOOK_TOPICS = 24,    /* by id; those that are gone stay here */
    BOOK_PARTITIONS = 4, /* of events */
    BOOK_INDEXES = 6,    /* partitions of any topic, at most */
    BOOK_MEMBERS = 8,
    BOOK_GENERATIONS = 1024,
};
extern const char *const book_names[BOOK_NAMES];

struct world;

struct book_partition {
    int64_t known;     /* the highest offset that was acknowledged, or fetched; -1: none */
    int64_t attempted; /* the highest one that was ever asked for */
};

/* A partition of any topic, in one group. */
struct book_share {
    int16_t owner[BOOK_GENERATIONS]; /* number of the member + 1, by generation; 0: nobody yet */
    /* Who was told it last, and when; of generations where these only rise. */
    int32_t latest;
    uint32_t latest_owner; /* number + 1; 0: nobody, or two at about the same time */
    uint64_t told_us;
};

struct book_topic {
    struct uuid id;
    uint32_t name;  /* of book_names */
    uint32_t count; /* at the end; 0: gone */
};

/* Partitions by topic: a bit for each. */
struct book_holding {
    uint8_t topics[BOOK_TOPICS];
};

/* What a member says of itself while everything ends. */
struct book_member {
    bool is_in, is_settled;
    uint32_t group;
    uint32_t names; /* that it is subscribed to: a bit for each */
    struct book_holding holding;
};

struct group_book {
    struct world *world; /* borrowed */
    struct book_partition partitions[BOOK_GROUPS][BOOK_PARTITIONS]; /* of events */
    struct book_share shares[BOOK_GROUPS][BOOK_TOPICS][BOOK_INDEXES];
    struct book_topic topics[BOOK_TOPICS]; /* events is the first, once it is known */
    uint32_t topic_count;
    bool has_events; /* was seen; leaders assign nothing that is not there */
    bool is_final; /* the topics' counts are known, and stay */
    struct book_member members[BOOK_MEMBERS];
    int32_t latest[BOOK_GROUPS];  /* the highest generation that a member was assigned in */
    bool has_classic[BOOK_GROUPS], has_consumer[BOOK_GROUPS]; /* members of either protocol */
    bool is_led[BOOK_GROUPS];     /* the last join of a classic member found a classic group */
    bool was_joined[BOOK_GROUPS]; /* by a classic member */
    bool has_converged[BOOK_GROUPS]; /* once */
    bool may_expire;              /* offsets; the wall clock steps */
    bool is_loading[BOOK_GROUPS]; /* its coordinator; and when it was so last */
    uint64_t loaded_us[BOOK_GROUPS];
    uint64_t joined, synced, committed, fetched, rebalances, crashed, left;
};

void group_book_init(struct group_book *book, struct world *world);
/** The topic of that id; learned when it is new. */
uint32_t group_book_topic(struct group_book *book, struct uuid id, uint32_t name);
/** BOOK_TOPICS: not known. */
uint32_t group_book_find_topic(const struct group_book *book, struct uuid id);

/* Who was told something, in answer to what was asked when. */
struct book_telling {
    uint32_t group, member;
    int32_t generation;
    uint64_t asked_us;
};
/** A member's assignment says that it owns the partition; fails the world when another one's did in
 * this generation. */
void group_book_own(struct group_book *book, const struct book_telling *telling, uint32_t topic,
                    uint32_t index);
/** Whether another member was told a partition of these later. */
bool group_book_is_overtaken(const struct group_book *book, uint32_t group,
                             const struct book_holding *holding, uint32_t member);
/** It was overtaken when it asked, and what it asked was acknowledged. */
void group_book_overtaken(struct group_book *book, uint32_t group, uint32_t member,
                          const char *what);
/** The coordinator of the group begins to load, or has ended. */
void group_book_loads(struct group_book *book, uint32_t group, bool is_loading);
/** Whether it loaded at any time since then: heartbeats of classic members are acknowledged,
 * whoever they are. */
bool group_book_was_loading(const struct group_book *book, uint32_t group, uint64_t since_us);
/** A classic member joined; led: the coordinator named a leader. Counts conversions. */
void group_book_joined(struct group_book *book, uint32_t group, bool led);
/** Every partition of what members of the group are subscribed to has one owner, and all have
 * settled. */
bool group_book_has_converged(const struct group_book *book, uint32_t group);

/** What a fetch that begins now must at least return: what was acknowledged, and what was shown to
 * anybody, since a coordinator shows nothing that can still be lost. */
int64_t group_book_known(const struct group_book *book, uint32_t group, uint32_t partition);
/** It returned `offset`. */
void group_book_fetched(struct group_book *book, uint32_t group, uint32_t partition, int64_t known,
                        int64_t offset);
void group_book_committing(struct group_book *book, uint32_t group, uint32_t partition,
                           int64_t offset);
/** A commit at `generation` was acknowledged (or not) to a member that has not had the partition
 * all the time since then (or has). */
void group_book_misjudged(struct group_book *book, uint32_t group, uint32_t member,
                          uint32_t partition, int32_t generation, bool acknowledged);
/** It was acknowledged to a member of `generation`, who asked when `latest` was the latest one: a
 * classic generation that is over commits nothing. */
void group_book_committed(struct group_book *book, uint32_t group, uint32_t partition,
                          int64_t offset, int32_t generation, int32_t latest);
