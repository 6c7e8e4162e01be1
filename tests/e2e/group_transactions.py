"""tests/e2e/group_transactions.py - offsets that groups commit in transactions, and their fate.

    group_transactions.py write HOST:PORT     by Apache Kafka: a group for each case; prints the
                                              transactions that are left open
    group_transactions.py plain HOST:PORT     commits without a transaction over a pending one
    group_transactions.py end HOST:PORT       commits and aborts the open ones, which it reads
    group_transactions.py read HOST:PORT      what each group has, stable or not

Needs the topics `t` of two partitions and `gone`, which `write` deletes, and offsets that are
looked through each second.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client  # noqa: E402

UNSTABLE = 88
client = Client(sys.argv[2])


def check(answer, *errors):
    codes = {str(code) for code in errors or (0,)}
    found = [part.split(",")[0].rstrip("}]") for part in str(answer).split("ErrorCode': ")[1:]]
    assert found and set(found) <= codes, answer


def partitions(offsets):
    return [{"PartitionIndex": index, "CommittedOffset": offset, "CommittedMetadata": "m"}
            for index, offset in offsets.items()]


def commit(group, offsets, topic="t", version=8, **more):
    check(client.ask_again("OffsetCommit", version, GroupId=group, Topics=[
        {"Name": topic, "Partitions": partitions(offsets)}], **more))


class Transaction:
    """Of a producer of its own, with the offsets of one group."""

    def __init__(self, name, group, offsets, topic="t"):
        client.ask_again("FindCoordinator", 3, Key=name, KeyType=1)
        answer = client.ask_again("InitProducerId", 4, TransactionalId=name,
                                  TransactionTimeoutMs=600000)
        check(answer)
        self.name, self.id, self.epoch = name, answer["ProducerId"], answer["ProducerEpoch"]
        check(client.ask_again("AddOffsetsToTxn", 3, TransactionalId=name, ProducerId=self.id,
                               ProducerEpoch=self.epoch, GroupId=group))
        self.add(group, offsets, topic)

    def add(self, group, offsets, topic="t"):
        check(client.ask_again("TxnOffsetCommit", 3, TransactionalId=self.name, GroupId=group,
                               ProducerId=self.id, ProducerEpoch=self.epoch,
                               Topics=[{"Name": topic, "Partitions": partitions(offsets)}]))

    def end(self, committed):
        end(self.name, self.id, self.epoch, committed)

    def leave_open(self, committed):
        """What is to become of it later."""
        print(self.name, self.id, self.epoch, "commit" if committed else "abort")


def end(name, producer_id, epoch, committed):
    check(client.ask_again("EndTxn", 3, TransactionalId=name, ProducerId=producer_id,
                           ProducerEpoch=epoch, Committed=committed))


def delete_group(group):
    check(client.ask_again("DeleteGroups", 2, GroupsNames=[group]))


def delete_offset(group, partition):
    check(client.ask_again("OffsetDelete", 0, GroupId=group, Topics=[
        {"Name": "t", "Partitions": [{"PartitionIndex": partition}]}]))


def write():
    commit("committed", {0: 5})
    Transaction("tx-committed", "committed", {0: 10, 1: 11}).end(True)
    commit("aborted", {0: 5})
    Transaction("tx-aborted", "aborted", {0: 10, 1: 11}).end(False)
    twice = Transaction("tx-twice", "twice", {0: 10})
    twice.add("twice", {0: 15})
    twice.end(True)
    before = Transaction("tx-before", "decided-late", {0: 10})
    after = Transaction("tx-after", "decided-late", {0: 20})
    after.end(True)
    before.end(True)
    overtaken = Transaction("tx-overtaken", "overtaken", {0: 10})
    commit("overtaken", {0: 20})
    overtaken.end(True)
    deleted = Transaction("tx-deleted", "deleted", {0: 10, 1: 11})
    commit("deleted", {0: 20})
    delete_group("deleted")
    deleted.end(True)
    forgotten = Transaction("tx-forgotten", "forgotten", {0: 10, 1: 11})
    commit("forgotten", {0: 20})
    delete_offset("forgotten", 0)
    forgotten.end(True)
    lone = Transaction("tx-forgotten-pending", "forgotten-pending", {0: 10})
    delete_offset("forgotten-pending", 0)
    lone.end(True)
    time.sleep(0.3)  # a segment ends here, below what stays open: it can be compacted
    gone = Transaction("tx-gone", "of-a-topic-that-is-gone", {0: 10}, "gone")

    commit("open", {0: 5})
    Transaction("tx-open", "open", {0: 10, 1: 11}).leave_open(True)
    commit("open-to-abort", {0: 5})
    Transaction("tx-open-to-abort", "open-to-abort", {0: 10}).leave_open(False)
    Transaction("tx-nothing-else", "nothing-else", {0: 10}).leave_open(True)
    Transaction("tx-nothing-left", "nothing-left", {0: 10}).leave_open(False)
    Transaction("tx-open-overtaken", "open-overtaken", {0: 10}).leave_open(True)
    commit("open-overtaken", {0: 20})
    Transaction("tx-plain", "plain", {0: 10}).leave_open(True)
    open_deleted = Transaction("tx-open-deleted", "open-deleted", {0: 10, 1: 11})
    commit("open-deleted", {0: 20})
    delete_group("open-deleted")
    open_deleted.leave_open(True)
    # An offset that is due, with one that is pending over it.
    commit("expires", {0: 5, 1: 5}, version=4, RetentionTimeMs=1)
    Transaction("tx-expires", "expires", {0: 10}).leave_open(True)

    check(client.ask_again("DeleteTopics", 5, TopicNames=["gone"], TimeoutMs=10000))
    time.sleep(2.5)
    gone.end(True)
    time.sleep(1)


GROUPS = ["committed", "aborted", "twice", "decided-late", "overtaken", "deleted", "forgotten",
          "forgotten-pending", "of-a-topic-that-is-gone", "open", "open-to-abort",
          "nothing-else", "nothing-left", "open-overtaken", "plain", "open-deleted", "expires"]


def shown(partition):
    if partition["ErrorCode"] == UNSTABLE:
        return f"{partition['PartitionIndex']}=unstable"
    assert partition["ErrorCode"] == 0, partition
    return f"{partition['PartitionIndex']}={partition['CommittedOffset']}"


def read():
    for group in GROUPS:
        for stable in (False, True):
            for topics in ([{"Name": "t", "PartitionIndexes": [0, 1]}], None):
                answer = client.ask_again("OffsetFetch", 7, GroupId=group, Topics=topics,
                                          RequireStable=stable)
                # Of all offsets Kafka names, beside those that there are, none that is pending.
                found = [f"{topic['Name']}-{shown(partition)}" for topic in answer["Topics"]
                         for partition in topic["Partitions"]]
                print(group, "stable" if stable else "any",
                      "all" if topics is None else "asked", *sorted(found))
    listed = client.ask_again("ListGroups", 4)["Groups"]
    for group in sorted(listed, key=lambda g: g["GroupId"]):
        print("listed", group["GroupId"], group["GroupState"])


def end_all():
    for line in sys.stdin:
        name, producer_id, epoch, what = line.split()
        end(name, int(producer_id), int(epoch), what == "commit")
    time.sleep(1)


client.ask_again("FindCoordinator", 3, Key="open", KeyType=0)  # which makes the topic of offsets
{"write": write, "plain": lambda: commit("plain", {0: 20}), "end": end_all,
 "read": read}[sys.argv[1]]()
