/* protocol/compress_codec.h - what each codec gives to compress.c. Private to protocol/compress*.c.
 */
#pragma once
#include "protocol/compress.h"

struct codec_ops {
    /* Checks the start of d->in, makes or resets the context. */
    enum status (*read_open)(struct decompressor *d);
    /* One more run of output; sets d->ended and gives len 0 at the end. Must not exceed
     * decompressor_room. */
    enum status (*read_next)(struct decompressor *d, struct bytes *ret_run);
    /* After a stream: gives back an oversized context. May be NULL. */
    void (*read_close)(struct decompressor *d);
    void (*read_release)(struct decompressor *d);
    enum status (*write_open)(struct compressor *c);
    enum status (*write_add)(struct compressor *c, struct bytes plain);
    enum status (*write_finish)(struct compressor *c);
    void (*write_release)(struct compressor *c);
};
extern const struct codec_ops codec_gzip_ops, codec_snappy_ops, codec_lz4_ops, codec_zstd_ops;

/** Makes d->window at least `bytes` long; its content is lost. */
MUST_CHECK enum status decompressor_window(struct decompressor *d, size_t bytes);
/** Output octets still allowed, SIZE_MAX without a limit. */
static inline size_t decompressor_room(const struct decompressor *d) {
    return d->limit_bytes == 0 ? SIZE_MAX : d->limit_bytes - d->produced_bytes;
}
static inline void decompressor_advance(struct decompressor *d, size_t bytes) {
    d->in.ptr += bytes;
    d->in.len -= bytes;
}

/* Allocation for libraries that free without saying the size: the size stands in front of the
 * block. */
void *compress_lib_alloc(void *mem, size_t bytes);
void compress_lib_free(void *mem, void *ptr);
