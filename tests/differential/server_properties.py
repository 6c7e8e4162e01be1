"""tests/differential/server_properties.py - klamm --check beside Apache Kafka's verdicts.

    server_properties.py KLAMM BASE TABLE DIR [VERDICTS]

TABLE has a row for each configuration: BASE with the row's settings (KEY=VALUE, or -KEY: without
it) behind the first two columns, which are what klamm does and what Kafka 4.3.1 says ("OK" or its
sentence). With VERDICTS, a line a row, the second column is held against them, too. What klamm
does:

    same      as Kafka, and where it refuses it says Kafka's sentence
    alike     as Kafka, in other words (klamm's name file and line, and what would be right)
    accepts   what Kafka refuses: a comment above says why
    refuses   what Kafka accepts: a comment above says why
"""
import os
import subprocess
import sys


def read_rows(path):
    with open(path, encoding="utf-8") as table:
        lines = [line.rstrip("\n").split("\t") for line in table if not line.startswith("#")]
    return [(cells[0], cells[1], cells[2:]) for cells in lines]


def settings_of(base, changes):
    settings = dict(base)
    for change in changes:
        if change.startswith("-"):
            settings.pop(change[1:])
        else:
            key, _, value = change.partition("=")
            settings[key] = value
    return settings


def check(klamm, settings, directory):
    path = os.path.join(directory, "server.properties")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{key}={value}\n" for key, value in settings.items())
    done = subprocess.run([klamm, "--check", path], capture_output=True, text=True, timeout=20,
                          check=False)
    said = [line for line in done.stderr.splitlines() if line.startswith("klamm: ")]
    return done.returncode == 0, said[-1] if said else ""


def is_as_told(does, kafka, accepted, said):
    if does in ("accepts", "refuses"):
        return accepted == (does == "accepts") and accepted != (kafka == "OK")
    if accepted != (kafka == "OK"):
        return False
    return accepted or does == "alike" or kafka in said


def main(klamm, base_path, table, directory, verdicts=None):
    with open(base_path, encoding="utf-8") as file:
        base = dict(line.rstrip("\n").split("=", 1) for line in file)
    rows = read_rows(table)
    failed = 0
    for does, kafka, changes in rows:
        accepted, said = check(klamm, settings_of(base, changes), directory)
        if not is_as_told(does, kafka, accepted, said):
            failed += 1
            print(f"not ok {' '.join(changes)}")
            print(f"    Kafka: {kafka}\n    klamm ({does}): {said or 'OK'}")
    if failed == 0:
        print(f"ok klamm judges {len(rows)} configurations as the table says")
    if verdicts is not None:
        with open(verdicts, encoding="utf-8") as file:
            said_now = file.read().splitlines()
        wrong = [(row, now) for row, now in zip(rows, said_now) if row[1] != now]
        for (_, kafka, changes), now in wrong:
            print(f"not ok Kafka on {' '.join(changes)}\n    table: {kafka}\n    now:   {now}")
        failed += len(wrong) + (len(rows) != len(said_now))
        if not wrong and len(rows) == len(said_now):
            print("ok and the table is what Kafka says")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
