/* tests/bench/codec.c - what the message codec costs: nanoseconds to decode, size and encode two
 * requests of the hot path. Prints one line each; docs/decisions/0002-table-driven-codec.md quotes
 * them. */
#include <stdio.h>
#include <time.h>
#include "base/assert.h"
#include "protocol/messages.h"

#define ROUNDS 5
#define FETCH_PARTITIONS 100

static struct mem mem;
static struct arena arena;

static double now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static struct produce_request *produce_one(void) {
    static uint8_t batch[1024];
    struct produce_request *request = produce_request_array(&arena, 1);
    request->acks = -1;
    request->timeout_ms = 30000;
    request->topic_data = produce_request_topic_data_array(&arena, 1);
    request->topic_data_count = 1;
    request->topic_data[0].topic_id = (struct uuid){{1, 2, 3}};
    request->topic_data[0].partition_data = produce_request_partition_data_array(&arena, 1);
    request->topic_data[0].partition_data_count = 1;
    request->topic_data[0].partition_data[0].records.bytes = (struct bytes){batch, sizeof batch};
    return request;
}

static struct fetch_request *fetch_many(void) {
    struct fetch_request *request = fetch_request_array(&arena, 1);
    request->max_wait_ms = 500;
    request->topics = fetch_request_topic_array(&arena, 1);
    request->topics_count = 1;
    request->topics[0].topic_id = (struct uuid){{1, 2, 3}};
    request->topics[0].partitions = fetch_request_partition_array(&arena, FETCH_PARTITIONS);
    request->topics[0].partitions_count = FETCH_PARTITIONS;
    for (int32_t i = 0; i < FETCH_PARTITIONS; i++) {
        struct fetch_request_partition *partition = &request->topics[0].partitions[i];
        partition->partition = i;
        partition->fetch_offset = 1000000 + i;
        partition->partition_max_bytes = 1 << 20;
    }
    return request;
}

/* The best of some rounds: the machine is shared. */
static void measure(const char *name, const struct schema *schema, const void *message, int times) {
    struct bytes encoded;
    int16_t version = schema->max_version;
    enum status st = codec_encode_arena(schema, version, message, &arena, &encoded);
    ASSERT(st == ST_OK);
    struct arena scratch;
    arena_init(&scratch, &mem, 256 * 1024, 0);
    uint8_t *out = arena_alloc(&arena, encoded.len);
    void *decoded = arena_alloc(&arena, schema->layout->bytes);
    double best[3] = {1e18, 1e18, 1e18};
    size_t memory_bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < times; i++) {
            st = codec_decode(schema, version, encoded, &scratch, decoded, NULL);
            ASSERT(st == ST_OK);
            memory_bytes = scratch.used_bytes;
            arena_reset(&scratch);
        }
        double mid = now_ns();
        size_t size = 0;
        for (int i = 0; i < times; i++) size += codec_size(schema, version, message);
        ASSERT(size == encoded.len * (size_t)times);
        double sized = now_ns();
        for (int i = 0; i < times; i++) {
            st = codec_encode(schema, version, message, out, encoded.len, NULL);
            ASSERT(st == ST_OK);
        }
        double end = now_ns();
        best[0] = MIN(best[0], mid - start);
        best[1] = MIN(best[1], sized - mid);
        best[2] = MIN(best[2], end - sized);
    }
    printf("%s v%d: %zu octets, decode %.0f ns (arena %zu octets), size %.0f ns, encode %.0f ns\n",
           name, version, encoded.len, best[0] / times, memory_bytes, best[1] / times,
           best[2] / times);
    arena_release(&scratch);
}

int main(void) {
    arena_init(&arena, &mem, 256 * 1024, 0);
    measure("ProduceRequest, 1 partition, 1 KB", &produce_request_schema, produce_one(), 200000);
    measure("FetchRequest, 100 partitions", &fetch_request_schema, fetch_many(), 20000);
    arena_release(&arena);
    return 0;
}
