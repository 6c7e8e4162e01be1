/* controller/format.h - formatting of data directories, as `kafka-storage format --standalone`
 * of 4.3.1 does it: the same files with the same contents (random ids and times apart), and what to
 * look for before a start. Jobs on the seam. */
#pragma once
#include "base/job.h"
#include "log/dir.h"

struct format_plan {
    const struct str *dirs; /* log.dirs and metadata.log.dir, each once; dirs[metadata_dir] holds
                               the metadata log */
    uint32_t dir_count, metadata_dir;
    struct str cluster_id; /* 22 characters; null: a random one */
    int32_t node_id;
    struct str controller_listener, controller_host;
    uint16_t controller_port;
    bool ignore_formatted; /* directories that are formatted for the same cluster and node are left
                              as they are */
};

/** Makes a data directory where it is missing, and its parents. Unless it is formatted, its name
 * and theirs are on stable storage then, also of those that were there: a start that crashed may
 * have made them. ST_EXISTS: something that is not a directory has its name; ST_TOO_LARGE: it is
 * too long. */
MUST_CHECK enum status format_make_dir(struct job *job, struct str dir);

/** Formats every directory; ret_message gets one line per directory as Kafka's tool prints it, or
 * the reason. */
MUST_CHECK enum status format_standalone(struct job *job, const struct format_plan *plan,
                                         struct arena *arena, struct str *ret_message);

/** What a directory without meta.properties holds besides what an unfinished formatting leaves
 * behind: the first such name, null when there is none (hidden files and lost+found do not count).
 * A start formats only where there is none: a lost meta.properties must not cost the data. */
MUST_CHECK enum status format_find_data(struct job *job, struct str dir, struct arena *arena,
                                        struct str *ret_name);

struct found_dirs {
    struct meta_properties *metas; /* one per directory, arena */
    bool *formatted;               /* has a meta.properties */
    uint32_t formatted_count;
};
/** Reads every meta.properties; ST_CORRUPT / ST_INVALID with a message that names the file:
 * unreadable, another cluster id or node id than the others, the same directory id twice. */
MUST_CHECK enum status format_inspect(struct job *job, const struct str *dirs, uint32_t dir_count,
                                      struct arena *arena, struct found_dirs *ret_found,
                                      struct str *ret_message);
