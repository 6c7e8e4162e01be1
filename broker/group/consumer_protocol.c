/* broker/group/consumer_protocol.c - names for ids, and back. */
#include "broker/group/consumer_protocol.h"

#define VERSION_MAX 3

static enum status read_versioned(const struct schema *schema, struct bytes in, struct arena *arena,
                                  void *out) {
    size_t used = 0;
    int16_t version = in.len >= 2 ? (int16_t)get_u16(in.ptr) : -1;
    if (version < 0) return ST_CORRUPT;
    enum status st = codec_decode(schema, MIN(version, VERSION_MAX),
                                  (struct bytes){in.ptr + 2, in.len - 2}, arena, out, &used);
    return st == ST_OK || st == ST_NOMEM ? st : ST_CORRUPT;
}

enum status consumer_subscription_read(struct bytes metadata, struct arena *arena,
                                       struct consumer_protocol_subscription *out) {
    return read_versioned(&consumer_protocol_subscription_schema, metadata, arena, out);
}

static uint32_t add_topic(const struct image *image, struct str name, const int32_t *partitions,
                          int32_t count, struct group_partition *items, uint32_t at) {
    const struct topic_image *topic = image_topic_by_name(image, name);
    for (int32_t i = 0; topic != NULL && i < count; i++)
        items[at++] = (struct group_partition){.topic_id = topic->id, .index = partitions[i]};
    return at;
}

bool consumer_subscription_owned(const struct consumer_protocol_subscription *s,
                                 const struct image *image, struct arena *arena,
                                 struct partition_set *ret_owned) {
    size_t total = 0;
    for (int32_t i = 0; i < s->owned_partitions_count; i++)
        total += (size_t)MAX(s->owned_partitions[i].partitions_count, 0);
    *ret_owned = (struct partition_set){arena_array(arena, total, sizeof *ret_owned->items), 0};
    if (ret_owned->items == NULL) return false;
    for (int32_t i = 0; i < s->owned_partitions_count; i++) {
        const struct consumer_protocol_subscription_topic_partition *t = &s->owned_partitions[i];
        ret_owned->count = add_topic(image, t->topic, t->partitions, t->partitions_count,
                                     ret_owned->items, ret_owned->count);
    }
    partition_set_order(ret_owned);
    return true;
}

enum status consumer_assignment_read(struct bytes octets, const struct image *image,
                                     struct arena *arena, struct partition_set *ret_set) {
    struct consumer_protocol_assignment a;
    size_t total = 0;
    *ret_set = (struct partition_set){0};
    if (octets.len == 0) return ST_OK;
    enum status st = read_versioned(&consumer_protocol_assignment_schema, octets, arena, &a);
    if (st != ST_OK) return st;
    for (int32_t i = 0; i < a.assigned_partitions_count; i++)
        total += (size_t)MAX(a.assigned_partitions[i].partitions_count, 0);
    ret_set->items = arena_array(arena, total, sizeof *ret_set->items);
    if (ret_set->items == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < a.assigned_partitions_count; i++) {
        const struct consumer_protocol_assignment_topic_partition *t = &a.assigned_partitions[i];
        ret_set->count = add_topic(image, t->topic, t->partitions, t->partitions_count,
                                   ret_set->items, ret_set->count);
    }
    partition_set_order(ret_set);
    return ST_OK;
}

enum status consumer_assignment_write(const struct partition_set *set, const struct image *image,
                                      int16_t version, struct arena *arena,
                                      struct bytes *ret_octets) {
    struct consumer_protocol_assignment a;
    struct topic_run *runs;
    int32_t count = 0;
    consumer_protocol_assignment_defaults(&a);
    if (!partition_set_runs(set, arena, &runs, &count)) return ST_NOMEM;
    a.assigned_partitions = consumer_protocol_assignment_topic_partition_array(arena, count);
    if (a.assigned_partitions == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        const struct topic_image *topic = image_topic_by_id(image, runs[i].topic_id);
        if (topic == NULL) continue;
        struct consumer_protocol_assignment_topic_partition *t =
            &a.assigned_partitions[a.assigned_partitions_count++];
        t->topic = topic->name;
        t->partitions = runs[i].partitions;
        t->partitions_count = runs[i].count;
    }
    version = MIN(MAX(version, 0), VERSION_MAX);
    size_t size = codec_size(&consumer_protocol_assignment_schema, version, &a);
    uint8_t *out = arena_alloc(arena, size + 2);
    if (out == NULL) return ST_NOMEM;
    put_u16(out, (uint16_t)version);
    *ret_octets = (struct bytes){out, size + 2};
    return codec_encode(&consumer_protocol_assignment_schema, version, &a, out + 2, size, NULL);
}
