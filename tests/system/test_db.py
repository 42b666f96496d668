# SPDX-License-Identifier: MPL-2.0
"""loadsctl db: the tables in PostgreSQL, by the program, and all that can be wrong with them."""

import json
import signal
import subprocess

import pytest

from postgres import MIGRATIONS, Database
from runner import wait_until

FILES = sorted(path.name for path in MIGRATIONS.glob("[0-9]*.sql"))
LATEST = len(FILES)
APPLIED = [f"applied {name}" for name in FILES]


@pytest.fixture
def db(ctl, monkeypatch):
    """db(action, options): a Ran of loadsctl db, which is told nothing by the environment."""
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGOPTIONS"):
        monkeypatch.delenv(name, raising=False)

    def run(action, *options, **environment):
        return ctl.run("db", action, *options, env=environment)

    return run


def where(database, user="postgres"):
    return f"database '{database.name}' as user '{user}' on host '{database.server.folder}'"


def as_role(database, name, rights=()):
    """A role of the server, with some rights in the database; how it connects."""
    database.run(f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN")
    for right in rights:
        database.run(f"GRANT {right} TO {name}")
    return database.uri(name)


@pytest.fixture
def role(database):
    """role(*rights): as_role() for the test's database; gone afterwards."""
    yield lambda *rights: as_role(database, "guest", rights)
    database.run("DROP OWNED BY guest; DROP ROLE guest")


# ---- what is done --------------------------------------------------------------------------------


def test_init_migrate_status(db, database):
    uri = database.uri()
    ran = db("status", "--database", uri)
    assert (ran.code, ran.stderr) == (1, "")
    assert ran.stdout == (f"{where(database)}\nSchema there: none\nSchema of this program: version {LATEST}\n"
                          "There are no tables of Loads: run 'loadsctl db init'\n")
    ran = db("init", "--database", uri)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [*APPLIED, f"{where(database)} has now version {LATEST} of the schema"]
    assert database.version() == LATEST
    for action in ("init", "migrate"):
        ran = db(action, "--database", uri)
        assert (ran.code, ran.stderr) == (0, "")
        assert ran.stdout == f"{where(database)} has already version {LATEST} of the schema\n"
    ran = db("status", "--database", uri)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == (f"{where(database)}\nSchema there: version {LATEST}\n"
                          f"Schema of this program: version {LATEST}\nIt is up to date\n")


def test_migrate_makes_all(db, database):
    ran = db("migrate", "--database", database.uri())
    assert ran.code == 0 and ran.stdout.splitlines()[:-1] == APPLIED
    assert database.migrate() == []  # there is nothing left that psql could apply


def test_an_older_schema(db, database):
    database.migrate(until=1)
    ran = db("status", "--database", database.uri())
    assert ran.code == 1
    assert ran.stdout.endswith(f"Schema there: version 1\nSchema of this program: version {LATEST}\n"
                               "It is older than this program: run 'loadsctl db migrate'\n")
    ran = db("migrate", "--database", database.uri())
    assert ran.code == 0 and ran.stdout.splitlines()[:-1] == APPLIED[1:]
    assert database.version() == LATEST


def test_init_makes_role_and_database(db, start_postgres):
    server = start_postgres()
    ran = db("init", "--database", f"host={server.folder} user=loads dbname=loads", PGUSER="postgres")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[:-1] == ["made role 'loads'", "made database 'loads'", *APPLIED]
    made = Database(server, "loads")
    owner = "SELECT tableowner FROM pg_tables WHERE schemaname = 'loads' AND tablename = 'runs'"
    assert made.value(owner, "loads") == "loads"
    assert db("status", "--database", made.uri("loads")).code == 0


def test_json(db, database):
    database.migrate(until=1)
    common = {"database": database.name, "user": "postgres", "where": where(database),
              "program_version": LATEST}
    options = ("--json", "--database", database.uri())
    ran = db("status", *options)
    assert ran.code == 1
    assert json.loads(ran.stdout) == {**common, "version": 1, "state": "older"}
    for done in (APPLIED[1:], []):
        ran = db("migrate", *options)
        assert ran.code == 0
        assert json.loads(ran.stdout) == {**common, "version": LATEST, "state": "current", "done": done}
    ran = db("status", *options)
    assert ran.code == 0 and json.loads(ran.stdout)["state"] == "current"


def test_which_database(db, start_postgres):
    """The broker's by default, the environment's, or the option's."""
    server = start_postgres()
    host = {"PGHOST": str(server.folder), "PGUSER": "postgres"}
    for environment, options, name in [
        ({}, (), "loads"),
        ({"PGDATABASE": "other"}, (), "other"),
        ({"PGDATABASE": "other"}, ("--database", ""), "other"),
        ({}, ("--database", ""), "postgres"),
        ({"PGDATABASE": "other"}, ("--database", "dbname=third"), "third"),
    ]:
        ran = db("status", *options, **host, **environment)
        assert f"database '{name}' as user 'postgres' on host '{server.folder}'" in ran.stdout + ran.stderr


# ---- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["init", "migrate", "status"])
def test_no_server(db, tmp_path, action):
    ran = db(action, "--database", f"host={tmp_path} user=anna dbname=loads")
    assert (ran.code, ran.stdout) == (3, "")
    assert ran.stderr.startswith(f"loadsctl: database 'loads' as user 'anna' on host '{tmp_path}': ")
    assert "No such file or directory" in ran.stderr


@pytest.mark.parametrize("action", ["init", "migrate", "status"])
def test_no_such_host(db, action):
    ran = db(action, "--database", "host=nosuch.invalid user=anna dbname=loads")
    assert (ran.code, ran.stdout) == (3, "")
    assert "database 'loads' as user 'anna' on host 'nosuch.invalid': " in ran.stderr


@pytest.mark.parametrize("action", ["migrate", "status"])
def test_no_such_database(db, postgres, action):
    ran = db(action, "--database", postgres.uri("nosuch"))
    assert (ran.code, ran.stdout) == (3, "")
    assert f"database 'nosuch' as user 'postgres' on host '{postgres.folder}': " in ran.stderr
    assert 'database "nosuch" does not exist' in ran.stderr


def test_no_such_role(db, database):
    ran = db("status", "--database", database.uri("nosuch"))
    assert (ran.code, ran.stdout) == (3, "")
    assert where(database, "nosuch") in ran.stderr and 'role "nosuch" does not exist' in ran.stderr


@pytest.mark.parametrize("action", ["init", "migrate", "status"])
def test_no_connection_string(db, action):
    for text in ("nonsense", "nosuch=1", "host=x service=y"):
        ran = db(action, "--database", text)
        assert (ran.code, ran.stdout) == (2, "")
        assert "connection string" in ran.stderr


def test_passwords_are_not_shown(db):
    ran = db("status", "--database", "password=s3cret nonsense")
    assert ran.code == 2 and "s3cret" not in ran.stderr


def test_a_newer_schema(db, database):
    database.migrate()
    database.run("INSERT INTO loads.schema_migrations (version, name) VALUES (99, 'tomorrow')")
    ran = db("status", "--database", database.uri())
    assert ran.code == 1
    assert ran.stdout.endswith("Schema there: version 99\n"
                               f"Schema of this program: version {LATEST}\n"
                               "It is newer than this program: use a newer Loads\n")
    assert json.loads(db("status", "--json", "--database", database.uri()).stdout)["state"] == "newer"
    for action in ("init", "migrate"):
        ran = db(action, "--database", database.uri())
        assert (ran.code, ran.stdout) == (1, "")
        assert ran.stderr == (f"loadsctl: {where(database)}: the schema has version 99, newer than the "
                              f"{LATEST} of this program\n")


def test_a_migration_that_fails(db, database):
    """What was applied before it stays, nothing of it does, and the next time it goes on from there."""
    database.migrate(until=1)
    database.run("CREATE FUNCTION loads.bucket(bigint) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    ran = db("migrate", "--database", database.uri())
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"loadsctl: {FILES[1]}: {where(database)}: ")
    assert "already exists" in ran.stderr
    assert database.version() == 1
    database.run("DROP FUNCTION loads.bucket(bigint)")
    ran = db("migrate", "--database", database.uri())
    assert ran.code == 0 and ran.stdout.splitlines()[:-1] == APPLIED[1:]


def test_who_may_not_write(db, database, role):
    uri = role()
    ran = db("migrate", "--database", uri)
    assert (ran.code, ran.stdout) == (1, "")
    assert f"{where(database, 'guest')}: permission denied for database {database.name}" in ran.stderr
    assert db("status", "--database", uri).code == 1
    assert database.version() == 0


def test_who_may_not_read(db, database, role):
    database.migrate()
    uri = role()
    for action in ("init", "migrate", "status"):
        ran = db(action, "--database", uri)
        assert (ran.code, ran.stdout) == (1, "")
        assert ran.stderr == f"loadsctl: {where(database, 'guest')}: permission denied for schema loads\n"


def test_who_may_only_read(db, database, role):
    """A reader sees how it is, up to date or not, and changes nothing."""
    database.migrate(until=1)
    uri = role("USAGE ON SCHEMA loads", "SELECT ON ALL TABLES IN SCHEMA loads")
    assert "It is older" in db("status", "--database", uri).stdout
    ran = db("migrate", "--database", uri)
    assert (ran.code, ran.stdout) == (1, "")
    assert f"{where(database, 'guest')}: permission denied for schema loads" in ran.stderr
    assert database.version() == 1
    assert db("migrate", "--database", database.uri()).code == 0
    assert db("status", "--database", uri).code == 0
    assert "has already version" in db("migrate", "--database", uri).stdout


def test_a_server_that_only_reads(db, database):
    ran = db("migrate", "--database", database.uri(), PGOPTIONS="-c default_transaction_read_only=on")
    assert (ran.code, ran.stdout) == (1, "")
    assert f"{where(database)}: " in ran.stderr and "read-only transaction" in ran.stderr


# The numbers are those of lib/run/schema.h.
WRITER, MIGRATE = 1, 2
LOCK = "SELECT 'taken', pg_advisory_lock(1282367844, {});\n"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def hold(database):
    """hold(lock): psql, which has that lock as long as it lives."""
    made = []

    def start(lock):
        psql = subprocess.Popen([database.server.bin / "psql", "-XqAt", "-d", database.uri()],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        made.append(psql)
        psql.stdin.write(LOCK.format(lock))
        psql.stdin.flush()
        assert psql.stdout.readline().startswith("taken")
        return psql

    yield start
    for psql in made:
        psql.communicate()
        assert psql.returncode == 0


def test_not_under_a_broker(db, database, hold):
    database.migrate(until=1)
    broker = hold(WRITER)
    ran = db("migrate", "--database", database.uri())
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == (f"loadsctl: {where(database)}: a loads-broker writes there; stop it for the "
                          "migration\n")
    assert "It is older" in db("status", "--database", database.uri()).stdout
    broker.communicate()
    assert db("migrate", "--database", database.uri()).code == 0


def test_interrupted(ctl, db, database, hold):
    database.migrate(until=1)
    other = hold(MIGRATE)
    running = ctl.start("db", "migrate", "--database", database.uri())
    wait_until(lambda: database.value(WAITING) == 1, "it doesn't wait for the other one")
    running.send(signal.SIGINT)
    assert running.wait().code == -signal.SIGINT
    other.communicate()
    assert database.version() == 1
    ran = db("migrate", "--database", database.uri())
    assert ran.code == 0 and ran.stdout.splitlines()[:-1] == APPLIED[1:]


def test_two_at_once(ctl, database):
    """The second one waits for the first, and finds nothing to do."""
    both = [ctl.start("db", "migrate", "--database", database.uri()) for _ in range(2)]
    ended = [running.wait() for running in both]
    assert [ran.code for ran in ended] == [0, 0], ended
    lines = [line for ran in ended for line in ran.stdout.splitlines() if line.startswith("applied")]
    assert lines == APPLIED
