/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <stdbool.h>
#include <string.h>

#include "base/prng.h"

/* What the authors' own program gives for this state. */
static void test_numbers_are_those_of_xoshiro256(void **state _unused_)
{
    struct prng prng = {.state = {1, 2, 3, 4}};
    static const uint64_t expected[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360)};

    for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
        assert_true(prng_next(&prng) == expected[i]);
    }
}

/* And splitmix64's first number from 0. */
static void test_state_is_that_of_splitmix64(void **state _unused_)
{
    struct prng prng;

    prng_seed(&prng, 0);
    assert_true(prng.state[0] == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(prng.state[1] == UINT64_C(0x6e789e6aa1b965f4));
}

static void test_same_key_same_numbers(void **state _unused_)
{
    struct prng a, b;

    prng_seed(&a, 7);
    prng_seed(&b, 7);
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(prng_next(&a) == prng_next(&b));
    }
    prng_seed(&b, 8);
    assert_true(prng_next(&a) != prng_next(&b));
}

static void test_each_part_of_a_key_counts(void **state _unused_)
{
    static const uint64_t keys[][4] = {{7, 0, 0, 0}, {0, 7, 0, 0}, {7, 0, 1, 0}, {7, 1, 0, 0},
                                       {7, 0, 0, 1}, {8, 0, 0, 0}, {0, 0, 0, 0}, {1, 7, 0, 0}};

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_true(prng_key(keys[i], 4) != prng_key(keys[j], 4));
        }
        assert_true(prng_key(keys[i], 4) != prng_key(keys[i], 3));
    }
}

static void test_below(void **state _unused_)
{
    struct prng prng;
    unsigned counts[6] = {0};

    prng_seed(&prng, 1);
    for (unsigned i = 0; i < 60000; i++) {
        uint64_t value = prng_below(&prng, 6);
        assert_true(value < 6);
        counts[value]++;
    }
    for (unsigned i = 0; i < 6; i++) {
        assert_in_range(counts[i], 9500, 10500);
    }
    assert_true(prng_below(&prng, 1) == 0);
}

/* With two thirds of 2^64 as the limit a remainder alone would take the lower half twice as often.
 */
static void test_no_remainder_is_likelier(void **state _unused_)
{
    const uint64_t limit = UINT64_C(0xaaaaaaaaaaaaaaaa);
    struct prng prng;
    unsigned low = 0;

    prng_seed(&prng, 1);
    for (unsigned i = 0; i < 20000; i++) {
        low += prng_below(&prng, limit) < limit / 2 ? 1 : 0;
    }
    assert_in_range(low, 9500, 10500);
}

static void test_between(void **state _unused_)
{
    struct prng prng;
    bool seen[5] = {false}, negative = false, positive = false;

    prng_seed(&prng, 3);
    for (unsigned i = 0; i < 1000; i++) {
        int64_t value = prng_between(&prng, -2, 2);
        assert_in_range(value + 2, 0, 4);
        seen[value + 2] = true;
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_true(seen[i]);
    }
    for (unsigned i = 0; i < 100; i++) {
        int64_t value = prng_between(&prng, INT64_MIN, INT64_MAX);
        negative = negative || value < 0;
        positive = positive || value > 0;
    }
    assert_true(negative && positive);
    assert_true(prng_between(&prng, INT64_MAX, INT64_MAX) == INT64_MAX);
    assert_true(prng_between(&prng, INT64_MIN, INT64_MIN) == INT64_MIN);
}

static void test_double(void **state _unused_)
{
    struct prng prng;
    double sum = 0;

    prng_seed(&prng, 5);
    for (unsigned i = 0; i < 10000; i++) {
        double value = prng_double(&prng);
        assert_true(value >= 0 && value < 1);
        sum += value;
    }
    assert_true(sum > 4900 && sum < 5100);
}

static void test_permutations(void **state _unused_)
{
    static const unsigned counts[] = {1, 2, 3, 4, 5, 16, 17, 1000, 1024, 1025};

    for (size_t c = 0; c < ELEMENTSOF(counts); c++) {
        unsigned count = counts[c], moved = 0, differ = 0;
        bool seen[1025] = {false};
        for (unsigned i = 0; i < count; i++) {
            uint64_t to = prng_permute(7, count, i);
            assert_true(to < count && !seen[to]);
            seen[to] = true;
            moved += to != i ? 1 : 0;
            differ += to != prng_permute(8, count, i) ? 1 : 0;
        }
        if (count >= 16) {
            assert_true(moved > count / 2 && differ > count / 2);
        }
    }
    assert_true(prng_permute(1, UINT64_MAX, UINT64_MAX - 1) < UINT64_MAX);
}

/* Over many keys each number comes first about as often. */
static void test_permutations_have_no_favourite(void **state _unused_)
{
    unsigned counts[10] = {0};

    for (uint64_t key = 0; key < 10000; key++) {
        counts[prng_permute(key, 10, 0)]++;
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_in_range(counts[i], 850, 1150);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_those_of_xoshiro256),
        cmocka_unit_test(test_state_is_that_of_splitmix64),
        cmocka_unit_test(test_same_key_same_numbers),
        cmocka_unit_test(test_each_part_of_a_key_counts),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_no_remainder_is_likelier),
        cmocka_unit_test(test_between),
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_permutations),
        cmocka_unit_test(test_permutations_have_no_favourite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
