/* log/leader_epochs.c - a sorted array of epochs, and its text. */
#include "log/leader_epochs.h"
#include <inttypes.h>
#include "log/lines.h"

enum { FIRST_CAPACITY = 4 };

void leader_epochs_release(struct leader_epochs *epochs, struct mem *mem) {
    mem_free(mem, epochs->entries, epochs->capacity * sizeof *epochs->entries);
    *epochs = (struct leader_epochs){0};
}

int32_t leader_epochs_latest(const struct leader_epochs *epochs) {
    return epochs->count > 0 ? epochs->entries[epochs->count - 1].epoch : -1;
}

static enum status push(struct leader_epochs *epochs, struct mem *mem, struct leader_epoch entry) {
    if (epochs->count == epochs->capacity) {
        uint32_t capacity = epochs->capacity > 0 ? epochs->capacity * 2 : FIRST_CAPACITY;
        struct leader_epoch *grown = mem_resize(
            mem, epochs->entries, epochs->capacity * sizeof entry, capacity * sizeof entry);
        if (grown == NULL) return ST_NOMEM;
        epochs->entries = grown;
        epochs->capacity = capacity;
    }
    epochs->entries[epochs->count++] = entry;
    return ST_OK;
}

/* The last entry goes. */
static void pop(struct leader_epochs *epochs) {
    int64_t start_offset = epochs->entries[--epochs->count].start_offset;
    if (epochs->count >= epochs->saved_count) return;
    epochs->saved_count = epochs->count;
    epochs->rest_start = epochs->has_rest ? MIN(epochs->rest_start, start_offset) : start_offset;
    epochs->has_rest = true;
}

enum status leader_epochs_assign(struct leader_epochs *epochs, struct mem *mem, int32_t epoch,
                                 int64_t start_offset) {
    if (epoch < 0 || start_offset < 0) return ST_INVALID;
    if (epochs->count > 0) {
        const struct leader_epoch *last = &epochs->entries[epochs->count - 1];
        if (last->epoch == epoch && last->start_offset <= start_offset) return ST_OK;
    }
    while (epochs->count > 0) {
        const struct leader_epoch *last = &epochs->entries[epochs->count - 1];
        if (last->epoch < epoch && last->start_offset < start_offset) break;
        pop(epochs);
    }
    return push(epochs, mem, (struct leader_epoch){epoch, start_offset});
}

void leader_epochs_end_of(const struct leader_epochs *epochs, int32_t epoch, int64_t log_end,
                          int32_t *ret_epoch, int64_t *ret_end_offset) {
    *ret_epoch = -1;
    *ret_end_offset = -1;
    if (epoch == -1 || epochs->count == 0 || epoch > leader_epochs_latest(epochs)) return;
    if (epoch == leader_epochs_latest(epochs)) {
        *ret_epoch = epoch;
        *ret_end_offset = log_end;
        return;
    }
    uint32_t above = 0;
    while (epochs->entries[above].epoch <= epoch) above++;
    *ret_epoch = above > 0 ? epochs->entries[above - 1].epoch : epoch;
    *ret_end_offset = epochs->entries[above].start_offset;
}

int32_t leader_epochs_at(const struct leader_epochs *epochs, int64_t offset) {
    for (uint32_t i = epochs->count; i-- > 0;) {
        if (epochs->entries[i].start_offset <= offset) return epochs->entries[i].epoch;
    }
    return -1;
}

void leader_epochs_cut_end(struct leader_epochs *epochs, int64_t end_offset) {
    while (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= end_offset)
        pop(epochs);
}

void leader_epochs_cut_start(struct leader_epochs *epochs, int64_t start_offset) {
    uint32_t below = 0; /* entries that start at or below start_offset */
    while (below < epochs->count && epochs->entries[below].start_offset <= start_offset) below++;
    if (below == 0) return;
    if (below == 1 && epochs->entries[0].start_offset == start_offset) return;
    epochs->count -= below - 1;
    memmove(epochs->entries, epochs->entries + below - 1, epochs->count * sizeof *epochs->entries);
    epochs->entries[0].start_offset = start_offset;
    leader_epochs_note_lost(epochs);
}

bool leader_epochs_are_saved(const struct leader_epochs *epochs, int64_t end_offset) {
    if (epochs->has_rest && epochs->rest_start < end_offset) return false;
    uint32_t below = epochs->count;
    while (below > 0 && epochs->entries[below - 1].start_offset >= end_offset) below--;
    return below <= epochs->saved_count;
}

void leader_epochs_note_saved(struct leader_epochs *epochs) {
    epochs->saved_count = epochs->count;
    epochs->has_rest = false;
}

void leader_epochs_note_lost(struct leader_epochs *epochs) {
    epochs->saved_count = 0;
    epochs->has_rest = true;
    epochs->rest_start = -1;
}

void leader_epochs_print(const struct leader_epochs *epochs, struct strbuf *out) {
    strbuf_printf(out, "0\n%" PRIu32 "\n", epochs->count);
    for (uint32_t i = 0; i < epochs->count; i++) {
        strbuf_printf(out, "%" PRId32 " %" PRId64 "\n", epochs->entries[i].epoch,
                      epochs->entries[i].start_offset);
    }
}

enum status leader_epochs_parse(struct leader_epochs *epochs, struct mem *mem, struct str text,
                                uint32_t *ret_line) {
    epochs->count = 0;
    struct lines lines;
    uint32_t count = 0;
    enum status st = lines_begin(&lines, text, &count);
    for (uint32_t i = 0; st == ST_OK && i < count; i++) {
        struct str words[2];
        int64_t epoch = 0, start = 0;
        st = lines_words(&lines, words, 2);
        if (st != ST_OK) break;
        if (!str_to_int64(words[0], &epoch) || !str_to_int64(words[1], &start) || epoch < 0 ||
            epoch > INT32_MAX || start < 0) {
            st = ST_CORRUPT;
            break;
        }
        st = leader_epochs_assign(epochs, mem, (int32_t)epoch, start);
    }
    if (st == ST_OK) st = lines_end(&lines);
    *ret_line = lines.number;
    leader_epochs_note_saved(epochs);
    if (st == ST_OK) return ST_OK;
    epochs->count = 0;
    leader_epochs_note_lost(epochs);
    return st;
}
