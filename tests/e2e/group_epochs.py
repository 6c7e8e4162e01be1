"""tests/e2e/group_epochs.py - heartbeats of members by the consumer protocol, and what they do to
the epochs of their group and to what may be committed; called by group_epochs.test, which compares
with what Apache Kafka 4.3.1 answered.

    group_epochs.py HOST:PORT      a broker with the topics ta and tb of three partitions, no groups

A line a heartbeat: of which group, what was said; the answer; the group as it is then described.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client  # noqa: E402

client = Client(sys.argv[1])
SETTLED_S = 1.5  # group.consumer.assignment.interval.ms and some more
owned = {}


def partitions(assignment):
    return sorted(len(topic["Partitions"]) for topic in assignment["TopicPartitions"])


def described(group):
    answer = client.ask_again("ConsumerGroupDescribe", 1, GroupIds=[group])["Groups"][0]
    members = sorted(f"{m['MemberId']}:{m['MemberEpoch']}{partitions(m['Assignment'])}"
                     for m in answer["Members"])
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


def commit(group, member, epoch, version=9):
    answer = client.ask_again("OffsetCommit", version, GroupId=group, MemberId=member,
                              GenerationIdOrMemberEpoch=epoch, Topics=[{
                                  "Name": "ta", "Partitions": [
                                      {"PartitionIndex": 0, "CommittedOffset": 1,
                                       "CommittedMetadata": ""}]}])
    print(group, member, "commits at", epoch, "->",
          answer["Topics"][0]["Partitions"][0]["ErrorCode"])


def settle():
    time.sleep(SETTLED_S)


client.ask_again("FindCoordinator", 3, Key="a", KeyType=0)
time.sleep(1)

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
commit("fenced", "m", 2)
commit("fenced", "m", 1)
commit("fenced", "m", 9)
commit("fenced", "nobody", 2)
beat("fenced", "m", 2)
beat("fenced", "m", 2, owns=True)
commit("fenced", "m", 3)  # at 2, too, in Kafka: docs/groups.md
beat("fenced", "n", 3)
beat("fenced", "m", 2, owns=True)
