# tests/lib/recorded.sh - a broker's answers beside those that Apache Kafka gave once. Sourced after tests/lib/tap.sh.
#
#   recorded NAME FILE GOT   one case for each API: the lines of GOT that begin with its name are those of FILE.
#                            With RECORD=1 in the environment GOT becomes FILE instead.

recorded() {
    local api want=$work/recorded-want got=$work/recorded-got
    if [ -n "${RECORD:-}" ]; then
        cp "$3" "$2"
        ok "$1 recorded"
        return
    fi
    for api in $(cut -d' ' -f1 "$2" "$3" | sort -u); do
        grep "^$api " "$2" >"$want"
        grep "^$api " "$3" >"$got"
        if cmp -s "$want" "$got"; then
            ok "$1: $api answers as Apache Kafka does ($(wc -l <"$want") answers)"
        else
            not_ok "$1: $api answers as Apache Kafka does" "$(diff "$want" "$got" | cut -c1-600 | head -20)"
        fi
    done
}
