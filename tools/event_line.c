/* tools/event_line.c - see event_line.h. */
#include "tools/event_line.h"
#include <inttypes.h>
#include <stdio.h>
#include "tools/cli.h"
#include "tools/clock.h"

void event_line_init(struct event_line *line, struct mem *mem) { strbuf_init(&line->text, mem); }
void event_line_release(struct event_line *line) { strbuf_release(&line->text); }

void event_begin(struct event_line *line, const char *name) {
    strbuf_clear(&line->text);
    strbuf_printf(&line->text, "{\"timestamp\":%" PRId64 ",\"name\":\"%s\"", clock_wall_ms(), name);
}

void event_add_text(struct event_line *line, const char *key, struct str text) {
    strbuf_printf(&line->text, ",\"%s\":", key);
    if (text.ptr == NULL)
        strbuf_printf(&line->text, "null");
    else
        strbuf_add_json(&line->text, text);
}

void event_end(struct event_line *line) {
    strbuf_printf(&line->text, "}");
    if (line->text.failed) cli_exit("out of memory");
    puts(strbuf_str(&line->text).ptr);
    (void)fflush(stdout); /* whoever watches must see it at once */
}
