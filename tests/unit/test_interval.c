/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "allocation.h"
#include "metrics/interval.h"
#include "metrics/names.h"
#include "random.h"

/* ---- made-up intervals ---- */

struct shape {
    unsigned series, errors, counters, tests, timers; /* at most */
    unsigned samples;                                 /* per series, at most */
};

static const struct shape small = {3, 2, 3, 2, 2, 4};
static const struct shape medium = {8, 6, 9, 5, 6, 40};
static const struct shape large = {40, 30, 60, 20, 30, 300};

static uint64_t random_usec(uint64_t *random)
{
    uint64_t usec = random_next(random) >> random_below(random, 64);
    return MIN(MAX(usec, 1), HISTOGRAM_MAX_USEC);
}

static unsigned random_id(uint64_t *random, unsigned previous, bool first)
{
    return first ? (unsigned)random_below(random, 4)
                 : previous + 1 + (unsigned)random_below(random, 4);
}

static struct interval_series *random_series(uint64_t *random, size_t n, unsigned max_samples)
{
    struct interval_series *all = calloc(n + 1, sizeof *all);

    assert_non_null(all);
    for (size_t i = 0; i < n; i++) {
        struct interval_series *series = &all[i];
        series->id = random_id(random, i ? series[-1].id : 0, i == 0);
        size_t samples = random_below(random, max_samples + 1);
        for (size_t j = 0; j < samples; j++) {
            assert_int_equal(
                histogram_add(&series->latency, random_usec(random), 1 + random_below(random, 3)),
                0);
        }
        series->errors = samples == 0 ? 1 : random_below(random, 3);
    }
    return all;
}

static void fill_series(struct interval *interval, uint64_t *random, const struct shape *shape)
{
    interval->n_series = random_below(random, shape->series + 1);
    interval->series = random_series(random, interval->n_series, shape->samples);
    for (size_t i = 0; i < interval->n_series; i++) {
        interval->series[i].sent_bytes = random_next(random) >> random_below(random, 64);
        interval->series[i].received_bytes = random_below(random, 100000);
    }
    interval->n_timers = random_below(random, shape->timers + 1);
    interval->timers = random_series(random, interval->n_timers, shape->samples);
}

static struct interval_count *random_counts(uint64_t *random, size_t n, bool negative)
{
    struct interval_count *counts = calloc(n + 1, sizeof *counts);
    assert_non_null(counts);
    for (size_t i = 0; i < n; i++) {
        counts[i].id = random_id(random, i ? counts[i - 1].id : 0, i == 0);
        counts[i].count = (int64_t)(1 + random_below(random, INT64_MAX) / 4);
        if (negative && random_below(random, 2)) {
            counts[i].count = -counts[i].count;
        }
    }
    return counts;
}

static struct interval *random_interval(uint64_t *random, const struct shape *shape)
{
    struct interval *interval = calloc(1, sizeof *interval);

    assert_non_null(interval);
    interval->second = (uint32_t)random_below(random, 100000);
    interval->seconds = 1 + (uint32_t)random_below(random, 3);
    fill_series(interval, random, shape);
    interval->n_errors = random_below(random, shape->errors + 1);
    interval->errors = random_counts(random, interval->n_errors, false);
    interval->n_counters = random_below(random, shape->counters + 1);
    interval->counters = random_counts(random, interval->n_counters, true);
    size_t n = random_below(random, shape->tests + 1);
    interval->tests = calloc(n + 1, sizeof *interval->tests);
    assert_non_null(interval->tests);
    for (size_t i = 0; i < n; i++) {
        struct interval_test *test = &interval->tests[interval->n_tests++];
        test->id = random_id(random, i ? test[-1].id : 0, i == 0);
        test->outcomes[random_below(random, OUTCOMES)] = 1 + random_below(random, 1000);
    }
    return interval;
}

/* ---- comparing ---- */

static void assert_histograms_equal(const struct histogram *a, const struct histogram *b)
{
    static const uint64_t empty[HISTOGRAM_PAGE_BUCKETS];

    assert_int_equal(a->count, b->count);
    assert_int_equal(a->sum_usec, b->sum_usec);
    assert_int_equal(a->min_usec, b->min_usec);
    assert_int_equal(a->max_usec, b->max_usec);
    for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
        assert_memory_equal(a->pages[page] ? a->pages[page] : empty,
                            b->pages[page] ? b->pages[page] : empty, sizeof empty);
    }
}

static void assert_series_equal(const struct interval_series *a, size_t n_a,
                                const struct interval_series *b, size_t n_b)
{
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++) {
        assert_int_equal(a[i].id, b[i].id);
        assert_int_equal(a[i].errors, b[i].errors);
        assert_int_equal(a[i].sent_bytes, b[i].sent_bytes);
        assert_int_equal(a[i].received_bytes, b[i].received_bytes);
        assert_histograms_equal(&a[i].latency, &b[i].latency);
    }
}

static void assert_intervals_equal(const struct interval *a, const struct interval *b)
{
    assert_int_equal(a->second, b->second);
    assert_int_equal(a->seconds, b->seconds);
    assert_series_equal(a->series, a->n_series, b->series, b->n_series);
    assert_series_equal(a->timers, a->n_timers, b->timers, b->n_timers);
    assert_int_equal(a->n_errors, b->n_errors);
    for (size_t i = 0; i < a->n_errors; i++) {
        assert_int_equal(a->errors[i].id, b->errors[i].id);
        assert_int_equal(a->errors[i].count, b->errors[i].count);
    }
    assert_int_equal(a->n_counters, b->n_counters);
    for (size_t i = 0; i < a->n_counters; i++) {
        assert_int_equal(a->counters[i].id, b->counters[i].id);
        assert_int_equal(a->counters[i].count, b->counters[i].count);
    }
    assert_int_equal(a->n_tests, b->n_tests);
    for (size_t i = 0; i < a->n_tests; i++) {
        assert_int_equal(a->tests[i].id, b->tests[i].id);
        assert_memory_equal(a->tests[i].outcomes, b->tests[i].outcomes,
                            sizeof a->tests[i].outcomes);
    }
}

static struct interval *copy_interval(const struct interval *interval)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct interval *copy = NULL;
    size_t size;

    assert_int_equal(interval_encode(interval, &bytes, &size), 0);
    assert_int_equal(interval_decode(bytes, size, &copy, NULL), 0);
    return copy;
}

/* Decodes; what is accepted must be what the encoder would have written. */
static void check_canonical(const uint8_t *bytes, size_t size)
{
    _cleanup_(interval_freep) struct interval *interval = NULL;
    _cleanup_free_ uint8_t *again = NULL;
    struct error error = {0};
    size_t again_size;

    int r = interval_decode(bytes, size, &interval, &error);
    if (r == 0) {
        assert_int_equal(interval_encode(interval, &again, &again_size), 0);
        assert_int_equal(again_size, size);
        assert_memory_equal(again, bytes, size);
    } else {
        assert_true(r == -EBADMSG || r == -E2BIG);
        assert_null(interval);
        assert_int_equal(error.code, r);
        assert_true(strlen(error.text) > strlen("interval: "));
    }
}

/* ---- the codec ---- */

static void test_round_trip(void **state _unused_)
{
    uint64_t random = 1;

    for (unsigned i = 0; i < 300; i++) {
        _cleanup_(interval_freep) struct interval *interval =
            random_interval(&random, i % 10 ? &small : &large);
        _cleanup_(interval_freep) struct interval *copy = copy_interval(interval);
        assert_intervals_equal(interval, copy);
    }
}

static void test_extremes(void **state _unused_)
{
    struct interval_count counters[] = {{0, INT64_MIN}, {NAMES_MAX_COUNTERS, INT64_MAX}};
    struct interval_count errors[] = {{NAMES_MAX_ERRORS, INT64_MAX}};
    struct interval_test tests[] = {{NAMES_MAX_TESTS, {UINT64_MAX, 0, 0, UINT64_MAX}}};
    struct interval_series series[] = {{.id = NAMES_MAX_SERIES, .errors = UINT64_MAX}};
    struct interval_series timers[] = {{.id = NAMES_MAX_TIMERS, .errors = UINT64_MAX}};
    struct interval interval = {.second = UINT32_MAX - 1,
                                .timers = timers,
                                .n_timers = 1,
                                .seconds = 1,
                                .series = series,
                                .n_series = 1,
                                .errors = errors,
                                .n_errors = 1,
                                .counters = counters,
                                .n_counters = 2,
                                .tests = tests,
                                .n_tests = 1};
    assert_int_equal(histogram_add(&series[0].latency, HISTOGRAM_MAX_USEC, UINT32_MAX), 0);
    assert_int_equal(histogram_add(&series[0].latency, 1, 1), 0);

    _cleanup_(interval_freep) struct interval *copy = copy_interval(&interval);
    assert_intervals_equal(&interval, copy);
    histogram_clear(&series[0].latency);
}

static void test_truncations_are_errors(void **state _unused_)
{
    uint64_t random = 2;

    for (unsigned i = 0; i < 20; i++) {
        _cleanup_(interval_freep) struct interval *interval = random_interval(&random, &small);
        _cleanup_(interval_freep) struct interval *decoded = NULL;
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;
        assert_int_equal(interval_encode(interval, &bytes, &size), 0);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *part = malloc(cut + 1); /* of its own, so that reading on is noticed */
            assert_non_null(part);
            memcpy(part, bytes, cut);
            uint8_t *exact = realloc(part, MAX(cut, 1));
            assert_non_null(exact);
            assert_int_equal(interval_decode(exact, cut, &decoded, NULL), -EBADMSG);
            free(exact);
        }
        uint8_t *longer = realloc(bytes, size + 1);
        assert_non_null(longer);
        bytes = longer;
        bytes[size] = 0;
        assert_int_equal(interval_decode(bytes, size + 1, &decoded, NULL), -EBADMSG);
    }
}

static void test_corruptions(void **state _unused_)
{
    static const uint8_t changes[] = {1, 2, 3, 4, 7, 8, 16, 32, 64, 127, 128, 129, 255};
    uint64_t random = 3;

    for (unsigned i = 0; i < 8; i++) {
        _cleanup_(interval_freep) struct interval *interval = random_interval(&random, &small);
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;
        assert_int_equal(interval_encode(interval, &bytes, &size), 0);
        for (size_t at = 0; at < size; at++) {
            uint8_t right = bytes[at];
            for (size_t j = 0; j < ELEMENTSOF(changes); j++) {
                bytes[at] = right ^ changes[j];
                check_canonical(bytes, size);
            }
            bytes[at] = right;
        }
    }
}

static void test_noise(void **state _unused_)
{
    uint64_t random = 4;

    for (unsigned i = 0; i < 4000; i++) {
        uint8_t bytes[64];
        size_t size = random_below(&random, sizeof bytes + 1);
        for (size_t j = 0; j < size; j++) {
            bytes[j] = (uint8_t)(random_next(&random) >> random_below(&random, 8));
        }
        if (size > 0) {
            bytes[0] = 2;
        }
        check_canonical(bytes, size);
    }
}

struct refusal {
    const char *why;
    int r;
    size_t size;
    uint8_t bytes[24];
};

/* version second seconds n-series n-errors n-counters n-tests n-timers, with something in between
 */
static const struct refusal refusals[] = {
    {"another version", -EBADMSG, 8, {1, 0, 1, 0, 0, 0, 0, 0}},
    {"no seconds", -EBADMSG, 8, {2, 0, 0, 0, 0, 0, 0, 0}},
    {"longer than needed", -EBADMSG, 9, {2, 0x80, 0, 1, 0, 0, 0, 0, 0}},
    {"seconds beyond 32 bits", -EBADMSG, 12, {2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 0, 0, 0, 0}},
    {"a number of 65 bits",
     -EBADMSG,
     17,
     {2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 1, 0, 0, 0, 0, 0}},
    {"1002 series", -E2BIG, 9, {2, 0, 1, 0xea, 7, 0, 0, 0, 0}},
    {"more series than bytes", -EBADMSG, 8, {2, 0, 1, 2, 0, 0, 0, 0}},
    {"series 1001", -E2BIG, 14, {2, 0, 1, 1, 0xe9, 7, 1, 0, 0, 0, 0, 0, 0, 0}},
    {"an empty series", -EBADMSG, 13, {2, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"an error 0 times", -EBADMSG, 10, {2, 0, 1, 0, 1, 5, 0, 0, 0, 0}},
    {"an error -1 times", -EBADMSG, 10, {2, 0, 1, 0, 1, 5, 1, 0, 0, 0}},
    {"error 201", -E2BIG, 11, {2, 0, 1, 0, 1, 0xc9, 1, 2, 0, 0, 0}},
    {"a counter at 0", -EBADMSG, 10, {2, 0, 1, 0, 0, 1, 5, 0, 0, 0}},
    {"a test without outcome", -EBADMSG, 13, {2, 0, 1, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0}},
    {"test 101", -E2BIG, 13, {2, 0, 1, 0, 0, 0, 1, 101, 1, 0, 0, 0, 0}},
    {"a timer with nothing in it", -EBADMSG, 11, {2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0}},
    {"timer 301", -E2BIG, 12, {2, 0, 1, 0, 0, 0, 0, 1, 0xad, 2, 1, 0}},
    {"302 timers", -E2BIG, 9, {2, 0, 1, 0, 0, 0, 0, 0xae, 2}},
    /* a series: gap errors sent received n min max-min sum (gap) count-1 */
    {"a least latency of 0", -EBADMSG, 17, {2, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"a sum too small", -EBADMSG, 17, {2, 0, 1, 1, 0, 0, 0, 0, 1, 5, 0, 4, 0, 0, 0, 0, 0}},
    {"a sum too great", -EBADMSG, 17, {2, 0, 1, 1, 0, 0, 0, 0, 1, 5, 0, 6, 0, 0, 0, 0, 0}},
    {"two extremes in one sample",
     -EBADMSG,
     17,
     {2, 0, 1, 1, 0, 0, 0, 0, 1, 5, 1, 5, 0, 0, 0, 0, 0}},
    {"the greatest elsewhere",
     -EBADMSG,
     19,
     {2, 0, 1, 1, 0, 0, 0, 0, 2, 5, 3, 12, 0, 1, 0, 0, 0, 0, 0}},
};

static void test_refusals(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        struct interval *interval = NULL;
        struct error error = {0};
        int r = interval_decode(refusal->bytes, refusal->size, &interval, &error);
        if (r != refusal->r) {
            fail_msg("%s: %d (%s)", refusal->why, r, error.text);
        }
        assert_null(interval);
    }
    static const uint8_t good[] = {2, 0, 1, 1, 0, 0, 0, 0, 1, 5, 0, 5, 0, 0, 0, 0, 0};
    _cleanup_(interval_freep) struct interval *interval = NULL;
    assert_int_equal(interval_decode(good, sizeof good, &interval, NULL), 0);
    assert_int_equal(interval->series[0].latency.sum_usec, 5);
}

/* ---- merging ---- */

static void test_merge_adds(void **state _unused_)
{
    struct interval_count counters[] = {{1, 5}, {3, INT64_MAX}, {4, -7}};
    struct interval_count others[] = {{1, -5}, {2, 9}, {3, 1}};
    struct interval a = {.second = 10, .seconds = 2, .counters = counters, .n_counters = 3};
    struct interval b = {.second = 7, .seconds = 1, .counters = others, .n_counters = 3};
    _cleanup_(interval_freep) struct interval *into = copy_interval(&a);

    assert_int_equal(interval_merge(into, &b), 0);
    assert_int_equal(into->second, 7);
    assert_int_equal(into->seconds, 5);
    assert_int_equal(into->n_counters, 3); /* 5 - 5 is gone */
    assert_int_equal(into->counters[0].id, 2);
    assert_int_equal(into->counters[0].count, 9);
    assert_int_equal(into->counters[1].id, 3);
    assert_int_equal(into->counters[1].count, INT64_MAX);
    assert_int_equal(into->counters[2].id, 4);
    assert_int_equal(into->counters[2].count, -7);
}

/* In whichever order intervals are merged, the bytes are the same. */
static void test_merge_order_does_not_matter(void **state _unused_)
{
    uint64_t random = 5;

    for (unsigned i = 0; i < 20; i++) {
        _cleanup_(interval_freep) struct interval *a = random_interval(&random, &small);
        _cleanup_(interval_freep) struct interval *b = random_interval(&random, &small);
        _cleanup_(interval_freep) struct interval *c = random_interval(&random, &large);
        _cleanup_(interval_freep) struct interval *left = copy_interval(a);
        _cleanup_(interval_freep) struct interval *right = copy_interval(c);
        assert_int_equal(interval_merge(left, b), 0);
        assert_int_equal(interval_merge(left, c), 0);
        assert_int_equal(interval_merge(right, a), 0);
        assert_int_equal(interval_merge(right, b), 0);
        assert_intervals_equal(left, right);
        for (size_t j = 1; j < left->n_series; j++) {
            assert_true(left->series[j - 1].id < left->series[j].id);
        }
        for (size_t j = 0; j < left->n_series; j++) {
            assert_true(histogram_is_valid(&left->series[j].latency));
        }
    }
}

static void test_merge_without_memory_changes_nothing(void **state _unused_)
{
    uint64_t random = 6;
    _cleanup_(interval_freep) struct interval *into = random_interval(&random, &medium);
    _cleanup_(interval_freep) struct interval *from = random_interval(&random, &medium);
    _cleanup_(interval_freep) struct interval *before = copy_interval(into);
    int r = -ENOMEM;

    for (long n = 0; r < 0; n++) {
        allocation_fails_after = n;
        r = interval_merge(into, from);
        allocation_fails_after = -1;
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_intervals_equal(into, before);
        }
    }
    assert_int_equal(interval_merge(before, from), 0);
    assert_intervals_equal(into, before);
}

static void test_codec_without_memory(void **state _unused_)
{
    uint64_t random = 7;
    _cleanup_(interval_freep) struct interval *interval = random_interval(&random, &medium);
    _cleanup_(interval_freep) struct interval *decoded = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size = 0;
    int r = -ENOMEM;

    for (long n = 0; r < 0; n++) {
        allocation_fails_after = n;
        r = interval_encode(interval, &bytes, &size);
        allocation_fails_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
    r = -ENOMEM;
    for (long n = 0; r < 0; n++) {
        allocation_fails_after = n;
        r = interval_decode(bytes, size, &decoded, NULL);
        allocation_fails_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
    assert_intervals_equal(interval, decoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_truncations_are_errors),
        cmocka_unit_test(test_corruptions),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_merge_adds),
        cmocka_unit_test(test_merge_order_does_not_matter),
        cmocka_unit_test(test_merge_without_memory_changes_nothing),
        cmocka_unit_test(test_codec_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
