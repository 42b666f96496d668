/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "loop/proxy.h"

static void test_parts(void **state _unused_)
{
    static const struct {
        const char *text, *host, *shown;
        unsigned port;
        bool numeric, http, local;
    } cases[] = {
        {"http://proxy.test:3128", "proxy.test", "http://proxy.test:3128", 3128, false, true,
         false},
        {"https://me:hush@proxy.test:443/", "proxy.test", "https://proxy.test:443", 443, false,
         true, false},
        {"socks5://127.0.0.1:1080", "127.0.0.1", "socks5://127.0.0.1:1080", 1080, true, false,
         true},
        {"socks5h://me:hush@[::1]:1", "::1", "socks5h://[::1]:1", 1, true, false, false},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(proxy_freep) struct proxy *proxy = NULL;
        assert_int_equal(proxy_new(&proxy, cases[i].text, NULL), 0);
        assert_string_equal(proxy->text, cases[i].text);
        assert_string_equal(proxy->host, cases[i].host);
        assert_string_equal(proxy->shown, cases[i].shown);
        assert_int_equal(proxy->port, cases[i].port);
        assert_int_equal(proxy->numeric_host, cases[i].numeric);
        assert_int_equal(proxy->http, cases[i].http);
        assert_int_equal(proxy->local_names, cases[i].local);
    }
}

static void test_refused(void **state _unused_)
{
    static const char *const cases[] = {
        "http://proxy.test",
        "http://:3128",
        "http://me:hush@proxy.test",
        "http://a:0",
        "http://a:65536",
        "http://me:hush@a b:1",
        "socks5://",
        "",
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct proxy *proxy = NULL;
        struct error error;
        assert_int_equal(proxy_new(&proxy, cases[i], &error), -EINVAL);
        assert_null(proxy);
        assert_non_null(strstr(error.text, "is not a proxy's URL"));
        assert_null(strstr(error.text, "hush"));
    }
}

static void test_left_out(void **state _unused_)
{
    static const struct {
        const char *list, *host;
        bool expected;
    } cases[] = {
        {NULL, "a.test", false},
        {"", "a.test", false},
        {"*", "a.test", true},
        {"*", "::1", true},
        {"a.test", "a.test", true},
        {"A.test", "a.test", true},
        {"a.test", "b.a.test", true},
        {".a.test", "b.a.test", true},
        {"a.test", "ba.test", false},
        {"a.test", "test", false},
        {"x, a.test,y", "a.test", true},
        {",,", "a.test", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"0.0.1", "127.0.0.1", false},
        {"127.0.0.0/8", "127.1.2.3", true},
        {"127.0.0.0/9", "127.128.0.1", false},
        {"0.0.0.0/0", "10.0.0.1", true},
        {"127.0.0.0/33", "127.0.0.0", false},
        {"127.0.0.0/", "127.0.0.0", false},
        {"fd00::/8", "fd12::1", true},
        {"fd00::/8", "fe80::1", false},
        {"::1", "0:0::1", true},
        {"127.0.0.1", "::1", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(proxy_leaves_out(cases[i].list, cases[i].host), cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_left_out),
    };
    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
