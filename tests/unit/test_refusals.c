/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker/refusals.h"

struct told {
    struct refusals *refusals;
    unsigned count;
    struct refusal last;
};

static void on_told(const struct refusal *refusal, void *context)
{
    struct told *told = context;

    told->count++;
    told->last = *refusal;
}

static int set_up(void **state)
{
    static struct told told;

    told = (struct told){.count = 0};
    *state = &told;
    return refusals_new(&told.refusals, on_told, &told);
}

static int tear_down(void **state)
{
    struct told *told = *state;

    refusals_free(told->refusals);
    return 0;
}

static struct refusal from(const char *peer)
{
    struct refusal refusal = {.what = "CTRL_RUN", .reason = "it needs the role 'run'"};

    (void)snprintf(refusal.caller.peer, sizeof refusal.caller.peer, "%s", peer);
    return refusal;
}

static void add(struct told *told, struct refusal refusal, uint64_t now_usec)
{
    refusals_add(told->refusals, &refusal, now_usec);
}

static void expect(const struct told *told, unsigned count, uint64_t times, const char *what)
{
    assert_int_equal(told->count, count);
    assert_int_equal(told->last.times, times);
    assert_string_equal(told->last.what, what);
}

static void test_the_first_at_once_and_the_rest_together(void **state)
{
    struct told *told = *state;
    uint64_t at_usec = USEC_PER_SEC;

    for (unsigned i = 0; i < 1000; i++) {
        add(told, from("10.0.0.1"), at_usec + i);
        expect(told, 1, 1, "CTRL_RUN");
    }
    refusals_tick(told->refusals, at_usec + REFUSALS_WINDOW_USEC - 1);
    assert_int_equal(told->count, 1);
    refusals_tick(told->refusals, at_usec + REFUSALS_WINDOW_USEC);
    expect(told, 2, 999, "CTRL_RUN");
    assert_string_equal(told->last.caller.peer, "10.0.0.1");
}

/* Who goes on is told of once in each window; after one without it, it is new. */
static void test_windows(void **state)
{
    struct told *told = *state;
    uint64_t at_usec = 0;

    add(told, from("a"), at_usec);
    add(told, from("a"), at_usec += REFUSALS_WINDOW_USEC / 2);
    expect(told, 1, 1, "CTRL_RUN");
    add(told, from("a"), at_usec += REFUSALS_WINDOW_USEC / 2); /* told of, and counted again */
    expect(told, 2, 1, "CTRL_RUN");
    refusals_tick(told->refusals, at_usec += REFUSALS_WINDOW_USEC);
    expect(told, 3, 1, "CTRL_RUN");
    refusals_tick(told->refusals, at_usec += REFUSALS_WINDOW_USEC);
    assert_int_equal(told->count, 3);
    add(told, from("a"), at_usec);
    expect(told, 4, 1, "CTRL_RUN");
}

static void test_what_differs_in_anything(void **state)
{
    struct told *told = *state;
    struct refusal refusal = from("a");

    add(told, refusal, 0);
    refusal.caller.name[0] = 'x';
    add(told, refusal, 0);
    refusal.run_id[0] = 'x';
    add(told, refusal, 0);
    refusal.agent_id[0] = 'x';
    add(told, refusal, 0);
    refusal.reason[0] = 'x';
    add(told, refusal, 0);
    refusal.what[0] = 'x';
    add(told, refusal, 0);
    assert_int_equal(told->count, 6);
    add(told, refusal, 0);
    add(told, from("b"), 0);
    assert_int_equal(told->count, 7);
}

/* Thousands of different ones take no more than a few, and hide nobody who was there before. */
static void test_more_than_there_is_room_for(void **state)
{
    struct told *told = *state;
    char peer[16];

    for (unsigned i = 0; i < REFUSALS_MAX + 5000; i++) {
        (void)snprintf(peer, sizeof peer, "%u", i);
        add(told, from(peer), 1);
    }
    assert_int_equal(told->count, REFUSALS_MAX);
    add(told, from("0"), 1);
    assert_int_equal(told->count, REFUSALS_MAX);
    refusals_tick(told->refusals, UINT64_MAX);
    expect(told, REFUSALS_MAX + 2, 5000, "others");
    refusals_tick(told->refusals, UINT64_MAX);
    assert_int_equal(told->count, REFUSALS_MAX + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_at_once_and_the_rest_together, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_windows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_differs_in_anything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_than_there_is_room_for, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
