/* broker/handlers/handlers.h - every API that is served, one file each. A handler reads rq->in,
 * fills rq->out (which has its defaults) and calls request_respond, at once or later; bytes never
 * reach it. */
#pragma once
#include "broker/net/request.h"

/* isolation_level of Fetch and ListOffsets; at any other number Kafka's handlers fail. */
enum { READ_UNCOMMITTED = 0, READ_COMMITTED = 1 };
static inline bool isolation_is_known(int8_t level) {
    return level == READ_UNCOMMITTED || level == READ_COMMITTED;
}

void handle_produce(struct request *rq);                   /* 0 */
void handle_fetch(struct request *rq);                     /* 1 */
void handle_list_offsets(struct request *rq);              /* 2 */
void handle_metadata(struct request *rq);                  /* 3 */
void handle_offset_commit(struct request *rq);             /* 8 */
void handle_offset_fetch(struct request *rq);              /* 9 */
void handle_find_coordinator(struct request *rq);          /* 10 */
void handle_join_group(struct request *rq);                /* 11 */
void handle_heartbeat(struct request *rq);                 /* 12 */
void handle_leave_group(struct request *rq);               /* 13 */
void handle_sync_group(struct request *rq);                /* 14 */
void handle_describe_groups(struct request *rq);           /* 15 */
void handle_list_groups(struct request *rq);               /* 16 */
void handle_api_versions(struct request *rq);              /* 18 */
void handle_create_topics(struct request *rq);             /* 19 */
void handle_delete_topics(struct request *rq);             /* 20 */
void handle_delete_records(struct request *rq);            /* 21 */
void handle_init_producer_id(struct request *rq);          /* 22 */
void handle_offset_for_leader_epoch(struct request *rq);   /* 23 */
void handle_describe_configs(struct request *rq);          /* 32 */
void handle_alter_configs(struct request *rq);             /* 33 */
void handle_alter_replica_log_dirs(struct request *rq);    /* 34 */
void handle_describe_log_dirs(struct request *rq);         /* 35 */
void handle_create_partitions(struct request *rq);         /* 37 */
void handle_delete_groups(struct request *rq);             /* 42 */
void handle_incremental_alter_configs(struct request *rq); /* 44 */
void handle_offset_delete(struct request *rq);             /* 47 */
void handle_describe_cluster(struct request *rq);          /* 60 */
void handle_describe_producers(struct request *rq);        /* 61 */
void handle_unregister_broker(struct request *rq);         /* 64 */
void handle_consumer_group_heartbeat(struct request *rq);  /* 68 */
void handle_consumer_group_describe(struct request *rq);   /* 69 */
void handle_list_config_resources(struct request *rq);     /* 74 */
void handle_describe_topic_partitions(struct request *rq); /* 75 */
