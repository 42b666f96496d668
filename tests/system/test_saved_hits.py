# SPDX-License-Identifier: MPL-2.0
"""Runs with --save-hits: every hit and test event is in the database, once, whatever dies in between."""

import pathlib

from cluster import kill
from runner import wait_until
from stored import OVER

MODULES = pathlib.Path(__file__).parent / "modules"


def count(stored, table, condition="true"):
    return stored.database.value(f"SELECT count(*) AS n FROM loads.{table} WHERE {condition}")


def assert_whole(stored, target, run_id):
    """Details say what totals do, and what the target says."""
    of_run = f"run_id = '{run_id}'"
    row = stored.summary(run_id)
    assert count(stored, "hits", f"{of_run} AND error_id IS NULL") == row["hits"] == target.counts()["answers"]
    by_series = "SELECT series_id, count(*) AS n FROM loads.hits WHERE {} AND error_id IS NULL GROUP BY 1 ORDER BY 1"
    totals = "SELECT series_id, hits AS n FROM loads.totals WHERE {} AND hits > 0 ORDER BY 1"
    assert stored.database.rows(by_series.format(of_run)) == stored.database.rows(totals.format(of_run))
    iterations = row["successes"] + row["failures"] + row["errors"] + row["interrupted"]
    for kind, expected in (("startTest", iterations), ("stopTest", iterations), ("addSuccess", row["successes"]),
                           ("addFailure", row["failures"]), ("addError", row["errors"])):
        assert count(stored, "test_events", f"{of_run} AND data_type = '{kind}'") == expected, kind
    assert stored.database.rows(f"""
        SELECT source FROM loads.sources AS s WHERE {of_run} AND last_detail_seq <> (
            SELECT count(DISTINCT seq) FROM (SELECT seq, source FROM loads.hits WHERE {of_run} UNION ALL
                                             SELECT seq, source FROM loads.test_events WHERE {of_run}) AS all_of_it
            WHERE all_of_it.source = s.source)""") == []


def test_every_hit_and_event(stored, target):
    stored.run("loads-runner", "spread.TestSpread.test_mixture", "-a", 2, "-u", "2:4", "--hits", 6,
               "--save-hits", "--server-url", target.url, cwd=MODULES, code=1)
    run_id, = (row["run_id"] for row in stored.database.rows("SELECT run_id FROM loads.runs"))
    assert_whole(stored, target, run_id)
    # Users have numbers of their own over the whole run.
    users = stored.database.rows("SELECT DISTINCT user_number AS n, source FROM loads.test_events WHERE cycle = 1")
    assert sorted(row["n"] for row in users) == list(range(8))


def test_asking_for_them(stored, target):
    run_id = stored.submit(f"{target.url}/any", "-a", 2, "-u", 2, "--hits", 10, "--save-hits")
    stored.wait_for_state(run_id, *OVER)
    everything = stored.result("CTRL_GET_DATA", run_id=run_id, size=10000)
    assert len(everything) == 40 * 4  # startTest, add_hit, addSuccess, stopTest
    pages = [stored.result("CTRL_GET_DATA", run_id=run_id, start=start, size=50) for start in (0, 50, 100, 150)]
    assert sum(pages, []) == everything
    hits = stored.result("CTRL_GET_DATA", run_id=run_id, data_type="add_hit")
    assert len(hits) == 40 and {hit["url"] for hit in hits} == {f"{target.url}/any"}
    assert len({hit["agent_id"] for hit in hits}) == 2
    started = [hit["started"] for hit in hits]
    assert started == sorted(started)


def test_not_asked_for(stored, target):
    run_id = stored.submit(f"{target.url}/any", "--hits", 10)
    stored.wait_for_state(run_id, *OVER)
    assert stored.ask("CTRL_GET_DATA", run_id=run_id)["code"] == "no-detail"
    assert count(stored, "hits") == 0


def test_the_broker_is_killed_again_and_again(stored, target):
    run_id = stored.submit(f"{target.url}/any", "-a", 2, "-u", 2, "-d", "1h", "--save-hits",
                           "--on-agent-loss", "abort")
    for _ in range(3):
        answers = target.counts()["answers"]
        target.wait_for(lambda counts: counts["answers"] > answers + 100)
        stored.restart_broker()
    stored.busy()
    stored.run("loadsctl", "stop", run_id)
    assert stored.wait_for_state(run_id, *OVER)["lost"] == []
    assert_whole(stored, target, run_id)


def test_postgresql_is_away_for_a_while(new_cluster, start_postgres, target):
    postgres = start_postgres()
    database = postgres.database()
    database.migrate()
    stored = new_cluster(database)
    stored.start_agent()
    run_id = stored.submit(f"{target.url}/any", "-u", 2, "-d", "1h", "--save-hits")
    target.wait_for(lambda counts: counts["answers"] > 100)
    postgres.stop()
    stored.wait_for(lambda ping: ping["database"]["state"] == "down")
    answers = target.counts()["answers"]
    target.wait_for(lambda counts: counts["answers"] > answers + 500)
    postgres.start()
    stored.run("loadsctl", "stop", run_id)
    stored.wait_for_state(run_id, *OVER)
    assert_whole(stored, target, run_id)


def test_an_agent_is_killed(stored, target):
    """What it had sent is there, and no more is said to be."""
    run_id = stored.submit(f"{target.url}/held", "-a", 2, "-u", 2, "--hits", 4, "--save-hits")
    target.wait_for(lambda counts: counts["requests"] == 4)
    kill(stored.agents[0])
    wait_until(lambda: stored.run_of(run_id)["lost"], "a loss")
    target.release()
    run = stored.wait_for_state(run_id, *OVER)
    assert (run["state"], run["outcome"]) == ("finished", "lost")
    assert count(stored, "hits", "error_id IS NULL") == stored.summary(run_id)["hits"] == 8
