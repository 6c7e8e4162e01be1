/* tests/unit/tools/cli.c - command lines that Kafka's tools take, and those that they refuse. */
#include "tools/cli.h"
#include <criterion/criterion.h>

enum {
    OPT_TOPIC,
    OPT_LIST,
    OPT_PARTITIONS,
    OPT_TIMEOUT,
    OPT_CODEC,
    OPT_PROPERTY,
    OPT_FILE,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_TOPIC] = {.name = "topic", .kind = CLI_TEXT, .help = "a topic"},
    [OPT_LIST] = {.name = "list", .help = "a flag"},
    [OPT_PARTITIONS] = {.name = "partitions", .kind = CLI_INT32, .help = "a number"},
    [OPT_TIMEOUT] = {.name = "timeout", .kind = CLI_INT64, .fallback = "1000", .help = "a number"},
    [OPT_CODEC] = {.name = "codec",
                   .kind = CLI_TEXT,
                   .flags = CLI_VALUE_OPTIONAL,
                   .implied = "gzip",
                   .help = "one"},
    [OPT_PROPERTY] = {.name = "property", .kind = CLI_TEXT, .flags = CLI_MANY, .help = "pairs"},
    [OPT_FILE] = {.name = "config", .kind = CLI_TEXT, .letter = 'c', .help = "a file"},
};
static const struct cli_tool tool = {
    .name = "tool", .purpose = "does nothing.", .options = options, .option_count = OPT_COUNT};

#define WORDS_MAX 8
static int word_count(const char *const *words) {
    int count = 0;
    while (words[count] != NULL) count++;
    return count;
}

struct row {
    const char *name;
    const char *words[WORDS_MAX];
    enum status want;
    const char *message; /* of a refusal */
    const char *values;  /* "name=text;..." of what was understood */
};

static const struct row rows[] = {
    {"nothing", {"tool"}, ST_OK, "", ""},
    {"a value behind a space", {"tool", "--topic", "a"}, ST_OK, "", "topic=a;"},
    {"a value behind '='", {"tool", "--topic=a=b"}, ST_OK, "", "topic=a=b;"},
    {"an empty value behind '='", {"tool", "--topic="}, ST_OK, "", "topic=;"},
    {"one dash", {"tool", "-topic", "a", "-list"}, ST_OK, "", "topic=a;list=;"},
    {"a letter", {"tool", "-c", "f"}, ST_OK, "", "config=f;"},
    {"a value that looks like an option",
     {"tool", "--topic", "--list"},
     ST_OK,
     "",
     "topic=--list;"},
    {"a flag with a value", {"tool", "--list=no"}, ST_OK, "", "list=;"},
    {"a flag twice", {"tool", "--list", "--list"}, ST_OK, "", "list=;list=;"},
    {"words of no option", {"tool", "x", "--list", "y", "-"}, ST_OK, "", "list=;"},
    {"the end of options", {"tool", "--list", "--", "--nosuch"}, ST_OK, "", "list=;"},
    {"an optional value", {"tool", "--codec", "lz4"}, ST_OK, "", "codec=lz4;"},
    {"an optional value left out at the end", {"tool", "--codec"}, ST_OK, "", "codec=gzip;"},
    {"an optional value left out", {"tool", "--codec", "--list"}, ST_OK, "", "codec=gzip;list=;"},
    {"many values",
     {"tool", "--property", "a=1", "--property=b=2"},
     ST_OK,
     "",
     "property=a=1;property=b=2;"},
    {"a negative number", {"tool", "--partitions", "-3"}, ST_OK, "", "partitions=-3;"},
    {"the largest int",
     {"tool", "--partitions", "2147483647"},
     ST_OK,
     "",
     "partitions=2147483647;"},
    {"more than an int",
     {"tool", "--partitions", "2147483648"},
     ST_INVALID,
     "Cannot parse argument '2147483648' of option partitions",
     ""},
    {"a long", {"tool", "--timeout", "2147483648"}, ST_OK, "", "timeout=2147483648;"},
    {"no number",
     {"tool", "--partitions", "x"},
     ST_INVALID,
     "Cannot parse argument 'x' of option partitions",
     ""},
    {"an unknown option",
     {"tool", "--nosuch"},
     ST_INVALID,
     "nosuch is not a recognized option",
     ""},
    {"an unknown option with a value",
     {"tool", "--no=such"},
     ST_INVALID,
     "no is not a recognized option",
     ""},
    {"no abbreviation", {"tool", "--top", "a"}, ST_INVALID, "top is not a recognized option", ""},
    {"a missing value", {"tool", "--topic"}, ST_INVALID, "Option topic requires an argument", ""},
    {"a value twice",
     {"tool", "--topic", "a", "--topic", "b"},
     ST_INVALID,
     "Found multiple arguments for option topic, but you asked for only one",
     ""},
};

static void describe(const struct cli *cli, char *text, size_t size) {
    size_t len = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < cli->value_count; i++)
        len += (size_t)snprintf(text + len, size - len, "%s=%s;",
                                options[cli->values[i].option].name, cli->values[i].text);
}

Test(cli, understands_what_kafka_s_parser_understands) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {0};
        struct cli cli;
        char got[256] = "";
        char **words = (char **)(uintptr_t)rows[i].words;
        enum status st = cli_parse(&cli, &tool, &mem, word_count(rows[i].words), words);
        cr_expect_eq(st, rows[i].want, "%s: got %s", rows[i].name, status_name(st));
        cr_expect_str_eq(cli.message, rows[i].message, "%s: got '%s'", rows[i].name, cli.message);
        if (st == ST_OK) describe(&cli, got, sizeof got);
        cr_expect_str_eq(got, rows[i].values, "%s: got '%s'", rows[i].name, got);
        cli_release(&cli);
        cr_expect_eq(mem.used_bytes, 0, "%s: memory is left", rows[i].name);
    }
}

Test(cli, answers_by_option_with_fallbacks) {
    struct mem mem = {0};
    struct cli cli;
    char *words[] = {"tool", "--property", "a=1", "--list", "--property", "b=2", "--help"};
    cr_assert_eq(cli_parse(&cli, &tool, &mem, COUNT(words), words), ST_OK);
    cr_expect(cli.help && !cli.version);
    cr_expect(cli_has(&cli, OPT_LIST) && !cli_has(&cli, OPT_TOPIC));
    cr_expect_eq(cli_count(&cli, OPT_PROPERTY), 2);
    cr_expect_str_eq(cli_nth(&cli, OPT_PROPERTY, 1), "b=2");
    cr_expect_null(cli_nth(&cli, OPT_PROPERTY, 2));
    cr_expect_null(cli_text(&cli, OPT_TOPIC));
    cr_expect_eq(cli_number(&cli, OPT_TIMEOUT), 1000, "the fallback");
    cr_expect(!cli_has(&cli, OPT_TIMEOUT), "a fallback does not stand on the command line");
    cli_release(&cli);
}

Test(cli, splits_pairs_at_the_first_equals_sign) {
    struct str key, value;
    cr_assert(cli_split_pair("a=b=c", &key, &value));
    cr_expect(str_eq(key, STR("a")) && str_eq(value, STR("b=c")));
    cr_assert(cli_split_pair("a=", &key, &value));
    cr_expect(str_eq(value, STR("")));
    cr_expect(!cli_split_pair("a", &key, &value));
    cr_expect(!cli_split_pair("=b", &key, &value));
}

static struct cli parsed(struct mem *mem, char **words, int count) {
    struct cli cli;
    cr_assert_eq(cli_parse(&cli, &tool, mem, count, words), ST_OK);
    return cli;
}

Test(cli, ends_with_status_1_when_a_required_option_is_missing, .exit_code = 1) {
    struct mem mem = {0};
    char *words[] = {"tool", "--list"};
    struct cli cli = parsed(&mem, words, COUNT(words));
    cli_require(&cli, (const uint32_t[]){OPT_LIST}, 1); /* is there: returns */
    cli_require(&cli, (const uint32_t[]){OPT_TOPIC}, 1);
}

Test(cli, ends_with_status_1_when_options_exclude_each_other, .exit_code = 1) {
    struct mem mem = {0};
    char *words[] = {"tool", "--list", "--topic", "a"};
    struct cli cli = parsed(&mem, words, COUNT(words));
    cli_forbid_with(&cli, OPT_LIST, (const uint32_t[]){OPT_CODEC}, 1); /* is not there: returns */
    cli_forbid_with(&cli, OPT_LIST, (const uint32_t[]){OPT_CODEC, OPT_TOPIC}, 2);
}
