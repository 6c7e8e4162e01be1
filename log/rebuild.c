/* log/rebuild.c - three tails into three files, by way of temporary ones. */
#include "log/rebuild.h"

/* One index of a segment. */
struct part {
    enum segment_part part;
    uint32_t entry_bytes;
    struct index_tail *tail;
};

enum { PARTS = 3 };

/* In the order in which they take their names: a `.timeindex` that is missing has all of it done
 * again. */
static void parts_of(struct segment *segment, struct part parts[PARTS]) {
    parts[0] = (struct part){PART_TXN_INDEX, TXN_INDEX_ENTRY_BYTES, &segment->txns.tail};
    parts[1] = (struct part){PART_INDEX, OFFSET_INDEX_ENTRY_BYTES, &segment->offsets.tail};
    parts[2] = (struct part){PART_TIME_INDEX, TIME_INDEX_ENTRY_BYTES, &segment->times.tail};
}

void rebuild_begin(struct segment *segment) {
    struct part parts[PARTS];
    parts_of(segment, parts);
    segment_index_drop(segment);
    for (int i = 0; i < PARTS; i++)
        index_tail_clear(parts[i].tail, segment->dir->io->mem, parts[i].entry_bytes);
    segment->times.last = (struct time_entry){-1, 0};
}

static enum status write_part(struct job *job, const struct log *log, const struct segment *segment,
                              const struct part *part, enum rebuild_how how, bool sync) {
    struct index_tail *tail = part->tail;
    struct log_path path;
    log_path_of_part(&path, log->path, segment->base_offset, part->part,
                     how == REBUILD_AGAIN ? "" : SUFFIX_TEMPORARY);
    unsigned flags = IO_WRITE | IO_CREATE;
    if (tail->file_count == 0) flags |= IO_TRUNCATE;
    int fd = -1;
    enum status st = job_open(job, path.text, flags, LOG_FILE_MODE, &fd);
    if (st != ST_OK) return st;
    if (tail->count > 0)
        st = job_write(job, fd, tail->entries, (size_t)tail->count * part->entry_bytes,
                       (uint64_t)tail->file_count * part->entry_bytes);
    if (st == ST_OK && sync) st = job_sync(job, fd, 0);
    job_close(job, fd);
    if (st == ST_OK) index_tail_written(tail, job_mem(job), tail->count, part->entry_bytes);
    return st;
}

enum status rebuild_write(struct job *job, const struct log *log, struct segment *segment,
                          enum rebuild_how how) {
    struct part parts[PARTS];
    parts_of(segment, parts);
    enum status st = ST_OK;
    for (int i = 0; i < PARTS && st == ST_OK; i++)
        if (parts[i].tail->count > 0) st = write_part(job, log, segment, &parts[i], how, false);
    return st;
}

static bool has_file(const struct part *part) {
    return part->part != PART_TXN_INDEX || index_tail_total(part->tail) > 0;
}

static enum status take_name(struct job *job, const struct log *log, const struct segment *segment,
                             const struct part *part, enum rebuild_how how) {
    struct log_path path, temporary;
    log_path_of_part(&path, log->path, segment->base_offset, part->part, "");
    log_path_of_part(&temporary, log->path, segment->base_offset, part->part, SUFFIX_TEMPORARY);
    if (has_file(part))
        return how == REBUILD_AGAIN ? ST_OK : job_rename(job, temporary.text, path.text);
    enum status st = job_unlink(job, path.text);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* All files by one trip of a worker. */
static enum status write_small(struct job *job, const struct log *log, struct segment *segment,
                               struct part parts[PARTS]) {
    struct io_step steps[PARTS] = {0};
    struct log_path paths[PARTS];
    uint32_t count = 0;
    for (int i = 0; i < PARTS; i++) {
        if (!has_file(&parts[i])) continue;
        log_path_of_part(&paths[i], log->path, segment->base_offset, parts[i].part, "");
        steps[count++] = (struct io_step){
            .kind = IO_STEP_CREATE,
            .mode = LOG_FILE_MODE,
            .path = paths[i].text,
            .buf = parts[i].tail->entries,
            .len = (size_t)parts[i].tail->count * parts[i].entry_bytes,
        };
    }
    enum status st = job_steps(job, steps, count);
    for (uint32_t i = 0; i < count && st == ST_OK; i++) st = status_from_errno(steps[i].result);
    for (int i = 0; i < PARTS && st == ST_OK; i++)
        index_tail_written(parts[i].tail, job_mem(job), parts[i].tail->count,
                           parts[i].entry_bytes);
    return st;
}

static bool is_small(const struct part parts[PARTS]) {
    for (int i = 0; i < PARTS; i++)
        if (parts[i].tail->file_count > 0) return false;
    return true;
}

enum status rebuild_end(struct job *job, const struct log *log, struct segment *segment,
                        enum rebuild_how how) {
    struct part parts[PARTS];
    parts_of(segment, parts);
    bool at_once = how == REBUILD_AGAIN && is_small(parts);
    bool sync = how == REBUILD_DURABLE;
    enum status st = at_once ? write_small(job, log, segment, parts) : ST_OK;
    for (int i = 0; i < PARTS && st == ST_OK && !at_once; i++)
        if (has_file(&parts[i])) st = write_part(job, log, segment, &parts[i], how, sync);
    for (int i = 0; i < PARTS && st == ST_OK; i++)
        st = take_name(job, log, segment, &parts[i], how);
    if (st == ST_OK && sync) st = job_dir_sync(job, log->path);
    if (st != ST_OK) return st;
    segment->indexes_durable = true;
    segment_free_tails(segment);
    return ST_OK;
}
