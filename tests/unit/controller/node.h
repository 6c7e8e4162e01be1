/* tests/unit/controller/node.h - one node's metadata directory over tests/lib/plain_io, formatted
 * or copied from what Apache Kafka left, with the job functions wrapped so that a test reads as
 * straight code. */
#pragma once
#include "controller/controller.h"
#include "controller/metadata_log.h"
#include "tests/lib/plain_io.h"

struct node {
    struct plain_io plain;
    struct arena arena;
    struct log_dir dir;
    char path[64];
    struct metadata_log *log;
    struct metadata_log_open open;
    struct str message; /* of the last load */
    uint32_t image_calls, failure_calls;
    struct image_delta delta; /* of the last image; its arrays are gone */
};

void node_init(struct node *node);
/** Ends without closing the log if it is open. Checks that no memory is out. */
void node_release(struct node *node);
/** As kafka-storage format --standalone. */
void node_format(struct node *node);
/** Puts the files of tests/golden/metadata there, but for `without` (NULL: all). */
void node_take_golden(struct node *node, const char *without);
enum status node_load(struct node *node);
enum status node_lead(struct node *node);
enum status node_close(struct node *node);
/** As a process that was killed. */
void node_kill(struct node *node);

struct controller_context node_context(struct node *node);
/** Registers the broker and waits. */
enum status node_register(struct node *node);
enum status node_append(struct node *node, const struct controller_records *records);
/** CreateTopics with one topic; its error code. */
int16_t node_create(struct node *node, const char *topic, int32_t partitions);
int16_t node_delete(struct node *node, const char *topic);

/** A file below the node's directory; arena. ptr NULL: it is not there. */
struct bytes node_read(struct node *node, const char *name);
void node_write(struct node *node, const char *name, const void *data, size_t len);
#define METADATA_PART "__cluster_metadata-0/"
