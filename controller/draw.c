/* controller/draw.c - random uuids (RFC 4122, section 4.4). */
#include "controller/draw.h"

struct uuid draw_uuid(random_fn *random, void *context) {
    struct uuid id;
    char text[UUID_TEXT_BYTES + 1];
    do {
        random(context, id.b, sizeof id.b);
        id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40);
        id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
        uuid_format(id, text);
    } while (text[0] == '-');
    return id;
}
