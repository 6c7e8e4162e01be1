/* controller/topics_delete.c - DeleteTopics, by name or by id. Answers stand in the request's
 * order; Kafka shuffles them. Source: ControllerApis.deleteTopics,
 * ReplicationControlManager.deleteTopics. */
#include "base/map.h"
#include "controller/controller.h"
#include "controller/records.h"
#include "protocol/errors.h"

/* What one entry of the request names. */
struct target {
    struct map_node given;           /* by name or id as given */
    struct map_node resolved;        /* by the topic's id */
    struct str name;                 /* null: not given */
    struct uuid id;                  /* zero: not given */
    const struct topic_image *topic; /* NULL: there is none */
    struct str topic_name;           /* arena: the answer outlives the image */
    bool is_repetition;              /* the first one answers for it */
    enum kafka_error code;
    struct str message;
};

static bool is_same_given(const struct map_node *node, const void *key) {
    const struct target *target = CONTAINER_OF(node, struct target, given), *other = key;
    return str_eq(target->name, other->name) && uuid_eq(target->id, other->id);
}

static bool is_same_topic(const struct map_node *node, const void *key) {
    return CONTAINER_OF(node, struct target, resolved)->topic == key;
}

static void fault(struct target *target, enum kafka_error code, struct str message) {
    target->code = code;
    target->message = message;
}

/* One entry by itself, and against those before it. */
static void check_given(struct target *target, struct map *given, uint64_t seed) {
    bool has_name = target->name.ptr != NULL, has_id = !uuid_is_zero(target->id);
    if (has_name && has_id) {
        fault(target, KAFKA_INVALID_REQUEST,
              STR("You may not specify both topic name and topic id."));
    } else if (!has_name && !has_id) {
        fault(target, KAFKA_INVALID_REQUEST, STR("Neither topic name nor id were specified."));
    } else {
        uint64_t hash = has_name ? hash_bytes(target->name.ptr, target->name.len, seed)
                                 : hash_bytes(target->id.b, sizeof target->id.b, seed);
        struct map_node *node = map_find(given, hash, is_same_given, target);
        if (node == NULL) {
            map_insert(given, hash, &target->given);
            return;
        }
        target->is_repetition = true;
        fault(CONTAINER_OF(node, struct target, given), KAFKA_INVALID_REQUEST,
              has_name ? STR("Duplicate topic name.") : STR("Duplicate topic id."));
    }
}

static void look_up(const struct controller_context *ctx, struct target *target,
                    struct map *resolved, uint64_t seed) {
    bool by_name = target->name.ptr != NULL;
    const struct topic_image *topic = by_name ? image_topic_by_name(ctx->image, target->name)
                                              : image_topic_by_id(ctx->image, target->id);
    if (topic == NULL && by_name) {
        fault(target, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
              STR("This server does not host this topic-partition."));
        return;
    }
    if (topic == NULL) {
        fault(target, KAFKA_UNKNOWN_TOPIC_ID, STR("This server does not host this topic ID."));
        return;
    }
    uint64_t hash = hash_bytes(topic->id.b, sizeof topic->id.b, seed);
    struct map_node *node = map_find(resolved, hash, is_same_topic, topic);
    target->topic = topic;
    if (node == NULL) {
        map_insert(resolved, hash, &target->resolved);
        return;
    }
    target->is_repetition = true; /* once by name, once by id */
    fault(CONTAINER_OF(node, struct target, resolved), KAFKA_INVALID_REQUEST,
          STR("The provided topic name maps to an ID that was already supplied."));
}

static void answer(const struct target *target, int16_t version,
                   struct delete_topics_response *response) {
    struct delete_topics_response_deletable_topic_result *result =
        &response->responses[response->responses_count++];
    result->name = target->topic != NULL ? target->topic_name : target->name;
    if (version >= 6) result->topic_id = target->topic != NULL ? target->topic->id : target->id;
    result->error_code = (int16_t)target->code;
    if (version >= 5) result->error_message = target->message;
}

static void decide(const struct controller_context *ctx, struct target *targets, uint32_t count,
                   int16_t version, struct delete_topics_response *response,
                   struct controller_records *records) {
    struct map given, resolved;
    uint64_t seed;
    ctx->random(ctx->random_context, &seed, sizeof seed);
    map_init(&given, image_mem(ctx->image));
    map_init(&resolved, image_mem(ctx->image));
    for (uint32_t i = 0; i < count; i++) {
        if (ctx->delete_topic_enable) {
            check_given(&targets[i], &given, seed);
        } else {
            fault(&targets[i], version < 3 ? KAFKA_INVALID_REQUEST : KAFKA_TOPIC_DELETION_DISABLED,
                  STR_NULL);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!targets[i].is_repetition && targets[i].code == KAFKA_NONE)
            look_up(ctx, &targets[i], &resolved, seed);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (targets[i].is_repetition) continue;
        if (targets[i].topic != NULL) {
            targets[i].topic_name = arena_str(ctx->arena, targets[i].topic->name);
            if (targets[i].topic_name.ptr == NULL) records->status = ST_NOMEM;
        }
        answer(&targets[i], version, response);
        if (targets[i].code != KAFKA_NONE) continue;
        struct remove_topic_record record;
        remove_topic_record_defaults(&record);
        record.topic_id = targets[i].topic->id;
        controller_records_add(records, &remove_topic_record_schema, 0, &record);
    }
    map_release(&given);
    map_release(&resolved);
}

void controller_delete_topics(const struct controller_context *ctx,
                              const struct delete_topics_request *request, int16_t version,
                              struct delete_topics_response *response,
                              struct controller_records *records) {
    controller_records_init(records, ctx->arena);
    delete_topics_response_defaults(response);
    int32_t count = MAX(version >= 6 ? request->topics_count : request->topic_names_count, 0);
    struct target *targets = arena_array(ctx->arena, (size_t)count, sizeof *targets);
    response->responses = delete_topics_response_deletable_topic_result_array(ctx->arena, count);
    if (targets == NULL || response->responses == NULL) {
        records->status = ST_NOMEM;
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        targets[i] = version >= 6 ? (struct target){.name = request->topics[i].name,
                                                    .id = request->topics[i].topic_id}
                                  : (struct target){.name = request->topic_names[i]};
    }
    decide(ctx, targets, (uint32_t)count, version, response, records);
}
