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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
