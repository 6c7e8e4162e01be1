"""tests/e2e/cordon.py BOOTSTRAP ONE TWO PART - what a broker with log directories ONE and TWO
answers while cordoned.log.dirs is altered; for cordon.test. Paths are shown as ONE and TWO.

    asked       lists good and bad, partitions placed, moved and refused meanwhile
    told        directories, and the setting, as they are after a start
    create NAME what comes of a new topic of two partitions
    set LIST    cordoned.log.dirs, of broker 1

PAUSE seconds are waited after each change: Apache Kafka's controller learns of it by the next
heartbeat.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from client import Client, batch  # noqa: E402

ADDRESS, ONE, TWO, PART = sys.argv[1:5]
PAUSE = float(os.environ.get("PAUSE", "0"))
c = Client(ADDRESS)


def show(text):
    return (text or "").replace(ONE, "ONE").replace(TWO, "TWO").replace(os.path.dirname(ONE), "DIR")


def path(text):
    return text.replace("ONE", ONE).replace("TWO", TWO)


def alter(value, op=0, name="1", validate=False):
    answer = c.ask("IncrementalAlterConfigs", 1, ValidateOnly=validate, Resources=[
        {"ResourceType": 4, "ResourceName": name,
         "Configs": [{"Name": "cordoned.log.dirs", "ConfigOperation": op,
                      "Value": None if value is None else path(value)}]}])["Responses"][0]
    if answer["ErrorCode"] == 0 and not validate:
        time.sleep(PAUSE)
    return f"{answer['ErrorCode']} {show(answer['ErrorMessage'])}".rstrip()


def directories():
    results = c.ask("DescribeLogDirs", 5, Topics=[])["Results"]
    return {show(r["LogDir"]): r["IsCordoned"] for r in sorted(results, key=lambda r: r["LogDir"])}


def setting():
    answer = c.ask("DescribeConfigs", 4, IncludeSynonyms=True, Resources=[
        {"ResourceType": 4, "ResourceName": "1", "ConfigurationKeys": ["cordoned.log.dirs"]}])
    entry = answer["Results"][0]["Configs"][0]
    return show(f"{entry['Value']} from {entry['ConfigSource']}")


def where(topic):
    placed = {}
    for result in c.ask("DescribeLogDirs", 4, Topics=None)["Results"]:
        for t in result["Topics"]:
            for p in t["Partitions"] if t["Name"] == topic else []:
                placed[p["PartitionIndex"]] = show(result["LogDir"])
    return [placed[p] for p in sorted(placed)]


def create(name, count=2, assignments=None, validate=False):
    asked = {"Name": name, "NumPartitions": count, "ReplicationFactor": 1}
    if assignments is not None:
        asked = {"Name": name, "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": [
            {"PartitionIndex": i, "BrokerIds": ids} for i, ids in enumerate(assignments)]}
    answer = c.ask("CreateTopics", 7, timeoutMs=10000, validateOnly=validate,
                   Topics=[asked])["Topics"][0]
    time.sleep(PAUSE)
    return f"{answer['ErrorCode']} {answer['ErrorMessage'] or ''}".rstrip()


def grow(name, count, assignments=None):
    answer = c.ask("CreatePartitions", 3, TimeoutMs=10000, Topics=[
        {"Name": name, "Count": count,
         "Assignments": assignments and [{"BrokerIds": ids} for ids in assignments]}])["Results"][0]
    time.sleep(PAUSE)
    return f"{answer['ErrorCode']} {answer['ErrorMessage'] or ''}".rstrip()


def move(to, topic, partition):
    answer = c.ask("AlterReplicaLogDirs", 2, Dirs=[
        {"Path": path(to), "Topics": [{"Name": topic, "Partitions": [partition]}]}])
    return answer["Results"][0]["Partitions"][0]["ErrorCode"]


def produce(topic, partition):
    answer = c.ask("Produce", 9, Acks=-1, TimeoutMs=10000, TopicData=[
        {"Name": topic, "PartitionData": [{"Index": partition, "Records": batch()}]}])
    return answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]


def lists():
    for value in ("/x", "ONE,/x", "/y,/x", "*,/x", "*,ONE", "ONE/", "ONE,", ",", " ONE , TWO ",
                  "ONE,TWO", " * ", "*", "ONE", ""):
        print(f"set {value!r}: only tried {alter(value, validate=True)}; {alter(value)};",
              directories(), setting())
    print("of the cluster:", alter("ONE", name=""))
    print("append TWO:", alter("TWO", 2), directories(), setting())
    print("append ONE:", alter("ONE", 2), directories(), setting())
    print("append /x:", alter("/x", 2), directories(), setting())
    print("subtract TWO:", alter("TWO", 3), directories(), setting())
    print("delete:", alter(None, 1), directories(), setting())


def placed():
    print("create old:", create("old"), where("old"))
    print("cordon ONE:", alter("ONE"))
    print("create new:", create("new", 4), where("new"))
    print("grow old:", grow("old", 4), where("old"))
    print("by hand:", create("by-hand", assignments=[[1], [1]]), where("by-hand"))
    print("move into it, from TWO:", move("ONE", "new", 0))
    print("move what lies in it:", move("ONE", "old", where("old").index("ONE")))
    print("move what is not there:", move("ONE", "nope", 0), move("ONE", "new", 9))
    print("move out of it:", move("TWO", "old", where("old").index("ONE")))
    until = time.time() + 20
    while "ONE" in where("old") and time.time() < until:
        time.sleep(0.1)
    print("and so it is empty:", where("old"))
    print("cordon the other:", alter("TWO"))
    print("create other:", create("other", 3), where("other"))


def none_left():
    print("cordon all:", alter("*"), directories())
    print("create:", create("none"))
    print("only tried:", create("none", validate=True))
    print("by hand:", create("none", assignments=[[1]]))
    print("with default factor:", c.ask("CreateTopics", 7, timeoutMs=10000, Topics=[
        {"Name": "none2", "NumPartitions": -1, "ReplicationFactor": -1}])["Topics"][0]["ErrorCode"])
    print("grow:", grow("new", 5))
    print("grow by hand:", grow("new", 5, [[1]]))
    print("made by asking:", c.ask("Metadata", 12, AllowAutoTopicCreation=True, Topics=[
        {"Name": "asked"}])["Topics"][0]["ErrorCode"])
    print("a coordinator:", c.ask("FindCoordinator", 4, KeyType=0, CoordinatorKeys=["g"])
          ["Coordinators"][0]["ErrorCode"])
    print("what is there goes on:", [produce("new", p) for p in range(4)])
    print("no more:", alter(""), directories())
    print("create:", create("again"), sorted(where("again")))


if PART == "asked":
    for part in (lists, placed, none_left):
        print(f"---- {part.__name__}")
        part()
elif PART == "told":
    print(directories(), setting())
elif PART == "set":
    print(alter(sys.argv[5]))
elif PART == "create":
    print(create(sys.argv[5]), where(sys.argv[5]))
