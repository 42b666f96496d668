/* SPDX-License-Identifier: MPL-2.0 */
/* The whole summary as one JSON object, described by docs/schemas/summary.json. Unlike the text it
 * leaves nothing out and rounds nothing. What isn't known has no key; nothing is ever null.
 *
 * The object is built with one function per part. In them a failed allocation needs no branch of
 * its own: jansson's setters take NULL for a failure and free what they were given, so each result
 * is only collected in `builder.failed`. */
#include "report/summary_json.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/shown.h"
#include "base/utf8.h"

struct builder {
    bool failed; /* there was no memory for something */
};

/* ---- values ---- */

static void set(struct builder *b, json_t *object, const char *key, json_t *value)
{
    b->failed = json_object_set_new(object, key, value) < 0 || b->failed;
}

static void append(struct builder *b, json_t *array, json_t *value)
{
    b->failed = json_array_append_new(array, value) < 0 || b->failed;
}

static void set_count(struct builder *b, json_t *object, const char *key, uint64_t value)
{
    set(b, object, key, json_integer((json_int_t)MIN(value, (uint64_t)INT64_MAX)));
}

json_t *json_text(const char *text, size_t size)
{
    static const size_t growth = sizeof UTF8_REPLACEMENT - 1;
    size_t used = 0;

    if (utf8_valid(text, size)) {
        return json_stringn(text, size);
    }
    _cleanup_free_ char *clean = malloc(size * growth);
    if (!clean) {
        return NULL;
    }
    for (size_t i = 0; i < size;) {
        uint32_t character;
        size_t length = utf8_character(text + i, size - i, &character);
        const char *from = length > 0 ? text + i : UTF8_REPLACEMENT;
        memcpy(clean + used, from, length > 0 ? length : growth);
        used += length > 0 ? length : growth;
        i += length > 0 ? length : 1;
    }
    return json_stringn(clean, used);
}

static json_t *text_value(const char *text)
{
    return json_text(text, strlen(text));
}

static void set_text(struct builder *b, json_t *object, const char *key, const char *text)
{
    if (text) {
        set(b, object, key, text_value(text));
    }
}

/* A URL without its secrets. */
static void set_url(struct builder *b, json_t *object, const char *key, const char *url)
{
    _cleanup_free_ char *shown = url ? shown_url_copy(url) : NULL;

    if (url) {
        set(b, object, key, shown ? text_value(shown) : NULL);
    }
}

static void set_texts(struct builder *b, json_t *object, const char *key,
                      const struct strlist *list)
{
    if (list) {
        json_t *array = json_array();
        for (size_t i = 0; i < list->count; i++) {
            append(b, array, text_value(list->items[i]));
        }
        set(b, object, key, array);
    }
}

static void set_date(struct builder *b, json_t *object, const char *key, uint64_t realtime_usec)
{
    char text[CLOCK_TEXT_BYTES];
    if (realtime_usec > 0) {
        set(b, object, key, json_string(clock_format_iso(realtime_usec, text)));
    }
}

/* ---- parts ---- */

static json_t *numbers_value(struct builder *b, const struct number_list *list)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < list->count; i++) {
        append(b, array, json_integer(list->values[i]));
    }
    return array;
}

static json_t *options_value(struct builder *b, const struct run_spec *spec)
{
    json_t *options = json_object(), *tags = json_array();

    set_text(b, options, "fqn", spec->url ? NULL : run_spec_tests(spec));
    set_url(b, options, "url", spec->url);
    set(b, options, "users", numbers_value(b, &spec->users));
    if (spec->duration_usec > 0) {
        set_count(b, options, "duration_usec", spec->duration_usec);
    } else {
        set(b, options, "hits", numbers_value(b, &spec->hits));
    }
    set_count(b, options, "grace_usec", spec->grace_usec);
    set_count(b, options, "http_timeout_usec", spec->http_timeout_usec);
    if (spec->seed > 0) {
        set_count(b, options, "seed", spec->seed);
    }
    set_text(b, options, "pace", spec->pace);
    set_url(b, options, "server_url", spec->server_url);
    set_text(b, options, "project_name", spec->project_name);
    set_text(b, options, "user_id", spec->user_id);
    for (size_t i = 0; i < spec->tags.count; i++) {
        append(b, tags, text_value(spec->tags.items[i]));
    }
    set(b, options, "tags", tags);
    return options;
}

/* There are no latencies without hits: a percentile of nothing isn't 0. */
static void set_latency(struct builder *b, json_t *object, uint64_t hits,
                        const struct summary_latency *latency)
{
    if (hits == 0) {
        return;
    }
    json_t *value = json_object();
    set_count(b, value, "min_usec", latency->min_usec);
    set(b, value, "average_usec", json_real(latency->average_usec));
    set_count(b, value, "p50_usec", latency->p50_usec);
    set_count(b, value, "p90_usec", latency->p90_usec);
    set_count(b, value, "p95_usec", latency->p95_usec);
    set_count(b, value, "p99_usec", latency->p99_usec);
    set_count(b, value, "p999_usec", latency->p999_usec);
    set_count(b, value, "max_usec", latency->max_usec);
    set(b, object, "latency", value);
}

static json_t *name_value(struct builder *b, const struct summary_name *name)
{
    json_t *value = json_object(), *statuses = json_array();

    set_text(b, value, "test", name->test);
    set_text(b, value, "method", name->method);
    set_text(b, value, "name", name->name);
    set_count(b, value, "hits", name->hits);
    set_count(b, value, "request_errors", name->errors);
    set_count(b, value, "good", name->good);
    set(b, value, "success_rate", json_real(name->success_rate));
    set(b, value, "hits_per_sec", json_real(name->hits_per_sec));
    set_count(b, value, "sent_bytes", name->sent_bytes);
    set_count(b, value, "received_bytes", name->received_bytes);
    set_latency(b, value, name->hits, &name->latency);
    for (size_t i = 0; i < name->n_statuses; i++) {
        json_t *status = json_object();
        set_count(b, status, "status", name->statuses[i].status);
        set_count(b, status, "hits", name->statuses[i].hits);
        append(b, statuses, status);
    }
    set(b, value, "statuses", statuses);
    return value;
}

static json_t *slowest_value(struct builder *b, const struct summary_name *name)
{
    json_t *value = json_object();
    set_text(b, value, "test", name->test);
    set_text(b, value, "method", name->method);
    set_text(b, value, "name", name->name);
    set(b, value, "average_usec", json_real(name->latency.average_usec));
    return value;
}

static json_t *error_value(struct builder *b, const struct summary_error *error)
{
    json_t *value = json_object();
    set(b, value, "kind", json_string(error->kind == ERROR_KIND_FAILURE ? "failure" : "error"));
    set_text(b, value, "class", error->class);
    set_text(b, value, "message", error->message);
    set_text(b, value, "place", error->place);
    set_text(b, value, "test", error->test);
    set_text(b, value, "traceback", error->traceback);
    set_count(b, value, "count", error->count);
    return value;
}

static void set_outcomes(struct builder *b, json_t *object, uint64_t successes, uint64_t errors,
                         uint64_t failures, uint64_t interrupted)
{
    set_count(b, object, "successes", successes);
    set_count(b, object, "errors", errors);
    set_count(b, object, "failures", failures);
    set_count(b, object, "interrupted", interrupted);
}

static json_t *test_value(struct builder *b, const struct summary_test *test)
{
    json_t *value = json_object();
    set_text(b, value, "test", test->name);
    set_outcomes(b, value, test->outcomes[OUTCOME_SUCCESS], test->outcomes[OUTCOME_ERROR],
                 test->outcomes[OUTCOME_FAILURE], test->outcomes[OUTCOME_INTERRUPTED]);
    return value;
}

static json_t *counter_value(struct builder *b, const struct summary_counter *counter)
{
    json_t *value = json_object();
    set_text(b, value, "name", counter->name);
    set(b, value, "count", json_integer(counter->count));
    return value;
}

static json_t *timer_value(struct builder *b, const struct summary_timer *timer)
{
    json_t *value = json_object();
    if (timer->kind != TIMER_PHASE) {
        set_text(b, value, "test", timer->test);
    }
    set_text(b, value, "name", timer->name);
    set_count(b, value, "count", timer->count);
    if (timer->kind != TIMER_PHASE) {
        set_count(b, value, "errors", timer->errors);
    }
    set_latency(b, value, timer->count, &timer->time);
    return value;
}

/* ---- the whole ---- */

static json_t *usage_value(struct builder *b, const struct output_usage *usage)
{
    json_t *value = json_object();

    set_text(b, value, "agent", usage->agent);
    if (usage->cpu_usec > 0) {
        set_count(b, value, "cpu_usec", usage->cpu_usec);
    }
    if (usage->memory_peak_bytes > 0) {
        set_count(b, value, "memory_peak_bytes", usage->memory_peak_bytes);
    }
    return value;
}

json_t *json_threshold(const struct threshold_result *result)
{
    json_t *value = json_object();
    struct builder b = {0};

    set_text(&b, value, "threshold", result->text);
    set(&b, value, "holds", json_boolean(result->holds));
    set_text(&b, value, "value", result->shown[0] ? result->shown : NULL);
    if (result->has_value) {
        set(&b, value, "measured", json_real(result->value));
    }
    if (result->unit) {
        set(&b, value, "bound", json_real(result->bound));
        set(&b, value, "unit", json_string(result->unit));
        set(&b, value, "stop", json_boolean(result->stop));
    }
    if (result->has_broken_sec) {
        set_count(&b, value, "broken_sec", result->broken_sec);
    }
    if (b.failed) {
        json_decref(value);
        return NULL;
    }
    return value;
}

static void set_thresholds(struct builder *b, json_t *object, const struct output_run *run)
{
    json_t *list = json_array();

    for (size_t i = 0; i < run->n_thresholds; i++) {
        append(b, list, json_threshold(&run->thresholds[i]));
    }
    set(b, object, "thresholds", list);
}

static void set_run(struct builder *b, json_t *object, const struct output_run *run,
                    const struct summary *summary)
{
    set(b, object, "loads_version", json_string(LOADS_VERSION));
    set_text(b, object, "run_id", run->spec->run_id);
    set_text(b, object, "outcome", run->outcome);
    set_text(b, object, "trouble", run->trouble);
    set_text(b, object, "stopped_for", run->stopped_for);
    set_thresholds(b, object, run);
    set_date(b, object, "started", run->started_usec);
    set_date(b, object, "ended", run->ended_usec);
    set_count(b, object, "duration_usec", (uint64_t)(summary->duration_sec * 1e6 + 0.5));
    if (run->workers > 0) {
        set_count(b, object, "workers", run->workers);
    }
    set_texts(b, object, "agents", run->agents);
    set_texts(b, object, "lost", run->lost);
    if (run->n_usage > 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < run->n_usage; i++) {
            append(b, list, usage_value(b, &run->usage[i]));
        }
        set(b, object, "usage", list);
    }
    set(b, object, "options", options_value(b, run->spec));
}

static json_t *sockets_value(struct builder *b, const struct summary_sockets *sockets)
{
    json_t *object = json_object();

    set(b, object, "opened", json_integer(sockets->opened));
    set(b, object, "closed", json_integer(sockets->closed));
    set(b, object, "sent", json_integer(sockets->sent));
    set(b, object, "sent_bytes", json_integer(sockets->sent_bytes));
    set(b, object, "received", json_integer(sockets->received));
    set(b, object, "received_bytes", json_integer(sockets->received_bytes));
    return object;
}

static void set_numbers(struct builder *b, json_t *object, const struct summary *summary)
{
    json_t *iterations = json_object(), *other = json_object();

    set_count(b, object, "hits", summary->hits);
    set_count(b, object, "request_errors", summary->request_errors);
    set(b, object, "hits_per_sec", json_real(summary->hits_per_sec));
    set_count(b, object, "sent_bytes", summary->sent_bytes);
    set_count(b, object, "received_bytes", summary->received_bytes);
    set_outcomes(b, iterations, summary->successes, summary->errors, summary->failures,
                 summary->interrupted);
    set(b, object, "iterations", iterations);
    set_latency(b, object, summary->hits, &summary->latency);
    set(b, object, "web_sockets", sockets_value(b, &summary->sockets));
    if (summary->slowest) {
        set(b, object, "slowest", slowest_value(b, summary->slowest));
    }
    set_count(b, other, "series", summary->other_series);
    set_count(b, other, "errors", summary->other_errors);
    set_count(b, other, "counters", summary->other_counters);
    set_count(b, other, "timers", summary->other_timers);
    set(b, object, "other", other);
}

static void set_lists(struct builder *b, json_t *object, const struct summary *summary)
{
    json_t *names = json_array(), *tests = json_array();
    json_t *errors = json_array(), *counters = json_array();
    json_t *lists[TIMER_KINDS] = {
        [TIMER_TRANSACTION] = json_array(),
        [TIMER_ROUND_TRIP] = json_array(),
        [TIMER_PHASE] = json_array(),
    };

    for (size_t i = 0; i < summary->n_names; i++) {
        append(b, names, name_value(b, &summary->names[i]));
    }
    for (size_t i = 0; i < summary->n_tests; i++) {
        append(b, tests, test_value(b, &summary->tests[i]));
    }
    for (size_t i = 0; i < summary->n_failures_and_errors; i++) {
        append(b, errors, error_value(b, &summary->failures_and_errors[i]));
    }
    for (size_t i = 0; i < summary->n_counters; i++) {
        append(b, counters, counter_value(b, &summary->counters[i]));
    }
    for (size_t i = 0; i < summary->n_timers; i++) {
        append(b, lists[summary->timers[i].kind], timer_value(b, &summary->timers[i]));
    }
    set(b, object, "names", names);
    set(b, object, "phases", lists[TIMER_PHASE]);
    set(b, object, "transactions", lists[TIMER_TRANSACTION]);
    set(b, object, "round_trips", lists[TIMER_ROUND_TRIP]);
    set(b, object, "tests", tests);
    set(b, object, "errors", errors);
    set(b, object, "counters", counters);
}

json_t *json_summary(const struct output_run *run, const struct summary *summary)
{
    json_t *object = json_object();
    struct builder b = {0};

    set_run(&b, object, run, summary);
    set_numbers(&b, object, summary);
    set_lists(&b, object, summary);
    if (b.failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* Measured before: json_dumps() of jansson 2.14 leaves out a key without a word when its buffer
 * can't grow just there. */
int summary_json_text(const json_t *object, size_t flags, char **ret, size_t *ret_size)
{
    size_t all = flags | SUMMARY_JSON_FLAGS, size = json_dumpb(object, NULL, 0, all);
    _cleanup_free_ char *text = size > 0 ? malloc(size + 1) : NULL;

    if (!text || json_dumpb(object, text, size, all) != size) {
        return -ENOMEM;
    }
    text[size] = '\0';
    *ret = TAKE_PTR(text);
    *ret_size = size;
    return 0;
}
