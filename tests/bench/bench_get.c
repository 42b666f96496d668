/* SPDX-License-Identifier: MPL-2.0 */
/* The C test of the benchmark: what loads-runner URL does, as a test of its own. */
#include <loads/loads.h>

LOADS_TEST(Bench, get)
{
    loads_response *res = loads_get(user, "/");
    loads_assert_int_eq(res->status, 200);
}
