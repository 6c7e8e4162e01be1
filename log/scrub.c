/* log/scrub.c - what a log directory holds beside its segments, and the rate of reading. */
#include "log/scrub.h"
#include "base/assert.h"
#include "base/logging.h"
#include "log/dir.h"
#include "log/leader_epochs.h"
#include "log/names.h"
#include "log/partition_metadata.h"
#include "log/producer_snapshot.h"

#define SMALL_FILE_BYTES_MAX ((size_t)16 << 20)
#define SNAPSHOT_BYTES_MAX ((size_t)64 << 20)

void scrub_tell(struct scrub *scrub, const char *file, int64_t position, const char *what) {
    const struct scrub_finding finding = {file, position, what};
    scrub->findings++;
    scrub->found(scrub, &finding);
}

enum status scrub_pace(struct job *job, struct scrub *scrub, uint64_t bytes) {
    scrub->bytes += bytes;
    if (scrub->stop != NULL && *scrub->stop) return ST_CANCELLED;
    if (scrub->bytes_per_second == 0) return ST_OK;
    uint64_t now_us = io_now(job_io(job)).mono_us;
    /* What was not read in time is not made up for. */
    scrub->pace_at_us = MAX(scrub->pace_at_us, now_us) + bytes * 1000000 / scrub->bytes_per_second;
    if (scrub->pace_at_us > now_us) job_sleep_until(job, scrub->pace_at_us);
    return scrub->stop != NULL && *scrub->stop ? ST_CANCELLED : ST_OK;
}

/* --- small files --- */

/* What a small file is wrong with; ST_OK and ST_CORRUPT are verdicts, all else ends the scrub. */
struct small_file {
    size_t limit_bytes;
    enum status (*check)(struct job *job, struct str text);
    const char *wrong;
};

static enum status check_epochs(struct job *job, struct str text) {
    struct leader_epochs epochs = {0};
    uint32_t line = 0;
    enum status st = leader_epochs_parse(&epochs, job_mem(job), text, &line);
    leader_epochs_release(&epochs, job_mem(job));
    return st;
}

static enum status check_producers(struct job *job, struct str text) {
    struct producer_states states;
    struct producer_list list = {0};
    struct bytes octets = {(const uint8_t *)text.ptr, text.len};
    enum status st = producer_snapshot_decode(octets, job_mem(job), &list);
    producer_states_init(&states, job_mem(job));
    if (st == ST_OK) st = producer_states_restore(&states, &list, 0); /* none stands twice */
    producer_states_release(&states);
    producer_list_release(&list, job_mem(job));
    return st;
}

static const struct small_file epochs_file = {SMALL_FILE_BYTES_MAX, check_epochs,
                                              "is not a list of leader epochs"};
static const struct small_file producers_file = {SNAPSHOT_BYTES_MAX, check_producers,
                                                 "is not a snapshot of producer state"};

/* Such files are replaced as a whole: what is read is one that was meant. */
static enum status scrub_small(struct job *job, struct scrub *scrub, const char *path,
                               const struct small_file *file) {
    char *data = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path, file->limit_bytes, &data, &len);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st == ST_IO || st == ST_TOO_LARGE) {
        scrub_tell(scrub, path, -1, st == ST_IO ? "cannot be read" : "is too large");
        return ST_OK;
    }
    if (st != ST_OK) return st;
    scrub->files++;
    st = file->check(job, (struct str){data, len});
    mem_free(job_mem(job), data, len + 1);
    if (st == ST_NOMEM) return st;
    if (st != ST_OK) scrub_tell(scrub, path, -1, file->wrong);
    return scrub_pace(job, scrub, len);
}

/* --- a partition --- */

static bool is_checkpoint(const char *name) {
    size_t len = strlen(name);
    return len > 11 && strcmp(name + len - 11, ".checkpoint") == 0;
}

static enum status scrub_file(struct job *job, struct scrub *scrub, const char *dir,
                              const char *name) {
    struct log_path path;
    log_path_of_name(&path, dir, name, "");
    if (strcmp(name, LEADER_EPOCHS_FILE) == 0)
        return scrub_small(job, scrub, path.text, &epochs_file);
    if (is_checkpoint(name)) return scrub_batches(job, scrub, path.text);
    if (strcmp(name, PARTITION_METADATA_FILE) != 0) return ST_OK;
    struct uuid topic_id;
    enum status st = partition_metadata_read(job, dir, &topic_id);
    if (st == ST_CORRUPT || st == ST_IO || st == ST_SHORT) {
        scrub_tell(scrub, path.text, -1, "tells no topic id");
        st = ST_OK;
    }
    scrub->files++;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Where the last segment stands in the listing; the count when there is none. */
static uint32_t last_segment_of(const struct io_listing *listing) {
    for (uint32_t i = listing->count; i > 0; i--) {
        struct part_name part;
        if (listing->entries[i - 1].kind != IO_DIR &&
            part_name_parse(str_of(listing->entries[i - 1].name), &part) && part.part == PART_LOG &&
            part.suffix.len == 0)
            return i - 1;
    }
    return listing->count;
}

static enum status scrub_listed(struct job *job, struct scrub *scrub, const char *dir,
                                const struct io_listing *listing) {
    uint32_t last = last_segment_of(listing);
    int64_t end = 0; /* of the segments so far; names sort by offset */
    enum status st = ST_OK;
    for (uint32_t i = 0; st == ST_OK && i < listing->count; i++) {
        const struct io_entry *entry = &listing->entries[i];
        struct part_name part;
        if (entry->kind == IO_DIR) continue;
        if (!part_name_parse(str_of(entry->name), &part)) {
            st = scrub_file(job, scrub, dir, entry->name);
            continue;
        }
        struct log_path path;
        log_path_of_name(&path, dir, entry->name, "");
        if (part.suffix.len > 0) continue; /* on its way out, or not in force yet */
        if (part.part == PART_SNAPSHOT) {
            st = scrub_small(job, scrub, path.text, &producers_file);
        } else if (part.part == PART_LOG) {
            if (part.base_offset < end && !scrub->is_live)
                scrub_tell(scrub, path.text, -1, "its offsets begin within the segment before");
            st = scrub_segment(job, scrub, dir, part.base_offset, i == last, &end);
        }
    }
    return st;
}

static enum status scrub_partition(struct job *job, struct scrub *scrub, const char *dir) {
    struct io_listing listing = {0};
    enum status st = job_list(job, dir, &listing);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st == ST_IO || st == ST_DENIED) {
        scrub_tell(scrub, dir, -1, "cannot be listed");
        return ST_OK;
    }
    if (st != ST_OK) return st;
    st = scrub_listed(job, scrub, dir, &listing);
    io_listing_free(job_mem(job), &listing);
    return st;
}

/* --- the root --- */

static enum status scrub_meta(struct job *job, struct scrub *scrub, struct str dir) {
    struct meta_properties meta;
    struct log_path path;
    const char *why = "";
    enum status st = meta_properties_read(job, dir, &meta, &why);
    log_path_of_name(&path, dir.ptr, META_PROPERTIES_FILE, "");
    if (st == ST_NOT_FOUND) {
        scrub_tell(scrub, path.text, -1, "is missing: this is no formatted log directory");
        return ST_OK;
    }
    scrub->files++;
    if (st == ST_CORRUPT || st == ST_IO || st == ST_SHORT) {
        scrub_tell(scrub, path.text, -1, "is not readable as what it should be");
        return ST_OK;
    }
    return st;
}

static enum status scrub_checkpoints(struct job *job, struct scrub *scrub, struct str dir) {
    static const char *const files[] = {RECOVERY_POINT_FILE, LOG_START_FILE,
                                        "replication-offset-checkpoint",
                                        CLEANER_CHECKPOINT_FILE};
    struct arena arena;
    arena_init(&arena, job_mem(job), 16384, 0);
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < COUNT(files); i++) {
        struct checkpoint checkpoint;
        struct log_path path;
        uint32_t line = 0;
        log_path_of_name(&path, dir.ptr, files[i], "");
        st = checkpoint_read(job, dir, files[i], &arena, &checkpoint, &line);
        if (st == ST_CORRUPT || st == ST_IO || st == ST_SHORT) {
            scrub_tell(scrub, path.text, -1, "is not a checkpoint of offsets");
            st = ST_OK;
        }
        scrub->files++;
    }
    arena_release(&arena);
    return st;
}

enum status scrub_directory(struct job *job, struct scrub *scrub, struct str dir) {
    struct io_listing listing = {0};
    enum status st = job_list(job, dir.ptr, &listing);
    if (st != ST_OK) return st;
    st = scrub_meta(job, scrub, dir);
    if (st == ST_OK) st = scrub_checkpoints(job, scrub, dir);
    for (uint32_t i = 0; st == ST_OK && i < listing.count; i++) {
        const struct io_entry *entry = &listing.entries[i];
        struct str topic, name = str_of(entry->name);
        int32_t partition;
        if (entry->kind != IO_DIR || name.ptr[0] == '.') continue;
        if (!partition_name_parse(name, &topic, &partition)) continue; /* on its way in or out */
        struct log_path path;
        log_path_of_name(&path, dir.ptr, entry->name, "");
        st = scrub_partition(job, scrub, path.text);
    }
    io_listing_free(job_mem(job), &listing);
    return st;
}
