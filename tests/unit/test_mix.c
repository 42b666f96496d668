/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/mix.h"

static void test_several(void **state _unused_)
{
    struct mix mix;

    assert_int_equal(mix_parse(" path.to.shop.Cart.browse:8\n\tpath.to.shop.Cart.buy ", &mix, NULL),
                     0);
    assert_string_equal(mix.text, "path.to.shop.Cart.browse:8 path.to.shop.Cart.buy");
    assert_int_equal(mix.n, 2);
    assert_string_equal(mix.tests[0].fqn.text, "path.to.shop.Cart.browse");
    assert_string_equal(mix.tests[0].fqn.suite, "Cart");
    assert_string_equal(mix.tests[0].fqn.test, "browse");
    assert_int_equal(mix.tests[0].weight, 8);
    assert_string_equal(mix.tests[1].fqn.test, "buy");
    assert_int_equal(mix.tests[1].weight, 1);
    assert_true(mix.weight == 9);
    assert_int_equal(mix.n_modules, 1);
    assert_string_equal(mix_module(&mix, 0), "path/to/shop");
    assert_string_equal(mix_name(&mix, 1), "Cart.buy");
}

static void test_several_modules(void **state _unused_)
{
    static const unsigned modules[] = {0, 1, 0, 2, 1};
    static const char *const names[] = {"a.S.t", "c.d.S.t", "S.u", "S.v", "T.t"};
    struct mix mix;

    assert_int_equal(mix_parse("a.S.t c.d.S.t a.S.u b.S.v:5 c.d.T.t", &mix, NULL), 0);
    assert_int_equal(mix.n, ELEMENTSOF(modules));
    for (unsigned i = 0; i < mix.n; i++) {
        assert_int_equal(mix.tests[i].module, modules[i]);
        assert_string_equal(mix_name(&mix, i), names[i]);
    }
    assert_int_equal(mix.n_modules, 3);
    assert_string_equal(mix_module(&mix, 0), "a");
    assert_string_equal(mix_module(&mix, 1), "c/d");
    assert_string_equal(mix_module(&mix, 2), "b");
}

/* One is but its name. */
static void test_one(void **state _unused_)
{
    struct mix mix;

    assert_int_equal(mix_parse("a.S.t", &mix, NULL), 0);
    assert_string_equal(mix.text, "a.S.t");
    assert_int_equal(mix_parse("a.S.t:1000000", &mix, NULL), 0);
    assert_string_equal(mix.text, "a.S.t");
    assert_int_equal(mix.tests[0].weight, 1000000);
    assert_int_equal(mix.n, 1);
}

static void test_wrong(void **state _unused_)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "'' has too few parts"},
        {" \n", "'' has too few parts"},
        {"a.S.t:0", "'a.S.t:0': the weight behind ':' is a whole number from 1 to 1000000"},
        {"a.S.t:1000001", "is a whole number from 1 to 1000000"},
        {"a.S.t:-1", "is a whole number from 1 to 1000000"},
        {"a.S.t:two", "is a whole number from 1 to 1000000"},
        {"a.S.t:1:2", "has a ':' in it"},
        {"a.S.t:", "has a ':' in it"},
        {"a.S.t:8080/x", "has a ':' in it"},
        {"localhost:9000", "'localhost:9000' has a ':' in it"},
        {"a.S.t:2 a.S.u a.S.t:3", "'a.S.t' is there twice"},
        {"a.S.t nothing", "'nothing' has too few parts"},
        {"a.S.t http://u:secret@host/", "is not a URL that can be tested"},
    };
    struct mix mix;
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(mix_parse(cases[i].text, &mix, &error), -EINVAL);
        if (!strstr(error.text, cases[i].error)) {
            fail_msg("'%s': %s", cases[i].text, error.text);
        }
        assert_null(strstr(error.text, "secret"));
    }
}

static void test_limits(void **state _unused_)
{
    char text[MIX_MAX_BYTES + 2] = "";
    struct mix mix;
    struct error error;

    for (unsigned i = 0; i < MIX_MAX_TESTS; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "a.S.t%u:%u ", i, i + 1);
    }
    assert_int_equal(mix_parse(text, &mix, NULL), 0);
    assert_int_equal(mix.n, MIX_MAX_TESTS);
    assert_int_equal(mix.tests[MIX_MAX_TESTS - 1].weight, MIX_MAX_TESTS);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "a.S.more");
    assert_int_equal(mix_parse(text, &mix, &error), -EINVAL);
    assert_string_equal(error.text, "more than 20 tests in one run");
    memset(text, 'a', MIX_MAX_BYTES + 1);
    text[MIX_MAX_BYTES + 1] = '\0';
    assert_int_equal(mix_parse(text, &mix, &error), -EINVAL);
    assert_non_null(strstr(error.text, "4097 bytes, of 4096 at most"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several), cmocka_unit_test(test_several_modules),
        cmocka_unit_test(test_one),     cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
