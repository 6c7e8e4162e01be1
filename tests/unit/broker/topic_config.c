/* tests/unit/broker/topic_config.c - what a topic may say, and what it amounts to. */
#include <criterion/criterion.h>
#include "broker/config/group_config.h"
#include "broker/config/topic_config.h"

#define BASE "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"

struct loaded {
    struct mem mem;
    struct arena arena;
    struct config_set set;
};

static void load(struct loaded *l, const char *text) {
    struct str error = STR_NULL;
    struct config_input input = {.text = str_of(text), .file_name = "server.properties"};
    *l = (struct loaded){0};
    arena_init(&l->arena, &l->mem, 8192, 0);
    enum status st = config_load(&input, &l->arena, &l->set, &error);
    cr_assert_eq(st, ST_OK, "%.*s", STR_ARG(error));
}

static void unload(struct loaded *l) {
    arena_release(&l->arena);
    cr_expect_eq(l->mem.used_bytes, 0);
}

Test(topic_config, the_table_is_sorted_and_leans_on_the_brokers) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, 4096, 0);
    for (uint32_t i = 0; i < topic_key_count; i++) {
        const struct topic_key *key = &topic_keys[i];
        const char *name = key->key.name;
        if (i > 0) cr_expect_lt(strcmp(topic_keys[i - 1].key.name, name), 0, "%s", name);
        cr_expect_eq(topic_key_find(str_of(name)), key, "%s", name);
        if (key->key.default_text != NULL) {
            struct str problem =
                config_value_problem(&key->key, str_of(key->key.default_text), &arena);
            cr_expect_null(problem.ptr, "%s: %.*s", name, STR_ARG(problem));
        }
        if (key->broker_key == NULL) continue;
        const struct config_key *broker = config_key_find(str_of(key->broker_key));
        cr_assert_not_null(broker, "%s", name);
        bool is_number = key->key.type >= CONFIG_SHORT && key->key.type <= CONFIG_LONG;
        cr_expect(is_number || broker->type == key->key.type, "%s", name);
    }
    arena_release(&arena);
}

Test(topic_config, every_key_of_a_group_is_found) {
    for (uint32_t i = 0; i < group_key_count; i++) {
        const char *name = group_keys[i].key.name;
        cr_expect_eq(group_key_find(str_of(name)), &group_keys[i], "%s", name);
    }
    cr_expect_null(group_key_find(STR("consumer")));
}

Test(topic_config, a_topic_setting_wins_over_the_brokers_and_that_over_the_default) {
    struct loaded l;
    struct log_config config;
    load(&l, BASE "log.segment.bytes=2097152\nlog.roll.hours=2\nmessage.max.bytes=5000\n");
    struct broker_settings broker = {.set = &l.set};
    topic_config_build(&broker, NULL, &config);
    cr_expect_eq(config.segment_bytes, 2097152);
    cr_expect_eq(config.segment_ms, 2 * 3600000);
    cr_expect_eq(config.max_message_bytes, 5000);
    cr_expect_eq(config.retention_ms, 604800000);
    struct config_entry own[] = {{STR("cleanup.policy"), STR("compact,delete")},
                                 {STR("max.message.bytes"), STR("6000")},
                                 {STR("message.timestamp.type"), STR("LogAppendTime")}};
    struct config_image image = {
        .type = CONFIG_TOPIC, .name = STR("t"), .count = 3, .entries = own};
    topic_config_build(&broker, &image, &config);
    cr_expect_eq(config.max_message_bytes, 6000);
    cr_expect_eq(config.message_timestamp_type, TIMESTAMP_LOG_APPEND_TIME);
    cr_expect_eq(config.cleanup_policy, CLEANUP_COMPACT | CLEANUP_DELETE);
    unload(&l);
}

static const struct {
    const char *name, *key, *value, *problem; /* NULL: good */
} topic_rows[] = {
    {"a good one", "retention.ms", "1000", NULL},
    {"spaces around", "retention.ms", " 77 ", NULL},
    {"below its bound", "segment.bytes", "100",
     "Invalid value 100 for configuration segment.bytes: Value must be at least 1048576"},
    {"above its bound", "compression.zstd.level", "23",
     "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22"},
    {"outside of a range or one more", "compression.gzip.level", "0",
     "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or "
     "equal to -1"},
    {"the one more", "compression.gzip.level", "-1", NULL},
    {"a fraction above its bound", "min.cleanable.dirty.ratio", "2",
     "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
    {"no fraction", "min.cleanable.dirty.ratio", "x",
     "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
    {"unknown", "retention", "1", "Unknown topic config name: retention"},
    {"no name", "", "1", "Unknown topic config name: "},
    {"no value", "retention.ms", "",
     "Invalid value  for configuration retention.ms: Not a number of type LONG"},
    {"not a number", "retention.ms", "soon",
     "Invalid value soon for configuration retention.ms: Not a number of type LONG"},
    {"beyond its type", "max.message.bytes", "2147483648",
     "Invalid value 2147483648 for configuration max.message.bytes: Not a number of type INT"},
    {"not a boolean", "preallocate", "yes",
     "Invalid value yes for configuration preallocate: Expected value to be either true or false"},
    {"a boolean in capitals", "preallocate", "TRUE", NULL},
    {"a list", "cleanup.policy", "compact, delete", NULL},
    {"an empty list", "cleanup.policy", "", NULL},
    {"a wrong word in a list", "cleanup.policy", "delete,foo",
     "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
    {"nothing between two commas", "cleanup.policy", "delete,,compact",
     "Configuration 'cleanup.policy' values must not be empty."},
    {"a word in capitals", "compression.type", "GZIP",
     "Invalid value GZIP for configuration compression.type: String must be one of: uncompressed, "
     "zstd, lz4, snappy, gzip, producer"},
    {"all replicas", "leader.replication.throttled.replicas", "*", NULL},
    {"some replicas", "leader.replication.throttled.replicas", "1:2,3:4", NULL},
    {"no replica", "leader.replication.throttled.replicas", "1",
     "Invalid value [1] for configuration leader.replication.throttled.replicas: "
     "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the "
     "following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
    {"tiered storage", "remote.storage.enable", "true",
     "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
     "remote log storage."},
};

Test(topic_config, values_are_checked_in_kafkas_words) {
    struct loaded l;
    load(&l, BASE);
    struct broker_settings broker = {.set = &l.set};
    for (size_t i = 0; i < COUNT(topic_rows); i++) {
        struct config_entry entry = {str_of(topic_rows[i].key), str_of(topic_rows[i].value)};
        struct str problem = topic_config_problem(&broker, &entry, 1, &l.arena);
        cr_expect(str_eq(problem, str_of(topic_rows[i].problem)), "%s: '%.*s'", topic_rows[i].name,
                  STR_ARG(problem));
    }
    struct config_entry lags[] = {{STR("max.compaction.lag.ms"), STR("10")},
                                  {STR("min.compaction.lag.ms"), STR("100")}};
    struct str problem = topic_config_problem(&broker, lags, 2, &l.arena);
    cr_expect(str_eq(problem, STR("conflict topic config setting min.compaction.lag.ms (100) > "
                                  "max.compaction.lag.ms (10)")));
    unload(&l);
}

Test(topic_config, a_size_for_tests_wins_over_the_ordinary_one) {
    struct loaded l;
    struct log_config config;
    load(&l, BASE);
    struct broker_settings broker = {.set = &l.set};
    struct config_entry own[] = {{STR("internal.segment.bytes"), STR("1000")},
                                 {STR("segment.bytes"), STR("2097152")}};
    struct config_image image = {
        .type = CONFIG_TOPIC, .name = STR("t"), .count = 2, .entries = own};
    topic_config_build(&broker, &image, &config);
    cr_expect_eq(config.segment_bytes, 1000);
    unload(&l);
}
