"""tests/lib/client.py - a Kafka client for tests: any request in any version, as Python values.

    with Client("127.0.0.1:9092") as c:
        answer = c.ask("Metadata", 12, Topics=[{"Name": "t"}])
        answer["Topics"][0]["ErrorCode"]

Structs are dicts with Kafka's field names; what is left out has its default. The schemas are those
of protocol/schema, read as text; the octets are made here: no code is shared with what is tested.
"""
import os
import re
import socket
import struct
import sys
import time
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "protocol"))
sys.path.insert(0, os.path.join(TOP, "tests", "hostile"))
from schemas import covers, read_schemas  # noqa: E402
from wire import batch, record  # noqa: E402,F401

NUMBERS = {"int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I",
           "int64": ">q", "float64": ">d", "bool": ">?"}
CLOSED = "closed"
# UNKNOWN_TOPIC_OR_PARTITION, two of leaders, three of coordinators, CONCURRENT_TRANSACTIONS
STARTING = {"3", "5", "6", "14", "15", "16", "51"}
NO_UUID = "00000000-0000-0000-0000-000000000000"


def load():
    kinds = {}
    for message in read_schemas(os.path.join(TOP, "protocol", "schema")):
        if message.kind in ("request", "response"):
            kinds[message.kind, message.name] = message
    return kinds


MESSAGES = load()


# ---- writing ----

class Copies:
    """In place of an array: so many copies of an item as fill these octets. NUMBERED in one of its
    strings, or as one of its int32, becomes the number of the copy."""

    NUMBERED, NUMBERED_INT32 = "#######", 0x23232323

    def __init__(self, item, octets):
        self.item, self.octets = item, octets

    def write(self, field, version, flexible):
        raw = write_one(field, self.item, version, flexible)
        count = self.octets // len(raw)
        if b"#######" in raw:
            return count, b"".join(raw.replace(b"#######", b"%07d" % i) for i in range(count))
        if b"####" in raw:
            return count, b"".join(raw.replace(b"####", struct.pack(">i", i)) for i in range(count))
        return count, raw * count


def unsigned(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def write_length(count, flexible, form):
    if flexible:
        return unsigned(0 if count is None else count + 1)
    return struct.pack(form, -1 if count is None else count)


def default_of(field, version):
    if field.default == "null":
        return None
    if field.array:
        return []
    if field.struct is not None:
        return {}
    if field.type == "string":
        return ""
    if field.type in ("bytes", "records"):
        return b""
    if field.type == "uuid":
        return NO_UUID
    if field.type == "bool":
        return field.default == "true"
    bits = 8 * struct.calcsize(NUMBERS[field.type])
    limits = {"min": -(1 << bits - 1), "max": (1 << bits - 1) - 1}
    return limits[field.default] if field.default in limits else int(field.default or 0)


def write_one(field, value, version, flexible):
    if field.struct is not None:
        return write_struct(field.struct, value, version, flexible)
    if field.type in NUMBERS:
        return struct.pack(NUMBERS[field.type], value)
    if field.type == "uuid":
        return uuid.UUID(value).bytes
    raw = value.encode() if isinstance(value, str) else value
    form = ">h" if field.type == "string" else ">i"
    return write_length(None if raw is None else len(raw), flexible, form) + (raw or b"")


def write_field(field, value, version, flexible):
    if isinstance(value, Copies):
        count, items = value.write(field, version, flexible)
        return write_length(count, flexible, ">i") + items
    if field.array:
        items = b"".join(write_one(field, item, version, flexible) for item in value or [])
        return write_length(None if value is None else len(value), flexible, ">i") + items
    if field.struct is not None and covers(field.nullable, version):
        if value is None:
            return b"\xff"
        return b"\x01" + write_struct(field.struct, value, version, flexible)
    return write_one(field, value, version, flexible)


def write_struct(schema, values, version, flexible):
    unknown = set(values) - {field.name for field in schema.fields}
    assert not unknown, f"{schema.name} has no {unknown}"
    out, tagged = b"", []
    for field in schema.fields:
        if not covers(field.versions, version):
            continue
        value = values.get(field.name, default_of(field, version))
        if covers(field.tagged, version):
            if field.name in values:
                tagged.append((field.tag, write_field(field, value, version, flexible)))
        else:
            out += write_field(field, value, version, flexible)
    if flexible:
        out += unsigned(len(tagged))
        for tag, raw in sorted(tagged):
            out += unsigned(tag) + unsigned(len(raw)) + raw
    return out


# ---- reading ----

class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, count):
        assert self.at + count <= len(self.raw), "the response ends too soon"
        self.at += count
        return self.raw[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def unsigned(self):
        value = shift = 0
        while True:
            octet = self.take(1)[0]
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
            shift += 7

    def length(self, flexible, form):
        return self.unsigned() - 1 if flexible else self.number(form)


def read_one(r, field, version, flexible):
    if field.struct is not None:
        return read_struct(r, field.struct, version, flexible)
    if field.type in NUMBERS:
        return r.number(NUMBERS[field.type])
    if field.type == "uuid":
        return str(uuid.UUID(bytes=r.take(16)))
    count = r.length(flexible, ">h" if field.type == "string" else ">i")
    raw = None if count < 0 else r.take(count)
    return raw.decode() if raw is not None and field.type == "string" else raw


def read_field(r, field, version, flexible):
    if field.array:
        count = r.length(flexible, ">i")
        if count < 0:
            return None
        return [read_one(r, field, version, flexible) for _ in range(count)]
    if field.struct is not None and covers(field.nullable, version):
        return None if r.number(">b") < 0 else read_struct(r, field.struct, version, flexible)
    return read_one(r, field, version, flexible)


def read_struct(r, schema, version, flexible):
    values = {}
    for field in schema.fields:
        if covers(field.versions, version) and not covers(field.tagged, version):
            values[field.name] = read_field(r, field, version, flexible)
    for _ in range(r.unsigned() if flexible else 0):
        tag, count = r.unsigned(), r.unsigned()
        inner = Reader(r.take(count))
        field = next(f for f in schema.fields if f.tag == tag and covers(f.tagged, version))
        values[field.name] = read_field(inner, field, version, flexible)
        assert inner.at == count, f"{field.name} leaves octets of its tag"
    return values


# ---- talking ----

def encode(name, version, values):
    """The body of a request."""
    schema = MESSAGES["request", name + "Request"]
    return write_struct(schema, values, version, schema.is_flexible(version))


def framed(name, version, correlation, values):
    """A whole request, as it is sent."""
    schema = MESSAGES["request", name + "Request"]
    payload = struct.pack(">hhih", schema.key, version, correlation, 4) + b"test"
    payload += b"\0" if schema.is_flexible(version) else b""
    payload += encode(name, version, values)
    return struct.pack(">i", len(payload)) + payload


class Client:
    def __init__(self, address, timeout=20):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, name, version, **values):
        self.correlation += 1
        self.socket.sendall(framed(name, version, self.correlation, values))

    def receive(self, name, version):
        """The answer as a dict, or CLOSED."""
        raw = self.exactly(4)
        raw = raw and self.exactly(struct.unpack(">i", raw)[0])
        if raw is None:
            return CLOSED
        r = Reader(raw)
        assert r.number(">i") == self.correlation, "the answer to another request"
        schema = MESSAGES["response", name + "Response"]
        if schema.is_flexible(version) and name != "ApiVersions":
            assert r.unsigned() == 0
        values = read_struct(r, schema, version, schema.is_flexible(version))
        assert r.at == len(raw), f"{len(raw) - r.at} octets behind the answer"
        return values

    def exactly(self, count):
        got = b""
        while len(got) < count:
            try:
                more = self.socket.recv(count - len(got))
            except ConnectionError:
                return None
            if not more:
                return None
            got += more
        return got

    def ask(self, name, version, **values):
        try:
            self.send(name, version, **values)
        except ConnectionError:
            return CLOSED
        return self.receive(name, version)

    def ask_again(self, name, version, **values):
        """Until the answer holds none of the errors that a broker gives while it starts."""
        for _ in range(300):
            answer = self.ask(name, version, **values)
            if not STARTING & set(re.findall(r"ErrorCode': (\d+)", str(answer))):
                return answer
            time.sleep(0.1)
        raise SystemExit(f"{name}: {answer}")
