/* SPDX-License-Identifier: MPL-2.0 */
/* What people ask for: logs, and the detail of runs that keep it. */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "store_postgres.h"

#define TEXT(x)  TEXT_(x)
#define TEXT_(x) #x

static const struct store_answer no_such_run = {
    .result = -ENOENT, .reason = "there is no such run in the database", .run_id = ""};

/* ---- logs ---- */

static void answer_logs(struct store_postgres *store _unused_, const struct call *call,
                        const struct pq_result *result, const struct store_answer *failure)
{
    struct store_answer answer = {.reason = "", .run_id = call->run_id};
    size_t rows = failure ? 0 : pq_result_rows(result), n = 0;
    _cleanup_free_ struct store_log_piece *pieces = calloc(rows + 1, sizeof *pieces);

    if (failure) {
        answer = *failure;
    } else if (rows == 0) {
        answer = no_such_run;
    } else if (!pieces) {
        answer = (struct store_answer){-ENOMEM, "out of memory", ""};
        rows = 0;
    }
    for (size_t i = 0; i < rows; i++) {
        if (!pq_result_is_null(result, i, 3)) { /* without logs there is one row, without a text */
            pieces[n++] = (struct store_log_piece){
                .agent_id = pq_result_value(result, i, 0),
                .source = (unsigned)strtoul(pq_result_value(result, i, 1), NULL, 10),
                .worker = (int)strtol(pq_result_value(result, i, 2), NULL, 10),
                .text = pq_result_value(result, i, 3),
            };
        }
    }
    call->logs_loaded(&answer, pieces, n, call->context);
}

int store_postgres_load_logs(struct store *base, const char *run_id, const char *agent_id,
                             store_logs_loaded *loaded, void *context)
{
    static const char sql[] =
        "SELECT l.agent_id, l.source, l.worker, l.text FROM loads.runs AS r LEFT JOIN ("
        " SELECT l.run_id, s.agent_id, l.source, l.worker, l.text, l.log_id"
        " FROM loads.logs AS l JOIN loads.sources AS s"
        "  ON s.run_id = l.run_id AND s.source = l.source"
        " WHERE l.run_id = $1 AND ($2::text IS NULL OR s.agent_id = $2)"
        " ORDER BY l.log_id DESC LIMIT " TEXT(
            STORE_MAX_LOGS) ") AS l ON l.run_id = r.run_id "
                            "WHERE r.run_id = $1 ORDER BY l.agent_id, l.source, l.worker, l.log_id";
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CONTROL, sql, run_id);

    if (r < 0) {
        return r;
    }
    store_call_text(call, run_id);
    store_call_text(call, agent_id);
    call->answered = answer_logs;
    call->logs_loaded = loaded;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

/* ---- detail ---- */

/* One row: whether the run keeps detail, and the array. */
static void answer_details(struct store_postgres *store _unused_, const struct call *call,
                           const struct pq_result *result, const struct store_answer *failure)
{
    struct store_answer answer = {.reason = "", .run_id = call->run_id};

    if (failure) {
        answer = *failure;
    } else if (pq_result_rows(result) == 0) {
        answer = no_such_run;
    } else if (strcmp(pq_result_value(result, 0, 0), "t") != 0) {
        answer.result = -EINVAL;
        answer.reason = "the run was made without save_hits";
    }
    call->json_loaded(&answer, answer.result == 0 ? pq_result_value(result, 0, 1) : "[]",
                      call->context);
}

/* What happened, as messages of the external-runner protocol: hits, and events of tests. The
 * numbers of loads_status are those of the cycle: as many cycles have the same users as there are
 * hits. */
#define STATUS                                                                                     \
    "json_build_array(coalesce((d.spec -> 'hits' ->> (d.cycle % d.steps))::bigint, 0),"            \
    " (d.spec -> 'users' ->> (d.cycle / d.steps))::bigint, d.iteration + 1, d.user_number + 1)"

#define ITERATIONS                                                                                 \
    "r.spec, greatest(jsonb_array_length(coalesce(r.spec -> 'hits', '[]')), 1) AS steps"

#define HITS                                                                                       \
    "SELECT h.started AS at, h.source, h.seq, 'add_hit' AS data_type, h.test_id, h.error_id,"      \
    " h.series_id, h.url, h.elapsed_usec, NULL::int AS counter_id, NULL::bigint AS value,"         \
    " h.user_number, h.iteration, h.cycle FROM loads.hits AS h WHERE h.run_id = $1"
#define EVENTS                                                                                     \
    "SELECT e.at, e.source, e.seq, e.data_type, e.test_id, e.error_id, NULL, NULL,"                \
    " e.elapsed_usec, e.counter_id, e.value, e.user_number, e.iteration, e.cycle"                  \
    " FROM loads.test_events AS e WHERE e.run_id = $1"

#define EXC_INFO                                                                                   \
    "CASE WHEN d.error_id IS NOT NULL THEN json_build_array(x.message, x.class,"                   \
    " CASE WHEN x.traceback = '' THEN x.place ELSE x.traceback END) END"

/* Keys in the order in which they are shown; those without a value are taken out. */
#define OBJECT                                                                                     \
    "json_strip_nulls(json_build_object('data_type', d.data_type, 'agent_id', s.agent_id,"         \
    " 'run_id', $1::uuid, 'test', nullif(t.name, ''), 'url', d.url, 'method', q.method,"           \
    " 'status', q.status, 'started', CASE WHEN d.data_type = 'add_hit' THEN d.date END,"           \
    " 'time', CASE WHEN d.data_type <> 'add_hit' THEN d.date END,"                                 \
    " 'elapsed', (d.elapsed_usec / 1000000.0)::float8, 'name', coalesce(c.name, q.name),"          \
    " 'value', d.value,"                                                                           \
    " 'exc_info', " EXC_INFO ", 'loads_status', " STATUS "))"
#define GROUP_OBJECT                                                                               \
    "json_strip_nulls(json_build_object('data_type', d.data_type, 'run_id', $1::uuid,"             \
    " 'test', nullif(t.name, ''), 'url', d.url, 'method', q.method, 'status', q.status,"           \
    " 'name', c.name, 'value', d.value, 'exc_info', " EXC_INFO "))"

#define NAMED                                                                                      \
    "FROM d LEFT JOIN loads.sources AS s ON s.run_id = $1 AND s.source = d.source"                 \
    " LEFT JOIN loads.tests AS t ON t.run_id = $1 AND t.test_id = d.test_id"                       \
    " LEFT JOIN loads.series AS q ON q.run_id = $1 AND q.series_id = d.series_id"                  \
    " LEFT JOIN loads.errors AS x ON x.run_id = $1 AND x.error_id = d.error_id"                    \
    " LEFT JOIN loads.counters AS c ON c.run_id = $1 AND c.counter_id = d.counter_id"

#define CHOSEN_DETAIL                                                                              \
    "WITH d AS (SELECT h.*, " ITERATIONS                                                           \
    ", to_char(h.at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS date FROM loads.runs AS r"            \
    " CROSS JOIN (" HITS " UNION ALL " EVENTS ") AS h"                                             \
    " WHERE r.run_id = $1 AND ($2::text IS NULL OR h.data_type = $2)"

/* Complete, since pages must not overlap: what is alike in all of it may change places. */
#define ORDER(d)                                                                                   \
    d "at, " d "source, " d "user_number, " d "iteration, CASE " d                                 \
      "data_type WHEN 'startTest' THEN 0 WHEN 'stopTest' THEN 2 ELSE 1 END, " d "seq, " d          \
      "data_type, " d "series_id, " d "elapsed_usec, " d "counter_id, " d "value"

#define ANSWER(list)                                                                               \
    "SELECT r.save_hits, coalesce((" list "), '[]') FROM loads.runs AS r WHERE r.run_id = $1"

static const char each_sql[] =
    CHOSEN_DETAIL " ORDER BY " ORDER("h.") " OFFSET $3::bigint LIMIT $4::bigint) " ANSWER(
        "SELECT json_agg(" OBJECT " ORDER BY " ORDER("d.") ") " NAMED);

static const char grouped_sql[] = CHOSEN_DETAIL
    "), g AS (SELECT min(d.at) AS at, " GROUP_OBJECT "::jsonb AS object, count(*) AS n " NAMED
    " GROUP BY 2 ORDER BY 1, 2 OFFSET $3::bigint LIMIT $4::bigint) " ANSWER(
        "SELECT json_agg(g.object || jsonb_build_object('count', g.n) ORDER BY g.at, g.object)"
        " FROM g");

int store_postgres_load_details(struct store *base, const char *run_id, const char *data_type,
                                bool grouped, uint64_t start, uint64_t size,
                                store_json_loaded *loaded, void *context)
{
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CHORES, grouped ? grouped_sql : each_sql, run_id);

    if (r < 0) {
        return r;
    }
    store_call_text(call, run_id);
    store_call_text(call, data_type);
    store_call_count(call, start);
    store_call_count(call, size);
    call->after_results = true;
    call->answered = answer_details;
    call->json_loaded = loaded;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}
