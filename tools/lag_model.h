/* tools/lag_model.h - what klamm-lag makes of what it saw of a group: rates, when it will have
 * caught up, and a verdict that names the cause. Pure: no clock, no cluster; samples in, judgement
 * out.
 *
 * A window holds the last samples of a group; each has the group's members and state, and for each
 * of its partitions what was committed and where it ends. Rates are over the window, "earlier" and
 * "later" are its halves. Times are of the wall clock of whoever watches, in milliseconds. */
#pragma once
#include "base/bytes.h"

#define LAG_SAMPLES_MAX 32   /* a window holds no more */
#define LAG_SETTLED_MS 6000  /* a shorter window says nothing: clients commit every 5 s */
#define LAG_STUCK_MS 12000   /* a longer pause of half the window is none between commits */
#define LAG_SLACK_MS 8000    /* who has committed what was the end so long ago keeps up */

/* One look at a partition; -1: not known, or none. */
struct lag_point {
    int64_t time_ms;
    int64_t committed, start, end; /* end: the high watermark */
    int64_t next_ms;               /* timestamp of the record that is read next */
    int32_t owner;                 /* number of the member that has it, -1: nobody */
    bool has_leader;
};

struct lag_partition {
    struct str topic; /* borrowed */
    int32_t index;
    struct lag_point points[LAG_SAMPLES_MAX]; /* the last one is the newest */
    uint32_t count;
    int64_t moved_ms; /* when a commit was last seen to have happened; 0: not known */
    int64_t since_ms; /* when it was seen first */
};

/* One look at a group. */
struct lag_look {
    int64_t time_ms;
    uint32_t members, idle_members; /* idle: with no partition */
    bool is_rebalancing;
};

struct lag_window {
    struct lag_look looks[LAG_SAMPLES_MAX];
    uint32_t look_count;
    const struct lag_partition *partitions;
    uint32_t partition_count;
};

/* What is the matter, from the handbook's causes of a backlog. In the order in which they count for
 * a group: its verdict is the last one of its partitions'. */
enum lag_verdict {
    LAG_OK,                 /* nothing is behind, or only by what the next commit will show */
    LAG_WATCHING,           /* behind, and not watched for long enough to say why */
    LAG_DRAINING,           /* behind, and catching up */
    LAG_PRODUCER_BURST,     /* much more is produced than a moment ago */
    LAG_SLOW_CONSUMER,      /* members read less than is produced, each busy with one partition */
    LAG_TOO_FEW_CONSUMERS,  /* likewise, and a member has several partitions */
    LAG_TOO_FEW_PARTITIONS, /* likewise, and members have none */
    LAG_HOT_PARTITION,      /* one partition gets most of a topic; the others keep up */
    LAG_REBALANCING,        /* the group is kept from reading by rebalances */
    LAG_STUCK_COMMIT,       /* a member has the partition and commits nothing */
    LAG_DEAD_CONSUMER,      /* nobody has the partition */
    LAG_NO_LEADER,          /* a fault: the partition cannot be read at all */
    LAG_VERDICT_COUNT
};

struct lag_judgement {
    enum lag_verdict verdict;
    int64_t lag;         /* records; -1: not known */
    int64_t lag_ms;      /* age of the record that is read next; -1: not known */
    int64_t lost;        /* records that retention took before they were read */
    double consume_rate; /* records a second; negative: not known */
    double produce_rate;
    int64_t catch_up_ms;   /* -1: never, as things are */
    int64_t commit_age_ms; /* at least this, if not is_commit_seen */
    bool is_commit_seen;   /* it is known when; otherwise since it is watched */
};

/** Adds a look at the window's end; the oldest goes when it is full. */
void lag_window_add(struct lag_window *window, const struct lag_look *look);
void lag_partition_add(struct lag_partition *partition, const struct lag_point *point);

/** partition: of window->partitions. */
void lag_judge(const struct lag_window *window, const struct lag_partition *partition,
               struct lag_judgement *ret);

/** "dead consumer" */
const char *lag_verdict_name(enum lag_verdict verdict);
/** What to do, in a few words; "" where there is nothing to do. */
const char *lag_verdict_advice(enum lag_verdict verdict);
