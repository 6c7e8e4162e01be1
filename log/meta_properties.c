/* log/meta_properties.c - `meta.properties` of a log directory, version 1: cluster.id, node.id,
 * directory.id. Kafka writes two comment lines (an empty one, a date) and no fixed order of keys.
 * Source: org.apache.kafka.metadata.properties.MetaProperties. */
#include <inttypes.h>
#include <stdio.h>
#include "base/properties.h"
#include "log/dir.h"
#include "log/names.h"

enum { FILE_BYTES_MAX = 64 << 10, ARENA_CHUNK_BYTES = 4096 };

static struct str value_of(const struct properties *properties, const char *key) {
    const struct property *property = properties_find(properties, str_of(key));
    return property != NULL ? str_trim(property->value) : STR_NULL;
}

/* NULL, or why it cannot be used. */
static const char *interpret(const struct properties *properties, struct meta_properties *meta) {
    struct str version = value_of(properties, "version");
    struct str cluster = value_of(properties, "cluster.id");
    struct str node = value_of(properties, "node.id");
    struct str directory = value_of(properties, "directory.id");
    int64_t node_id = 0;
    if (version.ptr == NULL) return "it has no version";
    if (!str_eq(version, STR("1"))) return "its version is not 1";
    if (cluster.ptr == NULL || cluster.len == 0) return "it has no cluster.id";
    if (cluster.len >= sizeof meta->cluster_id) return "its cluster.id is too long";
    if (node.ptr == NULL) return "it has no node.id";
    if (!str_to_int64(node, &node_id) || node_id < 0 || node_id > INT32_MAX)
        return "its node.id is no node id";
    if (directory.ptr != NULL && !uuid_parse(directory, &meta->directory_id))
        return "its directory.id is no uuid";
    memcpy(meta->cluster_id, cluster.ptr, cluster.len);
    meta->cluster_id[cluster.len] = '\0';
    meta->node_id = (int32_t)node_id;
    return NULL;
}

enum status meta_properties_read(struct job *job, struct str dir, struct meta_properties *ret_meta,
                                 const char **ret_reason) {
    struct log_path path;
    log_path_of_name(&path, dir.ptr, META_PROPERTIES_FILE, "");
    *ret_reason = NULL;
    char *data = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path.text, FILE_BYTES_MAX, &data, &len);
    if (st == ST_TOO_LARGE) {
        *ret_reason = "it is far too large";
        return ST_CORRUPT;
    }
    if (st != ST_OK) return st;
    struct arena arena;
    arena_init(&arena, job_mem(job), ARENA_CHUNK_BYTES, 0);
    struct properties properties;
    uint32_t line = 0;
    st = properties_parse((struct str){data, len}, &arena, &properties, &line);
    if (st == ST_CORRUPT) *ret_reason = "it has a malformed escape";
    if (st == ST_OK) {
        struct meta_properties meta = {0};
        *ret_reason = interpret(&properties, &meta);
        if (*ret_reason == NULL) {
            *ret_meta = meta;
        } else {
            st = ST_CORRUPT;
        }
    }
    arena_release(&arena);
    mem_free(job_mem(job), data, len + 1);
    return st;
}

enum status meta_properties_write(struct job *job, struct str dir,
                                  const struct meta_properties *meta) {
    struct log_path path;
    log_path_of_name(&path, dir.ptr, META_PROPERTIES_FILE, "");
    char directory[UUID_TEXT_BYTES + 1], date[64], text[320];
    uuid_format(meta->directory_id, directory);
    time_t now = (time_t)(io_now(job_io(job)).wall_ms / 1000);
    struct tm tm;
    if (gmtime_r(&now, &tm) == NULL ||
        strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", &tm) == 0)
        date[0] = '\0';
    int n = snprintf(text, sizeof text,
                     "#\n#%s\nnode.id=%" PRId32 "\ndirectory.id=%s\nversion=1\ncluster.id=%s\n",
                     date, meta->node_id, directory, meta->cluster_id);
    if (n <= 0 || (size_t)n >= sizeof text) return ST_INVALID;
    return job_replace_file(job, dir.ptr, path.text, text, (size_t)n, LOG_FILE_MODE);
}
