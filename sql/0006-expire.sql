-- SPDX-License-Identifier: MPL-2.0
-- Deleting what is old, by an age: `loadsctl db expire` does it run by run, each in a transaction, so
-- that nobody waits for long. What is on is left alone.

CREATE INDEX runs_finished ON loads.runs (finished);

-- The numbers are those of the broker's advisory lock. Our own session may have it.
CREATE FUNCTION loads.has_writer() RETURNS bool
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 1282367844 AND l.objid = 1
          AND l.objsubid = 2 AND l.pid <> pg_catalog.pg_backend_pid()
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                            WHERE d.datname = pg_catalog.current_database()))
$$;
COMMENT ON FUNCTION loads.has_writer() IS 'Whether a broker is connected that writes here.';

CREATE FUNCTION loads.last_activity(run_id uuid) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT greatest(
        r.submitted, r.started, r.finished,
        r.started + (loads.last_second($1) + 1) * interval '1 second',
        (SELECT max(greatest(s.registered, s.lost, s.ended)) FROM loads.sources AS s WHERE s.run_id = $1),
        (SELECT max(e.last_seen) FROM loads.errors AS e WHERE e.run_id = $1),
        (SELECT max(e.at) FROM loads.events AS e WHERE e.run_id = $1),
        (SELECT max(l.at) FROM loads.logs AS l WHERE l.run_id = $1))
    FROM loads.runs AS r
    WHERE r.run_id = $1
$$;
COMMENT ON FUNCTION loads.last_activity(uuid) IS
    'When the last thing that is stored of a run happened.';

CREATE FUNCTION loads.expirable(age interval)
RETURNS TABLE (run_id uuid, name text, state text, last timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT r.run_id, r.name, r.state, r.finished
    FROM loads.runs AS r
    WHERE r.finished < now() - $1
    UNION ALL
    SELECT r.run_id, r.name, r.state, a.last
    FROM loads.runs AS r, LATERAL loads.last_activity(r.run_id) AS a (last)
    WHERE r.finished IS NULL AND a.last < now() - $1 AND NOT loads.has_writer()
    ORDER BY 4
$$;
COMMENT ON FUNCTION loads.expirable(interval) IS
    'The runs that are older than that, the oldest first: from their end on, or, without an end and when '
    'no broker has the database, from the last thing that is stored of them. While a broker writes here, '
    'what has no end is its own.';

-- To drop a run's part of hits, all who read hits are waited for, and whoever comes meanwhile waits for
-- us: so we give up soon.
CREATE FUNCTION loads.expire_runs(age interval, most int DEFAULT NULL) RETURNS bigint
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
        WHERE r.finished < upto
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
                    WHERE r.finished IS NULL AND loads.last_activity(r.run_id) < upto)
        AND pg_try_advisory_xact_lock(1282367844, 1)
    THEN
        FOR found_id IN
            SELECT r.run_id FROM loads.runs AS r
            WHERE r.finished IS NULL AND loads.last_activity(r.run_id) < upto
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
COMMENT ON FUNCTION loads.expire_runs(interval, int) IS
    'Deletes the runs that loads.expirable() has, the oldest first, with all that belongs to them, and '
    'tells loads.audit; at most so many, null: all. How many were deleted.';

CREATE FUNCTION loads.expire_run(run_id uuid) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO loads.audit (accepted, what, who, peer, run_id)
    VALUES (true, 'expire', session_user, host(inet_client_addr()), $1);
    DELETE FROM loads.runs AS r WHERE r.run_id = $1;
$$;
COMMENT ON FUNCTION loads.expire_run(uuid) IS
    'A step of loads.expire_runs(): deletes a run, however old it is, and tells loads.audit.';

-- That lines were deleted is a line; that nothing but such lines were deleted isn't, or there would be
-- one for ever.
CREATE FUNCTION loads.expire_audit(age interval, most int DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
DECLARE
    done bigint;
    others bigint;
BEGIN
    IF age IS NULL OR age <= interval '0' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'an age is more than nothing, such as 30 days';
    END IF;
    WITH gone AS (
        DELETE FROM loads.audit AS a
        WHERE a.audit_id IN (
            SELECT o.audit_id FROM loads.audit AS o
            WHERE o.at < now() - age
            ORDER BY o.at
            LIMIT most
            FOR UPDATE SKIP LOCKED)
        RETURNING a.what
    )
    SELECT count(*), count(*) FILTER (WHERE what <> 'expire-audit') INTO done, others FROM gone;
    IF others > 0 THEN
        INSERT INTO loads.audit (accepted, what, who, peer, times)
        VALUES (true, 'expire-audit', session_user, host(inet_client_addr()), done);
    END IF;
    RETURN done;
END
$$;
COMMENT ON FUNCTION loads.expire_audit(interval, int) IS
    'Deletes the lines of loads.audit that are older than that, the oldest first, and tells it there; '
    'at most so many, null: all. How many were deleted.';

CREATE FUNCTION loads.expire(age interval, OUT runs bigint, OUT audit_lines bigint)
LANGUAGE plpgsql AS $$
BEGIN
    runs := loads.expire_runs(age);
    audit_lines := loads.expire_audit(age);
END
$$;
COMMENT ON FUNCTION loads.expire(interval) IS
    'Deletes the runs and the lines of loads.audit that are older than that, in one transaction: '
    'SELECT * FROM loads.expire(''30 days''). loads.expirable() says beforehand which runs.';

COMMENT ON COLUMN loads.audit.what IS
    'The command, such as CTRL_RUN; or connect, register, results; expire: a run was deleted for its age, '
    'expire-audit: so many (times) lines of this table were.';
COMMENT ON COLUMN loads.audit.who IS
    'Name of the key, or of the user of the broker''s machine; of expire: the database''s user; null: '
    'nobody that is known.';
COMMENT ON COLUMN loads.audit.peer IS
    'Where it came from: an address, or localhost:UID:GID:PID; null: they were gone before anybody '
    'could ask, or it is expire by a local connection.';
COMMENT ON COLUMN loads.audit.times IS
    'How often: refusals of the same, to the same and for the same reason, within some seconds are one '
    'row after the first. Of expire-audit: how many lines.';

INSERT INTO loads.schema_migrations (version, name) VALUES (6, 'expire');
