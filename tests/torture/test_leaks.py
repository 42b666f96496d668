# SPDX-License-Identifier: MPL-2.0
"""That no system test loses memory is told by LeakSanitizer, at the end of each program that it runs.
Here some programs do lose memory: those ways of running them that system tests use must all notice."""

import os

import pytest

pytestmark = pytest.mark.quick


@pytest.fixture
def leak_in(program, monkeypatch):
    """leak_in(program): from now on it leaks."""

    def make(name):
        assert "verify" not in os.environ.get("ASAN_OPTIONS", "")
        monkeypatch.setenv("LD_PRELOAD", program("leak.so"))
        monkeypatch.setenv("LEAK_IN", name)
        monkeypatch.setenv("ASAN_OPTIONS", "verify_asan_link_order=0")

    return make


@pytest.mark.parametrize("name", ["loads-runner", "loads-worker"])
def test_reports(start_loads, target, module, leak_in, name):
    """As tests/system/reports.py runs it."""
    arguments = ["torture.TestKill.test_two", "--server-url", target.url]
    start_loads(*arguments, cwd=module).finish().passed(1)
    leak_in(name)
    with pytest.raises(AssertionError, match="LeakSanitizer"):
        start_loads(*arguments, cwd=module).finish()


@pytest.mark.parametrize("name", ["loads-runner", "loads-worker"])
def test_runner(runner, target, leak_in, name):
    """As tests/system/runner.py runs it."""
    arguments = ["example.TestWebSite.test_es", "--server-url", target.url]
    assert runner.run(*arguments).code == 0
    leak_in(name)
    with pytest.raises(AssertionError, match="LeakSanitizer"):
        runner.run(*arguments)


@pytest.mark.parametrize("name, arguments", [
    ("loads-echo-server", ["--port", "0"]), ("loads-test-target", [])])
def test_server(program, tmp_path, leak_in, name, arguments):
    """As the fixture `start` runs servers: it wants an exit status of 0."""
    from system_conftest import Server

    leak_in(name)
    server = Server([program(name), *arguments], tmp_path)
    server.read_line()
    assert server.stop() != 0
    assert "LeakSanitizer" in server.stderr()
