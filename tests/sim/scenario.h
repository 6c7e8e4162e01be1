/* tests/sim/scenario.h - one seed: a broker of 1 to 4 shards, several clients, faults as the seed
 * draws them; then everything is healed, every client ends, a judge reads all there is, and the
 * broker stops cleanly. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "tests/sim/faults.h"

struct scenario_result {
    uint64_t hash; /* of every event */
    uint64_t event_count;
    uint64_t virtual_us;
    uint64_t sent, acked, read; /* records */
    uint64_t crashes, clean_stops;
    uint64_t cleanings, deletions; /* compactions ended, segments that retention took */
    uint64_t cleaned_aborted, cleaned_markers; /* of `log`: found missing when all was read */
    struct fault_counts counts;
    bool is_good;
    char failure[800];
};

void log_scenario_run(uint64_t seed, bool trace, struct scenario_result *ret_result);
/** Members of consumer groups instead of producers and consumers; coordinators are lost on top. */
void group_scenario_run(uint64_t seed, bool trace, struct scenario_result *ret_result);
/** Every call to a group coordinator meets its loss, and a disk that is too slow for it. */
void lost_scenario_run(uint64_t seed, bool trace, struct scenario_result *ret_result);
void broker_scenario_run(uint64_t seed, bool trace, struct scenario_result *ret_result);
