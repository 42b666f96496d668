/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loop/url.h"

static int make_cache(void **state)
{
    return url_cache_new((struct url_cache **)state, 100);
}

static int drop_cache(void **state)
{
    url_cache_free(*state);
    return 0;
}

static const struct url *get(struct url_cache *cache, const struct url *base, const char *text)
{
    struct error error = {0};
    const struct url *url = NULL;
    int r = url_get(cache, base, text, &url, &error);

    if (r < 0) {
        fail_msg("%s: %s", text, error.text);
    }
    return url;
}

/* A number is one however it is written, and stays the same when its URL is read again. */
static void test_number_in_percent_signs(void **state)
{
    const struct url *url = get(*state, NULL, "http://%30/");

    assert_string_equal(url->text, "http://0.0.0.0/");
    assert_true(url->numeric_host);
    url_unref(url);
}

static void test_parts(void **state)
{
    static const struct {
        const char *given, *text, *name, *scheme, *host, *path, *user, *password;
        uint16_t port;
        bool secure, numeric;
    } rows[] = {
        {"http://Example.COM", "http://example.com/", "http://example.com/", "http", "example.com",
         "/", NULL, NULL, 80, false, false},
        {"HTTP://h:80/x?y=1#z", "http://h/x?y=1", "http://h/x", "http", "h", "/x", NULL, NULL, 80,
         false, false},
        {"https://h:8443/x/../y", "https://h:8443/y", "https://h:8443/y", "https", "h", "/y", NULL,
         NULL, 8443, true, false},
        {"http://us%20er:p%40ss@h/", "http://h/", "http://h/", "http", "h", "/", "us er", "p@ss",
         80, false, false},
        {"http://u@h/", "http://h/", "http://h/", "http", "h", "/", "u", NULL, 80, false, false},
        {"http://127.0.0.1:9000/a", "http://127.0.0.1:9000/a", "http://127.0.0.1:9000/a", "http",
         "127.0.0.1", "/a", NULL, NULL, 9000, false, true},
        {"http://[::1]:8/", "http://[::1]:8/", "http://[::1]:8/", "http", "::1", "/", NULL, NULL, 8,
         false, true},
        {"http://h?q=a/b", "http://h/?q=a/b", "http://h/", "http", "h", "/", NULL, NULL, 80, false,
         false},
        {"ws://h:80/ws", "ws://h/ws", "ws://h/ws", "ws", "h", "/ws", NULL, NULL, 80, false, false},
        {"wss://h:444", "wss://h:444/", "wss://h:444/", "wss", "h", "/", NULL, NULL, 444, true,
         false},
        {"http://h/\xc3\xbc", "http://h/%c3%bc", "http://h/%c3%bc", "http", "h", "/%c3%bc", NULL,
         NULL, 80, false, false},
        {"http://h:65535/", "http://h:65535/", "http://h:65535/", "http", "h", "/", NULL, NULL,
         65535, false, false},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_(url_unrefp) const struct url *url = get(*state, NULL, rows[i].given);

        assert_string_equal(url->text, rows[i].text);
        assert_string_equal(url->name, rows[i].name);
        assert_string_equal(url->scheme, rows[i].scheme);
        assert_string_equal(url->host, rows[i].host);
        assert_string_equal(url->path, rows[i].path);
        assert_int_equal(url->port, rows[i].port);
        assert_int_equal(url->secure, rows[i].secure);
        assert_int_equal(url->numeric_host, rows[i].numeric);
        assert_int_equal(!url->user, !rows[i].user);
        assert_int_equal(!url->password, !rows[i].password);
        if (rows[i].user) {
            assert_string_equal(url->user, rows[i].user);
        }
        if (rows[i].password) {
            assert_string_equal(url->password, rows[i].password);
        }
        assert_non_null(url->parsed);
    }
}

/* RFC 3986, 5.4; fragments are not kept. */
static void test_relative(void **state)
{
    static const struct {
        const char *reference, *text;
    } rows[] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://b:7/", "https://b:7/"},
    };
    _cleanup_(url_unrefp) const struct url *base = get(*state, NULL, "http://a/b/c/d;p?q");

    for (int round = 0; round < 2; round++) { /* parsed, then from the cache */
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
            _cleanup_(url_unrefp) const struct url *url = get(*state, base, rows[i].reference);

            assert_string_equal(url->text, rows[i].text);
        }
    }
}

/* The same reference means something else behind another base. */
static void test_relative_keys(void **state)
{
    _cleanup_(url_unrefp) const struct url *one = get(*state, NULL, "http://a/x/");
    _cleanup_(url_unrefp) const struct url *two = get(*state, NULL, "http://u:p@b/y/");
    _cleanup_(url_unrefp) const struct url *first = get(*state, one, "z");
    _cleanup_(url_unrefp) const struct url *second = get(*state, two, "z");
    _cleanup_(url_unrefp) const struct url *other = get(*state, two, "//c/z");

    assert_string_equal(first->text, "http://a/x/z");
    assert_string_equal(second->text, "http://b/y/z");
    assert_null(first->user);
    assert_string_equal(second->user, "u"); /* the authority is the base's */
    assert_null(other->user);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"", "must begin with http"},
        {"h/x", "must begin with http"},
        {"localhost:9200/", "must begin with http"},
        {"//h/", "must begin with http"},
        {"ftp://h/", "scheme is not"},
        {"httpx://h/", "scheme is not"},
        {"http:h", "'//' must follow"},
        {"http:/h/x", "'//' must follow"},
        {"http://", "no host"},
        {"http:///x", "no host"},
        {"http://?x", "no host"},
        {"http://u@/", "No host part"},
        {"http://:80/", "No host part"},
        {"http://h:99999/", "Port number"},
        {"http://h:0/", "port must be"},
        {"http://h:x/", "Port number"},
        {"http://h/a b", "space or a control"},
        {" http://h/", "space or a control"},
        {"http://h/\r\nX: y", "space or a control"},
        {"http://h/\x7f", "space or a control"},
        {"http://h\\x/", "Bad hostname"},
        {"http://[zz]/", "Bad IPv6"},
        {"http://[::1", "Bad IPv6"},
        {"http://\xc3\xbc/", "xn--"},
        {"http://u%0a:p@h/", "bad URL"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct error error = {0};
        const struct url *url = NULL;

        assert_int_equal(url_get(*state, NULL, rows[i].text, &url, &error), -EINVAL);
        assert_null(url);
        if (!strstr(error.text, rows[i].reason)) {
            fail_msg("'%s': %s", rows[i].text, error.text);
        }
        assert_int_equal(url_get(*state, NULL, rows[i].text, &url, NULL), -EINVAL);
    }
}

/* Its text had one '%' more than its host, and libcurl was asked for yet another name. */
static void test_percent_in_a_host(void **state)
{
    static const char *const texts[] = {"http://%m/", "http://a%2541/", "https://h%/x"};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        struct error error = {0};
        const struct url *url = NULL;
        assert_int_equal(url_get(*state, NULL, texts[i], &url, &error), -EINVAL);
        assert_non_null(strstr(error.text, "'%'"));
    }
    const struct url *url = get(*state, NULL, "http://%41/");
    assert_string_equal(url->text, "http://a/");
    url_unref(url);
}

static void test_refused_relative(void **state)
{
    _cleanup_(url_unrefp) const struct url *base = get(*state, NULL, "http://a/b");
    const struct url *url = NULL;

    assert_int_equal(url_get(*state, base, "g:h", &url, NULL), -EINVAL);
    assert_int_equal(url_get(*state, base, "http:g", &url, NULL), -EINVAL);
    assert_int_equal(url_get(*state, base, "/a b", &url, NULL), -EINVAL);
    assert_int_equal(url_get(*state, base, "//h:0/", &url, NULL), -EINVAL);
    assert_int_equal(url_get(*state, base, "x\nhttp://a/b", &url, NULL), -EINVAL);
}

/* Nor where a password has characters that would have to be escaped. */
static void test_no_secret_in_a_message(void **state)
{
    static const char *const texts[] = {
        "http://me:Q7X9@h:0/x",      "http://me:Q7/X9@h/x", "http://me:Q7?X9@h/x",
        "http://me:Q7#X9@h/x",       "//me:Q7X9@h:0/x",     "http://h:0/x?token=Q7X9",
        "/a b?token=Q7X9",           "http://h:0/x#Q7X9",   "ftp://me:Q7X9@h/?Q7X9",
        "http:me:Q7X9@h/",           "me:Q7X9@h/x",         "http:///me:Q7X9@h/",
        "http://me:Q7X9@h/a b?Q7X9", "javascript:a@b?Q7X9", "http://me:Q7X9@@:0/",
    };

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        const struct url *base = get(*state, NULL, "http://base/"), *url = NULL;
        struct error error = {0};
        const struct url *of[] = {NULL, base};
        for (size_t j = 0; j < ELEMENTSOF(of); j++) {
            if (url_get(*state, of[j], texts[i], &url, &error) == 0) {
                assert_non_null(of[j]); /* only without a base they are all wrong */
                url_unref(url);
                continue;
            }
            assert_non_null(strstr(error.text, "bad URL"));
            assert_null(strstr(error.text, "Q7"));
            assert_null(strstr(error.text, "X9"));
        }
        url_unref(base);
    }
}

/* The quoted text is cut. */
static void test_message(void **state)
{
    char text[1000];
    struct error error = {0};
    const struct url *url = NULL;

    assert_int_equal(url_get(*state, NULL, "http://me:secret@h:0/x", &url, &error), -EINVAL);
    assert_null(strstr(error.text, "secret"));
    assert_non_null(strstr(error.text, "http://***@h:0/x"));
    (void)snprintf(text, sizeof text, "http://h:0/%0900d", 0);
    assert_int_equal(url_get(*state, NULL, text, &url, &error), -EINVAL);
    assert_in_range(strlen(error.text), 200, 300);
}

static void test_too_long(void **state)
{
    static char text[URL_MAX_BYTES * 2];
    struct error error = {0};
    const struct url *url = NULL, *relative = NULL;

    memset(text, 'x', sizeof text - 1);
    memcpy(text, "http://h/", 9);
    text[URL_MAX_BYTES] = '\0';
    url = get(*state, NULL, text);
    assert_int_equal(strlen(url->text), URL_MAX_BYTES);
    /* As a base, with the longest references there may be. */
    assert_int_equal(url_get(*state, url, text + 9, &relative, &error), 0);
    assert_string_equal(relative->text, text);
    url_unref(relative);
    memset(text, 'x', sizeof text - 1);
    text[URL_MAX_BYTES] = '\0';
    assert_int_equal(url_get(*state, url, text, &relative, &error), -EINVAL);
    url = url_unref(url);
    memcpy(text, "http://h/", 9);
    text[URL_MAX_BYTES] = 'x';
    assert_int_equal(url_get(*state, NULL, text, &url, &error), -EINVAL);
    assert_non_null(strstr(error.text, "8192"));
    /* What grows too long by encoding. */
    memset(text + 9, 0xc3, URL_MAX_BYTES - 9);
    text[URL_MAX_BYTES] = '\0';
    assert_int_equal(url_get(*state, NULL, text, &url, &error), -EINVAL);
    assert_non_null(strstr(error.text, "8192"));
}

static void test_cache(void **state _unused_)
{
    struct url_cache *cache = NULL;
    const struct url *kept, *again;

    assert_int_equal(url_cache_new(&cache, 2), 0);
    kept = get(cache, NULL, "http://h/1");
    again = get(cache, NULL, "http://h/1");
    assert_ptr_equal(kept, again);
    url_unref(again);
    url_unref(get(cache, NULL, "http://h/2"));
    again = get(cache, NULL, "http://h/1"); /* now 2 is the oldest */
    assert_ptr_equal(kept, again);
    url_unref(again);
    url_unref(get(cache, NULL, "http://h/3"));
    again = get(cache, NULL, "http://h/1");
    assert_ptr_equal(kept, again);
    url_unref(again);
    url_unref(get(cache, NULL, "http://h/2"));
    url_unref(get(cache, NULL, "http://h/3"));
    again = get(cache, NULL, "http://h/1"); /* had to go */
    assert_ptr_not_equal(kept, again);
    assert_string_equal(kept->text, again->text);
    url_cache_free(cache);
    assert_string_equal(kept->path, "/1"); /* outlives the cache */
    url_unref(url_ref(kept));
    url_unref(kept);
    url_unref(again);
    assert_null(url_unref(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_number_in_percent_signs, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_parts, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_relative, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_relative_keys, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_refused, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_percent_in_a_host, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_refused_relative, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_no_secret_in_a_message, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_message, make_cache, drop_cache),
        cmocka_unit_test_setup_teardown(test_too_long, make_cache, drop_cache),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
