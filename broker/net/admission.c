/* broker/net/admission.c - counts by address. */
#include "broker/net/admission.h"
#include "base/assert.h"
#include "base/logging.h"
#include "broker/config/ip_limits.h"
#include "broker/net/connection.h"
#include "broker/shard/visit.h"

struct admission {
    struct shard *shard; /* 0 */
    int64_t max_connections, max_per_ip;
    struct ip_limit *limits; /* arena */
    uint32_t limit_count;
    struct arena arena;
    struct map peers; /* struct peer, those that have connections */
    int64_t count;    /* connections of all shards */
    uint64_t seed;
};

/* Everybody from one address. */
struct peer {
    struct map_node node;
    struct io_address address; /* port 0 */
    int64_t count;
};

struct admitted {
    struct visit visit;
    struct io_address peer;
    int fd;
    uint32_t listener_index;
    const char *refused; /* the key of the limit; NULL: come in */
};

struct admission *admission_new(struct shard *shard) {
    struct admission *a = MEM_NEW(shard->mem, struct admission);
    *a = (struct admission){.shard = shard, .max_connections = INT32_MAX, .max_per_ip = INT32_MAX};
    arena_init(&a->arena, shard->mem, 256, 0);
    map_init(&a->peers, shard->mem);
    io_random(shard->io, &a->seed, sizeof a->seed);
    return a;
}

void admission_free(struct admission *a) {
    if (a == NULL) return;
    ASSERT(a->count == 0 && a->peers.count == 0);
    struct mem *mem = a->shard->mem;
    map_release(&a->peers);
    arena_release(&a->arena);
    MEM_FREE(mem, a);
}

void admission_settle(struct admission *a, const struct broker_settings *settings) {
    struct str bad;
    const struct config_key *key = config_key_find(STR("max.connections.per.ip.overrides"));
    a->max_connections = setting_number(settings, STR("max.connections"));
    a->max_per_ip = setting_number(settings, STR("max.connections.per.ip"));
    arena_reset(&a->arena);
    enum status st = ip_limits_read(setting_get(settings, key).value, &a->arena, &a->limits,
                                    &a->limit_count, &bad);
    if (st == ST_OK) return;
    /* What is in the file or was altered by klamm had been checked; another's metadata had not. */
    a->limit_count = 0;
    LOG_WARN("net", "event=bad-setting key=%s status=\"%s\"", key->name, status_name(st));
}

/* --- on shard 0 --- */

static bool same_host(const struct io_address *a, const struct io_address *b) {
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool peer_is(const struct map_node *node, const void *key) {
    return same_host(&CONTAINER_OF(node, struct peer, node)->address, key);
}

static uint64_t peer_hash(const struct admission *a, const struct io_address *address) {
    return hash_bytes(address->bytes, sizeof address->bytes, a->seed ^ address->family);
}

static struct peer *peer_find(const struct admission *a, const struct io_address *address) {
    struct map_node *node = map_find(&a->peers, peer_hash(a, address), peer_is, address);
    return node != NULL ? CONTAINER_OF(node, struct peer, node) : NULL;
}

static int64_t limit_of(const struct admission *a, const struct io_address *address) {
    for (uint32_t i = 0; i < a->limit_count; i++) {
        if (same_host(&a->limits[i].address, address)) return a->limits[i].max_connections;
    }
    return a->max_per_ip;
}

static void enter(struct visit *visit, struct shard *at) {
    struct admission *a = at->broker->admission;
    struct admitted *place = CONTAINER_OF(visit, struct admitted, visit);
    struct peer *peer = peer_find(a, &place->peer);
    if (a->count >= a->max_connections) {
        place->refused = "max.connections";
    } else if ((peer != NULL ? peer->count : 0) >= limit_of(a, &place->peer)) {
        place->refused = "max.connections.per.ip";
    } else {
        if (peer == NULL) {
            peer = MEM_NEW(at->mem, struct peer);
            *peer = (struct peer){.address = place->peer};
            map_insert(&a->peers, peer_hash(a, &place->peer), &peer->node);
        }
        peer->count++;
        a->count++;
    }
    visit_return(visit);
}

static void leave(struct visit *visit, struct shard *at) {
    struct admission *a = at->broker->admission;
    struct peer *peer = peer_find(a, &CONTAINER_OF(visit, struct admitted, visit)->peer);
    ASSERT(peer != NULL && peer->count > 0 && a->count > 0);
    a->count--;
    if (--peer->count == 0) {
        map_remove(&a->peers, &peer->node);
        MEM_FREE(at->mem, peer);
    }
    visit_return(visit);
}

/* --- at home --- */

static void left(struct visit *visit) {
    struct admitted *place = CONTAINER_OF(visit, struct admitted, visit);
    MEM_FREE(visit->home->mem, place);
}

void admission_leave(struct admitted *place) {
    place->visit.work = leave;
    place->visit.returned = left;
    visit_go(&place->visit);
}

struct admitted *admission_take_over(struct shard *shard, const struct admitted *from) {
    struct admitted *place = MEM_NEW(shard->mem, struct admitted);
    *place = *from;
    place->visit.home = shard;
    return place;
}

void admission_forget(struct shard *shard, struct admitted *place) {
    MEM_FREE(shard->mem, place);
}

static void turn_away(struct shard *shard, struct admitted *place) {
    uint32_t swallowed = 0;
    metrics_add(&shard->metrics, METRIC_CONNECTIONS_REFUSED, 1);
    if (log_limit_pass(&shard->log_bad_frame, shard->io->now.mono_us, &swallowed)) {
        char peer[IO_ADDRESS_TEXT_BYTES];
        io_address_format(&place->peer, peer);
        LOG_WARN("net", "event=connection-refused why=\"%s\" peer=%s swallowed=%u", place->refused,
                 peer, swallowed);
    }
    (void)io_close(shard->io, NULL, place->fd); /* nobody waits */
    MEM_FREE(shard->mem, place);
}

static void answered(struct visit *visit) {
    struct shard *shard = visit->home;
    struct admitted *place = CONTAINER_OF(visit, struct admitted, visit);
    if (place->refused != NULL) {
        turn_away(shard, place);
    } else if (shard->stopping) {
        (void)io_close(shard->io, NULL, place->fd); /* nobody waits */
        admission_leave(place);
    } else {
        connection_open(shard, place->fd, &place->peer, place->listener_index, place);
    }
}

void admission_ask(struct shard *shard, int fd, const struct io_address *peer,
                   uint32_t listener_index) {
    struct admitted *place = MEM_NEW(shard->mem, struct admitted);
    *place = (struct admitted){
        .visit = {.home = shard, .target = 0, .work = enter, .returned = answered},
        .peer = *peer,
        .fd = fd,
        .listener_index = listener_index,
    };
    visit_go(&place->visit);
}
