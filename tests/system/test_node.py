# SPDX-License-Identifier: MPL-2.0
"""Mocha's tests as load tests (client/runners/node), from the package as npm would install it; and two
runners that know nothing but the protocol, in JavaScript and in shell."""

import json
import os
import pathlib
import subprocess
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "client/runners/node"
MODULES = ROOT / "build/node/node_modules"
RUNNERS = pathlib.Path(__file__).parent / "runners"
PATIENT = ("--external-process-timeout", "60")

TEST = """\
const assert = require("node:assert");
const http = require("node:http");
const url = process.env.TARGET;
"""


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """What npm pack makes."""
    folder = tmp_path_factory.mktemp("packed")
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder], cwd=PACKAGE, check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "npm_config_cache": str(folder / "cache")})
    return next(folder.glob("*.tgz"))


@pytest.fixture(scope="session")
def mocha(packed, tmp_path_factory):
    """The command loads-mocha, beside the packages it requires."""
    assert MODULES.is_dir(), f"{MODULES} is missing: tests/install-deps test"
    modules = tmp_path_factory.mktemp("node") / "node_modules"
    modules.mkdir()
    for path in MODULES.iterdir():
        (modules / path.name).symlink_to(path)
    with tarfile.open(packed) as archive:
        archive.extractall(modules)
    (modules / "package").rename(modules / "loads-mocha")
    return modules / "loads-mocha/bin/loads-mocha.js"


@pytest.fixture
def run(runner, mocha, target):
    """run(text of test.js, …): the run of it, against the target."""
    def run_it(text, *arguments, test="test.js", options="", **keys):
        runner.write("test.js", TEST + text)
        return runner.summarize("--test-runner", f"{mocha} {{test}} {options}", test, *PATIENT, *arguments,
                                env={"TARGET": target.url}, **keys)
    return run_it


def outcomes_of(summary):
    counts = summary["iterations"]
    return tuple(counts[name] for name in ("successes", "failures", "errors", "interrupted"))


def names_of(summary):
    return {row["test"] for row in summary["names"]}


def test_hits_are_the_targets_own(run, target):
    """By each way that Node.js has, read or not."""
    ran = run("""
describe("Shop", () => {
  it("fetches", async () => assert.equal((await fetch(url + "/any")).status, 200));
  it("gets", (done) => {
    http.get(url + "/any", (answer) => answer.resume().on("end", done));
  });
  it("does not read", (done) => {
    http.request(new URL(url + "/any"), () => done()).end();
  });
  it("posts", async () => {
    await (await fetch(url + "/any", { method: "POST", body: "x" })).text();
  });
});
""", "-u", "3:2", "--hits", 4)
    assert ran.code == 0, ran
    assert outcomes_of(ran.summary) == (80, 0, 0, 0)
    assert ran.summary["hits"] == target.counts()["answers"] == 80
    assert {(row["name"], row["method"], row["hits"]) for row in ran.summary["names"]} == {
        (f"{target.url}/any", "GET", 20), (f"{target.url}/any", "POST", 20)}


def test_modules_of_the_other_kind(runner, mocha, target):
    """import binds names early: those are watched, too."""
    runner.write("test.mjs", """
import { get } from "node:http";
it("gets", (done) => { get(process.env.TARGET + "/any", (answer) => answer.resume().on("end", done)); });
""")
    ran = runner.summarize("--test-runner", f"{mocha} {{test}}", "test.mjs", *PATIENT, "--hits", 3,
                           env={"TARGET": target.url})
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 3


def test_answers_that_no_test_waited_for(run, target):
    ran = run('it("forgets", () => { fetch(url + "/any"); });', "--hits", 5)
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 5


def test_redirects_are_hits_of_their_own(run, target):
    ran = run('it("follows", async () => { await (await fetch(url + "/redirect/2")).text(); });', "--hits", 2)
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 6


@pytest.mark.parametrize("code", [
    "(await fetch(url + '/reset-in-body')).text()",
    "new Promise((resolve) => http.get(url + '/reset-in-body', (a) => a.resume().on('error', resolve)))"])
def test_half_an_answer_is_no_hit(run, code):
    ran = run(f'it("breaks", async () => {{ await {code}; }});')
    assert ran.summary["hits"] == 0, ran


@pytest.mark.parametrize("ask", ["await fetch(url + '/size/10000000')",
                                 "await new Promise((resolve) => http.get(url + '/size/10000000', resolve))"])
def test_a_large_answer_that_is_not_read(run, ask):
    """It is never complete, and the run ends all the same."""
    ran = run(f'it("looks at the head", async () => {{ {ask}; }});')
    assert ran.code == 0, ran
    assert ran.summary["hits"] == 0


def test_a_request_without_an_answer(run):
    ran = run('it("fails", () => fetch("http://127.0.0.1:1/"));')
    assert ran.code == 1, ran
    assert ran.summary["hits"] == 0
    # port 1 is one that fetch() refuses by itself
    assert ran.summary["errors"][0]["message"] == "fetch failed: bad port"


def test_failures_and_errors(run):
    ran = run("""
describe("Shop", () => {
  it("is wrong", () => assert.equal(1, 2, "one is two"));
  it("breaks", () => { throw new TypeError("broken"); });
  it("hangs", function (done) { this.timeout(50); });
  it("is fine", () => {});
});
""", "-u", 2, "--hits", 3)
    assert ran.code == 1, ran
    assert outcomes_of(ran.summary) == (6, 6, 12, 0)
    found = {error["test"]: error for error in ran.summary["errors"]}
    wrong, broken = found["Shop is wrong"], found["Shop breaks"]
    assert (wrong["kind"], wrong["class"], wrong["message"], wrong["count"]) == (
        "failure", "AssertionError", "one is two", 6)
    assert "test.js:6" in wrong["traceback"]
    assert (broken["kind"], broken["class"], broken["message"]) == ("error", "TypeError", "broken")
    assert "Timeout of 50ms" in found["Shop hangs"]["message"]


@pytest.mark.parametrize("hook, outcomes", [
    ("beforeEach", (0, 0, 1, 0)), ("afterEach", (0, 0, 1, 0)), ("before", (0, 0, 1, 0)), ("after", (1, 0, 1, 0))])
def test_hooks_that_fail_are_errors(run, hook, outcomes):
    ran = run(f"""
describe("Shop", () => {{
  {hook}(() => assert.fail("no shop"));
  it("is fine", () => {{}});
}});
""")
    assert ran.code == 1, ran
    assert outcomes_of(ran.summary) == outcomes
    assert ran.summary["errors"][0]["message"] == "no shop"


def test_what_is_on_when_its_time_is_over(run):
    """It is asked to end, and sends what it had."""
    ran = run("""
it("fetches", async () => { await (await fetch(url + "/any")).text(); });
it("hangs", function (done) { this.timeout(0); });
""", "--external-process-timeout", "3")
    assert ran.code == 1, ran
    assert (outcomes_of(ran.summary), ran.summary["hits"]) == ((1, 0, 1, 0), 1)


def test_what_is_skipped_is_nothing(run):
    """At once, later, or while it is on; also where it is the last."""
    ran = run("""
it("later");
it.skip("not now", () => {});
it("is fine", () => {});
it("sees", async function () { await (await fetch(url + "/any")).text(); this.skip(); });
""", "--hits", 3)
    assert ran.code == 0, ran
    assert outcomes_of(ran.summary) == (3, 0, 0, 0)
    assert ran.summary["hits"] == 3


def test_attempts_are_one_iteration(run):
    ran = run("""
let attempts = 0;
it("is fine at last", function () { this.retries(2); assert(++attempts % 3 === 0); });
""", "--hits", 2)
    assert ran.code == 0, ran
    assert outcomes_of(ran.summary) == (2, 0, 0, 0)


def test_a_title(run):
    text = 'it("one", () => {}); it("two", () => fetch(url + "/any"));'
    for options in ({"test": "test.js:two"}, {"options": "--grep ^two"}):
        ran = run(text, **options)
        assert ran.code == 0, ran
        assert (outcomes_of(ran.summary), ran.summary["hits"]) == ((1, 0, 0, 0), 1)


def test_a_duration(run, target):
    ran = run('it("fetches", async () => { await (await fetch(url + "/any")).text(); });', "-u", 2, "-d", "0.5")
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == ran.summary["iterations"]["successes"] > 0


def test_a_busy_loop(run):
    """Many short iterations: each arrives."""
    ran = run('it("is quick", () => {});', "--hits", 20000)
    assert ran.code == 0, ran
    assert outcomes_of(ran.summary) == (20000, 0, 0, 0)


@pytest.mark.parametrize("text, words", [
    ("nonsense(;", "SyntaxError"), ('require("no-such-module");', "Cannot find module 'no-such-module'"),
    ('throw new Error("at the top");', "Error: at the top")])
def test_a_file_that_does_not_load(run, text, words):
    ran = run(text)
    assert ran.code == 1, ran
    assert outcomes_of(ran.summary) == (0, 0, 1, 0)
    assert ran.summary["errors"][0]["message"] == "a process of the test runner exited with status 2"
    assert ran.stderr.count(words) == 1 and "test.js:4" in ran.stderr


def test_a_test_that_ends_the_process(run):
    """What it had done is told."""
    ran = run("""
it("fetches", async () => { await (await fetch(url + "/any")).text(); });
it("leaves", () => process.exit(0));
""")
    assert ran.code == 1, ran
    assert (outcomes_of(ran.summary), ran.summary["hits"]) == ((1, 0, 1, 0), 1)


def test_mochas_own_command(runner, mocha, target):
    """With the reporter: one execution, and a status that is 0."""
    runner.write("test.js", TEST + """
it("fetches", async () => { await (await fetch(url + "/any")).text(); });
it("is wrong", () => assert.equal(1, 2));
""")
    ran = runner.summarize("--test-runner", f"{MODULES}/.bin/mocha --exit --reporter {mocha.parents[1]} {{test}}",
                           "test.js", *PATIENT, "-u", 2, env={"TARGET": target.url})
    assert ran.code == 1, ran
    assert outcomes_of(ran.summary) == (2, 2, 0, 0)
    assert ran.summary["hits"] == target.counts()["answers"] == 2


# ---- on agents ----


def test_on_agents(two_agents, mocha, target, tmp_path):
    (tmp_path / "test.js").write_text(f"""
it("fetches", async () => {{ await (await fetch("{target.url}/any")).text(); }});
""")
    two_agents.run("loads-runner", "--test-runner", f"{mocha} {{test}}", "test.js", *PATIENT, "-a", 2, "-u", 2,
                   "--hits", 5, "--output", f"json={tmp_path}/summary", cwd=tmp_path)
    summary = json.loads((tmp_path / "summary").read_text())
    assert outcomes_of(summary) == (20, 0, 0, 0)
    assert summary["hits"] == target.counts()["answers"] == 20


# ---- runners that know the protocol only ----


def plain(name):
    return f"node {RUNNERS}/plain.js" if name == "plain.js" else f"{RUNNERS}/plain.sh"


@pytest.mark.parametrize("name", ["plain.js", "plain.sh"])
def test_plain_runners(runner, target, name):
    ran = runner.summarize("--test-runner", f"{plain(name)} {{test}} {target.url}/any", "mine", *PATIENT, "-u", 3,
                           "--hits", 4, env={"NODE_PATH": str(MODULES)})
    assert ran.code == 0, ran
    assert outcomes_of(ran.summary) == (12, 0, 0, 0)
    assert ran.summary["hits"] == target.counts()["answers"] == 12


@pytest.mark.parametrize("name", ["plain.js", "plain.sh"])
def test_plain_runners_on_agents(two_agents, target, tmp_path, name):
    command = f"env NODE_PATH={MODULES} {plain(name)} {{test}} {target.url}/any"
    two_agents.run("loads-runner", "--test-runner", command, "mine",
                   *PATIENT, "-a", 2, "-u", 2, "--hits", 3, "--output", f"json={tmp_path}/summary", cwd=tmp_path)
    summary = json.loads((tmp_path / "summary").read_text())
    assert outcomes_of(summary) == (12, 0, 0, 0)
    assert summary["hits"] == target.counts()["answers"] == 12


# ---- the command, and the package ----


def command(mocha, *arguments, code=0):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOADS_")}
    ran = subprocess.run([mocha, *arguments], capture_output=True, text=True, env=environment)
    assert ran.returncode == code, ran
    return ran


def test_help_and_version(mocha):
    assert command(mocha, "--help").stdout.startswith("Usage: loads-mocha ")
    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    assert command(mocha, "--version").stdout == f"loads-mocha {version}\n"
    assert f"project(loads VERSION {version} " in (ROOT / "CMakeLists.txt").read_text()


@pytest.mark.parametrize("arguments, words", [
    ([], "expected is one FILE"), (["a", "b"], "expected is one FILE"), (["--nonsense"], "--nonsense"),
    (["--timeout", "soon", "a"], "--timeout soon"), (["missing.js"], "there is no file 'missing.js'"),
    ([__file__], "LOADS_ZMQ_RECEIVER is missing")])
def test_what_it_refuses(mocha, arguments, words):
    ran = command(mocha, *arguments, code=2)
    assert words in ran.stderr and len(ran.stderr.splitlines()) == 1


def test_what_is_in_the_package(packed):
    with tarfile.open(packed) as archive:
        names = sorted(archive.getnames())
    ours = [f"package/{path.relative_to(PACKAGE)}" for path in PACKAGE.glob("*/*.js")]
    assert names == sorted([*ours, "package/README.md", "package/package.json"])


def test_the_lock_names_no_registry():
    assert '"resolved"' not in (PACKAGE / "package-lock.json").read_text()
