"""tests/e2e/auto_topics.py - asks metadata of topics that are not there, and tells which are then.

    auto_topics.py HOST:PORT    a broker without topics: auto.create.topics.enable=true,
                                num.partitions=3, offsets.topic.num.partitions=7,
                                offsets.topic.segment.bytes=5000000

tests/e2e/auto_topics.kafka is what Apache Kafka 4.3.1 answered. Not told: the first answer, which
says unknown in Kafka, and has the topic here; and Kafka's topics of transactions and share groups,
which come into being in Kafka only.
"""
import time

from apis import NO_UUID, OTHER_ID, all_versions, quietly

PATIENCE_SECONDS = 3  # within which a topic that may be made is there


def look(version, *names, **more):
    answer = quietly("Metadata", version, Topics=[{"Name": name} for name in names], **more)
    return answer["Topics"]


def tell(case, names, made, version=12, **more):
    """`made`: how many of them will be there."""
    look(version, *names, **more)
    until, found = time.time() + PATIENCE_SECONDS, []
    while time.time() < until and len(found) < made:
        found = [topic for topic in look(12, *names, AllowAutoTopicCreation=False)
                 if topic["ErrorCode"] == 0]
        time.sleep(0.05)
    if made == 0:
        time.sleep(0.5)
    print(f"Metadata v{version}, {case}:", sorted(
        (topic["Name"][:20], topic["ErrorCode"], len(topic["Partitions"]), topic["IsInternal"])
        for topic in look(12, *names, AllowAutoTopicCreation=False)), flush=True)


def settings_of(name):
    answer = quietly("DescribeConfigs", 4, Resources=[
        {"ResourceType": 2, "ResourceName": name, "ConfigurationKeys": None}])
    for result in answer["Results"]:
        print(f"DescribeConfigs v4, {name}: error {result['ErrorCode']}", sorted(
            f"{one['Name']}={one['Value']}" for one in result["Configs"]
            if one["ConfigSource"] == 1))


def main():
    for version in all_versions("Metadata"):
        allowed = {"AllowAutoTopicCreation": True} if version >= 4 else {}
        tell("a new one", [f"n{version}"], 1, version, **allowed)
        if version >= 4:
            look(version, f"no{version}", AllowAutoTopicCreation=False)
    tell("not allowed", [f"no{version}" for version in range(4, 14)], 0,
         AllowAutoTopicCreation=False)
    tell("illegal ones and a good one", ["a/b", "", ".", "x" * 250, "good"], 1)
    tell("twice the same", ["twice", "twice", "once"], 2)
    tell("a clash with one that is there", ["clash.1"], 1)
    tell("a clash with one that is there", ["clash_1"], 0)
    tell("many", [f"many{number:02}" for number in range(12)], 12)
    tell("the metadata", ["__cluster_metadata"], 0)
    tell("the offsets", ["__consumer_offsets"], 1)
    settings_of("__consumer_offsets")
    settings_of("good")
    answer = quietly("Metadata", 12, AllowAutoTopicCreation=True, Topics=[
        {"Name": None, "TopicId": OTHER_ID}, {"Name": "beside-an-id", "TopicId": NO_UUID}])
    print("Metadata v12, by id:", [topic["ErrorCode"] for topic in answer["Topics"]])
    tell("of a name beside an id", ["beside-an-id"], 0, AllowAutoTopicCreation=False)
    others = ["__transaction_state", "__share_group_state"]
    tell("of what klamm does not serve", others, 0, AllowAutoTopicCreation=False)
    look(12, *others, AllowAutoTopicCreation=True)


if __name__ == "__main__":
    main()
