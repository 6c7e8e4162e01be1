"""tests/e2e/apis.py - asks a broker everything that apis.test compares, one line an answer.

    apis.py HOST:PORT         a broker without topics, auto.create.topics.enable=false
    apis.py HOST:PORT again   the same broker after a clean stop and a start

What differs from run to run is replaced: topic ids by `id(NAME)`, the cluster's id, the port,
session ids by S1, S2 ... in order of appearance. Fields that have their default are left out.
tests/e2e/apis.kafka and apis.kafka-again are what Apache Kafka 4.3.1 answered.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import (CLOSED, MESSAGES, NO_UUID, Client, batch, covers, default_of,  # noqa: E402
                    record)

ADDRESS = sys.argv[1]
PORT = int(ADDRESS.rpartition(":")[2])
client = Client(ADDRESS)
topic_ids, sessions = {NO_UUID: "none"}, {0: 0}
OTHER_ID = "00000000-0000-0000-0000-0000000000ff"
NOT_LEADER = 6


# ---- showing ----

def session_name(number):
    return sessions.setdefault(number, f"S{len(sessions)}")


def show_scalar(name, value):
    if name == "TopicId":
        return f"id({topic_ids.get(value, value if value == OTHER_ID else 'new')})"
    if name == "SessionId":
        return str(session_name(value))
    if name == "ClusterId" and value:
        return "CLUSTER"
    if name == "Port" and value == PORT:
        return "PORT"
    if name == "Host":
        return "HOST"
    if name in ("TotalBytes", "UsableBytes", "LogDir"):
        return "some" if value else "none"
    if name == "LogAppendTimeMs" and value > 1 << 40:
        return "lately"
    if isinstance(value, bytes):
        return f"{len(value)} octets"
    return repr(value) if isinstance(value, str) or value is None else str(value)


# Arrays that Kafka answers in the order of a hash map.
UNORDERED = {"CreatableTopicResult", "DeletableTopicResult", "DeleteRecordsPartitionResult",
             "DescribeLogDirsTopic", "ProducerState"}


def show(schema, values, version):
    if values == CLOSED:
        return CLOSED
    words = []
    for field in schema.fields:
        if field.name not in values or field.name == "ThrottleTimeMs":
            continue
        value = values[field.name]
        if value == default_of(field, version):
            continue
        if value is None:
            text = "null"
        elif field.struct is not None and field.array:
            items = [show(field.struct, item, version) for item in value]
            if field.struct.name in UNORDERED:
                items.sort()
            text = "[" + ", ".join(items) + "]"
        elif field.struct is not None:
            text = show(field.struct, value, version)
        elif field.array:
            text = "[" + ", ".join(show_scalar(field.name, item) for item in value) + "]"
        else:
            text = show_scalar(field.name, value)
        words.append(f"{field.name}={text}")
    return "{" + " ".join(words) + "}"


def ask(case, name, version, connection=None, **values):
    """Asks and prints; a connection that the broker closes is replaced."""
    global client
    answer = (connection or client).ask(name, version, **values)
    schema = MESSAGES["response", name + "Response"]
    print(f"{name} v{version}, {case}: {show(schema, answer, version)}", flush=True)
    if answer == CLOSED and connection is None:
        client = Client(ADDRESS)
    return answer


def quietly(name, version, **values):
    answer = client.ask(name, version, **values)
    assert answer != CLOSED, name
    return answer


def all_versions(name):
    first, end = MESSAGES["request", name + "Request"].versions
    return range(first, end)


# ---- what there is to ask about ----

def topic(name, partitions=1, **configs):
    return {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1,
            "Configs": [{"Name": key.replace("_", "."), "Value": value}
                        for key, value in configs.items()]}


def create(*topics):
    answer = quietly("CreateTopics", 7, Topics=list(topics), timeoutMs=10000)
    for result in answer["Topics"]:
        assert result["ErrorCode"] == 0, result
        topic_ids[result["TopicId"]] = result["Name"]
    until = time.time() + 10  # Kafka answers before its broker half knows
    for wanted in topics:
        while quietly("DescribeTopicPartitions", 0, Topics=[{"Name": wanted["Name"]}]
                      )["Topics"][0]["ErrorCode"] and time.time() < until:
            time.sleep(0.05)
        time.sleep(0.1)
    return {result["Name"]: result["TopicId"] for result in answer["Topics"]}


def produce_values(name, index, raw, acks=1):
    return {"Acks": acks, "TimeoutMs": 5000, "TopicData": [
        {"Name": name, "PartitionData": [{"Index": index, "Records": raw}]}]}


def fill(name, index, count, timestamp_ms=1000):
    """count batches of one record, 76 octets each, one second apart; visible when this returns."""
    for i in range(count):
        at = timestamp_ms + 1000 * i
        values = produce_values(name, index, batch(timestamps=(at, at)), acks=-1)
        until = time.time() + 10
        while produced(values) == NOT_LEADER and time.time() < until:  # Kafka, of a new topic
            time.sleep(0.05)


def produced(values):
    error = quietly("Produce", 9, **values)["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
    assert error in (0, NOT_LEADER), error
    return error


# ---- the parts ----

# What klamm serves by now; Kafka serves more.
SERVED = ("Produce", "Fetch", "ListOffsets", "Metadata", "ApiVersions", "CreateTopics",
          "DeleteTopics", "DeleteRecords", "InitProducerId", "OffsetForLeaderEpoch",
          "DescribeConfigs", "AlterConfigs", "DescribeLogDirs", "CreatePartitions",
          "IncrementalAlterConfigs", "DescribeCluster", "DescribeProducers", "UnregisterBroker",
          "ListConfigResources", "DescribeTopicPartitions", "OffsetCommit", "OffsetFetch",
          "FindCoordinator", "JoinGroup", "Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups",
          "ListGroups", "AlterReplicaLogDirs", "DeleteGroups", "OffsetDelete",
          "ConsumerGroupHeartbeat", "ConsumerGroupDescribe")


def api_versions():
    """Without the finalized kraft.version: it is 1 where a quorum keeps its voters in its log."""
    names = {MESSAGES["request", name + "Request"].key: name for name in SERVED}
    for version in all_versions("ApiVersions"):
        values = {"ClientSoftwareName": "test", "ClientSoftwareVersion": "1"} if version > 2 else {}
        answer = quietly("ApiVersions", version, **values)
        ranges = {one["ApiKey"]: (one["MinVersion"], one["MaxVersion"])
                  for one in answer["ApiKeys"]}
        print(f"ApiVersions v{version}: error {answer['ErrorCode']}",
              *(f"{name} {ranges[key][0]}-{ranges[key][1]}" for key, name in names.items()))
        for kind in ("SupportedFeatures", "FinalizedFeatures"):
            features = [" ".join(str(v) for v in one.values()) for one in answer.get(kind, ())
                        if (kind, one["Name"]) != ("FinalizedFeatures", "kraft.version")]
            print(f"ApiVersions v{version}, {kind}:", ", ".join(sorted(features)))
    for case, name, number in (("no name", "", "1"), ("no version", "x", ""),
                               ("blanks", "a b", "1"), ("a line break", "a", "1\n"),
                               ("dots and dashes", "a.b-c", "1.0")):
        answer = client.ask("ApiVersions", 4, ClientSoftwareName=name, ClientSoftwareVersion=number)
        print(f"ApiVersions v4, {case}: error {answer['ErrorCode']}")


def metadata():
    ids = create(topic("a", 3), topic("b"))
    for version in all_versions("Metadata"):
        ask("a topic", "Metadata", version, Topics=[{"Name": "a"}])
        if version > 0:
            ask("no topic", "Metadata", version, Topics=[])
        ask("unknown, illegal, known", "Metadata", version,
            Topics=[{"Name": "nope"}, {"Name": "a/b"}, {"Name": "b"}, {"Name": ""}])
        ask("the same topic twice", "Metadata", version, Topics=[{"Name": "b"}, {"Name": "b"}])
        if version >= 8:
            flags = {"IncludeTopicAuthorizedOperations": True}
            if version <= 10:
                flags["IncludeClusterAuthorizedOperations"] = True
            ask("operations", "Metadata", version,
                Topics=[{"Name": "b"}, {"Name": "nope"}], **flags)
        if version >= 10:
            ask("by id", "Metadata", version, Topics=[{"Name": None, "TopicId": ids["b"]}])
            ask("by id and name", "Metadata", version, Topics=[{"Name": "b", "TopicId": ids["b"]}])
            ask("unknown ids", "Metadata", version,
                Topics=[{"Name": None, "TopicId": ids["b"]}, {"Name": None, "TopicId": OTHER_ID}])
            ask("ids before names", "Metadata", version,
                Topics=[{"Name": "a"}, {"Name": None, "TopicId": ids["b"]}])
            ask("neither", "Metadata", version, Topics=[{"Name": None, "TopicId": NO_UUID}])


def describe_cluster():
    for version in all_versions("DescribeCluster"):
        ask("plain", "DescribeCluster", version)
        ask("operations", "DescribeCluster", version, IncludeClusterAuthorizedOperations=True)
        for kind in (2, 0, 3, -1) if version > 0 else ():
            ask(f"endpoint type {kind}", "DescribeCluster", version, EndpointType=kind)
    ask("fenced brokers", "DescribeCluster", 2, IncludeFencedBrokers=True)


def describe_topic_partitions():
    def names(*all_names):
        return [{"Name": name} for name in all_names]

    def cursor(name, index):
        return {"TopicName": name, "PartitionIndex": index}

    cases = [
        ("all", {"Topics": []}),
        ("known and unknown", {"Topics": names("b", "a", "a", "zz", "B")}),
        ("an illegal name", {"Topics": names("a/b")}),
        ("two at most", {"Topics": names("b", "a"), "ResponsePartitionLimit": 2}),
        ("just those that fit", {"Topics": names("a"), "ResponsePartitionLimit": 3}),
        ("a topic that does not fit", {"Topics": names("a", "b"), "ResponsePartitionLimit": 3}),
        ("an unknown one that does not fit",
         {"Topics": names("a", "aa", "b"), "ResponsePartitionLimit": 3}),
        ("none at most", {"Topics": names("a"), "ResponsePartitionLimit": 0}),
        ("a negative limit", {"Topics": names("a"), "ResponsePartitionLimit": -1}),
        ("more than the broker gives", {"Topics": names("a"), "ResponsePartitionLimit": 1000000}),
        ("from a cursor", {"Topics": names("b", "a", "0"), "Cursor": cursor("a", 1)}),
        ("from a cursor on, limited",
         {"Topics": names("b", "a"), "Cursor": cursor("a", 1), "ResponsePartitionLimit": 2}),
        ("a cursor at a topic's end", {"Topics": names("b", "a"), "Cursor": cursor("a", 3)}),
        ("a cursor between topics", {"Topics": names("b", "a"), "Cursor": cursor("aa", 3)}),
        ("a cursor behind all", {"Topics": names("b", "a"), "Cursor": cursor("zz", 3)}),
        ("a negative cursor", {"Topics": names("b", "a"), "Cursor": cursor("a", -1)}),
        ("all, from a cursor", {"Topics": [], "Cursor": cursor("a", 1)}),
        ("all, the topic of the cursor is gone", {"Topics": [], "Cursor": cursor("aa", 0)}),
        ("a cursor at a topic that is unknown", {"Topics": names("zz"), "Cursor": cursor("zz", 4)}),
        ("a cursor without a name", {"Topics": [], "Cursor": cursor("", 0)}),
    ]
    for case, values in cases:
        ask(case, "DescribeTopicPartitions", 0, **values)


def create_topics():
    def wanted(name, partitions=1, factor=1, assigned=(), **configs):
        made = topic(name, partitions, **configs)
        made["ReplicationFactor"] = factor
        made["Assignments"] = [{"PartitionIndex": index, "BrokerIds": list(ids)}
                               for index, ids in assigned]
        return made

    def auto(name, *assigned, partitions=-1, factor=-1):
        return wanted(name, partitions, factor, assigned)

    cases = [
        ("plain", [wanted("c1", 2)]),
        ("defaults", [wanted("c2", -1, -1)]),
        ("there already", [wanted("c1")]),
        ("twice in a request", [wanted("c3"), wanted("c3"), wanted("c4")]),
        ("an illegal name",
         [wanted("a/b"), wanted(""), wanted("."), wanted(".."), wanted("x" * 250)]),
        ("the longest name", [wanted("y" * 249)]),
        ("clashing names", [wanted("n.n"), wanted("n_n")]),
        ("a clash with one that is there", [wanted("n_n"), wanted("n-n")]),
        ("no partition", [wanted("c5", 0)]),
        ("fewer than none", [wanted("c5", -2)]),
        ("no replica", [wanted("c5", 1, 0)]),
        ("fewer replicas than none", [wanted("c5", 1, -2)]),
        ("too many replicas", [wanted("c5", 1, 3)]),
        ("too many partitions", [wanted("c5", 10001)]),
        ("configs", [wanted("c6", retention_ms="1000", cleanup_policy="compact")]),
        ("an unknown key", [wanted("c7", no_such_key="1")]),
        ("a malformed value", [wanted("c7", retention_ms="soon")]),
        ("a value out of bounds", [wanted("c7", retention_ms="-2")]),
        ("a NUL in the name", [wanted("c\0"), wanted("\0")]),
        ("a NUL in a key", [{**wanted("c7"), "Configs": [{"Name": "ke\0y", "Value": "1"}]}]),
        ("a NUL in a value", [wanted("c7", retention_ms="so\0on")]),
        ("a null value", [{**wanted("c7"), "Configs": [{"Name": "retention.ms", "Value": None}]}]),
        ("a key twice", [{**wanted("c7"), "Configs": [{"Name": "retention.ms", "Value": "1"},
                                                      {"Name": "retention.ms", "Value": "2"}]}]),
        ("assigned", [auto("c8", (0, [1]), (1, [1]))]),
        ("assigned and counted", [auto("c9", (0, [1]), partitions=1, factor=1)]),
        ("assigned and a factor", [auto("c9", (0, [1]), factor=1)]),
        ("assigned from 1 on", [auto("c9", (1, [1]))]),
        ("assigned with a gap", [auto("c9", (0, [1]), (2, [1]))]),
        ("assigned twice", [auto("c9", (0, [1]), (0, [1]))]),
        ("assigned to nobody", [auto("c9", (0, []))]),
        ("assigned to one twice", [auto("c9", (0, [1, 1]))]),
        ("assigned to an unknown broker", [auto("c9", (0, [7]))]),
        ("assigned unequally", [auto("c9", (0, [1]), (1, [1, 7]))]),
        ("nothing", []),
        ("an internal name", [wanted("__consumer_offsets"), wanted("__cluster_metadata")]),
    ]
    for case, topics in cases:
        ask(case, "CreateTopics", 7, Topics=topics, timeoutMs=10000, validateOnly=True)
    for case, topics in cases:
        if case not in ("an internal name", "plain"):
            ids_now(ask(case, "CreateTopics", 7, Topics=topics, timeoutMs=10000))
    for version in all_versions("CreateTopics"):
        ask("two, one of them bad", "CreateTopics", version, timeoutMs=10000,
            Topics=[wanted(f"cv{version}", 2), wanted("bad", 0)])


def ids_now(answer):
    for result in answer["Topics"]:
        if result.get("TopicId", NO_UUID) != NO_UUID:
            topic_ids[result["TopicId"]] = result["Name"]


def delete_topics():
    ids = create(topic("x1"), topic("x2"), topic("x3"), topic("x4"), topic("x5"), topic("x6"))
    for version in all_versions("DeleteTopics"):
        if version >= 6:
            break
        ask("one and an unknown one", "DeleteTopics", version, TimeoutMs=10000,
            TopicNames=[f"x{version}", "nope", "a/b"])
    cases = [
        ("by id", [{"Name": None, "TopicId": ids["x6"]}]),
        ("by name", [{"Name": "c1", "TopicId": NO_UUID}]),
        ("an unknown id", [{"Name": None, "TopicId": OTHER_ID}]),
        ("an unknown name", [{"Name": "nope"}]),
        ("neither", [{"Name": None, "TopicId": NO_UUID}]),
        ("both", [{"Name": "c2", "TopicId": ids["x6"]}]),
        ("twice by name", [{"Name": "c2"}, {"Name": "c2"}]),
        ("an illegal name", [{"Name": "a/b"}, {"Name": ""}]),
        ("nothing", []),
    ]
    for case, topics in cases:
        ask(case, "DeleteTopics", 6, TimeoutMs=10000, Topics=topics)


def create_partitions():
    def count(name, number, *assignments):
        wanted = [{"BrokerIds": list(ids)} for ids in assignments]
        return {"Name": name, "Count": number, "Assignments": wanted or None}

    create(topic("p", 2), topic("q", 2), topic("r", 1))
    cases = [
        ("only validated", [count("p", 4)], True),
        ("fewer", [count("p", 1)], False),
        ("as many", [count("p", 2)], False),
        ("none", [count("p", 0)], False),
        ("negative", [count("p", -1)], False),
        ("unknown", [count("nope", 3)], False),
        ("an illegal name", [count("a/b", 3)], False),
        ("no name", [count("", 3)], False),
        ("twice in a request", [count("p", 4), count("p", 5), count("q", 3)], False),
        ("too many", [count("p", 10003)], True),
        ("too many in all", [count("p", 6000), count("r", 6000)], True),
        ("assigned: none", [{"Name": "p", "Count": 4, "Assignments": []}], True),
        ("assigned: too few", [count("p", 5, [1])], False),
        ("assigned: too many", [count("p", 5, [1], [1], [1], [1])], False),
        ("assigned to nobody", [count("p", 4, [1], [])], False),
        ("assigned: twice the same", [count("p", 4, [1, 1], [1])], False),
        ("assigned: none and an unknown", [count("p", 4, [7], [])], False),
        ("assigned to an unknown broker", [count("p", 5, [1], [7], [1])], False),
        ("assigned to an unknown and itself", [count("p", 4, [7, 1], [1, 7])], False),
        ("assigned", [count("p", 5, [1], [1], [1])], False),
        ("one good, one not", [count("p", 2), count("r", 3)], False),
        ("empty", [], False),
    ]
    for case, topics, validate in cases:
        ask(case, "CreatePartitions", 3, Topics=topics, TimeoutMs=10000, ValidateOnly=validate)
    for version in all_versions("CreatePartitions"):
        ask("one more", "CreatePartitions", version,
            Topics=[count("q", 4 + version)], TimeoutMs=10000)
    time.sleep(0.5)
    ask("what came of it", "DescribeTopicPartitions", 0,
        Topics=[{"Name": "p"}, {"Name": "q"}, {"Name": "r"}])
    fill("q", 6, 2)
    ask("the metadata topic", "CreatePartitions", 3,
        Topics=[count("__cluster_metadata", 3)], TimeoutMs=10000)


def delete_records():
    def wanted(*pairs, name="d"):
        return {"TimeoutMs": 5000, "Topics": [{"Name": name, "Partitions": [
            {"PartitionIndex": index, "Offset": offset} for index, offset in pairs]}]}

    create(topic("d", 2), topic("compacted", cleanup_policy="compact"),
           topic("both", cleanup_policy="compact,delete"), topic("neither", cleanup_policy=""))
    fill("d", 0, 10)
    for version in all_versions("DeleteRecords"):
        ask("below an offset", "DeleteRecords", version, **wanted((0, 3 + version), (1, 0)))
    fill("compacted", 0, 1)
    fill("both", 0, 2)
    fill("neither", 0, 2)
    cases = [
        ("below the start", wanted((0, 1))),
        ("above the end", wanted((0, 11))),
        ("a negative offset", wanted((0, -2))),
        ("an unknown partition", wanted((2, 1))),
        ("a negative partition", wanted((-1, 1))),
        ("an unknown topic", wanted((0, 1), name="nope")),
        ("an illegal topic", wanted((0, 1), name="a/b")),
        ("a compacted topic", wanted((0, 1), name="compacted")),
        ("a compacted and deleted topic", wanted((0, 1), name="both")),
        ("a topic without a policy", wanted((0, 1), name="neither")),
        ("no topic", {"TimeoutMs": 5000, "Topics": []}),
        ("no partition", wanted()),
        ("up to the high watermark", wanted((0, -1))),
        ("and again", wanted((0, -1))),
        ("of an empty partition", wanted((1, -1))),
    ]
    for case, values in cases:
        ask(case, "DeleteRecords", 2, **values)
    for timestamp in (-1, -2, -4, 0):
        ask(f"behind a deletion, timestamp {timestamp}", "ListOffsets", 8, ReplicaId=-1, Topics=[
            {"Name": "d", "Partitions": [{"PartitionIndex": 0, "Timestamp": timestamp}]}])


def list_offsets():
    def wanted(*timestamps, name="o", index=0, epoch=-1):
        return [{"Name": name, "Partitions": [
            {"PartitionIndex": index, "Timestamp": t, "CurrentLeaderEpoch": epoch}
            for t in timestamps]}]

    create(topic("o"), topic("empty"))
    fill("o", 0, 5)
    for version in all_versions("ListOffsets"):
        for timestamp in (-1, -2, 0, 3000, 3001, 5000, 5001, -3, -4, -5, -6, -7, -100):
            ask(f"timestamp {timestamp}", "ListOffsets", version, ReplicaId=-1,
                Topics=wanted(timestamp))
    for timestamp in (-1, -2, -3, -4, -5, 0):
        ask(f"empty, timestamp {timestamp}", "ListOffsets", 10, ReplicaId=-1,
            Topics=wanted(timestamp, name="empty"))
    ask("unknown topic", "ListOffsets", 7, ReplicaId=-1, Topics=wanted(-1, name="nope"))
    ask("unknown partition", "ListOffsets", 7, ReplicaId=-1, Topics=wanted(-1, index=9))
    ask("read committed", "ListOffsets", 7, ReplicaId=-1, IsolationLevel=1, Topics=wanted(-1))
    ask("another isolation level", "ListOffsets", 7, ReplicaId=-1, IsolationLevel=2,
        Topics=wanted(-1))
    ask("a leader epoch ahead", "ListOffsets", 7, ReplicaId=-1, Topics=wanted(-1, epoch=5))
    for replica in (-2, -3, 1, 7):
        ask(f"replica {replica}", "ListOffsets", 7, ReplicaId=replica, Topics=wanted(-1))
    ask("no topic", "ListOffsets", 7, ReplicaId=-1)


def offset_for_leader_epoch():
    def wanted(*pairs, name="o", index=0):
        return [{"Topic": name, "Partitions": [
            {"Partition": index, "CurrentLeaderEpoch": current, "LeaderEpoch": epoch}
            for current, epoch in pairs]}]

    for version in all_versions("OffsetForLeaderEpoch"):
        replica = {"ReplicaId": -1} if version >= 3 else {}
        for pair in ((-1, 0), (0, 0), (-1, -1), (-1, 1), (0, 7), (1, 0), (-2, 0), (-1, -2)):
            ask(f"current {pair[0]}, asked {pair[1]}", "OffsetForLeaderEpoch", version,
                Topics=wanted(pair), **replica)
    for case, topics in (("an empty partition", wanted((-1, 0), name="empty")),
                         ("an unknown topic", wanted((-1, 0), name="nope")),
                         ("an unknown partition", wanted((-1, 0), index=5)),
                         ("no topic", [])):
        ask(case, "OffsetForLeaderEpoch", 4, Topics=topics, ReplicaId=-1)
    for replica in (-2, 1, 7):
        ask(f"replica {replica}", "OffsetForLeaderEpoch", 4, Topics=wanted((-1, 0)),
            ReplicaId=replica)


def describe_log_dirs():
    for version in all_versions("DescribeLogDirs"):
        ask("two partitions", "DescribeLogDirs", version,
            Topics=[{"Topic": "o", "Partitions": [0]}, {"Topic": "empty", "Partitions": [0]}])
    ask("unknown ones", "DescribeLogDirs", 4, Topics=[
        {"Topic": "o", "Partitions": [0, 7, -1]}, {"Topic": "nope", "Partitions": [0]}])
    ask("none", "DescribeLogDirs", 4, Topics=[])
    answer = quietly("DescribeLogDirs", 4, Topics=None)
    for result in answer["Results"]:
        names = sorted(t["Name"] for t in result["Topics"])
        print("DescribeLogDirs v4, all:", *names)


def describe_producers():
    def wanted(*pairs):
        return [{"Name": name, "PartitionIndexes": list(indexes)} for name, indexes in pairs]

    create(topic("by-ids", 2), topic("by-nobody"))
    fill("by-nobody", 0, 1)
    ask("nobody yet", "DescribeProducers", 0, Topics=wanted(("by-ids", (0, 1))))
    for producer in ((7001, 0, 0), (7001, 0, 1), (7002, 3, 0), (7002, 4, 0), (7003, 0, 2147483647)):
        at = 1000 + producer[2] % 100
        raw = batch(timestamps=(at, at), producer=producer)
        until = time.time() + 10
        while produced(produce_values("by-ids", 0, raw, -1)) == NOT_LEADER and time.time() < until:
            time.sleep(0.05)
    for case, topics in (("two epochs, two sequences", wanted(("by-ids", (0,)))),
                         ("idle ones", wanted(("by-nobody", (0,)), ("by-ids", (1,)))),
                         ("unknown ones",
                          wanted(("by-ids", (5, -1)), ("nope", (0,)), ("a/b", (0,)))),
                         ("twice the same", wanted(("by-nobody", (0, 0)), ("by-nobody", (0,)))),
                         ("no partition", wanted(("by-ids", ()))),
                         ("no topic", [])):
        ask(case, "DescribeProducers", 0, Topics=topics)


def unregister_broker():
    for broker in (7, -1):
        ask(f"broker {broker}", "UnregisterBroker", 0, BrokerId=broker)


def produce():
    create(topic("w"), topic("w2", 2, min_insync_replicas="2"))
    plain = batch()
    for version in all_versions("Produce"):
        if version >= 13:
            break
        for acks in (1, -1):
            ask(f"acks {acks}", "Produce", version, **produce_values("w", 0, plain, acks))
        for case, values in (
                ("zstd", produce_values("w", 0, batch(attributes=4))),
                ("acks 2", produce_values("w", 0, plain, acks=2)),
                ("transactional without an id",
                 produce_values("w", 0, batch(attributes=16, producer=(1, 0, 0)))),
                ("a bad checksum", produce_values("w", 0, batch(crc_off=1))),
                ("an unknown topic", produce_values("nope", 0, plain)),
                ("an unknown partition", produce_values("w", 5, plain)),
                ("too few replicas", produce_values("w2", 0, plain, acks=-1)),
                ("no topic", {"Acks": 1, "TimeoutMs": 5000, "TopicData": []})):
            ask(case, "Produce", version, **values)


def fetch_values(*parts, **more):
    """parts: (topic or id, partition, offset), those of one topic together."""
    topics = []
    for name, index, offset, *rest in parts:
        key = "TopicId" if len(name) == 36 else "Topic"
        if not topics or topics[-1][key] != name:
            topics.append({key: name, "Partitions": []})
        topics[-1]["Partitions"].append({
            "Partition": index, "FetchOffset": offset,
            "CurrentLeaderEpoch": rest[0] if rest else -1, "PartitionMaxBytes": 1 << 20})
    values = {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 1, "MaxBytes": 1 << 20,
              "SessionId": 0, "SessionEpoch": -1, "Topics": topics}
    values.update(more)
    return values


def fetch(ids):
    for version in all_versions("Fetch"):
        def values(*parts, **more):
            if version >= 13:
                parts = [(ids.get(p[0], OTHER_ID), *p[1:]) for p in parts]
            made = fetch_values(*parts, **more)
            if version >= 15:
                replica = made.pop("ReplicaId")
                if replica != -1:
                    made["ReplicaState"] = {"ReplicaId": replica, "ReplicaEpoch": 1}
            return made

        ask("two partitions", "Fetch", version, **values(("f", 0, 0), ("f", 1, 0)))
        ask("from the middle", "Fetch", version, **values(("f", 0, 2)))
        ask("at the end", "Fetch", version, **values(("f", 0, 4)))
        ask("above the end", "Fetch", version, **values(("f", 0, 5)))
        ask("a negative offset", "Fetch", version, **values(("f", 0, -1)))
        ask("unknown ones", "Fetch", version, **values(("nope", 0, 0), ("f", 0, 4), ("f", 9, 0)))
        ask("read committed", "Fetch", version, **values(("f", 0, 3), IsolationLevel=1))
        ask("a leader epoch ahead", "Fetch", version, **values(("f", 0, 0, 7)))
        ask("a fenced leader epoch", "Fetch", version, **values(("f", 0, 0, -2)))
        ask("a few octets", "Fetch", version, **values(("f", 0, 0), ("f", 1, 0), MaxBytes=80))
        ask("an octet", "Fetch", version, **values(("f", 0, 0), ("f", 1, 0), MaxBytes=1))
        ask("nothing", "Fetch", version, **values())
        ask("a replica that is not", "Fetch", version, **values(("f", 0, 0), ReplicaId=7))
        ask("the replica itself", "Fetch", version, **values(("f", 0, 0), ReplicaId=1))
        ask("a debugging consumer", "Fetch", version, **values(("f", 0, 3), ReplicaId=-2))
    for version in (12, 15):
        ask("a last fetched epoch ahead", "Fetch", version, **{
            **fetch_values(("f" if version == 12 else ids["f"], 0, 2)), "Topics": [
                {("Topic" if version == 12 else "TopicId"): "f" if version == 12 else ids["f"],
                 "Partitions": [{"Partition": 0, "FetchOffset": 2, "LastFetchedEpoch": 5,
                                 "PartitionMaxBytes": 1000}]}]}
            if version == 12 else {
                "MaxWaitMs": 0, "MinBytes": 1, "MaxBytes": 1000, "SessionEpoch": -1, "Topics": [
                    {"TopicId": ids["f"], "Partitions": [
                        {"Partition": 0, "FetchOffset": 2, "LastFetchedEpoch": 5,
                         "PartitionMaxBytes": 1000}]}]})


def fetch_sessions(ids):
    """One conversation by names (v12), one by ids (v17)."""
    for version, known in ((12, {"f": "f", "g": "g", "nope": "nope"}),
                           (17, {**ids, "nope": OTHER_ID})):
        key = "Topic" if version < 13 else "TopicId"
        state = {"id": 0}

        def go(case, epoch, *parts, session=None, forget=(), connection=None, at=version, **more):
            made = fetch_values(*[(known[p[0]], *p[1:]) for p in parts], SessionEpoch=epoch, **more)
            made["SessionId"] = state["id"] if session is None else session
            made["ForgottenTopicsData"] = [{key: known[name], "Partitions": list(indexes)}
                                           for name, indexes in forget]
            if at >= 15:
                made.pop("ReplicaId")
            if at != version:
                for one in made["Topics"] + made["ForgottenTopicsData"]:
                    one.clear()
            return ask("session: " + case, "Fetch", at, connection, **made)

        def opened(answer):
            state["id"] = answer["SessionId"]

        opened(go("begins", 0, ("f", 0, 4), ("f", 1, 2), ("g", 0, 0)))
        go("nothing new", 1)
        fill("f", 0, 1)
        go("a record came", 2)
        go("it is still there", 3)
        go("moved on", 4, ("f", 0, 5))
        go("nothing new again", 5)
        fill("g", 0, 1)
        fill("f", 0, 1)
        fill("f", 1, 1)
        go("three have records", 6)
        go("the first octets go round", 7, MaxBytes=1)
        go("and round", 8, MaxBytes=1)
        go("and round once more", 9, MaxBytes=1)
        go("an old epoch", 9)
        go("an epoch ahead", 12)
        with Client(ADDRESS) as other:
            go("from another connection", 10, ("f", 0, 6), ("f", 1, 3), ("g", 0, 1),
               connection=other)
        go("an unknown partition joins", 11, ("f", 7, 0))
        go("and errs each time", 12)
        go("an unknown topic joins while it goes", 13, ("nope", 0, 0), forget=[("f", [7])])
        go("and errs each time too", 14)
        go("is forgotten", 15, forget=[("nope", [0])])
        go("forgetting what was not there", 16, forget=[("f", [99])])
        go("out of range", 17, ("f", 0, 100))
        go("still out of range", 18)
        go("back in range", 19, ("f", 0, 6))
        go("quiet once more", 20)
        go("forgotten and named at once", 21, ("g", 0, 1), forget=[("g", [0])])
        go("the names of the other kind", 22, at=17 if version < 13 else 12)
        go("goes on after that", 22)
        go("an id that is not", 1, session=123)
        go("a negative id", 1, session=-5)
        go("a negative epoch", -2)
        go("begins without an id but with an epoch", 5, session=0)
        old = state["id"]
        opened(go("begins anew and closes the old one", 0, ("f", 0, 6)))
        go("the old one is gone", 23, session=old)
        go("everything is forgotten", 1, forget=[("f", [0])])
        go("an empty session is gone", 2)
        opened(go("begins with nothing", 0, session=0))
        if state["id"]:
            go("goes on with nothing", 1)
        opened(go("begins with an unknown one", 0, ("nope", 0, 0), ("f", 0, 6), session=0))
        go("and goes on", 1)
        go("ends", -1)
        go("has ended", 2)
        opened(go("a topic that will go", 0, ("g", 0, 1), ("f", 0, 6), session=0))
        if version < 13:
            state["keep"] = state["id"]
    return lambda: go("its topic is gone", 1)


def again():
    """Leaders have another epoch than before."""
    for topic_found in quietly("Metadata", 12, Topics=None)["Topics"]:
        topic_ids[topic_found["TopicId"]] = topic_found["Name"]
    f = next(number for number, name in topic_ids.items() if name == "f")
    ask("after a restart", "Metadata", 12, Topics=[{"Name": "f"}])
    for version in (9, 12):
        ask("an old leader epoch", "Fetch", version, **fetch_values(("f", 0, 0, 0)))
    for version in (13, 15, 16, 17):
        values = fetch_values((f, 0, 0, 0), (f, 1, 0, 0))
        if version >= 15:
            values.pop("ReplicaId")
        ask("an old leader epoch", "Fetch", version, **values)
    for version in (12, 16):
        values = fetch_values(("f" if version == 12 else f, 0, 0))
        if version >= 15:
            values.pop("ReplicaId")
        for epoch in (0, 1, 2, 3):
            values["Topics"][0]["Partitions"][0]["LastFetchedEpoch"] = epoch
            values["Topics"][0]["Partitions"][0]["FetchOffset"] = 8
            ask(f"last fetched epoch {epoch}", "Fetch", version, **values)
            values["Topics"][0]["Partitions"][0]["FetchOffset"] = 3
            ask(f"last fetched epoch {epoch}, below its end", "Fetch", version, **values)
    for current, asked in ((0, 0), (-1, 0), (-1, 1), (-1, 2), (2, 2), (-1, 3)):
        ask(f"current {current}, asked {asked}", "OffsetForLeaderEpoch", 4, ReplicaId=-1, Topics=[
            {"Topic": "f", "Partitions": [
                {"Partition": 0, "CurrentLeaderEpoch": current, "LeaderEpoch": asked}]}])
    for timestamp in (-1, -2, -3, 1000):
        for name in ("f", "d"):
            if (name, timestamp) == ("d", -3):
                continue  # Kafka finds a record that was deleted
            ask(f"{name}, timestamp {timestamp}", "ListOffsets", 7, ReplicaId=-1, Topics=[
                {"Name": name, "Partitions": [{"PartitionIndex": 0, "Timestamp": timestamp}]}])
    fill("f", 0, 1)
    for asked in (0, 1, 2):
        ask(f"asked {asked}, a record later", "OffsetForLeaderEpoch", 4, ReplicaId=-1, Topics=[
            {"Topic": "f", "Partitions": [{"Partition": 0, "LeaderEpoch": asked}]}])


def main():
    api_versions()
    metadata()
    describe_cluster()
    describe_topic_partitions()
    create_partitions()
    delete_records()
    list_offsets()
    offset_for_leader_epoch()
    describe_log_dirs()
    unregister_broker()
    describe_producers()
    create_topics()
    delete_topics()
    produce()
    ids = create(topic("f", 2), topic("g"))
    fill("f", 0, 4)
    fill("f", 1, 2)
    fetch(ids)
    after = fetch_sessions(ids)
    quietly("DeleteTopics", 5, TopicNames=["g"], TimeoutMs=10000)
    time.sleep(1)
    after()


if __name__ == "__main__":
    if sys.argv[2:] == ["again"]:
        again()
    else:
        main()
