#!/usr/bin/env python3
"""Makes tests/golden/frames: what real clients and an Apache Kafka broker said to each other.

    capture.py JAR_DIR BROKER_PORT PROXY_PORT

A broker of Apache Kafka listens on 127.0.0.1:BROKER_PORT and advertises 127.0.0.1:PROXY_PORT, where
this program listens, passes everything on and keeps a copy. It runs Kafka's own command-line tools
and kcat against itself, then writes, for every API key and version that was spoken, the shortest
and the longest exchange: ApiName-vN-K.request and .response, each one frame without its length
field; and index.txt, one line each: file, API key, version.
"""

import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import threading

OUT = pathlib.Path(__file__).resolve().parent / "frames"
NAMES = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    18: "ApiVersions",
    19: "CreateTopics",
    20: "DeleteTopics",
    22: "InitProducerId",
    32: "DescribeConfigs",
    46: "ListPartitionReassignments",
    60: "DescribeCluster",
    75: "DescribeTopicPartitions",
}
KEPT_BYTES_MAX = 6000
exchanges = {}  # (key, version) -> [(request, response)]
lock = threading.Lock()


def frames(source, sink, seen):
    """Passes whole frames from one socket to the other and shows each to `seen`."""
    held = b""
    try:
        while True:
            got = source.recv(1 << 16)
            if not got:
                break
            held += got
            while len(held) >= 4 and len(held) >= 4 + struct.unpack(">i", held[:4])[0]:
                size = 4 + struct.unpack(">i", held[:4])[0]
                frame, held = held[:size], held[size:]
                seen(frame[4:])
                sink.sendall(frame)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, broker_port):
    broker = socket.create_connection(("127.0.0.1", broker_port))
    waiting = {}

    def request(frame):
        key, version, correlation = struct.unpack(">hhi", frame[:8])
        waiting[correlation] = (key, version, frame)

    def response(frame):
        key, version, asked = waiting.pop(struct.unpack(">i", frame[:4])[0])
        with lock:
            exchanges.setdefault((key, version), []).append((asked, frame))

    threading.Thread(target=frames, args=(client, broker, request), daemon=True).start()
    frames(broker, client, response)


def listen(proxy_port, broker_port):
    server = socket.create_server(("127.0.0.1", proxy_port), backlog=64)
    while True:
        client, _ = server.accept()
        threading.Thread(target=serve, args=(client, broker_port), daemon=True).start()


def run(*command, text=""):
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=60)
    print(done.returncode, " ".join(command[-8:]))


def main():
    jars, broker_port, proxy_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    threading.Thread(target=listen, args=(proxy_port, broker_port), daemon=True).start()
    at = f"127.0.0.1:{proxy_port}"

    def tool(name, *args, text=""):
        run(
            "java",
            "-Xmx200m",
            "-cp",
            f"{jars}/*",
            f"org.apache.kafka.tools.{name}",
            "--bootstrap-server",
            at,
            *args,
            text=text,
        )

    lines = "".join(f"key-{i}:value number {i}\n" for i in range(5))
    tool(
        "TopicCommand",
        "--create",
        "--topic",
        "frames",
        "--partitions",
        "2",
        "--config",
        "retention.ms=3600000",
    )
    tool("TopicCommand", "--create", "--topic", "frames")  # exists: an error in the answer
    tool("TopicCommand", "--describe", "--topic", "frames")
    tool("TopicCommand", "--list")
    tool(
        "ConsoleProducer",
        "--topic",
        "frames",
        "--property",
        "parse.key=true",
        "--property",
        "key.separator=:",
        "--compression-codec",
        "none",
        text=lines,
    )
    tool(
        "consumer.ConsoleConsumer",
        "--topic",
        "frames",
        "--partition",
        "0",
        "--from-beginning",
        "--timeout-ms",
        "3000",
    )
    tool(
        "consumer.ConsoleConsumer",
        "--topic",
        "frames",
        "--group",
        "frames",
        "--from-beginning",
        "--timeout-ms",
        "5000",
    )
    tool("GetOffsetShell", "--topic", "frames")
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        run(
            "kcat",
            "-b",
            at,
            "-P",
            "-t",
            "frames",
            "-p",
            "1",
            "-K",
            ":",
            "-z",
            codec,
            "-H",
            "header=value",
            text=lines,
        )
    run("kcat", "-b", at, "-P", "-t", "frames", "-X", "enable.idempotence=true", text=lines)
    run(
        "kcat",
        "-b",
        at,
        "-P",
        "-t",
        "no-such-topic",
        "-X",
        "allow.auto.create.topics=false",
        "-X",
        "message.timeout.ms=1000",
        text=lines,
    )
    run("kcat", "-b", at, "-C", "-t", "frames", "-o", "beginning", "-e", "-q")
    run("kcat", "-b", at, "-Q", "-t", "frames:0:-1", "-t", "frames:1:1")
    run("kcat", "-b", at, "-L")
    run(
        "kcat",
        "-b",
        at,
        "-L",
        "-X",
        "broker.version.fallback=0.10.0",
        "-X",
        "api.version.request=false",
    )
    run(
        "kcat",
        "-b",
        at,
        "-G",
        "frames-kcat",
        "-e",
        "-q",
        "-X",
        "auto.offset.reset=earliest",
        "frames",
    )
    tool("TopicCommand", "--delete", "--topic", "frames")

    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    index = []
    for (key, version), said in sorted(exchanges.items()):
        small = [e for e in said if len(e[0]) + len(e[1]) <= KEPT_BYTES_MAX]
        by_size = sorted(set(small), key=lambda e: (len(e[0]) + len(e[1]), e))
        for n, exchange in enumerate(dict.fromkeys((by_size[:1] + by_size[-1:]))):
            for frame, kind in zip(exchange, ("request", "response")):
                name = f"{NAMES.get(key, f'Key{key}')}-v{version}-{n}.{kind}"
                (OUT / name).write_bytes(frame)
                index.append(f"{name} {key} {version}")
    (OUT / "index.txt").write_text("\n".join(index) + "\n")
    print(len(index), "frames")


if __name__ == "__main__":
    main()
