# SPDX-License-Identifier: MPL-2.0
"""Runs on the agents of a broker: what a run counts is what the target saw, whoever asks sees the
same, and what goes wrong is said to whom it concerns."""

import io
import json
import os
import pathlib
import signal
import subprocess
import tarfile

import pytest

from cluster import kill
from runner import wait_until

MODULES = pathlib.Path(__file__).parent / "modules"


def summary_of(path):
    return json.loads(path.read_text())


def test_a_run_on_agents(two_agents, target, tmp_path):
    """Agents x users x hits in each cycle, and users have numbers of their own over all agents."""
    two_agents.run("loads-runner", f"{target.url}/any", "-a", 2, "-u", "1:3", "--hits", "2:5", "--output",
                   f"json={tmp_path}/summary")
    summary = summary_of(tmp_path / "summary")
    hits = 2 * (1 + 3) * (2 + 5)
    assert summary["hits"] == summary["iterations"]["successes"] == hits
    assert target.counts()["answers"] == hits
    assert summary["outcome"] == "passed"


def test_the_console_says_the_lines_of_a_local_run(two_agents, target):
    ran = two_agents.run("loads-runner", f"{target.url}/any", "-a", 2, "-u", 5, "--hits", 4)
    lines = ran.stdout.splitlines()
    assert lines[0] == "Hits: 40"
    assert [line.split(":")[0] for line in lines[:7]] == [
        "Hits", "Started", "Duration", "Approximate Average RPS", "Average request time",
        "Opened web sockets", "Bytes received via web sockets "]
    assert lines[8:11] == ["Success: 40", "Errors: 0", "Failures: 0"]


def test_a_module_travels(two_agents, target, tmp_path):
    """It is compiled where it runs; errors and counters have the numbers of a local run."""
    two_agents.run("loads-runner", "spread.TestSpread.test_mixture", "-a", 2, "-u", 4, "--hits", 6,
                   "--server-url", target.url, "--output", f"json={tmp_path}/summary", cwd=MODULES, code=1)
    summary = summary_of(tmp_path / "summary")
    assert (summary["hits"], summary["request_errors"]) == (2 * 4 * 4, 2 * 4 * 2)
    assert [(counter["name"], counter["count"]) for counter in summary["counters"]] == [("begun", 48)]
    kinds = {error["kind"]: error["count"] for error in summary["errors"]}
    assert kinds == {"failure": 16, "error": 16}
    assert target.counts()["answers"] == summary["hits"]


@pytest.mark.parametrize("arguments, stalls", [((), False), (("--no-patching",), True)])
def test_stalls_are_counted_over_all_agents(two_agents, tmp_path, arguments, stalls):
    (tmp_path / "slow.c").write_text("#include <unistd.h>\n#include <loads/loads.h>\n\nstatic int inside;\n\n"
                                     "LOADS_TEST(Slow, sleeps)\n{\n    if (++inside == 2) {\n"
                                     "        loads_incr_counter(user, \"both\");\n    }\n"
                                     "    usleep(150000);\n    inside--;\n}\n")
    ran = two_agents.run("loads-runner", "slow.Slow.sleeps", "-a", 2, "-u", 2, "--workers", 1, "--output", "stdout",
                         "--output", f"json={tmp_path}/summary", *arguments, cwd=tmp_path)
    counted = {counter["name"]: counter["count"] for counter in summary_of(tmp_path / "summary")["counters"]}
    if stalls:
        assert counted["(stalls)"] >= 4 and "both" not in counted
        assert "(stalls)" in ran.stdout
    else:
        assert counted["both"] == 2


def test_files_travel(two_agents, target, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "path.txt").write_text("/any\n")
    (tmp_path / "files.c").write_text("""
#include <stdio.h>
#include <string.h>
#include <loads/loads.h>

LOADS_TEST(TestFiles, test_path)
{
    char path[64] = "";
    FILE *file = fopen("data/path.txt", "re");

    loads_assert_not_null(file);
    loads_assert_not_null(fgets(path, sizeof path, file));
    (void)fclose(file);
    path[strcspn(path, "\\n")] = '\\0';
    loads_assert_int_eq(loads_get(user, path)->status, 200);
}
""")
    two_agents.run("loads-runner", "files.TestFiles.test_path", "-a", 2, "--server-url", target.url,
                   "--include-file", "data", cwd=tmp_path)
    assert target.counts()["answers"] == 2


def test_everybody_sees_the_same(two_agents, target, tmp_path):
    """Submitted, watched by two consoles, shown later: one set of numbers."""
    run_id = two_agents.submit(f"{target.url}/held", "-a", 2, "-u", 2, "--hits", 3)
    consoles = [
        subprocess.Popen([two_agents.program("loadsctl"), "attach", run_id[:8], "--output",
                          f"json={tmp_path}/{number}"], env=two_agents.environment,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in range(2)
    ]
    target.wait_for(lambda counts: counts["requests"] == 4)
    target.release()
    for console in consoles:
        _, stderr = console.communicate()
        assert console.returncode == 0, stderr
    two_agents.run("loadsctl", "attach", run_id, "--output", f"json={tmp_path}/2")
    summaries = [summary_of(tmp_path / str(number)) for number in range(3)]
    assert summaries[0] == summaries[1] == summaries[2]
    assert summaries[0]["hits"] == target.counts()["answers"] == 12
    counts = two_agents.result("CTRL_GET_COUNTS", run_id=run_id)
    assert counts == {"add_hit": 12, "startTest": 12, "stopTest": 12, "addSuccess": 12, "addFailure": 0,
                      "addError": 0}
    assert two_agents.result("CTRL_GET_URLS", run_id=run_id) == {f"{target.url}/held": 12}
    assert two_agents.run("loadsctl", "runs").stdout.splitlines()[1].startswith(run_id[:8])


def test_purge(two_agents, target):
    run_id = two_agents.submit(f"{target.url}/held", "-a", 2, "-u", 2, "-d", "1h", "--grace", 0)
    target.wait_for(lambda counts: counts["requests"] == 4)
    said = two_agents.run("loadsctl", "purge").stdout
    assert said == f"We have 1 run(s) right now:\n  - {run_id} with 2 agent(s)\nPurged.\n"
    run = two_agents.wait_for_state(run_id, "aborted", "finished")
    assert (run["state"], run["outcome"]) == ("aborted", "aborted")
    assert two_agents.run("loadsctl", "purge").stdout == "Nothing to purge.\n"
    two_agents.wait_for(lambda ping: all(one["state"] == "free" for one in ping["agents"].values()))


def test_two_runs_at_once(two_agents, target):
    """Each on an agent of its own; a third waits, if it may, until one is free."""
    runs = [two_agents.submit(f"{target.url}/held") for _ in range(2)]
    target.wait_for(lambda counts: counts["requests"] == 2)
    refused = two_agents.run("loadsctl", "submit", f"{target.url}/any", code=4)
    assert "the run asks for 1 agent, 0 of 2 are free" in refused.stderr
    waiting = two_agents.submit(f"{target.url}/any", "--queue")
    assert two_agents.run_of(waiting)["state"] == "queued"
    target.release()
    for run_id in [*runs, waiting]:
        assert two_agents.wait_for_state(run_id, "finished", "aborted", "failed")["outcome"] == "passed"
    assert target.counts()["answers"] == 3


def test_a_test_that_does_not_compile(two_agents, tmp_path):
    (tmp_path / "broken.c").write_text("#include <loads/loads.h>\nLOADS_TEST(T, t) { nonsense }\n")
    ran = two_agents.run("loads-runner", "broken.T.t", "-a", 1, cwd=tmp_path, code=4)
    assert "broken.c:2:20: error:" in ran.stderr
    assert two_agents.result("CTRL_RUNS")[0]["state"] == "failed"
    two_agents.run("loads-runner", "missing.T.t", "-a", 1, cwd=tmp_path, code=2)


@pytest.mark.parametrize("policy, state, outcome", [("continue", "finished", "lost"),
                                                    ("abort", "aborted", "aborted")])
def test_an_agent_is_killed(two_agents, target, policy, state, outcome):
    run_id = two_agents.submit(f"{target.url}/held", "-a", 2, "--hits", 2, "--grace", 0, "--on-agent-loss",
                               policy)
    target.wait_for(lambda counts: counts["requests"] == 2)
    kill(two_agents.agents[0])
    wait_until(lambda: two_agents.run_of(run_id)["lost"], "a loss")
    target.release()
    run = two_agents.wait_for_state(run_id, "finished", "aborted")
    assert (run["state"], run["outcome"]) == (state, outcome)
    assert len(run["lost"]) == 1
    assert run["lost"][0] in run["trouble"]


def test_an_agent_is_stopped_for_a_while(two_agents, target):
    """It isn't heard of, and then it is: nothing is lost, nothing is there twice."""
    run_id = two_agents.submit(f"{target.url}/held", "-a", 2, "--hits", 3)
    target.wait_for(lambda counts: counts["requests"] == 2)
    pid = two_agents.agents[0].pid
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: two_agents.run_of(run_id)["lost"], "a loss")
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not two_agents.run_of(run_id)["lost"], "its return")
    target.release()
    run = two_agents.wait_for_state(run_id, "finished", "aborted")
    assert (run["outcome"], run["lost"]) == ("passed", [])
    assert two_agents.result("CTRL_GET_COUNTS", run_id=run_id)["add_hit"] == target.counts()["answers"] == 6


def test_the_broker_is_stopped_for_a_while(two_agents, target):
    """It heard nobody since it didn't listen: nobody is lost for that, and nothing is."""
    run_id = two_agents.submit(f"{target.url}/any", "-a", 2, "-u", 1, "-d", "1h", "--on-agent-loss", "abort")
    target.wait_for(lambda counts: counts["requests"] > 10)
    two_agents.broker.process.send_signal(signal.SIGSTOP)
    for agent in two_agents.agents:
        wait_until(lambda: "does not answer any more" in agent.stderr(), "an agent noticed nothing")
    two_agents.broker.process.send_signal(signal.SIGCONT)
    two_agents.wait_for(lambda ping: all(one["state"] == "busy" for one in ping["agents"].values()))
    two_agents.run("loadsctl", "stop", run_id)
    run = two_agents.wait_for_state(run_id, "aborted", "finished")
    assert run["lost"] == []
    counts = two_agents.result("CTRL_GET_COUNTS", run_id=run_id)
    assert counts["add_hit"] == target.counts()["answers"]


def test_a_repeated_request_is_one_run(two_agents, target):
    request = {"agents": 1, "args": {"fqn": f"{target.url}/any"},
               "request_id": "0d9b6a3e-63b4-4d3e-8a55-1b9f0c2d7e44"}
    first = two_agents.result("CTRL_RUN", **request)
    two_agents.wait_for_state(first["run_id"], "finished")
    assert two_agents.result("CTRL_RUN", **request)["run_id"] == first["run_id"]
    assert len(two_agents.result("CTRL_RUNS")) == 1
    assert target.counts()["answers"] == 1


# ---- what is wrong ----

BAD = {
    b"": "bad-request",
    b"nonsense": "bad-request",
    b"[]": "bad-request",
    b"{}": "bad-request",
    b'{"command": 1}': "bad-request",
    b'{"command": "\xff"}': "bad-request",
    b'{"command": "FLY"}': "unknown-command",
    b"[" * 100000: "bad-request",
    b'{"command": "PING", "x": "' + b"x" * (2 << 20) + b'"}': "bad-request",
    b'{"command": "CTRL_SNAPSHOT"}': "bad-request",
    b'{"command": "CTRL_SNAPSHOT", "run_id": 7}': "bad-request",
    b'{"command": "CTRL_SNAPSHOT", "run_id": "ffff"}': "unknown-run",
    b'{"command": "CTRL_AGENT_STATUS", "agent_id": "nobody"}': "unknown-agent",
    b'{"command": "CTRL_RUN"}': "bad-request",
    b'{"command": "CTRL_RUN", "agents": 1}': "bad-request",
    b'{"command": "CTRL_RUN", "agents": 0, "args": {"fqn": "http://x/"}}': "usage",
    b'{"command": "CTRL_RUN", "agents": 1000000000, "args": {"fqn": "http://x/"}}': "usage",
    b'{"command": "CTRL_RUN", "agents": 9, "args": {"fqn": "http://x/"}}': "no-agents",
    b'{"command": "CTRL_RUN", "agents": ["nobody"], "args": {"fqn": "http://x/"}}': "unknown-agent",
    b'{"command": "CTRL_RUN", "agents": 1, "args": {}}': "usage",
    b'{"command": "CTRL_RUN", "agents": 1, "args": {"fqn": "nonsense"}}': "usage",
    b'{"command": "CTRL_RUN", "agents": 1, "args": {"fqn": "http://x/", "users": 0}}': "usage",
    b'{"command": "CTRL_RUN", "agents": 1, "args": {"fqn": "http://x/", "users": "1:x"}}': "usage",
    b'{"command": "CTRL_RUN", "agents": 1, "args": {"fqn": "http://x/", "colour": "red"}}': "usage",
    b'{"command": "CTRL_RUN", "agents": 1, "args": {"fqn": "http://x/"}, "save_hits": true}': "database",
    b'{"command": "CTRL_RUN", "agents": 1, "args": {"fqn": "http://x/"}, "filedata": "?"}': "bad-request",
}


def test_bad_requests(two_agents):
    for request, code in BAD.items():
        answer = two_agents.ask_raw(request)
        assert answer.get("code") == code and answer["error"], (request[:100], answer)
    assert two_agents.result("CTRL_RUNS") == []
    assert len(two_agents.result("LIST")) == 2


def test_evil_archives(two_agents, tmp_path):
    """They are agents' to unpack: the run fails, and says why; nothing gets where it wants to."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(f"../../../..{tmp_path}/out")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    request = {"command": "CTRL_RUN", "agents": 1, "args": {"fqn": "any.T.t"}}
    answer = two_agents.ask_raw(json.dumps(request).encode(), packed.getvalue())
    run = two_agents.wait_for_state(answer["result"]["run_id"], "failed", "finished")
    assert run["state"] == "failed" and ".." in run["trouble"]
    assert not (tmp_path / "out").exists()


def test_no_broker(program, tmp_path):
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    for command in (["loadsctl", "ping"], ["loads-runner", "http://127.0.0.1:1/", "-a", "1"]):
        ran = subprocess.run([program(command[0]), *command[1:], "-b", f"ipc://{tmp_path}/none.sock"],
                             capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
        assert ran.returncode == 3
        assert f"ipc://{tmp_path}/none.sock" in ran.stderr


def test_second_broker(cluster):
    pid = cluster.broker.pid
    assert f"pid is {pid}" in cluster.run("loads-broker", code=1).stderr
    assert f"pid is {pid}" in cluster.run("loads-broker", "--check").stdout
    assert cluster.result("PING")["pid"] == pid


def test_configuration_is_read_again(start, program, tmp_path):
    """What can change does; what can't, and what is wrong, is said."""
    path = tmp_path / "broker.conf"

    def write(text):
        path.write_text("[broker]\ndatabase = none\n" + "".join(f"{name} = ipc://{tmp_path}/{name}\n" for name in
                                               ("frontend", "backend", "receiver", "publisher")) + text)

    write("")
    broker = start([program("loads-broker"), "--config", str(path)])
    wait_until(lambda: "clients are awaited" in broker.stderr(), "the broker's start")
    write("log-level = debug\nmax-upload = 1M\n")
    os.kill(broker.pid, signal.SIGHUP)
    wait_until(lambda: "was read again" in broker.stderr(), "the configuration to be read")
    assert "max-upload has changed: that takes effect when the broker is restarted" in broker.stderr()
    write("nonsense = 1\n")
    os.kill(broker.pid, signal.SIGHUP)
    wait_until(lambda: "broker.conf:7: unknown key 'nonsense'" in broker.stderr(), "the complaint")
    assert "the configuration stays as it was" in broker.stderr()


def test_no_listening_beyond_this_machine(cluster):
    said = cluster.run("loads-broker", "--frontend", "tcp://0.0.0.0:0", code=1).stderr
    assert "allow-insecure" in said and "tcp://0.0.0.0:0" in said
