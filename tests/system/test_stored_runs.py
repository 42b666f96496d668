# SPDX-License-Identifier: MPL-2.0
"""Runs with a database behind the broker: what is there is what the target answered, whatever dies in
between, and can be asked for as long as it is there."""

import json
import pathlib
import re
import tempfile

import pytest

from cluster import Cluster, kill
from consoles import hits_of
from runner import wait_until
from stored import OVER

MODULES = pathlib.Path(__file__).parent / "modules"
REQUEST_ID = "0d9b6a3e-63b4-4d3e-8a55-1b9f0c2d7e44"


# ---- what is stored ----

def test_console_database_and_target_agree(stored, target, tmp_path):
    stored.run("loads-runner", "spread.TestSpread.test_mixture", "-a", 2, "-u", "2:4", "--hits", 6,
               "--server-url", target.url, "--output", f"json={tmp_path}/summary", cwd=MODULES, code=1)
    summary = json.loads((tmp_path / "summary").read_text())
    run_id, = (row["run_id"] for row in stored.database.rows("SELECT run_id FROM loads.runs"))
    row = stored.summary(run_id)
    assert row["hits"] == summary["hits"] == target.counts()["answers"] > 0
    iterations = summary["iterations"]
    assert (row["successes"], row["failures"], row["errors"]) == (
        iterations["successes"], iterations["failures"], iterations["errors"])
    assert (row["state"], row["outcome"], row["agents"]) == ("finished", "failed", 2)
    for name, ours in (("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("p999", "p999"), ("max", "max")):
        assert row[name] == summary["latency"][f"{ours}_usec"]


def test_six_thousand(new_cluster, database, nginx, tmp_path):
    """5 agents, three cycles: one number in the console, in SQL and in the server's log."""
    database.migrate()
    cluster = new_cluster(database)
    for _ in range(5):
        cluster.start_agent()
    ran = cluster.run("loads-runner", f"{nginx.url}/", "-a", 5, "-u", "10:20:30", "--hits", 20)
    assert "Hits: 6000\n" in ran.stdout and "Success: 6000\n" in ran.stdout
    run_id = cluster.result("CTRL_RUNS")[0]["run_id"]
    assert cluster.summary(run_id)["hits"] == 6000
    assert len(nginx.access_log()) == 6000


def test_consoles_that_come_and_go_see_what_is_stored(stored, console, target, tmp_path):
    """Submitted, attached to, left by Ctrl-C and d, attached to again, by two at last."""
    run_id = stored.submit(f"{target.url}/held", "-a", 2, "-u", 3, "--hits", 4)
    target.wait_for(lambda counts: counts["requests"] == 6)
    first = console(stored, "loadsctl", "attach", run_id)
    first.terminal.wait_for("0%")
    first.interrupt("d")
    code, text = first.end()
    assert code == 0 and "which goes on" in text
    outputs = [tmp_path / name for name in ("again", "second")]
    again = console(stored, "loads-runner", "--attach", run_id, "--output", "stdout", "--output",
                    f"json={outputs[0]}")
    second = console(stored, "loadsctl", "attach", run_id[:8], "--output", "stdout", "--output",
                     f"json={outputs[1]}")
    for one in (again, second):
        one.terminal.wait_for("0%")
    target.release()
    for one in (again, second):
        code, text = one.end()
        assert code == 0 and hits_of(text) == [24]
    row = stored.summary(run_id)
    for output in outputs:
        summary = json.loads(output.read_text())
        assert summary["hits"] == row["hits"] == target.counts()["answers"] == 24
        assert summary["iterations"]["successes"] == row["successes"] == 24
        for name in ("p50", "p90", "p95", "p99", "max"):
            assert summary["latency"][f"{name}_usec"] == row[name], name


def test_old_runs_are_asked_for(stored, target, tmp_path):
    """The broker has forgotten them; who asks doesn't notice."""
    (tmp_path / "words.c").write_text("""
#include <stdio.h>
#include <loads/loads.h>

LOADS_TEST(TestWords, test_hit)
{
    puts("a word of the test");
    loads_get(user, "/any");
}
""")
    stored.run("loads-runner", "words.TestWords.test_hit", "-a", 2, "--hits", 3, "--server-url", target.url,
               "--output", f"json={tmp_path}/before", cwd=tmp_path)
    run_id = stored.result("CTRL_RUNS")[0]["run_id"]
    asked = ["CTRL_SNAPSHOT", "CTRL_GET_COUNTS", "CTRL_GET_URLS", "CTRL_GET_METADATA", "CTRL_LOGS"]
    before = {command: stored.result(command, run_id=run_id) for command in asked}
    assert [piece["text"] for piece in before["CTRL_LOGS"]] and "a word" in before["CTRL_LOGS"][0]["text"]
    runs = stored.result("CTRL_RUNS")
    stored.restart_broker()
    after = {command: stored.result(command, run_id=run_id[:6]) for command in asked}
    for answers in (before, after):
        answers["CTRL_SNAPSHOT"].pop("number")  # of live messages
    assert after == before
    assert stored.result("CTRL_RUNS") == runs
    assert stored.result("CTRL_STOP_RUN", run_id=run_id) == []
    stored.run("loads-runner", "--attach", run_id, "--output", f"json={tmp_path}/after")
    assert json.loads((tmp_path / "after").read_text()) == json.loads((tmp_path / "before").read_text())
    assert "a word of the test" in stored.run("loadsctl", "logs", run_id[:8]).stdout
    assert stored.ask("CTRL_SNAPSHOT", run_id="ffffffff-ffff")["code"] == "unknown-run"
    assert stored.ask("CTRL_SNAPSHOT", run_id="no id")["code"] == "unknown-run"
    stored.run("loadsctl", "delete", run_id)
    assert stored.ask("CTRL_SNAPSHOT", run_id=run_id)["code"] == "unknown-run"
    assert stored.database.value("SELECT count(*) FROM loads.runs") == 0


# ---- what dies in between ----

@pytest.mark.parametrize("users, hits", [("2", "3"), ("1:2", "3")])
def test_the_broker_is_killed(stored, target, users, hits):
    run_id = stored.submit(f"{target.url}/held", "-a", 2, "-u", users, "--hits", hits)
    first = 2 * int(users[0])
    target.wait_for(lambda counts: counts["requests"] == first)
    stored.restart_broker()
    stored.busy()
    target.release()
    run = stored.wait_for_state(run_id, *OVER)
    assert (run["state"], run["outcome"], run["lost"]) == ("finished", "passed", [])
    total = 2 * 3 * sum(int(u) for u in users.split(":"))
    assert stored.summary(run_id)["hits"] == target.counts()["answers"] == total
    assert stored.database.value(f"SELECT sum(hits) AS n FROM loads.intervals WHERE run_id = '{run_id}'"
                                 ) == total


def test_the_broker_is_killed_again_and_again(stored, target):
    """At any moment of a run: nothing is lost, nothing is there twice."""
    run_id = stored.submit(f"{target.url}/any", "-a", 2, "-u", 2, "-d", "1h", "--on-agent-loss", "abort")
    for _ in range(5):
        answers = target.counts()["answers"]
        target.wait_for(lambda counts: counts["answers"] > answers + 100)
        stored.restart_broker()
    stored.busy()
    stored.run("loadsctl", "stop", run_id)
    run = stored.wait_for_state(run_id, *OVER)
    assert (run["state"], run["lost"]) == ("aborted", [])
    assert stored.summary(run_id)["hits"] == target.counts()["answers"]
    assert stored.database.rows(f"""
        SELECT source FROM loads.sources AS s WHERE run_id = '{run_id}' AND last_seq <>
               (SELECT count(DISTINCT seq) FROM loads.intervals AS i
                WHERE i.run_id = s.run_id AND i.source = s.source)""") == []


def test_an_agent_and_the_broker_are_killed(stored, target):
    """An agent that doesn't come back is lost, by the policy."""
    run_id = stored.submit(f"{target.url}/held", "-a", 2, "--hits", 2)
    target.wait_for(lambda counts: counts["requests"] == 2)
    kill(stored.agents[0])
    wait_until(lambda: stored.run_of(run_id)["lost"], "a loss")
    stored.restart_broker()
    assert len(stored.run_of(run_id)["lost"]) == 1
    target.release()
    run = stored.wait_for_state(run_id, *OVER)
    assert (run["state"], run["outcome"], len(run["lost"])) == ("finished", "lost", 1)
    row = stored.summary(run_id)
    assert (row["outcome"], row["lost_agents"]) == ("lost", run["lost"])


def test_postgresql_is_away_for_a_while(new_cluster, start_postgres, target):
    """The run goes on, nothing is lost, no other is taken."""
    postgres = start_postgres()
    database = postgres.database()
    database.migrate()
    stored = new_cluster(database)
    stored.start_agent()
    run_id = stored.submit(f"{target.url}/held", "-u", 2, "--hits", 5)
    target.wait_for(lambda counts: counts["requests"] == 2)
    postgres.stop()
    stored.wait_for(lambda ping: ping["database"]["state"] == "down")
    target.release()
    wait_until(lambda: stored.result("CTRL_GET_COUNTS", run_id=run_id)["add_hit"] >= 10, "the hits")
    refused = stored.run("loadsctl", "submit", f"{target.url}/any", code=4).stderr
    assert re.search(r"no run can be stored: .*database '\w+' as user 'postgres'", refused), refused
    assert "The database is away: " in stored.run("loadsctl", "ping").stdout
    assert stored.run_of(run_id)["state"] == "running"
    assert stored.ask("CTRL_SNAPSHOT", run_id="abc")["code"] == "database"
    postgres.start()
    run = stored.wait_for_state(run_id, *OVER)
    assert run["outcome"] == "passed"
    assert stored.summary(run_id)["hits"] == target.counts()["answers"] == 10


def test_a_run_that_waits_outlives_the_broker(stored, target):
    """One without files; another's went with the broker, and so did the secrets of a URL, as they say."""
    on = stored.submit(f"{target.url}/held", "-a", 2)
    target.wait_for(lambda counts: counts["requests"] == 2)
    url = stored.submit(f"{target.url}/any", "--queue")
    module = stored.submit("spread.TestSpread.test_mixture", "--queue", cwd=MODULES)
    secret = stored.submit(f"{target.url}/any?token=hush", "--queue")
    stored.restart_broker()
    run = stored.wait_for_state(module, *OVER)
    assert run["state"] == "aborted" and "submit it again" in run["trouble"]
    run = stored.wait_for_state(secret, *OVER)
    assert run["state"] == "aborted" and run["trouble"].startswith("the secrets of its URL went with the broker")
    assert run["name"] == f"{target.url}/any?***"
    assert stored.run_of(url)["state"] == "queued"
    target.release()
    for run_id in (on, url):
        assert stored.wait_for_state(run_id, *OVER)["outcome"] == "passed"


def test_a_repeated_request_is_one_run_across_a_restart(stored, target):
    request = {"agents": 1, "args": {"fqn": f"{target.url}/held"}, "request_id": REQUEST_ID}
    first = stored.result("CTRL_RUN", **request)
    target.wait_for(lambda counts: counts["requests"] == 1)
    stored.restart_broker()
    assert stored.result("CTRL_RUN", **request)["run_id"] == first["run_id"]  # it is on
    target.release()
    stored.wait_for_state(first["run_id"], *OVER)
    stored.restart_broker()
    stored.wait_for(lambda ping: len(ping["agents"]) == 2)
    again = stored.result("CTRL_RUN", **request)  # it is over
    assert again == {"run_id": first["run_id"], "state": "finished", "agents": first["agents"]}
    assert stored.database.value("SELECT count(*) FROM loads.runs") == 1
    assert target.counts()["answers"] == 1


# ---- databases that won't do ----

def test_a_late_migration(new_cluster, database, target):
    """Without its tables the broker takes no run and says what to do; then it goes on by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cluster, "wait_for", lambda self, condition: self.result("PING"))
        cluster = new_cluster(database)
    wait_until(lambda: "loadsctl db" in cluster.result("PING")["database"]["reason"], "the reason")
    assert re.search("The database is away: .*loadsctl db", cluster.run("loadsctl", "ping").stdout)
    cluster.start_agent()
    refused = cluster.run("loadsctl", "submit", f"{target.url}/any", code=4).stderr
    assert "loadsctl db" in refused
    database.migrate()
    cluster.wait_for(lambda ping: ping["database"]["state"] == "up")
    cluster.run("loads-runner", f"{target.url}/any", "-a", 1)


def test_a_row_that_cannot_be_read_back(stored, target):
    """It is ended, and nobody is held up by it."""
    run_id = stored.submit(f"{target.url}/held", "-a", 2)
    target.wait_for(lambda counts: counts["requests"] == 2)
    kill(stored.broker)
    stored.database.run(f"UPDATE loads.runs SET spec = '{{}}' WHERE run_id = '{run_id}'")
    stored.start_broker(database=stored.database.uri())
    target.release()
    run = stored.wait_for_state(run_id, *OVER)
    assert run["state"] == "aborted" and "could not read it back" in run["trouble"]
    stored.wait_for(lambda ping: [one["state"] for one in ping["agents"].values()] == ["free", "free"])
    stored.run("loads-runner", f"{target.url}/any", "-a", 2)


def test_a_password_is_in_no_answer(start, program, module_cache):
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        cluster = Cluster(start, program, module_cache, pathlib.Path(folder))
        cluster.environment["PGCONNECT_TIMEOUT"] = "2"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Cluster, "wait_for", lambda self, condition: self.result("PING"))
            cluster.start_broker(database="host=/nowhere user=anna dbname=tests password=hunter2")
        ping = cluster.result("PING")
        assert "database 'tests' as user 'anna'" in ping["options"]["database"]
        assert ping["database"]["state"] == "down" and "anna" in ping["database"]["reason"]
        assert "hunter2" not in json.dumps(ping) + cluster.broker.stderr()
        cluster.close()


def test_a_second_broker_on_one_database(stored, start, program):
    """One writes; the other says who does."""
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        other = start([program("loads-broker"), "--database", stored.database.uri()],
                      env={**stored.environment, "XDG_RUNTIME_DIR": folder})
        wait_until(lambda: "writes there already" in other.stderr(), "it said nothing")
        assert f"loads-broker {stored.broker.pid} on " in other.stderr()
