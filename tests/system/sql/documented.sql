-- SPDX-License-Identifier: MPL-2.0
-- Everything in the schema says what it is: SELECT or \d+ in psql is all the documentation at hand.
SELECT plan(9);

CREATE TEMP VIEW things AS
SELECT c.oid, c.relname, c.relkind FROM pg_class AS c
WHERE c.relnamespace = 'loads'::regnamespace AND NOT c.relispartition;

SELECT cmp_ok((SELECT count(*) FROM things WHERE relkind IN ('r', 'p', 'v')), '>=', 20::bigint,
              'there are tables and views');
SELECT isnt(obj_description('loads'::regnamespace, 'pg_namespace'), NULL, 'the schema has a comment');
SELECT is_empty(
    $$ SELECT relname FROM things
       WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND obj_description(oid, 'pg_class') IS NULL $$,
    'every table and view has a comment');
SELECT is_empty(
    $$ SELECT relname, attname FROM things JOIN pg_attribute ON attrelid = things.oid
       WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND attnum > 0 AND NOT attisdropped
       AND col_description(attrelid, attnum) IS NULL $$,
    'every column has a comment');
SELECT is_empty(
    $$ SELECT typname FROM pg_type AS t JOIN things ON things.oid = t.typrelid
       WHERE relkind = 'c' AND obj_description(t.oid, 'pg_type') IS NULL $$,
    'every type has a comment');
SELECT is_empty(
    $$ SELECT oid::regprocedure FROM pg_proc
       WHERE pronamespace = 'loads'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL $$,
    'every function and aggregate has a comment');
SELECT is_empty(
    $$ SELECT tgname FROM pg_trigger JOIN things ON tgrelid = things.oid
       WHERE NOT tgisinternal AND obj_description(pg_trigger.oid, 'pg_trigger') IS NULL $$,
    'every trigger has a comment');
SELECT is_empty(
    $$ SELECT description FROM pg_description
       WHERE objoid IN (SELECT oid FROM things) AND description !~ '^\S.*\S$' $$,
    'comments are texts');

-- What is out of line is not compressed: it is read as a whole.
SELECT set_eq(
    $$ SELECT relname, attname FROM things JOIN pg_attribute ON attrelid = things.oid
       WHERE relkind = 'r' AND attstorage = 'e' $$,
    $$ VALUES ('intervals', 'buckets'), ('intervals', 'counts'), ('totals', 'buckets'),
              ('totals', 'counts'), ('interval_timers', 'buckets'), ('interval_timers', 'counts'),
              ('timers', 'buckets'), ('timers', 'counts') $$,
    'histograms are stored as they are');

SELECT finish();
