# SPDX-License-Identifier: MPL-2.0
"""What is done around tests, what users keep, and what is checked without failing."""

import json

import pytest


@pytest.fixture
def journey(loads, target):
    """journey(test, *arguments): a run of journey.c."""
    def run(test, *arguments, **options):
        return loads(f"journey.{test}", "--server-url", target.url, *arguments, **options)
    return run


def done(run):
    """How often what was done: {name: requests}."""
    return {row["name"]: row["hits"] for row in run.summary["names"] if row["hits"]}


def around(users, iterations, **more):
    return {"user set-up": users, "user tear-down": users, "set-up": iterations, "work": iterations,
            "tear-down": iterations, **more}


def test_around(journey):
    """Once per user of each cycle, and once per iteration; what was deferred comes last."""
    run = journey("TestShop.test_well", "-u", "3:2", "--hits", 4).passed(20)
    assert done(run) == around(5, 20, deferred=20)
    assert run.counters() == {"iterations of all": 20}


def test_order(journey, tmp_path):
    journey("TestShop.test_well", "--hits", 2, "--output", f"file={tmp_path}/hits").passed(2)
    rows = [line for line in (tmp_path / "hits").read_text().splitlines() if "any" in line]
    assert len(rows) == 1 + 2 * 4 + 1


@pytest.mark.parametrize("test, outcomes", [("fails", (0, 0, 6, 0)), ("no_answer", (0, 6, 0, 0))])
def test_what_goes_wrong_is_torn_down(journey, test, outcomes):
    run = journey(f"TestShop.test_{test}", "-u", 2, "--hits", 3)
    assert (run.code, run.outcomes()) == (1, outcomes)
    assert done(run) == around(2, 6)


def test_a_duration(journey):
    run = journey("TestShop.test_well", "-u", 3, "-d", 1)
    iterations = run.outcomes()[0]
    assert iterations >= 3
    assert done(run) == around(3, iterations, deferred=iterations)


def test_the_interrupted_are_not_torn_down(start_loads, target):
    run = start_loads("journey.TestShop.test_sleeps", "--server-url", target.url, "-u", 2, "--grace", "50ms")
    target.wait_for(lambda counts: counts["answers"] == 6)
    run.interrupt()
    run = run.finish()
    assert (run.code, run.outcomes()) == (130, (0, 0, 0, 2))
    assert done(run) == {"user set-up": 2, "set-up": 2, "work": 2}


@pytest.mark.parametrize("part, parts", [
    ("user set-up", {"user set-up": 3}),
    ("set-up", {"user set-up": 1, "set-up": 3, "user tear-down": 1}),
    ("tear-down", around(1, 3)),
])
def test_what_fails_around(journey, monkeypatch, part, parts):
    monkeypatch.setenv("FAILS", part)
    run = journey("TestFrail.test", "--hits", 3)
    assert (run.code, run.outcomes()) == (1, (0, 0, 3, 0))
    assert done(run) == parts
    assert (run.error()["message"], run.error()["count"]) == (f"the {part} fails", 3)
    assert run.error()["place"].startswith("journey.c:")


def test_a_user_tear_down_that_fails(journey, monkeypatch):
    """It is told, and is no iteration."""
    monkeypatch.setenv("FAILS", "user tear-down")
    run = journey("TestFrail.test", "-u", 2, "--hits", 3)
    assert run.outcomes() == (6, 0, 0, 0)
    assert (run.error()["message"], run.error()["count"]) == ("the user tear-down fails", 2)


def test_checks(journey):
    run = journey("TestChecks.test_some", "-u", 2, "--hits", 5).passed(10)
    assert run.counters() == {"check odd: passed": 4, "check odd: failed": 6, "check none: failed": 10, "even": 6}


def test_two_types_of_variables(journey):
    run = journey("TestState.test_two_types")
    assert run.outcomes() == (0, 1, 0, 0)
    assert "have 4 bytes, not 8" in run.error()["message"]


@pytest.mark.parametrize("line, words", [
    ("LOADS_SET_UP(Shp) {}", "wrong.c:3: LOADS_SET_UP(Shp): no test is of that suite"),
    ("LOADS_TEAR_DOWN(Shop) {}\nLOADS_TEAR_DOWN(Shop) {}", "redefinition"),
])
def test_mistakes(runner, line, words):
    runner.write("wrong.c", f"#include <loads/loads.h>\nLOADS_TEST(Shop, buy) {{}}\n{line}\n")
    ran = runner.run("wrong.Shop.buy")
    assert ran.code == 2, ran
    assert words in ran.stderr


# ---- several tests ----

MIX = ["journey.TestMix.test_look:6", "journey.TestShop.test_buy:2"]


@pytest.fixture
def mixed(loads, target):
    def run(*arguments, **options):
        return loads(*arguments, "--server-url", target.url, **options)
    return run


def successes(run):
    return {row["test"]: row["successes"] for row in run.summary["tests"]}


def test_weights(mixed):
    """Each user chooses by itself; what is done around is done for the suites that it came to."""
    run = mixed(*MIX, "-u", 20, "--hits", 40, "--seed", 7).passed(800)
    chosen = successes(run)
    assert 500 < chosen["TestMix.test_look"] < 700
    assert chosen["TestShop.test_buy"] == 800 - chosen["TestMix.test_look"]
    assert done(run) == {
        "look": chosen["TestMix.test_look"], "buy": chosen["TestShop.test_buy"], "user set-up": 20,
        "set-up": chosen["TestShop.test_buy"], "tear-down": chosen["TestShop.test_buy"], "user tear-down": 20,
        "user tear-down of the mix": 20}
    assert run.summary["options"]["fqn"] == " ".join(MIX)


def test_the_same_seed_chooses_the_same(mixed):
    first, second, other = (
        successes(mixed(*MIX, "-u", 10, "--hits", 20, "--seed", seed, "--workers", workers).passed(200))
        for seed, workers in ((7, 1), (7, 2), (8, 2)))
    assert first == second != other


def test_a_crash_is_that_of_its_test(mixed):
    run = mixed("journey.TestMix.test_look:1", "journey.TestMix.test_abort:1", "--hits", 2, "--seed", 1)
    rows = {row["test"]: row for row in run.summary["tests"]}
    assert rows["TestMix.test_abort"]["errors"] + rows.get("TestMix.test_look", {"successes": 0})["successes"] == 2
    assert rows["TestMix.test_abort"]["errors"] >= 1
    assert {error["test"] for error in run.summary["errors"]} == {"TestMix.test_abort"}


@pytest.mark.parametrize("arguments, words", [
    (["wrong.Shop.buy", "wrong.Shop.sell"], "wrong.c, which has:\n  Shop.buy"),
    (["wrong.Shop.buy:0", "wrong.Shop.sell"], "the weight behind ':' is a whole number from 1 to 1000000"),
    (["wrong.Shop.buy", "wrong.Shop.buy"], "'wrong.Shop.buy' is there twice"),
    (["http://127.0.0.1:9/", "wrong.Shop.buy"], "unexpected argument 'wrong.Shop.buy'"),
    (["--test-runner", "node", "{test}", "a.js"], "unexpected argument 'a.js'"),
    (["script.Shop.buy", "script.Shop.sell"], "script.Shop.buy: there is no class 'Shop' in "),
])
def test_mistakes_with_several(runner, arguments, words):
    runner.write("wrong.c", "#include <loads/loads.h>\nLOADS_TEST(Shop, buy) {}\n")
    runner.write("script.py", "")
    ran = runner.run(*arguments)
    assert ran.code == 2, ran
    assert words in ran.stderr


def test_several_on_agents(two_agents, tmp_path):
    (tmp_path / "mix.c").write_text("#include <loads/loads.h>\n"
                                    "LOADS_TEST(A, one) { loads_incr_counter(user, \"one\"); }\n"
                                    "LOADS_TEST(B, two) { loads_incr_counter(user, \"two\"); }\n")
    two_agents.run("loads-runner", "mix.A.one:1", "mix.B.two:3", "-a", 2, "-u", 10, "--hits", 20, "--output",
                   f"json={tmp_path}/summary", cwd=tmp_path)
    summary = json.loads((tmp_path / "summary").read_text())
    counts = {counter["name"]: counter["count"] for counter in summary["counters"]}
    assert counts["one"] + counts["two"] == 400
    assert counts["two"] > counts["one"] > 0
    assert {row["test"]: row["successes"] for row in summary["tests"]} == {
        "A.one": counts["one"], "B.two": counts["two"]}
