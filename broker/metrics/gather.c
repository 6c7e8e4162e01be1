/* broker/metrics/gather.c - there, written down, back, put together. */
#include "broker/metrics/gather.h"
#include "base/assert.h"
#include "base/limits.h"
#include "broker/config/config.h"
#include "broker/metadata/publisher.h"
#include "broker/metrics/group_samples.h"
#include "broker/replication/partition.h"
#include "broker/shard/disk_watch.h"
#include "broker/shard/opening.h"
#include "broker/shard/places.h"
#include "log/rounds.h"

/* What one shard wrote down. */
struct gather_slot {
    struct io_message message;
    struct gather *gather;
    struct mem mem; /* of the arena alone: this slot passes from thread to thread */
    struct arena arena;
    struct shard_sample sample;
    struct directory_sample *directories; /* the broker's, as this shard sees them */
    struct topic_sample *topics;
    struct partition_sample *partitions;
    uint32_t directory_count, topic_count, partition_count;
    struct lag_notes groups;
    struct lag_ends ends; /* of everybody's groups, as this shard knows them */
    int64_t owned_count, offline_count; /* partitions of this shard */
    bool is_applying;                   /* a newer image: partitions may be missing for a moment */
    bool failed;                        /* no memory */
};

/* --- on each shard --- */

static void note_shard(struct gather_slot *slot, const struct shard *shard) {
    slot->sample = (struct shard_sample){
        .io = shard->io->stats,
        .memory_bytes = (int64_t)shard->mem->used_bytes,
        .memory_peak_bytes = (int64_t)shard->mem->peak_bytes,
        .allocations = (int64_t)shard->mem->alloc_count,
    };
    slot->owned_count = (int64_t)shard->partitions.count;
    slot->offline_count = shard->metrics.values[METRIC_PARTITIONS_OFFLINE];
    slot->is_applying = shard->is_applying;
}

static void note_directories(struct gather_slot *slot, const struct shard *shard) {
    uint32_t count = shard->broker->dir_count;
    slot->directories = arena_array(&slot->arena, count, sizeof *slot->directories);
    slot->failed = slot->failed || slot->directories == NULL;
    if (slot->directories == NULL) return;
    slot->directory_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct log_dir *dir = &shard->dirs[i];
        slot->directories[i] = (struct directory_sample){
            .path = arena_str(&slot->arena, dir->path),
            .inline_writes = (int64_t)dir->disk.inline_writes,
            .corrupt_reads = (int64_t)dir->corrupt_reads,
            .verified_bytes = (int64_t)dir->verified_bytes,
            .inline_stalls = (int64_t)dir->disk.inline_stalls,
            .ring_writes = (int64_t)dir->disk.ring_writes,
            .syncs = (int64_t)dir->sync_count,
            .syncfs = (int64_t)dir->fs_sync_count,
            .offline = dir->offline,
            .rung = (int64_t)shard->disks[i].rung,
            .full = (int64_t)dir->full_count,
            .wait_ms = (int64_t)(rounds_wait_us(dir) / 1000),
        };
        struct directory_sample *noted = &slot->directories[i];
        if (shard->index != 0) continue;
        disk_watch_sample(shard->broker, i, &noted->free_bytes, &noted->total_bytes,
                          &noted->reserve_bytes);
        noted->cordoned =
            shard->image != NULL && broker_dir_is_cordoned(shard->broker, shard->image, i);
    }
}

static void note_partition(struct gather_slot *slot, struct topic_sample *topic,
                           const struct partition *p) {
    struct partition_sample *sample = &slot->partitions[slot->partition_count++];
    *sample = (struct partition_sample){
        .topic = topic->name,
        .index = p->index,
        .log_start = log_start_offset(p->log),
        .log_end = log_end(p->log),
        .high_watermark = p->high_watermark,
        .log_bytes = (int64_t)log_size_bytes(p->log),
    };
    topic->partitions++;
    topic->log_bytes += sample->log_bytes;
    topic->produce_bytes += (int64_t)p->produce_bytes;
    topic->produce_records += (int64_t)p->produce_records;
    topic->fetch_bytes += (int64_t)p->fetch_bytes;
}

/* The next topic that is listed, NULL at the end: the same ones on every shard. */
static const struct topic_image *next_listed(struct image_iter *iter, uint32_t *topics,
                                             uint32_t *partitions) {
    for (const struct topic_image *topic; (topic = image_next_topic(iter)) != NULL;) {
        if (*topics == GATHER_TOPICS_MAX) return NULL;
        uint32_t count = (uint32_t)topic->partition_count;
        if (count > GATHER_PARTITIONS_MAX - *partitions) continue;
        *topics += 1;
        *partitions += count;
        return topic;
    }
    return NULL;
}

static void note_topics(struct gather_slot *slot, const struct shard *shard) {
    size_t owned = MIN(shard->partitions.count, (size_t)GATHER_PARTITIONS_MAX);
    uint32_t topics = 0, partitions = 0;
    slot->partitions = arena_array(&slot->arena, owned, sizeof *slot->partitions);
    slot->topics =
        arena_array(&slot->arena, MIN(owned, (size_t)GATHER_TOPICS_MAX), sizeof *slot->topics);
    slot->failed = slot->failed || slot->partitions == NULL || slot->topics == NULL;
    if (slot->failed) return;
    struct image_iter iter;
    image_iter_topics(shard->image, &iter);
    for (const struct topic_image *topic;
         (topic = next_listed(&iter, &topics, &partitions)) != NULL;) {
        struct topic_sample found = {.name = STR_NULL};
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (shard_of_partition(shard->broker, topic->id, i) != shard->index) continue;
            const struct partition *p = shard_partition(shard, topic->id, i);
            if (p == NULL) continue;
            if (found.name.ptr == NULL) found.name = arena_str(&slot->arena, topic->name);
            if (found.name.ptr == NULL) {
                slot->failed = true;
                return;
            }
            note_partition(slot, &found, p);
        }
        if (found.partitions > 0) slot->topics[slot->topic_count++] = found;
    }
}

static void post_all(struct gather *gather,
                     void (*deliver)(struct io_message *message, struct io *at)) {
    struct io *io = gather->broker->setup.ios[0];
    gather->away_count = gather->slot_count;
    for (uint32_t i = 0; i < gather->slot_count; i++) {
        gather->slots[i].message.deliver = deliver;
        io_post(io, i, &gather->slots[i].message);
    }
}

static void visit_ends(struct io_message *message, struct io *at);

/* On shard 0: all have said which groups they have. */
static void ask_for_ends(struct gather *gather) {
    const struct config *config = gather->broker->config;
    gather->is_second = true;
    for (uint32_t i = 0; i < gather->slot_count; i++)
        gather->groups[i] = &gather->slots[i].groups;
    lag_choose(gather->groups, gather->slot_count, config->klamm_metrics_groups_max,
               config->klamm_metrics_group_offsets_max);
    post_all(gather, visit_ends);
}

static void come_back(struct io_message *message, struct io *at) {
    struct gather *gather = CONTAINER_OF(message, struct gather_slot, message)->gather;
    if (--gather->away_count > 0) return;
    gather->wall_ms = at->now.wall_ms; /* shard 0's */
    bool has_groups = false;
    for (uint32_t i = 0; i < gather->slot_count; i++)
        has_groups = has_groups || gather->slots[i].groups.row_count > 0;
    if (has_groups && !gather->is_second) {
        ask_for_ends(gather);
    } else {
        gather->done(gather);
    }
}

static void ends_found(struct lag_ends *ends) {
    struct gather_slot *slot = CONTAINER_OF(ends, struct gather_slot, ends);
    slot->message.deliver = come_back;
    io_post(ends->shard->io, 0, &slot->message);
}

static void visit_ends(struct io_message *message, struct io *at) {
    struct gather_slot *slot = CONTAINER_OF(message, struct gather_slot, message);
    struct gather *gather = slot->gather;
    slot->ends = (struct lag_ends){.shard = gather->broker->shards[at->shard],
                                   .notes = gather->groups,
                                   .notes_count = gather->slot_count,
                                   .done = ends_found};
    lag_ends_find(&slot->ends);
}

static void visit(struct io_message *message, struct io *at) {
    struct gather_slot *slot = CONTAINER_OF(message, struct gather_slot, message);
    const struct shard *shard = slot->gather->broker->shards[at->shard];
    if (slot->gather->with_lists) {
        note_shard(slot, shard);
        note_directories(slot, shard);
        if (!shard->stopping) { /* the image goes with the metadata log */
            note_topics(slot, shard);
            lag_note(shard, &slot->arena, &slot->groups);
            slot->failed = slot->failed || slot->groups.failed;
        }
    }
    slot->message.deliver = come_back;
    io_post(at, 0, &slot->message);
}

/* --- on shard 0 --- */

static void note_cluster(struct gather *gather, const struct shard *shard) {
    const struct image *image = shard->image;
    int32_t node_id = shard->broker->node_id;
    uint32_t topics = 0, partitions = 0;
    struct image_iter iter;
    image_iter_topics(image, &iter);
    while (next_listed(&iter, &topics, &partitions) != NULL) {
    }
    gather->listed_partitions = partitions;
    gather->cluster_topics = image_topic_count(image);
    gather->cluster_partitions = (int64_t)image_partition_count(image);
    image_iter_topics(image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct partition_image *p = &topic->partitions[i];
            gather->leaderless_partitions += p->leader < 0;
            gather->under_replicated_partitions += p->isr_count < p->replica_count;
            gather->led_partitions += p->leader == node_id;
        }
    }
    image_iter_brokers(image, &iter);
    for (const struct broker_image *b; (b = image_next_broker(&iter)) != NULL;)
        gather->live_brokers += !b->fenced;
}

void gather_start(struct gather *gather, struct broker *broker, bool with_lists) {
    gather_clear(gather);
    gather->broker = broker;
    gather->with_lists = with_lists;
    gather->is_ready = broker != NULL && broker_is_ready(broker);
    gather->left = broker != NULL ? opening_left(broker) : (struct log_recovery){0};
    if (!gather->is_ready) {
        gather->done(gather);
        return;
    }
    ASSERT(broker->shard_count <= gather->slot_capacity);
    gather->slot_count = broker->shard_count;
    if (with_lists) note_cluster(gather, broker->shards[0]);
    post_all(gather, visit);
}

/* --- by whoever reads the results --- */

struct gather *gather_new(struct mem *mem, uint32_t shard_count) {
    struct gather *gather = MEM_NEW(mem, struct gather);
    gather->mem = mem;
    gather->slots = mem_need(mem, shard_count * sizeof *gather->slots);
    gather->groups = mem_need(mem, shard_count * sizeof(struct lag_notes *));
    gather->slot_capacity = shard_count;
    for (uint32_t i = 0; i < shard_count; i++) {
        struct gather_slot *slot = &gather->slots[i];
        slot->gather = gather;
        arena_init(&slot->arena, &slot->mem, 4096, 0);
    }
    return gather;
}

void gather_clear(struct gather *gather) {
    for (uint32_t i = 0; i < gather->slot_capacity; i++) {
        struct gather_slot *slot = &gather->slots[i];
        arena_release(&slot->arena);
        *slot = (struct gather_slot){.gather = gather, .mem = slot->mem};
        arena_init(&slot->arena, &slot->mem, 4096, 0);
    }
    *gather = (struct gather){.broker = gather->broker,
                              .mem = gather->mem,
                              .slots = gather->slots,
                              .groups = gather->groups,
                              .slot_capacity = gather->slot_capacity,
                              .done = gather->done,
                              .owner = gather->owner};
}

void gather_free(struct gather *gather) {
    struct mem *mem = gather->mem;
    for (uint32_t i = 0; i < gather->slot_capacity; i++) arena_release(&gather->slots[i].arena);
    mem_free(mem, gather->groups, gather->slot_capacity * sizeof(struct lag_notes *));
    mem_free(mem, gather->slots, gather->slot_capacity * sizeof *gather->slots);
    MEM_FREE(mem, gather);
}

/* Which slot's next row comes first, by name and then index; every slot's rows are in order. */
static int32_t first_partition(const struct gather *gather, const uint32_t *at) {
    const struct partition_sample *first = NULL;
    int32_t found = -1;
    for (uint32_t i = 0; i < gather->slot_count; i++) {
        const struct gather_slot *slot = &gather->slots[i];
        if (at[i] == slot->partition_count) continue;
        const struct partition_sample *row = &slot->partitions[at[i]];
        int order = first == NULL ? -1 : str_cmp(row->topic, first->topic);
        if (order == 0) order = row->index < first->index ? -1 : 1;
        if (order > 0) continue;
        first = row;
        found = (int32_t)i;
    }
    return found;
}

static bool join_partitions(const struct gather *gather, struct arena *arena,
                            struct metrics_sample *sample) {
    uint32_t at[LIMIT_SHARDS] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < gather->slot_count; i++) count += gather->slots[i].partition_count;
    struct partition_sample *rows = arena_array(arena, count, sizeof *rows);
    if (rows == NULL) return false;
    for (uint32_t n = 0; n < count; n++) {
        int32_t from = first_partition(gather, at);
        rows[n] = gather->slots[from].partitions[at[from]++];
    }
    sample->partitions = rows;
    sample->partition_count = count;
    return true;
}

static void add_topic(struct topic_sample *sum, const struct topic_sample *topic) {
    sum->partitions += topic->partitions;
    sum->log_bytes += topic->log_bytes;
    sum->produce_bytes += topic->produce_bytes;
    sum->produce_records += topic->produce_records;
    sum->fetch_bytes += topic->fetch_bytes;
}

/* The first name of all slots' next topics, null at the end. */
static struct str first_topic(const struct gather *gather, const uint32_t *at) {
    struct str first = STR_NULL;
    for (uint32_t i = 0; i < gather->slot_count; i++) {
        const struct gather_slot *slot = &gather->slots[i];
        if (at[i] == slot->topic_count) continue;
        struct str name = slot->topics[at[i]].name;
        if (first.ptr == NULL || str_cmp(name, first) < 0) first = name;
    }
    return first;
}

static bool join_topics(const struct gather *gather, struct arena *arena,
                        struct metrics_sample *sample) {
    uint32_t at[LIMIT_SHARDS] = {0};
    uint32_t most = 0;
    for (uint32_t i = 0; i < gather->slot_count; i++) most += gather->slots[i].topic_count;
    struct topic_sample *topics = arena_array(arena, most, sizeof *topics);
    if (topics == NULL) return false;
    sample->topics = topics;
    for (struct str name; (name = first_topic(gather, at)).ptr != NULL;) {
        struct topic_sample *sum = &topics[sample->topic_count++];
        *sum = (struct topic_sample){.name = name};
        for (uint32_t i = 0; i < gather->slot_count; i++) {
            const struct gather_slot *slot = &gather->slots[i];
            if (at[i] == slot->topic_count || !str_eq(slot->topics[at[i]].name, name)) continue;
            add_topic(sum, &slot->topics[at[i]++]);
        }
    }
    return true;
}

static bool join_directories(const struct gather *gather, struct arena *arena,
                             struct metrics_sample *sample) {
    uint32_t count = gather->slots[0].directory_count;
    struct directory_sample *sums = arena_array(arena, count, sizeof *sums);
    if (sums == NULL) return false;
    for (uint32_t d = 0; d < count; d++) {
        sums[d].path = gather->slots[0].directories[d].path;
        for (uint32_t i = 0; i < gather->slot_count; i++) {
            const struct directory_sample *one = &gather->slots[i].directories[d];
            sums[d].inline_writes += one->inline_writes;
            sums[d].corrupt_reads += one->corrupt_reads;
            sums[d].verified_bytes += one->verified_bytes;
            sums[d].inline_stalls += one->inline_stalls;
            sums[d].ring_writes += one->ring_writes;
            sums[d].syncs += one->syncs;
            sums[d].syncfs += one->syncfs;
            sums[d].full += one->full;
            sums[d].rung = MAX(sums[d].rung, one->rung);
            sums[d].free_bytes += one->free_bytes; /* shard 0's */
            sums[d].total_bytes += one->total_bytes;
            sums[d].reserve_bytes += one->reserve_bytes;
            sums[d].offline = MAX(sums[d].offline, one->offline);
            sums[d].wait_ms = MAX(sums[d].wait_ms, one->wait_ms);
            sums[d].cordoned += one->cordoned; /* shard 0's */
        }
    }
    sample->directories = sums;
    sample->directory_count = count;
    return true;
}

static bool join_shards(const struct gather *gather, struct arena *arena,
                        struct metrics_sample *sample) {
    struct shard_sample *shards = arena_array(arena, gather->slot_count, sizeof *shards);
    if (shards == NULL) return false;
    int64_t waiting = 0, owned = 0, offline = 0;
    bool is_applying = false;
    for (uint32_t i = 0; i < gather->slot_count; i++) {
        const struct gather_slot *slot = &gather->slots[i];
        shards[i] = slot->sample;
        waiting += (int64_t)(slot->sample.io.messages_sent - slot->sample.io.messages_received);
        owned += slot->owned_count;
        offline += slot->offline_count;
        is_applying = is_applying || slot->is_applying;
    }
    if (!is_applying) offline += MAX(gather->led_partitions - owned, 0);
    metrics_sample_set(sample, METRIC_MESSAGES_WAITING, (double)MAX(waiting, 0));
    metrics_sample_set(sample, METRIC_PARTITIONS_OFFLINE, (double)offline);
    sample->shards = shards;
    sample->shard_count = gather->slot_count;
    return true;
}

static bool join_groups(const struct gather *gather, struct arena *arena,
                        struct metrics_sample *sample) {
    struct lag_notes **notes = arena_array(arena, gather->slot_count, sizeof(struct lag_notes *));
    if (notes == NULL) return false;
    for (uint32_t i = 0; i < gather->slot_count; i++) notes[i] = &gather->slots[i].groups;
    return group_samples_make(notes, gather->slot_count, gather->wall_ms, arena, sample);
}

void gather_counters(const struct broker *broker, struct metrics_sample *sample) {
    for (uint32_t i = 0; i < broker->shard_count; i++)
        metrics_sum(&sample->totals, &broker->shards[i]->metrics);
}

bool gather_sample(const struct gather *gather, struct arena *arena,
                   struct metrics_sample *sample) {
    metrics_sample_set(sample, METRIC_READY, gather->is_ready);
    metrics_sample_set(sample, METRIC_RECOVERY_BYTES, (double)gather->left.bytes);
    metrics_sample_set(sample, METRIC_RECOVERY_LOGS, (double)gather->left.logs);
    metrics_sample_set(sample, METRIC_RECOVERY_SEGMENTS, (double)gather->left.segments);
    metrics_sample_set(sample, METRIC_ACTIVE_CONTROLLERS, gather->is_ready);
    if (!gather->is_ready) return true;
    for (uint32_t i = 0; i < gather->slot_count; i++) {
        if (gather->slots[i].failed) return false;
    }
    if (!join_shards(gather, arena, sample) || !join_directories(gather, arena, sample) ||
        !join_topics(gather, arena, sample) || !join_partitions(gather, arena, sample) ||
        !join_groups(gather, arena, sample))
        return false;
    sample->is_gathered = true;
    metrics_sample_set(sample, METRIC_BROKERS_LIVE, (double)gather->live_brokers);
    metrics_sample_set(sample, METRIC_CLUSTER_TOPICS, (double)gather->cluster_topics);
    metrics_sample_set(sample, METRIC_CLUSTER_PARTITIONS, (double)gather->cluster_partitions);
    metrics_sample_set(sample, METRIC_CLUSTER_PARTITIONS_OFFLINE,
                       (double)gather->leaderless_partitions);
    metrics_sample_set(sample, METRIC_CLUSTER_PARTITIONS_UNDER_REPLICATED,
                       (double)gather->under_replicated_partitions);
    metrics_sample_set(sample, METRIC_PARTITIONS_UNLISTED,
                       (double)(gather->cluster_partitions - gather->listed_partitions));
    return true;
}
