/* SPDX-License-Identifier: MPL-2.0 */
/* Totals of a run. Arrays by id, since ids are small and dense; the pages of the histograms are all
 * that grows. */
#include "metrics/totals.h"

#include <errno.h>

int totals_new(struct totals **ret)
{
    struct totals *totals = calloc(1, sizeof *totals);
    if (!totals) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id < ELEMENTSOF(totals->series); id++) {
        totals->series[id].id = id;
    }
    for (unsigned id = 0; id < ELEMENTSOF(totals->timers); id++) {
        totals->timers[id].id = id;
    }
    *ret = totals;
    return 0;
}

struct totals *totals_free(struct totals *totals)
{
    if (totals) {
        for (unsigned id = 0; id < ELEMENTSOF(totals->series); id++) {
            histogram_clear(&totals->series[id].latency);
        }
        for (unsigned id = 0; id < ELEMENTSOF(totals->timers); id++) {
            histogram_clear(&totals->timers[id].latency);
        }
        free(totals);
    }
    return NULL;
}

/* Ascending, so that the last id is the greatest. */
static bool ids_fit(const struct interval *interval)
{
    return (interval->n_series == 0 ||
            interval->series[interval->n_series - 1].id <= NAMES_MAX_SERIES) &&
           (interval->n_errors == 0 ||
            interval->errors[interval->n_errors - 1].id <= NAMES_MAX_ERRORS) &&
           (interval->n_counters == 0 ||
            interval->counters[interval->n_counters - 1].id <= NAMES_MAX_COUNTERS) &&
           (interval->n_tests == 0 ||
            interval->tests[interval->n_tests - 1].id <= NAMES_MAX_TESTS) &&
           (interval->n_timers == 0 ||
            interval->timers[interval->n_timers - 1].id <= NAMES_MAX_TIMERS);
}

/* Makes room in `sums`, which are by id. */
static int reserve(struct interval_series *sums, const struct interval_series *series, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = histogram_reserve(&sums[series[i].id].latency, &series[i].latency);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* reserve() has made the room. */
static void add(struct interval_series *sum, const struct interval_series *series)
{
    int r = histogram_merge(&sum->latency, &series->latency);

    assert(r == 0);
    sum->errors += series->errors;
    sum->sent_bytes += series->sent_bytes;
    sum->received_bytes += series->received_bytes;
}

int totals_add(struct totals *totals, const struct interval *interval)
{
    assert(ids_fit(interval)); /* tally and codec let no other id through */
    int r = reserve(totals->series, interval->series, interval->n_series);
    if (r == 0) {
        r = reserve(totals->timers, interval->timers, interval->n_timers);
    }
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < interval->n_series; i++) {
        const struct interval_series *series = &interval->series[i];
        add(&totals->series[series->id], series);
        totals->hits += series->latency.count;
        totals->request_errors += series->errors;
    }
    for (size_t i = 0; i < interval->n_timers; i++) {
        add(&totals->timers[interval->timers[i].id], &interval->timers[i]);
    }
    for (size_t i = 0; i < interval->n_errors; i++) {
        totals->errors[interval->errors[i].id] += (uint64_t)interval->errors[i].count;
    }
    for (size_t i = 0; i < interval->n_counters; i++) {
        int64_t *sum = &totals->counters[interval->counters[i].id];
        *sum = interval_add_counts(*sum, interval->counters[i].count);
    }
    for (size_t i = 0; i < interval->n_tests; i++) {
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            totals->outcomes[interval->tests[i].id][outcome] +=
                interval->tests[i].outcomes[outcome];
        }
    }
    return 0;
}

static bool is_counted(const struct interval_series *series)
{
    return series->latency.count > 0 || series->errors > 0;
}

static int copy_series(const struct interval_series *sums, size_t n_sums,
                       struct interval_series *series, size_t *n)
{
    for (size_t id = 0; id < n_sums; id++) {
        const struct interval_series *from = &sums[id];
        if (!is_counted(from)) {
            continue;
        }
        struct interval_series *into = &series[(*n)++];
        *into = *from;
        into->latency = (struct histogram){.count = 0};
        int r = histogram_merge(&into->latency, &from->latency);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void copy_counts(const struct totals *totals, struct interval *interval)
{
    for (unsigned id = 0; id < ELEMENTSOF(totals->errors); id++) {
        if (totals->errors[id] > 0) {
            interval->errors[interval->n_errors++] =
                (struct interval_count){id, (int64_t)totals->errors[id]};
        }
    }
    for (unsigned id = 0; id < ELEMENTSOF(totals->counters); id++) {
        if (totals->counters[id] != 0) {
            interval->counters[interval->n_counters++] =
                (struct interval_count){id, totals->counters[id]};
        }
    }
    for (unsigned id = 0; id < ELEMENTSOF(totals->outcomes); id++) {
        struct interval_test test = {.id = id};
        uint64_t any = 0;
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            test.outcomes[outcome] = totals->outcomes[id][outcome];
            any |= test.outcomes[outcome];
        }
        if (any > 0) {
            interval->tests[interval->n_tests++] = test;
        }
    }
}

int totals_interval(const struct totals *totals, struct interval **ret)
{
    _cleanup_(interval_freep) struct interval *interval = calloc(1, sizeof *interval);

    if (!interval) {
        return -ENOMEM;
    }
    interval->seconds = 1;
    interval->series = calloc(ELEMENTSOF(totals->series), sizeof *interval->series);
    interval->errors = calloc(ELEMENTSOF(totals->errors), sizeof *interval->errors);
    interval->counters = calloc(ELEMENTSOF(totals->counters), sizeof *interval->counters);
    interval->tests = calloc(ELEMENTSOF(totals->outcomes), sizeof *interval->tests);
    interval->timers = calloc(ELEMENTSOF(totals->timers), sizeof *interval->timers);
    if (!interval->series || !interval->errors || !interval->counters || !interval->tests ||
        !interval->timers ||
        copy_series(totals->series, ELEMENTSOF(totals->series), interval->series,
                    &interval->n_series) < 0 ||
        copy_series(totals->timers, ELEMENTSOF(totals->timers), interval->timers,
                    &interval->n_timers) < 0) {
        return -ENOMEM;
    }
    copy_counts(totals, interval);
    *ret = TAKE_PTR(interval);
    return 0;
}

uint64_t totals_outcome(const struct totals *totals, enum outcome outcome)
{
    uint64_t sum = 0;

    for (unsigned id = 0; id < ELEMENTSOF(totals->outcomes); id++) {
        sum += totals->outcomes[id][outcome];
    }
    return sum;
}
