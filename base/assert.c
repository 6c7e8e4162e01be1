/* base/assert.c - the last words of a broken invariant. */
#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "FATAL assert: file=%s line=%d failed=\"%s\"\n", file, line, what);
    abort();
}
