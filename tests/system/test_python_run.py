# SPDX-License-Identifier: MPL-2.0
"""loads-runner and tests in Python: found by their names, prepared with what they need, run with what the
options say, here and on agents. What the package `loads` does is in test_python.py."""

import json
import os
import signal

import pytest

from wheels import make_wheel

PYTHON = "/usr/bin/python3"
CASE = """\
from loads.case import TestCase


class TestShop(TestCase):

    def test_get(self):
        res = self.session.get({url!r})
        self.assertEqual(res.status_code, 200)

    def test_app(self):
        self.assertEqual(self.app.get('/any').status_int, 200)
"""
VERSION_CASE = """\
import os

import marmalade
from loads.case import TestCase


class TestJar(TestCase):

    def test_version(self):
        self.incr_counter(f'version-{marmalade.VERSION}')
        self.incr_counter(f'place-{os.path.basename(os.path.dirname(marmalade.__file__))}')
"""


@pytest.fixture(autouse=True)
def system_python(monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


def counters_of(summary):
    return {counter["name"]: counter["count"] for counter in summary["counters"]}


def successes_of(summary):
    counts = summary["iterations"]
    assert counts["failures"] == counts["errors"] == counts["interrupted"] == 0, summary["errors"]
    return counts["successes"]


# ---- found by name ----


def test_a_module_in_python(runner, target):
    runner.write("shop.py", CASE.format(url=target.url + "/any"))
    ran = runner.summarize("shop.TestShop.test_get", "-u", "2:3", "--hits", 4)
    assert ran.code == 0, ran
    assert successes_of(ran.summary) == ran.summary["hits"] == target.counts()["answers"] == 20
    assert [test["test"] for test in ran.summary["tests"]] == ["TestShop.test_get"]


def test_one_in_c_comes_first(runner):
    runner.write("example.py", "raise SystemExit('in Python')\n")
    assert runner.run("--list", "example").code == 0


def test_a_module_in_a_package(runner, target):
    (runner.folder / "shop" / "tests").mkdir(parents=True)
    runner.write("shop/__init__.py", "")
    runner.write("shop/tests/cart.py", CASE.format(url=target.url + "/any"))
    ran = runner.summarize("shop.tests.cart.TestShop.test_get")
    assert (ran.code, ran.summary["hits"]) == (0, 1), ran


def test_list(runner):
    runner.write("shop.py", CASE.format(url="http://localhost:9/"))
    ran = runner.run("--list", "shop")
    assert ran.code == 0, ran
    assert ran.stdout.splitlines() == ["shop.TestShop.test_get (shop.py:6)", "shop.TestShop.test_app (shop.py:10)"]


@pytest.mark.parametrize("text", ["", "class TestShop:\n    def test_it(self):\n        pass\n",
                                  "from loads.case import TestCase\n\n\nclass TestShop(TestCase):\n"
                                  "    def buy(self):\n        pass\n"])
def test_list_of_a_module_without_tests(runner, text):
    path = runner.write("shop.py", text)
    ran = runner.run("--list", "shop")
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr == (f"loads-runner: {path} has no tests: define one as a method test_... of a class that is "
                          "derived from loads.case.TestCase\n")


def test_a_directory_of_its_own(runner, target):
    """Where the test runs isn't where its module is found, as with modules in C."""
    runner.write("shop.py", CASE.format(url=target.url + "/any"))
    ran = runner.summarize("shop.TestShop.test_get", "--test-dir", "elsewhere")
    assert (ran.code, ran.summary["hits"]) == (0, 1), ran


# ---- options ----


def test_the_server(runner, target):
    runner.write("shop.py", CASE.format(url="/any"))
    ran = runner.summarize("shop.TestShop.test_app", "--server-url", target.url, "-u", 2)
    assert (ran.code, ran.summary["hits"]) == (0, 2), ran
    assert target.counts()["answers"] == 2


@pytest.mark.parametrize("arguments, patched", [([], True), (["--no-patching"], False)])
def test_patching(runner, arguments, patched):
    runner.write("shop.py", "from gevent import monkey\nfrom loads.case import TestCase\n\n\n"
                            "class TestShop(TestCase):\n    def test_it(self):\n"
                            f"        self.assertIs(monkey.is_module_patched('socket'), {patched})\n")
    ran = runner.summarize("shop.TestShop.test_it", "-u", 2, *arguments)
    assert (ran.code, successes_of(ran.summary)) == (0, 2), ran


def test_a_duration(runner, target):
    runner.write("shop.py", CASE.format(url=target.url + "/any"))
    ran = runner.summarize("shop.TestShop.test_get", "-u", 2, "-d", 2)
    assert ran.code == 0, ran
    assert successes_of(ran.summary) == ran.summary["hits"] == target.counts()["answers"] > 2


def test_what_outlasts_the_grace_is_interrupted(runner):
    runner.write("shop.py", "import time\nfrom loads.case import TestCase\n\n\nclass TestShop(TestCase):\n"
                            "    def test_it(self):\n        time.sleep(600)\n")
    ran = runner.summarize("shop.TestShop.test_it", "-u", 3, "-d", 4, "--grace", 0)
    assert ran.summary["iterations"]["interrupted"] == 3, ran
    assert ran.summary["iterations"]["errors"] == 0


def test_an_interrupt(runner, target):
    """What is on comes to its end, and nothing more begins."""
    runner.write("shop.py", CASE.format(url=target.url + "/held"))
    running = runner.start("shop.TestShop.test_get", "-u", 3, "--hits", 100, "--output", f"json={runner.folder}/out")
    target.wait_for(lambda counts: counts["requests"] >= 3)
    running.send(signal.SIGINT)
    running.wait_for("stopping: tests that are on have 5 s to end")
    target.release()
    ran = running.wait()
    summary = json.loads((runner.folder / "out").read_text())
    assert ran.code == 130
    assert 3 <= summary["iterations"]["successes"] < 300
    assert summary["iterations"]["interrupted"] == summary["iterations"]["errors"] == 0
    assert summary["hits"] == summary["iterations"]["successes"]


# ---- dependencies ----


def test_a_wheel(runner):
    make_wheel(runner.folder, "1.5")
    runner.write("jar.py", VERSION_CASE)
    ran = runner.summarize("jar.TestJar.test_version", "--python-dep", "marmalade-1.5-py3-none-any.whl")
    assert ran.code == 0, ran
    assert counters_of(ran.summary) == {"version-1.5": 1, "place-python": 1}


def test_a_version_from_an_index(runner, tmp_path, monkeypatch):
    """By pip's own variables, as on a machine without an index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "1.5")
    make_wheel(wheels, "1.6")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    runner.write("jar.py", VERSION_CASE)
    ran = runner.summarize("jar.TestJar.test_version", "--python-dep", "marmalade==1.5")
    assert (ran.code, counters_of(ran.summary)["version-1.5"]) == (0, 1), ran
    ran = runner.run("jar.TestJar.test_version", "--python-dep", "marmalade==2.5")
    assert ran.code == 2
    assert "No matching distribution found for marmalade==2.5" in ran.stderr
    assert "pip cannot install what the test needs (--python-dep marmalade==2.5)" in ran.stderr


@pytest.mark.parametrize("dep, words", [
    ("--index-url", "neither a project's name"),
    ("http://user:secret@localhost:9/a.whl", "is a URL, but a project's name"),
    ("git+https://localhost:9/a", "is a URL, but a project's name"),
    ("no-such.whl", "cannot read --python-dep no-such.whl: No such file"),
    ("", "is empty"),
])
def test_what_is_no_dependency(runner, dep, words):
    runner.write("jar.py", VERSION_CASE)
    ran = runner.run("jar.TestJar.test_version", f"--python-dep={dep}")
    assert ran.code == 2
    assert words in ran.stderr and len(ran.stderr.splitlines()) == 1
    assert "secret" not in ran.stderr


def test_dependencies_are_for_python(runner):
    ran = runner.run("example.TestExample.test_it", "--python-dep", "requests")
    assert ran.code == 2
    assert "--python-dep: the module 'example' is in C, not in Python" in ran.stderr
    ran = runner.run("http://localhost:9/", "--python-dep", "requests")
    assert (ran.code, "--python-dep is for tests in Python" in ran.stderr) == (2, True)


# ---- what can't be ----


@pytest.mark.parametrize("text, name, words", [
    ("import no_such_module\n", "shop.TestShop.test_it", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("def f(:\n", "shop.TestShop.test_it", "SyntaxError"),
    ("import sys\nsys.exit(3)\n", "shop.TestShop.test_it", "SystemExit: 3"),
    ("import os\nos._exit(3)\n", "shop.TestShop.test_it", ""),
])
def test_a_test_that_cannot_be_imported(runner, text, name, words):
    runner.write("shop.py", text)
    ran = runner.run(name)
    assert ran.code == 2
    assert words == "" or ran.stderr.count(words) == 1, ran.stderr
    assert f"Python cannot use {name}, as it says itself" in ran.stderr
    assert "importlib" not in ran.stderr and "runner.py" not in ran.stderr


@pytest.mark.parametrize("text, words", [
    ("", "there is no class 'TestShop' in {path}; with tests: none"),
    ("class TestShop:\n    pass\n", "'TestShop' in {path} is not a TestCase of loads.case"),
    (CASE.format(url="/"), "there is no test 'test_it' in TestShop of {path}; there are: test_app, test_get"),
])
def test_a_test_that_is_not_there(runner, text, words):
    """One message, as for modules in C."""
    path = runner.write("shop.py", text)
    ran = runner.run("shop.TestShop.test_it")
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr == f"loads-runner: {words.format(path=path)}\n"


def test_what_a_module_prints_is_not_among_its_tests(runner):
    runner.write("shop.py", "import os\nprint('hello from it', flush=True)\nos.system('echo and from there')\n" +
                 CASE.format(url="/"))
    ran = runner.run("--list", "shop")
    assert (ran.code, len(ran.stdout.splitlines())) == (0, 2), ran
    assert "hello from it\nand from there\n" in ran.stderr


def test_an_interpreter_without_the_package(runner, tmp_path, monkeypatch):
    """A virtual environment is used, for better or worse."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    python = tmp_path / "venv" / "bin" / "python3"
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    runner.write("shop.py", CASE)
    ran = runner.run("shop.TestShop.test_get")
    assert (ran.code, "install the package python3-loads" in ran.stderr) == (2, True), ran
    python.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {PYTHON} -S "$@"\n')
    python.chmod(0o755)
    ran = runner.run("shop.TestShop.test_get")
    assert ran.code == 2
    assert f"{python} has no package 'loads', which tests in Python need: install the package" in ran.stderr


# ---- on agents ----


def test_on_agents(two_agents, target, tmp_path):
    (tmp_path / "shop.py").write_text(CASE.format(url=target.url + "/any"))
    two_agents.run("loads-runner", "shop.TestShop.test_get", "-a", 2, "-u", "1:3", "--hits", 5, "--output",
                   f"json={tmp_path}/summary", cwd=tmp_path)
    summary = json.loads((tmp_path / "summary").read_text())
    assert successes_of(summary) == summary["hits"] == target.counts()["answers"] == 2 * (1 + 3) * 5


def test_a_wheel_travels(two_agents, tmp_path):
    elsewhere = tmp_path / "wheels"
    elsewhere.mkdir()
    wheel = make_wheel(elsewhere, "1.7")
    (tmp_path / "jar.py").write_text(VERSION_CASE)
    two_agents.run("loads-runner", "jar.TestJar.test_version", "-a", 2, "--python-dep", wheel, "--output",
                   f"json={tmp_path}/summary", cwd=tmp_path)
    assert counters_of(json.loads((tmp_path / "summary").read_text()))["version-1.7"] == 2


def test_what_agents_cannot_import(two_agents, tmp_path):
    (tmp_path / "shop.py").write_text("import no_such_module\n")
    ran = two_agents.run("loads-runner", "shop.TestShop.test_get", "-a", 2, cwd=tmp_path, code=4)
    text = ran.stdout + ran.stderr
    assert "Python cannot use shop.TestShop.test_get, as it says itself" in text
    assert "ModuleNotFoundError: No module named 'no_such_module'" in text
