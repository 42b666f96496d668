# SPDX-License-Identifier: MPL-2.0
# Completion for loads-cluster in bash: its own options, then behind "--" commands and files.
# shellcheck shell=bash

_loads_cluster()
{
    local current=${COMP_WORDS[COMP_CWORD]} i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [ "${COMP_WORDS[i]}" = -- ]; then
            if [ "$i" -eq $((COMP_CWORD - 1)) ]; then
                mapfile -t COMPREPLY < <(compgen -c -- "$current")
            fi
            return # the shell's own: files
        fi
    done
    mapfile -t COMPREPLY < <(compgen -W "-- $(loads-cluster --help 2>/dev/null |
        grep -oE '^ +(-[a-z], )*--[a-z][a-z-]*' | grep -oE -- '--[a-z-]+')" -- "$current")
}

complete -o default -F _loads_cluster loads-cluster
