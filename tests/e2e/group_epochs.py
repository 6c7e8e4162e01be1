"""tests/e2e/group_epochs.py - heartbeats of members by the consumer protocol, and what they do to
the epochs of their group and to what may be committed; called by group_epochs.test, which compares
with what Apache Kafka 4.3.1 answered.

    group_epochs.py HOST:PORT      a broker with topics ta and tb of 3 partitions, tc of 2,
                                   without groups
    group_epochs.py --log <DUMP    what kafka-dump-log prints of the records that this left

A line a heartbeat: of which group, what was said; the answer; the group as it is then described. Of
the log a line for each record of what a member owns: its epochs and state, the partitions that it
has and those that it is to give back, each with its epoch.
"""
import json
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client  # noqa: E402



def json_after(line, word):
    begin = line.index(word) + len(word)
    return json.JSONDecoder().raw_decode(line[begin:])[0]["data"] if line[begin] == "{" else None


def with_epochs(topics):
    return " ".join(sorted(f"{p}@{e}" for topic in topics for p, e in
                           zip(topic["partitions"], topic["assignmentEpochs"]))) or "-"


def print_log():
    for line in sys.stdin:
        if 'key: {"type":"8"' not in line:
            continue
        key, value = json_after(line, "key: "), json_after(line, "payload: ")
        if key["groupId"].startswith("expression"):
            continue
        member = key["memberId"] if len(key["memberId"]) == 1 else "classic"
        print(key["groupId"], member, "gone" if value is None else
              f"{value['previousMemberEpoch']}->{value['memberEpoch']} {value['state']} "
              f"{with_epochs(value['assignedPartitions'])}"
              f" | {with_epochs(value['partitionsPendingRevocation'])}")


if sys.argv[1] == "--log":
    print_log()
    sys.exit()
client = Client(sys.argv[1])
SETTLED_S = 1.2  # group.consumer.assignment.interval.ms and some more
owned = {}
shown = {}  # names of members whose ids the broker made


def partitions(assignment):
    return sorted(len(topic["Partitions"]) for topic in assignment["TopicPartitions"])


def described(group):
    answer = client.ask_again("ConsumerGroupDescribe", 1, GroupIds=[group])["Groups"][0]
    members = sorted(f"{shown.get(m['MemberId'], m['MemberId'])}:{m['MemberEpoch']}"
                     f"{partitions(m['Assignment'])}" for m in answer["Members"])
    return (f"{answer['GroupState'] or '-'} {answer['GroupEpoch']} {answer['AssignmentEpoch']} "
            f"{' '.join(members)}").rstrip()


def beat(group, member, epoch, topics=None, owns=False, **more):
    said = {"GroupId": group, "MemberId": member, "MemberEpoch": epoch,
            "SubscribedTopicNames": topics, "TopicPartitions": None, **more}
    if epoch == 0:
        said.update(RebalanceTimeoutMs=60000, TopicPartitions=[])
    elif owns:
        said["TopicPartitions"] = owned.get((group, member), [])
    answer = client.ask_again("ConsumerGroupHeartbeat", 1, **said)
    if answer["Assignment"] is not None:
        owned[group, member] = answer["Assignment"]["TopicPartitions"]
    given = "" if answer["Assignment"] is None else f" {partitions(answer['Assignment'])}"
    wants = "" if topics is None else f" {topics}"
    print(f"{group} {member} at {epoch}{wants}{' owns' if owns else ''}"
          f"{''.join(f' {key}={value}' for key, value in more.items())} ->"
          f" {answer['ErrorCode']} {answer['MemberEpoch']}{given}"
          f" {answer['ErrorMessage'] or ''}| {described(group)}")
    return answer


def commit(group, member, epoch, partitions=(0,), version=9, metadata=""):
    """Of partitions of ta; by its id from version 10 on."""
    answer = client.ask_again("OffsetCommit", version, GroupId=group, MemberId=member,
                              GenerationIdOrMemberEpoch=epoch, Topics=[{
                                  **({"Name": "ta"} if version < 10 else {"TopicId": ta}),
                                  "Partitions": [{"PartitionIndex": p, "CommittedOffset": 1,
                                                  "CommittedMetadata": metadata}
                                                 for p in partitions]}])
    return [p["ErrorCode"] for p in answer["Topics"][0]["Partitions"]]


def says_commit(what, group, member, epoch, *of, **more):
    print(group, shown.get(member, member), "commits", what, "at", epoch, "->",
          *commit(group, member, epoch, *of, **more))


def owned_of(group, member):
    return sorted(p for topic in owned[group, member] for p in topic["Partitions"])


# ---- members that speak the classic protocol ----

def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def subscription(*topics):
    return struct.pack(">hi", 0, len(topics)) + b"".join(map(text, topics)) + struct.pack(">i", -1)


def owning(topics, owned):
    """The same in the version that says what it owns."""
    return (struct.pack(">hi", 1, len(topics)) + b"".join(map(text, topics)) +
            struct.pack(">ii", -1, len(owned)) + b"".join(
                text(t) + struct.pack(f">i{len(ps)}i", len(ps), *ps) for t, ps in owned.items()))


SUBSCRIPTION = subscription("ta")
ALL_OF_TA = struct.pack(">hi", 0, 1) + text("ta") + struct.pack(">iiiii", 3, 0, 1, 2, -1)


def classic_join(group, member, metadata=SUBSCRIPTION):
    answer = client.ask_again("JoinGroup", 9, GroupId=group, MemberId=member,
                              SessionTimeoutMs=30000, RebalanceTimeoutMs=30000,
                              ProtocolType="consumer",
                              Protocols=[{"Name": "range", "Metadata": metadata}])
    if answer["ErrorCode"] == 79:  # MEMBER_ID_REQUIRED
        return classic_join(group, answer["MemberId"], metadata)
    shown[answer["MemberId"]] = "classic"
    print(f"{group} classic joins -> {answer['ErrorCode']} {answer['GenerationId']}")
    return answer["MemberId"]


def by_topic(assignment):
    """{topic: partitions} of what a leader or the coordinator writes."""
    given, at = {}, 6
    for _ in range(struct.unpack_from(">i", assignment, 2)[0] if assignment else 0):
        size = struct.unpack_from(">h", assignment, at)[0]
        topic, at = assignment[at + 2:at + 2 + size].decode(), at + 2 + size
        count = struct.unpack_from(">i", assignment, at)[0]
        given[topic] = list(struct.unpack_from(f">{count}i", assignment, at + 4))
        at += 4 + 4 * count
    return given


def classic_sync(group, member, generation, assignment=None):
    answer = client.ask_again("SyncGroup", 5, GroupId=group, MemberId=member,
                              GenerationId=generation, ProtocolType="consumer",
                              ProtocolName="range",
                              Assignments=[] if assignment is None else [
                                  {"MemberId": member, "Assignment": assignment}])
    given = by_topic(answer["Assignment"])
    print(f"{group} classic syncs at {generation} -> {answer['ErrorCode']}",
          sorted(map(len, given.values())))
    return given.get("ta", [])


def settle():
    time.sleep(SETTLED_S)


def classic_beat(group, member, generation):
    answer = client.ask_again("Heartbeat", 4, GroupId=group, MemberId=member,
                              GenerationId=generation)
    print(f"{group} classic beats at {generation} -> {answer['ErrorCode']}")


# ---- a subscription that changes between two targets ----

def no_new_target(*groups):
    """From now on: for longer than what follows takes."""
    client.ask_again("IncrementalAlterConfigs", 1, Resources=[
        {"ResourceType": 32, "ResourceName": group, "Configs": [
            {"Name": "consumer.assignment.interval.ms", "ConfigOperation": 0, "Value": "600000"}]}
        for group in groups])
    time.sleep(0.3)


def beat_unseen(group, member, epoch, expression=None):
    """How Kafka matches an expression first is its own: behind the first heartbeat, and another one
    of the group 10 s later at the earliest. Told is what comes of it."""
    joins = {"RebalanceTimeoutMs": 60000, "ServerAssignor": "range", "TopicPartitions": [],
             "SubscribedTopicRegex": expression} if epoch == 0 else {"TopicPartitions": None}
    answer = client.ask_again("ConsumerGroupHeartbeat", 1, GroupId=group, MemberId=member,
                              MemberEpoch=epoch, SubscribedTopicNames=None, **joins)
    if answer["Assignment"] is not None:
        owned[group, member] = answer["Assignment"]["TopicPartitions"]
    return answer["MemberEpoch"]


def let_go(group, member, topic):
    owned[group, member] = [t for t in owned[group, member] if t["TopicId"] != ids[topic]]


client.ask_again("FindCoordinator", 3, Key="a", KeyType=0)
time.sleep(1)
ids = {t["Name"]: t["TopicId"] for t in client.ask_again("Metadata", 12, Topics=[
    {"Name": name} for name in ("ta", "tb", "tc")])["Topics"]}
ta = ids["ta"]
by_expression = beat_unseen("expression", "x", 0, "t[ac]")
by_another = beat_unseen("expressions", "z", 0, "ta")

beat("joins", "a", 0, ["ta"])
beat("joins", "b", 0, [])
beat("joins", "b", 2, ["ta"])
settle()
beat("joins", "a", 2)
beat("joins", "b", 2)
beat("joins", "a", 2, owns=True)
beat("joins", "b", 3)
beat("joins", "c", 0, ["ta"])
beat("joins", "c", -1)
beat("joins", "b", -1)
beat("joins", "a", -1)
beat("joins", "d", 0, ["ta"])
beat("joins", "d", -1)

beat("wants-nothing", "e", 0, [])
beat("wants-nothing", "e", 1)
beat("wants-nothing", "e", 1, ["ta"])
settle()
beat("wants-nothing", "e", 2, [])
beat("wants-nothing", "e", 2, owns=True)
beat("wants-nothing", "e", 3, ["tb"])
settle()
beat("wants-nothing", "e", 3)
beat("wants-nothing", "e", -1)

beat("wants-what-is-not", "f", 0, ["unknown"])
beat("wants-what-is-not", "f", 2)
beat("wants-what-is-not", "f", 2, ["ta"])
beat("wants-what-is-not", "f", -1)
beat("says-nothing", "g", 0)
beat("says-nothing", "g", 1)
beat("empty-expression", "h", 0, SubscribedTopicRegex="")
beat("empty-expression", "h", -1)

beat("static", "i", 0, ["ta"], InstanceId="one")
beat("static", "i", -2, InstanceId="one")
beat("static", "j", 0, ["ta"], InstanceId="one")
beat("static", "i", 2, InstanceId="one")
beat("static", "k", 0, ["ta"], InstanceId="one")
beat("static", "j", -1, InstanceId="one")

beat("changes-its-mind", "l", 0, ["ta"], ServerAssignor="range")
settle()
beat("changes-its-mind", "l", 2, ServerAssignor="uniform")
beat("changes-its-mind", "l", 2, RackId="r")
beat("changes-its-mind", "l", 2, ["ta", "tb"])
beat("changes-its-mind", "l", -1)

beat("fenced", "m", 0, ["ta"])
beat("fenced", "m", 5)
beat("fenced", "m", 1)
beat("fenced", "m", 0, ["ta"])
beat("fenced", "nobody", 2)
settle()
beat("fenced", "n", 0, ["ta"])
says_commit("one", "fenced", "m", 2)
says_commit("one", "fenced", "m", 1)
says_commit("one", "fenced", "m", 9)
says_commit("one", "fenced", "nobody", 2)
beat("fenced", "m", 2)
beat("fenced", "m", 2, owns=True)
beat("fenced", "n", 3)
beat("fenced", "m", 2, owns=True)

# KIP-1251: what a member has had since an epoch it may commit at that epoch, too.
beat("commits", "p", 0, ["ta"])
settle()
beat("commits", "q", 0, ["ta"])
beat("commits", "p", 2)
kept = owned_of("commits", "p")
gone = sorted({0, 1, 2} - set(kept))
says_commit("what it keeps", "commits", "p", 2, kept)
says_commit("what it shall give back", "commits", "p", 2, gone)
says_commit("what it shall give back", "commits", "p", 1, gone)
beat("commits", "p", 2, owns=True)
for version in 9, 10:
    says_commit(f"what it kept, v{version},", "commits", "p", 3, kept, version=version)
    says_commit(f"what it kept, v{version},", "commits", "p", 2, kept, version=version)
    says_commit(f"what it gave back, v{version},", "commits", "p", 3, gone, version=version)
    says_commit(f"what it gave back, v{version},", "commits", "p", 2, gone, version=version)
    says_commit(f"both, v{version},", "commits", "p", 2, kept + gone, version=version)
    says_commit(f"what it kept, v{version},", "commits", "p", 1, kept, version=version)
    says_commit(f"what it kept, v{version},", "commits", "p", 4, kept, version=version)
    says_commit(f"what it kept, v{version},", "commits", "p", -1, kept, version=version)
says_commit("what it kept, too long,", "commits", "p", 2, kept, metadata="x" * 5000)
says_commit("what it gave back, too long,", "commits", "p", 2, gone, metadata="x" * 5000)
beat("commits", "q", 3)
says_commit("what it got", "commits", "q", 3, owned_of("commits", "q"))
says_commit("what it got", "commits", "q", 2, owned_of("commits", "q"))
settle()
beat("commits", "r", 0, ["ta"])
beat("commits", "p", 3)
gone = sorted(set(kept) - set(owned_of("commits", "p")))
says_commit("what it shall give back", "commits", "p", 2, gone)
says_commit("what it shall give back", "commits", "p", 1, gone)
beat("commits", "p", 3, owns=True)
says_commit("what it gave back", "commits", "p", 3, gone)
says_commit("what it kept", "commits", "p", 2, owned_of("commits", "p"))
kept = owned_of("commits", "p")
beat("commits", "q", -1)
beat("commits", "r", -1)
settle()
beat("commits", "p", 4)
says_commit("what it kept", "commits", "p", 2, kept)
says_commit("what it got back", "commits", "p", 6, gone)
says_commit("what it got back", "commits", "p", 4, gone)

beat("place", "s", 0, ["ta"], InstanceId="one")
beat("place", "s", -2, InstanceId="one")
says_commit("all", "place", "s", 2, [0, 1, 2])
says_commit("all", "place", "s", -2, [0, 1, 2])
says_commit("all", "place", "s", -3, [0, 1, 2])
beat("place", "t", 0, ["ta"], InstanceId="one")
says_commit("all", "place", "t", 1, [0, 1, 2])
says_commit("all", "place", "t", 0, [0, 1, 2])
says_commit("all", "place", "s", 2, [0, 1, 2])

old = classic_join("upgrade", "")
classic_sync("upgrade", old, 1, ALL_OF_TA)
beat("upgrade", "u", 0, ["ta"])
says_commit("all", "upgrade", old, 1, [0, 1, 2])
says_commit("all", "upgrade", old, 2, [0, 1, 2])
says_commit("all", "upgrade", old, 0, [0, 1, 2])
classic_join("upgrade", old)
kept = classic_sync("upgrade", old, 2)
gone = sorted({0, 1, 2} - set(kept))
says_commit("what it kept", "upgrade", old, 2, kept)
says_commit("what it kept", "upgrade", old, 1, kept)
says_commit("what it kept", "upgrade", old, 0, kept)
says_commit("what it gave back", "upgrade", old, 2, gone)
says_commit("what it gave back", "upgrade", old, 1, gone)
beat("upgrade", "u", 2)
says_commit("what it got", "upgrade", "u", 1, gone)

# KAFKA-19431: of what it is not subscribed to any more a member keeps and gets nothing, whatever a
# target says that is older than that.
by_expression = beat_unseen("expression", "x", by_expression)
by_another = beat_unseen("expressions", "z", by_another)
by_expressions = beat_unseen("expressions", "y", 0, "t[ac]")
beat("waits", "a", 0, ["ta", "tb"], ServerAssignor="range")
beat("behind", "a", 0, ["ta", "tc"], ServerAssignor="range")
beat("gives-up-between", "a", 0, ["ta", "tc"], ServerAssignor="range")
beat("old-waits", "u", 0, ["ta", "tc"], ServerAssignor="range")
settle()
beat("waits", "b", 0, ["ta", "tb"], ServerAssignor="range")
beat("behind", "b", 0, ["ta", "tc"], ServerAssignor="range")
beat("gives-up-between", "b", 0, ["ta", "tc"], ServerAssignor="range")
beat("gives-up-between", "a", 2)
waiting = classic_join("old-waits", "", subscription("ta", "tc"))
classic_sync("old-waits", waiting, 3)
classic_beat("old-waits", waiting, 3)
by_expressions = beat_unseen("expressions", "y", by_expressions)
beat("expressions", "z", 2, owns=True)
beat("expressions", "z", 2, owns=True)
beat("expressions", "y", 3, owns=True)
old = classic_join("old-gives-up", "", subscription("ta", "tc"))
classic_sync("old-gives-up", old, 1, ALL_OF_TA)
beat("old-gives-up", "u", 0, ["ta", "tc"], ServerAssignor="range")
classic_join("old-gives-up", old, owning(["ta", "tc"], {"ta": [0, 1]}))
kept = classic_sync("old-gives-up", old, 2)
beat("old-gives-up", "u", 2)
classic_beat("old-gives-up", old, 2)
no_new_target("gives-up", "has-let-go", "gives-up-all", "gives-up-more", "gives-up-next",
              "wants-again", "waits", "behind", "gives-up-between", "begins-again", "seat",
              "expression", "expressions", "old-gives-up", "old-waits")
classic_join("old-gives-up", old, owning(["tc"], {"ta": kept}))
classic_sync("old-gives-up", old, 2)
classic_beat("old-gives-up", old, 2)
beat("old-gives-up", "u", 2, owns=True)
classic_join("old-gives-up", old, owning(["tc"], {}))
classic_sync("old-gives-up", old, 2)
classic_beat("old-gives-up", old, 2)
beat("old-gives-up", "u", 2, owns=True)

beat("gives-up", "a", 0, ["ta", "tc"])
beat("gives-up", "a", 2, ["ta"])
says_commit("what it keeps", "gives-up", "a", 2, [0, 1, 2])
beat("gives-up", "a", 2)
beat("gives-up", "a", 2, owns=True)
beat("gives-up", "a", 2, ["ta", "tc"])
beat("gives-up", "a", 2)

beat("has-let-go", "a", 0, ["ta", "tc"])
let_go("has-let-go", "a", "tc")
beat("has-let-go", "a", 2, ["ta"], owns=True)
beat("has-let-go", "a", 2)
beat("has-let-go", "a", 1, owns=True)

beat("gives-up-all", "a", 0, ["ta", "tc"])
beat("gives-up-all", "a", 2, [])
beat("gives-up-all", "a", 2)
beat("gives-up-all", "a", 2, owns=True)
beat("gives-up-all", "a", 2, [])
beat("gives-up-all", "a", 2, ["ta"])
beat("gives-up-all", "a", 2, [], owns=True)

beat("gives-up-more", "a", 0, ["ta", "tb", "tc"])
beat("gives-up-more", "a", 2, ["ta", "tb"])
beat("gives-up-more", "a", 2, ["ta"])
beat("gives-up-more", "a", 2, ["ta", "tc"])
beat("gives-up-more", "a", 2, owns=True)
beat("gives-up-more", "a", 2)

beat("gives-up-next", "a", 0, ["ta", "tb", "tc"])
beat("gives-up-next", "a", 2, ["ta", "tb"])
beat("gives-up-next", "a", 2, ["ta"], owns=True)
beat("gives-up-next", "a", 2, owns=True)
beat("gives-up-next", "a", 3, owns=True)

beat("wants-again", "a", 0, ["ta", "tc"])
beat("wants-again", "a", 2, ["ta"])
beat("wants-again", "a", 2, ["ta", "tc"])
beat("wants-again", "a", 2, owns=True)
beat("wants-again", "a", 2)

beat("waits", "b", 3)
beat("waits", "b", 2, owns=True)
beat("waits", "b", 3, ["ta"])
beat("waits", "b", 3)
beat("waits", "a", 2)
beat("waits", "a", 2, owns=True)
beat("waits", "b", 3)
beat("waits", "b", 3, [])
beat("waits", "b", 3, owns=True)

beat("behind", "a", 2, ["tc"])
beat("behind", "a", 2, owns=True)
beat("behind", "b", 3, ["ta"])
beat("behind", "b", 3)

beat("gives-up-between", "a", 2, ["tc"], owns=True)
beat("gives-up-between", "a", 2, owns=True)

beat("begins-again", "a", 0, ["ta", "tc"])
beat("begins-again", "a", 0, ["tc"])
beat("begins-again", "a", 2)

beat("seat", "s", 0, ["ta", "tc"], InstanceId="one")
beat("seat", "s", -2, InstanceId="one")
beat("seat", "t", 0, ["tc"], InstanceId="one")
beat("seat", "t", 2, InstanceId="one")
says_commit("all", "seat", "t", 2, [0, 1, 2])

classic_join("old-waits", waiting, owning(["tc"], {}))
classic_sync("old-waits", waiting, 3)
classic_beat("old-waits", waiting, 3)
beat("old-waits", "u", 2, ["ta"])
classic_beat("old-waits", waiting, 3)
beat("old-waits", "u", 2, owns=True)
classic_beat("old-waits", waiting, 3)
classic_join("old-waits", waiting, owning(["tc"], {}))
classic_sync("old-waits", waiting, 3)

beat("expression", "x", 2, owns=True)
beat("expression", "x", 2, ["ta"], SubscribedTopicRegex="")
beat("expression", "x", 2, owns=True)
beat("expression", "x", 2, ["tc"])

beat("expressions", "y", 3, SubscribedTopicRegex="ta")
beat("expressions", "y", 3, owns=True)
beat("expressions", "y", 3, [], SubscribedTopicRegex="", owns=True)
