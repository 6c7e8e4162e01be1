/* broker/handlers/groups.h - what the handlers of groups share. */
#pragma once
#include "broker/group/service.h"
#include "controller/controller.h"
#include "protocol/errors.h"

/* Bits of AclOperation that everybody has where nothing authorizes: read, delete, describe, and of
 * configs both. */
#define GROUP_OPERATIONS 3400

/** Answers with what the call left in rq->out. */
void group_respond(struct group_call *call);
/** A request that is one call: makes it and sends it to the group's coordinator. */
void group_ask(struct request *rq, enum group_call_kind kind, const void *in, void *response,
               struct str group_id, void (*done)(struct group_call *call));
/** As InetAddress prints it: "/127.0.0.1". Arena of the request. */
struct str request_client_host(struct request *rq);
