/* tools/partition_offsets.c - see partition_offsets.h. */
#include "tools/partition_offsets.h"
#include "base/assert.h"

static void take_answer(const struct list_offsets_response *response,
                        struct partition_offset *wanted, uint32_t count) {
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct list_offsets_response_topic *topic = &response->topics[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            const struct list_offsets_response_partition *p = &topic->partitions[k];
            for (uint32_t n = 0; n < count; n++) {
                if (wanted[n].index != p->partition_index || !str_eq(wanted[n].topic, topic->name))
                    continue;
                wanted[n].offset = p->offset;
                wanted[n].error_code = p->error_code;
                wanted[n].answered = true;
            }
        }
    }
}

/* Asks the leader of wanted[0] for it and for those behind it that are of the same topic and
 * leader; *ret_run: how many those are. */
static enum status ask_run(struct client *c, int64_t timestamp, struct partition_offset *wanted,
                           uint32_t count, uint32_t *ret_run) {
    uint32_t run = 1;
    while (run < count && wanted[run].leader == wanted[0].leader &&
           str_eq(wanted[run].topic, wanted[0].topic))
        run++;
    *ret_run = run;
    if (wanted[0].leader < 0) {
        for (uint32_t i = 0; i < run; i++) wanted[i].error_code = KAFKA_LEADER_NOT_AVAILABLE;
        return ST_OK;
    }
    struct list_offsets_request request;
    struct list_offsets_response response;
    codec_defaults(&list_offsets_request_schema, &request);
    request.replica_id = -1;
    request.timeout_ms = (int32_t)c->request_timeout_ms;
    request.topics = list_offsets_request_topic_array(c->arena, 1);
    ASSERT(request.topics != NULL);
    request.topics_count = 1;
    request.topics[0].name = wanted[0].topic;
    request.topics[0].partitions = list_offsets_request_partition_array(c->arena, (int32_t)run);
    ASSERT(request.topics[0].partitions != NULL);
    request.topics[0].partitions_count = (int32_t)run;
    for (uint32_t i = 0; i < run; i++) {
        request.topics[0].partitions[i].partition_index = wanted[i].index;
        request.topics[0].partitions[i].timestamp = timestamp;
    }
    enum status st = client_call(c, wanted[0].leader, API_LIST_OFFSETS, &request, &response);
    if (st == ST_OK) take_answer(&response, wanted, run);
    return st;
}

enum status partition_offsets_ask(struct client *c, int64_t timestamp,
                                  struct partition_offset *wanted, uint32_t count) {
    enum status st = ST_OK;
    for (uint32_t at = 0, run = 0; at < count && st == ST_OK; at += run)
        st = ask_run(c, timestamp, &wanted[at], count - at, &run);
    return st;
}
