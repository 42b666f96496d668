/* SPDX-License-Identifier: MPL-2.0 */
/* The final numbers in Prometheus' text exposition format, for a node exporter's directory or a
 * push gateway. Names follow Prometheus' own advice: base units (seconds, bytes), `_total` for what
 * was counted. Percentiles are a summary's quantiles, those of the other outputs.
 *
 * Every metric is a function that writes its lines, since all lines of one must stand together. */
#include <inttypes.h>
#include <string.h>

#include "base/shown.h"
#include "base/utf8.h"
#include "outputs/types.h"

struct writer {
    FILE *file; /* failures stay with it */
    const char *prefix;
    const struct output_run *run;
    const struct summary *summary;
    unsigned labels; /* of the line that is being written */
};

/* ---- lines ---- */

static void put_head(struct writer *w, const char *name, const char *type, const char *help)
{
    (void)fprintf(w->file, "# HELP %s%s %s\n# TYPE %s%s %s\n", w->prefix, name, help, w->prefix,
                  name, type);
}

static void start(struct writer *w, const char *name)
{
    w->labels = 0;
    (void)fprintf(w->file, "%s%s", w->prefix, name);
}

/* A text from outside. Only '\n', '"' and '\\' have an escape; other controls are no text. */
static void put_value(FILE *file, const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size;) {
        uint32_t character = 0;
        size_t length = utf8_character(text + i, size - i, &character);
        bool is_text = length > 0 && character >= ' ' && (character < 0x7f || character > 0x9f);
        if (length > 0 && character == '\n') {
            (void)fputs("\\n", file);
        } else if (!is_text) {
            (void)fputs(UTF8_REPLACEMENT, file);
        } else if (character == '"' || character == '\\') {
            (void)fprintf(file, "\\%c", (int)character);
        } else {
            (void)fwrite(text + i, 1, length, file);
        }
        i += MAX(length, (size_t)1);
    }
}

static void put_label(struct writer *w, const char *name, const char *value)
{
    (void)fprintf(w->file, "%c%s=\"", w->labels++ == 0 ? '{' : ',', name);
    put_value(w->file, value);
    (void)fputc('"', w->file);
}

static void end_labels(struct writer *w)
{
    (void)fputs(w->labels > 0 ? "} " : " ", w->file);
}

static void finish(struct writer *w, uint64_t value)
{
    end_labels(w);
    (void)fprintf(w->file, "%" PRIu64 "\n", value);
}

static void finish_signed(struct writer *w, int64_t value)
{
    end_labels(w);
    (void)fprintf(w->file, "%" PRId64 "\n", value);
}

static void finish_real(struct writer *w, double value)
{
    end_labels(w);
    (void)fprintf(w->file, "%.15g\n", value);
}

static void put_single(struct writer *w, const char *name, const char *type, const char *help,
                       double value)
{
    put_head(w, name, type, help);
    start(w, name);
    finish_real(w, value);
}

/* ---- the run ---- */

static void put_run(struct writer *w)
{
    const struct run_spec *spec = w->run->spec;
    char shown[SHOWN_BYTES];

    put_head(w, "run_info", "gauge", "What the run was; always 1.");
    start(w, "run_info");
    put_label(w, "run_id", spec->run_id);
    put_label(w, "name", spec->url ? shown_url(spec->url, shown) : run_spec_tests(spec));
    put_label(w, "outcome", w->run->outcome ? w->run->outcome : "");
    put_label(w, "project", spec->project_name ? spec->project_name : "");
    put_label(w, "version", LOADS_VERSION);
    finish(w, 1);
    put_single(w, "run_started_timestamp_seconds", "gauge", "When the first cycle began.",
               (double)w->run->started_usec / 1e6);
    put_single(w, "run_ended_timestamp_seconds", "gauge", "When the run was over.",
               (double)w->run->ended_usec / 1e6);
    put_single(w, "run_duration_seconds", "gauge", "What the cycles took.",
               w->summary->duration_sec);
    put_single(w, "run_passed", "gauge", "1 if the run passed, else 0.",
               w->run->outcome && strcmp(w->run->outcome, "passed") == 0);
    put_single(w, "hits_per_second", "gauge", "Hits in a second, on average.",
               w->summary->hits_per_sec);
}

/* ---- requests ---- */

static void label_name(struct writer *w, const struct summary_name *name)
{
    put_label(w, "test", name->test);
    put_label(w, "method", name->method);
    put_label(w, "name", name->name);
}

static void put_hits(struct writer *w)
{
    put_head(w, "hits_total", "counter", "Requests with a complete answer.");
    for (size_t i = 0; i < w->summary->n_names; i++) {
        const struct summary_name *name = &w->summary->names[i];
        for (size_t j = 0; j < name->n_statuses; j++) {
            char status[16] = "";
            if (name->statuses[j].status > 0) { /* what is in "(other)" has none */
                (void)snprintf(status, sizeof status, "%u", name->statuses[j].status);
            }
            start(w, "hits_total");
            label_name(w, name);
            put_label(w, "status", status);
            finish(w, name->statuses[j].hits);
        }
    }
}

static void put_by_name(struct writer *w, const char *metric, const char *help, size_t offset)
{
    put_head(w, metric, "counter", help);
    for (size_t i = 0; i < w->summary->n_names; i++) {
        const struct summary_name *name = &w->summary->names[i];
        start(w, metric);
        label_name(w, name);
        finish(w, *(const uint64_t *)((const char *)name + offset));
    }
}

/* What a summary is of; an array of them ends with one without a name. */
struct label {
    const char *name, *value;
};

static void start_labelled(struct writer *w, const char *metric, const struct label *labels)
{
    start(w, metric);
    for (; labels->name; labels++) {
        put_label(w, labels->name, labels->value);
    }
}

static void put_summary(struct writer *w, const char *metric, const struct label *labels,
                        uint64_t count, const struct summary_latency *latency)
{
    const struct {
        const char *quantile;
        uint64_t usec;
    } quantiles[] = {
        {"0.5", latency->p50_usec},  {"0.9", latency->p90_usec},    {"0.95", latency->p95_usec},
        {"0.99", latency->p99_usec}, {"0.999", latency->p999_usec}, {"1", latency->max_usec},
    };
    char part[64];

    for (size_t i = 0; count > 0 && i < ELEMENTSOF(quantiles); i++) {
        start_labelled(w, metric, labels);
        put_label(w, "quantile", quantiles[i].quantile);
        finish_real(w, (double)quantiles[i].usec / 1e6);
    }
    (void)snprintf(part, sizeof part, "%s_sum", metric);
    start_labelled(w, part, labels);
    finish_real(w, latency->average_usec * (double)count / 1e6);
    (void)snprintf(part, sizeof part, "%s_count", metric);
    start_labelled(w, part, labels);
    finish(w, count);
}

static void put_latencies(struct writer *w)
{
    put_head(w, "latency_seconds", "summary", "Latencies of hits.");
    put_summary(w, "latency_seconds", &(struct label){NULL, NULL}, w->summary->hits,
                &w->summary->latency);
    put_head(w, "request_latency_seconds", "summary", "Latencies of hits, by name of the request.");
    for (size_t i = 0; i < w->summary->n_names; i++) {
        const struct summary_name *name = &w->summary->names[i];
        const struct label labels[] = {
            {"test", name->test}, {"method", name->method}, {"name", name->name}, {NULL, NULL}};
        put_summary(w, "request_latency_seconds", labels, name->hits, &name->latency);
    }
}

static void put_requests(struct writer *w)
{
    put_hits(w);
    put_by_name(w, "request_errors_total", "Requests without a complete answer.",
                offsetof(struct summary_name, errors));
    put_by_name(w, "sent_bytes_total", "Bytes that were sent.",
                offsetof(struct summary_name, sent_bytes));
    put_by_name(w, "received_bytes_total", "Bytes that were received.",
                offsetof(struct summary_name, received_bytes));
    put_latencies(w);
}

/* ---- what was timed beside them ---- */

static const struct {
    const char *metric, *help, *errors; /* NULL: nothing ends one */
} timers[TIMER_KINDS] = {
    [TIMER_PHASE] = {"phase_seconds", "What latencies of hits were spent on, by part.", NULL},
    [TIMER_TRANSACTION] = {"transaction_seconds", "Times of transactions.",
                           "transaction_errors_total"},
    [TIMER_ROUND_TRIP] = {"round_trip_seconds", "Times of round trips of web sockets.",
                          "round_trip_errors_total"},
};

static void put_timer(struct writer *w, const struct summary_timer *timer)
{
    const struct label of_phase[] = {{"phase", timer->name}, {NULL, NULL}},
                       of_test[] = {{"test", timer->test}, {"name", timer->name}, {NULL, NULL}};

    put_summary(w, timers[timer->kind].metric, timer->kind == TIMER_PHASE ? of_phase : of_test,
                timer->count, &timer->time);
}

static void put_timer_errors(struct writer *w, enum timer_kind kind)
{
    put_head(w, timers[kind].errors, "counter", "How often a failure or an error ended one.");
    for (size_t i = 0; i < w->summary->n_timers; i++) {
        const struct summary_timer *timer = &w->summary->timers[i];
        if (timer->kind == kind) {
            start(w, timers[kind].errors);
            put_label(w, "test", timer->test);
            put_label(w, "name", timer->name);
            finish(w, timer->errors);
        }
    }
}

static void put_timers(struct writer *w)
{
    for (unsigned kind = 0; kind < TIMER_KINDS; kind++) {
        put_head(w, timers[kind].metric, "summary", timers[kind].help);
        for (size_t i = 0; i < w->summary->n_timers; i++) {
            if (w->summary->timers[i].kind == kind) {
                put_timer(w, &w->summary->timers[i]);
            }
        }
        if (timers[kind].errors) {
            put_timer_errors(w, kind);
        }
    }
}

/* ---- thresholds ---- */

/* Who gives one twice finds both: their numbers differ. */
static void start_threshold(struct writer *w, const char *metric, size_t i)
{
    char number[24];

    (void)snprintf(number, sizeof number, "%zu", i + 1);
    start(w, metric);
    put_label(w, "number", number);
    put_label(w, "threshold", w->run->thresholds[i].text);
}

static void put_threshold_number(struct writer *w, const char *metric, size_t i, double value)
{
    const struct threshold_result *result = &w->run->thresholds[i];
    const struct {
        const char *unit, *shown;
        double divisor;
    } units[] = {{"usec", "seconds", 1e6},
                 {"share", "ratio", 1},
                 {"hits_per_sec", "hits_per_second", 1},
                 {"count", "count", 1}};

    for (size_t j = 0; j < ELEMENTSOF(units); j++) {
        if (strcmp(units[j].unit, result->unit) == 0) {
            start_threshold(w, metric, i);
            put_label(w, "unit", units[j].shown);
            finish_real(w, value / units[j].divisor);
        }
    }
}

static void put_thresholds(struct writer *w)
{
    const struct output_run *run = w->run;

    put_head(w, "threshold_holds", "gauge", "1 if it does, else 0.");
    for (size_t i = 0; i < run->n_thresholds; i++) {
        const struct threshold_result *result = &run->thresholds[i];
        start_threshold(w, "threshold_holds", i);
        put_label(w, "stop", result->stop ? "yes" : "no");
        put_label(w, "judged_by", run->agents ? "broker" : "runner");
        finish(w, result->holds);
    }
    put_head(w, "threshold_measured", "gauge", "What was measured; its label says in what.");
    for (size_t i = 0; i < run->n_thresholds; i++) {
        if (run->thresholds[i].has_value && run->thresholds[i].unit) {
            put_threshold_number(w, "threshold_measured", i, run->thresholds[i].value);
        }
    }
    put_head(w, "threshold_bound", "gauge", "What that is compared with.");
    for (size_t i = 0; i < run->n_thresholds; i++) {
        if (run->thresholds[i].unit) {
            put_threshold_number(w, "threshold_bound", i, run->thresholds[i].bound);
        }
    }
    put_head(w, "threshold_broken_seconds", "gauge", "When in the run it was seen to break.");
    for (size_t i = 0; i < run->n_thresholds; i++) {
        if (run->thresholds[i].has_broken_sec) {
            start_threshold(w, "threshold_broken_seconds", i);
            finish(w, run->thresholds[i].broken_sec);
        }
    }
}

/* ---- tests ---- */

static void put_tests(struct writer *w)
{
    static const char *const outcomes[OUTCOMES] = {
        [OUTCOME_SUCCESS] = "success",
        [OUTCOME_FAILURE] = "failure",
        [OUTCOME_ERROR] = "error",
        [OUTCOME_INTERRUPTED] = "interrupted",
    };

    put_head(w, "iterations_total", "counter", "Executions of the tests.");
    for (size_t i = 0; i < w->summary->n_tests; i++) {
        const struct summary_test *test = &w->summary->tests[i];
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            start(w, "iterations_total");
            put_label(w, "test", test->name);
            put_label(w, "outcome", outcomes[outcome]);
            finish(w, test->outcomes[outcome]);
        }
    }
}

static bool alike(const struct summary_error *a, const struct summary_error *b)
{
    return a->kind == b->kind && strcmp(a->class, b->class) == 0 && strcmp(a->test, b->test) == 0;
}

/* By class only: texts of errors would make a series each, and a run is not where they are read. */
static void put_errors(struct writer *w)
{
    const struct summary_error *errors = w->summary->failures_and_errors;
    size_t n = w->summary->n_failures_and_errors;

    put_head(w, "errors_total", "counter", "Errors and failures, by their class.");
    for (size_t i = 0; i < n; i++) {
        uint64_t count = 0;
        bool is_first = true;
        for (size_t j = 0; j < n; j++) {
            is_first = is_first && (j >= i || !alike(&errors[j], &errors[i]));
            count += alike(&errors[j], &errors[i]) ? errors[j].count : 0;
        }
        if (is_first) {
            start(w, "errors_total");
            put_label(w, "kind", errors[i].kind == ERROR_KIND_FAILURE ? "failure" : "error");
            put_label(w, "class", errors[i].class);
            put_label(w, "test", errors[i].test);
            finish(w, count);
        }
    }
}

static void put_counters(struct writer *w)
{
    put_head(w, "counter", "gauge", "Counters of the tests' own, which may go down.");
    for (size_t i = 0; i < w->summary->n_counters; i++) {
        start(w, "counter");
        put_label(w, "name", w->summary->counters[i].name);
        finish_signed(w, w->summary->counters[i].count);
    }
}

static void put_sockets(struct writer *w)
{
    const struct summary_sockets *sockets = &w->summary->sockets;

    put_single(w, "web_sockets_opened_total", "counter", "Web sockets that were opened.",
               (double)sockets->opened);
    put_single(w, "web_sockets_sent_messages_total", "counter", "Messages that they sent.",
               (double)sockets->sent);
    put_single(w, "web_sockets_received_messages_total", "counter", "Messages that they received.",
               (double)sockets->received);
    put_single(w, "web_sockets_sent_bytes_total", "counter", "Bytes of those sent.",
               (double)sockets->sent_bytes);
    put_single(w, "web_sockets_received_bytes_total", "counter", "Bytes of those received.",
               (double)sockets->received_bytes);
}

static void put_usage(struct writer *w)
{
    put_head(w, "agent_cpu_seconds", "gauge", "Processor time of the run's processes on an agent.");
    for (size_t i = 0; i < w->run->n_usage; i++) {
        if (w->run->usage[i].cpu_usec > 0) { /* it is known */
            start(w, "agent_cpu_seconds");
            put_label(w, "agent", w->run->usage[i].agent);
            finish_real(w, (double)w->run->usage[i].cpu_usec / 1e6);
        }
    }
    put_head(w, "agent_memory_peak_bytes", "gauge", "The most memory they had at a time.");
    for (size_t i = 0; i < w->run->n_usage; i++) {
        if (w->run->usage[i].memory_peak_bytes > 0) {
            start(w, "agent_memory_peak_bytes");
            put_label(w, "agent", w->run->usage[i].agent);
            finish(w, w->run->usage[i].memory_peak_bytes);
        }
    }
}

int prometheus_end(struct output *output, const struct output_run *run,
                   const struct summary *summary, struct error *error)
{
    const char *given = output->options ? output->options->prometheus_prefix : NULL;
    struct writer writer = {
        .file = output->file,
        .prefix = given ? given : "loads_",
        .run = run,
        .summary = summary,
    };

    put_run(&writer);
    put_requests(&writer);
    put_timers(&writer);
    if (run->n_thresholds > 0) {
        put_thresholds(&writer);
    }
    put_tests(&writer);
    put_errors(&writer);
    put_counters(&writer);
    put_sockets(&writer);
    if (run->n_usage > 0) {
        put_usage(&writer);
    }
    return output_check(output, error);
}
