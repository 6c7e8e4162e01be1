/* tools/reset_policy.h - auto.offset.reset as Java's consumer has it: where to begin in a partition
 * without a committed offset, and where to go on when the offset is not there (any more). Pure.
 * Source: AutoOffsetResetStrategy; KIP-1106. */
#pragma once
#include "base/bytes.h"

enum reset_kind {
    RESET_EARLIEST,
    RESET_LATEST,
    RESET_NONE,        /* nowhere: the consumer ends */
    RESET_BY_DURATION, /* at the first record that is not older than that; without one at the end */
};

struct reset_policy {
    enum reset_kind kind;
    int64_t duration_ms; /* of RESET_BY_DURATION, 0 or more */
};

/** "earliest", "latest", "none" or "by_duration:PT1H", blanks around it left out; false: none of
 * them. */
bool reset_policy_of(struct str text, struct reset_policy *ret_policy);

#define RESET_POLICY_VALUES                                                                        \
    "The value must be either 'earliest', 'latest', 'none' or of the format "                      \
    "'by_duration:<PnDTnHnMn.nS.>'."
