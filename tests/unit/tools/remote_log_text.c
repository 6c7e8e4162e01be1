/* tests/unit/tools/remote_log_text.c - records of tiered storage in the words that Apache Kafka
 * 4.3.1's kafka-dump-log had for the same octets. */
#include "tools/remote_log_text.h"
#include <criterion/criterion.h>

#define OCTETS(literal)                                                                            \
    { (const uint8_t *)(literal), sizeof(literal) - 1 }

static const struct {
    const char *name;
    struct bytes value;
    bool is_text; /* else a reason */
    const char *text;
} rows[] = {
    {"a segment whose copy began",
     OCTETS("\001\000\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002"
            "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000c\000\000\000\001\000"
            "\000\001\213\317\345h\000\000\000\001\213\317\345h\001\003\000\000\000\000\000\000\000"
            "\000\000\000\000\000\000\000\000\000\004\000\000\000\000\000\000\000M\000\000\020\000"
            "\000\000\000\000"),
     true,
     "RemoteLogSegmentMetadata{remoteLogSegmentId=RemoteLogSegmentId{topicIdPartition="
     "AQEBAQEBAQEBAQEBAQEBAQ:orders-3, id=AgICAgICAgICAgICAgICAg}, startOffset=0, endOffset=99, "
     "brokerId=1, maxTimestampMs=1700000000000, eventTimestampMs=1700000000001, "
     "segmentLeaderEpochs={0=0, 4=77}, segmentSizeInBytes=1048576, customMetadata=Optional.empty, "
     "state=COPY_SEGMENT_STARTED, txnIdxEmpty=false}"},
    {"a copied segment, with metadata of a plugin and a transaction index that is empty",
     OCTETS("\001\000\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002"
            "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000c\000\000\000\001\000"
            "\000\001\213\317\345h\000\000\000\001\213\317\345h\001\003\000\000\000\000\000\000\000"
            "\000\000\000\000\000\000\000\000\000\004\000\000\000\000\000\000\000M\000\000\020\000"
            "\000\006hello\001\001\000\001\001"),
     true,
     "RemoteLogSegmentMetadata{remoteLogSegmentId=RemoteLogSegmentId{topicIdPartition="
     "AQEBAQEBAQEBAQEBAQEBAQ:orders-3, id=AgICAgICAgICAgICAgICAg}, startOffset=0, endOffset=99, "
     "brokerId=1, maxTimestampMs=1700000000000, eventTimestampMs=1700000000001, "
     "segmentLeaderEpochs={0=0, 4=77}, segmentSizeInBytes=1048576, "
     "customMetadata=Optional[CustomMetadata{5 bytes}], state=COPY_SEGMENT_FINISHED, "
     "txnIdxEmpty=true}"},
    {"a segment whose deletion began",
     OCTETS("\001\001\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002"
            "\000\000\000\000\002\000\000\001\213\317\345h\002\000\002\000"),
     true,
     "RemoteLogSegmentMetadataUpdate{remoteLogSegmentId=RemoteLogSegmentId{topicIdPartition="
     "AQEBAQEBAQEBAQEBAQEBAQ:orders-3, id=AgICAgICAgICAgICAgICAg}, customMetadata=Optional.empty, "
     "state=DELETE_SEGMENT_STARTED, eventTimestampMs=1700000000002, brokerId=2}"},
    {"a deleted segment",
     OCTETS("\001\001\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002"
            "\000\000\000\000\002\000\000\001\213\317\345h\002\003xy\003\000"),
     true,
     "RemoteLogSegmentMetadataUpdate{remoteLogSegmentId=RemoteLogSegmentId{topicIdPartition="
     "AQEBAQEBAQEBAQEBAQEBAQ:orders-3, id=AgICAgICAgICAgICAgICAg}, "
     "customMetadata=Optional[CustomMetadata{2 bytes}], state=DELETE_SEGMENT_FINISHED, "
     "eventTimestampMs=1700000000002, brokerId=2}"},
    {"a partition that is to be deleted",
     OCTETS("\001\002\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\000\000\000\002\000\000\001\213\317\345h\003\000\000"),
     true,
     "RemotePartitionDeleteMetadata{topicPartition=AQEBAQEBAQEBAQEBAQEBAQ:orders-3, "
     "state=DELETE_PARTITION_MARKED, eventTimestampMs=1700000000003, brokerId=2}"},
    {"whose deletion began",
     OCTETS("\001\002\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\000\000\000\002\000\000\001\213\317\345h\003\001\000"),
     true,
     "RemotePartitionDeleteMetadata{topicPartition=AQEBAQEBAQEBAQEBAQEBAQ:orders-3, "
     "state=DELETE_PARTITION_STARTED, eventTimestampMs=1700000000003, brokerId=2}"},
    {"and has ended",
     OCTETS("\001\002\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\000\000\000\002\000\000\001\213\317\345h\003\002\000"),
     true,
     "RemotePartitionDeleteMetadata{topicPartition=AQEBAQEBAQEBAQEBAQEBAQ:orders-3, "
     "state=DELETE_PARTITION_FINISHED, eventTimestampMs=1700000000003, brokerId=2}"},
    {"a segment in a snapshot",
     OCTETS(
         "\001\003\000\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\000\000\000"
         "\000\000\000\000\000\000\000\000\000\000\000\000c\000\000\000\001\000\000\001\213\317\345"
         "h\000\000\000\001\213\317\345h\001\003\000\000\000\000\000\000\000\000\000\000\000\000"
         "\000\000\000\000\004\000\000\000\000\000\000\000M\000\000\020\000\000\004abc\001\000"),
     true,
     "RemoteLogSegmentMetadataSnapshot{segmentId=AgICAgICAgICAgICAgICAg, startOffset=0, "
     "endOffset=99, maxTimestampMs=1700000000000, segmentLeaderEpochs={0=0, 4=77}, "
     "segmentSizeInBytes=1048576, customMetadata=Optional[CustomMetadata{3 bytes}], "
     "state=COPY_SEGMENT_FINISHED, txnIdxEmpty=false}"},
    {"a type that there is not", OCTETS("\001\011\000\000"), false,
     "org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id 9"},
    {"a cut record",
     OCTETS("\001\000\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001"), false,
     "Failed to deserialize record with type 0"},
    {"a state that there is not",
     OCTETS("\001\000\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002"
            "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000c\000\000\000\001\000"
            "\000\001\213\317\345h\000\000\000\001\213\317\345h\001\003\000\000\000\000\000\000\000"
            "\000\000\000\000\000\000\000\000\000\004\000\000\000\000\000\000\000M\000\000\020\000"
            "\000\000\007\000"),
     false, "state can not be null"},
    {"nothing", OCTETS(""), false, "Error while reading frame version"},
    {"a version that there is not",
     OCTETS("\001\000\005\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002"
            "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000c\000\000\000\001\000"
            "\000\001\213\317\345h\000\000\000\001\213\317\345h\001\003\000\000\000\000\000\000\000"
            "\000\000\000\000\000\000\000\000\000\004\000\000\000\000\000\000\000M\000\000\020\000"
            "\000\000\000\000"),
     false, "Failed to deserialize record with type 0"},
    {"another frame",
     OCTETS("\003\000\000\007orders\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
            "\000\000\000\003\000\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002\002"
            "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000c\000\000\000\001\000"
            "\000\001\213\317\345h\000\000\000\001\213\317\345h\001\003\000\000\000\000\000\000\000"
            "\000\000\000\000\000\000\000\000\000\004\000\000\000\000\000\000\000M\000\000\020\000"
            "\000\000\000\000"),
     false,
     "Could not deserialize metadata record due to unknown frame version 3(only frame version 1 is "
     "supported)"},
    {"no value", {NULL, 0}, false, "The record has no value"},
};

Test(remote_log_text, says_what_kafka_says) {
    struct mem mem = {0};
    struct arena arena;
    struct strbuf out;
    arena_init(&arena, &mem, 4096, 0);
    strbuf_init(&out, &mem);
    for (size_t i = 0; i < COUNT(rows); i++) {
        strbuf_clear(&out);
        arena_reset(&arena);
        cr_expect_eq(remote_log_text(rows[i].value, &arena, &out), rows[i].is_text, "%s",
                     rows[i].name);
        cr_expect(str_eq(strbuf_str(&out), str_of(rows[i].text)), "%s: %.*s", rows[i].name,
                  STR_ARG(strbuf_str(&out)));
    }
    strbuf_release(&out);
    arena_release(&arena);
}
