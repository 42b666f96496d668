# SPDX-License-Identifier: MPL-2.0
"""Loads as systemd's services, on a host of lab.py: what tests of units share.

Fixtures, which conftest.py hands on:
    machine   the Machine of a test file: a host with PostgreSQL and Loads, on which nothing is running
    box       the same for one test: afterwards all is stopped, and what was configured is gone
"""

import contextlib
import json
import re

import pytest

from lab import Host
from runner import wait_until

SOCKETS = [f"loads-{name}.socket" for name in ("frontend", "backend", "receiver", "publisher")]
OVER = ("finished", "failed", "aborted")
RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Machine(Host):
    """A host that loads.target runs on."""

    def __init__(self, *arguments, sanitized, **options):
        super().__init__(*arguments, **options)
        if sanitized:  # LeakSanitizer traces its process, which a service may not
            for unit in ("loads-broker", "loads-agent@", "loads-database", "loads-expire", "loads-run@"):
                self.write(f"/etc/systemd/system/{unit}.service.d/sanitizer.conf",
                           "[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n")
            self.systemctl("daemon-reload")

    def start_postgres(self):
        """Makes a cluster, and starts it: it takes connections then."""
        version, = (path.name for path in self.path("/usr/lib/postgresql").iterdir())
        self.postgres = f"postgresql@{version}-main"
        self.run("pg_createcluster", version, "main")
        self.systemctl("daemon-reload")
        self.systemctl("start", self.postgres)

    def clean(self):
        """As it was at first, but for its databases."""
        self.systemctl("stop", "loads.target")
        self.run("systemctl", "reset-failed", "loads*", code=None)
        self.run("rm", "-rf", "/etc/loads")
        self.run("find", "/etc/systemd/system", "-name", "test.conf", "-delete")
        self.systemctl("daemon-reload")

    def fails_to_start(self, unit):
        """What `systemctl status` shows of a unit that doesn't start."""
        self.systemctl("start", unit, code=1)
        return self.run("systemctl", "status", "--full", unit, code=None).stdout

    # ---- clients ----

    def ask(self, *arguments):
        """What `loadsctl … --json` says."""
        return json.loads(self.run("loadsctl", *arguments, "--json").stdout)

    def agents(self):
        """Ids of those that are registered."""
        return set(self.ask("ping")["agents"])

    def submit(self, *arguments):
        run_id = self.run("loadsctl", "submit", *arguments).stdout.strip()
        assert RUN_ID.fullmatch(run_id), run_id
        return run_id

    def wait_for_end(self, run_id):
        """The run when it is over."""
        def over():
            ran = self.run("loadsctl", "show", run_id, "--json", code=None)
            run = json.loads(ran.stdout) if ran.stdout else {"state": ran.stderr}
            return run["state"] in OVER and run

        return wait_until(over, f"{run_id} does not end")

    # ---- PostgreSQL ----

    def sql(self, query, database="loads"):
        """Rows as dicts."""
        text = self.run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, user="postgres",
                        input=f"SELECT coalesce(json_agg(row), '[]') FROM (\n{query}\n) AS row").stdout
        return json.loads(text)

    def execute(self, statement, database="postgres"):
        self.run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement, user="postgres")

    def summary(self, run_id):
        """The row of loads.run_summary."""
        row, = self.sql(f"SELECT * FROM loads.run_summary WHERE run_id = '{run_id}'")
        return row

    def complete_hits(self, run_id):
        """Those of the summary, which the timeline has as well; no interval is missing."""
        hits, where = self.summary(run_id)["hits"], f"WHERE run_id = '{run_id}'"
        assert self.sql(f"SELECT sum(hits) AS n FROM loads.intervals {where}") == [{"n": hits}]
        assert self.sql(f"""
            SELECT source FROM loads.sources AS s {where} AND last_seq <>
                   (SELECT count(DISTINCT seq) FROM loads.intervals AS i
                    WHERE i.run_id = s.run_id AND i.source = s.source)""") == []
        return hits

    # ---- what is left ----

    def processes(self):
        """Command lines of whatever belongs to Loads.

        PostgreSQL's own processes bear the name of who is connected, and outlive him by a moment.
        """
        lines = []
        for folder in self.path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may be gone meanwhile
                lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return [line for line in lines if "loads-" in line and not line.startswith("postgres: ")]

    def owner(self, pid):
        """The user that a process runs as."""
        uid = self.path(f"/proc/{pid}").stat().st_uid
        return self.run("id", "--user", "--name", uid).stdout.strip()


@pytest.fixture(scope="module")
def sanitized(build_dir):
    return "LOADS_SANITIZE:STRING=\n" not in (build_dir / "CMakeCache.txt").read_text()


@pytest.fixture(scope="module")
def machine(installed, sanitized):
    made = Machine("one", [installed], sanitized=sanitized)
    try:
        made.start_postgres()
        yield made
    finally:
        made.halt()


@pytest.fixture
def box(machine):
    yield machine
    machine.clean()
