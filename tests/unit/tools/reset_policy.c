/* tests/unit/tools/reset_policy.c - the values of auto.offset.reset; which of them Apache Kafka
 * takes was tried on its console consumer. */
#include "tools/reset_policy.h"
#include <criterion/criterion.h>
#include "base/assert.h"

static const struct {
    const char *text;
    bool good;
    enum reset_kind kind;
    int64_t duration_ms;
} values[] = {
    {"earliest", true, RESET_EARLIEST, 0},
    {"latest", true, RESET_LATEST, 0},
    {"none", true, RESET_NONE, 0},
    {" none", true, RESET_NONE, 0},
    {"by_duration:PT1H", true, RESET_BY_DURATION, 3600000},
    {"by_duration:pt1h", true, RESET_BY_DURATION, 3600000},
    {"by_duration:P1D ", true, RESET_BY_DURATION, 86400000},
    {"by_duration:PT0S", true, RESET_BY_DURATION, 0},
    {"by_duration:-PT1H", false, 0, 0},
    {"by_duration:nonsense", false, 0, 0},
    {"by_duration:", false, 0, 0},
    {"BY_DURATION:PT1H", false, 0, 0},
    {"by_durat", false, 0, 0},
    {"EARLIEST", false, 0, 0},
    {"smallest", false, 0, 0},
    {"", false, 0, 0},
};

Test(reset_policy, values_are_those_of_java) {
    for (size_t i = 0; i < COUNT(values); i++) {
        struct reset_policy policy = {0};
        bool good = reset_policy_of(str_of(values[i].text), &policy);
        cr_expect_eq(good, values[i].good, "'%s'", values[i].text);
        if (!good) continue;
        cr_expect_eq(policy.kind, values[i].kind, "'%s': got kind %d", values[i].text, policy.kind);
        cr_expect_eq(policy.duration_ms, values[i].duration_ms, "'%s': got %lld", values[i].text,
                     (long long)policy.duration_ms);
    }
}
