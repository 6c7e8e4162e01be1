/* tests/unit/tools/client_metrics.c - librdkafka's statistics as the table of a Java client. */
#include "tools/client_metrics.h"
#include <criterion/criterion.h>
#include "base/strbuf.h"

#define BROKER(name, id, tx, rtt_sum, rtt_max)                                                     \
    "\"" name "\":{\"nodeid\":" id ",\"source\":\"learned\",\"tx\":" tx ",\"txbytes\":70,"         \
    "\"connects\":1,\"rtt\":{\"cnt\":2,\"sum\":" rtt_sum ",\"max\":" rtt_max ",\"p50\":7}}"
#define STATISTICS(brokers, sent)                                                                  \
    "{\"name\":\"x\",\"msg_size\":5,\"msg_size_max\":100,\"brokers\":{" brokers "},"               \
    "\"topics\":{\"t\":{\"topic\":\"t\",\"metadata_age\":1500,\"partitions\":"                     \
    "{\"0\":{\"partition\":0,\"txmsgs\":" sent ",\"txbytes\":9,\"consumer_lag\":4},"               \
    "\"-1\":{\"partition\":-1,\"consumer_lag\":-1}}}}}"

static struct client_metrics metrics; /* large */

static void note(const char *json) { cr_assert(client_metrics_note(&metrics, str_of(json))); }

static void expect_line(const char *page, const char *name, const char *value) {
    char line[200];
    const char *found = strstr(page, name);
    cr_assert_not_null(found, "%s is not in\n%s", name, page);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(found, "\n"), found);
    cr_expect(strstr(line, " : ") != NULL && strcmp(strstr(line, " : ") + 3, value) == 0,
              "%s: not %s", line, value);
}

static void print(char *page, size_t bytes) {
    FILE *out = fmemopen(page, bytes, "w");
    client_metrics_print(&metrics, 2, out);
    fclose(out);
}

Test(client_metrics, counts_are_the_last_and_windows_are_added_up) {
    struct mem mem = {0};
    char page[16384];
    client_metrics_init(&metrics, &mem);
    metrics.kind = "producer";
    metrics.client_id = "c";
    note(STATISTICS(BROKER("h:1/1", "1", "3", "4000", "3000"), "10"));
    note(STATISTICS(
        BROKER("h:1/1", "1", "5", "8000", "7000") "," BROKER("h:2/2", "2", "1", "2", "1"), "30"));
    metrics.error_count = 3;
    print(page, sizeof page);
    expect_line(page, "producer-metrics:request-total:{client-id=c}", "6.000");
    expect_line(page, "producer-metrics:request-rate:{client-id=c}", "3.000");
    expect_line(page, "producer-metrics:record-send-total:{client-id=c}", "30.000");
    expect_line(page, "producer-topic-metrics:byte-total:{client-id=c, topic=t}", "9.000");
    expect_line(page, "producer-metrics:record-error-total:{client-id=c}", "3.000");
    expect_line(page, "producer-metrics:buffer-available-bytes:{client-id=c}", "95.000");
    expect_line(page, "producer-metrics:metadata-age:{client-id=c}", "1.500");
    expect_line(page, "producer-metrics:batch-size-avg:{client-id=c}", "NaN");
    expect_line(page, "producer-node-metrics:request-latency-avg:{client-id=c, node-id=node-1}",
                "3.000");
    expect_line(page, "producer-node-metrics:request-latency-max:{client-id=c, node-id=node-1}",
                "7.000");
    cr_expect_null(strstr(page, "consumer-"));
    client_metrics_release(&metrics);
}

Test(client_metrics, a_consumer_s_lags_and_its_coordinator_have_java_s_names) {
    struct mem mem = {0};
    char page[16384];
    client_metrics_init(&metrics, &mem);
    metrics.kind = "consumer";
    metrics.client_id = "c";
    note("{\"rxmsgs\":8,\"brokers\":{\"GroupCoordinator\":{\"nodeid\":1,\"source\":\"logical\","
         "\"connects\":1,\"req\":{\"JoinGroup\":2,\"Produce\":9}}},\"cgrp\":{\"assignment_size\":3}"
         "}");
    note(STATISTICS("", "0"));
    print(page, sizeof page);
    expect_line(page, "consumer-fetch-manager-metrics:records-consumed-total:{client-id=c}",
                "8.000");
    expect_line(page, "consumer-coordinator-metrics:join-total:{client-id=c}", "2.000");
    expect_line(page, "consumer-coordinator-metrics:assigned-partitions:{client-id=c}", "3.000");
    expect_line(page, "records-lag:{client-id=c, topic=t, partition=0}", "4.000");
    expect_line(page, "records-lag-max:{client-id=c}", "4.000");
    expect_line(page, "request-total:{client-id=c, node-id=node-2147483646}", "0.000");
    client_metrics_release(&metrics);
}

Test(client_metrics, what_is_no_statistics_and_what_has_no_room_is_left_out) {
    struct mem mem = {0};
    struct strbuf json;
    client_metrics_init(&metrics, &mem);
    cr_expect(!client_metrics_note(&metrics, STR("")));
    cr_expect(!client_metrics_note(&metrics, STR("[]")));
    cr_expect(!client_metrics_note(&metrics, STR("{\"brokers\":{\"a\":{\"tx\":x}}}")));
    strbuf_init(&json, &mem);
    strbuf_add_str(&json, STR("{\"brokers\":{"));
    for (int i = 0; i < CLIENT_NODES_MAX + 5; i++)
        strbuf_printf(&json, "%s\"b%d\":{\"tx\":1}", i > 0 ? "," : "", i);
    strbuf_add_str(&json, STR("}}"));
    cr_expect(client_metrics_note(&metrics, strbuf_str(&json)));
    cr_expect_eq(metrics.node_count, CLIENT_NODES_MAX);
    strbuf_release(&json);
    client_metrics_release(&metrics);
}
