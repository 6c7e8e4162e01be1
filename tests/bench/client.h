/* tests/bench/client.h - one connection to a broker on our own codec, a call at a time.
 * What a pipelined load needs too stands here: how a request's frame is made and how an answer's
 * frame is read. A measuring program has nobody to report an error to but its user: what must not
 * happen ends the program with one line and status 1 (die). */
#pragma once
#include "base/arena.h"
#include "protocol/messages.h"

/* Where the correlation id stands in a request's frame: behind length, key and version. */
#define CLIENT_CORRELATION_AT 8
#define CLIENT_FRAME_BYTES_MAX (64 << 20) /* no answer asked for here comes near */
#define CLIENT_TIMEOUT_S 120              /* for any answer */

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Nanoseconds of the monotonic clock. */
int64_t clock_ns(void);

struct client {
    struct mem *mem;                 /* borrowed */
    struct arena arena;              /* of the call under way; decoded answers point into it */
    int fd;                          /* blocking, with CLIENT_TIMEOUT_S */
    int32_t correlation_id;          /* of the last call */
    int16_t versions[API_KEY_COUNT]; /* the highest that both sides speak; -1: none */
    uint8_t *in;                     /* the last answer's frame */
    size_t in_capacity;
};

/** A connected TCP socket without Nagle's delay, or -1 when it is refused (errno says why).
 *  address: HOST:PORT. */
int client_connect(const char *address);

/** Connects and agrees on versions by ApiVersions. False: refused, or closed before the answer. */
bool client_open(struct client *client, struct mem *mem, const char *address);
void client_close(struct client *client);

/** Sends the request and decodes the answer into *response, which is valid until the next call.
 * False: the connection is gone. Anything else that is wrong, error codes excepted, dies. */
bool client_try(struct client *client, int16_t api_key, const void *request, void *response);
/** As client_try, and dies when the connection is gone. */
void client_call(struct client *client, int16_t api_key, const void *request, void *response);

/** A whole request in a frame, correlation id 0; arena. */
struct bytes client_frame(struct arena *arena, int16_t api_key, int16_t version,
                          const void *request);
/** Reads an answer (without its length field) that must carry this correlation id; dies else. */
void client_answer(struct bytes frame, int16_t api_key, int16_t version, int32_t correlation_id,
                   struct arena *arena, void *response);
