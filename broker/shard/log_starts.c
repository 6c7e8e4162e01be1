/* broker/shard/log_starts.c - entries by (topic, partition), one writer a directory. */
#include "broker/shard/log_starts.h"
#include <stdlib.h>
#include "base/assert.h"
#include "broker/shard/places.h"

struct entry {
    struct map_node node;
    struct str topic; /* own copy */
    int32_t partition;
    int64_t offset;
};

/* The file of one directory. */
struct log_starts {
    struct shard *shard; /* 0 */
    uint32_t dir_index;
    const char *file;
    struct map entries;
    struct list waiting; /* struct log_start_save: entered, not yet in the file */
    struct jobs jobs;    /* the writer's own: jobs of the shard wait for it */
    bool is_writing;
    bool is_stale; /* the file says more than the entries */
};

static uint64_t entry_hash(struct str topic, int32_t partition) {
    return hash_bytes(topic.ptr, topic.len, (uint64_t)(uint32_t)partition);
}

struct entry_key {
    struct str topic;
    int32_t partition;
};

static bool entry_has_key(const struct map_node *node, const void *key) {
    const struct entry *entry = CONTAINER_OF(node, struct entry, node);
    const struct entry_key *k = key;
    return entry->partition == k->partition && str_eq(entry->topic, k->topic);
}

static struct entry *find(const struct log_starts *starts, struct str topic, int32_t partition) {
    struct entry_key key = {topic, partition};
    struct map_node *node =
        map_find(&starts->entries, entry_hash(topic, partition), entry_has_key, &key);
    return node != NULL ? CONTAINER_OF(node, struct entry, node) : NULL;
}

static void forget(struct log_starts *starts, struct entry *entry) {
    struct mem *mem = starts->shard->mem;
    map_remove(&starts->entries, &entry->node);
    mem_free(mem, (void *)(uintptr_t)entry->topic.ptr, entry->topic.len + 1);
    MEM_FREE(mem, entry);
}

static void put(struct log_starts *starts, struct str topic, int32_t partition, int64_t offset) {
    struct entry *entry = find(starts, topic, partition);
    if (entry == NULL) {
        struct mem *mem = starts->shard->mem;
        char *name = mem_need(mem, topic.len + 1);
        memcpy(name, topic.ptr, topic.len);
        name[topic.len] = '\0';
        entry = MEM_NEW(mem, struct entry);
        entry->topic = (struct str){name, topic.len};
        entry->partition = partition;
        map_insert(&starts->entries, entry_hash(topic, partition), &entry->node);
    }
    entry->offset = offset;
}

static struct log_starts *open_file(struct broker *broker, uint32_t dir_index, const char *file,
                                    const struct checkpoint *found) {
    struct shard *shard = broker->shards[0];
    struct log_starts *starts = MEM_NEW(shard->mem, struct log_starts);
    *starts = (struct log_starts){.shard = shard, .dir_index = dir_index, .file = file};
    map_init(&starts->entries, shard->mem);
    list_init(&starts->waiting);
    jobs_init(&starts->jobs, shard->io, 1);
    for (uint32_t i = 0; i < found->count; i++) {
        const struct checkpoint_entry *from = &found->entries[i];
        if (broker_dir_holds(&broker->dirs[dir_index], from->topic, from->partition))
            put(starts, from->topic, from->partition, from->offset);
    }
    return starts;
}

void log_starts_open(struct broker *broker) {
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        struct broker_dir *dir = &broker->dirs[d];
        dir->starts = open_file(broker, d, LOG_START_FILE, &dir->log_starts);
        dir->cleaner = open_file(broker, d, CLEANER_CHECKPOINT_FILE, &dir->clean_ends);
    }
}

static void free_file(struct log_starts *starts) {
    if (starts == NULL) return;
    ASSERT(!starts->is_writing && list_is_empty(&starts->waiting));
    for (struct map_node *node; (node = map_next(&starts->entries, NULL)) != NULL;)
        forget(starts, CONTAINER_OF(node, struct entry, node));
    map_release(&starts->entries);
    jobs_release(&starts->jobs);
    MEM_FREE(starts->shard->mem, starts);
}

void log_starts_free(struct broker *broker) {
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        free_file(broker->dirs[d].starts);
        free_file(broker->dirs[d].cleaner);
        broker->dirs[d].starts = broker->dirs[d].cleaner = NULL;
    }
}

/* --- writing --- */

static int by_topic_and_partition(const void *a, const void *b) {
    const struct checkpoint_entry *x = a, *y = b;
    int order = str_cmp(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* What the file is to say. Texts are copied: entries may go while it is being written. */
static enum status collect(const struct log_starts *starts, struct arena *arena,
                           struct checkpoint *ret_checkpoint) {
    uint32_t count = 0;
    struct checkpoint_entry *entries = arena_array(arena, starts->entries.count, sizeof *entries);
    if (entries == NULL) return ST_NOMEM;
    for (struct map_node *node = NULL; (node = map_next(&starts->entries, node)) != NULL;) {
        const struct entry *entry = CONTAINER_OF(node, struct entry, node);
        struct str topic = arena_str(arena, entry->topic);
        if (topic.ptr == NULL) return ST_NOMEM;
        entries[count++] = (struct checkpoint_entry){
            .topic = topic, .partition = entry->partition, .offset = entry->offset};
    }
    qsort(entries, count, sizeof *entries, by_topic_and_partition);
    *ret_checkpoint = (struct checkpoint){.entries = entries, .count = count};
    return ST_OK;
}

static enum status write_file(struct job *job, const struct log_starts *starts) {
    const struct broker_dir *dir = &starts->shard->broker->dirs[starts->dir_index];
    struct arena arena;
    arena_init(&arena, job_mem(job), 4096, 0);
    struct checkpoint checkpoint = {0};
    enum status st = dir->failed ? ST_IO : collect(starts, &arena, &checkpoint);
    if (st == ST_OK)
        st = checkpoint_write(job, dir->path, starts->file, &checkpoint);
    arena_release(&arena);
    if (st != ST_OK) {
        LOG_ERROR("log", "event=checkpoint-failed dir=%s file=%s status=\"%s\"",
                  LOG_TEXT(dir->path), starts->file, status_name(st));
    }
    return st;
}

static void come_home(struct io_message *message, struct io *at) {
    (void)at; /* the home shard */
    struct log_start_save *save = CONTAINER_OF(message, struct log_start_save, message);
    save->done(save);
}

static void tell(const struct log_starts *starts, struct log_start_save *save, enum status st) {
    save->status = st;
    if (save->home == starts->shard) {
        save->done(save);
        return;
    }
    save->message.deliver = come_home;
    io_post(starts->shard->io, save->home->index, &save->message);
}

static void write_all(struct job *job, void *argument) {
    struct log_starts *starts = argument;
    while (!list_is_empty(&starts->waiting) || starts->is_stale) {
        struct list saves;
        starts->is_stale = false;
        list_init(&saves);
        for (struct list *node; (node = list_pop_front(&starts->waiting)) != NULL;)
            list_push_back(&saves, node);
        enum status st = write_file(job, starts);
        for (struct list *node; (node = list_pop_front(&saves)) != NULL;)
            tell(starts, CONTAINER_OF(node, struct log_start_save, link), st);
    }
    starts->is_writing = false;
}

static void enter(struct log_start_save *save) {
    const struct broker_dir *dir = &save->home->broker->dirs[save->dir_index];
    struct log_starts *starts = save->of_cleaner ? dir->cleaner : dir->starts;
    if (save->offset != LOG_START_FORGET) {
        put(starts, save->topic, save->partition, save->offset);
    } else {
        struct entry *entry = find(starts, save->topic, save->partition);
        if (entry == NULL) {
            tell(starts, save, ST_OK);
            return;
        }
        forget(starts, entry);
    }
    list_push_back(&starts->waiting, &save->link);
    if (starts->is_writing) return;
    starts->is_writing = true;
    job_start(&starts->jobs, write_all, starts);
}

static void arrive(struct io_message *message, struct io *at) {
    (void)at; /* shard 0 */
    enter(CONTAINER_OF(message, struct log_start_save, message));
}

void log_start_save(struct log_start_save *save) {
    if (save->home->index == 0) {
        enter(save);
        return;
    }
    save->message.deliver = arrive;
    io_post(save->home->io, 0, &save->message);
}

void log_start_needless(struct broker *broker, uint32_t dir_index, struct str topic,
                        int32_t partition, int64_t first_base_offset) {
    struct log_starts *starts = broker->dirs[dir_index].starts;
    struct entry *entry = find(starts, topic, partition);
    if (entry == NULL || entry->offset > first_base_offset) return;
    forget(starts, entry);
    starts->is_stale = true;
}

/* --- at the stop --- */

void log_start_closed(struct broker *broker, uint32_t dir_index, struct str topic,
                      int32_t partition, int64_t log_start, int64_t first_base_offset) {
    struct log_starts *starts = broker->dirs[dir_index].starts;
    if (log_start > first_base_offset) {
        put(starts, topic, partition, log_start);
    } else {
        struct entry *entry = find(starts, topic, partition);
        if (entry != NULL) forget(starts, entry);
    }
}

enum status log_starts_write(struct job *job, struct broker *broker, uint32_t dir_index) {
    const struct log_starts *starts = broker->dirs[dir_index].starts;
    ASSERT(!starts->is_writing && list_is_empty(&starts->waiting));
    return write_file(job, starts);
}

/* --- for jobs --- */

struct awaited_save {
    struct log_start_save save;
    struct job *job; /* NULL: not waiting yet */
    bool is_done;
};

static void wake(struct log_start_save *save) {
    struct awaited_save *awaited = CONTAINER_OF(save, struct awaited_save, save);
    awaited->is_done = true;
    if (awaited->job != NULL) job_wake(awaited->job);
}

enum status log_start_save_wait(struct job *job, struct shard *shard, uint32_t dir_index,
                                bool of_cleaner, struct str topic, int32_t partition,
                                int64_t offset) {
    struct awaited_save awaited = {.save = {.home = shard,
                                            .dir_index = dir_index,
                                            .of_cleaner = of_cleaner,
                                            .topic = topic,
                                            .partition = partition,
                                            .offset = offset,
                                            .done = wake}};
    log_start_save(&awaited.save);
    if (!awaited.is_done) {
        awaited.job = job;
        job_suspend(job);
    }
    return awaited.save.status;
}

enum status log_starts_forget(struct job *job, struct shard *shard, uint32_t dir_index,
                              struct str topic, int32_t partition) {
    const struct broker_dir *dir = &shard->broker->dirs[dir_index];
    enum status st = ST_OK;
    if (checkpoint_find(&dir->log_starts, topic, partition, 0) > 0)
        st = log_start_save_wait(job, shard, dir_index, false, topic, partition, LOG_START_FORGET);
    if (st == ST_OK && checkpoint_find(&dir->clean_ends, topic, partition, -1) >= 0)
        st = log_start_save_wait(job, shard, dir_index, true, topic, partition, LOG_START_FORGET);
    return st;
}
