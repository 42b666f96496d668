-- SPDX-License-Identifier: MPL-2.0
-- Runs small enough to be added up by hand; what comes of them is in views.sql. Latencies below
-- 1024 microseconds have buckets of their own, so percentiles are exact.

CREATE FUNCTION pg_temp.interval_row(
    run_id uuid, second int, seconds int, source int, series_id int, seq bigint, request_errors int,
    latencies bigint[]
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO loads.intervals (
        run_id, second, seconds, source, series_id, seq, hits, request_errors, sum_usec, min_usec,
        max_usec, sent_bytes, received_bytes, buckets, counts)
    SELECT $1, $2, $3, $4, $5, $6, COALESCE(sum(count), 0), $7, COALESCE(sum(usec * count), 0),
           COALESCE(min(usec), 0), COALESCE(max(usec), 0), 10 * COALESCE(sum(count), 0),
           100 * COALESCE(sum(count), 0), COALESCE(array_agg(loads.bucket(usec) ORDER BY usec), '{}'),
           COALESCE(array_agg(count ORDER BY usec), '{}')
    FROM (SELECT usec, count(*) FROM unnest($8) AS usec GROUP BY usec) AS samples (usec, count)
$$;

-- What the broker keeps up itself.
CREATE FUNCTION pg_temp.add_up(run_id uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO loads.totals (
        run_id, series_id, hits, request_errors, sum_usec, min_usec, max_usec, sent_bytes,
        received_bytes, buckets, counts)
    SELECT $1, s.series_id, s.hits, s.request_errors, s.sum_usec, (s.all_of_it).min_usec,
           (s.all_of_it).max_usec, s.sent_bytes, s.received_bytes, (s.all_of_it).buckets,
           (s.all_of_it).counts
    FROM (
        SELECT series_id, sum(hits) AS hits, sum(request_errors) AS request_errors,
               sum(sum_usec) AS sum_usec, sum(sent_bytes) AS sent_bytes,
               sum(received_bytes) AS received_bytes,
               loads.merge(buckets, counts, min_usec, max_usec) AS all_of_it
        FROM loads.intervals AS i
        WHERE i.run_id = $1
        GROUP BY series_id
    ) AS s
$$;

-- The run that the tests are about: 7 seconds; the second agent was lost and came back as a new
-- process; the first one's seconds 3 to 5 came as one interval.
\set run '\'0a000000-0000-4000-8000-000000000001\''

INSERT INTO loads.runs (
    run_id, request_id, name, spec, agents, state, outcome, trouble, submitted, started, finished,
    active_usec)
VALUES (
    :run, 'request-1', 'shop.Shop.test_buy',
    '{"fqn": "shop.Shop.test_buy", "users": [2], "hits": [6], "project_name": "shop",
      "user_id": "ada", "tags": ["branch=main", "build=17"]}',
    2, 'finished', 'failed', 'box2-1 was lost', now() - interval '1 day 5 seconds',
    now() - interval '1 day', now() - interval '1 day' + interval '7 seconds', 7000000);
INSERT INTO loads.sources (
    run_id, source, agent_id, agent_index, incarnation, hostname, state, last_seq, lost)
VALUES
    (:run, 0, 'box1-1', 0, '00000000-0000-4000-8000-000000000001', 'box1', 'ended', 3, NULL),
    (:run, 1, 'box2-1', 1, '00000000-0000-4000-8000-000000000002', 'box2', 'lost', 2, now()),
    (:run, 2, 'box2-1', 1, '00000000-0000-4000-8000-000000000003', 'box2', 'ended', 1, NULL);
INSERT INTO loads.series (run_id, series_id, test, name, method, status) VALUES
    (:run, 0, '', '(other)', '', 0),
    (:run, 1, 'Shop.test_buy', 'http://shop/', 'GET', 200),
    (:run, 2, 'Shop.test_buy', 'http://shop/', 'GET', 500),
    (:run, 3, 'Shop.test_buy', 'http://shop/buy', 'POST', 200),
    (:run, 4, 'Shop.test_buy', 'http://shop/buy', 'POST', 0);
INSERT INTO loads.tests (run_id, test_id, name, successes, failures, errors, interrupted) VALUES
    (:run, 0, '(other)', 0, 0, 0, 0),
    (:run, 1, 'Shop.test_buy', 8, 1, 2, 1);
INSERT INTO loads.errors (
    run_id, error_id, kind, class, message, place, test, traceback, count, first_seen, last_seen)
VALUES
    (:run, 1, 'failure', 'assertion', '500 is not 200', 'shop.c:12', 'Shop.test_buy', '', 1,
     now() - interval '1 day' + interval '1 second', now() - interval '1 day' + interval '1 second'),
    (:run, 2, 'error', 'timeout', 'no answer within 30 s', '', 'Shop.test_buy', 'at shop.c:15', 2,
     now() - interval '1 day' + interval '1 second', now() - interval '1 day' + interval '1 second');
INSERT INTO loads.counters (run_id, counter_id, name, count) VALUES (:run, 1, 'bought', 3);
UPDATE loads.runs SET stopped_for = 'rps > 500, stop', thresholds =
    '[{"threshold": "p95 < 1s", "holds": true, "value": "1 ms"}, {"threshold": "rps > 500, stop", "holds": false}]'
WHERE run_id = :run;
INSERT INTO loads.timers (
    run_id, timer_id, kind, test, name, times, errors, sum_usec, min_usec, max_usec, buckets, counts)
VALUES
    (:run, 1, 'transaction', 'Shop.test_buy', 'checkout', 4, 1, 1300, 100, 900, '{100,200,900}', '{2,1,1}'),
    (:run, 2, 'round-trip', 'Shop.test_buy', 'ws://shop/', 0, 3, 0, 0, 0, '{}', '{}'),
    (:run, 3, 'transaction', 'Shop.test_buy', 'never', 0, 0, 0, 0, 0, '{}', '{}'),
    (:run, 4, 'phase', '', 'wait', 2, 0, 600, 200, 400, '{200,400}', '{1,1}');
INSERT INTO loads.interval_timers (
    run_id, second, seconds, source, timer_id, seq, times, errors, sum_usec, min_usec, max_usec, buckets,
    counts)
VALUES
    (:run, 0, 1, 0, 1, 1, 3, 0, 400, 100, 200, '{100,200}', '{2,1}'),
    (:run, 1, 1, 1, 1, 2, 1, 1, 900, 900, 900, '{900}', '{1}'),
    (:run, 1, 1, 1, 2, 2, 0, 3, 0, 0, 0, '{}', '{}');
INSERT INTO loads.events (run_id, at, kind, source, message, details) VALUES
    (:run, now() - interval '1 day', 'state', NULL, 'The run is running.', '{"state": "running"}'),
    (:run, now() - interval '1 day' + interval '2 seconds', 'agent-lost', 1, 'box2-1 was lost.', '{}'),
    (:run, now() - interval '1 day' + interval '7 seconds', 'state', NULL, 'The run has finished.',
     '{"state": "finished"}');
INSERT INTO loads.logs (run_id, source, worker, text) VALUES
    (:run, 0, -1, E'shop.c: compiled\n'), (:run, 0, 0, E'bought a '), (:run, 0, 0, E'book\n');

SELECT
    pg_temp.interval_row(:run, 0, 1, 0, 1, 1, 0, '{100,200,300}'),
    pg_temp.interval_row(:run, 0, 1, 1, 1, 1, 0, '{400}'),
    pg_temp.interval_row(:run, 1, 1, 0, 1, 2, 0, '{100}'),
    pg_temp.interval_row(:run, 1, 1, 0, 2, 2, 0, '{900}'),
    pg_temp.interval_row(:run, 1, 1, 1, 3, 2, 0, '{500,500}'),
    pg_temp.interval_row(:run, 1, 1, 1, 4, 2, 2, '{}'),
    pg_temp.interval_row(:run, 3, 3, 0, 1, 3, 0, '{100,100,100,100,1000}'),
    pg_temp.interval_row(:run, 4, 1, 2, 1, 1, 0, '{200}'),
    pg_temp.add_up(:run);
INSERT INTO loads.interval_tests (
    run_id, second, seconds, source, test_id, seq, successes, failures, errors, interrupted)
VALUES
    (:run, 0, 1, 0, 1, 1, 3, 0, 0, 0),
    (:run, 0, 1, 1, 1, 1, 1, 0, 0, 0),
    (:run, 1, 1, 0, 1, 2, 0, 1, 0, 0),
    (:run, 1, 1, 1, 1, 2, 0, 0, 2, 0),
    (:run, 3, 3, 0, 1, 3, 4, 0, 0, 1);
SELECT loads.keep_hits(:run);
INSERT INTO loads.hits (
    run_id, source, seq, started, elapsed_usec, series_id, error_id, test_id, user_number, iteration,
    cycle, url)
VALUES
    (:run, 0, 1, now() - interval '1 day', 100, 1, NULL, 1, 0, 0, 0, 'http://shop/?q=book'),
    (:run, 0, 2, now() - interval '1 day' + interval '1 second', 30000000, 4, 2, 1, 1, 0, 0,
     'http://shop/buy?id=1');
INSERT INTO loads.test_events (
    run_id, source, seq, at, data_type, test_id, counter_id, value, user_number, iteration, cycle)
VALUES (:run, 0, 1, now() - interval '1 day', 'incr_counter', 1, 1, 3, 0, 0, 0);

-- An older one of the same project, in which all went well.
\set older '\'0a000000-0000-4000-8000-000000000002\''

INSERT INTO loads.runs (
    run_id, name, spec, agents, state, outcome, submitted, started, finished, active_usec)
VALUES (
    :older, 'shop.Shop.test_buy',
    '{"fqn": "shop.Shop.test_buy", "project_name": "shop", "tags": ["branch=main", "build=16"]}',
    1, 'finished', 'passed', now() - interval '2 days', now() - interval '2 days',
    now() - interval '2 days' + interval '1 second', 1000000);
INSERT INTO loads.sources (run_id, source, agent_id, agent_index, incarnation, hostname, state) VALUES
    (:older, 0, 'box1-1', 0, '00000000-0000-4000-8000-000000000001', 'box1', 'ended');
INSERT INTO loads.series (run_id, series_id, test, name, method, status) VALUES
    (:older, 1, 'Shop.test_buy', 'http://shop/', 'GET', 200);
INSERT INTO loads.tests (run_id, test_id, name, successes) VALUES (:older, 1, 'Shop.test_buy', 2);
SELECT pg_temp.interval_row(:older, 0, 1, 0, 1, 1, 0, '{100,150}'), pg_temp.add_up(:older);

INSERT INTO loads.audit (accepted, what, who, role, peer, run_id, reason) VALUES
    (true, 'CTRL_RUN', 'ada', 'run', '10.0.0.1', :older, NULL),
    (false, 'CTRL_DELETE_RUN', 'bob', 'run', '10.0.0.2', :older, 'the run is not one of theirs');

-- One that has not begun.
\set queued '\'0a000000-0000-4000-8000-000000000003\''

INSERT INTO loads.runs (run_id, name, spec, agents, state) VALUES
    (:queued, 'http://shop/', '{"url": "http://shop/", "users": [1], "hits": [1]}', 3, 'queued');
