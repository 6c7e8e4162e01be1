/* tests/differential/codec_cases.c - our side of the comparison with Kafka's own codec; the other
 * is Codec.java.
 *
 *   codec-cases make SEED PER_VERSION
 *     Random messages of every schema and version, one a line:
 *       message NAME VERSION HEX JSON LAST   well formed; LAST: read as VERSION, printed as the
 *                                            last version: the defaults of what VERSION lacks
 *       damaged NAME VERSION HEX refused     changed at random, and refused
 *       damaged NAME VERSION HEX USED JSON   changed at random, and taken
 *
 *   codec-cases check [FILE]
 *     Reads lines NAME VERSION HEX JSON that Kafka wrote, decodes, encodes and prints them. A line
 *     for each that is not the same; the last line counts.
 *
 * Fields are separated by tabs; JSON as printed here has none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec_random.h"

#define MESSAGE_BYTES_MAX 4096 /* of any message's C struct */
#define DAMAGED_PER_MESSAGE 2

static struct mem mem;
static struct arena arena;
static struct strbuf json;
static _Alignas(16) uint8_t message[MESSAGE_BYTES_MAX];

static void print_hex(struct bytes b) {
    for (size_t i = 0; i < b.len; i++) printf("%02x", b.ptr[i]);
}

static struct str to_json(const struct schema *schema, int16_t version) {
    strbuf_clear(&json);
    codec_print_json(schema, version, message, &json);
    return strbuf_str(&json);
}

/* One to three octets changed, or the end cut off. */
static struct bytes damage(struct bytes original, struct prng *prng) {
    uint8_t *copy = arena_alloc(&arena, original.len + 1);
    memcpy(copy, original.ptr, original.len);
    size_t len = original.len;
    if (len > 0 && prng_chance(prng, 1, 4)) len = prng_below(prng, len);
    for (size_t i = 0; len > 0 && i < 1 + prng_below(prng, 3); i++) {
        static const uint8_t edges[] = {0, 1, 2, 0x7f, 0x80, 0xff};
        uint8_t octet = prng_chance(prng, 1, 2) ? edges[prng_below(prng, COUNT(edges))]
                                                : (uint8_t)prng_next(prng);
        copy[prng_below(prng, len)] = octet;
    }
    return (struct bytes){copy, len};
}

static void make_damaged(const struct schema *schema, int16_t version, struct bytes original,
                         struct prng *prng) {
    for (int i = 0; i < DAMAGED_PER_MESSAGE; i++) {
        struct bytes bytes = damage(original, prng);
        printf("damaged\t%s\t%d\t", schema->name, version);
        print_hex(bytes);
        size_t used;
        if (codec_decode(schema, version, bytes, &arena, message, &used) != ST_OK) {
            printf("\trefused\n");
            continue;
        }
        printf("\t%zu\t%s\n", used, to_json(schema, version).ptr);
    }
}

static int make(uint64_t seed, int per_version) {
    struct prng prng;
    prng_seed(&prng, seed);
    for (size_t i = 0; i < schemas_count; i++) {
        const struct schema *schema = schemas_all[i];
        if (schema->layout->bytes > MESSAGE_BYTES_MAX) return EXIT_FAILURE;
        for (int16_t version = schema->min_version; version <= schema->max_version; version++) {
            for (int n = 0; n < per_version; n++) {
                codec_random(schema, version, true, &prng, &arena, message);
                struct bytes bytes;
                if (codec_encode_arena(schema, version, message, &arena, &bytes) != ST_OK)
                    return EXIT_FAILURE;
                printf("message\t%s\t%d\t", schema->name, version);
                print_hex(bytes);
                printf("\t%s", to_json(schema, version).ptr);
                if (codec_decode(schema, version, bytes, &arena, message, NULL) != ST_OK)
                    return EXIT_FAILURE;
                printf("\t%s\n", to_json(schema, schema->max_version).ptr);
                make_damaged(schema, version, bytes, &prng);
                arena_reset(&arena);
            }
        }
    }
    return fflush(stdout) == 0 && !json.failed ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const struct schema *find_schema(const char *name) {
    for (size_t i = 0; i < schemas_count; i++) {
        if (strcmp(schemas_all[i]->name, name) == 0) return schemas_all[i];
    }
    return NULL;
}

static struct bytes read_hex(const char *hex) {
    size_t len = strlen(hex) / 2;
    uint8_t *out = arena_alloc(&arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return (struct bytes){out, len};
}

/* NULL when decoding, encoding and printing give the same again; else what does not. */
static const char *difference(const struct schema *schema, int16_t version, struct bytes bytes,
                              const char *text) {
    size_t used;
    struct bytes again;
    if (codec_decode(schema, version, bytes, &arena, message, &used) != ST_OK)
        return "refused by us";
    if (used != bytes.len) return "ends elsewhere for us";
    if (codec_encode_arena(schema, version, message, &arena, &again) != ST_OK)
        return "not encoded by us";
    if (!bytes_eq(bytes, again)) return "other bytes from us";
    if (!str_eq(to_json(schema, version), str_of(text))) return "other JSON from us";
    return NULL;
}

static int check(FILE *in) {
    char *line = NULL;
    size_t room = 0;
    unsigned long lines = 0, mismatches = 0;
    while (getline(&line, &room, in) > 0) {
        char *save = NULL;
        const char *name = strtok_r(line, "\t", &save), *version_text = strtok_r(NULL, "\t", &save);
        const char *hex = save != NULL ? strsep(&save, "\t") : NULL; /* it may be empty */
        const char *text = save != NULL ? strsep(&save, "\n") : NULL;
        const struct schema *schema = name != NULL ? find_schema(name) : NULL;
        const char *what = "no such line";
        if (schema != NULL && version_text != NULL && hex != NULL && text != NULL) {
            what = difference(schema, (int16_t)atoi(version_text), read_hex(hex), text);
        }
        lines++;
        if (what != NULL) {
            mismatches++;
            printf("%s v%s: %s: %s %s (ours: %s)\n", name, version_text, what, hex, text,
                   strbuf_str(&json).ptr);
        }
        arena_reset(&arena);
    }
    free(line);
    printf("%lu messages from Kafka, %lu mismatches\n", lines, mismatches);
    return mismatches == 0 && lines > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    arena_init(&arena, &mem, 1 << 20, 0);
    strbuf_init(&json, &mem);
    int status = EXIT_FAILURE;
    if (argc == 4 && strcmp(argv[1], "make") == 0) {
        status = make(strtoull(argv[2], NULL, 10), atoi(argv[3]));
    } else if ((argc == 2 || argc == 3) && strcmp(argv[1], "check") == 0) {
        FILE *in = argc == 3 ? fopen(argv[2], "r") : stdin;
        if (in != NULL) status = check(in);
        if (in != NULL && in != stdin) fclose(in);
    } else {
        fprintf(stderr, "usage: codec-cases make SEED PER_VERSION | codec-cases check [FILE]\n");
    }
    strbuf_release(&json);
    arena_release(&arena);
    return status;
}
