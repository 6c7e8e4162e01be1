/* broker/handlers/api_versions.c - API 18: the table of what is served, and the features.
 * Source: KIP-511, KIP-584; measured on Apache Kafka 4.3.1: an unknown version is answered in
 * version 0 with UNSUPPORTED_VERSION and the one row that tells how to ask; version 3 leaves out
 * features whose minimum is 0. */
#include "broker/handlers/handlers.h"
#include "broker/net/api_table.h"
#include "protocol/errors.h"

/* Levels that this broker understands in a metadata log; the same as Apache Kafka 4.3.1. Sorted by
 * name. */
static const struct {
    const char *name;
    int16_t min, max;
} features[] = {
    {"eligible.leader.replicas.version", 0, 1},
    {"group.version", 0, 1},
    {"kraft.version", 0, 1},
    {"metadata.version", 7, 30},
    {"share.version", 0, 1},
    {"streams.version", 0, 1},
    {"transaction.version", 0, 2},
};

static void put_row(struct api_versions_response_version *row, const struct api *api) {
    row->api_key = api->key;
    row->min_version = api->min_version;
    row->max_version = api->max_version;
}

static bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* KIP-511: letters and digits, with '-' and '.' between them. */
static bool is_software_name(struct str s) {
    if (s.len == 0 || !is_word_char(s.ptr[0]) || !is_word_char(s.ptr[s.len - 1])) return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_word_char(s.ptr[i]) && s.ptr[i] != '-' && s.ptr[i] != '.') return false;
    }
    return true;
}

static bool put_features(struct request *rq, struct api_versions_response *out) {
    bool old_reader = rq->header.request_api_version < 4;
    uint32_t finalized_count = 0;
    const struct feature_level *levels = image_features(rq->shard->image, &finalized_count);
    out->supported_features =
        api_versions_response_supported_feature_key_array(&rq->arena, COUNT(features));
    out->finalized_features =
        api_versions_response_finalized_feature_key_array(&rq->arena, (int32_t)finalized_count);
    if (out->supported_features == NULL || (out->finalized_features == NULL && finalized_count > 0))
        return false;
    for (size_t i = 0; i < COUNT(features); i++) {
        if (old_reader && features[i].min == 0) continue;
        struct api_versions_response_supported_feature_key *row =
            &out->supported_features[out->supported_features_count++];
        row->name = str_of(features[i].name);
        row->min_version = features[i].min;
        row->max_version = features[i].max;
    }
    for (uint32_t i = 0; i < finalized_count; i++) {
        struct api_versions_response_finalized_feature_key *row =
            &out->finalized_features[out->finalized_features_count++];
        row->name = arena_str(&rq->arena, levels[i].name);
        row->min_version_level = levels[i].level;
        row->max_version_level = levels[i].level;
    }
    out->finalized_features_epoch = image_offset(rq->shard->image);
    return true;
}

void handle_api_versions(struct request *rq) {
    struct api_versions_response *out = rq->out;
    const struct api_versions_request *in = rq->in;
    const struct api *self = &apis[API_API_VERSIONS];
    int16_t version = rq->header.request_api_version;
    bool is_known = version <= self->max_version;
    out->api_keys = api_versions_response_version_array(&rq->arena, (int32_t)served_count);
    if (out->api_keys == NULL) {
        request_abandon(rq, true);
        return;
    }
    if (!is_known) {
        out->error_code = KAFKA_UNSUPPORTED_VERSION;
        put_row(&out->api_keys[out->api_keys_count++], self);
    } else if (version >= 3 && (!is_software_name(in->client_software_name) ||
                                !is_software_name(in->client_software_version))) {
        out->error_code = KAFKA_INVALID_REQUEST;
    } else {
        for (uint32_t i = 0; i < served_count; i++)
            put_row(&out->api_keys[out->api_keys_count++], served_apis[i].api);
        if (!put_features(rq, out)) {
            request_abandon(rq, true);
            return;
        }
    }
    request_respond(rq);
}
