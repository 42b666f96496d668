# SPDX-License-Identifier: MPL-2.0
"""What the broker tells its service manager, which `systemctl status` shows."""

import os
import signal

import pytest

from cluster import Cluster
from postgres import Lock


@pytest.fixture
def told(start, program, module_cache, start_manager, tmp_path):
    """A Cluster without a broker, whose broker is `manager`'s service."""
    cluster = Cluster(start, program, module_cache, tmp_path)
    cluster.manager = start_manager()
    environment = cluster.environment

    def start_broker(database, *arguments):
        cluster.environment = {**environment, **cluster.manager.environment}
        cluster.broker = start([program("loads-broker"), "--database", database, *arguments],
                               env=cluster.environment)
        cluster.environment = environment
        cluster.manager.wait_for("READY=1")
        return cluster.manager

    cluster.begin = start_broker
    yield cluster
    cluster.close()


def test_counts(told, target):
    """Agents, runs and hits as they come and go, each change once."""
    manager = told.begin("none")
    manager.wait_for("STATUS=0 agents, 0 runs, 0 hits/s, no database$")
    told.start_agent()
    manager.wait_for("STATUS=1 agent, 0 runs, 0 hits/s, no database$")
    told.start_agent()
    manager.wait_for("STATUS=2 agents, 0 runs, 0 hits/s, no database$")
    run_id = told.submit(f"{target.url}/any", "-a", 2, "-d", "1h")
    manager.wait_for("STATUS=2 agents, 1 run, [1-9][0-9,]* hits/s, no database$")
    told.result("CTRL_STOP_RUN", run_id=run_id)
    manager.wait_for("STATUS=2 agents, 0 runs, 0 hits/s, no database$")
    for _ in range(20):
        told.result("PING")
    statuses = [text for text in manager.told() if "STATUS=" in text]
    assert statuses == []
    os.kill(told.broker.pid, signal.SIGHUP)
    manager.wait_for("RELOADING=1\nMONOTONIC_USEC=[0-9]+$")
    manager.wait_for("READY=1$")
    assert told.broker.stop() == 0
    manager.wait_for("STOPPING=1")


def test_the_database(told, start_postgres):
    """Which of all that can be wrong with it is wrong."""
    away = "STATUS=0 agents, 0 runs, 0 hits/s, database away: .*"
    manager = told.begin(f"host={told.folder} dbname=loads")
    missing = manager.wait_for(away + "No such file or directory")
    assert f"{told.folder}/.s.PGSQL.5432" in missing and missing.count("\n") == 0
    assert told.broker.stop() == 0

    server = start_postgres()
    database = server.database()
    for uri, reason in ((database.uri("nobody_here"), 'role "nobody_here" does not exist'),
                        (server.uri("nothing"), 'database "nothing" does not exist')):
        told.begin(uri)
        manager.wait_for(away + reason)
        assert told.broker.stop() == 0

    told.begin(database.uri())
    manager.wait_for(away + "there are no tables of loads yet: loadsctl db migrate$")
    database.migrate(until=1)
    manager.wait_for(away + "the schema has version 1, and this loads-broker needs [0-9]+: loadsctl db migrate$")
    database.migrate()
    manager.wait_for("STATUS=0 agents, 0 runs, 0 hits/s, database ok$")
    server.stop()
    manager.wait_for(away + "(terminating connection|shut down|Connection refused|No such file)")
    server.start()
    manager.wait_for("STATUS=0 agents, 0 runs, 0 hits/s, database ok$")


def test_what_it_was_told_is_stored_before_it_ends(told, database, target):
    """The database takes its time: the manager is asked to wait, and nothing gets lost."""
    database.migrate()
    manager = told.begin(database.uri())
    manager.wait_for("X_LOADS_LOADED=1")
    told.start_agent()
    run_id = told.submit(f"{target.url}/held")
    target.wait_for(lambda counts: counts["requests"] == 1)
    lock = Lock(database, "loads.events")
    told.result("CTRL_STOP_RUN", run_id=run_id)
    os.kill(told.broker.pid, signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    manager.wait_for("EXTEND_TIMEOUT_USEC=[1-9]")
    manager.wait_for("STATUS=ending: 1 agent, 1 run, 0 hits/s, database ok$")
    assert told.broker.process.poll() is None
    lock.release()
    assert told.broker.stop() == 0
    events = database.rows(f"SELECT kind, message FROM loads.events WHERE run_id = '{run_id}' ORDER BY event_id")
    assert [event["kind"] for event in events] == ["state"] * 3
    assert events[-1]["message"] == "stopping: it was stopped"
