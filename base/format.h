/* base/format.h - printf for text that others give: a NUL inside of it does not end it. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

/** Writes formatted text and a NUL behind it into `out`, which has room for both; NULL: writes
 * nothing. Returns its length. %.*s takes exactly as many octets, whatever they are, and of the
 * other conversions it knows %s, c, d, u, x and f: an ASSERT for any other. Moves *args. */
size_t format_text(char *out, size_t room, const char *format, va_list *args);
