/* broker/net/connection.c - frames in, answers out, both in order. */
#include "broker/net/connection.h"
#include <errno.h>
#include "base/assert.h"
#include "base/limits.h"
#include "base/logging.h"
#include "broker/net/api_table.h"

static void proceed(struct connection *c);

static void touch(struct connection *c) {
    c->active_us = c->shard->io->now.mono_us;
    c->untold_bytes = 0;
    list_remove(&c->link);
    list_push_back(&c->shard->connection_list, &c->link);
}

/* Octets count as activity with the request that they complete, or when they are many: who sends an
 * octet a second is idle. */
static void note_received(struct connection *c, size_t len) {
    c->untold_bytes += len;
    if (c->untold_bytes >= FRAME_DIRECT_BYTES) touch(c);
}

/* --- closing --- */

static void connection_free(struct connection *c) {
    struct shard *shard = c->shard;
    framing_release(c);
    list_remove(&c->link);
    shard->connection_count--;
    metrics_set(&shard->metrics, METRIC_CONNECTIONS, (int64_t)shard->connection_count);
    pool_put(&shard->connections, c);
    shard_check_closed(shard);
}

/* Only at the end of a turn, so that no caller up the stack still holds the connection. */
static void free_if_gone(struct connection *c) {
    if (c->fd >= 0 || !c->receive_ended || c->is_sending || c->request_count > 0) return;
    admission_leave(c->place);
    connection_free(c);
}

static void on_closed(struct io_op *op) {
    struct connection *c = CONTAINER_OF(op, struct connection, close_op);
    c->fd = -1;
    io_later(c->shard->io, &c->flush);
}

void connection_close(struct connection *c) {
    if (c->is_closing) return;
    if (c->move.state == MOVE_AWAY) {
        c->wants_close = true;
        return;
    }
    c->is_closing = true;
    io_timer_clear(c->shard->io, &c->mute);
    if (!c->receive_ended) io_recv_stop(c->shard->io, &c->receiver);
    /* What runs still needs its request; what is finished or has not started goes now. */
    LIST_EACH(&c->requests, node) {
        struct request *rq = CONTAINER_OF(node, struct request, link);
        if (rq->state != REQUEST_RUNNING) {
            if (!c->is_sending) connection_forget(c, rq);
        } else if (rq->cancel != NULL) {
            rq->cancel(rq);
        }
    }
    if (io_close(c->shard->io, &c->close_op, c->fd)) on_closed(&c->close_op);
}

/* The peer went, or its machine or the network did; anything else is this broker's failure. */
static bool is_peers_end(int64_t result) {
    switch (result) {
    case 0:
    case -ECANCELED:
    case -EPIPE:
    case -ECONNRESET:
    case -ECONNABORTED:
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -ENETDOWN: return true;
    default: return false;
    }
}

/* No connection of a living client ends without a count and a line. */
static void tell_broken(struct shard *shard, const struct io_address *peer, const char *why,
                        int64_t result) {
    uint32_t swallowed = 0;
    metrics_add(&shard->metrics, METRIC_CONNECTIONS_BROKEN, 1);
    if (!log_limit_pass(&shard->log_bad_frame, shard->io->now.mono_us, &swallowed)) return;
    char text[IO_ADDRESS_TEXT_BYTES];
    io_address_format(peer, text);
    LOG_WARN("net", "event=connection-broken peer=%s why=\"%s\" errno=%d swallowed=%u", text, why,
             (int)-result, swallowed);
}

void connection_forget(struct connection *c, struct request *rq) {
    list_remove(&rq->link);
    c->request_count--;
    c->request_bytes -= rq->frame.len;
    rq->connection = NULL;
    if (rq->release != NULL) {
        rq->is_releasing = true;
        c->shard->releasing_count++;
        rq->release(rq);
    } else {
        request_free(rq);
    }
}

/* --- answers --- */

/* Adds what is left of one finished answer up to its next cut; true when that is all of it. */
static bool gather(struct connection *c, struct request *rq, int *iov_count) {
    bool has_cut = c->cut_index < rq->cuts.count;
    size_t end = has_cut ? rq->cuts.cuts[c->cut_index].position : rq->answer_bytes;
    if (end > c->sent_bytes) {
        c->iov[(*iov_count)++] = (struct iovec){rq->answer + c->sent_bytes, end - c->sent_bytes};
        c->sent_bytes = end;
    }
    return !has_cut;
}

static void on_sent(struct io_op *op);

/* Drops what needs no sending from the front; the first request that is finished, NULL when it must
 * be waited for. */
static struct request *first_ready(struct connection *c) {
    while (!list_is_empty(&c->requests)) {
        struct request *rq = CONTAINER_OF(c->requests.next, struct request, link);
        if (rq->state != REQUEST_DONE) return NULL;
        if (!rq->no_answer) return rq;
        bool close_after = rq->close_after;
        connection_forget(c, rq);
        if (close_after) {
            connection_close(c);
            return NULL;
        }
    }
    return NULL;
}

/* Starts the next send; true when one is under way or finished inline (then its result is in
 * send_op). */
static bool send_some(struct connection *c, bool *ret_finished) {
    struct request *rq = first_ready(c);
    if (rq == NULL || c->is_closing) return false;
    int iov_count = 0;
    bool whole = true;
    c->send_count = 0;
    struct list *node = &rq->link;
    while (node != &c->requests && iov_count < CONNECTION_IOVECS) {
        rq = CONTAINER_OF(node, struct request, link);
        if (rq->state != REQUEST_DONE || rq->no_answer) break;
        whole = gather(c, rq, &iov_count);
        if (!whole) break;
        c->send_count++;
        c->cut_index = 0;
        c->sent_bytes = 0;
        node = node->next;
        if (rq->close_after) break;
    }
    c->is_sending = true;
    if (iov_count > 0) {
        *ret_finished = io_send(c->shard->io, &c->send_op, c->fd, c->iov, iov_count);
        return true;
    }
    if (c->send_count > 0) { /* an answer that ended with its last file range */
        c->send_op.result = 0;
        *ret_finished = true;
        return true;
    }
    const struct codec_cut *cut = &rq->cuts.cuts[c->cut_index++];
    const struct file_range *range = cut->external;
    *ret_finished =
        io_send_file(c->shard->io, &c->send_op, c->fd, range->file, range->position, range->bytes);
    return true;
}

/* Takes the result of a send; false when the connection is over. */
static bool take_sent(struct connection *c) {
    c->is_sending = false;
    if (c->send_op.result < 0 || c->is_closing) {
        if (c->is_closing) {
            LIST_EACH(&c->requests, node) {
                struct request *rq = CONTAINER_OF(node, struct request, link);
                if (rq->state != REQUEST_RUNNING) connection_forget(c, rq);
            }
        } else {
            if (!is_peers_end(c->send_op.result))
                tell_broken(c->shard, &c->peer, "an answer cannot be sent", c->send_op.result);
            connection_close(c);
        }
        io_later(c->shard->io, &c->flush);
        return false;
    }
    metrics_add(&c->shard->metrics, METRIC_BYTES_OUT, (uint64_t)c->send_op.result);
    touch(c);
    for (; c->send_count > 0; c->send_count--) {
        struct request *rq = CONTAINER_OF(c->requests.next, struct request, link);
        bool close_after = rq->close_after;
        uint64_t shards = rq->shards;
        connection_forget(c, rq);
        move_note(c, shards);
        if (close_after) {
            connection_close(c);
            return false;
        }
    }
    return true;
}

static void send_all(struct connection *c) {
    bool finished = false;
    while (!c->is_sending && send_some(c, &finished)) {
        if (!finished) return;
        if (!take_sent(c)) return;
    }
    if (!c->is_closing) proceed(c);
    if (!c->is_closing) move_consider(c);
}

static void on_sent(struct io_op *op) {
    struct connection *c = CONTAINER_OF(op, struct connection, send_op);
    if (take_sent(c)) send_all(c);
}

static void on_flush(struct io_later *later) {
    struct connection *c = CONTAINER_OF(later, struct connection, flush);
    if (c->is_closing) {
        free_if_gone(c);
    } else if (!c->is_sending) {
        send_all(c);
    }
}

void connection_request_done(struct connection *c, struct request *rq) {
    if (c->is_closing && !c->is_sending) connection_forget(c, rq);
    io_later(c->shard->io, &c->flush);
}

/* --- requests --- */

/* Frames whose first octets say Produce may overlap; the header is read again when the request
 * starts. */
static bool may_overlap(const struct request *rq) {
    if (rq->frame.len < 2) return false;
    const struct served_api *served = served_find((int16_t)get_u16(rq->frame.ptr));
    return served != NULL && served->overlaps;
}

/* Starts every request that may run: the first that is not answered, and Produce after Produce. */
static void start_next(struct connection *c) {
    bool only_overlapping = true;
    bool is_first = true;
    LIST_EACH(&c->requests, node) {
        struct request *rq = CONTAINER_OF(node, struct request, link);
        bool overlaps = may_overlap(rq);
        if (rq->state == REQUEST_QUEUED) {
            if (!is_first && !(only_overlapping && overlaps)) break;
            request_start(rq);
            if (c->is_closing) return;
        }
        only_overlapping = only_overlapping && overlaps;
        is_first = false;
    }
}

bool connection_only_overlaps(const struct connection *c) {
    LIST_EACH(&c->requests, node) {
        if (!may_overlap(CONTAINER_OF(node, struct request, link))) return false;
    }
    return true;
}

bool connection_is_full(const struct connection *c) {
    return c->request_count >= LIMIT_REQUESTS_IN_FLIGHT ||
           c->request_bytes >= CONNECTION_BYTES_MAX || io_timer_is_set(&c->mute) ||
           (c->move.state == MOVE_DRAINING && framing_is_between(&c->in));
}

void connection_add_request(struct connection *c, struct buffer *buffer, struct bytes frame) {
    struct shard *shard = c->shard;
    struct request *rq = pool_get(&shard->requests);
    if (rq == NULL) {
        buffer_put(&shard->buffers, buffer);
        tell_broken(shard, &c->peer, "no memory", -ENOMEM);
        connection_close(c);
        return;
    }
    if (rq->arena.mem == NULL) {
        size_t limit = MAX(shard->mem->limit_bytes / REQUEST_SHARE, (size_t)REQUEST_LEAST_BYTES);
        arena_init(&rq->arena, shard->mem, REQUEST_ARENA_BYTES, limit);
    }
    rq->shard = shard;
    rq->connection = c;
    rq->buffer = buffer;
    rq->frame = frame;
    rq->state = REQUEST_QUEUED;
    list_push_back(&c->requests, &rq->link);
    c->request_count++;
    c->request_bytes += frame.len;
    metrics_add(&shard->metrics, METRIC_BYTES_IN, frame.len + 4);
    touch(c);
}

void connection_refuse_frame(struct connection *c, const char *why, int32_t length) {
    uint32_t swallowed = 0;
    struct shard *shard = c->shard;
    metrics_add(&shard->metrics, METRIC_REQUESTS_REFUSED, 1);
    if (log_limit_pass(&shard->log_bad_frame, shard->io->now.mono_us, &swallowed)) {
        char peer[IO_ADDRESS_TEXT_BYTES];
        io_address_format(&c->peer, peer);
        LOG_WARN("net", "event=frame-refused peer=%s length=%d why=\"%s\" swallowed=%u", peer,
                 length, why, swallowed);
    }
    connection_close(c);
}

static void start_what_may(struct connection *c) {
    start_next(c);
    while (c->in.held != NULL && !c->is_closing && !connection_is_full(c)) {
        framing_take_held(c);
        if (!c->is_closing) start_next(c);
    }
}

/* Starts what may start, takes what was held back, and reads on or stops to. */
static void proceed(struct connection *c) {
    ASSERT(!move_has_begun(&c->move));
    start_what_may(c);
    if (c->receive_ended) { /* part() */
        if (c->request_count == 0 && c->in.held == NULL) connection_close(c);
        return;
    }
    if (c->is_closing || connection_is_full(c) == c->is_paused) return;
    c->is_paused = !c->is_paused;
    if (c->is_paused) {
        io_recv_pause(c->shard->io, &c->receiver);
    } else {
        io_recv_resume(c->shard->io, &c->receiver);
    }
}

static void unmute(struct io_timer *timer) {
    struct connection *c = CONTAINER_OF(timer, struct connection, mute);
    proceed(c);
    if (!c->is_closing) move_consider(c);
}

void connection_mute(struct connection *c, uint32_t for_ms) {
    if (c->is_closing) return;
    c->mute.fire = unmute;
    io_timer_set(c->shard->io, &c->mute, c->shard->io->now.mono_us + (uint64_t)for_ms * 1000);
}

static void on_data(struct io_receiver *receiver, const uint8_t *data, size_t len) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    note_received(c, len);
    framing_take(c, data, len);
    if (c->is_closing || move_has_begun(&c->move)) return; /* the new shard takes what is held */
    framing_receive_directly(c);
    proceed(c);
}

static void on_direct(struct io_receiver *receiver) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    note_received(c, c->in.direct_bytes);
    framing_arrived(c);
    if (c->is_closing) return;
    framing_receive_directly(c);
    proceed(c);
}

/* The peer has ended its side behind Produces that are held back: they are done first, as in Kafka,
 * which notices an end when it has read up to there. It may not wait for answers (acks=0). */
static void part(struct connection *c) {
    c->move.state = MOVE_NOT;
    proceed(c);
}

static void on_end(struct io_receiver *receiver, int64_t result) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    if (c->move.state == MOVE_DETACHING && !c->is_closing && result == -ECANCELED) {
        move_go(c);
        return;
    }
    c->receive_ended = true; /* the peer went, or we stopped: either way the connection is over */
    if (!c->is_closing && result == 0 && c->in.held != NULL && connection_only_overlaps(c)) {
        part(c);
        return;
    }
    if (!c->is_closing && !is_peers_end(result))
        tell_broken(c->shard, &c->peer, "nothing can be received", result);
    connection_close(c);
    io_later(c->shard->io, &c->flush);
}

static struct connection *connection_new(struct shard *shard, int fd, const struct io_address *peer,
                                         uint32_t listener_index, struct admitted *place) {
    struct connection *c = pool_get(&shard->connections);
    if (c == NULL) return NULL;
    *c = (struct connection){
        .shard = shard,
        .fd = fd,
        .peer = *peer,
        .place = place,
        .listener_index = listener_index,
        .receiver = {.on_data = on_data, .on_direct = on_direct, .on_end = on_end},
        .send_op = {.done = on_sent},
        .close_op = {.done = on_closed},
        .flush = {.run = on_flush},
    };
    framing_init(&c->in, shard->broker->setup.frame_direct_bytes);
    list_init(&c->requests);
    list_push_back(&shard->connection_list, &c->link);
    c->active_us = shard->io->now.mono_us;
    shard->connection_count++;
    metrics_set(&shard->metrics, METRIC_CONNECTIONS, (int64_t)shard->connection_count);
    return c;
}

void connection_open(struct shard *shard, int fd, const struct io_address *peer,
                     uint32_t listener_index, struct admitted *place) {
    struct connection *c = connection_new(shard, fd, peer, listener_index, place);
    if (c == NULL) {
        tell_broken(shard, peer, "no memory", -ENOMEM);
        admission_leave(place);
        (void)io_close(shard->io, NULL, fd); /* nobody waits */
        return;
    }
    uint32_t move_after = shard->broker->setup.move_after;
    move_init(c, move_after > 0 ? move_after : MOVE_AFTER);
    metrics_add(&shard->metrics, METRIC_CONNECTIONS_OPENED, 1);
    io_recv_start(shard->io, &c->receiver, fd);
}

bool connection_take_over(struct shard *shard, const struct connection *from) {
    struct framing in;
    framing_init(&in, shard->broker->setup.frame_direct_bytes);
    if (!framing_take_over(&in, &shard->buffers, &from->in)) return false;
    struct admitted *place = admission_take_over(shard, from->place);
    struct connection *c =
        connection_new(shard, from->fd, &from->peer, from->listener_index, place);
    if (c == NULL) {
        buffer_put(&shard->buffers, in.held);
        admission_forget(shard, place);
        return false;
    }
    move_init(c, MIN(from->move.wanted * 2, MOVE_AFTER_MAX));
    c->in = in;
    connection_go_on(c);
    return true;
}

void connection_given_away(struct connection *c) {
    admission_forget(c->shard, c->place);
    connection_free(c);
}

void connection_go_on(struct connection *c) {
    io_recv_start(c->shard->io, &c->receiver, c->fd);
    if (c->wants_close) {
        connection_close(c);
    } else {
        proceed(c);
    }
}
