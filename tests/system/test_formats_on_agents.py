# SPDX-License-Identifier: MPL-2.0
"""Outputs of runs on agents: attached to, of one that is over, and by loadsctl show; the same numbers as
the database has."""

import json
import pathlib

import pytest

from formats import (FunkLoad, agree, as_labels, check_times, read_csv, read_events, read_hdr, read_json,
                     read_junit, read_prometheus)
from stored import OVER

MODULES = pathlib.Path(__file__).parent / "modules"
SUMMARIES = ["html", "json", "csv", "junit", "prometheus", "hdr"]
DETAILS = ["file", "funkload"]

MODULE = """\
#include <loads/loads.h>

LOADS_TEST(TestShop, test_browse)
{
    loads_get(user, "/any/front", .name = "the front, \\"<page>\\"");
    loads_get(user, "/redirect/1");
    if (loads_random_int(user, 0, 3) == 0) {
        loads_get(user, "http://127.0.0.1:1/", .name = "refused");
    }
    loads_incr_counter(user, "seen");
    LOADS_TRANSACTION(user, "pay") {
        loads_get(user, "/any/pay");
    }
    loads_assert_int_ne(loads_random_int(user, 0, 3), 0);
}
"""


def outputs(folder, names):
    paths = {name: folder / f"out.{name}" for name in names}
    return paths, [part for name in names for part in ("--output", f"{name}={paths[name]}")]


def check(paths):
    """All that were written have the same numbers; those of json."""
    expected = read_json(paths["json"])
    by_second, rows = read_csv(paths["csv"])
    agree(expected, by_second)
    numbers, samples = read_prometheus(paths["prometheus"])
    agree(as_labels(expected), numbers)
    check_times(json.loads(paths["json"].read_text()), samples)
    agree(expected, read_junit(paths["junit"])[0])
    steps = [line for line in read_hdr(paths["hdr"]) if line["tag"] is None]
    assert [line["count"] for line in steps] == [row["hits"] for row in rows if row["hits"]]
    page = paths["html"].read_text()
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert data["summary"] == json.loads(paths["json"].read_text())
    assert sum(data["timeline"]["hits"]) == expected.hits
    return expected, rows


def check_details(paths, expected):
    events = read_events(paths["file"])
    agree(expected, events)
    funkload = FunkLoad(paths["funkload"]).check()
    numbers = funkload.numbers()
    assert (numbers.hits, numbers.request_errors, numbers.outcomes) == \
        (expected.hits, expected.request_errors, expected.outcomes)
    return funkload


@pytest.fixture
def module(tmp_path):
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "shop.c").write_text(MODULE)
    return folder


def test_attached(stored, target, module, tmp_path):
    """One run: attached to from its start, attached to when it is over, and shown."""
    paths, arguments = outputs(tmp_path, SUMMARIES + DETAILS)
    stored.run("loads-runner", "shop.TestShop.test_browse", "-a", 2, "-u", "2:3", "-d", 2, "--seed", 7,
               "--save-hits", "--threshold", "p95 < 100s", "--threshold", "failures < 1% for 1s", "--server-url",
               target.url, *arguments, cwd=module, code=99)
    expected, rows = check(paths)
    assert expected.hits > 10 and expected.request_errors > 0 and expected.outcomes[1] > 0
    assert {row["users"] for row in rows} == {4, 6}
    funkload = check_details(paths, expected)
    assert funkload.config["cycles"] == "[4, 6]"
    assert {int(one["thread"]) for one in funkload.results if one["cycle"] == "001"} == set(range(6))
    summary = json.loads(paths["json"].read_text())
    assert [(one["threshold"], one["holds"]) for one in summary["thresholds"]] == \
        [("p95 < 100s", True), ("failures < 1% for 1s", False)]
    assert summary["thresholds"][1]["broken_sec"] < 5 and "broken_sec" not in summary["thresholds"][0]
    (run_id,) = (row["run_id"] for row in stored.database.rows("SELECT run_id FROM loads.runs"))
    timeline = stored.database.rows(
        f"SELECT * FROM loads.timeline WHERE run_id = '{run_id}' ORDER BY second")
    for row, second in zip(rows, timeline, strict=True):
        for mine, theirs in (("hits", "hits"), ("request_errors", "request_errors"), ("p50_usec", "p50"),
                             ("p95_usec", "p95"), ("p999_usec", "p999"), ("max_usec", "max"),
                             ("successes", "successes"), ("failures", "failures"), ("errors", "errors"),
                             ("sent_bytes", "sent_bytes")):
            assert row[mine] == second[theirs], (row["second"], mine)

    timers = stored.database.rows(f"SELECT * FROM loads.timer_stats WHERE run_id = '{run_id}'")
    known = {(row["kind"], row["test"], row["name"]): row for row in timers}
    of_json = [("phase", summary["phases"]), ("transaction", summary["transactions"])]
    assert len(known) == sum(len(rows) for _, rows in of_json) and len(summary["transactions"]) == 1
    for kind, rows in of_json:
        for one in rows:
            row = known[kind, one.get("test", ""), one["name"]]
            assert (row["times"], row["errors"]) == (one["count"], one.get("errors", 0))
            assert (row["p50"], row["p95"], row["p999"], row["max"]) == \
                tuple(one["latency"][key] for key in ("p50_usec", "p95_usec", "p999_usec", "max_usec"))
    results = stored.database.rows(
        f"SELECT threshold, holds, value FROM loads.threshold_results WHERE run_id = '{run_id}' ORDER BY number")
    assert results == [{key: one[key] for key in ("threshold", "holds", "value")} for one in summary["thresholds"]]

    for verb, *more in (["attach", "--quiet"], ["show"]):
        folder = tmp_path / verb
        folder.mkdir()
        again, arguments = outputs(folder, SUMMARIES + DETAILS)
        stored.run("loadsctl", verb, run_id, *more, *arguments, code=99 if verb == "attach" else 0)
        for name in SUMMARIES + DETAILS:
            if name != "funkload":  # it tells where it is
                assert again[name].read_bytes() == paths[name].read_bytes(), (verb, name)


def test_without_a_database(two_agents, target, module, tmp_path):
    """The broker remembers the seconds itself."""
    paths, arguments = outputs(tmp_path, SUMMARIES)
    two_agents.run("loads-runner", "shop.TestShop.test_browse", "-a", 2, "-u", 2, "-d", 2, "--server-url",
                   target.url, *arguments, cwd=module, code=1)
    expected, rows = check(paths)
    assert expected.hits > 10 and len(rows) >= 2 and {row["users"] for row in rows} == {4}


UNWRITABLE = [
    (["--output", "html={}/none/x"], "can't write '{}/none/x': No such file or directory"),
    (["--output", "csv={}"], "can't write '{}': Is a directory"),
    (["--output", "json={}/x", "--output", "hdr={}/../{name}/x"], "two outputs write to {}/../{name}/x"),
]


@pytest.mark.parametrize("verb", ["run", "attach", "show"])
def test_unwritable(stored, gate, target, tmp_path, verb):
    """Said before anything is asked of agents."""
    run = ["loads-runner", gate.url, "-a", 1]
    if verb != "run":
        run = ["loadsctl", verb, stored.submit(f"{target.url}/any")]
        stored.wait_for_state(run[-1], *OVER)
    submitted = "SELECT run_id FROM loads.runs"
    before = stored.database.rows(submitted)
    for arguments, said in UNWRITABLE:
        words = [word.format(tmp_path, name=tmp_path.name) for word in arguments]
        assert said.format(tmp_path, name=tmp_path.name) in stored.run(*run, *words, code=2).stderr
    assert stored.database.rows(submitted) == before and gate.requests == 0
    if verb == "show":
        ran = stored.run(*run, "--output", "json=/dev/full", "--output", f"csv={tmp_path}/csv", code=1)
        assert ran.stderr.count("output json: can't write '/dev/full': No space left on device\n") == 1
        assert read_csv(tmp_path / "csv")[0].hits == 1
    if verb == "attach":  # a run that passed, and then didn't
        stored.run(*run, "--output", "json=/dev/full", code=1)


def test_without_hits(stored, target, tmp_path):
    """What needs every hit is refused where there are none, before anything is written."""
    text = (MODULES / "hostile.c").read_text(encoding="utf-8")
    (tmp_path / "hostile.c").write_text(text, encoding="utf-8")
    run_id = stored.submit("hostile.Hostile.test_names", "--hits", 3, "--server-url", target.url, cwd=tmp_path)
    stored.wait_for_state(run_id, *OVER)
    for verb in ("show", "attach"):
        for name in DETAILS:
            path = tmp_path / "out"
            said = stored.run("loadsctl", verb, run_id, "--output", f"{name}={path}", code=2).stderr
            assert "--save-hits" in said and not path.exists()
    paths, arguments = outputs(tmp_path, SUMMARIES)
    stored.run("loadsctl", "show", run_id, *arguments)
    expected, _ = check(paths)
    assert expected.hits == 9
    rows = stored.database.rows(f"SELECT method, url, hits FROM loads.url_stats WHERE run_id = '{run_id}'")
    assert {(row["method"], row["url"]): row["hits"] for row in rows} == expected.names


def test_of_one_that_is_on(stored, target, tmp_path):
    """Numbers up to now; the run goes on."""
    run_id = stored.submit(f"{target.url}/any", "-a", 1, "-u", 2, "-d", "1h")
    stored.wait_for(lambda _: stored.result("CTRL_GET_COUNTS", run_id=run_id)["add_hit"] > 0)
    path = tmp_path / "now.json"
    stored.run("loadsctl", "show", run_id, "--output", f"json={path}", "--output", f"html={tmp_path / 'now.html'}")
    summary = json.loads(path.read_text())
    assert summary["hits"] > 0 and "outcome" not in summary
    stored.result("CTRL_STOP_RUN", run_id=run_id, grace_usec=0)
    stored.wait_for_state(run_id, *OVER)
