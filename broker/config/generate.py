#!/usr/bin/env python3
"""The two tables of keys.

    broker/config/generate.py KEYS.TSV TOPIC_KEYS.TSV OUT.H OUT.C   for the build
    broker/config/generate.py KEYS.TSV TOPIC_KEYS.TSV OUT.MD        the page
    broker/config/generate.py --check KEYS.TSV TOPIC_KEYS.TSV MD    exits 1 when the page is stale

A row of keys.tsv that acts becomes a field of struct config (its name with '_' for '.') and every
row becomes a row of config_keys[], sorted by name; a row of topic_keys.tsv becomes one of
topic_keys[]. The page is docs/configuration.md. An error names the file and the line.
"""
import sys

TYPES = {
    "boolean": ("bool", "CONFIG_BOOLEAN"),
    "short": ("int64_t", "CONFIG_SHORT"),
    "int": ("int64_t", "CONFIG_INT"),
    "long": ("int64_t", "CONFIG_LONG"),
    "double": ("double", "CONFIG_DOUBLE"),
    "string": ("struct str", "CONFIG_STRING"),
    "list": ("struct str_list", "CONFIG_LIST"),
    "class": ("struct str", "CONFIG_CLASS"),
    "password": ("struct str", "CONFIG_PASSWORD"),
}
UPDATES = {
    "read-only": "UPDATE_READ_ONLY",
    "per-broker": "UPDATE_PER_BROKER",
    "cluster-wide": "UPDATE_CLUSTER_WIDE",
}
FORCES = {"acts": "FORCE_ACTS", "later": "FORCE_LATER", "refused": "FORCE_REFUSED"}
IMPORTANCES = {"high": "IMPORTANCE_HIGH", "medium": "IMPORTANCE_MEDIUM", "low": "IMPORTANCE_LOW"}
KNOWN = {"type": TYPES, "update": UPDATES, "force": FORCES, "importance": IMPORTANCES}
SCOPES = {"": "SCOPE_PUBLIC", "internal": "SCOPE_INTERNAL", "dynamic-only": "SCOPE_DYNAMIC_ONLY"}
MADE = "/* Made by broker/config/generate.py from keys.tsv and topic_keys.tsv. */\n"
COLUMNS = ["name", "type", "default", "valid", "importance", "update", "force", "doc"]
TOPIC_COLUMNS = ["name", "type", "default", "valid", "importance", "broker", "field",
                 "force", "doc"]


def read_rows(path, columns):
    rows = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("#") or line == "\t".join(columns):
            continue
        cells = line.split("\t")
        if len(cells) not in (len(columns), len(columns) + 1):
            sys.exit(f"{path}:{number}: {len(cells)} columns, expected {len(columns)}")
        row = dict(zip(columns + ["extra"], cells + [""]))
        row["else"], row["factor"] = "", "0"
        if row["extra"].startswith("else ") and "*" in row["extra"]:
            row["else"], row["factor"] = row["extra"][len("else "):].split("*")
            row["extra"] = ""
        if row["extra"] not in SCOPES:
            sys.exit(f"{path}:{number}: unknown '{row['extra']}' in the last column")
        for column, known in KNOWN.items():
            if column in row and row[column] not in known:
                sys.exit(f"{path}:{number}: unknown {column} '{row[column]}'")
        if rows and rows[-1]["name"] >= row["name"]:
            sys.exit(f"{path}:{number}: '{row['name']}' is not after '{rows[-1]['name']}'")
        rows.append(row)
    return rows


def field(row):
    return row["name"].replace(".", "_")


def c_text(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_default(text):
    if text in ("<null>", "<required>"):
        return "NULL"
    return c_text("" if text == "<empty>" else text)


def write_header(rows, path):
    with open(path, "w", encoding="utf-8") as out:
        out.write(MADE + "#pragma once\n")
        out.write('#include "base/bytes.h"\n\n/* A comma separated value. */\nstruct str_list {\n')
        out.write("    struct str *items;\n    uint32_t count;\n};\n\n")
        out.write("/* The typed values of every key that acts; lives until the process ends. */\n")
        out.write("struct config {\n")
        for row in rows:
            if row["force"] == "acts":
                c_type = TYPES[row["type"]][0]
                out.write(f"    {c_type} {field(row)}; /* {row['doc']} */\n")
        out.write("};\n")


def key_initialiser(row, place, update, force):
    members = [
        f".name = {c_text(row['name'])}",
        f".default_text = {c_default(row['default'])}",
        f".valid = {c_text(row['valid'])}",
        f".doc = {c_text(row['doc'])}",
        f".offset = {place}",
        f".type = {TYPES[row['type']][1]}",
        f".update = {update}",
        f".force = {force}",
        f".importance = {IMPORTANCES[row['importance']]}",
        f".scope = {SCOPES[row['extra']]}",
    ]
    if row["default"] == "<required>":
        members.append(".required = true")
    if row["else"]:
        members.append(f".otherwise = {c_text(row['else'])}")
        members.append(f".otherwise_factor = {row['factor']}")
    return "{" + ",\n     ".join(members) + "}"


def write_broker_table(rows, out):
    out.write("const struct config_key config_keys[] = {\n")
    for row in rows:
        acts = row["force"] == "acts"
        place = f"(int32_t)offsetof(struct config, {field(row)})" if acts else "-1"
        key = key_initialiser(row, place, UPDATES[row["update"]], FORCES[row["force"]])
        out.write(f"    {key},\n")
    out.write(f"}};\nconst uint32_t config_key_count = {len(rows)};\n\n")


def topic_field(row):
    """What kind of member it is: words have one of their own, numbers are told apart by C."""
    if row["field"] == "-":
        return "LOG_FIELD_NONE"
    if row["type"] in ("list", "string"):
        return "LOG_FIELD_" + row["field"].upper()
    return f"LOG_FIELD_OF({row['field']})"


def write_topic_table(rows, out):
    out.write("#define LOG_FIELD_OF(member)                                          \\\n")
    out.write("    _Generic(((struct log_config *)0)->member, int64_t            \\\n")
    out.write("             : LOG_FIELD_INT64, int32_t                               \\\n")
    out.write("             : LOG_FIELD_INT32, double                                \\\n")
    out.write("             : LOG_FIELD_DOUBLE, bool                                 \\\n")
    out.write("             : LOG_FIELD_BOOL)\n")
    out.write("const struct topic_key topic_keys[] = {\n")
    for row in rows:
        place = "0" if row["field"] == "-" else f"offsetof(struct log_config, {row['field']})"
        key = key_initialiser(row, "-1", "UPDATE_CLUSTER_WIDE", FORCES[row["force"]])
        out.write(f"    {{.key = {key},\n")
        broker = "NULL" if row["broker"] == "-" else c_text(row["broker"])
        out.write(f"     .broker_key = {broker},\n")
        out.write(f"     .field = {topic_field(row)},\n     .offset = {place}}},\n")
    out.write(f"}};\nconst uint32_t topic_key_count = {len(rows)};\n")


def write_tables(rows, topic_rows, path):
    with open(path, "w", encoding="utf-8") as out:
        out.write(MADE)
        out.write('#include "broker/config/topic_config.h"\n\n')
        write_broker_table(rows, out)
        write_topic_table(topic_rows, out)


PAGE_HEAD = """# Configuration keys

Made by `broker/config/generate.py` from `keys.tsv` and `topic_keys.tsv` beside it.

## The broker's

In server.properties, in the environment as `KLAMM_` and the name in capitals with `_` for `.`
(`KLAMM_LOG_DIRS`), and as `--override KEY=VALUE`; the later wins. What has an update mode other
than read-only can also be set while the broker runs, for one broker (per-broker) or for all
(cluster-wide), by kafka-configs.

Altered while the broker runs, otherwise than in Kafka: an unknown key and one that is *refused* are
refused there, too; listeners and listener.security.protocol.map stay as they were at the start;
keys of one listener (listener.name...), client metrics and loggers are not served yet;
max.connections.per.ip.overrides takes addresses, no names; log.cleaner.threads may be 0.

At the start klamm takes and refuses what Apache Kafka does
(`tests/differential/server_properties.tsv` holds hundreds of cases against it), but: a node that is
alone needs no controller.quorum.bootstrap.servers; unknown keys are refused, which Kafka passes
over.

*acts*: does what it says. *not in force*: accepted and reported once at the start. *refused*: any
value but the default stops the start, because leaving it out would weaken safety or security.

| key | type | default | valid | update | | |
|---|---|---|---|---|---|---|
"""
TOPIC_PAGE_HEAD = """
## A topic's

Set when a topic is created or by kafka-configs; they act while the broker runs. What a topic does
not set comes from the broker's key.

| key | type | default | valid | the broker's key | | |
|---|---|---|---|---|---|---|
"""
FORCE_WORDS = {"acts": "acts", "later": "not in force", "refused": "refused"}


def page_row(cells):
    cells = [cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells]
    return "| " + " | ".join(cells) + " |\n"


def page(rows, topic_rows):
    lines = [PAGE_HEAD]
    for row in rows:
        cells = [f"`{row['name']}`", row["type"], row["default"], row["valid"], row["update"]]
        lines.append(page_row(cells + [FORCE_WORDS[row["force"]], row["doc"]]))
    lines.append(TOPIC_PAGE_HEAD)
    for row in topic_rows:
        broker = "" if row["broker"] == "-" else f"`{row['broker']}`"
        cells = [f"`{row['name']}`", row["type"], row["default"], row["valid"], broker]
        lines.append(page_row(cells + [FORCE_WORDS[row["force"]], row["doc"]]))
    return "".join(lines)


def main(arguments):
    is_check = arguments[0] == "--check"
    keys, topic_keys, *out = arguments[is_check:]
    rows = read_rows(keys, COLUMNS)
    topic_rows = read_rows(topic_keys, TOPIC_COLUMNS)
    if is_check:
        if open(out[0], encoding="utf-8").read() != page(rows, topic_rows):
            sys.exit(f"{out[0]} is stale: python3 {sys.argv[0]} {keys} {topic_keys} {out[0]}")
    elif len(out) == 1:
        with open(out[0], "w", encoding="utf-8") as file:
            file.write(page(rows, topic_rows))
    else:
        write_header(rows, out[0])
        write_tables(rows, topic_rows, out[1])


if __name__ == "__main__":
    main(sys.argv[1:])
