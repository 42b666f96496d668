# SPDX-License-Identifier: MPL-2.0
"""Attached consoles, in front of a broker that does what no real one does at the right moment."""

import base64
import json
import os
import re
import signal

import pytest

import intervals
from fake_broker import NAME, RUN_ID, FakeBroker, live, recent, run_object, snapshot
from terminal import Terminal

QUESTION = r"Do you want to \(s\)top the test or \(d\)etach \? "


@pytest.fixture
def attach(runner, fake):
    """attach(arguments, options of Popen): a loads-runner that asks for the fake's run."""

    def start(*arguments, **options):
        return runner.start("--attach", RUN_ID, "--broker", fake.address, *arguments, **options)

    return start


@pytest.fixture
def on_terminal(attach):
    """The same on a Terminal: both."""

    def start(*arguments):
        terminal = Terminal(columns=120)
        running = attach(*arguments, stdin=terminal.theirs, stdout=terminal.theirs,
                         stderr=terminal.theirs, start_new_session=True, env={"LANG": "C.UTF-8"})
        terminal.give_away()
        return running, terminal

    return start


@pytest.mark.parametrize("outcome, code", [("passed", 0), ("failed", 1), ("aborted", 4), ("lost", 4), ("unheard-of", 4)])
def test_a_console_exits_as_the_run_did(attach, fake, outcome, code):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished", outcome=outcome)
    ran = attach().wait()
    assert ran.code == code
    assert ran.counts == {"Hits": 10, "Success": 10, "Errors": 0, "Failures": 0}


def test_the_end_of_a_run_is_shown(attach, fake):
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    fake.publish(live(2, hits=5))
    fake.finish(hits=20)
    ran = running.wait()
    assert ran.code == 0 and ran.counts["Hits"] == 20


def test_lost_agents_are_named(attach, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot(
        "finished", outcome="lost", agents=["box1-1", "box2-7"], lost=["box2-7"],
        trouble="agent box2-7 was not heard from for 3 s")
    ran = attach().wait()
    assert ran.code == 4
    assert "\n1 of 2 agents was lost:\n  box2-7\n  agent box2-7 was not heard from for 3 s\n" in ran.stdout


def test_what_agents_used(attach, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot(
        "finished", agents=["box1-1", "box2-7"], usage=[{"agent": "box2-7", "cpu_usec": 2500000}])
    assert re.search("\nbox2-7 +2.50 s +not available\n", attach().wait().stdout)


def test_a_run_that_never_started_has_no_summary(attach, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot(
        "failed", hits=0, outcome="failed", started=None, trouble="agent box1-1: example.c:3: \x1b[31mno")
    ran = attach().wait()
    assert (ran.code, ran.stdout) == (4, "")
    assert "loads-runner: agent box1-1: example.c:3: ?[31mno\n" in ran.stderr


def test_json_of_a_run_on_agents(runner, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished", agents=["box1-1", "box1-2"])
    ran = runner.summarize("--attach", RUN_ID, "--broker", fake.address)
    assert ran.summary["agents"] == ["box1-1", "box1-2"] and ran.summary["lost"] == []
    assert ran.summary["run_id"] == RUN_ID and ran.summary["hits"] == 10
    assert "workers" not in ran.summary


def test_what_tests_write_and_what_goes_wrong_is_shown(attach, fake):
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    fake.publish({"data_type": "log", "run_id": RUN_ID, "agent_id": "box1-1", "worker": 0,
                  "text": "one\ntwo\x1b[31m\n"})
    fake.publish({"data_type": "problem", "run_id": RUN_ID, "agent_id": "box1-1",
                  "text": "a worker crashed\n  at \x07here"})
    fake.publish({"data_type": "problem", "run_id": RUN_ID, "text": "the database is away"})
    fake.finish()
    ran = running.wait()
    assert ran.code == 0
    assert "box1-1: one\nbox1-1: two\\x1b[31m\n" in ran.stderr
    assert "loads-runner: box1-1: a worker crashed\n  at ?here\n" in ran.stderr
    assert "loads-runner: the database is away\n" in ran.stderr


def test_progress_is_that_of_messages(on_terminal, fake):
    running, terminal = on_terminal()
    fake.wait_for("CTRL_SNAPSHOT")
    fake.publish(live(7))
    panel = terminal.wait_for_panel(r"^\[=+ +\]  75%   0:01   0:00 left   cycle 2/2$")
    assert panel[2:] == ["3 users   5.6 hits/s   7 hits   1 agent", "0 errors   0 failures"]
    fake.publish(live(1, hits=1))  # older than the snapshot
    fake.publish(live(8, hits=8, errors=2, failures=1, done=0.8, agents=3, lost=["box1-1"], state="stopping",
                      last_error="caf\xe9\x1b[2J\u202e \u65e5\u672c\n" + "x" * 1000, **recent()))
    panel = terminal.wait_for_panel(r"^\[=+ +\]  80%   0:01   stopping   cycle 2/2$")
    assert panel[2:-1] == ["3 users   1,230 hits/s   8 hits   2 of 3 agents",
                           "p50 412 µs   p95 45.6 ms   p99 1.02 s   (last 10 s)",
                           "p95 by second   ▁ ▄█   up to 8.00 ms"]
    assert re.fullmatch(r"2 errors   1 failure   caf\xe9\\x1b\[2J\\u202e \u65e5\u672c\\nx+…", panel[-1]), panel
    fake.finish()
    assert running.wait().code == 0
    terminal.read_all()
    assert not terminal.shown.wrapped
    text = "\n".join(terminal.screen())
    assert "\nHits: 10\n" in text and not re.search("hits/s|p95 by second|1 hit ", text), text


def test_a_run_that_waits_says_so(attach, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("queued", hits=0, agents=[], started=None)
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    fake.publish(live(2, state="queued", hits=0))
    fake.publish(live(3, state="queued", hits=0))
    running.wait_for("loads-runner: the run waits until enough agents are free\n")
    fake.finish()
    assert running.wait().stderr.count("waits until") == 1


def test_quiet(attach, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished")
    ran = attach("--quiet").wait()
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")


# ---- Ctrl-C --------------------------------------------------------------------------------------


def interrupt(running, terminal, fake):
    """Ctrl-C once the run is shown; the question is there."""
    fake.wait_for("CTRL_SNAPSHOT")
    running.send(signal.SIGINT)
    terminal.wait_for(QUESTION)
    assert "Hits: 10\r\n" in terminal.text and "Failures: 0\r\n" in terminal.text


def test_leaving_by_ctrl_c_and_d(on_terminal, fake):
    running, terminal = on_terminal()
    interrupt(running, terminal, fake)
    terminal.type("d\n")
    assert running.wait().code == 0
    assert f"detached from the run {RUN_ID}, which goes on" in terminal.read_all()
    assert "CTRL_STOP_RUN" not in [request["command"] for request in fake.requests]


def test_stopping_by_ctrl_c_and_s(on_terminal, fake):
    running, terminal = on_terminal()
    interrupt(running, terminal, fake)
    terminal.type("s\n")
    assert fake.wait_for("CTRL_STOP_RUN") == [{"command": "CTRL_STOP_RUN", "run_id": RUN_ID}]
    fake.finish(outcome="aborted", trouble="it was stopped")
    assert running.wait().code == 130
    assert "The run was interrupted before its end." in terminal.read_all()


def test_a_run_that_somebody_else_stopped_was_given_up(attach, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished", outcome="aborted")
    ran = attach().wait()
    assert ran.code == 4 and "The run was given up." in ran.stdout


def test_ctrl_c_at_the_question_stops(on_terminal, fake):
    running, terminal = on_terminal()
    interrupt(running, terminal, fake)
    running.send(signal.SIGINT)
    assert fake.wait_for("CTRL_STOP_RUN")[0].get("grace_usec") is None
    running.send(signal.SIGINT)
    assert fake.wait_for("CTRL_STOP_RUN", 2)[1]["grace_usec"] == 0
    fake.finish(outcome="aborted")
    assert running.wait().code == 130
    terminal.read_all()


def test_other_answers_are_none(on_terminal, fake):
    running, terminal = on_terminal()
    interrupt(running, terminal, fake)
    terminal.type("x\n")
    terminal.wait_for(f"{QUESTION}(.|\n)*{QUESTION}")
    terminal.type("\n")
    terminal.wait_for(f"{QUESTION}(.|\n)*{QUESTION}(.|\n)*{QUESTION}")
    terminal.type("d\n")
    assert running.wait().code == 0
    terminal.read_all()


def test_a_run_that_ends_during_the_question(on_terminal, fake):
    running, terminal = on_terminal()
    interrupt(running, terminal, fake)
    fake.finish(hits=33)
    assert running.wait().code == 0
    assert "Hits: 33\r\n" in terminal.read_all()


def test_no_bar_is_drawn_over_the_question(on_terminal, fake):
    running, terminal = on_terminal()
    interrupt(running, terminal, fake)
    asked = len(terminal.text)
    fake.publish(live(9))
    fake.publish({"data_type": "log", "run_id": RUN_ID, "agent_id": "a", "worker": 0, "text": "still on\n"})
    terminal.wait_for(f"still on\r\n{QUESTION}")
    assert "%" not in terminal.text[asked:]
    terminal.type("d\n")
    assert running.wait().code == 0
    terminal.read_all()
    at = terminal.screen().index("a: still on")  # in the question's place
    asked = [number for number, line in enumerate(terminal.screen()) if re.match(QUESTION, line + " ")]
    assert asked == [at + 1], terminal.screen()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_it_stops_the_run(attach, fake, number):
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    running.send(number)
    fake.wait_for("CTRL_STOP_RUN")
    running.wait_for("stopping: tests that are on have their grace to end")
    running.send(number)
    assert fake.wait_for("CTRL_STOP_RUN", 2)[1]["grace_usec"] == 0
    fake.finish(outcome="aborted")
    assert running.wait().code == 130


def test_a_third_interrupt_waits_for_nobody(attach, fake):
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    for times in (1, 2):
        running.send(signal.SIGINT)
        fake.wait_for("CTRL_STOP_RUN", times)
    running.send(signal.SIGINT)
    ran = running.wait()
    assert ran.code == 130 and "gone without waiting" in ran.stderr


def test_sigterm_on_a_terminal_stops(on_terminal, fake):
    running, terminal = on_terminal()
    fake.wait_for("CTRL_SNAPSHOT")
    running.send(signal.SIGTERM)
    fake.wait_for("CTRL_STOP_RUN")
    fake.finish(outcome="aborted")
    assert running.wait().code == 130
    terminal.read_all()


def test_a_terminal_that_goes_away_leaves_the_run_alone(attach, fake):
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    running.send(signal.SIGHUP)
    assert running.wait().code == 0
    assert "CTRL_STOP_RUN" not in [request["command"] for request in fake.requests]


def test_somebody_else_detaches(attach, fake):
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    fake.publish({"data_type": "detach", "run_id": RUN_ID})
    ran = running.wait()
    assert ran.code == 0 and "detached" in ran.stderr


def test_a_run_that_can_not_be_stopped(attach, fake):
    fake.answers["CTRL_STOP_RUN"] = Exception("out of luck", "internal")
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    running.send(signal.SIGTERM)
    ran = running.wait()
    assert ran.code == 4 and f"cannot stop the run {RUN_ID}: out of luck" in ran.stderr


# ---- what gets lost ------------------------------------------------------------------------------


def test_an_end_that_was_not_heard_is_asked_for(attach, fake):
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished", hits=44)
    ran = running.wait()  # after CONSOLE_SILENCE_SEC
    assert ran.code == 0 and ran.counts["Hits"] == 44


def test_messages_that_make_no_sense_are_left_out(attach, fake):
    running = attach()
    fake.wait_for("CTRL_SNAPSHOT")
    for message in ([], {}, {"data_type": "news"}, {"data_type": "live"}, {"data_type": 1}, live("x"),
                    live(-1), live(2, done="much"), live(3, state=None), live(4, recent=[]), {"data_type": "log", "text": 1},
                    {"data_type": "log"}, {"data_type": "run-finished"}, "text"):
        fake.publish(message)
    fake.tell.send_multipart([RUN_ID.encode(), b"{\xff"])
    fake.tell.send_multipart([RUN_ID.encode(), b""])
    fake.publish({"data_type": "log", "run_id": RUN_ID, "text": "still here"})
    running.wait_for("still here")
    fake.finish()
    assert running.wait().code == 0


def test_a_broker_that_comes_back(runner, socket_folder):
    first = FakeBroker(socket_folder)
    running = runner.start("--attach", RUN_ID, "--broker", first.address)
    first.wait_for("CTRL_SNAPSHOT")
    first.end()
    second = FakeBroker(socket_folder)
    try:
        second.answers["CTRL_SNAPSHOT"] = snapshot("finished", hits=12)
        ran = running.wait()
    finally:
        second.end()
    assert ran.code == 0 and ran.counts["Hits"] == 12


def test_a_broker_that_is_busy_is_waited_for(attach, fake):
    answers = [Exception("the database is starting up", "database"), None, snapshot("finished", hits=12)]
    fake.answers["CTRL_SNAPSHOT"] = lambda request, archive: answers.pop(0) if len(answers) > 1 else answers[0]
    ran = attach().wait()
    assert ran.code == 0 and ran.counts["Hits"] == 12
    assert "the database is starting up; the run may go on without it: waiting for it" in ran.stderr
    assert "the broker answers again" in ran.stderr


def test_a_run_that_is_forgotten(attach, fake):
    fake.answers["CTRL_SNAPSHOT"] = Exception("there is no run 6b0f", "unknown-run")
    ran = attach().wait()
    assert ran.code == 4 and "loads-runner: there is no run 6b0f\n" in ran.stderr


# ---- answers that are wrong ----------------------------------------------------------------------


def encoded(*arguments, **keywords):
    return base64.b64encode(intervals.encode(*arguments, **keywords)).decode()


def changed(**more):
    return {**snapshot(), **more}


WRONG = {
    "no object": ([], "run: an object is expected"),
    "no run": (changed(run=None), "run: an object is expected"),
    "no spec": (changed(run={"state": "running", "name": NAME}), "spec: an object is expected"),
    "no state": (changed(run={"name": NAME}), "state: a text is expected"),
    "state": (changed(run={"name": NAME, "state": 1}), "state: a text is expected"),
    "spec": (changed(run={**run_object(), "spec": {"users": 1}}), "spec: run_id: is missing"),
    "date": (changed(run=run_object(started="yesterday")), "started: a date in ISO 8601, UTC, is expected"),
    "agents": (changed(run=run_object(agents=[1])), "agents: a list of texts is expected"),
    "agents, a text": (changed(run=run_object(agents="box1")), "agents: a list of texts is expected"),
    "number": (changed(number=-1), "number: a whole number, not negative, is expected"),
    "time": (changed(active_usec=1.5), "active_usec: a whole number, not negative, is expected"),
    "no names": (changed(names=None), "names: a list is expected"),
    "order of names": (changed(names=[[0, 2, "a"]]), "names: entry 0 is not the next one"),
    "same name": (changed(names=[[0, 1, "a"], [0, 2, "a"]]), "names: entry 1 is not the next one"),
    "kind": (changed(names=[[5, 1, "a"]]), "names: entry 0 is not the next one"),
    "no name": (changed(names=[["a"]]), "names: entry 0 is not the next one"),
    "too many names": (changed(names=[[0, i + 1, f"t{i}"] for i in range(101)]),
                       "names: entry 100 is not the next one"),
    "overflows": (changed(overflows=[1, 2, -3, 4, 5]), "overflows: whole numbers are expected"),
    "few overflows": (changed(overflows=[1]), "overflows: whole numbers are expected"),
    "no totals": (changed(totals=None), "totals: a text is expected"),
    "base64": (changed(totals="AAAAA"), "totals: base64 is expected"),
    "interval": (changed(totals="AAAA"), "totals: "),
    "series without a name": (changed(totals=encoded(series=[(2, [5], 0, 0, 0)])),
                              "totals: there are numbers without a name"),
    "test without a name": (changed(totals=encoded(tests=[(2, 1, 0, 0, 0)])),
                            "totals: there are numbers without a name"),
    "error without a name": (changed(totals=encoded(errors=[(1, 1)])), "totals: there are numbers without"),
    "counter without a name": (changed(totals=encoded(counters=[(1, -1)])),
                               "totals: there are numbers without"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_snapshot_that_makes_no_sense(attach, fake, case):
    answer, text = WRONG[case]
    fake.answers["CTRL_SNAPSHOT"] = answer
    ran = attach().wait()
    assert ran.code == 4
    assert f"loads-runner: the broker's answer to CTRL_SNAPSHOT: {text}" in ran.stderr, ran


@pytest.mark.parametrize("answer, text", [
    (b"", "not JSON"),
    (b"[1, 2]", "not a JSON object"),
    (b'{"result": \xff}', "not JSON"),
    (b'{"results": 1}', "gave an answer without result or error"),
    (b'{"result": 1', "not JSON"),
    (b'{"result":' + b"[" * 100000, "not JSON"),
    (json.dumps({"result": {"pid": 1}}).encode(), "doesn't say where its publisher is"),
], ids=range(7))
def test_a_broker_that_answers_nonsense(attach, fake, answer, text):
    fake.answers["PING"] = answer
    ran = attach().wait()
    assert ran.code == 3 and text in ran.stderr and fake.address in ran.stderr, ran


def test_signals_before_the_run_is_known_are_kept(runner, fake):
    """One that comes while the broker is asked to start the run stops it."""
    started = []

    def slowly(request, archive):
        os.kill(started[0].process.pid, signal.SIGTERM)
        return {"run_id": RUN_ID, "state": "preparing", "agents": ["box1-1"]}

    fake.answers["CTRL_RUN"] = slowly
    fake.answers["PING"] = (lambda pong: lambda request, archive: pong)(fake.answers["PING"])
    ready = runner.start(NAME, "-a", "1", "-b", fake.address)
    started.append(ready)
    fake.wait_for("CTRL_STOP_RUN")
    fake.finish(outcome="aborted")
    assert ready.wait().code == 130
