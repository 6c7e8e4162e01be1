"""tests/e2e/group_apis.py - asks a broker about groups in every version, one line an answer; called
by group_apis.test, which compares them with what Apache Kafka 4.3.1 answered.

    group_apis.py HOST:PORT      a broker with topic `t` of two partitions, no groups,
                                 group.initial.rebalance.delay.ms=0, offset.metadata.max.bytes=100

What differs from run to run is replaced: member ids by M1, M2 ... in order of appearance, topic ids
by id(NAME), the port. Fields that have their default are left out.
"""
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import CLOSED, MESSAGES, NO_UUID, Client, covers, default_of  # noqa: E402

ADDRESS = sys.argv[1]
PORT = int(ADDRESS.rpartition(":")[2])
client = Client(ADDRESS)
members, topic_ids = {}, {NO_UUID: "none"}
MEMBER = re.compile(r"(test|i1|i2)-[0-9a-f]{8}-[0-9a-f-]{27}")
OTHER_ID = "00000000-0000-0000-0000-0000000000ff"
# Arrays that Kafka answers in the order of a hash map, or with what it refuses first.
UNORDERED = {"ListedGroup", "JoinGroupResponseMember", "DescribedGroupMember", "DescribedGroup",
             "OffsetFetchResponseTopic", "OffsetFetchResponseTopics", "DeletableGroupResult",
             "OffsetFetchResponsePartition", "OffsetFetchResponsePartitions",
             "OffsetCommitResponsePartition", "OffsetDeleteResponsePartition",
             "DescribeConfigsResourceResult"}


def member_name(match):
    return members.setdefault(match.group(), f"M{len(members) + 1}")


def show_value(field, value, version):
    if value is None:
        return "null"
    if field.struct is not None and field.array:
        items = [show(field.struct, item, version) for item in value]
        if field.struct.name in UNORDERED:
            items.sort()
        return "[" + ", ".join(items) + "]"
    if field.name == "TopicId":
        return f"id({topic_ids.get(value, value)})"
    if field.name in ("Port", "port") and value == PORT:
        return "PORT"
    if field.name in ("Host", "host") and value:
        return "HOST"
    if isinstance(value, str):
        return repr(MEMBER.sub(member_name, value))
    if isinstance(value, bytes):
        return value.decode("latin-1").__repr__()
    return str(value)


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
        words.append(f"{field.name}={show_value(field, value, version)}")
    return "{" + " ".join(words) + "}"


def say(name, version, case, values):
    schema = MESSAGES["response", name + "Response"]
    print(f"{name} v{version} {case}: {show(schema, values, version)}", flush=True)
    return values


def ask(name, version, case, **values):
    global client
    schema = MESSAGES["request", name + "Request"]
    known = {f.name for f in schema.fields if covers(f.versions, version)}
    answer = client.ask(name, version, **{k: v for k, v in values.items() if k in known})
    if answer == CLOSED:
        client = Client(ADDRESS)
    return say(name, version, case, answer)


def versions(name):
    schema = MESSAGES["request", name + "Request"]
    low, high = schema.versions if isinstance(schema.versions, tuple) else (None, None)
    return range(low, high + 1)


# ---- offsets ----

def find():
    while client.ask("FindCoordinator", 3, Key="warm", KeyType=0)["ErrorCode"] != 0:
        time.sleep(0.2)
    time.sleep(0.5)
    warm = [{"Name": "t", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0}]}]
    while client.ask("OffsetCommit", 2, GroupId="warm",
                     Topics=warm)["Topics"][0]["Partitions"][0]["ErrorCode"] != 0:
        time.sleep(0.2)
    for v in range(0, 7):
        for case, key, kind in [("a group", "g", 0), ("nobody's kind", "g", 7), ("no name", "", 0)]:
            if v == 0 and kind:
                continue
            ask("FindCoordinator", v, case, Key=key, KeyType=kind, CoordinatorKeys=[key])
        if v >= 4:
            ask("FindCoordinator", v, "several", KeyType=0, CoordinatorKeys=["a", "b", ""])
            ask("FindCoordinator", v, "none", KeyType=0, CoordinatorKeys=[])


def topic(v, name, *partitions):
    ids = {n: i for i, n in topic_ids.items()}
    return {"Name": name, "Partitions": list(partitions)} if v < 10 else {
        "TopicId": ids.get(name, OTHER_ID), "Partitions": list(partitions)}


def offsets():
    for v in range(2, 11):
        group = f"o{v}"
        part = {"PartitionIndex": 0, "CommittedOffset": 10 + v, "CommittedMetadata": "m"}
        if v >= 6:
            part["CommittedLeaderEpoch"] = 3
        ask("OffsetCommit", v, "a group of its own", GroupId=group,
            Topics=[topic(v, "t", part, dict(part, PartitionIndex=1, CommittedMetadata=None),
                          dict(part, PartitionIndex=2)), topic(v, "absent", part)])
        ask("OffsetCommit", v, "too much metadata", GroupId=group, Topics=[
            topic(v, "t", dict(part, CommittedOffset=1, CommittedMetadata="x" * 101))])
        ask("OffsetCommit", v, "of a generation nobody knows", GroupId="nobody" + group,
            GenerationIdOrMemberEpoch=4, MemberId="who", Topics=[topic(v, "t", part)])
        ask("OffsetCommit", v, "of a generation, no members", GroupId=group,
            GenerationIdOrMemberEpoch=4, MemberId="who", Topics=[topic(v, "t", part)])
        ask("OffsetCommit", v, "of an instance", GroupId=group, GenerationIdOrMemberEpoch=-1,
            MemberId="", GroupInstanceId="i1", Topics=[topic(v, "t", part)])
        ask("OffsetCommit", v, "nothing", GroupId=group, Topics=[])
        ask("OffsetCommit", v, "no group name", GroupId="", Topics=[topic(v, "t", part)])
    for v in range(1, 11):
        if v < 8:
            parts = [{"Name": "t", "PartitionIndexes": [0, 1, 7]},
                     {"Name": "absent", "PartitionIndexes": [0]}]
            for group in ("o9", "o2", "never"):
                ask("OffsetFetch", v, f"of {group}", GroupId=group, Topics=parts)
            ask("OffsetFetch", v, "of no topics", GroupId="o9", Topics=[])
            if v >= 2:
                ask("OffsetFetch", v, "of all", GroupId="o9", Topics=None)
                ask("OffsetFetch", v, "of all of nobody", GroupId="never", Topics=None)
            ask("OffsetFetch", v, "of no name", GroupId="", Topics=parts)
        else:
            parts = [dict(topic(v, name), PartitionIndexes=p)
                     for name, p in (("t", [0, 1, 7]), ("absent", [0]))]
            for p in parts:
                p.pop("Partitions")
            ask("OffsetFetch", v, "of several", Groups=[
                {"GroupId": "o9", "Topics": parts}, {"GroupId": "never", "Topics": parts},
                {"GroupId": "o2", "Topics": None}, {"GroupId": "never", "Topics": None}])
            ask("OffsetFetch", v, "of none", Groups=[], RequireStable=True)
    ask("OffsetDelete", 0, "some", GroupId="o3", Topics=[
        {"Name": "t", "Partitions": [{"PartitionIndex": 1}, {"PartitionIndex": 9}]},
        {"Name": "absent", "Partitions": [{"PartitionIndex": 0}]}])
    ask("OffsetDelete", 0, "of nobody", GroupId="never", Topics=[
        {"Name": "t", "Partitions": [{"PartitionIndex": 1}]}])
    ask("OffsetDelete", 0, "of no name", GroupId="", Topics=[
        {"Name": "t", "Partitions": [{"PartitionIndex": 1}]}])
    ask("OffsetFetch", 7, "after a deletion", GroupId="o3", Topics=None)


# ---- members ----

RANGE = [{"Name": "range", "Metadata": b"one"}, {"Name": "other", "Metadata": b"two"}]


def join(v, case, group, **more):
    values = dict(GroupId=group, SessionTimeoutMs=10000, RebalanceTimeoutMs=10000, MemberId="",
                  ProtocolType="consumer", Protocols=RANGE)
    values.update(more)
    return ask("JoinGroup", v, case, **values)


def join_both(v, case, group, **more):
    """As a client does: with the id that it is given."""
    answer = join(v, case, group, **more)
    if answer["ErrorCode"] == 79:
        more["MemberId"] = answer["MemberId"]
        answer = join(v, case + ", with its id", group, **more)
    return answer


def sync(v, case, group, member, generation, **more):
    values = dict(GroupId=group, MemberId=member, GenerationId=generation, ProtocolType="consumer",
                  ProtocolName="range", Assignments=[{"MemberId": member, "Assignment": b"yours"}])
    values.update(more)
    return ask("SyncGroup", v, case, **values)


def classic():
    for v in range(0, 10):
        group = f"j{v}"
        s, h, l = min(v, 5), min(v, 4), min(v, 5)
        join(v, "a session too short", group, SessionTimeoutMs=1)
        join(v, "a session too long", group, SessionTimeoutMs=2000000)
        join(v, "no group name", "")
        join(v, "no protocols", group, Protocols=[])
        join(v, "no protocol type", group, ProtocolType="")
        join(v, "an id that nobody gave", group, MemberId="made-up")
        answer = join_both(v, "the first member", group)
        member, generation = answer["MemberId"], answer["GenerationId"]
        ask("Heartbeat", h, "before the sync", GroupId=group, MemberId=member,
            GenerationId=generation)
        ask("OffsetCommit", 8, "before the sync", GroupId=group, MemberId=member,
            GenerationIdOrMemberEpoch=generation, Topics=[
                topic(8, "t", {"PartitionIndex": 0, "CommittedOffset": 1})])
        sync(s, "an older generation", group, member, generation - 1)
        sync(s, "an unknown member", group, "made-up", generation)
        sync(s, "another protocol", group, member, generation, ProtocolName="none")
        sync(s, "another type", group, member, generation, ProtocolType="connect")
        sync(s, "no group name", "", member, generation)
        sync(s, "a group that is not there", "never", member, generation)
        if s >= 5:
            sync(s, "no protocol", group, member, generation, ProtocolName=None, ProtocolType=None)
        sync(s, "the leader", group, member, generation)
        sync(s, "again", group, member, generation)
        ask("Heartbeat", h, "well", GroupId=group, MemberId=member, GenerationId=generation)
        ask("Heartbeat", h, "an older generation", GroupId=group, MemberId=member, GenerationId=0)
        ask("Heartbeat", h, "an unknown member", GroupId=group, MemberId="x", GenerationId=1)
        ask("Heartbeat", h, "a group that is not there", GroupId="never", MemberId="x",
            GenerationId=1)
        ask("Heartbeat", h, "no group name", GroupId="", MemberId="x", GenerationId=1)
        join(v, "another protocol type", group, ProtocolType="connect")
        join(v, "no protocol in common", group, Protocols=[{"Name": "none", "Metadata": b""}])
        join(v, "another's instance", group, MemberId=member, GroupInstanceId="i9")
        for case, epoch, who in (("its generation", generation, member),
                                 ("an older one", 0, member), ("none", -1, ""),
                                 ("an unknown member", generation, "x")):
            ask("OffsetCommit", 8, case, GroupId=group, MemberId=who,
                GenerationIdOrMemberEpoch=epoch,
                Topics=[topic(8, "t", {"PartitionIndex": 0, "CommittedOffset": 5})])
        for d in range(0, 7) if v == 9 else [min(v, 6)]:
            ask("DescribeGroups", d, "a stable group", Groups=[group],
                IncludeAuthorizedOperations=d >= 3)
        ask("OffsetDelete", 0, "while it is subscribed, perhaps", GroupId=group, Topics=[
            {"Name": "t", "Partitions": [{"PartitionIndex": 0}]}])
        ask("DeleteGroups", min(v, 2), "a stable group", GroupsNames=[group])
        if l < 3:
            ask("LeaveGroup", l, "an unknown member", GroupId=group, MemberId="x")
            ask("LeaveGroup", l, "well", GroupId=group, MemberId=member)
        else:
            ask("LeaveGroup", l, "several", GroupId=group, Members=[
                {"MemberId": "x"}, {"MemberId": member}, {"MemberId": "", "GroupInstanceId": "i9"}])
        ask("LeaveGroup", l, "a group that is not there", GroupId="never", MemberId="x",
            Members=[{"MemberId": "x"}])
        ask("LeaveGroup", l, "no group name", GroupId="", MemberId="x", Members=[{"MemberId": "x"}])
        ask("Heartbeat", h, "after it left", GroupId=group, MemberId=member,
            GenerationId=generation)
        sync(s, "after it left", group, member, generation)
        join(v, "after it left", group, MemberId=member)


def rejoin_in_background(group, **values):
    """Another connection, whose answer comes when the rebalance ends."""
    other, box = Client(ADDRESS, timeout=40), {}

    def run():
        box["answer"] = other.ask("JoinGroup", 9, **dict(
            GroupId=group, SessionTimeoutMs=10000, RebalanceTimeoutMs=10000,
            ProtocolType="consumer", Protocols=RANGE, **values))
    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    return thread, box


def static():
    for v in (5, 9):
        group = f"s{v}"
        first = join_both(v, "an instance", group, GroupInstanceId="i1")
        sync(5, "an instance", group, first["MemberId"], 1, GroupInstanceId="i1")
        second = join(v, "the instance is back", group, GroupInstanceId="i1")
        now = second["MemberId"]
        ask("Heartbeat", 4, "its old id", GroupId=group, MemberId=first["MemberId"],
            GroupInstanceId="i1", GenerationId=1)
        ask("Heartbeat", 4, "its new id", GroupId=group, MemberId=now, GroupInstanceId="i1",
            GenerationId=1)
        ask("Heartbeat", 4, "another instance", GroupId=group, MemberId=now,
            GroupInstanceId="i2", GenerationId=1)
        sync(5, "the instance is back", group, now, 1, GroupInstanceId="i1")
        sync(5, "its old id", group, first["MemberId"], 1, GroupInstanceId="i1")
        ask("OffsetCommit", 8, "its old id", GroupId=group, MemberId=first["MemberId"],
            GroupInstanceId="i1", GenerationIdOrMemberEpoch=1,
            Topics=[topic(8, "t", {"PartitionIndex": 0, "CommittedOffset": 5})])
        thread, box = rejoin_in_background(group, GroupInstanceId="i2")
        ask("Heartbeat", 4, "while another joins", GroupId=group, MemberId=now,
            GroupInstanceId="i1", GenerationId=1)
        ask("DescribeGroups", 6, "while another joins", Groups=[group])
        join(9, "again, as another joins", group, MemberId=now, GroupInstanceId="i1")
        thread.join()
        say("JoinGroup", 9, "another instance", box["answer"])
        ask("DescribeGroups", 6, "before the sync", Groups=[group])
        ask("LeaveGroup", 5, "an administrator removes both", GroupId=group, Members=[
            {"MemberId": "", "GroupInstanceId": "i1"}, {"MemberId": "", "GroupInstanceId": "i2"}])
        ask("DescribeGroups", 6, "when both are gone", Groups=[group])


# ---- administration ----

def admin():
    joined = join_both(9, "one that stays", "stays")
    sync(5, "one that stays", "stays", joined["MemberId"], 1)
    for v in range(0, 6):
        ask("ListGroups", v, "all")
        if v >= 4:
            for state in ("Stable", "stable", "Empty", "Dead", "nonsense", ""):
                ask("ListGroups", v, f"in state {state}", StatesFilter=[state])
            ask("ListGroups", v, "in either", StatesFilter=["Stable", "Empty"])
        if v >= 5:
            for kind in ("classic", "Classic", "consumer", "nonsense"):
                ask("ListGroups", v, f"of type {kind}", TypesFilter=[kind])
    for v in range(0, 7):
        ask("DescribeGroups", v, "several", Groups=["o9", "never", "", "j3"],
            IncludeAuthorizedOperations=v >= 3)
    for v in range(0, 3):
        ask("DeleteGroups", v, "several", GroupsNames=[f"o{v + 3}", "never", "stays", ""])
    ask("DeleteGroups", 2, "none", GroupsNames=[])
    ask("ListGroups", 5, "afterwards", TypesFilter=["classic"])


# ---- settings ----

GROUP = 32


def configs():
    def describe(case, name, keys=None, **more):
        ask("DescribeConfigs", 4, case, Resources=[
            {"ResourceType": GROUP, "ResourceName": name, "ConfigurationKeys": keys}], **more)

    def alter(case, name, *pairs, operation=0):
        ask("IncrementalAlterConfigs", 1, case, Resources=[
            {"ResourceType": GROUP, "ResourceName": name, "Configs": [
                {"Name": key, "ConfigOperation": operation, "Value": value}
                for key, value in pairs]}])
        time.sleep(0.3)

    describe("a group without any", "plain", IncludeSynonyms=True)
    describe("no name", "")
    alter("no name", "", ("consumer.session.timeout.ms", "50000"))
    alter("a session", "set", ("consumer.session.timeout.ms", "50000"))
    for key, value in (("nonsense", "1"), ("consumer.session.timeout.ms", "1"),
                       ("consumer.session.timeout.ms", "60001"),
                       ("consumer.session.timeout.ms", "long"),
                       ("consumer.heartbeat.interval.ms", "15001"),
                       ("consumer.heartbeat.interval.ms", "0"),
                       ("share.auto.offset.reset", "never"), ("share.isolation.level", "none"),
                       ("share.auto.offset.reset", "by_duration:P1DT2H3M4.5S"),
                       ("share.auto.offset.reset", "by_duration:P"),
                       ("share.record.lock.duration.ms", "999"), ("share.session.timeout.ms", "1"),
                       ("streams.num.standby.replicas", "3")):
        alter(f"{key}={value}", "set", (key, value))
    alter("a list that is none", "set", ("consumer.session.timeout.ms", "1"), operation=2)
    describe("what was set", "set", ["consumer.session.timeout.ms", "share.isolation.level"],
             IncludeSynonyms=True)
    ask("AlterConfigs", 2, "all anew", Resources=[
        {"ResourceType": GROUP, "ResourceName": "set", "Configs": [
            {"Name": "streams.num.standby.replicas", "Value": "1"}]}])
    time.sleep(0.3)
    ask("ListConfigResources", 1, "of groups", ResourceTypes=[GROUP])
    describe("what is set now", "set",
             ["consumer.session.timeout.ms", "streams.num.standby.replicas"])
    alter("deleted", "set", ("streams.num.standby.replicas", None), operation=1)
    describe("what is left", "set", ["streams.num.standby.replicas"])


answer = client.ask("Metadata", 12, Topics=[{"Name": "t"}])
topic_ids[answer["Topics"][0]["TopicId"]] = "t"
find()
offsets()
classic()
static()
admin()
configs()
