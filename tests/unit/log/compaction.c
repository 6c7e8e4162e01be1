/* tests/unit/log/compaction.c - what becomes of batches, in a small notation.
 *
 * Batches are parted by '|', records by spaces: key=value, "key=" a tombstone, "=value" without a
 * key. In front of the records, in braces: p7 by producer 7, t7 in a transaction of producer 7, A7
 * and C7 its ABORT and COMMIT marker (without records), zgzip.. the codec, h500 a delete horizon,
 * +5 five offsets that an earlier compaction left empty before the batch, >2 two behind it. What
 * comes out is written in the same way, with "base-last:" in front of a batch and its offset in
 * front of a record. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log/compaction.h"

enum { NOW = 1000, RETENTION = 100, TIMESTAMP = 77, TEXT_BYTES = 4096 };

struct bench {
    struct mem mem;
    struct octets in;
    int64_t next_offset;
    struct compaction work;
};

static enum codec codec_of(char c) {
    switch (c) {
    case 'g': return CODEC_GZIP;
    case 's': return CODEC_SNAPPY;
    case 'l': return CODEC_LZ4;
    case 'z': return CODEC_ZSTD;
    default: return CODEC_NONE;
    }
}

/* Of an ABORT and of a COMMIT; a user's record may have it, too: "@A", "@C". */
static const uint8_t marker_key[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 1}};

static void add_marker(struct batch_builder *b, bool commit) {
    uint8_t value[6] = {0};
    struct bytes k = {marker_key[commit], sizeof marker_key[0]}, v = {value, sizeof value};
    cr_assert_eq(batch_builder_add(b, TIMESTAMP, k, v, NULL, 0), ST_OK);
}

/* One batch of the notation. */
static void add_batch(struct bench *bench, const char *text, size_t len) {
    struct batch_builder b;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    int64_t behind = 0;
    char marker = 0;
    const char *at = text, *end = text + len;
    while (at < end && *at == ' ') at++;
    while (at < end && *at == '{') {
        char kind = at[1];
        int64_t number = atoll(at + 2);
        if (strchr("ptAC", kind) != NULL) {
            options.producer_id = number;
            options.producer_epoch = 0;
            options.base_sequence = 0;
            options.transactional = kind != 'p';
        }
        if (kind == 'A' || kind == 'C') marker = kind;
        if (kind == 'z') options.codec = codec_of(at[2]);
        if (kind == 'h') options.delete_horizon_ms = number;
        if (kind == '+') bench->next_offset += number;
        if (kind == '>') behind = number;
        at = strchr(at, '}') + 1;
        while (at < end && *at == ' ') at++;
    }
    options.control = marker != 0;
    options.base_offset = bench->next_offset;
    batch_builder_init(&b, &bench->mem);
    cr_assert_eq(batch_builder_start(&b, &options), ST_OK);
    if (marker != 0) add_marker(&b, marker == 'C');
    while (at < end) {
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (equals == NULL) break;
        while (*at == ' ') at++;
        const char *stop = equals + 1;
        while (stop < end && *stop != ' ') stop++;
        struct bytes key = {(const uint8_t *)at, (size_t)(equals - at)};
        if (*at == '@') key = (struct bytes){marker_key[at[1] == 'C'], sizeof marker_key[0]};
        struct bytes value = {(const uint8_t *)equals + 1, (size_t)(stop - equals - 1)};
        struct record_header header = {STR("h"), value};
        cr_assert_eq(batch_builder_add(&b, TIMESTAMP, key.len > 0 ? key : BYTES_NULL,
                                       value.len > 0 ? value : BYTES_NULL, &header, 1),
                     ST_OK);
        at = stop;
    }
    struct bytes batch;
    int64_t last = bench->next_offset + b.last_offset_delta + behind;
    batch_builder_set_last_offset(&b, last);
    cr_assert_eq(batch_builder_finish(&b, &batch), ST_OK);
    cr_assert_eq(octets_add(&bench->in, batch.ptr, batch.len), ST_OK);
    bench->next_offset = last + 1;
    batch_builder_release(&b);
}

static void bench_init(struct bench *bench, const char *text) {
    *bench = (struct bench){0};
    octets_init(&bench->in, &bench->mem);
    while (*text != '\0') {
        size_t len = strcspn(text, "|");
        add_batch(bench, text, len);
        text += len + (text[len] == '|');
    }
    compaction_init(&bench->work, &bench->mem);
    bench->work.now_ms = NOW;
    bench->work.delete_retention_ms = RETENTION;
}

static void bench_release(struct bench *bench) {
    compaction_release(&bench->work);
    octets_release(&bench->in);
    cr_expect_eq(bench->mem.used_bytes, 0);
}

static void make_map(struct bench *bench, uint64_t keys) {
    struct siphash_key key = {1, 2};
    struct key_map *map = &bench->work.map;
    uint64_t bytes = 24 * (keys * 10 / 9 + 9);
    cr_assert_eq(key_map_init(map, &bench->mem, bytes, 0.9, keys, key), ST_OK);
    key_map_clear(map);
    map->limit_count = keys;
}

static void print(struct bench *bench, struct bytes octets, char *text) {
    struct record_iter it;
    record_iter_init(&it, &bench->mem);
    const char *start = text;
    *text = '\0';
    while (octets.len > 0) {
        struct batch_view view;
        cr_assert_eq(batch_open(octets, &view), ST_OK);
        cr_assert(batch_crc_matches((struct bytes){octets.ptr, view.batch_bytes}));
        if (text != start) text = stpcpy(text, " | ");
        text += sprintf(text, "%lld-%lld:", (long long)view.base_offset,
                        (long long)batch_last_offset(&view));
        if (batch_has_delete_horizon(&view)) text += sprintf(text, " h%lld",
     (long long)view.base_timestamp);
        if (batch_codec(&view) != CODEC_NONE)
            text += sprintf(text, " %.*s", STR_ARG(codec_name(batch_codec(&view))));
        if (batch_is_control(&view)) text = stpcpy(text, " marker");
        struct record record;
        record_iter_open(&it, &view, 0);
        while (!batch_is_control(&view) && record_iter_next(&it, &record)) {
            struct str key = {(const char *)record.key.ptr, record.key.len};
            bool is_marker_key = key.len == sizeof marker_key[0] && key.ptr[0] == 0;
            if (is_marker_key) key = key.ptr[3] == 1 ? STR("@C") : STR("@A");
            text += sprintf(text, " %lld%.*s=%.*s", (long long)record.offset, STR_ARG(key),
                            (int)record.value.len,
                            (const char *)record.value.ptr);
            cr_expect_eq(record.timestamp, TIMESTAMP);
            cr_expect_eq(record.header_count, 1);
        }
        cr_expect_eq(it.status, ST_OK);
        record_iter_close(&it);
        cr_expect(view.record_count == 0 || view.max_timestamp == TIMESTAMP, "%lld",
                  (long long)view.max_timestamp);
        octets = (struct bytes){octets.ptr + view.batch_bytes, octets.len - view.batch_bytes};
    }
    record_iter_release(&it);
}

/* A producer's last batch; -1: a marker. */
struct last {
    int64_t producer_id, last_offset;
    int16_t epoch;
};

struct compaction_case {
    const char *name, *in, *want;
    int64_t first_dirty;
    uint64_t keys;                    /* of the map; 0: enough */
    struct aborted_txn aborts[2];   /* last offset 0: no more */
    struct last producers[2];         /* id 0: no more */
    int64_t want_upper;               /* 0: all */
};

static const struct compaction_case cases[] = {
    {"the last value of a key stays", "a=1 b=2 a=3 | b=4 | a=5", "3-3: 3b=4 | 4-4: 4a=5"},
    {"a batch that loses nothing stays as it is", "a=1 b=2 | c=3", "0-1: 0a=1 1b=2 | 2-2: 2c=3"},
    {"a batch keeps its offsets when its ends go", "a=1 b=2 c=3 d=4 | a=5 d=6",
     "0-3: 1b=2 2c=3 | 4-5: 4a=5 5d=6"},
    {"records without a key go", "=1 a=2 | =3", "0-1: 1a=2 | 2-2:"},
    {"the last batch of the cleaning keeps its header", "a=1 | a=2 | =3", "1-1: 1a=2 | 2-2:"},
    {"gzip stays gzip", "{zg} a=1 b=2 | a=3", "0-1: gzip 1b=2 | 2-2: 2a=3"},
    {"snappy stays snappy", "{zs} a=1 b=2 | a=3", "0-1: snappy 1b=2 | 2-2: 2a=3"},
    {"lz4 stays lz4", "{zl} a=1 b=2 | a=3", "0-1: lz4 1b=2 | 2-2: 2a=3"},
    {"zstd stays zstd", "{zz} a=1 b=2 | a=3", "0-1: zstd 1b=2 | 2-2: 2a=3"},
    {"gaps of an earlier compaction stay", "a=1 b=2 | {+7} {>3} a=3 c=4 | c=5",
     "0-1: 1b=2 | 9-13: 9a=3 | 14-14: 14c=5"},

    /* tombstones: KIP-534, KAFKA-8522 */
    {"a tombstone takes its key's values away and gets a horizon", "a=1 b=2 | a=",
     "0-1: 1b=2 | 2-2: h1100 2a="},
    {"the horizon is that of the first cleaning", "a=1 | {h1050} a= b=2", "1-2: h1050 1a= 2b=2"},
    {"behind its horizon a tombstone goes", "a=1 | {h1000} a= b=2 | c=3",
     "1-2: h1000 2b=2 | 3-3: 3c=3"},
    {"a tombstone that is overtaken goes at once", "{h1050} a= b=1 | a=2",
     "0-1: h1050 1b=1 | 2-2: 2a=2"},
    {"a batch of tombstones alone goes with them", "{h1000} a= b= | c=3", "2-2: 2c=3"},

    /* producers */
    {"a producer's last batch keeps its header",
     "{p7} a=1 | {p8} b=1 | a=2 b=2", "0-0: | 2-3: 2a=2 3b=2",
     .producers = {{7, 0, 0}, {9, 1, 0}}},
    {"the header of an earlier one goes", "{p7} a=1 | {p7} b=1 | a=2 b=2", "1-1: | 2-3: 2a=2 3b=2",
     .producers = {{7, 1, 0}}},

    /* transactions */
    {"aborted records go, and their marker gets time",
     "{t7} a=1 | b=1 | {A7} | b=2", "2-2: marker | 3-3: 3b=2",
     .aborts = {{7, 0, 2}}},
    {"an aborted value does not take the committed one away", "a=1 | {t7} a=2 | {A7}",
     "0-0: 0a=1 | 2-2: marker", .aborts = {{7, 1, 2}}},
    {"a marker whose records are gone gets a horizon", "a=1 | {A7} | b=1",
     "0-0: 0a=1 | 1-1: h1100 marker | 2-2: 2b=1", .aborts = {{7, 0, 1}}},
    {"behind the horizon the marker goes", "a=1 | {h1000} {A7} | b=1", "0-0: 0a=1 | 2-2: 2b=1",
     .aborts = {{7, 0, 1}}},
    {"a marker behind its horizon stays while there are records", "{t7} a=1 | {h1000} {C7} | b=1",
     "0-0: 0a=1 | 1-1: h1000 marker | 2-2: 2b=1"},
    {"committed records are compacted like others", "{t7} a=1 b=1 | {C7} | a=2",
     "0-1: 1b=1 | 2-2: marker | 3-3: 3a=2"},
    {"an empty COMMIT gets a horizon",
     "a=1 | {C7} | b=1", "0-0: 0a=1 | 1-1: h1100 marker | 2-2: 2b=1"},
    {"a producer's last marker stays, for its epoch",
     "{h1000} {C7} | b=1", "0-0: marker | 1-1: 1b=1",
     .producers = {{7, -1, 0}}},
    {"transactions of several producers are told apart", "{t7} a=1 | {t8} b=1 | {A7} | {C8} | a=2",
     "1-1: 1b=1 | 2-2: marker | 3-3: marker | 4-4: 4a=2", .aborts = {{7, 0, 2}}},
    {"a user's key that looks like a marker's takes no marker away (KAFKA-14055)",
     "{t7} a=1 | {C7} | @C=1 | @C=2", "0-0: 0a=1 | 1-1: marker | 3-3: 3@C=2"},
    {"a marker takes no user's record away whose key looks like its own",
     "@C=1 | {t7} a=1 | {C7}", "0-0: 0@C=1 | 1-1: 1a=1 | 2-2: marker"},
    {"a batch of an aborted transaction goes alone (KAFKA-6854)",
     "a=1 | {t7} b=1 | c=1 | {A7} | d=1", "0-0: 0a=1 | 2-2: 2c=1 | 3-3: marker | 4-4: 4d=1",
     .aborts = {{7, 1, 3}}},

    /* a map that is too small */
    {"what does not fit is left for the next time", "a=1 b=2 | a=3 | c=4 | a=5",
     "0-1: 1b=2 | 2-2: 2a=3 | 3-3: 3c=4 | 4-4: 4a=5", .keys = 2, .want_upper = 3},
    {"a tombstone behind the map's end has not begun to wait", "a=1 b=2 | c=",
     "0-1: 0a=1 1b=2 | 2-2: 2c=", .keys = 2, .want_upper = 2},
    {"an ABORT behind the map's end does not lose its records (KAFKA-13727)",
     "a=1 b=2 | c=3 | {t7} a=9 | {A7} | b=4",
     "0-1: 0a=1 1b=2 | 2-2: 2c=3 | 4-4: marker | 5-5: 5b=4",
     .keys = 2, .want_upper = 2, .aborts = {{7, 3, 4}}},
    {"only the dirty part is noted",
     "a=1 | a=2 | b=3", "0-0: 0a=1 | 1-1: 1a=2 | 2-2: 2b=3", .first_dirty = 2},
    {"the dirty part compacts the clean one",
     "a=1 | b=2 | a=3", "1-1: 1b=2 | 2-2: 2a=3", .first_dirty = 2},
    {"a first dirty offset within a batch counts (KAFKA-9133)",
     "a=1 a=2 b=3 | b=4", "0-2: 0a=1 1a=2 | 3-3: 3b=4",
     .first_dirty = 2},
};

static void run_case(const struct compaction_case *c) {
    struct bench bench;
    bench_init(&bench, c->in);
    make_map(&bench, c->keys > 0 ? c->keys : 1000);
    struct compaction *work = &bench.work;
    work->first_dirty = work->upper_offset = c->first_dirty;
    uint32_t producers = 0, aborts = 0;
    while (producers < 2 && c->producers[producers].producer_id != 0) producers++;
    while (aborts < 2 && c->aborts[aborts].last_offset != 0) aborts++;
    struct producer_summary summaries[2];
    for (uint32_t i = 0; i < producers; i++)
        summaries[i] = (struct producer_summary){.producer_id = c->producers[i].producer_id,
                                                 .last_offset = c->producers[i].last_offset,
                                                 .epoch = c->producers[i].epoch};
    work->producers = (struct producer_list){summaries, producers, 2};
    for (int walk = 0; walk < 2; walk++) {
        size_t used = 0;
        compaction_turn(work);
        for (uint32_t i = 0; i < aborts; i++)
            cr_assert_eq(cleaned_txns_add(&work->txns, &c->aborts[i]), ST_OK);
        enum status st = walk == 0 ? compaction_index(work, octets_bytes(&bench.in), &used)
                                   : compaction_filter(work, octets_bytes(&bench.in), &used);
        cr_assert(st == ST_OK || (walk == 0 && st == ST_FULL && c->keys > 0), "%s: %s", c->name,
                  status_name(st));
        cr_expect(st == ST_FULL || used == bench.in.len, "%s: not all was used", c->name);
    }
    int64_t want_upper = c->want_upper > 0 ? c->want_upper : bench.next_offset;
    cr_expect_eq(work->upper_offset, want_upper, "%s: up to %lld, want %lld", c->name,
                 (long long)work->upper_offset, (long long)want_upper);
    char text[TEXT_BYTES];
    print(&bench, octets_bytes(&work->out), text);
    cr_expect_str_eq(text, c->want, "%s:\n  got  %s\n  want %s", c->name, text, c->want);
    bool same = work->out.len == bench.in.len &&
                memcmp(work->out.data, bench.in.data, work->out.len) == 0;
    cr_expect_eq(work->is_changed, !same, "%s: is_changed", c->name);
    bench_release(&bench);
}

Test(compaction, keeps_what_it_must_and_no_more) {
    for (size_t i = 0; i < COUNT(cases); i++) run_case(&cases[i]);
}

Test(compaction, takes_whole_batches_and_says_how_far_it_came) {
    struct bench bench;
    bench_init(&bench, "a=1 | b=2 | c=3");
    make_map(&bench, 10);
    struct bytes all = octets_bytes(&bench.in);
    size_t one = all.len / 3;
    for (size_t len = 0; len <= all.len; len++) {
        size_t used = 0;
        cr_assert_eq(compaction_index(&bench.work, (struct bytes){all.ptr, len}, &used), ST_OK);
        cr_expect_eq(used, len / one * one, "%zu of %zu", used, len);
    }
    bench_release(&bench);
}

Test(compaction, refuses_a_flipped_bit_wherever_it_is) {
    struct bench bench;
    bench_init(&bench, "a=1 b=2");
    make_map(&bench, 10);
    bench.work.upper_offset = 2;
    for (size_t at = BATCH_AT_CRC; at < bench.in.len; at++) {
        size_t used = 0;
        bench.in.data[at] ^= 0x10;
        cr_expect_eq(compaction_filter(&bench.work, octets_bytes(&bench.in), &used), ST_CORRUPT,
     "%zu", at);
        bench.in.data[at] ^= 0x10;
    }
    bench_release(&bench);
}

/* --- the map --- */

Test(key_map, is_what_a_list_of_keys_is_until_it_is_full) {
    enum { KEYS = 500 };
    struct mem mem = {0};
    struct key_map map;
    int64_t want[KEYS];
    struct siphash_key key = {3, 4};
    cr_assert_eq(key_map_init(&map, &mem, 24 * 1000, 0.5, 1 << 20, key), ST_OK);
    key_map_clear(&map);
    cr_expect_eq(map.limit_count, 500);
    memset(want, -1, sizeof want);
    for (int64_t offset = 0; offset < 3000; offset++) {
        uint32_t which = (uint32_t)(offset * 7919 % KEYS);
        cr_assert_eq(key_map_put(&map, (struct bytes){(uint8_t *)&which, sizeof which}, offset),
     ST_OK);
        want[which] = offset;
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        cr_expect_eq(key_map_get(&map, (struct bytes){(uint8_t *)&i, sizeof i}), want[i]);
    }
    uint32_t other = KEYS;
    cr_expect_eq(key_map_get(&map, (struct bytes){(uint8_t *)&other, sizeof other}), -1);
    cr_expect_eq(key_map_put(&map, (struct bytes){(uint8_t *)&other, sizeof other}, 1), ST_FULL);
    cr_expect_eq(key_map_put(&map, (struct bytes){(uint8_t *)want, 4}, 9), ST_FULL);
    other = 0;
    cr_expect_eq(key_map_put(&map, (struct bytes){(uint8_t *)&other, sizeof other}, 9999), ST_OK);
    key_map_release(&map);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(key_map, takes_no_more_memory_than_its_keys_need) {
    struct mem mem = {0};
    struct key_map map;
    struct siphash_key key = {3, 4};
    cr_assert_eq(key_map_init(&map, &mem, 128 << 20, 0.9, 9, key), ST_OK);
    cr_expect_geq(map.limit_count, 9);
    cr_expect_lt(mem.used_bytes, 1000);
    key_map_release(&map);
}
