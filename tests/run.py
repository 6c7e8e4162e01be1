"""tests/run.py - builds klamm twice (release, ASan+UBSan) and runs its tests by stages.

    ./test                 every stage
    ./test quick           the stages marked quick, on the release build, in at most three minutes
    ./test unit e2e        those stages
    ./test e2e/kill9       those programs of a stage whose name holds 'kill9'
    ./test --list          the stages, their budgets and their programs

A stage runs programs: what Meson registered under a suite, or the files tests/<stage>/*.test.
A program tells its cases in one of three ways, looked for in this order:

  - a Criterion executable writes them as TAP into a file (asked for by CRITERION_OUTPUTS);
  - lines on standard output: 'ok NAME', 'not ok NAME', 'skip NAME: reason';
  - neither: the program is one case, passed when it exits with 0, skipped with 77.

Exiting with another status than 0 without having named a failed case is a failed case too, and so
is a stage that ran nothing. The last line is 'N passed, N failed', and ', N skipped' if any were.

Programs get: KLAMM_BUILD (the build directory to test), KLAMM_QUICK (1 in a quick run) and
KLAMM_SEED_BASE (a number that changes with the commit; the simulator's seeds start there).
Each has its own session and TMPDIR: what it leaves running is killed, what it leaves there removed.
Logs stay under build/test-logs/.
"""
import argparse
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
LOGS = TOP / "build" / "test-logs"
CORES = os.cpu_count() or 1
BUILDS = {
    "release": (TOP / "build", []),
    "asan": (TOP / "build-asan", ["-Dbuildtype=debugoptimized", "-Db_lundef=false",
                                  "-Db_sanitize=address,undefined"]),
}
BOTH = tuple(BUILDS)
LONGEST_COUNT = 12  # programs whose time is told at the end


@dataclasses.dataclass(frozen=True)
class Stage:
    """One row of the table: what runs, on which builds, for how long at most."""
    name: str
    seconds: int  # for all programs of the stage together
    needs: str  # a path of the tree; while it is absent the stage says so and is skipped
    builds: tuple = ("release",)
    suite: str = ""  # a Meson suite, or
    files: str = ""  # a glob of executable files
    quick: bool = False
    peers: bool = False  # meets Apache Kafka and foreign clients, where they can be had
    jobs: int = 1  # programs at once


STAGES = (
    Stage("runner", 10, "tests/lib/run_check.py", files="tests/lib/*_check.py", quick=True),
    Stage("tidy", 20, "tests/tidy.py", files="tests/tidy.py", quick=True),
    Stage("seal", 20, "tests/seal", suite="seal", quick=True, jobs=CORES),
    Stage("unit", 120, "tests/unit", builds=BOTH, suite="unit", quick=True, jobs=CORES),
    Stage("fuzz", 80, "tests/fuzz", builds=("asan",), suite="fuzz", jobs=CORES),
    Stage("scenarios", 40, "tests/scenarios", builds=BOTH, suite="scenarios", jobs=CORES),
    Stage("sim", 300, "tests/sim", builds=BOTH, suite="sim", quick=True),
    Stage("differential", 100, "tests/differential", files="tests/differential/*.test",
          peers=True),
    Stage("tools", 200, "tests/tools", files="tests/tools/*.test", quick=True, peers=True,
          jobs=CORES),
    Stage("e2e", 420, "broker/main.c", builds=BOTH, files="tests/e2e/*.test", quick=True,
          peers=True, jobs=CORES),
    Stage("compat", 150, "broker/main.c", builds=BOTH, files="tests/compat/*.test", quick=True,
          peers=True, jobs=CORES),
    Stage("hostile", 130, "broker/main.c", builds=("asan",), files="tests/hostile/*.test",
          jobs=CORES),
)
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "LSAN_OPTIONS": f"print_suppressions=0:suppressions={TOP / 'tests' / 'lib' / 'lsan.supp'}",
}
# In the opening lines of a .test file:
QUICK_MARK = "Runs in ./test quick"
ASAN_MARK = "Runs on the sanitizer build too"  # where a stage has both builds


@dataclasses.dataclass
class Program:
    name: str
    argv: list
    build: str
    cwd: pathlib.Path = TOP
    env: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = dataclasses.field(default_factory=list)  # text
    reasons: list = dataclasses.field(default_factory=list)  # of what was skipped
    times: list = dataclasses.field(default_factory=list)  # (seconds, program)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.reasons += other.reasons
        self.times += other.times

    def fail(self, text):
        self.failed += 1
        self.failures.append(text)

    def skip(self, name, reason):
        self.skipped += 1
        self.reasons.append(f"{name}: {reason or 'no reason given'}")


CASE = re.compile(r"^(ok|not ok|skip)\b[ \t]*(?:\d+\b)?[ \t]*(?:- )?(.*?)\s*$")
TIMING = re.compile(r"\s*\(\d+\.\d+s\)$")


def read_cases(text, program_name):
    """Counts the lines that tell a case; a TAP plan larger than what follows is a failure."""
    tally = Tally()
    planned = 0
    for line in text.splitlines():
        plan = re.match(r"^1\.\.(\d+)$", line)
        if plan:
            planned += int(plan.group(1))
            continue
        match = CASE.match(line)
        if match is None:
            continue
        verdict, rest = match.group(1), TIMING.sub("", match.group(2))
        name, _, tap_reason = rest.partition("# SKIP")
        if verdict == "skip":
            name, _, reason = rest.partition(": ")
            tally.skip(f"{program_name} {name}", reason)
        elif "# SKIP" in rest:
            tally.skip(f"{program_name} {name.strip()}", tap_reason.strip())
        elif verdict == "ok":
            tally.passed += 1
        else:
            tally.fail(f"{program_name}: {rest}")
    told = tally.passed + tally.failed + tally.skipped
    if planned > told:
        tally.fail(f"{program_name}: planned {planned} cases, told of {told}")
    return tally


def judge(program_name, status, tap, output):
    """status: exit status, negative for a signal, None when time ran out."""
    tally = read_cases(tap if tap is not None else output, program_name)
    told = tally.passed + tally.failed + tally.skipped
    last_line = (output.strip().splitlines() or [""])[-1]
    if status is None:
        tally.fail(f"{program_name}: killed, the stage's time was up")
    elif status == 77 and tally.failed == 0:
        tally.skip(program_name, last_line)
    elif status != 0 and tally.failed == 0:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        tally.fail(f"{program_name}: ended with {how}")
    elif status == 0 and told == 0:
        if tap is not None:
            tally.fail(f"{program_name}: ran no test")
        else:
            tally.passed += 1
    return tally


def run_program(stage, program, deadline, env):
    log = LOGS / stage.name / (program.name.replace("/", "_") + ".log")
    tap = log.with_suffix(".tap")
    log.parent.mkdir(parents=True, exist_ok=True)
    tap.unlink(missing_ok=True)
    began = time.monotonic()
    with (tempfile.TemporaryDirectory(prefix="klamm-", ignore_cleanup_errors=True) as temporary,
          open(log, "wb") as out):
        env = {**os.environ, **env, **program.env, "CRITERION_OUTPUTS": f"tap:{tap}",
               "KLAMM_BUILD": str(BUILDS[program.build][0]), "TMPDIR": temporary}
        child = subprocess.Popen(program.argv, cwd=program.cwd, env=env, stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    output = log.read_text(errors="replace")
    told = tap.read_text(errors="replace") if tap.exists() else None
    tally = judge(program.name, status, told, output)
    tally.times.append((time.monotonic() - began, f"{stage.name}/{program.name}"))
    if tally.failed:
        tail = "\n".join("    | " + line for line in output.splitlines()[-40:])
        tally.failures[-1] += f"\n{tail}\n    log: {log.relative_to(TOP)}"
    return tally


def meson_programs(stage, build):
    directory = BUILDS[build][0]
    listed = subprocess.run(["meson", "introspect", "--tests", str(directory)], check=True,
                            capture_output=True, text=True).stdout
    for test in json.loads(listed):
        if f"klamm:{stage.suite}" in test["suite"]:
            yield Program(f"{build}/{test['name']}", test["cmd"], build,
                          pathlib.Path(test["workdir"] or directory), test["env"])


def file_programs(stage, build, quick):
    for path in sorted(TOP.glob(stage.files)):
        if path.suffix == ".test":
            opening = " ".join(path.read_text(errors="replace")[:800].replace("#", " ").split())
            if quick and QUICK_MARK not in opening:
                continue
            if build == "asan" and len(stage.builds) > 1 and ASAN_MARK not in opening:
                continue
            argv = [str(path)]
        else:
            argv = [sys.executable, str(path)]
        name = f"{build}/{path.stem}" if len(stage.builds) > 1 else path.stem
        yield Program(name, argv, build)


def stage_programs(stage, quick):
    programs = []
    for build in stage.builds:
        if quick and build != "release":
            continue
        if stage.suite:
            programs += meson_programs(stage, build)
        else:
            programs += file_programs(stage, build, quick)
    return programs


def run_stage(stage, quick, only, seed_base):
    tally = Tally()
    if not (TOP / stage.needs).exists():
        tally.skip(stage.name, f"{stage.needs} is not in the tree")
        return tally
    programs = [p for p in stage_programs(stage, quick) if only in p.name]
    if not programs:
        tally.fail(f"{stage.name}: ran no test")
        return tally
    deadline = time.monotonic() + stage.seconds
    with concurrent.futures.ThreadPoolExecutor(stage.jobs) as pool:
        pending = []
        for program in programs:
            env = {"KLAMM_SEED_BASE": seed_base, "KLAMM_QUICK": "1" if quick else "",
                   **SANITIZER_OPTIONS}
            pending.append(pool.submit(run_program, stage, program, deadline, env))
        for future in pending:
            tally.add(future.result())
    if tally.passed + tally.failed + tally.skipped == 0:
        tally.fail(f"{stage.name}: ran no test")
    return tally


def fetch_peers():
    """What the world brings to test against, where its own prerequisites are there; each once."""
    for peer, what in (("kafka", "Apache Kafka"), ("python", "Python clients"),
                       ("go", "Go clients"), ("node", "Node.js clients")):
        program = TOP / "tests" / "peer" / peer
        with contextlib.suppress(subprocess.TimeoutExpired):
            made = subprocess.run([program, "install"], stdout=subprocess.DEVNULL, timeout=240,
                                  stderr=subprocess.PIPE, text=True, errors="replace", check=False)
            if made.returncode == 0:
                continue
            reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"without {what}: {reason}", flush=True)


def build(name):
    """Configures and compiles one build directory; False after having shown what went wrong."""
    directory, options = BUILDS[name]
    began = time.monotonic()
    steps = []
    if not (directory / "build.ninja").exists():
        steps.append(["meson", "setup", *options, str(directory), str(TOP)])
    elif not option_is_true(directory, "tests"):
        steps.append(["meson", "configure", "-Dtests=true", str(directory)])
    steps.append(["ninja", "-C", str(directory)])
    for step in steps:
        made = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
        if made.returncode != 0:
            print("\n".join(made.stdout.splitlines()[-60:]))
            print(f"build {name}: '{' '.join(step)}' failed")
            return False
    print(f"built {name} in {time.monotonic() - began:.0f} s", flush=True)
    return True


def option_is_true(directory, option):
    listed = subprocess.run(["meson", "introspect", "--buildoptions", str(directory)], check=True,
                            capture_output=True, text=True).stdout
    return any(o["name"] == option and o["value"] is True for o in json.loads(listed))


def git(*arguments):
    """What git prints; nothing in an unpacked archive or without git."""
    try:
        return subprocess.run(["git", "-C", str(TOP), *arguments], check=True, capture_output=True,
                              text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def commit_seed():
    """A number from the commit, so that each commit meets other seeds, and always the same."""
    known = os.environ.get("KLAMM_SEED_BASE")
    if known:
        return known
    commit = git("rev-parse", "HEAD")
    return str(int(commit[:12], 16)) if commit else "1"


def list_stages():
    for stage in STAGES:
        there = "" if (TOP / stage.needs).exists() else f"  ({stage.needs} is not in the tree)"
        quick = " quick" if stage.quick else ""
        what = f"suite {stage.suite}" if stage.suite else stage.files
        builds = "+".join(stage.builds)
        print(f"{stage.name:14}{stage.seconds:4} s  {what} on {builds}{quick}{there}")


def chosen_stages(names):
    """[(stage, only programs with this in their name)]; ends the program on an unknown name."""
    if not names or names == ["quick"]:
        return [(s, "") for s in STAGES if s.quick or not names]
    by_name = {s.name: s for s in STAGES}
    chosen = []
    for name in names:
        stage, _, only = name.partition("/")
        if stage not in by_name:
            sys.exit(f"no stage '{stage}'; there are: quick, {', '.join(by_name)}")
        chosen.append((by_name[stage], only))
    return chosen


def main():
    parser = argparse.ArgumentParser(prog="./test", description=__doc__.split("\n", 2)[2],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="quick | STAGE[/PROGRAM]")
    parser.add_argument("--list", action="store_true", help="print the stages and stop")
    options = parser.parse_args()
    if options.list:
        list_stages()
        return 0
    quick = options.names == ["quick"]
    chosen = chosen_stages(options.names)
    seed_base = commit_seed()
    began = time.monotonic()
    print(f"KLAMM_SEED_BASE={seed_base}", flush=True)
    needed = {b for stage, _ in chosen for b in stage.builds if b == "release" or not quick}
    for name in BUILDS:
        if name in needed and not build(name):
            print("0 passed, 1 failed")
            return 1
    if any(stage.peers and (TOP / stage.needs).exists() for stage, _ in chosen) and not quick:
        fetch_peers()
    shutil.rmtree(LOGS, ignore_errors=True)
    total = Tally()
    for stage, only in chosen:
        at = time.monotonic()
        tally = run_stage(stage, quick, only, seed_base)
        print(f"{stage.name:14}{tally.passed:6} passed {tally.failed:4} failed"
              f" {tally.skipped:4} skipped {time.monotonic() - at:7.1f} s")
        for reason in tally.reasons:
            print(f"  skipped {reason}")
        for failure in tally.failures:
            print(f"  FAILED {failure}")
        sys.stdout.flush()
        total.add(tally)
    longest = sorted(total.times, reverse=True)[:LONGEST_COUNT]
    print("longest: " + ", ".join(f"{name} {seconds:.0f} s" for seconds, name in longest))
    print(f"{time.monotonic() - began:.0f} s in all")
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{skipped}")
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
