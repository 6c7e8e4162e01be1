/* tests/unit/protocol/codec_value.c - defaults and equality. */
#include <criterion/criterion.h>
#include "codec_random.h"
#include "protocol/codec_field.h"

static _Alignas(16) uint8_t a[4096];

Test(codec_value, defaults_leave_nothing_of_what_was_there) {
    for (size_t i = 0; i < schemas_count; i++) {
        const struct layout *layout = schemas_all[i]->layout;
        memset(a, 0xff, sizeof a);
        codec_defaults(schemas_all[i], a);
        for (unsigned k = 0; k < layout->field_count; k++) {
            const struct field *field = &layout->fields[k];
            cr_expect(field_is_default(field, a + field->offset), "%s.%s", schemas_all[i]->name,
                      field->name);
        }
        cr_expect_eq(layout_unknown_count(layout, a), 0, "%s", schemas_all[i]->name);
        cr_expect_eq(a[layout->bytes], 0xff, "%s: written beyond its end", schemas_all[i]->name);
    }
}

Test(codec_value, defaults_are_those_of_the_schema) {
    struct fetch_request fetch;
    fetch_request_defaults(&fetch);
    cr_expect_null(fetch.cluster_id.ptr);
    cr_expect_eq(fetch.replica_id, -1);
    cr_expect_eq(fetch.replica_state.replica_epoch, -1);
    cr_expect_eq(fetch.max_bytes, INT32_MAX);
    cr_expect_eq(fetch.topics_count, 0);
    cr_expect(fetch.rack_id.ptr != NULL && fetch.rack_id.len == 0);

    struct create_topics_request create;
    create_topics_request_defaults(&create);
    cr_expect_eq(create.timeout_ms, 60000);
    struct register_broker_record broker;
    register_broker_record_defaults(&broker);
    cr_expect(broker.fenced);
    cr_expect_eq(broker.cordoned_log_dirs_count, -1);
    struct metadata_response metadata;
    metadata_response_defaults(&metadata);
    cr_expect_eq(metadata.cluster_authorized_operations, INT32_MIN);
    struct streams_group_heartbeat_request streams;
    streams_group_heartbeat_request_defaults(&streams);
    cr_expect_null(streams.topology);
}

Test(codec_value, a_pointer_without_a_null_default_points_to_defaults) {
    struct consumer_group_member_metadata_value value;
    consumer_group_member_metadata_value_defaults(&value);
    cr_assert_not_null(value.classic_member_metadata);
    cr_expect_eq(value.classic_member_metadata->supported_protocols_count, 0);
}

Test(codec_value, arrays_are_made_of_defaults) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, 4096, 64 * 1024);
    struct fetch_response_partition_data *data = fetch_response_partition_data_array(&arena, 3);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(data[i].log_start_offset, -1);
        cr_expect_eq(data[i].current_leader.leader_epoch, -1);
        cr_expect_eq(data[i].aborted_transactions_count, 0);
    }
    cr_expect_null(fetch_response_partition_data_array(&arena, -1), "a negative count");
    cr_expect_null(fetch_response_partition_data_array(&arena, 1000000), "beyond the arena");
    arena_release(&arena);
}

static void set_group(struct consumer_group_heartbeat_request *r) { r->group_id = STR("other"); }
static void set_null(struct consumer_group_heartbeat_request *r) { r->rack_id = STR(""); }
static void set_number(struct consumer_group_heartbeat_request *r) { r->member_epoch = 9; }
static void set_count(struct consumer_group_heartbeat_request *r) { r->topic_partitions_count = 0; }
static void set_element(struct consumer_group_heartbeat_request *r) {
    static struct str names[] = {STR("a"), STR("c")};
    r->subscribed_topic_names = names;
}
static void set_unknown(struct consumer_group_heartbeat_request *r) {
    static struct tagged_field field = {.tag = 9};
    r->unknown = (struct tagged_fields){&field, 1};
}

Test(codec_value, messages_that_differ_anywhere_are_not_equal) {
    static const struct {
        const char *name;
        void (*change)(struct consumer_group_heartbeat_request *);
    } cases[] = {
        {"a string", set_group},     {"null and empty", set_null},
        {"a number", set_number},    {"null and no elements", set_count},
        {"an element", set_element}, {"unknown", set_unknown},
    };
    struct str names[] = {STR("a"), STR("b")};
    struct consumer_group_heartbeat_request one, two;
    consumer_group_heartbeat_request_defaults(&one);
    one.subscribed_topic_names = names;
    one.subscribed_topic_names_count = 2;
    two = one;
    cr_assert(codec_equal(&consumer_group_heartbeat_request_schema, 1, &one, &two));
    for (size_t i = 0; i < COUNT(cases); i++) {
        two = one;
        cases[i].change(&two);
        cr_expect_not(codec_equal(&consumer_group_heartbeat_request_schema, 1, &one, &two), "%s",
                      cases[i].name);
    }
}

Test(codec_value, fields_that_a_version_lacks_do_not_count) {
    struct init_producer_id_request one, two;
    init_producer_id_request_defaults(&one);
    two = one;
    two.producer_id = 7; /* from 3 on */
    cr_expect(codec_equal(&init_producer_id_request_schema, 2, &one, &two));
    cr_expect_not(codec_equal(&init_producer_id_request_schema, 3, &one, &two));
}
