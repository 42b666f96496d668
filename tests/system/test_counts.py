# SPDX-License-Identifier: MPL-2.0
"""What is counted is what happened: nginx's own log is the judge, and the hits one by one."""

import collections
import re

import pytest

WORKERS = pytest.mark.parametrize("workers", [1, 2])


def by_status(log):
    return collections.Counter(line.status for line in log)


def assert_same(run, log):
    """Hits are the requests that nginx logged: in all, by status, and by method."""
    assert run.hits() == len(log)
    assert run.statuses() == by_status(log)
    methods = collections.Counter()
    for name in run.summary["names"]:
        methods[name["method"]] += name["hits"]
    assert methods == collections.Counter(line.method for line in log)


@WORKERS
def test_statuses(loads, nginx, workers):
    run = loads(
        "http.TestThink.test_statuses", "--server-url", nginx.url, "-u", 20, "--hits", 10,
        "--workers", workers,
    )
    run.passed(200)
    log = nginx.access_log()
    assert_same(run, log)
    assert by_status(log) == {200: 400, 204: 200, 404: 200, 405: 200}
    assert {name["name"]: name["hits"] for name in run.summary["names"]} == {
        f"{nginx.url}/": 200,
        f"{nginx.url}/empty": 200,
        f"{nginx.url}/missing": 200,
        "head": 200,
        "post": 200,
    }


@WORKERS
@pytest.mark.parametrize("path, status", [("/", 200), ("/missing", 404)])
def test_url(loads, nginx, workers, path, status):
    """A plain URL in place of a test."""
    run = loads(nginx.url + path, "-u", 10, "--hits", 20, "--workers", workers)
    log = nginx.access_log()
    assert_same(run, log)
    assert by_status(log) == {status: 200}
    assert run.outcomes() == ((200, 0, 0, 0) if status == 200 else (0, 0, 200, 0))
    assert run.code == (0 if status == 200 else 1)
    assert [(error["place"], error["test"]) for error in run.summary["errors"]] == (
        [] if status == 200 else [("", "URL.get")]
    )


@WORKERS
def test_duration(loads, nginx, workers):
    """For a second, as much as goes: nothing is lost at the end either."""
    run = loads(nginx.url + "/", "-u", 10, "-d", 1, "--workers", workers)
    assert run.code == 0
    log = nginx.access_log()
    successes, errors, failures, interrupted = run.outcomes()
    assert (errors, failures, interrupted) == (0, 0, 0)
    assert successes == run.hits() > 0
    assert_same(run, log)


@WORKERS
def test_cycles(loads, nginx, workers):
    run = loads(nginx.url + "/", "-u", "1:2", "--hits", "3:4", "--workers", workers)
    run.passed(21)
    assert_same(run, nginx.access_log())


@WORKERS
def test_users_keep_their_connections(loads, nginx, workers):
    """500 users who think between two requests make 500 connections, each with all of its user's."""
    run = loads(
        "http.TestThink.test_pause", "--server-url", nginx.url, "-u", 500, "--hits", 3,
        "--workers", workers,
    )
    run.passed(1500)
    log = nginx.access_log()
    assert_same(run, log)
    requests = collections.Counter(line.connection for line in log)
    assert len(requests) == 500
    assert set(requests.values()) == {6}
    assert max(line.connection_requests for line in log) == 6


def printed(usec):
    """A latency as a person reads it: three digits."""
    if usec < 999.5:
        return f"{usec:.0f} µs"
    value, unit = (usec / 1e3, "ms") if usec < 999.5e3 else (usec / 1e6, "s")
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


@WORKERS
def test_latencies(loads, nginx, workers):
    """Hits and percentiles are those of the hits one by one, in JSON and on the screen."""
    run = loads(
        "http.TestThink.test_statuses", "--server-url", nginx.url, "-u", 25, "--hits", 20,
        "--workers", workers, detail=True,
    )
    run.passed(500)
    assert_same(run, nginx.access_log())
    run.check_latencies()
    latency = run.summary["latency"]
    keys = ("p50_usec", "p90_usec", "p95_usec", "p99_usec", "p999_usec", "max_usec")
    titles, values = re.search(r"^Latency (.*)\n(.*)$", run.stdout, re.MULTILINE).groups()
    assert titles.split("  ")[-1].strip() == "max"
    assert re.findall(r"[\d.]+ (?:µs|ms|s)", values) == [printed(latency[key]) for key in keys]
    elapsed = latency["average_usec"] / 1e6
    assert f"Average request time: {elapsed:.2f}s\n" in run.stdout
    for name in run.summary["names"]:
        row = next(line for line in run.stdout.splitlines() if row_is_of(line, name))
        assert re.search(rf" {name['hits']} ", row)
        own = [printed(name["latency"][key]) for key in ("average_usec", "p95_usec", "p99_usec")]
        assert re.findall(r"[\d.]+ (?:µs|ms|s)", row) == own


def row_is_of(line, name):
    return line.startswith(f"{name['method']} {name['name']} ")


@WORKERS
def test_many_statuses_and_latencies(loads, target, workers):
    """Latencies from less than a millisecond to a few hundred."""
    run = loads(
        "spread.TestSpread.test_delays", "--server-url", target.url, "-u", 20, "--hits", 5,
        "--workers", workers, detail=True,
    )
    run.passed(100)
    assert run.hits() == target.counts()["answers"] == 1000
    run.check_latencies()
    (name,) = run.summary["names"]
    assert name["latency"] == run.summary["latency"]
    assert run.summary["latency"]["p99_usec"] >= 90000


def test_error_details(loads, target):
    """The lines of the file add up to the summary when there are errors and failures, too."""
    run = loads(
        "spread.TestSpread.test_mixture", "--server-url", target.url, "-u", 12, "--hits", 6,
        "--workers", 2, detail=True,
    )
    assert run.outcomes() == (24, 24, 24, 0)
    for data_type, count in (("addSuccess", 24), ("addFailure", 24), ("addError", 24)):
        assert len(run.events_of(data_type)) == count
    assert run.summary["request_errors"] == 24
    assert len(run.events_of("startTest")) == len(run.events_of("stopTest")) == 72
    increments = collections.Counter()
    for event in run.events_of("incr_counter"):
        increments[event["name"]] += event["value"]
    assert increments == run.counters() == {"begun": 72}
    run.check_latencies()
