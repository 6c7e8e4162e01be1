/* tests/unit/controller/metadata/record_group.c - what belongs together comes out together. */
#include "controller/metadata/record_group.h"
#include "controller/metadata/metadata_record.h"
#include <criterion/criterion.h>

/* One letter a record: ( begin, ) end, ! abort, others NoOp; and how many are ready after each. */
static const struct {
    const char *name, *records;
    const char *ready; /* one digit a record: how many may be applied behind it */
    enum status want;  /* of the last one */
} rows[] = {
    {"no transaction", "nnn", "123", ST_OK},
    {"a whole one", "(nn)", "0002", ST_OK},
    {"others around it", "n(n)n", "11123", ST_OK},
    {"aborted", "n(nn!n", "111112", ST_OK},
    {"two", "(n)(n)", "001112", ST_OK},
    {"empty", "()", "00", ST_OK},
    {"begins twice", "((", "00", ST_CORRUPT},
    {"ends without beginning", "n)", "11", ST_CORRUPT},
    {"aborts without beginning", "!", "0", ST_CORRUPT},
    {"ends twice", "())", "000", ST_CORRUPT},
};

static struct mem mem;
static struct arena arena;

static struct bytes record_of(char letter) {
    struct begin_transaction_record begin;
    struct end_transaction_record end;
    struct abort_transaction_record abort_it;
    struct no_op_record no_op;
    begin_transaction_record_defaults(&begin);
    end_transaction_record_defaults(&end);
    abort_transaction_record_defaults(&abort_it);
    no_op_record_defaults(&no_op);
    const struct schema *schema = letter == '('   ? &begin_transaction_record_schema
                                  : letter == ')' ? &end_transaction_record_schema
                                  : letter == '!' ? &abort_transaction_record_schema
                                                  : &no_op_record_schema;
    const void *message = letter == '('   ? (const void *)&begin
                          : letter == ')' ? (const void *)&end
                          : letter == '!' ? (const void *)&abort_it
                                          : &no_op;
    struct bytes value;
    cr_assert_eq(metadata_record_encode(schema, 0, message, &arena, &value), ST_OK);
    return value;
}

Test(record_group, holds_a_transaction_back_until_its_end) {
    arena_init(&arena, &mem, 4096, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct record_group group;
        record_group_init(&group, &mem);
        size_t len = strlen(rows[i].records);
        for (size_t j = 0; j < len; j++) {
            const char *problem = NULL;
            enum status st = record_group_add(&group, record_of(rows[i].records[j]), &problem);
            cr_expect_eq(st, j + 1 == len ? rows[i].want : ST_OK, "%s, record %zu: got %s",
                         rows[i].name, j, status_name(st));
            cr_expect_eq(record_group_ready(&group), (uint32_t)(rows[i].ready[j] - '0'),
                         "%s, record %zu: %u are ready", rows[i].name, j,
                         record_group_ready(&group));
        }
        record_group_release(&group);
    }
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(record_group, forgets_what_was_applied_and_keeps_the_rest) {
    arena_init(&arena, &mem, 4096, 0);
    struct record_group group;
    const char *problem;
    record_group_init(&group, &mem);
    for (int round = 0; round < 100; round++) {
        const char *const text = "nn(n";
        for (const char *at = text; *at != '\0'; at++) {
            cr_assert_eq(record_group_add(&group, record_of(*at), &problem), ST_OK);
        }
        cr_expect_eq(record_group_ready(&group), 2);
        record_group_applied(&group);
        cr_expect_eq(record_group_ready(&group), 0);
        cr_expect_eq(group.count, 1, "the one of the open transaction");
        cr_assert_eq(record_group_add(&group, record_of(')'), &problem), ST_OK);
        cr_expect_eq(record_group_ready(&group), 1);
        record_group_applied(&group);
        cr_expect_eq(group.count, 0);
        cr_expect_eq(group.bytes, 0);
    }
    record_group_release(&group);
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}
