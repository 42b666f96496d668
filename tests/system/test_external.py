# SPDX-License-Identifier: MPL-2.0
"""Tests that another program executes: what it sends is what the run reports, and whatever it does, the
run ends and says so."""

import json
import pathlib
import re
import signal
import sys

import pytest

from pages import blocks_of

RUNNERS = pathlib.Path(__file__).parent / "runners"
ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAIN = f"{sys.executable} {RUNNERS / 'plain.py'} {{test}}"
TEST = "shop.Cart.checkout"
A, B = "http://localhost:9/a", "http://localhost:9/b"


@pytest.fixture
def external(runner):
    """Runs the plain runner with a deed, and gives the summary."""
    def run(deed="", *arguments, test=TEST, **options):
        return runner.summarize("--test-runner", f"{PLAIN} {deed}", test, *arguments, **options)
    return run


def counters_of(summary):
    return {counter["name"]: counter["count"] for counter in summary["counters"]}


def check_numbers(summary, iterations):
    """What the plain runner sends for so many executions without a fault."""
    assert summary["hits"] == 2 * iterations
    found = [(row["name"], row["method"], row["hits"], [status["status"] for status in row["statuses"]],
              row["latency"]["p95_usec"]) for row in summary["names"]]
    assert sorted(found) == [(A, "GET", iterations, [200], 250000), (B, "POST", iterations, [404], 500000)]
    assert counters_of(summary) == {"tarek-was-there": iterations, "marmalade": iterations}
    assert summary["web_sockets"] == {"opened": iterations, "closed": iterations, "sent": 0, "sent_bytes": 0,
                                      "received": iterations, "received_bytes": 12 * iterations}


def outcomes_of(summary):
    counts = summary["iterations"]
    return tuple(counts[name] for name in ("successes", "failures", "errors", "interrupted"))


def error_of(summary):
    assert len(summary["errors"]) == 1, summary["errors"]
    return summary["errors"][0]


# ---- what was sent is what is reported ----


def test_two_cycles(external):
    ran = external("", "-u", "3:2", "--hits", 4)
    assert ran.code == 0, ran
    check_numbers(ran.summary, (3 + 2) * 4)
    assert outcomes_of(ran.summary) == (20, 0, 0, 0)
    assert sorted(re.findall(r"user \d of \d", ran.stderr)) == [
        "user 1 of 2", "user 1 of 3", "user 2 of 2", "user 2 of 3", "user 3 of 3"]


def test_batches(external):
    ran = external("batch", "-u", 2, "--hits", 5)
    assert ran.code == 0, ran
    check_numbers(ran.summary, 10)
    assert outcomes_of(ran.summary) == (10, 0, 0, 0)


def test_a_runner_that_handles_users(external):
    """One process per worker, told its share."""
    ran = external("self", "--test-runner-users", "self", "-u", 5, "--hits", 3, "--workers", 2)
    assert ran.code == 0, ran
    check_numbers(ran.summary, 15)
    assert outcomes_of(ran.summary) == (15, 0, 0, 0)
    assert len(re.findall(r"user \d of \d", ran.stderr)) == 2


def test_a_duration(external):
    ran = external("", "-u", 2, "-d", "0.5")
    assert ran.code == 0, ran
    assert ran.summary["hits"] == 2 * ran.summary["iterations"]["successes"] > 0


def test_any_name(external):
    """A test needn't be called as those in C are."""
    ran = external("", test="some file.js")
    assert ran.code == 0, ran
    check_numbers(ran.summary, 1)


def test_detail(external, tmp_path):
    """The output `file` has every event, under the user it is of."""
    ran = external("", "-u", 2, "--hits", 300, "--output", f"file={tmp_path}/events")
    assert ran.code == 0, ran
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    hits = [event for event in events if event["data_type"] == "add_hit"]
    assert len(hits) == 2 * 600
    assert {event["url"] for event in hits} == {A, B}
    assert {event["loads_status"][3] for event in hits} == {1, 2}
    for data_type in ("startTest", "addSuccess", "stopTest"):
        assert sum(event["data_type"] == data_type for event in events) == 600
    check_numbers(ran.summary, 600)


def test_failures_have_their_words(external):
    ran = external("fail 10", "-u", 2, "--hits", 2)
    assert ran.code == 1, ran
    check_numbers(ran.summary, 4)
    assert outcomes_of(ran.summary) == (0, 4, 0, 0)
    error = error_of(ran.summary)
    assert (error["kind"], error["class"], error["message"], error["count"]) == (
        "failure", "AssertionError", "1 != 2", 4)
    assert error["traceback"] == "Traceback:\n  here\n" + "x" * 10


def test_errors_by_other_keys(external):
    ran = external("err")
    assert ran.code == 1, ran
    assert outcomes_of(ran.summary) == (0, 0, 1, 0)
    error = error_of(ran.summary)
    assert (error["kind"], error["class"], error["message"]) == ("error", "ValueError", "no")
    assert error["traceback"] == "Traceback:\n  there"


def test_what_is_skipped_is_nothing(external):
    ran = external("skip", "-u", 2, "--hits", 2)
    assert ran.code == 1, ran  # as nothing was executed
    check_numbers(ran.summary, 4)
    assert outcomes_of(ran.summary) == (0, 0, 0, 0)


def test_a_long_traceback_is_cut(external):
    """Ten megabytes of it, whose end is kept."""
    ran = external("fail 10000000", "--external-process-timeout", "60")
    assert ran.code == 1, ran
    traceback = error_of(ran.summary)["traceback"]
    assert re.match(r"\(\d+ bytes are left out\)\nx+$", traceback)
    assert int(traceback[1:].split()[0]) + traceback.count("x") == 10000000 + len("Traceback:\n  here\n")


# ---- what makes no sense ----


def test_nonsense_is_counted_and_shown_once(external):
    ran = external("nonsense", "-u", "3:1")
    assert ran.code == 0, ran
    counters = counters_of(ran.summary)
    assert counters.pop("bad_message") == 10 * 4
    assert len(re.findall("makes no sense", ran.stderr)) == 1
    assert "hello ?[31m" in ran.stderr
    assert outcomes_of(ran.summary) == (4, 0, 0, 0)
    assert ran.summary["hits"] == 8


def test_a_flood_of_nonsense(external):
    """It waits, and nothing of it is lost when who sent it is gone before it is counted; those beside it
    and behind it are counted, too."""
    ran = external("flood", "-u", 3, "--hits", 20, "--workers", 1, "--external-process-timeout", "60")
    assert ran.code == 0, ran
    counters = counters_of(ran.summary)
    assert counters.pop("bad_message") == 300000
    ran.summary["counters"] = [{"name": name, "count": count} for name, count in counters.items()]
    check_numbers(ran.summary, 3 * 20)
    assert outcomes_of(ran.summary) == (60, 0, 0, 0)


# ---- processes ----


def test_a_process_that_exits_with_a_status(external):
    ran = external("exit", "-u", 2, "--hits", 2)
    assert ran.code == 1, ran
    check_numbers(ran.summary, 4)
    assert outcomes_of(ran.summary) == (4, 0, 2, 0)
    error = error_of(ran.summary)
    assert error["message"] == "a process of the test runner exited with status 3"
    assert (error["traceback"].strip(), error["count"]) == ("last words", 2)
    assert ran.stderr.count("last words") == 2


def test_a_process_that_crashes(external):
    ran = external("crash")
    assert ran.code == 1, ran
    check_numbers(ran.summary, 1)
    assert "was killed by signal 11" in error_of(ran.summary)["message"]


@pytest.mark.parametrize("deed", ["hang", "deaf"])
def test_a_process_that_outlives_its_time(external, deed):
    ran = external(deed, "-u", 2, "--external-process-timeout", "1")
    assert ran.code == 1, ran
    assert outcomes_of(ran.summary) == (0, 0, 2, 0)
    error = error_of(ran.summary)
    assert "--external-process-timeout allows (1 s per hit)" in error["message"]
    assert error["traceback"].strip() == ("hanging" if deed == "hang" else "")


def test_a_program_that_never_connects(runner):
    ran = runner.summarize("--test-runner", "/bin/false", TEST, "-u", 2, "-d", 60)
    assert ran.code == 1, ran
    assert outcomes_of(ran.summary) == (0, 0, 2, 0)
    assert error_of(ran.summary)["message"] == "a process of the test runner exited with status 1"


def test_a_program_that_does_nothing(runner):
    ran = runner.summarize("--test-runner", "/bin/true {test}", TEST)
    assert ran.code == 1, ran
    assert outcomes_of(ran.summary) == (0, 0, 0, 0)


def test_what_it_leaves_behind_is_ended(runner):
    """runner.run() looks for what is left."""
    path = runner.write("daemon.sh", "#!/bin/sh\nsetsid sleep 1000 &\n")
    path.chmod(0o755)
    ran = runner.run("--test-runner", "./daemon.sh", TEST)
    assert ran.code == 1, ran


def test_much_output(runner):
    """It doesn't stay in memory."""
    path = runner.write("loud.sh", "#!/bin/sh\nhead -c 50000000 /dev/zero >&2\nexit 1\n")
    path.chmod(0o755)
    ran = runner.summarize("--test-runner", "./loud.sh", TEST, "--external-process-timeout", "60")
    assert ran.code == 1, ran
    assert len(ran.stderr) >= 50000000


# ---- stopping ----


def test_an_interrupt(runner):
    """Those that are on have the grace, then they are cut."""
    running = runner.start("--test-runner", f"{PLAIN} hang", TEST, "-u", 2, "--grace", "0.5",
                           "--external-process-timeout", "60")
    running.wait_for("hanging\n(.*\n)*hanging\n")
    running.send(signal.SIGINT)
    ran = running.wait()
    assert ran.code == 130, ran
    assert ran.counts == {"Hits": 0, "Success": 0, "Errors": 0, "Failures": 0}


def test_a_second_interrupt(runner):
    running = runner.start("--test-runner", f"{PLAIN} deaf", TEST, "--grace", "60",
                           "--external-process-timeout", "60")
    running.wait_for("user 1 of 1")
    running.send(signal.SIGINT)
    running.wait_for("interrupt again")
    running.send(signal.SIGINT)
    ran = running.wait()
    assert ran.counts == {"Hits": 0, "Success": 0, "Errors": 0, "Failures": 0}


# ---- what is refused before anything starts ----


@pytest.mark.parametrize("command, words", [
    ("no-such-runner {test}", "there is no command 'no-such-runner'"),
    ("./{test}", f"there is no command './{TEST}'"),
    ("/etc/passwd", "'/etc/passwd' is not executable"),
    ("'open", "has a quote without its end"),
    (" ", "it has no words"),
])
def test_a_command_that_cannot_be(runner, command, words):
    ran = runner.run("--test-runner", command, TEST)
    assert ran.code == 2 and words in ran.stderr, ran


def test_a_url_needs_no_runner(runner):
    ran = runner.run("--test-runner", "true", "http://127.0.0.1/")
    assert ran.code == 2 and "a URL needs none" in ran.stderr, ran


# ---- the environment ----


def test_environment(runner):
    path = runner.write("env.sh", "#!/bin/sh\nenv | grep ^LOADS_\necho \"in $PWD of $SEEN\"\n")
    path.chmod(0o755)
    ran = runner.run("--test-runner", "./env.sh", TEST, "-u", 1, "--hits", 7,
                     env={"LOADS_PROJECT_NAME": "x", "SEEN": "this"})
    names = dict(re.findall(r"^(LOADS_\w+)=(.*)$", ran.stderr, re.MULTILINE))
    assert re.match("ipc:///", names.pop("LOADS_ZMQ_RECEIVER"))
    assert re.match("[0-9a-f-]{36}$", names.pop("LOADS_RUN_ID"))
    assert names == {"LOADS_AGENT_ID": "local", "LOADS_TOTAL_USERS": "1", "LOADS_CURRENT_USER": "1",
                     "LOADS_TOTAL_HITS": "7"}
    assert f"in {runner.folder} of this" in ran.stderr


def test_environment_with_a_duration(runner):
    path = runner.write("env.sh", "#!/bin/sh\nenv | grep ^LOADS_\n")
    path.chmod(0o755)
    ran = runner.run("--test-runner", "./env.sh", TEST, "-d", 2)
    names = dict(re.findall(r"^(LOADS_\w+)=(.*)$", ran.stderr, re.MULTILINE))
    assert names["LOADS_DURATION"] == "2" and "LOADS_TOTAL_HITS" not in names


# ---- the documentation ----


def test_the_complete_runner_of_the_documentation(runner, target):
    code, = (block.text for block in blocks_of("external-runners.md") if block.language == "python")
    path = runner.write("runner.py", code)
    path.chmod(0o755)
    ran = runner.summarize("--test-runner", f"./runner.py {{test}} {target.url}/any", "mine", "-u", 3,
                           "--hits", 4, "--external-process-timeout", "10")
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 12
    assert outcomes_of(ran.summary) == (12, 0, 0, 0)


# ---- on agents ----


def test_on_agents(two_agents, tmp_path):
    """The same numbers, times agents."""
    two_agents.run("loads-runner", "--test-runner", PLAIN, TEST, "-a", 2, "-u", "1:3", "--hits", 5, "--output",
                   f"json={tmp_path}/summary")
    summary = json.loads((tmp_path / "summary").read_text())
    check_numbers(summary, 2 * (1 + 3) * 5)
    assert summary["outcome"] == "passed"


def test_a_command_that_agents_do_not_have(two_agents):
    ran = two_agents.run("loads-runner", "--test-runner", "no-such-runner {test}", TEST, "-a", 2, code=4)
    assert "there is no command 'no-such-runner'" in ran.stdout + ran.stderr


def test_a_runner_that_is_sent_along(two_agents, tmp_path):
    (tmp_path / "mine.py").write_text((RUNNERS / "plain.py").read_text())
    two_agents.run("loads-runner", "--test-runner", f"{sys.executable} mine.py {{test}}", TEST, "-a", 2,
                   "--include-file", "mine.py", "--output", f"json={tmp_path}/summary", cwd=tmp_path)
    check_numbers(json.loads((tmp_path / "summary").read_text()), 2)
