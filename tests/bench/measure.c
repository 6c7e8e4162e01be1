/* tests/bench/measure.c - /proc, buckets, lines. */
#include "measure.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "client.h"

#define MB 1e6
#define FLOOR_FILES_MAX 16u
#define FLOOR_BYTES_MAX (128 << 10)
#define FLOOR_ROOM_BYTES (16 << 20)
#define FLOOR_ROUND_MB 75.0 /* 50 ms of 1.5 GB a second */
#define FLOOR_ROUNDS 4

static FILE *open_proc(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) die("%s: %s", path, strerror(errno));
    return file;
}

static double cpu_seconds(pid_t pid) {
    char line[1024];
    FILE *file = open_proc(pid, "stat");
    if (fgets(line, sizeof line, file) == NULL) die("/proc/%d/stat is empty", (int)pid);
    fclose(file);
    const char *behind_name = strrchr(line, ')'); /* the name may hold anything, that too */
    unsigned long user, system;
    if (behind_name == NULL ||
        sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2)
        die("/proc/%d/stat: not understood", (int)pid);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

struct usage usage_of(pid_t pid) {
    struct usage usage = {.cpu_s = cpu_seconds(pid)};
    char line[256];
    FILE *file = open_proc(pid, "status");
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long kib;
        if (sscanf(line, "VmHWM: %lu", &kib) == 1) usage.peak_rss_mb = (double)kib * 1024 / MB;
        if (sscanf(line, "VmRSS: %lu", &kib) == 1) usage.rss_mb = (double)kib * 1024 / MB;
    }
    fclose(file);
    return usage;
}

double usage_disk_read_mb(pid_t pid) {
    char line[256];
    unsigned long bytes = 0;
    FILE *file = open_proc(pid, "io");
    while (fgets(line, sizeof line, file) != NULL) (void)sscanf(line, "read_bytes: %lu", &bytes);
    fclose(file);
    return (double)bytes / MB;
}

double usage_own_cpu_s(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* Gone with its descriptor, whatever happens. */
static int open_unnamed(const char *directory) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/bench-file-%d", directory, (int)getpid()) >= 4096)
        die("%s: too long", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) die("%s: %s", path, strerror(errno));
    unlink(path);
    return fd;
}

/* Takes its turn among the files; appends to each as a broker does, into room that it has got. */
struct append_run {
    const char *directory;
    size_t bytes;
    unsigned file_count;
    int files[FLOOR_FILES_MAX];
    off_t ends[FLOOR_FILES_MAX], rooms[FLOOR_FILES_MAX];
};

static void append_in_turn(struct append_run *run, double megabytes) {
    static uint8_t data[FLOOR_BYTES_MAX];
    unsigned i = 0;
    for (double done = 0; done < megabytes * MB; done += (double)run->bytes) {
        if (run->ends[i] + (off_t)run->bytes > run->rooms[i]) { /* a refusal only costs more */
            (void)fallocate(run->files[i], FALLOC_FL_KEEP_SIZE, run->rooms[i], FLOOR_ROOM_BYTES);
            run->rooms[i] += FLOOR_ROOM_BYTES;
        }
        if (pwrite(run->files[i], data, run->bytes, run->ends[i]) != (ssize_t)run->bytes)
            die("%s: %s", run->directory, strerror(errno));
        run->ends[i] += (off_t)run->bytes;
        i = (i + 1) % run->file_count;
    }
}

static void sync_all(struct append_run *run) {
    for (unsigned i = 0; i < run->file_count; i++) {
        if (fdatasync(run->files[i]) != 0) die("%s: %s", run->directory, strerror(errno));
    }
}

static struct append_run append_begin(const char *directory, size_t bytes, unsigned files) {
    struct append_run run = {.directory = directory, .bytes = bytes, .file_count = files};
    for (unsigned i = 0; i < files; i++) run.files[i] = open_unnamed(directory);
    return run;
}

static void append_end(const struct append_run *run) {
    for (unsigned i = 0; i < run->file_count; i++) close(run->files[i]);
}

struct write_floor write_floor(const char *directory, size_t bytes, unsigned files,
                               double megabytes) {
    files = MIN(files, FLOOR_FILES_MAX);
    bytes = MIN(bytes, (size_t)FLOOR_BYTES_MAX);
    struct write_floor floor = {0};
    struct append_run run = append_begin(directory, bytes, files);
    if (megabytes > 0) append_in_turn(&run, megabytes);
    append_end(&run);
    run = append_begin(directory, bytes, files);
    for (int round = 0; round < FLOOR_ROUNDS; round++) {
        double begin_s = usage_own_cpu_s();
        append_in_turn(&run, FLOOR_ROUND_MB);
        double written_s = usage_own_cpu_s();
        sync_all(&run);
        floor.write_s_per_gb += (written_s - begin_s) * 1e3 / (FLOOR_ROUND_MB * FLOOR_ROUNDS);
        floor.sync_s_per_gb +=
            (usage_own_cpu_s() - written_s) * 1e3 / (FLOOR_ROUND_MB * FLOOR_ROUNDS);
    }
    append_end(&run);
    return floor;
}

static int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void disk_append_latencies(const char *directory, size_t bytes, int64_t interval_ns, int count,
                           struct latencies *ret_latencies) {
    static uint8_t data[64 << 10];
    int fd = open_unnamed(directory);
    prctl(PR_SET_TIMERSLACK, 1);
    int64_t due_ns = monotonic_ns();
    for (int i = 0; i < count; i++, due_ns += interval_ns) {
        int64_t early_ns = due_ns - monotonic_ns();
        if (early_ns > 0) nanosleep(&(struct timespec){.tv_nsec = early_ns}, NULL);
        if (write(fd, data, bytes) != (ssize_t)bytes || fdatasync(fd) != 0)
            die("%s: %s", directory, strerror(errno));
        latencies_add(ret_latencies, monotonic_ns() - due_ns);
    }
    close(fd);
}

/* Below 2 * LATENCY_STEPS a bucket is a nanosecond; above, each doubling has LATENCY_STEPS of them.
 */
static unsigned bucket_of(uint64_t ns) {
    if (ns < 2 * LATENCY_STEPS) return (unsigned)ns;
    unsigned shift =
        63u - (unsigned)__builtin_clzll(ns) - 6; /* 2^6 steps: the top seven bits stay */
    return shift * LATENCY_STEPS + (unsigned)(ns >> shift);
}

static double bucket_end_ns(unsigned bucket) {
    if (bucket < 2 * LATENCY_STEPS) return bucket;
    unsigned shift = bucket / LATENCY_STEPS - 1;
    return (double)(bucket - shift * LATENCY_STEPS + 1) * (double)(UINT64_C(1) << shift);
}

void latencies_add(struct latencies *l, int64_t ns) {
    l->counts[bucket_of(ns > 0 ? (uint64_t)ns : 0)]++;
    l->total++;
    l->max_ns = MAX(l->max_ns, ns);
}

double latencies_ms(const struct latencies *l, double fraction) {
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->counts[i];
        if (seen > 0 && (double)seen >= fraction * (double)l->total)
            return MIN(bucket_end_ns(i), (double)l->max_ns) / 1e6;
    }
    return 0;
}

void report_begin(struct report *report, const char *scenario) {
    printf(report->json ? "{\"scenario\":\"%s\"" : "%s", scenario);
}

void report_add(struct report *report, const char *name, double value) {
    printf(report->json ? ",\"%s\":" : " %s=", name);
    bool is_whole = value > -1e15 && value < 1e15 && value == (double)(int64_t)value;
    printf(is_whole ? "%.0f" : "%.6g", value);
}

void report_end(struct report *report) {
    printf(report->json ? "}\n" : "\n");
    fflush(stdout);
}
