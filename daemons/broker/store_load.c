/* SPDX-License-Identifier: MPL-2.0 */
/* Runs as they are in the database. One statement, and so one snapshot, gives everything in rows of
 * (which run, what, number of it, JSON), in the order in which a record is built up. What is there
 * somebody may have changed by hand: a record whose parts don't fit is an error of the call, never
 * an assertion. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store_postgres.h"
#include "wire/json.h"

/* ---- the statement ---- */

#define USEC(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* Which runs, and in which order. */
#define ACTIVE "r.state IN ('queued', 'preparing', 'running', 'stopping')"
#define CHOSEN(condition, limit)                                                                   \
    "WITH c AS (SELECT row_number() OVER (ORDER BY r.submitted DESC, r.run_id) AS n, r.*"          \
    " FROM loads.runs AS r WHERE " condition " ORDER BY r.submitted DESC, r.run_id LIMIT " limit   \
    ") "

#define RUNS(spec)                                                                                 \
    "SELECT c.n, 0, 0, json_build_object('run_id', c.run_id, 'request_id', c.request_id,"          \
    " 'name', c.name, 'spec', " spec ", 'agents', c.agents, 'on_agent_loss', c.on_agent_loss,"     \
    " 'save_hits', c.save_hits, 'state', c.state, 'outcome', c.outcome, 'trouble', c.trouble,"     \
    " 'thresholds', c.thresholds::text, 'stopped_for', c.stopped_for,"                             \
    " 'submitted', " USEC("c.submitted") ", 'started', " USEC("c.started") ", 'finished', " USEC(  \
        "c.finished") ", 'start_usec', c.start_usec, 'cycle', c.cycle,"                            \
                      " 'active_usec', c.active_usec, 'overflows', c.overflows) FROM c "           \
                      "UNION ALL "                                                                 \
                      "SELECT c.n, 1, s.source, json_build_object('agent_id', s.agent_id,"         \
                      " 'agent_index', s.agent_index, 'incarnation', s.incarnation, 'hostname', "  \
                      "s.hostname,"                                                                \
                      " 'pid', s.pid, 'state', s.state, 'last_seq', s.last_seq,"                   \
                      " 'last_detail_seq', s.last_detail_seq, 'clock_offset_usec', "               \
                      "s.clock_offset_usec,"                                                       \
                      " 'active_usec', s.active_usec, 'result', s.result, 'reason', s.reason, "    \
                      "'cpu_usec', s.cpu_usec, 'memory_peak_bytes', s.memory_peak_bytes, "         \
                      "'registered', " USEC("s.registered") ", 'lost', " USEC(                     \
                          "s.lost") ", 'ended', " USEC("s.ended") ")"                              \
                                                                  " FROM c JOIN loads.sources AS " \
                                                                  "s ON s.run_id = c.run_id "

#define RESULTS                                                                                    \
    "UNION ALL "                                                                                   \
    "SELECT c.n, 2, t.test_id, json_build_object('name', t.name, 'outcomes',"                      \
    " ARRAY[t.successes, t.failures, t.errors, t.interrupted])"                                    \
    " FROM c JOIN loads.tests AS t ON t.run_id = c.run_id "                                        \
    "UNION ALL "                                                                                   \
    "SELECT c.n, 3, s.series_id, json_build_object('test', s.test, 'name', s.name,"                \
    " 'method', s.method, 'status', s.status)"                                                     \
    " FROM c JOIN loads.series AS s ON s.run_id = c.run_id "                                       \
    "UNION ALL "                                                                                   \
    "SELECT c.n, 4, e.error_id, json_build_object('kind', e.kind, 'class', e.class,"               \
    " 'message', e.message, 'place', e.place, 'test', e.test, 'traceback', e.traceback,"           \
    " 'count', e.count) FROM c JOIN loads.errors AS e ON e.run_id = c.run_id "                     \
    "UNION ALL "                                                                                   \
    "SELECT c.n, 5, k.counter_id, json_build_object('name', k.name, 'count', k.count)"             \
    " FROM c JOIN loads.counters AS k ON k.run_id = c.run_id "                                     \
    "UNION ALL "                                                                                   \
    "SELECT c.n, 6, t.series_id, json_build_object('hits', t.hits,"                                \
    " 'request_errors', t.request_errors, 'sum_usec', t.sum_usec, 'min_usec', t.min_usec,"         \
    " 'max_usec', t.max_usec, 'sent_bytes', t.sent_bytes, 'received_bytes', t.received_bytes,"     \
    " 'buckets', t.buckets, 'counts', t.counts)"                                                   \
    " FROM c JOIN loads.totals AS t ON t.run_id = c.run_id "                                       \
    "UNION ALL "                                                                                   \
    "SELECT c.n, 7, t.timer_id, json_build_object('kind', t.kind, 'test', t.test,"                 \
    " 'name', t.name, 'hits', t.times, 'request_errors', t.errors, 'sum_usec', t.sum_usec,"        \
    " 'min_usec', t.min_usec, 'max_usec', t.max_usec, 'buckets', t.buckets, 'counts', t.counts)"   \
    " FROM c JOIN loads.timers AS t ON t.run_id = c.run_id "

#define ORDERED "ORDER BY 1, 2, 3"

enum { ROW_RUN, ROW_SOURCE, ROW_TEST, ROW_SERIES, ROW_ERROR, ROW_COUNTER, ROW_TOTAL, ROW_TIMER };

/* ---- records: their texts live in the JSON that they were read from ---- */

struct loaded {
    struct store_record record; /* first */
    json_t **texts;
    size_t n_texts;
};

struct loaded_list {
    struct loaded **items;
    size_t count;
};

static struct loaded *loaded_free(struct loaded *loaded)
{
    if (!loaded) {
        return NULL;
    }
    for (size_t i = 0; i < loaded->record.n_names; i++) {
        free(loaded->record.names[i].text);
    }
    for (size_t i = 0; i < loaded->n_texts; i++) {
        json_decref(loaded->texts[i]);
    }
    free(loaded->texts);
    free(loaded->record.names);
    free(loaded->record.sources);
    interval_free(loaded->record.totals);
    free(loaded);
    return NULL;
}
DEFINE_CLEANUP(struct loaded, loaded_free)

/* One more item of an array that is as long as a power of two at least. */
static int grow(void *array_, size_t count, size_t size)
{
    void **array = array_;

    if (count == 0 || (count & (count - 1)) == 0) {
        void *larger = reallocarray(*array, count == 0 ? 1 : 2 * count, size);
        if (!larger) {
            return -ENOMEM;
        }
        *array = larger;
    }
    memset((char *)*array + count * size, 0, size);
    return 0;
}

#define GROW(array, count) grow(&(array), (count), sizeof *(array))

/* Numbers that are NULL in the database are 0. */
static int64_t number(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

static uint64_t count(const json_t *json, const char *key)
{
    return (uint64_t)MAX(number(json, key), 0);
}

/* NULL: NULL, or no text. */
static const char *text(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static const char *text_or_none(const json_t *json, const char *key)
{
    const char *value = text(json, key);
    return value ? value : "";
}

static void read_run(struct store_run *run, const json_t *json)
{
    const json_t *overflows = json_object_get(json, "overflows");

    *run = (struct store_run){
        .run_id = text_or_none(json, "run_id"),
        .request_id = text(json, "request_id"),
        .name = text_or_none(json, "name"),
        .spec = text(json, "spec"),
        .agents = (unsigned)count(json, "agents"),
        .abort_on_loss = strcmp(text_or_none(json, "on_agent_loss"), "abort") == 0,
        .save_hits = json_is_true(json_object_get(json, "save_hits")),
        .state = text_or_none(json, "state"),
        .outcome = text(json, "outcome"),
        .trouble = text(json, "trouble"),
        .thresholds = text(json, "thresholds"),
        .stopped_for = text(json, "stopped_for"),
        .submitted_usec = count(json, "submitted"),
        .started_usec = count(json, "started"),
        .finished_usec = count(json, "finished"),
        .start_usec = count(json, "start_usec"),
        .cycle = (unsigned)count(json, "cycle"),
        .active_usec = count(json, "active_usec"),
    };
    for (unsigned i = 0; i < NAME_KINDS; i++) {
        run->overflows[i] = (uint64_t)MAX(json_integer_value(json_array_get(overflows, i)), 0);
    }
}

static int read_source(struct store_record *record, unsigned id, const json_t *json)
{
    int r = GROW(record->sources, record->n_sources);

    if (r < 0) {
        return r;
    }
    record->sources[record->n_sources++] = (struct store_source){
        .number = id,
        .agent_id = text_or_none(json, "agent_id"),
        .agent_index = (unsigned)count(json, "agent_index"),
        .incarnation = text_or_none(json, "incarnation"),
        .hostname = text_or_none(json, "hostname"),
        .pid = (pid_t)number(json, "pid"),
        .state = text_or_none(json, "state"),
        .last_seq = count(json, "last_seq"),
        .last_detail_seq = count(json, "last_detail_seq"),
        .clock_offset_usec = number(json, "clock_offset_usec"),
        .active_usec = count(json, "active_usec"),
        .cpu_usec = count(json, "cpu_usec"),
        .memory_peak_bytes = count(json, "memory_peak_bytes"),
        .result = (int)number(json, "result"),
        .reason = text(json, "reason"),
        .registered_usec = count(json, "registered"),
        .lost_usec = count(json, "lost"),
        .ended_usec = count(json, "ended"),
    };
    return 0;
}

/* ---- names, and totals without a histogram ---- */

/* Takes the text in any case. "(other)" is no name. */
static int add_name(struct store_record *record, enum name_kind kind, unsigned id, char *name)
{
    int r = !name ? -ENOMEM : id == 0 ? 0 : GROW(record->names, record->n_names);

    if (r < 0 || id == 0) {
        free(name);
        return r;
    }
    record->names[record->n_names++] = (struct store_name){kind, id, name};
    return 0;
}

static int read_test(struct store_record *record, unsigned id, const json_t *json)
{
    struct interval *totals = record->totals;
    struct interval_test test = {.id = id};
    uint64_t sum = 0;

    for (unsigned i = 0; i < OUTCOMES; i++) {
        test.outcomes[i] = (uint64_t)MAX(
            json_integer_value(json_array_get(json_object_get(json, "outcomes"), i)), 0);
        sum |= test.outcomes[i];
    }
    if (sum != 0) {
        int r = GROW(totals->tests, totals->n_tests);
        if (r < 0) {
            return r;
        }
        totals->tests[totals->n_tests++] = test;
    }
    return add_name(record, NAME_TEST, id, strdup(text_or_none(json, "name")));
}

static int add_count(struct interval_count **counts, size_t *n, unsigned id, int64_t value)
{
    int r = value == 0 ? 0 : GROW(*counts, *n);

    if (r == 0 && value != 0) {
        (*counts)[(*n)++] = (struct interval_count){id, value};
    }
    return r;
}

/* As names_series(), names_error() and names_timer() put the parts together. */
static int read_series_name(struct store_record *record, unsigned id, const json_t *json)
{
    char *name = NULL;
    int n = asprintf(&name, "%s\x1f%s\x1f%s\x1f%u", text_or_none(json, "test"),
                     text_or_none(json, "name"), text_or_none(json, "method"),
                     (unsigned)count(json, "status"));
    return add_name(record, NAME_SERIES, id, n < 0 ? NULL : name);
}

static int read_error(struct store_record *record, unsigned id, const json_t *json)
{
    struct interval *totals = record->totals;
    char *name = NULL;
    int r = add_count(&totals->errors, &totals->n_errors, id, number(json, "count"));

    if (r < 0) {
        return r;
    }
    int n = asprintf(&name, "%s\x1f%s\x1f%s\x1f%s\x1f%s\x1f%s", text_or_none(json, "kind"),
                     text_or_none(json, "class"), text_or_none(json, "message"),
                     text_or_none(json, "place"), text_or_none(json, "test"),
                     text_or_none(json, "traceback"));
    return add_name(record, NAME_ERROR, id, n < 0 ? NULL : name);
}

static int read_counter(struct store_record *record, unsigned id, const json_t *json)
{
    struct interval *totals = record->totals;
    int r = add_count(&totals->counters, &totals->n_counters, id, number(json, "count"));

    return r < 0 ? r : add_name(record, NAME_COUNTER, id, strdup(text_or_none(json, "name")));
}

/* ---- totals of series ---- */

static int read_histogram(struct histogram *histogram, const json_t *json)
{
    const json_t *buckets = json_object_get(json, "buckets");
    const json_t *counts = json_object_get(json, "counts");

    histogram->count = count(json, "hits");
    histogram->sum_usec = count(json, "sum_usec");
    histogram->min_usec = count(json, "min_usec");
    histogram->max_usec = count(json, "max_usec");
    for (size_t i = 0; i < json_array_size(buckets); i++) {
        int64_t bucket = json_integer_value(json_array_get(buckets, i));
        int64_t n = json_integer_value(json_array_get(counts, i));
        if (bucket < 0 || bucket >= HISTOGRAM_BUCKETS || n <= 0) {
            return -EBADMSG;
        }
        int r = histogram_add_bucket(histogram, (unsigned)bucket, (uint64_t)n);
        if (r < 0) {
            return r;
        }
    }
    return histogram_is_valid(histogram) ? 0 : -EBADMSG;
}

/* Of a series, or of a timer. */
static int read_total(struct interval_series **totals, size_t *n, unsigned id, const json_t *json)
{
    int r = GROW(*totals, *n);

    if (r < 0) {
        return r;
    }
    struct interval_series *series = &(*totals)[*n];
    *series = (struct interval_series){
        .id = id,
        .errors = count(json, "request_errors"),
        .sent_bytes = count(json, "sent_bytes"),
        .received_bytes = count(json, "received_bytes"),
    };
    r = read_histogram(&series->latency, json);
    bool nothing = series->latency.count == 0 && series->errors == 0 && series->sent_bytes == 0 &&
                   series->received_bytes == 0;
    if (r < 0 || nothing) {
        histogram_clear(&series->latency);
        return r;
    }
    ++*n;
    return 0;
}

static int read_timer(struct store_record *record, unsigned id, const json_t *json)
{
    char *name = NULL;
    int r = read_total(&record->totals->timers, &record->totals->n_timers, id, json);

    if (r < 0) {
        return r;
    }
    int n = asprintf(&name, "%s\x1f%s\x1f%s", text_or_none(json, "kind"),
                     text_or_none(json, "test"), text_or_none(json, "name"));
    return add_name(record, NAME_TIMER, id, n < 0 ? NULL : name);
}

/* ---- rows ---- */

static int read_row(struct loaded *loaded, unsigned what, unsigned id, const json_t *json)
{
    static const unsigned max[] = {
        [ROW_TEST] = NAMES_MAX_TESTS,   [ROW_SERIES] = NAMES_MAX_SERIES,
        [ROW_ERROR] = NAMES_MAX_ERRORS, [ROW_COUNTER] = NAMES_MAX_COUNTERS,
        [ROW_TOTAL] = NAMES_MAX_SERIES, [ROW_TIMER] = NAMES_MAX_TIMERS,
    };
    struct store_record *record = &loaded->record;

    if (what >= ROW_TEST && id > max[what]) {
        return -EBADMSG;
    }
    switch (what) {
    case ROW_RUN:
        read_run(&record->run, json);
        record->totals->seconds = (uint32_t)MIN(
            MAX(record->run.active_usec / USEC_PER_SEC, UINT64_C(1)), (uint64_t)INT32_MAX);
        return 0;
    case ROW_SOURCE:
        return read_source(record, id, json);
    case ROW_TEST:
        return read_test(record, id, json);
    case ROW_SERIES:
        return read_series_name(record, id, json);
    case ROW_ERROR:
        return read_error(record, id, json);
    case ROW_COUNTER:
        return read_counter(record, id, json);
    case ROW_TIMER:
        return read_timer(record, id, json);
    default:
        return read_total(&record->totals->series, &record->totals->n_series, id, json);
    }
}

static int start_record(struct loaded_list *list)
{
    _cleanup_(loaded_freep) struct loaded *loaded = calloc(1, sizeof *loaded);
    int r;

    if (!loaded) {
        return -ENOMEM;
    }
    loaded->record.totals = calloc(1, sizeof *loaded->record.totals);
    r = loaded->record.totals ? GROW(list->items, list->count) : -ENOMEM;
    if (r == 0) {
        list->items[list->count++] = TAKE_PTR(loaded);
    }
    return r;
}

/* Texts of runs and sources are kept as long as the record is, all others are copied. */
static int keep_texts(struct loaded *loaded, json_t *json)
{
    int r = GROW(loaded->texts, loaded->n_texts);

    if (r == 0) {
        loaded->texts[loaded->n_texts++] = json_incref(json);
    }
    return r;
}

static int read_rows(struct loaded_list *list, const struct pq_result *result)
{
    for (size_t row = 0; row < pq_result_rows(result); row++) {
        unsigned what = (unsigned)strtoul(pq_result_value(result, row, 1), NULL, 10);
        unsigned id = (unsigned)strtoul(pq_result_value(result, row, 2), NULL, 10);
        const char *bytes = pq_result_value(result, row, 3);
        _cleanup_(json_decrefp) json_t *json = NULL;
        int r = wire_json_load_any(bytes, strlen(bytes), &json, NULL);
        if (r == 0 && what == ROW_RUN) {
            r = start_record(list);
        }
        if (r == 0 && list->count == 0) {
            r = -EBADMSG; /* the run comes first */
        }
        struct loaded *loaded = r == 0 ? list->items[list->count - 1] : NULL;
        if (r == 0 && what <= ROW_SOURCE) {
            r = keep_texts(loaded, json);
        }
        if (r == 0) {
            r = read_row(loaded, what, id, json);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void answer_loaded(struct store_postgres *store _unused_, const struct call *call,
                          const struct pq_result *result, const struct store_answer *failure)
{
    struct store_answer answer = {.reason = "", .run_id = call->run_id};
    struct loaded_list list = {0};

    if (failure) {
        answer = *failure;
    } else {
        answer.result = read_rows(&list, result);
        if (answer.result < 0) {
            answer.reason = answer.result == -ENOMEM ? "out of memory"
                                                     : "what the database has of a run doesn't fit "
                                                       "together";
        } else if (call->run_id[0] && list.count == 0) {
            answer.result = -ENOENT;
            answer.reason = "there is no such run in the database";
        }
    }
    /* A struct loaded begins with its record. */
    call->loaded(&answer, (const struct store_record *const *)list.items,
                 answer.result < 0 ? 0 : list.count, call->context);
    for (size_t i = 0; i < list.count; i++) {
        loaded_free(list.items[i]);
    }
    free(list.items);
}

static int load(struct store *base, const char *sql, const char *run_id, unsigned limit,
                store_loaded *loaded, void *context)
{
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, LANE_CONTROL, sql, run_id);

    if (r < 0) {
        return r;
    }
    if (run_id[0]) {
        store_call_text(call, run_id);
        call->after_results = true;
    } else if (limit > 0) {
        store_call_number(call, limit);
    }
    call->answered = answer_loaded;
    call->loaded = loaded;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}

int store_postgres_load_active(struct store *base, store_loaded *loaded, void *context)
{
    return load(base, CHOSEN(ACTIVE, "ALL") RUNS("c.spec::text") RESULTS ORDERED, "", 0, loaded,
                context);
}

int store_postgres_load_run(struct store *base, const char *run_id, store_loaded *loaded,
                            void *context)
{
    return load(base, CHOSEN("r.run_id = $1", "1") RUNS("c.spec::text") RESULTS ORDERED, run_id, 0,
                loaded, context);
}

int store_postgres_list_runs(struct store *base, unsigned limit, bool active_only,
                             store_loaded *loaded, void *context)
{
    return load(base,
                active_only ? CHOSEN(ACTIVE, "$1") RUNS("NULL::text") ORDERED
                            : CHOSEN("true", "$1") RUNS("NULL::text") ORDERED,
                "", limit, loaded, context);
}
