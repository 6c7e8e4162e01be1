/* tests/bench/flow.h - requests of one kind, pipelined over some connections by one thread.
 *
 * Each connection has `depth` slots: a ring of whole request frames, one behind the other, encoded
 * once. Sending a request is writing a correlation id into its slot; slots that became free
 * together leave in one send. A broker answers a connection's requests in order, so the oldest slot
 * is the one that an answer is for, and its octets have all left by then.
 *
 * Closed loop: a slot is used again as soon as it was answered; latency counts from handing it to
 * the socket. Paced (interval_ns > 0): request n is due at start + n * interval_ns whether or not
 * the broker keeps up, and latency counts from when it was due, so a stall is charged to every
 * request that it delayed (no coordinated omission). */
#pragma once
#include <stddef.h>
#include "client.h"
#include "measure.h"

struct flow {
    /* set by the caller */
    const char *address;
    int16_t api_key;
    int16_t version;
    int connection_count;
    int depth;
    size_t request_bytes;   /* of every frame */
    int64_t interval_ns;    /* between requests, over all connections; 0: closed loop */
    int64_t duration_ns;    /* no request starts later than this; 0: no end */
    uint64_t request_limit; /* 0: none */
    void *context;          /* borrowed; for the two functions */
    /** Writes the frame of a slot; slots count from 0 over all connections. Called once per slot,
     * or before every use when `refill` is set. */
    void (*fill)(struct flow *flow, int slot, uint8_t *frame);
    bool refill;
    /** Judges an answer, decoded into a union flow_response; dies when it is wrong. */
    void (*answer)(struct flow *flow, int slot, const void *response);

    /* may be set by answer() */
    bool stop; /* start nothing more */

    /* results */
    uint64_t answered;
    int64_t elapsed_ns; /* until the last answer */
    struct latencies latencies;
};

/** Opens the connections, runs until the limits or `stop`, waits for every answer, closes. Dies
 * when the broker closes a connection or is silent for CLIENT_TIMEOUT_S. */
void flow_run(struct flow *flow, struct mem *mem);
