/* tools/dump_index.c - offset, time and transaction indexes, and producer snapshots.
 * Formats: .index entries of 8 octets (offset less the base i32, position i32), .timeindex of 12
 * (timestamp i64, offset less the base i32), .txnindex of 34 (version i16, producer id, first,
 * last, last stable offset i64). An index that is being written is larger than its entries, zero
 * behind them. Source: org.apache.kafka.tools.DumpLogSegments,
 * OffsetIndex, TimeIndex, TransactionIndex and ProducerStateManager of
 * org.apache.kafka.storage.internals.log. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include "protocol/crc32c.h"
#include "protocol/record_iter.h"
#include "tools/batch_file.h"
#include "tools/dump.h"
#include "tools/legacy_message.h"
#include "tools/settings.h"

#define OFFSET_ENTRY_BYTES 8
#define TIME_ENTRY_BYTES 12
#define INDEX_WARM_ENTRIES (8192 / OFFSET_ENTRY_BYTES)
#define TRANSACTION_ENTRY_BYTES 34
#define INDEX_BYTES_MAX ((size_t)1 << 31)
#define SNAPSHOT_HEADER_BYTES 6 /* version, checksum of what follows */

struct index {
    struct arena arena;
    const uint8_t *data;
    size_t entry_bytes, count;
    int64_t base_offset;
    char path[PATH_MAX]; /* absolute where that can be told, for findings */
};

static void index_open(struct index *index, struct dump *dump, const char *path,
                       size_t entry_bytes) {
    arena_init(&index->arena, dump->mem, 64 * 1024, 0);
    struct str data;
    enum status st = read_whole_file(&index->arena, path, INDEX_BYTES_MAX, &data);
    if (st != ST_OK) cli_exit("%s: cannot be read: %s", path, status_name(st));
    index->data = (const uint8_t *)data.ptr;
    index->entry_bytes = entry_bytes;
    index->count = data.len / entry_bytes;
    index->base_offset = 0;
    if (realpath(path, index->path) == NULL)
        (void)snprintf(index->path, sizeof index->path, "%s", path);
}

static const uint8_t *index_entry(const struct index *index, size_t i) {
    return index->data + i * index->entry_bytes;
}

/* The file beside `path` that has the same name up to its first '.', and `suffix`. */
static const char *sibling(struct arena *arena, const char *path, const char *suffix) {
    const char *name = dump_file_name(path);
    size_t len = (size_t)(name - path) + strcspn(name, ".");
    return arena_printf(arena, "%.*s%s", (int)len, path, suffix).ptr;
}

struct offset_entry {
    int64_t offset;
    int64_t position;
};

static struct offset_entry offset_entry_at(const struct index *index, size_t i) {
    const uint8_t *at = index_entry(index, i);
    return (struct offset_entry){index->base_offset + (int32_t)get_u32(at),
                                 (int32_t)get_u32(at + 4)};
}

/* Whether entry i and all behind it are the zeros of a file that is being written. */
static bool is_unused(int64_t offset, size_t i, const struct index *index) {
    return i > 0 && offset == index->base_offset;
}

/* Kafka's check at start: the last entry lies behind the base, and there is no part of an entry. */
static void check_sanity(const struct index *index, const char *path, int64_t last_offset) {
    if (index->count > 0 && last_offset < index->base_offset)
        cli_exit(
            "Corrupt index found, index file (%s) has non-zero size but the last offset is %" PRId64
            " which is less than the base offset %" PRId64,
            path, last_offset, index->base_offset);
    printf("%s passed sanity check.\n", path);
}

/* The last offset of the batch that an index entry points at. */
static int64_t batch_end_at(struct dump *dump, struct batch_file *log, const char *path,
                            int64_t position) {
    struct batch_view batch;
    uint64_t whole = log->end_bytes;
    log->position = position < 0 || (uint64_t)position > whole ? whole : (uint64_t)position;
    log->end_bytes = MIN(whole, log->position + (uint64_t)dump->max_message_bytes);
    enum status st = batch_file_next_header(log, &batch);
    log->end_bytes = whole;
    if (st != ST_OK) cli_exit("%s: position %" PRId64 " of its log holds no batch", path, position);
    return batch_last_offset(&batch);
}

void dump_offset_index(struct dump *dump, const char *path) {
    struct index *index = mem_need(dump->mem, sizeof *index);
    index_open(index, dump, path, OFFSET_ENTRY_BYTES);
    index->base_offset = dump_base_offset(path);
    if (index->count == 0) {
        printf("%s is empty.\n", path);
    } else if (dump->sanity_only) {
        check_sanity(index, path, offset_entry_at(index, index->count - 1).offset);
    } else {
        struct batch_file log;
        const char *log_path = sibling(&index->arena, path, ".log");
        enum status st = batch_file_open(&log, dump->mem, log_path, UINT64_MAX);
        if (st != ST_OK) cli_exit("%s: %s", log_path, log.why);
        for (size_t i = 0; i < index->count; i++) {
            struct offset_entry entry = offset_entry_at(index, i);
            if (is_unused(entry.offset, i, index)) break;
            int64_t found = batch_end_at(dump, &log, path, entry.position);
            if (found != entry.offset)
                dump_find(&dump->findings.index_mismatch, "Mismatches in :", index->path,
                          "  Index offset: %" PRId64 ", log offset: %" PRId64, entry.offset, found);
            if (!dump->verify_only)
                printf("offset: %" PRId64 " position: %" PRId64 "\n", entry.offset, entry.position);
        }
        batch_file_close(&log);
    }
    arena_release(&index->arena);
    MEM_FREE(dump->mem, index);
}

/* Where to begin looking for an offset in the log: the last entry that is not behind it. Searched
 * as AbstractIndex searches, the entries written last first, so that a damaged index leads to the
 * same place. */
static int64_t position_of(const struct index *offsets, int64_t offset) {
    if (offsets->count == 0 || offset_entry_at(offsets, 0).offset > offset) return 0;
    size_t low = 0, high = offsets->count - 1;
    size_t warm = high > INDEX_WARM_ENTRIES ? high - INDEX_WARM_ENTRIES : 0;
    if (offset_entry_at(offsets, warm).offset < offset) {
        low = warm;
    } else {
        high = warm;
    }
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        struct offset_entry entry = offset_entry_at(offsets, middle);
        if (entry.offset == offset) return entry.position;
        if (entry.offset > offset)
            high = middle - 1;
        else
            low = middle;
    }
    return offset_entry_at(offsets, low).position;
}

struct time_check {
    struct dump *dump;
    struct index *times, *offsets;
    struct batch_file log;
    struct record_iter it;
    struct legacy_set set;
    const char *path;
    int64_t previous_timestamp;
};

static int64_t newest_of_messages(struct time_check *check, const struct batch_view *batch) {
    struct legacy_message message;
    int64_t newest = NO_TIMESTAMP;
    legacy_set_open(&check->set, octets_bytes(&check->log.buffer));
    while (legacy_set_next(&check->set, &message)) newest = MAX(newest, message.timestamp);
    if (check->set.status != ST_OK)
        cli_exit("%s: the message with offset %" PRId64 " of its log cannot be read: %s",
                 check->path, batch->base_offset, check->set.why);
    return newest;
}

static int64_t newest_timestamp(struct time_check *check, const struct batch_view *batch) {
    if (batch->magic < BATCH_MAGIC) return newest_of_messages(check, batch);
    struct record record;
    int64_t newest = NO_TIMESTAMP;
    record_iter_open(&check->it, batch, 0);
    while (record_iter_next(&check->it, &record)) newest = MAX(newest, record.timestamp);
    enum status st = check->it.status;
    record_iter_close(&check->it);
    if (st != ST_OK)
        cli_exit("%s: the batch with base offset %" PRId64 " of its log cannot be read: %s",
                 check->path, batch->base_offset, status_name(st));
    return newest;
}

static void check_time_entry(struct time_check *check, int64_t timestamp, int64_t offset) {
    struct dump_findings *findings = &check->dump->findings;
    struct batch_view batch;
    enum status st;
    check->log.position = (uint64_t)MAX(position_of(check->offsets, offset), 0);
    if (check->log.position > check->log.end_bytes) check->log.position = check->log.end_bytes;
    do st = batch_file_next(&check->log, &batch);
    while (st == ST_OK && batch_last_offset(&batch) < offset);
    if (st != ST_OK || batch_last_offset(&batch) != offset) {
        dump_find(&findings->time_missing,
                  "The following indexed offsets are not found in :", check->times->path,
                  "Indexed offset: %" PRId64 ", found log offset: %" PRId64, offset,
                  st == ST_OK ? batch_last_offset(&batch) : INT64_C(-1));
        return;
    }
    int64_t newest = newest_timestamp(check, &batch);
    if (newest != timestamp)
        dump_find(&findings->time_mismatch, "Found timestamp mismatch in :", check->times->path,
                  "  Index timestamp: %" PRId64 ", log timestamp: %" PRId64, timestamp, newest);
    if (check->previous_timestamp >= timestamp)
        dump_find(&findings->time_order, "Found out of order timestamp in :", check->times->path,
                  "  Index timestamp: %" PRId64 ", Previously indexed timestamp: %" PRId64,
                  timestamp, check->previous_timestamp);
}

static void check_time_entries(struct time_check *check) {
    struct index *times = check->times;
    for (size_t i = 0; i < times->count; i++) {
        const uint8_t *at = index_entry(times, i);
        int64_t timestamp = (int64_t)get_u64(at),
                offset = times->base_offset + (int32_t)get_u32(at + 8);
        if (is_unused(offset, i, times)) break;
        check_time_entry(check, timestamp, offset);
        if (!check->dump->verify_only)
            printf("timestamp: %" PRId64 " offset: %" PRId64 "\n", timestamp, offset);
        check->previous_timestamp = timestamp;
    }
}

void dump_time_index(struct dump *dump, const char *path) {
    struct time_check check = {.dump = dump, .path = path, .previous_timestamp = NO_TIMESTAMP};
    check.times = mem_need(dump->mem, sizeof *check.times);
    check.offsets = mem_need(dump->mem, sizeof *check.offsets);
    index_open(check.times, dump, path, TIME_ENTRY_BYTES);
    check.times->base_offset = dump_base_offset(path);
    if (dump->sanity_only) {
        size_t count = check.times->count;
        int64_t last = count > 0 ? (int32_t)get_u32(index_entry(check.times, count - 1) + 8) : 0;
        check_sanity(check.times, path, check.times->base_offset + last);
    } else if (check.times->count > 0) {
        index_open(check.offsets, dump, sibling(&check.times->arena, path, ".index"),
                   OFFSET_ENTRY_BYTES);
        check.offsets->base_offset = check.times->base_offset;
        const char *log_path = sibling(&check.times->arena, path, ".log");
        enum status st = batch_file_open(&check.log, dump->mem, log_path, UINT64_MAX);
        if (st != ST_OK) cli_exit("%s: %s", log_path, check.log.why);
        record_iter_init(&check.it, dump->mem);
        legacy_set_init(&check.set, dump->mem);
        check_time_entries(&check);
        record_iter_release(&check.it);
        legacy_set_release(&check.set);
        batch_file_close(&check.log);
        arena_release(&check.offsets->arena);
    }
    arena_release(&check.times->arena);
    MEM_FREE(dump->mem, check.offsets);
    MEM_FREE(dump->mem, check.times);
}

void dump_transaction_index(struct dump *dump, const char *path) {
    struct index *index = mem_need(dump->mem, sizeof *index);
    index_open(index, dump, path, TRANSACTION_ENTRY_BYTES);
    for (size_t i = 0; i < index->count; i++) {
        const uint8_t *at = index_entry(index, i);
        int16_t version = (int16_t)get_u16(at);
        if (version != 0)
            cli_exit("Unexpected aborted transaction version %d in transaction index %s", version,
                     path);
        printf("version: %d producerId: %" PRId64 " firstOffset: %" PRId64 " lastOffset: %" PRId64
               " lastStableOffset: %" PRId64 "\n",
               version, (int64_t)get_u64(at + 2), (int64_t)get_u64(at + 10),
               (int64_t)get_u64(at + 18), (int64_t)get_u64(at + 26));
    }
    arena_release(&index->arena);
    MEM_FREE(dump->mem, index);
}

static void print_producer(const struct producer_snapshot_entry *p) {
    printf("producerId: %" PRId64 " producerEpoch: %d coordinatorEpoch: %" PRId32
           " currentTxnFirstOffset: ",
           p->producer_id, p->epoch, p->coordinator_epoch);
    if (p->current_txn_first_offset >= 0)
        printf("OptionalLong[%" PRId64 "]", p->current_txn_first_offset);
    else
        fputs("OptionalLong.empty", stdout);
    printf(" lastTimestamp: %" PRId64, p->timestamp);
    if (p->last_offset >= 0) {
        /* Sequence numbers go round from 2^31 - 1 to 0. */
        int32_t first =
            (int32_t)(((uint32_t)p->last_sequence - (uint32_t)p->offset_delta) & INT32_MAX);
        printf(" firstSequence: %" PRId32 " lastSequence: %" PRId32 " lastOffset: %" PRId64
               " offsetDelta: %" PRId32 " timestamp: %" PRId64,
               first, p->last_sequence, p->last_offset, p->offset_delta, p->timestamp);
    }
    putchar('\n');
}

void dump_producer_snapshot(struct dump *dump, const char *path) {
    struct arena arena;
    arena_init(&arena, dump->mem, 64 * 1024, 0);
    struct str data;
    enum status st = read_whole_file(&arena, path, INDEX_BYTES_MAX, &data);
    if (st != ST_OK) cli_exit("%s: cannot be read: %s", path, status_name(st));
    struct bytes in = {(const uint8_t *)data.ptr, data.len};
    struct bytes body =
        in.len >= 2 ? (struct bytes){in.ptr + 2, in.len - 2} : in; /* behind the version */
    struct producer_snapshot snapshot;
    size_t used;
    int16_t version = in.len >= 2 ? (int16_t)get_u16(in.ptr) : -1;
    st = in.len < SNAPSHOT_HEADER_BYTES
             ? ST_SHORT
             : codec_decode(&producer_snapshot_schema, version, body, &arena, &snapshot, &used);
    if (st == ST_UNSUPPORTED) {
        fprintf(stderr, "Snapshot contained an unknown file version %d\n", version);
    } else if (st != ST_OK) {
        fprintf(stderr, "Snapshot is corrupt (%s)\n", status_name(st));
    } else {
        struct bytes covered = {in.ptr + SNAPSHOT_HEADER_BYTES, in.len - SNAPSHOT_HEADER_BYTES};
        uint32_t stored = get_u32(in.ptr + 2), computed = crc32c(0, covered.ptr, covered.len);
        if (stored != computed)
            fprintf(stderr,
                    "Snapshot is corrupt (CRC is no longer valid). Stored crc: %" PRIu32
                    ". Computed crc: %" PRIu32 "\n",
                    stored, computed);
        else
            for (int32_t i = 0; i < snapshot.producer_entries_count; i++)
                print_producer(&snapshot.producer_entries[i]);
    }
    arena_release(&arena);
}
