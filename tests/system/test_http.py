# SPDX-License-Identifier: MPL-2.0
"""What tests can do, judged by the answers that a server counted."""

import re

import pytest

from reports import MODULES


@pytest.fixture
def against(loads, target):
    """against(test, *arguments): a run of http.c or life.c; the target saw what it reports."""

    def run(test, *arguments, module="http", **options):
        result = loads(f"{module}.{test}", "--server-url", target.url, *arguments, **options)
        counts = target.wait_for(lambda counts: counts["connections"]["open"] == 0)
        assert counts["answers"] >= result.hits()
        return result

    return run


def assert_same_counts(run, target):
    """Hits are the answers that the target completed, by status too."""
    counts = target.counts()
    assert run.hits() == counts["answers"]
    assert {str(status): hits for status, hits in run.statuses().items()} == {
        status: hits for status, hits in counts["statuses"].items() if hits
    }


# What only asserts, and the hits of an iteration.
PASSING = {
    "TestRequest.test_methods": 7,
    "TestRequest.test_method_macros": 7,
    "TestRequest.test_body": 3,
    "TestRequest.test_large_body": 1,
    "TestRequest.test_json_body": 2,
    "TestRequest.test_headers": 4,
    "TestRequest.test_names": 5,
    "TestRedirect.test_followed": 4,
    "TestRedirect.test_not_followed": 1,
    "TestRedirect.test_as_many_as_allowed": 31,
    "TestRedirect.test_methods": 10,
    "TestRedirect.test_credentials_stay": 7,
    "TestRedirect.test_url_credentials_stay": 4,
    "TestSession.test_cookies": 3,
    "TestSession.test_cookie_of_a_redirect": 2,
    "TestSession.test_reset": 2,
    "TestSession.test_basic_auth": 3,
    "TestAnswer.test_coded": 7,
    "TestAnswer.test_large": 3,
    "TestAnswer.test_without_body": 4,
    "TestAnswer.test_headers": 3,
    "TestAnswer.test_json": 2,
}


@pytest.mark.parametrize("test", PASSING)
def test_passes(against, target, test):
    run = against(test)
    run.passed(1)
    hits = PASSING[test]
    hits -= test == "TestSession.test_cookies" and -1  # the first iteration has one more
    assert run.hits() == hits
    assert run.summary["request_errors"] == 0
    assert_same_counts(run, target)


def test_names(against):
    run = against("TestRequest.test_names", "-u", 2, "--hits", 3)
    base = run.summary["options"]["server_url"]
    assert {(n["method"], n["name"]): n["hits"] for n in run.summary["names"]} == {
        ("GET", f"{base}/any/thing"): 12,
        ("GET", "missing"): 6,
        ("POST", "item"): 12,
    }
    (missing,) = [n for n in run.summary["names"] if n["name"] == "missing"]
    assert (missing["good"], missing["success_rate"]) == (0, 0)


def test_refused_requests(against, target):
    run = against("TestRequest.test_bad_headers")
    run.passed(1)
    assert (run.hits(), run.summary["request_errors"]) == (0, 5)
    assert target.counts()["requests"] == 0
    assert {error["class"] for error in run.summary["errors"]} == {"request"}


# ---- requests without an answer ----


@pytest.mark.parametrize(
    "test, arguments",
    [
        ("TestNoAnswer.test_timeout", []),
        ("TestNoAnswer.test_redirects_share_timeout", []),
        ("TestNoAnswer.test_default_timeout", ["--timeout", "50ms"]),
    ],
)
def test_timeout(against, test, arguments):
    run = against(test, "--hits", 2, *arguments)
    assert run.code == 1
    assert run.outcomes() == (0, 2, 0, 0)
    assert run.summary["request_errors"] == 2
    error = run.error()
    assert (error["kind"], error["class"], error["count"]) == ("error", "timeout", 2)
    assert re.fullmatch(r"http\.c:\d+", error["place"])


def test_may_fail(against, target):
    run = against("TestNoAnswer.test_may_fail", "-u", 2)
    run.passed(2)
    assert (run.hits(), run.summary["request_errors"]) == (2, 12)
    assert_same_counts(run, target)
    assert sum(run.messages("error").values()) == 12


def test_faults(against, target):
    run = against("TestNoAnswer.test_faults", "-u", 4, "--hits", 10)
    assert run.outcomes() == (0, 40, 0, 0)
    assert (run.hits(), run.summary["request_errors"]) == (0, 40)
    counts = target.counts()
    assert (counts["requests"], counts["answers"]) == (40, 0)
    assert (counts["resets"], counts["cut"]) == (24, 16)
    assert {error["class"] for error in run.summary["errors"]} == {"reset", "protocol"}


@pytest.mark.parametrize("test", ["test_broken_gzip", "test_cut_gzip"])
def test_undecodable(against, test):
    run = against(f"TestNoAnswer.{test}", "--hits", 2)
    assert run.outcomes() == (0, 2, 0, 0)
    error = run.error()
    assert (error["class"], error["count"]) == ("decoding", 2)


def test_nobody_listens(loads):
    run = loads("http.TestAnswer.test_json", "--server-url", "http://127.0.0.1:1")
    assert run.outcomes() == (0, 1, 0, 0)
    assert run.error()["class"] == "connect"


def test_unknown_host(loads):
    run = loads("http.TestAnswer.test_json", "--server-url", "http://nowhere.invalid")
    assert run.outcomes() == (0, 1, 0, 0)
    assert run.error()["class"] == "resolve"
    assert "nowhere.invalid" in run.error()["message"]


# ---- redirects and sessions ----


def test_too_many_redirects(against):
    run = against("TestRedirect.test_too_many")
    assert run.outcomes() == (0, 1, 0, 0)
    assert run.hits() == 31
    error = run.error()
    assert error["class"] == "redirect"
    assert "more than 30 redirects" in error["message"]


def test_cookies_are_kept_and_apart(against):
    run = against("TestSession.test_cookies", "-u", 5, "--hits", 4, "--workers", 2)
    run.passed(20)
    assert run.hits() == 5 * (4 * 3 + 1)


def test_cycles_begin_with_new_users(against):
    against("TestSession.test_cookies", "-u", "2:3", "--hits", "2:3").passed(25)


def test_users_keep_their_connection(against, target):
    against("TestRequest.test_names", "-u", 7, "--hits", 5, "--workers", 2).passed(35)
    assert target.counts()["connections"]["accepted"] == 7


def test_reset_closes_connections(against, target):
    against("TestSession.test_reset", "-u", 2, "--hits", 3).passed(6)
    assert target.counts()["connections"]["accepted"] == 2 * 3 * 2


def test_address_that_refuses(against, target, build_dir):
    """A name with two addresses, of which the first has nobody listening."""
    run = against(
        "TestSession.test_address_that_refuses",
        "-u",
        3,
        "--hits",
        4,
        environment={
            "LD_PRELOAD": str(build_dir / "tests" / "two_addresses.so"),
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        },
    )
    run.passed(12)
    assert (run.hits(), run.summary["request_errors"]) == (12, 0)
    assert target.counts()["connections"]["accepted"] == 3


# ---- JSON ----


def test_wrong_json(against, target):
    run = against("TestAnswer.test_wrong_json", "--hits", 10)
    assert run.outcomes() == (0, 0, 10, 0)
    url = f"{target.url}/json"
    assert run.messages("failure") == {
        f'the JSON at "name" is a string, expected a whole number (answer of {url})': 1,
        f'the JSON at "numbers" is an array, expected a string (answer of {url})': 1,
        f'the JSON at "numbers[1]" is a fraction, expected a whole number (answer of {url})': 1,
        f'the JSON at "nothing" is null, expected a number (answer of {url})': 1,
        f'the JSON at "nested" is an object, expected true or false (answer of {url})': 1,
        f'the JSON at "nested.yes" is true, expected an array (answer of {url})': 1,
        f'the JSON has nothing at "nested.maybe" (answer of {url})': 1,
        f'the JSON has nothing at "numbers[3]" (answer of {url})': 1,
        f'the JSON has nothing at "numbers[" (answer of {url})': 1,
        next(m for m in run.messages("failure") if m.startswith("the body is not JSON: line 1")): 1,
    }


# ---- how iterations end ----

END = ["clean inner", "clean outer", "deferred second", "deferred first"]


def said(run):
    words = ("clean", "deferred", "went", "last", "status")
    return [line for line in run.stderr.splitlines() if line.startswith(words)]


def test_end_by_return(against):
    run = against("TestEnd.test_return", "--hits", 2, module="life").passed(2)
    assert said(run) == ["clean inner", "went on", "clean outer", *END[2:]] * 2


@pytest.mark.parametrize("test, outcomes", [("failure", (0, 0, 3, 0)), ("error", (0, 3, 0, 0))])
def test_end_by_what_goes_wrong(against, test, outcomes):
    run = against(f"TestEnd.test_{test}", "--hits", 3, module="life")
    assert (run.code, run.outcomes()) == (1, outcomes)
    assert said(run) == END * 3


@pytest.mark.parametrize("test", ["asleep", "waiting", "by_name"])
def test_end_by_being_cut(against, test):
    run = against(
        f"TestEnd.test_cut_{test}", "-d", "2", "--grace", "100ms", "-u", 2, "--workers", 1,
        module="life",
    )
    assert (run.code, run.outcomes()) == (1, (0, 0, 0, 2))  # it tells nothing good
    assert sorted(said(run)) == sorted(END * 2)
    assert run.summary["errors"] == []


def test_interrupted(start_loads, target):
    """Ctrl-C ends the run after the grace, with its summary."""
    run = start_loads(
        "life.TestEnd.test_cut_waiting", "--server-url", target.url, "-u", 4, "--grace", "100ms"
    )
    target.wait_for(lambda counts: counts["requests"] == 4)
    run.interrupt()
    run = run.finish()
    assert (run.code, run.outcomes()) == (130, (0, 0, 0, 4))
    assert run.summary["outcome"] == "interrupted"
    assert sorted(said(run)) == sorted(END * 4)


def test_interrupted_twice(start_loads, target):
    """The second Ctrl-C doesn't wait for the grace."""
    run = start_loads(
        "life.TestEnd.test_cut_waiting", "--server-url", target.url, "-u", 4, "--grace", "1h"
    )
    target.wait_for(lambda counts: counts["requests"] == 4)
    run.interrupt()
    run.wait_for(lambda: "stopping" in run.err_path.read_text())
    run.interrupt()
    run = run.finish()
    assert (run.code, run.outcomes()) == (130, (0, 0, 0, 4))


def test_deferred_requests(against, target):
    run = against("TestDeferred.test_request", "--hits", 2, module="life")
    assert run.outcomes() == (0, 0, 2, 0)
    assert run.statuses() == {201: 2}
    assert run.counters() == {"deferred": 2}
    assert_same_counts(run, target)


def test_deferred_failure(against):
    run = against("TestDeferred.test_failure", module="life")
    assert run.outcomes() == (0, 0, 1, 0)
    assert run.error()["message"] == "in the deferred function"
    assert said(run) == ["last"]


def test_api_while_unwinding(against, target):
    run = against("TestDeferred.test_api_while_unwinding", module="life")
    assert run.outcomes() == (0, 0, 1, 0)
    assert said(run) == ["status 0: the iteration is at its end"]
    assert (run.hits(), run.counters(), target.counts()["requests"]) == (0, {}, 0)


# ---- the rest of the API ----


def test_log(loads):
    run = loads("life.TestRest.test_log", "-u", 2, "--hits", 2).passed(4)
    for user in range(2):
        for iteration in range(2):
            assert run.stderr.count(f"user {user}, iteration {iteration}: hello 42") == 1


def test_counters(loads):
    run = loads("life.TestRest.test_counters", "-u", 4, "--hits", 5, "--workers", 2).passed(20)
    assert run.counters() == {"one": 20, "more": 140, "less": -40, "huge": 20 << 40}
    assert re.search(r"^Counters\n(  .*\n)*  more +140\n", run.stdout, re.MULTILINE)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_numbers(loads, workers):
    """Users are numbered over all workers, iterations per user, cycles per run: each exactly once."""
    run = loads("life.TestRest.test_numbers", "-u", "2:5", "--hits", "3:1", "--workers", workers)
    run.passed(2 * 3 + 2 + 5 * 3 + 5)
    assert run.counters() == {
        f"{cycle}/{user}/{iteration}": 1
        for cycle, (users, hits) in enumerate([(2, 3), (2, 1), (5, 3), (5, 1)])
        for user in range(users)
        for iteration in range(hits)
    }


def test_memory(loads):
    loads("life.TestRest.test_memory", "-u", 3, "--hits", 3).passed(9)


def test_no_such_time(loads):
    run = loads("life.TestRest.test_no_such_time")
    assert run.outcomes() == (0, 1, 0, 0)
    error = run.error()
    assert (error["kind"], error["message"], error["place"]) == ("error", "loads_sleep(-1): no such time", "")


def test_no_server_url(loads):
    loads("life.TestRest.test_server_url").passed(1)


# ---- assertions ----


def failing_assertions():
    lines = (MODULES / "assertions.c").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if match := re.search(r"CASE (\d+): .* /\* => (.*) \*/$", line):
            yield int(match[1]), f"assertions.c:{number}", match[2]


def test_assertions_that_hold(loads):
    loads("assertions.TestAssertions.test_holding", "--hits", 3).passed(3)


def test_assertions_that_fail(loads):
    cases = list(failing_assertions())
    assert [case for case, _, _ in cases] == list(range(len(cases)))
    run = loads("assertions.TestAssertions.test_failing", "--hits", len(cases), detail=True)
    assert run.outcomes() == (0, 0, len(cases), 0)
    assert {(error["place"], error["message"]) for error in run.summary["errors"]} == {
        (place, message) for _, place, message in cases
    }
    assert [event["exc_info"][0] for event in run.events_of("addFailure")] == [
        message for _, _, message in cases
    ]


def test_every_assertion_is_tried():
    header = (MODULES.parents[2] / "lib" / "include" / "loads" / "loads.h").read_text()
    module = (MODULES / "assertions.c").read_text()
    holding, failing = module.split("test_failing", 1)
    names = set(re.findall(r"#define (loads_assert\w*|loads_fail)\(", header))
    for name in names - {"loads_fail"}:
        assert re.search(rf"\b{name}\(", holding), f"{name} that holds"
    for name in names:
        assert re.search(rf"\b{name}\(", failing), f"{name} that fails"


def test_long_values(loads):
    run = loads("assertions.TestAssertions.test_long_values")
    message = run.error()["message"]
    assert message == 'value is "' + "x" * 200 + '…", expected "short"'


def test_odd_values(loads):
    """Neither the terminal nor a reader of JSON is harmed by what a server sent."""
    run = loads("assertions.TestAssertions.test_odd_values", detail=True)
    assert run.outcomes() == (0, 0, 1, 0)
    assert "\x1b" not in run.stdout
    assert 'expected "short"' in run.error()["message"]
