/* SPDX-License-Identifier: MPL-2.0 */
/* Intervals in memory: freeing and merging. A merge prepares everything that needs memory first, in
 * an interval of its own, and only then changes the target, since an agent that is short of memory
 * must still be able to hand on what it has, whole. */
#include "metrics/interval.h"

#include <errno.h>

static void free_series(struct interval_series *series, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        histogram_clear(&series[i].latency);
    }
    free(series);
}

struct interval *interval_free(struct interval *interval)
{
    if (interval) {
        free_series(interval->series, interval->n_series);
        free_series(interval->timers, interval->n_timers);
        free(interval->errors);
        free(interval->counters);
        free(interval->tests);
        free(interval);
    }
    return NULL;
}

static int merge_counts(const struct interval_count *a, size_t n_a, const struct interval_count *b,
                        size_t n_b, struct interval_count **ret, size_t *ret_size)
{
    struct interval_count *merged = calloc(MAX(n_a + n_b, 1), sizeof *merged);
    size_t n = 0;

    if (!merged) {
        return -ENOMEM;
    }
    for (size_t i = 0, j = 0; i < n_a || j < n_b;) {
        struct interval_count sum;
        if (j == n_b || (i < n_a && a[i].id < b[j].id)) {
            sum = a[i++];
        } else if (i == n_a || b[j].id < a[i].id) {
            sum = b[j++];
        } else {
            sum.id = a[i].id;
            sum.count = interval_add_counts(a[i++].count, b[j++].count);
        }
        if (sum.count != 0) { /* increments may have cancelled out */
            merged[n++] = sum;
        }
    }
    *ret = merged;
    *ret_size = n;
    return 0;
}

static int merge_tests(const struct interval *a, const struct interval *b, struct interval *merged)
{
    merged->tests = calloc(MAX(a->n_tests + b->n_tests, 1), sizeof *merged->tests);
    if (!merged->tests) {
        return -ENOMEM;
    }
    for (size_t i = 0, j = 0; i < a->n_tests || j < b->n_tests;) {
        struct interval_test *sum = &merged->tests[merged->n_tests++];
        if (j == b->n_tests || (i < a->n_tests && a->tests[i].id < b->tests[j].id)) {
            *sum = a->tests[i++];
        } else if (i == a->n_tests || b->tests[j].id < a->tests[i].id) {
            *sum = b->tests[j++];
        } else {
            *sum = a->tests[i++];
            for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
                sum->outcomes[outcome] += b->tests[j].outcomes[outcome];
            }
            j++;
        }
    }
    return 0;
}

/* An interval's series, or its timers. */
struct series_list {
    struct interval_series *items;
    size_t n;
};

/* Makes an array that can take the series of both, with copies of those that only `from` has at its
 * beginning, and room in `into` for what both have. `merged` is whole at any time: who fails frees
 * it. */
static int prepare_series(const struct series_list *into, const struct series_list *from,
                          struct interval_series **merged, size_t *n_merged)
{
    *merged = calloc(MAX(into->n + from->n, 1), sizeof **merged);
    if (!*merged) {
        return -ENOMEM;
    }
    for (size_t i = 0, j = 0; j < from->n; j++) {
        const struct interval_series *series = &from->items[j];
        int r;
        while (i < into->n && into->items[i].id < series->id) {
            i++;
        }
        if (i < into->n && into->items[i].id == series->id) {
            r = histogram_reserve(&into->items[i].latency, &series->latency);
        } else {
            struct interval_series *copy = &(*merged)[(*n_merged)++];
            *copy = *series;
            copy->latency = (struct histogram){0};
            r = histogram_merge(&copy->latency, &series->latency);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Adds the series that both have; prepare_series() has made the room. */
static void add_common_series(const struct series_list *into, const struct series_list *from)
{
    for (size_t i = 0, j = 0; i < into->n && j < from->n;) {
        struct interval_series *sum = &into->items[i];
        const struct interval_series *series = &from->items[j];
        if (sum->id != series->id) {
            *(sum->id < series->id ? &i : &j) += 1;
            continue;
        }
        int r = histogram_merge(&sum->latency, &series->latency);
        assert(r == 0);
        sum->errors += series->errors;
        sum->sent_bytes += series->sent_bytes;
        sum->received_bytes += series->received_bytes;
        i++;
        j++;
    }
}

/* Moves the series of `into` between those that stand at the beginning of `merged`: from the back,
 * where nothing is in the way. Returns how many there are. */
static size_t move_series(const struct series_list *into, struct interval_series *merged,
                          size_t n_merged)
{
    size_t i = into->n, j = n_merged, end = i + j;

    while (i > 0) {
        if (j > 0 && merged[j - 1].id > into->items[i - 1].id) {
            merged[--end] = merged[--j];
        } else {
            merged[--end] = into->items[--i];
        }
    }
    return into->n + n_merged;
}

static void swap_intervals(struct interval *a, struct interval *b)
{
    struct interval swap = *a;
    *a = *b;
    *b = swap;
}

int interval_merge(struct interval *into, const struct interval *from)
{
    _cleanup_(interval_freep) struct interval *merged = calloc(1, sizeof *merged);
    int r;

    if (!merged) {
        return -ENOMEM;
    }
    r = merge_counts(into->errors, into->n_errors, from->errors, from->n_errors, &merged->errors,
                     &merged->n_errors);
    if (r < 0) {
        return r;
    }
    r = merge_counts(into->counters, into->n_counters, from->counters, from->n_counters,
                     &merged->counters, &merged->n_counters);
    if (r < 0) {
        return r;
    }
    r = merge_tests(into, from, merged);
    if (r < 0) {
        return r;
    }
    const struct series_list series[] = {{into->series, into->n_series},
                                         {from->series, from->n_series}};
    const struct series_list timers[] = {{into->timers, into->n_timers},
                                         {from->timers, from->n_timers}};
    r = prepare_series(&series[0], &series[1], &merged->series, &merged->n_series);
    if (r == 0) {
        r = prepare_series(&timers[0], &timers[1], &merged->timers, &merged->n_timers);
    }
    if (r < 0) {
        return r;
    }
    add_common_series(&series[0], &series[1]);
    add_common_series(&timers[0], &timers[1]);
    merged->n_series = move_series(&series[0], merged->series, merged->n_series);
    merged->n_timers = move_series(&timers[0], merged->timers, merged->n_timers);
    into->n_series = into->n_timers = 0;
    uint64_t end =
        MAX((uint64_t)into->second + into->seconds, (uint64_t)from->second + from->seconds);
    merged->second = MIN(into->second, from->second);
    merged->seconds = (uint32_t)(MIN(end, UINT32_MAX) - merged->second);
    swap_intervals(into, merged);
    return 0;
}
