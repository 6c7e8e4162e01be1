"""tests/e2e/odd_requests.py - requests that no client library makes: what stands there twice, is
null, comes too late, or has limits that nothing fits into.

    odd_requests.py HOST:PORT    a broker without topics: auto.create.topics.enable=false

tests/e2e/odd_requests.kafka is what Apache Kafka 4.3.1 answered. Not asked, as klamm differs: a
partition twice in a Fetch (Kafka minds the last one only) or at last without records in a Produce
(Kafka does not answer), negative max_bytes (an error there).
"""
import time

from apis import (NO_UUID, OTHER_ID, all_versions, ask, batch, create, fetch_values, fill, quietly,
                  record, topic)

SERVED_FETCH = (4, 7, 12, 13, 17, 18)


def nulls():
    """An array that must be there and is null."""
    for name, field in (("Produce", "TopicData"), ("Fetch", "Topics"), ("ListOffsets", "Topics"),
                        ("CreateTopics", "Topics"), ("CreatePartitions", "Topics"),
                        ("DeleteRecords", "Topics"), ("OffsetForLeaderEpoch", "Topics"),
                        ("DescribeProducers", "Topics"), ("DescribeConfigs", "Resources"),
                        ("DescribeTopicPartitions", "Topics"), ("AlterConfigs", "Resources"),
                        ("IncrementalAlterConfigs", "Resources")):
        for version in all_versions(name):
            if (name, version) not in (("Produce", 0), ("Produce", 1), ("Produce", 2)):
                ask(f"{field} null", name, version, **{field: None})
    for version in all_versions("DeleteTopics"):
        field = "TopicNames" if version < 6 else "Topics"
        ask(f"{field} null", "DeleteTopics", version, **{field: None})
    ask("Topics null", "Metadata", 0, Topics=None)


def late_requests():
    """A controller takes up nothing whose time is over, and says no more than that."""
    ids = create(topic("late", 2))
    for version in all_versions("CreateTopics"):
        for timeout in (0, -1):
            for validate in (False, True) if version > 0 else (False,):
                ask(f"timeout {timeout}, {validate}", "CreateTopics", version, timeoutMs=timeout,
                    validateOnly=validate, Topics=[topic("later"), topic("late"), topic("a/b"),
                                                   topic("twice"), topic("twice")])
        ask("timeout 0, nothing asked", "CreateTopics", version, timeoutMs=0)
    for version in all_versions("DeleteTopics"):
        for timeout in (0, -1):
            if version < 6:
                ask(f"timeout {timeout}", "DeleteTopics", version, TimeoutMs=timeout,
                    TopicNames=["late", "nope", "a/b", "late"])
            else:
                ask(f"timeout {timeout}", "DeleteTopics", version, TimeoutMs=timeout, Topics=[
                    {"Name": None, "TopicId": ids["late"]}, {"Name": "late", "TopicId": NO_UUID},
                    {"Name": None, "TopicId": OTHER_ID}, {"Name": "nope", "TopicId": NO_UUID}])
    for version in all_versions("CreatePartitions"):
        for timeout in (0, -1):
            for validate in (False, True):
                ask(f"timeout {timeout}, {validate}", "CreatePartitions", version,
                    TimeoutMs=timeout, ValidateOnly=validate,
                    Topics=[{"Name": name, "Count": 5, "Assignments": None}
                            for name in ("late", "nope", "", "late")])
    time.sleep(0.3)
    ask("nothing came of it", "DescribeTopicPartitions", 0)


def offsets_twice():
    def wanted(name, *pairs):
        return {"Name": name, "Partitions": [{"PartitionIndex": index, "Timestamp": timestamp}
                                             for index, timestamp in pairs]}

    create(topic("offsets", 2))
    fill("offsets", 0, 3)
    for version in all_versions("ListOffsets"):
        for case, topics in (
                ("a partition twice", [wanted("offsets", (0, -1), (0, -2))]),
                ("and once more", [wanted("offsets", (0, -1), (0, -2), (0, -1))]),
                ("a topic twice", [wanted("offsets", (0, -1)), wanted("offsets", (0, -1))]),
                ("an unknown one twice", [wanted("nope", (0, -1), (0, -1))]),
                ("no partition", [wanted("offsets")])):
            ask(case, "ListOffsets", version, ReplicaId=-1, Topics=topics)


def produced_twice():
    """Of a partition's batches the last one is appended, and it is answered once."""
    ids = create(topic("doubled", 20))
    for index in range(20):
        fill("doubled", index, 1)

    def wish(*parts, name="doubled"):
        return {"Name": name, "PartitionData": [
            {"Index": index, "Records": value and batch([record(value=value)], timestamps=(1, 1))}
            for index, value in parts]}

    many = [(index, b"m") for index in range(20)]
    cases = [
        ("a partition twice", [wish((0, b"a"), (0, b"last"))]),
        ("with another between", [wish((0, b"b"), (1, b"x"), (0, b"last but"))]),
        ("first without records", [wish((0, None), (0, b"c"))]),
        ("a topic twice", [wish((0, b"d")), wish((0, b"of two topics"))]),
        ("an unknown one twice", [wish((0, b"e"), (0, b"f"), name="nope")]),
        ("of many, three times", [wish(*many, (7, b"n"), (3, b"o"), (7, b"the third"))]),
        ("out of order, once", [wish((5, b"p"), (2, b"q"), (9, b"r"))]),
    ]
    for version in (3, 7, 8, 9, 12, 13):
        for case, topics in cases:
            topics = [dict(each) for each in topics]
            for each in topics if version >= 13 else ():
                each["TopicId"] = ids.get(each.pop("Name"), OTHER_ID)
            answer = quietly("Produce", version, Acks=-1, TimeoutMs=9000, TopicData=topics)
            said = sorted((one["Index"], one["ErrorCode"], one["BaseOffset"])
                          for each in answer["Responses"] for one in each["PartitionResponses"])
            print(f"Produce v{version}, {case}: {said}", flush=True)
    for index in (0, 3, 7):
        values = fetch_values(("doubled", index, 0))
        got = quietly("Fetch", 12, **values)["Responses"][0]["Partitions"][0]["Records"]
        sizes = []
        while got:
            size = 12 + int.from_bytes(got[8:12], "big")
            sizes.append(size)
            got = got[size:]
        print(f"Produce of what was twice, partition {index}: batches of {sizes}", flush=True)


def fetch_limits():
    """Batches of 76 octets: the first of all is given whole, of others nothing or at least one."""
    ids = create(topic("limits", 3), topic("quiet"))
    for index in range(3):
        fill("limits", index, 3)
    fill("quiet", 0, 1)

    def go(case, version, *parts, limits=(), **more):
        parts = [((ids[name] if version >= 13 else name), *rest) for name, *rest in parts]
        values = fetch_values(*parts, **more)
        wishes = [one for each in values["Topics"] for one in each["Partitions"]]
        for wish, limit in zip(wishes, limits):
            wish["PartitionMaxBytes"] = limit
        if version >= 15:
            values.pop("ReplicaId")
        return ask(case, "Fetch", version, **values)

    three = [("limits", 0, 0), ("limits", 1, 0), ("limits", 2, 0)]
    for version in SERVED_FETCH:
        for limits in ((0, 0, 0), (1, 1, 1), (1, 76, 75), (75, 77, 152), (76, 76, 76),
                       (200, 200, 1)):
            go(f"limits {limits}", version, *three, limits=limits)
        for limit in (0, 1, 76, 151, 152, 227, 228, 240, 304, 305, 600):
            go(f"at most {limit}", version, *three, MaxBytes=limit)
        go("the first has nothing", version, ("limits", 0, 3), *three[1:], MaxBytes=1)
        go("at most 160, a short one first", version, ("limits", 0, 2), *three[1:], MaxBytes=160)
        go("more than there is, soon", version, three[0], MinBytes=100000, MaxWaitMs=20)
        go("an error does not wait", version, ("limits", 0, 99), MinBytes=100000, MaxWaitMs=9000)
        for least in (0, -1):
            go(f"at least {least}", version, ("quiet", 0, 1), MinBytes=least, MaxWaitMs=9000)
        go("a negative wait", version, ("quiet", 0, 1), MaxWaitMs=-1)
        go("another partition below 0", version, ("limits", -1, 0))
        go("the largest offset", version, ("limits", 0, 2**63 - 1))
        go("the least offset", version, ("limits", 0, -2**63))
        isolation(version, three[0][0] if version < 13 else ids["limits"])


def isolation(version, name):
    """Where the error stands differs."""
    for level in (-1, 2):
        values = fetch_values((name, 0, 0), IsolationLevel=level)
        if version >= 15:
            values.pop("ReplicaId")
        answer = quietly("Fetch", version, **values)
        errors = {answer.get("ErrorCode", 0), *(one["ErrorCode"] for each in answer["Responses"]
                                                for one in each["Partitions"])}
        print(f"Fetch v{version}, isolation level {level}: errors {sorted(errors - {0})}")


def deleted_twice():
    ids = create(*(topic(f"gone{number}") for number in range(8)))
    for version in all_versions("DeleteTopics"):
        if version < 6:
            ask("twice", "DeleteTopics", version, TimeoutMs=9000, TopicNames=["gone0", "gone0"])
            ask("the metadata", "DeleteTopics", version, TimeoutMs=9000,
                TopicNames=["__cluster_metadata"])
    by_id, by_name = {"Name": None, "TopicId": ids["gone0"]}, {"Name": "gone0", "TopicId": NO_UUID}
    for case, topics in (("an id twice", [by_id, by_id]), ("an id and its name", [by_id, by_name]),
                         ("a name and its id", [by_name, by_id])):
        ask(case, "DeleteTopics", 6, TimeoutMs=9000, Topics=topics)


def moves_to_nowhere():
    """Between log directories, of which there is one."""
    create(topic("moved", 2))
    here = quietly("DescribeLogDirs", 4, Topics=[])["Results"][0]["LogDir"]

    def wanted(path, *pairs):
        return {"Path": path, "Topics": [{"Name": name, "Partitions": list(indexes)}
                                         for name, indexes in pairs]}

    for version in all_versions("AlterReplicaLogDirs"):
        for case, dirs in (
                ("where it is", [wanted(here, ("moved", (0, 1)))]),
                ("another directory", [wanted("/nowhere", ("moved", (0,)))]),
                ("a relative one", [wanted("data", ("moved", (0,)))]),
                ("no name", [wanted("", ("moved", (0,)))]),
                ("the same with a slash", [wanted(here + "/", ("moved", (0,)))]),
                ("an unknown partition", [wanted(here, ("moved", (7,)))]),
                ("a negative partition", [wanted(here, ("moved", (-1,)))]),
                ("an unknown topic", [wanted(here, ("nope", (0,)))]),
                ("an unknown topic nowhere", [wanted("/nowhere", ("nope", (0,)))]),
                ("no partition", [wanted(here, ("moved", ()))]),
                ("nothing", [])):
            ask(case, "AlterReplicaLogDirs", version, Dirs=dirs)


def main():
    fetch_limits()  # first, as Kafka's cleaner deletes records of 1970 after half a minute
    offsets_twice()
    produced_twice()
    deleted_twice()
    nulls()
    late_requests()
    moves_to_nowhere()


if __name__ == "__main__":
    main()
