"""tests/e2e/twins_requests.py - the requests of twins.py, made by chance from a seed."""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import MESSAGES, batch, covers, record  # noqa: E402

TOPICS = ("t1", "t2", "t3", "t4", "t.5", "t_5")
GROUPS = ("g1", "g2", "g3", "g4")
MODERN = ("m1", "m2", "m3")
PRODUCERS = (500, 501)
OTHER_ID = "00000000-0000-0000-0000-0000000000ff"
LEAST, MOST = -(2**63), 2**63 - 1
EXPIRY_S = 1  # a member that does not sync is out after 0.3 s


class Handle:
    """What each broker knows by a name of its own: the id of a topic, of a member, of a session."""

    def __init__(self, kind, name):
        self.kind, self.name = kind, name

    def __repr__(self):
        return f"{self.kind}({self.name})"


class Maker:
    """Requests by chance: fields get what makes sense, now and then what does not."""

    def __init__(self, rng):
        self.rng = rng

    def one(self, *choices):
        return self.rng.choice(choices)

    def chance(self, of):
        return self.rng.random() < of

    def topic(self):
        return self.one(*TOPICS) if self.chance(0.92) else self.one("nope", "", "a/b")

    def topic_id(self):
        return Handle("TopicId", self.one(*TOPICS) if self.chance(0.93) else "other")

    def partition(self):
        return self.one(0, 0, 0, 1, 1, 2) if self.chance(0.93) else self.one(-1, 7, 2**31 - 1)

    def offset(self):
        return (
            self.rng.randrange(0, 12) if self.chance(0.85) else self.one(-1, -2, 50, MOST, LEAST)
        )

    def some(self, make, most=3):
        return [make() for _ in range(self.one(*range(1, most + 1)) if self.chance(0.95) else 0)]

    def string(self, *choices):
        return self.one(*choices)

    def topics_by(self, version, since, key, make, name="Name"):
        """Topics by name, or from a version on by id; their partitions under `key`, each once and
        at least one: what is twice or empty Kafka merges and drops, and no client asks so."""
        topics = {}
        for _ in range(self.one(0, 1, 1, 1, 1, 1, 2, 2)):
            said = {"TopicId": self.topic_id()} if version >= since else {name: self.topic()}
            parts = {
                (
                    repr(p)
                    if isinstance(p, int)
                    else p.get("Partition", p.get("PartitionIndex", p.get("Index")))
                ): p
                for p in self.some(make)
            }
            if parts:
                topics[repr(said)] = {**said, key: list(parts.values())}
        return list(topics.values())

    # -- data --

    def produce(self, version):
        def part():
            return {"Index": self.partition(), "Records": self.batch()}

        return {
            "Acks": self.one(-1, -1, 1),
            "TimeoutMs": 5000,
            "TopicData": self.topics_by(version, 13, "PartitionData", part),
        }

    def batch(self):
        count = self.one(1, 1, 2, 3)
        stamp = 1_700_000_000_000 + self.rng.randrange(5) * 1000
        records = [
            record(offset_delta=i, key=self.one(b"k1", b"k2"), value=b"v" * self.rng.randrange(9))
            for i in range(count)
        ]
        producer = (-1, -1, -1)
        if self.chance(0.4):
            producer = (self.one(*PRODUCERS), self.one(0, 0, 0, 0, 1), self.one(0, 0, 1, 2, 3, 4))
        attributes = 0 if self.chance(0.97) else self.one(8, 16, 32, 1)
        return batch(records, timestamps=(stamp, stamp), producer=producer, attributes=attributes)

    def fetch(self, version):
        def part():
            made = {
                "Partition": self.partition(),
                "FetchOffset": self.offset(),
                "PartitionMaxBytes": self.one(1, 100, 200, 1 << 20),
            }
            if version >= 9:
                made["CurrentLeaderEpoch"] = self.one(-1, -1, -1, 0, 1)
            if version >= 12:
                made["LastFetchedEpoch"] = self.one(-1, -1, -1, -1, 0)
            if version >= 5 and self.chance(0.1):
                made["LogStartOffset"] = self.one(-1, 0, 3)
            return made

        made = {
            "MaxWaitMs": 0,
            "MinBytes": self.one(0, 1),
            "MaxBytes": self.one(1, 150, 1 << 20, 1 << 20),
            "Topics": self.topics_by(version, 13, "Partitions", part, "Topic"),
        }
        if version <= 14:
            made["ReplicaId"] = -1
        if version >= 4:
            made["IsolationLevel"] = self.one(0, 0, 1)
        if version >= 7:
            made |= self.one(
                {"SessionId": 0, "SessionEpoch": -1},
                {"SessionId": 0, "SessionEpoch": -1},
                {"SessionId": 0, "SessionEpoch": 0},
                {
                    "SessionId": Handle("SessionId", "last"),
                    "SessionEpoch": self.one(-1, 0, 1, 1, 1, 2),
                },
            )
            if self.chance(0.2):
                made["ForgottenTopicsData"] = self.topics_by(
                    version, 13, "Partitions", self.partition, "Topic"
                )
        return made

    def list_offsets(self, version):
        def part():
            made = {
                "PartitionIndex": self.partition(),
                "Timestamp": self.one(-1, -2, 0, 1_700_000_001_000, 1_700_000_003_000, MOST, -7),
            }
            if version >= 4:
                made["CurrentLeaderEpoch"] = self.one(-1, -1, 0, 1)
            return made

        made = {"ReplicaId": -1, "Topics": self.topics_by(version, 99, "Partitions", part)}
        if version >= 2:
            made["IsolationLevel"] = self.one(0, 1)
        return made

    def offset_for_leader_epoch(self, version):
        def part():
            return {
                "Partition": self.partition(),
                "CurrentLeaderEpoch": self.one(-1, -1, 0, 1),
                "LeaderEpoch": self.one(0, 0, 1, -1),
            }

        return {
            "Topics": self.topics_by(version, 99, "Partitions", part, "Topic"),
            **({"ReplicaId": self.one(-1, -2)} if version >= 3 else {}),
        }

    def delete_records(self, _version):
        def part():
            return {"PartitionIndex": self.partition(), "Offset": self.one(-1, 0, 1, 2, 3, 40, -2)}

        return {"TimeoutMs": 5000, "Topics": self.topics_by(0, 99, "Partitions", part)}

    # -- admin --

    def create_topics(self, version):
        def topic():
            configs = {
                key: value
                for key, value in (
                    ("cleanup.policy", "compact"),
                    ("retention.ms", self.one("-1", "soon")),
                    ("max.message.bytes", "120"),
                    ("message.timestamp.type", "CreateTime"),
                    ("no.such.key", "1"),
                    ("segment.bytes", self.one("1048576", "100")),
                    ("compression.type", self.one("none", "uncompressed", "producer")),
                    ("min.insync.replicas", self.one("1", "2", "0")),
                )
                if self.chance(0.06)
            }
            made = {
                "Name": self.topic(),
                "NumPartitions": self.one(1, 2, 3, -1, 0),
                "ReplicationFactor": self.one(1, 1, 1, -1, 2),
                "Configs": [{"Name": k, "Value": v} for k, v in configs.items()],
            }
            if self.chance(0.1):
                made |= {
                    "NumPartitions": -1,
                    "ReplicationFactor": -1,
                    "Assignments": [
                        {"PartitionIndex": i, "BrokerIds": [self.one(1, 1, 1, 2)]}
                        for i in range(self.one(1, 2))
                    ],
                }
            return made

        return {
            "timeoutMs": 10000,
            "Topics": self.some(topic),
            **({"validateOnly": self.chance(0.2)} if version >= 1 else {}),
        }

    def delete_topics(self, version):
        if version < 6:
            return {"TimeoutMs": 10000, "TopicNames": self.some(self.topic, 2)}
        return {
            "TimeoutMs": 10000,
            "Topics": [
                (
                    {"Name": self.topic()}
                    if self.chance(0.5)
                    else {"Name": None, "TopicId": self.topic_id()}
                )
                for _ in range(self.one(1, 1, 2))
            ],
        }

    def create_partitions(self, _version):
        def topic():
            return {
                "Name": self.topic(),
                "Count": self.one(1, 2, 3, 4, 0),
                "Assignments": self.one(
                    None, None, None, [], [{"BrokerIds": [1]}], [{"BrokerIds": [2]}]
                ),
            }

        return {"TimeoutMs": 10000, "ValidateOnly": self.chance(0.2), "Topics": self.some(topic)}

    CONFIGS = (
        ("cleanup.policy", ("compact", "delete", "compact,delete", "", "other")),
        ("retention.ms", ("-1", "x", None)),
        ("max.message.bytes", ("90", "1048588", "-1")),
        ("flush.messages", ("1", "5")),
        ("min.insync.replicas", ("1", "2")),
        ("nope", ("1",)),
        ("message.timestamp.type", ("CreateTime",)),
        ("compression.type", ("producer", "uncompressed", "odd")),
        ("index.interval.bytes", ("0", "4096")),
        ("unclean.leader.election.enable", ("true", "maybe")),
    )

    def config(self):
        key, values = self.one(*self.CONFIGS)
        return {"Name": key, "Value": self.one(*values)}

    def resource(self, configs):
        kind = self.one(2, 2, 2, 32, 2)
        names = TOPICS + ("nope", "") if kind == 2 else GROUPS
        return {"ResourceType": kind, "ResourceName": self.one(*names), "Configs": configs}

    def resources(self, make):
        made = [self.resource(make()) for _ in range(self.one(1, 1, 2))]
        return list({(r["ResourceType"], r["ResourceName"]): r for r in made}.values())

    def alter_configs(self, _version):
        return {
            "ValidateOnly": self.chance(0.2),
            "Resources": self.resources(lambda: self.some(self.config, 2)),
        }

    def incremental_alter_configs(self, _version):
        def change():
            return {**self.config(), "ConfigOperation": self.one(0, 0, 0, 1, 2, 3)}

        return {
            "ValidateOnly": self.chance(0.2),
            "Resources": self.resources(lambda: self.some(change, 2)),
        }

    def describe_configs(self, version):
        def resource():
            made = self.resource(None)
            keys = self.one(
                None,
                ["retention.ms", "cleanup.policy"],
                ["nope"],
                [],
                ["consumer.session.timeout.ms", "max.message.bytes"],
            )
            if keys is None and made["ResourceType"] != 32:
                keys = ["cleanup.policy", "retention.ms", "max.message.bytes", "compression.type"]
            return {
                "ResourceType": made["ResourceType"],
                "ResourceName": made["ResourceName"],
                "ConfigurationKeys": keys,
            }

        made = {"Resources": self.some(resource, 2)}
        if version >= 1:
            made["IncludeSynonyms"] = self.chance(0.3)
        if version >= 3:
            made["IncludeDocumentation"] = False
        return made

    def metadata(self, version):
        def topic():
            if version >= 10 and self.chance(0.3):
                return {"Name": None, "TopicId": self.topic_id()}
            return {"Name": self.topic()}

        made = {"Topics": self.some(topic) if self.chance(0.9) or version == 0 else None}
        if version >= 4:
            made["AllowAutoTopicCreation"] = False
        return made

    def describe_topic_partitions(self, _version):
        return {
            "Topics": [{"Name": self.one(*TOPICS, "nope")} for _ in range(self.one(0, 1, 2, 3))],
            "ResponsePartitionLimit": self.one(2000, 1, 2, 3),
            "Cursor": self.one(
                None, None, {"TopicName": self.topic(), "PartitionIndex": self.one(0, 1, 2, 7)}
            ),
        }

    def describe_producers(self, _version):
        return {"Topics": self.topics_by(0, 99, "PartitionIndexes", self.partition)}

    def list_config_resources(self, version):
        return {"ResourceTypes": self.one([], [2], [32], [2, 4], [9])} if version >= 1 else {}

    # -- groups: g1 by the classic protocol, g2 by both, the others by that of KIP-848; a member
    # that nobody knows and that joins an empty consumer group by the classic protocol makes Kafka
    # forget the group --

    def group(self):
        return self.one(*GROUPS) if self.chance(0.95) else "nobody"

    def find_coordinator(self, version):
        kind = self.one(0, 0, 0, 0, 3)
        if version >= 4:
            return {"KeyType": kind, "CoordinatorKeys": self.some(self.group)}
        return {"Key": self.group(), **({"KeyType": kind} if version >= 1 else {})}

    def offset_commit(self, version):
        def part():
            made = {
                "PartitionIndex": self.partition(),
                "CommittedOffset": self.offset(),
                "CommittedMetadata": self.one("", "", None, "note"),
            }
            if version >= 6:
                made["CommittedLeaderEpoch"] = self.one(-1, 0, 5)
            return made

        made = {
            "GroupId": self.group(),
            "Topics": self.topics_by(version, 10, "Partitions", part),
            "GenerationIdOrMemberEpoch": self.one(-1, -1, -1, 0, 1, 2, 3),
            "MemberId": "",
        }
        if made["GenerationIdOrMemberEpoch"] >= 0 or self.chance(0.1):
            made["MemberId"] = self.member()
        if version >= 7:
            made["GroupInstanceId"] = self.one(None, None, None, "i1")
        return made

    def member(self):
        return (
            self.one(*MODERN)
            if self.chance(0.7)
            else self.one("", "nobody", Handle("MemberId", "last"))
        )

    def offset_fetch(self, version):

        def topics(since):
            return (
                self.topics_by(version, since, "PartitionIndexes", self.partition)
                if self.chance(0.75) or version < 2
                else None
            )

        stable = {"RequireStable": self.chance(0.5)} if version >= 7 else {}
        if version < 8:
            return {"GroupId": self.group(), "Topics": topics(99), **stable}

        def group():
            made = {"GroupId": self.group(), "Topics": topics(10)}
            if version >= 9 and self.chance(0.4):
                made |= {"MemberId": self.member(), "MemberEpoch": self.one(-1, 0, 1, 2, 3)}
            return made

        groups = self.some(group, 2)
        return {"Groups": list({g["GroupId"]: g for g in groups}.values()), **stable}

    def offset_delete(self, _version):
        topics = self.topics_by(0, 99, "Partitions", lambda: {"PartitionIndex": self.partition()})
        return {"GroupId": self.group(), "Topics": topics}

    def consumer_group_heartbeat(self, version):
        member = self.one(*MODERN)
        made = {
            "GroupId": self.one(*GROUPS[1:]),
            "MemberId": member,
            "MemberEpoch": self.one(0, 0, 1, 1, 2, 2, 3, 4, 5, -1, -2),
        }
        if made["MemberEpoch"] == 0 and self.chance(0.95) or self.chance(0.15):
            made |= {
                "RebalanceTimeoutMs": 60000,
                "TopicPartitions": [],
                "SubscribedTopicNames": self.subscription(made["GroupId"]),
            }
        elif self.chance(0.5):
            made["TopicPartitions"] = [
                {"TopicId": self.topic_id(), "Partitions": self.one([0], [0, 1], [1])}
                for _ in range(self.one(0, 1, 1))
            ]
        for key, of, choices in (
            ("InstanceId", 0.1 if made["MemberEpoch"] else 0, ("i1", "i2", "")),
            ("RackId", 0.05, ("r", "")),
            ("ServerAssignor", 0.1, ("range", "nope")),
            ("RebalanceTimeoutMs", 0.05, (-1, 30000)),
        ):
            if self.chance(of):
                made[key] = self.one(*choices)
        return made

    def subscription(self, group):
        return (
            self.one(["t1"], ["t2"], ["t1", "t2"], ["t3", "nope"], [])
            if group != "g2"
            else ["t1", "t2"]
        )

    def groups(self):
        return list(dict.fromkeys(self.some(self.group)))

    def join_group(self, version):
        group = self.one("g1", "g1", "g2")
        # The others of g2 want other topics: who gets what goes by ids that the brokers make.
        topic = b"t1" if group == "g1" else b"t3"
        kind = self.one("consumer", "consumer", "other") if group == "g1" else "consumer"
        self.joined = group
        made = {
            "GroupId": group,
            "SessionTimeoutMs": self.one(600000, 600000, 1),
            "MemberId": (
                ""
                if group != "g1"
                else self.one("", Handle("MemberId", "last"), Handle("MemberId", "last"), "nobody")
            ),
            "ProtocolType": kind,
            "Protocols": [
                {"Name": name, "Metadata": b"\0\0\0\0\0\1\0\2" + topic + b"\xff\xff\xff\xff"}
                for name in self.one(("range",), ("range", "roundrobin"), ("odd",))
            ],
        }
        if version >= 1:
            made["RebalanceTimeoutMs"] = 300
        if version >= 5:
            made["GroupInstanceId"] = self.one(None, None, None, "i1") if group == "g1" else None
        return made

    def of_generation(self, version, since=3):
        made = {
            "GroupId": self.group(),
            "GenerationId": self.one(1, 1, 2, 2, 3, 0, -1),
            "MemberId": self.one(
                Handle("MemberId", "last"), Handle("MemberId", "last"), "nobody", "m1", ""
            ),
        }
        if version >= since:
            made["GroupInstanceId"] = self.one(None, None, None, "i1")
        return made

    def sync_group(self, version):
        made = self.of_generation(version)
        made["Assignments"] = (
            [{"MemberId": made["MemberId"], "Assignment": b"a"}] if self.chance(0.7) else []
        )
        if version >= 5:
            made |= {
                "ProtocolType": self.one(None, "consumer", "other"),
                "ProtocolName": self.one(None, "range", "odd"),
            }
        return made

    def sync_of_the_last(self, _version):
        member = Handle("MemberId", "last")
        return {
            "GroupId": "g1",
            "GenerationId": Handle("GenerationId", "last"),
            "MemberId": member,
            "Assignments": [{"MemberId": member, "Assignment": b"a"}],
        }

    def heartbeat(self, version):
        return self.of_generation(version)

    def leave_group(self, version):
        member = self.one(Handle("MemberId", "last"), "nobody", "m1", "")
        if version < 3:
            return {"GroupId": self.group(), "MemberId": member}
        return {
            "GroupId": self.group(),
            "Members": [{"MemberId": member, "GroupInstanceId": self.one(None, None, "i1", "i2")}],
        }

    def describe_groups(self, version):
        return {
            "Groups": self.groups(),
            **({"IncludeAuthorizedOperations": self.chance(0.2)} if version >= 3 else {}),
        }

    def consumer_group_describe(self, _version):
        return {"GroupIds": self.groups(), "IncludeAuthorizedOperations": self.chance(0.2)}

    def list_groups(self, version):
        made = {}
        if version >= 4:
            made["StatesFilter"] = self.one(
                [], [], ["Stable"], ["empty", "Dead"], ["odd"], ["Assigning", "Reconciling"]
            )
        if version >= 5:
            made["TypesFilter"] = self.one([], [], ["consumer"], ["Classic"], ["odd"], ["share"])
        return made

    def delete_groups(self, _version):
        return {"GroupsNames": self.groups()}


# API -> how often. Left out: UnregisterBroker ends a node, AlterReplicaLogDirs and DescribeLogDirs
# tell of directories, InitProducerId and ApiVersions have nothing to combine.
WEIGHTS = {
    "Produce": 9,
    "Fetch": 8,
    "ListOffsets": 4,
    "OffsetForLeaderEpoch": 2,
    "DeleteRecords": 2,
    "CreateTopics": 3,
    "DeleteTopics": 1,
    "CreatePartitions": 2,
    "AlterConfigs": 1,
    "IncrementalAlterConfigs": 3,
    "DescribeConfigs": 3,
    "Metadata": 2,
    "DescribeTopicPartitions": 2,
    "DescribeProducers": 2,
    "ListConfigResources": 1,
    "FindCoordinator": 1,
    "OffsetCommit": 8,
    "OffsetFetch": 6,
    "OffsetDelete": 2,
    "ConsumerGroupHeartbeat": 12,
    "JoinGroup": 5,
    "SyncGroup": 4,
    "Heartbeat": 2,
    "LeaveGroup": 2,
    "DescribeGroups": 3,
    "ConsumerGroupDescribe": 3,
    "ListGroups": 2,
    "DeleteGroups": 1,
}


def snake(name):
    return "".join("_" + c.lower() if c.isupper() else c for c in name)[1:]


def requests(seed, count):
    """(API, version, values) each. Who has joined g1 syncs at once or is waited for until it is
    out, as a member of g2 always is: nothing is left to time."""
    maker = Maker(random.Random(seed))
    for _ in range(count):
        name = maker.rng.choices(list(WEIGHTS), WEIGHTS.values())[0]
        yield one_request(maker, name, getattr(maker, snake(name)))
        if name == "JoinGroup" and maker.joined == "g1" and maker.chance(0.7):
            yield one_request(maker, "SyncGroup", maker.sync_of_the_last)
        elif name == "JoinGroup":
            time.sleep(EXPIRY_S)


LEAST_VERSIONS = {
    "Produce": 3,
    "Fetch": 4,
    "JoinGroup": 1,
}  # of some there are schemas of older ones


def one_request(maker, name, make):
    schema = MESSAGES["request", name + "Request"]
    first, end = schema.versions
    version = maker.rng.randrange(max(first, LEAST_VERSIONS.get(name, 0)), end)
    names = {f.name for f in schema.fields if covers(f.versions, version)}
    return name, version, {key: value for key, value in make(version).items() if key in names}
