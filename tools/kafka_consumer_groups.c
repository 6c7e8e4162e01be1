/* tools/kafka_consumer_groups.c - kafka-consumer-groups: lists, describes and deletes consumer
 * groups, and moves their offsets. Options, output, sentences and exit statuses are those of Kafka
 * 4.3's tool (ConsumerGroupCommand). */
#include <stdlib.h>
#include "base/assert.h"
#include "base/pattern.h"
#include "tools/clock.h"
#include "tools/consumer_groups.h"
#include "tools/partition_offsets.h"

static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = ADMIN_BOOTSTRAP_OPTION,
    [OPT_COMMAND_CONFIG] = ADMIN_CONFIG_OPTION,
    [OPT_GROUP] = {.name = "group",
                   .kind = CLI_TEXT,
                   .flags = CLI_MANY,
                   .label = "name",
                   .help = "A group to describe, delete or reset."},
    [OPT_ALL_GROUPS] = {.name = "all-groups", .help = "All groups instead."},
    [OPT_TOPIC] = {.name = "topic",
                   .kind = CLI_TEXT,
                   .flags = CLI_MANY,
                   .label = "topic[:0,1]",
                   .help =
                       "A topic, or some of its partitions, whose offsets are reset or deleted."},
    [OPT_ALL_TOPICS] = {.name = "all-topics", .help = "Reset all that the group has committed."},
    [OPT_LIST] = {.name = "list", .help = "List all consumer groups."},
    [OPT_DESCRIBE] = {.name = "describe", .help = "Show offsets and lag, members or state."},
    [OPT_DELETE] = {.name = "delete", .help = "Delete whole groups without members."},
    [OPT_RESET] = {.name = "reset-offsets",
                   .help =
                       "Set offsets of a group without members anew: --to-offset, --to-current, "
                       "--to-earliest, --to-latest, --shift-by, --by-duration, --to-datetime or "
                       "--from-file; shows what would be done unless --execute is there."},
    [OPT_DELETE_OFFSETS] = {.name = "delete-offsets", .help = "Forget offsets of topics."},
    [OPT_VALIDATE_REGEX] = {.name = "validate-regex",
                            .kind = CLI_TEXT,
                            .label = "regex",
                            .help = "Tell whether a subscription may have this pattern."},
    [OPT_MEMBERS] = {.name = "members", .help = "With --describe: the members."},
    [OPT_OFFSETS] = {.name = "offsets", .help = "With --describe: offsets and lag, the default."},
    [OPT_STATE] = {.name = "state",
                   .kind = CLI_TEXT,
                   .flags = CLI_VALUE_OPTIONAL,
                   .implied = "",
                   .label = "states",
                   .help = "With --describe: the group's state. With --list: show states, and only "
                           "groups in these ones (commas between them)."},
    [OPT_TYPE] = {.name = "type",
                  .kind = CLI_TEXT,
                  .flags = CLI_VALUE_OPTIONAL,
                  .implied = "",
                  .label = "types",
                  .help = "With --list: show types, and only groups of these ones."},
    [OPT_VERBOSE] = {.name = "verbose", .help = "With --describe: more columns."},
    [OPT_TO_OFFSET] = {.name = "to-offset",
                       .kind = CLI_INT64,
                       .label = "offset",
                       .help = "Reset to this offset."},
    [OPT_TO_DATETIME] = {.name = "to-datetime",
                         .kind = CLI_TEXT,
                         .label = "time",
                         .help = "Reset to the first record from YYYY-MM-DDThh:mm:ss.sss on."},
    [OPT_BY_DURATION] = {.name = "by-duration",
                         .kind = CLI_TEXT,
                         .label = "duration",
                         .help = "Reset to the first record from so long ago on: PnDTnHnMnS."},
    [OPT_TO_EARLIEST] = {.name = "to-earliest", .help = "Reset to the first record."},
    [OPT_TO_LATEST] = {.name = "to-latest", .help = "Reset to the end."},
    [OPT_TO_CURRENT] = {.name = "to-current", .help = "Reset to what is committed."},
    [OPT_SHIFT_BY] = {.name = "shift-by",
                      .kind = CLI_INT64,
                      .label = "n",
                      .help = "Move what is committed by n, which may be negative."},
    [OPT_FROM_FILE] = {.name = "from-file",
                       .kind = CLI_TEXT,
                       .label = "file",
                       .help = "Reset to the offsets of a file that --export wrote."},
    [OPT_EXECUTE] = {.name = "execute", .help = "Do it."},
    [OPT_DRY_RUN] = {.name = "dry-run", .help = "Only show it."},
    [OPT_EXPORT] = {.name = "export", .help = "Write the plan as CSV."},
    [OPT_TIMEOUT] = {.name = "timeout",
                     .kind = CLI_INT64,
                     .label = "ms",
                     .fallback = "30000",
                     .help = "How long all of it may take."},
};

static const struct cli_tool tool = {
    .name = "kafka-consumer-groups",
    .purpose = "lists, describes and deletes consumer groups, and moves their offsets.",
    .options = options,
    .option_count = OPT_COUNT,
};

/* ---- failing ---- */

static void complain(const char *format, va_list args) {
    fputs("\nError: ", stdout);
    (void)vprintf(format, args);
    putchar('\n');
}

void consumer_groups_complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    complain(format, args);
    va_end(args);
}

void consumer_groups_fail(const struct consumer_groups *cmd, const char *format, ...) {
    char text[CLIENT_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* cut to fit */
    va_end(args);
    consumer_groups_complain("Executing consumer group command failed due to %s", text);
    (void)fflush(stdout);
    exit(cmd->admin.client.first == NULL);
}

void consumer_groups_check(const struct consumer_groups *cmd, enum status st) {
    if (st == ST_OK) return;
    if (st == ST_CORRUPT) consumer_groups_fail(cmd, "an answer that does not fit what was asked");
    consumer_groups_fail(cmd, "%s", st == ST_NOMEM ? "out of memory" : cmd->admin.client.message);
}

const char *consumer_groups_error(int16_t error_code) {
    static const struct {
        int16_t code;
        const char *text;
    } known[] = {
        {KAFKA_GROUP_ID_NOT_FOUND, "GroupIdNotFoundException: The group id does not exist."},
        {KAFKA_NON_EMPTY_GROUP, "GroupNotEmptyException: The group is not empty."},
        {KAFKA_GROUP_SUBSCRIBED_TO_TOPIC,
         "GroupSubscribedToTopicException: Deleting offsets of a topic is forbidden while the "
         "consumer group is actively subscribed to it."},
        {KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
         "UnknownTopicOrPartitionException: This server does not host this topic-partition."},
        {KAFKA_UNKNOWN_MEMBER_ID,
         "UnknownMemberIdException: The coordinator is not aware of this member."},
        {KAFKA_INVALID_GROUP_ID, "InvalidGroupIdException: The group id is invalid."},
        {KAFKA_COORDINATOR_NOT_AVAILABLE,
         "CoordinatorNotAvailableException: The coordinator is not available."},
        {KAFKA_OFFSET_METADATA_TOO_LARGE,
         "OffsetMetadataTooLarge: The metadata field of the offset request was too large."},
    };
    static char text[200];
    for (size_t i = 0; i < COUNT(known); i++) {
        if (known[i].code != error_code) continue;
        (void)snprintf(text, sizeof text, "org.apache.kafka.common.errors.%s", known[i].text);
        return text;
    }
    return kafka_error_name(error_code);
}

/* ---- the command line ---- */

static uint32_t count_of(const struct cli *cli, const uint32_t *which, size_t count) {
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) found += cli_has(cli, which[i]);
    return found;
}

/* An option that only goes with others (Kafka's parser says it so). */
static void check_available(const struct cli *cli, uint32_t option, uint32_t one, uint32_t other) {
    if (cli_has(cli, option) && !cli_has(cli, one) && !cli_has(cli, other))
        cli_usage_exit(cli,
                       "Option(s) [%s] are unavailable given other options on the command line",
                       options[option].name);
}

static void check_describe(const struct cli *cli) {
    const uint32_t views[] = {OPT_MEMBERS, OPT_OFFSETS, OPT_STATE};
    if (!cli_has(cli, OPT_GROUP) && !cli_has(cli, OPT_ALL_GROUPS))
        cli_usage_exit(cli, "Option [describe] takes one of these options: [all-groups], [group]");
    if (count_of(cli, views, COUNT(views)) > 1)
        cli_usage_exit(cli, "Option [describe] takes at most one of these options: [members], "
                            "[offsets], [state]");
    if (cli_has(cli, OPT_STATE) && *cli_text(cli, OPT_STATE) != '\0')
        cli_usage_exit(cli, "Option [describe] does not take a value for [state]");
}

static void check_reset(const struct cli *cli) {
    const uint32_t scenarios[] = {OPT_TO_OFFSET, OPT_TO_DATETIME, OPT_BY_DURATION, OPT_TO_EARLIEST,
                                  OPT_TO_LATEST, OPT_SHIFT_BY,    OPT_FROM_FILE,   OPT_TO_CURRENT};
    if (cli_has(cli, OPT_DRY_RUN) && cli_has(cli, OPT_EXECUTE))
        cli_usage_exit(cli, "Option [reset-offsets] only accepts one of [execute] and [dry-run]");
    if (!cli_has(cli, OPT_DRY_RUN) && !cli_has(cli, OPT_EXECUTE))
        fputs("WARN: No action will be performed as the --execute option is missing. In version "
              "5.0, this command will require either --dry-run or --execute to be specified. You "
              "should add the --dry-run option explicitly if you are scripting this command and "
              "want to keep the current default behavior without prompting.\n",
              stderr);
    if (!cli_has(cli, OPT_GROUP) && !cli_has(cli, OPT_ALL_GROUPS))
        cli_usage_exit(cli,
                       "Option [reset-offsets] takes one of these options: [all-groups], [group]");
    for (size_t i = 0; i < COUNT(scenarios); i++)
        cli_forbid_with(cli, scenarios[i], scenarios, COUNT(scenarios));
    if (count_of(cli, scenarios, COUNT(scenarios)) == 0)
        cli_usage_exit(cli, "Option '[reset-offsets]' requires one of the following scenarios: "
                            "[[to-offset], [to-datetime], [by-duration], [to-earliest], "
                            "[to-latest], [shift-by], [from-file], [to-current]]");
    if (!cli_has(cli, OPT_FROM_FILE) && !cli_has(cli, OPT_TOPIC) && !cli_has(cli, OPT_ALL_TOPICS))
        cli_usage_exit(cli, "One of the reset scopes should be defined: --all-topics, --topic.");
}

static void check_options(const struct cli *cli) {
    const uint32_t actions[] = {OPT_LIST,  OPT_DESCRIBE,       OPT_DELETE,
                                OPT_RESET, OPT_DELETE_OFFSETS, OPT_VALIDATE_REGEX};
    check_available(cli, OPT_MEMBERS, OPT_DESCRIBE, OPT_DESCRIBE);
    check_available(cli, OPT_OFFSETS, OPT_DESCRIBE, OPT_DESCRIBE);
    check_available(cli, OPT_VERBOSE, OPT_DESCRIBE, OPT_DESCRIBE);
    check_available(cli, OPT_STATE, OPT_DESCRIBE, OPT_LIST);
    check_available(cli, OPT_TYPE, OPT_LIST, OPT_LIST);
    if (count_of(cli, actions, COUNT(actions)) == 0)
        cli_usage_exit(cli,
                       "Command must include exactly one action: --list, --describe, --delete, "
                       "--reset-offsets, --delete-offsets, --validate-regex.");
    if (cli_has(cli, OPT_VALIDATE_REGEX)) return;
    cli_require(cli, (const uint32_t[]){OPT_BOOTSTRAP}, 1);
    if (cli_has(cli, OPT_DESCRIBE)) check_describe(cli);
    if (cli_has(cli, OPT_DELETE) && !cli_has(cli, OPT_GROUP) && !cli_has(cli, OPT_ALL_GROUPS))
        cli_usage_exit(cli, "Option [delete] takes one of these options: [group], [all-groups]");
    if (cli_has(cli, OPT_DELETE) && cli_has(cli, OPT_TOPIC))
        cli_usage_exit(cli, "The consumer does not support topic-specific offset deletion from a "
                            "consumer group.");
    if (cli_has(cli, OPT_DELETE_OFFSETS) && (!cli_has(cli, OPT_GROUP) || !cli_has(cli, OPT_TOPIC)))
        cli_usage_exit(cli,
                       "Option [delete-offsets] takes the following options: [group], [topic]");
    if (cli_has(cli, OPT_RESET)) check_reset(cli);
    cli_forbid_with(cli, OPT_GROUP, (const uint32_t[]){OPT_ALL_GROUPS, OPT_LIST}, 2);
    cli_forbid_with(cli, OPT_TOPIC,
                    (const uint32_t[]){OPT_LIST, OPT_DESCRIBE, OPT_DELETE, OPT_ALL_TOPICS}, 4);
    cli_forbid_with(cli, OPT_ALL_TOPICS,
                    (const uint32_t[]){OPT_LIST, OPT_DESCRIBE, OPT_DELETE, OPT_DELETE_OFFSETS}, 4);
}

/* ---- what is asked more than once ---- */

struct group_names consumer_groups_chosen(struct consumer_groups *cmd) {
    struct group_names names = {0};
    if (!cli_has(&cmd->cli, OPT_ALL_GROUPS)) {
        names.at =
            arena_array(&cmd->admin.arena, cli_count(&cmd->cli, OPT_GROUP), sizeof *names.at);
        ASSERT(names.at != NULL); /* the arena has no limit */
        for (uint32_t i = 0; i < cli_count(&cmd->cli, OPT_GROUP); i++)
            names.at[names.count++] = str_of(cli_nth(&cmd->cli, OPT_GROUP, i));
        return names;
    }
    struct listed_groups list;
    consumer_groups_check(cmd, groups_list(&cmd->admin.client, true, NULL, 0, NULL, 0, &list));
    names.at = arena_array(&cmd->admin.arena, list.count, sizeof *names.at);
    ASSERT(names.at != NULL);
    for (uint32_t i = 0; i < list.count; i++) names.at[names.count++] = list.at[i].id;
    return names;
}

void consumer_groups_topics(struct consumer_groups *cmd) {
    const struct topic_choice all = {0};
    consumer_groups_check(cmd, topics_find(&cmd->admin.client, &all, &cmd->topics));
}

const struct topic *consumer_groups_topic(const struct consumer_groups *cmd, struct str name) {
    for (uint32_t i = 0; i < cmd->topics.count; i++)
        if (str_eq(cmd->topics.topics[i].name, name)) return &cmd->topics.topics[i];
    return NULL;
}

int32_t consumer_groups_leader(const struct consumer_groups *cmd, struct group_place place) {
    return topics_leader(&cmd->topics, place.topic, place.partition);
}

/* ---- listing ---- */

/* The parts of "a,b" that are among `known` (but for their case), in its spelling; ends the process
 * with Kafka's sentence for another one. */
static int32_t read_filter(struct consumer_groups *cmd, uint32_t option, const char *what,
                           const char *known, struct str *filter, int32_t room) {
    struct str rest = str_of(cli_text(&cmd->cli, option)), part, name;
    int32_t count = 0;
    if (rest.len == 0) return 0;
    while (str_next_part(&rest, ',', &part)) {
        struct str all = str_of(known);
        bool found = false;
        while (!found && str_next_part(&all, ',', &name)) found = str_eq_any_case(name, part);
        if (!found || count == room)
            cli_usage_exit(&cmd->cli, "Invalid %s list '%s'. Valid %s are: %s", what,
                           cli_text(&cmd->cli, option), what[0] == 's' ? "states" : "types", known);
        filter[count++] = name;
    }
    return count;
}

static void list(struct consumer_groups *cmd) {
    struct str states[8], types[4];
    bool by_state = cli_has(&cmd->cli, OPT_STATE), by_type = cli_has(&cmd->cli, OPT_TYPE);
    int32_t state_count = 0, type_count = 0;
    if (by_state)
        state_count = read_filter(cmd, OPT_STATE, "state",
                                  "CompletingRebalance, PreparingRebalance, Dead, Assigning, "
                                  "Reconciling, Stable, Empty",
                                  states, COUNT(states));
    if (by_type)
        type_count = read_filter(cmd, OPT_TYPE, "types", "Consumer, Classic", types, COUNT(types));
    struct listed_groups groups;
    consumer_groups_check(cmd, groups_list(&cmd->admin.client, true, states, state_count, types,
                                           type_count, &groups));
    size_t width = 25;
    for (uint32_t i = 0; i < groups.count; i++) width = MAX(width, groups.at[i].id.len);
    if (by_state || by_type)
        printf("%-*s %s%s%s\n", (int)width, "GROUP", by_type ? "TYPE                " : "",
               by_type && by_state ? " " : "", by_state ? "STATE               " : "");
    for (uint32_t i = 0; i < groups.count; i++) {
        const struct listed_group *g = &groups.at[i];
        if (!by_state && !by_type) {
            printf("%.*s\n", STR_ARG(g->id));
            continue;
        }
        char room[32];
        struct str type = capitalized(g->type, room, sizeof room);
        printf("%-*.*s ", (int)width, STR_ARG(g->id));
        if (by_type) printf("%-20.*s%s", STR_ARG(type), by_state ? " " : "");
        if (by_state) printf("%-20.*s", STR_ARG(g->state));
        putchar('\n');
    }
}

/* ---- describing ---- */

static int by_partitions(const void *a, const void *b) {
    const struct group_member *x = a, *y = b;
    return (x->assigned.count < y->assigned.count) - (x->assigned.count > y->assigned.count);
}

static void add_row(struct offset_row *rows, uint32_t *count, struct group_place place,
                    const struct group_member *member) {
    rows[(*count)++] = (struct offset_row){
        .place = place, .committed = -1, .end = -1, .leader_epoch = -1, .member = member};
}

/* Rows for what members have, then for what is only committed. */
static struct offset_row *make_rows(struct consumer_groups *cmd, const struct group *group,
                                    const struct group_offsets *committed, uint32_t *ret_count) {
    size_t room = committed->count;
    for (uint32_t i = 0; i < group->member_count; i++) room += group->members[i].assigned.count;
    struct offset_row *rows = arena_array(&cmd->admin.arena, room, sizeof *rows);
    ASSERT(rows != NULL);
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->member_count; i++)
        for (uint32_t k = 0; k < group->members[i].assigned.count; k++)
            add_row(rows, &count, group->members[i].assigned.at[k], &group->members[i]);
    uint32_t assigned = count;
    for (uint32_t i = 0; i < committed->count; i++) {
        const struct group_offset *offset = &committed->at[i];
        uint32_t at = 0;
        while (at < assigned && group_place_compare(&rows[at].place, &offset->place) != 0) at++;
        if (at == assigned) {
            add_row(rows, &count, offset->place, NULL);
            at = count - 1;
        }
        rows[at].committed = offset->offset;
        rows[at].leader_epoch = offset->leader_epoch;
    }
    *ret_count = count;
    return rows;
}

static void add_ends(struct consumer_groups *cmd, struct offset_row *rows, uint32_t count) {
    struct partition_offset *ends = arena_array(&cmd->admin.arena, count, sizeof *ends);
    ASSERT(ends != NULL);
    for (uint32_t i = 0; i < count; i++)
        ends[i] = (struct partition_offset){.topic = rows[i].place.topic,
                                            .index = rows[i].place.partition,
                                            .leader = consumer_groups_leader(cmd, rows[i].place)};
    consumer_groups_check(cmd,
                          partition_offsets_ask(&cmd->admin.client, OFFSET_LATEST, ends, count));
    for (uint32_t i = 0; i < count; i++)
        if (ends[i].answered && ends[i].error_code == KAFKA_NONE) rows[i].end = ends[i].offset;
}

static void describe_offsets(struct consumer_groups *cmd, struct group *group) {
    struct group_offsets committed;
    int16_t error_code;
    consumer_groups_check(cmd,
                          group_committed(&cmd->admin.client, group->id, &committed, &error_code));
    if (error_code != KAFKA_NONE)
        consumer_groups_fail(cmd, "%s", consumer_groups_error(error_code));
    qsort(group->members, group->member_count, sizeof *group->members, by_partitions);
    uint32_t count;
    struct offset_row *rows = make_rows(cmd, group, &committed, &count);
    add_ends(cmd, rows, count);
    if (count > 0) print_offsets(stdout, group, rows, count, cli_has(&cmd->cli, OPT_VERBOSE));
}

/* What is to be said of a group besides its table. */
static void tell_state(const struct group *group) {
    if (str_eq(group->state, STR("Dead")))
        consumer_groups_complain("Consumer group '%.*s' does not exist.", STR_ARG(group->id));
    else if (str_eq(group->state, STR("Empty")))
        fprintf(stderr, "\nConsumer group '%.*s' has no active members.\n", STR_ARG(group->id));
    else if (!str_eq(group->state, STR("Stable")))
        fprintf(stderr, "\nWarning: Consumer group '%.*s' is rebalancing.\n", STR_ARG(group->id));
}

static int by_name(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void describe(struct consumer_groups *cmd) {
    struct group_names names = consumer_groups_chosen(cmd);
    qsort(names.at, names.count, sizeof *names.at, by_name);
    struct group *groups = arena_array(&cmd->admin.arena, names.count, sizeof *groups);
    ASSERT(groups != NULL);
    for (uint32_t i = 0; i < names.count; i++) {
        int16_t error_code;
        consumer_groups_check(
            cmd, group_describe(&cmd->admin.client, names.at[i], &groups[i], &error_code));
        if (error_code == KAFKA_GROUP_ID_NOT_FOUND)
            consumer_groups_fail(
                cmd,
                "org.apache.kafka.common.errors.GroupIdNotFoundException: Group %.*s not found.",
                STR_ARG(names.at[i]));
        if (error_code != KAFKA_NONE)
            consumer_groups_fail(cmd, "%s", consumer_groups_error(error_code));
    }
    bool verbose = cli_has(&cmd->cli, OPT_VERBOSE);
    bool members = cli_has(&cmd->cli, OPT_MEMBERS), state = cli_has(&cmd->cli, OPT_STATE);
    if (!members && !state) consumer_groups_topics(cmd);
    for (uint32_t i = 0; i < names.count; i++) {
        (void)fflush(stdout); /* what is told beside the tables keeps its place */
        tell_state(&groups[i]);
        if (str_eq(groups[i].state, STR("Dead"))) continue;
        if (members)
            print_members(stdout, &groups[i], verbose);
        else if (state)
            print_state(stdout, &groups[i], verbose);
        else
            describe_offsets(cmd, &groups[i]);
    }
}

/* ---- deleting ---- */

static void print_quoted(const struct str *names, const int16_t *errors, uint32_t count) {
    const char *between = "";
    for (uint32_t i = 0; i < count; i++) {
        if (errors[i] != KAFKA_NONE) continue;
        printf("%s'%.*s'", between, STR_ARG(names[i]));
        between = ", ";
    }
}

static void delete_groups(struct consumer_groups *cmd) {
    struct group_names names = consumer_groups_chosen(cmd);
    int16_t *errors = arena_array(&cmd->admin.arena, names.count, sizeof *errors);
    ASSERT(errors != NULL);
    uint32_t failed = 0;
    for (uint32_t i = 0; i < names.count; i++) {
        consumer_groups_check(cmd, group_delete(&cmd->admin.client, names.at[i], &errors[i]));
        failed += errors[i] != KAFKA_NONE;
    }
    if (failed == 0) {
        printf("Deletion of requested consumer groups (");
        print_quoted(names.at, errors, names.count);
        printf(") was successful.\n");
        return;
    }
    consumer_groups_complain("Deletion of some consumer groups failed:");
    for (uint32_t i = 0; i < names.count; i++) {
        if (errors[i] != KAFKA_NONE)
            printf("* Group '%.*s' could not be deleted due to: %s\n", STR_ARG(names.at[i]),
                   consumer_groups_error(errors[i]));
    }
    if (failed == names.count) return;
    printf("\nThese consumer groups were deleted successfully: ");
    print_quoted(names.at, errors, names.count);
    putchar('\n');
}

static void validate_regex(struct mem *mem, const char *text) {
    char why[200];
    struct pattern *pattern = pattern_new(mem, str_of(text), why, sizeof why);
    if (pattern != NULL)
        printf("The regular expression `%s` is valid.\n", text);
    else
        printf("The regular expression `%s` is invalid: %s.\n", text, why);
    pattern_free(pattern);
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct consumer_groups cmd = {0};
    cli_start(&cmd.cli, &tool, &mem, argc, argv);
    check_options(&cmd.cli);
    if (cli_has(&cmd.cli, OPT_VALIDATE_REGEX)) {
        validate_regex(&mem, cli_text(&cmd.cli, OPT_VALIDATE_REGEX));
        cli_release(&cmd.cli);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    consumer_groups_check(&cmd, admin_start(&cmd.admin, &mem, cli_text(&cmd.cli, OPT_BOOTSTRAP),
                                            cli_text(&cmd.cli, OPT_COMMAND_CONFIG)));
    client_set_patience(&cmd.admin.client, cli_number(&cmd.cli, OPT_TIMEOUT));
    if (cli_has(&cmd.cli, OPT_LIST))
        list(&cmd);
    else if (cli_has(&cmd.cli, OPT_DESCRIBE))
        describe(&cmd);
    else if (cli_has(&cmd.cli, OPT_DELETE))
        delete_groups(&cmd);
    else if (cli_has(&cmd.cli, OPT_RESET))
        consumer_groups_reset(&cmd);
    else
        consumer_groups_delete_offsets(&cmd);
    admin_stop(&cmd.admin);
    cli_release(&cmd.cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
