# SPDX-License-Identifier: MPL-2.0
"""The other side of a terminal, for programs that ask whether they have one."""

import fcntl
import os
import pty
import re
import selectors
import struct
import termios
import time

from runner import END_SECONDS

CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """The other side of a terminal: what a program wrote on it, and the screen that comes of that."""

    def __init__(self, rows=24, columns=80):
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.text = ""

    def read_until(self, condition):
        """Reads until that holds, or the program has closed its side; whether it does."""
        deadline = time.monotonic() + END_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.ours, selectors.EVENT_READ)
            while not condition():
                assert selector.select(deadline - time.monotonic()), f"nothing came any more: {self.text!r}"
                try:
                    self.text += os.read(self.ours, 65536).decode()
                except OSError:  # EIO: closed
                    return condition()
        return True

    def wait_for(self, pattern):
        assert self.read_until(lambda: re.search(pattern, self.text)), self.text

    def type(self, text):
        os.write(self.ours, text.encode())

    def give_away(self):
        """Only the program has it now, so that its end is seen."""
        os.close(self.theirs)

    def read_all(self):
        self.read_until(lambda: False)
        os.close(self.ours)
        return self.text

    def lines(self):
        """Each line as it stood at some time: whatever was drawn over another."""
        for line in self.text.replace("\r\n", "\n").split("\n"):
            yield from (CONTROL.sub("", drawn) for drawn in line.split("\r"))

    def screen(self):
        """The lines that are left at the end."""
        kept = []
        for line in self.text.replace("\r\n", "\n").split("\n"):
            shown = ""
            for drawn in line.split("\r"):
                plain = CONTROL.sub("", drawn)
                erased = "\x1b[K" in drawn
                shown = plain if erased else plain + shown[len(plain):]
            kept.append(shown)
        return kept
