/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "agent/clock_offset.h"
#include "base/macros.h"

#define SECOND UINT64_C(1000000)

static void test_nothing_known(void **state _unused_)
{
    struct clock_offset offset = {0};

    assert_int_equal(clock_offset_usec(&offset), 0);
    assert_int_equal(clock_offset_to_ours(&offset, 77), 77);
}

/* Both ways take the same time: it is exact. */
static void test_middle(void **state _unused_)
{
    struct clock_offset offset = {0};

    clock_offset_add(&offset, 100 * SECOND, 105 * SECOND + 500, 100 * SECOND + 1000);
    assert_int_equal(clock_offset_usec(&offset), 5 * (int64_t)SECOND);
    assert_int_equal(clock_offset_to_ours(&offset, 107 * SECOND), 102 * SECOND);
}

static void test_theirs_is_behind(void **state _unused_)
{
    struct clock_offset offset = {0};

    clock_offset_add(&offset, 100 * SECOND, 3 * SECOND, 100 * SECOND);
    assert_int_equal(clock_offset_usec(&offset), -97 * (int64_t)SECOND);
    assert_int_equal(clock_offset_to_ours(&offset, 4 * SECOND), 101 * SECOND);
}

/* Whatever the slow ones say, the one with the shortest way counts. */
static void test_shortest_round_trip(void **state _unused_)
{
    struct clock_offset offset = {0};

    clock_offset_add(&offset, SECOND, 9 * SECOND, 3 * SECOND);
    assert_int_equal(clock_offset_usec(&offset), 7 * (int64_t)SECOND);
    clock_offset_add(&offset, 4 * SECOND, 9 * SECOND, 4 * SECOND + 10);
    clock_offset_add(&offset, 5 * SECOND, 29 * SECOND, 6 * SECOND);
    assert_int_equal(clock_offset_usec(&offset), 5 * (int64_t)SECOND - 5);
}

/* The seventeenth takes the place of the first. */
static void test_old_ones_are_forgotten(void **state _unused_)
{
    struct clock_offset offset = {0};

    clock_offset_add(&offset, 0, 50, 0);
    for (uint64_t i = 1; i < CLOCK_OFFSET_EXCHANGES; i++) {
        clock_offset_add(&offset, i * SECOND, i * SECOND + 8, i * SECOND + 2);
        assert_int_equal(clock_offset_usec(&offset), 50);
    }
    clock_offset_add(&offset, 100 * SECOND, 100 * SECOND + 9, 100 * SECOND + 4);
    assert_int_equal(clock_offset_usec(&offset), 7);
}

static void test_what_cannot_be(void **state _unused_)
{
    struct clock_offset offset = {0};

    clock_offset_add(&offset, 2, 5, 1);
    clock_offset_add(&offset, 1, UINT64_MAX, 2);
    clock_offset_add(&offset, 1, 5, UINT64_MAX);
    assert_int_equal(offset.count, 0);
}

static void test_kept_within_times(void **state _unused_)
{
    struct clock_offset offset = {0};

    clock_offset_add(&offset, 0, 100, 0);
    assert_int_equal(clock_offset_to_ours(&offset, 40), 0);
    offset = (struct clock_offset){0};
    clock_offset_add(&offset, 100, 0, 100);
    assert_true(clock_offset_to_ours(&offset, UINT64_MAX - 10) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_known),          cmocka_unit_test(test_middle),
        cmocka_unit_test(test_theirs_is_behind),       cmocka_unit_test(test_shortest_round_trip),
        cmocka_unit_test(test_old_ones_are_forgotten), cmocka_unit_test(test_what_cannot_be),
        cmocka_unit_test(test_kept_within_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
