/* broker/shard/cleaners.c - walking, choosing, cleaning, noting. */
#include "broker/shard/cleaners.h"
#include "base/assert.h"
#include "base/limits.h"
#include "broker/config/settings.h"
#include "broker/replication/partition.h"
#include "broker/shard/log_starts.h"
#include "broker/shard/sweep.h"
#include "log/cleaner.h"

#define FIRST_REST_MS INT64_C(1000)

struct cleaner {
    struct io_message message;
    struct io_timer rest; /* on shard 0 */
    struct broker *broker;
    uint32_t index;
    uint32_t cleaned; /* logs on this round */
    bool is_out;      /* walking, working or resting */
};

/* Shard 0's. */
struct cleaners {
    struct cleaner items[LIMIT_CLEANERS];
};

static struct broker_settings settings_of(const struct shard *shard) {
    return broker_settings_of(shard->broker->setup.config, shard->image, shard->broker->node_id);
}

static int64_t thread_count(const struct shard *shard) {
    struct broker_settings settings = settings_of(shard);
    return MIN(setting_number(&settings, STR("log.cleaner.threads")), (int64_t)LIMIT_CLEANERS);
}

static int64_t backoff_ms(const struct shard *shard) {
    struct broker_settings settings = settings_of(shard);
    return setting_number(&settings, STR("log.cleaner.backoff.ms"));
}

static double number_of(const struct broker_settings *settings, struct str name) {
    char number[SETTING_NUMBER_BYTES];
    double value = 0;
    const struct config_key *key = config_key_find(name);
    ASSERT(key != NULL);
    bool is_number =
        config_value_double(str_trim(setting_resolve(settings, key, number).value), &value);
    ASSERT(is_number); /* it was checked before it got here */
    return value;
}

/* By log.cleaner.threads as this shard knows it. */
static bool is_dismissed(const struct cleaner *cleaner, const struct shard *shard) {
    return cleaner->index >= thread_count(shard);
}

static struct cleaner_limits limits_of(const struct shard *shard) {
    struct broker_settings settings = settings_of(shard);
    int64_t threads = MAX(thread_count(shard), (int64_t)1);
    int64_t map_bytes = setting_number(&settings, STR("log.cleaner.dedupe.buffer.size"));
    int64_t io_bytes = setting_number(&settings, STR("log.cleaner.io.buffer.size"));
    return (struct cleaner_limits){
        .map_bytes = (uint64_t)MAX(map_bytes, (int64_t)0) / (uint64_t)threads,
        .load_factor = number_of(&settings, STR("log.cleaner.io.buffer.load.factor")),
        .io_bytes = (uint32_t)MIN(MAX(io_bytes, (int64_t)0), (int64_t)INT32_MAX),
        .bytes_per_second = number_of(&settings, STR("log.cleaner.io.max.bytes.per.second")) /
                            (double)threads,
    };
}

/* --- one log --- */

struct cleaning {
    const struct cleaner *cleaner;
    const struct partition *partition;
    struct cleaner_limits *limits;
};

/* Also brings what was altered into force. */
static bool may_go_on(const void *owner) {
    const struct cleaning *cleaning = owner;
    const struct partition *p = cleaning->partition;
    cleaning->limits->bytes_per_second = limits_of(p->shard).bytes_per_second;
    return !p->shard->stopping && !is_dismissed(cleaning->cleaner, p->shard) &&
           p->state == PARTITION_ONLINE && p->move == NULL;
}

static void note(struct partition *p, const struct cleaned *cleaned) {
    struct metrics *metrics = &p->shard->metrics;
    metrics_add(metrics, METRIC_CLEANER_LOGS, 1);
    metrics_add(metrics, METRIC_CLEANER_READ_BYTES, cleaned->read_bytes);
    metrics_add(metrics, METRIC_CLEANER_WRITTEN_BYTES, cleaned->written_bytes);
    metrics_add(metrics, METRIC_CLEANER_REMOVED_RECORDS,
                cleaned->read_records - cleaned->written_records);
}

/* The partition is used and marked by the caller. */
static void clean(struct job *job, const struct cleaner *cleaner, struct partition *p,
                  const struct cleanable *cleanable) {
    struct cleaner_limits limits = limits_of(p->shard);
    struct cleaning cleaning = {cleaner, p, &limits};
    struct cleaner_leave leave = {may_go_on, &cleaning};
    struct cleaned cleaned;
    enum status st = log_clean(job, p->log, cleanable, &limits, &leave, &cleaned);
    if (st == ST_OK) {
        note(p, &cleaned);
        st = partition_save_clean_end(job, p);
    }
    bool has_failed = st != ST_OK && st != ST_CANCELLED;
    p->cleaning_failed_us = has_failed ? io_now(p->shard->io).mono_us : 0;
    bool is_ordinary = st == ST_OK || st == ST_CANCELLED || st == ST_STALE;
    if (!is_ordinary) {
        LOG_WARN("partition", "event=compaction-failed topic=%s partition=%d status=\"%s\"",
                 LOG_TEXT(p->topic), p->index, status_name(st));
    }
}

/* --- the dirtiest log of the shard --- */

struct choice {
    struct partition_key key;
    struct cleanable cleanable;
    bool is_made;
};

static bool may_be_cleaned(const struct partition *p) {
    return p != NULL && p->state == PARTITION_ONLINE && !p->is_cleaned_now && p->move == NULL &&
           (p->config.cleanup_policy & CLEANUP_COMPACT) != 0;
}

/* Else a log that finds no room would be tried without a rest, and before all others. */
static bool has_just_failed(const struct partition *p) {
    uint64_t since_us = io_now(p->shard->io).mono_us - p->cleaning_failed_us;
    return p->cleaning_failed_us > 0 && since_us < us_of_ms(backoff_ms(p->shard));
}

static void consider(struct job *job, struct partition *p, struct choice *choice) {
    struct cleanable found;
    int64_t upper = log_stable_offset(p->log, p->high_watermark);
    enum status st = log_cleanable(job, p->log, upper, &found);
    if (st != ST_OK || !cleanable_is_due(&found, &p->config)) return;
    if (choice->is_made && found.dirty_ratio <= choice->cleanable.dirty_ratio) return;
    *choice = (struct choice){.key = {p->topic_id, p->index}, .cleanable = found, .is_made = true};
}

static struct choice choose(struct job *job, struct shard *shard) {
    struct choice choice = {.is_made = false};
    int64_t uncleanable = 0;
    struct partition_keys keys = partition_keys_list(shard);
    for (size_t i = 0; i < keys.count && !shard->stopping; i++) {
        struct partition *p = shard_partition(shard, keys.items[i].topic_id, keys.items[i].index);
        if (!may_be_cleaned(p)) continue;
        if (log_uncleanable(p->log) != ST_OK) {
            uncleanable++;
            continue;
        }
        if (has_just_failed(p)) continue;
        partition_use(p);
        consider(job, p, &choice);
        partition_unuse(p);
    }
    partition_keys_free(shard, &keys);
    metrics_set(&shard->metrics, METRIC_CLEANER_UNCLEANABLE, uncleanable);
    return choice;
}

static bool clean_dirtiest(struct job *job, struct cleaner *cleaner, struct shard *shard) {
    if (is_dismissed(cleaner, shard)) return false;
    struct choice choice = choose(job, shard);
    struct partition *p = shard_partition(shard, choice.key.topic_id, choice.key.index);
    if (!choice.is_made || shard->stopping || is_dismissed(cleaner, shard) || !may_be_cleaned(p))
        return false;
    p->is_cleaned_now = true;
    partition_use(p);
    clean(job, cleaner, p, &choice.cleanable);
    p->is_cleaned_now = false;
    partition_unuse(p);
    return true;
}

/* --- walking --- */

static void arrive(struct io_message *message, struct io *at);

static void walk_to(struct cleaner *cleaner, struct io *from, uint32_t shard) {
    cleaner->message.deliver = arrive;
    io_post(from, shard, &cleaner->message);
}

static void work(struct job *job, void *argument) {
    struct cleaner *cleaner = argument;
    struct io *io = job_io(job);
    struct shard *shard = cleaner->broker->shards[io->shard];
    if (clean_dirtiest(job, cleaner, shard)) cleaner->cleaned++;
    shard->cleaner_count--;
    if (!shard->stopping) walk_to(cleaner, io, (shard->index + 1u) % cleaner->broker->shard_count);
    if (shard->cleaner_count == 0 && shard->cleaner_stopper != NULL)
        job_wake(shard->cleaner_stopper);
}

static void work_on(struct cleaner *cleaner, struct shard *shard) {
    shard->cleaner_count++;
    job_start(&shard->jobs, work, cleaner);
}

static void rested(struct io_timer *timer) {
    struct cleaner *cleaner = CONTAINER_OF(timer, struct cleaner, rest);
    cleaner->cleaned = 0;
    work_on(cleaner, cleaner->broker->shards[0]);
}

static void rest(struct cleaner *cleaner, struct shard *shard, int64_t ms) {
    cleaner->rest.fire = rested;
    io_timer_set(shard->io, &cleaner->rest, shard->io->now.mono_us + us_of_ms(ms));
}

/* A round is over. */
static void come_round(struct cleaner *cleaner, struct shard *shard) {
    metrics_set(&shard->metrics, METRIC_CLEANER_LAST_ROUND, shard->io->now.wall_ms / 1000);
    if (is_dismissed(cleaner, shard)) {
        cleaner->is_out = false;
    } else if (cleaner->cleaned > 0) {
        cleaner->cleaned = 0;
        work_on(cleaner, shard);
    } else {
        rest(cleaner, shard, backoff_ms(shard));
    }
}

static void arrive(struct io_message *message, struct io *at) {
    struct cleaner *cleaner = CONTAINER_OF(message, struct cleaner, message);
    struct shard *shard = cleaner->broker->shards[at->shard];
    if (shard->stopping) return;
    if (shard->index == 0) {
        come_round(cleaner, shard);
    } else {
        work_on(cleaner, shard);
    }
}

/* One that rests, which may have to end, or to rest for less. */
static void settle_rest(struct cleaner *cleaner, struct shard *shard) {
    if (!io_timer_is_set(&cleaner->rest)) return;
    if (is_dismissed(cleaner, shard)) {
        io_timer_clear(shard->io, &cleaner->rest);
        cleaner->is_out = false;
    } else if (cleaner->rest.at_us > shard->io->now.mono_us + us_of_ms(backoff_ms(shard))) {
        rest(cleaner, shard, backoff_ms(shard));
    }
}

void cleaners_settle(struct shard *shard) {
    struct broker *broker = shard->broker;
    ASSERT(shard->index == 0);
    if (!broker->config->log_cleaner_enable || shard->stopping) return;
    if (broker->cleaners == NULL) broker->cleaners = MEM_NEW(shard->mem, struct cleaners);
    for (uint32_t i = 0; i < LIMIT_CLEANERS; i++)
        settle_rest(&broker->cleaners->items[i], shard);
    for (uint32_t i = 0; i < thread_count(shard); i++) {
        struct cleaner *cleaner = &broker->cleaners->items[i];
        if (cleaner->is_out) continue;
        *cleaner = (struct cleaner){.broker = broker, .index = i, .is_out = true};
        rest(cleaner, shard, MIN(backoff_ms(shard), FIRST_REST_MS));
    }
}

void cleaners_stop(struct job *job, struct shard *shard) {
    struct cleaners *cleaners = shard->index == 0 ? shard->broker->cleaners : NULL;
    for (uint32_t i = 0; cleaners != NULL && i < LIMIT_CLEANERS; i++)
        io_timer_clear(shard->io, &cleaners->items[i].rest);
    if (shard->cleaner_count == 0) return;
    shard->cleaner_stopper = job;
    job_suspend(job);
    shard->cleaner_stopper = NULL;
}

void cleaners_free(struct broker *broker) {
    if (broker->cleaners == NULL) return;
    MEM_FREE(broker->shards[0]->mem, broker->cleaners);
    broker->cleaners = NULL;
}
