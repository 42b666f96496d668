-- SPDX-License-Identifier: MPL-2.0
-- Two runs held against each other: what differs, and whether it is more than chance.
--
-- Chance is judged by the runs themselves. Neighbouring seconds are alike (a slow phase lasts), so the
-- seconds are put into 10 to 20 blocks of neighbours, and runs are made of blocks drawn from those,
-- with replacement: a block bootstrap. How far the differences of such runs are spread is the standard
-- error of a difference. The first tenth of a run (5 to 60 seconds) is in every drawn run as it is,
-- since warming up is no chance. Where blocks are still like the ones before, the error is larger by
-- that. It is larger, too, when a run took less than a minute, and so can't show what comes and goes
-- within minutes: by the fourth root of how many times it fits into one. And blocks are few, so
-- intervals and limits are Student's and not the normal distribution's.
--
-- Of a hundred numbers compared five are beyond their 95 % interval by chance. So a mark takes more:
-- the drawn runs say what the largest of all deviations (each in standard errors) is in 95 % of cases
-- where nothing differs, and what is beyond that is marked. Less than 2 % (of errors, 0.1 of a hundred)
-- is never marked: runs differ by that from start to start, which the seconds of one can't show.
--
-- A drawn run's percentile needn't its histogram: it is where the share of hits up to the run's own
-- percentile says, in the run's histogram. So a run is added up by blocks once.
--
-- What is drawn is always the same: it is cut out of hashes.

CREATE TABLE loads.baselines (
    name text PRIMARY KEY
        CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$' AND name !~ '^[0-9A-Fa-f-]*$'),
    run_id uuid NOT NULL REFERENCES loads.runs,
    set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    set_by text
);
CREATE INDEX baselines_run ON loads.baselines (run_id);
COMMENT ON TABLE loads.baselines IS
    'Runs that others are held against, by name. They are not deleted, and never too old.';
COMMENT ON COLUMN loads.baselines.name IS
    'Its name, such as main; none that could be the beginning of a run''s id.';
COMMENT ON COLUMN loads.baselines.run_id IS 'The run.';
COMMENT ON COLUMN loads.baselines.set_at IS 'When it became that.';
COMMENT ON COLUMN loads.baselines.set_by IS
    'Name of the key, or of the user of the broker''s machine; null: nobody that is known.';

CREATE FUNCTION loads.is_baseline(run_id uuid) RETURNS bool
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM loads.baselines AS b WHERE b.run_id = $1)
$$;
COMMENT ON FUNCTION loads.is_baseline(uuid) IS 'Whether a run is a baseline.';

-- ---- parts of loads.compare() ----

-- Each key is a line of the comparison: 0 the run, 1 and up request names, -1 and down tests.
CREATE FUNCTION loads.compare_keys(run_a uuid, run_b uuid)
RETURNS TABLE (
    side int, run_id uuid, series_id int, key int, test text, name text, method text, bad bool
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 AS $$
    SELECT r.side, s.run_id, s.series_id,
           dense_rank() OVER (ORDER BY s.test, s.name, s.method)::int, s.test, s.name, s.method,
           s.status >= 400
    FROM (VALUES (0, $1), (1, $2)) AS r (side, run_id)
    JOIN loads.series AS s ON s.run_id = r.run_id
    JOIN loads.totals AS t ON t.run_id = s.run_id AND t.series_id = s.series_id
    WHERE t.hits > 0 OR t.request_errors > 0
$$;
COMMENT ON FUNCTION loads.compare_keys(uuid, uuid) IS
    'A step of loads.compare(): the series of two runs, with the same number (key) where test, name and '
    'method are the same. side: 0 is the first run, 1 the second.';

-- Wallace's approximation, within a thousandth from 8 degrees of freedom on.
CREATE FUNCTION loads.student(z float8, degrees int) RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT sqrt(degrees * (exp(power(z * (8 * degrees + 3) / (8 * degrees + 1), 2) / degrees) - 1))
$$;
COMMENT ON FUNCTION loads.student(float8, int) IS
    'How many standard errors, estimated with so many degrees of freedom, are as unlikely as z exact '
    'ones.';

CREATE FUNCTION loads.compare_block(second int, seconds int, warm int, blocks int) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN $1 < $3 THEN 0
        ELSE 1 + (least($1, $2 - 1) - $3)::bigint * $4 / ($2 - $3) END::int
$$;
COMMENT ON FUNCTION loads.compare_block(int, int, int, int) IS
    'A step of loads.compare(): the block that a second is in; 0: the run was warming up.';

CREATE FUNCTION loads.compare_draws(side int, blocks int)
RETURNS TABLE (drawn int, block int, times int)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 13000 AS $$
    SELECT d.drawn, d.block, count(*)::int
    FROM (
        SELECT n AS drawn,
               ((get_byte(h.h, 2 * i) * 256 + get_byte(h.h, 2 * i + 1)) * $2) / 65536 + 1 AS block
        FROM generate_series(1, 500) AS n,
             LATERAL (SELECT sha512(convert_to('loads ' || $1 || ' ' || n, 'UTF8')) OFFSET 0) AS h (h),
             generate_series(0, $2 - 1) AS i
    ) AS d
    GROUP BY d.drawn, d.block
    UNION ALL
    SELECT n, 0, 1 FROM generate_series(1, 500) AS n
$$;
COMMENT ON FUNCTION loads.compare_draws(int, int) IS
    'A step of loads.compare(): five hundred times as many blocks as there are, drawn with '
    'replacement, and block 0 once each time; always the same.';

CREATE FUNCTION loads.compare_names() RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 100 $$;
COMMENT ON FUNCTION loads.compare_names() IS
    'How many names of requests loads.compare() has intervals of at most: those with most hits.';

-- Integers in float8 add up exactly, in any order.
CREATE FUNCTION loads.compare_figures(run_a uuid, run_b uuid)
RETURNS TABLE (
    key int, measure text, value_a float8, value_b float8, difference float8, low float8, high float8,
    marked bool
)
LANGUAGE sql STABLE
-- What the planner guesses of so many steps is too far off to choose by.
SET enable_nestloop = off SET enable_mergejoin = off SET enable_sort = off SET jit = off
SET max_parallel_workers_per_gather = 0 SET work_mem = '64MB'
AS $$
WITH sides AS MATERIALIZED (
    SELECT r.side, r.run_id, r.seconds, r.active_usec, w.warm,
           greatest(1, least(r.seconds - w.warm,
                             greatest(10, least(20, (r.seconds - w.warm) / 10)))) AS blocks
    FROM (
        SELECT s.side, r.run_id, r.active_usec::float8, loads.last_second(r.run_id) + 1 AS seconds
        FROM (VALUES (0, $1), (1, $2)) AS s (side, run_id)
        JOIN loads.runs AS r ON r.run_id = s.run_id
    ) AS r
    CROSS JOIN LATERAL (SELECT least(r.seconds - 1, greatest(5, least(60, r.seconds / 10)))) AS w (warm)
),
keys AS MATERIALIZED (SELECT * FROM loads.compare_keys($1, $2)),
test_keys AS MATERIALIZED (
    SELECT s.side, t.run_id, t.test_id, (-dense_rank() OVER (ORDER BY t.name))::int AS key
    FROM sides AS s JOIN loads.tests AS t ON t.run_id = s.run_id
    WHERE t.successes + t.failures + t.errors > 0
),
-- What each line has in all, and its histogram, added up from the least bucket on.
samples AS MATERIALIZED (
    SELECT m.side, m.key, array_agg(m.bucket ORDER BY m.bucket) AS buckets,
           array_agg(m.upto ORDER BY m.bucket) AS uptos, max(m.upto) AS hits,
           min(m.min_usec) AS min_usec, max(m.max_usec) AS max_usec
    FROM (
        SELECT k.side, v.key, u.bucket,
               (sum(sum(u.count)) OVER (PARTITION BY k.side, v.key ORDER BY u.bucket))::bigint AS upto,
               min(t.min_usec) AS min_usec, max(t.max_usec) AS max_usec
        FROM keys AS k
        JOIN loads.totals AS t ON t.run_id = k.run_id AND t.series_id = k.series_id
        CROSS JOIN LATERAL unnest(t.buckets, t.counts) AS u (bucket, count)
        CROSS JOIN LATERAL (VALUES (k.key), (0)) AS v (key)
        GROUP BY k.side, v.key, u.bucket
    ) AS m
    GROUP BY m.side, m.key
),
places AS MATERIALIZED (
    SELECT s.side, s.key, p.percent, p.rank, s.uptos[p.place] AS upto, s.buckets[p.place] AS bucket,
           least(greatest(loads.bucket_usec(s.buckets[p.place]), s.min_usec), s.max_usec)::float8 AS usec
    FROM samples AS s
    CROSS JOIN LATERAL (
        SELECT q.percent, r.rank, width_bucket(r.rank - 1, s.uptos) + 1 AS place
        FROM (VALUES (50), (95), (99)) AS q (percent)
        CROSS JOIN LATERAL (
            SELECT greatest(ceil(s.hits * q.percent::numeric / 100), 1)::bigint) AS r (rank)
    ) AS p
),
limits AS MATERIALIZED (
    SELECT side, key, max(bucket) FILTER (WHERE percent = 50) AS b50,
           max(bucket) FILTER (WHERE percent = 95) AS b95, max(bucket) FILTER (WHERE percent = 99) AS b99
    FROM places GROUP BY side, key
),
-- By block. A row of several seconds is in the block of its first.
seconds AS MATERIALIZED (
    SELECT s.side, k.key, i.buckets, i.counts, i.hits, i.request_errors, k.bad,
           loads.compare_block(i.second, s.seconds, s.warm, s.blocks) AS block
    FROM sides AS s
    JOIN loads.intervals AS i ON i.run_id = s.run_id
    JOIN keys AS k ON k.side = s.side AND k.series_id = i.series_id
),
counted AS (
    SELECT s.side, v.key, s.block, sum(s.hits)::float8 AS hits,
           sum(CASE WHEN v.key > 0 THEN s.hits + s.request_errors END)::float8 AS tries,
           sum(CASE WHEN v.key > 0 THEN
               CASE WHEN s.bad THEN s.hits ELSE 0 END + s.request_errors END)::float8 AS bad
    FROM seconds AS s CROSS JOIN LATERAL (VALUES (s.key), (0)) AS v (key)
    GROUP BY s.side, v.key, s.block
),
below AS (
    SELECT s.side, s.key, s.block,
           sum(u.n) FILTER (WHERE u.bucket <= l.b50)::float8 AS n50,
           sum(u.n) FILTER (WHERE u.bucket <= l.b95)::float8 AS n95,
           sum(u.n) FILTER (WHERE u.bucket <= l.b99)::float8 AS n99,
           sum(u.n) FILTER (WHERE u.bucket <= r.b50)::float8 AS r50,
           sum(u.n) FILTER (WHERE u.bucket <= r.b95)::float8 AS r95,
           sum(u.n) FILTER (WHERE u.bucket <= r.b99)::float8 AS r99
    FROM seconds AS s
    JOIN limits AS l ON l.side = s.side AND l.key = s.key
    JOIN limits AS r ON r.side = s.side AND r.key = 0
    CROSS JOIN LATERAL unnest(s.buckets, s.counts) AS u (bucket, n)
    GROUP BY s.side, s.key, s.block
),
below_all AS (
    SELECT side, key, block, n50, n95, n99 FROM below
    UNION ALL
    SELECT side, 0, block, sum(r50), sum(r95), sum(r99) FROM below GROUP BY side, block
),
iterations AS (
    SELECT s.side, v.key, loads.compare_block(i.second, s.seconds, s.warm, s.blocks) AS block,
           sum(i.successes + i.failures + i.errors)::float8 AS tries,
           sum(i.failures + i.errors)::float8 AS bad
    FROM sides AS s
    JOIN loads.interval_tests AS i ON i.run_id = s.run_id
    JOIN test_keys AS t ON t.side = s.side AND t.test_id = i.test_id
    CROSS JOIN LATERAL (VALUES (t.key), (0)) AS v (key)
    GROUP BY 1, 2, 3
),
parts AS MATERIALIZED (
    SELECT side, key, block, sum(hits) AS hits, sum(tries) AS tries, sum(bad) AS bad, sum(n50) AS n50,
           sum(n95) AS n95, sum(n99) AS n99
    FROM (
        SELECT side, key, block, hits, tries, bad, NULL::float8 AS n50, NULL::float8 AS n95,
               NULL::float8 AS n99
        FROM counted
        UNION ALL
        SELECT side, key, block, NULL, NULL, NULL, n50, n95, n99 FROM below_all
        UNION ALL
        SELECT side, key, block, NULL, tries, bad, NULL, NULL, NULL FROM iterations
    ) AS p
    GROUP BY side, key, block
),
-- What the cycles took beyond the last second counted is of the last block.
lengths AS (
    SELECT s.side, b.block,
           sum(CASE WHEN n.second = s.seconds - 1 AND s.active_usec > n.second * 1e6
                    THEN s.active_usec - n.second * 1e6 ELSE 1e6 END) AS usec
    FROM sides AS s
    CROSS JOIN LATERAL generate_series(0, s.seconds - 1) AS n (second)
    CROSS JOIN LATERAL (SELECT loads.compare_block(n.second, s.seconds, s.warm, s.blocks)) AS b (block)
    GROUP BY s.side, b.block
),
draws AS MATERIALIZED (
    SELECT s.side, d.drawn, d.block, d.times
    FROM sides AS s CROSS JOIN LATERAL loads.compare_draws(s.side, s.blocks) AS d
),
lasted AS MATERIALIZED (
    SELECT d.side, d.drawn, sum(d.times * l.usec) AS usec
    FROM draws AS d JOIN lengths AS l ON l.side = d.side AND l.block = d.block
    GROUP BY d.side, d.drawn
),
-- Drawing takes time for each name.
chosen AS MATERIALIZED (
    SELECT p.key FROM parts AS p WHERE p.key <= 0 GROUP BY p.key
    UNION ALL
    (SELECT a.key
     FROM samples AS a JOIN samples AS b ON b.key = a.key AND b.side = 1
     WHERE a.side = 0 AND a.key > 0
     ORDER BY least(a.hits, b.hits) DESC, a.key
     LIMIT loads.compare_names())
),
sums AS (
    SELECT p.side, p.key, d.drawn, sum(d.times * p.hits) AS hits, sum(d.times * p.tries) AS tries,
           sum(d.times * p.bad) AS bad, sum(d.times * p.n50) AS n50, sum(d.times * p.n95) AS n95,
           sum(d.times * p.n99) AS n99
    FROM parts AS p
    JOIN chosen AS c ON c.key = p.key
    JOIN draws AS d ON d.side = p.side AND d.block = p.block
    GROUP BY p.side, p.key, d.drawn
),
-- Of the whole run and of drawn ones: rates and latencies as logarithms, whose differences are ratios.
wholes AS MATERIALIZED (
    SELECT p.side, p.key, sum(p.hits) AS hits, sum(p.tries) AS tries, sum(p.bad) AS bad,
           count(*) FILTER (WHERE p.hits > 0)::int AS blocks
    FROM parts AS p GROUP BY p.side, p.key
),
estimates AS MATERIALIZED (
    SELECT w.side, w.key, 'rps' AS measure, w.hits / s.active_usec * 1e6 AS value,
           w.hits >= 20 AND w.blocks >= 5 AS judged, 0::float8 AS least
    FROM wholes AS w JOIN sides AS s ON s.side = w.side
    WHERE w.key >= 0 AND s.active_usec > 0
    UNION ALL
    SELECT p.side, p.key, 'p' || p.percent, p.usec,
           w.hits * (100 - p.percent) >= 500 AND w.blocks >= 5, 0
    FROM places AS p JOIN wholes AS w ON w.side = p.side AND w.key = p.key
    UNION ALL
    SELECT w.side, w.key, 'errors', w.bad / w.tries, w.tries >= 20,
           (w.bad + 1) * (w.tries - w.bad + 1) / power(w.tries + 2, 3)
    FROM wholes AS w WHERE w.tries > 0
),
drawn AS (
    SELECT s.side, s.key, 'rps' AS measure, s.drawn, ln(nullif(s.hits, 0) / l.usec) AS value
    FROM sums AS s JOIN lasted AS l ON l.side = s.side AND l.drawn = s.drawn
    WHERE s.key >= 0
    UNION ALL
    SELECT s.side, s.key, 'errors', s.drawn, s.bad / nullif(s.tries, 0) FROM sums AS s
    UNION ALL
    SELECT s.side, s.key, 'p' || p.percent, s.drawn,
           ln(greatest(loads.bucket_usec(h.buckets[width_bucket(
               greatest(least(ceil(p.rank + p.upto - h.hits * CASE p.percent WHEN 50 THEN s.n50
                   WHEN 95 THEN s.n95 ELSE s.n99 END / nullif(s.hits, 0)), h.hits), 1)::bigint - 1,
               h.uptos) + 1]), 1)::float8)
    FROM sums AS s
    JOIN places AS p ON p.side = s.side AND p.key = s.key
    JOIN samples AS h ON h.side = s.side AND h.key = s.key
),
differences AS MATERIALIZED (
    SELECT a.key, a.measure, a.drawn, a.value - b.value AS value
    FROM drawn AS a JOIN drawn AS b ON b.key = a.key AND b.measure = a.measure AND b.drawn = a.drawn
    WHERE a.side = 0 AND b.side = 1
),
spread AS MATERIALIZED (
    SELECT d.key, d.measure, avg(d.value ORDER BY d.drawn) AS mean,
           stddev_samp(d.value ORDER BY d.drawn) AS deviation
    FROM differences AS d GROUP BY d.key, d.measure
),
pairs AS MATERIALIZED (
    SELECT COALESCE(a.key, b.key) AS key, COALESCE(a.measure, b.measure) AS measure, a.value AS value_a,
           b.value AS value_b, a.judged AND b.judged AS judged,
           a.least + b.least AS least,
           CASE WHEN COALESCE(a.measure, b.measure) = 'errors' THEN a.value - b.value
                WHEN a.value > 0 AND b.value > 0 THEN ln(a.value / b.value) END AS difference
    FROM (SELECT * FROM estimates WHERE side = 0) AS a
    FULL JOIN (SELECT * FROM estimates WHERE side = 1) AS b ON b.key = a.key AND b.measure = a.measure
),
-- Where a block tends to be like the one before, there is less to tell by than there are blocks.
deviations AS (
    SELECT p.side, p.key, v.measure, v.value,
           lag(v.value) OVER (PARTITION BY p.side, p.key, v.measure ORDER BY p.block) AS before
    FROM parts AS p
    JOIN lengths AS l ON l.side = p.side AND l.block = p.block
    JOIN sides AS s ON s.side = p.side
    JOIN wholes AS w ON w.side = p.side AND w.key = p.key
    LEFT JOIN LATERAL (
        SELECT max(c.upto) FILTER (WHERE c.percent = 50) AS n50,
               max(c.upto) FILTER (WHERE c.percent = 95) AS n95,
               max(c.upto) FILTER (WHERE c.percent = 99) AS n99
        FROM places AS c WHERE c.side = p.side AND c.key = p.key) AS u ON true
    CROSS JOIN LATERAL (VALUES
        ('rps', p.hits - w.hits * l.usec / nullif(s.active_usec, 0)),
        ('errors', p.bad - w.bad * p.tries / nullif(w.tries, 0)),
        ('p50', p.n50 - u.n50 * p.hits / w.hits), ('p95', p.n95 - u.n95 * p.hits / w.hits),
        ('p99', p.n99 - u.n99 * p.hits / w.hits)) AS v (measure, value)
    WHERE p.block > 0 AND v.value IS NOT NULL
),
likeness AS (
    SELECT d.key, d.measure, greatest(0, least(0.6, avg(d.r) + 0.1)) AS r
    FROM (
        SELECT side, key, measure, sum(value * before) / nullif(sum(value * value), 0) AS r
        FROM deviations GROUP BY side, key, measure
    ) AS d
    GROUP BY d.key, d.measure
),
degrees AS (
    SELECT CASE WHEN min(s.blocks) >= 5 THEN sum(s.blocks)::int - 2 END AS degrees,
           sqrt(max(s.blocks / nullif(s.blocks - 1.0, 0) * s.seconds / (s.seconds - s.warm))
                * sqrt(greatest(1, 60.0 / min(s.seconds))))::float8 AS widen
    FROM sides AS s
),
largest AS (
    SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY m.most) AS z
    FROM (
        SELECT max(abs(d.value - s.mean) / s.deviation) AS most
        FROM differences AS d
        JOIN spread AS s ON s.key = d.key AND s.measure = d.measure AND s.deviation > 0
        JOIN pairs AS p ON p.key = d.key AND p.measure = d.measure AND p.judged
        GROUP BY d.drawn
    ) AS m
),
judged AS (
    SELECT p.*, g.degrees, CASE WHEN p.judged AND s.deviation IS NOT NULL
        THEN sqrt(power(g.widen * s.deviation, 2) * (1 + k.r) / (1 - k.r) + p.least) END AS error
    FROM pairs AS p
    LEFT JOIN spread AS s ON s.key = p.key AND s.measure = p.measure
    LEFT JOIN (SELECT key, measure, COALESCE(r, 0) AS r FROM likeness) AS k
        ON k.key = p.key AND k.measure = p.measure
    CROSS JOIN degrees AS g
)
SELECT j.key, j.measure, j.value_a, j.value_b,
       CASE WHEN j.measure = 'errors' THEN j.difference ELSE exp(j.difference) - 1 END,
       CASE WHEN j.measure = 'errors' THEN j.difference - e.half ELSE exp(j.difference - e.half) - 1 END,
       CASE WHEN j.measure = 'errors' THEN j.difference + e.half ELSE exp(j.difference + e.half) - 1 END,
       COALESCE(abs(j.difference) > loads.student(l.z, j.degrees) * j.error
                AND abs(j.difference) >= CASE j.measure WHEN 'errors' THEN 0.001 ELSE 0.02 END, false)
FROM judged AS j
CROSS JOIN largest AS l
CROSS JOIN LATERAL (SELECT j.error * loads.student(1.959964, j.degrees)) AS e (half)
$$;
COMMENT ON FUNCTION loads.compare_figures(uuid, uuid) IS
    'A step of loads.compare(): its numbers, by key: 0 the whole run, above request names as in '
    'loads.compare_keys(), below tests in the order of their names.';

-- ---- which runs, and whether they can be compared ----

CREATE FUNCTION loads.run_id_from(beginning text, digit text) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN whole ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN whole::uuid END
    FROM (
        SELECT overlay(translate('00000000-0000-0000-0000-000000000000', '0', $2)
                       PLACING $1 FROM 1 FOR length($1)) AS whole
        WHERE $1 <> ''
    ) AS w
$$;
COMMENT ON FUNCTION loads.run_id_from(text, text) IS
    'The beginning of an id, the rest filled with a digit; null: it is none.';

CREATE FUNCTION loads.runs_named(word text) RETURNS SETOF uuid
LANGUAGE sql STABLE STRICT AS $$
    SELECT b.run_id FROM loads.baselines AS b WHERE b.name = $1
    UNION ALL
    (SELECT r.run_id FROM loads.runs AS r
     WHERE r.run_id BETWEEN loads.run_id_from($1, '0') AND loads.run_id_from($1, 'f')
     LIMIT 2)
$$;
COMMENT ON FUNCTION loads.runs_named(text) IS
    'The run of a baseline''s name, or those whose ids begin so; two at most.';

CREATE FUNCTION loads.compare_trouble(run_a uuid, run_b uuid, OUT code text, OUT trouble text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT n.run_id, r.state, EXISTS (SELECT FROM loads.totals AS t WHERE t.run_id = n.run_id
                                          AND (t.hits > 0 OR t.request_errors > 0)) AS has_hits
        FROM (VALUES (run_a), (run_b)) AS n (run_id)
        LEFT JOIN loads.runs AS r ON r.run_id = n.run_id
    LOOP
        IF one.state IS NULL THEN
            code := 'unknown-run';
            trouble := format('there is no run %s', one.run_id);
        ELSIF one.state NOT IN ('finished', 'failed', 'aborted') THEN
            code := 'active-run';
            trouble := format('run %s is on: it is compared when it is over', one.run_id);
        ELSIF NOT one.has_hits THEN
            code := 'not-comparable';
            trouble := format('run %s has no hits, so there is nothing to compare', one.run_id);
        END IF;
        EXIT WHEN code IS NOT NULL;
    END LOOP;
    IF code IS NULL AND NOT EXISTS (
        SELECT FROM loads.compare_keys(run_a, run_b) AS a
        JOIN loads.compare_keys(run_a, run_b) AS b ON b.key = a.key AND b.side = 1
        WHERE a.side = 0)
    THEN
        code := 'not-comparable';
        trouble := format('runs %s and %s have no name of a request in common', run_a, run_b);
    END IF;
END
$$;
COMMENT ON FUNCTION loads.compare_trouble(uuid, uuid) IS
    'Why two runs can''t be compared: a word for programs and a text; null: they can.';

-- ---- comparing ----

CREATE FUNCTION loads.compare(run_a uuid, run_b uuid)
RETURNS TABLE (
    kind text, test text, name text, method text, measure text, value_a float8, value_b float8,
    difference float8, low float8, high float8, marked bool
)
LANGUAGE plpgsql STABLE ROWS 100 AS $$
#variable_conflict use_column
DECLARE
    wrong record;
BEGIN
    SELECT * INTO wrong FROM loads.compare_trouble(run_a, run_b);
    IF wrong.trouble IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = wrong.trouble;
    END IF;
    RETURN QUERY
    WITH names AS (
        SELECT DISTINCT k.key, k.test, k.name, k.method FROM loads.compare_keys(run_a, run_b) AS k
    ),
    tests AS (
        SELECT (-dense_rank() OVER (ORDER BY t.name))::int AS key, t.name
        FROM loads.tests AS t
        WHERE t.run_id IN (run_a, run_b) AND t.successes + t.failures + t.errors > 0
    )
    SELECT CASE WHEN f.key = 0 THEN 'run' WHEN f.key > 0 THEN 'request' ELSE 'test' END,
           COALESCE(n.test, t.name, ''), COALESCE(n.name, ''), COALESCE(n.method, ''), f.measure,
           f.value_a, f.value_b, f.difference, f.low, f.high, f.marked
    FROM loads.compare_figures(run_a, run_b) AS f
    LEFT JOIN names AS n ON n.key = f.key
    LEFT JOIN (SELECT DISTINCT key, name FROM tests) AS t ON t.key = f.key
    WHERE NOT (f.key > 0 AND n.test = '') -- "(other)" is many names
    ORDER BY sign(f.key) <> 0, f.key < 0, abs(f.key),
             array_position(ARRAY['rps', 'p50', 'p95', 'p99', 'errors'], f.measure);
END
$$;
COMMENT ON FUNCTION loads.compare(uuid, uuid) IS
    'The first run held against the second, by name. kind: run, request (test, name, method) or test. '
    'measure: rps, p50, p95, p99 (microseconds), errors (a share: of the run and a test iterations that '
    'ended as failure or error, of a request those with a status of 400 and above or without a complete '
    'answer). difference: 0.1 is 10 % more in the first, of errors 10 more of a hundred; low and high: '
    'its 95 % interval, null where there is too little to tell. marked: it is more than chance.';

CREATE FUNCTION loads.compare(a text, b text)
RETURNS TABLE (
    kind text, test text, name text, method text, measure text, value_a float8, value_b float8,
    difference float8, low float8, high float8, marked bool
)
LANGUAGE plpgsql STABLE ROWS 100 AS $$
#variable_conflict use_column
DECLARE
    word text;
    ids uuid[];
    found_ids uuid[] := '{}';
BEGIN
    FOREACH word IN ARRAY ARRAY[a, b] LOOP
        ids := ARRAY(SELECT loads.runs_named(word));
        IF cardinality(ids) <> 1 THEN
            RAISE invalid_parameter_value USING MESSAGE = CASE cardinality(ids)
                WHEN 0 THEN format('there is no run and no baseline %s', word)
                ELSE format('several runs have ids that begin with %s', word) END;
        END IF;
        found_ids := found_ids || ids;
    END LOOP;
    RETURN QUERY SELECT * FROM loads.compare(found_ids[1], found_ids[2]);
END
$$;
COMMENT ON FUNCTION loads.compare(text, text) IS
    'The same of runs named by the beginnings of their ids, or as baselines.';

CREATE FUNCTION loads.steps_text(steps jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT COALESCE((SELECT string_agg(s.step, ':' ORDER BY s.place)
                     FROM jsonb_array_elements_text(
                         CASE jsonb_typeof($1) WHEN 'array' THEN $1 ELSE '[]' END) WITH ORDINALITY AS s (step, place)), 'none')
$$;
COMMENT ON FUNCTION loads.steps_text(jsonb) IS '[10, 20] as 10:20.';

-- What a reader should know before the numbers.
CREATE FUNCTION loads.compare_notes(run_a uuid, run_b uuid) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
    WITH runs AS (
        SELECT s.side, r.*, loads.last_second(r.run_id) + 1 AS seconds, round(r.active_usec / 1e6, 1) AS took,
               loads.steps_text(r.spec -> 'users') AS users, loads.steps_text(r.spec -> 'hits') AS hits
        FROM (VALUES (0, $1), (1, $2)) AS s (side, run_id)
        JOIN loads.runs AS r ON r.run_id = s.run_id
    )
    SELECT n.note
    FROM runs AS a
    JOIN runs AS b ON b.side = 1
    CROSS JOIN LATERAL (VALUES
        (a.run_id = b.run_id, 'it is the same run'),
        (a.started < b.started AND NOT loads.is_baseline(b.run_id), 'the first run is the older one'),
        (a.name <> b.name, format('different tests: %s, and %s', a.name, b.name)),
        (a.users <> b.users, format('different users: %s, and %s', a.users, b.users)),
        (a.hits <> b.hits, format('different hits of a user: %s, and %s', a.hits, b.hits)),
        (a.agents <> b.agents, format('different numbers of agents: %s, and %s', a.agents, b.agents)),
        (greatest(a.took, b.took) > 1.1 * least(a.took, b.took),
         format('different durations: %s s, and %s s', a.took, b.took)),
        (a.outcome IN ('aborted', 'lost'), format('the first run ended as %s', a.outcome)),
        (b.outcome IN ('aborted', 'lost'), format('the second run ended as %s', b.outcome)),
        (least(a.seconds, b.seconds) < 10,
         'too short to tell chance: both must last 10 seconds, better minutes'),
        ((SELECT max(k.key) FROM loads.compare_keys($1, $2) AS k) > loads.compare_names(),
         format('only of the %s names with most hits it is said whether they differ by chance',
                loads.compare_names())),
        (a.users LIKE '%:%' OR a.hits LIKE '%:%' OR b.users LIKE '%:%' OR b.hits LIKE '%:%',
         'there are several cycles: what they differ by counts as chance')
    ) AS n (applies, note)
    WHERE a.side = 0 AND n.applies
$$;
COMMENT ON FUNCTION loads.compare_notes(uuid, uuid) IS
    'What a reader of loads.compare() should know of the two runs: other users, other durations and the '
    'like.';

CREATE FUNCTION loads.compare_document(run_a uuid, run_b uuid) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'runs', (SELECT jsonb_agg(jsonb_build_object(
                     'run_id', r.run_id, 'name', r.name, 'started', to_char(r.started AT TIME ZONE 'UTC',
                     'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'outcome', r.outcome,
                     'duration_sec', r.active_usec / 1e6, 'users', r.spec -> 'users', 'agents', r.agents,
                     'baselines', (SELECT COALESCE(jsonb_agg(l.name ORDER BY l.name), '[]')
                                   FROM loads.baselines AS l WHERE l.run_id = r.run_id))
                     ORDER BY s.side)
                 FROM (VALUES (0, $1), (1, $2)) AS s (side, run_id)
                 JOIN loads.runs AS r ON r.run_id = s.run_id),
        'notes', (SELECT COALESCE(jsonb_agg(n), '[]') FROM loads.compare_notes($1, $2) AS n),
        'rows', (SELECT jsonb_agg(to_jsonb(c)) FROM loads.compare($1, $2) AS c))
$$;
COMMENT ON FUNCTION loads.compare_document(uuid, uuid) IS
    'What CTRL_COMPARE answers: loads.compare() and its notes.';

CREATE FUNCTION loads.compare_find(a text, b text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    a_ids uuid[] := ARRAY(SELECT loads.runs_named(a));
    b_ids uuid[] := ARRAY(SELECT loads.runs_named(b));
    word text := CASE WHEN cardinality(a_ids) = 1 THEN b ELSE a END;
    wrong record;
BEGIN
    IF cardinality(a_ids) = 0 OR (cardinality(a_ids) = 1 AND cardinality(b_ids) = 0) THEN
        RETURN jsonb_build_object('code', 'unknown-run', 'trouble',
                                  format('there is no run and no baseline %s', left(word, 60)));
    ELSIF cardinality(a_ids) > 1 OR cardinality(b_ids) > 1 THEN
        RETURN jsonb_build_object('code', 'ambiguous-run', 'trouble',
                                  format('several runs have ids that begin with %s', left(word, 60)));
    END IF;
    SELECT * INTO wrong FROM loads.compare_trouble(a_ids[1], b_ids[1]);
    IF wrong.trouble IS NOT NULL THEN
        RETURN jsonb_build_object('code', wrong.code, 'trouble', wrong.trouble);
    END IF;
    RETURN jsonb_build_object('a', a_ids[1], 'b', b_ids[1]);
END
$$;
COMMENT ON FUNCTION loads.compare_find(text, text) IS
    'The two runs that CTRL_COMPARE is asked for, or why it can''t be answered.';

-- ---- baselines, as the broker sets them ----

CREATE FUNCTION loads.baseline_set(name text, run_id uuid, set_by text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    now_is text := (SELECT r.state FROM loads.runs AS r WHERE r.run_id = $2);
BEGIN
    IF now_is NOT IN ('finished', 'failed', 'aborted') THEN
        RETURN jsonb_build_object('code', 'active-run', 'trouble',
                                  format('run %s is on: it can be a baseline when it is over', $2));
    END IF;
    INSERT INTO loads.baselines AS b (name, run_id, set_by) VALUES ($1, $2, $3)
    ON CONFLICT ON CONSTRAINT baselines_pkey DO UPDATE
        SET run_id = excluded.run_id, set_at = excluded.set_at, set_by = excluded.set_by;
    RETURN jsonb_build_object('name', $1, 'run_id', $2);
EXCEPTION WHEN check_violation THEN
    RETURN jsonb_build_object('code', 'usage', 'trouble', format(
        '''%s'' can''t be the name of a baseline: up to 64 letters, digits and ._/-, and none that could '
        'be the beginning of a run''s id', left($1, 64)));
END
$$;
COMMENT ON FUNCTION loads.baseline_set(text, uuid, text) IS
    'Makes a run a baseline, in place of what had the name; or says why it can''t be one.';

CREATE FUNCTION loads.baseline_remove(name text) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM loads.baselines AS b WHERE b.name = $1;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('code', 'unknown-baseline', 'trouble',
                                  format('there is no baseline ''%s''', left($1, 64)));
    END IF;
    RETURN jsonb_build_object('name', $1);
END
$$;
COMMENT ON FUNCTION loads.baseline_remove(text) IS
    'Its run is then one like all others; or says that there is no such baseline.';

-- ---- baselines stay ----

CREATE FUNCTION loads.keep_baseline() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    kept text := (SELECT string_agg(b.name, ''', ''' ORDER BY b.name) FROM loads.baselines AS b
                  WHERE b.run_id = old.run_id);
BEGIN
    IF kept IS NOT NULL THEN
        RAISE restrict_violation USING
            MESSAGE = format('run %s is the baseline ''%s'': remove that first', old.run_id, kept);
    END IF;
    RETURN old;
END
$$;
COMMENT ON FUNCTION loads.keep_baseline() IS 'Says why a run that is a baseline is not deleted.';
CREATE TRIGGER keep_baseline BEFORE DELETE ON loads.runs
    FOR EACH ROW EXECUTE FUNCTION loads.keep_baseline();
COMMENT ON TRIGGER keep_baseline ON loads.runs IS 'A run that is a baseline is not deleted.';

-- As before, but for baselines.
CREATE OR REPLACE FUNCTION loads.expirable(age interval)
RETURNS TABLE (run_id uuid, name text, state text, last timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT r.run_id, r.name, r.state, r.finished
    FROM loads.runs AS r
    WHERE r.finished < now() - $1 AND NOT loads.is_baseline(r.run_id)
    UNION ALL
    SELECT r.run_id, r.name, r.state, a.last
    FROM loads.runs AS r, LATERAL loads.last_activity(r.run_id) AS a (last)
    WHERE r.finished IS NULL AND a.last < now() - $1 AND NOT loads.has_writer()
      AND NOT loads.is_baseline(r.run_id)
    ORDER BY 4
$$;

CREATE OR REPLACE FUNCTION loads.expire_runs(age interval, most int DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
#variable_conflict use_column
DECLARE
    upto timestamptz := now() - age;
    found_id uuid;
    done bigint := 0;
BEGIN
    IF age IS NULL OR age <= interval '0' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'an age is more than nothing, such as 30 days';
    END IF;
    FOR found_id IN
        SELECT r.run_id FROM loads.runs AS r
        WHERE r.finished < upto AND NOT loads.is_baseline(r.run_id)
        ORDER BY r.finished
        LIMIT most
        FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM loads.expire_run(found_id);
        done := done + 1;
    END LOOP;
    -- Others are a broker's, if there is one; none comes before we are done.
    IF done < most IS NOT FALSE
        AND EXISTS (SELECT FROM loads.runs AS r
                    WHERE r.finished IS NULL AND NOT loads.is_baseline(r.run_id)
                      AND loads.last_activity(r.run_id) < upto)
        AND pg_try_advisory_xact_lock(1282367844, 1)
    THEN
        FOR found_id IN
            SELECT r.run_id FROM loads.runs AS r
            WHERE r.finished IS NULL AND NOT loads.is_baseline(r.run_id)
              AND loads.last_activity(r.run_id) < upto
            LIMIT most - done
            FOR UPDATE SKIP LOCKED
        LOOP
            PERFORM loads.expire_run(found_id);
            done := done + 1;
        END LOOP;
    END IF;
    RETURN done;
END
$$;

SELECT loads.grant_reader();

INSERT INTO loads.schema_migrations (version, name) VALUES (9, 'comparison');
