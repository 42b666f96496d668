# SPDX-License-Identifier: MPL-2.0
# Completion for loadsctl and loads-runner in bash. What there is to choose from is what the programs
# themselves say; runs and agents are asked for at the broker, for a second at most.
# shellcheck shell=bash

_loadsctl_options()
{
    "$@" --help 2>/dev/null | grep -oE '^ +(-[a-z], )*--[a-z][a-z-]*' | grep -oE -- '--[a-z-]+'
}

_loadsctl_verbs()
{
    loadsctl --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

# Ids of runs (or, with LIST's objects, of agents) from JSON in one line.
_loadsctl_ids()
{
    timeout 1 loadsctl "$@" --json 2>/dev/null | grep -oE "\"${key:-run_id}\":\"[^\"]+\"" |
        cut -d '"' -f 4
}

_loadsctl_words()
{
    local verb=$1 previous=$2
    case $previous in
    --on-agent-loss) echo continue abort ;;
    --output) echo stdout html json csv junit prometheus hdr null ;;
    --agent) key=agent_id _loadsctl_ids agents ;;
    *)
        _loadsctl_options loadsctl "$verb"
        case $verb in
        attach | detach | stop) _loadsctl_ids runs --active ;;
        show | logs | delete) _loadsctl_ids runs ;;
        compare)
            _loadsctl_ids runs
            key=name _loadsctl_ids baseline list
            ;;
        baseline)
            echo set list remove
            _loadsctl_ids runs
            key=name _loadsctl_ids baseline list
            ;;
        agents) key=agent_id _loadsctl_ids agents ;;
        db) echo init migrate status expire ;;
        key) echo add remove list ;;
        esac
        ;;
    esac
}

_loadsctl()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    --config | --ca-file | --cert | --key | --include-file | --file | --output-*-filename) return ;; # the shell's own: files
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_loadsctl_verbs) $(_loadsctl_options loadsctl)" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(_loadsctl_words "${COMP_WORDS[1]}" "$previous")" -- "$current")
    fi
}

_loads_runner()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words
    COMPREPLY=()
    case $previous in
    --config | --ca-file | --cert | --key | --include-file | --test-dir | --output-*-filename) return ;;
    --on-agent-loss) words='continue abort' ;;
    --output) words='stdout html json csv junit prometheus hdr file funkload exec: null' ;;
    --attach) words=$(_loadsctl_ids runs --active) ;;
    *) words=$(_loadsctl_options loads-runner) ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o default -F _loadsctl loadsctl
complete -o default -F _loads_runner loads-runner
