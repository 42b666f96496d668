# SPDX-License-Identifier: MPL-2.0
"""Consoles in front of a real broker: leaving a run and coming back to it, stopping it, and what is the
same as of a run on this machine."""

import json
import re
import signal
import subprocess

from consoles import hits_of


def test_leaving_and_coming_back(two_agents, console, target, tmp_path):
    first = console(two_agents, "loads-runner", f"{target.url}/held", "-a", 2, "-u", 2, "--hits", 3)
    target.wait_for(lambda counts: counts["requests"] == 4)
    first.interrupt("d")
    code, text = first.end()
    run_id, = re.findall(r"detached from the run (\S{36}), which goes on", text)
    assert code == 0 and hits_of(text) == [0]
    assert two_agents.run_of(run_id)["state"] == "running"
    second = console(two_agents, "loadsctl", "attach")
    second.terminal.wait_for("0%")
    third = console(two_agents, "loads-runner", "--attach", run_id[:8], "--output", f"json={tmp_path}/json",
                    "--output", "stdout")
    third.terminal.wait_for("0%")
    target.release()
    for one in (second, third):
        code, text = one.end()
        assert code == 0 and hits_of(text) == [12]
    assert json.loads((tmp_path / "json").read_text())["hits"] == target.counts()["answers"] == 12
    counts = two_agents.result("CTRL_GET_COUNTS", run_id=run_id)
    assert counts["add_hit"] == counts["addSuccess"] == 12


def test_stopping(two_agents, console, target):
    one = console(two_agents, "loads-runner", f"{target.url}/held", "-a", 2, "-u", 2, "-d", "1h", "--grace", 0)
    target.wait_for(lambda counts: counts["requests"] == 4)
    one.interrupt("s")
    code, text = one.end()
    assert code == 130 and "The run was interrupted before its end." in text
    run, = two_agents.result("CTRL_RUNS")
    assert (run["state"], run["outcome"]) == ("aborted", "aborted")
    two_agents.wait_for(lambda ping: all(agent["state"] == "free" for agent in ping["agents"].values()))


def test_stopping_without_a_terminal(two_agents, target):
    process = subprocess.Popen(
        [two_agents.program("loads-runner"), f"{target.url}/held", "-a", "1", "-d", "1h", "--grace", "0"],
        env=two_agents.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)
    target.wait_for(lambda counts: counts["requests"] == 1)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted: 1" in stdout, stderr


def test_somebody_else_asks_to_let_go(two_agents, console, target):
    one = console(two_agents, "loads-runner", f"{target.url}/held", "-a", 1, "-u", 1)
    target.wait_for(lambda counts: counts["requests"] == 1)
    one.terminal.wait_for("0%")
    two_agents.run("loadsctl", "detach")
    code, text = one.end()
    assert code == 0 and "detached from the run" in text
    target.release()
    run, = two_agents.result("CTRL_RUNS")
    assert two_agents.wait_for_state(run["run_id"], "finished")["outcome"] == "passed"


def test_several_are_on(two_agents, console, target):
    runs = [two_agents.submit(f"{target.url}/held", "-u", users) for users in (1, 2)]
    target.wait_for(lambda counts: counts["requests"] == 3)
    ran = two_agents.run("loadsctl", "attach", code=2)
    assert all(run_id in ran.stderr for run_id in runs)
    one = console(two_agents, "loadsctl", "attach")
    one.terminal.wait_for(r"Which one\? ")
    listed = re.findall(r"^ +(\d+)  (\S{36}) ", one.terminal.text, re.MULTILINE)
    number, = (number for number, run_id in listed if run_id == runs[1])
    one.terminal.type(f"{number}\n")
    one.terminal.wait_for("0%")
    target.release()
    code, text = one.end()
    assert code == 0 and hits_of(text) == [2]


SHARES = re.compile(r"^((?:blocked|connect|send|wait|receive) +\d+) +[\d.]+ %", re.MULTILINE)
TIMES = re.compile(r"\d+(\.\d+)? ?(µs|ms|s)\b| +\d+(\.\d+)? seconds|RPS: \d+|time: [\d.]+s|Started: .*|Slowest URL: .*")


def without_times(text):
    return re.sub(r" +", " ", TIMES.sub("TIME", SHARES.sub(r"\1 SHARE", text)))


def test_the_summary_is_that_of_a_local_run(two_agents, target, tmp_path):
    """To the byte, but for times."""
    (tmp_path / "example.c").write_text("""
#include <loads/loads.h>
LOADS_TEST(Suite, test)
{
    loads_incr_counter(user, "begun");
    loads_get(user, "/any/one");
    loads_response *res = loads_get(user, loads_printf(user, "/status/%d", 200 + 204 * (loads_iteration(user) % 2)));
    loads_assert_int_eq(res->status, 200);
}
""")
    options = ["example.Suite.test", "-u", 4, "--hits", 2, "--server-url", target.url, "--seed", 7]
    local = two_agents.run("loads-runner", *options, "-u", 8, cwd=tmp_path, code=1)
    remote = two_agents.run("loads-runner", *options, "-a", 2, cwd=tmp_path, code=1)
    assert without_times(remote.stdout) == without_times(local.stdout)
    assert "Hits: 32\n" in remote.stdout


def test_logs_and_looking_at_a_run(two_agents, target, tmp_path):
    (tmp_path / "talk.c").write_text("""
#include <loads/loads.h>
#include <stdio.h>
LOADS_TEST(Suite, test)
{
    loads_get(user, "/any");
    printf("user %d\\n", loads_user_number(user));
    fflush(stdout);
}
""")
    ran = two_agents.run("loads-runner", "talk.Suite.test", "-a", 2, "-u", 2, "--server-url", target.url,
                         cwd=tmp_path)
    said = sorted(line.split(": ")[1] for line in ran.stderr.splitlines() if ": user " in line)
    assert said == ["user 0", "user 1", "user 2", "user 3"]
    run, = json.loads(two_agents.run("loadsctl", "runs", "--json").stdout)
    logs = two_agents.run("loadsctl", "logs", run["run_id"][:8]).stdout
    assert sorted(re.findall(r"user \d", logs)) == said
    one = two_agents.run("loadsctl", "logs", run["run_id"], "--agent", run["agents"][0]).stdout
    assert {line.split("/")[0] for line in one.splitlines()} == {run["agents"][0]}
    shown = json.loads(two_agents.run("loadsctl", "show", run["run_id"], "--json").stdout)
    assert shown["summary"]["hits"] == 4 and shown["agents"] == run["agents"]
    assert two_agents.run("loadsctl", "show", run["run_id"]).stdout.count("Hits: 4\n") == 1
    two_agents.run("loadsctl", "delete", run["run_id"])
    ran = two_agents.run("loadsctl", "show", run["run_id"], code=2)
    assert "there is no run" in ran.stderr


def test_health_check_names_who_can_not_compile(cluster, tmp_path):
    cluster.start_agent("--instance", "well")
    cluster.environment["CC"] = str(tmp_path / "no-compiler")
    cluster.environment["XDG_CACHE_HOME"] = str(tmp_path)  # where nothing is compiled already
    cluster.start_agent("--instance", "ill")
    ran = cluster.run("loads-runner", "--health-check", code=1)
    assert re.search(r"^\S+-ill: failed\n    .*no-compiler", ran.stdout, re.MULTILINE), ran.stdout
    assert re.search(r"^\S+-well: ok$", ran.stdout, re.MULTILINE)
    assert "1 of 2 agents can run tests\n" in ran.stdout
    assert cluster.run("loadsctl", "runs").stdout == "There are no runs\n"


def test_agents_and_their_workers(two_agents, target):
    two_agents.submit(f"{target.url}/held", "-u", 3, "--workers", 1)
    target.wait_for(lambda counts: counts["requests"] == 3)
    listed = json.loads(two_agents.run("loadsctl", "agents", "--json").stdout)
    busy, = (agent["agent_id"] for agent in listed.values() if agent["state"] == "busy")
    worker, = json.loads(two_agents.run("loadsctl", "agents", busy, "--json").stdout).values()
    assert worker["users"] == 3
    assert f"{busy} " in two_agents.run("loadsctl", "agents").stdout
    target.release()
