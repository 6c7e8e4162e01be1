/* log/leader_epochs.h - which leader epoch began where: (epoch, start offset), both strictly
 * rising. File `leader-epoch-checkpoint`: "0\n<count>\n" and "<epoch> <start offset>\n" a line; an
 * empty file is an empty list. This module is memory and text only; the log decides when the file
 * is replaced. Source: org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache. */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/strbuf.h"

struct leader_epoch {
    int32_t epoch;
    int64_t start_offset;
};

struct leader_epochs {
    struct leader_epoch *entries;
    uint32_t count, capacity;
    /* The file begins with so many of the entries. Where has_rest, more follow there, none of which
     * starts below rest_start. */
    uint32_t saved_count;
    bool has_rest;
    int64_t rest_start;
};

void leader_epochs_release(struct leader_epochs *epochs, struct mem *mem);
/** Epoch of the last entry, -1 none. */
int32_t leader_epochs_latest(const struct leader_epochs *epochs);
/** The epoch begins at start_offset; entries that contradict it (an epoch or a start not below) go
 * first. Nothing changes when the last entry has this epoch and starts no later. ST_INVALID: a
 * negative argument. ST_NOMEM. */
MUST_CHECK enum status leader_epochs_assign(struct leader_epochs *epochs, struct mem *mem,
                                            int32_t epoch, int64_t start_offset);
/** Kafka's OffsetForLeaderEpoch: the largest epoch <= `epoch` and where it ends, log_end for the
 * latest; (epoch, start of the first) below the first; (-1, -1) above the latest or when there is
 * none. */
void leader_epochs_end_of(const struct leader_epochs *epochs, int32_t epoch, int64_t log_end,
                          int32_t *ret_epoch, int64_t *ret_end_offset);
/** The epoch in which `offset` was written, -1 when unknown. */
int32_t leader_epochs_at(const struct leader_epochs *epochs, int64_t offset);
/** Entries that start at or above end_offset go. */
void leader_epochs_cut_end(struct leader_epochs *epochs, int64_t end_offset);
/** Entries before the one that holds start_offset go, and that one starts there. */
void leader_epochs_cut_start(struct leader_epochs *epochs, int64_t start_offset);

/** Whether the file says the same of what lies below `end_offset`, where the log ends (INT64_MAX:
 * of everything). What it says beyond is cut when it is read. */
bool leader_epochs_are_saved(const struct leader_epochs *epochs, int64_t end_offset);
/** The entries are in the file, or on their way; others may follow meanwhile. */
void leader_epochs_note_saved(struct leader_epochs *epochs);
/** Nothing is known of the file. */
void leader_epochs_note_lost(struct leader_epochs *epochs);
void leader_epochs_print(const struct leader_epochs *epochs, struct strbuf *out);
/** Replaces the entries by those of the text, which is the file's; *ret_line says which line is
 * wrong. ST_CORRUPT, ST_NOMEM: there are none. */
MUST_CHECK enum status leader_epochs_parse(struct leader_epochs *epochs, struct mem *mem,
                                           struct str text, uint32_t *ret_line);
