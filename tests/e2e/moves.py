"""tests/e2e/moves.py BOOTSTRAP TOPIC - clients that wait for each answer, on one partition and then
on another.

Each writer sends enough requests in a row to one partition that its connection moves if it has to,
and then to the other. Some requests come in pieces, some together. Each reader does the same with a
fetch session. Prints what is wrong.
"""
import sys
import threading
import time

from os.path import abspath, dirname
sys.path.insert(0, dirname(dirname(abspath(__file__))) + "/lib")
from client import Client, batch, record  # noqa: E402

IN_A_ROW = 100  # MOVE_AFTER / MOVE_ALONE, twice it, and some
CLIENTS = 4
written = [[], []]  # by partition: the values in the order of their offsets
lock = threading.Lock()


class Pieces:
    """A socket that sends in two pieces, with time for a move between them."""

    def __init__(self, whole):
        self.whole = whole
        self.recv = whole.recv

    def sendall(self, data):
        self.whole.sendall(data[:7])
        time.sleep(0.002)
        self.whole.sendall(data[7:])


def produce(topic, partition, value):
    return {"Acks": 1, "TimeoutMs": 5000, "TopicData": [{"Name": topic, "PartitionData": [
        {"Index": partition, "Records": batch([record(value=value)])}]}]}


def write(address, topic, number):
    with Client(address) as c:
        plain, pieces = c.socket, Pieces(c.socket)
        for row, partition in enumerate((0, 1, 0)):
            for i in range(IN_A_ROW):
                value = b"%d-%d-%d" % (number, row, i)
                c.socket = pieces if i % 16 == 7 else plain
                if i % 95 == 3:  # two at once
                    c.send("Produce", 8, **produce(topic, partition, value + b"!"))
                    c.send("Produce", 8, **produce(topic, partition, value))
                    c.correlation -= 1
                    note(c.receive("Produce", 8), partition, value + b"!")
                    c.correlation += 1
                    note(c.receive("Produce", 8), partition, value)
                else:
                    note(c.ask("Produce", 8, **produce(topic, partition, value)), partition, value)


def note(answer, partition, value):
    told = answer["Responses"][0]["PartitionResponses"][0]
    assert told["ErrorCode"] == 0, told
    with lock:
        written[partition].append((told["BaseOffset"], value))


def values_of(raw):
    """(offset, value) of each record; the batches hold one record each, the last may be cut."""
    at = 0
    while at + 12 <= len(raw):
        length = int.from_bytes(raw[at + 8:at + 12], "big")
        if at + 12 + length > len(raw):
            return
        offset = int.from_bytes(raw[at:at + 8], "big")
        body = raw[at + 61:at + 12 + length]
        value = body[body.index(b"key") + 3 + 1:-1]  # its length is one octet, no header follows
        yield offset, value
        at += 12 + length


def read(address, topic, partition, wrong):
    """All of it by one session, a little in each answer; the connection moves meanwhile."""
    wanted = sorted(written[partition])
    offset, session, epoch, found = 0, 0, 0, []
    with Client(address) as c:
        while len(found) < len(wanted):
            partitions = [{"Partition": partition, "FetchOffset": offset,
                           "PartitionMaxBytes": 250}]
            answer = c.ask("Fetch", 11, MaxWaitMs=500, MinBytes=1, MaxBytes=1 << 20,
                           SessionId=session, SessionEpoch=epoch,
                           Topics=[{"Topic": topic, "Partitions": partitions}])
            assert answer["ErrorCode"] == 0, answer
            if session == 0:
                session = answer["SessionId"]
                assert session != 0
            epoch += 1
            for told in (p for t in answer["Responses"] for p in t["Partitions"]):
                assert told["ErrorCode"] == 0, told
                new = list(values_of(told["Records"] or b""))
                found += new
                offset = new[-1][0] + 1 if new else offset
    if found != wanted:
        wrong.append(f"partition {partition}: {len(found)} records read, {len(wanted)} written")


def run(function, *rows):
    failures = []

    def guarded(*row):
        try:
            function(*row)
        except BaseException as error:  # of any thread: the script must say so
            failures.append(f"{function.__name__}{row[2:3]}: {error!r}")
    threads = [threading.Thread(target=guarded, args=row) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        print(failure)


def main():
    address, topic = sys.argv[1:]
    wrong = []
    run(write, *((address, topic, n) for n in range(CLIENTS)))
    for partition in (0, 1):
        offsets = sorted(offset for offset, _ in written[partition])
        if offsets != list(range(len(offsets))):
            wrong.append(f"partition {partition}: offsets not dense")
    run(read, *((address, topic, n % 2, wrong) for n in range(CLIENTS)))
    print("\n".join(wrong), end="")


main()
