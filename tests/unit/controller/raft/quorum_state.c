/* tests/unit/controller/raft/quorum_state.c - the bytes that Apache Kafka writes, and bad ones. */
#include "controller/raft/quorum_state.h"
#include <criterion/criterion.h>

static struct mem mem;
static struct arena arena;

static void setup(void) { arena_init(&arena, &mem, 4096, 0); }
static void teardown(void) {
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}
TestSuite(quorum_state, .init = setup, .fini = teardown);

static const char *const kafkas[] = {
    "{\"leaderId\":7,\"leaderEpoch\":1,\"votedId\":-1,\"votedDirectoryId\":"
    "\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}",
    "{\"leaderId\":-1,\"leaderEpoch\":2147483646,\"votedId\":1,\"votedDirectoryId\":\"62XwnwizQH-"
    "qqQhDyegzBQ\",\"data_version\":1}",
    "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"appliedOffset\":0,"
    "\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}",
    "{\"clusterId\":\"\",\"leaderId\":-1,\"leaderEpoch\":3,\"votedId\":2,\"appliedOffset\":0,"
    "\"currentVoters\":[{\"voterId\":1},{\"voterId\":2}],\"data_version\":0}",
};

Test(quorum_state, is_written_as_it_was_read) {
    for (size_t i = 0; i < COUNT(kafkas); i++) {
        struct quorum_state state;
        struct str problem = STR_NULL;
        cr_assert_eq(quorum_state_parse(str_of(kafkas[i]), &arena, &state, &problem), ST_OK,
                     "%s: %.*s", kafkas[i], STR_ARG(problem));
        struct strbuf out;
        strbuf_init(&out, &mem);
        quorum_state_format(&state, &out);
        cr_expect_str_eq(strbuf_str(&out).ptr, kafkas[i]);
        strbuf_release(&out);
    }
}

Test(quorum_state, refuses_what_is_none) {
    static const struct {
        const char *name, *text, *problem;
        enum status want;
    } rows[] = {
        {"empty", "", "no JSON", ST_CORRUPT},
        {"cut", "{\"leaderId\":7,\"lead", "no JSON", ST_CORRUPT},
        {"an array", "[]", "data_version", ST_CORRUPT},
        {"a later version", "{\"data_version\":2}", "data_version 2", ST_UNSUPPORTED},
        {"no epoch", "{\"leaderId\":7,\"votedId\":-1,\"data_version\":1}", "leaderEpoch",
         ST_CORRUPT},
        {"epoch below 0", "{\"leaderId\":7,\"leaderEpoch\":-1,\"votedId\":-1,\"data_version\":1}",
         "leaderEpoch", ST_CORRUPT},
        {"epoch as text",
         "{\"leaderId\":7,\"leaderEpoch\":\"1\",\"votedId\":-1,\"data_version\":1}", "leaderEpoch",
         ST_CORRUPT},
        {"leader of 33 bits",
         "{\"leaderId\":4294967296,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":1}",
         "leaderId", ST_CORRUPT},
        {"no directory", "{\"leaderId\":7,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":1}",
         "votedDirectoryId", ST_CORRUPT},
        {"no voters", "{\"leaderId\":7,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":0}",
         "currentVoters", ST_CORRUPT},
        {"a voter without id",
         "{\"leaderId\":7,\"leaderEpoch\":1,\"votedId\":-1,\"currentVoters\":[{}],\"data_version\":"
         "0}",
         "voterId", ST_CORRUPT},
        {"a key twice", "{\"leaderId\":7,\"leaderId\":8}", "no JSON", ST_CORRUPT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct quorum_state state;
        struct str problem = STR_NULL;
        enum status st = quorum_state_parse(str_of(rows[i].text), &arena, &state, &problem);
        cr_expect_eq(st, rows[i].want, "%s: got %s", rows[i].name, status_name(st));
        cr_expect_not_null(strstr(problem.ptr != NULL ? problem.ptr : "", rows[i].problem),
                           "%s: says %.*s", rows[i].name, STR_ARG(problem));
    }
}
