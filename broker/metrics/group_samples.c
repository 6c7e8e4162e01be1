/* broker/metrics/group_samples.c - the listed groups one by one, the others summed up. */
#include "broker/metrics/group_samples.h"
#include "base/limits.h"

/* --- ids --- */

/* Octets of the character that text begins with; 0: it cannot be shown. */
static size_t shown_bytes(struct str text) {
    uint8_t first = (uint8_t)text.ptr[0];
    if (first < 0x20 || first == 0x7f || first == '\\') return 0;
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (len > text.len || !str_is_utf8((struct str){text.ptr, len})) return 0;
    bool is_c1 = first == 0xc2 && (uint8_t)text.ptr[1] < 0xa0; /* control characters, too */
    return is_c1 ? 0 : len;
}

struct str group_label(struct arena *arena, struct str id) {
    static const char digits[] = "0123456789abcdef";
    char *label = arena_array(arena, id.len, 4);
    size_t len = 0;
    if (label == NULL) return STR_NULL;
    for (size_t i = 0; i < id.len;) {
        size_t shown = shown_bytes((struct str){id.ptr + i, id.len - i});
        if (shown == 0) {
            uint8_t octet = (uint8_t)id.ptr[i++];
            label[len++] = '\\';
            label[len++] = 'x';
            label[len++] = digits[octet >> 4];
            label[len++] = digits[octet & 15];
            continue;
        }
        memcpy(label + len, id.ptr + i, shown);
        len += shown;
        i += shown;
    }
    return (struct str){label, len};
}

/* --- samples --- */

static int64_t behind(int64_t end, int64_t committed) { return MAX(end - committed, 0); }

static struct group_offset_sample offset_sample(const struct lag_row *row, struct str group,
                                                int64_t wall_ms) {
    bool has_ends = row->has_ends;
    int64_t lag_ms = row->next_ms < 0 ? 0 : MAX(wall_ms - row->next_ms, 0);
    return (struct group_offset_sample){
        .group = group,
        .topic = row->topic,
        .partition = row->partition,
        .committed = row->committed,
        .commit_age_ms = MAX(wall_ms - row->commit_ms, 0),
        .lag_records = has_ends ? behind(row->high_watermark, row->committed) : -1,
        .lag_stable_records = has_ends ? behind(row->last_stable_offset, row->committed) : -1,
        .lag_ms = row->has_next ? lag_ms : -1,
    };
}

/* Where samples are put. */
struct sink {
    struct group_sample *groups, others;
    struct group_offset_sample *offsets;
    struct metrics_sample *sample;
    int64_t wall_ms, group_count, unlisted_groups, unlisted_offsets;
};

static void add_other(struct sink *sink, const struct lag_group *group,
                      const struct lag_row *rows) {
    sink->unlisted_groups++;
    sink->unlisted_offsets += group->row_count;
    sink->others.members += group->members;
    for (uint32_t i = 0; i < group->row_count; i++) {
        if (!rows[i].has_ends) continue;
        sink->sample->other_lag_records += behind(rows[i].high_watermark, rows[i].committed);
        sink->sample->other_lag_stable_records +=
            behind(rows[i].last_stable_offset, rows[i].committed);
    }
}

static bool add_listed(struct sink *sink, const struct lag_group *group,
                       const struct lag_row *rows, struct arena *arena) {
    struct str label = group_label(arena, group->id);
    if (label.ptr == NULL) return false;
    sink->groups[sink->sample->group_count++] = (struct group_sample){
        .id = label,
        .protocol = str_of(group->protocol),
        .state = str_of(group->state),
        .members = group->members,
        .commits = group->commits,
    };
    for (uint32_t i = 0; i < group->row_count; i++)
        sink->offsets[sink->sample->group_offset_count++] =
            offset_sample(&rows[i], label, sink->wall_ms);
    return true;
}

static bool make_room(struct sink *sink, struct lag_notes *const *notes, uint32_t notes_count,
                      struct arena *arena) {
    size_t groups = 0, offsets = 0;
    for (uint32_t i = 0; i < notes_count; i++) {
        sink->unlisted_groups += (int64_t)notes[i]->groups_left;
        sink->unlisted_offsets += (int64_t)notes[i]->rows_left;
        for (uint32_t g = 0; g < notes[i]->group_count; g++) {
            if (!notes[i]->groups[g].is_listed) continue;
            groups++;
            offsets += notes[i]->groups[g].row_count;
        }
    }
    sink->group_count = sink->unlisted_groups;
    sink->groups = arena_array(arena, groups, sizeof *sink->groups);
    sink->offsets = arena_array(arena, offsets, sizeof *sink->offsets);
    return sink->groups != NULL && sink->offsets != NULL;
}

bool group_samples_make(struct lag_notes *const *notes, uint32_t notes_count, int64_t wall_ms,
                        struct arena *arena, struct metrics_sample *sample) {
    uint32_t at[LIMIT_SHARDS] = {0};
    const struct lag_notes *of = NULL;
    struct sink sink = {.sample = sample,
                        .wall_ms = wall_ms,
                        .others = {.id = STR(METRICS_OTHERS), .commits = -1}};
    if (!make_room(&sink, notes, notes_count, arena)) return false;
    for (struct lag_group *group; (group = lag_next(notes, notes_count, at, &of)) != NULL;) {
        sink.group_count++;
        if (!group->is_listed) {
            add_other(&sink, group, &of->rows[group->first_row]);
        } else if (!add_listed(&sink, group, &of->rows[group->first_row], arena)) {
            return false;
        }
    }
    if (sink.unlisted_groups > 0) {
        struct group_sample *others = ARENA_NEW(arena, struct group_sample);
        if (others == NULL) return false;
        *others = sink.others;
        sample->other_groups = others;
    }
    sample->groups = sink.groups;
    sample->group_offsets = sink.offsets;
    metrics_sample_set(sample, METRIC_GROUPS, (double)sink.group_count);
    metrics_sample_set(sample, METRIC_GROUPS_UNLISTED, (double)sink.unlisted_groups);
    metrics_sample_set(sample, METRIC_GROUP_OFFSETS_UNLISTED, (double)sink.unlisted_offsets);
    return true;
}
