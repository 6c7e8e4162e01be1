/* tests/unit/controller/configs.c - settings altered beside what Apache Kafka 4.3.1 answered to the
 * same raw requests, and the records that it wrote: a topic "t" with cleanup.policy=compact and
 * retention.ms=5, broker 1. */
#include "base/prng.h"
#include "controller/controller.h"
#include "controller/metadata/metadata_record.h"
#include "protocol/errors.h"
#include <criterion/criterion.h>
#include <stdio.h>

static struct mem mem;
static struct arena arena;
static struct prng prng;
static struct image *image;
static const struct uuid directory = {{1, 1}};

static void draw(void *context, void *out, size_t len) { prng_fill(context, out, len); }

/* What the tables of keys would say, for a few. */
static struct str topic_problem(void *context, const struct config_entry *entries, int32_t count,
                                struct arena *at) {
    (void)context;
    for (int32_t i = 0; i < count; i++) {
        if (i > 0) cr_expect_lt(str_cmp(entries[i - 1].key, entries[i].key), 0, "not sorted");
        cr_expect_not_null(entries[i].value.ptr);
        if (str_eq(entries[i].key, STR("nope"))) return STR("Unknown topic config name: nope");
        if (str_eq(entries[i].value, STR("bad"))) return STR("Invalid value bad");
    }
    return STR_NULL;
}

static struct refusal broker_problem(void *context, struct str name,
                                     const struct config_entry *given, int32_t given_count,
                                     const struct config_entry *entries, int32_t count,
                                     struct arena *at) {
    for (int32_t i = 0; i < given_count; i++) {
        if (str_eq(given[i].key, STR("node.id")))
            return (struct refusal){KAFKA_INVALID_REQUEST, STR("Cannot update: [node.id]")};
    }
    return (struct refusal){0};
}

static struct str list_default(void *context, int8_t type, struct str key) {
    if (type == CONFIG_TOPIC && str_eq(key, STR("cleanup.policy"))) return STR("delete");
    if (type == CONFIG_BROKER && str_eq(key, STR("log.cleanup.policy"))) return STR("delete");
    return STR_NULL;
}

static struct controller_context context(void) {
    return (struct controller_context){
        .image = image,
        .arena = &arena,
        .next_offset = 100,
        .node_id = 1,
        .default_partitions = 1,
        .default_replication_factor = 1,
        .min_insync_replicas = 1,
        .rules = {.topic_problem = topic_problem,
                  .broker_problem = broker_problem,
                  .list_default = list_default},
        .random = draw,
        .random_context = &prng,
    };
}

static void apply(const struct controller_records *records) {
    struct image *next;
    struct image_delta delta;
    cr_assert_eq(records->status, ST_OK);
    if (records->count == 0) return;
    enum status st = image_apply(image, records->values, records->count,
                                 image_offset(image) + records->count, 1, &arena, &next, &delta);
    cr_assert_eq(st, ST_OK, "%s: %.*s", status_name(st), STR_ARG(delta.problem));
    image_free(image);
    image = next;
}

static void make_topic(void) {
    struct controller_records records;
    struct create_topics_request request;
    struct create_topics_response response;
    struct create_topics_request_creatable_topic_config configs[2];
    create_topics_request_defaults(&request);
    request.topics = create_topics_request_creatable_topic_array(&arena, 1);
    request.topics_count = 1;
    request.topics[0].name = STR("t");
    request.topics[0].num_partitions = 1;
    request.topics[0].replication_factor = 1;
    request.topics[0].configs = configs;
    request.topics[0].configs_count = 2;
    for (int i = 0; i < 2; i++) create_topics_request_creatable_topic_config_defaults(&configs[i]);
    configs[0].name = STR("cleanup.policy");
    configs[0].value = STR("compact");
    configs[1].name = STR("retention.ms");
    configs[1].value = STR("5");
    struct controller_context ctx = context();
    controller_create_topics(&ctx, &request, 7, &response, &records);
    apply(&records);
}

static void setup(void) {
    arena_init(&arena, &mem, 1 << 20, 0);
    prng_seed(&prng, 5);
    image = image_new(&mem);
    struct broker_endpoint endpoint = {STR("PLAINTEXT"), STR("127.0.0.1"), 9092, 0};
    struct broker_registration registration = {.id = 1,
                                               .endpoints = &endpoint,
                                               .endpoint_count = 1,
                                               .directories = &directory,
                                               .directory_count = 1};
    struct controller_context ctx = context();
    struct controller_records records;
    int64_t epoch;
    controller_records_init(&records, &arena);
    controller_register(&ctx, &registration, &epoch, &records);
    apply(&records);
    make_topic();
}
static void teardown(void) {
    image_free(image);
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0, "%zu octets are left", mem.used_bytes);
}
TestSuite(configs, .init = setup, .fini = teardown);

/* KEY=VALUE of each ConfigRecord, KEY- where it goes, and "elr NAME" of a ClearElrRecord. */
static const char *told(const struct controller_records *records) {
    static char text[1024];
    size_t len = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < records->count; i++) {
        struct metadata_record record;
        struct config_record config;
        struct clear_elr_record clear;
        cr_assert_eq(metadata_record_open(records->values[i], &record), ST_OK);
        const char *space = i > 0 ? " " : "";
        if (record.schema == &clear_elr_record_schema) {
            cr_assert_eq(metadata_record_decode(&record, &arena, &clear), ST_OK);
            len += (size_t)snprintf(text + len, sizeof text - len, "%selr:%.*s", space,
                                    STR_ARG(clear.topic_name));
            continue;
        }
        cr_assert_eq(metadata_record_decode(&record, &arena, &config), ST_OK);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s%s%.*s", space,
                                STR_ARG(config.name), config.value.ptr != NULL ? "=" : "-",
                                STR_ARG(config.value));
    }
    return text;
}

struct edit_row {
    int8_t op; /* 's'et, 'd'elete, 'a'ppend, 'r'emove (SUBTRACT), '?' */
    const char *key, *value;
};

static const struct {
    const char *name;
    int8_t type;
    const char *resource;
    struct edit_row edits[3];
    int16_t code;
    const char *message, *records; /* NULL: null */
} rows[] = {
    {"set", 2, "t", {{'s', "segment.ms", "7"}}, 0, NULL, "segment.ms=7"},
    {"set to what it is", 2, "t", {{'s', "retention.ms", "5"}}, 0, NULL, ""},
    {"set to nothing",
     2,
     "t",
     {{'s', "retention.ms", NULL}},
     42,
     "Null value not supported for : retention.ms",
     ""},
    {"delete", 2, "t", {{'d', "retention.ms", "9"}}, 0, NULL, "retention.ms-"},
    {"delete what is not set", 2, "t", {{'d', "nope", NULL}}, 0, NULL, ""},
    {"append",
     2,
     "t",
     {{'a', "cleanup.policy", "delete"}},
     0,
     NULL,
     "cleanup.policy=compact,delete"},
    {"append what is there", 2, "t", {{'a', "cleanup.policy", "compact"}}, 0, NULL, ""},
    {"append several",
     2,
     "t",
     {{'a', "cleanup.policy", "compact,delete"}},
     0,
     NULL,
     "cleanup.policy=compact,delete"},
    {"subtract", 2, "t", {{'r', "cleanup.policy", "compact"}}, 0, NULL, "cleanup.policy="},
    {"subtract what is not there", 2, "t", {{'r', "cleanup.policy", "foo"}}, 0, NULL, ""},
    {"append to a number",
     2,
     "t",
     {{'a', "retention.ms", "5"}},
     40,
     "Can't APPEND to key retention.ms because its type is not LIST.",
     ""},
    {"subtract from a number",
     2,
     "nope",
     {{'r', "retention.ms", "5"}},
     40,
     "Can't SUBTRACT to key retention.ms because its type is not LIST.",
     ""},
    {"an unknown operation", 2, "t", {{'?', "retention.ms", "5"}}, -1, NULL, ""},
    {"a key twice",
     2,
     "t",
     {{'s', "retention.ms", "5"}, {'d', "retention.ms", NULL}},
     42,
     "Error due to duplicate config keys",
     ""},
    {"a bad value keeps all out",
     2,
     "t",
     {{'s', "segment.ms", "7"}, {'s', "retention.ms", "bad"}},
     40,
     "Invalid value bad",
     ""},
    {"an unknown key", 2, "t", {{'s', "nope", "7"}}, 40, "Unknown topic config name: nope", ""},
    {"an unknown topic",
     2,
     "nope",
     {{'d', "retention.ms", NULL}},
     3,
     "The topic 'nope' does not exist.",
     ""},
    {"an unknown key before an unknown topic",
     2,
     "nope",
     {{'s', "nope", "7"}},
     40,
     "Unknown topic config name: nope",
     ""},
    {"no topic name",
     2,
     "a/b",
     {{'s', "retention.ms", "7"}},
     17,
     "Topic name is invalid: 'a/b' contains one or more characters other than ASCII "
     "alphanumerics, '.', '_' and '-'",
     ""},
    {"no topic",
     2,
     "",
     {{'s', "retention.ms", "7"}},
     42,
     "Default topic resources are not allowed.",
     ""},
    {"an unknown type", 99, "t", {{'s', "retention.ms", "7"}}, 42, "Unknown resource type 99", ""},
    {"another minimum",
     2,
     "t",
     {{'s', "min.insync.replicas", "2"}},
     0,
     NULL,
     "min.insync.replicas=2 elr:t"},
    {"a broker",
     4,
     "1",
     {{'s', "log.segment.bytes", "2000000"}},
     0,
     NULL,
     "log.segment.bytes=2000000"},
    {"a broker's that stays is written",
     4,
     "",
     {{'s', "min.insync.replicas", "1"}},
     0,
     NULL,
     "min.insync.replicas=1 elr:"},
    {"a broker's that was never there", 4, "1", {{'d', "node.id", NULL}}, 0, NULL, "node.id-"},
    {"a broker's list",
     4,
     "",
     {{'a', "log.cleanup.policy", "compact"}},
     0,
     NULL,
     "log.cleanup.policy=delete,compact"},
    {"append to a broker's number",
     4,
     "1",
     {{'a', "log.segment.bytes", "2"}},
     40,
     "Config value append is not allowed for config key: log.segment.bytes",
     ""},
    {"an unknown operation on a broker",
     4,
     "1",
     {{'?', "log.segment.bytes", "2"}},
     42,
     "Unknown operations type 7",
     ""},
    {"what the broker refuses",
     4,
     "1",
     {{'s', "node.id", "2"}},
     42,
     "Cannot update: [node.id]",
     ""},
    {"one broker's minimum",
     4,
     "1",
     {{'s', "min.insync.replicas", "2"}},
     40,
     "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
     ""},
    {"no minimum",
     4,
     "",
     {{'d', "min.insync.replicas", NULL}},
     40,
     "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
     ""},
};

static int8_t op_code(int8_t op) {
    return op == 's' ? 0 : op == 'd' ? 1 : op == 'a' ? 2 : op == 'r' ? 3 : 7;
}

static size_t row_of(const char *name) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) return i;
    }
    cr_assert_fail("no row '%s'", name);
    return 0;
}

static void fill(struct incremental_alter_configs_request_resource *resource, size_t row) {
    incremental_alter_configs_request_resource_defaults(resource);
    resource->resource_type = rows[row].type;
    resource->resource_name = str_of(rows[row].resource);
    resource->configs = incremental_alter_configs_request_alterable_config_array(&arena, 3);
    for (int i = 0; i < 3 && rows[row].edits[i].key != NULL; i++) {
        resource->configs[i].name = str_of(rows[row].edits[i].key);
        resource->configs[i].value = str_of(rows[row].edits[i].value);
        resource->configs[i].config_operation = op_code(rows[row].edits[i].op);
        resource->configs_count++;
    }
}

static struct incremental_alter_configs_response
edit(struct incremental_alter_configs_request_resource *resources, int32_t count, bool validate,
     struct controller_records *records) {
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response response;
    incremental_alter_configs_request_defaults(&request);
    request.resources = resources;
    request.resources_count = count;
    request.validate_only = validate;
    struct controller_context ctx = context();
    controller_incremental_alter_configs(&ctx, &request, &response, records);
    cr_assert_eq(records->status, ST_OK);
    cr_assert_eq(response.responses_count, count);
    return response;
}

Test(configs, edits_are_answered_and_written_as_kafka_does) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct incremental_alter_configs_request_resource resource;
        struct controller_records records;
        fill(&resource, i);
        struct incremental_alter_configs_response response = edit(&resource, 1, false, &records);
        cr_expect_eq(response.responses[0].error_code, rows[i].code, "%s: got %d", rows[i].name,
                     response.responses[0].error_code);
        cr_expect(str_eq(response.responses[0].error_message, str_of(rows[i].message)),
                  "%s: got '%.*s'", rows[i].name, STR_ARG(response.responses[0].error_message));
        cr_expect_str_eq(told(&records), rows[i].records, "%s: got '%s'", rows[i].name,
                         told(&records));
        (void)edit(&resource, 1, true, &records);
        cr_expect_eq(records.count, 0, "%s: only validated", rows[i].name);
    }
}

Test(configs, a_refused_resource_keeps_no_other_from_being_altered) {
    struct incremental_alter_configs_request_resource resources[3];
    struct controller_records records;
    fill(&resources[0], row_of("an unknown operation"));
    fill(&resources[1], row_of("set"));
    resources[0].resource_name = STR("u");
    fill(&resources[2], row_of("a broker"));
    struct incremental_alter_configs_response response = edit(resources, 3, false, &records);
    cr_expect_eq(response.responses[0].error_code, -1);
    cr_expect_eq(response.responses[1].error_code, 0);
    cr_expect_eq(response.responses[2].error_code, 0);
    cr_expect_str_eq(told(&records), "segment.ms=7 log.segment.bytes=2000000");
}

Test(configs, a_resource_that_stands_twice_is_refused_twice) {
    struct incremental_alter_configs_request_resource resources[3];
    struct controller_records records;
    fill(&resources[0], row_of("set"));
    fill(&resources[1], row_of("a broker"));
    fill(&resources[2], row_of("delete"));
    struct incremental_alter_configs_response response = edit(resources, 3, false, &records);
    cr_expect_eq(response.responses[0].error_code, KAFKA_INVALID_REQUEST);
    cr_expect_eq(response.responses[1].error_code, 0);
    cr_expect_eq(response.responses[2].error_code, KAFKA_INVALID_REQUEST);
    cr_expect(str_eq(response.responses[2].error_message,
                     STR("Each resource must appear at most once.")));
    cr_expect_str_eq(told(&records), "log.segment.bytes=2000000");
}

static struct alter_configs_response_resource replace(int8_t type, const char *name,
                                                      const char *key, const char *value,
                                                      struct controller_records *records) {
    struct alter_configs_request request;
    struct alter_configs_response response;
    struct alter_configs_request_resource resource;
    struct alter_configs_request_alterable_config config;
    alter_configs_request_defaults(&request);
    alter_configs_request_resource_defaults(&resource);
    alter_configs_request_alterable_config_defaults(&config);
    config.name = str_of(key);
    config.value = str_of(value);
    resource.resource_type = type;
    resource.resource_name = str_of(name);
    resource.configs = &config;
    resource.configs_count = key != NULL;
    request.resources = &resource;
    request.resources_count = 1;
    struct controller_context ctx = context();
    controller_alter_configs(&ctx, &request, &response, records);
    cr_assert_eq(records->status, ST_OK);
    cr_assert_eq(response.responses_count, 1);
    return response.responses[0];
}

Test(configs, the_old_request_takes_away_what_it_does_not_name) {
    struct controller_records records;
    cr_expect_eq(replace(CONFIG_TOPIC, "t", "segment.ms", "7", &records).error_code, 0);
    cr_expect_str_eq(told(&records), "cleanup.policy- retention.ms- segment.ms=7");
    cr_expect_eq(replace(CONFIG_TOPIC, "t", "retention.ms", "5", &records).error_code, 0);
    cr_expect_str_eq(told(&records), "cleanup.policy-");
    cr_expect_eq(replace(CONFIG_TOPIC, "t", NULL, NULL, &records).error_code, 0);
    cr_expect_str_eq(told(&records), "cleanup.policy- retention.ms-");
    cr_expect_eq(replace(CONFIG_TOPIC, "nope", NULL, NULL, &records).error_code, 3);
    struct alter_configs_response_resource answer =
        replace(CONFIG_BROKER, "", "log.segment.bytes", "3000000", &records);
    cr_expect_eq(answer.error_code, KAFKA_INVALID_CONFIG);
    cr_expect(
        str_eq(answer.error_message,
               STR("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")));
    cr_expect_eq(records.count, 0);
}

Test(configs, what_is_altered_is_in_the_image) {
    struct incremental_alter_configs_request_resource resource;
    struct controller_records records;
    fill(&resource, row_of("append"));
    (void)edit(&resource, 1, false, &records);
    apply(&records);
    cr_expect(str_eq(image_config_value(image, CONFIG_TOPIC, STR("t"), STR("cleanup.policy")),
                     STR("compact,delete")));
    fill(&resource, row_of("a broker's that was never there"));
    resource.resource_name = STR("");
    (void)edit(&resource, 1, false, &records);
    apply(&records);
}
