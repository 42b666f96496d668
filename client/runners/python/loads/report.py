# SPDX-License-Identifier: MPL-2.0
"""What virtual users do, told to Loads: the external-runner protocol (docs/external-runners.md).

A batch lists messages by their type, so it keeps the order of events only as long as it has no more than
one iteration of each user: it is sent before one begins its next."""

import json
import os
import re
import threading
import traceback
import unittest

from loads.shown import shown_words

FLUSH_SECONDS = 0.1
MAX_MESSAGES = 500
ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of an object: else each error would be one of its own
UNITTEST = os.path.dirname(unittest.__file__)
# In a batch, what comes first in an iteration is listed first.
ORDER = ("startTest", "socket_open", "add_hit", "socket_message", "incr_counter", "socket_close",
         "addSuccess", "addFailure", "addError", "stopTest")


class Silence:
    """Nobody wants to know: the test runs by itself."""

    def add(self, user, data_type, **keys):
        pass


class Report:
    """Sends batches to the socket that the environment names; may be used by several threads."""

    def __init__(self, several=False):
        import zmq
        self.several = several
        self.hits = int(os.environ.get("LOADS_TOTAL_HITS", 0))
        self.users = int(os.environ["LOADS_TOTAL_USERS"])
        self.run = {"agent_id": os.environ["LOADS_AGENT_ID"], "run_id": os.environ["LOADS_RUN_ID"]}
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PUSH)
        self.socket.connect(os.environ["LOADS_ZMQ_RECEIVER"])
        self.lock = threading.Lock()
        self.closed = threading.Event()
        self.forget()
        self.flusher = threading.Thread(target=self.flush_often, daemon=True)
        self.flusher.start()

    def forget(self):
        self.counts = {}
        self.n_messages = 0
        self.ended = set()  # users whose iteration's end is in the batch

    def add(self, user, data_type, **keys):
        """A message of a user, loads.user.User."""
        message = {"loads_status": [self.hits, self.users, user.hit, user.number], **keys}
        if self.several or data_type not in ("add_hit", "socket_open", "socket_message", "socket_close"):
            message["test"] = user.test
        with self.lock:
            if data_type == "startTest" and user.number in self.ended:
                self.flush()
            if data_type == "stopTest":
                self.ended.add(user.number)
            self.counts.setdefault(data_type, []).append(message)
            self.n_messages += 1
            if self.n_messages >= MAX_MESSAGES:
                self.flush()

    def flush(self):
        """With the lock held. Waits where Loads can't count as fast as that."""
        if self.n_messages > 0:
            counts = {name: self.counts[name] for name in ORDER if name in self.counts}
            self.socket.send_string(json.dumps({"data_type": "batch", **self.run, "counts": counts}))
            self.forget()

    def flush_often(self):
        while not self.closed.wait(FLUSH_SECONDS):
            with self.lock:
                self.flush()

    def close(self):
        """Returns when all is sent."""
        self.closed.set()
        with self.lock:
            self.flush()
        self.socket.close(linger=-1)
        self.context.term()

    def close_in_handler(self):
        """The same for a signal handler, which may have interrupted whoever holds the lock: then what is in
        the batch is lost."""
        if self.lock.acquire(blocking=False):
            self.flush()
        self.context.destroy(linger=500)


def describe(error):
    """exc_info of a message, of what sys.exc_info() returns."""
    kind, value, _ = error
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = format_one(*error)
    cause = value.__cause__
    if cause is not None:
        text += "\nCaused by:\n" + format_one(type(cause), cause, cause.__traceback__)
    return [shown_words(ADDRESS.sub("", part)) for part in (str(value), name, text)]


def format_one(kind, value, trace):
    """A traceback that begins in the test: without unittest's own lines, and without what a library was about
    when this went wrong."""
    told = traceback.TracebackException(kind, value, trace)
    told.stack = traceback.StackSummary.from_list(
        frame for frame in told.stack if os.path.dirname(frame.filename) != UNITTEST)
    return "".join(told.format(chain=False))
