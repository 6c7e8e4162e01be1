/* tools/cli.c - see cli.h. */
#include "tools/cli.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include "base/assert.h"

#define KAFKA_VERSION "4.3.1" /* whose behaviour the tools have */
#define HELP_COLUMNS 100
#define HELP_INDENT 36

__attribute__((format(printf, 2, 3))) static enum status refuse(struct cli *cli, const char *format,
                                                                ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(cli->message, sizeof cli->message, format,
                    args); /* cut when somebody typed a novel */
    va_end(args);
    return ST_INVALID;
}

/* The index of the option whose name (or letter) fills `name`; option_count when there is none. */
static uint32_t find_option(const struct cli_tool *tool, struct str name) {
    uint32_t i;
    for (i = 0; i < tool->option_count; i++) {
        const struct cli_option *option = &tool->options[i];
        if (option->name != NULL && str_eq(str_of(option->name), name)) break;
        if (name.len == 1 && option->letter != 0 && option->letter == name.ptr[0]) break;
    }
    return i;
}

static bool is_number(const struct cli_option *option, const char *text) {
    int64_t value;
    if (!str_to_int64(str_of(text), &value)) return false;
    return option->kind == CLI_INT64 || (value >= INT32_MIN && value <= INT32_MAX);
}

static enum status add_value(struct cli *cli, uint32_t index, const char *text) {
    const struct cli_option *option = &cli->tool->options[index];
    if (option->kind != CLI_FLAG && !(option->flags & CLI_MANY) && cli_has(cli, index))
        return refuse(cli, "Found multiple arguments for option %s, but you asked for only one",
                      option->name);
    if ((option->kind == CLI_INT32 || option->kind == CLI_INT64) && !is_number(option, text))
        return refuse(cli, "Cannot parse argument '%s' of option %s", text, option->name);
    ASSERT(cli->value_count < cli->value_capacity);
    cli->values[cli->value_count++] = (struct cli_value){index, text};
    return ST_OK;
}

/* One word that begins with a dash; *at is its place in argv and moves over a value. */
static enum status parse_option(struct cli *cli, int argc, char *const *argv, int *at) {
    const char *word = argv[*at] + (argv[*at][1] == '-' ? 2 : 1);
    const char *equals = strchr(word, '=');
    struct str name = equals != NULL ? (struct str){word, (size_t)(equals - word)} : str_of(word);
    uint32_t index = find_option(cli->tool, name);
    if (index == cli->tool->option_count) {
        if (str_eq(name, STR("help")) || str_eq(name, STR("h")))
            cli->help = true;
        else if (str_eq(name, STR("version")))
            cli->version = true;
        else
            return refuse(cli, "%.*s is not a recognized option", STR_ARG(name));
        return ST_OK;
    }
    const struct cli_option *option = &cli->tool->options[index];
    if (option->kind == CLI_FLAG) return add_value(cli, index, "");
    if (equals != NULL) return add_value(cli, index, equals + 1);
    bool has_next = *at + 1 < argc;
    if (option->flags & CLI_VALUE_OPTIONAL) {
        if (!has_next || argv[*at + 1][0] == '-') return add_value(cli, index, option->implied);
    } else if (!has_next) {
        return refuse(cli, "Option %s requires an argument", option->name);
    }
    *at += 1;
    return add_value(cli, index, argv[*at]);
}

enum status cli_parse(struct cli *cli, const struct cli_tool *tool, struct mem *mem, int argc,
                      char *const *argv) {
    *cli = (struct cli){.tool = tool, .mem = mem, .value_capacity = argc > 0 ? (uint32_t)argc : 1};
    cli->values = mem_need(mem, cli->value_capacity * sizeof *cli->values);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] != '-' || word[1] == '\0') continue;
        if (strcmp(word, "--") == 0) break;
        enum status st = parse_option(cli, argc, argv, &i);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

void cli_release(struct cli *cli) {
    if (cli->mem != NULL)
        mem_free(cli->mem, cli->values, cli->value_capacity * sizeof *cli->values);
    *cli = (struct cli){0};
}

void cli_start(struct cli *cli, const struct cli_tool *tool, struct mem *mem, int argc,
               char *const *argv) {
    enum status st = cli_parse(cli, tool, mem, argc, argv);
    if (st != ST_OK) cli_usage_exit(cli, "%s", cli->message);
    if (cli->help || (tool->helps_alone && argc == 1)) {
        cli_print_help(tool, stdout);
        exit(0);
    }
    if (cli->version) {
        printf(KAFKA_VERSION " (klamm " KLAMM_VERSION ")\n");
        exit(0);
    }
}

bool cli_has(const struct cli *cli, uint32_t option) { return cli_count(cli, option) > 0; }

uint32_t cli_count(const struct cli *cli, uint32_t option) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < cli->value_count; i++) count += cli->values[i].option == option;
    return count;
}

const char *cli_nth(const struct cli *cli, uint32_t option, uint32_t n) {
    for (uint32_t i = 0; i < cli->value_count; i++) {
        if (cli->values[i].option != option) continue;
        if (n-- == 0) return cli->values[i].text;
    }
    return NULL;
}

const char *cli_text(const struct cli *cli, uint32_t option) {
    const char *text = cli_nth(cli, option, 0);
    return text != NULL ? text : cli->tool->options[option].fallback;
}

int64_t cli_number(const struct cli *cli, uint32_t option) {
    const char *text = cli_text(cli, option);
    int64_t value = 0;
    ASSERT(text != NULL && str_to_int64(str_of(text), &value)); /* add_value looked */
    return value;
}

/* `text` word by word from column `at`, continued at HELP_INDENT; ends the line. */
static void print_wrapped(FILE *out, const char *text, int at) {
    bool at_margin = true;
    while (*text != '\0') {
        size_t word_len = strcspn(text, " \n");
        if (!at_margin && at + 1 + (int)word_len > HELP_COLUMNS) {
            fprintf(out, "\n%*s", HELP_INDENT, "");
            at = HELP_INDENT;
            at_margin = true;
        }
        fprintf(out, "%s%.*s", at_margin ? "" : " ", (int)word_len, text);
        at += (int)word_len + (at_margin ? 0 : 1);
        at_margin = false;
        text += word_len;
        if (*text == '\n') {
            fprintf(out, "\n%*s", HELP_INDENT, "");
            at = HELP_INDENT;
            at_margin = true;
        }
        if (*text != '\0') text++;
    }
    fputc('\n', out);
}

static void print_option(const struct cli_option *option, FILE *out) {
    int at = fprintf(out, "  ");
    if (option->letter != 0) at += fprintf(out, "-%c, ", option->letter);
    at += fprintf(out, "--%s", option->name);
    if (option->kind != CLI_FLAG) {
        const char *label = option->label != NULL ? option->label : "value";
        at += fprintf(out, option->flags & CLI_VALUE_OPTIONAL ? " [%s]" : " %s", label);
    }
    if (at >= HELP_INDENT) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", HELP_INDENT - at, "");
    char text[1024];
    const char *many = option->flags & CLI_MANY ? " May be repeated." : "";
    if (option->fallback != NULL)
        (void)snprintf(text, sizeof text, "%s Default: %s.%s", option->help, option->fallback,
                       many);
    else
        (void)snprintf(text, sizeof text, "%s%s", option->help, many);
    print_wrapped(out, text, HELP_INDENT);
}

void cli_print_help(const struct cli_tool *tool, FILE *out) {
    fprintf(out, "%s: %s\n\nOptions:\n", tool->name, tool->purpose);
    for (uint32_t i = 0; i < tool->option_count; i++) {
        const struct cli_option *option = &tool->options[i];
        if (option->name != NULL && !(option->flags & CLI_HIDDEN)) print_option(option, out);
    }
    print_option(&(struct cli_option){.name = "help", .help = "Print this and stop."}, out);
    print_option(&(struct cli_option){.name = "version", .help = "Print the version and stop."},
                 out);
    if (tool->notes != NULL) fprintf(out, "\n%s", tool->notes);
}

void cli_usage_exit(const struct cli *cli, const char *message, ...) {
    va_list args;
    va_start(args, message);
    (void)fflush(stdout);
    (void)vfprintf(stderr, message, args);
    va_end(args);
    fprintf(stderr, "\n'%s --help' explains the options.\n", cli->tool->name);
    exit(1);
}

void cli_exit(const char *message, ...) {
    va_list args;
    va_start(args, message);
    (void)fflush(stdout);
    (void)vfprintf(stderr, message, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void cli_forbid_with(const struct cli *cli, uint32_t option, const uint32_t *others,
                     uint32_t other_count) {
    if (!cli_has(cli, option)) return;
    for (uint32_t i = 0; i < other_count; i++) {
        if (!cli_has(cli, others[i]) || others[i] == option) continue;
        cli_usage_exit(cli, "Option \"[%s]\" can't be used with option \"[%s]\"",
                       cli->tool->options[option].name, cli->tool->options[others[i]].name);
    }
}

void cli_require(const struct cli *cli, const uint32_t *required, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (!cli_has(cli, required[i]))
            cli_usage_exit(cli, "Missing required argument \"[%s]\"",
                           cli->tool->options[required[i]].name);
    }
}

bool cli_split_pair(const char *text, struct str *ret_key, struct str *ret_value) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) return false;
    *ret_key = (struct str){text, (size_t)(equals - text)};
    *ret_value = str_of(equals + 1);
    return true;
}
