/* broker/handlers/describe_configs.c - API 32: settings in effect of topics, groups and this
 * broker, out of the shard's image and the file; where each comes from, and what else would give it
 * a value. Keys that klamm accepts without obeying are shown as Kafka shows them. A few resources
 * are answered at once, many by a job that lets the shard do other things after every few: then the
 * image may be another one for the next, so that what is borrowed from one does not last.
 * Source: kafka.server.ConfigHelper. */
#include "broker/config/group_config.h"
#include "broker/config/topic_config.h"
#include "broker/handlers/handlers.h"
#include "controller/controller.h"
#include "protocol/errors.h"

#define SLICE 8         /* topics or groups that are described in one turn: half a millisecond */
#define BROKER_WEIGHT 8 /* a broker has ten times as many keys */

/* One resource being described. */
struct description {
    struct request *rq;
    const struct describe_configs_request *in;
    const struct describe_configs_request_resource *resource;
    struct describe_configs_response_result *out;
    struct broker_settings settings; /* of the image of this turn */
    bool **marks; /* of each resource: */
    bool *asked;  /* of each key of the table at hand; NULL: all */
    bool has_memory;
    bool is_cancelled; /* nobody waits for the answer any more */
};

static void refuse(struct description *d, enum kafka_error code, struct str message) {
    d->out->error_code = (int16_t)code;
    d->out->error_message = message;
}

/* Where a key is in its table; at or above the table's count: it is not there. */
typedef size_t place_fn(struct str name);

static size_t place_of_topic_key(struct str name) {
    const struct topic_key *key = topic_key_find(name);
    return key != NULL ? (size_t)(key - topic_keys) : topic_key_count;
}

static size_t place_of_group_key(struct str name) {
    const struct group_key *key = group_key_find(name);
    return key != NULL ? (size_t)(key - group_keys) : group_key_count;
}

static size_t place_of_broker_key(struct str name) {
    const struct config_key *key = config_key_find(name);
    return key != NULL ? (size_t)(key - config_keys) : config_key_count;
}

struct key_table {
    size_t count;
    place_fn *place_of;
};

static struct key_table table_of(int8_t resource_type) {
    switch (resource_type) {
    case CONFIG_TOPIC: return (struct key_table){topic_key_count, place_of_topic_key};
    case CONFIG_BROKER: return (struct key_table){config_key_count, place_of_broker_key};
    case CONFIG_GROUP: return (struct key_table){group_key_count, place_of_group_key};
    default: return (struct key_table){0};
    }
}

/* A request may name a key a million times: each name is looked at once. */
static bool mark_asked(struct arena *arena,
                       const struct describe_configs_request_resource *resource,
                       bool **ret_marks) {
    struct key_table table = table_of(resource->resource_type);
    /* An empty list asks for all, too. */
    if (resource->configuration_keys_count <= 0 || table.count == 0) return true;
    bool *marks = arena_array(arena, table.count, sizeof *marks);
    if (marks == NULL) return false;
    for (int32_t i = 0; i < resource->configuration_keys_count; i++) {
        size_t place = table.place_of(resource->configuration_keys[i]);
        if (place < table.count) marks[place] = true;
        breathe();
    }
    *ret_marks = marks;
    return true;
}

/* Before anything of an image is looked at, since it has turns of others in between. */
static bool mark_all(struct request *rq) {
    const struct describe_configs_request *in = rq->in;
    struct description *d = rq->state_of_handler;
    d->marks = arena_array(&rq->arena, (size_t)MAX(in->resources_count, 0), sizeof *d->marks);
    if (d->marks == NULL) return false;
    for (int32_t i = 0; i < in->resources_count; i++) {
        if (!mark_asked(&rq->arena, &in->resources[i], &d->marks[i])) return false;
        breathe();
    }
    return true;
}

static bool is_asked(const struct description *d, size_t place) {
    return d->asked == NULL || d->asked[place];
}

static int8_t config_type_code(enum config_type type) {
    static const int8_t codes[] = {
        [CONFIG_BOOLEAN] = 1, [CONFIG_STRING] = 2, [CONFIG_INT] = 3,
        [CONFIG_SHORT] = 4,   [CONFIG_LONG] = 5,   [CONFIG_DOUBLE] = 6,
        [CONFIG_LIST] = 7,    [CONFIG_CLASS] = 8,  [CONFIG_PASSWORD] = 9,
    };
    return codes[type];
}

/* A value that lasts until the answer is encoded: the metadata's are of this turn's image. */
static struct str kept(struct description *d, struct str value, enum setting_source source) {
    if (source != SETTING_BROKER && source != SETTING_CLUSTER) return value;
    struct str copy = arena_str(&d->rq->arena, value);
    d->has_memory = d->has_memory && (copy.ptr != NULL || value.ptr == NULL);
    return copy;
}

/* Adds one key. synonyms: of which the first gives the source; shown when they are asked for. */
static void put(struct description *d, const struct config_key *key, struct str value,
                const struct setting_synonym *synonyms, uint32_t synonym_count, bool read_only) {
    bool is_secret = key->type == CONFIG_PASSWORD;
    enum setting_source from = synonym_count > 0 ? synonyms[0].source : SETTING_DEFAULT;
    struct describe_configs_response_resource_result *answer =
        &d->out->configs[d->out->configs_count++];
    answer->name = str_of(key->name);
    answer->value = is_secret ? STR_NULL : kept(d, value, from);
    answer->read_only = read_only;
    answer->config_source = (int8_t)from;
    answer->is_sensitive = is_secret;
    answer->config_type = config_type_code(key->type);
    answer->documentation = d->in->include_documentation ? str_of(key->doc) : STR_NULL;
    if (!d->in->include_synonyms) return;
    answer->synonyms =
        describe_configs_response_synonym_array(&d->rq->arena, (int32_t)synonym_count);
    if (answer->synonyms == NULL) {
        d->has_memory = false;
        return;
    }
    answer->synonyms_count = (int32_t)synonym_count;
    for (uint32_t i = 0; i < synonym_count; i++) {
        answer->synonyms[i].name = str_of(synonyms[i].name);
        answer->synonyms[i].value =
            is_secret ? STR_NULL : kept(d, synonyms[i].value, synonyms[i].source);
        answer->synonyms[i].source = (int8_t)synonyms[i].source;
    }
}

static bool reserve(struct description *d, uint32_t count) {
    d->out->configs =
        describe_configs_response_resource_result_array(&d->rq->arena, (int32_t)count);
    d->has_memory = d->out->configs != NULL;
    return d->has_memory;
}

/* --- topics --- */

static void describe_topic(struct description *d) {
    struct arena *arena = &d->rq->arena;
    const struct image *image = d->rq->shard->image;
    struct str name = d->resource->resource_name;
    struct str problem = topic_name_problem(name, arena);
    if (problem.ptr != NULL) {
        refuse(d, KAFKA_INVALID_TOPIC_EXCEPTION, problem);
        return;
    }
    if (image_topic_by_name(image, name) == NULL) {
        refuse(d, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, STR(""));
        return;
    }
    const struct config_image *own = image_config(image, CONFIG_TOPIC, name);
    if (!reserve(d, topic_key_count)) return;
    for (uint32_t i = 0; i < topic_key_count && d->has_memory; i++) {
        const struct topic_key *key = &topic_keys[i];
        struct setting_synonym synonyms[1 + SETTING_SYNONYMS_MAX];
        uint32_t count = 0;
        char number[SETTING_NUMBER_BYTES];
        struct setting setting = topic_setting(&d->settings, own, key, number);
        struct str value = arena_str(arena, config_value_text(key->key.type, setting.value, arena));
        bool is_own = config_image_find(own, str_of(key->key.name)).ptr != NULL;
        if (!is_asked(d, i) || (key->key.scope != SCOPE_PUBLIC && !is_own)) continue;
        if (is_own) {
            synonyms[count++] = (struct setting_synonym){
                .name = key->key.name, .value = value, .source = SETTING_TOPIC};
        }
        if (key->broker_key != NULL) {
            count += setting_synonyms(&d->settings, config_key_find(str_of(key->broker_key)),
                                      &synonyms[count]);
        }
        put(d, &key->key, value, synonyms, count, false);
    }
}

/* --- groups --- */

static void describe_group(struct description *d) {
    struct arena *arena = &d->rq->arena;
    struct str name = d->resource->resource_name;
    if (name.len == 0) {
        refuse(d, KAFKA_INVALID_REQUEST, STR("Group name must not be empty"));
        return;
    }
    const struct config_image *own = image_config(d->rq->shard->image, CONFIG_GROUP, name);
    if (!reserve(d, group_key_count)) return;
    for (uint32_t i = 0; i < group_key_count && d->has_memory; i++) {
        const struct group_key *key = &group_keys[i];
        struct setting_synonym synonyms[1 + SETTING_SYNONYMS_MAX];
        uint32_t count = 0;
        struct str value = group_setting(&d->settings, own, key);
        value = arena_str(arena, config_value_text(key->key.type, value, arena));
        if (!is_asked(d, i)) continue;
        if (config_image_find(own, str_of(key->key.name)).ptr != NULL) {
            synonyms[count++] = (struct setting_synonym){
                .name = key->key.name, .value = value, .source = SETTING_GROUP};
        }
        if (key->broker_key != NULL) {
            count += setting_synonyms(&d->settings, config_key_find(str_of(key->broker_key)),
                                      &synonyms[count]);
        } else {
            synonyms[count++] = (struct setting_synonym){.name = key->key.name,
                                                         .value = str_of(key->key.default_text),
                                                         .source = SETTING_DEFAULT};
        }
        put(d, &key->key, value, synonyms, count, false);
    }
}

/* --- brokers --- */

static void describe_cluster_default(struct description *d) {
    const struct config_image *dynamic = d->settings.of_cluster;
    if (!reserve(d, dynamic != NULL ? (uint32_t)dynamic->count : 0) || dynamic == NULL) return;
    for (int32_t i = 0; i < dynamic->count && d->has_memory; i++) {
        const struct config_key *key = config_key_find(dynamic->entries[i].key);
        if (key == NULL || !is_asked(d, (size_t)(key - config_keys))) continue;
        struct setting_synonym synonym = {
            .name = key->name, .value = dynamic->entries[i].value, .source = SETTING_CLUSTER};
        put(d, key, config_value_text(key->type, synonym.value, &d->rq->arena), &synonym, 1,
            key->update == UPDATE_READ_ONLY);
    }
}

static void describe_node(struct description *d) {
    if (!reserve(d, config_key_count)) return;
    for (uint32_t i = 0; i < config_key_count && d->has_memory; i++) {
        const struct config_key *key = &config_keys[i];
        struct setting_synonym synonyms[SETTING_SYNONYMS_MAX];
        if (!is_asked(d, i)) continue;
        uint32_t count = setting_synonyms(&d->settings, key, synonyms);
        bool is_set = count > 0 && synonyms[0].source != SETTING_DEFAULT;
        if (key->scope != SCOPE_PUBLIC && !is_set) continue;
        struct str value =
            config_value_text(key->type, setting_get(&d->settings, key).value, &d->rq->arena);
        put(d, key, value, synonyms, count, key->update == UPDATE_READ_ONLY);
    }
}

static void describe_broker(struct description *d) {
    int64_t id = 0;
    struct str name = d->resource->resource_name;
    int32_t node_id = d->rq->shard->broker->node_id;
    if (name.len == 0) {
        describe_cluster_default(d);
    } else if (!str_to_int64(name, &id) || id < INT32_MIN || id > INT32_MAX) {
        refuse(d, KAFKA_INVALID_REQUEST,
               arena_printf(&d->rq->arena, "Broker id must be an integer, but it is: %.*s",
                            STR_ARG(name)));
    } else if (id != node_id) {
        refuse(d, KAFKA_INVALID_REQUEST,
               arena_printf(&d->rq->arena,
                            "Unexpected broker id, expected %d or empty string, but received %.*s",
                            node_id, STR_ARG(name)));
    } else {
        describe_node(d);
    }
}

/* --- the request --- */

static void describe(struct description *d) {
    d->out->resource_type = d->resource->resource_type;
    d->out->resource_name = d->resource->resource_name;
    d->out->error_message = STR("");
    switch (d->resource->resource_type) {
    case CONFIG_TOPIC: describe_topic(d); return;
    case CONFIG_BROKER: describe_broker(d); return;
    case CONFIG_GROUP: describe_group(d); return;
    default:
        refuse(d, KAFKA_INVALID_REQUEST,
               STR("This broker has no settings for resources of this type."));
    }
}

static void answer(struct description *d) {
    if (d->has_memory && !d->is_cancelled) {
        request_respond(d->rq);
    } else {
        request_abandon(d->rq, true);
    }
}

/* job: NULL in the turn of the request. */
static void describe_all(struct job *job, struct description *d) {
    const struct broker *broker = d->rq->shard->broker;
    struct describe_configs_response *out = d->rq->out;
    int weight = SLICE; /* of this turn so far */
    for (int32_t i = 0; i < d->in->resources_count && d->has_memory && !d->is_cancelled; i++) {
        if (weight >= SLICE) {
            if (i > 0 && job != NULL) job_yield(job);
            d->settings =
                broker_settings_of(broker->setup.config, d->rq->shard->image, broker->node_id);
            weight = 0;
        }
        d->resource = &d->in->resources[i];
        d->asked = d->marks[i];
        d->out = &out->results[out->results_count++];
        describe(d);
        weight += d->resource->resource_type == CONFIG_BROKER ? BROKER_WEIGHT : 1;
    }
}

static void describe_job(struct job *job, void *argument) {
    struct description *d = argument;
    describe_all(job, d);
    answer(d);
}

static void cancel(struct request *rq) {
    struct description *d = rq->state_of_handler;
    d->is_cancelled = true;
}

static void describe_marked(struct request *rq) {
    const struct describe_configs_request *in = rq->in;
    struct description *d = rq->state_of_handler;
    if (in->resources_count <= 2) { /* what a tool asks of a topic or a broker */
        describe_all(NULL, d);
        answer(d);
        return;
    }
    rq->cancel = cancel;
    job_start(&rq->shard->jobs, describe_job, d);
}

void handle_describe_configs(struct request *rq) {
    const struct describe_configs_request *in = rq->in;
    struct describe_configs_response *out = rq->out;
    struct description *d = ARENA_NEW(&rq->arena, struct description);
    out->results = describe_configs_response_result_array(&rq->arena, MAX(in->resources_count, 0));
    if (d == NULL || out->results == NULL) {
        request_abandon(rq, true);
        return;
    }
    *d = (struct description){.rq = rq, .in = in, .has_memory = true};
    rq->state_of_handler = d;
    request_in_turns(rq, mark_all, describe_marked);
}
