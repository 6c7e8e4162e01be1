/* tests/sim/group_replay.c - see group_replay.h. */
#include "tests/sim/group_replay.h"
#include <stdio.h>
#include <string.h>
#include "base/assert.h"
#include "broker/group/coordinator.h"
#include "protocol/batch.h"
#include "protocol/record_iter.h"

struct replay {
    struct disk *disk;
    struct mem mem;
    struct coordinator *core;
    struct arena scratch;
    struct record_iter iter;
    int64_t next, end;
};

static bool replay_record(struct replay *r, const struct batch_view *view,
                          const struct record *record) {
    enum status st = ST_OK;
    if (!batch_is_control(view)) {
        struct replay_context at = {
            .offset = record->offset,
            .producer_id = batch_is_transactional(view) ? view->producer_id : NO_PRODUCER_ID};
        st = coordinator_replay(r->core, &at, record->key, record->value, &r->scratch);
    } else if (record->key.len >= 4 && get_u16(record->key.ptr + 2) <= 1) {
        st = coordinator_replay_marker(r->core, view->producer_id,
                                       get_u16(record->key.ptr + 2) == 1);
    }
    arena_reset(&r->scratch);
    return st == ST_OK;
}

static bool replay_batch(struct replay *r, const struct batch_view *view) {
    struct record record;
    bool good = true;
    record_iter_open(&r->iter, view, 0);
    while (good && record_iter_next(&r->iter, &record)) good = replay_record(r, view, &record);
    good = good && r->iter.status == ST_OK;
    record_iter_close(&r->iter);
    return good;
}

/* What does not follow is a segment that compaction has replaced, and has not taken away yet. What
 * is no batch is a hole, which a power cut has left, or what a later append has begun. */
static bool replay_octets(struct replay *r, struct bytes data) {
    struct batch_view view;
    while (data.len > 0) {
        if (batch_open(data, &view) != ST_OK ||
            !batch_crc_matches((struct bytes){data.ptr, view.batch_bytes})) {
            data = (struct bytes){data.ptr + 1, data.len - 1};
            continue;
        }
        if (view.base_offset >= r->end) return true;
        if (view.base_offset >= r->next) {
            if (!replay_batch(r, &view)) return false;
            r->next = batch_next_offset(&view);
        }
        data = (struct bytes){data.ptr + view.batch_bytes, data.len - view.batch_bytes};
    }
    return true;
}

static bool replay_file(struct replay *r, const char *path) {
    struct disk_file *file;
    struct io_stat stat;
    if (disk_stat(r->disk, path, &stat) != 0 ||
        disk_open(r->disk, path, IO_READ, 0, 0, &file) < 0)
        return false;
    size_t len = (size_t)stat.size_bytes;
    uint8_t *data = mem_alloc(&r->mem, len + 1);
    bool good = data != NULL && disk_read(r->disk, file, data, len, 0) == (int64_t)len &&
                replay_octets(r, (struct bytes){data, len});
    mem_free(&r->mem, data, len + 1);
    disk_close(r->disk, file);
    return good;
}

/* Every segment of the directory, in order. */
static bool replay_log(struct replay *r, const char *dir) {
    struct io_listing listing;
    char path[300];
    bool good = true;
    if (disk_list(r->disk, dir, &r->mem, &listing) < 0) return false;
    for (uint32_t i = 0; good && i < listing.count; i++) {
        const char *name = listing.entries[i].name;
        size_t len = strlen(name);
        /* .swap: what compaction made of segments that it has taken away already. */
        bool is_segment = (len > 4 && strcmp(name + len - 4, ".log") == 0) ||
                          (len > 9 && strcmp(name + len - 9, ".log.swap") == 0);
        if (!is_segment) continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, name); /* fits */
        good = replay_file(r, path);
    }
    io_listing_free(&r->mem, &listing);
    return good;
}

bool group_replay(struct disk *disk, int32_t partition, int64_t end, struct strbuf *out) {
    static const char *const dirs[] = {"/data", "/data1", "/data2"};
    static const struct group_settings settings; /* replaying asks for none */
    struct replay r = {.disk = disk, .end = end};
    bool found = false;
    r.core = coordinator_new(&r.mem, &settings, 1);
    arena_init(&r.scratch, &r.mem, 4096, 0);
    record_iter_init(&r.iter, &r.mem);
    for (size_t i = 0; i < COUNT(dirs) && !found; i++) {
        char dir[64];
        struct io_stat stat;
        (void)snprintf(dir, sizeof dir, "%s/__consumer_offsets-%d", dirs[i], partition); /* fits */
        if (disk_stat(disk, dir, &stat) == 0) found = replay_log(&r, dir);
    }
    if (found) coordinator_dump(r.core, out);
    record_iter_release(&r.iter);
    arena_release(&r.scratch);
    coordinator_free(r.core);
    ASSERT(r.mem.used_bytes == 0);
    return found && !out->failed;
}
