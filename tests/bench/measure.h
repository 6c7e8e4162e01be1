/* tests/bench/measure.h - what a process used, how latencies are spread, and how figures are told.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of a process, all threads, those that have ended and those of the kernel that work for it
 * (io_uring's) included. */
struct usage {
    double cpu_s;       /* user and system; the kernel counts in steps of 10 ms */
    double rss_mb;      /* resident now */
    double peak_rss_mb; /* the most that ever was */
};
/** Dies when there is no such process. */
struct usage usage_of(pid_t pid);
/** What it has fetched from disks so far. Dies when that may not be known: it is another user's. */
double usage_disk_read_mb(pid_t pid);
/** CPU seconds of this program. */
double usage_own_cpu_s(void);

/* CPU seconds per GB. */
struct write_floor {
    double write_s_per_gb, sync_s_per_gb;
};
/** What it costs this machine to append batches of `bytes` (128 KB at most) to so many files (16 at
 * most) in `directory` in turn, and to sync them all after every 75 MB; they are removed again.
 * `megabytes` are written and freed before that, unmeasured: in a virtual machine a page that the
 * host has not yet given costs several times as much at its first touch, and what was freed a
 * moment ago has not been taken back. */
struct write_floor write_floor(const char *directory, size_t bytes, unsigned files,
                               double megabytes);

/* Latencies, counted in buckets that are exact within 1/64. */
enum { LATENCY_STEPS = 64, LATENCY_BUCKETS = 64 * LATENCY_STEPS };
struct latencies {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t total;
    int64_t max_ns;
};
void latencies_add(struct latencies *l, int64_t ns);
/** In milliseconds: what `fraction` of them did not exceed; 0 when there are none. */
double latencies_ms(const struct latencies *l, double fraction);

/** What the disk itself takes to make an append durable: `count` times, one each `interval_ns`,
 * `bytes` (64 KB at most) are written to the end of a file in `directory` and synced. As in a paced
 * load the time counts from when it was due. */
void disk_append_latencies(const char *directory, size_t bytes, int64_t interval_ns, int count,
                           struct latencies *ret_latencies);

/* One line per scenario: "name key=value key=value" or a JSON object. Whole numbers are told to the
 * last digit, others to six. */
struct report {
    bool json;
};
void report_begin(struct report *report, const char *scenario);
void report_add(struct report *report, const char *name, double value);
void report_end(struct report *report);
