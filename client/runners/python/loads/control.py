# SPDX-License-Identifier: MPL-2.0
"""The line to who started us (daemons/external/control.h): when to begin, when to begin nothing more, and which
of several tests a user executes next, which isn't for us to decide: it follows from the run's seed as it does
for tests in C."""

import queue
import socket
import threading


class Control:
    """Calls begin(deadline), of time.monotonic() or None, and end(gone), each from a thread of its own; `gone`:
    there is nobody any more."""

    def __init__(self, descriptor, begin, end):
        self.socket = socket.socket(fileno=descriptor)
        self.begin, self.end = begin, end
        self.asking = threading.Lock()
        self.answers = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def ready(self):
        self.socket.send(b"ready")

    def listen(self):
        while words := self.receive():
            if words[0] == b"go":
                self.begin(float(words[1]) or None)
            elif words[0] == b"chosen":
                self.answers.put(words[1:])
            else:
                self.end(False)
        self.answers.put(None)
        self.end(True)

    def receive(self):
        try:
            return self.socket.recv(4096).split()
        except OSError:
            return []

    def choose(self, number, hit):
        """What a user executes from that hit on, a letter each; nothing: nobody is there to say."""
        asked = [b"%d" % number, b"%d" % hit]
        with self.asking:  # one question at a time
            try:
                self.socket.send(b" ".join([b"choose", *asked]))
            except OSError:
                return b""
            while answer := self.answers.get():
                if answer[:2] == asked:  # else somebody used our descriptor
                    return answer[2]
            return b""


class Choices:
    """Which test each user executes next; known for many executions ahead."""

    def __init__(self, control, numbers):
        self.control = control
        self.ahead = {number: iter(control.choose(number, 1)) for number in numbers}

    def next(self, user):
        """The test's number; None: that isn't known any more."""
        letter = next(self.ahead[user.number], None)
        if letter is None:
            self.ahead[user.number] = iter(self.control.choose(user.number, user.hit + 1))
            letter = next(self.ahead[user.number], None)
        return None if letter is None else letter - ord("a")
