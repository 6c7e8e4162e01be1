/* base/status.c - names of statuses, and where an errno becomes one. */
#include "base/status.h"
#include <errno.h>

static const char *const names[] = {
    [ST_OK] = "ok",
    [ST_NOMEM] = "no memory",
    [ST_SHORT] = "short",
    [ST_CORRUPT] = "corrupt",
    [ST_TOO_LARGE] = "too large",
    [ST_UNSUPPORTED] = "unsupported",
    [ST_INVALID] = "invalid",
    [ST_NOT_FOUND] = "not found",
    [ST_EXISTS] = "exists",
    [ST_RANGE] = "out of range",
    [ST_FULL] = "full",
    [ST_BUSY] = "busy",
    [ST_IO] = "i/o error",
    [ST_NO_SPACE] = "no space",
    [ST_CLOSED] = "closed",
    [ST_CANCELLED] = "cancelled",
    [ST_TIMEOUT] = "timed out",
    [ST_STALE] = "stale",
    [ST_DENIED] = "permission denied",
};
_Static_assert(sizeof names / sizeof names[0] == ST_COUNT, "every status has a name");

const char *status_name(enum status st) {
    return (unsigned)st < ST_COUNT ? names[st] : "unknown status";
}

enum status status_from_errno(int64_t result) {
    if (result >= 0) return ST_OK;
    switch (-result) {
    case ENOENT:
    case ENOTDIR: return ST_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY: return ST_EXISTS;
    case ENOMEM:
    case EMFILE: /* descriptors are a budget too; no device is broken */
    case ENFILE:
    case ENOBUFS: return ST_NOMEM;
    case ENOSPC:
    case EDQUOT: return ST_NO_SPACE;
    case EACCES:
    case EPERM: return ST_DENIED;
    case EFBIG: return ST_TOO_LARGE;
    case EAGAIN:
    case EBUSY: return ST_BUSY;
    case ECANCELED: return ST_CANCELLED;
    case ETIMEDOUT: return ST_TIMEOUT;
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EPIPE:
    case ENOTCONN: return ST_CLOSED;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG: return ST_INVALID;
    default: return ST_IO;
    }
}
