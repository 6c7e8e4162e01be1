/* log/checkpoint.c - `topic partition offset` lines at the root of a log directory.
 * Source: org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/strbuf.h"
#include "log/dir.h"
#include "log/lines.h"
#include "log/names.h"

#define CHECKPOINT_FILE_BYTES_MAX ((size_t)256 << 20)

static int compare(struct str topic_a, int32_t partition_a, struct str topic_b,
                   int32_t partition_b) {
    int order = str_cmp(topic_a, topic_b);
    if (order != 0) return order;
    return partition_a < partition_b ? -1 : partition_a > partition_b;
}

static int compare_entries(const void *a, const void *b) {
    const struct checkpoint_entry *x = a, *y = b;
    return compare(x->topic, x->partition, y->topic, y->partition);
}

/* `text` is the arena's. */
static enum status parse(struct str text, struct arena *arena, struct checkpoint *ret_checkpoint,
                         uint32_t *ret_line) {
    struct lines lines;
    uint32_t count = 0;
    enum status st = lines_begin(&lines, text, &count);
    *ret_line = lines.number;
    if (st != ST_OK) return st;
    struct checkpoint_entry *entries = arena_array(arena, count, sizeof *entries);
    if (entries == NULL) return ST_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct str words[3];
        int64_t partition = 0;
        st = lines_words(&lines, words, 3);
        *ret_line = lines.number;
        if (st != ST_OK) return st;
        if (!str_to_int64(words[1], &partition) || partition < 0 || partition > INT32_MAX ||
            !str_to_int64(words[2], &entries[i].offset)) {
            return ST_CORRUPT;
        }
        entries[i].topic = words[0];
        entries[i].partition = (int32_t)partition;
    }
    st = lines_end(&lines);
    *ret_line = lines.number;
    if (st != ST_OK) return st;
    if (count > 1) qsort(entries, count, sizeof *entries, compare_entries);
    *ret_checkpoint = (struct checkpoint){entries, count};
    return ST_OK;
}

enum status checkpoint_read(struct job *job, struct str dir, const char *file, struct arena *arena,
                            struct checkpoint *ret_checkpoint, uint32_t *ret_line) {
    struct log_path path;
    log_path_of_name(&path, dir.ptr, file, "");
    *ret_checkpoint = (struct checkpoint){0};
    *ret_line = 0;
    char *data = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path.text, CHECKPOINT_FILE_BYTES_MAX, &data, &len);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) return st;
    struct str text = arena_str(arena, (struct str){data, len});
    mem_free(job_mem(job), data, len + 1);
    return text.ptr != NULL ? parse(text, arena, ret_checkpoint, ret_line) : ST_NOMEM;
}

enum status checkpoint_write(struct job *job, struct str dir, const char *file,
                             const struct checkpoint *checkpoint) {
    struct strbuf text;
    strbuf_init(&text, job_mem(job));
    strbuf_printf(&text, "0\n%" PRIu32 "\n", checkpoint->count);
    for (uint32_t i = 0; i < checkpoint->count; i++) {
        const struct checkpoint_entry *entry = &checkpoint->entries[i];
        strbuf_printf(&text, "%.*s %" PRId32 " %" PRId64 "\n", STR_ARG(entry->topic),
                      entry->partition, entry->offset);
    }
    struct log_path path;
    log_path_of_name(&path, dir.ptr, file, "");
    enum status st =
        text.failed ? ST_NOMEM
                    : job_replace_file(job, dir.ptr, path.text, text.data, text.len, LOG_FILE_MODE);
    strbuf_release(&text);
    return st;
}

int64_t checkpoint_find(const struct checkpoint *checkpoint, struct str topic, int32_t partition,
                        int64_t missing) {
    uint32_t low = 0, high = checkpoint->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct checkpoint_entry *entry = &checkpoint->entries[middle];
        int order = compare(entry->topic, entry->partition, topic, partition);
        if (order == 0) return entry->offset;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return missing;
}
