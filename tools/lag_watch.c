/* tools/lag_watch.c - see lag_watch.h. */
#include "tools/lag_watch.h"
#include <stdlib.h>
#include "base/assert.h"
#include "protocol/record_iter.h"
#include "tools/clock.h"
#include "tools/groups.h"
#include "tools/lag_commits.h"
#include "tools/partition_offsets.h"
#include "tools/topics.h"

#define FETCH_LAST_VERSION 12  /* topics by name, above by id */
#define FETCH_BYTES_MAX 1048576
#define PARTITION_BYTES 4096   /* of each but the first: a header, often a whole batch */

/* Where a partition of any group begins and ends. */
struct place_ends {
    struct group_place place;
    int32_t leader;
    int64_t start, end; /* -1: not known */
};

struct taking {
    struct client *c;
    const struct lag_watch *before;
    struct lag_watch *watch;
    struct topic_list topics;
    struct place_ends *ends; /* sorted, each place once */
    uint32_t end_count;
    uint32_t fetches;
};

static void *take_array(const struct taking *t, size_t count, size_t item_bytes) {
    void *array = arena_array(t->c->arena, count, item_bytes);
    ASSERT(array != NULL); /* the arena has no limit */
    return array;
}

/* --- what the look before remembered --- */

static int by_id(const void *a, const void *b) {
    return str_cmp(((const struct lag_group *)a)->id, ((const struct lag_group *)b)->id);
}

static int by_place(const void *a, const void *b) {
    const struct lag_partition *x = a, *y = b;
    return group_place_compare(&(struct group_place){x->topic, x->index},
                               &(struct group_place){y->topic, y->index});
}

static const struct lag_group *find_group(const struct lag_watch *watch, struct str id) {
    struct lag_group key = {.id = id};
    if (watch->group_count == 0) return NULL;
    return bsearch(&key, watch->groups, watch->group_count, sizeof key, by_id);
}

struct lag_partition *lag_watch_find(const struct lag_watch *watch, struct str group,
                                     struct group_place place) {
    const struct lag_group *found = find_group(watch, group);
    struct lag_partition key = {.topic = place.topic, .index = place.partition};
    if (found == NULL || found->window.partition_count == 0) return NULL;
    return bsearch(&key, found->partitions, found->window.partition_count, sizeof key, by_place);
}

/* Its history, or none, under the name of this look. */
static struct lag_partition history_of(const struct taking *t, struct str group,
                                       struct group_place place) {
    const struct lag_partition *found = lag_watch_find(t->before, group, place);
    if (found == NULL)
        return (struct lag_partition){.topic = place.topic, .index = place.partition};
    struct lag_partition kept = *found;
    kept.topic = place.topic;
    return kept;
}

/* --- groups --- */

static bool rebalances(const struct group *group) {
    static const char *const states[] = {"PreparingRebalance", "CompletingRebalance", "Assigning",
                                         "Reconciling"};
    for (size_t i = 0; i < COUNT(states); i++)
        if (str_eq(group->state, str_of(states[i]))) return true;
    return false;
}

/* A partition that the group has an offset for, or a member. */
struct seen {
    struct group_place place;
    int64_t committed;
    int32_t owner;
};

/* What members have and what was committed, merged: both are sorted, but members one by one. */
static struct seen *merge(const struct taking *t, const struct group *group,
                          const struct group_offsets *committed, uint32_t *ret_count) {
    size_t room = committed->count;
    uint32_t count = 0, kept = 0;
    for (uint32_t i = 0; i < group->member_count; i++) room += group->members[i].assigned.count;
    struct seen *all = take_array(t, room, sizeof *all);
    for (uint32_t i = 0; i < committed->count; i++)
        all[count++] = (struct seen){committed->at[i].place, committed->at[i].offset, -1};
    for (uint32_t i = 0; i < group->member_count; i++)
        for (uint32_t k = 0; k < group->members[i].assigned.count; k++)
            all[count++] =
                (struct seen){group->members[i].assigned.at[k], -1, (int32_t)i};
    qsort(all, count, sizeof *all, group_place_compare);
    for (uint32_t i = 0; i < count; i++) {
        struct seen *last = kept > 0 ? &all[kept - 1] : NULL;
        if (last == NULL || group_place_compare(&last->place, &all[i].place) != 0) {
            all[kept++] = all[i];
            continue;
        }
        last->committed = MAX(last->committed, all[i].committed);
        last->owner = MAX(last->owner, all[i].owner);
    }
    *ret_count = kept;
    return all;
}

static void keep_group(struct taking *t, const struct group *group,
                       const struct group_offsets *committed, struct lag_group *ret) {
    uint32_t count = 0, idle = 0;
    const struct seen *seen = merge(t, group, committed, &count);
    const struct lag_group *before = find_group(t->before, group->id);
    *ret = (struct lag_group){
        .id = group->id,
        .type = group->is_consumer ? STR("consumer") : STR("classic"),
        .state = group->state.len > 0 ? group->state : STR("Dead"),
        .members = group->member_count,
        .partitions = take_array(t, count, sizeof *ret->partitions),
    };
    if (before != NULL) ret->window = before->window;
    ret->window.partitions = ret->partitions;
    ret->window.partition_count = count;
    for (uint32_t i = 0; i < group->member_count; i++)
        idle += group->members[i].assigned.count == 0;
    lag_window_add(&ret->window, &(struct lag_look){.time_ms = t->watch->time_ms,
                                                    .members = group->member_count,
                                                    .idle_members = idle,
                                                    .is_rebalancing = rebalances(group)});
    for (uint32_t i = 0; i < count; i++) {
        ret->partitions[i] = history_of(t, group->id, seen[i].place);
        lag_partition_add(&ret->partitions[i], &(struct lag_point){.time_ms = t->watch->time_ms,
                                                                   .committed = seen[i].committed,
                                                                   .start = -1,
                                                                   .end = -1,
                                                                   .next_ms = -1,
                                                                   .owner = seen[i].owner});
    }
}

static enum status take_group(struct taking *t, struct str id, struct lag_group *ret) {
    struct group group;
    struct group_offsets committed = {0};
    int16_t error_code;
    enum status st = group_describe(t->c, id, &group, &error_code);
    if (st == ST_OK) st = group_committed(t->c, id, &committed, &error_code);
    if (st != ST_OK) return st;
    group.id = id;
    keep_group(t, &group, &committed, ret);
    return ST_OK;
}

static enum status take_groups(struct taking *t, const struct str *names, uint32_t name_count) {
    struct listed_groups listed = {0};
    if (name_count == 0) {
        enum status st = groups_list(t->c, true, NULL, 0, NULL, 0, &listed);
        if (st != ST_OK) return st;
    }
    uint32_t count = name_count > 0 ? name_count : listed.count;
    t->watch->groups = take_array(t, count, sizeof *t->watch->groups);
    for (uint32_t i = 0; i < count; i++) {
        struct str id = name_count > 0 ? names[i] : listed.at[i].id;
        enum status st = take_group(t, id, &t->watch->groups[t->watch->group_count++]);
        if (st != ST_OK) return st;
    }
    qsort(t->watch->groups, count, sizeof *t->watch->groups, by_id);
    return ST_OK;
}

/* --- where partitions begin and end --- */

static void collect_places(struct taking *t) {
    size_t room = 0;
    uint32_t count = 0;
    for (uint32_t g = 0; g < t->watch->group_count; g++)
        room += t->watch->groups[g].window.partition_count;
    t->ends = take_array(t, room, sizeof *t->ends);
    for (uint32_t g = 0; g < t->watch->group_count; g++) {
        const struct lag_group *group = &t->watch->groups[g];
        for (uint32_t i = 0; i < group->window.partition_count; i++) {
            const struct lag_partition *p = &group->partitions[i];
            t->ends[count++] = (struct place_ends){.place = {p->topic, p->index},
                                                   .leader = topics_leader(&t->topics, p->topic,
                                                                           p->index),
                                                   .start = -1,
                                                   .end = -1};
        }
    }
    qsort(t->ends, count, sizeof *t->ends, group_place_compare);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && group_place_compare(&t->ends[i].place, &t->ends[i - 1].place) == 0) continue;
        t->ends[t->end_count++] = t->ends[i];
    }
}

static enum status take_ends(struct taking *t) {
    struct partition_offset *asked = take_array(t, t->end_count, sizeof *asked);
    static const int64_t times[] = {OFFSET_EARLIEST, OFFSET_LATEST};
    for (size_t k = 0; k < COUNT(times); k++) {
        for (uint32_t i = 0; i < t->end_count; i++)
            asked[i] = (struct partition_offset){.topic = t->ends[i].place.topic,
                                                 .index = t->ends[i].place.partition,
                                                 .leader = t->ends[i].leader};
        enum status st = partition_offsets_ask(t->c, times[k], asked, t->end_count);
        if (st != ST_OK) return st;
        for (uint32_t i = 0; i < t->end_count; i++) {
            if (!asked[i].answered || asked[i].error_code != KAFKA_NONE) continue;
            if (times[k] == OFFSET_EARLIEST) t->ends[i].start = asked[i].offset;
            if (times[k] == OFFSET_LATEST) t->ends[i].end = asked[i].offset;
        }
    }
    return ST_OK;
}

static struct lag_point *newest(struct lag_partition *p) { return &p->points[p->count - 1]; }

static const struct place_ends *ends_of(const struct taking *t, const struct lag_partition *p) {
    struct place_ends key = {.place = {p->topic, p->index}};
    return bsearch(&key, t->ends, t->end_count, sizeof key, group_place_compare);
}

/* Ends, and the time of the next record where the look before found it. */
static void fill_in(struct taking *t, struct lag_partition *p) {
    const struct place_ends *ends = ends_of(t, p);
    struct lag_point *point = newest(p);
    point->start = ends->start;
    point->end = ends->end;
    point->has_leader = ends->end >= 0;
    if (p->count < 2) return;
    const struct lag_point *before = &p->points[p->count - 2];
    if (before->committed == point->committed && before->start == point->start)
        point->next_ms = before->next_ms;
}

/* --- the records that are read next --- */

int64_t lag_record_time(struct mem *mem, struct bytes records, int64_t offset) {
    struct batch_view view;
    if (batch_peek(records, &view) != ST_OK) return -1;
    if (view.attributes & BATCH_ATTR_LOG_APPEND_TIME) return view.max_timestamp;
    if (offset <= view.base_offset && !batch_has_delete_horizon(&view)) return view.base_timestamp;
    int64_t found = -1;
    if (batch_open(records, &view) == ST_OK && batch_codec(&view) == CODEC_NONE) {
        struct record_iter it;
        struct record record;
        record_iter_init(&it, mem);
        record_iter_open(&it, &view, records.len);
        while (found < 0 && record_iter_next(&it, &record))
            if (record.offset >= offset) found = record.timestamp;
        record_iter_close(&it);
        record_iter_release(&it);
    }
    if (found >= 0 || batch_has_delete_horizon(&view)) return MAX(found, -1);
    double share = (double)(offset - view.base_offset) / MAX(view.last_offset_delta, 1);
    return view.base_timestamp +
           (int64_t)(share * (double)(view.max_timestamp - view.base_timestamp));
}

/* A record that one group reads next. */
struct wanted {
    struct group_place place;
    struct lag_point *point;
    int32_t leader;
    bool is_asked;
};

static int64_t next_offset(const struct lag_point *point) {
    return MAX(point->committed, point->start);
}

static struct wanted *collect_wanted(struct taking *t, uint32_t *ret_count) {
    size_t room = 0;
    uint32_t count = 0;
    for (uint32_t g = 0; g < t->watch->group_count; g++)
        room += t->watch->groups[g].window.partition_count;
    struct wanted *all = take_array(t, room, sizeof *all);
    for (uint32_t g = 0; g < t->watch->group_count; g++) {
        struct lag_group *group = &t->watch->groups[g];
        for (uint32_t i = 0; i < group->window.partition_count; i++) {
            struct lag_partition *p = &group->partitions[i];
            struct lag_point *point = newest(p);
            fill_in(t, p);
            if (point->next_ms >= 0 || point->committed < 0 || point->end <= next_offset(point))
                continue;
            all[count++] = (struct wanted){
                .place = {p->topic, p->index}, .point = point, .leader = ends_of(t, p)->leader};
        }
    }
    qsort(all, count, sizeof *all, group_place_compare);
    *ret_count = count;
    return all;
}

static void take_fetched(const struct taking *t, const struct fetch_response *response,
                         struct wanted *const *asked, uint32_t count) {
    for (int32_t i = 0; i < response->responses_count; i++) {
        const struct fetch_response_fetchable_topic *topic = &response->responses[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            const struct fetch_response_partition_data *p = &topic->partitions[k];
            struct group_place place = {topic->topic, p->partition_index};
            for (uint32_t n = 0; n < count; n++) {
                if (group_place_compare(&asked[n]->place, &place) != 0) continue;
                asked[n]->point->next_ms = lag_record_time(t->c->arena->mem, p->records.bytes,
                                                           next_offset(asked[n]->point));
            }
        }
    }
}

/* One request to the leader of the first record that is still wanted, for all of its partitions,
 * each once. false: nothing is wanted any more. */
static bool fetch_some(struct taking *t, struct wanted *all, uint32_t count, enum status *ret) {
    struct wanted **asked = take_array(t, count, sizeof(struct wanted *));
    struct fetch_request request;
    struct fetch_response response;
    uint32_t n = 0;
    codec_defaults(&fetch_request_schema, &request);
    request.replica_id = -1;
    request.max_bytes = FETCH_BYTES_MAX;
    request.session_epoch = -1;
    request.topics = fetch_request_topic_array(t->c->arena, (int32_t)count);
    ASSERT(request.topics != NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].is_asked || (n > 0 && all[i].leader != asked[0]->leader)) continue;
        if (n > 0 && group_place_compare(&all[i].place, &asked[n - 1]->place) == 0) continue;
        struct fetch_request_topic *topic = &request.topics[request.topics_count++];
        topic->topic = all[i].place.topic;
        topic->partitions = fetch_request_partition_array(t->c->arena, 1);
        ASSERT(topic->partitions != NULL);
        topic->partitions_count = 1;
        topic->partitions[0].partition = all[i].place.partition;
        topic->partitions[0].fetch_offset = next_offset(all[i].point);
        topic->partitions[0].partition_max_bytes = PARTITION_BYTES;
        all[i].is_asked = true;
        asked[n++] = &all[i];
    }
    if (n == 0) return false;
    *ret = client_call_up_to(t->c, asked[0]->leader, API_FETCH, FETCH_LAST_VERSION, &request,
                             &response);
    if (*ret == ST_OK) take_fetched(t, &response, asked, n);
    return *ret == ST_OK;
}

enum status lag_watch_take(struct client *c, const struct str *names, uint32_t name_count,
                           const struct lag_watch *before, struct lag_watch *ret) {
    struct taking t = {.c = c, .before = before, .watch = ret};
    struct topic_choice all_topics = {0};
    *ret = (struct lag_watch){.time_ms = clock_wall_ms()};
    enum status st = topics_find(c, &all_topics, &t.topics);
    if (st == ST_OK) st = take_groups(&t, names, name_count);
    if (st != ST_OK) return st;
    if (before->group_count == 0) st = lag_commits_find(c, &t.topics, ret);
    if (st != ST_OK) return st;
    collect_places(&t);
    st = take_ends(&t);
    if (st != ST_OK) return st;
    uint32_t count = 0;
    struct wanted *wanted = collect_wanted(&t, &count);
    for (uint32_t i = 0; i < LAG_FETCHES_MAX && fetch_some(&t, wanted, count, &st); i++) {
    }
    return st;
}
