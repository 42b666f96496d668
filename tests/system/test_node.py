# SPDX-License-Identifier: MPL-2.0
"""Tests in JavaScript, by loads-mocha; and runners that are nothing of ours, in JavaScript and as a shell script."""

import json
import pathlib
import subprocess

import pytest

from node import SOURCE, install

RUNNERS = pathlib.Path(__file__).parent / "runners"
HEAD = "const assert = require('node:assert')\nconst http = require('node:http')\n"


@pytest.fixture(scope="session")
def node(build_dir):
    return install(build_dir)


@pytest.fixture
def mocha(runner, node):
    """mocha(text, …): the file test.js with it, executed; its summary."""
    def run(text, *arguments, options="", name="test.js", **others):
        runner.write(name, HEAD + text)
        return runner.summarize("--test-runner", f"{command(node)} {options} {{test}}", name, "--external-process-timeout",
                                30, *arguments, **others)
    return run


def command(node):
    return f"node {node}/bin/loads-mocha.js"


def by_itself(node, *arguments, **options):
    return subprocess.run(["node", node / "bin/loads-mocha.js", *arguments], capture_output=True, text=True, timeout=60,
                          **options)


def outcomes_of(summary):
    counts = summary["iterations"]
    return tuple(counts[name] for name in ("successes", "failures", "errors", "interrupted"))


def error_of(summary):
    assert len(summary["errors"]) == 1, summary["errors"]
    return summary["errors"][0]


# ---- what was done is what is reported ----


def test_fetch(mocha, target):
    ran = mocha(f"describe('shop', () => {{ it('answers', async () => {{\n"
                f"  const answer = await fetch('{target.url}/redirect/1')\n"
                "  assert.strictEqual(answer.status, 200)\n  await answer.text()\n}) })", "-u", "2:3", "--hits", 4)
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 2 * 5 * 4
    assert outcomes_of(ran.summary) == (20, 0, 0, 0)
    assert [test["test"] for test in ran.summary["tests"]] == ["shop answers"]
    assert {name["method"] for name in ran.summary["names"]} == {"GET"}


def test_node_http(mocha, target):
    ran = mocha("it('posts', done => {\n"
                f"  const request = http.request('{target.url}/any?delay=100', {{ method: 'POST' }}, answer => {{\n"
                "    answer.resume()\n    answer.on('end', done)\n  })\n  request.end('name=ada')\n})", "--hits", 3)
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 3
    name, = ran.summary["names"]
    assert (name["method"], name["name"]) == ("POST", f"{target.url}/any")
    assert name["latency"]["min_usec"] >= 100000


def test_a_body_that_nobody_reads(mocha, target):
    ran = mocha(f"it('looks at the status', async () => {{ await fetch('{target.url}/size/3000000') }})", "--hits", 2)
    assert (ran.code, ran.summary["hits"]) == (0, 2), ran


def test_many_hits_are_all_there(mocha, target):
    ran = mocha(f"it('is fast', async () => {{ await (await fetch('{target.url}/any')).text() }})", "-u", 2, "--hits", 1000,
                "--test-runner-users", "each")
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 2000


def test_a_duration(mocha, target):
    ran = mocha(f"it('is fast', async () => {{ await (await fetch('{target.url}/any')).text() }})", "-d", 2)
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == ran.summary["iterations"]["successes"] > 1


def test_counters(mocha, node):
    ran = mocha(f"const loads = require({json.dumps(str(node / 'lib/index.js'))})\n"
                "it('counts', () => loads.incrCounter(`user-${loads.user}-${loads.hit}`))", "-u", 2, "--hits", 2)
    assert {counter["name"]: counter["count"] for counter in ran.summary["counters"]} == {
        f"user-{user}-{hit}": 1 for user in (1, 2) for hit in (1, 2)}


@pytest.mark.parametrize("text, outcomes, kind, message", [
    ("it('fails', () => assert.strictEqual(1, 2, 'not one'))", (0, 1, 0, 0), "AssertionError", "not one"),
    ("it('throws', () => { throw new TypeError('no jar') })", (0, 0, 1, 0), "TypeError", "no jar"),
    ("before(() => { throw new Error('no jar') })\nit('never', () => {})", (0, 0, 1, 0), "Error", "no jar"),
    ("beforeEach(() => { throw new Error('no jar') })\nit('never', () => {})", (0, 0, 1, 0), "Error", "no jar"),
    ("afterEach(() => { throw new Error('no jar') })\nit('good', () => {})", (1, 0, 1, 0), "Error", "no jar"),
    ("it('throws a word', () => { throw 'jar' })", (0, 0, 1, 0), None, None),
])
def test_what_goes_wrong(mocha, text, outcomes, kind, message):
    ran = mocha(text)
    assert (ran.code, outcomes_of(ran.summary)) == (1, outcomes), ran
    if kind:
        error = error_of(ran.summary)
        assert error["class"] == kind and error["message"].startswith(message)
        assert "test.js" in error["traceback"]


def test_pending_and_retried(mocha):
    ran = mocha("it('later')\nlet n = 0\nit('at last', function () { this.retries(2); assert(++n > 1) })")
    assert (ran.code, outcomes_of(ran.summary)) == (0, (1, 0, 0, 0)), ran


def test_no_answer(mocha):
    ran = mocha("it('fails', async () => { await fetch('http://127.0.0.1:9/') })")
    assert (ran.summary["hits"], outcomes_of(ran.summary)) == (0, (0, 0, 1, 0))


# ---- options, and mistakes ----


def test_options(mocha, runner):
    runner.write("before.js", "globalThis.jar = 'marmalade'\n")
    ran = mocha("suite('jars', () => { test('one', async () => { assert.strictEqual(jar, 'marmalade')\n"
                "  await new Promise(resolve => setTimeout(resolve, 50)) })\n"
                "test('two', () => assert(false)) })", options="--ui tdd --require ./before.js --grep one --timeout 0")
    assert (ran.code, outcomes_of(ran.summary)) == (0, (1, 0, 0, 0)), ran
    ran = mocha("it('is slow', done => {})", options="-t 10 -g slow")
    assert "Timeout of 10ms exceeded" in error_of(ran.summary)["message"]


def test_an_ecmascript_module(runner, node):
    runner.write("test.mjs", "import assert from 'node:assert'\nit('works', () => assert(true))\n")
    ran = runner.summarize("--test-runner", f"{command(node)} {{test}}", "test.mjs")
    assert (ran.code, outcomes_of(ran.summary)) == (0, (1, 0, 0, 0)), ran


def test_help_and_version(node):
    ran = by_itself(node, "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    for option in ("--grep", "--require", "--timeout", "--ui", "--help", "--version"):
        assert option in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert by_itself(node, "--version").stdout == f"loads-mocha {json.loads((SOURCE / 'package.json').read_text())['version']}\n"


@pytest.mark.parametrize("arguments, words", [
    ([], "no file is named"),
    (["--nothing", "a.js"], "Unknown option '--nothing'"),
    (["--timeout", "soon", "a.js"], "--timeout: 'soon' is not a number"),
    (["a.js"], "this is started by loads-runner and loads-agent"),
])
def test_mistakes(node, arguments, words):
    ran = by_itself(node, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert words in ran.stderr and len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("text, words", [
    ("it('is no", "SyntaxError"),
    ("require('no-such-module')", "Cannot find module 'no-such-module'"),
    ("", "there is no test in test.js"),
])
def test_a_file_that_cannot_be_loaded(mocha, text, words):
    ran = mocha(text)
    assert ran.code == 1
    assert words in ran.stderr
    assert error_of(ran.summary)["message"] == "a process of the test runner exited with status 2"


def test_what_is_published(tmp_path):
    ran = subprocess.run(["npm", "pack", "--dry-run", "--json", str(SOURCE)], cwd=tmp_path, capture_output=True, text=True,
                         timeout=120)
    files = sorted(file["path"] for file in json.loads(ran.stdout)[0]["files"])
    assert files == ["README.md", "bin/loads-mocha.js", "lib/hits.js", "lib/index.js", "lib/report.js", "lib/reporter.js",
                     "lib/run.js", "package.json"]


def test_on_agents(two_agents, node, target, tmp_path):
    (tmp_path / "test.js").write_text(f"it('works', async () => {{ await (await fetch('{target.url}/any')).text() }})")
    two_agents.run("loads-runner", "--test-runner", f"{command(node)} {{test}}", "test.js", "-a", 2, "-u", 2, "--hits", 3,
                   "--external-process-timeout", 30, "--output", f"json={tmp_path}/summary", cwd=tmp_path)
    summary = json.loads((tmp_path / "summary").read_text())
    assert summary["hits"] == target.counts()["answers"] == 2 * 2 * 3
    assert outcomes_of(summary) == (12, 0, 0, 0)


# ---- runners of others ----


@pytest.mark.parametrize("path", ["/any", "/status/404"])
@pytest.mark.parametrize("kind", ["plain.js", "plain.sh"])
def test_runners_of_others(runner, node, target, kind, path):
    """They count what they do as the target does."""
    words = f"node {node}/{kind}" if kind == "plain.js" else str(RUNNERS / kind)
    if kind == "plain.js":
        (node / kind).write_text((RUNNERS / kind).read_text())  # where its module is found
    ran = runner.summarize("--test-runner", f"{words} {{test}} {target.url}{path}", "shop.Cart.buy", "-u", 3, "--hits", 4,
                           "--external-process-timeout", 30)
    good = path == "/any"
    assert ran.code == (0 if good else 1), ran
    assert ran.summary["hits"] == target.counts()["answers"] == 12
    assert outcomes_of(ran.summary) == ((12, 0, 0, 0) if good else (0, 12, 0, 0))


@pytest.mark.parametrize("kind", ["plain.js", "plain.sh"])
def test_runners_of_others_on_agents(two_agents, node, target, tmp_path, kind):
    if kind == "plain.js":
        (node / kind).write_text((RUNNERS / kind).read_text())
    words = f"node {node}/{kind}" if kind == "plain.js" else str(RUNNERS / kind)
    two_agents.run("loads-runner", "--test-runner", f"{words} {{test}} {target.url}/any", "shop.Cart.buy", "-a", 2, "-u", 2,
                   "--hits", 3, "--external-process-timeout", 30, "--output", f"json={tmp_path}/summary")
    summary = json.loads((tmp_path / "summary").read_text())
    assert summary["hits"] == target.counts()["answers"] == 12
    assert outcomes_of(summary) == (12, 0, 0, 0)
