/* tests/unit/controller/golden.c - reading what Apache Kafka wrote. */
#include "golden.h"
#include "base/strbuf.h"
#include "controller/metadata/metadata_record.h"
#include "protocol/record_iter.h"
#include <criterion/criterion.h>
#include <stdio.h>

struct bytes golden_file(struct arena *arena, const char *name) {
    struct str path = arena_printf(arena, "%s/%s", GOLDEN_DIR, name);
    FILE *file = fopen(path.ptr, "rb");
    cr_assert_not_null(file, "%s", path.ptr);
    enum { LIMIT = 1 << 20 };
    uint8_t *data = arena_alloc(arena, LIMIT);
    size_t len = fread(data, 1, LIMIT, file);
    cr_assert(len < LIMIT && ferror(file) == 0, "%s", path.ptr);
    (void)fclose(file);
    return (struct bytes){data, len};
}

struct image *golden_apply(struct image *image, struct bytes file, int64_t end_offset,
                           struct arena *arena) {
    struct record_iter iter;
    record_iter_init(&iter, image_mem(image));
    for (size_t at = 0; at < file.len;) {
        struct batch_view view;
        struct bytes rest = {file.ptr + at, file.len - at};
        cr_assert_eq(batch_open(rest, &view), ST_OK, "at %zu", at);
        at += view.batch_bytes;
        if (batch_is_control(&view) || view.base_offset >= end_offset) continue;
        struct bytes *values = arena_array(arena, (size_t)view.record_count, sizeof *values);
        uint32_t count = 0;
        struct record record;
        record_iter_open(&iter, &view, 0);
        while (record_iter_next(&iter, &record)) values[count++] = arena_bytes(arena, record.value);
        record_iter_close(&iter);
        cr_assert_eq(iter.status, ST_OK);
        struct image *next;
        struct image_delta delta;
        enum status st = image_apply(image, values, count, batch_last_offset(&view),
                                     view.partition_leader_epoch, arena, &next, &delta);
        cr_assert_eq(st, ST_OK, "offset %lld: %s: %.*s", (long long)view.base_offset,
                     status_name(st), STR_ARG(delta.problem));
        image_free(image);
        image = next;
    }
    record_iter_release(&iter);
    return image;
}

struct lines {
    struct arena *arena;
    struct mem *mem;
    struct str *items;
    size_t count;
};

enum { LINES_MAX = 4096 };

static enum status add_line(void *context, struct bytes value) {
    struct lines *lines = context;
    struct metadata_record record;
    uint8_t decoded[1024];
    cr_assert_eq(metadata_record_open(value, &record), ST_OK);
    cr_assert(record.schema->layout->bytes <= sizeof decoded);
    cr_assert_eq(metadata_record_decode(&record, lines->arena, decoded), ST_OK);
    struct strbuf sb;
    strbuf_init(&sb, lines->mem);
    strbuf_printf(&sb, "%s v%d ", record.schema->name, record.version);
    codec_print_json(record.schema, record.version, decoded, &sb);
    cr_assert(lines->count < LINES_MAX && !sb.failed);
    lines->items[lines->count++] = arena_str(lines->arena, strbuf_str(&sb));
    strbuf_release(&sb);
    return ST_OK;
}

static int line_order(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct str golden_text(const struct image *image, struct arena *arena) {
    struct lines lines = {.arena = arena, .mem = image_mem(image)};
    lines.items = arena_array(arena, LINES_MAX, sizeof *lines.items);
    cr_assert_eq(image_write(image, arena, add_line, &lines), ST_OK);
    qsort(lines.items, lines.count, sizeof *lines.items, line_order);
    struct strbuf sb;
    strbuf_init(&sb, lines.mem);
    for (size_t i = 0; i < lines.count; i++) {
        strbuf_add_str(&sb, lines.items[i]);
        strbuf_add_char(&sb, '\n');
    }
    struct str text = arena_str(arena, strbuf_str(&sb));
    strbuf_release(&sb);
    return text;
}
