/* tests/scenarios/scenarios.c - text traces through the pure cores.
 *
 *     scenarios [--rewrite] FILE...
 *
 * A file is a list of blocks: a line of words, "----", then what the core answered, then an empty
 * line. The first word names a core and the second what happens to it (verbs are below, by core). A
 * block whose answer differs is shown and fails; --rewrite writes what came out into the file, to
 * be read as a diff. Lines before the first block that begin with '#' say what the file shows. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "controller/raft/raft.h"
#include "log/producer_snapshot.h"
#include "tests/scenarios/groups.h"

#define FILE_BYTES_MAX (256 * 1024)

struct stage {
    struct mem mem;
    struct arena arena;
    struct raft raft;
    struct producer_states producers;
    int64_t next_offset;
    struct group_stage *groups;
    struct answer answer;
};

void say(struct answer *answer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(answer->text + answer->bytes, ANSWER_BYTES - answer->bytes, format, args);
    va_end(args);
    if (n > 0) answer->bytes = MIN(answer->bytes + (size_t)n, ANSWER_BYTES - 1);
}

struct str text_word(const char *line, const char *name) {
    size_t len = strlen(name);
    for (const char *at = line; (at = strstr(at, name)) != NULL; at += len) {
        if (at > line && at[-1] == ' ' && at[len] == '=')
            return (struct str){at + len + 1, strcspn(at + len + 1, " ")};
    }
    return STR_NULL;
}

int64_t word(const char *line, const char *name, int64_t missing) {
    struct str text = text_word(line, name);
    return text.ptr != NULL ? strtoll(text.ptr, NULL, 10) : missing;
}

/* --- raft: new epoch= end=, start, persisted, appended to=, synced to=, disk-failed --- */

static const struct raft_voter self = {7, {{1, 2, 3}}};

static void raft_new(struct stage *stage, const char *line) {
    struct str problem = STR_NULL;
    struct raft_durable loaded = {.epoch = (int32_t)word(line, "epoch", 0),
                                  .leader_id = RAFT_NOBODY,
                                  .voted_id = RAFT_NOBODY};
    struct raft_voter voters[2] = {self, {8, {{4}}}};
    enum status st = raft_init(&stage->raft, self, voters, (uint32_t)word(line, "voters", 1),
                               &loaded, word(line, "end", 0), &stage->arena, &problem);
    say(&stage->answer, st == ST_OK ? "ok\n" : "%s: %.*s\n", status_name(st), STR_ARG(problem));
}

static void raft_event(struct stage *stage, enum raft_event_type type, const char *line) {
    struct raft_effects effects;
    struct now now = {.mono_us = stage->raft.now.mono_us + 1};
    raft_step(&stage->raft, now, &(struct raft_event){type, word(line, "to", 0)}, &effects);
    if (effects.persist) {
        say(&stage->answer, "persist epoch=%d leader=%d\n", effects.durable.epoch,
            effects.durable.leader_id);
    }
    if (effects.open_epoch) say(&stage->answer, "open epoch=%d\n", effects.durable.epoch);
    if (effects.commit) say(&stage->answer, "commit to=%" PRId64 "\n", effects.commit_end);
    say(&stage->answer, "%s\n", raft_is_leading(&stage->raft) ? "leading" : "not leading");
}

static bool raft_verb(struct stage *stage, const char *verb, const char *line) {
    static const struct {
        const char *name;
        enum raft_event_type type;
    } events[] = {{"start", RAFT_START},
                  {"persisted", RAFT_PERSISTED},
                  {"appended", RAFT_APPENDED},
                  {"synced", RAFT_SYNCED},
                  {"disk-failed", RAFT_DISK_FAILED}};
    if (strcmp(verb, "new") == 0) {
        raft_new(stage, line);
        return true;
    }
    for (size_t i = 0; i < COUNT(events); i++) {
        if (strcmp(verb, events[i].name) != 0) continue;
        raft_event(stage, events[i].type, line);
        return true;
    }
    return false;
}

/* --- producers: new, produce id= epoch= sequence= count= txn=, marker id= epoch= coordinator=
 * commit=, watermark at=, snapshot, expire now= after= --- */

static struct batch_view view_of(const char *line) {
    int32_t count = (int32_t)word(line, "count", 1);
    return (struct batch_view){.attributes = word(line, "txn", 0) ? BATCH_ATTR_TRANSACTIONAL : 0,
                               .producer_id = word(line, "id", -1),
                               .producer_epoch = (int16_t)word(line, "epoch", 0),
                               .base_sequence = (int32_t)word(line, "sequence", -1),
                               .last_offset_delta = count - 1,
                               .record_count = count,
                               .max_timestamp = 1000};
}

static void note(struct stage *stage, const struct batch_view *view,
                 const struct txn_marker *marker, const char *line) {
    struct producer_change change;
    enum status st = producer_states_append(&stage->producers, view, marker, stage->next_offset,
                                            word(line, "now", 0), &change);
    int64_t last = stage->next_offset + view->last_offset_delta;
    say(&stage->answer, st == ST_OK ? "append offsets=%" PRId64 "..%" PRId64 "\n" : "no memory\n",
        stage->next_offset, last);
    if (change.is_abort)
        say(&stage->answer,
            "aborted id=%" PRId64 " offsets=%" PRId64 "..%" PRId64 " stable=%" PRId64 "\n",
            change.aborted.producer_id, change.aborted.first_offset, change.aborted.last_offset,
            change.aborted.last_stable_offset);
    stage->next_offset = last + 1;
}

static const char *refusal(enum producer_verdict verdict) {
    switch (verdict) {
    case PRODUCER_APPEND:
    case PRODUCER_DUPLICATE: break;
    case PRODUCER_OUT_OF_ORDER: return "out of order";
    case PRODUCER_FENCED: return "fenced";
    case PRODUCER_IN_TRANSACTION: return "in a transaction";
    case PRODUCER_COORDINATOR_FENCED: return "coordinator fenced";
    }
    return "?";
}

static void produce(struct stage *stage, const char *line) {
    struct batch_view view = view_of(line);
    struct producer_batch known = {0};
    enum producer_verdict verdict = producer_states_check(&stage->producers, &view, &known);
    if (verdict == PRODUCER_APPEND) {
        note(stage, &view, NULL, line);
    } else if (verdict == PRODUCER_DUPLICATE) {
        say(&stage->answer, "duplicate offsets=%" PRId64 "..%" PRId64 "\n",
            known.last_offset - known.offset_delta, known.last_offset);
    } else {
        say(&stage->answer, "%s\n", refusal(verdict));
    }
}

static void end_transaction(struct stage *stage, const char *line) {
    struct batch_view view = view_of(line);
    view.attributes = BATCH_ATTR_CONTROL | BATCH_ATTR_TRANSACTIONAL;
    struct txn_marker marker = {.is_commit = word(line, "commit", 0) != 0,
                                .coordinator_epoch = (int32_t)word(line, "coordinator", 0),
                                .timestamp = 1000};
    enum producer_verdict verdict = producer_states_check_marker(&stage->producers, &view, &marker);
    if (verdict == PRODUCER_APPEND) {
        note(stage, &view, &marker, line);
    } else {
        say(&stage->answer, "%s\n", refusal(verdict));
    }
}

static void say_unstable(struct stage *stage) {
    int64_t unstable = producer_states_first_unstable(&stage->producers);
    if (unstable == NO_UNSTABLE_OFFSET) {
        say(&stage->answer, "stable\n");
    } else {
        say(&stage->answer, "unstable from %" PRId64 "\n", unstable);
    }
}

/* Encodes, forgets, decodes: what a restart here would know. */
static void snapshot(struct stage *stage) {
    struct producer_list list = {0}, decoded = {0};
    uint8_t *data = NULL;
    size_t bytes = 0;
    enum status st = producer_states_list(&stage->producers, NULL, 0, &list);
    if (st == ST_OK) st = producer_snapshot_encode(&list, &stage->mem, &data, &bytes);
    producer_list_release(&list, &stage->mem);
    producer_states_clear(&stage->producers);
    if (st == ST_OK) {
        st = producer_snapshot_decode((struct bytes){data, bytes}, &stage->mem, &decoded);
        mem_free(&stage->mem, data, bytes);
    }
    if (st == ST_OK) st = producer_states_restore(&stage->producers, &decoded, 0);
    producer_list_release(&decoded, &stage->mem);
    say(&stage->answer, "%s producers=%zu\n", status_name(st),
        producer_states_count(&stage->producers));
}

static bool producers_verb(struct stage *stage, const char *verb, const char *line) {
    if (strcmp(verb, "new") == 0) {
        producer_states_clear(&stage->producers);
        stage->next_offset = word(line, "end", 0);
        say(&stage->answer, "ok\n");
    } else if (strcmp(verb, "produce") == 0) {
        produce(stage, line);
    } else if (strcmp(verb, "marker") == 0) {
        end_transaction(stage, line);
    } else if (strcmp(verb, "watermark") == 0) {
        producer_states_decide(&stage->producers, word(line, "at", 0));
        say_unstable(stage);
    } else if (strcmp(verb, "snapshot") == 0) {
        snapshot(stage);
    } else if (strcmp(verb, "expire") == 0) {
        producer_states_expire(&stage->producers, word(line, "now", 0), word(line, "after", 0));
        say(&stage->answer, "producers=%zu\n", producer_states_count(&stage->producers));
    } else {
        return false;
    }
    return true;
}

/* --- files --- */

static bool run_line(struct stage *stage, const char *line) {
    char core[32] = "", verb[32] = "";
    stage->answer.bytes = 0;
    stage->answer.text[0] = '\0';
    if (sscanf(line, "%31s %31s", core, verb) != 2) return false;
    if (strcmp(core, "raft") == 0) return raft_verb(stage, verb, line);
    if (strcmp(core, "group") == 0)
        return group_stage_verb(stage->groups, verb, line, &stage->answer);
    return strcmp(core, "producers") == 0 && producers_verb(stage, verb, line);
}

/* One block from *at; false at the end. line: the words; answer: what the file says. */
static bool next_block(const char **at, char line[LINE_BYTES], struct str *ret_answer) {
    while (**at == '\n') ++*at;
    if (**at == '\0') return false;
    size_t len = strcspn(*at, "\n");
    (void)snprintf(line, LINE_BYTES, "%.*s", (int)len, *at);
    *at += len + ((*at)[len] == '\n');
    if (strncmp(*at, "----\n", 5) == 0) *at += 5;
    const char *end = **at == '\n' ? *at - 1 : strstr(*at, "\n\n");
    size_t bytes = end != NULL ? (size_t)(end + 1 - *at) : strlen(*at);
    *ret_answer = (struct str){*at, bytes};
    *at += bytes;
    return true;
}

static void skip_comment(const char **at) {
    while (**at == '#') {
        *at += strcspn(*at, "\n");
        if (**at == '\n') ++*at;
    }
}

/* How many blocks failed; what came out is appended to `out`. */
static int run_file(const char *path, const char *text, struct strbuf *out, int *ret_blocks) {
    static struct stage stage;
    stage = (struct stage){.groups = group_stage_new()};
    arena_init(&stage.arena, &stage.mem, 1024, 0);
    producer_states_init(&stage.producers, &stage.mem);
    const char *at = text;
    skip_comment(&at);
    strbuf_add(out, text, (size_t)(at - text));
    char line[LINE_BYTES];
    struct str want;
    int failed = 0;
    while (next_block(&at, line, &want)) {
        ++*ret_blocks;
        bool known = run_line(&stage, line);
        if (!known) say(&stage.answer, "no such verb\n");
        struct str got = {stage.answer.text, stage.answer.bytes};
        strbuf_printf(out, "\n%s\n----\n%s", line, stage.answer.text);
        if (known && str_eq(got, want)) continue;
        failed++;
        printf("  %s: %s\n  got:\n%s  want:\n%.*s", path, line, stage.answer.text, STR_ARG(want));
    }
    producer_states_release(&stage.producers);
    group_stage_free(stage.groups);
    arena_release(&stage.arena);
    return failed;
}

static bool read_text(const char *path, char *text) {
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    size_t len = fread(text, 1, FILE_BYTES_MAX - 1, file);
    text[len] = '\0';
    return fclose(file) == 0 && len < FILE_BYTES_MAX - 1;
}

static bool write_text(const char *path, struct str text) {
    FILE *file = fopen(path, "w");
    if (file == NULL) return false;
    bool good = fwrite(text.ptr, 1, text.len, file) == text.len;
    return fclose(file) == 0 && good;
}

int main(int argc, char **argv) {
    static char text[FILE_BYTES_MAX];
    bool rewrite = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    int failed_files = 0;
    for (int i = rewrite ? 2 : 1; i < argc; i++) {
        struct mem mem = {0};
        struct strbuf out;
        int blocks = 0;
        strbuf_init(&out, &mem);
        if (!read_text(argv[i], text)) {
            printf("not ok %s: cannot be read\n", argv[i]);
            return EXIT_FAILURE;
        }
        int failed = run_file(argv[i], text, &out, &blocks);
        const char *name = strrchr(argv[i], '/') != NULL ? strrchr(argv[i], '/') + 1 : argv[i];
        if (rewrite && failed > 0 && !write_text(argv[i], strbuf_str(&out))) failed_files++;
        if (blocks == 0) failed++;
        printf("%s %s: %d blocks, %d differ\n", failed > 0 ? "not ok" : "ok", name, blocks, failed);
        failed_files += failed > 0;
        strbuf_release(&out);
    }
    return failed_files > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
