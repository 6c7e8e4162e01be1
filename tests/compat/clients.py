"""tests/compat/clients.py - each Python client writes, and each reads what the other wrote.

    clients.py HOST:PORT      run by python.test with the interpreter that has the clients
"""
import os
import sys
import time

import confluent_kafka
import confluent_kafka.admin
import kafka
import kafka.admin

BOOTSTRAP = sys.argv[1]
RUN = f"{os.getpid()}-{int(time.time())}"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
# key, value, headers: text, octets, empty, null.
RECORDS = [
    (b"key", b"value", [("h", b"1"), ("h", b"2")]),
    (None, b"no key", []),
    (b"tombstone", None, []),
    (b"", b"", [("empty", b"")]),
    (bytes(range(256)), bytes(range(255, -1, -1)), [("gr\u00fcn", bytes(range(256)))]),
    (b"large", b"0123456789abcdef" * 20000, []),
] + [(b"k%d" % i, b"value %d" % (i * 7919), []) for i in range(500)]
failed = 0


def case(name, want, got):
    global failed
    if want == got:
        print(f"ok {name}")
        return
    failed += 1
    print(f"not ok {name}")
    for i, (a, b) in enumerate(zip(want, got)):
        if a != b:
            print(f"    record {i}: want {a!r:.300} got {b!r:.300}")
            break
    print(f"    want {len(want)} records, got {len(got)}")


def confluent_create(topic):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": BOOTSTRAP})
    made = admin.create_topics([confluent_kafka.admin.NewTopic(topic, 1, 1)], request_timeout=10)
    made[topic].result(10)


def confluent_write(topic, codec):
    delivered = []

    def on_delivery(error, message):
        delivered.append((error, message.offset()))

    producer = confluent_kafka.Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True,
                                         "compression.type": codec, "linger.ms": 20})
    for key, value, headers in RECORDS:
        producer.produce(topic, value, key, partition=0, headers=headers, on_delivery=on_delivery)
    producer.flush(20)
    case(f"confluent-kafka, {codec}: all are acknowledged with their offsets",
         [(None, offset) for offset in range(len(RECORDS))], delivered)


def confluent_read(topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused",
                                         "enable.auto.commit": False, "fetch.wait.max.ms": 50})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    records, until = [], time.monotonic() + 15
    while len(records) < len(RECORDS) and time.monotonic() < until:
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            records.append((message.key(), message.value(), message.headers() or []))
    consumer.close()
    return records


def native_create(topic):
    admin = kafka.admin.KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([kafka.admin.NewTopic(topic, 1, 1)])
    admin.close()


def native_write(topic, codec):
    producer = kafka.KafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", linger_ms=20,
                                   compression_type=None if codec == "none" else codec)
    sent = [producer.send(topic, value, key, headers, partition=0)
            for key, value, headers in RECORDS]
    producer.flush(20)
    case(f"kafka-python, {codec}: all are acknowledged with their offsets",
         list(range(len(RECORDS))), [future.get(10).offset for future in sent])
    producer.close()


def native_read(topic):
    consumer = kafka.KafkaConsumer(bootstrap_servers=BOOTSTRAP, consumer_timeout_ms=15000,
                                   fetch_max_wait_ms=50, enable_auto_commit=False)
    partition = kafka.TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    records = []
    for message in consumer:
        records.append((message.key, message.value, list(message.headers)))
        if len(records) == len(RECORDS):
            break
    ends = consumer.end_offsets([partition])
    case("kafka-python: the end offset", [len(RECORDS)], [ends[partition]])
    consumer.close()
    return records


def main():
    for codec in CODECS:
        for writer, create, write in (("confluent-kafka", confluent_create, confluent_write),
                                      ("kafka-python", native_create, native_write)):
            topic = f"{writer}-{codec}-{RUN}"
            create(topic)
            write(topic, codec)
            case(f"{writer}, {codec}: read by confluent-kafka", RECORDS, confluent_read(topic))
            case(f"{writer}, {codec}: read by kafka-python", RECORDS, native_read(topic))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
