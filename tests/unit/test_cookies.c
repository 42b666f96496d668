/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "worker/cookies.h"

#define NOW (UINT64_C(1750000000) * USEC_PER_SEC) /* June 2025 */

/* Takes a URL apart as far as a jar wants it. */
static const char *split(const char *url, bool *secure, char host[64])
{
    *secure = strncmp(url, "https://", 8) == 0;
    const char *begin = url + (*secure ? 8 : 7);
    const char *path = strchr(begin, '/');
    assert_non_null(path);
    (void)snprintf(host, 64, "%.*s", (int)(path - begin), begin);
    return path;
}

static int set_at(struct cookie_jar *jar, const char *url, const char *cookie, uint64_t now)
{
    char host[64];
    bool secure;
    const char *path = split(url, &secure, host);

    return cookie_jar_set(jar, host, path, secure, cookie, strlen(cookie), now);
}

static int set(struct cookie_jar *jar, const char *url, const char *cookie)
{
    return set_at(jar, url, cookie, NOW);
}

static void check_at(struct cookie_jar *jar, const char *url, const char *want, uint64_t now)
{
    char host[64], buffer[512];
    bool secure;
    const char *path = split(url, &secure, host);

    ssize_t length = cookie_jar_header(jar, host, path, secure, now, buffer, sizeof buffer);
    assert_string_equal(buffer, want);
    assert_int_equal(length, strlen(want));
}

static void check(struct cookie_jar *jar, const char *url, const char *want)
{
    check_at(jar, url, want, NOW);
}

/* One cookie set at one place, one request: what it sends. */
struct one {
    const char *from, *cookie, *to, *want;
    int result;
};

static void check_all(const struct one *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};
        int r = set(&jar, cases[i].from, cases[i].cookie);
        if (r != cases[i].result) {
            print_error("%s: %s\n", cases[i].from, cases[i].cookie);
        }
        assert_int_equal(r, cases[i].result);
        check(&jar, cases[i].to, cases[i].want);
    }
}

#define CHECK_ALL(cases) check_all(cases, ELEMENTSOF(cases))

static void test_syntax(void **state _unused_)
{
    static const struct one cases[] = {
        {"http://a.test/", "a=b", "http://a.test/", "a=b", 0},
        {"http://a.test/", "  a \t=  b c\t ", "http://a.test/", "a=b c", 0},
        {"http://a.test/", "a=", "http://a.test/", "a=", 0},
        {"http://a.test/", "a=b=c", "http://a.test/", "a=b=c", 0},
        {"http://a.test/", "a=\"b\"", "http://a.test/", "a=\"b\"", 0},
        {"http://a.test/", "a=b;", "http://a.test/", "a=b", 0},
        {"http://a.test/", "a=b;;; ;=x;nonsense=1;SameSite=Strict", "http://a.test/", "a=b", 0},
        {"http://a.test/", "a=\xc3\xa4", "http://a.test/", "a=\xc3\xa4", 0},
        {"http://a.test/", "", "http://a.test/", "", -EINVAL},
        {"http://a.test/", "a", "http://a.test/", "", -EINVAL},
        {"http://a.test/", "a;b=c", "http://a.test/", "", -EINVAL},
        {"http://a.test/", "=b", "http://a.test/", "", -EINVAL},
        {"http://a.test/", "  =b", "http://a.test/", "", -EINVAL},
        {"http://a.test/", "a=b\x01", "http://a.test/", "", -EINVAL},
        {"http://a.test/", "a=b; Path=/\r\nX: y", "http://a.test/", "", -EINVAL},
        {"http://a.test/", "a=b\x7f", "http://a.test/", "", -EINVAL},
    };
    struct cookie_jar jar = {0};

    CHECK_ALL(cases);
    assert_int_equal(cookie_jar_set(&jar, "a.test", "/", false, "a=b\0c", 5, NOW), -EINVAL);
    assert_int_equal(cookie_jar_count(&jar), 0);
}

static void test_domains(void **state _unused_)
{
    static const struct one cases[] = {
        {"http://www.site.com/", "a=b", "http://www.site.com/", "a=b", 0},
        {"http://www.site.com/", "a=b", "http://site.com/", "", 0},
        {"http://www.site.com/", "a=b", "http://x.www.site.com/", "", 0},
        {"http://www.site.com/", "a=b; Domain=site.com", "http://site.com/", "a=b", 0},
        {"http://www.site.com/", "a=b; DOMAIN = .Site.COM ", "http://x.y.site.com/", "a=b", 0},
        {"http://www.site.com/", "a=b; Domain=site.com", "http://othersite.com/", "", 0},
        {"http://www.site.com/", "a=b; Domain=", "http://www.site.com/", "a=b", 0},
        {"http://www.site.com/", "a=b; Domain=", "http://x.www.site.com/", "", 0},
        {"http://www.site.com/", "a=b; Domain=x.com; Domain=site.com", "http://site.com/", "a=b",
         0},
        {"http://site.com/", "a=b; Domain=www.site.com", "http://www.site.com/", "", -EPERM},
        {"http://www.site.com/", "a=b; Domain=ite.com", "http://ite.com/", "", -EPERM},
        {"http://www.site.com/", "a=b; Domain=other.com", "http://other.com/", "", -EPERM},
        {"http://www.site.com/", "a=b; Domain=site.com.", "http://site.com/", "", -EPERM},
        /* public suffixes, ICANN's and private ones */
        {"http://www.site.com/", "a=b; Domain=com", "http://x.com/", "", -EPERM},
        {"http://www.site.co.uk/", "a=b; Domain=.co.uk", "http://x.co.uk/", "", -EPERM},
        {"http://www.site.co.uk/", "a=b; Domain=site.co.uk", "http://site.co.uk/", "a=b", 0},
        {"http://me.github.io/", "a=b; Domain=github.io", "http://you.github.io/", "", -EPERM},
        {"http://github.io/", "a=b; Domain=github.io", "http://github.io/", "a=b", 0},
        {"http://github.io/", "a=b; Domain=github.io", "http://me.github.io/", "", 0},
        {"http://localhost/", "a=b; Domain=localhost", "http://localhost/", "a=b", 0},
        {"http://localhost/", "a=b; Domain=localhost", "http://x.localhost/", "", 0},
        {"http://intranet/", "a=b", "http://intranet/", "a=b", 0},
        /* addresses */
        {"http://127.0.0.1/", "a=b", "http://127.0.0.1/", "a=b", 0},
        {"http://127.0.0.1/", "a=b; Domain=127.0.0.1", "http://127.0.0.1/", "a=b", 0},
        {"http://127.0.0.1/", "a=b; Domain=0.0.1", "http://127.0.0.1/", "", -EPERM},
        {"http://x.0.0.1/", "a=b; Domain=0.0.1", "http://127.0.0.1/", "", 0},
        {"http://::1/", "a=b; Domain=::1", "http://::1/", "a=b", 0},
    };

    CHECK_ALL(cases);
}

static void test_paths(void **state _unused_)
{
    static const struct one cases[] = {
        {"http://a.test/x/y", "a=b", "http://a.test/x", "a=b", 0},
        {"http://a.test/x/y", "a=b", "http://a.test/x/", "a=b", 0},
        {"http://a.test/x/y", "a=b", "http://a.test/x/z/w", "a=b", 0},
        {"http://a.test/x/y", "a=b", "http://a.test/xy", "", 0},
        {"http://a.test/x/y", "a=b", "http://a.test/", "", 0},
        {"http://a.test/x", "a=b", "http://a.test/anything", "a=b", 0},
        {"http://a.test/x?q=/y/z", "a=b", "http://a.test/", "a=b", 0},
        {"http://a.test/", "a=b; Path=/x", "http://a.test/x?y", "a=b", 0},
        {"http://a.test/", "a=b; Path=/x", "http://a.test/x/y", "a=b", 0},
        {"http://a.test/", "a=b; Path=/x", "http://a.test/xy", "", 0},
        {"http://a.test/", "a=b; Path=/x/", "http://a.test/x/y", "a=b", 0},
        {"http://a.test/", "a=b; Path=/x/", "http://a.test/x", "", 0},
        {"http://a.test/", "a=b; Path=/X", "http://a.test/x", "", 0},
        {"http://a.test/x/y", "a=b; Path=", "http://a.test/x", "a=b", 0},
        {"http://a.test/x/y", "a=b; Path=z", "http://a.test/x", "a=b", 0},
        {"http://a.test/x/y", "a=b; Path=/q; Path=/", "http://a.test/", "a=b", 0},
        {"http://a.test/x/y", "a=b; Path=/q; Path", "http://a.test/x", "a=b", 0},
    };

    CHECK_ALL(cases);
}

static void test_secure(void **state _unused_)
{
    static const struct one cases[] = {
        {"https://a.test/", "a=b; secure", "https://a.test/", "a=b", 0},
        {"https://a.test/", "a=b; Secure=no", "http://a.test/", "", 0},
        {"http://a.test/", "a=b; Secure", "https://a.test/", "", -EPERM},
        {"http://a.test/", "a=b; HttpOnly", "https://a.test/", "a=b", 0},
        {"http://localhost/", "a=b; Secure", "http://localhost/", "a=b", 0},
        {"http://x.localhost/", "a=b; Secure", "http://x.localhost/", "a=b", 0},
        {"http://127.1.2.3/", "a=b; Secure", "http://127.1.2.3/", "a=b", 0},
        {"http://::1/", "a=b; Secure", "http://::1/", "a=b", 0},
        {"http://128.0.0.1/", "a=b; Secure", "http://128.0.0.1/", "", -EPERM},
        {"http://xlocalhost/", "a=b; Secure", "http://xlocalhost/", "", -EPERM},
        {"http://.localhost/", "a=b; Secure", "http://.localhost/", "", -EPERM},
    };

    CHECK_ALL(cases);
}

static void test_prefixes(void **state _unused_)
{
    static const struct one cases[] = {
        {"https://a.test/", "__Secure-a=b; Secure", "https://a.test/", "__Secure-a=b", 0},
        {"https://a.test/", "__secure-a=b", "https://a.test/", "", -EPERM},
        {"http://a.test/", "__Secure-a=b; Secure", "https://a.test/", "", -EPERM},
        {"https://a.test/x/y", "__Host-a=b; Secure; Path=/", "https://a.test/", "__Host-a=b", 0},
        {"https://a.test/", "__Host-a=b; Secure", "https://a.test/", "", -EPERM},
        {"https://a.test/", "__Host-a=b; Path=/", "https://a.test/", "", -EPERM},
        {"https://a.test/", "__HOST-a=b; Secure; Path=/x", "https://a.test/x", "", -EPERM},
        {"https://a.b.com/", "__Host-a=b; Secure; Path=/; Domain=b.com", "https://b.com/", "",
         -EPERM},
        {"http://127.0.0.1/", "__Host-a=b; Secure; Path=/", "http://127.0.0.1/", "__Host-a=b", 0},
    };

    CHECK_ALL(cases);
}

/* What came by http can't replace or hide what came by https. */
static void test_secure_stays(void **state _unused_)
{
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};

    assert_int_equal(set(&jar, "https://www.site.com/", "a=safe; Secure; Path=/x"), 0);
    assert_int_equal(set(&jar, "http://www.site.com/", "a=bad; Path=/x"), -EPERM);
    assert_int_equal(set(&jar, "http://www.site.com/", "a=bad; Path=/x/y"), -EPERM);
    assert_int_equal(set(&jar, "http://www.site.com/", "a=; Path=/x; Max-Age=0"), -EPERM);
    assert_int_equal(set(&jar, "http://x.site.com/", "a=bad; Path=/x; Domain=site.com"), -EPERM);
    check(&jar, "https://www.site.com/x", "a=safe");
    assert_int_equal(set(&jar, "http://www.site.com/", "a=other; Path=/"), 0);
    assert_int_equal(set(&jar, "https://www.site.com/", "a=newer; Path=/x"), 0);
    check(&jar, "https://www.site.com/x", "a=newer; a=other");
}

static void test_expiry(void **state _unused_)
{
    static const struct {
        const char *attributes;
        int64_t seconds; /* that it lives; -1: for good */
    } cases[] = {
        {"", -1},
        {"; Max-Age=10", 10},
        {"; max-age = 10 ", 10},
        {"; Max-Age=10; Max-Age=20", 20},
        {"; Max-Age=0", 0},
        {"; Max-Age=-1", 0},
        {"; Max-Age=-99999999999999999999999", 0},
        {"; Max-Age=99999999999999999999999", 100 * INT64_C(366) * 86400},
        {"; Max-Age=+10", -1},
        {"; Max-Age=1x", -1},
        {"; Max-Age=", -1},
        {"; Max-Age=-", -1},
        {"; Expires=Sun, 15 Jun 2025 15:06:41 GMT", 1},
        {"; Expires=Sun, 15-Jun-25 15:06:41 GMT; Max-Age=10", 10},
        {"; Max-Age=10; Expires=Sun, 15 Jun 2025 15:06:41 GMT", 10},
        {"; Expires=Sun, 15 Jun 2025 15:06:40 GMT", 0},
        {"; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"; Expires=Mon, 01 Jan 1601 00:00:00 GMT", 0},
        {"; Expires=tomorrow", -1},
        {"; Expires=tomorrow; Max-Age=10", 10},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};
        char cookie[128];
        (void)snprintf(cookie, sizeof cookie, "a=b%s", cases[i].attributes);
        assert_int_equal(set(&jar, "http://a.test/", cookie), 0);
        assert_int_equal(cookie_jar_count(&jar), cases[i].seconds != 0);
        if (cases[i].seconds > 0) {
            uint64_t end = NOW + (uint64_t)cases[i].seconds * USEC_PER_SEC;
            check_at(&jar, "http://a.test/", "a=b", end - 1);
            check_at(&jar, "http://a.test/", "", end);
            assert_int_equal(cookie_jar_count(&jar), 0);
            assert_null(jar.store);
        } else if (cases[i].seconds < 0) {
            check_at(&jar, "http://a.test/", "a=b", UINT64_MAX - 1);
        }
    }
}

/* Name, domain and path are the identity; the place in the order is that of the first. */
static void test_replace(void **state _unused_)
{
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};

    assert_int_equal(set(&jar, "http://www.site.com/", "a=1; Path=/"), 0);
    assert_int_equal(set(&jar, "http://www.site.com/", "b=2; Path=/"), 0);
    assert_int_equal(set(&jar, "http://www.site.com/", "a=3; Path=/; HttpOnly"), 0);
    check(&jar, "http://www.site.com/", "a=3; b=2");
    assert_int_equal(set(&jar, "http://www.site.com/", "a=4; Path=/; Domain=www.site.com"), 0);
    assert_int_equal(set(&jar, "http://www.site.com/", "a=5; Path=/x"), 0);
    assert_int_equal(set(&jar, "http://www.site.com/", "A=6; Path=/"), 0);
    check(&jar, "http://www.site.com/", "a=3; b=2; a=4; A=6");
    assert_int_equal(set(&jar, "http://www.site.com/", "a=; Path=/; Max-Age=0"), 0);
    check(&jar, "http://www.site.com/", "b=2; a=4; A=6");
    assert_int_equal(set(&jar, "http://www.site.com/", "z=; Max-Age=0"), 0);
    assert_int_equal(cookie_jar_count(&jar), 4);
    cookie_jar_clear(&jar);
    check(&jar, "http://www.site.com/", "");
    assert_null(jar.store);
}

static void test_order(void **state _unused_)
{
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};

    assert_int_equal(set(&jar, "http://a.test/", "one=1; Path=/"), 0);
    assert_int_equal(set(&jar, "http://a.test/", "two=2; Path=/x"), 0);
    assert_int_equal(set(&jar, "http://a.test/", "three=3; Path=/x/yy"), 0);
    assert_int_equal(set(&jar, "http://a.test/", "four=4; Path=/"), 0);
    assert_int_equal(set(&jar, "http://a.test/", "five=5; Path=/x"), 0);
    check(&jar, "http://a.test/x/yy/z", "three=3; two=2; five=5; one=1; four=4");
}

static void test_view(void **state _unused_)
{
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};
    struct cookie_view view;

    assert_int_equal(
        set(&jar, "https://www.site.com/x/y", "n=v; Domain=site.com; Max-Age=7; Secure; HttpOnly"),
        0);
    assert_int_equal(set(&jar, "http://www.site.com/x/y", "m="), 0);
    assert_int_equal(cookie_jar_count(&jar), 2);
    cookie_jar_get(&jar, 0, &view);
    assert_string_equal(view.name, "n");
    assert_string_equal(view.value, "v");
    assert_string_equal(view.domain, "site.com");
    assert_string_equal(view.path, "/x");
    assert_true(view.expires_usec == NOW + 7 * USEC_PER_SEC);
    assert_true(view.secure && view.http_only && !view.host_only);
    cookie_jar_get(&jar, 1, &view);
    assert_string_equal(view.value, "");
    assert_string_equal(view.domain, "www.site.com");
    assert_true(view.expires_usec == COOKIE_NEVER_EXPIRES);
    assert_true(!view.secure && !view.http_only && view.host_only);
}

static void test_buffer(void **state _unused_)
{
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};
    char buffer[16];

    assert_int_equal(cookie_jar_header(&jar, "a.test", "/", false, NOW, buffer, 0), -ENOBUFS);
    assert_int_equal(cookie_jar_header(&jar, "a.test", "/", false, NOW, buffer, 1), 0);
    assert_string_equal(buffer, "");
    assert_int_equal(set(&jar, "http://a.test/", "ab=cd"), 0);
    assert_int_equal(set(&jar, "http://a.test/", "e=f"), 0);
    for (size_t size = 1; size < 11; size++) {
        assert_int_equal(cookie_jar_header(&jar, "a.test", "/", false, NOW, buffer, size),
                         -ENOBUFS);
    }
    assert_int_equal(cookie_jar_header(&jar, "a.test", "/", false, NOW, buffer, 11), 10);
    assert_string_equal(buffer, "ab=cd; e=f");
}

static void test_sizes(void **state _unused_)
{
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};
    static char cookie[COOKIE_MAX_BYTES + COOKIE_MAX_ATTRIBUTE + 100];
    struct cookie_view view;

    memset(cookie, 'x', sizeof cookie);
    cookie[1] = '=';
    assert_int_equal(cookie_jar_set(&jar, "a.test", "/", false, cookie, COOKIE_MAX_BYTES + 2, NOW),
                     -EINVAL);
    assert_int_equal(cookie_jar_set(&jar, "a.test", "/", false, cookie, COOKIE_MAX_BYTES + 1, NOW),
                     0);

    /* An attribute that is too long doesn't count; one that just fits does. */
    memcpy(cookie, "a=b;Path=/", 10);
    size_t value = 9;
    assert_int_equal(
        cookie_jar_set(&jar, "a.test", "/", false, cookie, value + COOKIE_MAX_ATTRIBUTE + 1, NOW),
        0);
    cookie_jar_get(&jar, 1, &view);
    assert_string_equal(view.path, "/");
    assert_int_equal(
        cookie_jar_set(&jar, "a.test", "/", false, cookie, value + COOKIE_MAX_ATTRIBUTE, NOW), 0);
    cookie_jar_get(&jar, 2, &view);
    assert_int_equal(strlen(view.path), COOKIE_MAX_ATTRIBUTE);
    memcpy(cookie, "a=b;Domain=", 11);
    assert_int_equal(
        cookie_jar_set(&jar, "a.test", "/", false, cookie, 11 + COOKIE_MAX_ATTRIBUTE, NOW), -EPERM);
}

static void set_numbered(struct cookie_jar *jar, const char *host, unsigned number)
{
    char cookie[32];
    int size = snprintf(cookie, sizeof cookie, "c%u=%u", number, number);

    assert_int_equal(cookie_jar_set(jar, host, "/", false, cookie, (size_t)size, NOW), 0);
}

/* Too many of one domain, too many in all: the oldest go. */
static void test_limits(void **state _unused_)
{
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};
    struct cookie_view view;
    char host[32];

    set_numbered(&jar, "first.test", 1);
    for (unsigned i = 0; i < COOKIE_MAX_PER_DOMAIN + 10; i++) {
        set_numbered(&jar, "a.test", i);
    }
    assert_int_equal(cookie_jar_count(&jar), COOKIE_MAX_PER_DOMAIN + 1);
    cookie_jar_get(&jar, 0, &view);
    assert_string_equal(view.domain, "first.test");
    cookie_jar_get(&jar, 1, &view);
    assert_string_equal(view.name, "c10");

    for (unsigned i = 0; i < COOKIE_MAX; i++) {
        (void)snprintf(host, sizeof host, "h%u.test", i);
        set_numbered(&jar, host, i);
    }
    assert_int_equal(cookie_jar_count(&jar), COOKIE_MAX);
    cookie_jar_get(&jar, 0, &view);
    assert_string_equal(view.domain, "h0.test");
    cookie_jar_get(&jar, COOKIE_MAX - 1, &view);
    assert_string_equal(view.domain, "h299.test");
}

/* The expired go before anything that is alive has to. */
static void test_expired_make_room(void **state _unused_)
{
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};

    assert_int_equal(set(&jar, "http://a.test/", "old=1"), 0);
    assert_int_equal(set(&jar, "http://a.test/", "brief=1; Max-Age=1"), 0);
    for (unsigned i = 2; i < COOKIE_MAX_PER_DOMAIN; i++) {
        set_numbered(&jar, "a.test", i);
    }
    assert_int_equal(set_at(&jar, "http://a.test/", "new=1", NOW + 2 * USEC_PER_SEC), 0);
    struct cookie_view view;
    cookie_jar_get(&jar, 0, &view);
    assert_string_equal(view.name, "old");
    assert_int_equal(cookie_jar_count(&jar), COOKIE_MAX_PER_DOMAIN);
}

/* Whatever comes, the jar stays whole. */
static void test_noise(void **state _unused_)
{
    static const char alphabet[] = "ab=; ,.\"/\tDomain=Path=Max-Age=Expires=;;==";
    _cleanup_(cookie_jar_clear) struct cookie_jar jar = {0};
    char noise[48], buffer[8192];
    unsigned seed = 7;

    for (unsigned i = 0; i < 20000; i++) {
        size_t size = i % sizeof noise;
        for (size_t k = 0; k < size; k++) {
            seed = seed * 1103515245 + 12345;
            noise[k] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        int r = cookie_jar_set(&jar, "x.a.test", "/p", false, noise, size, NOW);
        assert_true(r == 0 || r == -EINVAL || r == -EPERM);
    }
    assert_true(cookie_jar_count(&jar) <= COOKIE_MAX);
    assert_true(cookie_jar_header(&jar, "x.a.test", "/p", false, NOW, buffer, sizeof buffer) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),   cmocka_unit_test(test_domains),
        cmocka_unit_test(test_paths),    cmocka_unit_test(test_secure),
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_secure_stays),
        cmocka_unit_test(test_expiry),   cmocka_unit_test(test_replace),
        cmocka_unit_test(test_order),    cmocka_unit_test(test_view),
        cmocka_unit_test(test_buffer),   cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_expired_make_room),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
