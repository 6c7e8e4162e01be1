/* tests/unit/protocol/golden_frames.c - every frame of tests/golden/frames, said by real clients
 * and an Apache Kafka broker, is decoded to its last octet and encoded to the same octets again.
 * tests/golden/capture.py describes the files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include "protocol/batch_walk.h"
#include "protocol/frame.h"

#define FRAME_BYTES_MAX ((size_t)1 << 16)

static struct mem mem;
static struct arena arena;

/* Decodes the front of `in`, writes it again, and gives what follows. */
static struct bytes there_and_back(const char *file, const struct schema *schema, int16_t version,
                                   struct bytes in, void **ret_message) {
    void *message = arena_alloc(&arena, schema->layout->bytes);
    size_t used = 0;
    enum status st = codec_decode(schema, version, in, &arena, message, &used);
    cr_assert_eq(st, ST_OK, "%s: %s: %s", file, schema->name, status_name(st));
    struct bytes again;
    st = codec_encode_arena(schema, version, message, &arena, &again);
    cr_assert_eq(st, ST_OK, "%s: %s: %s", file, schema->name, status_name(st));
    cr_expect(bytes_eq(again, (struct bytes){in.ptr, used}), "%s: %s differs", file, schema->name);
    *ret_message = message;
    return (struct bytes){in.ptr + used, in.len - used};
}

/* What a client produced must pass as what a leader takes. */
static void expect_produce_walks(const char *file, const struct produce_request *request) {
    struct batch_rules rules = {.from_client = true,
                                .timestamp_before_max_ms = INT64_MAX,
                                .timestamp_after_max_ms = INT64_MAX};
    struct batch_scratch scratch;
    batch_scratch_init(&scratch, &mem);
    for (int32_t t = 0; t < request->topic_data_count; t++) {
        for (int32_t p = 0; p < request->topic_data[t].partition_data_count; p++) {
            struct bytes batch;
            struct batch_report report;
            enum batch_fault fault =
                batch_single(request->topic_data[t].partition_data[p].records.bytes, &batch);
            if (fault == BATCH_OK) fault = batch_walk(batch, &rules, &scratch, &report);
            cr_expect_eq(fault, BATCH_OK, "%s: %s", file, batch_fault_name(fault));
            cr_expect_eq(report.rewrite_max_timestamp, false, "%s", file);
        }
    }
    batch_scratch_release(&scratch);
}

static void expect_frame(const char *file, int16_t key, int16_t version, struct bytes frame) {
    const struct api *api = api_find(key);
    cr_assert_not_null(api, "%s", file);
    bool request = strstr(file, ".request") != NULL;
    int16_t header_version = request ? frame_request_header_version(key, version)
                                     : frame_response_header_version(key, version);
    const struct schema *header_schema = request ? &request_header_schema : &response_header_schema;
    const struct schema *schema = request ? api->request : api->response;
    void *header, *message;
    struct bytes rest = there_and_back(file, header_schema, header_version, frame, &header);
    if (request) {
        const struct request_header *h = header;
        cr_expect_eq(h->request_api_key, key, "%s", file);
        cr_expect_eq(h->request_api_version, version, "%s", file);
    }
    rest = there_and_back(file, schema, version, rest, &message);
    cr_expect_eq(rest.len, 0, "%s: %zu octets behind it", file, rest.len);
    if (request && key == 0) expect_produce_walks(file, message);
}

Test(golden_frames, are_decoded_and_encoded_to_the_same_octets) {
    static uint8_t frame[FRAME_BYTES_MAX];
    char path[500], file[100];
    int16_t key, version;
    snprintf(path, sizeof path, "%s/frames/index.txt", GOLDEN_DIR);
    FILE *index = fopen(path, "r");
    cr_assert_not_null(index, "%s", path);
    arena_init(&arena, &mem, 1 << 16, 0);
    int seen = 0;
    while (fscanf(index, "%99s %hd %hd", file, &key, &version) == 3) {
        snprintf(path, sizeof path, "%s/frames/%s", GOLDEN_DIR, file);
        FILE *in = fopen(path, "rb");
        cr_assert_not_null(in, "%s", path);
        size_t len = fread(frame, 1, sizeof frame, in);
        fclose(in);
        expect_frame(file, key, version, (struct bytes){frame, len});
        arena_reset(&arena);
        seen++;
    }
    fclose(index);
    cr_expect_gt(seen, 90, "%d frames", seen);
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}
