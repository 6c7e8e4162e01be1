/* tools/storage_format.c - kafka-storage format: controller/format.h on a ring of its own. */
#include <stdio.h>
#include <unistd.h>
#include "base/assert.h"
#include "broker/config/listeners.h"
#include "controller/format.h"
#include "tools/ring_job.h"
#include "tools/storage.h"

#define CONFIG_BYTES_MAX (1 << 20)

struct run {
    struct format_plan plan;
    struct arena *arena;
    enum status status;
    struct str message;
};

static void format_job(struct job *job, void *argument) {
    struct run *run = argument;
    for (uint32_t i = 0; run->status == ST_OK && i < run->plan.dir_count; i++) {
        struct str dir = run->plan.dirs[i];
        run->status = format_make_dir(job, dir);
        if (run->status != ST_OK)
            run->message = arena_printf(
                run->arena, "Unable to create directory %.*s: %s", STR_ARG(dir),
                run->status == ST_EXISTS ? "it is not a directory" : status_name(run->status));
    }
    if (run->status == ST_OK)
        run->status = format_standalone(job, &run->plan, run->arena, &run->message);
}

static void list_dirs(const struct config *config, struct arena *arena, struct format_plan *plan) {
    const struct str_list *dirs = config_log_dirs(config);
    struct str *all = arena_array(arena, dirs->count + 1, sizeof *all);
    ASSERT(all != NULL && dirs->count > 0);
    plan->dirs = all;
    for (uint32_t i = 0; i < dirs->count; i++)
        all[plan->dir_count++] = arena_str(arena, dirs->items[i]);
    if (config->metadata_log_dir.ptr == NULL) return;
    uint32_t at = 0;
    while (at < plan->dir_count && !str_eq(all[at], config->metadata_log_dir)) at++;
    plan->metadata_dir = at;
    if (at == plan->dir_count) all[plan->dir_count++] = arena_str(arena, config->metadata_log_dir);
}

static void read_config(struct arena *arena, const char *path, struct config_set *set,
                        struct listeners *listeners) {
    struct str text, error = STR_NULL;
    char host[256];
    enum status st = read_whole_file(arena, path, CONFIG_BYTES_MAX, &text);
    if (st != ST_OK) cli_exit("%s: cannot be read: %s", path, status_name(st));
    if (gethostname(host, sizeof host) != 0) memcpy(host, "localhost", 10);
    host[sizeof host - 1] = '\0';
    struct config_input input = {.text = text, .file_name = path};
    st = config_load(&input, arena, set, &error);
    if (st != ST_OK) cli_exit("%.*s", STR_ARG(error));
    st = listeners_read(set, arena_str(arena, str_of(host)), arena, listeners, &error);
    if (st != ST_OK) cli_exit("%s: %.*s", path, STR_ARG(error));
}

static void plan_from(const struct config_set *set, const struct listeners *listeners,
                      struct arena *arena, struct format_plan *plan) {
    const struct listener *controller =
        &listeners->items[listeners->count > listeners->client_count ? listeners->client_count : 0];
    list_dirs(&set->values, arena, plan);
    plan->node_id = (int32_t)set->values.node_id;
    plan->controller_listener = controller->name;
    plan->controller_host =
        controller->advertised_host.len > 0 ? controller->advertised_host : STR("localhost");
    plan->controller_port = controller->advertised_port;
}

int storage_format(struct arena *arena, const struct storage_format *what) {
    struct config_set set;
    struct listeners listeners;
    struct run run = {.arena = arena};
    read_config(arena, what->config_path, &set, &listeners);
    plan_from(&set, &listeners, arena, &run.plan);
    run.plan.cluster_id = str_of(what->cluster_id);
    run.plan.ignore_formatted = what->ignore_formatted;

    ring_job_run(format_job, &run);
    if (run.status == ST_OK) {
        printf("%.*s", STR_ARG(run.message));
        return 0;
    }
    struct str why = run.message.ptr != NULL ? run.message : str_of(status_name(run.status));
    fprintf(stderr, "%.*s\n", STR_ARG(why));
    return 1;
}
