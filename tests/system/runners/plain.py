# SPDX-License-Identifier: MPL-2.0
"""A runner of tests that knows the protocol (docs/external-runners.md) and nothing else of Loads.

    plain.py TEST [DEED]

Each execution of the test sends what it says below; the deed is what goes wrong.
"""

import json
import os
import signal
import sys
import time

import zmq

TEST = sys.argv[1]
DEED = sys.argv[2] if len(sys.argv) > 2 else ""
RUN = {"agent_id": os.environ["LOADS_AGENT_ID"], "run_id": os.environ["LOADS_RUN_ID"]}
USERS = int(os.environ["LOADS_TOTAL_USERS"])
USER = int(os.environ["LOADS_CURRENT_USER"])
HITS = int(os.environ.get("LOADS_TOTAL_HITS", 0))
FLOOD = 300000
END = time.monotonic() + float(os.environ.get("LOADS_DURATION", 0))

socket = zmq.Context.instance().socket(zmq.PUSH)
socket.connect(os.environ["LOADS_ZMQ_RECEIVER"])


def send(data_type, **keys):
    socket.send_string(json.dumps({"data_type": data_type, **RUN, **keys}))


def leave(status):
    """When all is sent."""
    zmq.Context.instance().destroy(linger=-1)
    sys.exit(status)


def messages(hit, user):
    """What one execution reports."""
    status = {"loads_status": [HITS, USERS, hit, user]}
    yield "startTest", {"test": TEST, **status}
    yield "add_hit", {"url": "http://localhost:9/a?secret=1", "method": "GET", "status": 200,
                      "started": "2026-11-26T17:30:00.5", "elapsed": 0.25, **status}
    yield "add_hit", {"url": "http://localhost:9/b", "method": "POST", "status": 404, "elapsed": 0.5, **status}
    yield "socket_open", {}
    yield "socket_message", {"size": 12}
    yield "socket_close", {}
    yield "incr_counter", {"test": TEST, "name": "tarek-was-there", **status}
    yield "marmalade", {"jar": 1}
    if DEED == "fail":
        exc_info = ["1 != 2", "<class 'AssertionError'>", "Traceback:\n  here\n" + "x" * int(sys.argv[3])]
        yield "addFailure", {"test": TEST, "exc_info": exc_info, **status}
    elif DEED == "skip":
        pass
    elif DEED == "err":
        yield "addError", {"test_name": TEST, "exc": ["no", "ValueError", "Traceback:\n  there"], **status}
    else:
        yield "addSuccess", {"test": TEST, **status}
    yield "stopTest", {"test": TEST, **status}


def execute(hit, user):
    if DEED == "batch":
        counts = {}
        for data_type, keys in messages(hit, user):
            counts.setdefault(data_type, []).append(keys)
        send("batch", counts=counts)
        return
    for data_type, keys in messages(hit, user):
        send(data_type, **keys)


def nonsense():
    for text in (b"hello \x1b[31m", b"[]", b"{}", b'{"data_type": 1}', b"\xff", b""):
        socket.send(text)
    send("add_hit", url="/", method="GET", status="200", elapsed=1)
    send("add_hit", url="/", method="GET", status=200, elapsed=-1)
    socket.send_string(json.dumps({"data_type": "startTest", "run_id": "another", "test": TEST}))
    socket.send_multipart([b"two", b"frames"])


def main():
    send("startTestRun")
    sys.stdout.write(f"user {USER} of {USERS}\n")  # in one piece
    if DEED == "nonsense":
        nonsense()
    if DEED == "flood" and USER == 1:
        for _ in range(FLOOD):
            socket.send(b"nonsense")
    if DEED == "hang":
        send("startTest", test=TEST, loads_status=[HITS, USERS, 1, USER])
        print("hanging", file=sys.stderr, flush=True)
        signal.pause()
    if DEED == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            signal.pause()
    share = range(USER, USER + USERS) if DEED == "self" else [USER]
    hit = 0
    while hit < HITS or (not HITS and time.monotonic() < END):
        hit += 1
        for user in share:
            execute(hit, user)
        if not HITS:
            time.sleep(0.01)
    send("stopTestRun")
    if DEED == "exit":
        print("last words", file=sys.stderr)
        leave(3)
    if DEED == "crash":
        zmq.Context.instance().destroy(linger=-1)
        os.kill(os.getpid(), signal.SIGSEGV)
    leave(0)


main()
