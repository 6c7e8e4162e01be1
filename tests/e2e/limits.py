"""tests/e2e/limits.py - what a broker with narrow limits answers; for limits.test.

    limits.py HOST:PORT    a broker without topics: auto.create.topics.enable=false,
                           delete.topic.enable=false, max.request.partition.size.limit=3,
                           max.incremental.fetch.session.cache.slots=16

tests/e2e/limits.kafka is what Apache Kafka 4.3.1 answered. Which session finds a full cache is
chance, there and here, as both keep it in parts: of that only what is certain is told.
"""
import sys

import apis
from apis import NO_UUID, OTHER_ID, Client, all_versions, ask, create, fetch_values, topic

SLOTS, OPENED = 16, 400


def delete_topics(ids):
    """Deletion is off."""
    for version in all_versions("DeleteTopics"):
        if version < 6:
            ask("switched off", "DeleteTopics", version, TimeoutMs=10000,
                TopicNames=["a", "nope", "a/b"])
    for case, topics in (
            ("by name", [{"Name": "a", "TopicId": NO_UUID}]),
            ("by id", [{"Name": None, "TopicId": ids["a"]}]),
            ("an unknown name", [{"Name": "nope", "TopicId": NO_UUID}]),
            ("an unknown id", [{"Name": None, "TopicId": OTHER_ID}]),
            ("neither", [{"Name": None, "TopicId": NO_UUID}]),
            ("both", [{"Name": "a", "TopicId": ids["a"]}]),
            ("twice", [{"Name": "a"}, {"Name": "a"}]),
            ("nothing", [])):
        ask(f"switched off, {case}", "DeleteTopics", 6, TimeoutMs=10000, Topics=topics)
    ask("all are there", "Metadata", 9, Topics=[{"Name": "a"}, {"Name": "b"}])


def describe_topic_partitions():
    """Every page, as an admin client turns them."""
    for asked in (2000, 3, 2, 1, 0):
        for names in ([], ["b", "a", "nope"]):
            cursor, page = None, 0
            while page == 0 or (cursor is not None and page < 10):
                answer = ask(f"{names}, at most {asked}, page {page}", "DescribeTopicPartitions", 0,
                             Topics=[{"Name": name} for name in names], Cursor=cursor,
                             ResponsePartitionLimit=asked)
                cursor, page = answer["NextCursor"], page + 1
    cursor = {"TopicName": "a", "PartitionIndex": 3}
    for names in (["a", "b"], ["b"], ["c"], []):
        ask(f"{names}, from {cursor}", "DescribeTopicPartitions", 0, Cursor=cursor,
            Topics=[{"Name": name} for name in names])


def session(connection, number, epoch, *parts):
    """The error and the session of an answer, and how many partitions it tells of."""
    values = fetch_values(*parts, SessionId=number, SessionEpoch=epoch)
    answer = connection.ask("Fetch", 12, **values)
    return (answer["ErrorCode"], answer["SessionId"],
            sum(len(one["Partitions"]) for one in answer["Responses"]))


def fetch_sessions():
    """More of them than there are slots: those that came first keep theirs, as they are young."""
    want = [("a", 0, 0), ("a", 1, 0)]
    with Client(apis.ADDRESS) as c:
        answers = [session(c, 0, 0, *want) for _ in range(OPENED)]
        begun = [number for _, number, _ in answers if number != 0]
        print("sessions: errors of the full fetches:", {error for error, _, _ in answers})
        print("sessions: partitions told by each:", {told for _, _, told in answers})
        print("sessions: no more begin than there are slots:", 0 < len(begun) <= SLOTS)
        print("sessions: each has a number of its own:", len(set(begun)) == len(begun))
        larger = session(c, 0, 0, *want, *(("b", index, 0) for index in range(5)))
        print("sessions: a larger one is answered whole:", (larger[0], larger[2]))
        print("sessions: and pushes out no young one:",
              {session(c, number, 1)[0] for number in begun})
        print("sessions: an old epoch:", {session(c, number, 1) for number in begun})
        print("sessions: an epoch ahead:", {session(c, number, 9) for number in begun})
        print("sessions: which changes nothing:", {session(c, number, 2)[0] for number in begun})
        print("sessions: they end:", {session(c, number, -1, *want) for number in begun})
        print("sessions: then they are gone:", {session(c, number, 3) for number in begun})
        again = [session(c, 0, 0, *want)[1] for _ in range(OPENED)]
        print("sessions: as many begin again:", 0 < sum(map(bool, again)) <= SLOTS)


def documentation():
    """Texts are Kafka's in Kafka and ours here: which settings have one."""
    for kind, name in ((2, "a"), (4, "1"), (4, "")):
        for version in all_versions("DescribeConfigs"):
            for wanted in (False, True) if version > 2 else (False,):
                answer = apis.quietly(
                    "DescribeConfigs", version, IncludeDocumentation=wanted, Resources=[
                        {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}])
                for result in answer["Results"]:
                    known = {bool(entry.get("Documentation")) for entry in result["Configs"]}
                    print(f"DescribeConfigs v{version}, {kind} {name!r}, texts wanted: {wanted}:",
                          f"error {result['ErrorCode']}, has texts: {sorted(known)}")
    for version in all_versions("DescribeConfigs"):
        for kind, name in ((0, "x"), (1, "x"), (3, "x"), (99, "x"), (-1, "")):
            answer = apis.quietly("DescribeConfigs", version, Resources=[
                {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}])
            got = answer["Results"][0]  # whose text is a better one here
            print(f"DescribeConfigs v{version}, of type {kind}: error {got['ErrorCode']},",
                  bool(got["ErrorMessage"]), got["ResourceType"], got["Configs"])


def main():
    ids = create(topic("a", 4), topic("b", 5))
    delete_topics(ids)
    describe_topic_partitions()
    fetch_sessions()
    documentation()


if __name__ == "__main__":
    sys.exit(main())
