/* SPDX-License-Identifier: MPL-2.0 */
/* Weights: most visitors look around, some buy.
 *
 *     python3 shop.py 9300 &
 *     loads-runner mix.Shop.look:8 mix.Shop.buy:2 --server-url http://localhost:9300 -u 20 -c 10
 *
 * Who does what follows from --seed; how often each was done is in --output json.
 */
#include <loads/loads.h>

LOADS_SET_UP(Shop)
{
    loads_response *res = loads_get(user, "/");
    loads_check(user, "the front page is there", res->status == 200);
}

LOADS_TEST(Shop, look)
{
    loads_response *res = loads_get(user, "/api/articles", .name = "articles");
    loads_assert_int_eq(res->status, 200);
}

LOADS_TEST(Shop, buy)
{
    loads_response *res = loads_post(user, "/api/orders", .json = "{\"article\": 1, \"count\": 1}");
    loads_assert_int_eq(res->status, 201);
}
