/* tests/sim/group_book.c - one owner a generation, no offset that goes back. */
#include "tests/sim/group_book.h"
#include "base/bytes.h"
#include "tests/sim/world.h"

void group_book_init(struct group_book *book, struct world *world) {
    *book = (struct group_book){.world = world};
    for (uint32_t g = 0; g < BOOK_GROUPS; g++) {
        for (uint32_t p = 0; p < BOOK_PARTITIONS; p++)
            book->partitions[g][p].acked = book->partitions[g][p].attempted = -1;
    }
}

void group_book_own(struct group_book *book, uint32_t group, int32_t generation, uint32_t partition,
                    uint32_t member) {
    if (generation < 0 || generation >= BOOK_GENERATIONS) return; /* far beyond what a seed makes */
    int16_t *owner = &book->partitions[group][partition].owner[generation];
    if (*owner != 0 && *owner != (int16_t)(member + 1)) {
        world_fail(book->world, "group %u, generation %d: members %d and %u own partition %u",
                   group, generation, *owner - 1, member, partition);
    }
    *owner = (int16_t)(member + 1);
    book->latest[group] = MAX(book->latest[group], generation);
}

int64_t group_book_known(const struct group_book *book, uint32_t group, uint32_t partition) {
    return book->partitions[group][partition].acked;
}

void group_book_fetched(struct group_book *book, uint32_t group, uint32_t partition, int64_t known,
                        int64_t offset) {
    const struct book_partition *p = &book->partitions[group][partition];
    book->fetched++;
    if (offset < known || offset > p->attempted) {
        world_fail(book->world,
                   "group %u, partition %u: offset %lld was fetched, not one in %lld..%lld",
                   group, partition, (long long)offset, (long long)known, (long long)p->attempted);
    }
}

void group_book_committing(struct group_book *book, uint32_t group, uint32_t partition,
                           int64_t offset) {
    struct book_partition *p = &book->partitions[group][partition];
    p->attempted = MAX(p->attempted, offset);
}

void group_book_committed(struct group_book *book, uint32_t group, uint32_t partition,
                          int64_t offset, int32_t generation, int32_t latest) {
    struct book_partition *p = &book->partitions[group][partition];
    if (generation < latest) {
        world_fail(book->world,
                   "group %u: generation %d committed offset %lld of partition %u, %d had begun",
                   group, generation, (long long)offset, partition, latest);
    }
    p->acked = MAX(p->acked, offset);
    book->committed++;
}
