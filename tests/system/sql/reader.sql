-- SPDX-License-Identifier: MPL-2.0
-- The role loads_reader reads everything and changes nothing.
SELECT plan(7);

CREATE FUNCTION pg_temp.denied(statement text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN false;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN true;
END
$$;
CREATE TEMP TABLE things AS
SELECT format('loads.%I', relname) AS name, relkind FROM pg_class
WHERE relnamespace = 'loads'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition;
GRANT SELECT ON things TO loads_reader;

SET ROLE loads_reader;
SELECT cmp_ok((SELECT count(*) FROM things), '>=', 20::bigint, 'there is something to read');
SELECT is_empty($$ SELECT name FROM things WHERE pg_temp.denied('SELECT FROM ' || name) $$,
                'it can read everything');
SELECT lives_ok($$ SELECT * FROM loads.run_summary $$, 'percentiles of runs, too');
SELECT lives_ok($$ SELECT * FROM loads.timeline $$, 'and of seconds');
SELECT is_empty(
    $$ SELECT name, change FROM things,
           (VALUES ('DELETE FROM %s'), ('INSERT INTO %s DEFAULT VALUES'), ('TRUNCATE %s'),
                   ('DROP TABLE %s')) AS c (change)
       WHERE relkind <> 'v' AND NOT pg_temp.denied(format(change, name)) $$,
    'it can change no table');
SELECT ok(pg_temp.denied('UPDATE loads.runs SET name = '''''), 'nor a row');
SELECT ok(pg_temp.denied('SELECT loads.digest(run_id) FROM loads.runs'), 'nor keep digests');

SELECT finish();
