# SPDX-License-Identifier: MPL-2.0
"""A broker that answers what a test tells it to: for what a real one would have to be broken for."""

import base64
import json
import threading

import zmq

import intervals

RUN_ID = "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e11"
OTHER_ID = "7c1a8e6d-0c5e-4c52-9d8e-5a3c2a1f0e11"
NAME = "http://127.0.0.1:8000/any/page"
STARTED = "2026-06-15T10:15:06.375365Z"

SPEC = {"run_id": RUN_ID, "url": NAME, "users": [2, 3], "hits": [2], "grace_usec": 5000000,
        "http_timeout_usec": 30000000, "stack_size_bytes": 262144, "stall_timeout_usec": 30000000,
        "insecure": False, "detail": False}


def run_object(state="running", **more):
    run = {"run_id": RUN_ID, "name": NAME, "state": state, "submitted": STARTED, "started": STARTED,
           "agents": ["box1-1"], "lost": []}
    if state in ("finished", "failed", "aborted"):
        run["finished"] = "2026-06-15T10:15:08.002100Z"
        run["outcome"] = "passed"
    return {**run, **more}


def snapshot(state="running", hits=10, number=1, **more):
    """The result of CTRL_SNAPSHOT: so many iterations of one hit each."""
    totals = intervals.encode(
        series=[(1, [1000 + i for i in range(hits)], 0, 90 * hits, 180 * hits)] if hits else [],
        tests=[(1, hits, 0, 0, 0)] if hits else [],
    )
    return {
        "run": {**run_object(state), "on_agent_loss": "continue", "save_hits": False, "spec": SPEC, **more},
        "number": number,
        "active_usec": 1500000,
        "names": [[0, 1, "URL.get"], [1, 1, f"URL.get\x1f{NAME}\x1fGET\x1f200"]],
        "overflows": [0, 0, 0, 0, 0],
        "totals": base64.b64encode(totals).decode(),
    }


def live(number, **more):
    return {"data_type": "live", "run_id": RUN_ID, "number": number, "state": "running", "cycle": 1,
            "cycles": 2, "users": 3, "elapsed_usec": 1250000, "done": 0.75, "hits": 7,
            "request_errors": 0, "successes": 7, "failures": 0, "errors": 0, "interrupted": 0,
            "agents": 1, "lost": [], **more}


def recent(**more):
    """What newer brokers tell beside."""
    return {"recent": {"seconds": 10, "hits_per_sec": 1234.4, "p50_usec": 412, "p95_usec": 45600, "p99_usec": 1020000,
                       "p95_usec_by_second": [1000, 0, 4000, 8000], **more}}


class FakeBroker:
    """`answers`: by command, the result, an Exception (its arguments are text and code), bytes as they
    are, None (no answer), or a function of request and archive that returns one of these. `requests`
    is what was asked, `subscribed` an Event."""

    def __init__(self, folder):
        self.address = f"ipc://{folder}/frontend.sock"
        self.publisher = f"ipc://{folder}/publisher.sock"
        self.requests, self.archives = [], []
        self.asked = threading.Condition()
        self.subscribed = threading.Event()
        self.answers = {
            "PING": {
                "pid": 11154,
                "version": "0.3.0",
                "protocol": 1,
                "endpoints": {"publisher": self.publisher, "frontend": self.address,
                              "backend": f"ipc://{folder}/backend.sock"},
                "all_endpoints": {},
                "agents": {"box1-1": {"agent_id": "box1-1", "pid": 11160, "hostname": "box1",
                                      "version": "0.3.0", "state": "free"}},
                "database": {"state": "none"},
                "options": {"max-upload": "67108864", "database": "none"},
            },
            "CTRL_LIST_RUNS": {},
            "CTRL_RUNS": [],
            "CTRL_RUN": {"run_id": RUN_ID, "state": "preparing", "agents": ["box1-1"]},
            "CTRL_SNAPSHOT": snapshot(),
            "CTRL_GET_METADATA": {"run_id": RUN_ID, "active": True},
            "CTRL_STOP_RUN": ["box1-1"],
            "CTRL_DETACH_RUN": {"run_id": RUN_ID},
            "CTRL_DELETE_RUN": {"run_id": RUN_ID},
            "CTRL_LOGS": [],
            "LIST": {},
        }
        self.context = zmq.Context()
        self.frontend = self.context.socket(zmq.ROUTER)
        self.frontend.bind(self.address)
        self.xpub = self.context.socket(zmq.XPUB)
        self.xpub.setsockopt(zmq.XPUB_WELCOME_MSG, b"loads")
        self.xpub.bind(self.publisher)
        self.orders = self.context.socket(zmq.PAIR)
        self.orders.bind("inproc://orders")
        self.tell = self.context.socket(zmq.PAIR)
        self.tell.connect("inproc://orders")
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _answer(self, request, archive):
        answer = self.answers.get(request.get("command"), Exception("unknown command", "unknown-command"))
        if callable(answer):
            answer = answer(request, archive)
        if isinstance(answer, Exception):
            return json.dumps({"error": answer.args[0], "code": answer.args[1]}).encode()
        if isinstance(answer, (bytes, type(None))):
            return answer
        return json.dumps({"result": answer}).encode()

    def _serve(self):
        poller = zmq.Poller()
        for socket in (self.frontend, self.xpub, self.orders):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self.orders in ready:
                order = self.orders.recv_multipart()
                if order == [b"end"]:
                    return
                self.xpub.send_multipart(order)
            if self.xpub in ready:
                if self.xpub.recv() == b"\x01" + RUN_ID.encode():
                    self.subscribed.set()
            if self.frontend in ready:
                peer, empty, text, *archive = self.frontend.recv_multipart()
                assert empty == b""
                request = json.loads(text)
                answer = self._answer(request, archive[0] if archive else None)
                with self.asked:
                    self.requests.append(request)
                    self.archives += archive
                    self.asked.notify_all()
                if answer is not None:
                    self.frontend.send_multipart([peer, b"", answer])

    def publish(self, message):
        """To who has subscribed by now; from one thread at a time."""
        assert self.subscribed.wait(30)
        self.tell.send_multipart([RUN_ID.encode(), json.dumps(message).encode()])

    def finish(self, **more):
        """The run is over."""
        self.answers["CTRL_SNAPSHOT"] = snapshot("finished", **more)
        self.publish({"data_type": "run-finished", "run_id": RUN_ID, "state": "finished",
                      "outcome": "passed"})

    def wait_for(self, command, times=1):
        """Its requests, once there are so many."""
        def found():
            return [request for request in self.requests if request.get("command") == command]

        with self.asked:
            assert self.asked.wait_for(lambda: len(found()) >= times, 60), self.requests
            return found()

    def end(self):
        self.tell.send(b"end")
        self.thread.join()
        self.context.destroy(linger=0)
