#!/usr/bin/env python3
"""broker/config/generate.py KEYS.TSV OUT.H OUT.C [OUT.MD] - the configuration table, three ways.

A row of keys.tsv that acts becomes a field of struct config (its name with '_' for '.') and every
row becomes a row of config_keys[], sorted by name. An error names the file and the line.
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
MADE = "/* Made by broker/config/generate.py from broker/config/keys.tsv. */\n"
COLUMNS = ["name", "type", "default", "valid", "importance", "update", "force", "doc"]


def read_rows(path):
    rows = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("#") or line == "\t".join(COLUMNS):
            continue
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            sys.exit(f"{path}:{number}: {len(cells)} columns, expected {len(COLUMNS)}")
        row = dict(zip(COLUMNS, cells))
        for column, known in KNOWN.items():
            if row[column] not in known:
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


def write_table(rows, path):
    with open(path, "w", encoding="utf-8") as out:
        out.write(MADE)
        out.write('#include "broker/config/config.h"\n\n')
        out.write("const struct config_key config_keys[] = {\n")
        for row in rows:
            acts = row["force"] == "acts"
            place = f"(int32_t)offsetof(struct config, {field(row)})"
            where = place if acts else "-1"
            required = "true" if row["default"] == "<required>" else "false"
            out.write(
                f"    {{{c_text(row['name'])}, {c_default(row['default'])},\n"
                f"     {c_text(row['valid'])}, {c_text(row['doc'])},\n"
                f"     {where}, {TYPES[row['type']][1]}, {UPDATES[row['update']]},\n"
                f"     {FORCES[row['force']]}, {IMPORTANCES[row['importance']]}, {required}}},\n"
            )
        out.write(f"}};\nconst uint32_t config_key_count = {len(rows)};\n")


PAGE_HEAD = """# Configuration keys

Made from `broker/config/keys.tsv` by `broker/config/generate.py`.

*acts*: does what it says. *not in force*: accepted and reported once at the start. *refused*: any
value but the default stops the start, because leaving it out would weaken safety or security.

| key | type | default | valid | update | | |
|---|---|---|---|---|---|---|
"""
FORCE_WORDS = {"acts": "acts", "later": "not in force", "refused": "refused"}


def write_page(rows, path):
    with open(path, "w", encoding="utf-8") as out:
        out.write(PAGE_HEAD)
        for row in rows:
            cells = [f"`{row['name']}`", row["type"], row["default"], row["valid"], row["update"]]
            cells += [FORCE_WORDS[row["force"]], row["doc"]]
            cells = [cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells]
            out.write("| " + " | ".join(cells) + " |\n")


def main():
    rows = read_rows(sys.argv[1])
    write_header(rows, sys.argv[2])
    write_table(rows, sys.argv[3])
    if len(sys.argv) > 4:
        write_page(rows, sys.argv[4])


if __name__ == "__main__":
    main()
