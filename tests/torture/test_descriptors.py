# SPDX-License-Identifier: MPL-2.0
"""loads-runner with few descriptors, and no way to get more.

From a number that no program starts with, up to enough for all. In between, what is missing is missing
at every place there is: each such run ends by itself, with one clear message, or goes its way and
counts as errors the requests that got no connection.
"""

import re

import pytest

USERS, ITERATIONS = 20, 3
TOTAL = USERS * ITERATIONS
LACK = re.compile(r"descriptors|[Tt]oo many open files")


@pytest.fixture
def limited(start_loads, wrapper, target, module):
    def run(limit, *arguments, **options):
        started = start_loads("torture.TestKill.test_two", "--server-url", target.url, "-u", USERS,
                              "--hits", ITERATIONS, *arguments, cwd=module,
                              runner=wrapper(f"ulimit -n {limit}"), **options)
        return started.finish()

    return run


def assert_told(run):
    """Nothing ran: a line says what is lacking; the runner says it once."""
    lines = [line for line in run.stderr.splitlines() if line.startswith("loads-runner: ")]
    assert len(lines) == 1 and LACK.search(run.stderr), run.said()


@pytest.mark.parametrize("limit", range(3, 25))
def test_few(limited, module_cache, start_loads, target, module, limit):
    # What is compiled is there already: the compiler's troubles are its own.
    start_loads("torture.TestKill.test_two", "--server-url", target.url, cwd=module).finish().passed(1)
    target.reset_counts()
    run = limited(limit, "--workers", 2, detail=limit % 2 == 0)
    if run.summary is None or run.code == 4:
        assert run.code in (2, 4, 127), run.said()  # 127: the dynamic loader has no descriptor
        if run.code != 127:
            assert_told(run)
        return
    assert sum(run.outcomes()) == TOTAL, run.said()
    assert run.hits() == target.counts()["answers"]
    for message in run.messages("error"):
        assert f"out of file descriptors (limit {limit})" in message, run.said()
    assert run.code == (1 if run.outcomes()[1] else 0)


@pytest.mark.quick
def test_users_run_out(limited, target):
    """A worker starts, but some of its users get no connection; who has one goes on."""
    run = limited(25, "--workers", 1)
    successes, errors, failures, interrupted = run.outcomes()
    assert run.code == 1, run.said()
    assert (successes + errors, failures, interrupted) == (TOTAL, 0, 0)
    assert successes > 0 and errors > 0
    assert run.hits() == target.counts()["answers"]
    (message,) = run.messages("error")
    assert "out of file descriptors (limit 25): raise it with ulimit -n" in message
