/* broker/group/service.c - which coordinators a shard has, and how requests reach them. */
#include "broker/group/service.h"
#include <strings.h>
#include "base/assert.h"
#include "base/logging.h"
#include "broker/group/assignor.h"
#include "broker/config/settings.h"
#include "broker/group/host.h"
#include "broker/net/connection.h"
#include "protocol/errors.h"

#define KEPT_CALLS 256
#define MEMORY_SHARE 2 /* groups may take half as much as a shard's requests may */

/* --- coordinators --- */

const struct topic_image *offsets_topic(const struct shard *shard) {
    return image_topic_by_name(shard->image, OFFSETS_TOPIC);
}

struct partition *host_partition(const struct hosted *host) {
    return shard_partition(host->service->shard, host->topic_id, host->index);
}

static struct hosted *find_host(const struct group_service *service, struct uuid topic_id,
                                int32_t index) {
    LIST_EACH(&service->hosts, node) {
        struct hosted *host = CONTAINER_OF(node, struct hosted, link);
        if (host->index == index && uuid_eq(host->topic_id, topic_id)) return host;
    }
    return NULL;
}

static void host_new(struct group_service *service, struct uuid topic_id, int32_t index) {
    struct mem *mem = service->shard->mem;
    struct hosted *host = MEM_NEW(mem, struct hosted);
    *host = (struct hosted){.service = service, .topic_id = topic_id, .index = index};
    group_effects_init(&host->fx, mem);
    batch_builder_init(&host->builder, mem);
    strbuf_init(&host->verify, mem);
    list_init(&host->waiting);
    list_init(&host->writes);
    list_push_back(&service->hosts, &host->link);
    host_load(host);
}

static void host_free(struct hosted *host) {
    struct mem *mem = host->service->shard->mem;
    ASSERT(host->core == NULL && !host->is_being_read && list_is_empty(&host->waiting));
    list_remove(&host->link);
    group_effects_release(&host->fx);
    batch_builder_release(&host->builder);
    strbuf_release(&host->verify);
    MEM_FREE(mem, host);
}

static void leave(struct hosted *host) {
    io_timer_clear(host->service->shard->io, &host->retry);
    host_unload(host, KAFKA_NOT_COORDINATOR);
    host->state = HOST_LEAVING;
}

/* Keys that take one of several words take them in any case. */
static bool is_word(struct str text, const char *word) {
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

static bool policy_allows(struct str policy, const char *one) {
    return is_word(policy, "BIDIRECTIONAL") || is_word(policy, one);
}

/* At least one, and each of them is one: else the start was refused. */
static void read_assignors(struct group_settings *settings, const struct str_list *names) {
    settings->assignor_count = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        const struct assignor *found = assignor_find(names->items[i]);
        if (found != NULL && group_settings_assignor(settings, names->items[i]) == NULL)
            settings->assignors[settings->assignor_count++] = found;
    }
}

static bool list_has(const struct str_list *list, struct str item) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i], item)) return true;
    }
    return false;
}

static struct bounded_setting bounded(int64_t value, int64_t min, int64_t max) {
    return (struct bounded_setting){(int32_t)value, (int32_t)min, (int32_t)max}; /* ints, as keys */
}

static void read_settings(struct group_service *service) {
    const struct config *config = service->shard->broker->config;
    service->linger_ms = config->group_coordinator_append_linger_ms;
    service->cached_bytes_max = (size_t)config->group_coordinator_cached_buffer_max_bytes;
    service->patience_us = (uint64_t)config->offsets_commit_timeout_ms * 1000;
    service->settings = (struct group_settings){
        .metadata_bytes_max = (int32_t)config->offset_metadata_max_bytes,
        .retention_ms = config->offsets_retention_minutes * 60000,
        .retention_check_ms = config->offsets_retention_check_interval_ms,
        .session_timeout_ms_min = (int32_t)config->group_min_session_timeout_ms,
        .session_timeout_ms_max = (int32_t)config->group_max_session_timeout_ms,
        .initial_delay_ms = (int32_t)config->group_initial_rebalance_delay_ms,
        .group_size_max = (int32_t)config->group_max_size,
        .consumer_session_timeout_ms = bounded(config->group_consumer_session_timeout_ms,
                                               config->group_consumer_min_session_timeout_ms,
                                               config->group_consumer_max_session_timeout_ms),
        .consumer_heartbeat_interval_ms =
            bounded(config->group_consumer_heartbeat_interval_ms,
                    config->group_consumer_min_heartbeat_interval_ms,
                    config->group_consumer_max_heartbeat_interval_ms),
        .consumer_assignment_interval_ms =
            bounded(config->group_consumer_assignment_interval_ms,
                    config->group_consumer_min_assignment_interval_ms,
                    config->group_consumer_max_assignment_interval_ms),
        .consumer_group_size_max = (int32_t)config->group_consumer_max_size,
        .may_upgrade = policy_allows(config->group_consumer_migration_policy, "UPGRADE"),
        .may_downgrade = policy_allows(config->group_consumer_migration_policy, "DOWNGRADE"),
    };
    read_assignors(&service->settings, &config->group_consumer_assignors);
    service->serves_consumers =
        list_has(&config->group_coordinator_rebalance_protocols, STR("consumer"));
}

/* Those that may be altered while the broker runs. */
static void read_altered(struct group_service *service) {
    const struct shard *shard = service->shard;
    struct broker_settings settings =
        broker_settings_of(shard->broker->setup.config, shard->image, shard->broker->node_id);
    service->settings.consumer_assignment_interval_ms.value =
        (int32_t)setting_number(&settings, STR("group.consumer.assignment.interval.ms"));
    service->cached_bytes_max =
        (size_t)setting_number(&settings, STR("group.coordinator.cached.buffer.max.bytes"));
}

static void flush_dirty(struct io_later *later) {
    struct group_service *service = CONTAINER_OF(later, struct group_service, flush);
    while (!list_is_empty(&service->dirty))
        host_flush(CONTAINER_OF(service->dirty.next, struct hosted, dirty_link));
}

struct group_service *group_service_new(struct shard *shard) {
    struct group_service *service = MEM_NEW(shard->mem, struct group_service);
    service->shard = shard;
    service->mem.limit_bytes = shard->mem->limit_bytes / MEMORY_SHARE;
    service->mem.source = shard->mem->source;
    service->flush.run = flush_dirty;
    list_init(&service->hosts);
    list_init(&service->dirty);
    pool_init(&service->calls, shard->mem, sizeof(struct group_call), KEPT_CALLS);
    lag_cache_init(&service->lag, shard->mem);
    read_settings(service);
    return service;
}

void group_service_free(struct group_service *service) {
    while (!list_is_empty(&service->hosts))
        host_free(CONTAINER_OF(service->hosts.next, struct hosted, link));
    ASSERT(service->mem.used_bytes == 0);
    pool_release(&service->calls);
    lag_cache_release(&service->lag);
    MEM_FREE(service->shard->mem, service);
}

static void take_partition(struct group_service *service, const struct topic_image *topic,
                           int32_t index) {
    const struct partition *p = shard_partition(service->shard, topic->id, index);
    struct hosted *host = find_host(service, topic->id, index);
    if (p == NULL) return;
    if (host == NULL) {
        host_new(service, topic->id, index);
    } else if (host->state != HOST_LOADING && host->leader_epoch < p->leader_epoch) {
        LOG_INFO("groups", "event=new-epoch partition=%d epoch=%d", index, p->leader_epoch);
        host_renew(host);
    }
}

static void forget_topic(struct hosted *host, struct str topic) {
    const struct shard *shard = host->service->shard;
    if (host->state != HOST_ACTIVE) return;
    coordinator_topic_deleted(host->core, shard->io->now, shard->image, topic, &host->fx);
    host_take_effects(host);
}

void group_service_take_image(struct shard *shard, const struct topic_image *const *deleted,
                              uint32_t deleted_count) {
    struct group_service *service = shard->groups;
    const struct topic_image *topic = offsets_topic(shard);
    if (service->is_stopped) return;
    read_altered(service);
    for (uint32_t i = 0; i < deleted_count; i++) {
        LIST_EACH(&service->hosts, node)
        forget_topic(CONTAINER_OF(node, struct hosted, link), deleted[i]->name);
    }
    for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++)
        take_partition(service, topic, i);
}

void group_service_leave(struct shard *shard, struct uuid topic_id) {
    LIST_EACH(&shard->groups->hosts, node) {
        struct hosted *host = CONTAINER_OF(node, struct hosted, link);
        if (!uuid_eq(host->topic_id, topic_id)) continue;
        leave(host);
        if (!host->is_being_read) host_free(host);
    }
}

void group_service_stop(struct shard *shard) {
    struct group_service *service = shard->groups;
    service->is_stopped = true;
    lag_cache_stop(&service->lag);
    LIST_EACH(&service->hosts, node) leave(CONTAINER_OF(node, struct hosted, link));
}

bool group_service_serves_consumers(const struct shard *shard) {
    return shard->groups->serves_consumers;
}

/* --- calls --- */

/* The coordinator's shard takes back the memory of the answer. */
static void arena_home(struct io_message *message, struct io *at) {
    (void)at;
    struct group_call *call = CONTAINER_OF(message, struct group_call, message);
    pool_put(&call->visit.home->groups->calls, call);
}

static void release_arena(struct io_message *message, struct io *at) {
    struct group_call *call = CONTAINER_OF(message, struct group_call, message);
    arena_release(&call->arena);
    message->deliver = arena_home;
    io_post(at, call->visit.home->index, message);
}

static void call_home(struct group_call *call) {
    struct shard *home = call->visit.home;
    if (--call->out > 0) return;
    call->rq->cancel = NULL;
    call->done(call);
    if (call->arena.first == NULL || call->at == home) {
        arena_release(&call->arena);
        pool_put(&home->groups->calls, call);
        return;
    }
    call->message.deliver = release_arena;
    io_post(home->io, call->at->index, &call->message);
}

static void visit_returned(struct visit *visit) {
    call_home(CONTAINER_OF(visit, struct group_call, visit));
}

void group_call_finish(struct group_call *call) { visit_return(&call->visit); }

static int16_t problem_of(const struct group_service *service, const struct hosted *host) {
    if (service->is_stopped) return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (host == NULL) return KAFKA_NOT_COORDINATOR;
    switch (host->state) {
    case HOST_ACTIVE: return KAFKA_NONE;
    case HOST_LOADING: return KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    case HOST_FAILED:
    case HOST_LEAVING: break;
    }
    return KAFKA_NOT_COORDINATOR;
}

static void visit_work(struct visit *visit, struct shard *at) {
    struct group_call *call = CONTAINER_OF(visit, struct group_call, visit);
    struct hosted *host = find_host(at->groups, call->topic_id, call->partition);
    int16_t problem = problem_of(at->groups, host);
    call->at = at;
    arena_init(&call->arena, at->mem, 1024, 0);
    call->ticket.arena = &call->arena;
    if (problem == KAFKA_NONE) {
        host->core->image = at->image;
        coordinator_request(host->core, at->io->now, &call->ticket, &host->fx);
        host_take_effects(host);
        return;
    }
    /* A heartbeat finds a loading coordinator: the member is to go on. */
    if (problem == KAFKA_COORDINATOR_LOAD_IN_PROGRESS && call->ticket.kind == CALL_HEARTBEAT)
        problem = KAFKA_NONE;
    group_ticket_fail(&call->ticket, problem);
    visit_return(visit);
}

/* --- a connection that closes --- */

static void cancel_home(struct io_message *message, struct io *at) {
    (void)at;
    call_home(CONTAINER_OF(message, struct group_call, message));
}

static void cancel_there(struct io_message *message, struct io *at) {
    struct group_call *call = CONTAINER_OF(message, struct group_call, message);
    struct shard *home = call->visit.home;
    bool waited = coordinator_abandon(&call->ticket);
    message->deliver = cancel_home;
    io_post(at, home->index, message);
    if (waited) visit_return(&call->visit);
}

static void cancel(struct request *rq) {
    struct group_call *call = rq->state_of_handler;
    rq->cancel = NULL;
    if (call->out == 0) return; /* it is on its way home */
    call->out++;
    call->message.deliver = cancel_there;
    io_post(rq->shard->io, call->visit.target, &call->message);
}

void group_call_cancellable(struct group_call *call) {
    call->rq->state_of_handler = call;
    call->rq->cancel = cancel;
}

/* --- out --- */

struct group_call *group_call_new(struct request *rq, enum group_call_kind kind, const void *in,
                                  void *response, void (*done)(struct group_call *call)) {
    struct group_call *call = pool_get(&rq->shard->groups->calls);
    if (call == NULL) return NULL;
    *call = (struct group_call){
        .visit = {.home = rq->shard, .work = visit_work, .returned = visit_returned},
        .ticket = {.kind = kind,
                   .version = rq->header.request_api_version,
                   .request = in,
                   .response = response,
                   .client_id = rq->header.client_id.ptr != NULL ? rq->header.client_id : STR("")},
        .rq = rq,
        .done = done,
        .out = 1,
    };
    return call;
}

void group_call_fail(struct group_call *call, int16_t error) {
    call->at = call->visit.home;
    group_ticket_fail(&call->ticket, error);
    call_home(call);
}

void group_call_go_to(struct group_call *call, int32_t partition) {
    struct shard *home = call->visit.home;
    const struct topic_image *topic = offsets_topic(home);
    if (topic == NULL || partition < 0 || partition >= topic->partition_count) {
        group_call_fail(call, KAFKA_NOT_COORDINATOR);
        return;
    }
    call->topic_id = topic->id;
    call->partition = partition;
    call->visit.target = shard_of_partition(home->broker, topic->id, partition);
    visit_go(&call->visit);
}

void group_call_go(struct group_call *call, struct str group_id) {
    const struct topic_image *topic = offsets_topic(call->visit.home);
    group_call_go_to(call, topic != NULL ? group_partition(group_id, topic->partition_count) : -1);
}
