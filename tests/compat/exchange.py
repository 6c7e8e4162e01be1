"""tests/compat/exchange.py - the Python clients in the exchange of records that exchange.test runs;
what the commands do and how records are written down is in README.md beside this file.

    exchange.py CLIENT write BOOTSTRAP SENT DIR CODEC:TOPIC...
    exchange.py CLIENT read BOOTSTRAP DIR TOPIC...
    exchange.py CLIENT seek BOOTSTRAP TOPIC PARTITION OFFSET TIMESTAMP

CLIENT: confluent-kafka, kafka-python or aiokafka. A client's module is imported by its class only.
"""
import asyncio
import pathlib
import sys

PARTITIONS = range(2)
WAIT = 20  # seconds
WAIT_AT_END_MS = 20  # a fetch that finds nothing would hold up the next partition for 500 ms


def octets(text):
    return None if text == "~" else bytes.fromhex(text)


def text(value):
    return "~" if value is None else value.hex()


def parse(line):
    """Partition, timestamp, key, value, headers of what is to be sent."""
    partition, _, timestamp, key, value, headers = line.rstrip("\n").split("\t")
    pairs = (h.split("=") for h in headers.split(",") if h)
    return (int(partition), int(timestamp), octets(key), octets(value),
            [(bytes.fromhex(n).decode(), octets(v)) for n, v in pairs])


def line(partition, offset, timestamp, key, value, headers):
    tags = ",".join(f"{n.encode().hex()}={text(v)}" for n, v in headers or ())
    return f"{partition}\t{offset}\t{timestamp}\t{text(key)}\t{text(value)}\t{tags}\n"


class Confluent:
    """confluent-kafka, on the librdkafka that it brings."""

    def __init__(self, bootstrap):
        import confluent_kafka
        self.module = confluent_kafka
        self.config = {"bootstrap.servers": bootstrap}

    def write(self, topic, codec, records):
        """The lines of what was acknowledged."""
        lines = []

        def told(record):
            def on_delivery(error, message):
                if error is not None:
                    raise RuntimeError(error)
                partition, _, key, value, headers = record
                stored = (partition, message.offset(), message.timestamp()[1], key, value, headers)
                lines.append((stored[:2], line(*stored)))
            return on_delivery

        chosen = {} if codec == "none" else {"compression.type": codec, "enable.idempotence": True,
                                             "batch.num.messages": 20}
        producer = self.module.Producer(self.config | chosen)
        for record in records:
            partition, timestamp, key, value, headers = record
            producer.produce(topic, value, key, partition=partition, headers=headers,
                             timestamp=timestamp, on_delivery=told(record))
        producer.flush(WAIT)
        return [each for _, each in sorted(lines)]

    def consumer(self):
        return self.module.Consumer(self.config | {
            "group.id": "unused", "enable.auto.commit": False, "fetch.wait.max.ms": WAIT_AT_END_MS})

    def take(self, consumer, topic, partition, offset, end):
        consumer.assign([self.module.TopicPartition(topic, partition, offset)])
        while offset < end:
            message = consumer.poll(WAIT)
            if message is None or message.error() is not None:
                raise RuntimeError(message and message.error())
            offset = message.offset() + 1
            yield line(partition, message.offset(), message.timestamp()[1], message.key(),
                       message.value(), message.headers())

    def read(self, topic):
        consumer = self.consumer()
        for p in PARTITIONS:
            place = self.module.TopicPartition(topic, p)
            yield from self.take(consumer, topic, p, *consumer.get_watermark_offsets(place, WAIT))
        consumer.close()

    def seek(self, topic, partition, offset, timestamp):
        consumer = self.consumer()
        place = self.module.TopicPartition(topic, partition, timestamp)
        begin, end = consumer.get_watermark_offsets(place, WAIT)
        found = consumer.offsets_for_times([place], WAIT)[0].offset
        yield f"begin {begin} end {end} time {found}\n"
        for at in (offset, offset - 7):
            yield from self.take(consumer, topic, partition, at, at + 1)
        consumer.close()


class Native:
    """kafka-python."""

    def __init__(self, bootstrap):
        import kafka
        self.module = kafka
        self.bootstrap = bootstrap

    def write(self, topic, codec, records):
        chosen = {} if codec == "none" else {"compression_type": codec, "batch_size": 4096,
                                             "enable_idempotence": True}
        producer = self.module.KafkaProducer(bootstrap_servers=self.bootstrap, **chosen)
        sent = []
        for partition, timestamp, key, value, headers in records:
            headers = [(n, v or b"") for n, v in headers]  # it takes no null; exchange.test knows
            sent.append(((key, value, headers),
                         producer.send(topic, value, key, headers, partition, timestamp)))
        producer.flush(WAIT)
        told = [(future.get(WAIT), record) for record, future in sent]
        stored = sorted(((t.partition, t.offset, t.timestamp), record) for t, record in told)
        producer.close()
        return [line(*place, *rest) for place, rest in stored]

    def consumer(self):
        return self.module.KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False,
                                         fetch_max_wait_ms=WAIT_AT_END_MS,
                                         consumer_timeout_ms=WAIT * 1000)

    def take(self, consumer, place, offset, end):
        if offset == end:
            return
        consumer.assign([place])
        consumer.seek(place, offset)
        for m in consumer:
            yield line(m.partition, m.offset, m.timestamp, m.key, m.value, m.headers)
            if m.offset + 1 == end:
                return
        raise RuntimeError(f"{place}: nothing came in time")

    def read(self, topic):
        consumer = self.consumer()
        places = [self.module.TopicPartition(topic, p) for p in PARTITIONS]
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        for place in places:
            yield from self.take(consumer, place, begins[place], ends[place])
        consumer.close()

    def seek(self, topic, partition, offset, timestamp):
        consumer = self.consumer()
        place = self.module.TopicPartition(topic, partition)
        begin = consumer.beginning_offsets([place])[place]
        end = consumer.end_offsets([place])[place]
        found = consumer.offsets_for_times({place: timestamp})[place].offset
        yield f"begin {begin} end {end} time {found}\n"
        for at in (offset, offset - 7):
            yield from self.take(consumer, place, at, at + 1)
        consumer.close()


class Aio:
    """aiokafka."""

    def __init__(self, bootstrap):
        import aiokafka
        self.module = aiokafka
        self.bootstrap = bootstrap

    def write(self, topic, codec, records):
        return asyncio.run(self._write(topic, codec, records))

    async def _write(self, topic, codec, records):
        chosen = {} if codec == "none" else {"compression_type": codec, "max_batch_size": 4096,
                                             "enable_idempotence": True}
        producer = self.module.AIOKafkaProducer(bootstrap_servers=self.bootstrap, **chosen)
        await producer.start()
        sent = [(record, await producer.send(topic, record[3], record[2], record[0], record[1],
                                             headers=record[4])) for record in records]
        await producer.flush()
        stored = []
        for record, future in sent:
            told = await future  # its timestamp is that of the batch's first record, not ours
            stored.append(((told.partition, told.offset, record[1]), record[2:]))
        await producer.stop()
        return [line(*place, *rest) for place, rest in sorted(stored, key=lambda s: s[0])]

    def consumer(self):
        return self.module.AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False,
            fetch_max_wait_ms=WAIT_AT_END_MS)

    async def take(self, consumer, place, offset, end):
        if offset == end:
            return ""
        consumer.assign([place])
        consumer.seek(place, offset)
        lines = []
        while offset < end:
            m = await asyncio.wait_for(consumer.getone(), WAIT)
            offset = m.offset + 1
            lines.append(line(m.partition, m.offset, m.timestamp, m.key, m.value, m.headers))
        return "".join(lines)

    def read(self, topic):
        yield asyncio.run(self._read(topic))

    async def _read(self, topic):
        consumer = self.consumer()
        await consumer.start()
        places = [self.module.TopicPartition(topic, p) for p in PARTITIONS]
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        lines = [await self.take(consumer, p, begins[p], ends[p]) for p in places]
        await consumer.stop()
        return "".join(lines)

    def seek(self, topic, partition, offset, timestamp):
        yield asyncio.run(self._seek(topic, partition, offset, timestamp))

    async def _seek(self, topic, partition, offset, timestamp):
        consumer = self.consumer()
        await consumer.start()
        place = self.module.TopicPartition(topic, partition)
        begin = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        found = (await consumer.offsets_for_times({place: timestamp}))[place].offset
        lines = [f"begin {begin} end {end} time {found}\n"]
        for at in (offset, offset - 7):
            lines.append(await self.take(consumer, place, at, at + 1))
        await consumer.stop()
        return "".join(lines)


CLIENTS = {"confluent-kafka": Confluent, "kafka-python": Native, "aiokafka": Aio}


def main():
    name, command, bootstrap, *rest = sys.argv[1:]
    client = CLIENTS[name](bootstrap)
    if command == "write":
        with open(rest[0], encoding="ascii") as sent:
            records = [parse(each) for each in sent]
        for codec, topic in (pair.split(":") for pair in rest[2:]):
            (pathlib.Path(rest[1]) / topic).write_text("".join(client.write(topic, codec, records)))
    elif command == "read":
        for topic in rest[1:]:
            (pathlib.Path(rest[0]) / topic).write_text("".join(client.read(topic)))
    else:
        print("".join(client.seek(rest[0], *map(int, rest[1:]))), end="")


if __name__ == "__main__":
    main()
