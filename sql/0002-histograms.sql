-- SPDX-License-Identifier: MPL-2.0
-- Histograms of latencies in SQL: the same buckets and the same percentiles as in
-- lib/metrics/histogram.h; tests/vectors/percentiles.json holds for both.
--
-- A histogram is two arrays, the buckets that hold something, ascending, and how many samples each of
-- them holds, with the exact least and greatest sample beside. Microseconds everywhere.

CREATE TYPE loads.histogram AS (
    min_usec bigint,
    max_usec bigint,
    buckets int2[],
    counts int8[]
);
COMMENT ON TYPE loads.histogram IS 'What loads.merge() makes of histograms, for loads.percentile().';
COMMENT ON COLUMN loads.histogram.min_usec IS 'The least sample; 0 without samples.';
COMMENT ON COLUMN loads.histogram.max_usec IS 'The greatest sample; 0 without samples.';
COMMENT ON COLUMN loads.histogram.buckets IS 'The buckets that hold something, ascending.';
COMMENT ON COLUMN loads.histogram.counts IS 'How many samples each of the buckets holds.';

-- ---- buckets: of a width of 1 up to 1023, then 512 per octave ----

CREATE FUNCTION loads.bucket(usec bigint) RETURNS int2
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (shift * 512 + (kept >> shift))::int2
    FROM (
        SELECT kept, greatest(0, 55 - position(B'1' IN kept::bit(64))) AS shift
        FROM (SELECT least(greatest(usec, 1), 3600000000) AS kept) AS clamped
    ) AS shifted
$$;
COMMENT ON FUNCTION loads.bucket(bigint) IS
    'The bucket of a latency; outside of 1 microsecond to 1 hour that of the nearer end.';

CREATE FUNCTION loads.bucket_low_usec(bucket int) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN bucket < 1024 THEN bucket
        ELSE (bucket % 512 + 512)::bigint << (bucket / 512 - 1) END
$$;
COMMENT ON FUNCTION loads.bucket_low_usec(int) IS 'The least latency that falls into a bucket.';

CREATE FUNCTION loads.bucket_usec(bucket int) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN bucket < 1024 THEN bucket
        ELSE (((bucket % 512 + 512) * 2 + 1)::bigint << (bucket / 512 - 1)) / 2 END
$$;
COMMENT ON FUNCTION loads.bucket_usec(int) IS 'The latency that a bucket stands for: its middle.';

-- ---- percentiles ----

-- One pass for all of them: percents are taken in ascending order, and placed where they were.
CREATE FUNCTION loads.percentiles(
    buckets int2[], counts int8[], min_usec bigint, max_usec bigint, percents numeric[]
) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    samples bigint := (SELECT COALESCE(sum(n), 0) FROM unnest(counts) AS n);
    result bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(percents)]);
    i int := 1;
    upto bigint := counts[1];
    wanted record;
BEGIN
    FOR wanted IN
        SELECT place, percent,
               greatest(ceil(samples * least(percent, 100) / 100), 1)::bigint AS rank
        FROM unnest(percents) WITH ORDINALITY AS p (percent, place)
        WHERE percent IS NOT NULL
        ORDER BY percent
    LOOP
        IF samples = 0 THEN
            result[wanted.place] := 0;
        ELSIF wanted.percent >= 100 THEN
            result[wanted.place] := max_usec;
        ELSE
            WHILE upto < wanted.rank LOOP
                i := i + 1;
                upto := upto + counts[i];
            END LOOP;
            result[wanted.place] :=
                least(greatest(loads.bucket_usec(buckets[i]), min_usec), max_usec);
        END IF;
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION loads.percentiles(int2[], int8[], bigint, bigint, numeric[]) IS
    'Several percentiles of a histogram, in one pass: {50,99.9}. See loads.percentile().';

CREATE FUNCTION loads.percentile(
    buckets int2[], counts int8[], min_usec bigint, max_usec bigint, percent numeric
) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (loads.percentiles(buckets, counts, min_usec, max_usec, ARRAY[percent]))[1]
$$;
COMMENT ON FUNCTION loads.percentile(int2[], int8[], bigint, bigint, numeric) IS
    'A percentile (99.9) of a histogram, in microseconds: what the bucket of the sample of that rank '
    'stands for, within the least and the greatest sample. 100 is the greatest; 0 without samples.';

CREATE FUNCTION loads.percentile(histogram loads.histogram, percent numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT loads.percentile((histogram).buckets, (histogram).counts, (histogram).min_usec,
                            (histogram).max_usec, percent)
$$;
COMMENT ON FUNCTION loads.percentile(loads.histogram, numeric) IS
    'A percentile (99.9) of a merged histogram, in microseconds.';

-- ---- merging ----

-- Buckets in any order and repeatedly, as they are when arrays are put one behind the other.
CREATE FUNCTION loads.histogram_tidy(histogram loads.histogram) RETURNS loads.histogram
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (histogram).min_usec, (histogram).max_usec, COALESCE(array_agg(bucket ORDER BY bucket), '{}'),
           COALESCE(array_agg(count ORDER BY bucket), '{}')
    FROM (
        SELECT bucket, sum(count)::int8 AS count
        FROM unnest((histogram).buckets, (histogram).counts) AS u (bucket, count)
        GROUP BY bucket
    ) AS sums
$$;
COMMENT ON FUNCTION loads.histogram_tidy(loads.histogram) IS
    'The same histogram with each bucket once, in ascending order.';

-- The 0 that stands for the least and greatest of no samples is none of them.
CREATE FUNCTION loads.histogram_append(
    histogram loads.histogram, buckets int2[], counts int8[], min_usec bigint, max_usec bigint
) RETURNS loads.histogram
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF cardinality(buckets) IS DISTINCT FROM cardinality(counts) THEN
        RAISE EXCEPTION 'a histogram has % buckets and % counts', cardinality(buckets),
            cardinality(counts) USING ERRCODE = 'array_subscript_error';
    ELSIF COALESCE(cardinality(buckets), 0) = 0 THEN
        RETURN histogram;
    ELSIF cardinality(histogram.buckets) = 0 THEN
        RETURN (min_usec, max_usec, buckets, counts);
    END IF;
    histogram.min_usec := least(histogram.min_usec, min_usec);
    histogram.max_usec := greatest(histogram.max_usec, max_usec);
    histogram.buckets := histogram.buckets || buckets;
    histogram.counts := histogram.counts || counts;
    -- Well above the 12,123 buckets that there are, or it would have to be tidied at every step.
    IF cardinality(histogram.buckets) > 16384 THEN
        RETURN loads.histogram_tidy(histogram);
    END IF;
    RETURN histogram;
END
$$;
COMMENT ON FUNCTION loads.histogram_append(loads.histogram, int2[], int8[], bigint, bigint) IS
    'A step of loads.merge(): puts a histogram behind another one, untidied.';

CREATE FUNCTION loads.histogram_join(a loads.histogram, b loads.histogram) RETURNS loads.histogram
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT loads.histogram_append(a, (b).buckets, (b).counts, (b).min_usec, (b).max_usec)
$$;
COMMENT ON FUNCTION loads.histogram_join(loads.histogram, loads.histogram) IS
    'A step of loads.merge(): puts two parts of it together, untidied.';

CREATE FUNCTION loads.histogram_merge(a loads.histogram, b loads.histogram) RETURNS loads.histogram
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT loads.histogram_tidy(loads.histogram_join(a, b))
$$;
COMMENT ON FUNCTION loads.histogram_merge(loads.histogram, loads.histogram) IS
    'All samples of two histograms as one.';

CREATE AGGREGATE loads.merge(buckets int2[], counts int8[], min_usec bigint, max_usec bigint) (
    SFUNC = loads.histogram_append,
    STYPE = loads.histogram,
    INITCOND = '(0,0,{},{})',
    FINALFUNC = loads.histogram_tidy,
    COMBINEFUNC = loads.histogram_join,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE loads.merge(int2[], int8[], bigint, bigint) IS
    'All samples of the rows'' histograms as one: loads.percentile(loads.merge(buckets, counts, '
    'min_usec, max_usec), 99).';

INSERT INTO loads.schema_migrations (version, name) VALUES (2, 'histograms');
