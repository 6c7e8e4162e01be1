/* broker/metrics/page.c - the text, row by row. */
#include "broker/metrics/page.h"
#include <inttypes.h>
#include <math.h>
#include "protocol/errors.h"
#include "protocol/messages.h"

void metrics_sample_set(struct metrics_sample *sample, enum metric_id id, double value) {
    sample->values[id] = value;
    sample->known[id] = true;
}

/* --- pieces --- */

static void add_label(struct strbuf *out, const char *name, struct str value) {
    strbuf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\n') {
            strbuf_add(out, "\\n", 2);
            continue;
        }
        if (c == '"' || c == '\\') strbuf_add_char(out, '\\');
        strbuf_add_char(out, c);
    }
    strbuf_add_char(out, '"');
}

static void add_help(struct strbuf *out, const char *help) {
    for (; *help != '\0'; help++) {
        if (*help == '\\') strbuf_add_char(out, '\\');
        strbuf_add_char(out, *help);
    }
}

static void add_integer(struct strbuf *out, int64_t value) {
    strbuf_printf(out, " %" PRId64 "\n", value);
}

static void add_number(struct strbuf *out, double value) {
    bool is_whole = fabs(value) < 1e15 && value == (double)(int64_t)value;
    if (is_whole) {
        add_integer(out, (int64_t)value);
    } else {
        strbuf_printf(out, " %.15g\n", value);
    }
}

/* The int64_t of a row in its source's sample. */
static int64_t field_of(const struct metric_row *row, const void *sample) {
    int64_t value;
    memcpy(&value, (const uint8_t *)sample + row->field, sizeof value);
    return value;
}

/* --- by source --- */

static void add_build(struct strbuf *out, const char *name) {
    strbuf_printf(out, "%s{", name);
    add_label(out, "version", STR(KLAMM_VERSION));
    strbuf_add_char(out, ',');
    add_label(out, "kafka", STR("4.3.1"));
    strbuf_add_char(out, ',');
    add_label(out, "compiler", STR(__VERSION__));
    strbuf_add(out, "} 1\n", 4);
}

static void add_apis(struct strbuf *out, const char *name, const struct metrics *totals) {
    for (int16_t key = 0; key < METRIC_API_KEYS; key++) {
        const struct api *api = api_find(key);
        if (api == NULL || totals->apis[key].requests == 0) continue;
        strbuf_printf(out, "%s{api=\"%s\"}", name, api->name);
        add_integer(out, (int64_t)totals->apis[key].requests);
    }
}

/* Buckets, sum and count of one API; counts of a histogram are those at or below each bound. */
static void add_histogram(struct strbuf *out, const char *name, const char *api,
                          const struct api_metrics *metrics) {
    uint64_t below = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        below += metrics->latency[i];
        strbuf_printf(out, "%s_bucket{api=\"%s\",le=\"", name, api);
        if (i < LATENCY_BUCKETS - 1) {
            strbuf_printf(out, "%g\"}", latency_bounds_us[i] / 1e6);
        } else {
            strbuf_printf(out, "+Inf\"}");
        }
        add_integer(out, (int64_t)below);
    }
    strbuf_printf(out, "%s_sum{api=\"%s\"}", name, api);
    add_number(out, (double)metrics->latency_us / 1e6);
    strbuf_printf(out, "%s_count{api=\"%s\"}", name, api);
    add_integer(out, (int64_t)below);
}

static void add_latencies(struct strbuf *out, const char *name, const struct metrics *totals) {
    for (int16_t key = 0; key < METRIC_API_KEYS; key++) {
        const struct api *api = api_find(key);
        if (api == NULL || totals->apis[key].requests == 0) continue;
        add_histogram(out, name, api->name, &totals->apis[key]);
    }
}

static bool is_before(const struct error_metrics *a, const struct error_metrics *b) {
    return a->api_key != b->api_key ? a->api_key < b->api_key : a->error < b->error;
}

/* The slots are few and in order of arrival: the next one in order is looked for each time. */
static void add_errors(struct strbuf *out, const char *name, const struct metrics *totals) {
    const struct error_metrics *last = NULL;
    for (;;) {
        const struct error_metrics *next = NULL;
        for (unsigned i = 0; i < METRIC_ERROR_SLOTS && totals->errors[i].count > 0; i++) {
            const struct error_metrics *slot = &totals->errors[i];
            if (last != NULL && !is_before(last, slot)) continue;
            if (next == NULL || is_before(slot, next)) next = slot;
        }
        if (next == NULL) break;
        last = next;
        const struct api *api = api_find(next->api_key);
        strbuf_printf(out, "%s{api=\"%s\",error=\"%s\"}", name, api != NULL ? api->name : "",
                      kafka_error_name(next->error));
        add_integer(out, (int64_t)next->count);
    }
    if (totals->other_errors == 0) return;
    strbuf_printf(out, "%s{api=\"(other)\",error=\"(other)\"}", name);
    add_integer(out, (int64_t)totals->other_errors);
}

static void add_shards(struct strbuf *out, const struct metric_row *row,
                       const struct metrics_sample *sample) {
    for (uint32_t i = 0; i < sample->shard_count; i++) {
        strbuf_printf(out, "%s{shard=\"%u\"}", row->name, i);
        add_integer(out, field_of(row, &sample->shards[i]));
    }
}

/* A field in ms is shown in seconds. */
static void add_value(struct strbuf *out, const struct metric_row *row, int64_t value) {
    bool in_seconds = strcmp(row->unit, "seconds") == 0;
    add_number(out, in_seconds ? (double)value / 1000 : (double)value);
}

static void add_directories(struct strbuf *out, const struct metric_row *row,
                            const struct metrics_sample *sample) {
    for (uint32_t i = 0; i < sample->directory_count; i++) {
        strbuf_printf(out, "%s{", row->name);
        add_label(out, "directory", sample->directories[i].path);
        strbuf_add_char(out, '}');
        add_value(out, row, field_of(row, &sample->directories[i]));
    }
}

/* What the totals have and no listed topic does. */
static void add_other_topics(struct strbuf *out, const struct metric_row *row, int64_t total,
                             int64_t listed) {
    strbuf_printf(out, "%s{topic=\"" METRICS_OTHERS "\"}", row->name);
    add_integer(out, MAX(total - listed, 0));
}

static void add_topics(struct strbuf *out, const struct metric_row *row,
                       const struct metrics_sample *sample) {
    int64_t sum = 0;
    if (!sample->is_gathered) return;
    const int64_t *totals = sample->totals.values;
    for (uint32_t i = 0; i < sample->topic_count; i++) {
        int64_t value = field_of(row, &sample->topics[i]);
        strbuf_printf(out, "%s{", row->name);
        add_label(out, "topic", sample->topics[i].name);
        strbuf_add_char(out, '}');
        add_integer(out, value);
        sum += value;
    }
    switch (row - metric_table) {
    case METRIC_TOPIC_PRODUCE_BYTES:
        add_other_topics(out, row, totals[METRIC_PRODUCE_BYTES], sum);
        break;
    case METRIC_TOPIC_PRODUCE_RECORDS:
        add_other_topics(out, row, totals[METRIC_PRODUCE_RECORDS], sum);
        break;
    case METRIC_TOPIC_FETCH_BYTES:
        add_other_topics(out, row, totals[METRIC_FETCH_BYTES], sum);
        break;
    default: break; /* gauges end with their topic */
    }
}

static void add_partitions(struct strbuf *out, const struct metric_row *row,
                           const struct metrics_sample *sample) {
    for (uint32_t i = 0; i < sample->partition_count; i++) {
        const struct partition_sample *partition = &sample->partitions[i];
        strbuf_printf(out, "%s{", row->name);
        add_label(out, "topic", partition->topic);
        strbuf_printf(out, ",partition=\"%d\"}", partition->index);
        add_integer(out, field_of(row, partition));
    }
}

static void add_group(struct strbuf *out, const struct metric_row *row,
                      const struct group_sample *group) {
    bool is_state = row->source == FROM_GROUP_STATE;
    int64_t value = is_state ? 1 : field_of(row, group);
    if (value < 0) return;
    strbuf_printf(out, "%s{", row->name);
    add_label(out, "group", group->id);
    if (is_state) {
        strbuf_add_char(out, ',');
        add_label(out, "protocol", group->protocol);
        strbuf_add_char(out, ',');
        add_label(out, "state", group->state);
    }
    strbuf_add_char(out, '}');
    add_value(out, row, value);
}

static void add_groups(struct strbuf *out, const struct metric_row *row,
                       const struct metrics_sample *sample) {
    for (uint32_t i = 0; i < sample->group_count; i++) add_group(out, row, &sample->groups[i]);
    if (sample->other_groups != NULL && row->source == FROM_GROUP)
        add_group(out, row, sample->other_groups);
}

static void add_other_groups(struct strbuf *out, const struct metric_row *row, int64_t value) {
    if (value < 0) return;
    strbuf_printf(out, "%s{", row->name);
    add_label(out, "group", STR(METRICS_OTHERS));
    strbuf_add_char(out, '}');
    add_value(out, row, value);
}

static void add_group_offsets(struct strbuf *out, const struct metric_row *row,
                              const struct metrics_sample *sample) {
    for (uint32_t i = 0; i < sample->group_offset_count; i++) {
        const struct group_offset_sample *offset = &sample->group_offsets[i];
        int64_t value = field_of(row, offset);
        if (value < 0) continue;
        strbuf_printf(out, "%s{", row->name);
        add_label(out, "group", offset->group);
        strbuf_add_char(out, ',');
        add_label(out, "topic", offset->topic);
        strbuf_printf(out, ",partition=\"%d\"}", offset->partition);
        add_value(out, row, value);
    }
    if (sample->other_groups == NULL) return;
    switch (row - metric_table) {
    case METRIC_GROUP_LAG_RECORDS: add_other_groups(out, row, sample->other_lag_records); break;
    case METRIC_GROUP_LAG_STABLE_RECORDS:
        add_other_groups(out, row, sample->other_lag_stable_records);
        break;
    default: break; /* what does not add up */
    }
}

static void add_single(struct strbuf *out, const char *name, double value) {
    strbuf_printf(out, "%s", name);
    add_number(out, value);
}

static void add_samples(struct strbuf *out, enum metric_id id,
                        const struct metrics_sample *sample) {
    const struct metric_row *row = &metric_table[id];
    switch (row->source) {
    case FROM_SHARDS:
        strbuf_printf(out, "%s", row->name);
        add_integer(out, sample->totals.values[id]);
        break;
    case FROM_PROCESS:
    case FROM_GATHERED:
        if (sample->known[id]) add_single(out, row->name, sample->values[id]);
        break;
    case FROM_BUILD: add_build(out, row->name); break;
    case FROM_API: add_apis(out, row->name, &sample->totals); break;
    case FROM_LATENCY: add_latencies(out, row->name, &sample->totals); break;
    case FROM_ERROR: add_errors(out, row->name, &sample->totals); break;
    case FROM_SHARD: add_shards(out, row, sample); break;
    case FROM_DIRECTORY: add_directories(out, row, sample); break;
    case FROM_TOPIC: add_topics(out, row, sample); break;
    case FROM_PARTITION: add_partitions(out, row, sample); break;
    case FROM_GROUP:
    case FROM_GROUP_STATE: add_groups(out, row, sample); break;
    case FROM_GROUP_OFFSET: add_group_offsets(out, row, sample); break;
    }
}

void metrics_print(const struct metrics_sample *sample, struct strbuf *out) {
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &metric_table[id];
        strbuf_printf(out, "# HELP %s ", row->name);
        add_help(out, row->help);
        strbuf_printf(out, "\n# TYPE %s %s\n", row->name, metric_type_name(row->type));
        add_samples(out, id, sample);
    }
}
