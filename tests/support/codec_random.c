/* tests/support/codec_random.c - walks the descriptors and rolls dice. */
#include "codec_random.h"
#include "base/assert.h"
#include "protocol/codec_field.h"

struct filler {
    struct prng *prng;
    struct arena *arena;
    int version;
    bool flexible, unknown;
};

static void *filler_alloc(struct filler *f, size_t count, size_t size) {
    void *ptr = arena_array(f->arena, count, size);
    ASSERT(ptr != NULL);
    return ptr;
}

static struct bytes random_bytes(struct filler *f) {
    size_t len =
        prng_chance(f->prng, 1, 16) ? 100 + prng_below(f->prng, 200) : prng_below(f->prng, 12);
    uint8_t *ptr = filler_alloc(f, len + 1, 1);
    prng_fill(f->prng, ptr, len);
    return (struct bytes){ptr, len};
}

static struct str random_text(struct filler *f) {
    static const char *const parts[] = {
        "a",  "Z9", "topic-", ".", "_",        "\"",           "\\",
        "/",  "\n", "\x01",   " ", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8c\x8a",
        "<&>"};
    size_t part_count = prng_chance(f->prng, 1, 32) ? 150 : prng_below(f->prng, 8);
    char *ptr = filler_alloc(f, part_count * 8 + 1, 1);
    size_t len = 0;
    for (size_t i = 0; i < part_count; i++) {
        const char *part = parts[prng_below(f->prng, COUNT(parts))];
        memcpy(ptr + len, part, strlen(part));
        len += strlen(part);
    }
    return (struct str){ptr, len};
}

static double random_double(struct filler *f) {
    static const double some[] = {0.0, 1.0,        -1.5,  1e7,    1e-3,
                                  0.1, 123456.789, 1e300, 5e-324, 1024.0};
    if (prng_chance(f->prng, 1, 2)) return some[prng_below(f->prng, COUNT(some))];
    return (double)(int64_t)prng_next(f->prng) / (double)(1 + prng_below(f->prng, 1000000));
}

static void fill_struct(struct filler *f, const struct layout *layout, void *out);

static void fill_one(struct filler *f, const struct field *field, void *slot) {
    bool null = field_in(field->nullable, f->version) && !(field->flags & FIELD_ARRAY) &&
                prng_chance(f->prng, 1, 4);
    switch (field->type) {
    case FIELD_BOOL: *(bool *)slot = prng_chance(f->prng, 1, 2); break;
    case FIELD_FLOAT64: *(double *)slot = random_double(f); break;
    case FIELD_STRING: *(struct str *)slot = null ? STR_NULL : random_text(f); break;
    case FIELD_BYTES: *(struct bytes *)slot = null ? BYTES_NULL : random_bytes(f); break;
    case FIELD_RECORDS:
        *(struct records *)slot = (struct records){.bytes = null ? BYTES_NULL : random_bytes(f)};
        break;
    case FIELD_STRUCT: fill_struct(f, field->layout, slot); break;
    default: {
        size_t bytes = field_fixed_bytes[field->type];
        prng_fill(f->prng, slot, bytes);
        if (prng_chance(f->prng, 1, 2)) { /* an edge: 0, -1, the smallest or the largest */
            uint8_t low = prng_chance(f->prng, 1, 2) ? 0xff : 0;
            memset(slot, low, bytes);
            if (prng_chance(f->prng, 1, 2)) ((uint8_t *)slot)[bytes - 1] ^= 0x80;
        }
        break;
    }
    }
}

static void fill_field(struct filler *f, const struct field *field, void *slot) {
    bool null = field_in(field->nullable, f->version) && prng_chance(f->prng, 1, 4);
    if (field->flags & FIELD_ARRAY) {
        struct field_array *array = slot;
        array->count = null ? -1 : (int32_t)prng_below(f->prng, 4);
        array->items = NULL;
        if (array->count <= 0) return;
        size_t stride = field_element_bytes(field);
        array->items = filler_alloc(f, (size_t)array->count, stride);
        for (int32_t i = 0; i < array->count; i++)
            fill_one(f, field, (uint8_t *)array->items + (size_t)i * stride);
    } else if (field->flags & FIELD_POINTER) {
        *(void **)slot = NULL;
        if (null) return;
        *(void **)slot = filler_alloc(f, 1, field->layout->bytes);
        fill_struct(f, field->layout, *(void **)slot);
    } else {
        fill_one(f, field, slot);
    }
}

static void fill_unknown(struct filler *f, const struct layout *layout,
                         struct tagged_fields *unknown) {
    *unknown = (struct tagged_fields){0};
    if (!f->unknown || !prng_chance(f->prng, 1, 3)) return;
    unknown->fields = filler_alloc(f, 3, sizeof *unknown->fields);
    uint32_t tag = 0;
    for (int i = 0; i < 3; i++) {
        tag += (uint32_t)prng_below(f->prng, prng_chance(f->prng, 1, 8) ? 1000000 : 4);
        if (layout_tagged(layout, tag) == NULL) {
            unknown->fields[unknown->count++] =
                (struct tagged_field){.tag = tag, .bytes = random_bytes(f)};
        }
        tag++;
    }
}

/* False where the default is null and the version has no null. */
static bool default_is_written(const struct filler *f, const struct field *field) {
    bool null = (field->flags & FIELD_DEFAULT_NULL) || field->type == FIELD_RECORDS;
    return !null || field_in(field->nullable, f->version);
}

static void fill_struct(struct filler *f, const struct layout *layout, void *out) {
    bool plain =
        prng_chance(f->prng, 1, 16); /* all defaults: as a tagged field it is not written */
    for (unsigned i = 0; i < layout->field_count; i++) {
        const struct field *field = &layout->fields[i];
        void *slot = (uint8_t *)out + field->offset;
        field_set_default(field, slot);
        if (!field_in(field->present, f->version)) continue;
        if (field_in(field->tagged, f->version) && prng_chance(f->prng, 1, 2)) continue;
        if (plain && default_is_written(f, field)) continue;
        fill_field(f, field, slot);
    }
    if (layout->unknown_offset < 0) return;
    layout_clear_unknown(layout, out);
    if (f->flexible && !plain) fill_unknown(f, layout, layout_unknown(layout, out));
}

void codec_random(const struct schema *schema, int16_t version, bool unknown, struct prng *prng,
                  struct arena *arena, void *message) {
    struct filler f = {.prng = prng,
                       .arena = arena,
                       .version = version,
                       .flexible = schema_flexible(schema, version),
                       .unknown = unknown};
    fill_struct(&f, schema->layout, message);
}
