"""tests/e2e/metrics.py - reads and judges pages of /metrics.

    metrics.py get PORT FILE           scrapes into FILE; exits 1 unless status and type are right
    metrics.py check FILE              exits 1 at the first thing that the format forbids
    metrics.py value FILE SERIES       its value, or 'none'
    metrics.py older OLD NEW           exits 1 when a counter went back
    metrics.py status PORT PATH [METHOD]   the status, or 'none' when nobody listens

The format: Prometheus' text format 0.0.4. Stricter than a scraper: the names, units and suffixes
that promtool's linter asks for, HELP and TYPE before the samples of a metric, samples together and
once.
"""
import http.client
import math
import re
import sys

TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
ABBREVIATED = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "milliseconds", "kilobytes"}


def fail(text):
    sys.exit(f"metrics.py: {text}")


def family_of(name, families):
    for end in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(end)
        if base != name and families.get(base) == "histogram":
            return base
    return name


def read(path):
    """({metric: type}, {series: value}), the order of the file."""
    text = open(path, encoding="utf-8", newline="").read()
    families, helped, samples = {}, set(), {}
    current = None
    if not text.endswith("\n"):
        fail("the last line has no end")
    for number, line in enumerate(text.split("\n")[:-1], 1):
        where = f"line {number}: {line[:120]}"
        if line.startswith("# HELP "):
            name, _, said = line[len("# HELP "):].partition(" ")
            if name in helped or not said.strip():
                fail(f"HELP twice or empty, {where}")
            helped.add(name)
            current = name
        elif line.startswith("# TYPE "):
            name, kind = line[len("# TYPE "):].split(" ")
            if name != current or name in families:
                fail(f"TYPE does not follow its HELP, {where}")
            if kind not in ("counter", "gauge", "histogram"):
                fail(f"unknown type, {where}")
            families[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            if match is None:
                fail(f"no sample, {where}")
            name, labels, value = match.groups()
            if current not in families or family_of(name, families) != current:
                fail(f"a sample outside its metric, {where}")
            keys = [label.partition("=")[0] for label in re.findall(LABEL, labels or "")]
            if len(set(keys)) != len(keys):
                fail(f"a label twice, {where}")
            series = f"{name}{{{labels}}}" if labels else name
            if series in samples:
                fail(f"a sample twice, {where}")
            samples[series] = float(value)
    if helped != set(families):
        fail("HELP without TYPE")
    return families, samples


def check_name(name, kind):
    if not re.fullmatch(r"[a-z][a-z_]*", name):
        fail(f"{name}: a name in lower case")
    if name.endswith("_total") != (kind == "counter"):
        fail(f"{name}: counters, and only they, end with _total")
    words = set(name.split("_"))
    if words & ABBREVIATED or words & {"counter", "gauge", "histogram"}:
        fail(f"{name}: an abbreviated unit, or the type in the name")


def check_histogram(name, samples):
    series = {}
    for sample, value in samples.items():
        if not sample.startswith(f"{name}_bucket{{"):
            continue
        labels = sample[len(name) + len("_bucket{"):-1]
        bound = re.search(r'(?:^|,)le="([^"]*)"', labels)
        rest = ",".join(label for label in re.findall(LABEL, labels) if label[:3] != "le=")
        series.setdefault(rest, []).append((float(bound.group(1)), value))
    for rest, buckets in series.items():
        bounds = [bound for bound, _ in buckets]
        counts = [count for _, count in buckets]
        if bounds != sorted(set(bounds)) or bounds[-1] != math.inf:
            fail(f"{name}{{{rest}}}: bounds do not ascend to +Inf")
        if counts != sorted(counts):
            fail(f"{name}{{{rest}}}: not cumulative")
        if samples.get(f"{name}_count{{{rest}}}") != counts[-1]:
            fail(f"{name}{{{rest}}}: the count is not the last bucket")
        if f"{name}_sum{{{rest}}}" not in samples:
            fail(f"{name}{{{rest}}}: no sum")


def check(path):
    families, samples = read(path)
    if list(families) != sorted(families, key=lambda name: (name.startswith("process_"), name)):
        fail("the metrics are not in order")
    for name, kind in families.items():
        check_name(name, kind)
        if kind == "histogram":
            check_histogram(name, samples)
    for series, value in samples.items():
        if math.isnan(value) or value < 0:
            fail(f"{series} is {value}")


def older(old, new):
    families, before = read(old)
    _, after = read(new)
    for series, value in before.items():
        family = family_of(series.partition("{")[0], families)
        if families[family] == "gauge" or series not in after:
            continue
        if after[series] < value:
            fail(f"{series} went from {value} to {after[series]}")


def request(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=15)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer, answer.read()


def status(port, path, method="GET"):
    try:
        answer, _ = request(port, path, method)
    except ConnectionError:
        return "none"
    if not answer.headers.get("Content-Type"):
        fail(f"{path}: no Content-Type")
    return answer.status


def get(port, path):
    answer, body = request(port, "/metrics")
    if answer.status != 200 or answer.headers["Content-Type"] != TYPE:
        fail(f"status {answer.status}, Content-Type {answer.headers['Content-Type']}")
    with open(path, "wb") as out:
        out.write(body)


def main():
    what, *rest = sys.argv[1:]
    if what == "value":
        value = read(rest[0])[1].get(rest[1])
        print("none" if value is None else f"{value:.15g}")
    elif what == "status":
        print(status(*rest))
    else:
        {"get": get, "check": check, "older": older}[what](*rest)


if __name__ == "__main__":
    main()
