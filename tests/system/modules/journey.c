/* SPDX-License-Identifier: MPL-2.0 */
/* What is done around tests, and what a user keeps. Who did what when is told by requests, whose
 * names are counted. */
#include <stdlib.h>
#include <string.h>

#include <loads/loads.h>

struct shopper {
    unsigned set_up, iterations;
    const char *name;
};

static void tell(loads_user *user, const char *what)
{
    loads_get(user, "/any", .name = what);
}

LOADS_USER_SET_UP(TestShop)
{
    struct shopper *me = LOADS_STATE(user, struct shopper);

    loads_assert_uint_eq(me->set_up++, 0);
    loads_assert_null(me->name);
    me->name = loads_keep(user, loads_printf(user, "user %u", loads_user_number(user)));
    tell(user, "user set-up");
}

LOADS_SET_UP(TestShop)
{
    struct shopper *me = LOADS_STATE(user, struct shopper);

    loads_assert_uint_eq(me->set_up, 1);
    tell(user, "set-up");
}

LOADS_TEAR_DOWN(TestShop)
{
    tell(user, "tear-down");
}

LOADS_USER_TEAR_DOWN(TestShop)
{
    struct shopper *me = LOADS_STATE(user, struct shopper);

    loads_add_counter(user, "iterations of all", me->iterations);
    tell(user, "user tear-down");
}

static void work(loads_user *user)
{
    struct shopper *me = LOADS_STATE(user, struct shopper);

    loads_assert_str_eq(me->name, loads_printf(user, "user %u", loads_user_number(user)));
    me->iterations++;
    tell(user, "work");
}

static void tell_at_end(void *user)
{
    tell(user, "deferred");
}

LOADS_TEST(TestShop, test_well)
{
    loads_defer(user, tell_at_end, user);
    work(user);
}

LOADS_TEST(TestShop, test_fails)
{
    work(user);
    loads_fail("as planned");
}

LOADS_TEST(TestShop, test_no_answer)
{
    work(user);
    loads_get(user, "/reset");
}

LOADS_TEST(TestShop, test_sleeps)
{
    work(user);
    loads_sleep(user, 1000);
}

LOADS_TEST(TestChecks, test_some)
{
    unsigned iteration = loads_iteration(user);

    if (!loads_check(user, "odd", iteration % 2 == 1)) {
        loads_incr_counter(user, "even");
    }
    loads_check(user, "none", false);
}

/* What fails around a test: each environment variable names the part that does. */
static void may_fail(const char *part)
{
    const char *which = getenv("FAILS");

    if (which && strcmp(which, part) == 0) {
        loads_fail("the %s fails", part);
    }
}

LOADS_USER_SET_UP(TestFrail)
{
    tell(user, "user set-up");
    may_fail("user set-up");
}

LOADS_SET_UP(TestFrail)
{
    tell(user, "set-up");
    may_fail("set-up");
}

LOADS_TEAR_DOWN(TestFrail)
{
    tell(user, "tear-down");
    may_fail("tear-down");
}

LOADS_USER_TEAR_DOWN(TestFrail)
{
    tell(user, "user tear-down");
    may_fail("user tear-down");
}

LOADS_TEST(TestFrail, test)
{
    tell(user, "work");
}

LOADS_TEST(TestState, test_two_types)
{
    (void)LOADS_STATE(user, int);
    (void)LOADS_STATE(user, double);
}

/* Tests that are mixed: each tells its own name. */
LOADS_TEST(TestShop, test_buy)
{
    tell(user, "buy");
}

LOADS_TEST(TestMix, test_look)
{
    tell(user, "look");
}

LOADS_TEST(TestMix, test_abort)
{
    tell(user, "abort");
    abort();
}

LOADS_USER_TEAR_DOWN(TestMix)
{
    tell(user, "user tear-down of the mix");
}
