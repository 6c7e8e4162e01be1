/* tests/unit/broker/metrics.c - the table, counting, and the error codes in answers. */
#include <criterion/criterion.h>
#include "broker/metrics/answer_errors.h"
#include "broker/metrics/metrics.h"
#include "protocol/messages.h"

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

Test(metrics, every_row_is_named_as_prometheus_wants_and_in_order) {
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &metric_table[id];
        cr_assert_not_null(row->name, "row %u", id);
        cr_assert(row->help != NULL && strlen(row->help) > 8, "%s", row->name);
        cr_expect(ends_with(row->help, "."), "%s: a sentence", row->name);
        cr_expect_null(strchr(row->help, '\n'), "%s", row->name);
        cr_expect_eq(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(row->name), "%s",
                     row->name);
        cr_expect_eq(ends_with(row->name, "_total"), row->type == METRIC_COUNTER, "%s", row->name);
        if (row->unit[0] != '\0') cr_expect_not_null(strstr(row->name, row->unit), "%s", row->name);
        if (id > 0) cr_expect_gt(strcmp(row->name, metric_table[id - 1].name), 0, "%s", row->name);
    }
}

Test(metrics, a_latency_is_counted_in_the_first_bucket_that_holds_it) {
    static const struct {
        const char *name;
        uint64_t took_us;
        unsigned bucket;
    } cases[] = {
        {"nothing", 0, 0},
        {"the first bound", 100, 0},
        {"above it", 101, 1},
        {"the last bound", 5000000, LATENCY_BUCKETS - 2},
        {"above it", 5000001, LATENCY_BUCKETS - 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct metrics metrics = {0};
        metrics_count_latency(&metrics, 3, cases[i].took_us);
        cr_expect_eq(metrics.apis[3].latency[cases[i].bucket], 1, "%s", cases[i].name);
        cr_expect_eq(metrics.apis[3].latency_us, cases[i].took_us, "%s", cases[i].name);
    }
}

Test(metrics, an_api_key_outside_the_table_is_not_counted) {
    struct metrics metrics = {0}, empty = {0};
    metrics_count_request(&metrics, -1);
    metrics_count_request(&metrics, METRIC_API_KEYS);
    metrics_count_latency(&metrics, -1, 5);
    metrics_count_latency(&metrics, METRIC_API_KEYS, 5);
    cr_expect_eq(memcmp(&metrics, &empty, sizeof metrics), 0);
}

Test(metrics, errors_beyond_the_slots_are_counted_together) {
    struct metrics metrics = {0}, sum = {0};
    for (int16_t error = 1; error <= METRIC_ERROR_SLOTS + 3; error++) {
        metrics_count_error(&metrics, 1, error);
        metrics_count_error(&metrics, 1, error);
    }
    cr_expect_eq(metrics.errors[METRIC_ERROR_SLOTS - 1].error, METRIC_ERROR_SLOTS);
    cr_expect_eq(metrics.errors[METRIC_ERROR_SLOTS - 1].count, 2);
    cr_expect_eq(metrics.other_errors, 6);
    metrics_sum(&sum, &metrics);
    metrics_sum(&sum, &metrics);
    cr_expect_eq(sum.errors[0].count, 4);
    cr_expect_eq(sum.other_errors, 12);
}

Test(metrics, sums_are_those_of_all_shards) {
    struct metrics shards[2] = {0}, sum = {0};
    metrics_add(&shards[0], METRIC_PRODUCE_BYTES, 10);
    metrics_add(&shards[1], METRIC_PRODUCE_BYTES, 5);
    metrics_set(&shards[1], METRIC_CONNECTIONS, 7);
    metrics_count_request(&shards[0], 0);
    metrics_count_request(&shards[1], 0);
    metrics_count_error(&shards[0], 0, 6);
    metrics_count_error(&shards[1], 1, 6);
    metrics_count_error(&shards[1], 0, 6);
    for (size_t i = 0; i < 2; i++) metrics_sum(&sum, &shards[i]);
    cr_expect_eq(sum.values[METRIC_PRODUCE_BYTES], 15);
    cr_expect_eq(sum.values[METRIC_CONNECTIONS], 7);
    cr_expect_eq(sum.apis[0].requests, 2);
    cr_expect_eq(sum.errors[0].count, 2);
    cr_expect_eq(sum.errors[1].api_key, 1);
    cr_expect_eq(sum.errors[2].count, 0);
}

/* --- error codes in answers --- */

struct found {
    int16_t errors[16];
    uint32_t count;
};

static void on_error(void *context, int16_t error) {
    struct found *found = context;
    if (found->count < COUNT(found->errors)) found->errors[found->count++] = error;
}

static struct found walk(int16_t api_key, const void *answer) {
    struct mem mem = {0};
    struct arena arena;
    struct found found = {0};
    arena_init(&arena, &mem, 1024, 0);
    struct error_paths paths = error_paths_make(api_find(api_key)->response, &arena);
    error_paths_walk(&paths, answer, on_error, &found);
    arena_release(&arena);
    return found;
}

Test(answer_errors, a_top_level_code_is_found) {
    struct init_producer_id_response answer = {.error_code = 53};
    struct found found = walk(API_INIT_PRODUCER_ID, &answer);
    cr_assert_eq(found.count, 1);
    cr_expect_eq(found.errors[0], 53);
}

Test(answer_errors, codes_within_arrays_of_arrays_are_found_and_zeros_are_not) {
    struct produce_response_partition first[] = {{.error_code = 3}, {.error_code = 0}};
    struct produce_response_partition second[] = {{.error_code = 0}, {.error_code = 87}};
    struct produce_response_topic topics[] = {
        {.partition_responses = first, .partition_responses_count = 2},
        {.partition_responses = NULL, .partition_responses_count = -1},
        {.partition_responses = second, .partition_responses_count = 2},
    };
    struct produce_response answer = {.responses = topics, .responses_count = 3};
    struct found found = walk(API_PRODUCE, &answer);
    cr_assert_eq(found.count, 2);
    cr_expect_eq(found.errors[0], 3);
    cr_expect_eq(found.errors[1], 87);
}

Test(answer_errors, an_empty_answer_has_none) {
    struct fetch_response answer = {0};
    cr_expect_eq(walk(API_FETCH, &answer).count, 0);
}

Test(answer_errors, every_response_of_kafka_can_be_walked) {
    for (int16_t key = 0; key < API_KEY_COUNT; key++) {
        const struct api *api = api_find(key);
        if (api == NULL || api->response == NULL) continue;
        struct mem mem = {0};
        struct arena arena;
        arena_init(&arena, &mem, 4096, 0);
        void *answer = arena_alloc(&arena, api->response->layout->bytes);
        codec_defaults(api->response, answer);
        struct error_paths paths = error_paths_make(api->response, &arena);
        struct found found = {0};
        error_paths_walk(&paths, answer, on_error, &found);
        cr_expect_eq(found.count, 0, "%s", api->name);
        arena_release(&arena);
    }
}
