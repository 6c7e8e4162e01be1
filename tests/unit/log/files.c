/* tests/unit/log/files.c - the small files of a log directory: checkpoints, meta.properties, the
 * marker of a clean stop, the lock, what a directory holds. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>
#include "log/leader_epochs.h"
#include "log/names.h"
#include "tests/unit/log/fixture.h"

struct work {
    struct fixture *fx;
    struct arena arena;
    const char *file;
    struct checkpoint checkpoint;
    struct meta_properties meta;
    struct found_partition *found;
    const char *reason;
    int64_t epoch;
    uint32_t line, count;
    int fd;
    enum status st;
};

static enum status run(struct work *w, job_fn *fn) {
    plain_io_run(&w->fx->plain, fn, w);
    return w->st;
}
static void read_checkpoint(struct job *job, void *argument) {
    struct work *w = argument;
    w->st = checkpoint_read(job, str_of(w->fx->path), w->file, &w->arena, &w->checkpoint, &w->line);
}
static void write_checkpoint(struct job *job, void *argument) {
    struct work *w = argument;
    w->st = checkpoint_write(job, str_of(w->fx->path), w->file, &w->checkpoint);
}
static void read_meta(struct job *job, void *argument) {
    struct work *w = argument;
    w->st = meta_properties_read(job, str_of(w->fx->path), &w->meta, &w->reason);
}
static void write_meta(struct job *job, void *argument) {
    struct work *w = argument;
    w->st = meta_properties_write(job, str_of(w->fx->path), &w->meta);
}
static void take_marker(struct job *job, void *argument) {
    struct work *w = argument;
    w->st = log_dir_take_clean_marker(job, str_of(w->fx->path), &w->epoch);
}
static void write_marker(struct job *job, void *argument) {
    struct work *w = argument;
    w->st = log_dir_write_clean_marker(job, str_of(w->fx->path), w->epoch);
}
static void lock(struct job *job, void *argument) {
    struct work *w = argument;
    w->st = log_dir_lock(job, str_of(w->fx->path), &w->fd);
}
static void scan(struct job *job, void *argument) {
    struct work *w = argument;
    w->st = log_dir_scan(job, str_of(w->fx->path), &w->arena, &w->found, &w->count);
}

static void begin(struct work *w, struct fixture *fx, const char *file) {
    fixture_init(fx);
    *w = (struct work){.fx = fx, .file = file};
    arena_init(&w->arena, &fx->plain.mem, 4096, 0);
}
static void end(struct work *w) {
    arena_release(&w->arena);
    fixture_release(w->fx);
}

static void join(char path[512], const char *dir, const char *name) {
    int n = snprintf(path, 512, "%s/%s", dir, name);
    cr_assert(n > 0 && n < 512);
}

static void put(const struct fixture *fx, const char *name, const char *text) {
    char path[512];
    join(path, fx->path, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}
static char *get(const struct fixture *fx, const char *name) {
    char path[512];
    static char text[4096];
    join(path, fx->path, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

Test(files, a_checkpoint_is_read_sorted_or_its_wrong_line_is_named) {
    static const struct {
        const char *name, *text;
        enum status want;
        uint32_t count, line;
    } rows[] = {
        {"empty, as before the first write", "", ST_OK, 0, 0},
        {"no entries", "0\n0\n", ST_OK, 0, 2},
        {"as Kafka writes it", "0\n2\nb 0 7\na 10 5\n", ST_OK, 2, 4},
        {"without the last line end", "0\n1\na 1 5", ST_OK, 1, 3},
        {"version 1", "1\n0\n", ST_CORRUPT, 0, 1},
        {"no version", "x\n", ST_CORRUPT, 0, 1},
        {"no count", "0\n", ST_CORRUPT, 0, 2},
        {"negative count", "0\n-1\n", ST_CORRUPT, 0, 2},
        {"a count beyond the file", "0\n1000000000\na 0 1\n", ST_CORRUPT, 0, 2},
        {"fewer lines than said", "0\n2\na 0 1\n", ST_CORRUPT, 0, 4},
        {"more lines than said", "0\n1\na 0 1\nb 0 1\n", ST_CORRUPT, 0, 4},
        {"a word too few", "0\n1\na 0\n", ST_CORRUPT, 0, 3},
        {"a word too many", "0\n1\na 0 1 2\n", ST_CORRUPT, 0, 3},
        {"a partition that is none", "0\n1\na x 1\n", ST_CORRUPT, 0, 3},
        {"a partition above int32", "0\n1\na 2147483648 1\n", ST_CORRUPT, 0, 3},
        {"an offset above int64", "0\n1\na 0 9223372036854775808\n", ST_CORRUPT, 0, 3},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        struct work w;
        begin(&w, &fx, "recovery-point-offset-checkpoint");
        put(&fx, w.file, rows[i].text);
        cr_expect_eq(run(&w, read_checkpoint), rows[i].want, "%s: %s", rows[i].name,
                     status_name(w.st));
        cr_expect_eq(w.checkpoint.count, rows[i].count, "%s", rows[i].name);
        cr_expect_eq(w.line, rows[i].line, "%s: line %u", rows[i].name, w.line);
        if (rows[i].count == 2) {
            cr_expect_eq(checkpoint_find(&w.checkpoint, STR("a"), 10, -1), 5);
            cr_expect_eq(checkpoint_find(&w.checkpoint, STR("b"), 0, -1), 7);
            cr_expect_eq(checkpoint_find(&w.checkpoint, STR("b"), 1, -1), -1);
        }
        end(&w);
    }
}

Test(files, a_checkpoint_is_written_as_kafka_writes_it_and_replaced_whole) {
    struct fixture fx;
    struct work w;
    begin(&w, &fx, "log-start-offset-checkpoint");
    cr_expect_eq(run(&w, read_checkpoint), ST_OK, "missing is empty");
    cr_expect_eq(w.checkpoint.count, 0);
    struct checkpoint_entry entries[] = {{STR("a"), 0, 5}, {STR("a-b"), 12, INT64_MAX}};
    w.checkpoint = (struct checkpoint){entries, 2};
    cr_expect_eq(run(&w, write_checkpoint), ST_OK);
    cr_expect_str_eq(get(&fx, w.file), "0\n2\na 0 5\na-b 12 9223372036854775807\n");
    cr_expect_null(get(&fx, "log-start-offset-checkpoint.tmp"));
    end(&w);
}

Test(files, meta_properties_are_read_in_any_order_or_refused_with_a_reason) {
    static const struct {
        const char *name, *text, *reason;
    } rows[] = {
        {"as Kafka writes it",
         "#\n#Mon Nov 23 14:56:18 UTC 2026\nversion=1\nnode.id=7\n"
         "directory.id=AQIDAAAAAAAAAAAAAAAAAA\ncluster.id=abc\n",
         NULL},
        {"without a directory id", "version=1\nnode.id=7\ncluster.id=abc\n", NULL},
        {"no version", "node.id=7\ncluster.id=abc\n", "it has no version"},
        {"version 0", "version=0\nbroker.id=7\n", "its version is not 1"},
        {"no cluster", "version=1\nnode.id=7\n", "it has no cluster.id"},
        {"no node", "version=1\ncluster.id=abc\n", "it has no node.id"},
        {"a negative node", "version=1\ncluster.id=abc\nnode.id=-1\n", "its node.id is no node id"},
        {"a bad directory id", "version=1\ncluster.id=abc\nnode.id=1\ndirectory.id=??\n",
         "its directory.id is no uuid"},
        {"a bad escape", "version=1\ncluster.id=\\u12\n", "it has a malformed escape"},
        {"empty", "", "it has no version"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        struct work w;
        begin(&w, &fx, NULL);
        cr_expect_eq(run(&w, read_meta), ST_NOT_FOUND);
        put(&fx, "meta.properties", rows[i].text);
        cr_expect_eq(run(&w, read_meta), rows[i].reason == NULL ? ST_OK : ST_CORRUPT, "%s",
                     rows[i].name);
        cr_expect_str_eq(w.reason != NULL ? w.reason : "", rows[i].reason ? rows[i].reason : "",
                         "%s", rows[i].name);
        if (w.st == ST_OK) {
            cr_expect_str_eq(w.meta.cluster_id, "abc");
            cr_expect_eq(w.meta.node_id, 7);
            struct meta_properties before = w.meta;
            cr_expect_eq(run(&w, write_meta), ST_OK);
            cr_expect_eq(run(&w, read_meta), ST_OK);
            cr_expect_eq(memcmp(&before, &w.meta, sizeof before), 0, "%s", rows[i].name);
        }
        end(&w);
    }
}

/* KAFKA-15375, KAFKA-10471: the marker is gone, durably, before anything else happens. */
static bool unlinked, synced;
static int watch(struct plain_io *plain, const struct plain_call *call) {
    if (call->kind == PLAIN_UNLINK) unlinked = true;
    if (call->kind == PLAIN_DIR_SYNC) synced = unlinked;
    return 0;
}

Test(files, the_marker_of_a_clean_stop_is_taken_once) {
    struct fixture fx;
    struct work w;
    begin(&w, &fx, NULL);
    cr_expect_eq(run(&w, take_marker), ST_NOT_FOUND);
    w.epoch = 42;
    cr_expect_eq(run(&w, write_marker), ST_OK);
    cr_expect_str_eq(get(&fx, ".kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":42}");
    w.epoch = 0;
    fx.plain.fault = watch;
    cr_expect_eq(run(&w, take_marker), ST_OK);
    cr_expect_eq(w.epoch, 42);
    cr_expect(synced);
    synced = false;
    cr_expect_eq(run(&w, take_marker), ST_NOT_FOUND);
    cr_expect(synced, "a start before may have died between the two");
    put(&fx, ".kafka_cleanshutdown", "");
    cr_expect_eq(run(&w, take_marker), ST_OK, "an empty one is still one");
    cr_expect_eq(w.epoch, -1);
    end(&w);
}

Test(files, a_directory_locked_by_a_living_process_is_busy) {
    struct fixture fx;
    struct work w;
    begin(&w, &fx, NULL);
    cr_assert_eq(run(&w, lock), ST_OK);
    close(w.fd);
    int ready[2], stop[2];
    cr_assert_eq(pipe(ready), 0);
    cr_assert_eq(pipe(stop), 0);
    pid_t child = fork();
    if (child == 0) {
        char path[512], octet = 0;
        join(path, fx.path, ".lock");
        int fd = open(path, O_RDWR);
        struct flock taken = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_SETLK, &taken) != 0) _exit(1);
        if (write(ready[1], "x", 1) != 1 || read(stop[0], &octet, 1) < 0) _exit(1);
        _exit(0);
    }
    char octet;
    cr_assert_eq(read(ready[0], &octet, 1), 1);
    cr_expect_eq(run(&w, lock), ST_BUSY);
    cr_assert_eq(write(stop[1], "x", 1), 1);
    waitpid(child, NULL, 0);
    cr_expect_eq(run(&w, lock), ST_OK);
    close(w.fd);
    end(&w);
}

Test(files, a_directory_is_told_by_its_name) {
    static const struct {
        const char *name;
        enum status want;
        enum found_kind kind;
        const char *topic;
        int32_t partition;
    } rows[] = {
        {"t-0", ST_OK, FOUND_PARTITION, "t", 0},
        {"a-b-c-17", ST_OK, FOUND_PARTITION, "a-b-c", 17},
        {"__cluster_metadata-0", ST_OK, FOUND_CLUSTER_METADATA, "__cluster_metadata", 0},
        {"t-1.0123456789abcdef0123456789abcdef-delete", ST_OK, FOUND_DELETED, "t", 1},
        {"t-1.0123456789abcdef0123456789abcdef-future", ST_OK, FOUND_FUTURE, "t", 1},
        {"t-1.0123456789abcdef0123456789abcdef-stray", ST_OK, FOUND_STRAY, "t", 1},
        {"a.0123456789abcdef0123456789abcdef-delete-3", ST_OK, FOUND_PARTITION,
         "a.0123456789abcdef0123456789abcdef-delete", 3},
        {"t", ST_CORRUPT, 0, NULL, 0},
        {"t-", ST_CORRUPT, 0, NULL, 0},
        {"-1", ST_CORRUPT, 0, NULL, 0},
        {"t-x", ST_CORRUPT, 0, NULL, 0},
        {"t-4294967296", ST_CORRUPT, 0, NULL, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        struct work w;
        char path[512];
        begin(&w, &fx, NULL);
        join(path, fx.path, rows[i].name);
        cr_assert_eq(mkdir(path, 0700), 0);
        join(path, fx.path, ".hidden");
        cr_assert_eq(mkdir(path, 0700), 0);
        put(&fx, "a-file-0", "");
        cr_expect_eq(run(&w, scan), rows[i].want, "%s", rows[i].name);
        if (w.st == ST_OK) {
            cr_assert_eq(w.count, 1, "%s", rows[i].name);
            cr_expect_eq(w.found[0].kind, rows[i].kind, "%s", rows[i].name);
            cr_expect(str_eq(w.found[0].topic, str_of(rows[i].topic)), "%s", rows[i].name);
            cr_expect_eq(w.found[0].partition, rows[i].partition, "%s", rows[i].name);
        }
        end(&w);
    }
}

Test(files, parts_of_segments_are_told_by_their_names) {
    static const struct {
        const char *name;
        bool want;
        int64_t base;
        enum segment_part part;
        const char *suffix;
    } rows[] = {
        {"00000000000000000000.log", true, 0, PART_LOG, ""},
        {"09223372036854775807.timeindex", true, INT64_MAX, PART_TIME_INDEX, ""},
        {"00000000000000000012.index.swap", true, 12, PART_INDEX, ".swap"},
        {"00000000000000000012.holes", true, 12, PART_HOLES, ""},
        {"99999999999999999999.log", false, 0, 0, ""},
        {"0000000000000000012.log", false, 0, 0, ""},
        {"00000000000000000012.logs", false, 0, 0, ""},
        {"00000000000000000005-0000000001.checkpoint", false, 0, 0, ""},
        {"-0000000000000000001.log", false, 0, 0, ""},
        {"", false, 0, 0, ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct part_name name = {0};
        cr_expect_eq(part_name_parse(str_of(rows[i].name), &name), rows[i].want, "%s",
                     rows[i].name);
        if (!rows[i].want) continue;
        cr_expect_eq(name.base_offset, rows[i].base, "%s", rows[i].name);
        cr_expect_eq(name.part, rows[i].part, "%s", rows[i].name);
        cr_expect(str_eq(name.suffix, str_of(rows[i].suffix)), "%s", rows[i].name);
    }
}

/* KAFKA-10706 among them: nothing is kept past a truncation. */
Test(files, leader_epochs_stay_monotonic_and_are_cut_at_both_ends) {
    struct mem mem = {0};
    struct leader_epochs epochs = {0};
    static const struct {
        int32_t epoch;
        int64_t start;
        uint32_t count;
    } rows[] = {{0, 0, 1}, {0, 5, 1}, {2, 10, 2}, {3, 20, 3}, {5, 20, 3}, {4, 15, 3}, {9, 12, 3}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_assert_eq(leader_epochs_assign(&epochs, &mem, rows[i].epoch, rows[i].start), ST_OK);
        cr_expect_eq(epochs.count, rows[i].count, "row %zu: %u", i, epochs.count);
    }
    cr_expect_eq(leader_epochs_assign(&epochs, &mem, -1, 30), ST_INVALID);
    cr_expect_eq(leader_epochs_at(&epochs, 11), 2);
    cr_expect_eq(leader_epochs_at(&epochs, 12), 9);
    leader_epochs_cut_end(&epochs, 12);
    cr_expect_eq(leader_epochs_latest(&epochs), 2);
    leader_epochs_cut_start(&epochs, 7);
    cr_expect_eq(epochs.count, 2);
    cr_expect_eq(epochs.entries[0].start_offset, 7);
    leader_epochs_cut_start(&epochs, 15);
    cr_expect_eq(epochs.count, 1);
    cr_expect_eq(epochs.entries[0].epoch, 2);
    cr_expect_eq(epochs.entries[0].start_offset, 15);
    leader_epochs_release(&epochs, &mem);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(files, leader_epochs_know_what_their_file_says) {
    struct mem mem = {0};
    struct leader_epochs epochs = {0};
    uint32_t line = 0;
    cr_expect(leader_epochs_are_saved(&epochs, INT64_MAX), "no entry, no file");
    cr_assert_eq(leader_epochs_parse(&epochs, &mem, STR("0\n2\n1 0\n4 10\n"), &line), ST_OK);
    cr_expect(leader_epochs_are_saved(&epochs, INT64_MAX), "as it was read");
    cr_assert_eq(leader_epochs_assign(&epochs, &mem, 5, 20), ST_OK);
    cr_expect_not(leader_epochs_are_saved(&epochs, INT64_MAX), "one more");
    cr_expect(leader_epochs_are_saved(&epochs, 20), "one more that nothing was written in");
    cr_expect_not(leader_epochs_are_saved(&epochs, 21), "one more with a batch");
    leader_epochs_cut_end(&epochs, 10);
    cr_expect_not(leader_epochs_are_saved(&epochs, INT64_MAX), "the file says more");
    cr_expect(leader_epochs_are_saved(&epochs, 10), "what it says more is cut when it is read");
    cr_assert_eq(leader_epochs_assign(&epochs, &mem, 6, 10), ST_OK);
    cr_expect_not(leader_epochs_are_saved(&epochs, 12), "another one in the place of the file's");
    leader_epochs_note_saved(&epochs);
    cr_expect(leader_epochs_are_saved(&epochs, INT64_MAX), "written");
    leader_epochs_cut_start(&epochs, 5);
    cr_expect_not(leader_epochs_are_saved(&epochs, 12), "the first one starts elsewhere");
    cr_assert_eq(leader_epochs_parse(&epochs, &mem, STR("0\n9\n"), &line), ST_CORRUPT);
    cr_expect_not(leader_epochs_are_saved(&epochs, 0), "not readable");
    leader_epochs_release(&epochs, &mem);
    cr_expect_eq(mem.used_bytes, 0);
}
