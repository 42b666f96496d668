/* SPDX-License-Identifier: MPL-2.0 */
/* What a threshold looks at, and what it comes to. threshold_parse.c reads them. */
#include "metrics/threshold.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/figure.h"

/* ---- measuring ---- */

void measure_clear(struct measure *measure)
{
    histogram_clear(&measure->latency);
    *measure = (struct measure){.seconds = 0};
}

static bool matches(const char *filter, const char *text)
{
    return filter[0] == '\0' || fnmatch(filter, text, 0) == 0;
}

/* A filter that begins with '/' is also about the path of names that are URLs. */
static bool matches_url(const char *filter, const char *name)
{
    const char *host = strstr(name, "://"), *path = host ? strchr(host + 3, '/') : NULL;

    return matches(filter, name) || (filter[0] == '/' && path && matches(filter, path));
}

bool threshold_matches(const struct threshold *threshold, const struct series_key *key)
{
    char status[16];

    (void)snprintf(status, sizeof status, "%u", key->status);
    return matches_url(threshold->filters[FILTER_URL], key->name) &&
           matches(threshold->filters[FILTER_METHOD], key->method) &&
           matches(threshold->filters[FILTER_STATUS], status) &&
           matches(threshold->filters[FILTER_TEST], key->test);
}

static int add_hits(struct measure *measure, const struct threshold *threshold,
                    const struct interval *interval, const struct names *names)
{
    char buffer[NAME_MAX_BYTES + 1];

    for (size_t i = 0; i < interval->n_series; i++) {
        const struct interval_series *series = &interval->series[i];
        struct series_key key;
        series_key_parse(names_text(names, NAME_SERIES, series->id), buffer, &key);
        if (threshold_matches(threshold, &key)) {
            int r = histogram_merge(&measure->latency, &series->latency);
            if (r < 0) {
                return r;
            }
            measure->request_errors += series->errors;
        }
    }
    return 0;
}

static int add_transactions(struct measure *measure, const struct threshold *threshold,
                            const struct interval *interval, const struct names *names)
{
    char buffer[NAME_MAX_BYTES + 1];

    for (size_t i = 0; i < interval->n_timers; i++) {
        const struct interval_series *timer = &interval->timers[i];
        struct timer_key key;
        timer_key_parse(names_text(names, NAME_TIMER, timer->id), buffer, &key);
        if (key.kind == TIMER_TRANSACTION &&
            matches(threshold->filters[FILTER_TRANSACTION], key.name) &&
            matches(threshold->filters[FILTER_TEST], key.test)) {
            int r = histogram_merge(&measure->latency, &timer->latency);
            if (r < 0) {
                return r;
            }
            measure->errors += timer->errors;
        }
    }
    measure->iterations = measure->latency.count + measure->errors;
    return 0;
}

/* Interrupted iterations are neither good nor bad. */
static void add_iterations(struct measure *measure, const struct threshold *threshold,
                           const struct interval *interval, const struct names *names)
{
    for (size_t i = 0; i < interval->n_tests; i++) {
        const struct interval_test *test = &interval->tests[i];
        const uint64_t *outcomes = test->outcomes;
        if (matches(threshold->filters[FILTER_TEST], names_text(names, NAME_TEST, test->id))) {
            measure->errors += outcomes[OUTCOME_ERROR];
            measure->failures += outcomes[OUTCOME_FAILURE];
            measure->iterations +=
                outcomes[OUTCOME_SUCCESS] + outcomes[OUTCOME_FAILURE] + outcomes[OUTCOME_ERROR];
        }
    }
}

int measure_add(struct measure *measure, const struct threshold *threshold,
                const struct interval *interval, const struct names *names)
{
    if (threshold->filters[FILTER_TRANSACTION][0]) {
        return add_transactions(measure, threshold, interval, names);
    }
    if (threshold->metric == METRIC_ERRORS || threshold->metric == METRIC_FAILURES) {
        add_iterations(measure, threshold, interval, names);
        return 0;
    }
    return add_hits(measure, threshold, interval, names);
}

/* ---- judging ---- */

static bool compare(enum threshold_comparison comparison, double value, double bound)
{
    switch (comparison) {
    case IS_LESS:
        return value < bound;
    case IS_AT_MOST:
        return value <= bound;
    case IS_MORE:
        return value > bound;
    case IS_AT_LEAST:
        return value >= bound;
    case IS_EQUAL:
        return !(value < bound) && !(value > bound);
    default:
        return value < bound || value > bound;
    }
}

/* A count, or its share of all there were. */
static bool count_of(const struct threshold *threshold, uint64_t count, uint64_t all, double *ret)
{
    *ret = threshold->is_share && all > 0 ? (double)count / (double)all : (double)count;
    return !threshold->is_share || all > 0;
}

/* False: there is nothing to tell it by. */
static bool value_of(const struct threshold *threshold, const struct measure *measure, double *ret)
{
    const struct histogram *latency = &measure->latency;

    switch (threshold->metric) {
    case METRIC_PERCENTILE:
        *ret = (double)histogram_percentile_usec(latency, threshold->millipercent);
        return latency->count > 0;
    case METRIC_AVERAGE:
        *ret = latency->count > 0 ? (double)latency->sum_usec / (double)latency->count : 0;
        return latency->count > 0;
    case METRIC_MIN:
        *ret = (double)latency->min_usec;
        return latency->count > 0;
    case METRIC_MAX:
        *ret = (double)latency->max_usec;
        return latency->count > 0;
    case METRIC_RPS:
        *ret = measure->seconds > 0 ? (double)latency->count / measure->seconds : 0;
        return measure->seconds > 0;
    case METRIC_HITS:
        *ret = (double)latency->count;
        return true;
    case METRIC_ERRORS:
        return count_of(threshold, measure->errors, measure->iterations, ret);
    case METRIC_FAILURES:
        return count_of(threshold, measure->failures, measure->iterations, ret);
    default:
        return count_of(threshold, measure->request_errors,
                        latency->count + measure->request_errors, ret);
    }
}

struct judgement threshold_judge(const struct threshold *threshold, const struct measure *measure)
{
    struct judgement judgement = {.is_known = false};

    judgement.is_known = value_of(threshold, measure, &judgement.value);
    judgement.holds =
        judgement.is_known && compare(threshold->comparison, judgement.value, threshold->value);
    return judgement;
}

static bool is_latency(const struct threshold *threshold)
{
    return threshold->metric <= METRIC_MAX;
}

/* With more digits than people need. */
static void show_digits(const struct threshold *threshold, double value, int digits,
                        char ret[static THRESHOLD_VALUE_BYTES])
{
    if (is_latency(threshold)) {
        (void)snprintf(ret, THRESHOLD_VALUE_BYTES, "%.*g ms", digits, value / 1e3);
    } else if (threshold->is_share) {
        (void)snprintf(ret, THRESHOLD_VALUE_BYTES, "%.*g %%", digits, value * 100);
    } else {
        (void)snprintf(ret, THRESHOLD_VALUE_BYTES, "%.*g", digits, value);
    }
}

static void show(const struct threshold *threshold, double value,
                 char ret[static THRESHOLD_VALUE_BYTES])
{
    char figure[FIGURE_BYTES];

    if (is_latency(threshold)) {
        (void)snprintf(ret, THRESHOLD_VALUE_BYTES, "%s", figure_usec(value, figure));
    } else if (threshold->is_share) {
        (void)snprintf(ret, THRESHOLD_VALUE_BYTES, "%.3g %%", value * 100);
    } else {
        (void)snprintf(ret, THRESHOLD_VALUE_BYTES, "%.*f", threshold->metric == METRIC_RPS, value);
    }
}

const char *threshold_show(const struct threshold *threshold, double value,
                           char ret[static THRESHOLD_VALUE_BYTES])
{
    char bound[THRESHOLD_VALUE_BYTES];
    bool differs = value < threshold->value || value > threshold->value;

    show(threshold, value, ret);
    show(threshold, threshold->value, bound);
    /* "200 ms" for one that is 0.3 ms above 200 would look as if it held. */
    for (int digits = 4; differs && digits <= 9 && strcmp(ret, bound) == 0; digits++) {
        show_digits(threshold, value, digits, ret);
        show_digits(threshold, threshold->value, digits, bound);
    }
    return ret;
}

const char *threshold_unit(const struct threshold *threshold)
{
    return is_latency(threshold)             ? "usec"
           : threshold->is_share             ? "share"
           : threshold->metric == METRIC_RPS ? "hits_per_sec"
                                             : "count";
}

bool threshold_needs_end(const struct threshold *threshold)
{
    bool grows = threshold->metric == METRIC_HITS ||
                 (threshold->metric >= METRIC_ERRORS && !threshold->is_share);

    return grows && threshold->comparison != IS_LESS && threshold->comparison != IS_AT_MOST &&
           !(threshold->comparison == IS_EQUAL && threshold->value == 0);
}
