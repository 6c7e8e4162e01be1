/* tools/consumer_groups_offsets.c - kafka-consumer-groups --reset-offsets and --delete-offsets; see
 * consumer_groups.h. What is planned is shown in either case; only --execute commits it. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "tools/batch_file.h"
#include "tools/clock.h"
#include "tools/consumer_groups.h"
#include "tools/partition_offsets.h"
#include "tools/reset_plan.h"

#define PLAN_FILE_BYTES_MAX ((size_t)64 << 20)

/* ---- which partitions ---- */

static void add_place(struct consumer_groups *cmd, struct group_places *places, uint32_t *room,
                      struct group_place place) {
    if (places->count == *room) {
        *room = MAX(*room * 2, 64);
        struct group_place *more = arena_array(&cmd->admin.arena, *room, sizeof *more);
        ASSERT(more != NULL);
        for (uint32_t i = 0; i < places->count; i++) more[i] = places->at[i];
        places->at = more;
    }
    places->at[places->count++] = place;
}

/* "topic" or "topic:0,1". A topic that does not exist gives partition -1. */
static void add_scope(struct consumer_groups *cmd, const char *text, struct group_places *places,
                      uint32_t *room) {
    const char *colon = strchr(text, ':');
    struct str name = {text, colon != NULL ? (size_t)(colon - text) : strlen(text)};
    const struct topic *topic = consumer_groups_topic(cmd, name);
    if (colon == NULL) {
        if (topic == NULL) add_place(cmd, places, room, (struct group_place){name, -1});
        for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++)
            add_place(cmd, places, room, (struct group_place){name, topic->partitions[i].index});
        return;
    }
    struct str rest = str_of(colon + 1), part = rest;
    int32_t partition;
    bool good;
    while (reset_next_partition(&rest, &partition, &good)) {
        add_place(cmd, places, room, (struct group_place){name, partition});
        part = rest;
    }
    if (!good)
        cli_usage_exit(&cmd->cli, "Invalid partition '%.*s' specified in topic arg '%s''",
                       (int)strcspn(part.ptr, ","), part.ptr, text);
}

static struct group_places read_scopes(struct consumer_groups *cmd) {
    struct group_places places = {0};
    uint32_t room = 0;
    for (uint32_t i = 0; i < cli_count(&cmd->cli, OPT_TOPIC); i++)
        add_scope(cmd, cli_nth(&cmd->cli, OPT_TOPIC, i), &places, &room);
    qsort(places.at, places.count, sizeof *places.at, group_place_compare);
    return places;
}

/* Ends the command unless all are partitions of the cluster. */
static void check_places(const struct consumer_groups *cmd, const struct group_places *places) {
    char missing[CLIENT_MESSAGE_BYTES / 2] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < places->count; i++) {
        const struct group_place *p = &places->at[i];
        if (p->partition < 0)
            consumer_groups_fail(cmd, "This server does not host this topic-partition.");
        if (consumer_groups_leader(cmd, *p) >= 0 || len >= sizeof missing) continue;
        len += (size_t)snprintf(missing + len, sizeof missing - len, "%s%.*s-%" PRId32,
                                len > 0 ? "," : "", STR_ARG(p->topic), p->partition);
    }
    if (len > 0) consumer_groups_fail(cmd, "The partitions \"%s\" do not exist", missing);
}

/* ---- which offsets ---- */

/* What is known of each place of one group's plan. */
struct plan {
    struct str group;
    struct group_places places;
    int64_t *wanted; /* from a file or the command line, before it is kept within */
    struct partition_offset *earliest; /* once asked for */
    struct partition_offset *latest;
    struct group_offsets committed;
};

static struct partition_offset *ask(struct consumer_groups *cmd, const struct group_places *places,
                                    int64_t timestamp) {
    struct partition_offset *offsets =
        arena_array(&cmd->admin.arena, places->count, sizeof *offsets);
    ASSERT(offsets != NULL);
    for (uint32_t i = 0; i < places->count; i++)
        offsets[i] =
            (struct partition_offset){.topic = places->at[i].topic,
                                      .index = places->at[i].partition,
                                      .leader = consumer_groups_leader(cmd, places->at[i])};
    consumer_groups_check(
        cmd, partition_offsets_ask(&cmd->admin.client, timestamp, offsets, places->count));
    for (uint32_t i = 0; i < places->count; i++) {
        if (offsets[i].error_code != KAFKA_NONE || !offsets[i].answered)
            consumer_groups_fail(cmd, "%s", consumer_groups_error(offsets[i].error_code));
    }
    return offsets;
}

static const struct group_offset *find_committed(const struct plan *plan,
                                                 struct group_place place) {
    for (uint32_t i = 0; i < plan->committed.count; i++)
        if (group_place_compare(&plan->committed.at[i].place, &place) == 0)
            return &plan->committed.at[i];
    return NULL;
}

/* Keeps plan->wanted within the partitions, and says where that changed it. */
static void keep_within(struct consumer_groups *cmd, struct plan *plan) {
    plan->earliest = ask(cmd, &plan->places, OFFSET_EARLIEST);
    plan->latest = ask(cmd, &plan->places, OFFSET_LATEST);
    for (uint32_t i = 0; i < plan->places.count; i++) {
        int how;
        int64_t kept = reset_keep_within(plan->wanted[i], plan->earliest[i].offset,
                                         plan->latest[i].offset, &how);
        if (how != 0)
            fprintf(stderr,
                    "WARN New offset (%" PRId64 ") is %s offset for topic partition %.*s-%" PRId32
                    ". Value will be set to %" PRId64 "\n",
                    plan->wanted[i], how > 0 ? "higher than latest" : "lower than earliest",
                    STR_ARG(plan->places.at[i].topic), plan->places.at[i].partition, kept);
        plan->wanted[i] = kept;
    }
}

static void want_time(struct consumer_groups *cmd, struct plan *plan, int64_t timestamp_ms) {
    const struct partition_offset *found = ask(cmd, &plan->places, timestamp_ms);
    plan->latest = ask(cmd, &plan->places, OFFSET_LATEST);
    for (uint32_t i = 0; i < plan->places.count; i++) {
        plan->wanted[i] = found[i].offset >= 0 ? found[i].offset : plan->latest[i].offset;
        if (found[i].offset < 0)
            printf("\nWarn: Partition %" PRId32 " from topic %.*s is empty. Falling back to latest "
                   "known offset.\n",
                   plan->places.at[i].partition, STR_ARG(plan->places.at[i].topic));
    }
}

static int64_t wanted_time(const struct consumer_groups *cmd) {
    int64_t ms;
    if (cli_has(&cmd->cli, OPT_TO_DATETIME)) {
        const char *why, *text = cli_text(&cmd->cli, OPT_TO_DATETIME);
        if (!reset_parse_datetime(str_of(text), &ms, &why)) {
            bool names_it = why[0] == 'U';
            consumer_groups_fail(cmd, "java.text.ParseException: %s%s%s%s", why,
                                 names_it ? "\"" : "", names_it ? text : "", names_it ? "\"" : "");
        }
        return ms;
    }
    if (!reset_parse_duration(str_of(cli_text(&cmd->cli, OPT_BY_DURATION)), &ms))
        consumer_groups_fail(cmd, "Text cannot be parsed to a Duration");
    return clock_wall_ms() - ms;
}

/* Moves what is committed; to-current takes the end where nothing is. */
static void want_committed(struct consumer_groups *cmd, struct plan *plan) {
    bool shifts = cli_has(&cmd->cli, OPT_SHIFT_BY);
    int64_t shift = shifts ? cli_number(&cmd->cli, OPT_SHIFT_BY) : 0;
    const struct partition_offset *latest = ask(cmd, &plan->places, OFFSET_LATEST);
    for (uint32_t i = 0; i < plan->places.count; i++) {
        const struct group_offset *offset = find_committed(plan, plan->places.at[i]);
        if (offset == NULL && shifts)
            cli_usage_exit(&cmd->cli,
                           "Cannot shift offset for partition %.*s-%" PRId32
                           " since there is no current committed offset",
                           STR_ARG(plan->places.at[i].topic), plan->places.at[i].partition);
        plan->wanted[i] = offset != NULL ? offset->offset + shift : latest[i].offset;
    }
    if (shifts) keep_within(cmd, plan);
}

static void want(struct consumer_groups *cmd, struct plan *plan) {
    const struct cli *cli = &cmd->cli;
    uint32_t count = plan->places.count;
    plan->wanted = arena_array(&cmd->admin.arena, count, sizeof *plan->wanted);
    ASSERT(plan->wanted != NULL);
    if (cli_has(cli, OPT_TO_OFFSET)) {
        for (uint32_t i = 0; i < count; i++) plan->wanted[i] = cli_number(cli, OPT_TO_OFFSET);
        keep_within(cmd, plan);
    } else if (cli_has(cli, OPT_TO_EARLIEST) || cli_has(cli, OPT_TO_LATEST)) {
        const struct partition_offset *offsets = ask(
            cmd, &plan->places, cli_has(cli, OPT_TO_EARLIEST) ? OFFSET_EARLIEST : OFFSET_LATEST);
        for (uint32_t i = 0; i < count; i++) plan->wanted[i] = offsets[i].offset;
    } else if (cli_has(cli, OPT_TO_DATETIME) || cli_has(cli, OPT_BY_DURATION)) {
        want_time(cmd, plan, wanted_time(cmd));
    } else {
        want_committed(cmd, plan);
    }
}

/* ---- a plan from a file ---- */

static void read_lines(struct consumer_groups *cmd, struct str text, struct plan *plan) {
    uint32_t room = 0, lines = 1;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    plan->wanted = arena_array(&cmd->admin.arena, lines, sizeof *plan->wanted);
    ASSERT(plan->wanted != NULL);
    struct str part;
    while (str_next_part(&text, '\n', &part)) {
        struct reset_line line;
        if (part.len == 0) continue;
        if (!reset_parse_line(part, &line))
            consumer_groups_fail(cmd,
                                 "%s: not a line of topic,partition,offset or of "
                                 "group,topic,partition,offset: %.*s",
                                 cli_text(&cmd->cli, OPT_FROM_FILE), STR_ARG(part));
        if (line.group.ptr != NULL && !str_eq(line.group, plan->group)) continue;
        plan->wanted[plan->places.count] = line.offset;
        add_place(cmd, &plan->places, &room, (struct group_place){line.topic, line.partition});
    }
}

/* ---- resetting ---- */

struct reset_rows {
    struct reset_row *at;
    uint32_t count;
};

static void append(struct consumer_groups *cmd, struct reset_rows *rows, const struct plan *plan) {
    struct reset_row *all =
        arena_array(&cmd->admin.arena, rows->count + plan->places.count, sizeof *all);
    ASSERT(all != NULL);
    for (uint32_t i = 0; i < rows->count; i++) all[i] = rows->at[i];
    for (uint32_t i = 0; i < plan->places.count; i++)
        all[rows->count++] = (struct reset_row){plan->group, plan->places.at[i], plan->wanted[i]};
    rows->at = all;
}

static void commit(struct consumer_groups *cmd, const struct plan *plan) {
    uint32_t count = plan->places.count;
    struct group_offsets offsets = {arena_array(&cmd->admin.arena, count, sizeof *offsets.at),
                                    count};
    int16_t *errors = arena_array(&cmd->admin.arena, count, sizeof *errors);
    ASSERT(offsets.at != NULL && errors != NULL);
    for (uint32_t i = 0; i < count; i++)
        offsets.at[i] = (struct group_offset){
            .place = plan->places.at[i], .offset = plan->wanted[i], .leader_epoch = -1};
    qsort(offsets.at, count, sizeof *offsets.at, group_place_compare);
    if (count == 0) return;
    consumer_groups_check(
        cmd, group_commit(&cmd->admin.client, plan->group, NULL, &offsets, errors));
    for (uint32_t i = 0; i < count; i++) {
        if (errors[i] != KAFKA_NONE)
            consumer_groups_fail(cmd, "%s", consumer_groups_error(errors[i]));
    }
}

/* True when the group has no members, or does not exist. */
static bool may_reset(struct consumer_groups *cmd, struct str id) {
    struct group group;
    int16_t error_code;
    consumer_groups_check(cmd, group_describe(&cmd->admin.client, id, &group, &error_code));
    if (error_code == KAFKA_GROUP_ID_NOT_FOUND) return true;
    if (error_code != KAFKA_NONE)
        consumer_groups_fail(cmd, "%s", consumer_groups_error(error_code));
    if (str_eq(group.state, STR("Empty")) || str_eq(group.state, STR("Dead"))) return true;
    consumer_groups_complain("Assignments can only be reset if the group '%.*s' is inactive, but "
                             "the current state is %.*s.",
                             STR_ARG(id), STR_ARG(group.state));
    return false;
}

static struct plan make_plan(struct consumer_groups *cmd, struct str id, struct str file) {
    struct plan plan = {.group = id};
    int16_t error_code;
    consumer_groups_check(cmd,
                          group_committed(&cmd->admin.client, id, &plan.committed, &error_code));
    if (error_code != KAFKA_NONE && error_code != KAFKA_GROUP_ID_NOT_FOUND)
        consumer_groups_fail(cmd, "%s", consumer_groups_error(error_code));
    if (file.ptr != NULL) {
        read_lines(cmd, file, &plan);
        if (plan.places.count == 0)
            consumer_groups_complain("No reset plan for group %.*s found", STR_ARG(id));
        check_places(cmd, &plan.places);
        keep_within(cmd, &plan);
        return plan;
    }
    if (cli_has(&cmd->cli, OPT_ALL_TOPICS)) {
        uint32_t room = 0;
        for (uint32_t i = 0; i < plan.committed.count; i++)
            add_place(cmd, &plan.places, &room, plan.committed.at[i].place);
    } else {
        plan.places = read_scopes(cmd);
    }
    check_places(cmd, &plan.places);
    want(cmd, &plan);
    return plan;
}

static void print_csv(const struct reset_rows *rows, bool with_group) {
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct reset_row *row = &rows->at[i];
        if (with_group) printf("%.*s,", STR_ARG(row->group));
        printf("%.*s,%" PRId32 ",%" PRId64 "\n", STR_ARG(row->place.topic), row->place.partition,
               row->offset);
    }
    putchar('\n');
}

void consumer_groups_reset(struct consumer_groups *cmd) {
    struct str file = STR_NULL;
    struct reset_rows rows = {0};
    struct group_names names = consumer_groups_chosen(cmd);
    consumer_groups_topics(cmd);
    if (cli_has(&cmd->cli, OPT_FROM_FILE)) {
        const char *path = cli_text(&cmd->cli, OPT_FROM_FILE);
        enum status st = read_whole_file(&cmd->admin.arena, path, PLAN_FILE_BYTES_MAX, &file);
        if (st != ST_OK) consumer_groups_fail(cmd, "%s: %s", path, status_name(st));
    }
    for (uint32_t i = 0; i < names.count; i++) {
        if (!may_reset(cmd, names.at[i])) continue;
        struct plan plan = make_plan(cmd, names.at[i], file);
        if (cli_has(&cmd->cli, OPT_EXECUTE)) commit(cmd, &plan);
        append(cmd, &rows, &plan);
    }
    (void)fflush(stderr);
    if (cli_has(&cmd->cli, OPT_EXPORT))
        print_csv(&rows, cli_count(&cmd->cli, OPT_GROUP) != 1);
    else
        print_resets(stdout, rows.at, rows.count);
}

/* ---- deleting offsets ---- */

void consumer_groups_delete_offsets(struct consumer_groups *cmd) {
    struct str id = str_of(cli_text(&cmd->cli, OPT_GROUP));
    consumer_groups_topics(cmd);
    struct group_places all = read_scopes(cmd), known = {0};
    uint32_t room = 0, failed = 0;
    for (uint32_t i = 0; i < all.count; i++)
        if (all.at[i].partition >= 0) add_place(cmd, &known, &room, all.at[i]);
    int16_t *errors = arena_array(&cmd->admin.arena, known.count, sizeof *errors), of_all = 0;
    ASSERT(errors != NULL);
    if (known.count > 0)
        consumer_groups_check(
            cmd, group_delete_offsets(&cmd->admin.client, id, &known, errors, &of_all));
    for (uint32_t i = 0; i < known.count; i++) {
        if (of_all != KAFKA_NONE) errors[i] = of_all;
        failed += errors[i] != KAFKA_NONE;
    }
    const char *said = of_all != KAFKA_NONE ? strstr(consumer_groups_error(of_all), ": ") : NULL;
    if (of_all != KAFKA_NONE)
        consumer_groups_complain("%s", said != NULL ? said + 2 : kafka_error_name(of_all));
    else if (failed > 0)
        consumer_groups_complain(
            "Encountered some partition-level error, see the follow-up details.");
    else
        printf("Request succeeded for deleting offsets from group %.*s.\n", STR_ARG(id));
    printf("\n%-15s %-10s %-15s\n", "TOPIC", "PARTITION", "STATUS");
    for (uint32_t i = 0, at = 0; i < all.count; i++) {
        bool is_known = all.at[i].partition >= 0;
        int16_t error_code = is_known ? errors[at++] : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        char number[12] = "-";
        if (is_known) (void)snprintf(number, sizeof number, "%" PRId32, all.at[i].partition);
        printf("%-15.*s %-10s ", STR_ARG(all.at[i].topic), number);
        if (error_code == KAFKA_NONE)
            printf("%-15s\n", "Successful");
        else
            printf("Error: %s\n", consumer_groups_error(error_code));
    }
}
