/* tools/lag_print.c - see lag_print.h. */
#include "tools/lag_print.h"
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"

#define NAME_WIDTH_MAX 40 /* longer names are cut in the table */
#define CELL 24

/* --- numbers --- */

void lag_format_duration(int64_t ms, char *text, size_t text_bytes) {
    int64_t s = ms / 1000;
    if (ms < 0) {
        (void)snprintf(text, text_bytes, "-");
    } else if (s < 60) {
        (void)snprintf(text, text_bytes, "%.1fs", (double)(ms / 100) / 10);
    } else if (s < 3600) {
        (void)snprintf(text, text_bytes, "%" PRId64 "m%02ds", s / 60, (int)(s % 60));
    } else if (s < 86400) {
        (void)snprintf(text, text_bytes, "%" PRId64 "h%02dm", s / 3600, (int)(s / 60 % 60));
    } else {
        (void)snprintf(text, text_bytes, "%" PRId64 "d%dh", s / 86400, (int)(s / 3600 % 24));
    }
}

static void format_count(int64_t count, char text[CELL]) {
    if (count < 0)
        (void)snprintf(text, CELL, "-");
    else
        (void)snprintf(text, CELL, "%" PRId64, count);
}

static void format_rate(double rate, char text[CELL]) {
    if (rate < 0)
        (void)snprintf(text, CELL, "-");
    else
        (void)snprintf(text, CELL, rate < 10 ? "%.1f" : "%.0f", rate);
}

/* A name as it may stand on a terminal. */
static struct str harmless(struct str name, struct arena *arena) {
    char *text = arena_array(arena, name.len + 1, 1);
    ASSERT(text != NULL);
    size_t len = MIN(name.len, (size_t)NAME_WIDTH_MAX);
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)name.ptr[i];
        text[i] = name.ptr[i];
        if (c < 0x20 || c >= 0x7f) text[i] = '?';
    }
    return (struct str){text, len};
}

/* --- the table --- */

struct lag_line {
    const struct lag_group *group;
    const struct lag_partition *partition;
    struct lag_judgement judgement;
    struct str group_name, topic_name;
};

static int worst_first(const void *a, const void *b) {
    const struct lag_line *x = a, *y = b;
    const struct lag_judgement *i = &x->judgement, *k = &y->judgement;
    if (i->lag_ms != k->lag_ms) return i->lag_ms > k->lag_ms ? -1 : 1;
    if (i->lag != k->lag) return i->lag > k->lag ? -1 : 1;
    int order = str_cmp(x->group->id, y->group->id);
    if (order == 0) order = str_cmp(x->partition->topic, y->partition->topic);
    return order != 0 ? order : (x->partition->index > y->partition->index) * 2 - 1;
}

static struct lag_line *make_lines(const struct lag_watch *watch, struct arena *arena,
                                   uint32_t *ret_count) {
    size_t room = 0;
    uint32_t count = 0;
    for (uint32_t g = 0; g < watch->group_count; g++)
        room += watch->groups[g].window.partition_count;
    struct lag_line *lines = arena_array(arena, room, sizeof *lines);
    ASSERT(lines != NULL);
    for (uint32_t g = 0; g < watch->group_count; g++) {
        const struct lag_group *group = &watch->groups[g];
        struct str name = harmless(group->id, arena);
        for (uint32_t i = 0; i < group->window.partition_count; i++) {
            struct lag_line *line = &lines[count++];
            *line = (struct lag_line){.group = group,
                                      .partition = &group->partitions[i],
                                      .group_name = name,
                                      .topic_name = harmless(group->partitions[i].topic, arena)};
            lag_judge(&group->window, line->partition, &line->judgement);
        }
    }
    qsort(lines, count, sizeof *lines, worst_first);
    *ret_count = count;
    return lines;
}

static void print_line(const struct lag_line *line, int group_width, int topic_width, FILE *out) {
    const struct lag_judgement *j = &line->judgement;
    const struct lag_partition *p = line->partition;
    const struct lag_point *now = &p->points[p->count - 1];
    char committed[CELL], end[CELL], lag[CELL], behind[CELL], consume[CELL], produce[CELL];
    char catch_up[CELL], age[CELL];
    format_count(now->committed, committed);
    format_count(now->end, end);
    format_count(j->lag, lag);
    lag_format_duration(j->lag_ms, behind, sizeof behind);
    format_rate(j->consume_rate, consume);
    format_rate(j->produce_rate, produce);
    lag_format_duration(j->catch_up_ms, catch_up, sizeof catch_up);
    lag_format_duration(j->commit_age_ms, age, sizeof age);
    fprintf(out,
            "%-*.*s %-*.*s %9" PRId32 " %11s %11s %10s %8s %8s %8s %8s %s%-*s %7" PRIu32 " %s\n",
            group_width, STR_ARG(line->group_name), topic_width, STR_ARG(line->topic_name),
            p->index, committed, end, lag, behind, consume, produce, catch_up,
            j->is_commit_seen ? " " : ">", 7, age, line->group->members,
            lag_verdict_name(j->verdict));
}

static enum lag_verdict verdict_of(const struct lag_group *group) {
    enum lag_verdict worst = LAG_OK;
    for (uint32_t i = 0; i < group->window.partition_count; i++) {
        struct lag_judgement judgement;
        lag_judge(&group->window, &group->partitions[i], &judgement);
        worst = MAX(worst, judgement.verdict);
    }
    return worst;
}

void lag_print_table(const struct lag_watch *watch, struct arena *arena, uint32_t max_rows,
                     FILE *out) {
    uint32_t count = 0;
    struct lag_line *lines = make_lines(watch, arena, &count);
    size_t group_width = 5, topic_width = 5;
    for (uint32_t i = 0; i < count; i++) {
        group_width = MAX(group_width, lines[i].group_name.len);
        topic_width = MAX(topic_width, lines[i].topic_name.len);
    }
    fprintf(out, "%-*s %-*s %9s %11s %11s %10s %8s %8s %8s %8s  %-7s %7s %s\n", (int)group_width,
            "GROUP", (int)topic_width, "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "LAG-TIME",
            "READ/S", "WRITE/S", "CATCH-UP", "COMMIT", "MEMBERS", "VERDICT");
    for (uint32_t i = 0; i < count && (max_rows == 0 || i < max_rows); i++)
        print_line(&lines[i], (int)group_width, (int)topic_width, out);
    if (max_rows > 0 && count > max_rows) fprintf(out, "... %" PRIu32 " more\n", count - max_rows);
    for (uint32_t g = 0; g < watch->group_count; g++) {
        enum lag_verdict verdict = verdict_of(&watch->groups[g]);
        struct str name = harmless(watch->groups[g].id, arena);
        if (lag_verdict_advice(verdict)[0] == '\0') continue;
        fprintf(out, "%.*s: %s: %s\n", STR_ARG(name), lag_verdict_name(verdict),
                lag_verdict_advice(verdict));
    }
}

/* --- JSON --- */

static void add_count(struct strbuf *out, const char *key, int64_t value, bool is_known) {
    if (is_known)
        strbuf_printf(out, ",\"%s\":%" PRId64, key, value);
    else
        strbuf_printf(out, ",\"%s\":null", key);
}

static void add_decimal(struct strbuf *out, const char *key, double value) {
    if (value >= 0)
        strbuf_printf(out, ",\"%s\":%.3f", key, value);
    else
        strbuf_printf(out, ",\"%s\":null", key);
}

static double seconds(int64_t ms) { return ms < 0 ? -1 : (double)ms / 1000; }

static void add_partition(struct strbuf *out, const struct lag_partition *p,
                          const struct lag_judgement *j) {
    const struct lag_point *now = &p->points[p->count - 1];
    strbuf_printf(out, "{\"topic\":");
    strbuf_add_json(out, p->topic);
    add_count(out, "partition", p->index, true);
    add_count(out, "committed", now->committed, now->committed >= 0);
    add_count(out, "start", now->start, now->start >= 0);
    add_count(out, "end", now->end, now->end >= 0);
    add_count(out, "lag", j->lag, j->lag >= 0);
    add_decimal(out, "lag_seconds", seconds(j->lag_ms));
    add_decimal(out, "consume_rate", j->consume_rate);
    add_decimal(out, "produce_rate", j->produce_rate);
    add_decimal(out, "catch_up_seconds", seconds(j->catch_up_ms));
    add_decimal(out, "commit_age_seconds", seconds(j->commit_age_ms));
    strbuf_printf(out, ",\"commit_seen\":%s", j->is_commit_seen ? "true" : "false");
    add_count(out, "lost", j->lost, true);
    strbuf_printf(out, ",\"owned\":%s,\"verdict\":\"%s\"}", now->owner >= 0 ? "true" : "false",
                  lag_verdict_name(j->verdict));
}

static void add_group(struct strbuf *out, const struct lag_group *group) {
    int64_t lag = 0, lag_ms = -1;
    strbuf_printf(out, "{\"group\":");
    strbuf_add_json(out, group->id);
    strbuf_printf(out, ",\"type\":\"%.*s\",\"state\":\"%.*s\"", STR_ARG(group->type),
                  STR_ARG(group->state));
    add_count(out, "members", group->members, true);
    strbuf_printf(out, ",\"partitions\":[");
    for (uint32_t i = 0; i < group->window.partition_count; i++) {
        struct lag_judgement judgement;
        lag_judge(&group->window, &group->partitions[i], &judgement);
        if (i > 0) strbuf_add_char(out, ',');
        add_partition(out, &group->partitions[i], &judgement);
        lag += MAX(judgement.lag, 0);
        lag_ms = MAX(lag_ms, judgement.lag_ms);
    }
    strbuf_add_char(out, ']');
    add_count(out, "lag", lag, true);
    add_decimal(out, "lag_seconds", seconds(lag_ms));
    strbuf_printf(out, ",\"verdict\":\"%s\"}", lag_verdict_name(verdict_of(group)));
}

void lag_print_json(const struct lag_watch *watch, struct strbuf *out) {
    strbuf_printf(out, "{\"time_ms\":%" PRId64 ",\"groups\":[", watch->time_ms);
    for (uint32_t g = 0; g < watch->group_count; g++) {
        if (g > 0) strbuf_add_char(out, ',');
        add_group(out, &watch->groups[g]);
    }
    strbuf_printf(out, "]}\n");
}
