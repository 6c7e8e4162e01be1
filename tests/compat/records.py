"""tests/compat/records.py - the records that every client of exchange.test writes and reads.

    records.py SENT STORED

SENT has them in the order in which they are sent, partitions mixed; STORED by partition and offset,
as a reader finds them. README.md beside this file tells how a record is written down.
"""
import random
import sys
import time

PARTITIONS = 2
PLAIN = 100  # records a partition beside the special ones


def special():
    """Key, value, headers: what clients are known to get wrong."""
    yield b"key", b"value", [("h", b"1"), ("h", b"2"), ("other", b"")]
    yield None, b"null key", []
    yield b"tombstone", None, []
    yield b"", b"", [("", b"empty name")]
    yield bytes(range(256)), bytes(range(255, -1, -1)), [("gr\u00fcn \u20ac", bytes(range(256)))]
    yield b"null header", b"x", [("null", None)]
    yield b"many headers", b"x", [(f"h{i}", b"%d" % i) for i in range(40)]
    yield b"repeating", b"0123456789abcdef" * 2000, []
    yield b"large", random.Random(7).randbytes(300_000), []
    yield b"k" * 5000, b"long key", []


def octets(value):
    return "~" if value is None else value.hex()


def main():
    draw = random.Random(1)
    base = int(time.time() * 1000) - 3_600_000
    waiting = []
    for partition in range(PARTITIONS):
        mine = [(b"k%d" % i, b"value %d" % (i * 7919 + partition), []) for i in range(PLAIN)]
        for i, record in enumerate(special()):
            mine.insert((i * 31 + partition * 11) % len(mine), record)
        # Times go forward on the whole, but not from one record to the next.
        times = [base + i * 100 + draw.randrange(-400, 400) for i in range(len(mine))]
        waiting.append([(partition, offset, times[offset], *record)
                        for offset, record in enumerate(mine)])
    stored = [record for mine in waiting for record in mine]
    sent = []
    while any(waiting):
        mine = draw.choice([w for w in waiting if w])
        sent.append(mine.pop(0))
    for path, records in zip(sys.argv[1:3], (sent, stored)):
        with open(path, "w", encoding="ascii") as out:
            for partition, offset, timestamp, key, value, headers in records:
                tags = ",".join(f"{n.encode().hex()}={octets(v)}" for n, v in headers)
                place = f"{partition}\t{offset}\t{timestamp}"
                out.write(f"{place}\t{octets(key)}\t{octets(value)}\t{tags}\n")


if __name__ == "__main__":
    main()
