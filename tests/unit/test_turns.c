/* SPDX-License-Identifier: MPL-2.0 */
/* So many per turn of the loop, in order. */
#include "test.h"

#include "base/macros.h"
#include "loop/turns.h"

#define MOST 3

struct thing {
    struct turn turn;
    unsigned number;
    struct turns *again; /* to be added to when it is taken */
};

static unsigned taken[20];
static size_t n_taken;

static void take(struct turn *turn)
{
    struct thing *thing = (struct thing *)turn; /* its first member */

    assert_null(turn->next);
    taken[n_taken++] = thing->number;
    if (thing->again) {
        turns_add(thing->again, turn);
        thing->again = NULL;
    }
}

static int set_up(void **state)
{
    static struct turns turns;

    n_taken = 0;
    turns_init(&turns, ev_loop_new(EVFLAG_AUTO), MOST, take);
    *state = &turns;
    return 0;
}

static int tear_down(void **state)
{
    struct turns *turns = *state;

    turns_stop(turns);
    ev_loop_destroy(turns->loop);
    return 0;
}

static void test_in_portions(void **state)
{
    struct turns *turns = *state;
    struct thing things[7] = {0};

    for (unsigned i = 0; i < ELEMENTSOF(things); i++) {
        things[i].number = i;
        turns_add(turns, &things[i].turn);
    }
    assert_int_equal(n_taken, 0);
    for (size_t expected = MOST; expected < ELEMENTSOF(things) + MOST; expected += MOST) {
        ev_run(turns->loop, EVRUN_ONCE);
        assert_int_equal(n_taken, MIN(expected, ELEMENTSOF(things)));
    }
    for (unsigned i = 0; i < ELEMENTSOF(things); i++) {
        assert_int_equal(taken[i], i);
    }
    assert_false(ev_run(turns->loop, EVRUN_ONCE)); /* there is nothing left to wait for */
}

static void test_removed(void **state)
{
    struct turns *turns = *state;
    struct thing things[3] = {{.number = 0}, {.number = 1}, {.number = 2}};

    turns_remove(&things[0].turn);
    for (unsigned i = 0; i < ELEMENTSOF(things); i++) {
        turns_add(turns, &things[i].turn);
    }
    turns_remove(&things[1].turn);
    turns_remove(&things[1].turn);
    ev_run(turns->loop, EVRUN_ONCE);
    assert_int_equal(n_taken, 2);
    assert_int_equal(taken[0], 0);
    assert_int_equal(taken[1], 2);
}

static void test_added_again(void **state)
{
    struct turns *turns = *state;
    struct thing things[2] = {{.number = 0, .again = turns}, {.number = 1}};

    turns_add(turns, &things[0].turn);
    turns_add(turns, &things[1].turn);
    ev_run(turns->loop, 0);
    assert_int_equal(n_taken, 3);
    assert_int_equal(taken[1], 1);
    assert_int_equal(taken[2], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_portions),
        TEST(test_removed),
        TEST(test_added_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
