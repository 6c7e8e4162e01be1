/* tools/kafka_cluster.c - kafka-cluster: the cluster's id, its brokers, and taking a broker out of
 * it. Commands, output and sentences are those of Kafka 4.3's tool (ClusterTool). */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "tools/admin.h"
#include "tools/topics.h"

#define NAME "kafka-cluster"
#define NO_RACK_COLUMNS 10 /* the width of the column where no broker has a rack */

enum option {
    OPT_BOOTSTRAP,
    OPT_CONTROLLER,
    OPT_CONFIG,
    OPT_COMMAND_CONFIG,
    OPT_OWN, /* of one command */
    OPT_COUNT
};

#define COMMON_OPTIONS                                                                             \
    [OPT_BOOTSTRAP] = {.name = "bootstrap-server",                                                 \
                       .letter = 'b',                                                              \
                       .kind = CLI_TEXT,                                                           \
                       .label = "host:port,...",                                                   \
                       .help = "Brokers to ask first; one that answers is enough."},               \
    [OPT_CONTROLLER] = {.name = "bootstrap-controller",                                            \
                        .letter = 'C',                                                             \
                        .kind = CLI_TEXT,                                                          \
                        .label = "host:port,...",                                                  \
                        .help = "Controllers to ask instead."},                                    \
    [OPT_CONFIG] = {.name = "config",                                                              \
                    .kind = CLI_TEXT,                                                              \
                    .label = "file",                                                               \
                    .help = "The older name of --command-config."},                                \
    [OPT_COMMAND_CONFIG] = {.name = "command-config",                                              \
                            .letter = 'c',                                                         \
                            .kind = CLI_TEXT,                                                      \
                            .label = "file",                                                       \
                            .help = "A file of client properties."}

static const struct cli_option id_options[] = {COMMON_OPTIONS};
static const struct cli_option endpoint_options[] = {
    COMMON_OPTIONS,
    [OPT_OWN] = {.name = "include-fenced-brokers", .help = "Brokers that are fenced, too."},
};
static const struct cli_option unregister_options[] = {
    COMMON_OPTIONS,
    [OPT_OWN] = {.name = "id",
                 .letter = 'i',
                 .kind = CLI_INT32,
                 .label = "broker",
                 .help = "Required. The broker to take out of the cluster."},
};
static const struct cli_tool id_tool = {.name = NAME " cluster-id",
                                        .purpose = "prints the id of the cluster.",
                                        .options = id_options,
                                        .option_count = COUNT(id_options)};
static const struct cli_tool endpoint_tool = {.name = NAME " list-endpoints",
                                              .purpose = "lists the brokers.",
                                              .options = endpoint_options,
                                              .option_count = COUNT(endpoint_options)};
static const struct cli_tool unregister_tool = {.name = NAME " unregister",
                                                .purpose = "takes a broker out of the cluster.",
                                                .options = unregister_options,
                                                .option_count = COUNT(unregister_options)};
static const struct cli_tool tool = {
    .name = NAME,
    .purpose = "tells of the cluster.",
    .notes = "Commands:\n"
             "  cluster-id       print the cluster's id\n"
             "  list-endpoints   list the brokers\n"
             "  unregister       take a broker out of the cluster\n"
             "'kafka-cluster COMMAND --help' explains each.\n",
};

static void check(const struct client *c, enum status st) {
    if (st != ST_OK) cli_exit("%s", st == ST_NOMEM ? "out of memory" : c->message);
}

static void print_cluster_id(struct client *c) {
    const struct metadata_response *cluster = client_cluster(c);
    if (cluster == NULL) cli_exit("%s", c->message);
    if (cluster->cluster_id.ptr == NULL)
        puts("No cluster ID found. The Kafka version is probably too old.");
    else
        printf("Cluster ID: %.*s\n", STR_ARG(cluster->cluster_id));
}

static void describe(struct client *c, bool with_fenced,
                     struct describe_cluster_response *ret_response) {
    struct describe_cluster_request request;
    codec_defaults(&describe_cluster_request_schema, &request);
    request.include_fenced_brokers = with_fenced;
    do {
        check(c, client_call(c, CLIENT_ANY, API_DESCRIBE_CLUSTER, &request, ret_response));
    } while (client_may_retry(c, ret_response->error_code));
    struct str text = error_text(ret_response->error_message, ret_response->error_code);
    if (ret_response->error_code != KAFKA_NONE) cli_exit("%.*s", STR_ARG(text));
}

static int by_id(const void *a, const void *b) {
    int32_t x = ((const struct describe_cluster_response_broker *)a)->broker_id,
            y = ((const struct describe_cluster_response_broker *)b)->broker_id;
    return (x > y) - (x < y);
}

static void list_endpoints(struct client *c, bool with_fenced) {
    struct describe_cluster_response response;
    describe(c, with_fenced, &response);
    qsort(response.brokers, (size_t)response.brokers_count, sizeof *response.brokers, by_id);
    size_t host_columns = 0, rack_columns = 0;
    for (int32_t i = 0; i < response.brokers_count; i++) {
        host_columns = MAX(host_columns, response.brokers[i].host.len);
        rack_columns = MAX(rack_columns, response.brokers[i].rack.len);
    }
    if (rack_columns == 0) rack_columns = NO_RACK_COLUMNS;
    printf("%-10s %-*s %-10s %-*s %-10s %-15s\n", "ID", (int)host_columns, "HOST", "PORT",
           (int)rack_columns, "RACK", "STATE", "ENDPOINT_TYPE");
    for (int32_t i = 0; i < response.brokers_count; i++) {
        const struct describe_cluster_response_broker *b = &response.brokers[i];
        struct str rack = b->rack.ptr != NULL ? b->rack : STR("null");
        printf("%-10" PRId32 " %-*.*s %-10" PRId32 " %-*.*s %-10s %-15s\n", b->broker_id,
               (int)host_columns, STR_ARG(b->host), b->port, (int)rack_columns, STR_ARG(rack),
               b->is_fenced ? "fenced" : "unfenced", "broker");
    }
}

static void unregister(struct client *c, int32_t id) {
    struct unregister_broker_request request;
    struct unregister_broker_response response;
    codec_defaults(&unregister_broker_request_schema, &request);
    request.broker_id = id;
    do {
        check(c, client_call(c, CLIENT_ANY, API_UNREGISTER_BROKER, &request, &response));
    } while (client_may_retry(c, response.error_code));
    struct str text = error_text(response.error_message, response.error_code);
    if (response.error_code != KAFKA_NONE) cli_exit("%.*s", STR_ARG(text));
    printf("Broker %" PRId32 " is no longer registered.\n", id);
}

static const struct cli_tool *tool_of(const char *command) {
    if (strcmp(command, "cluster-id") == 0) return &id_tool;
    if (strcmp(command, "list-endpoints") == 0) return &endpoint_tool;
    return strcmp(command, "unregister") == 0 ? &unregister_tool : NULL;
}

static void check_options(const struct cli *cli) {
    if (cli_has(cli, OPT_BOOTSTRAP) && cli_has(cli, OPT_CONTROLLER))
        cli_usage_exit(cli, NAME ": error: argument --bootstrap-controller/-C: not allowed with "
                                 "argument --bootstrap-server/-b");
    if (cli_has(cli, OPT_CONTROLLER))
        cli_usage_exit(cli, "--bootstrap-controller: not supported yet; use --bootstrap-server");
    if (!cli_has(cli, OPT_BOOTSTRAP))
        cli_usage_exit(cli, NAME ": error: one of the arguments --bootstrap-server/-b "
                                 "--bootstrap-controller/-C is required");
    if (cli_has(cli, OPT_CONFIG) && cli_has(cli, OPT_COMMAND_CONFIG))
        cli_usage_exit(cli, NAME ": error: --config and --command-config cannot be specified "
                                 "together.");
    if (cli->tool == &unregister_tool && !cli_has(cli, OPT_OWN))
        cli_usage_exit(cli, NAME ": error: argument --id/-i is required");
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct cli cli;
    struct admin admin;
    const struct cli_tool *of_command = argc > 1 && argv[1][0] != '-' ? tool_of(argv[1]) : NULL;
    if (of_command == NULL) {
        cli_start(&cli, &tool, &mem, argc, argv);
        if (argc > 1)
            cli_usage_exit(&cli,
                           NAME ": error: invalid choice: '%s' (choose from 'cluster-id', "
                                "'unregister', 'list-endpoints')",
                           argv[1]);
        cli_usage_exit(&cli, NAME ": error: too few arguments");
    }
    cli_start(&cli, of_command, &mem, argc - 1, argv + 1);
    check_options(&cli);
    const char *file = cli_text(&cli, OPT_COMMAND_CONFIG);
    if (file == NULL) file = cli_text(&cli, OPT_CONFIG);
    if (admin_start(&admin, &mem, cli_text(&cli, OPT_BOOTSTRAP), file) != ST_OK)
        cli_exit("%s", admin.client.message);
    if (of_command == &id_tool)
        print_cluster_id(&admin.client);
    else if (of_command == &endpoint_tool)
        list_endpoints(&admin.client, cli_has(&cli, OPT_OWN));
    else
        unregister(&admin.client, (int32_t)cli_number(&cli, OPT_OWN));
    admin_stop(&admin);
    cli_release(&cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
