# SPDX-License-Identifier: MPL-2.0
"""Rows of data for tests: who gets which, and what is said of files that are no good."""

import collections
import json

import pytest

# Each iteration leaves a counter that says who had what.
MODULE = """\
#include <stdlib.h>
#include <loads/loads.h>

LOADS_FEEDER(people, "people.csv"%s);
LOADS_FEEDER(orders, "orders.jsonl"%s);

LOADS_TEST(Fed, people)
{
    const loads_row *row = loads_feed(user, &people);
    loads_incr_counter(user, loads_printf(user, "cycle %%u, user %%u: %%s", loads_cycle(user),
                                          loads_user_number(user), loads_value(row, "name")));
}

LOADS_TEST(Fed, orders)
{
    const loads_row *row = loads_feed(user, &orders);
    loads_incr_counter(user, loads_printf(user, "%%s %%s %%s %%d %%s", loads_value(row, "item"),
                                          loads_value(row, "price"), loads_value(row, "tags"),
                                          (int)loads_row_number(row), loads_row_text(row)));
}

LOADS_TEST(Fed, twice)
{
    loads_log(user, "%%s", loads_value(loads_feed(user, &people), "name"));
    loads_log(user, "%%s", loads_value(loads_feed(user, &people), "password"));
}

LOADS_TEST(Fed, column)
{
    loads_value(loads_feed(user, &people), "nmae");
}

LOADS_TEST(Fed, no_data)
{
    loads_sleep(user, 0);
}

/* Whoever is on the way out gets nothing, and no crash. */
static void leave(loads_user **user)
{
    const loads_row *row = loads_feed(*user, &people);
    if (*loads_value(row, "name") || *loads_row_text(row) || loads_random_int(*user, 1, 3) > 3) {
        abort();
    }
}

LOADS_TEST(Fed, on_the_way_out)
{
    __attribute__((cleanup(leave))) loads_user *leaves = user;
    const loads_row *row = loads_feed(leaves, &people);
    loads_fail("%%s", loads_value(row, "name"));
}
"""

TEN = "name,password\n" + "".join(f"n{i},p{i}\n" for i in range(10))
ORDERS = '{"item": "a \\"b\\"", "price": 1.10, "tags": ["x", 1]}\n\n{"item": "c", "price": 2, "tags": null}\n'


def module(options="", orders=""):
    return MODULE % (options, orders)


@pytest.fixture
def fed(runner):
    """fed(TEST, ARGUMENTS, options of the feeder, its file): how a run with them went."""

    def run(test, *arguments, options="", orders="", people=TEN, **keys):
        runner.write("fed.c", module(options, orders))
        if people is not None:
            runner.write("people.csv", people)
        return runner.summarize(f"fed.Fed.{test}", *arguments, **keys)

    return run


def given(summary):
    """{(cycle, user): Counter of names}."""
    found = collections.defaultdict(collections.Counter)
    for counter in summary["counters"]:
        who, name = counter["name"].split(": ")
        found[who][name] += counter["count"]
    return found


def names(*numbers):
    return collections.Counter(f"n{number}" for number in numbers)


def problem(ran):
    error, = ran.summary["errors"]
    return error


# ---- orders ----


def test_each_user_goes_through_the_file_from_the_start(fed):
    ran = fed("people", "-u", "3", "--hits", "4", "--workers", "2")
    assert ran.code == 0
    assert given(ran.summary) == {f"cycle 0, user {user}": names(0, 1, 2, 3) for user in range(3)}


def test_and_begins_again(fed):
    ran = fed("people", "-u", "1:2", "--hits", "12")
    assert ran.code == 0
    once = names(*range(10), 0, 1)
    assert given(ran.summary) == {"cycle 0, user 0": once, "cycle 1, user 0": once, "cycle 1, user 1": once}


def test_a_row_per_request_for_one(fed, runner):
    ran = fed("twice", "--hits", "2")
    assert [line.rsplit(": ", 1)[1] for line in ran.stderr.splitlines() if ", iteration " in line] == [
        "n0", "p1", "n2", "p3"]


def test_shuffled_by_the_seed(fed):
    """All rows before one comes again, in orders that differ; a seed means the same ones."""
    def run(hits, seed, workers):
        ran = fed("people", "-u", "4", "--hits", hits, "--seed", seed, "--workers", workers,
                  options=", .order = LOADS_SHUFFLED")
        assert ran.code == 0
        return given(ran.summary)

    assert run("10", "7", "2") == {f"cycle 0, user {user}": names(*range(10)) for user in range(4)}
    some = run("5", "7", "1")
    assert some == run("5", "7", "3")
    assert some != run("5", "8", "2")
    assert all(sum(rows.values()) == len(rows) == 5 for rows in some.values())
    assert len({frozenset(rows) for rows in some.values()}) > 1
    twice = run("20", "7", "2")
    assert all(set(rows.values()) == {2} and len(rows) == 10 for rows in twice.values())


def test_unique_per_user(fed):
    ran = fed("people", "-u", "4:10", "--hits", "3", "--workers", "3", options=", .order = LOADS_UNIQUE_PER_USER")
    assert ran.code == 0
    expected = {f"cycle {cycle}, user {user}": names(user, user, user)
                for cycle, users in ((0, 4), (1, 10)) for user in range(users)}
    assert given(ran.summary) == expected


def test_unique_over_the_run(fed):
    """Its cycles and workers included."""
    ran = fed("people", "-u", "2:3", "--hits", "2", "--workers", "3", options=", .order = LOADS_UNIQUE")
    assert ran.code == 0
    assert sum(given(ran.summary).values(), collections.Counter()) == names(*range(10))


def test_unique_over_a_crash(runner):
    """What a worker had is gone with it: nobody gets it again."""
    runner.write("people.csv", "name\n" + "".join(f"n{i}\n" for i in range(100)))
    runner.write("crash.c", """\
#include <signal.h>
#include <loads/loads.h>

LOADS_FEEDER(people, "people.csv", .order = LOADS_UNIQUE);

LOADS_TEST(Crash, once)
{
    loads_incr_counter(user, loads_value(loads_feed(user, &people), "name"));
    if (loads_user_number(user) == 2 && loads_iteration(user) == 1) {
        raise(SIGSEGV);
    }
}
""")
    ran = runner.summarize("crash.Crash.once", "-u", "4", "--hits", "5", "--workers", "2")
    assert ran.code == 1
    counts = {counter["name"]: counter["count"] for counter in ran.summary["counters"]}
    assert set(counts.values()) == {1} and len(counts) >= 19


# ---- agents ----


def on_agents(cluster, tmp_path, users, options, rows, *arguments, code=0):
    (tmp_path / "fed.c").write_text(module(options))
    (tmp_path / "people.csv").write_text("name,password\n" + "".join(f"n{i},p{i}\n" for i in range(rows)))
    cluster.run("loads-runner", "fed.Fed.people", "-a", 2, "-u", users, "--hits", 5, "--workers", 2,
                "--include-file", "people.csv", "--output", f"json={tmp_path}/summary", *arguments, cwd=tmp_path,
                code=code)
    return json.loads((tmp_path / "summary").read_text())


def test_unique_over_agents(two_agents, tmp_path):
    """Two agents of three users of five iterations of two workers: thirty rows, each once."""
    summary = on_agents(two_agents, tmp_path, 3, ", .order = LOADS_UNIQUE", 30)
    assert summary["iterations"]["successes"] == 30
    assert sum(given(summary).values(), collections.Counter()) == names(*range(30))


def test_unique_over_agents_until_rows_are_used_up(two_agents, tmp_path):
    summary = on_agents(two_agents, tmp_path, 3, ", .order = LOADS_UNIQUE, .at_end = LOADS_FAIL", 21, code=1)
    assert sum(given(summary).values(), collections.Counter()) == names(*range(21))
    assert summary["iterations"]["errors"] == 9
    assert {error["message"] for error in summary["errors"]} == {
        f"people.csv: rows are used up: all {count} that this agent has of 21 (.at_end = LOADS_FAIL is an error; "
        "LOADS_WRAP would begin again, LOADS_STOP end the user)" for count in (11, 10)}


def test_unique_per_user_over_agents(two_agents, tmp_path):
    summary = on_agents(two_agents, tmp_path, 3, ", .order = LOADS_UNIQUE_PER_USER", 6)
    assert given(summary) == {f"cycle 0, user {user}": names(*[user] * 5) for user in range(6)}


def test_a_file_that_did_not_travel(two_agents, tmp_path):
    (tmp_path / "fed.c").write_text(module())
    ran = two_agents.run("loads-runner", "fed.Fed.people", "-a", 1, cwd=tmp_path, code=1)
    assert "people.csv: it isn't there, in the test's directory /" in ran.stdout
    assert "--include-file takes" in ran.stdout


# ---- when rows are used up ----


@pytest.mark.parametrize("order", ["LOADS_SEQUENTIAL", "LOADS_SHUFFLED"])
def test_users_stop_when_rows_are_used_up(fed, order):
    """What is on counts as interrupted, once per user, and the run is over."""
    ran = fed("people", "-u", "3", "-d", "1h", options=f", .order = {order}, .at_end = LOADS_STOP")
    assert ran.code == 0
    assert ran.summary["iterations"] == {"successes": 30, "errors": 0, "failures": 0, "interrupted": 3}
    assert all(rows == names(*range(10)) for rows in given(ran.summary).values())
    assert "people.csv: rows are used up: all 10 (.at_end = LOADS_STOP ends the user)" in ran.stderr


def test_who_stopped_stays_so_after_a_crash(fed, runner):
    """In a worker that takes over, too."""
    runner.write("people.csv", TEN)
    runner.write("crash.c", """\
#include <signal.h>
#include <loads/loads.h>

LOADS_FEEDER(people, "people.csv", .at_end = LOADS_STOP);

LOADS_TEST(Crash, later)
{
    if (loads_user_number(user) == 0) {
        loads_feed(user, &people);
    } else if (loads_iteration(user) == 30) {
        raise(SIGSEGV);
    }
}
""")
    ran = runner.summarize("crash.Crash.later", "-u", "2", "--hits", "40", "--workers", "1")
    assert ran.summary["iterations"] == {"successes": 10 + 39, "errors": 1, "failures": 0, "interrupted": 1}


def test_users_of_unique_rows_stop(fed):
    ran = fed("people", "-u", "4", "--hits", "5", "--workers", "1",
              options=", .order = LOADS_UNIQUE, .at_end = LOADS_STOP")
    assert ran.code == 0
    assert ran.summary["iterations"] == {"successes": 10, "errors": 0, "failures": 0, "interrupted": 4}
    assert ran.stderr.count("rows are used up") == 1


def test_users_that_have_no_row_of_their_own(fed):
    def run(at_end):
        return fed("people", "-u", "12", "--hits", "2", options=f", .order = LOADS_UNIQUE_PER_USER{at_end}")

    ran = run("")
    assert ran.code == 1 and ran.counts["Success"] == 20 and ran.counts["Errors"] == 4
    assert problem(ran)["message"] == (
        "people.csv: rows are used up: all 10 (.at_end = LOADS_FAIL is an error; LOADS_WRAP would begin again, "
        "LOADS_STOP end the user)")
    ran = run(", .at_end = LOADS_WRAP")
    assert ran.code == 0 and given(ran.summary)["cycle 0, user 11"] == names(1, 1)
    ran = run(", .at_end = LOADS_STOP")
    assert ran.code == 0 and ran.counts["Success"] == 20 and ran.summary["iterations"]["interrupted"] == 2


def test_unique_rows_that_begin_again(fed):
    ran = fed("people", "-u", "5", "--hits", "4", options=", .order = LOADS_UNIQUE, .at_end = LOADS_WRAP")
    assert ran.code == 0
    assert sum(given(ran.summary).values(), collections.Counter()) == names(*range(10), *range(10))


def test_an_error_when_rows_are_used_up(fed):
    ran = fed("people", "--hits", "12", options=", .at_end = LOADS_FAIL")
    assert ran.code == 1 and ran.counts["Success"] == 10 and ran.counts["Errors"] == 2
    error = problem(ran)
    assert error["class"] == "feeder" and error["place"] == "fed.c:9" and error["count"] == 2


# ---- files ----


def test_json_lines(fed, runner):
    runner.write("orders.jsonl", ORDERS)
    ran = fed("orders", "--hits", "2")
    assert ran.code == 0
    assert {counter["name"] for counter in ran.summary["counters"]} == {
        'a "b" 1.1 ["x",1] 0 {"item": "a \\"b\\"", "price": 1.10, "tags": ["x", 1]}',
        'c 2 null 1 {"item": "c", "price": 2, "tags": null}'}


def test_csv_of_a_spreadsheet(fed):
    """A byte order mark, CRLF, semicolons, quotes, line ends in values, blank lines."""
    ran = fed("people", "--hits", "3", options=", .separator = ';'",
              people='\ufeffpassword;"name"\r\n\r\n1,5;"Ada ""A"""\r\n;"two; words"\r\nx;last')
    assert ran.code == 0
    assert given(ran.summary)["cycle 0, user 0"] == {'Ada "A"': 1, "two; words": 1, "last": 1}


def test_files_below_the_tests_directory(fed, runner):
    runner.write("elsewhere/people.csv", TEN)
    runner.write("elsewhere/orders.jsonl", ORDERS)
    ran = fed("orders", "--test-dir", "made", "--include-file", "elsewhere/*", people=None, orders="")
    assert ran.code == 1 and "orders.jsonl: it isn't there, in the test's directory" in problem(ran)["message"]
    ran = fed("orders", "--test-dir", "elsewhere", people=None)
    assert ran.code == 0


@pytest.mark.parametrize("people, told", [
    (None, "people.csv: it isn't there, in the test's directory /"),
    ("", "people.csv: is empty; a first line with the names of the columns is expected"),
    ("name,password\n", "people.csv: there are no rows in it"),
    ("name,password\na,b\nc\n", "people.csv: line 3: 1 value, but there are 2 columns"),
    ('name,password\na,"b\nc,d\n', "people.csv: line 2: a quote opens there and is not closed"),
    ('name,password\na,"b"c\n', "people.csv: line 2: something stands behind a value's closing quote"),
    ("name,name\na,b\n", "people.csv: line 1: two columns are called 'name'"),
    ("name\na\n", "people.csv: row 0 has no 'password'; it has name"),
])
def test_files_that_are_no_good(fed, people, told):
    """An error of each iteration that asks; tests of the module that don't are none the wiser."""
    ran = fed("twice", "-u", "2", "--hits", "2", people=people)
    assert ran.code == 1 and ran.counts["Errors"] == 4, ran
    error = problem(ran)
    assert error["message"].startswith(told) and error["class"] == "feeder", error
    assert error["place"].startswith("fed.c:")
    assert fed("no_data", people=people).code == 0


def test_a_column_that_is_not_there(fed):
    ran = fed("column")
    assert problem(ran)["message"] == "people.csv: row 0 has no 'nmae'; it has name, password"


def test_json_that_does_not_parse(fed, runner):
    """The rows around it are fine."""
    runner.write("orders.jsonl", ORDERS + '{"item": oops}\n[]\n')
    ran = fed("orders", "--hits", "4")
    assert ran.code == 1 and ran.counts["Success"] == 2 and ran.counts["Errors"] == 2
    messages = sorted(error["message"] for error in ran.summary["errors"])
    assert messages[0].startswith("orders.jsonl: line 4: not JSON: column 13: "), messages
    assert messages[1] == "orders.jsonl: line 5: not a JSON object"


@pytest.mark.parametrize("options, told", [
    (", .separator = '\\n'", "people.csv: that .separator can't part values"),
    (", .order = (enum loads_order)7", "people.csv: there is no such .order or .at_end"),
    (", .path = NULL", "a feeder without a file"),
])
def test_options_that_make_no_sense(fed, options, told):
    ran = fed("people", options=options, env={"LOADS_CFLAGS": "-Wno-override-init"})
    assert ran.code == 1 and problem(ran)["message"] == told


def test_on_the_way_out(fed):
    ran = fed("on_the_way_out", "-u", "2")
    assert ran.code == 1 and ran.counts["Failures"] == 2
    assert problem(ran)["message"] == "n0"


def test_a_file_that_is_shortened_meanwhile(fed, runner):
    """An error, no crash."""
    runner.write("shorten.c", """\
#include <unistd.h>
#include <loads/loads.h>

LOADS_FEEDER(people, "people.csv");

LOADS_TEST(Shorten, it)
{
    loads_assert_int_eq(truncate("people.csv", 5), 0);
    loads_feed(user, &people);
}
""")
    runner.write("people.csv", TEN)
    ran = runner.summarize("shorten.Shorten.it", "--workers", "1")
    assert ran.code == 1 and ran.counts["Errors"] == 1
    assert problem(ran)["message"] == "people.csv: it was changed while it was in use"


def test_a_feeder_that_is_made_by_hand(runner):
    """Its file is opened when a row is asked for."""
    runner.write("hand.c", """\
#include <loads/loads.h>

static loads_feeder made = {.path = "people.csv"};

LOADS_TEST(Hand, made)
{
    loads_assert_str_eq(loads_value(loads_feed(user, &made), "name"), "n0");
}
""")
    runner.write("people.csv", TEN)
    assert runner.run("hand.Hand.made", "-u", "3").code == 0


def test_a_large_file(fed):
    """Rows are found where they are, however many there are."""
    people = "name,password\n" + "".join(f"n{i},{'x' * 50}\n" for i in range(200000))
    ran = fed("people", "-u", "3", "--hits", "2", people=people, options=", .order = LOADS_SHUFFLED")
    assert ran.code == 0
    assert len(sum(given(ran.summary).values(), collections.Counter())) == 6
