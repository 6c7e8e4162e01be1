/* tests/unit/log/txn_index.c - entries as Kafka writes them, which of them overlap a range, and
 * their files through the life of a log. */
#include <criterion/criterion.h>
#include "base/prng.h"
#include "protocol/crc32c.h"
#include "fixture.h"

static void put_entries(uint8_t *octets, const struct aborted_txn *txns, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        txn_index_encode(octets + (size_t)i * TXN_INDEX_ENTRY_BYTES, &txns[i]);
}

Test(txn_index, an_entry_has_kafkas_octets) {
    /* Written by Apache Kafka 4.3.1: producer 5 wrote offset 3, its ABORT marker is offset 4. */
    static const uint8_t want[TXN_INDEX_ENTRY_BYTES] = {[9] = 5, [17] = 3, [25] = 4, [33] = 5};
    uint8_t got[TXN_INDEX_ENTRY_BYTES];
    txn_index_encode(got, &(struct aborted_txn){5, 3, 4, 5});
    cr_expect_arr_eq(got, want, sizeof want);
    struct aborted_txn txn = txn_index_decode(want);
    cr_expect(txn.producer_id == 5 && txn.first_offset == 3 && txn.last_offset == 4 &&
              txn.last_stable_offset == 5);
}

static const struct {
    const char *name;
    struct aborted_txn txns[3];
    uint32_t count;
    int64_t base_offset;
    bool want;
} sane_cases[] = {
    {"one", {{5, 3, 4, 5}}, 1, 0, true},
    {"begun in an earlier segment", {{5, 3, 24, 25}}, 1, 20, true},
    {"another was open meanwhile", {{5, 3, 9, 4}, {6, 4, 12, 13}}, 2, 0, true},
    {"no producer", {{-1, 3, 4, 5}}, 1, 0, false},
    {"ends before it begins", {{5, 4, 4, 5}}, 1, 0, false},
    {"marker below the segment", {{5, 3, 4, 5}}, 1, 5, false},
    {"not in order", {{5, 3, 9, 10}, {6, 4, 8, 10}}, 2, 0, false},
    {"marker twice", {{5, 3, 9, 10}, {6, 4, 9, 10}}, 2, 0, false},
    {"stable above its marker", {{5, 3, 4, 6}}, 1, 0, false},
};

Test(txn_index, a_file_that_cannot_be_one_is_noticed) {
    uint8_t octets[3 * TXN_INDEX_ENTRY_BYTES];
    for (size_t i = 0; i < COUNT(sane_cases); i++) {
        put_entries(octets, sane_cases[i].txns, sane_cases[i].count);
        bool got = txn_index_is_sane(octets, sane_cases[i].count, sane_cases[i].base_offset);
        cr_expect_eq(got, sane_cases[i].want, "%s", sane_cases[i].name);
    }
    put_entries(octets, sane_cases[0].txns, 1);
    octets[1] = 1;
    cr_expect_not(txn_index_is_sane(octets, 1, 0), "version 1");
}

static const struct {
    const char *name;
    int64_t first, upper;
    uint32_t count;
    int64_t producers[4];
    bool is_complete;
} overlap_cases[] = {
    {"all", 0, 100, 4, {1, 2, 3, 4}, false},
    {"before the first", 0, 2, 0, {0}, true},
    {"only what ends at or above the first offset", 10, 100, 3, {2, 3, 4}, false},
    {"a marker counts as part", 9, 100, 4, {1, 2, 3, 4}, false},
    {"an entry whose stable offset is below the range's end does not end the search",
     0,
     6,
     2,
     {1, 2},
     true},
    {"begun before, ended behind", 13, 14, 2, {2, 3}, true},
    {"behind all", 41, 100, 0, {0}, false},
};

Test(txn_index, entries_that_overlap_a_range_are_found_in_order) {
    /* 1: [2, 9]. 2: [5, 20], while it was open 3 began (12) and ended. 4: alone. */
    static const struct aborted_txn txns[] = {
        {1, 2, 9, 5}, {3, 12, 15, 5}, {2, 5, 20, 21}, {4, 30, 40, 41}};
    uint8_t octets[COUNT(txns) * TXN_INDEX_ENTRY_BYTES];
    struct mem mem = {0};
    put_entries(octets, txns, COUNT(txns));
    for (size_t i = 0; i < COUNT(overlap_cases); i++) {
        struct aborted_txns list = {0};
        bool is_complete = false;
        cr_assert_eq(txn_index_collect(octets, COUNT(txns), overlap_cases[i].first,
                                       overlap_cases[i].upper, &list, &mem, &is_complete),
                     ST_OK);
        cr_expect_eq(list.count, overlap_cases[i].count, "%s: %u", overlap_cases[i].name,
                     list.count);
        cr_expect_eq(is_complete, overlap_cases[i].is_complete, "%s", overlap_cases[i].name);
        uint32_t found = 0;
        for (uint32_t t = 0; t < list.count; t++) {
            for (uint32_t w = 0; w < overlap_cases[i].count; w++)
                found += overlap_cases[i].producers[w] == list.txns[t].producer_id;
            cr_expect(t == 0 || list.txns[t - 1].last_offset < list.txns[t].last_offset);
        }
        cr_expect_eq(found, overlap_cases[i].count, "%s", overlap_cases[i].name);
        aborted_txns_release(&list, &mem);
    }
    cr_expect_eq(mem.used_bytes, 0);
}

/* --- files --- */

static void write_index(struct fixture *fx, const char *name, const struct aborted_txn *txns,
                        uint32_t count) {
    uint8_t octets[8 * TXN_INDEX_ENTRY_BYTES];
    put_entries(octets, txns, count);
    file_write(fx, name, octets, (size_t)count * TXN_INDEX_ENTRY_BYTES);
}

/* Turns one of the file's batches into one of a transaction. */
static void make_transactional(struct fixture *fx, const char *name, uint32_t index,
                               int64_t producer_id, bool is_marker) {
    size_t len = 0, at = 0;
    uint8_t *file = file_read(fx, name, &len);
    for (uint32_t i = 0; i < index; i++) at += 12 + get_u32(file + at + 8);
    uint8_t *batch = file + at;
    put_u16(batch + BATCH_AT_ATTRIBUTES, is_marker ? 0x30 : 0x10);
    put_u64(batch + BATCH_AT_ATTRIBUTES + 22, (uint64_t)producer_id);
    size_t covered = 12 + get_u32(batch + 8) - BATCH_AT_ATTRIBUTES;
    put_u32(batch + BATCH_AT_ATTRIBUTES - 4, crc32c(0, batch + BATCH_AT_ATTRIBUTES, covered));
    file_write(fx, name, file, len);
    free(file);
}

static void expect_producers(struct fixture *fx, int64_t first, int64_t upper, uint32_t count,
                             const char *when) {
    struct aborted_txns list;
    cr_assert_eq(fixture_aborted(fx, first, upper, &list), ST_OK, "%s", when);
    cr_expect_eq(list.count, count, "%s: %u", when, list.count);
    aborted_txns_release(&list, &fx->plain.mem);
}

Test(txn_index, entries_of_all_segments_are_found_until_one_says_that_it_is_the_last) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 600; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 9);
    cr_assert_eq(log_segment_count(fx.log), 3);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    make_transactional(&fx, SEGMENT_0 ".log", 0, 1, false);
    make_transactional(&fx, SEGMENT_0 ".log", 2, 1, true);
    make_transactional(&fx, "00000000000000000006.log", 0, 2, true);
    make_transactional(&fx, "00000000000000000006.log", 1, 3, false);
    make_transactional(&fx, "00000000000000000006.log", 2, 3, true);
    write_index(&fx, SEGMENT_0 ".txnindex", (struct aborted_txn[]){{1, 0, 2, 1}}, 1);
    write_index(&fx, "00000000000000000006.txnindex",
                (struct aborted_txn[]){{2, 1, 6, 7}, {3, 7, 8, 9}}, 2);
    fx.open.clean = true;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    expect_producers(&fx, 0, 9, 3, "the whole log");
    expect_producers(&fx, 0, 1, 1, "the second began later");
    expect_producers(&fx, 3, 5, 1, "in the middle");
    expect_producers(&fx, 7, 9, 1, "the last");
    cr_assert_eq(fixture_truncate(&fx, 8), ST_OK);
    expect_producers(&fx, 0, 8, 2, "truncation cuts the entries whose marker goes");
    cr_assert_eq(fixture_raise_start(&fx, 6), ST_OK);
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".txnindex"), "it goes with its segment");
    expect_producers(&fx, 6, 8, 1, "the second");
    cr_assert_eq(fixture_truncate(&fx, 0), ST_OK);
    expect_producers(&fx, 0, 8, 0, "nothing left");
    fixture_release(&fx);
}
