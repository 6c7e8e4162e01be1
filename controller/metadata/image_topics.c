/* controller/metadata/image_topics.c - records of topics and partitions. Changed topics are kept as
 * drafts, and each becomes one object at the end, however many records touch it.
 * Source: org.apache.kafka.image.TopicsDelta, org.apache.kafka.metadata.PartitionRegistration. */
#include "base/limits.h"
#include "controller/metadata/image_builder.h"

static uint64_t uuid_hash(struct uuid id) { return hash_bytes(id.b, sizeof id.b, 0); }

static bool draft_has_id(const struct map_node *node, const void *key) {
    return uuid_eq(CONTAINER_OF(node, struct topic_draft, node)->topic.id,
                   *(const struct uuid *)key);
}

static struct topic_draft *draft_add(struct image_builder *b, const struct topic_image *topic,
                                     bool is_old) {
    struct topic_draft *draft = ARENA_NEW(b->arena, struct topic_draft);
    if (draft == NULL) return NULL;
    *draft = (struct topic_draft){.old = is_old ? topic : NULL, .topic = *topic};
    map_insert(&b->drafts, uuid_hash(topic->id), &draft->node);
    list_push_back(&b->order, &draft->link);
    b->draft_count++;
    b->latest = draft;
    return draft;
}

/* The draft of a topic that exists at this point of the records. */
static enum status draft_find(struct image_builder *b, struct uuid id,
                              struct topic_draft **ret_draft) {
    struct topic_draft *draft = b->latest;
    if (draft == NULL || !uuid_eq(draft->topic.id, id)) {
        struct map_node *node = map_find(&b->drafts, uuid_hash(id), draft_has_id, &id);
        draft = node != NULL ? CONTAINER_OF(node, struct topic_draft, node) : NULL;
    }
    if (draft == NULL) {
        const struct topic_image *old = image_topic_by_id(b->old, id);
        if (old != NULL) {
            draft = draft_add(b, old, true);
            if (draft == NULL) return ST_NOMEM;
        }
    }
    if (draft == NULL || draft->deleted) {
        char text[UUID_TEXT_BYTES + 1];
        uuid_format(id, text);
        return REFUSE(b, ST_CORRUPT, "a record names topic id %s, which does not exist", text);
    }
    b->latest = draft;
    *ret_draft = draft;
    return ST_OK;
}

/* Room for one more partition, in memory that may be written. */
static enum status draft_reserve(struct image_builder *b, struct topic_draft *draft) {
    int32_t count = draft->topic.partition_count;
    if (draft->partitions != NULL && count < draft->capacity) return ST_OK;
    int32_t capacity = MAX(count + 1, MIN(count, INT32_MAX / 2) * 2);
    struct partition_image *partitions =
        arena_array(b->arena, (size_t)capacity, sizeof *partitions);
    if (partitions == NULL) return ST_NOMEM;
    if (count > 0) memcpy(partitions, draft->topic.partitions, (size_t)count * sizeof *partitions);
    draft->partitions = partitions;
    draft->topic.partitions = partitions;
    draft->capacity = capacity;
    return ST_OK;
}

/* --- topics and partitions --- */

enum status apply_topic(struct image_builder *b, const struct topic_record *record) {
    if (record->name.len == 0 || record->name.len > LIMIT_TOPIC_NAME_BYTES) {
        return REFUSE(b, ST_CORRUPT, "a topic name of %zu octets", record->name.len);
    }
    if (map_find(&b->drafts, uuid_hash(record->topic_id), draft_has_id, &record->topic_id) !=
            NULL ||
        image_topic_by_id(b->old, record->topic_id) != NULL) {
        return REFUSE(b, ST_CORRUPT, "topic %.*s: its id exists already", STR_ARG(record->name));
    }
    struct topic_image topic = {.name = record->name, .id = record->topic_id};
    return draft_add(b, &topic, false) != NULL ? ST_OK : ST_NOMEM;
}

static struct uuid *directories_filled(struct image_builder *b, int32_t count, struct uuid with) {
    struct uuid *directories = arena_array(b->arena, (size_t)count, sizeof *directories);
    for (int32_t i = 0; directories != NULL && i < count; i++) directories[i] = with;
    return directories;
}

enum status apply_partition(struct image_builder *b, const struct partition_record *record) {
    struct topic_draft *draft;
    enum status st = draft_find(b, record->topic_id, &draft);
    if (st == ST_OK) st = draft_reserve(b, draft);
    if (st != ST_OK) return st;
    int32_t index = record->partition_id;
    if (index < 0 || index > draft->topic.partition_count) {
        return REFUSE(b, ST_CORRUPT, "topic %.*s has %d partitions; partition %d does not follow",
                      STR_ARG(draft->topic.name), draft->topic.partition_count, index);
    }
    struct partition_image partition = {
        .leader = record->leader,
        .leader_epoch = record->leader_epoch,
        .partition_epoch = record->partition_epoch,
        .leader_recovery_state = record->leader_recovery_state,
        .replica_count = MAX(record->replicas_count, 0),
        .replicas = record->replicas,
        .isr_count = MAX(record->isr_count, 0),
        .isr = record->isr,
        .elr_count = MAX(record->eligible_leader_replicas_count, 0),
        .elr = record->eligible_leader_replicas,
        .last_known_elr_count = MAX(record->last_known_elr_count, 0),
        .last_known_elr = record->last_known_elr,
        .adding_count = MAX(record->adding_replicas_count, 0),
        .adding = record->adding_replicas,
        .removing_count = MAX(record->removing_replicas_count, 0),
        .removing = record->removing_replicas,
        .directories = record->directories,
    };
    if (record->directories_count <= 0) { /* before 3.7-IV2 */
        partition.directories = directories_filled(b, partition.replica_count, DIRECTORY_MIGRATING);
        if (partition.directories == NULL) return ST_NOMEM;
    } else if (record->directories_count != partition.replica_count) {
        return REFUSE(b, ST_CORRUPT, "partition %.*s-%d has %d directories for %d replicas",
                      STR_ARG(draft->topic.name), index, record->directories_count,
                      partition.replica_count);
    }
    if (index == draft->topic.partition_count) draft->topic.partition_count++;
    draft->partitions[index] = partition;
    return ST_OK;
}

/* Directories of new replicas: those that stay keep theirs. */
static enum status directories_moved(struct image_builder *b, const struct partition_image *from,
                                     const struct partition_change_record *record,
                                     struct partition_image *to) {
    struct uuid *directories = directories_filled(b, record->replicas_count, DIRECTORY_UNASSIGNED);
    if (directories == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < record->replicas_count; i++) {
        for (int32_t j = 0; j < from->replica_count; j++) {
            if (from->replicas[j] == record->replicas[i]) directories[i] = from->directories[j];
        }
    }
    to->directories = directories;
    return ST_OK;
}

enum status apply_partition_change(struct image_builder *b,
                                   const struct partition_change_record *record) {
    struct topic_draft *draft;
    enum status st = draft_find(b, record->topic_id, &draft);
    if (st == ST_OK) st = draft_reserve(b, draft);
    if (st != ST_OK) return st;
    int32_t index = record->partition_id;
    if (index < 0 || index >= draft->topic.partition_count) {
        return REFUSE(b, ST_CORRUPT, "a change of partition %.*s-%d, which does not exist",
                      STR_ARG(draft->topic.name), index);
    }
    const struct partition_image from = draft->partitions[index];
    struct partition_image to = from;
    if (record->replicas_count >= 0) {
        to.replicas = record->replicas;
        to.replica_count = record->replicas_count;
    }
    if (record->directories_count > 0) {
        to.directories = record->directories;
    } else if (record->replicas_count >= 0) {
        st = directories_moved(b, &from, record, &to);
        if (st != ST_OK) return st;
    }
    if (record->directories_count > 0 ? record->directories_count != to.replica_count : false) {
        return REFUSE(b, ST_CORRUPT, "partition %.*s-%d gets %d directories for %d replicas",
                      STR_ARG(draft->topic.name), index, record->directories_count,
                      to.replica_count);
    }
    if (record->isr_count >= 0) {
        to.isr = record->isr;
        to.isr_count = record->isr_count;
    }
    if (record->removing_replicas_count >= 0) {
        to.removing = record->removing_replicas;
        to.removing_count = record->removing_replicas_count;
    }
    if (record->adding_replicas_count >= 0) {
        to.adding = record->adding_replicas;
        to.adding_count = record->adding_replicas_count;
    }
    if (record->eligible_leader_replicas_count >= 0) {
        to.elr = record->eligible_leader_replicas;
        to.elr_count = record->eligible_leader_replicas_count;
    }
    if (record->last_known_elr_count >= 0) {
        to.last_known_elr = record->last_known_elr;
        to.last_known_elr_count = record->last_known_elr_count;
    }
    if (record->leader != PARTITION_LEADER_UNCHANGED) {
        to.leader = record->leader;
        to.leader_epoch++;
    }
    if (record->leader_recovery_state >= 0)
        to.leader_recovery_state = record->leader_recovery_state;
    to.partition_epoch++;
    draft->partitions[index] = to;
    return ST_OK;
}

static enum status clear_elr(struct image_builder *b, struct topic_draft *draft) {
    bool any = false;
    for (int32_t i = 0; i < draft->topic.partition_count && !any; i++) {
        const struct partition_image *p = &draft->topic.partitions[i];
        any = p->elr_count > 0 || p->last_known_elr_count > 0;
    }
    if (!any) return ST_OK;
    enum status st = draft_reserve(b, draft);
    for (int32_t i = 0; st == ST_OK && i < draft->topic.partition_count; i++) {
        struct partition_image *p = &draft->partitions[i];
        if (p->elr_count > 0 || p->last_known_elr_count > 0) p->partition_epoch++;
        p->elr_count = p->last_known_elr_count = 0;
        p->elr = p->last_known_elr = NULL;
    }
    return st;
}

static enum status clear_elr_everywhere(struct image_builder *b) {
    struct image_iter iter;
    image_iter_topics(b->old, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        struct map_node *node =
            map_find(&b->drafts, uuid_hash(topic->id), draft_has_id, &topic->id);
        struct topic_draft *draft =
            node != NULL ? CONTAINER_OF(node, struct topic_draft, node) : NULL;
        if (draft == NULL) draft = draft_add(b, topic, true);
        if (draft == NULL) return ST_NOMEM;
    }
    LIST_EACH(&b->order, link) {
        struct topic_draft *draft = CONTAINER_OF(link, struct topic_draft, link);
        enum status st = draft->deleted ? ST_OK : clear_elr(b, draft);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

enum status apply_clear_elr(struct image_builder *b, const struct clear_elr_record *record) {
    if (record->topic_name.len == 0) return clear_elr_everywhere(b);
    for (struct list *link = b->order.prev; link != &b->order;
         link = link->prev) { /* nearly always the last one */
        struct topic_draft *draft = CONTAINER_OF(link, struct topic_draft, link);
        if (!draft->deleted && str_eq(draft->topic.name, record->topic_name))
            return clear_elr(b, draft);
    }
    const struct topic_image *old = image_topic_by_name(b->old, record->topic_name);
    struct topic_draft *draft;
    enum status st =
        old != NULL ? draft_find(b, old->id, &draft)
                    : REFUSE(b, ST_CORRUPT, "a ClearElrRecord for topic %.*s, which does not exist",
                             STR_ARG(record->topic_name));
    return st == ST_OK ? clear_elr(b, draft) : st;
}

enum status apply_remove_topic(struct image_builder *b, const struct remove_topic_record *record) {
    struct topic_draft *draft;
    enum status st = draft_find(b, record->topic_id, &draft);
    if (st != ST_OK) return st;
    draft->deleted = true;
    if (draft->old != NULL) b->deleted_count++;
    struct config_resource key = {.type = CONFIG_TOPIC, .name = draft->topic.name};
    if (image_config(b->next, key.type, key.name) == NULL) return ST_OK;
    st = config_note(b, key);
    if (st == ST_OK) (void)pmap_remove(&b->next->configs, &key);
    return st;
}

/* --- putting the drafts into the maps --- */

static void draft_remove(struct image_builder *b, const struct topic_draft *draft) {
    struct image *next = b->next;
    b->delta->topics_deleted[b->delta->topics_deleted_count++] = draft->old;
    (void)pmap_remove(&next->topics_by_name, &draft->old->name); /* the old image has it */
    (void)pmap_remove(&next->topics_by_metric, &draft->old->name); /* where it is there */
    (void)pmap_remove(&next->topics_by_id, &draft->old->id);
    next->partition_count -= (uint64_t)draft->old->partition_count;
}

static enum status draft_put(struct image_builder *b, const struct topic_draft *draft) {
    struct image *next = b->next;
    if (draft->old != NULL && draft->partitions == NULL) return ST_OK; /* touched, not changed */
    if (draft->old == NULL && image_topic_by_name(next, draft->topic.name) != NULL) {
        return REFUSE(b, ST_CORRUPT, "topic %.*s exists already", STR_ARG(draft->topic.name));
    }
    struct topic_object *object = topic_object_new(next->mem, &draft->topic);
    if (object == NULL) return ST_NOMEM;
    pmap_put(&next->topics_by_name, &object->topic.name, &object->head);
    if (topic_is_by_metric(object->topic.name)) {
        pmap_put(&next->topics_by_metric, &object->topic.name, pmap_value_share(&object->head));
    }
    pmap_put(&next->topics_by_id, &object->topic.id, pmap_value_share(&object->head));
    next->partition_count += (uint64_t)draft->topic.partition_count;
    if (draft->old != NULL) next->partition_count -= (uint64_t)draft->old->partition_count;
    b->delta->topics_changed[b->delta->topics_changed_count++] = draft->topic.id;
    return ST_OK;
}

enum status image_topics_put(struct image_builder *b) {
    b->delta->topics_changed =
        arena_array(b->arena, b->draft_count, sizeof *b->delta->topics_changed);
    b->delta->topics_deleted =
        arena_array(b->arena, b->deleted_count, sizeof *b->delta->topics_deleted);
    b->delta->topics_removed =
        arena_array(b->arena, b->draft_count, sizeof *b->delta->topics_removed);
    if (b->delta->topics_changed == NULL || b->delta->topics_deleted == NULL ||
        b->delta->topics_removed == NULL)
        return ST_NOMEM;
    LIST_EACH(&b->order, link) { /* removals first: a name may be free for a new topic */
        const struct topic_draft *draft = CONTAINER_OF(link, struct topic_draft, link);
        if (!draft->deleted) continue;
        b->delta->topics_removed[b->delta->topics_removed_count++] = draft->topic.id;
        if (draft->old != NULL) draft_remove(b, draft);
    }
    LIST_EACH(&b->order, link) {
        const struct topic_draft *draft = CONTAINER_OF(link, struct topic_draft, link);
        enum status st = draft->deleted ? ST_OK : draft_put(b, draft);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}
