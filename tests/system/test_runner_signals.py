# SPDX-License-Identifier: MPL-2.0
"""How a run is ended from outside, and that nothing of it is left. (What every run is checked for:
runner.py.)"""

import json
import os
import pathlib
import signal

import pytest

from runner import processes_with, wait_until

STOPPING = "stopping: tests that are on have 100 s to end; interrupt again to cut them"

BUSY = """\
#include <loads/loads.h>
#include <fcntl.h>
#include <unistd.h>
LOADS_TEST(Busy, forever)
{
    close(open("began", O_CREAT | O_WRONLY, 0666));
    for (volatile unsigned i = 0;; i++) {
    }
}
"""

HANG = """\
#include <loads/loads.h>
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void hang(void)
{
    close(open("began", O_CREAT | O_WRONLY, 0666));
    for (;;) {
        pause();
    }
}
LOADS_TEST(Hang, never) {}
"""


def wait_for_file(runner, name):
    wait_until((runner.folder / name).exists, f"{name} was not made")


def group_of(pid):
    return os.getpgid(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("workers", [1, 2])
def test_once_is_graceful(runner, gate, number, workers):
    """What is on may end, nothing begins any more, and there is a summary."""
    running = runner.start(f"{gate.url}/", "-u", "6", "--hits", "1000", "--grace", "100",
                           "--workers", workers, "--output", "json=result.json", "--output", "stdout")
    gate.wait_for(6)
    running.send(number)
    running.wait_for(STOPPING)
    gate.open()
    ran = running.wait()
    assert ran.code == 130
    hits = ran.counts["Hits"]
    assert ran.counts == {"Hits": hits, "Success": hits, "Errors": 0, "Failures": 0}
    assert 6 <= hits == gate.requests < 6000
    summary = json.loads((runner.folder / "result.json").read_text())
    assert summary["outcome"] == "interrupted"
    assert summary["iterations"]["interrupted"] == 0


def test_once_with_no_grace_cuts_what_is_on(runner, gate):
    running = runner.start(f"{gate.url}/", "-u", "6", "--hits", "1000", "--grace", "0",
                           "--output", "json")
    gate.wait_for(6)
    running.send(signal.SIGINT)
    ran = running.wait()
    assert ran.code == 130
    assert json.loads(ran.stdout)["iterations"] == {
        "successes": 0, "errors": 0, "failures": 0, "interrupted": 6,
    }
    assert gate.requests == 6


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_twice_is_at_once(runner, gate, second):
    running = runner.start(f"{gate.url}/", "-u", "6", "--hits", "1000", "--grace", "100",
                           "--workers", "2")
    gate.wait_for(6)
    running.send(signal.SIGINT)
    running.wait_for(STOPPING)
    running.send(second)
    ran = running.wait()
    assert ran.code == 130
    assert ran.counts == {"Hits": 0, "Success": 0, "Errors": 0, "Failures": 0}
    assert "Interrupted: 6\n" in ran.stdout
    assert gate.requests == 6


def test_ctrl_c_reaches_the_workers_through_the_runner_alone(runner, gate):
    """A terminal signals its whole foreground group; the workers are in groups of their own."""
    running = runner.start(f"{gate.url}/", "-u", "4", "--grace", "100", "--workers", "2",
                           start_new_session=True)
    gate.wait_for(4)
    workers = running.children()
    assert len(workers) == 2
    assert running.process.pid not in map(group_of, workers)
    os.killpg(running.process.pid, signal.SIGINT)
    running.wait_for(STOPPING)
    gate.open()
    ran = running.wait()
    assert ran.code == 130
    assert ran.counts == {"Hits": 4, "Success": 4, "Errors": 0, "Failures": 0}


def test_a_test_that_never_waits_is_cut(runner):
    """Such a worker hears nothing: it is ended."""
    runner.write("busy.c", BUSY)
    running = runner.start("busy.Busy.forever", "--grace", "100")
    wait_for_file(runner, "began")
    running.send(signal.SIGINT)
    running.wait_for(STOPPING)
    running.send(signal.SIGINT)
    ran = running.wait()
    assert ran.code == 130
    assert ran.counts == {"Hits": 0, "Success": 0, "Errors": 0, "Failures": 0}
    assert "Interrupted: 1\n" in ran.stdout


def test_later_cycles_do_not_start(runner, gate):
    running = runner.start(f"{gate.url}/", "-u", "1:2:3", "--grace", "100")
    gate.wait_for(1)
    running.send(signal.SIGTERM)
    running.wait_for(STOPPING)
    gate.open()
    ran = running.wait()
    assert ran.code == 130
    assert ran.counts["Hits"] == gate.requests == 1


def test_while_the_module_is_loaded(runner):
    runner.write("hang.c", HANG)
    running = runner.start("hang.Hang.never", "--output", "json=result.json")
    wait_for_file(runner, "began")
    running.send(signal.SIGINT)
    ran = running.wait()
    assert (ran.code, ran.stdout) == (130, "")
    assert not (runner.folder / "result.json").exists()


def test_while_the_module_is_listed(runner):
    runner.write("hang.c", HANG)
    running = runner.start("--list", "hang")
    wait_for_file(runner, "began")
    running.send(signal.SIGTERM)
    ran = running.wait()
    assert (ran.code, ran.stdout) == (130, "")


def test_processes_that_a_test_started_go_with_it(runner, gate):
    runner.write("forks.c", """\
#include <loads/loads.h>
#include <unistd.h>
LOADS_TEST(Forks, sleeper)
{
    if (fork() == 0) {
        execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(1);
    }
    loads_get(user, "/");
}
""")
    running = runner.start("forks.Forks.sleeper", "--server-url", gate.url, "--grace", "100")
    gate.wait_for(1)
    running.send(signal.SIGINT)
    running.wait_for(STOPPING)
    running.send(signal.SIGINT)
    assert running.wait().code == 130


DAEMON = pathlib.Path(__file__).parent / "modules" / "daemon.c"


@pytest.mark.parametrize("arguments, code", [
    (["daemon.Daemon.leave", "-u", "3", "--hits", "2"], 0),
    (["daemon.Daemon.nothing", "--cflags=-DIN_MODULE"], 2),
    (["--list", "daemon", "--cflags=-DIN_MODULE"], 0),
])
def test_daemons_that_a_test_started_go_with_it(runner, arguments, code):
    """They are in no group and no session of ours. That nothing is left is what wait() looks for; it
    waits a while, so it is looked for here first."""
    runner.write("daemon.c", DAEMON.read_text())
    running = runner.start(*arguments)
    ran = running.wait(check=False)
    assert processes_with(running.mark) == []
    assert ran.code == code, ran


def test_what_the_shell_started_is_left_alone(runner, target):
    """A script that begins something and becomes us."""
    running = runner.start(
        "-c", 'sleep 1000 >&- 2>&- & echo "$!" >&2; exec "$@"', "sh", runner.program, f"{target.url}/any/one",
        executable="/bin/sh")
    ran = running.wait(check=False)
    assert ran.code == 0, ran
    os.kill(int(ran.stderr.split()[0]), signal.SIGKILL)


def test_nohup(runner, gate):
    """A run that was told to outlive its terminal does."""
    running = runner.start(f"{gate.url}/", "-u", "2",
                           preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    gate.wait_for(2)
    running.send(signal.SIGHUP)
    gate.open()
    ran = running.wait()
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.counts["Hits"] == 2


# ---- a death that can't be caught ----------------------------------------------------------------


def test_workers_end_when_the_runner_is_killed(runner, gate):
    running = runner.start(f"{gate.url}/", "-u", "4", "--workers", "2")
    gate.wait_for(4)
    assert len(running.children()) == 2
    running.send(signal.SIGKILL)
    running.wait(check=False)
    wait_until(lambda: not running.children(), "workers are left")


def test_workers_that_never_wait_end_when_the_runner_is_killed(runner):
    runner.write("busy.c", BUSY)
    running = runner.start("busy.Busy.forever")
    wait_for_file(runner, "began")
    running.send(signal.SIGKILL)
    running.wait(check=False)
    wait_until(lambda: not running.children(), "workers are left")


def test_loading_ends_when_the_runner_is_killed(runner):
    runner.write("hang.c", HANG)
    running = runner.start("hang.Hang.never")
    wait_for_file(runner, "began")
    running.send(signal.SIGKILL)
    running.wait(check=False)
    wait_until(lambda: not running.children(), "the module is still being loaded")


def test_the_next_run_clears_up_after_one_that_was_killed(runner, gate, target):
    """But not after one that is on."""
    killed = runner.start(f"{gate.url}/")
    gate.wait_for(1)
    going_on = runner.start(f"{gate.url}/")
    gate.wait_for(2)
    killed.send(signal.SIGKILL)
    killed.wait(check=False)
    wait_until(lambda: not killed.children(), "workers are left")
    assert len(runner.run_directories()) == 2
    assert runner.start(f"{target.url}/any").wait(check=False).code == 0
    assert len(runner.run_directories()) == 1
    gate.open()
    ran = going_on.wait()
    assert ran.code == 0
    assert ran.counts["Hits"] == 1
