/* log/segment.c - shares, accounting of batches, holes, and which indexes stay in memory. */
#include "log/segment.h"
#include "base/assert.h"
#include "log/dir.h"
#include "log/segment_file.h"

struct segment *segment_new(struct log_dir *dir, int64_t base_offset, int file) {
    struct segment *segment = MEM_NEW(dir->io->mem, struct segment);
    *segment = (struct segment){
        .dir = dir,
        .base_offset = base_offset,
        .file = file,
        .file_uses = file >= 0,
        .file_kept = file >= 0,
        .shares = 1,
        .created_ms = io_now(dir->io).wall_ms,
        .touched_us = io_now(dir->io).mono_us,
        .max_timestamp_ms = -1,
        .times.last.timestamp_ms = -1,
    };
    list_init(&segment->load_waiters);
    list_init(&segment->file_waiters);
    return segment;
}

void segment_hold(struct segment *segment) { segment->shares++; }

void segment_let_go(struct segment *segment) {
    ASSERT(segment->shares > 0);
    if (--segment->shares > 0) return;
    struct mem *mem = segment->dir->io->mem;
    ASSERT(list_is_empty(&segment->load_waiters) && list_is_empty(&segment->file_waiters));
    ASSERT(segment->file_uses == segment->file_kept);
    segment_index_drop(segment);
    index_tail_clear(&segment->offsets.tail, mem, OFFSET_INDEX_ENTRY_BYTES);
    index_tail_clear(&segment->times.tail, mem, TIME_INDEX_ENTRY_BYTES);
    index_tail_clear(&segment->txns.tail, mem, TXN_INDEX_ENTRY_BYTES);
    segment_set_holes(segment, NULL, 0);
    verified_release(&segment->verified, mem);
    segment_file_close(segment);
    MEM_FREE(mem, segment);
}

void segment_note_batch(struct segment *segment, int64_t last_offset, int64_t max_timestamp_ms,
                        uint32_t batch_bytes, int64_t index_interval_bytes) {
    struct mem *mem = segment->dir->io->mem;
    if (segment->size_bytes == 0) segment->first_timestamp_ms = max_timestamp_ms;
    if (max_timestamp_ms > segment->max_timestamp_ms) {
        segment->max_timestamp_ms = max_timestamp_ms;
        segment->max_timestamp_offset = last_offset;
    }
    if (segment->bytes_since_entry > index_interval_bytes) {
        offset_index_add(&segment->offsets, mem, (uint32_t)(last_offset - segment->base_offset),
                         (uint32_t)segment->size_bytes);
        segment_note_end(segment);
        segment->bytes_since_entry = 0;
    }
    segment->size_bytes += batch_bytes;
    segment->bytes_since_entry += batch_bytes;
}

void segment_note_end(struct segment *segment) {
    if (segment->max_timestamp_ms < 0) return;
    time_index_add(
        &segment->times, segment->dir->io->mem,
        (struct time_entry){segment->max_timestamp_ms,
                            (uint32_t)(segment->max_timestamp_offset - segment->base_offset)});
}

const struct hole *segment_hole_at(const struct segment *segment, uint64_t position) {
    for (uint32_t i = 0; i < segment->hole_count; i++) {
        const struct hole *hole = &segment->holes[i];
        if (position >= hole->position && position < hole->end_position) return hole;
    }
    return NULL;
}

const struct hole *segment_hole_of(const struct segment *segment, int64_t offset) {
    for (uint32_t i = 0; i < segment->hole_count; i++) {
        const struct hole *hole = &segment->holes[i];
        if (offset >= hole->first_offset && offset < hole->end_offset) return hole;
    }
    return NULL;
}

uint64_t segment_next_hole(const struct segment *segment, uint64_t position) {
    for (uint32_t i = 0; i < segment->hole_count; i++) {
        if (segment->holes[i].position > position) return segment->holes[i].position;
    }
    return segment->size_bytes;
}

void segment_set_holes(struct segment *segment, struct hole *holes, uint32_t count) {
    mem_free(segment->dir->io->mem, segment->holes, segment->hole_count * sizeof *holes);
    segment->holes = holes;
    segment->hole_count = count;
}

static size_t loaded_bytes(const struct segment *segment) {
    return (size_t)segment->offsets.loaded_count * OFFSET_INDEX_ENTRY_BYTES;
}

void segment_index_loaded(struct segment *segment, uint8_t *entries, uint32_t count) {
    segment_index_drop(segment);
    segment->offsets.loaded = entries;
    segment->offsets.loaded_count = count;
    struct log_dir *dir = segment->dir;
    list_push_back(&dir->loaded_indexes, &segment->offsets.cached);
    dir->loaded_index_bytes += loaded_bytes(segment);
    while (dir->loaded_index_bytes > LOG_DIR_INDEX_BYTES) {
        struct list *oldest = dir->loaded_indexes.next;
        struct segment *victim = CONTAINER_OF(oldest, struct segment, offsets.cached);
        if (victim == segment) return; /* the one just asked for stays, whatever its size */
        segment_index_drop(victim);
    }
}

void segment_index_touch(struct segment *segment) {
    if (segment->offsets.loaded == NULL) return;
    list_remove(&segment->offsets.cached);
    list_push_back(&segment->dir->loaded_indexes, &segment->offsets.cached);
}

void segment_index_drop(struct segment *segment) {
    if (segment->offsets.loaded == NULL) return;
    struct log_dir *dir = segment->dir;
    dir->loaded_index_bytes -= loaded_bytes(segment);
    list_remove(&segment->offsets.cached);
    mem_free(dir->io->mem, segment->offsets.loaded, loaded_bytes(segment));
    segment->offsets.loaded = NULL;
    segment->offsets.loaded_count = 0;
}
