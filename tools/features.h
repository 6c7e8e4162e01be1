/* tools/features.h - metadata.version and the features that come with it, as Apache Kafka 4.3
 * knows them. Source: org.apache.kafka.server.common.{MetadataVersion,Feature}. */
#pragma once
#include "base/bytes.h"
#include "base/strbuf.h"

struct metadata_version {
    const char *name; /* "4.3-IV0" */
    int16_t level;
};

extern const struct metadata_version metadata_versions[]; /* ascending */
extern const uint32_t metadata_version_count;
#define METADATA_VERSION_LATEST "4.3-IV0" /* the latest that may go into production */

/** By name, or by release ("4.0": its last one); NULL when there is none. */
const struct metadata_version *metadata_version_find(struct str name);
/** NULL when there is none. */
const struct metadata_version *metadata_version_of_level(int64_t level);

struct feature {
    const char *name;
    int16_t max;         /* levels 0 .. max */
    int16_t from_level;  /* metadata.version of whose new clusters it has level max */
    int16_t needs_level; /* metadata.version that level max depends on; 0: none */
};

/* Without metadata.version. */
#define FEATURE_COUNT 6
extern const struct feature features[FEATURE_COUNT];
/** NULL when there is none. */
const struct feature *feature_find(struct str name);
/** The level of a feature in a new cluster of that metadata.version. */
int16_t feature_level(const struct feature *feature, int16_t metadata_level);
