/* SPDX-License-Identifier: MPL-2.0 */
/* Weights: most visitors look around, some buy.
 *
 *     python3 shop.py 9300 &
 *     loads-runner weights.TestShop.test_look:8 weights.TestShop.test_buy:2 --server-url http://localhost:9300 -u 20 --hits 10 --seed 7
 *
 * How often each was done stands in the summary of --output json; with the same seed it is the same.
 */
#include <loads/loads.h>

LOADS_SET_UP(TestShop)
{
    loads_response *res = loads_get(user, "/");
    loads_check(user, "the front page is there", res->status == 200);
}

LOADS_TEST(TestShop, test_look)
{
    loads_response *res = loads_get(user, "/api/articles", .name = "articles");
    loads_assert_int_eq(res->status, 200);
}

LOADS_TEST(TestShop, test_buy)
{
    loads_response *res = loads_post(user, "/api/orders", .json = "{\"article\": 1, \"count\": 1}");
    loads_assert_int_eq(res->status, 201);
}
