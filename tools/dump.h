/* tools/dump.h - the parts of kafka-dump-log: one function per kind of file. What is wrong with a
 * file but does not keep it from being shown is gathered in struct dump_findings and told at the
 * end, as Kafka's tool does. */
#pragma once
#include <stdio.h>
#include "tools/dump_decode.h"

/* One kind of finding: a headline for each file and a line for each place. */
struct dump_finding {
    struct strbuf text;
    char last_path[4096]; /* whose headline was written last */
};

struct dump_findings {
    struct dump_finding index_mismatch, time_mismatch, time_order, time_missing, not_consecutive;
};

struct dump {
    struct mem *mem;
    struct dump_decoder decoder;
    bool print_contents; /* keys and values */
    bool deep;           /* record by record */
    bool skip_record_metadata;
    bool verify_only, sanity_only; /* of indexes */
    int64_t max_bytes;             /* of a log that are read */
    int64_t max_message_bytes;     /* behind an index entry that are looked at */
    struct dump_findings findings;
};

void dump_init(struct dump *dump, struct mem *mem, struct arena *arena);
void dump_release(struct dump *dump);

/** Writes what the file holds to standard output. Ends the process where it cannot be read. */
void dump_batches(struct dump *dump, const char *path);
void dump_offset_index(struct dump *dump, const char *path);
void dump_time_index(struct dump *dump, const char *path);
void dump_transaction_index(struct dump *dump, const char *path);
void dump_producer_snapshot(struct dump *dump, const char *path);

/** Notes one place in the file `path`. */
__attribute__((format(printf, 4, 5))) void dump_find(struct dump_finding *finding,
                                                     const char *headline, const char *path,
                                                     const char *format, ...);
/** Writes all findings to standard error. */
void dump_tell_findings(struct dump *dump);

/** The number in front of the first '.' of the file's name; ends the process when there is none. */
int64_t dump_base_offset(const char *path);
/** The part of a path behind its last '/'. */
const char *dump_file_name(const char *path);
