/* tests/unit/broker/settings.c - which of several settings is in effect, and what is told of the
 * others: rows as Apache Kafka answers them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include "broker/config/cordon.h"

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

static const struct {
    const char *name, *file;
    struct config_entry cluster, node; /* null key: none */
    const char *key, *value;           /* NULL: null */
    int64_t number;
    const char *synonyms; /* NAME=VALUE/SOURCE, each followed by a space */
} rows[] = {
    {.name = "default",
     .key = "num.partitions",
     .value = "1",
     .number = 1,
     .synonyms = "num.partitions=1/5 "},
    {.name = "file over default",
     .file = "num.partitions=3\n",
     .key = "num.partitions",
     .value = "3",
     .number = 3,
     .synonyms = "num.partitions=3/4 num.partitions=1/5 "},
    {.name = "cluster over file",
     .file = "message.max.bytes=5000\n",
     .cluster = {STR("message.max.bytes"), STR("6000")},
     .key = "message.max.bytes",
     .value = "6000",
     .number = 6000,
     .synonyms = "message.max.bytes=6000/3 message.max.bytes=5000/4 message.max.bytes=1048588/5 "},
    {.name = "node over cluster",
     .cluster = {STR("message.max.bytes"), STR("6000")},
     .node = {STR("message.max.bytes"), STR("7000")},
     .key = "message.max.bytes",
     .value = "7000",
     .number = 7000,
     .synonyms = "message.max.bytes=7000/2 message.max.bytes=6000/3 message.max.bytes=1048588/5 "},
    {.name = "nothing sets it",
     .key = "log.retention.ms",
     .value = NULL,
     .number = 604800000,
     .synonyms = ""},
    {.name = "minutes over hours",
     .file = "log.retention.hours=24\nlog.retention.minutes=100\n",
     .key = "log.retention.ms",
     .value = NULL,
     .number = 6000000,
     .synonyms = ""},
    {.name = "milliseconds over both, whose synonyms they are",
     .file = "log.retention.hours=24\nlog.retention.minutes=100\n",
     .cluster = {STR("log.retention.ms"), STR("3700000")},
     .node = {STR("log.retention.ms"), STR("3600000")},
     .key = "log.retention.ms",
     .value = "3600000",
     .number = 3600000,
     .synonyms = "log.retention.ms=3600000/2 log.retention.ms=3700000/3 "
                 "log.retention.minutes=100/4 log.retention.hours=24/4 log.retention.hours=168/5 "},
    {.name = "dynamic milliseconds take the hours of the file away",
     .file = "log.retention.hours=24\n",
     .cluster = {STR("log.retention.ms"), STR("3700000")},
     .key = "log.retention.hours",
     .value = "168",
     .number = 168,
     .synonyms = "log.retention.hours=24/4 log.retention.hours=168/5 "},
    {.name = "no limit in hours",
     .file = "log.retention.hours=-1\n",
     .key = "log.retention.ms",
     .value = NULL,
     .number = -1,
     .synonyms = ""},
    {.name = "a negative number that means something",
     .key = "log.local.retention.bytes",
     .value = "-2",
     .number = -2,
     .synonyms = "log.local.retention.bytes=-2/5 "},
};

Test(settings, the_nearest_wins_and_the_others_are_told) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct loaded l;
        char text[512], told[512] = "";
        (void)snprintf(text, sizeof text, BASE "%s", rows[i].file != NULL ? rows[i].file : "");
        load(&l, text);
        struct config_image cluster = {.count = 1, .entries = &rows[i].cluster};
        struct config_image node = {.count = 1, .entries = &rows[i].node};
        struct broker_settings settings = {.set = &l.set,
                                           .of_cluster =
                                               rows[i].cluster.key.ptr != NULL ? &cluster : NULL,
                                           .of_node = rows[i].node.key.ptr != NULL ? &node : NULL};
        const struct config_key *key = config_key_find(str_of(rows[i].key));
        struct setting_synonym synonyms[SETTING_SYNONYMS_MAX];
        uint32_t count = setting_synonyms(&settings, key, synonyms);
        size_t len = 0;
        for (uint32_t n = 0; n < count; n++) {
            len += (size_t)snprintf(told + len, sizeof told - len, "%s=%.*s/%d ", synonyms[n].name,
                                    STR_ARG(synonyms[n].value), (int)synonyms[n].source);
        }
        struct str value = setting_get(&settings, key).value;
        cr_expect(str_eq(value, str_of(rows[i].value)), "%s: '%.*s'", rows[i].name, STR_ARG(value));
        cr_expect_eq(setting_number(&settings, str_of(rows[i].key)), rows[i].number, "%s: %lld",
                     rows[i].name, (long long)setting_number(&settings, str_of(rows[i].key)));
        cr_expect_str_eq(told, rows[i].synonyms, "%s: '%s'", rows[i].name, told);
        unload(&l);
    }
}

Test(settings, a_directory_is_cordoned_by_the_list_in_effect) {
    static const struct {
        const char *name, *file;
        struct config_entry node; /* null key: none */
        bool one, two;
    } cordons[] = {
        {"no list", "", {STR_NULL, STR_NULL}, false, false},
        {"by the file", "cordoned.log.dirs=/two\n", {STR_NULL, STR_NULL}, false, true},
        {"all, by the file", "cordoned.log.dirs=*\n", {STR_NULL, STR_NULL}, true, true},
        {"the node's own over the file", "cordoned.log.dirs=*\n",
         {STR("cordoned.log.dirs"), STR("/one")}, true, false},
        {"an empty one, too", "cordoned.log.dirs=*\n", {STR("cordoned.log.dirs"), STR("")}, false,
         false},
        {"with spaces", "", {STR("cordoned.log.dirs"), STR(" /two , /one ")}, true, true},
        {"a name that begins so", "log.dirs=/one,/two,/twofold\ncordoned.log.dirs=/twofold\n",
         {STR_NULL, STR_NULL}, false, false},
    };
    for (size_t i = 0; i < COUNT(cordons); i++) {
        struct loaded l;
        char text[512];
        (void)snprintf(text, sizeof text, BASE "log.dirs=/one,/two\n%s", cordons[i].file);
        load(&l, text);
        struct config_image node = {.count = 1, .entries = &cordons[i].node};
        struct broker_settings settings = {.set = &l.set};
        if (cordons[i].node.key.ptr != NULL) settings.of_node = &node;
        cr_expect_eq(cordon_holds(&settings, STR("/one")), cordons[i].one, "%s: /one",
                     cordons[i].name);
        cr_expect_eq(cordon_holds(&settings, STR("/two")), cordons[i].two, "%s: /two",
                     cordons[i].name);
        cr_expect_null(cordon_problem(&settings, &l.arena).ptr, "%s", cordons[i].name);
        unload(&l);
    }
}
