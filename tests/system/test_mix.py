# SPDX-License-Identifier: MPL-2.0
"""Several tests in one run, of several modules: those of one are in test_journey.py."""

import json

import pytest

# Two modules that know nothing of each other: names of suites, tests, functions and variables are the same.
MODULE = """\
#include <stdlib.h>
#include <loads/loads.h>

struct mine {{
    {type} value;
}};

const char *name = "{module}";
static int constructed;
LOADS_FEEDER(rows, "{module}.csv");

__attribute__((constructor)) static void construct(void)
{{
    constructed++;
}}

void tell(loads_user *user, const char *what)
{{
    loads_incr_counter(user, loads_printf(user, "%s %s", name, what));
}}

LOADS_USER_SET_UP(Shop)
{{
    LOADS_STATE(user, struct mine)->value = {value};
    tell(user, "user set-up");
}}

LOADS_SET_UP(Shop)
{{
    loads_assert_int_eq(constructed, 1);
    loads_assert_true(LOADS_STATE(user, struct mine)->value == {value});
    tell(user, "set-up");
}}

LOADS_TEAR_DOWN(Shop)
{{
    tell(user, "tear-down");
}}

LOADS_USER_TEAR_DOWN(Shop)
{{
    loads_assert_true(LOADS_STATE(user, struct mine)->value == {value});
    tell(user, "user tear-down");
}}

LOADS_TEST(Shop, visit)
{{
    loads_assert_str_eq(loads_value(loads_feed(user, &rows), "name"), name);
    tell(user, loads_printf(user, "user %u, iteration %u", loads_user_number(user), loads_iteration(user)));
    loads_get(user, "/any", .name = "visit");
}}

LOADS_TEST(Shop, {module}_only)
{{
    tell(user, loads_printf(user, "user %u, iteration %u", loads_user_number(user), loads_iteration(user)));
}}

LOADS_TEST(Shop, crash)
{{
    abort();
}}
"""
COUNTED = ("user set-up", "set-up", "tear-down", "user tear-down")


def write_modules(folder):
    for module, kind, value in (("books", "long", "7"), ("tools", "char", "'x'")):
        (folder / f"{module}.c").write_text(MODULE.format(module=module, type=kind, value=value))
        (folder / f"{module}.csv").write_text(f"name\n{module}\n")


@pytest.fixture
def modules(runner, target):
    """modules(TEST, …): a run of tests of books.c and tools.c."""
    write_modules(runner.folder)

    def run(*arguments):
        return runner.summarize(*arguments, "--server-url", target.url)
    return run


def counters(summary):
    return {counter["name"]: counter["count"] for counter in summary["counters"]}


def choices(summary):
    """Which test each iteration of each user was of: [(number, text of user and iteration)]."""
    return sorted(name.split(" ", 1) for name in counters(summary) if "iteration" in name)


def successes(summary):
    return {row["test"]: row["successes"] for row in summary["tests"] if row["successes"]}


def test_two_modules(modules):
    """Each has its own functions, variables, feeders and what it does around its tests."""
    ran = modules("books.Shop.visit:3", "tools.Shop.tools_only", "-u", 10, "--hits", 20, "--seed", 7)
    done = successes(ran.summary)
    assert ran.code == 0, ran
    assert set(done) == {"Shop.visit", "Shop.tools_only"} and sum(done.values()) == 200
    assert done["Shop.visit"] > done["Shop.tools_only"] > 0
    for module, n in (("books", done["Shop.visit"]), ("tools", done["Shop.tools_only"])):
        counts = [counters(ran.summary).get(f"{module} {what}") for what in COUNTED]
        assert counts == [10, n, n, 10], ran.summary["counters"]
    assert ran.summary["options"]["fqn"] == "books.Shop.visit:3 tools.Shop.tools_only"


def test_tests_that_are_called_the_same(modules):
    """They are told by their whole names, and their hits apart."""
    ran = modules("books.Shop.visit", "tools.Shop.visit", "books.Shop.books_only", "-u", 5, "--hits", 12, "--seed", 3)
    assert ran.code == 0, ran
    done = successes(ran.summary)
    assert set(done) == {"books.Shop.visit", "tools.Shop.visit", "Shop.books_only"}
    assert {row["test"]: row["hits"] for row in ran.summary["names"]} == {
        name: done[name] for name in ("books.Shop.visit", "tools.Shop.visit")}


def test_the_choice_is_by_place_not_by_module(modules):
    """So it is the same whichever modules the tests are of, and however many workers there are."""
    arguments = ["-u", 7, "--hits", 10, "--seed", 7]
    one = modules("books.Shop.books_only:2", "books.Shop.visit:3", *arguments, "--workers", 1).summary
    two = modules("books.Shop.books_only:2", "tools.Shop.visit:3", *arguments, "--workers", 2).summary
    assert successes(one) == successes(two)
    chosen = {what for module, what in choices(two) if module == "books"}
    assert len(choices(two)) == 70 and len(chosen) == successes(two)["Shop.books_only"]


def test_a_compiled_one_and_one_that_is_not(modules, runner):
    """And one of a file that goes by two names, whose constructors run once."""
    assert modules("tools.Shop.visit", "books.Shop.visit", "--hits", 2).code == 0
    compiled = [path for path in (runner.cache / "loads").iterdir() if b"tools_only" in path.read_bytes()]
    (runner.folder / "tools.so").write_bytes(compiled[0].read_bytes())
    (runner.folder / "tools.c").unlink()
    (runner.folder / "again.so").symlink_to("tools.so")
    ran = modules("tools.Shop.visit", "books.Shop.visit", "again.Shop.visit", "--hits", 30, "--seed", 1)
    assert ran.code == 0, ran
    assert set(successes(ran.summary)) == {"tools.Shop.visit", "books.Shop.visit", "again.Shop.visit"}


def test_each_module_is_in_the_cache(modules, runner):
    def cached():
        return {path.name: path.stat().st_ino for path in (runner.cache / "loads").iterdir()}

    arguments = ["books.Shop.visit", "tools.Shop.visit", "--hits", 1]
    assert modules(*arguments).code == 0
    before = cached()
    with open(runner.folder / "tools.c", "a") as source:
        source.write("int another;\n")
    assert modules(*arguments).code == 0
    assert before.items() < cached().items() and len(cached()) == len(before) + 1


def test_a_crash_in_the_second_module(modules):
    ran = modules("books.Shop.books_only", "tools.Shop.crash:1000000", "--hits", 1, "--seed", 1)
    assert ran.code == 1
    error, = ran.summary["errors"]
    assert error["test"] == "Shop.crash" and error["message"].endswith("in Shop_crash (tools.c:60)"), error
    assert error["place"] == "tools.c:60", error


@pytest.mark.parametrize("arguments, words", [
    (["books.Shop.visit", "tools.Shop.buy"],
     "tools.c, which has:\n  Shop.visit\n  Shop.tools_only\n"),
    (["books.Shop.visit", "wrong.Shop.visit"], "wrong.c doesn't compile"),
    (["wrong.Shop.visit", "nowhere.Shop.visit"], "there is no module 'nowhere': neither "),
    (["books.Shop.visit", "empty.Shop.visit"], " has no tests: define one with LOADS_TEST(Suite, test)"),
    (["books.Shop.visit", "hook.Shop.visit"], "hook.c:3: LOADS_SET_UP(Shp): no test is of that suite"),
    (["books.Shop.visit", "tools.Shop.visit", "books.Shop.visit:2"], "'books.Shop.visit' is there twice"),
    (["books.Shop.visit", "script.Shop.test_it"],
     "the module 'script' is in Python and 'books' in C: the tests of a run are in one language"),
    (["script.Shop.test_it", "books.Shop.visit"],
     "the module 'script' is in Python and 'books' in C: the tests of a run are in one language"),
    (["books.Shop.visit", "tools.Shop.visit", "--python-dep", "x"],
     "--python-dep: the module 'books' is in C, not in Python"),
])
def test_mistakes(runner, arguments, words):
    write_modules(runner.folder)
    runner.write("wrong.c", "#include <loads/loads.h>\nLOADS_TEST(Shop, visit) { nonsense }\n")
    runner.write("empty.c", "#include <loads/loads.h>\n")
    runner.write("hook.c", "#include <loads/loads.h>\nLOADS_TEST(Shop, visit) {}\nLOADS_SET_UP(Shp) {}\n")
    runner.write("script.py", "")
    ran = runner.run(*arguments)
    assert ran.code == 2, ran
    assert words in ran.stderr, ran


# ---- on agents ----


def run_on_agents(cluster, folder, *arguments, **options):
    path = folder / "summary"
    cluster.run("loads-runner", *arguments, "-a", 2, "--output", f"json={path}", cwd=folder, **options)
    return json.loads(path.read_text())


def test_two_modules_on_agents(two_agents, modules, tmp_path, target):
    """All of them travel, and users choose what they would choose on one machine."""
    write_modules(tmp_path)
    tests = ["books.Shop.visit", "tools.Shop.tools_only:2", "tools.Shop.visit"]
    summary = run_on_agents(two_agents, tmp_path, *tests, "-u", 3, "--hits", 8, "--seed", 7, "--include-file",
                            "*.csv", "--server-url", target.url)
    local = modules(*tests, "-u", 6, "--hits", 8, "--seed", 7).summary
    assert choices(summary) == choices(local)
    assert successes(summary) == successes(local)


@pytest.mark.parametrize("other, code, words", [
    ("tools.Shop.buy", 4, "there is no test tools.Shop.buy in /"),
    ("wrong.Shop.visit", 4, "wrong.c doesn't compile"),
    ("nowhere.Shop.visit", 2, "there is no module 'nowhere'"),
    ("script.Shop.test_it", 4, "the module 'script' is in Python and 'books' in C"),
])
def test_mistakes_on_agents(two_agents, tmp_path, other, code, words):
    write_modules(tmp_path)
    (tmp_path / "wrong.c").write_text("#include <loads/loads.h>\nLOADS_TEST(Shop, visit) { nonsense }\n")
    (tmp_path / "script.py").write_text("")
    ran = two_agents.run("loads-runner", "books.Shop.visit", other, "-a", 2, cwd=tmp_path, code=code)
    assert words in ran.stderr, ran


# ---- in Python ----

SCRIPT = """\
import os
import socket
import time

from loads.case import TestCase

made = []


def setUpModule():
    made.append("module")


def tearDownModule():
    print("{module}:", *made)


class Base(TestCase):

    def note(self):
        self.incr_counter(f"{module} user {{self.user.number - 1}}, iteration {{self.user.hit - 1}}")


class Shop(Base):

    @classmethod
    def setUpClass(cls):
        made.append("class")

    @classmethod
    def tearDownClass(cls):
        made.append("torn down")

    def __init__(self, name):
        super().__init__(name)
        self.instances = 0
        self.incr = 0

    def setUp(self):
        self.instances += 1
        if self.instances == 1:
            self.incr_counter("{module} instances")

    def visit(self):
        self.note()
        self.assertEqual(self.session.get({url!r}).status_code, 200)

    def {module}_only(self):
        self.note()

    def fail(self):
        raise AssertionError("as planned")

    def exit(self):
        time.sleep(0.2)  # so that it is known by then which one is on
        os._exit(3)


    def meddle(self):
        self.note()
        with socket.socket(fileno=os.dup(3)) as line:
            for text in (b"choose", b"choose 1", b"choose 0 1", b"choose 1 0", b"choose 999 1", b"choose 1 1 1",
                         b"choose 99999999999999999999 1", b"choose -1 x", bytes(64), b" " * 500, b"ready",
                         b"ready", b"choose 1 3"):
                line.send(text)


class Desk(Base):

    def ask(self):
        self.note()
"""


def write_scripts(folder, url="http://127.0.0.1:9/"):
    for module in ("books", "tools"):
        (folder / f"{module}.py").write_text(SCRIPT.format(module=module, url=url))


@pytest.fixture
def scripts(runner, target, monkeypatch):
    """scripts(TEST, …): a run of tests of books.py and tools.py."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    write_scripts(runner.folder, target.url + "/any")

    def run(*arguments):
        return runner.summarize(*arguments)
    return run


def test_several_of_a_module_in_python(scripts):
    """A user has one object of a class for all of its tests."""
    ran = scripts("books.Shop.visit:3", "books.Shop.books_only", "books.Desk.ask", "-u", 6, "--hits", 20, "--seed", 7,
                  "--workers", 2)
    assert ran.code == 0, ran
    done = successes(ran.summary)
    assert set(done) == {"Shop.visit", "Shop.books_only", "Desk.ask"} and sum(done.values()) == 120
    assert {row["test"]: row["hits"] for row in ran.summary["names"]} == {"Shop.visit": done["Shop.visit"]}
    assert counters(ran.summary)["books instances"] == 6
    assert ran.stderr.count("books: module class torn down\n") == 2


def test_several_modules_in_python(scripts):
    ran = scripts("books.Shop.visit:3", "tools.Shop.visit", "tools.Shop.tools_only", "-u", 5, "--hits", 15, "--seed", 7,
                  "--workers", 1)
    assert ran.code == 0, ran
    done = successes(ran.summary)
    assert set(done) == {"books.Shop.visit", "tools.Shop.visit", "Shop.tools_only"}
    assert {row["test"]: row["hits"] for row in ran.summary["names"]} == {
        name: done[name] for name in ("books.Shop.visit", "tools.Shop.visit")}
    assert "tools: module class torn down\nbooks: module class torn down\n" in ran.stderr


@pytest.mark.parametrize("workers, more", [(1, []), (2, []), (2, ["--no-patching"])])
def test_the_choice_is_that_of_c(scripts, modules, runner, workers, more):
    """More hits than are chosen at a time, and several cycles."""
    tests = ["books.Shop.books_only:2", "tools.Shop.tools_only:3"]
    arguments = ["-u", "2:3", "--hits", 230, "--seed", 7]
    in_c = modules(*tests, *arguments)
    for name in ("books.c", "tools.c"):
        (runner.folder / name).unlink()
    in_python = scripts(*tests, *arguments, "--workers", workers, *more)
    assert in_c.code == in_python.code == 0
    assert successes(in_python.summary) == successes(in_c.summary)
    assert choices(in_python.summary) == choices(in_c.summary)
    others = scripts(*tests, *arguments[:-1], 8)
    assert choices(others.summary) != choices(in_c.summary)


def test_several_for_a_time(scripts):
    ran = scripts("books.Shop.books_only", "tools.Shop.visit", "-u", 3, "-d", 1)
    assert ran.code == 0
    assert set(successes(ran.summary)) == {"Shop.books_only", "Shop.visit"}


def test_what_fails_is_told_with_its_test(scripts):
    ran = scripts("books.Shop.fail", "tools.Shop.tools_only", "-u", 4, "--hits", 10, "--seed", 7)
    assert ran.code == 1
    rows = {row["test"]: (row["successes"], row["failures"]) for row in ran.summary["tests"]}
    assert rows["Shop.fail"][0] == rows["Shop.tools_only"][1] == 0
    assert rows["Shop.fail"][1] + rows["Shop.tools_only"][0] == 40
    assert {error["test"] for error in ran.summary["errors"]} == {"Shop.fail"}


def test_a_process_that_ends_itself(scripts):
    """What was on is an error of the test that it was of."""
    ran = scripts("books.Shop.books_only", "tools.Shop.exit:1000000", "-u", 1, "--hits", 3, "--seed", 7)
    assert ran.code == 1
    rows = {row["test"]: row["errors"] for row in ran.summary["tests"]}
    assert rows == {"Shop.exit": 1}
    error, = ran.summary["errors"]
    assert error["test"] == "Shop.exit" and "exited with status 3" in error["message"], error


def test_nonsense_to_who_says_which(scripts):
    """It is passed over, and users go on to do what they would have done."""
    tests = ["books.Shop.meddle", "tools.Shop.tools_only"]
    ran = scripts(*tests, "-u", 2, "--hits", 250, "--seed", 7, "--workers", 1)
    assert ran.code == 0, ran
    good = scripts("books.Shop.books_only", tests[1], "-u", 2, "--hits", 250, "--seed", 7)
    assert choices(ran.summary) == choices(good.summary)


@pytest.mark.parametrize("tests, words", [
    (["books.Shop.visit", "tools.Shop.buy"], ["loads-runner: tools.Shop.buy: there is no test 'buy' in Shop of "]),
    (["books.Shop.visit", "tools.Shp.visit"], ["tools.Shp.visit: there is no class 'Shp' in "]),
    (["books.Shop.visit", "wrong.Shop.visit"], ["wrong.Shop.visit: ", "wrong.py\", line 1", "ZeroDivisionError",
                                                "Python cannot use one of books.Shop.visit wrong.Shop.visit, as it says"]),
    (["books.Shop.visit", "nowhere.Shop.visit"], ["there is no module 'nowhere': neither "]),
    (["books.Shop.visit", "books.Shop.visit"], ["'books.Shop.visit' is there twice"]),
])
def test_mistakes_in_python(scripts, runner, tests, words):
    runner.write("wrong.py", "1 / 0\n")
    ran = runner.run(*tests)
    assert ran.code == 2, ran
    for word in words:
        assert word in ran.stderr, ran


def test_several_need_who_says_which(build_dir, runner):
    import os
    import subprocess
    write_scripts(runner.folder)
    environment = {**os.environ, "PYTHONPATH": str(build_dir / "python"), "PYTHONDONTWRITEBYTECODE": "1",
                   "LOADS_ZMQ_RECEIVER": "ipc:///nowhere"}
    ran = subprocess.run(["/usr/bin/python3", "-m", "loads.runner", "books.Shop.visit", "tools.Shop.visit"],
                         cwd=runner.folder, env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (
        2, "who executes which of several tests is for loads-runner to say: without it, name one\n")


def test_python_on_agents(two_agents, scripts, tmp_path):
    write_scripts(tmp_path)
    tests = ["books.Shop.books_only", "tools.Shop.tools_only:2", "tools.Desk.ask"]
    summary = run_on_agents(two_agents, tmp_path, *tests, "-u", 3, "--hits", 8, "--seed", 7)
    local = scripts(*tests, "-u", 6, "--hits", 8, "--seed", 7).summary
    assert successes(summary) == successes(local)
