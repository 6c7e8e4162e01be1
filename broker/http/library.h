/* broker/http/library.h - libmicrohttpd, loaded when it is needed. It brings GnuTLS along, whose
 * loading takes 1.5 ms of every start and 2.8 MB: so klamm is not linked with it, and http_start
 * loads it, while the shards are starting. */
#pragma once
#include <microhttpd.h>
#include "base/status.h"

#define HTTP_LIBRARY "libmicrohttpd.so.12"
#define HTTP_LIBRARY_FUNCTIONS(X)                                                                  \
    X(start_daemon)                                                                                \
    X(stop_daemon)                                                                                 \
    X(create_response_from_buffer)                                                                 \
    X(create_response_from_buffer_with_free_callback_cls)                                          \
    X(add_response_header)                                                                         \
    X(queue_response)                                                                              \
    X(destroy_response)

struct http_library {
#define HTTP_LIBRARY_MEMBER(name) __typeof__(&MHD_##name) name;
    HTTP_LIBRARY_FUNCTIONS(HTTP_LIBRARY_MEMBER)
#undef HTTP_LIBRARY_MEMBER
};

/* Filled in by http_library_load, which may be called again. */
extern struct http_library mhd;

MUST_CHECK enum status http_library_load(char *error, size_t error_bytes);
