/* broker/net/framing.h - the octets of a connection into frames: a 4-octet length and that many
 * octets, each of which becomes a request (connection_add_request).
 *
 * Small frames are put together from the seam's buffers. A large one is received straight into a
 * buffer of its own, which grows as octets arrive, so that nobody gets memory for a length he only
 * declared. What has arrived behind it already is received with it when it fits: a client that
 * sends faster than it is served costs one read for several of its frames, which then share the
 * buffer until the last of their requests is through. What comes while the connection is full is
 * held back unread. Owner: the connection's shard. */
#pragma once
#include "broker/net/buffers.h"

struct connection;

#define FRAME_FIRST_BYTES (256u << 10) /* what a larger frame gets before its octets are there */
#define FRAME_DIRECT_BYTES 4096u       /* direct_from of a connection */
#define FRAMES_A_BUFFER 8              /* a shared buffer is at most so many times a frame in it */

struct framing {
    uint8_t length_octets[4]; /* of the frame on its way in */
    uint32_t length_have;
    uint32_t frame_bytes;  /* whole length of it, 0: none */
    struct buffer *frame;  /* where it goes; NULL: its length is not known yet */
    uint32_t direct_from;  /* with so much missing it is received directly */
    uint32_t direct_bytes; /* asked for into it */
    struct buffer *held;   /* octets that came when there were too many requests; NULL: none */
    size_t held_at;        /* how many of them were taken since */
};

/** direct_from: 0 for FRAME_DIRECT_BYTES. */
void framing_init(struct framing *framing, uint32_t direct_from);
/** Takes octets that the seam lent; some may be held back. */
void framing_take(struct connection *connection, const uint8_t *data, size_t len);
/** Takes of what was held back as much as may be taken by now. */
void framing_take_held(struct connection *connection);
/** What framing_receive_directly asked for is there. */
void framing_arrived(struct connection *connection);
/** From on_data and on_direct: has the rest of a large frame received into its buffer. */
void framing_receive_directly(struct connection *connection);
/** Nothing of a frame is on its way in; the beginning of others may be held back. */
bool framing_is_between(const struct framing *framing);
/** Gives the buffers back. */
void framing_release(struct connection *connection);
/** In a new connection: what was held back where it comes from. false: no memory. */
bool framing_take_over(struct framing *framing, struct buffers *buffers,
                       const struct framing *from);
