-- SPDX-License-Identifier: MPL-2.0
-- What people ask for. All latencies are microseconds, all rates per second; where nothing was
-- measured, latencies are null.
--
-- Counts are added up from the tables whenever a view is read. Percentiles aren't, since merging the
-- histograms of an hour takes seconds: loads.digest() keeps them, each with the number of hits that it
-- was made from. Hits are never taken away, so a digest with as many hits as there are now is right,
-- and any other (none, or one of a second that late results came for) is passed over: the view then
-- merges the histograms itself.

CREATE TABLE loads.digests (
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('run', 'url', 'second')),
    id int NOT NULL,
    hits bigint NOT NULL,
    percentiles bigint[] NOT NULL CHECK (cardinality(percentiles) = 5),
    PRIMARY KEY (run_id, kind, id)
);
COMMENT ON TABLE loads.digests IS
    'Percentiles that views needn''t work out again. All of it can be deleted: loads.digest() makes it.';
COMMENT ON COLUMN loads.digests.run_id IS 'The run.';
COMMENT ON COLUMN loads.digests.kind IS 'Of what: the run, one of its URLs, one of its seconds.';
COMMENT ON COLUMN loads.digests.id IS 'run: 0; url: the least series_id of it; second: its number.';
COMMENT ON COLUMN loads.digests.hits IS 'The hits that it is made from; others since: it is out of date.';
COMMENT ON COLUMN loads.digests.percentiles IS '50, 90, 95, 99 and 99.9 %, in microseconds.';

-- ---- percentiles, from the histograms: sorted once, and not for each array ----

CREATE FUNCTION loads.total_percentiles(run_id uuid, series_ids int[]) RETURNS bigint[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT loads.percentiles(COALESCE(array_agg(bucket), '{}'), COALESCE(array_agg(count), '{}'),
                             COALESCE(min(min_usec), 0), COALESCE(max(max_usec), 0),
                             '{50,90,95,99,99.9}')
    FROM (
        SELECT bucket, sum(count)::int8 AS count, min(min_usec) AS min_usec, max(max_usec) AS max_usec
        FROM loads.totals AS t, unnest(t.buckets, t.counts) AS u (bucket, count)
        WHERE t.run_id = $1 AND t.series_id = ANY ($2)
        GROUP BY bucket
        ORDER BY bucket
    ) AS merged
$$;
COMMENT ON FUNCTION loads.total_percentiles(uuid, int[]) IS
    '50, 90, 95, 99 and 99.9 % of some series of a run, in microseconds.';

-- Without rows of more than a second the second part finds an empty index.
CREATE INDEX intervals_long ON loads.intervals (run_id) WHERE seconds > 1;

CREATE FUNCTION loads.second_percentiles(run_id uuid, second int) RETURNS bigint[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT loads.percentiles(COALESCE(array_agg(bucket), '{}'), COALESCE(array_agg(count), '{}'),
                             COALESCE(min(min_usec), 0), COALESCE(max(max_usec), 0),
                             '{50,90,95,99,99.9}')
    FROM (
        SELECT bucket, sum(count)::int8 AS count, min(min_usec) AS min_usec, max(max_usec) AS max_usec
        FROM (
            SELECT buckets, counts, min_usec, max_usec FROM loads.intervals AS i
            WHERE i.run_id = $1 AND i.second = $2 AND i.seconds = 1
            UNION ALL
            SELECT buckets, counts, min_usec, max_usec FROM loads.intervals AS i
            WHERE i.run_id = $1 AND i.seconds > 1 AND $2 >= i.second AND $2 - i.second < i.seconds
        ) AS parts, unnest(buckets, counts) AS u (bucket, count)
        GROUP BY bucket
        ORDER BY bucket
    ) AS merged
$$;
COMMENT ON FUNCTION loads.second_percentiles(uuid, int) IS
    '50, 90, 95, 99 and 99.9 % of what covers a second of a run, in microseconds.';

-- ---- parts of views: functions of a run, so that a run is looked up before anything is added up.
-- (They aren't STRICT, since PostgreSQL puts only those that aren't into the query.) ----

CREATE FUNCTION loads.run_urls(run_id uuid)
RETURNS TABLE (
    id int, series_ids int[], test text, url text, method text, hits bigint, request_errors bigint,
    good bigint, sum_usec numeric, min_usec bigint, max_usec bigint, sent_bytes bigint,
    received_bytes bigint, statuses jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 50 AS $$
    SELECT min(s.series_id), array_agg(s.series_id), s.test, s.name, s.method, sum(t.hits)::bigint,
           sum(t.request_errors)::bigint,
           COALESCE(sum(t.hits) FILTER (WHERE s.status < 400), 0)::bigint,
           sum(t.sum_usec), min(t.min_usec) FILTER (WHERE t.hits > 0), max(t.max_usec),
           sum(t.sent_bytes)::bigint, sum(t.received_bytes)::bigint,
           COALESCE(jsonb_object_agg(s.status, t.hits) FILTER (WHERE t.hits > 0), '{}')
    FROM loads.series AS s
    JOIN loads.totals AS t ON t.run_id = s.run_id AND t.series_id = s.series_id
    WHERE s.run_id = $1 AND (t.hits > 0 OR t.request_errors > 0)
    GROUP BY s.test, s.name, s.method
$$;
COMMENT ON FUNCTION loads.run_urls(uuid) IS
    'What url_stats shows of a run, without percentiles: series that differ in status only, together.';

-- A row of several seconds is spread over them in whole pieces, so that all sums stay what they are.
CREATE FUNCTION loads.share(count bigint, part int, parts int) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (div(count::numeric * (part + 1), parts) - div(count::numeric * part, parts))::bigint
$$;
COMMENT ON FUNCTION loads.share(bigint, int, int) IS
    'The share of one part (from 0) when a count is spread over several; all together are the count.';

CREATE FUNCTION loads.run_seconds(run_id uuid)
RETURNS TABLE (
    second int, source int, hits bigint, request_errors bigint, sum_usec numeric, min_usec bigint,
    max_usec bigint, sent_bytes bigint, received_bytes bigint, covering_hits bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000 AS $$
    SELECT i.second, i.source, sum(i.hits)::bigint, sum(i.request_errors)::bigint, sum(i.sum_usec),
           min(i.min_usec) FILTER (WHERE i.hits > 0), max(i.max_usec), sum(i.sent_bytes)::bigint,
           sum(i.received_bytes)::bigint, sum(i.hits)::bigint
    FROM loads.intervals AS i
    WHERE i.run_id = $1 AND i.seconds = 1
    GROUP BY i.second, i.source
    UNION ALL
    SELECT i.second + part, i.source, sum(loads.share(i.hits, part, i.seconds))::bigint,
           sum(loads.share(i.request_errors, part, i.seconds))::bigint,
           sum(loads.share(i.hits, part, i.seconds) * i.sum_usec::numeric / greatest(i.hits, 1)),
           min(i.min_usec) FILTER (WHERE i.hits > 0), max(i.max_usec),
           sum(loads.share(i.sent_bytes, part, i.seconds))::bigint,
           sum(loads.share(i.received_bytes, part, i.seconds))::bigint, sum(i.hits)::bigint
    FROM loads.intervals AS i, generate_series(0, i.seconds - 1) AS part
    WHERE i.run_id = $1 AND i.seconds > 1
    GROUP BY i.second + part, i.source
$$;
COMMENT ON FUNCTION loads.run_seconds(uuid) IS
    'What each source counted in each second of a run: one or two rows, the second one of what it '
    'counted over several seconds. covering_hits has all hits of these.';

CREATE FUNCTION loads.run_iterations(run_id uuid)
RETURNS TABLE (
    second int, source int, successes bigint, failures bigint, errors bigint, interrupted bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000 AS $$
    SELECT i.second, i.source, sum(i.successes)::bigint, sum(i.failures)::bigint,
           sum(i.errors)::bigint, sum(i.interrupted)::bigint
    FROM loads.interval_tests AS i
    WHERE i.run_id = $1 AND i.seconds = 1
    GROUP BY i.second, i.source
    UNION ALL
    SELECT i.second + part, i.source, sum(loads.share(i.successes, part, i.seconds))::bigint,
           sum(loads.share(i.failures, part, i.seconds))::bigint,
           sum(loads.share(i.errors, part, i.seconds))::bigint,
           sum(loads.share(i.interrupted, part, i.seconds))::bigint
    FROM loads.interval_tests AS i, generate_series(0, i.seconds - 1) AS part
    WHERE i.run_id = $1 AND i.seconds > 1
    GROUP BY i.second + part, i.source
$$;
COMMENT ON FUNCTION loads.run_iterations(uuid) IS
    'How iterations ended that each source ended in each second of a run: one or two rows.';

CREATE FUNCTION loads.last_second(run_id uuid) RETURNS int
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT greatest(
        (SELECT max(i.second) FROM loads.intervals AS i WHERE i.run_id = $1),
        (SELECT max(i.second) FROM loads.interval_tests AS i WHERE i.run_id = $1),
        (SELECT max(i.second + i.seconds - 1) FROM loads.intervals AS i
         WHERE i.run_id = $1 AND i.seconds > 1),
        (SELECT max(i.second + i.seconds - 1) FROM loads.interval_tests AS i
         WHERE i.run_id = $1 AND i.seconds > 1))
$$;
COMMENT ON FUNCTION loads.last_second(uuid) IS
    'The last second of a run in which something was counted; null: there is none.';

-- ---- digests ----

-- Of a run that is on, seconds get a digest when they are ten seconds old; what comes later than that
-- is looked for two minutes back, and everywhere once the run has ended.
CREATE FUNCTION loads.digest(run_id uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    is_over bool := (SELECT state IN ('finished', 'failed', 'aborted') FROM loads.runs AS r
                     WHERE r.run_id = $1);
    from_second int := 0;
    upto_second int := loads.last_second($1);
    made bigint := 0;
    more bigint;
BEGIN
    IF NOT is_over THEN
        from_second := COALESCE((SELECT max(d.id) - 120 FROM loads.digests AS d
                                 WHERE d.run_id = $1 AND d.kind = 'second'), 0);
        upto_second := upto_second - 10;
    END IF;
    INSERT INTO loads.digests (run_id, kind, id, hits, percentiles)
    SELECT $1, 'second', s.second, s.hits, loads.second_percentiles($1, s.second)
    FROM (
        SELECT second, sum(covering_hits)::bigint AS hits
        FROM loads.run_seconds($1)
        WHERE second BETWEEN from_second AND upto_second
        GROUP BY second
    ) AS s
    LEFT JOIN loads.digests AS d ON d.run_id = $1 AND d.kind = 'second' AND d.id = s.second
    WHERE s.hits > 0 AND d.hits IS DISTINCT FROM s.hits
    ON CONFLICT (run_id, kind, id) DO UPDATE
        SET hits = excluded.hits, percentiles = excluded.percentiles;
    GET DIAGNOSTICS made = ROW_COUNT;
    IF is_over THEN
        INSERT INTO loads.digests (run_id, kind, id, hits, percentiles)
        SELECT $1, t.kind, t.id, t.hits, loads.total_percentiles($1, t.series_ids)
        FROM (
            SELECT 'url' AS kind, id, hits, series_ids
            FROM loads.run_urls($1)
            UNION ALL
            SELECT 'run', 0, sum(hits)::bigint, array_agg(series_id)
            FROM loads.totals AS t
            WHERE t.run_id = $1
        ) AS t
        LEFT JOIN loads.digests AS d ON d.run_id = $1 AND d.kind = t.kind AND d.id = t.id
        WHERE t.hits > 0 AND d.hits IS DISTINCT FROM t.hits
        ON CONFLICT (run_id, kind, id) DO UPDATE
            SET hits = excluded.hits, percentiles = excluded.percentiles;
        GET DIAGNOSTICS more = ROW_COUNT;
        made := made + more;
    END IF;
    RETURN made;
END
$$;
COMMENT ON FUNCTION loads.digest(uuid) IS
    'Keeps the percentiles of a run that the views would work out again each time; how many were '
    'made. For who writes: now and then in a run, and once after its end.';

-- ---- the views ----

CREATE VIEW loads.run_summary AS
SELECT r.run_id, r.name, r.project, r.user_id, r.tags, r.submitted, r.started, r.finished, r.state,
       r.outcome, r.trouble, r.active_usec / 1e6::float8 AS duration_sec, t.hits, t.request_errors,
       i.successes, i.failures, i.errors, i.interrupted,
       COALESCE(t.hits / nullif(r.active_usec, 0)::float8 * 1e6, 0) AS rps,
       t.sum_usec::float8 / nullif(t.hits, 0) AS avg, t.min_usec AS min,
       p.usec[1] AS p50, p.usec[2] AS p90, p.usec[3] AS p95, p.usec[4] AS p99, p.usec[5] AS p999,
       t.max_usec AS max, t.sent_bytes, t.received_bytes, r.agents, a.lost_agents
FROM loads.runs AS r
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(t.hits), 0)::bigint AS hits,
           COALESCE(sum(t.request_errors), 0)::bigint AS request_errors, sum(t.sum_usec) AS sum_usec,
           min(t.min_usec) FILTER (WHERE t.hits > 0) AS min_usec,
           max(t.max_usec) FILTER (WHERE t.hits > 0) AS max_usec,
           COALESCE(sum(t.sent_bytes), 0)::bigint AS sent_bytes,
           COALESCE(sum(t.received_bytes), 0)::bigint AS received_bytes,
           array_agg(t.series_id) AS series_ids
    FROM loads.totals AS t
    WHERE t.run_id = r.run_id
) AS t
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(i.successes), 0)::bigint AS successes,
           COALESCE(sum(i.failures), 0)::bigint AS failures,
           COALESCE(sum(i.errors), 0)::bigint AS errors,
           COALESCE(sum(i.interrupted), 0)::bigint AS interrupted
    FROM loads.tests AS i
    WHERE i.run_id = r.run_id
) AS i
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(DISTINCT s.agent_id), '{}') AS lost_agents
    FROM loads.sources AS s
    WHERE s.run_id = r.run_id AND s.lost IS NOT NULL
) AS a
LEFT JOIN loads.digests AS d
    ON d.run_id = r.run_id AND d.kind = 'run' AND d.id = 0 AND d.hits = t.hits
CROSS JOIN LATERAL (
    SELECT CASE WHEN t.hits > 0 THEN
        COALESCE(d.percentiles, loads.total_percentiles(r.run_id, t.series_ids)) END AS usec
    OFFSET 0 -- so that it is worked out once
) AS p;
COMMENT ON VIEW loads.run_summary IS 'Each run in one row.';

CREATE VIEW loads.url_stats AS
SELECT r.run_id, u.test, u.url, u.method, u.hits, u.request_errors, u.good,
       u.good::float8 / (u.hits + u.request_errors) AS success_rate,
       COALESCE(u.hits / nullif(r.active_usec, 0)::float8 * 1e6, 0) AS rps,
       u.sum_usec::float8 / nullif(u.hits, 0) AS avg, u.min_usec AS min,
       p.usec[1] AS p50, p.usec[2] AS p90, p.usec[3] AS p95, p.usec[4] AS p99, p.usec[5] AS p999,
       CASE WHEN u.hits > 0 THEN u.max_usec END AS max, u.sent_bytes, u.received_bytes, u.statuses
FROM loads.runs AS r
CROSS JOIN LATERAL loads.run_urls(r.run_id) AS u
LEFT JOIN loads.digests AS d
    ON d.run_id = r.run_id AND d.kind = 'url' AND d.id = u.id AND d.hits = u.hits
CROSS JOIN LATERAL (
    SELECT CASE WHEN u.hits > 0 THEN
        COALESCE(d.percentiles, loads.total_percentiles(r.run_id, u.series_ids)) END AS usec
    OFFSET 0
) AS p;
COMMENT ON VIEW loads.url_stats IS
    'Each request name of a run, by test and method, over all statuses and agents.';

CREATE VIEW loads.timeline AS
SELECT r.run_id, s.second, r.started + make_interval(secs => s.second) AS at,
       COALESCE(c.agents, 0) AS agents, COALESCE(c.hits, 0) AS hits,
       COALESCE(c.request_errors, 0) AS request_errors, COALESCE(i.successes, 0) AS successes,
       COALESCE(i.failures, 0) AS failures, COALESCE(i.errors, 0) AS errors,
       COALESCE(i.interrupted, 0) AS interrupted, COALESCE(c.hits, 0)::float8 AS rps,
       c.sum_usec::float8 / nullif(c.hits, 0) AS avg, c.min_usec AS min,
       p.usec[1] AS p50, p.usec[2] AS p90, p.usec[3] AS p95, p.usec[4] AS p99, p.usec[5] AS p999,
       CASE WHEN c.hits > 0 THEN c.max_usec END AS max,
       COALESCE(c.sent_bytes, 0) AS sent_bytes, COALESCE(c.received_bytes, 0) AS received_bytes
FROM loads.runs AS r
CROSS JOIN LATERAL generate_series(0, loads.last_second(r.run_id)) AS s (second)
LEFT JOIN LATERAL (
    SELECT c.second, count(DISTINCT c.source)::int AS agents, sum(c.hits)::bigint AS hits,
           sum(c.request_errors)::bigint AS request_errors, sum(c.sum_usec) AS sum_usec,
           min(c.min_usec) AS min_usec, max(c.max_usec) AS max_usec,
           sum(c.sent_bytes)::bigint AS sent_bytes, sum(c.received_bytes)::bigint AS received_bytes,
           sum(c.covering_hits)::bigint AS covering_hits
    FROM loads.run_seconds(r.run_id) AS c
    GROUP BY c.second
) AS c ON c.second = s.second
LEFT JOIN LATERAL (
    SELECT i.second, sum(i.successes)::bigint AS successes, sum(i.failures)::bigint AS failures,
           sum(i.errors)::bigint AS errors, sum(i.interrupted)::bigint AS interrupted
    FROM loads.run_iterations(r.run_id) AS i
    GROUP BY i.second
) AS i ON i.second = s.second
LEFT JOIN loads.digests AS d
    ON d.run_id = r.run_id AND d.kind = 'second' AND d.id = s.second AND d.hits = c.covering_hits
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.hits > 0 THEN
        COALESCE(d.percentiles, loads.second_percentiles(r.run_id, s.second)) END AS usec
    OFFSET 0
) AS p;
COMMENT ON VIEW loads.timeline IS
    'Each second of a run, over all agents; those in which nothing was counted, too.';

CREATE VIEW loads.test_results AS
SELECT t.run_id, t.name AS test, t.successes + t.failures + t.errors + t.interrupted AS iterations,
       t.successes, t.failures, t.errors, t.interrupted,
       t.successes::float8 / nullif(t.successes + t.failures + t.errors, 0) AS success_rate
FROM loads.tests AS t
WHERE t.successes + t.failures + t.errors + t.interrupted > 0;
COMMENT ON VIEW loads.test_results IS 'Each test of a run, and how its iterations ended.';

CREATE VIEW loads.agent_timeline AS
SELECT r.run_id, s.agent_id, c.second, r.started + make_interval(secs => c.second) AS at,
       sum(c.hits)::bigint AS hits, sum(c.request_errors)::bigint AS request_errors,
       sum(c.successes)::bigint AS successes, sum(c.failures)::bigint AS failures,
       sum(c.errors)::bigint AS errors, sum(c.interrupted)::bigint AS interrupted,
       sum(c.hits)::float8 AS rps, sum(c.sum_usec)::float8 / nullif(sum(c.hits), 0) AS avg,
       min(c.min_usec) AS min, CASE WHEN sum(c.hits) > 0 THEN max(c.max_usec) END AS max,
       sum(c.sent_bytes)::bigint AS sent_bytes, sum(c.received_bytes)::bigint AS received_bytes
FROM loads.runs AS r
JOIN loads.sources AS s ON s.run_id = r.run_id
CROSS JOIN LATERAL (
    SELECT c.source, c.second, c.hits, c.request_errors, 0 AS successes, 0 AS failures, 0 AS errors,
           0 AS interrupted, c.sum_usec, c.min_usec, c.max_usec, c.sent_bytes, c.received_bytes
    FROM loads.run_seconds(r.run_id) AS c
    UNION ALL
    SELECT i.source, i.second, 0, 0, i.successes, i.failures, i.errors, i.interrupted, 0, NULL, NULL,
           0, 0
    FROM loads.run_iterations(r.run_id) AS i
) AS c
WHERE c.source = s.source
GROUP BY r.run_id, s.agent_id, c.second;
COMMENT ON VIEW loads.agent_timeline IS
    'Each second of a run by agent, where the agent counted something; what it was before and after '
    'a restart together.';

-- Columns of one name are the same in all views.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT c.table_name, c.column_name, meaning.text
        FROM information_schema.columns AS c
        JOIN information_schema.views AS v USING (table_schema, table_name)
        JOIN (VALUES
            ('run_id', 'The run.'),
            ('name', 'What is tested: module.Suite.test, or a URL.'),
            ('project', 'The project that the run was given.'),
            ('user_id', 'Who runs it.'),
            ('tags', 'The run''s tags, an object: tags ->> ''branch''.'),
            ('submitted', 'When the broker took it.'),
            ('started', 'When its first cycle began.'),
            ('finished', 'When it ended; null before.'),
            ('state', 'queued, preparing, running, stopping; at the end finished, failed or aborted.'),
            ('outcome', 'passed, failed, aborted or lost; null before the end.'),
            ('trouble', 'What a person should know of it; null: nothing.'),
            ('duration_sec', 'How long its cycles took, in seconds; rates are computed with it.'),
            ('test', 'Suite.test'),
            ('url', 'The request''s name: what the test says, or the URL without query and fragment.'),
            ('method', 'GET, POST, …'),
            ('agent_id', 'The agent: HOST-INSTANCE.'),
            ('second', 'The second of the run, from 0.'),
            ('at', 'When that second began.'),
            ('hits', 'Requests with a complete answer.'),
            ('request_errors', 'Requests without one; they are in no latency.'),
            ('good', 'Hits with a status below 400.'),
            ('iterations', 'How often it ran.'),
            ('successes', 'Iterations that went through.'),
            ('failures', 'Iterations that an assertion ended.'),
            ('errors', 'Iterations that something else ended: no answer, a crash.'),
            ('interrupted', 'Iterations that were cut at the end of their time: neither good nor bad.'),
            ('rps', 'Hits per second.'),
            ('avg', 'Average latency of hits, in microseconds.'),
            ('min', 'Least latency, in microseconds.'),
            ('p50', 'Median of latencies, in microseconds.'),
            ('p90', '90 % of hits took at most that long, in microseconds.'),
            ('p95', '95 % of hits took at most that long, in microseconds.'),
            ('p99', '99 % of hits took at most that long, in microseconds.'),
            ('p999', '99.9 % of hits took at most that long, in microseconds.'),
            ('max', 'Greatest latency, in microseconds.'),
            ('sent_bytes', 'Bytes of requests, headers included.'),
            ('received_bytes', 'Bytes of answers, headers included.'),
            ('statuses', 'Hits by status, an object: statuses ->> ''200''.'),
            ('lost_agents', 'The agents that the run lost.')
        ) AS meaning (column_name, text) USING (column_name)
        WHERE c.table_schema = 'loads'
    LOOP
        EXECUTE format('COMMENT ON COLUMN loads.%I.%I IS %L', found.table_name, found.column_name,
                       found.text);
    END LOOP;
END
$$;
COMMENT ON COLUMN loads.run_summary.agents IS 'How many agents were asked for.';
COMMENT ON COLUMN loads.timeline.agents IS 'How many agents counted something.';
COMMENT ON COLUMN loads.url_stats.success_rate IS 'good / (hits + request_errors), 0 to 1.';
COMMENT ON COLUMN loads.test_results.success_rate IS
    'successes / (successes + failures + errors), 0 to 1.';

-- ---- who may read, and how runs go ----

CREATE FUNCTION loads.keep_hits(run_id uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    part text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['hits', 'test_events'] LOOP
        part := parent || '_' || replace(run_id::text, '-', '');
        IF to_regclass('loads.' || part) IS NULL THEN
            -- Made first and attached then: so nobody who reads other runs is in the way.
            EXECUTE format('CREATE TABLE loads.%I (LIKE loads.%I INCLUDING ALL)', part, parent);
            EXECUTE format('ALTER TABLE loads.%I ATTACH PARTITION loads.%I FOR VALUES IN (%L)', parent,
                           part, run_id);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION loads.keep_hits(uuid) IS
    'Makes room for the hits and test_events of a run, unless there is; for who writes.';

CREATE FUNCTION loads.forget_run() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    part text;
BEGIN
    DELETE FROM loads.intervals AS i WHERE i.run_id = old.run_id;
    DELETE FROM loads.interval_tests AS i WHERE i.run_id = old.run_id;
    FOREACH part IN ARRAY ARRAY['hits_', 'test_events_'] LOOP
        part := part || replace(old.run_id::text, '-', '');
        IF to_regclass('loads.' || part) IS NOT NULL THEN
            EXECUTE format('DROP TABLE loads.%I', part);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION loads.forget_run() IS
    'Takes away with a run what no foreign key takes away: its intervals and hits.';
CREATE TRIGGER forget_run AFTER DELETE ON loads.runs
    FOR EACH ROW EXECUTE FUNCTION loads.forget_run();
COMMENT ON TRIGGER forget_run ON loads.runs IS 'Deleting a run deletes all that belongs to it.';

-- Making roles takes a right that who owns the schema need not have; somebody else can make it.
CREATE FUNCTION loads.grant_reader() RETURNS bool
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'loads_reader') THEN
        BEGIN
            CREATE ROLE loads_reader NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- somebody was faster
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'the role loads_reader is missing and % may not create it', current_user
                    USING HINT = 'Have it created, then: SELECT loads.grant_reader()';
                RETURN false;
        END;
    END IF;
    GRANT USAGE ON SCHEMA loads TO loads_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA loads TO loads_reader;
    RETURN true;
END
$$;
COMMENT ON FUNCTION loads.grant_reader() IS
    'Lets the role loads_reader read all of the schema, and makes the role if it is missing. '
    'False: it is missing and we may not make it.';
SELECT loads.grant_reader();

INSERT INTO loads.schema_migrations (version, name) VALUES (3, 'views');
