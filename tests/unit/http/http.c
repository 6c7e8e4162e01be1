/* tests/unit/http/http.c - /livez, /readyz and /metrics while nobody answers, answers late, or has
 * no broker yet. reactor_group_post is this file's own: a question waits until the test lets shard
 * 0, which is played here, see it. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "broker/http/http.h"

struct reactor_group {
    struct io_message *waiting; /* the newest question, under relaxed atomics */
    bool is_answering;          /* at once, on the HTTP thread */
    bool is_full;
};

static struct io fake_io;

bool reactor_group_post(struct reactor_group *group, struct io_message *message) {
    if (group->is_full) return false;
    if (group->is_answering) {
        message->deliver(message, &fake_io);
    } else {
        __atomic_store_n(&group->waiting, message, __ATOMIC_RELEASE);
    }
    return true;
}

static void answer_late(struct reactor_group *group) {
    struct io_message *message = __atomic_load_n(&group->waiting, __ATOMIC_ACQUIRE);
    cr_assert_not_null(message);
    message->deliver(message, &fake_io);
}

static uint16_t free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

struct fixture {
    struct mem mem;
    struct reactor_group group;
    struct broker *broker; /* there is none yet */
    struct http *http;
    uint16_t port;
    char answer[65536];
    int64_t took_ms;
};

static void open_fixture(struct fixture *f) {
    char error[REACTOR_ERROR_BYTES] = "";
    f->port = free_port();
    struct http_setup setup = {
        .mem = &f->mem, .reactors = &f->group, .broker = &f->broker, .shard_count = 2};
    cr_assert(io_address_parse("127.0.0.1", f->port, &setup.address));
    cr_assert_eq(http_open(&setup, &f->http, error, sizeof error), ST_OK, "%s", error);
    cr_assert_eq(http_start(f->http, error, sizeof error), ST_OK, "%s", error);
}

static void close_fixture(struct fixture *f) {
    http_stop(f->http);
    http_free(f->http);
    cr_expect_eq(f->mem.used_bytes, 0);
}

static int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The status; the whole answer in f->answer. */
static int get(struct fixture *f, const char *path) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char request[128];
    int status = 0;
    int64_t began_ms = clock_ms();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    cr_assert_eq(write(fd, request, (size_t)len), len);
    size_t have = 0;
    for (ssize_t n; (n = read(fd, f->answer + have, sizeof f->answer - 1 - have)) > 0;)
        have += (size_t)n;
    close(fd);
    f->answer[have] = '\0';
    f->took_ms = clock_ms() - began_ms;
    cr_assert_eq(sscanf(f->answer, "HTTP/1.%*d %d", &status), 1, "%s", f->answer);
    cr_expect_not_null(strstr(f->answer, "Content-Type: text/plain;"), "%s", path);
    return status;
}

Test(http, a_process_without_a_broker_is_alive_and_not_ready, .timeout = 30) {
    static struct fixture f;
    f.group.is_answering = true;
    open_fixture(&f);
    cr_expect_eq(get(&f, "/livez"), 200);
    cr_expect_eq(get(&f, "/readyz"), 503);
    cr_expect_not_null(strstr(f.answer, "starting"));
    cr_expect_eq(get(&f, "/metrics"), 200);
    cr_expect_not_null(strstr(f.answer, "\nklamm_ready 0\n"));
    cr_expect_not_null(strstr(f.answer, "\nklamm_scrape_complete 1\n"));
    close_fixture(&f);
}

Test(http, a_hanging_shard_is_waited_for_once_and_then_known, .timeout = 30) {
    static struct fixture f;
    open_fixture(&f);
    cr_expect_eq(get(&f, "/livez"), 503);
    cr_expect_geq(f.took_ms, HTTP_WAIT_MS);
    cr_expect_eq(get(&f, "/livez"), 503);
    cr_expect_lt(f.took_ms, HTTP_WAIT_MS / 2, "%lld ms", (long long)f.took_ms);
    cr_expect_eq(get(&f, "/readyz"), 503);
    cr_expect_eq(get(&f, "/metrics"), 200, "what needs no shard is told");
    cr_expect_not_null(strstr(f.answer, "\nklamm_scrape_complete 0\n"));
    cr_expect_not_null(strstr(f.answer, "\nprocess_cpu_seconds_total "));
    answer_late(&f.group);
    f.group.is_answering = true;
    cr_expect_eq(get(&f, "/livez"), 200, "the late answer makes room for a new question");
    close_fixture(&f);
}

Test(http, a_full_inbox_is_a_hanging_shard, .timeout = 30) {
    static struct fixture f;
    f.group.is_full = true;
    open_fixture(&f);
    cr_expect_eq(get(&f, "/livez"), 503);
    cr_expect_lt(f.took_ms, HTTP_WAIT_MS / 2);
    f.group.is_full = false;
    f.group.is_answering = true;
    cr_expect_eq(get(&f, "/livez"), 200);
    close_fixture(&f);
}

Test(http, stopping_with_a_question_under_way_frees_everything, .timeout = 30) {
    static struct fixture f;
    open_fixture(&f);
    cr_expect_eq(get(&f, "/livez"), 503);
    close_fixture(&f);
}

Test(http, a_port_in_use_is_an_error_that_names_it, .timeout = 30) {
    static struct fixture f;
    char error[REACTOR_ERROR_BYTES] = "", want[64];
    open_fixture(&f);
    struct http *second = NULL;
    struct http_setup setup = {
        .mem = &f.mem, .reactors = &f.group, .broker = &f.broker, .shard_count = 1};
    cr_assert(io_address_parse("127.0.0.1", f.port, &setup.address));
    cr_expect_neq(http_open(&setup, &second, error, sizeof error), ST_OK);
    (void)snprintf(want, sizeof want, "127.0.0.1:%u: Address already in use", f.port);
    cr_expect_not_null(strstr(error, want), "%s", error);
    cr_expect_null(second);
    close_fixture(&f);
}
