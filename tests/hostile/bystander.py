"""tests/hostile/bystander.py - a client that does nothing wrong while others do: how long it waits.

    with beside(ADDRESS, TOPIC, "what the others do"):
        ...

It asks for versions and the end of a partition, each few milliseconds, by connections in turn, so
that each shard has some: held up is whoever is on the busy one. It is a process of its own: what
the hostile client computes meanwhile is not counted as the broker's delay.
"""
import contextlib
import itertools
import multiprocessing
import os
import statistics
import time

from wire import API_VERSIONS, LIST_OFFSETS, Connection, array, header, i32, i64, string

# A sanitizer's build is about that much slower; it is run for what the sanitizer finds.
SLOWER = 3 if os.path.basename(os.environ.get("KLAMM_BUILD", "")) == "build-asan" else 1
P99_SECONDS = 0.25 * SLOWER  # generous: a shard that works for others for longer has hung
LONGEST_SECONDS = 1.5 * SLOWER  # that anybody may wait once, on a busy machine
ANSWERS_FOR_A_P99 = 110  # one of them may be late
CONNECTIONS = 4
PROCESSES = multiprocessing.get_context("fork")
failed = 0


def case(name, good, got=""):
    global failed
    failed += not good
    print(f"ok {name}" if good else f"not ok {name}: {got!r:.200}", flush=True)


class Bystander:
    """Asks until it is stopped; then `seconds` are how long each answer took, and `problem` is the
    answer that was none."""

    def __init__(self, address, topic, pause=0.003):
        self.address, self.pause = address, pause
        self.questions = (header(API_VERSIONS, 0), header(LIST_OFFSETS, 1) + i32(-1) +
                          array(string(topic) + array(i32(0) + i64(-1))))
        self.seconds, self.problem = [], None
        self.over, self.count = PROCESSES.Event(), PROCESSES.Value("i", 0)
        self.here, self.there = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=self.run, daemon=True)

    def start(self):
        self.process.start()
        self.there.close()  # so that its end is seen here
        self.here.recv()
        return self

    def run(self):
        with contextlib.ExitStack() as held:
            all_of_them = [held.enter_context(Connection(self.address)) for _ in range(CONNECTIONS)]
            self.there.send("connected")
            turns = itertools.cycle(itertools.product(all_of_them, self.questions))
            while self.problem is None and not self.over.wait(self.pause):
                c, question = next(turns)
                began = time.monotonic()
                answer = c.ask(question)
                self.seconds.append(time.monotonic() - began)
                self.count.value += 1
                if not isinstance(answer, bytes):
                    self.problem = answer
        self.there.send((self.seconds, self.problem))

    def stop(self, answers=1):
        """Lets it have so many answers, if they come within two seconds."""
        until = time.monotonic() + 2
        while self.count.value < answers and time.monotonic() < until:
            time.sleep(0.01)
        self.over.set()
        self.seconds, self.problem = self.here.recv()
        self.process.join()
        return self

    def median(self):
        return statistics.median(self.seconds) if self.seconds else 99

    def p99(self):
        return sorted(self.seconds)[len(self.seconds) * 99 // 100] if self.seconds else 99

    def longest(self):
        return max(self.seconds, default=99)


def judge(name, bystander, p99_seconds=P99_SECONDS):
    """What was done beside it is not felt; the longest wait tells what holds up a shard once, which
    no p99 shows."""
    p99, longest = bystander.p99(), bystander.longest()
    case(f"{name}: others are served within {p99_seconds * 1000:.0f} ms",
         bystander.problem is None and p99 < p99_seconds,
         (bystander.problem, f"p99 {p99 * 1000:.1f} ms of {len(bystander.seconds)}"))
    case(f"{name}: nobody waits for more than {LONGEST_SECONDS} s", longest < LONGEST_SECONDS,
         f"{longest:.2f} s")


@contextlib.contextmanager
def beside(address, topic, name):
    """What happens inside is not felt by others."""
    bystander = Bystander(address, topic).start()
    yield bystander
    bystander.stop(ANSWERS_FOR_A_P99)
    print(f"# {name}: p99 of the others {bystander.p99() * 1000:.1f} ms, longest "
          f"{bystander.longest() * 1000:.1f} ms")
    judge(name, bystander)
