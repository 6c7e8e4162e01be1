/* protocol/codec_field.h - reading descriptors: what the files of the codec (and its tests) share.
 * `slot` is always the place of a field in its C struct. */
#pragma once
#include "protocol/codec.h"

/* How an array lies in a struct: the pointer, then the count. */
struct field_array {
    void *items;
    int32_t count;
};
_Static_assert(offsetof(struct field_array, count) == sizeof(void *),
               "the generated pair has no gap");

/* Octets of a fixed-size type, the same in C and on the wire; 0 for the others. */
extern const uint8_t field_fixed_bytes[FIELD_STRUCT + 1];

static inline bool field_in(struct version_range range, int version) {
    return version >= range.first && version < range.end;
}
/** True when the version carries the field among the untagged ones. */
static inline bool field_inline(const struct field *field, int version) {
    return field_in(field->present, version) && !field_in(field->tagged, version);
}
/** A number, bool or uuid that is no array: most fields, so it is asked first. */
static inline bool field_fixed(const struct field *field) {
    return field->type <= FIELD_UUID && !(field->flags & FIELD_ARRAY);
}
static inline bool field_compact(const struct field *field, bool flexible) {
    return flexible && !(field->flags & FIELD_NEVER_COMPACT);
}
/** From one element of an array to the next, in memory. */
static inline size_t field_element_bytes(const struct field *field) {
    switch (field->type) {
    case FIELD_STRING: return sizeof(struct str);
    case FIELD_BYTES: return sizeof(struct bytes);
    case FIELD_STRUCT: return field->layout->bytes;
    default: return field_fixed_bytes[field->type];
    }
}
/** What one element of an array takes on the wire at least; never 0, so a count is always held by
 * the input. */
static inline size_t field_element_min_bytes(const struct field *field, int version,
                                             bool flexible) {
    switch (field->type) {
    case FIELD_STRING: return flexible ? 1 : 2;
    case FIELD_BYTES: return flexible ? 1 : 4;
    case FIELD_STRUCT: return MAX(field->layout->min_bytes[version], 1);
    default: return field_fixed_bytes[field->type];
    }
}
/** The field with that tag, in whichever versions it is tagged, or NULL. */
static inline const struct field *layout_tagged(const struct layout *layout, uint32_t tag) {
    for (unsigned i = 0; i < layout->tagged_count; i++) {
        const struct field *field = &layout->fields[layout->tagged[i]];
        if ((uint32_t)field->tag == tag) return field;
    }
    return NULL;
}
/** The unknown tagged fields of a struct; NULL when its message is never flexible. */
static inline struct tagged_fields *layout_unknown(const struct layout *layout,
                                                   const void *object) {
    if (layout->unknown_offset < 0) return NULL;
    return (struct tagged_fields *)((uint8_t *)object + layout->unknown_offset);
}
static inline int32_t layout_unknown_count(const struct layout *layout, const void *object) {
    const struct tagged_fields *unknown = layout_unknown(layout, object);
    return unknown != NULL ? unknown->count : 0;
}
static inline void layout_clear_unknown(const struct layout *layout, void *object) {
    struct tagged_fields *unknown = layout_unknown(layout, object);
    if (unknown != NULL) *unknown = (struct tagged_fields){0};
}

void field_set_default(const struct field *field, void *slot);
/** A struct by value is at its default when all its fields are, in any version, and it has no
 * unknown ones. */
bool field_is_default(const struct field *field, const void *slot);
