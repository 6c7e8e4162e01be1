/* broker/handlers/groups.c - a request to its coordinator and back. */
#include "broker/handlers/groups.h"
#include "broker/net/connection.h"

void group_respond(struct group_call *call) { request_respond(call->rq); }

void group_ask(struct request *rq, enum group_call_kind kind, const void *in, void *response,
               struct str group_id, void (*done)(struct group_call *call)) {
    struct group_call *call = group_call_new(rq, kind, in, response, done);
    if (call == NULL) {
        request_abandon(rq, true);
    } else {
        group_call_go(call, group_id);
    }
}

struct str request_client_host(struct request *rq) {
    char text[IO_ADDRESS_TEXT_BYTES];
    io_address_format(&rq->connection->peer, text);
    char *end = strrchr(text, ':');
    if (end != NULL) *end = '\0';
    bool is_bracketed = text[0] == '[';
    if (is_bracketed && end != NULL) end[-1] = '\0';
    return arena_printf(&rq->arena, "/%s", text + is_bracketed);
}
