# SPDX-License-Identifier: MPL-2.0
"""How often and how long: what loads-runner says it did is what the service saw."""

import threading

import pytest

from conftest import ROOT


def es(runner, target, *arguments, test="test_es"):
    return runner.summarize(
        f"example.TestWebSite.{test}", "--server-url", target.url, *arguments
    )


def agree(ran, target, hits, successes):
    """People's summary, JSON and the service's own counts."""
    assert ran.code == 0, ran
    assert ran.counts == {"Hits": hits, "Success": successes, "Errors": 0, "Failures": 0}
    assert ran.summary["hits"] == hits
    assert ran.summary["iterations"] == {
        "successes": successes, "errors": 0, "failures": 0, "interrupted": 0,
    }
    counts = target.counts()
    assert (counts["requests"], counts["answers"]) == (hits, hits)


@pytest.mark.parametrize(
    "arguments, iterations",
    [
        ([], 1),
        (["-u", "100", "--hits", "10"], 1000),
        (["-u", "10:20:30", "--hits", "20"], 1200),
        (["-u", "1:2", "--hits", "3:4"], 21),
        (["-u", "7", "-c", "3", "--workers", "3"], 21),
        (["-u", "3:1:3", "--hits", "2", "--workers", "8"], 14),
        (["-u", "2", "--hits", "1:1:1"], 6),
    ],
)
def test_iterations_are_the_sum_of_the_products(runner, target, arguments, iterations):
    agree(es(runner, target, *arguments), target, iterations, iterations)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_test_with_two_requests_has_two_hits_per_success(runner, target, workers):
    ran = es(runner, target, "-u", "10", "--hits", "5", "--workers", workers, test="test_two")
    agree(ran, target, 100, 50)
    paths = target.counts()["paths"]
    assert paths["/any/one"]["answers"] == paths["/any/two"]["answers"] == 50


def test_echo_server_and_the_example_of_the_guide(runner, echo_server):
    """The example as it stands in the documentation, but for the port."""
    text = (ROOT / "docs/examples/example.c").read_text()
    assert "http://localhost:9200" in text
    runner.write("example.c", text.replace("localhost:9200", f"localhost:{echo_server.port}"))
    ran = runner.run("example.TestWebSite.test_es", "-u", "10:20:30", "--hits", "20")
    assert ran.code == 0
    assert ran.counts == {"Hits": 1200, "Success": 1200, "Errors": 0, "Failures": 0}


def test_each_cycle_ends_before_the_next_and_has_new_users(runner, target):
    """A connection per user and cycle, since users keep theirs for a cycle."""
    agree(es(runner, target, "-u", "2:3", "--hits", "4:5", "--workers", "1"), target, 45, 45)
    assert target.counts()["connections"]["accepted"] == 2 + 2 + 3 + 3


def test_failures_end_no_cycle(runner, target):
    ran = es(runner, target, "-u", "2:3", "--hits", "4", test="test_fail")
    assert ran.code == 1
    assert ran.counts == {"Hits": 20, "Success": 0, "Errors": 0, "Failures": 20}
    assert target.counts()["requests"] == 20
    assert ran.summary["outcome"] == "failed"


# ---- durations -----------------------------------------------------------------------------------


def test_duration_counts_what_the_service_answered(runner, target):
    ran = es(runner, target, "-u", "5", "-d", "1", "--grace", "60")
    hits = ran.summary["hits"]
    assert hits > 0
    agree(ran, target, hits, hits)
    assert ran.summary["duration_usec"] >= 1000000
    assert ran.summary["options"]["duration_usec"] == 1000000
    assert "hits" not in ran.summary["options"]


def test_duration_makes_a_cycle_per_number_of_users(runner, target):
    ran = es(runner, target, "-u", "1:2:3", "-d", "1", "--grace", "60", "--workers", "1")
    hits = ran.summary["hits"]
    agree(ran, target, hits, hits)
    assert target.counts()["connections"]["accepted"] == 6
    assert ran.summary["duration_usec"] >= 3000000


def test_no_iteration_starts_after_the_end_and_running_ones_may_finish(runner, gate):
    """The first request comes after the cycle's start: a duration later its end is over."""
    running = runner.start(f"{gate.url}/", "-u", "6", "-d", "2", "--grace", "100", "--workers", "2")
    gate.wait_for(6)
    threading.Event().wait(2.1)  # the end is marked by nothing but the clock
    gate.open()
    ran = running.wait()
    assert ran.code == 0
    assert ran.counts == {"Hits": 6, "Success": 6, "Errors": 0, "Failures": 0}
    assert gate.requests == 6


@pytest.mark.parametrize("grace", ["0", "200ms"])
def test_what_is_on_after_the_grace_is_interrupted(runner, target, grace):
    ran = es(runner, target, "-u", "4", "-d", "2", "--grace", grace, test="test_hang")
    assert ran.code == 1  # nothing went wrong, but nothing succeeded
    assert ran.counts == {"Hits": 0, "Success": 0, "Errors": 0, "Failures": 0}
    assert ran.summary["iterations"]["interrupted"] == 4
    assert ran.summary["outcome"] == "failed"
    counts = target.wait_for(lambda counts: counts["abandoned"] == 4)
    assert (counts["requests"], counts["answers"]) == (4, 0)


def test_interrupted_iterations_beside_good_ones_are_no_error(runner, target):
    runner.write("mixed.c", """\
#include <loads/loads.h>
LOADS_TEST(Mixed, first_quick)
{
    loads_get(user, loads_iteration(user) == 0 ? "/any" : "/hang");
}
""")
    ran = runner.summarize("mixed.Mixed.first_quick", "--server-url", target.url, "-u", "4",
                           "-d", "2", "--grace", "0")
    assert ran.code == 0
    assert ran.counts == {"Hits": 4, "Success": 4, "Errors": 0, "Failures": 0}
    assert ran.summary["iterations"]["interrupted"] == 4
    assert ran.summary["outcome"] == "passed"


def test_interrupted_users_leave_the_next_cycle_alone(runner, target):
    ran = es(runner, target, "-u", "2:3", "-d", "2", "--grace", "0", test="test_hang")
    assert ran.summary["iterations"] == {"successes": 0, "errors": 0, "failures": 0, "interrupted": 5}
    assert target.counts()["requests"] == 5
