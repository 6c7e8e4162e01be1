/* tools/coordinator_json.c - see coordinator_json.h. */
#include "tools/coordinator_json.h"

static const struct {
    enum message_type key, value;
} messages[] = {
    [COORDINATOR_GROUPS] = {MESSAGE_GROUP_KEY, MESSAGE_GROUP_VALUE},
    [COORDINATOR_TRANSACTIONS] = {MESSAGE_TRANSACTION_KEY, MESSAGE_TRANSACTION_VALUE},
    [COORDINATOR_SHARES] = {MESSAGE_SHARE_KEY, MESSAGE_SHARE_VALUE},
};

enum status coordinator_json_message(const struct schema *schema, int16_t version, struct bytes in,
                                     struct arena *arena, struct strbuf *out) {
    void *message = arena_alloc(arena, schema->layout->bytes);
    if (message == NULL) return ST_NOMEM;
    size_t used;
    enum status st = codec_decode(schema, version, in, arena, message, &used);
    if (st == ST_OK) codec_print_json(schema, version, message, out);
    return st;
}

enum status coordinator_json_key_type(enum coordinator_log log, struct bytes key, int16_t *ret_type,
                                      const struct schema **ret_schema) {
    if (key.len < 2) return ST_SHORT;
    *ret_type = (int16_t)get_u16(key.ptr);
    *ret_schema = schema_find(messages[log].key, *ret_type);
    return *ret_schema != NULL ? ST_OK : ST_NOT_FOUND;
}

enum status coordinator_json_key(const struct schema *schema, struct bytes key, struct arena *arena,
                                 struct strbuf *out) {
    struct bytes body = {key.ptr + 2, key.len - 2};
    return coordinator_json_message(schema, schema->max_version, body, arena, out);
}

enum status coordinator_json_value_version(enum coordinator_log log, int16_t type,
                                           struct bytes value, int16_t *ret_version,
                                           const struct schema **ret_schema) {
    if (value.len < 2) return ST_SHORT;
    *ret_version = (int16_t)get_u16(value.ptr);
    *ret_schema = schema_find(messages[log].value, type);
    return *ret_schema != NULL ? ST_OK : ST_NOT_FOUND;
}

static enum status unreadable(const char *reason, const char **ret_reason) {
    *ret_reason = reason;
    return ST_CORRUPT;
}

static enum status add_value(const struct coordinator_types *types, int16_t type,
                             struct bytes value, struct arena *arena, struct strbuf *out,
                             const char **ret_reason) {
    int16_t version;
    const struct schema *schema;
    enum status st = coordinator_json_value_version(types->log, type, value, &version, &schema);
    if (st != ST_OK) return unreadable("Could not read version from value's buffer.", ret_reason);
    strbuf_printf(out, "{\"version\":%d,\"data\":", version);
    struct bytes body = {value.ptr + 2, value.len - 2};
    st = coordinator_json_message(schema, version, body, arena, out);
    if (st != ST_OK) return unreadable("Could not read record from value's buffer.", ret_reason);
    strbuf_add_char(out, '}');
    return ST_OK;
}

enum status coordinator_json_record(const struct coordinator_types *types, struct bytes key,
                                    struct bytes value, struct arena *arena, struct strbuf *out,
                                    const char **ret_reason) {
    int16_t type;
    const struct schema *schema;
    if (key.ptr == NULL) return ST_OK;
    enum status st = coordinator_json_key_type(types->log, key, &type, &schema);
    if (st == ST_SHORT) return unreadable("Could not read version from key's buffer.", ret_reason);
    if (st != ST_OK || type < types->from || type > types->to) return ST_OK;
    strbuf_printf(out, "{\"key\":{\"type\":%d,\"data\":", type);
    st = coordinator_json_key(schema, key, arena, out);
    if (st != ST_OK) return unreadable("Could not read record from key's buffer.", ret_reason);
    strbuf_add_str(out, STR("},\"value\":"));
    if (value.ptr == NULL)
        strbuf_add_str(out, STR("null"));
    else
        st = add_value(types, type, value, arena, out, ret_reason);
    strbuf_add_char(out, '}');
    return st;
}
