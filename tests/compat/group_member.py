"""tests/compat/group_member.py - one member of a consumer group; run by groups.test.

    group_member.py CLIENT HOST:PORT GROUP TOPIC

CLIENT: confluent, confluent-consumer (by the protocol of KIP-848), kafka-python, aiokafka.
Prints each record's value once it has committed the offset behind it; SIGTERM leaves the group.
"""
import asyncio
import signal
import sys

CLIENT, ADDRESS, GROUP, TOPIC = sys.argv[1:]
stopping = False


def stop(*_):
    global stopping
    stopping = True


def say(values):
    sys.stdout.write("".join(f"{value.decode()}\n" for value in values))
    sys.stdout.flush()


def confluent():
    from confluent_kafka import Consumer, KafkaException
    settings = {"bootstrap.servers": ADDRESS, "group.id": GROUP,
                "auto.offset.reset": "earliest", "enable.auto.commit": False}
    if CLIENT == "confluent":
        settings |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
                     "partition.assignment.strategy": "cooperative-sticky"}
    else:
        settings["group.protocol"] = "consumer"
    consumer = Consumer(settings)
    consumer.subscribe([TOPIC])
    read = []
    while not stopping:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            read.append(message.value())
        if not read:
            continue
        try:
            consumer.commit(asynchronous=False)
        except KafkaException:  # a rebalance: again, in its generation
            continue
        say(read)
        read = []
    consumer.close()


def kafka_python():
    from kafka import KafkaConsumer
    consumer = KafkaConsumer(TOPIC, bootstrap_servers=ADDRESS, group_id=GROUP,
                             auto_offset_reset="earliest", enable_auto_commit=False,
                             session_timeout_ms=6000, heartbeat_interval_ms=500)
    while not stopping:
        # Not shorter: version 3.0 forgets a rebalance whose SyncGroup is answered after its poll
        # has ended, neither reads nor beats any more, and does not notice.
        for records in consumer.poll(2000).values():
            consumer.commit()
            say([record.value for record in records])
    consumer.close()


async def aiokafka():
    from aiokafka import AIOKafkaConsumer
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=ADDRESS, group_id=GROUP,
                                auto_offset_reset="earliest", enable_auto_commit=False,
                                session_timeout_ms=6000, heartbeat_interval_ms=500)
    await consumer.start()
    while not stopping:
        found = await consumer.getmany(timeout_ms=200)
        if found:
            await consumer.commit()
        for records in found.values():
            say([record.value for record in records])
    await consumer.stop()


signal.signal(signal.SIGTERM, stop)
if CLIENT == "aiokafka":
    asyncio.run(aiokafka())
else:
    {"confluent": confluent, "confluent-consumer": confluent,
     "kafka-python": kafka_python}[CLIENT]()
