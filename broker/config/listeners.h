/* broker/config/listeners.h - what the listener keys amount to: addresses to bind, endpoints to
 * advertise, and the one place where a protocol other than PLAINTEXT or a role that is not played
 * yet is refused. */
#pragma once
#include "base/io.h"
#include "broker/config/config.h"

struct listener {
    struct str name;
    struct str host;            /* as configured; "" binds every address */
    struct str advertised_host; /* never "" */
    uint16_t port;              /* 0: any, for tests */
    uint16_t advertised_port;
    bool is_controller;
};

struct listeners {
    struct listener
        *items; /* arena: in the order of the key; the controller's after the clients' */
    uint32_t count;
    uint32_t client_count; /* items[0 .. client_count - 1] are served to clients */
};

/** klamm.http.listener: HOST:PORT, numeric or localhost; family 0 when it is empty. ST_INVALID with
 * one line in ret_error. */
MUST_CHECK enum status http_address_read(const struct config_set *set, struct arena *arena,
                                         struct io_address *ret_address, struct str *ret_error);
/** ST_INVALID with one line in ret_error. host_name: of this machine, advertised when a listener
 * names no host. */
MUST_CHECK enum status listeners_read(const struct config_set *set, struct str host_name,
                                      struct arena *arena, struct listeners *ret_listeners,
                                      struct str *ret_error);
