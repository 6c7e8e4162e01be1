/* base/io.c - addresses and listings: what every implementation of the seam shares. */
#include "base/io.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void io_address_format(const struct io_address *address, char text[IO_ADDRESS_TEXT_BYTES]) {
    char host[INET6_ADDRSTRLEN] = "?";
    bool six = address->family == 6;
    if (inet_ntop(six ? AF_INET6 : AF_INET, address->bytes, host, sizeof host) == NULL)
        host[0] = '?';
    (void)snprintf(text, IO_ADDRESS_TEXT_BYTES, six ? "[%s]:%u" : "%s:%u", host, address->port);
}

bool io_address_parse(const char *host, uint16_t port, struct io_address *ret_address) {
    struct io_address a = {.port = port};
    if (inet_pton(AF_INET, host, a.bytes) == 1) {
        a.family = 4;
    } else if (inet_pton(AF_INET6, host, a.bytes) == 1) {
        a.family = 6;
    } else {
        return false;
    }
    *ret_address = a;
    return true;
}

void io_listing_free(struct mem *mem, struct io_listing *listing) {
    mem_free(mem, listing->entries, listing->bytes);
    *listing = (struct io_listing){0};
}
