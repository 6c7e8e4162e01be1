/* broker/net/api_table.c - the rows. */
#include "broker/net/api_table.h"
#include "broker/handlers/handlers.h"

const struct served_api served_apis[] = {
    {.api = &apis[API_PRODUCE], .handle = handle_produce, .overlaps = true},
    {.api = &apis[API_FETCH], .handle = handle_fetch, .owns_answer = true},
    {.api = &apis[API_LIST_OFFSETS], .handle = handle_list_offsets, .owns_answer = true},
    {.api = &apis[API_METADATA], .handle = handle_metadata, .owns_answer = true},
    {.api = &apis[API_OFFSET_COMMIT], .handle = handle_offset_commit, .owns_answer = true},
    {.api = &apis[API_OFFSET_FETCH], .handle = handle_offset_fetch, .owns_answer = true},
    {.api = &apis[API_FIND_COORDINATOR], .handle = handle_find_coordinator, .owns_answer = true},
    {.api = &apis[API_JOIN_GROUP], .handle = handle_join_group},
    {.api = &apis[API_HEARTBEAT], .handle = handle_heartbeat},
    {.api = &apis[API_LEAVE_GROUP], .handle = handle_leave_group, .owns_answer = true},
    {.api = &apis[API_SYNC_GROUP], .handle = handle_sync_group},
    {.api = &apis[API_DESCRIBE_GROUPS], .handle = handle_describe_groups, .owns_answer = true},
    {.api = &apis[API_LIST_GROUPS], .handle = handle_list_groups},
    {.api = &apis[API_API_VERSIONS], .handle = handle_api_versions},
    {.api = &apis[API_CREATE_TOPICS], .handle = handle_create_topics, .owns_answer = true},
    {.api = &apis[API_DELETE_TOPICS], .handle = handle_delete_topics, .owns_answer = true},
    {.api = &apis[API_DELETE_RECORDS], .handle = handle_delete_records, .owns_answer = true},
    {.api = &apis[API_INIT_PRODUCER_ID], .handle = handle_init_producer_id},
    {.api = &apis[API_OFFSET_FOR_LEADER_EPOCH], .handle = handle_offset_for_leader_epoch,
     .owns_answer = true},
    {.api = &apis[API_DESCRIBE_CONFIGS], .handle = handle_describe_configs, .owns_answer = true},
    {.api = &apis[API_ALTER_CONFIGS], .handle = handle_alter_configs, .owns_answer = true},
    {.api = &apis[API_ALTER_REPLICA_LOG_DIRS], .handle = handle_alter_replica_log_dirs,
     .owns_answer = true},
    {.api = &apis[API_DESCRIBE_LOG_DIRS], .handle = handle_describe_log_dirs, .owns_answer = true},
    {.api = &apis[API_CREATE_PARTITIONS], .handle = handle_create_partitions, .owns_answer = true},
    {.api = &apis[API_DELETE_GROUPS], .handle = handle_delete_groups, .owns_answer = true},
    {.api = &apis[API_INCREMENTAL_ALTER_CONFIGS], .handle = handle_incremental_alter_configs,
     .owns_answer = true},
    {.api = &apis[API_OFFSET_DELETE], .handle = handle_offset_delete, .owns_answer = true},
    {.api = &apis[API_DESCRIBE_CLUSTER], .handle = handle_describe_cluster},
    {.api = &apis[API_DESCRIBE_PRODUCERS], .handle = handle_describe_producers,
     .owns_answer = true},
    {.api = &apis[API_UNREGISTER_BROKER], .handle = handle_unregister_broker},
    {.api = &apis[API_CONSUMER_GROUP_HEARTBEAT], .handle = handle_consumer_group_heartbeat},
    {.api = &apis[API_CONSUMER_GROUP_DESCRIBE], .handle = handle_consumer_group_describe,
     .owns_answer = true},
    {.api = &apis[API_LIST_CONFIG_RESOURCES], .handle = handle_list_config_resources},
    {.api = &apis[API_DESCRIBE_TOPIC_PARTITIONS], .handle = handle_describe_topic_partitions,
     .owns_answer = true},
};
const uint32_t served_count = COUNT(served_apis);

const struct served_api *served_find(int16_t key) {
    for (uint32_t i = 0; i < served_count && served_apis[i].api->key <= key; i++) {
        if (served_apis[i].api->key == key) return &served_apis[i];
    }
    return NULL;
}
