"""tests/lib/run_check.py - tells the test runner of programs whose end is known."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import run  # noqa: E402

CRITERION = """TAP version 13
1..4
# Criterion v2.4.1
ok - b::skips  # SKIP because
not ok - a::fails x y (0.00s)
  ---
  assertions: 2
  ...
ok - a::passes  (0.00s)
not ok - a::crashes unexpected signal after a.c:4
"""
# name, exit status, TAP file, standard output -> passed, failed, skipped
CASES = (
    ("a silent success is one case", 0, None, "all is well\n", (1, 0, 0)),
    ("a silent failure is one case", 1, None, "", (0, 1, 0)),
    ("a signal is a failure", -11, None, "", (0, 1, 0)),
    ("time running out is a failure", None, None, "ok a\n", (1, 1, 0)),
    ("status 77 is a skip", 77, None, "no java\n", (0, 0, 1)),
    ("lines are cases", 1, None, "ok a\nnot ok b\nskip c: no java\nlook ok\n", (1, 1, 1)),
    ("dying after passed cases is a failure", 1, None, "ok a\nok b\n", (2, 1, 0)),
    ("a crash after a failed case counts once", -6, None, "not ok a\n", (0, 1, 0)),
    ("a skip does not hide a failed case", 77, None, "not ok a\n", (0, 1, 0)),
    ("numbered TAP is read", 0, None, "1..2\nok 1 - a\nok 2 - b # SKIP no\n", (1, 0, 1)),
    ("a plan that is not kept is a failure", 0, None, "1..3\nok 1 - a\n", (1, 1, 0)),
    ("Criterion's file is read", 1, CRITERION, "ok not a case\n", (1, 2, 1)),
    ("a Criterion program without tests is a failure", 0, "TAP version 13\n1..0\n", "", (0, 1, 0)),
    ("a Criterion program that died has failed", -11, "TAP version 13\n", "", (0, 1, 0)),
)


def main():
    bad = 0
    for name, status, tap, output, want in CASES:
        tally = run.judge("p", status, tap, output)
        got = (tally.passed, tally.failed, tally.skipped)
        print(f"{'ok' if got == want else 'not ok'} {name}" + ("" if got == want else f": {got}"))
        bad += got != want
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
