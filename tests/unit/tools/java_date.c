/* tests/unit/tools/java_date.c - times by patterns, as Java's SimpleDateFormat prints them. */
#include "tools/java_date.h"
#include <criterion/criterion.h>
#include <stdlib.h>

#define PATTERN                                                                                    \
    "yyyy-MM-dd HH:mm:ss:SSS|y yy yyy yyyyy|M MM MMM MMMM LLL|d dd D DDD E EEEE u F|w ww W Y YY|"  \
    "G a H k K h HH kk KK hh|S SSSS z zzz Z ZZZZ|X XX XX"                                          \
    "X|'T'HH''mm '' 'a''b' [\xc3\xa9]|"

/* Each `want` was printed by SimpleDateFormat of Java 17, in English. */
static const struct {
    const char *zone;
    int64_t ms;
    const char *want;
} rows[] = {
    {"Europe/Berlin", 0,
     "1970-01-01 01:00:00:000|"
     "1970 70 1970 01970|"
     "1 01 Jan January Jan|"
     "1 01 1 001 Thu Thursday 4 1|"
     "1 01 1 1970 70|"
     "AD AM 1 1 1 1 01 01 01 01|"
     "0 0000 CET CET +0100 +0100|"
     "+01 +0100 +01:00|"
     "T01'00 ' a'b [é]|"},
    {"Europe/Berlin", 1796021158319,
     "2026-11-30 07:45:58:319|"
     "2026 26 2026 02026|"
     "11 11 Nov November Nov|"
     "30 30 334 334 Mon Monday 1 5|"
     "49 49 5 2026 26|"
     "AD AM 7 7 7 7 07 07 07 07|"
     "319 0319 CET CET +0100 +0100|"
     "+01 +0100 +01:00|"
     "T07'45 ' a'b [é]|"},
    {"Europe/Berlin", 951782400123,
     "2000-02-29 01:00:00:123|"
     "2000 00 2000 02000|"
     "2 02 Feb February Feb|"
     "29 29 60 060 Tue Tuesday 2 5|"
     "10 10 5 2000 00|"
     "AD AM 1 1 1 1 01 01 01 01|"
     "123 0123 CET CET +0100 +0100|"
     "+01 +0100 +01:00|"
     "T01'00 ' a'b [é]|"},
    {"Europe/Berlin", -1,
     "1970-01-01 00:59:59:999|"
     "1970 70 1970 01970|"
     "1 01 Jan January Jan|"
     "1 01 1 001 Thu Thursday 4 1|"
     "1 01 1 1970 70|"
     "AD AM 0 24 0 12 00 24 00 12|"
     "999 0999 CET CET +0100 +0100|"
     "+01 +0100 +01:00|"
     "T00'59 ' a'b [é]|"},
    {"Europe/Berlin", 1234567890007,
     "2009-02-14 00:31:30:007|"
     "2009 09 2009 02009|"
     "2 02 Feb February Feb|"
     "14 14 45 045 Sat Saturday 6 2|"
     "7 07 2 2009 09|"
     "AD AM 0 24 0 12 00 24 00 12|"
     "7 0007 CET CET +0100 +0100|"
     "+01 +0100 +01:00|"
     "T00'31 ' a'b [é]|"},
    {"Europe/Berlin", 1798675200000,
     "2026-12-31 01:00:00:000|"
     "2026 26 2026 02026|"
     "12 12 Dec December Dec|"
     "31 31 365 365 Thu Thursday 4 5|"
     "1 01 5 2027 27|"
     "AD AM 1 1 1 1 01 01 01 01|"
     "0 0000 CET CET +0100 +0100|"
     "+01 +0100 +01:00|"
     "T01'00 ' a'b [é]|"},
    {"Europe/Berlin", 1782777600999,
     "2026-06-30 02:00:00:999|"
     "2026 26 2026 02026|"
     "6 06 Jun June Jun|"
     "30 30 181 181 Tue Tuesday 2 5|"
     "27 27 5 2026 26|"
     "AD AM 2 2 2 2 02 02 02 02|"
     "999 0999 CEST CEST +0200 +0200|"
     "+02 +0200 +02:00|"
     "T02'00 ' a'b [é]|"},
    {"UTC", 0,
     "1970-01-01 00:00:00:000|"
     "1970 70 1970 01970|"
     "1 01 Jan January Jan|"
     "1 01 1 001 Thu Thursday 4 1|"
     "1 01 1 1970 70|"
     "AD AM 0 24 0 12 00 24 00 12|"
     "0 0000 UTC UTC +0000 +0000|"
     "Z Z Z|"
     "T00'00 ' a'b [é]|"},
    {"UTC", 1796021158319,
     "2026-11-30 06:45:58:319|"
     "2026 26 2026 02026|"
     "11 11 Nov November Nov|"
     "30 30 334 334 Mon Monday 1 5|"
     "49 49 5 2026 26|"
     "AD AM 6 6 6 6 06 06 06 06|"
     "319 0319 UTC UTC +0000 +0000|"
     "Z Z Z|"
     "T06'45 ' a'b [é]|"},
    {"UTC", 951782400123,
     "2000-02-29 00:00:00:123|"
     "2000 00 2000 02000|"
     "2 02 Feb February Feb|"
     "29 29 60 060 Tue Tuesday 2 5|"
     "10 10 5 2000 00|"
     "AD AM 0 24 0 12 00 24 00 12|"
     "123 0123 UTC UTC +0000 +0000|"
     "Z Z Z|"
     "T00'00 ' a'b [é]|"},
    {"UTC", -1,
     "1969-12-31 23:59:59:999|"
     "1969 69 1969 01969|"
     "12 12 Dec December Dec|"
     "31 31 365 365 Wed Wednesday 3 5|"
     "1 01 5 1970 70|"
     "AD PM 23 23 11 11 23 23 11 11|"
     "999 0999 UTC UTC +0000 +0000|"
     "Z Z Z|"
     "T23'59 ' a'b [é]|"},
    {"UTC", 1234567890007,
     "2009-02-13 23:31:30:007|"
     "2009 09 2009 02009|"
     "2 02 Feb February Feb|"
     "13 13 44 044 Fri Friday 5 2|"
     "7 07 2 2009 09|"
     "AD PM 23 23 11 11 23 23 11 11|"
     "7 0007 UTC UTC +0000 +0000|"
     "Z Z Z|"
     "T23'31 ' a'b [é]|"},
    {"UTC", 1798675200000,
     "2026-12-31 00:00:00:000|"
     "2026 26 2026 02026|"
     "12 12 Dec December Dec|"
     "31 31 365 365 Thu Thursday 4 5|"
     "1 01 5 2027 27|"
     "AD AM 0 24 0 12 00 24 00 12|"
     "0 0000 UTC UTC +0000 +0000|"
     "Z Z Z|"
     "T00'00 ' a'b [é]|"},
    {"UTC", 1782777600999,
     "2026-06-30 00:00:00:999|"
     "2026 26 2026 02026|"
     "6 06 Jun June Jun|"
     "30 30 181 181 Tue Tuesday 2 5|"
     "27 27 5 2026 26|"
     "AD AM 0 24 0 12 00 24 00 12|"
     "999 0999 UTC UTC +0000 +0000|"
     "Z Z Z|"
     "T00'00 ' a'b [é]|"},
    {"America/St_Johns", 0,
     "1969-12-31 20:30:00:000|"
     "1969 69 1969 01969|"
     "12 12 Dec December Dec|"
     "31 31 365 365 Wed Wednesday 3 5|"
     "1 01 5 1970 70|"
     "AD PM 20 20 8 8 20 20 08 08|"
     "0 0000 NST NST -0330 -0330|"
     "-03 -0330 -03:30|"
     "T20'30 ' a'b [é]|"},
    {"America/St_Johns", 1796021158319,
     "2026-11-30 03:15:58:319|"
     "2026 26 2026 02026|"
     "11 11 Nov November Nov|"
     "30 30 334 334 Mon Monday 1 5|"
     "49 49 5 2026 26|"
     "AD AM 3 3 3 3 03 03 03 03|"
     "319 0319 NST NST -0330 -0330|"
     "-03 -0330 -03:30|"
     "T03'15 ' a'b [é]|"},
    {"America/St_Johns", 951782400123,
     "2000-02-28 20:30:00:123|"
     "2000 00 2000 02000|"
     "2 02 Feb February Feb|"
     "28 28 59 059 Mon Monday 1 4|"
     "10 10 5 2000 00|"
     "AD PM 20 20 8 8 20 20 08 08|"
     "123 0123 NST NST -0330 -0330|"
     "-03 -0330 -03:30|"
     "T20'30 ' a'b [é]|"},
    {"America/St_Johns", -1,
     "1969-12-31 20:29:59:999|"
     "1969 69 1969 01969|"
     "12 12 Dec December Dec|"
     "31 31 365 365 Wed Wednesday 3 5|"
     "1 01 5 1970 70|"
     "AD PM 20 20 8 8 20 20 08 08|"
     "999 0999 NST NST -0330 -0330|"
     "-03 -0330 -03:30|"
     "T20'29 ' a'b [é]|"},
    {"America/St_Johns", 1234567890007,
     "2009-02-13 20:01:30:007|"
     "2009 09 2009 02009|"
     "2 02 Feb February Feb|"
     "13 13 44 044 Fri Friday 5 2|"
     "7 07 2 2009 09|"
     "AD PM 20 20 8 8 20 20 08 08|"
     "7 0007 NST NST -0330 -0330|"
     "-03 -0330 -03:30|"
     "T20'01 ' a'b [é]|"},
    {"America/St_Johns", 1798675200000,
     "2026-12-30 20:30:00:000|"
     "2026 26 2026 02026|"
     "12 12 Dec December Dec|"
     "30 30 364 364 Wed Wednesday 3 5|"
     "1 01 5 2027 27|"
     "AD PM 20 20 8 8 20 20 08 08|"
     "0 0000 NST NST -0330 -0330|"
     "-03 -0330 -03:30|"
     "T20'30 ' a'b [é]|"},
    {"America/St_Johns", 1782777600999,
     "2026-06-29 21:30:00:999|"
     "2026 26 2026 02026|"
     "6 06 Jun June Jun|"
     "29 29 180 180 Mon Monday 1 5|"
     "27 27 5 2026 26|"
     "AD PM 21 21 9 9 21 21 09 09|"
     "999 0999 NDT NDT -0230 -0230|"
     "-02 -0230 -02:30|"
     "T21'30 ' a'b [é]|"},
};

Test(java_date, is_what_java_prints) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {0};
        struct strbuf got;
        char why[80];
        strbuf_init(&got, &mem);
        cr_assert_eq(setenv("TZ", rows[i].zone, 1), 0);
        tzset();
        int64_t seconds = rows[i].ms / 1000, ms = rows[i].ms % 1000;
        if (ms < 0) {
            seconds--;
            ms += 1000;
        }
        struct timespec time = {.tv_sec = seconds, .tv_nsec = ms * 1000000};
        cr_assert_null(java_date_problem(PATTERN, why, sizeof why));
        java_date_add(&got, PATTERN, time);
        cr_expect(str_eq(strbuf_str(&got), str_of(rows[i].want)), "%s %lld: got\n%.*s, want\n%s",
                  rows[i].zone, (long long)rows[i].ms, STR_ARG(strbuf_str(&got)), rows[i].want);
        strbuf_release(&got);
    }
}

static const struct {
    const char *pattern, *problem; /* NULL: none */
} problems[] = {
    {"", NULL},
    {"'", "Unterminated quote"},
    {"yy'abc", "Unterminated quote"},
    {"'a''", "Unterminated quote"},
    {"'q'", NULL},
    {"yyq", "Illegal pattern character 'q'"},
    {"T", "Illegal pattern character 'T'"},
    {"XXXX", "invalid ISO 8601 format: length=4"},
    {"zzzz", "zzzz, the long name of a time zone, is not known here"},
    {"0123 \xc3\xa9,.:", NULL},
};

Test(java_date, what_is_no_pattern_is_refused_with_the_letter) {
    for (size_t i = 0; i < COUNT(problems); i++) {
        char why[80];
        const char *got = java_date_problem(problems[i].pattern, why, sizeof why);
        cr_expect(str_eq(str_of(got), str_of(problems[i].problem)), "'%s': got %s",
                  problems[i].pattern, got != NULL ? got : "nothing");
    }
}
