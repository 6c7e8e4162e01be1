/* tests/unit/broker/fetch_sessions.c - the cache of incremental fetch sessions. */
#include <criterion/criterion.h>
#include "broker/net/fetch_sessions.h"
#include "protocol/errors.h"

struct fixture {
    struct mem mem;
    struct fetch_sessions cache;
    uint64_t now_us;
};

static void set_up(struct fixture *fx, uint32_t slots) {
    *fx = (struct fixture){.now_us = 1000};
    fetch_sessions_init(&fx->cache, &fx->mem, 0, 1, slots, 1 << 20, 7);
}

static void tear_down(struct fixture *fx) {
    fetch_sessions_release(&fx->cache);
    cr_expect_eq(fx->mem.used_bytes, 0);
}

static struct session_part *put(struct fixture *fx, struct fetch_session *session,
                                const char *topic, int32_t index, int64_t offset) {
    struct fetch_wish wish = {.index = index, .offset = offset, .leader_epoch = -1};
    return fetch_session_put(&fx->cache, session, str_of(topic), UUID_ZERO, &wish);
}

/* A session of `count` partitions of topic t, in nobody's hands; its id, 0 when there is no room.
 */
static int32_t begin(struct fixture *fx, uint32_t count) {
    struct fetch_session *session = fetch_session_new(&fx->cache, false, count, fx->now_us);
    if (session == NULL) return FETCH_SESSION_NONE;
    for (uint32_t i = 0; i < count; i++) cr_assert_not_null(put(fx, session, "t", (int32_t)i, 0));
    int32_t id = session->id;
    fetch_session_give_back(&fx->cache, session);
    return id;
}

static struct fetch_session *take(struct fixture *fx, int32_t id, int32_t epoch) {
    struct fetch_session *session = NULL;
    int16_t error = fetch_session_take(&fx->cache, id, epoch, false, &session);
    cr_assert_eq(error, KAFKA_NONE, "got %d", error);
    return session;
}

/* One request that changes nothing; its error. */
static int16_t use(struct fixture *fx, int32_t id, int32_t epoch) {
    struct fetch_session *session = NULL;
    int16_t error = fetch_session_take(&fx->cache, id, epoch, false, &session);
    if (session == NULL) return error;
    if (fetch_session_advance(&fx->cache, session, fx->now_us))
        fetch_session_give_back(&fx->cache, session);
    return error;
}

static void order(const struct fetch_session *session, char *ret_text) {
    size_t len = 0;
    LIST_EACH(&session->parts, node) {
        const struct session_part *part = CONTAINER_OF(node, struct session_part, link);
        ret_text[len++] = (char)('0' + part->wish.index);
    }
    ret_text[len] = '\0';
}

Test(fetch_sessions, ids_are_positive_and_lead_to_their_shard) {
    enum { SHARDS = 3 };
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        struct fixture fx = {.now_us = 1};
        fetch_sessions_init(&fx.cache, &fx.mem, shard, SHARDS, 300, 1 << 20, shard);
        for (int i = 0; i < 100; i++) {
            int32_t id = begin(&fx, 1);
            cr_assert_gt(id, 0);
            cr_assert_eq(fetch_session_shard(id, SHARDS), (int32_t)shard, "id %d", id);
        }
        cr_expect_eq(begin(&fx, 1), FETCH_SESSION_NONE, "a third of the slots is this shard's");
        tear_down(&fx);
    }
    cr_expect_eq(fetch_session_shard(0, SHARDS), -1);
    cr_expect_eq(fetch_session_shard(-7, SHARDS), -1);
}

Test(fetch_sessions, shards_share_all_slots) {
    uint32_t total = 0;
    for (uint32_t shard = 0; shard < 4; shard++) {
        struct fixture fx = {0};
        fetch_sessions_init(&fx.cache, &fx.mem, shard, 4, 10, 1 << 20, 1);
        total += fx.cache.session_limit;
        tear_down(&fx);
    }
    cr_expect_eq(total, 10);
}

Test(fetch_sessions, a_request_must_have_the_expected_epoch) {
    struct fixture fx;
    set_up(&fx, 10);
    int32_t id = begin(&fx, 2);
    cr_expect_eq(use(&fx, id, 2), KAFKA_INVALID_FETCH_SESSION_EPOCH, "ahead");
    cr_expect_eq(use(&fx, id, 1), KAFKA_NONE);
    cr_expect_eq(use(&fx, id, 1), KAFKA_INVALID_FETCH_SESSION_EPOCH, "a second time");
    cr_expect_eq(use(&fx, id, 2), KAFKA_NONE);
    cr_expect_eq(use(&fx, id + 1, 3), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    fetch_session_close(&fx.cache, id);
    cr_expect_eq(use(&fx, id, 3), KAFKA_FETCH_SESSION_ID_NOT_FOUND, "closed");
    tear_down(&fx);
}

Test(fetch_sessions, the_epoch_after_the_last_is_one) {
    struct fixture fx;
    set_up(&fx, 10);
    int32_t id = begin(&fx, 1);
    struct fetch_session *session = take(&fx, id, 1);
    session->epoch = INT32_MAX;
    cr_expect(fetch_session_advance(&fx.cache, session, fx.now_us));
    cr_expect_eq(session->epoch, 1);
    fetch_session_give_back(&fx.cache, session);
    tear_down(&fx);
}

Test(fetch_sessions, names_and_ids_do_not_mix) {
    struct fixture fx;
    set_up(&fx, 10);
    int32_t id = begin(&fx, 1);
    struct fetch_session *session = NULL;
    cr_expect_eq(fetch_session_take(&fx.cache, id, 1, true, &session),
                 KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    cr_expect_null(session);
    cr_expect_eq(use(&fx, id, 1), KAFKA_NONE, "the refused request changed nothing");
    tear_down(&fx);
}

Test(fetch_sessions, a_taken_session_is_refused_and_outlives_its_closing) {
    struct fixture fx;
    set_up(&fx, 10);
    int32_t id = begin(&fx, 1);
    struct fetch_session *session = take(&fx, id, 1);
    cr_expect(fetch_session_advance(&fx.cache, session, fx.now_us));
    cr_expect_eq(use(&fx, id, 2), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    fetch_session_close(&fx.cache, id);
    cr_expect_eq(use(&fx, id, 2), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    cr_expect_eq(session->part_count, 1, "its request still reads it");
    fetch_session_give_back(&fx.cache, session);
    tear_down(&fx);
}

Test(fetch_sessions, putting_changes_a_partition_or_adds_it_at_the_end) {
    struct fixture fx;
    char text[16];
    set_up(&fx, 10);
    struct fetch_session *session = take(&fx, begin(&fx, 3), 1);
    cr_expect_eq(put(&fx, session, "t", 1, 42)->wish.offset, 42);
    cr_expect_not_null(put(&fx, session, "u", 7, 0));
    order(session, text);
    cr_expect_str_eq(text, "0127");
    fetch_session_forget(&fx.cache, session, STR("t"), UUID_ZERO, 0);
    fetch_session_forget(&fx.cache, session, STR("nope"), UUID_ZERO, 1);
    order(session, text);
    cr_expect_str_eq(text, "127");
    fetch_session_give_back(&fx.cache, session);
    tear_down(&fx);
}

Test(fetch_sessions, a_session_without_partitions_ends) {
    struct fixture fx;
    set_up(&fx, 10);
    int32_t id = begin(&fx, 1);
    struct fetch_session *session = take(&fx, id, 1);
    fetch_session_forget(&fx.cache, session, STR("t"), UUID_ZERO, 0);
    cr_expect_not(fetch_session_advance(&fx.cache, session, fx.now_us));
    cr_expect_eq(use(&fx, id, 2), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    cr_expect_eq(fx.cache.session_count, 0);
    tear_down(&fx);
}

Test(fetch_sessions, a_session_that_is_closed_while_it_is_changed_ends_with_that_request) {
    struct fixture fx;
    set_up(&fx, 10);
    int32_t id = begin(&fx, 2), other = begin(&fx, 1);
    struct fetch_session *session = take(&fx, id, 1);
    fetch_session_close(&fx.cache, id); /* another connection's turn */
    cr_expect(fetch_session_advance(&fx.cache, session, fx.now_us));
    cr_expect_eq(session->part_count, 2, "it is answered as a whole");
    fetch_session_give_back(&fx.cache, session);
    cr_expect_eq(use(&fx, id, 2), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    cr_expect_eq(use(&fx, other, 1), KAFKA_NONE);
    cr_expect_eq(fx.cache.session_count, 1);
    tear_down(&fx);
}

Test(fetch_sessions, only_news_is_answered) {
    const struct {
        const char *name;
        int16_t error;
        int64_t high_watermark, log_start;
        int32_t diverging_epoch;
        uint64_t record_bytes;
        bool want;
    } rows[] = {
        /* one after the other, to the same partition */
        {"the first answer", 0, 10, 0, -1, 0, true},
        {"the same again", 0, 10, 0, -1, 0, false},
        {"records", 0, 10, 0, -1, 70, true},
        {"a higher high watermark", 0, 11, 0, -1, 0, true},
        {"nothing new", 0, 11, 0, -1, 0, false},
        {"a later log start", 0, 11, 3, -1, 0, true},
        {"an error", KAFKA_OFFSET_OUT_OF_RANGE, -1, -1, -1, 0, true},
        {"the error again", KAFKA_OFFSET_OUT_OF_RANGE, -1, -1, -1, 0, true},
        {"well again, as before the error", 0, 11, 3, -1, 0, true},
        {"a diverging epoch", 0, 11, 3, 2, 0, true},
        {"quiet", 0, 11, 3, -1, 0, false},
    };
    struct fixture fx;
    set_up(&fx, 10);
    struct fetch_session *session = take(&fx, begin(&fx, 1), 1);
    struct session_part *part = CONTAINER_OF(session->parts.next, struct session_part, link);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fetch_response_partition_data news;
        fetch_response_partition_data_defaults(&news);
        news.error_code = rows[i].error;
        news.high_watermark = rows[i].high_watermark;
        news.log_start_offset = rows[i].log_start;
        news.diverging_epoch.epoch = rows[i].diverging_epoch;
        cr_expect_eq(fetch_session_answers(session, part, &news, rows[i].record_bytes),
                     rows[i].want, "%s", rows[i].name);
    }
    fetch_session_give_back(&fx.cache, session);
    tear_down(&fx);
}

Test(fetch_sessions, who_gave_records_waits_for_the_others) {
    struct fixture fx;
    char text[16];
    set_up(&fx, 10);
    struct fetch_session *session = take(&fx, begin(&fx, 4), 1);
    struct fetch_response_partition_data news;
    fetch_response_partition_data_defaults(&news);
    LIST_EACH(&session->parts, node) {
        struct session_part *part = CONTAINER_OF(node, struct session_part, link);
        uint64_t bytes = part->wish.index < 2 && part->high_watermark < 5 ? 100 : 0;
        news.high_watermark = 5;
        (void)fetch_session_answers(session, part, &news, bytes);
    }
    order(session, text);
    cr_expect_str_eq(text, "2301");
    fetch_session_give_back(&fx.cache, session);
    tear_down(&fx);
}

Test(fetch_sessions, a_full_cache_evicts_by_kafkas_rules) {
    const struct {
        const char *name;
        uint64_t idle_us; /* since the two old sessions (of 5 and 3 partitions) were begun ... */
        uint64_t used_us; /* ... and how long before the new one they were used */
        uint32_t count;   /* partitions of the new one */
        bool enters;
        bool first_goes, second_goes;
    } rows[] = {
        {"young ones stay", 1, 1, 100, false, false, false},
        {"old enough for a larger one: the smaller goes", FETCH_SESSION_EVICTION_US + 1, 1, 4, true,
         false, true},
        {"not for one as small", FETCH_SESSION_EVICTION_US + 1, 1, 3, false, false, false},
        {"not at the limit of age", FETCH_SESSION_EVICTION_US, 1, 4, false, false, false},
        {"unused for long: the one used least recently goes", 2 * FETCH_SESSION_EVICTION_US,
         FETCH_SESSION_EVICTION_US + 1, 1, true, true, false},
        {"unused, at the limit", 2 * FETCH_SESSION_EVICTION_US, FETCH_SESSION_EVICTION_US, 1, false,
         false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        set_up(&fx, 2);
        int32_t first = begin(&fx, 5), second = begin(&fx, 3);
        uint64_t begun_us = fx.now_us;
        fx.now_us = begun_us + rows[i].idle_us - rows[i].used_us;
        cr_assert_eq(use(&fx, first, 1), KAFKA_NONE);
        cr_assert_eq(use(&fx, second, 1), KAFKA_NONE);
        fx.now_us = begun_us + rows[i].idle_us;
        int32_t id = begin(&fx, rows[i].count);
        cr_expect_eq(id != FETCH_SESSION_NONE, rows[i].enters, "%s", rows[i].name);
        cr_expect_eq(use(&fx, first, 2) != KAFKA_NONE, rows[i].first_goes, "%s", rows[i].name);
        cr_expect_eq(use(&fx, second, 2) != KAFKA_NONE, rows[i].second_goes, "%s", rows[i].name);
        tear_down(&fx);
    }
}

Test(fetch_sessions, partitions_beyond_the_budget_find_no_room) {
    struct fixture fx = {.now_us = 1};
    fetch_sessions_init(&fx.cache, &fx.mem, 0, 1, 10, 4 * (sizeof(struct session_part) + 1), 1);
    struct fetch_session *session = fetch_session_new(&fx.cache, false, 5, 1);
    for (int32_t i = 0; i < 4; i++) cr_expect_not_null(put(&fx, session, "t", i, 0), "%d", i);
    cr_expect_null(put(&fx, session, "t", 4, 0));
    cr_expect_not_null(put(&fx, session, "t", 3, 9), "one that is there needs none");
    fetch_session_forget(&fx.cache, session, STR("t"), UUID_ZERO, 0);
    cr_expect_not_null(put(&fx, session, "t", 4, 0));
    fetch_session_give_back(&fx.cache, session);
    tear_down(&fx);
}

Test(fetch_sessions, without_slots_there_are_none) {
    struct fixture fx;
    set_up(&fx, 0);
    cr_expect_eq(begin(&fx, 1), FETCH_SESSION_NONE);
    tear_down(&fx);
}
