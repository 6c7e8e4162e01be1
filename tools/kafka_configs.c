/* tools/kafka_configs.c - kafka-configs: shows and alters the dynamic configurations of topics,
 * brokers, loggers, groups and client metrics. Options, output and sentences are those of Kafka
 * 4.3's tool (ConfigCommand). Quotas and SCRAM (users, clients, ips) are refused by name. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "controller/controller.h"
#include "tools/admin.h"
#include "tools/groups.h"
#include "tools/topics.h"

enum option {
    OPT_BOOTSTRAP,
    OPT_CONTROLLER,
    OPT_COMMAND_CONFIG,
    OPT_ALTER,
    OPT_DESCRIBE,
    OPT_ALL,
    OPT_ENTITY_TYPE,
    OPT_ENTITY_NAME,
    OPT_ENTITY_DEFAULT,
    OPT_ADD,
    OPT_ADD_FILE,
    OPT_DELETE,
    OPT_TOPIC,
    OPT_BROKER,
    OPT_BROKER_DEFAULTS,
    OPT_GROUP,
    OPT_CLIENT_METRICS,
    OPT_BROKER_LOGGER,
    OPT_CLIENT,
    OPT_CLIENT_DEFAULTS,
    OPT_USER,
    OPT_USER_DEFAULTS,
    OPT_IP,
    OPT_IP_DEFAULTS,
    OPT_COUNT
};

#define REFUSED "Not supported yet."
static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = ADMIN_BOOTSTRAP_OPTION,
    [OPT_CONTROLLER] = {.name = "bootstrap-controller",
                        .kind = CLI_TEXT,
                        .label = "host:port,...",
                        .help = "Controllers to ask instead. " REFUSED},
    [OPT_COMMAND_CONFIG] = ADMIN_CONFIG_OPTION,
    [OPT_ALTER] = {.name = "alter", .help = "Alter the configuration of an entity."},
    [OPT_DESCRIBE] = {.name = "describe", .help = "Print the configuration of entities."},
    [OPT_ALL] = {.name = "all", .help = "Describe what is not dynamic, too."},
    [OPT_ENTITY_TYPE] = {.name = "entity-type",
                         .kind = CLI_TEXT,
                         .flags = CLI_MANY,
                         .label = "type",
                         .help = "topics, brokers, broker-loggers, groups or client-metrics."},
    [OPT_ENTITY_NAME] = {.name = "entity-name",
                         .kind = CLI_TEXT,
                         .flags = CLI_MANY,
                         .label = "name",
                         .help = "The topic, the broker's id ..."},
    [OPT_ENTITY_DEFAULT] = {.name = "entity-default", .help = "The default of all brokers."},
    [OPT_ADD] = {.name = "add-config",
                 .kind = CLI_TEXT,
                 .label = "k=v,...",
                 .help = "Set these keys; a value with commas stands in [brackets]."},
    [OPT_ADD_FILE] = {.name = "add-config-file",
                      .kind = CLI_TEXT,
                      .label = "file",
                      .help = "Set the keys of a properties file."},
    [OPT_DELETE] = {.name = "delete-config",
                    .kind = CLI_TEXT,
                    .flags = CLI_MANY,
                    .label = "k,...",
                    .help = "Let these keys be what they are by default."},
    [OPT_TOPIC] = {.name = "topic", .kind = CLI_TEXT, .label = "name", .help = "A topic."},
    [OPT_BROKER] = {.name = "broker", .kind = CLI_TEXT, .label = "id", .help = "A broker."},
    [OPT_BROKER_DEFAULTS] = {.name = "broker-defaults", .help = "The default of all brokers."},
    [OPT_GROUP] = {.name = "group", .kind = CLI_TEXT, .label = "name", .help = "A group."},
    [OPT_CLIENT_METRICS] = {.name = "client-metrics",
                            .kind = CLI_TEXT,
                            .label = "name",
                            .help = "A subscription of client metrics."},
    [OPT_BROKER_LOGGER] = {.name = "broker-logger",
                           .kind = CLI_TEXT,
                           .label = "id",
                           .help = "The loggers of a broker."},
    [OPT_CLIENT] = {.name = "client", .kind = CLI_TEXT, .label = "id", .help = REFUSED},
    [OPT_CLIENT_DEFAULTS] = {.name = "client-defaults", .help = REFUSED},
    [OPT_USER] = {.name = "user", .kind = CLI_TEXT, .label = "name", .help = REFUSED},
    [OPT_USER_DEFAULTS] = {.name = "user-defaults", .help = REFUSED},
    [OPT_IP] = {.name = "ip", .kind = CLI_TEXT, .label = "address", .help = REFUSED},
    [OPT_IP_DEFAULTS] = {.name = "ip-defaults", .help = REFUSED},
};
static const struct cli_tool tool = {
    .name = "kafka-configs",
    .purpose = "shows and alters dynamic configurations.",
    .options = options,
    .option_count = OPT_COUNT,
};

/* Kinds of entities that have configurations: ConfigResource.Type and the ConfigEntry.ConfigSource
 * of what was set for one of them. */
static const struct entity {
    const char *type, *singular;
    uint32_t option;
    int8_t resource, source;
} entities[] = {
    {"topics", "topic", OPT_TOPIC, 2, 1},
    {"brokers", "broker", OPT_BROKER, 4, 2},
    {"groups", "group", OPT_GROUP, 32, 8},
    {"client-metrics", "client-metric", OPT_CLIENT_METRICS, 16, 7},
    {"broker-loggers", "broker-logger", OPT_BROKER_LOGGER, 8, 6},
};
enum { ENTITY_TOPIC, ENTITY_BROKER, ENTITY_GROUP, ENTITY_METRICS, ENTITY_LOGGER };

#define SOURCE_DEFAULT_BROKER 3
#define OPERATION_SET 0
#define OPERATION_DELETE 1

static const char *const sources[] = {
    "UNKNOWN",
    "DYNAMIC_TOPIC_CONFIG",
    "DYNAMIC_BROKER_CONFIG",
    [SOURCE_DEFAULT_BROKER] = "DYNAMIC_DEFAULT_BROKER_CONFIG",
    "STATIC_BROKER_CONFIG",
    "DEFAULT_CONFIG",
    "DYNAMIC_BROKER_LOGGER_CONFIG",
    "DYNAMIC_CLIENT_METRICS_CONFIG",
    "DYNAMIC_GROUP_CONFIG",
};

struct command {
    struct cli cli;
    struct admin admin;
    const struct entity *entity;
    struct str name; /* null: all; empty: the default of all */
};

/* ---- the command line ---- */

/* The first of the options that name what is refused. */
static void refuse_others(const struct cli *cli) {
    for (uint32_t i = OPT_CLIENT; i <= OPT_IP_DEFAULTS; i++)
        if (cli_has(cli, i)) cli_exit("--%s: not supported yet", options[i].name);
    if (cli_has(cli, OPT_CONTROLLER))
        cli_exit("--bootstrap-controller: not supported yet; use --bootstrap-server");
}

static void choose_by_type(struct command *cmd) {
    static const char *const later[] = {"users", "clients", "ips"};
    const char *type = cli_nth(&cmd->cli, OPT_ENTITY_TYPE, 0);
    for (size_t i = 0; i < COUNT(later); i++)
        if (strcmp(type, later[i]) == 0) cli_exit("--entity-type %s: not supported yet", type);
    for (size_t i = 0; i < COUNT(entities); i++)
        if (strcmp(type, entities[i].type) == 0) cmd->entity = &entities[i];
    if (cmd->entity == NULL)
        cli_exit("Invalid entity type %s, the entity type must be one of topics, clients, users, "
                 "brokers, ips, client-metrics, groups, broker-loggers with a --bootstrap-server "
                 "or --bootstrap-controller argument",
                 type);
    if (cli_count(&cmd->cli, OPT_ENTITY_NAME) > 1) cli_exit("--entity-name: one is enough");
    if (cli_has(&cmd->cli, OPT_ENTITY_NAME))
        cmd->name = str_of(cli_nth(&cmd->cli, OPT_ENTITY_NAME, 0));
    if (cli_has(&cmd->cli, OPT_ENTITY_DEFAULT)) cmd->name = STR("");
}

/* A broker tells of itself; of everything else any does. */
static bool is_of_node(const struct command *cmd) {
    return cmd->entity == &entities[ENTITY_BROKER] || cmd->entity == &entities[ENTITY_LOGGER];
}

static void choose_entity(struct command *cmd) {
    const struct cli *cli = &cmd->cli;
    uint32_t count = cli_has(cli, OPT_ENTITY_TYPE) + cli_has(cli, OPT_BROKER_DEFAULTS);
    for (size_t i = 0; i < COUNT(entities); i++) {
        if (!cli_has(cli, entities[i].option)) continue;
        cmd->entity = &entities[i];
        cmd->name = str_of(cli_text(cli, entities[i].option));
        count++;
    }
    if (count == 0) cli_exit("At least one entity type must be specified");
    if (count > 1 || cli_count(cli, OPT_ENTITY_TYPE) > 1)
        cli_exit("Only 'users' and 'clients' entity types may be specified together");
    if (cli_has(cli, OPT_BROKER_DEFAULTS)) {
        cmd->entity = &entities[ENTITY_BROKER];
        cmd->name = STR("");
    } else if (cli_has(cli, OPT_ENTITY_TYPE)) {
        choose_by_type(cmd);
    }
    int32_t id;
    bool is_broker = cmd->entity == &entities[ENTITY_BROKER];
    if (is_of_node(cmd) && cmd->name.len > 0 && !str_to_int32(cmd->name, &id))
        cli_exit("The entity name for %s must be a valid integer broker id, but it is: %.*s",
                 cmd->entity->type, STR_ARG(cmd->name));
    if (cmd->entity == &entities[ENTITY_LOGGER] && cmd->name.ptr == NULL)
        cli_exit("An entity name must be specified with --%s of broker-loggers",
                 cli_has(cli, OPT_ALTER) ? "alter" : "describe");
    if (!is_broker && cmd->name.ptr != NULL && cmd->name.len == 0)
        cli_exit("--entity-default must not be specified with --%s of %s",
                 cli_has(cli, OPT_ALTER) ? "alter" : "describe", cmd->entity->type);
}

static void check_options(struct command *cmd) {
    const struct cli *cli = &cmd->cli;
    bool alters = cli_has(cli, OPT_ALTER);
    if (alters == cli_has(cli, OPT_DESCRIBE))
        cli_usage_exit(cli, "Command must include exactly one action: --describe, --alter");
    if (!alters)
        cli_forbid_with(cli, OPT_DESCRIBE,
                        (const uint32_t[]){OPT_ALTER, OPT_ADD, OPT_ADD_FILE, OPT_DELETE}, 4);
    refuse_others(cli);
    if (!cli_has(cli, OPT_BOOTSTRAP))
        cli_exit("Either --bootstrap-server or --bootstrap-controller must be specified.");
    choose_entity(cmd);
    if (!alters) return;
    if (cmd->name.ptr == NULL)
        cli_exit("An entity name must be specified with --alter of %s", cmd->entity->type);
    if (cli_has(cli, OPT_ADD) && cli_has(cli, OPT_ADD_FILE))
        cli_exit("Only one of --add-config or --add-config-file must be specified");
    if (!cli_has(cli, OPT_ADD) && !cli_has(cli, OPT_ADD_FILE) && !cli_has(cli, OPT_DELETE))
        cli_exit("At least one of --add-config, --add-config-file, or --delete-config must be "
                 "specified with --alter");
}

/* Without square brackets and without space around it. */
static struct str plain_value(struct arena *arena, struct str text) {
    char *out = arena_alloc(arena, text.len + 1);
    ASSERT(out != NULL);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '[' && text.ptr[i] != ']') out[len++] = text.ptr[i];
    return str_trim((struct str){out, len});
}

/* "k=v,k=[v,v]" */
static void read_pairs(struct settings *settings, const char *text) {
    bool more = true;
    while (more) {
        size_t len = 0, depth = 0;
        for (; text[len] != '\0' && (text[len] != ',' || depth > 0); len++) {
            if (text[len] == '[') depth = 1;
            if (text[len] == ']') depth = 0;
        }
        struct str pair = {text, len};
        const char *equals = len > 0 ? memchr(text, '=', len) : NULL;
        if (equals == NULL || equals == text)
            cli_exit("requirement failed: Invalid entity config: all configs to be added must be "
                     "in the format \"key=val\" or  \"key=[val1,val2]\" to group values which "
                     "contain commas.");
        struct str key = str_trim((struct str){pair.ptr, (size_t)(equals - text)});
        struct str value = {equals + 1, len - (size_t)(equals - text) - 1};
        settings_set(settings, key, plain_value(settings->arena, value));
        more = text[len] == ',';
        text += len + more;
    }
}

/* ---- --describe ---- */

__attribute__((noreturn)) static void fail(const struct command *cmd, struct str why) {
    cli_exit("Error while executing config command for %s '%.*s': %.*s", cmd->entity->singular,
             STR_ARG(cmd->name), STR_ARG(why));
}

static void check(const struct command *cmd, enum status st) {
    if (st != ST_OK)
        fail(cmd, st == ST_NOMEM ? STR("out of memory") : str_of(cmd->admin.client.message));
}

static int32_t target_of(const struct command *cmd, struct str name) {
    int32_t id;
    return is_of_node(cmd) && str_to_int32(name, &id) ? id : CLIENT_ANY;
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const struct describe_configs_response_resource_result *)a)->name,
                   ((const struct describe_configs_response_resource_result *)b)->name);
}

static const char *source_text(int8_t source) {
    return source >= 0 && (size_t)source < COUNT(sources) ? sources[source] : sources[0];
}

static struct str or_null(struct str text) { return text.ptr != NULL ? text : STR("null"); }

static void print_config(const struct describe_configs_response_resource_result *config) {
    struct str value = or_null(config->value);
    printf("  %.*s=%.*s sensitive=%s synonyms={", STR_ARG(config->name), STR_ARG(value),
           config->is_sensitive ? "true" : "false");
    for (int32_t i = 0; i < config->synonyms_count; i++) {
        const struct describe_configs_response_synonym *synonym = &config->synonyms[i];
        value = or_null(synonym->value);
        printf("%s%s:%.*s=%.*s", i > 0 ? ", " : "", source_text(synonym->source),
               STR_ARG(synonym->name), STR_ARG(value));
    }
    puts("}");
}

/* What a broker says of one, sorted by name. */
static const struct describe_configs_response_result *ask(struct command *cmd, struct str name) {
    struct describe_configs_request request;
    struct describe_configs_response response;
    codec_defaults(&describe_configs_request_schema, &request);
    request.include_synonyms = true;
    request.resources = describe_configs_request_resource_array(&cmd->admin.arena, 1);
    ASSERT(request.resources != NULL);
    request.resources_count = 1;
    request.resources[0].resource_type = cmd->entity->resource;
    request.resources[0].resource_name = name;
    request.resources[0].configuration_keys_count = -1; /* all */
    check(cmd, client_call(&cmd->admin.client, target_of(cmd, name), API_DESCRIBE_CONFIGS, &request,
                           &response));
    if (response.results_count != 1) fail(cmd, STR("the broker's answer is of something else"));
    struct describe_configs_response_result *result = &response.results[0];
    if (result->error_code != KAFKA_NONE)
        fail(cmd, error_text(result->error_message, result->error_code));
    if (result->configs_count > 0)
        qsort(result->configs, (size_t)result->configs_count, sizeof *result->configs, by_name);
    return result;
}

static void describe_one(struct command *cmd, struct str name) {
    bool all = cli_has(&cmd->cli, OPT_ALL);
    if (name.len == 0)
        printf("Default configs for %s in the cluster are:\n", cmd->entity->type);
    else
        printf("%s configs for %s %.*s are:\n", all ? "All" : "Dynamic", cmd->entity->singular,
               STR_ARG(name));
    const struct describe_configs_response_result *result = ask(cmd, name);
    int8_t source = name.len == 0 ? SOURCE_DEFAULT_BROKER : cmd->entity->source;
    for (int32_t i = 0; i < result->configs_count; i++)
        if (all || result->configs[i].config_source == source) print_config(&result->configs[i]);
}

static struct topic_list find_topics(struct command *cmd) {
    const struct topic_choice everything = {.names = NULL};
    struct topic_list topics;
    check(cmd, topics_find(&cmd->admin.client, &everything, &topics));
    return topics;
}

static const struct metadata_response *find_brokers(struct command *cmd) {
    const struct metadata_response *cluster = client_cluster(&cmd->admin.client);
    if (cluster == NULL) fail(cmd, str_of(cmd->admin.client.message));
    return cluster;
}

static int by_text(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct names {
    struct str *at; /* sorted, each once */
    uint32_t count;
};

/* Of what has settings of the command's type and, of groups, of what there is else. */
static struct names find_others(struct command *cmd) {
    struct list_config_resources_request request;
    struct list_config_resources_response response;
    struct listed_groups groups = {.count = 0};
    struct names names = {.count = 0};
    int8_t type = cmd->entity->resource;
    codec_defaults(&list_config_resources_request_schema, &request);
    request.resource_types = &type;
    request.resource_types_count = 1;
    check(cmd, client_call(&cmd->admin.client, CLIENT_ANY, API_LIST_CONFIG_RESOURCES, &request,
                           &response));
    if (response.error_code != KAFKA_NONE) fail(cmd, error_text(STR_NULL, response.error_code));
    if (cmd->entity == &entities[ENTITY_GROUP])
        check(cmd, groups_list(&cmd->admin.client, false, NULL, 0, NULL, 0, &groups));
    uint32_t configured = (uint32_t)response.config_resources_count;
    uint32_t count = configured + groups.count;
    names.at = arena_array(&cmd->admin.arena, count, sizeof *names.at);
    ASSERT(names.at != NULL);
    for (uint32_t i = 0; i < configured; i++)
        names.at[i] = response.config_resources[i].resource_name;
    for (uint32_t i = 0; i < groups.count; i++) names.at[configured + i] = groups.at[i].id;
    if (count > 0) qsort(names.at, count, sizeof *names.at, by_text);
    for (uint32_t i = 0; i < count; i++) {
        bool is_new = names.count == 0 || !str_eq(names.at[names.count - 1], names.at[i]);
        if (is_new) names.at[names.count++] = names.at[i];
    }
    return names;
}

static void describe_all(struct command *cmd) {
    if (cmd->entity == &entities[ENTITY_TOPIC]) {
        struct topic_list topics = find_topics(cmd);
        for (uint32_t i = 0; i < topics.count; i++) describe_one(cmd, topics.topics[i].name);
        return;
    }
    if (cmd->entity != &entities[ENTITY_BROKER]) {
        struct names names = find_others(cmd);
        for (uint32_t i = 0; i < names.count; i++) describe_one(cmd, names.at[i]);
        return;
    }
    const struct metadata_response *cluster = find_brokers(cmd);
    for (int32_t i = 0; i < cluster->brokers_count; i++)
        describe_one(cmd, arena_printf(&cmd->admin.arena, "%" PRId32, cluster->brokers[i].node_id));
    describe_one(cmd, STR(""));
}

static bool is_there(struct command *cmd) {
    bool found = cmd->name.len == 0;
    if (cmd->entity == &entities[ENTITY_TOPIC]) {
        struct str problem = topic_name_problem(cmd->name, &cmd->admin.arena);
        if (problem.ptr != NULL) cli_exit("%.*s", STR_ARG(problem));
        struct topic_list topics = find_topics(cmd);
        for (uint32_t i = 0; i < topics.count; i++)
            found |= str_eq(topics.topics[i].name, cmd->name);
        return found;
    }
    if (found) return true;
    if (cmd->entity != &entities[ENTITY_BROKER]) {
        struct names names = find_others(cmd);
        for (uint32_t i = 0; i < names.count; i++) found |= str_eq(names.at[i], cmd->name);
        return found;
    }
    const struct metadata_response *cluster = find_brokers(cmd);
    int32_t id = target_of(cmd, cmd->name);
    for (int32_t i = 0; i < cluster->brokers_count; i++) found |= cluster->brokers[i].node_id == id;
    return found;
}

static void describe(struct command *cmd) {
    if (cmd->name.ptr == NULL)
        describe_all(cmd);
    else if (cli_has(&cmd->cli, OPT_ALL) || cmd->entity == &entities[ENTITY_LOGGER] ||
             is_there(cmd)) /* what has none has its defaults */
        describe_one(cmd, cmd->name);
    else
        printf("The %s '%.*s' doesn't exist and doesn't have dynamic config.\n",
               cmd->entity->singular, STR_ARG(cmd->name));
}

/* ---- --alter ---- */

static void read_changes(struct command *cmd,
                         struct incremental_alter_configs_request_resource *resource) {
    const struct cli *cli = &cmd->cli;
    struct settings added, deleted;
    settings_init(&added, &cmd->admin.arena);
    settings_init(&deleted, &cmd->admin.arena);
    if (cli_has(cli, OPT_ADD)) read_pairs(&added, cli_text(cli, OPT_ADD));
    if (cli_has(cli, OPT_ADD_FILE)) settings_load(&added, cli_text(cli, OPT_ADD_FILE));
    for (uint32_t i = 0; i < cli_count(cli, OPT_DELETE); i++) {
        struct str rest = str_of(cli_nth(cli, OPT_DELETE, i)), key;
        while (str_next_part(&rest, ',', &key))
            if (key.len > 0) settings_set(&deleted, key, STR(""));
    }
    int32_t count = 0;
    for (const struct setting *s = added.first; s != NULL; s = s->next) count++;
    for (const struct setting *s = deleted.first; s != NULL; s = s->next) count++;
    struct incremental_alter_configs_request_alterable_config *configs =
        incremental_alter_configs_request_alterable_config_array(&cmd->admin.arena, count);
    ASSERT(configs != NULL);
    resource->configs = configs;
    resource->configs_count = count;
    for (const struct setting *s = added.first; s != NULL; s = s->next, configs++) {
        configs->name = s->key;
        configs->value = s->value;
        configs->config_operation = OPERATION_SET;
    }
    for (const struct setting *s = deleted.first; s != NULL; s = s->next, configs++) {
        configs->name = s->key;
        configs->value = STR_NULL;
        configs->config_operation = OPERATION_DELETE;
    }
}

/* Kafka's tool asks for the loggers first, too: a broker would make those that it does not know. */
static void check_loggers(struct command *cmd,
                          const struct incremental_alter_configs_request_resource *resource) {
    const struct describe_configs_response_result *known = ask(cmd, cmd->name);
    struct str missing = STR_NULL;
    for (int32_t i = 0; i < resource->configs_count; i++) {
        bool found = false;
        for (int32_t k = 0; k < known->configs_count; k++)
            found |= str_eq(known->configs[k].name, resource->configs[i].name);
        if (found) continue;
        missing = arena_printf(&cmd->admin.arena, "%.*s%s%.*s", STR_ARG(missing),
                               missing.ptr != NULL ? "," : "", STR_ARG(resource->configs[i].name));
    }
    if (missing.ptr != NULL) cli_exit("Invalid broker logger(s): %.*s", STR_ARG(missing));
}

static void alter(struct command *cmd) {
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response response;
    codec_defaults(&incremental_alter_configs_request_schema, &request);
    request.resources = incremental_alter_configs_request_resource_array(&cmd->admin.arena, 1);
    ASSERT(request.resources != NULL);
    request.resources_count = 1;
    request.resources[0].resource_type = cmd->entity->resource;
    request.resources[0].resource_name = cmd->name;
    read_changes(cmd, &request.resources[0]);
    if (cmd->entity == &entities[ENTITY_LOGGER]) check_loggers(cmd, &request.resources[0]);
    int16_t code;
    do {
        check(cmd, client_call(&cmd->admin.client, target_of(cmd, cmd->name),
                               API_INCREMENTAL_ALTER_CONFIGS, &request, &response));
        if (response.responses_count != 1)
            fail(cmd, STR("the broker's answer is of something else"));
        code = response.responses[0].error_code;
    } while (code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION &&
             client_may_retry(&cmd->admin.client, code));
    if (code != KAFKA_NONE) fail(cmd, error_text(response.responses[0].error_message, code));
    if (cmd->name.len == 0)
        printf("Completed updating default config for %s in the cluster.\n", cmd->entity->type);
    else
        printf("Completed updating config for %s %.*s.\n", cmd->entity->singular,
               STR_ARG(cmd->name));
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct command cmd = {.name = STR_NULL};
    cli_start(&cmd.cli, &tool, &mem, argc, argv);
    check_options(&cmd);
    check(&cmd, admin_start(&cmd.admin, &mem, cli_text(&cmd.cli, OPT_BOOTSTRAP),
                            cli_text(&cmd.cli, OPT_COMMAND_CONFIG)));
    if (cli_has(&cmd.cli, OPT_ALTER))
        alter(&cmd);
    else
        describe(&cmd);
    admin_stop(&cmd.admin);
    cli_release(&cmd.cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
