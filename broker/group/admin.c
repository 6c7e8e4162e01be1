/* broker/group/admin.c - groups listed, described, deleted. Source:
 * GroupMetadataManager.listGroups, describeGroups, deleteGroups of
 * org.apache.kafka.coordinator.group. */
#include "broker/group/admin.h"
#include <ctype.h>
#include "broker/group/offsets.h"
#include "protocol/errors.h"

/* --- ListGroups --- */

static bool eq_any_case(struct str a, const char *b) {
    size_t len = strlen(b);
    for (size_t i = 0; i < len && a.len == len; i++) {
        if (tolower((unsigned char)a.ptr[i]) != tolower((unsigned char)b[i])) return false;
    }
    return a.len == len;
}

static bool passes(const struct str *filter, int32_t count, const char *value) {
    for (int32_t i = 0; i < count; i++) {
        if (eq_any_case(filter[i], value)) return true;
    }
    return count <= 0;
}

void admin_list(struct coordinator *c, struct group_ticket *ticket) {
    const struct list_groups_request *in = ticket->request;
    struct list_groups_response *out = ticket->response;
    out->groups =
        list_groups_response_listed_group_array(ticket->arena, (int32_t)c->groups.count);
    bool has_memory = out->groups != NULL;
    for (struct map_node *n = NULL; has_memory && (n = map_next(&c->groups, n)) != NULL;) {
        const struct group *group = CONTAINER_OF(n, struct group, node);
        const struct group_kind *kind = group->body->kind;
        const char *state = kind->state_name(group);
        if (!passes(in->states_filter, in->states_filter_count, state) ||
            !passes(in->types_filter, in->types_filter_count, kind->type))
            continue;
        struct list_groups_response_listed_group *listed = &out->groups[out->groups_count++];
        listed->group_id = arena_str(ticket->arena, group->id);
        listed->protocol_type = arena_str(ticket->arena, kind->protocol_type(group));
        listed->group_state = str_of(state);
        listed->group_type = str_of(kind->type);
        has_memory = listed->group_id.ptr != NULL && listed->protocol_type.ptr != NULL;
    }
    if (!has_memory) group_ticket_fail(ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    group_effects_reply(c->fx, ticket);
}

/* --- DescribeGroups --- */

static void describe_missing(struct group_ticket *ticket, struct str id) {
    struct describe_groups_response_described_group *out = ticket->response;
    out->group_id = id;
    out->group_state = STR("Dead");
    if (ticket->version < 6) return;
    out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    out->error_message = arena_printf(ticket->arena, "Group %.*s not found.", STR_ARG(id));
}

void admin_describe(struct coordinator *c, struct group_ticket *ticket) {
    const struct str *id = ticket->request;
    struct describe_groups_response_described_group *out = ticket->response;
    const struct group *group = group_find(c, *id);
    out->group_id = *id;
    if (group == NULL || group->body->kind->describe == NULL) {
        describe_missing(ticket, *id);
    } else if (!group->body->kind->describe(group, out, ticket->arena)) {
        group_ticket_fail(ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    }
    group_effects_reply(c->fx, ticket);
}

/* --- DeleteGroups --- */

void admin_delete(struct coordinator *c, struct group_ticket *ticket) {
    const struct str *id = ticket->request;
    struct delete_groups_response_deletable_group_result *out = ticket->response;
    struct group *group = group_find(c, *id);
    out->group_id = *id;
    out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    if (group != NULL) out->error_code = group->body->kind->check_delete(group);
    if (group != NULL && out->error_code == KAFKA_NONE &&
        (!offsets_forget_all(group) || !group_bury(group)))
        out->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE; /* what is left can be deleted again */
    group_effects_reply(c->fx, ticket);
}
