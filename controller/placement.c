/* controller/placement.c - striping replicas over brokers. */
#include "controller/placement.h"
#include <stdlib.h>
#include "base/assert.h"

/* A broker whose directories are all cordoned takes nothing. */
static bool has_place(const struct broker_image *broker) {
    bool has_place = broker->cordoned_count <= 0;
    for (int32_t i = 0; i < broker->directory_count; i++)
        has_place = has_place || !broker_is_cordoned(broker, broker->directories[i]);
    return has_place;
}

static void placement_add(struct placement *placement, const struct image *image, bool fenced) {
    struct image_iter iter;
    image_iter_brokers(image, &iter);
    for (const struct broker_image *broker; (broker = image_next_broker(&iter)) != NULL;) {
        if (broker->fenced == fenced && has_place(broker))
            placement->brokers[placement->count++] = broker;
    }
}

enum status placement_init(struct placement *placement, const struct image *image, uint32_t start,
                           struct arena *arena) {
    *placement = (struct placement){.start = start};
    size_t count = 0;
    struct image_iter iter;
    image_iter_brokers(image, &iter);
    while (image_next_broker(&iter) != NULL) count++;
    placement->brokers = arena_array(arena, count, sizeof(struct broker_image *));
    if (placement->brokers == NULL) return ST_NOMEM;
    placement_add(placement, image, false);
    placement->unfenced_count = placement->count;
    placement_add(placement, image, true);
    return ST_OK;
}

struct str placement_problem(const struct placement *placement, int16_t replication_factor,
                             struct arena *arena) {
    if (placement->unfenced_count == 0)
        return STR("All brokers are currently fenced, or have all their log directories cordoned.");
    if (replication_factor > placement->count) {
        return arena_printf(
            arena,
            "The target replication factor of %d cannot be reached because only %d broker(s) are "
            "registered or some brokers have all their log directories cordoned.",
            replication_factor, placement->count);
    }
    return STR_NULL;
}

void placement_next(const struct placement *placement, int32_t partition,
                    int16_t replication_factor, int32_t *ret_replicas) {
    int32_t unfenced = placement->unfenced_count;
    ASSERT(replication_factor <= placement->count && unfenced > 0);
    uint32_t first =
        (uint32_t)(((uint64_t)placement->start + (uint64_t)partition) % (uint64_t)unfenced);
    for (int32_t i = 0; i < replication_factor; i++) {
        int32_t at = i < unfenced ? (int32_t)((first + (uint32_t)i) % (uint32_t)unfenced) : i;
        ret_replicas[i] = placement->brokers[at]->id;
    }
}

static struct uuid place_directory(const struct controller_context *ctx,
                                   const struct broker_image *broker) {
    if (broker->directory_count == 1) return broker->directories[0];
    bool is_own = broker->id == ctx->node_id && ctx->place_directory != NULL;
    return is_own ? ctx->place_directory(ctx->place_context) : DIRECTORY_UNASSIGNED;
}

enum status partition_begin(const struct controller_context *ctx, const int32_t *replicas,
                            int32_t replica_count, struct partition_image *ret_partition) {
    struct arena *arena = ctx->arena;
    int32_t *isr = arena_array(arena, (size_t)replica_count, sizeof *isr);
    struct uuid *directories = arena_array(arena, (size_t)replica_count, sizeof *directories);
    if (isr == NULL || directories == NULL) return ST_NOMEM;
    int32_t isr_count = 0;
    for (int32_t i = 0; i < replica_count; i++) {
        const struct broker_image *broker = image_broker(ctx->image, replicas[i]);
        ASSERT(broker != NULL);
        if (!broker->fenced && !broker->in_controlled_shutdown) isr[isr_count++] = replicas[i];
        directories[i] = place_directory(ctx, broker);
    }
    *ret_partition = (struct partition_image){
        .leader = isr_count > 0 ? isr[0] : PARTITION_LEADER_NONE,
        .replica_count = replica_count,
        .replicas = replicas,
        .isr_count = isr_count,
        .isr = isr,
        .directories = directories,
    };
    return ST_OK;
}

static int id_order(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

struct str assignment_problem(const struct image *image, const int32_t *brokers, int32_t count,
                              int32_t expected, int32_t *sorted, struct arena *arena) {
    if (count <= 0) return STR("The manual partition assignment includes an empty replica list.");
    memcpy(sorted, brokers, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, id_order);
    for (int32_t i = 0; i < count; i++) {
        if (image_broker(image, sorted[i]) == NULL) {
            return arena_printf(arena,
                                "The manual partition assignment includes broker %d, but no such "
                                "broker is registered.",
                                sorted[i]);
        }
        if (i > 0 && sorted[i] == sorted[i - 1]) {
            return arena_printf(
                arena, "The manual partition assignment includes the broker %d more than once.",
                sorted[i]);
        }
    }
    if (expected != 0 && count != expected) {
        return arena_printf(arena,
                            "The manual partition assignment includes a partition with %d "
                            "replica(s), but this is not "
                            "consistent with previous partitions, which have %d replica(s).",
                            count, expected);
    }
    return STR_NULL;
}
