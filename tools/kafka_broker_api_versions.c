/* tools/kafka_broker_api_versions.c - kafka-broker-api-versions: which versions of which requests
 * each broker serves, and which of them Kafka 4.3's clients would use. Output as Kafka's tool. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "tools/admin.h"

enum option { OPT_COMMAND_CONFIG, OPT_BOOTSTRAP, OPT_COUNT };

static const struct cli_option options[OPT_COUNT] = {
    [OPT_COMMAND_CONFIG] = ADMIN_CONFIG_OPTION,
    [OPT_BOOTSTRAP] = ADMIN_BOOTSTRAP_OPTION,
};
static const struct cli_tool tool = {
    .name = "kafka-broker-api-versions",
    .purpose = "tells which requests the brokers serve.",
    .options = options,
    .option_count = OPT_COUNT,
};

static bool is_for_clients(const struct api *api) {
    return api->request != NULL && (api->listeners & LISTENER_BROKER) != 0;
}

/* "Fetch(1): 4 to 18 [usable: 18]" */
static void print_api(const struct api *api, const struct client_versions *v) {
    printf("\t%s(%d): ", api->name, api->key);
    if (!v->offered) {
        fputs("UNSUPPORTED", stdout);
        return;
    }
    printf(v->min == v->max ? "%d" : "%d to %d", v->min, v->max);
    int16_t usable = MIN(v->max, api->max_version);
    if (v->max < api->min_version)
        fputs(" [unusable: node too old]", stdout);
    else if (v->min > api->max_version)
        fputs(" [unusable: node too new]", stdout);
    else
        printf(" [usable: %d]", usable);
}

static void print_broker(const struct metadata_response_broker *broker,
                         const struct client_versions *versions) {
    printf("%.*s:%" PRId32 " (id: %" PRId32 " rack: %.*s isFenced: false) -> (\n",
           STR_ARG(broker->host), broker->port, broker->node_id,
           STR_ARG(broker->rack.ptr != NULL ? broker->rack : STR("null")));
    bool begun = false;
    for (int16_t key = 0; key < API_KEY_COUNT; key++) {
        const struct api *api = api_find(key);
        if (api == NULL || (!is_for_clients(api) && !versions[key].offered)) continue;
        if (begun) fputs(",\n", stdout);
        begun = true;
        print_api(api, &versions[key]);
    }
    fputs("\n)\n", stdout);
}

static int by_id(const void *a, const void *b) {
    int32_t x = ((const struct metadata_response_broker *)a)->node_id,
            y = ((const struct metadata_response_broker *)b)->node_id;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct cli cli;
    struct admin admin;
    cli_start(&cli, &tool, &mem, argc, argv);
    cli_require(&cli, (const uint32_t[]){OPT_BOOTSTRAP}, 1);
    if (admin_start(&admin, &mem, cli_text(&cli, OPT_BOOTSTRAP),
                    cli_text(&cli, OPT_COMMAND_CONFIG)) != ST_OK)
        cli_exit("%s", admin.client.message);
    const struct metadata_response *cluster = client_cluster(&admin.client);
    if (cluster == NULL) cli_exit("%s", admin.client.message);
    qsort(cluster->brokers, (size_t)cluster->brokers_count, sizeof *cluster->brokers, by_id);
    int exit_status = 0;
    for (int32_t i = 0; i < cluster->brokers_count; i++) {
        const struct metadata_response_broker *broker = &cluster->brokers[i];
        const struct client_versions *versions = client_versions_of(&admin.client, broker->node_id);
        if (versions != NULL) {
            print_broker(broker, versions);
            continue;
        }
        printf("%.*s:%" PRId32 " (id: %" PRId32 " rack: %.*s isFenced: false) -> ERROR: %s\n",
               STR_ARG(broker->host), broker->port, broker->node_id,
               STR_ARG(broker->rack.ptr != NULL ? broker->rack : STR("null")),
               admin.client.message);
        exit_status = 1;
    }
    admin_stop(&admin);
    cli_release(&cli);
    return fflush(stdout) == 0 ? exit_status : 1;
}
