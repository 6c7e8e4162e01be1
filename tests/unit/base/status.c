/* tests/unit/base/status.c - every status has its own words, every errno its status. */
#include "base/status.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include "base/bytes.h"

Test(status, every_status_has_a_name_of_its_own) {
    for (int a = 0; a < ST_COUNT; a++) {
        const char *name = status_name((enum status)a);
        cr_assert_not_null(name, "status %d", a);
        cr_expect_neq(name[0], '\0', "status %d", a);
        for (int b = 0; b < a; b++) {
            cr_expect_str_neq(name, status_name((enum status)b), "status %d and %d", a, b);
        }
    }
}

Test(status, a_number_that_is_no_status_still_has_words) {
    cr_expect_str_eq(status_name(ST_COUNT), "unknown status");
    cr_expect_str_eq(status_name((enum status)255), "unknown status");
}

Test(status, a_result_of_the_seam_becomes_a_status) {
    static const struct {
        const char *name;
        int64_t result;
        enum status want;
    } rows[] = {
        {"nothing done", 0, ST_OK},
        {"octets written", 65536, ST_OK},
        {"more octets than an int holds", INT64_C(1) << 40, ST_OK},
        {"ENOENT", -ENOENT, ST_NOT_FOUND},
        {"EEXIST", -EEXIST, ST_EXISTS},
        {"ENOMEM", -ENOMEM, ST_NOMEM},
        {"EMFILE is a budget, not a broken device", -EMFILE, ST_NOMEM},
        {"ENFILE", -ENFILE, ST_NOMEM},
        {"ENOSPC", -ENOSPC, ST_NO_SPACE},
        {"EDQUOT", -EDQUOT, ST_NO_SPACE},
        {"EACCES is not a lock held by others", -EACCES, ST_DENIED},
        {"EPERM", -EPERM, ST_DENIED},
        {"EAGAIN", -EAGAIN, ST_BUSY},
        {"EFBIG", -EFBIG, ST_TOO_LARGE},
        {"ECANCELED", -ECANCELED, ST_CANCELLED},
        {"ETIMEDOUT", -ETIMEDOUT, ST_TIMEOUT},
        {"ECONNRESET", -ECONNRESET, ST_CLOSED},
        {"EPIPE", -EPIPE, ST_CLOSED},
        {"EHOSTUNREACH", -EHOSTUNREACH, ST_CLOSED},
        {"EINVAL", -EINVAL, ST_INVALID},
        {"EIO", -EIO, ST_IO},
        {"EROFS takes a directory offline", -EROFS, ST_IO},
        {"an errno nobody knows", -4095, ST_IO},
        {"far below any errno", INT64_MIN, ST_IO},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum status st = status_from_errno(rows[i].result);
        cr_expect_eq(st, rows[i].want, "%s: got %s", rows[i].name, status_name(st));
    }
}
