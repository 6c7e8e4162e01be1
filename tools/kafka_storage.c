/* tools/kafka_storage.c - kafka-storage: formats and shows log directories, makes cluster ids,
 * explains features. Commands and output are those of Kafka 4.3's tool. What a node of klamm
 * does not do yet is refused: more than one controller, another metadata.version than its own,
 * SCRAM credentials. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include "tools/features.h"
#include "tools/storage.h"

#define NAME "kafka-storage"
#define COMMANDS "'info', 'format', 'version-mapping', 'feature-dependencies', 'random-uuid'"

/* ---- random-uuid ---- */

/* A random uuid (RFC 4122, version 4) whose text does not begin with '-', which would look like
 * an option. */
static int random_uuid(void) {
    char text[UUID_TEXT_BYTES + 1];
    do {
        struct uuid id;
        if (getrandom(id.b, sizeof id.b, 0) != (ssize_t)sizeof id.b)
            cli_exit("the kernel gives no random octets");
        id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40);
        id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
        uuid_format(id, text);
    } while (text[0] == '-');
    puts(text);
    return 0;
}

/* ---- version-mapping, feature-dependencies ---- */

__attribute__((noreturn)) static void unknown_version(const char *name, int16_t level_max) {
    fprintf(stderr, "Unknown metadata.version '%s'. Supported metadata.version are: ", name);
    for (uint32_t i = 0; i < metadata_version_count && metadata_versions[i].level <= level_max; i++)
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", metadata_versions[i].name);
    fputc('\n', stderr);
    exit(1);
}

static int version_mapping(const char *release) {
    const struct metadata_version *version = metadata_version_find(str_of(release));
    if (version == NULL) unknown_version(release, INT16_MAX);
    printf("metadata.version=%d (%s)\n", version->level, release);
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        printf("%s=%d\n", features[i].name, feature_level(&features[i], version->level));
    return 0;
}

static void print_dependencies(struct str name, int64_t level) {
    if (str_eq(name, STR("metadata.version"))) {
        const struct metadata_version *version = metadata_version_of_level(level);
        if (version == NULL) cli_exit("Unknown metadata.version %" PRId64, level);
        printf("metadata.version=%d (%s) has no dependencies.\n", version->level, version->name);
        return;
    }
    const struct feature *feature = feature_find(name);
    if (feature == NULL) cli_exit("Unknown feature: %.*s", STR_ARG(name));
    if (level < 0 || level > feature->max)
        cli_exit("Feature level %" PRId64 " is not supported for feature %s", level, feature->name);
    if (feature->needs_level == 0 || level < feature->max) {
        printf("%s=%" PRId64 " has no dependencies.\n", feature->name, level);
        return;
    }
    const struct metadata_version *needs = metadata_version_of_level(feature->needs_level);
    printf("%s=%" PRId64 " requires:\n    metadata.version=%d (%s)\n", feature->name, level,
           needs->level, needs->name);
}

static int feature_dependencies(const struct cli *cli, uint32_t option) {
    for (uint32_t i = 0; i < cli_count(cli, option); i++) {
        const char *text = cli_nth(cli, option, i);
        struct str name, level_text;
        int64_t level;
        if (!cli_split_pair(text, &name, &level_text) || strchr(level_text.ptr, '=') != NULL)
            cli_exit("Invalid feature format: %s. Expected format: 'feature=version' (e.g. "
                     "'group.version=1')",
                     text);
        if (!str_to_int64(level_text, &level) || level < INT16_MIN || level > INT16_MAX)
            cli_exit("Invalid version format: %.*s for feature %.*s", STR_ARG(level_text),
                     STR_ARG(name));
        print_dependencies(name, level);
    }
    return 0;
}

/* ---- format ---- */

enum format_option {
    FORMAT_CONFIG,
    FORMAT_CLUSTER_ID,
    FORMAT_STANDALONE,
    FORMAT_NO_CONTROLLERS,
    FORMAT_CONTROLLERS,
    FORMAT_IGNORE,
    FORMAT_RELEASE,
    FORMAT_FEATURE,
    FORMAT_SCRAM,
    FORMAT_COUNT
};

static const struct cli_option format_options[FORMAT_COUNT] = {
    [FORMAT_CONFIG] = {.name = "config",
                       .letter = 'c',
                       .kind = CLI_TEXT,
                       .label = "file",
                       .help = "Required. The node's server.properties."},
    [FORMAT_CLUSTER_ID] =
        {.name = "cluster-id",
         .letter = 't',
         .kind = CLI_TEXT,
         .label = "id",
         .help =
             "Required. The cluster's id, the same on all nodes: see 'kafka-storage random-uuid'."},
    [FORMAT_STANDALONE] = {.name = "standalone",
                           .letter = 's',
                           .help = "This node alone is the quorum of controllers."},
    [FORMAT_NO_CONTROLLERS] = {.name = "no-initial-controllers",
                               .letter = 'N',
                               .help = "The node will join a quorum; not supported yet."},
    [FORMAT_CONTROLLERS] = {.name = "initial-controllers",
                            .letter = 'I',
                            .kind = CLI_TEXT,
                            .label = "list",
                            .help = "The quorum's members; not supported yet."},
    [FORMAT_IGNORE] =
        {.name = "ignore-formatted",
         .letter = 'g',
         .help = "Leave directories as they are that are formatted for this cluster and node."},
    [FORMAT_RELEASE] = {.name = "release-version",
                        .letter = 'r',
                        .kind = CLI_TEXT,
                        .label = "version",
                        .fallback = METADATA_VERSION_LATEST,
                        .help = "The metadata.version; only that of Kafka 4.3 is supported."},
    [FORMAT_FEATURE] = {.name = "feature",
                        .letter = 'f',
                        .kind = CLI_TEXT,
                        .flags = CLI_MANY,
                        .label = "feature=level",
                        .help = "A feature's level; only a new cluster's own is supported."},
    [FORMAT_SCRAM] = {.name = "add-scram",
                      .letter = 'S',
                      .kind = CLI_TEXT,
                      .flags = CLI_MANY,
                      .label = "credential",
                      .help = "A SCRAM credential; not supported yet."},
};

static const struct cli_tool format_tool = {
    .name = NAME " format",
    .purpose = "makes the directories of log.dirs ready for a node.",
    .options = format_options,
    .option_count = FORMAT_COUNT,
};

/* The sentence of the argument parser that this tool has in Kafka. */
static void require(const struct cli *cli, uint32_t option) {
    const struct cli_option *o = &cli->tool->options[option];
    if (!cli_has(cli, option))
        cli_usage_exit(cli, NAME ": error: argument --%s/-%c is required", o->name, o->letter);
}

static void check_release(const struct cli *cli) {
    const char *name = cli_text(cli, FORMAT_RELEASE);
    const struct metadata_version *latest = metadata_version_find(STR(METADATA_VERSION_LATEST));
    const struct metadata_version *version = metadata_version_find(str_of(name));
    if (version == NULL || version->level > latest->level) unknown_version(name, latest->level);
    if (version != latest)
        cli_exit("--release-version %s: only " METADATA_VERSION_LATEST " is supported", name);
}

static void check_features(const struct cli *cli) {
    const struct metadata_version *version = metadata_version_find(STR(METADATA_VERSION_LATEST));
    for (uint32_t i = 0; i < cli_count(cli, FORMAT_FEATURE); i++) {
        const char *text = cli_nth(cli, FORMAT_FEATURE, i);
        struct str name, level_text;
        int64_t level;
        if (!cli_split_pair(text, &name, &level_text))
            cli_exit("Can't parse feature=level string %s: equals sign not found.", text);
        if (!str_to_int64(level_text, &level))
            cli_exit("Can't parse feature=level string %s: unable to parse %s as a short.", text,
                     level_text.ptr);
        if (str_eq(name, STR("metadata.version")) && level == version->level) continue;
        if (str_eq(name, STR("metadata.version")))
            cli_exit("--feature %s: only metadata.version=%d is supported", text, version->level);
        const struct feature *feature = feature_find(name);
        if (feature == NULL)
            cli_exit("Unsupported feature: %.*s. Supported features are: "
                     "eligible.leader.replicas.version, group.version, "
                     "kraft.version, share.version, streams.version, transaction.version",
                     STR_ARG(name));
        if (level < 0 || level > feature->max)
            cli_exit("No feature:%s with feature level %" PRId64, feature->name, level);
        if (level != feature_level(feature, version->level))
            cli_exit("--feature %s: only level %d is supported, that of a new cluster", text,
                     feature_level(feature, version->level));
    }
}

static void check_controllers(const struct cli *cli) {
    const uint32_t ways[] = {FORMAT_STANDALONE, FORMAT_NO_CONTROLLERS, FORMAT_CONTROLLERS};
    uint32_t first = FORMAT_COUNT;
    for (size_t i = 0; i < COUNT(ways); i++) {
        const struct cli_option *o = &format_options[ways[i]];
        if (!cli_has(cli, ways[i])) continue;
        if (first != FORMAT_COUNT)
            cli_usage_exit(
                cli, NAME ": error: argument --%s/-%c: not allowed with argument --%s/-%c", o->name,
                o->letter, format_options[first].name, format_options[first].letter);
        first = ways[i];
    }
    if (first == FORMAT_COUNT)
        cli_exit("Because controller.quorum.voters is not set on this controller, you must specify "
                 "one of the following: "
                 "--standalone, --initial-controllers, or --no-initial-controllers.");
    if (first != FORMAT_STANDALONE)
        cli_exit("--%s: a quorum of several controllers is not supported yet; use --standalone",
                 format_options[first].name);
}

static int format(const struct cli *cli, struct arena *arena) {
    require(cli, FORMAT_CLUSTER_ID);
    require(cli, FORMAT_CONFIG);
    check_controllers(cli);
    check_release(cli);
    check_features(cli);
    if (cli_has(cli, FORMAT_SCRAM)) cli_exit("--add-scram: SCRAM is not supported yet");
    const struct storage_format what = {.config_path = cli_text(cli, FORMAT_CONFIG),
                                        .cluster_id = cli_text(cli, FORMAT_CLUSTER_ID),
                                        .ignore_formatted = cli_has(cli, FORMAT_IGNORE)};
    return storage_format(arena, &what);
}

/* ---- the commands ---- */

static const struct cli_option info_options[] = {
    {.name = "config",
     .letter = 'c',
     .kind = CLI_TEXT,
     .label = "file",
     .help = "Required. The node's server.properties."},
};
static const struct cli_tool info_tool = {.name = NAME " info",
                                          .purpose = "shows what log.dirs hold.",
                                          .options = info_options,
                                          .option_count = COUNT(info_options)};

static const struct cli_option mapping_options[] = {
    {.name = "release-version",
     .letter = 'r',
     .kind = CLI_TEXT,
     .label = "version",
     .fallback = METADATA_VERSION_LATEST,
     .help = "A metadata.version or a release."},
};
static const struct cli_tool mapping_tool = {.name = NAME " version-mapping",
                                             .purpose = "tells the features of a metadata.version.",
                                             .options = mapping_options,
                                             .option_count = COUNT(mapping_options)};

static const struct cli_option dependency_options[] = {
    {.name = "feature",
     .letter = 'f',
     .kind = CLI_TEXT,
     .flags = CLI_MANY,
     .label = "feature=level",
     .help = "Required. What to look up."},
};
static const struct cli_tool dependency_tool = {.name = NAME " feature-dependencies",
                                                .purpose =
                                                    "tells what a feature's level depends on.",
                                                .options = dependency_options,
                                                .option_count = COUNT(dependency_options)};

static const struct cli_tool uuid_tool = {.name = NAME " random-uuid",
                                          .purpose = "prints a new cluster id."};

static const struct cli_tool tool = {
    .name = NAME,
    .purpose = "formats log directories and shows what they hold.",
    .notes = "Commands:\n"
             "  format                 make log.dirs ready for a node\n"
             "  info                   show what log.dirs hold\n"
             "  random-uuid            print a new cluster id\n"
             "  version-mapping        the features of a metadata.version\n"
             "  feature-dependencies   what a feature's level depends on\n"
             "'kafka-storage COMMAND --help' explains each.\n",
};

static const struct cli_tool *tool_of(const char *command) {
    if (strcmp(command, "format") == 0) return &format_tool;
    if (strcmp(command, "info") == 0) return &info_tool;
    if (strcmp(command, "version-mapping") == 0) return &mapping_tool;
    if (strcmp(command, "feature-dependencies") == 0) return &dependency_tool;
    return strcmp(command, "random-uuid") == 0 ? &uuid_tool : NULL;
}

static int run(const struct cli *cli, struct arena *arena) {
    if (cli->tool == &format_tool) return format(cli, arena);
    if (cli->tool == &mapping_tool) return version_mapping(cli_text(cli, 0));
    if (cli->tool == &uuid_tool) return random_uuid();
    require(cli, 0);
    return cli->tool == &info_tool ? storage_info(arena, cli_text(cli, 0))
                                   : feature_dependencies(cli, 0);
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct cli cli;
    const struct cli_tool *of_command = argc > 1 && argv[1][0] != '-' ? tool_of(argv[1]) : NULL;
    if (of_command == NULL) {
        cli_start(&cli, &tool, &mem, argc, argv);
        if (argc > 1)
            cli_usage_exit(&cli, NAME ": error: invalid choice: '%s' (choose from " COMMANDS ")",
                           argv[1]);
        cli_usage_exit(&cli, NAME ": error: too few arguments");
    }
    struct arena arena;
    arena_init(&arena, &mem, 64 * 1024, 0);
    cli_start(&cli, of_command, &mem, argc - 1, argv + 1);
    int exit_status = run(&cli, &arena);
    arena_release(&arena);
    cli_release(&cli);
    return fflush(stdout) == 0 ? exit_status : 1;
}
