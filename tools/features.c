/* tools/features.c - see features.h. */
#include "tools/features.h"

const struct metadata_version metadata_versions[] = {
    {"3.3-IV3", 7},  {"3.4-IV0", 8},  {"3.5-IV0", 9},  {"3.5-IV1", 10}, {"3.5-IV2", 11},
    {"3.6-IV0", 12}, {"3.6-IV1", 13}, {"3.6-IV2", 14}, {"3.7-IV0", 15}, {"3.7-IV1", 16},
    {"3.7-IV2", 17}, {"3.7-IV3", 18}, {"3.7-IV4", 19}, {"3.8-IV0", 20}, {"3.9-IV0", 21},
    {"4.0-IV0", 22}, {"4.0-IV1", 23}, {"4.0-IV2", 24}, {"4.0-IV3", 25}, {"4.1-IV0", 26},
    {"4.1-IV1", 27}, {"4.2-IV0", 28}, {"4.2-IV1", 29}, {"4.3-IV0", 30}, {"4.4-IV0", 31},
};
const uint32_t metadata_version_count = COUNT(metadata_versions);
#define PRODUCTION_LEVEL_MAX 30 /* a release whose version is above it is not out yet */

const struct metadata_version *metadata_version_find(struct str name) {
    const struct metadata_version *found = NULL;
    for (uint32_t i = 0; i < metadata_version_count; i++) {
        const struct metadata_version *v = &metadata_versions[i];
        struct str release = {v->name, strcspn(v->name, "-")};
        if (str_eq(str_of(v->name), name)) return v;
        if (str_eq(release, name) && v->level <= PRODUCTION_LEVEL_MAX) found = v;
    }
    return found;
}

const struct metadata_version *metadata_version_of_level(int64_t level) {
    for (uint32_t i = 0; i < metadata_version_count; i++) {
        if (metadata_versions[i].level == level) return &metadata_versions[i];
    }
    return NULL;
}

const struct feature features[FEATURE_COUNT] = {
    {"kraft.version", 1, 21, 0}, {"transaction.version", 2, 24, 0},
    {"group.version", 1, 22, 0}, {"eligible.leader.replicas.version", 1, 26, 23},
    {"share.version", 1, 28, 0}, {"streams.version", 1, 29, 0},
};

const struct feature *feature_find(struct str name) {
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if (str_eq(str_of(features[i].name), name)) return &features[i];
    }
    return NULL;
}

int16_t feature_level(const struct feature *feature, int16_t metadata_level) {
    return metadata_level >= feature->from_level ? feature->max : 0;
}
