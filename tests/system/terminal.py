# SPDX-License-Identifier: MPL-2.0
"""The other side of a terminal, for programs that ask whether they have one."""

import codecs
import fcntl
import os
import pty
import re
import selectors
import struct
import termios
import time

from runner import END_SECONDS
from screen import Screen


class Terminal:
    """The other side of a terminal: what a program wrote on it, and the screen that comes of that."""

    def __init__(self, rows=24, columns=80):
        self.ours, self.theirs = pty.openpty()
        self.text = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self._shown, self._fed = Screen(rows, columns), 0
        self._tell_size(rows, columns)

    def _tell_size(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        """Whose controlling terminal it is gets a signal."""
        self.shown.resize(rows, columns)
        self._tell_size(rows, columns)

    def read_until(self, condition):
        """Reads until that holds, or the program has closed its side; whether it does."""
        deadline = time.monotonic() + END_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.ours, selectors.EVENT_READ)
            while not condition():
                assert selector.select(deadline - time.monotonic()), f"nothing came any more: {self.text!r}"
                try:
                    self.text += self.decoder.decode(os.read(self.ours, 65536))
                except OSError:  # EIO: closed
                    return condition()
        return True

    def wait_for(self, pattern):
        assert self.read_until(lambda: re.search(pattern, self.text)), self.text

    def wait_for_panel(self, pattern="%", count=1):
        """Until so many more panels with a line like that were drawn; the last one."""
        seen = len(self.panels())

        def found():
            return [panel for panel in self.panels()[seen:] if any(re.search(pattern, line) for line in panel)]

        assert self.read_until(lambda: len(found()) >= count), self.text
        return found()[-1]

    def type(self, text):
        os.write(self.ours, text.encode())

    def give_away(self):
        """Only the program has it now, so that its end is seen."""
        os.close(self.theirs)

    def read_all(self):
        self.read_until(lambda: False)
        os.close(self.ours)
        return self.text

    @property
    def shown(self):
        """What stands on it; for programs of ours only, which write little else than text."""
        text, self._fed = self.text[self._fed:], len(self.text)
        self._shown.feed(text)
        return self._shown

    def panels(self):
        """The lines of each panel that was drawn."""
        return self.shown.frames

    def screen(self):
        """The lines that are left at the end."""
        return self.shown.text()
