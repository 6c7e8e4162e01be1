/* broker/config/contradictions.h - good values that do not go together: what a start and an
 * alteration while the broker runs refuse alike. Pure. Source: kafka.server.KafkaConfig
 * (validateValues), GroupCoordinatorConfig and ShareGroupConfig (validate). */
#pragma once
#include "broker/config/settings.h"

/* What contradicts itself among all of a broker's settings. */
struct settings_problem {
    struct str text;                  /* as Kafka says it (arena); null: nothing does */
    const struct config_key *keys[2]; /* whose values do, the worse one first; NULL: no more */
};
struct settings_problem broker_settings_problem(const struct broker_settings *settings,
                                                struct arena *arena);
