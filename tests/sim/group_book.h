/* tests/sim/group_book.h - what simulated group members were told, held together: who owns what in
 * which generation, which offsets were committed. It knows Kafka's promises and nothing of the
 * coordinator. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { BOOK_GROUPS = 2, BOOK_PARTITIONS = 4, BOOK_MEMBERS = 8, BOOK_GENERATIONS = 4096 };

struct world;

struct book_partition {
    int64_t acked;     /* the highest offset whose commit was acknowledged; -1: none */
    int64_t attempted; /* the highest one that was ever asked for */
    int16_t owner[BOOK_GENERATIONS]; /* number of the member + 1, by generation; 0: nobody yet */
};

struct group_book {
    struct world *world; /* borrowed */
    struct book_partition partitions[BOOK_GROUPS][BOOK_PARTITIONS];
    int32_t latest[BOOK_GROUPS]; /* the highest generation that a member was assigned in */
    uint64_t joined, synced, committed, fetched, rebalances, crashed, left;
};

void group_book_init(struct group_book *book, struct world *world);
/** A member's assignment says that it owns the partition; fails the world when another one's did.
 * */
void group_book_own(struct group_book *book, uint32_t group, int32_t generation, uint32_t partition,
                    uint32_t member);
/** What a fetch that begins now must at least return. */
int64_t group_book_known(const struct group_book *book, uint32_t group, uint32_t partition);
/** It returned `offset`. */
void group_book_fetched(struct group_book *book, uint32_t group, uint32_t partition, int64_t known,
                        int64_t offset);
void group_book_committing(struct group_book *book, uint32_t group, uint32_t partition,
                           int64_t offset);
/** It was acknowledged to a member of `generation`, who asked when `latest` was the latest one: a
 * generation that is over commits nothing. */
void group_book_committed(struct group_book *book, uint32_t group, uint32_t partition,
                          int64_t offset, int32_t generation, int32_t latest);
