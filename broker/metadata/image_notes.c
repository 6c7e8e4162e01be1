/* broker/metadata/image_notes.c - sending, holding back, coming home. */
#include "broker/metadata/image_notes.h"
#include "broker/metadata/apply.h"

struct image_note {
    struct list link;
    struct image_notes *notes;
    struct image *previous;
    uint32_t waiting_count; /* shards that have not applied it */
    bool is_sent;
    struct image_change change;
    struct arena arena; /* of change */
    struct image_delivery deliveries[];
};

static struct image_note *note_of(struct list *link) {
    return CONTAINER_OF(link, struct image_note, link);
}

static struct mem *mem_of(const struct image_notes *notes) { return notes->broker->shards[0]->mem; }

static size_t note_bytes(const struct image_notes *notes) {
    return sizeof(struct image_note) + notes->broker->shard_count * sizeof(struct image_delivery);
}

/* --- sending --- */

static void send_ready(struct image_notes *notes);

static void on_applied(struct io_message *message, struct io *at) {
    (void)at;
    struct image_delivery *delivery = CONTAINER_OF(message, struct image_delivery, message);
    struct image_note *note = delivery->owner;
    struct image_notes *notes = note->notes;
    if (--note->waiting_count > 0) return;
    list_remove(&note->link);
    notes->applied_offset = image_offset(note->change.image);
    struct image *previous = note->previous;
    arena_release(&note->arena);
    mem_free(mem_of(notes), note, note_bytes(notes));
    send_ready(notes);
    notes->arrived(notes, previous);
}

static void give_out(struct image_note *note) {
    struct broker *broker = note->notes->broker;
    note->is_sent = true;
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        note->deliveries[i] = (struct image_delivery){
            .change = &note->change, .broker = broker, .owner = note, .applied = on_applied};
        image_deliver(broker->shards[0]->io, i, &note->deliveries[i]);
    }
}

/* Whether it has a topic of a name that was another's before `earlier`, which deletes topics. */
static bool has_namesake(const struct image_note *note, const struct image_note *earlier) {
    const struct image_change *change = &note->change;
    for (uint32_t i = 0; i < change->topics_changed_count; i++) {
        const struct topic_image *topic =
            image_topic_by_id(change->image, change->topics_changed[i]);
        if (topic == NULL) continue;
        const struct topic_image *other = image_topic_by_name(earlier->previous, topic->name);
        if (other != NULL && !uuid_eq(other->id, topic->id)) return true;
    }
    return false;
}

static bool must_wait(struct image_notes *notes, const struct image_note *note) {
    for (struct list *at = notes->items.next; at != &note->link; at = at->next) {
        const struct image_note *earlier = note_of(at);
        if (earlier->change.topics_deleted_count > 0 && has_namesake(note, earlier)) return true;
    }
    return false;
}

static void send_ready(struct image_notes *notes) {
    for (struct list *at = notes->items.next; at != &notes->items; at = at->next) {
        struct image_note *note = note_of(at);
        if (note->is_sent) continue;
        if (must_wait(notes, note)) return;
        give_out(note);
    }
}

/* --- from outside --- */

void image_notes_init(struct image_notes *notes, struct broker *broker,
                      void (*arrived)(struct image_notes *, struct image *)) {
    *notes = (struct image_notes){.broker = broker, .applied_offset = -1, .arrived = arrived};
    list_init(&notes->items);
}

void image_notes_send(struct image_notes *notes, struct image *next, struct image *previous,
                      const struct image_delta *delta) {
    struct image_note *note = mem_need(mem_of(notes), note_bytes(notes));
    note->notes = notes;
    note->previous = previous;
    note->waiting_count = notes->broker->shard_count;
    note->is_sent = false;
    arena_init(&note->arena, mem_of(notes), 1024, 0);
    image_change_copy(&note->change, next, previous, delta, &note->arena);
    list_push_back(&notes->items, &note->link);
    send_ready(notes);
}

bool image_notes_are_through(const struct image_notes *notes) {
    return list_is_empty(&notes->items);
}
