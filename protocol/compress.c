/* protocol/compress.c - names, memory and dispatch; each codec is in its own compress_*.c. */
#include "protocol/compress.h"
#include "base/assert.h"
#include "protocol/compress_codec.h"

#define LIB_PREFIX_BYTES 16 /* keeps what follows aligned */

static const struct codec_ops *const ops[CODEC_COUNT] = {
    [CODEC_GZIP] = &codec_gzip_ops,
    [CODEC_SNAPPY] = &codec_snappy_ops,
    [CODEC_LZ4] = &codec_lz4_ops,
    [CODEC_ZSTD] = &codec_zstd_ops,
};
static const struct str names[CODEC_COUNT] = {
    [CODEC_NONE] = {"none", 4}, [CODEC_GZIP] = {"gzip", 4}, [CODEC_SNAPPY] = {"snappy", 6},
    [CODEC_LZ4] = {"lz4", 3},   [CODEC_ZSTD] = {"zstd", 4},
};

struct str codec_name(enum codec codec) {
    ASSERT((unsigned)codec < CODEC_COUNT);
    return names[codec];
}

bool codec_parse(struct str name, enum codec *ret_codec) {
    for (unsigned i = 0; i < CODEC_COUNT; i++) {
        if (!str_eq(name, names[i])) continue;
        *ret_codec = (enum codec)i;
        return true;
    }
    return false;
}

struct codec_levels codec_levels(enum codec codec) {
    switch (codec) {
    case CODEC_GZIP:
        return (struct codec_levels){.min = 1, .max = 9, .initial = -1}; /* -1: zlib's own choice */
    case CODEC_LZ4: return (struct codec_levels){.min = 1, .max = 17, .initial = 9};
    case CODEC_ZSTD: return (struct codec_levels){.min = -131072, .max = 22, .initial = 3};
    default: return (struct codec_levels){0};
    }
}

void *compress_lib_alloc(void *mem, size_t bytes) {
    if (bytes > SIZE_MAX - LIB_PREFIX_BYTES) return NULL;
    size_t *block = mem_alloc(mem, bytes + LIB_PREFIX_BYTES);
    if (block == NULL) return NULL;
    *block = bytes + LIB_PREFIX_BYTES;
    return (uint8_t *)block + LIB_PREFIX_BYTES;
}

void compress_lib_free(void *mem, void *ptr) {
    if (ptr == NULL) return;
    void *block = (uint8_t *)ptr - LIB_PREFIX_BYTES;
    mem_free(mem, block, *(size_t *)block);
}

void decompressor_init(struct decompressor *d, struct mem *mem) {
    *d = (struct decompressor){.mem = mem};
}

static void window_release(struct decompressor *d) {
    mem_free(d->mem, d->window, d->window_bytes);
    d->window = NULL;
    d->window_bytes = 0;
}

void decompressor_release(struct decompressor *d) {
    for (unsigned i = 0; i < CODEC_COUNT; i++) {
        if (d->context[i] != NULL) ops[i]->read_release(d);
    }
    window_release(d);
    decompressor_init(d, d->mem);
}

enum status decompressor_window(struct decompressor *d, size_t bytes) {
    if (d->window_bytes >= bytes) return ST_OK;
    bytes = MAX(bytes, COMPRESS_WINDOW_BYTES);
    window_release(d); /* first: a limit should not see both */
    d->window = mem_alloc(d->mem, bytes);
    if (d->window == NULL) return ST_NOMEM;
    d->window_bytes = bytes;
    return ST_OK;
}

enum status decompressor_open(struct decompressor *d, enum codec codec, struct bytes in,
                              size_t limit_bytes) {
    if ((unsigned)codec >= CODEC_COUNT) return ST_UNSUPPORTED;
    d->codec = codec;
    d->in = in;
    d->limit_bytes = limit_bytes;
    d->produced_bytes = 0;
    d->ended = false;
    d->flags = 0;
    return codec == CODEC_NONE ? ST_OK : ops[codec]->read_open(d);
}

enum status decompressor_next(struct decompressor *d, struct bytes *ret_run) {
    *ret_run = (struct bytes){(const uint8_t *)"", 0};
    if (d->ended) return ST_OK;
    if (d->codec != CODEC_NONE) {
        enum status st = ops[d->codec]->read_next(d, ret_run);
        if (st != ST_OK) return st;
    } else {
        if (d->in.len > decompressor_room(d)) return ST_TOO_LARGE;
        *ret_run = d->in;
        d->ended = true;
    }
    ASSERT(ret_run->len <= decompressor_room(d));
    d->produced_bytes += ret_run->len;
    return ST_OK;
}

void decompressor_close(struct decompressor *d) {
    if (d->codec != CODEC_NONE && d->context[d->codec] != NULL &&
        ops[d->codec]->read_close != NULL) {
        ops[d->codec]->read_close(d);
    }
    if (d->window_bytes > COMPRESS_KEEP_BYTES) window_release(d);
    d->in = (struct bytes){NULL, 0};
    d->ended = true;
    d->codec = CODEC_NONE;
}

void compressor_init(struct compressor *c, struct mem *mem) {
    *c = (struct compressor){.mem = mem};
}

void compressor_release(struct compressor *c) {
    for (unsigned i = 0; i < CODEC_COUNT; i++) {
        if (c->context[i] != NULL) ops[i]->write_release(c);
    }
    mem_free(c->mem, c->block, c->block != NULL ? COMPRESS_WINDOW_BYTES : 0);
    compressor_init(c, c->mem);
}

enum status compressor_open(struct compressor *c, enum codec codec, int32_t level,
                            struct octets *out) {
    if ((unsigned)codec >= CODEC_COUNT) return ST_UNSUPPORTED;
    struct codec_levels levels = codec_levels(codec);
    if (level == COMPRESS_LEVEL_DEFAULT || level == levels.initial) {
        level = levels.initial;
    } else {
        level = MAX(levels.min, MIN(levels.max, level));
    }
    c->codec = codec;
    c->level = level;
    c->out = out;
    c->block_len = 0;
    if (codec == CODEC_NONE) return ST_OK;
    if ((codec == CODEC_SNAPPY || codec == CODEC_LZ4) && c->block == NULL) {
        c->block = mem_alloc(c->mem, COMPRESS_WINDOW_BYTES);
        if (c->block == NULL) return ST_NOMEM;
    }
    return ops[codec]->write_open(c);
}

enum status compressor_add(struct compressor *c, struct bytes plain) {
    if (c->codec == CODEC_NONE) return octets_add(c->out, plain.ptr, plain.len);
    return plain.len == 0 ? ST_OK : ops[c->codec]->write_add(c, plain);
}

enum status compressor_finish(struct compressor *c) {
    return c->codec == CODEC_NONE ? ST_OK : ops[c->codec]->write_finish(c);
}
