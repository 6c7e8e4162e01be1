"""tests/e2e/bench_liar.py HOST:PORT PORT - passes octets on between a client at PORT and a broker,
but for a bit in each 50,000 octets of a long answer. Until it is killed."""
import socket
import sys
import threading

EVERY, FROM = 50000, 300000


def pass_on(source, target, lies):
    passed = 0
    while True:
        try:
            octets = bytearray(source.recv(1 << 16))
        except OSError:
            octets = b""
        if not octets:
            target.close()
            return
        for at in range(EVERY - passed % EVERY, len(octets), EVERY):
            if lies and passed + at > FROM:
                octets[at] ^= 4
        passed += len(octets)
        try:
            target.sendall(octets)
        except OSError:
            source.close()
            return


host, _, port = sys.argv[1].rpartition(":")
with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as server:
    print("ready", flush=True)
    while True:
        client, _ = server.accept()
        broker = socket.create_connection((host, int(port)))
        threading.Thread(target=pass_on, args=(client, broker, False), daemon=True).start()
        threading.Thread(target=pass_on, args=(broker, client, True), daemon=True).start()
