/* controller/metadata/image_apply.c - records into a new image: one function a record type, over a
 * builder that collects changed topics and turns each into an object once, at the end. Source:
 * org.apache.kafka.image.MetadataDelta and its parts. */
#include "base/assert.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "controller/metadata/image.h"
#include "controller/metadata/image_impl.h"
#include "controller/metadata/metadata_record.h"

/* A topic that these records touch. */
struct topic_draft {
    struct map_node node;
    struct list link;              /* in order of first touch */
    const struct topic_image *old; /* in the old image; NULL: created here */
    struct topic_image topic;
    struct partition_image *partitions; /* arena; NULL until one changes: topic.partitions counts */
    int32_t capacity;
    bool deleted;
};

struct builder {
    const struct image *old;
    struct image *next;
    struct arena *arena;
    struct image_delta *delta;
    struct map drafts; /* by topic id */
    struct list order;
    struct topic_draft *latest;
    uint32_t draft_count, deleted_count, configs_capacity;
};

/* Every refusal says why, once, in the delta. */
#define REFUSE(builder, status, ...)                                                               \
    ((builder)->delta->problem = arena_printf((builder)->arena, __VA_ARGS__), (status))

static uint64_t uuid_hash(struct uuid id) { return hash_bytes(id.b, sizeof id.b, 0); }

static bool draft_has_id(const struct map_node *node, const void *key) {
    return uuid_eq(CONTAINER_OF(node, struct topic_draft, node)->topic.id,
                   *(const struct uuid *)key);
}

static struct topic_draft *draft_add(struct builder *b, const struct topic_image *topic,
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
static enum status draft_find(struct builder *b, struct uuid id, struct topic_draft **ret_draft) {
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
static enum status draft_reserve(struct builder *b, struct topic_draft *draft) {
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

static enum status apply_topic(struct builder *b, const struct topic_record *record) {
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

static struct uuid *directories_filled(struct builder *b, int32_t count, struct uuid with) {
    struct uuid *directories = arena_array(b->arena, (size_t)count, sizeof *directories);
    for (int32_t i = 0; directories != NULL && i < count; i++) directories[i] = with;
    return directories;
}

static enum status apply_partition(struct builder *b, const struct partition_record *record) {
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
static enum status directories_moved(struct builder *b, const struct partition_image *from,
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

static enum status apply_partition_change(struct builder *b,
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

static enum status clear_elr(struct builder *b, struct topic_draft *draft) {
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

static enum status clear_elr_everywhere(struct builder *b) {
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

static enum status apply_clear_elr(struct builder *b, const struct clear_elr_record *record) {
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

/* --- configurations --- */

static enum status config_note(struct builder *b, struct config_resource resource) {
    struct image_delta *delta = b->delta;
    delta->configs_changed = true;
    if (delta->configs_count > 0) {
        const struct config_resource *last = &delta->configs[delta->configs_count - 1];
        if (last->type == resource.type && str_eq(last->name, resource.name)) return ST_OK;
    }
    if (delta->configs_count == b->configs_capacity) {
        uint32_t capacity = MAX(b->configs_capacity * 2, 8u);
        struct config_resource *configs = arena_array(b->arena, capacity, sizeof *configs);
        if (configs == NULL) return ST_NOMEM;
        if (delta->configs_count > 0)
            memcpy(configs, delta->configs, delta->configs_count * sizeof *configs);
        delta->configs = configs;
        b->configs_capacity = capacity;
    }
    delta->configs[delta->configs_count++] = resource;
    return ST_OK;
}

static enum status apply_config(struct builder *b, const struct config_record *record) {
    struct config_resource key = {.type = record->resource_type, .name = record->resource_name};
    const struct config_image *old = image_config(b->next, key.type, key.name);
    int32_t old_count = old != NULL ? old->count : 0;
    struct config_entry *entries = arena_array(b->arena, (size_t)old_count + 1, sizeof *entries);
    if (entries == NULL) return ST_NOMEM;
    int32_t count = 0, next = 0;
    while (next < old_count && str_cmp(old->entries[next].key, record->name) < 0)
        entries[count++] = old->entries[next++];
    if (record->value.ptr != NULL)
        entries[count++] = (struct config_entry){record->name, record->value};
    if (next < old_count && str_eq(old->entries[next].key, record->name)) next++;
    while (next < old_count) entries[count++] = old->entries[next++];
    enum status st = config_note(b, key);
    if (st != ST_OK) return st;
    if (count == 0) {
        (void)pmap_remove(&b->next->configs,
                          &key); /* taking away what is not there changes nothing */
        return ST_OK;
    }
    struct config_image config = {
        .type = key.type, .name = key.name, .count = count, .entries = entries};
    struct config_object *object = config_object_new(b->next->mem, &config);
    if (object == NULL) return ST_NOMEM;
    pmap_put(&b->next->configs, &key, &object->head);
    return ST_OK;
}

static enum status apply_remove_topic(struct builder *b, const struct remove_topic_record *record) {
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

/* --- brokers and controllers --- */

static enum status broker_put(struct builder *b, const struct broker_image *broker) {
    struct broker_object *object = broker_object_new(b->next->mem, broker);
    if (object == NULL) return ST_NOMEM;
    pmap_put(&b->next->brokers, &broker->id, &object->head);
    b->delta->brokers_changed = true;
    return ST_OK;
}

static int feature_order(const void *a, const void *b) {
    return str_cmp(((const struct feature_range *)a)->name,
                   ((const struct feature_range *)b)->name);
}

/* Both records' endpoints and features have the same fields but not the same structs. Features are
 * a map in Kafka: their order means nothing, so they are kept sorted. */
#define COPY_REGISTRATION(b, record, image, ret_status)                                            \
    do {                                                                                           \
        int32_t endpoint_count = MAX((record)->end_points_count, 0);                               \
        int32_t feature_count = MAX((record)->features_count, 0);                                  \
        struct broker_endpoint *endpoints =                                                        \
            arena_array((b)->arena, (size_t)endpoint_count, sizeof *endpoints);                    \
        struct feature_range *features =                                                           \
            arena_array((b)->arena, (size_t)feature_count, sizeof *features);                      \
        *(ret_status) = endpoints != NULL && features != NULL ? ST_OK : ST_NOMEM;                  \
        for (int32_t i = 0; *(ret_status) == ST_OK && i < endpoint_count; i++) {                   \
            endpoints[i] = (struct broker_endpoint){                                               \
                .name = (record)->end_points[i].name,                                              \
                .host = (record)->end_points[i].host,                                              \
                .port = (record)->end_points[i].port,                                              \
                .security_protocol = (record)->end_points[i].security_protocol,                    \
            };                                                                                     \
        }                                                                                          \
        for (int32_t i = 0; *(ret_status) == ST_OK && i < feature_count; i++) {                    \
            features[i] = (struct feature_range){                                                  \
                .name = (record)->features[i].name,                                                \
                .min_level = (record)->features[i].min_supported_version,                          \
                .max_level = (record)->features[i].max_supported_version,                          \
            };                                                                                     \
        }                                                                                          \
        if (*(ret_status) == ST_OK)                                                                \
            qsort(features, (size_t)feature_count, sizeof *features, feature_order);               \
        (image)->endpoint_count = endpoint_count;                                                  \
        (image)->endpoints = endpoints;                                                            \
        (image)->feature_count = feature_count;                                                    \
        (image)->features = features;                                                              \
    } while (0)

static enum status apply_register_broker(struct builder *b,
                                         const struct register_broker_record *record) {
    struct broker_image broker = {
        .id = record->broker_id,
        .epoch = record->broker_epoch,
        .incarnation_id = record->incarnation_id,
        .rack = record->rack,
        .fenced = record->fenced,
        .in_controlled_shutdown = record->in_controlled_shutdown,
        .is_migrating_zk_broker = record->is_migrating_zk_broker,
        .directory_count = MAX(record->log_dirs_count, 0),
        .directories = record->log_dirs,
        .cordoned_count = record->cordoned_log_dirs_count,
        .cordoned = record->cordoned_log_dirs,
    };
    enum status st;
    COPY_REGISTRATION(b, record, &broker, &st);
    return st == ST_OK ? broker_put(b, &broker) : st;
}

static enum status apply_register_controller(struct builder *b,
                                             const struct register_controller_record *record) {
    struct controller_image controller = {
        .id = record->controller_id,
        .incarnation_id = record->incarnation_id,
        .zk_migration_ready = record->zk_migration_ready,
    };
    enum status st;
    COPY_REGISTRATION(b, record, &controller, &st);
    if (st != ST_OK) return st;
    struct controller_object *object = controller_object_new(b->next->mem, &controller);
    if (object == NULL) return ST_NOMEM;
    pmap_put(&b->next->controllers, &controller.id, &object->head);
    return ST_OK;
}

/* The registration that a record means; its epoch must be that registration's. */
static enum status broker_find(struct builder *b, const char *what, int32_t id, int64_t epoch,
                               struct broker_image *ret_broker) {
    const struct broker_image *broker = image_broker(b->next, id);
    if (broker == NULL)
        return REFUSE(b, ST_CORRUPT, "%s of broker %d, which is not registered", what, id);
    if (broker->epoch != epoch) {
        return REFUSE(b, ST_CORRUPT,
                      "%s of broker %d with epoch %lld; it registered with epoch %lld", what, id,
                      (long long)epoch, (long long)broker->epoch);
    }
    *ret_broker = *broker;
    return ST_OK;
}

static enum status apply_fencing(struct builder *b, const char *what, int32_t id, int64_t epoch,
                                 bool fenced) {
    struct broker_image broker;
    enum status st = broker_find(b, what, id, epoch, &broker);
    if (st != ST_OK) return st;
    broker.fenced = fenced;
    return broker_put(b, &broker);
}

static enum status apply_broker_change(struct builder *b,
                                       const struct broker_registration_change_record *record) {
    struct broker_image broker;
    enum status st = broker_find(b, "a change", record->broker_id, record->broker_epoch, &broker);
    if (st != ST_OK) return st;
    if (record->fenced < -1 || record->fenced > 1 || record->in_controlled_shutdown < 0 ||
        record->in_controlled_shutdown > 1) {
        return REFUSE(b, ST_UNSUPPORTED,
                      "a change of broker %d with fenced %d, in controlled shutdown %d",
                      record->broker_id, record->fenced, record->in_controlled_shutdown);
    }
    if (record->fenced != 0) broker.fenced = record->fenced > 0;
    if (record->in_controlled_shutdown != 0) broker.in_controlled_shutdown = true;
    if (record->log_dirs_count > 0) {
        broker.directories = record->log_dirs;
        broker.directory_count = record->log_dirs_count;
    }
    if (record->cordoned_log_dirs_count >= 0) {
        broker.cordoned = record->cordoned_log_dirs;
        broker.cordoned_count = record->cordoned_log_dirs_count;
    }
    return broker_put(b, &broker);
}

static enum status apply_unregister_broker(struct builder *b,
                                           const struct unregister_broker_record *record) {
    struct broker_image broker;
    enum status st =
        broker_find(b, "an unregistration", record->broker_id, record->broker_epoch, &broker);
    if (st != ST_OK) return st;
    (void)pmap_remove(&b->next->brokers, &record->broker_id); /* broker_find has seen it */
    b->delta->brokers_changed = true;
    return ST_OK;
}

/* --- features and the rest --- */

static enum status apply_feature_level(struct builder *b,
                                       const struct feature_level_record *record) {
    uint32_t known_count;
    const struct known_feature *known = known_features(&known_count), *feature = NULL;
    for (uint32_t i = 0; i < known_count; i++) {
        if (str_eq(known[i].name, record->name)) feature = &known[i];
    }
    int16_t level = record->feature_level;
    if (feature == NULL) {
        if (level == 0) return ST_OK;
        return REFUSE(b, ST_UNSUPPORTED, "feature %.*s is finalized at %d and unknown here",
                      STR_ARG(record->name), level);
    }
    if (level != 0 && (level < feature->min_level || level > feature->max_level)) {
        return REFUSE(b, ST_UNSUPPORTED, "feature %.*s is finalized at %d; %d to %d are supported",
                      STR_ARG(record->name), level, feature->min_level, feature->max_level);
    }
    uint32_t old_count;
    const struct feature_level *old = image_features(b->next, &old_count);
    size_t bytes = sizeof(struct feature_object) + (old_count + 1) * sizeof(struct feature_level);
    struct feature_object *features = mem_need(b->next->mem, bytes);
    *features = (struct feature_object){.head.refs = 1, .bytes = bytes};
    bool placed = level == 0;
    for (uint32_t i = 0; i < old_count; i++) {
        int order = str_cmp(feature->name, old[i].name);
        if (order <= 0 && !placed) {
            features->levels[features->count++] = (struct feature_level){feature->name, level};
            placed = true;
        }
        if (order != 0) features->levels[features->count++] = old[i];
    }
    if (!placed) features->levels[features->count++] = (struct feature_level){feature->name, level};
    struct feature_object *previous = b->next->features;
    if (previous != NULL && --previous->head.refs == 0)
        mem_free(b->next->mem, previous, previous->bytes);
    b->next->features = features;
    b->delta->features_changed = true;
    return ST_OK;
}

static enum status apply_producer_ids(struct builder *b, const struct producer_ids_record *record) {
    if (record->next_producer_id < b->next->next_producer_id) {
        return REFUSE(b, ST_CORRUPT, "the next producer id goes back from %lld to %lld",
                      (long long)b->next->next_producer_id, (long long)record->next_producer_id);
    }
    b->next->next_producer_id = record->next_producer_id;
    return ST_OK;
}

static enum status apply_zk_migration(struct builder *b,
                                      const struct zk_migration_state_record *record) {
    enum { NONE = 0, FINISHED = 3 };
    if (record->zk_migration_state == NONE || record->zk_migration_state == FINISHED) return ST_OK;
    return REFUSE(b, ST_UNSUPPORTED, "the migration from ZooKeeper is in state %d",
                  record->zk_migration_state);
}

/* Room for the decoded form of any record. */
union any_record {
    struct register_broker_record register_broker;
    struct unregister_broker_record unregister_broker;
    struct topic_record topic;
    struct partition_record partition;
    struct config_record config;
    struct partition_change_record partition_change;
    struct fence_broker_record fence_broker;
    struct unfence_broker_record unfence_broker;
    struct remove_topic_record remove_topic;
    struct feature_level_record feature_level;
    struct producer_ids_record producer_ids;
    struct broker_registration_change_record broker_change;
    struct zk_migration_state_record zk_migration;
    struct register_controller_record register_controller;
    struct clear_elr_record clear_elr;
    struct begin_transaction_record begin_transaction;
    struct end_transaction_record end_transaction;
    struct no_op_record no_op;
};

static enum status apply_decoded(struct builder *b, uint32_t type, const union any_record *r) {
    switch (type) {
    case REGISTER_BROKER_RECORD: return apply_register_broker(b, &r->register_broker);
    case UNREGISTER_BROKER_RECORD: return apply_unregister_broker(b, &r->unregister_broker);
    case TOPIC_RECORD: return apply_topic(b, &r->topic);
    case PARTITION_RECORD: return apply_partition(b, &r->partition);
    case CONFIG_RECORD: return apply_config(b, &r->config);
    case PARTITION_CHANGE_RECORD: return apply_partition_change(b, &r->partition_change);
    case FENCE_BROKER_RECORD:
        return apply_fencing(b, "a fence", r->fence_broker.id, r->fence_broker.epoch, true);
    case UNFENCE_BROKER_RECORD:
        return apply_fencing(b, "an unfence", r->unfence_broker.id, r->unfence_broker.epoch, false);
    case REMOVE_TOPIC_RECORD: return apply_remove_topic(b, &r->remove_topic);
    case FEATURE_LEVEL_RECORD: return apply_feature_level(b, &r->feature_level);
    case PRODUCER_IDS_RECORD: return apply_producer_ids(b, &r->producer_ids);
    case BROKER_REGISTRATION_CHANGE_RECORD: return apply_broker_change(b, &r->broker_change);
    case ZK_MIGRATION_STATE_RECORD: return apply_zk_migration(b, &r->zk_migration);
    case REGISTER_CONTROLLER_RECORD: return apply_register_controller(b, &r->register_controller);
    case CLEAR_ELR_RECORD: return apply_clear_elr(b, &r->clear_elr);
    default: return ST_OK; /* NoOp, and the marks of a transaction */
    }
}

/* Types that we know by name and do not obey: what they ask for would silently not hold. */
static bool is_obeyed(uint32_t type) {
    switch (type) {
    case DELEGATION_TOKEN_RECORD:
    case USER_SCRAM_CREDENTIAL_RECORD:
    case CLIENT_QUOTA_RECORD:
    case ACCESS_CONTROL_ENTRY_RECORD:
    case REMOVE_ACCESS_CONTROL_ENTRY_RECORD:
    case REMOVE_USER_SCRAM_CREDENTIAL_RECORD:
    case REMOVE_DELEGATION_TOKEN_RECORD: return false;
    default: return true;
    }
}

static enum status apply_value(struct builder *b, struct bytes value) {
    struct metadata_record record;
    enum status st = metadata_record_open(value, &record);
    if (st != ST_OK) return REFUSE(b, st, "a value that is no metadata record");
    if (record.schema == NULL)
        return REFUSE(b, ST_UNSUPPORTED, "a record of unknown type %u", record.type);
    const char *name = record.schema->name;
    if (!is_obeyed(record.type)) return REFUSE(b, ST_UNSUPPORTED, "%s is not supported yet", name);
    if (!schema_has(record.schema, record.version)) {
        return REFUSE(b, ST_UNSUPPORTED, "%s version %d; up to %d are supported", name,
                      record.version, record.schema->max_version);
    }
    if (record.type == ABORT_TRANSACTION_RECORD)
        return REFUSE(b, ST_CORRUPT, "%s without a transaction", name);
    union any_record decoded;
    ASSERT(record.schema->layout->bytes <= sizeof decoded);
    st = metadata_record_decode(&record, b->arena, &decoded);
    if (st == ST_NOMEM) return st;
    if (st != ST_OK)
        return REFUSE(b, ST_CORRUPT, "%s version %d: %s", name, record.version, status_name(st));
    return apply_decoded(b, record.type, &decoded);
}

/* --- putting the drafts into the maps --- */

static void draft_remove(struct builder *b, const struct topic_draft *draft) {
    struct image *next = b->next;
    b->delta->topics_deleted[b->delta->topics_deleted_count++] = draft->old;
    (void)pmap_remove(&next->topics_by_name, &draft->old->name); /* the old image has it */
    (void)pmap_remove(&next->topics_by_id, &draft->old->id);
    next->partition_count -= (uint64_t)draft->old->partition_count;
}

static enum status draft_put(struct builder *b, const struct topic_draft *draft) {
    struct image *next = b->next;
    if (draft->old != NULL && draft->partitions == NULL) return ST_OK; /* touched, not changed */
    if (draft->old == NULL && image_topic_by_name(next, draft->topic.name) != NULL) {
        return REFUSE(b, ST_CORRUPT, "topic %.*s exists already", STR_ARG(draft->topic.name));
    }
    struct topic_object *object = topic_object_new(next->mem, &draft->topic);
    if (object == NULL) return ST_NOMEM;
    pmap_put(&next->topics_by_name, &object->topic.name, &object->head);
    pmap_put(&next->topics_by_id, &object->topic.id, pmap_value_share(&object->head));
    next->partition_count += (uint64_t)draft->topic.partition_count;
    if (draft->old != NULL) next->partition_count -= (uint64_t)draft->old->partition_count;
    b->delta->topics_changed[b->delta->topics_changed_count++] = draft->topic.id;
    return ST_OK;
}

static enum status drafts_put(struct builder *b) {
    b->delta->topics_changed =
        arena_array(b->arena, b->draft_count, sizeof *b->delta->topics_changed);
    b->delta->topics_deleted =
        arena_array(b->arena, b->deleted_count, sizeof *b->delta->topics_deleted);
    if (b->delta->topics_changed == NULL || b->delta->topics_deleted == NULL) return ST_NOMEM;
    LIST_EACH(&b->order, link) { /* removals first: a name may be free for a new topic */
        const struct topic_draft *draft = CONTAINER_OF(link, struct topic_draft, link);
        if (draft->deleted && draft->old != NULL) draft_remove(b, draft);
    }
    LIST_EACH(&b->order, link) {
        const struct topic_draft *draft = CONTAINER_OF(link, struct topic_draft, link);
        enum status st = draft->deleted ? ST_OK : draft_put(b, draft);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

enum status image_apply(const struct image *old, const struct bytes *values, uint32_t count,
                        int64_t last_offset, int32_t epoch, struct arena *arena,
                        struct image **ret_image, struct image_delta *ret_delta) {
    *ret_delta = (struct image_delta){0};
    struct builder b = {.old = old, .next = image_copy(old), .arena = arena, .delta = ret_delta};
    map_init(&b.drafts, old->mem);
    list_init(&b.order);
    enum status st = ST_OK;
    for (uint32_t i = 0; i < count && st == ST_OK; i++) st = apply_value(&b, values[i]);
    if (st == ST_OK) st = drafts_put(&b);
    map_release(&b.drafts);
    if (st != ST_OK) {
        image_free(b.next);
        return st;
    }
    b.next->offset = last_offset;
    b.next->epoch = epoch;
    *ret_image = b.next;
    return ST_OK;
}
