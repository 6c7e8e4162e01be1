/* tests/sim/loss.c - see loss.h. */
#include "tests/sim/loss.h"
#include "base/assert.h"
#include "broker/metadata/publisher.h"
#include "broker/shard/shard.h"
#include "controller/records.h"
#include "tests/sim/group_replay.h"

static void decide(struct decision *decision, const struct controller_context *ctx) {
    const struct loss *loss = decision->owner;
    const struct topic_image *topic =
        image_topic_by_name(ctx->image, STR("__consumer_offsets"));
    if (topic == NULL) return;
    int32_t index = loss->index;
    if (index < 0)
        index = (int32_t)prng_below(&loss->world->prng, (uint64_t)topic->partition_count);
    struct partition_change_record change = partition_change_begin(topic, index);
    change.leader = ctx->node_id;
    controller_records_add(&decision->records, &partition_change_record_schema,
                           partition_change_version(ctx->image), &change);
    world_count(loss->world, FAULT_COORDINATOR_LOST);
}

static void decided(struct decision *decision, enum status st) {
    (void)st; /* the process may be on its way out */
    decision_free(decision);
}

void loss_inflict(struct loss *loss, struct broker *broker) {
    struct decision *decision = decision_new(broker->publisher);
    decision->owner = loss;
    decision->decide = decide;
    decision->done = decided;
    publisher_submit(broker->publisher, decision);
}

void loss_compare(struct node *node, int32_t partition, int64_t end, struct str dump) {
    struct world *world = node->world;
    struct mem mem = {0};
    struct strbuf out;
    strbuf_init(&out, &mem);
    if (!group_replay(node->disk, partition, end, &out)) {
        world_fail(world, "partition %d of the offsets topic cannot be replayed", partition);
    } else if (!str_eq(strbuf_str(&out), dump)) {
        world_trace(world, "loaded:\n%.*sreplayed:\n%.*s", STR_ARG(dump),
                    STR_ARG(strbuf_str(&out)));
        world_fail(world, "partition %d of the offsets topic was loaded as something else",
                   partition);
    }
    strbuf_release(&out);
    ASSERT(mem.used_bytes == 0);
}
