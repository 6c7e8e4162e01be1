/* log/look.h - what is in the directories of partitions that are about to be opened: looked at for
 * many of them in one trip of a worker, and made for many of them at once where they are missing,
 * so that neither a start with thousands of partitions nor the creation of hundreds of topics goes
 * from one to the next.
 *
 * Made is a directory with partition.metadata and the files of an empty segment, all of it on
 * stable storage: by one syncfs where there are many (log_dir.fs_from files or more), else by syncs
 * of its own files. partition.metadata takes its name after that, not durably: after a crash it may
 * be missing, and is written again when the directory is opened. */
#pragma once
#include "log/log.h"

enum { LOOK_METADATA_BYTES = 128, LOOK_EPOCHS_BYTES = 192 };

struct log_look {
    enum status status; /* ST_NOT_FOUND: there is no directory, and none was wanted */
    bool was_made;      /* just now: nothing in it needs recovery */
    struct io_listing listing;
    /* Octets of partition.metadata and leader-epoch-checkpoint, or negative errnos. As many as
     * there is room for: there may be more. */
    int64_t metadata_result, epochs_result;
    char metadata[LOOK_METADATA_BYTES], epochs[LOOK_EPOCHS_BYTES];
};

/** All are of one directory, with `look` unset. Other failures than a lack of memory are each
 * look's own status; after a failed write or sync the directory is offline. On ST_OK each look is
 * to be released. */
MUST_CHECK enum status logs_look(struct job *job, const struct log_open *opens,
                                 struct log_look *looks, uint32_t count);
void log_look_release(struct log_look *look, struct mem *mem);
