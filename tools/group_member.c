/* tools/group_member.c - see group_member.h. */
#include "tools/group_member.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "base/assert.h"
#include "tools/cli.h"
#include "tools/clock.h"
#include "tools/rdkafka_settings.h"

#define POLL_MS 10 /* between looks whether the consumer is closed */
#define ASK_MS 5000 /* of each question to a broker; unanswered, the position is left open */

static bool setting_is(rd_kafka_t *rk, const char *key, const char *value) {
    char text[64];
    size_t bytes = sizeof text;
    return rd_kafka_conf_get(rd_kafka_conf(rk), key, text, &bytes) == RD_KAFKA_CONF_OK &&
           strcmp(text, value) == 0;
}

/* --- where it begins --- */

static struct {
    struct reset_policy policy;
    rd_kafka_topic_partition_list_t *found; /* the positions that it found; NULL: none yet */
    bool has_problem;
    char problem[1024];
} beginning;

void group_member_begin(const struct settings *settings) {
    beginning.policy = rdkafka_reset_policy(settings);
}

const char *group_member_problem(void) { return beginning.has_problem ? beginning.problem : NULL; }

__attribute__((format(printf, 1, 2))) static void set_problem(const char *format, ...) {
    va_list args;
    if (beginning.has_problem) return;
    va_start(args, format);
    /* cut when longer */
    (void)vsnprintf(beginning.problem, sizeof beginning.problem, format, args);
    va_end(args);
    beginning.has_problem = true;
}

/* Java's sentence. */
static void has_no_position(rd_kafka_topic_partition_list_t *partitions) {
    char names[768];
    size_t len = 0;
    rd_kafka_topic_partition_list_sort(partitions, NULL, NULL);
    for (int i = 0; i < partitions->cnt && len < sizeof names; i++) {
        int n = snprintf(names + len, sizeof names - len, "%s%s-%d", i > 0 ? ", " : "",
                         partitions->elems[i].topic, (int)partitions->elems[i].partition);
        len += (size_t)MAX(n, 0);
    }
    set_problem("Undefined offset with no reset policy for partitions: [%s]", names);
}

/* Of a policy other than `none`; false: it cannot be found. */
static bool find_position(rd_kafka_t *rk, const char *topic, int32_t partition,
                          int64_t *ret_offset) {
    int64_t first, end;
    if (rd_kafka_query_watermark_offsets(rk, topic, partition, &first, &end, ASK_MS) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *ret_offset = beginning.policy.kind == RESET_EARLIEST ? first : end;
    if (beginning.policy.kind != RESET_BY_DURATION) return true;
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, topic, partition)->offset =
        MAX(clock_wall_ms() - beginning.policy.duration_ms, 0);
    bool is_found = rd_kafka_offsets_for_times(rk, one, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                    one->elems[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (is_found && one->elems[0].offset >= 0) *ret_offset = one->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(one);
    return is_found;
}

static void remember(const char *topic, int32_t partition, int64_t offset) {
    if (beginning.found == NULL) beginning.found = rd_kafka_topic_partition_list_new(8);
    rd_kafka_topic_partition_t *p =
        rd_kafka_topic_partition_list_find(beginning.found, topic, partition);
    if (p == NULL) p = rd_kafka_topic_partition_list_add(beginning.found, topic, partition);
    p->offset = offset;
}

/* What is given anew: others may have read there since. */
static void forget(const rd_kafka_topic_partition_list_t *given) {
    for (int i = 0; beginning.found != NULL && i < given->cnt; i++)
        (void)rd_kafka_topic_partition_list_del(beginning.found, given->elems[i].topic,
                                                given->elems[i].partition);
}

static bool librdkafka_finds_it(void) {
    return beginning.policy.kind == RESET_EARLIEST || beginning.policy.kind == RESET_LATEST;
}

rd_kafka_topic_partition_list_t *
group_member_find_positions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, bool needed) {
    rd_kafka_topic_partition_list_t *found = rd_kafka_topic_partition_list_new(list->cnt);
    forget(list);
    if (!needed && librdkafka_finds_it()) return found;
    rd_kafka_topic_partition_list_t *known = rd_kafka_topic_partition_list_copy(list);
    rd_kafka_topic_partition_list_t *unknown = rd_kafka_topic_partition_list_new(list->cnt);
    if (rd_kafka_committed(rk, known, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < known->cnt; i++) {
            const rd_kafka_topic_partition_t *p = &known->elems[i];
            int64_t offset = 0;
            if (p->offset != RD_KAFKA_OFFSET_INVALID || p->err != RD_KAFKA_RESP_ERR_NO_ERROR)
                continue;
            if (beginning.policy.kind == RESET_NONE) {
                rd_kafka_topic_partition_list_add(unknown, p->topic, p->partition);
            } else if (find_position(rk, p->topic, p->partition, &offset)) {
                list->elems[i].offset = offset;
                remember(p->topic, p->partition, offset);
                rd_kafka_topic_partition_list_add(found, p->topic, p->partition)->offset = offset;
            }
        }
    }
    if (unknown->cnt > 0) {
        has_no_position(unknown);
        while (list->cnt > 0) (void)rd_kafka_topic_partition_list_del_by_idx(list, list->cnt - 1);
    }
    rd_kafka_topic_partition_list_destroy(unknown);
    rd_kafka_topic_partition_list_destroy(known);
    return found;
}

bool group_member_find_reset(rd_kafka_t *rk, const rd_kafka_message_t *message,
                             int64_t *ret_offset) {
    const char *topic = rd_kafka_topic_name(message->rkt);
    int32_t partition = message->partition;
    if (beginning.policy.kind != RESET_NONE) {
        if (find_position(rk, topic, partition, ret_offset)) return true;
        set_problem("Partition %s-%d: %s", topic, (int)partition, rd_kafka_message_errstr(message));
    } else if (message->offset >= 0) {
        set_problem("Fetch position %lld is out of range for partition %s-%d",
                    (long long)message->offset, topic, (int)partition);
    } else {
        rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(one, topic, partition);
        has_no_position(one);
        rd_kafka_topic_partition_list_destroy(one);
    }
    return false;
}

/* All that it has: this one elsewhere, the others where they were read up to or were to begin. */
static rd_kafka_resp_err_t assign_all_again(rd_kafka_t *rk,
                                            const rd_kafka_topic_partition_t *moved) {
    rd_kafka_topic_partition_list_t *all;
    rd_kafka_resp_err_t err = rd_kafka_assignment(rk, &all);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) return err;
    err = rd_kafka_position(rk, all);
    for (int i = 0; i < all->cnt; i++) {
        rd_kafka_topic_partition_t *p = &all->elems[i];
        const rd_kafka_topic_partition_t *found =
            rd_kafka_topic_partition_list_find(beginning.found, p->topic, p->partition);
        bool is_moved = p->partition == moved->partition && strcmp(p->topic, moved->topic) == 0;
        if (is_moved || (p->offset < 0 && found != NULL)) p->offset = found->offset;
    }
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) err = rd_kafka_assign(rk, all);
    rd_kafka_topic_partition_list_destroy(all);
    return err;
}

/* librdkafka has ended with the partition, and does not seek in it. */
void group_member_reset(rd_kafka_t *rk, const rd_kafka_message_t *message) {
    const char *topic = rd_kafka_topic_name(message->rkt);
    int64_t offset;
    if (!group_member_find_reset(rk, message, &offset)) return;
    remember(topic, message->partition, offset);
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, topic, message->partition)->offset = offset;
    if (strcmp(rd_kafka_rebalance_protocol(rk), "EAGER") == 0) {
        rd_kafka_resp_err_t err = assign_all_again(rk, &one->elems[0]);
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR) cli_exit("assign: %s", rd_kafka_err2str(err));
    } else {
        rd_kafka_error_t *error = rd_kafka_incremental_unassign(rk, one);
        if (error == NULL) error = rd_kafka_incremental_assign(rk, one);
        if (error != NULL) cli_exit("assign: %s", rd_kafka_error_string(error));
    }
    rd_kafka_topic_partition_list_destroy(one);
}

/* --- what it is given --- */

/* What it is to let go of: with a problem it may never have had it. */
static rd_kafka_error_t *let_go(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *all;
    if (!beginning.has_problem || rd_kafka_assignment(rk, &all) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return rd_kafka_incremental_unassign(rk, list);
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(rk, all);
    rd_kafka_topic_partition_list_destroy(all);
    return error;
}

void group_member_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                            rd_kafka_topic_partition_list_t *list, void *unused) {
    (void)unused;
    bool given = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    bool commits = given && setting_is(rk, "enable.auto.commit", "true");
    rd_kafka_topic_partition_list_t *found =
        given ? group_member_find_positions(rk, list, commits) : NULL;
    rd_kafka_error_t *error = NULL;
    if (strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0)
        error = given ? rd_kafka_incremental_assign(rk, list) : let_go(rk, list);
    else if (rd_kafka_assign(rk, given ? list : NULL) != RD_KAFKA_RESP_ERR_NO_ERROR)
        cli_exit("assign: %s", rd_kafka_err2str(rd_kafka_last_error()));
    if (error != NULL) cli_exit("assign: %s", rd_kafka_error_string(error));
    if (found == NULL) return;
    if (commits && found->cnt > 0)
        (void)rd_kafka_commit(rk, found, 1); /* the next one would have it, too */
    rd_kafka_topic_partition_list_destroy(found);
}

/* --- leaving --- */

/* Its callbacks come on the thread that closes, while the other one waits. */
static struct {
    rd_kafka_t *rk;
    atomic_bool is_done;
} closing;

static void *close_on_a_thread(void *unused) {
    (void)unused;
    (void)rd_kafka_consumer_close(closing.rk); /* what it says is no reason to stay */
    closing.is_done = true;
    return NULL;
}

bool group_member_close(rd_kafka_t *rk) {
    int64_t end_ms = clock_ms() + GROUP_MEMBER_CLOSE_MS;
    pthread_t thread;
    closing.rk = rk;
    if (pthread_create(&thread, NULL, close_on_a_thread, NULL) != 0) return false;
    while (!closing.is_done && clock_ms() < end_ms) (void)poll(NULL, 0, POLL_MS);
    if (!closing.is_done) return false; /* the thread ends with the process */
    (void)pthread_join(thread, NULL);   /* it has ended, or is about to */
    if (beginning.found != NULL) rd_kafka_topic_partition_list_destroy(beginning.found);
    beginning.found = NULL;
    return true;
}
