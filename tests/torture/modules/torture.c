/* SPDX-License-Identifier: MPL-2.0 */
/* Tests that each request can be told from every other by its path, for a target that logs them. */
#include <loads/loads.h>

static void get(loads_user *user, int which)
{
    const char *path = loads_printf(user, "/delay/2/any/%u/%u/%d", loads_user_number(user),
                                    loads_iteration(user), which);
    loads_assert_int_eq(loads_get(user, path, .name = "request")->status, 200);
}

LOADS_TEST(TestKill, test_two)
{
    get(user, 1);
    get(user, 2);
}

/* The same, 20 times, but that the last three iterations are held: whatever is to happen to its
 * worker, up to three times, happens in time. */
LOADS_TEST(TestKill, test_held)
{
    if (loads_iteration(user) < 17) {
        get(user, 1);
    } else {
        const char *path = loads_printf(user, "/delay/2/any/%u/%u/1?held", loads_user_number(user),
                                        loads_iteration(user));
        loads_assert_int_eq(loads_get(user, path, .name = "request")->status, 200);
    }
    get(user, 2);
}

/* Many names in a second: what is counted takes ever more room. */
LOADS_TEST(TestKill, test_spread)
{
    for (unsigned i = 0; i < 100; i++) {
        unsigned which = (loads_user_number(user) + loads_iteration(user) * 20 + i) * 20 % 991;
        loads_assert_int_eq(
            loads_get(user, "/any", .name = loads_printf(user, "%u", which))->status, 200);
    }
}
