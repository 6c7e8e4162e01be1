/* base/status.h - the one enum that says how a call ended.
 * A status describes an input or an environment; a caller's own mistake is an ASSERT. ST_OK is 0.
 * Kafka's wire codes are made from a status in exactly one place (broker/errors.h). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum status {
    ST_OK = 0,
    ST_NOMEM,       /* a budget or the machine has no memory left for it */
    ST_SHORT,       /* the input ends before the thing it promises */
    ST_CORRUPT,     /* the input contradicts its format or its checksum */
    ST_TOO_LARGE,   /* well formed, but beyond a named limit */
    ST_UNSUPPORTED, /* a version, codec, key or value this code does not know */
    ST_INVALID,     /* well formed, but not permitted here */
    ST_NOT_FOUND,   /* the named thing is not there */
    ST_EXISTS,      /* the named thing is there already */
    ST_RANGE,       /* an offset or an index outside what is held */
    ST_FULL,        /* a bounded queue, segment or index has no room; the caller rolls or waits */
    ST_BUSY,        /* somebody else holds it (a lock file, a running job) */
    ST_IO,          /* the device refused; the directory goes offline */
    ST_NO_SPACE,    /* the file system is full */
    ST_CLOSED,      /* the peer or the owner has gone */
    ST_CANCELLED,   /* given up before it finished */
    ST_TIMEOUT,     /* a deadline passed */
    ST_STALE,       /* an epoch, version or sequence older than what is held */
    ST_DENIED,      /* the process has no permission */
    ST_COUNT
};

/** The status in words for a log line, such as "corrupt"; never NULL. */
const char *status_name(enum status st);

/** The status for a negative errno as the seam gives it (0 and above: ST_OK). */
enum status status_from_errno(int64_t result);
