/* tests/scenarios/groups_stage.h - the group coordinator's stage, for the files of it. */
#pragma once
#include "broker/group/coordinator.h"
#include "tests/scenarios/groups.h"

#define REQUESTS_MAX 512
#define IDS_MAX 64
#define RECORDS_MAX 4096
#define PARTS_MAX 16

/* A record of the log, or the end of a transaction. */
struct record_note {
    struct bytes key, value;
    int64_t producer_id;
    bool is_marker, is_commit;
};

struct request_note {
    struct group_ticket ticket;
    int number;
    bool is_open;
    union {
        struct join_group_request join;
        struct sync_group_request sync;
        struct heartbeat_request beat;
        struct leave_call leave;
        struct commit_call commit;
        struct fetch_call fetch;
        struct delete_call forget;
        struct list_groups_request list;
        struct str id;
        struct consumer_group_heartbeat_request member;
    } in;
    union {
        struct join_group_response join;
        struct sync_group_response sync;
        struct heartbeat_response beat;
        struct leave_group_response leave;
        struct offset_fetch_response_group fetch;
        struct offset_delete_response forget;
        struct list_groups_response list;
        struct describe_groups_response_described_group described;
        struct delete_groups_response_deletable_group_result deleted;
        struct consumer_group_heartbeat_response member;
        struct consumer_group_describe_response_described consumers;
    } out;
    int16_t error;
    struct offset_fetch_response_partitions fetched;
};

struct group_stage {
    struct mem mem;
    struct arena arena; /* of one file */
    struct group_settings settings;
    struct coordinator *core;
    struct image *image;
    struct group_effects fx;
    struct now now;
    struct record_note records[RECORDS_MAX];
    uint32_t record_count;
    struct request_note *requests[REQUESTS_MAX];
    int request_count;
    struct str ids[IDS_MAX];
    uint32_t id_count;
};

/* Words of a line. */
struct str kept_word(struct group_stage *s, const char *line, const char *name);
struct str group_word(struct group_stage *s, const char *line);
/** A member's id for M1, M2 ...; other words as they are, none as "". */
struct str meant_member(const struct group_stage *s, struct str word);
/** M1, M2 ... of a made id. */
const char *shown_member(struct group_stage *s, struct str id);
const char *error_word(int16_t error);
uint32_t word_pairs(struct str text, struct str names[PARTS_MAX], struct str values[PARTS_MAX]);

struct request_note *request_new(struct group_stage *s, enum group_call_kind kind, const char *line,
                                 int16_t version);
void request_send(struct group_stage *s, struct request_note *r, struct answer *a);

/* groups_consumer.c: KIP-848. */
void say_consumer_beat(struct group_stage *s, const struct request_note *r, struct answer *a);
void say_consumer_described(struct group_stage *s, const struct request_note *r, struct answer *a);
/** false: not a record of a consumer group. */
bool say_consumer_record(struct group_stage *s, const struct record_note *r, struct answer *a);
void verb_topic(struct group_stage *s, const char *line, struct answer *a);
void verb_topic_gone(struct group_stage *s, const char *line, struct answer *a);
void verb_setting(struct group_stage *s, const char *line, struct answer *a);
void verb_member(struct group_stage *s, const char *line, struct answer *a);
/** Records of what members own become those of Kafka before 4.3, which has no epochs in them. */
void drop_assignment_epochs(struct group_stage *s);
void verb_describe_consumer(struct group_stage *s, const char *line, struct answer *a);
