-- SPDX-License-Identifier: MPL-2.0
-- What is old goes, with all that belongs to it; the rest stays. The runs of data.sql ended one day ago
-- (0001), two days ago (0002), and not at all (0003).
SELECT plan(26);

CREATE FUNCTION pg_temp.left_of(id uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    name text;
    there bool;
    names text[] := '{}';
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'run_id'
        WHERE c.relnamespace = 'loads'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'audit'
          AND NOT c.relispartition
        ORDER BY c.relname
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM loads.%I WHERE run_id = %L)', name, id) INTO there;
        IF there THEN
            names := names || name;
        END IF;
    END LOOP;
    RETURN array_to_string(names, ' ');
END
$$;
\set run '\'0a000000-0000-4000-8000-000000000001\''
\set older '\'0a000000-0000-4000-8000-000000000002\''
\set queued '\'0a000000-0000-4000-8000-000000000003\''

SELECT loads.digest(:run);
UPDATE loads.audit SET at = now() - interval '3 days' WHERE what = 'CTRL_RUN';

SELECT is_empty(
    $$ SELECT c.conrelid::regclass FROM pg_constraint AS c
       WHERE c.contype = 'f' AND c.connamespace = 'loads'::regnamespace AND NOT EXISTS (
           SELECT FROM pg_index AS i
           WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
             AND (string_to_array(i.indkey::text, ' ')::int2[])[1:cardinality(c.conkey)] = c.conkey) $$,
    'what goes with a run is found by an index');

-- ---- which ----
SELECT is((SELECT array_agg(right(run_id::text, 1)) FROM loads.expirable('1 hour')), '{2,1}',
          'the oldest come first');
SELECT is_empty($$ SELECT FROM loads.expirable('3 days') $$, 'none is that old');
SELECT is_empty($$ SELECT FROM loads.expirable(NULL) $$, 'no age, no runs');
SELECT is(loads.last_activity(:queued), (SELECT submitted FROM loads.runs WHERE run_id = :queued),
          'of a run that waits all is old that is its submission');
SELECT is(loads.has_writer(), false, 'there is no broker');
SET ROLE loads_reader;
SELECT is((SELECT count(*) FROM loads.expirable('1 hour')), 2::bigint, 'a reader may know');
SELECT throws_ok($$ SELECT loads.expire('1 hour') $$, '42501', NULL, 'and may not delete');
RESET ROLE;

-- ---- mistakes ----
SELECT throws_ok($$ SELECT loads.expire('0') $$, '22023', NULL, 'nothing is no age');
SELECT throws_ok($$ SELECT loads.expire('-1 day') $$, '22023', NULL, 'nor is less');
SELECT throws_ok($$ SELECT loads.expire_audit(NULL) $$, '22023', NULL, 'nor none');
SELECT is((SELECT count(*) FROM loads.runs), 3::bigint, 'and nothing was deleted');

-- ---- runs ----
SELECT is(pg_temp.left_of(:run),
          'counters digests errors events hits interval_tests interval_timers intervals logs runs series '
          'sources test_events tests timers totals', 'a run has rows everywhere');
SELECT is(loads.expire_runs('1 hour', 0), 0::bigint, 'none at most');
SELECT is(loads.expire_runs('1 hour', 1), 1::bigint, 'one at most');
SELECT is(pg_temp.left_of(:older), '', 'it was the oldest');
SELECT is(loads.expire_runs('1 hour'), 1::bigint, 'all others');
SELECT is(pg_temp.left_of(:run), '', 'nothing is left of it');
SELECT is(to_regclass('loads.hits_' || replace(:run, '-', '')), NULL, 'nor its part of hits');
SELECT results_eq(
    $$ SELECT right(run_id::text, 1), accepted, who = session_user FROM loads.audit WHERE what = 'expire'
       ORDER BY audit_id $$,
    $$ VALUES ('2', true, true), ('1', true, true) $$, 'the audit knows');

-- ---- without an end ----
UPDATE loads.runs SET state = 'running', submitted = now() - interval '9 days',
    started = now() - interval '9 days' WHERE run_id = :queued;
INSERT INTO loads.intervals (
    run_id, second, seconds, source, series_id, seq, hits, request_errors, sum_usec, min_usec, max_usec,
    sent_bytes, received_bytes, buckets, counts)
VALUES (:queued, 86399, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, '{}', '{}');
SELECT is(loads.last_activity(:queued), (SELECT started + interval '1 day' FROM loads.runs WHERE run_id = :queued),
          'data are activity');
SELECT is(loads.expire_runs('9 days'), 0::bigint, 'it is not that old, then');
SELECT is(loads.expire_runs('7 days'), 1::bigint, 'but it is so old');

-- ---- the audit ----
SELECT is(loads.expire_audit('1 day', 10), 1::bigint, 'old lines of the audit go');
UPDATE loads.audit SET at = now() - interval '2 days' WHERE what = 'expire-audit';
SELECT is(loads.expire_audit('1 day'), 1::bigint, 'and the one that says so');
SELECT is((SELECT count(*) FROM loads.audit WHERE what = 'expire-audit'), 0::bigint,
          'which is not said for ever');

SELECT finish();
