/* SPDX-License-Identifier: MPL-2.0 */
/* A threshold is read from left to right, and what can't go on is told with a caret under it. */
#include "metrics/threshold.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/figure.h"
#include "base/parse.h"

/* ---- reading ---- */

struct reader {
    const char *text, *at;
    struct error *error;
    bool is_change; /* of two runs, of which less is known */
};

static int fail(const struct reader *reader, const char *what)
{
    return error_set(reader->error, -EINVAL, "%s\n  %s\n  %*s^", what, reader->text,
                     (int)(reader->at - reader->text), "");
}

static void skip_blanks(struct reader *reader)
{
    while (*reader->at == ' ') {
        reader->at++;
    }
}

/* Letters, digits and what a metric or a unit may have between them. */
static size_t word_size(const char *at)
{
    size_t size = 0;

    while (isalnum((unsigned char)at[size]) || at[size] == '_' || at[size] == '.') {
        size++;
    }
    return size;
}

static bool is_word(const char *at, size_t size, const char *word)
{
    return strlen(word) == size && strncmp(at, word, size) == 0;
}

static const char *const metrics[METRICS] = {
    [METRIC_AVERAGE] = "avg",       [METRIC_MIN] = "min",
    [METRIC_MAX] = "max",           [METRIC_RPS] = "rps",
    [METRIC_HITS] = "hits",         [METRIC_ERRORS] = "errors",
    [METRIC_FAILURES] = "failures", [METRIC_REQUEST_ERRORS] = "request_errors",
};

/* "95" of p95: up to three digits behind the point. */
static bool read_percentile(const char *at, size_t size, unsigned *ret)
{
    char digits[16], *end;

    if (size == 0 || size >= sizeof digits || !isdigit((unsigned char)at[0])) {
        return false;
    }
    memcpy(digits, at, size);
    digits[size] = '\0';
    double percent = strtod(digits, &end);
    if (*end != '\0' || percent <= 0 || percent > 100) {
        return false;
    }
    *ret = (unsigned)lround(percent * 1000);
    return *ret > 0;
}

static int read_metric(struct reader *reader, struct threshold *ret)
{
    size_t size = word_size(reader->at);

    if (size > 1 && reader->at[0] == 'p' &&
        read_percentile(reader->at + 1, size - 1, &ret->millipercent)) {
        reader->at += size;
        ret->metric = METRIC_PERCENTILE;
        return 0;
    }
    for (unsigned i = METRIC_AVERAGE; i < METRICS; i++) {
        if (is_word(reader->at, size, metrics[i])) {
            reader->at += size;
            ret->metric = i;
            return 0;
        }
    }
    return fail(reader,
                "no such metric: p50, p99.9 and the like, avg, min, max, rps, hits, errors, "
                "failures, request_errors");
}

static const char *const filters[FILTERS] = {
    [FILTER_URL] = "url",   [FILTER_METHOD] = "method",           [FILTER_STATUS] = "status",
    [FILTER_TEST] = "test", [FILTER_TRANSACTION] = "transaction",
};

/* Iterations are of tests; only what has latencies can be of a transaction. */
static bool filter_fits(enum threshold_metric metric, enum threshold_filter filter)
{
    bool of_iterations = metric == METRIC_ERRORS || metric == METRIC_FAILURES;

    return filter == FILTER_TEST ||
           (!of_iterations && (filter != FILTER_TRANSACTION || metric <= METRIC_MAX)) ||
           (filter == FILTER_TRANSACTION && metric == METRIC_ERRORS);
}

/* Both runs' requests have names, and statuses are taken together. */
static bool change_fits(enum threshold_filter filter)
{
    return filter == FILTER_URL || filter == FILTER_METHOD || filter == FILTER_TEST;
}

static int read_filter(struct reader *reader, struct threshold *ret)
{
    size_t size = word_size(reader->at);
    unsigned filter = 0;

    while (filter < FILTERS && !is_word(reader->at, size, filters[filter])) {
        filter++;
    }
    if (filter == FILTERS) {
        return fail(reader, "no such filter: url, method, status, test, transaction");
    }
    if (reader->is_change ? !change_fits(filter) : !filter_fits(ret->metric, filter)) {
        return fail(reader, "this metric has no such filter");
    }
    if (ret->filters[filter][0]) {
        return fail(reader, "this filter is there twice");
    }
    reader->at += size;
    if (*reader->at != '=') {
        return fail(reader, "'=' is expected");
    }
    reader->at++;
    size = strcspn(reader->at, ",}");
    if (size == 0) {
        return fail(reader, "a value is expected");
    }
    memcpy(ret->filters[filter], reader->at, size);
    reader->at += size;
    return 0;
}

static int read_filters(struct reader *reader, struct threshold *ret)
{
    if (*reader->at != '{') {
        return 0;
    }
    do {
        reader->at++;
        skip_blanks(reader);
        int r = read_filter(reader, ret);
        if (r < 0) {
            return r;
        }
    } while (*reader->at == ',');
    if (*reader->at != '}') {
        return fail(reader, "'}' is expected");
    }
    reader->at++;
    bool of_hits = ret->filters[FILTER_URL][0] || ret->filters[FILTER_METHOD][0] ||
                   ret->filters[FILTER_STATUS][0];
    return of_hits && ret->filters[FILTER_TRANSACTION][0]
               ? fail(reader, "a transaction has no URL, method or status")
               : 0;
}

static int read_comparison(struct reader *reader, struct threshold *ret)
{
    static const struct {
        const char *sign;
        enum threshold_comparison comparison;
    } signs[] = {
        {"<=", IS_AT_MOST}, {">=", IS_AT_LEAST}, {"==", IS_EQUAL},
        {"!=", IS_OTHER},   {"<", IS_LESS},      {">", IS_MORE},
    };

    skip_blanks(reader);
    for (size_t i = 0; i < ELEMENTSOF(signs); i++) {
        size_t size = strlen(signs[i].sign);
        if (strncmp(reader->at, signs[i].sign, size) == 0) {
            reader->at += size;
            ret->comparison = signs[i].comparison;
            return 0;
        }
    }
    return fail(reader, "<, <=, >, >=, == or != is expected");
}

static int read_unit(struct reader *reader, struct threshold *ret)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"us", 1}, {"µs", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}};
    const size_t size = strcspn(reader->at, " ,");

    if (ret->metric <= METRIC_MAX) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
            if (is_word(reader->at, size, units[i].unit)) {
                ret->value *= units[i].factor;
                reader->at += size;
                return 0;
            }
        }
        return fail(reader, "a unit of time is expected: us, ms, s, m, h");
    }
    if (*reader->at == '%' && ret->metric >= METRIC_ERRORS) {
        ret->value /= 100;
        ret->is_share = true;
        reader->at++;
    }
    return 0;
}

static int read_number(struct reader *reader, struct threshold *ret)
{
    char digits[32];

    skip_blanks(reader);
    size_t size = strspn(reader->at, "0123456789.");
    if (size == 0 || size >= sizeof digits || *reader->at == '.') {
        return fail(reader, "a number is expected");
    }
    memcpy(digits, reader->at, size);
    digits[size] = '\0';
    char *end;
    ret->value = strtod(digits, &end);
    if (*end != '\0') {
        return fail(reader, "a number is expected");
    }
    reader->at += size;
    skip_blanks(reader);
    return 0;
}

static int read_value(struct reader *reader, struct threshold *ret)
{
    int r = read_number(reader, ret);

    return r < 0 ? r : read_unit(reader, ret);
}

static int read_duration(struct reader *reader, struct threshold *ret)
{
    char text[32];

    skip_blanks(reader);
    if (strncmp(reader->at, "for ", 4) != 0) {
        return 0;
    }
    reader->at += 4;
    skip_blanks(reader);
    size_t size = strcspn(reader->at, " ,");
    (void)snprintf(text, sizeof text, "%.*s", (int)MIN(size, sizeof text), reader->at);
    if (size >= sizeof text || parse_duration(text, &ret->for_usec, NULL) < 0 ||
        ret->for_usec < 1000000 || ret->for_usec > THRESHOLD_MAX_FOR_USEC) {
        return fail(reader, "a duration from 1s to 1h is expected");
    }
    reader->at += size;
    if (ret->metric == METRIC_HITS) {
        return fail(reader, "hits are of the whole run: rps has a rate");
    }
    return 0;
}

static int read_stop(struct reader *reader, struct threshold *ret)
{
    skip_blanks(reader);
    if (*reader->at == ',') {
        reader->at++;
        skip_blanks(reader);
        if (!is_word(reader->at, word_size(reader->at), "stop")) {
            return fail(reader, "'stop' is expected");
        }
        reader->at += strlen("stop");
        ret->stop = true;
        skip_blanks(reader);
    }
    if (*reader->at == '\0') {
        return 0;
    }
    return fail(reader, ret->stop || ret->for_usec > 0 ? "the end is expected"
                                                       : "'for', ', stop' or the end is expected");
}

/* Those that loads.compare() compares. */
static int read_compared(struct reader *reader, struct threshold *ret)
{
    const char *at = reader->at;
    int r = read_metric(reader, ret);
    unsigned percent = ret->millipercent / 1000;
    bool is_compared =
        r == 0 && (ret->metric == METRIC_RPS || ret->metric == METRIC_ERRORS ||
                   (ret->metric == METRIC_PERCENTILE && ret->millipercent % 1000 == 0 &&
                    (percent == 50 || percent == 95 || percent == 99)));

    if (!is_compared) {
        reader->at = at;
        return fail(reader, "no such metric: p50, p95, p99, rps, errors");
    }
    return 0;
}

static int read_change(struct reader *reader, struct threshold *ret)
{
    skip_blanks(reader);
    if (*reader->at != '+' && *reader->at != '-') {
        return fail(reader, "+ or - is expected");
    }
    bool is_more = *reader->at++ == '+';
    int r = read_number(reader, ret);
    if (r < 0) {
        return r;
    }
    if (*reader->at != '%') {
        return fail(reader, "'%' is expected");
    }
    reader->at++;
    skip_blanks(reader);
    ret->comparison = is_more ? IS_MORE : IS_LESS;
    ret->value = (is_more ? ret->value : -ret->value) / 100;
    ret->is_share = true;
    return *reader->at == '\0' ? 0 : fail(reader, "the end is expected");
}

typedef int read_part(struct reader *reader, struct threshold *ret);

static int parse(struct reader *reader, read_part *const *parts, size_t n_parts,
                 struct threshold *ret)
{
    struct threshold threshold = {.metric = METRICS};

    if (strlen(reader->text) > THRESHOLD_MAX_BYTES) {
        return error_set(reader->error, -EINVAL, "it has more than %d bytes", THRESHOLD_MAX_BYTES);
    }
    (void)snprintf(threshold.text, sizeof threshold.text, "%s", reader->text);
    skip_blanks(reader);
    for (size_t i = 0; i < n_parts; i++) {
        int r = parts[i](reader, &threshold);
        if (r < 0) {
            return r;
        }
    }
    *ret = threshold;
    return 0;
}

int threshold_parse_change(const char *text, struct threshold *ret, struct error *error)
{
    static read_part *const parts[] = {read_compared, read_filters, read_change};
    struct reader reader = {.text = text, .at = text, .error = error, .is_change = true};

    return parse(&reader, parts, ELEMENTSOF(parts), ret);
}

int threshold_parse(const char *text, struct threshold *ret, struct error *error)
{
    static read_part *const parts[] = {
        read_metric, read_filters, read_comparison, read_value, read_duration, read_stop,
    };
    struct reader reader = {.text = text, .at = text, .error = error};

    return parse(&reader, parts, ELEMENTSOF(parts), ret);
}

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
