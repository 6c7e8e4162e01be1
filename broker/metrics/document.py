#!/usr/bin/env python3
"""The table in docs/metrics.md.

    broker/metrics/document.py ROWS PAGE           writes the table into the page
    broker/metrics/document.py --check ROWS PAGE   exits 1 when the page is stale

ROWS is the program that prints the table of broker/metrics/table.c. The table stands between two
marks in the page; the rest of the page is written by hand, and every metric named there must exist.
"""
import pathlib
import re
import subprocess
import sys

BEGIN = "<!-- made by broker/metrics/document.py -->\n"
END = "<!-- end -->\n"


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def code(text):
    return f"`{text}`" if text else ""


def table(rows):
    lines = ["| metric | type | unit | labels | | Kafka's |", "|---|---|---|---|---|---|"]
    for name, kind, unit, labels, text, kafka in rows:
        lines.append(f"| `{name}` | {kind} | {unit} | {labels} | {cell(text)} | {code(kafka)} |")
    return "".join(line + "\n" for line in lines)


def named(text, rows):
    """Names in the hand-written part that no row has."""
    known = {row[0] for row in rows}
    known |= {row[0] + end for row in rows if row[1] == "histogram"
              for end in ("_bucket", "_sum", "_count")}
    return sorted(set(re.findall(r"\b(?:klamm|process)_[a-z_]+", text)) - known)


def main():
    check = sys.argv[1] == "--check"
    program, path = sys.argv[1 + check:]
    page = pathlib.Path(path)
    out = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{path}: the marks of the table are missing")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    for name in named(head + tail, rows):
        sys.exit(f"{path}: there is no metric {name}")
    made = head + BEGIN + table(rows) + END + tail
    if check and made != text:
        sys.exit(f"{path} is stale: broker/metrics/document.py {program} {path}")
    if not check:
        page.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
