/* tools/admin.h - what the tools on our own client begin with: an arena, the properties of
 * --command-config, a connection. One thread; everything lives until admin_stop. */
#pragma once
#include "tools/client.h"

#define ADMIN_BOOTSTRAP_OPTION                                                                     \
    {                                                                                              \
        .name = "bootstrap-server", .kind = CLI_TEXT, .label = "host:port,...",                    \
        .help = "Required. Brokers to ask first; one that answers is enough."                      \
    }
#define ADMIN_CONFIG_OPTION                                                                        \
    {                                                                                              \
        .name = "command-config", .kind = CLI_TEXT, .label = "file",                               \
        .help = "A file of client properties (request.timeout.ms, default.api.timeout.ms ...)."    \
    }

struct admin {
    struct arena arena;
    struct client client;
};

/** Connects as client_start does; config_path: NULL or a properties file. A status other than ST_OK
 * has its reason in admin->client.message. */
MUST_CHECK enum status admin_start(struct admin *admin, struct mem *mem, const char *bootstrap,
                                   const char *config_path);
void admin_stop(struct admin *admin);

/** A whole decimal number of 32 bits. */
bool str_to_int32(struct str text, int32_t *ret_value);
/** Cuts the part before the first `separator` off *rest and trims it; false at the end. An empty
 * text has one part, an empty one; *rest begins as the whole text. */
bool str_next_part(struct str *rest, char separator, struct str *ret_part);
