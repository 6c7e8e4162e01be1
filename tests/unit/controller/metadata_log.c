/* tests/unit/controller/metadata_log.c - a directory's life: formatted, loaded, led, appended to,
 * closed, killed; our own and one that Apache Kafka wrote. */
#include "controller/metadata_log.h"
#include "controller/metadata/metadata_record.h"
#include "golden.h"
#include "node.h"
#include "protocol/errors.h"
#include "protocol/record_iter.h"
#include <criterion/criterion.h>
#include <stdio.h>

static struct node node;

static void setup(void) { node_init(&node); }
static void teardown(void) { node_release(&node); }
TestSuite(metadata_log, .init = setup, .fini = teardown);

#define LOG_FILE METADATA_PART "00000000000000000000.log"
#define SNAPSHOT "00000000000000000095-0000000003.checkpoint"

static void start(void) {
    enum status st = node_load(&node);
    cr_assert_eq(st, ST_OK, "%s: %.*s", status_name(st), STR_ARG(node.message));
    st = node_lead(&node);
    cr_assert_eq(st, ST_OK, "%s", status_name(st));
}

static void expect_quorum_state(const char *expected) {
    struct bytes state = node_read(&node, METADATA_PART "quorum-state");
    struct str text = {(const char *)state.ptr, state.len};
    cr_expect(str_eq(text, str_of(expected)), "%.*s", STR_ARG(text));
}

Test(metadata_log, a_new_directory_is_led_registered_and_filled) {
    node_format(&node);
    start();
    expect_quorum_state("{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"votedDirectoryId\":"
                        "\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}");
    cr_expect_eq(metadata_log_epoch(node.log), 1);
    cr_expect_eq(metadata_log_end(node.log), 3, "leader change, kraft.version, voters");
    cr_expect_eq(node_register(&node), ST_OK);
    cr_expect_eq(node.image_calls, 1);
    const struct image *image = metadata_log_image(node.log);
    cr_expect_eq(image_feature(image, STR("metadata.version")), 30);
    cr_assert_not_null(image_broker(image, 1));
    cr_expect(!image_broker(image, 1)->fenced);
    cr_expect_eq(node_create(&node, "one", 3), KAFKA_NONE);
    cr_expect_eq(node.delta.topics_changed_count, 1);
    cr_expect_eq(node_create(&node, "two", -1), KAFKA_NONE);
    cr_expect_eq(node_create(&node, "one", 3), KAFKA_TOPIC_ALREADY_EXISTS);
    cr_expect_eq(node_delete(&node, "one"), KAFKA_NONE);
    cr_expect_eq(node.delta.topics_deleted_count, 1);
    cr_expect_eq(node_delete(&node, "one"), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    image = metadata_log_image(node.log);
    cr_expect_null(image_topic_by_name(image, STR("one")));
    cr_expect_eq(image_topic_by_name(image, STR("two"))->partition_count, 1);
    cr_expect_eq(image_offset(image), metadata_log_end(node.log) - 1);
    cr_expect_eq(metadata_log_high_watermark(node.log), metadata_log_end(node.log));
    cr_expect_eq(node_close(&node), ST_OK);
}

Test(metadata_log, comes_back_as_it_was) {
    node_format(&node);
    for (int round = 0; round < 6; round++) {
        start();
        cr_expect_eq(metadata_log_epoch(node.log), round + 1);
        cr_expect_eq(node_register(&node), ST_OK);
        struct str name = arena_printf(&node.arena, "topic-%d", round);
        cr_expect_eq(node_create(&node, name.ptr, 2), KAFKA_NONE);
        const struct image *image = metadata_log_image(node.log);
        cr_expect_eq(image_topic_count(image), (uint32_t)round + 1);
        const struct topic_image *first = image_topic_by_name(image, STR("topic-0"));
        cr_expect_eq(first->partitions[1].leader, 1);
        cr_expect_eq(first->partitions[1].leader_epoch, round, "a new one for each start");
        struct str before = golden_text(image, &node.arena);
        int64_t end = metadata_log_end(node.log);
        if (round % 2 == 0) {
            cr_expect_eq(node_close(&node), ST_OK);
        } else {
            node_kill(&node);
        }
        cr_assert_eq(node_load(&node), ST_OK, "%.*s", STR_ARG(node.message));
        cr_expect_eq(metadata_log_end(node.log), end);
        struct str after = golden_text(metadata_log_image(node.log), &node.arena);
        cr_expect(str_eq(before, after), "round %d:\n%s\n---\n%s", round, before.ptr, after.ptr);
        node_kill(&node);
    }
}

Test(metadata_log, a_torn_tail_is_cut) {
    node_format(&node);
    start();
    cr_expect_eq(node_register(&node), ST_OK);
    cr_expect_eq(node_create(&node, "kept", 1), KAFKA_NONE);
    size_t kept = node_read(&node, LOG_FILE).len;
    cr_expect_eq(node_create(&node, "torn", 1), KAFKA_NONE);
    node_kill(&node);
    struct bytes whole = node_read(&node, LOG_FILE);
    for (size_t len = kept; len < whole.len; len += 7) {
        node_write(&node, LOG_FILE, whole.ptr, len);
        start();
        const struct image *image = metadata_log_image(node.log);
        cr_expect_not_null(image_topic_by_name(image, STR("kept")), "cut at %zu", len);
        cr_expect_null(image_topic_by_name(image, STR("torn")), "cut at %zu", len);
        node_kill(&node);
    }
}

Test(metadata_log, opens_what_kafka_wrote) {
    node_take_golden(&node, NULL);
    cr_assert_eq(node_load(&node), ST_OK, "%.*s", STR_ARG(node.message));
    const struct image *image = metadata_log_image(node.log);
    cr_expect_eq(image_topic_count(image), 3);
    cr_expect_eq(image_topic_by_name(image, STR("beta"))->partition_count, 4);
    int64_t end = metadata_log_end(node.log);
    int32_t epoch = image_topic_by_name(image, STR("beta"))->partitions[0].leader_epoch;
    cr_assert_eq(node_lead(&node), ST_OK);
    cr_expect_eq(metadata_log_epoch(node.log), 4);
    cr_expect_eq(metadata_log_end(node.log), end + 1, "the leader change alone");
    expect_quorum_state("{\"leaderId\":1,\"leaderEpoch\":4,\"votedId\":-1,\"votedDirectoryId\":"
                        "\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}");
    cr_expect_eq(node_register(&node), ST_OK);
    image = metadata_log_image(node.log);
    const struct partition_image *partition =
        &image_topic_by_name(image, STR("beta"))->partitions[0];
    cr_expect_eq(partition->leader, 1);
    cr_expect_eq(partition->leader_epoch, epoch + 1);
    cr_expect_eq(image_broker(image, 1)->epoch, end + 2);
    cr_expect_eq(node_create(&node, "ours", 1), KAFKA_NONE);
    cr_expect_eq(node_close(&node), ST_OK);
}

Test(metadata_log, the_log_alone_gives_what_the_snapshot_and_the_rest_give) {
    node_take_golden(&node, NULL);
    cr_assert_eq(node_load(&node), ST_OK, "%.*s", STR_ARG(node.message));
    struct str with = golden_text(metadata_log_image(node.log), &node.arena);
    node_kill(&node);
    struct node other;
    node_init(&other);
    node_take_golden(&other, SNAPSHOT);
    cr_assert_eq(node_load(&other), ST_OK, "%.*s", STR_ARG(other.message));
    struct str without = golden_text(metadata_log_image(other.log), &other.arena);
    cr_expect_gt(with.len, without.len, "Kafka's snapshot keeps settings of a deleted topic");
    for (struct str rest = without; rest.len > 0;) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = (size_t)(end - rest.ptr) + 1;
        cr_expect_not_null(memmem(with.ptr, with.len, rest.ptr, len), "%.*s", (int)len, rest.ptr);
        rest = (struct str){rest.ptr + len, rest.len - len};
    }
    node_release(&other);
}

Test(metadata_log, a_damaged_snapshot_is_passed_over) {
    node_take_golden(&node, NULL);
    struct bytes good = node_read(&node, METADATA_PART SNAPSHOT);
    uint8_t *bad = arena_alloc(&node.arena, good.len);
    static const struct {
        const char *name;
        size_t flip, len; /* flip at, keep len octets; 0: all */
    } rows[] = {{"flipped", 700, 0}, {"cut", 0, 1000}, {"no footer", 0, 1909}, {"empty", 0, 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        memcpy(bad, good.ptr, good.len);
        if (rows[i].flip > 0) bad[rows[i].flip] ^= 1;
        node_write(&node, METADATA_PART SNAPSHOT, bad, rows[i].len > 0 ? rows[i].len : good.len);
        cr_expect_eq(node_load(&node), ST_OK, "%s: %.*s", rows[i].name, STR_ARG(node.message));
        if (node.log == NULL) continue;
        cr_expect_eq(image_topic_count(metadata_log_image(node.log)), 3, "%s", rows[i].name);
        cr_expect_null(image_config(metadata_log_image(node.log), CONFIG_TOPIC, STR("alpha")),
                       "%s: from the log alone", rows[i].name);
        node_kill(&node);
    }
}

Test(metadata_log, damage_within_the_log_is_refused_not_skipped) {
    node_take_golden(&node, SNAPSHOT);
    struct bytes log = node_read(&node, LOG_FILE);
    uint8_t *bad = (uint8_t *)(uintptr_t)arena_bytes(&node.arena, log).ptr;
    uint8_t *at = memmem(bad, log.len, "delta.x", 7);
    cr_assert_not_null(at);
    *at ^= 1;
    node_write(&node, LOG_FILE, bad, log.len);
    cr_expect_eq(node_load(&node), ST_CORRUPT);
    cr_assert_not_null(node.message.ptr);
    cr_expect_not_null(strstr(node.message.ptr, METADATA_PART), "%.*s", STR_ARG(node.message));
    cr_expect_not_null(strstr(node.message.ptr, "offset 34: corrupt"), "%.*s",
                       STR_ARG(node.message));
    struct bytes after = node_read(&node, LOG_FILE);
    cr_expect(bytes_eq(after, (struct bytes){bad, log.len}), "not an octet was cut");
}

Test(metadata_log, refuses_what_is_not_its_own) {
    static const struct {
        const char *name;
        int32_t node_id;
        const char *directory;
        const char *file, *text;
        enum status want;
        const char *message;
    } rows[] = {
        {"another node", 2, "5yHYEIApTu2gaB8QIlLY-w", NULL, NULL, ST_INVALID, "the only voter is"},
        {"another directory", 1, "62XwnwizQH-qqQhDyegzBQ", NULL, NULL, ST_INVALID,
         "the only voter is node 1 with directory id 5yHYEIApTu2gaB8QIlLY-w"},
        {"quorum-state is none", 1, "5yHYEIApTu2gaB8QIlLY-w", METADATA_PART "quorum-state", "{",
         ST_CORRUPT, "__cluster_metadata-0/quorum-state: no JSON"},
        {"quorum-state nests", 1, "5yHYEIApTu2gaB8QIlLY-w", METADATA_PART "quorum-state",
         "[[[[[[[[[[[[[[[[", ST_CORRUPT, "nested too deeply"},
        {"a later quorum-state", 1, "5yHYEIApTu2gaB8QIlLY-w", METADATA_PART "quorum-state",
         "{\"data_version\":2}", ST_UNSUPPORTED, "data_version 2"},
    };
    node_take_golden(&node, NULL);
    struct bytes state = node_read(&node, METADATA_PART "quorum-state");
    for (size_t i = 0; i < COUNT(rows); i++) {
        node.open.node_id = rows[i].node_id;
        cr_assert(uuid_parse(str_of(rows[i].directory), &node.open.directory_id));
        node_write(&node, METADATA_PART "quorum-state", state.ptr, state.len);
        if (rows[i].file != NULL)
            node_write(&node, rows[i].file, rows[i].text, strlen(rows[i].text));
        enum status st = node_load(&node);
        cr_expect_eq(st, rows[i].want, "%s: got %s", rows[i].name, status_name(st));
        cr_expect_not_null(strstr(node.message.ptr, rows[i].message), "%s: says %.*s", rows[i].name,
                           STR_ARG(node.message));
        cr_expect_not_null(strstr(node.message.ptr, node.path), "%s: names no file", rows[i].name);
    }
}

Test(metadata_log, without_a_voter_set_a_key_must_name_this_node) {
    node_format(&node);
    struct str path = arena_printf(
        &node.arena, "%s/" METADATA_PART "00000000000000000000-0000000000.checkpoint", node.path);
    cr_assert_eq(remove(path.ptr), 0);
    cr_expect_eq(node_load(&node), ST_INVALID);
    cr_expect_not_null(strstr(node.message.ptr, "no voter"), "%.*s", STR_ARG(node.message));
    node.open.is_static_voter = true;
    start();
    expect_quorum_state("{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,"
                        "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1}],"
                        "\"data_version\":0}");
    cr_expect_eq(metadata_log_end(node.log), 1, "the leader change alone");
    node_kill(&node);
    node.open.is_static_voter = false;
    start();
    cr_expect_eq(metadata_log_epoch(node.log), 2, "quorum-state names the voters");
}

/* Records of one kind, in the order of the calls. */
static struct controller_records records_of(const struct schema *const *schemas,
                                            const void *const *messages, uint32_t count) {
    struct controller_records records;
    controller_records_init(&records, &node.arena);
    struct bytes *values = arena_array(&node.arena, count, sizeof *values);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(metadata_record_encode(schemas[i], 0, messages[i], &node.arena, &values[i]),
                     ST_OK);
    }
    records.values = values;
    records.count = count;
    return records;
}

Test(metadata_log, an_unfinished_transaction_never_happened) {
    node_format(&node);
    start();
    cr_expect_eq(node_register(&node), ST_OK);
    struct begin_transaction_record begin;
    begin_transaction_record_defaults(&begin);
    struct topic_record topic;
    topic_record_defaults(&topic);
    topic.name = STR("half");
    topic.topic_id = (struct uuid){{9}};
    struct producer_ids_record ids;
    producer_ids_record_defaults(&ids);
    ids.next_producer_id = 5000;
    const struct schema *schemas[] = {&producer_ids_record_schema, &begin_transaction_record_schema,
                                      &topic_record_schema};
    const void *messages[] = {&ids, &begin, &topic};
    struct controller_records records = records_of(schemas, messages, 3);
    cr_expect_eq(node_append(&node, &records), ST_OK);
    cr_expect_null(image_topic_by_name(metadata_log_image(node.log), STR("half")));
    cr_expect_eq(image_next_producer_id(metadata_log_image(node.log)), 5000,
                 "what stands before the transaction counts");
    node_kill(&node);
    start();
    cr_expect_null(image_topic_by_name(metadata_log_image(node.log), STR("half")));
    cr_expect_eq(image_next_producer_id(metadata_log_image(node.log)), 5000);
    cr_expect_eq(node_register(&node), ST_OK, "the new leader has aborted it");
    cr_expect_eq(node_create(&node, "half", 1), KAFKA_NONE);
    node_kill(&node);
    start();
    cr_expect_eq(image_topic_count(metadata_log_image(node.log)), 1);
}

Test(metadata_log, a_transaction_over_batches_happens_at_its_end) {
    node_format(&node);
    start();
    cr_expect_eq(node_register(&node), ST_OK);
    struct begin_transaction_record begin;
    struct end_transaction_record end;
    struct topic_record topic;
    begin_transaction_record_defaults(&begin);
    end_transaction_record_defaults(&end);
    topic_record_defaults(&topic);
    topic.name = STR("whole");
    topic.topic_id = (struct uuid){{9}};
    const struct schema *schemas[] = {&begin_transaction_record_schema, &topic_record_schema,
                                      &end_transaction_record_schema};
    const void *messages[] = {&begin, &topic, &end};
    struct controller_records all = records_of(schemas, messages, 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct controller_records one = {.values = &all.values[i], .count = 1};
        cr_expect_null(image_topic_by_name(metadata_log_image(node.log), STR("whole")), "%u", i);
        cr_expect_eq(node_append(&node, &one), ST_OK);
    }
    cr_expect_not_null(image_topic_by_name(metadata_log_image(node.log), STR("whole")));
    node_kill(&node);
    start();
    cr_expect_not_null(image_topic_by_name(metadata_log_image(node.log), STR("whole")));
}

/* --- a failing disk --- */

static int fail_log_writes(struct plain_io *plain, const struct plain_call *call) {
    enum plain_kind kind = *(enum plain_kind *)plain->fault_context;
    return call->kind == kind ? -5 : 0; /* EIO */
}

Test(metadata_log, nothing_is_committed_once_the_disk_failed) {
    static enum plain_kind kinds[] = {PLAIN_WRITE, PLAIN_SYNC};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct node failing;
        node_init(&failing);
        node_format(&failing);
        cr_assert_eq(node_load(&failing), ST_OK);
        cr_assert_eq(node_lead(&failing), ST_OK);
        cr_assert_eq(node_register(&failing), ST_OK);
        struct str before = golden_text(metadata_log_image(failing.log), &failing.arena);
        failing.plain.fault = fail_log_writes;
        failing.plain.fault_context = &kinds[i];
        struct producer_ids_record ids;
        producer_ids_record_defaults(&ids);
        ids.next_producer_id = 5000;
        struct bytes value;
        cr_assert_eq(
            metadata_record_encode(&producer_ids_record_schema, 0, &ids, &failing.arena, &value),
            ST_OK);
        struct controller_records records = {.values = &value, .count = 1};
        cr_expect_eq(node_append(&failing, &records), ST_IO, "kind %d", kinds[i]);
        cr_expect_eq(failing.failure_calls, 1, "said once; kind %d", kinds[i]);
        failing.plain.fault = NULL;
        cr_expect_eq(node_append(&failing, &records), ST_IO, "and it stays so; kind %d", kinds[i]);
        struct str after = golden_text(metadata_log_image(failing.log), &failing.arena);
        cr_expect(str_eq(before, after));
        node_release(&failing);
    }
}

Test(metadata_log, a_vote_that_cannot_be_written_is_no_leadership) {
    static enum plain_kind kinds[] = {PLAIN_WRITE, PLAIN_SYNC, PLAIN_RENAME, PLAIN_DIR_SYNC};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct node failing;
        node_init(&failing);
        node_format(&failing);
        cr_assert_eq(node_load(&failing), ST_OK);
        failing.plain.fault = fail_log_writes;
        failing.plain.fault_context = &kinds[i];
        cr_expect_neq(node_lead(&failing), ST_OK, "kind %d", kinds[i]);
        cr_expect_eq(metadata_log_end(failing.log), 0, "kind %d", kinds[i]);
        failing.plain.fault = NULL;
        node_release(&failing);
    }
}
