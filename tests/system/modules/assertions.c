/* SPDX-License-Identifier: MPL-2.0 */
/* Every assertion, where it holds and where it doesn't: there the comment is the message. */
#include <math.h>
#include <string.h>

#include <loads/loads.h>

static const char *const text = "abc";
static const char *const nothing = NULL;
static const int one = 1;
static const double half = 0.5;

LOADS_TEST(TestAssertions, test_holding)
{
    int evaluated = 0;

    loads_assert(one == 1);
    loads_assert_true(one);
    loads_assert_false(one == 2);
    loads_assert_int_eq(++evaluated, 1);
    loads_assert_int_eq(INTMAX_MIN, INTMAX_MIN);
    loads_assert_int_ne(one, 2);
    loads_assert_int_lt(-1, one);
    loads_assert_int_le(one, 1);
    loads_assert_int_gt(one, -1);
    loads_assert_int_ge(one, 1);
    loads_assert_uint_eq(UINTMAX_MAX, UINTMAX_MAX);
    loads_assert_uint_ne(one, 2);
    loads_assert_uint_lt(one, UINTMAX_MAX);
    loads_assert_uint_le(one, 1);
    loads_assert_uint_gt(UINTMAX_MAX, one);
    loads_assert_uint_ge(one, 1);
    loads_assert_double_lt(half, 0.6);
    loads_assert_double_le(half, 0.5);
    loads_assert_double_gt(half, 0.4);
    loads_assert_double_ge(half, 0.5);
    loads_assert_double_near(half, 0.6, 0.2);
    loads_assert_str_eq(text, "abc");
    loads_assert_str_eq(nothing, NULL);
    loads_assert_str_ne(text, "abd");
    loads_assert_str_ne(text, NULL);
    loads_assert_str_contains(text, "bc");
    loads_assert_str_contains(text, "");
    loads_assert_str_lacks(text, "x");
    loads_assert_str_lacks(nothing, "x");
    loads_assert_mem_eq(text, "abd", 2);
    loads_assert_mem_eq(text, "xyz", 0);
    loads_assert_null(nothing);
    loads_assert_not_null(text);
    loads_assert_int_eq(evaluated, 1);
}

LOADS_TEST(TestAssertions, test_failing)
{
    switch (loads_iteration(user)) {
        /* What is expected stands behind each, in the same line: */
        /* clang-format off */
#define CASE break; case
    CASE 0: loads_assert(one == 2); /* => assertion failed: one == 2 */
    CASE 1: loads_assert_true(!one); /* => assertion failed: !one */
    CASE 2: loads_assert_false(one == 1); /* => assertion failed: !(one == 1) */
    CASE 3: loads_assert_int_eq(one, 200); /* => one is 1, expected 200 */
    CASE 4: loads_assert_int_ne(one, 1); /* => one is 1, expected != 1 */
    CASE 5: loads_assert_int_lt(one, -1); /* => one is 1, expected < -1 */
    CASE 6: loads_assert_int_le(one, 0); /* => one is 1, expected <= 0 */
    CASE 7: loads_assert_int_gt(one, 1); /* => one is 1, expected > 1 */
    CASE 8: loads_assert_int_ge(one, 2); /* => one is 1, expected >= 2 */
    CASE 9: loads_assert_uint_eq(one, 200); /* => one is 1, expected 200 */
    CASE 10: loads_assert_uint_ne(one, 1); /* => one is 1, expected != 1 */
    CASE 11: loads_assert_uint_lt(UINTMAX_MAX, 1); /* => UINTMAX_MAX is 18446744073709551615, expected < 1 */
    CASE 12: loads_assert_uint_le(one, 0); /* => one is 1, expected <= 0 */
    CASE 13: loads_assert_uint_gt(one, 1); /* => one is 1, expected > 1 */
    CASE 14: loads_assert_uint_ge(one, 2); /* => one is 1, expected >= 2 */
    CASE 15: loads_assert_double_lt(half, 0.25); /* => half is 0.5, expected < 0.25 */
    CASE 16: loads_assert_double_le(half, 0.25); /* => half is 0.5, expected <= 0.25 */
    CASE 17: loads_assert_double_gt(half, 0.5); /* => half is 0.5, expected > 0.5 */
    CASE 18: loads_assert_double_ge(half, 0.75); /* => half is 0.5, expected >= 0.75 */
    CASE 19: loads_assert_double_near(half, 1, 0.25); /* => half is 0.5, expected 1 ± 0.25 */
    CASE 20: loads_assert_double_near(NAN, 1, 0.25); /* => NAN is nan, expected 1 ± 0.25 */
    CASE 21: loads_assert_double_lt(NAN, 1); /* => NAN is nan, expected < 1 */
    CASE 22: loads_assert_str_eq(text, "abd"); /* => text is "abc", expected "abd" */
    CASE 23: loads_assert_str_eq(nothing, "x"); /* => nothing is NULL, expected "x" */
    CASE 24: loads_assert_str_eq(text, NULL); /* => text is "abc", expected NULL */
    CASE 25: loads_assert_str_ne(text, "abc"); /* => text is "abc", expected another */
    CASE 26: loads_assert_str_contains(text, "x"); /* => text lacks "x": it is "abc" */
    CASE 27: loads_assert_str_contains(nothing, "x"); /* => nothing lacks "x": it is NULL */
    CASE 28: loads_assert_str_lacks(text, "b"); /* => text contains "b": it is "abc" */
    CASE 29: loads_assert_mem_eq(text, "abd", 3); /* => text differs at byte 2: 0x63, expected 0x64 */
    CASE 30: loads_assert_null(text); /* => assertion failed: text is NULL */
    CASE 31: loads_assert_not_null(nothing); /* => assertion failed: nothing is not NULL */
    CASE 32: loads_fail("%s and %d", "words", 7); /* => words and 7 */
    CASE 33: loads_assert(one % 2 == 0 && "100%s"); /* => assertion failed: one % 2 == 0 && "100%s" */
    CASE 34: loads_assert_int_eq(one % 2, 0); /* => one % 2 is 1, expected 0 */
        /* clang-format on */
#undef CASE
    }
}

/* Long values are cut, and what isn't text does no harm. */
LOADS_TEST(TestAssertions, test_long_values)
{
    char *value = loads_alloc(user, 100001);
    memset(value, 'x', 100000);
    loads_assert_str_eq(value, "short");
}

LOADS_TEST(TestAssertions, test_odd_values)
{
    loads_assert_str_eq("\xff\xfe\n\t\x1b[31m", "short");
}
