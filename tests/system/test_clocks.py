# SPDX-License-Identifier: MPL-2.0
"""Agents whose clocks disagree start together and share one timeline.

CLOCK_MONOTONIC, by which runs are timed, is off in a time namespace; dates are the same there, so
that a test which prints dates tells when it really ran.
"""

import os
import pathlib
import re
import tempfile

import pytest

from agents import ask
from cluster import Cluster

SECONDS = 3

MODULE = """
#include <loads/loads.h>
#include <stdio.h>
#include <time.h>

LOADS_TEST(TestClock, test_date)
{
    struct timespec now;

    loads_assert_int_eq(loads_get(user, "/any")->status, 200);
    loads_assert_int_eq(clock_gettime(CLOCK_REALTIME, &now), 0);
    printf("date %lld.%06ld\\n", (long long)now.tv_sec, now.tv_nsec / 1000);
    fflush(stdout);
    loads_sleep(user, 0.1);
}
"""


class Clocks(Cluster):
    def start_agent_in(self, shift_sec):
        """An agent whose clock is that far ahead."""
        namespace = ["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "--time", "--monotonic"]
        agent = self.start([*namespace, str(shift_sec), self.program("loads-agent")], env=self.environment)
        self.wait_for(lambda ping: any(one["pid"] == agent.pid for one in ping["agents"].values()))
        return self.agent_id(agent)

    def agent_id(self, server):
        (found,) = (agent_id for agent_id, one in self.result("LIST").items() if one["pid"] == server.pid)
        return found

    def offset_sec(self, agent_id):
        """How far the broker's clock is ahead of an agent's, as the agent has measured it."""
        instance = agent_id.rpartition("-")[2]
        return ask(self.address(f"agent-{instance}"), {"command": "STATUS"})["result"]["offset_usec"] / 1e6


@pytest.fixture
def clocks(start, program, module_cache, database):
    database.migrate()
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        made = Clocks(start, program, module_cache, pathlib.Path(folder))
        made.start_broker(database=database.uri())
        yield made
        made.close()


def dates(cluster, run_id, agent_id):
    """When iterations of an agent ended, in seconds since 1970."""
    logs = cluster.result("CTRL_LOGS", run_id=run_id, agent_id=agent_id)
    return [float(date) for log in logs for date in re.findall(r"^date (\S+)$", log["text"], re.M)]


def timeline(database, run_id, agent_id):
    """What an agent counted, by second of the run."""
    rows = database.rows("SELECT second, hits, successes FROM loads.agent_timeline"
                         f" WHERE run_id = '{run_id}' AND agent_id = '{agent_id}'")
    return {row["second"]: row for row in rows}


def test_clocks_that_are_off(clocks, database, target, tmp_path):
    (tmp_path / "clock.c").write_text(MODULE)
    shifts = {clocks.start_agent_in(5): 5, clocks.start_agent_in(-5): -5,
              clocks.agent_id(clocks.start_agent()): 0}
    for agent_id, shift in shifts.items():
        assert abs(clocks.offset_sec(agent_id) + shift) < 1, agent_id
    run_id = clocks.submit("clock.TestClock.test_date", "-a", 3, "-d", SECONDS, "--grace", "30",
                           "--server-url", target.url, cwd=tmp_path)
    run = clocks.wait_for_state(run_id, "finished", "failed", "aborted")
    assert (run["outcome"], run["lost"]) == ("passed", []), run

    # Each was busy while the others were: one that took its clock for the broker's would have begun
    # when they were done, or before they were there.
    spans = {agent_id: dates(clocks, run_id, agent_id) for agent_id in shifts}
    assert all(spans.values())
    assert max(min(span) for span in spans.values()) < min(max(span) for span in spans.values())

    # Seconds are those of the run, on all of them, and mean the same time.
    started = float(database.value("SELECT extract(epoch FROM started) FROM loads.runs"
                                   f" WHERE run_id = '{run_id}'"))
    hits = 0
    for agent_id, span in spans.items():
        counted = timeline(database, run_id, agent_id)
        hits += sum(row["hits"] for row in counted.values())
        assert sum(row["successes"] for row in counted.values()) == len(span)
        for second in counted:
            assert any(second - 1 <= date - started < second + 2 for date in span), (agent_id, second)
        for date in span:
            assert {int(date - started) + near for near in (-1, 0, 1)} & set(counted), (agent_id, date)
    assert hits == target.counts()["answers"]
