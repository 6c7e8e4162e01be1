# tests/lib/broker.sh - one broker for a test script: klamm from $KLAMM_BUILD, on free ports of 127.0.0.1
# and a directory of its own. Sourced after tests/lib/tap.sh.
#
#   broker_start [KEY=VALUE...]   start and wait until it answers; sets bootstrap, broker_pid, broker_dir
#   broker_stop                   SIGTERM and wait; returns its exit status
#   broker_kill                   SIGKILL and wait
#   broker_again                  start once more on the same directory and ports
#   broker_launch                 the same without waiting until it answers
#   free_ports [COUNT]            ports that nobody listens on
#   ours TOOL [ARG...]            run one of klamm's command-line tools
#   topic_create NAME PARTITIONS  by a tool, so that a test does not rely on automatic creation
#
# The same script proves itself against Apache Kafka: with BROKER=kafka that is what is started, and with
# KLAMM_BOOTSTRAP=HOST:PORT a broker that is already running is used (then nothing can be stopped).
# KLAMM_SETTINGS="KEY=VALUE KEY=VALUE" are settings for every broker of a run: klamm.shards=4, for one.
# When the script has failed the broker's log is shown; otherwise its directory is removed.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
KLAMM_BUILD=${KLAMM_BUILD:-$top/build}
BROKER=${BROKER:-klamm}
peer=$top/tests/peer/kafka
broker_pid=
config=${KLAMM_CONFIG:-$top/config/server.properties}
work=$(mktemp -d "${TMPDIR:-/tmp}/klamm-test-XXXXXX") # for the script's own files too
broker_dir=$work/broker

# broker_log_end: a sanitizer's report where there is one, otherwise the last lines of its log.
broker_log_end() {
    sed -n '/ERROR: .*Sanitizer\|WARNING: ThreadSanitizer\|runtime error:/,/^Shadow bytes/p' \
        "$broker_dir/log" | head -100 | grep . || tail -30 "$broker_dir/log"
}

broker_cleanup() {
    local status=$?
    [ -z "$broker_pid" ] || broker_kill
    if [ $status -ne 0 ] && [ -s "$broker_dir/log" ]; then
        echo "--- the end of the broker's log"
        broker_log_end
    fi
    rm -rf "$work"
    exit $status
}
trap broker_cleanup EXIT
trap 'exit 1' INT TERM

broker_die() {
    not_ok "$1" "$(broker_log_end 2>/dev/null)"
    exit 1
}

free_ports() { python3 "$top/tests/lib/ports.py" "$@"; }

broker_start() {
    if [ -n "${KLAMM_BOOTSTRAP:-}" ]; then
        bootstrap=$KLAMM_BOOTSTRAP
        return
    fi
    mkdir -p "$broker_dir"
    read -r broker_port controller_port < <(free_ports 2)
    bootstrap=127.0.0.1:$broker_port
    broker_settings=("log.dirs=$broker_dir/data"
        "listeners=PLAINTEXT://127.0.0.1:$broker_port,CONTROLLER://127.0.0.1:$controller_port"
        "advertised.listeners=PLAINTEXT://$bootstrap,CONTROLLER://127.0.0.1:$controller_port"
        "controller.quorum.bootstrap.servers=127.0.0.1:$controller_port"
        klamm.http.listener= ${KLAMM_SETTINGS:-} "$@")
    # The same configuration for Apache Kafka, which does not know klamm's own keys.
    { cat "$config"; printf '%s\n' "${broker_settings[@]}"; } |
        grep -v '^klamm\.' >"$broker_dir/server.properties"
    if [ "$BROKER" = kafka ]; then
        "$peer" format "$broker_dir/server.properties" >"$broker_dir/log" 2>&1 ||
            broker_die "Apache Kafka formats its directory"
    fi
    broker_again
}

broker_launch() {
    local setting arguments=()
    if [ "$BROKER" = kafka ]; then
        KAFKA_JVM_FLAGS=${KAFKA_JVM_FLAGS:-quick} "$peer" run "$broker_dir/server.properties" </dev/null >>"$broker_dir/log" 2>&1 &
    else
        for setting in "${broker_settings[@]}"; do arguments+=(--override "$setting"); done
        "$KLAMM_BUILD/broker/klamm" "${arguments[@]}" "$config" \
            </dev/null >>"$broker_dir/log" 2>&1 &
    fi
    broker_pid=$!
}

broker_again() {
    local patience=300
    [ "$BROKER" = klamm ] || patience=1200 # a JVM on a busy machine
    broker_launch
    for _ in $(seq $patience); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$broker_port") 2>/dev/null &&
            kcat -L -b "$bootstrap" -m 5 >/dev/null 2>&1; then
            return
        fi
        kill -0 "$broker_pid" 2>/dev/null || break
        sleep 0.1
    done
    broker_die "the broker starts and answers"
}

# broker_stop: its exit status, 124 when it took longer than 30 s and had to be killed.
broker_stop() {
    local pid=$broker_pid
    kill "$pid"
    for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || { broker_wait; return; }
        sleep 0.1
    done
    broker_kill
    return 124
}

broker_kill() {
    kill -9 "$broker_pid" 2>/dev/null
    broker_wait 2>/dev/null
}

broker_wait() {
    local pid=$broker_pid
    broker_pid=
    wait "$pid"
}

# ours TOOL [ARG...]: a tool of klamm's; where the broker is not klamm and none is built, Kafka's own.
ours() {
    if [ -x "$KLAMM_BUILD/tools/$1" ] || [ "$BROKER${KLAMM_BOOTSTRAP:-}" = klamm ]; then
        timeout 30 "$KLAMM_BUILD/tools/$1" "${@:2}"
    else
        timeout 60 "$peer" "$@"
    fi
}

topic_create() {
    ours kafka-topics --bootstrap-server "$bootstrap" --create --if-not-exists --topic "$1" \
        --partitions "$2" --replication-factor 1 >"$work/create.log" 2>&1 || {
        not_ok "topic $1 is created" "$(cat "$work/create.log")"
        exit 1
    }
}
