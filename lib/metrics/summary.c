/* SPDX-License-Identifier: MPL-2.0 */
/* From numbers by id to what people read.
 *
 * A series is a name with a status; people want names, with their statuses inside. So series are
 * sorted by name, and each block of equals becomes one row, whose histogram is the merged one of
 * its series: percentiles can't be combined from percentiles. One histogram is alive at a time,
 * since a thousand of them would be megabytes for a few numbers each. */
#include "metrics/summary.h"

#include <errno.h>
#include <string.h>

/* A series that holds something, with its text taken apart. */
struct part {
    char *name, *method, *test;
    unsigned status;
    const struct interval_series *series;
};

struct parts {
    struct part *items;
    size_t count;
};

static void parts_clear(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        free(parts->items[i].name);
        free(parts->items[i].method);
        free(parts->items[i].test);
    }
    free(parts->items);
}

static int copy(char **ret, const char *text)
{
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

/* ---- latencies ---- */

static void fill_latency(struct summary_latency *ret, const struct histogram *histogram)
{
    if (histogram->count == 0) {
        *ret = (struct summary_latency){0};
        return;
    }
    *ret = (struct summary_latency){
        .min_usec = histogram->min_usec,
        .max_usec = histogram->max_usec,
        .average_usec = (double)histogram->sum_usec / (double)histogram->count,
        .p50_usec = histogram_percentile_usec(histogram, 50000),
        .p90_usec = histogram_percentile_usec(histogram, 90000),
        .p95_usec = histogram_percentile_usec(histogram, 95000),
        .p99_usec = histogram_percentile_usec(histogram, 99000),
        .p999_usec = histogram_percentile_usec(histogram, 99900),
    };
}

static int fill_overall(struct summary *summary, const struct parts *parts)
{
    struct histogram all = {0};
    int r = 0;

    for (size_t i = 0; i < parts->count && r == 0; i++) {
        const struct interval_series *series = parts->items[i].series;
        r = histogram_merge(&all, &series->latency);
        summary->request_errors += series->errors;
        summary->sent_bytes += series->sent_bytes;
        summary->received_bytes += series->received_bytes;
    }
    if (r == 0) {
        summary->hits = all.count;
        fill_latency(&summary->latency, &all);
    }
    histogram_clear(&all);
    return r;
}

/* ---- names ---- */

static int compare_names(const struct part *a, const struct part *b)
{
    int order = strcmp(a->name, b->name);
    if (order == 0) {
        order = strcmp(a->method, b->method);
    }
    return order != 0 ? order : strcmp(a->test, b->test);
}

static int compare_parts(const void *a, const void *b)
{
    const struct part *left = a, *right = b;
    int order = compare_names(left, right);

    return order != 0 ? order : (left->status > right->status) - (left->status < right->status);
}

static bool holds_something(const struct interval_series *series)
{
    return series->latency.count > 0 || series->errors > 0;
}

static int fill_part(struct part *part, const char *text)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct series_key key;

    series_key_parse(text, buffer, &key);
    part->status = key.status;
    int r = copy(&part->name, key.name);
    if (r == 0) {
        r = copy(&part->method, key.method);
    }
    return r == 0 ? copy(&part->test, key.test) : r;
}

static int collect_parts(struct parts *parts, const struct totals *totals,
                         const struct names *names)
{
    parts->items = calloc(NAMES_MAX_SERIES + 1, sizeof *parts->items);
    if (!parts->items) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id <= NAMES_MAX_SERIES; id++) {
        if (!holds_something(&totals->series[id])) {
            continue;
        }
        struct part *part = &parts->items[parts->count++];
        part->series = &totals->series[id];
        int r = fill_part(part, names_text(names, NAME_SERIES, id));
        if (r < 0) {
            return r;
        }
    }
    qsort(parts->items, parts->count, sizeof *parts->items, compare_parts);
    return 0;
}

/* Several series may come with one status: "(other)" and ids that have no name. */
static int add_status(struct summary_name *name, unsigned status, uint64_t hits)
{
    if (hits == 0) {
        return 0;
    }
    if (name->n_statuses > 0 && name->statuses[name->n_statuses - 1].status == status) {
        name->statuses[name->n_statuses - 1].hits += hits;
        return 0;
    }
    struct summary_status *statuses =
        reallocarray(name->statuses, name->n_statuses + 1, sizeof *statuses);
    if (!statuses) {
        return -ENOMEM;
    }
    statuses[name->n_statuses++] = (struct summary_status){.status = status, .hits = hits};
    name->statuses = statuses;
    return 0;
}

static int add_part(struct summary_name *name, struct histogram *latency, const struct part *part)
{
    const struct interval_series *series = part->series;
    uint64_t hits = series->latency.count;

    name->hits += hits;
    name->good += part->status < 400 ? hits : 0;
    name->errors += series->errors;
    name->sent_bytes += series->sent_bytes;
    name->received_bytes += series->received_bytes;
    int r = histogram_merge(latency, &series->latency);
    return r < 0 ? r : add_status(name, part->status, hits);
}

/* `count` parts that differ by nothing but their status; the first one's texts are taken. */
static int fill_name(struct summary_name *name, struct part *parts, size_t count,
                     double duration_sec)
{
    struct histogram latency = {0};
    int r = 0;

    name->name = TAKE_PTR(parts->name);
    name->method = TAKE_PTR(parts->method);
    name->test = TAKE_PTR(parts->test);
    for (size_t i = 0; i < count && r == 0; i++) {
        r = add_part(name, &latency, &parts[i]);
    }
    if (r == 0) {
        fill_latency(&name->latency, &latency);
        name->success_rate = (double)name->good / (double)(name->hits + name->errors);
        name->hits_per_sec = duration_sec > 0 ? (double)name->hits / duration_sec : 0;
    }
    histogram_clear(&latency);
    return r;
}

static int compare_rows(const void *a, const void *b)
{
    const struct summary_name *left = a, *right = b;

    if (left->hits != right->hits) {
        return left->hits < right->hits ? 1 : -1;
    }
    return compare_names(
        &(struct part){.name = left->name, .method = left->method, .test = left->test},
        &(struct part){.name = right->name, .method = right->method, .test = right->test});
}

static void find_slowest(struct summary *summary)
{
    for (size_t i = 0; i < summary->n_names; i++) {
        const struct summary_name *name = &summary->names[i];
        if (name->hits > 0 && (!summary->slowest || name->latency.average_usec >
                                                        summary->slowest->latency.average_usec)) {
            summary->slowest = name;
        }
    }
}

static int fill_names(struct summary *summary, struct parts *parts)
{
    if (parts->count == 0) {
        return 0;
    }
    summary->names = calloc(parts->count, sizeof *summary->names);
    if (!summary->names) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < parts->count;) {
        size_t end = i + 1;
        while (end < parts->count && compare_names(&parts->items[i], &parts->items[end]) == 0) {
            end++;
        }
        int r = fill_name(&summary->names[summary->n_names++], &parts->items[i], end - i,
                          summary->duration_sec);
        if (r < 0) {
            return r;
        }
        i = end;
    }
    qsort(summary->names, summary->n_names, sizeof *summary->names, compare_rows);
    find_slowest(summary);
    return 0;
}

/* ---- errors, counters, tests ---- */

static int compare_errors(const void *a, const void *b)
{
    const struct summary_error *left = a, *right = b;

    if (left->count != right->count) {
        return left->count < right->count ? 1 : -1;
    }
    if (left->kind != right->kind) {
        return left->kind == ERROR_KIND_ERROR ? -1 : 1;
    }
    int order = strcmp(left->message, right->message);
    return order != 0 ? order : strcmp(left->place, right->place);
}

static int fill_error(struct summary_error *ret, const char *text)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct error_key key;
    int r = 0;

    error_key_parse(text, buffer, &key);
    ret->kind = key.kind;
    struct {
        char **to;
        const char *from;
    } fields[] = {
        {&ret->class, key.class}, {&ret->message, key.message},     {&ret->place, key.place},
        {&ret->test, key.test},   {&ret->traceback, key.traceback},
    };
    for (size_t i = 0; i < ELEMENTSOF(fields) && r == 0; i++) {
        r = copy(fields[i].to, fields[i].from);
    }
    return r;
}

static int fill_errors(struct summary *summary, const struct totals *totals,
                       const struct names *names)
{
    summary->failures_and_errors =
        calloc(NAMES_MAX_ERRORS + 1, sizeof *summary->failures_and_errors);
    if (!summary->failures_and_errors) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id <= NAMES_MAX_ERRORS; id++) {
        if (totals->errors[id] == 0) {
            continue;
        }
        struct summary_error *error =
            &summary->failures_and_errors[summary->n_failures_and_errors++];
        error->count = totals->errors[id];
        int r = fill_error(error, names_text(names, NAME_ERROR, id));
        if (r < 0) {
            return r;
        }
    }
    if (summary->n_failures_and_errors > 0) { /* an unfilled row would have no texts to compare */
        qsort(summary->failures_and_errors, summary->n_failures_and_errors,
              sizeof *summary->failures_and_errors, compare_errors);
    }
    return 0;
}

static int compare_counters(const void *a, const void *b)
{
    return strcmp(((const struct summary_counter *)a)->name,
                  ((const struct summary_counter *)b)->name);
}

/* Whether a counter has a field of its own; its count goes there. */
static bool is_special(struct summary *summary, const char *name, int64_t count)
{
    const struct {
        const char *name;
        int64_t *field;
    } fields[] = {
        {COUNTER_SOCKETS_OPENED, &summary->sockets.opened},
        {COUNTER_SOCKETS_CLOSED, &summary->sockets.closed},
        {COUNTER_SOCKETS_SENT, &summary->sockets.sent},
        {COUNTER_SOCKETS_SENT_BYTES, &summary->sockets.sent_bytes},
        {COUNTER_SOCKETS_RECEIVED, &summary->sockets.received},
        {COUNTER_SOCKETS_RECEIVED_BYTES, &summary->sockets.received_bytes},
    };

    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        if (strcmp(name, fields[i].name) == 0) {
            *fields[i].field = count;
            return true;
        }
    }
    return false;
}

static int fill_counters(struct summary *summary, const struct totals *totals,
                         const struct names *names)
{
    unsigned known = names_count(names, NAME_COUNTER);

    summary->counters = calloc(NAMES_MAX_COUNTERS + 1, sizeof *summary->counters);
    if (!summary->counters) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id <= NAMES_MAX_COUNTERS; id++) {
        const char *name = names_text(names, NAME_COUNTER, id);
        int64_t count = totals->counters[id];
        /* What went up and down again by as much was counted; "(other)" is there when needed. */
        bool counted = count != 0 || (id > 0 && id < known);
        if (!counted || is_special(summary, name, count)) {
            continue;
        }
        struct summary_counter *counter = &summary->counters[summary->n_counters];
        int r = copy(&counter->name, name);
        if (r < 0) {
            return r;
        }
        counter->count = count;
        summary->n_counters++;
    }
    qsort(summary->counters, summary->n_counters, sizeof *summary->counters, compare_counters);
    return 0;
}

static int compare_tests(const void *a, const void *b)
{
    return strcmp(((const struct summary_test *)a)->name, ((const struct summary_test *)b)->name);
}

static int fill_tests(struct summary *summary, const struct totals *totals,
                      const struct names *names)
{
    unsigned known = names_count(names, NAME_TEST);

    summary->tests = calloc(NAMES_MAX_TESTS + 1, sizeof *summary->tests);
    if (!summary->tests) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id <= NAMES_MAX_TESTS; id++) {
        uint64_t sum = 0;
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            sum += totals->outcomes[id][outcome];
        }
        if (sum == 0 && (id == 0 || id >= known)) {
            continue;
        }
        struct summary_test *test = &summary->tests[summary->n_tests];
        int r = copy(&test->name, names_text(names, NAME_TEST, id));
        if (r < 0) {
            return r;
        }
        memcpy(test->outcomes, totals->outcomes[id], sizeof test->outcomes);
        summary->n_tests++;
    }
    qsort(summary->tests, summary->n_tests, sizeof *summary->tests, compare_tests);
    return 0;
}

/* ---- timers ---- */

static int compare_timers(const void *a, const void *b)
{
    const struct summary_timer *left = a, *right = b;

    if (left->kind != right->kind) {
        return left->kind < right->kind ? -1 : 1;
    }
    int order = strcmp(left->test, right->test);
    if (order == 0 && left->kind == TIMER_PHASE) {
        order = (int)hit_phase_of(left->name) - (int)hit_phase_of(right->name);
    }
    return order != 0 ? order : strcmp(left->name, right->name);
}

static int fill_timer(struct summary_timer *timer, const struct interval_series *from,
                      const char *text)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct timer_key key;

    timer_key_parse(text, buffer, &key);
    timer->kind = key.kind;
    timer->count = from->latency.count;
    timer->errors = from->errors;
    fill_latency(&timer->time, &from->latency);
    int r = copy(&timer->test, key.test);
    return r == 0 ? copy(&timer->name, key.name) : r;
}

static int fill_timers(struct summary *summary, const struct totals *totals,
                       const struct names *names)
{
    summary->timers = calloc(NAMES_MAX_TIMERS + 1, sizeof *summary->timers);
    if (!summary->timers) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id <= NAMES_MAX_TIMERS; id++) {
        if (!holds_something(&totals->timers[id])) {
            continue;
        }
        int r = fill_timer(&summary->timers[summary->n_timers++], &totals->timers[id],
                           names_text(names, NAME_TIMER, id));
        if (r < 0) {
            return r;
        }
    }
    if (summary->n_timers > 0) {
        qsort(summary->timers, summary->n_timers, sizeof *summary->timers, compare_timers);
    }
    return 0;
}

/* ---- the whole ---- */

int summary_new(struct summary **ret, const struct totals *totals, const struct names *names,
                double duration_sec)
{
    _cleanup_(summary_freep) struct summary *summary = calloc(1, sizeof *summary);
    _cleanup_(parts_clear) struct parts parts = {0};

    if (!summary) {
        return -ENOMEM;
    }
    *summary = (struct summary){
        .successes = totals_outcome(totals, OUTCOME_SUCCESS),
        .failures = totals_outcome(totals, OUTCOME_FAILURE),
        .errors = totals_outcome(totals, OUTCOME_ERROR),
        .interrupted = totals_outcome(totals, OUTCOME_INTERRUPTED),
        .duration_sec = duration_sec,
        .other_series = totals->series[0].latency.count + totals->series[0].errors,
        .other_errors = totals->errors[0],
        .other_counters = names_overflows(names, NAME_COUNTER),
        .other_timers = totals->timers[0].latency.count + totals->timers[0].errors,
    };
    int r = collect_parts(&parts, totals, names);
    if (r == 0) {
        r = fill_overall(summary, &parts);
    }
    if (r == 0) {
        summary->hits_per_sec = duration_sec > 0 ? (double)summary->hits / duration_sec : 0;
        r = fill_names(summary, &parts);
    }
    if (r == 0) {
        r = fill_errors(summary, totals, names);
    }
    if (r == 0) {
        r = fill_counters(summary, totals, names);
    }
    if (r == 0) {
        r = fill_tests(summary, totals, names);
    }
    if (r == 0) {
        r = fill_timers(summary, totals, names);
    }
    if (r == 0) {
        *ret = TAKE_PTR(summary);
    }
    return r;
}

struct summary *summary_free(struct summary *summary)
{
    if (!summary) {
        return NULL;
    }
    for (size_t i = 0; i < summary->n_names; i++) {
        struct summary_name *name = &summary->names[i];
        free(name->test);
        free(name->name);
        free(name->method);
        free(name->statuses);
    }
    for (size_t i = 0; i < summary->n_failures_and_errors; i++) {
        struct summary_error *error = &summary->failures_and_errors[i];
        free(error->class);
        free(error->message);
        free(error->place);
        free(error->test);
        free(error->traceback);
    }
    for (size_t i = 0; i < summary->n_counters; i++) {
        free(summary->counters[i].name);
    }
    for (size_t i = 0; i < summary->n_tests; i++) {
        free(summary->tests[i].name);
    }
    for (size_t i = 0; i < summary->n_timers; i++) {
        free(summary->timers[i].test);
        free(summary->timers[i].name);
    }
    free(summary->timers);
    free(summary->names);
    free(summary->failures_and_errors);
    free(summary->counters);
    free(summary->tests);
    free(summary);
    return NULL;
}
