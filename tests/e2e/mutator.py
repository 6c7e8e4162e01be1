"""tests/e2e/mutator.py - damages every kind of file of a log directory, one case at a time, and
holds what the broker then serves against what was there.

    mutator.py KLAMM CONFIG [--each N] [--stride OCTETS] [--jobs N] [--value OCTETS] [--seed N]
               [--case STATE:FILE:DAMAGE:AT]

A reference directory is filled by the broker (segments, indexes, a compacted topic, deleted
records, transactions, open and aborted) and left twice: stopped cleanly, and killed with records
behind its last checkpoint. For each case a copy gets one damage in one file and is started.

Always: the broker serves, or ends with a status and a line that names the file; it is never ended
by a signal. What it serves at an offset are the octets that were there (but for the leader epoch,
which lies outside the checksum). A batch that the damage did not touch is served, each one, asked
for by its offset. Aborted transactions, producers and offsets by time are what they were unless the
damage lies in batches. What Kafka's formats cannot tell is believed: a .txnindex that is gone or
ends between two entries (nothing more was aborted), another partition's producer snapshot, the
digits of a log start, another log's segment (its offsets may reach into the segments behind it).

--each: cases of each kind of file and damage. --stride: instead, flip one bit of every so many
octets of every file. One line a kind: what became of its cases; 'not ok' where a rule was broken
or where a kind had no case.
"""
import argparse
import collections
import concurrent.futures
import io
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import CLOSED, Client, batch, record  # noqa: E402

TRANSACTIONAL, CONTROL = 0x10, 0x20
CORRUPT_MESSAGE, OUT_OF_RANGE, UNKNOWN_TOPIC, NOT_LEADER, STORAGE = 2, 1, 3, 6, 56
SETTINGS = [
    "log.index.size.max.bytes=120", "log.index.interval.bytes=1", "klamm.http.listener=",
    "log.cleaner.min.cleanable.ratio=0.01", "log.retention.ms=-1",  # the records are from 2023
    "log.flush.offset.checkpoint.interval.ms=100",
    "replica.high.watermark.checkpoint.interval.ms=100", "klamm.shards=2",
    "log.flush.start.offset.checkpoint.interval.ms=100", "log.initial.task.delay.ms=100",
    "klamm.disk.free.warn=0", "klamm.disk.free.throttle=0", "klamm.disk.free.reject=0"]
CLOSED_OFFSET = -1000 - NOT_LEADER
DAMAGES = ["flip", "zero", "truncate", "grow", "swap", "copy", "delete"]
KINDS = [  # name, what its path looks like
    (".log", r"^(?!__).*/\d{20}\.log$"), (".index", r"\d{20}\.index$"),
    (".timeindex", r"\.timeindex$"), (".txnindex", r"\.txnindex$"), (".snapshot", r"\.snapshot$"),
    ("leader epochs", r"leader-epoch-checkpoint$"), ("partition.metadata", r"partition\.metadata$"),
    ("metadata log", r"^__cluster_metadata-0/\d{20}\.log$"),
    ("metadata snapshot", r"^__cluster_metadata-0/.*\.checkpoint$"),
    ("quorum-state", r"quorum-state$"), ("meta.properties", r"meta\.properties$"),
    ("bootstrap", r"bootstrap\.checkpoint$"), ("clean marker", r"\.kafka_cleanshutdown$"),
    ("recovery points", r"recovery-point-offset-checkpoint$"),
    ("log starts", r"log-start-offset-checkpoint$"),
    ("high watermarks", r"replication-offset-checkpoint$"),
    ("cleaner's offsets", r"cleaner-offset-checkpoint$")]


class Broker:
    """One process at a time, on a directory. It chooses its port and tells it: a port that was free
    a moment ago may be that of another case's broker, whose end looks as if this one had closed the
    connection."""

    def __init__(self, options, data, more=("log.cleaner.enable=false",)):
        self.data, self.log = data, data + ".output"
        settings = SETTINGS + list(more) + [
            f"log.dirs={data}", "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:9093"]
        self.argv = [options.klamm]
        for setting in settings:
            self.argv += ["--override", setting]
        self.argv.append(options.config)

    def start(self):
        """A client, or None when the process has ended."""
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            started = re.search(r"event=started .* port=(\d+)\n", self.output())
            if started is not None:
                return Client(f"127.0.0.1:{started[1]}")
            if self.process.poll() is not None:
                return None
            time.sleep(0.002)
        raise AssertionError("neither serves nor ends")

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(60)

    def output(self):
        with open(self.log, "rb") as file:
            return file.read().decode(errors="replace")


# ---- the reference ----

def produce(client, topic, octets, version=8):
    answer = client.ask("Produce", version, Acks=-1, TimeoutMs=10000, TopicData=[
        {"Name": topic, "PartitionData": [{"Index": 0, "Records": octets}]}])
    error = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
    assert error == 0, answer


def create(client, topic, **configs):
    answer = client.ask("CreateTopics", 5, timeoutMs=10000, Topics=[
        {"Name": topic, "NumPartitions": 1, "ReplicationFactor": 1,
         "Configs": [{"Name": k.replace("_", "."), "Value": v} for k, v in configs.items()]}])
    assert answer["Topics"][0]["ErrorCode"] == 0, answer


def transactions(size):
    """Batches as a partition's file holds them: committed, aborted, and one left open."""
    out, offset, sequence = b"", 0, {1: 0, 2: 0, 3: 0}

    def add(producer, *, marker=None):
        nonlocal out, offset
        attributes, number, records = TRANSACTIONAL, sequence[producer], []
        if marker is None:
            records = [record(i, bytes([65 + producer]) * size) for i in range(2)]
            sequence[producer] += 2
        else:
            attributes, number = TRANSACTIONAL | CONTROL, -1
            records = [record(0, struct.pack(">hi", 0, 0), key=struct.pack(">hh", 0, marker))]
        now = 1700000000000 + 1000 * offset
        made = batch(records, attributes=attributes, base_offset=offset, timestamps=(now, now),
                     producer=(producer, 0, number))
        out += made[:12] + struct.pack(">i", 0) + made[16:]
        offset += len(records)

    for turn in range(6):
        add(1)
        add(2)
        add(1)
        add(1, marker=turn % 2)
        add(2, marker=turn % 3 == 0)
    add(3)
    add(1)
    add(1, marker=0)
    return out


def plain(client, options, topic, first, count):
    for n in range(first, first + count):
        now = 1700000000000 + 1000 * n
        key = b"%d" % (n % 5)
        value = b"%06d " % n + b"v" * options.value
        records = [record(i, value, key=key) for i in range(1 + n % 3)]
        produce(client, topic, batch(records, timestamps=(now, now)))


def make_reference(options, top):
    """{state: directory}"""
    data = os.path.join(top, "data")
    broker = Broker(options, data, ["log.cleaner.backoff.ms=50"])
    client = broker.start()
    for topic in ("plain", "deleted", "transactions", "idle"):
        create(client, topic)
    create(client, "compacted", cleanup_policy="compact", delete_retention_ms="1")
    for topic in ("plain", "deleted", "compacted"):
        plain(client, options, topic, 0, 40)
    answer = client.ask("DeleteRecords", 1, TimeoutMs=10000, Topics=[
        {"Name": "deleted", "Partitions": [{"PartitionIndex": 0, "Offset": 45}]}])
    assert answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 0, answer
    until = time.monotonic() + 30
    while not os.path.exists(os.path.join(data, "cleaner-offset-checkpoint")):
        assert time.monotonic() < until, "nothing was compacted"
        time.sleep(0.05)
    assert broker.end(signal.SIGTERM) == 0, broker.output()
    # The broker does not serve transactions to producers yet: what it keeps of them is what its
    # recovery makes of the batches.
    path = os.path.join(data, "transactions-0", "0" * 20 + ".log")
    with open(path, "wb") as file:
        file.write(transactions(options.value))
    os.unlink(os.path.join(data, ".kafka_cleanshutdown"))
    for name in os.listdir(os.path.dirname(path)):
        if name.endswith("index"):
            os.unlink(os.path.join(os.path.dirname(path), name))
    client = broker.start()
    plain(client, options, "transactions", 0, 12)
    assert broker.end(signal.SIGTERM) == 0, broker.output()
    states = {"clean": os.path.join(top, "clean"), "killed": os.path.join(top, "killed")}
    shutil.copytree(data, states["clean"])
    client = broker.start()
    time.sleep(0.5)  # a checkpoint
    for topic in ("plain", "transactions"):
        plain(client, options, topic, 100, 3)
    create(client, "late")
    broker.end(signal.SIGKILL)
    shutil.copytree(data, states["killed"])
    return states


Batch = collections.namedtuple("Batch", "base end file at octets")


def batches_of(octets):
    at = 0
    while at + 61 <= len(octets):
        base, length = struct.unpack_from(">qi", octets, at)
        if at + 12 + length > len(octets):
            break
        delta = struct.unpack_from(">i", octets, at + 23)[0]
        yield base, base + delta + 1, at, octets[at:at + 12 + length]
        at += 12 + length


def holds_batch(state, path, at, end):
    """Whether [at, end) of the file holds a whole batch: in a wrong place it hides others."""
    with open(path, "rb") as opened:
        block = opened.read()[at:end]
    return any(b.octets in block for batches in state.batches.values() for b in batches)


def without_epoch(octets):
    return octets[:12] + octets[16:]


class State:
    """What a directory holds, and what a broker started on it says."""

    def __init__(self, options, name, directory):
        self.name, self.directory = name, directory
        self.files = sorted(
            os.path.relpath(os.path.join(root, file), directory)
            for root, _, files in os.walk(directory) for file in files)
        self.kinds, self.kind_of = {}, {}
        for file in self.files:
            kind = next((k for k, pattern in KINDS if re.search(pattern, file)), None)
            if kind is not None:
                self.kinds.setdefault(kind, []).append(file)
                self.kind_of[file] = kind
        copy = directory + ".base"
        shutil.copytree(directory, copy)
        broker = Broker(options, copy)
        client = broker.start()
        self.starts, self.batches = {}, {}
        for file in self.kinds[".log"]:
            topic = os.path.dirname(file).rpartition("-")[0]
            with open(os.path.join(directory, file), "rb") as opened:
                octets = opened.read()
            self.batches.setdefault(topic, []).extend(
                Batch(base, end, file, at, whole) for base, end, at, whole in batches_of(octets))
        for topic, batches in self.batches.items():
            self.starts[topic] = list_offset(client, topic, -2)
            self.batches[topic] = [b for b in batches if b.end > self.starts[topic]]
        self.said = ask_around(client, self)
        broken = compare(client, self, Touched(self, None, 0, 0), None, collections.Counter())
        assert not broken, f"{name}: without damage: {broken}"
        broker.end(signal.SIGKILL)
        shutil.rmtree(copy)


# ---- asking ----

def list_offset(client, topic, timestamp, isolation=0):
    answer = client.ask("ListOffsets", 7, ReplicaId=-1, IsolationLevel=isolation, Topics=[
        {"Name": topic, "Partitions": [
            {"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": timestamp}]}])
    one = answer["Topics"][0]["Partitions"][0]
    return one["Offset"] if one["ErrorCode"] == 0 else -one["ErrorCode"] - 1000


def fetch(client, topic, offset, isolation=0):
    answer = client.ask("Fetch", 11, ReplicaId=-1, MaxWaitMs=0, MinBytes=0, MaxBytes=1 << 26,
                        IsolationLevel=isolation, SessionId=0, SessionEpoch=-1,
                        Topics=[{"Topic": topic, "Partitions": [
                            {"Partition": 0, "FetchOffset": offset, "CurrentLeaderEpoch": -1,
                             "PartitionMaxBytes": 1 << 24}]}])
    assert answer != CLOSED, "the connection was closed"
    return answer["Responses"][0]["Partitions"][0]


def ask_around(client, state):
    """What is derived from the batches: {(subject, topic): answer}."""
    said = {}
    until = time.monotonic() + 10
    while fetch(client, "transactions", 0)["HighWatermark"] < 48 and time.monotonic() < until:
        time.sleep(0.01)
    for isolation in (0, 1):
        got = fetch(client, "transactions", 0, isolation)
        # Those that begin above what is given may be told or not, as the index leads.
        aborted = got["AbortedTransactions"]
        said["aborted", "transactions", isolation] = aborted and sorted(
            (a["ProducerId"], a["FirstOffset"]) for a in aborted
            if a["FirstOffset"] < got["LastStableOffset"])
        said["stable", "transactions", isolation] = got["LastStableOffset"]
    for topic in state.batches:
        for n in (0, 7, 23, 38):
            said["time", topic, n] = list_offset(client, topic, 1700000000000 + 1000 * n)
    answer = client.ask("DescribeProducers", 0, Topics=[
        {"Name": "transactions", "PartitionIndexes": [0]}])
    said["producers", "transactions"] = sorted(
        (p["ProducerId"], p["LastSequence"], p["CurrentTxnStartOffset"])
        for p in answer["Topics"][0]["Partitions"][0]["ActiveProducers"])
    return said


class Touched:
    """The batches that octets [at, end) of a file belong to. A file that is swapped or gone is
    touched as a whole."""

    def __init__(self, state, file, at, end):
        self.file, self.at, self.end = file, at, end
        self.others = set()
        self.is_file_lost = self.is_swapped = False
        self.hides_others = False

    def has(self, b):
        if b.file in self.others:
            return True
        return b.file == self.file and b.at < self.end and b.at + len(b.octets) > self.at

    def is_behind_other(self, b):
        """Another log's segment is believed, and may reach into the segments behind it."""
        return any(os.path.dirname(file) == os.path.dirname(b.file) and file < b.file
                   for file in self.others if self.is_file_lost)

    def is_replaced(self, b, kind):
        """Something else may rightly be served in its place."""
        behind = kind == ".log" and self.is_swapped and self.is_behind_other(b)
        return self.is_file_lost and self.has(b) or behind

    def any_of(self, state, topic):
        return any(self.has(b) for b in state.batches.get(topic, []))


def compare(client, state, touched, kind, outcomes):
    """Texts of broken rules. kind: of what was damaged."""
    broken = []
    for topic, batches in state.batches.items():
        i, patience, until = 0, 200, time.monotonic() + 10
        while i < len(batches):
            wanted = batches[i]
            got = fetch(client, topic, max(wanted.base, state.starts[topic]))
            error = got["ErrorCode"]
            served = list(batches_of(got["Records"] or b"")) if error == 0 else []
            if error in (NOT_LEADER, UNKNOWN_TOPIC) or (error == 0 and not served):
                patience -= 1  # it is being opened, or synced
                if patience > 0 and may_come(client, topic, wanted, got):
                    time.sleep(0.005)
                    continue
            if not served:
                lost = collections.Counter()
                found = judge_loss(touched, kind, topic, wanted, error, got, lost)
                if found and time.monotonic() < until and may_come(client, topic, wanted, got):
                    time.sleep(0.05)  # a busy machine
                    continue
                broken += found
                outcomes.update(lost)
                i += 1
                if error in (UNKNOWN_TOPIC, NOT_LEADER, STORAGE):
                    break
                continue
            first = i
            for base, end, _, octets in served:
                while i < len(batches) and batches[i].base < base:
                    if i > first or batches[i].end > base:
                        broken += judge_loss(touched, kind, topic, batches[i], "skipped", got,
                                             outcomes)
                    elif i == first:
                        broken += judge_loss(touched, kind, topic, batches[i], "gap", got, outcomes)
                    i += 1
                if i == len(batches):
                    if end > batches[-1].end and not touched.is_replaced(batches[-1], kind):
                        broken.append(f"{topic}: something at {base} that never was")
                    break
                if batches[i].base != base:
                    if base < batches[i].base:
                        continue  # it holds the offset, and was looked at before
                    if not touched.is_replaced(batches[i], kind):
                        broken.append(f"{topic}: at {base} something that was not there")
                        break
                    i += 1
                    continue
                is_same = without_epoch(octets) == without_epoch(batches[i].octets)
                if not is_same and not touched.is_replaced(batches[i], kind):
                    broken.append(f"{topic}: other octets at {base}")
                i += 1
            if i == first:
                if not touched.is_replaced(wanted, kind):
                    broken.append(f"{topic}: {wanted.base} cannot be passed")
                i += 1
    return broken


def may_come(client, topic, wanted, got):
    return got["HighWatermark"] <= wanted.base or got["ErrorCode"] != 0


def judge_loss(touched, kind, topic, wanted, why, got, outcomes):
    reason = {CORRUPT_MESSAGE: "hole", OUT_OF_RANGE: "cut", 0: "cut"}.get(why, str(why))
    if why in (UNKNOWN_TOPIC, NOT_LEADER, STORAGE):
        reason = "closed"
    outcomes[reason] += 1
    if touched.has(wanted) and (reason in ("hole", "cut") or touched.is_file_lost):
        return []
    if touched.hides_others and wanted.file == touched.file and reason == "hole":
        return []
    if kind == ".log" and touched.is_behind_other(wanted):
        return []
    if reason == "closed" and kind in ("partition.metadata", "metadata log"):
        return []
    if reason == "cut" and kind == "log starts" and (topic == "deleted" or touched.is_file_lost):
        return []  # another checkpoint's lines are believed
    return [f"{topic}: {wanted.base} is gone ({reason}), "
            f"{'touched' if touched.has(wanted) else 'though nothing touched it'}"]


# ---- damage ----

def differs(directory, file, octets):
    with open(os.path.join(directory, file), "rb") as opened:
        return opened.read() != octets


def damage_file(state, copy, file, damage, at, rng):
    """Does it; the touched range of octets, and another file that was touched."""
    path = os.path.join(copy, file)
    size = os.path.getsize(path)
    other = None
    if damage == "delete":
        os.unlink(path)
        return 0, size, None
    os.chmod(path, 0o600)
    with open(path, "rb") as opened:
        octets = bytearray(opened.read())
    before = bytes(octets)
    if damage == "flip":
        octets[at] ^= 1 << rng.randrange(8)
        touched = (at, at + 1)
    elif damage == "zero":
        while at > 0 and not any(octets[at:at + 512]):
            at -= 1  # a file that ends in zeros is not damaged there
        octets[at:at + 512] = bytes(len(octets[at:at + 512]))
        touched = (at, at + 512)
    elif damage == "truncate":
        del octets[at:]
        touched = (at, size)
    elif damage == "grow":
        octets += rng.randbytes(1 + at % 700)
        touched = (size, size)
    elif damage == "copy":  # a block that belongs elsewhere in the file
        block = octets[at:at + 512]
        for _ in range(20):  # it may well be the same there: small files say little
            to = rng.randrange(size)
            if octets[to:to + len(block)] != block:
                break
        octets[to:to + len(block)] = block
        touched = (to, to + len(block))
    else:
        others = [f for f in state.kinds[state.kind_of[file]] if differs(copy, f, before)]
        if not others and os.path.dirname(file) == "":  # the small ones at the root
            others = [f for f in state.kind_of
                      if os.path.dirname(f) == "" and differs(copy, f, before)]
        if not others:
            return None
        other = rng.choice(others)
        with open(os.path.join(copy, other), "rb") as opened:
            octets = opened.read()
        os.chmod(os.path.join(copy, other), 0o600)
        with open(os.path.join(copy, other), "wb") as opened:
            opened.write(before)
        touched = (0, max(size, len(octets)))
    if bytes(octets) == before:
        return None
    with open(path, "wb") as opened:
        opened.write(octets)
    return touched[0], touched[1], other


def is_lost(kind, damage, path):
    """What a file that is gone, or another one that is whole, takes with it."""
    if kind == ".txnindex" and (damage == "delete" or os.path.getsize(path) % 34 == 0 and
                                damage == "truncate"):
        return ("aborted",)
    return ("stable", "aborted", "producers") if kind == ".snapshot" and damage == "swap" else ()


def is_first_offset(kind, what, now, before):
    """Entries of a .txnindex have no checksum: the first offset of one is believed."""
    if kind != ".txnindex" or what[0] != "aborted" or CLOSED_OFFSET in (now, before):
        return False
    changed = collections.Counter(before) - collections.Counter(now)
    return (changed.total() == 1 and
            sorted(producer for producer, _ in now) == sorted(producer for producer, _ in before))


def run_case(options, state, kind, file, damage, at, number):
    """(what became of it, broken rules)"""
    rng = random.Random(f"{options.seed} {state.name} {file} {damage} {at}")
    copy = tempfile.mkdtemp(prefix="case-", dir=options.work)
    data = os.path.join(copy, "data")
    broken, outcomes, broker = [], collections.Counter(), None
    try:
        shutil.copytree(state.directory, data)
        done = damage_file(state, data, file, damage, at, rng)
        if done is None:
            return None
        if state.kind_of.get(done[2]) == "log starts":
            kind = "log starts"
        touched = Touched(state, file, done[0], done[1])
        if done[2] is not None:
            touched.others.update((file, done[2]))
        if damage == "delete":
            touched.others.add(file)
        with open(os.path.join(data, file), "rb") if damage == "truncate" else io.BytesIO() as cut:
            octets = cut.read()
        # A segment that ends between two batches looks like one that compaction made.
        touched.is_file_lost = damage in ("delete", "swap") or damage == "truncate" and (
            sum(len(b[3]) for b in batches_of(octets)) == len(octets))
        touched.is_swapped = damage == "swap"
        touched.hides_others = (kind == ".log" and damage == "copy" and
                                holds_batch(state, os.path.join(data, file), done[0], done[1]))
        broker = Broker(options, data)
        client = broker.start()
        if client is None:
            status = broker.process.wait()
            lines = broker.output()
            named = os.path.basename(file) in lines or (
                file.startswith("__cluster") and "__cluster_metadata-0" in lines) or (
                done[2] is not None and os.path.basename(done[2]) in lines)
            outcomes["refused"] += 1
            if status < 0 or status > 2:
                broken.append(f"ended with status {status}")
            elif not named:
                broken.append("refused without naming the file: " + lines[-300:])
            elif not {kind, state.kind_of.get(done[2])} & set(MAY_BE_REFUSED):
                broken.append("refused: " + lines[-300:])
        else:
            broken = compare(client, state, touched, kind, outcomes)
            if kind not in (".log", "metadata log", "log starts") and not outcomes["closed"]:
                said = ask_around(client, state)
                lost = is_lost(kind, damage, os.path.join(data, file))
                broken += [f"{what}: {said[what]} for {state.said[what]}" for what in said
                           if said[what] != state.said[what] and what[0] not in lost and
                           not is_first_offset(kind, what, said[what], state.said[what]) and
                           not (kind == "partition.metadata" and said[what] == CLOSED_OFFSET)]
                outcomes["believed"] += lost != ()
                outcomes += collections.Counter()  # without zeros
            if broker.process.poll() is not None:
                broken.append(f"ended with status {broker.process.returncode}")
            elif "assert" in broker.output().lower():
                broken.append("an assertion: " + broker.output()[-300:])
    except (AssertionError, OSError, KeyError, struct.error, TypeError) as error:
        broken.append(f"{type(error).__name__}: {error}; the broker's status: "
                      f"{broker and broker.process.poll()}")
    finally:
        if broker is not None and broker.process.poll() is None:
            broker.end(signal.SIGKILL)
        if broken and broker is not None:
            broken.append(broker.output()[-600:] if options.verbose else "")
        shutil.rmtree(copy, ignore_errors=True)
    return outcomes, broken


# ---- the run ----

def cases_of(options, states):
    rng = random.Random(options.seed)
    for state in states.values():
        for kind, _ in KINDS:
            files = state.kinds.get(kind, [])
            filled = [f for f in files if os.path.getsize(os.path.join(state.directory, f)) > 0]
            if options.stride:
                for file in files:
                    size = os.path.getsize(os.path.join(state.directory, file))
                    first = rng.randrange(min(options.stride, size)) if size > 0 else 0
                    for at in range(first, size, options.stride):
                        yield state, kind, file, "flip", at
                continue
            for damage in DAMAGES:
                for _ in range(options.each):
                    among = files if damage == "delete" else filled
                    if not among:
                        continue
                    chosen = rng.choice(among)
                    size = os.path.getsize(os.path.join(state.directory, chosen))
                    yield state, kind, chosen, damage, rng.randrange(size) if size else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("klamm")
    parser.add_argument("config")
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--stride", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--value", type=int, default=150)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--case")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    top = tempfile.mkdtemp(prefix="klamm-mutator-", dir=memory)
    options.work = top
    failed = 0
    try:
        directories = make_reference(options, top)
        states = {name: State(options, name, path) for name, path in directories.items()}
        cases = list(cases_of(options, states))
        if options.case:
            name, file, damage, at = options.case.split(":")
            kind = next(k for k, fs in states[name].kinds.items() if file in fs)
            cases = [(states[name], kind, file, damage, int(at))]
        done = collections.defaultdict(collections.Counter)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            results = pool.map(lambda c: (c[1], run_case(options, *c[1], c[0])), enumerate(cases))
            for (state, kind, file, damage, at), result in results:
                if result is None:
                    continue
                outcomes, broken = result
                counts = done[kind]
                counts["cases"] += 1
                counts[damage] += 1
                for reason in outcomes:
                    counts["became " + reason] += 1
                counts["became harmless"] += not outcomes
                if broken:
                    failed += 1
                    print(f"not ok {state.name}:{file}:{damage}:{at}")
                    for text in broken:
                        print(f"    {text}")
                    sys.stdout.flush()
        for kind, _ in KINDS if not options.case else []:
            counts = done[kind]
            told = ", ".join(f"{n} {what[7:]}" for what, n in sorted(counts.items())
                             if what.startswith("became "))
            missing = [] if options.stride else [
                d for d in DAMAGES if counts[d] == 0 and not (d == "swap" and kind in ALONE)]
            word = "not ok" if counts["cases"] == 0 or missing else "ok"
            failed += word == "not ok"
            print(f"{word} {kind}: {counts['cases']} damages: {told}"
                  f"{'; none of ' + ', '.join(missing) if missing else ''}")
        print(f"{sum(c['cases'] for c in done.values())} cases, {failed} failed, directories of "
              + " and ".join(str(sum(os.path.getsize(os.path.join(s.directory, f))
                                     for f in s.files)) for s in states.values()) + " octets")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return failed > 0


# Kinds without which a start may be refused.
MAY_BE_REFUSED = ("metadata log", "metadata snapshot", "quorum-state", "meta.properties",
                  "bootstrap", "recovery points", "log starts", "high watermarks",
                  "cleaner's offsets", "leader epochs", "partition.metadata")
# No other file has their form.
ALONE = (".txnindex", "quorum-state", "metadata log", "metadata snapshot")

if __name__ == "__main__":
    sys.exit(main())
