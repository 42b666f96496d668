/* SPDX-License-Identifier: MPL-2.0 */
/* What a test can do with HTTP, judged by the target that --server-url names. */
#include <stdio.h>
#include <string.h>

#include <loads/loads.h>

#define PATTERN "abcdefghijklmnopqrstuvwxyz"

/* The body that the target's /size sends. */
static void assert_pattern(const loads_response *res, size_t size)
{
    loads_assert_uint_eq(res->body_size, size);
    for (size_t i = 0; i < size; i++) {
        if (res->body[i] != PATTERN[i % 26]) {
            loads_fail("byte %zu is '%c'", i, res->body[i]);
        }
    }
    loads_assert_int_eq(res->body[size], '\0');
}

/* ---- requests ---- */

LOADS_TEST(TestRequest, test_methods)
{
    static const char *const methods[] = {"GET",    "POST",    "PUT",  "PATCH",
                                          "DELETE", "OPTIONS", "PURGE"};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const char *body = loads_printf(user, "body of %s", methods[i]);
        loads_request request = {.url = "/echo", .method = methods[i], .body = body};
        loads_response *res = loads_send(user, &request);
        loads_assert_int_eq(res->status, 200);
        loads_assert_str_eq(loads_header(res, "X-Method"), methods[i]);
        loads_assert_str_eq(res->body, body);
    }
}

LOADS_TEST(TestRequest, test_method_macros)
{
    loads_assert_str_eq(loads_header(loads_get(user, "/echo"), "X-Method"), "GET");
    loads_assert_str_eq(loads_header(loads_head(user, "/echo"), "X-Method"), "HEAD");
    loads_assert_str_eq(loads_header(loads_post(user, "/echo"), "X-Method"), "POST");
    loads_assert_str_eq(loads_header(loads_put(user, "/echo"), "X-Method"), "PUT");
    loads_assert_str_eq(loads_header(loads_patch(user, "/echo"), "X-Method"), "PATCH");
    loads_assert_str_eq(loads_header(loads_delete(user, "/echo"), "X-Method"), "DELETE");
    loads_assert_str_eq(loads_header(loads_options(user, "/echo"), "X-Method"), "OPTIONS");
}

LOADS_TEST(TestRequest, test_body)
{
    loads_response *res = loads_post(user, "/echo", .body = "a\0b", .body_size = 3,
                                     .headers = LOADS_HEADERS("Content-Type: text/x-odd"));
    loads_assert_uint_eq(res->body_size, 3);
    loads_assert_mem_eq(res->body, "a\0b", 4);
    loads_assert_str_eq(loads_header(res, "Content-Type"), "text/x-odd");
    res = loads_post(user, "/headers", .body = "x");
    loads_assert_str_contains(res->body, "Content-Length: 1\r\n");
    loads_assert_str_lacks(res->body, "Content-Type:");
    loads_assert_str_lacks(res->body, "Expect:");
    res = loads_post(user, "/headers");
    loads_assert_str_contains(res->body, "Content-Length: 0\r\n");
}

LOADS_TEST(TestRequest, test_large_body)
{
    size_t size = (size_t)5 << 20;
    char *body = loads_alloc(user, size);

    memset(body, 'x', size);
    loads_response *res = loads_put(user, "/echo", .body = body, .body_size = size);
    loads_assert_uint_eq(res->body_size, size);
    loads_assert_mem_eq(res->body, body, size);
}

LOADS_TEST(TestRequest, test_json_body)
{
    loads_response *res = loads_post(user, "/echo", .json = "{\"a\": [1, 2]}");
    loads_assert_str_eq(loads_header(res, "Content-Type"), "application/json");
    loads_assert_int_eq(loads_json_int(res, "a[1]"), 2);
    res = loads_post(user, "/echo", .json = "{}",
                     .headers = LOADS_HEADERS("Content-Type: application/x-mine+json"));
    loads_assert_str_eq(loads_header(res, "Content-Type"), "application/x-mine+json");
}

LOADS_TEST(TestRequest, test_headers)
{
    loads_response *res = loads_get(user, "/headers");
    loads_assert_str_contains(res->body, "User-Agent: loads/");
    loads_assert_str_contains(res->body, "Accept-Encoding: ");
    loads_assert_str_contains(res->body, "Host: 127.0.0.1:");
    res = loads_get(user, "/headers", .headers = LOADS_HEADERS("X-One: 1", "x-two:2"));
    loads_assert_str_contains(res->body, "X-One: 1\r\n");
    loads_assert_str_contains(res->body, "x-two:");
    loads_assert_str_contains(res->body, "User-Agent: loads/");
    res = loads_get(user, "/headers",
                    .headers = LOADS_HEADERS("user-agent: mine/1", "Host: elsewhere.test"));
    loads_assert_str_contains(res->body, "mine/1\r\n");
    loads_assert_str_lacks(res->body, "loads/");
    loads_assert_str_contains(res->body, "Host: elsewhere.test\r\n");
    loads_assert_str_lacks(res->body, "127.0.0.1");
    res = loads_get(user, "/headers",
                    .headers = LOADS_HEADERS("User-Agent:", "Accept-Encoding:", "Accept:"));
    loads_assert_str_lacks(res->body, "User-Agent");
    loads_assert_str_lacks(res->body, "Accept");
}

LOADS_TEST(TestRequest, test_bad_headers)
{
    loads_response *res =
        loads_get(user, "/any", .headers = LOADS_HEADERS("X: a\r\nY: b"), .may_fail = true);
    loads_assert_int_eq(res->status, 0);
    loads_assert_not_null(res->error);
    res = loads_get(user, "/any", .headers = LOADS_HEADERS("no colon"), .may_fail = true);
    loads_assert_int_eq(res->status, 0);
    loads_assert_not_null(res->error);
    loads_request request = {.url = "/any", .method = "BAD METHOD", .may_fail = true};
    res = loads_send(user, &request);
    loads_assert_int_eq(res->status, 0);
    loads_assert_not_null(res->error);
    res = loads_get(user, "ftp://127.0.0.1/", .may_fail = true);
    loads_assert_int_eq(res->status, 0);
    loads_assert_not_null(res->error);
    res = loads_get(user, NULL, .may_fail = true);
    loads_assert_str_eq(res->error, "there is no URL");
    loads_assert_null(loads_header(res, "Content-Type"));
    loads_assert_str_eq(res->body, "");
}

LOADS_TEST(TestRequest, test_names)
{
    (void)loads_get(user, "/any/thing?a=1&b=2#c");
    (void)loads_get(user, "/any/thing?a=2");
    (void)loads_get(user, "/status/404", .name = "missing");
    (void)loads_post(user, "/any/7", .name = "item");
    (void)loads_post(user, "/any/8", .name = "item");
}

/* ---- requests without an answer ---- */

LOADS_TEST(TestNoAnswer, test_timeout)
{
    (void)loads_get(user, "/hang", .timeout_sec = 0.05);
    loads_fail("there was an answer");
}

LOADS_TEST(TestNoAnswer, test_redirects_share_timeout)
{
    (void)loads_get(user, "/delay/40/redirect/30", .timeout_sec = 0.2);
    loads_fail("there was an answer");
}

LOADS_TEST(TestNoAnswer, test_default_timeout)
{
    (void)loads_get(user, "/hang");
    loads_fail("there was an answer");
}

LOADS_TEST(TestNoAnswer, test_may_fail)
{
    static const char *const paths[] = {"/reset", "/reset-in-headers", "/size/1000/reset-in-body",
                                        "/size/1000/half", "/garbage"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        loads_response *res = loads_get(user, paths[i], .may_fail = true);
        loads_assert_int_eq(res->status, 0);
        loads_assert_not_null(res->error);
    }
    loads_response *res = loads_get(user, "/hang", .may_fail = true, .timeout_sec = 0.05);
    loads_assert_str_contains(res->error, "timed out");
    res = loads_get(user, "/any", .may_fail = true);
    loads_assert_int_eq(res->status, 200);
    loads_assert_null(res->error);
}

LOADS_TEST(TestNoAnswer, test_faults)
{
    static const char *const paths[] = {"/reset", "/reset-in-headers", "/size/1000/reset-in-body",
                                        "/size/1000/half", "/garbage"};

    (void)loads_get(user, paths[loads_iteration(user) % 5]);
    loads_fail("there was an answer");
}

LOADS_TEST(TestNoAnswer, test_broken_gzip)
{
    (void)loads_get(user, "/header/Content-Encoding:gzip/body/nonsense");
    loads_fail("there was an answer");
}

LOADS_TEST(TestNoAnswer, test_cut_gzip)
{
    /* A whole gzip header and nothing behind it. */
    (void)loads_post(user, "/echo/header/Content-Encoding:gzip",
                     .body = "\x1f\x8b\x08\0\0\0\0\0\0\x03", .body_size = 10);
    loads_fail("there was an answer");
}

/* ---- redirects ---- */

LOADS_TEST(TestRedirect, test_followed)
{
    loads_response *res = loads_get(user, "/redirect/3");
    loads_assert_int_eq(res->status, 200);
    loads_assert_uint_eq(res->redirects, 3);
    loads_assert_str_contains(res->url, "/redirect/0");
}

LOADS_TEST(TestRedirect, test_not_followed)
{
    loads_response *res = loads_get(user, "/redirect/3", .no_redirects = true);
    loads_assert_int_eq(res->status, 302);
    loads_assert_uint_eq(res->redirects, 0);
    loads_assert_str_contains(loads_header(res, "location"), "/redirect/2");
}

LOADS_TEST(TestRedirect, test_as_many_as_allowed)
{
    loads_response *res = loads_get(user, "/redirect/30");
    loads_assert_int_eq(res->status, 200);
    loads_assert_uint_eq(res->redirects, 30);
}

LOADS_TEST(TestRedirect, test_too_many)
{
    (void)loads_get(user, "/redirect/31");
    loads_fail("there was an answer");
}

LOADS_TEST(TestRedirect, test_methods)
{
    loads_response *res = loads_post(user, "/redirect-to?url=/echo", .body = "x");
    loads_assert_str_eq(loads_header(res, "X-Method"), "GET");
    loads_assert_str_eq(res->body, "");
    res = loads_put(user, "/status/303/redirect-to?url=/echo", .body = "x");
    loads_assert_str_eq(loads_header(res, "X-Method"), "GET");
    loads_assert_str_eq(res->body, "");
    res = loads_post(user, "/status/307/redirect-to?url=/echo", .body = "x");
    loads_assert_str_eq(loads_header(res, "X-Method"), "POST");
    loads_assert_str_eq(res->body, "x");
    res = loads_put(user, "/status/308/redirect-to?url=/echo", .body = "x");
    loads_assert_str_eq(loads_header(res, "X-Method"), "PUT");
    loads_assert_str_eq(res->body, "x");
    res = loads_head(user, "/redirect-to?url=/echo");
    loads_assert_str_eq(loads_header(res, "X-Method"), "HEAD");
}

/* localhost is another host than 127.0.0.1, though the same server. */
static char *elsewhere(loads_user *user)
{
    return loads_printf(user, "http://localhost%s", strrchr(loads_server_url(user), ':'));
}

LOADS_TEST(TestRedirect, test_credentials_stay)
{
    const char *const *headers =
        LOADS_HEADERS("Authorization: Bearer secret", "Cookie: own=secret", "X-Kept: yes");
    loads_response *res = loads_get(user, "/redirect-to?url=/headers", .headers = headers);
    loads_assert_str_contains(res->body, "Bearer secret");
    loads_assert_str_contains(res->body, "own=secret");
    res = loads_get(user, loads_printf(user, "/redirect-to?url=%s/headers", elsewhere(user)),
                    .headers = headers);
    loads_assert_str_contains(res->url, "http://localhost");
    loads_assert_str_lacks(res->body, "secret");
    loads_assert_str_contains(res->body, "X-Kept: yes");
    /* And there and back again: who is trusted once more can't be told. */
    res = loads_get(user,
                    loads_printf(user, "/redirect-to?url=%s/redirect-to%%3furl=%s/headers",
                                 elsewhere(user), loads_server_url(user)),
                    .headers = headers);
    loads_assert_uint_eq(res->redirects, 2);
    loads_assert_str_contains(res->url, "http://127.0.0.1");
    loads_assert_str_lacks(res->body, "secret");
}

LOADS_TEST(TestRedirect, test_url_credentials_stay)
{
    const char *rest = strstr(loads_server_url(user), "//") + 2;
    loads_response *res = loads_get(
        user, loads_printf(user, "http://user:password@%s/redirect-to?url=/headers", rest));
    loads_assert_str_lacks(res->url, "password@localhost");
    res = loads_get(user, loads_printf(user, "http://user:password@%s/redirect-to?url=%s/headers",
                                       rest, elsewhere(user)));
    loads_assert_str_contains(res->url, "http://localhost");
    loads_assert_str_lacks(res->body, "Authorization");
}

/* ---- sessions ---- */

LOADS_TEST(TestSession, test_cookies)
{
    unsigned number = loads_user_number(user);
    loads_response *res = loads_get(user, "/cookies");

    if (loads_iteration(user) == 0) {
        loads_assert_str_eq(res->body, "");
        (void)loads_get(user, loads_printf(user, "/cookie/set/user/%u", number));
    } else {
        loads_assert_str_eq(res->body, loads_printf(user, "user=%u", number));
    }
    res = loads_get(user, "/cookies", .headers = LOADS_HEADERS("Cookie: a=b"));
    loads_assert_str_eq(res->body, "a=b");
    res = loads_get(user, loads_printf(user, "%s/cookies", elsewhere(user)));
    loads_assert_str_eq(res->body, "");
}

LOADS_TEST(TestSession, test_cookie_of_a_redirect)
{
    loads_response *res = loads_get(user, "/cookie/set/hop/1/redirect-to?url=/cookies");
    loads_assert_str_eq(res->body, "hop=1");
}

LOADS_TEST(TestSession, test_reset)
{
    (void)loads_get(user, "/cookie/set/a/b");
    loads_session_reset(user);
    loads_assert_str_eq(loads_get(user, "/cookies")->body, "");
    loads_session_reset(user);
}

LOADS_TEST(TestSession, test_basic_auth)
{
    const char *rest = strstr(loads_server_url(user), "//") + 2;
    loads_response *res =
        loads_get(user, loads_printf(user, "http://user:password@%s/auth/basic", rest));
    loads_assert_int_eq(res->status, 200);
    res = loads_get(user, loads_printf(user, "http://user:wrong@%s/auth/basic", rest));
    loads_assert_int_eq(res->status, 401);
    loads_assert_str_contains(loads_header(res, "WWW-Authenticate"), "Basic");
    res = loads_get(user, "/auth/basic",
                    .headers = LOADS_HEADERS("Authorization: Basic dXNlcjpwYXNzd29yZA=="));
    loads_assert_int_eq(res->status, 200);
}

LOADS_TEST(TestSession, test_address_that_refuses)
{
    loads_response *res = loads_get(
        user, loads_printf(user, "http://two.test%s/any", strrchr(loads_server_url(user), ':')));
    loads_assert_int_eq(res->status, 200);
}

/* ---- answers ---- */

LOADS_TEST(TestAnswer, test_coded)
{
    assert_pattern(loads_get(user, "/size/1000/gzip"), 1000);
    assert_pattern(loads_get(user, "/size/1000/deflate"), 1000);
    assert_pattern(loads_get(user, "/size/1000/chunked/7"), 1000);
    assert_pattern(loads_get(user, "/size/100000/gzip/chunked/100"), 100000);
    assert_pattern(loads_get(user, "/size/0/gzip"), 0);
    assert_pattern(loads_get(user, "/size/1000/close"), 1000);
    loads_response *res = loads_get(user, "/size/1000/gzip");
    loads_assert_str_eq(loads_header(res, "Content-Encoding"), "gzip");
}

LOADS_TEST(TestAnswer, test_large)
{
    assert_pattern(loads_get(user, "/size/5000000"), 5000000);
    assert_pattern(loads_get(user, "/size/5000000/gzip"), 5000000);
    assert_pattern(loads_get(user, "/size/5000000/chunked/999"), 5000000);
}

LOADS_TEST(TestAnswer, test_without_body)
{
    loads_response *res = loads_head(user, "/size/100");
    loads_assert_int_eq(res->status, 200);
    loads_assert_str_eq(res->body, "");
    loads_assert_uint_eq(res->body_size, 0);
    loads_assert_str_eq(loads_header(res, "Content-Length"), "100");
    res = loads_head(user, "/size/100/gzip");
    loads_assert_int_eq(res->status, 200);
    res = loads_get(user, "/status/204");
    loads_assert_int_eq(res->status, 204);
    loads_assert_str_eq(res->body, "");
    res = loads_get(user, "/status/304/gzip");
    loads_assert_int_eq(res->status, 304);
}

LOADS_TEST(TestAnswer, test_headers)
{
    loads_response *res =
        loads_get(user, "/header/X-A:%20one%20/header/x-a:two/header/X-Empty:/status/503");
    loads_assert_int_eq(res->status, 503);
    loads_assert_str_eq(loads_header(res, "X-A"), "one");
    loads_assert_str_eq(loads_header(res, "x-A"), "one");
    loads_assert_str_eq(loads_header(res, "X-Empty"), "");
    loads_assert_null(loads_header(res, "X"));
    loads_assert_null(loads_header(res, ""));
    loads_assert_double_gt(res->elapsed_sec, 0);
    loads_assert_null(res->error);
    /* An answer stays as it is when others come. */
    const char *body = loads_get(user, "/body/first")->body;
    (void)loads_get(user, "/body/second");
    loads_assert_str_eq(body, "first");
}

LOADS_TEST(TestAnswer, test_json)
{
    loads_response *res = loads_get(user, "/json");

    loads_assert_str_eq(loads_json_string(res, "name"), "loads");
    loads_assert_str_eq(loads_json_string(res, "text"), "\xc3\xa9\n");
    loads_assert_int_eq(loads_json_int(res, "numbers[0]"), 1);
    loads_assert_int_eq(loads_json_int(res, "numbers[2]"), -3);
    loads_assert_double_near(loads_json_double(res, "numbers[1]"), 2.5, 0);
    loads_assert_double_near(loads_json_double(res, "numbers[2]"), -3, 0);
    loads_assert_true(loads_json_bool(res, "nested.yes"));
    loads_assert_false(loads_json_bool(res, "nested.no"));
    loads_assert_uint_eq(loads_json_count(res, "nested.list"), 0);
    loads_assert_uint_eq(loads_json_count(res, "numbers"), 3);
    res = loads_get(user, "/body/42");
    loads_assert_int_eq(loads_json_int(res, ""), 42);
}

/* One wrong use in each iteration; each fails for another reason. */
LOADS_TEST(TestAnswer, test_wrong_json)
{
    loads_response *res = loads_get(user, "/json");

    switch (loads_iteration(user)) {
    case 0:
        (void)loads_json_int(res, "name");
        break;
    case 1:
        (void)loads_json_string(res, "numbers");
        break;
    case 2:
        (void)loads_json_int(res, "numbers[1]");
        break;
    case 3:
        (void)loads_json_double(res, "nothing");
        break;
    case 4:
        (void)loads_json_bool(res, "nested");
        break;
    case 5:
        (void)loads_json_count(res, "nested.yes");
        break;
    case 6:
        (void)loads_json_int(res, "nested.maybe");
        break;
    case 7:
        (void)loads_json_int(res, "numbers[3]");
        break;
    case 8:
        (void)loads_json_int(res, "numbers[");
        break;
    default:
        (void)loads_json_int(loads_get(user, "/body/no"), "a");
        break;
    }
    loads_fail("it went on");
}

/* ---- the two requests of a visitor who thinks in between ---- */

LOADS_TEST(TestThink, test_pause)
{
    loads_assert_int_eq(loads_get(user, "/")->status, 200);
    loads_sleep(user, 0.05);
    loads_assert_int_eq(loads_get(user, "/empty")->status, 204);
}

/* Several statuses, for counts by status. */
LOADS_TEST(TestThink, test_statuses)
{
    loads_assert_int_eq(loads_get(user, "/")->status, 200);
    loads_assert_int_eq(loads_get(user, "/empty")->status, 204);
    loads_assert_int_eq(loads_get(user, "/missing")->status, 404);
    loads_assert_int_eq(loads_head(user, "/", .name = "head")->status, 200);
    loads_assert_int_eq(loads_post(user, "/", .body = "x", .name = "post")->status, 405);
}
