"""tests/e2e/dir_moves.py BOOTSTRAP COMMAND - what dir_moves.test asks of a broker.

    move DIR TOPIC PARTITION...     AlterReplicaLogDirs in every version; prints the error codes
    where TOPIC PARTITION           "DIR" or "DIR, copying to DIR", directories by their last name
    settle TOPIC PARTITION DIR      waits until it lies there and nothing is copied
    errors DIR                      the answers to bad questions, one a line
    rate BYTES                      replica.alter.log.dirs.io.max.bytes.per.second, while it runs
    set KEY VALUE                   another setting of the broker; prints the error
    dirs                            directories with their errors and whether they are cordoned
    delete TOPIC
    produce TOPIC SECONDS           batches one after another, acks=all; prints how many records and
                                    the longest wait
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from client import Client, batch  # noqa: E402

c = Client(sys.argv[1])
command, given = sys.argv[2], sys.argv[3:]


def alter(version, path, topic, partitions):
    answer = c.ask("AlterReplicaLogDirs", version, Dirs=[
        {"Path": path, "Topics": [{"Name": topic, "Partitions": partitions}]}])
    return {p["PartitionIndex"]: p["ErrorCode"]
            for t in answer["Results"] for p in t["Partitions"]}


def where(topic, partition):
    lies, goes = "", ""
    answer = c.ask("DescribeLogDirs", 4, Topics=[{"Topic": topic, "Partitions": [partition]}])
    for result in answer["Results"]:
        for t in result["Topics"]:
            for p in t["Partitions"]:
                name = os.path.basename(result["LogDir"])
                if p["IsFutureKey"]:
                    assert p["OffsetLag"] >= 0
                    goes = ", copying to " + name
                else:
                    lies = name
    return lies + goes


def set_key(key, value):
    answer = c.ask("IncrementalAlterConfigs", 1, Resources=[
        {"ResourceType": 4, "ResourceName": "1",
         "Configs": [{"Name": key, "ConfigOperation": 0, "Value": value}]}])
    return answer["Responses"][0]


if command == "move":
    for version in (1, 2):
        print(*alter(version, given[0], given[1], [int(p) for p in given[2:]]).values())
elif command == "where":
    print(where(given[0], int(given[1])))
elif command == "settle":
    until = time.time() + 20
    while where(given[0], int(given[1])) != given[2] and time.time() < until:
        time.sleep(0.05)
    print(where(given[0], int(given[1])))
elif command == "errors":
    for path, topic, partitions in (("/nowhere", "t", [0]), (given[0] + "/", "t", [0]),
                                    (given[0], "nope", [0]), (given[0], "t", [7]),
                                    (given[0], "t", [-1]), (given[0], "t", [])):
        print(*[alter(v, path, topic, partitions) for v in (1, 2)])
elif command == "rate":
    print(set_key("replica.alter.log.dirs.io.max.bytes.per.second", given[0])["ErrorCode"])
elif command == "set":
    answer = set_key(given[0], given[1])
    print(answer["ErrorCode"], answer["ErrorMessage"] or "")
elif command == "dirs":
    for result in c.ask("DescribeLogDirs", 5, Topics=[])["Results"]:
        print(os.path.basename(result["LogDir"]), result["ErrorCode"], result["IsCordoned"])
elif command == "delete":
    print(c.ask("DeleteTopics", 5, TopicNames=[given[0]], TimeoutMs=10000)
          ["Responses"][0]["ErrorCode"])
elif command == "produce":
    count, longest, until = 0, 0.0, time.time() + float(given[1])
    while time.time() < until:
        now = time.time()
        raw = batch(timestamps=(int(now * 1000),) * 100)
        answer = c.ask("Produce", 9, Acks=-1, TimeoutMs=10000, TopicData=[
            {"Name": given[0], "PartitionData": [{"Index": 0, "Records": raw}]}])
        error = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
        if error != 0:
            sys.exit(f"error {error} after {count}")
        count += 100
        longest = max(longest, time.time() - now)
    print(count, f"{longest:.3f}")
