# SPDX-License-Identifier: MPL-2.0
"""Coroutines switched by ucontext, the fallback, live as those do that are switched by fcontext."""

import subprocess

import pytest

from reports import ROOT

ALL = ["-u", 100, "--hits", 10, "--workers", 2]


@pytest.fixture
def with_ucontext(build_dir, loads, target):
    runner = build_dir / "tests" / "ucontext" / "bin" / "loads-runner"

    def run(test, *arguments, **options):
        return loads(test, "--server-url", target.url, *arguments, runner=str(runner), **options)

    return run


def switches(program):
    """Which of the ways to switch a program has in it."""
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    return {name for name in ("jump_fcontext", "swapcontext") if name in symbols}


def test_it_is_the_other_one(build_dir):
    assert "swapcontext" in switches(build_dir / "tests" / "ucontext" / "bin" / "loads-worker")
    assert "jump_fcontext" not in switches(build_dir / "tests" / "ucontext" / "bin" / "loads-worker")


def test_example(with_ucontext, start_echo_server, tmp_path):
    """The guide's example, but for its port."""
    echo_server = start_echo_server()
    source = (ROOT / "docs" / "examples" / "example.c").read_text()
    assert "localhost:9200" in source
    (tmp_path / "example.c").write_text(source.replace("9200", str(echo_server.port)))
    run = with_ucontext("example.TestWebSite.test_es", *ALL, cwd=tmp_path)
    run.passed(1000)
    assert run.hits() == 1000


def test_crash(with_ucontext, target):
    run = with_ucontext("crash.TestCrash.test_segv", *ALL, detail=True)
    assert run.code == 1
    successes, errors, failures, interrupted = run.outcomes()
    assert (successes + errors, failures, interrupted) == (1000, 0, 0)
    assert run.hits() + run.summary["request_errors"] == 1000
    assert run.hits() <= target.counts()["answers"]
    assert any("in write_to_nowhere (crash.c:" in error["message"] for error in run.summary["errors"])


def test_stack_overflow(with_ucontext):
    run = with_ucontext("crash.TestCrash.test_overflow", *ALL)
    messages = run.messages("error")
    assert any("stack overflow in dig (crash.c:" in m and "--stack-size" in m for m in messages)


@pytest.mark.parametrize("test", ["failure", "error"])
def test_unwinding(with_ucontext, test):
    run = with_ucontext(f"life.TestEnd.test_{test}", "-u", 3, "--hits", 4)
    assert sum(run.outcomes()[1:3]) == 12
    for line in ("clean inner", "clean outer", "deferred first", "deferred second"):
        assert run.stderr.splitlines().count(line) == 12


def test_latencies(with_ucontext, target):
    run = with_ucontext("spread.TestSpread.test_delays", "-u", 10, "--hits", 2, detail=True)
    run.passed(20)
    assert run.hits() == target.counts()["answers"] == 200
    run.check_latencies()
