/* tests/unit/tools/connection.c - one connection to a broker that behaves, and to some
 * that do not. */
#include "tools/connection.h"
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "protocol/errors.h"
#include "tools/clock.h"
#include "tools/interrupt.h"

/* A broker of one answer: takes one connection and one request, sends fixed octets, then
 * waits or closes. */
struct broker {
    int listener;
    uint16_t port;
    struct bytes answer;
    bool stays_open;
    bool interrupts; /* between its answer and nothing */
    pthread_t thread;
};

static void *serve(void *argument) {
    struct broker *broker = argument;
    uint8_t request[512];
    int fd = accept(broker->listener, NULL, NULL);
    if (fd < 0) return NULL;
    if (recv(fd, request, sizeof request, 0) > 0 && broker->answer.len > 0 && !broker->interrupts)
        (void)!send(fd, broker->answer.ptr, broker->answer.len, MSG_NOSIGNAL);
    if (broker->interrupts) {
        (void)kill(getpid(), SIGINT);
        (void)poll(NULL, 0, 200);
        (void)!send(fd, broker->answer.ptr, broker->answer.len, MSG_NOSIGNAL);
    }
    while (broker->stays_open && recv(fd, request, sizeof request, 0) > 0) {
    }
    close(fd);
    return NULL;
}

static void broker_start(struct broker *broker) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    broker->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(broker->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(broker->listener, 1), 0);
    cr_assert_eq(getsockname(broker->listener, (struct sockaddr *)&address, &len), 0);
    broker->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&broker->thread, NULL, serve, broker), 0);
}

static void broker_stop(struct broker *broker) {
    pthread_join(broker->thread, NULL);
    close(broker->listener);
}

#define OCTETS(literal)                                                                            \
    { (const uint8_t *)(literal), sizeof(literal) - 1 }
#define DEADLINE_MS 300

static const struct {
    const char *name;
    struct bytes answer; /* correlation id 1, ApiVersions v0: error, count, key, min, max */
    bool stays_open;
    enum status want;
    int32_t keys_count;
} rows[] = {
    {"an answer", OCTETS("\0\0\0\x10\0\0\0\1\0\0\0\0\0\1\0\3\0\0\0\x0d"), true, ST_OK, 1},
    {"no answer", OCTETS(""), true, ST_TIMEOUT, 0},
    {"closed at once", OCTETS(""), false, ST_CLOSED, 0},
    {"closed within an answer", OCTETS("\0\0\0\x10\0\0\0\1\0\0"), false, ST_CLOSED, 0},
    {"an answer that stops", OCTETS("\0\0\0\x10\0\0\0\1\0\0"), true, ST_TIMEOUT, 0},
    {"another correlation id", OCTETS("\0\0\0\x10\0\0\0\2\0\0\0\0\0\1\0\3\0\0\0\x0d"), true,
     ST_CORRUPT, 0},
    {"a negative length", OCTETS("\xff\xff\xff\xff"), true, ST_CORRUPT, 0},
    {"a length of nothing", OCTETS("\0\0\0\0"), true, ST_CORRUPT, 0},
    {"a length beyond the limit", OCTETS("\x7f\xff\xff\xff"), true, ST_CORRUPT, 0},
    {"a TLS alert", OCTETS("\x15\x03\x01\x00\x02\x02\x46"), false, ST_CORRUPT, 0},
    {"an HTTP answer", OCTETS("HTTP/1.1 400 Bad Request\r\n\r\n"), false, ST_CORRUPT, 0},
    {"a count beyond the frame", OCTETS("\0\0\0\x10\0\0\0\1\0\0\x7f\xff\xff\xff\0\3\0\0\0\x0d"),
     true, ST_CORRUPT, 0},
};

Test(connection, takes_an_answer_and_refuses_what_is_none) {
    const struct api *api = api_find(API_API_VERSIONS);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct broker broker = {.answer = rows[i].answer, .stays_open = rows[i].stays_open};
        struct mem mem = {0};
        struct arena arena;
        struct connection connection;
        struct api_versions_request request;
        struct api_versions_response response = {0};
        broker_start(&broker);
        arena_init(&arena, &mem, 4096, 0);
        connection_init(&connection);
        codec_defaults(api->request, &request);
        int64_t deadline_ms = clock_ms() + DEADLINE_MS;
        enum status st = connection_open(&connection, STR("127.0.0.1"), broker.port, deadline_ms);
        cr_assert_eq(st, ST_OK, "%s: %s", rows[i].name, connection.why);
        st = connection_call(&connection, api, 0, &request, &arena, &response, deadline_ms);
        cr_expect_eq(st, rows[i].want, "%s: got %s, %s", rows[i].name, status_name(st),
                     connection.why);
        cr_expect_eq(connection.fd >= 0, st == ST_OK, "%s: a failure closes", rows[i].name);
        if (st == ST_OK)
            cr_expect_eq(response.api_keys_count, rows[i].keys_count, "%s", rows[i].name);
        if (st != ST_OK)
            cr_expect_str_neq(connection.why, "", "%s: a failure has a reason", rows[i].name);
        cr_expect_lt(mem.peak_bytes, 1 << 20, "%s: %zu octets taken", rows[i].name, mem.peak_bytes);
        connection_close(&connection);
        broker_stop(&broker);
        arena_release(&arena);
    }
}

Test(connection, reads_the_oldest_answer_when_the_version_is_refused) {
    const struct api *api = api_find(API_API_VERSIONS);
    /* UNSUPPORTED_VERSION in version 0 to a question in version 4 (KIP-511) */
    struct broker broker = {.answer = OCTETS("\0\0\0\x10\0\0\0\1\0\x23\0\0\0\1\0\x12\0\0\0\3"),
                            .stays_open = true};
    struct mem mem = {0};
    struct arena arena;
    struct connection connection;
    struct api_versions_request request;
    struct api_versions_response response;
    broker_start(&broker);
    arena_init(&arena, &mem, 4096, 0);
    connection_init(&connection);
    codec_defaults(api->request, &request);
    int64_t deadline_ms = clock_ms() + DEADLINE_MS;
    cr_assert_eq(connection_open(&connection, STR("127.0.0.1"), broker.port, deadline_ms), ST_OK);
    cr_assert_eq(connection_call(&connection, api, 4, &request, &arena, &response, deadline_ms),
                 ST_OK);
    cr_expect_eq(response.error_code, KAFKA_UNSUPPORTED_VERSION);
    cr_expect_eq(response.api_keys[0].max_version, 3);
    connection_close(&connection);
    broker_stop(&broker);
    arena_release(&arena);
}

Test(connection, says_why_it_could_not_be_made) {
    struct connection connection;
    connection_init(&connection);
    cr_expect_neq(connection_open(&connection, STR("127.0.0.1"), 1, clock_ms() + DEADLINE_MS),
                  ST_OK);
    cr_expect_str_eq(connection.why, "Connection refused");
    cr_expect_eq(connection_open(&connection, STR("nosuch.invalid"), 1, clock_ms() + DEADLINE_MS),
                 ST_NOT_FOUND);
    cr_expect_str_neq(connection.why, "");
    cr_expect_eq(connection.fd, -1);
}

Test(connection, an_interrupt_cuts_all_waits_of_a_call_that_began_before_it) {
    const struct api *api = api_find(API_API_VERSIONS);
    struct broker broker = {
        .answer = OCTETS("\0\0\0\x10"), .stays_open = true, .interrupts = true};
    struct mem mem = {0};
    struct arena arena;
    struct connection connection;
    struct api_versions_request request;
    struct api_versions_response response;
    interrupt_catch();
    broker_start(&broker);
    arena_init(&arena, &mem, 4096, 0);
    connection_init(&connection);
    codec_defaults(api->request, &request);
    int64_t began_ms = connection.began_ms = clock_ms(), deadline_ms = began_ms + 10000;
    cr_assert_eq(connection_open(&connection, STR("127.0.0.1"), broker.port, deadline_ms), ST_OK);
    cr_expect_eq(connection_call(&connection, api, 0, &request, &arena, &response, deadline_ms),
                 ST_TIMEOUT);
    int64_t took_ms = clock_ms() - began_ms;
    cr_expect_leq(took_ms, INTERRUPT_PATIENCE_MS + 1000, "%lld ms", (long long)took_ms);
    broker_stop(&broker);
    arena_release(&arena);
}
