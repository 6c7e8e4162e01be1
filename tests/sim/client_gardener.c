/* tests/sim/client_gardener.c - topics that groups are subscribed to come, grow and go; at the end
 * the book is told what there is. */
#include "protocol/errors.h"
#include "tests/sim/client.h"

static enum status ask(struct actor *actor, int16_t key, int16_t version, const void *request,
                       void *ret_response) {
    if (actor_connect(actor) != ST_OK) return ST_CLOSED;
    return actor_call(actor, key, version, request, ret_response);
}

static void create(struct actor *actor, struct str name) {
    struct create_topics_request request;
    struct create_topics_response response;
    struct create_topics_request_creatable_topic topic;
    create_topics_request_defaults(&request);
    create_topics_request_creatable_topic_defaults(&topic);
    topic.name = name;
    topic.num_partitions = 1 + (int32_t)actor_draw(actor, 3);
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    (void)ask(actor, API_CREATE_TOPICS, 5, &request, &response); /* it may be there */
}

static void grow(struct actor *actor, struct str name) {
    struct create_partitions_request request;
    struct create_partitions_response response;
    struct create_partitions_request_topic topic;
    create_partitions_request_defaults(&request);
    create_partitions_request_topic_defaults(&topic);
    topic.name = name;
    topic.assignments = NULL;
    topic.assignments_count = -1;
    topic.count = 2 + (int32_t)actor_draw(actor, BOOK_INDEXES - 1);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    if (ask(actor, API_CREATE_PARTITIONS, 2, &request, &response) != ST_OK) return;
    if (response.results_count == 1 && response.results[0].error_code == KAFKA_NONE)
        world_count(actor->clients->world, FAULT_TOPIC_GROWN);
}

static void delete (struct actor *actor, struct str name) {
    struct delete_topics_request request;
    struct delete_topics_response response;
    delete_topics_request_defaults(&request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = 5000;
    if (ask(actor, API_DELETE_TOPICS, 4, &request, &response) != ST_OK) return;
    if (response.responses_count == 1 && response.responses[0].error_code == KAFKA_NONE)
        world_count(actor->clients->world, FAULT_TOPIC_DELETED);
}

/* false: not everything was told, or events is not there yet. */
static bool count_topics(struct actor *actor) {
    struct group_book *book = actor->clients->book;
    struct metadata_request request;
    struct metadata_response response;
    struct metadata_request_topic topics[BOOK_NAMES];
    metadata_request_defaults(&request);
    for (uint32_t i = 0; i < BOOK_NAMES; i++) {
        metadata_request_topic_defaults(&topics[i]);
        topics[i].name = str_of(book_names[i]);
    }
    /* Asking for events makes it; the others are not to come back. */
    request.topics = topics;
    request.topics_count = 1;
    request.allow_auto_topic_creation = true;
    if (ask(actor, API_METADATA, 12, &request, &response) != ST_OK) return false;
    request.topics_count = BOOK_NAMES;
    request.allow_auto_topic_creation = false;
    if (ask(actor, API_METADATA, 12, &request, &response) != ST_OK) return false;
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct metadata_response_topic *t = &response.topics[i];
        uint32_t name = 0;
        while (!str_eq(t->name, str_of(book_names[name]))) name++;
        if (t->error_code != KAFKA_NONE && name == 0) return false;
        if (t->error_code != KAFKA_NONE) continue;
        book->topics[group_book_topic(book, t->topic_id, name)].count =
            (uint32_t)t->partitions_count;
    }
    return true;
}

static void gardener_main(struct actor *actor) {
    uint32_t made = 0;
    while (!actor->clients->is_ending) {
        if (actor->number == 0) { /* no garden: it only counts at the end */
            actor_sleep(actor, 200000);
            continue;
        }
        struct str name = str_of(book_names[1 + actor_draw(actor, BOOK_NAMES - 1)]);
        arena_reset(&actor->arena);
        switch (actor_draw(actor, 4)) {
        case 0:
            if (++made < BOOK_TOPICS - 2) create(actor, name);
            break;
        case 1: grow(actor, name); break;
        case 2:
            if (actor_chance(actor, 30)) delete (actor, name);
            break;
        default: break;
        }
        actor_sleep(actor, 200000);
    }
    actor_sleep(actor, 2000000); /* what was under way is over */
    while (!actor->clients->world->stopped && !count_topics(actor)) {
        actor_sleep(actor, 100000);
        arena_reset(&actor->arena);
    }
    actor->clients->book->is_final = true;
}

void client_start_gardener(struct clients *clients, bool works) {
    actor_start(clients, "gardener", gardener_main, true, works);
}
