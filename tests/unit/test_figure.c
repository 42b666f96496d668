/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <math.h>

#include "base/figure.h"
#include "base/macros.h"

static void test_whole(void **state _unused_)
{
    static const struct {
        uint64_t number;
        const char *text;
    } rows[] = {
        {0, "0"},
        {7, "7"},
        {999, "999"},
        {1000, "1,000"},
        {12400, "12,400"},
        {123456, "123,456"},
        {1000000, "1,000,000"},
        {UINT64_MAX, "18,446,744,073,709,551,615"},
    };
    char text[FIGURE_BYTES];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        assert_string_equal(figure_whole(rows[i].number, text), rows[i].text);
    }
}

static void test_rounded(void **state _unused_)
{
    static const struct {
        double number;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-3, "0"},
        {0.25, "0.25"},
        {0.00123, "0"},
        {0.996, "1.00"},
        {1, "1"},
        {17.44, "17.4"},
        {99.96, "100"},
        {412.4, "412"},
        {999.4, "999"},
        {999.5, "1,000"},
        {1234, "1,230"},
        {1235, "1,240"},
        {9996, "10,000"},
        {12449, "12,400"},
        {999500, "1,000,000"},
        {1e300, "1,000,000,000,000,000,000"},
    };
    char text[FIGURE_BYTES];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        assert_string_equal(figure_rounded(rows[i].number, text), rows[i].text);
    }
    assert_string_equal(figure_rounded(NAN, text), "0");
}

static void test_usec(void **state _unused_)
{
    static const struct {
        double usec;
        const char *text;
    } rows[] = {
        {0, "0 µs"},         {1, "1 µs"},          {999, "999 µs"},      {999.6, "1.00 ms"},
        {1000, "1.00 ms"},   {4123, "4.12 ms"},    {9996, "10.0 ms"},    {41234, "41.2 ms"},
        {99960, "100 ms"},   {412345, "412 ms"},   {999499, "999 ms"},   {999500, "1.00 s"},
        {1234567, "1.23 s"}, {12345678, "12.3 s"}, {123456789, "123 s"}, {3600000000, "3600 s"},
    };
    char text[FIGURE_BYTES];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        assert_string_equal(figure_usec(rows[i].usec, text), rows[i].text);
    }
}

static void test_seconds(void **state _unused_)
{
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {
        {0, "0 s"},
        {-1, "0 s"},
        {0.25, "0.25 s"},
        {30.24, "30.2 s"},
        {59.94, "59.9 s"},
        {59.96, "1:00 min"},
        {125.4, "2:05 min"},
        {3599.4, "59:59 min"},
        {3599.5, "1:00:00 h"},
        {90061, "25:01:01 h"},
        {1e300, "277777777777777:46:40 h"},
    };
    char text[FIGURE_BYTES];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        assert_string_equal(figure_seconds(rows[i].seconds, text), rows[i].text);
    }
    assert_string_equal(figure_seconds(NAN, text), "0 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_rounded),
        cmocka_unit_test(test_usec),
        cmocka_unit_test(test_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
