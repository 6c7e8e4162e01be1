/* tests/unit/controller/format.c - our files beside those of `kafka-storage format --standalone`.
 */
#include "controller/format.h"
#include "golden.h"
#include "protocol/batch.h"
#include "tests/lib/plain_io.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct plain_io plain;
static struct arena arena;
static char root[] = "/tmp/klamm-format-XXXXXX";

static void setup(void) {
    plain_io_init(&plain);
    plain.io.now.wall_ms = 1795446284000; /* Mon Nov 23 15:04:44 UTC 2026 */
    arena_init(&arena, &plain.mem, 1 << 20, 0);
    cr_assert_not_null(mkdtemp(root));
}
static void teardown(void) {
    char command[128];
    arena_release(&arena);
    plain_io_release(&plain);
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
    cr_expect_eq(plain.mem.used_bytes, 0, "%zu octets are left", plain.mem.used_bytes);
}
TestSuite(format, .init = setup, .fini = teardown);

struct run {
    struct format_plan plan;
    struct found_dirs found;
    enum status st;
    struct str message;
};

static void run_format(struct job *job, void *argument) {
    struct run *run = argument;
    run->st = format_standalone(job, &run->plan, &arena, &run->message);
}
static void run_inspect(struct job *job, void *argument) {
    struct run *run = argument;
    run->st = format_inspect(job, run->plan.dirs, run->plan.dir_count, &arena, &run->found,
                             &run->message);
}

static void run_find_data(struct job *job, void *argument) {
    struct run *run = argument;
    run->st = format_find_data(job, run->plan.dirs[0], &arena, &run->message);
}

static struct str in_root(const char *name) { return arena_printf(&arena, "%s/%s", root, name); }

/* --- directories --- */

struct making {
    struct str dir;
    enum status st;
};
static void run_make_dir(struct job *job, void *argument) {
    struct making *making = argument;
    making->st = format_make_dir(job, making->dir);
}

static struct {
    char paths[256]; /* below root, a space after each */
    int below, above;
} synced;
static int note_sync(struct plain_io *io, const struct plain_call *call) {
    (void)io;
    if (call->kind != PLAIN_DIR_SYNC) return 0;
    size_t root_len = strlen(root);
    bool is_below = strncmp(call->path, root, root_len) == 0;
    synced.below += is_below;
    synced.above += !is_below;
    if (!is_below) return 0;
    size_t len = strlen(synced.paths);
    (void)snprintf(synced.paths + len, sizeof synced.paths - len, "%s/ ", call->path + root_len);
    return 0;
}

static enum status make(const char *name) {
    struct making making = {.dir = in_root(name)};
    memset(&synced, 0, sizeof synced);
    plain.fault = note_sync;
    plain_io_run(&plain, run_make_dir, &making);
    plain.fault = NULL;
    return making.st;
}

static void put(const char *name, bool is_file) {
    const char *path = arena_printf(&arena, "%s/%s%c", root, name, 0).ptr;
    if (!is_file) {
        cr_assert_eq(mkdir(path, 0755), 0);
        return;
    }
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fclose(file), 0);
}

/* A power cut takes a directory whose name is not synced, with all that is durable in it. */
Test(format, the_names_of_a_data_directory_and_its_parents_are_durable) {
    cr_expect_eq(make("a/b/c"), ST_OK);
    cr_expect_str_eq(synced.paths, "/ /a/ /a/b/ ");
    cr_expect_eq(make("a/b/c"), ST_OK, "by a start that crashed");
    cr_expect_str_eq(synced.paths, "/ /a/ /a/b/ ");
    put("d", false);
    cr_expect_eq(make("d/e"), ST_OK, "the rest of it");
    cr_expect_str_eq(synced.paths, "/ /d/ ");
    put("a/b/c/meta.properties", true);
    cr_expect_eq(make("a/b/c"), ST_OK);
    cr_expect_eq(synced.below + synced.above, 0, "formatted: nothing is left to do");
    put("file", true);
    cr_expect_eq(make("file"), ST_EXISTS);
    cr_expect_neq(make("file/f"), ST_OK);
}


static struct run format(struct run run) {
    run.plan.node_id = run.plan.node_id != 0 ? run.plan.node_id : 1;
    run.plan.controller_listener = STR("CONTROLLER");
    run.plan.controller_host = STR("127.0.0.1");
    run.plan.controller_port = 31693;
    plain_io_run(&plain, run_format, &run);
    return run;
}

static struct bytes file(struct str path) {
    FILE *f = fopen(path.ptr, "rb");
    cr_assert_not_null(f, "%s", path.ptr);
    uint8_t *data = arena_alloc(&arena, 4096);
    size_t len = fread(data, 1, 4096, f);
    (void)fclose(f);
    return (struct bytes){data, len};
}

/* Takes away what differs from run to run: times, checksums over them, the directory id. */
static struct bytes neutral(struct bytes in, struct uuid directory_id) {
    uint8_t *out = (uint8_t *)(uintptr_t)arena_bytes(&arena, in).ptr;
    enum { HEADER_TIME_AT = BATCH_HEADER_BYTES + 12 };
    for (size_t at = 0; at < in.len;) {
        struct batch_view view;
        struct bytes rest = {in.ptr + at, in.len - at};
        cr_assert_eq(batch_open(rest, &view), ST_OK, "at %zu", at);
        cr_assert(batch_crc_matches((struct bytes){in.ptr + at, view.batch_bytes}), "at %zu", at);
        memset(out + at + BATCH_AT_CRC, 0, 4);
        memset(out + at + BATCH_AT_BASE_TIMESTAMP, 0, 16);
        if (at == 0) memset(out + HEADER_TIME_AT, 0, 8);
        at += view.batch_bytes;
    }
    uint8_t *id = memmem(out, in.len, directory_id.b, 16);
    if (id != NULL) memset(id, 0, 16);
    return (struct bytes){out, in.len};
}

static void expect_same(const char *what, struct bytes ours, struct bytes kafkas) {
    cr_assert_eq(ours.len, kafkas.len, "%s: %zu octets, Kafka's has %zu", what, ours.len,
                 kafkas.len);
    for (size_t i = 0; i < ours.len; i++) {
        cr_assert_eq(ours.ptr[i], kafkas.ptr[i], "%s: octet %zu is %02x, Kafka's %02x", what, i,
                     ours.ptr[i], kafkas.ptr[i]);
    }
}

/* The text of one key, and its place taken by '-'. */
static struct str take_value(struct bytes properties, const char *key) {
    char *at = memmem(properties.ptr, properties.len, key, strlen(key));
    cr_assert_not_null(at, "%s", key);
    at += strlen(key);
    size_t len = strcspn(at, "\n");
    struct str value = arena_str(&arena, (struct str){at, len});
    memset(at, '-', len);
    return value;
}

Test(format, writes_kafkas_files) {
    struct str dir = in_root("data/deep");
    struct run run = {.plan = {.dirs = &dir, .dir_count = 1}};
    run.plan.cluster_id = STR("MkU3OEVBNTcwNTJENDM2Qk");
    run = format(run);
    cr_assert_eq(run.st, ST_OK, "%.*s", STR_ARG(run.message));
    struct str expected = arena_printf(&arena,
                                       "Formatting dynamic metadata voter directory %s with "
                                       "metadata.version 4.3-IV0.\n",
                                       dir.ptr);
    cr_expect(str_eq(run.message, expected), "%.*s", STR_ARG(run.message));

    struct bytes ours = file(in_root("data/deep/meta.properties"));
    struct bytes kafkas = golden_file(&arena, "format/meta.properties");
    struct uuid our_id, kafkas_id;
    cr_assert(uuid_parse(take_value(ours, "directory.id="), &our_id));
    cr_assert(uuid_parse(take_value(kafkas, "directory.id="), &kafkas_id));
    struct str our_date = take_value(ours, "#\n#"), kafkas_date = take_value(kafkas, "#\n#");
    cr_expect_eq(our_date.len, kafkas_date.len, "%.*s", STR_ARG(our_date));
    cr_expect_str_eq(our_date.ptr, "Mon Nov 23 15:04:44 UTC 2026");
    expect_same("meta.properties", ours, kafkas);

    expect_same("bootstrap.checkpoint",
                neutral(file(in_root("data/deep/bootstrap.checkpoint")), our_id),
                neutral(golden_file(&arena, "format/bootstrap.checkpoint"), kafkas_id));
    const char *name = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";
    struct str path = arena_printf(&arena, "%s/%s", dir.ptr, name);
    struct str golden = arena_printf(&arena, "format/%s", name);
    expect_same(name, neutral(file(path), our_id),
                neutral(golden_file(&arena, golden.ptr), kafkas_id));
    struct stat stat_of;
    cr_assert_eq(stat(path.ptr, &stat_of), 0);
    cr_expect_eq(stat_of.st_mode & 0777, 0400, "as Kafka's; got %o", stat_of.st_mode & 0777);
}

Test(format, gives_each_directory_its_own_id_and_the_metadata_one_the_voters) {
    struct str dirs[] = {in_root("a"), in_root("b"), in_root("c")};
    struct run run = {.plan = {.dirs = dirs, .dir_count = 3, .metadata_dir = 1}};
    run = format(run);
    cr_assert_eq(run.st, ST_OK, "%.*s", STR_ARG(run.message));
    plain_io_run(&plain, run_inspect, &run);
    cr_assert_eq(run.st, ST_OK, "%.*s", STR_ARG(run.message));
    cr_expect_eq(run.found.formatted_count, 3);
    cr_expect(!uuid_eq(run.found.metas[0].directory_id, run.found.metas[1].directory_id));
    cr_expect_str_eq(run.found.metas[0].cluster_id, run.found.metas[2].cluster_id);
    cr_expect_eq(strlen(run.found.metas[0].cluster_id), UUID_TEXT_BYTES, "a random one");
    cr_expect_neq(access(in_root("a/__cluster_metadata-0").ptr, F_OK), 0);
    cr_expect_eq(access(in_root("b/__cluster_metadata-0").ptr, F_OK), 0);
    cr_expect_eq(access(in_root("c/bootstrap.checkpoint").ptr, F_OK), 0);
}

static void write_text(struct str path, const char *text) {
    FILE *f = fopen(path.ptr, "wb");
    cr_assert_not_null(f, "%s", path.ptr);
    (void)fputs(text, f);
    (void)fclose(f);
}

Test(format, leaves_what_is_formatted) {
    struct str dirs[] = {in_root("a"), in_root("b")};
    struct run run = {.plan = {.dirs = dirs, .dir_count = 1}};
    run.plan.cluster_id = STR("abc");
    run = format(run);
    cr_assert_eq(run.st, ST_OK, "%.*s", STR_ARG(run.message));
    struct bytes before = file(in_root("a/meta.properties"));
    run.plan.dir_count = 2;
    static const struct {
        const char *name;
        bool ignore;
        int32_t node_id;
        const char *cluster;
        enum status want;
        const char *message;
    } rows[] = {
        {"not asked to ignore", false, 1, "abc", ST_EXISTS, "is already formatted. Use"},
        {"another cluster", true, 1, "abd", ST_INVALID, "Expected abd, but read abc"},
        {"another node", true, 2, "abc", ST_INVALID, "Stored node id 1 doesn't match"},
        {"the rest", true, 1, "abc", ST_OK, "Formatting data directory"},
        {"nothing is left", true, 1, NULL, ST_OK, "All of the log directories are already"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        run.plan.ignore_formatted = rows[i].ignore;
        run.plan.node_id = rows[i].node_id;
        run.plan.cluster_id = str_of(rows[i].cluster);
        run = format(run);
        cr_expect_eq(run.st, rows[i].want, "%s: got %s", rows[i].name, status_name(run.st));
        cr_expect_not_null(strstr(run.message.ptr, rows[i].message), "%s: says %.*s", rows[i].name,
                           STR_ARG(run.message));
        bool is_made = access(dirs[1].ptr, F_OK) == 0;
        cr_expect_eq(is_made, i >= 3, "%s", rows[i].name);
    }
    struct bytes after = file(in_root("a/meta.properties"));
    cr_expect(bytes_eq(before, after));
}

Test(format, inspect_names_the_file_that_is_wrong) {
    static const struct {
        const char *name, *a, *b;
        enum status want;
        const char *message;
    } rows[] = {
        {"alike", "version=1\nnode.id=1\ncluster.id=x\n", "version=1\nnode.id=1\ncluster.id=x\n",
         ST_OK, NULL},
        {"two clusters", "version=1\nnode.id=1\ncluster.id=x\n",
         "version=1\nnode.id=1\ncluster.id=y\n", ST_INVALID,
         "b/meta.properties. Expected x, but read y"},
        {"two nodes", "version=1\nnode.id=1\ncluster.id=x\n",
         "version=1\nnode.id=2\ncluster.id=x\n", ST_INVALID, "node id 1 in"},
        {"one id twice",
         "version=1\nnode.id=1\ncluster.id=x\ndirectory.id=62XwnwizQH-qqQhDyegzBQ\n",
         "version=1\nnode.id=1\ncluster.id=x\ndirectory.id=62XwnwizQH-qqQhDyegzBQ\n", ST_INVALID,
         "Duplicate directory ID 62XwnwizQH-qqQhDyegzBQ"},
        {"reserved id", "version=1\nnode.id=1\ncluster.id=x\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n",
         "version=1\nnode.id=1\ncluster.id=x\n", ST_CORRUPT, "a/meta.properties: its directory.id"},
        {"no node", "version=1\nnode.id=1\ncluster.id=x\n", "version=1\ncluster.id=x\n", ST_CORRUPT,
         "b/meta.properties"},
    };
    struct str dirs[] = {in_root("a"), in_root("b"), in_root("missing")};
    cr_assert_eq(mkdir(dirs[0].ptr, 0700) | mkdir(dirs[1].ptr, 0700), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        write_text(in_root("a/meta.properties"), rows[i].a);
        write_text(in_root("b/meta.properties"), rows[i].b);
        struct run run = {.plan = {.dirs = dirs, .dir_count = 3}};
        plain_io_run(&plain, run_inspect, &run);
        cr_expect_eq(run.st, rows[i].want, "%s: got %s", rows[i].name, status_name(run.st));
        if (rows[i].message == NULL) {
            cr_expect_eq(run.found.formatted_count, 2, "%s", rows[i].name);
            continue;
        }
        cr_assert_not_null(run.message.ptr, "%s", rows[i].name);
        cr_expect_not_null(strstr(run.message.ptr, rows[i].message), "%s: says %.*s", rows[i].name,
                           STR_ARG(run.message));
    }
}

Test(format, data_is_told_from_an_empty_directory_and_an_unfinished_formatting) {
    static const struct {
        const char *name, *make, *found;
    } rows[] = {
        {"nothing", "true", NULL},
        {"a lock and lost+found", "touch .lock && mkdir lost+found", NULL},
        {"an unfinished formatting",
         "mkdir __cluster_metadata-0 && touch bootstrap.checkpoint.tmp "
         "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
         NULL},
        {"a metadata log",
         "mkdir __cluster_metadata-0 && touch __cluster_metadata-0/00000000000000000000.log",
         "__cluster_metadata-0/00000000000000000000.log"},
        {"a partition", "mkdir topic-0", "topic-0"},
        {"somebody's file", "touch letter.txt", "letter.txt"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char command[512];
        struct str dir = in_root("dir");
        struct run run = {.plan = {.dirs = &dir, .dir_count = 1}};
        (void)snprintf(command, sizeof command, "rm -rf '%s' && mkdir '%s' && cd '%s' && %s",
                       dir.ptr, dir.ptr, dir.ptr, rows[i].make);
        cr_assert_eq(system(command), 0, "%s", rows[i].name);
        plain_io_run(&plain, run_find_data, &run);
        cr_expect_eq(run.st, ST_OK, "%s: %s", rows[i].name, status_name(run.st));
        cr_expect(str_eq(run.message, str_of(rows[i].found)), "%s: found %.*s", rows[i].name,
                  STR_ARG(run.message));
    }
}
