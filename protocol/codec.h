/* protocol/codec.h - messages between bytes and structs, for every message in schema/ and every
 * version of it.
 *
 * The structs and one descriptor table per struct are generated (protocol/messages.h); the
 * functions here walk those tables. So there is one decoder, and one place where hostile input is
 * refused: docs/decisions/0002-table-driven-codec.md.
 *
 * How a field looks in its struct:
 *   string    struct str      ptr == NULL: null
 *   bytes     struct bytes    ptr == NULL: null
 *   records   struct records  bytes.ptr == NULL and external == NULL: null
 *   array     T *x; int32_t x_count;
 *                             x_count == -1: null; x may be NULL when x_count <= 0
 *   struct    by value; a pointer where some version may carry null, NULL: null
 *   others    bool, int8_t, int16_t, uint16_t, int32_t, uint32_t, int64_t, double, struct uuid
 * A field that a version does not carry has its default. A zeroed struct is not a default one: use
 * codec_defaults, or the x_defaults and x_array that stand beside every struct.
 *
 * Recursion is bounded by the schemas: structs nest at most CODEC_DEPTH_MAX deep, the generator
 * refuses more.
 * Source: KIP-482 (flexible versions), org.apache.kafka.message.MessageDataGenerator. */
#pragma once
#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/strbuf.h"

#define CODEC_DEPTH_MAX 8 /* structs in structs, the message itself included */
/* Of a string in every version, although compact lengths could say more. */
#define CODEC_STRING_BYTES_MAX 32767

/* ---- values that messages consist of ---- */

/* Record batches, carried without a look inside. */
struct records {
    struct bytes bytes;      /* borrowed; ignored by the encoder when external is set */
    uint64_t external_bytes; /* length of what is elsewhere */
    /* Borrowed, the caller's own (a file range, say): the encoder writes the length, leaves the
     * octets out and notes a cut. Never set by the decoder. */
    const void *external;
};

/* A tagged field that the schema does not know, kept as it came. */
struct tagged_field {
    uint32_t tag;
    struct bytes bytes;
};

/* Strictly ascending by tag, and none that the schema knows, in whichever version. */
struct tagged_fields {
    struct tagged_field *fields;
    int32_t count;
};

/* ---- descriptors (generated, constant) ---- */

enum field_type {
    FIELD_BOOL = 0,
    FIELD_INT8 = 1,
    FIELD_INT16 = 2,
    FIELD_UINT16 = 3,
    FIELD_INT32 = 4,
    FIELD_UINT32 = 5,
    FIELD_INT64 = 6,
    FIELD_FLOAT64 = 7,
    FIELD_UUID = 8, /* up to here: fixed size, the same in C and on the wire */
    FIELD_STRING = 9,
    FIELD_BYTES = 10,
    FIELD_RECORDS = 11,
    FIELD_STRUCT = 12,
};

enum {
    FIELD_ARRAY = 1,          /* of `type` */
    FIELD_IGNORABLE = 2,      /* a value may be dropped in a version that cannot carry it */
    FIELD_DEFAULT_NULL = 4,   /* the default is null, not empty */
    FIELD_POINTER = 8,        /* a struct that may be null */
    FIELD_NEVER_COMPACT = 16, /* keeps its old length field in flexible versions */
};

/* first <= version < end; zeroed: no version. */
struct version_range {
    int8_t first, end;
};

struct field {
    const char *name;            /* as in Kafka's JSON: "topicId" */
    const struct layout *layout; /* of FIELD_STRUCT */
    int64_t initial;             /* default of a number or bool */
    uint16_t offset;             /* in the C struct */
    uint8_t type;                /* enum field_type */
    uint8_t flags;
    struct version_range present, nullable, tagged;
    int16_t tag; /* in the versions of `tagged` */
};

struct layout {
    const char *name; /* Kafka's, for messages to people */
    const struct field *fields;
    const uint8_t *tagged;     /* indexes of fields tagged in some version, ascending by tag */
    const uint16_t *min_bytes; /* by version: the fewest octets on the wire */
    uint16_t field_count;
    uint8_t tagged_count;
    uint32_t bytes;         /* sizeof the C struct */
    int32_t unknown_offset; /* of its tagged_fields; -1: its message is never flexible */
    const void *initial;    /* where a pointer that is not null by default points; else NULL */
};

enum message_type {
    MESSAGE_REQUEST = 0,     /* key: the API key */
    MESSAGE_RESPONSE = 1,    /* key: the API key */
    MESSAGE_HEADER = 2,      /* no key: -1 */
    MESSAGE_METADATA = 3,    /* __cluster_metadata; key: the record type */
    MESSAGE_GROUP_KEY = 4,   /* __consumer_offsets; key: the record type, the version of its key */
    MESSAGE_GROUP_VALUE = 5, /* the same key as its MESSAGE_GROUP_KEY */
    MESSAGE_TRANSACTION_KEY = 6, /* __transaction_state */
    MESSAGE_TRANSACTION_VALUE = 7,
    MESSAGE_SHARE_KEY = 8, /* __share_group_state */
    MESSAGE_SHARE_VALUE = 9,
    MESSAGE_REMOTE_LOG = 10, /* __remote_log_metadata */
    MESSAGE_DATA = 11,       /* anything else; no key: -1 */
    MESSAGE_TYPE_COUNT
};

struct schema {
    const char *name; /* Kafka's: "FetchRequest" */
    const struct layout *layout;
    enum message_type type;
    int16_t key;
    int16_t min_version, max_version; /* the codec's; what a broker serves is in struct api */
    int16_t flexible_from;            /* above max_version: never */
};

static inline bool schema_has(const struct schema *schema, int16_t version) {
    return version >= schema->min_version && version <= schema->max_version;
}
static inline bool schema_flexible(const struct schema *schema, int16_t version) {
    return version >= schema->flexible_from;
}

/* ---- decode ---- */

/** Fills all of *out (the schema's C struct) from the front of `in`. Strings, bytes and records are
 *  borrowed from `in`, arrays and pointed-to structs are arena (or constant: a pointer's default).
 *  *ret_used (NULL allowed): octets read; what follows them is the caller's to judge.
 *  After a failure *out is undefined and the arena holds leftovers until its reset.
 *
 *  ST_UNSUPPORTED: not a version of the schema.
 *  ST_SHORT:       a length or count says more than is there.
 *  ST_CORRUPT:     null where the version has none; a string above CODEC_STRING_BYTES_MAX; tags
 *                  that do not ascend, or that only other versions know; a tagged field that does
 *                  not fill its size exactly; a varint of more than 32 bits.
 *  ST_TOO_LARGE:   beyond LIMIT_ARRAY_ELEMENTS, LIMIT_TAGGED_FIELDS or 2 GiB.
 *  ST_NOMEM:       the arena's limit.
 *
 *  Nothing is allocated for a count before the input is known to be long enough for it, so the
 *  arena grows by at most CODEC_AMPLIFICATION_MAX octets for one octet of input.
 *
 *  As in Kafka: any negative old-style length is null, any non-zero octet is true, octets after
 *  the message are allowed. Unlike Kafka: text is not validated (Java replaces malformed UTF-8 and
 *  then cannot give back the octets it was given); tags that repeat or descend, or whose size is
 *  wrong, are refused, as KIP-482 has it. */
MUST_CHECK enum status codec_decode(const struct schema *schema, int16_t version, struct bytes in,
                                    struct arena *arena, void *out, size_t *ret_used);
#define CODEC_AMPLIFICATION_MAX 32 /* the worst today: 26.7, OffsetFetchRequest v8 */

/* ---- encode ---- */

/* Where records that were left out belong. */
struct codec_cut {
    size_t position;      /* in the output: they go before the octet at this place */
    uint64_t bytes;       /* how many */
    const void *external; /* what the struct records said */
};

struct codec_cuts {
    struct codec_cut *cuts; /* the caller's room */
    uint32_t capacity;
    uint32_t count;
    uint64_t external_bytes; /* sum over cuts: output + this = the message on the wire */
};

/** Octets that codec_encode writes (without those left out at cuts). The version must be one of the
 * schema's. */
size_t codec_size(const struct schema *schema, int16_t version, const void *message);

/** Writes the message at `out`; size must be what codec_size says. cuts: appended to; NULL when no
 *  records are external.
 *
 *  ST_UNSUPPORTED: not a version of the schema; or a field that this version does not carry is
 *                  neither ignorable nor at its default (Kafka's UnsupportedVersionException).
 *  ST_INVALID:     null where the version has none; unknown tags that do not ascend, or that the
 *                  schema knows; another size.
 *  ST_TOO_LARGE:   a string above CODEC_STRING_BYTES_MAX, a length of INT32_MAX or more.
 *  ST_FULL:        no room for a cut. */
MUST_CHECK enum status codec_encode(const struct schema *schema, int16_t version,
                                    const void *message, uint8_t *out, size_t size,
                                    struct codec_cuts *cuts);

/** codec_size and codec_encode into arena memory, without cuts. Also ST_NOMEM. */
MUST_CHECK enum status codec_encode_arena(const struct schema *schema, int16_t version,
                                          const void *message, struct arena *arena,
                                          struct bytes *ret_bytes);

/* ---- the rest ---- */

/** Gives every field its default (and empties the unknown tagged fields). Never allocates. */
void codec_defaults(const struct schema *schema, void *message);
void codec_layout_defaults(const struct layout *layout, void *object);

/** `count` structs with defaults, arena; NULL when there is no memory or count < 0. */
void *codec_array(struct arena *arena, const struct layout *layout, int32_t count);

/** Same values in the fields that the version carries, unknown tagged fields included. External
 * records are the same when pointer and length are; doubles when their bits are. */
bool codec_equal(const struct schema *schema, int16_t version, const void *a, const void *b);

/** Appends the JSON that Kafka's XJsonConverter.write(message, version) prints, without spaces:
 *  kafka-dump-log and the tools show messages so.
 *  bytes: base64; uuid: base64url; malformed UTF-8: U+FFFD; records: "", because Kafka does not
 *  print them. Fields that the version does not carry are left out; so are tagged fields at their
 *  default and unknown ones. */
void codec_print_json(const struct schema *schema, int16_t version, const void *message,
                      struct strbuf *out);
