/* tests/unit/tools/lag_commits.c - when groups committed, out of records of __consumer_offsets. */
#include "tools/lag_commits.h"
#include <criterion/criterion.h>
#include "protocol/batch_builder.h"

/* begin: a key's type, a value's version. */
static struct bytes encoded(struct arena *arena, const struct schema *schema, uint16_t begin,
                            int16_t version, const void *message) {
    struct bytes body;
    cr_assert_eq(codec_encode_arena(schema, version, message, arena, &body), ST_OK);
    uint8_t *octets = arena_alloc(arena, body.len + 2);
    put_u16(octets, begin);
    memcpy(octets + 2, body.ptr, body.len);
    return (struct bytes){octets, body.len + 2};
}

static const struct {
    const char *name, *group, *topic;
    int32_t partition;
    int64_t commit_ms, want_ms; /* commit_ms -1: a tombstone; want_ms: of g t-1 */
    bool is_transactional;
} rows[] = {
    {"another group", "h", "t", 1, 500, 0, false},
    {"another topic", "g", "u", 1, 600, 0, false},
    {"another partition", "g", "t", 2, 700, 0, false},
    {"a commit", "g", "t", 1, 1000, 1000, false},
    {"a later one", "g", "t", 1, 2000, 2000, false},
    {"one of a transaction, which may be aborted", "g", "t", 1, 3000, 2000, true},
    {"a tombstone", "g", "t", 1, -1, 2000, false},
};

Test(lag_commits, the_last_commit_of_a_partition_counts) {
    struct mem mem = {0};
    struct arena arena;
    struct batch_builder builder;
    struct lag_partition partition = {.topic = STR("t"), .index = 1};
    struct lag_group group = {.id = STR("g"), .partitions = &partition};
    struct lag_watch watch = {.groups = &group, .group_count = 1};
    group.window.partitions = &partition;
    group.window.partition_count = 1;
    arena_init(&arena, &mem, 4096, 0);
    batch_builder_init(&builder, &mem);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct batch_options options = BATCH_OPTIONS_DEFAULT;
        struct offset_commit_key key = {.group = str_of(rows[i].group),
                                        .topic = str_of(rows[i].topic),
                                        .partition = rows[i].partition};
        struct offset_commit_value value;
        struct bytes batch, value_octets = BYTES_NULL;
        offset_commit_value_defaults(&value);
        value.commit_timestamp = rows[i].commit_ms;
        value.metadata = STR("");
        if (rows[i].commit_ms >= 0)
            value_octets = encoded(&arena, &offset_commit_value_schema, 3, 3, &value);
        options.codec = i % 2 == 0 ? CODEC_NONE : CODEC_GZIP;
        options.base_offset = (int64_t)i * 10;
        options.transactional = rows[i].is_transactional;
        if (rows[i].is_transactional) options.producer_id = 7;
        cr_assert_eq(batch_builder_start(&builder, &options), ST_OK);
        cr_assert_eq(batch_builder_add(&builder, 1, (struct bytes){(const uint8_t *)"?", 1},
                                       BYTES_NULL, NULL, 0),
                     ST_OK); /* not of a group at all */
        struct bytes key_octets = encoded(&arena, &offset_commit_key_schema, 1, 0, &key);
        cr_assert_eq(batch_builder_add(&builder, 1, key_octets, value_octets, NULL, 0), ST_OK);
        cr_assert_eq(batch_builder_finish(&builder, &batch), ST_OK);
        cr_expect_eq(lag_commits_note(&mem, batch, &watch), (int64_t)i * 10 + 2, "%s",
                     rows[i].name);
        cr_expect_eq(partition.moved_ms, rows[i].want_ms, "%s: %ld", rows[i].name,
                     (long)partition.moved_ms);
        batch.len--;
        cr_expect_eq(lag_commits_note(&mem, batch, &watch), -1, "%s: cut", rows[i].name);
        arena_reset(&arena);
    }
    batch_builder_release(&builder);
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}
