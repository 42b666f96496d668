# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
# What the shell scripts here have in common.

say() { printf '%s\n' "$*"; }

# Runs a command in silence; when it fails, all that it said follows.
quietly()
{
    local output status=0
    output=$("$@" 2>&1 </dev/null) || status=$?
    if [ "$status" -ne 0 ]; then
        printf '%s\n' "$output" >&2
    fi
    return "$status"
}
