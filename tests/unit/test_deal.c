/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "run/deal.h"
#include "temporary_dir.h"

static void test_each_number_once(void **state _unused_)
{
    _cleanup_(deal_freep) struct deal *one = NULL, *other = NULL;
    uint64_t number;

    assert_int_equal(deal_create("once", 3, 2, NULL), 0);
    assert_int_equal(deal_open(&one, "once", NULL), 0);
    assert_int_equal(deal_open(&other, "once", NULL), 0);
    assert_int_equal(deal_agents(one), 3);
    assert_int_equal(deal_agent_index(other), 2);
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(deal_next(i % 2 ? one : other, 77, &number), 0);
        assert_int_equal(number, i);
    }
    assert_int_equal(deal_next(one, 78, &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(deal_next(other, 77, &number), 0);
    assert_int_equal(number, 10);
}

/* Several processes at a time get all numbers without a gap. */
static void test_processes(void **state _unused_)
{
    _cleanup_(deal_freep) struct deal *deal = NULL;
    const uint64_t each = 10000;
    uint64_t number;
    pid_t pids[4];

    assert_int_equal(deal_create("processes", 1, 0, NULL), 0);
    for (size_t i = 0; i < ELEMENTSOF(pids); i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            bool good = deal_open(&deal, "processes", NULL) == 0;
            for (uint64_t n = 0; good && n < each; n++) {
                good = deal_next(deal, 1 + n % 3, &number) == 0;
            }
            _exit(good ? 0 : 1);
        }
    }
    for (size_t i = 0; i < ELEMENTSOF(pids); i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(deal_open(&deal, "processes", NULL), 0);
    uint64_t sum = 0;
    for (uint64_t pile = 1; pile <= 3; pile++) {
        assert_int_equal(deal_next(deal, pile, &number), 0);
        sum += number;
    }
    assert_int_equal(sum, ELEMENTSOF(pids) * each);
}

static void test_piles_have_an_end(void **state _unused_)
{
    _cleanup_(deal_freep) struct deal *deal = NULL;
    uint64_t number;

    assert_int_equal(deal_create("piles", 1, 0, NULL), 0);
    assert_int_equal(deal_open(&deal, "piles", NULL), 0);
    for (uint64_t pile = 1; pile <= DEAL_MAX_PILES; pile++) {
        assert_int_equal(deal_next(deal, pile, &number), 0);
    }
    assert_int_equal(deal_next(deal, DEAL_MAX_PILES + 1, &number), -ENOSPC);
    assert_int_equal(deal_next(deal, DEAL_MAX_PILES, &number), 0);
    assert_int_equal(number, 1);
}

static void test_files_that_are_none(void **state _unused_)
{
    struct deal *deal = NULL;
    struct error error;

    assert_int_equal(deal_create("there", 1, 0, NULL), 0);
    assert_int_equal(deal_create("there", 1, 0, &error), -EEXIST);
    assert_int_equal(deal_create("none/there", 1, 0, &error), -ENOENT);
    assert_int_equal(deal_open(&deal, "none", &error), -ENOENT);
    write_file("short", "x", 0600);
    assert_int_equal(deal_open(&deal, "short", &error), -EINVAL);
    assert_string_equal(error.text, "short has another version's size");
    assert_int_equal(deal_create("place", 2, 2, NULL), 0);
    assert_int_equal(deal_open(&deal, "place", &error), -EINVAL);
    assert_string_equal(error.text, "place makes no sense");
    assert_null(deal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_number_once),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_piles_have_an_end),
        cmocka_unit_test(test_files_that_are_none),
    };
    return cmocka_run_group_tests(tests, enter_temporary_dir, leave_temporary_dir);
}
