/* tools/formatter.c - see formatter.h. Source:
 * org.apache.kafka.tools.consumer.DefaultMessageFormatter, CoordinatorRecordMessageFormatter and
 * its heirs. */
#include "tools/formatter.h"
#include <inttypes.h>

static const struct {
    const char *java; /* less the package and "Deserializer" */
    enum decoding decoding;
} decodings[] = {
    {"String", DECODE_RAW},      {"ByteArray", DECODE_RAW}, {"Bytes", DECODE_RAW},
    {"Short", DECODE_INT16},     {"Integer", DECODE_INT32}, {"Long", DECODE_INT64},
    {"Boolean", DECODE_BOOLEAN}, {"UUID", DECODE_UUID},
};

#define CONSUMER_PACKAGE "org.apache.kafka.tools.consumer."
static const struct {
    const char *name; /* less the package */
    enum { WRITE_PARTS, WRITE_NOTHING, WRITE_JSON } what;
    struct coordinator_types types; /* of WRITE_JSON */
} classes[] = {
    {"DefaultMessageFormatter", WRITE_PARTS, {0}},
    {"LoggingMessageFormatter", WRITE_PARTS, {0}}, /* there is no log here */
    {"NoOpMessageFormatter", WRITE_NOTHING, {0}},
    {"OffsetsMessageFormatter", WRITE_JSON, {COORDINATOR_GROUPS, 0, 1}},
    {"GroupMetadataMessageFormatter", WRITE_JSON, {COORDINATOR_GROUPS, 2, 2}},
    {"ShareGroupMessageFormatter", WRITE_JSON, {COORDINATOR_GROUPS, 10, 15}},
    {"TransactionLogMessageFormatter", WRITE_JSON, {COORDINATOR_TRANSACTIONS, 0, 0}},
    {"group.share.ShareGroupStateMessageFormatter", WRITE_JSON, {COORDINATOR_SHARES, 0, 1}},
};

static bool str_starts(struct str s, struct str prefix) {
    return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

static bool str_ends(struct str s, struct str suffix) {
    return s.len >= suffix.len && memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

bool decoding_of_class(struct str class_name, enum decoding *ret_decoding) {
    const struct str package = STR("org.apache.kafka.common.serialization.");
    const struct str suffix = STR("Deserializer");
    if (!str_starts(class_name, package) || !str_ends(class_name, suffix)) return false;
    if (class_name.len < package.len + suffix.len) return false;
    struct str name = {class_name.ptr + package.len, class_name.len - package.len - suffix.len};
    for (size_t i = 0; i < COUNT(decodings); i++) {
        if (!str_eq(name, str_of(decodings[i].java))) continue;
        *ret_decoding = decodings[i].decoding;
        return true;
    }
    return false;
}

static enum decoding read_decoding(const struct settings *settings, const char *key) {
    enum decoding decoding = DECODE_RAW;
    struct str class_name = settings_get(settings, key);
    if (class_name.ptr == NULL || class_name.len == 0) return decoding;
    if (!decoding_of_class(class_name, &decoding))
        cli_exit("%s=%s: not available here; there are org.apache.kafka.common.serialization."
                 "{String,ByteArray,Bytes,Short,Integer,Long,Boolean,UUID}Deserializer",
                 key, class_name.ptr);
    return decoding;
}

void formatter_init(struct formatter *formatter, const struct settings *settings) {
    *formatter = (struct formatter){
        .print_timestamp = settings_get_bool(settings, "print.timestamp", false),
        .print_partition = settings_get_bool(settings, "print.partition", false),
        .print_offset = settings_get_bool(settings, "print.offset", false),
        .print_delivery = settings_get_bool(settings, "print.delivery", false),
        .print_epoch = settings_get_bool(settings, "print.epoch", false),
        .print_headers = settings_get_bool(settings, "print.headers", false),
        .print_key = settings_get_bool(settings, "print.key", false),
        .print_value = settings_get_bool(settings, "print.value", true),
        .key_separator = settings_get_or(settings, "key.separator", "\t"),
        .line_separator = settings_get_or(settings, "line.separator", "\n"),
        .headers_separator = settings_get_or(settings, "headers.separator", ","),
        .null_literal = settings_get_or(settings, "null.literal", "null"),
        .key = read_decoding(settings, "key.deserializer"),
        .value = read_decoding(settings, "value.deserializer"),
        .header = read_decoding(settings, "headers.deserializer"),
    };
    arena_init(&formatter->scratch, settings->arena->mem, 4096, 0);
    strbuf_init(&formatter->json, settings->arena->mem);
}

void formatter_release(struct formatter *formatter) {
    arena_release(&formatter->scratch);
    strbuf_release(&formatter->json);
}

bool formatter_choose(struct formatter *formatter, struct str class_name) {
    const struct str package = STR(CONSUMER_PACKAGE);
    if (!str_starts(class_name, package)) return false;
    struct str name = {class_name.ptr + package.len, class_name.len - package.len};
    for (size_t i = 0; i < COUNT(classes); i++) {
        if (!str_eq(name, str_of(classes[i].name))) continue;
        formatter->print_nothing = classes[i].what == WRITE_NOTHING;
        formatter->types = classes[i].what == WRITE_JSON ? &classes[i].types : NULL;
        return true;
    }
    return false;
}

static void write_str(FILE *out, struct str s) { (void)fwrite(s.ptr, 1, s.len, out); }

/* Between two parts, or at the end of the record when no other follows. */
static void write_separator(const struct formatter *f, FILE *out, bool more) {
    write_str(out, more ? f->key_separator : f->line_separator);
}

static enum status check_bytes(struct bytes octets, size_t want, const char *reason,
                               const char **ret_reason) {
    if (octets.len == want) return ST_OK;
    *ret_reason = reason;
    return ST_CORRUPT;
}

static enum status write_uuid(FILE *out, struct bytes octets, const char **ret_reason) {
    if (octets.len != 36) { /* Kafka's serializer writes the text */
        *ret_reason = "UUIDDeserializer needs the 36 characters of a UUID";
        return ST_CORRUPT;
    }
    write_str(out, (struct str){(const char *)octets.ptr, octets.len});
    return ST_OK;
}

static enum status write_decoded(const struct formatter *f, enum decoding decoding,
                                 struct bytes octets, FILE *out, const char **ret_reason) {
    if (octets.ptr == NULL) {
        write_str(out, f->null_literal);
        return ST_OK;
    }
    enum status st = ST_OK;
    switch (decoding) {
    case DECODE_RAW: (void)fwrite(octets.ptr, 1, octets.len, out); break;
    case DECODE_INT16:
        st = check_bytes(octets, 2, "Size of data received by ShortDeserializer is not 2",
                         ret_reason);
        if (st == ST_OK) fprintf(out, "%d", (int16_t)get_u16(octets.ptr));
        break;
    case DECODE_INT32:
        st = check_bytes(octets, 4, "Size of data received by IntegerDeserializer is not 4",
                         ret_reason);
        if (st == ST_OK) fprintf(out, "%" PRId32, (int32_t)get_u32(octets.ptr));
        break;
    case DECODE_INT64:
        st = check_bytes(octets, 8, "Size of data received by LongDeserializer is not 8",
                         ret_reason);
        if (st == ST_OK) fprintf(out, "%" PRId64, (int64_t)get_u64(octets.ptr));
        break;
    case DECODE_BOOLEAN:
        st = check_bytes(octets, 1, "Size of data received by BooleanDeserializer is not 1",
                         ret_reason);
        if (st == ST_OK) fputs(octets.ptr[0] != 0 ? "true" : "false", out);
        break;
    case DECODE_UUID: st = write_uuid(out, octets, ret_reason); break;
    }
    return st;
}

static enum status write_headers(const struct formatter *f, const struct console_record *record,
                                 FILE *out, const char **ret_reason) {
    if (record->header_count == 0) fputs("NO_HEADERS", out);
    for (uint32_t i = 0; i < record->header_count; i++) {
        if (i > 0) write_str(out, f->headers_separator);
        write_str(out, record->headers[i].key);
        fputc(':', out);
        enum status st = write_decoded(f, f->header, record->headers[i].value, out, ret_reason);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

/* No line's end: Kafka's formatter writes none. */
static enum status write_json(struct formatter *f, const struct console_record *record, FILE *out,
                              const char **ret_reason) {
    arena_reset(&f->scratch);
    strbuf_clear(&f->json);
    enum status st = coordinator_json_record(f->types, record->key, record->value, &f->scratch,
                                             &f->json, ret_reason);
    if (st == ST_OK) write_str(out, strbuf_str(&f->json));
    return st;
}

enum status formatter_write(struct formatter *f, const struct console_record *record, FILE *out,
                            const char **ret_reason) {
    if (f->print_nothing) return ST_OK;
    if (f->types != NULL) return write_json(f, record, out, ret_reason);
    bool after_key = f->print_value;
    bool after_headers = f->print_key || after_key;
    bool after_epoch = f->print_headers || after_headers;
    bool after_delivery = f->print_epoch || after_epoch;
    bool after_offset = f->print_delivery || after_delivery;
    bool after_partition = f->print_offset || after_offset;
    bool after_timestamp = f->print_partition || after_partition;
    if (f->print_timestamp) {
        if (record->timestamp_type != NULL)
            fprintf(out, "%s:%" PRId64, record->timestamp_type, record->timestamp_ms);
        else
            fputs("NO_TIMESTAMP", out);
        write_separator(f, out, after_timestamp);
    }
    if (f->print_partition) {
        fprintf(out, "Partition:%" PRId32, record->partition);
        write_separator(f, out, after_partition);
    }
    if (f->print_offset) {
        fprintf(out, "Offset:%" PRId64, record->offset);
        write_separator(f, out, after_offset);
    }
    if (f->print_delivery) { /* a share consumer's; a consumer has none */
        fputs("Delivery:NOT_PRESENT", out);
        write_separator(f, out, after_delivery);
    }
    if (f->print_epoch) { /* Kafka's own console consumer drops it on the way, too */
        fputs("Epoch:NOT_PRESENT", out);
        write_separator(f, out, after_epoch);
    }
    if (f->print_headers) {
        enum status st = write_headers(f, record, out, ret_reason);
        if (st != ST_OK) return st;
        write_separator(f, out, after_headers);
    }
    if (f->print_key) {
        enum status st = write_decoded(f, f->key, record->key, out, ret_reason);
        if (st != ST_OK) return st;
        write_separator(f, out, after_key);
    }
    if (f->print_value) {
        enum status st = write_decoded(f, f->value, record->value, out, ret_reason);
        if (st != ST_OK) return st;
        write_str(out, f->line_separator);
    }
    return ST_OK;
}
