/* tests/unit/log/settle.c - recovery of many logs, whose syncs wait for one syncfs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "tests/unit/log/fixture.h"

struct gathered {
    struct fixture fx;
    struct fs_rounds fs;
};

/* Four segments of five batches. */
static void gathered_init(struct gathered *g) {
    fixture_init(&g->fx);
    fs_rounds_init(&g->fs, &g->fx.plain.io, open(g->fx.path, O_RDONLY | O_DIRECTORY));
    g->fx.dir.fs = &g->fs;
    g->fx.config.segment_bytes = 1000;
    g->fx.config.index_interval_bytes = 100;
    cr_assert_eq(fixture_open(&g->fx), ST_OK);
    fixture_fill(&g->fx, 20);
    fixture_kill(&g->fx);
    g->fx.dir.gathers_syncs = true;
}

static void gathered_release(struct gathered *g) {
    g->fx.dir.fs = NULL;
    close(g->fs.fd);
    fixture_release(&g->fx);
}

static void settle_job(struct job *job, void *argument) { log_dir_settle(job, argument); }
static void settle(struct gathered *g) {
    plain_io_run(&g->fx.plain, settle_job, &g->fx.dir);
}

static uint64_t syncs(const struct gathered *g) {
    return g->fx.plain.counts[PLAIN_SYNC] + g->fx.plain.counts[PLAIN_DIR_SYNC];
}

static void expect_all(struct gathered *g, const char *when) {
    enum status st = ST_OK;
    cr_expect_eq(fixture_consume(&g->fx, 0, &st), 20, "%s", when);
    cr_expect_eq(log_end(g->fx.log), 20, "%s", when);
}

Test(settle, what_recovery_made_is_synced_once_for_all_logs) {
    struct gathered g;
    gathered_init(&g);
    uint64_t before = syncs(&g);
    cr_assert_eq(fixture_crash(&g.fx, 0), ST_OK);
    cr_expect_eq(syncs(&g), before, "no log syncs by itself");
    settle(&g);
    cr_expect_eq(g.fx.plain.counts[PLAIN_SYNC_FS], 1);
    settle(&g);
    cr_expect_eq(g.fx.plain.counts[PLAIN_SYNC_FS], 1, "nothing is left to be settled");
    expect_all(&g, "recovered");
    gathered_release(&g);
}

Test(settle, a_segment_that_no_start_would_walk_again_is_synced_at_once) {
    struct gathered g;
    gathered_init(&g);
    file_remove(&g.fx, SEGMENT_0 ".index");
    uint64_t before = syncs(&g);
    cr_assert_eq(fixture_crash(&g.fx, 20), ST_OK);
    cr_expect_gt(syncs(&g), before, "its indexes would be believed after the next crash");
    expect_all(&g, "recovered");
    gathered_release(&g);
}

/* As a power cut may leave what was not synced. */
Test(settle, indexes_torn_before_it_are_made_once_more) {
    static const char *const files[] = {SEGMENT_0 ".index", SEGMENT_0 ".timeindex",
                                        "00000000000000000010.index"};
    for (size_t i = 0; i < COUNT(files); i++) {
        struct gathered g;
        gathered_init(&g);
        cr_assert_eq(fixture_crash(&g.fx, 0), ST_OK);
        size_t len = 0, len_again = 0;
        uint8_t *made = file_read(&g.fx, files[i], &len);
        cr_assert(made != NULL && len > 0, "%s", files[i]);
        uint8_t *torn = calloc(1, len);
        file_write(&g.fx, files[i], torn, len);
        cr_assert_eq(fixture_crash(&g.fx, 0), ST_OK, "%s", files[i]);
        uint8_t *again = file_read(&g.fx, files[i], &len_again);
        cr_expect(len_again == len && memcmp(made, again, len) == 0, "%s", files[i]);
        expect_all(&g, files[i]);
        free(again);
        free(torn);
        free(made);
        gathered_release(&g);
    }
}

static int refuse_sync_fs(struct plain_io *plain, const struct plain_call *call) {
    return call->kind == PLAIN_SYNC_FS ? -EIO : 0;
}

Test(settle, a_syncfs_that_fails_takes_the_directory_offline) {
    struct gathered g;
    gathered_init(&g);
    cr_assert_eq(fixture_crash(&g.fx, 0), ST_OK);
    g.fx.plain.fault = refuse_sync_fs;
    settle(&g);
    cr_expect(g.fx.dir.offline);
    cr_expect_eq(g.fx.failure_calls, 1);
    gathered_release(&g);
}
