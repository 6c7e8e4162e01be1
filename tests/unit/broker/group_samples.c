/* tests/unit/broker/group_samples.c - which groups are listed, how they are named and summed up,
 * and the lines that come of it. */
#include <criterion/criterion.h>
#include "broker/metrics/group_samples.h"

/* --- names --- */

static const struct {
    const char *name, *id, *want;
} labels[] = {
    {"a plain name", "orders-billing.v2", "orders-billing.v2"},
    {"characters of other languages", "gr\xc3\xbc\xe7\xbb\x84\xf0\x9f\x98\x80",
     "gr\xc3\xbc\xe7\xbb\x84\xf0\x9f\x98\x80"},
    {"a line end and an escape", "a\nb\x1b[2J", "a\\x0ab\\x1b[2J"},
    {"octets that are no UTF-8", "a\xff\xc3", "a\\xff\\xc3"},
    {"a control character of two octets", "a\xc2\x9b", "a\\xc2\\x9b"},
    {"a backslash, so that no other id looks the same", "a\\x0a", "a\\x5cx0a"},
    {"no name", "", ""},
};

Test(group_samples, ids_are_shown_so_that_they_can_be_told_apart) {
    for (size_t i = 0; i < COUNT(labels); i++) {
        struct mem mem = {0};
        struct arena arena;
        arena_init(&arena, &mem, 256, 0);
        struct str got = group_label(&arena, str_of(labels[i].id));
        cr_expect(str_eq(got, str_of(labels[i].want)), "%s: got %.*s", labels[i].name,
                  STR_ARG(got));
        arena_release(&arena);
    }
}

/* --- two shards --- */

static struct lag_row rows_a[] = {
    {.topic = {"t", 1}, .partition = 0, .committed = 10, .commit_ms = 9000, .has_ends = true,
     .has_next = true, .high_watermark = 25, .last_stable_offset = 20, .next_ms = 4000},
    {.topic = {"t", 1}, .partition = 1, .committed = 7, .commit_ms = 12000, .has_ends = true,
     .has_next = true, .high_watermark = 7, .last_stable_offset = 7, .next_ms = -1},
    {.topic = {"t", 1}, .partition = 0, .committed = 5, .has_ends = true,
     .high_watermark = 25, .last_stable_offset = 20},
};
static struct lag_row rows_b[] = {
    {.topic = {"u", 1}, .partition = 3, .committed = 90, .commit_ms = 9500, .has_ends = false},
    {.topic = {"t", 1}, .partition = 1, .committed = 2, .has_ends = true,
     .high_watermark = 7, .last_stable_offset = 1},
};

struct two_shards {
    struct lag_group groups_a[2], groups_b[2];
    struct lag_notes a, b;
    struct lag_notes *notes[2];
};

/* Groups: alpha and (other) on one shard, beta and gamma on the other. */
static void make_shards(struct two_shards *s) {
    *s = (struct two_shards){
        .groups_a = {{.id = STR("(other)"), .protocol = "classic", .state = "Empty",
                      .first_row = 2, .row_count = 1},
                     {.id = STR("alpha"), .protocol = "classic", .state = "Stable", .members = 2,
                      .commits = 12, .first_row = 0, .row_count = 2}},
        .groups_b = {{.id = STR("beta"), .protocol = "consumer", .state = "Reconciling",
                      .members = 3, .commits = 4, .first_row = 0, .row_count = 1},
                     {.id = STR("gamma"), .protocol = "classic", .state = "Empty",
                      .first_row = 1, .row_count = 1}},
    };
    s->a = (struct lag_notes){
        .groups = s->groups_a, .rows = rows_a, .group_count = 2, .row_count = COUNT(rows_a)};
    s->b = (struct lag_notes){.groups = s->groups_b,
                              .rows = rows_b,
                              .group_count = 2,
                              .row_count = COUNT(rows_b),
                              .groups_left = 5,
                              .rows_left = 50};
    s->notes[0] = &s->a;
    s->notes[1] = &s->b;
}

static const struct {
    const char *name;
    int64_t groups_max, offsets_max;
    const char *listed; /* letters of alpha, beta, gamma */
} limits[] = {
    {"enough for all but the one that has the others' name", 10, 100, "abg"},
    {"two groups, by name", 2, 100, "ab"},
    {"one offset: groups that fit, whole", 10, 1, "b"},
    {"two offsets: the first group takes both", 10, 2, "a"},
    {"none", 0, 100, ""},
};

Test(group_samples, groups_are_listed_whole_in_the_order_of_their_ids_up_to_the_limits) {
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct two_shards s;
        char got[5] = "";
        make_shards(&s);
        lag_choose(s.notes, 2, limits[i].groups_max, limits[i].offsets_max);
        if (s.groups_a[1].is_listed) strcat(got, "a");
        if (s.groups_b[0].is_listed) strcat(got, "b");
        if (s.groups_b[1].is_listed) strcat(got, "g");
        if (s.groups_a[0].is_listed) strcat(got, "!");
        cr_expect_str_eq(got, limits[i].listed, "%s: got %s", limits[i].name, got);
    }
}

static bool has_line(const struct strbuf *page, const char *line) {
    return strstr(page->data, line) != NULL;
}

Test(group_samples, become_series_and_the_others_are_summed_up) {
    static struct metrics_sample sample;
    struct two_shards s;
    struct mem mem = {0};
    struct arena arena;
    struct strbuf page;
    arena_init(&arena, &mem, 4096, 0);
    strbuf_init(&page, &mem);
    make_shards(&s);
    lag_choose(s.notes, 2, 2, 100);
    cr_assert(group_samples_make(s.notes, 2, 10000, &arena, &sample));
    metrics_print(&sample, &page);
    static const char *const there[] = {
        "\nklamm_group_commit_age_seconds{group=\"alpha\",topic=\"t\",partition=\"0\"} 1\n",
        /* a clock that went back */
        "\nklamm_group_commit_age_seconds{group=\"alpha\",topic=\"t\",partition=\"1\"} 0\n",
        "\nklamm_group_commits_total{group=\"alpha\"} 12\n",
        "\nklamm_group_committed_offset{group=\"beta\",topic=\"u\",partition=\"3\"} 90\n",
        "\nklamm_group_lag_records{group=\"alpha\",topic=\"t\",partition=\"0\"} 15\n",
        "\nklamm_group_lag_records{group=\"alpha\",topic=\"t\",partition=\"1\"} 0\n",
        "\nklamm_group_lag_records{group=\"(other)\"} 25\n",
        "\nklamm_group_lag_seconds{group=\"alpha\",topic=\"t\",partition=\"0\"} 6\n",
        "\nklamm_group_lag_seconds{group=\"alpha\",topic=\"t\",partition=\"1\"} 0\n",
        "\nklamm_group_lag_stable_records{group=\"alpha\",topic=\"t\",partition=\"0\"} 10\n",
        "\nklamm_group_lag_stable_records{group=\"(other)\"} 15\n",
        "\nklamm_group_members{group=\"alpha\"} 2\n",
        "\nklamm_group_members{group=\"(other)\"} 0\n",
        "\nklamm_group_state{group=\"beta\",protocol=\"consumer\",state=\"Reconciling\"} 1\n",
        "\nklamm_groups 9\n",
        "\nklamm_groups_unlisted 7\n",
        "\nklamm_group_offsets_unlisted 52\n",
    };
    static const char *const not_there[] = {
        "gamma",                                  /* not listed */
        "klamm_group_lag_records{group=\"beta\"", /* another broker leads the partition */
        "klamm_group_lag_seconds{group=\"beta\"",
        "klamm_group_commits_total{group=\"(other)\"}",
    };
    for (size_t i = 0; i < COUNT(there); i++)
        cr_expect(has_line(&page, there[i]), "missing: %s", there[i]);
    for (size_t i = 0; i < COUNT(not_there); i++)
        cr_expect_not(has_line(&page, not_there[i]), "there: %s", not_there[i]);
    strbuf_release(&page);
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}
