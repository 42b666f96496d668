# SPDX-License-Identifier: MPL-2.0
"""Runs held against each other: what has a mark, what limits make of it, and baselines, of runs that
are made second by second (seconds.py) and stored."""

import json
import re

import pytest

from fake_broker import RUN_ID
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


def test_notes(runs):
    def notes(a, b):
        return runs.database.run(f"SELECT * FROM loads.compare_notes('{a}', '{b}')").splitlines()

    assert notes(runs.like, runs.old) == []
    assert notes(runs.one_name, runs.old) == ["different users: 3, and 8", "different durations: 30.0 s, and 60.0 s"]
    assert notes(runs.short, runs.short) == [
        "it is the same run", "too short to tell chance: both must last 10 seconds, better minutes"]
    changed = f"""BEGIN; UPDATE loads.runs SET started = '2026-01-01', outcome = 'aborted', agents = 3,
        spec = '{{"users": [1, 2], "hits": [10]}}' WHERE run_id = '{runs.like}';
        SELECT * FROM loads.compare_notes('{runs.like}', '{runs.old}'); ROLLBACK"""
    assert runs.database.run(changed).splitlines() == [
        "the first run is the older one", "different users: 1:2, and 8", "different hits of a user: 10, and none",
        "different numbers of agents: 3, and 1", "the first run ended as aborted",
        "there are several cycles: what they differ by counts as chance"]


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
    assert re.search(r"^  ✗ p99\{url=/nosuch\} \+1% +nothing has that name$", text, re.MULTILINE)
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


# ---- loadsctl alone ----

@pytest.fixture
def run(ctl, fake):
    """run(arguments): a Ran of loadsctl, with a broker that says what it is told to."""
    def run_it(*arguments):
        return ctl.run(*arguments, env={"LOADS_BROKER": fake.address})
    return run_it


def a_row(measure="p95", difference=0.2, low=0.1, high=0.3, marked=True, **of):
    return {"kind": "run", "test": "", "name": "", "method": "", "measure": measure, "value_a": 12000,
            "value_b": 10000, "difference": difference, "low": low, "high": high, "marked": marked, **of}


def a_request(name, **more):
    return a_row(kind="request", test="Shop.buy", name=name, method="GET", **more)


def a_comparison(*rows, **more):
    runs = [{"run_id": RUN_ID, "name": "shop.Shop.buy", "started": None, "outcome": "passed", "duration_sec": 60,
             "users": [8], "agents": 1, "baselines": []} for _ in range(2)]
    return {"runs": runs, "notes": [], "rows": list(rows), **more}


WITHOUT_ZERO = {"difference": 0.2, "low": 0.1, "high": 0.3}
WITH_ZERO = {"difference": 0.2, "low": -0.1, "high": 0.5}


@pytest.mark.parametrize("limit, rows, missed", [
    # One line: its own interval tells, marked or not.
    ("p95 +10%", [a_row(**WITHOUT_ZERO, marked=False)], True),
    ("p95 +10%", [a_row(**WITH_ZERO, marked=False)], False),
    ("p95 +20%", [a_row(**WITHOUT_ZERO)], False),
    ("p95 -10%", [a_row(**WITHOUT_ZERO)], False),
    ("p95 +0%", [a_row(**WITHOUT_ZERO)], True),
    ("rps -5%", [a_row("rps", -0.06, -0.08, -0.04)], True),
    ("rps -7%", [a_row("rps", -0.06, -0.08, -0.04)], False),
    ("errors +1%", [a_row("errors", 0.02, 0.01, 0.03)], True),
    # Several: marks tell.
    ("p95{url=/*} +10%", [a_request("/a", **WITHOUT_ZERO, marked=False), a_request("/b", **WITH_ZERO, marked=False)], False),
    ("p95{url=/*} +10%", [a_request("/a", difference=0.01, low=0, high=0.02, marked=False), a_request("/b")], True),
    ("p95{url=/*} +30%", [a_request("/a"), a_request("/b")], False),
    ("p95{url=/b} +10%", [a_request("/a"), a_request("/b", difference=0.01, low=-0.1, high=0.2)], False),
    ("p95{method=GET,test=Shop.*} +10%", [a_row(difference=0, low=0, high=0), a_request("/a")], True),
    ("p95{url=http://x/a} +10%", [a_request("http://x/a")], True),
    ("p95{url=/a} +10%", [a_request("http://x/a")], True),
    ("errors{test=Shop.buy} +1%", [a_row("errors", kind="test", test="Shop.buy"), a_row("errors", 0, 0, 0)], True),
    # Nothing to tell by.
    ("p95 +10%", [a_row("p50")], True),
    ("p95 +10%", [a_row(low=None, high=None, marked=False)], True),
    ("p95 +10%", [a_row(difference=None, value_a=None, low=None, high=None, marked=False)], True),
    ("p95{url=/nosuch} +10%", [a_row(), a_request("/a")], True),
])
def test_when_a_limit_is_missed(run, fake, limit, rows, missed):
    fake.answers["CTRL_COMPARE"] = a_comparison(*rows)
    ran = run("compare", "6b", "main", *limits(limit))
    assert ran.code == (99 if missed else 0), ran.stdout + ran.stderr
    assert f"  {'✗' if missed else '✓'} {limit}" in ran.stdout
    assert fake.requests[-1] == {"command": "CTRL_COMPARE", "a": "6b", "b": "main"}
    printed = json.loads(run("compare", "6b", "main", "--json", *limits(limit)).stdout)
    assert printed["limits"][0]["holds"] is not missed and printed["rows"] == rows


def test_what_may_be_chance_is_said(run, fake):
    fake.answers["CTRL_COMPARE"] = a_comparison(a_row(**WITH_ZERO, marked=False))
    assert re.search(r"✓ p95 \+10% +\+20\.0 %, which may be chance$", run("compare", "a", "b", *limits("p95 +10%")).stdout,
                     re.MULTILINE)


@pytest.mark.parametrize("words, said", [
    (["compare"], "which two runs?"), (["compare", "a"], "which two runs?"), (["compare", "a", "b", "c"], "which two runs?"),
    (["compare", "a", "b", "--fail-if", "p95"], "--fail-if: + or - is expected\n  p95\n     ^"),
    (["compare", "a", "b", *(51 * ["--fail-if=p95 +1%"])], "--fail-if: there can be 50"),
    (["baseline"], "set, list or remove"), (["baseline", "sett"], "did you mean 'set'?"),
    (["baseline", "set", "a"], "takes a run, and --name"), (["baseline", "set", "--name", "x"], "takes a run, and --name"),
    (["baseline", "remove"], "takes the name of a baseline"), (["baseline", "remove", "x", "--name", "y"], "takes the name"),
    (["baseline", "list", "x"], "takes no names"),
])
def test_mistakes(run, fake, words, said):
    ran = run(*words)
    assert ran.code == 2 and said in ran.stderr and ran.stdout == ""
    assert fake.requests == []


@pytest.mark.parametrize("code, exit_code", [
    ("unknown-run", 2), ("ambiguous-run", 2), ("active-run", 2), ("not-comparable", 2), ("unknown-command", 2),
    ("database", 4),
])
def test_refusals(run, fake, code, exit_code):
    fake.answers["CTRL_COMPARE"] = Exception("so it is", code)
    ran = run("compare", "a", "b")
    assert (ran.code, ran.stdout, ran.stderr) == (exit_code, "", "loadsctl: so it is\n")


@pytest.mark.parametrize("answer", [
    {}, [], 7, {"runs": [], "rows": []}, {"runs": [1, 2], "rows": []}, a_comparison(1), {**a_comparison(), "rows": {}},
])
def test_answers_that_are_none(run, fake, answer):
    fake.answers["CTRL_COMPARE"] = answer
    ran = run("compare", "a", "b")
    assert ran.code == 3 and "CTRL_COMPARE is no comparison" in ran.stderr


def test_hostile_texts_and_numbers(run, fake):
    """They are shown as what they are; one that isn't what it should be does no harm."""
    hostile = "\x1b[31m<b>\u202e" + 200 * "x" + "\r\n\x07"
    strange = {"measure": 1, "value_a": "x", "value_b": [], "difference": {}, "low": True, "marked": 3}
    rows = [a_request(hostile, value_b=1e300, difference=1e300, low=-1e300, high=1e300),
            a_row(kind=hostile, test=hostile), {**a_row(), **strange}, {}, a_request(hostile, value_a=None)]
    fake.answers["CTRL_COMPARE"] = a_comparison(*rows, notes=[hostile, 7])
    ran = run("compare", "a", "b", *limits("p95{test=*} +10%"))
    assert ran.code == 99
    for bad in ("\x1b", "\r", "\x07", "\u202e"):
        assert bad not in ran.stdout
    fake.answers["CTRL_BASELINES"] = [{"name": hostile, "run_id": hostile, "set_at": 3, "run_name": None}, 4]
    ran = run("baseline", "list")
    assert ran.code == 0 and "\x1b" not in ran.stdout and "\r" not in ran.stdout
