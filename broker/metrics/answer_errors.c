/* broker/metrics/answer_errors.c - the schema, walked once; then the answers, along the paths. */
#include "broker/metrics/answer_errors.h"
#include "base/assert.h"
#include "base/breathe.h"
#include "protocol/codec_field.h"

/* Where the search stands in one struct. */
struct place {
    const struct layout *layout;
    uint32_t base; /* offset of this struct's fields: not 0 when it lies within its parent */
    uint16_t next; /* field to look at */
    bool is_step;  /* it was reached by a step of the path */
};

static bool is_error_code(const struct field *field) {
    return field->type == FIELD_INT16 && (field->flags & FIELD_ARRAY) == 0 &&
           strcmp(field->name, "errorCode") == 0;
}

/* Goes through all structs of the layout, depth first; the count of errorCodes, which are written
 * to `out` where that is not NULL. */
static uint32_t find(const struct layout *layout, struct error_path *out) {
    struct place stack[CODEC_DEPTH_MAX];
    struct error_path path = {0};
    uint32_t depth = 0, found = 0;
    stack[0] = (struct place){.layout = layout};
    for (;;) {
        struct place *place = &stack[depth];
        if (place->next == place->layout->field_count) {
            if (depth == 0) return found;
            if (place->is_step) path.step_count--;
            depth--;
            continue;
        }
        const struct field *field = &place->layout->fields[place->next++];
        if (is_error_code(field)) {
            path.code_offset = place->base + field->offset;
            if (out != NULL) out[found] = path;
            found++;
        } else if (field->type == FIELD_STRUCT) {
            bool is_step = (field->flags & (FIELD_ARRAY | FIELD_POINTER)) != 0;
            struct place below = {.layout = field->layout, .is_step = is_step};
            if (is_step) {
                ASSERT(path.step_count < ERROR_PATH_STEPS);
                path.steps[path.step_count].offset = place->base + field->offset;
                path.steps[path.step_count].item_bytes =
                    (field->flags & FIELD_ARRAY) != 0 ? field->layout->bytes : 0;
                path.step_count++;
            } else {
                below.base = place->base + field->offset;
            }
            ASSERT(depth + 1 < CODEC_DEPTH_MAX);
            stack[++depth] = below;
        }
    }
}

struct error_paths error_paths_make(const struct schema *response, struct arena *arena) {
    uint32_t count = find(response->layout, NULL);
    struct error_path *paths = arena_array(arena, count, sizeof *paths);
    if (paths == NULL) return (struct error_paths){0};
    (void)find(response->layout, paths); /* as many as before */
    return (struct error_paths){.paths = paths, .count = count};
}

/* The items that one step leads to. */
struct items {
    const uint8_t *at;
    uint32_t left, bytes;
};

static struct items items_of(const struct error_path *path, uint32_t step, const uint8_t *object) {
    const uint8_t *slot = object + path->steps[step].offset;
    uint32_t bytes = path->steps[step].item_bytes;
    const struct field_array *array = (const struct field_array *)(const void *)slot;
    if (bytes > 0) {
        bool any = array->items != NULL && array->count > 0;
        return (struct items){array->items, any ? (uint32_t)array->count : 0, bytes};
    }
    const uint8_t *pointed;
    memcpy(&pointed, slot, sizeof pointed);
    return (struct items){pointed, pointed != NULL, 0};
}

static void walk(const struct error_path *path, const uint8_t *answer,
                 void (*found)(void *context, int16_t error), void *context) {
    struct items levels[ERROR_PATH_STEPS + 1];
    uint32_t depth = 0;
    levels[0] = (struct items){answer, 1, 0};
    for (;;) {
        struct items *level = &levels[depth];
        if (level->left == 0) {
            if (depth == 0) return;
            depth--;
            continue;
        }
        const uint8_t *object = level->at;
        level->at += level->bytes;
        level->left--;
        if (depth < path->step_count) {
            levels[depth + 1] = items_of(path, depth, object);
            depth++;
            continue;
        }
        int16_t error;
        memcpy(&error, object + path->code_offset, sizeof error);
        if (error != 0) found(context, error);
        breathe();
    }
}

void error_paths_walk(const struct error_paths *paths, const void *answer,
                      void (*found)(void *context, int16_t error), void *context) {
    for (uint32_t i = 0; i < paths->count; i++) walk(&paths->paths[i], answer, found, context);
}
