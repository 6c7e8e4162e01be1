/* protocol/compress.h - the four codecs of record batches, as streams with bounded output and
 * counted memory.
 *
 * Reading is by pull: decompressor_next gives the next run of plain octets, borrowed until the next
 * call. Nothing is allocated from a declared size before that size was checked against the input
 * and the limit. What is read is what Apache Kafka's readers read:
 *
 *     gzip    RFC 1952, several members in a row; what follows the last one is ignored
 *     snappy  a xerial stream (snappy-java) or one bare block (librdkafka), block by block
 *     lz4     one LZ4 frame with independent blocks; what follows its end mark is ignored
 *     zstd    frames in a row, each with a window of at most 128 MiB, the library's own default
 *     none    one run, the input itself
 *
 * compress_*.c say where that is more or less than the format's own document.
 *
 * Contexts live in the struct and are reused: after warm-up a stream of ordinary size allocates
 * nothing. What the libraries allocate comes from `mem`, too. Contexts and windows above
 * COMPRESS_KEEP_BYTES go back after each stream. Not shared by threads. */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"
#include "protocol/octets.h"

/* Bits 0-2 of a batch's attributes. */
enum codec {
    CODEC_NONE = 0,
    CODEC_GZIP = 1,
    CODEC_SNAPPY = 2,
    CODEC_LZ4 = 3,
    CODEC_ZSTD = 4,
    CODEC_COUNT
};

/* Output of gzip and zstd at a time; other codecs give a block of theirs. */
#define COMPRESS_WINDOW_BYTES ((size_t)64 << 10)
/* Per context: what is beyond it goes back at the end of a stream. */
#define COMPRESS_KEEP_BYTES ((size_t)4 << 20)
/* ZSTD_WINDOWLOG_LIMIT_DEFAULT: the streams of zstd levels 20 to 22 need it. */
#define COMPRESS_ZSTD_WINDOW_LOG_MAX 27
#define COMPRESS_LEVEL_DEFAULT INT32_MIN /* the codec's own default, see codec_levels */

/** "none", "gzip", "snappy", "lz4", "zstd", as Kafka prints them. */
struct str codec_name(enum codec codec);
/** The codec of that name (lower case); false when there is none. */
bool codec_parse(struct str name, enum codec *ret_codec);

/* The values that compression.<codec>.level may have in Kafka 4.3. */
struct codec_levels {
    int32_t min, max, initial;
};
/** {0, 0, 0} for a codec without levels. */
struct codec_levels codec_levels(enum codec codec);

struct decompressor {
    struct mem *mem; /* borrowed */
    enum codec codec;
    struct bytes in;       /* what has not been read yet; borrowed */
    size_t limit_bytes;    /* of output; 0 = no limit */
    size_t produced_bytes; /* output of this stream so far */
    bool ended;
    uint8_t *window; /* where output lands */
    size_t window_bytes;
    void *context[CODEC_COUNT]; /* of each codec's library, made at first use */
    uint32_t flags;             /* the open codec's own */
};

void decompressor_init(struct decompressor *d, struct mem *mem);
void decompressor_release(struct decompressor *d);
/** Starts a stream over `in` (borrowed until the next open or close).
 *  ST_UNSUPPORTED: no such codec; ST_CORRUPT: not a stream of this codec; ST_NOMEM. */
MUST_CHECK enum status decompressor_open(struct decompressor *d, enum codec codec, struct bytes in,
                                         size_t limit_bytes);
/** The next run of output; len 0 at the end. After anything but ST_OK only open and close may
 * follow. ST_CORRUPT: damaged or cut; ST_TOO_LARGE: more output than the limit; ST_NOMEM. */
MUST_CHECK enum status decompressor_next(struct decompressor *d, struct bytes *ret_run);
/** Forgets the input and gives back what is beyond COMPRESS_KEEP_BYTES. Needed after each open. */
void decompressor_close(struct decompressor *d);

struct compressor {
    struct mem *mem; /* borrowed */
    enum codec codec;
    int32_t level;
    struct octets *out; /* borrowed; where the stream is appended */
    uint8_t *block;     /* plain octets waiting for a full block (snappy, lz4) */
    size_t block_len;
    void *context[CODEC_COUNT];
};

void compressor_init(struct compressor *c, struct mem *mem);
void compressor_release(struct compressor *c);
/** Starts a stream that is appended to `out` (borrowed until finish). Levels are Kafka's, clamped
 * to codec_levels. ST_UNSUPPORTED: no such codec; ST_NOMEM. */
MUST_CHECK enum status compressor_open(struct compressor *c, enum codec codec, int32_t level,
                                       struct octets *out);
/** ST_NOMEM: the stream is lost, open again. */
MUST_CHECK enum status compressor_add(struct compressor *c, struct bytes plain);
MUST_CHECK enum status compressor_finish(struct compressor *c);
