/* log/look.c - lists of steps, made and judged. */
#include "log/look.h"
#include <inttypes.h>
#include "base/assert.h"
#include "log/impl.h"
#include "log/partition_metadata.h"
#include "log/removal.h"
#include "log/rounds.h"

enum { LOOK_STEPS = 3, MAKE_STEPS_MAX = 5 };

/* Some partitions' directories, while they are looked at. */
struct view {
    struct job *job;
    struct log_dir *dir;
    const struct log_open *opens;
    struct log_look *looks;
    uint32_t count;
    struct arena arena; /* of one list of steps */
    struct io_step *steps;
    uint32_t step_count;
};

/* --- lists of steps --- */

static struct io_step *add(struct view *view, enum io_step_kind kind, const char *path) {
    struct io_step *step = &view->steps[view->step_count++];
    *step = (struct io_step){.kind = kind, .path = path};
    return step;
}

/* NULL: no memory. */
static const char *path_of(struct view *view, const struct log_open *open, const char *name) {
    struct str path =
        arena_printf(&view->arena, "%.*s/%.*s-%" PRId32 "%s%s", STR_ARG(view->dir->path),
                     STR_ARG(open->topic), open->partition, name[0] != '\0' ? "/" : "", name);
    return path.ptr;
}

static bool begin_steps(struct view *view, uint32_t steps_of_each) {
    arena_reset(&view->arena);
    view->steps = arena_array(&view->arena, (size_t)view->count * steps_of_each,
                              sizeof *view->steps);
    view->step_count = 0;
    return view->steps != NULL;
}

static enum status take_steps(struct view *view) {
    return view->step_count > 0 ? job_steps(view->job, view->steps, view->step_count) : ST_OK;
}

/* --- looking --- */

static bool add_look(struct view *view, uint32_t i) {
    static const char *const files[] = {PARTITION_METADATA_FILE, LEADER_EPOCHS_FILE};
    struct log_look *look = &view->looks[i];
    char *const texts[] = {look->metadata, look->epochs};
    const size_t rooms[] = {sizeof look->metadata, sizeof look->epochs};
    const char *path = path_of(view, &view->opens[i], "");
    if (path == NULL) return false;
    add(view, IO_STEP_LIST, path);
    for (int f = 0; f < 2; f++) {
        path = path_of(view, &view->opens[i], files[f]);
        if (path == NULL) return false;
        struct io_step *step = add(view, IO_STEP_LOAD, path);
        step->buf = texts[f];
        step->len = rooms[f];
    }
    return true;
}

/* At all of them, or at those that were just made. */
static enum status look(struct view *view, bool at_made) {
    if (!begin_steps(view, LOOK_STEPS)) return ST_NOMEM;
    for (uint32_t i = 0; i < view->count; i++) {
        if (at_made && !view->looks[i].was_made) continue;
        if (!add_look(view, i)) return ST_NOMEM;
    }
    enum status st = take_steps(view);
    const struct io_step *step = view->steps;
    for (uint32_t i = 0; st == ST_OK && i < view->count; i++) {
        struct log_look *at = &view->looks[i];
        if (at_made && !at->was_made) continue;
        at->status = status_from_errno(step[0].result);
        at->listing = step[0].listing;
        at->metadata_result = step[1].result;
        at->epochs_result = step[2].result;
        step += LOOK_STEPS;
    }
    return st;
}

/* --- making --- */

/* What cannot be opened is not made. */
static bool is_wanted(const struct view *view, uint32_t i) {
    const struct log_open *open = &view->opens[i];
    size_t path_bytes = view->dir->path.len + 1 + open->topic.len + LOG_FILE_NAME_BYTES;
    return view->looks[i].status == ST_NOT_FOUND && open->create && open->partition >= 0 &&
           path_bytes <= LOG_PATH_BYTES_MAX;
}

/* Preallocated segments are made one by one, by segment_create. */
static bool add_files(struct view *view, const struct log_open *open) {
    static const enum segment_part parts[] = {PART_INDEX, PART_TIME_INDEX, PART_LOG};
    for (size_t p = 0; p < COUNT(parts) && !open->config->preallocate; p++) {
        struct log_path name; /* "/<base>.log" */
        log_path_of_part(&name, "", open->log_start, parts[p], "");
        const char *path = path_of(view, open, name.text + 1);
        if (path == NULL) return false;
        struct io_step *step = add(view, IO_STEP_CREATE, path);
        step->mode = LOG_FILE_MODE;
        step->needs_last = true;
    }
    return true;
}

static bool add_make(struct view *view, const struct log_open *open) {
    const char *path = path_of(view, open, "");
    if (path == NULL) return false;
    add(view, IO_STEP_MKDIR, path)->mode = LOG_DIRECTORY_MODE;
    if (!uuid_is_zero(open->topic_id)) {
        struct str text = partition_metadata_text(open->topic_id, &view->arena);
        path = path_of(view, open, PARTITION_METADATA_FILE SUFFIX_TEMPORARY);
        if (path == NULL || text.ptr == NULL) return false;
        struct io_step *step = add(view, IO_STEP_CREATE, path);
        step->buf = (void *)(uintptr_t)text.ptr;
        step->len = text.len;
        step->mode = LOG_FILE_MODE;
        step->needs_last = true;
    }
    return add_files(view, open);
}

/* What became of those that were wanted. */
static bool judge(struct view *view) {
    bool any_made = false;
    uint32_t at = 0;
    for (uint32_t i = 0; i < view->count; i++) {
        if (!is_wanted(view, i)) continue;
        int64_t result = view->steps[at++].result;
        bool has_begun = result >= 0; /* a name, at least, that is not durable yet */
        while (at < view->step_count && view->steps[at].kind != IO_STEP_MKDIR) {
            int64_t next = view->steps[at++].result;
            if (result >= 0) result = next;
        }
        view->looks[i].status = status_from_errno(result);
        view->looks[i].was_made = result >= 0;
        const char *half = has_begun && result < 0 ? path_of(view, &view->opens[i], "") : NULL;
        if (half != NULL) remove_unborn(view->job, half);
        any_made = any_made || has_begun;
    }
    return any_made;
}

/* --- onto stable storage --- */

/* A directory and its partition.metadata: JOB_SYNCS_MAX / 2 of them at once. */
static enum status sync_some(struct view *view, uint32_t *next) {
    struct job_sync syncs[JOB_SYNCS_MAX];
    uint32_t count = 0;
    enum status st = ST_OK;
    for (; *next < view->count && count + 2 <= JOB_SYNCS_MAX && st == ST_OK; (*next)++) {
        const struct log_open *open = &view->opens[*next];
        if (!view->looks[*next].was_made) continue;
        const char *path = path_of(view, open, "");
        const char *file = path_of(view, open, PARTITION_METADATA_FILE SUFFIX_TEMPORARY);
        if (path == NULL || file == NULL) st = ST_NOMEM;
        if (st == ST_OK) syncs[count++] = (struct job_sync){.dir = path};
        int fd = -1;
        if (st == ST_OK && !uuid_is_zero(open->topic_id))
            st = job_open(view->job, file, IO_READ, 0, &fd);
        if (fd >= 0) syncs[count++] = (struct job_sync){.fd = fd};
    }
    if (st == ST_OK) st = job_sync_all(view->job, syncs, count);
    for (uint32_t i = 0; i < count; i++)
        if (syncs[i].dir == NULL) job_close(view->job, syncs[i].fd);
    return st;
}

static enum status sync_made(struct view *view) {
    const struct log_dir *dir = view->dir;
    uint32_t made = 0;
    for (uint32_t i = 0; i < view->count; i++) made += view->looks[i].was_made;
    if (rounds_prefer_fs(dir, 2 * made)) return rounds_sync_fs(view->job, view->dir);
    arena_reset(&view->arena);
    enum status st = job_dir_sync(view->job, dir->path.ptr);
    for (uint32_t next = 0; st == ST_OK && next < view->count;) st = sync_some(view, &next);
    return st;
}

/* It is written again where it does not come to that. */
static enum status name_metadata(struct view *view) {
    if (!begin_steps(view, 1)) return ST_NOMEM;
    for (uint32_t i = 0; i < view->count; i++) {
        const struct log_open *open = &view->opens[i];
        if (!view->looks[i].was_made || uuid_is_zero(open->topic_id)) continue;
        const char *from = path_of(view, open, PARTITION_METADATA_FILE SUFFIX_TEMPORARY);
        const char *to = path_of(view, open, PARTITION_METADATA_FILE);
        if (from == NULL || to == NULL) return ST_NOMEM;
        add(view, IO_STEP_RENAME, from)->path_to = to;
    }
    return take_steps(view);
}

static enum status make_missing(struct view *view) {
    bool any_wanted = false;
    if (!begin_steps(view, MAKE_STEPS_MAX)) return ST_NOMEM;
    for (uint32_t i = 0; i < view->count; i++) {
        if (!is_wanted(view, i)) continue;
        any_wanted = true;
        if (!add_make(view, &view->opens[i])) return ST_NOMEM;
    }
    if (!any_wanted) return ST_OK;
    enum status st = take_steps(view);
    if (st != ST_OK || !judge(view)) return st;
    st = sync_made(view);
    if (st == ST_OK) st = name_metadata(view);
    return st == ST_OK ? look(view, true) : st;
}

/* --- both --- */

void log_look_release(struct log_look *look, struct mem *mem) {
    io_listing_free(mem, &look->listing);
}

enum status logs_look(struct job *job, const struct log_open *opens, struct log_look *looks,
                      uint32_t count) {
    ASSERT(count > 0);
    struct view view = {
        .job = job, .dir = opens[0].dir, .opens = opens, .looks = looks, .count = count};
    for (uint32_t i = 0; i < count; i++) looks[i] = (struct log_look){0};
    arena_init(&view.arena, job_mem(job), 4096, 0);
    (void)job_lost_write(job); /* only what is lost from here on */
    enum status st = look(&view, false);
    if (st == ST_OK) st = make_missing(&view);
    arena_release(&view.arena);
    if (job_lost_write(job)) {
        log_dir_fail(view.dir, ST_IO);
        if (st == ST_OK) st = ST_IO;
    }
    if (st == ST_OK) return ST_OK;
    for (uint32_t i = 0; i < count; i++) log_look_release(&looks[i], job_mem(job));
    return st;
}
