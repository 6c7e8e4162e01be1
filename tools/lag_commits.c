/* tools/lag_commits.c - see lag_commits.h. */
#include "tools/lag_commits.h"
#include <stdlib.h>
#include "base/assert.h"
#include "protocol/record_iter.h"
#include "tools/partition_offsets.h"

#define OFFSETS_TOPIC STR("__consumer_offsets")
#define FETCH_LAST_VERSION 12 /* topics by name, above by id */
#define ANSWER_BYTES_MAX (16 << 20)
#define PARTITION_BYTES (1 << 20)
#define PLAIN_BYTES_MAX (16 << 20) /* of one batch */

/* --- records --- */

/* What stands behind the two octets that begin a key or a value. */
static bool decode(const struct schema *schema, int16_t version, struct bytes octets,
                   struct arena *arena, void *ret_message) {
    size_t used;
    if (version < schema->min_version || version > schema->max_version) return false;
    return codec_decode(schema, version, (struct bytes){octets.ptr + 2, octets.len - 2}, arena,
                        ret_message, &used) == ST_OK;
}

static void note_record(const struct record *record, struct arena *arena, struct lag_watch *watch) {
    struct offset_commit_key key;
    struct offset_commit_value value;
    if (record->key.len < 2 || record->value.len < 2) return; /* not of groups; a tombstone */
    if (get_u16(record->key.ptr) > 1) return;                 /* 2: of a group; 0 and 1: alike */
    if (!decode(&offset_commit_key_schema, 0, record->key, arena, &key)) return;
    struct lag_partition *p =
        lag_watch_find(watch, key.group, (struct group_place){key.topic, key.partition});
    int16_t version = (int16_t)get_u16(record->value.ptr);
    if (p != NULL && decode(&offset_commit_value_schema, version, record->value, arena, &value))
        p->moved_ms = value.commit_timestamp;
}

int64_t lag_commits_note(struct mem *mem, struct bytes records, struct lag_watch *watch) {
    struct arena arena;
    struct record_iter it;
    struct batch_view view;
    int64_t next = -1;
    arena_init(&arena, mem, 4096, 0);
    record_iter_init(&it, mem);
    while (batch_open(records, &view) == ST_OK) {
        struct record record;
        record_iter_open(&it, &view, PLAIN_BYTES_MAX);
        while (!batch_is_control(&view) && !batch_is_transactional(&view) &&
               record_iter_next(&it, &record)) {
            note_record(&record, &arena, watch);
            arena_reset(&arena);
        }
        record_iter_close(&it);
        next = batch_next_offset(&view);
        records = (struct bytes){records.ptr + view.batch_bytes, records.len - view.batch_bytes};
    }
    record_iter_release(&it);
    arena_release(&arena);
    return next;
}

/* --- reading --- */

/* A partition of the topic: what is left of its tail. */
struct tail {
    int32_t index, leader;
    int64_t next, end;
};

static bool is_left(const struct tail *tail) { return tail->leader >= 0 && tail->next < tail->end; }

static const struct topic *offsets_topic(const struct topic_list *topics) {
    for (uint32_t i = 0; i < topics->count; i++) {
        if (str_eq(topics->topics[i].name, OFFSETS_TOPIC)) return &topics->topics[i];
    }
    return NULL;
}

static enum status find_tails(struct client *c, const struct topic *topic, struct tail *tails) {
    uint32_t count = (uint32_t)topic->partition_count;
    struct partition_offset *asked = arena_array(c->arena, count, sizeof *asked);
    static const int64_t times[] = {OFFSET_EARLIEST, OFFSET_LATEST};
    ASSERT(asked != NULL); /* the arena has no limit */
    for (size_t k = 0; k < COUNT(times); k++) {
        for (uint32_t i = 0; i < count; i++)
            asked[i] = (struct partition_offset){.topic = topic->name,
                                                 .index = topic->partitions[i].index,
                                                 .leader = topic->partitions[i].leader};
        enum status st = partition_offsets_ask(c, times[k], asked, count);
        if (st != ST_OK) return st;
        for (uint32_t i = 0; i < count; i++) {
            bool is_known = asked[i].answered && asked[i].error_code == KAFKA_NONE;
            if (times[k] == OFFSET_EARLIEST) {
                tails[i] = (struct tail){asked[i].index, asked[i].leader,
                                         is_known ? asked[i].offset : 0, 0};
            } else if (is_known) {
                tails[i].end = asked[i].offset;
                tails[i].next = MAX(tails[i].next, asked[i].offset - LAG_COMMITS_TAIL);
            }
        }
    }
    return ST_OK;
}

/* Nothing for a tail behind the first: the answer was full. Else no progress means that there will
 * be none. */
static void take_answer(struct client *c, const struct fetch_response_partition_data *data,
                        struct tail *tail, bool is_first, struct lag_watch *watch) {
    int64_t next = -1;
    bool is_good = data->error_code == KAFKA_NONE;
    if (is_good && data->records.bytes.len == 0 && !is_first) return;
    if (is_good) next = lag_commits_note(c->arena->mem, data->records.bytes, watch);
    tail->next = next > tail->next ? next : tail->end;
}

/* One request to the leader of the first tail that is left, for all of its tails. */
static enum status read_some(struct client *c, struct tail *tails, uint32_t count, int32_t leader,
                             struct lag_watch *watch) {
    struct fetch_request request;
    struct fetch_response response;
    codec_defaults(&fetch_request_schema, &request);
    request.replica_id = -1;
    request.max_bytes = ANSWER_BYTES_MAX;
    request.session_epoch = -1;
    request.topics = fetch_request_topic_array(c->arena, 1);
    ASSERT(request.topics != NULL);
    request.topics_count = 1;
    struct fetch_request_topic *topic = &request.topics[0];
    topic->topic = OFFSETS_TOPIC;
    topic->partitions = fetch_request_partition_array(c->arena, (int32_t)count);
    ASSERT(topic->partitions != NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_left(&tails[i]) || tails[i].leader != leader) continue;
        struct fetch_request_partition *p = &topic->partitions[topic->partitions_count++];
        p->partition = tails[i].index;
        p->fetch_offset = tails[i].next;
        p->partition_max_bytes = PARTITION_BYTES;
    }
    enum status st =
        client_call_up_to(c, leader, API_FETCH, FETCH_LAST_VERSION, &request, &response);
    for (int32_t t = 0; st == ST_OK && t < response.responses_count; t++) {
        for (int32_t k = 0; k < response.responses[t].partitions_count; k++) {
            const struct fetch_response_partition_data *data = &response.responses[t].partitions[k];
            for (uint32_t i = 0; i < count; i++) {
                if (tails[i].index != data->partition_index) continue;
                bool is_first = data->partition_index == topic->partitions[0].partition;
                take_answer(c, data, &tails[i], is_first, watch);
            }
        }
    }
    return st;
}

enum status lag_commits_find(struct client *c, const struct topic_list *topics,
                             struct lag_watch *watch) {
    const struct topic *topic = offsets_topic(topics);
    if (topic == NULL || topic->partition_count == 0) return ST_OK;
    uint32_t count = (uint32_t)topic->partition_count;
    struct tail *tails = arena_array(c->arena, count, sizeof *tails);
    ASSERT(tails != NULL);
    enum status st = find_tails(c, topic, tails);
    for (uint32_t i = 0, round = 0; st == ST_OK && i < count;) {
        if (!is_left(&tails[i]) || round == LAG_COMMITS_ROUNDS) {
            i++;
            round = 0;
            continue;
        }
        round++;
        st = read_some(c, tails, count, tails[i].leader, watch);
    }
    return st;
}
