/* broker/broker.h - a whole broker on the seam: what main.c runs over io_uring and tests/sim runs
 * under virtual time. It is given one `struct io` per shard, each turning on its own thread (or all
 * on one, in simulation), and starts, serves and stops without a thread, socket or clock of its
 * own. */
#pragma once
#include "base/io.h"
#include "broker/config/config.h"
#include "broker/config/listeners.h"

struct broker;

struct broker_setup {
    const struct config_set *config; /* borrowed for the broker's life, as are all below */
    const struct listeners *listeners;
    struct io **ios; /* ios[0] is the shard that broker_start is called on */
    uint32_t io_count;
    uint64_t descriptor_limit; /* of the process; 0: not known */
    /** Once, on shard 0. ST_OK: every listener is open and everything is served. Otherwise the
     * reason is one line that names what is wrong, nothing is running, and broker_free may be
     * called. */
    void (*on_started)(void *owner, enum status st, struct str message);
    /** Once, on shard 0, after broker_stop or after a failure that leaves nothing to serve (ST_IO):
     * every log is closed. status says whether the stop was clean. */
    void (*on_stopped)(void *owner, enum status st);
    void *owner;
    /* For tests: a group coordinator that is loaded again by this process must be what it was. */
    bool verify_groups;
    /** For tests: a coordinator is about to be loaded; it answers that it loads, and heartbeats of
     * classic members as if all was well, like Kafka's. On any shard; NULL: nobody asks. */
    void (*on_group_loading)(void *owner, int32_t partition);
    /** For tests: a coordinator was loaded from its partition's log up to `end`, and is this (see
     * coordinator_dump). On any shard; NULL: nobody asks. */
    void (*on_group_loaded)(void *owner, int32_t partition, int64_t end, struct str dump);
    uint32_t move_after; /* points before a connection moves (broker/net/move.h); 0: MOVE_AFTER */
    /* Batches beyond it are walked by workers; 0: where it pays (broker/handlers/batch_work.h). A
     * simulation sets it low. */
    uint32_t long_batch_bytes;
    /* Frames of which so much is missing are received directly; 0: FRAME_DIRECT_BYTES
     * (broker/net/framing.h). A simulation sets it low. */
    uint32_t frame_direct_bytes;
    uint32_t room_from; /* of log directories (log/ahead.h); 0: ROOM_FROM_BYTES */
    uint32_t removal_step_bytes; /* likewise (log/removal.h); 0: REMOVAL_STEP_BYTES */
    /* A frame from which on a request is large (broker/net/request.h); 0: its own bound. A
     * simulation sets it low. */
    uint32_t large_frame_bytes;
};

/** On shard 0. Formats (klamm.auto.format), recovers, leads the metadata log, registers, opens the
 * listeners. */
struct broker *broker_start(const struct broker_setup *setup);
/** On shard 0, at any time; a start under way is finished first. Closes the connections, writes
 * what a clean start needs, closes the logs. */
void broker_stop(struct broker *broker);
/** On shard 0: everything is served; not while starting and stopping. */
bool broker_is_ready(const struct broker *broker);
/** After on_stopped or a failed on_started, not from within them; when no io turns any more, or all
 * on this thread. */
void broker_free(struct broker *broker);
/** The port that a client listener is bound to (for listeners on port 0). */
uint16_t broker_port(const struct broker *broker, uint32_t listener_index);
