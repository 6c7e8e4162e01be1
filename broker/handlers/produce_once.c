/* broker/handlers/produce_once.c - see produce_once.h. */
#include "broker/handlers/produce_once.h"
#include <stdlib.h>

#define FEW 16 /* compared with each other; more are sorted */

/* A topic or a partition, and where it stands. */
struct place {
    struct str name;
    struct uuid id;
    int32_t index, at;
};

struct places {
    struct place few[FEW], *all;
    int32_t count;
    int32_t *first; /* for each, where the like of it stands first */
};

static int compare(const struct place *x, const struct place *y) {
    int order = (x->index > y->index) - (x->index < y->index);
    if (order == 0) order = memcmp(&x->id, &y->id, sizeof x->id);
    return order != 0 ? order : str_cmp(x->name, y->name);
}

static int by_name_and_place(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    int order = compare(x, y);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static bool places_init(struct places *places, int32_t count, struct arena *arena) {
    places->count = count;
    places->all =
        count <= FEW ? places->few : arena_array(arena, (size_t)count, sizeof *places->all);
    return places->all != NULL;
}

static bool any_is_twice(const struct places *places) {
    for (int32_t i = 1; i < places->count; i++)
        for (int32_t j = 0; j < i; j++)
            if (compare(&places->all[i], &places->all[j]) == 0) return true;
    return false;
}

/* Whether any stands there twice, and then `first`; *ret_failed without memory. */
static bool find_first(struct places *places, struct arena *arena, bool *ret_failed) {
    bool is_twice = false;
    if (places->count <= FEW && !any_is_twice(places)) return false;
    places->first = arena_array(arena, (size_t)places->count, sizeof *places->first);
    *ret_failed = places->first == NULL;
    if (*ret_failed) return false;
    qsort(places->all, (size_t)places->count, sizeof *places->all, by_name_and_place);
    for (int32_t i = 0, start = 0; i < places->count; i++) {
        if (compare(&places->all[i], &places->all[start]) != 0) start = i;
        places->first[places->all[i].at] = places->all[start].at;
        is_twice = is_twice || i != start;
    }
    return is_twice;
}

/* --- partitions of a topic --- */

/* In ascending order, as clients send them, perhaps begun in the middle. */
static bool is_once_round(const struct produce_request_topic_data *topic) {
    const struct produce_request_partition_data *data = topic->partition_data;
    int32_t count = topic->partition_data_count, falls = 0;
    for (int32_t i = 1; i < count; i++) {
        if (data[i].index == data[i - 1].index) return false;
        falls += data[i].index < data[i - 1].index;
    }
    return falls == 0 || (falls == 1 && data[count - 1].index < data[0].index);
}

static bool keep_last_batches(struct request *rq, struct produce_request_topic_data *topic) {
    struct produce_request_partition_data *data = topic->partition_data;
    struct places places;
    bool failed = false;
    if (topic->partition_data_count < 2 || is_once_round(topic)) return true;
    if (!places_init(&places, topic->partition_data_count, &rq->arena)) return false;
    for (int32_t i = 0; i < places.count; i++)
        places.all[i] = (struct place){.index = data[i].index, .at = i};
    if (!find_first(&places, &rq->arena, &failed)) return !failed;
    for (int32_t i = 0; i < places.count; i++) data[places.first[i]].records = data[i].records;
    int32_t kept = 0;
    for (int32_t i = 0; i < places.count; i++)
        if (places.first[i] == i) data[kept++] = data[i];
    topic->partition_data_count = kept;
    return true;
}

/* --- topics --- */

/* The partitions of all that stand for one topic, in the first of them. */
static bool join(struct request *rq, struct produce_request_topic_data *topics,
                 const struct places *places) {
    struct produce_request_partition_data **room =
        arena_array(&rq->arena, (size_t)places->count, sizeof *room);
    int32_t *sizes = arena_array(&rq->arena, (size_t)places->count, sizeof *sizes);
    if (room == NULL || sizes == NULL) return false;
    for (int32_t i = 0; i < places->count; i++)
        sizes[places->first[i]] += MAX(topics[i].partition_data_count, 0);
    for (int32_t i = 0; i < places->count; i++) {
        struct produce_request_topic_data *first = &topics[places->first[i]];
        int32_t at = places->first[i], count = MAX(topics[i].partition_data_count, 0);
        if (at == i) {
            room[i] = arena_array(&rq->arena, (size_t)sizes[i], sizeof **room);
            if (room[i] == NULL) return false;
        }
        int32_t have = at == i ? 0 : first->partition_data_count;
        if (count > 0)
            memcpy(room[at] + have, topics[i].partition_data, (size_t)count * sizeof **room);
        first->partition_data = room[at];
        first->partition_data_count = have + count;
    }
    return true;
}

static bool join_topics(struct request *rq, struct produce_request *in) {
    struct places places;
    bool failed = false;
    if (in->topic_data_count < 2) return true;
    if (!places_init(&places, in->topic_data_count, &rq->arena)) return false;
    for (int32_t i = 0; i < places.count; i++) {
        const struct produce_request_topic_data *topic = &in->topic_data[i];
        places.all[i] = (struct place){.name = topic->name, .id = topic->topic_id, .at = i};
    }
    if (!find_first(&places, &rq->arena, &failed)) return !failed;
    if (!join(rq, in->topic_data, &places)) return false;
    int32_t kept = 0;
    for (int32_t i = 0; i < places.count; i++)
        if (places.first[i] == i) in->topic_data[kept++] = in->topic_data[i];
    in->topic_data_count = kept;
    return true;
}

bool produce_keep_last(struct request *rq) {
    struct produce_request *in = rq->in;
    if (!join_topics(rq, in)) return false;
    for (int32_t i = 0; i < in->topic_data_count; i++)
        if (!keep_last_batches(rq, &in->topic_data[i])) return false;
    return true;
}
