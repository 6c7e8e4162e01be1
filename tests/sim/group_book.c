/* tests/sim/group_book.c - one owner a generation, no offset that goes back, nothing unowned. */
#include "tests/sim/group_book.h"
#include "base/assert.h"
#include "tests/sim/world.h"

const char *const book_names[BOOK_NAMES] = {"events", "events-1", "events-2"};

void group_book_init(struct group_book *book, struct world *world) {
    *book = (struct group_book){.world = world, .topic_count = 1};
    for (uint32_t g = 0; g < BOOK_GROUPS; g++) {
        for (uint32_t p = 0; p < BOOK_PARTITIONS; p++)
            book->partitions[g][p].known = book->partitions[g][p].attempted = -1;
    }
}

/* --- topics --- */

uint32_t group_book_find_topic(const struct group_book *book, struct uuid id) {
    for (uint32_t i = 0; i < book->topic_count; i++) {
        if (uuid_eq(book->topics[i].id, id)) return i;
    }
    return BOOK_TOPICS;
}

uint32_t group_book_topic(struct group_book *book, struct uuid id, uint32_t name) {
    uint32_t found = group_book_find_topic(book, id);
    if (found < BOOK_TOPICS) return found;
    uint32_t at = name == 0 ? 0 : book->topic_count++;
    ASSERT(at < BOOK_TOPICS); /* the gardener makes few */
    book->topics[at] = (struct book_topic){.id = id, .name = name};
    return at;
}

/* --- owners --- */

static bool generations_rise(const struct group_book *book, uint32_t group) {
    return !book->may_expire && book->has_classic[group] != book->has_consumer[group];
}

static void own_generation(struct group_book *book, const struct book_telling *telling,
                           struct book_share *share, uint32_t topic, uint32_t index) {
    int32_t generation = telling->generation;
    if (generation < 0 || generation >= BOOK_GENERATIONS) return; /* far beyond what a seed makes */
    int16_t *owner = &share->owner[generation];
    if (*owner != 0 && *owner != (int16_t)(telling->member + 1)) {
        world_fail(book->world, "group %u, generation %d: members %d and %u own partition %u/%u",
                   telling->group, generation, *owner - 1, telling->member, topic, index);
    }
    *owner = (int16_t)(telling->member + 1);
}

void group_book_own(struct group_book *book, const struct book_telling *telling, uint32_t topic,
                    uint32_t index) {
    uint32_t group = telling->group, now = telling->member + 1;
    struct book_share *share = &book->shares[group][topic][index];
    bool is_later = telling->asked_us >= share->told_us;
    world_trace(book->world, "group %u, generation %d: member %u is told %u/%u", group,
                telling->generation, telling->member, topic, index);
    if (generations_rise(book, group)) {
        own_generation(book, telling, share, topic, index);
        is_later = telling->generation > share->latest;
        if (telling->generation < share->latest) return;
    }
    book->latest[group] = MAX(book->latest[group], telling->generation);
    share->latest = telling->generation;
    if (share->latest_owner != now) share->latest_owner = is_later ? now : 0;
    share->told_us = book->world->now_us;
}

bool group_book_is_overtaken(const struct group_book *book, uint32_t group,
                             const struct book_holding *holding, uint32_t member) {
    for (uint32_t t = 0; t < book->topic_count; t++) {
        for (uint32_t i = 0; i < BOOK_INDEXES; i++) {
            uint32_t owner = book->shares[group][t][i].latest_owner;
            if ((holding->topics[t] >> i & 1) != 0 && owner != 0 && owner != member + 1)
                return true;
        }
    }
    return false;
}

void group_book_overtaken(struct group_book *book, uint32_t group, uint32_t member,
                          const char *what) {
    world_fail(book->world,
               "group %u: %s of member %u was acknowledged after another was told its partition",
               group, what, member);
}

void group_book_loads(struct group_book *book, uint32_t group, bool is_loading) {
    book->is_loading[group] = is_loading;
    if (!is_loading) book->loaded_us[group] = book->world->now_us;
}

bool group_book_was_loading(const struct group_book *book, uint32_t group, uint64_t since_us) {
    return book->is_loading[group] || book->loaded_us[group] >= since_us;
}

void group_book_joined(struct group_book *book, uint32_t group, bool led) {
    book->joined++;
    if (book->was_joined[group] && book->is_led[group] != led)
        world_count(book->world, led ? FAULT_GROUP_DOWNGRADED : FAULT_GROUP_UPGRADED);
    book->was_joined[group] = true;
    book->is_led[group] = led;
}

/* --- the end --- */

/* Members of the group that hold it; *ret_wanted: of those that are subscribed to it. */
static uint32_t holders(const struct group_book *book, uint32_t group, uint32_t topic,
                        uint32_t index, uint32_t *ret_wanted) {
    uint32_t count = 0;
    *ret_wanted = 0;
    for (uint32_t m = 0; m < BOOK_MEMBERS; m++) {
        const struct book_member *member = &book->members[m];
        if (!member->is_in || member->group != group) continue;
        *ret_wanted += member->names >> book->topics[topic].name & 1;
        count += member->holding.topics[topic] >> index & 1;
    }
    return count;
}

bool group_book_has_converged(const struct group_book *book, uint32_t group) {
    if (!book->is_final) return false;
    for (uint32_t m = 0; m < BOOK_MEMBERS; m++) {
        const struct book_member *member = &book->members[m];
        if (member->is_in && member->group == group && !member->is_settled) return false;
    }
    for (uint32_t t = 0; t < book->topic_count; t++) {
        for (uint32_t i = 0; i < BOOK_INDEXES; i++) {
            uint32_t wanted;
            uint32_t owners = holders(book, group, t, i, &wanted);
            bool is_there = i < book->topics[t].count;
            if (owners != (is_there && wanted > 0 ? 1 : 0)) return false;
        }
    }
    return true;
}

/* --- offsets --- */

int64_t group_book_known(const struct group_book *book, uint32_t group, uint32_t partition) {
    return book->partitions[group][partition].known;
}

void group_book_fetched(struct group_book *book, uint32_t group, uint32_t partition, int64_t known,
                        int64_t offset) {
    struct book_partition *p = &book->partitions[group][partition];
    book->fetched++;
    if (offset < 0 && known >= 0 && book->may_expire) {
        world_count(book->world, FAULT_OFFSET_EXPIRED);
        if (p->known == known) p->known = -1;
        return;
    }
    if (offset < known || offset > p->attempted) {
        world_fail(book->world,
                   "group %u, partition %u: offset %lld was fetched, not one in %lld..%lld",
                   group, partition, (long long)offset, (long long)known, (long long)p->attempted);
    }
    p->known = MAX(p->known, offset);
}

void group_book_committing(struct group_book *book, uint32_t group, uint32_t partition,
                           int64_t offset) {
    struct book_partition *p = &book->partitions[group][partition];
    p->attempted = MAX(p->attempted, offset);
}

void group_book_misjudged(struct group_book *book, uint32_t group, uint32_t member,
                          uint32_t partition, int32_t generation, bool acknowledged) {
    world_fail(book->world,
               "group %u: a commit of member %u at %d, since when it has %s partition %u, was %s",
               group, member, generation, acknowledged ? "not had" : "had", partition,
               acknowledged ? "acknowledged" : "refused");
}

void group_book_committed(struct group_book *book, uint32_t group, uint32_t partition,
                          int64_t offset, int32_t generation, int32_t latest) {
    struct book_partition *p = &book->partitions[group][partition];
    if (generation < latest && !book->has_consumer[group] && generations_rise(book, group)) {
        world_fail(book->world,
                   "group %u: generation %d committed offset %lld of partition %u, %d had begun",
                   group, generation, (long long)offset, partition, latest);
    }
    p->known = MAX(p->known, offset);
    book->committed++;
}
