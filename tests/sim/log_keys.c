/* tests/sim/log_keys.c - an array of offsets. */
#include "tests/sim/log_keys.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"
#include "protocol/txn_marker.h"
#include "tests/sim/history.h"

void log_keys_init(struct log_keys *keys, struct mem *mem) {
    *keys = (struct log_keys){.mem = mem};
}

void log_keys_release(struct log_keys *keys) {
    mem_free(keys->mem, keys->entries, keys->capacity * sizeof *keys->entries);
    *keys = (struct log_keys){0};
}

__attribute__((format(printf, 2, 3))) static void fail(struct log_keys *keys, const char *format,
                                                       ...) {
    if (keys->failure[0] != '\0') return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(keys->failure, sizeof keys->failure, format, arguments); /* cut is fine */
    va_end(arguments);
}

static uint64_t hash_of(uint64_t id) { return hash_bytes(&id, sizeof id, 0x6b6579); }
static uint32_t key_of(uint64_t id) { return (uint32_t)(hash_of(id) % LOG_KEYS_COUNT); }

void log_keys_key(uint64_t id, char key[LOG_KEYS_KEY_BYTES]) {
    (void)snprintf(key, LOG_KEYS_KEY_BYTES, "key-%u", key_of(id)); /* fits */
}

bool log_keys_is_tombstone(uint64_t id) { return hash_of(id) / LOG_KEYS_COUNT % 8 == 0; }

static struct log_key_entry *entry_at(struct log_keys *keys, int64_t offset) {
    ASSERT(offset >= 0);
    size_t at = (size_t)offset;
    if (at >= keys->capacity) {
        size_t capacity = MAX(at + 1, keys->capacity * 2 + 64);
        struct log_key_entry *grown = mem_need(keys->mem, capacity * sizeof *grown);
        if (keys->count > 0) memcpy(grown, keys->entries, keys->count * sizeof *grown);
        mem_free(keys->mem, keys->entries, keys->capacity * sizeof *grown);
        keys->entries = grown;
        keys->capacity = capacity;
    }
    while (keys->count <= at)
        keys->entries[keys->count++] =
            (struct log_key_entry){.may_go_ms = INT64_MAX, .producer_id = -1};
    return &keys->entries[at];
}

void log_keys_appended(struct log_keys *keys, int64_t base_offset, uint64_t first_id,
                       uint32_t count, int64_t producer_id, enum log_keys_kind kind) {
    for (uint32_t i = 0; i < count; i++) {
        *entry_at(keys, base_offset + i) = (struct log_key_entry){.id = first_id + i,
                                                                  .may_go_ms = INT64_MAX,
                                                                  .producer_id = producer_id,
                                                                  .kind = kind};
    }
}

void log_keys_durable(struct log_keys *keys, int64_t durable_end) {
    keys->durable_end = MAX(keys->durable_end, durable_end);
}

void log_keys_opened(struct log_keys *keys, int64_t end) {
    if (end < keys->durable_end)
        fail(keys, "durable up to %lld, and the end is %lld", (long long)keys->durable_end,
             (long long)end);
    keys->count = MIN(keys->count, (size_t)end);
    keys->is_started = true;
}

/* What never was durable may be gone from the middle, too: recovery found damage there and a whole
 * batch behind it. What is there now is durable. */
static void settle(struct log_keys *keys) {
    keys->is_started = false;
    for (size_t i = (size_t)keys->durable_end; i < keys->count; i++) {
        if (!keys->entries[i].is_there) keys->entries[i].id = 0;
    }
    keys->durable_end = MAX(keys->durable_end, (int64_t)keys->count);
}

void log_keys_cleaned(struct log_keys *keys, int64_t clean_end, int64_t now_ms,
                      int64_t retention_ms) {
    for (size_t i = 0; i < keys->count && i < (size_t)clean_end; i++)
        keys->entries[i].may_go_ms = MIN(keys->entries[i].may_go_ms, now_ms + retention_ms);
}

void log_keys_read_begin(struct log_keys *keys) {
    for (size_t i = 0; i < keys->count; i++) keys->entries[i].is_there = false;
}

/* A marker stands for a record whose id is its time. */
static void read_marker(struct log_keys *keys, const struct batch_view *batch) {
    struct txn_marker marker;
    if (txn_marker_of_batch(batch, &marker) != ST_OK) return;
    struct log_key_entry *entry = entry_at(keys, batch->base_offset);
    enum log_keys_kind kind = marker.is_commit ? LOG_KEYS_COMMIT : LOG_KEYS_ABORT;
    bool is_known = entry->id != 0;
    if (is_known && (entry->kind != kind || entry->producer_id != batch->producer_id))
        fail(keys, "another marker at offset %lld", (long long)batch->base_offset);
    entry->id = (uint64_t)marker.timestamp;
    entry->kind = kind;
    entry->producer_id = batch->producer_id;
    entry->is_there = true;
}

void log_keys_read(struct log_keys *keys, const struct batch_view *batch,
                   const struct record *record) {
    if (batch_is_control(batch)) {
        read_marker(keys, batch);
        return;
    }
    struct bytes left = record->headers;
    struct record_header header;
    long long offset = (long long)record->offset;
    if (!record_next_header(&left, &header) || header.value.len != LOG_KEYS_ID_BYTES) {
        fail(keys, "no header at offset %lld", offset);
        return;
    }
    uint64_t id = get_u64(header.value.ptr);
    struct log_key_entry *entry = entry_at(keys, record->offset);
    if (entry->id != 0 && entry->id != id)
        fail(keys, "%llx at offset %lld, it was %llx", (unsigned long long)id, offset,
             (unsigned long long)entry->id);
    entry->id = id;
    entry->producer_id = batch_is_transactional(batch) ? batch->producer_id : -1;
    entry->is_there = true;
    char key[LOG_KEYS_KEY_BYTES];
    log_keys_key(id, key);
    if (record->key.len != strlen(key) || memcmp(record->key.ptr, key, record->key.len) != 0)
        fail(keys, "another key at offset %lld", offset);
    if ((record->value.ptr == NULL) != log_keys_is_tombstone(id)) {
        fail(keys, "a tombstone or none at offset %lld", offset);
    } else if (record->value.ptr != NULL) {
        uint8_t *expected = mem_need(keys->mem, record->value.len);
        history_value(id, expected, record->value.len);
        if (memcmp(expected, record->value.ptr, record->value.len) != 0)
            fail(keys, "another value at offset %lld", offset);
        mem_free(keys->mem, expected, record->value.len);
    }
}

/* What markers made of the records before them, whether any of it is still there or not. */
static void settle_fates(struct log_keys *keys) {
    size_t first_open[LOG_KEYS_PRODUCERS] = {0};
    for (size_t i = 0; i < keys->count; i++) {
        struct log_key_entry *entry = &keys->entries[i];
        entry->fate = entry->producer_id < 0 ? FATE_COMMITTED : FATE_OPEN;
        if (entry->id == 0 || entry->kind == LOG_KEYS_DATA) continue;
        ASSERT(entry->producer_id < LOG_KEYS_PRODUCERS);
        for (size_t j = first_open[entry->producer_id]; j < i; j++) {
            struct log_key_entry *of = &keys->entries[j];
            if (of->producer_id == entry->producer_id && of->fate == FATE_OPEN)
                of->fate = entry->kind == LOG_KEYS_COMMIT ? FATE_COMMITTED : FATE_ABORTED;
        }
        entry->fate = FATE_COMMITTED;
        first_open[entry->producer_id] = i + 1;
    }
}

static bool is_data(const struct log_key_entry *entry) {
    return entry->id != 0 && entry->kind == LOG_KEYS_DATA;
}

static bool is_committed(const struct log_key_entry *entry) {
    return is_data(entry) && entry->fate == FATE_COMMITTED;
}

static int by_first_offset(const void *a, const void *b) {
    int64_t x = ((const struct aborted_txn *)a)->first_offset;
    int64_t y = ((const struct aborted_txn *)b)->first_offset;
    return (x > y) - (x < y);
}

/* As a reader of committed data goes. */
static void check_shown(struct log_keys *keys, size_t start, struct aborted_txns *aborted) {
    bool is_aborted[LOG_KEYS_PRODUCERS] = {false};
    uint32_t next = 0;
    if (aborted->count > 0)
        qsort(aborted->txns, aborted->count, sizeof *aborted->txns, by_first_offset);
    for (size_t i = start; i < keys->count; i++) {
        const struct log_key_entry *entry = &keys->entries[i];
        for (; next < aborted->count && aborted->txns[next].first_offset <= (int64_t)i; next++)
            is_aborted[aborted->txns[next].producer_id] = true;
        if (!entry->is_there || entry->id == 0 || entry->producer_id < 0) continue;
        if (entry->kind == LOG_KEYS_ABORT) is_aborted[entry->producer_id] = false;
        if (entry->kind != LOG_KEYS_DATA) continue;
        if (entry->fate == FATE_ABORTED && !is_aborted[entry->producer_id])
            fail(keys, "an aborted record is shown: offset %zu", i);
        if (entry->fate == FATE_COMMITTED && is_aborted[entry->producer_id])
            fail(keys, "a committed record is hidden: offset %zu", i);
    }
}

/* What is in no key's history: of open transactions all is there, of aborted ones nothing that was
 * cleaned; a marker goes no earlier than a tombstone would. */
static void check_undecided(struct log_keys *keys, size_t start, int64_t clean_end,
                            int64_t now_ms) {
    keys->first_open = INT64_MAX;
    for (size_t i = start; i < keys->count; i++) {
        const struct log_key_entry *entry = &keys->entries[i];
        bool is_lost = entry->id != 0 && !entry->is_there && (int64_t)i < keys->durable_end;
        if (entry->kind != LOG_KEYS_DATA && is_lost && now_ms < entry->may_go_ms)
            fail(keys, "the marker of offset %zu is gone early", i);
        if (!is_data(entry)) continue;
        if (entry->fate == FATE_OPEN) keys->first_open = MIN(keys->first_open, (int64_t)i);
        if (entry->fate == FATE_OPEN && is_lost)
            fail(keys, "a record of an open transaction is lost: offset %zu", i);
        if (entry->fate == FATE_ABORTED && entry->is_there && (int64_t)i < clean_end)
            fail(keys, "an aborted record was not cleaned: offset %zu", i);
    }
}

/* One key, from its newest record back. */
static void check_key(struct log_keys *keys, uint32_t key, size_t start, int64_t clean_end,
                      int64_t now_ms) {
    bool is_found = false, is_found_clean = false;
    for (size_t i = keys->count; i-- > start;) {
        const struct log_key_entry *entry = &keys->entries[i];
        if (!is_committed(entry) || key_of(entry->id) != key) continue;
        bool is_clean = (int64_t)i < clean_end;
        if (entry->is_there && is_clean && is_found_clean)
            fail(keys, "key-%u is there twice: again at offset %zu", key, i);
        is_found = is_found || entry->is_there;
        is_found_clean = is_found_clean || (entry->is_there && is_clean);
        if (is_found || (int64_t)i >= keys->durable_end) continue;
        if (!log_keys_is_tombstone(entry->id)) {
            fail(keys, "key-%u has lost its value of offset %zu", key, i);
        } else if (now_ms < entry->may_go_ms) {
            fail(keys, "key-%u has lost its tombstone of offset %zu early", key, i);
        }
        /* A value before it must have gone with it. */
        for (size_t before = i; before-- > start;) {
            const struct log_key_entry *older = &keys->entries[before];
            if (older->is_there && is_committed(older) && key_of(older->id) == key)
                fail(keys, "key-%u: offset %zu came back", key, before);
        }
        return;
    }
}

static void count_dropped(struct log_keys *keys) {
    for (size_t i = 0; i < keys->count; i++) {
        const struct log_key_entry *entry = &keys->entries[i];
        if (entry->is_there || entry->id == 0) continue;
        keys->dropped++;
        keys->aborted_dropped += entry->fate == FATE_ABORTED;
        keys->markers_dropped += entry->kind != LOG_KEYS_DATA;
    }
}

void log_keys_read_end(struct log_keys *keys, int64_t log_start, int64_t clean_end, int64_t now_ms,
                       struct aborted_txns *aborted) {
    size_t start = (size_t)log_start;
    keys->checks++;
    if (keys->is_started) settle(keys);
    settle_fates(keys);
    for (uint32_t key = 0; key < LOG_KEYS_COUNT; key++)
        check_key(keys, key, start, clean_end, now_ms);
    check_undecided(keys, start, clean_end, now_ms);
    check_shown(keys, start, aborted);
    count_dropped(keys);
}
