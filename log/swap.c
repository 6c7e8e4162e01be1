/* log/swap.c - three rounds of renames, each durable before the next. */
#include "log/swap.h"
#include "base/assert.h"
#include "base/logging.h"
#include "log/removal.h"
#include "log/segment_file.h"

enum status segment_rename(struct job *job, const struct log *log, int64_t base_offset,
                           const char *from, const char *to, bool with_snapshot) {
    for (int part = 0; part < PART_COUNT; part++) {
        if (part == PART_SNAPSHOT && !with_snapshot) continue;
        struct log_path old_path, new_path;
        log_path_of_part(&old_path, log->path, base_offset, (enum segment_part)part, from);
        log_path_of_part(&new_path, log->path, base_offset, (enum segment_part)part, to);
        enum status st = job_rename(job, old_path.text, new_path.text);
        if (st != ST_OK && st != ST_NOT_FOUND) return st;
    }
    return ST_OK;
}

enum status segment_set_aside(struct job *job, const struct log *log, int64_t base_offset,
                              bool with_snapshot) {
    removals_spare(log->dir, log->path, base_offset);
    enum status st = segment_rename(job, log, base_offset, "", SUFFIX_DELETED, with_snapshot);
    for (int part = 0; st == ST_NO_SPACE && part < PART_COUNT; part++) {
        if (part == PART_SNAPSHOT && !with_snapshot) continue;
        struct log_path path;
        log_path_of_part(&path, log->path, base_offset, (enum segment_part)part, "");
        enum status unlinked = job_unlink(job, path.text);
        if (unlinked != ST_OK && unlinked != ST_NOT_FOUND) return unlinked;
    }
    return st == ST_NO_SPACE ? ST_OK : st;
}

/* Whether they are still there, one behind the other, and none of them is the active one. */
static bool are_there(const struct log *log, const int64_t *bases, uint32_t count,
                      uint32_t *ret_first) {
    uint32_t first = log_segment_of(log, bases[0]);
    if (first + count >= log->segment_count) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (log->segments[first + i]->base_offset != bases[i]) return false;
    }
    *ret_first = first;
    return true;
}

/* true: some of them are being read; no new read finds them. */
static bool replace(struct log *log, uint32_t first, uint32_t count, struct segment *cleaned) {
    bool is_shared = false;
    for (uint32_t i = first; i < first + count; i++) {
        log->sealed_bytes -= log->segments[i]->size_bytes;
        is_shared = is_shared || log->segments[i]->shares > 1;
        segment_let_go(log->segments[i]);
    }
    log->sealed_bytes += cleaned->size_bytes;
    log->segments[first] = cleaned;
    memmove(log->segments + first + 1, log->segments + first + count,
            (log->segment_count - first - count) * sizeof *log->segments);
    log->segment_count -= count - 1;
    return is_shared;
}

/* From the .swap files on. */
static enum status settle_names(struct job *job, struct log *log, const int64_t *bases,
                                uint32_t count, bool is_shared) {
    enum status st = ST_OK;
    for (uint32_t i = 0; i < count && st == ST_OK; i++)
        st = segment_set_aside(job, log, bases[i], i > 0);
    if (st == ST_OK) st = job_dir_sync(job, log->path);
    if (st == ST_OK) st = segment_rename(job, log, bases[0], SUFFIX_SWAP, "", false);
    if (st == ST_OK) st = job_dir_sync(job, log->path);
    if (st != ST_OK) return st;
    for (uint32_t i = 0; i < count; i++)
        removal_of_segment(log->dir, log->path, bases[i], is_shared,
                           log->config->file_delete_delay_ms);
    return ST_OK;
}

static enum status remove_swap(struct job *job, const struct log *log, int64_t base_offset) {
    for (int part = 0; part < PART_COUNT; part++) {
        struct log_path path;
        log_path_of_part(&path, log->path, base_offset, (enum segment_part)part, SUFFIX_SWAP);
        enum status st = job_unlink(job, path.text);
        if (st != ST_OK && st != ST_NOT_FOUND) return st;
    }
    return ST_OK;
}

/* From .cleaned to .swap, for good. ST_NO_SPACE: there are no .swap files; a full file system may
 * have no room for a shorter name either, which is there before the old one goes. After any other
 * failure the log is offline. */
static enum status begin_swap(struct job *job, struct log *log, int64_t base_offset) {
    enum status st = segment_rename(job, log, base_offset, SUFFIX_CLEANED, SUFFIX_SWAP, false);
    bool is_full = st == ST_NO_SPACE;
    if (is_full) st = remove_swap(job, log, base_offset);
    if (st == ST_OK) st = job_dir_sync(job, log->path); /* before any .cleaned file goes */
    if (st != ST_OK) {
        log_fail(log, st);
        return ST_IO;
    }
    return is_full ? ST_NO_SPACE : ST_OK;
}

/* Its files have their names: they hold the entries, and memory need not. */
static void forget_entries(struct segment *segment) {
    struct mem *mem = segment->dir->io->mem;
    uint32_t offsets = segment->offsets.tail.count, times = segment->times.tail.count;
    uint32_t txns = segment->txns.tail.count;
    index_tail_clear(&segment->offsets.tail, mem, OFFSET_INDEX_ENTRY_BYTES);
    index_tail_clear(&segment->times.tail, mem, TIME_INDEX_ENTRY_BYTES);
    index_tail_clear(&segment->txns.tail, mem, TXN_INDEX_ENTRY_BYTES);
    segment->txns.tail.file_count = txns;
    segment->offsets.tail.file_count = offsets;
    segment->times.tail.file_count = times;
    segment->indexes_durable = true;
}

enum status segments_swap(struct job *job, struct log *log, struct segment *cleaned,
                          const int64_t *bases, uint32_t count,
                          bool (*is_wanted)(const struct log *log)) {
    uint32_t first = 0;
    ASSERT(count > 0 && cleaned->base_offset == bases[0] && cleaned->offsets.tail.file_count == 0);
    log_job_begin(job, log);
    enum status st = log_is_offline(log) ? ST_IO : ST_OK;
    if (st == ST_OK && (!is_wanted(log) || !are_there(log, bases, count, &first))) st = ST_STALE;
    if (st == ST_OK) st = begin_swap(job, log, bases[0]);
    if (st != ST_OK) {
        segment_let_go(cleaned);
        log_job_end(log);
        return st;
    }
    segment_hold(cleaned);
    cleaned->file_uses++; /* its file is not opened by a name that is not its own yet */
    bool is_shared = replace(log, first, count, cleaned);
    st = settle_names(job, log, bases, count, is_shared);
    if (st == ST_OK) forget_entries(cleaned);
    segment_file_unuse(cleaned);
    segment_let_go(cleaned);
    if (st != ST_OK) log_fail(log, st);
    log_job_end(log);
    return st;
}
