"""tests/hostile/pressure.py - clients that cost a broker all they can; called by pressure.test.

    pressure.py HOST:PORT TOPIC BROKER_PID      (pid 0: not ours, its memory is not looked at)

Beside each of them a bystander goes on asking, and its answers must take no longer than before.
"""
import contextlib
import os
import socket
import sys
import time

import bystander
from bystander import LONGEST_SECONDS, Bystander, case
from wire import (API_VERSIONS, CLOSED, FETCH, LIST_OFFSETS, METADATA, PRODUCE, SILENT, Connection,
                  array, batch, end_offset, frame, header, i16, i32, i64, produce, produce_error,
                  record, string)

ADDRESS, TOPIC, PID = sys.argv[1], sys.argv[2], int(sys.argv[3])
MIB = 1 << 20
REQUEST_BYTES_MAX = 100 * MIB  # socket.request.max.bytes as shipped
ANSWERS_FOR_A_MEDIAN = 20
WORST_SECONDS = 0.5  # where there are fewer: a shard that works for another longer has hung


def status_kib(field):
    if PID == 0:
        return 0
    with open(f"/proc/{PID}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


def descriptors():
    return len(os.listdir(f"/proc/{PID}/fd")) if PID else 0


def usual_latency():
    aside = Bystander(ADDRESS, TOPIC).start()
    time.sleep(0.5)
    return aside.stop().median()


@contextlib.contextmanager
def pressure(name, usual, grown_mib):
    """What happens inside is bounded in memory, moves no offset and is not felt by others."""
    before, offset = status_kib("VmRSS"), end_offset(ADDRESS, TOPIC)
    aside = Bystander(ADDRESS, TOPIC).start()
    yield
    grown = status_kib("VmRSS") - before
    took, median = aside.stop().seconds, aside.median()
    case(f"{name}: memory stays", grown < grown_mib * 1024, f"{grown} KiB more")
    served = (median < max(5 * usual, 0.01) if len(took) >= ANSWERS_FOR_A_MEDIAN
              else aside.longest() < WORST_SECONDS)
    case(f"{name}: others are served as before", aside.problem is None and served,
         (aside.problem, f"{median * 1000:.1f} ms of {len(took)}",
          f"{aside.longest() * 1000:.1f} ms at worst", f"{usual * 1000:.1f} ms before"))
    case(f"{name}: nobody waits for more than {LONGEST_SECONDS} s",
         aside.longest() < LONGEST_SECONDS, f"{aside.longest():.2f} s")
    case(f"{name}: no offset moves", end_offset(ADDRESS, TOPIC) == offset)


def promises(usual):
    with pressure("fifty frames of 100 MB that never come", usual, 32):
        held = [Connection(ADDRESS) for _ in range(50)]
        for c in held:
            c.send(i32(REQUEST_BYTES_MAX) + header(PRODUCE, 8) + bytes(4096))
        time.sleep(0.5)
        case("they stay open", held[0].read(0.1) == SILENT)
    for c in held:
        c.socket.close()


def slow_senders(usual):
    with pressure("twenty clients of one octet at a time", usual, 16):
        slow = [Connection(ADDRESS) for _ in range(20)]
        raw = frame(header(API_VERSIONS, 0))
        for at in range(12):
            for c in slow:
                c.send(raw[at:at + 1])
            time.sleep(0.1)
        for c in slow:
            c.send(raw[12:])
        case("their requests are answered in the end",
             all(isinstance(c.read(), bytes) for c in slow))
    for c in slow:
        c.socket.close()


def fill(connection, raw, seconds=2):
    """Sends and never reads until the other end takes no more; the octets that it took."""
    connection.socket.setblocking(False)
    taken, until, idle_since = 0, time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < until and time.monotonic() - idle_since < 0.5:
        try:
            taken += connection.socket.send(raw)
            idle_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            return taken, True
        if taken > 64 * MIB:
            break
    return taken, False


def deaf_clients(usual):
    """Answers that nobody reads are not collected: the broker stops to take requests."""
    with pressure("clients that never read small answers", usual, 48):
        deaf = [Connection(ADDRESS) for _ in range(8)]
        raw = frame(header(API_VERSIONS, 0)) * 1000
        took = [fill(c, raw[:len(frame(header(API_VERSIONS, 0))) * 1000]) for c in deaf]
        case("they are stopped", max(t for t, _ in took) < 32 * MIB, took)
    for c in deaf:
        c.socket.close()
    fetch = frame(header(FETCH, 4) + i32(-1) + i32(0) + i32(1) + i32(16 * MIB) + b"\0" +
                  array(string(TOPIC) + array(i32(0) + i64(0) + i32(16 * MIB))))
    with pressure("clients that never read large answers", usual, 48):
        deaf = [Connection(ADDRESS) for _ in range(8)]
        for c in deaf:
            c.send(fetch * 60)
        time.sleep(1)
    for c in deaf:
        c.socket.close()


def storm(usual):
    before = descriptors()
    with pressure("200 connections opened and closed, four times", usual, 32):
        for turn in range(4):
            opened = [Connection(ADDRESS) for _ in range(200)]
            for i, c in enumerate(opened):
                if (i + turn) % 3 == 0:
                    c.send(frame(header(API_VERSIONS, 0)))
                if (i + turn) % 5 == 0:  # a reset instead of an end
                    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                c.socket.close()
    until = time.monotonic() + 5
    while descriptors() > before + 4 and time.monotonic() < until:
        time.sleep(0.05)
    case("every descriptor is given back", descriptors() <= before + 4, (before, descriptors()))


def amplified(usual):
    """A request of two octets for each topic, of which each takes a struct when decoded."""
    before = status_kib("VmHWM")
    count = 10 * MIB
    body = b"\0" + varuint(count + 1) + b"\1\0" * count + b"\0\0\0\0"
    with pressure("ten million topics of two octets", usual, 256):
        with Connection(ADDRESS) as c:
            c.send(frame(header(METADATA, 9) + body))
            answer = c.read(20)
        case("they are refused or answered", answer != SILENT, answer)
    grown = status_kib("VmHWM") - before
    case("and take at most what a request may", grown < 320 * 1024, f"{grown} KiB more")


def varuint(v):
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7f | 0x80])
        v >>= 7
    return out + bytes([v])


def main():
    with Connection(ADDRESS) as c:
        for _ in range(24):
            error, _ = produce_error(
                c.ask(produce(TOPIC, LARGE_BATCH)), TOPIC)
            if error != 0:
                case("the topic is filled", False, error)
                return True
    usual = usual_latency()
    promises(usual)
    slow_senders(usual)
    deaf_clients(usual)
    storm(usual)
    amplified(usual)
    with Connection(ADDRESS) as c:
        error, offset = produce_error(c.ask(produce(TOPIC, batch())), TOPIC)
        case("then a batch is taken as ever", (error, offset) == (0, 24), (error, offset))
    return bystander.failed > 0


LARGE_BATCH = batch([record(value=bytes(900000))])

if __name__ == "__main__":
    sys.exit(main())
