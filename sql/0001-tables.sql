-- SPDX-License-Identifier: MPL-2.0
-- The tables of Loads. Whoever applies this file does it in one transaction; its last statement
-- records it. The broker is the only writer: numbers of sources, series and the like are its own,
-- unique within a run.
--
-- intervals and interval_tests, which take thousands of rows a second, have no foreign key (each
-- would be a look-up per row); the trigger below takes their rows away with the run.

CREATE SCHEMA loads;
COMMENT ON SCHEMA loads IS
    'Results of load tests. Start with the views run_summary, url_stats, timeline, test_results, '
    'agent_timeline and the table errors; README.md beside the migrations has example queries.';

CREATE TABLE loads.schema_migrations (
    version int PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    applied timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE loads.schema_migrations IS
    'The migrations that this database has; the highest version is that of the schema.';
COMMENT ON COLUMN loads.schema_migrations.version IS 'Number in front of the file''s name.';
COMMENT ON COLUMN loads.schema_migrations.name IS 'Name of the file without number and .sql.';
COMMENT ON COLUMN loads.schema_migrations.applied IS 'When it was applied.';

-- ---- runs ----

-- ["branch=main", "ci"] as {"branch": "main", "ci": ""}. A key that is there twice has the last value.
CREATE FUNCTION loads.tags_object(tags jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT COALESCE(
        jsonb_object_agg(split_part(tag, '=', 1), substr(tag, length(split_part(tag, '=', 1)) + 2)
                         ORDER BY place),
        '{}')
    FROM jsonb_array_elements_text(
        CASE jsonb_typeof(tags) WHEN 'array' THEN tags ELSE '[]' END) WITH ORDINALITY AS t (tag, place)
$$;
COMMENT ON FUNCTION loads.tags_object(jsonb) IS
    'A list of tags, ["branch=main"], as an object, {"branch": "main"}.';

CREATE TABLE loads.runs (
    run_id uuid PRIMARY KEY,
    request_id text UNIQUE,
    name text NOT NULL,
    spec jsonb NOT NULL,
    agents int NOT NULL CHECK (agents >= 0),
    on_agent_loss text NOT NULL DEFAULT 'continue' CHECK (on_agent_loss IN ('continue', 'abort')),
    save_hits bool NOT NULL DEFAULT false,
    state text NOT NULL CHECK (state IN
        ('queued', 'preparing', 'running', 'stopping', 'finished', 'failed', 'aborted')),
    outcome text CHECK (outcome IN ('passed', 'failed', 'aborted', 'lost')),
    trouble text,
    submitted timestamptz NOT NULL DEFAULT clock_timestamp(),
    started timestamptz,
    finished timestamptz,
    start_usec bigint,
    cycle int NOT NULL DEFAULT 0 CHECK (cycle >= 0),
    active_usec bigint NOT NULL DEFAULT 0 CHECK (active_usec >= 0),
    overflows bigint[] NOT NULL DEFAULT '{0,0,0,0}' CHECK (cardinality(overflows) = 4),
    project text GENERATED ALWAYS AS (spec ->> 'project_name') STORED,
    user_id text GENERATED ALWAYS AS (spec ->> 'user_id') STORED,
    tags jsonb GENERATED ALWAYS AS (loads.tags_object(spec -> 'tags')) STORED
);
CREATE INDEX runs_submitted ON loads.runs (submitted);
CREATE INDEX runs_project ON loads.runs (project, submitted);
CREATE INDEX runs_active ON loads.runs (state)
    WHERE state IN ('queued', 'preparing', 'running', 'stopping');
COMMENT ON TABLE loads.runs IS
    'One row per submission. Deleting it deletes all that belongs to the run.';
COMMENT ON COLUMN loads.runs.run_id IS 'The run''s UUID.';
COMMENT ON COLUMN loads.runs.request_id IS
    'What the client called its request: the same one again is the same run.';
COMMENT ON COLUMN loads.runs.name IS 'What is tested: module.Suite.test, or a URL.';
COMMENT ON COLUMN loads.runs.spec IS 'The run specification, as the broker sends it to agents.';
COMMENT ON COLUMN loads.runs.agents IS 'How many agents were asked for.';
COMMENT ON COLUMN loads.runs.on_agent_loss IS 'What happens when an agent is lost.';
COMMENT ON COLUMN loads.runs.save_hits IS 'Whether every hit is kept, in hits and test_events.';
COMMENT ON COLUMN loads.runs.state IS
    'queued, preparing, running, stopping; at the end finished, failed or aborted.';
COMMENT ON COLUMN loads.runs.outcome IS 'passed, failed, aborted or lost; null before the end.';
COMMENT ON COLUMN loads.runs.trouble IS 'What a person should know of it; null: nothing.';
COMMENT ON COLUMN loads.runs.submitted IS 'When the broker took it.';
COMMENT ON COLUMN loads.runs.started IS 'Second 0 of the run: when its first cycle began.';
COMMENT ON COLUMN loads.runs.finished IS 'When its state became one of the last three.';
COMMENT ON COLUMN loads.runs.start_usec IS
    'started by the monotonic clock of the broker''s machine, for a broker that comes back.';
COMMENT ON COLUMN loads.runs.cycle IS 'The cycle that it is in, from 0.';
COMMENT ON COLUMN loads.runs.active_usec IS
    'How long its cycles took, which rates are computed with, in microseconds.';
COMMENT ON COLUMN loads.runs.overflows IS
    'How many tests, series, errors and counters had no room for their name: they are "(other)".';
COMMENT ON COLUMN loads.runs.project IS 'The specification''s project_name.';
COMMENT ON COLUMN loads.runs.user_id IS 'The specification''s user_id: who runs it.';
COMMENT ON COLUMN loads.runs.tags IS 'The specification''s tags, key=value, as an object.';

CREATE TABLE loads.sources (
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    source int NOT NULL CHECK (source >= 0),
    agent_id text NOT NULL,
    agent_index int NOT NULL CHECK (agent_index >= 0),
    incarnation uuid NOT NULL,
    hostname text NOT NULL,
    pid int,
    state text NOT NULL DEFAULT 'preparing' CHECK (state IN
        ('preparing', 'ready', 'running', 'stopping', 'ended', 'failed', 'lost')),
    registered timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seq bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
    last_detail_seq bigint NOT NULL DEFAULT 0 CHECK (last_detail_seq >= 0),
    clock_offset_usec bigint,
    active_usec bigint,
    result int,
    reason text,
    lost timestamptz,
    ended timestamptz,
    PRIMARY KEY (run_id, source),
    UNIQUE (run_id, agent_id, incarnation)
);
COMMENT ON TABLE loads.sources IS
    'Where results of a run come from: one row per life of an agent process in it.';
COMMENT ON COLUMN loads.sources.run_id IS 'The run.';
COMMENT ON COLUMN loads.sources.source IS 'Number of the source in the run, given by the broker.';
COMMENT ON COLUMN loads.sources.agent_id IS 'The agent: HOST-INSTANCE.';
COMMENT ON COLUMN loads.sources.agent_index IS
    'Which of the run''s agents it is, from 0: its users'' numbers begin at that times the users.';
COMMENT ON COLUMN loads.sources.incarnation IS 'UUID of the agent''s process.';
COMMENT ON COLUMN loads.sources.hostname IS 'The machine''s name.';
COMMENT ON COLUMN loads.sources.pid IS 'The agent''s process id.';
COMMENT ON COLUMN loads.sources.state IS
    'preparing, ready, running, stopping; at the end ended, failed or lost.';
COMMENT ON COLUMN loads.sources.registered IS 'When it was given to the run.';
COMMENT ON COLUMN loads.sources.last_seq IS
    'Number of the last message of results that is in the tables; they are numbered from 1.';
COMMENT ON COLUMN loads.sources.last_detail_seq IS 'The same of hits and test_events.';
COMMENT ON COLUMN loads.sources.clock_offset_usec IS
    'The broker''s monotonic clock minus the agent''s, in microseconds.';
COMMENT ON COLUMN loads.sources.active_usec IS 'How long its cycles took, in microseconds.';
COMMENT ON COLUMN loads.sources.result IS 'How its part ended: 0, or a negative errno.';
COMMENT ON COLUMN loads.sources.reason IS 'Why it failed or was lost.';
COMMENT ON COLUMN loads.sources.lost IS 'When the broker gave it up; null: it did not.';
COMMENT ON COLUMN loads.sources.ended IS 'When it reported its end.';

-- ---- what has names; those that need no histogram have their totals beside ----

CREATE TABLE loads.series (
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    series_id int NOT NULL CHECK (series_id >= 0),
    test text NOT NULL,
    name text NOT NULL,
    method text NOT NULL,
    status int NOT NULL CHECK (status >= 0),
    PRIMARY KEY (run_id, series_id)
);
COMMENT ON TABLE loads.series IS 'What hits are counted by: test, request name, method and status.';
COMMENT ON COLUMN loads.series.run_id IS 'The run.';
COMMENT ON COLUMN loads.series.series_id IS 'Number of the series in the run; 0 is "(other)".';
COMMENT ON COLUMN loads.series.test IS 'Suite.test; empty for "(other)".';
COMMENT ON COLUMN loads.series.name IS
    'The request''s name: what the test says, or the URL without query and fragment.';
COMMENT ON COLUMN loads.series.method IS 'GET, POST, …; empty for "(other)".';
COMMENT ON COLUMN loads.series.status IS
    'HTTP status of the answer; 0: requests without a complete answer.';

CREATE TABLE loads.tests (
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    test_id int NOT NULL CHECK (test_id >= 0),
    name text NOT NULL,
    successes bigint NOT NULL DEFAULT 0 CHECK (successes >= 0),
    failures bigint NOT NULL DEFAULT 0 CHECK (failures >= 0),
    errors bigint NOT NULL DEFAULT 0 CHECK (errors >= 0),
    interrupted bigint NOT NULL DEFAULT 0 CHECK (interrupted >= 0),
    PRIMARY KEY (run_id, test_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE loads.tests IS 'The tests of a run, and how their iterations ended.';
COMMENT ON COLUMN loads.tests.run_id IS 'The run.';
COMMENT ON COLUMN loads.tests.test_id IS 'Number of the test in the run; 0 is "(other)".';
COMMENT ON COLUMN loads.tests.name IS 'Suite.test';
COMMENT ON COLUMN loads.tests.successes IS 'Iterations that went through.';
COMMENT ON COLUMN loads.tests.failures IS 'Iterations that an assertion ended.';
COMMENT ON COLUMN loads.tests.errors IS 'Iterations that something else ended: no answer, a crash.';
COMMENT ON COLUMN loads.tests.interrupted IS
    'Iterations that were cut at the end of their time: neither good nor bad.';

CREATE TABLE loads.errors (
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    error_id int NOT NULL CHECK (error_id >= 0),
    kind text NOT NULL CHECK (kind IN ('error', 'failure')),
    class text NOT NULL,
    message text NOT NULL,
    place text NOT NULL,
    test text NOT NULL,
    traceback text NOT NULL,
    count bigint NOT NULL DEFAULT 0 CHECK (count >= 0),
    first_seen timestamptz,
    last_seen timestamptz,
    PRIMARY KEY (run_id, error_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE loads.errors IS 'The distinct errors and failures of a run, and how often they were.';
COMMENT ON COLUMN loads.errors.run_id IS 'The run.';
COMMENT ON COLUMN loads.errors.error_id IS 'Number of the error in the run; 0 is "(other)".';
COMMENT ON COLUMN loads.errors.kind IS 'failure: an assertion did not hold; error: anything else.';
COMMENT ON COLUMN loads.errors.class IS 'assertion, connect, timeout, crash, …';
COMMENT ON COLUMN loads.errors.message IS 'What it says.';
COMMENT ON COLUMN loads.errors.place IS 'Where in the test: example.c:12; may be empty.';
COMMENT ON COLUMN loads.errors.test IS 'Suite.test';
COMMENT ON COLUMN loads.errors.traceback IS 'How it came there, in lines; may be empty.';
COMMENT ON COLUMN loads.errors.count IS 'How often.';
COMMENT ON COLUMN loads.errors.first_seen IS 'The second of the run in which it was first counted.';
COMMENT ON COLUMN loads.errors.last_seen IS 'The second of the run in which it was last counted.';

CREATE TABLE loads.counters (
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    counter_id int NOT NULL CHECK (counter_id >= 0),
    name text NOT NULL,
    count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, counter_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE loads.counters IS
    'What tests count themselves, and what is counted of web sockets (loads.…).';
COMMENT ON COLUMN loads.counters.run_id IS 'The run.';
COMMENT ON COLUMN loads.counters.counter_id IS 'Number of the counter in the run; 0 is "(other)".';
COMMENT ON COLUMN loads.counters.name IS 'Its name.';
COMMENT ON COLUMN loads.counters.count IS 'The sum of all increments.';

CREATE TABLE loads.totals (
    run_id uuid NOT NULL,
    series_id int NOT NULL,
    hits bigint NOT NULL CHECK (hits >= 0),
    request_errors bigint NOT NULL CHECK (request_errors >= 0),
    sum_usec bigint NOT NULL CHECK (sum_usec >= 0),
    min_usec bigint NOT NULL CHECK (min_usec >= 0),
    max_usec bigint NOT NULL CHECK (max_usec >= min_usec),
    sent_bytes bigint NOT NULL CHECK (sent_bytes >= 0),
    received_bytes bigint NOT NULL CHECK (received_bytes >= 0),
    buckets int2[] NOT NULL,
    counts int8[] NOT NULL,
    PRIMARY KEY (run_id, series_id),
    FOREIGN KEY (run_id, series_id) REFERENCES loads.series ON DELETE CASCADE,
    CHECK (cardinality(buckets) = cardinality(counts))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000);
ALTER TABLE loads.totals ALTER buckets SET STORAGE EXTERNAL, ALTER counts SET STORAGE EXTERNAL;
COMMENT ON TABLE loads.totals IS
    'All of a run added up, by series: the sums of its intervals, kept up by the broker.';
COMMENT ON COLUMN loads.totals.run_id IS 'The run.';
COMMENT ON COLUMN loads.totals.series_id IS 'The series.';
COMMENT ON COLUMN loads.totals.hits IS 'Requests with a complete answer.';
COMMENT ON COLUMN loads.totals.request_errors IS 'Requests without one.';
COMMENT ON COLUMN loads.totals.sum_usec IS 'The hits'' latencies added up, in microseconds.';
COMMENT ON COLUMN loads.totals.min_usec IS 'The least latency; 0 without hits.';
COMMENT ON COLUMN loads.totals.max_usec IS 'The greatest latency; 0 without hits.';
COMMENT ON COLUMN loads.totals.sent_bytes IS 'Bytes sent.';
COMMENT ON COLUMN loads.totals.received_bytes IS 'Bytes received.';
COMMENT ON COLUMN loads.totals.buckets IS
    'The histogram of latencies: the buckets that hold something, ascending.';
COMMENT ON COLUMN loads.totals.counts IS 'How many hits each of the buckets holds.';

-- ---- intervals ----

CREATE TABLE loads.intervals (
    run_id uuid NOT NULL,
    second int NOT NULL CHECK (second >= 0),
    seconds int NOT NULL CHECK (seconds > 0),
    source int NOT NULL,
    series_id int NOT NULL,
    seq bigint NOT NULL,
    hits bigint NOT NULL CHECK (hits >= 0),
    request_errors bigint NOT NULL CHECK (request_errors >= 0),
    sum_usec bigint NOT NULL CHECK (sum_usec >= 0),
    min_usec bigint NOT NULL CHECK (min_usec >= 0),
    max_usec bigint NOT NULL CHECK (max_usec >= min_usec),
    sent_bytes bigint NOT NULL CHECK (sent_bytes >= 0),
    received_bytes bigint NOT NULL CHECK (received_bytes >= 0),
    buckets int2[] NOT NULL,
    counts int8[] NOT NULL,
    PRIMARY KEY (run_id, second, source, seq, series_id),
    CHECK (cardinality(buckets) = cardinality(counts))
);
ALTER TABLE loads.intervals ALTER buckets SET STORAGE EXTERNAL, ALTER counts SET STORAGE EXTERNAL;
COMMENT ON TABLE loads.intervals IS
    'What one source counted of one series in one second of the run. Nothing counted: no row.';
COMMENT ON COLUMN loads.intervals.run_id IS 'The run.';
COMMENT ON COLUMN loads.intervals.second IS 'The (first) second of the run, from 0.';
COMMENT ON COLUMN loads.intervals.seconds IS 'How many seconds it covers: 1, unless something was late.';
COMMENT ON COLUMN loads.intervals.source IS 'The source.';
COMMENT ON COLUMN loads.intervals.series_id IS 'The series.';
COMMENT ON COLUMN loads.intervals.seq IS 'Number of the source''s message that it came with.';
COMMENT ON COLUMN loads.intervals.hits IS 'Requests with a complete answer.';
COMMENT ON COLUMN loads.intervals.request_errors IS 'Requests without one.';
COMMENT ON COLUMN loads.intervals.sum_usec IS 'The hits'' latencies added up, in microseconds.';
COMMENT ON COLUMN loads.intervals.min_usec IS 'The least latency; 0 without hits.';
COMMENT ON COLUMN loads.intervals.max_usec IS 'The greatest latency; 0 without hits.';
COMMENT ON COLUMN loads.intervals.sent_bytes IS 'Bytes sent.';
COMMENT ON COLUMN loads.intervals.received_bytes IS 'Bytes received.';
COMMENT ON COLUMN loads.intervals.buckets IS
    'The histogram of latencies: the buckets that hold something, ascending.';
COMMENT ON COLUMN loads.intervals.counts IS 'How many hits each of the buckets holds.';

CREATE TABLE loads.interval_tests (
    run_id uuid NOT NULL,
    second int NOT NULL CHECK (second >= 0),
    seconds int NOT NULL CHECK (seconds > 0),
    source int NOT NULL,
    test_id int NOT NULL,
    seq bigint NOT NULL,
    successes bigint NOT NULL CHECK (successes >= 0),
    failures bigint NOT NULL CHECK (failures >= 0),
    errors bigint NOT NULL CHECK (errors >= 0),
    interrupted bigint NOT NULL CHECK (interrupted >= 0),
    PRIMARY KEY (run_id, second, source, seq, test_id)
);
COMMENT ON TABLE loads.interval_tests IS
    'How iterations ended that one source ended in one second of the run, by test.';
COMMENT ON COLUMN loads.interval_tests.run_id IS 'The run.';
COMMENT ON COLUMN loads.interval_tests.second IS 'The (first) second of the run, from 0.';
COMMENT ON COLUMN loads.interval_tests.seconds IS
    'How many seconds it covers: 1, unless something was late.';
COMMENT ON COLUMN loads.interval_tests.source IS 'The source.';
COMMENT ON COLUMN loads.interval_tests.test_id IS 'The test.';
COMMENT ON COLUMN loads.interval_tests.seq IS 'Number of the source''s message that it came with.';
COMMENT ON COLUMN loads.interval_tests.successes IS 'Iterations that went through.';
COMMENT ON COLUMN loads.interval_tests.failures IS 'Iterations that an assertion ended.';
COMMENT ON COLUMN loads.interval_tests.errors IS 'Iterations that something else ended.';
COMMENT ON COLUMN loads.interval_tests.interrupted IS
    'Iterations that were cut at the end of their time.';

-- ---- what happened ----

CREATE TABLE loads.events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    source int,
    message text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX events_run ON loads.events (run_id, event_id);
COMMENT ON TABLE loads.events IS
    'What happened to a run: its states, agents that were lost or came back, what was rejected.';
COMMENT ON COLUMN loads.events.event_id IS 'Ascending in the order in which they were stored.';
COMMENT ON COLUMN loads.events.run_id IS 'The run.';
COMMENT ON COLUMN loads.events.at IS 'When.';
COMMENT ON COLUMN loads.events.kind IS 'A word: state, agent-lost, agent-back, rejected, …';
COMMENT ON COLUMN loads.events.source IS 'The source that it is about, if it is about one.';
COMMENT ON COLUMN loads.events.message IS 'A sentence.';
COMMENT ON COLUMN loads.events.details IS 'What a program would ask for, by kind: {"state": "running"}.';

CREATE TABLE loads.logs (
    log_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES loads.runs ON DELETE CASCADE,
    source int NOT NULL,
    worker int NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    text text NOT NULL
);
CREATE INDEX logs_run ON loads.logs (run_id, source, worker, log_id);
COMMENT ON TABLE loads.logs IS
    'What compilers, tests and workers wrote, in pieces; at most 1 MiB per worker.';
COMMENT ON COLUMN loads.logs.log_id IS 'Ascending in the order in which they were stored.';
COMMENT ON COLUMN loads.logs.run_id IS 'The run.';
COMMENT ON COLUMN loads.logs.source IS 'The source.';
COMMENT ON COLUMN loads.logs.worker IS 'Number of the worker of that source; -1: its preparation.';
COMMENT ON COLUMN loads.logs.at IS 'When the broker had it.';
COMMENT ON COLUMN loads.logs.text IS 'A piece of text; several make lines.';

-- ---- every hit, with --save-hits: a partition per run, made by loads.keep_hits() ----

CREATE TABLE loads.hits (
    run_id uuid NOT NULL,
    source int NOT NULL,
    seq bigint NOT NULL,
    started timestamptz NOT NULL,
    elapsed_usec bigint NOT NULL,
    series_id int NOT NULL,
    error_id int,
    test_id int NOT NULL,
    user_number bigint NOT NULL,
    iteration bigint NOT NULL,
    cycle int NOT NULL,
    url text NOT NULL
) PARTITION BY LIST (run_id);
COMMENT ON TABLE loads.hits IS
    'Every request, for runs with --save-hits. Requests without a complete answer have an error.';
COMMENT ON COLUMN loads.hits.run_id IS 'The run.';
COMMENT ON COLUMN loads.hits.source IS 'The source.';
COMMENT ON COLUMN loads.hits.seq IS 'Number of the source''s message of detail that it came with.';
COMMENT ON COLUMN loads.hits.started IS 'When it began, by the agent''s clock.';
COMMENT ON COLUMN loads.hits.elapsed_usec IS 'How long it took, in microseconds.';
COMMENT ON COLUMN loads.hits.series_id IS 'Its series.';
COMMENT ON COLUMN loads.hits.error_id IS 'Why there is no complete answer; null: there is one.';
COMMENT ON COLUMN loads.hits.test_id IS 'The test that made it.';
COMMENT ON COLUMN loads.hits.user_number IS 'The virtual user, from 0, unique over all agents.';
COMMENT ON COLUMN loads.hits.iteration IS 'Which iteration of this user in the cycle, from 0.';
COMMENT ON COLUMN loads.hits.cycle IS 'The cycle, from 0.';
COMMENT ON COLUMN loads.hits.url IS 'The URL without user and password, query and fragment, its first 2048 bytes.';

CREATE TABLE loads.test_events (
    run_id uuid NOT NULL,
    source int NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    data_type text NOT NULL,
    test_id int NOT NULL,
    error_id int,
    counter_id int,
    value bigint,
    elapsed_usec bigint,
    user_number bigint NOT NULL,
    iteration bigint NOT NULL,
    cycle int NOT NULL
) PARTITION BY LIST (run_id);
COMMENT ON TABLE loads.test_events IS
    'Every event of a test that is no request, for runs with --save-hits.';
COMMENT ON COLUMN loads.test_events.run_id IS 'The run.';
COMMENT ON COLUMN loads.test_events.source IS 'The source.';
COMMENT ON COLUMN loads.test_events.seq IS
    'Number of the source''s message of detail that it came with.';
COMMENT ON COLUMN loads.test_events.at IS 'When, by the agent''s clock.';
COMMENT ON COLUMN loads.test_events.data_type IS
    'startTest, stopTest, addSuccess, addFailure, addError, interrupted or incr_counter.';
COMMENT ON COLUMN loads.test_events.test_id IS 'The test.';
COMMENT ON COLUMN loads.test_events.error_id IS 'The error or failure; null for other events.';
COMMENT ON COLUMN loads.test_events.counter_id IS 'The counter; null for other events.';
COMMENT ON COLUMN loads.test_events.value IS 'What the counter was incremented by.';
COMMENT ON COLUMN loads.test_events.elapsed_usec IS
    'How long the iteration took, in microseconds, at its end.';
COMMENT ON COLUMN loads.test_events.user_number IS
    'The virtual user, from 0, unique over all agents.';
COMMENT ON COLUMN loads.test_events.iteration IS
    'Which iteration of this user in the cycle, from 0.';
COMMENT ON COLUMN loads.test_events.cycle IS 'The cycle, from 0.';

INSERT INTO loads.schema_migrations (version, name) VALUES (1, 'tables');
