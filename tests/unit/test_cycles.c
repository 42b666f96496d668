/* SPDX-License-Identifier: MPL-2.0 */
/* The steps of a run: which, how many, and who runs which users. */
#include "test.h"

#include "run/cycles.h"

static struct run_spec make_spec(struct number_list users, struct number_list hits)
{
    return (struct run_spec){.users = users, .hits = hits};
}

static void test_product(void **state _unused_)
{
    struct run_spec spec = make_spec((struct number_list){.values = {1, 2}, .count = 2},
                                     (struct number_list){.values = {3, 4}, .count = 2});
    const struct cycle expected[] = {{1, 3, 0}, {1, 4, 0}, {2, 3, 0}, {2, 4, 0}};

    assert_int_equal(cycles_count(&spec), 4);
    for (unsigned i = 0; i < 4; i++) {
        struct cycle cycle = cycles_at(&spec, i);
        assert_int_equal(cycle.users, expected[i].users);
        assert_int_equal(cycle.hits, expected[i].hits);
        assert_int_equal(cycle.duration_usec, 0);
    }
    assert_int_equal(cycles_iterations(&spec), 21);
}

static void test_sum_of_users(void **state _unused_)
{
    struct run_spec spec = make_spec((struct number_list){.values = {10, 20, 30}, .count = 3},
                                     (struct number_list){.values = {20}, .count = 1});

    assert_int_equal(cycles_count(&spec), 3);
    assert_int_equal(cycles_iterations(&spec), 1200);
}

static void test_no_overflow(void **state _unused_)
{
    struct run_spec spec = make_spec((struct number_list){.values = {4000000000}, .count = 1},
                                     (struct number_list){.values = {4000000000}, .count = 1});

    assert_true(cycles_iterations(&spec) == UINT64_C(16000000000000000000));
}

static void test_duration(void **state _unused_)
{
    struct run_spec spec =
        make_spec((struct number_list){.values = {5, 7}, .count = 2}, (struct number_list){0});

    spec.duration_usec = 1500000;
    assert_int_equal(cycles_count(&spec), 2);
    struct cycle cycle = cycles_at(&spec, 1);
    assert_int_equal(cycle.users, 7);
    assert_int_equal(cycle.hits, 0);
    assert_int_equal(cycle.duration_usec, 1500000);
    assert_int_equal(cycles_iterations(&spec), 0);
}

/* Blocks that follow each other, cover all users, and differ by one at most. */
static void test_shares(void **state _unused_)
{
    const unsigned users[] = {1, 2, 7, 100, 101, 30000, UINT32_MAX};

    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        for (unsigned workers = 1; workers <= 64 && workers <= users[i]; workers++) {
            unsigned next = 0, first, count, least = users[i] / workers;
            for (unsigned worker = 0; worker < workers; worker++) {
                cycles_share(users[i], workers, worker, &first, &count);
                assert_int_equal(first, next);
                assert_true(count == least || count == least + 1);
                next = first + count;
            }
            assert_int_equal(next, users[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product),     cmocka_unit_test(test_sum_of_users),
        cmocka_unit_test(test_no_overflow), cmocka_unit_test(test_duration),
        cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
