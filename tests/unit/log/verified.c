/* tests/unit/log/verified.c - what lay in a log before is verified once before it is served. */
#include <criterion/criterion.h>
#include <errno.h>
#include "fixture.h"
#include "log/impl.h"

/* --- the ranges --- */

static void add(struct verified *v, struct mem *mem, uint64_t from, uint64_t to) {
    verified_add(v, mem, from, to);
    for (uint32_t i = 0; i < v->count; i++) {
        cr_assert_lt(v->ranges[i].from, v->ranges[i].to);
        cr_assert(i == 0 || v->ranges[i - 1].to < v->ranges[i].from, "sorted and apart");
    }
}

Test(verified, ranges_that_touch_become_one) {
    struct mem mem = {0};
    struct verified v = {.foreign_end = 100};
    cr_expect_eq(verified_until(&v, 0), 0);
    cr_expect_eq(verified_until(&v, 100), UINT64_MAX, "behind it this process wrote");
    add(&v, &mem, 10, 20);
    add(&v, &mem, 40, 50);
    cr_expect_eq(verified_until(&v, 10), 20);
    cr_expect_eq(verified_until(&v, 9), 9);
    cr_expect_eq(verified_until(&v, 20), 20);
    add(&v, &mem, 20, 40);
    cr_expect_eq(verified_until(&v, 10), 50);
    cr_expect_eq(v.count, 1);
    add(&v, &mem, 50, 400);
    cr_expect_eq(verified_until(&v, 15), UINT64_MAX, "nothing foreign follows");
    verified_cut(&v, 30);
    cr_expect_eq(v.ranges[0].to, 30);
    cr_expect_eq(verified_until(&v, 30), UINT64_MAX);
    verified_cut(&v, 10);
    cr_expect_eq(v.count, 0);
    verified_release(&v, &mem);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(verified, any_ranges_added_say_no_more_than_was_added) {
    struct mem mem = {0};
    struct prng prng;
    prng_seed(&prng, 11);
    for (int run = 0; run < 200; run++) {
        bool added[64] = {false};
        struct verified v = {.foreign_end = 64};
        for (int i = 0; i < 40; i++) {
            uint64_t from = prng_below(&prng, 64), to = from + 1 + prng_below(&prng, 8);
            add(&v, &mem, from, to);
            for (uint64_t at = from; at < MIN(to, 64u); at++) added[at] = true;
            for (uint64_t at = 0; at < 64; at++) {
                uint64_t until = MIN(verified_until(&v, at), 64u);
                for (uint64_t known = at; known < until; known++) cr_assert(added[known]);
            }
            cr_assert_geq(MIN(verified_until(&v, from), 64u), MIN(to, 64u), "the newest is kept");
        }
        verified_release(&v, &mem);
    }
}

/* --- reads --- */

#define BATCHES 20

static uint32_t batch_bytes; /* of each */

/* A log of an earlier process, cleanly stopped: nothing of it was written by this one. */
static void prepare(struct fixture *fx) {
    fixture_init(fx);
    cr_assert_eq(fixture_open(fx), ST_OK);
    fixture_fill(fx, BATCHES);
    batch_bytes = (uint32_t)log_size_bytes(fx->log) / BATCHES;
    cr_assert_eq(fixture_close(fx), ST_OK);
    fx->open.clean = true;
}

static void read_from(struct fixture *fx, int64_t offset, struct log_read *read) {
    fixture_read(fx, read, offset, BATCHES, 1 << 20, true);
}

Test(verified, a_foreign_log_is_verified_once) {
    struct fixture fx;
    struct log_read read;
    prepare(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    for (int i = 0; i < 2; i++) {
        read_from(&fx, 5, &read);
        cr_expect_eq(read.status, ST_OK);
        cr_expect_eq(read.bytes, (BATCHES - 5) * batch_bytes);
        log_read_release(&read);
        cr_expect_eq(fx.dir.verified_bytes, (BATCHES - 5) * batch_bytes, "time %d", i);
    }
    read_from(&fx, 0, &read);
    log_read_release(&read);
    cr_expect_eq(fx.dir.verified_bytes, BATCHES * batch_bytes, "up to what was verified before");
    uint64_t before = fx.dir.verified_bytes;
    fixture_fill(&fx, 3);
    fixture_read(&fx, &read, BATCHES, BATCHES + 3, 1 << 20, true);
    cr_expect_eq(read.bytes, 3 * batch_bytes);
    log_read_release(&read);
    cr_expect_eq(fx.dir.verified_bytes, before, "what this process wrote needs no look");
    fixture_release(&fx);
}

/* One octet of the batch `damaged` flipped; a read from `offset`. */
static const struct {
    const char *name;
    int damaged;
    int64_t offset;
    enum status status;
    uint32_t batches; /* given */
    uint32_t max_bytes;
} cases[] = {
    {"the batch that is asked for", 7, 7, ST_CORRUPT, 0, 1 << 20},
    {"a later one ends the answer before it", 7, 3, ST_OK, 4, 1 << 20},
    {"an earlier one does not matter", 7, 8, ST_OK, BATCHES - 8, 1 << 20},
    {"the first", 0, 0, ST_CORRUPT, 0, 1 << 20},
    {"the last", BATCHES - 1, 0, ST_OK, BATCHES - 1, 1 << 20},
    {"one that is only begun in the answer", 7, 5, ST_OK, 2, 400},
};

Test(verified, damage_is_an_error_and_never_data) {
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture fx;
        struct log_read read;
        prepare(&fx);
        file_flip(&fx, SEGMENT_0 ".log", (size_t)cases[i].damaged * batch_bytes + 100);
        cr_assert_eq(fixture_open(&fx), ST_OK, "%s", cases[i].name);
        for (int again = 0; again < 2; again++) {
            fixture_read(&fx, &read, cases[i].offset, BATCHES, cases[i].max_bytes, true);
            cr_expect_eq(read.status, cases[i].status, "%s: got %s", cases[i].name,
                         status_name(read.status));
            cr_expect_eq(read.bytes, cases[i].batches * batch_bytes, "%s: got %u octets",
                         cases[i].name, read.bytes);
            log_read_release(&read);
        }
        cr_expect_eq(fx.dir.corrupt_reads, cases[i].status == ST_CORRUPT ? 2 : 0, "%s",
                     cases[i].name);
        fixture_release(&fx);
    }
}

static int fail_reads(struct plain_io *plain, const struct plain_call *call) {
    bool is_large = call->kind == PLAIN_READ && call->len > 1000;
    return is_large && *(bool *)plain->fault_context ? -EIO : 0;
}

Test(verified, a_device_that_does_not_give_the_octets_is_no_damage) {
    struct fixture fx;
    struct log_read read;
    bool fails = true;
    prepare(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fx.plain.fault = fail_reads;
    fx.plain.fault_context = &fails;
    read_from(&fx, 3, &read);
    cr_expect_eq(read.status, ST_IO);
    fails = false;
    read_from(&fx, 3, &read);
    cr_expect_eq(read.status, ST_OK);
    log_read_release(&read);
    fixture_release(&fx);
}

Test(verified, what_recovery_verified_is_not_verified_again) {
    struct fixture fx;
    struct log_read read;
    prepare(&fx);
    fx.open.clean = false;
    fx.open.recovery_point = 12;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    read_from(&fx, 12, &read);
    log_read_release(&read);
    cr_expect_eq(fx.dir.verified_bytes, 0);
    read_from(&fx, 10, &read);
    log_read_release(&read);
    cr_expect_eq(fx.dir.verified_bytes, 2 * batch_bytes, "up to what is known");
    fixture_release(&fx);
}
