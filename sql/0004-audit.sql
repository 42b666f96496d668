-- SPDX-License-Identifier: MPL-2.0
-- Who did what, and who was refused what. Rows stand by themselves: they outlive the run that they are
-- about.

CREATE TABLE loads.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    accepted bool NOT NULL,
    what text NOT NULL,
    who text,
    role text,
    peer text,
    run_id uuid,
    agent_id text,
    reason text CHECK (accepted = (reason IS NULL)),
    times bigint NOT NULL DEFAULT 1 CHECK (times > 0)
);
CREATE INDEX audit_at ON loads.audit (at);
COMMENT ON TABLE loads.audit IS
    'Every change that was accepted and every request, registration and connection that was refused.';
COMMENT ON COLUMN loads.audit.audit_id IS 'Ascending in the order in which they were stored.';
COMMENT ON COLUMN loads.audit.at IS 'When; of refusals that came again: the last time.';
COMMENT ON COLUMN loads.audit.accepted IS 'Whether it was done, or refused.';
COMMENT ON COLUMN loads.audit.what IS
    'The command, such as CTRL_RUN; or connect, register, results.';
COMMENT ON COLUMN loads.audit.who IS
    'Name of the key, or of the user of the broker''s machine; null: nobody that is known.';
COMMENT ON COLUMN loads.audit.role IS 'What they had: observe, run, admin or agent; null: none.';
COMMENT ON COLUMN loads.audit.peer IS
    'Where it came from: an address, or localhost:UID:GID:PID; null: they were gone before anybody '
    'could ask.';
COMMENT ON COLUMN loads.audit.run_id IS 'The run that it is about; it may be deleted since.';
COMMENT ON COLUMN loads.audit.agent_id IS 'The agent that it is about.';
COMMENT ON COLUMN loads.audit.reason IS 'Why it was refused.';
COMMENT ON COLUMN loads.audit.times IS
    'How often: refusals of the same, to the same and for the same reason, within some seconds are one '
    'row after the first.';

SELECT loads.grant_reader();

INSERT INTO loads.schema_migrations (version, name) VALUES (4, 'audit');
