/* SPDX-License-Identifier: MPL-2.0 */
/* A journey: a form is sent, and the cookie that comes back opens what is behind it.
 *
 *     python3 shop.py 9300 &
 *     loads-runner login.TestAccount.test_journey --server-url http://localhost:9300 -u 20 --hits 5
 *
 * Cookies are the virtual user's and live through all of its iterations. Here each of them is a new
 * visitor, who isn't known yet.
 */
#include <loads/loads.h>

LOADS_TEST(TestAccount, test_journey)
{
    loads_session_reset(user);
    loads_response *res = loads_get(user, "/account", .no_redirects = true, .name = "not known");
    loads_assert_int_eq(res->status, 303);
    loads_assert_str_eq(loads_header(res, "Location"), "/login");

    /* The answer leads to /account: two hits. */
    const char *name = loads_printf(user, "ada%u", loads_user_number(user));
    res = loads_post(user, "/login", .body = loads_printf(user, "user=%s&password=secret", name),
                     .headers = LOADS_HEADERS("Content-Type: application/x-www-form-urlencoded"));
    loads_assert_int_eq(res->status, 200);
    loads_assert_uint_eq(res->redirects, 1);
    loads_assert_str_contains(res->body, loads_printf(user, "Hello %s.", name));

    res = loads_get(user, "/account");
    loads_assert_str_contains(res->body, name);
}

LOADS_TEST(TestAccount, test_wrong_password)
{
    loads_response *res =
        loads_post(user, "/login", .body = "user=ada&password=guess",
                   .headers = LOADS_HEADERS("Content-Type: application/x-www-form-urlencoded"));
    loads_assert_int_eq(res->status, 403);
}
