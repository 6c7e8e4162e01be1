/* broker/net/fetch_sessions.c - the cache of one shard. */
#include "broker/net/fetch_sessions.h"
#include "base/assert.h"
#include "protocol/errors.h"

/* --- ids --- */

/* 1 + shard + shards * n: positive, and the shard can be read from it. */
int32_t fetch_session_shard(int32_t id, uint32_t shard_count) {
    return id > 0 ? (int32_t)(((uint32_t)id - 1) % shard_count) : -1;
}

static uint64_t id_hash(int32_t id) { return hash_bytes(&id, sizeof id, 0); }

static bool session_has_id(const struct map_node *node, const void *key) {
    return CONTAINER_OF(node, struct fetch_session, node)->id == *(const int32_t *)key;
}

static struct fetch_session *find(const struct fetch_sessions *cache, int32_t id) {
    struct map_node *node = map_find(&cache->by_id, id_hash(id), session_has_id, &id);
    return node != NULL ? CONTAINER_OF(node, struct fetch_session, node) : NULL;
}

static int32_t new_id(struct fetch_sessions *cache) {
    uint64_t bound = (INT32_MAX - 1 - cache->shard) / cache->shard_count;
    for (;;) {
        uint64_t n = prng_below(&cache->prng, bound);
        int32_t id = (int32_t)(1 + cache->shard + cache->shard_count * n);
        if (find(cache, id) == NULL) return id;
    }
}

/* --- parts --- */

struct part_key {
    struct str topic;
    struct uuid topic_id;
    int32_t index;
};

static uint64_t part_hash(const struct part_key *key) {
    uint64_t salt = (uint64_t)(uint32_t)key->index;
    return key->topic.ptr != NULL ? hash_bytes(key->topic.ptr, key->topic.len, salt)
                                  : hash_bytes(key->topic_id.b, 16, salt);
}

static bool part_has_key(const struct map_node *node, const void *key) {
    const struct session_part *part = CONTAINER_OF(node, struct session_part, node);
    const struct part_key *k = key;
    if (part->wish.index != k->index) return false;
    return k->topic.ptr != NULL ? str_eq(part->topic, k->topic)
                                : uuid_eq(part->topic_id, k->topic_id);
}

static struct session_part *find_part(const struct fetch_session *session,
                                      const struct part_key *key) {
    struct map_node *node = map_find(&session->map, part_hash(key), part_has_key, key);
    return node != NULL ? CONTAINER_OF(node, struct session_part, node) : NULL;
}

/* The name lies behind the struct. */
static size_t part_bytes(struct str topic) { return sizeof(struct session_part) + topic.len; }

static void remove_part(struct fetch_sessions *cache, struct fetch_session *session,
                        struct session_part *part) {
    size_t bytes = part_bytes(part->topic);
    map_remove(&session->map, &part->node);
    list_remove(&part->link);
    session->part_count--;
    session->bytes -= bytes;
    cache->bytes -= bytes;
    mem_free(cache->mem, part, bytes);
}

/* What a session by ids knows of names, and the other way round, is nothing. */
static struct part_key key_of(const struct fetch_session *session, struct str topic,
                              struct uuid topic_id, int32_t index) {
    return session->by_ids ? (struct part_key){.topic_id = topic_id, .index = index}
                           : (struct part_key){.topic = topic, .index = index};
}

struct session_part *fetch_session_put(struct fetch_sessions *cache, struct fetch_session *session,
                                       struct str topic, struct uuid topic_id,
                                       const struct fetch_wish *wish) {
    struct part_key key = key_of(session, topic, topic_id, wish->index);
    struct session_part *part = find_part(session, &key);
    if (part != NULL) {
        part->wish = *wish;
        return part;
    }
    size_t bytes = part_bytes(key.topic);
    if (cache->bytes + bytes > cache->bytes_limit) return NULL;
    part = mem_alloc(cache->mem, bytes);
    if (part == NULL) return NULL;
    *part = (struct session_part){
        .topic_id = key.topic_id, .wish = *wish, .high_watermark = -1, .log_start_offset = -1};
    if (key.topic.ptr != NULL) {
        memcpy(part + 1, key.topic.ptr, key.topic.len);
        part->topic = (struct str){(const char *)(part + 1), key.topic.len};
    }
    map_insert(&session->map, part_hash(&key), &part->node);
    list_push_back(&session->parts, &part->link);
    session->part_count++;
    session->bytes += bytes;
    cache->bytes += bytes;
    return part;
}

void fetch_session_forget(struct fetch_sessions *cache, struct fetch_session *session,
                          struct str topic, struct uuid topic_id, int32_t index) {
    struct part_key key = key_of(session, topic, topic_id, index);
    struct session_part *part = find_part(session, &key);
    if (part != NULL) remove_part(cache, session, part);
}

bool fetch_session_answers(struct fetch_session *session, struct session_part *part,
                           const struct fetch_response_partition_data *news,
                           uint64_t record_bytes) {
    bool has_moved = part->high_watermark != news->high_watermark ||
                     part->log_start_offset != news->log_start_offset;
    bool has_error = news->error_code != KAFKA_NONE;
    bool diverges = news->diverging_epoch.epoch >= 0;
    part->high_watermark = has_error ? -1 : news->high_watermark;
    part->log_start_offset = news->log_start_offset;
    if (record_bytes > 0) {
        list_remove(&part->link);
        list_push_back(&session->parts, &part->link);
    }
    return record_bytes > 0 || has_moved || has_error || diverges;
}

/* --- sessions --- */

static void free_session(struct fetch_sessions *cache, struct fetch_session *session) {
    LIST_EACH(&session->parts, node)
    remove_part(cache, session, CONTAINER_OF(node, struct session_part, link));
    map_release(&session->map);
    MEM_FREE(cache->mem, session);
}

/* Nobody finds it any more. */
static void remove_session(struct fetch_sessions *cache, struct fetch_session *session) {
    map_remove(&cache->by_id, &session->node);
    list_remove(&session->link);
    cache->session_count--;
    if (session->is_taken) {
        session->is_removed = true;
    } else {
        free_session(cache, session);
    }
}

void fetch_sessions_init(struct fetch_sessions *cache, struct mem *mem, uint32_t shard,
                         uint32_t shard_count, uint32_t slots, uint64_t bytes_limit,
                         uint64_t seed) {
    *cache = (struct fetch_sessions){
        .mem = mem,
        .shard = shard,
        .shard_count = shard_count,
        .session_limit = slots / shard_count + (shard < slots % shard_count),
        .bytes_limit = bytes_limit,
    };
    map_init(&cache->by_id, mem);
    list_init(&cache->by_use);
    prng_seed(&cache->prng, seed);
}

void fetch_sessions_release(struct fetch_sessions *cache) {
    LIST_EACH(&cache->by_use, node) {
        struct fetch_session *session = CONTAINER_OF(node, struct fetch_session, link);
        ASSERT(!session->is_taken);
        remove_session(cache, session);
    }
    ASSERT(cache->bytes == 0);
    map_release(&cache->by_id);
}

/* One that may go for a new session of so many partitions; NULL: none. The cache is searched only
 * when it is full. */
static struct fetch_session *evictable(const struct fetch_sessions *cache, uint32_t count,
                                       uint64_t now_us) {
    struct fetch_session *smallest = NULL;
    if (list_is_empty(&cache->by_use)) return NULL;
    struct fetch_session *stale = CONTAINER_OF(cache->by_use.next, struct fetch_session, link);
    if (now_us - stale->used_us > FETCH_SESSION_EVICTION_US) return stale;
    LIST_EACH(&cache->by_use, node) {
        struct fetch_session *session = CONTAINER_OF(node, struct fetch_session, link);
        if (now_us - session->created_us <= FETCH_SESSION_EVICTION_US) continue;
        if (smallest == NULL || session->counted < smallest->counted) smallest = session;
    }
    return smallest != NULL && count > smallest->counted ? smallest : NULL;
}

struct fetch_session *fetch_session_new(struct fetch_sessions *cache, bool by_ids, uint32_t count,
                                        uint64_t now_us) {
    if (cache->session_limit == 0) return NULL;
    if (cache->session_count >= cache->session_limit) {
        struct fetch_session *old = evictable(cache, count, now_us);
        if (old == NULL) return NULL;
        remove_session(cache, old);
        cache->evicted_count++;
    }
    struct fetch_session *session = mem_alloc(cache->mem, sizeof *session);
    if (session == NULL) return NULL;
    *session = (struct fetch_session){
        .id = new_id(cache),
        .epoch = FETCH_EPOCH_INITIAL + 1,
        .by_ids = by_ids,
        .is_taken = true,
        .created_us = now_us,
        .used_us = now_us,
        .counted = count,
    };
    map_init(&session->map, cache->mem);
    list_init(&session->parts);
    map_insert(&cache->by_id, id_hash(session->id), &session->node);
    list_push_back(&cache->by_use, &session->link);
    cache->session_count++;
    return session;
}

int16_t fetch_session_take(struct fetch_sessions *cache, int32_t id, int32_t epoch, bool by_ids,
                           struct fetch_session **ret_session) {
    struct fetch_session *session = find(cache, id);
    if (session == NULL) return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (session->is_taken || session->epoch != epoch) return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    if (session->by_ids != by_ids) return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    session->is_taken = true;
    *ret_session = session;
    return KAFKA_NONE;
}

bool fetch_session_advance(struct fetch_sessions *cache, struct fetch_session *session,
                           uint64_t now_us) {
    ASSERT(session->is_taken);
    if (session->part_count == 0) {
        if (!session->is_removed) remove_session(cache, session);
        fetch_session_give_back(cache, session);
        return false;
    }
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_us = now_us;
    session->counted = session->part_count;
    if (session->is_removed) return true; /* meanwhile; this request is its last */
    list_remove(&session->link);
    list_push_back(&cache->by_use, &session->link);
    return true;
}

void fetch_session_give_back(struct fetch_sessions *cache, struct fetch_session *session) {
    ASSERT(session->is_taken);
    session->is_taken = false;
    if (session->is_removed) free_session(cache, session);
}

void fetch_session_close(struct fetch_sessions *cache, int32_t id) {
    struct fetch_session *session = find(cache, id);
    if (session != NULL) remove_session(cache, session);
}
