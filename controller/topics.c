/* controller/topics.c - CreateTopics. Codes, texts and the order of the checks are Kafka's: limits
 * of the whole request, then names, configurations, partitions; a topic that fails does not keep
 * others from being created. Source: ControllerApis.createTopics,
 * ReplicationControlManager.createTopics. */
#include "base/assert.h"
#include "base/breathe.h"
#include "base/strbuf.h"
#include "controller/controller.h"
#include "controller/draw.h"
#include "controller/metadata/metadata_record.h"
#include "controller/placement.h"
#include "controller/records.h"
#include "protocol/errors.h"

#define PARTITIONS_PER_REQUEST_MAX 10000
#define RECORDS_PER_REQUEST_MAX 10000
#define MIN_INSYNC_REPLICAS "min.insync.replicas"

/* One name of the request. */
struct candidate {
    const struct create_topics_request_creatable_topic *request;
    struct create_topics_response_creatable_topic_result *result;
    struct config_entry *configs; /* sorted by key, each key once */
    int32_t config_count;
    struct uuid topic_id;
};

struct creation {
    const struct controller_context *ctx;
    struct arena *arena;
    const struct create_topics_request *request;
    struct create_topics_response *response;
    struct controller_records records; /* of all topics; they count even when only validating */
    struct placement placement;
    struct candidate *candidates; /* in the request's order */
    uint32_t count;
    int16_t metadata_version;
    bool has_elr;
    bool is_described; /* the answer carries settings */
};

static void refuse(struct candidate *candidate, enum kafka_error code, struct str message) {
    candidate->result->error_code = (int16_t)code;
    candidate->result->error_message = message;
}

static bool is_refused(const struct candidate *candidate) {
    return candidate->result->error_code != KAFKA_NONE;
}

static void refuse_all(struct creation *c, enum kafka_error code, struct str message) {
    struct create_topics_response *response = c->response;
    response->topics_count = c->request->topics_count;
    for (int32_t i = 0; i < response->topics_count; i++) {
        struct create_topics_response_creatable_topic_result *result = &response->topics[i];
        create_topics_response_creatable_topic_result_defaults(result);
        result->name = c->request->topics[i].name;
        result->error_code = (int16_t)code;
        result->error_message = message;
        breathe();
    }
    controller_records_init(&c->records, c->arena);
}

/* --- which topics there are --- */

/* A name and where it stands in the request. */
struct named {
    struct str name;
    int32_t index;
};

static int named_order(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    breathe();
    int order = str_cmp(x->name, y->name);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static struct create_topics_response_creatable_topic_result *result_add(struct creation *c,
                                                                        struct str name) {
    struct create_topics_response_creatable_topic_result *result =
        &c->response->topics[c->response->topics_count++];
    breathe();
    result->name = name;
    result->error_message = STR_NULL; /* the schema's default is empty, Kafka's answer is null */
    return result;
}

/* Candidates are the names that stand once; the others are answered behind them. */
static enum status gather(struct creation *c) {
    int32_t count = c->request->topics_count;
    struct named *names = arena_array(c->arena, (size_t)count, sizeof *names);
    bool *is_repeated = arena_array(c->arena, (size_t)count, sizeof *is_repeated);
    bool *is_first = arena_array(c->arena, (size_t)count, sizeof *is_first);
    c->candidates = arena_array(c->arena, (size_t)count, sizeof *c->candidates);
    if (names == NULL || is_repeated == NULL || is_first == NULL || c->candidates == NULL)
        return ST_NOMEM;
    for (int32_t i = 0; i < count; i++) names[i] = (struct named){c->request->topics[i].name, i};
    qsort(names, (size_t)count, sizeof *names, named_order);
    for (int32_t i = 0; i < count; i++) {
        bool like_before = i > 0 && str_eq(names[i - 1].name, names[i].name);
        bool like_next = i + 1 < count && str_eq(names[i + 1].name, names[i].name);
        is_repeated[names[i].index] = like_before || like_next;
        is_first[names[i].index] = !like_before;
        breathe();
    }
    struct str metadata_topic = STR("__cluster_metadata");
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_request_creatable_topic *topic = &c->request->topics[i];
        if (is_repeated[i] || str_eq(topic->name, metadata_topic)) continue;
        struct candidate *candidate = &c->candidates[c->count++];
        *candidate = (struct candidate){.request = topic, .result = result_add(c, topic->name)};
    }
    for (int32_t i = 0; i < count; i++) {
        struct str name = c->request->topics[i].name;
        bool is_metadata = str_eq(name, metadata_topic);
        if (!is_first[i] || (!is_repeated[i] && !is_metadata)) continue;
        struct create_topics_response_creatable_topic_result *result = result_add(c, name);
        result->error_code = KAFKA_INVALID_REQUEST;
        result->error_message =
            is_repeated[i] ? STR("Duplicate topic name.")
                           : STR("Creation of internal topic __cluster_metadata is prohibited.");
    }
    return ST_OK;
}

static bool has_too_many_partitions(const struct creation *c) {
    int64_t total = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct create_topics_request_creatable_topic *topic = c->candidates[i].request;
        if (topic->assignments_count > 0) {
            total += topic->assignments_count;
        } else if (topic->num_partitions == -1) {
            total += c->ctx->default_partitions;
        } else if (topic->num_partitions > 0) {
            total += topic->num_partitions;
        }
    }
    return total > PARTITIONS_PER_REQUEST_MAX;
}

/* --- names --- */

static void check_names(struct creation *c) {
    const struct image *image = c->ctx->image;
    for (uint32_t i = 0; i < c->count; i++) {
        struct candidate *candidate = &c->candidates[i];
        struct str name = candidate->request->name;
        breathe();
        struct str problem = topic_name_problem(name, c->arena);
        if (problem.ptr != NULL) {
            refuse(candidate, KAFKA_INVALID_TOPIC_EXCEPTION, problem);
            continue;
        }
        const struct topic_image *like = image_topic_like(image, name);
        if (image_topic_by_name(image, name) != NULL) {
            refuse(candidate, KAFKA_TOPIC_ALREADY_EXISTS,
                   arena_printf(c->arena, "Topic '%.*s' already exists.", STR_ARG(name)));
        } else if (like != NULL) {
            refuse(candidate, KAFKA_INVALID_TOPIC_EXCEPTION,
                   arena_printf(c->arena, "Topic '%.*s' collides with existing topic: %.*s",
                                STR_ARG(name), STR_ARG(like->name)));
        }
    }
}

/* --- configurations --- */

struct ordered_config {
    struct config_entry entry;
    int32_t index;
};

static int config_order(const void *a, const void *b) {
    const struct ordered_config *x = a, *y = b;
    breathe();
    int order = str_cmp(x->entry.key, y->entry.key);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* The keys that have no value; null: each has one. */
static struct str null_configs(struct creation *c,
                               const struct create_topics_request_creatable_topic *topic) {
    struct strbuf text;
    strbuf_init(&text, image_mem(c->ctx->image));
    bool has_nulls = false;
    for (int32_t i = 0; i < topic->configs_count; i++) {
        breathe();
        if (topic->configs[i].value.ptr != NULL) continue;
        if (has_nulls) strbuf_add_char(&text, ',');
        strbuf_add_str(&text, topic->configs[i].name);
        has_nulls = true;
    }
    struct str names = has_nulls ? arena_str(c->arena, strbuf_str(&text)) : STR_NULL;
    strbuf_release(&text);
    return has_nulls && names.ptr == NULL ? STR("") : names;
}

/* Sorted, and of a key that is given several times the last value. */
static enum status gather_configs(struct creation *c, struct candidate *candidate) {
    const struct create_topics_request_creatable_topic *topic = candidate->request;
    int32_t count = topic->configs_count;
    if (count <= 0) return ST_OK;
    struct ordered_config *ordered = arena_array(c->arena, (size_t)count, sizeof *ordered);
    candidate->configs = arena_array(c->arena, (size_t)count, sizeof *candidate->configs);
    if (ordered == NULL || candidate->configs == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        ordered[i] = (struct ordered_config){{topic->configs[i].name, topic->configs[i].value}, i};
    }
    qsort(ordered, (size_t)count, sizeof *ordered, config_order);
    for (int32_t i = 0; i < count; i++) {
        breathe();
        if (i + 1 < count && str_eq(ordered[i + 1].entry.key, ordered[i].entry.key)) continue;
        candidate->configs[candidate->config_count++] = ordered[i].entry;
    }
    return ST_OK;
}

static enum status check_configs(struct creation *c, struct candidate *candidate) {
    struct str missing = null_configs(c, candidate->request);
    if (missing.ptr != NULL) {
        refuse(candidate, KAFKA_INVALID_CONFIG,
               arena_printf(c->arena, "Null value not supported for topic configs: %.*s",
                            STR_ARG(missing)));
        return ST_OK;
    }
    enum status st = gather_configs(c, candidate);
    const struct config_rules *rules = &c->ctx->rules;
    if (st != ST_OK || candidate->config_count == 0 || rules->topic_problem == NULL) return st;
    struct str problem =
        rules->topic_problem(rules->context, candidate->configs, candidate->config_count, c->arena);
    if (problem.ptr != NULL) refuse(candidate, KAFKA_INVALID_CONFIG, problem);
    return ST_OK;
}

/* --- partitions --- */

static enum status assign_manually(struct creation *c, struct candidate *candidate,
                                   struct partition_image **ret_partitions, int32_t *ret_count) {
    const struct create_topics_request_creatable_topic *topic = candidate->request;
    int32_t count = topic->assignments_count, replica_count = 0;
    struct partition_image *partitions = arena_array(c->arena, (size_t)count, sizeof *partitions);
    if (partitions == NULL) return ST_NOMEM;
    *ret_count = 0;
    bool has_gap = false;
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_request_creatable_replica_assignment *row =
            &topic->assignments[i];
        int32_t index = row->partition_index;
        breathe();
        bool in_range = index >= 0 && index < count;
        has_gap = has_gap || !in_range;
        if (in_range && partitions[index].replica_count > 0) {
            refuse(candidate, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                   arena_printf(c->arena,
                                "Found multiple manual partition assignments for partition %d",
                                index));
            return ST_OK;
        }
        int32_t *sorted =
            arena_array(c->arena, (size_t)MAX(row->broker_ids_count, 0), sizeof *sorted);
        if (sorted == NULL) return ST_NOMEM;
        struct str problem = assignment_problem(
            c->ctx->image, row->broker_ids, row->broker_ids_count, replica_count, sorted, c->arena);
        if (problem.ptr != NULL) {
            refuse(candidate, KAFKA_INVALID_REPLICA_ASSIGNMENT, problem);
            return ST_OK;
        }
        replica_count = row->broker_ids_count;
        struct partition_image partition;
        enum status st =
            partition_begin(c->ctx, row->broker_ids, replica_count, &partition);
        if (st != ST_OK) return st;
        if (partition.isr_count == 0) {
            refuse(candidate, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                   arena_printf(c->arena,
                                "All brokers specified in the manual partition assignment for "
                                "partition %d are fenced "
                                "or in controlled shutdown.",
                                index));
            return ST_OK;
        }
        if (in_range) partitions[index] = partition;
    }
    if (has_gap) {
        refuse(candidate, KAFKA_INVALID_REPLICA_ASSIGNMENT,
               STR("partitions should be a consecutive 0-based integer sequence"));
        return ST_OK;
    }
    candidate->result->replication_factor = (int16_t)MIN(partitions[0].replica_count, INT16_MAX);
    *ret_partitions = partitions;
    *ret_count = count;
    return ST_OK;
}

static enum status assign_by_placement(struct creation *c, struct candidate *candidate,
                                       struct partition_image **ret_partitions,
                                       int32_t *ret_count) {
    const struct create_topics_request_creatable_topic *topic = candidate->request;
    int32_t count =
        topic->num_partitions == -1 ? c->ctx->default_partitions : topic->num_partitions;
    int16_t factor = topic->replication_factor == -1 ? c->ctx->default_replication_factor
                                                     : topic->replication_factor;
    struct str problem = placement_problem(&c->placement, factor, c->arena);
    *ret_count = 0;
    if (problem.ptr != NULL) {
        refuse(candidate, KAFKA_INVALID_REPLICATION_FACTOR,
               arena_printf(c->arena, "Unable to replicate the partition %d time(s): %.*s", factor,
                            STR_ARG(problem)));
        return ST_OK;
    }
    struct partition_image *partitions = arena_array(c->arena, (size_t)count, sizeof *partitions);
    int32_t *replicas = arena_array(c->arena, (size_t)count * (size_t)factor, sizeof *replicas);
    if (partitions == NULL || replicas == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        int32_t *own = replicas + (size_t)i * (size_t)factor;
        breathe();
        placement_next(&c->placement, i, factor, own);
        enum status st = partition_begin(c->ctx, own, factor, &partitions[i]);
        if (st != ST_OK) return st;
        if (partitions[i].isr_count > 0) continue;
        refuse(candidate, KAFKA_INVALID_REPLICATION_FACTOR,
               arena_printf(c->arena,
                            "Unable to replicate the partition %d time(s): All brokers are "
                            "currently fenced or in "
                            "controlled shutdown.",
                            factor));
        return ST_OK;
    }
    candidate->result->replication_factor = factor;
    *ret_partitions = partitions;
    *ret_count = count;
    return ST_OK;
}

/* Partitions, unless the candidate is refused on the way. */
static enum status assign(struct creation *c, struct candidate *candidate,
                          struct partition_image **ret_partitions, int32_t *ret_count) {
    const struct create_topics_request_creatable_topic *topic = candidate->request;
    if (topic->assignments_count > 0) {
        if (topic->replication_factor != -1) {
            refuse(candidate, KAFKA_INVALID_REQUEST,
                   STR("A manual partition assignment was specified, but replication factor was "
                       "not set to -1."));
        } else if (topic->num_partitions != -1) {
            refuse(candidate, KAFKA_INVALID_REQUEST,
                   STR("A manual partition assignment was specified, but numPartitions was not set "
                       "to -1."));
        } else {
            return assign_manually(c, candidate, ret_partitions, ret_count);
        }
    } else if (topic->replication_factor < -1 || topic->replication_factor == 0) {
        refuse(candidate, KAFKA_INVALID_REPLICATION_FACTOR,
               STR("Replication factor must be larger than 0, or -1 to use the default value."));
    } else if (topic->num_partitions < -1 || topic->num_partitions == 0) {
        refuse(candidate, KAFKA_INVALID_PARTITIONS,
               STR("Number of partitions was set to an invalid non-positive value."));
    } else {
        return assign_by_placement(c, candidate, ret_partitions, ret_count);
    }
    return ST_OK;
}

/* --- the records --- */

static void add_config(struct creation *c, struct str topic, struct str key, struct str value) {
    struct config_record config;
    config_record_defaults(&config);
    config.resource_type = CONFIG_TOPIC;
    config.resource_name = topic;
    config.name = key;
    config.value = value;
    controller_records_add(&c->records, &config_record_schema, 0, &config);
}

static bool has_config(const struct candidate *candidate, struct str key) {
    for (int32_t i = 0; i < candidate->config_count; i++) {
        if (str_eq(candidate->configs[i].key, key)) return true;
    }
    return false;
}

/* Snapshots of Apache Kafka keep settings of topics that were deleted. A new topic of that name
 * does not inherit them, here or in a Kafka that reads these records. */
static void clear_old_configs(struct creation *c, const struct candidate *candidate) {
    struct str topic = candidate->request->name;
    const struct config_image *old = image_config(c->ctx->image, CONFIG_TOPIC, topic);
    for (int32_t i = 0; old != NULL && i < old->count; i++) {
        struct str key = old->entries[i].key;
        if (!has_config(candidate, key)) add_config(c, topic, key, STR_NULL);
    }
}

static void add_topic(struct creation *c, const struct candidate *candidate) {
    struct topic_record topic;
    topic_record_defaults(&topic);
    topic.name = candidate->request->name;
    topic.topic_id = candidate->topic_id;
    controller_records_add(&c->records, &topic_record_schema, 0, &topic);
    clear_old_configs(c, candidate);
    for (int32_t i = 0; i < candidate->config_count; i++) {
        add_config(c, topic.name, candidate->configs[i].key, candidate->configs[i].value);
    }
    if (!c->has_elr || !has_config(candidate, STR(MIN_INSYNC_REPLICAS))) return;
    struct clear_elr_record clear; /* whoever was eligible was so under another minimum */
    clear_elr_record_defaults(&clear);
    clear.topic_name = topic.name;
    controller_records_add(&c->records, &clear_elr_record_schema, 0, &clear);
}

static void add_partitions(struct creation *c, const struct candidate *candidate,
                           const struct partition_image *partitions, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        struct bytes value = BYTES_NULL;
        enum status st = partition_record_encode(candidate->topic_id, i, &partitions[i],
                                                 c->metadata_version, c->arena, &value);
        if (st != ST_OK && c->records.status == ST_OK) c->records.status = st;
        controller_records_add_value(&c->records, value);
    }
}

static void describe(struct creation *c, struct candidate *candidate) {
    const struct config_rules *rules = &c->ctx->rules;
    struct create_topics_response_creatable_topic_result *result = candidate->result;
    if (rules->describe != NULL) {
        rules->describe(rules->context, candidate->configs, candidate->config_count, c->arena,
                        &result->configs, &result->configs_count);
        if (result->configs_count < 0) c->records.status = ST_NOMEM;
        return;
    }
    enum { DYNAMIC_TOPIC_CONFIG = 1 };
    result->configs =
        create_topics_response_creatable_topic_configs_array(c->arena, candidate->config_count);
    result->configs_count = result->configs != NULL ? candidate->config_count : 0;
    for (int32_t i = 0; i < result->configs_count; i++) {
        result->configs[i].name = candidate->configs[i].key;
        result->configs[i].value = candidate->configs[i].value;
        result->configs[i].config_source = DYNAMIC_TOPIC_CONFIG;
    }
}

static enum status create(struct creation *c, struct candidate *candidate) {
    enum status st = check_configs(c, candidate);
    if (st != ST_OK || is_refused(candidate)) return st;
    struct partition_image *partitions = NULL;
    int32_t count = 0;
    st = assign(c, candidate, &partitions, &count);
    if (st != ST_OK || is_refused(candidate)) return st;
    do {
        candidate->topic_id = draw_uuid(c->ctx->random, c->ctx->random_context);
    } while (image_topic_by_id(c->ctx->image, candidate->topic_id) != NULL);
    add_topic(c, candidate);
    add_partitions(c, candidate, partitions, count);
    candidate->result->topic_id = candidate->topic_id;
    candidate->result->num_partitions = count;
    if (c->is_described) describe(c, candidate);
    return c->records.status;
}

static enum status decide(struct creation *c) {
    enum status st = gather(c);
    if (st != ST_OK) return st;
    if (has_too_many_partitions(c)) {
        refuse_all(c, KAFKA_POLICY_VIOLATION,
                   STR("Excessively large number of partitions per request."));
        return ST_OK;
    }
    check_names(c);
    st = placement_init(&c->placement, c->ctx->image, c->ctx->placement_start, c->arena);
    for (uint32_t i = 0; i < c->count && st == ST_OK; i++) {
        breathe();
        if (!is_refused(&c->candidates[i])) st = create(c, &c->candidates[i]);
        if (c->records.count <= RECORDS_PER_REQUEST_MAX) continue;
        refuse_all(c, KAFKA_POLICY_VIOLATION,
                   STR("Unable to perform excessively large batch operation."));
        break;
    }
    return st;
}

void controller_create_topics(const struct controller_context *ctx,
                              const struct create_topics_request *request, int16_t version,
                              struct create_topics_response *response,
                              struct controller_records *records) {
    struct creation c = {
        .ctx = ctx,
        .arena = ctx->arena,
        .request = request,
        .response = response,
        .metadata_version = image_feature(ctx->image, STR(METADATA_VERSION)),
        .has_elr = image_feature(ctx->image, STR("eligible.leader.replicas.version")) > 0,
        .is_described = version >= 5,
    };
    controller_records_init(&c.records, ctx->arena);
    create_topics_response_defaults(response);
    response->topics = create_topics_response_creatable_topic_result_array(
        ctx->arena, MAX(request->topics_count, 0));
    enum status st = response->topics != NULL ? decide(&c) : ST_NOMEM;
    if (c.records.status == ST_OK) c.records.status = st;
    if (request->validate_only && c.records.status == ST_OK)
        controller_records_init(&c.records, ctx->arena);
    *records = c.records;
}
