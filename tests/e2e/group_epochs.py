"""tests/e2e/group_epochs.py - heartbeats of members by the consumer protocol, and what they do to
the epochs of their group and to what may be committed; called by group_epochs.test, which compares
with what Apache Kafka 4.3.1 answered.

    group_epochs.py HOST:PORT      a broker with the topics ta and tb of three partitions, no groups
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
        said["TopicPartitions"] = owned.get(member, [])
    answer = client.ask_again("ConsumerGroupHeartbeat", 1, **said)
    if answer["Assignment"] is not None:
        owned[member] = answer["Assignment"]["TopicPartitions"]
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


def owned_of(member):
    return sorted(p for topic in owned[member] for p in topic["Partitions"])


# ---- members that speak the classic protocol ----

def text(value):
    return struct.pack(">h", len(value)) + value.encode()


SUBSCRIPTION = struct.pack(">hi", 0, 1) + text("ta") + struct.pack(">i", -1)
ALL_OF_TA = struct.pack(">hi", 0, 1) + text("ta") + struct.pack(">iiiii", 3, 0, 1, 2, -1)


def classic_join(group, member):
    answer = client.ask_again("JoinGroup", 9, GroupId=group, MemberId=member,
                              SessionTimeoutMs=30000, RebalanceTimeoutMs=30000,
                              ProtocolType="consumer",
                              Protocols=[{"Name": "range", "Metadata": SUBSCRIPTION}])
    if answer["ErrorCode"] == 79:  # MEMBER_ID_REQUIRED
        return classic_join(group, answer["MemberId"])
    shown[answer["MemberId"]] = "classic"
    print(f"{group} classic joins -> {answer['ErrorCode']} {answer['GenerationId']}")
    return answer["MemberId"]


def classic_sync(group, member, generation, assignment=None):
    answer = client.ask_again("SyncGroup", 5, GroupId=group, MemberId=member,
                              GenerationId=generation, ProtocolType="consumer",
                              ProtocolName="range",
                              Assignments=[] if assignment is None else [
                                  {"MemberId": member, "Assignment": assignment}])
    raw = answer["Assignment"]
    given = [] if len(raw) < 14 else sorted(
        struct.unpack_from(f">{struct.unpack_from('>i', raw, 10)[0]}i", raw, 14))
    print(f"{group} classic syncs at {generation} -> {answer['ErrorCode']} {len(given)}")
    return given


def settle():
    time.sleep(SETTLED_S)


client.ask_again("FindCoordinator", 3, Key="a", KeyType=0)
time.sleep(1)
ta = client.ask_again("Metadata", 12, Topics=[{"Name": "ta"}])["Topics"][0]["TopicId"]

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
settle()
beat("wants-nothing", "e", 2, owns=True)
beat("wants-nothing", "e", -1)

beat("wants-what-is-not", "f", 0, ["unknown"])
beat("wants-what-is-not", "f", 2)
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
kept = owned_of("p")
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
says_commit("what it got", "commits", "q", 3, owned_of("q"))
says_commit("what it got", "commits", "q", 2, owned_of("q"))
settle()
beat("commits", "r", 0, ["ta"])
beat("commits", "p", 3)
gone = sorted(set(kept) - set(owned_of("p")))
says_commit("what it shall give back", "commits", "p", 2, gone)
says_commit("what it shall give back", "commits", "p", 1, gone)
beat("commits", "p", 3, owns=True)
says_commit("what it gave back", "commits", "p", 3, gone)
says_commit("what it kept", "commits", "p", 2, owned_of("p"))
kept = owned_of("p")
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
