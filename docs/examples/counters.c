/* SPDX-License-Identifier: MPL-2.0 */
/* Counters of one's own, which stand in the summary.
 *
 *     python3 shop.py 9300 &
 *     loads-runner counters.TestShop.test_search --server-url http://localhost:9300 -u 10 --hits 4
 */
#include <loads/loads.h>

LOADS_TEST(TestShop, test_search)
{
    loads_response *res = loads_get(user, "/api/articles");
    size_t count = loads_json_count(res, "articles");

    loads_add_counter(user, "articles-seen", (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        const char *name = loads_json_string(res, loads_printf(user, "articles[%zu].name", i));
        if (name[0] == 'p' && name[2] == 'n') {
            loads_incr_counter(user, "pencils-found");
        }
    }
}
