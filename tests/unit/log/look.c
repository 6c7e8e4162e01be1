/* tests/unit/log/look.c - directories looked at and made together; logs that were not touched. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "log/look.h"
#include "tests/unit/log/fixture.h"

enum { MANY = 10 };

struct many {
    struct fixture fx;
    struct fs_rounds fs;
    struct log_open opens[MANY];
    struct log_look looks[MANY];
    enum status st;
};

static void many_init(struct many *many, uint32_t fs_from) {
    fixture_init(&many->fx);
    fs_rounds_init(&many->fs, &many->fx.plain.io, open("/tmp", O_RDONLY | O_DIRECTORY));
    many->fx.dir.fs = &many->fs;
    many->fx.dir.fs_from = fs_from;
    for (int i = 0; i < MANY; i++) {
        many->opens[i] = many->fx.open;
        many->opens[i].partition = i;
        many->opens[i].topic_id = (struct uuid){{1, (uint8_t)i}};
    }
}

static void many_release(struct many *many) {
    for (int i = 0; many->st == ST_OK && i < MANY; i++)
        log_look_release(&many->looks[i], &many->fx.plain.mem);
    close(many->fs.fd);
    fixture_release(&many->fx);
}

static void look_job(struct job *job, void *argument) {
    struct many *many = argument;
    many->st = logs_look(job, many->opens, many->looks, MANY);
}

static void many_look(struct many *many) { plain_io_run(&many->fx.plain, look_job, many); }

/* --- made together --- */

/* Names and contents come before the sync, the final name of partition.metadata after it. */
static struct {
    uint32_t made, named_early, named_late;
    bool is_synced, is_late;
} order;

static int watch_order(struct plain_io *plain, const struct plain_call *call) {
    bool is_sync = call->kind == PLAIN_SYNC_FS || call->kind == PLAIN_SYNC;
    bool makes = call->kind == PLAIN_MKDIR ||
                 (call->kind == PLAIN_OPEN && strstr(call->path, ".log") != NULL);
    order.is_synced = order.is_synced || is_sync;
    if (makes) order.made++;
    if (makes && order.is_synced) order.is_late = true;
    if (call->kind == PLAIN_RENAME)
        *(order.is_synced ? &order.named_late : &order.named_early) += 1;
    return 0;
}

static const struct {
    const char *name;
    uint32_t fs_from;
    uint64_t fs_syncs, file_syncs, dir_syncs;
} ways[] = {
    {"many files: one syncfs", 2 * MANY, 1, 0, 0},
    {"few files: each file and each directory, and the names once", 2 * MANY + 1, 0, MANY,
     MANY + 1},
    {"syncfs is not wanted", 0, 0, MANY, MANY + 1},
};

Test(look, directories_that_are_missing_are_made_durable_together) {
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct many many = {0};
        many_init(&many, ways[i].fs_from);
        memset(&order, 0, sizeof order);
        many.fx.plain.fault = watch_order;
        many_look(&many);
        const uint64_t *counts = many.fx.plain.counts;
        cr_assert_eq(many.st, ST_OK, "%s", ways[i].name);
        for (int n = 0; n < MANY; n++) {
            cr_expect(many.looks[n].was_made, "%s: %d", ways[i].name, n);
            cr_expect_eq(many.looks[n].status, ST_OK, "%s: %d", ways[i].name, n);
            cr_expect_eq(many.looks[n].listing.count, 4, "%s: %d", ways[i].name, n);
        }
        cr_expect_eq(counts[PLAIN_SYNC_FS], ways[i].fs_syncs, "%s", ways[i].name);
        cr_expect_eq(counts[PLAIN_SYNC], ways[i].file_syncs, "%s", ways[i].name);
        cr_expect_eq(counts[PLAIN_DIR_SYNC], ways[i].dir_syncs, "%s", ways[i].name);
        cr_expect_eq(order.made, 2 * MANY, "%s", ways[i].name);
        cr_expect_not(order.is_late, "%s: something was made after the sync", ways[i].name);
        cr_expect_eq(order.named_early, 0, "%s", ways[i].name);
        cr_expect_eq(order.named_late, MANY, "%s", ways[i].name);
        many_release(&many);
    }
}

Test(look, a_log_that_was_made_opens_empty_and_takes_batches) {
    struct many many = {0};
    many_init(&many, 1);
    many_look(&many);
    many.fx.open = many.opens[3];
    many.fx.open.look = &many.looks[3];
    uint64_t opened = many.fx.plain.counts[PLAIN_OPEN];
    cr_assert_eq(fixture_open(&many.fx), ST_OK);
    cr_expect_eq(many.fx.plain.counts[PLAIN_OPEN], opened, "no file is opened before it is used");
    fixture_fill(&many.fx, 3);
    fixture_sync(&many.fx);
    cr_expect_eq(log_durable_end(many.fx.log), 3);
    enum status st = ST_OK;
    cr_expect_eq(fixture_consume(&many.fx, 0, &st), 3);
    many_release(&many);
}

Test(look, a_directory_that_is_not_wanted_stays_missing) {
    struct many many = {0};
    many_init(&many, 1);
    for (int i = 0; i < MANY; i += 2) many.opens[i].create = false;
    many_look(&many);
    cr_assert_eq(many.st, ST_OK);
    for (int i = 0; i < MANY; i++)
        cr_expect_eq(many.looks[i].status, i % 2 == 0 ? ST_NOT_FOUND : ST_OK, "%d", i);
    many_release(&many);
}

static int refuse_one(struct plain_io *plain, const struct plain_call *call) {
    bool is_it = call->kind == PLAIN_OPEN && strstr(call->path, "t-4/") != NULL &&
                 strstr(call->path, ".log") != NULL;
    return is_it ? -ENOSPC : 0;
}

Test(look, one_that_finds_no_room_leaves_the_others_theirs) {
    struct many many = {0};
    many_init(&many, 1);
    many.fx.plain.fault = refuse_one;
    many_look(&many);
    cr_assert_eq(many.st, ST_OK);
    for (int i = 0; i < MANY; i++)
        cr_expect_eq(many.looks[i].status, i == 4 ? ST_NO_SPACE : ST_OK, "%d", i);
    cr_expect_eq(many.fx.failure_calls, 0, "a full disk is no broken one");
    many_release(&many);
}

static int fail_syncs(struct plain_io *plain, const struct plain_call *call) {
    bool is_sync = call->kind == PLAIN_SYNC_FS || call->kind == PLAIN_DIR_SYNC;
    return is_sync ? -EIO : 0;
}

Test(look, a_sync_that_fails_takes_the_directory_offline) {
    for (uint32_t fs_from = 0; fs_from < 2; fs_from++) {
        struct many many = {0};
        many_init(&many, fs_from);
        many.fx.plain.fault = fail_syncs;
        many_look(&many);
        cr_expect_eq(many.st, ST_IO, "syncfs from %u", fs_from);
        cr_expect_eq(many.fx.failure_calls, 1, "syncfs from %u", fs_from);
        cr_expect(many.fx.dir.offline, "syncfs from %u", fs_from);
        many_release(&many);
    }
}

static uint32_t refusals_left;

static int lack_descriptors(struct plain_io *plain, const struct plain_call *call) {
    bool needs = call->kind == PLAIN_LIST || call->kind == PLAIN_OPEN;
    if (!needs || refusals_left == 0) return 0;
    refusals_left--;
    return -EMFILE;
}

Test(look, steps_that_find_no_descriptor_are_made_again) {
    struct many many = {0};
    many_init(&many, 1);
    refusals_left = 7;
    many.fx.plain.fault = lack_descriptors;
    many_look(&many);
    cr_assert_eq(many.st, ST_OK);
    cr_expect_eq(refusals_left, 0);
    for (int i = 0; i < MANY; i++) {
        cr_expect_eq(many.looks[i].status, ST_OK, "%d", i);
        cr_expect(many.looks[i].was_made, "%d", i);
    }
    many_release(&many);
}

/* The first name of partition.metadata may be all that a crash leaves. */
Test(look, a_directory_without_its_metadata_gets_it_when_it_is_opened) {
    struct many many = {0};
    many_init(&many, 1);
    many_look(&many);
    many.fx.open = many.opens[0];
    char path[128], temporary[128];
    snprintf(path, sizeof path, "%s/t-0/partition.metadata", many.fx.path);
    snprintf(temporary, sizeof temporary, "%s/t-0/partition.metadata.tmp", many.fx.path);
    cr_assert_eq(rename(path, temporary), 0);
    cr_assert_eq(fixture_open(&many.fx), ST_OK);
    cr_expect(file_exists(&many.fx, "partition.metadata"));
    many_release(&many);
}

/* --- what is not touched --- */

static uint64_t syncs_of(const struct fixture *fx) {
    return fx->plain.counts[PLAIN_SYNC] + fx->plain.counts[PLAIN_DIR_SYNC] +
           fx->plain.counts[PLAIN_SYNC_FS];
}

static const struct {
    const char *name;
    uint32_t batches;
} untouched[] = {{"an empty log", 0}, {"a log with batches", 5}};

Test(look, a_log_that_nothing_was_appended_to_is_closed_without_a_sync_or_a_write) {
    for (size_t i = 0; i < COUNT(untouched); i++) {
        struct fixture fx;
        fixture_init(&fx);
        cr_assert_eq(fixture_open(&fx), ST_OK);
        cr_assert_eq(fixture_begin_epoch(&fx, 0), ST_OK);
        if (untouched[i].batches > 0) fixture_fill(&fx, untouched[i].batches);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        fx.open.clean = true;
        for (int32_t epoch = 1; epoch < 4; epoch++) { /* each start begins one */
            uint64_t syncs = syncs_of(&fx), writes = fx.plain.counts[PLAIN_WRITE];
            cr_assert_eq(fixture_open(&fx), ST_OK);
            cr_expect_eq(log_end(fx.log), untouched[i].batches, "%s", untouched[i].name);
            cr_assert_eq(fixture_begin_epoch(&fx, epoch), ST_OK);
            cr_expect_eq(log_latest_epoch(fx.log), epoch, "%s", untouched[i].name);
            cr_assert_eq(fixture_close(&fx), ST_OK);
            cr_expect_eq(syncs_of(&fx), syncs, "%s, epoch %d", untouched[i].name, epoch);
            cr_expect_eq(fx.plain.counts[PLAIN_WRITE], writes, "%s", untouched[i].name);
        }
        fixture_release(&fx);
    }
}

Test(look, what_was_appended_is_on_stable_storage_with_its_indexes_after_a_close) {
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    fx.open.clean = true;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(fixture_begin_epoch(&fx, 7), ST_OK);
    uint64_t syncs = fx.plain.counts[PLAIN_SYNC];
    fixture_fill(&fx, 2);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    cr_expect_geq(fx.plain.counts[PLAIN_SYNC], syncs + 4, "the batches, two indexes, the epochs");
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(log_end(fx.log), 2);
    cr_expect_eq(log_epoch_at(fx.log, 0), 7);
    fixture_release(&fx);
}
