/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <string.h>

#include "worker/redirect.h"

static void test_methods(void **state _unused_)
{
    static const struct {
        int status;
        const char *method, *next;
        bool drop_body;
    } cases[] = {
        {301, "GET", "GET", false},   {301, "POST", "GET", true},
        {301, "PUT", "PUT", false},   {301, "HEAD", "HEAD", false},
        {302, "POST", "GET", true},   {302, "DELETE", "DELETE", false},
        {302, "HEAD", "HEAD", false}, {303, "GET", "GET", true},
        {303, "POST", "GET", true},   {303, "PUT", "GET", true},
        {303, "HEAD", "HEAD", true},  {303, "DELETE", "GET", true},
        {307, "POST", "POST", false}, {307, "GET", "GET", false},
        {308, "POST", "POST", false}, {308, "PATCH", "PATCH", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct redirect redirect = {0};
        assert_true(redirect_next(cases[i].method, cases[i].status, true, &redirect));
        assert_string_equal(redirect.method, cases[i].next);
        assert_int_equal(redirect.drop_body, cases[i].drop_body);
        assert_false(redirect_next(cases[i].method, cases[i].status, false, &redirect));
    }
}

static void test_no_redirect(void **state _unused_)
{
    static const int others[] = {0, 200, 201, 300, 304, 305, 306, 309, 400, 500};
    struct redirect redirect = {0};

    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        assert_false(redirect_next("GET", others[i], true, &redirect));
    }
    assert_null(redirect.method);
}

static void test_location_with_blanks(void **state _unused_)
{
    struct arena_pool *pool;
    struct arena arena;
    const char *plain = "/a%20b";

    assert_int_equal(arena_pool_new(&pool), 0);
    arena_init(&arena, pool);
    assert_ptr_equal(redirect_location(&arena, plain), plain);
    assert_string_equal(redirect_location(&arena, "/a b  c"), "/a%20b%20%20c");
    assert_string_equal(redirect_location(&arena, " "), "%20");
    arena_reset(&arena);
    arena_pool_free(pool);
}

static void test_leaves(void **state _unused_)
{
    const struct url a = {.scheme = "http", .host = "a", .port = 80, .path = "/x"};
    const struct url same = {.scheme = "http", .host = "a", .port = 80, .path = "/y"};
    const struct url host = {.scheme = "http", .host = "a.b", .port = 80};
    const struct url port = {.scheme = "http", .host = "a", .port = 8080};
    const struct url scheme = {.scheme = "https", .host = "a", .port = 80, .secure = true};

    assert_false(redirect_leaves(&a, &same));
    assert_true(redirect_leaves(&a, &host));
    assert_true(redirect_leaves(&a, &port));
    assert_true(redirect_leaves(&a, &scheme));
}

static void test_headers(void **state _unused_)
{
    const struct redirect keeps = {"POST", false}, drops = {"GET", true};

    assert_true(redirect_keeps("Content-Type: text/plain", &keeps, true, false));
    assert_false(redirect_keeps("Content-Type: text/plain", &drops, false, false));
    assert_false(redirect_keeps("content-length:3", &drops, false, false));
    assert_false(redirect_keeps("TRANSFER-ENCODING: chunked", &drops, false, false));
    assert_true(redirect_keeps("Content-Typo: x", &drops, true, false));
    assert_true(redirect_keeps("Accept: */*", &drops, true, false));
    assert_true(redirect_keeps("Authorization: Basic eDp5", &drops, false, false));
    assert_false(redirect_keeps("authorization: Basic eDp5", &keeps, true, false));
    assert_false(redirect_keeps("Cookie: a=b", &keeps, true, false));
    assert_true(redirect_keeps("Cookie: a=b", &keeps, false, false));
    assert_false(redirect_keeps("Host: a", &keeps, true, false));
    assert_true(redirect_keeps("Host: a", &keeps, false, false));
    assert_false(redirect_keeps("no header", &keeps, false, false));
    assert_true(redirect_keeps("Referer: https://a/b", &keeps, true, false));
    assert_false(redirect_keeps("Referer: https://a/b", &keeps, true, true));
    assert_true(redirect_keeps("Accept: */*", &keeps, true, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_no_redirect),
        cmocka_unit_test(test_location_with_blanks),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
