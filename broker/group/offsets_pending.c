/* broker/group/offsets_pending.c - offsets of transactions that are not decided, by producer id;
 * see offsets.h. They come out of the log alone: of records in transactional batches. A marker
 * decides them; a tombstone for their partition, written after them, ends them before. */
#include "base/assert.h"
#include "broker/group/offsets.h"

static bool has_producer(const struct map_node *node, const void *key) {
    return CONTAINER_OF(node, struct pending_transaction, node)->producer_id ==
           *(const int64_t *)key;
}

static uint64_t producer_hash(int64_t producer_id) {
    return hash_bytes(&producer_id, sizeof producer_id, 3);
}

static struct pending_transaction *find_transaction(const struct coordinator *c,
                                                    int64_t producer_id) {
    struct map_node *node =
        map_find(&c->transactions, producer_hash(producer_id), has_producer, &producer_id);
    return node != NULL ? CONTAINER_OF(node, struct pending_transaction, node) : NULL;
}

static void free_pending(struct coordinator *c, struct pending_offset *pending) {
    list_remove(&pending->link);
    group_text_free(c->mem, &pending->group_id);
    group_text_free(c->mem, &pending->topic);
    group_text_free(c->mem, &pending->committed.metadata);
    MEM_FREE(c->mem, pending);
}

static void free_transaction(struct coordinator *c, struct pending_transaction *transaction) {
    map_remove(&c->transactions, &transaction->node);
    MEM_FREE(c->mem, transaction);
}

static struct pending_transaction *make_transaction(struct coordinator *c, int64_t producer_id) {
    struct pending_transaction *transaction = mem_alloc(c->mem, sizeof *transaction);
    if (transaction == NULL) return NULL;
    *transaction = (struct pending_transaction){.producer_id = producer_id};
    list_init(&transaction->offsets);
    map_insert(&c->transactions, producer_hash(producer_id), &transaction->node);
    return transaction;
}

static bool is_for(const struct pending_offset *pending, const struct group *group,
                   struct str topic, int32_t partition) {
    return pending->committed.partition == partition && str_eq(pending->topic, topic) &&
           str_eq(pending->group_id, group->id);
}

enum status pending_put(struct group *group, int64_t producer_id, struct str topic,
                               const struct committed *offset) {
    struct coordinator *c = group->coordinator;
    struct pending_transaction *transaction = find_transaction(c, producer_id);
    if (transaction == NULL) transaction = make_transaction(c, producer_id);
    if (transaction == NULL) return ST_NOMEM;
    LIST_EACH(&transaction->offsets, node) {
        struct pending_offset *old = CONTAINER_OF(node, struct pending_offset, link);
        if (!is_for(old, group, topic, offset->partition)) continue;
        free_pending(c, old);
        group->pending_count--;
    }
    struct pending_offset *pending = mem_alloc(c->mem, sizeof *pending);
    if (pending == NULL) return ST_NOMEM;
    *pending = (struct pending_offset){.committed = *offset};
    list_push_back(&transaction->offsets, &pending->link);
    group->pending_count++;
    bool copied = group_text_copy(c->mem, group->id, &pending->group_id) &&
                  group_text_copy(c->mem, topic, &pending->topic);
    struct str metadata = offset->metadata;
    pending->committed.metadata = STR_NULL;
    copied = copied && group_text_copy(c->mem, metadata, &pending->committed.metadata);
    if (copied) return ST_OK;
    free_pending(c, pending);
    group->pending_count--;
    return ST_NOMEM;
}

bool offsets_is_pending(const struct group *group, struct str topic, int32_t partition) {
    if (group->pending_count == 0) return false;
    const struct coordinator *c = group->coordinator;
    for (struct map_node *n = NULL; (n = map_next(&c->transactions, n)) != NULL;) {
        struct pending_transaction *t = CONTAINER_OF(n, struct pending_transaction, node);
        LIST_EACH(&t->offsets, node) {
            if (is_for(CONTAINER_OF(node, struct pending_offset, link), group, topic, partition))
                return true;
        }
    }
    return false;
}

/* Of one partition, or with topic {NULL, 0} of all. */
static void drop(struct group *group, struct str topic, int32_t partition) {
    struct coordinator *c = group->coordinator;
    struct map_node *next = group->pending_count > 0 ? map_next(&c->transactions, NULL) : NULL;
    while (next != NULL) {
        struct pending_transaction *t = CONTAINER_OF(next, struct pending_transaction, node);
        next = map_next(&c->transactions, next);
        LIST_EACH(&t->offsets, node) {
            struct pending_offset *pending = CONTAINER_OF(node, struct pending_offset, link);
            bool goes = topic.ptr == NULL ? str_eq(pending->group_id, group->id)
                                          : is_for(pending, group, topic, partition);
            if (!goes) continue;
            free_pending(c, pending);
            group->pending_count--;
        }
        if (list_is_empty(&t->offsets)) free_transaction(c, t);
    }
}

void pending_drop_group(struct group *group) { drop(group, STR_NULL, 0); }

void pending_drop(struct group *group, struct str topic, int32_t partition) {
    drop(group, topic, partition);
}

/* Whether the topic with which the offset was committed is gone. */
static bool is_of_missing_topic(const struct coordinator *c, const struct pending_offset *pending) {
    struct uuid id = pending->committed.topic_id;
    return !uuid_is_zero(id) && image_topic_by_id(c->image, id) == NULL;
}

const struct pending_offset *pending_next(const struct group *group, struct str topic,
                                          bool only_missing) {
    const struct coordinator *c = group->coordinator;
    struct map_node *n = group->pending_count > 0 ? map_next(&c->transactions, NULL) : NULL;
    for (; n != NULL; n = map_next(&c->transactions, n)) {
        struct pending_transaction *t = CONTAINER_OF(n, struct pending_transaction, node);
        LIST_EACH(&t->offsets, node) {
            struct pending_offset *pending = CONTAINER_OF(node, struct pending_offset, link);
            if (str_eq(pending->group_id, group->id) &&
                (topic.ptr == NULL || str_eq(pending->topic, topic)) &&
                (!only_missing || is_of_missing_topic(c, pending)))
                return pending;
        }
    }
    return NULL;
}

enum status offsets_replay_marker(struct coordinator *c, int64_t producer_id, bool is_commit) {
    struct pending_transaction *transaction = find_transaction(c, producer_id);
    enum status st = ST_OK;
    if (transaction == NULL) return ST_OK;
    LIST_EACH(&transaction->offsets, node) {
        struct pending_offset *pending = CONTAINER_OF(node, struct pending_offset, link);
        struct group *group = group_find(c, pending->group_id);
        ASSERT(group != NULL); /* group_remove takes its pending ones along */
        const struct committed *now =
            offsets_find(group, pending->topic, pending->committed.partition);
        /* The later record counts, not the later decision: compaction keeps the later record. */
        bool counts = is_commit && (now == NULL || now->position < pending->committed.position);
        if (counts && st == ST_OK) st = offsets_put(group, pending->topic, &pending->committed);
        group->commits += counts && c->is_loaded;
        group->pending_count--;
        free_pending(c, pending);
    }
    free_transaction(c, transaction);
    return st;
}
