"""tests/tools/group_tools.py - records and groups that are the same on every broker, for
group_tools.test.

    group_tools.py HOST:PORT    makes them, says "ready", and keeps the members in their groups
                                until its input ends

Topics: ta of three partitions with ten records each, tb of one with five, vt of one with two, vp of
one with none; record n is of n seconds after 1970. Groups: `left` has offsets and nobody, `live` a
classic member, `static` one with an instance id, `modern` two members by the consumer protocol,
`modern-left` none any more.
"""
import os
import select
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch, record  # noqa: E402

ADDRESS = sys.argv[1]
TOPICS = {"ta": (3, 10), "tb": (1, 5), "vp": (1, 0), "vt": (1, 2)}
SESSION_MS = 300000
BEAT_S = 2
client = Client(ADDRESS, 60)


def good(answer):
    assert answer.get("ErrorCode", 0) == 0, answer
    return answer


def make_topics():
    client.ask_again("CreateTopics", 5, timeoutMs=10000, Topics=[
        {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1}
        for name, (partitions, _) in TOPICS.items()])
    for name, (partitions, count) in TOPICS.items():
        for index in range(partitions):
            for n in range(count):
                octets = batch([record(0, b"%d" % n)], timestamps=(n * 1000, n * 1000))
                client.ask_again("Produce", 9, Acks=-1, TimeoutMs=10000, TopicData=[
                    {"Name": name, "PartitionData": [{"Index": index, "Records": octets}]}])


def commit(group, topic, offsets, metadata="", **more):
    client.ask_again("OffsetCommit", 8, GroupId=group, Topics=[{"Name": topic, "Partitions": [
        {"PartitionIndex": index, "CommittedOffset": offset, "CommittedLeaderEpoch": 0,
         "CommittedMetadata": metadata} for index, offset in offsets.items()]}], **more)


def text(word):
    return struct.pack(">h", len(word)) + word.encode()


class Classic:
    """A member that has the partitions of ta, by ConsumerProtocolSubscription and -Assignment."""

    def __init__(self, group, instance=None):
        metadata = struct.pack(">hi", 0, 1) + text("ta") + struct.pack(">i", -1)
        assignment = (struct.pack(">hi", 0, 1) + text("ta") + struct.pack(">iiii", 3, 0, 1, 2) +
                      struct.pack(">i", -1))
        self.who = {"GroupId": group, "GroupInstanceId": instance}
        join = dict(self.who, SessionTimeoutMs=SESSION_MS, RebalanceTimeoutMs=SESSION_MS,
                    ProtocolType="consumer", Protocols=[{"Name": "range", "Metadata": metadata}])
        answer = client.ask_again("JoinGroup", 7, **join)
        if answer["ErrorCode"] != 0:  # MEMBER_ID_REQUIRED
            answer = good(client.ask_again("JoinGroup", 7, MemberId=answer["MemberId"], **join))
        self.who["MemberId"] = answer["MemberId"]
        self.who["GenerationId"] = answer["GenerationId"]
        good(client.ask_again("SyncGroup", 5, ProtocolType="consumer", ProtocolName="range",
                              Assignments=[{"MemberId": answer["MemberId"],
                                            "Assignment": assignment}], **self.who))

    def commit(self, offsets):
        commit(self.who["GroupId"], "ta", offsets, MemberId=self.who["MemberId"],
               GroupInstanceId=self.who["GroupInstanceId"],
               GenerationIdOrMemberEpoch=self.who["GenerationId"])

    def beat(self):
        good(client.ask_again("Heartbeat", 4, **self.who))


class Modern:
    """A member by the consumer protocol."""

    def __init__(self, group, member, topics, assignor=None):
        self.group, self.member, self.owned = group, member, []
        self.take(client.ask_again("ConsumerGroupHeartbeat", 1, GroupId=group, MemberId=member,
                                   MemberEpoch=0, RebalanceTimeoutMs=60000, TopicPartitions=[],
                                   SubscribedTopicNames=topics, ServerAssignor=assignor))

    def take(self, answer):
        self.epoch = good(answer)["MemberEpoch"]
        if answer["Assignment"] is not None:
            self.owned = answer["Assignment"]["TopicPartitions"]

    def beat(self):
        self.take(client.ask_again("ConsumerGroupHeartbeat", 1, GroupId=self.group,
                                   MemberId=self.member, MemberEpoch=self.epoch,
                                   TopicPartitions=self.owned))

    def leave(self):
        client.ask_again("ConsumerGroupHeartbeat", 1, GroupId=self.group, MemberId=self.member,
                         MemberEpoch=-1)


def settle(group, members):
    """Heartbeats until everybody has what is meant for it, for a while."""
    left = 4
    while left > 0:
        time.sleep(0.5)
        for member in members:
            member.beat()
        state = client.ask_again("ConsumerGroupDescribe", 1, GroupIds=[group])["Groups"][0]
        is_stable = state["GroupState"] == "Stable" and all(
            member["Assignment"]["TopicPartitions"] for member in state["Members"])
        left = left - 1 if is_stable else 4


make_topics()
time.sleep(1)  # every part of the broker has heard of them
client.ask_again("FindCoordinator", 3, Key="left", KeyType=0)  # which makes the topic of offsets
commit("left", "ta", {0: 10, 1: 4, 2: 0}, "where it was")
commit("left", "tb", {0: 5})
live, static = Classic("live"), Classic("static", "first")
live.commit({0: 10, 1: 7})
gone = Modern("modern-left", "member-of-modern-that-left", ["tb"])
settle("modern-left", [gone])
commit("modern-left", "tb", {0: 2}, MemberId=gone.member, GenerationIdOrMemberEpoch=gone.epoch)
gone.leave()
modern = [Modern("modern", "member-1-of-modern....", ["ta", "tb"], "range")]
settle("modern", modern)
modern.append(Modern("modern", "member-2-of-modern....", ["ta"], "range"))
settle("modern", modern)
members = [live, static] + modern
print("ready", flush=True)
while not select.select([sys.stdin], [], [], BEAT_S)[0]:
    for member in members:
        member.beat()
