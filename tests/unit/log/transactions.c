/* tests/unit/log/transactions.c - transactions through the life of a log: random batches, markers
 * and rolls against a naive model, and what is left of them after closing, killing, losing files
 * and recovering. Named traps: KAFKA-7866, KAFKA-12520, KAFKA-13603, KAFKA-9807. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/prng.h"
#include "fixture.h"

enum { PRODUCERS = 5, EVENTS_MAX = 400, IN_FLIGHT = 7, FILES_MAX = 256 };

/* One batch, as it was appended. */
struct event {
    int64_t id; /* NO_PRODUCER_ID: plain */
    int64_t first_offset, last_offset, timestamp_ms;
    bool is_transactional, is_marker, is_commit;
};

struct story {
    struct fixture *fx;
    struct prng prng;
    struct event events[EVENTS_MAX];
    uint32_t count;
    int32_t sequence[PRODUCERS];
    int16_t epoch[PRODUCERS];
    bool is_open[PRODUCERS];
    struct test_append appends[IN_FLIGHT];
    uint32_t in_flight;
};

static void on_done(struct log_append *append) {
    CONTAINER_OF(append, struct test_append, append)->order = 1;
}

static uint32_t draw(struct story *s, uint32_t below) {
    return (uint32_t)prng_below(&s->prng, below);
}

static void wait_for_all(struct story *s) {
    plain_io_settle(&s->fx->plain);
    for (uint32_t i = 0; i < s->in_flight; i++) {
        cr_assert(s->appends[i].order > 0 && s->appends[i].append.status == ST_OK);
        append_release(&s->appends[i]);
    }
    s->in_flight = 0;
}

static void put_batch(struct story *s, struct test_append *a, struct event *e) {
    bool has_id = e->id != NO_PRODUCER_ID;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.transactional = e->is_transactional;
    options.producer_id = e->id;
    options.producer_epoch = has_id ? s->epoch[e->id] : NO_PRODUCER_EPOCH;
    options.base_sequence = has_id ? s->sequence[e->id] : NO_SEQUENCE;
    int32_t records = 1 + (int32_t)draw(s, 3);
    uint8_t value[300] = {0};
    struct bytes batch, content = {value, draw(s, sizeof value)};
    int64_t timestamp = (int64_t)draw(s, 4) == 0 ? 1000 : 1000 + (int64_t)draw(s, 100000);
    struct batch_builder *b = &s->fx->builder;
    cr_assert_eq(batch_builder_start(b, &options), ST_OK);
    for (int32_t i = 0; i < records; i++)
        cr_assert_eq(batch_builder_add(b, timestamp, BYTES_NULL, content, NULL, 0), ST_OK);
    cr_assert_eq(batch_builder_finish(b, &batch), ST_OK);
    a->batch = malloc(batch.len);
    memcpy(a->batch, batch.ptr, batch.len);
    a->append = (struct log_append){.batch = a->batch,
                                    .batch_bytes = (uint32_t)batch.len,
                                    .record_count = records,
                                    .max_timestamp_ms = timestamp};
    if (has_id) s->sequence[e->id] += records;
    if (has_id) s->is_open[e->id] = s->is_open[e->id] || e->is_transactional;
}

static void put_marker(struct story *s, struct test_append *a, struct event *e) {
    struct txn_marker marker = {.is_commit = e->is_commit, .timestamp = 1000 + draw(s, 100000)};
    if (draw(s, 2) == 0) { /* as transaction.version 2 does */
        s->epoch[e->id]++;
        s->sequence[e->id] = 0;
    }
    a->batch = malloc(TXN_MARKER_BATCH_BYTES);
    txn_marker_encode(a->batch, e->id, s->epoch[e->id], &marker);
    a->append = (struct log_append){.batch = a->batch,
                                    .batch_bytes = TXN_MARKER_BATCH_BYTES,
                                    .record_count = 1,
                                    .max_timestamp_ms = marker.timestamp};
    s->is_open[e->id] = false;
}

static void append_event(struct story *s, struct event e) {
    if (s->in_flight == IN_FLIGHT || draw(s, 3) == 0) wait_for_all(s);
    struct test_append *a = &s->appends[s->in_flight++];
    *a = (struct test_append){.fx = s->fx};
    if (e.is_marker) {
        put_marker(s, a, &e);
    } else {
        put_batch(s, a, &e);
    }
    a->append.done = on_done;
    cr_assert_eq(log_append(s->fx->log, &a->append), ST_OK);
    e.first_offset = a->append.base_offset;
    e.last_offset = a->append.last_offset;
    e.timestamp_ms = a->append.max_timestamp_ms;
    s->events[s->count++] = e;
}

static void go_on(struct story *s, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct event e = {.id = (int64_t)draw(s, PRODUCERS)};
        bool is_open = s->is_open[e.id];
        e.is_marker = is_open && draw(s, 3) == 0;
        e.is_commit = draw(s, 2) == 0;
        e.is_transactional = is_open || draw(s, 2) == 0;
        if (!is_open && draw(s, 4) == 0)
            e = (struct event){.id = NO_PRODUCER_ID, .is_transactional = false};
        append_event(s, e);
    }
    wait_for_all(s);
}

static void begin(struct story *s, struct fixture *fx, uint64_t seed) {
    fixture_init(fx);
    *s = (struct story){.fx = fx};
    prng_seed(&s->prng, seed);
    fx->config.segment_bytes = 1500 + draw(s, 8000);
    fx->config.index_interval_bytes = draw(s, 2000);
    cr_assert_eq(fixture_open(fx), ST_OK);
}

/* --- the model --- */

/* Aborted transactions with a record in [first, upper), in the order of their markers. */
static uint32_t model_aborted(const struct story *s, int64_t first, int64_t upper,
                              struct aborted_txn *list) {
    int64_t began[PRODUCERS];
    uint32_t count = 0;
    for (int p = 0; p < PRODUCERS; p++) began[p] = -1;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct event *e = &s->events[i];
        if (e->id == NO_PRODUCER_ID || !(e->is_transactional || e->is_marker)) continue;
        if (!e->is_marker) {
            if (began[e->id] < 0) began[e->id] = e->first_offset;
            continue;
        }
        struct aborted_txn txn = {e->id, began[e->id], e->first_offset, e->first_offset + 1};
        began[e->id] = -1;
        for (int p = 0; p < PRODUCERS; p++)
            if (began[p] >= 0) txn.last_stable_offset = MIN(txn.last_stable_offset, began[p]);
        if (!e->is_commit && txn.last_offset >= first && txn.first_offset < upper)
            list[count++] = txn;
    }
    return count;
}

static int64_t model_stable(const struct story *s, int64_t high_watermark) {
    int64_t stable = high_watermark;
    for (int64_t p = 0; p < PRODUCERS; p++) {
        int64_t began = -1;
        for (uint32_t i = 0; i < s->count; i++) {
            const struct event *e = &s->events[i];
            if (e->id != p || !(e->is_transactional || e->is_marker)) continue;
            if (!e->is_marker && began < 0) began = e->first_offset;
            if (!e->is_marker) continue;
            if (e->first_offset >= high_watermark) stable = MIN(stable, began);
            began = -1;
        }
        if (began >= 0) stable = MIN(stable, began);
    }
    return stable;
}

static void expect_aborted(struct story *s, int64_t first, int64_t upper, const char *when) {
    static struct aborted_txn want[EVENTS_MAX];
    struct aborted_txns got;
    uint32_t count = model_aborted(s, first, upper, want);
    cr_assert_eq(fixture_aborted(s->fx, first, upper, &got), ST_OK, "%s", when);
    cr_expect(got.count == count &&
                  (count == 0 || memcmp(got.txns, want, count * sizeof want[0]) == 0),
              "%s: [%ld, %ld) has %u for %u", when, (long)first, (long)upper, got.count, count);
    aborted_txns_release(&got, &s->fx->plain.mem);
}

static void expect_all(struct story *s, const char *when) {
    int64_t end = log_end(s->fx->log);
    expect_aborted(s, 0, end, when);
    for (int i = 0; i < 10; i++) {
        int64_t first = (int64_t)prng_below(&s->prng, (uint64_t)end);
        expect_aborted(s, first, first + 1 + draw(s, 50), when);
    }
}

static void expect_stable_offsets(struct story *s, const char *when) {
    int64_t end = log_end(s->fx->log);
    for (int64_t at = 0; at <= end; at += 1 + draw(s, 20)) {
        cr_expect_eq(log_stable_offset(s->fx->log, at), model_stable(s, at), "%s: at %ld", when,
                     (long)at);
    }
}

/* --- a reader of committed data --- */

static bool has_aborted;
static void on_aborted(struct log_aborted *aborted) { has_aborted = true; }

static void fetch_aborted(struct story *s, const struct log_read *read,
                          struct log_aborted *aborted) {
    static struct aborted_txn want[EVENTS_MAX];
    *aborted = (struct log_aborted){.done = on_aborted};
    has_aborted = false;
    if (!log_aborted_start(s->fx->log, read, aborted))
        while (!has_aborted) cr_assert(plain_io_turn(&s->fx->plain));
    cr_assert_eq(aborted->status, ST_OK);
    uint32_t count = model_aborted(s, read->offset, aborted->upper, want);
    cr_expect(aborted->list.count == count &&
              (count == 0 || memcmp(aborted->list.txns, want, count * sizeof want[0]) == 0));
}

/* Whether records of the batch at `offset` are for readers of committed data. */
static bool model_shows(const struct story *s, int64_t offset) {
    uint32_t i = 0;
    while (s->events[i].first_offset != offset) i++;
    const struct event *e = &s->events[i];
    if (e->is_marker) return false;
    if (!e->is_transactional) return true;
    for (; i < s->count; i++)
        if (s->events[i].is_marker && s->events[i].id == e->id) return s->events[i].is_commit;
    return false;
}

/* As the Java client filters: an aborted transaction begins where the list says, and ends with its
 * marker. */
static bool is_shown(const struct batch_view *view, const struct log_aborted *aborted,
                     bool is_aborting[PRODUCERS]) {
    if (view->producer_id == NO_PRODUCER_ID) return true;
    bool *aborting = &is_aborting[view->producer_id];
    for (uint32_t i = 0; i < aborted->list.count; i++) {
        const struct aborted_txn *txn = &aborted->list.txns[i];
        if (txn->producer_id == view->producer_id && txn->first_offset <= batch_last_offset(view) &&
            txn->last_offset >= view->base_offset)
            *aborting = true;
    }
    if (batch_is_control(view)) *aborting = false;
    return !batch_is_control(view) && !(*aborting && batch_is_transactional(view));
}

/* Everything below the last stable offset, in reads of random size; never aborted or open data. */
static void consume_committed(struct story *s, const char *when) {
    int64_t high_watermark = log_end(s->fx->log);
    int64_t stable = log_stable_offset(s->fx->log, high_watermark), offset = 0;
    while (offset < stable) {
        struct log_read read;
        struct log_aborted aborted;
        bool is_aborting[PRODUCERS] = {false};
        fixture_read(s->fx, &read, offset, stable, 1 + draw(s, 4000), true);
        cr_assert(read.status == ST_OK && read.bytes > 0, "%s: at %ld", when, (long)offset);
        fetch_aborted(s, &read, &aborted);
        uint8_t *data = malloc(read.bytes);
        cr_assert_eq(pread(read.file, data, read.bytes, (off_t)read.position), read.bytes);
        struct batch_view view;
        for (size_t at = 0; batch_open((struct bytes){data + at, read.bytes - at}, &view) == ST_OK;
             at += view.batch_bytes) {
            cr_expect_lt(batch_last_offset(&view), stable);
            cr_expect_lt(batch_last_offset(&view), aborted.upper);
            cr_expect_eq(is_shown(&view, &aborted, is_aborting), model_shows(s, view.base_offset),
                         "%s: batch at %ld", when, (long)view.base_offset);
            offset = batch_next_offset(&view);
        }
        free(data);
        log_aborted_release(&aborted);
        log_read_release(&read);
    }
}

static struct producer_list producers_of(const struct fixture *fx) {
    struct producer_list list;
    cr_assert_eq(log_list_producers(fx->log, &list), ST_OK);
    return list;
}

static void expect_producers(const struct fixture *fx, const struct producer_list *want,
                             const char *when) {
    struct producer_list got = producers_of(fx);
    cr_expect_eq(got.count, want->count, "%s", when);
    for (size_t i = 0; i < MIN(got.count, want->count); i++) {
        const struct producer_summary *g = &got.producers[i], *w = &want->producers[i];
        cr_expect(g->producer_id == w->producer_id && g->epoch == w->epoch &&
                      g->last_sequence == w->last_sequence && g->last_offset == w->last_offset &&
                      g->offset_delta == w->offset_delta &&
                      g->last_timestamp_ms == w->last_timestamp_ms &&
                      g->coordinator_epoch == w->coordinator_epoch &&
                      g->txn_first_offset == w->txn_first_offset,
                  "%s: producer %ld", when, (long)w->producer_id);
    }
    producer_list_release(&got, (struct mem *)(uintptr_t)&fx->plain.mem);
}

/* --- the files of a partition --- */

struct tree {
    struct file {
        char name[64];
        uint8_t *data;
        size_t len;
    } files[FILES_MAX];
    uint32_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), e = strlen(end);
    return n >= e && strcmp(name + n - e, end) == 0;
}

static void tree_read(const struct fixture *fx, struct tree *tree) {
    char path[128];
    snprintf(path, sizeof path, "%s/t-0", fx->path);
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    tree->count = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        cr_assert_lt(tree->count, FILES_MAX);
        struct file *file = &tree->files[tree->count++];
        snprintf(file->name, sizeof file->name, "%.63s", e->d_name);
        file->data = file_read(fx, file->name, &file->len);
    }
    closedir(dir);
    qsort(tree->files, tree->count, sizeof tree->files[0], by_name);
}

static void tree_free(struct tree *tree) {
    for (uint32_t i = 0; i < tree->count; i++) free(tree->files[i].data);
    tree->count = 0;
}

static void expect_tree(const struct fixture *fx, const struct tree *want, const char *when) {
    static struct tree got;
    tree_read(fx, &got);
    cr_expect_eq(got.count, want->count, "%s: %u files for %u", when, got.count, want->count);
    for (uint32_t i = 0; i < MIN(got.count, want->count); i++) {
        const struct file *g = &got.files[i], *w = &want->files[i];
        cr_expect_str_eq(g->name, w->name, "%s", when);
        cr_expect(g->len == w->len && memcmp(g->data, w->data, g->len) == 0,
                  "%s: %s differs (%zu for %zu octets)", when, w->name, g->len, w->len);
    }
    tree_free(&got);
}

static void remove_all(const struct fixture *fx, const struct tree *tree, const char *extension) {
    for (uint32_t i = 0; i < tree->count; i++)
        if (ends_with(tree->files[i].name, extension)) file_remove(fx, tree->files[i].name);
}

/* Who stands at an offset reads the next record that is no marker. */
static void expect_next_records(struct story *s, const char *when) {
    const struct event *next = NULL;
    for (uint32_t i = s->count; i-- > 0;) {
        const struct event *e = &s->events[i];
        if (!e->is_marker) next = e;
        for (int64_t offset = e->last_offset; offset >= e->first_offset; offset--) {
            struct log_found found;
            cr_assert_eq(fixture_find_record(s->fx, offset, log_end(s->fx->log), &found), ST_OK);
            int64_t want = next == NULL ? -1 : MAX(offset, next->first_offset);
            cr_assert_eq(found.offset, want, "%s: at %ld", when, (long)offset);
            cr_assert_eq(found.timestamp_ms, next == NULL ? -1 : next->timestamp_ms,
                         "%s: at %ld", when, (long)offset);
        }
    }
}

/* --- tests --- */

Test(transactions, of_any_story_are_found_live_and_after_every_kind_of_start) {
    static struct story s;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct fixture fx;
        begin(&s, &fx, seed);
        go_on(&s, EVENTS_MAX / 2);
        expect_all(&s, "live");
        expect_stable_offsets(&s, "live");
        consume_committed(&s, "live");
        expect_next_records(&s, "live");
        struct producer_list live = producers_of(&fx);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        fx.open.clean = true;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        expect_producers(&fx, &live, "closed");
        producer_list_release(&live, &fx.plain.mem);
        expect_all(&s, "closed");
        consume_committed(&s, "closed");
        expect_next_records(&s, "closed");
        go_on(&s, EVENTS_MAX / 4);
        live = producers_of(&fx);
        fixture_sync(&fx);
        cr_assert_eq(fixture_crash(&fx, draw(&s, 2) == 0 ? 0 : log_recovery_point(fx.log)), ST_OK);
        expect_producers(&fx, &live, "killed");
        producer_list_release(&live, &fx.plain.mem);
        expect_all(&s, "killed");
        go_on(&s, EVENTS_MAX / 4);
        expect_all(&s, "gone on");
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
        expect_all(&s, "killed again");
        expect_stable_offsets(&s, "killed again");
        consume_committed(&s, "killed again");
        fixture_release(&fx);
    }
}

/* What recovery builds from batches has the octets of what was written along. */
Test(transactions, recovery_rebuilds_every_index_and_snapshot_byte_for_byte) {
    static const char *const lost[] = {".index", ".timeindex", ".txnindex", ".snapshot", "none"};
    static struct story s;
    static struct tree along;
    uint32_t txn_indexes = 0, snapshots = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct fixture fx;
        begin(&s, &fx, seed);
        go_on(&s, EVENTS_MAX / 2);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        tree_read(&fx, &along);
        for (uint32_t i = 0; i < along.count; i++) {
            txn_indexes += ends_with(along.files[i].name, ".txnindex");
            snapshots += ends_with(along.files[i].name, ".snapshot");
        }
        for (size_t i = 0; i < COUNT(lost); i++) {
            remove_all(&fx, &along, lost[i]);
            if (i == 0) remove_all(&fx, &along, lost[seed % 3 + 1]);
            fx.open.clean = false;
            cr_assert_eq(fixture_open(&fx), ST_OK);
            cr_assert_eq(fixture_close(&fx), ST_OK);
            expect_tree(&fx, &along, lost[i]);
        }
        tree_free(&along);
        fixture_release(&fx);
    }
    cr_expect_gt(txn_indexes, 25);
    cr_expect_gt(snapshots, 50);
}

static uint32_t operations_left;
static int stop_after(struct plain_io *plain, const struct plain_call *call) {
    if (call->kind == PLAIN_CLOSE) return 0;
    if (operations_left == 0) return -EIO;
    operations_left--;
    return 0;
}

/* KAFKA-10471: a crash during recovery is a crash. A segment that is trusted after it must not have
 * lost its transaction index. */
Test(transactions, a_recovery_that_is_interrupted_anywhere_ends_alike_the_next_time) {
    static struct story s;
    static struct tree along;
    for (uint32_t stop = 0;; stop += 3) {
        struct fixture fx;
        begin(&s, &fx, 7);
        go_on(&s, 40);
        fixture_sync(&fx);
        int64_t recovery_point = log_recovery_point(fx.log);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        tree_read(&fx, &along);
        remove_all(&fx, &along, ".timeindex"); /* so that all segments are walked */
        fx.open.clean = false;
        fx.open.recovery_point = stop % 2 == 0 ? 0 : recovery_point;
        operations_left = stop;
        fx.plain.fault = stop_after;
        enum status first = fixture_open(&fx);
        fx.plain.fault = NULL;
        fixture_kill(&fx);
        fx.dir.offline = false;
        cr_assert_eq(fixture_open(&fx), ST_OK, "stopped after %u", stop);
        expect_all(&s, "interrupted");
        cr_assert_eq(fixture_close(&fx), ST_OK);
        expect_tree(&fx, &along, "interrupted");
        tree_free(&along);
        fixture_release(&fx);
        if (first != ST_OK) continue;
        cr_expect_gt(stop, 50, "the fault never struck");
        return;
    }
}

static int fail_index_sync(struct plain_io *plain, const struct plain_call *call) {
    bool is_index = call->kind == PLAIN_OPEN && ends_with(call->path, SEGMENT_0 ".index");
    return is_index ? -EIO : 0;
}

/* The recovery point was taken while the segment was the active one, whose indexes' tails are in
 * memory; it is the next segment's base offset by now, and the roll never finished. */
Test(transactions, a_segment_that_ends_at_the_recovery_point_is_not_trusted_for_its_indexes) {
    static struct story s;
    struct fixture fx;
    begin(&s, &fx, 1);
    fx.config.segment_bytes = 1 << 20;
    for (int i = 0; i < 20; i++)
        append_event(&s, (struct event){.id = 1, .is_transactional = true});
    append_event(&s, (struct event){.id = 1, .is_marker = true});
    wait_for_all(&s);
    fixture_sync(&fx);
    int64_t recovery_point = log_recovery_point(fx.log);
    cr_assert_eq(recovery_point, log_end(fx.log));
    fx.config.segment_bytes = (int64_t)log_size_bytes(fx.log); /* it is full */
    fx.plain.fault = fail_index_sync;
    (void)fixture_append(&fx, 1, 100, 1000); /* refused or not, it rolls */
    cr_assert_eq(log_segment_count(fx.log), 2);
    fx.plain.fault = NULL;
    cr_assert(log_is_offline(fx.log));
    fixture_kill(&fx);
    fx.dir.offline = false;
    fx.open.recovery_point = recovery_point;
    fx.open.clean = false;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    expect_all(&s, "killed while it rolled");
    fixture_release(&fx);
}

/* A batch that is queued while the segment is rolled is behind its snapshot, and so is the marker
 * of a transaction that was open at the roll. */
Test(transactions, a_snapshot_of_a_roll_knows_nothing_of_what_was_queued_then) {
    static struct story s;
    struct fixture fx;
    begin(&s, &fx, 1);
    fx.config.segment_bytes = 2000;
    struct event data = {.id = 1, .is_transactional = true};
    while (log_segment_count(fx.log) < 2) {
        append_event(&s, data);
        append_event(&s, (struct event){.id = 1, .is_marker = true});
        append_event(&s, data);
        wait_for_all(&s);
    }
    cr_assert_eq(fixture_close(&fx), ST_OK);
    static struct tree along;
    tree_read(&fx, &along);
    remove_all(&fx, &along, ".snapshot");
    fx.open.clean = false;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    expect_tree(&fx, &along, "replayed");
    tree_free(&along);
    fixture_release(&fx);
}

static uint32_t times_read;
static int count_snapshot_removals(struct plain_io *plain, const struct plain_call *call) {
    if (call->kind == PLAIN_UNLINK && ends_with(call->path, ".snapshot")) times_read++;
    return 0;
}

/* KAFKA-12520: recovering an older segment must not throw away what later ones know. */
Test(transactions, recovering_an_older_segment_keeps_the_later_snapshots) {
    static struct story s;
    static struct tree along;
    struct fixture fx;
    begin(&s, &fx, 3);
    go_on(&s, 150);
    cr_assert_geq(log_segment_count(fx.log), 4);
    struct producer_list live = producers_of(&fx);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    tree_read(&fx, &along);
    file_remove(&fx, SEGMENT_0 ".index");
    fx.open.clean = true;
    fx.plain.fault = count_snapshot_removals;
    times_read = 0;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(times_read, 0, "a snapshot went");
    expect_producers(&fx, &live, "an index was missing");
    producer_list_release(&live, &fx.plain.mem);
    fx.plain.fault = NULL;
    cr_assert_eq(fixture_close(&fx), ST_OK);
    expect_tree(&fx, &along, "an index was missing");
    tree_free(&along);
    fixture_release(&fx);
}

static int refuse_txn_index(struct plain_io *plain, const struct plain_call *call) {
    return call->kind == PLAIN_OPEN && ends_with(call->path, ".txnindex") ? -EIO : 0;
}

/* KAFKA-7866: an append to the transaction index that fails must not give an offset twice. */
Test(transactions, a_transaction_index_that_cannot_be_written_takes_the_log_offline) {
    static struct story s;
    struct fixture fx;
    begin(&s, &fx, 1);
    append_event(&s, (struct event){.id = 1, .is_transactional = true});
    append_event(&s, (struct event){.id = 1, .is_marker = true});
    wait_for_all(&s);
    fx.plain.fault = refuse_txn_index;
    fx.config.segment_bytes = 300; /* the next batch is due for another segment */
    struct test_append a;
    append_prepare(&fx, &a, 1, 100, 1000);
    cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
    plain_io_settle(&fx.plain);
    append_release(&a);
    cr_expect(log_is_offline(fx.log));
    cr_expect_eq(fixture_append(&fx, 1, 100, 1000), ST_IO, "nothing is given an offset any more");
    fx.plain.fault = NULL;
    fx.dir.offline = false;
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    expect_aborted(&s, 0, log_end(fx.log), "rebuilt");
    int64_t end = log_end(fx.log);
    cr_assert_eq(fixture_append(&fx, 1, 100, 1000), ST_OK);
    cr_expect_eq(log_end(fx.log), end + 1);
    fixture_release(&fx);
}

/* KAFKA-13603: an active segment that is empty and has no index is no reason to walk the others. */
Test(transactions, an_empty_active_segment_without_index_is_opened_as_it_is) {
    static struct story s;
    struct fixture fx;
    begin(&s, &fx, 5);
    go_on(&s, 50);
    struct producer_list live = producers_of(&fx);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    char log_name[64];
    snprintf(log_name, sizeof log_name, "%020ld.log", (long)s.events[s.count - 1].last_offset + 1);
    file_write(&fx, log_name, "", 0);
    fx.open.clean = true;
    fx.plain.fault = count_snapshot_removals;
    times_read = 0;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(times_read, 0);
    fx.plain.fault = NULL;
    expect_producers(&fx, &live, "opened");
    producer_list_release(&live, &fx.plain.mem);
    expect_all(&s, "opened");
    go_on(&s, 50);
    expect_all(&s, "gone on");
    fixture_release(&fx);
}

/* KAFKA-9807: it never passes the high watermark, whatever was written since. */
Test(transactions, the_stable_offset_stays_between_the_start_and_the_high_watermark) {
    static struct story s;
    struct fixture fx;
    begin(&s, &fx, 1);
    append_event(&s, (struct event){.id = 1, .is_transactional = true});
    append_event(&s, (struct event){.id = 2, .is_transactional = true});
    append_event(&s, (struct event){.id = 1, .is_marker = true, .is_commit = true});
    wait_for_all(&s);
    int64_t second = s.events[1].first_offset, marker = s.events[2].first_offset;
    cr_expect_eq(log_stable_offset(fx.log, 0), 0);
    cr_expect_eq(log_stable_offset(fx.log, 1), 0);
    cr_expect_eq(log_stable_offset(fx.log, marker), 0, "the marker itself can be lost");
    cr_expect_eq(log_stable_offset(fx.log, marker + 1), second);
    fixture_sync(&fx);
    cr_assert_eq(fixture_raise_start(&fx, marker), ST_OK);
    cr_expect_eq(log_stable_offset(fx.log, marker + 1), marker, "deleted data is not waited for");
    fixture_release(&fx);
}

Test(transactions, truncation_reopens_a_transaction_whose_marker_it_cuts) {
    static struct story s;
    struct fixture fx;
    begin(&s, &fx, 1);
    append_event(&s, (struct event){.id = 1, .is_transactional = true});
    append_event(&s, (struct event){.id = 1, .is_marker = true});
    wait_for_all(&s);
    int64_t marker = s.events[1].first_offset;
    cr_assert_eq(fixture_truncate(&fx, marker), ST_OK);
    s.count = 1;
    s.is_open[1] = true;
    expect_all(&s, "truncated");
    cr_expect_eq(log_stable_offset(fx.log, marker), 0, "it is open again");
    append_event(&s, (struct event){.id = 1, .is_marker = true, .is_commit = true});
    wait_for_all(&s);
    cr_expect_eq(log_stable_offset(fx.log, marker + 1), marker + 1);
    expect_all(&s, "committed this time");
    fixture_release(&fx);
}

/* A snapshot that came back after its removal was lost would tell of batches that others have
 * replaced: its removal is durable before anything is appended. */
static bool is_durably_gone;
static int watch_removal(struct plain_io *plain, const struct plain_call *call) {
    if (call->kind == PLAIN_UNLINK && ends_with(call->path, ".snapshot")) is_durably_gone = false;
    if (call->kind == PLAIN_DIR_SYNC) is_durably_gone = true;
    return 0;
}

Test(transactions, snapshots_above_the_end_are_durably_gone_before_the_log_is_open) {
    static struct story s;
    struct fixture fx;
    begin(&s, &fx, 1);
    go_on(&s, 30);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    static struct tree tree;
    tree_read(&fx, &tree);
    for (uint32_t i = tree.count; i > 0; i--) {
        const struct file *file = &tree.files[i - 1];
        if (!ends_with(file->name, ".log") || file->len == 0) continue;
        file_cut(&fx, file->name, file->len - 1);
        break;
    }
    tree_free(&tree);
    fx.open.clean = false;
    fx.plain.fault = watch_removal;
    is_durably_gone = true;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect(is_durably_gone);
    fx.plain.fault = NULL;
    fixture_release(&fx);
}

static void damage_version(uint8_t *data) { data[1] = 9; }
static void damage_order(uint8_t *data) { memset(data + 18, 0, 8); }
static void damage_producer(uint8_t *data) { data[6] ^= 4; }
static void damage_stable(uint8_t *data) { data[30] ^= 1; }

Test(transactions, a_damaged_transaction_index_is_rebuilt_at_the_start) {
    static void (*const damages[])(uint8_t *) = {damage_version, damage_order, damage_producer,
                                                damage_stable};
    static struct story s;
    static struct tree along;
    for (size_t d = 0; d < COUNT(damages) + 1; d++) {
        struct fixture fx;
        begin(&s, &fx, 2);
        go_on(&s, 100);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        tree_read(&fx, &along);
        for (uint32_t i = 0; i < along.count; i++) {
            struct file *file = &along.files[i];
            if (!ends_with(file->name, ".txnindex")) continue;
            uint8_t *copy = malloc(file->len);
            memcpy(copy, file->data, file->len);
            if (d < COUNT(damages)) damages[d](copy);
            file_write(&fx, file->name, copy, d < COUNT(damages) ? file->len : file->len - 1);
            free(copy);
        }
        fx.open.clean = true;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        expect_all(&s, "damaged");
        cr_assert_eq(fixture_close(&fx), ST_OK);
        expect_tree(&fx, &along, "damaged");
        tree_free(&along);
        fixture_release(&fx);
    }
}
