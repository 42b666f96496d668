-- SPDX-License-Identifier: MPL-2.0
-- Merging, and what is no histogram. That buckets and percentiles are those of the other languages,
-- test_sql.py sees to.
SELECT plan(20);

CREATE TEMP TABLE parts (part int, buckets int2[], counts int8[], min_usec bigint, max_usec bigint);
INSERT INTO parts VALUES
    (1, '{100,200}', '{1,2}', 100, 200),
    (2, '{}', '{}', 0, 0),
    (3, '{50,200,1500}', '{3,4,5}', 50, 2500),
    (4, '{100}', '{1000000000000}', 100, 100);

SELECT is(loads.merge(buckets, counts, min_usec, max_usec),
          (50, 2500, '{50,100,200,1500}', '{3,1,6,5}')::loads.histogram, 'histograms are added up')
FROM parts WHERE part < 4;
SELECT is(loads.merge(buckets, counts, min_usec, max_usec ORDER BY part DESC),
          (50, 2500, '{50,100,200,1500}', '{3,1,6,5}')::loads.histogram, 'in any order')
FROM parts WHERE part < 4;
SELECT is((loads.merge(buckets, counts, min_usec, max_usec)).counts[2], 1000000000001,
          'counts may be large')
FROM parts;
SELECT is(loads.merge(buckets, counts, min_usec, max_usec), (0, 0, '{}', '{}')::loads.histogram,
          'of none there is nothing')
FROM parts WHERE part > 4;
SELECT is(loads.merge(buckets, counts, min_usec, max_usec), (0, 0, '{}', '{}')::loads.histogram,
          'of an empty one neither')
FROM parts WHERE part = 2;
SELECT is(loads.merge(buckets, counts, min_usec, max_usec),
          (100, 200, '{100,200}', '{1,2}')::loads.histogram, 'an empty one changes nothing')
FROM parts WHERE part < 3;
SELECT is(loads.merge(buckets, counts, min_usec, max_usec),
          (100, 200, '{100,200}', '{1,2}')::loads.histogram, 'nulls change nothing')
FROM (SELECT buckets, counts, min_usec, max_usec FROM parts WHERE part = 1
      UNION ALL SELECT NULL, NULL, NULL, NULL) AS with_null;
SELECT is(loads.histogram_merge((100, 100, '{100}', '{1}'), (50, 70, '{50,70}', '{1,1}')),
          (50, 100, '{50,70,100}', '{1,1,1}')::loads.histogram, 'two are merged');
SELECT is(loads.percentile(loads.merge(buckets, counts, min_usec, max_usec), 50), 200::bigint,
          'a percentile of what is merged')
FROM parts WHERE part < 4;

-- More buckets than the aggregate puts behind each other.
SELECT is(loads.merge(buckets, counts, 1, 3600000000),
          (SELECT (1, 3600000000, array_agg(b ORDER BY b), array_agg(3::int8))::loads.histogram
           FROM generate_series(1, 12000) AS b), 'thousands are merged')
FROM (SELECT array_agg(b ORDER BY b)::int2[] AS buckets, array_agg(1::int8) AS counts
      FROM generate_series(1, 12000) AS b, generate_series(1, 3) AS time
      GROUP BY b % 100, time) AS many;

SELECT is(loads.percentiles('{10,20,30}', '{1,1,2}', 10, 30, '{100,0,50,NULL,75,25}'),
          '{30,10,20,NULL,30,10}', 'several percentiles are in their places');
SELECT is(loads.percentiles('{10}', '{1}', 10, 10, '{}'), '{}', 'or none');
SELECT is(loads.percentile('{10,20}', '{999,1}', 10, 20, 99.9), 10::bigint, 'ranks are exact');
SELECT is(loads.percentile('{10,20}', '{999,1}', 10, 20, 99.901), 20::bigint, 'to thousandths');
SELECT is(loads.percentile('{10,20}', '{1,1}', 10, 20, -1), 10::bigint, 'below 0 is the least');
SELECT is(loads.percentile('{10,20}', '{1,1}', 10, 20, 101), 20::bigint, 'above 100 the greatest');
SELECT is(loads.percentile(NULL, '{1,1}', 10, 20, 50), NULL::bigint, 'of nothing known is null');
SELECT throws_ok($$ SELECT loads.merge('{1,2}', '{1}', 1, 2) $$, '2202E',
                 'a histogram has 2 buckets and 1 counts');
SELECT is(loads.tags_object('["a=b=c", "flag", "a=d", "empty="]'),
          '{"a": "d", "flag": "", "empty": ""}', 'tags become an object');
SELECT is(loads.tags_object(tags), '{}', 'no tags an empty one')
FROM (VALUES (NULL::jsonb)) AS none (tags);

SELECT finish();
