/* SPDX-License-Identifier: MPL-2.0 */
/* All of a run added up, by id: what summaries are made from. */
#ifndef LOADS_METRICS_TOTALS_H
#define LOADS_METRICS_TOTALS_H

#include "metrics/interval.h"
#include "metrics/names.h"

struct totals {
    struct interval_series series[NAMES_MAX_SERIES + 1]; /* by id */
    struct interval_series timers[NAMES_MAX_TIMERS + 1]; /* by id */
    uint64_t errors[NAMES_MAX_ERRORS + 1];
    int64_t counters[NAMES_MAX_COUNTERS + 1];
    uint64_t outcomes[NAMES_MAX_TESTS + 1][OUTCOMES];
    uint64_t hits;           /* sum over all series */
    uint64_t request_errors; /* sum over all series */
};

int totals_new(struct totals **ret) _must_check_;
struct totals *totals_free(struct totals *totals);
DEFINE_CLEANUP(struct totals, totals_free)

/* Adds an interval. -ENOMEM: nothing changed. */
int totals_add(struct totals *totals, const struct interval *interval) _must_check_;

/* All of it as one interval, of second 0. -ENOMEM. */
int totals_interval(const struct totals *totals, struct interval **ret) _must_check_;

/* Sum of an outcome over all tests. */
uint64_t totals_outcome(const struct totals *totals, enum outcome outcome);

#endif
