/* tests/bench/start_time.c - how long a broker takes from exec until it serves.
 *
 *     bench-start-time [--records N] HOST:PORT COMMAND [ARGUMENT...]
 *
 * Starts the command (which must listen on HOST:PORT, where nothing may listen before), connects
 * until it is let in, asks ApiVersions and Metadata until Metadata names a broker, prints the
 * milliseconds from just before the start until then and the CPU seconds of the process by then,
 * ends the command with SIGTERM and waits for it. The command's output goes where this program's
 * standard error does.
 *
 * With --records the time ends later: when every partition of the topics that bench-load left
 * (--keep) is served and they hold so many records together. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "measure.h"
#include "topic.h"

#define START_MAX_NS INT64_C(300000000000)
#define STOP_MAX_NS INT64_C(120000000000)
#define PAUSE_NS 50000
#define TOPICS_MAX 16

extern char **environ;

static void pause_ns(long ns) { nanosleep(&(struct timespec){.tv_nsec = ns}, NULL); }

/* Whether Metadata names a broker; the topics that bench-load left, with it. */
static bool names_a_broker(struct client *client, struct topic *topics, int *ret_count) {
    const size_t prefix_len = sizeof TOPIC_NAME_PREFIX - 1;
    struct metadata_request request;
    codec_defaults(&metadata_request_schema, &request);
    request.topics_count = client->versions[API_METADATA] > 0 ? -1 : 0; /* every topic */
    struct metadata_response response;
    if (!client_try(client, API_METADATA, &request, &response)) return false;
    if (response.error_code != 0 || response.brokers_count == 0) return false;
    *ret_count = 0;
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct metadata_response_topic *told = &response.topics[i];
        struct topic *topic = &topics[*ret_count];
        if (told->name.len < prefix_len ||
            memcmp(told->name.ptr, TOPIC_NAME_PREFIX, prefix_len) != 0)
            continue;
        if (*ret_count == TOPICS_MAX) die("more than %d topics", TOPICS_MAX);
        *topic = (struct topic){.id = told->topic_id, .partitions = told->partitions_count};
        snprintf(topic->name, sizeof topic->name, "%.*s", STR_ARG(told->name));
        ++*ret_count;
    }
    return true;
}

/* How many records the topics hold; -1 while a partition is not served. */
static int64_t records_of(struct client *client, const struct topic *topics, int count) {
    int64_t records = 0;
    for (int i = 0; i < count; i++) {
        int64_t readable = topic_readable(client, &topics[i]);
        if (readable < 0) return -1;
        records += readable;
    }
    return records;
}

static pid_t child; /* 0: none runs */

static void kill_child(void) {
    if (child > 0) kill(child, SIGKILL);
}

static void start(char **argv) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    int error = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) die("%s: %s", argv[0], strerror(error));
    atexit(kill_child); /* also when something here dies */
}

static void stop(void) {
    int64_t give_up_ns = clock_ns() + STOP_MAX_NS;
    kill(child, SIGTERM);
    while (waitpid(child, NULL, WNOHANG) == 0) {
        if (clock_ns() > give_up_ns) kill_child();
        pause_ns(PAUSE_NS);
    }
    child = 0;
}

int main(int argc, char **argv) {
    int64_t wanted = -1; /* records; -1: any */
    if (argc > 2 && strcmp(argv[1], "--records") == 0) {
        char *end;
        wanted = strtoll(argv[2], &end, 10);
        if (end == argv[2] || *end != '\0' || wanted < 0) die("--records %s: no number", argv[2]);
        argc -= 2;
        argv += 2;
    }
    if (argc < 3) {
        fprintf(stderr, "usage: bench-start-time [--records N] HOST:PORT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    struct mem mem = {0};
    struct client client;
    static struct topic topics[TOPICS_MAX];
    int topic_count = 0;
    int64_t records = -1; /* as told last */
    if (client_open(&client, &mem, argv[1])) die("%s is taken", argv[1]);

    int64_t begin_ns = clock_ns();
    start(argv + 2);
    bool serves = false;
    while (!serves) {
        if (client_open(&client, &mem, argv[1])) {
            serves = names_a_broker(&client, topics, &topic_count);
            if (serves && wanted >= 0) {
                records = records_of(&client, topics, topic_count);
                serves = records == wanted;
            }
            client_close(&client);
        }
        if (waitpid(child, NULL, WNOHANG) == child) {
            child = 0;
            die("%s ended before it answered", argv[2]);
        }
        if (clock_ns() - begin_ns > START_MAX_NS)
            die("%s did not answer within %d s, or with %lld records instead of %lld", argv[2],
                (int)(START_MAX_NS / 1000000000), (long long)records, (long long)wanted);
        if (!serves) pause_ns(PAUSE_NS);
    }
    printf("%.2f %.2f\n", (double)(clock_ns() - begin_ns) / 1e6, usage_of(child).cpu_s);
    stop();
    return 0;
}
