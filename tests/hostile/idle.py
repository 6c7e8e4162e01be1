"""tests/hostile/idle.py - ten thousand connections that say nothing; called by idle.test.

    idle.py HOST:PORT TOPIC BROKER_PID

Fewer where descriptors are scarce. Each may take 40 KiB of the broker, others are served beside
them, and everything is given back.
"""
import contextlib
import resource
import sys
import time

import bystander
from bystander import beside, case
from pressure import ADDRESS, PID, TOPIC, descriptors, status_kib
from wire import API_VERSIONS, Connection, frame, header

WANTED, KIB_EACH = 10000, 40


def limit(pid):
    """Descriptors that this process, or the broker, may have."""
    return (resource.prlimit(pid, resource.RLIMIT_NOFILE) if pid
            else resource.getrlimit(resource.RLIMIT_NOFILE))


def main():
    _, hard = limit(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(WANTED, hard - 200, limit(PID)[0] - descriptors() - 200)
    print(f"# {count} connections")
    before, open_before = status_kib("VmRSS"), descriptors()
    with beside(ADDRESS, TOPIC, "idle connections"):
        held = [Connection(ADDRESS) for _ in range(count)]
        until = time.monotonic() + 20
        while descriptors() < open_before + count and time.monotonic() < until:
            time.sleep(0.05)
        case("all of them are taken", descriptors() >= open_before + count, descriptors())
        idle = status_kib("VmRSS") - before
        for c in held:
            c.send(frame(header(API_VERSIONS, 0)))
        good = sum(isinstance(c.read(10), bytes) for c in held)
        used = status_kib("VmRSS") - before
    case("each is answered", good == count, good)
    print(f"# {idle / count:.2f} KiB each, {used / count:.2f} after a request")
    case(f"each takes at most {KIB_EACH} KiB", used < KIB_EACH * count, f"{used / count:.1f} KiB")
    for c in held:
        with contextlib.suppress(OSError):
            c.socket.close()
    until = time.monotonic() + 20
    while descriptors() > open_before and time.monotonic() < until:
        time.sleep(0.05)
    case("every descriptor is given back", descriptors() <= open_before, descriptors())


if __name__ == "__main__":
    main()
    sys.exit(bystander.failed > 0)
