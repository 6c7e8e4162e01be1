/* base/logging.c - formatting and escaping; where the line goes is the sink's business. */
#include "base/logging.h"
#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES 1024

static void discard(void *context, enum log_level level, const char *area, const char *text) {
    (void)context, (void)level, (void)area, (void)text;
}

static log_sink_fn *current_sink = discard;
static void *sink_context;
static enum log_level lowest = LOG_LEVEL_INFO;

void logging_set_sink(log_sink_fn *sink, void *context) {
    current_sink = sink != NULL ? sink : discard;
    sink_context = context;
}
void logging_set_level(enum log_level level) { lowest = level; }
bool logging_is_on(enum log_level level) { return level >= lowest; }

const char *log_level_name(enum log_level level) {
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR", "OFF"};
    return (unsigned)level < COUNT(names) ? names[level] : "?";
}

void logging_write(enum log_level level, const char *area, const char *format, ...) {
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args); /* a longer line is cut */
    va_end(args);
    current_sink(sink_context, level, area, line);
}

struct log_text log_text(struct str s) {
    struct log_text out;
    size_t used = 0;
    bool plain_utf8 = str_is_utf8(s);
    out.text[used++] = '"';
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool escape = c < 0x20 || c == 0x7f || (c >= 0x80 && !plain_utf8) || c == '"' || c == '\\';
        if (used + 4 > LOG_TEXT_BYTES - 1) {
            memcpy(out.text + used, "...", 3);
            used += 3;
            break;
        }
        if (escape) {
            used += (size_t)snprintf(out.text + used, 5, "\\x%02x", c);
        } else {
            out.text[used++] = (char)c;
        }
    }
    out.text[used++] = '"';
    out.text[used] = '\0';
    return out;
}

bool log_limit_pass(struct log_limit *limit, uint64_t mono_us, uint32_t *ret_swallowed) {
    uint64_t interval_us = (limit->interval_ms != 0 ? limit->interval_ms : 1000) * 1000ull;
    uint32_t burst = limit->burst != 0 ? limit->burst : 1;
    if (limit->in_window == 0 || mono_us - limit->window_start_us >= interval_us) {
        limit->window_start_us = mono_us;
        limit->in_window = 0;
    }
    if (limit->in_window >= burst) {
        limit->swallowed++;
        return false;
    }
    limit->in_window++;
    *ret_swallowed = limit->swallowed;
    limit->swallowed = 0;
    return true;
}
