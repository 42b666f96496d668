/* SPDX-License-Identifier: MPL-2.0 */
/* Everything is packed with jansson's own functions, which take NULL for what could not be made, so
 * that only the end is looked at. */
#include "report.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "metrics/summary.h"
#include "run/cycles.h"

#define LAST_ERROR_BYTES 300

static json_t *date(uint64_t usec)
{
    char text[CLOCK_TEXT_BYTES];
    return usec > 0 ? json_string(clock_format_iso(usec, text)) : NULL;
}

static json_t *known_count(uint64_t count)
{
    return count > 0 ? json_integer((json_int_t)count) : NULL;
}

/* Sets what is known; NULL, since it isn't, leaves the key out. */
static void set_known(json_t *object, const char *key, json_t *value)
{
    if (value) {
        (void)json_object_set_new(object, key, value); /* the whole is looked at, not this */
    }
}

/* ---- runs ---- */

static json_t *agent_ids(const struct report *report, bool lost_only)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < report->n_sources; i++) {
        if (!lost_only || report->sources[i].lost_usec > 0) {
            (void)json_array_append_new(list, json_string(report->sources[i].agent_id));
        }
    }
    return list;
}

/* What agents know that their processes used; NULL if none of them does. */
static json_t *usage_of(const struct report *report)
{
    json_t *list = NULL;

    for (size_t i = 0; i < report->n_sources; i++) {
        const struct store_source *source = &report->sources[i];
        if (source->cpu_usec == 0 && source->memory_peak_bytes == 0) {
            continue;
        }
        json_t *one = json_pack("{ss}", "agent", source->agent_id);
        set_known(one, "cpu_usec", known_count(source->cpu_usec));
        set_known(one, "memory_peak_bytes", known_count(source->memory_peak_bytes));
        list = list ? list : json_array();
        (void)json_array_append_new(list, one);
    }
    return list;
}

static json_t *spec_of(const struct report *report)
{
    json_t *spec = NULL;
    const char *text = report->row->spec;

    return text && wire_json_load_any(text, strlen(text), &spec, NULL) == 0 ? spec : NULL;
}

static json_t *thresholds_of(const struct store_run *row)
{
    json_t *list = NULL;

    return row->thresholds &&
                   wire_json_load_any(row->thresholds, strlen(row->thresholds), &list, NULL) == 0
               ? list
               : NULL;
}

json_t *report_run(const struct report *report, bool full)
{
    const struct store_run *row = report->row;
    json_auto_t *spec = spec_of(report);
    json_t *run = json_pack("{ss ss ss ss* ss*}", "run_id", row->run_id, "name", row->name, "state",
                            row->state, "outcome", row->outcome, "trouble", row->trouble);

    if (!run) {
        return NULL;
    }
    set_known(run, "submitted", date(row->submitted_usec));
    set_known(run, "started", date(row->started_usec));
    set_known(run, "finished", date(row->finished_usec));
    set_known(run, "agents", agent_ids(report, false));
    set_known(run, "lost", agent_ids(report, true));
    set_known(run, "project", json_incref(json_object_get(spec, "project_name")));
    set_known(run, "user_id", json_incref(json_object_get(spec, "user_id")));
    if (full) {
        set_known(run, "on_agent_loss", json_string(row->abort_on_loss ? "abort" : "continue"));
        set_known(run, "save_hits", json_boolean(row->save_hits));
        set_known(run, "usage", usage_of(report));
        set_known(run, "thresholds", thresholds_of(row));
        set_known(run, "stopped_for", row->stopped_for ? json_string(row->stopped_for) : NULL);
        set_known(run, "spec", json_incref(spec));
    }
    return run;
}

/* ---- what was counted ---- */

static json_t *names_of(struct results *results)
{
    json_t *list = json_array();
    struct names *names = results ? results_names(results) : NULL;

    for (unsigned kind = 0; names && list && kind < NAME_KINDS; kind++) {
        for (unsigned id = 1; id < names_count(names, kind); id++) {
            (void)json_array_append_new(
                list, json_pack("[i i s]", (int)kind, (int)id, names_text(names, kind, id)));
        }
    }
    return list;
}

static json_t *overflows_of(struct results *results)
{
    uint64_t overflows[NAME_KINDS] = {0};
    json_t *list = json_array();

    if (results) {
        results_overflows(results, overflows);
    }
    for (unsigned kind = 0; list && kind < NAME_KINDS; kind++) {
        (void)json_array_append_new(list, json_integer((json_int_t)overflows[kind]));
    }
    return list;
}

static json_t *totals_of(struct results *results)
{
    struct interval none = {.seconds = 1};
    _cleanup_(interval_freep) struct interval *all = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;

    if (results && totals_interval(results_totals(results), &all) < 0) {
        return NULL;
    }
    return interval_encode(all ? all : &none, &bytes, &size) == 0 &&
                   base64_encode(bytes, size, &text) == 0
               ? json_string(text)
               : NULL;
}

json_t *report_snapshot(const struct report *report)
{
    return json_pack("{so sI sI so so so}", "run", report_run(report, true), "number",
                     (json_int_t)report->number, "active_usec",
                     (json_int_t)report->row->active_usec, "names", names_of(report->results),
                     "overflows", overflows_of(report->results), "totals",
                     totals_of(report->results));
}

/* ---- over time ---- */

struct steps {
    json_t *list;
    uint64_t start, size, end;
};

struct latencies {
    json_t *buckets, *counts;
};

static void add_bucket(unsigned bucket, uint64_t count, void *context)
{
    struct latencies *latencies = context;

    (void)json_array_append_new(latencies->buckets, json_integer(bucket));
    (void)json_array_append_new(latencies->counts, json_integer((json_int_t)count));
}

static json_t *step_of(const struct timeline_step *step)
{
    const struct histogram *latency = step->latency;
    struct latencies latencies = {json_array(), json_array()};

    histogram_each(latency, add_bucket, &latencies);
    return json_pack("{sI sI sI sI sI sI sI sI sI so so sI sI sI sI}", "second",
                     (json_int_t)step->second, "seconds", (json_int_t)step->seconds, "hits",
                     (json_int_t)latency->count, "request_errors", (json_int_t)step->request_errors,
                     "sum_usec", (json_int_t)latency->sum_usec, "min_usec",
                     (json_int_t)latency->min_usec, "max_usec", (json_int_t)latency->max_usec,
                     "sent_bytes", (json_int_t)step->sent_bytes, "received_bytes",
                     (json_int_t)step->received_bytes, "buckets", latencies.buckets, "counts",
                     latencies.counts, "successes", (json_int_t)step->outcomes[OUTCOME_SUCCESS],
                     "failures", (json_int_t)step->outcomes[OUTCOME_FAILURE], "errors",
                     (json_int_t)step->outcomes[OUTCOME_ERROR], "interrupted",
                     (json_int_t)step->outcomes[OUTCOME_INTERRUPTED]);
}

static int add_step(const struct timeline_step *step, void *context)
{
    struct steps *steps = context;

    steps->end = (uint64_t)step->second + step->seconds;
    if (step->second < steps->start || step->second - steps->start >= steps->size) {
        return 0;
    }
    return json_array_append_new(steps->list, step_of(step)) < 0 ? -ENOMEM : 0;
}

json_t *report_timeline(const struct timeline *timeline, uint64_t start, uint64_t size)
{
    struct steps steps = {.list = json_array(), .start = start, .size = size};

    if (timeline && timeline_each(timeline, add_step, &steps) < 0) {
        json_decref(steps.list);
        return NULL;
    }
    return json_pack("{sI so}", "seconds", (json_int_t)steps.end, "steps", steps.list);
}

/* Adds to a count by name; what is 0 is left out unless `always`. */
static void add(json_t *counts, const char *name, int64_t count, bool always)
{
    json_int_t before = json_integer_value(json_object_get(counts, name));

    if (count != 0 || always) {
        (void)json_object_set_new(counts, name, json_integer(interval_add_counts(before, count)));
    }
}

json_t *report_counts(const struct report *report)
{
    static const struct totals nothing;
    const struct totals *totals = report->results ? results_totals(report->results) : &nothing;
    struct names *names = report->results ? results_names(report->results) : NULL;
    json_t *counts = json_object();
    uint64_t outcomes[OUTCOMES], iterations = 0;

    for (unsigned i = 0; i < OUTCOMES; i++) {
        outcomes[i] = totals_outcome(totals, i);
        iterations += outcomes[i];
    }
    add(counts, "add_hit", (int64_t)totals->hits, true);
    add(counts, "startTest", (int64_t)iterations, true);
    add(counts, "stopTest", (int64_t)iterations, true);
    add(counts, "addSuccess", (int64_t)outcomes[OUTCOME_SUCCESS], true);
    add(counts, "addFailure", (int64_t)outcomes[OUTCOME_FAILURE], true);
    add(counts, "addError", (int64_t)outcomes[OUTCOME_ERROR], true);
    add(counts, "request_error", (int64_t)totals->request_errors, false);
    add(counts, "interrupted", (int64_t)outcomes[OUTCOME_INTERRUPTED], false);
    for (unsigned id = 0; names && id < names_count(names, NAME_COUNTER); id++) {
        const char *name = names_text(names, NAME_COUNTER, id);
        name = strcmp(name, COUNTER_SOCKETS_OPENED) == 0     ? "socket_open"
               : strcmp(name, COUNTER_SOCKETS_CLOSED) == 0   ? "socket_close"
               : strcmp(name, COUNTER_SOCKETS_RECEIVED) == 0 ? "socket_message"
                                                             : name;
        add(counts, name, totals->counters[id], false);
    }
    return counts;
}

json_t *report_urls(const struct report *report)
{
    struct names *names = report->results ? results_names(report->results) : NULL;
    json_t *urls = json_object();
    char buffer[NAME_MAX_BYTES + 1];

    for (unsigned id = 0; names && id < names_count(names, NAME_SERIES); id++) {
        struct series_key key;
        series_key_parse(names_text(names, NAME_SERIES, id), buffer, &key);
        add(urls, key.name, (int64_t)results_totals(report->results)->series[id].latency.count,
            false);
    }
    return urls;
}

json_t *report_metadata(const struct report *report)
{
    const struct store_run *row = report->row;
    json_t *metadata =
        json_pack("{ss sb so*}", "run_id", row->run_id, "active",
                  (int)!run_state_is_over(run_state_of(row->state)), "options", spec_of(report));

    if (metadata) {
        set_known(metadata, "started", date(row->started_usec));
        set_known(metadata, "ended", date(row->finished_usec));
    }
    return metadata;
}

/* ---- how far it is ---- */

static unsigned current_cycle(const struct run *run)
{
    return run->begun > 0 ? run->begun - 1 : 0;
}

static double done_of(const struct run *run, uint64_t active_usec, uint64_t iterations)
{
    double total = run->spec->duration_usec > 0
                       ? (double)run->spec->duration_usec * run->cycles
                       : (double)cycles_iterations(run->spec) * run->n_agents;
    double done = run->spec->duration_usec > 0 ? (double)active_usec : (double)iterations;

    return total > 0 ? MIN(done / total, 1.0) : 0;
}

static json_t *lost_of(const struct run *run)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < run->n_members; i++) {
        if (run->members[i].lost) {
            (void)json_array_append_new(list, json_string(run->members[i].agent_id));
        }
    }
    return list;
}

/* What is left out when there is none: NULL. */
static json_t *last_error_of(const struct run *run, unsigned id)
{
    char line[LAST_ERROR_BYTES];

    if (id == 0) {
        return NULL;
    }
    error_key_line(names_text(results_names(run->results), NAME_ERROR, id), line, sizeof line);
    return json_string(line);
}

static void set_recent(json_t *live, const struct run *run, uint64_t now_usec)
{
    struct recent_numbers recent;
    json_t *trend = json_array();

    recent_look(results_recent(run->results),
                run->start_usec > 0 && now_usec > run->start_usec ? now_usec - run->start_usec : 0,
                &recent);
    for (unsigned i = 0; i < recent.n_trend; i++) {
        (void)json_array_append_new(trend, json_integer((json_int_t)recent.trend_usec[i]));
    }
    set_known(live, "recent",
              json_pack("{si sf sI sI sI so}", "seconds", RECENT_SEC, "hits_per_sec",
                        recent.hits_per_sec, "p50_usec", (json_int_t)recent.p50_usec, "p95_usec",
                        (json_int_t)recent.p95_usec, "p99_usec", (json_int_t)recent.p99_usec,
                        "p95_usec_by_second", trend));
    set_known(live, "last_error", last_error_of(run, recent.last_error));
}

json_t *report_live(const struct run *run, uint64_t now_usec)
{
    static const struct totals nothing;
    const struct totals *totals = run->results ? results_totals(run->results) : &nothing;
    uint64_t active_usec = run_active_usec(run, now_usec), outcomes[OUTCOMES], iterations = 0;
    unsigned users = cycles_at(run->spec, current_cycle(run)).users * run->n_agents;

    for (unsigned i = 0; i < OUTCOMES; i++) {
        outcomes[i] = totals_outcome(totals, i);
        iterations += outcomes[i];
    }
    json_t *live = json_pack(
        "{ss ss sI ss si si sI sI sf sI sI sI sI sI sI si so}", "data_type", "live", "run_id",
        run->run_id, "number", (json_int_t)run->number, "state", run_state_word(run->state),
        "cycle", (int)current_cycle(run), "cycles", (int)run->cycles, "users", (json_int_t)users,
        "elapsed_usec", (json_int_t)active_usec, "done", done_of(run, active_usec, iterations),
        "hits", (json_int_t)totals->hits, "request_errors", (json_int_t)totals->request_errors,
        "successes", (json_int_t)outcomes[OUTCOME_SUCCESS], "failures",
        (json_int_t)outcomes[OUTCOME_FAILURE], "errors", (json_int_t)outcomes[OUTCOME_ERROR],
        "interrupted", (json_int_t)outcomes[OUTCOME_INTERRUPTED], "agents", (int)run->n_agents,
        "lost", lost_of(run));
    if (live && run->results && results_recent(run->results)) {
        set_recent(live, run, now_usec);
    }
    return live;
}

json_t *report_agent(const struct agent *agent)
{
    return json_pack("{ss sI ss ss ss ss*}", "agent_id", agent->agent_id, "pid",
                     (json_int_t)agent->pid, "hostname", agent->hostname, "version", agent->version,
                     "state", agent_state(agent), "run_id",
                     agent->run_id[0] ? agent->run_id : NULL);
}
