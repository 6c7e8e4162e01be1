"""tests/hostile/wire.py - as much of Kafka's protocol as it takes to break it on purpose.

Requests are built by hand, byte by byte, and do not share code with what they test. Only versions
without tagged fields are used, so that each length and count can be put out of place by itself.
"""
import socket
import struct

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS = 0, 1, 2, 3, 18
CLOSED, SILENT = "closed", "silent"


def i8(v):
    return struct.pack(">b", v)


def i16(v):
    return struct.pack(">h", v)


def i32(v):
    return struct.pack(">i", v)


def i64(v):
    return struct.pack(">q", v)


def string(text):
    raw = text.encode()
    return i16(len(raw)) + raw


def array(*items):
    return i32(len(items)) + b"".join(items)


def octets(raw):
    return i32(len(raw)) + raw


def frame(payload):
    return i32(len(payload)) + payload


def header(key, version, correlation=7, client="hostile"):
    return i16(key) + i16(version) + i32(correlation) + string(client)


def crc32c(raw):
    crc = 0xffffffff
    for octet in raw:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def varint(v):
    v = (v << 1 ^ v >> 63) & 0xffffffffffffffff
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7f | 0x80])
        v >>= 7
    return out + bytes([v])


def record(offset_delta=0, value=b"value", key=b"key", length_off=0):
    body = i8(0) + varint(0) + varint(offset_delta) + varint(len(key)) + key
    body += varint(len(value)) + value + varint(0)
    return varint(len(body) + length_off) + body


def batch(records=None, *, magic=2, attributes=0, last_delta=None, count=None, length_off=0,
          crc_off=0, base_offset=0, producer=(-1, -1, -1), cut=0, timestamps=(1000, 1000)):
    """A RecordBatch v2; each keyword puts one field out of place, with the checksum right."""
    records = [record()] if records is None else records
    after_crc = i16(attributes) + i32(len(records) - 1 if last_delta is None else last_delta)
    after_crc += i64(timestamps[0]) + i64(timestamps[1])
    after_crc += i64(producer[0]) + i16(producer[1]) + i32(producer[2])
    after_crc += i32(len(records) if count is None else count) + b"".join(records)
    crc = struct.pack(">I", (crc32c(after_crc) + crc_off) & 0xffffffff)
    rest = i32(-1) + i8(magic) + crc + after_crc
    whole = i64(base_offset) + i32(len(rest) + length_off) + rest
    return whole[:len(whole) - cut] if cut else whole


def produce(topic, records, *, acks=1, partition=0, version=8):
    return (header(PRODUCE, version) + i16(-1) + i16(acks) + i32(5000) +
            array(string(topic) + array(i32(partition) + octets(records))))


class Connection:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), 5)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, raw):
        try:
            self.socket.sendall(raw)
        except OSError:
            pass  # the other end has closed; reading says so

    def read(self, seconds=5):
        """One response's payload, CLOSED, or SILENT when nothing came in time."""
        self.socket.settimeout(seconds)
        try:
            while len(self.received) < 4 or len(self.received) < self.whole():
                more = self.socket.recv(65536)
                if not more:
                    return CLOSED
                self.received += more
            size = self.whole()
            payload, self.received = self.received[4:size], self.received[size:]
            return payload
        except socket.timeout:
            return SILENT
        except OSError:
            return CLOSED

    def whole(self):
        return 4 + struct.unpack(">i", self.received[:4])[0]

    def ask(self, payload):
        self.send(frame(payload))
        return self.read()


def produce_error(response, topic):
    """(error code, base offset) of the one partition in a Produce response v3 to v8."""
    if not isinstance(response, bytes):
        return response, -1
    at = 4 + 4 + 2 + len(topic) + 4 + 4
    return struct.unpack(">hq", response[at:at + 10])


def end_offset(address, topic):
    with Connection(address) as c:
        response = c.ask(header(LIST_OFFSETS, 1) + i32(-1) +
                         array(string(topic) + array(i32(0) + i64(-1))))
    return struct.unpack(">hqq", response[4 + 4 + 2 + len(topic) + 4 + 4:][:18])[2]
