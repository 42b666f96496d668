/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "base/macros.h"
#include "worker/round_trip.h"

static void test_each_answers_the_oldest(void **state _unused_)
{
    struct round_trips trips = {0};
    uint64_t usec = 7;

    assert_false(round_trip_received(&trips, 50, &usec)); /* nobody asked */
    round_trip_sent(&trips, 100);
    round_trip_sent(&trips, 130);
    assert_true(round_trip_received(&trips, 150, &usec));
    assert_int_equal(usec, 50);
    round_trip_sent(&trips, 200);
    assert_true(round_trip_received(&trips, 210, &usec));
    assert_int_equal(usec, 80);
    assert_true(round_trip_received(&trips, 211, &usec));
    assert_int_equal(usec, 11);
    assert_false(round_trip_received(&trips, 300, &usec));
    assert_int_equal(usec, 11);
}

/* Those without room are answered, too, in their turn. */
static void test_more_than_are_kept(void **state _unused_)
{
    struct round_trips trips = {.sent = UINT32_MAX - 5, .answered = UINT32_MAX - 5};
    uint64_t usec;

    for (unsigned i = 0; i < ROUND_TRIPS_KEPT + 3; i++) {
        round_trip_sent(&trips, 1000 + i);
    }
    for (unsigned i = 0; i < ROUND_TRIPS_KEPT; i++) {
        assert_true(round_trip_received(&trips, 2000, &usec));
        assert_int_equal(usec, 1000 - i);
    }
    for (unsigned i = 0; i < 3; i++) {
        round_trip_sent(&trips, 3000 + i);
        assert_false(round_trip_received(&trips, 3100, &usec));
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(round_trip_received(&trips, 3100, &usec));
        assert_int_equal(usec, 100 - i);
    }
    assert_false(round_trip_received(&trips, 3100, &usec));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_answers_the_oldest),
        cmocka_unit_test(test_more_than_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
