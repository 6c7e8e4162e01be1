/* tools/line_reader.h - how the console producer makes records of lines: `headers TAB key TAB
 * value`, each part when asked for. Properties and errors are those of Kafka's LineMessageReader;
 * octets that are no UTF-8 pass unchanged. A line ends with \n, \r or \r\n, the last one also with
 * the input. */
#pragma once
#include "base/strbuf.h"
#include "tools/formatter.h"

/* Cuts octets that arrive in pieces into lines. */
struct line_splitter {
    struct strbuf line; /* of the line under way */
    bool after_return;  /* the last octet was \r: a \n now belongs to it */
};

void line_splitter_init(struct line_splitter *splitter, struct mem *mem);
void line_splitter_release(struct line_splitter *splitter);
/** Takes octets off the front of *in up to the end of a line; true when a line is complete:
 * splitter->line holds it until line_splitter_next. false: *in is used up. */
bool line_splitter_feed(struct line_splitter *splitter, struct bytes *in);
/** Begins the next line. */
void line_splitter_next(struct line_splitter *splitter);

struct line_reader {
    bool parse_key, parse_headers, ignore_error;
    struct str key_separator, headers_delimiter, headers_separator, headers_key_separator;
    struct str null_marker; /* null: there is none */
    uint64_t line_number;   /* of the line read last, from 1 */
};

#define LINE_HEADERS_MAX 1024

/** Reads parse.*, *.separator, headers.delimiter, null.marker and ignore.error; borrowed from
 * `settings`. Ends the process when two separators are the same. */
void line_reader_init(struct line_reader *reader, const struct settings *settings);
/** One line into a record: key, value and headers are slices of it; `headers` has room for
 * LINE_HEADERS_MAX. ST_INVALID with *ret_message (arena). */
MUST_CHECK enum status line_reader_parse(struct line_reader *reader, struct str line,
                                         struct arena *arena, struct console_header *headers,
                                         struct console_record *ret_record,
                                         struct str *ret_message);
