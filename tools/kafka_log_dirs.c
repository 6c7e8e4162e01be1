/* tools/kafka_log_dirs.c - kafka-log-dirs: which partitions the brokers' log directories hold, and
 * how large they are, as one line of JSON. Output as Kafka's tool (LogDirsCommand), but sorted,
 * where Kafka's comes in the order of hash tables. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/strbuf.h"
#include "tools/admin.h"

enum option { OPT_BOOTSTRAP, OPT_COMMAND_CONFIG, OPT_DESCRIBE, OPT_TOPICS, OPT_BROKERS, OPT_COUNT };

static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = ADMIN_BOOTSTRAP_OPTION,
    [OPT_COMMAND_CONFIG] = ADMIN_CONFIG_OPTION,
    [OPT_DESCRIBE] = {.name = "describe", .help = "Required. Tell of the log directories."},
    [OPT_TOPICS] = {.name = "topic-list",
                    .kind = CLI_TEXT,
                    .label = "names",
                    .help = "Only these topics, with commas between them."},
    [OPT_BROKERS] = {.name = "broker-list",
                     .kind = CLI_TEXT,
                     .label = "ids",
                     .help = "Only these brokers, with commas between them."},
};
static const struct cli_tool tool = {
    .name = "kafka-log-dirs",
    .purpose = "tells what the log directories of brokers hold.",
    .options = options,
    .option_count = OPT_COUNT,
};

struct command {
    struct cli cli;
    struct admin admin;
    struct str *topics; /* NULL: all */
    uint32_t topic_count;
    int32_t *brokers; /* sorted, each once */
    uint32_t broker_count;
};

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t sort_unique(int32_t *values, uint32_t count) {
    uint32_t kept = 0;
    qsort(values, count, sizeof *values, by_value);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || values[i] != values[i - 1]) values[kept++] = values[i];
    return kept;
}

static void add_ids(struct strbuf *text, const int32_t *ids, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        strbuf_printf(text, "%s%" PRId32, i > 0 ? "," : "", ids[i]);
}

static void refuse_missing(struct command *cmd, const int32_t *live, uint32_t live_count) {
    struct strbuf missing, existing;
    strbuf_init(&missing, cmd->admin.arena.mem);
    strbuf_init(&existing, cmd->admin.arena.mem);
    for (uint32_t i = 0; i < cmd->broker_count; i++) {
        if (bsearch(&cmd->brokers[i], live, live_count, sizeof *live, by_value) == NULL)
            strbuf_printf(&missing, "%s%" PRId32, missing.len > 0 ? "," : "", cmd->brokers[i]);
    }
    add_ids(&existing, live, live_count);
    if (missing.len > 0)
        cli_exit("ERROR: The given brokers do not exist from --broker-list: %s. Current existent "
                 "brokers: %s",
                 missing.data, strbuf_str(&existing).ptr);
    strbuf_release(&missing);
    strbuf_release(&existing);
}

static void choose_brokers(struct command *cmd) {
    const struct metadata_response *cluster = client_cluster(&cmd->admin.client);
    if (cluster == NULL) cli_exit("%s", cmd->admin.client.message);
    int32_t *live = arena_array(&cmd->admin.arena, (size_t)cluster->brokers_count, sizeof *live);
    ASSERT(live != NULL);
    for (int32_t i = 0; i < cluster->brokers_count; i++) live[i] = cluster->brokers[i].node_id;
    uint32_t live_count = sort_unique(live, (uint32_t)cluster->brokers_count);
    struct str rest = str_of(cli_text(&cmd->cli, OPT_BROKERS)), part;
    cmd->brokers = arena_array(&cmd->admin.arena, rest.len + 1, sizeof *cmd->brokers);
    ASSERT(cmd->brokers != NULL);
    while (str_next_part(&rest, ',', &part)) {
        if (part.len == 0) continue;
        if (!str_to_int32(part, &cmd->brokers[cmd->broker_count++]))
            cli_exit("For input string: \"%.*s\"", STR_ARG(part));
    }
    cmd->broker_count = sort_unique(cmd->brokers, cmd->broker_count);
    refuse_missing(cmd, live, live_count);
    if (cmd->broker_count == 0) {
        cmd->brokers = live;
        cmd->broker_count = live_count;
    }
}

static void choose_topics(struct command *cmd) {
    struct str rest = str_of(cli_text(&cmd->cli, OPT_TOPICS)), part;
    struct str *topics = arena_array(&cmd->admin.arena, rest.len + 1, sizeof *topics);
    ASSERT(topics != NULL);
    while (str_next_part(&rest, ',', &part))
        if (part.len > 0) topics[cmd->topic_count++] = part;
    cmd->topics = cmd->topic_count > 0 ? topics : NULL;
}

static bool is_chosen(const struct command *cmd, struct str topic) {
    bool chosen = cmd->topics == NULL;
    for (uint32_t i = 0; i < cmd->topic_count; i++) chosen |= str_eq(cmd->topics[i], topic);
    return chosen;
}

/* ---- the JSON ---- */

static int topic_by_name(const void *a, const void *b) {
    return str_cmp(((const struct describe_log_dirs_response_topic *)a)->name,
                   ((const struct describe_log_dirs_response_topic *)b)->name);
}

static int partition_by_index(const void *a, const void *b) {
    return by_value(&((const struct describe_log_dirs_response_partition *)a)->partition_index,
                    &((const struct describe_log_dirs_response_partition *)b)->partition_index);
}

static void add_partitions(const struct command *cmd,
                           const struct describe_log_dirs_response_result *dir,
                           struct strbuf *out) {
    bool begun = false;
    qsort(dir->topics, (size_t)dir->topics_count, sizeof *dir->topics, topic_by_name);
    for (int32_t i = 0; i < dir->topics_count; i++) {
        const struct describe_log_dirs_response_topic *topic = &dir->topics[i];
        if (!is_chosen(cmd, topic->name)) continue;
        qsort(topic->partitions, (size_t)topic->partitions_count, sizeof *topic->partitions,
              partition_by_index);
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            const struct describe_log_dirs_response_partition *p = &topic->partitions[k];
            strbuf_printf(out,
                          "%s{\"partition\":\"%.*s-%" PRId32 "\",\"size\":%" PRId64
                          ",\"offsetLag\":%" PRId64 ",\"isFuture\":%s}",
                          begun ? "," : "", STR_ARG(topic->name), p->partition_index,
                          p->partition_size, p->offset_lag, p->is_future_key ? "true" : "false");
            begun = true;
        }
    }
}

static void add_broker(const struct command *cmd, int32_t broker,
                       const struct describe_log_dirs_response *response, struct strbuf *out) {
    strbuf_printf(out, "{\"broker\":%" PRId32 ",\"logDirs\":[", broker);
    for (int32_t i = 0; i < response->results_count; i++) {
        const struct describe_log_dirs_response_result *dir = &response->results[i];
        strbuf_printf(out, "%s{\"partitions\":[", i > 0 ? "," : "");
        add_partitions(cmd, dir, out);
        strbuf_printf(out, "],\"error\":");
        if (dir->error_code == KAFKA_NONE)
            strbuf_printf(out, "null");
        else
            strbuf_add_json(out, str_of(kafka_error_name(dir->error_code)));
        strbuf_printf(out, ",\"logDir\":");
        strbuf_add_json(out, dir->log_dir);
        strbuf_add_char(out, '}');
    }
    strbuf_printf(out, "]}");
}

static void describe(struct command *cmd) {
    struct describe_log_dirs_request request;
    struct describe_log_dirs_response response;
    struct strbuf out, ids;
    strbuf_init(&out, cmd->admin.arena.mem);
    strbuf_init(&ids, cmd->admin.arena.mem);
    add_ids(&ids, cmd->brokers, cmd->broker_count);
    puts("Querying brokers for log directories information");
    codec_defaults(&describe_log_dirs_request_schema, &request);
    request.topics = NULL;
    request.topics_count = -1; /* all */
    for (uint32_t i = 0; i < cmd->broker_count; i++) {
        struct client *c = &cmd->admin.client;
        do {
            if (client_call(c, cmd->brokers[i], API_DESCRIBE_LOG_DIRS, &request, &response) !=
                ST_OK)
                cli_exit("%s", c->message);
        } while (client_may_retry(c, response.error_code));
        if (response.error_code != KAFKA_NONE)
            cli_exit("%s", kafka_error_name(response.error_code));
        if (i > 0) strbuf_add_char(&out, ',');
        add_broker(cmd, cmd->brokers[i], &response, &out);
    }
    if (out.failed) cli_exit("out of memory");
    printf("Received log directory information from brokers %s\n", strbuf_str(&ids).ptr);
    printf("{\"brokers\":[%s],\"version\":1}\n", strbuf_str(&out).ptr);
    strbuf_release(&ids);
    strbuf_release(&out);
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct command cmd = {0};
    cli_start(&cmd.cli, &tool, &mem, argc, argv);
    cli_require(&cmd.cli, (const uint32_t[]){OPT_BOOTSTRAP, OPT_DESCRIBE}, 2);
    if (admin_start(&cmd.admin, &mem, cli_text(&cmd.cli, OPT_BOOTSTRAP),
                    cli_text(&cmd.cli, OPT_COMMAND_CONFIG)) != ST_OK)
        cli_exit("%s", cmd.admin.client.message);
    choose_brokers(&cmd);
    choose_topics(&cmd);
    describe(&cmd);
    admin_stop(&cmd.admin);
    cli_release(&cmd.cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
