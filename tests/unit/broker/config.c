/* tests/unit/broker/config.c - what server.properties may say, and how a mistake is told. */
#include <criterion/criterion.h>
#include <ctype.h>
#include "broker/config/config.h"
#include "broker/config/listeners.h"

#define BASE "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"

struct loaded {
    struct mem mem;
    struct arena arena;
    struct config_set set;
    struct str error;
    enum status st;
};

static void load_all(struct loaded *l, const char *text, const char *variable,
                     const char *override) {
    *l = (struct loaded){0};
    arena_init(&l->arena, &l->mem, 8192, 0);
    struct config_input input = {
        .text = str_of(text),
        .file_name = "server.properties",
        .variables = &variable,
        .variable_count = variable != NULL,
        .overrides = &override,
        .override_count = override != NULL,
    };
    l->st = config_load(&input, &l->arena, &l->set, &l->error);
}

static void load(struct loaded *l, const char *text, const char *override) {
    load_all(l, text, NULL, override);
}

static void unload(struct loaded *l) {
    arena_release(&l->arena);
    cr_expect_eq(l->mem.used_bytes, 0);
}

Test(config, defaults_hold_where_nothing_is_set) {
    struct loaded l;
    load(&l, BASE, NULL);
    cr_assert_eq(l.st, ST_OK, "%.*s", STR_ARG(l.error));
    cr_expect_eq(l.set.values.num_partitions, 1);
    cr_expect_eq(l.set.values.log_segment_bytes, 1 << 30);
    cr_expect_eq(l.set.values.log_roll_ms, CONFIG_UNSET);
    cr_expect(l.set.values.auto_create_topics_enable);
    cr_expect(str_eq(l.set.values.klamm_flush_before_ack, STR("all")));
    cr_expect_eq(l.set.values.listeners.count, 1);
    unload(&l);
}

Test(config, a_log_directory_that_is_named_twice_is_one) {
    struct loaded l;
    load(&l, BASE "log.dirs=/b,/a, /b,/a/\n", NULL);
    cr_assert_eq(l.st, ST_OK, "%.*s", STR_ARG(l.error));
    const struct str_list *dirs = config_log_dirs(&l.set.values);
    cr_assert_eq(dirs->count, 3);
    cr_expect(str_eq(dirs->items[0], STR("/b")));
    cr_expect(str_eq(dirs->items[1], STR("/a")));
    cr_expect(str_eq(dirs->items[2], STR("/a/")));
    unload(&l);
}

Test(config, an_override_wins_over_the_file) {
    struct loaded l;
    load(&l, BASE "num.partitions=3\n", "num.partitions=5");
    cr_assert_eq(l.st, ST_OK, "%.*s", STR_ARG(l.error));
    cr_expect_eq(l.set.values.num_partitions, 5);
    const struct config_setting *setting = config_setting_find(&l.set, STR("num.partitions"));
    cr_assert_not_null(setting);
    cr_expect_eq(setting->source, SOURCE_OVERRIDE);
    unload(&l);
}

static const struct {
    const char *name, *text;
    bool is_inline;
} inline_rows[] = {
    {"one directory", BASE "log.dirs=/a\n", true},
    {"several", BASE "log.dirs=/a,/b\n", false},
    {"that of the metadata apart", BASE "log.dirs=/a\nmetadata.log.dir=/b\n", false},
    {"that of the metadata among them", BASE "log.dirs=/a\nmetadata.log.dir=/a\n", true},
    {"as it is set", BASE "log.dirs=/a,/b\nklamm.inline.writes=true\n", true},
};

Test(config, a_shard_appends_by_itself_where_there_is_one_directory) {
    for (size_t i = 0; i < COUNT(inline_rows); i++) {
        struct loaded l;
        load(&l, inline_rows[i].text, NULL);
        cr_assert_eq(l.st, ST_OK, "%s: %.*s", inline_rows[i].name, STR_ARG(l.error));
        cr_expect_eq(config_writes_inline(&l.set.values), inline_rows[i].is_inline, "%s",
                     inline_rows[i].name);
        unload(&l);
    }
}

static const struct {
    const char *name, *text, *variable, *override, *key, *value; /* value NULL: not set */
} variables[] = {
    {"over the file", BASE "num.partitions=3\n", "KLAMM_NUM_PARTITIONS=4", NULL, "num.partitions",
     "4"},
    {"under an override", BASE, "KLAMM_NUM_PARTITIONS=4", "num.partitions=5", "num.partitions",
     "5"},
    {"with a '=' in its value", BASE, "KLAMM_LOG_DIRS=/a=b", NULL, "log.dirs", "/a=b"},
    {"a key of ours", BASE, "KLAMM_KLAMM_SHARDS=2", NULL, "klamm.shards", "2"},
    {"a key of ours, the prefix once", BASE, "KLAMM_SHARDS=2", NULL, "klamm.shards", "2"},
    {"nobody's", BASE, "KLAMM_SERVICE_HOST=h", NULL, "num.partitions", NULL},
    {"in small letters", BASE, "KLAMM_num_partitions=4", NULL, "num.partitions", NULL},
    {"without the prefix", BASE, "NUM_PARTITIONS=4", NULL, "num.partitions", NULL},
};

Test(config, a_variable_stands_between_file_and_override) {
    for (size_t i = 0; i < COUNT(variables); i++) {
        struct loaded l;
        load_all(&l, variables[i].text, variables[i].variable, variables[i].override);
        cr_assert_eq(l.st, ST_OK, "%s: %.*s", variables[i].name, STR_ARG(l.error));
        const struct config_setting *setting =
            config_setting_find(&l.set, str_of(variables[i].key));
        struct str value = setting != NULL ? setting->value : STR_NULL;
        cr_expect(str_eq(value, str_of(variables[i].value)), "%s: '%.*s'", variables[i].name,
                  STR_ARG(value));
        cr_expect_eq(config_is_variable(variables[i].variable), variables[i].value != NULL, "%s",
                     variables[i].name);
        unload(&l);
    }
}

Test(config, a_mistake_in_a_variable_names_it) {
    struct loaded l;
    load_all(&l, BASE, "KLAMM_NUM_PARTITIONS=many", NULL);
    cr_assert_neq(l.st, ST_OK);
    cr_expect(str_eq(l.error, STR("KLAMM_NUM_PARTITIONS: Invalid value many for configuration "
                                  "num.partitions: Not a number of type INT")),
              "%.*s", STR_ARG(l.error));
    unload(&l);
}

Test(config, broker_id_is_the_old_name_of_node_id) {
    struct loaded l;
    load(&l, "process.roles=broker,controller\ncontroller.listener.names=C\nbroker.id=7\n", NULL);
    cr_assert_eq(l.st, ST_OK, "%.*s", STR_ARG(l.error));
    cr_expect_eq(l.set.values.node_id, 7);
    unload(&l);
}

static const struct {
    const char *name, *text, *override, *message;
} mistakes[] = {
    {"unknown key", BASE "num.partition=3\n", NULL,
     "server.properties:4: unknown key 'num.partition'; did you mean 'num.partitions'?"},
    {"not a number", BASE "\n# a comment\nnum.partitions=three\n", NULL,
     "server.properties:6: Invalid value three for configuration num.partitions: Not a number of "
     "type INT"},
    {"below the bound", BASE "num.partitions=0\n", NULL,
     "server.properties:4: Invalid value 0 for configuration num.partitions: Value must be at "
     "least "
     "1"},
    {"not a word of the list", BASE "klamm.flush.before.ack=some\n", NULL,
     "server.properties:4: Invalid value some for configuration klamm.flush.before.ack: String "
     "must "
     "be one of: all, none"},
    {"beyond int32", BASE "message.max.bytes=2147483648\n", NULL,
     "server.properties:4: Invalid value 2147483648 for configuration message.max.bytes: Not a "
     "number of type INT"},
    {"not a boolean", BASE, "delete.topic.enable=yes",
     "--override: Invalid value yes for configuration delete.topic.enable: Expected value to be "
     "either true or false"},
    {"override without value", BASE, "num.partitions",
     "--override num.partitions: KEY=VALUE is expected"},
    {"a required key is missing", "node.id=1\n", NULL,
     "server.properties: controller.listener.names is missing and has no default"},
    {"an authorizer", BASE "authorizer.class.name=org.example.A\n", NULL,
     "server.properties:4: authorizer.class.name=org.example.A: this key is not served yet, and "
     "leaving it out would weaken safety or security: remove it"},
    {"what contradicts itself", BASE "log.retention.ms=0\n", NULL,
     "server.properties:4: requirement failed: log.retention.ms must be unlimited (-1) or, greater "
     "than or equal to 1 (log.retention.ms=0)"},
    {"the same by the key that stands in", BASE "\nlog.retention.hours=0\n", NULL,
     "server.properties:5: requirement failed: log.retention.ms must be unlimited (-1) or, greater "
     "than or equal to 1 (log.retention.hours=0)"},
    {"the same by an override", BASE, "log.retention.ms=0",
     "--override: requirement failed: log.retention.ms must be unlimited (-1) or, greater "
     "than or equal to 1 (log.retention.ms=0)"},
    {"a session beyond its bound", BASE "group.consumer.session.timeout.ms=70000\n", NULL,
     "server.properties:4: group.consumer.session.timeout.ms must be less than or equal to "
     "group.consumer.max.session.timeout.ms (group.consumer.session.timeout.ms=70000)"},
    {"a session below its bound", BASE "group.consumer.session.timeout.ms=30000\n", NULL,
     "server.properties:4: group.consumer.session.timeout.ms must be greater than or equal to "
     "group.consumer.min.session.timeout.ms (group.consumer.session.timeout.ms=30000)"},
    {"two that contradict each other",
     BASE "group.consumer.max.session.timeout.ms=50000\ngroup.consumer.session.timeout.ms=50001\n",
     NULL,
     "server.properties:5: group.consumer.session.timeout.ms must be less than or equal to "
     "group.consumer.max.session.timeout.ms (group.consumer.session.timeout.ms=50001, "
     "group.consumer.max.session.timeout.ms=50000 at server.properties:4)"},
    {"a bound beyond the default", BASE "group.consumer.min.session.timeout.ms=46000\n", NULL,
     "server.properties:4: group.consumer.session.timeout.ms must be greater than or equal to "
     "group.consumer.min.session.timeout.ms (group.consumer.min.session.timeout.ms=46000)"},
    {"no classic groups", BASE "group.coordinator.rebalance.protocols=consumer\n", NULL,
     "server.properties:4: Disabling the 'classic' protocol is not supported. "
     "(group.coordinator.rebalance.protocols=consumer)"},
    {"no protocol at all", BASE "group.coordinator.rebalance.protocols=\n", NULL,
     "server.properties:4: Configuration 'group.coordinator.rebalance.protocols' must not be "
     "empty. Valid values include: [consumer, classic, share, streams]"},
    {"a protocol that is none", BASE "group.coordinator.rebalance.protocols=classic,Consumer\n",
     NULL,
     "server.properties:4: Invalid value Consumer for configuration "
     "group.coordinator.rebalance.protocols: String must be one of: consumer, classic, share, "
     "streams"},
    {"no assignor", BASE "group.consumer.assignors=\n", NULL,
     "server.properties:4: Configuration 'group.consumer.assignors' must not be empty. Valid "
     "values include: [uniform, range]"},
    {"an assignor that is none", BASE "group.consumer.assignors=uniform,best\n", NULL,
     "server.properties:4: Invalid value best for configuration group.consumer.assignors: String "
     "must be one of: uniform, range"},
    {"all directories cordoned and one", BASE "log.dirs=/a\ncordoned.log.dirs=*,/a\n", NULL,
     "server.properties:5: requirement failed: When cordoned.log.dirs is set to *, it must not "
     "contain other values (cordoned.log.dirs=*,/a)"},
    {"an empty cordoned directory", BASE "log.dirs=/a\ncordoned.log.dirs=/a,\n", NULL,
     "server.properties:5: Configuration 'cordoned.log.dirs' values must not be empty."},
    {"a cordoned directory that is none", BASE "log.dirs=/a,/b\ncordoned.log.dirs=/b, /c,/d\n",
     NULL,
     "server.properties:5: requirement failed: All entries in cordoned.log.dirs must be present in "
     "log.dirs or log.dir. Missing entries : /c, /d (cordoned.log.dirs=/b, /c,/d)"},
    {"less free for a warning than for a refusal", BASE "klamm.disk.free.warn=1%\n", NULL,
     "server.properties:4: klamm.disk.free.warn must be greater than or equal to "
     "klamm.disk.free.throttle (klamm.disk.free.warn=1%)"},
    {"less free for a throttle than for a refusal",
     BASE "klamm.disk.free.throttle=1000000\nklamm.disk.free.reject=1000001\n", NULL,
     "server.properties:4: klamm.disk.free.throttle must be greater than or equal to "
     "klamm.disk.free.reject (klamm.disk.free.throttle=1000000, klamm.disk.free.reject=1000001 at "
     "server.properties:5)"},
    {"a warning below a refusal, without a throttle between them",
     BASE "klamm.disk.free.throttle=0\nklamm.disk.free.warn=1%\n", NULL,
     "server.properties:5: klamm.disk.free.warn must be greater than or equal to "
     "klamm.disk.free.reject (klamm.disk.free.warn=1%)"},
    {"a quorum that is no address", BASE "controller.quorum.bootstrap.servers=nonsense\n", NULL,
     "server.properties:4: Failed to parse host name from nonsense for the configuration "
     "controller.quorum.bootstrap.servers. Each entry should be in the form \"{host}:{port}\""},
    {"a voter that is none", BASE "controller.quorum.voters=nonsense\n", NULL,
     "server.properties:4: Invalid configuration value for controller.quorum.voters. Each entry "
     "should be in the form `{id}@{host}:{port}`."},
    {"no id by the old name",
     "process.roles=broker,controller\ncontroller.listener.names=C\n"
     "broker.id=-1\n",
     NULL,
     "server.properties:3: Invalid value -1 for configuration node.id: Value must be at least 0"},
    {"two ids", BASE "broker.id=2\n", NULL,
     "server.properties:4: broker.id=2 and node.id=1: they are one key, give one value"},
    {"no directory", BASE "log.dirs=\n", NULL,
     "server.properties:4: Configuration 'log.dirs' must not be empty. Valid values include: any "
     "non-empty value"},
    {"no directory, by the other key", BASE "log.dir=,\n", NULL,
     "server.properties:4: Configuration 'log.dir' values must not be empty."},
    {"no role", BASE "process.roles=\n", NULL,
     "server.properties:4: Configuration 'process.roles' must not be empty. Valid values include: "
     "[broker, controller]"},
    {"bad escape", BASE "log.dirs=\\u00zz\n", NULL, "server.properties:4: malformed \\u escape"},
};

Test(config, a_mistake_is_told_with_key_value_file_and_line) {
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        struct loaded l;
        load(&l, mistakes[i].text, mistakes[i].override);
        cr_expect_neq(l.st, ST_OK, "%s: accepted", mistakes[i].name);
        cr_expect(str_eq(l.error, str_of(mistakes[i].message)), "%s: got '%.*s'", mistakes[i].name,
                  STR_ARG(l.error));
        unload(&l);
    }
}

Test(config, a_secret_is_never_shown) {
    struct loaded l;
    load(&l, BASE "delegation.token.secret.key=hunter2\n", NULL);
    cr_assert_neq(l.st, ST_OK);
    cr_expect_null(memmem(l.error.ptr, l.error.len, "hunter2", 7));
    unload(&l);
}

Test(config, the_table_is_sorted_and_its_defaults_are_valid) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, 4096, 0);
    for (uint32_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (i > 0) cr_expect_lt(strcmp(config_keys[i - 1].name, key->name), 0, "%s", key->name);
        cr_expect_eq(config_key_find(str_of(key->name)), key);
        if (key->default_text == NULL) continue;
        struct str problem = config_value_problem(key, str_of(key->default_text), &arena);
        cr_expect_null(problem.ptr, "%s=%s: %.*s", key->name, key->default_text, STR_ARG(problem));
    }
    arena_release(&arena);
}

/* Another value than the default, good for the key's type; null: the key has just one. */
static struct str other_value(const struct config_key *key, struct arena *arena) {
    static const char *const tries[] = {"1", "2",   "true", "false", "SSL",
                                        "9", "1.0", "0.5",  "12345", "127.0.0.1"};
    for (size_t i = 0; i < COUNT(tries); i++) {
        if (key->default_text != NULL && strcmp(key->default_text, tries[i]) == 0) continue;
        if (config_value_problem(key, str_of(tries[i]), arena).ptr == NULL) return str_of(tries[i]);
    }
    return STR_NULL;
}

static const char *variable_of(const char *key, struct str value, struct arena *arena) {
    char name[128];
    size_t len = strlen(key);
    cr_assert_lt(len, sizeof name);
    for (size_t i = 0; i <= len; i++) {
        name[i] = key[i] == '.' ? '_' : (char)toupper((unsigned char)key[i]);
    }
    return arena_printf(arena, "KLAMM_%s=%.*s", name, STR_ARG(value)).ptr;
}

Test(config, every_key_is_taken_from_file_and_environment_or_refused_by_its_name) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, 4096, 0);
    uint32_t refused = 0, taken = 0;
    for (uint32_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        struct str value = other_value(key, &arena);
        if (value.ptr == NULL) continue; /* lists of words, which rows above and below have */
        struct str line = arena_printf(&arena, BASE "%s=%.*s\n", key->name, STR_ARG(value));
        const char *variable = variable_of(key->name, value, &arena);
        cr_expect(config_is_variable(variable), "%s", variable);
        for (int from_file = 0; from_file < 2; from_file++) {
            struct loaded l;
            load_all(&l, from_file ? line.ptr : BASE, from_file ? NULL : variable, NULL);
            const struct config_setting *setting =
                l.st == ST_OK ? config_setting_find(&l.set, str_of(key->name)) : NULL;
            if (key->force == FORCE_REFUSED) {
                refused++;
                cr_expect_neq(l.st, ST_OK, "%s: taken", key->name);
                cr_expect_not_null(memmem(l.error.ptr, l.error.len, key->name, strlen(key->name)),
                                   "%.*s", STR_ARG(l.error));
            } else if (l.st == ST_OK) { /* a value may contradict another key's: told by both */
                taken++;
                cr_assert_not_null(setting, "%s", key->name);
                cr_expect(str_eq(setting->value, value), "%s", key->name);
                cr_expect(key->force != FORCE_ACTS || key->offset >= 0 ||
                              key->scope == SCOPE_DYNAMIC_ONLY,
                          "%s acts and is read nowhere", key->name);
            }
            unload(&l);
        }
    }
    cr_expect_gt(refused, 30);
    cr_expect_gt(taken, 600);
    arena_release(&arena);
}

/* --- listeners --- */

static const struct {
    const char *name, *text, *message; /* NULL: good */
} listener_rows[] = {
    {"a host and a controller", BASE "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://:9093\n",
     NULL},
    {"every address, advertised",
     BASE "listeners=PLAINTEXT://0.0.0.0:9092\nadvertised.listeners=PLAINTEXT://h:9092\n", NULL},
    {"every address, not advertised", BASE "listeners=PLAINTEXT://0.0.0.0:9092\n",
     "server.properties:4: listeners: PLAINTEXT listens on every address and advertised.listeners "
     "does not say "
     "which one clients shall use"},
    {"not an endpoint", BASE "listeners=9092\n",
     "server.properties:4: listeners: '9092' is not NAME://HOST:PORT"},
    {"a port too large", BASE "listeners=PLAINTEXT://h:65536\n",
     "server.properties:4: listeners: 'PLAINTEXT://h:65536' is not NAME://HOST:PORT"},
    {"one name twice", BASE "listeners=PLAINTEXT://h:9092,PLAINTEXT://h:9094\n",
     "server.properties:4: listeners: PLAINTEXT stands there twice, each listener needs a name of "
     "its own"},
    {"what does not listen, advertised",
     BASE "listeners=PLAINTEXT://h:9092\nadvertised.listeners=OUTSIDE://h:9092\n",
     "server.properties:5: advertised.listeners: 'OUTSIDE://h:9092' is none of listeners"},
    {"no endpoint behind a good one, advertised",
     BASE "listeners=PLAINTEXT://h:9092\nadvertised.listeners=PLAINTEXT://h:9092,h:9094\n",
     "server.properties:5: advertised.listeners: 'h:9094' is not NAME://HOST:PORT"},
    {"TLS", BASE "listeners=SSL://127.0.0.1:9092\n",
     "server.properties:4: listeners: SSL has the protocol SSL, only PLAINTEXT is served yet"},
    {"a name without protocol", BASE "listeners=INSIDE://127.0.0.1:9092\n",
     "server.properties:4: listeners: INSIDE has no protocol in listener.security.protocol.map"},
    {"only a controller", BASE "listeners=CONTROLLER://127.0.0.1:9093\n",
     "server.properties:4: listeners: a listener for clients is missing"},
    {"a role alone", "process.roles=broker\nnode.id=1\ncontroller.listener.names=C\n",
     "server.properties:1: process.roles: only broker,controller in one process is served yet"},
    {"another node as the voter", BASE "controller.quorum.voters=2@a:1\n",
     "server.properties:4: controller.quorum.voters: '2@a:1' is not this node, 1@HOST:PORT"},
    {"itself as the voter",
     BASE "listeners=PLAINTEXT://h:9092,CONTROLLER://h:1\ncontroller.quorum.voters=1@a:1\n", NULL},
    {"a voter without a controller that listens", BASE "controller.quorum.voters=1@a:1\n",
     "server.properties:3: controller.listener.names: controller.listener.names must contain at "
     "least one value appearing in the 'listeners' configuration when running the KRaft controller "
     "role (CONTROLLER)"},
    {"two on one port", BASE "listeners=PLAINTEXT://h:9092,CONTROLLER://h:9092\n",
     "server.properties:4: listeners: Each listener must have a different port unless exactly one "
     "listener has an IPv4 address and the other IPv6 address, listeners: [PLAINTEXT://h:9092, "
     "CONTROLLER://h:9092], port: 9092"},
    {"two addresses of one kind on one port",
     BASE "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.2:9092\n",
     "server.properties:4: listeners: Each listener must have a different port unless exactly one "
     "listener has an IPv4 address and the other IPv6 address, listeners: "
     "[PLAINTEXT://127.0.0.1:9092, CONTROLLER://127.0.0.2:9092], port: 9092"},
    {"IPv4 and IPv6 on one port",
     BASE "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://[::1]:9092\n", NULL},
    {"any port twice", BASE "listeners=PLAINTEXT://h:0,CONTROLLER://h:0\n", NULL},
    {"names in small letters",
     BASE "listeners=plaintext://h:9092\nlistener.security.protocol.map=Plaintext:plaintext\n",
     NULL},
    {"a protocol given twice, the last one counts",
     BASE "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PLAINTEXT:SSL\n",
     "server.properties: listeners: PLAINTEXT has the protocol SSL, only PLAINTEXT is served yet"},
    {"one name advertised twice",
     BASE "listeners=PLAINTEXT://h:9092\n"
          "advertised.listeners=PLAINTEXT://h:9092,PLAINTEXT://i:9092\n",
     "server.properties:5: advertised.listeners: 'PLAINTEXT://i:9092' is the second of its name"},
    {"only a controller, advertised",
     BASE "listeners=PLAINTEXT://h:9092,CONTROLLER://h:9093\n"
          "advertised.listeners=CONTROLLER://h:9093\n",
     "server.properties:5: advertised.listeners: There must be at least one broker advertised "
     "listener. Perhaps all listeners appear in controller.listener.names?"},
    {"two voters", BASE "controller.quorum.voters=1@a:1,2@b:1\n",
     "server.properties:4: controller.quorum.voters: more than one voter is not served yet"},
};

Test(listeners, rows_are_read_or_refused_with_the_place) {
    for (size_t i = 0; i < COUNT(listener_rows); i++) {
        struct loaded l;
        struct listeners listeners;
        load(&l, listener_rows[i].text, NULL);
        cr_assert_eq(l.st, ST_OK, "%s: %.*s", listener_rows[i].name, STR_ARG(l.error));
        enum status st = listeners_read(&l.set, STR("myhost"), &l.arena, &listeners, &l.error);
        const char *message = listener_rows[i].message;
        cr_expect_eq(st == ST_OK, message == NULL, "%s: got %s '%.*s'", listener_rows[i].name,
                     status_name(st), STR_ARG(l.error));
        if (message != NULL) {
            cr_expect(str_eq(l.error, str_of(message)), "%s: got '%.*s'", listener_rows[i].name,
                      STR_ARG(l.error));
        }
        unload(&l);
    }
}

Test(listeners, what_is_not_advertised_is_advertised_as_it_listens) {
    struct loaded l;
    struct listeners listeners;
    load(&l, BASE "listeners=CONTROLLER://:9093,PLAINTEXT://:9092\n", NULL);
    cr_assert_eq(listeners_read(&l.set, STR("myhost"), &l.arena, &listeners, &l.error), ST_OK);
    cr_assert_eq(listeners.count, 2);
    cr_expect_eq(listeners.client_count, 1, "the controller's comes last");
    cr_expect(str_eq(listeners.items[0].advertised_host, STR("myhost")));
    cr_expect_eq(listeners.items[0].advertised_port, 9092);
    cr_expect(listeners.items[1].is_controller);
    unload(&l);
}

/* --- how a value is shown --- */

static const struct {
    const char *name;
    enum config_type type;
    const char *value, *text;
} shown[] = {
    {"a number with zeros", CONFIG_INT, "0100", "100"},
    {"a boolean in capitals", CONFIG_BOOLEAN, "TRUE", "true"},
    {"a list with spaces", CONFIG_LIST, "compact, delete ", "compact,delete"},
    {"an empty list", CONFIG_LIST, "", ""},
    {"a fraction with zeros", CONFIG_DOUBLE, "0.50", "0.5"},
    {"a whole double", CONFIG_DOUBLE, "1000000", "1000000.0"},
    {"a large double", CONFIG_DOUBLE, "1.7976931348623157E308", "1.7976931348623157E308"},
    {"ten millions", CONFIG_DOUBLE, "10000000", "1.0E7"},
    {"a small double", CONFIG_DOUBLE, "0.00025", "2.5E-4"},
    {"zero", CONFIG_DOUBLE, "0", "0.0"},
    {"text", CONFIG_STRING, " lz4 ", "lz4"},
};

Test(config, a_value_is_shown_as_kafka_shows_it_once_parsed) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, 1024, 0);
    for (size_t i = 0; i < COUNT(shown); i++) {
        struct str text = config_value_text(shown[i].type, str_of(shown[i].value), &arena);
        cr_expect(str_eq(text, str_of(shown[i].text)), "%s: got '%.*s'", shown[i].name,
                  STR_ARG(text));
    }
    arena_release(&arena);
}
