/* tools/client.h - a small synchronous client of a Kafka cluster for the admin tools: finds a
 * broker from the bootstrap list, agrees on versions, sends requests to any broker, to the
 * controller or to a named node.
 *
 * Every public function ends by the deadline (default.api.timeout.ms after client_start, 60 s), or
 * soon after an interrupt that comes meanwhile (tools/interrupt.h); a single request by
 * request.timeout.ms (30 s). Messages live in the client's arena until the tool ends. An error's
 * text is in c->message. Source: KIP-511 (ApiVersions),
 * org.apache.kafka.clients.admin.KafkaAdminClient. */
#pragma once
#include "protocol/errors.h"
#include "tools/connection.h"
#include "tools/settings.h"

#define CLIENT_ANY (-1)        /* whichever broker answered first */
#define CLIENT_CONTROLLER (-2) /* the broker that Metadata names as controller */
#define CLIENT_MESSAGE_BYTES 512

struct client_versions {
    int16_t min, max;
    bool offered;
};

struct client_node {
    int32_t id; /* CLIENT_ANY for one of the bootstrap list */
    struct str host;
    uint16_t port;
    struct connection connection;
    struct client_versions versions[API_KEY_COUNT];
    struct client_node *next;
};

struct client {
    struct arena *arena; /* borrowed */
    const char *bootstrap;
    struct client_node *nodes;                     /* those that were met */
    struct client_node *first;                     /* CLIENT_ANY: the one that answered last */
    struct client_versions offered[API_KEY_COUNT]; /* by the broker that was met first */
    struct metadata_response
        *cluster; /* brokers and controller, of the last look; NULL: none yet */
    int64_t began_ms, deadline_ms, request_timeout_ms, retry_backoff_ms;
    char message[CLIENT_MESSAGE_BYTES];
};

/** Connects to the first broker of `bootstrap` ("host:port,...") that answers, trying all of them
 * until the deadline. settings: of --command-config; ends the process for a security protocol other
 * than PLAINTEXT. ST_TIMEOUT: nobody answered; ST_INVALID: the list is none. */
MUST_CHECK enum status client_start(struct client *c, struct arena *arena, const char *bootstrap,
                                    const struct settings *settings);
void client_stop(struct client *c);
/** Another deadline for what comes, from now on. */
void client_set_patience(struct client *c, int64_t patience_ms);

/** The version in which a request would leave, for those whose fields depend on it; -1: not
 * offered. */
int16_t client_version(const struct client *c, int16_t api_key);
/** The time that a request may leave the broker: less than is waited here, its answer comes before.
 */
int32_t client_broker_timeout_ms(const struct client *c);
/** True when the broker that was met first offers the API in a version that we know. */
bool client_offers(const struct client *c, int16_t api_key);

/** The versions that `target` offers, by API key, connecting to it where need be; NULL with
 * c->message. */
const struct client_versions *client_versions_of(struct client *c, int32_t target);

/** Sends to `target` (CLIENT_ANY, CLIENT_CONTROLLER or a node id) in the highest version that both
 * sides know and fills *response (arena, the response's struct). A lost connection is made anew
 * until the deadline; the caller judges the error codes within. ST_UNSUPPORTED: the broker does not
 * offer the API, or not with such fields. */
MUST_CHECK enum status client_call(struct client *c, int32_t target, int16_t api_key,
                                   const void *request, void *response);

/** The same, in no version above `max_version`: for requests whose later ones ask for other fields.
 */
MUST_CHECK enum status client_call_up_to(struct client *c, int32_t target, int16_t api_key,
                                         int16_t max_version, const void *request, void *response);

/** For an error code within a response: true after a pause when it may go away and there is time
 * left, and the caller shall ask again (the controller is then looked for anew). */
bool client_may_retry(struct client *c, int16_t error_code);

/** Brokers and controller, looked up once; NULL with c->message. */
const struct metadata_response *client_cluster(struct client *c);
