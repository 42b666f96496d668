/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "base/clock.h"
#include "base/rate.h"

#define START UINT64_C(7000000000)

static void assert_rate(const struct rate *rate, unsigned expected)
{
    assert_int_equal((unsigned)(rate_per_sec(rate) + 0.5), expected);
}

static void test_needs_two(void **state _unused_)
{
    struct rate rate = {.n = 0};

    assert_rate(&rate, 0);
    rate_add(&rate, START, 1000);
    assert_rate(&rate, 0);
    rate_add(&rate, START + USEC_PER_SEC - 1, 2000); /* too soon: as if it had not been */
    assert_rate(&rate, 0);
    rate_add(&rate, START + 2 * USEC_PER_SEC, 1500);
    assert_rate(&rate, 250);
}

/* Lumps of every other second are even, and what is long over counts no more. */
static void test_the_last_seconds(void **state _unused_)
{
    struct rate rate = {.n = 0};

    for (unsigned i = 0; i <= 20; i++) {
        rate_add(&rate, START + i * USEC_PER_SEC, (uint64_t)i / 2 * 200);
    }
    assert_in_range((unsigned)rate_per_sec(&rate), 80, 120);
    for (unsigned i = 21; i < 21 + RATE_SAMPLES; i++) {
        rate_add(&rate, START + i * USEC_PER_SEC, 2000);
    }
    assert_rate(&rate, 0);
    rate_add(&rate, START + 60 * USEC_PER_SEC, 1);
    assert_rate(&rate, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needs_two),
        cmocka_unit_test(test_the_last_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
