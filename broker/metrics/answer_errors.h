/* broker/metrics/answer_errors.h - which error codes an answer carries: its own, and those of each
 * topic, partition or other thing in it. The fields named errorCode are looked up in the response's
 * schema once, when the broker starts; going through an answer then touches only the arrays that
 * lead to them. */
#pragma once
#include "base/arena.h"
#include "protocol/codec.h"

#define ERROR_PATH_STEPS (CODEC_DEPTH_MAX - 1)

/* From the response struct through arrays, pointers and structs to one errorCode. */
struct error_path {
    struct {
        uint32_t offset;     /* of the array (pointer, count) or the pointer */
        uint32_t item_bytes; /* 0: a pointer to one struct, not an array */
    } steps[ERROR_PATH_STEPS];
    uint32_t step_count;
    uint32_t code_offset;
};

struct error_paths {
    const struct error_path *paths;
    uint32_t count;
};

/** The paths of one response schema; arena. */
struct error_paths error_paths_make(const struct schema *response, struct arena *arena);
/** Calls found for every errorCode of the answer that is not 0. */
void error_paths_walk(const struct error_paths *paths, const void *answer,
                      void (*found)(void *context, int16_t error), void *context);
