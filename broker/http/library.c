/* broker/http/library.c - dlopen and the few functions that are used. */
#include "broker/http/library.h"
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct http_library mhd;

static bool find(void *library, const char *name, void *function, size_t bytes) {
    void *found = dlsym(library, name);
    memcpy(function, &found, bytes);
    return found != NULL;
}

enum status http_library_load(char *error, size_t error_bytes) {
    void *library = dlopen(HTTP_LIBRARY, RTLD_NOW | RTLD_LOCAL); /* for good */
    bool good = library != NULL;
#define HTTP_LIBRARY_FIND(name)                                                                    \
    good = good && find(library, "MHD_" #name, &mhd.name, sizeof mhd.name);
    HTTP_LIBRARY_FUNCTIONS(HTTP_LIBRARY_FIND)
#undef HTTP_LIBRARY_FIND
    if (good) return ST_OK;
    (void)snprintf(error, error_bytes,
                   "klamm.http.listener needs libmicrohttpd (Debian: libmicrohttpd12): %s; without "
                   "it, set klamm.http.listener to nothing",
                   dlerror());
    return ST_NOT_FOUND;
}
