# tests/lib/tap.sh - how a test script in shell tells its cases. Sourced; the script ends with `finish`.
# Cases are lines on standard output (see tests/run.py); everything else there is for the reader.

tap_failed=0

ok() { echo "ok $1"; }
not_ok() { # NAME [DETAIL...]
    echo "not ok $1"
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@"
    tap_failed=$((tap_failed + 1))
}
skip() { echo "skip $1: $2"; } # NAME REASON
finish() { exit $((tap_failed > 0)); }

# check NAME COMMAND [ARG...]: the case passes when the command does; its output shows why not.
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        ok "$name"
    else
        not_ok "$name" "status $? from: $*" "$output"
    fi
}

# expect NAME WANT GOT: the texts are equal.
expect() {
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "want: ${2:0:600}" "got:  ${3:0:600}"; fi
}

# expect_match NAME PATTERN GOT: an extended regular expression is found in the text.
expect_match() {
    if grep -Eq -- "$2" <<<"$3"; then ok "$1"; else not_ok "$1" "no match for: $2" "in: ${3:0:1200}"; fi
}

# expect_files NAME WANT GOT: the files are equal byte for byte.
expect_files() {
    if cmp -s "$2" "$3"; then
        ok "$1"
    else
        not_ok "$1" "$(cmp "$2" "$3" 2>&1)" "$(diff -a "$2" "$3" | head -c 800)"
    fi
}
