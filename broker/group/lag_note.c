/* broker/group/lag_note.c - the groups of a shard's coordinators, written down; which of all are
 * listed. */
#include "broker/group/lag.h"
#include <stdlib.h>
#include "base/assert.h"
#include "broker/group/host.h"
#include "broker/group/offsets.h"
#include "broker/metrics/page.h"

/* --- on a coordinator's shard --- */

static int by_id(const void *a, const void *b) {
    return str_cmp((*(struct group *const *)a)->id, (*(struct group *const *)b)->id);
}

/* Of all coordinators that are loaded, sorted; NULL without memory. */
static struct group **all_groups(const struct group_service *service, struct arena *arena,
                                 size_t *ret_count) {
    size_t total = 0, count = 0;
    LIST_EACH(&service->hosts, node) {
        const struct hosted *host = CONTAINER_OF(node, struct hosted, link);
        if (host->state == HOST_ACTIVE) total += host->core->groups.count;
    }
    struct group **all = arena_array(arena, total, sizeof(struct group *));
    if (all == NULL) return NULL;
    LIST_EACH(&service->hosts, node) {
        const struct hosted *host = CONTAINER_OF(node, struct hosted, link);
        if (host->state != HOST_ACTIVE) continue;
        for (struct map_node *n = NULL; (n = map_next(&host->core->groups, n)) != NULL;)
            all[count++] = CONTAINER_OF(n, struct group, node);
    }
    qsort(all, count, sizeof(struct group *), by_id);
    *ret_count = count;
    return all;
}

static uint32_t offsets_of(const struct group *group) {
    uint32_t count = 0;
    for (struct map_node *n = NULL; (n = map_next(&group->topics, n)) != NULL;)
        count += CONTAINER_OF(n, struct topic_offsets, node)->count;
    return count;
}

static bool note_topic(const struct shard *shard, const struct topic_offsets *offsets,
                       struct arena *arena, struct lag_notes *notes) {
    const struct topic_image *topic = image_topic_by_name(shard->image, offsets->topic);
    struct str name = arena_str(arena, offsets->topic);
    for (uint32_t i = 0; i < offsets->count; i++) {
        const struct committed *committed = &offsets->committed[i];
        bool is_of_another = topic == NULL || (!uuid_is_zero(committed->topic_id) &&
                                               !uuid_eq(committed->topic_id, topic->id));
        notes->rows[notes->row_count++] = (struct lag_row){
            .topic = name,
            .topic_id = is_of_another ? UUID_ZERO : topic->id,
            .partition = committed->partition,
            .committed = committed->offset,
            .commit_ms = committed->commit_ms,
        };
    }
    return name.ptr != NULL;
}

static bool note_group(const struct shard *shard, const struct group *group, struct arena *arena,
                       struct lag_notes *notes) {
    const struct group_kind *kind = group->body->kind;
    struct topic_offsets **topics = offsets_sorted_topics(group, arena);
    struct lag_group *noted = &notes->groups[notes->group_count++];
    *noted = (struct lag_group){
        .id = arena_str(arena, group->id),
        .protocol = kind->type,
        .state = kind->state_name(group),
        .members = kind->member_count(group),
        .commits = (int64_t)group->commits,
        .first_row = notes->row_count,
    };
    if (topics == NULL || noted->id.ptr == NULL) return false;
    for (size_t i = 0; i < group->topics.count; i++) {
        if (!note_topic(shard, topics[i], arena, notes)) return false;
    }
    noted->row_count = notes->row_count - noted->first_row;
    return true;
}

void lag_note(const struct shard *shard, struct arena *arena, struct lag_notes *notes) {
    size_t count = 0;
    uint64_t offset_count = 0;
    struct group **groups = all_groups(shard->groups, arena, &count);
    *notes = (struct lag_notes){.failed = groups == NULL};
    if (count == 0) return;
    LIST_EACH(&shard->groups->hosts, node) {
        const struct hosted *host = CONTAINER_OF(node, struct hosted, link);
        if (host->state == HOST_ACTIVE) offset_count += host->core->offset_count;
    }
    notes->groups = arena_array(arena, MIN(count, (size_t)LAG_GROUPS_MAX), sizeof *notes->groups);
    notes->rows =
        arena_array(arena, MIN(offset_count, (uint64_t)LAG_ROWS_MAX), sizeof *notes->rows);
    notes->failed = notes->groups == NULL || notes->rows == NULL;
    for (size_t i = 0; i < count && !notes->failed; i++) {
        uint32_t rows = offsets_of(groups[i]);
        if (notes->group_count == LAG_GROUPS_MAX || rows > LAG_ROWS_MAX - notes->row_count) {
            notes->groups_left++;
            notes->rows_left += rows;
            continue;
        }
        notes->failed = !note_group(shard, groups[i], arena, notes);
    }
}

/* --- on one shard, or by whoever asked --- */

struct lag_group *lag_next(struct lag_notes *const *notes, uint32_t notes_count, uint32_t *at,
                           const struct lag_notes **ret_notes) {
    struct lag_group *first = NULL;
    uint32_t from = 0;
    for (uint32_t i = 0; i < notes_count; i++) {
        if (at[i] >= notes[i]->group_count) continue;
        struct lag_group *group = &notes[i]->groups[at[i]];
        if (first != NULL && str_cmp(group->id, first->id) >= 0) continue;
        first = group;
        from = i;
    }
    if (first == NULL) return NULL;
    at[from]++;
    *ret_notes = notes[from];
    return first;
}

static bool may_be_named(struct str id) {
    return id.len <= LAG_ID_BYTES_MAX && !str_eq(id, STR(METRICS_OTHERS));
}

void lag_choose(struct lag_notes *const *notes, uint32_t notes_count, int64_t groups_max,
                int64_t rows_max) {
    uint32_t at[LIMIT_SHARDS] = {0};
    const struct lag_notes *of = NULL;
    for (struct lag_group *group; (group = lag_next(notes, notes_count, at, &of)) != NULL;) {
        if (groups_max <= 0 || group->row_count > rows_max || !may_be_named(group->id)) continue;
        group->is_listed = true;
        groups_max--;
        rows_max -= group->row_count;
        for (uint32_t i = 0; i < group->row_count; i++)
            of->rows[group->first_row + i].is_listed = true;
    }
}
