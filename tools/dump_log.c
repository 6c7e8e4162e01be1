/* tools/dump_log.c - batches and records of a log or a snapshot. Source:
 * org.apache.kafka.tools.DumpLogSegments. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include "protocol/record_iter.h"
#include "tools/batch_file.h"
#include "tools/cli.h"
#include "tools/dump.h"
#include "tools/legacy_message.h"

#define BOOTSTRAP_SNAPSHOT "bootstrap.checkpoint"

static bool is_legacy(const struct batch_view *b) { return b->magic < BATCH_MAGIC; }

static const char *timestamp_type(const struct batch_view *b) {
    if (is_legacy(b)) return legacy_timestamp_type(b);
    return batch_is_log_append_time(b) ? "LogAppendTime" : "CreateTime";
}

static const char *truth(bool value) { return value ? "true" : "false"; }

static void print_offsets(const struct batch_view *b) {
    if (is_legacy(b)) {
        printf("offset: %" PRId64, b->base_offset);
        return;
    }
    printf("baseOffset: %" PRId64 " lastOffset: %" PRId64 " count: %" PRId32
           " baseSequence: %" PRId32 " lastSequence: %" PRId32 " producerId: %" PRId64
           " producerEpoch: %d partitionLeaderEpoch: %" PRId32
           " isTransactional: %s isControl: %s deleteHorizonMs: ",
           b->base_offset, batch_last_offset(b), b->record_count, b->base_sequence,
           batch_last_sequence(b), b->producer_id, b->producer_epoch, b->partition_leader_epoch,
           truth(batch_is_transactional(b)), truth(batch_is_control(b)));
    if (batch_has_delete_horizon(b))
        printf("OptionalLong[%" PRId64 "]", b->base_timestamp);
    else
        fputs("OptionalLong.empty", stdout);
}

static void print_batch(const struct batch_view *b, uint64_t position, bool valid) {
    print_offsets(b);
    struct str codec = batch_codec(b) < CODEC_COUNT ? codec_name(batch_codec(b)) : STR("unknown");
    printf(" position: %" PRIu64 " %s: %" PRId64
           " size: %zu magic: %d compresscodec: %.*s crc: %" PRIu32 " isvalid: %s\n",
           position, timestamp_type(b), b->max_timestamp, b->batch_bytes, b->magic, STR_ARG(codec),
           b->crc, truth(valid));
}

static int64_t size_or_null(struct bytes octets) {
    return octets.ptr != NULL ? (int64_t)octets.len : -1;
}

static void print_sizes(const struct batch_view *b, int64_t offset, int64_t timestamp,
                        int64_t key_bytes, int64_t value_bytes) {
    printf("| offset: %" PRId64 " %s: %" PRId64 " keySize: %" PRId64 " valueSize: %" PRId64, offset,
           timestamp_type(b), timestamp, key_bytes, value_bytes);
}

static void print_record_metadata(const struct batch_view *b, const struct record *record) {
    int32_t sequence = NO_SEQUENCE;
    if (b->base_sequence >= 0)
        sequence = sequence_add(b->base_sequence, (int32_t)(record->offset - b->base_offset));
    print_sizes(b, record->offset, record->timestamp, size_or_null(record->key),
                size_or_null(record->value));
    printf(" sequence: %" PRId32 " headerKeys: [", sequence);
    struct bytes headers = record->headers;
    struct record_header header;
    for (int32_t i = 0; record_next_header(&headers, &header); i++)
        printf("%s%.*s", i > 0 ? "," : "", STR_ARG(header.key));
    putchar(']');
}

static void print_str(struct str s) { (void)fwrite(s.ptr, 1, s.len, stdout); }

static void print_control(struct dump *dump, const struct record *record) {
    struct strbuf text;
    strbuf_init(&text, dump->mem);
    enum status st = dump_control(record, dump->decoder.arena, &text);
    if (st != ST_OK)
        cli_exit("The control record at offset %" PRId64 " cannot be read: %s", record->offset,
                 status_name(st));
    print_str(strbuf_str(&text));
    strbuf_release(&text);
}

static void print_contents(struct dump *dump, const struct record *record,
                           struct dump_shown *shown) {
    enum status st = dump_decode(&dump->decoder, record, shown);
    if (st == ST_INVALID)
        cli_exit("Failed to decode message at offset %" PRId64
                 " using the specified decoder (message had a missing key)",
                 record->offset);
    if (st != ST_OK)
        cli_exit("The record at offset %" PRId64 " cannot be decoded: %s", record->offset,
                 status_name(st));
    const char *prefix = dump->skip_record_metadata ? "| " : " ";
    if (shown->has_key) {
        printf("%skey: ", prefix);
        print_str(strbuf_str(&shown->key));
        prefix = " ";
    }
    if (shown->has_payload) {
        printf("%spayload: ", prefix);
        print_str(strbuf_str(&shown->payload));
    }
}

struct record_walk {
    struct record_iter it;
    struct legacy_set set; /* for messages before record batches */
    struct dump_shown shown;
    int64_t last_offset; /* -1 at first, and compared so with the first record, as in Kafka */
};

static void note_offset(struct dump *dump, const char *path, struct record_walk *walk,
                        int64_t offset) {
    if (offset != walk->last_offset + 1)
        dump_find(&dump->findings.not_consecutive, "Non-consecutive offsets in ", path,
                  "  %" PRId64 " is followed by %" PRId64, walk->last_offset, offset);
    walk->last_offset = offset;
}

static void print_records(struct dump *dump, const char *path, const struct batch_view *b,
                          struct record_walk *walk) {
    struct record record;
    record_iter_open(&walk->it, b, 0);
    while (record_iter_next(&walk->it, &record)) {
        note_offset(dump, path, walk, record.offset);
        if (!dump->skip_record_metadata) print_record_metadata(b, &record);
        if (batch_is_control(b)) {
            if (!dump->skip_record_metadata) print_control(dump, &record);
        } else if (dump->print_contents) {
            print_contents(dump, &record, &walk->shown);
        }
        putchar('\n');
    }
    enum status st = walk->it.status;
    record_iter_close(&walk->it);
    if (st != ST_OK)
        cli_exit("%s: the records of the batch with base offset %" PRId64 " cannot be read: %s",
                 path, b->base_offset, status_name(st));
}

static void print_messages(struct dump *dump, const char *path, const struct batch_view *b,
                           struct bytes entry, struct record_walk *walk) {
    struct legacy_message message;
    legacy_set_open(&walk->set, entry);
    while (legacy_set_next(&walk->set, &message)) {
        note_offset(dump, path, walk, message.offset);
        if (!dump->skip_record_metadata) {
            print_sizes(b, message.offset, message.timestamp, message.key_bytes,
                        message.value_bytes);
            printf(" isValid: %s crc: %" PRIu32, truth(message.crc_matches), message.crc);
        }
        if (dump->print_contents) {
            struct record record = {
                .offset = message.offset, .key = message.key, .value = message.value};
            print_contents(dump, &record, &walk->shown);
        }
        putchar('\n');
    }
    if (walk->set.status != ST_OK)
        cli_exit("%s: the message with offset %" PRId64 " cannot be read: %s", path, b->base_offset,
                 walk->set.why);
}

static void print_headline(const char *path) {
    const char *name = dump_file_name(path);
    const char *suffix = strrchr(name, '.');
    if (strcmp(suffix, ".log") == 0) {
        printf("Log starting offset: %" PRId64 "\n", dump_base_offset(path));
        return;
    }
    if (strcmp(name, BOOTSTRAP_SNAPSHOT) == 0) {
        puts("KRaft bootstrap snapshot");
        return;
    }
    int64_t offset, epoch;
    const char *dash = strchr(name, '-');
    const char *dot = strchr(name, '.');
    if (dash == NULL || dash > dot ||
        !str_to_int64((struct str){name, (size_t)(dash - name)}, &offset) ||
        !str_to_int64((struct str){dash + 1, (size_t)(dot - dash - 1)}, &epoch))
        cli_exit("%s: not named as a snapshot is, OFFSET-EPOCH.checkpoint", path);
    printf("Snapshot end offset: %" PRId64 ", epoch: %" PRId64 "\n", offset, epoch);
}

void dump_batches(struct dump *dump, const char *path) {
    struct batch_file file;
    struct batch_view batch;
    struct record_walk walk = {.last_offset = -1};
    char absolute[PATH_MAX];
    if (realpath(path, absolute) == NULL) absolute[0] = '\0'; /* opening it will say why */
    print_headline(path);
    enum status st = batch_file_open(&file, dump->mem, path, (uint64_t)dump->max_bytes);
    if (st != ST_OK) cli_exit("%s: %s", path, file.why);
    record_iter_init(&walk.it, dump->mem);
    legacy_set_init(&walk.set, dump->mem);
    strbuf_init(&walk.shown.key, dump->mem);
    strbuf_init(&walk.shown.payload, dump->mem);
    uint64_t position = 0;
    while ((st = batch_file_next(&file, &batch)) == ST_OK) {
        struct bytes octets = octets_bytes(&file.buffer);
        print_batch(&batch, position,
                    is_legacy(&batch) ? legacy_crc_matches(octets) : batch_crc_matches(octets));
        if (dump->deep && is_legacy(&batch))
            print_messages(dump, absolute, &batch, octets, &walk);
        else if (dump->deep)
            print_records(dump, absolute, &batch, &walk);
        position = file.position;
    }
    if (st != ST_RANGE) cli_exit("%s in file %s.", file.why, path);
    if (position < file.end_bytes && dump->max_bytes == INT32_MAX)
        printf("Found %" PRIu64 " invalid bytes at the end of %s\n", file.end_bytes - position,
               dump_file_name(path));
    strbuf_release(&walk.shown.key);
    strbuf_release(&walk.shown.payload);
    record_iter_release(&walk.it);
    legacy_set_release(&walk.set);
    batch_file_close(&file);
}
