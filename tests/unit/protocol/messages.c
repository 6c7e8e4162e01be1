/* tests/unit/protocol/messages.c - the generated tables: keys, versions, error codes. */
#include <criterion/criterion.h>
#include "protocol/errors.h"
#include "protocol/messages.h"

Test(messages, every_schema_is_found_by_type_and_key) {
    for (size_t i = 0; i < schemas_count; i++) {
        const struct schema *schema = schemas_all[i];
        const struct schema *found = schema_find(schema->type, schema->key);
        cr_expect_eq(found, schema->key >= 0 ? schema : NULL, "%s", schema->name);
    }
    cr_expect_eq(schemas_count, 272, "280 of Kafka 4.3.1 without the 8 removed ones");
    cr_expect_null(schema_find(MESSAGE_REQUEST, -1));
    cr_expect_null(schema_find(MESSAGE_REQUEST, API_KEY_COUNT));
    cr_expect_null(schema_find(MESSAGE_TYPE_COUNT, 0));
}

Test(messages, apis_have_the_ranges_that_kafka_advertises) {
    static const struct {
        int16_t key;
        const char *name;
        int16_t min, max;
        unsigned listeners;
    } cases[] = {
        {API_PRODUCE, "Produce", 0, 13, LISTENER_BROKER},
        {API_FETCH, "Fetch", 4, 18, LISTENER_BROKER | LISTENER_CONTROLLER},
        {API_INIT_PRODUCER_ID, "InitProducerId", 0, 5, LISTENER_BROKER}, /* 6 is unstable */
        {API_VOTE, "Vote", 0, 2, LISTENER_CONTROLLER},
        {API_SHARE_FETCH, "ShareFetch", 1, 2, LISTENER_BROKER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct api *api = api_find(cases[i].key);
        cr_assert_not_null(api, "%s", cases[i].name);
        cr_expect_str_eq(api->name, cases[i].name);
        cr_expect_eq(api->min_version, cases[i].min, "%s", cases[i].name);
        cr_expect_eq(api->max_version, cases[i].max, "%s", cases[i].name);
        cr_expect_eq(api->listeners, cases[i].listeners, "%s", cases[i].name);
        cr_expect_eq(api->request->key, cases[i].key, "%s", cases[i].name);
        cr_expect_eq(api->response->key, cases[i].key, "%s", cases[i].name);
    }
}

Test(messages, removed_apis_keep_a_name_and_nothing_else) {
    for (int16_t key = API_LEADER_AND_ISR; key <= API_CONTROLLED_SHUTDOWN; key++) {
        cr_expect_null(api_find(key), "%d", key);
        cr_expect_not_null(apis[key].name, "%d", key);
        cr_expect_lt(apis[key].max_version, apis[key].min_version, "%d", key);
    }
}

Test(messages, error_codes_have_names_and_say_whether_to_retry) {
    cr_expect_str_eq(kafka_error_name(KAFKA_UNKNOWN_SERVER_ERROR), "UNKNOWN_SERVER_ERROR");
    cr_expect_str_eq(kafka_error_name(0), "NONE");
    cr_expect_str_eq(kafka_error_name(6), "NOT_LEADER_OR_FOLLOWER");
    cr_expect_str_eq(kafka_error_name(133), "SHARE_SESSION_LIMIT_REACHED");
    cr_expect_null(kafka_error_name(-2));
    cr_expect_null(kafka_error_name(134));
    cr_expect(kafka_error_retriable(KAFKA_NOT_LEADER_OR_FOLLOWER));
    cr_expect_not(kafka_error_retriable(KAFKA_NONE));
    cr_expect_not(kafka_error_retriable(134));
    for (int16_t code = -1; code <= 133; code++) {
        cr_expect_not_null(kafka_error_name(code), "%d", code);
    }
}
