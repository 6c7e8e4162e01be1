"""tests/e2e/lag_exact.py - records whose offsets and times are known, for lag_exact.test.

    lag_exact.py write HOST:PORT    topic `gzip`: one compressed batch of ten records; `compact`:
                                    ten batches of two keys, and one that closes the segment; record
                                    n is of (10 - n) * 1000 s before now
    lag_exact.py commit HOST:PORT GROUP TOPIC OFFSET
"""
import gzip
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch  # noqa: E402
from wire import i8, varint  # noqa: E402

GZIP, COUNT, STEP_MS = 1, 10, 1000000
client = Client(sys.argv[2])


def record(number, time_ms, key):
    body = i8(0) + varint(time_ms) + varint(number) + varint(len(key)) + key
    body += varint(5) + b"value" + varint(0)
    return varint(len(body)) + body


def produce(topic, octets):
    answer = client.ask_again("Produce", 9, Acks=-1, TimeoutMs=10000, TopicData=[
        {"Name": topic, "PartitionData": [{"Index": 0, "Records": octets}]}])
    assert "ErrorCode': 0" in str(answer), answer


def write():
    first_ms = int(time.time() * 1000) - COUNT * STEP_MS
    records = b"".join(record(n, n * STEP_MS, b"k") for n in range(COUNT))
    last_ms = first_ms + (COUNT - 1) * STEP_MS
    produce("gzip", batch([gzip.compress(records)], attributes=GZIP, last_delta=COUNT - 1,
                          count=COUNT, timestamps=(first_ms, last_ms)))
    for n in range(COUNT):
        at_ms = first_ms + n * STEP_MS
        produce("compact", batch([record(0, 0, b"old" if n < COUNT - 1 else b"new")],
                                 timestamps=(at_ms, at_ms)))
    time.sleep(0.5)
    now_ms = int(time.time() * 1000)
    produce("compact", batch([record(0, 0, b"end")], timestamps=(now_ms, now_ms)))


def commit():
    group, topic, offset = sys.argv[3:]
    client.ask_again("FindCoordinator", 3, Key=group, KeyType=0)
    client.ask_again("OffsetCommit", 8, GroupId=group, Topics=[{"Name": topic, "Partitions": [
        {"PartitionIndex": 0, "CommittedOffset": int(offset), "CommittedMetadata": ""}]}])


{"write": write, "commit": commit}[sys.argv[1]]()
