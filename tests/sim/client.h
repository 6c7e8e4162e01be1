/* tests/sim/client.h - simulated Kafka clients: a producer, a consumer, a creator of topics, and
 * the reader that judges the end. Each is a job on a node of its own, speaks any version that Kafka
 * serves, and tells the history what it did and saw. What they know of each other (which topics
 * there are) they know through struct clients, as if by phone. */
#pragma once
#include "base/job.h"
#include "tests/sim/group_book.h"
#include "tests/sim/history.h"
#include "tests/sim/node.h"
#include "tests/sim/wire.h"

enum { CLIENT_TOPICS = 16, CLIENT_PARTITIONS = 6 };

struct client_topic {
    char name[32];
    struct uuid id; /* once is_live */
    uint32_t partition_count;
    uint32_t first_partition; /* in the history; the others follow */
    bool is_live;             /* its creation was acknowledged and metadata shows it */
    bool is_deleted;
};

/* Everything the clients of one world share. */
struct clients {
    struct world *world;     /* borrowed */
    struct history *history; /* borrowed */
    struct group_book *book; /* borrowed; NULL without groups */
    struct node *broker;     /* borrowed */
    uint16_t port;
    bool flush;        /* klamm.flush.before.ack=all */
    bool dedupes;      /* the broker promises idempotent producers */
    uint32_t dirs; /* log directories: /data, /data1, ... */
    bool device_fails; /* then an answer may be that the server does not know what went wrong */
    size_t value_max;  /* octets of a record's value, at most */
    struct client_topic topics[CLIENT_TOPICS];
    uint32_t topic_count;
    uint32_t producer_count; /* numbers given */
    uint32_t member_count;
    bool is_ending;          /* everybody finishes what is under way and ends */
    uint32_t running;        /* actors that have not ended; the final reader not counted */
    bool is_judged;          /* the final reader has read everything */
    uint64_t produce_answers, fetch_answers, calls_failed;
};

/** Starts an actor on a new node. */
void client_start_creator(struct clients *clients, uint32_t topic_count);
void client_start_producer(struct clients *clients);
void client_start_consumer(struct clients *clients);
void client_start_member(struct clients *clients); /* classic protocol */
void client_start_beater(struct clients *clients); /* KIP-848 */
void client_start_gardener(struct clients *clients, bool works);
void client_start_onlooker(struct clients *clients); /* of groups' offsets */
void client_start_cutter(struct clients *clients);
void client_start_rival(struct clients *clients);
void client_start_tuner(struct clients *clients);
void client_start_judge(struct clients *clients);

/* --- what the actors share --- */

struct actor {
    struct clients *clients;
    struct jobs jobs;
    struct job *job;
    struct wire wire;
    struct arena arena; /* of one round */
    uint32_t number;    /* of a producer; of topics, for a creator */
    void (*main)(struct actor *actor);
    bool counts;
};

struct prng *actor_prng(struct actor *actor);
/** 0 .. below - 1. */
uint32_t actor_draw(struct actor *actor, uint32_t below);
bool actor_chance(struct actor *actor, uint32_t percent);
void actor_sleep(struct actor *actor, uint64_t most_us);
/** A connection there is; ST_OK, or some rest was taken. */
MUST_CHECK enum status actor_connect(struct actor *actor);
/** A call with a random version between min and max; closes the connection when it fails. */
MUST_CHECK enum status actor_call(struct actor *actor, int16_t api_key, int16_t version,
                                  const void *request, void *ret_response);
/** A version that Kafka serves, not below `least`. */
int16_t actor_version(struct actor *actor, int16_t api_key, int16_t least);
/** A live topic by chance; NULL when there is none. */
struct client_topic *actor_topic(struct actor *actor);
/** Starts `main` as a job on a new node. */
void actor_start(struct clients *clients, const char *name, void (*main)(struct actor *actor),
                 bool counts, uint32_t number);
