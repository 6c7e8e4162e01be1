/* controller/snapshot.c - reading snapshot files batch by batch. */
#include "controller/snapshot.h"
#include <stdio.h>
#include "base/limits.h"

#define BATCH_BYTES_MAX ((size_t)64 << 20) /* Kafka's are at most 8 MiB */
#define SUFFIX ".checkpoint"
enum { OFFSET_DIGITS = 20, EPOCH_DIGITS = 10 };

void snapshot_name(struct snapshot_id id, char name[SNAPSHOT_NAME_BYTES]) {
    (void)snprintf(name, SNAPSHOT_NAME_BYTES, "%020lld-%010d" SUFFIX, (long long)id.end_offset,
                   id.epoch); /* 20 + 1 + 10 + 11 octets */
}

static bool digits(const char *text, size_t count, int64_t max, int64_t *ret_value) {
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
    }
    return str_to_int64((struct str){text, count}, ret_value) && *ret_value <= max;
}

bool snapshot_name_parse(const char *name, struct snapshot_id *ret_id) {
    int64_t offset, epoch;
    if (strlen(name) != OFFSET_DIGITS + 1 + EPOCH_DIGITS + sizeof SUFFIX - 1) return false;
    const char *epoch_at = name + OFFSET_DIGITS + 1;
    if (name[OFFSET_DIGITS] != '-' || strcmp(epoch_at + EPOCH_DIGITS, SUFFIX) != 0) return false;
    if (!digits(name, OFFSET_DIGITS, INT64_MAX, &offset)) return false;
    if (!digits(epoch_at, EPOCH_DIGITS, INT32_MAX, &epoch)) return false;
    *ret_id = (struct snapshot_id){offset, (int32_t)epoch};
    return true;
}

static int newest_first(const void *a, const void *b) {
    const struct snapshot_id *x = a, *y = b;
    if (x->end_offset != y->end_offset) return x->end_offset < y->end_offset ? 1 : -1;
    return (x->epoch < y->epoch) - (x->epoch > y->epoch);
}

enum status snapshot_list(struct job *job, struct str dir, struct arena *arena,
                          struct snapshot_id **ret_ids, uint32_t *ret_count) {
    struct io_listing listing;
    *ret_count = 0;
    enum status st = job_list(job, dir.ptr, &listing);
    if (st != ST_OK) return st;
    *ret_ids = arena_array(arena, listing.count, sizeof **ret_ids);
    for (uint32_t i = 0; *ret_ids != NULL && i < listing.count; i++) {
        struct snapshot_id id;
        if (snapshot_name_parse(listing.entries[i].name, &id)) (*ret_ids)[(*ret_count)++] = id;
    }
    io_listing_free(job_mem(job), &listing);
    if (*ret_ids == NULL) return ST_NOMEM;
    qsort(*ret_ids, *ret_count, sizeof **ret_ids, newest_first);
    return ST_OK;
}

/* A file on its way through memory, one batch at a time. */
struct reader {
    struct job *job;
    int file;
    uint64_t at, size_bytes;
    uint8_t *buffer;
    size_t capacity;
};

static enum status reader_open(struct job *job, const char *path, struct reader *reader) {
    struct io_stat stat;
    *reader = (struct reader){.job = job, .file = -1};
    enum status st = job_stat(job, path, &stat);
    if (st != ST_OK) return st;
    reader->size_bytes = stat.size_bytes;
    return job_open(job, path, IO_READ, 0, &reader->file);
}

static void reader_close(struct reader *reader) {
    if (reader->file >= 0) job_close(reader->job, reader->file);
    mem_free(job_mem(reader->job), reader->buffer, reader->capacity);
}

/* ST_CORRUPT: no whole batch stands there. */
static enum status reader_next(struct reader *reader, struct bytes *ret_batch) {
    uint8_t head[BATCH_HEADER_BYTES];
    uint64_t left = reader->size_bytes - reader->at;
    if (left < sizeof head) return ST_CORRUPT;
    enum status st = job_read(reader->job, reader->file, head, sizeof head, reader->at);
    if (st != ST_OK) return st == ST_SHORT ? ST_CORRUPT : st;
    struct batch_view view;
    if (batch_peek((struct bytes){head, sizeof head}, &view) != ST_OK) return ST_CORRUPT;
    if (view.batch_bytes > left || view.batch_bytes > BATCH_BYTES_MAX) return ST_CORRUPT;
    if (view.batch_bytes > reader->capacity) {
        struct mem *mem = job_mem(reader->job);
        uint8_t *buffer = mem_resize(mem, reader->buffer, reader->capacity, view.batch_bytes);
        if (buffer == NULL) return ST_NOMEM;
        reader->buffer = buffer;
        reader->capacity = view.batch_bytes;
    }
    st = job_read(reader->job, reader->file, reader->buffer, view.batch_bytes, reader->at);
    reader->at += view.batch_bytes;
    *ret_batch = (struct bytes){reader->buffer, view.batch_bytes};
    return st == ST_SHORT ? ST_CORRUPT : st;
}

static enum status read_batches(struct reader *reader, struct metadata_replay *replay,
                                struct arena *arena, struct str *ret_problem) {
    replay->saw_header = replay->saw_footer = false;
    while (reader->at < reader->size_bytes) {
        uint64_t at = reader->at;
        struct bytes batch;
        enum status st = reader_next(reader, &batch);
        if (st != ST_OK) {
            *ret_problem = arena_printf(arena, "no whole batch at position %llu: %s",
                                        (unsigned long long)at, status_name(st));
            return st;
        }
        st = metadata_replay_batch(replay, batch, true, arena, ret_problem);
        if (st != ST_OK) return st;
        if (replay->saw_header) continue;
        *ret_problem = STR("it does not begin with a snapshot header");
        return ST_CORRUPT;
    }
    if (replay->saw_footer) return ST_OK;
    *ret_problem = STR("it does not end with a snapshot footer");
    return ST_CORRUPT;
}

static enum status read_file(struct job *job, const char *path, struct metadata_replay *replay,
                             struct arena *arena, struct str *ret_problem) {
    struct reader reader;
    enum status st = reader_open(job, path, &reader);
    *ret_problem = str_of(status_name(st));
    if (st == ST_OK) st = read_batches(&reader, replay, arena, ret_problem);
    reader_close(&reader);
    return st;
}

enum status snapshot_read(struct job *job, const char *path, struct metadata_replay *replay,
                          struct arena *arena, struct str *ret_problem) {
    enum status st = read_file(job, path, replay, arena, ret_problem);
    return st == ST_OK ? metadata_replay_flush(replay, arena, ret_problem) : st;
}

enum status snapshot_read_bootstrap(struct job *job, struct str dir, struct arena *arena,
                                    struct bytes **ret_values, uint32_t *ret_count,
                                    struct str *ret_problem) {
    struct str path = arena_printf(arena, "%.*s/%s", STR_ARG(dir), BOOTSTRAP_FILE);
    if (path.ptr == NULL) return ST_NOMEM;
    struct metadata_replay replay;
    metadata_replay_init(&replay, job_mem(job));
    enum status st = read_file(job, path.ptr, &replay, arena, ret_problem);
    *ret_count = 0;
    if (st == ST_OK) {
        *ret_values = arena_array(arena, replay.group.count, sizeof **ret_values);
        if (*ret_values == NULL) st = ST_NOMEM;
        for (uint32_t i = 0; st == ST_OK && i < replay.group.count; i++) {
            (*ret_values)[i] = arena_bytes(arena, replay.group.values[i]);
            if ((*ret_values)[i].ptr == NULL) st = ST_NOMEM;
        }
        if (st == ST_OK) *ret_count = replay.group.count;
    }
    metadata_replay_release(&replay);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK)
        *ret_problem = arena_printf(arena, "%s: %.*s", path.ptr, STR_ARG(*ret_problem));
    return st;
}
