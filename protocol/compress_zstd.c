/* protocol/compress_zstd.c - zstd by libzstd. Frames may follow each other; anything else behind a
 * frame, and a window beyond COMPRESS_ZSTD_WINDOW_LOG_MAX, is refused, as zstd-jni does with the
 * library's defaults. */
#define ZSTD_STATIC_LINKING_ONLY /* for allocation functions of one's own */
#include <zstd.h>
#include <zstd_errors.h>
#include "base/assert.h"
#include "protocol/compress_codec.h"

#define FLAG_FRAME_OPEN 1u

static ZSTD_customMem lib_memory(struct mem *mem) {
    return (ZSTD_customMem){
        .customAlloc = compress_lib_alloc, .customFree = compress_lib_free, .opaque = mem};
}

static enum status read_open(struct decompressor *d) {
    enum status st = decompressor_window(d, COMPRESS_WINDOW_BYTES);
    if (st != ST_OK) return st;
    ZSTD_DCtx *ctx = d->context[CODEC_ZSTD];
    if (ctx == NULL) {
        ctx = ZSTD_createDCtx_advanced(lib_memory(d->mem));
        if (ctx == NULL) return ST_NOMEM;
        d->context[CODEC_ZSTD] = ctx;
        size_t set = ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, COMPRESS_ZSTD_WINDOW_LOG_MAX);
        ASSERT(!ZSTD_isError(set));
    }
    (void)ZSTD_DCtx_reset(ctx, ZSTD_reset_session_only); /* cannot fail */
    d->flags = 0;                                        /* no octets at all are an empty stream */
    return ST_OK;
}

static enum status read_next(struct decompressor *d, struct bytes *ret_run) {
    ZSTD_DCtx *ctx = d->context[CODEC_ZSTD];
    size_t room = decompressor_room(d);
    ZSTD_outBuffer out = {.dst = d->window,
                          .size = room < d->window_bytes ? room + 1 : d->window_bytes};
    while (out.pos < out.size) {
        if (d->in.len == 0 && !(d->flags & FLAG_FRAME_OPEN)) {
            d->ended = true;
            break;
        }
        ZSTD_inBuffer in = {.src = d->in.ptr, .size = d->in.len};
        size_t before = out.pos;
        size_t hint = ZSTD_decompressStream(ctx, &out, &in);
        if (ZSTD_isError(hint)) {
            return ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation ? ST_NOMEM : ST_CORRUPT;
        }
        decompressor_advance(d, in.pos);
        d->flags = hint == 0 ? 0 : FLAG_FRAME_OPEN;
        if (hint != 0 && in.pos == 0 && out.pos == before) return ST_CORRUPT; /* cut */
    }
    if (out.pos > room) return ST_TOO_LARGE;
    *ret_run = (struct bytes){d->window, out.pos};
    return ST_OK;
}

static void read_release(struct decompressor *d) {
    (void)ZSTD_freeDCtx(d->context[CODEC_ZSTD]); /* cannot fail */
    d->context[CODEC_ZSTD] = NULL;
}

static void read_close(struct decompressor *d) {
    if (ZSTD_sizeof_DCtx(d->context[CODEC_ZSTD]) > COMPRESS_KEEP_BYTES) read_release(d);
}

static enum status write_open(struct compressor *c) {
    ZSTD_CCtx *ctx = c->context[CODEC_ZSTD];
    if (ctx == NULL) {
        ctx = ZSTD_createCCtx_advanced(lib_memory(c->mem));
        if (ctx == NULL) return ST_NOMEM;
        c->context[CODEC_ZSTD] = ctx;
    }
    (void)ZSTD_CCtx_reset(ctx, ZSTD_reset_session_only); /* cannot fail */
    size_t set = ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, c->level);
    ASSERT(!ZSTD_isError(set));
    return ST_OK;
}

static enum status run(struct compressor *c, struct bytes plain, ZSTD_EndDirective end) {
    ZSTD_inBuffer in = {.src = plain.ptr, .size = plain.len};
    for (;;) {
        enum status st = octets_reserve(c->out, 512);
        if (st != ST_OK) return st;
        ZSTD_outBuffer out = {.dst = c->out->data + c->out->len,
                              .size = c->out->capacity - c->out->len};
        size_t left = ZSTD_compressStream2(c->context[CODEC_ZSTD], &out, &in, end);
        if (ZSTD_isError(left)) return ST_NOMEM;
        c->out->len += out.pos;
        if (end == ZSTD_e_end ? left == 0 : in.pos == in.size) return ST_OK;
    }
}

static enum status write_add(struct compressor *c, struct bytes plain) {
    return run(c, plain, ZSTD_e_continue);
}

static void write_release(struct compressor *c) {
    (void)ZSTD_freeCCtx(c->context[CODEC_ZSTD]); /* cannot fail */
    c->context[CODEC_ZSTD] = NULL;
}

static enum status write_finish(struct compressor *c) {
    enum status st = run(c, (struct bytes){(const uint8_t *)"", 0}, ZSTD_e_end);
    if (ZSTD_sizeof_CCtx(c->context[CODEC_ZSTD]) > COMPRESS_KEEP_BYTES) write_release(c);
    return st;
}

const struct codec_ops codec_zstd_ops = {
    .read_open = read_open,
    .read_next = read_next,
    .read_close = read_close,
    .read_release = read_release,
    .write_open = write_open,
    .write_add = write_add,
    .write_finish = write_finish,
    .write_release = write_release,
};
