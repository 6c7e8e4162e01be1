"""tests/lib/ports.py - ports of 127.0.0.1 for brokers of tests, which nobody listens on now.

    ports.py [COUNT]

From below the range out of which the kernel gives clients theirs: no connection takes one before
the broker listens there, or while it is down between two starts, and whoever connects in a loop
until it is there is not connected to himself. Two tests that look at the same
time draw the same port once in many thousand times.
"""
import random
import socket
import sys

LOWEST = 10000


def free_ports(count):
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        end = int(file.read().split()[0])
    candidates = range(LOWEST, end) if end > LOWEST + 1000 else range(LOWEST, 65536)
    held = []
    while len(held) < count:
        try:
            held.append(socket.create_server(("127.0.0.1", random.choice(candidates))))
        except OSError:
            continue
    return [one.getsockname()[1] for one in held]


if __name__ == "__main__":
    print(*free_ports(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
