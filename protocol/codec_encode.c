/* protocol/codec_encode.c - sizes and writes any message by walking its descriptors: one pass to
 * know how long it gets, one to write, so that the caller can place it where it leaves from. */
#include "base/assert.h"
#include "base/breathe.h"
#include "protocol/codec_field.h"
#include "protocol/wire.h"

/* ---- size ---- */

struct dialect {
    int version;
    bool flexible;
};

static size_t size_struct(struct dialect dialect, const struct layout *layout, const void *message);

/* LENGTH_NULL takes one octet in compact form, as 0 does: lengths are one larger there. */
#define LENGTH_NULL UINT64_MAX

static inline size_t size_length(struct dialect dialect, const struct field *field,
                                 size_t old_bytes, uint64_t length) {
    return field_compact(field, dialect.flexible) ? wire_uvarlong_bytes(length + 1) : old_bytes;
}

static size_t size_one(struct dialect dialect, const struct field *field, const void *slot) {
    switch (field->type) {
    case FIELD_STRING: {
        const struct str *s = slot;
        if (s->ptr == NULL) return size_length(dialect, field, 2, LENGTH_NULL);
        return size_length(dialect, field, 2, s->len) + s->len;
    }
    case FIELD_BYTES: {
        const struct bytes *b = slot;
        if (b->ptr == NULL) return size_length(dialect, field, 4, LENGTH_NULL);
        return size_length(dialect, field, 4, b->len) + b->len;
    }
    case FIELD_RECORDS: {
        const struct records *r = slot;
        if (r->external != NULL) return size_length(dialect, field, 4, r->external_bytes);
        if (r->bytes.ptr == NULL) return size_length(dialect, field, 4, LENGTH_NULL);
        return size_length(dialect, field, 4, r->bytes.len) + r->bytes.len;
    }
    case FIELD_STRUCT: return size_struct(dialect, field->layout, slot);
    default: return field_fixed_bytes[field->type];
    }
}

static size_t size_field(struct dialect dialect, const struct field *field, const void *slot) {
    if (field_fixed(field)) return field_fixed_bytes[field->type];
    if (field->flags & FIELD_ARRAY) {
        const struct field_array *array = slot;
        if (array->count < 0) return size_length(dialect, field, 4, LENGTH_NULL);
        size_t size = size_length(dialect, field, 4, (uint64_t)array->count);
        size_t stride = field_element_bytes(field);
        if (field->type <= FIELD_UUID) return size + (size_t)array->count * stride;
        const uint8_t *item = array->items;
        for (int32_t i = 0; i < array->count; i++) {
            size += size_one(dialect, field, item + (size_t)i * stride);
            breathe();
        }
        return size;
    }
    if (field->flags & FIELD_POINTER) {
        size_t mark = field_in(field->nullable, dialect.version);
        const void *target = *(void *const *)slot;
        return mark + (target != NULL ? size_struct(dialect, field->layout, target) : 0);
    }
    return size_one(dialect, field, slot);
}

static size_t size_tagged(struct dialect dialect, const struct layout *layout,
                          const uint8_t *message) {
    const struct tagged_fields *unknown =
        (const struct tagged_fields *)(message + layout->unknown_offset);
    size_t size = 0;
    uint32_t count = (uint32_t)unknown->count;
    for (unsigned i = 0; i < layout->tagged_count; i++) {
        const struct field *field = &layout->fields[layout->tagged[i]];
        const void *slot = message + field->offset;
        if (!field_in(field->tagged, dialect.version) || field_is_default(field, slot)) continue;
        size_t bytes = size_field(dialect, field, slot);
        size += wire_uvarlong_bytes((uint64_t)field->tag) + wire_uvarlong_bytes(bytes) + bytes;
        count++;
    }
    for (int32_t i = 0; i < unknown->count; i++) {
        const struct tagged_field *field = &unknown->fields[i];
        size += wire_uvarlong_bytes(field->tag) + wire_uvarlong_bytes(field->bytes.len) +
                field->bytes.len;
    }
    return size + wire_uvarlong_bytes(count);
}

static size_t size_struct(struct dialect dialect, const struct layout *layout,
                          const void *message) {
    const struct field *end = layout->fields + layout->field_count;
    size_t size = 0;
    for (const struct field *field = layout->fields; field < end; field++) {
        if (!field_inline(field, dialect.version)) continue;
        size += size_field(dialect, field, (const uint8_t *)message + field->offset);
    }
    return dialect.flexible ? size + size_tagged(dialect, layout, message) : size;
}

size_t codec_size(const struct schema *schema, int16_t version, const void *message) {
    ASSERT(schema_has(schema, version));
    struct dialect dialect = {version, schema_flexible(schema, version)};
    return size_struct(dialect, schema->layout, message);
}

/* ---- encode ---- */

struct encoder {
    uint8_t *start, *at, *end;
    struct codec_cuts *cuts;
    struct dialect dialect;
};

static enum status encode_struct(struct encoder *e, const struct layout *layout,
                                 const void *message);

/* Room for `count` octets, or NULL: then size was not codec_size's. */
static inline uint8_t *encode_room(struct encoder *e, size_t count) {
    if (count > (size_t)(e->end - e->at)) return NULL;
    uint8_t *room = e->at;
    e->at += count;
    return room;
}

static inline enum status encode_uvarint(struct encoder *e, uint64_t value) {
    uint8_t *room = encode_room(e, wire_uvarlong_bytes(value));
    if (room == NULL) return ST_INVALID;
    (void)wire_put_uvarlong(room, value); /* as long as the room */
    return ST_OK;
}

static enum status encode_length(struct encoder *e, const struct field *field, size_t old_bytes,
                                 uint64_t length) {
    if (length >= INT32_MAX) return ST_TOO_LARGE; /* compact lengths are one larger on the wire */
    if (field_compact(field, e->dialect.flexible)) return encode_uvarint(e, length + 1);
    uint8_t *room = encode_room(e, old_bytes);
    if (room == NULL) return ST_INVALID;
    if (old_bytes == 2) {
        put_u16(room, (uint16_t)length);
    } else {
        put_u32(room, (uint32_t)length);
    }
    return ST_OK;
}

static enum status encode_null(struct encoder *e, const struct field *field, bool nullable,
                               size_t old_bytes) {
    if (!nullable) return ST_INVALID;
    if (field_compact(field, e->dialect.flexible)) return encode_uvarint(e, 0);
    uint8_t *room = encode_room(e, old_bytes);
    if (room == NULL) return ST_INVALID;
    memset(room, 0xff, old_bytes);
    return ST_OK;
}

static enum status encode_octets(struct encoder *e, const void *ptr, size_t len) {
    uint8_t *room = encode_room(e, len);
    if (room == NULL) return ST_INVALID;
    if (len > 0) memcpy(room, ptr, len);
    return ST_OK;
}

static enum status encode_string(struct encoder *e, const struct field *field, bool nullable,
                                 const struct str *s) {
    if (s->ptr == NULL) return encode_null(e, field, nullable, 2);
    if (s->len > CODEC_STRING_BYTES_MAX) return ST_TOO_LARGE;
    enum status st = encode_length(e, field, 2, s->len);
    return st == ST_OK ? encode_octets(e, s->ptr, s->len) : st;
}

static enum status encode_bytes(struct encoder *e, const struct field *field, bool nullable,
                                const struct bytes *b) {
    if (b->ptr == NULL) return encode_null(e, field, nullable, 4);
    enum status st = encode_length(e, field, 4, b->len);
    return st == ST_OK ? encode_octets(e, b->ptr, b->len) : st;
}

static enum status encode_records(struct encoder *e, const struct field *field, bool nullable,
                                  const struct records *r) {
    if (r->external == NULL) return encode_bytes(e, field, nullable, &r->bytes);
    struct codec_cuts *cuts = e->cuts;
    if (cuts == NULL || cuts->count == cuts->capacity) return ST_FULL;
    enum status st = encode_length(e, field, 4, r->external_bytes);
    if (st != ST_OK) return st;
    cuts->cuts[cuts->count++] = (struct codec_cut){.position = (size_t)(e->at - e->start),
                                                   .bytes = r->external_bytes,
                                                   .external = r->external};
    cuts->external_bytes += r->external_bytes;
    return ST_OK;
}

static inline enum status encode_fixed(struct encoder *e, enum field_type type, const void *slot) {
    uint8_t *room = encode_room(e, field_fixed_bytes[type]);
    if (room == NULL) return ST_INVALID;
    switch (field_fixed_bytes[type]) {
    case 1: *room = *(const uint8_t *)slot; break;
    case 2: put_u16(room, *(const uint16_t *)slot); break;
    case 4: put_u32(room, *(const uint32_t *)slot); break;
    case 8: put_u64(room, *(const uint64_t *)slot); break;
    default: memcpy(room, slot, sizeof(struct uuid)); break;
    }
    return ST_OK;
}

static enum status encode_one(struct encoder *e, const struct field *field, bool nullable,
                              const void *slot) {
    switch (field->type) {
    case FIELD_STRING: return encode_string(e, field, nullable, slot);
    case FIELD_BYTES: return encode_bytes(e, field, nullable, slot);
    case FIELD_RECORDS: return encode_records(e, field, nullable, slot);
    case FIELD_STRUCT: return encode_struct(e, field->layout, slot);
    default: return encode_fixed(e, field->type, slot);
    }
}

static enum status encode_array(struct encoder *e, const struct field *field,
                                const struct field_array *array) {
    bool nullable = field_in(field->nullable, e->dialect.version);
    if (array->count < 0) return encode_null(e, field, nullable, 4);
    enum status st = encode_length(e, field, 4, (uint64_t)array->count);
    const uint8_t *item = array->items;
    size_t stride = field_element_bytes(field);
    for (int32_t i = 0; i < array->count && st == ST_OK; i++, item += stride) {
        st = encode_one(e, field, false, item); /* elements are never null */
        breathe();
    }
    return st;
}

static enum status encode_pointer(struct encoder *e, const struct field *field,
                                  const void *target) {
    bool nullable = field_in(field->nullable, e->dialect.version);
    if (target == NULL && !nullable) return ST_INVALID;
    if (nullable) {
        uint8_t *room = encode_room(e, 1);
        if (room == NULL) return ST_INVALID;
        *room = target != NULL ? 1 : field_in(field->tagged, e->dialect.version) ? 0 : 0xff;
    }
    return target != NULL ? encode_struct(e, field->layout, target) : ST_OK;
}

static inline enum status encode_field(struct encoder *e, const struct field *field,
                                       const void *slot) {
    if (field_fixed(field)) return encode_fixed(e, field->type, slot);
    if (field->flags & FIELD_ARRAY) return encode_array(e, field, slot);
    if (field->flags & FIELD_POINTER) return encode_pointer(e, field, *(void *const *)slot);
    return encode_one(e, field, field_in(field->nullable, e->dialect.version), slot);
}

/* Unknown fields from *index on whose tag is below `end`. */
static enum status encode_unknown(struct encoder *e, const struct layout *layout,
                                  const struct tagged_fields *unknown, int32_t *index,
                                  int64_t *last_tag, int64_t end) {
    for (; *index < unknown->count && unknown->fields[*index].tag < end; ++*index) {
        const struct tagged_field *field = &unknown->fields[*index];
        if (field->tag <= *last_tag || layout_tagged(layout, field->tag) != NULL) return ST_INVALID;
        *last_tag = field->tag;
        enum status st = encode_uvarint(e, field->tag);
        if (st == ST_OK) st = encode_uvarint(e, field->bytes.len);
        if (st == ST_OK) st = encode_octets(e, field->bytes.ptr, field->bytes.len);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static enum status encode_tagged(struct encoder *e, const struct layout *layout,
                                 const uint8_t *message) {
    const struct tagged_fields *unknown =
        (const struct tagged_fields *)(message + layout->unknown_offset);
    const struct field *known[UINT8_MAX];
    unsigned known_count = 0;
    for (unsigned i = 0; i < layout->tagged_count; i++) {
        const struct field *field = &layout->fields[layout->tagged[i]];
        if (!field_in(field->tagged, e->dialect.version)) continue;
        if (!field_is_default(field, message + field->offset)) known[known_count++] = field;
    }
    enum status st = encode_uvarint(e, known_count + (uint32_t)unknown->count);
    int32_t unknown_index = 0;
    int64_t last_tag = -1;
    for (unsigned i = 0; i < known_count && st == ST_OK; i++) {
        const struct field *field = known[i];
        const void *slot = message + field->offset;
        st = encode_unknown(e, layout, unknown, &unknown_index, &last_tag, field->tag);
        if (st == ST_OK) st = encode_uvarint(e, (uint64_t)field->tag);
        if (st == ST_OK) st = encode_uvarint(e, size_field(e->dialect, field, slot));
        if (st == ST_OK) st = encode_field(e, field, slot);
        last_tag = field->tag;
    }
    if (st == ST_OK) st = encode_unknown(e, layout, unknown, &unknown_index, &last_tag, INT64_MAX);
    return st;
}

static enum status encode_struct(struct encoder *e, const struct layout *layout,
                                 const void *message) {
    const struct field *end = layout->fields + layout->field_count;
    for (const struct field *field = layout->fields; field < end; field++) {
        const void *slot = (const uint8_t *)message + field->offset;
        if (field_inline(field, e->dialect.version)) {
            enum status st = encode_field(e, field, slot);
            if (st != ST_OK) return st;
        } else if (!field_in(field->present, e->dialect.version) &&
                   !(field->flags & FIELD_IGNORABLE) && !field_is_default(field, slot)) {
            return ST_UNSUPPORTED;
        }
    }
    if (e->dialect.flexible) return encode_tagged(e, layout, message);
    return layout_unknown_count(layout, message) == 0 ? ST_OK : ST_UNSUPPORTED;
}

enum status codec_encode(const struct schema *schema, int16_t version, const void *message,
                         uint8_t *out, size_t size, struct codec_cuts *cuts) {
    if (!schema_has(schema, version)) return ST_UNSUPPORTED;
    struct encoder e = {.start = out,
                        .at = out,
                        .end = out + size,
                        .cuts = cuts,
                        .dialect = {version, schema_flexible(schema, version)}};
    enum status st = encode_struct(&e, schema->layout, message);
    if (st == ST_OK && e.at != e.end) return ST_INVALID;
    return st;
}

enum status codec_encode_arena(const struct schema *schema, int16_t version, const void *message,
                               struct arena *arena, struct bytes *ret_bytes) {
    if (!schema_has(schema, version)) return ST_UNSUPPORTED;
    size_t size = codec_size(schema, version, message);
    uint8_t *out = arena_alloc(arena, size);
    if (out == NULL) return ST_NOMEM;
    enum status st = codec_encode(schema, version, message, out, size, NULL);
    if (st == ST_OK) *ret_bytes = (struct bytes){out, size};
    return st;
}
