/* tools/kafka_get_offsets.c - kafka-get-offsets: where partitions begin or end, or which offset has
 * a timestamp. Options, output and sentences are those of Kafka 4.3's tool (GetOffsetShell). */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "tools/admin.h"
#include "tools/partition_offsets.h"
#include "tools/topics.h"

enum option {
    OPT_BOOTSTRAP,
    OPT_TOPIC_PARTITIONS,
    OPT_TOPIC,
    OPT_PARTITIONS,
    OPT_TIME,
    OPT_COMMAND_CONFIG,
    OPT_EXCLUDE_INTERNAL,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = ADMIN_BOOTSTRAP_OPTION,
    [OPT_TOPIC_PARTITIONS] =
        {.name = "topic-partitions",
         .kind = CLI_TEXT,
         .label = "list",
         .help = "Partitions as topic:1, topic:0-3 (3 not among them), topic:5-, topic:-3 or topic "
                 "(a pattern), with commas between them."},
    [OPT_TOPIC] = {.name = "topic",
                   .kind = CLI_TEXT,
                   .label = "pattern",
                   .help = "Topics whose names fit; all when left out."},
    [OPT_PARTITIONS] = {.name = "partitions",
                        .kind = CLI_TEXT,
                        .label = "numbers",
                        .help = "Only these partitions, with commas between them."},
    [OPT_TIME] = {.name = "time",
                  .kind = CLI_TEXT,
                  .label = "time",
                  .fallback = "latest",
                  .help = "A timestamp in ms, or: latest (-1), earliest (-2), max-timestamp (-3), "
                          "earliest-local (-4), latest-tiered (-5), earliest-pending-upload (-6)."},
    [OPT_COMMAND_CONFIG] = ADMIN_CONFIG_OPTION,
    [OPT_EXCLUDE_INTERNAL] = {.name = "exclude-internal-topics",
                              .help = "Leave topics out that Kafka keeps for itself."},
};

static const struct cli_tool tool = {
    .name = "kafka-get-offsets",
    .purpose = "tells offsets of partitions.",
    .options = options,
    .option_count = OPT_COUNT,
};

/* Timestamps with a meaning, and since which version of ListOffsets. */
static const struct {
    const char *name;
    int64_t timestamp;
    int16_t version;
} times[] = {
    {"latest", -1, 1},         {"earliest", -2, 1},      {"max-timestamp", -3, 7},
    {"earliest-local", -4, 8}, {"latest-tiered", -5, 9}, {"earliest-pending-upload", -6, 11},
};

/* Partitions `from` up to, without, `to` of the topics that fit. */
struct rule {
    struct pattern *names; /* NULL: every topic */
    int32_t from;
    int64_t to;
};

struct command {
    struct cli cli;
    struct admin admin;
    struct rule *rules; /* any of them */
    uint32_t rule_count;
    int64_t timestamp;
    int16_t version; /* of ListOffsets that `timestamp` needs */
};

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("Error occurred: ", stderr);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    (void)fflush(stdout);
    exit(1);
}

static void check(const struct command *cmd, enum status st) {
    if (st != ST_OK) fail("%s", st == ST_NOMEM ? "out of memory" : cmd->admin.client.message);
}

/* ---- the command line ---- */

static void read_time(struct command *cmd) {
    const char *text = cli_text(&cmd->cli, OPT_TIME);
    bool known = str_to_int64(str_of(text), &cmd->timestamp);
    cmd->version = 1;
    for (size_t i = 0; i < COUNT(times); i++) {
        if (known ? cmd->timestamp != times[i].timestamp : strcmp(text, times[i].name) != 0)
            continue;
        cmd->timestamp = times[i].timestamp;
        cmd->version = times[i].version;
        known = true;
    }
    if (!known)
        fail("Malformed time argument %s. Please use -1 or latest / -2 or earliest / -3 or "
             "max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or "
             "earliest-pending-upload, or a specified long format timestamp",
             text);
}

/* A list of names or patterns; the caller frees it. NULL when it is empty, which fits all. */
static struct pattern *read_names(struct command *cmd, struct str text) {
    struct strbuf joined;
    char why[200];
    if (text.len == 0) return NULL;
    strbuf_init(&joined, cmd->admin.arena.mem);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != ' ') strbuf_add_char(&joined, text.ptr[i] == ',' ? '|' : text.ptr[i]);
    struct pattern *names = pattern_new(cmd->admin.arena.mem, strbuf_str(&joined), why, sizeof why);
    if (names == NULL) fail("%.*s is an invalid regex.", STR_ARG(text));
    strbuf_release(&joined);
    return names;
}

static bool read_bound(struct str text, int64_t missing, int64_t *ret_bound) {
    int32_t value;
    *ret_bound = missing;
    if (text.len == 0) return true;
    if (!str_to_int32(text, &value) || value < 0) return false;
    *ret_bound = value;
    return true;
}

/* "topic:0-3" */
static struct rule read_rule(struct command *cmd, struct str text) {
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    struct str name = {text.ptr, colon != NULL ? (size_t)(colon - text.ptr) : text.len};
    struct rule rule = {.from = 0, .to = INT64_MAX};
    rule.names = read_names(cmd, name);
    if (colon == NULL) return rule;
    struct str range = {colon + 1, text.len - name.len - 1};
    const char *dash = range.len > 0 ? memchr(range.ptr, '-', range.len) : NULL;
    struct str low = {range.ptr, dash != NULL ? (size_t)(dash - range.ptr) : range.len};
    int64_t from, to;
    bool good = read_bound(low, 0, &from);
    if (dash == NULL)
        to = low.len > 0 ? from + 1 : INT64_MAX;
    else
        good &= read_bound((struct str){dash + 1, range.len - low.len - 1}, INT64_MAX, &to);
    if (!good) fail("Invalid rule specification: %.*s", STR_ARG(text));
    rule.from = (int32_t)from;
    rule.to = to;
    return rule;
}

static void add_rule(struct command *cmd, size_t capacity, struct rule rule) {
    if (cmd->rules == NULL)
        cmd->rules = arena_array(&cmd->admin.arena, capacity, sizeof *cmd->rules);
    ASSERT(cmd->rules != NULL && cmd->rule_count < capacity);
    cmd->rules[cmd->rule_count++] = rule;
}

static void read_rules(struct command *cmd) {
    const char *list = cli_text(&cmd->cli, OPT_TOPIC_PARTITIONS);
    const char *partitions = cli_text(&cmd->cli, OPT_PARTITIONS);
    struct str rest = str_of(list != NULL ? list : partitions), part;
    size_t capacity = rest.len + 1;
    while (list != NULL && str_next_part(&rest, ',', &part))
        add_rule(cmd, capacity, read_rule(cmd, part));
    if (list != NULL) return;
    struct rule rule = {.from = 0, .to = INT64_MAX};
    rule.names = read_names(cmd, str_of(cli_text(&cmd->cli, OPT_TOPIC)));
    if (partitions == NULL) add_rule(cmd, capacity, rule);
    while (str_next_part(&rest, ',', &part)) {
        if (part.len == 0) continue;
        if (!str_to_int32(part, &rule.from))
            fail("--partitions expects a comma separated list of numeric partition ids, but "
                 "received: %s",
                 partitions);
        rule.to = (int64_t)rule.from + 1;
        add_rule(cmd, capacity, rule);
    }
}

static bool is_chosen(const struct command *cmd, struct str topic, int32_t partition) {
    for (uint32_t i = 0; i < cmd->rule_count; i++) {
        const struct rule *rule = &cmd->rules[i];
        if (partition >= rule->from && partition < rule->to &&
            (rule->names == NULL || pattern_matches(rule->names, topic)))
            return true;
    }
    return false;
}

/* ---- the offsets ---- */

static struct partition_offset *find_wanted(struct command *cmd, uint32_t *ret_count) {
    const struct topic_choice choice = {.exclude_internal =
                                            cli_has(&cmd->cli, OPT_EXCLUDE_INTERNAL)};
    struct topic_list list;
    check(cmd, topics_find(&cmd->admin.client, &choice, &list));
    size_t total = 0;
    for (uint32_t i = 0; i < list.count; i++) total += (size_t)list.topics[i].partition_count;
    struct partition_offset *wanted = arena_array(&cmd->admin.arena, total, sizeof *wanted);
    ASSERT(wanted != NULL);
    uint32_t count = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        const struct topic *topic = &list.topics[i];
        for (int32_t k = 0; k < topic->partition_count; k++) {
            const struct topic_partition *p = &topic->partitions[k];
            if (is_chosen(cmd, topic->name, p->index))
                wanted[count++] = (struct partition_offset){
                    .topic = topic->name, .index = p->index, .leader = p->leader, .offset = -1};
        }
    }
    if (count == 0) fail("Could not match any topic-partitions with the specified filters");
    *ret_count = count;
    return wanted;
}

/* The first error that may pass; KAFKA_NONE without one. */
static int16_t passing_error(const struct partition_offset *wanted, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (kafka_error_retriable(wanted[i].error_code)) return wanted[i].error_code;
    }
    return KAFKA_NONE;
}

static void print_offsets(const struct partition_offset *wanted, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const struct partition_offset *w = &wanted[i];
        if (w->error_code != KAFKA_NONE || !w->answered)
            fprintf(stderr,
                    "Skip getting offsets for topic-partition %.*s-%" PRId32 " due to error: %s\n",
                    STR_ARG(w->topic), w->index,
                    w->answered || w->error_code != KAFKA_NONE ? kafka_error_name(w->error_code)
                                                               : "it was not answered");
        else if (w->offset >= 0)
            printf("%.*s:%" PRId32 ":%" PRId64 "\n", STR_ARG(w->topic), w->index, w->offset);
    }
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct command cmd = {0};
    struct partition_offset *wanted;
    uint32_t count;
    cli_start(&cmd.cli, &tool, &mem, argc, argv);
    cli_require(&cmd.cli, (const uint32_t[]){OPT_BOOTSTRAP}, 1);
    if (cli_has(&cmd.cli, OPT_TOPIC_PARTITIONS) &&
        (cli_has(&cmd.cli, OPT_TOPIC) || cli_has(&cmd.cli, OPT_PARTITIONS)))
        fail("--topic-partitions cannot be used with --topic or --partitions");
    read_time(&cmd);
    check(&cmd, admin_start(&cmd.admin, &mem, cli_text(&cmd.cli, OPT_BOOTSTRAP),
                            cli_text(&cmd.cli, OPT_COMMAND_CONFIG)));
    read_rules(&cmd);
    if (client_version(&cmd.admin.client, API_LIST_OFFSETS) < cmd.version)
        fail("the broker does not offer ListOffsets of version %d, which --time %s needs",
             cmd.version, cli_text(&cmd.cli, OPT_TIME));
    do {
        wanted = find_wanted(&cmd, &count);
        check(&cmd,
              partition_offsets_ask(&cmd.admin.client, cmd.timestamp, wanted, count));
    } while (client_may_retry(&cmd.admin.client, passing_error(wanted, count)));
    print_offsets(wanted, count);
    for (uint32_t i = 0; i < cmd.rule_count; i++) {
        /* --partitions shares one pattern between its rules */
        if (i == 0 || cmd.rules[i].names != cmd.rules[i - 1].names)
            pattern_free(cmd.rules[i].names);
    }
    admin_stop(&cmd.admin);
    cli_release(&cmd.cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
