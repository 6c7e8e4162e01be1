/* broker/http/process.c - getrusage, mallinfo2 and /proc/self. */
#include "broker/http/process.h"
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void sample_cpu(struct metrics_sample *sample) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return;
    metrics_sample_set(sample, METRIC_PROCESS_CPU,
                       seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

static void sample_memory(struct metrics_sample *sample) {
    unsigned long total_pages = 0, resident_pages = 0;
    double page_bytes = (double)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL && fscanf(file, "%lu %lu", &total_pages, &resident_pages) == 2) {
        metrics_sample_set(sample, METRIC_PROCESS_VIRTUAL, (double)total_pages * page_bytes);
        metrics_sample_set(sample, METRIC_PROCESS_RESIDENT, (double)resident_pages * page_bytes);
    }
    if (file != NULL) (void)fclose(file); /* only read */
    metrics_sample_set(sample, METRIC_MACHINE_MEMORY, (double)sysconf(_SC_PHYS_PAGES) * page_bytes);
    struct mallinfo2 info = mallinfo2();
    metrics_sample_set(sample, METRIC_ALLOCATOR_USED, (double)(info.uordblks + info.hblkhd));
    metrics_sample_set(sample, METRIC_ALLOCATOR_MAPPED, (double)(info.arena + info.hblkhd));
}

static void sample_descriptors(struct metrics_sample *sample) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_sample_set(sample, METRIC_PROCESS_MAX_FDS, (double)limit.rlim_cur);
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) return;
    int64_t count = -1; /* its own */
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(dir); /* only read */
    metrics_sample_set(sample, METRIC_PROCESS_OPEN_FDS, (double)count);
}

static size_t read_text(const char *path, char *text, size_t capacity) {
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    size_t len = fread(text, 1, capacity - 1, file);
    (void)fclose(file); /* only read */
    text[len] = '\0';
    return len;
}

/* The kernel counts the start from the machine's boot, in ticks: field 22 of stat, after a name in
 * parentheses that may hold anything. */
static void sample_start(struct metrics_sample *sample) {
    char text[1024];
    unsigned long long started_ticks = 0, booted_s = 0;
    if (read_text("/proc/self/stat", text, sizeof text) == 0) return;
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
    if (at == NULL || sscanf(at, "%llu", &started_ticks) != 1) return;
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL) return;
    bool found = false;
    while (!found && fgets(text, sizeof text, file) != NULL)
        found = sscanf(text, "btime %llu", &booted_s) == 1;
    (void)fclose(file); /* only read */
    if (!found) return;
    metrics_sample_set(sample, METRIC_PROCESS_START_TIME,
                       (double)booted_s + (double)started_ticks / (double)sysconf(_SC_CLK_TCK));
}

void process_sample(struct metrics_sample *sample) {
    sample_cpu(sample);
    sample_memory(sample);
    sample_descriptors(sample);
    sample_start(sample);
}
