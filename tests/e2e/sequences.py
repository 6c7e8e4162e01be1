"""tests/e2e/sequences.py - asks a broker what it makes of producer ids, epochs and sequences.

    sequences.py HOST:PORT          a broker without topics: auto.create.topics.enable=false
    sequences.py HOST:PORT again    the same broker after a stop and a start
    sequences.py HOST:PORT killed   the same broker after a kill and one more start
    sequences.py HOST:PORT expired  and after a start with producer.id.expiration.ms=500 and
                                    producer.id.expiration.check.interval.ms=100

tests/e2e/sequences.kafka, -again, -killed and -expired are what Apache Kafka 4.3.1 answered.
"""
import sys
import time

from apis import (all_versions, ask, batch, create, fill, produce_values, quietly, record, topic,
                  topic_ids)

LAST = 2**31 - 1
NOW_MS = int(time.time() * 1000)  # Kafka forgets producers of 1970 when it starts
NAME = "sequences"


def topic_id():
    return next(number for number, name in topic_ids.items() if name == NAME)


def send(case, version, producer, *, count=1, name=NAME, acks=-1, raw=None):
    """count records of (id, epoch, first sequence)."""
    if raw is None:
        raw = batch([record(i) for i in range(count)], producer=producer,
                    timestamps=(NOW_MS, NOW_MS))
    values = produce_values(name, 0, raw, acks)
    if version >= 13:
        del values["TopicData"][0]["Name"]
        values["TopicData"][0]["TopicId"] = topic_id()
    return ask(f"{case}: {producer}, {count}", "Produce", version, **values)


def one_producer(version, number):
    send("a new one begins anywhere", version, (number, 0, 5))
    send("goes on", version, (number, 0, 6))
    send("a gap", version, (number, 0, 8))
    send("a gap, acks=1", version, (number, 0, 8), acks=1)
    send("again", version, (number, 0, 6))
    send("again, acks=1", version, (number, 0, 6), acks=1)
    send("the one before again", version, (number, 0, 5))
    send("again, but longer", version, (number, 0, 5), count=2)
    for sequence in range(7, 13):
        send("goes on", version, (number, 0, sequence))
    for sequence in range(5, 13):
        send("five are remembered", version, (number, 0, sequence))
    send("an older epoch", version, (number, -1, 13))
    send("a newer epoch not from 0 on", version, (number, 3, 13))
    send("a newer epoch", version, (number, 3, 0))
    send("an epoch that is over", version, (number, 2, 1))
    send("a batch of an epoch that is over", version, (number, 0, 12))
    send("the largest epoch", version, (number, 32767, 0))


def odd_producers(version, number):
    send("near the end of the numbers", version, (number, 0, LAST - 1))
    send("across it", version, (number, 0, LAST), count=3)
    send("across it again", version, (number, 0, LAST), count=3)
    send("behind it", version, (number, 0, 2))
    send("before it again", version, (number, 0, LAST - 1))
    send("the last number", version, (number + 1, 0, LAST))
    send("is followed by 0", version, (number + 1, 0, 0))
    send("no sequence", version, (number + 2, 0, -1))
    send("a negative sequence", version, (number + 2, 0, -2))
    send("a negative epoch", version, (number + 3, -2, 0))
    send("a negative id", version, (-2, 0, 0))
    send("has no order", version, (-2, 0, 5))
    send("no id with an epoch", version, (-1, 0, 5))
    send("two batches", version, (number + 4, 0, 0),
         raw=batch(producer=(number + 4, 0, 0)) + batch(producer=(number + 4, 0, 1)))


def deleted_batches():
    """What is deleted is remembered."""
    send("to be deleted", 9, (77, 0, 0), name="deleted")
    send("to be deleted, too", 9, (77, 0, 1), name="deleted")
    quietly("DeleteRecords", 2, TimeoutMs=5000, Topics=[
        {"Name": "deleted", "Partitions": [{"PartitionIndex": 0, "Offset": -1}]}])
    send("deleted, again", 9, (77, 0, 0), name="deleted")
    send("a gap behind the deleted", 9, (77, 0, 3), name="deleted")
    send("on behind the deleted", 9, (77, 0, 2), name="deleted")


def init_producer_id():
    """Ids differ from run to run: whether there is one."""
    for version in all_versions("InitProducerId"):
        cases = [("plain", {}), ("an empty transactional id", {"TransactionalId": ""}),
                 ("a negative timeout", {"TransactionTimeoutMs": -1})]
        if version >= 3:
            cases += [(f"id {number}, epoch {epoch}",
                       {"ProducerId": number, "ProducerEpoch": epoch})
                      for number, epoch in ((5, 3), (5, -1), (-1, 3), (-3, -3))]
        if version > 5:
            break  # not in ApiVersions
        for case, values in cases:
            answer = quietly("InitProducerId", version, **{"TransactionalId": None, **values})
            print(f"InitProducerId v{version}, {case}: error {answer['ErrorCode']}, "
                  f"an id: {answer['ProducerId'] >= 0}, epoch {answer['ProducerEpoch']}")


def wait_for_ids():
    """Kafka has none to give for a moment after its start."""
    while quietly("InitProducerId", 4, TransactionalId=None)["ErrorCode"]:
        pass


def versions():
    return [(version, 1000 + 100 * version) for version in (3, 7, 9, 12, 13)]


def main():
    create(topic(NAME), topic("deleted"))
    fill(NAME, 0, 1)
    fill("deleted", 0, 1)
    for version, number in versions():
        one_producer(version, number)
        odd_producers(version, number + 50)
    deleted_batches()
    wait_for_ids()
    init_producer_id()


def known_topics():
    for found in quietly("Metadata", 12, Topics=None)["Topics"]:
        topic_ids[found["TopicId"]] = found["Name"]


def again():
    """The last batch of each producer is remembered."""
    known_topics()
    for version, number in versions():
        send("the last batch again", version, (number, 32767, 0))
        send("an epoch that is over", version, (number, 3, 1))
        send("a gap", version, (number, 32767, 2))
        send("goes on", version, (number, 32767, 1))
        send("the last batch of another", version, (number + 50, 0, 2))
        send("the one before it", version, (number + 50, 0, LAST), count=3)
        send("goes on", version, (number + 50, 0, 3))
        send("behind the last number", version, (number + 51, 0, 1))
        send("not of its producer", version, (number + 51, 0, 1), count=2)
    send("on behind the deleted", 9, (77, 0, 3), name="deleted")
    send("deleted long ago", 9, (77, 0, 1), name="deleted")


def killed():
    """So is what was written since. Of older batches Kafka knows fewer than klamm."""
    known_topics()
    for version, number in versions():
        send("the last batch again", version, (number, 32767, 1))
        send("an epoch that is over", version, (number, 3, 1))
        send("a gap", version, (number, 32767, 3))
        send("goes on", version, (number, 32767, 2))
        send("the last batch of another", version, (number + 50, 0, 3))
        send("goes on", version, (number + 50, 0, 4))
        send("an older epoch", version, (number + 50, -1, 5))
    send("the last batch again", 9, (77, 0, 3), name="deleted")


def expired():
    """Producers are forgotten as the broker's settings say, also when they are altered."""
    known_topics()
    send("begins", 9, (500, 0, 5))
    time.sleep(1.5)
    ask("nobody is left", "DescribeProducers", 0,
        Topics=[{"Name": NAME, "PartitionIndexes": [0]}])
    send("begins anew where it likes", 9, (500, 0, 9))
    quietly("IncrementalAlterConfigs", 1, Resources=[
        {"ResourceType": 4, "ResourceName": "", "Configs": [
            {"Name": "producer.id.expiration.ms", "ConfigOperation": 0, "Value": "3600000"}]}])
    time.sleep(0.5)
    send("begins", 9, (501, 0, 5))
    time.sleep(1.5)
    send("a gap", 9, (501, 0, 9))
    send("again", 9, (501, 0, 5))


if __name__ == "__main__":
    parts = {"": main, "again": again, "killed": killed, "expired": expired}
    parts[" ".join(sys.argv[2:])]()
