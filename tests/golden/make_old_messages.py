"""tests/golden/make_old_messages.py - logs in the message formats before record batches (magic 0 and 1),
as brokers before Kafka 0.11 left them, sound and damaged in every way we know; called by make_dump_old.

    make_old_messages.py DIRECTORY      writes DIRECTORY/NAME/00000000000000000000.log, and indexes of one

No broker of today writes these, so they are made by hand here: codecs that hold everything as
literals, checksums from their definitions. Not among them is what Kafka's tool itself stumbles over in
the middle of a line: tests/unit/tools/legacy_message.c has that.
"""
import os
import struct
import sys
import zlib

GZIP, SNAPPY, LZ4, ZSTD, APPEND_TIME = 1, 2, 3, 4, 8
NOW = 1500000000000
XERIAL = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)


def octets(raw):
    return struct.pack(">i", -1) if raw is None else struct.pack(">i", len(raw)) + raw


def message(offset, value, key=None, *, magic=1, attributes=0, timestamp=NOW, crc_off=0, size_off=0,
            body=None):
    """An entry of a message set; `body` stands in for key and value."""
    rest = struct.pack(">bb", magic, attributes)
    if magic > 0:
        rest += struct.pack(">q", timestamp)
    rest += octets(key) + octets(value) if body is None else body
    crc = (zlib.crc32(rest) + crc_off) & 0xffffffff
    return struct.pack(">qiI", offset, 4 + len(rest) + size_off, crc) + rest


def gzip(plain):
    packer = zlib.compressobj(wbits=31)
    return packer.compress(plain) + packer.flush()


def snappy_block(plain):
    size, length = len(plain), b""
    while size >= 0x80:
        length += bytes([size & 0x7f | 0x80])
        size >>= 7
    return length + bytes([size, 61 << 2]) + struct.pack("<H", len(plain) - 1) + plain


def snappy(plain):
    block = snappy_block(plain)
    return XERIAL + struct.pack(">i", len(block)) + block


def xxh32(raw):
    """Of fewer than 16 octets, with seed 0."""
    p2, p3, p4, p5 = 2246822519, 3266489917, 668265263, 374761393
    h, mask = p5 + len(raw), 0xffffffff
    while len(raw) >= 4:
        h = (h + struct.unpack("<I", raw[:4])[0] * p3) & mask
        h = ((h << 17 | h >> 15) & mask) * p4 & mask
        raw = raw[4:]
    for octet in raw:
        h = (h + octet * p5) & mask
        h = ((h << 11 | h >> 21) & mask) * 2654435761 & mask
    h = (h ^ h >> 15) * p2 & mask
    h = (h ^ h >> 13) * p3 & mask
    return h ^ h >> 16


def lz4(plain, *, as_once=False, flags=0x60, size=b""):
    """`as_once`: the header's checksum as clients before 0.10 wrote it, over the magic number too."""
    magic, descriptor = b"\x04\x22\x4d\x18", bytes([flags, 0x40]) + size
    check = xxh32(magic + descriptor if as_once else descriptor) >> 8 & 0xff
    block = struct.pack("<I", len(plain) | 1 << 31) + plain
    return magic + descriptor + bytes([check]) + block + bytes(4)


def old_lz4(plain):
    return lz4(plain, as_once=True)


def sized_lz4(plain):
    return lz4(plain, as_once=True, flags=0x68, size=struct.pack("<Q", len(plain)))


def wrapped(pack, codec, first, count, *, magic=1, attributes=0, outer=None, timestamp=NOW + 50, **more):
    """`count` messages from offset `first` on in one compressed message."""
    inner = b"".join(message(first + i if magic == 0 else i, b"value %d" % (first + i),
                             b"key" if i % 2 else None, magic=magic, timestamp=NOW + i)
                     for i in range(count))
    return around(pack, codec, inner, first + count - 1 if outer is None else outer, magic=magic,
                  attributes=attributes, timestamp=timestamp, **more)


def around(pack, codec, inner, offset, *, attributes=0, **more):
    return message(offset, pack(inner), attributes=codec | attributes, **more)


def batch(offset, value):
    """A record batch of magic 2 with one record, for a log that was upgraded on the way."""
    body = b"\0\0\0\1" + bytes([2 * len(value)]) + value + b"\0"
    record = bytes([2 * len(body)]) + body
    after = struct.pack(">hiqqqhii", 0, 0, NOW, NOW, -1, -1, -1, 1) + record
    crc = 0xffffffff
    for octet in after:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    rest = struct.pack(">ibI", 0, 2, crc ^ 0xffffffff) + after
    return struct.pack(">qi", offset, len(rest)) + rest


PLAIN = b"".join(message(i, b"value %d" % i, magic=0) for i in range(3))
LOGS = {
    "magic0": PLAIN + message(3, None, b"key", magic=0) + message(4, b"", b"", magic=0),
    "magic1": message(0, b"a") + message(1, b"b", b"k", attributes=APPEND_TIME, timestamp=NOW + 1) +
    message(2, None, b"tombstone", timestamp=-1) + message(3, b"", b"", timestamp=0),
    "mixed": PLAIN + message(3, b"b") + batch(4, b"newest") + wrapped(gzip, GZIP, 5, 2) +
    message(7, b"old again", magic=0),
    "offsets": message(10, b"a") + message(12, b"b", b"k") + message(11, b"c"),
    "flipped": message(0, b"sound") + message(1, b"not", crc_off=1) + message(2, b"sound"),
    "flipped0": message(0, b"sound", magic=0) + message(1, b"not", magic=0, crc_off=1),
    "torn": message(0, b"a") + message(1, b"b")[:-3],
    "torn-header": message(0, b"a") + message(1, b"b")[:15],
    "torn-size": message(0, b"a") + message(1, b"b")[:11],
    "small": message(0, b"a") + struct.pack(">qi", 1, 13) + bytes(13),
    "smallest": message(0, b"a") + struct.pack(">qiIbb", 1, 14, 0, 0, 0) + bytes(8) + message(2, b"b"),
    "smallest1": message(0, b"a") + struct.pack(">qiIbb", 1, 14, 0, 1, 0) + bytes(8) + message(2, b"b"),
    "small1": message(0, b"", body=b"\0\0\0\0") + message(1, b"b"),
    "attributes": message(0, b"a", attributes=0x70) + message(1, b"b", magic=0, attributes=0x78),
    "append-time0": message(0, b"a", magic=0, attributes=APPEND_TIME),
    "key-size": message(0, None, body=struct.pack(">i", 100) + b"short"),
    "key-negative": message(0, None, body=struct.pack(">i", -7) + octets(b"value")),
    "value-less": message(0, None, body=octets(b"k") + struct.pack(">i", 2) + b"longer than it says"),
    "value-negative": message(0, None, body=octets(b"k") + struct.pack(">i", -2) + b"rest"),
    "value-missing": message(0, None, body=octets(b"k")),
    "numbers": message(0, b"\0\3" + bytes(22), b"\0\1\0\1g\0\1t\0\0\0\5") + wrapped(gzip, GZIP, 1, 2),
    "utf8": message(0, b"\xff\xfe\x00a\n", b"\xc3\xa9") + message(1, "€".encode(), b"\x80"),
}
for name, pack, codec in (("gzip", gzip, GZIP), ("snappy", snappy, SNAPPY), ("lz4", lz4, LZ4)):
    LOGS[name] = (wrapped(pack, codec, 0, 3) + message(3, b"between") + wrapped(pack, codec, 4, 2) +
                  wrapped(pack, codec, 6, 1, attributes=APPEND_TIME))
    LOGS[name + "0"] = wrapped(pack, codec, 0, 3, magic=0) + wrapped(pack, codec, 3, 2, magic=0)
LOGS.update({
    "snappy-bare": wrapped(snappy_block, SNAPPY, 0, 2),
    "lz4-once": wrapped(old_lz4, LZ4, 0, 3, magic=0) + wrapped(sized_lz4, LZ4, 3, 2, magic=0),
    "lz4-once1": wrapped(old_lz4, LZ4, 0, 3),
    "zstd": wrapped(gzip, ZSTD, 0, 3),
    "wrapper-flipped": wrapped(gzip, GZIP, 0, 2, crc_off=1) + message(2, b"c"),
    "inner-flipped": around(gzip, GZIP, message(0, b"a") + message(1, b"b", crc_off=1), 1),
    "inner-gap": around(gzip, GZIP, message(0, b"a") + message(4, b"b") + message(5, b"c"), 25),
    "inner-order": around(gzip, GZIP, message(4, b"a") + message(2, b"b"), 25),
    "inner-none": around(gzip, GZIP, b"", 1),
    "inner-null": message(1, None, attributes=GZIP),
    "inner-empty": message(1, b"", attributes=GZIP),
    "inner-cut": around(gzip, GZIP, message(0, b"a") + message(1, b"b")[:-2], 1),
    "inner-cut-header": around(gzip, GZIP, message(0, b"a") + message(1, b"b")[:9], 1),
    "inner-small": around(gzip, GZIP, message(0, b"a") + struct.pack(">qi", 1, 3) + bytes(3), 1),
    "inner-twice": around(gzip, GZIP, wrapped(gzip, GZIP, 0, 2), 1),
    "inner-magic0": around(gzip, GZIP, message(0, b"a", magic=0) + message(1, b"b", magic=0), 1),
    "inner-magic1": around(gzip, GZIP, message(5, b"a") + message(6, b"b"), 6, magic=0),
    "inner-magic2": around(gzip, GZIP, batch(0, b"new"), 0),
    "inner-append-time": around(gzip, GZIP, message(0, b"a", attributes=APPEND_TIME) + message(1, b"b"), 1),
    "outer-zero": wrapped(gzip, GZIP, 0, 3, outer=0),
    "outer-small": wrapped(gzip, GZIP, 0, 3, outer=1),
    "stream-cut": message(1, gzip(message(0, b"a") * 9)[:30], attributes=GZIP),
    "stream-none": message(1, b"this is no stream", attributes=GZIP),
    "stream-none-snappy": message(1, b"this is no stream", attributes=SNAPPY),
    "stream-none-lz4": message(1, b"this is no stream", attributes=LZ4),
})


# Records of coordinators whose key or value cannot be read, in the easiest of formats.
OFFSET_KEY, OFFSET, GROUP_KEY = b"\0\1\0\1g\0\1t\0\0\0\5", b"\0\3" + bytes(22), b"\0\2\0\1g"
COORDINATORS = [
    (OFFSET_KEY, OFFSET), (OFFSET_KEY[:1], OFFSET), (OFFSET_KEY[:2], OFFSET), (OFFSET_KEY[:5], OFFSET),
    (OFFSET_KEY[:9], OFFSET), (OFFSET_KEY + b"more", OFFSET), (GROUP_KEY, b""), (GROUP_KEY, b"\0"),
    (GROUP_KEY, b"\0\3"), (GROUP_KEY, b"\0\x63abc"), (GROUP_KEY, b"\xff\xffabc"),
    (OFFSET_KEY, OFFSET[:5]), (OFFSET_KEY, b"\0\4" + bytes(3)), (OFFSET_KEY, b"\0\5" + bytes(30)),
    (OFFSET_KEY, OFFSET + bytes(18)), (b"\0\3\0\1g", b"\0\0\0\0\0\1\0"), (b"\0\3\0\1g", b"\0\0\0\0\0\1"),
    (b"\0\3\0\1g", None), (b"\0\x63\0\1g", OFFSET), (b"\xff\xff\0\1g", OFFSET), (b"", OFFSET),
    (OFFSET_KEY, None), (OFFSET_KEY, b""), (b"\0\0" + OFFSET_KEY[2:], OFFSET), (b"\0\0\0\1g", b"\0\0"),
]
LOGS["coordinators"] = b"".join(message(i, value, key) for i, (key, value) in enumerate(COORDINATORS))

# Of "mixed", by last offset and place: right, but for the last place and the last time.
INDEXES = {
    "index": struct.pack(">iiiiii", 3, 99, 6, 208, 7, 208),
    "timeindex": struct.pack(">qiqiqi", NOW, 3, NOW + 1, 6, NOW + 2, 7),
}


def write(name, suffix, raw):
    os.makedirs(f"{sys.argv[1]}/{name}", exist_ok=True)
    with open(f"{sys.argv[1]}/{name}/00000000000000000000.{suffix}", "wb") as out:
        out.write(raw)


def main():
    for name, raw in LOGS.items():
        write(name, "log", raw)
    for suffix, raw in INDEXES.items():
        write("mixed", suffix, raw)


if __name__ == "__main__":
    main()
