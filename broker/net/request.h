/* broker/net/request.h - one request from its frame to its answer.
 * Life: the connection cuts a frame -> request_start decodes it into the arena and calls the
 * handler -> the handler answers at once or later, with exactly one request_respond (or
 * request_abandon) -> the connection sends the answers in the order of the requests -> the request,
 * its frame and its arena are used again. Owner: the connection's shard. Parts of a request that
 * work on other shards live in its arena and are touched by one shard at a time, handed over by
 * messages; a request is finished only when all parts are home. */
#pragma once
#include "base/arena.h"
#include "base/list.h"
#include "broker/shard/shard.h"
#include "protocol/codec.h"
#include "protocol/frame.h"

struct served_api;
struct connection;

#define REQUEST_ARENA_BYTES 4096 /* first chunk, kept from request to request */
#define REQUEST_SHARE 8          /* the most one request may take of a shard's memory, ... */
#define REQUEST_LEAST_BYTES ((size_t)16 << 20) /* ... but never less than this */
/* A request is large from so many octets of frame, or of what was made of it in the arena. It is
 * decoded, handled (where its handler does so) and encoded (where the API's row says so) in turns
 * with what others ask, by a few jobs of the shard. */
#define REQUEST_LARGE_FRAME_BYTES ((size_t)128 << 10)
#define REQUEST_LARGE_BYTES ((size_t)1 << 20)

enum request_state {
    REQUEST_QUEUED,  /* waits for an earlier one of its connection */
    REQUEST_RUNNING, /* with its handler */
    REQUEST_DONE,    /* answer encoded; waits to be sent in its turn */
};

/* A range of a file in an answer. */
struct file_range {
    int file;
    uint64_t position;
    uint64_t bytes;
};

/* What an answer borrows until it is encoded. */
struct request_hold {
    void (*let_go)(struct request_hold *hold);
};

struct request {
    struct list link; /* in connection->requests */
    struct connection *connection;
    struct shard *shard;
    struct buffer *buffer; /* held: what the frame lies in, with others perhaps */
    struct bytes frame;    /* the octets of the request, which `in` borrows from */
    const struct api *api; /* of protocol/messages.h */
    struct request_header header;
    enum request_state state;
    uint64_t shards; /* bit by shard: whose partitions it is about; 0: no partition's */
    struct now started;
    struct io_timer pause; /* before the handler of a large one */
    /* of request_in_turns */
    bool (*prepare)(struct request *rq);
    void (*go_on)(struct request *rq);
    struct request_hold *hold; /* NULL: nothing */
    struct arena arena;
    void *in;  /* the API's request struct, arena */
    void *out; /* the API's response struct with defaults, arena */
    /* the answer */
    uint8_t *answer; /* length, header, body without cuts; arena */
    size_t answer_bytes;
    struct codec_cuts cuts; /* external is a struct file_range */
    bool no_answer;         /* Produce with acks=0 */
    bool close_after; /* the connection is closed once the answer left, or at once when there is
                         none */
    void *state_of_handler; /* the handler's own, arena */
    /** The connection is gone: stop waiting for news and finish soon. NULL: it finishes soon
     * anyway. */
    void (*cancel)(struct request *rq);
    /** Gives back what the answer still holds (segments); may take its time and then calls
     * request_free. NULL: nothing. */
    void (*release)(struct request *rq);
    bool is_releasing; /* that is under way: it counts in shard->releasing_count */
};

/** Decodes and hands to the handler. The frame's first octets are the request header. */
void request_start(struct request *rq);
/** prepare(rq) and then go_on(rq), or without memory (prepare says false) no answer. Others have
 *  turns while a large request is prepared: in loops that breathe (base/breathe.h), those of its
 *  arena's large arrays among them. What `prepare` borrowed of the shard, its image say, may be
 *  another one then; it awaits nothing and answers nothing. */
void request_in_turns(struct request *rq, bool (*prepare)(struct request *rq),
                      void (*go_on)(struct request *rq));
bool request_is_large(const struct request *rq);
/** Encodes rq->out as the answer. The handler touches nothing of the request afterwards. */
void request_respond(struct request *rq);
/** No answer: acks=0, or a request that Kafka answers by closing the connection (close_after). */
void request_abandon(struct request *rq, bool close_connection);
/** Back to the pool: for the connection, and for `release` when it is through. */
void request_free(struct request *rq);
/** Room for `count` file ranges in the answer; false without memory. */
bool request_reserve_cuts(struct request *rq, uint32_t count);
