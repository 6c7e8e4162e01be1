/* tests/sim/history.h - what clients did and saw, and whether any broker could have behaved so.
 * Knows Kafka's promises and nothing of the broker: it is fed by clients only (tests/sim/client.h),
 * and by whoever crashes nodes. Events are given in the order in which they happened.
 *
 * Every record has an id, unique in the world, and its octets follow from it (history_value): so a
 * damaged, foreign or invented record is found by looking at it. Ids of one producer grow with the
 * order of its sends.
 *
 * What is promised (flush = klamm.flush.before.ack=all for the partition):
 *   acknowledged with acks=all and flush          survives everything
 *   acknowledged, otherwise                        survives kill -9, not a power cut
 *   read by a consumer (so below a high watermark) with flush: survives everything; else kill -9
 *   unacknowledged                                 appears at most as often as it was sent; once if
 * idempotent refused with a final error                     never appears Offsets are dense from
 * the log's start on (nothing here is transactional).
 *
 * Where the broker compacts, every record has a key (history_key), and one that is promised may be
 * gone when a later one of its key is there. Where it deletes, what lies below the log's start is
 * gone, and a reader may find itself there. When it happens is for tests/sim/scenario_log.c.
 * Where a client deletes records (cuts) likewise, but no log begins above what was asked for, nor
 * below what was acknowledged. */
#pragma once
#include "base/bytes.h"
#include "base/map.h"
#include "base/mem.h"

enum anomaly {
    ANOMALY_LOST,         /* acknowledged or read, promised to survive, and not there at the end */
    ANOMALY_INCONSISTENT, /* two records at one offset */
    ANOMALY_DUPLICATE,    /* at more offsets than it may be */
    ANOMALY_UNSENT,       /* nobody sent it */
    ANOMALY_MISPLACED,    /* sent to another partition or to a topic deleted since */
    ANOMALY_DAMAGED,      /* its octets are not those that were sent */
    ANOMALY_REORDERED,    /* sends of one producer to one partition stand in another order */
    ANOMALY_WRONG_OFFSET, /* acknowledged at one offset, read at another */
    ANOMALY_GAP,          /* an offset between log start and end holds nothing */
    ANOMALY_READ_BACK,    /* a reader was given an offset that it had passed */
    ANOMALY_READ_SKIP,    /* a reader was not given an offset in between */
    ANOMALY_WATERMARK_BACK, /* a high watermark below one that was known before it was asked for */
    ANOMALY_BEYOND_WATERMARK, /* a record at or above the high watermark of its own answer */
    ANOMALY_REFUSED_SEEN,     /* refused for good, and yet there */
    ANOMALY_DELETED_BACK,     /* a log begins below what was acknowledged as deleted */
    ANOMALY_SHORT_END,        /* the end is below something that must be there */
    ANOMALY_COUNT
};
const char *anomaly_name(enum anomaly anomaly);

enum { HISTORY_VALUE_MIN = 12, HISTORY_DETAIL_BYTES = 256 };

struct history_partition {
    char name[64]; /* "topic-3", for messages */
    bool flush;
    bool is_deleted;
    struct history_slot *slots; /* by offset */
    size_t slot_count, slot_capacity;
    int64_t fragile_from; /* a power cut may have left gaps from here on; INT64_MAX: none was */
    int64_t watermark;    /* the highest that any client knows */
    int64_t cut, cut_asked; /* deleted below, by DeleteRecords: acknowledged; at most */
};

struct history {
    struct mem *mem; /* borrowed */
    struct map records;
    struct history_partition *partitions;
    uint32_t partition_count, partition_capacity;
    uint64_t sent_count, acked_count, read_count; /* records */
    uint64_t anomalies[ANOMALY_COUNT];
    bool compacts, deletes;           /* the broker's cleanup.policy */
    bool cuts;                        /* a client deletes records */
    uint64_t power_cuts, gaps_left;   /* offsets in gaps that a power cut may leave */
    char first[HISTORY_DETAIL_BYTES]; /* the first anomaly in words; empty: none */
};

void history_init(struct history *history, struct mem *mem);
void history_release(struct history *history);
uint64_t history_anomaly_count(const struct history *history);

/** The octets of a record's value: HISTORY_VALUE_MIN .. value_max of them. */
size_t history_value_bytes(uint64_t id, size_t value_max);
void history_value(uint64_t id, uint8_t *out, size_t len);

/** The key of a record where the broker compacts: one octet. */
uint8_t history_key(uint64_t id);

/** A partition of one topic that was created; the number for all calls below. */
uint32_t history_partition_add(struct history *history, const char *name, bool flush);
void history_partition_deleted(struct history *history, uint32_t partition);

/* What a producer did. `count` records with ids first_id .. first_id + count - 1. */

/** An attempt left, or may have. is_idempotent: its producer has an id and sequence numbers. */
void history_sent(struct history *history, uint32_t partition, uint32_t producer, uint64_t first_id,
                  uint32_t count, bool is_idempotent);
/** base_offset < 0: not told. acks: 1 or -1. */
void history_acked(struct history *history, uint32_t partition, uint64_t first_id, uint32_t count,
                   int64_t base_offset, int acks);
/** A final error: none of the attempts took effect. */
void history_refused(struct history *history, uint32_t partition, uint64_t first_id,
                     uint32_t count);

/* What a consumer saw. */

/* A reader's place in one partition. */
struct history_reader {
    uint32_t partition;
    int64_t next_offset; /* expected next */
    bool is_raw; /* reads the log itself, perhaps above the high watermark: that promises nothing */
};
/** `value` is the record's. The reader goes on behind it. */
void history_read(struct history *history, struct history_reader *reader, int64_t offset,
                  struct bytes value, int64_t watermark);
/** The reader was told that what stands at its next offset is damaged, and steps over that offset.
 */
void history_damaged(struct history *history, struct history_reader *reader);
/** The reader was told that its next offset is outside of the log, and begins again. */
void history_out_of_range(struct history *history, struct history_reader *reader);
/** To be asked when a request leaves, for history_watermark when its answer comes. */
int64_t history_watermark_known(const struct history *history, uint32_t partition);
void history_watermark(struct history *history, uint32_t partition, int64_t watermark,
                       int64_t known);

/* Who deletes records: before the request leaves, and when it was acknowledged. */
void history_cut_asked(struct history *history, uint32_t partition, int64_t offset);
void history_cut(struct history *history, uint32_t partition, int64_t log_start);
/** Whether a log may begin above offset 0. */
bool history_may_begin_later(const struct history *history);

/* What happened to the node that has all partitions. */

/** What is not promised to survive is forgotten. */
void history_power_cut(struct history *history);

/** At the end, when all was healed and a reader has read everything: checks the partition from its
 * log start to its end. */
void history_end(struct history *history, uint32_t partition, int64_t log_start, int64_t end);
/** Before that reader begins: only what it reads counts as there. */
void history_end_begin(struct history *history, uint32_t partition);
