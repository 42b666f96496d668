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


# ---- what is old is deleted ----------------------------------------------------------------------

OLD, NEW, OPEN = (f"0a000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


@pytest.fixture
def old(database):
    """A database with a run that ended 40 days ago, one that ended yesterday, one that was on 40 days ago
    and has no end, and a line of the audit for each of the first two days."""
    database.migrate()
    for run, days, end in ((OLD, 40, True), (NEW, 1, True), (OPEN, 40, False)):
        at = f"now() - interval '{days} days'"
        database.run(
            "INSERT INTO loads.runs (run_id, name, spec, agents, state, submitted, finished) VALUES"
            f" ('{run}', 'http://shop/', '{{}}', 1, '{'finished' if end else 'running'}', {at},"
            f" {at if end else 'NULL'})")
        if end:
            database.run(f"INSERT INTO loads.audit (at, accepted, what) VALUES ({at}, true, 'CTRL_RUN')")
    return database


def runs_of(database):
    return {row["run_id"] for row in database.rows("SELECT run_id FROM loads.runs")}


def test_expire(db, old):
    options = ("--older-than", "30", "--database", old.uri())
    ran = db("expire", *options, "--dry-run")
    assert (ran.code, ran.stdout, ran.stderr) == (
        0, "2 runs and 1 line of the audit older than 30 days would be deleted\n", "")
    assert runs_of(old) == {OLD, NEW, OPEN}
    ran = db("expire", *options)
    assert (ran.code, ran.stdout, ran.stderr) == (
        0, "2 runs and 1 line of the audit older than 30 days deleted\n", "")
    assert runs_of(old) == {NEW}
    ran = db("expire", *options)
    assert ran.stdout == "0 runs and 0 lines of the audit older than 30 days deleted\n"
    rows = old.rows("SELECT what, who, run_id, times FROM loads.audit ORDER BY audit_id")
    assert rows[1:] == [{"what": "expire", "who": "postgres", "run_id": OLD, "times": 1},
                        {"what": "expire", "who": "postgres", "run_id": OPEN, "times": 1},
                        {"what": "expire-audit", "who": "postgres", "run_id": None, "times": 1}]


def test_expire_under_a_broker(db, old, hold):
    """What has no end is its own, however old it is."""
    broker = hold(WRITER)
    options = ("--older-than", "30", "--database", old.uri())
    assert db("expire", *options, "--dry-run").stdout.startswith("1 run and 1 line ")
    assert db("expire", *options).stdout.startswith("1 run and 1 line ")
    assert runs_of(old) == {NEW, OPEN}
    broker.communicate()
    assert db("expire", *options).stdout.startswith("1 run and 0 lines ")
    assert runs_of(old) == {NEW}


def test_expire_in_json(db, old):
    options = ("--older-than", "1000", "--database", old.uri(), "--json")
    ran = db("expire", *options, "--dry-run")
    assert json.loads(ran.stdout) == {"older_than_days": 1000, "dry_run": True, "runs": 0, "audit_lines": 0}


def test_expire_as_configured(db, old, tmp_path):
    """The broker's file says how old, and which database; what else is in it is no matter."""
    config = tmp_path / "broker.conf"
    config.write_text(f"[broker]\nagents = ipc:///a\n         ipc:///b\ndatabase = {old.uri()}\n"
                      "max-upload = 1M\n")
    ran = db("expire", "--config", config)
    assert (ran.code, ran.stdout) == (0, f"Nothing is deleted: {config} has no retention-days\n")
    folder = tmp_path / "broker.conf.d"
    folder.mkdir()
    (folder / "mine.conf").write_text("[broker]\nretention-days = 30\n")
    ran = db("expire", "--config", config)
    assert (ran.code, ran.stdout) == (0, "2 runs and 1 line of the audit older than 30 days deleted\n")
    (folder / "zero.conf").write_text("[broker]\nretention-days = none\n")
    assert "Nothing is deleted" in db("expire", "--config", config).stdout
    (folder / "zero.conf").write_text("[broker]\nretention-days = 9\ndatabase = none\n")
    ran = db("expire", "--config", config)
    assert ran.code == 0 and "the broker has no database" in ran.stderr


@pytest.mark.parametrize("line, says", [
    ("retention-days = 0", "broker.conf:2: retention-days: '0' is neither a number of days, 1 to 36500, nor none"),
    ("retention-day = 3", "broker.conf:2: unknown key 'retention-day' (did you mean 'retention_days'?)"),
    ("retention-days =", "broker.conf:2: retention-days: "),
])
def test_expire_with_a_mistake(db, tmp_path, line, says):
    config = tmp_path / "broker.conf"
    config.write_text(f"[broker]\n{line}\n")
    ran = db("expire", "--config", config)
    assert (ran.code, ran.stdout) == (2, "") and says in ran.stderr


def test_expire_without_its_file(db, tmp_path):
    ran = db("expire", "--config", tmp_path / "nosuch.conf")
    assert ran.code == 2 and f"{tmp_path}/nosuch.conf: No such file" in ran.stderr


@pytest.mark.parametrize("days", ["0", "-1", "36501", "many", ""])
def test_expire_of_no_age(db, old, days):
    ran = db("expire", f"--older-than={days}", "--database", old.uri())
    assert (ran.code, ran.stdout) == (2, "") and "--older-than: " in ran.stderr
    assert len(runs_of(old)) == 3


def test_options_of_expire_are_its_own(db, database):
    ran = db("status", "--dry-run", "--database", database.uri())
    assert ran.code == 2 and "are of 'loadsctl db expire'" in ran.stderr


@pytest.mark.parametrize("until, says", [(0, "there are no tables of Loads: run 'loadsctl db init'"),
                                         (1, "run 'loadsctl db migrate'")])
def test_expire_takes_the_tables(db, database, until, says):
    if until:
        database.migrate(until=until)
    ran = db("expire", "--older-than", "30", "--database", database.uri())
    assert (ran.code, ran.stdout) == (1, "") and says in ran.stderr and database.name in ran.stderr


def test_expire_without_a_server(db, tmp_path):
    ran = db("expire", "--older-than", "30", "--database", f"host={tmp_path} user=anna dbname=loads")
    assert (ran.code, ran.stdout) == (3, "") and "database 'loads' as user 'anna'" in ran.stderr


def test_who_may_not_expire(db, old, role):
    uri = role("USAGE ON SCHEMA loads", "SELECT ON ALL TABLES IN SCHEMA loads")
    assert "2 runs" in db("expire", "--older-than", "30", "--dry-run", "--database", uri).stdout
    ran = db("expire", "--older-than", "30", "--database", uri)
    assert (ran.code, ran.stdout) == (1, "") and "permission denied" in ran.stderr
    assert len(runs_of(old)) == 3


def test_what_was_deleted_before_a_failure(db, old):
    """It is said, and stays so."""
    old.run("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not that'; END $$;"
            " CREATE TRIGGER refuse BEFORE DELETE ON loads.audit EXECUTE FUNCTION refuse()")
    ran = db("expire", "--older-than", "30", "--database", old.uri())
    assert (ran.code, ran.stdout) == (1, "2 runs and 0 lines of the audit older than 30 days deleted\n")
    assert "not that" in ran.stderr and runs_of(old) == {NEW}
