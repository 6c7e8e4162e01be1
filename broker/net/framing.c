/* broker/net/framing.c - lengths, buffers, and where one frame ends and the next begins. */
#include "broker/net/framing.h"
#include "broker/net/connection.h"

void framing_init(struct framing *in, uint32_t direct_from) {
    *in = (struct framing){.direct_from = direct_from != 0 ? direct_from : FRAME_DIRECT_BYTES};
}

static struct buffers *buffers_of(struct connection *c) { return &c->shard->buffers; }

/* The frame on its way in is whole; what its buffer holds behind it stays there. */
static void complete(struct connection *c) {
    struct framing *in = &c->in;
    struct buffer *buffer = in->frame;
    struct bytes frame = {buffer->data, in->frame_bytes};
    in->frame = NULL;
    in->frame_bytes = 0;
    in->length_have = 0;
    connection_add_request(c, buffer, frame);
}

static void refuse_for_memory(struct connection *c) {
    connection_refuse_frame(c, "no memory", (int32_t)c->in.frame_bytes);
}

static bool length_is_good(struct connection *c, int32_t length) {
    int64_t limit = c->shard->broker->config->socket_request_max_bytes;
    const char *why = length < 0       ? "negative length"
                      : length > limit ? "longer than socket.request.max.bytes"
                      : length < 8     ? "shorter than a request header"
                                       : NULL;
    if (why != NULL) connection_refuse_frame(c, why, length);
    return why == NULL;
}

/* How much is asked for, for a frame and what may follow it into its buffer: no more than is there
 * already, nor than some frames of its size. */
static size_t bytes_to_ask_for(struct connection *c, size_t in_hand) {
    size_t frame_bytes = c->in.frame_bytes, least = MIN(frame_bytes, FRAME_FIRST_BYTES);
    if (frame_bytes < c->in.direct_from || least == FRAME_FIRST_BYTES) return least;
    size_t most = MIN(frame_bytes * FRAMES_A_BUFFER, FRAME_FIRST_BYTES);
    size_t there = in_hand + io_recv_waiting(c->shard->io, &c->receiver);
    return MAX(least, MIN(there, most));
}

/* in_hand: octets of it, and of what follows, that the caller has. */
static void begin(struct connection *c, size_t in_hand) {
    struct framing *in = &c->in;
    int32_t length = (int32_t)get_u32(in->length_octets);
    if (!length_is_good(c, length)) return;
    in->frame_bytes = (uint32_t)length;
    in->frame = buffer_get(buffers_of(c), bytes_to_ask_for(c, in_hand));
    if (in->frame == NULL) refuse_for_memory(c);
}

/* Four times the room for a large frame whose first part is there. */
static bool grow(struct connection *c) {
    struct buffer *old = c->in.frame;
    uint64_t room = MIN((uint64_t)c->in.frame_bytes, (uint64_t)old->capacity * 4);
    struct buffer *grown = buffer_get(buffers_of(c), room);
    if (grown == NULL) return false;
    memcpy(grown->data, old->data, old->len);
    grown->len = old->len;
    buffer_put(buffers_of(c), old);
    c->in.frame = grown;
    return true;
}

/* Of the buffer, for the frame. */
static size_t room_left(const struct framing *in) {
    return MIN(in->frame_bytes, in->frame->capacity) - in->frame->len;
}

/* Octets into frames, until the connection has as many requests as it may; how many it took. */
static size_t take(struct connection *c, const uint8_t *data, size_t len) {
    struct framing *in = &c->in;
    size_t at = 0;
    while (at < len && !c->is_closing && !connection_is_full(c)) {
        if (in->frame == NULL) {
            size_t part = MIN(4 - (size_t)in->length_have, len - at);
            memcpy(in->length_octets + in->length_have, data + at, part);
            in->length_have += (uint32_t)part;
            at += part;
            if (in->length_have == 4) begin(c, len - at);
            continue;
        }
        size_t part = MIN(room_left(in), len - at);
        memcpy(in->frame->data + in->frame->len, data + at, part);
        in->frame->len += (uint32_t)part;
        at += part;
        if (in->frame->len == in->frame_bytes) {
            complete(c);
        } else if (room_left(in) == 0 && !grow(c)) {
            refuse_for_memory(c);
        }
    }
    return at;
}

/* Keeps octets that came when the connection was full. They are few: reading is paused, and only
 * what had been taken from the stream already still comes. */
static bool hold(struct connection *c, const uint8_t *data, size_t len) {
    struct buffer *held = c->in.held;
    size_t old_len = held != NULL ? held->len : 0;
    if (held == NULL || held->capacity - old_len < len) {
        held = buffer_get(buffers_of(c), old_len + MAX(len, old_len));
        if (held == NULL) return false;
        if (old_len > 0) memcpy(held->data, c->in.held->data, old_len);
        held->len = (uint32_t)old_len;
        buffer_put(buffers_of(c), c->in.held);
        c->in.held = held;
    }
    memcpy(held->data + old_len, data, len);
    held->len += (uint32_t)len;
    return true;
}

void framing_take(struct connection *c, const uint8_t *data, size_t len) {
    bool must_hold = c->in.held != NULL || move_has_begun(&c->move);
    size_t taken = must_hold ? 0 : take(c, data, len);
    if (c->is_closing || taken == len) return;
    if (!hold(c, data + taken, len - taken)) refuse_for_memory(c);
}

void framing_take_held(struct connection *c) {
    struct framing *in = &c->in;
    in->held_at += take(c, in->held->data + in->held_at, in->held->len - in->held_at);
    if (in->held_at < in->held->len) return;
    buffer_put(buffers_of(c), in->held);
    in->held = NULL;
    in->held_at = 0;
}

/* Requests out of the buffer that the first of their frames was received into: large frames stay
 * in it, what begins with another one is taken as if the seam had lent it. */
static void share(struct connection *c) {
    struct buffer *buffer = c->in.frame;
    size_t at = c->in.frame_bytes;
    buffer_hold(buffer);
    complete(c);
    while (!c->is_closing && !connection_is_full(c) && buffer->len - at >= 4) {
        int32_t length = (int32_t)get_u32(buffer->data + at);
        if (!length_is_good(c, length)) break;
        bool is_whole = (size_t)length <= buffer->len - at - 4;
        if (!is_whole || (size_t)length * FRAMES_A_BUFFER < buffer->capacity) break;
        buffer_hold(buffer);
        metrics_add(&c->shard->metrics, METRIC_REQUESTS_TOGETHER, 1);
        connection_add_request(c, buffer, (struct bytes){buffer->data + at + 4, (size_t)length});
        at += 4 + (size_t)length;
    }
    if (!c->is_closing && at < buffer->len) framing_take(c, buffer->data + at, buffer->len - at);
    buffer_put(buffers_of(c), buffer);
}

void framing_arrived(struct connection *c) {
    struct framing *in = &c->in;
    in->frame->len += in->direct_bytes;
    if (in->frame->len >= in->frame_bytes) {
        share(c);
    } else if (!grow(c)) {
        refuse_for_memory(c);
    }
}

void framing_receive_directly(struct connection *c) {
    struct framing *in = &c->in;
    if (in->held != NULL || in->frame == NULL ||
        in->frame_bytes - in->frame->len < in->direct_from)
        return;
    size_t least = room_left(in), room = in->frame->capacity - in->frame->len, there = 0;
    if (room > least) there = io_recv_waiting(c->shard->io, &c->receiver);
    in->direct_bytes = (uint32_t)MAX(least, MIN(room, there));
    io_recv_direct(c->shard->io, &c->receiver, in->frame->data + in->frame->len, in->direct_bytes);
}

bool framing_is_between(const struct framing *in) {
    return in->length_have == 0 && in->frame == NULL;
}

void framing_release(struct connection *c) {
    buffer_put(buffers_of(c), c->in.frame);
    buffer_put(buffers_of(c), c->in.held);
}

bool framing_take_over(struct framing *in, struct buffers *buffers, const struct framing *from) {
    if (from->held == NULL) return true;
    size_t left = from->held->len - from->held_at;
    in->held = buffer_get(buffers, left);
    if (in->held == NULL) return false;
    memcpy(in->held->data, from->held->data + from->held_at, left);
    in->held->len = (uint32_t)left;
    return true;
}
