/* broker/config/listeners.c - "NAME://host:port" lists, matched by name. Source:
 * kafka.server.KafkaConfig validation. */
#include "broker/config/listeners.h"
#include <ctype.h>
#include "base/assert.h"

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

/* Listeners and protocols are told apart in capitals, as Kafka does. */
static struct str in_capitals(struct str text, struct arena *arena) {
    struct str copy = arena_str(arena, text);
    ASSERT(copy.ptr != NULL || text.ptr == NULL);
    for (size_t i = 0; i < copy.len; i++)
        ((char *)copy.ptr)[i] = (char)toupper((unsigned char)text.ptr[i]);
    return copy;
}

static bool parse_endpoint(struct str text, struct arena *arena, struct endpoint *endpoint) {
    const char *slashes = memmem(text.ptr, text.len, "://", 3);
    if (slashes == NULL || slashes == text.ptr) return false;
    struct str name = {text.ptr, (size_t)(slashes - text.ptr)};
    if (!parse_host_port((struct str){slashes + 3, text.len - name.len - 3}, endpoint))
        return false;
    endpoint->name = in_capitals(name, arena);
    return true;
}

static bool is_any_address(struct str host) {
    return str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("::"));
}

static bool list_has(const struct str_list *list, struct str name) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i], name)) return true;
    }
    return false;
}

/* The protocol of a listener, the last one of its name counts; null: it has none. *ret_bad: an
 * entry that is none, or null. */
static struct str find_protocol(const struct config_set *set, struct str name, struct arena *arena,
                                struct str *ret_bad) {
    struct str rest = str_trim(set->values.listener_security_protocol_map), entry;
    struct str found = STR_NULL;
    *ret_bad = STR_NULL;
    while (rest.len > 0 && config_list_next(&rest, &entry)) {
        const char *colon = memrchr(entry.ptr, ':', entry.len);
        if (colon == NULL) {
            *ret_bad = entry.len > 0 ? entry : STR(",");
            return STR_NULL;
        }
        struct str key = str_trim((struct str){entry.ptr, (size_t)(colon - entry.ptr)});
        if (!str_eq(in_capitals(key, arena), name)) continue;
        struct str protocol = {colon + 1, entry.len - (size_t)(colon + 1 - entry.ptr)};
        found = in_capitals(str_trim(protocol), arena);
    }
    /* Kafka's default map is meant for controllers, too. */
    bool is_default = config_setting_find(set, STR("listener.security.protocol.map")) == NULL;
    if (found.ptr == NULL && is_default && list_has(&set->values.controller_listener_names, name))
        found = STR("PLAINTEXT");
    return found;
}

static enum status check_protocol(const struct config_set *set, struct str name,
                                  struct arena *arena, struct str *ret_error) {
    struct str bad, protocol = find_protocol(set, name, arena, &bad);
    if (str_eq(protocol, STR("PLAINTEXT"))) return ST_OK;
    if (bad.ptr != NULL) {
        *ret_error = arena_printf(arena, "%.*s: '%.*s' is not NAME:PROTOCOL",
                                  STR_ARG(where(set, STR("listener.security.protocol.map"), arena)),
                                  STR_ARG(bad));
    } else if (protocol.ptr != NULL) {
        *ret_error = arena_printf(
            arena, "%.*s: %.*s has the protocol %.*s, only PLAINTEXT is served yet",
            STR_ARG(where(set, STR("listeners"), arena)), STR_ARG(name), STR_ARG(protocol));
    } else {
        *ret_error =
            arena_printf(arena, "%.*s: %.*s has no protocol in listener.security.protocol.map",
                         STR_ARG(where(set, STR("listeners"), arena)), STR_ARG(name));
    }
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
        if (!parse_endpoint(advertised->items[i], arena, &endpoint)) {
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
        listener->advertised_host = endpoint.host.len > 0 ? endpoint.host : host_name;
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

static struct str list_text(const struct str_list *list, struct arena *arena) {
    struct str text = STR("");
    for (uint32_t i = 0; i < list->count; i++)
        text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), i > 0 ? ", " : "",
                            STR_ARG(list->items[i]));
    return text;
}

/* Kafka refuses them too: a client would be told an address that nobody listens on. Collects the
 * names of what clients are told. */
static enum status check_advertised(const struct config_set *set, const struct listeners *found,
                                    struct str_list *names, struct arena *arena,
                                    struct str *ret_error) {
    const struct str_list *advertised = &set->values.advertised_listeners;
    struct str place = where(set, STR("advertised.listeners"), arena);
    uint32_t controllers = 0;
    for (uint32_t i = 0; i < advertised->count; i++) {
        struct endpoint endpoint;
        bool is_endpoint = parse_endpoint(advertised->items[i], arena, &endpoint);
        const struct listener *listener = is_endpoint ? find_listener(found, endpoint.name) : NULL;
        bool is_again = is_endpoint && list_has(names, endpoint.name);
        if (listener == NULL || is_again) {
            *ret_error = arena_printf(arena, "%.*s: '%.*s' is %s", STR_ARG(place),
                                      STR_ARG(advertised->items[i]),
                                      !is_endpoint ? "not NAME://HOST:PORT"
                                      : is_again   ? "the second of its name"
                                                   : "none of listeners");
            return ST_INVALID;
        }
        controllers += listener->is_controller;
        names->items[names->count++] = endpoint.name;
    }
    if (advertised->count == 0) {
        for (uint32_t i = 0; i < found->client_count; i++)
            names->items[names->count++] = found->items[i].name;
    } else if (controllers == advertised->count) {
        *ret_error = arena_printf(arena,
                                  "%.*s: There must be at least one broker advertised listener. "
                                  "Perhaps all listeners appear in controller.listener.names?",
                                  STR_ARG(place));
        return ST_INVALID;
    }
    return ST_OK;
}

/* Other brokers would be told this one; a single broker is held to it as by Kafka. */
static enum status check_inter_broker(const struct config_set *set, const struct str_list *names,
                                      struct arena *arena, struct str *ret_error) {
    const struct config_setting *setting =
        config_setting_find(set, STR("inter.broker.listener.name"));
    if (setting != NULL &&
        config_setting_find(set, STR("security.inter.broker.protocol")) != NULL) {
        *ret_error = arena_printf(arena,
                                  "%.*s: Only one of inter.broker.listener.name and "
                                  "security.inter.broker.protocol should be set.",
                                  STR_ARG(setting->place));
        return ST_INVALID;
    }
    struct str key = setting != NULL ? STR("inter.broker.listener.name") : STR("listeners");
    struct str name = setting != NULL ? in_capitals(setting->value, arena) : STR("PLAINTEXT");
    if (list_has(names, name) && !list_has(&set->values.controller_listener_names, name))
        return ST_OK;
    *ret_error = arena_printf(
        arena,
        "%.*s: inter.broker.listener.name must be a listener name defined in advertised.listeners. "
        "The valid options based on currently configured listeners are %.*s",
        STR_ARG(where(set, key, arena)), STR_ARG(list_text(names, arena)));
    return ST_INVALID;
}

/* Two listeners share a port only where one is IPv4's and the other IPv6's. */
static enum status check_ports(const struct config_set *set, const struct listeners *found,
                               struct arena *arena, struct str *ret_error) {
    for (uint32_t i = 0; i < found->count; i++) {
        uint32_t same = 0, v4 = 0, v6 = 0;
        uint16_t port = found->items[i].port;
        for (uint32_t k = 0; port > 0 && k < found->count; k++) {
            struct io_address address;
            if (found->items[k].port != port) continue;
            struct str host = arena_str(arena, found->items[k].host);
            bool is_literal = host.len > 0 && io_address_parse(host.ptr, port, &address);
            same++;
            v4 += is_literal && address.family == 4;
            v6 += is_literal && address.family == 6;
        }
        if (same < 2 || (same == 2 && v4 == 1 && v6 == 1)) continue;
        *ret_error = arena_printf(
            arena,
            "%.*s: Each listener must have a different port unless exactly one listener has an "
            "IPv4 address and the other IPv6 address, listeners: [%.*s], port: %u",
            STR_ARG(where(set, STR("listeners"), arena)),
            STR_ARG(list_text(&set->values.listeners, arena)), port);
        return ST_INVALID;
    }
    return ST_OK;
}

/* A node that says where its quorum is has a controller that listens. One that is alone and says
 * nothing needs none. */
static enum status check_controllers(const struct config_set *set, const struct listeners *found,
                                     struct arena *arena, struct str *ret_error) {
    const struct str_list *names = &set->values.controller_listener_names;
    bool is_told = config_setting_find(set, STR("controller.quorum.bootstrap.servers")) != NULL ||
                   config_setting_find(set, STR("controller.quorum.voters")) != NULL;
    bool has_one = found->count > found->client_count;
    for (uint32_t i = 0; i < names->count && (is_told || has_one); i++) {
        if (find_listener(found, names->items[i]) != NULL) continue;
        *ret_error = arena_printf(
            arena,
            "%.*s: controller.listener.names must %s appearing in the 'listeners' configuration "
            "when running the KRaft controller role (%.*s)",
            STR_ARG(where(set, STR("controller.listener.names"), arena)),
            has_one ? "only contain values" : "contain at least one value",
            STR_ARG(names->items[i]));
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
            if (!parse_endpoint(texts->items[i], arena, &endpoint)) {
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
    uint32_t most = MAX(found.count, set->values.advertised_listeners.count);
    struct str_list names = {.items = arena_array(arena, most, sizeof(struct str))};
    if (names.items == NULL) return ST_NOMEM;
    st = check_ports(set, &found, arena, ret_error);
    if (st == ST_OK) st = check_controllers(set, &found, arena, ret_error);
    if (st == ST_OK) st = check_advertised(set, &found, &names, arena, ret_error);
    if (st == ST_OK) st = check_inter_broker(set, &names, arena, ret_error);
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
