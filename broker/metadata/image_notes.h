/* broker/metadata/image_notes.h - images on their way to the shards: each is given to every shard
 * as it comes, and has arrived when all have applied it. Shards apply in order, so images arrive in
 * order.
 *
 * A directory has the name of its topic, and two topics of one name may be on different shards. So
 * an image with a new topic waits here, and those after it do, until the deletion of its namesake
 * has arrived: the old directory has another name by then. Owner: shard 0. */
#pragma once
#include "broker/shard/shard.h"
#include "controller/metadata_log.h"

struct image_notes {
    struct broker *broker;
    struct list items;      /* struct image_note, in order */
    int64_t applied_offset; /* every shard has applied the image of this offset */
    /** An image has arrived; nobody needs the one before it any more. */
    void (*arrived)(struct image_notes *notes, struct image *previous);
};

void image_notes_init(struct image_notes *notes, struct broker *broker,
                      void (*arrived)(struct image_notes *, struct image *));
/** next, previous, delta: as metadata_log's on_image gives them; delta is copied. */
void image_notes_send(struct image_notes *notes, struct image *next, struct image *previous,
                      const struct image_delta *delta);
/** None is on its way. */
bool image_notes_are_through(const struct image_notes *notes);
