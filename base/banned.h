/* base/banned.h - force-included into every layer above base: calls that would go past the seam
 * (base/io.h), past the counted allocators (base/mem.h) or past the clocks that are handed in do
 * not compile. broker/reactor/ and tools/ are outside it. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/socket.h>

#define BANNED(ret, name, args, instead) ret name args __attribute__((error("use " instead)))
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
BANNED(time_t, time, (time_t *), "the now that was handed in");
BANNED(int, clock_gettime, (clockid_t, struct timespec *), "the now that was handed in");
BANNED(int, rand, (void), "base/prng.h");
BANNED(long, random, (void), "base/prng.h");
BANNED(unsigned, sleep, (unsigned), "a timer of base/io.h");
BANNED(int, usleep, (useconds_t), "a timer of base/io.h");
BANNED(int, fsync, (int), "io_sync");
BANNED(int, fdatasync, (int), "io_sync");
BANNED(int, rename, (const char *, const char *), "io_rename");
BANNED(int, unlink, (const char *), "io_unlink");
BANNED(int, socket, (int, int, int), "io_connect or io_listen");
BANNED(char *, strcpy, (char *, const char *), "memcpy");
BANNED(char *, strcat, (char *, const char *), "base/strbuf.h");
BANNED(FILE *, fopen, (const char *, const char *), "io_open");
#pragma GCC diagnostic pop
#pragma GCC poison malloc calloc realloc
