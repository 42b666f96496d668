# SPDX-License-Identifier: MPL-2.0
"""The schema in sql/: how it comes into a database, and what can be asked of it.

What is said in SQL best is in sql/*.sql beside this file (pgTAP); each of these files is one test.
"""

import json
import pathlib
import re

import pytest

from postgres import MIGRATIONS, ROOT, Failed

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE / "sql" / "data.sql"
FILES = sorted(path.name for path in MIGRATIONS.glob("*.sql"))
VECTORS = json.loads((ROOT / "tests/vectors/percentiles.json").read_text())
README = (MIGRATIONS / "README.md").read_text()
RUN = "0a000000-0000-4000-8000-000000000001"
OLDER = "0a000000-0000-4000-8000-000000000002"


@pytest.fixture
def schema(database):
    """A database with the schema, empty."""
    database.migrate()
    return database


@pytest.fixture
def filled(schema):
    """A database with the runs of data.sql."""
    schema.run(DATA.read_text())
    return schema


@pytest.fixture(scope="module")
def shared(postgres):
    """The same, for tests that change nothing."""
    made = postgres.database()
    made.migrate()
    made.run(DATA.read_text())
    yield made
    made.drop()


# ---- migrations ----


def test_migrations_are_numbered():
    assert FILES
    for number, name in enumerate(FILES, 1):
        assert re.fullmatch(rf"{number:04}-[a-z0-9-]+\.sql", name)


def test_migrations_apply_once(database):
    assert database.version() == 0
    assert database.migrate() == FILES
    assert database.version() == len(FILES)
    applied = database.rows("SELECT version, name FROM loads.schema_migrations ORDER BY version")
    assert [f"{row['version']:04}-{row['name']}.sql" for row in applied] == FILES
    assert database.migrate() == []
    assert database.version() == len(FILES)


def test_migrations_keep_what_is_there(database):
    database.migrate(until=1)
    database.run(
        "INSERT INTO loads.runs (run_id, name, spec, agents, state)"
        f" VALUES ('{RUN}', 'http://shop/', '{{}}', 1, 'queued')"
    )
    assert database.migrate() == FILES[1:]
    assert database.value("SELECT run_id FROM loads.run_summary") == RUN


@pytest.mark.parametrize("name", FILES)
def test_migration_is_one_transaction(database, name):
    """When something goes wrong after its last statement, nothing of it stays."""
    before = int(name[:4]) - 1
    database.migrate(until=before)
    statements = (MIGRATIONS / name).read_text()
    with pytest.raises(Failed, match="division by zero"):
        database.run(statements + "\nSELECT 1 / 0;", options=["--single-transaction"])
    assert database.version() == before
    assert len(database.migrate()) == len(FILES) - before


@pytest.mark.parametrize("name", FILES)
def test_migration_is_not_applied_twice(schema, name):
    """Who applies one by hand and twice gets an error, and loses nothing."""
    with pytest.raises(Failed, match="already exists"):
        schema.run((MIGRATIONS / name).read_text(), options=["--single-transaction"])
    assert schema.version() == len(FILES)


def test_owner_needs_no_rights_but_on_the_database(start_postgres):
    """Without the right to make roles there is no loads_reader until somebody makes it."""
    server = start_postgres()
    admin = server.database()
    admin.run("CREATE ROLE owner LOGIN; CREATE ROLE reader LOGIN")
    database = server.database(owner="owner")
    assert database.migrate("owner") == FILES
    assert database.rows("SELECT FROM pg_roles WHERE rolname = 'loads_reader'") == []
    assert database.value("SELECT loads.grant_reader()", "owner") is False
    database.run("CREATE ROLE loads_reader; GRANT loads_reader TO reader")
    with pytest.raises(Failed, match="permission denied"):
        database.rows("SELECT * FROM loads.run_summary", "reader")
    assert database.value("SELECT loads.grant_reader()", "owner") is True

    database.run(DATA.read_text(), "owner")
    assert len(database.rows("SELECT * FROM loads.run_summary", "reader")) == 3
    assert database.value(f"SELECT loads.digest('{RUN}')", "owner") > 0
    assert len(database.rows("SELECT * FROM loads.hits", "reader")) == 2
    database.run(f"DELETE FROM loads.runs WHERE run_id = '{RUN}'", "owner")
    assert len(database.rows("SELECT * FROM loads.run_summary", "reader")) == 2


def test_a_second_database_uses_the_role(postgres):
    """Roles are the server's: the first database made it."""
    databases = [postgres.database() for _ in range(2)]
    for database in databases:
        database.migrate()
        assert database.value("SELECT loads.grant_reader()") is True
    for database in databases:
        database.drop()


# ---- percentiles, as everywhere ----


def test_buckets(shared):
    values = ", ".join(f"({row['usec']})" for row in VECTORS["buckets"])
    rows = shared.rows(f"""
        SELECT usec, bucket, loads.bucket_low_usec(bucket) AS low_usec,
               loads.bucket_usec(bucket) AS represents_usec
        FROM (VALUES {values}) AS v (usec), loads.bucket(usec) AS bucket""")
    assert len(rows) > 50 and rows == VECTORS["buckets"]


def samples(histogram):
    """VALUES with a row per sample and count; the range that is measured is the one of bucket()."""
    rows = ", ".join(f"({usec}::bigint, {count}::bigint)" for usec, count in histogram["samples"])
    return f"""
        SELECT least(greatest(usec, 1), 3600000000) AS usec, count
        FROM ({'VALUES ' + rows if rows else 'SELECT 0, 0 WHERE false'}) AS v (usec, count)"""


@pytest.mark.parametrize("histogram", VECTORS["histograms"], ids=lambda h: h["name"])
def test_percentiles(shared, histogram):
    """Of the arrays as they are stored, and merged of parts."""
    expected = [usec for _, usec in histogram["percentiles"]]
    percents = "'{" + ",".join(str(thousandths / 1000) for thousandths, _ in histogram["percentiles"]) + "}'"
    stored = shared.value(f"""
        SELECT loads.percentiles(COALESCE(array_agg(bucket ORDER BY bucket), '{{}}'),
                                 COALESCE(array_agg(count ORDER BY bucket), '{{}}'),
                                 COALESCE(min(least), 0), COALESCE(max(greatest), 0), {percents})
        FROM (SELECT loads.bucket(usec) AS bucket, sum(count)::bigint AS count, min(usec) AS least,
                     max(usec) AS greatest
              FROM ({samples(histogram)}) AS s GROUP BY 1) AS b""")
    assert stored == expected
    merged = shared.rows(f"""
        SELECT loads.percentile(merged, percent) AS usec
        FROM (SELECT loads.merge(ARRAY[loads.bucket(usec)], ARRAY[count]::int8[], usec, usec) AS merged
              FROM ({samples(histogram)}) AS s) AS m,
             unnest({percents}::numeric[]) WITH ORDINALITY AS p (percent, place)
        ORDER BY place""")
    assert [row["usec"] for row in merged] == expected


# ---- pgTAP ----


@pytest.mark.parametrize("name", ["documented", "expire", "histograms", "reader", "views"])
def test_pgtap(filled, name):
    filled.run("CREATE EXTENSION pgtap")
    text = filled.run((HERE / "sql" / f"{name}.sql").read_text())
    planned = int(re.search(r"^1\.\.(\d+)$", text, re.MULTILINE)[1])
    assert "not ok" not in text and planned > 0, text
    assert len(re.findall(r"^ok \d+", text, re.MULTILINE)) == planned, text


# ---- the page ----


def queries():
    found = re.findall(r"^## ([^\n]*)$|^```sql\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    heading = None
    for title, query in found:
        heading = title or heading
        if query:
            yield pytest.param(query, id=heading)


def test_page_has_queries():
    assert len(list(queries())) >= 15


@pytest.mark.parametrize("query", queries())
def test_query_of_the_page(shared, query):
    """Each says something about the runs of data.sql, to a reader."""
    runs = ["-v", f"run={RUN}", "-v", f"older={OLDER}"]
    text = shared.run(f"SET ROLE loads_reader;\n{query}", options=runs)
    assert text.strip()


def test_page_knows_every_table_and_view(shared):
    rows = shared.rows("SELECT relname FROM pg_class WHERE relnamespace = 'loads'::regnamespace"
                       " AND relkind IN ('r', 'p', 'v') AND NOT relispartition")
    assert len(rows) >= 20
    assert [row["relname"] for row in rows if f"`{row['relname']}`" not in README] == []


def test_page_names_only_what_is_there(shared):
    """Objects that it calls loads.NAME exist."""
    named = set(re.findall(r"\bloads\.([a-z_]+)", README))
    there = {row["name"] for row in shared.rows(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'loads'::regnamespace"
        " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'loads'::regnamespace")}
    assert sorted(named - there) == []
