"""tests/e2e/lag_load.py - producers and consumers of a known pace, by what flows through pipes.

    lag_load.py lines RATE [SECONDS RATE]...   prints lines of 1,000 octets, RATE a second; after
                                               SECONDS the next rate
    lag_load.py drain RATE [LINES] -- COMMAND  reads as many a second of what it prints; after LINES
                                               no more, and stays

A console consumer whose output nobody takes waits, and commits no more than it has printed. SIGTERM
ends it, too.
"""
import signal
import subprocess
import sys
import time

LINE = 1000


def lines(arguments):
    paces = [float(arguments[0])]
    until = []
    for seconds, rate in zip(arguments[1::2], arguments[2::2]):
        until.append(float(seconds))
        paces.append(float(rate))
    begin, written, number = time.monotonic(), 0.0, 0
    while True:
        time.sleep(0.1)
        gone = time.monotonic() - begin
        want, last = 0.0, 0.0
        for pace, end in zip(paces, until + [float("inf")]):
            want += pace * (min(gone, end) - last)
            if gone <= end:
                break
            last = end
        for _ in range(int(want - written)):
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


try:
    {"lines": lines, "drain": drain}[sys.argv[1]](sys.argv[2:])
except BrokenPipeError:
    pass
