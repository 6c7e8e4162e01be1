/* protocol/crc32c.c - ISA-L's raw polynomial division, with the inversions of the standard around
 * it. */
#include "protocol/crc32c.h"
#include <isa-l/crc.h>

#define STEP_BYTES ((size_t)1 << 30) /* ISA-L counts in int */

uint32_t crc32c(uint32_t crc, const void *data, size_t len) {
    unsigned char *at =
        (unsigned char *)(uintptr_t)data; /* ISA-L's prototype lacks the const it keeps to */
    crc = ~crc;
    while (len > 0) {
        size_t step = len < STEP_BYTES ? len : STEP_BYTES;
        crc = crc32_iscsi(at, (int)step, crc);
        at += step;
        len -= step;
    }
    return ~crc;
}

uint32_t crc32_legacy(uint32_t crc, const void *data, size_t len) {
    return crc32_gzip_refl(crc, data, len);
}
