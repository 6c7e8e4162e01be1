/* tools/storage.h - the parts of kafka-storage: one function per command. Each ends the process
 * where its arguments are wrong; the result is the exit status. */
#pragma once
#include "tools/settings.h"

/** `info`: what the log directories of a server.properties hold, and what is wrong with them.
 * Reads only. */
int storage_info(struct arena *arena, const char *config_path);

struct storage_format {
    const char *config_path, *cluster_id;
    bool ignore_formatted;
};
/** `format --standalone`, by io_uring as the broker itself does it. */
int storage_format(struct arena *arena, const struct storage_format *what);
