#!/usr/bin/env python3
"""Turns the message schemas into C: structs and their descriptor tables; and the error codes.

usage: generate.py SCHEMA_DIR OUT_DIR

Reads SCHEMA_DIR/*.schema and SCHEMA_DIR/errors.tsv; writes messages.h, messages.c, errors.h,
errors.c and messages.d (what they depend on) to OUT_DIR. A mistake in a schema ends it with
"file:line: what" and status 1.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
from schemas import (FIXED_BYTES, FOREVER, INT_BITS, KEYLESS, KINDS, NEVER, SchemaError, covers,
                     read_schemas, schema_paths)

C_TYPES = {'bool': 'bool', 'int8': 'int8_t', 'int16': 'int16_t', 'uint16': 'uint16_t',
           'int32': 'int32_t', 'uint32': 'uint32_t', 'int64': 'int64_t', 'float64': 'double',
           'uuid': 'struct uuid', 'string': 'struct str', 'bytes': 'struct bytes',
           'records': 'struct records'}
C_KEYWORDS = set(
    'auto bool break case char const continue default do double else enum extern false float for '
    'goto if inline int long register restrict return short signed sizeof static struct switch '
    'true typedef union unsigned void volatile while'.split())
RESERVED_FIELDS = C_KEYWORDS | {'unknown'}
RECORD_KINDS = ('metadata', 'group_key', 'transaction_key', 'share_key', 'remote_log')


# ---- names ----

def words_of(name):
    words = re.findall(r'KRaft|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+', name)
    return [word.lower() for word in words]


def snake(name):
    return '_'.join(words_of(name))


def field_c_name(field):
    name = snake(field.name)
    return name + '_' if name in RESERVED_FIELDS else name


def name_structs(message):
    """produce_request_partition_data: the message's words, then the struct's that are not among
    them; all of the struct's where two would get the same name or nothing would remain."""
    message.c_name = snake(message.name)
    said = set(words_of(message.name))
    by_rest = {}
    for struct in message.structs.values():
        rest = '_'.join(word for word in words_of(struct.name) if word not in said)
        by_rest.setdefault(rest, []).append(struct)
    for rest, structs in by_rest.items():
        for struct in structs:
            unique = rest != '' and len(structs) == 1
            struct.c_name = message.c_name + '_' + (rest if unique else snake(struct.name))


def check_names(messages):
    seen = {}
    for message in messages:
        for struct in message.all_structs():
            if struct.c_name in seen:
                raise SchemaError(struct.where, 'struct %s is also made at %s:%d' %
                                  ((struct.c_name,) + seen[struct.c_name]))
            seen[struct.c_name] = struct.where


# ---- messages.h ----

def in_order(message):
    """The structs of a message, what is contained before what contains it."""
    done = []

    def visit(struct):
        for field in struct.fields:
            if field.struct and field.struct not in done:
                visit(field.struct)
        if struct not in done:
            done.append(struct)
    visit(message)
    return done


def range_text(versions):
    first, end = versions
    if end == FOREVER:
        return '%d+' % first
    return '%d' % first if end == first + 1 else '%d-%d' % (first, end - 1)


def field_note(field):
    """What the schema says about a field, in words, for the comment beside its declaration."""
    note = [range_text(field.versions)]
    if field.tagged != NEVER:
        some = '' if field.tagged == field.versions else ' in ' + range_text(field.tagged)
        note.append('tag %d%s' % (field.tag, some))
    if field.nullable != NEVER:
        some = '' if field.nullable == field.versions else ' in ' + range_text(field.nullable)
        note.append('nullable' + some)
    if field.default:
        note.append('default ' + field.default)
    note += [word for word in ('ignorable', 'key') if getattr(field, word)]
    return ', '.join(note)


def field_declarations(field):
    name = field_c_name(field)
    c_type = 'struct ' + field.struct.c_name if field.struct else C_TYPES[field.type]
    if field.array:
        return ['%s *%s' % (c_type, name), 'int32_t %s_count' % name]
    return ['%s %s%s' % (c_type, '*' if field.is_pointer() else '', name)]


def struct_text(message, struct):
    rows = ['struct %s {' % struct.c_name]
    for field in struct.fields:
        first, *more = field_declarations(field)
        rows.append('    %s; /* %s */' % (first, field_note(field)))
        rows += ['    %s;' % declaration for declaration in more]
    if message.flexible != NEVER:
        rows.append('    struct tagged_fields unknown;')
    elif not struct.fields:
        rows.append('    char nothing; /* it has no fields */')
    return rows + ['};', 'CODEC_STRUCT(%s)' % struct.c_name]


def message_title(message):
    key = '' if message.key is None else ' (%d)' % message.key
    flexible = '' if message.flexible == NEVER else ', flexible from %d' % message.flexible[0]
    return '/* ---- %s %s%s, versions %s%s ---- */' % (
        message.kind, message.name, key, range_text(message.versions), flexible)


def enum_text(messages):
    requests = [m for m in messages if m.kind == 'request']
    last = max(m.key for m in requests)
    rows = ['/* API keys, the removed ones included. */', 'enum api_key {']
    rows += ['    API_%s = %d,' % (snake(api_name(m)).upper(), m.key) for m in requests]
    rows += ['    API_KEY_COUNT = %d /* one above the largest */' % (last + 1), '};']
    for kind in RECORD_KINDS:
        rows += ['', '/* Record types: the keys of MESSAGE_%s. */' % kind.upper(),
                 'enum %s_type {' % kind]
        rows += ['    %s = %d,' % (m.c_name.upper(), m.key) for m in messages if m.kind == kind]
        rows += ['};']
    return rows


HEADER_TOP = '''\
/* protocol/messages.h - generated from protocol/schema/ by protocol/generate.py: the struct of
 * every message, its schema, and the tables of all of them.
 * How fields look and who owns what they point to: protocol/codec.h. The comment beside a field
 * says its versions and what else the schema says. */
#pragma once
#include "protocol/codec.h"
'''

HEADER_TABLES = '''
enum { LISTENER_BROKER = 1, LISTENER_CONTROLLER = 2 };

/* One API of Kafka. */
struct api {
    const char *name;                        /* "Produce" */
    const struct schema *request, *response; /* NULL: removed in Kafka 4 */
    int16_t key;
    int16_t min_version, max_version; /* what Kafka advertises; the schemas may know others */
    uint8_t listeners;                /* LISTENER_ bits: where Kafka serves it */
};
extern const struct api apis[API_KEY_COUNT]; /* by key */
/** NULL for a key that does not exist or was removed. */
const struct api *api_find(int16_t key);

extern const struct schema *const schemas_all[];
extern const size_t schemas_count;
/** The schema with that key, or NULL. Headers and MESSAGE_DATA have no key: name them. */
const struct schema *schema_find(enum message_type type, int16_t key);

/* Beside every struct: its layout, x_defaults(object), and x_array(arena, count), which gives
 * structs with defaults, or NULL when there is no memory. */
#define CODEC_STRUCT(x)                                                                           \\
    extern const struct layout x##_layout;                                                        \\
    static inline void x##_defaults(struct x *object) {                                           \\
        codec_layout_defaults(&x##_layout, object);                                               \\
    }                                                                                             \\
    static inline struct x *x##_array(struct arena *arena, int32_t count) {                       \\
        return codec_array(arena, &x##_layout, count);                                            \\
    }
'''


def messages_h(messages):
    rows = [HEADER_TOP] + enum_text(messages) + [HEADER_TABLES]
    for message in messages:
        if message.is_removed():
            continue
        rows += ['', message_title(message)]
        for struct in in_order(message):
            rows += struct_text(message, struct)
        rows.append('extern const struct schema %s_schema;' % message.c_name)
    return '\n'.join(rows) + '\n'


# ---- messages.c ----

def field_default(field):
    """The default of a number or bool in C."""
    if field.type == 'bool':
        return '1' if field.default == 'true' else '0'
    if field.default in ('min', 'max'):
        return 'INT%d_%s' % (INT_BITS[field.type], field.default.upper())
    return field.default


def field_row(struct, field):
    flags = [flag for condition, flag in (
        (field.array, 'FIELD_ARRAY'), (field.ignorable, 'FIELD_IGNORABLE'),
        (field.default == 'null', 'FIELD_DEFAULT_NULL'), (field.is_pointer(), 'FIELD_POINTER'),
        (field.never_compact, 'FIELD_NEVER_COMPACT')) if condition]
    parts = ['.name = "%s"' % (field.name[0].lower() + field.name[1:]),
             '.type = FIELD_%s' % ('STRUCT' if field.struct else field.type.upper()),
             '.offset = offsetof(struct %s, %s)' % (struct.c_name, field_c_name(field)),
             '.present = {%d, %d}' % field.versions]
    if field.struct:
        parts.append('.layout = &%s_layout' % field.struct.c_name)
    if field.nullable != NEVER:
        parts.append('.nullable = {%d, %d}' % field.nullable)
    if field.tagged != NEVER:
        parts.append('.tagged = {%d, %d}, .tag = %d' % (field.tagged + (field.tag,)))
    if field.default not in (None, 'null'):
        parts.append('.initial = %s' % field_default(field))
    if flags:
        parts.append('.flags = ' + ' | '.join(flags))
    return '    {%s},' % ', '.join(parts)


def field_min_bytes(message, field, version):
    compact = message.is_flexible(version) and not field.never_compact
    if field.array or field.type in ('bytes', 'records'):
        return 1 if compact else 4
    if field.type == 'string':
        return 1 if compact else 2
    if field.struct is None:
        return FIXED_BYTES[field.type]
    if covers(field.nullable, version):
        return 1
    return struct_min_bytes(message, field.struct, version)


def struct_min_bytes(message, struct, version):
    """The fewest octets that a struct takes on the wire."""
    fields = [field_min_bytes(message, field, version) for field in struct.fields
              if covers(field.versions, version) and not covers(field.tagged, version)]
    return sum(fields) + message.is_flexible(version)


def initial_value(field):
    """The default of a field as a C initialiser; None where all zero octets are it."""
    if field.array:
        return '-1' if field.default == 'null' else None
    if field.default == 'null':
        return None
    if field.type == 'string':
        return 'STR("")'
    if field.type == 'bytes':
        return '{(const uint8_t *)"", 0}'
    if field.struct:
        raise SchemaError(field.where, 'a struct in a struct that is there by default')
    return field_default(field) if field.default else None


def initial_object(struct):
    """A constant struct with all defaults, for the pointers that are not null by default."""
    rows = ['static const struct %s %s_initial = {' % (struct.c_name, struct.c_name)]
    for field in struct.fields:
        value = initial_value(field)
        if value is not None:
            count = '_count' if field.array else ''
            rows.append('    .%s%s = %s,' % (field_c_name(field), count, value))
    return rows + ['};']


def is_there_by_default(message, struct):
    fields = [field for owner in message.all_structs() for field in owner.fields]
    return any(field.struct is struct and field.is_pointer() and field.default != 'null'
               for field in fields)


def layout_text(message, struct):
    name = struct.c_name
    rows, parts = [], ['.name = "%s"' % struct.name, '.bytes = sizeof(struct %s)' % name]
    if is_there_by_default(message, struct):
        rows += initial_object(struct)
        parts.append('.initial = &%s_initial' % name)
    if struct.fields:
        rows.append('static const struct field %s_fields[] = {' % name)
        rows += [field_row(struct, field) for field in struct.fields] + ['};']
        parts.append('.fields = %s_fields, .field_count = %d' % (name, len(struct.fields)))
    tagged = sorted((f.tag, i) for i, f in enumerate(struct.fields) if f.tagged != NEVER)
    if tagged:
        indexes = ', '.join(str(i) for _, i in tagged)
        rows.append('static const uint8_t %s_tagged[] = {%s};' % (name, indexes))
        parts.append('.tagged = %s_tagged, .tagged_count = %d' % (name, len(tagged)))
    min_bytes = ', '.join(str(struct_min_bytes(message, struct, version))
                          for version in range(message.versions[1]))
    rows.append('static const uint16_t %s_min_bytes[] = {%s};' % (name, min_bytes))
    parts.append('.min_bytes = %s_min_bytes' % name)
    unknown = 'offsetof(struct %s, unknown)' % name if message.flexible != NEVER else '-1'
    parts.append('.unknown_offset = ' + unknown)
    rows.append('const struct layout %s_layout = {' % name)
    return rows + ['    %s,' % part for part in parts] + ['};']


def schema_text(message):
    flexible = 'INT16_MAX' if message.flexible == NEVER else message.flexible[0]
    return ['const struct schema %s_schema = {' % message.c_name,
            '    .name = "%s",' % message.name,
            '    .layout = &%s_layout,' % message.c_name,
            '    .type = MESSAGE_%s,' % message.kind.upper(),
            '    .key = %d,' % (-1 if message.key is None else message.key),
            '    .min_version = %d,' % message.versions[0],
            '    .max_version = %d,' % (message.versions[1] - 1),
            '    .flexible_from = %s,' % flexible,
            '};']


def api_name(request):
    return request.name[:-len('Request')]


def api_row(request, response):
    parts = ['.name = "%s"' % api_name(request), '.key = %d' % request.key]
    if request.is_removed():
        parts.append('.min_version = 0, .max_version = -1')
    else:
        stable = (request.versions[0], request.versions[1] - request.unstable)
        first, end = request.advertised or stable
        parts.append('.request = &%s_schema' % request.c_name)
        parts.append('.response = &%s_schema' % response.c_name)
        parts.append('.min_version = %d, .max_version = %d' % (first, end - 1))
        bits = ['LISTENER_' + listener.upper() for listener in request.listeners]
        parts.append('.listeners = %s' % ' | '.join(bits))
    return '    [API_%s] = {%s},' % (snake(api_name(request)).upper(), ', '.join(parts))


def api_text(messages):
    responses = {m.key: m for m in messages if m.kind == 'response'}
    rows = ['const struct api apis[API_KEY_COUNT] = {']
    rows += [api_row(m, responses[m.key]) for m in messages if m.kind == 'request']
    return rows + ['};']


LOOKUPS = '''
const struct schema *schema_find(enum message_type type, int16_t key) {
    if (type >= MESSAGE_TYPE_COUNT || key < 0 || (size_t)key >= by_type[type].count) return NULL;
    return by_type[type].schemas[key];
}

const struct api *api_find(int16_t key) {
    if (key < 0 || key >= API_KEY_COUNT || apis[key].request == NULL) return NULL;
    return &apis[key];
}
'''


def lookup_text(messages):
    rows = ['const struct schema *const schemas_all[] = {']
    rows += ['    &%s_schema,' % m.c_name for m in messages] + ['};']
    rows += ['const size_t schemas_count = sizeof schemas_all / sizeof *schemas_all;', '']
    kinds = [kind for kind in KINDS if kind not in KEYLESS]
    for kind in kinds:
        rows.append('static const struct schema *const %s_schemas[] = {' % kind)
        rows += ['    [%d] = &%s_schema,' % (m.key, m.c_name) for m in messages if m.kind == kind]
        rows.append('};')
    rows += ['static const struct {',
             '    const struct schema *const *schemas;',
             '    size_t count;',
             '} by_type[MESSAGE_TYPE_COUNT] = {']
    for kind in kinds:
        rows.append('    [MESSAGE_%s] = {%s_schemas, sizeof %s_schemas / sizeof *%s_schemas},' %
                    (kind.upper(), kind, kind, kind))
    return rows + ['};', '']


def messages_c(messages):
    kept = [m for m in messages if not m.is_removed()]
    rows = ['/* protocol/messages.c - generated from protocol/schema/ by protocol/generate.py. */',
            '#include "protocol/messages.h"']
    for message in kept:
        rows.append('')
        for struct in in_order(message):
            rows += layout_text(message, struct)
        rows += schema_text(message)
    return '\n'.join(rows + [''] + lookup_text(kept) + api_text(messages)) + '\n' + LOOKUPS


# ---- error codes ----

def read_errors(path):
    """[(code, name, may be retried)], ascending; the first line names the columns."""
    errors = []
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(list(lines)[1:], 2):
            parts = line.rstrip('\n').split('\t')
            if len(parts) != 3 or parts[2] not in ('y', 'n'):
                raise SchemaError((path, number), 'an error is: code, name, retriable (y or n)')
            errors.append((int(parts[0]), parts[1], parts[2] == 'y'))
    return sorted(errors)


ERRORS_H = '''\
/* protocol/errors.h - generated from protocol/schema/errors.tsv: Kafka's error codes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum kafka_error {
%s
};

/** "OFFSET_OUT_OF_RANGE"; NULL for a code that Kafka does not have. */
const char *kafka_error_name(int16_t code);
/** True when a client may send the same request again. */
bool kafka_error_retriable(int16_t code);
'''

ERRORS_C = '''\
/* protocol/errors.c - generated from protocol/schema/errors.tsv. */
#include "protocol/errors.h"
#include <stddef.h>

enum { FIRST_CODE = %d, LAST_CODE = %d };

static const struct {
    const char *name;
    bool retriable;
} errors[] = {
%s
};

static bool is_known(int16_t code) { return code >= FIRST_CODE && code <= LAST_CODE; }

const char *kafka_error_name(int16_t code) {
    return is_known(code) ? errors[code - FIRST_CODE].name : NULL;
}

bool kafka_error_retriable(int16_t code) {
    return is_known(code) && errors[code - FIRST_CODE].retriable;
}
'''


def errors_h(errors):
    return ERRORS_H % '\n'.join('    KAFKA_%s = %d,' % (name, code) for code, name, _ in errors)


def errors_c(errors):
    rows = ['    [%d - FIRST_CODE] = {"%s", %s},' % (code, name, 'true' if retriable else 'false')
            for code, name, retriable in errors]
    return ERRORS_C % (errors[0][0], errors[-1][0], '\n'.join(rows))


def main(schema_dir, out_dir):
    messages = read_schemas(schema_dir)
    for message in messages:
        name_structs(message)
    check_names(messages)
    errors_path = os.path.join(schema_dir, 'errors.tsv')
    errors = read_errors(errors_path)
    outputs = {'messages.h': messages_h(messages), 'messages.c': messages_c(messages),
               'errors.h': errors_h(errors), 'errors.c': errors_c(errors)}
    inputs = [schema_dir, errors_path] + schema_paths(schema_dir)  # the folder: new files count
    outputs['messages.d'] = '%s: %s\n' % (
        ' '.join(os.path.join(out_dir, name) for name in outputs), ' '.join(inputs))
    for name, text in outputs.items():
        with open(os.path.join(out_dir, name), 'w', encoding='utf-8') as out:
            out.write(text)


if __name__ == '__main__':
    try:
        main(*sys.argv[1:])
    except SchemaError as error:
        sys.exit(str(error))
