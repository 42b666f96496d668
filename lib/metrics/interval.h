/* SPDX-License-Identifier: MPL-2.0 */
/* What one source counted in one second of a run (or in several, when it or its reader was late):
 * numbers by id. The ids' names are in struct names. */
#ifndef LOADS_METRICS_INTERVAL_H
#define LOADS_METRICS_INTERVAL_H

#include <stdint.h>

#include "base/error.h"
#include "metrics/histogram.h"

/* How an iteration ended. */
enum outcome {
    OUTCOME_SUCCESS,
    OUTCOME_FAILURE,     /* a failed assertion */
    OUTCOME_ERROR,       /* no answer, a crash */
    OUTCOME_INTERRUPTED, /* cut at the end of its time: neither success nor error */
    OUTCOMES
};

/* What was measured under one name: a series of hits, or a timer's times (errors are then those
 * that came to no end, and there are no bytes). */
struct interval_series {
    unsigned id;
    struct histogram latency; /* of hits: latency.count of them */
    uint64_t errors;          /* requests without a complete answer, in no percentile */
    uint64_t sent_bytes, received_bytes;
};

struct interval_count {
    unsigned id;
    int64_t count;
};

struct interval_test {
    unsigned id;
    uint64_t outcomes[OUTCOMES];
};

/* Arrays are in ascending order of ids, without entries that are all zero. */
struct interval {
    uint32_t second;  /* of the run, the first one covered */
    uint32_t seconds; /* how many, usually 1 */
    struct interval_series *series;
    size_t n_series;
    struct interval_count *errors; /* times that a distinct error or failure occurred */
    size_t n_errors;
    struct interval_count *counters;
    size_t n_counters;
    struct interval_test *tests;
    size_t n_tests;
    struct interval_series *timers;
    size_t n_timers;
};

struct interval *interval_free(struct interval *interval);
DEFINE_CLEANUP(struct interval, interval_free)

/* Adds all of `from`, another interval; the result covers both's seconds. -ENOMEM: `into` is
 * unchanged. */
int interval_merge(struct interval *into, const struct interval *from) _must_check_;

/* The sum of two counts, kept within what a count can be. */
static inline int64_t interval_add_counts(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return a < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

/* The wire form: version byte, varints (LEB128), buckets as gaps; docs/protocol.md will show it.
 * The bytes are malloc'ed, the caller's. */
int interval_encode(const struct interval *interval, uint8_t **ret, size_t *ret_size) _must_check_;

/* Reads bytes from outside: -EBADMSG with what is wrong for anything that interval_encode() would
 * not have written (order, ranges, sums that can't be, trailing bytes), -E2BIG beyond the limits of
 * a run (metrics/names.h). Never takes more memory than a small multiple of `size` plus one page
 * per octave of each series. */
int interval_decode(const uint8_t *bytes, size_t size, struct interval **ret, struct error *error)
    _must_check_;

#endif
