"""tests/e2e/freeze_metadata.py - what is answered, and when, while the disk of the metadata log is
frozen; called by freeze_metadata.test.

    freeze_metadata.py HOST:PORT    topic t is there, with 4 partitions, and no other
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Client  # noqa: E402
import bystander  # noqa: E402
from bystander import case  # noqa: E402

ADDRESS = sys.argv[1]
NONE, UNKNOWN_TOPIC, TIMED_OUT, LOADING, NO_COORDINATOR = 0, 3, 7, 14, 15


class Asked:
    """A request under way, on a connection of its own."""

    def __init__(self, api, version, **values):
        self.api, self.version, self.client = api, version, Client(ADDRESS, timeout=60)
        self.began = time.monotonic()
        self.client.send(api, version, **values)

    def answer(self):
        """And after how many seconds it came."""
        answer = self.client.receive(self.api, self.version)
        self.client.close()
        return answer, time.monotonic() - self.began


def create(name, timeout_ms, partitions=1):
    return Asked("CreateTopics", 7, timeoutMs=timeout_ms, Topics=[
        {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1}])


def late(name, asked, key, least, most):
    answer, took = asked.answer()
    errors = [row["ErrorCode"] for row in answer[key]]
    case(f"{name}: REQUEST_TIMED_OUT between {least} and {most} s",
         errors == [TIMED_OUT] and least <= took < most, (answer, took))


def every_shard_turns():
    """What was sent before has been taken up, by whichever shard."""
    for _ in range(20):
        with Client(ADDRESS) as c:
            c.ask("ApiVersions", 2)


begun = create("begun", 100, partitions=3)
every_shard_turns()
waiting = (
    ("CreateTopics that waits", create("waits", 400), "Topics", 0.4, 2),
    ("CreatePartitions", Asked("CreatePartitions", 3, TimeoutMs=500, Topics=[
        {"Name": "t", "Count": 9, "Assignments": None}]), "Results", 0.5, 2),
    ("DeleteTopics", Asked("DeleteTopics", 6, TimeoutMs=600, Topics=[{"Name": "t"}]),
     "Responses", 0.6, 2),
)
late("CreateTopics that has begun, a second even if less was asked", begun, "Topics", 1, 3)
for one in waiting:
    late(*one)

answer, took = Asked("Metadata", 12, Topics=[{"Name": "t"}, {"Name": "missing"}]).answer()
errors = {topic["Name"]: topic["ErrorCode"] for topic in answer["Topics"]}
case("Metadata that would create a topic answers for the others within 2 s",
     errors == {"t": NONE, "missing": UNKNOWN_TOPIC} and took < 2, (errors, took))
answer, took = Asked("Metadata", 12, Topics=[{"Name": "t"}]).answer()
case("Metadata of what is there, at once", answer["Topics"][0]["ErrorCode"] == NONE and took < 0.5,
     took)
answer, took = Asked("FindCoordinator", 6, KeyType=0, CoordinatorKeys=["g"]).answer()
case("FindCoordinator, whose topic is not there yet: COORDINATOR_NOT_AVAILABLE within 2 s",
     answer["Coordinators"][0]["ErrorCode"] == NO_COORDINATOR and took < 2, (answer, took))
answer, took = Asked("InitProducerId", 4, TransactionalId=None).answer()
case("InitProducerId without ids left: COORDINATOR_LOAD_IN_PROGRESS within 2 s",
     answer["ErrorCode"] == LOADING and took < 2, (answer, took))
with Client(ADDRESS) as c:
    case("ApiVersions", c.ask("ApiVersions", 2)["ErrorCode"] == NONE)
sys.exit(bystander.failed > 0)
