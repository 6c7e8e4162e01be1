/* tests/unit/broker/topic_config.c - what a topic may say, and what it amounts to. */
#include <criterion/criterion.h>
#include "broker/config/topic_config.h"

#define BASE "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"

struct loaded {
    struct mem mem;
    struct arena arena;
    struct config_set set;
};

static void load(struct loaded *l, const char *text) {
    struct str error = STR_NULL;
    *l = (struct loaded){0};
    arena_init(&l->arena, &l->mem, 8192, 0);
    enum status st =
        config_load(str_of(text), "server.properties", NULL, 0, &l->arena, &l->set, &error);
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
    const char *name, *key, *value;
    bool is_good;
} topic_rows[] = {
    {"a good one", "retention.ms", "1000", true},
    {"below its bound", "segment.bytes", "1048575", false},
    {"unknown", "retention", "1", false},
    {"not a number", "retention.ms", "soon", false},
    {"a list", "cleanup.policy", "delete,compact", true},
    {"a wrong word in a list", "cleanup.policy", "delete,squash", false},
    {"tiered storage", "remote.storage.enable", "true", false},
};

Test(topic_config, values_are_checked) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, 1024, 0);
    for (size_t i = 0; i < COUNT(topic_rows); i++) {
        struct str problem =
            topic_config_problem(str_of(topic_rows[i].key), str_of(topic_rows[i].value), &arena);
        cr_expect_eq(problem.ptr == NULL, topic_rows[i].is_good, "%s: '%.*s'", topic_rows[i].name,
                     STR_ARG(problem));
    }
    arena_release(&arena);
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
