/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "wire/fqn.h"

static void test_names(void **state _unused_)
{
    struct fqn fqn;

    assert_int_equal(fqn_parse("example.TestWebSite.test_es", &fqn, NULL), 0);
    assert_string_equal(fqn.text, "example.TestWebSite.test_es");
    assert_string_equal(fqn.module, "example");
    assert_string_equal(fqn.suite, "TestWebSite");
    assert_string_equal(fqn.test, "test_es");
    assert_int_equal(fqn_parse("path.to.my-load_1.S.t", &fqn, NULL), 0);
    assert_string_equal(fqn.module, "path/to/my-load_1");
    assert_string_equal(fqn.suite, "S");
    assert_string_equal(fqn.test, "t");
}

static void test_bad_names(void **state _unused_)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "'' has too few parts"},
        {"example", "'example' has too few parts: expected are a module, a suite and a test"},
        {"example.test_es", "'example.test_es' has too few parts"},
        {"example.c", "'example.c' is a file's name: expected are a module, a suite and a test, as "
                      "in example.Suite.test; 'loads-runner --list example' says what there is"},
        {"example.py", "'example.py' is a file's name"},
        {"example.so", "'example.so' is a file's name"},
        {".so", "'.so' has too few parts"},
        {"example.A.", "'example.A.': '' is not the name of a test"},
        {"example..t", "'example..t': '' is not the name of a suite"},
        {".A.t", "'.A.t' has an empty part"},
        {"a..b.A.t", "'a..b.A.t' has an empty part"},
        {"..A.t", "'..A.t' has an empty part"},
        {"a.-b.A.t", "begins with '-'"},
        {"-b.A.t", "begins with '-'"},
        {"m.1A.t", "'1A' is not the name of a suite"},
        {"m.A.t-t", "'t-t' is not the name of a test"},
        {"../x.A.t", "has a '/' in it; expected is path.to.module.Suite.test; parts of the path"},
        {"m.A.t()", "has a '(' in it"},
        {"m.A.t\n", "has the byte 0x0a in it"},
        {"m.A.t\xC3\xA9", "has the byte 0xc3 in it"},
        {"ftp://a.b.c/", "is not a URL that can be tested: expected is http://HOST/ or https"},
        {"ftp://me:hush@h/?hush", "'ftp://***@h/?***' is not a URL"},
        {"me:hush@h/?hush", "'***@h/?***' has a ':' in it"},
        {"http:///x", "is not a URL that can be tested: expected is http://HOST/"},
        {"localhost:80/", "has a ':' in it; expected is path.to.module.Suite.test (or a URL with"},
    };
    struct fqn fqn = {.text = "untouched"};
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(fqn_parse(cases[i].text, &fqn, &error), -EINVAL);
        assert_non_null(strstr(error.text, cases[i].error));
        assert_string_equal(fqn.text, "untouched");
    }
}

static void test_length(void **state _unused_)
{
    char text[FQN_MAX_BYTES + 2];
    struct fqn fqn;
    struct error error;

    memset(text, 'm', sizeof text);
    strcpy(text + FQN_MAX_BYTES - 4, ".A.t");
    assert_int_equal(fqn_parse(text, &fqn, NULL), 0);
    assert_int_equal(strlen(fqn.module), FQN_MAX_BYTES - 4);
    strcpy(text + FQN_MAX_BYTES - 4, ".A.tt");
    assert_int_equal(fqn_parse(text, &fqn, &error), -EINVAL);
    assert_non_null(strstr(error.text, "too long for a name: 251 bytes, of 250 at most"));
}

static void test_modules(void **state _unused_)
{
    char module[FQN_MAX_BYTES + 1] = "untouched";
    struct error error;

    assert_int_equal(fqn_parse_module("path.to.m", module, NULL), 0);
    assert_string_equal(module, "path/to/m");
    assert_int_equal(fqn_parse_module("m", module, NULL), 0);
    assert_string_equal(module, "m");
    assert_int_equal(fqn_parse_module("", module, &error), -EINVAL);
    assert_int_equal(fqn_parse_module("a..b", module, &error), -EINVAL);
    assert_int_equal(fqn_parse_module("a.", module, &error), -EINVAL);
    assert_int_equal(fqn_parse_module("path/to/m", module, &error), -EINVAL);
    assert_string_equal(error.text, "'path/to/m' has a '/' in it; expected is path.to.module; "
                                    "parts of the path are joined by '.'");
    assert_string_equal(module, "m");
}

static void test_urls(void **state _unused_)
{
    assert_true(fqn_is_url("http://localhost:8000/"));
    assert_true(fqn_is_url("HTTPS://h"));
    assert_false(fqn_is_url("http://"));
    assert_false(fqn_is_url("http:///path"));
    assert_false(fqn_is_url("ws://h"));
    assert_false(fqn_is_url("httpx.Suite.test"));
    assert_false(fqn_is_url(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_length), cmocka_unit_test(test_modules),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
