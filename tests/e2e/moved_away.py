"""tests/e2e/moved_away.py HOST:PORT ROUNDS DIR DIR - topics whose start DeleteRecords has raised
are deleted in the middle of a move to the other log directory, each at another moment of it.

Prints a word about every answer that is not the one that was wanted.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch, record  # noqa: E402

RECORDS = 4


def note(what, error):
    if error != 0:
        print(f"{what}: error {error}")


def one_round(c, other, name, dirs, wait_s):
    answer = c.ask("CreateTopics", 5, timeoutMs=10000, validateOnly=False, Topics=[{
        "Name": name, "NumPartitions": 1, "ReplicationFactor": 1, "Assignments": [],
        "Configs": []}])
    note("create", answer["Topics"][0]["ErrorCode"])
    records = batch([record(i) for i in range(RECORDS)])
    answer = c.ask("Produce", 8, Acks=-1, TimeoutMs=10000, TopicData=[
        {"Name": name, "PartitionData": [{"Index": 0, "Records": records}]}])
    note("produce", answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"])
    answer = c.ask("DeleteRecords", 1, TimeoutMs=10000, Topics=[
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Offset": RECORDS}]}])
    note("delete records", answer["Topics"][0]["Partitions"][0]["ErrorCode"])
    lies = c.ask("DescribeLogDirs", 1, Topics=[{"Topic": name, "Partitions": [0]}])["Results"]
    place = next(r["LogDir"] for r in lies if r["Topics"])
    answer = c.ask("AlterReplicaLogDirs", 2, Dirs=[{
        "Path": next(d for d in dirs if d != place),
        "Topics": [{"Name": name, "Partitions": [0]}]}])
    note("move", answer["Results"][0]["Partitions"][0]["ErrorCode"])
    time.sleep(wait_s)
    answer = other.ask("DeleteTopics", 5, TopicNames=[name], TimeoutMs=10000)
    note("delete", answer["Responses"][0]["ErrorCode"])


def main():
    address, rounds, dirs = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    with Client(address) as c, Client(address) as other:
        for i in range(rounds):
            one_round(c, other, f"away{i}", dirs, i % 20 * 0.0005)


main()
