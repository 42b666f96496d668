# SPDX-License-Identifier: MPL-2.0
"""Programs on a terminal, in front of a broker."""

import re
import signal
import subprocess

import pytest

from terminal import Terminal

QUESTION = r"Do you want to \(s\)top the test or \(d\)etach \? "


class Console:
    """A program on a terminal of its own."""

    def __init__(self, cluster, name, *arguments):
        self.terminal = Terminal(columns=120)
        theirs = self.terminal.theirs
        self.process = subprocess.Popen([cluster.program(name), *map(str, arguments)], env=cluster.environment,
                                        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        self.terminal.give_away()

    def interrupt(self, answer):
        self.process.send_signal(signal.SIGINT)
        self.terminal.wait_for(QUESTION)
        self.terminal.type(f"{answer}\n")

    def end(self):
        """Its exit code, and all that it wrote."""
        text = self.terminal.read_all()
        assert "Sanitizer" not in text and "runtime error" not in text, text
        return self.process.wait(), text


@pytest.fixture
def console():
    """console(cluster, program, arguments): a Console."""
    made = []

    def start(*arguments):
        made.append(Console(*arguments))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def hits_of(text):
    """Of each summary that was shown."""
    return [int(number) for number in re.findall(r"^Hits: (\d+)\r?$", text, re.MULTILINE)]
