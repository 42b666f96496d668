/* SPDX-License-Identifier: MPL-2.0 */
/* A feeder: each order of orders.csv is placed once in the run, whoever of the users does it.
 *
 *     python3 shop.py 9300 &
 *     loads-runner feeder.TestShop.test_order --server-url http://localhost:9300 -u 4 --hits 15
 *
 * The file has 60 orders; who asked for one more would get an error.
 */
#include <loads/loads.h>

LOADS_FEEDER(orders, "orders.csv", .order = LOADS_UNIQUE);

LOADS_TEST(TestShop, test_order)
{
    const loads_row *order = loads_feed(user, &orders);
    const char *json = loads_printf(user, "{\"article\": %s, \"count\": %s}",
                                    loads_value(order, "article"), loads_value(order, "count"));
    loads_response *res = loads_post(user, "/api/orders", .json = json);
    loads_assert_int_eq(res->status, 201);
}
