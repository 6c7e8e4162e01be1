/* broker/group/offsets.c - what was committed: stored, replayed, answered, expired. */
#include "broker/group/offsets.h"
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "protocol/errors.h"

#define OFFSET_VERSION 4        /* of OffsetCommitValue; with a topic id where it is known */
#define OFFSET_VERSION_EXPIRE 1 /* the one that carries a time of its own to expire at */

/* --- topics of a group --- */

static uint64_t topic_hash(struct str topic) { return hash_bytes(topic.ptr, topic.len, 2); }

static bool has_topic(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct topic_offsets, node)->topic, *(const struct str *)key);
}

static struct topic_offsets *find_topic(const struct group *group, struct str topic) {
    struct map_node *node = map_find(&group->topics, topic_hash(topic), has_topic, &topic);
    return node != NULL ? CONTAINER_OF(node, struct topic_offsets, node) : NULL;
}

static void free_topic(struct group *group, struct topic_offsets *t) {
    struct mem *mem = group->coordinator->mem;
    map_remove(&group->topics, &t->node);
    for (uint32_t i = 0; i < t->count; i++) group_text_free(mem, &t->committed[i].metadata);
    group->coordinator->offset_count -= t->count;
    mem_free(mem, t->committed, t->capacity * sizeof *t->committed);
    group_text_free(mem, &t->topic);
    MEM_FREE(mem, t);
}

static struct topic_offsets *make_topic(struct group *group, struct str topic) {
    struct mem *mem = group->coordinator->mem;
    struct topic_offsets *t = mem_alloc(mem, sizeof *t);
    if (t == NULL) return NULL;
    *t = (struct topic_offsets){0};
    if (!group_text_copy(mem, topic, &t->topic)) {
        MEM_FREE(mem, t);
        return NULL;
    }
    map_insert(&group->topics, topic_hash(topic), &t->node);
    return t;
}

/* Where the partition stands or would stand. */
static uint32_t place_of(const struct topic_offsets *t, int32_t partition) {
    uint32_t low = 0, high = t->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (t->committed[middle].partition < partition) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* t may be NULL. */
static const struct committed *find_in(const struct topic_offsets *t, int32_t partition) {
    if (t == NULL) return NULL;
    uint32_t at = place_of(t, partition);
    return at < t->count && t->committed[at].partition == partition ? &t->committed[at] : NULL;
}

const struct committed *offsets_find(const struct group *group, struct str topic,
                                     int32_t partition) {
    return find_in(find_topic(group, topic), partition);
}

static bool make_room(struct mem *mem, struct topic_offsets *t) {
    if (t->count < t->capacity) return true;
    uint32_t capacity = t->capacity == 0 ? 1 : t->capacity * 2;
    struct committed *grown = mem_resize(mem, t->committed, t->capacity * sizeof *grown,
                                         capacity * sizeof *grown);
    if (grown == NULL) return false;
    t->committed = grown;
    t->capacity = capacity;
    return true;
}

enum status offsets_put(struct group *group, struct str topic, const struct committed *offset) {
    struct mem *mem = group->coordinator->mem;
    struct topic_offsets *t = find_topic(group, topic);
    struct committed copy = *offset;
    if (t == NULL) t = make_topic(group, topic);
    if (t == NULL) return ST_NOMEM;
    uint32_t at = place_of(t, offset->partition);
    bool is_new = at == t->count || t->committed[at].partition != offset->partition;
    if ((is_new && !make_room(mem, t)) || !group_text_copy(mem, offset->metadata, &copy.metadata)) {
        if (t->count == 0) free_topic(group, t);
        return ST_NOMEM;
    }
    if (is_new) {
        memmove(&t->committed[at + 1], &t->committed[at], (t->count - at) * sizeof copy);
        t->count++;
        group->coordinator->offset_count++;
    } else {
        group_text_free(mem, &t->committed[at].metadata);
    }
    t->committed[at] = copy;
    return ST_OK;
}

void offsets_remove(struct group *group, struct str topic, int32_t partition) {
    struct topic_offsets *t = find_topic(group, topic);
    if (t == NULL) return;
    uint32_t at = place_of(t, partition);
    if (at == t->count || t->committed[at].partition != partition) return;
    group_text_free(group->coordinator->mem, &t->committed[at].metadata);
    t->count--;
    memmove(&t->committed[at], &t->committed[at + 1], (t->count - at) * sizeof *t->committed);
    group->coordinator->offset_count--;
    if (t->count == 0) free_topic(group, t);
}

void offsets_free_all(struct group *group) {
    for (struct map_node *n; (n = map_next(&group->topics, NULL)) != NULL;)
        free_topic(group, CONTAINER_OF(n, struct topic_offsets, node));
    pending_drop_group(group);
}

/* --- replay --- */

static struct committed committed_of(const struct offset_commit_value *value, int32_t partition,
                                     int64_t position) {
    return (struct committed){
        .partition = partition,
        .leader_epoch = value->leader_epoch,
        .offset = value->offset,
        .commit_ms = value->commit_timestamp,
        .expire_ms = value->expire_timestamp,
        .position = position,
        .topic_id = value->topic_id,
        .metadata = value->metadata,
    };
}

/* What was pending when it was deleted will not come back, whatever becomes of its transaction. */
static void remove_with_pending(struct group *group, struct str topic, int32_t partition) {
    offsets_remove(group, topic, partition);
    pending_drop(group, topic, partition);
}

enum status offsets_replay(struct coordinator *c, const struct replay_context *at,
                           const struct offset_commit_key *key,
                           const struct offset_commit_value *value) {
    struct group *group = group_find(c, key->group);
    if (value == NULL) { /* a tombstone may come first, or for what never was */
        if (group != NULL) remove_with_pending(group, key->topic, key->partition);
        return ST_OK;
    }
    if (group == NULL) group = group_create(c, key->group);
    if (group == NULL) return ST_NOMEM;
    struct committed offset = committed_of(value, key->partition, at->offset);
    if (at->producer_id != NO_PRODUCER_ID)
        return pending_put(group, at->producer_id, key->topic, &offset);
    return offsets_put(group, key->topic, &offset);
}

/* --- records --- */

static enum status write_tombstone(struct group *group, struct str topic, int32_t partition) {
    struct offset_commit_key key = {.group = group->id, .topic = topic, .partition = partition};
    return group_effects_record(group->coordinator->fx, &offset_commit_key_schema, &key,
                                &offset_commit_value_schema, 0, NULL);
}

static enum status write_offset(struct group *group, struct str topic,
                                const struct committed *offset) {
    struct offset_commit_key key = {
        .group = group->id, .topic = topic, .partition = offset->partition};
    struct offset_commit_value value;
    offset_commit_value_defaults(&value);
    value.offset = offset->offset;
    value.leader_epoch = offset->leader_epoch;
    value.metadata = offset->metadata;
    value.commit_timestamp = offset->commit_ms;
    value.expire_timestamp = offset->expire_ms;
    value.topic_id = offset->topic_id;
    int16_t version = offset->expire_ms >= 0 ? OFFSET_VERSION_EXPIRE : OFFSET_VERSION;
    return group_effects_record(group->coordinator->fx, &offset_commit_key_schema, &key,
                                &offset_commit_value_schema, version, &value);
}

/* --- OffsetCommit --- */

static struct committed committed_now(const struct coordinator *c, const struct commit_call *call,
                                      const struct commit_item *item) {
    bool expires = call->retention_ms >= 0;
    return (struct committed){
        .partition = item->partition,
        /* What the record cannot say is not kept either: live state is what a replay gives. */
        .leader_epoch = expires ? -1 : item->leader_epoch,
        .offset = item->offset,
        .commit_ms = c->now.wall_ms,
        .expire_ms = expires ? c->now.wall_ms + call->retention_ms : -1,
        .topic_id = expires ? UUID_ZERO : item->topic_id,
        .metadata = item->metadata.ptr != NULL ? item->metadata : STR(""),
    };
}

static void fail_items(const struct commit_call *call, int16_t error) {
    for (int32_t i = 0; i < call->count; i++) *call->items[i].error = error;
}

/* What is wrong with an item whoever commits it. */
static void judge_items(const struct coordinator *c, const struct commit_call *call) {
    size_t most = (size_t)MAX(c->settings->metadata_bytes_max, 0);
    for (int32_t i = 0; i < call->count; i++) {
        const struct commit_item *item = &call->items[i];
        *item->error = item->metadata.len > most ? KAFKA_OFFSET_METADATA_TOO_LARGE : KAFKA_NONE;
    }
}

static enum status write_items(struct group *group, const struct commit_call *call) {
    const struct coordinator *c = group->coordinator;
    group_effects_unit(c->fx);
    for (int32_t i = 0; i < call->count; i++) {
        const struct commit_item *item = &call->items[i];
        if (*item->error != KAFKA_NONE) continue;
        struct committed offset = committed_now(c, call, item);
        enum status st = write_offset(group, item->topic, &offset);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

/* After the records, which may be refused. Without memory the records say more than the state: the
 * coordinator asks to be loaded again. */
static void keep_items(struct group *group, const struct commit_call *call) {
    struct coordinator *c = group->coordinator;
    for (int32_t i = 0; i < call->count; i++) {
        const struct commit_item *item = &call->items[i];
        if (*item->error != KAFKA_NONE) continue;
        struct committed offset = committed_now(c, call, item);
        offset.position = c->next_position++;
        if (offsets_put(group, item->topic, &offset) != ST_OK) c->fx->is_broken = true;
        group->commits++;
    }
}

void offsets_commit(struct coordinator *c, struct group_ticket *ticket) {
    const struct commit_call *call = ticket->request;
    struct group *group = group_find(c, call->group_id);
    struct commit_identity who = {.member_id = call->member_id,
                                  .instance_id = call->instance_id,
                                  .generation = call->generation,
                                  .version = ticket->version,
                                  .items = call->items,
                                  .count = call->count};
    int16_t error = KAFKA_NONE;
    bool is_new = group == NULL;
    judge_items(c, call);
    if (group != NULL) {
        error = group->body->kind->check_commit(group, &who);
    } else if (call->generation >= 0) {
        error = ticket->version >= 9 ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_ILLEGAL_GENERATION;
    } else { /* somebody who keeps offsets here and does without membership */
        group = group_create(c, call->group_id);
        if (group == NULL) error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    if (error == KAFKA_NONE) error = group_effects_error(write_items(group, call));
    if (error == KAFKA_NONE) {
        keep_items(group, call);
    } else {
        group_effects_drop_unit(c->fx);
        fail_items(call, error);
    }
    if (is_new && group != NULL && group->topics.count == 0) group_remove(group);
    group_effects_reply(c->fx, ticket);
}

/* --- OffsetFetch --- */

static void put_none(struct offset_fetch_response_partitions *out, int16_t error) {
    out->committed_offset = -1;
    out->committed_leader_epoch = -1;
    out->metadata = STR("");
    out->error_code = error;
}

static bool put_offset(struct offset_fetch_response_partitions *out,
                       const struct committed *committed, struct arena *arena) {
    out->committed_offset = committed->offset;
    out->committed_leader_epoch = committed->leader_epoch;
    out->metadata = arena_str(arena, committed->metadata);
    out->error_code = KAFKA_NONE;
    return out->metadata.ptr != NULL;
}

/* An offset of a topic that was deleted and made again under the same name is none. */
static bool is_of_another_topic(const struct committed *committed, struct uuid topic_id) {
    return !uuid_is_zero(committed->topic_id) && !uuid_is_zero(topic_id) &&
           !uuid_eq(committed->topic_id, topic_id);
}

/* t: the topic's, NULL where there are none. */
static bool fetch_one(const struct group *group, const struct fetch_call *call,
                      const struct topic_offsets *t, struct str topic, struct uuid topic_id,
                      struct offset_fetch_response_partitions *out, struct arena *arena) {
    const struct committed *committed = find_in(t, out->partition_index);
    if (call->require_stable && group != NULL &&
        offsets_is_pending(group, topic, out->partition_index)) {
        put_none(out, KAFKA_UNSTABLE_OFFSET_COMMIT);
    } else if (committed == NULL || is_of_another_topic(committed, topic_id)) {
        put_none(out, KAFKA_NONE);
    } else {
        return put_offset(out, committed, arena);
    }
    return true;
}

static int by_name(const void *a, const void *b) {
    return str_cmp((*(struct topic_offsets *const *)a)->topic,
                   (*(struct topic_offsets *const *)b)->topic);
}

struct topic_offsets **offsets_sorted_topics(const struct group *group, struct arena *arena) {
    struct topic_offsets **topics =
        arena_array(arena, group->topics.count, sizeof(struct topic_offsets *));
    size_t count = 0;
    if (topics == NULL) return NULL;
    for (struct map_node *n = NULL; (n = map_next(&group->topics, n)) != NULL;)
        topics[count++] = CONTAINER_OF(n, struct topic_offsets, node);
    qsort(topics, count, sizeof(struct topic_offsets *), by_name);
    return topics;
}

static bool fetch_all(const struct group *group, const struct fetch_call *call,
                      struct offset_fetch_response_group *out, struct arena *arena) {
    int32_t count = (int32_t)group->topics.count;
    struct topic_offsets **topics = offsets_sorted_topics(group, arena);
    out->topics = offset_fetch_response_topics_array(arena, count);
    if (topics == NULL || out->topics == NULL) return false;
    for (int32_t t = 0; t < count; t++) {
        struct offset_fetch_response_topics *answer = &out->topics[t];
        answer->name = arena_str(arena, topics[t]->topic);
        answer->partitions =
            offset_fetch_response_partitions_array(arena, (int32_t)topics[t]->count);
        if (answer->name.ptr == NULL || answer->partitions == NULL) return false;
        answer->partitions_count = (int32_t)topics[t]->count;
        for (uint32_t i = 0; i < topics[t]->count; i++) {
            answer->partitions[i].partition_index = topics[t]->committed[i].partition;
            if (!fetch_one(group, call, topics[t], topics[t]->topic, UUID_ZERO,
                           &answer->partitions[i], arena))
                return false;
        }
    }
    out->topics_count = count;
    return true;
}

/* A topic is looked up once for all its partitions that follow each other. */
static bool fetch_items(const struct group *group, const struct fetch_call *call,
                        struct arena *arena) {
    const struct topic_offsets *t = NULL;
    struct str topic = STR_NULL;
    for (int32_t i = 0; i < call->count; i++) {
        const struct fetch_item *item = &call->items[i];
        bool is_same = topic.ptr != NULL && str_eq(topic, item->topic);
        if (!is_same && group != NULL) t = find_topic(group, item->topic);
        topic = item->topic;
        if (!fetch_one(group, call, t, topic, item->topic_id, item->out, arena)) return false;
    }
    return true;
}

void offsets_fetch(struct coordinator *c, struct group_ticket *ticket) {
    const struct fetch_call *call = ticket->request;
    struct offset_fetch_response_group *out = ticket->response;
    struct group *group = group_find(c, call->group_id);
    bool has_memory = true;
    int16_t error = KAFKA_NONE;
    if (group != NULL) error = group->body->kind->check_fetch(group, call);
    if (error == KAFKA_NONE && call->wants_all) {
        has_memory = group == NULL || fetch_all(group, call, out, ticket->arena);
    } else if (error == KAFKA_NONE) {
        has_memory = fetch_items(group, call, ticket->arena);
    }
    if (!has_memory) error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (error != KAFKA_NONE) group_ticket_fail(ticket, error);
    group_effects_reply(c->fx, ticket);
}

/* --- deletion --- */

/* One tombstone that need not share its batch with others. */
static bool forget(struct group *group, struct str topic, int32_t partition) {
    struct coordinator *c = group->coordinator;
    group_effects_unit(c->fx);
    if (write_tombstone(group, topic, partition) != ST_OK) {
        group_effects_drop_unit(c->fx);
        return false; /* the next check tries again */
    }
    c->next_position++;
    remove_with_pending(group, topic, partition);
    return true;
}

/* Those that are only pending, of one topic or (ptr NULL) of all. */
static bool forget_pending(struct group *group, struct str topic, bool only_other_ids) {
    const struct coordinator *c = group->coordinator;
    const struct pending_offset *pending = NULL;
    while ((pending = pending_next(group, topic, only_other_ids)) != NULL) {
        struct str name = arena_str(&c->fx->arena, pending->topic); /* goes with it */
        if (name.ptr == NULL || !forget(group, name, pending->committed.partition)) return false;
    }
    return true;
}

bool offsets_forget_all(struct group *group) {
    for (struct map_node *n; (n = map_next(&group->topics, NULL)) != NULL;) {
        const struct topic_offsets *t = CONTAINER_OF(n, struct topic_offsets, node);
        if (!forget(group, t->topic, t->committed[t->count - 1].partition)) return false;
    }
    return forget_pending(group, STR_NULL, false);
}

static enum status write_deletions(struct group *group, const struct delete_call *call) {
    group_effects_unit(group->coordinator->fx);
    for (int32_t i = 0; i < call->count; i++) {
        const struct delete_item *item = &call->items[i];
        if (group->body->kind->is_subscribed(group, item->topic)) {
            *item->error = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
            continue;
        }
        *item->error = KAFKA_NONE;
        if (offsets_find(group, item->topic, item->partition) == NULL &&
            !offsets_is_pending(group, item->topic, item->partition))
            continue;
        enum status st = write_tombstone(group, item->topic, item->partition);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

void offsets_delete(struct coordinator *c, struct group_ticket *ticket) {
    const struct delete_call *call = ticket->request;
    struct group *group = group_find(c, call->group_id);
    int16_t error = KAFKA_GROUP_ID_NOT_FOUND;
    if (group != NULL) error = group->body->kind->check_offset_delete(group);
    if (error == KAFKA_NONE) error = group_effects_error(write_deletions(group, call));
    if (error != KAFKA_NONE) {
        group_effects_drop_unit(c->fx);
        group_ticket_fail(ticket, error);
    } else {
        for (int32_t i = 0; i < call->count; i++) {
            const struct delete_item *item = &call->items[i];
            if (*item->error != KAFKA_NONE) continue;
            c->next_position++;
            remove_with_pending(group, item->topic, item->partition);
        }
    }
    group_effects_reply(c->fx, ticket);
}

/* --- expiry, KIP-211 --- */

static bool is_due(const struct coordinator *c, const struct committed *offset,
                   enum expiry_base base, int64_t since_ms) {
    if (offset->expire_ms >= 0) return c->now.wall_ms >= offset->expire_ms;
    int64_t from = base == EXPIRE_FROM_STATE ? since_ms : offset->commit_ms;
    return c->now.wall_ms - from >= c->settings->retention_ms;
}

/* Whether nothing is left of the group's offsets. */
static bool expire_group(struct group *group) {
    int64_t since_ms = -1;
    const struct coordinator *c = group->coordinator;
    if (group->topics.count == 0) return group->pending_count == 0;
    enum expiry_base base = group->body->kind->expiry_base(group, &since_ms);
    if (base == EXPIRE_NEVER) return false;
    bool all = group->pending_count == 0;
    struct map_node *next = map_next(&group->topics, NULL);
    while (next != NULL) {
        struct topic_offsets *t = CONTAINER_OF(next, struct topic_offsets, node);
        next = map_next(&group->topics, next);
        if (group->body->kind->is_subscribed(group, t->topic)) {
            all = false;
            continue;
        }
        struct str topic = t->topic; /* goes with the last of its offsets */
        uint32_t left = t->count;
        for (uint32_t i = left; i > 0; i--) {
            int32_t partition = t->committed[i - 1].partition;
            bool expires = is_due(c, &t->committed[i - 1], base, since_ms) &&
                           !offsets_is_pending(group, topic, partition);
            if (!expires || !forget(group, topic, partition)) {
                all = false;
                continue;
            }
            if (--left == 0) break; /* t is gone */
        }
    }
    return all;
}

void offsets_expire(struct coordinator *c) {
    struct map_node *next = map_next(&c->groups, NULL);
    while (next != NULL) {
        struct group *group = CONTAINER_OF(next, struct group, node);
        next = map_next(&c->groups, next);
        if (expire_group(group) && group->body->kind->is_empty(group))
            (void)group_bury(group); /* or at the next check */
    }
}

static void forget_in_group(struct group *group, struct topic_offsets *t, bool only_other_ids) {
    const struct image *image = group->coordinator->image;
    uint32_t left = t->count;
    for (uint32_t i = left; i > 0; i--) {
        struct uuid id = t->committed[i - 1].topic_id;
        bool goes = !only_other_ids || (!uuid_is_zero(id) && image_topic_by_id(image, id) == NULL);
        if (!goes || !forget(group, t->topic, t->committed[i - 1].partition)) continue;
        if (--left == 0) return; /* t is gone */
    }
}

void offsets_forget_topic(struct coordinator *c, struct str topic) {
    for (struct map_node *n = NULL; (n = map_next(&c->groups, n)) != NULL;) {
        struct group *group = CONTAINER_OF(n, struct group, node);
        struct topic_offsets *t = find_topic(group, topic);
        if (t != NULL) forget_in_group(group, t, false);
        (void)forget_pending(group, topic, false); /* else with the next deletion of it */
    }
}

void offsets_forget_missing_topics(struct coordinator *c) {
    for (struct map_node *n = NULL; (n = map_next(&c->groups, n)) != NULL;) {
        struct group *group = CONTAINER_OF(n, struct group, node);
        struct map_node *next = map_next(&group->topics, NULL);
        while (next != NULL) {
            struct topic_offsets *t = CONTAINER_OF(next, struct topic_offsets, node);
            next = map_next(&group->topics, next);
            forget_in_group(group, t, true);
        }
        (void)forget_pending(group, STR_NULL, true); /* or after the next load */
    }
}

/* --- dump --- */

static void dump_one(const struct group *group, struct str topic, const struct committed *offset,
                     const char *kind, int64_t producer_id, struct strbuf *out) {
    char id[UUID_TEXT_BYTES + 1];
    uuid_format(offset->topic_id, id);
    strbuf_printf(out, "%s", kind);
    strbuf_add_json(out, group->id);
    strbuf_add_char(out, ' ');
    strbuf_add_json(out, topic);
    strbuf_printf(out, "-%d offset=%" PRId64 " epoch=%d committed=%" PRId64 " expires=%" PRId64
                       " id=%s metadata=",
                  offset->partition, offset->offset, offset->leader_epoch, offset->commit_ms,
                  offset->expire_ms, uuid_is_zero(offset->topic_id) ? "-" : id);
    strbuf_add_json(out, offset->metadata);
    if (producer_id >= 0) strbuf_printf(out, " producer=%" PRId64, producer_id);
    strbuf_add_char(out, '\n');
}

/* By producer, then as they came. */
static void dump_pending(const struct group *group, struct strbuf *out) {
    const struct coordinator *c = group->coordinator;
    for (struct map_node *n = NULL; (n = map_next(&c->transactions, n)) != NULL;) {
        struct pending_transaction *t = CONTAINER_OF(n, struct pending_transaction, node);
        LIST_EACH(&t->offsets, node) {
            struct pending_offset *pending = CONTAINER_OF(node, struct pending_offset, link);
            if (str_eq(pending->group_id, group->id))
                dump_one(group, pending->topic, &pending->committed, "pending ", t->producer_id,
                         out);
        }
    }
}

void offsets_dump(const struct group *group, struct strbuf *out) {
    struct arena arena;
    arena_init(&arena, group->coordinator->mem, 1024, 0);
    struct topic_offsets **topics = offsets_sorted_topics(group, &arena);
    for (size_t t = 0; topics != NULL && t < group->topics.count; t++) {
        for (uint32_t i = 0; i < topics[t]->count; i++)
            dump_one(group, topics[t]->topic, &topics[t]->committed[i], "offset ", -1, out);
    }
    if (topics == NULL) out->failed = true;
    if (group->pending_count > 0) dump_pending(group, out);
    arena_release(&arena);
}
