/* tests/fuzz/fuzz_log.c - a partition's directory with anything in it.
 *
 * The first octet: bit 0 a clean stop is claimed, bit 1 everything was durable, bit 2 checksums are
 * put right first (or hardly any batch would be valid), bit 3 the input is two segments. The second
 * octet times 4: octets of the .index file, which come next; the rest is the .log. Held to:
 *   - opening says OK or names the format; nothing else, and nothing crashes
 *   - everything that is served has a right checksum; after a crash offsets only rise
 *   - recovering once more ends at the same offset with the same octets
 *   - what is appended then is served */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/impl.h"
#include "protocol/batch_builder.h"
#include "tests/lib/plain_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLEAN = 1, DURABLE = 2, REPAIR = 4, TWO_SEGMENTS = 8 };
#define DURABLE_END 1000

static char root[] = "/tmp/klamm-fuzz-log-XXXXXX";
static struct plain_io plain;
static struct log_dir dir;
static struct log *the_log;
static struct log_open how;
static enum status opened;

static void ignore(struct log_owner *owner) {}
static struct log_owner owner = {ignore, ignore, ignore};
static const struct log_config config = {
    .segment_bytes = 1 << 20,
    .segment_ms = INT64_MAX / 2,
    .segment_index_bytes = 1 << 20,
    .index_interval_bytes = 100,
};

static void name_of(char path[256], const char *name) {
    int n = snprintf(path, 256, "%s/t-0%s%s", root, name[0] != '\0' ? "/" : "", name);
    ASSERT(n > 0 && n < 256);
}

static void put_file(const char *name, const uint8_t *data, size_t size) {
    char path[256];
    name_of(path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void empty_directory(void) {
    char path[256];
    name_of(path, "");
    DIR *files = opendir(path);
    ASSERT(files != NULL);
    for (struct dirent *e; (e = readdir(files)) != NULL;) {
        if (e->d_name[0] != '.') ASSERT(unlinkat(dirfd(files), e->d_name, 0) == 0);
    }
    closedir(files);
}

static void silence(void *context, enum log_level level, const char *area, const char *text) {
    if (getenv("FUZZ_VERBOSE") != NULL) fprintf(stderr, "%s\n", text);
}

static void start(void) {
    logging_set_sink(silence, NULL);
    ASSERT(mkdtemp(root) != NULL);
    char path[256];
    name_of(path, "");
    ASSERT(mkdir(path, 0700) == 0);
    plain_io_init(&plain);
    plain.syncs_are_free = true;
    log_dir_init(&dir, &plain.io, &plain.jobs, str_of(root));
    how = (struct log_open){.dir = &dir, .topic = STR("t"), .config = &config, .owner = &owner};
}

static void stop(void) {
    char path[256];
    empty_directory();
    name_of(path, "");
    rmdir(path);
    rmdir(root);
}

static void open_job(struct job *job, void *argument) { opened = log_open(job, &how, &the_log); }

static enum status open_log(void) {
    the_log = NULL;
    plain_io_run(&plain, open_job, NULL);
    return opened;
}

static void kill_log(void) {
    log_abandon(the_log);
    plain_io_settle(&plain);
}

static void repair(uint8_t *data, size_t size) {
    struct batch_view view;
    for (size_t at = 0; batch_peek((struct bytes){data + at, size - at}, &view) == ST_OK;) {
        if (view.batch_bytes > size - at) return;
        batch_set_max_timestamp(data + at, view.max_timestamp); /* writes the checksum, too */
        at += view.batch_bytes;
    }
}

/* Where a reader refused at `offset` may go on. */
static int64_t end_of_next_hole(int64_t offset) {
    for (uint32_t i = 0; i < the_log->segment_count; i++) {
        const struct segment *segment = the_log->segments[i];
        for (uint32_t h = 0; h < segment->hole_count; h++) {
            if (segment->holes[h].end_offset > offset) return segment->holes[h].end_offset;
        }
    }
    ASSERT(!"refused without a hole");
    return 0;
}

static bool read_is_done;
static void read_done(struct log_read *read) { read_is_done = true; }

/* What lay there before is verified by a job first. */
static void read_at(struct log_read *read, int64_t offset) {
    *read = (struct log_read){.done = read_done,
                              .offset = offset,
                              .upper_offset = log_end(the_log),
                              .max_bytes = 1 << 20,
                              .whole_first = true};
    read_is_done = log_read_start(the_log, read);
    if (!read_is_done) plain_io_settle(&plain);
    ASSERT(read_is_done);
}

/* Reads everything; the number of octets served. */
static uint64_t serve_all(bool verified) {
    uint64_t served = 0;
    int64_t offset = log_start_offset(the_log);
    while (offset < log_end(the_log)) {
        struct log_read read;
        read_at(&read, offset);
        if (read.status != ST_OK) {
            ASSERT(read.status == ST_CORRUPT);
            if (!verified) return served;
            offset = end_of_next_hole(offset);
            continue;
        }
        if (read.bytes == 0) return served;
        uint8_t *data = malloc(read.bytes);
        ASSERT(pread(read.file, data, read.bytes, (off_t)read.position) == read.bytes);
        struct batch_view view;
        size_t at = 0;
        while (batch_open((struct bytes){data + at, read.bytes - at}, &view) == ST_OK) {
            ASSERT(batch_crc_matches((struct bytes){data + at, view.batch_bytes}));
            if (!verified && batch_next_offset(&view) <= offset) break; /* trusted, and lies */
            ASSERT(batch_next_offset(&view) > offset);
            offset = batch_next_offset(&view);
            at += view.batch_bytes;
        }
        ASSERT(at == read.bytes || !verified);
        if (at == 0) {
            free(data);
            log_read_release(&read);
            return served;
        }
        served += at;
        free(data);
        log_read_release(&read);
    }
    return served;
}

static void appended(struct log_append *append) { ASSERT(append->status == ST_OK); }

static void append_one(void) {
    struct batch_builder builder;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct bytes batch;
    batch_builder_init(&builder, &plain.mem);
    ASSERT(batch_builder_start(&builder, &options) == ST_OK);
    ASSERT(batch_builder_add(&builder, 1, BYTES_NULL, BYTES_NULL, NULL, 0) == ST_OK);
    ASSERT(batch_builder_finish(&builder, &batch) == ST_OK);
    struct log_append append = {
        .done = appended,
        .batch = builder.out.data,
        .batch_bytes = (uint32_t)batch.len,
        .record_count = 1,
        .max_timestamp_ms = 1,
    };
    if (log_append(the_log, &append) == ST_OK) plain_io_settle(&plain);
    batch_builder_release(&builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    if (!started) {
        start();
        atexit(stop);
        started = true;
    }
    if (size < 2) return 0;
    uint8_t flags = data[0];
    size_t index_bytes = MIN((size_t)data[1] * 4, size - 2);
    size_t log_bytes = size - 2 - index_bytes;
    uint8_t *log = malloc(log_bytes + 1);
    memcpy(log, data + 2 + index_bytes, log_bytes);
    size_t first_bytes = flags & TWO_SEGMENTS ? log_bytes / 2 : log_bytes;
    if (flags & REPAIR) {
        repair(log, first_bytes);
        repair(log + first_bytes, log_bytes - first_bytes);
    }
    empty_directory();
    put_file("00000000000000000000.log", log, first_bytes);
    put_file("00000000000000000000.index", data + 2, index_bytes);
    put_file("00000000000000000000.timeindex", data + 2, index_bytes);
    if (flags & TWO_SEGMENTS) {
        put_file("00000000000000000010.log", log + first_bytes, log_bytes - first_bytes);
    }
    free(log);

    bool verified = !(flags & (CLEAN | DURABLE));
    how.clean = flags & CLEAN;
    how.recovery_point = flags & DURABLE ? DURABLE_END : 0;
    enum status st = open_log();
    ASSERT(st == ST_OK || st == ST_UNSUPPORTED);
    if (st != ST_OK) return 0;
    uint64_t served = serve_all(verified);
    int64_t end = log_end(the_log);
    uint64_t bytes = log_size_bytes(the_log);
    kill_log();
    if (verified) {
        ASSERT(open_log() == ST_OK);
        ASSERT(log_end(the_log) == end && log_size_bytes(the_log) == bytes);
        ASSERT(serve_all(true) == served);
        append_one();
        ASSERT(log_end(the_log) == end + 1);
        ASSERT(serve_all(true) > served);
        kill_log();
    }
    ASSERT(list_is_empty(&dir.removals));
    return 0;
}
