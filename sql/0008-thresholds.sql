-- SPDX-License-Identifier: MPL-2.0
-- What runs' numbers were held against.

ALTER TABLE loads.runs
    ADD COLUMN thresholds jsonb,
    ADD COLUMN stopped_for text;
COMMENT ON COLUMN loads.runs.thresholds IS
    'What its thresholds came to, in their order: [{"threshold", "holds", "value"}]; null before its '
    'end, and where there are none. See the view threshold_results.';
COMMENT ON COLUMN loads.runs.stopped_for IS
    'The threshold for whose sake it was stopped; null: it was not.';

CREATE VIEW loads.threshold_results AS
SELECT r.run_id, t.number::int AS number, t.one ->> 'threshold' AS threshold,
       (t.one ->> 'holds')::bool AS holds, t.one ->> 'value' AS value,
       r.stopped_for IS NOT DISTINCT FROM t.one ->> 'threshold' AS stopped
FROM loads.runs AS r
CROSS JOIN LATERAL jsonb_array_elements(r.thresholds) WITH ORDINALITY AS t (one, number);
COMMENT ON VIEW loads.threshold_results IS 'Each threshold of a run that is over, and whether it holds.';
COMMENT ON COLUMN loads.threshold_results.run_id IS 'The run.';
COMMENT ON COLUMN loads.threshold_results.number IS 'Which of the run''s, from 1.';
COMMENT ON COLUMN loads.threshold_results.threshold IS 'As it was given: p95 < 200ms';
COMMENT ON COLUMN loads.threshold_results.holds IS 'Whether it does.';
COMMENT ON COLUMN loads.threshold_results.value IS
    'What was measured, for people: 213 ms; null: there was nothing to measure.';
COMMENT ON COLUMN loads.threshold_results.stopped IS 'Whether the run was stopped for its sake.';

SELECT loads.grant_reader();

INSERT INTO loads.schema_migrations (version, name) VALUES (8, 'thresholds');
