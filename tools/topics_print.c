/* tools/topics_print.c - see topics.h. Source: org.apache.kafka.tools.TopicCommand
 * (TopicDescription, PartitionDescription). */
#include "tools/topics.h"
#include <inttypes.h>

static bool list_has(struct int32_list list, int32_t value) {
    for (int32_t i = 0; i < list.count; i++) {
        if (list.values[i] == value) return true;
    }
    return false;
}

static void print_list(FILE *out, const char *name, struct int32_list list) {
    fprintf(out, "\t%s: ", name);
    if (list.count < 0) fputs("N/A", out);
    for (int32_t i = 0; i < list.count; i++)
        fprintf(out, "%s%" PRId32, i > 0 ? "," : "", list.values[i]);
}

/* While replicas are being added, they do not count yet. */
static int32_t replication_factor(const struct topic_partition *p) {
    if (!p->moving) return p->replicas.count;
    for (int32_t i = 0; i < p->replicas.count; i++) {
        int32_t id = p->replicas.values[i];
        if (list_has(p->adding, id) || list_has(p->removing, id))
            return p->replicas.count - p->adding.count;
    }
    return p->replicas.count;
}

/* -1: not known. */
static int64_t min_isr_of(const struct topic *topic) {
    int64_t value = -1;
    for (int32_t i = 0; i < topic->config_count; i++) {
        if (str_eq(topic->configs[i].name, STR("min.insync.replicas")) &&
            !str_to_int64(topic->configs[i].value, &value))
            value = -1;
    }
    return value;
}

static bool is_wanted(const struct topics_print *what, const struct topic *topic,
                      const struct topic_partition *p, struct int32_list live) {
    if (!what->under_replicated && !what->unavailable && !what->under_min_isr && !what->at_min_isr)
        return true;
    if (what->under_replicated && replication_factor(p) > p->isr.count) return true;
    if (what->unavailable && (p->leader < 0 || !list_has(live, p->leader))) return true;
    int64_t min_isr = min_isr_of(topic);
    if (what->under_min_isr && p->isr.count < min_isr) return true;
    return what->at_min_isr && p->isr.count == min_isr;
}

static void print_partition(const struct topic *topic, const struct topic_partition *p, FILE *out) {
    fprintf(out, "\tTopic: %.*s\tPartition: %" PRId32, STR_ARG(topic->name), p->index);
    if (p->leader >= 0)
        fprintf(out, "\tLeader: %" PRId32, p->leader);
    else
        fputs("\tLeader: none", out);
    print_list(out, "Replicas", p->replicas);
    print_list(out, "Isr", p->isr);
    if (p->moving) {
        print_list(out, "Adding Replicas", p->adding);
        print_list(out, "Removing Replicas", p->removing);
    }
    print_list(out, "Elr", p->elr);
    print_list(out, "LastKnownElr", p->last_known_elr);
    fputc('\n', out);
}

static void print_topic(const struct topic *topic, FILE *out) {
    char id[UUID_TEXT_BYTES + 1];
    uuid_format(topic->id, id);
    int32_t factor = topic->partition_count > 0 ? replication_factor(&topic->partitions[0]) : 0;
    fprintf(out, "Topic: %.*s\t", STR_ARG(topic->name));
    if (!uuid_is_zero(topic->id)) fprintf(out, "TopicId: %s\t", id);
    fprintf(out, "PartitionCount: %" PRId32 "\tReplicationFactor: %" PRId32 "\tConfigs: ",
            topic->partition_count, factor);
    for (int32_t i = 0; i < topic->config_count; i++) {
        const struct topic_config *config = &topic->configs[i];
        struct str value = config->value.ptr != NULL ? config->value : STR("null");
        fprintf(out, "%s%.*s=%.*s", i > 0 ? "," : "", STR_ARG(config->name), STR_ARG(value));
    }
    fputc('\n', out);
}

void topics_print(const struct topic_list *list, const struct topics_print *what,
                  struct int32_list live, FILE *out) {
    bool only_some =
        what->under_replicated || what->unavailable || what->under_min_isr || what->at_min_isr;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct topic *topic = &list->topics[i];
        if (!only_some && (!what->only_overrides || topic->config_count > 0))
            print_topic(topic, out);
        for (int32_t k = 0; !what->only_overrides && k < topic->partition_count; k++) {
            if (is_wanted(what, topic, &topic->partitions[k], live))
                print_partition(topic, &topic->partitions[k], out);
        }
    }
}
