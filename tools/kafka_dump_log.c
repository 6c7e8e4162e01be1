/* tools/kafka_dump_log.c - kafka-dump-log: what is in the files of a log directory, in words.
 * Options, output and findings are those of Kafka 4.3's tool. */
#include <stdarg.h>
#include <stdlib.h>
#include "tools/cli.h"
#include "tools/dump.h"

#define DECODER_PACKAGE "org.apache.kafka.tools.api."

enum option {
    OPT_FILES,
    OPT_PRINT_DATA,
    OPT_DEEP,
    OPT_SKIP_METADATA,
    OPT_MAX_BYTES,
    OPT_KEY_CLASS,
    OPT_VALUE_CLASS,
    OPT_METADATA,
    OPT_OFFSETS,
    OPT_TRANSACTIONS,
    OPT_SHARE,
    OPT_REMOTE,
    OPT_VERIFY,
    OPT_SANITY,
    OPT_MAX_MESSAGE,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_FILES] = {.name = "files",
                   .kind = CLI_TEXT,
                   .label = "file,file,...",
                   .help = "Required. What to show: .log, .checkpoint, .index, .timeindex, "
                           ".txnindex, .snapshot."},
    [OPT_PRINT_DATA] = {.name = "print-data-log", .help = "Show keys and values, too."},
    [OPT_DEEP] = {.name = "deep-iteration", .help = "Show records, not only batches."},
    [OPT_SKIP_METADATA] = {.name = "skip-record-metadata",
                           .help = "Of a record show only key and value."},
    [OPT_MAX_BYTES] = {.name = "max-bytes",
                       .kind = CLI_INT32,
                       .label = "octets",
                       .fallback = "2147483647",
                       .help = "Stop at the batch that passes this place of the log."},
    [OPT_KEY_CLASS] = {.name = "key-decoder-class",
                       .kind = CLI_TEXT,
                       .flags = CLI_VALUE_OPTIONAL,
                       .label = "class",
                       .fallback = DECODER_PACKAGE "StringDecoder",
                       .implied = DECODER_PACKAGE "StringDecoder",
                       .help = "How keys become text: " DECODER_PACKAGE
                               "{String,Integer,Long}Decoder."},
    [OPT_VALUE_CLASS] = {.name = "value-decoder-class",
                         .kind = CLI_TEXT,
                         .flags = CLI_VALUE_OPTIONAL,
                         .label = "class",
                         .fallback = DECODER_PACKAGE "StringDecoder",
                         .implied = DECODER_PACKAGE "StringDecoder",
                         .help = "How values become text."},
    [OPT_METADATA] = {.name = "cluster-metadata-decoder",
                      .help = "The records are those of __cluster_metadata."},
    [OPT_OFFSETS] = {.name = "offsets-decoder",
                     .help = "The records are those of __consumer_offsets."},
    [OPT_TRANSACTIONS] = {.name = "transaction-log-decoder",
                          .help = "The records are those of __transaction_state."},
    [OPT_SHARE] = {.name = "share-group-state-decoder",
                   .help = "The records are those of __share_group_state."},
    [OPT_REMOTE] = {.name = "remote-log-metadata-decoder",
                    .help = "The records are those of __remote_log_metadata."},
    [OPT_VERIFY] = {.name = "verify-index-only",
                    .help = "Compare an index with its log without showing it."},
    [OPT_SANITY] = {.name = "index-sanity-check",
                    .help = "Only the check that a broker makes of an index at its "
                            "start."},
    [OPT_MAX_MESSAGE] = {.name = "max-message-size",
                         .kind = CLI_INT32,
                         .label = "octets",
                         .fallback = "5242880",
                         .help = "How far behind an index entry a batch may reach."},
};

static const struct cli_tool tool = {
    .name = "kafka-dump-log",
    .purpose = "shows what is in the files of a log directory.",
    .notes = "Any decoder implies --print-data-log, and that --deep-iteration. What does not fit "
             "together is told on\n"
             "standard error at the end.\n",
    .options = options,
    .option_count = OPT_COUNT,
};

/* ---- what the parts share ---- */

void dump_find(struct dump_finding *finding, const char *headline, const char *path,
               const char *format, ...) {
    if (strcmp(finding->last_path, path) != 0) {
        strbuf_printf(&finding->text, "%s%s\n", headline, path);
        (void)snprintf(finding->last_path, sizeof finding->last_path, "%s", path);
    }
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&finding->text, format, args);
    va_end(args);
    strbuf_add_char(&finding->text, '\n');
}

/* All five, in the order in which they are told. */
static void all_findings(struct dump *dump, struct dump_finding *list[5]) {
    struct dump_findings *f = &dump->findings;
    list[0] = &f->index_mismatch;
    list[1] = &f->time_mismatch;
    list[2] = &f->time_order;
    list[3] = &f->time_missing;
    list[4] = &f->not_consecutive;
}

void dump_init(struct dump *dump, struct mem *mem, struct arena *arena) {
    struct dump_finding *list[5];
    *dump = (struct dump){.mem = mem, .decoder.arena = arena};
    all_findings(dump, list);
    for (size_t i = 0; i < COUNT(list); i++) strbuf_init(&list[i]->text, mem);
}

void dump_tell_findings(struct dump *dump) {
    struct dump_finding *list[5];
    all_findings(dump, list);
    (void)fflush(stdout);
    for (size_t i = 0; i < COUNT(list); i++) fputs(strbuf_str(&list[i]->text).ptr, stderr);
}

void dump_release(struct dump *dump) {
    struct dump_finding *list[5];
    all_findings(dump, list);
    for (size_t i = 0; i < COUNT(list); i++) strbuf_release(&list[i]->text);
}

const char *dump_file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

int64_t dump_base_offset(const char *path) {
    const char *name = dump_file_name(path);
    int64_t offset;
    if (!str_to_int64((struct str){name, strcspn(name, ".")}, &offset) || offset < 0)
        cli_exit("%s: the name does not begin with the base offset, as that of a segment does",
                 path);
    return offset;
}

/* ---- the command line ---- */

static enum dump_class class_of(const struct cli *cli, uint32_t option) {
    const char *name = cli_text(cli, option);
    if (strcmp(name, DECODER_PACKAGE "StringDecoder") == 0) return DUMP_STRING;
    if (strcmp(name, DECODER_PACKAGE "IntegerDecoder") == 0) return DUMP_INT32;
    if (strcmp(name, DECODER_PACKAGE "LongDecoder") == 0) return DUMP_INT64;
    cli_usage_exit(cli,
                   "--%s %s: not available here; there are " DECODER_PACKAGE
                   "{String,Integer,Long}Decoder",
                   options[option].name, name);
}

static enum dump_content content_of(const struct cli *cli) {
    if (cli_has(cli, OPT_OFFSETS)) return DUMP_GROUPS;
    if (cli_has(cli, OPT_TRANSACTIONS)) return DUMP_TRANSACTIONS;
    if (cli_has(cli, OPT_METADATA)) return DUMP_METADATA;
    if (cli_has(cli, OPT_REMOTE)) return DUMP_REMOTE_LOG;
    if (cli_has(cli, OPT_SHARE)) return DUMP_SHARE_STATE;
    return DUMP_TEXT;
}

static void read_options(struct dump *dump, const struct cli *cli) {
    dump->decoder.content = content_of(cli);
    dump->decoder.key = class_of(cli, OPT_KEY_CLASS);
    dump->decoder.value = class_of(cli, OPT_VALUE_CLASS);
    dump->print_contents = cli_has(cli, OPT_PRINT_DATA) || cli_has(cli, OPT_KEY_CLASS) ||
                           cli_has(cli, OPT_VALUE_CLASS) || dump->decoder.content != DUMP_TEXT;
    dump->deep = dump->print_contents || cli_has(cli, OPT_DEEP);
    dump->skip_record_metadata = cli_has(cli, OPT_SKIP_METADATA);
    dump->verify_only = cli_has(cli, OPT_VERIFY);
    dump->sanity_only = cli_has(cli, OPT_SANITY);
    dump->max_bytes = cli_number(cli, OPT_MAX_BYTES);
    dump->max_message_bytes = cli_number(cli, OPT_MAX_MESSAGE);
    if (dump->max_bytes < 0 || dump->max_message_bytes < 0)
        cli_usage_exit(cli, "--max-bytes and --max-message-size must be 0 or more");
}

/* What to do with each kind of file. */
static const struct {
    const char *suffix;
    void (*dump)(struct dump *dump, const char *path);
} kinds[] = {
    {".log", dump_batches},
    {".checkpoint", dump_batches},
    {".index", dump_offset_index},
    {".timeindex", dump_time_index},
    {".txnindex", dump_transaction_index},
    {".snapshot", dump_producer_snapshot},
};

static void dump_file(struct dump *dump, const char *path) {
    printf("Dumping %s\n", path);
    const char *suffix = strrchr(dump_file_name(path), '.');
    for (size_t i = 0; suffix != NULL && i < COUNT(kinds); i++) {
        if (strcmp(suffix, kinds[i].suffix) != 0) continue;
        kinds[i].dump(dump, path);
        return;
    }
    (void)fflush(stdout);
    fprintf(stderr, "Ignoring unknown file %s\n", path);
}

int main(int argc, char **argv) {
    static struct mem mem;
    static char out_buffer[256 * 1024];
    struct cli cli;
    cli_start(&cli, &tool, &mem, argc, argv);
    if (argc == 1) {
        cli_print_help(&tool, stderr);
        return 1;
    }
    cli_require(&cli, (const uint32_t[]){OPT_FILES}, 1);
    struct arena names, arena;
    arena_init(&names, &mem, 16 * 1024, 0);
    arena_init(&arena, &mem, 64 * 1024, 0);
    static struct dump dump;
    dump_init(&dump, &mem, &arena);
    read_options(&dump, &cli);
    (void)setvbuf(stdout, out_buffer, _IOFBF, sizeof out_buffer);
    const char *rest = cli_text(&cli, OPT_FILES);
    while (*rest != '\0') {
        size_t len = strcspn(rest, ",");
        if (len > 0) dump_file(&dump, arena_str(&names, (struct str){rest, len}).ptr);
        rest += rest[len] == ',' ? len + 1 : len;
    }
    dump_tell_findings(&dump);
    dump_release(&dump);
    arena_release(&arena);
    arena_release(&names);
    cli_release(&cli);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
