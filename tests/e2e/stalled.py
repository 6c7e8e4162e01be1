"""tests/e2e/stalled.py HOST:PORT TOPIC OTHER - consumers that do not read what they asked for.

The topic of the first goes meanwhile. It holds the octets of its answer, and nothing else: the
topic goes at once, another one can be made and written, one of the same name too, and in the end
the consumer gets what it was given. Then another one stalls until the input ends: the broker may
stop. TOPIC is there, with one partition; OTHER is made here. Prints what is wrong, then "done".
"""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch, record  # noqa: E402

BATCHES, PATIENCE_S = 40, 15
VALUE = os.urandom(500000)


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


def fetch(client, topic):
    """Asks for all of it, committed, as much as the log gives at once."""
    client.send("Fetch", 11, ReplicaId=-1, MaxWaitMs=500, MinBytes=1, MaxBytes=1 << 26,
                IsolationLevel=1, SessionId=0, SessionEpoch=-1, Topics=[
                    {"Topic": topic, "Partitions": [
                        {"Partition": 0, "FetchOffset": 0, "CurrentLeaderEpoch": -1,
                         "PartitionMaxBytes": 1 << 26}]}])


def stalling(address):
    """A connection with room for little: the broker's socket is full while nobody reads."""
    client = Client(address)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    return client


def main():
    address, topic, other = sys.argv[1:]
    octets = batch([record(value=VALUE)])  # one: its checksum takes Python long
    with open("/proc/sys/net/ipv4/tcp_wmem") as file:
        assert int(file.read().split()[2]) < BATCHES * len(octets) / 2, "it would all fit a socket"
    with Client(address) as client, stalling(address) as consumer, stalling(address) as last:
        for _ in range(BATCHES):
            assert produce(client, topic, octets) == 0
        fetch(consumer, topic)
        time.sleep(0.5)  # its socket is full by now
        answer = client.ask("DeleteTopics", 5, TopicNames=[topic], TimeoutMs=10000)
        if answer["Responses"][0]["ErrorCode"] != 0:
            print("DeleteTopics:", answer)
        within_patience(f"{other} is made", lambda: create(client, other) in (0, 36))
        within_patience(f"{other} is written", lambda: produce(client, other, octets) == 0)
        within_patience(f"{topic} is made anew", lambda: create(client, topic) in (0, 36))
        within_patience(f"{topic} is written", lambda: produce(client, topic, octets) == 0)
        answer = consumer.receive("Fetch", 11)
        got = answer["Responses"][0]["Partitions"][0]["Records"]
        for i in range(BATCHES):
            one = got[i * len(octets):(i + 1) * len(octets)]
            # Offset and leader epoch are the broker's.
            if one[:8] != i.to_bytes(8, "big") or one[16:] != octets[16:]:
                print(f"the consumer got other octets in batch {i}")
                break
        for _ in range(BATCHES):
            assert produce(client, other, octets) == 0
        fetch(last, other)
        time.sleep(0.5)
        print("done", flush=True)
        sys.stdin.read()


main()
