/* tests/unit/controller/registration.c - a process comes and goes, in the records that Apache Kafka
 * 4.3.1 wrote when its own did. */
#include "controller/metadata/metadata_record.h"
#include "controller/records.h"
#include "golden.h"
#include "node.h"
#include <criterion/criterion.h>

static struct mem mem;
static struct arena arena;

static void setup(void) { arena_init(&arena, &mem, 1 << 20, 0); }
static void teardown(void) {
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0, "%zu octets are left", mem.used_bytes);
}
TestSuite(registration, .init = setup, .fini = teardown);

static const struct uuid directory = {{5}};
static const struct broker_endpoint client = {{"PLAINTEXT", 9}, {"127.0.0.1", 9}, 31692, 0};
static const struct broker_endpoint controller = {{"CONTROLLER", 10}, {"127.0.0.1", 9}, 31693, 0};

static struct controller_context context_of(const struct image *image) {
    return (struct controller_context){
        .image = image, .arena = &arena, .next_offset = 3, .node_id = 1, .min_insync_replicas = 2};
}

static struct broker_registration registration(void) {
    return (struct broker_registration){
        .id = 1,
        .endpoints = &client,
        .endpoint_count = 1,
        .controller_endpoints = &controller,
        .controller_endpoint_count = 1,
        .directories = &directory,
        .directory_count = 1,
    };
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

static void expect_records(const struct controller_records *records, uint32_t first,
                           const char *const *expected, uint32_t count) {
    cr_expect_eq(records->count, first + count, "%u records", records->count);
    for (uint32_t i = 0; i < count && first + i < records->count; i++) {
        struct str text = printed(records->values[first + i]);
        cr_expect_not_null(strstr(text.ptr, expected[i]), "record %u: %s", first + i, text.ptr);
    }
}

Test(registration, of_a_new_cluster_begins_with_its_features) {
    struct image *image = image_new(&mem);
    struct controller_context ctx = context_of(image);
    struct broker_registration node = registration();
    struct controller_records records;
    int64_t epoch;
    controller_records_init(&records, &arena);
    controller_register(&ctx, &node, &epoch, &records);
    cr_expect_eq(records.status, ST_OK);
    static const char *const expected[] = {
        "BeginTransactionRecord 0 {\"name\":\"Bootstrap records\"}",
        "FeatureLevelRecord 0 {\"name\":\"metadata.version\",\"featureLevel\":30}",
        "FeatureLevelRecord 0 {\"name\":\"eligible.leader.replicas.version\",\"featureLevel\":1}",
        "FeatureLevelRecord 0 {\"name\":\"group.version\",\"featureLevel\":1}",
        "FeatureLevelRecord 0 {\"name\":\"share.version\",\"featureLevel\":1}",
        "FeatureLevelRecord 0 {\"name\":\"streams.version\",\"featureLevel\":1}",
        "FeatureLevelRecord 0 {\"name\":\"transaction.version\",\"featureLevel\":2}",
        "ConfigRecord 0 {\"resourceType\":4,\"resourceName\":\"\",\"name\":\"min.insync.replicas\","
        "\"value\":\"2\"}",
        "EndTransactionRecord 0 {}",
        "RegisterControllerRecord 0 {\"controllerId\":1,",
        "RegisterBrokerRecord 4 {\"brokerId\":1,\"isMigratingZkBroker\":false,\"incarnationId\":"
        "\"AAAAAAAAAAAAAAAAAAAAAA\",\"brokerEpoch\":13,\"endPoints\":[{\"name\":\"PLAINTEXT\","
        "\"host\":\"127.0.0.1\",\"port\":31692,\"securityProtocol\":0}],\"features\":[{\"name\":"
        "\"eligible.leader.replicas.version\",\"minSupportedVersion\":0,\"maxSupportedVersion\":1}"
        ",{\"name\":\"group.version\",\"minSupportedVersion\":0,\"maxSupportedVersion\":1},"
        "{\"name\":\"kraft.version\",\"minSupportedVersion\":0,\"maxSupportedVersion\":1},"
        "{\"name\":\"metadata.version\",\"minSupportedVersion\":7,\"maxSupportedVersion\":30},",
        "BrokerRegistrationChangeRecord 3 {\"brokerId\":1,\"brokerEpoch\":13,"
        "\"cordonedLogDirs\":[]}",
        "BrokerRegistrationChangeRecord 0 {\"brokerId\":1,\"brokerEpoch\":13,\"fenced\":-1}",
    };
    expect_records(&records, 0, expected, COUNT(expected));
    cr_expect_eq(epoch, 13, "the offset of its record");
    image_free(image);
}

Test(registration, writes_the_levels_that_formatting_chose) {
    struct feature_level_record feature;
    feature_level_record_defaults(&feature);
    struct bytes bootstrap[1];
    feature.name = STR("metadata.version");
    static const struct {
        int16_t level;
        uint32_t count;
        const char *broker;
    } rows[] = {
        {7, 1 + 2, "RegisterBrokerRecord 2 "},  {12, 1 + 2, "RegisterBrokerRecord 2 "},
        {13, 3 + 2, "RegisterBrokerRecord 2 "}, {15, 3 + 3, "RegisterBrokerRecord 2 "},
        {17, 3 + 3, "RegisterBrokerRecord 3 "}, {29, 3 + 3, "RegisterBrokerRecord 3 "},
        {30, 3 + 4, "RegisterBrokerRecord 4 "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct image *image = image_new(&mem);
        struct controller_context ctx = context_of(image);
        struct broker_registration node = registration();
        struct controller_records records;
        int64_t epoch;
        feature.feature_level = rows[i].level;
        cr_assert_eq(metadata_record_encode(&feature_level_record_schema, 0, &feature, &arena,
                                            &bootstrap[0]),
                     ST_OK);
        node.bootstrap = bootstrap;
        node.bootstrap_count = 1;
        controller_records_init(&records, &arena);
        controller_register(&ctx, &node, &epoch, &records);
        cr_expect_eq(records.count, rows[i].count, "level %d: %u records", rows[i].level,
                     records.count);
        bool knows_cordon = rows[i].level >= METADATA_VERSION_4_3_IV0;
        struct str broker = printed(records.values[records.count - (knows_cordon ? 3 : 2)]);
        cr_expect_not_null(strstr(broker.ptr, rows[i].broker), "level %d: %s", rows[i].level,
                           broker.ptr);
        struct image *next;
        struct image_delta delta;
        cr_expect_eq(image_apply(image, records.values, records.count, 9, 1, &arena, &next, &delta),
                     ST_OK, "level %d: %.*s", rows[i].level, STR_ARG(delta.problem));
        image_free(next);
        image_free(image);
    }
}

static struct image *golden_until(int64_t offset) {
    struct bytes file = golden_file(&arena, "metadata/00000000000000000000.log");
    return golden_apply(image_new(&mem), file, offset, &arena);
}

/* Of the recorded node: its directory is the one in which its partitions lie. */
static struct broker_registration registration_again(const struct image *image) {
    struct broker_registration node = registration();
    node.directories = image_broker(image, 1)->directories;
    node.directory_count = image_broker(image, 1)->directory_count;
    return node;
}

/* The offsets are those of the recorded log: tests/golden/README.md. */
Test(registration, after_a_clean_stop_elects_what_was_left_eligible) {
    struct image *image = golden_until(83);
    cr_expect(image_broker(image, 1)->fenced);
    struct controller_context ctx = context_of(image);
    struct broker_registration node = registration_again(image);
    struct controller_records records;
    int64_t epoch;
    controller_records_init(&records, &arena);
    controller_register(&ctx, &node, &epoch, &records);
    static const char *const expected[] = {
        "RegisterControllerRecord 0 ",
        "RegisterBrokerRecord 4 ",
        "BrokerRegistrationChangeRecord 3 {\"brokerId\":1,\"brokerEpoch\":4,"
        "\"cordonedLogDirs\":[]}",
        "BrokerRegistrationChangeRecord 0 {\"brokerId\":1,\"brokerEpoch\":4,\"fenced\":-1}",
        "\"isr\":[1],\"leader\":1,\"eligibleLeaderReplicas\":[],\"lastKnownElr\":[]}",
        "\"isr\":[1],\"leader\":1,\"eligibleLeaderReplicas\":[],\"lastKnownElr\":[]}",
        "\"isr\":[1],\"leader\":1,\"eligibleLeaderReplicas\":[],\"lastKnownElr\":[]}",
        "\"isr\":[1],\"leader\":1,\"eligibleLeaderReplicas\":[],\"lastKnownElr\":[]}",
        "\"isr\":[1],\"leader\":1,\"eligibleLeaderReplicas\":[],\"lastKnownElr\":[]}",
        "\"isr\":[1],\"leader\":1,\"eligibleLeaderReplicas\":[],\"lastKnownElr\":[]}",
        "\"isr\":[1],\"leader\":1,\"eligibleLeaderReplicas\":[],\"lastKnownElr\":[]}",
    };
    expect_records(&records, 0, expected, COUNT(expected));
    image_free(image);
}

Test(registration, after_a_crash_opens_a_new_epoch_of_what_it_led) {
    struct image *image = golden_until(47);
    cr_expect(!image_broker(image, 1)->fenced);
    struct controller_context ctx = context_of(image);
    struct broker_registration node = registration_again(image);
    struct controller_records records;
    int64_t epoch;
    controller_records_init(&records, &arena);
    controller_register(&ctx, &node, &epoch, &records);
    cr_expect_eq(records.count, 4 + 7);
    struct str last = printed(records.values[records.count - 1]);
    cr_expect_not_null(strstr(last.ptr, ",\"leader\":1}"), "the leader alone: %s", last.ptr);
    struct image *next;
    struct image_delta delta;
    cr_assert_eq(image_apply(image, records.values, records.count, 99, 1, &arena, &next, &delta),
                 ST_OK, "%.*s", STR_ARG(delta.problem));
    struct str beta = STR("beta");
    cr_expect_eq(image_topic_by_name(next, beta)->partitions[0].leader_epoch,
                 image_topic_by_name(image, beta)->partitions[0].leader_epoch + 1);
    image_free(next);
    image_free(image);
}

Test(registration, of_the_last_known_leader_alone_is_an_unclean_election) {
    struct image *image = golden_until(65);
    const struct topic_image *beta = image_topic_by_name(image, STR("beta"));
    cr_assert_eq(beta->partitions[0].elr_count, 0, "Kafka took it away after its own crash");
    cr_assert_eq(beta->partitions[0].last_known_elr_count, 1);
    struct controller_context ctx = context_of(image);
    struct broker_registration node = registration_again(image);
    struct controller_records records;
    int64_t epoch;
    controller_records_init(&records, &arena);
    controller_register(&ctx, &node, &epoch, &records);
    struct str last = printed(records.values[records.count - 1]);
    cr_expect_not_null(strstr(last.ptr, "\"isr\":[1],\"leader\":1,\"leaderRecoveryState\":1,"
                                        "\"lastKnownElr\":[]}"),
                       "%s", last.ptr);
    image_free(image);
}

Test(registration, a_shut_down_leaves_what_kafkas_leaves) {
    struct image *image = golden_until(74);
    struct controller_context ctx = context_of(image);
    struct controller_records records;
    controller_records_init(&records, &arena);
    controller_shut_down(&ctx, 1, &records);
    struct image *ours, *kafkas = golden_until(83);
    struct image_delta delta;
    cr_assert_eq(image_apply(image, records.values, records.count, 82, 2, &arena, &ours, &delta),
                 ST_OK, "%.*s", STR_ARG(delta.problem));
    struct str a = golden_text(ours, &arena), b = golden_text(kafkas, &arena);
    cr_expect(str_eq(a, b), "ours:\n%s\nKafka's:\n%s", a.ptr, b.ptr);
    image_free(image);
    image_free(ours);
    image_free(kafkas);
}

Test(registration, producer_ids_are_given_once) {
    struct image *image = golden_until(INT64_MAX);
    for (int64_t expected = 1000; expected < 6000; expected += PRODUCER_ID_BLOCK) {
        struct controller_context ctx = context_of(image);
        struct controller_records records;
        int64_t first;
        controller_records_init(&records, &arena);
        controller_allocate_producer_ids(&ctx, 1, 5, &first, &records);
        cr_expect_eq(first, expected);
        struct image *next;
        struct image_delta delta;
        cr_assert_eq(image_apply(image, records.values, 1, 200, 1, &arena, &next, &delta), ST_OK);
        image_free(image);
        image = next;
    }
    image_free(image);
}

/* --- directories --- */

static uint32_t led_by(const struct image *image, int32_t id) {
    struct image_iter iter;
    uint32_t count = 0;
    image_iter_topics(image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count; i++)
            count += topic->partitions[i].leader == id;
    }
    return count;
}

static struct image *applied(struct image *image, const struct controller_records *records) {
    struct image *next;
    struct image_delta delta;
    cr_assert_eq(records->status, ST_OK);
    cr_assert_eq(image_apply(image, records->values, records->count, 999, 1, &arena, &next, &delta),
                 ST_OK, "%.*s", STR_ARG(delta.problem));
    image_free(image);
    return next;
}

Test(registration, leads_nothing_that_lies_in_a_directory_that_is_not_online) {
    struct image *image = golden_until(47);
    cr_assert_gt(led_by(image, 1), 0u);
    struct controller_context ctx = context_of(image);
    struct broker_registration node = registration(); /* with another directory */
    struct controller_records records;
    int64_t epoch;
    controller_records_init(&records, &arena);
    controller_register(&ctx, &node, &epoch, &records);
    image = applied(image, &records);
    cr_expect_eq(led_by(image, 1), 0);
    image_free(image);
}

Test(registration, gives_up_what_lies_in_a_directory_that_failed_and_keeps_the_rest) {
    struct image *image = golden_until(47);
    uint32_t led = led_by(image, 1);
    struct controller_context ctx = context_of(image);
    struct controller_records records;
    const struct broker_image *broker = image_broker(image, 1);
    controller_records_init(&records, &arena);
    controller_directories_offline(&ctx, 1, broker->directories, broker->directory_count, &records);
    static const char *const expected[] = {"BrokerRegistrationChangeRecord 2 {\"brokerId\":1,"};
    expect_records(&records, 0, expected, 1);
    controller_records_init(&records, &arena);
    controller_directories_offline(&ctx, 1, &directory, 1, &records);
    cr_expect_eq(records.count, 1 + led);
    image = applied(image, &records);
    cr_expect_eq(led_by(image, 1), 0);
    cr_expect(uuid_eq(image_broker(image, 1)->directories[0], directory));
    image_free(image);
}

static struct uuid beta_lies_there(void *context, const struct topic_image *topic, int32_t index) {
    (void)index;
    return str_eq(topic->name, STR("beta")) ? *(struct uuid *)context : UUID_ZERO;
}

Test(registration, writes_down_where_replicas_were_found) {
    struct image *image = golden_until(47);
    struct controller_context ctx = context_of(image);
    struct uuid there = directory;
    struct controller_records records;
    controller_records_init(&records, &arena);
    controller_assign_directories(&ctx, 1, beta_lies_there, &there, 100, &records);
    cr_assert_gt(records.count, 0u);
    image = applied(image, &records);
    const struct topic_image *beta = image_topic_by_name(image, STR("beta"));
    for (int32_t i = 0; i < beta->partition_count; i++)
        cr_expect(uuid_eq(beta->partitions[i].directories[0], directory));
    ctx = context_of(image);
    controller_records_init(&records, &arena);
    controller_assign_directories(&ctx, 1, beta_lies_there, &there, 100, &records);
    cr_expect_eq(records.count, 0, "said already");
    image_free(image);
}

Test(registration, of_a_broker_follows_its_cordoned_directories) {
    static const struct {
        const char *name;
        int16_t level;
        uint8_t cordoned[2];
        int32_t count;
        const char *expected; /* NULL: nothing to write */
    } rows[] = {
        {"none, as before", 30, {0}, 0, NULL},
        {"one", 30, {5}, 1, "\"cordonedLogDirs\":[\"BQAAAAAAAAAAAAAAAAAAAA\"]"},
        {"two", 30, {7, 5}, 2, "\"cordonedLogDirs\":[\"BwAAAAAAAAAAAAAAAAAAAA\",\"BQ"},
        {"the same in another order", 30, {5, 7}, 2, NULL},
        {"another", 30, {7}, 1, "\"cordonedLogDirs\":[\"BwAAAAAAAAAAAAAAAAAAAA\"]"},
        {"none any more", 30, {0}, 0, "\"cordonedLogDirs\":[]"},
        {"a metadata.version that does not know them", 29, {5}, 1, NULL},
    };
    struct image *image = golden_until(INT64_MAX);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct feature_level_record level;
        struct controller_context ctx = context_of(image);
        struct controller_records records;
        struct uuid cordoned[2] = {{{rows[i].cordoned[0]}}, {{rows[i].cordoned[1]}}};
        feature_level_record_defaults(&level);
        level.name = STR("metadata.version");
        level.feature_level = rows[i].level;
        controller_records_init(&records, &arena);
        controller_records_add(&records, &feature_level_record_schema, 0, &level);
        ctx.image = image = applied(image, &records);
        controller_records_init(&records, &arena);
        controller_cordon_directories(&ctx, 1, cordoned, rows[i].count, &records);
        cr_expect_eq(records.count, rows[i].expected != NULL, "%s: %u records", rows[i].name,
                     records.count);
        if (records.count == 0) continue;
        struct str text = printed(records.values[0]);
        cr_expect_not_null(strstr(text.ptr, rows[i].expected), "%s: %s", rows[i].name, text.ptr);
        image = applied(image, &records);
    }
    image_free(image);
}
