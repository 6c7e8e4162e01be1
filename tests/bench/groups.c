/* tests/bench/groups.c - measures the group coordinator of a running broker of any make.
 *
 *     bench-groups --bootstrap HOST:PORT [--pid PID] [--seconds N] [--json] SCENARIO...
 *
 *     commits          10,000 OffsetCommits a second from 100 groups, a connection each
 *     latency          OffsetCommits one after the other, of one group and of 100 at once, a
 *                      connection each
 *     beats            10,000 members of the consumer protocol, idle: a heartbeat each 5 s
 *     members          1,000 members join one group by the consumer protocol, until all own a share
 *     members-classic  the same by the classic protocol, until all have synced
 *     fill             10,000 groups commit 100 offsets each
 *     loaded           until the offsets of `fill` can be fetched: after a restart
 *
 * Requests are encoded beforehand, and members share connections where a broker answers at once, so
 * that the load costs little beside the broker. Every answer is checked. */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "flow.h"
#include "topic.h"

#define NS_PER_S INT64_C(1000000000)
#define COMMITS_PER_S 10000
#define COMMIT_GROUPS 100
#define BEATERS 10000
#define BEAT_S 5
#define MEMBERS 1000
#define CONNECTIONS 10
#define FILL_GROUPS 10000
#define FILL_PARTITIONS 100
#define LOADED_SAMPLES 200 /* groups that are asked for: of every coordinator some */
#define ID_BYTES 16

static struct options {
    const char *bootstrap;
    pid_t pid;
    double seconds;
} options = {.seconds = 5};

static struct mem mem;
static struct client client;
static struct report report;
static struct arena frames;

static int16_t version_of(int16_t api_key) {
    if (client.versions[api_key] < 0) die("the broker does not serve API %d", api_key);
    return client.versions[api_key];
}

/* "m00000042": ids of one width, so that all requests are of one size. */
static struct str id_of(char prefix, int number, char out[ID_BYTES]) {
    (void)snprintf(out, ID_BYTES, "%c%08d", prefix, number); /* fits */
    return str_of(out);
}

/* Asks until the coordinator is there: both makes create its topic now. */
static void await_coordinator(void) {
    struct find_coordinator_request request;
    struct find_coordinator_response response;
    char id[ID_BYTES];
    struct str key = id_of('g', 0, id);
    for (int i = 0; i < 300; i++) {
        find_coordinator_request_defaults(&request);
        request.key = key;
        request.coordinator_keys = &key;
        request.coordinator_keys_count = version_of(API_FIND_COORDINATOR) >= 4;
        if (request.coordinator_keys_count > 0) request.key = STR("");
        client_call(&client, API_FIND_COORDINATOR, &request, &response);
        if (response.error_code == 0 &&
            (response.coordinators_count == 0 || response.coordinators[0].error_code == 0))
            return;
        (void)usleep(100000);
    }
    die("there is no coordinator");
}

static void tell(const char *name, const struct usage *before, double own_before_s,
                 const struct flow *flow) {
    double seconds = (double)flow->elapsed_ns / (double)NS_PER_S;
    report_begin(&report, name);
    report_add(&report, "requests_per_s", (double)flow->answered / seconds);
    if (options.pid != 0) {
        struct usage after = usage_of(options.pid);
        double cpu_s = after.cpu_s - before->cpu_s;
        report_add(&report, "cpu_us_per_request", cpu_s * 1e6 / (double)flow->answered);
        report_add(&report, "cpu_ms_per_s", cpu_s * 1e3 / seconds);
        report_add(&report, "rss_mb", after.rss_mb);
    }
    report_add(&report, "p50_ms", latencies_ms(&flow->latencies, 0.5));
    report_add(&report, "p99_ms", latencies_ms(&flow->latencies, 0.99));
    report_add(&report, "load_cpu_s_per_s", (usage_own_cpu_s() - own_before_s) / seconds);
    report_end(&report);
}

static void run_and_tell(const char *name, struct flow *flow) {
    struct usage before = {0};
    double own_s = usage_own_cpu_s();
    if (options.pid != 0) before = usage_of(options.pid);
    flow_run(flow, &mem);
    tell(name, &before, own_s, flow);
}

/* --- OffsetCommit --- */

struct committer {
    struct topic topic;
    int group_count, partition_count; /* of one request */
    bool in_order;                    /* every group once */
    int next;
};

static struct bytes commit_frame(const struct committer *c, int number) {
    static char id[ID_BYTES];
    struct offset_commit_request request;
    struct offset_commit_request_topic topic;
    struct offset_commit_request_partition parts[FILL_PARTITIONS];
    offset_commit_request_defaults(&request);
    offset_commit_request_topic_defaults(&topic);
    request.group_id = id_of('g', number % c->group_count, id);
    topic.name = str_of(c->topic.name);
    topic.topic_id = c->topic.id;
    topic.partitions = parts;
    topic.partitions_count = c->partition_count;
    request.topics = &topic;
    request.topics_count = 1;
    for (int i = 0; i < c->partition_count; i++) {
        offset_commit_request_partition_defaults(&parts[i]);
        parts[i].partition_index = (number / c->group_count + i) % c->topic.partitions;
        parts[i].committed_offset = 1;
        parts[i].committed_metadata = STR("");
    }
    return client_frame(&frames, API_OFFSET_COMMIT, version_of(API_OFFSET_COMMIT), &request);
}

static void commit_fill(struct flow *flow, int slot, uint8_t *frame) {
    struct committer *c = flow->context;
    int number = c->in_order ? c->next++ % c->group_count : slot / flow->depth;
    struct bytes made = commit_frame(c, number);
    if (made.len != flow->request_bytes) die("commits differ in size");
    memcpy(frame, made.ptr, made.len);
    arena_reset(&frames);
}

static void commit_answer(struct flow *flow, int slot, const void *answer) {
    const struct offset_commit_response *response = answer;
    (void)flow;
    (void)slot;
    for (int32_t i = 0; i < response->topics[0].partitions_count; i++) {
        int16_t error = response->topics[0].partitions[i].error_code;
        if (error != 0) die("OffsetCommit: error %d", error);
    }
}

static struct flow commit_flow(struct committer *c, int connections, int depth) {
    struct flow flow = {.address = options.bootstrap,
                        .api_key = API_OFFSET_COMMIT,
                        .version = version_of(API_OFFSET_COMMIT),
                        .connection_count = connections,
                        .depth = depth,
                        .context = c,
                        .fill = commit_fill,
                        .answer = commit_answer};
    flow.request_bytes = commit_frame(c, 0).len;
    arena_reset(&frames);
    return flow;
}

static void run_commits(const char *name) {
    struct committer c = {.group_count = COMMIT_GROUPS, .partition_count = 1};
    topic_create(&client, "bench-commits", FILL_PARTITIONS, &c.topic);
    struct flow flow = commit_flow(&c, COMMIT_GROUPS, 100);
    flow.interval_ns = NS_PER_S / COMMITS_PER_S;
    flow.duration_ns = (int64_t)(options.seconds * (double)NS_PER_S);
    flow_run(&flow, &mem); /* a JVM compiles meanwhile */
    flow = commit_flow(&c, COMMIT_GROUPS, 100);
    flow.interval_ns = NS_PER_S / COMMITS_PER_S;
    flow.duration_ns = (int64_t)(options.seconds * (double)NS_PER_S);
    run_and_tell(name, &flow);
}

/* In a closed loop: what a client waits for that commits before it goes on. */
static void run_latency(const char *name) {
    static const int counts[] = {1, COMMIT_GROUPS};
    struct committer c = {.group_count = COMMIT_GROUPS, .partition_count = 1};
    topic_create(&client, "bench-latency", FILL_PARTITIONS, &c.topic);
    for (size_t i = 0; i < 2 * COUNT(counts); i++) {
        struct flow flow = commit_flow(&c, counts[i / 2], 1);
        char text[64];
        flow.duration_ns = (int64_t)(options.seconds * (double)NS_PER_S);
        (void)snprintf(text, sizeof text, "%s of %d", name, counts[i / 2]); /* fits */
        if (i % 2 == 0) {
            flow_run(&flow, &mem); /* a JVM compiles meanwhile */
        } else {
            run_and_tell(text, &flow);
        }
    }
}

static void run_fill(const char *name) {
    struct committer c = {
        .group_count = FILL_GROUPS, .partition_count = FILL_PARTITIONS, .in_order = true};
    topic_create(&client, "bench-fill", FILL_PARTITIONS, &c.topic);
    struct flow flow = commit_flow(&c, CONNECTIONS, 8);
    flow.refill = true;
    flow.request_limit = FILL_GROUPS;
    run_and_tell(name, &flow);
}

/* Whether the group's offsets are all there. */
static bool is_loaded(int number) {
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    struct offset_fetch_request_group group;
    char id[ID_BYTES];
    offset_fetch_request_defaults(&request);
    offset_fetch_request_group_defaults(&group);
    group.group_id = id_of('g', number, id);
    group.topics_count = -1;
    group.member_epoch = -1;
    request.groups = &group;
    request.groups_count = 1;
    client_call(&client, API_OFFSET_FETCH, &request, &response);
    if (response.groups_count != 1 || response.groups[0].error_code != 0) return false;
    int32_t count = 0;
    for (int32_t i = 0; i < response.groups[0].topics_count; i++)
        count += response.groups[0].topics[i].partitions_count;
    if (count < FILL_PARTITIONS) die("group %d has %d offsets", number, count);
    return true;
}

static void run_loaded(const char *name) {
    int64_t begin_ns = clock_ns();
    for (int i = 0; i < LOADED_SAMPLES; i++) {
        while (!is_loaded(i * (FILL_GROUPS / LOADED_SAMPLES))) (void)usleep(5000);
    }
    report_begin(&report, name);
    report_add(&report, "ms", (double)(clock_ns() - begin_ns) / 1e6);
    if (options.pid != 0) {
        struct usage usage = usage_of(options.pid);
        report_add(&report, "cpu_ms", usage.cpu_s * 1e3);
        report_add(&report, "rss_mb", usage.rss_mb);
        report_add(&report, "peak_rss_mb", usage.peak_rss_mb);
    }
    report_end(&report);
}

/* --- members of the consumer protocol --- */

struct member {
    int32_t epoch;
    uint32_t owned, told; /* partitions; it says what it owns when that has changed */
    struct uuid topic_id;
    int32_t *partitions;
    bool is_settled;
};

struct crowd {
    struct topic topic;
    bool is_one_group;
    bool joins;
    int settled;
    struct member *members;
};

static struct bytes beat_frame(const struct crowd *c, int slot) {
    static char group[ID_BYTES], id[ID_BYTES];
    struct consumer_group_heartbeat_request request;
    struct str topic = str_of(c->topic.name);
    consumer_group_heartbeat_request_defaults(&request);
    request.group_id = id_of('b', c->is_one_group ? 0 : slot, group);
    request.member_id = id_of('m', slot, id);
    request.member_epoch = c->joins ? 0 : c->members[slot].epoch;
    request.topic_partitions_count = c->joins ? 0 : -1;
    request.subscribed_topic_names_count = -1;
    if (c->joins) {
        request.rebalance_timeout_ms = 60000;
        request.subscribed_topic_names = &topic;
        request.subscribed_topic_names_count = 1;
    }
    return client_frame(&frames, API_CONSUMER_GROUP_HEARTBEAT,
                        version_of(API_CONSUMER_GROUP_HEARTBEAT), &request);
}

static void beat_fill(struct flow *flow, int slot, uint8_t *frame) {
    struct bytes made = beat_frame(flow->context, slot);
    if (made.len != flow->request_bytes) die("heartbeats differ in size");
    memcpy(frame, made.ptr, made.len);
    arena_reset(&frames);
}

static void beat_answer(struct flow *flow, int slot, const void *answer) {
    const struct consumer_group_heartbeat_response *response = answer;
    const struct crowd *c = flow->context;
    if (response->error_code != 0)
        die("heartbeat of member %d: error %d", slot, response->error_code);
    c->members[slot].epoch = response->member_epoch;
}

static struct flow beat_flow(struct crowd *c) {
    struct flow flow = {.address = options.bootstrap,
                        .api_key = API_CONSUMER_GROUP_HEARTBEAT,
                        .version = version_of(API_CONSUMER_GROUP_HEARTBEAT),
                        .connection_count = CONNECTIONS,
                        .depth = BEATERS / CONNECTIONS,
                        .context = c,
                        .fill = beat_fill,
                        .answer = beat_answer};
    flow.request_bytes = beat_frame(c, 0).len;
    arena_reset(&frames);
    return flow;
}

/* A group each. The first assignment may come with the join or, as in Kafka, with a heartbeat after
 * it: each heartbeat names the epoch of the answer before. */
static void run_beats(const char *name) {
    struct crowd c = {.joins = true};
    c.members = mem_need(&mem, BEATERS * sizeof *c.members);
    memset(c.members, 0, BEATERS * sizeof *c.members);
    topic_create(&client, "bench-beats", 1, &c.topic);
    struct flow flow = beat_flow(&c);
    flow.request_limit = BEATERS;
    flow_run(&flow, &mem);
    c.joins = false;
    flow = beat_flow(&c);
    flow.refill = true;
    flow.interval_ns = BEAT_S * NS_PER_S / BEATERS;
    flow.duration_ns = (int64_t)(MAX(options.seconds, 2.0 * BEAT_S) * (double)NS_PER_S);
    run_and_tell(name, &flow);
}

/* One call; the heartbeats that go on while others join are part of it. */
static void beat_once(struct client *by, struct crowd *c, int number) {
    char group[ID_BYTES], id[ID_BYTES];
    struct member *m = &c->members[number];
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    struct consumer_group_heartbeat_request_topic_partitions held;
    struct str topic = str_of(c->topic.name);
    bool joins = m->epoch == 0;
    consumer_group_heartbeat_request_defaults(&request);
    request.group_id = id_of('o', 0, group);
    request.member_id = id_of('m', number, id);
    request.member_epoch = m->epoch;
    request.subscribed_topic_names_count = -1;
    request.topic_partitions_count = -1;
    consumer_group_heartbeat_request_topic_partitions_defaults(&held);
    held.topic_id = m->topic_id;
    held.partitions = m->partitions;
    held.partitions_count = (int32_t)m->owned;
    if (joins) {
        request.rebalance_timeout_ms = 60000;
        request.subscribed_topic_names = &topic;
        request.subscribed_topic_names_count = 1;
        request.topic_partitions_count = 0;
    } else if (m->told != m->owned || !m->is_settled) {
        request.topic_partitions = &held;
        request.topic_partitions_count = m->owned > 0;
    }
    client_call(by, API_CONSUMER_GROUP_HEARTBEAT, &request, &response);
    if (response.error_code != 0)
        die("heartbeat of member %d: error %d", number, response.error_code);
    m->epoch = response.member_epoch;
    m->is_settled = response.assignment == NULL;
    if (response.assignment == NULL) return;
    m->told = m->owned;
    m->owned = 0;
    for (int32_t i = 0; i < response.assignment->topic_partitions_count; i++) {
        m->topic_id = response.assignment->topic_partitions[i].topic_id;
        for (int32_t p = 0; p < response.assignment->topic_partitions[i].partitions_count; p++)
            m->partitions[m->owned++] = response.assignment->topic_partitions[i].partitions[p];
    }
}

static bool have_all(const struct crowd *c) {
    uint32_t owned = 0;
    for (int i = 0; i < MEMBERS; i++) {
        if (!c->members[i].is_settled || c->members[i].epoch != c->members[0].epoch) return false;
        owned += c->members[i].owned;
    }
    return owned == MEMBERS;
}

/* Every CONNECTIONS-th member, one heartbeat each in turn, on a connection of its own. */
struct beater {
    pthread_t thread;
    struct mem mem;
    struct client client;
    struct crowd *crowd;
    int first;
};

static void *beat_share(void *argument) {
    struct beater *b = argument;
    for (int i = b->first; i < MEMBERS; i += CONNECTIONS) beat_once(&b->client, b->crowd, i);
    return NULL;
}

static void beat_all(struct beater beaters[CONNECTIONS]) {
    for (int i = 0; i < CONNECTIONS; i++) {
        if (pthread_create(&beaters[i].thread, NULL, beat_share, &beaters[i]) != 0)
            die("no thread");
    }
    for (int i = 0; i < CONNECTIONS; i++) (void)pthread_join(beaters[i].thread, NULL);
}

static void run_members(const char *name) {
    static struct beater beaters[CONNECTIONS];
    struct crowd c = {.is_one_group = true};
    struct usage before = {0};
    int rounds = 0;
    topic_create(&client, "bench-members", MEMBERS, &c.topic);
    c.members = mem_need(&mem, MEMBERS * sizeof *c.members);
    memset(c.members, 0, MEMBERS * sizeof *c.members);
    for (int i = 0; i < MEMBERS; i++)
        c.members[i].partitions = mem_need(&mem, MEMBERS * sizeof(int32_t));
    for (int i = 0; i < CONNECTIONS; i++) {
        beaters[i] = (struct beater){.crowd = &c, .first = i};
        if (!client_open(&beaters[i].client, &beaters[i].mem, options.bootstrap))
            die("no broker answers at %s", options.bootstrap);
    }
    if (options.pid != 0) before = usage_of(options.pid);
    int64_t begin_ns = clock_ns();
    do {
        beat_all(beaters);
        rounds++;
    } while (!have_all(&c));
    report_begin(&report, name);
    report_add(&report, "ms", (double)(clock_ns() - begin_ns) / 1e6);
    report_add(&report, "rounds", rounds);
    if (options.pid != 0) {
        struct usage after = usage_of(options.pid);
        report_add(&report, "cpu_ms", (after.cpu_s - before.cpu_s) * 1e3);
        report_add(&report, "rss_mb", after.rss_mb);
    }
    report_end(&report);
    for (int i = 0; i < CONNECTIONS; i++) client_close(&beaters[i].client);
}

/* --- members of the classic protocol: a connection each, since JoinGroup waits --- */

struct classic_crowd {
    char (*ids)[80];
    int leader;
    int32_t generation;
    size_t id_bytes;
};

static struct bytes join_frame(void) {
    struct join_group_request request;
    struct join_group_request_protocol protocol = {
        .name = STR("bench"),
        .metadata = {(const uint8_t *)"\0\0\0\0\0\0\xff\xff\xff\xff", 10}};
    join_group_request_defaults(&request);
    request.group_id = STR("classic");
    request.session_timeout_ms = request.rebalance_timeout_ms = 60000;
    request.member_id = STR("");
    request.protocol_type = STR("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    return client_frame(&frames, API_JOIN_GROUP, 3, &request); /* no second round for an id */
}

static void join_fill(struct flow *flow, int slot, uint8_t *frame) {
    struct bytes made = join_frame();
    (void)slot;
    memcpy(frame, made.ptr, flow->request_bytes);
    arena_reset(&frames);
}

static void join_answer(struct flow *flow, int slot, const void *answer) {
    const struct join_group_response *response = answer;
    struct classic_crowd *c = flow->context;
    if (response->error_code != 0) die("JoinGroup: error %d", response->error_code);
    if (response->member_id.len >= sizeof c->ids[0]) die("a long member id");
    memcpy(c->ids[slot], response->member_id.ptr, response->member_id.len);
    c->ids[slot][response->member_id.len] = '\0';
    c->generation = response->generation_id;
    if (str_eq(response->leader, response->member_id)) c->leader = slot;
}

static struct bytes sync_frame(const struct classic_crowd *c, int slot) {
    struct sync_group_request request;
    sync_group_request_defaults(&request);
    request.group_id = STR("classic");
    request.generation_id = c->generation;
    request.member_id = str_of(c->ids[slot]);
    return client_frame(&frames, API_SYNC_GROUP, 2, &request);
}

static void sync_fill(struct flow *flow, int slot, uint8_t *frame) {
    struct bytes made = sync_frame(flow->context, slot);
    if (made.len != flow->request_bytes) die("SyncGroups differ in size");
    memcpy(frame, made.ptr, made.len);
    arena_reset(&frames);
}

static void sync_answer(struct flow *flow, int slot, const void *answer) {
    const struct sync_group_response *response = answer;
    (void)flow;
    if (response->error_code != 0)
        die("SyncGroup of member %d: error %d", slot, response->error_code);
}

static void run_members_classic(const char *name) {
    struct classic_crowd c = {.leader = -1};
    struct usage before = {0};
    c.ids = mem_need(&mem, MEMBERS * sizeof c.ids[0]);
    if (options.pid != 0) before = usage_of(options.pid);
    int64_t begin_ns = clock_ns();
    struct flow flow = {.address = options.bootstrap,
                        .api_key = API_JOIN_GROUP,
                        .version = 3,
                        .connection_count = MEMBERS,
                        .depth = 1,
                        .request_limit = MEMBERS,
                        .context = &c,
                        .fill = join_fill,
                        .answer = join_answer,
                        .request_bytes = join_frame().len};
    flow_run(&flow, &mem);
    if (c.leader < 0) die("nobody leads");
    flow.api_key = API_SYNC_GROUP;
    flow.version = 2;
    flow.fill = sync_fill;
    flow.answer = sync_answer;
    flow.request_bytes = sync_frame(&c, 0).len;
    flow.answered = 0;
    flow_run(&flow, &mem);
    report_begin(&report, name);
    report_add(&report, "ms", (double)(clock_ns() - begin_ns) / 1e6);
    if (options.pid != 0) {
        struct usage after = usage_of(options.pid);
        report_add(&report, "cpu_ms", (after.cpu_s - before.cpu_s) * 1e3);
        report_add(&report, "rss_mb", after.rss_mb);
    }
    report_end(&report);
}

/* --- */

static const struct scenario {
    const char *name;
    void (*run)(const char *name);
} scenarios[] = {
    {"commits", run_commits},
    {"latency", run_latency},
    {"beats", run_beats},
    {"members", run_members},
    {"members-classic", run_members_classic},
    {"fill", run_fill},
    {"loaded", run_loaded},
};

static const struct scenario *find_scenario(const char *name) {
    for (size_t i = 0; i < COUNT(scenarios); i++) {
        if (strcmp(scenarios[i].name, name) == 0) return &scenarios[i];
    }
    die("no scenario '%s'", name);
}

static void read_options(int argc, char **argv) {
    static const struct option longs[] = {{"bootstrap", required_argument, NULL, 'b'},
                                          {"pid", required_argument, NULL, 'p'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 'b': options.bootstrap = optarg; break;
        case 'p': options.pid = (pid_t)strtol(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'j': report.json = true; break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    if (options.bootstrap == NULL || optind == argc) {
        fputs("usage: bench-groups --bootstrap HOST:PORT [--pid PID] [--seconds N] [--json] "
              "commits|latency|beats|members|members-classic|fill|loaded...\n",
              stderr);
        return 2;
    }
    for (int i = optind; i < argc; i++) (void)find_scenario(argv[i]); /* before anything starts */
    if (!client_open(&client, &mem, options.bootstrap))
        die("no broker answers at %s", options.bootstrap);
    arena_init(&frames, &mem, 64 << 10, 0);
    await_coordinator();
    for (int i = optind; i < argc; i++) find_scenario(argv[i])->run(argv[i]);
    client_close(&client);
    return 0;
}
