# SPDX-License-Identifier: MPL-2.0
"""Transactions and round trips: times beside those of hits, in none of their numbers."""

import json

import pytest

MODULE = """\
#include <loads/loads.h>

LOADS_TEST(Shop, buy)
{
    LOADS_TRANSACTION(user, "buy")
    {
        loads_get(user, "/any", .name = "look");
        LOADS_TRANSACTION(user, "pay")
        {
            loads_sleep(user, 0.002);
        }
        LOADS_TRANSACTION(user, "pay")
        {
        }
    }
    LOADS_TRANSACTION(user, "pay")
    {
    }
}

static int left(loads_user *user)
{
    for (int i = 0; i < 3; i++) {
        LOADS_TRANSACTION(user, "each")
        {
            if (i == 1) {
                continue;
            }
            LOADS_TRANSACTION(user, "inside")
            {
                break;
            }
            if (i == 2) {
                return i;
            }
        }
    }
    return -1;
}

LOADS_TEST(Shop, leave)
{
    loads_assert_int_eq(left(user), 2);
}

LOADS_TEST(Shop, fail)
{
    LOADS_TRANSACTION(user, "outer")
    {
        LOADS_TRANSACTION(user, "good")
        {
        }
        LOADS_TRANSACTION(user, "bad")
        {
            loads_assert(loads_iteration(user) % 2);
        }
    }
}

LOADS_TEST(Shop, wait)
{
    LOADS_TRANSACTION(user, "waiting")
    {
        loads_get(user, "/any");
        loads_sleep(user, 1000);
    }
}

static void deeper(loads_user *user, int depth)
{
    LOADS_TRANSACTION(user, "x")
    {
        if (depth > 1) {
            deeper(user, depth - 1);
        }
    }
}

LOADS_TEST(Shop, deep)
{
    deeper(user, 16);
}

LOADS_TEST(Shop, too_deep)
{
    deeper(user, 17);
}

LOADS_TEST(Shop, long_names)
{
    LOADS_TRANSACTION(user, loads_printf(user, "%0400d", 1))
    {
        LOADS_TRANSACTION(user, loads_printf(user, "%0400d", 2))
        {
        }
    }
}

LOADS_TEST(Shop, nameless)
{
    LOADS_TRANSACTION(user, "")
    {
    }
}

static void at_end(void *user)
{
    LOADS_TRANSACTION(user, "deferred")
    {
        loads_incr_counter(user, "done");
    }
}

LOADS_TEST(Shop, many)
{
    loads_defer(user, at_end, user);
    for (int i = 0; i < 310; i++) {
        LOADS_TRANSACTION(user, loads_printf(user, "number %d", i))
        {
        }
    }
}
"""


@pytest.fixture
def shop(loads, target, tmp_path):
    (tmp_path / "shop.c").write_text(MODULE)

    def run(test, *arguments):
        return loads(f"shop.Shop.{test}", "--server-url", target.url, *arguments, cwd=tmp_path)
    return run


def counts(run):
    """{name: (count, errors)}"""
    return {row["name"]: (row["count"], row["errors"]) for row in run.summary["transactions"]}


def test_nested(shop):
    run = shop("buy", "-u", 3, "--hits", 4).passed(12)
    assert counts(run) == {"buy": (12, 0), "buy/pay": (24, 0), "pay": (12, 0)}
    times = {row["name"]: row["latency"] for row in run.summary["transactions"]}
    assert times["buy"]["min_usec"] >= 2000
    assert times["buy/pay"]["max_usec"] >= 2000
    assert {row["test"] for row in run.summary["transactions"]} == {"Shop.buy"}
    assert run.summary["hits"] == 12
    assert [row["name"] for row in run.summary["names"]] == ["look"]
    assert run.summary["round_trips"] == []


def test_however_a_block_is_left(shop):
    assert counts(shop("leave").passed(1)) == {"each": (3, 0), "each/inside": (2, 0)}


def test_what_fails_in_one_is_its_error(shop):
    run = shop("fail", "--hits", 4)
    assert run.outcomes() == (2, 0, 2, 0)
    assert counts(run) == {"outer": (2, 2), "outer/bad": (2, 2), "outer/good": (4, 0)}


def test_the_interrupted_are_not_counted(start_loads, target, tmp_path):
    (tmp_path / "shop.c").write_text(MODULE)
    run = start_loads("shop.Shop.wait", "--server-url", target.url, "-u", 2, "--grace", "50ms", cwd=tmp_path)
    target.wait_for(lambda numbers: numbers["answers"] == 2)
    run.interrupt()
    run = run.finish()
    assert run.outcomes() == (0, 0, 0, 2)
    assert counts(run) == {}


@pytest.mark.parametrize("test, words", [
    ("too_deep", "transactions are nested more than 16 deep"),
    ("nameless", "a transaction has no name"),
])
def test_misuse(shop, test, words):
    run = shop(test)
    assert run.outcomes() == (0, 1, 0, 0)
    assert words in run.error()["message"]
    assert run.error()["place"].startswith("shop.c:")


def test_depth_and_length(shop):
    assert len(counts(shop("deep").passed(1))) == 16
    long = max(counts(shop("long_names").passed(1)), key=len)
    assert len(long) == 511 and long.endswith("/" + "2".rjust(400, "0"))


def test_more_than_a_run_has_room_for(shop):
    run = shop("many").passed(1)
    found = counts(run)
    assert len(found) == 301 and found["(other)"] == (11, 0)
    assert run.summary["other"]["timers"] == 11
    assert run.counters() == {"done": 1}


def test_on_the_terminal(shop):
    run = shop("buy", "--hits", 2, "--output", "stdout").passed(2)
    title, row = next((line, following) for line, following in zip(run.stdout.splitlines(), run.stdout.splitlines()[1:])
                      if line.startswith("Transaction"))
    assert title.split() == ["Transaction", "Count", "Errors", "Average", "p95", "p99"]
    assert row.split()[:3] == ["buy", "2", "0"]
    assert len(title) <= 80 and len(row) <= 80


CHAT = """\
#include <loads/loads.h>

LOADS_TEST(Chat, talk)
{
    loads_ws *ws = loads_ws_open(user, "URL", .name = "chat");
    loads_ws_send(ws, "one");
    loads_ws_receive(ws);
    loads_ws_send(ws, "two");
    loads_ws_send(ws, "three");
    loads_ws_receive(ws);
    loads_ws_receive(ws);
}
"""


def test_round_trips(loads, echo_server, tmp_path):
    (tmp_path / "chat.c").write_text(CHAT.replace("URL", echo_server.ws_url))
    run = loads("chat.Chat.talk", "-u", 2, "--hits", 5, "--output", "stdout", cwd=tmp_path).passed(10)
    row, = run.summary["round_trips"]
    assert (row["test"], row["name"], row["count"], row["errors"]) == ("Chat.talk", "chat", 30, 0)
    assert 0 < row["latency"]["p50_usec"] <= row["latency"]["max_usec"]
    assert run.summary["transactions"] == []
    assert run.summary["hits"] == 10
    assert "WebSocket's round trip" in run.stdout


# ---- on agents ----

def test_everywhere_the_same(stored, target, echo_server, tmp_path):
    """The console's numbers are the database's, also those of a broker that read them back."""
    (tmp_path / "shop.c").write_text(MODULE + CHAT.replace("URL", echo_server.ws_url)
                                     .replace("#include <loads/loads.h>", ""))
    stored.run("loads-runner", "shop.Shop.buy", "shop.Chat.talk", "-a", 2, "-u", 5, "--hits", 10, "--server-url",
               target.url, "--output", f"json={tmp_path}/summary", cwd=tmp_path)
    summary = json.loads((tmp_path / "summary").read_text())
    tests = {row["test"]: row["successes"] for row in summary["tests"]}
    found = {("transaction", row["test"], row["name"]): row for row in summary["transactions"]}
    found |= {("round-trip", row["test"], row["name"]): row for row in summary["round_trips"]}
    assert {key[2]: row["count"] for key, row in found.items()} == {
        "buy": tests["Shop.buy"], "buy/pay": 2 * tests["Shop.buy"], "pay": tests["Shop.buy"],
        "chat": 3 * tests["Chat.talk"]}
    found |= {("phase", "", row["name"]): {"errors": 0, **row} for row in summary["phases"]}
    rows = stored.database.rows("SELECT * FROM loads.timer_stats")
    assert len(rows) == len(found) == 4 + 5
    for row in rows:
        shown = found[row["kind"], row["test"], row["name"]]
        assert (int(row["times"]), int(row["errors"])) == (shown["count"], shown["errors"])
        assert {name: int(row[name]) for name in ("min", "p50", "p90", "p95", "p99", "p999", "max")} == {
            name: shown["latency"][f"{name}_usec"] for name in ("min", "p50", "p90", "p95", "p99", "p999", "max")}
    seconds, = stored.database.rows("SELECT sum(times) AS times FROM loads.interval_timers")
    assert int(seconds["times"]) == sum(row["count"] for row in found.values())
    stored.restart_broker()
    stored.run("loadsctl", "attach", summary["run_id"], "--output", f"json={tmp_path}/again")
    again = json.loads((tmp_path / "again").read_text())
    assert all(again[key] == summary[key] for key in ("phases", "transactions", "round_trips"))
