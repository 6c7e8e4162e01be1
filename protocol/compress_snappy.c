/* protocol/compress_snappy.c - snappy in snappy-java's stream framing ("xerial"), which Kafka's
 * Java clients write:
 *
 *     82 'SNAPPY' 00, int32 version, int32 oldest compatible version,
 *     then chunks: int32 length, raw snappy block
 *
 * Input that does not start so is one bare block, which librdkafka and others send. As
 * SnappyInputStream: a further stream header may stand where a chunk would, and up to three octets
 * after the last chunk are ignored. A block has no checksum, and its back references may reach to
 * its start, so it is decoded whole. */
#include <snappy-c.h>
#include "protocol/compress_codec.h"

#define HEADER_BYTES 16
#define MAGIC_BYTES 8
#define VERSION 1
#define CHUNK_BYTES ((size_t)32 << 10) /* snappy-java's default */
/* The densest element is a copy of 64 octets from 3, so a block never grows by more. */
#define GROWTH_MAX 22
#define FLAG_BARE 1u

static const uint8_t magic[MAGIC_BYTES] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

static bool stream_starts(struct bytes in) {
    return in.len >= HEADER_BYTES && memcmp(in.ptr, magic, MAGIC_BYTES) == 0;
}

static enum status read_header(struct decompressor *d) {
    if ((int32_t)get_u32(d->in.ptr + MAGIC_BYTES) < VERSION) return ST_CORRUPT;
    decompressor_advance(d, HEADER_BYTES);
    return ST_OK;
}

static enum status read_open(struct decompressor *d) {
    if (stream_starts(d->in)) return read_header(d);
    d->flags = FLAG_BARE;
    return d->in.len > 0 ? ST_OK : ST_CORRUPT;
}

static enum status read_block(struct decompressor *d, size_t block_bytes, struct bytes *ret_run) {
    const char *block = (const char *)d->in.ptr;
    size_t len;
    if (snappy_uncompressed_length(block, block_bytes, &len) != SNAPPY_OK) return ST_CORRUPT;
    if (len / GROWTH_MAX > block_bytes) return ST_CORRUPT;
    if (len > decompressor_room(d)) return ST_TOO_LARGE;
    enum status st = decompressor_window(d, len);
    if (st != ST_OK) return st;
    if (snappy_uncompress(block, block_bytes, (char *)d->window, &len) != SNAPPY_OK)
        return ST_CORRUPT;
    decompressor_advance(d, block_bytes);
    *ret_run = (struct bytes){d->window, len};
    return ST_OK;
}

static enum status read_next(struct decompressor *d, struct bytes *ret_run) {
    if (d->flags & FLAG_BARE) {
        d->ended = true;
        return read_block(d, d->in.len, ret_run);
    }
    while (ret_run->len == 0) { /* a chunk may be empty */
        if (stream_starts(d->in)) {
            enum status st = read_header(d);
            if (st != ST_OK) return st;
            continue;
        }
        if (d->in.len < 4) {
            d->ended = true;
            return ST_OK;
        }
        uint32_t chunk_bytes = get_u32(d->in.ptr);
        if (chunk_bytes > d->in.len - 4) return ST_CORRUPT;
        decompressor_advance(d, 4);
        enum status st = read_block(d, chunk_bytes, ret_run);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static enum status write_open(struct compressor *c) {
    uint8_t header[HEADER_BYTES];
    memcpy(header, magic, MAGIC_BYTES);
    put_u32(header + MAGIC_BYTES, VERSION);
    put_u32(header + MAGIC_BYTES + 4, VERSION);
    return octets_add(c->out, header, HEADER_BYTES);
}

static enum status write_chunk(struct compressor *c, struct bytes plain) {
    size_t chunk_bytes = snappy_max_compressed_length(plain.len);
    enum status st = octets_reserve(c->out, 4 + chunk_bytes);
    if (st != ST_OK) return st;
    uint8_t *at = c->out->data + c->out->len;
    if (snappy_compress((const char *)plain.ptr, plain.len, (char *)at + 4, &chunk_bytes) !=
        SNAPPY_OK)
        return ST_NOMEM;
    put_u32(at, (uint32_t)chunk_bytes);
    c->out->len += 4 + chunk_bytes;
    return ST_OK;
}

static enum status write_add(struct compressor *c, struct bytes plain) {
    while (plain.len > 0) {
        size_t step = MIN(plain.len, CHUNK_BYTES - c->block_len);
        memcpy(c->block + c->block_len, plain.ptr, step);
        c->block_len += step;
        plain.ptr += step;
        plain.len -= step;
        if (c->block_len < CHUNK_BYTES) continue;
        enum status st = write_chunk(c, (struct bytes){c->block, c->block_len});
        if (st != ST_OK) return st;
        c->block_len = 0;
    }
    return ST_OK;
}

static enum status write_finish(struct compressor *c) {
    return c->block_len > 0 ? write_chunk(c, (struct bytes){c->block, c->block_len}) : ST_OK;
}

const struct codec_ops codec_snappy_ops = {
    .read_open = read_open,
    .read_next = read_next,
    .write_open = write_open,
    .write_add = write_add,
    .write_finish = write_finish,
};
