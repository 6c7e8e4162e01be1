/* log/strays.c - passes over a directory listing. */
#include "log/strays.h"
#include "base/logging.h"
#include "log/scan.h"

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), s = strlen(suffix);
    return n > s && memcmp(name + n - s, suffix, s) == 0;
}

static bool parse(const struct io_entry *entry, struct part_name *ret_name) {
    return entry->kind != IO_DIR && part_name_parse(str_of(entry->name), ret_name);
}

static enum status remove_file(struct job *job, const struct log *log, const char *name,
                               const char *why) {
    struct log_path path;
    log_path_of_name(&path, log->path, name, "");
    LOG_INFO("log", "removing %s: file=%s", why, path.text);
    enum status st = job_unlink(job, path.text);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Where the offsets of a segment file end, by its headers alone. */
static enum status end_of_file(struct job *job, const struct log *log, const char *name,
                               int64_t base_offset, int64_t *ret_end) {
    struct log_path path;
    log_path_of_name(&path, log->path, name, "");
    struct io_stat stat;
    enum status st = job_stat(job, path.text, &stat);
    if (st != ST_OK) return st;
    int fd = -1;
    st = job_open(job, path.text, IO_READ, 0, &fd);
    if (st != ST_OK) return st;
    struct scan scan;
    st = scan_init(&scan, job);
    if (st == ST_OK) {
        scan_file(&scan, fd, stat.size_bytes);
        int64_t end = base_offset;
        struct batch_view view;
        for (uint64_t at = 0; scan_header(&scan, at, false, &view) == ST_OK;
             at += view.batch_bytes) {
            end = batch_next_offset(&view);
        }
        *ret_end = end;
        scan_release(&scan);
    }
    job_close(job, fd);
    return st;
}

struct swapped {
    int64_t cleaned_min; /* lowest offset of a .cleaned file */
    int64_t low, high;   /* offsets that valid .swap segments replace: [low, high) */
};

/* First pass: rubbish goes, what .swap segments cover becomes known. */
static enum status remove_rubbish(struct job *job, struct log *log,
                                  const struct io_listing *listing, struct swapped *swapped) {
    struct part_name name;
    for (uint32_t i = 0; i < listing->count; i++) {
        if (parse(&listing->entries[i], &name) && str_eq(name.suffix, STR(SUFFIX_CLEANED))) {
            swapped->cleaned_min = MIN(swapped->cleaned_min, name.base_offset);
        }
    }
    for (uint32_t i = 0; i < listing->count; i++) {
        const struct io_entry *entry = &listing->entries[i];
        enum status st = ST_OK;
        if (entry->kind == IO_DIR) continue;
        bool is_part = parse(entry, &name);
        if (has_suffix(entry->name, SUFFIX_DELETED)) {
            if (!has_suffix(entry->name, ".checkpoint" SUFFIX_DELETED))
                st = remove_file(job, log, entry->name, "deleted");
        } else if (is_part && str_eq(name.suffix, STR(SUFFIX_TEMPORARY))) {
            st = remove_file(job, log, entry->name, "unfinished replacement");
        } else if (has_suffix(entry->name, SUFFIX_CLEANED)) {
            st = remove_file(job, log, entry->name, "unfinished compaction");
        } else if (is_part && str_eq(name.suffix, STR(SUFFIX_SWAP))) {
            if (name.base_offset >= swapped->cleaned_min) {
                st = remove_file(job, log, entry->name, "unfinished split");
            } else if (name.part == PART_LOG) {
                int64_t end = 0;
                st = end_of_file(job, log, entry->name, name.base_offset, &end);
                swapped->low = MIN(swapped->low, name.base_offset);
                swapped->high = MAX(swapped->high, end);
            }
        }
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

/* Second pass: what is replaced goes, then the replacements take their names. */
static enum status swap_in(struct job *job, struct log *log, const struct io_listing *listing,
                           const struct swapped *swapped) {
    struct part_name name;
    for (uint32_t i = 0; i < listing->count; i++) {
        const struct io_entry *entry = &listing->entries[i];
        if (!parse(entry, &name) || str_eq(name.suffix, STR(SUFFIX_SWAP))) continue;
        if (name.base_offset < swapped->low || name.base_offset >= swapped->high) continue;
        /* Of the producers before it, whose segments may all be gone. */
        if (name.part == PART_SNAPSHOT && name.base_offset == swapped->low) continue;
        enum status st = remove_file(job, log, entry->name, "compacted");
        if (st != ST_OK) return st;
    }
    for (uint32_t i = 0; i < listing->count; i++) {
        const struct io_entry *entry = &listing->entries[i];
        if (!parse(entry, &name) || !str_eq(name.suffix, STR(SUFFIX_SWAP))) continue;
        if (name.base_offset >= swapped->cleaned_min) continue;
        struct log_path from, to;
        log_path_of_name(&from, log->path, entry->name, "");
        log_path_of_part(&to, log->path, name.base_offset, name.part, "");
        LOG_INFO("log", "finishing an interrupted compaction: file=%s", to.text);
        enum status st = job_rename(job, from.text, to.text);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

/* Names are sorted, so what belongs to one base offset stands together. */
static bool has_log_file(const struct io_listing *listing, uint32_t index) {
    enum { DIGITS = 20 };
    const char *wanted = listing->entries[index].name;
    uint32_t i = index;
    while (i > 0 && strncmp(listing->entries[i - 1].name, wanted, DIGITS) == 0) i--;
    for (; i < listing->count && strncmp(listing->entries[i].name, wanted, DIGITS) == 0; i++) {
        if (listing->entries[i].kind != IO_DIR &&
            strcmp(listing->entries[i].name + DIGITS, ".log") == 0)
            return true;
    }
    return false;
}

static enum status remove_orphans(struct job *job, struct log *log,
                                  const struct io_listing *listing) {
    struct part_name name;
    for (uint32_t i = 0; i < listing->count; i++) {
        const struct io_entry *entry = &listing->entries[i];
        if (!parse(entry, &name) || name.suffix.len > 0) continue;
        if (name.part == PART_LOG || name.part == PART_SNAPSHOT || has_log_file(listing, i))
            continue;
        enum status st = remove_file(job, log, entry->name, "index without a segment");
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static bool is_rubbish(const struct io_entry *entry) {
    struct part_name name;
    return has_suffix(entry->name, SUFFIX_DELETED) || has_suffix(entry->name, SUFFIX_CLEANED) ||
           has_suffix(entry->name, SUFFIX_SWAP) ||
           (has_suffix(entry->name, SUFFIX_TEMPORARY) && parse(entry, &name));
}

enum status strays_put_in_order(struct job *job, struct log *log, struct io_listing *listing) {
    uint32_t rubbish = 0;
    for (uint32_t i = 0; i < listing->count; i++) rubbish += is_rubbish(&listing->entries[i]);
    if (rubbish > 0) {
        struct swapped swapped = {.cleaned_min = INT64_MAX, .low = INT64_MAX, .high = INT64_MIN};
        enum status st = remove_rubbish(job, log, listing, &swapped);
        if (st == ST_OK) st = swap_in(job, log, listing, &swapped);
        io_listing_free(job_mem(job), listing);
        if (st == ST_OK) st = job_list(job, log->path, listing);
        if (st != ST_OK) return st;
    }
    return remove_orphans(job, log, listing);
}
