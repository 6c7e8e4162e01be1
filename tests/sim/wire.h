/* tests/sim/wire.h - one connection of a simulated Kafka client, for a job: real frames over the
 * seam. Every wait has a deadline: a request that finds silence ends with ST_TIMEOUT. After any
 * failure the connection is of no use: close it. A response that does not decode, answers another
 * request, or has octets left over is the broker's mistake and fails the world. */
#pragma once
#include "base/arena.h"
#include "base/job.h"
#include "protocol/messages.h"
#include "protocol/octets.h"
#include "tests/sim/world.h"

struct wire {
    struct world *world; /* borrowed */
    struct job *job;     /* borrowed: who calls, and waits */
    int fd;              /* < 0: closed */
    struct io_receiver receiver;
    struct io_timer timer;
    struct octets in; /* arrived and not taken */
    uint64_t timeout_us;
    int32_t correlation_id; /* of the last request sent */
    int32_t answered_id;    /* of the last response taken */
    bool is_ended;
    bool is_waiting; /* the job, for octets or the end */
    bool is_sending;
    bool is_late;
};

void wire_init(struct wire *wire, struct world *world, struct job *job);
/** Also closes. */
void wire_release(struct wire *wire);
static inline bool wire_is_open(const struct wire *wire) { return wire->fd >= 0; }
MUST_CHECK enum status wire_open(struct wire *wire, const struct io_address *address);
void wire_close(struct wire *wire);

/** Sends a request; requests may be sent on before the earlier ones were answered. */
MUST_CHECK enum status wire_send(struct wire *wire, struct arena *arena, int16_t api_key,
                                 int16_t version, const void *request);
/** Takes the next response, which must be to api_key; its strings live in the arena. */
MUST_CHECK enum status wire_receive(struct wire *wire, struct arena *arena, int16_t api_key,
                                    int16_t version, void *ret_response);
/** Both. */
MUST_CHECK enum status wire_call(struct wire *wire, struct arena *arena, int16_t api_key,
                                 int16_t version, const void *request, void *ret_response);
/** The next request gets no response (Produce with acks=0). */
void wire_expect_none(struct wire *wire);
