# SPDX-License-Identifier: MPL-2.0
"""What a terminal makes of what our programs write on it; anything else is garbage to it."""

import re
import unicodedata

PIECE = re.compile(r"\x1b\[(\??\d*)([AJKhl])|\x1b\[[\d;]*m|[^\x1b]")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
FRAME_BEGIN, FRAME_END = "\x1b[?7l", "\x1b[?7h"


def width_of(character):
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Screen:
    """Lines are lists of columns: a wide character has an empty text behind it."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows or 24, columns or 80
        self.cells = [[]]  # of lines that scrolled away, too
        self.y = self.x = 0
        self.in_frame, self.wrapped = False, False
        self.frames = []  # the lines of each panel
        self.rest = ""

    def text(self, start=0):
        return ["".join(line).rstrip() for line in self.cells[start:]]

    def feed(self, text):
        text, at = self.rest + text, 0
        while at < len(text) and (text[at] != "\x1b" or PIECE.match(text, at)):
            piece = PIECE.match(text, at)
            self._take(piece[0], piece[1], piece[2])
            at = piece.end()
        self.rest = text[at:]
        assert len(self.rest) < 16, f"garbage: {self.rest[:40]!r}"

    def _take(self, piece, number, command):
        if piece == "\r":
            self.x = 0
        elif piece == "\n":
            self._down()
        elif piece in (FRAME_BEGIN, FRAME_END):
            self.in_frame = piece == FRAME_BEGIN
            if not self.in_frame:
                self.frames.append(self.text(self.y))
        elif command == "A":
            self.y -= int(number)
            assert self.y >= max(0, len(self.cells) - self.rows), "it isn't on the screen any more"
        elif command in ("K", "J"):
            del self.cells[self.y][self.x:]
            if command == "J":
                del self.cells[self.y + 1:]
        elif not COLOUR.match(piece):
            assert piece.isprintable() or unicodedata.combining(piece), f"garbage: {piece!r}"
            self._put(piece, width_of(piece))

    def _down(self):
        self.y += 1
        if self.y == len(self.cells):
            self.cells.append([])

    def _put(self, character, width):
        if width == 0:
            self.cells[self.y][self.x - 1] += character
            return
        if self.x + width > self.columns:
            self.wrapped = self.wrapped or self.in_frame
            self.x = 0
            self._down()
        line = self.cells[self.y]
        line += [" "] * (self.x - len(line))
        line[self.x:self.x + width] = [character, ""][:width]
        self.x += width

    def resize(self, rows, columns):
        """As terminals do that break long lines anew."""
        lines, y = [], 0
        for number, line in enumerate(self.cells):
            y = len(lines) if number == self.y else y
            lines += [line[i:i + columns] for i in range(0, len(line), columns)] or [[]]
        self.cells, self.y, self.rows, self.columns = lines, y, rows, columns
