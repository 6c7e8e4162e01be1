"""tests/hostile/holds.py - the largest of requests, of each API that is served: nobody else waits
for it; called by holds.test.

    holds.py HOST:PORT BROKER_PID [MIB [NAME]]    requests of 4 MiB, or of MIB; whose name begins so

Each is made to cost the most for its size: one thing named as often as it fits, or as many
different ones. It is sent alone, beside a bystander on each shard; what that waited at the longest
is how long the request held a shard. A wait above HOLD_SECONDS is looked at twice more, since the
machine has others to serve as well. Prints the table.

Where handlers do their work in turns, the turns of the shards' loops are counted as well (METRICS:
HOST:PORT of the HTTP listener): that a handler has them is seen on a busy machine, too.
"""
import os
import socket
import struct
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import bystander  # noqa: E402
from bystander import Bystander, case  # noqa: E402
from client import MESSAGES, Client, Copies, batch, framed, record  # noqa: E402

ADDRESS, PID = sys.argv[1], int(sys.argv[2])
OCTETS = int(float(sys.argv[3] if len(sys.argv) > 3 else "4") * (1 << 20))
ONLY = sys.argv[4] if len(sys.argv) > 4 else ""
HOLD_SECONDS = float(os.environ.get("KLAMM_HOLD_SECONDS", "0.25"))
METRICS = os.environ.get("KLAMM_HOLD_METRICS", "")
TOPIC, GROUP, KEPT = "held", "group", "kept"  # KEPT: a group with an offset, which nothing ends
NUMBER, INDEX = Copies.NUMBERED, Copies.NUMBERED_INT32
BATCH = batch([record(value=b"")])
UUID = "23232323-2323-2323-2323-232323232323"  # an id for each copy
# Turns that a quarter of a MiB takes at the least; with its handler or its answer in one go it is
# some 20 to 60 (the request is decoded in turns in any case).
TURNS = {
    "AlterConfigs, keys, one": 180,
    "ConsumerGroupDescribe, each another": 110,
    "CreatePartitions, each another": 95,
    "CreateTopics, each another": 85,
    "DeleteGroups, each another": 85,
    "DeleteRecords, topics that are not there": 50,
    "DeleteTopics by name, each another": 95,
    "DescribeConfigs, keys, one": 97,
    "DescribeGroups, each another": 130,
    "DescribeLogDirs, one topic": 150,
    "DescribeProducers, one partition": 210,
    "DescribeTopicPartitions, each another": 140,
    "Fetch, one partition by name": 46,
    "Fetch, partitions that are not there by id, in a session": 46,
    "FindCoordinator, each another": 77,
    "IncrementalAlterConfigs, a topic, each another": 72,
    "LeaveGroup, each another": 57,
    "ListOffsets, partitions that are not there": 76,
    "Metadata, each another": 83,
    "OffsetCommit, topics, each another": 55,
    "OffsetDelete, topics, each another": 85,
    "OffsetFetch, partitions, each another": 145,
    "OffsetForLeaderEpoch, one partition": 64,
}


def fill(item):
    return Copies(item, OCTETS)


def named(partitions, name=TOPIC, key="Name", of="Partitions"):
    """One topic with these partitions."""
    return [{key: name, of: partitions}]


def each(key="Name", of="Partitions", partition=0, name=NUMBER):
    """Another topic each time."""
    return fill({key: name, of: [partition]})


def fetched(**more):
    return {"FetchOffset": 0, "PartitionMaxBytes": 1 << 20, **more}


def altered(kind, name, operation=None, config="retention.ms", value="5"):
    op = {} if operation is None else {"ConfigOperation": operation}
    return {"ResourceType": kind, "ResourceName": name,
            "Configs": [{"Name": config, "Value": value, **op}]}


CONFIG_KINDS = (("topic", 2), ("broker", 4), ("broker logger", 8), ("client", 16), ("group", 32))
SET, DELETE, APPEND = 0, 1, 2


def configs():
    for kind, of in CONFIG_KINDS:
        for how, name in (("each another", NUMBER), ("one", "1" if of == 4 else TOPIC)):
            yield (f"DescribeConfigs, a {kind}, {how}", "DescribeConfigs", 4, dict(Resources=fill(
                {"ResourceType": of, "ResourceName": name, "ConfigurationKeys": None}),
                IncludeSynonyms=True, IncludeDocumentation=True))
            yield (f"AlterConfigs, a {kind}, {how}", "AlterConfigs", 2, dict(
                Resources=fill(altered(of, name)), ValidateOnly=True))
            for real in (True, False):
                yield (f"IncrementalAlterConfigs, a {kind}, {how}{'' if real else ', to try'}",
                       "IncrementalAlterConfigs", 1, dict(
                           Resources=fill(altered(of, name, SET)), ValidateOnly=not real))
    for how, key in (("each another", NUMBER), ("one", "a")):
        yield (f"DescribeConfigs, keys, {how}", "DescribeConfigs", 4, dict(Resources=[
            {"ResourceType": 4, "ResourceName": "1", "ConfigurationKeys": fill(key)}]))
        yield (f"AlterConfigs, keys, {how}", "AlterConfigs", 2, dict(Resources=[
            {"ResourceType": 2, "ResourceName": TOPIC,
             "Configs": fill({"Name": key, "Value": "5"})}]))
        yield (f"CreateTopics, settings without values, {how}", "CreateTopics", 7, dict(
            validateOnly=True, Topics=[{"Name": "set", "NumPartitions": 1, "ReplicationFactor": 1,
                                        "Configs": fill({"Name": key, "Value": None})}]))
    for kind, of in CONFIG_KINDS:
        for how, operation, key, value in (
                ("set, without values", SET, NUMBER, None),
                ("set", SET, "retention.ms", "5"), ("set, each another", SET, NUMBER, "5"),
                ("deleted", DELETE, "retention.ms", None),
                ("appended", APPEND, "cleanup.policy", "delete")):
            edits = fill({"Name": key, "ConfigOperation": operation, "Value": value})
            name = "1" if of == 4 else TOPIC
            yield (f"IncrementalAlterConfigs, keys of a {kind}, {how}",
                   "IncrementalAlterConfigs", 1, dict(Resources=[
                       {"ResourceType": of, "ResourceName": name, "Configs": edits}]))
    yield ("IncrementalAlterConfigs, a list of many", "IncrementalAlterConfigs", 1, dict(Resources=[
        altered(2, TOPIC, APPEND, "cleanup.policy", "delete," * (OCTETS // 7))]))
    yield ("ListConfigResources", "ListConfigResources", 1, dict(ResourceTypes=fill(2)))


def records():
    yield ("Produce, one partition", "Produce", 9, dict(Acks=1, TimeoutMs=5000, TopicData=named(
        fill({"Index": 0, "Records": BATCH}), of="PartitionData")))
    yield ("Produce, one partition, without records", "Produce", 9, dict(
        Acks=1, TimeoutMs=5000, TopicData=named(fill({"Index": 0, "Records": None}),
                                                of="PartitionData")))
    yield ("Produce, topics that are not there", "Produce", 9, dict(
        Acks=1, TimeoutMs=5000, TopicData=fill({"Name": NUMBER, "PartitionData": [
            {"Index": 0, "Records": BATCH}]})))
    yield ("Produce, partitions that are not there", "Produce", 9, dict(
        Acks=1, TimeoutMs=5000, TopicData=named(fill({"Index": INDEX, "Records": None}),
                                                of="PartitionData")))
    yield ("Produce, one batch of small records", "Produce", 9, dict(
        Acks=1, TimeoutMs=5000, TopicData=named([{"Index": 0, "Records": batch(
            [record(i, b"", b"") for i in range(min(OCTETS, 1 << 20) // 24)])}],
            of="PartitionData")))
    for how, version, name in (("by name", 12, "Topic"), ("by id", 17, "TopicId")):
        one = TOPIC if version == 12 else UUID.replace("23", "11")
        other = NUMBER if version == 12 else UUID
        for session, epoch in (("", -1), (", in a session", 0)):
            yield (f"Fetch, one partition {how}{session}", "Fetch", version, dict(
                MaxBytes=1 << 20, SessionEpoch=epoch, Topics=named(
                    fill(fetched()), name=one, key=name)))
            yield (f"Fetch, topics that are not there {how}{session}", "Fetch", version, dict(
                MaxBytes=1 << 20, SessionEpoch=epoch, Topics=each(
                    key=name, name=other, partition=fetched())))
            yield (f"Fetch, partitions that are not there {how}{session}", "Fetch", version, dict(
                MaxBytes=1 << 20, SessionEpoch=epoch, Topics=named(
                    fill(fetched(Partition=INDEX)), name=one, key=name)))
        yield (f"Fetch, forgotten topics {how}", "Fetch", version, dict(
            MaxBytes=1 << 20, SessionEpoch=0, ForgottenTopicsData=each(key=name, name=other)))
    for what, timestamp in (("ends", -1), ("starts", -2), ("the newest time", -3), ("times", 1000)):
        yield (f"ListOffsets, {what} of one partition", "ListOffsets", 8, dict(
            ReplicaId=-1, Topics=named(fill({"Timestamp": timestamp}))))
    yield ("ListOffsets, topics that are not there", "ListOffsets", 8, dict(
        ReplicaId=-1, Topics=each(partition={"Timestamp": -1})))
    yield ("ListOffsets, partitions that are not there", "ListOffsets", 8, dict(
        ReplicaId=-1, Topics=named(fill({"PartitionIndex": INDEX, "Timestamp": -1}))))
    yield ("OffsetForLeaderEpoch, one partition", "OffsetForLeaderEpoch", 4, dict(
        Topics=named(fill({}), key="Topic")))
    yield ("OffsetForLeaderEpoch, topics that are not there", "OffsetForLeaderEpoch", 4, dict(
        Topics=each(key="Topic", partition={})))
    yield ("DeleteRecords, one partition", "DeleteRecords", 2, dict(
        TimeoutMs=5000, Topics=named(fill({"Offset": 0}))))
    yield ("DeleteRecords, topics that are not there", "DeleteRecords", 2, dict(
        TimeoutMs=5000, Topics=each(partition={"Offset": 0})))
    yield ("DescribeProducers, one partition", "DescribeProducers", 0, dict(
        Topics=named(fill(0), of="PartitionIndexes")))
    yield ("DescribeProducers, topics that are not there", "DescribeProducers", 0, dict(
        Topics=each(of="PartitionIndexes")))
    yield ("InitProducerId", "InitProducerId", 4, dict(TransactionalId=None))
    yield ("InitProducerId, a long id", "InitProducerId", 4, dict(TransactionalId="x" * OCTETS))


def topics():
    for how, name in (("one", TOPIC), ("each another", NUMBER), ("no name", "")):
        yield (f"Metadata, {how}", "Metadata", 12, dict(
            AllowAutoTopicCreation=False, Topics=fill({"Name": name})))
        yield (f"Metadata that creates, {how}", "Metadata", 12, dict(Topics=fill({"Name": name})))
        yield (f"CreateTopics, {how}", "CreateTopics", 7, dict(validateOnly=True, Topics=fill(
            {"Name": name, "NumPartitions": 1, "ReplicationFactor": 1})))
        yield (f"DeleteTopics, {how}", "DeleteTopics", 6, dict(
            TimeoutMs=5000, Topics=fill({"Name": name if name != TOPIC else "gone"})))
        yield (f"DeleteTopics by name, {how}", "DeleteTopics", 5, dict(
            TimeoutMs=5000, TopicNames=fill(name if name != TOPIC else "gone")))
        yield (f"CreatePartitions, {how}", "CreatePartitions", 3, dict(
            TimeoutMs=5000, ValidateOnly=True, Topics=fill(
                {"Name": name, "Count": 7, "Assignments": None})))
        yield (f"DescribeTopicPartitions, {how}", "DescribeTopicPartitions", 0, dict(
            Topics=fill({"Name": name})))
    yield ("Metadata, one id", "Metadata", 12, dict(
        AllowAutoTopicCreation=False, Topics=fill({"TopicId": UUID, "Name": None})))
    yield ("DeleteTopics, one id", "DeleteTopics", 6, dict(TimeoutMs=5000, Topics=fill(
        {"TopicId": UUID, "Name": None})))
    yield ("CreateTopics, 10000 partitions each", "CreateTopics", 7, dict(
        validateOnly=True, Topics=fill({"Name": NUMBER, "NumPartitions": 10000,
                                        "ReplicationFactor": 1})))
    yield ("CreateTopics, many partitions", "CreateTopics", 7, dict(validateOnly=True, Topics=[
        {"Name": "many", "NumPartitions": 2**31 - 1, "ReplicationFactor": 1}]))
    for how, index in (("one", 0), ("each another", INDEX)):
        yield (f"CreateTopics, assignments, {how}", "CreateTopics", 7, dict(
            validateOnly=True, Topics=[{"Name": "assigned", "NumPartitions": -1,
                                        "ReplicationFactor": -1, "Assignments": fill(
                                            {"PartitionIndex": index, "BrokerIds": [1]})}]))
    yield ("CreateTopics, replicas", "CreateTopics", 7, dict(validateOnly=True, Topics=[
        {"Name": "assigned", "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": [
            {"PartitionIndex": 0, "BrokerIds": fill(INDEX)}]}]))
    for how, key in (("one", "retention.ms"), ("each another", NUMBER)):
        yield (f"CreateTopics, settings, {how}", "CreateTopics", 7, dict(
            validateOnly=True, Topics=[{"Name": "set", "NumPartitions": 1, "ReplicationFactor": 1,
                                        "Configs": fill({"Name": key, "Value": "5"})}]))
    yield ("CreatePartitions, assignments", "CreatePartitions", 3, dict(
        TimeoutMs=5000, ValidateOnly=True, Topics=[
            {"Name": TOPIC, "Count": 2**31 - 1, "Assignments": fill({"BrokerIds": [1]})}]))
    yield ("DescribeLogDirs, one topic", "DescribeLogDirs", 4, dict(
        Topics=fill({"Topic": TOPIC, "Partitions": [0]})))
    yield ("DescribeLogDirs, one partition", "DescribeLogDirs", 4, dict(
        Topics=named(fill(0), key="Topic")))
    yield ("DescribeLogDirs, topics that are not there", "DescribeLogDirs", 4, dict(
        Topics=each(key="Topic")))
    for how, path in (("one directory", "/nowhere"), ("each another", "/" + NUMBER)):
        yield (f"AlterReplicaLogDirs, {how}", "AlterReplicaLogDirs", 2, dict(Dirs=fill(
            {"Path": path, "Topics": named([0])})))
    yield ("AlterReplicaLogDirs, one partition", "AlterReplicaLogDirs", 2, dict(Dirs=[
        {"Path": "/nowhere", "Topics": named(fill(0))}]))
    yield ("AlterReplicaLogDirs, topics that are not there", "AlterReplicaLogDirs", 2, dict(Dirs=[
        {"Path": "/nowhere", "Topics": each()}]))
    yield ("DescribeCluster", "DescribeCluster", 2, {})
    yield ("UnregisterBroker", "UnregisterBroker", 0, dict(BrokerId=9))
    yield ("ApiVersions, a long name", "ApiVersions", 4, dict(
        ClientSoftwareName="a" * OCTETS, ClientSoftwareVersion="1"))


def groups():
    who = dict(GroupId=GROUP)
    for how, name in (("one", GROUP), ("each another", NUMBER)):
        yield (f"FindCoordinator, {how}", "FindCoordinator", 6, dict(
            KeyType=0, CoordinatorKeys=fill(name)))
        yield f"DescribeGroups, {how}", "DescribeGroups", 6, dict(Groups=fill(name))
        yield f"DeleteGroups, {how}", "DeleteGroups", 2, dict(GroupsNames=fill(name))
        yield (f"ConsumerGroupDescribe, {how}", "ConsumerGroupDescribe", 1, dict(
            GroupIds=fill(name)))
        yield (f"OffsetFetch, groups, {how}", "OffsetFetch", 9, dict(Groups=fill(
            {"GroupId": name, "Topics": None})))
        yield (f"OffsetFetch, topics, {how}", "OffsetFetch", 9, dict(Groups=[
            {**who, "Topics": fill({"Name": name, "PartitionIndexes": [0]})}]))
        yield f"LeaveGroup, {how}", "LeaveGroup", 5, dict(**who, Members=fill({"MemberId": name}))
        yield (f"LeaveGroup, instances, {how}", "LeaveGroup", 5, dict(**who, Members=fill(
            {"MemberId": "", "GroupInstanceId": name})))
        yield (f"SyncGroup, {how}", "SyncGroup", 5, dict(
            **who, GenerationId=1, MemberId="m", ProtocolType="consumer", ProtocolName="range",
            Assignments=fill({"MemberId": name, "Assignment": b""})))
        yield (f"JoinGroup, protocols, {how}", "JoinGroup", 9, dict(
            GroupId="joined", SessionTimeoutMs=6000, MemberId="", ProtocolType="consumer",
            Protocols=fill({"Name": name, "Metadata": b""})))
        yield (f"ListGroups, states, {how}", "ListGroups", 5, dict(StatesFilter=fill(name)))
        yield (f"ListGroups, types, {how}", "ListGroups", 5, dict(TypesFilter=fill(name)))
        yield (f"ConsumerGroupHeartbeat, topics, {how}", "ConsumerGroupHeartbeat", 1, dict(
            GroupId="modern", MemberId="m", MemberEpoch=0, RebalanceTimeoutMs=9000,
            SubscribedTopicNames=fill(name), TopicPartitions=[]))
        yield (f"OffsetCommit, topics, {how}", "OffsetCommit", 9, dict(**who, Topics=each(
            name=name, partition={"CommittedOffset": 1, "CommittedMetadata": ""})))
        yield f"OffsetDelete, topics, {how}", "OffsetDelete", 0, dict(GroupId=KEPT, Topics=each(
            name=name, partition={}))
    for how, index in (("one", 0), ("each another", INDEX)):
        yield (f"OffsetFetch, partitions, {how}", "OffsetFetch", 9, dict(Groups=[
            {**who, "Topics": named(fill(index), of="PartitionIndexes")}]))
        yield (f"OffsetCommit, partitions, {how}", "OffsetCommit", 9, dict(**who, Topics=named(fill(
            {"PartitionIndex": index, "CommittedOffset": 1, "CommittedMetadata": ""}))))
        yield f"OffsetDelete, partitions, {how}", "OffsetDelete", 0, dict(
            GroupId=KEPT, Topics=named(fill(
            {"PartitionIndex": index})))
        yield (f"ConsumerGroupHeartbeat, partitions, {how}", "ConsumerGroupHeartbeat", 1, dict(
            GroupId="modern", MemberId="m", MemberEpoch=1, TopicPartitions=named(
                fill(index), name=UUID, key="TopicId")))
    yield ("ConsumerGroupHeartbeat, an expression", "ConsumerGroupHeartbeat", 1, dict(
        GroupId="modern", MemberId="m", MemberEpoch=0, RebalanceTimeoutMs=9000, TopicPartitions=[],
        SubscribedTopicRegex="(a|b)*" * (OCTETS // 6)))
    yield ("JoinGroup, a subscription to many", "JoinGroup", 9, dict(
        GroupId="wide", SessionTimeoutMs=6000, MemberId="", ProtocolType="consumer",
        Protocols=[{"Name": "range", "Metadata": subscription(OCTETS // 11)}]))
    for api, version in (("Heartbeat", 4), ("LeaveGroup", 2), ("SyncGroup", 3)):
        yield (f"{api}, a long member", api, version, dict(
            **who, MemberId="m" * min(OCTETS, 32767 if version < 4 else OCTETS),
            **({} if api == "LeaveGroup" else {"GenerationId": 1})))


def subscription(count):
    return struct.pack(">hi", 0, count) + b"".join(b"\0\x09topic%04d" % (i % 10000)
                                                   for i in range(count)) + struct.pack(">i", -1)


def swallow(connection, seconds=60):
    """Reads an answer without keeping it: its size, or None when the connection was closed."""
    connection.settimeout(seconds)
    buffer, got, size = bytearray(1 << 20), 0, 4
    head = b""
    try:
        while got < size:
            more = connection.recv_into(buffer)
            if more == 0:
                return None
            if len(head) < 4:
                head += bytes(buffer[:min(more, 4 - len(head))])
                size = 4 + (struct.unpack(">i", head)[0] if len(head) == 4 else 4)
            got += more
    except ConnectionError:
        return None
    return size - 4


def send(raw):
    """How long the request took, and the size of its answer."""
    host, _, port = ADDRESS.rpartition(":")
    began = time.monotonic()
    with socket.create_connection((host, int(port)), 60) as c:
        try:
            c.sendall(raw)
            answer = swallow(c)
        except ConnectionError:
            answer = None
    return time.monotonic() - began, answer


def hold(raw):
    """How long others waited, how long the request took, and the size of its answer."""
    aside = Bystander(ADDRESS, TOPIC, pause=0.001).start()
    took, answer = send(raw)
    aside.stop(answers=20)
    return aside.longest() if aside.problem is None else 99, took, answer


def turns():
    """That the shards' loops have made."""
    with urllib.request.urlopen(f"http://{METRICS}/metrics", timeout=10) as page:
        return sum(int(line.split()[-1]) for line in page.read().decode().splitlines()
                   if line.startswith("klamm_shard_turns_total{"))


def turns_of(raw):
    """Turns of others that a request sent alone leaves room for."""
    before = turns()
    send(raw)
    return turns() - before


def prepare():
    with Client(ADDRESS, timeout=60) as c:
        for name in (TOPIC, "gone"):
            c.ask("CreateTopics", 7, Topics=[
                {"Name": name, "NumPartitions": 1, "ReplicationFactor": 1}])
        while c.ask("FindCoordinator", 3, Key=GROUP, KeyType=0)["ErrorCode"] != 0:
            time.sleep(0.1)
        while c.ask("JoinGroup", 3, GroupId=GROUP, SessionTimeoutMs=30000, RebalanceTimeoutMs=30000,
                    MemberId="", ProtocolType="consumer",
                    Protocols=[{"Name": "range", "Metadata": b""}])["ErrorCode"] != 0:
            time.sleep(0.1)
        c.ask_again("OffsetCommit", 8, GroupId=KEPT, GenerationIdOrMemberEpoch=-1, Topics=[
            {"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0}]}])


def served():
    """The names of what ApiVersions lists."""
    names = {schema.key: name[:-len("Request")] for (kind, name), schema in MESSAGES.items()
             if kind == "request"}
    with Client(ADDRESS) as c:
        return {names[api["ApiKey"]] for api in c.ask("ApiVersions", 3)["ApiKeys"]}


def main():
    prepare()
    asked, worst = set(), (0, "")
    print(f"# {OCTETS / (1 << 20):g} MiB each; ms: the longest wait of others, the request")
    for rows in (records, topics, configs, groups):
        for name, api, version, values in rows():
            asked.add(api)
            if not name.startswith(ONLY):
                continue
            raw = framed(api, version, 7, values)
            waited, took, answer = hold(raw)
            for _ in range(2):
                if waited >= HOLD_SECONDS:
                    waited, took, answer = min((waited, took, answer), hold(raw))
            print(f"# {waited * 1000:7.1f} {took * 1000:8.1f}  {name} ({len(raw)} octets, "
                  f"{'closed' if answer is None else answer})", flush=True)
            worst = max(worst, (waited, name))
            if METRICS != "" and name in TURNS:
                made, wanted = turns_of(raw), TURNS[name] * OCTETS >> 18
                case(f"{name}: others have turns", made >= wanted, f"{made}, not {wanted}")
            if waited >= HOLD_SECONDS:
                case(f"{name}: nobody waits for {HOLD_SECONDS} s", False, f"{waited:.3f} s")
    case(f"nobody waits for {HOLD_SECONDS} s, by whatever request", worst[0] < HOLD_SECONDS, worst)
    if ONLY == "":
        case("each API that is served is among them", served() <= asked, served() - asked)


if __name__ == "__main__":
    main()
    sys.exit(bystander.failed > 0)
