/* broker/shard/places.c - looking up, and putting in order. */
#include "broker/shard/places.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/limits.h"
#include "base/logging.h"
#include "broker/config/cordon.h"

bool broker_dir_holds(const struct broker_dir *dir, struct str topic, int32_t index) {
    uint32_t low = 0, high = dir->found_count;
    char name[LIMIT_TOPIC_NAME_BYTES + 16];
    int len = snprintf(name, sizeof name, "%.*s-%d", STR_ARG(topic), index);
    struct str wanted = {name, (size_t)len};
    while (low < high) { /* the scan gave them by name */
        uint32_t middle = (low + high) / 2;
        int order = str_cmp(dir->found[middle].name, wanted);
        if (order == 0) return dir->found[middle].kind == FOUND_PARTITION;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/* What the image says of this node's replica. */
static struct uuid told(const struct broker *broker, const struct partition_image *partition) {
    for (int32_t r = 0; r < partition->replica_count; r++) {
        if (partition->replicas[r] == broker->node_id) return partition->directories[r];
    }
    return DIRECTORY_UNASSIGNED;
}

bool broker_dir_is_cordoned(const struct broker *broker, const struct image *image,
                            uint32_t dir_index) {
    if (broker->dirs[dir_index].is_for_metadata) return false;
    if (image_feature(image, STR(METADATA_VERSION)) < METADATA_VERSION_4_3_IV0) return false;
    struct broker_settings settings =
        broker_settings_of(broker->setup.config, image, broker->node_id);
    return cordon_holds(&settings, broker->dirs[dir_index].path);
}

/* Of those that are there, the first that is not cordoned; else the first. */
static uint32_t first_place(const struct broker *broker, const struct image *image) {
    uint32_t first = broker->dir_count;
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        if (broker->dirs[d].is_missing || broker->dirs[d].is_for_metadata) continue;
        if (!broker_dir_is_cordoned(broker, image, d)) return d;
        first = MIN(first, d);
    }
    return first;
}

bool broker_dir_of(const struct broker *broker, const struct image *image,
                   const struct topic_image *topic, int32_t index, bool is_start,
                   uint32_t *ret_dir_index) {
    struct uuid wanted = told(broker, &topic->partitions[index]);
    bool is_told =
        !uuid_eq(wanted, DIRECTORY_UNASSIGNED) && !uuid_eq(wanted, DIRECTORY_MIGRATING);
    bool any_missing = false;
    uint32_t none = broker->dir_count, place = none, found = none;
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        const struct broker_dir *dir = &broker->dirs[d];
        bool is_there = is_told && uuid_eq(wanted, dir->id);
        if (is_start && (found == none || is_there) && broker_dir_holds(dir, topic->name, index))
            found = d;
        any_missing = any_missing || dir->is_missing;
        if (is_there && !dir->is_missing && !dir->is_for_metadata) place = d;
    }
    if (!is_told && !any_missing) place = first_place(broker, image);
    *ret_dir_index = found != none ? found : place;
    return *ret_dir_index < none;
}

/* --- at the start --- */

static int by_name(const void *a, const void *b) {
    const struct found_partition *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

/* Its topic, when one of its partitions is this node's. */
static const struct topic_image *topic_of(const struct broker *broker, const struct image *image,
                                          const struct found_partition *found) {
    const struct topic_image *topic = image_topic_by_name(image, found->topic);
    if (topic == NULL || found->partition >= topic->partition_count) return NULL;
    const struct partition_image *partition = &topic->partitions[found->partition];
    for (int32_t r = 0; r < partition->replica_count; r++) {
        if (partition->replicas[r] == broker->node_id) return topic;
    }
    return NULL;
}

static bool is_held(const struct broker *broker, const struct topic_image *topic, int32_t index) {
    bool held = false;
    for (uint32_t d = 0; d < broker->dir_count; d++)
        held = held || broker->dirs[d].is_missing ||
               broker_dir_holds(&broker->dirs[d], topic->name, index);
    return held;
}

static enum status take_name(struct job *job, struct broker *broker, struct broker_dir *dir,
                             struct found_partition *found) {
    struct str name = arena_printf(&broker->arena, "%.*s-%d", STR_ARG(found->topic),
                                   found->partition);
    enum status st = name.ptr != NULL ? log_dir_rename_found(job, dir->path, found->name, name)
                                      : ST_NOMEM;
    if (st != ST_OK) return st;
    LOG_WARN("log", "event=future-directory-taken dir=%s name=%s", LOG_TEXT(dir->path),
             LOG_TEXT(found->name));
    found->name = name;
    found->kind = FOUND_PARTITION;
    qsort(dir->found, dir->found_count, sizeof *dir->found, by_name);
    return ST_OK;
}

static enum status set_aside(struct job *job, const struct broker_dir *dir,
                             struct found_partition *found, const char *event, const char *why) {
    enum status st = log_dir_set_aside(job, dir->path, found);
    if (st != ST_OK) return st;
    LOG_WARN("log", "event=%s dir=%s name=%s why=\"%s\"", event, LOG_TEXT(dir->path),
             LOG_TEXT(found->name), why);
    found->kind = FOUND_STRAY; /* under its old name, in order */
    return ST_OK;
}

void places_path(struct log_path *ret_path, const struct broker_dir *dir, struct str topic,
                 int32_t index) {
    char name[LIMIT_TOPIC_NAME_BYTES + 16];
    (void)snprintf(name, sizeof name, "%.*s-%d", STR_ARG(topic), index); /* fits */
    log_path_of_name(ret_path, dir->path.ptr, name, "");
}

enum status places_set_aside(struct job *job, const struct broker_dir *dir, struct str topic,
                             int32_t index, const char *why) {
    char name[LIMIT_TOPIC_NAME_BYTES + 16];
    int len = snprintf(name, sizeof name, "%.*s-%d", STR_ARG(topic), index);
    struct found_partition found = {{name, (size_t)len}, topic, index, FOUND_PARTITION};
    return set_aside(job, dir, &found, "stray-set-aside", why);
}

/* The same at a start. A full disk may have no room for a longer name: there it keeps the one it
 * has, and the next start tries again. Whoever gets its place meanwhile is told by its topic id. */
static enum status set_aside_if_there_is_room(struct job *job, const struct broker_dir *dir,
                                              struct found_partition *found, const char *event,
                                              const char *why) {
    enum status st = set_aside(job, dir, found, event, why);
    if (st != ST_NO_SPACE) return st;
    LOG_WARN("log", "no room to set a directory aside: dir=%s name=%s why=\"%s\"",
             LOG_TEXT(dir->path), LOG_TEXT(found->name), why);
    found->kind = FOUND_STRAY;
    return ST_OK;
}

static enum status settle_one(struct job *job, struct broker *broker, const struct image *image,
                              uint32_t dir_index, struct found_partition *found) {
    struct broker_dir *dir = &broker->dirs[dir_index];
    if (found->kind != FOUND_PARTITION && found->kind != FOUND_FUTURE) return ST_OK;
    const struct topic_image *topic = topic_of(broker, image, found);
    uint32_t place = dir_index;
    if (topic == NULL && found->kind == FOUND_PARTITION)
        return set_aside_if_there_is_room(job, dir, found, "stray-set-aside",
                                          "no topic of the metadata has this partition here");
    if (topic == NULL) return ST_OK;
    bool has_place = broker_dir_of(broker, image, topic, found->partition, true, &place);
    if (found->kind == FOUND_PARTITION)
        return !has_place || place == dir_index
                   ? ST_OK
                   : set_aside_if_there_is_room(job, dir, found, "double-set-aside",
                                                "the partition lies in another log directory, too");
    bool is_decided = uuid_eq(told(broker, &topic->partitions[found->partition]), dir->id);
    return is_decided && !is_held(broker, topic, found->partition)
               ? take_name(job, broker, dir, found)
               : ST_OK;
}

/* Leaves out what has no directory. true: there was such an entry. */
static bool leave_out_absent(const struct broker_dir *dir, struct checkpoint *checkpoint) {
    uint32_t kept = 0, count = checkpoint->count;
    for (uint32_t i = 0; i < count; i++) {
        const struct checkpoint_entry *entry = &checkpoint->entries[i];
        if (broker_dir_holds(dir, entry->topic, entry->partition))
            checkpoint->entries[kept++] = *entry;
    }
    checkpoint->count = kept;
    return kept < count;
}

static enum status forget_absent(struct job *job, struct broker_dir *dir) {
    struct {
        const char *file;
        struct checkpoint *checkpoint;
    } files[] = {
        {RECOVERY_POINT_FILE, &dir->recovery_points},
        {LOG_START_FILE, &dir->log_starts},
        {CLEANER_CHECKPOINT_FILE, &dir->clean_ends},
    };
    enum status st = ST_OK;
    for (size_t i = 0; i < COUNT(files) && st == ST_OK; i++) {
        if (leave_out_absent(dir, files[i].checkpoint))
            st = checkpoint_write(job, dir->path, files[i].file, files[i].checkpoint);
    }
    if (st != ST_NO_SPACE) return st;
    LOG_WARN("log", "no room to forget what checkpoint files say of logs that are gone: dir=%s",
             LOG_TEXT(dir->path));
    return ST_OK;
}

enum status places_settle(struct job *job, struct broker *broker, const struct image *image,
                          uint32_t *ret_dir_index) {
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        struct broker_dir *dir = &broker->dirs[d];
        for (uint32_t i = 0; !dir->failed && i < dir->found_count; i++) {
            *ret_dir_index = d;
            enum status st = settle_one(job, broker, image, d, &dir->found[i]);
            if (st != ST_OK) return st;
        }
        *ret_dir_index = d;
        enum status st = dir->failed || dir->is_missing ? ST_OK : forget_absent(job, dir);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}
