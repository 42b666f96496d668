#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
# A runner in shell that knows the protocol (docs/external-runners.md): curl asks, and lines of JSON go
# through a pipe to a few lines of Python, which are the way to ZeroMQ.
#
#     plain.sh TEST URL
set -euo pipefail
test=$1 url=$2

pusher='
import os, sys, zmq
with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
    socket.connect(os.environ["LOADS_ZMQ_RECEIVER"])
    for line in sys.stdin:
        socket.send_string(line)
'

# send DATA_TYPE [KEYS]
send()
{
    printf '{"data_type": "%s", "agent_id": "%s", "run_id": "%s", "test": "%s", "loads_status": [%d, %d, %d, %d]%s}\n' \
        "$1" "$LOADS_AGENT_ID" "$LOADS_RUN_ID" "$test" \
        "$LOADS_TOTAL_HITS" "$LOADS_TOTAL_USERS" "$hit" "$LOADS_CURRENT_USER" "${2-}"
}

for ((hit = 1; hit <= LOADS_TOTAL_HITS; hit++)); do
    send startTest
    read -r status elapsed < <(curl -s -o /dev/null -w '%{http_code} %{time_total}\n' "$url")
    send add_hit ", \"url\": \"$url\", \"method\": \"GET\", \"status\": $status, \"elapsed\": $elapsed"
    if [ "$status" = 200 ]; then
        send addSuccess
    else
        send addFailure ", \"exc_info\": [\"status $status\", \"failure\", \"\"]"
    fi
    send stopTest
done | /usr/bin/python3 -c "$pusher"
