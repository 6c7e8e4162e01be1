/* controller/metadata/image_apply.c - records into a new image: what is obeyed, and in which order.
 * Source: org.apache.kafka.image.MetadataDelta. */
#include "base/assert.h"
#include "controller/metadata/image_builder.h"
#include "controller/metadata/metadata_record.h"

/* --- configurations --- */

enum status config_note(struct image_builder *b, struct config_resource resource) {
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

static enum status apply_config(struct image_builder *b, const struct config_record *record) {
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

/* --- features and the rest --- */

static enum status apply_feature_level(struct image_builder *b,
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

static enum status apply_producer_ids(struct image_builder *b,
                                      const struct producer_ids_record *record) {
    if (record->next_producer_id < b->next->next_producer_id) {
        return REFUSE(b, ST_CORRUPT, "the next producer id goes back from %lld to %lld",
                      (long long)b->next->next_producer_id, (long long)record->next_producer_id);
    }
    b->next->next_producer_id = record->next_producer_id;
    return ST_OK;
}

static enum status apply_zk_migration(struct image_builder *b,
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
    struct client_quota_record client_quota;
    struct user_scram_credential_record scram;
    struct remove_user_scram_credential_record remove_scram;
    struct delegation_token_record token;
    struct remove_delegation_token_record remove_token;
};

static enum status apply_decoded(struct image_builder *b, uint32_t type,
                                 const union any_record *r) {
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

/* Types that we know by name and do not obey: what they forbid would silently be allowed. */
static bool is_obeyed(uint32_t type) {
    switch (type) {
    case ACCESS_CONTROL_ENTRY_RECORD:
    case REMOVE_ACCESS_CONTROL_ENTRY_RECORD: return false;
    default: return true;
    }
}

static enum status apply_value(struct image_builder *b, struct bytes value) {
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
    return is_kept(record.type) ? apply_kept(b, record.type, value, &decoded)
                                : apply_decoded(b, record.type, &decoded);
}

enum status image_apply(const struct image *old, const struct bytes *values, uint32_t count,
                        int64_t last_offset, int32_t epoch, struct arena *arena,
                        struct image **ret_image, struct image_delta *ret_delta) {
    *ret_delta = (struct image_delta){0};
    struct image_builder b = {
        .old = old, .next = image_copy(old), .arena = arena, .delta = ret_delta};
    map_init(&b.drafts, old->mem);
    list_init(&b.order);
    enum status st = ST_OK;
    for (uint32_t i = 0; i < count && st == ST_OK; i++) st = apply_value(&b, values[i]);
    if (st == ST_OK) st = image_topics_put(&b);
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
