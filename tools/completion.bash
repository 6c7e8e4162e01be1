# tools/completion.bash - completion of the kafka-* and klamm-* tools for bash: `source tools/completion.bash`.
# Options and commands are what a tool's own --help says, so they are those of its option table.

_klamm_words() { # TOOL [COMMAND]: its options, and the commands below "Commands:"
    "$@" --help 2>/dev/null | sed -nE \
        -e '/^Options:/,/^$/{s/^  (-[a-zA-Z], )?(--[a-z.-]+).*/\2/p}' \
        -e '/^Commands:/,/^[^ C]/{s/^  ([a-z-]+) .*/\1/p}'
}

_klamm_complete() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local tool=("${COMP_WORDS[0]}")
    [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} != -* ]] && tool+=("${COMP_WORDS[1]}")
    case $previous in
    *config | --files | *-file | *.config) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(_klamm_words "${tool[@]}")" -- "$word") ;;
    esac
}

for _klamm_tool in broker-api-versions cluster configs console-consumer console-producer consumer-groups \
    consumer-perf-test delete-records dump-log get-offsets groups log-dirs producer-perf-test storage topics \
    verifiable-consumer verifiable-producer; do
    complete -o default -F _klamm_complete "kafka-$_klamm_tool" "kafka-$_klamm_tool.sh"
done
complete -o default -F _klamm_complete klamm-lag
complete -o default -F _klamm_complete klamm-scrub
unset _klamm_tool
