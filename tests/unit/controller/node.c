/* tests/unit/controller/node.c - see node.h. */
#include "node.h"
#include "base/logging.h"
#include "controller/format.h"
#include "golden.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void quiet(void *context, enum log_level level, const char *area, const char *text) {
    if (getenv("LOG_TEST_VERBOSE") != NULL) fprintf(stderr, "%s %s\n", area, text);
}

static void on_image(void *owner, struct image *next, struct image *previous,
                     const struct image_delta *delta) {
    struct node *node = owner;
    node->image_calls++;
    node->delta = *delta;
    cr_expect_eq(metadata_log_image(node->log), next);
    metadata_log_release(node->log, previous);
}

static void on_failure(void *owner, enum status why) {
    struct node *node = owner;
    node->failure_calls++;
}

void node_init(struct node *node) {
    *node = (struct node){0};
    logging_set_sink(quiet, NULL);
    plain_io_init(&node->plain);
    node->plain.io.now.wall_ms = 1795446284000;
    arena_init(&node->arena, &node->plain.mem, 1 << 20, 0);
    (void)snprintf(node->path, sizeof node->path, "/tmp/klamm-node-XXXXXX");
    cr_assert_not_null(mkdtemp(node->path));
    log_dir_init(&node->dir, &node->plain.io, &node->plain.jobs, str_of(node->path));
    node->open = (struct metadata_log_open){
        .dir = &node->dir,
        .cluster_id = STR("MkU3OEVBNTcwNTJENDM2Qk"),
        .node_id = 1,
        .mem = &node->plain.mem,
        .on_image = on_image,
        .on_failure = on_failure,
        .owner = node,
    };
}

static void release_dir(struct job *job, void *argument) { log_dir_release(job, argument); }

void node_release(struct node *node) {
    if (node->log != NULL) node_kill(node);
    plain_io_settle(&node->plain);
    plain_io_run(&node->plain, release_dir, &node->dir);
    arena_release(&node->arena);
    plain_io_release(&node->plain);
    cr_expect_eq(node->plain.mem.used_bytes, 0, "%zu octets are left", node->plain.mem.used_bytes);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", node->path);
    cr_assert_eq(system(command), 0);
}

struct call {
    struct node *node;
    enum status st;
};

static void run_format(struct job *job, void *argument) {
    struct call *call = argument;
    struct node *node = call->node;
    struct str dir = str_of(node->path);
    struct format_plan plan = {
        .dirs = &dir,
        .dir_count = 1,
        .cluster_id = node->open.cluster_id,
        .node_id = 1,
        .controller_listener = STR("CONTROLLER"),
        .controller_host = STR("127.0.0.1"),
        .controller_port = 31693,
    };
    struct meta_properties meta = {0};
    const char *reason;
    call->st = format_standalone(job, &plan, &node->arena, &node->message);
    if (call->st == ST_OK) call->st = meta_properties_read(job, dir, &meta, &reason);
    node->open.directory_id = meta.directory_id;
}

void node_format(struct node *node) {
    struct call call = {.node = node};
    plain_io_run(&node->plain, run_format, &call);
    cr_assert_eq(call.st, ST_OK, "%.*s", STR_ARG(node->message));
}

void node_take_golden(struct node *node, const char *without) {
    static const char *const names[] = {
        "00000000000000000000.log",
        "00000000000000000000-0000000000.checkpoint",
        "00000000000000000095-0000000003.checkpoint",
        "quorum-state",
        "leader-epoch-checkpoint",
        "partition.metadata",
    };
    struct str part = arena_printf(&node->arena, "%s/" METADATA_PART, node->path);
    cr_assert_eq(mkdir(part.ptr, 0700), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        if (without != NULL && strcmp(names[i], without) == 0) continue;
        struct str golden = arena_printf(&node->arena, "metadata/%s", names[i]);
        struct str name = arena_printf(&node->arena, METADATA_PART "%s", names[i]);
        struct bytes data = golden_file(&node->arena, golden.ptr);
        node_write(node, name.ptr, data.ptr, data.len);
    }
    cr_assert(uuid_parse(STR("5yHYEIApTu2gaB8QIlLY-w"), &node->open.directory_id));
}

static void run_load(struct job *job, void *argument) {
    struct call *call = argument;
    struct node *node = call->node;
    call->st = metadata_log_load(job, &node->open, &node->arena, &node->log, &node->message);
}
static void run_lead(struct job *job, void *argument) {
    struct call *call = argument;
    call->st = metadata_log_lead(job, call->node->log);
}
static void run_close(struct job *job, void *argument) {
    struct call *call = argument;
    call->st = metadata_log_close(job, call->node->log);
}

enum status node_load(struct node *node) {
    struct call call = {.node = node};
    plain_io_run(&node->plain, run_load, &call);
    return call.st;
}
enum status node_lead(struct node *node) {
    struct call call = {.node = node};
    plain_io_run(&node->plain, run_lead, &call);
    return call.st;
}
enum status node_close(struct node *node) {
    struct call call = {.node = node};
    plain_io_run(&node->plain, run_close, &call);
    node->log = NULL;
    return call.st;
}
void node_kill(struct node *node) {
    plain_io_settle(&node->plain);
    metadata_log_abandon(node->log);
    node->log = NULL;
}

static void draw(void *context, void *out, size_t len) { prng_fill(context, out, len); }

struct controller_context node_context(struct node *node) {
    return (struct controller_context){
        .image = metadata_log_image(node->log),
        .arena = &node->arena,
        .next_offset = metadata_log_end(node->log),
        .node_id = 1,
        .default_partitions = 1,
        .default_replication_factor = 1,
        .min_insync_replicas = 1,
        .delete_topic_enable = true,
        .random = draw,
        .random_context = &node->plain.prng,
    };
}

struct test_append {
    struct metadata_append append;
    bool is_done;
};

static void append_done(struct metadata_append *append) {
    CONTAINER_OF(append, struct test_append, append)->is_done = true;
}

enum status node_append(struct node *node, const struct controller_records *records) {
    struct test_append test = {
        .append = {.done = append_done, .values = records->values, .count = records->count}};
    cr_assert_eq(records->status, ST_OK);
    metadata_log_append(node->log, &test.append);
    cr_expect(!test.is_done, "done is never called from within");
    plain_io_settle(&node->plain);
    cr_assert(test.is_done);
    return test.append.status;
}

enum status node_register(struct node *node) {
    struct broker_endpoint client = {STR("PLAINTEXT"), STR("127.0.0.1"), 31692, 0};
    struct broker_endpoint controller = {STR("CONTROLLER"), STR("127.0.0.1"), 31693, 0};
    struct broker_registration registration = {
        .id = 1,
        .incarnation_id = {{7}},
        .endpoints = &client,
        .endpoint_count = 1,
        .controller_endpoints = &controller,
        .controller_endpoint_count = 1,
        .directories = &node->open.directory_id,
        .directory_count = 1,
    };
    registration.bootstrap = metadata_log_bootstrap(node->log, &registration.bootstrap_count);
    struct controller_context context = node_context(node);
    struct controller_records records;
    int64_t epoch;
    controller_records_init(&records, &node->arena);
    controller_register(&context, &registration, &epoch, &records);
    return node_append(node, &records);
}

int16_t node_create(struct node *node, const char *topic, int32_t partitions) {
    struct create_topics_request request;
    struct create_topics_response response;
    struct create_topics_request_creatable_topic creatable;
    create_topics_request_defaults(&request);
    create_topics_request_creatable_topic_defaults(&creatable);
    creatable.name = str_of(topic);
    creatable.num_partitions = partitions;
    creatable.replication_factor = -1;
    request.topics = &creatable;
    request.topics_count = 1;
    struct controller_context context = node_context(node);
    struct controller_records records;
    controller_create_topics(&context, &request, 7, &response, &records);
    cr_assert_eq(response.topics_count, 1);
    if (records.count > 0) cr_assert_eq(node_append(node, &records), ST_OK);
    return response.topics[0].error_code;
}

int16_t node_delete(struct node *node, const char *topic) {
    struct delete_topics_request request;
    struct delete_topics_response response;
    struct str name = str_of(topic);
    delete_topics_request_defaults(&request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    struct controller_context context = node_context(node);
    struct controller_records records;
    controller_delete_topics(&context, &request, 5, &response, &records);
    cr_assert_eq(response.responses_count, 1);
    if (records.count > 0) cr_assert_eq(node_append(node, &records), ST_OK);
    return response.responses[0].error_code;
}

struct bytes node_read(struct node *node, const char *name) {
    struct str path = arena_printf(&node->arena, "%s/%s", node->path, name);
    FILE *file = fopen(path.ptr, "rb");
    if (file == NULL) return BYTES_NULL;
    enum { LIMIT = 1 << 20 };
    uint8_t *data = arena_alloc(&node->arena, LIMIT);
    size_t len = fread(data, 1, LIMIT, file);
    cr_assert_lt(len, LIMIT);
    (void)fclose(file);
    return (struct bytes){data, len};
}

void node_write(struct node *node, const char *name, const void *data, size_t len) {
    struct str path = arena_printf(&node->arena, "%s/%s", node->path, name);
    FILE *file = fopen(path.ptr, "wb");
    cr_assert_not_null(file, "%s", path.ptr);
    cr_assert_eq(fwrite(data, 1, len, file), len);
    (void)fclose(file);
}
