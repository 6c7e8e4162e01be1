/* broker/reactor/send_file.h - what send_file.c and cold.c share: the state of a send, and reading
 * what is not in the page cache. Owner: the shard; sends on other shards are asked after by
 * `cold_readers` of the group only. */
#pragma once
#include "broker/reactor/internal.h"

#define SEND_FILE_CHUNK_BYTES (128 * 1024) /* smaller ones wake the receiver more often */
#define SEND_FILE_LARGE_BYTES (SEND_FILE_CHUNK_BYTES / 2)

enum send_file_phase {
    SEND_FILE_WRITABLE, /* awaits the socket, or its next turn */
    SEND_FILE_YIELDS,   /* to syncs */
    SEND_FILE_WAITS,    /* for a buffer; parked */
    SEND_FILE_READS,
};

/* How a send reads what is not in the page cache. */
enum cold_way { COLD_UNDECIDED, COLD_PAST_CACHE, COLD_BY_CACHE };

struct send_file_op {
    struct op_head head;
    int32_t file;
    uint8_t phase;
    uint8_t way;     /* enum cold_way */
    bool is_full;    /* the socket was */
    uint8_t yielded; /* how often, before the next read */
    uint64_t offset; /* of what comes next */
    uint64_t remaining;
    struct cold_buffer *cold; /* what was read of it; NULL: nothing */
    struct io_op *next;       /* SEND_FILE_WAITS */
};
OP_STATE_FITS(struct send_file_op);

static inline struct send_file_op *send_file_op(struct io_op *op) {
    return (struct send_file_op *)(void *)op->impl;
}

/** Whether all of a range is in the page cache, or on its way there. */
bool page_cache_has(int file, uint64_t offset, uint64_t len);

/** Whether what comes next is to be read past the page cache. */
bool cold_is_past_cache(struct reactor *r, struct io_op *op);
/** Has the ring read what comes next, now or when a buffer is free. */
void cold_start(struct reactor *r, struct io_op *op);
/** The read has ended; 0, what it brought is in op's `cold`, or a negative errno. */
int32_t cold_arrived(struct reactor *r, struct io_op *op, int32_t result);
/** So many octets of op's `cold` have left. */
void cold_took(struct reactor *r, struct io_op *op, size_t len);
/** The socket is full: what it holds goes to who waits for a buffer. */
void cold_full(struct reactor *r, struct io_op *op);
/** Waits for a buffer no more. */
void cold_give_up(struct reactor *r, struct io_op *op);
/** Gives back what the send holds. */
void cold_end(struct reactor *r, struct io_op *op);
void cold_release(struct reactor *r);
