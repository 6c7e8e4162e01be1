/* tests/unit/controller/topics.c - CreateTopics beside what Apache Kafka 4.3.1 answered to the same
 * raw requests on a broker with id 1, topics "ok" and "a.b", and the settings of its defaults. */
#include "controller/controller.h"
#include "controller/metadata/metadata_record.h"
#include "golden.h"
#include "protocol/errors.h"
#include "base/prng.h"
#include <criterion/criterion.h>
#include <stdio.h>

static struct mem mem;
static struct arena arena;
static struct prng prng;
static struct image *image;
static const struct uuid broker_dirs[2] = {{{1, 1}}, {{2, 2}}};

static void draw(void *context, void *out, size_t len) { prng_fill(context, out, len); }

/* What the table of settings would say; as the broker does, for two keys. */
static struct str config_problem(void *context, const struct config_entry *entries, int32_t count,
                                 struct arena *at) {
    for (int32_t i = 0; i < count; i++) {
        bool known = str_eq(entries[i].key, STR("retention.ms")) ||
                     str_eq(entries[i].key, STR("min.insync.replicas"));
        if (!known) {
            return arena_printf(at, "Unknown topic config name: %.*s", STR_ARG(entries[i].key));
        }
    }
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
        .delete_topic_enable = true,
        .rules = {.topic_problem = config_problem},
        .random = draw,
        .random_context = &prng,
    };
}

static void apply(const struct controller_records *records) {
    struct image *next;
    struct image_delta delta;
    enum status st = image_apply(image, records->values, records->count,
                                 image_offset(image) + records->count, 1, &arena, &next, &delta);
    cr_assert_eq(records->status, ST_OK);
    cr_assert_eq(st, ST_OK, "%s: %.*s", status_name(st), STR_ARG(delta.problem));
    image_free(image);
    image = next;
}

static void register_broker(int32_t id, int32_t directory_count) {
    struct broker_endpoint endpoint = {STR("PLAINTEXT"), STR("127.0.0.1"), 9092, 0};
    struct broker_registration registration = {
        .id = id,
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .directories = broker_dirs,
        .directory_count = directory_count,
    };
    struct controller_context ctx = context();
    struct controller_records records;
    int64_t epoch;
    controller_records_init(&records, &arena);
    controller_register(&ctx, &registration, &epoch, &records);
    apply(&records);
}

struct config_row {
    const char *key, *value;
};
/* One topic of a request. */
struct topic_row {
    const char *name;
    int32_t partitions;
    int16_t factor;
    struct config_row configs[3];
    const char *assignments; /* "0:1,2 1:2": partition 0 on 1 and 2, partition 1 on 2; NULL: none */
};

static void fill_assignments(struct create_topics_request_creatable_topic *topic,
                             const char *text) {
    topic->assignments = create_topics_request_creatable_replica_assignment_array(&arena, 8);
    while (*text != '\0') {
        struct create_topics_request_creatable_replica_assignment *row =
            &topic->assignments[topic->assignments_count++];
        char *end;
        row->partition_index = (int32_t)strtol(text, &end, 10);
        row->broker_ids = arena_array(&arena, 8, sizeof(int32_t));
        for (text = end + 1; *text != '\0' && *text != ' '; text = *end == ',' ? end + 1 : end) {
            row->broker_ids[row->broker_ids_count++] = (int32_t)strtol(text, &end, 10);
        }
        if (*text == ' ') text++;
    }
}

static struct create_topics_response create(const struct topic_row *rows, int32_t count,
                                            bool validate_only,
                                            struct controller_records *records) {
    struct create_topics_request request;
    struct create_topics_response response;
    create_topics_request_defaults(&request);
    request.validate_only = validate_only;
    request.topics = create_topics_request_creatable_topic_array(&arena, count);
    request.topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct create_topics_request_creatable_topic *topic = &request.topics[i];
        topic->name = str_of(rows[i].name);
        topic->num_partitions = rows[i].partitions;
        topic->replication_factor = rows[i].factor;
        topic->configs = create_topics_request_creatable_topic_config_array(&arena, 3);
        for (int32_t j = 0; j < 3 && rows[i].configs[j].key != NULL; j++) {
            topic->configs[j].name = str_of(rows[i].configs[j].key);
            topic->configs[j].value = str_of(rows[i].configs[j].value);
            topic->configs_count++;
        }
        if (rows[i].assignments != NULL) fill_assignments(topic, rows[i].assignments);
    }
    struct controller_context ctx = context();
    controller_create_topics(&ctx, &request, 7, &response, records);
    cr_assert_eq(records->status, ST_OK);
    return response;
}

static void setup(void) {
    arena_init(&arena, &mem, 1 << 20, 0);
    prng_seed(&prng, 5);
    image = image_new(&mem);
    register_broker(1, 1);
    struct controller_records records;
    static const struct topic_row rows[] = {{.name = "ok", .partitions = 3, .factor = 1},
                                            {.name = "a.b", .partitions = 1, .factor = 1}};
    (void)create(rows, 2, false, &records);
    apply(&records);
}
static void teardown(void) {
    image_free(image);
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0, "%zu octets are left", mem.used_bytes);
}
TestSuite(topics, .init = setup, .fini = teardown);

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LETTERS "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
#define SEQUENCE "partitions should be a consecutive 0-based integer sequence"
#define POSITIVE "Number of partitions was set to an invalid non-positive value."
#define FACTOR "Replication factor must be larger than 0, or -1 to use the default value."
#define MANUAL "A manual partition assignment was specified, but "
#define TOO_MANY "Excessively large number of partitions per request."
#define UNREACHABLE_FACTOR(n)                                                                      \
    "Unable to replicate the partition " n " time(s): The target replication factor of " n         \
    " cannot be reached because only 1 broker(s) are registered or some brokers have all their "   \
    "log directories cordoned."

static const struct {
    struct topic_row topic;
    enum kafka_error code;
    const char *message;
} answers[] = {
    {{"fine", 1, 1}, KAFKA_NONE, NULL},
    {{"defaults", -1, -1}, KAFKA_NONE, NULL},
    {{"__other", 1, 1}, KAFKA_NONE, NULL},
    {{"__consumer_offsets", 1, 1}, KAFKA_NONE, NULL},
    {{"", 1, 1}, 17, "Topic name is invalid: the empty string is not allowed"},
    {{".", 1, 1}, 17, "Topic name is invalid: '.' is not allowed"},
    {{"..", 1, 1}, 17, "Topic name is invalid: '..' is not allowed"},
    {{"a b", 1, 1}, 17, "Topic name is invalid: 'a b" LETTERS},
    {{"\xc3\xa9", 1, 1}, 17, "Topic name is invalid: '\xc3\xa9" LETTERS},
    {{X50 X50 X50 X50 X50, 1, 1},
     17,
     "Topic name is invalid: the length of '" X50 X50 X50 X50 X50
     "' is longer than the max allowed length 249"},
    {{"__cluster_metadata", 1, 1},
     42,
     "Creation of internal topic __cluster_metadata is prohibited."},
    {{"ok", 1, 1}, 36, "Topic 'ok' already exists."},
    {{"a.b", 1, 1}, 36, "Topic 'a.b' already exists."},
    {{"a_b", 1, 1}, 17, "Topic 'a_b' collides with existing topic: a.b"},
    {{"n", 0, 1}, 37, POSITIVE},
    {{"n", -2, 1}, 37, POSITIVE},
    {{"n", 1, 0}, 38, FACTOR},
    {{"n", 1, -2}, 38, FACTOR},
    {{"n", 0, 0}, 38, FACTOR},
    {{"n", 1, 2}, 38, UNREACHABLE_FACTOR("2")},
    {{"n", 1, 32767}, 38, UNREACHABLE_FACTOR("32767")},
    {{"n", 9999, 1}, KAFKA_NONE, NULL},
    {{"n", 10000, 1}, 44, "Unable to perform excessively large batch operation."},
    {{"n", 10001, 1}, 44, TOO_MANY},
    {{"n", INT32_MAX, 1}, 44, TOO_MANY},
    {{"m", -1, -1, .assignments = "0:1"}, KAFKA_NONE, NULL},
    {{"m", -1, -1, .assignments = "1:1 0:1"}, KAFKA_NONE, NULL},
    {{"m", 1, -1, .assignments = "0:1"}, 42, MANUAL "numPartitions was not set to -1."},
    {{"m", -1, 1, .assignments = "0:1"}, 42, MANUAL "replication factor was not set to -1."},
    {{"m", 1, 1, .assignments = "0:1"}, 42, MANUAL "replication factor was not set to -1."},
    {{"m", -1, -1, .assignments = "1:1"}, 39, SEQUENCE},
    {{"m", -1, -1, .assignments = "0:1 2:1"}, 39, SEQUENCE},
    {{"m", -1, -1, .assignments = "-1:1"}, 39, SEQUENCE},
    {{"m", -1, -1, .assignments = "0:1,1"},
     39,
     "The manual partition assignment includes the broker 1 more than once."},
    {{"m", -1, -1, .assignments = "0:1,1 1:1"},
     39,
     "The manual partition assignment includes the broker 1 more than once."},
    {{"m", -1, -1, .assignments = "0:9"},
     39,
     "The manual partition assignment includes broker 9, but no such broker is registered."},
    {{"m", -1, -1, .assignments = "0:-1"},
     39,
     "The manual partition assignment includes broker -1, but no such broker is registered."},
    {{"m", -1, -1, .assignments = "0:1 1:1,2"},
     39,
     "The manual partition assignment includes broker 2, but no such broker is registered."},
    {{"m", -1, -1, .assignments = "0:"},
     39,
     "The manual partition assignment includes an empty replica list."},
    {{"m", -1, -1, .assignments = "0:1 0:1"},
     39,
     "Found multiple manual partition assignments for partition 0"},
    {{"k", 1, 1, .configs = {{"retention.ms", "5000"}}}, KAFKA_NONE, NULL},
    {{"k", 1, 1, .configs = {{"nope", "1"}}}, 40, "Unknown topic config name: nope"},
    {{"k", 0, 1, .configs = {{"nope", "1"}}}, 40, "Unknown topic config name: nope"},
    {{"ok", 1, 1, .configs = {{"nope", "1"}}}, 36, "Topic 'ok' already exists."},
    {{"k", 1, 1, .configs = {{"retention.ms", NULL}}},
     40,
     "Null value not supported for topic configs: retention.ms"},
    {{"k", 1, 1, .configs = {{"b", NULL}, {"a", NULL}, {"nope", "1"}}},
     40,
     "Null value not supported for topic configs: b,a"},
};

Test(topics, are_refused_as_kafka_refuses_them) {
    for (size_t i = 0; i < COUNT(answers); i++) {
        const char *name = answers[i].topic.name;
        struct controller_records records;
        struct create_topics_response response = create(&answers[i].topic, 1, false, &records);
        cr_assert_eq(response.topics_count, 1, "row %zu %s", i, name);
        const struct create_topics_response_creatable_topic_result *result = &response.topics[0];
        cr_expect(str_eq(result->name, str_of(name)), "row %zu %s", i, name);
        cr_expect_eq(result->error_code, (int16_t)answers[i].code, "row %zu %s: got %d %.*s", i,
                     name, result->error_code, STR_ARG(result->error_message));
        cr_expect(str_eq(result->error_message, str_of(answers[i].message)),
                  "row %zu %s: says %.*s", i, name, STR_ARG(result->error_message));
        cr_expect_eq(records.count > 0, answers[i].code == KAFKA_NONE, "row %zu %s", i, name);
        cr_expect_eq(uuid_is_zero(result->topic_id), answers[i].code != KAFKA_NONE, "row %zu", i);
    }
}

static struct str printed(struct bytes value) {
    struct metadata_record record;
    uint8_t decoded[1024];
    struct strbuf sb;
    cr_assert_eq(metadata_record_open(value, &record), ST_OK);
    cr_assert_eq(metadata_record_decode(&record, &arena, decoded), ST_OK);
    strbuf_init(&sb, &mem);
    strbuf_printf(&sb, "%s %d ", record.schema->name, record.version);
    codec_print_json(record.schema, record.version, decoded, &sb);
    struct str text = arena_str(&arena, strbuf_str(&sb));
    strbuf_release(&sb);
    return text;
}

static void expect_records(const struct controller_records *records, const char *const *expected,
                           size_t count) {
    cr_expect_eq(records->count, count, "%u records", records->count);
    for (size_t i = 0; i < MIN(count, records->count); i++) {
        struct str text = printed(records->values[i]);
        cr_expect_not_null(strstr(text.ptr, expected[i]), "record %zu: %s", i, text.ptr);
    }
}

Test(topics, are_written_in_the_records_that_kafka_writes) {
    static const struct topic_row row = {
        "alpha", 2, 1, .configs = {{"retention.ms", "1000"}, {"min.insync.replicas", "1"}}};
    struct controller_records records;
    struct create_topics_response response = create(&row, 1, false, &records);
    char id[UUID_TEXT_BYTES + 1], directory[UUID_TEXT_BYTES + 1];
    uuid_format(response.topics[0].topic_id, id);
    uuid_format(broker_dirs[0], directory);
    cr_expect_eq(response.topics[0].num_partitions, 2);
    cr_expect_eq(response.topics[0].replication_factor, 1);
    cr_expect_eq(response.topics[0].configs_count, 2);
    const char *const expected[] = {
        arena_printf(&arena, "TopicRecord 0 {\"name\":\"alpha\",\"topicId\":\"%s\"}", id).ptr,
        "ConfigRecord 0 {\"resourceType\":2,\"resourceName\":\"alpha\","
        "\"name\":\"min.insync.replicas\",\"value\":\"1\"}",
        "ConfigRecord 0 {\"resourceType\":2,\"resourceName\":\"alpha\","
        "\"name\":\"retention.ms\",\"value\":\"1000\"}",
        "ClearElrRecord 0 {\"topicName\":\"alpha\"}",
        arena_printf(&arena,
                     "PartitionRecord 2 {\"partitionId\":0,\"topicId\":\"%s\",\"replicas\":[1],"
                     "\"isr\":[1],\"removingReplicas\":[],\"addingReplicas\":[],\"leader\":1,"
                     "\"leaderEpoch\":0,\"partitionEpoch\":0,\"directories\":[\"%s\"]}",
                     id, directory)
            .ptr,
        "PartitionRecord 2 {\"partitionId\":1,",
    };
    expect_records(&records, expected, COUNT(expected));
    apply(&records);
    cr_expect_eq(image_topic_by_name(image, STR("alpha"))->partition_count, 2);
}

Test(topics, of_one_request_stand_and_fall_alone) {
    static const struct topic_row rows[] = {
        {"twice", 1, 1}, {"bad name", 1, 1},           {"c.d", 1, 1}, {"twice", 2, 1},
        {"c_d", 1, 1},   {"__cluster_metadata", 1, 1}, {"z", 2, 1},
    };
    static const struct {
        const char *name;
        int16_t code;
    } expected[] = {{"bad name", 17}, {"c.d", 0},    {"c_d", 0},
                    {"z", 0},         {"twice", 42}, {"__cluster_metadata", 42}};
    struct controller_records records;
    struct create_topics_response response = create(rows, COUNT(rows), false, &records);
    cr_assert_eq(response.topics_count, (int32_t)COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        cr_expect(str_eq(response.topics[i].name, str_of(expected[i].name)), "answer %zu: %.*s", i,
                  STR_ARG(response.topics[i].name));
        cr_expect_eq(response.topics[i].error_code, expected[i].code, "%s", expected[i].name);
    }
    cr_expect_eq(records.count, 3 + 4, "three topics, four partitions");
    apply(&records);
    static const struct topic_row again = {"c-d", 1, 1}, third = {"c.d_", 1, 1};
    cr_expect_eq(create(&again, 1, false, &records).topics[0].error_code, 0, "- is another letter");
    cr_expect_eq(create(&third, 1, false, &records).topics[0].error_code, 0);
}

Test(topics, limits_are_those_of_the_whole_request) {
    static const struct topic_row rows[] = {{"a", 5000, 1}, {"b", 5000, 1}};
    struct controller_records records;
    struct create_topics_response response = create(rows, 2, false, &records);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(response.topics[i].error_code, 44);
        cr_expect(str_eq(response.topics[i].error_message,
                         STR("Unable to perform excessively large batch operation.")));
    }
    cr_expect_eq(records.count, 0);
    static const struct topic_row more[] = {{"bad name", 5000, 1}, {"b", 5001, 1}};
    response = create(more, 2, false, &records);
    cr_expect_eq(response.topics[0].error_code, 44, "before names are looked at");
    cr_expect_eq(response.topics[1].error_code, 44);
}

Test(topics, validating_leaves_nothing) {
    static const struct topic_row row = {"v", 4, 1};
    struct controller_records records;
    struct create_topics_response response = create(&row, 1, true, &records);
    cr_expect_eq(response.topics[0].error_code, 0);
    cr_expect_eq(response.topics[0].num_partitions, 4);
    cr_expect(!uuid_is_zero(response.topics[0].topic_id));
    cr_expect_eq(records.count, 0);
}

Test(topics, of_a_setting_given_twice_the_last_one_holds) {
    static const struct topic_row row = {"v", 1, 1,
                                         .configs = {{"retention.ms", "1"}, {"retention.ms", "2"}}};
    struct controller_records records;
    (void)create(&row, 1, false, &records);
    apply(&records);
    struct str value = image_config_value(image, CONFIG_TOPIC, STR("v"), STR("retention.ms"));
    cr_expect(str_eq(value, STR("2")), "%.*s", STR_ARG(value));
}

Test(topics, do_not_inherit_settings_that_outlived_another) {
    struct config_record stale;
    config_record_defaults(&stale);
    stale.resource_type = CONFIG_TOPIC;
    stale.resource_name = STR("ghost");
    stale.name = STR("retention.ms");
    stale.value = STR("7");
    struct bytes value;
    cr_assert_eq(metadata_record_encode(&config_record_schema, 0, &stale, &arena, &value), ST_OK);
    struct controller_records records = {.values = &value, .count = 1};
    apply(&records);
    static const struct topic_row row = {"ghost", 1, 1};
    (void)create(&row, 1, false, &records);
    apply(&records);
    cr_expect_null(image_config(image, CONFIG_TOPIC, STR("ghost")));
}

Test(topics, are_placed_on_brokers_in_turn_and_their_directory_is_left_open) {
    register_broker(2, 2);
    static const struct topic_row row = {"spread", 4, 2};
    struct controller_records records;
    (void)create(&row, 1, false, &records);
    apply(&records);
    const struct topic_image *topic = image_topic_by_name(image, STR("spread"));
    for (int32_t i = 0; i < 4; i++) {
        const struct partition_image *partition = &topic->partitions[i];
        cr_expect_eq(partition->replicas[0], 1 + i % 2, "partition %d", i);
        cr_expect_eq(partition->replicas[1], 2 - i % 2, "partition %d", i);
        cr_expect_eq(partition->leader, partition->replicas[0]);
        cr_expect_eq(partition->isr_count, 2);
        cr_expect(uuid_eq(partition->directories[i % 2], broker_dirs[0]), "one directory");
        cr_expect(uuid_eq(partition->directories[1 - i % 2], DIRECTORY_UNASSIGNED), "two of them");
    }
}

static void cordon(int32_t id, int32_t count) {
    struct controller_context ctx = context();
    struct controller_records records;
    controller_records_init(&records, &arena);
    controller_cordon_directories(&ctx, id, broker_dirs, count, &records);
    apply(&records);
}

Test(topics, are_placed_on_brokers_that_have_a_directory_left) {
    static const struct topic_row spread = {"spread", 4, 1}, none = {"none", 1, 1};
    struct controller_records records;
    register_broker(2, 2);
    cordon(1, 1); /* all that it has */
    cordon(2, 1);
    (void)create(&spread, 1, false, &records);
    apply(&records);
    const struct topic_image *topic = image_topic_by_name(image, STR("spread"));
    for (int32_t i = 0; i < 4; i++)
        cr_expect_eq(topic->partitions[i].replicas[0], 2, "partition %d", i);
    cordon(2, 2);
    struct create_topics_response response = create(&none, 1, false, &records);
    cr_expect_eq(records.count, 0);
    cr_expect_eq(response.topics[0].error_code, KAFKA_INVALID_REPLICATION_FACTOR);
    cordon(1, 0);
    (void)create(&none, 1, false, &records);
    apply(&records);
    cr_expect_eq(image_topic_by_name(image, STR("none"))->partitions[0].replicas[0], 1);
}

/* --- DeleteTopics --- */

struct target_row {
    const char *name;
    int id; /* 0: none; 1: of "ok"; 2: of nothing */
};

static struct delete_topics_response delete_them(const struct target_row *rows, int32_t count,
                                                 int16_t version, bool enabled,
                                                 struct controller_records *records) {
    struct delete_topics_request request;
    struct delete_topics_response response;
    delete_topics_request_defaults(&request);
    request.topics = delete_topics_request_topic_state_array(&arena, count);
    request.topic_names = arena_array(&arena, (size_t)count, sizeof(struct str));
    if (version >= 6) request.topics_count = count;
    if (version < 6) request.topic_names_count = count;
    for (int32_t i = 0; i < count; i++) {
        request.topic_names[i] = str_of(rows[i].name);
        request.topics[i].name = str_of(rows[i].name);
        if (rows[i].id == 1) request.topics[i].topic_id = image_topic_by_name(image, STR("ok"))->id;
        if (rows[i].id == 2) request.topics[i].topic_id = (struct uuid){{9, 9}};
    }
    struct controller_context ctx = context();
    ctx.delete_topic_enable = enabled;
    controller_delete_topics(&ctx, &request, version, &response, records);
    cr_assert_eq(records->status, ST_OK);
    return response;
}

#define NO_TOPIC "This server does not host this topic-partition."
static const struct {
    const char *name;
    struct target_row targets[2];
    int32_t count;
    int16_t version;
    bool disabled;
    int32_t answer_count;
    int16_t code;
    const char *message;
    bool has_id;
} deletions[] = {
    {"by name", {{"ok"}}, 1, 6, false, 1, 0, NULL, true},
    {"by name, before ids", {{"ok"}}, 1, 5, false, 1, 0, NULL, false},
    {"by id", {{NULL, 1}}, 1, 6, false, 1, 0, NULL, true},
    {"unknown name", {{"no"}}, 1, 6, false, 1, 3, NO_TOPIC, false},
    {"unknown name, v4 has no text", {{"no"}}, 1, 4, false, 1, 3, NULL, false},
    {"empty name", {{""}}, 1, 6, false, 1, 3, NO_TOPIC, false},
    {"unknown id",
     {{NULL, 2}},
     1,
     6,
     false,
     1,
     100,
     "This server does not host this topic ID.",
     true},
    {"both",
     {{"ok", 1}},
     1,
     6,
     false,
     1,
     42,
     "You may not specify both topic name and topic id.",
     true},
    {"neither", {{NULL}}, 1, 6, false, 1, 42, "Neither topic name nor id were specified.", false},
    {"a name twice", {{"ok"}, {"ok"}}, 2, 6, false, 1, 42, "Duplicate topic name.", false},
    {"an unknown name twice", {{"no"}, {"no"}}, 2, 5, false, 1, 42, "Duplicate topic name.", false},
    {"an id twice", {{NULL, 1}, {NULL, 1}}, 2, 6, false, 1, 42, "Duplicate topic id.", true},
    {"name and its id",
     {{"ok"}, {NULL, 1}},
     2,
     6,
     false,
     1,
     42,
     "The provided topic name maps to an ID that was already supplied.",
     true},
    {"disabled", {{"ok"}}, 1, 6, true, 1, 73, NULL, false},
    {"disabled, before it had a code", {{"ok"}}, 1, 2, true, 1, 42, NULL, false},
    {"nothing", {{NULL}}, 0, 6, false, 0, 0, NULL, false},
};

Test(topics, are_deleted_as_kafka_deletes_them) {
    for (size_t i = 0; i < COUNT(deletions); i++) {
        const char *name = deletions[i].name;
        struct controller_records records;
        struct delete_topics_response response =
            delete_them(deletions[i].targets, deletions[i].count, deletions[i].version,
                        !deletions[i].disabled, &records);
        cr_expect_eq(response.responses_count, deletions[i].answer_count, "%s", name);
        bool deletes = deletions[i].answer_count > 0 && deletions[i].code == 0;
        cr_expect_eq(records.count, deletes ? 1u : 0u, "%s", name);
        if (response.responses_count == 0) continue;
        const struct delete_topics_response_deletable_topic_result *result = &response.responses[0];
        cr_expect_eq(result->error_code, deletions[i].code, "%s: got %d %.*s", name,
                     result->error_code, STR_ARG(result->error_message));
        cr_expect(str_eq(result->error_message, str_of(deletions[i].message)), "%s: says %.*s",
                  name, STR_ARG(result->error_message));
        cr_expect_eq(!uuid_is_zero(result->topic_id), deletions[i].has_id, "%s", name);
        if (deletes) cr_expect(str_eq(result->name, STR("ok")), "%s: the name is answered", name);
    }
}

Test(topics, are_named_in_the_answer_though_the_image_is_gone) {
    struct target_row by_id = {NULL, 1};
    struct controller_records records;
    struct delete_topics_response response = delete_them(&by_id, 1, 6, true, &records);
    const char *in_image = image_topic_by_name(image, STR("ok"))->name.ptr;
    cr_expect_neq(response.responses[0].name.ptr, in_image, "the name is the arena's");
    apply(&records);
    cr_expect(str_eq(response.responses[0].name, STR("ok")));
}
