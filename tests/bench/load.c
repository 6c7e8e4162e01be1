/* tests/bench/load.c - measures a running broker of any make under loads of one kind each.
 *
 *     bench-load --bootstrap HOST:PORT [--pid PID] [OPTION...] SCENARIO...
 *
 * A line per scenario: "name key=value ...", with --json an object. Topics are created for the run
 * and, unless --keep, deleted after it. Every answer is decoded and checked (errors, offsets, at
 * the end the number of records that can be read; of fetched batches order and content): the first
 * wrong one ends the program with status 1. What each figure means: docs/performance.md. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/prng.h"
#include "flow.h"
#include "protocol/batch_builder.h"
#include "topic.h"

#define NS_PER_S INT64_C(1000000000)
#define DISK_SAMPLE_S 2
#define ANSWER_TIMEOUT_MS 30000
#define FETCH_BYTES_MAX (1 << 20)
#define FETCH_WAIT_MS 500
#define FETCH_WAITS_MAX 20 /* answers in a row without a record, before the end */
#define CRC_CHECK_EVERY 16 /* fetched batches: the checksum of one in so many is computed */
#define IDLE_S 3
#define DELETION_S_MAX 120 /* file.delete.delay.ms is a minute unless somebody says otherwise */
#define MEMORY_COUNT 1000 /* connections, partitions */
#define CONNECTIONS_MAX 1000
#define DEPTH_MAX 4096
#define MANY_TOPICS 2 /* Kafka's controller makes no 10,000 partitions for one request */
#define MANY_PARTITIONS 5000

enum kind { PRODUCE, FETCH, DRAIN, IDLE, MEMORY, MANY };

static const struct scenario {
    const char *name;
    enum kind kind;
    int value_bytes;  /* of a record */
    int record_count; /* in a batch */
    int connections;
    int depth; /* requests under way on each */
    int partitions;
    int rate; /* requests a second; 0: as fast as they are answered */
    const char *what;
} scenarios[] = {
    {"idle", IDLE, .what = "3 s without a request"},
    {"memory", MEMORY, .what = "1,000 idle connections, then 1,000 idle partitions"},
    {"many", MANY, .what = "10,000 partitions are created, two topics of 5,000"},
    {"produce64k", PRODUCE, 1000, 64, 1, 8, 1, 0, "batches of 64 records of 1 KB"},
    {"produce64k-16", PRODUCE, 1000, 64, 1, 16, 16, 0, "the same to 16 partitions, 16 under way"},
    {"fill", PRODUCE, 1000, 64, 1, 8, MANY_PARTITIONS, 0, "the same to 5,000 partitions in turn"},
    {"small64", PRODUCE, 950, 1, 1, 64, 1, 0,
     "batches of one record of 1 KB, 64 requests under way"},
    {"small1", PRODUCE, 950, 1, 1, 1, 1, 0, "the same, one request under way"},
    {"spread1", PRODUCE, 950, 1, 16, 64, 1, 0,
     "the same, 1,024 requests under way on 16 connections"},
    {"spread16", PRODUCE, 950, 1, 16, 64, 16, 0, "spread1 to 16 partitions"},
    {"spread256", PRODUCE, 950, 1, 16, 64, 256, 0, "spread1 to 256 partitions"},
    {"spread1000", PRODUCE, 950, 1, 16, 64, 1000, 0, "spread1 to 1,000 partitions"},
    {"paced", PRODUCE, 4000, 1, 1, 1024, 1, 500, "batches of one record of 4 KB, 500 a second"},
    {"fetch", FETCH, 1000, 64, 1, 1, 1, 0,
     "what produce64k wrote, again and again from its beginning"},
    {"drain", DRAIN, 4000, 1, 1, 1024, 1, 500,
     "paced alone, then while another client reads a cold topic"},
};

static struct options {
    const char *bootstrap;
    pid_t pid; /* 0: not known, and then its figures are not told */
    double seconds, warmup_s, rest_s;
    const char *pages;     /* a directory on the broker's disk, for write_floor; NULL: no */
    const char *data;      /* the broker's log directory; NULL: not known */
    double megabytes;      /* of a produce scenario at most, and of its warm-up; 0: by time only */
    double cold_megabytes; /* of the topic that drain reads */
    int acks;
    int connections, depth, partitions, rate; /* 0: the scenario's own */
    bool keep;                                /* topics are not deleted */
} options = {.seconds = 5, .warmup_s = 2, .acks = 1, .cold_megabytes = 1000};

static struct mem mem;
static struct client client;
static struct report report;
static struct flow run; /* the one under way; its latencies are too large for a stack */

static const struct scenario *find_scenario(const char *name) {
    for (size_t i = 0; i < COUNT(scenarios); i++) {
        if (strcmp(scenarios[i].name, name) == 0) return &scenarios[i];
    }
    die("no scenario '%s'; bench-load --help names them", name);
}

static void topic_end(const struct topic *topic) {
    if (!options.keep) topic_delete(&client, topic);
}

static bool is_deleting(void) {
    DIR *dir = opendir(options.data);
    if (dir == NULL) die("--data %s: %s", options.data, strerror(errno));
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
        const char *end = strrchr(entry->d_name, '-');
        found = end != NULL && strcmp(end, "-delete") == 0;
    }
    closedir(dir);
    return found;
}

/* What was written before is on the disk and what was deleted is gone from it, so that neither
 * costs time in the load that follows. */
static void settle(void) {
    for (int i = 0; options.data != NULL && is_deleting(); i++) {
        if (i == DELETION_S_MAX * 10)
            die("%s: a -delete directory is still there after %d s", options.data, DELETION_S_MAX);
        nanosleep(&(struct timespec){.tv_nsec = NS_PER_S / 10}, NULL);
    }
    sync();
}

/* The host of a virtual machine takes back what the page cache had of files that are gone, for some
 * seconds, and stops the machine for tenths of one: not while latencies are measured. */
static void rest(void) { usleep((useconds_t)(options.rest_s * 1e6)); }

static int own_or(int option, int own) { return option != 0 ? option : own; }

/* ---- figures ---- */

struct before {
    struct usage usage;
    double own_cpu_s;
};

static struct before measure_begin(void) {
    struct before before = {.own_cpu_s = usage_own_cpu_s()};
    if (options.pid != 0) before.usage = usage_of(options.pid);
    return before;
}

/* Begins a scenario's line with what `run` measured. bytes: of record batches, headers included. */
static void tell(const char *name, const struct before *before, double bytes) {
    double seconds = (double)run.elapsed_ns / (double)NS_PER_S;
    double requests = (double)run.answered;
    report_begin(&report, name);
    report_add(&report, "mb_per_s", bytes / 1e6 / seconds);
    report_add(&report, "requests_per_s", requests / seconds);
    if (options.pid != 0) {
        struct usage after = usage_of(options.pid);
        double cpu_s = after.cpu_s - before->usage.cpu_s;
        report_add(&report, "cpu_s_per_gb", cpu_s / (bytes / 1e9));
        report_add(&report, "cpu_us_per_request", cpu_s * 1e6 / requests);
        report_add(&report, "rss_mb", after.rss_mb);
        report_add(&report, "peak_rss_mb", after.peak_rss_mb);
    }
    report_add(&report, "p50_ms", latencies_ms(&run.latencies, 0.5));
    report_add(&report, "p99_ms", latencies_ms(&run.latencies, 0.99));
    report_add(&report, "p999_ms", latencies_ms(&run.latencies, 0.999));
    report_add(&report, "max_ms", (double)run.latencies.max_ns / 1e6);
    report_add(&report, "load_cpu_s_per_s", (usage_own_cpu_s() - before->own_cpu_s) / seconds);
}

/* ---- a batch to send ---- */

static struct batch_builder builder;
static struct bytes batch; /* what every request carries; borrowed from the builder */
static uint32_t batch_crc;
static int batch_records;

/* The same for the same scenario throughout a run: fetch knows what it has to find. */
static void make_batch(const struct scenario *s) {
    static int64_t now_ms;
    if (now_ms == 0) now_ms = (int64_t)time(NULL) * 1000;
    struct prng prng;
    prng_seed(&prng, 1);
    uint8_t *value = mem_need(&mem, (size_t)s->value_bytes);
    enum status st = batch_builder_start(&builder, &BATCH_OPTIONS_DEFAULT);
    for (int i = 0; i < s->record_count && st == ST_OK; i++) {
        prng_fill(&prng, value,
                  (size_t)s->value_bytes); /* nothing that a disk could make smaller */
        st = batch_builder_add(&builder, now_ms, BYTES_NULL,
                               (struct bytes){value, (size_t)s->value_bytes}, NULL, 0);
    }
    if (st == ST_OK) st = batch_builder_finish(&builder, &batch);
    if (st != ST_OK) die("a batch cannot be made: %s", status_name(st));
    mem_free(&mem, value, (size_t)s->value_bytes);
    batch_crc = get_u32(batch.ptr + BATCH_AT_CRC);
    batch_records = s->record_count;
}

/* ---- produce ---- */

struct producer {
    struct topic *topic;
    int32_t *partitions;  /* by slot: where its request under way goes */
    uint64_t filled;      /* requests; they take the partitions in turn */
    int64_t *last_offset; /* by slot, when each keeps its partition, else by partition; -1: none */
    pid_t beside;         /* the load ends with this process, which then has ended well; 0: none */
};

static struct bytes produce_frame(struct arena *arena, const struct topic *topic,
                                  int32_t partition) {
    struct produce_request_partition_data data;
    produce_request_partition_data_defaults(&data);
    data.index = partition;
    data.records.bytes = batch;
    struct produce_request_topic_data to;
    produce_request_topic_data_defaults(&to);
    to.name = str_of(topic->name);
    to.topic_id = topic->id;
    to.partition_data = &data;
    to.partition_data_count = 1;
    struct produce_request request;
    codec_defaults(&produce_request_schema, &request);
    request.acks = (int16_t)options.acks;
    request.timeout_ms = ANSWER_TIMEOUT_MS;
    request.topic_data = &to;
    request.topic_data_count = 1;
    return client_frame(arena, API_PRODUCE, client.versions[API_PRODUCE], &request);
}

static void produce_fill(struct flow *flow, int slot, uint8_t *frame) {
    struct producer *p = flow->context;
    struct arena arena;
    arena_init(&arena, &mem, flow->request_bytes + 4096, 0);
    p->partitions[slot] = (int32_t)(p->filled++ % (uint64_t)p->topic->partitions);
    struct bytes made = produce_frame(&arena, p->topic, p->partitions[slot]);
    if (made.len != flow->request_bytes) die("requests differ in size");
    memcpy(frame, made.ptr, made.len);
    arena_release(&arena);
}

/* Whether a process that was started here has; dies when it failed. */
static bool has_ended(pid_t pid) {
    int status;
    if (waitpid(pid, &status, WNOHANG) != pid) return false;
    if (status != 0) die("the client beside this one failed");
    return true;
}

/* Offsets of a slot only rise: its partition is always the same, its requests leave in order. Where
 * there are more partitions than slots, a partition has one request under way. */
static void produce_answer(struct flow *flow, int slot, const void *decoded) {
    struct producer *p = flow->context;
    const struct produce_response *response = decoded;
    if (response->responses_count != 1 || response->responses[0].partition_responses_count != 1)
        die("Produce: not one partition in the answer");
    const struct produce_response_partition *told = &response->responses[0].partition_responses[0];
    if (told->error_code != 0)
        die("Produce: error %d: %.*s", told->error_code, STR_ARG(told->error_message));
    if (told->index != p->partitions[slot]) die("Produce: another partition");
    int64_t *last_offset = &p->last_offset[flow->refill ? told->index : slot];
    if (told->base_offset <= *last_offset || told->base_offset % batch_records != 0)
        die("Produce: base offset %lld after %lld", (long long)told->base_offset,
            (long long)*last_offset);
    *last_offset = told->base_offset;
    p->topic->records += (uint64_t)batch_records;
    if (p->beside != 0 && has_ended(p->beside)) flow->stop = true;
}

/* Sends the batch that make_batch() has made, until the first of the limits (0: none) or the end of
 * the process beside it. */
static void produce(const struct scenario *s, struct topic *topic, double seconds, double megabytes,
                    pid_t beside) {
    int connections = own_or(options.connections, s->connections);
    int depth = own_or(options.depth, s->depth);
    int rate = own_or(options.rate, s->rate);
    int slot_count = connections * depth;
    int lane_count = MAX(slot_count, topic->partitions);
    struct producer producer = {.topic = topic, .beside = beside};
    producer.partitions = mem_need(&mem, (size_t)slot_count * sizeof *producer.partitions);
    producer.last_offset = mem_need(&mem, (size_t)lane_count * sizeof *producer.last_offset);
    for (int i = 0; i < lane_count; i++) producer.last_offset[i] = -1;
    struct arena arena;
    arena_init(&arena, &mem, 4096, 0);
    run = (struct flow){
        .address = options.bootstrap,
        .api_key = API_PRODUCE,
        .version = client.versions[API_PRODUCE],
        .connection_count = connections,
        .depth = depth,
        .request_bytes = produce_frame(&arena, topic, 0).len,
        .interval_ns = rate > 0 ? NS_PER_S / rate : 0,
        .duration_ns = (int64_t)(seconds * 1e9),
        .context = &producer,
        .fill = produce_fill,
        .refill = topic->partitions > slot_count,
        .answer = produce_answer,
    };
    arena_release(&arena);
    if (megabytes > 0) run.request_limit = (uint64_t)(megabytes * 1e6 / (double)batch.len) + 1;
    flow_run(&run, &mem);
    mem_free(&mem, producer.partitions, (size_t)slot_count * sizeof *producer.partitions);
    mem_free(&mem, producer.last_offset, (size_t)lane_count * sizeof *producer.last_offset);
}

static void run_produce(const struct scenario *s, struct topic *topic) {
    make_batch(s);
    topic_create(&client, s->name, own_or(options.partitions, s->partitions), topic);
    if (options.warmup_s > 0) produce(s, topic, options.warmup_s, options.megabytes, 0);
    settle();
    struct latencies disk = {0};
    int rate = own_or(options.rate, s->rate);
    if (rate > 0) rest();
    if (options.pages != NULL && rate > 0 && options.acks < 0)
        disk_append_latencies(options.pages, batch.len, NS_PER_S / rate, rate * DISK_SAMPLE_S,
                              &disk);
    struct write_floor floor = {0};
    if (options.pages != NULL && rate == 0) /* at last; of what is freed, the host keeps some */
        floor = write_floor(options.pages, batch.len, (unsigned)topic->partitions,
                            2 * options.megabytes);
    struct before before = measure_begin();
    produce(s, topic, options.seconds, options.megabytes, 0);
    tell(s->name, &before, (double)run.answered * (double)batch.len);
    if (floor.write_s_per_gb > 0) {
        report_add(&report, "page_write_s_per_gb", floor.write_s_per_gb);
        report_add(&report, "page_sync_s_per_gb", floor.sync_s_per_gb);
    }
    if (disk.total > 0) report_add(&report, "disk_p50_ms", latencies_ms(&disk, 0.5));
    if (disk.total > 0) report_add(&report, "disk_p99_ms", latencies_ms(&disk, 0.99));
    report_add(&report, "records", (double)topic->records);
    report_end(&report);
    topic_await_records(&client, topic);
}

/* ---- fetch ---- */

struct consumer {
    const struct topic *topic;
    int64_t *next_offset; /* by partition */
    uint64_t records;     /* of this pass */
    uint64_t bytes;       /* of all passes */
    uint64_t batches;     /* of all passes */
    int empty_answers;    /* in a row */
    int64_t end_ns;       /* the pass under way then is the last */
};

static void fetch_fill(struct flow *flow, int slot, uint8_t *frame) {
    struct consumer *c = flow->context;
    struct arena arena;
    arena_init(&arena, &mem, 4096, 0);
    struct fetch_request_topic from;
    fetch_request_topic_defaults(&from);
    from.topic = str_of(c->topic->name);
    from.topic_id = c->topic->id;
    from.partitions = fetch_request_partition_array(&arena, c->topic->partitions);
    if (from.partitions == NULL) die("no memory for %d partitions", c->topic->partitions);
    from.partitions_count = c->topic->partitions;
    for (int32_t i = 0; i < c->topic->partitions; i++) {
        from.partitions[i].partition = i;
        from.partitions[i].fetch_offset = c->next_offset[i];
        from.partitions[i].partition_max_bytes = FETCH_BYTES_MAX;
    }
    struct fetch_request request;
    codec_defaults(&fetch_request_schema, &request);
    request.max_wait_ms = FETCH_WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES_MAX;
    request.topics = &from;
    request.topics_count = 1;
    struct bytes made = client_frame(&arena, API_FETCH, flow->version, &request);
    if (flow->request_bytes == 0) flow->request_bytes = made.len; /* asked for the size only */
    if (made.len != flow->request_bytes) die("requests differ in size");
    if (frame != NULL) memcpy(frame, made.ptr, made.len);
    arena_release(&arena);
}

/* Offsets without a gap, every batch as it was sent. */
static void check_records(struct consumer *c, int32_t partition, struct bytes records) {
    while (records.len > 0) {
        struct batch_view view;
        enum status st = batch_open(records, &view);
        if (st == ST_SHORT) return; /* cut by the limit: the next answer begins with it */
        if (st != ST_OK) die("Fetch: a batch is %s", status_name(st));
        if (view.base_offset != c->next_offset[partition])
            die("Fetch: a batch at %lld where %lld is next", (long long)view.base_offset,
                (long long)c->next_offset[partition]);
        if (view.record_count != batch_records || view.crc != batch_crc)
            die("Fetch: the batch at %lld is not the one that was sent",
                (long long)view.base_offset);
        if (c->batches % CRC_CHECK_EVERY == 0 &&
            !batch_crc_matches((struct bytes){records.ptr, view.batch_bytes}))
            die("Fetch: the checksum of the batch at %lld is wrong", (long long)view.base_offset);
        c->next_offset[partition] = batch_next_offset(&view);
        c->records += (uint64_t)view.record_count;
        c->bytes += view.batch_bytes;
        c->batches++;
        records.ptr += view.batch_bytes;
        records.len -= view.batch_bytes;
    }
}

static void fetch_answer(struct flow *flow, int slot, const void *decoded) {
    struct consumer *c = flow->context;
    const struct fetch_response *response = decoded;
    if (response->error_code != 0) die("Fetch: error %d", response->error_code);
    uint64_t records_before = c->records;
    for (int32_t t = 0; t < response->responses_count; t++) {
        const struct fetch_response_fetchable_topic *topic = &response->responses[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct fetch_response_partition_data *told = &topic->partitions[i];
            if (told->error_code != 0)
                die("Fetch: partition %d: error %d", told->partition_index, told->error_code);
            if (told->partition_index < 0 || told->partition_index >= c->topic->partitions)
                die("Fetch: partition %d was not asked for", told->partition_index);
            check_records(c, told->partition_index, told->records.bytes);
        }
    }
    c->empty_answers = c->records == records_before ? c->empty_answers + 1 : 0;
    if (c->empty_answers > FETCH_WAITS_MAX)
        die("Fetch: %llu of %llu records, and no more come", (unsigned long long)c->records,
            (unsigned long long)c->topic->records);
    if (c->records > c->topic->records) die("Fetch: more records than were acknowledged");
    if (c->records < c->topic->records) return;
    if (clock_ns() >= c->end_ns) flow->stop = true;
    c->records = 0;
    for (int32_t i = 0; i < c->topic->partitions; i++) c->next_offset[i] = 0;
}

/* Reads the whole topic, again and again until the pass under way after so many seconds has ended;
 * returns the octets of batches. */
static double fetch(const struct topic *topic, double seconds) {
    struct consumer consumer = {.topic = topic};
    size_t next_bytes = (size_t)topic->partitions * sizeof *consumer.next_offset;
    consumer.next_offset = mem_need(&mem, next_bytes);
    consumer.end_ns = clock_ns() + (int64_t)(seconds * 1e9);
    run = (struct flow){
        .address = options.bootstrap,
        .api_key = API_FETCH,
        .version = client.versions[API_FETCH],
        .connection_count = 1, /* the next request depends on the answer */
        .depth = 1,
        .context = &consumer,
        .fill = fetch_fill,
        .refill = true,
        .answer = fetch_answer,
    };
    fetch_fill(&run, 0, NULL);
    flow_run(&run, &mem);
    mem_free(&mem, consumer.next_offset, next_bytes);
    return (double)consumer.bytes;
}

static void run_fetch(const struct scenario *s, const struct topic *topic) {
    make_batch(find_scenario("produce64k"));
    if (options.warmup_s > 0) (void)fetch(topic, options.warmup_s);
    struct before before = measure_begin();
    double bytes = fetch(topic, options.seconds);
    tell(s->name, &before, bytes);
    report_end(&report);
}

/* ---- drain ---- */

/* Takes the topic's log files out of the page cache. */
static void make_cold(const struct topic *topic) {
    sync(); /* what is dirty stays */
    for (int32_t i = 0; i < topic->partitions; i++) {
        char folder[4096], path[4096];
        snprintf(folder, sizeof folder, "%s/%s-%d", options.data, topic->name, i);
        DIR *dir = opendir(folder);
        if (dir == NULL)
            die("drain: %s: %s (--data names the log directory)", folder, strerror(errno));
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            const char *dot = strrchr(entry->d_name, '.');
            if (dot == NULL || strcmp(dot, ".log") != 0) continue;
            if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
                die("%s: too long", folder);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0) die("%s: %s", path, strerror(errno));
            int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            if (error != 0) die("%s: %s", path, strerror(error));
            close(fd);
        }
        closedir(dir);
    }
}

/* A process of its own that reads the topic once, as fast as it is served, and ends. */
static pid_t start_drain(const struct topic *topic) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) die("fork: %s", strerror(errno));
    if (pid > 0) return pid;
    make_batch(find_scenario("produce64k"));
    (void)fetch(topic, 0);
    _exit(0);
}

static void run_drain(const struct scenario *s) {
    const struct scenario *cold_load = find_scenario("produce64k");
    struct topic cold, paced;
    if (options.data == NULL || options.pid == 0) die("drain: needs --pid and --data");
    make_batch(cold_load);
    topic_create(&client, "cold", own_or(options.partitions, 1), &cold);
    produce(cold_load, &cold, 0, options.cold_megabytes, 0);
    topic_await_records(&client, &cold);
    double cold_bytes = (double)run.answered * (double)batch.len;

    make_batch(s);
    topic_create(&client, s->name, 1, &paced);
    if (options.warmup_s > 0) produce(s, &paced, options.warmup_s, 0, 0);
    settle();
    produce(s, &paced, options.seconds, 0, 0);
    double alone_ms = latencies_ms(&run.latencies, 0.99);
    make_cold(&cold);
    rest();
    double disk_before = usage_disk_read_mb(options.pid);
    struct before before = measure_begin();
    produce(s, &paced, 0, 0, start_drain(&cold));
    double disk_mb = usage_disk_read_mb(options.pid) - disk_before;

    tell(s->name, &before, (double)run.answered * (double)batch.len);
    report_add(&report, "p99_alone_ms", alone_ms);
    report_add(&report, "p99_ratio", latencies_ms(&run.latencies, 0.99) / alone_ms);
    report_add(&report, "drain_mb_per_s",
               cold_bytes / 1e6 / ((double)run.elapsed_ns / (double)NS_PER_S));
    report_add(&report, "from_disk", disk_mb / (cold_bytes / 1e6));
    report_end(&report);
    topic_await_records(&client, &paced);
    topic_end(&paced);
    topic_end(&cold);
}

/* ---- idle ---- */

static void run_idle(const struct scenario *s) {
    if (options.pid == 0) die("idle: needs --pid");
    struct usage before = usage_of(options.pid);
    nanosleep(&(struct timespec){.tv_sec = IDLE_S}, NULL);
    struct usage after = usage_of(options.pid);
    report_begin(&report, s->name);
    report_add(&report, "rss_mb", after.rss_mb);
    report_add(&report, "cpu_ms_per_s", (after.cpu_s - before.cpu_s) * 1e3 / IDLE_S);
    report_end(&report);
}

/* ---- memory ---- */

static double resident_kb(void) {
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    return usage_of(options.pid).rss_mb * 1e3;
}

/* Connections have asked once and stay silent, partitions are empty: what they keep. */
static void run_memory(const struct scenario *s) {
    static struct client clients[MEMORY_COUNT];
    if (options.pid == 0) die("memory: needs --pid");
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* else opening the last ones fails */
    }
    double before_kb = resident_kb();
    for (int i = 0; i < MEMORY_COUNT; i++) {
        if (!client_open(&clients[i], &mem, options.bootstrap)) die("connection %d is refused", i);
    }
    double connected_kb = resident_kb();
    struct topic topic;
    topic_create(&client, s->name, MEMORY_COUNT, &topic);
    double created_kb = resident_kb();
    for (int i = 0; i < MEMORY_COUNT; i++) client_close(&clients[i]); /* not before: its memory */
    topic_end(&topic);
    report_begin(&report, s->name);
    report_add(&report, "kb_per_connection", (connected_kb - before_kb) / MEMORY_COUNT);
    report_add(&report, "kb_per_partition", (created_kb - connected_kb) / MEMORY_COUNT);
    report_end(&report);
}

/* ---- many ---- */

static void run_many(const struct scenario *s) {
    struct topic topics[MANY_TOPICS];
    if (options.pid == 0) die("many: needs --pid");
    int partitions = own_or(options.partitions, MANY_PARTITIONS);
    double before_kb = resident_kb();
    struct before before = measure_begin();
    int64_t begin_ns = clock_ns();
    for (int i = 0; i < MANY_TOPICS; i++) topic_create(&client, s->name, partitions, &topics[i]);
    double took_s = (double)(clock_ns() - begin_ns) / (double)NS_PER_S;
    double cpu_s = usage_of(options.pid).cpu_s - before.usage.cpu_s;
    report_begin(&report, s->name);
    report_add(&report, "create_s", took_s);
    report_add(&report, "create_cpu_s", cpu_s);
    report_add(&report, "kb_per_partition", (resident_kb() - before_kb) / partitions / MANY_TOPICS);
    report_end(&report);
    for (int i = 0; i < MANY_TOPICS; i++) topic_end(&topics[i]);
}

/* ---- the command line ---- */

static void usage(FILE *out) {
    fprintf(
        out,
        "usage: bench-load --bootstrap HOST:PORT [OPTION...] SCENARIO...\n\n"
        "  --pid PID          the broker's process: its CPU time and memory are told too\n"
        "  --seconds N        how long each scenario is measured (%g)\n"
        "  --megabytes N      no more than this is written per load, whichever ends first\n"
        "  --cold-megabytes N written for drain before (%g)\n"
        "  --warmup N         seconds of the same load before, not measured (%g)\n"
        "  --rest N           seconds before paced loads, and drain, are measured (0)\n"
        "  --acks 1|all       (1)\n"
        "  --connections N    of produce scenarios (the scenario's own)\n"
        "  --depth N          requests under way per connection (the scenario's own)\n"
        "  --rate N           requests a second over all connections (the scenario's own)\n"
        "  --partitions N     of each topic (the scenario's own)\n"
        "  --keep             topics are not deleted\n"
        "  --data DIRECTORY   the broker's log directory: each load waits until what was deleted\n"
        "                     is gone from it, drain takes its files out of the page cache\n"
        "  --pages DIRECTORY  measure there before each fast load what its writes and their syncs\n"
        "                     cost, before durable paced ones what the disk takes for an append\n"
        "  --json             an object per scenario\n\n",
        options.seconds, options.cold_megabytes, options.warmup_s);
    for (size_t i = 0; i < COUNT(scenarios); i++)
        fprintf(out, "  %-14s %s\n", scenarios[i].name, scenarios[i].what);
}

static double number(const char *name, const char *text, double min, double max) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= min && value <= max))
        die("--%s %s: not a number from %g to %g", name, text, min, max);
    return value;
}

static void read_options(int argc, char **argv) {
    static const struct option names[] = {
        {"bootstrap", 1, NULL, 'b'},      {"pid", 1, NULL, 'p'},    {"seconds", 1, NULL, 's'},
        {"megabytes", 1, NULL, 'm'},      {"warmup", 1, NULL, 'w'}, {"acks", 1, NULL, 'a'},
        {"connections", 1, NULL, 'c'},    {"depth", 1, NULL, 'd'},  {"rate", 1, NULL, 'r'},
        {"partitions", 1, NULL, 'n'},     {"pages", 1, NULL, 'g'},  {"json", 0, NULL, 'j'},
        {"cold-megabytes", 1, NULL, 'o'}, {"data", 1, NULL, 'D'},   {"keep", 0, NULL, 'k'},
        {"rest", 1, NULL, 'R'},           {"help", 0, NULL, 'h'},     {NULL, 0, NULL, 0},
    };
    int index = 0;
    for (;;) {
        int c = getopt_long(argc, argv, "", names, &index);
        if (c == -1) return;
        const char *name = names[index].name;
        switch (c) {
        case 'b': options.bootstrap = optarg; break;
        case 'p': options.pid = (pid_t)number(name, optarg, 1, INT32_MAX); break;
        case 's': options.seconds = number(name, optarg, 0.01, 86400); break;
        case 'm': options.megabytes = number(name, optarg, 0, 1e6); break;
        case 'w': options.warmup_s = number(name, optarg, 0, 86400); break;
        case 'R': options.rest_s = number(name, optarg, 0, 600); break;
        case 'c': options.connections = (int)number(name, optarg, 1, CONNECTIONS_MAX); break;
        case 'd': options.depth = (int)number(name, optarg, 1, DEPTH_MAX); break;
        case 'r': options.rate = (int)number(name, optarg, 1, 1e6); break;
        case 'n': options.partitions = (int)number(name, optarg, 1, 10000); break;
        case 'g': options.pages = optarg; break;
        case 'o': options.cold_megabytes = number(name, optarg, 1, 1e6); break;
        case 'D': options.data = optarg; break;
        case 'k': options.keep = true; break;
        case 'j': report.json = true; break;
        case 'h': usage(stdout); exit(0);
        case 'a':
            if (strcmp(optarg, "1") != 0 && strcmp(optarg, "all") != 0)
                die("--acks %s: 1 or all", optarg);
            options.acks = strcmp(optarg, "all") == 0 ? -1 : 1;
            break;
        default: usage(stderr); exit(2);
        }
    }
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    if (options.bootstrap == NULL || optind == argc) {
        usage(stderr);
        return 2;
    }
    for (int i = optind; i < argc; i++) (void)find_scenario(argv[i]); /* before anything starts */
    if (!client_open(&client, &mem, options.bootstrap))
        die("no broker answers at %s", options.bootstrap);
    batch_builder_init(&builder, &mem);

    struct topic written = {0}; /* by produce64k; for fetch */
    for (int i = optind; i < argc; i++) {
        const struct scenario *s = find_scenario(argv[i]);
        struct topic topic;
        settle();
        switch (s->kind) {
        case IDLE: run_idle(s); break;
        case MEMORY: run_memory(s); break;
        case MANY: run_many(s); break;
        case DRAIN: run_drain(s); break;
        case PRODUCE:
            run_produce(s, &topic);
            if (s != find_scenario("produce64k")) {
                topic_end(&topic);
                break;
            }
            if (written.partitions != 0) topic_end(&written);
            written = topic;
            break;
        case FETCH:
            if (written.partitions == 0) die("fetch: name produce64k before it");
            run_fetch(s, &written);
            break;
        }
    }
    if (written.partitions != 0) topic_end(&written);
    batch_builder_release(&builder);
    client_close(&client);
    return 0;
}
