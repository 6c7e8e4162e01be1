/* broker/config/ip_limits.h - max.connections.per.ip.overrides: "ADDRESS:COUNT,ADDRESS:COUNT".
 * Addresses are numeric, an IPv6 one may stand in brackets; names are not resolved. */
#pragma once
#include "base/arena.h"
#include "base/io.h"
#include "base/status.h"

struct ip_limit {
    struct io_address address; /* port 0 */
    int64_t max_connections;
};

/** ST_INVALID: *ret_bad is the item that is none (borrowed from text). ST_NOMEM. Limits: arena. */
MUST_CHECK enum status ip_limits_read(struct str text, struct arena *arena,
                                      struct ip_limit **ret_limits, uint32_t *ret_count,
                                      struct str *ret_bad);
