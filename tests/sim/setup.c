/* tests/sim/setup.c - see setup.h. */
#include "tests/sim/setup.h"
#include "tests/sim/world.h"

struct broker_setup *setup_read(struct node *node, struct arena *arena, struct str text,
                                struct io **ios, unsigned io_count) {
    struct config_set *config = arena_alloc(arena, sizeof *config);
    struct listeners *listeners = arena_alloc(arena, sizeof *listeners);
    struct str error = STR_NULL;
    struct config_input input = {.text = text, .file_name = "simulated"};
    enum status st = config_load(&input, arena, config, &error);
    if (st == ST_OK) st = listeners_read(config, str_of(node->name), arena, listeners, &error);
    if (st != ST_OK) {
        world_fail(node->world, "configuration: %.*s", STR_ARG(error));
        return NULL;
    }
    struct broker_setup *setup = arena_alloc(arena, sizeof *setup);
    struct io **kept = arena_array(arena, io_count, sizeof *kept);
    for (unsigned i = 0; i < io_count; i++) kept[i] = ios[i];
    *setup = (struct broker_setup){
        .config = config, .listeners = listeners, .ios = kept, .io_count = io_count};
    return setup;
}
