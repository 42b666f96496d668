/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "worker/auth.h"

static struct arena_pool *pool;
static struct arena arena;

static int find(const loads_auth *given, const char *user, const char *password, struct auth *ret,
                struct error *error)
{
    const struct url url = {.user = user, .password = password};

    return auth_find(given, &url, &arena, ret, error);
}

static void test_lines(void **state _unused_)
{
    const struct {
        loads_auth given;
        const char *user, *password, *line;
    } cases[] = {
        {{.kind_ = LOADS_AUTH_NONE_}, NULL, NULL, NULL},
        /* RFC 7617's example */
        {LOADS_BASIC("Aladdin", "open sesame"), NULL, NULL,
         "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {LOADS_BASIC("Aladdin", "open sesame"), "of", "the URL",
         "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {LOADS_BASIC("", ""), NULL, NULL, "Authorization: Basic Og=="},
        {{.kind_ = LOADS_AUTH_NONE_},
         "Aladdin",
         "open sesame",
         "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {{.kind_ = LOADS_AUTH_NONE_}, "a", NULL, "Authorization: Basic YTo="},
        {LOADS_BEARER("a-b~c.d/e+f="), NULL, NULL, "Authorization: Bearer a-b~c.d/e+f="},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct auth auth;
        assert_int_equal(find(&cases[i].given, cases[i].user, cases[i].password, &auth, NULL), 0);
        assert_null(auth.user);
        if (cases[i].line) {
            assert_string_equal(auth.line, cases[i].line);
        } else {
            assert_null(auth.line);
        }
    }
}

static void test_digest(void **state _unused_)
{
    const loads_auth given = LOADS_DIGEST("ada", "s:ecret");
    struct auth auth;

    assert_int_equal(find(&given, "other", "one", &auth, NULL), 0);
    assert_null(auth.line);
    assert_string_equal(auth.user, "ada");
    assert_string_equal(auth.password, "s:ecret");
}

static void test_refused(void **state _unused_)
{
    const struct {
        loads_auth given;
        const char *text;
    } cases[] = {
        {LOADS_BASIC("a:b", "hush"), "colon"},
        {LOADS_DIGEST("a:b", "hush"), "colon"},
        {LOADS_BASIC(NULL, "hush"), "NULL"},
        {LOADS_BASIC("a", NULL), "NULL"},
        {LOADS_BEARER(NULL), "NULL"},
        {LOADS_BEARER(""), "empty"},
        {LOADS_BEARER("hush\r\nX: y"), "char"},
        {LOADS_BEARER("hush hush"), "character"},
        {LOADS_BEARER("hush\xC3"), "character"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct auth auth;
        struct error error;
        assert_int_equal(find(&cases[i].given, NULL, NULL, &auth, &error), -EINVAL);
        assert_non_null(strstr(error.text, cases[i].text));
        assert_null(strstr(error.text, "hush"));
    }
}

static int make_pool(void **state _unused_)
{
    if (arena_pool_new(&pool) < 0) {
        return -1;
    }
    arena_init(&arena, pool);
    return 0;
}

static int free_pool(void **state _unused_)
{
    arena_reset(&arena);
    pool = arena_pool_free(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("auth", tests, make_pool, free_pool);
}
