/* tests/unit/broker/metrics_page.c - the text of /metrics. */
#include <criterion/criterion.h>
#include <stdio.h>
#include "broker/metrics/page.h"
#include "protocol/errors.h"
#include "protocol/messages.h"

/* The page of a sample; the caller's to release. */
static struct strbuf print(const struct metrics_sample *sample, struct mem *mem) {
    struct strbuf out;
    strbuf_init(&out, mem);
    metrics_print(sample, &out);
    cr_assert_not(out.failed);
    return out;
}

static int count_of(const char *text, const char *part) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) count++;
    return count;
}

static void expect_lines(const struct metrics_sample *sample, const char *const *lines,
                         size_t count) {
    struct mem mem = {0};
    struct strbuf page = print(sample, &mem);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(count_of(page.data, lines[i]), 1, "%s", lines[i]);
    strbuf_release(&page);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(metrics_page, every_row_has_its_help_and_its_type_once_and_before_its_samples) {
    struct mem mem = {0};
    static struct metrics_sample sample;
    struct strbuf page = print(&sample, &mem);
    const char *at = page.data;
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &metric_table[id];
        char head[64], type[128];
        (void)snprintf(head, sizeof head, "# HELP %s ", row->name);
        (void)snprintf(type, sizeof type, "\n# TYPE %s %s\n", row->name,
                       metric_type_name(row->type));
        cr_expect_eq(count_of(page.data, head), 1, "%s", row->name);
        cr_expect_eq(count_of(page.data, type), 1, "%s", row->name);
        const char *found = strstr(page.data, head);
        cr_assert(found != NULL && found >= at, "%s is in order", row->name);
        at = found;
    }
    strbuf_release(&page);
}

Test(metrics_page, what_is_not_known_has_no_sample_and_numbers_are_plain) {
    static struct metrics_sample sample;
    metrics_sample_set(&sample, METRIC_PROCESS_CPU, 12.5);
    metrics_sample_set(&sample, METRIC_PROCESS_RESIDENT, 123456789012.0);
    metrics_sample_set(&sample, METRIC_MESSAGES_WAITING, 0);
    static const char *const lines[] = {
        "\nprocess_cpu_seconds_total 12.5\n",
        "\nprocess_resident_memory_bytes 123456789012\n",
        "\nklamm_messages_waiting 0\n",
    };
    expect_lines(&sample, lines, COUNT(lines));
    struct mem mem = {0};
    struct strbuf page = print(&sample, &mem);
    cr_expect_eq(count_of(page.data, "\nprocess_open_fds "), 0);
    cr_expect_eq(count_of(page.data, "{topic="), 0);
    strbuf_release(&page);
}

Test(metrics_page, the_buckets_of_a_histogram_add_up) {
    static struct metrics_sample sample;
    metrics_count_request(&sample.totals, API_PRODUCE);
    metrics_count_latency(&sample.totals, API_PRODUCE, 50);
    metrics_count_latency(&sample.totals, API_PRODUCE, 700);
    metrics_count_latency(&sample.totals, API_PRODUCE, 9000000);
    static const char *const lines[] = {
        "\nklamm_request_duration_seconds_bucket{api=\"Produce\",le=\"0.0001\"} 1\n",
        "\nklamm_request_duration_seconds_bucket{api=\"Produce\",le=\"0.0005\"} 1\n",
        "\nklamm_request_duration_seconds_bucket{api=\"Produce\",le=\"0.001\"} 2\n",
        "\nklamm_request_duration_seconds_bucket{api=\"Produce\",le=\"5\"} 2\n",
        "\nklamm_request_duration_seconds_bucket{api=\"Produce\",le=\"+Inf\"} 3\n",
        "\nklamm_request_duration_seconds_sum{api=\"Produce\"} 9.00075\n",
        "\nklamm_request_duration_seconds_count{api=\"Produce\"} 3\n",
        "\nklamm_requests_total{api=\"Produce\"} 1\n",
    };
    expect_lines(&sample, lines, COUNT(lines));
}

Test(metrics_page, errors_are_named_and_in_order) {
    static struct metrics_sample sample;
    metrics_count_error(&sample.totals, API_FETCH, KAFKA_OFFSET_OUT_OF_RANGE);
    metrics_count_error(&sample.totals, API_PRODUCE, KAFKA_NOT_LEADER_OR_FOLLOWER);
    metrics_count_error(&sample.totals, API_PRODUCE, KAFKA_CORRUPT_MESSAGE);
    metrics_count_error(&sample.totals, API_PRODUCE, KAFKA_CORRUPT_MESSAGE);
    sample.totals.other_errors = 4;
    static const char *const lines[] = {
        "klamm_request_errors_total{api=\"Produce\",error=\"CORRUPT_MESSAGE\"} 2\n"
        "klamm_request_errors_total{api=\"Produce\",error=\"NOT_LEADER_OR_FOLLOWER\"} 1\n"
        "klamm_request_errors_total{api=\"Fetch\",error=\"OFFSET_OUT_OF_RANGE\"} 1\n"
        "klamm_request_errors_total{api=\"(other)\",error=\"(other)\"} 4\n",
    };
    expect_lines(&sample, lines, COUNT(lines));
}

Test(metrics_page, labels_are_escaped) {
    static struct metrics_sample sample;
    struct directory_sample directory = {.path = STR("/a\"b\\c\nd"), .syncs = 3};
    sample.directories = &directory;
    sample.directory_count = 1;
    static const char *const lines[] = {
        "\nklamm_directory_syncs_total{directory=\"/a\\\"b\\\\c\\nd\"} 3\n",
    };
    expect_lines(&sample, lines, COUNT(lines));
}

Test(metrics_page, topics_add_up_to_the_total) {
    static struct metrics_sample sample;
    struct topic_sample topics[] = {
        {.name = STR("a"), .partitions = 1, .produce_bytes = 100, .fetch_bytes = 7},
        {.name = STR("b"), .partitions = 2, .produce_bytes = 20},
    };
    struct partition_sample partitions[] = {
        {.topic = STR("a"), .index = 0, .log_start = 1, .log_end = 9, .high_watermark = 8},
    };
    sample.topics = topics;
    sample.topic_count = 2;
    sample.partitions = partitions;
    sample.partition_count = 1;
    sample.is_gathered = true;
    sample.totals.values[METRIC_PRODUCE_BYTES] = 125;
    sample.totals.values[METRIC_FETCH_BYTES] = 7;
    static const char *const lines[] = {
        "klamm_topic_produced_bytes_total{topic=\"a\"} 100\n"
        "klamm_topic_produced_bytes_total{topic=\"b\"} 20\n"
        "klamm_topic_produced_bytes_total{topic=\"(other)\"} 5\n",
        "\nklamm_topic_fetched_bytes_total{topic=\"(other)\"} 0\n",
        "klamm_topic_partitions{topic=\"b\"} 2\n# HELP",
        "\nklamm_partition_start_offset{topic=\"a\",partition=\"0\"} 1\n",
        "\nklamm_partition_end_offset{topic=\"a\",partition=\"0\"} 9\n",
        "\nklamm_partition_high_watermark{topic=\"a\",partition=\"0\"} 8\n",
    };
    expect_lines(&sample, lines, COUNT(lines));
}

Test(metrics_page, shards_show_their_own_fields) {
    static struct metrics_sample sample;
    struct shard_sample shards[] = {{.io = {.turns = 4}, .memory_bytes = 11},
                                    {.io = {.turns = 6, .in_flight = 2}, .memory_bytes = 12}};
    sample.shards = shards;
    sample.shard_count = 2;
    static const char *const lines[] = {
        "klamm_shard_turns_total{shard=\"0\"} 4\nklamm_shard_turns_total{shard=\"1\"} 6\n",
        "\nklamm_shard_operations_in_flight{shard=\"1\"} 2\n",
        "\nklamm_shard_memory_bytes{shard=\"0\"} 11\n",
    };
    expect_lines(&sample, lines, COUNT(lines));
}
