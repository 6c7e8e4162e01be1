/* tools/reset_policy.c - see reset_policy.h. */
#include "tools/reset_policy.h"
#include "tools/reset_plan.h"

bool reset_policy_of(struct str text, struct reset_policy *ret_policy) {
    static const struct str by_duration = STR("by_duration:");
    text = str_trim(text);
    *ret_policy = (struct reset_policy){.kind = RESET_BY_DURATION};
    if (str_eq(text, STR("earliest"))) {
        ret_policy->kind = RESET_EARLIEST;
    } else if (str_eq(text, STR("latest"))) {
        ret_policy->kind = RESET_LATEST;
    } else if (str_eq(text, STR("none"))) {
        ret_policy->kind = RESET_NONE;
    } else {
        if (text.len < by_duration.len || memcmp(text.ptr, by_duration.ptr, by_duration.len) != 0)
            return false;
        text = (struct str){text.ptr + by_duration.len, text.len - by_duration.len};
        return reset_parse_duration(text, &ret_policy->duration_ms) && ret_policy->duration_ms >= 0;
    }
    return true;
}
