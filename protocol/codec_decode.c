/* protocol/codec_decode.c - reads any message by walking its descriptors. Every octet from outside
 * is taken by a cursor here, and every length and count is judged here. */
#include "base/breathe.h"
#include "protocol/codec_field.h"
#include "protocol/cursor.h"

struct decoder {
    struct cursor in;
    struct arena *arena;
    int version;
    bool flexible;
};

static enum status decode_struct(struct decoder *d, const struct layout *layout, void *out);

/* A length or count in front of a string, bytes, records or array: -1 is null, which `nullable`
 * allows or not. `old_bytes` is the width of the length in versions that are not flexible. */
static inline enum status decode_length(struct decoder *d, const struct field *field, bool nullable,
                                        size_t old_bytes, int32_t *ret_length) {
    if (field_compact(field, d->flexible)) {
        uint32_t length;
        enum status st = cursor_uvarint(&d->in, &length);
        if (st != ST_OK) return st;
        if (length > (uint32_t)INT32_MAX) return ST_TOO_LARGE;
        *ret_length = (int32_t)length - 1;
    } else {
        const uint8_t *p = cursor_take(&d->in, old_bytes);
        if (p == NULL) return ST_SHORT;
        int32_t length = old_bytes == 2 ? (int16_t)get_u16(p) : (int32_t)get_u32(p);
        *ret_length = MAX(length, -1);
    }
    return *ret_length < 0 && !nullable ? ST_CORRUPT : ST_OK;
}

static inline enum status decode_fixed(struct decoder *d, enum field_type type, void *slot) {
    const uint8_t *p = cursor_take(&d->in, field_fixed_bytes[type]);
    if (p == NULL) return ST_SHORT;
    switch (field_fixed_bytes[type]) {
    case 1: *(uint8_t *)slot = type == FIELD_BOOL ? *p != 0 : *p; break;
    case 2: *(uint16_t *)slot = get_u16(p); break;
    case 4: *(uint32_t *)slot = get_u32(p); break;
    case 8: *(uint64_t *)slot = get_u64(p); break;
    default: memcpy(slot, p, sizeof(struct uuid)); break;
    }
    return ST_OK;
}

static enum status decode_string(struct decoder *d, const struct field *field, bool nullable,
                                 struct str *slot) {
    int32_t length;
    enum status st = decode_length(d, field, nullable, 2, &length);
    if (st != ST_OK) return st;
    *slot = STR_NULL;
    if (length < 0) return ST_OK;
    if (length > CODEC_STRING_BYTES_MAX) return ST_CORRUPT;
    const uint8_t *p = cursor_take(&d->in, (size_t)length);
    if (p == NULL) return ST_SHORT;
    *slot = (struct str){(const char *)p, (size_t)length};
    return ST_OK;
}

static enum status decode_bytes(struct decoder *d, const struct field *field, bool nullable,
                                struct bytes *slot) {
    int32_t length;
    enum status st = decode_length(d, field, nullable, 4, &length);
    if (st != ST_OK) return st;
    *slot = BYTES_NULL;
    if (length < 0) return ST_OK;
    const uint8_t *p = cursor_take(&d->in, (size_t)length);
    if (p == NULL) return ST_SHORT;
    *slot = (struct bytes){p, (size_t)length};
    return ST_OK;
}

/* One value that is there and not null: a struct in place, or anything that is not a struct. */
static enum status decode_one(struct decoder *d, const struct field *field, bool nullable,
                              void *slot) {
    switch (field->type) {
    case FIELD_STRING: return decode_string(d, field, nullable, slot);
    case FIELD_BYTES: return decode_bytes(d, field, nullable, slot);
    case FIELD_RECORDS:
        *(struct records *)slot = (struct records){0};
        return decode_bytes(d, field, nullable, &((struct records *)slot)->bytes);
    case FIELD_STRUCT: return decode_struct(d, field->layout, slot);
    default: return decode_fixed(d, field->type, slot);
    }
}

static enum status decode_array(struct decoder *d, const struct field *field,
                                struct field_array *slot) {
    bool nullable = field_in(field->nullable, d->version);
    int32_t count;
    enum status st = decode_length(d, field, nullable, 4, &count);
    if (st != ST_OK) return st;
    slot->items = NULL;
    slot->count = count;
    if (count <= 0) return ST_OK;
    if ((size_t)count >
        cursor_left(&d->in) / field_element_min_bytes(field, d->version, d->flexible)) {
        return ST_SHORT;
    }
    if (count > LIMIT_ARRAY_ELEMENTS) return ST_TOO_LARGE;
    size_t stride = field_element_bytes(field);
    uint8_t *item = arena_array(d->arena, (size_t)count, stride);
    if (item == NULL) return ST_NOMEM;
    slot->items = item;
    for (const uint8_t *end = item + (size_t)count * stride; item < end; item += stride) {
        st = decode_one(d, field, false, item); /* elements are never null */
        if (st != ST_OK) return st;
        breathe();
    }
    return ST_OK;
}

/* What stands in front of a struct that may be null: an int8, negative for null; in a tagged field
 * a varint, 0 for null. */
static enum status decode_mark(struct decoder *d, const struct field *field, bool *ret_null) {
    *ret_null = false;
    if (!field_in(field->nullable, d->version)) return ST_OK;
    if (field_in(field->tagged, d->version)) {
        uint32_t mark;
        enum status st = cursor_uvarint(&d->in, &mark);
        if (st == ST_OK) *ret_null = mark == 0;
        return st == ST_OK && mark > (uint32_t)INT32_MAX ? ST_TOO_LARGE : st;
    }
    const uint8_t *p = cursor_take(&d->in, 1);
    if (p == NULL) return ST_SHORT;
    *ret_null = (int8_t)*p < 0;
    return ST_OK;
}

static enum status decode_pointer(struct decoder *d, const struct field *field, void **slot) {
    bool null;
    enum status st = decode_mark(d, field, &null);
    if (st != ST_OK) return st;
    *slot = NULL;
    if (null) return ST_OK;
    *slot = arena_alloc(d->arena, field->layout->bytes);
    if (*slot == NULL) return ST_NOMEM;
    return decode_struct(d, field->layout, *slot);
}

static inline enum status decode_field(struct decoder *d, const struct field *field, void *slot) {
    if (field_fixed(field)) return decode_fixed(d, field->type, slot);
    if (field->flags & FIELD_ARRAY) return decode_array(d, field, slot);
    if (field->flags & FIELD_POINTER) return decode_pointer(d, field, slot);
    return decode_one(d, field, field_in(field->nullable, d->version), slot);
}

/* A tagged field in its own bounds: what it holds must end where its size says. */
static enum status decode_tagged_field(struct decoder *d, const struct field *field, void *slot,
                                       size_t size) {
    const uint8_t *end = d->in.end;
    d->in.end = d->in.at + size;
    enum status st = decode_field(d, field, slot);
    if (st == ST_SHORT || (st == ST_OK && d->in.at != d->in.end)) st = ST_CORRUPT;
    d->in.end = end;
    return st;
}

static enum status decode_tagged(struct decoder *d, const struct layout *layout, uint8_t *out) {
    struct tagged_fields *unknown = (struct tagged_fields *)(out + layout->unknown_offset);
    *unknown = (struct tagged_fields){0};
    uint32_t count;
    enum status st = cursor_uvarint(&d->in, &count);
    if (st != ST_OK || count == 0) return st;
    if (count > cursor_left(&d->in) / 2) return ST_SHORT; /* a tag and a size each */
    if (count > LIMIT_TAGGED_FIELDS) return ST_TOO_LARGE;
    int64_t last_tag = -1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag, size;
        st = cursor_uvarint(&d->in, &tag);
        if (st == ST_OK) st = cursor_uvarint(&d->in, &size);
        if (st != ST_OK) return st;
        if (tag <= last_tag) return ST_CORRUPT;
        last_tag = tag;
        if (size > cursor_left(&d->in)) return ST_SHORT;
        const struct field *field = layout_tagged(layout, tag);
        if (field != NULL) {
            if (!field_in(field->tagged, d->version)) return ST_CORRUPT;
            st = decode_tagged_field(d, field, out + field->offset, size);
            if (st != ST_OK) return st;
            continue;
        }
        if (unknown->fields == NULL) {
            unknown->fields = arena_array(d->arena, count - i, sizeof *unknown->fields);
            if (unknown->fields == NULL) return ST_NOMEM;
        }
        unknown->fields[unknown->count++] =
            (struct tagged_field){.tag = tag, .bytes = {cursor_take(&d->in, size), size}};
    }
    return ST_OK;
}

static enum status decode_struct(struct decoder *d, const struct layout *layout, void *out) {
    const struct field *end = layout->fields + layout->field_count;
    for (const struct field *field = layout->fields; field < end; field++) {
        void *slot = (uint8_t *)out + field->offset;
        if (field_inline(field, d->version)) {
            enum status st = decode_field(d, field, slot);
            if (st != ST_OK) return st;
        } else {
            field_set_default(field, slot);
        }
    }
    if (d->flexible) return decode_tagged(d, layout, out);
    layout_clear_unknown(layout, out);
    return ST_OK;
}

enum status codec_decode(const struct schema *schema, int16_t version, struct bytes in,
                         struct arena *arena, void *out, size_t *ret_used) {
    if (!schema_has(schema, version)) return ST_UNSUPPORTED;
    struct decoder d = {.in = cursor_of(in),
                        .arena = arena,
                        .version = version,
                        .flexible = schema_flexible(schema, version)};
    const uint8_t *start = d.in.at;
    enum status st = decode_struct(&d, schema->layout, out);
    if (st == ST_OK && ret_used != NULL) *ret_used = (size_t)(d.in.at - start);
    return st;
}
