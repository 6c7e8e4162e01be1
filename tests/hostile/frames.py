"""tests/hostile/frames.py - sends what no client should; called by frames.test.

    frames.py HOST:PORT TOPIC BROKER_PID      (pid 0: not ours, memory is not looked at)

The expectations were read off Apache Kafka 4.3.1 by running this against it.
"""
import os
import random
import sys

import bystander
from bystander import beside, case
from wire import (API_VERSIONS, CLOSED, FETCH, LIST_OFFSETS, METADATA, PRODUCE, SILENT, Connection,
                  array, batch, end_offset, frame, header, i16, i32, i64, octets, produce,
                  produce_error, record, string, varint)

ADDRESS, TOPIC, PID = sys.argv[1], sys.argv[2], int(sys.argv[3])
RANDOM = random.Random(int(os.environ.get("KLAMM_SEED_BASE", "1")))
MANY = 2**31 - 1
METADATA_BODY = array(string(TOPIC))
# name, everything that is sent: the connection is closed without an answer
CLOSED_FRAMES = [
    ("a negative frame length", i32(-1)),
    ("the smallest frame length", i32(-2**31)),
    ("a frame one octet above socket.request.max.bytes", i32(1048577)),
    ("the largest frame length", i32(MANY)),
    ("an empty frame", i32(0)),
    ("a frame that ends inside the header", frame(b"\0\x12\0")),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n"),
    ("TLS", bytes.fromhex("1603010200010001fc0303") + bytes(60)),
    ("an unknown key", frame(header(999, 0))),
    ("a negative key", frame(header(-1, 0))),
    ("a key that was removed", frame(header(4, 0))),
    ("a key of the controller listener", frame(header(52, 0))),
    ("Metadata v99", frame(header(METADATA, 99) + METADATA_BODY)),
    ("Metadata v-1", frame(header(METADATA, -1) + METADATA_BODY)),
    ("Fetch v3", frame(header(FETCH, 3))),
    ("Produce v2", frame(produce(TOPIC, batch(), version=2))),
    ("a client id longer than the frame", frame(i16(METADATA) + i16(1) + i32(7) + i16(30000))),
    ("2^31-1 topics", frame(header(METADATA, 1) + i32(MANY))),
    ("a million topics in four octets", frame(header(METADATA, 1) + i32(1000000) + bytes(4))),
    ("a topic name longer than the frame", frame(header(METADATA, 1) + i32(1) + i16(30000))),
    ("a null topic name", frame(header(METADATA, 1) + i32(1) + i16(-1))),
    ("a count in a compact array of 2^32-2",
     frame(header(METADATA, 9) + b"\0" + b"\xff\xff\xff\xff\x0f")),
    ("a count that never ends", frame(header(METADATA, 9) + b"\0" + b"\xff" * 20)),
    ("2^32-1 tagged fields", frame(header(METADATA, 9) + b"\xff\xff\xff\xff\x0f")),
    ("a tagged field longer than the frame", frame(header(METADATA, 9) + b"\1\x64\xff\x7f")),
    ("records longer than the frame",
     frame(header(PRODUCE, 8) + i16(-1) + i16(1) + i32(5000) +
           array(string(TOPIC) + array(i32(0) + i32(MANY))))),
]
CORRUPT, INVALID_RECORD = (2,), (87,)
# Where Kafka fails by accident (-1, "unknown server error") a better error is as good.
ANY_REFUSAL = (-1, 2, 76, 87)
# name, records of a Produce, error codes
BAD_BATCHES = [
    ("a wrong checksum", batch(crc_off=1), CORRUPT),
    ("an empty batch of octets", b"", INVALID_RECORD),
    ("fewer octets than a header", batch()[:40], INVALID_RECORD),
    ("a batch that is cut", batch(cut=3), INVALID_RECORD),
    ("a batch length that is too small", batch(length_off=-1), CORRUPT),
    ("a batch length of 2^31-1", batch()[:8] + i32(MANY) + batch()[12:], ANY_REFUSAL),
    ("a negative batch length", batch()[:8] + i32(-1) + batch()[12:], CORRUPT),
    ("magic 1", batch(magic=1), INVALID_RECORD),
    ("magic 3", batch(magic=3), CORRUPT),
    ("a codec that does not exist", batch(attributes=7), ANY_REFUSAL),
    ("gzip that is none", batch(attributes=1), ANY_REFUSAL),
    ("zstd that is none", batch(attributes=4), ANY_REFUSAL),
    ("a record count of 2^31-1", batch(count=MANY), INVALID_RECORD),
    ("a record count of -1", batch(count=-1), INVALID_RECORD),
    ("one record more than there are", batch(count=2, last_delta=1), INVALID_RECORD),
    ("a last offset that does not fit", batch(last_delta=5), INVALID_RECORD),
    ("a record longer than the batch", batch([record(length_off=50)]), INVALID_RECORD),
    ("a record length of 2^31-1", batch([varint(MANY) + record()]), INVALID_RECORD),
    ("a control batch from a client", batch(attributes=0x20), INVALID_RECORD),
    ("two batches", batch() + batch(), INVALID_RECORD),
]


def broken_frames():
    """Each broken frame on its own connection, while another connection goes on asking."""
    with Connection(ADDRESS) as another:
        for name, raw in CLOSED_FRAMES:
            with Connection(ADDRESS) as c:
                c.send(raw)
                got = c.read(3)
            case(f"{name}: closed", got == CLOSED, got)
            served = another.ask(header(API_VERSIONS, 0))
            if not isinstance(served, bytes):
                case(f"after {name} others are served", False, served)


def bad_batches():
    with Connection(ADDRESS) as c:
        for name, records, want in BAD_BATCHES:
            before = end_offset(ADDRESS, TOPIC)
            got = produce_error(c.ask(produce(TOPIC, records)), TOPIC)
            case(f"{name}: error {' or '.join(map(str, want))}", got[0] in want, got)
            case(f"{name}: no offset moves", end_offset(ADDRESS, TOPIC) == before)
            if not isinstance(got[0], int):
                return
        error, offset = produce_error(c.ask(produce(TOPIC, batch())), TOPIC)
        case("then a good batch is taken on the same connection", error == 0 and offset >= 0, error)
        unknown = produce_error(c.ask(produce(TOPIC, batch(), partition=5)), TOPIC)
        case("an unknown partition: error 3", unknown[0] == 3, unknown)
        acks = produce_error(c.ask(produce(TOPIC, batch(), acks=5)), TOPIC)
        case("acks=5: error 21", acks[0] == 21, acks)


def unusual_but_good():
    with Connection(ADDRESS) as c:
        answer = c.ask(header(API_VERSIONS, 9) + b"\0")
        case("ApiVersions v9 is answered in v0 with error 35",
             answer[4:] == i16(35) + array(i16(18) + i16(0) + i16(4)), answer)
        case("and the connection goes on", isinstance(c.ask(header(API_VERSIONS, 0)), bytes))
    with Connection(ADDRESS) as c:
        answer = c.ask(i16(METADATA) + i16(1) + i32(7) + i16(-2) + METADATA_BODY)
        case("a client id of length -2 is null", isinstance(answer, bytes), answer)
    with Connection(ADDRESS) as c:
        for octet in frame(header(METADATA, 1) + METADATA_BODY):
            c.send(bytes([octet]))
        case("a request octet by octet is answered", isinstance(c.read(), bytes))
    with Connection(ADDRESS) as c:
        c.send(b"".join(frame(header(API_VERSIONS, 0, i)) for i in range(100)))
        order = [c.read()[:4] for _ in range(100)]
        case("a hundred requests in one write are answered in order",
             order == [i32(i) for i in range(100)], order[:3])


def many_slow_ones():
    """Frames that promise a megabyte and never send it must not cost one."""
    before = resident_kib()
    slow = [Connection(ADDRESS) for _ in range(100)]
    for c in slow:
        c.send(i32(1048576) + header(PRODUCE, 8))
    with Connection(ADDRESS) as c:
        case("a hundred unfinished frames do not stop others",
             isinstance(c.ask(header(API_VERSIONS, 0)), bytes))
    grown = resident_kib() - before
    case("nor take the memory they promise", grown < 64 * 1024, f"{grown} KiB more")
    case("and stay open", slow[0].read(0.2) == SILENT)
    for c in slow:
        c.socket.close()


def resident_kib():
    if PID == 0:
        return 0
    with open(f"/proc/{PID}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def damaged_requests():
    """Every prefix and many mutations of good requests: an answer or a closed connection."""
    good = [
        header(METADATA, 1) + METADATA_BODY,
        header(LIST_OFFSETS, 1) + i32(-1) + array(string(TOPIC) + array(i32(0) + i64(-1))),
        header(FETCH, 4) + i32(-1) + i32(0) + i32(1) + i32(1000) + b"\0" +
        array(string(TOPIC) + array(i32(0) + i64(0) + i32(1000))),
        header(PRODUCE, 8) + i16(-1) + i16(1) + i32(100) +
        array(string("nowhere") + array(i32(0) + octets(batch()))),
    ]
    damaged = [request[:size] for request in good for size in range(len(request))]
    for _ in range(300):
        request = bytearray(RANDOM.choice(good))
        for _ in range(RANDOM.randint(1, 4)):
            at = RANDOM.randrange(8, len(request))
            request[at] = RANDOM.choice((0, 1, 0x7f, 0x80, 0xff, RANDOM.randrange(256)))
        damaged.append(bytes(request))
    silent = []
    for request in damaged:
        with Connection(ADDRESS) as c:
            c.send(frame(request))
            if c.read(2) == SILENT:
                silent.append(request.hex())
    # A mutated Fetch may ask to wait and a mutated Produce for no answer: both are theirs to ask.
    case(f"{len(damaged)} damaged requests are answered or closed", len(silent) < 20, silent[:1])
    case("and the broker serves on", end_offset(ADDRESS, TOPIC) >= 0)


def main():
    with beside(ADDRESS, TOPIC, "unusual requests"):
        unusual_but_good()
    with beside(ADDRESS, TOPIC, "broken frames"):
        broken_frames()
    with beside(ADDRESS, TOPIC, "bad batches"):
        bad_batches()
    with beside(ADDRESS, TOPIC, "frames that never end"):
        many_slow_ones()
    with beside(ADDRESS, TOPIC, "damaged requests"):
        damaged_requests()
    return bystander.failed > 0


if __name__ == "__main__":
    sys.exit(main())
