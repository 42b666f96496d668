# SPDX-License-Identifier: MPL-2.0
"""What dies in a run, and is started again by systemd: each run ends, what was lost is in its report,
and everything else that the target answered is in the database, once."""

import signal

import pytest

from units import SOCKETS


@pytest.fixture
def two(box):
    """The box with a broker, and two agents that are there."""
    box.systemctl("start", "loads.target", "loads-agent@2")
    box.wait_until(lambda: box.agents() == {"one-1", "one-2"}, "no agents came")
    return box


def kill(box, unit, number=signal.SIGKILL):
    """Its main process, which it returns."""
    pid = box.pid(unit)
    box.run("kill", f"-{number.value}", pid)
    return pid


def wait_for_another(box, unit, pid):
    """systemd has started it again."""
    box.wait_until(lambda: box.pid(unit) not in (0, pid) and box.is_active(unit), f"{unit} stays away")


def wait_for_more(target, count=100):
    """A run goes on meanwhile."""
    answers = target.counts()["answers"]
    target.wait_for(lambda counts: counts["answers"] > answers + count)


@pytest.fixture
def load(two, target_on):
    """A run by both agents that goes on until it is stopped: its id, and the target."""
    target = target_on(two)
    run_id = two.submit(f"{target.url}/any", "-a", "2", "-u", "2", "-d", "1h")
    wait_for_more(target)
    return run_id, target


def stop(box, run_id):
    box.run("loadsctl", "stop", run_id)
    run = box.wait_for_end(run_id)
    assert run["state"] == "aborted"
    return run


# ---- the broker ----

def test_the_broker_is_killed(two, load):
    run_id, target = load
    wait_for_another(two, "loads-broker", kill(two, "loads-broker"))
    wait_for_more(target)
    assert stop(two, run_id)["lost"] == []
    assert two.complete_hits(run_id) == target.counts()["answers"]


def test_the_broker_is_restarted(two, load):
    """Several times; clients that come in between are answered."""
    run_id, target = load
    for _ in range(3):
        pid = two.pid("loads-broker")
        with two.start("systemctl", "restart", "loads-broker"):
            assert two.ask("ping")["pid"] > 0
            wait_for_another(two, "loads-broker", pid)
        wait_for_more(target)
    assert stop(two, run_id)["lost"] == []
    assert two.complete_hits(run_id) == target.counts()["answers"]


def test_the_broker_stands_still(two, target_on):
    """The watchdog ends it. (It has 30 s in earnest.)"""
    two.drop_in("loads-broker.service", "[Service]\nWatchdogSec=1s\n")
    two.systemctl("restart", "loads-broker")
    target = target_on(two)
    run_id = two.submit(f"{target.url}/any", "-a", "2", "-u", "2", "-d", "1h")
    wait_for_more(target)
    wait_for_another(two, "loads-broker", kill(two, "loads-broker", signal.SIGSTOP))
    assert "Watchdog timeout" in two.log("loads-broker")
    wait_for_more(target)
    assert stop(two, run_id)["lost"] == []
    assert two.complete_hits(run_id) == target.counts()["answers"]


def test_a_console_carries_on(two, target_on):
    """One that watches when the broker is restarted sees the end."""
    target = target_on(two)
    arguments = ["loads-runner", f"{target.url}/held", "-a", "2", "-u", "2", "--hits", "3"]
    with two.start(*arguments) as console:
        target.wait_for(lambda counts: counts["requests"] == 4)
        two.systemctl("restart", "loads-broker")
        target.release()
        text = console.stdout.read().decode()
        assert console.wait() == 0, text
    assert "Hits: 12\n" in text and target.counts()["answers"] == 12


# ---- agents ----

def test_an_agent_is_killed(two, target_on):
    """It was about to get its first answer. The other one's part is whole, and systemd has another
    agent for the next run."""
    target = target_on(two)
    run_id = two.submit(f"{target.url}/held", "-a", "2", "--hits", "3")
    target.wait_for(lambda counts: counts["requests"] == 2)
    wait_for_another(two, "loads-agent@1", kill(two, "loads-agent@1"))
    target.release()
    run = two.wait_for_end(run_id)
    assert (run["state"], run["outcome"], run["lost"]) == ("finished", "lost", ["one-1"])
    assert two.summary(run_id)["lost_agents"] == ["one-1"]
    assert two.complete_hits(run_id) == 3
    two.wait_until(lambda: {agent["state"] for agent in two.ask("ping")["agents"].values()} == {"free"},
                   "an agent is missing")
    ran = two.run("loads-runner", f"{target.url}/any", "-a", "2", "--hits", "5")
    assert "Hits: 10\n" in ran.stdout


def test_an_agent_that_is_stopped_takes_nothing_from_others(two, target_on):
    """They have one user, whose memory systemd clears when the last of them is gone."""
    target = target_on(two)
    run_id = two.submit(f"{target.url}/held", "-a", "1", "--hits", "3")
    target.wait_for(lambda counts: counts["requests"] == 1)
    idle, = (name for name, agent in two.ask("ping")["agents"].items() if agent["state"] == "free")
    two.systemctl("stop", f"loads-agent@{idle.rpartition('-')[2]}")
    target.release()
    run = two.wait_for_end(run_id)
    assert (run["outcome"], run["lost"]) == ("passed", [])
    assert two.complete_hits(run_id) == target.counts()["answers"] == 3


def test_agents_that_nobody_started(box, target_on):
    """The first client starts the broker, which has never heard of the agents that it starts."""
    target = target_on(box)
    box.systemctl("start", *SOCKETS, "loads-agent@1.socket", "loads-agent@2.socket")
    run_id = box.submit(f"{target.url}/any", "-a", "2", "--hits", "5")
    run = box.wait_for_end(run_id)
    assert (run["state"], run["outcome"]) == ("finished", "passed")
    assert box.agents() == {"one-1", "one-2"}
    assert box.complete_hits(run_id) == target.counts()["answers"] == 10
