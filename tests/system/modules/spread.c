/* SPDX-License-Identifier: MPL-2.0 */
/* Latencies that spread, and ends of all kinds. */
#include <loads/loads.h>

LOADS_TEST(TestSpread, test_delays)
{
    for (int i = 0; i < 10; i++) {
        const char *url = loads_printf(user, "/delay/%d", i * i);
        loads_assert_int_eq(loads_get(user, i < 9 ? url : "/delay/90", .name = "delay")->status,
                            200);
    }
}

LOADS_TEST(TestSpread, test_mixture)
{
    loads_incr_counter(user, "begun");
    switch (loads_iteration(user) % 3) {
    case 0:
        loads_assert_int_eq(loads_get(user, "/any")->status, 200);
        break;
    case 1:
        loads_assert_int_eq(loads_get(user, "/status/500")->status, 200);
        break;
    default:
        (void)loads_get(user, "/reset");
        break;
    }
}
