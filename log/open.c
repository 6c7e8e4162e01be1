/* log/open.c - opening, creating and closing a partition's log.
 * What is trusted: after a clean stop everything, otherwise the segments that end below the
 * recovery point; of the active segment the end is always looked up in the file. What is not
 * trusted goes through recovery. */
#include <inttypes.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/aborted.h"
#include "log/ahead.h"
#include "log/holes.h"
#include "log/impl.h"
#include "log/look.h"
#include "log/partition_metadata.h"
#include "log/producers.h"
#include "log/recovery.h"
#include "log/removal.h"
#include "log/rounds.h"
#include "log/segment_file.h"
#include "log/segment_job.h"
#include "log/strays.h"

#define LEADER_EPOCHS_FILE_BYTES_MAX ((size_t)16 << 20)

static enum status new_log(const struct log_open *open, struct log **ret_log) {
    struct mem *mem = open->dir->io->mem;
    char name[LOG_FILE_NAME_BYTES + LIMIT_TOPIC_NAME_BYTES];
    int n = snprintf(name, sizeof name, "%.*s-%" PRId32, STR_ARG(open->topic), open->partition);
    if (n <= 0 || (size_t)n >= sizeof name || open->partition < 0) return ST_INVALID;
    size_t path_bytes = open->dir->path.len + 1 + (size_t)n + 1;
    if (path_bytes > LOG_PATH_BYTES_MAX) return ST_TOO_LARGE;
    struct log *log = MEM_NEW(mem, struct log);
    open->dir->log_count++;
    *log = (struct log){
        .dir = open->dir,
        .owner = open->owner,
        .config = open->config,
        .path = mem_need(mem, path_bytes),
        .path_bytes = (uint32_t)path_bytes,
        .partition = open->partition,
        .topic_id = open->topic_id,
        .waits_for_room = open->waits_for_room,
        .pump.run = append_pump,
        .snapshot_offset = -1,
        .clean_end = -1,
    };
    producer_states_init(&log->producers, mem);
    (void)snprintf(log->path, path_bytes, "%.*s/%s", STR_ARG(open->dir->path), name);
    log->topic = (struct str){log->path + open->dir->path.len + 1, open->topic.len};
    list_init(&log->queued);
    list_init(&log->job_waiters);
    *ret_log = log;
    return ST_OK;
}

/* ST_CORRUPT: not readable as what it should be; the batches themselves know better. */
static enum status parse_epochs(struct job *job, struct log *log, struct str text) {
    uint32_t line = 0;
    enum status st = leader_epochs_parse(&log->epochs, job_mem(job), text, &line);
    if (st == ST_CORRUPT) {
        LOG_WARN("log", "rebuilding from the batches: file=%s/" LEADER_EPOCHS_FILE
                 " line=%" PRIu32, log->path, line);
    }
    return st;
}

static enum status read_epochs(struct job *job, struct log *log, const struct log_look *look) {
    if (look->epochs_result >= 0 && look->epochs_result < (int64_t)sizeof look->epochs)
        return parse_epochs(job, log, (struct str){look->epochs, (size_t)look->epochs_result});
    struct log_path path;
    log_path_of_name(&path, log->path, LEADER_EPOCHS_FILE, "");
    char *text = NULL;
    size_t len = 0;
    enum status st = status_from_errno(look->epochs_result);
    if (st != ST_NOT_FOUND)
        st = job_read_file(job, path.text, LEADER_EPOCHS_FILE_BYTES_MAX, &text, &len);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) return st;
    st = parse_epochs(job, log, (struct str){text, len});
    mem_free(job_mem(job), text, len + 1);
    return st;
}

static enum status check_metadata(struct job *job, const struct log *log, struct uuid topic_id,
                                  const struct log_look *look) {
    if (look->metadata_result >= 0 && look->metadata_result < (int64_t)sizeof look->metadata &&
        partition_metadata_is_of((struct str){look->metadata, (size_t)look->metadata_result},
                                 topic_id))
        return ST_OK;
    return partition_metadata_check(job, log->path, topic_id);
}

/* --- segments found --- */

static enum status add_segment(struct log *log, int64_t base_offset, uint64_t size_bytes) {
    if (size_bytes > INT32_MAX) { /* positions are int32 in the index */
        LOG_ERROR("log", "segment is larger than 2^31 - 1 octets: log=%s base=%" PRId64, log->path,
                  base_offset);
        return ST_CORRUPT;
    }
    struct segment *segment = segment_new(log->dir, base_offset, -1);
    segment->size_bytes = segment->verified.foreign_end = size_bytes;
    segment->indexes_durable = true;
    segment->offsets.tail.file_count = INDEX_COUNT_UNKNOWN;
    segment->times.tail.file_count = INDEX_COUNT_UNKNOWN;
    log_push_segment(log, segment);
    return ST_OK;
}

/* NULL: it is not there. */
static const struct io_entry *find_part(const struct io_listing *listing, int64_t base_offset,
                                        enum segment_part part) {
    uint32_t low = 0, high = listing->count;
    struct log_path wanted;
    log_path_of_part(&wanted, "", base_offset, part, "");
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct io_entry *entry = &listing->entries[middle];
        int order = strcmp(entry->name, wanted.text + 1);
        if (order == 0) return entry->kind != IO_DIR ? entry : NULL;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* The number of entries by the file's size; one that is missing or cannot be right is rebuilt. */
static void note_index(const struct io_listing *listing, struct segment *segment,
                       enum segment_part part, struct index_tail *tail, uint32_t entry_bytes) {
    const struct io_entry *entry = find_part(listing, segment->base_offset, part);
    if (entry == NULL) {
        segment->indexes_durable = false;
    } else if (entry->size_bytes % entry_bytes == 0 &&
               entry->size_bytes / entry_bytes < INDEX_COUNT_UNKNOWN) {
        tail->file_count = (uint32_t)(entry->size_bytes / entry_bytes);
    }
}

/* More than LogSegment.sanityCheck; one that cannot be right makes recovery write it again. */
static enum status check_txn_index(struct job *job, struct log *log, struct segment *segment) {
    uint8_t *entries = NULL;
    uint32_t count = 0;
    segment->txns.tail.file_count = INDEX_COUNT_UNKNOWN;
    bool is_right = true;
    enum status st = aborted_read_file(job, log, segment, &entries, &count);
    if (st == ST_OK && count > 0)
        st = aborted_confirm(job, log, segment, entries, count, &is_right);
    mem_free(job_mem(job), entries, (size_t)count * TXN_INDEX_ENTRY_BYTES);
    if (st != ST_OK && st != ST_CORRUPT) return st;
    if (st == ST_OK && is_right) return ST_OK;
    LOG_WARN("log", "transaction index is made anew from the batches: log=%s base=%" PRId64,
             log->path, segment->base_offset);
    segment->indexes_durable = false;
    return ST_OK;
}

static enum status add_segments(struct job *job, struct log *log,
                                const struct io_listing *listing) {
    for (uint32_t i = 0; i < listing->count; i++) {
        const struct io_entry *entry = &listing->entries[i];
        struct part_name name;
        if (entry->kind == IO_DIR || !part_name_parse(str_of(entry->name), &name)) continue;
        if (name.part != PART_LOG || name.suffix.len > 0) continue;
        enum status st = add_segment(log, name.base_offset, entry->size_bytes);
        if (st != ST_OK) return st;
        struct segment *segment = log_active(log);
        note_index(listing, segment, PART_INDEX, &segment->offsets.tail, OFFSET_INDEX_ENTRY_BYTES);
        note_index(listing, segment, PART_TIME_INDEX, &segment->times.tail, TIME_INDEX_ENTRY_BYTES);
        if (find_part(listing, name.base_offset, PART_TXN_INDEX) != NULL) {
            st = check_txn_index(job, log, segment);
            if (st != ST_OK) return st;
        }
        if (find_part(listing, name.base_offset, PART_HOLES) == NULL) continue;
        st = holes_read(job, log, segment);
        if (st == ST_CORRUPT) {
            segment->indexes_durable = false; /* walked again, which finds them again */
        } else if (st != ST_OK) {
            return st;
        }
    }
    return ST_OK;
}

/* There is an active segment that may be appended to. */
static enum status ensure_active(struct job *job, struct log *log, const struct log_open *open) {
    bool empty = log->segment_count == 0;
    if (!empty && log->end < open->log_start) {
        LOG_WARN("log",
                 "all of it lies below the log start: log=%s end=%" PRId64 " log_start=%" PRId64,
                 log->path, log->end, open->log_start);
        enum status st = segments_remove(job, log, 0, log->segment_count);
        if (st != ST_OK) return st;
        log->epochs.count = 0;
        leader_epochs_note_lost(&log->epochs);
        empty = true;
    }
    int64_t base = open->log_start;
    if (!empty) {
        const struct segment *active = log_active(log);
        bool ends_in_hole =
            active->hole_count > 0 && active->size_bytes > 0 &&
            active->holes[active->hole_count - 1].end_position == active->size_bytes;
        if (!ends_in_hole) return segment_file_keep(job, log, log_active(log));
        base = log->end;
    } else {
        log->end = base;
    }
    struct segment *segment = NULL;
    enum status st = segment_create(job, log, base, &segment);
    if (st == ST_OK) log_push_segment(log, segment);
    return st;
}

/* --- recovery decides --- */

/* Segments and octets that are still to be recovered. */
struct todo {
    int64_t segments, bytes;
};

static void change_todo(const struct log *log, struct todo *todo, int64_t segments,
                        int64_t bytes) {
    struct log_recovery *recovery = log->dir->recovery;
    todo->segments += segments;
    todo->bytes += bytes;
    if (recovery == NULL) return;
    log_recovery_add(&recovery->segments, segments);
    log_recovery_add(&recovery->bytes, bytes);
}

/* At the point exactly is not enough: it may be from when the segment was the active one, and its
 * indexes' tails were in memory. */
static bool is_trusted(const struct log *log, uint32_t index, int64_t recovery_point, bool clean,
                       bool trust_epochs) {
    bool last = index + 1 == log->segment_count;
    bool below = !last && log->segments[index + 1]->base_offset < recovery_point;
    return log->segments[index]->indexes_durable && trust_epochs && (below || clean);
}

static enum status recover(struct job *job, struct log *log, const struct log_open *open,
                           const struct io_listing *listing, bool trust_epochs) {
    struct recovery recovery;
    bool clean = open->clean && trust_epochs;
    int64_t verify_from = open->clean ? INT64_MAX : open->recovery_point;
    enum status st =
        recovery_begin(&recovery, job, log, listing, open->recovery_point, verify_from);
    if (st != ST_OK) {
        recovery_end(&recovery);
        return st;
    }
    struct todo todo = {0};
    for (uint32_t i = 0; i < log->segment_count; i++) {
        if (!is_trusted(log, i, open->recovery_point, clean, trust_epochs))
            change_todo(log, &todo, 1, (int64_t)log->segments[i]->size_bytes);
    }
    for (uint32_t i = 0; st == ST_OK && i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        bool trusted = is_trusted(log, i, open->recovery_point, clean, trust_epochs);
        uint64_t bytes = segment->size_bytes; /* of the file, as it was listed */
        if (trusted) {
            if (i + 1 < log->segment_count) continue;
            st = segment_file_keep(job, log, segment);
            if (st != ST_OK) break;
            st = segment_walk_end(job, log, segment, &recovery.scan, &log->end);
            if (st != ST_CORRUPT) break;
        }
        st = recovery_segment(&recovery, i, bytes);
        log->end = recovery.expected;
        if (!trusted) change_todo(log, &todo, -1, -(int64_t)bytes);
    }
    change_todo(log, &todo, -todo.segments, -todo.bytes); /* of segments that went */
    log->sealed_bytes = 0;
    for (uint32_t i = 0; i + 1 < log->segment_count; i++) {
        log->sealed_bytes += log->segments[i]->size_bytes;
    }
    if (st == ST_OK) st = ensure_active(job, log, open);
    if (st == ST_OK) st = producers_finish(&recovery.producers, &recovery.scan);
    recovery_end(&recovery);
    return st;
}

/* --- an empty log --- */

/* After a clean stop: one segment without a batch, and nothing is known of producers. */
static bool is_empty(const struct log *log, const struct log_open *open) {
    if (!open->clean || log->segment_count != 1) return false;
    const struct segment *segment = log->segments[0];
    if (!segment->indexes_durable || segment->size_bytes > 0 || segment->hole_count > 0 ||
        segment->offsets.tail.file_count > 0 || segment->times.tail.file_count > 0 ||
        segment->txns.tail.file_count > 0 || segment->base_offset < open->log_start)
        return false;
    for (uint32_t i = 0; i < open->look->listing.count; i++) {
        struct part_name name;
        if (part_name_parse(str_of(open->look->listing.entries[i].name), &name) &&
            name.part == PART_SNAPSHOT)
            return false;
    }
    return true;
}

/* Its file is opened by the first append: of many logs most stay empty. */
static void take_empty(struct log *log) {
    struct segment *segment = log->segments[0];
    segment->max_known = true;
    log->end = segment->base_offset;
    log->snapshot_offset = -1;
    log->lost_from = INT64_MAX;
}

static enum status load_found(struct job *job, struct log *log, const struct log_open *open) {
    struct io_listing *listing = &open->look->listing;
    enum status st = open->look->status;
    if (st == ST_OK) st = strays_put_in_order(job, log, listing);
    if (st == ST_OK) st = check_metadata(job, log, open->topic_id, open->look);
    if (st != ST_OK) return st;
    st = read_epochs(job, log, open->look);
    bool trust_epochs = st == ST_OK;
    if (st == ST_OK || st == ST_CORRUPT) st = add_segments(job, log, listing);
    if (st != ST_OK) return st;
    if (!trust_epochs || !is_empty(log, open))
        return recover(job, log, open, listing, trust_epochs);
    take_empty(log);
    return ST_OK;
}

static enum status load(struct job *job, struct log *log, const struct log_open *open) {
    enum status st = load_found(job, log, open);
    if (st != ST_OK) return st;
    log_active(log)->jitter_ms = roll_draw_jitter(log);
    log->log_start = MAX(open->log_start, log->segments[0]->base_offset);
    log->assigned_end = log->durable_end = log->sync_wanted = log->end;
    leader_epochs_cut_end(&log->epochs, log->end);
    leader_epochs_cut_start(&log->epochs, log->log_start);
    /* After a clean stop, or of many logs, what differs is written with the next roll or close, so
     * that a start of many logs syncs nothing: till then the recovery point does not move. */
    if (!open->clean && !log->dir->gathers_syncs) st = log_save_epochs(job, log, INT64_MAX);
    return st == ST_NO_SPACE ? ST_OK : st; /* likewise */
}

/* Opened once more in this process, it would be found whole in the page cache and believed to be
 * durable by a sync that has nothing left to do. */
void log_dir_fail(struct log_dir *dir, enum status why) {
    bool is_first = !dir->offline;
    dir->offline = true;
    if (is_first && dir->on_failure != NULL) dir->on_failure(dir, why);
}

/* With a look. */
static enum status open_seen(struct job *job, struct log_open open, struct log **ret_log) {
    struct log *log = NULL;
    if (open.dir->offline) return ST_IO;
    enum status st = new_log(&open, &log);
    if (st != ST_OK) return st;
    (void)job_lost_write(job); /* only what is lost from here on */
    open.clean = open.clean || open.look->was_made;
    st = load(job, log, &open);
    if (st != ST_OK) {
        if (st != ST_NOT_FOUND && st != ST_STALE)
            LOG_ERROR("log", "cannot open: log=%s reason=\"%s\"", log->path, status_name(st));
        if (open.look->was_made) remove_unborn(job, log->path);
        log_abandon(log);
        if (job_lost_write(job)) log_dir_fail(open.dir, st);
        return st;
    }
    *ret_log = log;
    return ST_OK;
}

enum status log_open(struct job *job, const struct log_open *open, struct log **ret_log) {
    if (open->look != NULL) return open_seen(job, *open, ret_log);
    struct log_look look;
    struct log_open seen = *open;
    enum status st = open->dir->offline ? ST_IO : logs_look(job, open, &look, 1);
    if (st != ST_OK) return st;
    seen.look = &look;
    st = open_seen(job, seen, ret_log);
    log_look_release(&look, job_mem(job));
    return st;
}

/* --- closing: what nothing was changed of is not synced, so that a stop with many idle logs is
 * quick --- */

static enum status sync_batches(struct job *job, const struct log *log) {
    enum status st = ST_OK;
    uint32_t i = log_segment_of(log, log->durable_end);
    for (; st == ST_OK && i < log->segment_count; i++) {
        const struct segment *segment = log->segments[i];
        if (log->durable_end < log->end || segment->was_cut)
            st = job_sync(job, segment->file, 0);
    }
    return st;
}

static enum status close_indexes(struct job *job, struct log *log) {
    enum status st = ST_OK;
    for (uint32_t i = 0; st == ST_OK && i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        bool is_last = i + 1 == log->segment_count;
        if (is_last) segment_note_end(segment);
        bool has_tails = segment->offsets.tail.count + segment->times.tail.count +
                             segment->txns.tail.count > 0;
        if (segment->indexes_durable && !(is_last && has_tails)) continue;
        if (!is_last) segment_note_end(segment);
        st = segment_write_indexes(job, log, segment, true);
    }
    return st;
}

enum status log_close(struct job *job, struct log *log) {
    log_hold(log);
    log_job_begin(job, log);
    ASSERT(list_is_empty(&log->queued));
    log_job_quiet(job, log);
    rounds_forget(log);
    enum status st = log_is_offline(log) ? ST_IO : sync_batches(job, log);
    if (st == ST_OK) st = segment_trim(job, log_active(log));
    if (st == ST_OK) st = ahead_give_back(job, log_active(log));
    if (st == ST_OK) st = close_indexes(job, log);
    if (st == ST_OK) st = log_save_epochs(job, log, log->end);
    struct producers_image image = {0};
    if (st == ST_OK && log->end > 0 && log->snapshot_offset != log->end) {
        st = producers_freeze(log, &image);
        if (st == ST_OK) st = producers_save(job, log, &image);
        producers_image_release(&image, job_mem(job));
    }
    if (st != ST_OK && log->dir->unclean == ST_OK) log->dir->unclean = st; /* verified next time */
    log_job_end(log);
    log_abandon(log);
    log_let_go(log);
    return st;
}
