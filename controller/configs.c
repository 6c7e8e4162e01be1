/* controller/configs.c - IncrementalAlterConfigs and AlterConfigs: the edits of one resource merged
 * with what it has into what it would have, checked as a whole, written as ConfigRecords. Codes,
 * texts and the order of the checks are Kafka's. Source: kafka.server.ConfigAdminManager,
 * org.apache.kafka.controller.ConfigurationControlManager. */
#include <stdlib.h>
#include "base/breathe.h"
#include "base/strbuf.h"
#include "controller/controller.h"
#include "controller/records.h"
#include "protocol/errors.h"

#define MIN_INSYNC_REPLICAS "min.insync.replicas"

enum { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT }; /* AlterConfigOp.OpType */

struct edit {
    struct str key, value;
    int8_t op;
};

/* One resource of the request. */
struct alteration {
    int8_t type;
    struct str name;
    struct edit *edits; /* sorted by key, once they are checked each key once */
    int32_t edit_count;
    struct refusal refusal;
    struct config_entry *given;   /* of the edits, those that give a value */
    struct config_entry *entries; /* all that the resource would have, sorted */
    struct config_entry *changes; /* records to write; value null: the setting goes */
    int32_t given_count, entry_count, change_count;
};

struct altering {
    const struct controller_context *ctx;
    struct arena *arena;
    struct alteration *items; /* in the request's order */
    int32_t count;
    bool replaces; /* AlterConfigs: what is not given goes */
    bool has_elr;
    struct controller_records records;
};

static void refuse(struct alteration *item, enum kafka_error code, struct str message) {
    item->refusal = (struct refusal){.code = (int16_t)code, .message = message};
}

static bool is_refused(const struct alteration *item) { return item->refusal.code != KAFKA_NONE; }

/* --- what the request says --- */

static int edit_order(const void *a, const void *b) {
    const struct edit *x = a, *y = b;
    breathe();
    return str_cmp(x->key, y->key);
}

static int item_order(const void *a, const void *b) {
    const struct alteration *x = *(struct alteration *const *)a,
                            *y = *(struct alteration *const *)b;
    breathe();
    return x->type != y->type ? (x->type > y->type) - (x->type < y->type)
                              : str_cmp(x->name, y->name);
}

static enum status check_resources(struct altering *a) {
    struct alteration **order =
        arena_array(a->arena, (size_t)a->count, sizeof(struct alteration *));
    if (order == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < a->count; i++) order[i] = &a->items[i];
    qsort(order, (size_t)a->count, sizeof(struct alteration *), item_order);
    for (int32_t i = 1; i < a->count; i++) {
        if (item_order(&order[i - 1], &order[i]) != 0) continue;
        struct str message = STR("Each resource must appear at most once.");
        refuse(order[i - 1], KAFKA_INVALID_REQUEST, message);
        refuse(order[i], KAFKA_INVALID_REQUEST, message);
    }
    return ST_OK;
}

static void refuse_nulls(struct altering *a, struct alteration *item) {
    struct strbuf text;
    strbuf_init(&text, image_mem(a->ctx->image));
    for (int32_t i = 0; i < item->edit_count; i++) {
        const struct edit *edit = &item->edits[i];
        breathe();
        if (edit->op == OP_DELETE || edit->value.ptr != NULL) continue;
        strbuf_add_str(&text, text.len == 0 ? STR("Null value not supported for : ") : STR(","));
        strbuf_add_str(&text, edit->key);
    }
    refuse(item, KAFKA_INVALID_REQUEST, arena_str(a->arena, strbuf_str(&text)));
    strbuf_release(&text);
}

static void check_form(struct altering *a, struct alteration *item) {
    bool has_nulls = false;
    qsort(item->edits, (size_t)item->edit_count, sizeof *item->edits, edit_order);
    for (int32_t i = 0; i < item->edit_count; i++) {
        const struct edit *edit = &item->edits[i];
        if (i > 0 && str_eq(edit[-1].key, edit->key)) {
            refuse(item, KAFKA_INVALID_REQUEST, STR("Error due to duplicate config keys"));
            return;
        }
        has_nulls = has_nulls || (edit->op != OP_DELETE && edit->value.ptr == NULL);
        breathe();
    }
    if (has_nulls) refuse_nulls(a, item);
}

static void check_type(struct altering *a, struct alteration *item) {
    switch (item->type) {
    case CONFIG_TOPIC:
    case CONFIG_BROKER:
    case CONFIG_GROUP: return;
    case CONFIG_CLIENT_METRICS:
        refuse(item, KAFKA_INVALID_REQUEST,
               STR("Settings of resources of this type are not served yet."));
        return;
    default:
        refuse(item, KAFKA_INVALID_REQUEST,
               arena_printf(a->arena, "Unknown resource type %d", item->type));
    }
}

/* --- from edits to settings --- */

/* Cuts the next item off; false at the end. */
static bool next_item(struct str *rest, struct str *ret_item) {
    if (rest->ptr == NULL) return false;
    const char *comma = memchr(rest->ptr, ',', rest->len);
    size_t len = comma != NULL ? (size_t)(comma - rest->ptr) : rest->len;
    *ret_item = (struct str){rest->ptr, len};
    *rest = comma != NULL ? (struct str){comma + 1, rest->len - len - 1} : STR_NULL;
    return true;
}

static bool list_has(struct str list, struct str wanted) {
    struct str item;
    while (next_item(&list, &item)) {
        if (str_eq(item, wanted)) return true;
    }
    return false;
}

/* What is left of `list` without the items of `without`, and then the items of `with` that are not
 * there yet. Null without memory. */
static struct str edit_list(struct str list, struct str without, struct str with,
                            struct arena *arena) {
    struct str item, rest = list;
    char *text = arena_alloc(arena, list.len + with.len + 2);
    size_t len = 0;
    bool is_first = true;
    if (text == NULL) return STR_NULL;
    for (int pass = 0; pass < 2; pass++) {
        while (next_item(&rest, &item)) {
            bool stays = pass == 0 ? item.len > 0 && !list_has(without, item)
                                   : !list_has((struct str){text, len}, item) || len == 0;
            if (!stays) continue;
            if (!is_first) text[len++] = ',';
            memcpy(text + len, item.ptr, item.len);
            len += item.len;
            is_first = false;
        }
        rest = with;
    }
    return (struct str){text, len};
}

static void refuse_list(struct altering *a, struct alteration *item, const struct edit *edit) {
    bool appends = edit->op == OP_APPEND;
    if (item->type == CONFIG_BROKER) {
        refuse(item, KAFKA_INVALID_CONFIG,
               arena_printf(a->arena, "Config value %s is not allowed for config key: %.*s",
                            appends ? "append" : "subtract", STR_ARG(edit->key)));
    } else {
        refuse(item, KAFKA_INVALID_CONFIG,
               arena_printf(a->arena, "Can't %s to key %.*s because its type is not LIST.",
                            appends ? "APPEND" : "SUBTRACT", STR_ARG(edit->key)));
    }
}

/* The value after the edit; null: the setting goes. */
static struct str edited(struct altering *a, struct alteration *item, const struct edit *edit,
                         struct str current) {
    const struct config_rules *rules = &a->ctx->rules;
    if (edit->op == OP_SET) return edit->value;
    if (edit->op == OP_DELETE) return STR_NULL;
    if (edit->op != OP_APPEND && edit->op != OP_SUBTRACT) {
        if (item->type == CONFIG_BROKER) {
            refuse(item, KAFKA_INVALID_REQUEST,
                   arena_printf(a->arena, "Unknown operations type %d", edit->op));
        } else {
            refuse(item, KAFKA_UNKNOWN_SERVER_ERROR, STR_NULL);
        }
        return STR_NULL;
    }
    struct str initial = rules->list_default != NULL
                             ? rules->list_default(rules->context, item->type, edit->key)
                             : STR_NULL;
    if (initial.ptr == NULL) {
        refuse_list(a, item, edit);
        return STR_NULL;
    }
    bool appends = edit->op == OP_APPEND;
    struct str list =
        edit_list(current.ptr != NULL ? current : initial, appends ? STR_NULL : edit->value,
                  appends ? edit->value : STR_NULL, a->arena);
    if (list.ptr == NULL) a->records.status = ST_NOMEM;
    return list;
}

static void put(struct config_entry *entries, int32_t *count, struct str key, struct str value) {
    entries[(*count)++] = (struct config_entry){key, value};
}

/* Both are sorted: what the resource has and what is done to it. */
static enum status merge(struct altering *a, struct alteration *item) {
    const struct config_image *current = image_config(a->ctx->image, item->type, item->name);
    int32_t have = current != NULL ? current->count : 0, at = 0;
    size_t most = (size_t)have + (size_t)item->edit_count;
    item->given = arena_array(a->arena, most, sizeof *item->given);
    item->entries = arena_array(a->arena, most, sizeof *item->entries);
    item->changes = arena_array(a->arena, most, sizeof *item->changes);
    if (item->given == NULL || item->entries == NULL || item->changes == NULL) return ST_NOMEM;
    for (int32_t e = 0; e < item->edit_count || at < have;) {
        const struct config_entry *entry = at < have ? &current->entries[at] : NULL;
        const struct edit *edit = e < item->edit_count ? &item->edits[e] : NULL;
        int order = edit == NULL ? -1 : entry == NULL ? 1 : str_cmp(entry->key, edit->key);
        if (order < 0) { /* not spoken of */
            at++;
            if (a->replaces) {
                put(item->changes, &item->change_count, entry->key, STR_NULL);
            } else {
                put(item->entries, &item->entry_count, entry->key, entry->value);
            }
            continue;
        }
        breathe();
        struct str before = order == 0 ? entry->value : STR_NULL;
        struct str after = edited(a, item, edit, before);
        if (is_refused(item)) return ST_OK;
        at += order == 0;
        e++;
        if (after.ptr != NULL) {
            put(item->entries, &item->entry_count, edit->key, after);
            put(item->given, &item->given_count, edit->key, after);
        }
        /* A broker's is written even when it stays, as Kafka does. */
        if (item->type != CONFIG_BROKER && str_eq(before, after)) continue;
        put(item->changes, &item->change_count, edit->key, after);
    }
    return ST_OK;
}

/* --- what they may be --- */

static void check_topic(struct altering *a, struct alteration *item) {
    const struct config_rules *rules = &a->ctx->rules;
    if (item->name.len == 0) {
        refuse(item, KAFKA_INVALID_REQUEST, STR("Default topic resources are not allowed."));
        return;
    }
    struct str problem = topic_name_problem(item->name, a->arena);
    if (problem.ptr != NULL) {
        refuse(item, KAFKA_INVALID_TOPIC_EXCEPTION, problem);
        return;
    }
    if (rules->topic_problem != NULL) {
        problem = rules->topic_problem(rules->context, item->entries, item->entry_count, a->arena);
    }
    if (problem.ptr != NULL) {
        refuse(item, KAFKA_INVALID_CONFIG, problem);
    } else if (image_topic_by_name(a->ctx->image, item->name) == NULL) {
        refuse(item, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
               arena_printf(a->arena, "The topic '%.*s' does not exist.", STR_ARG(item->name)));
    }
}

/* There need be no such group yet. */
static void check_group(struct altering *a, struct alteration *item) {
    const struct config_rules *rules = &a->ctx->rules;
    if (item->name.len == 0) {
        refuse(item, KAFKA_INVALID_REQUEST, STR("Default group resources are not allowed."));
        return;
    }
    if (rules->group_problem == NULL) return;
    struct str problem =
        rules->group_problem(rules->context, item->entries, item->entry_count, a->arena);
    if (problem.ptr != NULL) refuse(item, KAFKA_INVALID_CONFIG, problem);
}

static void check_broker(struct altering *a, struct alteration *item) {
    const struct config_rules *rules = &a->ctx->rules;
    if (rules->broker_problem != NULL) {
        item->refusal =
            rules->broker_problem(rules->context, item->name, item->given, item->given_count,
                                  item->entries, item->entry_count, a->arena);
    }
    for (int32_t i = 0; i < item->change_count && a->has_elr && !is_refused(item); i++) {
        const struct config_entry *change = &item->changes[i];
        if (!str_eq(change->key, STR(MIN_INSYNC_REPLICAS))) continue;
        if (item->name.len > 0) {
            refuse(item, KAFKA_INVALID_CONFIG,
                   STR("Broker-level min.insync.replicas cannot be altered while ELR is enabled."));
        } else if (change->value.ptr == NULL) {
            refuse(
                item, KAFKA_INVALID_CONFIG,
                STR("Cluster-level min.insync.replicas cannot be removed while ELR is enabled."));
        }
    }
}

/* --- the records --- */

static void add_records(struct altering *a, const struct alteration *item) {
    bool clears_elr = false;
    for (int32_t i = 0; i < item->change_count; i++) {
        struct config_record record;
        config_record_defaults(&record);
        record.resource_type = item->type;
        record.resource_name = item->name;
        record.name = item->changes[i].key;
        record.value = item->changes[i].value;
        controller_records_add(&a->records, &config_record_schema, 0, &record);
        clears_elr = clears_elr || str_eq(record.name, STR(MIN_INSYNC_REPLICAS));
    }
    if (!clears_elr || !a->has_elr) return;
    struct clear_elr_record clear; /* whoever was eligible was so under another minimum */
    clear_elr_record_defaults(&clear);
    clear.topic_name = item->type == CONFIG_TOPIC ? item->name : STR("");
    controller_records_add(&a->records, &clear_elr_record_schema, 0, &clear);
}

static enum status alter(struct altering *a, struct alteration *item) {
    breathe();
    if (!is_refused(item)) check_form(a, item);
    if (!is_refused(item)) check_type(a, item);
    if (is_refused(item)) return ST_OK;
    enum status st = merge(a, item);
    if (st != ST_OK || is_refused(item)) return st;
    switch (item->type) {
    case CONFIG_TOPIC: check_topic(a, item); break;
    case CONFIG_GROUP: check_group(a, item); break;
    default: check_broker(a, item);
    }
    if (!is_refused(item)) add_records(a, item);
    return a->records.status;
}

static void begin(struct altering *a, const struct controller_context *ctx, int32_t count) {
    *a = (struct altering){
        .ctx = ctx,
        .arena = ctx->arena,
        .items = arena_array(ctx->arena, (size_t)MAX(count, 0), sizeof(struct alteration)),
        .has_elr = image_feature(ctx->image, STR("eligible.leader.replicas.version")) > 0,
    };
    controller_records_init(&a->records, ctx->arena);
    if (a->items == NULL) a->records.status = ST_NOMEM;
}

/* The next item; its edits are to be filled. NULL: no memory. */
static struct alteration *add_item(struct altering *a, int8_t type, struct str name,
                                   int32_t edit_count) {
    if (a->records.status != ST_OK) return NULL;
    struct alteration *item = &a->items[a->count++];
    breathe();
    *item = (struct alteration){
        .type = type,
        .name = name,
        .edits = arena_array(a->arena, (size_t)MAX(edit_count, 0), sizeof(struct edit)),
        .edit_count = MAX(edit_count, 0),
    };
    if (item->edits != NULL) return item;
    a->records.status = ST_NOMEM;
    return NULL;
}

static void decide(struct altering *a, bool validate_only) {
    enum status st = a->records.status == ST_OK ? check_resources(a) : ST_NOMEM;
    for (int32_t i = 0; i < a->count && st == ST_OK; i++) st = alter(a, &a->items[i]);
    if (a->records.status == ST_OK) a->records.status = st;
    if (validate_only && a->records.status == ST_OK) controller_records_init(&a->records, a->arena);
}

void controller_incremental_alter_configs(const struct controller_context *ctx,
                                          const struct incremental_alter_configs_request *request,
                                          struct incremental_alter_configs_response *response,
                                          struct controller_records *records) {
    struct altering a;
    begin(&a, ctx, request->resources_count);
    incremental_alter_configs_response_defaults(response);
    for (int32_t i = 0; i < request->resources_count; i++) {
        const struct incremental_alter_configs_request_resource *in = &request->resources[i];
        struct alteration *item =
            add_item(&a, in->resource_type, in->resource_name, in->configs_count);
        for (int32_t e = 0; item != NULL && e < item->edit_count; e++) {
            breathe();
            item->edits[e] = (struct edit){.key = in->configs[e].name,
                                           .value = in->configs[e].value,
                                           .op = in->configs[e].config_operation};
        }
    }
    decide(&a, request->validate_only);
    response->responses = incremental_alter_configs_response_resource_array(ctx->arena, a.count);
    if (response->responses == NULL) a.records.status = ST_NOMEM;
    for (int32_t i = 0; i < a.count && a.records.status == ST_OK; i++) {
        struct incremental_alter_configs_response_resource *out =
            &response->responses[response->responses_count++];
        breathe();
        out->resource_type = a.items[i].type;
        out->resource_name = a.items[i].name;
        out->error_code = a.items[i].refusal.code;
        out->error_message = a.items[i].refusal.message;
    }
    *records = a.records;
}

void controller_alter_configs(const struct controller_context *ctx,
                              const struct alter_configs_request *request,
                              struct alter_configs_response *response,
                              struct controller_records *records) {
    struct altering a;
    begin(&a, ctx, request->resources_count);
    a.replaces = true;
    alter_configs_response_defaults(response);
    for (int32_t i = 0; i < request->resources_count; i++) {
        const struct alter_configs_request_resource *in = &request->resources[i];
        struct alteration *item =
            add_item(&a, in->resource_type, in->resource_name, in->configs_count);
        for (int32_t e = 0; item != NULL && e < item->edit_count; e++) {
            breathe();
            item->edits[e] = (struct edit){
                .key = in->configs[e].name, .value = in->configs[e].value, .op = OP_SET};
        }
    }
    decide(&a, request->validate_only);
    response->responses = alter_configs_response_resource_array(ctx->arena, a.count);
    if (response->responses == NULL) a.records.status = ST_NOMEM;
    for (int32_t i = 0; i < a.count && a.records.status == ST_OK; i++) {
        struct alter_configs_response_resource *out =
            &response->responses[response->responses_count++];
        breathe();
        out->resource_type = a.items[i].type;
        out->resource_name = a.items[i].name;
        out->error_code = a.items[i].refusal.code;
        out->error_message = a.items[i].refusal.message;
    }
    *records = a.records;
}
