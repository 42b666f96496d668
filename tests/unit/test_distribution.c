/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <math.h>

#include "base/distribution.h"

static void test_parse(void **state _unused_)
{
    struct distribution d;

    assert_int_equal(distribution_parse("1.5", &d, NULL), 0);
    assert_true(d.kind == DISTRIBUTION_CONSTANT && d.first_sec == 1.5);
    assert_int_equal(distribution_parse("constant:500ms", &d, NULL), 0);
    assert_true(d.kind == DISTRIBUTION_CONSTANT && d.first_sec == 0.5);
    assert_int_equal(distribution_parse("uniform:5:1m", &d, NULL), 0);
    assert_true(d.kind == DISTRIBUTION_UNIFORM && d.first_sec == 5 && d.second_sec == 60);
    assert_int_equal(distribution_parse("exponential:10", &d, NULL), 0);
    assert_true(d.kind == DISTRIBUTION_EXPONENTIAL && d.first_sec == 10);
}

static void test_parse_refuses(void **state _unused_)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "-1",
                                        "uniform",
                                        "uniform:1",
                                        "uniform:1:",
                                        "uniform:1:2:",
                                        "uniform:1:2:3",
                                        "1:2",
                                        "exponential",
                                        "inf",
                                        "exponential:nan",
                                        "uniforms:1:2"};
    struct distribution d = {.first_sec = 7};
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        assert_int_equal(distribution_parse(wrong[i], &d, &error), -EINVAL);
        assert_true(d.first_sec == 7);
    }
    assert_string_equal(error.text,
                        "'uniforms:1:2' is none of TIME, uniform:LOW:HIGH and exponential:MEAN, "
                        "with times such as 10, 1.5s or 500ms");
    assert_int_equal(distribution_parse("uniform:3:1", &d, &error), -EINVAL);
    assert_string_equal(error.text, "from 3 to 1: the smaller one comes first");
}

static void test_check(void **state _unused_)
{
    const double wrong[] = {-1, NAN, INFINITY, -INFINITY, DISTRIBUTION_MAX_SEC + 1};
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        for (unsigned kind = DISTRIBUTION_CONSTANT; kind <= DISTRIBUTION_EXPONENTIAL; kind++) {
            struct distribution d = {kind, wrong[i], DISTRIBUTION_MAX_SEC};
            assert_int_equal(distribution_check(&d, &error), -EINVAL);
        }
        struct distribution d = {DISTRIBUTION_UNIFORM, 0, wrong[i]};
        assert_int_equal(distribution_check(&d, &error), -EINVAL);
    }
    assert_string_equal(error.text,
                        "3.16224e+07 is not a number of seconds from 0 to 31622400 (366 days)");
    struct distribution d = {(enum distribution_kind)3, 1, 1};
    assert_int_equal(distribution_check(&d, &error), -EINVAL);
}

static void test_draw(void **state _unused_)
{
    const struct distribution constant = {DISTRIBUTION_CONSTANT, 2, 0},
                              uniform = {DISTRIBUTION_UNIFORM, 1, 3},
                              exponential = {DISTRIBUTION_EXPONENTIAL, 2, 0};
    struct prng prng;
    double sum_uniform = 0, sum_exponential = 0;
    uint64_t longest = 0;
    const unsigned n = 100000;

    prng_seed(&prng, 7);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(distribution_draw_usec(&constant, &prng), 2000000);
        uint64_t usec = distribution_draw_usec(&uniform, &prng);
        assert_in_range(usec, 1000000, 3000000);
        sum_uniform += (double)usec;
        usec = distribution_draw_usec(&exponential, &prng);
        assert_true(usec <= 20000000);
        longest = MAX(longest, usec);
        sum_exponential += (double)usec;
    }
    assert_true(fabs(sum_uniform / n - 2e6) < 2e4);
    assert_true(fabs(sum_exponential / n - 2e6) < 4e4);
    assert_true(longest > 15000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
