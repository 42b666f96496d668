-- SPDX-License-Identifier: MPL-2.0
-- What the processes of a run used on an agent, as its cgroup told at the end.

ALTER TABLE loads.sources
    ADD COLUMN cpu_usec bigint CHECK (cpu_usec >= 0),
    ADD COLUMN memory_peak_bytes bigint CHECK (memory_peak_bytes >= 0);
COMMENT ON COLUMN loads.sources.cpu_usec IS
    'Processor time of all processes of the run, preparing included, in microseconds; null: not known, '
    'as of an agent that is no service with Delegate=yes.';
COMMENT ON COLUMN loads.sources.memory_peak_bytes IS
    'The most memory that these had at a time; null: not known, as without the memory controller.';

INSERT INTO loads.schema_migrations (version, name) VALUES (5, 'usage');
