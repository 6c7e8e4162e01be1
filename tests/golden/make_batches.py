#!/usr/bin/env python3
"""Makes tests/golden/batches: segments by Apache Kafka, and what its kafka-dump-log says of them.

    make_batches.py JAR_DIR BOOTSTRAP LOG_DIR

A broker of Apache Kafka runs at BOOTSTRAP (host:port) with the log directory LOG_DIR and, so that
compaction happens at once, log.cleaner.backoff.ms=500 and log.initial.task.delay.ms=0. For each
topic golden-NAME comes out NAME.log (its segments, joined) and NAME.txt, one line a batch and one a
record, fields separated by one blank:

    B baseOffset lastOffset count baseSequence lastSequence producerId producerEpoch leaderEpoch
      transactional control deleteHorizonMs position timestampType maxTimestamp size codec crc
    R offset timestamp keySize valueSize sequence headerKeys keyCrc32 valueCrc32   (of a data batch)
    C offset timestamp keySize valueSize sequence type                           (a control record)

'-' is "none"; header keys are joined by commas; the CRC-32 is over the octets, of a null it is '-'.
"""

import pathlib
import re
import subprocess
import sys
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
NAMES = [
    "none",
    "gzip",
    "snappy",
    "lz4",
    "zstd",
    "level",
    "append-time",
    "transaction",
    "compacted",
]
BATCH = re.compile(
    r"baseOffset: (\S+) lastOffset: (\S+) count: (\S+) baseSequence: (\S+) lastSequence: (\S+) "
    r"producerId: (\S+) "
    r"producerEpoch: (\S+) partitionLeaderEpoch: (\S+) isTransactional: (\S+) isControl: (\S+) "
    r"deleteHorizonMs: (\S+) position: (\S+) (\S+): (\S+) size: (\S+) magic: 2 "
    r"compresscodec: (\S+) crc: (\S+) "
    r"isvalid: true$"
)
RECORD = re.compile(
    r"\| offset: (\S+) (?:\S+): (\S+) keySize: (\S+) valueSize: (\S+) sequence: (\S+) "
    r"headerKeys: \[(.*?)\]"
    r"(?: endTxnMarker: (\S+) .*| controlType: (\S+).*|(?: key: (.*?))?(?: payload: (.*))?)$"
)


def java(jars, *args):
    return subprocess.run(
        ["java", "-Xmx300m", "-cp", f"{jars}/*:{HERE}", *args],
        check=True,
        capture_output=True,
        text=True,
    )


def crc(size, text):
    return "-" if int(size) < 0 else "%08x" % zlib.crc32((text or "").encode())


def line_of(dumped, base):
    found = BATCH.match(dumped)
    if found:
        f = list(found.groups())
        f[10] = re.sub(r"\D", "", f[10]) or "-"
        f[11] = str(int(f[11]) + base)
        return "B " + " ".join(f)
    offset, at, key_size, value_size, sequence, headers, marker, control, key, value = RECORD.match(
        dumped
    ).groups()
    start = f"{offset} {at} {key_size} {value_size} {sequence} "
    if marker or control:
        return "C " + start + (marker or control)
    return "R " + start + f"{headers or '-'} {crc(key_size, key)} {crc(value_size, value)}"


def main():
    jars, server, log_dir = sys.argv[1:]
    out = HERE / "batches"
    out.mkdir(exist_ok=True)
    subprocess.run(
        ["javac", "-cp", f"{jars}/*", "-d", str(HERE), str(HERE / "MakeBatches.java")], check=True
    )
    java(jars, "MakeBatches", server)
    (HERE / "MakeBatches.class").unlink()
    compacted = pathlib.Path(log_dir) / "golden-compacted-0"
    for _ in range(60):  # until the cleaner has been there
        if any(int(p.stem) == 0 and p.stat().st_size < 6000 for p in compacted.glob("*.log")):
            break
        time.sleep(1)
    time.sleep(3)
    for name in NAMES:
        octets, lines = b"", []
        for segment in sorted((pathlib.Path(log_dir) / f"golden-{name}-0").glob("*.log")):
            dump = java(
                jars,
                "org.apache.kafka.tools.DumpLogSegments",
                "--files",
                str(segment),
                "--print-data-log",
            )
            for text in dump.stdout.splitlines():
                if text.startswith(("baseOffset:", "| offset:")):
                    lines.append(line_of(text, len(octets)))
            octets += segment.read_bytes()
        (out / f"{name}.log").write_bytes(octets)
        (out / f"{name}.txt").write_text("\n".join(lines) + "\n")
        print(
            name, len(octets), sum(text[0] == "B" for text in lines), "batches", len(lines), "lines"
        )


if __name__ == "__main__":
    main()
