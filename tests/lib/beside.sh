# tests/lib/beside.sh - a tool of ours beside Apache Kafka's on the same broker. Sourced after tests/lib/broker.sh.
#
#   tool NAME [ARG...]       one of klamm's tools against the script's broker
#   outcome COMMAND...       what it wrote to standard output, then its status; standard error in $work/err
#   same NAME [ARG...]       a case: both tools write the same and end alike (skipped where Kafka is not there)
#   same_lines NAME [ARG..]  the same, but lines may come in any order

tool() { timeout 30 "$KLAMM_BUILD/tools/$1" --bootstrap-server "$bootstrap" "${@:2}"; }
outcome() {
    local status=0
    "$@" 2>"$work/err" || status=$?
    echo "status $status"
}
peer_is_there=no
"$peer" installed 2>/dev/null && peer_is_there=yes

theirs() { timeout 60 "$peer" "$1" --bootstrap-server "$bootstrap" "${@:2}"; }
beside() { # FILTER TOOL [ARG...]
    if [ $peer_is_there = no ]; then
        skip "as Kafka's: ${*:2}" "Apache Kafka is not installed"
        return
    fi
    outcome theirs "${@:2}" | $1 >"$work/theirs"
    outcome tool "${@:2}" | $1 >"$work/ours"
    expect_files "as Kafka's: ${*:2}" "$work/theirs" "$work/ours"
}
same() { beside cat "$@"; }
same_lines() { beside sort "$@"; }
