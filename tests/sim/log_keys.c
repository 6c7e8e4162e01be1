/* tests/sim/log_keys.c - an array of offsets. */
#include "tests/sim/log_keys.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/assert.h"
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
        keys->entries[keys->count++] = (struct log_key_entry){.may_go_ms = INT64_MAX};
    return &keys->entries[at];
}

void log_keys_appended(struct log_keys *keys, int64_t base_offset, uint64_t first_id,
                       uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        *entry_at(keys, base_offset + i) =
            (struct log_key_entry){.id = first_id + i, .may_go_ms = INT64_MAX};
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

void log_keys_read(struct log_keys *keys, const struct record *record) {
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

/* One key, from its newest record back. */
static void check_key(struct log_keys *keys, uint32_t key, int64_t clean_end, int64_t now_ms) {
    bool is_found = false, is_found_clean = false;
    for (size_t i = keys->count; i-- > 0;) {
        const struct log_key_entry *entry = &keys->entries[i];
        if (entry->id == 0 || key_of(entry->id) != key) continue;
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
        for (size_t before = i; before-- > 0;) {
            const struct log_key_entry *older = &keys->entries[before];
            if (older->is_there && older->id != 0 && key_of(older->id) == key)
                fail(keys, "key-%u: offset %zu came back", key, before);
        }
        return;
    }
}

void log_keys_read_end(struct log_keys *keys, int64_t clean_end, int64_t now_ms) {
    keys->checks++;
    if (keys->is_started) settle(keys);
    for (uint32_t key = 0; key < LOG_KEYS_COUNT; key++) check_key(keys, key, clean_end, now_ms);
    for (size_t i = 0; i < keys->count; i++) keys->dropped += !keys->entries[i].is_there;
}
