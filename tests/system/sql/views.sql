-- SPDX-License-Identifier: MPL-2.0
-- The views, over data.sql: all numbers are computed by hand. Each is asked twice, without digests and
-- with them.
SELECT plan(31);

\set run '\'0a000000-0000-4000-8000-000000000001\''
\set older '\'0a000000-0000-4000-8000-000000000002\''
\set queued '\'0a000000-0000-4000-8000-000000000003\''

PREPARE summary AS
    SELECT name, project, user_id, tags ->> 'build', state, outcome, trouble, duration_sec, hits,
           request_errors, successes, failures, errors, interrupted, rps, round(avg::numeric, 3), min,
           p50, p90, p95, p99, p999, max, sent_bytes, received_bytes, agents, lost_agents
    FROM loads.run_summary WHERE run_id = :run;
PREPARE expected_summary AS
    VALUES ('shop.Shop.test_buy', 'shop', 'ada', '17', 'finished', 'failed', 'box2-1 was lost', 7::float8,
            14::bigint, 2::bigint, 8::bigint, 1::bigint, 2::bigint, 1::bigint, 2::float8, 328.571,
            100::bigint, 200::bigint, 900::bigint, 1000::bigint, 1000::bigint, 1000::bigint,
            1000::bigint, 140::bigint, 1400::bigint, 2, '{box2-1}'::text[]);

PREPARE urls AS
    SELECT test, url, method, hits, request_errors, good, round(success_rate::numeric, 3),
           round(rps::numeric, 3), avg, min, p50, p90, p95, p99, p999, max, sent_bytes, received_bytes,
           statuses
    FROM loads.url_stats WHERE run_id = :run ORDER BY hits DESC;
PREPARE expected_urls AS
    VALUES ('Shop.test_buy', 'http://shop/', 'GET', 12::bigint, 0::bigint, 11::bigint, 0.917, 1.714,
            300::float8, 100::bigint, 100::bigint, 900::bigint, 1000::bigint, 1000::bigint,
            1000::bigint, 1000::bigint, 120::bigint, 1200::bigint, '{"200": 11, "500": 1}'::jsonb),
           ('Shop.test_buy', 'http://shop/buy', 'POST', 2, 2, 2, 0.5, 0.286, 500, 500, 500, 500, 500,
            500, 500, 500, 20, 200, '{"200": 2}');

PREPARE seconds AS
    SELECT second, at - (SELECT started FROM loads.runs WHERE run_id = :run), agents, hits,
           request_errors, successes, failures, errors, interrupted, rps, round(avg::numeric, 3), min,
           p50, p90, p95, p99, p999, max, sent_bytes, received_bytes
    FROM loads.timeline WHERE run_id = :run ORDER BY second;
-- Of the five hits in seconds 3 to 5, one is in the first and two are in each of the others.
PREPARE expected_seconds AS
    VALUES (0, '0 s'::interval, 2, 4::bigint, 0::bigint, 4::bigint, 0::bigint, 0::bigint, 0::bigint,
            4::float8, 250.000, 100::bigint, 200::bigint, 400::bigint, 400::bigint, 400::bigint,
            400::bigint, 400::bigint, 40::bigint, 400::bigint),
           (1, '1 s', 2, 4, 2, 0, 1, 2, 0, 4, 500, 100, 500, 900, 900, 900, 900, 900, 40, 400),
           (2, '2 s', 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
           (3, '3 s', 1, 1, 0, 1, 0, 0, 0, 1, 280, 100, 100, 1000, 1000, 1000, 1000, 1000, 16, 166),
           (4, '4 s', 2, 3, 0, 1, 0, 0, 0, 3, 253.333, 100, 100, 1000, 1000, 1000, 1000, 1000, 27, 267),
           (5, '5 s', 1, 2, 0, 2, 0, 0, 1, 2, 280, 100, 100, 1000, 1000, 1000, 1000, 1000, 17, 167);

SELECT results_eq('summary', 'expected_summary', 'run_summary');
SELECT results_eq('urls', 'expected_urls', 'url_stats');
SELECT results_eq('seconds', 'expected_seconds', 'timeline');

SELECT is(loads.digest(:run), 8::bigint, 'five seconds, two URLs and the run have digests now');
SELECT is(loads.digest(:run), 0::bigint, 'and need no others');
SELECT results_eq('summary', 'expected_summary', 'run_summary by a digest');
SELECT results_eq('urls', 'expected_urls', 'url_stats by digests');
SELECT results_eq('seconds', 'expected_seconds', 'timeline by digests');
-- That they are really taken, and only while they are right:
UPDATE loads.digests SET percentiles = '{1,2,3,4,5}' WHERE run_id = :run;
SELECT is(p999, 5::bigint, 'run_summary takes it') FROM loads.run_summary WHERE run_id = :run;
SELECT is(array_agg(DISTINCT p50), '{1}', 'url_stats takes them') FROM loads.url_stats WHERE run_id = :run;
SELECT is(array_agg(DISTINCT p90), '{2}', 'timeline takes them')
FROM loads.timeline WHERE run_id = :run AND hits > 0;
UPDATE loads.digests SET hits = hits - 1 WHERE run_id = :run;
SELECT results_eq('summary', 'expected_summary', 'run_summary takes no old one');
SELECT results_eq('urls', 'expected_urls', 'url_stats takes no old ones');
SELECT results_eq('seconds', 'expected_seconds', 'timeline takes no old ones');
SELECT is(loads.digest(:run), 8::bigint, 'old ones are made again');
SELECT results_eq('seconds', 'expected_seconds', 'and are right again');

SELECT results_eq(
    $$ SELECT test, iterations, successes, failures, errors, interrupted,
              round(success_rate::numeric, 3)
       FROM loads.test_results WHERE run_id = '0a000000-0000-4000-8000-000000000001' $$,
    $$ VALUES ('Shop.test_buy', 12::bigint, 8::bigint, 1::bigint, 2::bigint, 1::bigint, 0.727) $$,
    'test_results');

SELECT results_eq(
    $$ SELECT agent_id, second, hits, request_errors, successes, failures, errors, interrupted, rps, avg,
              min, max, sent_bytes, received_bytes
       FROM loads.agent_timeline WHERE run_id = '0a000000-0000-4000-8000-000000000001'
       ORDER BY agent_id, second $$,
    $$ VALUES ('box1-1', 0, 3::bigint, 0::bigint, 3::bigint, 0::bigint, 0::bigint, 0::bigint, 3::float8,
               200::float8, 100::bigint, 300::bigint, 30::bigint, 300::bigint),
              ('box1-1', 1, 2, 0, 0, 1, 0, 0, 2, 500, 100, 900, 20, 200),
              ('box1-1', 3, 1, 0, 1, 0, 0, 0, 1, 280, 100, 1000, 16, 166),
              ('box1-1', 4, 2, 0, 1, 0, 0, 0, 2, 280, 100, 1000, 17, 167),
              ('box1-1', 5, 2, 0, 2, 0, 0, 1, 2, 280, 100, 1000, 17, 167),
              ('box2-1', 0, 1, 0, 1, 0, 0, 0, 1, 400, 400, 400, 10, 100),
              ('box2-1', 1, 2, 2, 0, 0, 2, 0, 2, 500, 500, 500, 20, 200),
              ('box2-1', 4, 1, 0, 0, 0, 0, 0, 1, 200, 200, 200, 10, 100) $$,
    'agent_timeline');

-- The sums of the views are those of the tables.
SELECT results_eq(
    $$ SELECT sum(hits), sum(request_errors), sum(sent_bytes), sum(received_bytes)
       FROM loads.timeline WHERE run_id = '0a000000-0000-4000-8000-000000000001' $$,
    $$ SELECT sum(hits), sum(request_errors), sum(sent_bytes), sum(received_bytes)
       FROM loads.totals WHERE run_id = '0a000000-0000-4000-8000-000000000001' $$,
    'nothing is lost in a timeline');

SELECT results_eq(
    $$ SELECT hits, rps, avg, p50, max, agents, lost_agents FROM loads.run_summary
       WHERE state = 'queued' $$,
    $$ VALUES (0::bigint, 0::float8, NULL::float8, NULL::bigint, NULL::bigint, 3, '{}'::text[]) $$,
    'a run without results has a row');
SELECT is(count(*), 0::bigint, 'but no seconds') FROM loads.timeline WHERE run_id = :queued;
SELECT is(loads.digest(:queued), 0::bigint, 'and nothing to make digests of');

-- A run that is on: what is ten seconds old has a digest, and what comes late another one.
UPDATE loads.runs SET state = 'running', outcome = NULL WHERE run_id = :older;
INSERT INTO loads.intervals
SELECT run_id, later, seconds, source, series_id, later + 1, hits, request_errors, sum_usec, min_usec,
       max_usec, sent_bytes, received_bytes, buckets, counts
FROM loads.intervals, generate_series(1, 12) AS later WHERE run_id = :older AND second = 0;
SELECT is(loads.digest(:older), 3::bigint, 'seconds 0 to 2 of 12 have digests');
INSERT INTO loads.intervals
SELECT run_id, 1, seconds, source, series_id, 100, hits, request_errors, 1000, 500, 500, sent_bytes,
       received_bytes, '{500}', '{2}'
FROM loads.intervals WHERE run_id = :older AND second = 1;
SELECT results_eq(
    $$ SELECT p99 FROM loads.timeline
       WHERE run_id = '0a000000-0000-4000-8000-000000000002' AND second IN (1, 2) ORDER BY second $$,
    $$ VALUES (500::bigint), (150) $$, 'late results are seen at once');
SELECT is(loads.digest(:older), 1::bigint, 'and only their second is made again');

-- A long interval covers other seconds' digests.
INSERT INTO loads.intervals
SELECT run_id, 0, 4, source, series_id, 101, 2, 0, 1800, 900, 900, 1, 1, '{900}', '{2}'
FROM loads.intervals WHERE run_id = :older AND second = 12;
SELECT results_eq(
    $$ SELECT hits, p99 FROM loads.timeline
       WHERE run_id = '0a000000-0000-4000-8000-000000000002' AND second < 5 ORDER BY second $$,
    $$ VALUES (2::bigint, 900::bigint), (5, 900), (2, 900), (3, 900), (2, 150) $$,
    'a long interval is spread');

-- Rows of hits lie apart by run, and everything goes with the run.
SELECT results_eq(
    $$ SELECT tableoid::regclass::text, count(*) FROM loads.hits GROUP BY 1 $$,
    $$ VALUES ('loads.hits_0a000000000040008000000000000001', 2::bigint) $$, 'hits have partitions');
SELECT results_eq(
    $$ SELECT kind, test, name, times, errors, avg, min, p50, p90, p95, p99, p999, max
       FROM loads.timer_stats ORDER BY kind DESC $$,
    $$ VALUES ('transaction', 'Shop.test_buy', 'checkout', 4::bigint, 1::bigint, 325::float8, 100::bigint,
               100::bigint, 900::bigint, 900::bigint, 900::bigint, 900::bigint, 900::bigint),
              ('round-trip', 'Shop.test_buy', 'ws://shop/', 0, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               NULL),
              ('phase', '', 'wait', 2, 0, 300, 200, 200, 400, 400, 400, 400, 400) $$, 'timers');
SELECT results_eq(
    $$ SELECT number, threshold, holds, value, stopped FROM loads.threshold_results ORDER BY number $$,
    $$ VALUES (1, 'p95 < 1s', true, '1 ms', false), (2, 'rps > 500, stop', false, NULL, true) $$,
    'thresholds');
DELETE FROM loads.runs WHERE run_id = :run;
SELECT is(
    (SELECT sum((xpath('/row/n/text()', query_to_xml(format(
        'SELECT count(*) AS n FROM loads.%I WHERE run_id = %L', table_name, :run), true, true, '')))[1]
        ::text::int)
     FROM information_schema.columns WHERE table_schema = 'loads' AND column_name = 'run_id'),
    0::bigint, 'a deleted run leaves nothing');
SELECT hasnt_table('loads', 'hits_0a000000000040008000000000000001', 'not even a partition');

SELECT finish();
