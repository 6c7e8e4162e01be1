/* tools/dump_decode.c - see dump_decode.h. Source: org.apache.kafka.tools.DumpLogSegments (message
 * parsers). */
#include "tools/dump_decode.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "protocol/wire.h"
#include "tools/coordinator_json.h"
#include "tools/java_text.h"
#include "tools/remote_log_text.h"

#define METADATA_FRAME_VERSION 1

/* ---- keys and values as text or numbers ---- */

static enum status show_plain(enum dump_class class_, struct bytes octets, struct strbuf *out) {
    switch (class_) {
    case DUMP_STRING: java_text_add(out, octets); return ST_OK;
    case DUMP_INT32:
        if (octets.len < 4) return ST_SHORT;
        strbuf_printf(out, "%" PRId32, (int32_t)get_u32(octets.ptr));
        return ST_OK;
    case DUMP_INT64:
        if (octets.len < 8) return ST_SHORT;
        strbuf_printf(out, "%" PRId64, (int64_t)get_u64(octets.ptr));
        return ST_OK;
    }
    return ST_INVALID;
}

static enum status show_text(const struct dump_decoder *d, const struct record *record,
                             struct dump_shown *shown) {
    enum status st = ST_OK;
    shown->has_key = record->key.ptr != NULL;
    shown->has_payload = record->value.ptr != NULL;
    if (shown->has_key) st = show_plain(d->key, record->key, &shown->key);
    if (st == ST_OK && shown->has_payload)
        st = show_plain(d->value, record->value, &shown->payload);
    return st;
}

/* ---- the metadata log ---- */

void dump_record_type_name(const char *schema_name, struct strbuf *out) {
    for (const char *c = schema_name; *c != '\0'; c++) {
        bool upper = *c >= 'A' && *c <= 'Z';
        if (upper && c != schema_name) strbuf_add_char(out, '_');
        strbuf_add_char(out, upper || *c < 'a' ? *c : (char)(*c - 'a' + 'A'));
    }
}

/* The three numbers in front of a metadata record. */
static enum status read_frame(struct bytes *in, uint32_t number[3]) {
    for (int i = 0; i < 3; i++) {
        size_t used;
        enum status st = wire_get_uvarint(*in, &number[i], &used);
        if (st != ST_OK) return st;
        *in = (struct bytes){in->ptr + used, in->len - used};
        if (i == 0 && number[0] != METADATA_FRAME_VERSION) return ST_UNSUPPORTED;
    }
    return ST_OK;
}

static void show_skipped(const struct record *record, struct strbuf *out, const char *why) {
    strbuf_clear(out);
    strbuf_printf(out, "Error at %" PRId64 ", skipping. %s", record->offset, why);
}

static void show_metadata(const struct dump_decoder *d, const struct record *record,
                          struct dump_shown *shown) {
    struct strbuf *out = &shown->payload;
    uint32_t number[3] = {0};
    struct bytes in = record->value;
    shown->has_payload = true;
    enum status st = read_frame(&in, number);
    if (st == ST_UNSUPPORTED) {
        char why[120];
        (void)snprintf(why, sizeof why,
                       "Could not deserialize metadata record due to unknown frame version %" PRIu32
                       "(only frame version 1 is supported)",
                       number[0]);
        show_skipped(record, out, why);
        return;
    }
    const struct schema *schema =
        st == ST_OK ? schema_find(MESSAGE_METADATA, (int16_t)number[1]) : NULL;
    if (schema == NULL || number[1] > INT16_MAX || number[2] > INT16_MAX) {
        show_skipped(record, out,
                     st == ST_OK ? "Unknown metadata record type" : "The record is cut");
        return;
    }
    strbuf_add_str(out, STR("{\"type\":\""));
    dump_record_type_name(schema->name, out);
    strbuf_printf(out, "\",\"version\":%" PRIu32 ",\"data\":", number[2]);
    st = coordinator_json_message(schema, (int16_t)number[2], in, d->arena, out);
    if (st != ST_OK)
        show_skipped(record, out,
                     st == ST_UNSUPPORTED ? "Unknown record version" : "The record is damaged");
    else
        strbuf_add_char(out, '}');
}

/* ---- the log of tiered storage ---- */

static void show_remote_log(const struct dump_decoder *d, const struct record *record,
                            struct dump_shown *shown) {
    struct strbuf text;
    strbuf_init(&text, shown->payload.mem);
    shown->has_payload = true;
    if (!remote_log_text(record->value, d->arena, &text))
        strbuf_printf(&shown->payload, "Error at offset %" PRId64 ", skipping. ", record->offset);
    strbuf_add_str(&shown->payload, strbuf_str(&text));
    strbuf_release(&text);
}

/* ---- the logs of coordinators ---- */

/* What a member of a consumer group says, inside its group's record: readable instead of base64. */
static void expand_field(const char *name, const struct schema *schema, struct bytes octets,
                         struct arena *arena, struct strbuf *json, size_t *from) {
    if (octets.ptr == NULL || octets.len < 2) return;
    struct strbuf whole;
    strbuf_init(&whole, json->mem);
    char pattern[40];
    int pattern_len = snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
    /* Within a string a quote is escaped, so the pattern is found as a name only. */
    char *found = json->len > *from
                      ? memmem(json->data + *from, json->len - *from, pattern, (size_t)pattern_len)
                      : NULL;
    char *end = found != NULL ? strchr(found + pattern_len, '"') : NULL;
    if (end != NULL) {
        strbuf_add(&whole, json->data, (size_t)(found - json->data) + (size_t)pattern_len - 1);
        struct bytes body = {octets.ptr + 2, octets.len - 2};
        enum status st =
            coordinator_json_message(schema, (int16_t)get_u16(octets.ptr), body, arena, &whole);
        size_t resume = whole.len;
        strbuf_add(&whole, end + 1, json->len - (size_t)(end + 1 - json->data));
        if (st == ST_OK && !whole.failed) { /* else it stays base64 */
            strbuf_clear(json);
            strbuf_add_str(json, strbuf_str(&whole));
            *from = resume;
        }
    }
    strbuf_release(&whole);
}

static enum status add_group(const struct schema *schema, int16_t version, struct bytes in,
                             struct arena *arena, struct strbuf *out) {
    struct group_metadata_value value;
    size_t used;
    enum status st = codec_decode(schema, version, in, arena, &value, &used);
    if (st != ST_OK) return st;
    size_t from = out->len;
    codec_print_json(schema, version, &value, out);
    if (!str_eq(value.protocol_type, STR("consumer"))) return ST_OK;
    for (int32_t i = 0; i < value.members_count; i++) {
        const struct group_metadata_value_member *member = &value.members[i];
        expand_field("subscription", &consumer_protocol_subscription_schema, member->subscription,
                     arena, out, &from);
        expand_field("assignment", &consumer_protocol_assignment_schema, member->assignment, arena,
                     out, &from);
    }
    return ST_OK;
}

static enum coordinator_log log_of(enum dump_content content) {
    switch (content) {
    case DUMP_TRANSACTIONS: return COORDINATOR_TRANSACTIONS;
    case DUMP_SHARE_STATE: return COORDINATOR_SHARES;
    case DUMP_GROUPS:
    case DUMP_TEXT:
    case DUMP_METADATA:
    case DUMP_REMOTE_LOG: break;
    }
    return COORDINATOR_GROUPS;
}

/* In place of a record that cannot be read. */
__attribute__((format(printf, 3, 4))) static void show_unreadable(struct dump_shown *shown,
                                                                  int64_t offset,
                                                                  const char *reason, ...) {
    va_list args;
    va_start(args, reason);
    strbuf_clear(&shown->key);
    strbuf_printf(&shown->key, "Error at offset %" PRId64 ", skipping. ", offset);
    strbuf_vprintf(&shown->key, reason, args);
    va_end(args);
    shown->has_payload = false;
}

/* Octets that end too early are an exception without words to Kafka's tool. */
static const char *why_unread(enum status st) { return st == ST_SHORT ? "null" : status_name(st); }

static void show_coordinator_value(const struct dump_decoder *d, const struct record *record,
                                   int16_t type, struct dump_shown *shown) {
    struct strbuf *out = &shown->payload;
    int16_t version;
    const struct schema *schema;
    enum status st = coordinator_json_value_version(log_of(d->content), type, record->value,
                                                    &version, &schema);
    if (st == ST_SHORT) {
        show_unreadable(shown, record->offset, "Could not read version from value's buffer.");
        return;
    }
    if (st == ST_OK) {
        struct bytes body = {record->value.ptr + 2, record->value.len - 2};
        strbuf_printf(out, "{\"version\":\"%d\",\"data\":", version);
        st = schema == &group_metadata_value_schema
                 ? add_group(schema, version, body, d->arena, out)
                 : coordinator_json_message(schema, version, body, d->arena, out);
        strbuf_add_char(out, '}');
    }
    if (st == ST_UNSUPPORTED || st == ST_NOT_FOUND)
        show_unreadable(shown, record->offset, "Found an unknown record version %d for %d type",
                        version, type);
    else if (st != ST_OK)
        show_unreadable(shown, record->offset,
                        "Could not read record with version %d from value's buffer due to: %s.",
                        version, why_unread(st));
}

static enum status show_coordinator(const struct dump_decoder *d, const struct record *record,
                                    struct dump_shown *shown) {
    if (record->key.ptr == NULL) return ST_INVALID;
    shown->has_key = true;
    int16_t type;
    const struct schema *schema;
    enum status st = coordinator_json_key_type(log_of(d->content), record->key, &type, &schema);
    if (st == ST_SHORT) {
        show_unreadable(shown, record->offset, "Could not read version from key's buffer.");
        return ST_OK;
    }
    if (st != ST_OK) {
        strbuf_printf(&shown->key, "Unknown record type %d at offset %" PRId64 ", skipping.", type,
                      record->offset);
        return ST_OK;
    }
    strbuf_printf(&shown->key, "{\"type\":\"%d\",\"data\":", type);
    st = coordinator_json_key(schema, record->key, d->arena, &shown->key);
    if (st != ST_OK) {
        show_unreadable(shown, record->offset,
                        "Could not read record with version %d from key's buffer due to: %s.", type,
                        why_unread(st));
        return ST_OK;
    }
    strbuf_add_char(&shown->key, '}');
    shown->has_payload = true;
    if (record->value.ptr == NULL)
        strbuf_add_str(&shown->payload, STR("<DELETE>"));
    else
        show_coordinator_value(d, record, type, shown);
    return ST_OK;
}

enum status dump_decode(const struct dump_decoder *d, const struct record *record,
                        struct dump_shown *shown) {
    strbuf_clear(&shown->key);
    strbuf_clear(&shown->payload);
    shown->has_key = shown->has_payload = false;
    arena_reset(d->arena);
    if (d->content == DUMP_TEXT) return show_text(d, record, shown);
    if (d->content == DUMP_METADATA) {
        show_metadata(d, record, shown);
    } else if (d->content == DUMP_REMOTE_LOG) {
        show_remote_log(d, record, shown);
    } else {
        return show_coordinator(d, record, shown);
    }
    return ST_OK;
}

/* ---- control records ---- */

enum control_type {
    CONTROL_ABORT = 0,
    CONTROL_COMMIT = 1,
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
};

static const struct {
    const char *text;
    const struct schema *schema;
} controls[] = {
    [CONTROL_LEADER_CHANGE] = {" LeaderChange: ", &leader_change_message_schema},
    [CONTROL_SNAPSHOT_HEADER] = {" SnapshotHeader ", &snapshot_header_record_schema},
    [CONTROL_SNAPSHOT_FOOTER] = {" SnapshotFooter ", &snapshot_footer_record_schema},
    [CONTROL_KRAFT_VERSION] = {" KRaftVersion ", &kraft_version_record_schema},
    [CONTROL_KRAFT_VOTERS] = {" KRaftVoters ", &voters_record_schema},
};

enum status dump_control(const struct record *record, struct arena *arena, struct strbuf *out) {
    if (record->key.len < 4) return ST_CORRUPT;
    int16_t type = (int16_t)get_u16(record->key.ptr + 2);
    if (type == CONTROL_ABORT || type == CONTROL_COMMIT) {
        if (record->value.len < 6) return ST_CORRUPT;
        strbuf_printf(out, " endTxnMarker: %s coordinatorEpoch: %" PRId32,
                      type == CONTROL_COMMIT ? "COMMIT" : "ABORT",
                      (int32_t)get_u32(record->value.ptr + 2));
        return ST_OK;
    }
    if (type < 0 || type > CONTROL_KRAFT_VOTERS) {
        strbuf_printf(out, " controlType: UNKNOWN(%d)", type);
        return ST_OK;
    }
    /* The message begins with its version, which is one of its fields and is shown so. */
    if (record->value.len < 2) return ST_CORRUPT;
    arena_reset(arena);
    strbuf_add_str(out, str_of(controls[type].text));
    return coordinator_json_message(controls[type].schema, (int16_t)get_u16(record->value.ptr),
                                    record->value, arena, out);
}
