/* SPDX-License-Identifier: MPL-2.0 */
/* New ids for old ones. Ids are given out in the order in which names come up, so most intervals
 * stay in order and sorting is rare; two ids become one when both their names had no room. */
#include "metrics/interval_remap.h"

#include <errno.h>

uint32_t interval_map_id(const struct interval_map *map, enum name_kind kind, unsigned id)
{
    if (id == 0) {
        return 0;
    }
    return id < map->counts[kind] ? map->ids[kind][id] : INTERVAL_UNMAPPED;
}

/* All entries of an interval begin with their id. */
static bool all_mapped(const struct interval_map *map, enum name_kind kind, const void *entries,
                       size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned *id = (const void *)((const char *)entries + i * size);
        if (interval_map_id(map, kind, *id) == INTERVAL_UNMAPPED) {
            return false;
        }
    }
    return true;
}

static int compare_ids(const void *left, const void *right)
{
    unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
    return a < b ? -1 : a > b;
}

static void replace(const struct interval_map *map, enum name_kind kind, void *entries, size_t n,
                    size_t size)
{
    bool in_order = true;
    unsigned before = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned *id = (void *)((char *)entries + i * size);
        *id = interval_map_id(map, kind, *id);
        in_order = in_order && before <= *id;
        before = *id;
    }
    if (!in_order) {
        qsort(entries, n, size, compare_ids);
    }
}

static int merge_series(struct interval_series *series, size_t *n)
{
    size_t kept = 0, i = 0;
    int r = 0;

    for (; i < *n && r == 0; i++) {
        if (kept == 0 || series[kept - 1].id != series[i].id) {
            series[kept++] = series[i];
            continue;
        }
        struct interval_series *sum = &series[kept - 1];
        r = histogram_merge(&sum->latency, &series[i].latency);
        if (r == 0) {
            sum->errors += series[i].errors;
            sum->sent_bytes += series[i].sent_bytes;
            sum->received_bytes += series[i].received_bytes;
            histogram_clear(&series[i].latency);
        }
    }
    for (i -= r < 0 ? 1 : 0; r < 0 && i < *n; i++) {
        series[kept++] = series[i]; /* still to be freed */
    }
    *n = kept;
    return r;
}

static size_t merge_counts(struct interval_count *counts, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && counts[kept - 1].id == counts[i].id) {
            counts[kept - 1].count = interval_add_counts(counts[kept - 1].count, counts[i].count);
        } else {
            counts[kept++] = counts[i];
        }
    }
    size_t left = 0;
    for (size_t i = 0; i < kept; i++) { /* increments may have cancelled out */
        if (counts[i].count != 0) {
            counts[left++] = counts[i];
        }
    }
    return left;
}

static size_t merge_tests(struct interval_test *tests, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || tests[kept - 1].id != tests[i].id) {
            tests[kept++] = tests[i];
            continue;
        }
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            tests[kept - 1].outcomes[outcome] += tests[i].outcomes[outcome];
        }
    }
    return kept;
}

int interval_remap(struct interval *interval, const struct interval_map *map)
{
    const struct {
        enum name_kind kind;
        void *entries;
        size_t n, size;
    } lists[] = {
        {NAME_SERIES, interval->series, interval->n_series, sizeof *interval->series},
        {NAME_ERROR, interval->errors, interval->n_errors, sizeof *interval->errors},
        {NAME_COUNTER, interval->counters, interval->n_counters, sizeof *interval->counters},
        {NAME_TEST, interval->tests, interval->n_tests, sizeof *interval->tests},
        {NAME_TIMER, interval->timers, interval->n_timers, sizeof *interval->timers},
    };

    static_assert(offsetof(struct interval_series, id) == 0, "see all_mapped()");
    static_assert(offsetof(struct interval_count, id) == 0, "see all_mapped()");
    static_assert(offsetof(struct interval_test, id) == 0, "see all_mapped()");
    for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
        if (!all_mapped(map, lists[i].kind, lists[i].entries, lists[i].n, lists[i].size)) {
            return -ENOENT;
        }
    }
    for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
        replace(map, lists[i].kind, lists[i].entries, lists[i].n, lists[i].size);
    }
    interval->n_errors = merge_counts(interval->errors, interval->n_errors);
    interval->n_counters = merge_counts(interval->counters, interval->n_counters);
    interval->n_tests = merge_tests(interval->tests, interval->n_tests);
    int r = merge_series(interval->series, &interval->n_series);
    return r < 0 ? r : merge_series(interval->timers, &interval->n_timers);
}
