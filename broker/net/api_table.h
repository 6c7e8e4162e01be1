/* broker/net/api_table.h - the one table of what this broker serves. ApiVersions answers from it,
 * so what is advertised is what is implemented; a new API is one row and one file in
 * broker/handlers. Versions, schemas and names are those of protocol/messages.h. */
#pragma once
#include "broker/net/request.h"

struct served_api {
    const struct api *api;
    void (*handle)(struct request *rq);
    bool overlaps; /* may run while earlier ones of its kind do: Produce; all others wait for the
                      one before */
    bool owns_answer; /* the answer borrows from nothing but the request, its arena and its hold:
                         a large one is encoded in turns */
};

/** NULL for a key that is not served. */
const struct served_api *served_find(int16_t key);
extern const struct served_api served_apis[]; /* by key, ascending */
extern const uint32_t served_count;
