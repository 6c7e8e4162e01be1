/* base/logging.h - log lines for people and machines: `time level area: key=value ...` on standard
 * error. A line is decided by its consequence: ERROR somebody must act, WARN somebody should look,
 * INFO what an operator wants to see once, DEBUG for developers. Text from outside goes through
 * LOG_TEXT, which escapes it, so no client can forge or break a line (reliability: log injection).
 * The sink is process-wide and set before the first thread starts. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_OFF };

/** Writes one line; `text` has no line end. Called from any thread. */
typedef void log_sink_fn(void *context, enum log_level level, const char *area, const char *text);

void logging_set_sink(log_sink_fn *sink, void *context);
/** Lines below `level` are not formatted. Default INFO. */
void logging_set_level(enum log_level level);
bool logging_is_on(enum log_level level);
const char *log_level_name(enum log_level level);
void logging_write(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define LOG_AT(level, area, ...)                                                                   \
    do {                                                                                           \
        if (logging_is_on(level)) logging_write((level), (area), __VA_ARGS__);                     \
    } while (0)
#define LOG_DEBUG(area, ...) LOG_AT(LOG_LEVEL_DEBUG, area, __VA_ARGS__)
#define LOG_INFO(area, ...) LOG_AT(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define LOG_WARN(area, ...) LOG_AT(LOG_LEVEL_WARN, area, __VA_ARGS__)
#define LOG_ERROR(area, ...) LOG_AT(LOG_LEVEL_ERROR, area, __VA_ARGS__)

#define LOG_TEXT_BYTES 256 /* of outside text in one line, after escaping */
struct log_text {
    char text[LOG_TEXT_BYTES + 4];
};
/** Outside text made safe for one key: quoted, control characters and invalid UTF-8 as \xNN, cut
 *  with "...". */
struct log_text log_text(struct str s);
/** For "%s" in a log format. */
#define LOG_TEXT(s) (log_text(s).text)

/* At most `burst` lines an `interval_ms`; the first line after a silence says how many were
 * swallowed. */
struct log_limit {
    uint64_t window_start_us;
    uint32_t interval_ms; /* 0: 1,000 */
    uint32_t burst;       /* 0: 1 */
    uint32_t in_window;
    uint32_t swallowed;
};
/** True when a line may be written now; *ret_swallowed is how many were not since the last one. */
bool log_limit_pass(struct log_limit *limit, uint64_t mono_us, uint32_t *ret_swallowed);
