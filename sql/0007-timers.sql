-- SPDX-License-Identifier: MPL-2.0
-- What is timed beside hits: transactions, round trips of WebSockets, and what the time of hits was
-- spent on. All of it is counted nowhere else, so what is about hits needn't know of it.

CREATE TABLE loads.timers (
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    timer_id int NOT NULL CHECK (timer_id >= 0),
    kind text NOT NULL CHECK (kind IN ('transaction', 'round-trip', 'phase')),
    test text NOT NULL,
    name text NOT NULL,
    times bigint NOT NULL CHECK (times >= 0),
    errors bigint NOT NULL CHECK (errors >= 0),
    sum_usec bigint NOT NULL CHECK (sum_usec >= 0),
    min_usec bigint NOT NULL CHECK (min_usec >= 0),
    max_usec bigint NOT NULL CHECK (max_usec >= min_usec),
    buckets int2[] NOT NULL,
    counts int8[] NOT NULL,
    PRIMARY KEY (run_id, timer_id),
    CHECK (cardinality(buckets) = cardinality(counts))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000);
ALTER TABLE loads.timers ALTER buckets SET STORAGE EXTERNAL, ALTER counts SET STORAGE EXTERNAL;
COMMENT ON TABLE loads.timers IS
    'What a run timed beside hits, with the sums of its intervals, kept up by the broker.';
COMMENT ON COLUMN loads.timers.run_id IS 'The run.';
COMMENT ON COLUMN loads.timers.timer_id IS 'Number of the timer in the run; 0 is "(other)".';
COMMENT ON COLUMN loads.timers.kind IS
    'transaction: a part of a test; round-trip: a WebSocket''s message and the one that answers it; '
    'phase: a part of hits'' latencies, over all tests.';
COMMENT ON COLUMN loads.timers.test IS 'Suite.test; empty for "(other)" and phases.';
COMMENT ON COLUMN loads.timers.name IS
    'The transaction, within which others: "checkout/pay"; the WebSocket''s name; or blocked, dns, '
    'connect, tls, send, wait, receive.';
COMMENT ON COLUMN loads.timers.times IS 'How often it was timed.';
COMMENT ON COLUMN loads.timers.errors IS 'How often it came to no end: a failure or error ended it.';
COMMENT ON COLUMN loads.timers.sum_usec IS 'All its times added up, in microseconds.';
COMMENT ON COLUMN loads.timers.min_usec IS 'The shortest; 0 if there is none.';
COMMENT ON COLUMN loads.timers.max_usec IS 'The longest; 0 if there is none.';
COMMENT ON COLUMN loads.timers.buckets IS
    'The histogram of times: the buckets that hold something, ascending.';
COMMENT ON COLUMN loads.timers.counts IS 'How many times each of the buckets holds.';

CREATE TABLE loads.interval_timers (
    run_id uuid NOT NULL,
    second int NOT NULL CHECK (second >= 0),
    seconds int NOT NULL CHECK (seconds > 0),
    source int NOT NULL,
    timer_id int NOT NULL,
    seq bigint NOT NULL,
    times bigint NOT NULL CHECK (times >= 0),
    errors bigint NOT NULL CHECK (errors >= 0),
    sum_usec bigint NOT NULL CHECK (sum_usec >= 0),
    min_usec bigint NOT NULL CHECK (min_usec >= 0),
    max_usec bigint NOT NULL CHECK (max_usec >= min_usec),
    buckets int2[] NOT NULL,
    counts int8[] NOT NULL,
    PRIMARY KEY (run_id, second, source, seq, timer_id),
    CHECK (cardinality(buckets) = cardinality(counts))
);
ALTER TABLE loads.interval_timers
    ALTER buckets SET STORAGE EXTERNAL, ALTER counts SET STORAGE EXTERNAL;
COMMENT ON TABLE loads.interval_timers IS
    'What one source timed with one timer in one second of the run. Nothing timed: no row.';
COMMENT ON COLUMN loads.interval_timers.run_id IS 'The run.';
COMMENT ON COLUMN loads.interval_timers.second IS 'The (first) second of the run, from 0.';
COMMENT ON COLUMN loads.interval_timers.seconds IS
    'How many seconds it covers: 1, unless something was late.';
COMMENT ON COLUMN loads.interval_timers.source IS 'The source.';
COMMENT ON COLUMN loads.interval_timers.timer_id IS 'The timer.';
COMMENT ON COLUMN loads.interval_timers.seq IS 'Number of the source''s message that it came with.';
COMMENT ON COLUMN loads.interval_timers.times IS 'How often it was timed.';
COMMENT ON COLUMN loads.interval_timers.errors IS 'How often it came to no end.';
COMMENT ON COLUMN loads.interval_timers.sum_usec IS 'All its times added up, in microseconds.';
COMMENT ON COLUMN loads.interval_timers.min_usec IS 'The shortest; 0 if there is none.';
COMMENT ON COLUMN loads.interval_timers.max_usec IS 'The longest; 0 if there is none.';
COMMENT ON COLUMN loads.interval_timers.buckets IS
    'The histogram of times: the buckets that hold something, ascending.';
COMMENT ON COLUMN loads.interval_timers.counts IS 'How many times each of the buckets holds.';

CREATE VIEW loads.timer_stats AS
SELECT t.run_id, t.kind, t.test, t.name, t.times, t.errors,
       t.sum_usec::float8 / nullif(t.times, 0) AS avg,
       CASE WHEN t.times > 0 THEN t.min_usec END AS min,
       p.usec[1] AS p50, p.usec[2] AS p90, p.usec[3] AS p95, p.usec[4] AS p99, p.usec[5] AS p999,
       CASE WHEN t.times > 0 THEN t.max_usec END AS max
FROM loads.timers AS t
CROSS JOIN LATERAL (
    SELECT CASE WHEN t.times > 0 THEN
        loads.percentiles(t.buckets, t.counts, t.min_usec, t.max_usec, '{50,90,95,99,99.9}') END AS usec
    OFFSET 0
) AS p
WHERE t.times > 0 OR t.errors > 0;
COMMENT ON VIEW loads.timer_stats IS
    'Each transaction, each WebSocket''s round trips and each part of latencies, over all agents.';
COMMENT ON COLUMN loads.timer_stats.run_id IS 'The run.';
COMMENT ON COLUMN loads.timer_stats.kind IS 'transaction, round-trip or phase.';
COMMENT ON COLUMN loads.timer_stats.test IS 'Suite.test; empty for phases.';
COMMENT ON COLUMN loads.timer_stats.name IS
    'The transaction ("checkout/pay"), the WebSocket''s name, or the phase ("wait").';
COMMENT ON COLUMN loads.timer_stats.times IS 'How often it was timed.';
COMMENT ON COLUMN loads.timer_stats.errors IS 'How often it came to no end: a failure or error ended it.';
COMMENT ON COLUMN loads.timer_stats.avg IS 'Average, in microseconds.';
COMMENT ON COLUMN loads.timer_stats.min IS 'The shortest, in microseconds.';
COMMENT ON COLUMN loads.timer_stats.p50 IS 'Median, in microseconds.';
COMMENT ON COLUMN loads.timer_stats.p90 IS '90 % took at most that long, in microseconds.';
COMMENT ON COLUMN loads.timer_stats.p95 IS '95 % took at most that long, in microseconds.';
COMMENT ON COLUMN loads.timer_stats.p99 IS '99 % took at most that long, in microseconds.';
COMMENT ON COLUMN loads.timer_stats.p999 IS '99.9 % took at most that long, in microseconds.';
COMMENT ON COLUMN loads.timer_stats.max IS 'The longest, in microseconds.';

-- There is one more kind of name.
ALTER TABLE loads.runs DROP CONSTRAINT runs_overflows_check;
UPDATE loads.runs SET overflows = overflows || 0::bigint;
ALTER TABLE loads.runs
    ALTER overflows SET DEFAULT '{0,0,0,0,0}',
    ADD CONSTRAINT runs_overflows_check CHECK (cardinality(overflows) = 5);
COMMENT ON COLUMN loads.runs.overflows IS
    'How many tests, series, errors, counters and timers had no room for their name: they are "(other)".';

CREATE FUNCTION loads.forget_timers() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM loads.interval_timers AS i WHERE i.run_id = old.run_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION loads.forget_timers() IS
    'Takes away with a run what no foreign key takes away of its timers.';
CREATE TRIGGER forget_timers AFTER DELETE ON loads.runs
    FOR EACH ROW EXECUTE FUNCTION loads.forget_timers();
COMMENT ON TRIGGER forget_timers ON loads.runs IS 'Deleting a run deletes all that its timers timed.';

SELECT loads.grant_reader();

INSERT INTO loads.schema_migrations (version, name) VALUES (7, 'timers');
