/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "allocation.h"
#include "metrics/totals.h"

struct sample {
    struct interval_series series[2], timers[1];
    struct interval_count errors[1], counters[2];
    struct interval_test tests[2];
    struct interval interval;
};

static void make_sample(struct sample *sample)
{
    *sample = (struct sample){
        .series = {{.id = 3, .errors = 2, .sent_bytes = 10, .received_bytes = 20},
                   {.id = NAMES_MAX_SERIES, .errors = 1}},
        .timers = {{.id = NAMES_MAX_TIMERS, .errors = 5}},
        .errors = {{NAMES_MAX_ERRORS, 3}},
        .counters = {{0, -4}, {NAMES_MAX_COUNTERS, 5}},
        .tests = {{0, {1, 2, 3, 4}}, {NAMES_MAX_TESTS, {10, 20, 30, 40}}},
    };
    sample->interval = (struct interval){.seconds = 1,
                                         .series = sample->series,
                                         .n_series = 2,
                                         .timers = sample->timers,
                                         .n_timers = 1,
                                         .errors = sample->errors,
                                         .n_errors = 1,
                                         .counters = sample->counters,
                                         .n_counters = 2,
                                         .tests = sample->tests,
                                         .n_tests = 2};
    assert_int_equal(histogram_add(&sample->series[0].latency, 100, 7), 0);
    assert_int_equal(histogram_add(&sample->series[0].latency, 100000, 1), 0);
    assert_int_equal(histogram_add(&sample->timers[0].latency, 2000000, 4), 0);
}

static void clear_sample(struct sample *sample)
{
    histogram_clear(&sample->series[0].latency);
    histogram_clear(&sample->timers[0].latency);
}

static void test_adds_up(void **state _unused_)
{
    _cleanup_(totals_freep) struct totals *totals = NULL;
    struct sample sample;

    make_sample(&sample);
    assert_int_equal(totals_new(&totals), 0);
    assert_int_equal(totals->series[17].id, 17);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(totals_add(totals, &sample.interval), 0);
    }
    assert_int_equal(totals->hits, 24);
    assert_int_equal(totals->request_errors, 9);
    assert_int_equal(totals->series[3].latency.count, 24);
    assert_int_equal(totals->series[3].latency.sum_usec, 3 * (700 + 100000));
    assert_int_equal(totals->series[3].latency.max_usec, 100000);
    assert_int_equal(totals->series[3].sent_bytes, 30);
    assert_int_equal(totals->series[3].received_bytes, 60);
    assert_int_equal(totals->series[NAMES_MAX_SERIES].errors, 3);
    assert_int_equal(totals->series[NAMES_MAX_SERIES].latency.count, 0);
    assert_int_equal(totals->timers[NAMES_MAX_TIMERS].latency.count, 12);
    assert_int_equal(totals->timers[NAMES_MAX_TIMERS].latency.min_usec, 2000000);
    assert_int_equal(totals->timers[NAMES_MAX_TIMERS].errors, 15);
    assert_int_equal(totals->errors[NAMES_MAX_ERRORS], 9);
    assert_int_equal(totals->counters[0], -12);
    assert_int_equal(totals->counters[NAMES_MAX_COUNTERS], 15);
    assert_int_equal(totals->outcomes[NAMES_MAX_TESTS][OUTCOME_FAILURE], 60);
    assert_int_equal(totals_outcome(totals, OUTCOME_SUCCESS), 33);
    assert_int_equal(totals_outcome(totals, OUTCOME_INTERRUPTED), 132);
    clear_sample(&sample);
}

/* Taken apart and added up again they are the same; without memory there is nothing. */
static void test_as_an_interval(void **state _unused_)
{
    _cleanup_(totals_freep) struct totals *totals = NULL, *again = NULL;
    struct interval *interval = NULL;
    struct sample sample;
    int r = -ENOMEM;

    make_sample(&sample);
    assert_int_equal(totals_new(&totals), 0);
    assert_int_equal(totals_new(&again), 0);
    assert_int_equal(totals_add(totals, &sample.interval), 0);
    for (long n = 0; r < 0; n++) {
        assert_null(interval);
        allocation_fails_after = n;
        r = totals_interval(totals, &interval);
        allocation_fails_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
    assert_int_equal(interval->n_series, 2);
    assert_int_equal(totals_add(again, interval), 0);
    assert_int_equal(again->hits, totals->hits);
    assert_int_equal(again->request_errors, totals->request_errors);
    assert_int_equal(again->series[3].latency.sum_usec, totals->series[3].latency.sum_usec);
    assert_int_equal(again->timers[NAMES_MAX_TIMERS].latency.sum_usec, 8000000);
    assert_int_equal(again->timers[NAMES_MAX_TIMERS].errors, 5);
    assert_memory_equal(again->errors, totals->errors, sizeof totals->errors);
    assert_memory_equal(again->counters, totals->counters, sizeof totals->counters);
    assert_memory_equal(again->outcomes, totals->outcomes, sizeof totals->outcomes);
    interval_free(interval);
    clear_sample(&sample);
}

static void test_without_memory_nothing_changes(void **state _unused_)
{
    _cleanup_(totals_freep) struct totals *totals = NULL;
    struct sample sample;
    int r = -ENOMEM;

    make_sample(&sample);
    allocation_fails_after = 0;
    assert_int_equal(totals_new(&totals), -ENOMEM);
    assert_null(totals);
    assert_int_equal(totals_new(&totals), 0);
    for (long n = 0; r < 0; n++) {
        assert_int_equal(totals->hits, 0);
        assert_int_equal(totals->series[3].latency.count, 0);
        assert_int_equal(totals->timers[NAMES_MAX_TIMERS].latency.count, 0);
        assert_int_equal(totals->counters[0], 0);
        allocation_fails_after = n;
        r = totals_add(totals, &sample.interval);
        allocation_fails_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
    assert_int_equal(totals->hits, 8);
    clear_sample(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adds_up),
        cmocka_unit_test(test_as_an_interval),
        cmocka_unit_test(test_without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
