"""tests/e2e/stalled.py HOST:PORT TOPIC OTHER - a consumer that does not read while its topic goes.

It holds the octets of its answer, and nothing else: the topic goes at once, another one can be made
and written, one of the same name too, and in the end the consumer gets what it was given. TOPIC is
there, with one partition; OTHER is made here. Prints what is wrong.
"""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch, record  # noqa: E402

BATCHES, PATIENCE_S = 40, 5


def produce(client, topic, octets):
    answer = client.ask("Produce", 8, Acks=-1, TimeoutMs=10000, TopicData=[
        {"Name": topic, "PartitionData": [{"Index": 0, "Records": octets}]}])
    return answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]


def within_patience(what, tried):
    """tried() until it is true; a line when it is not in time."""
    until = time.monotonic() + PATIENCE_S
    while not tried():
        if time.monotonic() > until:
            print(f"not within {PATIENCE_S} s: {what}")
            return
        time.sleep(0.05)


def create(client, topic):
    answer = client.ask("CreateTopics", 5, timeoutMs=1000, Topics=[
        {"Name": topic, "NumPartitions": 1, "ReplicationFactor": 1}])
    return answer["Topics"][0]["ErrorCode"]


def main():
    address, topic, other = sys.argv[1:]
    records = [batch([record(value=bytes([n]) * 500000)]) for n in range(BATCHES)]
    with Client(address) as client, Client(address) as consumer:
        for octets in records:
            assert produce(client, topic, octets) == 0
        consumer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        consumer.send("Fetch", 11, ReplicaId=-1, MaxWaitMs=500, MinBytes=1, MaxBytes=1 << 26,
                      IsolationLevel=1, SessionId=0, SessionEpoch=-1, Topics=[
                          {"Topic": topic, "Partitions": [
                              {"Partition": 0, "FetchOffset": 0, "CurrentLeaderEpoch": -1,
                               "PartitionMaxBytes": 1 << 26}]}])
        time.sleep(0.5)  # its socket is full by now
        answer = client.ask("DeleteTopics", 5, TopicNames=[topic], TimeoutMs=10000)
        if answer["Responses"][0]["ErrorCode"] != 0:
            print("DeleteTopics:", answer)
        within_patience(f"{other} is made", lambda: create(client, other) in (0, 36))
        within_patience(f"{other} is written", lambda: produce(client, other, records[0]) == 0)
        within_patience(f"{topic} is made anew", lambda: create(client, topic) in (0, 36))
        within_patience(f"{topic} is written", lambda: produce(client, topic, records[1]) == 0)
        consumer.socket.settimeout(20)
        answer = consumer.receive("Fetch", 11)
        got = answer["Responses"][0]["Partitions"][0]["Records"]
        want = b"".join(records)
        # Offsets and epochs are the broker's; the values are not.
        if len(got) != len(want):
            print(f"the consumer got {len(got)} octets of {len(want)}")
        elif any(got[i * len(want) // BATCHES + 100] != i for i in range(BATCHES)):
            print("the consumer got other octets")


main()
