/* broker/handlers/list_groups.c - API 16: asked of the coordinator of every partition of
 * `__consumer_offsets` that this broker leads, answered together, by group id. One that is loading
 * fails the whole, as in Kafka: half a list would be taken for all. */
#include <stdlib.h>
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

struct listing {
    struct request *rq;
    struct list_groups_response *parts; /* by partition */
    int32_t count, open_count;
    int16_t error;
    bool has_memory;
};

static bool keep(struct listing *l, struct list_groups_response *part) {
    struct arena *arena = &l->rq->arena;
    struct list_groups_response_listed_group *groups =
        list_groups_response_listed_group_array(arena, part->groups_count);
    if (groups == NULL) return false;
    for (int32_t i = 0; i < part->groups_count; i++) {
        groups[i] = part->groups[i];
        groups[i].group_id = arena_str(arena, part->groups[i].group_id);
        groups[i].protocol_type = arena_str(arena, part->groups[i].protocol_type);
        if (groups[i].group_id.ptr == NULL || groups[i].protocol_type.ptr == NULL) return false;
    }
    part->groups = groups;
    return true;
}

static int by_id(const void *a, const void *b) {
    const struct list_groups_response_listed_group *x = a, *y = b;
    return str_cmp(x->group_id, y->group_id);
}

static void respond(struct listing *l) {
    struct list_groups_response *out = l->rq->out;
    int32_t total = 0;
    for (int32_t i = 0; i < l->count; i++) total += l->parts[i].groups_count;
    out->groups = list_groups_response_listed_group_array(&l->rq->arena, total);
    if (!l->has_memory || out->groups == NULL) {
        request_abandon(l->rq, true);
        return;
    }
    out->error_code = l->error;
    for (int32_t i = 0; i < l->count && l->error == KAFKA_NONE; i++) {
        for (int32_t g = 0; g < l->parts[i].groups_count; g++)
            out->groups[out->groups_count++] = l->parts[i].groups[g];
    }
    qsort(out->groups, (size_t)out->groups_count, sizeof *out->groups, by_id);
    request_respond(l->rq);
}

static void on_part(struct group_call *call) {
    struct listing *l = call->owner;
    struct list_groups_response *part = call->ticket.response;
    bool is_elsewhere = part->error_code == KAFKA_NOT_COORDINATOR;
    if (part->error_code != KAFKA_NONE && !is_elsewhere) l->error = part->error_code;
    if (part->error_code == KAFKA_NONE && !keep(l, part)) l->has_memory = false;
    if (--l->open_count == 0) respond(l);
}

void handle_list_groups(struct request *rq) {
    const struct topic_image *topic = offsets_topic(rq->shard);
    struct listing *l = ARENA_NEW(&rq->arena, struct listing);
    if (l != NULL) {
        *l = (struct listing){.rq = rq, .has_memory = true, .open_count = 1};
        l->count = topic != NULL ? topic->partition_count : 0;
        l->parts = arena_array(&rq->arena, (size_t)l->count, sizeof *l->parts);
    }
    if (l == NULL || l->parts == NULL) {
        request_abandon(rq, true);
        return;
    }
    for (int32_t i = 0; i < l->count; i++) {
        list_groups_response_defaults(&l->parts[i]);
        struct group_call *call =
            group_call_new(rq, CALL_LIST_GROUPS, rq->in, &l->parts[i], on_part);
        if (call == NULL) {
            l->has_memory = false;
            break;
        }
        call->owner = l;
        l->open_count++;
        group_call_go_to(call, i);
    }
    if (--l->open_count == 0) respond(l);
}
