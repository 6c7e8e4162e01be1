/* tools/kafka_groups.c - kafka-groups: lists the groups of every kind. Options, output and
 * sentences are those of Kafka 4.3's tool (GroupsCommand). */
#include <stdlib.h>
#include "tools/admin.h"
#include "tools/groups_print.h"

#define COLUMN 20

enum option {
    OPT_BOOTSTRAP,
    OPT_COMMAND_CONFIG,
    OPT_LIST,
    OPT_TYPE,
    OPT_PROTOCOL,
    OPT_CONSUMER,
    OPT_SHARE,
    OPT_STREAMS,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = ADMIN_BOOTSTRAP_OPTION,
    [OPT_COMMAND_CONFIG] = ADMIN_CONFIG_OPTION,
    [OPT_LIST] = {.name = "list", .help = "List the groups."},
    [OPT_TYPE] = {.name = "group-type",
                  .kind = CLI_TEXT,
                  .label = "type",
                  .help = "Only groups of this type: classic, consumer, share or streams."},
    [OPT_PROTOCOL] = {.name = "protocol",
                      .kind = CLI_TEXT,
                      .label = "protocol",
                      .help = "Only groups with this protocol."},
    [OPT_CONSUMER] = {.name = "consumer", .help = "Only groups of consumers, of either type."},
    [OPT_SHARE] = {.name = "share", .help = "Only share groups."},
    [OPT_STREAMS] = {.name = "streams", .help = "Only streams groups."},
};

static const struct cli_tool tool = {
    .name = "kafka-groups",
    .purpose = "lists groups of all kinds.",
    .options = options,
    .option_count = OPT_COUNT,
};

static void check_options(const struct cli *cli) {
    static const char *const types[] = {"classic", "consumer", "share", "streams"};
    const uint32_t filters[] = {OPT_CONSUMER, OPT_SHARE, OPT_STREAMS};
    const uint32_t finer[] = {OPT_TYPE, OPT_PROTOCOL};
    cli_require(cli, (const uint32_t[]){OPT_BOOTSTRAP}, 1);
    if (!cli_has(cli, OPT_LIST))
        cli_usage_exit(cli, "Command must include exactly one action: --list.");
    for (size_t i = 0; i < COUNT(filters); i++) {
        cli_forbid_with(cli, filters[i], filters, COUNT(filters));
        cli_forbid_with(cli, filters[i], finer, COUNT(finer));
    }
    if (!cli_has(cli, OPT_TYPE)) return;
    for (size_t i = 0; i < COUNT(types); i++)
        if (str_eq_any_case(str_of(types[i]), str_of(cli_text(cli, OPT_TYPE)))) return;
    cli_usage_exit(cli, "--group-type must be a valid group type.");
}

static bool is_chosen(const struct cli *cli, const struct listed_group *g) {
    if (cli_has(cli, OPT_TYPE) && !str_eq_any_case(g->type, str_of(cli_text(cli, OPT_TYPE))))
        return false;
    if (cli_has(cli, OPT_PROTOCOL) && !str_eq(g->protocol, str_of(cli_text(cli, OPT_PROTOCOL))))
        return false;
    if (cli_has(cli, OPT_CONSUMER)) return listed_group_consumes(g);
    if (cli_has(cli, OPT_SHARE)) return str_eq_any_case(g->type, STR("share"));
    if (cli_has(cli, OPT_STREAMS)) return str_eq_any_case(g->type, STR("streams"));
    return true;
}

static void print_groups(const struct cli *cli, const struct listed_groups *groups) {
    size_t width = COLUMN;
    for (uint32_t i = 0; i < groups->count; i++)
        if (is_chosen(cli, &groups->at[i])) width = MAX(width, groups->at[i].id.len);
    printf("%-*s %-*s %-*s\n", (int)width, "GROUP", COLUMN, "TYPE", COLUMN, "PROTOCOL");
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct listed_group *g = &groups->at[i];
        if (!is_chosen(cli, g)) continue;
        char room[32];
        struct str type = capitalized(g->type, room, sizeof room);
        printf("%-*.*s %-*.*s %-*.*s \n", (int)width, STR_ARG(g->id), COLUMN, STR_ARG(type), COLUMN,
               STR_ARG(g->protocol));
    }
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct cli cli;
    struct admin admin;
    struct listed_groups groups;
    cli_start(&cli, &tool, &mem, argc, argv);
    check_options(&cli);
    enum status st = admin_start(&admin, &mem, cli_text(&cli, OPT_BOOTSTRAP),
                                 cli_text(&cli, OPT_COMMAND_CONFIG));
    if (st == ST_OK) st = groups_list(&admin.client, false, NULL, 0, NULL, 0, &groups);
    if (st != ST_OK)
        cli_exit("Error while executing groups command : %s",
                 st == ST_NOMEM ? "out of memory" : admin.client.message);
    print_groups(&cli, &groups);
    admin_stop(&admin);
    cli_release(&cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
