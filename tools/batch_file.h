/* tools/batch_file.h - a file of record batches (.log, .checkpoint), batch by batch, for reading by
 * tools. Where it ends is judged as by Kafka's FileLogInputStream: a batch that the file does not
 * hold to its end is none. */
#pragma once
#include "base/arena.h"
#include "protocol/octets.h"
#include "protocol/batch.h"

struct batch_file {
    int fd;               /* -1: closed */
    uint64_t end_bytes;   /* reading stops there: the file's size, or less */
    uint64_t position;    /* of the next batch */
    struct octets buffer; /* the batch read last */
    char why[160];        /* after a failure */
};

/** ST_NOT_FOUND, ST_DENIED, ST_IO; limit_bytes: how much of the file counts. */
MUST_CHECK enum status batch_file_open(struct batch_file *file, struct mem *mem, const char *path,
                                       uint64_t limit_bytes);
void batch_file_close(struct batch_file *file);

/** The batch at `position`, which moves behind it; the view and its records live until the next
 * call. A message of magic 0 or 1 is a batch without records, for tools/legacy_message.h to take
 * apart in the buffer. ST_RANGE: there is none any more; ST_CORRUPT, ST_IO, ST_NOMEM with
 * file->why. */
MUST_CHECK enum status batch_file_next(struct batch_file *file, struct batch_view *ret_view);
/** As batch_file_next, but reads and fills in the header only. */
MUST_CHECK enum status batch_file_next_header(struct batch_file *file, struct batch_view *ret_view);

/** Reads exactly `len` octets at `offset`; ST_SHORT at the end of the file. */
MUST_CHECK enum status read_at(int fd, void *buf, size_t len, uint64_t offset);
