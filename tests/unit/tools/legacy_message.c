/* tests/unit/tools/legacy_message.c - messages of magic 0 and 1 that are damaged in ways which
 * Kafka's own tool has no sensible line for; what it has lines for is in tests/golden/dump/old. */
#include "tools/legacy_message.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include "protocol/crc32c.h"

#define ENTRY_BYTES_MAX 512
#define OCTETS(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

struct entry {
    uint8_t octets[ENTRY_BYTES_MAX];
    size_t len;
};

/* An entry of magic 1 with a null key and this value; everything but the size is right. */
static struct entry entry_of(int64_t offset, uint8_t attributes, struct bytes value) {
    struct entry e = {.len = 34 + value.len};
    cr_assert_leq(e.len, sizeof e.octets);
    put_u64(e.octets, (uint64_t)offset);
    put_u32(e.octets + BATCH_AT_LENGTH, (uint32_t)e.len - BATCH_OVERHEAD_BYTES);
    e.octets[BATCH_AT_MAGIC] = 1;
    e.octets[17] = attributes;
    put_u64(e.octets + 18, 1000);
    put_u32(e.octets + 26, UINT32_MAX);
    put_u32(e.octets + 30, (uint32_t)value.len);
    if (value.len > 0) memcpy(e.octets + 34, value.ptr, value.len);
    put_u32(e.octets + BATCH_LEGACY_AT_CRC, crc32_legacy(0, e.octets + 16, e.len - 16));
    return e;
}

static struct bytes octets_of(const struct entry *e) { return (struct bytes){e->octets, e->len}; }

static const struct {
    const char *name;
    size_t at; /* where one octet is changed */
    uint8_t octet;
    size_t len; /* of what is there */
    enum status want;
} rows[] = {
    {"as it was written", 0, 0, 39, ST_OK},
    {"magic 0 that is short enough", BATCH_AT_MAGIC, 0, 39, ST_CORRUPT},
    {"magic 2", BATCH_AT_MAGIC, 2, 39, ST_CORRUPT},
    {"magic -1", BATCH_AT_MAGIC, 0xff, 39, ST_CORRUPT},
    {"a negative length", BATCH_AT_LENGTH, 0x80, 39, ST_CORRUPT},
    {"a length below the smallest", BATCH_AT_LENGTH + 3, 13, 39, ST_CORRUPT},
    {"a length beyond what is there", BATCH_AT_LENGTH + 3, 28, 39, ST_CORRUPT},
    {"a length that ends inside the value", BATCH_AT_LENGTH + 3, 26, 39, ST_CORRUPT},
    {"a header that is cut", 0, 0, 25, ST_CORRUPT},
    {"no octet", 0, 0, 0, ST_CORRUPT},
    {"a key beyond the message", 26, 0x7f, 39, ST_CORRUPT},
    {"a value beyond the message", 33, 6, 39, ST_CORRUPT},
    {"a value that ends before the message does", 33, 4, 39, ST_OK},
    {"a null value", 30, 0xff, 39, ST_OK},
};

Test(legacy_message, takes_apart_or_refuses) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct entry e = entry_of(0, 0, OCTETS("value"));
        struct legacy_message message;
        e.octets[rows[i].at] = rows[i].octet;
        /* A copy that ends where the row says, for the sanitizer to see. */
        uint8_t *copy = malloc(rows[i].len > 0 ? rows[i].len : 1);
        memcpy(copy, e.octets, rows[i].len);
        enum status st = legacy_open((struct bytes){copy, rows[i].len}, &message);
        cr_expect_eq(st, rows[i].want, "%s: got %s", rows[i].name, status_name(st));
        free(copy);
    }
}

/* How many messages come out of an entry, and how it ends. */
static int count(const struct entry *e, struct mem *mem, enum status *ret_status) {
    struct legacy_set set;
    struct legacy_message message;
    int found = 0;
    legacy_set_init(&set, mem);
    legacy_set_open(&set, octets_of(e));
    while (legacy_set_next(&set, &message)) found++;
    cr_expect(set.status == ST_OK || set.why[0] != '\0', "a failure is told");
    *ret_status = set.status;
    legacy_set_release(&set);
    return found;
}

Test(legacy_message, refuses_codecs_that_there_were_not) {
    for (uint8_t codec = CODEC_ZSTD; codec <= 7; codec++) {
        struct mem mem = {0};
        enum status st;
        struct entry e = entry_of(0, codec, OCTETS("value"));
        cr_expect_eq(count(&e, &mem, &st), 0);
        cr_expect_eq(st, ST_UNSUPPORTED, "codec %d: got %s", codec, status_name(st));
        cr_expect_eq(mem.used_bytes, 0);
    }
}

/* A set in the one codec that is easily made by hand: a bare snappy block of literals. */
static struct entry set_of(int64_t offset, struct bytes plain) {
    uint8_t block[ENTRY_BYTES_MAX] = {0};
    size_t at = 0;
    for (size_t rest = plain.len; rest >= 0x80; rest >>= 7)
        block[at++] = (uint8_t)(rest | 0x80);
    block[at] = (uint8_t)(plain.len >= 0x80 ? plain.len >> 7 : plain.len);
    at++;
    block[at++] = 61 << 2;
    block[at++] = (uint8_t)(plain.len - 1);
    block[at++] = (uint8_t)((plain.len - 1) >> 8);
    memcpy(block + at, plain.ptr, plain.len);
    return entry_of(offset, CODEC_SNAPPY, (struct bytes){block, at + plain.len});
}

Test(legacy_message, stands_any_octet_inside_a_set) {
    for (size_t at = 0; at < 78; at++) {
        for (int octet = 0; octet <= UINT8_MAX; octet += 5) {
            struct mem mem = {0};
            enum status st;
            uint8_t plain[78];
            struct entry first = entry_of(0, 0, OCTETS("value"));
            struct entry second = entry_of(1, 0, OCTETS("other"));
            memcpy(plain, first.octets, 39);
            memcpy(plain + 39, second.octets, 39);
            plain[at] = (uint8_t)octet;
            struct entry e = set_of(INT64_MAX, (struct bytes){plain, sizeof plain});
            int found = count(&e, &mem, &st);
            cr_expect(found <= 3 && (found > 0 || st != ST_OK), "octet %zu as %d: %d", at, octet,
                      found);
            cr_expect_eq(mem.used_bytes, 0);
        }
    }
}

Test(legacy_message, counts_offsets_inside_a_set_from_the_last) {
    struct mem mem = {0};
    struct legacy_set set;
    struct legacy_message message;
    uint8_t plain[78];
    struct entry first = entry_of(3, 0, OCTETS("value")), second = entry_of(7, 0, OCTETS("other"));
    memcpy(plain, first.octets, 39);
    memcpy(plain + 39, second.octets, 39);
    struct entry e = set_of(107, (struct bytes){plain, sizeof plain});
    legacy_set_init(&set, &mem);
    legacy_set_open(&set, octets_of(&e));
    cr_assert(legacy_set_next(&set, &message));
    cr_expect_eq(message.offset, 103);
    cr_assert(legacy_set_next(&set, &message));
    cr_expect_eq(message.offset, 107);
    cr_expect(!legacy_set_next(&set, &message) && set.status == ST_OK);
    legacy_set_release(&set);
    cr_expect_eq(mem.used_bytes, 0);
}
