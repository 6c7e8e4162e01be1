/* tools/kafka_delete_records.c - kafka-delete-records: deletes the records of partitions before
 * given offsets. The file, the output and the sentences are those of Kafka 4.3's tool
 * (DeleteRecordsCommand); results come sorted, where Kafka's come in the order of a hash table. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "tools/admin.h"
#include "tools/json.h"
#include "tools/topics.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)

enum option { OPT_BOOTSTRAP, OPT_FILE, OPT_COMMAND_CONFIG, OPT_COUNT };

static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = ADMIN_BOOTSTRAP_OPTION,
    [OPT_FILE] = {.name = "offset-json-file",
                  .kind = CLI_TEXT,
                  .label = "file",
                  .help = "Required. What to delete, see below."},
    [OPT_COMMAND_CONFIG] = ADMIN_CONFIG_OPTION,
};
static const struct cli_tool tool = {
    .name = "kafka-delete-records",
    .purpose = "deletes records before given offsets.",
    .notes = "The file:\n"
             "  {\"partitions\": [{\"topic\": \"t\", \"partition\": 0, \"offset\": 3}], "
             "\"version\": 1}\n"
             "'offset' is the first that stays; -1 deletes all there is.\n",
    .options = options,
    .option_count = OPT_COUNT,
};

struct deletion {
    struct str topic;
    int32_t partition;
    int64_t offset;
    int64_t low_watermark;
    int16_t error_code;
};

struct deletions {
    struct deletion *entries; /* sorted by topic and partition */
    uint32_t count, capacity;
};

/* ---- the file ---- */

static void add(struct arena *arena, struct deletions *list, struct deletion entry) {
    if (list->count == list->capacity) {
        uint32_t capacity = MAX(list->capacity * 2, 16);
        struct deletion *entries = arena_array(arena, capacity, sizeof *entries);
        if (entries == NULL) cli_exit("out of memory");
        for (uint32_t i = 0; i < list->count; i++) entries[i] = list->entries[i];
        list->entries = entries;
        list->capacity = capacity;
    }
    list->entries[list->count++] = entry;
}

static void read_entry(struct json *json, struct deletions *list) {
    struct deletion entry = {.topic = STR_NULL};
    bool has_partition = false, has_offset = false;
    int64_t number = 0;
    struct str name;
    if (!json_enter(json, '{')) cli_exit("Each element of partitions must be an object");
    while (json_member(json, &name)) {
        if (str_eq(name, STR("topic"))) {
            if (!json_string(json, &entry.topic)) cli_exit("The field topic must be a string");
        } else if (str_eq(name, STR("partition"))) {
            has_partition = json_int64(json, &number) && number >= 0 && number <= INT32_MAX;
            if (!has_partition) cli_exit("The field partition must be a partition's number");
            entry.partition = (int32_t)number;
        } else if (str_eq(name, STR("offset"))) {
            has_offset = json_int64(json, &entry.offset);
            if (!has_offset) cli_exit("The field offset must be a whole number");
        } else {
            json_skip(json);
        }
    }
    if (json->failed) return;
    const char *missing = entry.topic.ptr == NULL ? "topic"
                          : !has_partition        ? "partition"
                          : !has_offset           ? "offset"
                                                  : NULL;
    if (missing != NULL) cli_exit("No such field exists: `%s`", missing);
    add(json->arena, list, entry);
}

static int by_partition(const void *a, const void *b) {
    const struct deletion *x = a, *y = b;
    int order = str_cmp(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static void refuse_duplicates(const struct deletions *list) {
    bool found = false;
    for (uint32_t i = 1; i < list->count; i++) {
        const struct deletion *e = &list->entries[i];
        if (by_partition(e - 1, e) != 0 || (i > 1 && by_partition(e - 2, e) == 0)) continue;
        fprintf(stderr, "%s%.*s-%" PRId32,
                found ? "," : "Offset json file contains duplicate topic partitions: ",
                STR_ARG(e->topic), e->partition);
        found = true;
    }
    if (!found) return;
    fputc('\n', stderr);
    exit(1);
}

static struct deletions read_file(struct arena *arena, const char *path) {
    struct deletions list = {0};
    struct json json;
    struct str text, name;
    int64_t version = 1;
    bool has_partitions = false;
    enum status st = read_whole_file(arena, path, FILE_BYTES_MAX, &text);
    if (st != ST_OK) cli_exit("Unable to read file %s: %s", path, status_name(st));
    json_init(&json, arena, text);
    if (!json_enter(&json, '{')) cli_exit("The input string is not a valid JSON");
    while (json_member(&json, &name)) {
        if (str_eq(name, STR("version"))) {
            if (!json_int64(&json, &version)) json.failed = true;
        } else if (str_eq(name, STR("partitions")) && json_enter(&json, '[')) {
            has_partitions = true;
            while (json_element(&json)) read_entry(&json, &list);
        } else {
            json_skip(&json);
        }
    }
    if (!json_done(&json)) cli_exit("The input string is not a valid JSON");
    if (version != 1) cli_exit("Not supported version field value %" PRId64, version);
    if (!has_partitions) cli_exit("Missing partitions field");
    if (list.count > 0) qsort(list.entries, list.count, sizeof *list.entries, by_partition);
    refuse_duplicates(&list);
    return list;
}

/* ---- the deletion ---- */

static int32_t leader_of(const struct topic_list *topics, const struct deletion *d) {
    for (uint32_t i = 0; i < topics->count; i++) {
        const struct topic *topic = &topics->topics[i];
        if (!str_eq(topic->name, d->topic)) continue;
        for (int32_t k = 0; k < topic->partition_count; k++)
            if (topic->partitions[k].index == d->partition) return topic->partitions[k].leader;
    }
    return INT32_MIN; /* no such partition */
}

/* One request per partition: each is told apart, and few are ever asked for. */
static void delete_one(struct admin *admin, const struct topic_list *topics, struct deletion *d) {
    struct delete_records_request request;
    struct delete_records_response response;
    int32_t leader = leader_of(topics, d);
    d->error_code =
        leader == INT32_MIN ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_LEADER_NOT_AVAILABLE;
    if (leader < 0) return;
    codec_defaults(&delete_records_request_schema, &request);
    request.timeout_ms = client_broker_timeout_ms(&admin->client);
    request.topics = delete_records_request_topic_array(&admin->arena, 1);
    ASSERT(request.topics != NULL);
    request.topics_count = 1;
    request.topics[0].name = d->topic;
    request.topics[0].partitions = delete_records_request_partition_array(&admin->arena, 1);
    ASSERT(request.topics[0].partitions != NULL);
    request.topics[0].partitions_count = 1;
    request.topics[0].partitions[0].partition_index = d->partition;
    request.topics[0].partitions[0].offset = d->offset;
    if (client_call(&admin->client, leader, API_DELETE_RECORDS, &request, &response) != ST_OK)
        cli_exit("%s", admin->client.message);
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1)
        cli_exit("The broker's answer does not name the one partition that it was asked for");
    d->error_code = response.topics[0].partitions[0].error_code;
    d->low_watermark = response.topics[0].partitions[0].low_watermark;
}

static void delete_all(struct admin *admin, struct deletions *list) {
    const struct topic_choice everything = {.names = NULL};
    struct topic_list topics;
    for (uint32_t i = 0; i < list->count; i++) {
        struct deletion *d = &list->entries[i];
        do {
            if (topics_find(&admin->client, &everything, &topics) != ST_OK)
                cli_exit("%s", admin->client.message);
            delete_one(admin, &topics, d);
        } while (d->error_code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION &&
                 client_may_retry(&admin->client, d->error_code));
    }
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct cli cli;
    struct admin admin;
    struct arena arena;
    cli_start(&cli, &tool, &mem, argc, argv);
    cli_require(&cli, (const uint32_t[]){OPT_BOOTSTRAP, OPT_FILE}, 2);
    arena_init(&arena, &mem, 16 * 1024, 0);
    struct deletions list = read_file(&arena, cli_text(&cli, OPT_FILE));
    if (admin_start(&admin, &mem, cli_text(&cli, OPT_BOOTSTRAP),
                    cli_text(&cli, OPT_COMMAND_CONFIG)) != ST_OK)
        cli_exit("%s", admin.client.message);
    puts("Executing records delete operation");
    delete_all(&admin, &list);
    puts("Records delete operation completed:");
    for (uint32_t i = 0; i < list.count; i++) {
        const struct deletion *d = &list.entries[i];
        if (d->error_code == KAFKA_NONE)
            printf("partition: %.*s-%" PRId32 "\tlow_watermark: %" PRId64 "\n", STR_ARG(d->topic),
                   d->partition, d->low_watermark);
        else
            printf("partition: %.*s-%" PRId32 "\terror: %s\n", STR_ARG(d->topic), d->partition,
                   kafka_error_name(d->error_code));
    }
    admin_stop(&admin);
    arena_release(&arena);
    cli_release(&cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
