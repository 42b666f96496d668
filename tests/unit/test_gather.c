/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>

#include "agent/gather.h"
#include "allocation.h"

/* `count` hits of 1 ms in some seconds, and as many successes. */
static void add(struct gather *gather, uint32_t second, uint32_t seconds, uint64_t count)
{
    struct interval_series series = {.id = 1};
    struct interval_test test = {.id = 1, .outcomes = {count}};
    struct interval interval = {.second = second,
                                .seconds = seconds,
                                .series = &series,
                                .n_series = 1,
                                .tests = &test,
                                .n_tests = 1};

    assert_int_equal(histogram_add(&series.latency, 1000, count), 0);
    assert_int_equal(gather_add(gather, &interval), 0);
    histogram_clear(&series.latency);
}

static void assert_take(struct gather *gather, uint64_t before, uint32_t second, uint32_t seconds,
                        uint64_t count)
{
    _cleanup_(interval_freep) struct interval *interval = gather_take(gather, before);

    assert_non_null(interval);
    assert_int_equal(interval->second, second);
    assert_int_equal(interval->seconds, seconds);
    assert_int_equal(interval->series[0].latency.count, count);
    assert_int_equal(interval->tests[0].outcomes[OUTCOME_SUCCESS], count);
}

static void test_same_second(void **state _unused_)
{
    struct gather gather = {0};

    add(&gather, 4, 1, 10);
    add(&gather, 4, 1, 5);
    assert_null(gather_take(&gather, 4)); /* it isn't over */
    assert_take(&gather, 5, 4, 1, 15);
    assert_null(gather_take(&gather, 5));
    add(&gather, 4, 1, 1); /* somebody was late */
    assert_take(&gather, 5, 4, 1, 1);
}

static void test_oldest_first(void **state _unused_)
{
    struct gather gather = {0};

    add(&gather, 7, 1, 7);
    add(&gather, 3, 1, 3);
    add(&gather, 5, 1, 5);
    add(&gather, 3, 3, 33);
    add(&gather, 3, 1, 1);
    add(&gather, 3, 3, 1);
    assert_int_equal(gather.count, 4);
    _cleanup_(interval_freep) struct interval *first = gather_take(&gather, 100);
    _cleanup_(interval_freep) struct interval *second = gather_take(&gather, 100);
    assert_int_equal(first->second, 3);
    assert_int_equal(second->second, 3);
    assert_int_equal(first->seconds + second->seconds, 4);
    assert_int_equal(first->series[0].latency.count + second->series[0].latency.count, 38);
    assert_take(&gather, 100, 5, 1, 5);
    assert_take(&gather, 100, 7, 1, 7);
}

static void test_full(void **state _unused_)
{
    struct gather gather = {0};
    struct interval interval = {.second = 1000, .seconds = 1};

    for (uint32_t i = 0; i < GATHER_MAX_SECONDS; i++) {
        add(&gather, i, 1, 1);
    }
    assert_int_equal(gather_add(&gather, &interval), -ENOBUFS);
    add(&gather, 10, 1, 1); /* of a second that is there */
    assert_take(&gather, UINT64_MAX, 0, 1, 1);
    assert_int_equal(gather_add(&gather, &interval), 0);
    gather_clear(&gather);
    assert_int_equal(gather.count, 0);
}

static void test_last_second_of_all(void **state _unused_)
{
    struct gather gather = {0};

    add(&gather, UINT32_MAX - 1, 1, 1);
    assert_null(gather_take(&gather, UINT32_MAX - 1));
    assert_take(&gather, UINT32_MAX, UINT32_MAX - 1, 1, 1);
}

static void test_without_memory(void **state _unused_)
{
    struct interval_test test = {.id = 1, .outcomes = {1}};
    struct interval interval = {.seconds = 1, .tests = &test, .n_tests = 1};
    bool failed = true;

    for (long i = 0; failed; i++) {
        struct gather gather = {0};
        allocation_fails_after = i;
        int r = gather_add(&gather, &interval);
        failed = allocation_fails_after < 0;
        allocation_fails_after = -1;
        assert_int_equal(r, failed ? -ENOMEM : 0);
        assert_int_equal(gather.count, failed ? 0 : 1);
        gather_clear(&gather);
        assert_true(i < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_second),    cmocka_unit_test(test_oldest_first),
        cmocka_unit_test(test_full),           cmocka_unit_test(test_last_second_of_all),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
