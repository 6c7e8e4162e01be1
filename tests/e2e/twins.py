"""tests/e2e/twins.py - requests made by chance, and what they were answered.

    twins.py HOST:PORT SEED COUNT [--at-once]  prints every answer; klamm takes all over at once
    twins.py KLAMM KAFKA SEED COUNT [--all]    asks both, and prints where they differ first, or all

Brokers are new and have the settings of tests/lib/twins.sh. What one request leaves behind the next
ones find: topics, records, offsets, groups. Answers are compared field by field, batches octet by
octet; what a broker invents (ids, ports, times) is replaced by the order in which it was first
seen. The same seed asks the same.

Not asked, as klamm differs there: partitions or topics twice or without partitions
(odd_requests.py has some), records that are null, an unknown alteration of a config, topic ids of
zeros, compression by the broker (another library, other octets), regular expressions of
subscriptions and static members of KIP-848 groups that come back (docs/groups.md), the empty group
id.
"""

import json
import os
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import CLOSED, MESSAGES, NO_UUID, Client  # noqa: E402
from twins_requests import GROUPS, MODERN, OTHER_ID, TOPICS, Handle, requests  # noqa: E402

SILENCE, PATIENCE_S = "silence", 5
SETTLE_S = 0.25


class Twin:
    """One of the two: its connection and what it calls things."""

    def __init__(self, address):
        self.address, self.client = address, Client(address, timeout=PATIENCE_S)
        self.names = {"TopicId": {NO_UUID: "none", OTHER_ID: "other"}}
        self.own = {("TopicId", "none"): NO_UUID, ("TopicId", "other"): OTHER_ID}

    def send(self, name, version, values):
        self.client.send(name, version, **self.resolve(values))

    def receive(self, name, version):
        try:
            answer = self.client.receive(name, version)
        except TimeoutError:
            answer = SILENCE
        if answer in (CLOSED, SILENCE):
            self.client = Client(self.address, timeout=PATIENCE_S)
        return answer

    def resolve(self, value):
        if isinstance(value, Handle):
            unknown = {
                "TopicId": str(uuid.uuid5(uuid.NAMESPACE_DNS, value.name)),
                "SessionId": 0,
                "GenerationId": 1,
            }
            return self.own.get((value.kind, value.name), unknown.get(value.kind, value.name))
        if isinstance(value, dict):
            return {key: self.resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        return value

    def learn(self, kind, value, name=None):
        known = self.names.setdefault(kind, {})
        if name is not None:
            self.own[kind, name] = value
            known[value] = name
        return known.setdefault(value, f"{kind} {len(known)}")

    def learn_topics(self):
        """Until every topic that there is has a leader."""
        for _ in range(100):
            told = self.client.ask("Metadata", 12, Topics=None)
            if all(p["ErrorCode"] == 0 for t in told["Topics"] for p in t["Partitions"]):
                break
            time.sleep(0.1)
        for topic in told["Topics"]:
            self.learn("TopicId", topic["TopicId"], topic["Name"])
        return sorted((topic["Name"], len(topic["Partitions"])) for topic in told["Topics"])


CHANGES_METADATA = (
    "CreateTopics",
    "DeleteTopics",
    "CreatePartitions",
    "AlterConfigs",
    "IncrementalAlterConfigs",
)


# ---- comparing ----

INVENTED = ("MemberId", "Leader", "SessionId")
LATELY = ("LogAppendTimeMs", "LastTimestamp", "CommitTimestamp")
LEFT_OUT = ("ThrottleTimeMs", "ClusterId", "Host", "Port", "ClientHost", "ErrorMessage")


def merged(topics):
    """Kafka answers a topic twice when another's error stands between two of its partitions."""
    whole = {}
    for topic in topics:
        key = topic.get("TopicId", topic.get("Topic"))
        whole.setdefault(key, {**topic, "Partitions": []})["Partitions"].extend(
            topic["Partitions"]
        )
    for topic in whole.values():
        topic["Partitions"].sort(key=lambda item: json.dumps(item, sort_keys=True))
    return list(whole.values())


def normal(twin, schema, values, version):
    """The answer as both would give it; arrays in one order: Kafka's is often a hash map's."""
    if values in (None, CLOSED, SILENCE):
        return values
    out = {}
    for field in schema.fields:
        if field.name not in values or field.name in LEFT_OUT:
            continue
        value = values[field.name]
        if field.name == "AbortedTransactions":
            value = value or None  # null where nothing is read, as if there were none
        elif field.struct is not None and field.array and value is not None:
            value = [normal(twin, field.struct, item, version) for item in value]
            value = merged(value) if schema.name == "FetchResponse" else value
            value.sort(key=lambda item: json.dumps(item, sort_keys=True))
        elif field.struct is not None:
            value = normal(twin, field.struct, value, version)
        elif field.type == "uuid":
            value = (
                [twin.learn("TopicId", one) for one in value]
                if field.array
                else twin.learn("TopicId", value)
            )
        elif (
            field.name in INVENTED
            and isinstance(value, (str, int))
            and value not in ("", 0, -1, *MODERN, "nobody")
        ):
            if field.name == "Leader" and isinstance(value, int):
                pass
            else:
                value = twin.learn("MemberId" if field.name == "Leader" else field.name, value)
        elif field.name in LATELY and isinstance(value, int) and value > 1_750_000_000_000:
            value = "lately"
        elif isinstance(value, bytes):
            value = value.hex()
        out[field.name] = value
    return out


def differences(one, other, path=""):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, pair in enumerate(zip(one, other)):
            yield from differences(*pair, f"{path}[{i}]")
    elif one != other:
        yield f"{path[1:]}: klamm {one!r}, Kafka {other!r}"


def settle(twins):
    """Until both know the same topics: Kafka answers before its broker half has taken them over."""
    if "--at-once" not in sys.argv:
        time.sleep(SETTLE_S)
    for _ in range(50):
        known = [twin.learn_topics() for twin in twins]
        if all(topics == known[0] for topics in known):
            return
        time.sleep(0.1)
    sys.exit(f"the topics differ: {known}")


def learn(twin, name, answer):
    """What a broker invented, for later requests."""
    if answer in (CLOSED, SILENCE):
        return
    if (
        name == "JoinGroup"
        and answer["MemberId"]
        and answer["MemberId"] not in ("nobody", *MODERN)
    ):
        twin.own["MemberId", "last"] = answer["MemberId"]
        twin.own["GenerationId", "last"] = answer["GenerationId"]
    if name == "Fetch" and answer.get("SessionId"):
        twin.own["SessionId", "last"] = answer["SessionId"]


def prepare(twins):
    for twin in twins:
        twin.client.ask_again("FindCoordinator", 4, KeyType=0, CoordinatorKeys=list(GROUPS))
        twin.client.ask_again(
            "CreateTopics",
            7,
            timeoutMs=10000,
            Topics=[
                {"Name": name, "NumPartitions": 2, "ReplicationFactor": 1} for name in TOPICS[:4]
            ],
        )
    settle(twins)


def ask(twins, name, version, values):
    """The answers, as both would give them."""
    for twin in twins:
        twin.send(name, version, values)
    answers = [twin.receive(name, version) for twin in twins]
    for twin, answer in zip(twins, answers):
        learn(twin, name, answer)
    if name in CHANGES_METADATA:
        settle(twins)
    schema = MESSAGES["response", name + "Response"]
    return [normal(twin, schema, answer, version) for twin, answer in zip(twins, answers)]


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    twins = [Twin(address) for address in arguments[:-2]]
    seed, count = (int(a) for a in arguments[-2:])
    prepare(twins)
    failed = differed = asked = 0
    for asked, (name, version, values) in enumerate(requests(seed, count), 1):
        answers = ask(twins, name, version, values)
        if len(twins) == 1:
            print(f"{name} v{version}, {asked}: {json.dumps(answers[0])}", flush=True)
            continue
        has_failed = "'ErrorCode': -1" in str(
            answers[1]
        )  # UNKNOWN_SERVER_ERROR: an exception in Kafka
        failed += has_failed
        found = [] if has_failed else list(differences(*answers))
        if found:
            differed += 1
            print(f"{asked} {name} v{version} {values}", *found, sep="\n    ", flush=True)
            if "--all" not in sys.argv:
                break
    if len(twins) > 1:
        print(
            f"seed {seed}: {asked} requests, {failed} failed in Kafka,"
            f" {differed} answered differently"
        )
    return 1 if differed else 0


if __name__ == "__main__":
    sys.exit(main())
