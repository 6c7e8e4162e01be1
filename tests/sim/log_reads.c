/* tests/sim/log_reads.c - the log of `sim log` read back: by readers at drawn offsets, and whole
 * after each start and before each stop, held against the history, the keys and the book of
 * transactions. */
#include "log/cleaner.h"
#include "tests/sim/log_process.h"

enum { READ_BYTES = 20000 };

static void batches_read(struct log_process *p, struct history_reader *reader, struct bytes octets,
                         int64_t upper) {
    struct log_scenario *s = p->scenario;
    while (octets.len > 0) {
        struct batch_view view;
        enum status st = batch_open(octets, &view);
        if (st == ST_SHORT) return;
        if (st != ST_OK) {
            failed(s, "a batch that was read", st);
            return;
        }
        if (!batch_crc_matches((struct bytes){octets.ptr, view.batch_bytes}))
            failed(s, "checksum", ST_CORRUPT);
        if (p->is_booking) txn_book_note(&p->book, &view);
        struct record record;
        record_iter_open(&p->iter, &view, 0);
        while (record_iter_next(&p->iter, &record)) {
            if (record.offset < reader->next_offset)
                continue; /* a range begins with a whole batch */
            if (s->tending == TEND_KEYS) {
                log_keys_read(&s->keys, &view, &record);
                reader->next_offset = record.offset + 1;
                continue;
            }
            uint8_t value[VALUE_MAX];
            if (batch_is_control(&view)) /* a marker stands for a record: its time is the id */
                record.value = value_of((uint64_t)record.timestamp, value);
            history_read(&s->history, reader, record.offset, record.value, upper);
        }
        record_iter_close(&p->iter);
        if (p->iter.status != ST_OK) failed(s, "records of a batch", p->iter.status);
        if (s->tending == TEND_KEYS) /* offsets have gaps */
            reader->next_offset = MAX(reader->next_offset, batch_next_offset(&view));
        octets = (struct bytes){octets.ptr + view.batch_bytes, octets.len - view.batch_bytes};
    }
}

struct job_read {
    struct log_read read; /* first */
    struct job *job;
    bool waits;
};

static void read_done(struct log_read *read) {
    struct job_read *r = (struct job_read *)(void *)read;
    if (r->waits) job_wake(r->job);
}

/* From the reader's place to `target` or a little beyond, nothing above `upper`, a batch's end.
 * False when it was refused. */
static bool read_up_to(struct log_process *p, struct job *job, struct history_reader *reader,
                       int64_t target, int64_t upper) {
    uint8_t *buffer = mem_need(p->mem, READ_BYTES);
    bool good = true;
    while (good && reader->next_offset < target && !p->scenario->world->stopped) {
        struct job_read r = {.job = job};
        r.read.done = read_done;
        r.read.offset = reader->next_offset;
        r.read.upper_offset = upper;
        r.read.max_bytes = 1 + draw(p->scenario, READ_BYTES);
        r.read.whole_first = true;
        if (!log_read_start(p->log, &r.read)) {
            r.waits = true;
            job_suspend(job);
        }
        int64_t before = reader->next_offset;
        enum status st = r.read.status;
        if (st == ST_OK && r.read.bytes > 0) {
            size_t len = MIN(r.read.bytes, (uint32_t)READ_BYTES);
            st = job_read(job, r.read.file, buffer, len, r.read.position);
            if (st == ST_OK) batches_read(p, reader, (struct bytes){buffer, len}, upper);
            log_read_release(&r.read);
        }
        if (st == ST_NOMEM) { /* no descriptor for the segment's file: a reader tries again */
            job_sleep_until(job, p->io->now.mono_us + 1000);
            continue;
        }
        bool is_gap = st == ST_OK && reader->next_offset == before;
        if (st == ST_RANGE && before < log_start_offset(p->log)) {
            good = false; /* it was deleted meanwhile */
        } else if (is_gap && p->scenario->tending == TEND_KEYS) {
            reader->next_offset = target; /* nothing is left behind it */
        } else if (st == ST_CORRUPT || is_gap) {
            history_damaged(&p->scenario->history, reader);
        } else if (st != ST_OK) {
            good = false;
            bool excused = p->is_offline || p->scenario->may_fail;
            if (!excused) {
                world_fail(p->scenario->world, "read at %lld of %lld..%lld: %s, %u octets",
                           (long long)before, (long long)log_start_offset(p->log), (long long)upper,
                           status_name(st), r.read.bytes);
            }
        }
    }
    mem_free(p->mem, buffer, READ_BYTES);
    return good;
}

void log_process_reader(struct job *job, void *process) {
    struct log_process *p = process;
    struct log_scenario *s = p->scenario;
    while (!p->is_stopping && !p->is_offline) {
        job_sleep_until(job, io_now(p->io).mono_us + 1 + draw(s, 30000));
        if (p->is_stopping || p->is_offline) break;
        int64_t start = log_start_offset(p->log), end = log_end(p->log);
        if (end <= start) continue;
        struct history_reader reader = {.partition = PARTITION, .is_raw = true};
        reader.next_offset = start + (int64_t)prng_below(&s->world->prng, (uint64_t)(end - start));
        (void)read_up_to(p, job, &reader, MIN(end, reader.next_offset + 50),
                         end); /* a refusal was judged where it happened */
    }
    p->readers--;
}

/* --- all of it --- */

/* What the log says of transactions follows from what was read. */
static bool check_transactions(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    char why[200] = "";
    enum status st = txn_book_check(&p->book, job, p->log, &s->world->prng, why);
    if (st != ST_OK && !s->may_fail) failed(s, "transactions", st);
    if (st == ST_OK && why[0] != '\0') world_fail(s->world, "transactions: %s", why);
    return st == ST_OK;
}

static bool check_keys(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    struct aborted_txns aborted;
    enum status st = log_find_aborted(job, p->log, 0, log_end(p->log), &aborted);
    if (st != ST_OK) {
        if (!s->may_fail) failed(s, "aborted transactions", st);
        return false;
    }
    log_keys_read_end(&s->keys, log_start_offset(p->log), MAX(log_clean_end(p->log), 0),
                      io_now(p->io).wall_ms, &aborted);
    aborted_txns_release(&aborted, p->mem);
    if (s->keys.failure[0] != '\0') world_fail(s->world, "%s", s->keys.failure);
    int64_t end = log_end(p->log), stable = log_stable_offset(p->log, end);
    if (has_transactions(s) && stable != MIN(s->keys.first_open, end))
        world_fail(s->world, "stable offset %lld, open from %lld on", (long long)stable,
                   (long long)s->keys.first_open);
    return true;
}

bool log_process_check(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    struct history_reader reader = {.partition = PARTITION, .is_raw = true};
    reader.next_offset = log_start_offset(p->log);
    int64_t end = log_end(p->log);
    bool has_keys = s->tending == TEND_KEYS;
    if (has_keys) {
        log_keys_read_begin(&s->keys);
    } else {
        history_end_begin(&s->history, PARTITION);
    }
    p->is_booking = has_transactions(s);
    p->book.is_compacted = has_keys;
    bool is_good = read_up_to(p, job, &reader, end, end);
    p->is_booking = false;
    if (is_good && has_keys) is_good = check_keys(job, p);
    if (is_good && !has_keys)
        history_end(&s->history, PARTITION, log_start_offset(p->log), end);
    if (is_good && has_transactions(s)) is_good = check_transactions(job, p);
    txn_book_release(&p->book);
    if (is_good) world_trace(s->world, "checked up to %lld", (long long)end);
    return is_good;
}
