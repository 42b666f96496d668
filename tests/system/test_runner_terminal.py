# SPDX-License-Identifier: MPL-2.0
"""What people see while they wait: on a terminal, off one, and with results on standard output."""

import fcntl
import json
import os
import re
import termios

import pytest

from terminal import Terminal

def bars(terminal):
    """Where there is no room for the bar itself, what stands beside it."""
    return [line for line in terminal.lines() if re.match(r"(\[=* *\] )?\d+%  ", line)]


def start(runner, terminal, *arguments, **options):
    running = runner.start(*arguments, stderr=terminal.theirs, **options)
    terminal.give_away()
    return running


@pytest.mark.parametrize("columns", [80, 60, 40, 20])
def test_progress_is_redrawn_in_place(runner, gate, columns):
    terminal = Terminal(columns=columns)
    running = start(runner, terminal, f"{gate.url}/", "-u", "3", "--hits", "5", "--grace", "100")
    gate.wait_for(3)
    assert terminal.read_until(lambda: len(bars(terminal)) >= 3)
    assert "\n" not in terminal.text
    gate.open()
    ran = running.wait()
    text = terminal.read_all()
    assert ran.code == 0
    assert ran.counts["Hits"] == 15
    assert "\x1b" not in ran.stdout and "\r" not in ran.stdout
    assert all(len(line) < columns for line in terminal.lines()), text
    left = [line for line in terminal.screen() if line]
    assert len(left) == 1, text
    bar = r"\[={20}\] " if columns == 80 else ""
    assert re.match(bar + r"100%  \d+ s, ", left[0])
    assert columns < 40 or ", 15 hits, " in left[0]
    assert columns < 60 or "15 hits, 3 users, 0 errors, 0 failures" in left[0]


def test_cycles_stay_on_the_line(runner, gate):
    terminal = Terminal()
    running = start(runner, terminal, f"{gate.url}/", "-u", "1:100:1", "--hits", "1:2", "--grace", "100")
    gate.wait_for(1)
    terminal.wait_for(r"cycle 1/6")
    gate.open()
    assert running.wait().code == 0
    terminal.read_all()
    assert max(map(len, terminal.lines())) < 80


def test_a_terminal_that_tells_no_width(runner, gate):
    terminal = Terminal(rows=0, columns=0)
    running = start(runner, terminal, f"{gate.url}/", "-u", "2")
    gate.wait_for(2)
    terminal.read_until(lambda: bars(terminal))
    gate.open()
    assert running.wait().code == 0
    terminal.read_all()
    assert max(map(len, terminal.lines())) < 80


def test_messages_of_the_test_stand_on_lines_of_their_own(runner, gate):
    runner.write("talks.c", """\
#include <loads/loads.h>
LOADS_TEST(Talks, on)
{
    loads_get(user, "/");
    loads_log(user, "hello from %u", loads_user_number(user));
    loads_get(user, "/");
}
""")
    terminal = Terminal()
    running = start(runner, terminal, "talks.Talks.on", "--server-url", gate.url, "-u", "2",
                    "--grace", "100")
    gate.wait_for(2)
    assert terminal.read_until(lambda: bars(terminal))
    gate.open()
    assert running.wait().code == 0
    terminal.read_all()
    said = [line for line in terminal.screen() if "hello from" in line]
    assert len(said) == 2
    assert all(line.startswith("loads-worker: ") for line in said), terminal.text


OF_C = """\
#include <loads/loads.h>
LOADS_TEST(Bad, test_it)
{
    loads_get(user, "/");
    loads_fail("oh no");
}
"""
OF_PYTHON = """\
from loads.case import TestCase

class Bad(TestCase):
    def test_it(self):
        self.app.get("/")
        self.fail("oh no")
"""


@pytest.mark.parametrize("name, text, said", [
    ("bad.c", OF_C, "bad.c:5: failure: oh no"),
    ("bad.py", OF_PYTHON, "bad.py:6: failure: oh no")])
def test_what_fails_stands_on_a_line_of_its_own(runner, gate, monkeypatch, name, text, said):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    runner.write(name, text)
    terminal = Terminal()
    running = start(runner, terminal, "bad.Bad.test_it", "--server-url", gate.url)
    gate.wait_for(1)
    drawn = len(bars(terminal))
    assert terminal.read_until(lambda: len(bars(terminal)) > drawn)
    gate.open()
    assert running.wait().code == 1
    terminal.read_all()
    assert said in terminal.screen(), terminal.text


def test_ctrl_c_on_a_terminal(runner, gate):
    """The key, not the signal; the message has a line of its own, and the bar goes on below it."""
    terminal = Terminal()

    def take():
        os.setsid()
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)

    running = start(runner, terminal, f"{gate.url}/", "-u", "4", "--hits", "1000", "--grace", "100",
                    preexec_fn=take)
    gate.wait_for(4)
    assert terminal.read_until(lambda: bars(terminal))
    os.write(terminal.ours, b"\x03")
    terminal.wait_for("stopping: [^\n]*\n")
    drawn = len(bars(terminal))
    assert terminal.read_until(lambda: len(bars(terminal)) > drawn)
    gate.open()
    ran = running.wait()
    assert ran.code == 130
    assert ran.counts["Errors"] == 0
    terminal.read_all()
    said = [line for line in terminal.screen() if "stopping" in line]
    assert said == [
        "loads-runner: stopping: tests that are on have 100 s to end; interrupt again to cut them"
    ]


def test_everything_on_one_terminal(runner, target):
    """The summary begins on a line of its own."""
    terminal = Terminal()
    running = runner.start(f"{target.url}/any", "-u", "3", stdout=terminal.theirs,
                           stderr=terminal.theirs)
    terminal.give_away()
    terminal.read_all()
    assert running.wait().code == 0
    screen = terminal.screen()
    assert "Hits: 3" in screen and "Success: 3" in screen
    assert len([line for line in screen if re.match(r"\[=* *\] ", line)]) == 1


def test_quiet_shows_no_progress(runner, gate):
    terminal = Terminal()
    running = start(runner, terminal, f"{gate.url}/", "-u", "2", "--quiet")
    gate.wait_for(2)
    gate.open()
    assert running.wait().code == 0
    assert terminal.read_all() == ""


def test_a_terminal_that_can_not_draw_gets_plain_lines(runner, gate):
    terminal = Terminal()
    running = start(runner, terminal, f"{gate.url}/", "-u", "2", env={"TERM": "dumb"})
    gate.wait_for(2)
    gate.open()
    assert running.wait().code == 0
    text = terminal.read_all()
    assert "\x1b" not in text and "[" not in text


def test_plain_lines_off_a_terminal(runner, gate):
    """One every ten seconds: this test waits for the first."""
    running = runner.start(f"{gate.url}/", "-u", "3", "--hits", "2", "--output", "json")
    running.wait_for("\n")
    gate.open()
    ran = running.wait()
    assert ran.code == 0
    assert re.fullmatch(r"(0%  \d+ s, 0 hits, 3 users, 0 errors, 0 failures\n)+", ran.stderr)
    assert json.loads(ran.stdout)["hits"] == 6


@pytest.mark.parametrize("test, code", [("test_es", 0), ("test_fail", 1)])
def test_json_on_standard_output_is_nothing_but_json(runner, target, test, code):
    ran = runner.run(f"example.TestWebSite.{test}", "--server-url", target.url, "-u", "3",
                     "--output", "json")
    assert ran.code == code
    assert ran.stdout.startswith("{\n") and ran.stdout.endswith("}\n")
    assert json.loads(ran.stdout)["hits"] == 3
    assert ran.stderr == ""


def test_json_lines_on_standard_output_are_nothing_but_that(runner, target):
    ran = runner.run("example.TestWebSite.test_two", "--server-url", target.url, "-u", "3",
                     "--output", "file")
    assert ran.code == 0
    kinds = [json.loads(line)["data_type"] for line in ran.stdout.splitlines()]
    assert kinds.count("add_hit") == 6
    assert kinds.count("addSuccess") == kinds.count("startTest") == kinds.count("stopTest") == 3


def test_what_a_test_prints_is_not_among_the_results(runner, target):
    runner.write("prints.c", """\
#include <loads/loads.h>
#include <stdio.h>
#include <stdlib.h>
LOADS_TEST(Prints, on)
{
    printf("by printf\\n");
    fflush(stdout);
    if (system("echo by a command") != 0) {
        loads_fail("no shell");
    }
    loads_get(user, "/any");
}
""")
    ran = runner.run("prints.Prints.on", "--server-url", target.url, "--output", "json")
    assert ran.code == 0, ran
    assert json.loads(ran.stdout)["hits"] == 1
    assert ran.stderr == "by printf\nby a command\n"
