/* controller/metadata_log_load.c - from the metadata directory to an image, from there to
 * leadership, and back to a closed directory. */
#include <stdio.h>
#include "base/assert.h"
#include "base/logging.h"
#include "controller/metadata/metadata_record.h"
#include "controller/metadata_log_impl.h"
#include "protocol/batch_builder.h"
#include "protocol/messages.h"

#define TOPIC "__cluster_metadata"
#define READ_BYTES ((uint32_t)1 << 20)
enum { READ_TRIES = 40, READ_PAUSE_US = 20000 };
#define ARENA_CHUNK_BYTES ((size_t)16 << 10)
#define BOOTSTRAP_CHUNK_BYTES ((size_t)4 << 10)
#define QUORUM_STATE_MODE 0644u
static const struct uuid topic_id = {{[15] = 1}};

/* metadata.log.segment.bytes and its kin; what is not named here is the broker's default. Snapshots
 * bound the log, not retention. */
static const struct log_config log_settings = {
    .segment_bytes = (int64_t)1 << 30,
    .segment_ms = INT64_C(7) * 24 * 3600 * 1000,
    .segment_index_bytes = 10 << 20,
    .index_interval_bytes = 4096,
    .max_message_bytes = 8 << 20,
    .retention_bytes = -1,
    .retention_ms = -1,
    .flush_messages = INT64_MAX,
    .flush_ms = INT64_MAX,
    .file_delete_delay_ms = 60000,
    .message_timestamp_before_max_ms = INT64_MAX,
    .message_timestamp_after_max_ms = INT64_MAX,
    .max_compaction_lag_ms = INT64_MAX,
    .min_insync_replicas = 1,
    .compression_type = -1,
};

/* One load on its way. */
struct loading {
    struct job *job;
    struct metadata_log *log;
    struct arena *arena;
    struct str *message;
    struct quorum_state quorum_state;
    bool has_quorum_state;
    struct snapshot_id snapshot; /* end_offset 0, epoch 0: none */
};

/* A failure has one line: file and what is wrong. */
static enum status tell(struct loading *l, enum status st, const char *file, struct str problem) {
    *l->message = arena_printf(l->arena, "%s/%s: %.*s", l->log->path, file, STR_ARG(problem));
    return st;
}

/* --- quorum-state --- */

static enum status load_quorum_state(struct loading *l) {
    char path[LIMIT_PATH_BYTES + sizeof QUORUM_STATE_FILE + 1];
    (void)snprintf(path, sizeof path, "%s/%s", l->log->path, QUORUM_STATE_FILE);
    char *text;
    size_t len;
    enum status st = job_read_file(l->job, path, QUORUM_STATE_BYTES_MAX, &text, &len);
    l->quorum_state =
        (struct quorum_state){.durable.leader_id = RAFT_NOBODY, .durable.voted_id = RAFT_NOBODY};
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) return tell(l, st, QUORUM_STATE_FILE, str_of(status_name(st)));
    struct str problem = STR_NULL;
    st = quorum_state_parse((struct str){text, len}, l->arena, &l->quorum_state, &problem);
    mem_free(job_mem(l->job), text, len + 1);
    l->has_quorum_state = true;
    return st == ST_OK ? ST_OK : tell(l, st, QUORUM_STATE_FILE, problem);
}

static enum status persist(struct job *job, struct metadata_log *log,
                           const struct raft_durable *durable) {
    char path[LIMIT_PATH_BYTES + sizeof QUORUM_STATE_FILE + 1];
    (void)snprintf(path, sizeof path, "%s/%s", log->path, QUORUM_STATE_FILE);
    struct quorum_state state = {
        .durable = *durable,
        .data_version = log->replay.kraft_version,
        .voters = &log->open.node_id,
        .voter_count = 1,
    };
    struct strbuf text;
    strbuf_init(&text, log->open.mem);
    quorum_state_format(&state, &text);
    enum status st = text.failed ? ST_NOMEM
                                 : job_replace_file(job, log->path, path, text.data, text.len,
                                                    QUORUM_STATE_MODE);
    strbuf_release(&text);
    return st;
}

/* --- snapshots --- */

/* The newest one that is whole; an older one when the newer are damaged. */
static enum status load_snapshot(struct loading *l) {
    struct metadata_log *log = l->log;
    struct snapshot_id *ids;
    uint32_t count;
    enum status st = snapshot_list(l->job, str_of(log->path), l->arena, &ids, &count);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) return tell(l, st, ".", str_of(status_name(st)));
    for (uint32_t i = 0; i < count; i++) {
        char name[SNAPSHOT_NAME_BYTES], path[LIMIT_PATH_BYTES + SNAPSHOT_NAME_BYTES + 1];
        snapshot_name(ids[i], name);
        (void)snprintf(path, sizeof path, "%s/%s", log->path, name);
        struct str problem = STR_NULL;
        log->replay.last_offset = ids[i].end_offset - 1;
        log->replay.last_epoch = ids[i].epoch;
        st = snapshot_read(l->job, path, &log->replay, l->arena, &problem);
        l->snapshot = ids[i];
        if (st == ST_OK) return ST_OK;
        enum status told = tell(l, st, name, problem);
        if (told != ST_CORRUPT || i + 1 == count) return told;
        LOG_WARN("metadata", "snapshot passed over: problem=%s", LOG_TEXT(*l->message));
        metadata_replay_release(&log->replay);
        metadata_replay_init(&log->replay, log->open.mem);
    }
    return ST_OK;
}

/* --- the log after it --- */

struct reading {
    struct log_read read;
    struct job *job;
    bool is_waiting, is_done;
};

static void read_done(struct log_read *read) {
    struct reading *reading = CONTAINER_OF(read, struct reading, read);
    reading->is_done = true;
    if (reading->is_waiting) job_wake(reading->job);
}

static enum status replay_range(struct loading *l, struct bytes range, int64_t *offset,
                                struct str *problem) {
    while (range.len > 0) {
        struct batch_view view;
        enum status st = batch_open(range, &view);
        if (st == ST_SHORT) return ST_OK; /* the range ends within a batch: read on from it */
        if (st == ST_OK && view.base_offset > *offset) { /* a hole: this log has no gaps */
            *problem =
                arena_printf(l->arena, "the records from %lld to %lld are missing or damaged",
                             (long long)*offset, (long long)view.base_offset - 1);
            return ST_CORRUPT;
        }
        if (st == ST_OK && batch_last_offset(&view) >= *offset) {
            struct bytes batch = {range.ptr, view.batch_bytes};
            st = metadata_replay_batch(&l->log->replay, batch, false, l->arena, problem);
            *offset = batch_next_offset(&view);
        }
        if (st != ST_OK) return st;
        range = (struct bytes){range.ptr + view.batch_bytes, range.len - view.batch_bytes};
    }
    return ST_OK;
}

/* Reads what log_read found and replays it. */
static enum status replay_read(struct loading *l, const struct log_read *read, int64_t *offset,
                               struct str *problem) {
    if (read->bytes == 0) return ST_CORRUPT;
    uint8_t *buffer = mem_alloc(l->log->open.mem, read->bytes);
    if (buffer == NULL) return ST_NOMEM;
    int64_t before = *offset;
    enum status st = job_read(l->job, read->file, buffer, read->bytes, read->position);
    if (st == ST_OK) {
        struct bytes range = {buffer, read->bytes};
        st = replay_range(l, range, offset, problem);
    }
    mem_free(l->log->open.mem, buffer, read->bytes);
    return st == ST_OK && *offset == before ? ST_CORRUPT : st;
}

static enum status replay_log(struct loading *l) {
    struct metadata_log *log = l->log;
    int64_t offset = l->snapshot.end_offset, end = log_end(log->log);
    struct str problem = STR_NULL;
    enum status st = ST_OK;
    uint32_t tries = 0;
    while (offset < end && st == ST_OK) {
        struct reading reading = {.job = l->job};
        reading.read = (struct log_read){.done = read_done,
                                         .offset = offset,
                                         .upper_offset = end,
                                         .max_bytes = READ_BYTES,
                                         .whole_first = true};
        reading.is_done = log_read_start(log->log, &reading.read) || reading.is_done;
        reading.is_waiting = true;
        while (!reading.is_done) job_suspend(l->job);
        st = reading.read.status;
        if (st == ST_NOMEM && tries++ < READ_TRIES) { /* no descriptor for an older segment */
            job_sleep_until(l->job, job_io(l->job)->now.mono_us + READ_PAUSE_US);
            st = ST_OK;
            continue;
        }
        if (st == ST_OK) st = replay_read(l, &reading.read, &offset, &problem);
        log_read_release(&reading.read);
    }
    if (st == ST_OK) st = metadata_replay_flush(&log->replay, l->arena, &problem);
    if (st == ST_OK) return ST_OK;
    if (problem.ptr == NULL) {
        problem = arena_printf(l->arena, "offset %lld: %s", (long long)offset, status_name(st));
    }
    return tell(l, st, "", problem);
}

static enum status open_log(struct loading *l) {
    struct metadata_log *log = l->log;
    struct log_open open = {
        .dir = log->open.dir,
        .topic = STR(TOPIC),
        .topic_id = topic_id,
        .config = &log_settings,
        .owner = &log->owner,
        .create = true,
        .clean = log->open.is_clean,
        .waits_for_room = true,
    };
    enum status st = log_open(l->job, &open, &log->log);
    if (st != ST_OK) return tell(l, st, "", str_of(status_name(st)));
    int64_t start = log_start_offset(log->log), end = log_end(log->log);
    if (start > l->snapshot.end_offset) {
        return tell(l, ST_CORRUPT, "",
                    arena_printf(l->arena,
                                 "the log starts at %lld, behind the newest snapshot, which ends "
                                 "at %lld",
                                 (long long)start, (long long)l->snapshot.end_offset));
    }
    if (end >= l->snapshot.end_offset) return ST_OK;
    return tell(l, ST_CORRUPT, "",
                arena_printf(l->arena, "the log ends at %lld, before the snapshot's end %lld",
                             (long long)end, (long long)l->snapshot.end_offset));
}

/* --- who votes --- */

static enum status start_raft(struct loading *l) {
    struct metadata_log *log = l->log;
    struct metadata_replay *replay = &log->replay;
    if (replay->voter_count == 0 && l->has_quorum_state && l->quorum_state.voter_count > 0) {
        replay->voter_count = MIN(l->quorum_state.voter_count, VOTERS_MAX);
        for (uint32_t i = 0; i < replay->voter_count; i++) {
            replay->voters[i] = (struct raft_voter){.id = l->quorum_state.voters[i]};
        }
    } else if (replay->voter_count == 0 && log->open.is_static_voter) {
        replay->voters[replay->voter_count++] = (struct raft_voter){.id = log->open.node_id};
    }
    struct raft_durable durable = l->quorum_state.durable;
    int32_t log_epoch = MAX(log_latest_epoch(log->log), l->snapshot.epoch);
    if (log_epoch > durable.epoch) {
        durable = (struct raft_durable){
            .epoch = log_epoch, .leader_id = RAFT_NOBODY, .voted_id = RAFT_NOBODY};
    }
    struct raft_voter self = {log->open.node_id, log->open.directory_id};
    struct str problem = STR_NULL;
    enum status st = raft_init(&log->raft, self, replay->voters, replay->voter_count, &durable,
                               log_end(log->log), l->arena, &problem);
    if (st != ST_OK) return tell(l, st, "", problem);
    problem = image_problem(replay->image, log->open.node_id, l->arena);
    return problem.ptr == NULL ? ST_OK : tell(l, ST_UNSUPPORTED, "", problem);
}

/* A log without metadata.version gets its first records from the file that formatting left. */
static enum status load_bootstrap(struct loading *l) {
    struct metadata_log *log = l->log;
    if (image_feature(log->replay.image, STR(METADATA_VERSION)) != 0) return ST_OK;
    struct str problem = STR_NULL;
    enum status st = snapshot_read_bootstrap(l->job, log->open.dir->path, &log->bootstrap_arena,
                                             &log->bootstrap, &log->bootstrap_count, &problem);
    if (st != ST_OK) *l->message = arena_str(l->arena, problem);
    return st;
}

/* Kept, and said: whoever set them expects them to act. */
static void tell_kept(const struct image *image) {
    static const struct {
        uint32_t type;
        const char *what;
    } kinds[] = {{CLIENT_QUOTA_RECORD, "client quotas"},
                 {USER_SCRAM_CREDENTIAL_RECORD, "SCRAM credentials"},
                 {DELEGATION_TOKEN_RECORD, "delegation tokens"}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        uint32_t count = 0;
        struct image_iter iter;
        image_iter_kept(image, &iter);
        for (const struct kept_image *kept; (kept = image_next_kept(&iter)) != NULL;)
            count += kept->type == kinds[i].type;
        if (count > 0)
            LOG_WARN("metadata", "event=kept-not-in-force what=\"%s\" count=%u", kinds[i].what,
                     count);
    }
}

static void free_log(struct metadata_log *log) {
    arena_release(&log->bootstrap_arena);
    metadata_replay_release(&log->replay);
    arena_release(&log->arena);
    MEM_FREE(log->open.mem, log);
}

enum status metadata_log_load(struct job *job, const struct metadata_log_open *open,
                              struct arena *arena, struct metadata_log **ret_log,
                              struct str *ret_message) {
    struct metadata_log *log = MEM_NEW(open->mem, struct metadata_log);
    log->open = *open;
    log->io = job_io(job);
    log->owner = (struct log_owner){.on_end = metadata_log_on_end,
                                    .on_durable = metadata_log_on_durable,
                                    .on_offline = metadata_log_on_offline};
    log->tell_refused.run = metadata_log_tell_refused;
    list_init(&log->in_flight);
    list_init(&log->refused);
    metadata_replay_init(&log->replay, open->mem);
    arena_init(&log->arena, open->mem, ARENA_CHUNK_BYTES, 0);
    arena_init(&log->bootstrap_arena, open->mem, BOOTSTRAP_CHUNK_BYTES, 0);
    int n = snprintf(log->path, sizeof log->path, "%.*s/%s-0", STR_ARG(open->dir->path), TOPIC);
    ASSERT(n > 0 && (size_t)n < sizeof log->path); /* log_dir knows its path to be short enough */
    struct loading l = {.job = job, .log = log, .arena = arena, .message = ret_message};
    *ret_message = STR_NULL;
    enum status st = load_quorum_state(&l);
    if (st == ST_OK) st = load_snapshot(&l);
    if (st == ST_OK) st = open_log(&l);
    if (st == ST_OK) st = replay_log(&l);
    if (st == ST_OK) st = start_raft(&l);
    if (st == ST_OK) st = load_bootstrap(&l);
    if (st == ST_OK) {
        tell_kept(log->replay.image);
        *ret_log = log;
        return ST_OK;
    }
    if (log->log != NULL) log_abandon(log->log);
    free_log(log);
    return st;
}

/* --- leadership --- */

static enum status add_control(struct batch_builder *builder, int64_t now_ms,
                               enum control_type type, struct bytes value) {
    uint8_t key[CONTROL_KEY_BYTES];
    control_key_put(key, type);
    return batch_builder_add(builder, now_ms, (struct bytes){key, sizeof key}, value, NULL, 0);
}

static enum status add_leader_change(struct metadata_log *log, struct batch_builder *builder,
                                     int64_t now_ms, struct arena *arena) {
    struct leader_change_message_voter voter;
    struct leader_change_message message;
    leader_change_message_voter_defaults(&voter);
    leader_change_message_defaults(&message);
    voter.voter_id = log->open.node_id;
    message.leader_id = log->open.node_id;
    message.voters = message.granting_voters = &voter;
    message.voters_count = message.granting_voters_count = 1;
    struct bytes value;
    enum status st = codec_encode_arena(&leader_change_message_schema, 0, &message, arena, &value);
    return st == ST_OK ? add_control(builder, now_ms, CONTROL_LEADER_CHANGE, value) : st;
}

/* A voter set that only the formatted snapshot names goes into the log with the first leader. */
static enum status add_voters(struct metadata_log *log, struct batch_builder *builder,
                              int64_t now_ms, struct arena *arena) {
    struct metadata_replay *replay = &log->replay;
    if (replay->voters_record.ptr == NULL || replay->voters_in_log) return ST_OK;
    if (log_start_offset(log->log) > 0 || image_offset(replay->image) >= 0) return ST_OK;
    struct kraft_version_record version;
    kraft_version_record_defaults(&version);
    version.kraft_version = replay->kraft_version;
    struct bytes value;
    enum status st = codec_encode_arena(&kraft_version_record_schema, 0, &version, arena, &value);
    if (st == ST_OK) st = add_control(builder, now_ms, CONTROL_KRAFT_VERSION, value);
    if (st == ST_OK) st = add_control(builder, now_ms, CONTROL_KRAFT_VOTERS, replay->voters_record);
    if (st == ST_OK) replay->voters_in_log = true;
    return st;
}

struct epoch_opening {
    struct log_append write;
    struct job *job;
    bool is_waiting, is_written;
};

static void epoch_written(struct log_append *write) {
    struct epoch_opening *opening = CONTAINER_OF(write, struct epoch_opening, write);
    opening->is_written = true;
    if (opening->is_waiting) job_wake(opening->job);
}

/* Appends the batch that opens the epoch, and waits until it is in the file. */
static enum status append_opening(struct job *job, struct metadata_log *log,
                                  struct batch_builder *builder, int64_t now_ms) {
    struct bytes batch;
    enum status st = batch_builder_finish(builder, &batch);
    if (st != ST_OK) return st;
    struct epoch_opening opening = {.job = job};
    opening.write = (struct log_append){
        .done = epoch_written,
        .batch = builder->out.data,
        .batch_bytes = (uint32_t)batch.len,
        .record_count = builder->record_count,
        .max_timestamp_ms = now_ms,
        .leader_epoch = log->raft.durable.epoch,
    };
    st = log_append(log->log, &opening.write);
    if (st != ST_OK) return st;
    opening.is_waiting = true;
    while (!opening.is_written) job_suspend(job);
    return opening.write.status;
}

static enum status open_epoch(struct job *job, struct metadata_log *log) {
    int64_t now_ms = io_now(log->io).wall_ms;
    struct batch_builder builder;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.control = true;
    batch_builder_init(&builder, log->open.mem);
    enum status st = batch_builder_start(&builder, &options);
    if (st == ST_OK) st = add_leader_change(log, &builder, now_ms, &log->arena);
    if (st == ST_OK) st = add_voters(log, &builder, now_ms, &log->arena);
    if (st == ST_OK) st = log_begin_epoch(log->log, log->raft.durable.epoch);
    if (st == ST_OK) st = append_opening(job, log, &builder, now_ms);
    batch_builder_release(&builder);
    arena_reset(&log->arena);
    if (st != ST_OK) return st;
    log->leading = job;
    log_sync(log->log);
    while (log->leading != NULL) job_suspend(job);
    return log->failed;
}

struct waiting_append {
    struct metadata_append append;
    struct job *job;
    bool is_done;
};

static void waiting_done(struct metadata_append *append) {
    struct waiting_append *waiting = CONTAINER_OF(append, struct waiting_append, append);
    waiting->is_done = true;
    job_wake(waiting->job);
}

/* What a leader before this one began and did not end never happened. */
static enum status abort_transaction(struct job *job, struct metadata_log *log) {
    if (!record_group_is_open(&log->replay.group)) return ST_OK;
    struct abort_transaction_record record;
    abort_transaction_record_defaults(&record);
    record.reason = STR("Controller failover");
    struct bytes value;
    enum status st =
        metadata_record_encode(&abort_transaction_record_schema, 0, &record, &log->arena, &value);
    if (st != ST_OK) return st;
    uint8_t copy[64]; /* the arena is reset when the append is applied */
    ASSERT(value.len <= sizeof copy);
    memcpy(copy, value.ptr, value.len);
    value.ptr = copy;
    struct waiting_append waiting = {.append = {.done = waiting_done, .values = &value, .count = 1},
                                     .job = job};
    metadata_log_append(log, &waiting.append);
    while (!waiting.is_done) job_suspend(job);
    return waiting.append.status;
}

enum status metadata_log_lead(struct job *job, struct metadata_log *log) {
    struct raft_effects effects;
    raft_step(&log->raft, io_now(log->io), &(struct raft_event){.type = RAFT_START}, &effects);
    enum status st = ST_OK;
    while (effects.persist && st == ST_OK) {
        st = persist(job, log, &effects.durable);
        if (st != ST_OK) break;
        struct raft_event event = {.type = RAFT_PERSISTED};
        raft_step(&log->raft, io_now(log->io), &event, &effects);
    }
    if (st == ST_OK && effects.open_epoch) st = open_epoch(job, log);
    if (st == ST_OK) st = abort_transaction(job, log);
    if (st != ST_OK) metadata_log_fail(log, st);
    return st;
}

/* --- the end --- */

enum status metadata_log_close(struct job *job, struct metadata_log *log) {
    ASSERT(metadata_log_is_idle(log) && log->leading == NULL);
    enum status st = log_close(job, log->log);
    free_log(log);
    return st;
}

void metadata_log_abandon(struct metadata_log *log) {
    ASSERT(log->leading == NULL);
    log_abandon(log->log);
    free_log(log);
}
