/* broker/config/cordon.h - cordoned.log.dirs: log directories that keep what they hold and take
 * nothing new, as one to be emptied does. A list of entries of log.dirs, or "*" for all of them.
 * Pure. Source: KIP-1066, kafka.server.KafkaConfig. */
#pragma once
#include "broker/config/settings.h"

/** Whether a directory, as log.dirs has it, is one of them. */
bool cordon_holds(const struct broker_settings *settings, struct str dir);
/** What is wrong with the list, as Kafka says it (arena); null: nothing. */
struct str cordon_problem(const struct broker_settings *settings, struct arena *arena);
