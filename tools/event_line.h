/* tools/event_line.h - the lines of the verifiable tools: one JSON object an event, shown at once.
 *
 *     event_begin(&line, "startup_complete");
 *     event_add_text(&line, "topic", topic);
 *     event_end(&line);
 *
 * More of an object is added to line->text by strbuf_printf. One thread. */
#pragma once
#include "base/strbuf.h"

struct event_line {
    struct strbuf text;
};

void event_line_init(struct event_line *line, struct mem *mem);
void event_line_release(struct event_line *line);
/** {"timestamp":NOW,"name":"..." */
void event_begin(struct event_line *line, const char *name);
/** ,"key":"text", or null for one without octets. */
void event_add_text(struct event_line *line, const char *key, struct str text);
/** Closes the object and writes it out; ends the process when memory is short. */
void event_end(struct event_line *line);
