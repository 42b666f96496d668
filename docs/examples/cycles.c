/* SPDX-License-Identifier: MPL-2.0 */
/* Cycles: the same test by more and more users, who think between two pages.
 *
 *     python3 shop.py 9300 &
 *     loads-runner cycles.TestShop.test_browse --server-url http://localhost:9300 -u 5:10:20 -c 3
 *
 * That is (5 + 10 + 20) x 3 iterations of two requests.
 */
#include <loads/loads.h>

LOADS_TEST(TestShop, test_browse)
{
    loads_response *res = loads_get(user, "/");
    loads_assert_int_eq(res->status, 200);
    loads_sleep(user, 0.05);
    res = loads_get(user, "/api/articles", .name = "articles");
    loads_assert_int_eq(res->status, 200);
}
