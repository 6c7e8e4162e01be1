/* broker/metadata/unopened.c - a list, a timer, another try. */
#include "broker/metadata/unopened.h"
#include "base/logging.h"
#include "broker/group/service.h"
#include "broker/metadata/apply.h"
#include "broker/shard/checkpoints.h"
#include "broker/shard/log_starts.h"
#include "broker/shard/places.h"
#include "log/partition_metadata.h"
#include "log/removal.h"

struct missing {
    struct list link;
    struct uuid topic_id;
    int32_t index;
    bool was_there;
    enum status why;
};

struct unopened {
    struct shard *shard;
    struct list items; /* struct missing */
    struct io_timer timer;
    uint64_t pause_us;
    bool is_due;
};

/* --- the list --- */

bool unopened_is_worth_it(enum status st) { return st == ST_NO_SPACE || st == ST_NOMEM; }

static void on_due(struct io_timer *timer) {
    struct unopened *unopened = CONTAINER_OF(timer, struct unopened, timer);
    unopened->is_due = true;
    apply_soon(unopened->shard);
}

static void set_next(struct unopened *unopened) {
    struct shard *shard = unopened->shard;
    if (io_timer_is_set(&unopened->timer) || unopened->is_due) return;
    unopened->timer.fire = on_due;
    io_timer_set(shard->io, &unopened->timer, shard->io->now.mono_us + unopened->pause_us);
}

void unopened_add(struct shard *shard, const struct partition_place *place, enum status why) {
    if (shard->stopping) return;
    if (shard->unopened == NULL) {
        shard->unopened = MEM_NEW(shard->mem, struct unopened);
        shard->unopened->shard = shard;
        shard->unopened->pause_us = UNOPENED_PAUSE_US;
        list_init(&shard->unopened->items);
    }
    struct missing *missing = MEM_NEW(shard->mem, struct missing);
    missing->topic_id = place->topic->id;
    missing->index = place->index;
    missing->was_there = place->was_there;
    missing->why = why;
    list_push_back(&shard->unopened->items, &missing->link);
    set_next(shard->unopened);
}

static void drop(struct shard *shard, struct missing *missing) {
    list_remove(&missing->link);
    MEM_FREE(shard->mem, missing);
}

void unopened_release(struct shard *shard) {
    struct unopened *unopened = shard->unopened;
    if (unopened == NULL) return;
    io_timer_clear(shard->io, &unopened->timer);
    while (!list_is_empty(&unopened->items))
        drop(shard, CONTAINER_OF(unopened->items.next, struct missing, link));
    MEM_FREE(shard->mem, unopened);
    shard->unopened = NULL;
}

/* --- another try --- */

/* false: it has gone, or is there, or its directory is not. */
static bool find_place(const struct shard *shard, const struct missing *missing,
                       struct partition_place *ret_place, uint32_t *ret_dir_index) {
    const struct topic_image *topic = image_topic_by_id(shard->image, missing->topic_id);
    if (topic == NULL || shard_partition(shard, topic->id, missing->index) != NULL) return false;
    *ret_place = (struct partition_place){topic, missing->index, missing->was_there};
    return broker_dir_of(shard->broker, shard->image, topic, missing->index, missing->was_there,
                         ret_dir_index) &&
           !shard->dirs[*ret_dir_index].offline;
}

static bool must_wait(const struct shard *shard, const struct missing *missing,
                      uint32_t dir_index) {
    return missing->why == ST_NO_SPACE && shard->disks[dir_index].rung == DISK_REJECT;
}

/* ST_OK: it is open. */
static enum status try(struct job *job, struct shard *shard, const struct partition_place *place,
                       uint32_t dir_index) {
    enum status st;
    partitions_open(job, shard, dir_index, place, 1, &st);
    if (st != ST_OK) return st;
    LOG_INFO("partition", "event=opened-late topic=%s partition=%d", LOG_TEXT(place->topic->name),
             place->index);
    group_service_take_image(shard, NULL, 0); /* it may be a coordinator's */
    return ST_OK;
}

void unopened_open(struct job *job, struct shard *shard) {
    struct unopened *unopened = shard->unopened;
    if (unopened == NULL || !unopened->is_due || shard->stopping) return;
    const uint32_t none = shard->broker->dir_count;
    uint32_t vain_dir = none; /* where it did not help */
    for (struct list *at = unopened->items.next, *next; at != &unopened->items; at = next) {
        struct missing *missing = CONTAINER_OF(at, struct missing, link);
        struct partition_place place;
        uint32_t dir_index;
        next = at->next;
        if (find_place(shard, missing, &place, &dir_index)) {
            if (dir_index == vain_dir || must_wait(shard, missing, dir_index)) continue;
            missing->why = try(job, shard, &place, dir_index);
            if (unopened_is_worth_it(missing->why)) {
                vain_dir = dir_index;
                continue;
            }
        }
        drop(shard, missing);
    }
    unopened->is_due = false;
    unopened->pause_us = vain_dir != none
                             ? MIN(unopened->pause_us * 2, UNOPENED_PAUSE_MAX_US)
                             : UNOPENED_PAUSE_US;
    if (!list_is_empty(&unopened->items)) set_next(unopened);
}

/* --- deleted --- */

/* At once: nobody reads it, and what it takes may be what there is no room for. What lies there of
 * another topic, or of nobody knows whom, stays. */
static enum status delete_log(struct job *job, struct shard *shard, const struct topic_image *topic,
                              int32_t index, uint32_t dir_index) {
    struct log_path path;
    struct uuid id;
    places_path(&path, &shard->broker->dirs[dir_index], topic->name, index);
    if (partition_metadata_read(job, path.text, &id) != ST_OK || !uuid_eq(id, topic->id))
        return ST_OK;
    enum status st = checkpoints_forget(job, shard, dir_index);
    if (st == ST_OK) st = log_starts_forget(job, shard, dir_index, topic->name, index);
    if (st != ST_OK) return st;
    return removal_of_partition(job, &shard->dirs[dir_index], path.text, topic->name, index, false,
                                0);
}

static void delete_missing(struct job *job, struct shard *shard, const struct topic_image *topic,
                           const struct missing *missing) {
    uint32_t dir_index;
    if (!missing->was_there || /* else nothing was left of it */
        !broker_dir_of(shard->broker, shard->image, topic, missing->index, true, &dir_index) ||
        shard->dirs[dir_index].offline)
        return;
    enum status st = delete_log(job, shard, topic, missing->index, dir_index);
    if (st == ST_OK) return;
    LOG_ERROR("partition", "event=delete-failed topic=%s partition=%d status=\"%s\"",
              LOG_TEXT(topic->name), missing->index, status_name(st));
}

void unopened_delete(struct job *job, struct shard *shard, const struct topic_image *topic) {
    if (shard->unopened == NULL) return;
    struct list *items = &shard->unopened->items;
    for (struct list *at = items->next, *next; at != items; at = next) {
        struct missing *missing = CONTAINER_OF(at, struct missing, link);
        next = at->next;
        if (!uuid_eq(missing->topic_id, topic->id)) continue;
        delete_missing(job, shard, topic, missing);
        next = at->next; /* others may have come meanwhile */
        drop(shard, missing);
    }
}
