/* log/removal.c - timers that start jobs that unlink. */
#include "log/removal.h"
#include <string.h>
#include "base/assert.h"
#include "base/logging.h"

#define WHOLE_DIRECTORY INT64_C(-1)
enum { AT_ONCE = 4 }; /* removals of a directory: they take their time, and others need jobs, too */

struct removal {
    struct list link; /* in dir->removals */
    struct io_timer timer;
    struct log_dir *dir;
    int64_t base_offset;
    bool is_shared;
    size_t path_bytes; /* with the terminator */
    char path[];
};

/* Whatever goes wrong: it is unlinked next. A file with another name, as backups by hard links give
 * it, keeps its octets. It is cut where no page of the page cache, large ones among them, lies
 * across: the kernel clears the rest of such a page, which may be in a socket's queue. */
static void shorten(struct job *job, const struct removal *removal, const char *path) {
    const struct log_dir *dir = removal->dir;
    struct io_stat stat;
    int fd = -1;
    enum status st = job_stat(job, path, &stat);
    if (st != ST_OK || stat.link_count != 1 || stat.size_bytes <= dir->removal_step_bytes) return;
    st = job_open(job, path, IO_WRITE, 0, &fd);
    if (st != ST_OK) return;
    uint64_t left = stat.size_bytes;
    while (st == ST_OK && left > dir->removal_step_bytes && !dir->ends_removals &&
           !removal->is_shared && !dir->is_short) {
        left = (left - 1) / dir->removal_step_bytes * dir->removal_step_bytes;
        st = job_truncate(job, fd, left);
        job_sleep_until(job, io_now(dir->io).mono_us + REMOVAL_PAUSE_US);
    }
    job_close(job, fd);
}

/* All but one, which may be "". removal: whose large logs get shorter first; NULL: they do not. */
static enum status remove_files(struct job *job, const char *path, const char *but,
                                const struct removal *removal) {
    struct io_listing listing = {0};
    enum status st = job_list(job, path, &listing);
    for (uint32_t i = 0; st == ST_OK && i < listing.count; i++) {
        struct log_path file;
        if (removal != NULL && removal->dir->ends_removals) break;
        const char *name = listing.entries[i].name;
        if (strcmp(name, but) == 0) continue;
        log_path_of_name(&file, path, name, "");
        if (removal != NULL && strstr(name, ".log") != NULL) shorten(job, removal, file.text);
        st = job_unlink(job, file.text);
        if (st == ST_NOT_FOUND) st = ST_OK;
    }
    io_listing_free(job_mem(job), &listing);
    return st;
}

static enum status remove_whole(struct job *job, const char *path, const struct removal *removal) {
    enum status st = remove_files(job, path, "", removal);
    if (removal != NULL && removal->dir->ends_removals) return st; /* a start removes the rest */
    if (st == ST_OK) st = job_rmdir(job, path);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status remove_directory(struct job *job, const char *path) {
    return remove_whole(job, path, NULL);
}

void remove_unborn(struct job *job, const char *path) {
    enum status st = remove_directory(job, path);
    if (st != ST_OK)
        LOG_WARN("log", "cannot remove: path=%s reason=\"%s\"", path, status_name(st));
}

static enum status remove_parts(struct job *job, const struct removal *removal) {
    for (int part = 0; part < PART_COUNT; part++) {
        struct log_path file;
        log_path_of_part(&file, removal->path, removal->base_offset, (enum segment_part)part,
                         SUFFIX_DELETED);
        if (part == PART_LOG) shorten(job, removal, file.text);
        enum status st = job_unlink(job, file.text);
        if (st != ST_OK && st != ST_NOT_FOUND) return st;
    }
    return ST_OK;
}

static void free_removal(struct removal *removal) {
    list_remove(&removal->link);
    mem_free(removal->dir->io->mem, removal, sizeof *removal + removal->path_bytes);
}

static void removal_job(struct job *job, void *argument) {
    struct removal *removal = argument;
    struct log_dir *dir = removal->dir;
    enum status st = removal->base_offset == WHOLE_DIRECTORY
                         ? remove_whole(job, removal->path, removal->is_shared ? NULL : removal)
                         : remove_parts(job, removal);
    /* What stays takes room and nothing else; the next start tries again. */
    if (st != ST_OK)
        LOG_WARN("log", "cannot remove: path=%s reason=\"%s\"", removal->path, status_name(st));
    free_removal(removal);
    dir->removals_running--;
}

static void removal_due(struct io_timer *timer) {
    struct removal *removal = CONTAINER_OF(timer, struct removal, timer);
    struct io *io = removal->dir->io;
    if (removal->dir->removals_running >= AT_ONCE) {
        io_timer_set(io, timer, io_now(io).mono_us + REMOVAL_PAUSE_US);
        return;
    }
    removal->dir->removals_running++;
    job_start(removal->dir->jobs, removal_job, removal);
}

static void schedule(struct log_dir *dir, const char *path, int64_t base_offset, bool is_shared,
                     int64_t delay_ms) {
    size_t path_bytes = strlen(path) + 1;
    struct removal *removal = mem_need(dir->io->mem, sizeof *removal + path_bytes);
    removal->timer.fire = removal_due;
    removal->dir = dir;
    removal->base_offset = base_offset;
    removal->is_shared = is_shared;
    removal->path_bytes = path_bytes;
    memcpy(removal->path, path, path_bytes);
    list_push_back(&dir->removals, &removal->link);
    io_timer_set(dir->io, &removal->timer, io_now(dir->io).mono_us + us_of_ms(delay_ms));
}

void removals_spare(struct log_dir *dir, const char *path, int64_t base_offset) {
    LIST_EACH(&dir->removals, node) {
        struct removal *removal = CONTAINER_OF(node, struct removal, link);
        if (removal->base_offset == base_offset && strcmp(removal->path, path) == 0)
            removal->is_shared = true;
    }
}

/* Files of segments that went before lie in the same directory. */
static bool spares_any(const struct log_dir *dir, const char *path) {
    LIST_EACH(&dir->removals, node) {
        const struct removal *removal = CONTAINER_OF(node, struct removal, link);
        if (removal->is_shared && strcmp(removal->path, path) == 0) return true;
    }
    return false;
}

void removal_of_segment(struct log_dir *dir, const char *path, int64_t base_offset, bool is_shared,
                        int64_t delay_ms) {
    ASSERT(base_offset >= 0);
    schedule(dir, path, base_offset, is_shared, delay_ms);
}

/* What tells whose the files are goes last: a start may find the rest. */
static enum status remove_in_place(struct job *job, const char *path) {
    struct log_path metadata;
    log_path_of_name(&metadata, path, PARTITION_METADATA_FILE, "");
    enum status st = remove_files(job, path, PARTITION_METADATA_FILE, NULL);
    if (st == ST_OK) st = job_dir_sync(job, path);
    if (st == ST_OK) st = job_unlink(job, metadata.text);
    return st == ST_OK || st == ST_NOT_FOUND ? job_rmdir(job, path) : st;
}

enum status removal_of_partition(struct job *job, struct log_dir *dir, const char *path,
                                 struct str topic, int32_t partition, bool is_shared,
                                 int64_t delay_ms) {
    struct log_path deleted;
    is_shared = is_shared || spares_any(dir, path);
    log_dir_unique_path(dir->io, dir->path, topic, partition, "-delete", &deleted);
    enum status st = job_rename(job, path, deleted.text);
    bool is_renamed = st == ST_OK;
    if (st == ST_NO_SPACE) st = remove_in_place(job, path);
    if (st == ST_OK) st = job_dir_sync(job, dir->path.ptr);
    if (st == ST_OK && is_renamed)
        schedule(dir, deleted.text, WHOLE_DIRECTORY, is_shared, delay_ms);
    return st;
}

void removals_end(struct job *job, struct log_dir *dir) {
    LIST_EACH(&dir->removals, node) {
        struct removal *removal = CONTAINER_OF(node, struct removal, link);
        if (!io_timer_is_set(&removal->timer)) continue;
        io_timer_clear(dir->io, &removal->timer);
        free_removal(removal);
    }
    dir->ends_removals = true;
    while (dir->removals_running > 0) job_yield(job);
}
