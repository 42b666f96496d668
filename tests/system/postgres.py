# SPDX-License-Identifier: MPL-2.0
"""A PostgreSQL of the tests' own: fresh, on a socket in a folder of its own, gone at the end.

Fixtures, which conftest.py hands on:
    postgres        the server that all tests of a file share
    database        an empty Database on it, for one test
    start_postgres  start_postgres(): a server for a test that stops it or looks at its roles

PostgreSQL refuses to run as root, so then it runs as the user postgres, or nobody. It is ended by the
kernel, too, when the tests are killed. Clients connect as `postgres` (superuser) or as the role that
they name; nobody is asked for a password, since only root and that user reach the socket's folder.
"""

import itertools
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIGRATIONS = ROOT / "sql"
READY_SECONDS = 60
STOP_SECONDS = 60
SQL_SECONDS = 120

# What is lost when the machine fails may be lost; nothing listens on the network.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}


def programs():
    """The folder of initdb and postgres: $LOADS_POSTGRES_BIN, Debian's newest, or that of the path."""
    debian = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    found = os.environ.get("LOADS_POSTGRES_BIN") or (debian and debian[-1]) or shutil.which("postgres")
    assert found, "there is no PostgreSQL: tests/install-deps test"
    found = pathlib.Path(found)
    return found if found.is_dir() else found.parent


def unprivileged():
    """Popen's options, and setpriv's, for who runs the server; ours unless we are root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


class Failed(Exception):
    """What psql said."""


class Postgres:
    """A server, initialized and running."""

    def __init__(self, **settings):
        self.bin = programs()
        self.user = unprivileged()
        self.settings = {**SETTINGS, **settings}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="loads-pg-"))  # short, for the socket
        self.numbers = itertools.count(1)
        self.process = None
        self.log = []
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        ran = subprocess.run(
            self.command("initdb", "--pgdata", self.folder / "data", "--username", "postgres",
                         "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
            capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=self.folder,
        )
        assert ran.returncode == 0, ran.stderr
        self.start()

    def command(self, program, *arguments):
        """A command that runs as who owns the server, and ends with us."""
        words = ["setpriv", "--pdeathsig", "INT"]
        if self.user:
            words += [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
        return [str(word) for word in words + [self.bin / program, *arguments]]

    def start(self):
        """Starts it (again); it takes connections when this returns."""
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        self.process = subprocess.Popen(
            self.command("postgres", "-D", self.folder / "data", "-k", self.folder, *options),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, start_new_session=True,
        )
        ready = threading.Event()
        self.reader = threading.Thread(target=self.read_log, args=(ready,), daemon=True)
        self.reader.start()
        assert ready.wait(READY_SECONDS) and self.process.poll() is None, "".join(self.log)

    def read_log(self, ready):
        for line in self.process.stderr:
            self.log.append(line)
            if "database system is ready to accept connections" in line:
                ready.set()
        ready.set()  # it ended

    def stop(self, number=signal.SIGINT):
        """Ends it, its clients' connections with it; SIGQUIT: at once, as in a crash."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.reader.join(STOP_SECONDS)
            self.process.stderr.close()

    def remove(self):
        code = self.stop()
        shutil.rmtree(self.folder)
        assert code == 0, "".join(self.log)

    def uri(self, database="postgres", user="postgres"):
        """What libpq connects with."""
        return f"host={self.folder} user={user} dbname={database}"

    def database(self, owner="postgres"):
        """A new, empty Database."""
        name = f"test{next(self.numbers)}"
        Database(self, "postgres").run(f'CREATE DATABASE {name} OWNER "{owner}"')
        return Database(self, name)


class Database:
    """A database, and what psql makes of it."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    def uri(self, user="postgres"):
        return self.server.uri(self.name, user)

    def run(self, sql, user="postgres", options=(), seconds=SQL_SECONDS):
        """Runs statements; what they print, without headings. Raises Failed."""
        ran = subprocess.run(
            [self.server.bin / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.uri(user), *options],
            input=sql, capture_output=True, text=True, timeout=seconds,
            env={**os.environ, "PGCLIENTENCODING": "UTF8"},
        )
        if ran.returncode != 0:
            raise Failed(ran.stderr)
        return ran.stdout

    def rows(self, query, user="postgres"):
        """The rows of one SELECT, as dicts of JSON's types."""
        query = query.strip().rstrip(";")
        text = self.run(f"SELECT coalesce(json_agg(row), '[]') FROM (\n{query}\n) AS row", user)
        return json.loads(text)

    def value(self, query, user="postgres"):
        """The only value of the only row."""
        (row,) = self.rows(query, user)
        (value,) = row.values()
        return value

    def version(self, user="postgres"):
        """That of the schema; 0: there is none."""
        if self.value("SELECT to_regclass('loads.schema_migrations') IS NULL", user):
            return 0
        return self.value("SELECT max(version) FROM loads.schema_migrations", user)

    def migrate(self, user="postgres", until=9999):
        """Brings the schema up to date, each migration in one transaction; the names of those that
        were applied."""
        version = self.version(user)
        applied = []
        for path in sorted(MIGRATIONS.glob("[0-9][0-9][0-9][0-9]-*.sql")):
            if version < int(path.name[:4]) <= until:
                self.run(path.read_text(), user, options=["--single-transaction"])
                applied.append(path.name)
        return applied

    def drop(self):
        Database(self.server, "postgres").run(f"DROP DATABASE {self.name} WITH (FORCE)")


class Lock:
    """Keeps everybody else from a table, until it is released."""

    def __init__(self, database, table):
        self.psql = subprocess.Popen([database.server.bin / "psql", "-XqAt", "-d", database.uri()],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.psql.stdin.write(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
        self.psql.stdin.flush()
        assert self.psql.stdout.readline() == "locked\n"

    def release(self):
        self.psql.stdin.close()
        assert self.psql.wait(60) == 0
        self.psql.stdout.close()


@pytest.fixture(scope="session")
def postgres():
    """A Postgres that tests share: no test stops it."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def database(postgres):
    """An empty Database."""
    made = postgres.database()
    yield made
    made.drop()


@pytest.fixture
def start_postgres():
    """start_postgres(**settings): a Postgres of the test's own."""
    servers = []

    def start(**settings):
        servers.append(Postgres(**settings))
        return servers[-1]

    yield start
    for server in servers:
        server.remove()
