# SPDX-License-Identifier: MPL-2.0
"""Runs of an agent whose unit has Delegate=yes, under a real systemd: each in a cgroup of its own, of
which nothing is left. (What holds without systemd: test_agent.py.)"""

import json
import os
import pathlib
import re
import signal

import pytest

PROC = pathlib.Path("/proc")

# A child that belongs to nobody, and that ends for nobody.
MODULE = """\
#include <loads/loads.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void leave(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            signal(SIGTERM, SIG_IGN);
            for (;;) {
                pause();
            }
        }
        _exit(0);
    }
}

#ifdef IN_MODULE
__attribute__((constructor)) static void begin(void)
{
    leave();
}
#endif

LOADS_TEST(Daemon, stay)
{
    leave();
    loads_get(user, "/held");
}

LOADS_TEST(Daemon, where)
{
    char line[256];
    FILE *file = fopen("/proc/self/cgroup", "r");

    (void)user;
    while (fgets(line, sizeof line, file)) {
        fputs(line, stdout);
    }
    fclose(file);
}
"""


def cgroup(box):
    """The directory of the agent's unit."""
    return box.path("/sys/fs/cgroup" + box.show("loads-agent@1", "ControlGroup"))


def members(folder):
    """Its processes, as folders of /proc: their numbers are this machine's, not the container's."""
    return [PROC / pid for pid in (folder / "cgroup.procs").read_text().split()]


def groups(box):
    return sorted(path.name for path in cgroup(box).iterdir() if path.is_dir())


def program(process):
    return pathlib.Path((process / "cmdline").read_bytes().split(b"\0")[0].decode()).name


def parent(process):
    return PROC / (process / "stat").read_text().rpartition(")")[2].split()[1]


def score(process):
    """The kernel ends the highest first."""
    return int((process / "oom_score_adj").read_text())


@pytest.fixture
def agent(box):
    """A box with a broker and an agent that is registered, and with a test."""
    box.write("/root/daemon.c", MODULE)
    box.systemctl("start", "loads-broker", "loads-agent@1")
    box.wait_until(lambda: box.agents() == {"one-1"}, "no agent came")
    return box


@pytest.fixture
def target(agent, target_on):
    return target_on(agent)


def start_run(agent, target):
    """A run with a worker and a daemon of its test's; its id."""
    run_id = agent.submit("daemon.Daemon.stay", "--server-url", target.url, "--grace", "100ms",
                          "--hits", "2")
    target.wait_for(lambda counts: counts["requests"] == 1)
    return run_id


def test_the_agent_is_in_a_leaf(agent):
    assert [program(process) for process in members(cgroup(agent) / "supervisor")] == ["loads-agent"]
    assert members(cgroup(agent)) == []
    assert groups(agent) == ["supervisor"]


def test_what_a_test_leaves_is_gone_after_stop(agent, target):
    run_id = start_run(agent, target)
    assert groups(agent) == sorted([run_id, "supervisor"])
    inside = members(cgroup(agent) / run_id)
    assert [program(process) for process in inside] == ["loads-worker", "loads-worker"]
    agent.run("loadsctl", "stop", run_id)
    run = agent.wait_for_end(run_id)
    assert (run["state"], run["outcome"], run.get("trouble")) == ("aborted", "aborted", "it was stopped")
    assert groups(agent) == ["supervisor"]
    assert not any("loads-worker" in line for line in agent.processes())
    assert agent.is_active("loads-agent@1")


def test_a_preparation_is_in_the_group_too(agent):
    """It leaves a daemon, and then there is no such test."""
    run_id = agent.submit("daemon.Nobody.stay", "--cflags=-DIN_MODULE")
    assert agent.wait_for_end(run_id)["state"] == "failed"
    assert groups(agent) == ["supervisor"]
    assert not any("loads-worker" in line for line in agent.processes())


def test_where_a_worker_is(agent):
    run_id = agent.submit("daemon.Daemon.where")
    assert agent.wait_for_end(run_id)["outcome"] == "passed"
    assert re.search(rf"0::/loads\.slice/.*/{run_id}$", agent.run("loadsctl", "logs", run_id).stdout, re.M)


def test_what_a_run_used(agent):
    """The same for people, for programs, and in SQL. Memory is counted where there is the controller."""
    ran = agent.run("loads-runner", "daemon.Daemon.where", "--agents", "1", "--output", "stdout",
                    "--output", "json=/root/summary.json")
    usage, = json.loads(agent.path("/root/summary.json").read_text())["usage"]
    given = (cgroup(agent) / "cgroup.subtree_control").read_text().split()
    assert usage["agent"] == "one-1" and usage["cpu_usec"] > 0
    assert ("memory_peak_bytes" in usage) == ("memory" in given)
    memory = r"[0-9.]+ MiB" if "memory" in given else "not available"
    assert re.search(rf"^one-1 +{usage['cpu_usec'] / 1e6:.2f} s +{memory}$", ran.stdout, re.M), ran.stdout
    row, = agent.sql("SELECT cpu_usec, memory_peak_bytes FROM loads.sources ORDER BY ended DESC LIMIT 1")
    assert row == {"memory_peak_bytes": None, **{key: usage[key] for key in usage if key != "agent"}}


def test_an_agent_that_is_killed_leaves_nothing(agent, target):
    """The next one begins with its cgroup as new."""
    run_id = start_run(agent, target)
    before = agent.pid("loads-agent@1")
    inside = members(cgroup(agent) / run_id)
    agent.run("kill", "-KILL", before)
    agent.wait_until(lambda: agent.pid("loads-agent@1") not in (0, before), "it does not come back")
    agent.wait_for_log("registered at the broker", "loads-agent@1", f"_PID={agent.pid('loads-agent@1')}")
    assert groups(agent) == ["supervisor"]
    assert not any(process.exists() for process in inside)


def test_memory_that_runs_out_costs_a_worker(agent, target):
    """What the kernel goes by; then the same as it does, and what systemd makes of it."""
    run_id = start_run(agent, target)
    supervisor, = members(cgroup(agent) / "supervisor")
    inside = members(cgroup(agent) / run_id)
    assert {score(process) for process in inside} == {score(supervisor) + 500}
    assert agent.show("loads-agent@1", "OOMPolicy") == "continue"
    worker, = (process for process in inside if parent(process) == supervisor)
    os.kill(int(worker.name), signal.SIGKILL)
    target.wait_for(lambda counts: counts["requests"] == 2)  # of the worker that takes over
    agent.run("loadsctl", "stop", run_id)
    agent.wait_for_end(run_id)
    assert members(cgroup(agent) / "supervisor") == [supervisor]
    assert groups(agent) == ["supervisor"]


def test_limits_need_controllers(box):
    """Containers have none here: each is named once, and runs are made."""
    box.write("/etc/loads/agent.conf", "[agent]\nrun-memory-max = 1G\nrun-pids-max = 100\n")
    box.write("/root/daemon.c", MODULE)
    since = box.cursor()
    box.systemctl("start", "loads-broker", "loads-agent@1")
    box.wait_until(lambda: box.agents() == {"one-1"}, "no agent came")
    run_id = box.submit("daemon.Daemon.where")
    assert box.wait_for_end(run_id)["outcome"] == "passed"
    given = (cgroup(box) / "cgroup.controllers").read_text().split()
    log = box.log("loads-agent@1", "--after-cursor", since)
    for name in ("memory", "pids"):
        assert log.count(f"run-{name}-max can't be set") == (name not in given)
    assert "run-cpu-max" not in log
