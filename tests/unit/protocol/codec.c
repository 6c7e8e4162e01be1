/* tests/unit/protocol/codec.c - every message in every version there and back, and what must be
 * refused. */
#include <criterion/criterion.h>
#include "codec_random.h"
#include "protocol/codec_field.h"

#define MESSAGES_PER_VERSION 8

/* Memory of one test; input is always a copy of exact length, so that ASan sees a read beyond it.
 */
static struct mem mem;
static struct arena arena;
static uint8_t a[4096], b[4096]; /* room for any message's struct */

static void set_up(void) {
    mem = (struct mem){0};
    arena_init(&arena, &mem, 64 * 1024, 0);
}
static void tear_down(void) {
    arena_release(&arena);
    cr_assert_eq(mem.used_bytes, 0);
}
TestSuite(codec, .init = set_up, .fini = tear_down);

/* Calls `check` with random messages of every schema in every version. */
static void for_each_message(void (*check)(const struct schema *schema, int16_t version,
                                           struct prng *prng)) {
    for (size_t i = 0; i < schemas_count; i++) {
        const struct schema *schema = schemas_all[i];
        cr_assert_leq(schema->layout->bytes, sizeof a);
        for (int16_t version = schema->min_version; version <= schema->max_version; version++) {
            for (uint64_t n = 0; n < MESSAGES_PER_VERSION; n++) {
                struct prng prng;
                prng_seed(&prng, (uint64_t)i << 32 | (uint64_t)version << 16 | n);
                check(schema, version, &prng);
                arena_reset(&arena);
            }
        }
    }
}

static void check_round_trip(const struct schema *schema, int16_t version, struct prng *prng) {
    codec_random(schema, version, true, prng, &arena, a);
    size_t size = codec_size(schema, version, a);
    uint8_t *first = mem_alloc(&mem, size + 1);
    enum status st = codec_encode(schema, version, a, first, size, NULL);
    cr_assert_eq(st, ST_OK, "%s v%d encodes: %s", schema->name, version, status_name(st));
    first[size] = 0xa5; /* what follows a message is not the codec's */

    memset(b, 0xff, sizeof b);
    size_t used = 0;
    st = codec_decode(schema, version, (struct bytes){first, size + 1}, &arena, b, &used);
    cr_assert_eq(st, ST_OK, "%s v%d decodes: %s", schema->name, version, status_name(st));
    cr_assert_eq(used, size, "%s v%d: used %zu of %zu", schema->name, version, used, size);
    cr_assert(codec_equal(schema, version, a, b), "%s v%d: another message came back", schema->name,
              version);

    uint8_t *second = mem_alloc(&mem, size + 1);
    cr_assert_eq(codec_size(schema, version, b), size, "%s v%d", schema->name, version);
    st = codec_encode(schema, version, b, second, size, NULL);
    cr_assert_eq(st, ST_OK, "%s v%d encodes again: %s", schema->name, version, status_name(st));
    cr_assert_arr_eq(first, second, size, "%s v%d: other bytes", schema->name, version);
    mem_free(&mem, first, size + 1);
    mem_free(&mem, second, size + 1);
}

Test(codec, every_message_in_every_version_survives_the_round_trip) {
    for_each_message(check_round_trip);
}
