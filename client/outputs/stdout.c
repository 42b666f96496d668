/* SPDX-License-Identifier: MPL-2.0 */
/* The summary for a person, in 80 columns. The lines up to "Failures" are what other programs read,
 * too: they stay as they are, and whatever else there is to say comes behind them.
 *
 * Writing isn't checked call by call: a failure stays with the stream, and output_end() looks
 * there. */
#include "outputs/stdout.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/figure.h"
#include "outputs/text.h"
#include "outputs/types.h"

#define MAX_ROWS        20
#define NAME_COLUMNS    36 /* the table is 80 wide */
#define COUNTER_COLUMNS 60
#define URL_COLUMNS     300

/* ---- what programs read ---- */

static void put_head(FILE *file, const struct output_run *run, const struct summary *summary)
{
    char started[CLOCK_TEXT_BYTES];

    (void)fprintf(file, "Hits: %" PRIu64 "\n", summary->hits);
    (void)fprintf(file, "Started: %s\n", clock_format_local(run->started_usec, started));
    (void)fprintf(file, "Duration: %.2f seconds\n", summary->duration_sec);
    (void)fprintf(file, "Approximate Average RPS: %.0f\n", summary->hits_per_sec);
    (void)fprintf(file, "Average request time: %.2fs\n", summary->latency.average_usec / 1e6);
    (void)fprintf(file, "Opened web sockets: %" PRId64 "\n", summary->sockets.opened);
    (void)fprintf(file, "Bytes received via web sockets : %" PRId64 "\n\n",
                  summary->sockets.received_bytes);
    (void)fprintf(file, "Success: %" PRIu64 "\n", summary->successes);
    (void)fprintf(file, "Errors: %" PRIu64 "\n", summary->errors);
    (void)fprintf(file, "Failures: %" PRIu64 "\n", summary->failures);
    if (summary->interrupted > 0) {
        (void)fprintf(file, "Interrupted: %" PRIu64 "\n", summary->interrupted);
    }
}

/* ---- how it ended, when not as planned ---- */

static void put_lost(FILE *file, const struct output_run *run)
{
    if (!run->lost || run->lost->count == 0) {
        return;
    }
    (void)fprintf(file, "\n%zu of %zu agents %s lost:\n", run->lost->count, run->agents->count,
                  run->lost->count == 1 ? "was" : "were");
    for (size_t i = 0; i < run->lost->count; i++) {
        text_put_lines(file, run->lost->items[i], 2, URL_COLUMNS, 1);
    }
}

static void put_end(FILE *file, const struct output_run *run)
{
    put_lost(file, run);
    if (run->stopped_for) {
        (void)fputs("\nThe run was stopped, as this did not hold:\n", file);
        text_put_lines(file, run->stopped_for, 2, URL_COLUMNS, 1);
    }
    if (run->trouble && run->outcome && strcmp(run->outcome, "lost") == 0) {
        text_put_lines(file, run->trouble, 2, URL_COLUMNS, MAX_ROWS);
    } else if (run->trouble) {
        (void)fputs("\nThe run was given up:\n", file);
        text_put_lines(file, run->trouble, 2, URL_COLUMNS, MAX_ROWS);
    } else if (run->outcome && strcmp(run->outcome, "interrupted") == 0) {
        (void)fputs("\nThe run was interrupted before its end.\n", file);
    } else if (run->outcome && strcmp(run->outcome, "aborted") == 0) {
        (void)fputs("\nThe run was given up.\n", file);
    }
}

/* ---- latencies ---- */

/* A number at the right of a column. printf() counts bytes, and "µ" has two. */
static void put_right(FILE *file, const char *text, unsigned columns)
{
    size_t used = text_columns(text, strlen(text));
    (void)fprintf(file, "%*s%s", used < columns ? (int)(columns - used) : 1, "", text);
}

static void put_right_usec(FILE *file, double usec, unsigned columns)
{
    char text[TEXT_NUMBER_BYTES];
    put_right(file, figure_usec(usec, text), columns);
}

static void put_latency(FILE *file, const struct summary *summary)
{
    const struct summary_latency *latency = &summary->latency;
    const struct {
        const char *title;
        uint64_t usec;
    } columns[] = {
        {"50 %", latency->p50_usec}, {"90 %", latency->p90_usec},    {"95 %", latency->p95_usec},
        {"99 %", latency->p99_usec}, {"99.9 %", latency->p999_usec}, {"max", latency->max_usec},
    };

    (void)fprintf(file, "\n%-8s", "Latency");
    for (size_t i = 0; i < ELEMENTSOF(columns); i++) {
        put_right(file, columns[i].title, 10);
    }
    (void)fprintf(file, "\n%-8s", "");
    for (size_t i = 0; i < ELEMENTSOF(columns); i++) {
        put_right_usec(file, (double)columns[i].usec, 10);
    }
    (void)fputc('\n', file);
}

static void put_slowest(FILE *file, const struct summary_name *slowest)
{
    char average[TEXT_NUMBER_BYTES];

    (void)fputs("\nSlowest URL: ", file);
    (void)text_put(file, slowest->name, strlen(slowest->name), URL_COLUMNS);
    (void)fprintf(file, " (%s on average)\n", figure_usec(slowest->latency.average_usec, average));
}

/* Requests that are in no latency, and why there is none. */
static void put_unanswered(FILE *file, const struct summary *summary)
{
    if (summary->hits == 0 && summary->request_errors == 0) {
        (void)fputs("\nNo request got an answer, so there are no latencies.\n", file);
    } else if (summary->hits == 0) {
        (void)fprintf(file,
                      "\nNone of %" PRIu64 " requests got a complete answer, so there are no "
                      "latencies.\n",
                      summary->request_errors);
    } else if (summary->request_errors > 0) {
        (void)fprintf(file, "\nRequests without a complete answer: %" PRIu64 "\n",
                      summary->request_errors);
    }
}

/* ---- tables ---- */

/* "GET http://…", and the test in front when there are several. */
static void put_label(FILE *file, const struct summary *summary, const char *test,
                      const char *method, const char *name)
{
    char label[2 * NAME_MAX_BYTES];

    (void)snprintf(label, sizeof label, "%s%s%s%s%s", summary->n_tests > 1 ? test : "",
                   summary->n_tests > 1 && test[0] ? ": " : "", method, method[0] ? " " : "", name);
    text_put_padded(file, label, NAME_COLUMNS);
}

/* The last columns of a row. */
static void put_times(FILE *file, uint64_t count, const struct summary_latency *latency)
{
    if (count > 0) {
        put_right_usec(file, latency->average_usec, 9);
        put_right_usec(file, (double)latency->p95_usec, 9);
        put_right_usec(file, (double)latency->p99_usec, 9);
    } else {
        (void)fprintf(file, "%9s%9s%9s", "-", "-", "-");
    }
    (void)fputc('\n', file);
}

static void put_name(FILE *file, const struct summary *summary, const struct summary_name *name)
{
    char text[TEXT_NUMBER_BYTES];
    /* In "(other)" nobody knows what the statuses were. */
    bool known = name->n_statuses == 0 || name->statuses[0].status != 0;

    put_label(file, summary, name->test, name->method, name->name);
    (void)snprintf(text, sizeof text, "%" PRIu64, name->hits);
    put_right(file, text, 9);
    put_right(file, known ? text_share(name->success_rate, text) : "-", 8);
    put_times(file, name->hits, &name->latency);
}

static void put_more(FILE *file, size_t count, const char *what)
{
    if (count > MAX_ROWS) {
        (void)fprintf(file, "and %zu more %s%s (see --output json)\n", count - MAX_ROWS, what,
                      count - MAX_ROWS == 1 ? "" : "s");
    }
}

static void put_names(FILE *file, const struct summary *summary)
{
    if (summary->n_names == 0) {
        return;
    }
    (void)fprintf(file, "\n%-*s%9s%8s%9s%9s%9s\n", NAME_COLUMNS, "Name", "Hits", "Success",
                  "Average", "p95", "p99");
    for (size_t i = 0; i < summary->n_names && i < MAX_ROWS; i++) {
        put_name(file, summary, &summary->names[i]);
    }
    put_more(file, summary->n_names, "name");
}

static void put_timer(FILE *file, const struct summary *summary, const struct summary_timer *timer)
{
    char text[TEXT_NUMBER_BYTES];

    put_label(file, summary, timer->test, "", timer->name);
    (void)snprintf(text, sizeof text, "%" PRIu64, timer->count);
    put_right(file, text, 9);
    (void)snprintf(text, sizeof text, "%" PRIu64, timer->errors);
    put_right(file, text, 8);
    put_times(file, timer->count, &timer->time);
}

/* The timers of one kind: they stand together. */
static void put_timers(FILE *file, const struct summary *summary, enum timer_kind kind,
                       const char *title, const char *what)
{
    size_t shown = 0;

    for (size_t i = 0; i < summary->n_timers; i++) {
        if (summary->timers[i].kind != kind) {
            continue;
        }
        if (shown == 0) {
            (void)fprintf(file, "\n%-*s%9s%8s%9s%9s%9s\n", NAME_COLUMNS, title, "Count", "Errors",
                          "Average", "p95", "p99");
        }
        if (shown++ < MAX_ROWS) {
            put_timer(file, summary, &summary->timers[i]);
        }
    }
    put_more(file, shown, what);
}

static double time_of(const struct summary_timer *timer)
{
    return timer->time.average_usec * (double)timer->count;
}

/* What hits' time was spent on; the share is that of all of their time. */
static void put_phases(FILE *file, const struct summary *summary)
{
    double sum_usec = 0;
    char text[TEXT_NUMBER_BYTES];

    for (size_t i = 0; i < summary->n_timers; i++) {
        sum_usec += summary->timers[i].kind == TIMER_PHASE ? time_of(&summary->timers[i]) : 0;
    }
    if (sum_usec == 0) {
        return;
    }
    (void)fprintf(file, "\n%-*s%9s%8s%9s%9s%9s\n", NAME_COLUMNS, "Part of the latency", "Count",
                  "Share", "Average", "p95", "p99");
    for (size_t i = 0; i < summary->n_timers; i++) {
        const struct summary_timer *timer = &summary->timers[i];
        if (timer->kind == TIMER_PHASE) {
            text_put_padded(file, timer->name, NAME_COLUMNS);
            (void)snprintf(text, sizeof text, "%" PRIu64, timer->count);
            put_right(file, text, 9);
            put_right(file, text_share(time_of(timer) / sum_usec, text), 8);
            put_times(file, timer->count, &timer->time);
        }
    }
}

static void put_counters(FILE *file, const struct summary *summary)
{
    if (summary->n_counters == 0) {
        return;
    }
    (void)fputs("\nCounters\n", file);
    for (size_t i = 0; i < summary->n_counters && i < MAX_ROWS; i++) {
        (void)fputs("  ", file);
        text_put_padded(file, summary->counters[i].name, COUNTER_COLUMNS);
        (void)fprintf(file, "%18" PRId64 "\n", summary->counters[i].count);
    }
    put_more(file, summary->n_counters, "counter");
}

/* On agents that know; a machine may not count memory. */
static void put_usage(FILE *file, const struct output_run *run)
{
    if (run->n_usage == 0) {
        return;
    }
    (void)fprintf(file, "\n%-*s%16s%20s\n", NAME_COLUMNS, "Agent", "Processor time",
                  "Memory at most");
    for (size_t i = 0; i < run->n_usage && i < MAX_ROWS; i++) {
        const struct output_usage *usage = &run->usage[i];
        char time[TEXT_NUMBER_BYTES] = "not available", memory[TEXT_NUMBER_BYTES] = "not available";
        if (usage->cpu_usec > 0) {
            (void)snprintf(time, sizeof time, "%.2f s", (double)usage->cpu_usec / 1e6);
        }
        if (usage->memory_peak_bytes > 0) {
            (void)snprintf(memory, sizeof memory, "%.1f MiB",
                           (double)usage->memory_peak_bytes / (1 << 20));
        }
        text_put_padded(file, usage->agent, NAME_COLUMNS);
        (void)fprintf(file, "%16s%20s\n", time, memory);
    }
    put_more(file, run->n_usage, "agent");
}

static void put_thresholds(FILE *file, const struct output_run *run)
{
    if (run->n_thresholds == 0) {
        return;
    }
    (void)fputs("\nThresholds\n", file);
    for (size_t i = 0; i < run->n_thresholds; i++) {
        const struct threshold_result *result = &run->thresholds[i];
        (void)fprintf(file, "  %s ", result->holds ? "✓" : "✗");
        text_put_padded(file, result->text, COUNTER_COLUMNS - 2);
        put_right(file, result->shown[0] ? result->shown : "nothing measured", 18);
        (void)fputc('\n', file);
    }
}

static void put_seed(FILE *file, const struct run_spec *spec)
{
    if (spec->seed > 0) {
        (void)fprintf(file, "\nSeed: %" PRIu64 "\n", spec->seed);
    }
}

int stdout_end(struct output *output, const struct output_run *run, const struct summary *summary,
               struct error *error)
{
    FILE *file = output->file;

    put_head(file, run, summary);
    put_end(file, run);
    if (summary->hits > 0) {
        put_latency(file, summary);
    }
    put_unanswered(file, summary);
    if (summary->slowest) {
        put_slowest(file, summary->slowest);
    }
    put_names(file, summary);
    put_phases(file, summary);
    put_timers(file, summary, TIMER_TRANSACTION, "Transaction", "transaction");
    put_timers(file, summary, TIMER_ROUND_TRIP, "WebSocket's round trip", "name");
    put_counters(file, summary);
    put_thresholds(file, run);
    put_usage(file, run);
    put_seed(file, run->spec);
    stdout_problems(file, summary);
    return output_check(output, error);
}
