/* tools/kafka_topics.c - kafka-topics: creates, lists, describes, alters and deletes topics.
 * Options, sentences and exit codes are those of Kafka 4.3's tool. Described topics come sorted by
 * name, where Kafka's come in the order of a hash table. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "tools/topics.h"

#define PAGE_PARTITIONS 2000
#define REPLICAS_MAX 32767

enum option {
    OPT_BOOTSTRAP,
    OPT_COMMAND_CONFIG,
    OPT_LIST,
    OPT_CREATE,
    OPT_DELETE,
    OPT_ALTER,
    OPT_DESCRIBE,
    OPT_TOPIC,
    OPT_TOPIC_ID,
    OPT_CONFIG,
    OPT_DELETE_CONFIG,
    OPT_PARTITIONS,
    OPT_REPLICATION_FACTOR,
    OPT_REPLICA_ASSIGNMENT,
    OPT_UNDER_REPLICATED,
    OPT_UNAVAILABLE,
    OPT_UNDER_MIN_ISR,
    OPT_AT_MIN_ISR,
    OPT_OVERRIDES,
    OPT_IF_EXISTS,
    OPT_IF_NOT_EXISTS,
    OPT_EXCLUDE_INTERNAL,
    OPT_PAGE,
    OPT_ZOOKEEPER,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = {.name = "bootstrap-server",
                       .kind = CLI_TEXT,
                       .label = "host:port,...",
                       .help = "Required. Brokers to ask first; one that answers is enough."},
    [OPT_COMMAND_CONFIG] =
        {.name = "command-config",
         .kind = CLI_TEXT,
         .label = "file",
         .help = "A file of client properties (request.timeout.ms, default.api.timeout.ms ...)."},
    [OPT_LIST] = {.name = "list", .help = "Print the names of the topics."},
    [OPT_CREATE] = {.name = "create", .help = "Create the topic."},
    [OPT_DELETE] = {.name = "delete",
                    .help = "Delete the topics that fit --topic, with all their records."},
    [OPT_ALTER] = {.name = "alter", .help = "Give the topics that fit --topic more partitions."},
    [OPT_DESCRIBE] = {.name = "describe",
                      .help = "Print partitions, leaders, replicas and configuration."},
    [OPT_TOPIC] = {.name = "topic",
                   .kind = CLI_TEXT,
                   .label = "name",
                   .help = "The topic; but for --create a regular expression that its whole name "
                           "fits, or several "
                           "separated by commas."},
    [OPT_TOPIC_ID] = {.name = "topic-id",
                      .kind = CLI_TEXT,
                      .label = "id",
                      .help = "With --describe: the topic with this id."},
    [OPT_CONFIG] =
        {.name = "config",
         .kind = CLI_TEXT,
         .flags = CLI_MANY,
         .label = "key=value",
         .help = "With --create: a configuration of the topic that differs from the broker's."},
    [OPT_DELETE_CONFIG] = {.name = "delete-config",
                           .kind = CLI_TEXT,
                           .flags = CLI_MANY,
                           .label = "key",
                           .help = "Does nothing any more."},
    [OPT_PARTITIONS] =
        {.name = "partitions",
         .kind = CLI_INT32,
         .label = "n",
         .help =
             "How many partitions the topic shall have; the broker's num.partitions without it. "
             "More of them than before move keys to other partitions."},
    [OPT_REPLICATION_FACTOR] =
        {.name = "replication-factor",
         .kind = CLI_INT32,
         .label = "n",
         .help = "On how many brokers each partition lies, its leader included; the broker's "
                 "default.replication.factor without it."},
    [OPT_REPLICA_ASSIGNMENT] =
        {.name = "replica-assignment",
         .kind = CLI_TEXT,
         .label = "a:b,a:b,...",
         .help = "Which brokers hold each partition, the preferred leader first."},
    [OPT_UNDER_REPLICATED] = {.name = "under-replicated-partitions",
                              .help = "Only partitions with replicas that are not in sync."},
    [OPT_UNAVAILABLE] = {.name = "unavailable-partitions",
                         .help = "Only partitions without a living leader."},
    [OPT_UNDER_MIN_ISR] =
        {.name = "under-min-isr-partitions",
         .help = "Only partitions with fewer replicas in sync than min.insync.replicas."},
    [OPT_AT_MIN_ISR] = {.name = "at-min-isr-partitions",
                        .help = "Only partitions with just min.insync.replicas replicas in sync."},
    [OPT_OVERRIDES] =
        {.name = "topics-with-overrides",
         .help = "Only topics with configurations of their own, without their partitions."},
    [OPT_IF_EXISTS] = {.name = "if-exists",
                       .help = "Do nothing, instead of failing, when no topic fits."},
    [OPT_IF_NOT_EXISTS] = {.name = "if-not-exists",
                           .help = "Do nothing, instead of failing, when the topic is there."},
    [OPT_EXCLUDE_INTERNAL] = {.name = "exclude-internal", .help = "Leave out Kafka's own topics."},
    [OPT_PAGE] = {.name = "partition-size-limit-per-response",
                  .kind = CLI_INT32,
                  .label = "n",
                  .help = "At most as many partitions in one answer of the broker."},
    [OPT_ZOOKEEPER] = {.name = "zookeeper", .kind = CLI_TEXT, .flags = CLI_HIDDEN},
};

static const struct cli_tool tool = {
    .name = "kafka-topics",
    .purpose = "creates, lists, describes, alters and deletes topics.",
    .options = options,
    .option_count = OPT_COUNT,
};

static const uint32_t actions[] = {OPT_ALTER, OPT_CREATE, OPT_DESCRIBE, OPT_LIST, OPT_DELETE};
static const uint32_t filters[] = {OPT_UNDER_REPLICATED, OPT_UNAVAILABLE, OPT_UNDER_MIN_ISR,
                                   OPT_AT_MIN_ISR};

/* Which actions an option goes with. */
static const struct {
    uint32_t option;
    uint32_t allowed[4];
    uint32_t allowed_count;
} belongings[] = {
    {OPT_CONFIG, {OPT_ALTER, OPT_CREATE}, 2},
    {OPT_PARTITIONS, {OPT_ALTER, OPT_CREATE}, 2},
    {OPT_REPLICATION_FACTOR, {OPT_CREATE}, 1},
    {OPT_REPLICA_ASSIGNMENT, {OPT_ALTER, OPT_CREATE}, 2},
    {OPT_UNDER_REPLICATED, {OPT_DESCRIBE}, 1},
    {OPT_UNAVAILABLE, {OPT_DESCRIBE}, 1},
    {OPT_UNDER_MIN_ISR, {OPT_DESCRIBE}, 1},
    {OPT_AT_MIN_ISR, {OPT_DESCRIBE}, 1},
    {OPT_OVERRIDES, {OPT_DESCRIBE}, 1},
    {OPT_IF_EXISTS, {OPT_ALTER, OPT_DELETE, OPT_DESCRIBE}, 3},
    {OPT_IF_NOT_EXISTS, {OPT_CREATE}, 1},
    {OPT_EXCLUDE_INTERNAL, {OPT_LIST, OPT_DESCRIBE}, 2},
};

struct command {
    struct cli cli;
    struct arena arena;
    struct client client;
    struct topic_choice choice;
    const char *topic; /* as given; NULL: none */
};

/* The way in which the tool tells of every failure of a command: on standard output. */
__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("Error while executing topic command : ", stdout);
    (void)vprintf(format, args);
    va_end(args);
    fputc('\n', stdout);
    exit(1);
}

static void check(const struct command *cmd, enum status st) {
    if (st == ST_OK) return;
    if (st == ST_NOMEM) fail("out of memory");
    fail("%s", cmd->client.message);
}

/* ---- the command line ---- */

static void check_belongings(const struct cli *cli) {
    for (size_t i = 0; i < COUNT(belongings); i++) {
        for (size_t k = 0; k < COUNT(actions); k++) {
            bool allowed = false;
            for (uint32_t n = 0; n < belongings[i].allowed_count; n++)
                allowed |= belongings[i].allowed[n] == actions[k];
            if (!allowed) cli_forbid_with(cli, belongings[i].option, &actions[k], 1);
        }
    }
    if (cli_has(cli, OPT_CREATE))
        cli_forbid_with(cli, OPT_REPLICA_ASSIGNMENT,
                        (const uint32_t[]){OPT_PARTITIONS, OPT_REPLICATION_FACTOR}, 2);
    for (size_t i = 0; i < COUNT(filters); i++)
        cli_forbid_with(cli, filters[i], (const uint32_t[]){OPT_OVERRIDES}, 1);
}

static void check_options(const struct cli *cli, int argc) {
    if (argc == 1) {
        cli_print_help(&tool, stderr);
        exit(1);
    }
    if (cli_has(cli, OPT_ZOOKEEPER))
        cli_usage_exit(cli, "zookeeper is not a recognized option: there is no ZooKeeper any more, "
                            "name the brokers by "
                            "--bootstrap-server host:port");
    uint32_t action_count = 0;
    for (size_t i = 0; i < COUNT(actions); i++) action_count += cli_has(cli, actions[i]);
    if (action_count != 1)
        cli_usage_exit(cli, "Command must include exactly one action: --list, --describe, "
                            "--create, --alter or --delete");
    if (cli_has(cli, OPT_DELETE_CONFIG))
        fprintf(stderr, "delete-config option is no longer supported and deprecated since version "
                        "4.0. The config will "
                        "be fully removed in future releases.\n");
    if (!cli_has(cli, OPT_BOOTSTRAP)) cli_usage_exit(cli, "--bootstrap-server must be specified");
    if (cli_has(cli, OPT_DESCRIBE) && cli_has(cli, OPT_IF_EXISTS) && !cli_has(cli, OPT_TOPIC) &&
        !cli_has(cli, OPT_TOPIC_ID))
        cli_usage_exit(cli, "--topic or --topic-id is required to describe a topic");
    if (!cli_has(cli, OPT_LIST) && !cli_has(cli, OPT_DESCRIBE))
        cli_require(cli, (const uint32_t[]){OPT_TOPIC}, 1);
    if (cli_has(cli, OPT_ALTER) && cli_has(cli, OPT_CONFIG))
        cli_usage_exit(cli, "Option combination \"[[config], [bootstrap-server]]\" can't be used "
                            "with option \"[alter]\" "
                            "(To alter topic configurations, the kafka-configs tool can be used.)");
    if (cli_has(cli, OPT_ALTER)) cli_require(cli, (const uint32_t[]){OPT_PARTITIONS}, 1);
    check_belongings(cli);
}

/* A list of names with commas is a choice between them; spaces and quotes around it do not count.
 */
static void choose_names(struct command *cmd) {
    struct strbuf text;
    strbuf_init(&text, cmd->arena.mem);
    struct str given = str_trim(str_of(cmd->topic));
    while (given.len > 0 && strchr("\"'", given.ptr[0]) != NULL)
        given = (struct str){given.ptr + 1, given.len - 1};
    while (given.len > 0 && strchr("\"'", given.ptr[given.len - 1]) != NULL) given.len--;
    for (size_t i = 0; i < given.len; i++) {
        if (given.ptr[i] != ' ') strbuf_add_char(&text, given.ptr[i] == ',' ? '|' : given.ptr[i]);
    }
    char why[200];
    cmd->choice.names = pattern_new(cmd->arena.mem, strbuf_str(&text), why, sizeof why);
    if (cmd->choice.names == NULL) fail("%s is an invalid regex.", cmd->topic);
    strbuf_release(&text);
}

static void choose(struct command *cmd) {
    const struct cli *cli = &cmd->cli;
    cmd->topic = cli_text(cli, OPT_TOPIC);
    cmd->choice.exclude_internal = cli_has(cli, OPT_EXCLUDE_INTERNAL);
    const char *id = cli_has(cli, OPT_DESCRIBE) ? cli_text(cli, OPT_TOPIC_ID) : NULL;
    if (id != NULL && !uuid_parse(str_of(id), &cmd->choice.id))
        fail(
            "Input string `%s` is no topic id: one has 22 characters of A-Z, a-z, 0-9, '-' and '_'",
            id);
    if (cmd->topic != NULL && !cli_has(cli, OPT_CREATE)) choose_names(cmd);
}

static struct topic_list find_chosen(struct command *cmd) {
    struct topic_list list;
    check(cmd, topics_find(&cmd->client, &cmd->choice, &list));
    return list;
}

/* As find_chosen, but one that finds nothing fails unless --if-exists. */
static struct topic_list find_existing(struct command *cmd) {
    struct topic_list list = find_chosen(cmd);
    if (list.count > 0 || cli_has(&cmd->cli, OPT_IF_EXISTS)) return list;
    if (!uuid_is_zero(cmd->choice.id))
        fail("TopicId '%s' does not exist as expected", cli_text(&cmd->cli, OPT_TOPIC_ID));
    if (cmd->topic != NULL) fail("Topic '%s' does not exist as expected", cmd->topic);
    return list;
}

/* ---- --replica-assignment ---- */

struct assignment {
    struct int32_list *partitions; /* brokers of each */
    int32_t count;
};

static int32_t parse_broker(struct str text) {
    int64_t id;
    if (!str_to_int64(str_trim(text), &id) || id < INT32_MIN || id > INT32_MAX)
        fail("For input string: \"%.*s\"", STR_ARG(text));
    return (int32_t)id;
}

static struct int32_list parse_brokers(struct command *cmd, struct str text) {
    int32_t *ids = arena_array(&cmd->arena, text.len + 1, sizeof *ids);
    ASSERT(ids != NULL);
    int32_t count = 0;
    bool more = true;
    while (more) {
        const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
        more = colon != NULL;
        size_t len = more ? (size_t)(colon - text.ptr) : text.len;
        int32_t id = parse_broker((struct str){text.ptr, len});
        for (int32_t i = 0; i < count; i++) {
            if (ids[i] == id)
                fail("Partition replica lists may not contain duplicate entries: %" PRId32, id);
        }
        ids[count++] = id;
        if (more) text = (struct str){text.ptr + len + 1, text.len - len - 1};
    }
    return (struct int32_list){ids, count};
}

/* "[1, 2]" */
static const char *list_text(struct command *cmd, struct int32_list list) {
    struct strbuf text;
    strbuf_init(&text, cmd->arena.mem);
    for (int32_t i = 0; i < list.count; i++)
        strbuf_printf(&text, "%s%" PRId32, i > 0 ? ", " : "[", list.values[i]);
    struct str copy = arena_printf(&cmd->arena, "%s]", strbuf_str(&text).ptr);
    strbuf_release(&text);
    return copy.ptr;
}

static struct assignment parse_assignment(struct command *cmd) {
    const char *rest = cli_text(&cmd->cli, OPT_REPLICA_ASSIGNMENT);
    struct assignment a = {.partitions =
                               arena_array(&cmd->arena, strlen(rest) + 1, sizeof *a.partitions)};
    ASSERT(a.partitions != NULL);
    bool more = true;
    while (more) {
        size_t len = strcspn(rest, ",");
        a.partitions[a.count] = parse_brokers(cmd, (struct str){rest, len});
        if (a.partitions[a.count].count != a.partitions[0].count)
            fail("Partition %" PRId32 " has different replication factor: %s", a.count,
                 list_text(cmd, a.partitions[a.count]));
        a.count++;
        more = rest[len] == ',';
        rest += len + more;
    }
    return a;
}

/* ---- --create ---- */

static void add_configs(struct command *cmd, struct create_topics_request_creatable_topic *topic) {
    uint32_t count = cli_count(&cmd->cli, OPT_CONFIG);
    topic->configs =
        create_topics_request_creatable_topic_config_array(&cmd->arena, (int32_t)count);
    ASSERT(topic->configs != NULL);
    for (uint32_t i = 0; i < count; i++) {
        const char *text = cli_nth(&cmd->cli, OPT_CONFIG, i);
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals[1] == '\0' || strchr(equals + 1, '=') != NULL)
            fail("requirement failed: Invalid topic config: all configs to be added must be in the "
                 "format \"key=val\".");
        struct str key = str_trim((struct str){text, (size_t)(equals - text)});
        int32_t at = 0; /* the last of several values counts */
        while (at < topic->configs_count && !str_eq(topic->configs[at].name, key)) at++;
        topic->configs[at].name = key;
        topic->configs[at].value = str_trim(str_of(equals + 1));
        if (at == topic->configs_count) topic->configs_count++;
    }
}

static void add_assignment(struct command *cmd,
                           struct create_topics_request_creatable_topic *topic) {
    struct assignment a = parse_assignment(cmd);
    topic->assignments =
        create_topics_request_creatable_replica_assignment_array(&cmd->arena, a.count);
    ASSERT(topic->assignments != NULL);
    topic->assignments_count = a.count;
    for (int32_t i = 0; i < a.count; i++) {
        topic->assignments[i].partition_index = i;
        topic->assignments[i].broker_ids = (int32_t *)(uintptr_t)a.partitions[i].values;
        topic->assignments[i].broker_ids_count = a.partitions[i].count;
    }
}

static void fill_topic(struct command *cmd, struct create_topics_request_creatable_topic *topic) {
    const struct cli *cli = &cmd->cli;
    topic->name = str_of(cmd->topic);
    topic->num_partitions = -1; /* the broker's own */
    topic->replication_factor = -1;
    if (strpbrk(cmd->topic, "._") != NULL)
        puts("WARNING: Due to limitations in metric names, topics with a period ('.') or "
             "underscore ('_') could collide. "
             "To avoid issues it is best to use either, but not both.");
    if (cli_has(cli, OPT_REPLICATION_FACTOR)) {
        int64_t factor = cli_number(cli, OPT_REPLICATION_FACTOR);
        if (factor < 1 || factor > REPLICAS_MAX)
            fail("The replication factor must be between 1 and 32767 inclusive");
        topic->replication_factor = (int16_t)factor;
    }
    if (cli_has(cli, OPT_PARTITIONS)) {
        topic->num_partitions = (int32_t)cli_number(cli, OPT_PARTITIONS);
        if (topic->num_partitions < 1) fail("The partitions must be greater than 0");
    }
    if (cli_has(cli, OPT_REPLICA_ASSIGNMENT)) add_assignment(cmd, topic);
    add_configs(cmd, topic);
}

static void create_topic(struct command *cmd) {
    struct create_topics_request request;
    struct create_topics_response response;
    codec_defaults(&create_topics_request_schema, &request);
    request.timeout_ms = client_broker_timeout_ms(&cmd->client);
    request.topics = create_topics_request_creatable_topic_array(&cmd->arena, 1);
    ASSERT(request.topics != NULL);
    request.topics_count = 1;
    fill_topic(cmd, &request.topics[0]);
    int16_t code;
    do {
        check(cmd,
              client_call(&cmd->client, CLIENT_CONTROLLER, API_CREATE_TOPICS, &request, &response));
        if (response.topics_count != 1)
            fail("The broker's answer names %" PRId32 " topics", response.topics_count);
        code = response.topics[0].error_code;
    } while (code == KAFKA_NOT_CONTROLLER && client_may_retry(&cmd->client, code));
    if (code == KAFKA_TOPIC_ALREADY_EXISTS && cli_has(&cmd->cli, OPT_IF_NOT_EXISTS)) return;
    struct str text = error_text(response.topics[0].error_message, code);
    if (code != KAFKA_NONE) fail("%.*s", STR_ARG(text));
    printf("Created topic %s.\n", cmd->topic);
}

/* ---- --list, --describe ---- */

static void list_topics(struct command *cmd) {
    struct topic_list list = find_chosen(cmd);
    for (uint32_t i = 0; i < list.count; i++) printf("%.*s\n", STR_ARG(list.topics[i].name));
    if (list.count == 0) putchar('\n'); /* an empty list is a line, too */
}

static struct int32_list live_brokers(struct command *cmd) {
    const struct metadata_response *cluster = client_cluster(&cmd->client);
    if (cluster == NULL) fail("%s", cmd->client.message);
    int32_t *ids = arena_array(&cmd->arena, (size_t)cluster->brokers_count, sizeof *ids);
    ASSERT(ids != NULL);
    for (int32_t i = 0; i < cluster->brokers_count; i++) ids[i] = cluster->brokers[i].node_id;
    return (struct int32_list){ids, cluster->brokers_count};
}

static void describe_topics(struct command *cmd) {
    const struct cli *cli = &cmd->cli;
    struct topic_list list = find_existing(cmd);
    int32_t page = cli_has(cli, OPT_PAGE) ? (int32_t)cli_number(cli, OPT_PAGE) : PAGE_PARTITIONS;
    if (uuid_is_zero(cmd->choice.id)) { /* by id only Metadata can be asked */
        enum status st = topics_describe(&cmd->client, &list, page);
        if (st == ST_UNSUPPORTED)
            fprintf(stderr, "WARN [AdminClient clientId=adminclient-1] The DescribeTopicPartitions "
                            "API is not supported, "
                            "using Metadata API to describe topics.\n");
        else
            check(cmd, st);
    }
    check(cmd, topics_add_configs(&cmd->client, &list));
    check(cmd, topics_add_moves(&cmd->client, &list));
    const struct topics_print what = {
        .under_replicated = cli_has(cli, OPT_UNDER_REPLICATED),
        .unavailable = cli_has(cli, OPT_UNAVAILABLE),
        .under_min_isr = cli_has(cli, OPT_UNDER_MIN_ISR),
        .at_min_isr = cli_has(cli, OPT_AT_MIN_ISR),
        .only_overrides = cli_has(cli, OPT_OVERRIDES),
    };
    topics_print(&list, &what, live_brokers(cmd), stdout);
}

/* ---- --delete, --alter ---- */

static void fill_deletion(struct command *cmd, const struct topic_list *list,
                          struct delete_topics_request *request) {
    codec_defaults(&delete_topics_request_schema, request);
    request->timeout_ms = client_broker_timeout_ms(&cmd->client);
    int32_t count = (int32_t)list->count;
    if (client_version(&cmd->client, API_DELETE_TOPICS) >= 6) {
        request->topics = delete_topics_request_topic_state_array(&cmd->arena, count);
        ASSERT(request->topics != NULL);
        request->topics_count = count;
        for (int32_t i = 0; i < count; i++) request->topics[i].name = list->topics[i].name;
        return;
    }
    request->topic_names = arena_array(&cmd->arena, list->count, sizeof *request->topic_names);
    ASSERT(request->topic_names != NULL);
    request->topic_names_count = count;
    for (int32_t i = 0; i < count; i++) request->topic_names[i] = list->topics[i].name;
}

static int16_t first_deletion_error(const struct delete_topics_response *response,
                                    struct str *ret_text) {
    for (int32_t i = 0; i < response->responses_count; i++) {
        const struct delete_topics_response_deletable_topic_result *result =
            &response->responses[i];
        if (result->error_code == KAFKA_NONE) continue;
        *ret_text = error_text(result->error_message, result->error_code);
        return result->error_code;
    }
    return KAFKA_NONE;
}

static void delete_topics(struct command *cmd) {
    struct topic_list list = find_existing(cmd);
    if (list.count == 0) return;
    struct delete_topics_request request;
    struct delete_topics_response response;
    fill_deletion(cmd, &list, &request);
    struct str text = STR_NULL;
    int16_t code;
    do {
        check(cmd,
              client_call(&cmd->client, CLIENT_CONTROLLER, API_DELETE_TOPICS, &request, &response));
        code = first_deletion_error(&response, &text);
    } while (code == KAFKA_NOT_CONTROLLER && client_may_retry(&cmd->client, code));
    if (code != KAFKA_NONE) fail("%.*s", STR_ARG(text));
}

/* The brokers of the partitions that are new. */
static void fill_new_assignments(struct command *cmd, const struct assignment *a,
                                 int32_t existing_count,
                                 struct create_partitions_request_topic *topic) {
    int32_t count = MAX(a->count - existing_count, 0);
    topic->assignments = create_partitions_request_assignment_array(&cmd->arena, count);
    ASSERT(topic->assignments != NULL);
    topic->assignments_count = count;
    for (int32_t i = 0; i < count; i++) {
        topic->assignments[i].broker_ids =
            (int32_t *)(uintptr_t)a->partitions[existing_count + i].values;
        topic->assignments[i].broker_ids_count = a->partitions[existing_count + i].count;
    }
}

static int16_t first_growth_error(const struct create_partitions_response *response,
                                  struct str *ret_text) {
    for (int32_t i = 0; i < response->results_count; i++) {
        const struct create_partitions_response_topic_result *result = &response->results[i];
        if (result->error_code == KAFKA_NONE) continue;
        *ret_text = error_text(result->error_message, result->error_code);
        return result->error_code;
    }
    return KAFKA_NONE;
}

static void alter_topics(struct command *cmd) {
    struct topic_list list = find_existing(cmd);
    if (list.count == 0) return;
    struct create_partitions_request request;
    struct create_partitions_response response;
    codec_defaults(&create_partitions_request_schema, &request);
    request.timeout_ms = client_broker_timeout_ms(&cmd->client);
    request.topics = create_partitions_request_topic_array(&cmd->arena, (int32_t)list.count);
    ASSERT(request.topics != NULL);
    request.topics_count = (int32_t)list.count;
    bool assigned = cli_has(&cmd->cli, OPT_REPLICA_ASSIGNMENT);
    struct assignment a = {0};
    if (assigned) a = parse_assignment(cmd);
    for (uint32_t i = 0; i < list.count; i++) {
        request.topics[i].name = list.topics[i].name;
        request.topics[i].count = (int32_t)cli_number(&cmd->cli, OPT_PARTITIONS);
        request.topics[i].assignments_count = -1; /* the broker chooses */
        if (assigned)
            fill_new_assignments(cmd, &a, list.topics[i].partition_count, &request.topics[i]);
    }
    struct str text = STR_NULL;
    int16_t code;
    do {
        check(cmd, client_call(&cmd->client, CLIENT_CONTROLLER, API_CREATE_PARTITIONS, &request,
                               &response));
        code = first_growth_error(&response, &text);
    } while (code == KAFKA_NOT_CONTROLLER && client_may_retry(&cmd->client, code));
    if (code != KAFKA_NONE) fail("%.*s", STR_ARG(text));
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct command cmd = {0};
    cli_start(&cmd.cli, &tool, &mem, argc, argv);
    check_options(&cmd.cli, argc);
    arena_init(&cmd.arena, &mem, 64 * 1024, 0);
    struct settings settings;
    settings_init(&settings, &cmd.arena);
    if (cli_has(&cmd.cli, OPT_COMMAND_CONFIG))
        settings_load(&settings, cli_text(&cmd.cli, OPT_COMMAND_CONFIG));
    choose(&cmd);
    check(&cmd,
          client_start(&cmd.client, &cmd.arena, cli_text(&cmd.cli, OPT_BOOTSTRAP), &settings));
    if (cli_has(&cmd.cli, OPT_CREATE))
        create_topic(&cmd);
    else if (cli_has(&cmd.cli, OPT_LIST))
        list_topics(&cmd);
    else if (cli_has(&cmd.cli, OPT_DESCRIBE))
        describe_topics(&cmd);
    else if (cli_has(&cmd.cli, OPT_DELETE))
        delete_topics(&cmd);
    else
        alter_topics(&cmd);
    client_stop(&cmd.client);
    pattern_free(cmd.choice.names);
    arena_release(&cmd.arena);
    cli_release(&cmd.cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
