"""tests/long/crowds.py - waves of connections and a million names; called by tests/long/crowds.

    crowds.py HOST:PORT TOPIC BROKER_PID CONNECTIONS CLIENT_IDS
"""
import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))
import bystander  # noqa: E402
from bystander import case  # noqa: E402
from pressure import ADDRESS, PID, TOPIC, descriptors, status_kib  # noqa: E402
from wire import API_VERSIONS, METADATA, Connection, array, frame, header, string  # noqa: E402

CONNECTIONS, CLIENT_IDS = int(sys.argv[4]), int(sys.argv[5])
WAVE, GROWN_MIB, NAMES_AT_ONCE = 10000, 64, 1000
AT_ONCE = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: a reset, so that no port of ours waits


def beside(name, work):
    """Does the work with a bystander beside it; tells what it cost."""
    cpu = cpu_seconds()
    before, began = status_kib("VmRSS"), time.monotonic()
    with bystander.beside(ADDRESS, TOPIC, name):
        work()
        took, cpu = time.monotonic() - began, cpu_seconds() - cpu
    grown = status_kib("VmRSS") - before
    print(f"# {name}: {took:.1f} s, {cpu:.2f} s of CPU, {grown} KiB more afterwards")
    case(f"{name}: memory stays", grown < GROWN_MIB * 1024, f"{grown} KiB more")


def cpu_seconds():
    with open(f"/proc/{PID}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connections():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wave = min(WAVE, hard - 200, resource.prlimit(PID, resource.RLIMIT_NOFILE)[0] - 400)
    left, answered, peaks = CONNECTIONS, 0, []
    while left > 0:
        held = [Connection(ADDRESS) for _ in range(min(wave, left))]
        for c in held:
            c.send(frame(header(API_VERSIONS, 0)))
        answered += sum(isinstance(c.read(20), bytes) for c in held)
        peaks.append(status_kib("VmRSS"))
        for c in held:
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            c.socket.close()
        left -= len(held)
    print(f"# waves of {wave}, resident at their heights: {peaks} KiB")
    case("each connection is answered", answered == CONNECTIONS, answered)
    case("a later wave takes no more than the first", peaks[-1] < peaks[0] + 8192, peaks)


def client_ids():
    """Each name asks for versions and for a topic; memory is looked at on the way."""
    seen, answered = [], 0
    with Connection(ADDRESS) as c:
        for first in range(0, CLIENT_IDS, NAMES_AT_ONCE):
            asked = [header(METADATA, 1, 7, f"client-{first + i}") + array(string(TOPIC))
                     for i in range(NAMES_AT_ONCE)]
            c.send(b"".join(map(frame, asked)))
            answered += sum(isinstance(c.read(20), bytes) for _ in asked)
            if first % (CLIENT_IDS // 10) == 0:
                seen.append(status_kib("VmRSS"))
    print(f"# resident after each tenth of the names: {seen} KiB")
    case("each name is answered", answered == CLIENT_IDS, answered)
    case("names leave nothing behind", seen[-1] < seen[1] + 4096, seen)


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = descriptors()
    beside(f"{CONNECTIONS} connections", connections)
    until = time.monotonic() + 20
    while descriptors() > before + 1 and time.monotonic() < until:
        time.sleep(0.05)
    case("every descriptor is given back", descriptors() <= before + 1, (before, descriptors()))
    beside(f"{CLIENT_IDS} client ids", client_ids)


if __name__ == "__main__":
    main()
    sys.exit(1 if bystander.failed else 0)
