"""protocol/schemas.py - reads and checks the message schemas (notation: schema/README.md).

read_schemas(directory) gives the messages, by kind and key. A mistake is a SchemaError that says
"file:line: what".
"""
import os
import re

FIXED_BYTES = {'bool': 1, 'int8': 1, 'int16': 2, 'uint16': 2, 'int32': 4, 'uint32': 4, 'int64': 8,
               'float64': 8, 'uuid': 16}
TYPES = set(FIXED_BYTES) | {'string', 'bytes', 'records'}
INT_BITS = {'int8': 8, 'int16': 16, 'int32': 32, 'int64': 64}
KINDS = ['request', 'response', 'header', 'metadata', 'group_key', 'group_value',
         'transaction_key', 'transaction_value', 'share_key', 'share_value', 'remote_log', 'data']
KEYLESS = ('header', 'data')
LISTENERS = ('broker', 'controller')
ENTITIES = ('topic', 'broker', 'group', 'producer', 'transaction')
FOREVER = 127  # the end of "3+"
NEVER = (0, 0)
DEPTH_MAX = 8  # CODEC_DEPTH_MAX
FIELDS_MAX = 255


class SchemaError(Exception):
    def __init__(self, where, what):
        super().__init__('%s:%d: %s' % (where[0], where[1], what))


class Struct:
    def __init__(self, name, versions, where):
        self.name, self.versions, self.where = name, versions, where
        self.fields = []


class Field:
    """One line of a struct. Ranges of versions are (first, end), end exclusive."""

    def __init__(self, name, type_name, versions, where):
        self.name, self.where, self.versions = name, where, versions
        self.array = type_name.startswith('[]')
        self.type = type_name[2:] if self.array else type_name
        self.struct = None  # of a field whose type is a struct
        self.tag, self.tagged, self.nullable = 0, NEVER, NEVER
        self.default = None  # as written; None: the type's own
        self.ignorable = self.key = self.never_compact = False
        self.entity = None

    def is_pointer(self):
        return self.struct is not None and not self.array and self.nullable != NEVER


class Message(Struct):
    """The outermost struct; `structs` are those inside it, by name."""

    def __init__(self, kind, name, key, where):
        super().__init__(name, None, where)
        self.kind, self.key = kind, key
        self.flexible, self.advertised = NEVER, None
        self.unstable = False
        self.listeners = []
        self.structs = {}

    def all_structs(self):
        return [self] + list(self.structs.values())

    def is_flexible(self, version):
        return covers(self.flexible, version)

    def is_removed(self):
        return self.versions == NEVER


# ---- ranges of versions ----

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


def covers(versions, version):
    return versions[0] <= version < versions[1]


def within(inner, outer):
    return inner[0] >= inner[1] or (outer[0] <= inner[0] and inner[1] <= outer[1])


def overlap(a, b):
    both = (max(a[0], b[0]), min(a[1], b[1]))
    return both if both[0] < both[1] else NEVER


# ---- reading ----

def parse_message(words, where):
    """KIND NAME [KEY] versions R|none [flexible R] [advertised R] [unstable] [on LISTENER...]"""
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
    while words:
        word = words.pop(0)
        if word in ('versions', 'flexible', 'advertised') and words:
            value = words.pop(0)
            removed = word == 'versions' and value == 'none'
            setattr(message, word, NEVER if removed else parse_range(value, where))
        elif word == 'unstable':
            message.unstable = True
        elif word == 'on' and words:
            message.listeners, words = words, []
        else:
            raise SchemaError(where, 'unexpected "%s"' % word)
    if message.versions is None:
        raise SchemaError(where, '%s says no versions' % name)
    if message.flexible[1] not in (NEVER[1], FOREVER):
        raise SchemaError(where, 'flexible versions do not end')
    for listener in message.listeners:
        if listener not in LISTENERS:
            raise SchemaError(where, 'no listener "%s"' % listener)
    return message


def take_range(words, otherwise, where):
    """The range in front of the words, if there is one."""
    return parse_range(words.pop(0), where) if words and is_range(words[0]) else otherwise


def parse_field(words, where):
    """NAME TYPE R [tag N [R]] [nullable [R]] [never-compact] [= D] [ignorable] [key] [of E]"""
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
            field.tagged = take_range(words, versions, where)
        elif word == 'nullable':
            field.nullable = take_range(words, versions, where)
        elif word == '=' and words:
            field.default = words.pop(0)
        elif word == 'of' and words and words[0] in ENTITIES:
            field.entity = words.pop(0)
        elif word in ('ignorable', 'key', 'never-compact'):
            setattr(field, word.replace('-', '_'), True)
        else:
            raise SchemaError(where, 'unexpected "%s"' % word)
    return field


def add_struct(message, name, versions, where):
    if name in message.structs or name in TYPES:
        raise SchemaError(where, 'a second struct %s in %s' % (name, message.name))
    message.structs[name] = Struct(name, versions, where)
    return message.structs[name]


def parse_file(path):
    messages, message = [], None
    above = []  # what the next deeper line may belong to: a struct, or a field that begins one
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
                above = [message]
            elif depth == 0 and words[0] == 'struct' and len(words) == 3 and message is not None:
                above = [add_struct(message, words[1], parse_range(words[2], where), where)]
            elif depth == 0:
                raise SchemaError(where, 'expected a message or a struct')
            else:
                above = above[:depth]
                if depth > len(above):
                    raise SchemaError(where, 'indented below nothing')
                if isinstance(above[-1], Field):  # its first own line: its struct is declared here
                    owner = above[-1]
                    above[-1] = add_struct(message, owner.type, owner.versions, owner.where)
                field = parse_field(words, where)
                if any(other.name == field.name for other in above[-1].fields):
                    raise SchemaError(where, 'a second %s in %s' % (field.name, above[-1].name))
                above[-1].fields.append(field)
                above.append(field)
    return messages


# ---- checking ----

def default_is_possible(field):
    """What a default may be besides null: a number in range, min or max of an int, true, false."""
    if field.array:
        return False
    if field.type == 'bool':
        return field.default in ('true', 'false')
    if field.type not in INT_BITS:
        return False
    if field.default in ('min', 'max'):
        return True
    half = 1 << (INT_BITS[field.type] - 1)
    return re.fullmatch(r'-?\d+', field.default) and -half <= int(field.default) < half


def check_field(message, owner, field):
    def require(condition, what):
        if not condition:
            raise SchemaError(field.where, '%s: %s' % (field.name, what))

    if field.type not in TYPES:
        field.struct = message.structs.get(field.type)
        require(field.struct, 'no type %s' % field.type)
        carried = overlap(field.versions, message.versions)
        if owner is not message:
            carried = overlap(carried, owner.versions)
        require(within(carried, field.struct.versions),
                'in versions that %s does not have' % field.type)
    require(within(overlap(field.tagged, message.versions), message.flexible),
            'tagged in a version that is not flexible')
    if field.type == 'records':
        require(not field.array and field.tagged == NEVER, 'records stand alone and untagged')
    if field.type in FIXED_BYTES and not field.array:
        require(field.nullable == NEVER, 'a %s is never null' % field.type)
    if field.default == 'null':
        require(field.nullable != NEVER, 'null by default, but never nullable')
    elif field.default is not None:
        require(default_is_possible(field), 'no default "%s" for this type' % field.default)


def depth_of(struct, above=()):
    if struct in above:
        raise SchemaError(struct.where, '%s contains itself' % struct.name)
    inner = [depth_of(field.struct, above + (struct,)) for field in struct.fields if field.struct]
    return 1 + max(inner, default=0)


def check_message(message):
    for struct in message.all_structs():
        for field in struct.fields:
            check_field(message, struct, field)
        tags = [field.tag for field in struct.fields if field.tagged != NEVER]
        if len(set(tags)) != len(tags):
            raise SchemaError(struct.where, '%s uses a tag twice' % struct.name)
        if len(struct.fields) > FIELDS_MAX:
            raise SchemaError(struct.where, '%s has too many fields' % struct.name)
    if depth_of(message) > DEPTH_MAX:
        raise SchemaError(message.where, 'structs nest more than %d deep' % DEPTH_MAX)


def check_keys(messages):
    taken = {}
    for message in messages:
        if message.key is not None:
            first = taken.setdefault((message.kind, message.key), message)
            if first is not message:
                raise SchemaError(message.where, 'a second %s with key %d (%s)' %
                                  (message.kind, message.key, first.name))
    for kind, other in (('request', 'response'), ('response', 'request')):
        for message in messages:
            if message.kind == kind and (other, message.key) not in taken:
                raise SchemaError(message.where, '%s has no %s' % (message.name, other))


def schema_paths(directory):
    return sorted(os.path.join(directory, name) for name in os.listdir(directory)
                  if name.endswith('.schema'))


def read_schemas(directory):
    messages = [message for path in schema_paths(directory) for message in parse_file(path)]
    messages.sort(key=lambda m: (KINDS.index(m.kind), -1 if m.key is None else m.key, m.name))
    for message in messages:
        check_message(message)
    check_keys(messages)
    return messages
