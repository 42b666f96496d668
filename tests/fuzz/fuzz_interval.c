/* SPDX-License-Identifier: MPL-2.0 */
/* Intervals as bytes: what is accepted is valid, is the only way to write it, and can be merged. */
#include <errno.h>

#include "fuzz.h"
#include "metrics/interval.h"
#include "metrics/names.h"

/* Sums of two that are below it are no overflow. */
#define MAX_SUMMAND (UINT64_MAX / 4)

static void check_encoding(const struct interval *interval, const uint8_t *data, size_t size)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t n = 0;

    assert(interval_encode(interval, &bytes, &n) == 0);
    assert(n == size && memcmp(bytes, data, n) == 0);
}

static void check_counts(const struct interval_count *counts, size_t n, unsigned max_id)
{
    for (size_t i = 0; i < n; i++) {
        assert(counts[i].id <= max_id && counts[i].count != 0);
        assert(i == 0 || counts[i].id > counts[i - 1].id);
    }
}

/* Whether all of it can be doubled. */
static bool check_fields(const struct interval *interval)
{
    uint64_t bits = 0;

    assert(interval->seconds > 0 && interval->seconds <= UINT32_MAX - interval->second);
    check_counts(interval->errors, interval->n_errors, NAMES_MAX_ERRORS);
    check_counts(interval->counters, interval->n_counters, NAMES_MAX_COUNTERS);
    for (size_t i = 0; i < interval->n_series; i++) {
        const struct interval_series *series = &interval->series[i];
        assert(series->id <= NAMES_MAX_SERIES && (i == 0 || series->id > series[-1].id));
        assert(histogram_is_valid(&series->latency));
        assert(histogram_percentile_usec(&series->latency, 99900) <= series->latency.max_usec);
        bits |= series->latency.count | series->latency.sum_usec | series->errors |
                series->sent_bytes | series->received_bytes;
    }
    for (size_t i = 0; i < interval->n_timers; i++) {
        const struct interval_series *timer = &interval->timers[i];
        assert(timer->id <= NAMES_MAX_TIMERS && (i == 0 || timer->id > timer[-1].id));
        assert(histogram_is_valid(&timer->latency));
        assert(timer->sent_bytes == 0 && timer->received_bytes == 0);
        bits |= timer->latency.count | timer->latency.sum_usec | timer->errors;
    }
    for (size_t i = 0; i < interval->n_tests; i++) {
        const struct interval_test *test = &interval->tests[i];
        assert(test->id <= NAMES_MAX_TESTS && (i == 0 || test->id > test[-1].id));
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            bits |= test->outcomes[outcome];
        }
    }
    return bits < MAX_SUMMAND;
}

static void check_merge(struct interval *interval, const uint8_t *data, size_t size)
{
    _cleanup_(interval_freep) struct interval *other = NULL, *again = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct error error;
    size_t n = 0;

    assert(interval_decode(data, size, &other, &error) == 0);
    assert(interval_merge(interval, other) == 0);
    assert(interval->second == other->second && interval->seconds == other->seconds);
    assert(interval->n_series == other->n_series && interval->n_tests == other->n_tests);
    assert(interval->n_timers == other->n_timers);
    for (size_t i = 0; i < interval->n_series; i++) {
        assert(interval->series[i].latency.count == 2 * other->series[i].latency.count);
    }
    assert(interval_encode(interval, &bytes, &n) == 0);
    assert(interval_decode(bytes, n, &again, &error) == 0);
    check_encoding(again, bytes, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(interval_freep) struct interval *interval = NULL;
    struct error error;
    int r = interval_decode(data, size, &interval, &error);

    if (r < 0) {
        assert(!interval && (r == -EBADMSG || r == -E2BIG));
        check_error(r, &error);
        return 0;
    }
    check_encoding(interval, data, size);
    if (check_fields(interval)) {
        check_merge(interval, data, size);
    }
    return 0;
}
