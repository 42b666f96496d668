# SPDX-License-Identifier: MPL-2.0
"""What a run's numbers are held against: exit codes, what is shown, and runs that are stopped."""

import json
import subprocess

import pytest

SOME_FAIL = """\
#include <loads/loads.h>

LOADS_TEST(Shop, buy)
{
    loads_get(user, "/any/page");
    loads_assert(loads_iteration(user) % 5 != 4);
}

LOADS_TEST(Shop, wait)
{
    loads_get(user, "/status/404");
    loads_sleep(user, 0.01);
}
"""


@pytest.fixture
def shop(loads, target, tmp_path):
    (tmp_path / "shop.c").write_text(SOME_FAIL)

    def run(test, *arguments):
        return loads(f"shop.Shop.{test}", "--server-url", target.url, *arguments, cwd=tmp_path)
    return run


def rules(*thresholds):
    return [word for threshold in thresholds for word in ("--threshold", threshold)]


def test_all_hold(shop):
    run = shop("wait", "-u", 2, "--hits", 5, "--output", "stdout",
               *rules("p95 < 100s", "hits == 10", "errors == 0", "max{url=/status/404} < 1m"))
    run.passed(10)
    assert run.summary["outcome"] == "passed"
    assert [(row["threshold"], row["holds"]) for row in run.summary["thresholds"]] == [
        ("p95 < 100s", True), ("hits == 10", True), ("errors == 0", True), ("max{url=/status/404} < 1m", True)]
    assert "  ✓ hits == 10" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80


def test_one_does_not(shop):
    run = shop("wait", "--hits", 5, "--output", "stdout", *rules("hits == 5", "hits{status=200} > 0"))
    assert run.code == 99
    assert run.outcomes() == (5, 0, 0, 0)
    assert run.summary["outcome"] == "failed"
    assert "stopped_for" not in run.summary
    assert [row["holds"] for row in run.summary["thresholds"]] == [True, False]
    assert "  ✗ hits{status=200} > 0" in run.stdout


@pytest.mark.parametrize("thresholds, code", [
    ((), 1),
    (("failures < 30%",), 0),
    (("failures == 2",), 0),
    (("errors < 1%",), 1),
    (("failures < 10%",), 99),
    (("failures <= 20%", "hits > 100"), 99),
])
def test_failures_that_are_allowed(shop, thresholds, code):
    run = shop("buy", "--hits", 10, *rules(*thresholds))
    assert run.outcomes() == (8, 0, 2, 0)
    assert run.code == code


def test_nothing_to_measure(loads):
    run = loads("http://127.0.0.1:1/", *rules("p95 < 1s", "request_errors <= 100%", "errors <= 100%"))
    assert run.code == 99
    ratio = {"bound": 1, "unit": "share", "stop": False}
    assert run.summary["thresholds"] == [
        {"threshold": "p95 < 1s", "holds": False, "bound": 1e6, "unit": "usec", "stop": False},
        {"threshold": "request_errors <= 100%", "holds": True, "value": "100 %", "measured": 1, **ratio},
        {"threshold": "errors <= 100%", "holds": True, "value": "100 %", "measured": 1, **ratio}]
    assert loads("http://127.0.0.1:1/", *rules("errors <= 100%")).code == 0


def test_stop(shop):
    """Long before the hour is over."""
    run = shop("wait", "-d", "1h", "-u", 2, *rules("hits{status=404} == 0, stop"))
    assert run.code == 99
    assert run.summary["stopped_for"] == "hits{status=404} == 0, stop"
    assert run.summary["outcome"] == "failed"
    assert "stopping: hits{status=404} == 0, stop does not hold" in run.stderr


def test_for_seconds_in_a_row(shop):
    run = shop("wait", "-d", "1h", "-u", 2, *rules("max < 0.001ms for 2s, stop", "p95 < 100s for 2s"))
    assert run.code == 99
    assert run.summary["stopped_for"] == "max < 0.001ms for 2s, stop"
    assert run.summary["thresholds"][0]["broken_sec"] >= 1 and "broken_sec" not in run.summary["thresholds"][1]
    assert [row["holds"] for row in run.summary["thresholds"]] == [False, True]


def test_junit(shop, tmp_path):
    shop("wait", "--output", f"junit={tmp_path}/junit.xml", *rules("hits == 1", "rps < 0"))
    text = (tmp_path / "junit.xml").read_text()
    assert 'tests="3" failures="1" errors="0"' in text
    assert 'name="threshold: rps &lt; 0"' in text and "it does not hold: " in text


@pytest.mark.parametrize("words", [["loads-runner"], ["loadsctl", "submit"]])
def test_one_that_can_not_be_read(program, words):
    ran = subprocess.run([program(words[0]), *words[1:], "http://127.0.0.1:1/", "--threshold", "p95 < 200"],
                         capture_output=True, text=True)
    assert ran.returncode == 2
    lines = ran.stderr.splitlines()
    assert lines[0].endswith("a unit of time is expected: us, ms, s, m, h")
    assert lines[1:3] == ["  p95 < 200", "           ^"]


# ---- on agents ----


def test_on_agents(stored, target, tmp_path):
    (tmp_path / "shop.c").write_text(SOME_FAIL)
    arguments = ["shop.Shop.buy", "-a", 2, "-u", 2, "--hits", 5, "--server-url", target.url]
    for thresholds, code in ((("failures <= 20%",), 0), (("hits == 20", "failures < 20%"), 99)):
        stored.run("loads-runner", *arguments, *rules(*thresholds), "--output", f"json={tmp_path}/summary",
                   cwd=tmp_path, code=code)
        summary = json.loads((tmp_path / "summary").read_text())
        assert [row["threshold"] for row in summary["thresholds"]] == list(thresholds)
        assert [row["holds"] for row in summary["thresholds"]] == [True, False][:len(thresholds)]
    rows = stored.database.rows("SELECT threshold, holds, value, stopped FROM loads.threshold_results "
                                f"WHERE run_id = '{summary['run_id']}' ORDER BY number")
    assert rows == [{"threshold": "hits == 20", "holds": True, "value": "20", "stopped": False},
                    {"threshold": "failures < 20%", "holds": False, "value": "20 %", "stopped": False}]


def test_a_run_on_agents_is_stopped(stored, target, tmp_path):
    """Nobody is attached; who asks later is told why."""
    (tmp_path / "shop.c").write_text(SOME_FAIL)
    run_id = stored.submit("shop.Shop.wait", "-a", 2, "-d", "1h", "--server-url", target.url,
                           *rules("hits{status=404} < 1, stop"), cwd=tmp_path)
    ran = stored.run("loadsctl", "attach", run_id, "--output", f"json={tmp_path}/summary", code=99)
    assert "hits{status=404} < 1, stop" in ran.stdout + ran.stderr
    summary = json.loads((tmp_path / "summary").read_text())
    assert (summary["outcome"], summary["stopped_for"]) == ("failed", "hits{status=404} < 1, stop")
    row = stored.summary(run_id)
    assert (row["state"], row["outcome"]) == ("finished", "failed")
    events = stored.database.rows(f"SELECT message FROM loads.events WHERE run_id = '{run_id}' AND kind = 'threshold'")
    assert events == [{"message": "stopped, as this does not hold: hits{status=404} < 1, stop"}]
    stored.restart_broker()
    stored.run("loadsctl", "attach", run_id, code=99)
