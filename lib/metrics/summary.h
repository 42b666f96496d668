/* SPDX-License-Identifier: MPL-2.0 */
/* The numbers that people see, computed once, so that every output shows the same ones. */
#ifndef LOADS_METRICS_SUMMARY_H
#define LOADS_METRICS_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/names.h"
#include "metrics/totals.h"

/* Custom counters of these names count web sockets; they have fields of their own in the summary.
 */
#define COUNTER_SOCKETS_OPENED         "loads.sockets-opened"
#define COUNTER_SOCKETS_CLOSED         "loads.sockets-closed"
#define COUNTER_SOCKETS_SENT           "loads.sockets-sent" /* messages */
#define COUNTER_SOCKETS_SENT_BYTES     "loads.sockets-sent-bytes"
#define COUNTER_SOCKETS_RECEIVED       "loads.sockets-received"
#define COUNTER_SOCKETS_RECEIVED_BYTES "loads.sockets-received-bytes"

struct summary_sockets {
    int64_t opened, closed;
    int64_t sent, received; /* messages, and their bytes: */
    int64_t sent_bytes, received_bytes;
};

/* Latencies of hits, or times, microseconds. All 0 without any. */
struct summary_latency {
    uint64_t min_usec, max_usec;
    double average_usec;
    uint64_t p50_usec, p90_usec, p95_usec, p99_usec, p999_usec;
};

/* One request name of one test and method, over all statuses. */
struct summary_name {
    char *test, *name, *method;
    uint64_t hits;       /* with a complete answer */
    uint64_t errors;     /* without */
    uint64_t good;       /* hits with a status below 400 */
    double success_rate; /* good / (hits + errors), 0 to 1 */
    double hits_per_sec;
    uint64_t sent_bytes, received_bytes;
    struct summary_latency latency;
    struct summary_status {
        unsigned status;
        uint64_t hits;
    } * statuses; /* ascending */
    size_t n_statuses;
};

struct summary_error {
    enum error_kind kind;
    char *class, *message, *place, *test, *traceback;
    uint64_t count;
};

struct summary_counter {
    char *name;
    int64_t count;
};

/* What is timed beside hits. */
struct summary_timer {
    enum timer_kind kind;
    char *test, *name;
    uint64_t count;  /* that came to an end */
    uint64_t errors; /* that didn't: they are in no time */
    struct summary_latency time;
};

struct summary_test {
    char *name; /* "Suite.test" */
    uint64_t outcomes[OUTCOMES];
};

struct summary {
    uint64_t hits, request_errors;
    uint64_t successes, failures, errors, interrupted; /* iterations */
    double duration_sec;
    double hits_per_sec;
    struct summary_latency latency; /* over all names */
    uint64_t sent_bytes, received_bytes;
    struct summary_sockets sockets;
    struct summary_name *names; /* most hits first, then by name and method */
    size_t n_names;
    const struct summary_name *slowest; /* of names with hits: the highest average; NULL without */
    struct summary_error *failures_and_errors; /* most frequent first */
    size_t n_failures_and_errors;
    struct summary_counter *counters; /* by name; without those above */
    size_t n_counters;
    struct summary_test *tests; /* by name */
    size_t n_tests;
    struct summary_timer *timers; /* by kind, test and name; phases as they follow each other */
    size_t n_timers;
    /* What had no room for its name: requests; errors and failures; how often counters changed;
     * what timers timed. */
    uint64_t other_series, other_errors, other_counters, other_timers;
};

/* `duration_sec`: what the cycles took. -ENOMEM. */
int summary_new(struct summary **ret, const struct totals *totals, const struct names *names,
                double duration_sec) _must_check_;
struct summary *summary_free(struct summary *summary);
DEFINE_CLEANUP(struct summary, summary_free)

#endif
