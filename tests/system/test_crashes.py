# SPDX-License-Identifier: MPL-2.0
"""A test that takes its worker down doesn't take the run, nor what was counted.

In the runs of 100 users and 10 iterations every iteration makes exactly one request, first. So each
request either is a hit, or was on when the worker died and is counted as one without an answer; and
each iteration is a success, or an error.
"""

import os
import re
import signal

import pytest

from reports import is_over

USERS, ITERATIONS = 100, 10
ALL = ["-u", USERS, "--hits", ITERATIONS]
CULPRIT = [ITERATIONS, USERS, 4, 38]  # loads_status of who crashes


@pytest.fixture
def against(loads, target):
    def run(test, *arguments, **options):
        return loads(f"crash.{test}", "--server-url", target.url, *arguments, **options)

    return run


def assert_accounted_for(run, target, interrupted=0, before_their_request=0):
    """All thousand are there, and the target saw no other hits. As many as `before_their_request` may
    have been begun and not come to their request: a user gets there without letting others run, so
    that is one at most, and none if the test itself is what crashes."""
    successes, errors, failures, cut = run.outcomes()
    assert successes + errors + failures + cut == USERS * ITERATIONS, run.said()
    assert (failures, cut) == (0, interrupted), run.said()
    hits, lost = run.hits(), run.summary["request_errors"]
    assert 0 <= USERS * ITERATIONS - (hits + lost) <= before_their_request
    counts = target.wait_for(lambda counts: counts["connections"]["open"] == 0)
    assert hits <= counts["answers"] <= counts["requests"] <= hits + lost


def crash_error(run):
    """What is said of the culprit: the error that isn't about those whom it took along."""
    errors = [e for e in run.summary["errors"] if not e["message"].startswith("cut short")]
    (error,) = errors
    assert (error["kind"], error["class"]) == ("error", "crash")
    return error


# Test: what its message says, in whose words it is told where.
CRASHES = {
    "test_segv": (r"Segmentation fault at address 0x8 in write_to_nowhere \(crash\.c:\d+\)", True),
    "test_abort": (r"Aborted in TestCrash_test_abort \(crash\.c:\d+\)", True),
    "test_overflow": (
        r"stack overflow in dig \(crash\.c:\d+\): a user's stack is 256 KiB, more with --stack-size",
        True,
    ),
    "test_division": (r"Floating point exception in divide_by_nothing \(crash\.c:\d+\)", True),
    "test_deferred": (r"Segmentation fault at address 0x8 in write_to_nowhere \(crash\.c:\d+\)", True),
    "test_kill": (r"the worker was killed by signal 9 \(Killed\)", False),
    "test_exit_3": (r"the worker exited with status 3", False),
    "test_exit_0": (r"the worker exited with status 0", False),
    "test__exit_3": (r"the worker exited with status 3", False),
    "test__exit_0": (r"the worker exited with status 0", False),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("test", CRASHES)
def test_crash(against, target, test, workers):
    run = against(f"TestCrash.{test}", *ALL, "--workers", workers)
    assert run.code == 1
    assert_accounted_for(run, target)
    errors = run.outcomes()[1]
    message, has_place = CRASHES[test]
    error = crash_error(run)
    assert re.search(message, error["message"]), error
    assert error["test"] == f"TestCrash.{test}"
    if has_place:
        assert error["count"] == 1
        assert re.fullmatch(r"crash\.c:\d+", error["place"])
        assert error["traceback"]
    # The culprit had its answer already; everybody else in error was waiting for one.
    assert errors == run.summary["request_errors"] + 1
    assert re.search(message, run.stderr)
    if test in ("test_segv", "test_division"):
        lines = error["traceback"].splitlines()
        assert re.match(rf" *TestCrash_{test} \(crash\.c:\d+\)", lines[1])


def test_three_crashes(against, target):
    run = against("TestCrash.test_three", "--hits", 10)
    assert run.code == 1
    assert run.outcomes() == (7, 3, 0, 0)
    assert run.hits() == target.counts()["answers"] == 10
    assert crash_error(run)["count"] == 3


def test_gives_up(against, target):
    run = against("TestCrash.test_always", "--hits", 10, detail=True)
    assert run.code == 4
    assert run.outcomes() == (0, 4, 0, 0)
    assert run.hits() == target.counts()["answers"] == 4
    assert run.summary["outcome"] == "aborted"
    assert "gave up after 4 crashes" in run.summary["trouble"]
    assert "gave up after 4 crashes" in run.stderr
    assert "The run was given up" in run.stdout
    assert "in write_to_nowhere (crash.c:" in run.summary["trouble"]


def test_gives_up_with_several_workers(against):
    run = against("TestCrash.test_always", "-u", 10, "--hits", 10, "--workers", 2)
    assert run.code == 4
    successes, errors, failures, interrupted = run.outcomes()
    assert (successes, failures) == (0, 0)
    assert errors + interrupted <= 10 * 10
    assert "gave up after 4 crashes" in run.summary["trouble"]


@pytest.mark.parametrize("test", ["test_segv", "test_kill", "test__exit_0"])
def test_no_line_of_detail_is_torn(against, target, test):
    """Each hit and each iteration has its lines; those that the crash ended say so."""
    run = against(f"TestCrash.{test}", *ALL, "--workers", 2, detail=True)
    assert_accounted_for(run, target)
    assert len(run.events_of("startTest")) == USERS * ITERATIONS
    hits = [tuple(event["loads_status"]) for event in run.events_of("add_hit")]
    assert len(set(hits)) == len(hits)
    urls = [event["url"] for event in run.events_of("request_error")]
    assert urls == [""] * run.summary["request_errors"], "a request that was on has no URL any more"
    crashed = run.events_of("addError")
    assert CULPRIT in [event["loads_status"] for event in crashed]
    assert {event["exc_info"][1] for event in crashed} == {"crash"}


@pytest.mark.parametrize("detail", [False, True])
def test_killed_from_outside(start_loads, target, detail):
    started = start_loads(
        "crash.TestAbuse.test_waiting", "--server-url", target.url, *ALL, "--workers", 2, detail=detail
    )
    target.wait_for(lambda counts: counts["answers"] >= 150)
    victim = started.workers()[0]
    os.kill(victim, signal.SIGKILL)
    target.release()
    run = started.finish()
    assert run.code == 1
    assert_accounted_for(run, target, before_their_request=1)
    assert crash_error(run)["message"] == "the worker was killed by signal 9 (Killed)"


def test_runner_killed(start_loads, target):
    """No worker survives its supervisor. (What that leaves in the run's directory is another thing.)"""
    started = start_loads(
        "crash.TestAbuse.test_endless", "--server-url", target.url, "-u", 2, "--workers", 2
    )
    target.wait_for(lambda counts: counts["answers"] == 2)
    workers = started.workers()
    assert len(workers) == 2
    started.process.kill()
    started.process.wait()
    target.wait_for(lambda counts: counts["connections"]["open"] == 0)


# ---- abuse ----


@pytest.mark.parametrize("test", ["test_endless", "test_endless_and_deaf"])
def test_endless(against, target, test):
    """It is cut when its time and its grace are over, and has no say in that."""
    run = against(
        f"TestAbuse.{test}", "-u", 2, "--workers", 2, "-d", 3, "--grace", "0.5", detail=True
    )
    assert (run.code, run.outcomes()) == (1, (0, 0, 0, 2))  # it tells nothing good
    assert run.hits() == target.counts()["answers"] == 2


def test_stalled(against, target):
    """With hits there is no time to be over: a loop that stands still is a crash."""
    run = against("TestAbuse.test_endless", "--stall-timeout", "3", detail=True)
    assert (run.code, run.outcomes()) == (1, (0, 1, 0, 0))
    assert run.hits() == target.counts()["answers"] == 1
    error = crash_error(run)
    assert re.match(r"stalled in TestAbuse_test_endless \(crash\.c:\d+\)", error["message"])


def test_endless_interrupted(start_loads, target):
    run = start_loads("crash.TestAbuse.test_endless", "--server-url", target.url, "--grace", "0.1")
    target.wait_for(lambda counts: counts["answers"] == 1)
    run.interrupt()
    run = run.finish()
    assert (run.code, run.outcomes()) == (130, (0, 0, 0, 1))


@pytest.mark.parametrize("detail", [False, True])
def test_closed_channel(against, target, detail):
    run = against("TestAbuse.test_closed_channel", *ALL, "--workers", 1, detail=detail)
    assert run.code == 1
    assert_accounted_for(run, target)
    assert "a test closed descriptor 3" in crash_error(run)["message"]


def test_garbage_in_channel(against, target):
    run = against("TestAbuse.test_garbage", *ALL, "--workers", 2)
    assert run.code == 0
    assert run.outcomes() == (USERS * ITERATIONS, 0, 0, 0)
    assert_accounted_for(run, target)


@pytest.mark.parametrize("test, code", [("test_fork", 0), ("test_fork_and_crash", 1)])
def test_child_that_stays(against, target, test, code):
    """It holds the worker's descriptors, and goes with the worker's group."""
    run = against(f"TestAbuse.{test}", *ALL, "--workers", 2)
    assert run.code == code
    assert_accounted_for(run, target)
    pid = int(re.search(r"child (\d+)", run.stderr)[1])
    assert is_over(pid)


def test_signal_mask(against):
    run = against("TestAbuse.test_signal_mask", *ALL, "--workers", 2)
    run.passed(USERS * ITERATIONS)
    assert run.hits() == 2 * USERS * ITERATIONS


def test_signal_mask_and_crash(against, target):
    run = against("TestAbuse.test_signal_mask_and_crash", *ALL, "--workers", 2)
    assert run.code == 1
    assert_accounted_for(run, target)
    assert "Segmentation fault" in crash_error(run)["message"]
