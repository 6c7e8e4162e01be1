/* broker/net/admission.h - who may connect: max.connections, max.connections.per.ip and its
 * overrides. Shard 0 counts the connections of all shards, so that a limit is exact whichever
 * shards the kernel gives them to: a new connection visits it before it is opened, and once more
 * when it is gone. Owner: shard 0.
 * Source: kafka.network.ConnectionQuotas; a connection above max.connections is closed here, Kafka
 * lets it wait in the backlog. */
#pragma once
#include "broker/config/settings.h"
#include "broker/shard/shard.h"

struct admission;
struct admitted; /* one connection's place, in its shard's memory */

/** On shard 0. */
struct admission *admission_new(struct shard *shard);
/** NULL is allowed; every connection has gone. */
void admission_free(struct admission *admission);
/** New limits; connections that are there stay. On shard 0. */
void admission_settle(struct admission *admission, const struct broker_settings *settings);

/** A connection was accepted: opens it (connection_open) when it may be, else closes it. */
void admission_ask(struct shard *shard, int fd, const struct io_address *peer,
                   uint32_t listener_index);
/** The connection is gone. On its shard; taken. */
void admission_leave(struct admitted *place);
/** The place of a connection that came from another shard, as one of this shard's. */
struct admitted *admission_take_over(struct shard *shard, const struct admitted *from);
/** Another shard has taken the place over, or gives it up again: nothing is counted. On its shard;
 * taken. */
void admission_forget(struct shard *shard, struct admitted *place);
