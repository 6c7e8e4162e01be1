"""tests/hostile/storms.py - crowds, bombs and poison; called by storms.test.

    storms.py HOST:PORT TOPIC BROKER_PID LOG      the broker's log file; max.connections.per.ip=400

Beside each of them a bystander goes on asking.
"""
import contextlib
import os
import socket
import struct
import sys
import time
import zlib

import bystander
from bystander import beside, case
from pressure import ADDRESS, MIB, PID, TOPIC, descriptors, status_kib
from wire import (API_VERSIONS, CLOSED, FETCH, METADATA, SILENT, Connection, array, batch,
                  end_offset, frame, header, i8, i16, i32, i64, produce, produce_error, record,
                  string, varint)

LOG = sys.argv[4]
CONNECTIONS_PER_ADDRESS = 400
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
DESCRIBE_CONFIGS, ALTER_CONFIGS = 32, 33
BROKERS_DESCRIBED = 400
PARTITIONS_FETCHED = 200000
GROUPS_NAMED, DESCRIBE_GROUPS, DELETE_GROUPS = 50000, 15, 42
KEYS_NAMED = 1000000
RESOURCES_ALTERED = 20000


def log_lines(since=0):
    with open(LOG, "rb") as log:
        log.seek(since)
        return log.read()


@contextlib.contextmanager
def storm(name, grown_mib, log_lines_max=20):
    """What happens inside is bounded in memory and in words, moves no offset, and is not felt."""
    before, offset, said = status_kib("VmRSS"), end_offset(ADDRESS, TOPIC), os.path.getsize(LOG)
    with beside(ADDRESS, TOPIC, name):
        yield
        grown = status_kib("VmRSS") - before
    print(f"# {name}: {grown} KiB more")
    case(f"{name}: memory stays", grown < grown_mib * 1024, f"{grown} KiB more")
    case(f"{name}: no offset moves", end_offset(ADDRESS, TOPIC) == offset)
    lines = log_lines(said).count(b"\n")
    case(f"{name}: little is said of it", lines <= log_lines_max, f"{lines} lines")


# ---- bombs ----

def head(value_bytes):
    """A record up to its value, which is all there is in it."""
    body = i8(0) + varint(0) + varint(0) + varint(-1) + varint(value_bytes)
    return varint(len(body) + value_bytes + 1) + body


def gzip_bomb(value_bytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    out = packer.compress(head(value_bytes))
    for _ in range(value_bytes // MIB):
        out += packer.compress(bytes(MIB))
    return out + packer.compress(b"\0") + packer.flush()


def zstd_bomb(value_bytes, window=0x58):
    """Blocks of one repeated octet: 4 octets for 128 KiB."""
    def block(kind, size, content, last=0):
        return struct.pack("<I", last | kind << 1 | size << 3)[:3] + content
    raw, repeated = 0, 1
    start = head(value_bytes)
    out = bytes.fromhex("28b52ffd") + bytes([0, window]) + block(raw, len(start), start)
    out += block(repeated, 131072, b"\0") * (value_bytes // 131072)
    return out + block(raw, 1, b"\0", 1)


def xxh32(raw):
    """Of fewer than four octets."""
    mask, p1, p2, p3, p5 = 0xffffffff, 2654435761, 2246822519, 3266489917, 374761393
    h = (p5 + len(raw)) & mask
    for octet in raw:
        h = (h + octet * p5) & mask
        h = ((h << 11 | h >> 21) & mask) * p1 & mask
    h = (h ^ h >> 15) * p2 & mask
    h = (h ^ h >> 13) * p3 & mask
    return h ^ h >> 16


def lz4_bomb(value_bytes):
    """Blocks of 4 MB, each a run of zeros: 255 to one."""
    def run(literals, zeros):
        rest = zeros - 4 - 15  # the match; the last five octets of a block are literals
        return (bytes([len(literals) << 4 | 15]) + literals + b"\1\0" +
                b"\xff" * (rest // 255) + bytes([rest % 255]) + b"\x50" + bytes(5))
    out = bytes.fromhex("04224d18") + b"\x60\x70" + bytes([xxh32(b"\x60\x70") >> 8 & 255])
    done, start = 0, head(value_bytes)
    while done < value_bytes:
        size = min(4 * MIB - 64, value_bytes - done)
        block = run(start + b"\0", size - 6)
        out += struct.pack("<I", len(block)) + block
        done, start = done + size, b""
    return out + bytes(4)


def snappy_lie():
    """A block that says it holds 2^31 - 1 octets."""
    return b"\xff\xff\xff\xff\x07" + b"\0" + bytes(20)


def bombs():
    large = 100 * MIB  # more than may come of a batch of 1 MiB
    sent = {
        "gzip, 1000 to one": (GZIP, gzip_bomb(large)),
        "gzip, two members": (GZIP, gzip_bomb(40 * MIB) + gzip_bomb(60 * MIB)),
        "lz4, 255 to one": (LZ4, lz4_bomb(large)),
        "zstd, 32000 to one": (ZSTD, zstd_bomb(large)),
        "zstd, many frames": (ZSTD, zstd_bomb(MIB) * 100),
        "zstd, a window of 2 TiB": (ZSTD, zstd_bomb(MIB, window=0xf8)),
        "snappy, a length that is a lie": (SNAPPY, snappy_lie()),
    }
    with storm("decompression bombs", 192, 5):
        for name, (codec, raw) in sent.items():
            one = batch([raw], attributes=codec, count=1, last_delta=0)
            held = [Connection(ADDRESS) for _ in range(4)]
            for c in held:
                c.send(frame(produce(TOPIC, one)))
            errors = {produce_error(c.read(20), TOPIC)[0] for c in held}
            case(f"{name}: refused", 0 not in errors and not errors & {CLOSED, SILENT}, errors)
            for c in held:
                c.socket.close()


# ---- crowds ----

def connect(count):
    opened = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            opened.append(Connection(ADDRESS))
    return opened


def crowd_from_one_address():
    with storm("more connections from one address than it may have", 64):
        opened = connect(CONNECTIONS_PER_ADDRESS + 200)
        time.sleep(0.3)
        asked = [c.ask(header(API_VERSIONS, 0)) for c in opened[-50:]]
        case("the last ones are closed at once", all(a == CLOSED for a in asked), asked[:2])
        case("the first ones are served", isinstance(opened[0].ask(header(API_VERSIONS, 0)), bytes))
        for c in opened:
            c.socket.close()
    until = time.monotonic() + 5
    good = None
    while not isinstance(good, bytes) and time.monotonic() < until:
        with contextlib.suppress(OSError), Connection(ADDRESS) as c:
            good = c.ask(header(API_VERSIONS, 0))
    case("when they have gone, new ones are taken", isinstance(good, bytes), good)


def connects_by_the_second():
    before, rate, began = descriptors(), 0, time.monotonic()
    with storm("connects as fast as one client can", 64):
        while time.monotonic() < began + 2:
            for c in connect(50):
                c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                c.socket.close()
            rate += 50
    print(f"# {rate / 2:.0f} connects a second")
    until = time.monotonic() + 5
    while descriptors() > before + 4 and time.monotonic() < until:
        time.sleep(0.05)
    case("every descriptor is given back", descriptors() <= before + 4, (before, descriptors()))


# ---- sessions and names ----

def session(epoch, number=0, key=FETCH):
    return (header(key, 7) + i32(-1) + i32(0) + i32(1) + i32(MIB) + b"\0" + i32(number) +
            i32(epoch) + (array() if number else
                          array(string(TOPIC) + array(i32(0) + i64(0) + i64(-1) + i32(1)))) +
            array())


def session_of(answer):
    return struct.unpack(">hi", answer[8:14]) if isinstance(answer, bytes) else (answer, 0)


def fetch_sessions():
    with Connection(ADDRESS) as victim, storm("3000 fetch sessions", 64):
        _, mine = session_of(victim.ask(session(0)))
        case("a session begins", mine != 0)
        with Connection(ADDRESS) as c:
            made = sum(session_of(c.ask(session(0)))[1] != 0 for _ in range(3000))
        # Slots are shared out to the shards, 1,000 in all; nobody's young session makes room.
        case("no more begin than there are slots", 0 < made < 1000, made)
        error, _ = session_of(victim.ask(session(1, mine)))
        case("the first one goes on", error == 0, error)
        victim.ask(session(-1, mine))


def names():
    """What is said by a client stays within one line, and counts of clients within bounds."""
    said = os.path.getsize(LOG)
    poison = "a\r\n2026-01-01 INFO all is well\x1b[31m\x00" + "é" * 4000
    with storm("20,000 client ids", 48):
        with Connection(ADDRESS) as c:
            for i in range(0, 20000, 500):
                c.send(b"".join(frame(header(API_VERSIONS, 0, 7, f"client-{i + k}"))
                                for k in range(500)))
                answers = [c.read() for _ in range(500)]
                if not all(isinstance(a, bytes) for a in answers):
                    case("each is answered", False, answers[-1])
        no_utf8 = i16(METADATA) + i16(1) + i32(7) + i16(3) + b"\xff\xfe\xfd" + i32(1) + i16(9)
        for bad in (header(999, 0, 7, poison), no_utf8, header(METADATA, 1, 7, poison) + i32(9)):
            with Connection(ADDRESS) as c:
                c.ask(bad)
    words = log_lines(said)
    case("no line is made up by a client", b"\n2026-01-01 INFO all" not in words, words[-300:])
    case("no control character comes into the log",
         not any(octet < 32 and octet != 10 for octet in words), words[-300:])
    longest = max(map(len, words.split(b"\n")))
    case("no line is long", longest < 2000, longest)


def tags():
    """Flexible requests whose tagged fields are odd: an answer or the end, never silence."""
    start = i16(METADATA) + i16(9) + i32(7) + i16(1) + b"x"
    body = b"\1\0\0\0"  # no topic, three flags
    for name, raw in (("a tag twice", start + b"\2\5\1a\5\1b" + body + b"\0"),
                      ("tags in descending order", start + b"\2\6\1a\5\1b" + body + b"\0"),
                      ("a tag of 2^31", start + b"\1\x80\x80\x80\x80\x08\1a" + body + b"\0"),
                      ("a tag longer than the request", start + b"\1\5\x7fa" + body + b"\0")):
        with Connection(ADDRESS) as c:
            got = c.ask(raw)
        case(f"{name}: answered or closed", got != SILENT, got)
    with Connection(ADDRESS) as c:
        case("and others are served", isinstance(c.ask(header(API_VERSIONS, 0)), bytes))


# ---- time ----

def timestamps():
    year_ms = 365 * 86400000
    now = int(time.time() * 1000)
    with storm("absurd timestamps", 32), Connection(ADDRESS) as c:
        for name, at in (("2^63 - 1", 2**63 - 1), ("nanoseconds", now * 1000000),
                         ("a year ahead", now + year_ms)):
            error, _ = produce_error(c.ask(produce(TOPIC, batch(timestamps=(at, at)))), TOPIC)
            case(f"a timestamp of {name}: error 32", error == 32, error)


def much_to_describe():
    """Eight octets ask for all that is known of a broker."""
    body = i32(BROKERS_DESCRIBED) + (b"\4" + string("1") + i32(-1)) * BROKERS_DESCRIBED + b"\1"
    with storm("a broker described again and again", 192):
        asked = [Connection(ADDRESS) for _ in range(4)]  # on every shard
        for c in asked:
            c.send(frame(header(DESCRIBE_CONFIGS, 1) + body))
        answers = [c.read(60) for c in asked]
        case("each is answered, or closed for its size", SILENT not in answers)


def keys_to_look_for():
    """A request may name the keys that it wants: many, and none that there is."""
    body = i32(1) + b"\4" + string("1") + i32(KEYS_NAMED) + string("a") * KEYS_NAMED + b"\0"
    with storm("keys that are not there", 192), Connection(ADDRESS) as c:
        answer = c.ask(header(DESCRIBE_CONFIGS, 1) + body)
        case("they are looked for", isinstance(answer, bytes), answer)


def much_to_alter():
    """Topics that are not there, each with a setting to be checked."""
    setting = i32(1) + string("retention.ms") + string("5")
    body = i32(RESOURCES_ALTERED) + b"".join(b"\2" + string(f"{i:x}") + setting
                                             for i in range(RESOURCES_ALTERED)) + b"\1"
    with storm("settings of topics that are not there", 192), Connection(ADDRESS) as c:
        answer = c.ask(header(ALTER_CONFIGS, 1) + body)
        case("each is answered", isinstance(answer, bytes), answer)


def much_to_fetch():
    """Four megabytes name a partition again and again, to be read each time."""
    row = i32(0) + i64(0) + i32(MIB)
    topic = string(TOPIC) + i32(PARTITIONS_FETCHED) + row * PARTITIONS_FETCHED
    body = i32(-1) + i32(0) + i32(1) + i32(MIB) + b"\0" + i32(1) + topic
    with storm("a partition fetched again and again", 192):
        asked = [Connection(ADDRESS) for _ in range(4)]
        for c in asked:
            c.send(frame(header(FETCH, 4) + body))
        answers = [c.read(60) for c in asked]
        case("each is answered, or closed for its size", SILENT not in answers)


def much_to_ask_coordinators():
    """A call to a coordinator for each of many names."""
    names = array(*[string(f"g{i}") for i in range(GROUPS_NAMED)])
    with storm("groups that are not there", 192), Connection(ADDRESS) as c:
        for key in (DESCRIBE_GROUPS, DELETE_GROUPS):
            c.send(frame(header(key, 0) + names))
            answer = c.read(60)
            case(f"each is answered by API {key}", isinstance(answer, bytes), answer)


def forged_replicas():
    """A client that says it is a replica learns nothing that counts, and moves no watermark."""
    with storm("forged replicas", 32), Connection(ADDRESS) as c:
        for replica in (0, 1, 2, 7, 2**31 - 1, -3):
            got = c.ask(header(FETCH, 4) + i32(replica) + i32(0) + i32(1) + i32(MIB) + b"\0" +
                        array(string(TOPIC) + array(i32(0) + i64(2**40) + i32(MIB))))
            case(f"replica {replica} is answered", isinstance(got, bytes), got)


def main():
    with Connection(ADDRESS) as c:
        error, _ = produce_error(c.ask(produce(TOPIC, batch(), acks=-1)), TOPIC)
        case("the topic has a record", error == 0, error)
    timestamps()
    much_to_describe()
    keys_to_look_for()
    much_to_alter()
    much_to_fetch()
    much_to_ask_coordinators()
    forged_replicas()
    tags()
    names()
    fetch_sessions()
    bombs()
    crowd_from_one_address()
    connects_by_the_second()
    with Connection(ADDRESS) as c:
        error, offset = produce_error(c.ask(produce(TOPIC, batch([record()]))), TOPIC)
        case("then a batch is taken as ever", (error, offset) == (0, 1), (error, offset))


if __name__ == "__main__":
    main()
    sys.exit(bystander.failed > 0)
