/* broker/metrics/group_samples.h - samples of groups out of what the shards noted
 * (broker/group/lag.h). Pure.
 *
 * A group's id is any text that a client likes, a label must be UTF-8 and should be seen: octets
 * that are no UTF-8, control characters and the backslash are shown as \xNN. Two ids never look the
 * same. */
#pragma once
#include "broker/group/lag.h"
#include "broker/metrics/page.h"

/** Arena; null without memory. */
struct str group_label(struct arena *arena, struct str id);
/** Sets the groups of *sample, their offsets and what is counted of them. wall_ms: when that was.
 * false: no memory. */
bool group_samples_make(struct lag_notes *const *notes, uint32_t notes_count, int64_t wall_ms,
                        struct arena *arena, struct metrics_sample *sample);
