/* broker/metrics/table.c - the rows. */
#include "broker/metrics/page.h"

#define SHARD(field) offsetof(struct shard_sample, field)
#define DIRECTORY(field) offsetof(struct directory_sample, field)
#define TOPIC(field) offsetof(struct topic_sample, field)
#define PARTITION(field) offsetof(struct partition_sample, field)
#define GROUP(field) offsetof(struct group_sample, field)
#define OFFSET(field) offsetof(struct group_offset_sample, field)
#define TRAFFIC "kafka.server:type=BrokerTopicMetrics,name="

const struct metric_row metric_table[METRIC_COUNT] = {
    [METRIC_ACTIVE_CONTROLLERS] =
        {"klamm_active_controllers", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "1 where this node is the active controller; the sum over a cluster is 1.",
         "kafka.controller:type=KafkaController,name=ActiveControllerCount"},
    [METRIC_ALLOCATOR_MAPPED] = {"klamm_allocator_mapped_bytes", METRIC_GAUGE, FROM_PROCESS, 0,
                                 "bytes",
                                 "Memory that the allocator holds from the system, in use or not.",
                                 NULL},
    [METRIC_ALLOCATOR_USED] = {"klamm_allocator_used_bytes", METRIC_GAUGE, FROM_PROCESS, 0, "bytes",
                               "Memory that is allocated.",
                               "java.lang:type=Memory,attribute=HeapMemoryUsage"},
    [METRIC_BROKERS_LIVE] =
        {"klamm_brokers_live", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Brokers that are registered and not fenced, as this node knows the cluster.",
         "kafka.controller:type=KafkaController,name=ActiveBrokerCount"},
    [METRIC_BUILD_INFO] = {"klamm_build_info", METRIC_GAUGE, FROM_BUILD, 0, "",
                           "Always 1; the labels say what runs.", NULL},
    [METRIC_CLEANER_LAST_ROUND] =
        {"klamm_cleaner_last_round_time_seconds", METRIC_GAUGE, FROM_SHARDS, 0, "seconds",
         "When a log cleaner last came round, in seconds since 1970; 0: not yet. Behind the clock "
         "by more than log.cleaner.backoff.ms while one large log is being compacted.",
         "kafka.log:type=LogCleanerManager,name=time-since-last-run-ms"},
    [METRIC_CLEANER_LOGS] = {"klamm_cleaner_logs_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
                             "Compactions of a partition that were finished.", NULL},
    [METRIC_CLEANER_READ_BYTES] =
        {"klamm_cleaner_read_bytes_total", METRIC_COUNTER, FROM_SHARDS, 0, "bytes",
         "Octets of the segments that compaction has read to write them anew.", NULL},
    [METRIC_CLEANER_REMOVED_RECORDS] = {"klamm_cleaner_removed_records_total", METRIC_COUNTER,
                                        FROM_SHARDS, 0, "",
                                        "Records that compaction has left out.", NULL},
    [METRIC_CLEANER_UNCLEANABLE] =
        {"klamm_cleaner_uncleanable_partitions", METRIC_GAUGE, FROM_SHARDS, 0, "",
         "Partitions that cannot be compacted because of damage; the log says which.",
         "kafka.log:type=LogCleanerManager,name=uncleanable-partitions-count"},
    [METRIC_CLEANER_WRITTEN_BYTES] = {"klamm_cleaner_written_bytes_total", METRIC_COUNTER,
                                      FROM_SHARDS, 0, "bytes",
                                      "Octets of the segments that compaction has written.", NULL},
    [METRIC_CLUSTER_PARTITIONS] =
        {"klamm_cluster_partitions", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Partitions of the cluster, as this node knows it.",
         "kafka.controller:type=KafkaController,name=GlobalPartitionCount"},
    [METRIC_CLUSTER_PARTITIONS_OFFLINE] =
        {"klamm_cluster_partitions_offline", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Partitions of the cluster that have no leader.",
         "kafka.controller:type=KafkaController,name=OfflinePartitionsCount"},
    [METRIC_CLUSTER_PARTITIONS_UNDER_REPLICATED] =
        {"klamm_cluster_partitions_under_replicated", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Partitions of the cluster with fewer in-sync replicas than replicas.",
         "kafka.server:type=ReplicaManager,name=UnderReplicatedPartitions"},
    [METRIC_CLUSTER_TOPICS] = {"klamm_cluster_topics", METRIC_GAUGE, FROM_GATHERED, 0, "",
                               "Topics of the cluster.",
                               "kafka.controller:type=KafkaController,name=GlobalTopicCount"},
    [METRIC_CONNECTIONS] = {"klamm_connections", METRIC_GAUGE, FROM_SHARDS, 0, "",
                            "Client connections open.",
                            "kafka.server:type=socket-server-metrics,attribute=connection-count"},
    [METRIC_CONNECTIONS_BROKEN] =
        {"klamm_connections_broken_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
         "Client connections that ended because the broker could not send, receive or get memory; "
         "the log says which.",
         NULL},
    [METRIC_CONNECTIONS_EXPIRED] =
        {"klamm_connections_expired_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
         "Client connections closed after connections.max.idle.ms.",
         "kafka.server:type=socket-server-metrics,attribute=expired-connections-killed-count"},
    [METRIC_CONNECTIONS_MOVED] = {"klamm_connections_moved_total", METRIC_COUNTER, FROM_SHARDS, 0,
                                  "",
                                  "Client connections handed over to the shard that their requests "
                                  "are for.",
                                  NULL},
    [METRIC_CONNECTIONS_OPENED] =
        {"klamm_connections_opened_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
         "Client connections accepted.",
         "kafka.server:type=socket-server-metrics,attribute=connection-creation-total"},
    [METRIC_CONNECTIONS_REFUSED] = {"klamm_connections_refused_total", METRIC_COUNTER, FROM_SHARDS,
                                    0, "", "Client connections closed at once because of a limit.",
                                    NULL},
    [METRIC_CPUS] = {"klamm_cpus", METRIC_GAUGE, FROM_PROCESS, 0, "",
                     "CPUs that this process may use (affinity and cgroup quota).", NULL},
    [METRIC_DIRECTORY_CORDONED] = {"klamm_directory_cordoned", METRIC_GAUGE, FROM_DIRECTORY,
                                   DIRECTORY(cordoned), "",
                                   "1 where cordoned.log.dirs keeps new partitions away.",
                                   "kafka.log:type=LogManager,name=LogDirectoryCordoned"},
    [METRIC_DIRECTORY_CORRUPT_READS] = {"klamm_directory_corrupt_reads_total", METRIC_COUNTER,
                                        FROM_DIRECTORY, DIRECTORY(corrupt_reads), "",
                                        "Reads that met damage and were refused.", NULL},
    [METRIC_DIRECTORY_FREE] = {"klamm_directory_free_bytes", METRIC_GAUGE, FROM_DIRECTORY,
                               DIRECTORY(free_bytes), "bytes",
                               "Room left in the directory's file system.", NULL},
    [METRIC_DIRECTORY_FULL] = {"klamm_directory_full_total", METRIC_COUNTER, FROM_DIRECTORY,
                               DIRECTORY(full), "", "Appends that found no room and were undone.",
                               NULL},
    [METRIC_DIRECTORY_INLINE_STALLS] = {"klamm_directory_inline_stalls_total", METRIC_COUNTER,
                                        FROM_DIRECTORY, DIRECTORY(inline_stalls), "",
                                        "Direct writes that took longer than 2 ms; the directory's "
                                        "writes then go to the ring for a while.",
                                        NULL},
    [METRIC_DIRECTORY_INLINE_WRITES] = {"klamm_directory_inline_writes_total", METRIC_COUNTER,
                                        FROM_DIRECTORY, DIRECTORY(inline_writes), "",
                                        "Writes done directly by a shard, into the page cache.",
                                        NULL},
    [METRIC_DIRECTORY_OFFLINE] =
        {"klamm_directory_offline", METRIC_GAUGE, FROM_DIRECTORY, DIRECTORY(offline), "",
         "1 where a write or sync failed and the directory is not used any more.",
         "kafka.log:type=LogManager,name=LogDirectoryOffline"},
    [METRIC_DIRECTORY_RESERVE] = {"klamm_directory_reserve_bytes", METRIC_GAUGE, FROM_DIRECTORY,
                                  DIRECTORY(reserve_bytes), "bytes",
                                  "Room kept for the cluster's own topics.", NULL},
    [METRIC_DIRECTORY_RING_WRITES] = {"klamm_directory_ring_writes_total", METRIC_COUNTER,
                                      FROM_DIRECTORY, DIRECTORY(ring_writes), "",
                                      "Writes by the kernel's ring or a thread.", NULL},
    [METRIC_DIRECTORY_RUNG] = {"klamm_directory_room_rung", METRIC_GAUGE, FROM_DIRECTORY,
                               DIRECTORY(rung), "",
                               "0 room enough, 1 it gets scarce, 2 producers are slowed down, 3 "
                               "produce is refused (klamm.disk.free.*).",
                               NULL},
    [METRIC_DIRECTORY_SIZE] = {"klamm_directory_size_bytes", METRIC_GAUGE, FROM_DIRECTORY,
                               DIRECTORY(total_bytes), "bytes",
                               "Size of the directory's file system.", NULL},
    [METRIC_DIRECTORY_SYNCFS] = {"klamm_directory_syncfs_total", METRIC_COUNTER, FROM_DIRECTORY,
                                 DIRECTORY(syncfs), "",
                                 "Rounds that made all dirty logs durable by one syncfs.", NULL},
    [METRIC_DIRECTORY_SYNCS] =
        {"klamm_directory_syncs_total", METRIC_COUNTER, FROM_DIRECTORY, DIRECTORY(syncs), "",
         "Syncs of segment files; one answers for every record appended before it.",
         "kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs"},
    [METRIC_DIRECTORY_VERIFIED_BYTES] =
        {"klamm_directory_verified_bytes_total", METRIC_COUNTER, FROM_DIRECTORY,
         DIRECTORY(verified_bytes), "bytes",
         "Octets of an earlier process that were verified before they were served.", NULL},
    [METRIC_DIRECTORY_WAIT] = {"klamm_directory_wait_seconds", METRIC_GAUGE, FROM_DIRECTORY,
                               DIRECTORY(wait_ms), "seconds",
                               "For how long no write or sync under way has ended, in the shard "
                               "that waits longest: a disk that hangs.",
                               NULL},
    [METRIC_FETCH_FAILED] = {"klamm_fetch_failed_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
                             "Partitions of fetch requests that were answered with an error.",
                             TRAFFIC "FailedFetchRequestsPerSec"},
    [METRIC_FETCH_BYTES] = {"klamm_fetched_bytes_total", METRIC_COUNTER, FROM_SHARDS, 0, "bytes",
                            "Octets of batches given to consumers.", TRAFFIC "BytesOutPerSec"},
    [METRIC_GROUP_COMMIT_AGE] = {"klamm_group_commit_age_seconds", METRIC_GAUGE, FROM_GROUP_OFFSET,
                                 OFFSET(commit_age_ms), "seconds",
                                 "Time since the group last committed for the partition.", NULL},
    [METRIC_GROUP_COMMITS] =
        {"klamm_group_commits_total", METRIC_COUNTER, FROM_GROUP, GROUP(commits), "",
         "Offsets that the group committed since its coordinator was loaded.",
         "kafka.server:type=group-coordinator-metrics,attribute=offset-commit-count"},
    [METRIC_GROUP_COMMITTED_OFFSET] = {"klamm_group_committed_offset", METRIC_GAUGE,
                                       FROM_GROUP_OFFSET, OFFSET(committed), "",
                                       "The offset that the group has committed.", NULL},
    [METRIC_GROUP_LAG_RECORDS] =
        {"klamm_group_lag_records", METRIC_GAUGE, FROM_GROUP_OFFSET, OFFSET(lag_records), "",
         "Offsets between what the group has committed and the high watermark. Where this broker "
         "leads the partition.",
         "kafka.consumer:type=consumer-fetch-manager-metrics,attribute=records-lag"},
    [METRIC_GROUP_LAG_SECONDS] =
        {"klamm_group_lag_seconds", METRIC_GAUGE, FROM_GROUP_OFFSET, OFFSET(lag_ms), "seconds",
         "Age, by its timestamp, of the record that the group reads next; 0 when there is none.",
         NULL},
    [METRIC_GROUP_LAG_STABLE_RECORDS] =
        {"klamm_group_lag_stable_records", METRIC_GAUGE, FROM_GROUP_OFFSET,
         OFFSET(lag_stable_records), "",
         "The same up to the last stable offset: what readers of committed data may read.", NULL},
    [METRIC_GROUP_MEMBERS] = {"klamm_group_members", METRIC_GAUGE, FROM_GROUP, GROUP(members), "",
                              "Members of the group.", NULL},
    [METRIC_GROUP_OFFSETS_UNLISTED] =
        {"klamm_group_offsets_unlisted", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Committed offsets of groups that have no series of their own.", NULL},
    [METRIC_GROUP_STATE] = {"klamm_group_state", METRIC_GAUGE, FROM_GROUP_STATE, 0, "",
                            "Always 1; the labels say how the group stands.",
                            "kafka.server:type=group-coordinator-metrics,attribute=group-count"},
    [METRIC_GROUPS] = {"klamm_groups", METRIC_GAUGE, FROM_GATHERED, 0, "",
                       "Groups that this broker coordinates.",
                       "kafka.server:type=GroupMetadataManager,name=NumGroups"},
    [METRIC_GROUPS_UNLISTED] =
        {"klamm_groups_unlisted", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Groups among them that have no series of their own: beyond klamm.metrics.groups.max or "
         "klamm.metrics.group.offsets.max, or with an id of more than 256 octets.",
         NULL},
    [METRIC_LONG_BATCHES] = {"klamm_long_batches_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
                             "Batches of producers that were long to walk and went to a worker.",
                             NULL},
    [METRIC_MACHINE_MEMORY] = {"klamm_machine_memory_bytes", METRIC_GAUGE, FROM_PROCESS, 0, "bytes",
                               "Memory of the machine.",
                               "java.lang:type=OperatingSystem,attribute=TotalMemorySize"},
    [METRIC_MEMORY_LIMIT] =
        {"klamm_memory_limit_bytes", METRIC_GAUGE, FROM_PROCESS, 0, "bytes",
         "What the buffers of all clients may take together (klamm.memory.limit.bytes).", NULL},
    [METRIC_MESSAGES_WAITING] = {"klamm_messages_waiting", METRIC_GAUGE, FROM_GATHERED, 0, "",
                                 "Messages between shards that were sent and not delivered yet.",
                                 "kafka.network:type=RequestChannel,name=RequestQueueSize"},
    [METRIC_PARTITION_END_OFFSET] = {"klamm_partition_end_offset", METRIC_GAUGE, FROM_PARTITION,
                                     PARTITION(log_end), "",
                                     "The offset after the last record in the log.",
                                     "kafka.log:type=Log,name=LogEndOffset"},
    [METRIC_PARTITION_HIGH_WATERMARK] = {"klamm_partition_high_watermark", METRIC_GAUGE,
                                         FROM_PARTITION, PARTITION(high_watermark), "",
                                         "Consumers see the records below this offset.", NULL},
    [METRIC_PARTITION_LOG_BYTES] = {"klamm_partition_log_bytes", METRIC_GAUGE, FROM_PARTITION,
                                    PARTITION(log_bytes), "bytes", "Octets of the log's segments.",
                                    "kafka.log:type=Log,name=Size"},
    [METRIC_PARTITION_START_OFFSET] = {"klamm_partition_start_offset", METRIC_GAUGE, FROM_PARTITION,
                                       PARTITION(log_start), "",
                                       "The first offset that can be read.",
                                       "kafka.log:type=Log,name=LogStartOffset"},
    [METRIC_PARTITIONS] = {"klamm_partitions", METRIC_GAUGE, FROM_SHARDS, 0, "",
                           "Partitions on this broker.",
                           "kafka.server:type=ReplicaManager,name=PartitionCount"},
    [METRIC_PARTITIONS_OFFLINE] =
        {"klamm_partitions_offline", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Partitions of this broker whose log cannot be used, or could not be opened.",
         "kafka.server:type=ReplicaManager,name=OfflineReplicaCount"},
    [METRIC_PARTITIONS_UNLISTED] = {"klamm_partitions_unlisted", METRIC_GAUGE, FROM_GATHERED, 0, "",
                                    "Partitions of the cluster whose topic has no series of its "
                                    "own, because there are too many.",
                                    NULL},
    [METRIC_PRODUCE_FAILED] = {"klamm_produce_failed_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
                               "Partitions of produce requests that were answered with an error.",
                               TRAFFIC "FailedProduceRequestsPerSec"},
    [METRIC_PRODUCE_BYTES] = {"klamm_produced_bytes_total", METRIC_COUNTER, FROM_SHARDS, 0, "bytes",
                              "Octets of batches appended for producers.", TRAFFIC "BytesInPerSec"},
    [METRIC_PRODUCE_RECORDS] = {"klamm_produced_records_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
                                "Records appended for producers.", TRAFFIC "MessagesInPerSec"},
    [METRIC_READY] =
        {"klamm_ready", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "1 while everything is served, as /readyz says; 0 while starting and stopping.",
         "kafka.server:type=KafkaServer,name=BrokerState"},
    [METRIC_BYTES_IN] = {"klamm_received_bytes_total", METRIC_COUNTER, FROM_SHARDS, 0, "bytes",
                         "Octets of requests received, their lengths included.",
                         "kafka.server:type=socket-server-metrics,attribute=incoming-byte-total"},
    [METRIC_RECOVERY_BYTES] =
        {"klamm_recovery_remaining_bytes", METRIC_GAUGE, FROM_GATHERED, 0, "bytes",
         "Octets of segments that the start still recovers, of the logs that are being opened.",
         NULL},
    [METRIC_RECOVERY_LOGS] =
        {"klamm_recovery_remaining_logs", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Logs that the start has not opened yet, in all log directories.",
         "kafka.log:type=LogManager,name=remainingLogsToRecover"},
    [METRIC_RECOVERY_SEGMENTS] =
        {"klamm_recovery_remaining_segments", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "Segments that the start still recovers, of the logs that are being opened.",
         "kafka.log:type=LogManager,name=remainingSegmentsToRecover"},
    [METRIC_REQUEST_DURATION] = {"klamm_request_duration_seconds", METRIC_HISTOGRAM, FROM_LATENCY,
                                 0, "seconds",
                                 "From the turn in which a request was read to the turn in which "
                                 "its answer was ready; waiting for records "
                                 "(Fetch) or for stable storage (Produce) is part of it.",
                                 "kafka.network:type=RequestMetrics,name=TotalTimeMs"},
    [METRIC_REQUEST_ERRORS] = {"klamm_request_errors_total", METRIC_COUNTER, FROM_ERROR, 0, "",
                               "Error codes in answers: of the request, and of each topic, "
                               "partition or other thing in it.",
                               "kafka.network:type=RequestMetrics,name=ErrorsPerSec"},
    [METRIC_REQUESTS_REFUSED] =
        {"klamm_requests_refused_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
         "Frames and requests that could not be read or answered; their connections were "
         "closed, and the log says why.",
         NULL},
    [METRIC_REQUESTS_TOGETHER] =
        {"klamm_requests_together_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
         "Large requests that had arrived already and were received with the one before them.",
         NULL},
    [METRIC_REQUESTS] = {"klamm_requests_total", METRIC_COUNTER, FROM_API, 0, "",
                         "Requests that were read.",
                         "kafka.network:type=RequestMetrics,name=RequestsPerSec"},
    [METRIC_RETENTION_BYTES] = {"klamm_retention_deleted_bytes_total", METRIC_COUNTER, FROM_SHARDS,
                                0, "bytes",
                                "Octets of the segments that retention deleted, by age or size.",
                                NULL},
    [METRIC_RETENTION_SEGMENTS] = {"klamm_retention_deleted_segments_total", METRIC_COUNTER,
                                   FROM_SHARDS, 0, "",
                                   "Segments that retention deleted, by age or size.", NULL},
    [METRIC_SCRAPE_COMPLETE] =
        {"klamm_scrape_complete", METRIC_GAUGE, FROM_GATHERED, 0, "",
         "1 when every shard answered in time; otherwise what only shards know is missing here.",
         NULL},
    [METRIC_SCRUB_BYTES] = {"klamm_scrub_bytes_total", METRIC_COUNTER, FROM_SHARDS, 0, "bytes",
                            "Octets verified in the background, by passes that ended.", NULL},
    [METRIC_SCRUB_FINDINGS] = {"klamm_scrub_findings_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
                               "Damage met in the background, each time anew; see the log.", NULL},
    [METRIC_SCRUB_PASSES] = {"klamm_scrub_passes_total", METRIC_COUNTER, FROM_SHARDS, 0, "",
                             "Times that a log directory was verified whole.", NULL},
    [METRIC_BYTES_OUT] = {"klamm_sent_bytes_total", METRIC_COUNTER, FROM_SHARDS, 0, "bytes",
                          "Octets of answers sent.",
                          "kafka.server:type=socket-server-metrics,attribute=outgoing-byte-total"},
    [METRIC_SHARD_ALLOCATIONS] = {"klamm_shard_allocations_total", METRIC_COUNTER, FROM_SHARD,
                                  SHARD(allocations), "",
                                  "Allocations from the shard's counted memory.", NULL},
    [METRIC_SHARD_MEMORY] = {"klamm_shard_memory_bytes", METRIC_GAUGE, FROM_SHARD,
                             SHARD(memory_bytes), "bytes", "The shard's counted memory.", NULL},
    [METRIC_SHARD_MEMORY_PEAK] = {"klamm_shard_memory_peak_bytes", METRIC_GAUGE, FROM_SHARD,
                                  SHARD(memory_peak_bytes), "bytes",
                                  "The most that the shard's counted memory ever was.", NULL},
    [METRIC_SHARD_MESSAGES_RECEIVED] = {"klamm_shard_messages_received_total", METRIC_COUNTER,
                                        FROM_SHARD, SHARD(io.messages_received), "",
                                        "Messages from other shards and itself.", NULL},
    [METRIC_SHARD_MESSAGES_SENT] = {"klamm_shard_messages_sent_total", METRIC_COUNTER, FROM_SHARD,
                                    SHARD(io.messages_sent), "",
                                    "Messages to other shards and itself.", NULL},
    [METRIC_SHARD_MESSAGES_SPILLED] =
        {"klamm_shard_messages_spilled_total", METRIC_COUNTER, FROM_SHARD,
         SHARD(io.messages_spilled), "",
         "Messages that found the target's mailbox full and had to wait.", NULL},
    [METRIC_SHARD_OPERATIONS_IN_FLIGHT] =
        {"klamm_shard_operations_in_flight", METRIC_GAUGE, FROM_SHARD, SHARD(io.in_flight), "",
         "Operations in the ring and with workers; each connection has a receive there.", NULL},
    [METRIC_SHARD_OPERATIONS] = {"klamm_shard_operations_total", METRIC_COUNTER, FROM_SHARD,
                                 SHARD(io.ops), "",
                                 "Operations started that did not finish at once.", NULL},
    [METRIC_SHARD_BUFFERS_MISSING] = {"klamm_shard_receive_buffers_missing_total", METRIC_COUNTER,
                                      FROM_SHARD, SHARD(io.buffers_missing), "",
                                      "Receives that found no free buffer and were started again.",
                                      NULL},
    [METRIC_SHARD_RING_FULL] =
        {"klamm_shard_ring_full_total", METRIC_COUNTER, FROM_SHARD, SHARD(io.ring_full), "",
         "Times the ring's submission queue was full and was submitted early.", NULL},
    [METRIC_SHARD_RING_OVERFLOWS] =
        {"klamm_shard_ring_overflows_total", METRIC_COUNTER, FROM_SHARD, SHARD(io.ring_overflows),
         "", "Times the ring's completion queue overflowed into the kernel.", NULL},
    [METRIC_SHARD_TIMERS] = {"klamm_shard_timers_total", METRIC_COUNTER, FROM_SHARD,
                             SHARD(io.timers_fired), "", "Deadlines that came.", NULL},
    [METRIC_SHARD_TURNS] = {"klamm_shard_turns_total", METRIC_COUNTER, FROM_SHARD, SHARD(io.turns),
                            "", "Turns of the shard's loop.", NULL},
    [METRIC_TOPIC_FETCH_BYTES] =
        {"klamm_topic_fetched_bytes_total", METRIC_COUNTER, FROM_TOPIC, TOPIC(fetch_bytes), "bytes",
         "Octets of batches given to consumers, counted when they have left.",
         TRAFFIC "BytesOutPerSec,topic=*"},
    [METRIC_TOPIC_LOG_BYTES] = {"klamm_topic_log_bytes", METRIC_GAUGE, FROM_TOPIC, TOPIC(log_bytes),
                                "bytes",
                                "Octets of the logs of the topic's partitions on this broker.",
                                NULL},
    [METRIC_TOPIC_PARTITIONS] = {"klamm_topic_partitions", METRIC_GAUGE, FROM_TOPIC,
                                 TOPIC(partitions), "", "Partitions of the topic on this broker.",
                                 NULL},
    [METRIC_TOPIC_PRODUCE_BYTES] = {"klamm_topic_produced_bytes_total", METRIC_COUNTER, FROM_TOPIC,
                                    TOPIC(produce_bytes), "bytes",
                                    "Octets of batches appended for producers.",
                                    TRAFFIC "BytesInPerSec,topic=*"},
    [METRIC_TOPIC_PRODUCE_RECORDS] = {"klamm_topic_produced_records_total", METRIC_COUNTER,
                                      FROM_TOPIC, TOPIC(produce_records), "",
                                      "Records appended for producers.",
                                      TRAFFIC "MessagesInPerSec,topic=*"},
    [METRIC_PROCESS_CPU] = {"process_cpu_seconds_total", METRIC_COUNTER, FROM_PROCESS, 0, "seconds",
                            "CPU time of the process, user and system.",
                            "java.lang:type=OperatingSystem,attribute=ProcessCpuTime"},
    [METRIC_PROCESS_MAX_FDS] = {"process_max_fds", METRIC_GAUGE, FROM_PROCESS, 0, "",
                                "Descriptors that the process may have.",
                                "java.lang:type=OperatingSystem,attribute=MaxFileDescriptorCount"},
    [METRIC_PROCESS_OPEN_FDS] =
        {"process_open_fds", METRIC_GAUGE, FROM_PROCESS, 0, "", "Descriptors that are open.",
         "java.lang:type=OperatingSystem,attribute=OpenFileDescriptorCount"},
    [METRIC_PROCESS_RESIDENT] = {"process_resident_memory_bytes", METRIC_GAUGE, FROM_PROCESS, 0,
                                 "bytes", "Resident memory; the page cache is not in it.", NULL},
    [METRIC_PROCESS_START_TIME] = {"process_start_time_seconds", METRIC_GAUGE, FROM_PROCESS, 0,
                                   "seconds", "When the process started, since the Unix epoch.",
                                   "java.lang:type=Runtime,attribute=StartTime"},
    [METRIC_PROCESS_VIRTUAL] = {"process_virtual_memory_bytes", METRIC_GAUGE, FROM_PROCESS, 0,
                                "bytes", "Addresses in use, resident or not.", NULL},
};

const char *metric_type_name(enum metric_type type) {
    static const char *const names[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    return names[type];
}

const char *metric_labels(enum metric_source source) {
    switch (source) {
    case FROM_SHARDS:
    case FROM_PROCESS:
    case FROM_GATHERED: return "";
    case FROM_BUILD: return "version, kafka, compiler";
    case FROM_API: return "api";
    case FROM_LATENCY: return "api, le";
    case FROM_ERROR: return "api, error";
    case FROM_SHARD: return "shard";
    case FROM_DIRECTORY: return "directory";
    case FROM_TOPIC: return "topic";
    case FROM_PARTITION: return "topic, partition";
    case FROM_GROUP: return "group";
    case FROM_GROUP_STATE: return "group, protocol, state";
    case FROM_GROUP_OFFSET: return "group, topic, partition";
    }
    return "";
}
