/* broker/handlers/fetch.h - what the three files of Fetch share: fetch_request.c takes the request
 * and its session apart, fetch.c reads and waits, fetch_answer.c puts the answer together. */
#pragma once
#include "broker/handlers/handlers.h"
#include "broker/net/fetch_sessions.h"
#include "broker/net/request.h"
#include "broker/replication/partition.h"
#include "broker/shard/visit.h"

struct fetch;

/* One partition that is fetched. */
struct fetch_part {
    struct list link;            /* in visit->parts */
    struct fetch_visit *visit;   /* NULL: its error was known at once */
    struct str topic;            /* borrowed from the request or the session; null: by id */
    struct uuid topic_id;        /* the topic's; as asked when there is none */
    struct session_part *cached; /* NULL: no session */
    struct fetch_wish wish;
    struct fetch_response_partition_data answer;
    struct partition *partition; /* used from the start of the read until the visit has read */
    struct log_read read;
    struct log_aborted aborted; /* of what was read, for read_committed */
    struct watermark_wait wait;
    struct file_range range;
    uint64_t given_bytes; /* to the client */
    bool is_using, has_segment;
};

/* The partitions of one request that live on one shard. */
struct fetch_visit {
    struct visit visit;
    struct fetch *fetch;
    struct shard *at; /* the owner */
    struct list parts;
    struct list *next;      /* in parts: the first that is not looked at yet */
    struct io_timer pause;  /* between two slices of them */
    uint32_t reading_count; /* parts whose read is under way, and one while there is a next */
    uint64_t bytes;         /* that the parts so far will give, if they come first */
    bool is_armed;          /* waits were linked when it went home */
    struct io_message
        call;        /* a high watermark moved; never under way while the visit is asked to read */
    bool was_called; /* home's: to be asked again */
};

enum fetch_phase { FETCH_READING, FETCH_WAITING, FETCH_DISARMING, FETCH_RELEASING };

struct fetch {
    struct request *rq;
    struct fetch_part *parts;
    uint32_t part_count;        /* in the order in which they are read */
    uint32_t served_count;      /* those with a visit */
    uint64_t max_bytes;         /* of all; the first batch comes whole even so */
    struct fetch_visit *visits; /* one per shard; those without parts are never sent */
    uint32_t away_count;        /* visits away, and one while they are being sent */
    enum fetch_phase phase;
    bool is_expired;
    bool has_memory; /* so far */
    bool is_replica;       /* it says that it follows */
    struct io_timer timer; /* until max_wait_ms are over */
    /* the session */
    struct visit session_visit;
    struct shard *session_at; /* where that is, of a large request */
    void (*session_work)(struct fetch *fetch, struct shard *at);
    struct fetch_session *session; /* taken; NULL: a full fetch */
    int16_t session_error;
    bool begins_session;
};

static inline bool fetch_by_ids(const struct request *rq) {
    return rq->header.request_api_version >= 13;
}

/** isolation_level of the request. */
static inline bool fetch_is_committed(const struct fetch *fetch) {
    const struct fetch_request *in = fetch->rq->in;
    return in->isolation_level == READ_COMMITTED;
}

/** The parts are there: reads, waits, answers. */
void fetch_start(struct fetch *fetch);
/** What was read goes into rq->out, within the limits of the request; parts of a session that have
 * no news are left out. false: no memory. */
bool fetch_put_answer(struct fetch *fetch);
/** Begins a session of everything that is answered, on a shard that its visit is at; without room
 * for it the answer says so by id 0. */
void fetch_begin_session(struct fetch *fetch, struct shard *at);
/** Begins a session or gives it back, and responds (or abandons the request). */
void fetch_finish(struct fetch *fetch, bool has_answer);
