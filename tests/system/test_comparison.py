# SPDX-License-Identifier: MPL-2.0
"""Runs held against each other: what has a mark, what limits make of it, and baselines, of runs that
are made second by second (seconds.py) and stored."""

import json
import re

import pytest

from postgres import Failed
from seconds import NAMES, Made, marked

OTHER_NAMES = (("GET", "/other", 20000, 0.5),)
MEASURES = ("rps", "p50", "p95", "p99", "errors")


class Runs:
    """Some runs in a database."""

    def __init__(self, database):
        self.database = database
        made = Made(1)
        self.old, self.slower, self.like = made.run(), made.run(slower=1.2), made.run()
        self.add(made)
        made.store(database)

    def add(self, made):
        """What more there is."""

    def rows(self, a, b):
        return self.database.rows(f"SELECT * FROM loads.compare('{a}', '{b}')")


class AllRuns(Runs):
    """For all tests that only look."""

    def add(self, made):
        self.failing = made.run(bad=0.05)
        self.short = made.run(seconds=8)
        self.one_name = made.run(seconds=30, names=NAMES[:1] + OTHER_NAMES, users=3)
        self.other = made.run(seconds=5, names=OTHER_NAMES)
        self.idle = made.run(seconds=0)
        self.on = made.run(seconds=2, state="running")


@pytest.fixture(scope="module")
def runs(postgres):
    database = postgres.database()
    database.migrate()
    yield AllRuns(database)
    database.drop()


def row_of(rows, measure, **of):
    found, = (row for row in rows if row["measure"] == measure and
              all(row[key] == value for key, value in {"kind": "run", **of}.items()))
    return found


# ---- the numbers ----

def test_values_are_those_of_the_views(runs):
    rows = runs.rows(runs.slower, runs.old)
    for value, run_id in (("value_a", runs.slower), ("value_b", runs.old)):
        summary, = runs.database.rows(f"SELECT * FROM loads.run_summary WHERE run_id = '{run_id}'")
        for measure in MEASURES[:4]:
            assert row_of(rows, measure)[value] == summary[measure]
        bad = summary["errors"] + summary["failures"]
        assert row_of(rows, "errors")[value] == pytest.approx(bad / (bad + summary["successes"]))
        for url in runs.database.rows(f"SELECT * FROM loads.url_stats WHERE run_id = '{run_id}'"):
            of = {"kind": "request", "test": url["test"], "name": url["url"], "method": url["method"]}
            for measure in MEASURES[:4]:
                assert row_of(rows, measure, **of)[value] == url[measure]
            assert row_of(rows, "errors", **of)[value] == pytest.approx(1 - url["success_rate"])
    p95 = row_of(rows, "p95")
    assert p95["difference"] == pytest.approx(p95["value_a"] / p95["value_b"] - 1)
    assert p95["low"] < p95["difference"] < p95["high"]


def test_the_same_numbers_each_time(runs):
    assert runs.rows(runs.slower, runs.old) == runs.rows(runs.slower, runs.old)
    assert runs.rows(runs.slower[:13], runs.old) == runs.rows(runs.slower, runs.old)


def test_against_itself_nothing_differs(runs):
    assert all(row["difference"] == 0 and not row["marked"] for row in runs.rows(runs.old, runs.old))


def test_the_other_way_round(runs):
    one, other = runs.rows(runs.slower, runs.old), runs.rows(runs.old, runs.slower)
    assert (row_of(one, "p50")["difference"] + 1) * (row_of(other, "p50")["difference"] + 1) == pytest.approx(1)


def test_pairs(database):
    """tests/bench/compare has a hundred of each; here it is said what these are, and chance is fixed."""
    database.migrate()
    made = Made(2)
    like, slower = ([(made.run(slower=much), made.run()) for _ in range(4)] for much in (1.0, 1.2))
    made.store(database)
    assert sum(marked(database, like)) <= 1
    assert sum(marked(database, slower)) == 4


def test_errors_have_marks(runs):
    rows = runs.rows(runs.failing, runs.old)
    assert row_of(rows, "errors")["marked"] and row_of(rows, "errors")["difference"] == pytest.approx(0.045, abs=0.01)
    assert row_of(rows, "errors", kind="test")["marked"]


def test_too_short_to_tell(runs):
    rows = runs.rows(runs.short, runs.old)
    assert all(row["low"] is None and not row["marked"] for row in rows)
    assert row_of(rows, "p50")["difference"] is not None


def test_names_that_only_one_has(runs):
    rows = runs.rows(runs.one_name, runs.old)
    of = {"kind": "request", "name": "/other"}
    assert row_of(rows, "p50", **of)["value_b"] is None and row_of(rows, "p50", **of)["difference"] is None
    assert row_of(rows, "p50", kind="request", name="/buy")["value_a"] is None
    assert row_of(rows, "p50", kind="request", name="/")["low"] is not None


def test_a_reader_compares(runs):
    runs.database.run("DROP ROLE IF EXISTS ada; CREATE ROLE ada LOGIN IN ROLE loads_reader")
    assert len(runs.database.rows(f"SELECT * FROM loads.compare('{runs.old}', '{runs.like}')", user="ada")) > 20
    assert runs.database.rows("SELECT * FROM loads.baselines", user="ada") == []


@pytest.mark.parametrize("other, said", [
    ("ffffffff-ffff-4fff-8fff-ffffffffffff", "there is no run and no baseline ffffffff-ffff"),
    ("nosuch", "there is no run and no baseline nosuch"), ("", "there is no run"),
    ("on", "is on: it is compared when it is over"), ("idle", "has no hits"),
    ("other", "have no name of a request in common"),
])
def test_what_cannot_be_compared(runs, other, said):
    with pytest.raises(Failed, match=re.escape(said)):
        runs.rows(runs.old, getattr(runs, other, other))


# ---- with the broker ----

def loadsctl_of(cluster):
    """ctl(words, code): what loadsctl prints."""
    def ctl(*words, code=0):
        ran = cluster.run("loadsctl", *words, code=code)
        return ran.stdout + ran.stderr
    return ctl


def limits(*texts):
    return [word for text in texts for word in ("--fail-if", text)]


def test_from_end_to_end(new_cluster, database):
    """What one does with baselines, and with two runs."""
    database.migrate()
    runs = Runs(database)
    ctl = loadsctl_of(new_cluster(database))
    assert ctl("baseline", "list") == "There are no baselines\n"
    assert ctl("baseline", "set", runs.old[:8], "--name", "main") == f"Baseline main is run {runs.old}\n"
    assert ctl("baseline", "set", runs.like, "--name", "main") == f"Baseline main is run {runs.like}\n"
    ctl("baseline", "set", runs.old, "--name", "main")
    assert re.search(rf"^main +{runs.old[:8]}  20\S+ \S+  shop\.Shop\.buy$", ctl("baseline", "list"), re.MULTILINE)
    listed, = json.loads(ctl("baseline", "list", "--json"))
    assert (listed["name"], listed["run_id"], listed["set_by"]) == ("main", runs.old, "root")

    text = ctl("compare", runs.slower, "main", *limits("p50 +10%", "errors +1%", "p99{url=/nosuch} +1%"), code=99)
    print(text)
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(rf"^against +{runs.old[:8]} .*\(main\)$", text, re.MULTILINE)
    assert re.search(r"^the whole run\n  rps .* \*$", text, re.MULTILINE)
    assert re.search(r"^  ✗ p50 \+10% +\+\d+\.\d %$", text, re.MULTILINE)
    assert re.search(r"^  ✓ errors \+1% +[+-]0\.\d\d$", text, re.MULTILINE)
    assert re.search(r"^  ✗ p99\{url=/nosuch\} \+1% +too little to tell by$", text, re.MULTILINE)
    assert re.search(r"^\* more than chance: \d+ of 26 differences$", text, re.MULTILINE)

    document = json.loads(ctl("compare", runs.slower, "main", "--json", *limits("p50 +10%"), code=99))
    assert document["rows"] == runs.rows(runs.slower, runs.old)
    assert [run["run_id"] for run in document["runs"]] == [runs.slower, runs.old]
    assert document["runs"][1]["baselines"] == ["main"] and document["notes"] == []
    limit, = document["limits"]
    assert limit["holds"] is False and limit["difference"] == row_of(document["rows"], "p50")["difference"]

    text = ctl("compare", runs.like, "main", *limits("p50 +10%", "p95{url=/*} +10%", "rps -10%"))
    assert "is more than chance" in text and "✗" not in text

    # It stays as long as it is a baseline, in SQL too.
    assert f"run {runs.old} is the baseline 'main': remove that first" in ctl("delete", runs.old, code=2)
    runs.database.run("SELECT * FROM loads.expire('1 day')")
    assert runs.database.value(f"SELECT count(*) FROM loads.runs WHERE run_id = '{runs.old}'") == 1
    assert runs.database.value(f"SELECT count(*) FROM loads.runs WHERE run_id = '{runs.like}'") == 0
    assert ctl("baseline", "remove", "main") == "Removed baseline main\n"
    assert ctl("delete", runs.old) == f"Deleted {runs.old}.\n"
