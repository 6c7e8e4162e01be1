"""tests/e2e/crowd.py HOST:PORT [--appends | --clear | SECONDS SEED DIR... [--killed]] - clients
that create, delete, grow, alter, move, write to and read the same few topics at once.

What each is answered has to be possible. When they have ended, each partition of every topic that
is there must take a record and end behind it. Prints a line `TOPIC PARTITION END` for each, and
what is wrong. Without a crowd it asks each where it ends, with --appends after a record for each;
--clear deletes them all; --killed: the broker will be killed meanwhile, and nothing is asked.
"""
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch, record  # noqa: E402

NAMES, MOST_PARTITIONS, CLIENTS = ["a", "b", "c"], 6, 5
# Kafka's errors that one of a crowd may get: names come and go while its request is under way.
GONE = {3, 5, 6, 100}  # unknown topic or partition, no leader yet, not the leader, unknown topic id
EXISTS, WRONG_PARTITIONS, OUT_OF_RANGE, BUSY, POLICY = 36, 37, 1, 7, 44
SETTINGS = [
    ("cleanup.policy", ["compact", "delete", "compact,delete"]),
    ("compression.type", ["producer", "uncompressed", "gzip", "zstd"]),
    ("flush.messages", ["1", "100"]),
    ("index.interval.bytes", ["1", "4096"]),
    ("message.timestamp.type", ["CreateTime", "LogAppendTime"]),
    ("min.cleanable.dirty.ratio", ["0", "0.5"]),
    ("preallocate", ["true", "false"]),
    ("retention.bytes", ["-1", "10000"]),
    ("retention.ms", ["1000", "-1"]),
    ("segment.bytes", ["1048576", "104857600"]),
    ("segment.index.bytes", ["4", "40", "10485760"]),
    ("segment.ms", ["10", "604800000"]),
]
NOW_MS = int(time.time() * 1000)
wrong, done = [], {}


def note(what, error, *allowed):
    done[what, error] = done.get((what, error), 0) + 1
    if error not in (0, *allowed):
        wrong.append(f"{what}: error {error}")


def create(c, draw, name, _):
    answer = c.ask("CreateTopics", 5, timeoutMs=10000, validateOnly=False, Topics=[{
        "Name": name, "NumPartitions": draw.randint(1, MOST_PARTITIONS), "ReplicationFactor": 1,
        "Assignments": [], "Configs": []}])
    note("create", answer["Topics"][0]["ErrorCode"], EXISTS)


def delete(c, draw, name, _):
    answer = c.ask("DeleteTopics", 5, TopicNames=[name], TimeoutMs=10000)
    note("delete", answer["Responses"][0]["ErrorCode"], *GONE)


def grow(c, draw, name, _):
    answer = c.ask("CreatePartitions", 3, TimeoutMs=10000, ValidateOnly=False, Topics=[
        {"Name": name, "Count": draw.randint(2, MOST_PARTITIONS + 2), "Assignments": None}])
    note("grow", answer["Results"][0]["ErrorCode"], WRONG_PARTITIONS, *GONE)


def alter(c, draw, name, _):
    key, values = draw.choice(SETTINGS)
    answer = c.ask("IncrementalAlterConfigs", 1, ValidateOnly=False, Resources=[{
        "ResourceType": 2, "ResourceName": name,
        "Configs": [{"Name": key, "ConfigOperation": 0, "Value": draw.choice(values)}]}])
    note("alter", answer["Responses"][0]["ErrorCode"], *GONE)


def move(c, draw, name, dirs):
    answer = c.ask("AlterReplicaLogDirs", 2, Dirs=[{"Path": draw.choice(dirs), "Topics": [
        {"Name": name, "Partitions": [draw.randrange(MOST_PARTITIONS)]}]}])
    note("move", answer["Results"][0]["Partitions"][0]["ErrorCode"], 9, *GONE)


def produce(c, draw, name, _):
    records = batch([record(i, b"x" * 1000, b"k%d" % draw.randrange(5)) for i in range(4)],
                    timestamps=(NOW_MS, NOW_MS))
    answer = c.ask("Produce", 8, Acks=draw.choice([1, -1]), TimeoutMs=10000, TopicData=[{
        "Name": name, "PartitionData": [
            {"Index": draw.randrange(MOST_PARTITIONS), "Records": records}]}])
    note("produce", answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"], BUSY, *GONE)


def fetch(c, draw, name, _):
    index = draw.randrange(MOST_PARTITIONS)
    answer = c.ask("Fetch", 11, ReplicaId=-1, MaxWaitMs=20, MinBytes=1, MaxBytes=1 << 20,
                   IsolationLevel=0, SessionId=0, SessionEpoch=-1, ForgottenTopicsData=[],
                   RackId="", Topics=[{"Topic": name, "Partitions": [{
                       "Partition": index, "CurrentLeaderEpoch": -1, "FetchOffset": 0,
                       "LogStartOffset": -1, "PartitionMaxBytes": 1 << 20}]}])
    note("fetch", answer["Responses"][0]["Partitions"][0]["ErrorCode"], OUT_OF_RANGE, *GONE)


def cut(c, draw, name, _):
    answer = c.ask("DeleteRecords", 1, TimeoutMs=10000, Topics=[{"Name": name, "Partitions": [
        {"PartitionIndex": draw.randrange(MOST_PARTITIONS), "Offset": draw.choice([-1, 4])}]}])
    told = answer["Topics"][0]["Partitions"][0]
    note("cut", told["ErrorCode"], OUT_OF_RANGE, BUSY, POLICY, *GONE)


WORK = [create] * 5 + [delete] * 3 + [grow, alter, cut] + [move] * 2 + [produce] * 6 + [fetch] * 2


def never_done():
    return sorted({work.__name__ for work in WORK if not done.get((work.__name__, 0))})


def client(address, seed, until, dirs):
    draw = random.Random(seed)
    with Client(address) as c:
        while not wrong and (time.monotonic() < until or never_done()):
            work = draw.choice(WORK)
            try:
                work(c, draw, draw.choice(NAMES), dirs)
            except TypeError:  # CLOSED has no fields
                if "--killed" not in sys.argv:
                    wrong.append(f"{work.__name__}: not answered")
                return


def crowd(address, seconds, seed, dirs):
    """For so long, and until each of them has succeeded once."""
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=client, args=(address, seed * 100 + i, until, dirs))
               for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sorted(done.items()), file=sys.stderr)


def end_of(c, name, index):
    answer = c.ask("ListOffsets", 1, ReplicaId=-1, Topics=[
        {"Name": name, "Partitions": [{"PartitionIndex": index, "Timestamp": -1}]}])
    told = answer["Topics"][0]["Partitions"][0]
    note(f"the end of {name}-{index}", told["ErrorCode"])
    return told["Offset"]


def append_to(c, name, index):
    records = batch([record(0, b"last", b"k")], timestamps=(NOW_MS, NOW_MS))
    answer = c.ask("Produce", 8, Acks=-1, TimeoutMs=10000, TopicData=[
        {"Name": name, "PartitionData": [{"Index": index, "Records": records}]}])
    told = answer["Responses"][0]["PartitionResponses"][0]
    note(f"a record to {name}-{index}", told["ErrorCode"])
    if told["ErrorCode"] == 0 and end_of(c, name, index) != told["BaseOffset"] + 1:
        wrong.append(f"the end of {name}-{index} is not behind {told['BaseOffset']}")


def clear(address):
    with Client(address) as c:
        answer = c.ask("DeleteTopics", 5, TopicNames=NAMES, TimeoutMs=10000)
        for told in answer["Responses"]:
            note("delete", told["ErrorCode"], *GONE)


def look(address, appends):
    with Client(address) as c:
        topics = c.ask_again("Metadata", 8, Topics=None, AllowAutoTopicCreation=False,
                             IncludeClusterAuthorizedOperations=False,
                             IncludeTopicAuthorizedOperations=False)["Topics"]
        for topic in sorted(topics, key=lambda t: t["Name"]):
            for partition in sorted(topic["Partitions"], key=lambda p: p["PartitionIndex"]):
                name, index = topic["Name"], partition["PartitionIndex"]
                if appends:
                    append_to(c, name, index)
                print(name, index, end_of(c, name, index))


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if len(words) > 1:
        crowd(words[0], float(words[1]), int(words[2]), words[3:])
    if "--clear" in sys.argv:
        clear(words[0])
    elif "--killed" not in sys.argv:
        look(words[0], len(words) > 1 or "--appends" in sys.argv)
    for line in wrong[:20]:
        print("wrong:", line)


main()
