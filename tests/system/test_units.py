# SPDX-License-Identifier: MPL-2.0
"""Loads as services of a real systemd: what starts what, and what is left when it is stopped."""

import json
import re

import pytest

from units import SOCKETS

MODULE = """\
#include <loads/loads.h>

LOADS_TEST(TestWebSite, test_es)
{
    loads_response *res = loads_get(user, "/any/es");
    loads_assert_int_eq(res->status, 200);
}
"""

UNITS = ["loads.target", "loads.slice", "loads-broker.service", "loads-database.service",
         "loads-expire.service", "loads-expire.timer", "loads-agent@1.service", "loads-agent@1.socket", "loads-run@nightly.service",
         "loads-run@nightly.timer", *SOCKETS]


def wait_for_no_socket(box):
    """They stop last, and nobody waits for them."""
    box.wait_until(lambda: not any(box.path("/run/loads").iterdir()), "sockets were left")


def test_units_are_in_order(machine):
    """Manual pages are no matter of this: the container has no man(1)."""
    ran = machine.run("systemd-analyze", "verify", "--man=no", *UNITS)
    assert ran.stdout + ran.stderr == ""


@pytest.mark.parametrize("unit, most", [("loads-broker", 1.5), ("loads-agent@1", 2.0),
                                        ("loads-database", 1.5), ("loads-expire", 1.5),
                                        ("loads-run@nightly", 2.0)])
def test_exposure(machine, unit, most):
    """How much of the system a service reaches, as systemd counts it: 10 is everything."""
    ran = machine.run("systemd-analyze", "security", "--no-pager", f"{unit}.service")
    score = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", ran.stdout)[1])
    print(f"{unit}: {score}")
    assert score <= most


def test_the_first_client_starts_the_broker(box):
    box.systemctl("start", *SOCKETS)
    assert not box.is_active("loads-broker")
    ping = box.ask("ping")
    assert ping["pid"] == box.pid("loads-broker") > 0
    addresses = {name: f"ipc:///run/loads/{name}.sock"
                 for name in ("frontend", "backend", "receiver", "publisher")}
    assert ping["endpoints"] == addresses


def test_a_run_over_postgresql(box, target_on):
    """Database and tables are made by the start; console, SQL and the target have the same number."""
    target = target_on(box)
    box.write("/root/example.c", MODULE)
    box.systemctl("start", "loads-broker", "loads-agent@1", "loads-agent@2")
    box.wait_until(lambda: box.agents() == {"one-1", "one-2"}, "no agents came")
    ran = box.run("loads-runner", "example.TestWebSite.test_es", "-a", "2", "-u", "5:10", "--hits", "4",
                  "--server-url", target.url)
    assert "Hits: 120\n" in ran.stdout and "Success: 120\n" in ran.stdout
    run, = box.ask("runs")
    assert box.summary(run["run_id"])["hits"] == target.counts()["answers"] == 120
    assert box.owner(box.pid("loads-broker")) == "loads-broker"
    assert box.owner(box.pid("loads-agent@1")) == "loads-agent"


def test_tests_are_no_administrators(box):
    """What runs as an agent does reaches the broker, and may do there what agents do."""
    as_agent = ["setpriv", "--reuid=loads-agent", "--regid=loads-agent", "--groups=loads"]
    box.systemctl("start", "loads.target")
    box.wait_until(lambda: box.agents() == {"one-1"}, "the agent did not come")
    for arguments, role in ((["runs"], "observe"), (["submit", "http://127.0.0.1:9/"], "run")):
        refused = box.run(*as_agent, "loadsctl", *arguments, code=4)
        assert f"needs the role '{role}'" in refused.stderr and "'loads-agent' has 'agent'" in refused.stderr
    denied = box.run(*as_agent, "psql", "-d", "loads", "-U", "loads-broker", code=2)
    assert "Peer authentication failed" in denied.stderr


def test_observers_of_a_service(box, target_on):
    """They start within the unit's limits, reach the network, and get credentials."""
    target = target_on(box)
    box.write("/etc/loads/observers/mine", "#!/bin/sh\nid -un\n")
    box.run("chmod", "-R", "755", "/etc/loads")
    box.write("/etc/credstore/loads-observer-webhook.secret", "secret\n")
    box.write("/etc/loads/broker.conf", "[broker]\nobserver-dir = /etc/loads/observers\nobserver = mine\n    webhook\n"
              f"observer-webhook-url = {target.url}/any/hook\n"
              "observer-webhook-secret-file = loads-observer-webhook.secret\n")
    box.systemctl("start", "loads-broker", "loads-agent@1")
    box.wait_until(lambda: box.agents() == {"one-1"}, "no agent came")
    run_id = box.submit(f"{target.url}/any/es")
    assert box.wait_for_end(run_id)["outcome"] == "passed"
    query = f"SELECT details FROM loads.events WHERE kind = 'observer' AND run_id = '{run_id}'"
    box.wait_until(lambda: len(box.sql(query)) == 2, "an observer is not done")
    assert {row["details"]["observer"]: row["details"] for row in box.sql(query)} == {
        "mine": {"observer": "mine", "result": "done", "output": "loads-broker\n"},
        "webhook": {"observer": "webhook", "result": "done"}}
    assert target.counts()["requests"] == 2


# ---- scheduled runs ----

def write_run(box, *lines):
    box.write("/etc/loads/runs/nightly.ini", "[loads]\n" + "".join(f"{line}\n" for line in lines))
    box.write("/etc/loads/runs/example.c", MODULE)


def test_a_run_of_this_machine(box, target_on):
    """Its test lies beside its file; the summary is in the journal, and where it is asked for."""
    target = target_on(box)
    write_run(box, "fqn = example.TestWebSite.test_es", f"server_url = {target.url}", "hits = 7",
              "output = stdout", "    json=/var/lib/loads-run/nightly/result.json")
    box.systemctl("start", "loads-run@nightly")
    assert target.counts()["answers"] == 7
    assert "Hits: 7\n" in box.log("loads-run@nightly")
    result = json.loads(box.path("/var/lib/loads-run/nightly/result.json").read_text())
    assert result["hits"] == 7


def test_a_run_on_agents_that_fails(box, target_on):
    target = target_on(box)
    write_run(box, f"fqn = {target.url}/status/500", "agents = 2", "hits = 3")
    box.systemctl("start", *SOCKETS, "loads-agent@1.socket", "loads-agent@2.socket")
    box.systemctl("start", "loads-run@nightly", code=1)
    assert box.show("loads-run@nightly", "ExecMainStatus") == "1"
    assert target.counts()["answers"] == 6
    run, = (run for run in box.ask("runs") if run["outcome"] == "failed")
    assert box.summary(run["run_id"])["failures"] == 6


def test_a_run_that_there_is_no_file_for(box):
    assert "Assertion failed" in box.run("systemctl", "start", "loads-run@nowhere", code=1).stderr


def test_a_run_that_is_stopped(box, target_on):
    target = target_on(box)
    write_run(box, f"fqn = {target.url}/held", "grace = 100ms")
    box.systemctl("start", "--no-block", "loads-run@nightly")
    target.wait_for(lambda counts: counts["requests"] == 1)
    box.systemctl("stop", "loads.target")
    assert box.processes() == []
    assert "Interrupted: 1\n" in box.log("loads-run@nightly")


def test_a_nightly_run(box):
    box.systemctl("enable", "--now", "loads-run@nightly.timer")
    try:
        timer, = json.loads(box.systemctl("list-timers", "--output", "json", "loads-run@*"))
        assert timer["activates"] == "loads-run@nightly.service"
        assert box.show("loads-run@nightly.timer", "TimersCalendar").startswith(
            "{ OnCalendar=*-*-* 03:00:00 ; next_elapse=")
    finally:
        box.systemctl("disable", "--now", "loads-run@nightly.timer")


# ---- old results ----

def test_nothing_expires_unless_it_is_configured(box):
    box.systemctl("start", "loads-expire")
    assert "Nothing is deleted: /etc/loads/broker.conf has no retention-days" in box.log("loads-expire")
    assert box.show("loads-expire", "ExecMainStatus") == "0"


def test_old_runs_expire(box, target_on):
    """Young ones stay, and the broker goes on."""
    target = target_on(box)
    box.systemctl("start", "loads.target")
    box.wait_until(lambda: box.agents() == {"one-1"}, "no agent came")
    runs = []
    for _ in range(2):
        box.run("loads-runner", f"{target.url}/any", "-a", "1", "--hits", "2")
        runs.append(box.ask("runs")[0]["run_id"])
    old, young = runs
    box.execute(f"UPDATE loads.runs SET finished = now() - interval '8 days' WHERE run_id = '{old}'", "loads")
    box.write("/etc/loads/broker.conf.d/mine.conf", "[broker]\nretention-days = 7\n")
    box.systemctl("start", "loads-expire")
    assert "1 run and 0 lines of the audit older than 7 days deleted" in box.log("loads-expire")
    there = {row["run_id"] for row in box.sql("SELECT run_id FROM loads.runs")}
    assert young in there and old not in there
    assert box.sql(f"SELECT count(*) AS n FROM loads.intervals WHERE run_id = '{old}'") == [{"n": 0}]
    audit, = box.sql(f"SELECT who FROM loads.audit WHERE what = 'expire' AND run_id = '{old}'")
    assert audit["who"] == "loads-broker"
    assert box.is_active("loads-broker") and box.ask("show", young)["state"] == "finished"


def test_old_runs_without_their_database(box):
    box.write("/etc/loads/broker.conf", "[broker]\nretention-days = 7\n")
    box.systemctl("stop", box.postgres)
    try:
        assert "No such file or directory" in box.fails_to_start("loads-expire")
    finally:
        box.systemctl("start", box.postgres)
    box.systemctl("start", "loads-database", "loads-expire")


def test_a_daily_timer(box):
    box.systemctl("enable", "--now", "loads-expire.timer")
    try:
        timer, = json.loads(box.systemctl("list-timers", "--output", "json", "loads-expire*"))
        assert timer["activates"] == "loads-expire.service"
        assert box.show("loads-expire.timer", "Persistent") == "yes"
    finally:
        box.systemctl("disable", "--now", "loads-expire.timer")


# ---- the end ----

def test_nothing_is_left(box, target_on):
    """Of a run that is on, either."""
    target = target_on(box)
    box.systemctl("start", "loads.target", "loads-agent@2.socket")
    box.wait_until(lambda: box.agents() == {"one-1"}, "no agent came")
    box.submit(f"{target.url}/held", "-u", "2", "--grace", "100ms")
    target.wait_for(lambda counts: counts["requests"] == 2)
    assert box.processes()
    box.systemctl("stop", "loads.target")
    assert box.processes() == []
    wait_for_no_socket(box)
    assert box.run("ss", "-lxH").stdout.count("loads") == 0
    assert box.systemctl("list-units", "--state=failed", "--plain", "--no-legend") == ""


def test_sockets_stop_with_the_target(box):
    """Even if it never was started."""
    box.systemctl("start", *SOCKETS)
    box.systemctl("stop", "loads.target")
    wait_for_no_socket(box)


def test_a_reload(box):
    box.systemctl("start", "loads-broker")
    pid = box.pid("loads-broker")
    box.write("/etc/loads/broker.conf", "[broker]\nlog-level = debug\n")
    box.systemctl("reload", "loads-broker")
    box.wait_for_log("the configuration was read again", "loads-broker")
    assert box.ask("ping")["options"]["log-level"] == "debug"
    assert box.pid("loads-broker") == pid and box.is_active("loads-broker")
