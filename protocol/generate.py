#!/usr/bin/env python3
"""Turns the message schemas into C: structs in messages.h, descriptor tables in messages.c; and the error codes.

usage: generate.py SCHEMA_DIR OUT_DIR

Reads SCHEMA_DIR/*.schema (notation: schema/README.md) and SCHEMA_DIR/errors.tsv; writes messages.h, messages.c,
errors.h, errors.c and messages.d (what they depend on) to OUT_DIR. A mistake in a schema ends it with
"file:line: what" and status 1.
"""
import os
import re
import sys

FIXED_BYTES = {'bool': 1, 'int8': 1, 'int16': 2, 'uint16': 2, 'int32': 4, 'uint32': 4, 'int64': 8, 'float64': 8,
               'uuid': 16}
C_TYPES = {'bool': 'bool', 'int8': 'int8_t', 'int16': 'int16_t', 'uint16': 'uint16_t', 'int32': 'int32_t',
           'uint32': 'uint32_t', 'int64': 'int64_t', 'float64': 'double', 'uuid': 'struct uuid',
           'string': 'struct str', 'bytes': 'struct bytes', 'records': 'struct records'}
INT_BITS = {'int8': 8, 'int16': 16, 'int32': 32, 'int64': 64}
KINDS = ['request', 'response', 'header', 'metadata', 'group_key', 'group_value', 'transaction_key',
         'transaction_value', 'share_key', 'share_value', 'remote_log', 'data']
KEYLESS = ('header', 'data')
RECORD_KINDS = ('metadata', 'group_key', 'transaction_key', 'share_key', 'remote_log')
ENTITIES = ('topic', 'broker', 'group', 'producer', 'transaction')
C_KEYWORDS = set('auto break case char const continue default do double else enum extern float for goto if inline int '
                 'long register restrict return short signed sizeof static struct switch typedef union unsigned void '
                 'volatile while bool true false'.split())
FOREVER = 127   # the end of "3+"
DEPTH_MAX = 8   # CODEC_DEPTH_MAX


class SchemaError(Exception):
    def __init__(self, where, what):
        super().__init__('%s:%d: %s' % (where[0], where[1], what))


class Struct:
    def __init__(self, name, versions, where):
        self.name, self.versions, self.where = name, versions, where
        self.fields = []
        self.c_name = None


class Field:
    """One line of a struct. Ranges are (first, end), end exclusive; (0, 0) is no version."""

    def __init__(self, name, type_name, versions, where):
        self.name, self.where, self.versions = name, where, versions
        self.array = type_name.startswith('[]')
        self.type = type_name[2:] if self.array else type_name
        self.struct = None
        self.tag, self.tagged, self.nullable = 0, (0, 0), (0, 0)
        self.default = None
        self.ignorable = self.key = self.never_compact = False
        self.entity = None

    def is_pointer(self):
        return self.struct is not None and not self.array and self.nullable != (0, 0)


class Message(Struct):
    def __init__(self, kind, name, key, where):
        super().__init__(name, None, where)
        self.kind, self.key = kind, key
        self.versions = self.flexible = self.advertised = None
        self.unstable = False
        self.listeners = []
        self.structs = {}

    def is_flexible(self, version):
        return self.flexible[0] <= version < self.flexible[1]


# ---- reading ----

def parse_range(text, where):
    match = re.fullmatch(r'(\d+)(?:(\+)|-(\d+))?', text)
    if match is None:
        raise SchemaError(where, '"%s" is not a range of versions' % text)
    first = int(match[1])
    end = FOREVER if match[2] else int(match[3] or first) + 1
    if end <= first or end > FOREVER:
        raise SchemaError(where, 'the range "%s" is empty or too large' % text)
    return first, end


def is_range(text):
    return re.fullmatch(r'\d+(\+|-\d+)?', text) is not None


def parse_message(words, where):
    """request NAME KEY versions R [flexible R] [advertised R] [unstable] [on LISTENER...]"""
    words = list(words)
    kind, name = words.pop(0), words.pop(0) if words else ''
    if not re.fullmatch(r'[A-Z][A-Za-z0-9]*', name):
        raise SchemaError(where, 'a message needs a CamelCase name')
    key = None
    if kind not in KEYLESS:
        if not words or not words[0].isdigit():
            raise SchemaError(where, '%s needs a key' % name)
        key = int(words.pop(0))
    message = Message(kind, name, key, where)
    message.flexible = (0, 0)
    while words:
        word = words.pop(0)
        if word in ('versions', 'flexible', 'advertised') and words:
            value = words.pop(0)
            if word == 'versions' and value == 'none':
                message.versions = (0, 0)
            else:
                setattr(message, word, parse_range(value, where))
        elif word == 'unstable':
            message.unstable = True
        elif word == 'on' and words:
            message.listeners, words = words, []
        else:
            raise SchemaError(where, 'unexpected "%s"' % word)
    if message.versions is None:
        raise SchemaError(where, '%s says no versions' % name)
    if message.flexible[1] not in (0, FOREVER):
        raise SchemaError(where, 'flexible versions do not end')
    for listener in message.listeners:
        if listener not in ('broker', 'controller'):
            raise SchemaError(where, 'no listener "%s"' % listener)
    return message


def parse_field(words, where):
    """NAME TYPE RANGE [tag N [RANGE]] [nullable [RANGE]] [never-compact] [= DEFAULT] [ignorable] [key] [of ENTITY]"""
    if len(words) < 3:
        raise SchemaError(where, 'a field is: name type versions ...')
    words = list(words)
    name, type_name, versions = words.pop(0), words.pop(0), parse_range(words.pop(0), where)
    if not re.fullmatch(r'[A-Za-z][A-Za-z0-9]*', name):
        raise SchemaError(where, '"%s" is not a name' % name)
    field = Field(name, type_name, versions, where)
    while words:
        word = words.pop(0)
        if word == 'tag' and words and words[0].isdigit():
            field.tag = int(words.pop(0))
            field.tagged = parse_range(words.pop(0), where) if words and is_range(words[0]) else versions
        elif word == 'nullable':
            field.nullable = parse_range(words.pop(0), where) if words and is_range(words[0]) else versions
        elif word == '=' and words:
            field.default = words.pop(0)
        elif word == 'of' and words and words[0] in ENTITIES:
            field.entity = words.pop(0)
        elif word in ('ignorable', 'key', 'never-compact'):
            setattr(field, word.replace('-', '_'), True)
        else:
            raise SchemaError(where, 'unexpected "%s"' % word)
    return field


def parse_file(path):
    messages, message, open_structs = [], None, []
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            where = (path, number)
            text = line.split('#')[0].rstrip()
            if not text:
                continue
            depth, rest = divmod(len(text) - len(text.lstrip(' ')), 4)
            words = text.split()
            if rest or '\t' in text:
                raise SchemaError(where, 'indentation is by 4 spaces')
            if depth == 0 and words[0] in KINDS:
                message = parse_message(words, where)
                messages.append(message)
                open_structs = [message]
            elif depth == 0 and words[0] == 'struct' and len(words) == 3 and message is not None:
                open_structs = [add_struct(message, words[1], parse_range(words[2], where), where)]
            elif depth == 0:
                raise SchemaError(where, 'expected a message or a struct')
            else:
                open_structs = open_structs[:depth]
                if depth > len(open_structs):
                    raise SchemaError(where, 'indented below nothing')
                parent, field = open_structs[-1], parse_field(words, where)
                if isinstance(parent, Field):  # its first own line: the field's struct is declared here
                    parent = add_struct(message, parent.type, parent.versions, parent.where)
                    open_structs[-1] = parent
                if any(other.name == field.name for other in parent.fields):
                    raise SchemaError(where, 'a second %s in %s' % (field.name, parent.name))
                parent.fields.append(field)
                open_structs.append(field)
    return messages


def add_struct(message, name, versions, where):
    if name in message.structs or name in C_TYPES:
        raise SchemaError(where, 'a second struct %s in %s' % (name, message.name))
    message.structs[name] = Struct(name, versions, where)
    return message.structs[name]


# ---- checking ----

def within(inner, outer):
    return inner[0] >= inner[1] or (outer[0] <= inner[0] and inner[1] <= outer[1])


def overlap(a, b):
    both = (max(a[0], b[0]), min(a[1], b[1]))
    return both if both[0] < both[1] else (0, 0)


def check_field(message, owner, field):
    fail = lambda what: SchemaError(field.where, '%s: %s' % (field.name, what))
    if field.type not in C_TYPES:
        field.struct = message.structs.get(field.type)
        if field.struct is None:
            raise fail('no type %s' % field.type)
        present = overlap(overlap(field.versions, owner.versions), message.versions)
        if not within(present, field.struct.versions):
            raise fail('in versions that %s does not have' % field.type)
    if not within(overlap(field.tagged, message.versions), message.flexible):
        raise fail('tagged in a version that is not flexible')
    if field.type == 'records' and (field.array or field.tagged != (0, 0)):
        raise fail('records stand alone and untagged')
    if field.default == 'null' and field.nullable == (0, 0):
        raise fail('null by default, but never nullable')
    if field.nullable != (0, 0) and not field.array and field.type in FIXED_BYTES:
        raise fail('a %s is never null' % field.type)
    if field.default not in (None, 'null') and (field.array or field.type not in INT_BITS) and \
            not (field.type == 'bool' and field.default in ('true', 'false')):
        raise fail('no default "%s" for this type' % field.default)


def depth_of(struct, above=()):
    if struct in above:
        raise SchemaError(struct.where, '%s contains itself' % struct.name)
    inner = [depth_of(field.struct, above + (struct,)) for field in struct.fields if field.struct]
    return 1 + max(inner, default=0)


def check_message(message):
    for struct in [message] + list(message.structs.values()):
        for field in struct.fields:
            check_field(message, struct, field)
        tags = [field.tag for field in struct.fields if field.tagged != (0, 0)]
        if len(set(tags)) != len(tags):
            raise SchemaError(struct.where, '%s uses a tag twice' % struct.name)
        if len(struct.fields) > 255:
            raise SchemaError(struct.where, '%s has more than 255 fields' % struct.name)
    if depth_of(message) > DEPTH_MAX:
        raise SchemaError(message.where, 'structs nest more than %d deep' % DEPTH_MAX)


# ---- names ----

def words_of(name):
    return [w.lower() for w in re.findall(r'KRaft|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+', name)]


def snake(name):
    return '_'.join(words_of(name))


def field_c_name(field):
    name = snake(field.name)
    return name + '_' if name in C_KEYWORDS or name == 'unknown' else name


def name_structs(message):
    """produce_request_partition_data: the message's name, then those words of the struct's that are not in it."""
    message.c_name = snake(message.name)
    said = set(words_of(message.name))
    short = {}
    for struct in message.structs.values():
        rest = [word for word in words_of(struct.name) if word not in said]
        short.setdefault('_'.join(rest), []).append(struct)
    for rest, structs in short.items():
        for struct in structs:
            unique = rest != '' and len(structs) == 1
            struct.c_name = message.c_name + '_' + (rest if unique else snake(struct.name))


def check_names(messages):
    seen = {}
    for message in messages:
        for struct in [message] + list(message.structs.values()):
            if struct.c_name in seen:
                raise SchemaError(struct.where, 'struct %s is also made at %s:%d' %
                                  ((struct.c_name,) + seen[struct.c_name]))
            seen[struct.c_name] = struct.where
    keys = {}
    for message in messages:
        if message.key is not None and keys.setdefault((message.kind, message.key), message) is not message:
            raise SchemaError(message.where, 'a second %s with key %d' % (message.kind, message.key))


# ---- writing ----

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
    if field.tagged != (0, 0):
        note.append('tag %d' % field.tag if field.tagged == field.versions else
                    'tag %d in %s' % (field.tag, range_text(field.tagged)))
    if field.nullable != (0, 0):
        note.append('nullable' if field.nullable == field.versions else
                    'nullable in %s' % range_text(field.nullable))
    if field.default:
        note.append('default ' + field.default)
    if field.ignorable:
        note.append('ignorable')
    if field.key:
        note.append('key')
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
        for i, declaration in enumerate(field_declarations(field)):
            rows.append('    %s;%s' % (declaration, ' /* %s */' % field_note(field) if i == 0 else ''))
    if message.flexible != (0, 0):
        rows.append('    struct tagged_fields unknown;')
    elif not struct.fields:
        rows.append('    char nothing; /* it has no fields */')
    return rows + ['};']


def field_default(field):
    if field.type == 'bool':
        return '1' if field.default == 'true' else '0'
    if field.default in ('min', 'max'):
        bits = INT_BITS[field.type]
        return 'INT%d_%s' % (bits, field.default.upper())
    return field.default


def field_table_row(struct, field):
    flags = [name for flag, name in ((field.array, 'FIELD_ARRAY'), (field.ignorable, 'FIELD_IGNORABLE'),
                                     (field.default == 'null', 'FIELD_DEFAULT_NULL'),
                                     (field.is_pointer(), 'FIELD_POINTER'),
                                     (field.never_compact, 'FIELD_NEVER_COMPACT')) if flag]
    parts = ['.name = "%s"' % (field.name[0].lower() + field.name[1:]),
             '.type = FIELD_%s' % ('STRUCT' if field.struct else field.type.upper()),
             '.offset = offsetof(struct %s, %s)' % (struct.c_name, field_c_name(field)),
             '.present = {%d, %d}' % field.versions]
    if field.struct:
        parts.append('.layout = &%s_layout' % field.struct.c_name)
    if field.nullable != (0, 0):
        parts.append('.nullable = {%d, %d}' % field.nullable)
    if field.tagged != (0, 0):
        parts.append('.tagged = {%d, %d}, .tag = %d' % (field.tagged + (field.tag,)))
    if field.default not in (None, 'null'):
        parts.append('.initial = %s' % field_default(field))
    if flags:
        parts.append('.flags = ' + ' | '.join(flags))
    return '    {%s},' % ', '.join(parts)


def covers(versions, version):
    return versions[0] <= version < versions[1]


def field_min_bytes(message, field, version):
    compact = message.is_flexible(version) and not field.never_compact
    if field.array or field.type in ('bytes', 'records'):
        return 1 if compact else 4
    if field.type == 'string':
        return 1 if compact else 2
    if field.struct is None:
        return FIXED_BYTES[field.type]
    return 1 if covers(field.nullable, version) else struct_min_bytes(message, field.struct, version)


def struct_min_bytes(message, struct, version):
    fields = [field for field in struct.fields if covers(field.versions, version) and not covers(field.tagged, version)]
    return sum(field_min_bytes(message, field, version) for field in fields) + message.is_flexible(version)


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
        raise SchemaError(field.where, 'a struct inside one that is there by default')
    return field_default(field) if field.default else None


def initial_object(struct):
    """A constant struct with all defaults, for the pointers that are not null by default."""
    rows = ['static const struct %s %s_initial = {' % (struct.c_name, struct.c_name)]
    for field in struct.fields:
        value = initial_value(field)
        if value is not None:
            rows.append('    .%s%s = %s,' % (field_c_name(field), '_count' if field.array else '', value))
    return rows + ['};']


def layout_text(message, struct):
    name = struct.c_name
    rows, parts = [], []
    if any(field.struct is struct and field.is_pointer() and field.default != 'null'
           for other in [message] + list(message.structs.values()) for field in other.fields):
        rows += initial_object(struct)
        parts.append('.initial = &%s_initial' % name)
    if struct.fields:
        rows.append('static const struct field %s_fields[] = {' % name)
        rows += [field_table_row(struct, field) for field in struct.fields]
        rows.append('};')
        parts.append('.fields = %s_fields, .field_count = %d' % (name, len(struct.fields)))
    tagged = sorted((field.tag, i) for i, field in enumerate(struct.fields) if field.tagged != (0, 0))
    if tagged:
        rows.append('static const uint8_t %s_tagged[] = {%s};' % (name, ', '.join(str(i) for _, i in tagged)))
        parts.append('.tagged = %s_tagged, .tagged_count = %d' % (name, len(tagged)))
    rows.append('static const uint16_t %s_min_bytes[] = {%s};' % (name, ', '.join(
        str(struct_min_bytes(message, struct, version)) for version in range(message.versions[1]))))
    parts.append('.min_bytes = %s_min_bytes, .bytes = sizeof(struct %s)' % (name, name))
    parts.append('.unknown_offset = %s' % ('offsetof(struct %s, unknown)' % name
                                           if message.flexible != (0, 0) else '-1'))
    rows.append('const struct layout %s_layout = {' % name)
    rows.append('    .name = "%s", %s' % (struct.name, ',\n    '.join(parts)))
    return rows + ['};']


def schema_text(message):
    flexible = message.flexible[0] if message.flexible != (0, 0) else 'INT16_MAX'
    return ['const struct schema %s_schema = {' % message.c_name,
            '    .name = "%s", .layout = &%s_layout, .type = MESSAGE_%s, .key = %d,' %
            (message.name, message.c_name, message.kind.upper(), -1 if message.key is None else message.key),
            '    .min_version = %d, .max_version = %d, .flexible_from = %s' %
            (message.versions[0], message.versions[1] - 1, flexible),
            '};']


def is_removed(message):
    return message.versions == (0, 0)


def api_name(request):
    return request.name[:-len('Request')]


def enum_text(messages):
    requests = [m for m in messages if m.kind == 'request']
    rows = ['/* API keys, the removed ones included. */', 'enum api_key {']
    rows += ['    API_%s = %d,' % (snake(api_name(m)).upper(), m.key) for m in requests]
    rows += ['    API_KEY_COUNT = %d /* one above the largest */' % (max(m.key for m in requests) + 1), '};']
    for kind in RECORD_KINDS:
        rows += ['', '/* Record types: the keys of MESSAGE_%s. */' % kind.upper(), 'enum %s_type {' % kind]
        rows += ['    %s = %d,' % (m.c_name.upper(), m.key) for m in messages if m.kind == kind]
        rows += ['};']
    return rows


def api_text(messages):
    requests = [m for m in messages if m.kind == 'request']
    responses = {m.key: m for m in messages if m.kind == 'response'}
    rows = ['const struct api apis[API_KEY_COUNT] = {']
    for m in requests:
        low, end = m.advertised or (m.versions[0], m.versions[1] - m.unstable)
        parts = ['.name = "%s"' % api_name(m), '.key = %d' % m.key]
        if is_removed(m):
            parts.append('.min_version = 0, .max_version = -1')
        else:
            parts.append('.request = &%s_schema, .response = &%s_schema' % (m.c_name, responses[m.key].c_name))
            parts.append('.min_version = %d, .max_version = %d' % (low, end - 1))
            parts.append('.listeners = %s' % ' | '.join('LISTENER_' + name.upper() for name in m.listeners))
        rows.append('    [API_%s] = {%s},' % (snake(api_name(m)).upper(), ', '.join(parts)))
    return rows + ['};']


def lookup_text(messages):
    rows = ['const struct schema *const schemas_all[] = {']
    rows += ['    &%s_schema,' % m.c_name for m in messages]
    rows += ['};', 'const size_t schemas_count = sizeof schemas_all / sizeof *schemas_all;', '']
    kinds = [kind for kind in KINDS if kind not in KEYLESS]
    for kind in kinds:
        rows.append('static const struct schema *const %s_schemas[] = {' % kind)
        rows += ['    [%d] = &%s_schema,' % (m.key, m.c_name) for m in messages if m.kind == kind]
        rows.append('};')
    rows.append('static const struct { const struct schema *const *schemas; size_t count; } '
                'by_type[MESSAGE_TYPE_COUNT] = {')
    rows += ['    [MESSAGE_%s] = {%s_schemas, sizeof %s_schemas / sizeof *%s_schemas},' %
             (kind.upper(), kind, kind, kind) for kind in kinds]
    rows += ['};', '',
             'const struct schema *schema_find(enum message_type type, int16_t key) {',
             '    if (type >= MESSAGE_TYPE_COUNT || key < 0 || (size_t)key >= by_type[type].count) return NULL;',
             '    return by_type[type].schemas[key];',
             '}', '',
             'const struct api *api_find(int16_t key) {',
             '    if (key < 0 || key >= API_KEY_COUNT || apis[key].request == NULL) return NULL;',
             '    return &apis[key];',
             '}']
    return rows


HEADER_TOP = '''/* protocol/messages.h - generated from protocol/schema/ by protocol/generate.py: the struct of every message, its
 * schema, and the tables of all of them. How fields look and who owns what they point to: protocol/codec.h.
 * A comment beside a field: its versions and what else the schema says. */
#pragma once
#include "protocol/codec.h"
'''

HEADER_APIS = '''
enum { LISTENER_BROKER = 1, LISTENER_CONTROLLER = 2 };

/* One API of Kafka. */
struct api {
    const char *name;                        /* "Produce" */
    const struct schema *request, *response; /* NULL: removed in Kafka 4 */
    int16_t key;
    int16_t min_version, max_version; /* what a Kafka broker advertises; the schemas may know others */
    uint8_t listeners;                /* LISTENER_ bits: where Kafka serves it */
};
extern const struct api apis[API_KEY_COUNT]; /* by key */
/** NULL for a key that does not exist or was removed. */
const struct api *api_find(int16_t key);

extern const struct schema *const schemas_all[];
extern const size_t schemas_count;
/** The schema with that key, or NULL. Headers and MESSAGE_DATA have no key: name them. */
const struct schema *schema_find(enum message_type type, int16_t key);

/* Beside every struct: its layout, x_defaults(object), and x_array(arena, count): structs with defaults, NULL when
 * there is no memory. */
#define CODEC_STRUCT(x)                                                                                  \\
    extern const struct layout x##_layout;                                                               \\
    static inline void x##_defaults(struct x *object) { codec_layout_defaults(&x##_layout, object); }    \\
    static inline struct x *x##_array(struct arena *arena, int32_t count) {                              \\
        return codec_array(arena, &x##_layout, count);                                                   \\
    }
'''


def messages_h(messages):
    rows = [HEADER_TOP] + enum_text(messages) + [HEADER_APIS]
    for message in messages:
        if is_removed(message):
            continue
        rows += ['', '/* ---- %s %s%s, versions %s%s ---- */' % (
            message.kind, message.name, '' if message.key is None else ' (%d)' % message.key,
            range_text(message.versions),
            ', flexible from %d' % message.flexible[0] if message.flexible != (0, 0) else '')]
        for struct in in_order(message):
            rows += struct_text(message, struct) + ['CODEC_STRUCT(%s)' % struct.c_name]
        rows.append('extern const struct schema %s_schema;' % message.c_name)
    return '\n'.join(rows) + '\n'


def messages_c(messages):
    kept = [m for m in messages if not is_removed(m)]
    rows = ['/* protocol/messages.c - generated from protocol/schema/ by protocol/generate.py. */',
            '#include "protocol/messages.h"']
    for message in kept:
        rows.append('')
        for struct in in_order(message):
            rows += layout_text(message, struct)
        rows += schema_text(message)
    rows += [''] + lookup_text(kept) + [''] + api_text(messages)
    return '\n'.join(rows) + '\n'


# ---- error codes ----

def read_errors(path):
    errors = []
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            parts = line.rstrip('\n').split('\t')
            if number == 1:
                continue
            if len(parts) != 3 or parts[2] not in ('y', 'n'):
                raise SchemaError((path, number), 'an error code is: code, name, retriable (y or n)')
            errors.append((int(parts[0]), parts[1], parts[2] == 'y'))
    return errors


def errors_h(errors):
    rows = ['/* protocol/errors.h - generated from protocol/schema/errors.tsv: the error codes of Kafka\'s protocol. */',
            '#pragma once', '#include <stdbool.h>', '#include <stdint.h>', '', 'enum kafka_error {']
    rows += ['    KAFKA_%s = %d,' % (name, code) for code, name, _ in errors]
    rows += ['};', '',
             '/** "OFFSET_OUT_OF_RANGE"; NULL for a code that Kafka does not have. */',
             'const char *kafka_error_name(int16_t code);',
             '/** True when a client may send the same request again. */',
             'bool kafka_error_retriable(int16_t code);']
    return '\n'.join(rows) + '\n'


def errors_c(errors):
    first, last = errors[0][0], errors[-1][0]
    rows = ['/* protocol/errors.c - generated from protocol/schema/errors.tsv. */', '#include "protocol/errors.h"',
            '#include <stddef.h>', '',
            'static const struct { const char *name; bool retriable; } errors[] = {']
    rows += ['    [%d] = {"%s", %s},' % (code - first, name, 'true' if retriable else 'false')
             for code, name, retriable in errors]
    rows += ['};', '',
             'static bool known(int16_t code) { return code >= %d && code <= %d; }' % (first, last), '',
             'const char *kafka_error_name(int16_t code) { return known(code) ? errors[code - (%d)].name : NULL; }' %
             first,
             'bool kafka_error_retriable(int16_t code) { return known(code) && errors[code - (%d)].retriable; }' %
             first]
    return '\n'.join(rows) + '\n'


def main(schema_dir, out_dir):
    paths = sorted(os.path.join(schema_dir, name) for name in os.listdir(schema_dir) if name.endswith('.schema'))
    messages = [message for path in paths for message in parse_file(path)]
    messages.sort(key=lambda m: (KINDS.index(m.kind), -1 if m.key is None else m.key, m.name))
    for message in messages:
        check_message(message)
        name_structs(message)
    check_names(messages)
    errors_path = os.path.join(schema_dir, 'errors.tsv')
    errors = sorted(read_errors(errors_path))
    outputs = {'messages.h': messages_h(messages), 'messages.c': messages_c(messages),
               'errors.h': errors_h(errors), 'errors.c': errors_c(errors)}
    for name, text in outputs.items():
        with open(os.path.join(out_dir, name), 'w', encoding='utf-8') as out:
            out.write(text)
    with open(os.path.join(out_dir, 'messages.d'), 'w', encoding='utf-8') as out:
        names = ' '.join(os.path.join(out_dir, name) for name in outputs)
        out.write('%s: %s\n' % (names, ' '.join([schema_dir, errors_path] + paths)))


if __name__ == '__main__':
    try:
        main(*sys.argv[1:3])
    except SchemaError as error:
        sys.exit(str(error))
