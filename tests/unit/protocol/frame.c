/* tests/unit/protocol/frame.c - header versions, request headers, response prefixes. */
#include <criterion/criterion.h>
#include "protocol/frame.h"

static struct mem mem;
static struct arena arena;
static void set_up(void) {
    mem = (struct mem){0};
    arena_init(&arena, &mem, 4096, 0);
}
static void tear_down(void) { arena_release(&arena); }
TestSuite(frame, .init = set_up, .fini = tear_down);

Test(frame, header_versions_follow_key_and_version) {
    static const struct {
        const char *name;
        int16_t key, version, request, response;
    } cases[] = {
        {"Produce before flexible", API_PRODUCE, 8, 1, 0},
        {"Produce flexible", API_PRODUCE, 9, 2, 1},
        {"Produce beyond the schema", API_PRODUCE, 99, 2, 1},
        {"Produce below the schema", API_PRODUCE, 0, 1, 0},
        {"ApiVersions before flexible", API_API_VERSIONS, 2, 1, 0},
        {"ApiVersions flexible is answered with 0", API_API_VERSIONS, 4, 2, 0},
        {"never flexible", API_SASL_HANDSHAKE, 1, 1, 0},
        {"removed", API_LEADER_AND_ISR, 0, -1, -1},
        {"negative key", -1, 0, -1, -1},
        {"one above the last key", API_KEY_COUNT, 0, -1, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(frame_request_header_version(cases[i].key, cases[i].version), cases[i].request,
                     "%s", cases[i].name);
        cr_expect_eq(frame_response_header_version(cases[i].key, cases[i].version),
                     cases[i].response, "%s", cases[i].name);
    }
}

#define ROW(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

Test(frame, a_request_header_is_read_or_refused) {
    const struct {
        const char *name;
        const uint8_t *in;
        size_t len;
        enum status want;
        size_t used;
        const char *client_id;
    } cases[] = {
        {"version 1", ROW(0, 3, 0, 1, 0, 0, 0, 5, 0, 2, 'm', 'e', 9), ST_OK, 12, "me"},
        {"version 1, null client", ROW(0, 3, 0, 1, 0, 0, 0, 5, 0xff, 0xff), ST_OK, 10, NULL},
        {"version 2: the client id is not compact", ROW(0, 18, 0, 3, 0, 0, 0, 5, 0, 2, 'm', 'e', 0),
         ST_OK, 13, "me"},
        {"version 2 with a tag", ROW(0, 18, 0, 3, 0, 0, 0, 5, 0, 0, 1, 7, 1, 0xee), ST_OK, 14, ""},
        {"no version field", ROW(0, 3, 0), ST_SHORT, 0, NULL},
        {"no correlation id", ROW(0, 3, 0, 1, 0, 0), ST_SHORT, 0, NULL},
        {"client id cut", ROW(0, 3, 0, 1, 0, 0, 0, 5, 0, 3, 'm', 'e'), ST_SHORT, 0, NULL},
        {"no tag count", ROW(0, 18, 0, 3, 0, 0, 0, 5, 0, 0), ST_SHORT, 0, NULL},
        {"unknown key", ROW(0x7f, 0xff, 0, 1, 0, 0, 0, 5, 0xff, 0xff), ST_UNSUPPORTED, 0, NULL},
        {"removed key", ROW(0, 4, 0, 1, 0, 0, 0, 5, 0xff, 0xff), ST_UNSUPPORTED, 0, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request_header header;
        size_t used = 0;
        struct bytes in = {cases[i].in, cases[i].len};
        enum status st = frame_decode_request_header(in, &arena, &header, &used);
        cr_expect_eq(st, cases[i].want, "%s: %s", cases[i].name, status_name(st));
        cr_expect_eq(used, cases[i].used, "%s: used %zu", cases[i].name, used);
        if (st == ST_UNSUPPORTED) {
            cr_expect_eq(header.request_api_key, (int16_t)get_u16(cases[i].in), "%s",
                         cases[i].name);
        }
        if (st != ST_OK) continue;
        cr_expect_eq(header.correlation_id, 5, "%s", cases[i].name);
        cr_expect(str_eq(header.client_id, str_of(cases[i].client_id)), "%s", cases[i].name);
    }
}

Test(frame, a_response_prefix_holds_length_correlation_and_tags) {
    const struct {
        const char *name;
        int16_t key, version;
        const uint8_t *want;
        size_t len;
    } cases[] = {
        {"header 0", API_PRODUCE, 8, ROW(0, 0, 0, 14, 0, 0, 0, 7)},
        {"header 1", API_PRODUCE, 9, ROW(0, 0, 0, 15, 0, 0, 0, 7, 0)},
        {"ApiVersions", API_API_VERSIONS, 4, ROW(0, 0, 0, 14, 0, 0, 0, 7)},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t out[16] = {0};
        size_t len = frame_response_prefix_bytes(cases[i].key, cases[i].version);
        cr_expect_eq(len, cases[i].len, "%s", cases[i].name);
        enum status st = frame_encode_response_prefix(cases[i].key, cases[i].version, 7, 10, out);
        cr_expect_eq(st, ST_OK, "%s", cases[i].name);
        cr_expect_arr_eq(out, cases[i].want, cases[i].len, "%s", cases[i].name);
    }
}

Test(frame, a_response_beyond_the_length_field_is_refused) {
    uint8_t out[16];
    cr_expect_eq(frame_encode_response_prefix(API_FETCH, 11, 1, INT32_MAX - 4, out), ST_OK);
    cr_expect_eq(frame_encode_response_prefix(API_FETCH, 11, 1, INT32_MAX - 3, out), ST_TOO_LARGE);
    cr_expect_eq(frame_encode_response_prefix(API_FETCH, 12, 1, INT32_MAX - 4, out), ST_TOO_LARGE);
}
