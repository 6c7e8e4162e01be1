/* controller/format.c - the files of a new node. In each directory meta.properties comes last, so a
 * directory that has one is whole. Source: org.apache.kafka.metadata.storage.Formatter,
 * org.apache.kafka.metadata.properties.MetaPropertiesEnsemble. */
#include "controller/format.h"
#include <stdio.h>
#include "base/assert.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "controller/controller.h"
#include "controller/draw.h"
#include "controller/records.h"
#include "controller/snapshot_write.h"

#define DIRECTORY_MODE 0755u
#define BOOTSTRAP_MODE 0644u
#define METADATA_DIR "__cluster_metadata-0"

/* --- directories --- */

static enum status sync_parent(struct job *job, const char *path) {
    char parent[LIMIT_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    memcpy(parent, slash == NULL ? "." : path, MAX(len, 1u));
    parent[MAX(len, 1u)] = '\0';
    return job_dir_sync(job, parent);
}

static bool has_meta(struct job *job, struct str dir) {
    char path[LIMIT_PATH_BYTES + sizeof META_PROPERTIES_FILE + 1];
    struct io_stat about;
    snprintf(path, sizeof path, "%.*s/" META_PROPERTIES_FILE, STR_ARG(dir));
    return job_stat(job, path, &about) == ST_OK;
}

/* That a parent cannot be made or synced does not matter unless it is missing then. */
enum status format_make_dir(struct job *job, struct str dir) {
    char path[LIMIT_PATH_BYTES];
    if (dir.len >= sizeof path) return ST_TOO_LARGE;
    if (has_meta(job, dir)) return ST_OK; /* by then the names were synced */
    enum status st = ST_OK;
    for (size_t n = 1; n <= dir.len; n++) {
        if (n < dir.len && dir.ptr[n] != '/') continue;
        memcpy(path, dir.ptr, n);
        path[n] = '\0';
        st = job_mkdir(job, path, DIRECTORY_MODE);
        if (st == ST_OK)
            st = sync_parent(job, path);
        else if (st == ST_EXISTS)
            (void)sync_parent(job, path);
    }
    struct io_stat about;
    if (st != ST_EXISTS) return st;
    st = job_stat(job, path, &about);
    return st == ST_OK && about.kind != IO_DIR ? ST_EXISTS : st;
}

/* --- looking --- */

static enum status check_pair(const struct str *dirs, const struct meta_properties *a,
                              uint32_t index_a, const struct meta_properties *b, uint32_t index_b,
                              struct arena *arena, struct str *ret_message) {
    if (strcmp(a->cluster_id, b->cluster_id) != 0) {
        *ret_message = arena_printf(
            arena, "Invalid cluster.id in: %.*s/meta.properties. Expected %s, but read %s",
            STR_ARG(dirs[index_b]), a->cluster_id, b->cluster_id);
        return ST_INVALID;
    }
    if (a->node_id != b->node_id) {
        *ret_message = arena_printf(
            arena,
            "Stored node id %d doesn't match previous node id %d in %.*s/meta.properties. If you "
            "moved your data, make sure your configured node id matches. If you intend to create "
            "a new node, you should remove all data in your data directories.",
            b->node_id, a->node_id, STR_ARG(dirs[index_b]));
        return ST_INVALID;
    }
    if (!uuid_is_zero(a->directory_id) && uuid_eq(a->directory_id, b->directory_id)) {
        char id[UUID_TEXT_BYTES + 1];
        uuid_format(a->directory_id, id);
        *ret_message = arena_printf(
            arena, "Duplicate directory ID %s found. It was the ID of %.*s, but also of %.*s", id,
            STR_ARG(dirs[index_a]), STR_ARG(dirs[index_b]));
        return ST_INVALID;
    }
    return ST_OK;
}

static bool is_reserved(struct uuid id) {
    enum { RESERVED = 100 }; /* DirectoryId.reserved: the first hundred */
    for (int i = 0; i < 15; i++) {
        if (id.b[i] != 0) return false;
    }
    return id.b[15] < RESERVED;
}

enum status format_inspect(struct job *job, const struct str *dirs, uint32_t dir_count,
                           struct arena *arena, struct found_dirs *ret_found,
                           struct str *ret_message) {
    struct found_dirs found = {
        .metas = arena_array(arena, dir_count, sizeof *found.metas),
        .formatted = arena_array(arena, dir_count, sizeof *found.formatted),
    };
    *ret_message = STR_NULL;
    if (found.metas == NULL || found.formatted == NULL) return ST_NOMEM;
    for (uint32_t i = 0; i < dir_count; i++) {
        const char *reason = NULL;
        struct meta_properties *meta = &found.metas[i];
        enum status st = meta_properties_read(job, dirs[i], meta, &reason);
        if (st == ST_NOT_FOUND) continue;
        if (st == ST_OK && !uuid_is_zero(meta->directory_id) && is_reserved(meta->directory_id)) {
            reason = "its directory.id is a reserved one";
            st = ST_CORRUPT;
        }
        if (st != ST_OK) {
            *ret_message = arena_printf(arena, "%.*s/meta.properties: %s", STR_ARG(dirs[i]),
                                        reason != NULL ? reason : status_name(st));
            return st;
        }
        found.formatted[i] = true;
        found.formatted_count++;
        for (uint32_t j = 0; j < i; j++) {
            if (!found.formatted[j]) continue;
            st = check_pair(dirs, &found.metas[j], j, meta, i, arena, ret_message);
            if (st != ST_OK) return st;
        }
    }
    *ret_found = found;
    return ST_OK;
}

/* --- what is there besides --- */

static bool begins_with(const char *name, const char *beginning) {
    return strncmp(name, beginning, strlen(beginning)) == 0;
}

/* What replacing a small file leaves when it is cut short: nobody's data. */
static bool is_temporary(const char *name) {
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".tmp") == 0;
}

/* The first entry that no formatting makes; known: how the names begin that it makes. */
static enum status first_other(struct job *job, const char *path, const char *known,
                               const char *known_dir, struct arena *arena, struct str *ret_name) {
    struct io_listing listing = {0};
    enum status st = job_list(job, path, &listing);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) return st;
    for (uint32_t i = 0; i < listing.count; i++) {
        const char *name = listing.entries[i].name;
        bool is_known = name[0] == '.' || strcmp(name, "lost+found") == 0 || is_temporary(name) ||
                        begins_with(name, known) ||
                        (known_dir != NULL && strcmp(name, known_dir) == 0);
        if (is_known) continue;
        *ret_name = arena_str(arena, str_of(name));
        if (ret_name->ptr == NULL) st = ST_NOMEM;
        break;
    }
    io_listing_free(job_mem(job), &listing);
    return st;
}

enum status format_find_data(struct job *job, struct str dir, struct arena *arena,
                             struct str *ret_name) {
    char voters[SNAPSHOT_NAME_BYTES];
    snapshot_name((struct snapshot_id){0, 0}, voters);
    struct str path = arena_str(arena, dir);
    struct str log_dir = arena_printf(arena, "%.*s/%s", STR_ARG(dir), METADATA_DIR);
    if (path.ptr == NULL || log_dir.ptr == NULL) return ST_NOMEM;
    *ret_name = STR_NULL;
    enum status st = first_other(job, path.ptr, BOOTSTRAP_FILE, METADATA_DIR, arena, ret_name);
    if (st != ST_OK || ret_name->ptr != NULL) return st;
    st = first_other(job, log_dir.ptr, voters, NULL, arena, ret_name);
    if (st != ST_OK || ret_name->ptr == NULL) return st;
    *ret_name = arena_printf(arena, "%s/%.*s", METADATA_DIR, STR_ARG(*ret_name));
    return ret_name->ptr != NULL ? ST_OK : ST_NOMEM;
}

/* --- writing --- */

struct formatting {
    struct job *job;
    const struct format_plan *plan;
    struct arena *arena;
    struct found_dirs found;
    struct meta_properties meta; /* of the cluster and node */
    struct controller_records features;
    int64_t now_ms;
};

static void job_random(void *context, void *out, size_t len) { io_random(context, out, len); }

static struct uuid draw(const struct formatting *f) {
    return draw_uuid(job_random, job_io(f->job));
}

/* The directory and those above it that are missing. */
static enum status make_directory(struct formatting *f, struct str dir) {
    struct str path = arena_str(f->arena, dir);
    char *text = (char *)(uintptr_t)path.ptr;
    if (text == NULL) return ST_NOMEM;
    for (size_t i = 1; i <= path.len; i++) {
        if (i < path.len && text[i] != '/') continue;
        text[i] = '\0';
        struct io_stat stat;
        enum status st = job_stat(f->job, text, &stat);
        if (st == ST_NOT_FOUND) st = job_mkdir(f->job, text, DIRECTORY_MODE);
        if (i < path.len) text[i] = '/';
        if (st != ST_OK && st != ST_EXISTS) return st;
    }
    return ST_OK;
}

/* What goes into a directory before its meta.properties, synced together. */
struct files {
    struct snapshot_write snapshots[2];
    struct job_replacement replacements[2];
    uint32_t count;
};

/* A snapshot that will be written into a directory. */
static struct snapshot_write *next_file(struct formatting *f, struct files *files) {
    struct snapshot_write *w = &files->snapshots[files->count];
    snapshot_write_init(w, job_mem(f->job), f->arena, 0, f->now_ms);
    return w;
}

static enum status add_file(struct formatting *f, struct files *files, struct str dir,
                            struct str file, unsigned mode) {
    const struct snapshot_write *w = &files->snapshots[files->count];
    struct str path = arena_printf(f->arena, "%.*s/%.*s", STR_ARG(dir), STR_ARG(file));
    struct str temporary = arena_printf(f->arena, "%.*s.tmp", STR_ARG(path));
    if (path.ptr == NULL || temporary.ptr == NULL) return ST_NOMEM;
    enum status st = job_unlink(f->job, temporary.ptr); /* of a crash; it may be read-only */
    if (st != ST_OK && st != ST_NOT_FOUND) return st;
    files->replacements[files->count] =
        (struct job_replacement){dir.ptr, path.ptr, w->out.data, w->out.len, mode};
    return ST_OK;
}

static enum status add_bootstrap(struct formatting *f, struct files *files, struct str dir) {
    struct snapshot_write *w = next_file(f, files);
    enum status st = snapshot_write_header(w, 0, 0, BYTES_NULL);
    if (st == ST_OK) st = snapshot_write_records(w, f->features.values, f->features.count);
    if (st == ST_OK) st = snapshot_write_footer(w);
    if (st == ST_OK) st = add_file(f, files, dir, STR(BOOTSTRAP_FILE), BOOTSTRAP_MODE);
    files->count++;
    return st;
}

/* The voter set: this node's controller. */
static enum status encode_voters(struct formatting *f, struct uuid directory_id,
                                 struct bytes *ret_value) {
    struct voters_record_endpoint endpoint;
    struct voters_record_voter voter;
    struct voters_record voters;
    voters_record_endpoint_defaults(&endpoint);
    voters_record_voter_defaults(&voter);
    voters_record_defaults(&voters);
    endpoint.name = f->plan->controller_listener;
    endpoint.host = f->plan->controller_host;
    endpoint.port = f->plan->controller_port;
    voter.voter_id = f->plan->node_id;
    voter.voter_directory_id = directory_id;
    voter.endpoints = &endpoint;
    voter.endpoints_count = 1;
    voter.kraft_version_feature.max_supported_version = KRAFT_VERSION_MAX;
    voters.voters = &voter;
    voters.voters_count = 1;
    return codec_encode_arena(&voters_record_schema, 0, &voters, f->arena, ret_value);
}

static enum status add_voters(struct formatting *f, struct files *files, struct str dir,
                              struct uuid directory_id) {
    struct str log_dir = arena_printf(f->arena, "%.*s/%s", STR_ARG(dir), METADATA_DIR);
    if (log_dir.ptr == NULL) return ST_NOMEM;
    char name[SNAPSHOT_NAME_BYTES];
    snapshot_name((struct snapshot_id){0, 0}, name);
    struct bytes voters;
    struct snapshot_write *w = next_file(f, files);
    enum status st = encode_voters(f, directory_id, &voters);
    if (st == ST_OK) st = snapshot_write_header(w, f->now_ms, KRAFT_VERSION_MAX, voters);
    if (st == ST_OK) st = snapshot_write_footer(w);
    if (st == ST_OK) st = make_directory(f, log_dir);
    if (st == ST_OK) st = add_file(f, files, log_dir, str_of(name), SNAPSHOT_MODE);
    files->count++;
    return st;
}

static enum status format_directory(struct formatting *f, uint32_t index) {
    struct str dir = arena_str(f->arena, f->plan->dirs[index]); /* terminated */
    if (dir.ptr == NULL) return ST_NOMEM;
    struct meta_properties meta = f->meta;
    meta.directory_id = draw(f);
    struct files files = {0};
    enum status st = make_directory(f, dir);
    if (st == ST_OK && index == f->plan->metadata_dir)
        st = add_voters(f, &files, dir, meta.directory_id);
    if (st == ST_OK) st = add_bootstrap(f, &files, dir);
    /* The names in dir, that of the metadata log's directory too, are synced with the files. */
    if (st == ST_OK) st = job_replace_files(f->job, files.replacements, files.count);
    for (uint32_t i = 0; i < files.count; i++) snapshot_write_release(&files.snapshots[i]);
    return st == ST_OK ? meta_properties_write(f->job, dir, &meta) : st;
}

/* --- the whole --- */

static enum status check_plan(struct formatting *f, struct str *ret_message) {
    const struct format_plan *plan = f->plan;
    if (plan->cluster_id.len >= sizeof f->meta.cluster_id) {
        *ret_message = STR("the cluster id is too long");
        return ST_INVALID;
    }
    if (plan->cluster_id.ptr != NULL) {
        memcpy(f->meta.cluster_id, plan->cluster_id.ptr, plan->cluster_id.len);
    } else if (f->found.formatted_count == 0) {
        uuid_format(draw(f), f->meta.cluster_id);
    }
    f->meta.node_id = plan->node_id;
    for (uint32_t i = 0; i < plan->dir_count; i++) {
        if (!f->found.formatted[i]) continue;
        const struct meta_properties *found = &f->found.metas[i];
        if (!plan->ignore_formatted) {
            *ret_message = arena_printf(f->arena,
                                        "Log directory %.*s is already formatted. Use "
                                        "--ignore-formatted to ignore this directory and format "
                                        "the others.",
                                        STR_ARG(plan->dirs[i]));
            return ST_EXISTS;
        }
        if (f->meta.cluster_id[0] == '\0') {
            memcpy(f->meta.cluster_id, found->cluster_id, sizeof f->meta.cluster_id);
        }
        enum status st = check_pair(plan->dirs, &f->meta, i, found, i, f->arena, ret_message);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

/* The metadata directory comes last: without it a crash in between is told from lost disks. */
static enum status format_all(struct formatting *f, struct strbuf *lines, struct str *ret_message) {
    const struct format_plan *plan = f->plan;
    for (uint32_t n = 0; n < plan->dir_count; n++) {
        uint32_t last = plan->dir_count - 1;
        uint32_t i = n == last ? plan->metadata_dir : n < plan->metadata_dir ? n : n + 1;
        if (f->found.formatted[i]) continue;
        enum status st = format_directory(f, i);
        if (st == ST_OK) continue;
        *ret_message = arena_printf(f->arena, "%.*s: %s", STR_ARG(plan->dirs[i]), status_name(st));
        return st;
    }
    for (uint32_t i = 0; i < plan->dir_count; i++) {
        if (f->found.formatted[i]) continue;
        bool is_metadata = i == plan->metadata_dir;
        strbuf_printf(lines, "Formatting %s directory %.*s with metadata.version %s.\n",
                      is_metadata ? "dynamic metadata voter" : "data", STR_ARG(plan->dirs[i]),
                      METADATA_VERSION_NAME);
    }
    if (f->found.formatted_count == plan->dir_count) {
        strbuf_printf(lines, "All of the log directories are already formatted.\n");
    }
    return ST_OK;
}

enum status format_standalone(struct job *job, const struct format_plan *plan, struct arena *arena,
                              struct str *ret_message) {
    ASSERT(plan->metadata_dir < plan->dir_count);
    struct formatting f = {
        .job = job, .plan = plan, .arena = arena, .now_ms = io_now(job_io(job)).wall_ms};
    enum status st = format_inspect(job, plan->dirs, plan->dir_count, arena, &f.found, ret_message);
    if (st == ST_OK) st = check_plan(&f, ret_message);
    if (st != ST_OK) return st;
    controller_records_init(&f.features, arena);
    controller_add_default_features(&f.features);
    if (f.features.status != ST_OK) return f.features.status;
    struct strbuf lines;
    strbuf_init(&lines, job_mem(job));
    st = format_all(&f, &lines, ret_message);
    if (st == ST_OK) *ret_message = arena_str(arena, strbuf_str(&lines));
    strbuf_release(&lines);
    return st;
}
