# SPDX-License-Identifier: MPL-2.0
"""What people see while they wait: on a terminal, off one, and with results on standard output."""

import fcntl
import json
import os
import re
import termios

import pytest

from terminal import Terminal

def start(runner, terminal, *arguments, env=None, **options):
    running = runner.start(*arguments, stderr=terminal.theirs, env={"LANG": "C.UTF-8", **(env or {})}, **options)
    terminal.give_away()
    return running


def take():
    """In the program: what is its standard error is its controlling terminal, too."""
    os.setsid()
    fcntl.ioctl(2, termios.TIOCSCTTY, 0)


def check_panels(terminal, columns=80, rows=24):
    """Lines are never broken, and nothing is left of one but a line that says how it ended."""
    assert not terminal.shown.wrapped, terminal.text
    for panel in terminal.panels():
        assert len(panel) < max(rows, 2) and all(len(line) < columns for line in panel), panel
    return [line for line in terminal.screen() if "%" in line]


@pytest.mark.parametrize("columns", [80, 60, 20])
def test_a_panel_is_redrawn_in_place(runner, gate, columns):
    terminal = Terminal(columns=columns)
    running = start(runner, terminal, f"{gate.url}/", "-u", "3", "--hits", "5", "--grace", "100")
    gate.wait_for(3)
    panel = terminal.wait_for_panel(count=2)
    gate.open()
    ran = running.wait()
    text = terminal.read_all()
    assert ran.code == 0
    assert ran.counts["Hits"] == 15
    assert "\x1b" not in ran.stdout and "\r" not in ran.stdout
    left, = check_panels(terminal, columns)
    bar = r"\[={20}\] " if columns == 80 else ""
    assert re.match(bar + r"100%  \d+ s, ", left), text
    assert columns < 60 or "15 hits, 3 users, 0 errors, 0 failures" in left
    assert [line for line in terminal.screen() if line] == [left]
    assert panel[0] == "" and re.search(r"0% +\d:\d\d", panel[1]) and panel[2].startswith("3 users "), panel
    assert "p95 -" in panel[3] and panel[-1].startswith("0 err"), panel


def test_what_a_panel_shows(runner, gate):
    """Errors with the last message, cleaned, and latencies; in colours, which do no harm to what is read."""
    runner.write("half.c", """\
#include <loads/loads.h>
LOADS_TEST(Half, fails)
{
    loads_get(user, "/");
    loads_fail("caf\\xc3\\xa9 \\x1b[2J<b> is %u", loads_user_number(user));
}
""")
    terminal = Terminal()
    running = start(runner, terminal, "half.Half.fails", "--server-url", gate.url, "-u", "2", "--hits", "1:1000000",
                    "--grace", "100", preexec_fn=take)
    gate.wait_for(2)
    gate.open()
    panel = terminal.wait_for_panel(r"^0 errors   [\d,]+ failures   assertion: café \?\[2J<b> is \d$")
    assert "cycle 2/2" in panel[1], panel
    assert re.match(r"2 users   [\d.,]+ hits/s   [\d,]+ hits$", panel[2]), panel
    assert re.match(r"p50 [\d.]+ [mµ]s   p95 [\d.]+ [mµ]s   p99 [\d.]+ [mµ]?s   \(last 10 s\)$", panel[3]), panel
    terminal.wait_for_panel(r"^p95 by second   [▁▂▃▄▅▆▇█]")
    assert "\x1b[31m" in terminal.text
    terminal.type("\x03")
    assert running.wait().code == 130
    terminal.read_all()
    assert len(check_panels(terminal)) == 1


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"LC_ALL": "C"}])
def test_what_a_terminal_can_not_or_shall_not_show(runner, gate, env):
    terminal = Terminal()
    running = start(runner, terminal, f"{gate.url}/", "-u", "2", env=env)
    gate.wait_for(2)
    terminal.wait_for_panel()
    gate.open()
    assert running.wait().code == 0
    text = terminal.read_all()
    assert ("NO_COLOR" in env) == (not re.search(r"\x1b\[\d*m", text)), text
    assert "LC_ALL" not in env or text.isascii()


def test_the_window_changes_its_size(runner, gate):
    terminal = Terminal(rows=50, columns=200)
    running = start(runner, terminal, f"{gate.url}/", "-u", "3", "--grace", "100", preexec_fn=take)
    gate.wait_for(3)
    assert "[" in terminal.wait_for_panel()[1]
    for rows, columns, lines in ((24, 20, 6), (3, 80, 2), (2, 15, 1), (50, 200, 6)):
        terminal.wait_for_panel()
        terminal.resize(rows, columns)
        seen = len(terminal.panels())
        assert terminal.read_until(lambda: any(len(panel) == lines for panel in terminal.panels()[seen:]))
        assert all(len(line) < columns for line in terminal.panels()[-1])
    gate.open()
    assert running.wait().code == 0
    terminal.read_all()
    left = check_panels(terminal, 200, 50)
    assert [line for line in terminal.screen() if line] == left and len(left) == 1, terminal.text


def test_a_terminal_that_somebody_stopped_is_not_waited_for(runner, gate):
    """The next cycles begin all the same."""
    terminal = Terminal()
    running = start(runner, terminal, f"{gate.url}/", "-u", "1:2:1:2:1:2", "--grace", "100", preexec_fn=take)
    gate.wait_for(1)
    terminal.wait_for_panel()
    terminal.type("\x13")
    gate.open()
    gate.wait_for(9)
    terminal.type("\x11")
    terminal.read_all()
    assert running.wait().code == 0
    assert len(check_panels(terminal)) == 1


def test_a_terminal_that_tells_no_size(runner, gate):
    terminal = Terminal(rows=0, columns=0)
    running = start(runner, terminal, f"{gate.url}/", "-u", "1:100:1", "--grace", "100")
    gate.wait_for(1)
    assert "cycle 1/3" in terminal.wait_for_panel()[1]
    gate.open()
    assert running.wait().code == 0
    terminal.read_all()
    assert len(check_panels(terminal)) == 1


def test_messages_of_the_test_stand_on_lines_of_their_own(runner, gate):
    runner.write("talks.c", """\
#include <loads/loads.h>
#include <stdio.h>
LOADS_TEST(Talks, on)
{
    loads_get(user, "/");
    loads_log(user, "hello from %u", loads_user_number(user));
    printf("one by printf\\ntwo by printf\\n");
    loads_get(user, "/");
}
""")
    terminal = Terminal()
    running = start(runner, terminal, "talks.Talks.on", "--server-url", gate.url, "-u", "2",
                    "--grace", "100")
    gate.wait_for(2)
    terminal.wait_for_panel()
    gate.open()
    assert running.wait().code == 0
    terminal.read_all()
    lines = [line for line in terminal.screen() if line]
    assert sorted(lines[:-1]) == [*(f"loads-worker: user {user}, iteration 0: hello from {user}" for user in (0, 1)),
                                  *["one by printf"] * 2, *["two by printf"] * 2], terminal.text


def test_a_line_that_a_test_does_not_end(runner, gate):
    runner.write("dots.c", """\
#include <loads/loads.h>
#include <stdio.h>
LOADS_TEST(Dots, on)
{
    printf("no end");
    fflush(stdout);
    loads_get(user, "/");
}
""")
    terminal = Terminal()
    running = start(runner, terminal, "dots.Dots.on", "--server-url", gate.url, "--hits", "2", "--grace", "100")
    gate.wait_for(1)
    terminal.wait_for("no end")
    terminal.wait_for_panel()
    gate.open()
    assert running.wait().code == 0
    terminal.read_all()
    lines = [line for line in terminal.screen() if line]
    assert lines[:2] == ["no end", "no end"] and lines[2].startswith("[====") and len(lines) == 3, terminal.text


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
    terminal.wait_for_panel()
    gate.open()
    assert running.wait().code == 1
    terminal.read_all()
    assert said in terminal.screen(), terminal.text


def test_ctrl_c_on_a_terminal(runner, gate):
    """The key, not the signal; the message has a line of its own, and the panel goes on below it."""
    terminal = Terminal(columns=120)
    running = start(runner, terminal, f"{gate.url}/", "-u", "4", "--hits", "1000", "--grace", "100",
                    preexec_fn=take)
    gate.wait_for(4)
    terminal.wait_for_panel()
    terminal.type("\x03")
    terminal.wait_for("stopping: [^\n]*\n")
    terminal.wait_for_panel("% .* stopping$")
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
    """The summary begins on a line of its own, and nothing of a panel is in it."""
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


def test_no_panel_among_hits(runner, target):
    """They go to the same terminal, at any time."""
    terminal = Terminal(columns=2000)
    running = start(runner, terminal, f"{target.url}/delay/200/size/3", "-u", "2", "--hits", "2", "--output", "file",
                    stdout=terminal.theirs)
    assert running.wait().code == 0
    kinds = [json.loads(line)["data_type"] for line in terminal.read_all().splitlines()]
    assert kinds.count("add_hit") == 4


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
