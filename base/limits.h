/* base/limits.h - every bound that is not a configuration key, with a name and a reason.
 * No queue without a bound, and each bound is tested at N-1, N and N+1 where it can be reached. */
#pragma once

#define LIMIT_SHARDS 64                   /* threads with a ring in one process */
#define LIMIT_TOPIC_NAME_BYTES 249        /* Topic.MAX_NAME_LENGTH: room for "-<partition>" */
#define LIMIT_MAILBOX_MESSAGES 1024       /* of a pair of shards, before spilling (power of two) */
#define LIMIT_JOBS 64                     /* fibers per shard at once */
#define LIMIT_CLEANERS 64                 /* log.cleaner.threads beyond it count as so many */
#define LIMIT_JOB_STACK_BYTES (64 * 1024) /* of one fiber, its guard page apart */
#define LIMIT_ARRAY_ELEMENTS (1 << 24)    /* of one array on the wire, whatever the frame's size */
#define LIMIT_TAGGED_FIELDS 1024          /* of one struct on the wire */
#define LIMIT_PATH_BYTES 4096             /* PATH_MAX */
#define LIMIT_REQUESTS_IN_FLIGHT 64       /* Produce requests of one connection that overlap */
