"""tests/e2e/parting.py HOST:PORT TOPIC - clients that send and go.

Each sends 300 Produces that are answered and 60 that are not (acks=0) and ends its side of the
connection at once, in the middle of what makes the connection move to another shard for one of the
two partitions (broker/net/move.h). All that was sent has to be stored. Prints what is wrong.
"""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch, framed, record  # noqa: E402

CLIENTS, ANSWERED, UNANSWERED = 12, 300, 60


def request(correlation, topic, partition, acks):
    return framed("Produce", 8, correlation, {
        "Acks": acks, "TimeoutMs": 20000, "TopicData": [{"Name": topic, "PartitionData": [
            {"Index": partition, "Records": batch([record(value=b"%d" % correlation)])}]}]})


def send_and_go(address, topic, partition):
    frames = [request(n, topic, partition, 1 if n < ANSWERED else 0)
              for n in range(ANSWERED + UNANSWERED)]
    with Client(address) as client:
        client.socket.sendall(b"".join(frames))
        client.socket.shutdown(socket.SHUT_WR)
        while client.socket.recv(65536):
            pass


def end_of(client, topic, partition):
    answer = client.ask("ListOffsets", 1, ReplicaId=-1, Topics=[{"Name": topic, "Partitions": [
        {"PartitionIndex": partition, "Timestamp": -1}]}])
    return answer["Topics"][0]["Partitions"][0]["Offset"]


def main():
    address, topic = sys.argv[1:]
    for number in range(CLIENTS):
        send_and_go(address, topic, number % 2)
    wanted = CLIENTS // 2 * (ANSWERED + UNANSWERED)
    with Client(address) as client:
        for partition in (0, 1):
            deadline = time.monotonic() + 10
            while (end := end_of(client, topic, partition)) < wanted:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            if end != wanted:
                print(f"partition {partition}: {end} records, {wanted} were sent")


main()
