"""tests/e2e/lag_load.py - producers and consumers of a known pace, by what flows through pipes, and
what klamm-lag says of them.

    lag_load.py lines RATE [SECONDS RATE]...   prints lines of 1,000 octets, RATE a second; after
                                               SECONDS the next rate
    lag_load.py drain RATE [LINES] -- COMMAND  reads as many a second of what it prints; after LINES
                                               no more, and stays

    lag_load.py far PORT HOST:PORT RATE [SECONDS RATE]...
                                               a network: passes octets on to the second address,
                                               and RATE a second of what comes back, all in all
    lag_load.py verdicts FILE                  a line GROUP:VERDICT for each group: what most of the
                                               last five looks in klamm-lag's JSON say, for paces
                                               vary on a busy machine

A console consumer whose output nobody takes waits, and commits no more than it has printed. SIGTERM
ends it, too.
"""
import collections
import json
import signal
import socket
import subprocess
import sys
import threading
import time

LINE = 1000
SPARE = 2000  # octets that an idle connection may be given at once


class Pace:
    """RATE [SECONDS RATE]...: how much is due by now."""

    def __init__(self, arguments):
        self.rates = [float(word) for word in arguments[0::2]]
        self.until = [float(word) for word in arguments[1::2]] + [float("inf")]
        self.begin = time.monotonic()

    def due(self):
        gone = time.monotonic() - self.begin
        want, last = 0.0, 0.0
        for rate, end in zip(self.rates, self.until):
            want += rate * max(min(gone, end) - last, 0)
            last = end
        return want


def lines(arguments):
    pace, written, number = Pace(arguments), 0, 0
    while True:
        time.sleep(0.1)
        for _ in range(int(pace.due() - written)):
            number += 1
            print(f"{number:0{LINE - 1}d}")
            written += 1
        sys.stdout.flush()


def drain(arguments):
    at = arguments.index("--")
    rate = float(arguments[0])
    left = int(arguments[1]) if at > 1 else None
    command = subprocess.Popen(arguments[at + 1:], stdout=subprocess.PIPE, bufsize=0, pipesize=4096)

    def stop(*_):
        command.terminate()
        sys.exit()

    signal.signal(signal.SIGTERM, stop)
    begin, read = time.monotonic(), 0
    while left is None or read < left:
        time.sleep(0.1)
        while read < rate * (time.monotonic() - begin) and (left is None or read < left):
            if not command.stdout.read(LINE):
                sys.exit(command.wait())
            read += 1
    while True:
        time.sleep(60)


def pass_on(source, target, pace):
    """Until either side ends. pace: what may pass by when; None: all."""
    passed = 0
    try:
        while True:
            room = 65536 if pace is None else int(pace.due() - passed)
            if room <= 0:
                time.sleep(0.02)
                continue
            octets = source.recv(min(room, 65536))
            if not octets:
                break
            target.sendall(octets)
            passed += len(octets)
            if pace is not None:
                passed = max(passed, int(pace.due()) - SPARE)  # what was not used is lost
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def far(arguments):
    host, _, port = arguments[1].rpartition(":")
    pace = Pace(arguments[2:])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(arguments[0])))
    listener.listen()
    while True:
        near, _ = listener.accept()
        there = socket.create_connection((host, int(port)))
        for way in ((near, there, None), (there, near, pace)):
            threading.Thread(target=pass_on, args=way, daemon=True).start()


def verdicts(arguments):
    with open(arguments[0], encoding="utf-8") as file:
        whole = file.read().rpartition("\n")[0]
    said = {}
    for look in [json.loads(line) for line in whole.splitlines()[-5:]]:
        for group in look["groups"]:
            counter = said.setdefault(group["group"], collections.Counter())
            counter[group["verdict"].replace(" ", "-")] += 1
    for group, counter in said.items():
        print(f"{group}:{counter.most_common(1)[0][0]}")


try:
    {"lines": lines, "drain": drain, "far": far, "verdicts": verdicts}[sys.argv[1]](sys.argv[2:])
except BrokenPipeError:
    pass
