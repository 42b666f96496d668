/* The first test of the guide: is the service there?
 *
 *     loads-echo-server --port 9200 &
 *     loads-runner example.TestWebSite.test_es -u 100 --hits 10
 */
#include <loads/loads.h>

LOADS_TEST(TestWebSite, test_es)
{
    loads_response *res = loads_get(user, "http://localhost:9200");
    loads_assert_int_eq(res->status, 200);
}
