/* SPDX-License-Identifier: MPL-2.0 */
/* A threshold is read from left to right, and what can't go on is told with a caret under it. */
#include "metrics/threshold.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

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
