"""tests/e2e/end_follows.py HOST:PORT TOPIC COUNT - after acks=1 produces ListOffsets is asked at
once, and then DeleteRecords: how often they told of an older end than the answer before."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client, batch  # noqa: E402

bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
older = 0
with Client(bootstrap) as client:
    for _ in range(count):
        made = client.ask("Produce", 9, Acks=1, TimeoutMs=10000, TopicData=[
            {"Name": topic, "PartitionData": [{"Index": 0, "Records": batch()}]}])
        end = made["Responses"][0]["PartitionResponses"][0]["BaseOffset"] + 1
        for timestamp in (-1, 1000):
            told = client.ask("ListOffsets", 7, ReplicaId=-1, Topics=[
                {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": timestamp}]}])
            found = told["Topics"][0]["Partitions"][0]["Offset"]
            older += found < end if timestamp == -1 else found < 0
        client.ask("Produce", 9, Acks=1, TimeoutMs=10000, TopicData=[
            {"Name": topic, "PartitionData": [{"Index": 0, "Records": batch()}]}])
        cut = client.ask("DeleteRecords", 2, TimeoutMs=10000, Topics=[
            {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Offset": end + 1}]}])
        answer = cut["Topics"][0]["Partitions"][0]
        older += (answer["ErrorCode"], answer["LowWatermark"]) != (0, end + 1)
print(older)
