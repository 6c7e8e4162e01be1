/* protocol/compress_gzip.c - gzip: read by ISA-L's igzip (measured at three times zlib's speed on
 * JSON), written by zlib, whose levels are the ones that compression.gzip.level means.
 *
 * As java.util.zip.GZIPInputStream: another member may follow, and what follows the last one is not
 * looked at; reserved header flags are not minded. Unlike zlib, and so Java, igzip takes a block
 * whose Huffman codes leave room for more. No encoder makes such blocks, and what they give is held
 * against the member's checksum and length as ever.
 */
#include <isa-l/igzip_lib.h>
#include <zlib.h>
#include "base/assert.h"
#include "protocol/compress_codec.h"

#define MEMBER_BYTES_MIN 18                /* header 10, trailer 8 */
#define MEMORY_LEVEL 8                     /* zlib's default */
#define INPUT_STEP_BYTES ((size_t)1 << 30) /* both libraries count in 32 bits */

static bool member_starts(struct bytes in) {
    return in.len >= MEMBER_BYTES_MIN && in.ptr[0] == 0x1f && in.ptr[1] == 0x8b &&
           in.ptr[2] == Z_DEFLATED;
}

static enum status read_open(struct decompressor *d) {
    if (!member_starts(d->in)) return ST_CORRUPT;
    enum status st = decompressor_window(d, COMPRESS_WINDOW_BYTES);
    if (st != ST_OK) return st;
    struct inflate_state *state = d->context[CODEC_GZIP];
    if (state == NULL) {
        state = mem_alloc(d->mem, sizeof *state);
        if (state == NULL) return ST_NOMEM;
        d->context[CODEC_GZIP] = state;
    }
    isal_inflate_init(state);
    state->crc_flag = ISAL_GZIP;
    return ST_OK;
}

/* Whole octets that igzip took into its bit buffer and did not use. */
static size_t unread(const struct inflate_state *state) {
    return state->read_in_length > 0 ? (size_t)state->read_in_length / 8 : 0;
}

static enum status read_next(struct decompressor *d, struct bytes *ret_run) {
    struct inflate_state *state = d->context[CODEC_GZIP];
    size_t room = decompressor_room(d);
    /* One octet more than allowed tells an exact fit from too much. */
    size_t want = room < d->window_bytes ? room + 1 : d->window_bytes;
    state->next_out = d->window;
    state->avail_out = (uint32_t)MIN(want, INPUT_STEP_BYTES);
    while (state->avail_out > 0) {
        uint32_t before_out = state->avail_out;
        size_t step = MIN(d->in.len, INPUT_STEP_BYTES);
        state->next_in =
            (uint8_t *)(uintptr_t)d->in.ptr; /* igzip's prototype lacks the const it keeps to */
        state->avail_in = (uint32_t)step;
        int result = isal_inflate(state);
        decompressor_advance(d, step - state->avail_in);
        if (result < 0 || result == ISAL_NEED_DICT) return ST_CORRUPT;
        if (state->block_state == ISAL_BLOCK_FINISH) {
            size_t back = unread(state);
            struct bytes rest = {d->in.ptr - back, d->in.len + back};
            if (!member_starts(rest)) {
                d->ended = true;
                break;
            }
            d->in = rest;
            uint8_t *next_out = state->next_out;
            uint32_t avail_out = state->avail_out;
            isal_inflate_init(state);
            state->crc_flag = ISAL_GZIP;
            state->next_out = next_out;
            state->avail_out = avail_out;
            continue;
        }
        if (state->avail_in == step && state->avail_out == before_out && d->in.len == 0)
            return ST_CORRUPT; /* cut */
    }
    size_t len = (size_t)(state->next_out - d->window);
    if (len > room) return ST_TOO_LARGE;
    *ret_run = (struct bytes){d->window, len};
    return ST_OK;
}

static void read_release(struct decompressor *d) {
    mem_free(d->mem, d->context[CODEC_GZIP], sizeof(struct inflate_state));
    d->context[CODEC_GZIP] = NULL;
}

static void *lib_alloc(void *mem, unsigned items, unsigned size) {
    return compress_lib_alloc(mem, (size_t)items * size);
}

static enum status write_open(struct compressor *c) {
    z_stream *z = c->context[CODEC_GZIP];
    if (z != NULL) {
        /* The context was made for some level; a reset keeps its memory, deflateParams on an empty
         * stream is free. */
        if (deflateReset(z) != Z_OK || deflateParams(z, c->level, Z_DEFAULT_STRATEGY) != Z_OK)
            return ST_NOMEM;
        return ST_OK;
    }
    z = mem_alloc(c->mem, sizeof *z);
    if (z == NULL) return ST_NOMEM;
    *z = (z_stream){.zalloc = lib_alloc, .zfree = compress_lib_free, .opaque = c->mem};
    if (deflateInit2(z, c->level, Z_DEFLATED, MAX_WBITS + 16, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        mem_free(c->mem, z, sizeof *z);
        return ST_NOMEM;
    }
    c->context[CODEC_GZIP] = z;
    return ST_OK;
}

static enum status run(struct compressor *c, struct bytes plain, int flush) {
    z_stream *z = c->context[CODEC_GZIP];
    for (;;) {
        enum status st = octets_reserve(c->out, 512);
        if (st != ST_OK) return st;
        size_t step = MIN(plain.len, INPUT_STEP_BYTES);
        size_t room = MIN(c->out->capacity - c->out->len, INPUT_STEP_BYTES);
        z->next_in = (uint8_t *)(uintptr_t)plain.ptr;
        z->avail_in = (unsigned)step;
        z->next_out = c->out->data + c->out->len;
        z->avail_out = (unsigned)room;
        int result = deflate(z, step == plain.len ? flush : Z_NO_FLUSH);
        ASSERT(result != Z_STREAM_ERROR);
        c->out->len += room - z->avail_out;
        plain.ptr += step - z->avail_in;
        plain.len -= step - z->avail_in;
        if (result == Z_STREAM_END || (flush == Z_NO_FLUSH && plain.len == 0 && z->avail_out > 0))
            return ST_OK;
    }
}

static enum status write_add(struct compressor *c, struct bytes plain) {
    return run(c, plain, Z_NO_FLUSH);
}
static enum status write_finish(struct compressor *c) {
    return run(c, (struct bytes){(const uint8_t *)"", 0}, Z_FINISH);
}

static void write_release(struct compressor *c) {
    z_stream *z = c->context[CODEC_GZIP];
    (void)deflateEnd(z); /* Z_DATA_ERROR only says that a stream was left unfinished */
    mem_free(c->mem, z, sizeof *z);
    c->context[CODEC_GZIP] = NULL;
}

const struct codec_ops codec_gzip_ops = {
    .read_open = read_open,
    .read_next = read_next,
    .read_release = read_release,
    .write_open = write_open,
    .write_add = write_add,
    .write_finish = write_finish,
    .write_release = write_release,
};
