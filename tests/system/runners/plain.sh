#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
# A runner that is a shell script: curl makes the requests, and what it has to say goes, a line each, to a
# socket of ZeroMQ's.
#
#     plain.sh TEST URL
set -eu

push='
import os, sys, zmq
socket = zmq.Context.instance().socket(zmq.PUSH)
socket.connect(os.environ["LOADS_ZMQ_RECEIVER"])
for line in sys.stdin:
    socket.send_string(line)
'

say()
{
    printf '{"data_type": "%s", "agent_id": "%s", "run_id": "%s", "test": "%s", "loads_status": [%d, %d, %d, %d]%s}\n' \
        "$1" "$LOADS_AGENT_ID" "$LOADS_RUN_ID" "$test" "$LOADS_TOTAL_HITS" "$LOADS_TOTAL_USERS" "$hit" \
        "$LOADS_CURRENT_USER" "${2:-}"
}

test=$1
for ((hit = 1; hit <= LOADS_TOTAL_HITS; hit++)); do
    say startTest
    read -r status elapsed < <(curl -s -o /dev/null -w '%{http_code} %{time_total}\n' "$2")
    say add_hit ", \"url\": \"$2\", \"method\": \"GET\", \"status\": $status, \"elapsed\": $elapsed"
    if [ "$status" = 200 ]; then
        say addSuccess
    else
        say addFailure ", \"exc_info\": [\"status $status\", \"Status\", \"\"]"
    fi
    say stopTest
done | /usr/bin/python3 -c "$push"
