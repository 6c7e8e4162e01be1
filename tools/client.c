/* tools/client.c - see client.h. */
#include "tools/client.h"
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include "base/assert.h"
#include "tools/clock.h"
#include "tools/interrupt.h"

#define API_TIMEOUT_MS 60000
#define REQUEST_TIMEOUT_MS 30000
#define RETRY_BACKOFF_MS 100
#define BOOTSTRAP_PAUSE_MS 250

__attribute__((format(printf, 3, 4))) static enum status fail(struct client *c, enum status st,
                                                              const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->message, sizeof c->message, format, args); /* cut to fit */
    va_end(args);
    return st;
}

static void pause_ms(int64_t ms) { (void)poll(NULL, 0, (int)ms); }

static int64_t deadline_of(const struct client *c) {
    return interrupt_cut(c->began_ms, c->deadline_ms);
}

static void refuse_security(const struct settings *settings) {
    struct str protocol = settings_get(settings, "security.protocol");
    if (protocol.ptr != NULL && !str_eq(protocol, STR("PLAINTEXT")))
        cli_exit("security.protocol=%s: this tool speaks PLAINTEXT only", protocol.ptr);
}

/* The versions that the connected broker offers. */
static enum status learn_versions(struct client *c, struct client_node *node, int64_t deadline_ms) {
    const struct api *api = api_find(API_API_VERSIONS);
    struct api_versions_request request;
    struct api_versions_response response;
    codec_defaults(api->request, &request);
    request.client_software_name = STR("klamm-tools");
    request.client_software_version = STR(KLAMM_VERSION);
    enum status st = connection_call(&node->connection, api, api->max_version, &request, c->arena,
                                     &response, deadline_ms);
    if (st == ST_OK && response.error_code == KAFKA_UNSUPPORTED_VERSION)
        st = connection_call(&node->connection, api, 0, &request, c->arena, &response, deadline_ms);
    if (st != ST_OK) return st;
    if (response.error_code != KAFKA_NONE) {
        (void)snprintf(node->connection.why, CONNECTION_WHY_BYTES,
                       "ApiVersions was answered with %s", kafka_error_name(response.error_code));
        connection_close(&node->connection);
        return ST_UNSUPPORTED;
    }
    memset(node->versions, 0, sizeof node->versions);
    for (int32_t i = 0; i < response.api_keys_count; i++) {
        const struct api_versions_response_version *v = &response.api_keys[i];
        if (v->api_key < 0 || v->api_key >= API_KEY_COUNT) continue;
        node->versions[v->api_key] = (struct client_versions){v->min_version, v->max_version, true};
    }
    return ST_OK;
}

static enum status connect_node(struct client *c, struct client_node *node) {
    node->connection.began_ms = c->began_ms;
    if (node->connection.fd >= 0) return ST_OK;
    int64_t deadline_ms = MIN(deadline_of(c), clock_ms() + c->request_timeout_ms);
    enum status st = connection_open(&node->connection, node->host, node->port, deadline_ms);
    return st == ST_OK ? learn_versions(c, node, deadline_ms) : st;
}

static struct client_node *add_node(struct client *c, int32_t id, struct str host, uint16_t port) {
    struct client_node *node = ARENA_NEW(c->arena, struct client_node);
    ASSERT(node != NULL); /* the arena has no limit */
    *node = (struct client_node){.id = id, .host = host, .port = port};
    connection_init(&node->connection);
    struct client_node **end = &c->nodes;
    while (*end != NULL) end = &(*end)->next;
    *end = node;
    return node;
}

/* The nodes of "host:port,host:port"; an IPv6 address may stand in brackets. */
static enum status read_bootstrap(struct client *c) {
    const char *rest = c->bootstrap;
    while (*rest != '\0') {
        size_t len = strcspn(rest, ",");
        struct str part = str_trim((struct str){rest, len});
        rest += rest[len] == ',' ? len + 1 : len;
        if (part.len == 0) continue;
        const char *colon = memrchr(part.ptr, ':', part.len);
        int64_t port = 0;
        struct str port_text = STR_NULL;
        if (colon != NULL)
            port_text = (struct str){colon + 1, (size_t)(part.ptr + part.len - colon - 1)};
        if (colon == NULL || !str_to_int64(port_text, &port) || port < 1 || port > 65535)
            return fail(c, ST_INVALID, "Invalid url in bootstrap.servers: %.*s", STR_ARG(part));
        struct str host = {part.ptr, (size_t)(colon - part.ptr)};
        if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
            host = (struct str){host.ptr + 1, host.len - 2};
        (void)add_node(c, CLIENT_ANY, host, (uint16_t)port);
    }
    if (c->nodes == NULL)
        return fail(c, ST_INVALID, "No resolvable bootstrap urls given in bootstrap.servers");
    return ST_OK;
}

enum status client_start(struct client *c, struct arena *arena, const char *bootstrap,
                         const struct settings *settings) {
    refuse_security(settings);
    int64_t timeout_ms = settings_get_ms(settings, "default.api.timeout.ms", API_TIMEOUT_MS);
    *c = (struct client){
        .arena = arena,
        .bootstrap = bootstrap,
        .request_timeout_ms = settings_get_ms(settings, "request.timeout.ms", REQUEST_TIMEOUT_MS),
        .retry_backoff_ms = settings_get_ms(settings, "retry.backoff.ms", RETRY_BACKOFF_MS),
    };
    client_set_patience(c, timeout_ms);
    enum status st = read_bootstrap(c);
    if (st != ST_OK) return st;
    bool told = false;
    while (clock_ms() < deadline_of(c)) {
        for (struct client_node *node = c->nodes; node != NULL; node = node->next) {
            st = connect_node(c, node);
            if (st == ST_OK) {
                c->first = node;
                memcpy(c->offered, node->versions, sizeof c->offered);
                return ST_OK;
            }
            if (!told)
                fprintf(stderr, "WARN Connection to %.*s:%u could not be established: %s\n",
                        STR_ARG(node->host), node->port, node->connection.why);
        }
        told = true;
        pause_ms(MIN(BOOTSTRAP_PAUSE_MS, MAX(deadline_of(c) - clock_ms(), 0)));
    }
    return fail(c, ST_TIMEOUT,
                "No broker of %s answered within %" PRId64 " ms; the last reason: %s", bootstrap,
                timeout_ms, c->nodes->connection.why);
}

void client_stop(struct client *c) {
    for (struct client_node *node = c->nodes; node != NULL; node = node->next)
        connection_close(&node->connection);
}

void client_set_patience(struct client *c, int64_t patience_ms) {
    c->began_ms = clock_ms();
    c->deadline_ms = c->began_ms + patience_ms;
}

/* The highest version that both sides know; -1: none. */
static int16_t common_version(const struct client_versions *versions, const struct api *api) {
    const struct client_versions *theirs = &versions[api->key];
    if (!theirs->offered) return -1;
    int16_t version = MIN(theirs->max, api->request->max_version);
    return version >= MAX(theirs->min, api->request->min_version) ? version : -1;
}

int16_t client_version(const struct client *c, int16_t api_key) {
    const struct api *api = api_find(api_key);
    return api != NULL ? common_version(c->offered, api) : -1;
}

int32_t client_broker_timeout_ms(const struct client *c) {
    int64_t wait_ms = MIN(c->request_timeout_ms, deadline_of(c) - clock_ms());
    return (int32_t)MAX(wait_ms - MIN(wait_ms / 10, 1000), 1); /* a setting is an int */
}

bool client_offers(const struct client *c, int16_t api_key) {
    return client_version(c, api_key) >= 0;
}

static enum status call_node(struct client *c, struct client_node *node, const struct api *api,
                             int16_t max_version, const void *request, void *response) {
    enum status st = connect_node(c, node);
    if (st != ST_OK) return st;
    int16_t version = MIN(common_version(node->versions, api), max_version);
    if (version < node->versions[api->key].min) {
        (void)snprintf(node->connection.why, CONNECTION_WHY_BYTES, "the broker does not offer %s",
                       api->name);
        return ST_UNSUPPORTED;
    }
    int64_t deadline_ms = MIN(deadline_of(c), clock_ms() + c->request_timeout_ms);
    return connection_call(&node->connection, api, version, request, c->arena, response,
                           deadline_ms);
}

const struct metadata_response *client_cluster(struct client *c) {
    if (c->cluster != NULL) return c->cluster;
    struct metadata_request request;
    codec_defaults(&metadata_request_schema, &request);
    request.topics_count = 0; /* none: only the cluster */
    struct metadata_response *response = ARENA_NEW(c->arena, struct metadata_response);
    ASSERT(response != NULL);
    if (client_call(c, CLIENT_ANY, API_METADATA, &request, response) != ST_OK) return NULL;
    c->cluster = response;
    return response;
}

/* The node that `target` names, NULL with c->message when nobody knows it. */
static struct client_node *find_target(struct client *c, int32_t target) {
    if (target == CLIENT_ANY) return c->first;
    const struct metadata_response *cluster = client_cluster(c);
    if (cluster == NULL) return NULL;
    int32_t id = target == CLIENT_CONTROLLER ? cluster->controller_id : target;
    for (struct client_node *node = c->nodes; node != NULL; node = node->next) {
        if (node->id == id && id >= 0) return node;
    }
    for (int32_t i = 0; i < cluster->brokers_count; i++) {
        const struct metadata_response_broker *broker = &cluster->brokers[i];
        if (broker->node_id == id) return add_node(c, id, broker->host, (uint16_t)broker->port);
    }
    (void)fail(c, ST_NOT_FOUND,
               target == CLIENT_CONTROLLER ? "The cluster has no controller now"
                                           : "The cluster has no broker %" PRId32,
               id);
    return NULL;
}

static bool is_passing(enum status st) {
    return st == ST_CLOSED || st == ST_TIMEOUT || st == ST_IO;
}

enum status client_call(struct client *c, int32_t target, int16_t api_key, const void *request,
                        void *response) {
    return client_call_up_to(c, target, api_key, INT16_MAX, request, response);
}

enum status client_call_up_to(struct client *c, int32_t target, int16_t api_key,
                              int16_t max_version, const void *request, void *response) {
    const struct api *api = api_find(api_key);
    ASSERT(api != NULL && api->request != NULL);
    for (;;) {
        struct client_node *node = find_target(c, target);
        enum status st = ST_NOT_FOUND;
        if (node != NULL) {
            st = call_node(c, node, api, max_version, request, response);
            if (st == ST_OK) return ST_OK;
            (void)fail(c, st, "%s from %.*s:%u: %s", api->name, STR_ARG(node->host), node->port,
                       node->connection.why);
        }
        if ((node != NULL && !is_passing(st)) ||
            clock_ms() + c->retry_backoff_ms >= deadline_of(c))
            return st;
        if (target != CLIENT_ANY)
            c->cluster = NULL; /* it may be elsewhere now */
        else
            c->first = c->first->next != NULL ? c->first->next : c->nodes;
        pause_ms(c->retry_backoff_ms);
    }
}

bool client_may_retry(struct client *c, int16_t error_code) {
    if (!kafka_error_retriable(error_code)) return false;
    if (clock_ms() + c->retry_backoff_ms >= deadline_of(c)) return false;
    pause_ms(c->retry_backoff_ms);
    c->cluster = NULL;
    return true;
}

const struct client_versions *client_versions_of(struct client *c, int32_t target) {
    struct client_node *node = find_target(c, target);
    if (node == NULL) return NULL;
    enum status st = connect_node(c, node);
    if (st == ST_OK) return node->versions;
    (void)fail(c, st, "ApiVersions from %.*s:%u: %s", STR_ARG(node->host), node->port,
               node->connection.why);
    return NULL;
}
