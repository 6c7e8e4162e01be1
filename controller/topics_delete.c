/* controller/topics_delete.c - DeleteTopics, by name or by id. Answers stand in the request's
 * order; Kafka shuffles them. Source: ControllerApis.deleteTopics,
 * ReplicationControlManager.deleteTopics. */
#include "base/breathe.h"
#include "base/map.h"
#include "controller/controller.h"
#include "controller/records.h"
#include "protocol/errors.h"

/* What the request names, each once: a request may name one thing a million times. */
struct target {
    struct target *next;
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

struct targets {
    struct target *first, **end;
    int32_t count;
};

static void fault(struct target *target, enum kafka_error code, struct str message) {
    target->code = code;
    target->message = message;
}

static struct target *add(struct targets *targets, struct str name, struct uuid id,
                          struct arena *arena) {
    struct target *target = ARENA_NEW(arena, struct target);
    if (target == NULL) return NULL;
    *target = (struct target){.name = name, .id = id};
    *targets->end = target;
    targets->end = &target->next;
    targets->count++;
    return target;
}

/* One entry by itself, and against those before it; false without memory. */
static bool take(struct targets *targets, struct str name, struct uuid id, struct map *given,
                 uint64_t seed, struct arena *arena) {
    bool has_name = name.ptr != NULL, has_id = !uuid_is_zero(id);
    struct target *target;
    if (has_name == has_id) {
        target = add(targets, name, id, arena);
        if (target == NULL) return false;
        fault(target, KAFKA_INVALID_REQUEST,
              has_name ? STR("You may not specify both topic name and topic id.")
                       : STR("Neither topic name nor id were specified."));
        return true;
    }
    const struct target like = {.name = name, .id = id};
    uint64_t hash =
        has_name ? hash_bytes(name.ptr, name.len, seed) : hash_bytes(id.b, sizeof id.b, seed);
    struct map_node *node = map_find(given, hash, is_same_given, &like);
    if (node != NULL) {
        fault(CONTAINER_OF(node, struct target, given), KAFKA_INVALID_REQUEST,
              has_name ? STR("Duplicate topic name.") : STR("Duplicate topic id."));
        return true;
    }
    target = add(targets, name, id, arena);
    if (target != NULL) map_insert(given, hash, &target->given);
    return target != NULL;
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

/* Their topics, the answers and the records. */
static enum status decide(const struct controller_context *ctx, struct targets *targets,
                          struct map *resolved, uint64_t seed, int16_t version,
                          struct delete_topics_response *response,
                          struct controller_records *records) {
    for (struct target *t = targets->first; t != NULL; t = t->next) {
        breathe();
        if (t->code == KAFKA_NONE) look_up(ctx, t, resolved, seed);
    }
    response->responses =
        delete_topics_response_deletable_topic_result_array(ctx->arena, targets->count);
    if (response->responses == NULL) return ST_NOMEM;
    for (struct target *t = targets->first; t != NULL; t = t->next) {
        breathe();
        if (t->is_repetition) continue;
        if (t->topic != NULL) {
            t->topic_name = arena_str(ctx->arena, t->topic->name);
            if (t->topic_name.ptr == NULL) return ST_NOMEM;
        }
        answer(t, version, response);
        if (t->code != KAFKA_NONE) continue;
        struct remove_topic_record record;
        remove_topic_record_defaults(&record);
        record.topic_id = t->topic->id;
        controller_records_add(records, &remove_topic_record_schema, 0, &record);
    }
    return records->status;
}

/* What is named may all be refused, and then it is not looked at. */
static enum status gather(const struct controller_context *ctx,
                          const struct delete_topics_request *request, int16_t version,
                          struct targets *targets, struct map *given, uint64_t seed) {
    int32_t count = MAX(version >= 6 ? request->topics_count : request->topic_names_count, 0);
    for (int32_t i = 0; i < count; i++) {
        struct str name = version >= 6 ? request->topics[i].name : request->topic_names[i];
        struct uuid id = version >= 6 ? request->topics[i].topic_id : UUID_ZERO;
        breathe();
        if (ctx->delete_topic_enable) {
            if (!take(targets, name, id, given, seed, ctx->arena)) return ST_NOMEM;
            continue;
        }
        struct target *target = add(targets, name, id, ctx->arena);
        if (target == NULL) return ST_NOMEM;
        fault(target, version < 3 ? KAFKA_INVALID_REQUEST : KAFKA_TOPIC_DELETION_DISABLED,
              STR_NULL);
    }
    return ST_OK;
}

void controller_delete_topics(const struct controller_context *ctx,
                              const struct delete_topics_request *request, int16_t version,
                              struct delete_topics_response *response,
                              struct controller_records *records) {
    controller_records_init(records, ctx->arena);
    delete_topics_response_defaults(response);
    struct targets targets = {.end = &targets.first};
    struct map given, resolved;
    uint64_t seed;
    ctx->random(ctx->random_context, &seed, sizeof seed);
    map_init(&given, image_mem(ctx->image));
    map_init(&resolved, image_mem(ctx->image));
    enum status st = gather(ctx, request, version, &targets, &given, seed);
    if (st == ST_OK) st = decide(ctx, &targets, &resolved, seed, version, response, records);
    if (records->status == ST_OK) records->status = st;
    map_release(&given);
    map_release(&resolved);
}
