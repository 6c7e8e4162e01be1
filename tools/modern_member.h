/* tools/modern_member.h - a tool as a member of a group by the consumer protocol (KIP-848), which
 * librdkafka 2.0 does not speak: heartbeats, what the member is given and lets go of, and its
 * commits go through our own client; librdkafka reads what the member has, as assigned by hand. It
 * must not commit by itself then: modern_member_conf sees to it.
 *
 *     modern_member_conf(conf);
 *     modern_member_start(&m, settings, rk);
 *     modern_member_subscribe(&m, names);         again whenever they change
 *     while (...) {
 *         if (modern_member_step(&m) != ST_OK) ...   m.why
 *         read, modern_member_commit(&m, offsets)
 *     }
 *     modern_member_leave(&m);
 *
 * Topics are subscribed to by name. Java's tools do the same with a pattern: the client looks for
 * what fits, for its patterns are not those that brokers know. One thread, that comes by as often
 * as heartbeats are due (5 s, as the broker says). A step waits for its answer. Source: KIP-848;
 * org.apache.kafka.clients.consumer.internals: ConsumerHeartbeatRequestManager,
 * ConsumerMembershipManager. */
#pragma once
#include <librdkafka/rdkafka.h>
#include "tools/admin.h"
#include "tools/settings.h"

struct modern_member {
    /* set before the start; borrowed */
    const char *config_path; /* of the connection's properties; NULL: none */
    bool commits;            /* from time to time, and what it lets go of */
    /** What it was given, or is about to let go of; before anything is done with it. NULL: nobody
     * is told. */
    void (*changed)(void *owner, bool given, const rd_kafka_topic_partition_list_t *list);
    void *owner;
    /* its own */
    const char *bootstrap;
    struct str group_id, instance_id, assignor; /* the last two: ptr NULL is none */
    int32_t rebalance_timeout_ms;
    int64_t commit_ms, committed_ms;
    struct mem *mem;
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *topics; /* subscribed to */
    struct uuid *topic_ids;                  /* of each; zero: not known yet */
    struct admin admin;
    bool is_connected, is_leaving;
    char id[UUID_TEXT_BYTES + 1];
    int32_t epoch; /* 0: it has to join */
    int64_t due_ms;
    bool tells_owned, tells_topics, tells_all; /* with the next heartbeat */
    rd_kafka_topic_partition_list_t *owned;
    char why[CLIENT_MESSAGE_BYTES];
};

/** For the consumer that reads what a member has. */
void modern_member_conf(rd_kafka_conf_t *conf);
/** rk: a consumer; settings: bootstrap.servers, group.id and what else a member has; borrowed. */
void modern_member_start(struct modern_member *m, const struct settings *settings, rd_kafka_t *rk);
/** Only to these topics from now on; names: borrowed, each once. The next step tells. */
void modern_member_subscribe(struct modern_member *m,
                             const rd_kafka_topic_partition_list_t *names);
/** The heartbeat and the commit, when they are due. A status other than ST_OK is final, and m->why
 * says why. */
MUST_CHECK enum status modern_member_step(struct modern_member *m);
/** Commits as the member that it is; the error of the wire. */
int16_t modern_member_commit(struct modern_member *m,
                             const rd_kafka_topic_partition_list_t *offsets);
/** Lets go of everything and leaves: for good, or as a static member for a while. */
void modern_member_leave(struct modern_member *m);
