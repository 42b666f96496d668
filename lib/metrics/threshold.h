/* SPDX-License-Identifier: MPL-2.0 */
/* What a run's numbers are held against: "p95 < 200ms", "errors{test=Shop.buy} < 1% for 10s, stop".
 *
 *   threshold = metric [ "{" filter { "," filter } "}" ] comparison value [ "for" duration ]
 *               [ "," "stop" ]
 *   metric    = "p" percentile | "avg" | "min" | "max" | "rps" | "hits" | "errors" | "failures"
 *               | "request_errors"
 *   filter    = ( "url" | "method" | "status" | "test" | "transaction" ) "=" text
 *   comparison = "<" | "<=" | ">" | ">=" | "==" | "!="
 *   value     = number [ "us" | "ms" | "s" | "m" | "h" | "%" ]
 */
#ifndef LOADS_METRICS_THRESHOLD_H
#define LOADS_METRICS_THRESHOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "metrics/interval.h"
#include "metrics/names.h"

#define THRESHOLD_MAX_BYTES    300
#define THRESHOLD_MAX_FOR_USEC UINT64_C(3600000000)

enum threshold_metric {
    METRIC_PERCENTILE,
    METRIC_AVERAGE,
    METRIC_MIN,
    METRIC_MAX,
    METRIC_RPS,
    METRIC_HITS,
    METRIC_ERRORS,   /* iterations */
    METRIC_FAILURES, /* iterations */
    METRIC_REQUEST_ERRORS,
    METRICS
};

enum threshold_filter {
    FILTER_URL,
    FILTER_METHOD,
    FILTER_STATUS,
    FILTER_TEST,
    FILTER_TRANSACTION,
    FILTERS
};

enum threshold_comparison {
    IS_LESS,
    IS_AT_MOST,
    IS_MORE,
    IS_AT_LEAST,
    IS_EQUAL,
    IS_OTHER,
    COMPARISONS
};

/* All of it is in the struct: it can be copied. */
struct threshold {
    char text[THRESHOLD_MAX_BYTES + 1]; /* as it was given */
    enum threshold_metric metric;
    unsigned millipercent;                          /* of METRIC_PERCENTILE */
    char filters[FILTERS][THRESHOLD_MAX_BYTES + 1]; /* "": none */
    enum threshold_comparison comparison;
    double value; /* microseconds, hits per second, a count, or a share of 0 to 1 */
    bool is_share;
    uint64_t for_usec; /* 0: it is about the whole run */
    bool stop;
};

/* -EINVAL with a text of three lines: what is wrong, and where. */
int threshold_parse(const char *text, struct threshold *ret, struct error *error) _must_check_;

/* What a difference between two runs is held against: "p95 +10%", "errors{url=/login} +1%".
 *
 *   limit  = metric [ "{" filter { "," filter } "}" ] ( "+" | "-" ) number "%"
 *   metric = "p50" | "p95" | "p99" | "rps" | "errors"
 *   filter = ( "url" | "method" | "test" ) "=" text
 *
 * The comparison is IS_MORE with a value above 0, or IS_LESS with one below: a share, 0.1 for 10 %.
 * Errors as above. */
int threshold_parse_change(const char *text, struct threshold *ret, struct error *error)
    _must_check_;

/* Whether hits of a series are among what a threshold looks at. */
bool threshold_matches(const struct threshold *threshold, const struct series_key *key);

/* What a threshold looks at, out of a whole run or some seconds of it. */
struct measure {
    struct histogram latency;
    uint64_t request_errors;
    uint64_t iterations, errors, failures;
    double seconds;
};

void measure_clear(struct measure *measure);

/* Adds what of an interval a threshold looks at. -ENOMEM: part of it may be there. */
int measure_add(struct measure *measure, const struct threshold *threshold,
                const struct interval *interval, const struct names *names) _must_check_;

/* What a threshold comes to. */
struct judgement {
    bool is_known; /* false: there is nothing to judge by: no latency without hits */
    bool holds;
    double value; /* in the unit of threshold.value */
};

struct judgement threshold_judge(const struct threshold *threshold, const struct measure *measure);

#define THRESHOLD_VALUE_BYTES 40

/* A value of a threshold's unit for people: "213 ms", "0.4 %", with as many digits as it takes to
 * tell it from the bound. Returns `ret`. */
const char *threshold_show(const struct threshold *threshold, double value,
                           char ret[static THRESHOLD_VALUE_BYTES]);

/* What its values count: "usec", "hits_per_sec", "share" (0 to 1), "count". */
const char *threshold_unit(const struct threshold *threshold);

/* Whether only the end of the run tells: "hits > 1000". */
bool threshold_needs_end(const struct threshold *threshold);

#endif
