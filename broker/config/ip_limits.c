/* broker/config/ip_limits.c - one item after the other; the count is behind the last colon. */
#include "broker/config/ip_limits.h"

static bool parse_item(struct str item, struct ip_limit *ret_limit) {
    char host[64];
    const char *colon = item.len > 0 ? memrchr(item.ptr, ':', item.len) : NULL;
    if (colon == NULL) return false;
    struct str address = str_trim((struct str){item.ptr, (size_t)(colon - item.ptr)});
    struct str count = str_trim((struct str){colon + 1, item.len - (size_t)(colon - item.ptr) - 1});
    if (address.len >= 2 && address.ptr[0] == '[' && address.ptr[address.len - 1] == ']')
        address = (struct str){address.ptr + 1, address.len - 2};
    if (address.len >= sizeof host) return false;
    memcpy(host, address.ptr, address.len);
    host[address.len] = '\0';
    return io_address_parse(host, 0, &ret_limit->address) &&
           str_to_int64(count, &ret_limit->max_connections) && ret_limit->max_connections >= 0 &&
           ret_limit->max_connections <= INT32_MAX;
}

enum status ip_limits_read(struct str text, struct arena *arena, struct ip_limit **ret_limits,
                           uint32_t *ret_count, struct str *ret_bad) {
    uint32_t most = 1, count = 0;
    for (size_t i = 0; i < text.len; i++) most += text.ptr[i] == ',';
    struct ip_limit *limits = arena_array(arena, most, sizeof *limits);
    if (limits == NULL) return ST_NOMEM;
    text = str_trim(text);
    while (text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma != NULL ? (size_t)(comma - text.ptr) : text.len;
        struct str item = str_trim((struct str){text.ptr, len});
        if (!parse_item(item, &limits[count++])) {
            *ret_bad = item;
            return ST_INVALID;
        }
        text.ptr += MIN(len + 1, text.len);
        text.len -= MIN(len + 1, text.len);
    }
    *ret_limits = limits;
    *ret_count = count;
    return ST_OK;
}
