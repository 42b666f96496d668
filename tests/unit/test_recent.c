/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "base/clock.h"
#include "metrics/recent.h"

/* So many hits of one latency in a second. */
static void add(struct recent *recent, uint32_t second, uint64_t usec, uint64_t hits)
{
    struct interval_series series = {.id = 1};
    const struct interval interval = {
        .second = second, .seconds = 1, .series = &series, .n_series = 1};

    assert_int_equal(histogram_add(&series.latency, usec, hits), 0);
    recent_add(recent, &interval);
    histogram_clear(&series.latency);
}

static struct recent_numbers look(struct recent *recent, double sec)
{
    struct recent_numbers numbers;

    recent_look(recent, (uint64_t)(sec * USEC_PER_SEC), &numbers);
    return numbers;
}

static void test_nothing_was_counted(void **state _unused_)
{
    _cleanup_(recent_freep) struct recent *recent = NULL;

    assert_int_equal(recent_new(&recent), 0);
    struct recent_numbers numbers = look(recent, 0);
    assert_true(numbers.hits_per_sec == 0 && numbers.p50_usec == 0 && numbers.p99_usec == 0);
    assert_int_equal(numbers.n_trend, 0);
    numbers = look(recent, 100);
    assert_int_equal(numbers.n_trend, RECENT_TREND_SEC);
    assert_int_equal(numbers.trend_usec[RECENT_TREND_SEC - 1], 0);
    assert_int_equal(numbers.last_error, 0);
}

static void test_percentiles_are_those_of_the_last_seconds(void **state _unused_)
{
    _cleanup_(recent_freep) struct recent *recent = NULL;

    assert_int_equal(recent_new(&recent), 0);
    add(recent, 0, 500, 1000);
    add(recent, 5, 100, 90);
    add(recent, 5, 200, 6); /* another worker's */
    add(recent, 8, 300, 4);
    struct recent_numbers numbers = look(recent, 9.5);
    assert_int_equal(numbers.p50_usec, 500);
    numbers = look(recent, 11); /* second 0 is too old now */
    assert_int_equal(numbers.p50_usec, 100);
    assert_int_equal(numbers.p95_usec, 200);
    assert_int_equal(numbers.p99_usec, 300);
    numbers = look(recent, 16);
    assert_int_equal(numbers.p50_usec, 300);
    numbers = look(recent, 19);
    assert_int_equal(numbers.p50_usec, 0);
}

static void test_the_rate_is_that_of_the_last_whole_second(void **state _unused_)
{
    _cleanup_(recent_freep) struct recent *recent = NULL;

    assert_int_equal(recent_new(&recent), 0);
    add(recent, 0, 10, 7);
    assert_true(look(recent, 0.5).hits_per_sec == 7); /* there is none yet */
    add(recent, 1, 10, 40);
    assert_true(look(recent, 1.5).hits_per_sec == 7);
    add(recent, 1, 10, 2);
    assert_true(look(recent, 2.9).hits_per_sec == 7); /* some may be late */
    assert_true(look(recent, 3).hits_per_sec == 42);
    assert_true(look(recent, 4).hits_per_sec == 0);
}

static void test_the_trend(void **state _unused_)
{
    _cleanup_(recent_freep) struct recent *recent = NULL;

    assert_int_equal(recent_new(&recent), 0);
    for (uint32_t second = 0; second < 200; second++) {
        if (second != 198) {
            add(recent, second, 100 + second, 3);
        }
    }
    struct recent_numbers numbers = look(recent, 200.5);
    assert_int_equal(numbers.n_trend, RECENT_TREND_SEC);
    assert_int_equal(numbers.trend_usec[RECENT_TREND_SEC - 1], 0);
    assert_int_equal(numbers.trend_usec[RECENT_TREND_SEC - 2], 297);
    assert_int_equal(numbers.trend_usec[0], 100 + 198 - RECENT_TREND_SEC + 1);
    add(recent, 1, 7, 5); /* too late to matter */
    add(recent, 198, 400, 1);
    numbers = look(recent, 200.6);
    assert_int_equal(numbers.trend_usec[RECENT_TREND_SEC - 1], 400);
    assert_int_equal(numbers.trend_usec[0], 100 + 198 - RECENT_TREND_SEC + 1);
}

/* Nothing came for a while: what is held of before must not take the place of what came later. */
static void test_a_gap_in_the_trend(void **state _unused_)
{
    _cleanup_(recent_freep) struct recent *recent = NULL;

    assert_int_equal(recent_new(&recent), 0);
    add(recent, 5, 100, 1);
    add(recent, 68, 200, 1); /* as many seconds later as there are places */
    for (unsigned i = 0; i < 2; i++) {
        struct recent_numbers numbers = look(recent, 71 + i);
        assert_int_equal(numbers.trend_usec[RECENT_TREND_SEC - 2 - i], 200);
        assert_int_equal(numbers.trend_usec[RECENT_TREND_SEC - 1], 0);
    }
}

static void test_the_last_error(void **state _unused_)
{
    _cleanup_(recent_freep) struct recent *recent = NULL;
    struct interval_count errors[] = {{1, 5}, {7, 1}};
    struct interval interval = {.second = 0, .seconds = 1, .errors = errors, .n_errors = 2};

    assert_int_equal(recent_new(&recent), 0);
    recent_add(recent, &interval);
    assert_int_equal(look(recent, 0).last_error, 7);
    interval.n_errors = 1;
    recent_add(recent, &interval);
    assert_int_equal(look(recent, 0).last_error, 1);
    interval.n_errors = 0;
    recent_add(recent, &interval);
    assert_int_equal(look(recent, 0).last_error, 1);
}

static void test_seconds_that_can_not_be(void **state _unused_)
{
    _cleanup_(recent_freep) struct recent *recent = NULL;

    assert_int_equal(recent_new(&recent), 0);
    add(recent, UINT32_MAX, 5, 1);
    add(recent, UINT32_MAX - 1, 5, 1);
    assert_int_equal(look(recent, 1e13).p50_usec, 5);
    assert_int_equal(look(recent, 3).p50_usec, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_was_counted),
        cmocka_unit_test(test_percentiles_are_those_of_the_last_seconds),
        cmocka_unit_test(test_the_rate_is_that_of_the_last_whole_second),
        cmocka_unit_test(test_the_trend),
        cmocka_unit_test(test_a_gap_in_the_trend),
        cmocka_unit_test(test_the_last_error),
        cmocka_unit_test(test_seconds_that_can_not_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
