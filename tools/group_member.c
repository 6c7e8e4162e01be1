/* tools/group_member.c - see group_member.h. */
#include "tools/group_member.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "tools/cli.h"
#include "tools/clock.h"

#define POLL_MS 10 /* between looks whether the consumer is closed */
#define ASK_MS 5000 /* of each question to a broker; unanswered, the position is left open */

static bool setting_is(rd_kafka_t *rk, const char *key, const char *value) {
    char text[64];
    size_t bytes = sizeof text;
    return rd_kafka_conf_get(rd_kafka_conf(rk), key, text, &bytes) == RD_KAFKA_CONF_OK &&
           strcmp(text, value) == 0;
}

static bool begins_at_the_end(rd_kafka_t *rk) {
    return setting_is(rk, "auto.offset.reset", "latest") ||
           setting_is(rk, "auto.offset.reset", "largest") ||
           setting_is(rk, "auto.offset.reset", "end");
}

static bool begins_at_the_start(rd_kafka_t *rk) {
    return setting_is(rk, "auto.offset.reset", "earliest") ||
           setting_is(rk, "auto.offset.reset", "smallest") ||
           setting_is(rk, "auto.offset.reset", "beginning");
}

rd_kafka_topic_partition_list_t *
group_member_find_positions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *found = rd_kafka_topic_partition_list_new(list->cnt);
    rd_kafka_topic_partition_list_t *known = rd_kafka_topic_partition_list_copy(list);
    bool at_end = begins_at_the_end(rk);
    bool asks = at_end || begins_at_the_start(rk);
    if (asks && rd_kafka_committed(rk, known, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < known->cnt; i++) {
            const rd_kafka_topic_partition_t *p = &known->elems[i];
            int64_t first, end;
            if (p->offset != RD_KAFKA_OFFSET_INVALID || p->err != RD_KAFKA_RESP_ERR_NO_ERROR ||
                rd_kafka_query_watermark_offsets(rk, p->topic, p->partition, &first, &end,
                                                 ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
                continue;
            list->elems[i].offset = at_end ? end : first;
            rd_kafka_topic_partition_list_add(found, p->topic, p->partition)->offset =
                list->elems[i].offset;
        }
    }
    rd_kafka_topic_partition_list_destroy(known);
    return found;
}

void group_member_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                            rd_kafka_topic_partition_list_t *list, void *unused) {
    (void)unused;
    bool given = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    bool commits = given && setting_is(rk, "enable.auto.commit", "true");
    rd_kafka_topic_partition_list_t *found = commits ? group_member_find_positions(rk, list) : NULL;
    rd_kafka_error_t *error = NULL;
    if (strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0)
        error =
            given ? rd_kafka_incremental_assign(rk, list) : rd_kafka_incremental_unassign(rk, list);
    else if (rd_kafka_assign(rk, given ? list : NULL) != RD_KAFKA_RESP_ERR_NO_ERROR)
        cli_exit("assign: %s", rd_kafka_err2str(rd_kafka_last_error()));
    if (error != NULL) cli_exit("assign: %s", rd_kafka_error_string(error));
    if (found == NULL) return;
    if (found->cnt > 0) (void)rd_kafka_commit(rk, found, 1); /* the next one would have it, too */
    rd_kafka_topic_partition_list_destroy(found);
}

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
    return true;
}
