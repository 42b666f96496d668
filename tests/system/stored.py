# SPDX-License-Identifier: MPL-2.0
"""Clusters whose broker has a database."""

import pathlib
import tempfile

import pytest

from cluster import Cluster, kill
from runner import wait_until

OVER = ("finished", "failed", "aborted")


class Stored(Cluster):
    """A Cluster with a database."""

    def __init__(self, start, program, module_cache, folder, database):
        super().__init__(start, program, module_cache, folder)
        self.database = database
        self.start_broker(database=database.uri())

    def restart_broker(self):
        """Kills it, and waits until the next one has read the runs back."""
        kill(self.broker)
        self.start_broker(database=self.database.uri())
        wait_until(lambda: self.ask("CTRL_LIST_RUNS").get("code") != "database", "the runs")

    def busy(self):
        self.wait_for(lambda ping: len(ping["agents"]) == len(self.agents) and all(
            one["state"] == "busy" for one in ping["agents"].values()))

    def summary(self, run_id):
        """The row of loads.run_summary."""
        row, = self.database.rows(f"SELECT * FROM loads.run_summary WHERE run_id = '{run_id}'")
        return row


@pytest.fixture
def new_cluster(start, program, module_cache):
    """new_cluster(database): a Stored without agents."""
    made = []
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        def start_it(database):
            made.append(Stored(start, program, module_cache, pathlib.Path(folder), database))
            return made[-1]

        yield start_it
        for cluster in made:
            cluster.close()


@pytest.fixture
def stored(new_cluster, database):
    database.migrate()
    made = new_cluster(database)
    for _ in range(2):
        made.start_agent()
    return made
