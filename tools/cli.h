/* tools/cli.h - the command line of a tool, in the manner of Kafka's own tools.
 *
 * `--name value`, `--name=value`, and with one dash the same; a flag ignores `=value`; `--` ends
 * the options; words that belong to no option are ignored, as there. Names are never abbreviated.
 * An option that is not CLI_MANY may stand once. The sentences of the errors are those of Kafka's
 * parser, because scripts look for them. Source: joptsimple as Kafka 4.3 sets it up
 * (CommandDefaultOptions, CommandLineUtils).
 *
 * Everything here belongs to the one thread of a tool; texts are borrowed from argv and live as
 * long as it. */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"

enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_INT32, CLI_INT64 };

enum cli_flags {
    CLI_MANY = 1,           /* may be repeated */
    CLI_VALUE_OPTIONAL = 2, /* the value may be left out; `implied` is then its value */
    CLI_HIDDEN = 4,         /* accepted, but not shown by --help */
};

struct cli_option {
    const char *name;  /* without dashes */
    const char *label; /* what the value is, for --help: "host:port,..." */
    const char *help;
    const char *fallback; /* the value when the option is absent; NULL: none */
    const char *implied;  /* the value of CLI_VALUE_OPTIONAL without one */
    uint8_t kind;         /* enum cli_kind */
    uint8_t flags;        /* enum cli_flags */
    char letter;          /* also `-c`; 0: none */
};

struct cli_tool {
    const char *name;    /* "kafka-topics" */
    const char *purpose; /* one sentence */
    const char *notes;   /* paragraphs below the options; NULL: none */
    const struct cli_option *options;
    uint32_t option_count;
    bool helps_alone; /* without a single word on its command line it does what --help asks for */
};

struct cli_value {
    uint32_t option; /* index into the tool's options */
    const char *text;
};

struct cli {
    const struct cli_tool *tool;
    struct mem *mem;
    struct cli_value *values; /* in the order of the command line */
    uint32_t value_count, value_capacity;
    bool help, version;
    char message[512]; /* after a failed parse: what was wrong */
};

/** Reads the command line behind argv[0]; ST_INVALID with cli->message. Frees nothing on failure:
 * cli_release does. */
MUST_CHECK enum status cli_parse(struct cli *cli, const struct cli_tool *tool, struct mem *mem,
                                 int argc, char *const *argv);
void cli_release(struct cli *cli);

/** Parses, answers --help and --version, and ends the process where the command line is wrong. */
void cli_start(struct cli *cli, const struct cli_tool *tool, struct mem *mem, int argc,
               char *const *argv);

/** True when the option stands on the command line (a fallback does not count). */
bool cli_has(const struct cli *cli, uint32_t option);
/** Its value, else its fallback, else NULL; the first one of a repeated option. */
const char *cli_text(const struct cli *cli, uint32_t option);
/** Its number; the option has a value or a fallback. */
int64_t cli_number(const struct cli *cli, uint32_t option);
/** How often a CLI_MANY option stands there, and its values in order. */
uint32_t cli_count(const struct cli *cli, uint32_t option);
const char *cli_nth(const struct cli *cli, uint32_t option, uint32_t n);

void cli_print_help(const struct cli_tool *tool, FILE *out);
/** Ends the process with status 1: `message`, then where the options are explained, on standard
 * error. */
__attribute__((noreturn, format(printf, 2, 3))) void cli_usage_exit(const struct cli *cli,
                                                                    const char *message, ...);
/** Ends the process with status 1 after a failure that is not one of usage: one line on standard
 * error. */
__attribute__((noreturn, format(printf, 1, 2))) void cli_exit(const char *message, ...);

/** "--a and --b": ends the process when `option` stands there together with one of `others`
 * (Kafka's sentence). */
void cli_forbid_with(const struct cli *cli, uint32_t option, const uint32_t *others,
                     uint32_t other_count);
/** Ends the process unless every one of `required` stands there (Kafka's sentence). */
void cli_require(const struct cli *cli, const uint32_t *required, uint32_t count);

/** Splits `key=value` at the first '='; false without one or with an empty key. */
bool cli_split_pair(const char *text, struct str *ret_key, struct str *ret_value);
