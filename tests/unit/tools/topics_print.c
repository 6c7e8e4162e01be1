/* tests/unit/tools/topics_print.c - what --describe prints, and what each of its filters leaves. */
#include "tools/topics.h"
#include <criterion/criterion.h>

#define LIST(...)                                                                                  \
    { (const int32_t[]){__VA_ARGS__}, COUNT(((const int32_t[]){__VA_ARGS__})) }
#define NONE                                                                                       \
    { NULL, 0 }
#define UNKNOWN                                                                                    \
    { NULL, -1 }

static struct topic_partition partitions[] = {
    {.index = 0,
     .leader = 1,
     .replicas = LIST(1, 2),
     .isr = LIST(1, 2),
     .elr = NONE,
     .last_known_elr = NONE},
    {.index = 1,
     .leader = 2,
     .replicas = LIST(2, 1),
     .isr = LIST(2),
     .elr = LIST(1),
     .last_known_elr = NONE},
    {.index = 2,
     .leader = -1,
     .replicas = LIST(1, 2),
     .isr = NONE,
     .elr = LIST(1, 2),
     .last_known_elr = LIST(2)},
    {.index = 3,
     .leader = 1,
     .replicas = LIST(1, 2, 3),
     .isr = LIST(1, 2),
     .elr = UNKNOWN,
     .last_known_elr = UNKNOWN,
     .adding = LIST(3),
     .removing = NONE,
     .moving = true},
    {.index = 4,
     .leader = 9,
     .replicas = LIST(9, 1),
     .isr = LIST(9, 1),
     .elr = NONE,
     .last_known_elr = NONE},
};
static const struct topic_config configs[] = {{{"min.insync.replicas", 19}, {"1", 1}},
                                              {{"x", 1}, {NULL, 0}}};
static struct topic topics[] = {
    {.name = {"plain", 5}, .id = {{1}}, .partitions = partitions, .partition_count = 1},
    {.name = {"t", 1},
     .id = {{2}},
     .partitions = partitions,
     .partition_count = COUNT(partitions),
     .configs = configs,
     .config_count = COUNT(configs)},
};

#define PLAIN                                                                                      \
    "Topic: plain\tTopicId: AQAAAAAAAAAAAAAAAAAAAA\tPartitionCount: 1\tReplicationFactor: "        \
    "2\tConfigs: \n"
#define HEAD                                                                                       \
    "Topic: t\tTopicId: AgAAAAAAAAAAAAAAAAAAAA\tPartitionCount: 5\tReplicationFactor: 2\t"         \
    "Configs: min.insync.replicas=1,x=null\n"
#define PLAIN0                                                                                     \
    "\tTopic: plain\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1,2\tElr: \tLastKnownElr: \n"
#define P0 "\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1,2\tElr: \tLastKnownElr: \n"
#define P1 "\tTopic: t\tPartition: 1\tLeader: 2\tReplicas: 2,1\tIsr: 2\tElr: 1\tLastKnownElr: \n"
#define P2                                                                                         \
    "\tTopic: t\tPartition: 2\tLeader: none\tReplicas: 1,2\tIsr: \tElr: 1,2\tLastKnownElr: 2\n"
#define P3                                                                                         \
    "\tTopic: t\tPartition: 3\tLeader: 1\tReplicas: 1,2,3\tIsr: 1,2\tAdding Replicas: "            \
    "3\tRemoving Replicas: "                                                                       \
    "\tElr: N/A\tLastKnownElr: N/A\n"
#define P4 "\tTopic: t\tPartition: 4\tLeader: 9\tReplicas: 9,1\tIsr: 9,1\tElr: \tLastKnownElr: \n"

static const struct {
    const char *name;
    struct topics_print what;
    const char *want;
} rows[] = {
    {"everything", {0}, PLAIN PLAIN0 HEAD P0 P1 P2 P3 P4},
    {"only overrides", {.only_overrides = true}, HEAD},
    {"under replicated, a replica that is being added not counted",
     {.under_replicated = true},
     P1 P2},
    {"unavailable: no leader, or one that is down", {.unavailable = true}, P2 P4},
    {"under the minimum", {.under_min_isr = true}, P2},
    {"at the minimum", {.at_min_isr = true}, P1},
    {"any of two", {.under_min_isr = true, .at_min_isr = true}, P1 P2},
};

Test(topics_print, prints_what_kafka_topics_prints) {
    const struct topic_list list = {topics, COUNT(topics)};
    const struct int32_list live = LIST(1, 2);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char got[4096] = "";
        FILE *out = fmemopen(got, sizeof got, "w");
        topics_print(&list, &rows[i].what, live, out);
        fclose(out);
        cr_expect_str_eq(got, rows[i].want, "%s: got\n%s", rows[i].name, got);
    }
}
