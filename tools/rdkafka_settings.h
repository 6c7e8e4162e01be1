/* tools/rdkafka_settings.h - librdkafka for the console clients: Java's client properties given to
 * it by its own names. A key that Java has and librdkafka cannot follow changes nothing and is
 * named on standard error; one whose loss would weaken security (ssl.*, sasl.*, security.*) ends
 * the process instead. */
#pragma once
#include <librdkafka/rdkafka.h>
#include "tools/reset_policy.h"
#include "tools/settings.h"

/** A configuration made of `settings`; ends the process where a value is refused. Its log lines and
 * errors go to standard error, each one starting with `WARN` or `ERROR`. The caller hands it to
 * rd_kafka_new. */
rd_kafka_conf_t *rdkafka_conf_of(const struct settings *settings);
/** rd_kafka_new, or the end of the process. */
rd_kafka_t *rdkafka_start(rd_kafka_type_t type, rd_kafka_conf_t *conf);
/** Sets one librdkafka property that cannot be refused. */
void rdkafka_must_set(rd_kafka_conf_t *conf, const char *name, const char *value);
/** auto.offset.reset, `latest` where nothing is said; ends the process when it is no such. Of
 * `none` and `by_duration` librdkafka only tells that it would have to reset: the rest is done by
 * group_member.h. */
struct reset_policy rdkafka_reset_policy(const struct settings *settings);
/** Whether group.protocol says consumer, which is modern_member.h's; ends the process when it says
 * nothing that there is, or when what only the classic protocol has is set beside it. */
bool group_protocol_is_consumer(const struct settings *settings);

/** Ends the process unless every part of `list` is host:port (Kafka's sentence). */
void check_bootstrap_list(const struct cli *cli, const char *list);
