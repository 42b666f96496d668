/* SPDX-License-Identifier: MPL-2.0 */
/* An interface that speaks JSON: what is there is asked for, and one of it ordered.
 *
 *     python3 shop.py 9300 &
 *     loads-runner json_api.TestApi.test_order --server-url http://localhost:9300 -u 10 --hits 5
 */
#include <inttypes.h>
#include <loads/loads.h>

LOADS_TEST(TestApi, test_order)
{
    loads_response *res = loads_get(user, "/api/articles");
    loads_assert_int_eq(res->status, 200);

    /* Each user takes another article. */
    size_t count = loads_json_count(res, "articles");
    loads_assert_uint_gt(count, 0);
    size_t which = loads_user_number(user) % count;
    intmax_t id = loads_json_int(res, loads_printf(user, "articles[%zu].id", which));
    double price = loads_json_double(res, loads_printf(user, "articles[%zu].price", which));

    res = loads_post(user, "/api/orders",
                     .json = loads_printf(user, "{\"article\": %jd, \"count\": 3}", id));
    loads_assert_int_eq(res->status, 201);
    loads_assert_double_near(loads_json_double(res, "total"), 3 * price, 0.001);
}
