/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <netinet/in.h>

#include "base/macros.h"
#include "worker/blocking_lookup.h"

static void test_ways(void **state _unused_)
{
    static const struct {
        const char *host;
        int flags, family;
        enum lookup_way way;
    } cases[] = {
        {NULL, 0, AF_UNSPEC, LOOKUP_AT_ONCE},
        {"127.0.0.1", AI_CANONNAME, AF_INET, LOOKUP_AT_ONCE},
        {"::1", 0, AF_UNSPEC, LOOKUP_AT_ONCE},
        {"shop", AI_NUMERICHOST, AF_UNSPEC, LOOKUP_AT_ONCE},
        {"shop", 0, AF_UNSPEC, LOOKUP_RESOLVER},
        {"shop", AI_ADDRCONFIG | AI_V4MAPPED, AF_UNSPEC, LOOKUP_RESOLVER},
        {"shop", AI_NUMERICSERV | AI_PASSIVE, AF_INET, LOOKUP_RESOLVER},
        {"shop", 0, AF_INET6, LOOKUP_RESOLVER},
        {"shop", AI_V4MAPPED, AF_INET6, LOOKUP_THREAD},
        {"shop", AI_CANONNAME, AF_INET, LOOKUP_THREAD},
        {"shop", AI_ALL, AF_INET, LOOKUP_THREAD},
        {"shop", 0, AF_UNIX, LOOKUP_THREAD},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        const struct addrinfo hints = {.ai_flags = cases[i].flags, .ai_family = cases[i].family};
        assert_int_equal(lookup_way(cases[i].host, &hints), cases[i].way);
    }
    assert_int_equal(lookup_way("shop", NULL), LOOKUP_RESOLVER);
}

static const char *const both[] = {"::1", "10.0.0.1", "::2", "10.0.0.2"};

static size_t count(const struct addrinfo *list)
{
    size_t n = 0;

    for (; list; list = list->ai_next) {
        n++;
    }
    return n;
}

static void test_lists(void **state _unused_)
{
    struct addrinfo stream = {.ai_socktype = SOCK_STREAM}, *list = NULL;

    assert_int_equal(lookup_list(both, ELEMENTSOF(both), "8080", &stream, &list), 0);
    assert_int_equal(count(list), 4);
    assert_int_equal(list->ai_family, AF_INET6);
    assert_int_equal(((struct sockaddr_in6 *)list->ai_addr)->sin6_port, htons(8080));
    freeaddrinfo(list);
    stream.ai_family = AF_INET;
    assert_int_equal(lookup_list(both, ELEMENTSOF(both), NULL, &stream, &list), 0);
    assert_int_equal(count(list), 2);
    assert_int_equal(((struct sockaddr_in *)list->ai_addr)->sin_addr.s_addr, htonl(0x0a000001));
    freeaddrinfo(list);
    assert_int_equal(lookup_list(both, 2, NULL, NULL, &list), 0);
    assert_int_equal(count(list), 6); /* a socket type each */
    freeaddrinfo(list);
}

static void test_lists_of_nothing(void **state _unused_)
{
    struct addrinfo v4 = {.ai_family = AF_INET}, *list = NULL;

    assert_int_equal(lookup_list(both, 1, NULL, &v4, &list), EAI_NONAME);
    assert_int_equal(lookup_list(both, 0, NULL, NULL, &list), EAI_NONAME);
    assert_int_equal(lookup_list(both, 4, "no such service", &v4, &list), EAI_SERVICE);
    assert_null(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lists_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
