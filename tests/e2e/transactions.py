"""tests/e2e/transactions.py - transactions written to a broker, and what readers are told of them.

    transactions.py write HOST:PORT TOPIC    committed, aborted and overlapping ones, one left open;
                                             of both protocols (transaction.version 1 and 2)
    transactions.py finish HOST:PORT TOPIC   aborts the open one
    transactions.py read HOST:PORT TOPIC     ends, and of fetches from many offsets what is answered
"""
import hashlib
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch, record  # noqa: E402

COMMITTED, TRANSACTIONAL, TIMEOUT_MS = 1, 0x10, 600000
client = Client(sys.argv[2])
topic = sys.argv[3]


class Producer:
    def __init__(self, name, version):
        self.name, self.version = name, version
        client.ask_again("FindCoordinator", 3, Key=name, KeyType=1)
        answer = client.ask_again("InitProducerId", 4, TransactionalId=name,
                                  TransactionTimeoutMs=TIMEOUT_MS)
        assert answer["ErrorCode"] == 0, answer
        self.id, self.epoch, self.sequence = answer["ProducerId"], answer["ProducerEpoch"], 0

    def send(self, count=1, size=20):
        if self.version == 1:
            client.ask_again("AddPartitionsToTxn", 3, V3AndBelowTransactionalId=self.name,
                             V3AndBelowProducerId=self.id, V3AndBelowProducerEpoch=self.epoch,
                             V3AndBelowTopics=[{"Name": topic, "Partitions": [0]}])
        records = [record(i, b"%s %d " % (self.name.encode(), self.sequence + i) + b"x" * size)
                   for i in range(count)]
        produce(batch(records, attributes=TRANSACTIONAL,
                      producer=(self.id, self.epoch, self.sequence)), self.name, self.version)
        self.sequence += count

    def end(self, committed):
        answer = client.ask_again("EndTxn", 3 if self.version == 1 else 5,
                                  TransactionalId=self.name, ProducerId=self.id,
                                  ProducerEpoch=self.epoch, Committed=committed)
        assert answer["ErrorCode"] == 0, answer
        if self.version == 2:
            self.id, self.epoch, self.sequence = answer["ProducerId"], answer["ProducerEpoch"], 0


def produce(octets, name=None, version=1):
    answer = client.ask_again("Produce", 11 if version == 1 else 12, TransactionalId=name, Acks=-1,
                              TimeoutMs=10000, TopicData=[{"Name": topic, "PartitionData": [
                                  {"Index": 0, "Records": octets}]}])
    error = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
    assert error == 0, answer


def write():
    one, two = Producer("one", 1), Producer("two", 2)
    produce(batch([record(0, b"plain")]))
    for turn in range(12):
        one.send(1 + turn % 3)
        two.send(2, 5000 * (turn % 4))
        one.send()
        one.end(committed=turn % 3 != 0)
        produce(batch([record(0, b"x" * 20000)]))
        two.end(committed=turn % 4 != 1)
    while segment_is_small():
        two.send(1, 60000)
        two.end(committed=two.epoch % 2 == 0)
    one.send(2)
    two.send(1)
    left = Producer("left open", 2)
    left.send(3)
    one.end(committed=False)
    two.end(committed=False)
    two.send(1)
    two.end(committed=True)


def segment_is_small():
    answer = client.ask("DescribeLogDirs", 1, Topics=[{"Topic": topic, "Partitions": [0]}])
    return answer["Results"][0]["Topics"][0]["Partitions"][0]["PartitionSize"] < 1300000


def finish():
    Producer("left open", 2)  # a new incarnation: what the old one left is aborted
    time.sleep(1)


def fetch(offset, version, isolation, limit):
    answer = client.ask("Fetch", version, ReplicaId=-1, MaxWaitMs=0, MinBytes=1, MaxBytes=1 << 26,
                        IsolationLevel=isolation, SessionId=0, SessionEpoch=-1,
                        Topics=[{"Topic": topic, "Partitions": [{
                            "Partition": 0, "FetchOffset": offset, "CurrentLeaderEpoch": -1,
                            "PartitionMaxBytes": limit}]}])
    return answer["Responses"][0]["Partitions"][0]


def stamped_out(records):
    """Without the leader epoch of each batch, which differs with who led."""
    out, at = bytearray(records), 0
    while at + 17 <= len(out):
        out[at + 12:at + 16] = b"\0\0\0\0"
        at += 12 + struct.unpack_from(">i", out, at + 8)[0]
    return hashlib.sha256(out).hexdigest()[:12]


def read():
    for isolation in (0, 1):
        # Again: Kafka answers before it leads the partition.
        answer = client.ask_again("ListOffsets", 7, ReplicaId=-1, IsolationLevel=isolation,
                                  Topics=[{"Name": topic, "Partitions": [
                                      {"PartitionIndex": 0, "CurrentLeaderEpoch": -1,
                                       "Timestamp": -1}]}])
        print("latest", isolation, answer["Topics"][0]["Partitions"][0]["Offset"])
    end = fetch(0, 11, 0, 1)["HighWatermark"]
    for isolation in (0, COMMITTED):
        for offset in range(0, end + 1, 3):
            for version, limit in ((4, 1 << 20), (11, 3000)):
                got = fetch(offset, version, isolation, limit)
                aborted = got["AbortedTransactions"]
                if aborted is not None:
                    aborted = [(a["ProducerId"], a["FirstOffset"]) for a in aborted]
                print(isolation, offset, version, got["ErrorCode"], got["HighWatermark"],
                      got["LastStableOffset"], len(got["Records"]), stamped_out(got["Records"]),
                      aborted)


{"write": write, "finish": finish, "read": read}[sys.argv[1]]()
