/* broker/net/listener.h - where connections come from. Every shard listens on every client listener
 * (SO_REUSEPORT), so the kernel spreads connections over the shards. Limits on connections act
 * here. */
#pragma once
#include "broker/shard/shard.h"

struct listening {
    struct list link; /* in shard->listening */
    struct shard *shard;
    struct io_acceptor acceptor;
    uint32_t index; /* of the listener in the configuration */
    int fd;
    bool is_accepting;
};

/** Turns the client listeners' hosts into broker->addresses. On shard 0. */
MUST_CHECK enum status listeners_resolve(struct job *job, struct broker *broker,
                                         struct str *ret_message);
/** Binds every client listener of the configuration on this shard; who connects waits until
 * listeners_accept. `ports`: what to bind; a 0 is replaced by the port that was given, so that the
 * next shard binds the same. ST_* with *ret_message (arena) naming the listener. */
MUST_CHECK enum status listeners_open(struct shard *shard, uint16_t *ports, struct arena *arena,
                                      struct str *ret_message);
/** Serves those who connect: once everything is there that requests need. */
void listeners_accept(struct shard *shard);
/** No more connections; nothing of a listener is left afterwards. */
void listeners_close(struct job *job, struct shard *shard);
/** Closes what was idle for connections.max.idle.ms, from now on. */
void listeners_watch_idle(struct shard *shard);
