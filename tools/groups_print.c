/* tools/groups_print.c - see groups_print.h. */
#include "tools/groups_print.h"
#include <inttypes.h>
#include "base/strbuf.h"

#define COLUMN 15 /* the least width of most columns */
#define MISSING STR("-")

/* A text in its column; the space between columns stands before all but the first. */
static void cell(FILE *out, size_t width, struct str text) {
    fprintf(out, " %-*.*s", (int)width, (int)text.len, text.len > 0 ? text.ptr : "");
}
static void first_cell(FILE *out, size_t width, struct str text) {
    fprintf(out, "%-*.*s", (int)width, (int)text.len, text.len > 0 ? text.ptr : "");
}
static void name_cell(FILE *out, size_t width, const char *name) { cell(out, width, str_of(name)); }

static void number_cell(FILE *out, size_t width, int64_t number) {
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, number);
    cell(out, width, number < 0 ? MISSING : (struct str){text, (size_t)len});
}

static size_t wider(size_t width, struct str text) { return MAX(width, text.len); }

static struct str or_missing(struct str text) { return text.len > 0 ? text : MISSING; }

void print_offsets(FILE *out, const struct group *group, const struct offset_row *rows,
                   uint32_t count, bool verbose) {
    size_t topic = COLUMN, member = COLUMN, host = COLUMN, id = wider(COLUMN, group->id);
    for (uint32_t i = 0; i < count; i++) {
        topic = wider(topic, rows[i].place.topic);
        if (rows[i].member == NULL) continue;
        member = wider(member, rows[i].member->id);
        host = wider(host, rows[i].member->host);
    }
    fputc('\n', out);
    first_cell(out, id, STR("GROUP"));
    name_cell(out, topic, "TOPIC");
    name_cell(out, 10, "PARTITION");
    if (verbose) name_cell(out, COLUMN, "LEADER-EPOCH");
    name_cell(out, COLUMN, "CURRENT-OFFSET");
    name_cell(out, COLUMN, "LOG-END-OFFSET");
    name_cell(out, COLUMN, "LAG");
    name_cell(out, member, "CONSUMER-ID");
    name_cell(out, host, "HOST");
    fputs(" CLIENT-ID\n", out);
    for (uint32_t i = 0; i < count; i++) {
        const struct offset_row *row = &rows[i];
        bool has_lag = row->committed >= 0 && row->end >= 0;
        first_cell(out, id, group->id);
        cell(out, topic, row->place.topic);
        number_cell(out, 10, row->place.partition);
        if (verbose) number_cell(out, COLUMN, row->leader_epoch);
        number_cell(out, COLUMN, row->committed);
        number_cell(out, COLUMN, row->end);
        number_cell(out, COLUMN, has_lag ? MAX(row->end - row->committed, 0) : -1);
        cell(out, member, row->member != NULL ? row->member->id : MISSING);
        cell(out, host, row->member != NULL ? row->member->host : MISSING);
        fprintf(out, " %.*s\n", STR_ARG(row->member != NULL ? row->member->client_id : MISSING));
    }
}

/* "topic:0,1;other:2" in a column. */
static void places_cell(FILE *out, size_t width, const struct group_places *places,
                        struct mem *mem) {
    struct strbuf text;
    strbuf_init(&text, mem);
    for (uint32_t i = 0; i < places->count; i++) {
        const struct group_place *p = &places->at[i];
        bool is_same = i > 0 && str_eq(p->topic, places->at[i - 1].topic);
        if (is_same)
            strbuf_printf(&text, ",%" PRId32, p->partition);
        else
            strbuf_printf(&text, "%s%.*s:%" PRId32, i > 0 ? ";" : "", STR_ARG(p->topic),
                          p->partition);
    }
    cell(out, width, or_missing(strbuf_str(&text)));
    strbuf_release(&text);
}

void print_members(FILE *out, const struct group *group, bool verbose) {
    static struct mem mem;
    size_t id = wider(COLUMN, group->id), member = COLUMN, instance = 17, host = COLUMN,
           client = COLUMN;
    bool has_instance = false;
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct group_member *m = &group->members[i];
        member = wider(member, m->id);
        host = wider(host, m->host);
        client = wider(client, m->client_id);
        instance = wider(instance, m->instance_id);
        has_instance |= m->instance_id.len > 0;
    }
    fputc('\n', out);
    first_cell(out, id, STR("GROUP"));
    name_cell(out, member, "CONSUMER-ID");
    if (has_instance) name_cell(out, instance, "GROUP-INSTANCE-ID");
    name_cell(out, host, "HOST");
    name_cell(out, client, "CLIENT-ID");
    name_cell(out, COLUMN, "#PARTITIONS");
    if (verbose) {
        name_cell(out, COLUMN, "CURRENT-EPOCH");
        name_cell(out, 20, "CURRENT-ASSIGNMENT");
        name_cell(out, COLUMN, "TARGET-EPOCH");
        name_cell(out, 20, "TARGET-ASSIGNMENT");
    }
    fputs(verbose ? "\n" : " \n", out);
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct group_member *m = &group->members[i];
        first_cell(out, id, group->id);
        cell(out, member, m->id);
        if (has_instance) cell(out, instance, m->instance_id);
        cell(out, host, m->host);
        cell(out, client, m->client_id);
        number_cell(out, COLUMN, m->assigned.count);
        if (verbose) {
            number_cell(out, COLUMN, m->epoch);
            places_cell(out, 20, &m->assigned, &mem);
            number_cell(out, COLUMN, m->epoch >= 0 ? group->assignment_epoch : -1);
            places_cell(out, 20, &m->target, &mem);
        }
        fputs(verbose ? "\n" : " \n", out);
    }
}

void print_state(FILE *out, const struct group *group, bool verbose) {
    char coordinator[300];
    (void)snprintf(coordinator, sizeof coordinator, "%.*s:%" PRId32 "  (%" PRId32 ")",
                   STR_ARG(group->coordinator_host), group->coordinator_port,
                   group->coordinator_id);
    size_t id = wider(COLUMN, group->id), width = wider(25, str_of(coordinator));
    fputc('\n', out);
    first_cell(out, id, STR("GROUP"));
    name_cell(out, width, "COORDINATOR (ID)");
    name_cell(out, 20, "ASSIGNMENT-STRATEGY");
    name_cell(out, 20, "STATE");
    if (verbose) {
        name_cell(out, COLUMN, "GROUP-EPOCH");
        name_cell(out, 25, "TARGET-ASSIGNMENT-EPOCH");
    }
    fputs(" #MEMBERS\n", out);
    first_cell(out, id, group->id);
    name_cell(out, width, coordinator);
    cell(out, 20, or_missing(group->assignor));
    cell(out, 20, group->state);
    if (verbose) {
        number_cell(out, COLUMN, group->is_consumer ? group->epoch : -1);
        number_cell(out, 25, group->is_consumer ? group->assignment_epoch : -1);
    }
    fprintf(out, " %" PRIu32 "\n", group->member_count);
}

void print_resets(FILE *out, const struct reset_row *rows, uint32_t count) {
    size_t group = COLUMN, topic = COLUMN;
    for (uint32_t i = 0; i < count; i++) {
        group = wider(group, rows[i].group);
        topic = wider(topic, rows[i].place.topic);
    }
    fputc('\n', out);
    first_cell(out, group, STR("GROUP"));
    name_cell(out, topic, "TOPIC");
    name_cell(out, 10, "PARTITION");
    fputs(" NEW-OFFSET\n", out);
    for (uint32_t i = 0; i < count; i++) {
        first_cell(out, group, rows[i].group);
        cell(out, topic, rows[i].place.topic);
        number_cell(out, 10, rows[i].place.partition);
        fprintf(out, " %" PRId64 "\n", rows[i].offset);
    }
}

struct str capitalized(struct str text, char *room, size_t room_bytes) {
    size_t len = MIN(text.len, room_bytes);
    for (size_t i = 0; i < len; i++) room[i] = text.ptr[i];
    if (len > 0 && room[0] >= 'a' && room[0] <= 'z') room[0] = (char)(room[0] - 'a' + 'A');
    return (struct str){room, len};
}
