"""tests/e2e/pipelined.py HOST:PORT TOPIC SEED - many requests without waiting for an answer, of all
sizes, their octets cut anywhere: each is answered in order, and stored as it was sent.

Large frames that wait in the socket are received together (broker/net/framing.h); where they begin
and end must not depend on that. Two thirds go to one partition and the rest to another, so the
connection moves between shards meanwhile (broker/net/move.h).
"""
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import MESSAGES, Client, batch, encode, record  # noqa: E402

BOOTSTRAP, TOPIC, RANDOM = sys.argv[1], sys.argv[2], random.Random(int(sys.argv[3]))
REQUESTS = 900
SIZES = [1, 300, 4000, 4090, 4096, 9000, 20000, 33000, 65000, 66000, 80000, 140000, 270000, 600000]
BATCHES = [batch([record(value=RANDOM.randbytes(size))]) for size in SIZES]


def request(correlation, name, version, **values):
    key = MESSAGES["request", name + "Request"].key
    payload = struct.pack(">hhih", key, version, correlation, -1) + encode(name, version, values)
    return struct.pack(">i", len(payload)) + payload


def send(socket, octets):
    at = 0
    while at < len(octets):
        kind = RANDOM.randrange(4)
        cut = RANDOM.randrange(1, 9) if kind == 0 else RANDOM.randrange(1, 700000)
        socket.sendall(octets[at:at + cut])
        at += cut
        if RANDOM.randrange(8) == 0:
            time.sleep(RANDOM.random() / 100)


def main():
    sent, octets = [], []
    with Client(BOOTSTRAP) as client:
        for number in range(REQUESTS):
            if RANDOM.randrange(10 if number < 100 else 100) == 0:
                octets.append(request(number, "Metadata", 4, Topics=[{"Name": TOPIC}]))
                sent.append(None)
                continue
            # runs of one size, as a producer's, and others between them
            which = sent[-1][1] if sent and sent[-1] is not None and RANDOM.randrange(3) else \
                RANDOM.randrange(len(BATCHES))
            partition = int(number * 3 >= REQUESTS * 2)
            octets.append(request(number, "Produce", 8, Acks=RANDOM.choice((1, -1)),
                                  TimeoutMs=20000, TopicData=[{"Name": TOPIC, "PartitionData": [
                                      {"Index": partition, "Records": BATCHES[which]}]}]))
            sent.append((partition, which))
        sender = threading.Thread(target=send, args=(client.socket, b"".join(octets)), daemon=True)
        sender.start()
        offsets = [0, 0]
        for number, what in enumerate(sent):
            length, correlation = struct.unpack(">ii", client.exactly(8))
            body = client.exactly(length - 4)
            assert correlation == number, f"answer {number} is that of request {correlation}"
            if what is None:
                continue
            partition, which = what
            at = 4 + 2 + len(TOPIC) + 4
            index, error, base = struct.unpack(">ihq", body[at:at + 14])
            wanted = (partition, 0, offsets[partition])
            assert (index, error, base) == wanted, f"{number}: {index, error, base}, not {wanted}"
            offsets[partition] += 1
        sender.join()
    for partition in (0, 1):
        compare(partition, [what[1] for what in sent if what is not None and what[0] == partition])


def compare(partition, wanted):
    offset = 0
    with Client(BOOTSTRAP) as client:
        while offset < len(wanted):
            answer = client.ask("Fetch", 4, ReplicaId=-1, MaxWaitMs=1000, MinBytes=1,
                                MaxBytes=4 << 20, Topics=[{"Topic": TOPIC, "Partitions": [
                                    {"Partition": partition, "FetchOffset": offset,
                                     "PartitionMaxBytes": 4 << 20}]}])
            data = answer["Responses"][0]["Partitions"][0]["Records"]
            while len(data) >= 12:
                base, length = struct.unpack(">qi", data[:12])
                if len(data) < 12 + length:
                    break
                assert base == offset, f"batch at {base}, not {offset}"
                expected = BATCHES[wanted[offset]]
                assert data[16:12 + length] == expected[16:], f"batch {offset} differs"
                data, offset = data[12 + length:], offset + 1
    print(f"partition {partition}: {offset} batches")


main()
