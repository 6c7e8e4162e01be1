/* broker/group/coordinator.c - groups by id, events to those who handle them, replay by record
 * type. */
#include "broker/group/coordinator.h"
#include <stdlib.h>
#include "base/assert.h"
#include "broker/group/admin.h"
#include "broker/group/classic.h"
#include "broker/group/consumer.h"
#include "broker/group/offsets.h"

/* --- groups --- */

static uint64_t id_hash(struct str id) { return hash_bytes(id.ptr, id.len, 1); }

static bool has_id(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct group, node)->id, *(const struct str *)key);
}

struct group *group_find(const struct coordinator *c, struct str id) {
    struct map_node *node = map_find(&c->groups, id_hash(id), has_id, &id);
    return node != NULL ? CONTAINER_OF(node, struct group, node) : NULL;
}

struct group *group_create(struct coordinator *c, struct str id) {
    struct group *group = mem_alloc(c->mem, sizeof *group);
    if (group == NULL) return NULL;
    *group = (struct group){.coordinator = c};
    map_init(&group->topics, c->mem);
    group->body = classic_new(group);
    if (group->body == NULL || !group_text_copy(c->mem, id, &group->id)) {
        if (group->body != NULL) group->body->kind->free(group->body);
        MEM_FREE(c->mem, group);
        return NULL;
    }
    map_insert(&c->groups, id_hash(id), &group->node);
    return group;
}

void group_remove(struct group *group) {
    struct coordinator *c = group->coordinator;
    map_remove(&c->groups, &group->node);
    offsets_free_all(group);
    map_release(&group->topics);
    group->body->kind->free(group->body);
    group_text_free(c->mem, &group->id);
    MEM_FREE(c->mem, group);
}

void group_set_body(struct group *group, struct group_body *body) {
    group->body->kind->free(group->body);
    group->body = body;
}

bool group_reset(struct group *group) {
    struct group_body *body = classic_new(group);
    if (body == NULL) return false;
    group_set_body(group, body);
    return true;
}

bool group_bury(struct group *group) {
    struct coordinator *c = group->coordinator;
    group_effects_unit(c->fx);
    if (group->body->kind->bury(group) != ST_OK) {
        group_effects_drop_unit(c->fx);
        return false;
    }
    c->next_position++;
    if (group->topics.count == 0 && group->pending_count == 0) {
        group_remove(group);
    } else if (!group_reset(group)) {
        c->fx->is_broken = true;
    }
    return true;
}

static int by_id(const void *a, const void *b) {
    return str_cmp((*(struct group *const *)a)->id, (*(struct group *const *)b)->id);
}

struct group **groups_sorted(const struct coordinator *c, struct arena *arena) {
    struct group **all = arena_array(arena, c->groups.count, sizeof(struct group *));
    size_t count = 0;
    if (all == NULL) return NULL;
    for (struct map_node *n = NULL; (n = map_next(&c->groups, n)) != NULL;)
        all[count++] = CONTAINER_OF(n, struct group, node);
    qsort(all, count, sizeof(struct group *), by_id);
    return all;
}

/* --- text --- */

bool group_bytes_copy(struct mem *mem, struct bytes bytes, struct bytes *ret_copy) {
    *ret_copy = BYTES_NULL;
    if (bytes.ptr == NULL) return true;
    uint8_t *copy = mem_alloc(mem, bytes.len + 1); /* empty is not null */
    if (copy == NULL) return false;
    memcpy(copy, bytes.ptr, bytes.len);
    *ret_copy = (struct bytes){copy, bytes.len};
    return true;
}

void group_bytes_free(struct mem *mem, struct bytes *bytes) {
    if (bytes->ptr != NULL) mem_free(mem, (void *)(uintptr_t)bytes->ptr, bytes->len + 1);
    *bytes = BYTES_NULL;
}

bool group_text_copy(struct mem *mem, struct str text, struct str *ret_copy) {
    struct bytes copy;
    bool done = group_bytes_copy(mem, (struct bytes){(const uint8_t *)text.ptr, text.len}, &copy);
    *ret_copy = (struct str){(const char *)copy.ptr, copy.len};
    return done;
}

void group_text_free(struct mem *mem, struct str *text) {
    struct bytes bytes = {(const uint8_t *)text->ptr, text->len};
    group_bytes_free(mem, &bytes);
    *text = STR_NULL;
}

/* --- the coordinator --- */

static void on_expiry(struct io_timer *timer) {
    struct coordinator *c = CONTAINER_OF(timer, struct coordinator, expiry);
    offsets_expire(c);
    timers_set(&c->timers, timer, c->now.mono_us + us_of_ms(c->settings->retention_check_ms));
}

const struct assignor *group_settings_assignor(const struct group_settings *settings,
                                               struct str name) {
    for (uint32_t i = 0; i < settings->assignor_count; i++) {
        if (str_eq(name, str_of(settings->assignors[i]->name))) return settings->assignors[i];
    }
    return NULL;
}

struct coordinator *coordinator_new(struct mem *mem, const struct group_settings *settings,
                                    uint64_t seed) {
    struct coordinator *c = MEM_NEW(mem, struct coordinator);
    c->mem = mem;
    c->settings = settings;
    c->expiry.fire = on_expiry;
    prng_seed(&c->prng, seed);
    map_init(&c->groups, mem);
    map_init(&c->transactions, mem);
    timers_init(&c->timers, mem);
    return c;
}

void coordinator_free(struct coordinator *c) {
    for (struct map_node *n; (n = map_next(&c->groups, NULL)) != NULL;)
        group_remove(CONTAINER_OF(n, struct group, node));
    ASSERT(c->transactions.count == 0); /* their offsets belong to groups */
    timers_clear(&c->timers, &c->expiry);
    map_release(&c->groups);
    map_release(&c->transactions);
    timers_release(&c->timers);
    MEM_FREE(c->mem, c);
}

static void begin(struct coordinator *c, struct now now, struct group_effects *fx) {
    c->now = now;
    c->fx = fx;
}

void coordinator_loaded(struct coordinator *c, struct now now, const struct image *image,
                        int64_t next_position, struct group_effects *fx) {
    begin(c, now, fx);
    c->image = image;
    c->next_position = next_position;
    c->is_loaded = true;
    for (struct map_node *n = NULL; (n = map_next(&c->groups, n)) != NULL;) {
        struct group *group = CONTAINER_OF(n, struct group, node);
        group->body->kind->loaded(group);
    }
    offsets_forget_missing_topics(c);
    timers_set(&c->timers, &c->expiry, now.mono_us + us_of_ms(c->settings->retention_check_ms));
}

void coordinator_request(struct coordinator *c, struct now now, struct group_ticket *ticket,
                         struct group_effects *fx) {
    ASSERT(c->is_loaded);
    begin(c, now, fx);
    switch (ticket->kind) {
    case CALL_COMMIT_OFFSETS: offsets_commit(c, ticket); return;
    case CALL_FETCH_OFFSETS: offsets_fetch(c, ticket); return;
    case CALL_DELETE_OFFSETS: offsets_delete(c, ticket); return;
    case CALL_JOIN: classic_join(c, ticket); return;
    case CALL_SYNC: classic_sync(c, ticket); return;
    case CALL_HEARTBEAT: classic_heartbeat(c, ticket); return;
    case CALL_LEAVE: classic_leave(c, ticket); return;
    case CALL_LIST_GROUPS: admin_list(c, ticket); return;
    case CALL_DESCRIBE_GROUP: admin_describe(c, ticket); return;
    case CALL_CONSUMER_HEARTBEAT: consumer_heartbeat(c, ticket); return;
    case CALL_DESCRIBE_CONSUMER: consumer_describe(c, ticket); return;
    case CALL_DELETE_GROUP: admin_delete(c, ticket); return;
    }
    ASSERT(false);
}

bool coordinator_abandon(struct group_ticket *ticket) {
    if (ticket->parked == NULL) return false;
    *ticket->parked = NULL;
    ticket->parked = NULL;
    return true;
}

void coordinator_tick(struct coordinator *c, struct now now, struct group_effects *fx) {
    begin(c, now, fx);
    (void)timers_run(&c->timers, now.mono_us); /* how many is not asked */
}

void coordinator_topic_deleted(struct coordinator *c, struct now now, const struct image *image,
                               struct str topic, struct group_effects *fx) {
    begin(c, now, fx);
    c->image = image;
    offsets_forget_topic(c, topic);
}

void coordinator_unload(struct coordinator *c, int16_t error, struct group_effects *fx) {
    c->fx = fx;
    for (struct map_node *n = NULL; (n = map_next(&c->groups, n)) != NULL;) {
        struct group *group = CONTAINER_OF(n, struct group, node);
        group->body->kind->unload(group, error);
    }
    c->is_loaded = false;
}

/* --- replay --- */

static enum status decode(const struct schema *schema, struct bytes in, struct arena *arena,
                          int16_t version, void *out) {
    size_t used = 0;
    return codec_decode(schema, version, (struct bytes){in.ptr + 2, in.len - 2}, arena, out, &used);
}

/* The value, unless it is a tombstone; its first two octets are its version. */
static enum status decode_value(const struct schema *schema, struct bytes in, struct arena *arena,
                                void *out, bool *ret_is_there) {
    *ret_is_there = in.ptr != NULL;
    if (in.ptr == NULL) return ST_OK;
    if (in.len < 2) return ST_CORRUPT;
    return decode(schema, in, arena, (int16_t)get_u16(in.ptr), out);
}

static enum status replay_offset(struct coordinator *c, const struct replay_context *at,
                                 struct bytes key, struct bytes value, struct arena *scratch) {
    struct offset_commit_key k;
    struct offset_commit_value v;
    bool has_value;
    enum status st = decode(&offset_commit_key_schema, key, scratch, 0, &k);
    if (st == ST_OK) st = decode_value(&offset_commit_value_schema, value, scratch, &v, &has_value);
    if (st != ST_OK) return st;
    return offsets_replay(c, at, &k, has_value ? &v : NULL);
}

static enum status replay_classic(struct coordinator *c, struct bytes key, struct bytes value,
                                  struct arena *scratch) {
    struct group_metadata_key k;
    struct group_metadata_value v;
    bool has_value;
    enum status st = decode(&group_metadata_key_schema, key, scratch, 0, &k);
    if (st == ST_OK)
        st = decode_value(&group_metadata_value_schema, value, scratch, &v, &has_value);
    if (st != ST_OK) return st;
    return classic_replay(c, k.group, has_value ? &v : NULL, scratch);
}

enum status coordinator_replay(struct coordinator *c, const struct replay_context *at,
                               struct bytes key, struct bytes value, struct arena *scratch) {
    ASSERT(!c->is_loaded);
    if (key.len < 2) return ST_CORRUPT;
    enum status st = ST_OK;
    uint16_t type = get_u16(key.ptr);
    switch (type) { /* the type: the version of the key */
    case LEGACY_OFFSET_COMMIT_KEY: /* the same fields in the same order; its value is version 0 */
    case OFFSET_COMMIT_KEY: st = replay_offset(c, at, key, value, scratch); break;
    case GROUP_METADATA_KEY: st = replay_classic(c, key, value, scratch); break;
    default:
        if (consumer_record_is(type)) st = consumer_replay(c, type, key, value, scratch);
    }
    return st == ST_NOMEM ? ST_NOMEM : st == ST_OK ? ST_OK : ST_CORRUPT;
}

enum status coordinator_replay_marker(struct coordinator *c, int64_t producer_id, bool is_commit) {
    return offsets_replay_marker(c, producer_id, is_commit);
}

/* --- dump --- */

void coordinator_dump(const struct coordinator *c, struct strbuf *out) {
    struct arena arena;
    arena_init(&arena, c->mem, 4096, 0);
    struct group **groups = groups_sorted(c, &arena);
    for (size_t i = 0; groups != NULL && i < c->groups.count; i++) {
        groups[i]->body->kind->dump(groups[i], out);
        offsets_dump(groups[i], out);
    }
    if (groups == NULL) out->failed = true;
    arena_release(&arena);
}

/* --- which partition --- */

/* The next character of UTF-8 text; octets that are none are U+FFFD one by one, near enough to what
 * Java makes of them. */
static uint32_t next_character(struct str *rest) {
    const uint8_t *p = (const uint8_t *)rest->ptr;
    size_t len = 1;
    uint32_t c = p[0];
    if (c >= 0xf0) {
        len = 4;
    } else if (c >= 0xe0) {
        len = 3;
    } else if (c >= 0xc0) {
        len = 2;
    }
    if (c >= 0x80 && (len > rest->len || !str_is_utf8((struct str){rest->ptr, len}))) {
        len = 1;
        c = 0xfffd;
    } else if (len > 1) {
        c &= 0x7fu >> len;
        for (size_t i = 1; i < len; i++) c = c << 6 | (p[i] & 0x3fu);
    }
    rest->ptr += len;
    rest->len -= len;
    return c;
}

int32_t group_partition(struct str group_id, int32_t partition_count) {
    uint32_t hash = 0;
    while (group_id.len > 0) {
        uint32_t c = next_character(&group_id);
        if (c >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + c;
    }
    int32_t number = (int32_t)hash;
    if (number < 0) number = number == INT32_MIN ? 0 : -number;
    return number % partition_count;
}
