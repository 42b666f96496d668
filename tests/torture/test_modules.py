# SPDX-License-Identifier: MPL-2.0
"""Tests that abuse their worker: the run goes on, is complete, and says what happened.

What tests/system/test_crashes.py has isn't repeated here. In each of these runs an iteration makes a
request first and then one of the users does what it shouldn't; so, whatever happens to its worker, each
iteration has an outcome and no hit is reported that the target didn't answer.
"""

import re

import pytest

USERS, ITERATIONS = 10, 6
ALL = ["-u", USERS, "--hits", ITERATIONS, "--workers", 2]
TOTAL = USERS * ITERATIONS


@pytest.fixture
def abuse(start_loads, target, module):
    def run(test, *arguments, **options):
        started = start_loads(f"abuse.TestAbuse.{test}", "--server-url", target.url, *ALL, *arguments,
                              cwd=module, **options)
        return started.finish()

    return run


def assert_complete(run, target, requests=1):
    """Each iteration has one outcome; hits and lost requests are those that the target saw."""
    successes, errors, failures, interrupted = run.outcomes()
    assert successes + errors + failures + interrupted == TOTAL, run.said()
    assert interrupted == 0, run.said()
    counts = target.wait_for(lambda counts: counts["connections"]["open"] == 0)
    hits, lost = run.hits(), run.summary["request_errors"]
    assert hits <= counts["answers"] <= counts["requests"] <= hits + lost
    assert hits + lost >= requests * successes


def crash_of(run):
    (error,) = [e for e in run.summary["errors"] if not e["message"].startswith("cut short")]
    assert (error["kind"], error["class"]) == ("error", "crash")
    return error


# Test: what is said of it.
CRASHES = {
    "test_null": r"Segmentation fault at address (0x0|\(nil\)) in follow_null \(abuse\.c:\d+\)",
    "test_alloca": r"stack overflow in take_much \(abuse\.c:\d+\): a user's stack is 256 KiB, more with "
                   r"--stack-size",
    "test_closed_pipe_and_signal": r"the worker was killed by signal 13 \(Broken pipe\)",
    "test_pthread_exit": r"a test ended the worker's thread: it must not call pthread_exit\(\)",
    "test_pthread_exit_not_alone": r"a test ended the worker's thread",
}


@pytest.mark.parametrize(
    "test", [pytest.param(test, marks=[pytest.mark.quick] if test == "test_alloca" else [])
             for test in CRASHES])
def test_crash(abuse, target, test):
    run = abuse(test)
    assert run.code == 1, run.said()
    assert_complete(run, target)
    assert re.search(CRASHES[test], crash_of(run)["message"]), run.said()
    assert run.stderr.count("a worker crashed") == 1


STALLS = {
    "test_endless": r"stalled.* in loop_for_ever \(abuse\.c:\d+\)",
    "test_endless_and_blocked": r"stalled",
    "test_endless_elsewhere": r"stalled.* in TestAbuse_test_endless_elsewhere \(abuse\.c:\d+\)",
}


@pytest.mark.parametrize("test", STALLS)
def test_stall(abuse, target, test):
    run = abuse(test, "--stall-timeout", "3")
    assert run.code == 1, run.said()
    assert_complete(run, target)
    assert re.search(STALLS[test], crash_of(run)["message"]), run.said()


@pytest.mark.parametrize("test, requests", [
    ("test_closed_pipe", 1), ("test_raised_limits", 2), ("test_scribbling_child", 1),
    ("test_threads", 2)])
def test_borne(abuse, target, test, requests):
    """It does no harm."""
    run = abuse(test)
    assert run.outcomes() == (TOTAL, 0, 0, 0), run.said()
    assert run.hits() == requests * TOTAL == target.counts()["answers"]
    assert "a worker crashed" not in run.stderr


def test_no_descriptors(abuse, target):
    """A test that takes them away hurts all users of its worker, who are told what they lack."""
    run = abuse("test_no_descriptors")
    assert_complete(run, target)
    assert set(run.messages("error")) == {
        "out of file descriptors (limit 3): raise it with ulimit -n or LimitNOFILE="}
    # One that waits for its turn may find that another user has raised the limit again.
    assert run.summary["request_errors"] >= USERS


def test_threads_are_refused(abuse):
    run = abuse("test_threads")
    assert run.counters() == {}
    assert "outside of its own thread" in run.stderr


@pytest.mark.parametrize("test, requests", [
    ("test_child_goes_on", 2), ("test_child_returns", 1), ("test_child_exits", 1),
    ("test_child_crashes", 1), ("test_child_fails", 1)])
@pytest.mark.parametrize("detail", [False, True])
def test_child_is_no_worker(abuse, target, test, requests, detail):
    """What a forked child does next isn't counted: its parent does that."""
    run = abuse(test, detail=detail)
    assert run.outcomes() == (TOTAL, 0, 0, 0), run.said()
    assert run.hits() == requests * TOTAL == target.counts()["answers"]
    assert "a worker crashed" not in run.stderr


def test_longjmp(abuse, target):
    """Where that ends nobody knows; but the run does end, and is complete."""
    # A sanitizer in the test would rightly complain of it.
    run = abuse("test_longjmp", "--stall-timeout", "2", "--cflags", "-fno-sanitize=all")
    assert run.code in (0, 1)
    assert_complete(run, target)


@pytest.mark.parametrize("turn", range(10))
def test_unmap(abuse, target, generator, turn):
    seed = generator.randrange(1 << 31)
    print("UNMAP_SEED:", seed)
    run = abuse("test_unmap", "--stall-timeout", "2", environment={"UNMAP_SEED": str(seed)})
    assert run.code in (0, 1)
    assert_complete(run, target)
