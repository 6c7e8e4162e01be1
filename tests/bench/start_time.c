/* tests/bench/start_time.c - how long a broker takes from exec to its first answer.
 *
 *     bench-start-time HOST:PORT COMMAND [ARGUMENT...]
 *
 * Starts the command (which must listen on HOST:PORT, where nothing may listen before), connects
 * until it is let in, asks ApiVersions and Metadata until Metadata names a broker, prints the
 * milliseconds from just before the start until then, ends the command with SIGTERM and waits for
 * it. The command's output goes where this program's standard error does. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "client.h"

#define START_MAX_NS INT64_C(60000000000)
#define STOP_MAX_NS INT64_C(30000000000)
#define PAUSE_NS 50000

extern char **environ;

static void pause_ns(long ns) { nanosleep(&(struct timespec){.tv_nsec = ns}, NULL); }

static bool names_a_broker(struct client *client) {
    struct metadata_request request;
    codec_defaults(&metadata_request_schema, &request);
    request.topics_count = client->versions[API_METADATA] > 0 ? -1 : 0; /* every topic */
    struct metadata_response response;
    if (!client_try(client, API_METADATA, &request, &response)) return false;
    return response.error_code == 0 && response.brokers_count > 0;
}

static pid_t start(char **argv) {
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) die("%s: %s", argv[0], strerror(error));
    return pid;
}

static void stop(pid_t pid) {
    int64_t give_up_ns = clock_ns() + STOP_MAX_NS;
    kill(pid, SIGTERM);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (clock_ns() > give_up_ns) kill(pid, SIGKILL);
        pause_ns(PAUSE_NS);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: bench-start-time HOST:PORT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    struct mem mem = {0};
    struct client client;
    if (client_open(&client, &mem, argv[1])) die("%s is taken", argv[1]);

    int64_t begin_ns = clock_ns();
    pid_t pid = start(argv + 2);
    int64_t took_ns = 0;
    while (took_ns == 0) {
        if (client_open(&client, &mem, argv[1])) {
            if (names_a_broker(&client)) took_ns = clock_ns() - begin_ns;
            client_close(&client);
        }
        if (waitpid(pid, NULL, WNOHANG) == pid) die("%s ended before it answered", argv[2]);
        if (clock_ns() - begin_ns > START_MAX_NS) {
            kill(pid, SIGKILL);
            die("%s did not answer within %d s", argv[2], (int)(START_MAX_NS / 1000000000));
        }
        if (took_ns == 0) pause_ns(PAUSE_NS);
    }
    printf("%.2f\n", (double)took_ns / 1e6);
    stop(pid);
    return 0;
}
