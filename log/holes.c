/* log/holes.c - the holes of a segment, to and from their file. */
#include "log/holes.h"
#include <inttypes.h>
#include "base/logging.h"
#include "log/lines.h"
#include "log/search.h"

#define HOLES_FILE_BYTES_MAX ((size_t)1 << 20)

enum status holes_parse(struct mem *mem, struct str text, struct hole **ret_holes,
                        uint32_t *ret_count) {
    struct lines lines;
    uint32_t count = 0;
    enum status st = lines_begin(&lines, text, &count);
    if (st != ST_OK || count == 0) return st;
    struct hole *holes = mem_alloc(mem, count * sizeof *holes);
    if (holes == NULL) return ST_NOMEM;
    uint64_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct str words[4];
        int64_t n[4] = {0};
        st = lines_words(&lines, words, 4);
        for (size_t w = 0; st == ST_OK && w < 4; w++) {
            if (!str_to_int64(words[w], &n[w]) || n[w] < 0) st = ST_CORRUPT;
        }
        if (st == ST_OK && (n[0] > n[1] || n[2] >= n[3] || (uint64_t)n[2] < end)) st = ST_CORRUPT;
        if (st != ST_OK) break;
        holes[i] = (struct hole){n[0], n[1], (uint64_t)n[2], (uint64_t)n[3]};
        end = holes[i].end_position;
    }
    if (st == ST_OK) st = lines_end(&lines);
    if (st != ST_OK) {
        mem_free(mem, holes, count * sizeof *holes);
        return st;
    }
    *ret_holes = holes;
    *ret_count = count;
    return ST_OK;
}

enum status holes_read(struct job *job, const struct log *log, struct segment *segment) {
    struct log_path path;
    log_path_of_part(&path, log->path, segment->base_offset, PART_HOLES, "");
    segment_set_holes(segment, NULL, 0);
    char *text = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path.text, HOLES_FILE_BYTES_MAX, &text, &len);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) return st;
    struct hole *holes = NULL;
    uint32_t count = 0;
    st = holes_parse(job_mem(job), (struct str){text, len}, &holes, &count);
    mem_free(job_mem(job), text, len + 1);
    if (st == ST_OK && count > 0) segment_set_holes(segment, holes, count);
    return st;
}

enum status holes_write(struct job *job, const struct log *log, const struct segment *segment) {
    struct log_path path;
    log_path_of_part(&path, log->path, segment->base_offset, PART_HOLES, "");
    if (segment->hole_count == 0) {
        enum status st = job_unlink(job, path.text);
        if (st == ST_NOT_FOUND) return ST_OK;
        return st == ST_OK ? job_dir_sync(job, log->path) : st;
    }
    struct strbuf text;
    strbuf_init(&text, job_mem(job));
    strbuf_printf(&text, "0\n%" PRIu32 "\n", segment->hole_count);
    for (uint32_t i = 0; i < segment->hole_count; i++) {
        const struct hole *h = &segment->holes[i];
        strbuf_printf(&text, "%" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64 "\n", h->first_offset,
                      h->end_offset, h->position, h->end_position);
    }
    enum status st = text.failed ? ST_NOMEM
                                 : job_replace_file(job, log->path, path.text, text.data, text.len,
                                                    LOG_FILE_MODE);
    strbuf_release(&text);
    return st;
}

static enum status insert(struct segment *segment, struct mem *mem, struct hole hole) {
    uint32_t count = segment->hole_count, at = 0;
    struct hole *holes = mem_alloc(mem, (count + 1) * sizeof hole);
    if (holes == NULL) return ST_NOMEM;
    while (at < count && segment->holes[at].position < hole.position) at++;
    for (uint32_t i = 0; i < count; i++) holes[i < at ? i : i + 1] = segment->holes[i];
    holes[at] = hole;
    segment_set_holes(segment, holes, count + 1);
    return ST_OK;
}

enum status holes_note(struct job *job, const struct log *log, struct segment *segment,
                       uint64_t position, int64_t expected) {
    struct scan scan;
    struct batch_view view;
    uint32_t index = log_segment_of(log, segment->base_offset);
    struct hole hole = {.first_offset = expected,
                        .end_offset = log_segment_end(log, index),
                        .position = position,
                        .end_position = segment->size_bytes};
    enum status st = scan_init(&scan, job);
    scan_file(&scan, segment->file, segment->size_bytes);
    struct batch_search search = {.scan = &scan,
                                  .log_path = log->path,
                                  .segment_base = segment->base_offset,
                                  .expected = expected,
                                  .latest_epoch = -1};
    if (st == ST_OK) st = batch_search_behind(&search, position, &hole.end_position, &view);
    scan_release(&scan);
    if (st == ST_OK) hole.end_offset = view.base_offset;
    hole.end_offset = MAX(hole.end_offset, expected);
    if (st != ST_OK && st != ST_NOT_FOUND) return st;
    if (segment_hole_at(segment, position) != NULL) return ST_OK; /* another read's job did */
    LOG_ERROR("log",
              "damage found, the rest is served: log=%s base=%" PRId64 " offsets=[%" PRId64
              ",%" PRId64 ") octets=[%" PRIu64 ",%" PRIu64 ")",
              log->path, segment->base_offset, hole.first_offset, hole.end_offset, hole.position,
              hole.end_position);
    return insert(segment, segment->dir->io->mem, hole);
}
