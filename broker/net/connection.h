/* broker/net/connection.h - one client connection: octets in, frames, requests in order, answers in
 * order. Owner: the shard that accepted it, until it moves to another (broker/net/move.h).
 *
 * Requests: a frame is a 4-octet length and that many octets. Produce requests overlap (their
 * appends happen in order of arrival), everything else starts when the one before is answered. At
 * most LIMIT_REQUESTS_IN_FLIGHT requests and CONNECTION_BYTES_MAX octets wait or run; then reading
 * stops until answers have left (broker/net/framing.h). A peer that ends its side behind Produces
 * that are held back has them done first. A length below zero or above socket.request.max.bytes, or
 * a header that cannot be read, closes the connection. Whenever this side ends one there is a count
 * and, unless it was idle, a rate-limited line. */
#pragma once
#include "broker/net/admission.h"
#include "broker/net/framing.h"
#include "broker/net/move.h"
#include "broker/net/request.h"

#define CONNECTION_BYTES_MAX (8u << 20) /* of frames waiting or running, before reading stops */
#define CONNECTION_IOVECS 64

struct connection {
    struct list link; /* in shard->connection_list */
    struct shard *shard;
    int fd;
    struct io_address peer;
    struct admitted *place;  /* taken */
    uint32_t listener_index; /* which listener it came in by: its advertised address is answered */
    struct io_receiver receiver;
    struct io_op send_op, close_op;
    struct io_later flush;
    struct io_timer mute; /* set: nothing is read */
    uint64_t active_us;  /* when a request or a good part of one came, or an answer left */
    size_t untold_bytes; /* that came since and were too few to count */
    struct framing in;
    /* requests in order of arrival */
    struct list requests;
    uint32_t request_count;
    uint64_t request_bytes;
    /* the answers on their way out */
    struct iovec iov[CONNECTION_IOVECS];
    struct request *
        sending; /* the request whose answer is being sent piece by piece, or the last of a batch */
    uint32_t cut_index;  /* next cut of `sending` */
    size_t sent_bytes;   /* of sending->answer before that cut */
    uint32_t send_count; /* requests that the send under way completes */
    struct move move;
    bool is_sending, is_paused, receive_ended, is_closing;
    bool wants_close; /* once it is home from a move that failed */
};

/** Takes the descriptor and the place among the connections. */
void connection_open(struct shard *shard, int fd, const struct io_address *peer,
                     uint32_t listener_index, struct admitted *place);
/** Ends it: nothing more is read or started; what runs finishes without an answer. */
void connection_close(struct connection *connection);
/** The request is DONE (or abandoned); sends what is next in order. */
void connection_request_done(struct connection *connection, struct request *rq);
/** On another shard, while `from` is away from its own: a connection of this one goes on where that
 * stopped. false: it cannot. */
bool connection_take_over(struct shard *shard, const struct connection *from);
/** Another shard has it: forgets it. */
void connection_given_away(struct connection *connection);
/** Home again: receives on, or closes. */
void connection_go_on(struct connection *connection);
/** Nothing more is read for so long, as Kafka mutes who is over a quota. */
void connection_mute(struct connection *connection, uint32_t for_ms);
/** A frame is whole and becomes a request. The buffer it lies in is taken. */
void connection_add_request(struct connection *connection, struct buffer *buffer,
                            struct bytes frame);
/** Whether all its requests are such as may be under way together (Produce). */
bool connection_only_overlaps(const struct connection *connection);
/** Whether it takes no further request, having as many as it may or being about to move. */
bool connection_is_full(const struct connection *connection);
/** A count, a rate-limited line, and the end of the connection. */
void connection_refuse_frame(struct connection *connection, const char *why, int32_t length);
/** Takes a request out of its connection, its answer sent or dropped. */
void connection_forget(struct connection *connection, struct request *rq);
