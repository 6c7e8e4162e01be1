"""tests/tidy.py - what the compiler does not check: the rules of the house, one function a rule.

    tests/tidy.py            prints 'ok RULE' or 'not ok RULE' (after the places) and exits 1 on any

A rule yields (path, line, what) for each place that breaks it. It stands in RULES beside a sample
tree that breaks it exactly once, so that a rule that has gone blind is found too.
A tree is a dict from path to text; binary files and tests' recorded bytes are not in it.
"""
import os
import pathlib
import re
import sys

import run

TOP = pathlib.Path(__file__).resolve().parent.parent
COLUMNS = 100
FILE_LINES = 900
RECORDED = ("tests/golden/", "tests/fuzz/corpus/")

COMMENT_OR_LITERAL = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_only(text):
    """C text whose comments and literals are blank, its lines where they were."""
    return COMMENT_OR_LITERAL.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def matches(text, pattern):
    """(line number, match) of each match; ^ and $ stand for the ends of a line."""
    for match in re.finditer(pattern, text, re.MULTILINE):
        yield text.count("\n", 0, match.start()) + 1, match


def files(tree, *suffixes, outside=()):
    for path in sorted(tree):
        if path.endswith(suffixes) and not path.startswith(tuple(outside)):
            yield path, tree[path]


def includes_go_down_only(tree):
    for path, text in files(tree, ".c", ".h"):
        for line, _ in matches(text, r'^\s*#\s*include\s+"\.\.?/'):
            yield path, line, "include from the root, never by ./ or ../"


def io_uring_stays_in_the_reactor(tree):
    # append_paths measures what the reactor was to be built of: the ring alone, without the seam.
    homes = ["broker/reactor/", "tests/bench/append_paths.c"]
    for path, text in files(tree, ".c", ".h", outside=homes):
        for line, match in matches(text, r'^\s*#\s*include\s+["<](liburing|linux/io_uring)\b'):
            yield path, line, f"{match.group(1)} is for broker/reactor/ only"


def memory_comes_from_base_mem(tree):
    calls = r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|free|strdup|strndup|v?asprintf)\s*\("
    # A reactor is cache-line aligned and holds the very `struct mem` that counts for its shard.
    homes = ["base/mem.c", "base/banned.h", "broker/reactor/group.c", "tests/"]
    for path, text in files(tree, ".c", ".h", outside=homes):
        for line, match in matches(code_only(text), calls):
            yield path, line, f"{match.group(1)}: allocate by base/mem.h"


def clocks_are_handed_in(tree):
    calls = r"(?<![\w.>])(time|clock_gettime|gettimeofday|clock|ftime)\s*\("
    homes = ["broker/reactor/", "broker/http/", "broker/main.c", "tools/", "tests/",
             "base/banned.h"]
    for path, text in files(tree, ".c", ".h", outside=homes):
        for line, match in matches(code_only(text), calls):
            yield path, line, f"{match.group(1)}: take the `now` that was handed in"


def nothing_is_left_for_later(tree):
    words = "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"])
    for path, text in tree.items():
        for line, match in matches(text, rf"\b({words})\b"):
            yield path, line, f"{match.group(1)}: do it, or write an issue"


def files_hold_one_idea(tree):
    for path, text in files(tree, ".c", ".h", ".py"):
        if text.count("\n") > FILE_LINES:
            yield path, FILE_LINES, f"{text.count(chr(10))} lines, {FILE_LINES} are the limit"


def sources_open_with_what_they_are(tree):
    for path, text in files(tree, ".c", ".h"):
        if not re.match(rf"/\* {re.escape(path)} - \S", text):
            yield path, 1, f"opens with '/* {path} - what it is'"


def headers_have_pragma_once(tree):
    for path, text in files(tree, ".h"):
        if not re.search(r"^#pragma once$", text, re.MULTILINE):
            yield path, 1, "#pragma once is missing"


def lines_fit(tree):
    for path, text in files(tree, ".c", ".h", ".py"):
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > COLUMNS:
                yield path, number, f"{len(line)} columns, {COLUMNS} are the limit"


def text_is_clean(tree):
    for path, text in files(tree, ".c", ".h", ".py", ".md", ".sh", ".test", "meson.build"):
        for line, _ in matches(text, r"[ \t\r]+$"):
            yield path, line, "white space at the end of the line"
        if path.endswith((".c", ".h", ".py")) and "\t" in text:
            yield path, text.count("\n", 0, text.index("\t")) + 1, "a tab"
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "no line end at the end of the file"


def links_lead_somewhere(tree):
    directories = {str(parent) for path in tree for parent in pathlib.PurePath(path).parents}
    for path, text in files(tree, ".md"):
        for line, match in matches(text, r"\]\(([^)\s]+)\)"):
            target = match.group(1).partition("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            found = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if found not in tree and found not in directories:
                yield path, line, f"{target} is not in the tree"


def decisions_are_listed(tree):
    index = tree.get("docs/decisions/README.md", "")
    for path, _ in files(tree, ".md"):
        name = path.removeprefix("docs/decisions/")
        if name != path and name != "README.md" and f"({name})" not in index:
            yield path, 1, "docs/decisions/README.md does not link to it"


def settings_of_groups_are_told(tree):
    page = tree.get("docs/groups.md", "")
    path = "broker/config/group_config.c"
    for line, match in matches(tree.get(path, ""), r'\.name = "([a-z.]+)"'):
        if f"| `{match.group(1)}` |" not in page:
            yield path, line, f"docs/groups.md does not tell of {match.group(1)}"


def no_machine_is_assumed(tree):
    places = r"(?<![\w./$}~])/(?:work|root|home/\w+)/"
    hosts = r"\b(?:repo1?\.maven\.(?:apache\.)?org|pypi\.org|registry\.npmjs\.org)\b"
    for path, text in tree.items():
        for line, match in matches(text, f"{places}|{hosts}"):
            yield path, line, f"'{match.group()}' holds on one machine only"


def architecture_names_every_directory(tree):
    page = tree.get("ARCHITECTURE.md")
    if page is None:
        return
    for name in sorted({path.split("/")[0] for path in tree if "/" in path}):
        if not name.startswith(".") and f"{name}/" not in page:
            yield "ARCHITECTURE.md", 1, f"{name}/ is not mentioned"


def every_source_is_built(tree):
    for path, _ in files(tree, ".c"):
        pure = pathlib.PurePath(path)
        named = False
        for parent in pure.parents:
            lines = tree.get(str(parent / "meson.build"), "")
            inner = re.escape(str(pure.relative_to(parent)).removesuffix(".c"))
            named = named or re.search(rf"'{inner}(\.c)?'", lines) is not None
        if not named:
            yield path, 1, "no meson.build names it"


C = "/* a.c - a sample. */\n"
RULES = (
    (includes_go_down_only, {"a.c": C + '#include "../base/bytes.h"\n'}),
    (io_uring_stays_in_the_reactor, {"log/a.c": C + "#include <liburing.h>\n"}),
    (memory_comes_from_base_mem, {"a.c": C + '"free(1)"; /* free(2) */ mem_free(m); free (3);\n'}),
    (clocks_are_handed_in, {"log/a.c": C + "the_time(); time(NULL);\n",
                            "tools/t.c": C + "time(0);\n"}),
    (nothing_is_left_for_later, {"a.md": "sTODOp\n" + "a TO" + "DO b\n"}),
    (files_hold_one_idea, {"a.c": C * (FILE_LINES + 1), "b.c": C * FILE_LINES}),
    (sources_open_with_what_they_are, {"a.c": C, "b.c": C}),
    (headers_have_pragma_once, {"a.h": C, "b.h": C + "#pragma once\n"}),
    (lines_fit, {"a.c": "\u00e9" * COLUMNS + "\n" + "e" * (COLUMNS + 1) + "\n"}),
    (text_is_clean, {"a.c": C + "int a; \n"}),
    (text_is_clean, {"a.c": C + "\tint a;\n"}),
    (text_is_clean, {"a.c": C + "int a;"}),
    (links_lead_somewhere, {"docs/a.md": "[x](../b/c.md#d) [y](e.md) [z](https://f) [b](../b)\n",
                            "b/c.md": ""}),
    (decisions_are_listed, {"docs/decisions/README.md": "[one](1.md)\n", "docs/decisions/1.md": "",
                            "docs/decisions/2.md": ""}),
    (settings_of_groups_are_told, {"docs/groups.md": "| `a.b` |\n", "broker/config/group_config.c":
                                   '.name = "a.b"\n.name = "b.c"\n'}),
    (no_machine_is_assumed, {"run": "cat /ro" + "ot/file; cat $A/lib/file\n"}),
    (architecture_names_every_directory, {"ARCHITECTURE.md": "base/\n", "base/a.c": "",
                                          "log/b.c": "", ".ci/run": ""}),
    (every_source_is_built, {"a/meson.build": "files('a.c', 'b/c.c')\n", "a/a.c": "", "a/b/c.c": "",
                             "a/b/d.c": ""}),
)


def read_tree():
    """All text files that are, or would be, under version control."""
    paths = [p for p in run.git("ls-files", "-z", "-co", "--exclude-standard").split("\0") if p]
    if not paths:  # an unpacked archive
        paths = [str(p.relative_to(TOP)) for p in TOP.rglob("*")
                 if not re.match(r"build|data/|\.git/|.*__pycache__", str(p.relative_to(TOP)))]
    tree = {}
    for path in paths:
        file = TOP / path
        if path.startswith(RECORDED) or not file.is_file() or file.is_symlink():
            continue
        raw = file.read_bytes()
        if b"\0" not in raw:
            tree[path] = raw.decode(errors="replace")
    return tree


def main():
    tree = read_tree()
    bad = 0
    for rule, sample in RULES:
        name = rule.__name__
        found = list(rule(sample))
        blind = len(found) != 1
        print(f"{'not ok' if blind else 'ok'} {name} finds its sample")
        for place in found if blind else ():
            print("  ", *place)
        bad += blind
    for rule in dict.fromkeys(rule for rule, _ in RULES):
        places = list(rule(tree))
        for path, line, what in places:
            print(f"  {path}:{line}: {what}")
        print(f"{'not ok' if places else 'ok'} {rule.__name__}")
        bad += bool(places)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
