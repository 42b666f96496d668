/* SPDX-License-Identifier: MPL-2.0 */
/* The run over time, read back. The database merges the histograms of all series and sources of a
 * second, so that what is sent grows with the seconds alone; a few minutes are asked for at a time,
 * which it does in a part of a second. */
#include <errno.h>

#include "store_postgres.h"

static void answer_timeline(struct store_postgres *store _unused_, const struct call *call,
                            const struct pq_result *result, const struct store_answer *failure)
{
    struct store_answer answer = {.reason = "", .run_id = call->run_id};

    if (failure) {
        answer = *failure;
    } else if (pq_result_rows(result) == 0) {
        answer = (struct store_answer){
            .result = -ENOENT, .reason = "there is no such run in the database", .run_id = ""};
    }
    call->json_loaded(&answer, answer.result == 0 ? pq_result_value(result, 0, 0) : "{}",
                      call->context);
}

#define OF_THE_PART "run_id = $1 AND second >= $2::bigint AND second < $2::bigint + $3::bigint"

static const char sql[] =
    "WITH i AS (SELECT * FROM loads.intervals WHERE " OF_THE_PART "),"
    " sums AS (SELECT second, sum(hits)::bigint AS hits,"
    " sum(request_errors)::bigint AS request_errors, sum(sum_usec)::bigint AS sum_usec,"
    " coalesce(min(min_usec) FILTER (WHERE hits > 0), 0) AS min_usec, max(max_usec) AS max_usec,"
    " sum(sent_bytes)::bigint AS sent_bytes, sum(received_bytes)::bigint AS received_bytes"
    " FROM i GROUP BY second),"
    " merged AS (SELECT i.second, b.bucket, sum(b.n)::bigint AS n"
    " FROM i, unnest(i.buckets, i.counts) AS b (bucket, n) GROUP BY i.second, b.bucket),"
    " latencies AS (SELECT second, json_agg(bucket ORDER BY bucket) AS buckets,"
    " json_agg(n ORDER BY bucket) AS counts FROM merged GROUP BY second),"
    " ends AS (SELECT second, sum(successes)::bigint AS successes,"
    " sum(failures)::bigint AS failures, sum(errors)::bigint AS errors,"
    " sum(interrupted)::bigint AS interrupted FROM loads.interval_tests"
    " WHERE " OF_THE_PART " GROUP BY second),"
    " steps AS (SELECT second, json_build_object('second', second, 'seconds', 1,"
    " 'hits', coalesce(s.hits, 0), 'request_errors', coalesce(s.request_errors, 0),"
    " 'sum_usec', coalesce(s.sum_usec, 0), 'min_usec', coalesce(s.min_usec, 0),"
    " 'max_usec', coalesce(s.max_usec, 0), 'sent_bytes', coalesce(s.sent_bytes, 0),"
    " 'received_bytes', coalesce(s.received_bytes, 0),"
    " 'buckets', coalesce(l.buckets, '[]'), 'counts', coalesce(l.counts, '[]'),"
    " 'successes', coalesce(e.successes, 0), 'failures', coalesce(e.failures, 0),"
    " 'errors', coalesce(e.errors, 0), 'interrupted', coalesce(e.interrupted, 0)) AS step"
    " FROM sums AS s FULL JOIN ends AS e USING (second) LEFT JOIN latencies AS l USING (second))"
    " SELECT json_build_object('seconds', coalesce(loads.last_second($1) + 1, 0),"
    " 'steps', coalesce((SELECT json_agg(step ORDER BY second) FROM steps), '[]'))"
    " FROM loads.runs WHERE run_id = $1";

int store_postgres_load_timeline(struct store *base, const char *run_id, uint64_t start,
                                 uint64_t size, store_json_loaded *loaded, void *context)
{
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CHORES, sql, run_id);

    if (r < 0) {
        return r;
    }
    store_call_text(call, run_id);
    store_call_count(call, start);
    store_call_count(call, size);
    call->after_results = true;
    call->answered = answer_timeline;
    call->json_loaded = loaded;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}
