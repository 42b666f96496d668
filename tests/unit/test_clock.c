/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"

#define MOMENT UINT64_C(1781518506375365) /* 2026-06-15 10:15:06.375365 UTC */

static void in_zone(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

static void test_local_is_in_local_time(void **state _unused_)
{
    char text[CLOCK_TEXT_BYTES];

    in_zone("UTC0");
    assert_string_equal(clock_format_local(MOMENT, text), "2026-06-15 10:15:06.375365");
    in_zone("CEST-2");
    assert_string_equal(clock_format_local(MOMENT, text), "2026-06-15 12:15:06.375365");
}

/* It never becomes less. What it is is the machine's affair. */
static void test_run_delay(void **state _unused_)
{
    uint64_t before = clock_run_delay_usec();

    assert_true(clock_run_delay_usec() >= before);
}

static void test_iso_is_utc_everywhere(void **state _unused_)
{
    char text[CLOCK_TEXT_BYTES];

    in_zone("CEST-2");
    assert_string_equal(clock_format_iso(MOMENT, text), "2026-06-15T10:15:06.375365Z");
    assert_string_equal(clock_format_iso(0, text), "1970-01-01T00:00:00.000000Z");
}

static void test_microseconds_keep_their_zeros(void **state _unused_)
{
    char text[CLOCK_TEXT_BYTES];

    assert_string_equal(clock_format_iso(7, text), "1970-01-01T00:00:00.000007Z");
    assert_string_equal(clock_format_iso(USEC_PER_SEC - 1, text), "1970-01-01T00:00:00.999999Z");
}

static void test_iso_is_read(void **state _unused_)
{
    static const struct {
        const char *text;
        uint64_t usec;
    } dates[] = {
        {"2026-06-15T10:15:06.375365Z", MOMENT},
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:01.5Z", 1500000},
        {"1970-01-01T00:00:00.1234567Z", 123456},
        {"2024-02-29T23:59:59.000001Z", UINT64_C(1709251199000001)},
    };
    static const char *const none[] = {
        "",
        "2026-06-15",
        "2026-06-15 10:15:06Z",
        "2026-06-15T10:15:06",
        "2026-06-15T10:15:06.Z",
        "2026-06-15T10:15:06+02:00",
        "2026-06-15T10:15:06Z ",
        "2026-06-31T10:15:06Z",
        "2026-13-01T10:15:06Z",
        "2026-06-15T24:15:06Z",
        "2026-06-15T10:15:60Z",
        "1969-12-31T23:59:59Z",
        "+026-06-15T10:15:06Z",
    };
    uint64_t usec = 1;

    for (size_t i = 0; i < ELEMENTSOF(dates); i++) {
        assert_int_equal(clock_parse_iso(dates[i].text, &usec), 0);
        assert_true(usec == dates[i].usec);
    }
    for (size_t i = 0; i < ELEMENTSOF(none); i++) {
        assert_int_equal(clock_parse_iso(none[i], &usec), -EINVAL);
    }
}

/* Years that no calendar has room for are cut, not written behind the buffer. */
static void test_any_number_fits(void **state _unused_)
{
    char text[CLOCK_TEXT_BYTES];

    assert_in_range(strlen(clock_format_iso(UINT64_MAX, text)), 1, sizeof text - 1);
    assert_in_range(strlen(clock_format_local(UINT64_MAX, text)), 1, sizeof text - 1);
}

static void test_clocks(void **state _unused_)
{
    uint64_t before = clock_monotonic_usec();

    assert_true(clock_realtime_usec() > UINT64_C(1700000000) * USEC_PER_SEC);
    assert_true(clock_monotonic_usec() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_is_in_local_time),
        cmocka_unit_test(test_run_delay),
        cmocka_unit_test(test_iso_is_utc_everywhere),
        cmocka_unit_test(test_microseconds_keep_their_zeros),
        cmocka_unit_test(test_iso_is_read),
        cmocka_unit_test(test_any_number_fits),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
