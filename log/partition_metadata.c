/* log/partition_metadata.c - a file of two lines. */
#include "log/partition_metadata.h"
#include <stdio.h>
#include "base/logging.h"
#include "log/names.h"

enum { FILE_BYTES_MAX = 4096 };

/* The value of "key: value" in one of the lines; null when there is none. */
static struct str find_value(struct str text, struct str key) {
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        struct str line = {text.ptr, len};
        size_t taken = end != NULL ? len + 1 : len;
        text.ptr += taken;
        text.len -= taken;
        if (line.len <= key.len || memcmp(line.ptr, key.ptr, key.len) != 0 ||
            line.ptr[key.len] != ':')
            continue;
        return str_trim((struct str){line.ptr + key.len + 1, line.len - key.len - 1});
    }
    return STR_NULL;
}

static bool parse(struct str text, struct uuid *ret_topic_id) {
    return str_eq(find_value(text, STR("version")), STR("0")) &&
           uuid_parse(find_value(text, STR("topic_id")), ret_topic_id) &&
           !uuid_is_zero(*ret_topic_id);
}

bool partition_metadata_is_of(struct str text, struct uuid topic_id) {
    struct uuid found;
    return parse(text, &found) && uuid_eq(found, topic_id);
}

struct str partition_metadata_text(struct uuid topic_id, struct arena *arena) {
    char id[UUID_TEXT_BYTES + 1];
    uuid_format(topic_id, id);
    return arena_printf(arena, "version: 0\ntopic_id: %s", id);
}

enum status partition_metadata_read(struct job *job, const char *dir, struct uuid *ret_topic_id) {
    struct log_path path;
    log_path_of_name(&path, dir, PARTITION_METADATA_FILE, "");
    char *data = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path.text, FILE_BYTES_MAX, &data, &len);
    if (st != ST_OK) return st;
    if (!parse((struct str){data, len}, ret_topic_id)) {
        LOG_ERROR("log", "not readable: file=%s", path.text);
        st = ST_CORRUPT;
    }
    mem_free(job_mem(job), data, len + 1);
    return st;
}

enum status partition_metadata_check(struct job *job, const char *dir, struct uuid topic_id) {
    if (uuid_is_zero(topic_id)) return ST_OK;
    struct uuid found;
    char wanted_text[UUID_TEXT_BYTES + 1], found_text[UUID_TEXT_BYTES + 1];
    uuid_format(topic_id, wanted_text);
    enum status st = partition_metadata_read(job, dir, &found);
    if (st == ST_OK) {
        if (uuid_eq(found, topic_id)) return ST_OK;
        uuid_format(found, found_text);
        LOG_WARN("log", "directory of another topic: file=%s/" PARTITION_METADATA_FILE
                 " topic_id=%s found=%s", dir,
                 wanted_text, found_text);
        return ST_STALE;
    }
    if (st != ST_NOT_FOUND) return st;
    struct log_path path;
    log_path_of_name(&path, dir, PARTITION_METADATA_FILE, "");
    char text[64];
    int n = snprintf(text, sizeof text, "version: 0\ntopic_id: %s", wanted_text);
    return job_replace_file(job, dir, path.text, text, (size_t)n, LOG_FILE_MODE);
}
