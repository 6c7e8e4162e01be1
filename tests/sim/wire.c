/* tests/sim/wire.c - frames out, frames in, deadlines. */
#include "tests/sim/wire.h"
#include <string.h>
#include "base/assert.h"
#include "protocol/codec.h"
#include "protocol/frame.h"

enum { FRAME_MAX = 64 << 20 };

static void wake(struct wire *wire) {
    if (!wire->is_waiting) return;
    wire->is_waiting = false;
    job_wake(wire->job);
}

static void on_data(struct io_receiver *receiver, const uint8_t *data, size_t len) {
    struct wire *wire = CONTAINER_OF(receiver, struct wire, receiver);
    enum status st = octets_add(&wire->in, data, len);
    ASSERT(st == ST_OK); /* a client has no budget */
    wake(wire);
}

static void on_end(struct io_receiver *receiver, int64_t result) {
    struct wire *wire = CONTAINER_OF(receiver, struct wire, receiver);
    (void)result; /* whatever the reason, nothing more will come */
    wire->is_ended = true;
    wake(wire);
}

static void on_late(struct io_timer *timer) {
    struct wire *wire = CONTAINER_OF(timer, struct wire, timer);
    struct io *io = job_io(wire->job);
    wire->is_late = true;
    if (wire->is_sending) {
        io_timer_set(io, timer, io_now(io).mono_us + 1000000); /* a cancel may do nothing */
        io_cancel(io, job_op(wire->job));
    }
    wake(wire);
}

void wire_init(struct wire *wire, struct world *world, struct job *job) {
    *wire = (struct wire){.world = world, .job = job, .fd = -1, .timeout_us = 5000000};
    wire->receiver.on_data = on_data;
    wire->receiver.on_end = on_end;
    wire->timer.fire = on_late;
    octets_init(&wire->in, job_mem(job));
}

void wire_release(struct wire *wire) {
    wire_close(wire);
    octets_release(&wire->in);
}

enum status wire_open(struct wire *wire, const struct io_address *address) {
    ASSERT(!wire_is_open(wire));
    struct io *io = job_io(wire->job);
    int64_t fd = job_wait(wire->job, io_connect(io, job_op(wire->job), address));
    if (fd < 0) return status_from_errno(fd);
    wire->fd = (int)fd;
    wire->is_ended = wire->is_late = false;
    wire->in.len = 0;
    wire->answered_id = wire->correlation_id;
    io_recv_start(io, &wire->receiver, wire->fd);
    return ST_OK;
}

void wire_close(struct wire *wire) {
    if (!wire_is_open(wire)) return;
    job_close(wire->job, wire->fd); /* the receiver has ended by then */
    ASSERT(wire->is_ended);
    wire->fd = -1;
}

static void deadline_start(struct wire *wire) {
    struct io *io = job_io(wire->job);
    wire->is_late = false;
    io_timer_set(io, &wire->timer, io_now(io).mono_us + wire->timeout_us);
}

static void deadline_stop(struct wire *wire) { io_timer_clear(job_io(wire->job), &wire->timer); }

static struct bytes request_frame(struct wire *wire, struct arena *arena, int16_t api_key,
                                  int16_t version, const void *request) {
    const struct schema *schema = api_find(api_key)->request;
    struct request_header header;
    request_header_defaults(&header);
    header.request_api_key = api_key;
    header.request_api_version = version;
    header.correlation_id = ++wire->correlation_id;
    header.client_id = STR("simulated");
    int16_t header_version = frame_request_header_version(api_key, version);
    size_t header_bytes = codec_size(&request_header_schema, header_version, &header);
    size_t bytes = codec_size(schema, version, request);
    uint8_t *frame = arena_alloc(arena, FRAME_LENGTH_BYTES + header_bytes + bytes);
    ASSERT(frame != NULL); /* a client has no budget */
    put_u32(frame, (uint32_t)(header_bytes + bytes));
    enum status st = codec_encode(&request_header_schema, header_version, &header,
                                  frame + FRAME_LENGTH_BYTES, header_bytes, NULL);
    ASSERT(st == ST_OK);
    st = codec_encode(schema, version, request, frame + FRAME_LENGTH_BYTES + header_bytes, bytes,
                      NULL);
    ASSERT(st == ST_OK); /* else the client made a request that this version cannot carry */
    return (struct bytes){frame, FRAME_LENGTH_BYTES + header_bytes + bytes};
}

enum status wire_send(struct wire *wire, struct arena *arena, int16_t api_key, int16_t version,
                      const void *request) {
    if (!wire_is_open(wire) || wire->is_ended) return ST_CLOSED;
    struct bytes frame = request_frame(wire, arena, api_key, version, request);
    struct iovec iov = {.iov_base = (void *)(uintptr_t)frame.ptr, .iov_len = frame.len};
    deadline_start(wire);
    wire->is_sending = true;
    int64_t sent =
        job_wait(wire->job, io_send(job_io(wire->job), job_op(wire->job), wire->fd, &iov, 1));
    wire->is_sending = false;
    deadline_stop(wire);
    return sent < 0 ? (wire->is_late ? ST_TIMEOUT : status_from_errno(sent)) : ST_OK;
}

void wire_expect_none(struct wire *wire) { wire->answered_id++; }

/* Waits until `len` octets have arrived. */
static enum status wait_for(struct wire *wire, size_t len) {
    while (wire->in.len < len) {
        if (wire->is_ended) return ST_CLOSED;
        if (wire->is_late) return ST_TIMEOUT;
        wire->is_waiting = true;
        job_suspend(wire->job);
    }
    return ST_OK;
}

static enum status bad_response(struct wire *wire, int16_t api_key, int16_t version,
                                const char *what) {
    world_fail(wire->world, "response to %s v%d: %s", api_find(api_key)->name, version, what);
    return ST_CORRUPT;
}

static enum status response_decode(struct wire *wire, struct arena *arena, int16_t api_key,
                                   int16_t version, struct bytes frame, void *ret_response) {
    struct response_header header;
    size_t used = 0;
    enum status st =
        codec_decode(&response_header_schema, frame_response_header_version(api_key, version),
                     frame, arena, &header, &used);
    if (st != ST_OK) return bad_response(wire, api_key, version, "a damaged header");
    if (header.correlation_id != ++wire->answered_id) {
        return bad_response(wire, api_key, version, "another correlation id");
    }
    frame = (struct bytes){frame.ptr + used, frame.len - used};
    st = codec_decode(api_find(api_key)->response, version, frame, arena, ret_response, &used);
    if (st != ST_OK) return bad_response(wire, api_key, version, status_name(st));
    if (used != frame.len) return bad_response(wire, api_key, version, "octets left over");
    return ST_OK;
}

enum status wire_receive(struct wire *wire, struct arena *arena, int16_t api_key, int16_t version,
                         void *ret_response) {
    if (!wire_is_open(wire)) return ST_CLOSED;
    deadline_start(wire);
    enum status st = wait_for(wire, FRAME_LENGTH_BYTES);
    size_t len = st == ST_OK ? get_u32(wire->in.data) : 0;
    if (st == ST_OK && len > FRAME_MAX)
        st = bad_response(wire, api_key, version, "a frame too large");
    if (st == ST_OK) st = wait_for(wire, FRAME_LENGTH_BYTES + len);
    deadline_stop(wire);
    if (st != ST_OK) return st;
    struct bytes frame =
        arena_bytes(arena, (struct bytes){wire->in.data + FRAME_LENGTH_BYTES, len});
    ASSERT(frame.ptr != NULL);
    wire->in.len -= FRAME_LENGTH_BYTES + len;
    memmove(wire->in.data, wire->in.data + FRAME_LENGTH_BYTES + len, wire->in.len);
    return response_decode(wire, arena, api_key, version, frame, ret_response);
}

enum status wire_call(struct wire *wire, struct arena *arena, int16_t api_key, int16_t version,
                      const void *request, void *ret_response) {
    enum status st = wire_send(wire, arena, api_key, version, request);
    return st == ST_OK ? wire_receive(wire, arena, api_key, version, ret_response) : st;
}
