/* base/assert.h - assertions that stay on in release builds, for the program's own mistakes only.
 * Wire, disk and configuration input are never asserted: they are a status. */
#pragma once

/** Prints file, line and the expression on standard error and aborts. */
__attribute__((noreturn, cold)) void assert_failed(const char *file, int line, const char *what);

#define ASSERT(x) (__builtin_expect(!!(x), 1) ? (void)0 : assert_failed(__FILE__, __LINE__, #x))
#define UNREACHABLE() assert_failed(__FILE__, __LINE__, "unreachable")
