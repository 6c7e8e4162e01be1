/* tests/unit/protocol/codec.c - every message in every version there and back, and what must be
 * refused. */
#include <criterion/criterion.h>
#include "codec_random.h"
#include "protocol/codec_field.h"
#include "protocol/wire.h"

#define MESSAGES_PER_VERSION 8

/* Memory of one test. Input is handed over in a block of its exact length, so that ASan sees a
 * read beyond it. */
static struct mem mem;
static struct arena arena;
static _Alignas(16) uint8_t a[4096], b[4096]; /* room for any message's struct */

static void set_up(void) {
    mem = (struct mem){0};
    arena_init(&arena, &mem, 64 * 1024, 0);
}
static void tear_down(void) {
    arena_release(&arena);
    cr_assert_eq(mem.used_bytes, 0);
}
TestSuite(codec, .init = set_up, .fini = tear_down);

static enum status decode_exact(const struct schema *schema, int16_t version, struct bytes in,
                                void *out, size_t *ret_used) {
    uint8_t *copy = mem_alloc(&mem, MAX(in.len, 1));
    if (in.len > 0) memcpy(copy, in.ptr, in.len);
    enum status st =
        codec_decode(schema, version, (struct bytes){copy, in.len}, &arena, out, ret_used);
    mem_free(&mem, copy, MAX(in.len, 1));
    return st;
}

/* Calls `check` with a generator for every schema in every version, `times` times. */
static void for_each_version(void (*check)(const struct schema *, int16_t, struct prng *),
                             uint64_t times) {
    for (size_t i = 0; i < schemas_count; i++) {
        const struct schema *schema = schemas_all[i];
        cr_assert_leq(schema->layout->bytes, sizeof a);
        for (int16_t version = schema->min_version; version <= schema->max_version; version++) {
            for (uint64_t n = 0; n < times; n++) {
                struct prng prng;
                prng_seed(&prng, (uint64_t)i << 32 | (uint64_t)version << 16 | n);
                check(schema, version, &prng);
                arena_reset(&arena);
            }
        }
    }
}

/* ---- there and back ---- */

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
    for_each_version(check_round_trip, MESSAGES_PER_VERSION);
}

Test(codec, unknown_tagged_fields_survive_between_known_ones) {
    static const uint8_t header[] = {0,    1,   0, 13,  0, 0, 0, 7, 0xff, 0xff, /* null client */
                                     2,    0,   1, 'x', /* tag 0: one octet */
                                     0xac, 0x2, 0};     /* tag 300: empty */
    struct request_header out;
    size_t used;
    enum status st =
        decode_exact(&request_header_schema, 2, (struct bytes){header, sizeof header}, &out, &used);
    cr_assert_eq(st, ST_OK, "%s", status_name(st));
    cr_assert_eq(used, sizeof header);
    cr_assert_eq(out.unknown.count, 2);
    cr_assert_eq(out.unknown.fields[1].tag, 300);
    out.unknown.fields[0].bytes.ptr = (const uint8_t *)"x"; /* the exact copy is gone */
    struct bytes again;
    cr_assert_eq(codec_encode_arena(&request_header_schema, 2, &out, &arena, &again), ST_OK);
    cr_assert_eq(again.len, sizeof header);
    cr_assert_arr_eq(again.ptr, header, sizeof header);
}

/* ---- hostile input ---- */

static void check_truncation(const struct schema *schema, int16_t version, struct prng *prng) {
    codec_random(schema, version, true, prng, &arena, a);
    struct bytes whole;
    cr_assert_eq(codec_encode_arena(schema, version, a, &arena, &whole), ST_OK);
    for (size_t len = 0; len < whole.len; len++) {
        enum status st = decode_exact(schema, version, (struct bytes){whole.ptr, len}, b, NULL);
        cr_assert(st == ST_SHORT || st == ST_CORRUPT, "%s v%d cut at %zu of %zu: %s", schema->name,
                  version, len, whole.len, status_name(st));
    }
}

Test(codec, a_message_cut_anywhere_is_refused) { for_each_version(check_truncation, 2); }

#define ROW(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* FetchRequest v15 up to its tagged fields: six numbers, no topics, none forgotten, no rack. */
#define FETCH_V15 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1

static const struct {
    const char *name;
    const struct schema *schema;
    int16_t version;
    const uint8_t *in;
    size_t len;
    enum status want;
} hostile[] = {
    {"version below the first", &fetch_request_schema, 3, ROW(0), ST_UNSUPPORTED},
    {"version above the last", &fetch_request_schema, 19, ROW(0), ST_UNSUPPORTED},
    {"old count of 2^31 - 1", &metadata_request_schema, 4, ROW(0x7f, 0xff, 0xff, 0xff, 0),
     ST_SHORT},
    {"old count larger than the rest", &metadata_request_schema, 4, ROW(0, 0, 0, 2, 0, 0, 0),
     ST_SHORT},
    {"old count of -1 is null", &metadata_request_schema, 4, ROW(0xff, 0xff, 0xff, 0xff, 1), ST_OK},
    {"any negative count is null", &metadata_request_schema, 4, ROW(0x80, 0, 0, 0, 1), ST_OK},
    {"null where it is not allowed", &metadata_request_schema, 0, ROW(0xff, 0xff, 0xff, 0xff),
     ST_CORRUPT},
    {"compact count of 2^31 - 1", &metadata_request_schema, 9,
     ROW(0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0), ST_SHORT},
    {"compact count of 2^32 - 1", &metadata_request_schema, 9,
     ROW(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0), ST_TOO_LARGE},
    {"count of six octets", &metadata_request_schema, 9,
     ROW(0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0), ST_CORRUPT},
    {"count with more than 32 bits", &metadata_request_schema, 9,
     ROW(0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0), ST_CORRUPT},
    {"old string longer than the rest", &find_coordinator_request_schema, 0, ROW(0x7f, 0xff, 'a'),
     ST_SHORT},
    {"old null string where it is not allowed", &find_coordinator_request_schema, 0,
     ROW(0xff, 0xff), ST_CORRUPT},
    {"compact null string where it is not allowed", &find_coordinator_request_schema, 3,
     ROW(0, 0, 0), ST_CORRUPT},
    {"compact string longer than the rest", &find_coordinator_request_schema, 3, ROW(5, 'a', 0, 0),
     ST_SHORT},
    {"compact string longer than a string may be", &find_coordinator_request_schema, 3,
     ROW(0x81, 0x80, 0x02, 'a', 0, 0), ST_CORRUPT},
    {"null element of an array that may be null", &describe_configs_request_schema, 3,
     ROW(0, 0, 0, 1, 2, 0, 1, 'a', 0, 0, 0, 1, 0xff, 0xff, 0, 0), ST_CORRUPT},
    {"bytes longer than the rest", &sasl_authenticate_request_schema, 0,
     ROW(0x7f, 0xff, 0xff, 0xff, 1), ST_SHORT},
    {"records longer than the rest", &fetch_snapshot_response_schema, 0,
     ROW(0, 0, 0, 0, 0, 0, 2, 2, 'a', 2, 0, 0, 0, 0, 0, 0,              /* topic a, partition 0 */
         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                         /* snapshot id */
         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 'r', 0, 0), /* size, position */
     ST_SHORT},
    {"any non-zero octet is true", &api_versions_request_schema, 0, ROW(7), ST_OK},
    {"tags that repeat", &api_versions_request_schema, 3, ROW(1, 1, 2, 5, 0, 5, 0), ST_CORRUPT},
    {"tags that descend", &api_versions_request_schema, 3, ROW(1, 1, 2, 5, 0, 4, 0), ST_CORRUPT},
    {"tag size beyond the end", &api_versions_request_schema, 3, ROW(1, 1, 1, 5, 2, 0), ST_SHORT},
    {"more tags than octets", &api_versions_request_schema, 3, ROW(1, 1, 2, 5, 0), ST_SHORT},
    {"2^32 - 1 tags", &api_versions_request_schema, 3, ROW(1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0),
     ST_SHORT},
    {"known tagged field in place", &fetch_request_schema, 15, ROW(FETCH_V15, 1, 0, 2, 2, 'c'),
     ST_OK},
    {"known tagged field with an octet left over", &fetch_request_schema, 15,
     ROW(FETCH_V15, 1, 0, 3, 2, 'c', 0), ST_CORRUPT},
    {"known tagged field beyond its size", &fetch_request_schema, 15,
     ROW(FETCH_V15, 1, 0, 1, 2, 'c'), ST_CORRUPT},
    {"tag that other versions know", &fetch_request_schema, 14, ROW(0, 0, 0, 0, FETCH_V15, 1, 1, 0),
     ST_CORRUPT},
};

Test(codec, hostile_bytes_get_their_status) {
    for (size_t i = 0; i < COUNT(hostile); i++) {
        struct bytes in = {hostile[i].in, hostile[i].len};
        enum status st = decode_exact(hostile[i].schema, hostile[i].version, in, a, NULL);
        cr_expect_eq(st, hostile[i].want, "%s: %s, wanted %s", hostile[i].name, status_name(st),
                     status_name(hostile[i].want));
        arena_reset(&arena);
    }
}

Test(codec, a_struct_takes_no_more_than_the_limit_of_tagged_fields) {
    for (uint32_t count = LIMIT_TAGGED_FIELDS - 1; count <= LIMIT_TAGGED_FIELDS + 1; count++) {
        uint8_t in[8 + 3 * (LIMIT_TAGGED_FIELDS + 1)] = {0, 0, 0, 1};
        size_t len = 4 + wire_put_uvarlong(in + 4, count);
        for (uint32_t tag = 0; tag < count; tag++) {
            len += wire_put_uvarlong(in + len, tag);
            in[len++] = 0;
        }
        enum status st =
            codec_decode(&response_header_schema, 1, (struct bytes){in, len}, &arena, a, NULL);
        cr_expect_eq(st, count <= LIMIT_TAGGED_FIELDS ? ST_OK : ST_TOO_LARGE, "%u tags: %s", count,
                     status_name(st));
    }
}

Test(codec, an_array_takes_no_more_than_the_limit_of_elements) {
    /* ListTransactionsRequest v0: StateFilters []string, an octet each when empty. */
    size_t room = LIMIT_ARRAY_ELEMENTS + 16;
    uint8_t *in = mem_alloc(&mem, room);
    for (uint32_t over = 0; over < 2; over++) {
        memset(in, 1, room);
        uint32_t count = LIMIT_ARRAY_ELEMENTS + over;
        size_t used = wire_put_uvarlong(in, count + 1);
        in[used + count] = 1; /* no producer ids */
        in[used + count + 1] = 0;
        enum status st = codec_decode(&list_transactions_request_schema, 0,
                                      (struct bytes){in, used + count + 2}, &arena, a, NULL);
        cr_expect_eq(st, over == 0 ? ST_OK : ST_TOO_LARGE, "%u elements: %s", count,
                     status_name(st));
        arena_reset(&arena);
    }
    mem_free(&mem, in, room);
}

Test(codec, the_arena_limit_is_a_status) {
    static const uint8_t in[] = {0, 0, 0, 2, 0, 1, 'a', 0, 1, 'b', 1};
    arena_release(&arena);
    arena_init(&arena, &mem, 64, 16);
    enum status st =
        decode_exact(&metadata_request_schema, 4, (struct bytes){in, sizeof in}, a, NULL);
    cr_expect_eq(st, ST_NOMEM, "%s", status_name(st));
}

/* Octets of arena for one octet of input, at worst: every allocation of the decoder is an array or
 * a pointed-to struct, rounded up to 16; one element alone is the worst. */
static double worst_growth(const struct layout *layout, int version, bool flexible) {
    double worst = 32.0 / 2; /* one unknown tagged field: a tag and a size */
    for (unsigned i = 0; i < layout->field_count; i++) {
        const struct field *field = &layout->fields[i];
        if (!field_in(field->present, version)) continue;
        if (field->flags & (FIELD_ARRAY | FIELD_POINTER)) {
            size_t bytes = (field_element_bytes(field) + 15) & ~(size_t)15;
            worst = MAX(worst,
                        (double)bytes / (double)field_element_min_bytes(field, version, flexible));
        }
        if (field->type == FIELD_STRUCT) {
            worst = MAX(worst, worst_growth(field->layout, version, flexible));
        }
    }
    return worst;
}

Test(codec, memory_is_bounded_by_the_input) {
    for (size_t i = 0; i < schemas_count; i++) {
        const struct schema *schema = schemas_all[i];
        for (int16_t version = schema->min_version; version <= schema->max_version; version++) {
            double growth = worst_growth(schema->layout, version, schema_flexible(schema, version));
            cr_expect_leq(growth, CODEC_AMPLIFICATION_MAX, "%s v%d: %.1f octets for one",
                          schema->name, version, growth);
        }
    }
}

/* ---- what the encoder refuses ---- */

static enum status encode(const struct schema *schema, int16_t version, const void *message) {
    struct bytes out;
    return codec_encode_arena(schema, version, message, &arena, &out);
}

Test(codec, a_version_that_does_not_exist_is_not_encoded) {
    struct fetch_request request;
    fetch_request_defaults(&request);
    cr_expect_eq(encode(&fetch_request_schema, 3, &request), ST_UNSUPPORTED);
    cr_expect_eq(encode(&fetch_request_schema, 19, &request), ST_UNSUPPORTED);
}

Test(codec, a_value_that_the_version_lacks_is_refused_unless_ignorable) {
    struct fetch_request request;
    fetch_request_defaults(&request);
    request.rack_id = STR("rack"); /* from 11 on, ignorable */
    cr_expect_eq(encode(&fetch_request_schema, 10, &request), ST_OK);

    struct init_producer_id_request init;
    init_producer_id_request_defaults(&init);
    cr_expect_eq(encode(&init_producer_id_request_schema, 2, &init), ST_OK);
    init.producer_id = 5; /* from 3 on, not ignorable */
    cr_expect_eq(encode(&init_producer_id_request_schema, 2, &init), ST_UNSUPPORTED);
    cr_expect_eq(encode(&init_producer_id_request_schema, 3, &init), ST_OK);
}

Test(codec, a_null_that_the_version_lacks_is_refused) {
    struct metadata_request request;
    metadata_request_defaults(&request);
    request.topics_count = -1;
    cr_expect_eq(encode(&metadata_request_schema, 1, &request), ST_OK);
    cr_expect_eq(encode(&metadata_request_schema, 0, &request), ST_INVALID);

    struct str names[] = {STR_NULL};
    struct describe_configs_request_resource resource;
    describe_configs_request_resource_defaults(&resource);
    resource.configuration_keys = names;
    resource.configuration_keys_count = 1;
    struct describe_configs_request describe = {.resources = &resource, .resources_count = 1};
    cr_expect_eq(encode(&describe_configs_request_schema, 3, &describe), ST_INVALID, "an element");
    resource.configuration_keys_count = -1;
    cr_expect_eq(encode(&describe_configs_request_schema, 3, &describe), ST_OK, "the array");

    struct find_coordinator_request find;
    find_coordinator_request_defaults(&find);
    find.key = STR_NULL;
    cr_expect_eq(encode(&find_coordinator_request_schema, 0, &find), ST_INVALID);
    cr_expect_eq(encode(&find_coordinator_request_schema, 3, &find), ST_INVALID);
}

Test(codec, unknown_tags_must_ascend_be_unknown_and_have_a_flexible_version) {
    static const struct {
        const char *name;
        int16_t version;
        uint32_t tags[2];
        enum status want;
    } cases[] = {
        {"ascending", 13, {7, 8}, ST_OK},        {"descending", 13, {8, 7}, ST_INVALID},
        {"twice", 13, {7, 7}, ST_INVALID},       {"known", 13, {0, 7}, ST_INVALID},
        {"known later", 13, {1, 7}, ST_INVALID}, {"not flexible", 11, {7, 8}, ST_UNSUPPORTED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tagged_field fields[2] = {{.tag = cases[i].tags[0]}, {.tag = cases[i].tags[1]}};
        struct fetch_request request;
        fetch_request_defaults(&request);
        request.unknown = (struct tagged_fields){fields, 2};
        enum status st = encode(&fetch_request_schema, cases[i].version, &request);
        cr_expect_eq(st, cases[i].want, "%s: %s", cases[i].name, status_name(st));
    }
}

Test(codec, a_string_longer_than_kafkas_limit_is_refused) {
    static char text[CODEC_STRING_BYTES_MAX + 1];
    for (int16_t version = 2; version <= 3; version++) {
        struct find_coordinator_request find;
        find_coordinator_request_defaults(&find);
        find.key = (struct str){text, CODEC_STRING_BYTES_MAX};
        cr_expect_eq(encode(&find_coordinator_request_schema, version, &find), ST_OK);
        find.key.len++;
        cr_expect_eq(encode(&find_coordinator_request_schema, version, &find), ST_TOO_LARGE);
    }
}

Test(codec, room_of_another_size_is_refused) {
    struct heartbeat_request request;
    heartbeat_request_defaults(&request);
    uint8_t out[64];
    for (int16_t version = 0; version <= 4; version++) {
        size_t size = codec_size(&heartbeat_request_schema, version, &request);
        for (size_t room = 0; room <= size + 1; room++) {
            enum status st =
                codec_encode(&heartbeat_request_schema, version, &request, out, room, NULL);
            cr_expect_eq(st, room == size ? ST_OK : ST_INVALID, "v%d in %zu of %zu: %s", version,
                         room, size, status_name(st));
        }
    }
}

/* ---- records that are elsewhere ---- */

static struct fetch_response *response_with(struct records one, struct records two) {
    struct fetch_response *response = fetch_response_array(&arena, 1);
    response->responses = fetch_response_fetchable_topic_array(&arena, 1);
    response->responses_count = 1;
    response->responses[0].partitions = fetch_response_partition_data_array(&arena, 2);
    response->responses[0].partitions_count = 2;
    response->responses[0].partitions[0].records = one;
    response->responses[0].partitions[1].records = two;
    return response;
}

Test(codec, external_records_leave_cuts_where_they_belong) {
    static const uint8_t one[300] = {1}, two[5] = {2};
    for (int16_t version = 4; version <= 18; version++) {
        struct fetch_response *whole = response_with((struct records){.bytes = {one, sizeof one}},
                                                     (struct records){.bytes = {two, sizeof two}});
        struct fetch_response *holed =
            response_with((struct records){.external = one, .external_bytes = sizeof one},
                          (struct records){.external = two, .external_bytes = sizeof two});
        struct bytes want;
        cr_assert_eq(codec_encode_arena(&fetch_response_schema, version, whole, &arena, &want),
                     ST_OK);

        struct codec_cut room[2];
        struct codec_cuts cuts = {.cuts = room, .capacity = 2};
        size_t size = codec_size(&fetch_response_schema, version, holed);
        uint8_t *out = arena_alloc(&arena, size);
        cr_assert_eq(codec_encode(&fetch_response_schema, version, holed, out, size, &cuts), ST_OK);
        cr_assert_eq(cuts.count, 2);
        cr_assert_eq(cuts.external_bytes, sizeof one + sizeof two);
        cr_assert_eq(size + cuts.external_bytes, want.len);

        uint8_t *joined = arena_alloc(&arena, want.len);
        size_t from = 0, to = 0;
        for (uint32_t i = 0; i < cuts.count; i++) {
            memcpy(joined + to, out + from, room[i].position - from);
            to += room[i].position - from;
            memcpy(joined + to, room[i].external, room[i].bytes);
            to += room[i].bytes;
            from = room[i].position;
        }
        memcpy(joined + to, out + from, size - from);
        cr_expect_arr_eq(joined, want.ptr, want.len, "v%d", version);
    }
}

Test(codec, external_records_without_room_for_a_cut_are_refused) {
    struct records there = {.external = "x", .external_bytes = 1};
    struct fetch_response *response = response_with(there, there);
    size_t size = codec_size(&fetch_response_schema, 18, response);
    uint8_t *out = arena_alloc(&arena, size);
    struct codec_cut room[1];
    struct codec_cuts cuts = {.cuts = room, .capacity = 1};
    cr_expect_eq(codec_encode(&fetch_response_schema, 18, response, out, size, &cuts), ST_FULL);
    cr_expect_eq(codec_encode(&fetch_response_schema, 18, response, out, size, NULL), ST_FULL);
}

Test(codec, records_of_two_gibibytes_are_refused) {
    struct records there = {.external = "x", .external_bytes = INT32_MAX};
    struct fetch_response *response = response_with(there, (struct records){0});
    struct codec_cut room[1];
    struct codec_cuts cuts = {.cuts = room, .capacity = 1};
    size_t size = codec_size(&fetch_response_schema, 11, response);
    uint8_t *out = arena_alloc(&arena, size);
    cr_expect_eq(codec_encode(&fetch_response_schema, 11, response, out, size, &cuts),
                 ST_TOO_LARGE);
}
