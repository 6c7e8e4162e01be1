/* protocol/codec_value.c - defaults and equality of messages, without bytes. */
#include "base/breathe.h"
#include "protocol/codec_field.h"

const uint8_t field_fixed_bytes[FIELD_STRUCT + 1] = {
    [FIELD_BOOL] = 1,   [FIELD_INT8] = 1,    [FIELD_INT16] = 2,
    [FIELD_UINT16] = 2, [FIELD_INT32] = 4,   [FIELD_UINT32] = 4,
    [FIELD_INT64] = 8,  [FIELD_FLOAT64] = 8, [FIELD_UUID] = 16,
};

/* ---- defaults ---- */

/* Fixed sizes, so that no call to memcpy or memcmp remains: this runs for every field that a
 * version lacks. */
static void set_number(const struct field *field, void *slot) {
    switch (field_fixed_bytes[field->type]) {
    case 1: *(uint8_t *)slot = (uint8_t)field->initial; break;
    case 2: *(uint16_t *)slot = (uint16_t)field->initial; break;
    case 4: *(uint32_t *)slot = (uint32_t)field->initial; break;
    default: *(uint64_t *)slot = (uint64_t)field->initial; break; /* a double's only default is 0 */
    }
}

static bool number_is_initial(const struct field *field, const void *slot) {
    switch (field_fixed_bytes[field->type]) {
    case 1: return *(const uint8_t *)slot == (uint8_t)field->initial;
    case 2: return *(const uint16_t *)slot == (uint16_t)field->initial;
    case 4: return *(const uint32_t *)slot == (uint32_t)field->initial;
    default: return *(const uint64_t *)slot == (uint64_t)field->initial;
    }
}

void field_set_default(const struct field *field, void *slot) {
    bool null = (field->flags & FIELD_DEFAULT_NULL) != 0;
    if (field->flags & FIELD_ARRAY) {
        struct field_array *array = slot;
        array->items = NULL; /* member by member: another field may lie in the padding */
        array->count = null ? -1 : 0;
        return;
    }
    if (field->flags & FIELD_POINTER) {
        *(const void **)slot = null ? NULL : field->layout->initial;
        return;
    }
    switch (field->type) {
    case FIELD_STRING: *(struct str *)slot = null ? STR_NULL : STR(""); break;
    case FIELD_BYTES:
        *(struct bytes *)slot = null ? BYTES_NULL : (struct bytes){(const uint8_t *)"", 0};
        break;
    case FIELD_RECORDS: *(struct records *)slot = (struct records){0}; break;
    case FIELD_STRUCT: codec_layout_defaults(field->layout, slot); break;
    case FIELD_UUID: *(struct uuid *)slot = UUID_ZERO; break;
    default: set_number(field, slot); break;
    }
}

void codec_layout_defaults(const struct layout *layout, void *object) {
    const struct field *end = layout->fields + layout->field_count;
    for (const struct field *field = layout->fields; field < end; field++) {
        field_set_default(field, (uint8_t *)object + field->offset);
    }
    layout_clear_unknown(layout, object);
}

void codec_defaults(const struct schema *schema, void *message) {
    codec_layout_defaults(schema->layout, message);
}

void *codec_array(struct arena *arena, const struct layout *layout, int32_t count) {
    if (count < 0) return NULL;
    uint8_t *items = arena_array(arena, (size_t)count, layout->bytes);
    if (items == NULL) return NULL;
    for (int32_t i = 0; i < count; i++) {
        codec_layout_defaults(layout, items + (size_t)i * layout->bytes);
        breathe();
    }
    return items;
}

static bool struct_is_default(const struct layout *layout, const void *object) {
    const struct field *end = layout->fields + layout->field_count;
    for (const struct field *field = layout->fields; field < end; field++) {
        if (!field_is_default(field, (const uint8_t *)object + field->offset)) return false;
    }
    return layout_unknown_count(layout, object) == 0;
}

bool field_is_default(const struct field *field, const void *slot) {
    bool null = (field->flags & FIELD_DEFAULT_NULL) != 0;
    if (field->flags & FIELD_ARRAY)
        return ((const struct field_array *)slot)->count == (null ? -1 : 0);
    if (field->flags & FIELD_POINTER) {
        const void *target = *(void *const *)slot;
        return null ? target == NULL : target != NULL && struct_is_default(field->layout, target);
    }
    switch (field->type) {
    case FIELD_STRING: {
        const struct str *s = slot;
        return null ? s->ptr == NULL : s->ptr != NULL && s->len == 0;
    }
    case FIELD_BYTES: {
        const struct bytes *b = slot;
        return null ? b->ptr == NULL : b->ptr != NULL && b->len == 0;
    }
    case FIELD_RECORDS: {
        const struct records *r = slot;
        return r->bytes.ptr == NULL && r->external == NULL;
    }
    case FIELD_STRUCT: return struct_is_default(field->layout, slot);
    case FIELD_FLOAT64: return *(const double *)slot == 0.0; /* the only default there is */
    case FIELD_UUID: return uuid_is_zero(*(const struct uuid *)slot);
    default: return number_is_initial(field, slot);
    }
}

/* ---- equality ---- */

static bool struct_equal(const struct layout *layout, int version, const void *a, const void *b);

static bool one_equal(const struct field *field, int version, const void *a, const void *b) {
    switch (field->type) {
    case FIELD_STRING: return str_eq(*(const struct str *)a, *(const struct str *)b);
    case FIELD_BYTES: return bytes_eq(*(const struct bytes *)a, *(const struct bytes *)b);
    case FIELD_RECORDS: {
        const struct records *x = a, *y = b;
        if (x->external != NULL || y->external != NULL) {
            return x->external == y->external && x->external_bytes == y->external_bytes;
        }
        return bytes_eq(x->bytes, y->bytes);
    }
    case FIELD_STRUCT: return struct_equal(field->layout, version, a, b);
    default: return memcmp(a, b, field_fixed_bytes[field->type]) == 0;
    }
}

static bool field_equal(const struct field *field, int version, const void *a, const void *b) {
    if (field->flags & FIELD_ARRAY) {
        const struct field_array *x = a, *y = b;
        if (x->count != y->count) return false;
        size_t stride = field_element_bytes(field);
        for (int32_t i = 0; i < x->count; i++) {
            size_t at = (size_t)i * stride;
            if (!one_equal(field, version, (const uint8_t *)x->items + at,
                           (const uint8_t *)y->items + at))
                return false;
        }
        return true;
    }
    if (field->flags & FIELD_POINTER) {
        const void *x = *(void *const *)a, *y = *(void *const *)b;
        if (x == NULL || y == NULL) return x == y;
        return struct_equal(field->layout, version, x, y);
    }
    return one_equal(field, version, a, b);
}

static bool unknown_equal(const struct tagged_fields *a, const struct tagged_fields *b) {
    if (a->count != b->count) return false;
    for (int32_t i = 0; i < a->count; i++) {
        if (a->fields[i].tag != b->fields[i].tag) return false;
        if (a->fields[i].bytes.len != b->fields[i].bytes.len) return false;
        if (a->fields[i].bytes.len > 0 && !bytes_eq(a->fields[i].bytes, b->fields[i].bytes))
            return false;
    }
    return true;
}

static bool struct_equal(const struct layout *layout, int version, const void *a, const void *b) {
    const struct field *end = layout->fields + layout->field_count;
    for (const struct field *field = layout->fields; field < end; field++) {
        if (!field_in(field->present, version)) continue;
        if (!field_equal(field, version, (const uint8_t *)a + field->offset,
                         (const uint8_t *)b + field->offset)) {
            return false;
        }
    }
    if (layout->unknown_offset < 0) return true;
    return unknown_equal(layout_unknown(layout, a), layout_unknown(layout, b));
}

bool codec_equal(const struct schema *schema, int16_t version, const void *a, const void *b) {
    return struct_equal(schema->layout, version, a, b);
}
