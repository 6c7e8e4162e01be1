/* protocol/codec_json.c - prints messages as Kafka's generated JSON converters do. */
#include <math.h>
#include "protocol/codec_field.h"

static void print_struct(const struct layout *layout, int version, const void *message,
                         struct strbuf *out);

static void print_base64(struct bytes b, struct strbuf *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < b.len; i += 3) {
        size_t left = b.len - i;
        uint32_t bits = (uint32_t)b.ptr[i] << 16;
        if (left > 1) bits |= (uint32_t)b.ptr[i + 1] << 8;
        if (left > 2) bits |= b.ptr[i + 2];
        char group[4] = {digits[bits >> 18], digits[bits >> 12 & 63], digits[bits >> 6 & 63],
                         digits[bits & 63]};
        if (left < 3) group[3] = '=';
        if (left < 2) group[2] = '=';
        strbuf_add(out, group, sizeof group);
    }
    strbuf_add_char(out, '"');
}

/* The shortest digits that give the double back, laid out as Double.toString does: a point always,
 * an exponent below 10^-3 and from 10^7 on. Jackson quotes what JSON cannot say. */
static void print_double(double value, struct strbuf *out) {
    if (isnan(value) || isinf(value)) {
        strbuf_add_str(out, isnan(value) ? STR("\"NaN\"")
                            : value > 0  ? STR("\"Infinity\"")
                                         : STR("\"-Infinity\""));
        return;
    }
    char text[32];
    int precision = 1; /* digits after the first; 16 always suffice */
    do {
        (void)snprintf(text, sizeof text, "%.*e", precision, value); /* at most 24 characters */
    } while (strtod(text, NULL) != value && precision++ < 16);
    const char *mark = strchr(text, 'e');
    int exponent = (int)strtol(mark + 1, NULL, 10);
    char digits[20];
    int count = 0;
    for (const char *p = text; p < mark; p++) {
        if (*p >= '0' && *p <= '9') digits[count++] = *p;
    }
    while (count > 1 && digits[count - 1] == '0') count--;
    if (text[0] == '-') strbuf_add_char(out, '-');
    if (value != 0 && (exponent < -3 || exponent >= 7)) {
        strbuf_printf(out, "%c.%.*sE%d", digits[0], MAX(count - 1, 1), count > 1 ? digits + 1 : "0",
                      exponent);
    } else if (exponent < 0) {
        strbuf_printf(out, "0.%.*s%.*s", -exponent - 1, "00", count, digits);
    } else {
        for (int i = 0; i <= exponent; i++) strbuf_add_char(out, i < count ? digits[i] : '0');
        strbuf_printf(out, ".%.*s", MAX(count - exponent - 1, 1),
                      count > exponent + 1 ? digits + exponent + 1 : "0");
    }
}

static bool is_continuation(uint8_t octet) { return (octet & 0xc0) == 0x80; }

/* The smallest and largest second octet that may follow `first`; none: {1, 0}. */
static void utf8_second(uint8_t first, uint8_t *ret_low, uint8_t *ret_high) {
    *ret_low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *ret_high = first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0xc2 || first > 0xf4) *ret_low = 1, *ret_high = 0;
}

/* How many octets at the front are one character (*ret_valid), or are replaced together: as Java
 * does, the longest run that begins like a character; a whole surrogate. */
static size_t utf8_run(const uint8_t *ptr, size_t left, bool *ret_valid) {
    *ret_valid = ptr[0] < 0x80;
    uint8_t low, high;
    utf8_second(ptr[0], &low, &high);
    size_t need = ptr[0] < 0xe0 ? 2 : ptr[0] < 0xf0 ? 3 : 4;
    if (left < 2 || ptr[1] < low || ptr[1] > high) return 1;
    size_t length = 2;
    while (length < need && length < left && is_continuation(ptr[length])) length++;
    bool surrogate = ptr[0] == 0xed && ptr[1] >= 0xa0;
    *ret_valid = length == need && !surrogate;
    return length;
}

static void print_string(struct str s, struct strbuf *out) {
    if (str_is_utf8(s)) {
        strbuf_add_json(out, s);
        return;
    }
    struct strbuf mended;
    strbuf_init(&mended, out->mem);
    for (size_t i = 0; i < s.len;) {
        bool valid;
        size_t length = utf8_run((const uint8_t *)s.ptr + i, s.len - i, &valid);
        strbuf_add_str(&mended, valid ? (struct str){s.ptr + i, length} : STR("\xef\xbf\xbd"));
        i += length;
    }
    strbuf_add_json(out, strbuf_str(&mended));
    out->failed |= mended.failed;
    strbuf_release(&mended);
}

static void print_fixed(enum field_type type, const void *slot, struct strbuf *out) {
    switch (type) {
    case FIELD_BOOL: strbuf_add_str(out, *(const bool *)slot ? STR("true") : STR("false")); break;
    case FIELD_INT8: strbuf_printf(out, "%d", *(const int8_t *)slot); break;
    case FIELD_INT16: strbuf_printf(out, "%d", *(const int16_t *)slot); break;
    case FIELD_UINT16: strbuf_printf(out, "%u", *(const uint16_t *)slot); break;
    case FIELD_INT32: strbuf_printf(out, "%d", *(const int32_t *)slot); break;
    case FIELD_UINT32: strbuf_printf(out, "%u", *(const uint32_t *)slot); break;
    case FIELD_INT64: strbuf_printf(out, "%lld", (long long)*(const int64_t *)slot); break;
    case FIELD_FLOAT64: print_double(*(const double *)slot, out); break;
    default: {
        char text[UUID_TEXT_BYTES + 1];
        uuid_format(*(const struct uuid *)slot, text);
        strbuf_printf(out, "\"%s\"", text);
        break;
    }
    }
}

static void print_null(struct strbuf *out) { strbuf_add_str(out, STR("null")); }

static void print_one(const struct field *field, int version, const void *slot,
                      struct strbuf *out) {
    switch (field->type) {
    case FIELD_STRING: {
        const struct str *s = slot;
        if (s->ptr != NULL)
            print_string(*s, out);
        else
            print_null(out);
        break;
    }
    case FIELD_BYTES: {
        const struct bytes *b = slot;
        if (b->ptr != NULL)
            print_base64(*b, out);
        else
            print_null(out);
        break;
    }
    case FIELD_RECORDS: {
        const struct records *r = slot;
        if (r->bytes.ptr != NULL || r->external != NULL)
            strbuf_add_str(out, STR("\"\""));
        else
            print_null(out);
        break;
    }
    case FIELD_STRUCT: print_struct(field->layout, version, slot, out); break;
    default: print_fixed(field->type, slot, out); break;
    }
}

static void print_field(const struct field *field, int version, const void *slot,
                        struct strbuf *out) {
    if (field->flags & FIELD_ARRAY) {
        const struct field_array *array = slot;
        if (array->count < 0) {
            print_null(out);
            return;
        }
        strbuf_add_char(out, '[');
        const uint8_t *item = array->items;
        for (int32_t i = 0; i < array->count; i++, item += field_element_bytes(field)) {
            if (i > 0) strbuf_add_char(out, ',');
            print_one(field, version, item, out);
        }
        strbuf_add_char(out, ']');
    } else if (field->flags & FIELD_POINTER) {
        const void *target = *(void *const *)slot;
        if (target != NULL)
            print_struct(field->layout, version, target, out);
        else
            print_null(out);
    } else {
        print_one(field, version, slot, out);
    }
}

static void print_struct(const struct layout *layout, int version, const void *message,
                         struct strbuf *out) {
    const struct field *end = layout->fields + layout->field_count;
    bool first = true;
    strbuf_add_char(out, '{');
    for (const struct field *field = layout->fields; field < end; field++) {
        const void *slot = (const uint8_t *)message + field->offset;
        if (!field_in(field->present, version)) continue;
        if (field_in(field->tagged, version) && field_is_default(field, slot)) continue;
        strbuf_printf(out, "%s\"%s\":", first ? "" : ",", field->name);
        first = false;
        print_field(field, version, slot, out);
    }
    strbuf_add_char(out, '}');
}

void codec_print_json(const struct schema *schema, int16_t version, const void *message,
                      struct strbuf *out) {
    print_struct(schema->layout, version, message, out);
}
