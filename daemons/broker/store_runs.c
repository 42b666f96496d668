/* SPDX-License-Identifier: MPL-2.0 */
/* Rows of runs and sources, logs and events: one statement each, of the same effect when it is
 * executed twice. Dates go as microseconds since 1970. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store_postgres.h"

/* A date out of a parameter. */
#define DATE(parameter) "('epoch'::timestamptz + " parameter "::bigint * interval '1 microsecond')"

/* ---- runs ---- */

/* The answer has one row: the run's id, or that of the older one. */
static void answer_run_add(struct store_postgres *store _unused_, const struct call *call,
                           const struct pq_result *result, const struct store_answer *failure)
{
    struct store_answer answer = {.reason = "", .run_id = call->run_id};

    if (!call->done) {
        return;
    }
    if (failure) {
        answer = *failure;
    } else if (pq_result_rows(result) == 0) {
        answer = (struct store_answer){-EIO, "the run was neither added nor is it there", ""};
    } else if (strcmp(pq_result_value(result, 0, 0), call->run_id) != 0) {
        answer = (struct store_answer){-EEXIST, "the request was made before",
                                       pq_result_value(result, 0, 0)};
    }
    call->done(&answer, call->context);
}

static void add_overflows(struct call *call, const struct store_run *run)
{
    for (unsigned i = 0; i < NAME_KINDS; i++) {
        store_call_count(call, run->overflows[i]);
    }
}

int store_postgres_run_add(struct store *base, const struct store_run *run, store_done *done,
                           void *context)
{
    static const char sql[] =
        "WITH added AS ("
        " INSERT INTO loads.runs (run_id, request_id, name, spec, agents, on_agent_loss, save_hits,"
        "  state, outcome, trouble, submitted, started, finished, start_usec, cycle, active_usec)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce(" DATE(
            "$11") ", clock_timestamp()), " DATE("$12") ", " DATE("$13") ", $14, $15, $16)"
                                                                         " ON CONFLICT DO NOTHING "
                                                                         "RETURNING run_id) "
                                                                         "SELECT run_id FROM added "
                                                                         "UNION ALL "
                                                                         "(SELECT run_id FROM "
                                                                         "loads.runs WHERE run_id "
                                                                         "= $1 OR request_id = $2 "
                                                                         " ORDER BY run_id = $1 "
                                                                         "DESC LIMIT 1)";
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CONTROL, sql, run->run_id);

    if (r < 0) {
        return r;
    }
    store_call_text(call, run->run_id);
    store_call_text(call, run->request_id);
    store_call_text(call, run->name);
    store_call_text(call, run->spec);
    store_call_number(call, run->agents);
    store_call_text(call, run->abort_on_loss ? "abort" : "continue");
    store_call_bool(call, run->save_hits);
    store_call_text(call, run->state);
    store_call_text(call, run->outcome);
    store_call_text(call, run->trouble);
    store_call_date(call, run->submitted_usec);
    store_call_date(call, run->started_usec);
    store_call_date(call, run->finished_usec);
    store_call_date(call, run->start_usec);
    store_call_number(call, run->cycle);
    store_call_count(call, run->active_usec);
    call->writes = call->before_results = true;
    call->answered = answer_run_add;
    call->done = done;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

static bool is_over(const char *state)
{
    return strcmp(state, "finished") == 0 || strcmp(state, "failed") == 0 ||
           strcmp(state, "aborted") == 0;
}

/* Nothing more comes for a run that is over; the views get their cache of it. */
static void forget(struct store_postgres *store, const char *run_id)
{
    free(strmap_remove(store->known, run_id, STORE_UUID_BYTES));
}

static void answer_end(struct store_postgres *store, const struct call *call,
                       const struct pq_result *result, const struct store_answer *failure)
{
    forget(store, call->run_id);
    if (!failure) {
        store_postgres_digest(store, call->run_id);
    }
    store_answer_done(store, call, result, failure);
}

int store_postgres_run_update(struct store *base, const struct store_run *run, store_done *done,
                              void *context)
{
    static const char sql[] = "UPDATE loads.runs SET state = $2, outcome = $3, trouble = $4, "
                              "started = " DATE("$5") ", finished = " DATE(
                                  "$6") ", start_usec = $7, cycle = $8, active_usec = $9,"
                                        " overflows = ARRAY[$10, $11, $12, $13, $14]::bigint[],"
                                        " thresholds = $15::jsonb, stopped_for = $16 "
                                        "WHERE run_id = $1";
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CONTROL, sql, run->run_id);

    if (r < 0) {
        return r;
    }
    store_call_text(call, run->run_id);
    store_call_text(call, run->state);
    store_call_text(call, run->outcome);
    store_call_text(call, run->trouble);
    store_call_date(call, run->started_usec);
    store_call_date(call, run->finished_usec);
    store_call_date(call, run->start_usec);
    store_call_number(call, run->cycle);
    store_call_count(call, run->active_usec);
    add_overflows(call, run);
    store_call_text(call, run->thresholds);
    store_call_text(call, run->stopped_for);
    call->writes = call->after_results = true;
    call->answered = is_over(run->state) ? answer_end : store_answer_done;
    call->done = done;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

int store_postgres_source_put(struct store *base, const char *run_id,
                              const struct store_source *source, store_done *done, void *context)
{
    static const char sql[] =
        "INSERT INTO loads.sources (run_id, source, agent_id, agent_index, incarnation, hostname,"
        " pid, state, clock_offset_usec, active_usec, result, reason, registered, lost, ended,"
        " cpu_usec, memory_peak_bytes) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
        " coalesce(" DATE("$13") ", clock_timestamp()), " DATE("$14") ", " DATE(
            "$15") ", nullif($16::bigint, 0), nullif($17::bigint, 0)) "
                   "ON CONFLICT (run_id, source) DO UPDATE SET"
                   " state = excluded.state, clock_offset_usec = excluded.clock_offset_usec,"
                   " active_usec = excluded.active_usec, result = excluded.result,"
                   " reason = excluded.reason, lost = excluded.lost, ended = excluded.ended,"
                   " cpu_usec = excluded.cpu_usec, memory_peak_bytes = excluded.memory_peak_bytes";
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CONTROL, sql, run_id);

    if (r == 0 && source->number > INT32_MAX) {
        r = -EINVAL;
    }
    if (r < 0) {
        return r;
    }
    store_call_text(call, run_id);
    store_call_number(call, source->number);
    store_call_text(call, source->agent_id);
    store_call_number(call, source->agent_index);
    store_call_text(call, source->incarnation);
    store_call_text(call, source->hostname);
    store_call_number(call, source->pid);
    store_call_text(call, source->state);
    store_call_number(call, source->clock_offset_usec);
    store_call_count(call, source->active_usec);
    store_call_number(call, source->result);
    store_call_text(call, source->reason);
    store_call_date(call, source->registered_usec);
    store_call_date(call, source->lost_usec);
    store_call_date(call, source->ended_usec);
    store_call_count(call, source->cpu_usec);
    store_call_count(call, source->memory_peak_bytes);
    call->source = (int)source->number;
    call->writes = call->before_results = true;
    call->answered = store_answer_done;
    call->done = done;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

/* ---- logs and events: never written twice, although their rows have no key of ours ---- */

int store_postgres_log(struct store *base, const char *run_id, unsigned source, int worker,
                       const char *text, size_t size, store_done *done, void *context)
{
    static const char sql[] =
        "INSERT INTO loads.logs (run_id, source, worker, at, text) "
        "SELECT $1::uuid, $2::int, $3::int, " DATE(
            "$4") ", $5::text "
                  "WHERE NOT ($6::bool AND EXISTS ("
                  " SELECT FROM loads.logs WHERE run_id = $1::uuid AND source = $2::int"
                  "  AND worker = $3::int AND at = " DATE("$4") " AND text = $5::text))";
    _cleanup_(store_call_freep) struct call *call = NULL;
    _cleanup_free_ char *clean = store_clean_text(text, size, &size);
    int r = clean ? store_call_new(&call, LANE_CONTROL, sql, run_id) : -ENOMEM;

    if (r < 0) {
        return r;
    }
    store_call_text(call, run_id);
    store_call_number(call, source);
    store_call_number(call, worker);
    store_call_date(call, clock_realtime_usec());
    store_call_text(call, clean);
    store_call_bool(call, false);
    call->tells_repetition = true;
    call->answered = store_answer_done;
    call->done = done;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

int store_postgres_event(struct store *base, const char *run_id, const char *kind, int source,
                         const char *message, const char *details, store_done *done, void *context)
{
    static const char sql[] =
        "INSERT INTO loads.events (run_id, at, kind, source, message, details) "
        "SELECT $1::uuid, " DATE("$2") ", $3::text, $4::int, $5::text, $6::jsonb "
                                       "WHERE NOT ($7::bool AND EXISTS ("
                                       " SELECT FROM loads.events WHERE run_id = $1::uuid"
                                       "  AND at = " DATE("$2") " AND kind = $3::text"
                                                                "  AND message = $5::text))";
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CONTROL, sql, run_id);

    if (r < 0) {
        return r;
    }
    store_call_text(call, run_id);
    store_call_date(call, clock_realtime_usec());
    store_call_text(call, kind);
    if (source < 0) {
        store_call_text(call, NULL);
    } else {
        store_call_number(call, source);
    }
    store_call_text(call, message);
    store_call_text(call, details ? details : "{}");
    store_call_bool(call, false);
    call->tells_repetition = true;
    call->answered = store_answer_done;
    call->done = done;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

/* What strangers sent may be in it. */
static void add_clean(struct call *call, const char *text)
{
    size_t size;
    _cleanup_free_ char *clean = text ? store_clean_text(text, strlen(text), &size) : NULL;

    store_call_text(call, clean); /* without memory it isn't known */
}

int store_postgres_audit(struct store *base, const struct store_audit *audit)
{
    static const char sql[] =
        "INSERT INTO loads.audit"
        " (at, accepted, what, who, role, peer, run_id, agent_id, reason, times) "
        "SELECT " DATE(
            "$1") ", $2::bool, $3::text, $4::text, $5::text, $6::text, $7::uuid,"
                  " $8::text, $9::text, $10::bigint "
                  "WHERE NOT ($11::bool AND EXISTS ("
                  " SELECT FROM loads.audit WHERE at = " DATE(
                      "$1") "  AND what = $3::text AND peer IS NOT DISTINCT FROM $6::text))";
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CONTROL, sql, "");

    if (r < 0) {
        return r;
    }
    store_call_date(call, audit->at_usec);
    store_call_bool(call, !audit->reason);
    add_clean(call, audit->what);
    add_clean(call, audit->who);
    add_clean(call, audit->role);
    add_clean(call, audit->peer);
    store_call_text(call, audit->run_id);
    add_clean(call, audit->agent_id);
    add_clean(call, audit->reason);
    store_call_count(call, audit->times);
    store_call_bool(call, false);
    call->tells_repetition = true;
    call->answered = store_answer_done;
    return store_call(store_postgres_of(base), &call);
}

/* ---- finding and deleting ---- */

static void answer_found(struct store_postgres *store _unused_, const struct call *call,
                         const struct pq_result *result, const struct store_answer *failure)
{
    struct store_answer answer = {.reason = "", .run_id = ""};

    if (failure) {
        answer = *failure;
    } else if (pq_result_rows(result) == 0) {
        answer.result = -ENOENT;
        answer.reason = "there is no such run in the database";
    } else if (pq_result_rows(result) > 1) {
        answer.result = -ENOTUNIQ;
        answer.reason = "several runs in the database begin so";
    } else {
        answer.run_id = pq_result_value(result, 0, 0);
    }
    call->done(&answer, call->context);
}

/* The ids that begin so are those between it with zeros and with f's behind it. */
int store_postgres_find_run(struct store *base, const char *prefix, store_done *done, void *context)
{
    static const char zeros[] = "00000000-0000-0000-0000-000000000000";
    static const char ones[] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    static const char sql[] =
        "SELECT run_id FROM loads.runs WHERE run_id BETWEEN $1 AND $2 LIMIT 2";
    _cleanup_(store_call_freep) struct call *call = NULL;
    char first[STORE_UUID_BYTES + 1], last[STORE_UUID_BYTES + 1];
    size_t size = strnlen(prefix, STORE_UUID_BYTES + 1);

    if (size > STORE_UUID_BYTES) {
        return -EINVAL;
    }
    memcpy(first, zeros, sizeof first);
    memcpy(first, prefix, size);
    memcpy(last, ones, sizeof last);
    memcpy(last, prefix, size);
    if (!store_is_uuid(first)) {
        return -EINVAL;
    }
    int r = store_call_new(&call, LANE_CONTROL, sql, "");
    if (r < 0) {
        return r;
    }
    store_call_text(call, first);
    store_call_text(call, last);
    call->answered = answer_found;
    call->done = done;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

static void answer_deleted(struct store_postgres *store, const struct call *call,
                           const struct pq_result *result, const struct store_answer *failure)
{
    /* When it is made again after a lost connection the run may be gone already. */
    bool was_done = !failure && call->attempts > 1 && pq_result_affected(result) == 0;
    static const struct store_answer good = {.reason = "", .run_id = ""};

    forget(store, call->run_id);
    if (was_done && call->done) {
        call->done(&good, call->context);
    } else {
        store_answer_done(store, call, result, failure);
    }
}

int store_postgres_delete_run(struct store *base, const char *run_id, store_done *done,
                              void *context)
{
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CHORES, "DELETE FROM loads.runs WHERE run_id = $1", run_id);

    if (r < 0) {
        return r;
    }
    store_call_text(call, run_id);
    call->writes = call->after_results = true;
    call->answered = answer_deleted;
    call->done = done;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

/* ---- the views' cache ---- */

/* It is a cache: without memory or when something fails, views take longer. */
void store_postgres_digest(struct store_postgres *store, const char *run_id)
{
    _cleanup_(store_call_freep) struct call *call = NULL;

    if (store_call_new(&call, LANE_CHORES, "SELECT loads.digest($1)", run_id) == 0) {
        store_call_text(call, run_id);
        call->is_ours = true;
        if (store_call(store, &call) < 0) {
            log_debug("no digest of run %s", run_id);
        }
    }
}
