/* tests/unit/tools/reset_plan.c - durations, times, scopes and lines of kafka-consumer-groups
 * --reset-offsets. */
#include "tools/reset_plan.h"
#include <criterion/criterion.h>

#define HOUR ((int64_t)3600 * 1000)
#define DAY (24 * HOUR)

/* What java.time.Duration.parse of Java 17 says, in ms. */
static const struct {
    const char *text;
    bool good;
    int64_t ms;
} durations[] = {
    {"PT15M", true, HOUR / 4},
    {"P2D", true, 2 * DAY},
    {"P2DT3H4M5S", true, 2 * DAY + 3 * HOUR + 4 * 60000 + 5000},
    {"pt1h", true, HOUR},
    {"PT20.345S", true, 20345},
    {"PT-6H3M", true, -6 * HOUR + 180000},
    {"-PT6H", true, -6 * HOUR},
    {"-PT-6H+3M", true, 6 * HOUR - 180000},
    {"PT0S", true, 0},
    {"P", false, 0},
    {"PT", false, 0},
    {"P1H", false, 0},
    {"P1DT", false, 0},
    {"PT1D", false, 0},
    {"PT1M1H", false, 0},
    {"PT1.5H", false, 0},
    {"PT1", false, 0},
    {"1D", false, 0},
    {"", false, 0},
    {"nonsense", false, 0},
    {"P99999999999999999999D", false, 0},
    {"P9223372036854775807D", false, 0},
};

Test(reset_plan, durations_are_those_of_java) {
    for (size_t i = 0; i < COUNT(durations); i++) {
        int64_t ms = 0;
        bool good = reset_parse_duration(str_of(durations[i].text), &ms);
        cr_expect_eq(good, durations[i].good, "%s", durations[i].text);
        if (good)
            cr_expect_eq(ms, durations[i].ms, "%s: got %lld", durations[i].text, (long long)ms);
    }
}

static const struct {
    const char *text;
    bool good;
    int64_t ms;
} times[] = {
    {"1970-01-01T00:00:00.000", true, 0},
    {"2024-02-29T12:30:15.250", true, 1709209815250},
    {"2024-02-29T12:30:15.250Z", true, 1709209815250},
    {"2024-02-29T12:30:15.250+02:00", true, 1709209815250 - 2 * HOUR},
    {"2024-02-29T12:30:15.250-0130", true, 1709209815250 + 3 * HOUR / 2},
    {"2024-02-29T12:30:15.250+05", true, 1709209815250 - 5 * HOUR},
    {"1969-12-31T23:59:59.999", true, -1},
    {"2023-02-29T00:00:00.000", false, 0},
    {"2024-13-01T00:00:00.000", false, 0},
    {"2024-01-01T24:00:00.000", false, 0},
    {"2024-01-01T00:00:00", false, 0},
    {"2024-01-01T00:00:00.000X", false, 0},
    {"2024-01-01", false, 0},
    {"", false, 0},
};

Test(reset_plan, times_are_utc_unless_they_say_otherwise) {
    for (size_t i = 0; i < COUNT(times); i++) {
        int64_t ms = 0;
        const char *why = NULL;
        bool good = reset_parse_datetime(str_of(times[i].text), &ms, &why);
        cr_expect_eq(good, times[i].good, "%s", times[i].text);
        if (good) cr_expect_eq(ms, times[i].ms, "%s: got %lld", times[i].text, (long long)ms);
        if (!good) cr_expect_not_null(why, "%s has a reason", times[i].text);
    }
}

Test(reset_plan, an_offset_is_kept_within_its_partition) {
    int how;
    cr_expect_eq(reset_keep_within(7, 5, 10, &how), 7);
    cr_expect_eq(how, 0);
    cr_expect_eq(reset_keep_within(10, 5, 10, &how), 10, "the end is an offset to go on from");
    cr_expect_eq(how, 0);
    cr_expect_eq(reset_keep_within(11, 5, 10, &how), 10);
    cr_expect_eq(how, 1);
    cr_expect_eq(reset_keep_within(-3, 5, 10, &how), 5);
    cr_expect_eq(how, -1);
}

Test(reset_plan, partitions_are_numbers_with_commas_between) {
    struct str rest = STR("0,12,3");
    int32_t partition;
    bool good;
    cr_expect(reset_next_partition(&rest, &partition, &good) && partition == 0);
    cr_expect(reset_next_partition(&rest, &partition, &good) && partition == 12);
    cr_expect(reset_next_partition(&rest, &partition, &good) && partition == 3);
    cr_expect(!reset_next_partition(&rest, &partition, &good) && good, "the end is no error");
    const char *bad[] = {"x", "", "1,,2", "-1", "2147483648"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        rest = str_of(bad[i]);
        while (reset_next_partition(&rest, &partition, &good)) continue;
        cr_expect(!good, "'%s' is refused", bad[i]);
    }
}

static const struct {
    const char *text;
    bool good;
    const char *group, *topic;
    int32_t partition;
    int64_t offset;
} lines[] = {
    {"t,0,3", true, NULL, "t", 0, 3},
    {"g,t,12,9000000000", true, "g", "t", 12, 9000000000},
    {"\"g\",\"a.b\",1,2", true, "g", "a.b", 1, 2},
    {" t , 1 , 2 \r", true, NULL, "t", 1, 2},
    {"t,0", false, NULL, NULL, 0, 0},
    {"g,t,0,1,2", false, NULL, NULL, 0, 0},
    {"t,x,3", false, NULL, NULL, 0, 0},
    {"t,-1,3", false, NULL, NULL, 0, 0},
    {",0,3", false, NULL, NULL, 0, 0},
    {"", false, NULL, NULL, 0, 0},
};

Test(reset_plan, a_line_names_a_topic_and_may_name_a_group) {
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct reset_line line;
        bool good = reset_parse_line(str_of(lines[i].text), &line);
        cr_expect_eq(good, lines[i].good, "%s", lines[i].text);
        if (!good) continue;
        cr_expect(str_eq(line.group, str_of(lines[i].group)), "%s: the group", lines[i].text);
        cr_expect(str_eq(line.topic, str_of(lines[i].topic)), "%s: the topic", lines[i].text);
        cr_expect_eq(line.partition, lines[i].partition, "%s: the partition", lines[i].text);
        cr_expect_eq(line.offset, lines[i].offset, "%s: the offset", lines[i].text);
    }
}
