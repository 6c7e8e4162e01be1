/* tools/json.c - see json.h. */
#include "tools/json.h"

void json_init(struct json *json, struct arena *arena, struct str text) {
    *json = (struct json){.arena = arena, .at = text.ptr, .end = text.ptr + text.len};
    json->failed = !str_is_utf8(text);
}

static bool fail(struct json *json) {
    json->failed = true;
    return false;
}

static void skip_space(struct json *json) {
    while (json->at < json->end && memchr(" \t\r\n", *json->at, 4) != NULL) json->at++;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

char json_peek(struct json *json) {
    skip_space(json);
    if (json->failed || json->at == json->end) return 0;
    char c = *json->at;
    if (c == '-' || is_digit(c)) return '0';
    return memchr("{[\"tfn", c, 6) != NULL ? c : 0;
}

static bool take(struct json *json, char c) {
    skip_space(json);
    if (json->failed || json->at == json->end || *json->at != c) return false;
    json->at++;
    return true;
}

bool json_enter(struct json *json, char bracket) {
    json->begun = false;
    return take(json, bracket);
}

/* Before the next one of a container, or behind its end. */
static bool next(struct json *json, char closing) {
    if (json->failed) return false;
    if (take(json, closing)) {
        json->begun = true; /* the container around it holds this one */
        return false;
    }
    if (json->begun && !take(json, ',')) return fail(json);
    json->begun = true;
    return true;
}

bool json_member(struct json *json, struct str *ret_name) {
    if (!next(json, '}')) return false;
    if (!json_string(json, ret_name) || !take(json, ':')) return fail(json);
    return true;
}

bool json_element(struct json *json) { return next(json, ']'); }

static int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of a \u escape; -1 when they are none. */
static int32_t take_hex(struct json *json) {
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = json->at < json->end ? hex_digit(*json->at++) : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

static size_t put_utf8(char *out, int32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t count = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = count; i-- > 1; c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(marks[count] | c);
    return count;
}

/* One escape behind its backslash, at most 4 octets; 0 when it is none. */
static size_t take_escape(struct json *json, char *out) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = json->at < json->end ? *json->at++ : 0;
    const char *name = c != 0 ? strchr(names, c) : NULL;
    if (name != NULL) {
        *out = values[name - names];
        return 1;
    }
    int32_t code = c == 'u' ? take_hex(json) : -1;
    if (code < 0xd800 || code > 0xdfff) return code < 0 ? 0 : put_utf8(out, code);
    bool paired = code < 0xdc00 && json->end - json->at >= 2 && memcmp(json->at, "\\u", 2) == 0;
    if (!paired) return 0;
    json->at += 2;
    int32_t low = take_hex(json);
    if (low < 0xdc00 || low > 0xdfff) return 0;
    return put_utf8(out, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
}

bool json_string(struct json *json, struct str *ret_text) {
    if (!take(json, '"')) return false;
    const char *quote = json->at;
    while (quote < json->end && *quote != '"') quote += *quote == '\\' ? 2 : 1;
    if (quote >= json->end) return fail(json);
    /* No escape is longer than what it stands for. */
    char *out = arena_alloc(json->arena, (size_t)(quote - json->at) + 1);
    if (out == NULL) return fail(json);
    size_t len = 0;
    while (json->at < quote) {
        char c = *json->at++;
        if ((uint8_t)c < 0x20) return fail(json);
        if (c != '\\') {
            out[len++] = c;
            continue;
        }
        size_t put = take_escape(json, out + len);
        if (put == 0) return fail(json);
        len += put;
    }
    json->at = quote + 1;
    *ret_text = (struct str){out, len};
    return true;
}

static struct str take_word(struct json *json) {
    const char *begin = json->at;
    while (json->at < json->end && memchr(" \t\r\n,:]}", *json->at, 8) == NULL) json->at++;
    return (struct str){begin, (size_t)(json->at - begin)};
}

bool json_int64(struct json *json, int64_t *ret_value) {
    if (json_peek(json) != '0') return false;
    return str_to_int64(take_word(json), ret_value) || fail(json);
}

static void skip_number(struct json *json) {
    struct str word = take_word(json);
    size_t i = 0, digits = 0;
    if (word.ptr[0] == '-') i++;
    while (i < word.len && is_digit(word.ptr[i])) i++, digits++;
    json->failed |= digits == 0;
    for (; i < word.len; i++)
        json->failed |= !is_digit(word.ptr[i]) && memchr(".eE+-", word.ptr[i], 5) == NULL;
}

static void skip_scalar(struct json *json) {
    struct str text;
    switch (json_peek(json)) {
    case '"': (void)json_string(json, &text); return;
    case '0': skip_number(json); return;
    default: break;
    }
    text = take_word(json);
    if (!str_eq(text, STR("true")) && !str_eq(text, STR("false")) && !str_eq(text, STR("null")))
        json->failed = true;
}

void json_skip(struct json *json) {
    bool in_object[JSON_DEPTH];
    uint32_t depth = 0;
    struct str name;
    do {
        char c = json_peek(json);
        if (c == '{' || c == '[') {
            if (depth == JSON_DEPTH) json->failed = true;
            if (json->failed) return;
            (void)json_enter(json, c);
            in_object[depth++] = c == '{';
        } else {
            skip_scalar(json);
        }
        /* On to the next value, leaving what ends here. */
        while (depth > 0 && !json->failed &&
               !(in_object[depth - 1] ? json_member(json, &name) : json_element(json)))
            depth--;
    } while (depth > 0 && !json->failed);
    json->begun = true;
}

bool json_done(struct json *json) {
    skip_space(json);
    return !json->failed && json->at == json->end;
}
