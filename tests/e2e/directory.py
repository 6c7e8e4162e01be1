"""tests/e2e/directory.py - a log directory with everything in it, and what a broker says of it.

    directory.py fill HOST:PORT       by Apache Kafka: every codec, an idempotent producer,
                                      segments, compaction, deleted records, group offsets,
                                      settings; quotas and SCRAM credentials, which klamm keeps
                                      for the next Kafka
    directory.py more HOST:PORT WHO   some more of what either of them can write
    directory.py read HOST:PORT       all batches, offsets by time, settings, group offsets
    directory.py kept HOST:PORT       quotas and credentials, asked of Apache Kafka

What `read` prints is the same, whoever answers: octets but for the leader epoch, which rises with
each start.
"""
import hashlib
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch, record  # noqa: E402

client = Client(sys.argv[2])
SECOND_MS, NOW_MS = 1000, 1700000000000
TOPICS = {
    "codecs": {}, "idempotent": {}, "deleted": {"segment.ms": "1"}, "segments": {"segment.ms": "1"},
    "compacted": {"cleanup.policy": "compact", "segment.ms": "1", "delete.retention.ms": "1",
                  "min.cleanable.dirty.ratio": "0.01"},
    "settings": {"retention.ms": "-1", "compression.type": "gzip", "max.message.bytes": "123456"},
}


def error_of(answer):
    """The first error code anywhere in an answer."""
    if isinstance(answer, dict):
        found = [v for k, v in answer.items() if k == "ErrorCode" and v != 0]
        found += [error_of(v) for v in answer.values()]
    else:
        found = [error_of(v) for v in answer] if isinstance(answer, list) else []
    return next((code for code in found if code), 0)


def ask(what, version, **values):
    """Asks until the answer is none of those that a coordinator or leader gives while it starts."""
    for _ in range(300):
        answer = client.ask(what, version, **values)
        code = error_of(answer)
        if code not in (3, 5, 6, 14, 15, 16):
            assert code == 0, (what, answer)
            return answer
        time.sleep(0.1)
    raise SystemExit(f"{what}: {answer}")


def kcat(topic, lines, *options):
    subprocess.run(["kcat", "-b", sys.argv[2], "-P", "-t", topic, "-p", "0", *options], check=True,
                   input="".join(f"{line}\n" for line in lines).encode(), timeout=60,
                   stderr=subprocess.DEVNULL)  # a coordinator that loads is no news


def produce(topic, octets):
    ask("Produce", 9, Acks=-1, TimeoutMs=10000, TopicData=[
        {"Name": topic, "PartitionData": [{"Index": 0, "Records": octets}]}])


def keyed(topic, first, count):
    for n in range(first, first + count):
        now = NOW_MS + n * SECOND_MS
        produce(topic, batch([record(0, b"value %d" % n, key=b"key %d" % (n % 3))],
                             timestamps=(now, now)))


def commit(group, offset):
    ask("FindCoordinator", 3, Key=group, KeyType=0)
    ask("OffsetCommit", 8, GroupId=group, GenerationIdOrMemberEpoch=-1, MemberId="", Topics=[
        {"Name": "codecs", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": offset,
                                           "CommittedMetadata": "m"}]}])


def delete_below(topic, offset):
    ask("DeleteRecords", 2, TimeoutMs=10000, Topics=[
        {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Offset": offset}]}])


def fill():
    ask("CreateTopics", 7, timeoutMs=10000, Topics=[
        {"Name": name, "NumPartitions": 1, "ReplicationFactor": 1,
         "Configs": [{"Name": k, "Value": v} for k, v in configs.items()]}
        for name, configs in TOPICS.items()])
    more("kafka", 0)
    delete_below("deleted", 5)
    ask("AlterClientQuotas", 1, Entries=[
        {"Entity": [{"EntityType": "user", "EntityName": "alice"},
                    {"EntityType": "client-id", "EntityName": None}],
         "Ops": [{"Key": "producer_byte_rate", "Value": 1048576.0}]}])
    ask("AlterUserScramCredentials", 0, Upsertions=[
        {"Name": "alice", "Mechanism": 1, "Iterations": 4096, "Salt": b"salt" * 4,
         "SaltedPassword": bytes(32)}])
    ask("IncrementalAlterConfigs", 1, Resources=[
        {"ResourceType": 16, "ResourceName": "watch", "Configs": [
            {"Name": "metrics", "ConfigOperation": 0, "Value": "org.apache.kafka.consumer."}]}])


def more(who, first):
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        kcat("codecs", [f"{who} {codec} {n}" for n in range(50)], "-z", codec)
    kcat("idempotent", [f"{who} {n}" for n in range(100)], "-X", "enable.idempotence=true")
    for topic in ("segments", "compacted", "deleted"):
        keyed(topic, first, 12)
    commit("readers", 10 + first)
    commit(f"{who} only", 7)


def batches_of(octets):
    at = 0
    while at + 61 <= len(octets):
        base, length = struct.unpack_from(">qi", octets, at)
        if at + 12 + length > len(octets):
            return
        yield base, octets[at:at + 12 + length]
        at += 12 + length


def list_offset(topic, timestamp):
    answer = ask("ListOffsets", 7, ReplicaId=-1, IsolationLevel=0, Topics=[
        {"Name": topic, "Partitions": [
            {"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": timestamp}]}])
    return answer["Topics"][0]["Partitions"][0]["Offset"]


def read_topic(topic):
    at, end = list_offset(topic, -2), list_offset(topic, -1)
    print(topic, "from", at, "to", end, "by time",
          [list_offset(topic, NOW_MS + n * SECOND_MS) for n in (0, 5, 11, 13, 30)])
    while at < end:
        answer = ask("Fetch", 11, ReplicaId=-1, MaxWaitMs=500, MinBytes=1, MaxBytes=1 << 26,
                     IsolationLevel=0, SessionId=0, SessionEpoch=-1,
                     Topics=[{"Topic": topic, "Partitions": [
                         {"Partition": 0, "FetchOffset": at, "CurrentLeaderEpoch": -1,
                          "PartitionMaxBytes": 1 << 20}]}])
        got = answer["Responses"][0]["Partitions"][0]
        for base, octets in batches_of(got["Records"]):
            delta, first_ms, latest_ms = struct.unpack_from(">iqq", octets, 23)
            if base + delta >= at:
                digest = hashlib.sha256(octets[:12] + octets[16:]).hexdigest()[:16]
                print("   ", base, base + delta, first_ms, latest_ms, len(octets), digest)
                at = base + delta + 1


def settings_of(kind, name):
    """Those that were set for it."""
    answer = ask("DescribeConfigs", 4, Resources=[
        {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}])
    return sorted((c["Name"], c["Value"]) for c in answer["Results"][0]["Configs"]
                  if kind != 2 or c["ConfigSource"] == 1)


def read():
    for topic in TOPICS:
        read_topic(topic)
    for topic in TOPICS:
        print(topic, settings_of(2, topic))
    for group in ("readers", "kafka only", "klamm only"):
        ask("FindCoordinator", 3, Key=group, KeyType=0)
        answer = ask("OffsetFetch", 7, GroupId=group, Topics=None, RequireStable=False)
        print(group, [(t["Name"], p["PartitionIndex"], p["CommittedOffset"], p["Metadata"])
                      for t in answer["Topics"] for p in t["Partitions"]])


def kept():
    answer = ask("DescribeClientQuotas", 1, Components=[], Strict=False)
    print([(sorted((e["EntityType"], e["EntityName"]) for e in entry["Entity"]),
            [(v["Key"], v["Value"]) for v in entry["Values"]]) for entry in answer["Entries"]])
    answer = ask("DescribeUserScramCredentials", 0, Users=None)
    print([(r["User"], [(c["Mechanism"], c["Iterations"]) for c in r["CredentialInfos"]])
           for r in answer["Results"]])
    print(settings_of(16, "watch"))


if sys.argv[1] == "more":
    more(sys.argv[3], 20)
else:
    {"fill": fill, "read": read, "kept": kept}[sys.argv[1]]()
