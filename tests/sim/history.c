/* tests/sim/history.c - the checker of client histories. */
#include "tests/sim/history.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/assert.h"

static const char *const names[ANOMALY_COUNT] = {
    [ANOMALY_LOST] = "lost",
    [ANOMALY_INCONSISTENT] = "inconsistent",
    [ANOMALY_DUPLICATE] = "duplicate",
    [ANOMALY_UNSENT] = "unsent",
    [ANOMALY_MISPLACED] = "misplaced",
    [ANOMALY_DAMAGED] = "damaged",
    [ANOMALY_REORDERED] = "reordered",
    [ANOMALY_WRONG_OFFSET] = "wrong-offset",
    [ANOMALY_GAP] = "gap",
    [ANOMALY_READ_BACK] = "read-back",
    [ANOMALY_READ_SKIP] = "read-skip",
    [ANOMALY_WATERMARK_BACK] = "watermark-back",
    [ANOMALY_BEYOND_WATERMARK] = "beyond-watermark",
    [ANOMALY_REFUSED_SEEN] = "refused-seen",
    [ANOMALY_DELETED_BACK] = "deleted-back",
    [ANOMALY_SHORT_END] = "short-end",
};

enum { KEYS = 12 };

const char *anomaly_name(enum anomaly anomaly) { return names[anomaly]; }

struct history_record {
    struct map_node node;
    uint64_t id;
    uint32_t partition, producer;
    uint32_t attempts;
    uint32_t places; /* offsets at which it is known to stand */
    bool is_idempotent, is_refused;
};

/* What is known of one offset. */
struct history_slot {
    struct history_record *record; /* NULL: nothing yet */
    bool is_promised;              /* to survive a power cut */
    bool is_acked;
    bool is_read;
    bool is_there; /* seen by the reader of the end */
};

#define ID "%llu.%llu"
#define ID_ARG(id) (unsigned long long)((id) >> 40), (unsigned long long)((id)&0xffffffffff)

__attribute__((format(printf, 4, 5))) static void
found(struct history *history, enum anomaly anomaly, uint32_t partition, const char *format, ...) {
    if (history->anomalies[anomaly]++ > 0 || history->first[0] != '\0') return;
    char detail[HISTORY_DETAIL_BYTES / 2];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof detail, format, args); /* cut when longer */
    va_end(args);
    (void)snprintf(history->first, sizeof history->first, "%s in %s: %s", names[anomaly],
                   history->partitions[partition].name, detail); /* cut when longer */
}

static bool has_id(const struct map_node *node, const void *key) {
    return CONTAINER_OF(node, struct history_record, node)->id == *(const uint64_t *)key;
}

static uint64_t id_hash(uint64_t id) { return hash_bytes(&id, sizeof id, 1); }

static struct history_record *record_find(struct history *history, uint64_t id) {
    struct map_node *node = map_find(&history->records, id_hash(id), has_id, &id);
    return node != NULL ? CONTAINER_OF(node, struct history_record, node) : NULL;
}

void history_init(struct history *history, struct mem *mem) {
    *history = (struct history){.mem = mem};
    map_init(&history->records, mem);
}

void history_release(struct history *history) {
    struct map_node *node = map_next(&history->records, NULL);
    while (node != NULL) {
        struct map_node *next = map_next(&history->records, node);
        map_remove(&history->records, node);
        struct history_record *record = CONTAINER_OF(node, struct history_record, node);
        MEM_FREE(history->mem, record);
        node = next;
    }
    map_release(&history->records);
    for (uint32_t i = 0; i < history->partition_count; i++) {
        struct history_partition *p = &history->partitions[i];
        mem_free(history->mem, p->slots, p->slot_capacity * sizeof *p->slots);
    }
    mem_free(history->mem, history->partitions,
             history->partition_capacity * sizeof *history->partitions);
}

uint64_t history_anomaly_count(const struct history *history) {
    uint64_t count = 0;
    for (int i = 0; i < ANOMALY_COUNT; i++) count += history->anomalies[i];
    return count;
}

size_t history_value_bytes(uint64_t id, size_t value_max) {
    return HISTORY_VALUE_MIN + (size_t)(id_hash(id) % (value_max - HISTORY_VALUE_MIN + 1));
}

void history_value(uint64_t id, uint8_t *out, size_t len) {
    ASSERT(len >= HISTORY_VALUE_MIN);
    put_u64(out, id);
    put_u32(out + 8, (uint32_t)len);
    uint64_t filler = id_hash(id);
    for (size_t i = HISTORY_VALUE_MIN; i < len;) { /* runs of eight, so that codecs have work */
        if (i % 64 == 0) filler *= 0x9e3779b97f4a7c15u;
        size_t run = MIN(8 - i % 8, len - i);
        memset(out + i, (int)(filler >> (i / 8 % 8 * 8) & 0xff), run);
        i += run;
    }
}

uint8_t history_key(uint64_t id) { return (uint8_t)(id_hash(id) % KEYS); }

uint32_t history_partition_add(struct history *history, const char *name, bool flush) {
    if (history->partition_count == history->partition_capacity) {
        uint32_t capacity = history->partition_capacity != 0 ? 2 * history->partition_capacity : 16;
        struct history_partition *grown = mem_need(history->mem, capacity * sizeof *grown);
        for (uint32_t i = 0; i < history->partition_count; i++) grown[i] = history->partitions[i];
        mem_free(history->mem, history->partitions,
                 history->partition_capacity * sizeof *history->partitions);
        history->partitions = grown;
        history->partition_capacity = capacity;
    }
    struct history_partition *p = &history->partitions[history->partition_count];
    *p = (struct history_partition){.flush = flush, .fragile_from = INT64_MAX};
    (void)snprintf(p->name, sizeof p->name, "%s", name); /* cut when longer */
    return history->partition_count++;
}

void history_partition_deleted(struct history *history, uint32_t partition) {
    history->partitions[partition].is_deleted = true;
}

static struct history_slot *slot_at(struct history *history, uint32_t partition, int64_t offset) {
    struct history_partition *p = &history->partitions[partition];
    size_t index = (size_t)offset;
    if (index >= p->slot_capacity) {
        size_t capacity = MAX(index + 1, 2 * p->slot_capacity);
        struct history_slot *slots = mem_need(history->mem, capacity * sizeof *slots);
        if (p->slot_count > 0) memcpy(slots, p->slots, p->slot_count * sizeof *slots);
        mem_free(history->mem, p->slots, p->slot_capacity * sizeof *slots);
        p->slots = slots;
        p->slot_capacity = capacity;
    }
    if (index >= p->slot_count) p->slot_count = index + 1;
    return &p->slots[index];
}

/* Nothing is known to stand there, and a power cut may be why. */
static bool may_be_gap(const struct history_partition *p, int64_t offset) {
    return offset >= p->fragile_from &&
           (offset >= (int64_t)p->slot_count || p->slots[offset].record == NULL);
}

/* --- producers --- */

void history_sent(struct history *history, uint32_t partition, uint32_t producer, uint64_t first_id,
                  uint32_t count, bool is_idempotent) {
    for (uint64_t id = first_id; id < first_id + count; id++) {
        struct history_record *record = record_find(history, id);
        if (record == NULL) {
            record = MEM_NEW(history->mem, struct history_record);
            record->id = id;
            record->partition = partition;
            record->producer = producer;
            record->is_idempotent = is_idempotent;
            map_insert(&history->records, id_hash(id), &record->node);
            history->sent_count++;
        }
        ASSERT(record->partition == partition);
        record->attempts++;
    }
}

/* The record stands at the offset: from an acknowledgement or from a read. */
static struct history_slot *place(struct history *history, struct history_record *record,
                                  uint32_t partition, int64_t offset) {
    struct history_slot *slot = slot_at(history, partition, offset);
    if (slot->record == record) return slot;
    if (slot->record != NULL) {
        found(history, ANOMALY_INCONSISTENT, partition, "offset %lld holds " ID " and " ID,
              (long long)offset, ID_ARG(slot->record->id), ID_ARG(record->id));
        return slot;
    }
    slot->record = record;
    record->places++;
    uint32_t allowed = record->is_idempotent ? 1 : record->attempts;
    if (record->places > allowed) {
        found(history, ANOMALY_DUPLICATE, partition, ID " stands at %lld and at %u places before",
              ID_ARG(record->id), (long long)offset, record->places - 1);
    }
    return slot;
}

void history_acked(struct history *history, uint32_t partition, uint64_t first_id, uint32_t count,
                   int64_t base_offset, int acks) {
    history->acked_count += count;
    if (base_offset < 0) return;
    for (uint32_t i = 0; i < count; i++) {
        struct history_record *record = record_find(history, first_id + i);
        ASSERT(record != NULL);
        struct history_slot *slot = place(history, record, partition, base_offset + i);
        if (slot->record != record) {
            found(history, ANOMALY_WRONG_OFFSET, partition,
                  ID " acknowledged at %lld, where another stands", ID_ARG(record->id),
                  (long long)(base_offset + i));
            continue;
        }
        slot->is_acked = true;
        if (acks == -1 && history->partitions[partition].flush) slot->is_promised = true;
    }
}

void history_refused(struct history *history, uint32_t partition, uint64_t first_id,
                     uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct history_record *record = record_find(history, first_id + i);
        ASSERT(record != NULL);
        record->is_refused = true;
        if (record->places > 0) {
            found(history, ANOMALY_REFUSED_SEEN, partition, ID, ID_ARG(record->id));
        }
    }
}

/* --- consumers --- */

static struct history_record *record_of_value(struct history *history, uint32_t partition,
                                              int64_t offset, struct bytes value) {
    if (value.ptr == NULL || value.len < HISTORY_VALUE_MIN) {
        found(history, ANOMALY_DAMAGED, partition, "%zu octets at offset %lld", value.len,
              (long long)offset);
        return NULL;
    }
    uint64_t id = get_u64(value.ptr);
    struct history_record *record = record_find(history, id);
    if (record == NULL) {
        found(history, ANOMALY_UNSENT, partition, ID " at offset %lld", ID_ARG(id),
              (long long)offset);
        return NULL;
    }
    uint8_t *expected = mem_need(history->mem, value.len);
    history_value(id, expected, value.len);
    if (memcmp(expected, value.ptr, value.len) != 0) {
        found(history, ANOMALY_DAMAGED, partition, ID " at offset %lld", ID_ARG(id),
              (long long)offset);
    }
    mem_free(history->mem, expected, value.len);
    return record;
}

void history_read(struct history *history, struct history_reader *reader, int64_t offset,
                  struct bytes value, int64_t watermark) {
    uint32_t partition = reader->partition;
    history->read_count++;
    if (offset < reader->next_offset) {
        found(history, ANOMALY_READ_BACK, partition, "%lld after %lld", (long long)offset,
              (long long)reader->next_offset - 1);
    } else if (offset > reader->next_offset) {
        bool may_skip = history->compacts || history_may_begin_later(history); /* it is judged */
        int64_t at = may_skip ? offset : reader->next_offset;
        while (at < offset && may_be_gap(&history->partitions[partition], at)) at++;
        if (at < offset) {
            found(history, ANOMALY_READ_SKIP, partition, "%lld instead of %lld", (long long)offset,
                  (long long)at);
        }
    }
    reader->next_offset = offset + 1;
    if (offset >= watermark) {
        found(history, ANOMALY_BEYOND_WATERMARK, partition, "%lld, the watermark being %lld",
              (long long)offset, (long long)watermark);
    }
    struct history_record *record = record_of_value(history, partition, offset, value);
    if (record == NULL) return;
    if (record->partition != partition) {
        found(history, ANOMALY_MISPLACED, partition, ID " at offset %lld was sent to %s",
              ID_ARG(record->id), (long long)offset, history->partitions[record->partition].name);
        return;
    }
    if (record->is_refused) {
        found(history, ANOMALY_REFUSED_SEEN, partition, ID " at offset %lld", ID_ARG(record->id),
              (long long)offset);
    }
    struct history_slot *slot = place(history, record, partition, offset);
    if (slot->record != record) {
        if (slot->is_acked) {
            found(history, ANOMALY_WRONG_OFFSET, partition,
                  ID " read at %lld, where " ID " was acknowledged", ID_ARG(record->id),
                  (long long)offset, ID_ARG(slot->record->id));
        }
        return;
    }
    slot->is_there = true;
    if (reader->is_raw) return;
    slot->is_read = true;
    if (history->partitions[partition].flush) slot->is_promised = true;
}

void history_damaged(struct history *history, struct history_reader *reader) {
    bool is_cleaned = history->compacts || history_may_begin_later(history); /* nothing is left */
    if (!is_cleaned && !may_be_gap(&history->partitions[reader->partition], reader->next_offset)) {
        found(history, ANOMALY_DAMAGED, reader->partition, "offset %lld is said to be damaged",
              (long long)reader->next_offset);
    }
    reader->next_offset++;
}

void history_out_of_range(struct history *history, struct history_reader *reader) {
    const struct history_partition *p = &history->partitions[reader->partition];
    bool may_have_shrunk = !p->flush && history->power_cuts > 0;
    if (!p->is_deleted && !may_have_shrunk && !history_may_begin_later(history)) {
        found(history, ANOMALY_SHORT_END, reader->partition, "%lld is out of range",
              (long long)reader->next_offset);
    }
    reader->next_offset = 0;
}

int64_t history_watermark_known(const struct history *history, uint32_t partition) {
    return history->partitions[partition].watermark;
}

void history_watermark(struct history *history, uint32_t partition, int64_t watermark,
                       int64_t known) {
    struct history_partition *p = &history->partitions[partition];
    if (watermark < known && watermark < p->watermark) {
        found(history, ANOMALY_WATERMARK_BACK, partition, "%lld, after %lld was known",
              (long long)watermark, (long long)known);
    }
    p->watermark = MAX(p->watermark, watermark);
}

/* --- deleted records --- */

void history_cut_asked(struct history *history, uint32_t partition, int64_t offset) {
    struct history_partition *p = &history->partitions[partition];
    p->cut_asked = MAX(p->cut_asked, offset);
}

void history_cut(struct history *history, uint32_t partition, int64_t log_start) {
    struct history_partition *p = &history->partitions[partition];
    p->cut = MAX(p->cut, log_start);
}

bool history_may_begin_later(const struct history *history) {
    return history->deletes || history->cuts;
}

static void start_check(struct history *history, uint32_t partition, int64_t log_start) {
    const struct history_partition *p = &history->partitions[partition];
    if (log_start < p->cut) {
        found(history, ANOMALY_DELETED_BACK, partition, "it begins at %lld, %lld was acknowledged",
              (long long)log_start, (long long)p->cut);
    }
    if (history->cuts && !history->deletes && log_start > p->cut_asked) {
        found(history, ANOMALY_LOST, partition, "it begins at %lld, nobody asked for above %lld",
              (long long)log_start, (long long)p->cut_asked);
    }
}

/* --- nodes --- */

void history_power_cut(struct history *history) {
    history->power_cuts++;
    for (uint32_t i = 0; i < history->partition_count; i++) {
        struct history_partition *p = &history->partitions[i];
        int64_t promised_end = 0;
        for (size_t offset = 0; offset < p->slot_count; offset++) {
            struct history_slot *slot = &p->slots[offset];
            if (slot->is_promised) promised_end = (int64_t)offset + 1;
            if (slot->record == NULL || slot->is_promised) continue;
            slot->record->places--;
            *slot = (struct history_slot){0};
        }
        /* A watermark is promised where the records below it are. */
        if (!p->flush) p->watermark = MIN(p->watermark, promised_end);
        p->fragile_from = MIN(p->fragile_from, promised_end);
    }
}

void history_end_begin(struct history *history, uint32_t partition) {
    struct history_partition *p = &history->partitions[partition];
    for (size_t i = 0; i < p->slot_count; i++) p->slots[i].is_there = false;
}

/* Acknowledged sends of one producer stand in the order of their ids; all of them, if it is
 * idempotent. */
static void order_check(struct history *history, uint32_t partition, int64_t log_start) {
    enum { PRODUCERS = 64 };
    struct history_partition *p = &history->partitions[partition];
    uint64_t last[PRODUCERS] = {0};
    for (size_t offset = (size_t)log_start; offset < p->slot_count; offset++) {
        const struct history_slot *slot = &p->slots[offset];
        if (slot->record == NULL || (!slot->is_acked && !slot->record->is_idempotent)) continue;
        uint32_t producer = slot->record->producer;
        ASSERT(producer < PRODUCERS);
        if (slot->record->id < last[producer]) {
            found(history, ANOMALY_REORDERED, partition, ID " at offset %zu stands behind " ID,
                  ID_ARG(slot->record->id), offset, ID_ARG(last[producer]));
        }
        last[producer] = slot->record->id;
    }
}

/* Where the last record of each key is that is there. */
static void find_last(const struct history_partition *p, size_t last[KEYS]) {
    memset(last, 0, KEYS * sizeof *last);
    for (size_t i = 0; i < p->slot_count; i++) {
        const struct history_slot *slot = &p->slots[i];
        if (slot->is_there) last[history_key(slot->record->id)] = i;
    }
}

void history_end(struct history *history, uint32_t partition, int64_t log_start, int64_t end) {
    struct history_partition *p = &history->partitions[partition];
    size_t last[KEYS];
    find_last(p, last);
    start_check(history, partition, log_start);
    for (size_t i = (size_t)log_start; i < p->slot_count; i++) {
        const struct history_slot *slot = &p->slots[i];
        bool is_superseded = history->compacts && (slot->record == NULL ||
                                                   last[history_key(slot->record->id)] > i);
        if ((int64_t)i < end && !slot->is_there && is_superseded) continue;
        if ((int64_t)i < end && !slot->is_there && may_be_gap(p, (int64_t)i)) {
            history->gaps_left++;
        } else if ((int64_t)i < end && !slot->is_there) {
            found(history, slot->record == NULL ? ANOMALY_GAP : ANOMALY_LOST, partition,
                  "nothing at offset %zu, %lld being the end", i, (long long)end);
        } else if ((int64_t)i >= end && (slot->is_acked || slot->is_read)) {
            found(history, ANOMALY_SHORT_END, partition, ID " stood at offset %zu, %lld is the end",
                  ID_ARG(slot->record->id), i, (long long)end);
            found(history, ANOMALY_LOST, partition, ID, ID_ARG(slot->record->id));
        }
    }
    if (end > MAX(log_start, (int64_t)p->slot_count) && !may_be_gap(p, end - 1)) {
        found(history, ANOMALY_GAP, partition, "nothing was read up to the end %lld",
              (long long)end);
    }
    order_check(history, partition, log_start);
}
