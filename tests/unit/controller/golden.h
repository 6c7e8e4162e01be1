/* tests/unit/controller/golden.h - metadata logs and snapshots that Apache Kafka wrote, for the
 * tests of controller/. */
#pragma once
#include "base/arena.h"
#include "controller/metadata/image.h"

/** A whole file of tests/golden, in the arena; the test fails when it is missing. */
struct bytes golden_file(struct arena *arena, const char *name);
/** Applies the data batches of a log or snapshot file below end_offset, one after the other, and
 *  frees the image before. A snapshot's offset and epoch are its own affair. */
struct image *golden_apply(struct image *image, struct bytes file, int64_t end_offset,
                           struct arena *arena);
/** The records of an image, one JSON line each, sorted; arena. */
struct str golden_text(const struct image *image, struct arena *arena);
