/* tests/unit/tools/features.c - features of each metadata.version, as Kafka 4.3 maps them. */
#include "tools/features.h"
#include <criterion/criterion.h>

static const struct {
    const char *version;
    int16_t level;
    const char *levels; /* kraft, transaction, group, eligible leader replicas, share, streams */
} rows[] = {
    {"3.3-IV3", 7, "000000"},  {"3.3", 7, "000000"},      {"3.7", 19, "000000"},
    {"3.8-IV0", 20, "000000"}, {"3.9-IV0", 21, "100000"}, {"4.0-IV0", 22, "101000"},
    {"4.0-IV1", 23, "101000"}, {"4.0-IV2", 24, "121000"}, {"4.0", 25, "121000"},
    {"4.1-IV0", 26, "121100"}, {"4.1", 27, "121100"},     {"4.2-IV0", 28, "121110"},
    {"4.2", 29, "121111"},     {"4.3", 30, "121111"},     {"4.4-IV0", 31, "121111"},
};

Test(features, come_with_the_metadata_version_that_kafka_gives_them) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct metadata_version *v = metadata_version_find(str_of(rows[i].version));
        cr_assert_not_null(v, "%s", rows[i].version);
        cr_expect_eq(v->level, rows[i].level, "%s: got %d", rows[i].version, v->level);
        for (size_t k = 0; k < FEATURE_COUNT; k++)
            cr_expect_eq(feature_level(&features[k], v->level), rows[i].levels[k] - '0', "%s: %s",
                         rows[i].version, features[k].name);
    }
}

Test(features, are_found_by_whole_names_and_known_levels_only) {
    cr_expect_null(metadata_version_find(STR("4.4")), "not released");
    cr_expect_null(metadata_version_find(STR("4.3-IV")));
    cr_expect_null(metadata_version_find(STR("")));
    cr_expect_null(metadata_version_of_level(6));
    cr_expect_null(metadata_version_of_level(32));
    cr_expect_str_eq(metadata_version_of_level(30)->name, METADATA_VERSION_LATEST);
    cr_expect_null(feature_find(STR("group")));
    cr_expect_not_null(feature_find(STR("group.version")));
}
