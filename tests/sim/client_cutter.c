/* tests/sim/client_cutter.c - deletes records (DeleteRecords) below offsets that others have
 * reached: what was deleted stays deleted, whatever crashes, and nothing above goes. */
#include "protocol/errors.h"
#include "tests/sim/client.h"

#define CUT_EVERY_US 400000

static bool is_possible(int16_t error) {
    return error == KAFKA_OFFSET_OUT_OF_RANGE || error == KAFKA_NOT_LEADER_OR_FOLLOWER ||
           error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || error == KAFKA_KAFKA_STORAGE_ERROR ||
           error == KAFKA_REQUEST_TIMED_OUT || error == KAFKA_POLICY_VIOLATION;
}

static void cut(struct actor *actor, const struct client_topic *topic, uint32_t index) {
    struct history *history = actor->clients->history;
    uint32_t partition = topic->first_partition + index;
    int64_t known = history_watermark_known(history, partition);
    struct delete_records_request request;
    struct delete_records_response response;
    struct delete_records_request_topic one;
    struct delete_records_request_partition what;
    delete_records_request_defaults(&request);
    delete_records_request_topic_defaults(&one);
    delete_records_request_partition_defaults(&what);
    what.partition_index = (int32_t)index;
    what.offset = (int64_t)actor_draw(actor, (uint32_t)known + 1);
    one.name = str_of(topic->name);
    one.partitions = &what;
    one.partitions_count = 1;
    request.topics = &one;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    history_cut_asked(history, partition, what.offset);
    int16_t version = actor_version(actor, API_DELETE_RECORDS, 0);
    if (actor_call(actor, API_DELETE_RECORDS, version, &request, &response) != ST_OK) return;
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1) {
        world_fail(actor->clients->world, "DeleteRecords answered for other partitions");
        return;
    }
    const struct delete_records_response_partition_result *told = response.topics[0].partitions;
    if (told->error_code != KAFKA_NONE && !is_possible(told->error_code)) {
        world_fail(actor->clients->world, "DeleteRecords of %s-%u: error %d", topic->name, index,
                   told->error_code);
    } else if (told->error_code == KAFKA_NONE) {
        history_cut(history, partition, told->low_watermark);
        world_count(actor->clients->world, FAULT_RECORDS_DELETED);
    }
}

static void cutter_main(struct actor *actor) {
    while (!actor->clients->is_ending) {
        actor_sleep(actor, CUT_EVERY_US);
        arena_reset(&actor->arena);
        const struct client_topic *topic = actor_topic(actor);
        if (topic == NULL || actor_connect(actor) != ST_OK) continue;
        cut(actor, topic, actor_draw(actor, topic->partition_count));
    }
}

void client_start_cutter(struct clients *clients) {
    clients->history->cuts = true;
    actor_start(clients, "cutter", cutter_main, true, 0);
}
