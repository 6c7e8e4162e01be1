/* protocol/compress_lz4.c - the LZ4 frame by liblz4.
 * As Kafka's Lz4BlockInputStream: blocks must be independent, version 1, no reserved bits; header
 * and block checksums are checked, nothing after the end mark is looked at. Stricter than it: a
 * content size or a content checksum that is there must be right, and a frame that needs a
 * dictionary is refused by its identifier, not by its content. */
#define LZ4F_STATIC_LINKING_ONLY /* for allocation functions of one's own */
#include <lz4frame.h>
#include "base/assert.h"
#include "protocol/compress_codec.h"

#define HEADER_BYTES_MIN 7
/* Kafka's default level means LZ4's fast compressor, every other one the high compression one. */
#define LEVEL_FAST 9
#define LEVEL_HIGH_MIN 3 /* liblz4 calls 0 to 2 fast */

/* Version 01 in bits 7-6, block independence in bit 5; bits 1-0 (reserved, dictionary id) clear. */
static bool flags_allowed(uint8_t flg) { return (flg & 0xe3) == 0x60; }

static LZ4F_CustomMem lib_memory(struct mem *mem) {
    return (LZ4F_CustomMem){
        .customAlloc = compress_lib_alloc, .customFree = compress_lib_free, .opaqueState = mem};
}

static enum status read_open(struct decompressor *d) {
    static const uint8_t magic[4] = {0x04, 0x22, 0x4d, 0x18};
    if (d->in.len < HEADER_BYTES_MIN || memcmp(d->in.ptr, magic, sizeof magic) != 0)
        return ST_CORRUPT;
    if (!flags_allowed(d->in.ptr[4])) return ST_CORRUPT;
    LZ4F_dctx *ctx = d->context[CODEC_LZ4];
    if (ctx == NULL) {
        ctx = LZ4F_createDecompressionContext_advanced(lib_memory(d->mem), LZ4F_VERSION);
        if (ctx == NULL) return ST_NOMEM;
        d->context[CODEC_LZ4] = ctx;
    }
    LZ4F_resetDecompressionContext(ctx);
    LZ4F_frameInfo_t info = {0};
    size_t used = d->in.len;
    size_t hint = LZ4F_getFrameInfo(ctx, &info, d->in.ptr, &used);
    if (LZ4F_isError(hint)) {
        return LZ4F_getErrorCode(hint) == LZ4F_ERROR_allocation_failed ? ST_NOMEM : ST_CORRUPT;
    }
    decompressor_advance(d, used);
    /* A window of a whole block lets liblz4 decode into it without a copy. */
    return decompressor_window(d, MAX(LZ4F_getBlockSize(info.blockSizeID), COMPRESS_WINDOW_BYTES));
}

static enum status read_next(struct decompressor *d, struct bytes *ret_run) {
    LZ4F_dctx *ctx = d->context[CODEC_LZ4];
    size_t room = decompressor_room(d);
    size_t len = 0;
    while (len == 0) {
        size_t out = room < d->window_bytes ? room + 1 : d->window_bytes;
        size_t used = d->in.len;
        size_t hint = LZ4F_decompress(ctx, d->window, &out, d->in.ptr, &used, NULL);
        if (LZ4F_isError(hint)) {
            return LZ4F_getErrorCode(hint) == LZ4F_ERROR_allocation_failed ? ST_NOMEM : ST_CORRUPT;
        }
        decompressor_advance(d, used);
        len = out;
        if (hint == 0) {
            d->ended = true;
            break;
        }
        if (out == 0 && used == 0) return ST_CORRUPT; /* cut */
    }
    if (len > room) return ST_TOO_LARGE;
    *ret_run = (struct bytes){d->window, len};
    return ST_OK;
}

static void read_release(struct decompressor *d) {
    (void)LZ4F_freeDecompressionContext(
        d->context[CODEC_LZ4]); /* reports the stage it stood in, not a failure */
    d->context[CODEC_LZ4] = NULL;
}

/* A context that has seen blocks of 4 MiB holds two of them. */
static void read_close(struct decompressor *d) {
    if (d->window_bytes > COMPRESS_KEEP_BYTES / 4) read_release(d);
}

static LZ4F_preferences_t preferences(const struct compressor *c) {
    return (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = c->level == LEVEL_FAST ? 0 : MAX(c->level, LEVEL_HIGH_MIN),
        .autoFlush = 1, /* we hand over whole blocks; liblz4 then keeps no copy */
    };
}

static enum status write_open(struct compressor *c) {
    LZ4F_cctx *ctx = c->context[CODEC_LZ4];
    if (ctx == NULL) {
        ctx = LZ4F_createCompressionContext_advanced(lib_memory(c->mem), LZ4F_VERSION);
        if (ctx == NULL) return ST_NOMEM;
        c->context[CODEC_LZ4] = ctx;
    }
    enum status st = octets_reserve(c->out, LZ4F_HEADER_SIZE_MAX);
    if (st != ST_OK) return st;
    LZ4F_preferences_t prefs = preferences(c);
    size_t len =
        LZ4F_compressBegin(ctx, c->out->data + c->out->len, c->out->capacity - c->out->len, &prefs);
    if (LZ4F_isError(len)) return ST_NOMEM;
    c->out->len += len;
    return ST_OK;
}

static enum status write_block(struct compressor *c) {
    LZ4F_preferences_t prefs = preferences(c);
    enum status st = octets_reserve(c->out, LZ4F_compressBound(c->block_len, &prefs));
    if (st != ST_OK) return st;
    size_t len = LZ4F_compressUpdate(c->context[CODEC_LZ4], c->out->data + c->out->len,
                                     c->out->capacity - c->out->len, c->block, c->block_len, NULL);
    if (LZ4F_isError(len)) return ST_NOMEM;
    c->out->len += len;
    c->block_len = 0;
    return ST_OK;
}

static enum status write_add(struct compressor *c, struct bytes plain) {
    while (plain.len > 0) {
        if (c->block_len == COMPRESS_WINDOW_BYTES) {
            enum status st = write_block(c);
            if (st != ST_OK) return st;
        }
        size_t step = MIN(plain.len, COMPRESS_WINDOW_BYTES - c->block_len);
        memcpy(c->block + c->block_len, plain.ptr, step);
        c->block_len += step;
        plain.ptr += step;
        plain.len -= step;
    }
    return ST_OK;
}

static enum status write_finish(struct compressor *c) {
    enum status st = c->block_len > 0 ? write_block(c) : ST_OK;
    if (st == ST_OK) st = octets_reserve(c->out, LZ4F_HEADER_SIZE_MAX);
    if (st != ST_OK) return st;
    size_t len = LZ4F_compressEnd(c->context[CODEC_LZ4], c->out->data + c->out->len,
                                  c->out->capacity - c->out->len, NULL);
    if (LZ4F_isError(len)) return ST_NOMEM;
    c->out->len += len;
    return ST_OK;
}

static void write_release(struct compressor *c) {
    (void)LZ4F_freeCompressionContext(c->context[CODEC_LZ4]); /* cannot fail */
    c->context[CODEC_LZ4] = NULL;
}

const struct codec_ops codec_lz4_ops = {
    .read_open = read_open,
    .read_next = read_next,
    .read_close = read_close,
    .read_release = read_release,
    .write_open = write_open,
    .write_add = write_add,
    .write_finish = write_finish,
    .write_release = write_release,
};
