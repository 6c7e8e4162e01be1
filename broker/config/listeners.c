/* broker/config/listeners.c - "NAME://host:port" lists, matched by name. Source:
 * kafka.server.KafkaConfig validation. */
#include "broker/config/listeners.h"

struct endpoint {
    struct str name, host;
    uint16_t port;
};

static struct str where(const struct config_set *set, struct str key, struct arena *arena) {
    return arena_printf(arena, "%.*s: %.*s", STR_ARG(config_place(set, key)), STR_ARG(key));
}

static bool parse_host_port(struct str text, struct endpoint *endpoint) {
    const char *colon = memrchr(text.ptr, ':', text.len);
    int64_t port = 0;
    if (colon == NULL) return false;
    struct str host = {text.ptr, (size_t)(colon - text.ptr)};
    if (!str_to_int64((struct str){colon + 1, text.len - host.len - 1}, &port) || port < 0 ||
        port > 65535)
        return false;
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host.ptr++;
        host.len -= 2;
    }
    endpoint->host = host;
    endpoint->port = (uint16_t)port;
    return true;
}

static bool parse_endpoint(struct str text, struct endpoint *endpoint) {
    const char *slashes = memmem(text.ptr, text.len, "://", 3);
    if (slashes == NULL || slashes == text.ptr) return false;
    endpoint->name = (struct str){text.ptr, (size_t)(slashes - text.ptr)};
    return parse_host_port((struct str){slashes + 3, text.len - endpoint->name.len - 3}, endpoint);
}

static bool is_any_address(struct str host) {
    return host.len == 0 || str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("::"));
}

static bool list_has(const struct str_list *list, struct str name) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i], name)) return true;
    }
    return false;
}

static enum status check_protocol(const struct config_set *set, struct str name,
                                  struct arena *arena, struct str *ret_error) {
    struct str map = set->values.listener_security_protocol_map;
    while (map.len > 0) {
        const char *comma = memchr(map.ptr, ',', map.len);
        size_t len = comma != NULL ? (size_t)(comma - map.ptr) : map.len;
        struct str entry = str_trim((struct str){map.ptr, len});
        if (entry.len > name.len && entry.ptr[name.len] == ':' &&
            memcmp(entry.ptr, name.ptr, name.len) == 0) {
            struct str protocol = {entry.ptr + name.len + 1, entry.len - name.len - 1};
            if (str_eq(protocol, STR("PLAINTEXT"))) return ST_OK;
            *ret_error = arena_printf(
                arena, "%.*s: %.*s has the protocol %.*s, only PLAINTEXT is served yet",
                STR_ARG(where(set, STR("listeners"), arena)), STR_ARG(name), STR_ARG(protocol));
            return ST_INVALID;
        }
        map.ptr += MIN(len + 1, map.len);
        map.len -= MIN(len + 1, map.len);
    }
    if (list_has(&set->values.controller_listener_names, name))
        return ST_OK; /* Kafka's default: PLAINTEXT */
    *ret_error = arena_printf(arena, "%.*s: %.*s has no protocol in listener.security.protocol.map",
                              STR_ARG(where(set, STR("listeners"), arena)), STR_ARG(name));
    return ST_INVALID;
}

static const struct listener *find_listener(const struct listeners *listeners, struct str name) {
    for (uint32_t i = 0; i < listeners->count; i++) {
        if (str_eq(listeners->items[i].name, name)) return &listeners->items[i];
    }
    return NULL;
}

static enum status find_advertised(const struct config_set *set, struct str host_name,
                                   struct listener *listener, struct arena *arena,
                                   struct str *ret_error) {
    const struct str_list *advertised = &set->values.advertised_listeners;
    for (uint32_t i = 0; i < advertised->count; i++) {
        struct endpoint endpoint;
        if (!parse_endpoint(advertised->items[i], &endpoint)) {
            *ret_error = arena_printf(arena, "%.*s: '%.*s' is not NAME://HOST:PORT",
                                      STR_ARG(where(set, STR("advertised.listeners"), arena)),
                                      STR_ARG(advertised->items[i]));
            return ST_INVALID;
        }
        if (!str_eq(endpoint.name, listener->name)) continue;
        if (is_any_address(endpoint.host)) {
            *ret_error = arena_printf(
                arena, "%.*s: '%.*s' cannot be advertised, name an address that clients can reach",
                STR_ARG(where(set, STR("advertised.listeners"), arena)),
                STR_ARG(advertised->items[i]));
            return ST_INVALID;
        }
        listener->advertised_host = endpoint.host;
        listener->advertised_port = endpoint.port;
        return ST_OK;
    }
    if (str_eq(listener->host, STR("0.0.0.0")) || str_eq(listener->host, STR("::"))) {
        *ret_error = arena_printf(
            arena,
            "%.*s: %.*s listens on every address and advertised.listeners does not say which one "
            "clients shall use",
            STR_ARG(where(set, STR("listeners"), arena)), STR_ARG(listener->name));
        return listener->is_controller ? ST_OK : ST_INVALID;
    }
    listener->advertised_host = listener->host.len > 0 ? listener->host : host_name;
    listener->advertised_port = listener->port;
    return ST_OK;
}

static enum status check_roles(const struct config_set *set, struct arena *arena,
                               struct str *ret_error) {
    const struct str_list *roles = &set->values.process_roles;
    if (roles->count != 2 || !list_has(roles, STR("broker")) ||
        !list_has(roles, STR("controller"))) {
        *ret_error =
            arena_printf(arena, "%.*s: only broker,controller in one process is served yet",
                         STR_ARG(where(set, STR("process.roles"), arena)));
        return ST_INVALID;
    }
    const struct str_list *voters = &set->values.controller_quorum_voters;
    if (voters->count == 0) return ST_OK;
    struct str place = where(set, STR("controller.quorum.voters"), arena);
    if (voters->count > 1) {
        *ret_error =
            arena_printf(arena, "%.*s: more than one voter is not served yet", STR_ARG(place));
        return ST_INVALID;
    }
    struct str voter = voters->items[0];
    const char *at = memchr(voter.ptr, '@', voter.len);
    size_t id_len = at != NULL ? (size_t)(at - voter.ptr) : 0;
    int64_t id;
    struct endpoint endpoint;
    if (at != NULL && str_to_int64((struct str){voter.ptr, id_len}, &id) &&
        id == set->values.node_id &&
        parse_host_port((struct str){at + 1, voter.len - id_len - 1}, &endpoint))
        return ST_OK;
    *ret_error = arena_printf(arena, "%.*s: '%.*s' is not this node, %lld@HOST:PORT",
                              STR_ARG(place), STR_ARG(voter), (long long)set->values.node_id);
    return ST_INVALID;
}

/* Kafka refuses them too: a client would be told an address that nobody listens on. */
static enum status check_advertised(const struct config_set *set, const struct listeners *found,
                                    struct arena *arena, struct str *ret_error) {
    const struct str_list *advertised = &set->values.advertised_listeners;
    for (uint32_t i = 0; i < advertised->count; i++) {
        struct endpoint endpoint;
        bool is_endpoint = parse_endpoint(advertised->items[i], &endpoint);
        if (is_endpoint && find_listener(found, endpoint.name) != NULL) continue;
        *ret_error = arena_printf(arena, "%.*s: '%.*s' is %s",
                                  STR_ARG(where(set, STR("advertised.listeners"), arena)),
                                  STR_ARG(advertised->items[i]),
                                  is_endpoint ? "none of listeners" : "not NAME://HOST:PORT");
        return ST_INVALID;
    }
    return ST_OK;
}

enum status listeners_read(const struct config_set *set, struct str host_name, struct arena *arena,
                           struct listeners *ret_listeners, struct str *ret_error) {
    enum status st = check_roles(set, arena, ret_error);
    if (st != ST_OK) return st;
    const struct str_list *texts = &set->values.listeners;
    struct listeners found = {.items =
                                  arena_array(arena, texts->count + 1, sizeof(struct listener))};
    if (found.items == NULL) return ST_NOMEM;
    for (int controllers = 0; controllers < 2; controllers++) { /* clients first */
        for (uint32_t i = 0; i < texts->count; i++) {
            struct endpoint endpoint;
            if (!parse_endpoint(texts->items[i], &endpoint)) {
                *ret_error = arena_printf(arena, "%.*s: '%.*s' is not NAME://HOST:PORT",
                                          STR_ARG(where(set, STR("listeners"), arena)),
                                          STR_ARG(texts->items[i]));
                return ST_INVALID;
            }
            bool is_controller = list_has(&set->values.controller_listener_names, endpoint.name);
            if (is_controller != (controllers == 1)) continue;
            if (find_listener(&found, endpoint.name) != NULL) {
                *ret_error = arena_printf(
                    arena, "%.*s: %.*s stands there twice, each listener needs a name of its own",
                    STR_ARG(where(set, STR("listeners"), arena)), STR_ARG(endpoint.name));
                return ST_INVALID;
            }
            struct listener *listener = &found.items[found.count++];
            *listener = (struct listener){.name = endpoint.name,
                                          .host = endpoint.host,
                                          .port = endpoint.port,
                                          .is_controller = is_controller};
            st = check_protocol(set, endpoint.name, arena, ret_error);
            if (st == ST_OK) st = find_advertised(set, host_name, listener, arena, ret_error);
            if (st != ST_OK) return st;
        }
        if (controllers == 0) found.client_count = found.count;
    }
    if (found.client_count == 0) {
        *ret_error = arena_printf(arena, "%.*s: a listener for clients is missing",
                                  STR_ARG(where(set, STR("listeners"), arena)));
        return ST_INVALID;
    }
    st = check_advertised(set, &found, arena, ret_error);
    if (st != ST_OK) return st;
    *ret_listeners = found;
    return ST_OK;
}

enum status http_address_read(const struct config_set *set, struct arena *arena,
                              struct io_address *ret_address, struct str *ret_error) {
    struct str text = str_trim(set->values.klamm_http_listener);
    struct endpoint endpoint;
    *ret_address = (struct io_address){0};
    if (text.len == 0) return ST_OK;
    if (parse_host_port(text, &endpoint)) {
        struct str host = endpoint.host;
        if (host.len == 0) host = STR("0.0.0.0");
        if (str_eq(host, STR("localhost"))) host = STR("127.0.0.1");
        struct str terminated = arena_str(arena, host);
        if (terminated.ptr != NULL && io_address_parse(terminated.ptr, endpoint.port, ret_address))
            return ST_OK;
    }
    *ret_error = arena_printf(
        arena, "%.*s: '%.*s' is not HOST:PORT with a numeric address or localhost, nor empty",
        STR_ARG(where(set, STR("klamm.http.listener"), arena)), STR_ARG(text));
    return ST_INVALID;
}
