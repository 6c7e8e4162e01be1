/* log/dir.c - a log directory as one shard sees it, its lock, its marker of a clean stop, and what
 * is in it. */
#include "log/dir.h"
#include <inttypes.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/ahead.h"
#include "log/impl.h"
#include "log/partition_metadata.h"
#include "log/removal.h"
#include "log/rounds.h"

#define CLEAN_MARKER_FILE ".kafka_cleanshutdown"
#define LOCK_FILE ".lock"
enum { MARKER_BYTES_MAX = 4096, SCAN_BUFFER_BYTES = 8 << 10, SCAN_BUFFERS_KEPT = 64 };

void log_dir_init(struct log_dir *dir, struct io *io, struct jobs *jobs, struct str path) {
    *dir = (struct log_dir){
        .io = io,
        .jobs = jobs,
        .path = path,
        .opened = io_now(io),
        .sync_limit = LOG_DIR_SYNC_LIMIT,
        .idle_file_limit = LOG_DIR_IDLE_FILES,
        .fs_from = LOG_DIR_FS_FROM,
        .room_from = ROOM_FROM_BYTES,
        .removal_step_bytes = REMOVAL_STEP_BYTES,
        .later.run = rounds_run,
    };
    list_init(&dir->dirty);
    list_init(&dir->ring_waiters);
    list_init(&dir->in_fs_round);
    list_init(&dir->idle_writes);
    list_init(&dir->loaded_indexes);
    list_init(&dir->idle_files);
    list_init(&dir->removals);
    pool_init(&dir->scans, io->mem, SCAN_BUFFER_BYTES, SCAN_BUFFERS_KEPT);
}

void log_dir_release(struct job *job, struct log_dir *dir) {
    removals_end(job, dir);
    while (dir->log_count > 0) job_yield(job);
    ASSERT(list_is_empty(&dir->dirty) && dir->syncs_in_flight == 0 && !dir->fs_is_asked &&
           list_is_empty(&dir->loaded_indexes) && list_is_empty(&dir->idle_files));
    list_remove(&dir->later.link);
    for (struct list *node; (node = list_pop_front(&dir->idle_writes)) != NULL;) {
        struct append_write *write = CONTAINER_OF(node, struct append_write, link);
        MEM_FREE(dir->io->mem, write);
    }
    pool_release(&dir->scans);
}

void log_dir_settle(struct job *job, struct log_dir *dir) {
    dir->gathers_syncs = false;
    enum status st = dir->is_unsettled && !dir->offline ? rounds_sync_fs(job, dir) : ST_OK;
    if (st != ST_OK) {
        LOG_ERROR("log", "what recovery made is not on stable storage: dir=%s status=\"%s\"",
                  LOG_TEXT(dir->path), status_name(st));
    }
    dir->is_unsettled = false;
}

/* --- the lock --- */

enum status log_dir_lock(struct job *job, struct str dir, int *ret_fd) {
    struct log_path path;
    log_path_of_name(&path, dir.ptr, LOCK_FILE, "");
    int fd = -1;
    enum status st = job_open(job, path.text, IO_READ | IO_WRITE | IO_CREATE, LOG_FILE_MODE, &fd);
    if (st != ST_OK) return st;
    int64_t locked = job_wait(job, io_lock(job_io(job), job_op(job), fd));
    if (locked >= 0) {
        *ret_fd = fd;
        return ST_OK;
    }
    job_close(job, fd);
    return locked == -11 ? ST_BUSY : status_from_errno(locked);
}

/* --- the marker of a clean stop --- */

/* {"version":0,"brokerEpoch":N}: only the number matters, -1 when there is none to be read. */
static int64_t parse_marker(struct str text) {
    static const char key[] = "\"brokerEpoch\":";
    const char *at =
        text.len >= sizeof key ? memmem(text.ptr, text.len, key, sizeof key - 1) : NULL;
    if (at == NULL) return -1;
    at += sizeof key - 1;
    const char *end = at;
    while (end < text.ptr + text.len && ((*end >= '0' && *end <= '9') || *end == '-')) end++;
    int64_t epoch = -1;
    return str_to_int64((struct str){at, (size_t)(end - at)}, &epoch) ? epoch : -1;
}

enum status log_dir_take_clean_marker(struct job *job, struct str dir, int64_t *ret_broker_epoch) {
    struct log_path path;
    log_path_of_name(&path, dir.ptr, CLEAN_MARKER_FILE, "");
    char *text = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path.text, MARKER_BYTES_MAX, &text, &len);
    if (st == ST_NOT_FOUND) { /* an earlier start may have died between its unlink and the sync */
        st = job_dir_sync(job, dir.ptr);
        return st == ST_OK ? ST_NOT_FOUND : st;
    }
    if (st != ST_OK) return st;
    int64_t epoch = parse_marker((struct str){text, len});
    mem_free(job_mem(job), text, len + 1);
    st = job_unlink(job, path.text);
    if (st == ST_OK) st = job_dir_sync(job, dir.ptr);
    if (st == ST_OK) *ret_broker_epoch = epoch;
    return st;
}

enum status log_dir_write_clean_marker(struct job *job, struct str dir, int64_t broker_epoch) {
    struct log_path path;
    log_path_of_name(&path, dir.ptr, CLEAN_MARKER_FILE, "");
    char text[64];
    int n =
        snprintf(text, sizeof text, "{\"version\":0,\"brokerEpoch\":%" PRId64 "}", broker_epoch);
    return job_replace_file(job, dir.ptr, path.text, text, (size_t)n, LOG_FILE_MODE);
}

/* --- what is in it --- */

static const struct {
    struct str suffix;
    enum found_kind kind;
} suffixes[] = {
    {{"-delete", 7}, FOUND_DELETED},
    {{"-future", 7}, FOUND_FUTURE},
    {{"-stray", 6}, FOUND_STRAY},
};

static bool ends_with(struct str s, struct str suffix) {
    return s.len > suffix.len && memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

/* "<topic>-<partition>.<32 hex digits><suffix>" without its last part; false when it is not of that
 * form. */
static bool cut_uuid(struct str name, struct str suffix, struct str *ret_name) {
    enum { HEX_DIGITS = 32 };
    size_t tail = 1 + HEX_DIGITS + suffix.len;
    if (name.len <= tail || name.ptr[name.len - tail] != '.') return false;
    for (size_t i = name.len - tail + 1; i < name.len - suffix.len; i++) {
        char c = name.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    *ret_name = (struct str){name.ptr, name.len - tail};
    return true;
}

static bool classify(struct str name, struct found_partition *found) {
    struct str plain = name;
    found->kind = FOUND_PARTITION;
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        if (ends_with(name, suffixes[i].suffix) && cut_uuid(name, suffixes[i].suffix, &plain)) {
            found->kind = suffixes[i].kind;
            break;
        }
    }
    if (str_eq(name, STR("__cluster_metadata-0"))) found->kind = FOUND_CLUSTER_METADATA;
    return partition_name_parse(plain, &found->topic, &found->partition);
}

enum status log_dir_scan(struct job *job, struct str dir, struct arena *arena,
                         struct found_partition **ret_found, uint32_t *ret_count) {
    struct io_listing listing = {0};
    enum status st = job_list(job, dir.ptr, &listing);
    if (st != ST_OK) return st;
    struct found_partition *found = arena_array(arena, listing.count, sizeof *found);
    uint32_t count = 0;
    if (found == NULL) st = ST_NOMEM;
    for (uint32_t i = 0; st == ST_OK && i < listing.count; i++) {
        const struct io_entry *entry = &listing.entries[i];
        if (entry->kind != IO_DIR || entry->name[0] == '.' ||
            strcmp(entry->name, "lost+found") == 0)
            continue;
        struct found_partition *next = &found[count];
        next->name = arena_str(arena, str_of(entry->name));
        if (next->name.ptr == NULL) {
            st = ST_NOMEM;
            break;
        }
        if (!classify(next->name, next)) {
            LOG_ERROR("log", "not a partition's directory: dir=%s name=%s", dir.ptr,
                      LOG_TEXT(next->name));
            st = ST_CORRUPT;
            break;
        }
        count++;
    }
    io_listing_free(job_mem(job), &listing);
    if (st != ST_OK) return st;
    *ret_found = found;
    *ret_count = count;
    return ST_OK;
}

/* "<dir>/<name>"; false: it is too long. */
static bool found_path(struct str dir, struct str name, struct log_path *path) {
    int n = snprintf(path->text, sizeof path->text, "%.*s/%.*s", STR_ARG(dir), STR_ARG(name));
    return n > 0 && (size_t)n < sizeof path->text;
}

enum status log_dir_remove_found(struct job *job, struct str dir, struct str name) {
    struct log_path path;
    if (!ends_with(name, STR("-delete")) && !ends_with(name, STR("-future"))) return ST_INVALID;
    return found_path(dir, name, &path) ? remove_directory(job, path.text) : ST_TOO_LARGE;
}

enum status log_dir_rename_found(struct job *job, struct str dir, struct str from, struct str to) {
    struct log_path old_path, new_path;
    if (!found_path(dir, from, &old_path) || !found_path(dir, to, &new_path)) return ST_TOO_LARGE;
    enum status st = job_rename(job, old_path.text, new_path.text);
    return st == ST_OK ? job_dir_sync(job, dir.ptr) : st;
}

void log_dir_unique_path(struct io *io, struct str dir, struct str topic, int32_t partition,
                         const char *suffix, struct log_path *path) {
    uint8_t random[16];
    char tail[64];
    enum { NAME_BYTES_MAX = 255 };
    io_random(io, random, sizeof random);
    int n = snprintf(tail, sizeof tail, "-%" PRId32 ".", partition);
    for (size_t i = 0; i < sizeof random; i++)
        n += snprintf(tail + n, sizeof tail - (size_t)n, "%02x", random[i]);
    n += snprintf(tail + n, sizeof tail - (size_t)n, "%s", suffix);
    size_t topic_bytes = MIN(topic.len, (size_t)(NAME_BYTES_MAX - n));
    int all = snprintf(path->text, sizeof path->text, "%.*s/%.*s%s", STR_ARG(dir),
                       (int)topic_bytes, topic.ptr, tail);
    ASSERT(all > 0 && (size_t)all < sizeof path->text);
}

enum status log_dir_set_aside(struct job *job, struct str dir,
                              const struct found_partition *found) {
    struct log_path path;
    log_dir_unique_path(job_io(job), dir, found->topic, found->partition, "-stray", &path);
    return log_dir_rename_found(job, dir, found->name, str_of(path.text + dir.len + 1));
}
