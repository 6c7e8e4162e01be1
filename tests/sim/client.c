/* tests/sim/client.c - what every simulated client needs: a node, a connection, chance. */
#include "tests/sim/client.h"
#include "base/assert.h"
#include "base/bytes.h"

struct boot {
    struct clients *clients;
    void (*main)(struct actor *actor);
    bool counts;
    uint32_t number;
};

struct prng *actor_prng(struct actor *actor) {
    return &actor->clients->world->prng;
}

uint32_t actor_draw(struct actor *actor, uint32_t below) {
    return (uint32_t)prng_below(actor_prng(actor), below);
}

bool actor_chance(struct actor *actor, uint32_t percent) {
    return prng_chance(actor_prng(actor), percent, 100);
}

void actor_sleep(struct actor *actor, uint64_t most_us) {
    uint64_t now_us = io_now(job_io(actor->job)).mono_us;
    job_sleep_until(actor->job, now_us + prng_below(actor_prng(actor), most_us) + 1);
}

enum status actor_connect(struct actor *actor) {
    if (wire_is_open(&actor->wire)) return ST_OK;
    struct io_address address = actor->clients->broker->address;
    address.port = actor->clients->port;
    enum status st = wire_open(&actor->wire, &address);
    if (st != ST_OK) actor_sleep(actor, 100000);
    return st;
}

enum status actor_call(struct actor *actor, int16_t api_key, int16_t version, const void *request,
                       void *ret_response) {
    enum status st =
        wire_call(&actor->wire, &actor->arena, api_key, version, request, ret_response);
    if (st != ST_OK) {
        actor->clients->calls_failed++;
        wire_close(&actor->wire);
    }
    return st;
}

int16_t actor_version(struct actor *actor, int16_t api_key, int16_t least) {
    const struct api *api = api_find(api_key);
    int16_t min = MAX(api->min_version, least);
    return (int16_t)(min + (int16_t)actor_draw(actor, (uint32_t)(api->max_version - min + 1)));
}

struct client_topic *actor_topic(struct actor *actor) {
    struct clients *clients = actor->clients;
    struct client_topic *live[CLIENT_TOPICS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < clients->topic_count; i++) {
        struct client_topic *topic = &clients->topics[i];
        if (topic->is_live && !topic->is_deleted) live[count++] = topic;
    }
    return count > 0 ? live[actor_draw(actor, count)] : NULL;
}

static void actor_main(struct job *job, void *argument) {
    struct actor *actor = argument;
    actor->job = job;
    wire_init(&actor->wire, actor->clients->world, job);
    actor->main(actor);
    wire_release(&actor->wire);
    arena_release(&actor->arena);
    if (actor->counts) actor->clients->running--;
}

static void boot(struct node *node, struct io **ios, unsigned io_count, struct mem *mem,
                 void *argument) {
    (void)node;
    (void)io_count; /* one */
    struct boot *from = argument;
    struct actor *actor = MEM_NEW(mem, struct actor);
    actor->clients = from->clients;
    actor->main = from->main;
    actor->counts = from->counts;
    actor->number = from->number;
    arena_init(&actor->arena, mem, 16384, 0);
    jobs_init(&actor->jobs, ios[0], 1);
    job_start(&actor->jobs, actor_main, actor);
}

void actor_start(struct clients *clients, const char *name, void (*main)(struct actor *actor),
                 bool counts, uint32_t number) {
    struct boot from = {.clients = clients, .main = main, .counts = counts, .number = number};
    if (counts) clients->running++;
    node_start(node_add(clients->world, name, false), 1, boot, &from);
}
