/* tests/fuzz/fuzz_decode.c - the message decoder on any octets.
 *
 * Two octets choose the schema, one its version, the rest is the message. Held to:
 *   - what decodes ends within the input
 *   - the arena grows by no more than CODEC_AMPLIFICATION_MAX for an octet of input
 *   - encoding writes what was sized; decoding that gives an equal message, encoding that the same
 *   - printing it gives well-formed UTF-8 */
#include "base/assert.h"
#include "protocol/messages.h"

#define MESSAGE_BYTES_MAX 4096
#define ARENA_ROUNDING_BYTES 64 /* of few allocations on a tiny input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct schema *schema, int16_t version, const void *first,
                        struct arena *arena) {
    static _Alignas(16) uint8_t second[MESSAGE_BYTES_MAX];
    struct bytes once, twice;
    enum status st = codec_encode_arena(schema, version, first, arena, &once);
    ASSERT(st == ST_OK); /* what was decoded can be said again; its size is checked inside */
    size_t used;
    st = codec_decode(schema, version, once, arena, second, &used);
    ASSERT(st == ST_OK);
    ASSERT(used == once.len);
    ASSERT(codec_equal(schema, version, first, second));
    st = codec_encode_arena(schema, version, second, arena, &twice);
    ASSERT(st == ST_OK);
    ASSERT(bytes_eq(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static _Alignas(16) uint8_t message[MESSAGE_BYTES_MAX];
    if (size < 3) return 0;
    const struct schema *schema = schemas_all[get_u16(data) % schemas_count];
    ASSERT(schema->layout->bytes <= MESSAGE_BYTES_MAX);
    int versions = schema->max_version - schema->min_version + 1;
    int16_t version = (int16_t)(schema->min_version + data[2] % versions);
    struct bytes in = {data + 3, size - 3};

    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, 16 * 1024, 0);
    size_t used = 0;
    enum status st = codec_decode(schema, version, in, &arena, message, &used);
    ASSERT(arena.used_bytes <= in.len * CODEC_AMPLIFICATION_MAX + ARENA_ROUNDING_BYTES);
    if (st == ST_OK) {
        ASSERT(used <= in.len);
        check_again(schema, version, message, &arena);
        struct strbuf text;
        strbuf_init(&text, &mem);
        codec_print_json(schema, version, message, &text);
        ASSERT(!text.failed && str_is_utf8(strbuf_str(&text)));
        strbuf_release(&text);
    }
    arena_release(&arena);
    ASSERT(mem.used_bytes == 0);
    return 0;
}
