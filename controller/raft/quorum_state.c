/* controller/raft/quorum_state.c - reading and writing quorum-state. */
#include "controller/raft/quorum_state.h"
#include <jansson.h>

enum { DEPTH_MAX = 8 };

/* A member that must be a number within its type. */
static bool get_number(const json_t *object, const char *key, int64_t min, int64_t max,
                       int64_t *ret_value, struct arena *arena, struct str *ret_problem) {
    const json_t *member = json_object_get(object, key);
    if (json_is_integer(member)) {
        *ret_value = json_integer_value(member);
        if (*ret_value >= min && *ret_value <= max) return true;
    }
    *ret_problem = arena_printf(arena, "\"%s\" is missing or no number from %lld to %lld", key,
                                (long long)min, (long long)max);
    return false;
}

static enum status parse_voters(const json_t *root, struct arena *arena, struct quorum_state *state,
                                struct str *ret_problem) {
    const json_t *voters = json_object_get(root, "currentVoters");
    if (json_is_null(voters)) return ST_OK;
    if (!json_is_array(voters)) {
        *ret_problem = STR("\"currentVoters\" is missing or no array");
        return ST_CORRUPT;
    }
    size_t count = json_array_size(voters);
    state->voters = arena_array(arena, count, sizeof *state->voters);
    if (state->voters == NULL) return ST_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *voter = json_array_get(voters, i);
        int64_t id;
        if (!get_number(voter, "voterId", 0, INT32_MAX, &id, arena, ret_problem)) {
            return ST_CORRUPT;
        }
        state->voters[state->voter_count++] = (int32_t)id;
    }
    return ST_OK;
}

static enum status parse_root(const json_t *root, struct arena *arena, struct quorum_state *state,
                              struct str *ret_problem) {
    int64_t version, leader, epoch, voted;
    if (!get_number(root, "data_version", 0, INT16_MAX, &version, arena, ret_problem)) {
        return ST_CORRUPT;
    }
    if (version > 1) {
        *ret_problem =
            arena_printf(arena, "data_version %lld; 0 and 1 are supported", (long long)version);
        return ST_UNSUPPORTED;
    }
    if (!get_number(root, "leaderId", RAFT_NOBODY, INT32_MAX, &leader, arena, ret_problem) ||
        !get_number(root, "leaderEpoch", 0, INT32_MAX - 1, &epoch, arena, ret_problem) ||
        !get_number(root, "votedId", RAFT_NOBODY, INT32_MAX, &voted, arena, ret_problem)) {
        return ST_CORRUPT;
    }
    state->data_version = (int16_t)version;
    state->durable = (struct raft_durable){
        .epoch = (int32_t)epoch, .leader_id = (int32_t)leader, .voted_id = (int32_t)voted};
    if (version == 0) return parse_voters(root, arena, state, ret_problem);
    const json_t *directory = json_object_get(root, "votedDirectoryId");
    struct str text = {json_string_value(directory), json_string_length(directory)};
    if (text.ptr != NULL && uuid_parse(text, &state->durable.voted_directory_id)) return ST_OK;
    *ret_problem = STR("\"votedDirectoryId\" is missing or no id");
    return ST_CORRUPT;
}

/* Bounds the parser's recursion before it begins: the file has an array of objects at most. */
static bool is_shallow(struct str text) {
    int depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '{' || text.ptr[i] == '[') depth++;
        if (text.ptr[i] == '}' || text.ptr[i] == ']') depth--;
        if (depth > DEPTH_MAX) return false;
    }
    return true;
}

enum status quorum_state_parse(struct str text, struct arena *arena, struct quorum_state *ret_state,
                               struct str *ret_problem) {
    json_error_t error = {.text = "nested too deeply"};
    json_t *root =
        is_shallow(text) ? json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (root == NULL) {
        *ret_problem = arena_printf(arena, "no JSON: %s", error.text);
        return ST_CORRUPT;
    }
    *ret_state = (struct quorum_state){0};
    enum status st = parse_root(root, arena, ret_state, ret_problem);
    json_decref(root);
    return st;
}

void quorum_state_format(const struct quorum_state *state, struct strbuf *out) {
    const struct raft_durable *durable = &state->durable;
    if (state->data_version == 0) {
        strbuf_printf(out,
                      "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
                      "\"appliedOffset\":0,\"currentVoters\":[",
                      durable->leader_id, durable->epoch, durable->voted_id);
        for (uint32_t i = 0; i < state->voter_count; i++) {
            strbuf_printf(out, "%s{\"voterId\":%d}", i > 0 ? "," : "", state->voters[i]);
        }
        strbuf_printf(out, "],\"data_version\":0}");
        return;
    }
    char directory[UUID_TEXT_BYTES + 1];
    uuid_format(durable->voted_directory_id, directory);
    strbuf_printf(out,
                  "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
                  "\"votedDirectoryId\":\"%s\",\"data_version\":1}",
                  durable->leader_id, durable->epoch, durable->voted_id, directory);
}
