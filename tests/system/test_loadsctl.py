# SPDX-License-Identifier: MPL-2.0
"""loadsctl's verbs, and loads-runner's options that do the same, in front of a fake broker."""

import json
import os
import re
import subprocess

import pytest

from conftest import ROOT
from fake_broker import NAME, OTHER_ID, RUN_ID, run_object, snapshot
from terminal import Terminal

VERBS = ["submit", "attach", "detach", "stop", "purge", "runs", "show", "logs", "agents", "ping",
         "health-check", "compare", "baseline", "delete", "db", "keygen", "key", "trust"]
ALONE = ["db", "keygen", "key", "trust"]  # they ask no broker


@pytest.fixture
def run(ctl, fake):
    """run(arguments): a Ran of loadsctl."""

    def run_it(*arguments, **options):
        return ctl.run(*arguments, env={"LOADS_BROKER": fake.address}, **options)

    return run_it


def commands(fake):
    return [request["command"] for request in fake.requests if request["command"] != "PING"]


# ---- usage ---------------------------------------------------------------------------------------


def test_help_has_every_verb(run):
    ran = run("--help")
    assert ran.code == 0 and ran.stderr == ""
    assert re.findall(r"^  ([a-z-]+)  +\S", ran.stdout, re.MULTILINE) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_json(run, fake, verb):
    ran = run(verb, "--help")
    assert ran.code == 0 and ran.stdout.startswith(f"Usage: loadsctl {verb} [OPTION...]")
    assert " --json " in ran.stdout and (verb in ALONE or " -b, --broker=ADDRESS" in ran.stdout)
    assert fake.requests == []


def test_version(run):
    assert re.fullmatch(r"loadsctl \d+\.\d+\.\d+\n", run("--version").stdout)


@pytest.mark.parametrize("arguments, text", [
    ([], "what shall be done? try 'loadsctl --help'"),
    (["fly"], "unknown verb 'fly'; try 'loadsctl --help'"),
    (["atach"], "unknown verb 'atach' (did you mean 'attach'?); try 'loadsctl --help'"),
    (["--nosuch"], "unknown option '--nosuch'; try 'loadsctl --help'"),
    (["stop"], "which run? give its id, or the beginning of it; try 'loadsctl stop --help'"),
    (["delete"], "which run? give its id, or the beginning of it; try 'loadsctl delete --help'"),
    (["show"], "which run? give its id, or the beginning of it; try 'loadsctl show --help'"),
    (["logs"], "which run? give its id, or the beginning of it; try 'loadsctl logs --help'"),
    (["stop", "a", "b"], "unexpected argument 'b'; try 'loadsctl stop --help'"),
    (["ping", "x"], "unexpected argument 'x'; try 'loadsctl ping --help'"),
    (["runs", "--limit", "0"], "--limit: '0' is not"),
    (["runs", "--limit", "1001"], "--limit: '1001' is not"),
    (["runs", "--agents"], "unknown option '--agents'"),
    (["submit"], "nothing to run"),
    (["submit", "example"], "'example' has too few parts"),
    (["submit", "nosuch.A.b"], "there is no module 'nosuch'"),
    (["submit", NAME, "--attach", "--detach"], "--attach and --detach exclude each other"),
    (["submit", NAME, "--attach", "--json"], "--json prints the id"),
    (["submit", NAME, "-a", "0"], "--agents: '0' is not"),
    (["attach", "--output", "nosuch"], "nosuch"),
    (["db"], "what about the database? init, migrate, status or expire; try 'loadsctl db --help'"),
    (["db", "stat"], "unknown action 'stat' (did you mean 'status'?); try 'loadsctl db --help'"),
    (["db", "drop"], "unknown action 'drop': init, migrate, status or expire; try 'loadsctl db --help'"),
    (["db", "init", "x"], "unexpected argument 'x'; try 'loadsctl db --help'"),
    (["db", "status", "-b", "x"], "unknown option '-b'; try 'loadsctl db --help'"),
    (["ping", "-b", "box1"], "'box1' is not an address of a broker"),
])
def test_mistakes(run, fake, arguments, text):
    ran = run(*arguments)
    assert (ran.code, ran.stdout, fake.requests) == (2, "", []), ran
    assert ran.stderr.startswith("loadsctl: ") and text in ran.stderr


# ---- verbs ---------------------------------------------------------------------------------------


def test_submit_leaves_the_run_alone(run, fake):
    ran = run("submit", NAME, "-u", "5")
    assert (ran.code, ran.stdout, ran.stderr) == (0, f"{RUN_ID}\n", "")
    assert commands(fake) == ["CTRL_RUN"] and fake.wait_for("CTRL_RUN")[0]["agents"] == 1
    ran = run("submit", "example.TestWebSite.test_es", "-a", "3", "--json")
    assert json.loads(ran.stdout) == {"run_id": RUN_ID, "state": "preparing"}
    assert fake.requests[-1]["agents"] == 3


def test_submit_attached(run, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished", outcome="failed")
    ran = run("submit", NAME, "--attach")
    assert ran.code == 1 and ran.counts["Hits"] == 10


def test_submit_reads_the_same_file(ctl, run, fake):
    path = ctl.write("loads.ini", f"[loads]\nfqn = {NAME}\nagents = 7\ndetach = yes\n")
    assert run("submit", "--config", path).code == 0
    assert fake.wait_for("CTRL_RUN")[0]["agents"] == 7


def test_attach_to_the_one_that_is_on(run, fake):
    fake.answers["CTRL_RUNS"] = [run_object()]
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished")
    ran = run("attach")
    assert ran.code == 0 and ran.counts["Hits"] == 10
    assert fake.wait_for("CTRL_RUNS")[0]["active"] is True


def test_attach_to_a_shortened_one(run, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished")
    assert run("attach", "6b").code == 0
    assert fake.wait_for("CTRL_GET_METADATA")[0]["run_id"] == "6b"
    assert fake.wait_for("CTRL_SNAPSHOT")[0]["run_id"] == RUN_ID
    ran = run("attach", "6b", "--json")
    assert json.loads(ran.stdout)["hits"] == 10


def test_attach_to_nothing(run):
    ran = run("attach")
    assert (ran.code, ran.stderr) == (2, "loadsctl: nothing is running right now\n")


def test_attach_to_one_of_several(run, fake):
    fake.answers["CTRL_RUNS"] = [run_object(), run_object(run_id=OTHER_ID)]
    ran = run("attach")
    assert ran.code == 2
    assert ran.stderr == (f"  1  {RUN_ID}  {NAME}\n  2  {OTHER_ID}  {NAME}\n"
                          "loadsctl: 2 runs are on: say which one is meant\n")


def test_attach_asks_on_a_terminal(ctl, fake):
    fake.answers["CTRL_RUNS"] = [run_object(run_id=OTHER_ID), run_object()]
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished")
    terminal = Terminal()
    running = ctl.start("attach", env={"LOADS_BROKER": fake.address}, stdin=terminal.theirs,
                        stdout=terminal.theirs, stderr=terminal.theirs)
    terminal.give_away()
    terminal.wait_for(r"Which one\? ")
    terminal.type("3\n")
    terminal.wait_for(r"Which one\? (.|\n)*Which one\? ")
    terminal.type("2\n")
    assert running.wait().code == 0
    assert fake.wait_for("CTRL_SNAPSHOT")[0]["run_id"] == RUN_ID
    assert "Hits: 10" in terminal.read_all()


def test_an_unknown_run(run, fake):
    fake.answers["CTRL_GET_METADATA"] = Exception("there is no run 99", "unknown-run")
    for verb in ("attach", "stop", "delete", "detach"):
        ran = run(verb, "99")
        assert (ran.code, ran.stdout, ran.stderr) == (2, "", "loadsctl: there is no run 99\n")


@pytest.mark.parametrize("verb, command, text", [
    ("stop", "CTRL_STOP_RUN", f"Stopping {RUN_ID}.\n"),
    ("delete", "CTRL_DELETE_RUN", f"Deleted {RUN_ID}.\n"),
    ("detach", "CTRL_DETACH_RUN", f"Asked the consoles to let go of {RUN_ID}.\n"),
])
def test_a_run_by_its_beginning(run, fake, verb, command, text):
    ran = run(verb, "6b0")
    assert (ran.code, ran.stdout, ran.stderr) == (0, text, "")
    assert fake.requests[-1] == {"command": command, "run_id": RUN_ID}
    assert json.loads(run(verb, "6b0", "--json").stdout) == fake.answers[command]


def test_runs(run, fake):
    assert run("runs").stdout == "There are no runs\n"
    assert run("runs", "--active").stdout == "Nothing is running right now\n"
    fake.answers["CTRL_RUNS"] = [
        run_object("queued", agents=[], started=None, name="example.A.b"),
        run_object("finished", run_id="6b0f7d5c-1c5e-4c52-9d8e-5a3c2a1f0e11", outcome="lost"),
    ]
    ran = run("runs", "--limit", "2")
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["RUN", "STATE", "OUTCOME", "STARTED", "AGENTS", "TEST"]
    assert lines[1].split() == ["6b0f7d5c-0", "queued", "-", "-", "0", "example.A.b"]
    assert lines[2].split()[:3] == ["6b0f7d5c-1", "finished", "lost"] and lines[2].endswith(f" 1  {NAME}")
    assert fake.requests[-1] == {"command": "CTRL_RUNS", "limit": 2, "active": False}
    assert json.loads(run("runs", "--json").stdout) == fake.answers["CTRL_RUNS"]


def test_show(run, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished")
    ran = run("show", "6b")
    assert ran.code == 0 and ran.counts["Hits"] == 10
    head, _, _ = ran.stdout.partition("\n\n")
    lines = dict(line.split(": ", 1) for line in head.splitlines())
    assert lines["Run"] == RUN_ID and lines["Test"] == NAME and lines["Agents"] == "box1-1"
    assert lines["State"] == "finished" and lines["Outcome"] == "passed"
    shown = json.loads(run("show", "6b", "--json").stdout)
    assert shown["summary"]["hits"] == 10
    assert {**shown, "summary": None} == {**fake.answers["CTRL_SNAPSHOT"]["run"], "summary": None}


def test_show_a_run_that_never_started(run, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("failed", hits=0, started=None, outcome="failed",
                                             trouble="it doesn't compile")
    ran = run("show", "6b")
    assert ran.code == 0 and ran.stdout.endswith("Trouble: it doesn't compile\n")
    assert "summary" not in json.loads(run("show", "6b", "--json").stdout)


def test_logs(run, fake):
    fake.answers["CTRL_LOGS"] = [
        {"agent_id": "box1-1", "worker": -1, "text": "example.c:3: warning\n"},
        {"agent_id": "box1-1", "worker": 2, "text": "one\n\x1b[31mtwo"},
    ]
    ran = run("logs", "6b", "--agent", "box1-1")
    assert ran.stdout == "box1-1: example.c:3: warning\nbox1-1/2: one\nbox1-1/2: \\x1b[31mtwo\n"
    assert fake.requests[-1] == {"command": "CTRL_LOGS", "run_id": "6b", "agent_id": "box1-1"}
    assert json.loads(run("logs", "6b", "--json").stdout) == fake.answers["CTRL_LOGS"]
    assert "agent_id" not in fake.requests[-1]


def test_agents(run, fake):
    assert run("agents").stdout == "There are no agents\n"
    fake.answers["LIST"] = {"box1-1": {"agent_id": "box1-1", "pid": 11160, "hostname": "box1",
                                       "state": "busy", "run_id": RUN_ID}}
    lines = run("agents").stdout.splitlines()
    assert [line.split() for line in lines] == [["AGENT", "PID", "HOST", "STATE", "RUN"],
                                                ["box1-1", "11160", "box1", "busy", RUN_ID]]
    assert json.loads(run("agents", "--json").stdout) == fake.answers["LIST"]
    fake.answers["CTRL_AGENT_STATUS"] = {"12": {"pid": 12, "users": 5, "state": "running", "run_id": RUN_ID}}
    lines = run("agents", "box1-1").stdout.splitlines()
    assert [line.split() for line in lines] == [["WORKER", "USERS", "STATE", "RUN"],
                                                ["12", "5", "running", RUN_ID]]
    fake.answers["CTRL_AGENT_STATUS"] = {}
    assert run("agents", "box1-1").stdout == "It has no workers\n"


PING = """\
Broker running on pid 11154
2 agents registered
  - 11160 on box1
  - 11161 on box2
endpoints:
- backend: ipc://{folder}/backend.sock
- frontend: ipc://{folder}/frontend.sock
- publisher: ipc://{folder}/publisher.sock
{running}options:
- database: none
- max-upload: 67108864
"""


@pytest.fixture(params=["loadsctl", "loads-runner"])
def either(request, runner, ctl, fake):
    """A verb of loadsctl, and the option of loads-runner that is the same."""
    options = {"ping": "--ping-broker", "purge": "--purge-broker", "health-check": "--health-check"}

    def run_it(verb):
        if request.param == "loadsctl":
            return ctl.run(verb, "--broker", fake.address)
        return runner.run(options[verb], "--broker", fake.address)

    return run_it


def test_ping(either, fake, socket_folder):
    fake.answers["PING"]["agents"]["box2-1"] = {"agent_id": "box2-1", "pid": 11161, "hostname": "box2",
                                                "state": "free"}
    ran = either("ping")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == PING.format(folder=socket_folder, running="Nothing is running right now\n")
    fake.answers["CTRL_LIST_RUNS"] = {RUN_ID: [["box1-1", None], ["box2-1", None]]}
    running = f"We have 1 run(s) right now:\n  - {RUN_ID} with 2 agent(s)\n"
    assert either("ping").stdout == PING.format(folder=socket_folder, running=running)


def test_ping_says_that_the_database_is_away(either, fake):
    fake.answers["PING"]["database"] = {"state": "down", "reason": "connection refused"}
    assert "\nThe database is away: connection refused\n" in either("ping").stdout


def test_ping_in_json(run, fake):
    fake.answers["CTRL_LIST_RUNS"] = {RUN_ID: [["box1-1", None]]}
    assert json.loads(run("ping", "--json").stdout) == {**fake.answers["PING"],
                                                        "runs": fake.answers["CTRL_LIST_RUNS"]}


def test_nothing_to_purge(either, fake):
    ran = either("purge")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "Nothing to purge.\n", "")


def test_purge(either, fake):
    on = {RUN_ID: [["box1-1", None]], OTHER_ID: []}
    answers = [on, on, on, {OTHER_ID: []}, {}]
    fake.answers["CTRL_LIST_RUNS"] = lambda request, archive: answers.pop(0)
    ran = either("purge")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == (f"We have 2 run(s) right now:\n  - {RUN_ID} with 1 agent(s)\n"
                          f"  - {OTHER_ID} with 0 agent(s)\nPurged.\n")
    stopped = fake.wait_for("CTRL_STOP_RUN", 2)
    assert {request["run_id"]: request["grace_usec"] for request in stopped} == {RUN_ID: 0, OTHER_ID: 0}


def test_purge_of_what_ends_meanwhile(run, fake):
    answers = [{RUN_ID: []}, {}]
    fake.answers["CTRL_LIST_RUNS"] = lambda request, archive: answers.pop(0)
    fake.answers["CTRL_STOP_RUN"] = Exception("there is no such run", "unknown-run")
    ran = run("purge", "--json")
    assert ran.code == 0 and json.loads(ran.stdout) == {RUN_ID: []}


# ---- health-check --------------------------------------------------------------------------------


def healthy(fake, **results):
    """Agents by id, each with the outcome (or the error) that a run on it has."""
    runs = {}

    def start(request, archive):
        agent = request["agents"][0]
        if isinstance(results[agent], Exception):
            return results[agent]
        run_id = f"{len(runs):08d}-0c5e-4c52-9d8e-5a3c2a1f0e11"
        runs[run_id] = results[agent]
        return {"run_id": run_id, "state": "preparing", "agents": [agent]}

    fake.answers["PING"]["agents"] = {
        agent: {"agent_id": agent, "pid": 1, "hostname": "h", "state": "busy" if result == "busy" else "free"}
        for agent, result in results.items()
    }
    fake.answers["CTRL_RUN"] = start
    fake.answers["CTRL_RUNS"] = lambda request, archive: [
        run_object("finished", run_id=run_id, **outcome) for run_id, outcome in runs.items()
    ]
    return runs


def test_health_check(either, fake):
    runs = healthy(fake, a={"outcome": "passed"}, b={"outcome": "passed"})
    ran = either("health-check")
    assert (ran.code, ran.stdout) == (0, "a: ok\nb: ok\n2 of 2 agents can run tests\n"), ran
    deleted = [request["run_id"] for request in fake.requests if request["command"] == "CTRL_DELETE_RUN"]
    assert sorted(deleted) == sorted(runs)


def test_health_check_names_those_that_fail(run, fake):
    healthy(fake, a={"outcome": "passed"}, b={"outcome": "failed", "trouble": "no compiler\nat all"}, c="busy",
            d=Exception("it went away", "unknown-agent"))
    ran = run("health-check")
    assert ran.code == 1
    assert ran.stdout == ("a: ok\nb: failed\n    no compiler\n    at all\nc: busy\nd: failed\n    it went away\n"
                          "1 of 3 agents can run tests\n")
    report = json.loads(run("health-check", "--json").stdout)
    assert report[1] == {"agent_id": "b", "result": "failed", "reason": "no compiler\nat all"}


def test_health_check_of_nobody(run, fake):
    healthy(fake, c="busy")
    ran = run("health-check")
    assert ran.code == 4 and ran.stderr == "loadsctl: no agent is free\n"


def test_check_cluster_is_the_same(runner, fake):
    healthy(fake, a={"outcome": "passed"})
    assert runner.run("--check-cluster", "--broker", fake.address).stdout.startswith("a: ok\n")


# ---- completion ----------------------------------------------------------------------------------

COMPLETE = """\
source {script}
COMP_WORDS=({words} "")
COMP_WORDS[${{#COMP_WORDS[@]}}-1]='{current}'
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
{function}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def complete(program, fake):
    def completed(words, current="", function="_loadsctl"):
        path = os.path.dirname(program("loadsctl")) + ":" + os.environ["PATH"]
        code = COMPLETE.format(script=ROOT / "client/loadsctl/loadsctl.bash", words=words, current=current,
                               function=function)
        ran = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True,
                             env={"PATH": path, "LOADS_BROKER": fake.address})
        assert ran.stderr == ""
        return ran.stdout.split()

    return completed


def test_completion(complete, fake):
    fake.answers["CTRL_RUNS"] = [run_object(), run_object(run_id=OTHER_ID)]
    fake.answers["LIST"] = {"box1-1": {"agent_id": "box1-1"}}
    fake.answers["CTRL_BASELINES"] = [{"name": "main", "run_id": RUN_ID}]
    assert complete("loadsctl") == VERBS + ["--help", "--version"]
    assert complete("loadsctl", "st") == ["stop"]
    assert complete("loadsctl stop", "6") == [RUN_ID]
    assert complete("loadsctl delete", "") == ["--broker", "--json", "--help", RUN_ID, OTHER_ID]
    assert complete("loadsctl logs --agent", "b") == ["box1-1"]
    assert complete("loadsctl submit --on-agent-loss", "") == ["continue", "abort"]
    assert complete("loadsctl submit", "--us") == ["--users", "--user-id"]
    assert complete("loadsctl db", "") == ["--database", "--older-than", "--dry-run", "--config", "--json",
                                           "--help", "init", "migrate", "status", "expire"]
    assert complete("loadsctl db", "m") == ["migrate"]
    assert complete("loadsctl compare", "6") == [RUN_ID]
    assert complete("loadsctl baseline", "") == ["--name", "--broker", "--json", "--help", "set", "list", "remove",
                                                 RUN_ID, OTHER_ID, "main"]
    assert complete("loadsctl trust", "--f") == ["--file"]
    assert complete("loadsctl trust --file", "") == []  # the shell's own: files
    assert complete("loads-runner", "--ping", "_loads_runner") == ["--ping-broker"]
    assert complete("loads-runner --attach", "7", "_loads_runner") == [OTHER_ID]
