/* broker/shard/moves.c - one job a move, its rate from shard 0, its decision by shard 0. */
#include "broker/shard/moves.h"
#include <inttypes.h>
#include "base/limits.h"
#include "base/logging.h"
#include "broker/config/settings.h"
#include "broker/metadata/publisher.h"
#include "broker/shard/checkpoints.h"
#include "broker/shard/sweep.h"
#include "log/cleaner.h"
#include "log/move.h"

#define NAP_US UINT64_C(1000)
#define PACE_NAP_US UINT64_C(100000) /* how soon a changed rate and an end are noticed */

struct move {
    struct log_move log_move;
    struct shard *shard;
    struct partition_key key;
    struct partition *partition; /* used while the move is under way, else NULL */
    uint32_t dir_index;
    struct str leftover; /* a `-future` directory of an earlier process; broker->arena */
    bool is_cancelled;
    bool has_prepared; /* the checkpoint files of where it goes speak of it */
};

static struct move *move_of(struct log_move *log_move) {
    return CONTAINER_OF(log_move, struct move, log_move);
}

static uint32_t dir_index_of(const struct partition *p) {
    return (uint32_t)(log_directory(p->log) - p->shard->dirs);
}

static bool may_go_on(struct log_move *log_move) {
    struct move *move = move_of(log_move);
    log_move->keeps_copy = move->shard->stopping;
    return !move->is_cancelled && !move->shard->stopping &&
           move->partition->state == PARTITION_ONLINE;
}

static void leave(struct shard *shard) {
    if (--shard->move_count > 0 || shard->moves_stopper == NULL) return;
    struct job *stopper = shard->moves_stopper;
    shard->moves_stopper = NULL;
    job_wake(stopper);
}

/* --- a word with shard 0 --- */

/* It goes there and comes back; the job that waits for it may give up first. */
struct errand {
    struct io_message message;
    struct shard *home;
    struct directory_assignment assignment;
    uint64_t bytes, at_us; /* a rate's: octets that may be copied from then on */
    bool is_done, is_abandoned;
};

static struct errand *send_errand(struct shard *shard,
                                  void (*deliver)(struct io_message *, struct io *)) {
    struct errand *errand = MEM_NEW(shard->mem, struct errand);
    errand->home = shard;
    errand->message.deliver = deliver;
    shard->move_count++; /* the shard stays for it */
    return errand;
}

static void end_errand(struct errand *errand) {
    struct shard *shard = errand->home;
    MEM_FREE(shard->mem, errand);
    leave(shard);
}

static void errand_home(struct io_message *message, struct io *at) {
    (void)at;
    struct errand *errand = CONTAINER_OF(message, struct errand, message);
    errand->is_done = true;
    if (errand->is_abandoned) end_errand(errand);
}

static void go_home(struct errand *errand, struct io *from) {
    errand->message.deliver = errand_home;
    io_post(from, errand->home->index, &errand->message);
}

/* --- the rate --- */

static int64_t rate_of(const struct shard *shard) {
    struct broker_settings settings =
        broker_settings_of(shard->broker->setup.config, shard->image, shard->broker->node_id);
    int64_t rate =
        setting_number(&settings, STR("replica.alter.log.dirs.io.max.bytes.per.second"));
    return rate == CONFIG_UNSET ? INT64_MAX : rate; /* a key that only the running broker has */
}

static void take_turn(struct io_message *message, struct io *at) {
    struct errand *errand = CONTAINER_OF(message, struct errand, message);
    struct broker *broker = errand->home->broker;
    uint64_t rate = (uint64_t)MAX(rate_of(broker->shards[0]), INT64_C(1));
    bool is_same = rate == broker->moves_rate;
    broker->moves_rate = rate;
    /* What was not copied in time is not made up for. */
    errand->at_us = is_same ? MAX(broker->moves_next_us, at->now.mono_us) : at->now.mono_us;
    broker->moves_next_us = errand->at_us + errand->bytes * 1000000 / rate;
    go_home(errand, at);
}

static void pace(struct job *job, struct log_move *log_move, uint64_t bytes) {
    struct shard *shard = move_of(log_move)->shard;
    int64_t rate = rate_of(shard);
    if (rate == INT64_MAX) return;
    struct errand *errand = send_errand(shard, take_turn);
    errand->bytes = bytes;
    io_post(shard->io, 0, &errand->message);
    while (!errand->is_done) job_sleep_until(job, shard->io->now.mono_us + NAP_US);
    uint64_t at_us = errand->at_us;
    end_errand(errand);
    while (may_go_on(log_move) && (rate == 0 || shard->io->now.mono_us < at_us)) {
        job_sleep_until(job, shard->io->now.mono_us + PACE_NAP_US);
        if (rate_of(shard) != rate) return; /* the next octets go by the new one */
    }
}

/* --- what others must know --- */

static enum status prepare(struct job *job, struct log_move *log_move) {
    struct move *move = move_of(log_move);
    struct partition *p = move->partition;
    enum status st = ST_OK;
    move->has_prepared = true;
    if (log_start_offset(p->log) > log_first_base_offset(p->log) || p->has_saved_start) {
        st = log_start_save_wait(job, p->shard, move->dir_index, false, p->topic, p->index,
                                 log_start_offset(p->log));
        p->has_saved_start = true;
    }
    if (st == ST_OK && log_clean_end(p->log) >= 0) {
        st = log_start_save_wait(job, p->shard, move->dir_index, true, p->topic, p->index,
                                 log_clean_end(p->log));
    }
    return st;
}

static void assigned(struct directory_assignment *assignment) {
    struct errand *errand = CONTAINER_OF(assignment, struct errand, assignment);
    go_home(errand, errand->home->broker->shards[0]->io);
}

static void assign(struct io_message *message, struct io *at) {
    (void)at;
    struct errand *errand = CONTAINER_OF(message, struct errand, message);
    publisher_assign_directory(errand->home->broker->publisher, &errand->assignment);
}

static enum status decide(struct job *job, struct log_move *log_move) {
    const struct move *move = move_of(log_move);
    struct partition *p = move->partition;
    struct errand *errand = send_errand(move->shard, assign);
    errand->assignment = (struct directory_assignment){.topic_id = p->topic_id,
                                                       .index = p->index,
                                                       .dir_index = move->dir_index,
                                                       .done = assigned};
    io_post(move->shard->io, 0, &errand->message);
    while (!errand->is_done && p->state == PARTITION_ONLINE)
        job_sleep_until(job, move->shard->io->now.mono_us + NAP_US);
    if (!errand->is_done) {
        errand->is_abandoned = true;
        return ST_CANCELLED;
    }
    enum status st = errand->assignment.status;
    end_errand(errand);
    return st;
}

/* The checkpoint files of the directory that it is not in would mislead: when it comes there again,
 * or the next topic of its name does, whose records they would cut off. */
static void forget(struct job *job, struct partition *p, uint32_t dir_index) {
    enum status st = checkpoints_forget(job, p->shard, dir_index);
    if (st == ST_OK && p->has_saved_start)
        st = log_start_save_wait(job, p->shard, dir_index, false, p->topic, p->index,
                                 LOG_START_FORGET);
    if (st == ST_OK && log_clean_end(p->log) >= 0)
        st = log_start_save_wait(job, p->shard, dir_index, true, p->topic, p->index,
                                 LOG_START_FORGET);
    if (st != ST_OK) {
        LOG_WARN("partition", "event=move-not-forgotten topic=%s partition=%d status=\"%s\"",
                 LOG_TEXT(p->topic), p->index, status_name(st));
    }
}

/* --- a move --- */

static void remove_leftover(struct job *job, const struct move *move) {
    if (move->leftover.len == 0) return;
    struct str dir = move->shard->broker->dirs[move->dir_index].path;
    enum status st = log_dir_remove_found(job, dir, move->leftover);
    if (st != ST_OK) {
        LOG_WARN("log", "event=future-directory-stays dir=%s status=\"%s\"",
                 LOG_TEXT(move->leftover), status_name(st));
    }
}

static void note_end(const struct partition *p, const struct move *move, enum status st) {
    const struct broker *broker = p->shard->broker;
    struct str to = broker->dirs[move->dir_index].path;
    if (st == ST_OK) {
        LOG_INFO("partition", "event=moved topic=%s partition=%d to=%s bytes=%" PRIu64,
                 LOG_TEXT(p->topic), p->index, LOG_TEXT(to), move->log_move.copied_bytes);
    } else if (st == ST_CANCELLED) {
        LOG_INFO("partition", "event=move-ended topic=%s partition=%d to=%s", LOG_TEXT(p->topic),
                 p->index, LOG_TEXT(to));
    } else {
        LOG_ERROR("partition", "event=move-failed topic=%s partition=%d to=%s status=\"%s\"",
                  LOG_TEXT(p->topic), p->index, LOG_TEXT(to), status_name(st));
    }
}

/* The partition is used. */
static void run(struct job *job, struct move *move, struct partition *p) {
    struct shard *shard = move->shard;
    uint32_t old_dir = dir_index_of(p);
    while (p->is_cleaned_now) /* the cleaner sees the move and leaves */
        job_sleep_until(job, shard->io->now.mono_us + NAP_US);
    remove_leftover(job, move);
    if (move->dir_index == old_dir) return;
    LOG_INFO("partition", "event=moving topic=%s partition=%d to=%s", LOG_TEXT(p->topic), p->index,
             LOG_TEXT(shard->broker->dirs[move->dir_index].path));
    move->log_move = (struct log_move){.to = &shard->dirs[move->dir_index],
                                       .may_go_on = may_go_on,
                                       .pace = pace,
                                       .prepare = prepare,
                                       .decide = decide};
    enum status st = log_move_to(job, p->log, &move->log_move);
    note_end(p, move, st);
    if (st == ST_OK) {
        forget(job, p, old_dir);
    } else if (move->has_prepared && !log_is_offline(p->log)) { /* else its copy may have stayed */
        forget(job, p, move->dir_index);
    }
}

static void move_job(struct job *job, void *argument) {
    struct move *move = argument;
    struct shard *shard = move->shard;
    struct partition *p = shard_partition(shard, move->key.topic_id, move->key.index);
    if (p != NULL && p->move == move) {
        if (p->state == PARTITION_ONLINE && !shard->stopping) {
            partition_use(p);
            move->partition = p;
            run(job, move, p);
            p->move = NULL;
            partition_unuse(p);
        } else {
            p->move = NULL;
        }
    }
    MEM_FREE(shard->mem, move);
    leave(shard);
}

static void begin(struct partition *p, uint32_t dir_index, struct str leftover) {
    struct shard *shard = p->shard;
    struct move *move = MEM_NEW(shard->mem, struct move);
    *move = (struct move){.shard = shard,
                          .key = {p->topic_id, p->index},
                          .dir_index = dir_index,
                          .leftover = leftover};
    p->move = move;
    shard->move_count++;
    job_start(&shard->move_jobs, move_job, move);
}

void move_partition(struct job *job, struct partition *p, uint32_t dir_index) {
    while (p->move != NULL && p->move->dir_index != dir_index) {
        if (p->move->partition == NULL) { /* it waits for its turn */
            p->move->dir_index = dir_index;
            return;
        }
        p->move->is_cancelled = true;
        job_sleep_until(job, p->shard->io->now.mono_us + NAP_US);
    }
    if (p->move == NULL && dir_index_of(p) != dir_index && p->state == PARTITION_ONLINE)
        begin(p, dir_index, STR_NULL);
}

bool move_progress_of(const struct partition *p, struct move_progress *ret_progress) {
    const struct move *move = p->move;
    if (move == NULL || move->dir_index == dir_index_of(p)) return false;
    *ret_progress = (struct move_progress){
        .dir_index = move->dir_index,
        .bytes = move->log_move.copied_bytes,
        .lag = log_end(p->log) - MAX(move->log_move.copied_end, log_start_offset(p->log)),
    };
    return true;
}

/* --- all of them --- */

static void resume(struct shard *shard, uint32_t dir_index, const struct found_partition *found) {
    const struct topic_image *topic = image_topic_by_name(shard->image, found->topic);
    if (topic != NULL &&
        shard_of_partition(shard->broker, topic->id, found->partition) != shard->index)
        return;
    struct partition *p =
        topic != NULL ? shard_partition(shard, topic->id, found->partition) : NULL;
    if (p != NULL && p->move == NULL) {
        begin(p, dir_index, found->name);
    } else if (topic != NULL || shard->index == 0) {
        LOG_WARN("log", "event=future-directory-ignored dir=%s name=%s",
                 LOG_TEXT(shard->broker->dirs[dir_index].path), LOG_TEXT(found->name));
    }
}

void moves_resume(struct shard *shard) {
    const struct broker *broker = shard->broker;
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        for (uint32_t i = 0; !broker->dirs[d].failed && i < broker->dirs[d].found_count; i++) {
            if (broker->dirs[d].found[i].kind == FOUND_FUTURE)
                resume(shard, d, &broker->dirs[d].found[i]);
        }
    }
}

void moves_stop(struct job *job, struct shard *shard) {
    if (shard->move_count == 0) return;
    shard->moves_stopper = job;
    job_suspend(job);
}
