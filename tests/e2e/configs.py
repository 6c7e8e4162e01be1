"""tests/e2e/configs.py - asks a broker what configs.test compares about settings, a line an answer.

    configs.py HOST:PORT [SECONDS]    a fresh broker; SECONDS to wait for what was altered
                                      (Kafka: 0.3)
    configs.py HOST:PORT set KIND NAME KEY=VALUE...  KIND 2: topic, 4: broker; without =: delete
    configs.py HOST:PORT dynamic KIND NAME              what is set so

The broker's port, its controller's and its directory are replaced; klamm's own keys are left out,
as is the order of keys, which is a hash map's in Kafka. tests/e2e/configs.kafka is what Apache
Kafka 4.3.1 answered. Not asked: where klamm differs on purpose (docs/configuration.md).
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import CLOSED, Client  # noqa: E402

ADDRESS = sys.argv[1]
SETTLE_SECONDS = float(sys.argv[2]) if len(sys.argv) == 3 else 0
TOPIC, BROKER = 2, 4
OPERATIONS = {"set": 0, "delete": 1, "append": 2, "subtract": 3, "unknown": 7}
TYPES = ["?", "boolean", "string", "int", "short", "long", "double", "list", "class", "password"]


def ask(name, version, **values):
    with Client(ADDRESS) as client:
        return client.ask(name, version, **values)


def hide_place(text):
    """Ports and the directory, which differ from run to run."""
    text = text.replace("\0", "\\0")
    text = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:PORT", text)
    return re.sub(r"^/.*/data$", "DIR", text)


def show(value):
    return "null" if value is None else hide_place(value)


# ---- DescribeConfigs ----

def resource(kind, name, keys=None):
    return {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}


def show_entry(entry):
    synonyms = " ".join(f"{s['Source']}:{s['Name']}={show(s['Value'])}" for s in entry["Synonyms"])
    words = [f"{entry['Name']}={show(entry['Value'])}", f"source={entry['ConfigSource']}"]
    words += ["read-only"] if entry["ReadOnly"] else []
    words += ["sensitive"] if entry["IsSensitive"] else []
    words += [TYPES[entry["ConfigType"]]] if "ConfigType" in entry else []
    return " ".join(words) + f" [{synonyms}]"


def describe(case, *resources, version=4, synonyms=True, dynamic_only=False):
    answer = ask("DescribeConfigs", version, Resources=list(resources), IncludeSynonyms=synonyms)
    if answer == CLOSED:
        print(f"{case}: closed")
        return
    for result in answer["Results"]:
        print(f"{case}: {result['ErrorCode']} {show(result['ErrorMessage'])}")
        for entry in sorted(result["Configs"], key=lambda e: e["Name"]):
            if entry["Name"].startswith("klamm."):
                continue
            if dynamic_only and entry["ConfigSource"] > 3:
                continue
            print("   ", show_entry(entry))


def dynamic(kind, name):
    time.sleep(SETTLE_SECONDS)
    describe(f"    now {kind} {name!r}", resource(kind, name), dynamic_only=True)


def describe_all():
    describe("a topic", resource(TOPIC, "t"))
    describe("this broker", resource(BROKER, "1"))
    describe("every broker", resource(BROKER, ""))
    describe("some keys, one of them unknown", resource(BROKER, "1", ["num.partitions", "nope"]))
    describe("no keys are all", resource(TOPIC, "t", []), dynamic_only=True)
    describe("a key twice", resource(TOPIC, "t", ["retention.ms", "retention.ms"]))
    describe("a topic twice", resource(TOPIC, "t", ["retention.ms"]),
             resource(TOPIC, "t", ["segment.ms"]))
    describe("without synonyms", resource(TOPIC, "t", ["retention.ms"]), synonyms=False)
    for version in (1, 2, 3):
        describe(f"version {version}", resource(TOPIC, "t", ["retention.ms"]), version=version)
    for name in ("nope", "a/b", "", "..", "__cluster_metadata", "a\0b"):
        describe(f"topic {name!r}", resource(TOPIC, name))
    for name in ("2", "-1", "abc"):
        describe(f"broker {name!r}", resource(BROKER, name))


# ---- AlterConfigs ----

def incremental(kind, name, *edits, validate=True, version=1):
    """edits: (operation, key) or (operation, key, value)."""
    configs = [{"Name": key, "ConfigOperation": OPERATIONS[operation],
                "Value": value[0] if value else None} for operation, key, *value in edits]
    answer = ask("IncrementalAlterConfigs", version, ValidateOnly=validate, Resources=[
        {"ResourceType": kind, "ResourceName": name, "Configs": configs}])
    print_answers(f"{kind} {name!r} {edits}", answer)


def whole(kind, name, validate=True, version=2, **configs):
    configs = [{"Name": key.replace("_", "."), "Value": value} for key, value in configs.items()]
    answer = ask("AlterConfigs", version, ValidateOnly=validate, Resources=[
        {"ResourceType": kind, "ResourceName": name, "Configs": configs}])
    shown = " ".join(f"{c['Name']}={c['Value']}" for c in configs)
    print_answers(f"all of {kind} {name!r}: {shown}", answer)


def print_answers(case, answer):
    if answer == CLOSED:
        print(f"{case}: closed")
        return
    for response in answer["Responses"]:
        print(f"{case}: {response['ErrorCode']} {show(response['ErrorMessage'])}")


def created(name, value, keep=False):
    """The settings that CreateTopics answers; `keep`: the topic is made."""
    answer = ask("CreateTopics", 7, timeoutMs=5000, validateOnly=not keep, Topics=[
        {"Name": "c", "NumPartitions": 1, "ReplicationFactor": 1,
         "Configs": [{"Name": name, "Value": value}]}])
    topic = answer["Topics"][0]
    print(f"create {name}={show(value)}: {topic['ErrorCode']} {show(topic['ErrorMessage'])}")
    for config in topic["Configs"] or []:
        if config["ConfigSource"] != 5 or keep:
            print(f"    {config['Name']}={show(config['Value'])} source={config['ConfigSource']}")


VALUES = """
retention.ms=abc retention.ms=-2 retention.ms= segment.bytes=100 segment.bytes=1.5 nope=1
segment.bytes=99999999999 cleanup.policy=foo cleanup.policy= cleanup.policy=delete,foo
cleanup.policy=delete,delete cleanup.policy=delete,,compact compression.type=foo
compression.type=GZIP preallocate=yes preallocate=TRUE min.cleanable.dirty.ratio=2
min.cleanable.dirty.ratio=x min.insync.replicas=0 min.insync.replicas=1 compression.gzip.level=0
compression.gzip.level=10 compression.zstd.level=23 message.timestamp.type=x flush.ms=-1
max.compaction.lag.ms=0 follower.replication.throttled.replicas=* local.retention.ms=-3
follower.replication.throttled.replicas=1:2,3:4 follower.replication.throttled.replicas=x
leader.replication.throttled.replicas=1 remote.storage.enable=true segment.index.bytes=3
local.retention.ms=9999999999999 internal.segment.bytes=0 unclean.leader.election.enable=1
max.message.bytes=2147483648 retention.bytes=-9 remote.log.copy.disable=true
""".split()


def values():
    for row in VALUES:
        name, _, value = row.partition("=")
        incremental(TOPIC, "t", ("set", name, value))
        created(name, value)
    created("retention.ms", None)
    created("retention.ms", " 77 ")
    created("cleanup.policy", "compact, delete", keep=True)
    ask("DeleteTopics", 5, TopicNames=["c"], TimeoutMs=5000)
    incremental(TOPIC, "t", ("set", "min.compaction.lag.ms", "100"),
                ("set", "max.compaction.lag.ms", "10"))


def topics():
    policy = "cleanup.policy"
    for edits in (
            [("set", policy, "compact")], [("append", policy, "delete")],
            [("append", policy, "delete")], [("subtract", policy, "compact")],
            [("subtract", policy, "delete")], [("delete", policy)],
            [("subtract", policy, "delete")], [("delete", policy, "ignored")],
            [("append", policy, "compact")], [("append", policy, "compact,delete")],
            [("subtract", policy, "foo")], [("append", policy, "")], [("append", policy)],
            [("append", "retention.ms", "5")], [("subtract", "retention.ms", "5")],
            [("append", "nope", "5")], [("delete", "nope")], [("delete", "segment.ms")],
            [("set", "retention.ms")], [("unknown", "retention.ms", "5")],
            [("set", "retention.ms", "5"), ("set", "retention.ms", "6")],
            [("set", "retention.ms", "9"), ("set", "nope", "1")], [("set", "", "5")], [],
            [("set", "min.insync.replicas", "3")], [("delete", "min.insync.replicas")],
            [("delete", "retention.ms")], [("set", "retention.ms", "9")]):
        incremental(TOPIC, "t", *edits, validate=False)
        dynamic(TOPIC, "t")
    incremental(TOPIC, "t", ("set", "retention.ms", "11"), version=0)
    dynamic(TOPIC, "t")
    for name in ("nope", "a/b", "", "__cluster_metadata"):
        incremental(TOPIC, name, ("set", "retention.ms", "5"))
        incremental(TOPIC, name, ("append", "retention.ms", "5"))
    incremental(TOPIC, "nope", ("set", "nope", "5"))
    incremental(TOPIC, "nope", ("delete", "retention.ms"))
    for kind in (99, 0, 1):
        incremental(kind, "t", ("set", "retention.ms", "5"))
    several = [{"ResourceType": TOPIC, "ResourceName": name, "Configs": [
        {"Name": "retention.ms", "ConfigOperation": 0, "Value": "10"}]} for name in ("t", "nope")]
    print_answers("several", ask("IncrementalAlterConfigs", 1, Resources=several))
    dynamic(TOPIC, "t")
    twice = [several[0], dict(several[0], Configs=[])]
    print_answers("twice", ask("IncrementalAlterConfigs", 1, Resources=twice))
    print_answers("none", ask("IncrementalAlterConfigs", 1, Resources=[]))


def topics_whole():
    whole(TOPIC, "t", validate=False, retention_ms="5", segment_ms="7")
    dynamic(TOPIC, "t")
    whole(TOPIC, "t", validate=False, segment_ms="8")
    dynamic(TOPIC, "t")
    whole(TOPIC, "t", segment_ms="bad")
    whole(TOPIC, "t", nope="1")
    whole(TOPIC, "t", segment_ms=None)
    whole(TOPIC, "t", segment_ms="9")
    dynamic(TOPIC, "t")
    whole(TOPIC, "t", validate=False)
    dynamic(TOPIC, "t")
    for name in ("nope", "a/b", ""):
        whole(TOPIC, name, segment_ms="9")
    whole(99, "t", version=0, segment_ms="9")


def brokers():
    incremental(BROKER, "1", ("set", "log.segment.bytes", "2000000"), validate=False)
    incremental(BROKER, "1", ("set", "log.flush.interval.ms", "222"), validate=False)
    incremental(BROKER, "1", ("set", "log.retention.ms", "3600000"), validate=False)
    incremental(BROKER, "", ("set", "log.retention.ms", "3700000"), validate=False)
    incremental(BROKER, "", ("set", "log.roll.jitter.ms", "9"), validate=False)
    incremental(BROKER, "", ("append", "log.cleanup.policy", "compact"), validate=False)
    incremental(BROKER, "1", ("set", "follower.replication.throttled.rate", "100"), validate=False)
    dynamic(BROKER, "")
    dynamic(BROKER, "1")
    describe("a topic of such a broker", resource(TOPIC, "t"), dynamic_only=True)
    describe("what gave way", resource(BROKER, "1", [
        "log.retention.hours", "log.retention.minutes", "log.roll.jitter.hours", "log.roll.ms",
        "log.roll.hours", "log.flush.scheduler.interval.ms"]))
    created("retention.ms", "5")
    for key in ("log.segment.bytes", "log.flush.interval.ms", "log.retention.ms",
                "follower.replication.throttled.rate"):
        incremental(BROKER, "1", ("delete", key), validate=False)
    for key in ("log.retention.ms", "log.roll.jitter.ms", "log.cleanup.policy"):
        incremental(BROKER, "", ("delete", key), validate=False)
    dynamic(BROKER, "")
    dynamic(BROKER, "1")


def broker_refusals():
    for name, key, value in (
            ("1", "node.id", "2"), ("", "node.id", "2"), ("1", "num.partitions", "5"),
            ("1", "broker.id", "5"), ("1", "log.dirs", "5"), ("", "log.retention.minutes", "5"),
            ("2", "log.segment.bytes", "2000000"), ("abc", "log.segment.bytes", "2000000"),
            ("-1", "log.segment.bytes", "2000000"), ("1", "log.segment.bytes", "x"),
            ("", "log.segment.bytes", "1"), ("", "log.segment.bytes", None),
            ("1", "ssl.keystore.location", "/x"), ("1", "ssl.key.password", "/x"),
            ("1", "compression.type", "nope"), ("", "log.message.timestamp.type", "lz4"),
            ("1", "max.connections", "-1"), ("1", "log.roll.ms", "0"),
            ("1", "log.retention.ms", "0"), ("1", "log.retention.ms", "-1"),
            ("1", "producer.id.expiration.ms", "0"), ("1", "min.insync.replicas", "1"),
            ("", "min.insync.replicas", "0"), ("", "min.insync.replicas", "2"),
            ("", "cordoned.log.dirs", ""), ("1", "max.connections.per.ip", "0"),
            ("1", "max.connections.per.ip.overrides", "127.0.0.1:5,::1:4"),
            ("", "num.io.threads", "17"), ("", "num.io.threads", "16"),
            ("1", "num.io.threads", "3"),
            ("1", "num.network.threads", "7"), ("", "num.replica.fetchers", "5"),
            ("1", "num.recovery.threads.per.data.dir", "5"), ("", "background.threads", "4"),
            ("", "log.cleaner.threads", "3"), ("", "log.cleaner.threads", "2"),
            ("", "log.cleaner.dedupe.buffer.size", "1000"), ("1", "log.retention.ms", "-5"),
            ("", "metric.reporters", "a,,b"), ("", "log.cleanup.policy", "comp\0act"),
            ("", "unclean.leader.election.enable", "true")):
        incremental(BROKER, name, ("set", key, value))
    incremental(BROKER, "", ("set", "log.retention.ms", "5"), ("set", "log.retention.hours", "1"))
    incremental(BROKER, "1", ("set", "node.id", "2"), ("set", "num.partitions", "4"))
    incremental(BROKER, "1", ("set", "max.connections.per.ip", "0"),
                ("set", "max.connections.per.ip.overrides", "127.0.0.1:100"))
    incremental(BROKER, "1", ("append", "log.segment.bytes", "2"))
    incremental(BROKER, "", ("append", "node.id", "2"))
    incremental(BROKER, "1", ("unknown", "log.segment.bytes", "2"))
    incremental(BROKER, "1", ("delete", "node.id"))
    incremental(BROKER, "", ("delete", "min.insync.replicas"))
    whole(BROKER, "", log_segment_bytes="3000000")
    whole(BROKER, "", node_id="3")
    whole(BROKER, "2", log_segment_bytes="3000000")
    whole(BROKER, "1", log_segment_bytes="1")


def listed():
    for version in (0, 1):
        for kinds in ([], [TOPIC], [BROKER], [8], [16], [32], [99], [TOPIC, BROKER], [2, 2]):
            answer = ask("ListConfigResources", version,
                         **({"ResourceTypes": kinds} if version > 0 else {}))
            resources = sorted((r.get("ResourceType", 16), r["ResourceName"])
                               for r in answer["ConfigResources"])
            print(f"list v{version} {kinds}: {answer['ErrorCode']} {resources}")


def compare():
    ask("CreateTopics", 7, timeoutMs=5000, Topics=[
        {"Name": "t", "NumPartitions": 1, "ReplicationFactor": 1,
         "Configs": [{"Name": "retention.ms", "Value": "5000"}]}])
    for part in (describe_all, values, topics, topics_whole, brokers, broker_refusals, listed):
        print(f"---- {part.__name__}")
        part()


def main(command, kind, name, *settings):
    if command == "dynamic":
        dynamic(int(kind), name)
        return
    edits = [("set", *setting.split("=", 1)) if "=" in setting else ("delete", setting)
             for setting in settings]
    incremental(int(kind), name, *edits, validate=False)


if len(sys.argv) > 3:
    main(*sys.argv[2:])
else:
    compare()
