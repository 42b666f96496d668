/* SPDX-License-Identifier: MPL-2.0 */
/* Names of observers, which are never paths, and their options as texts. */
#include "wire/observer.h"

#include <errno.h>
#include <string.h>

#include "test.h"

static void test_names(void **state _unused_)
{
    static const char *const good[] = {
        "email", "irc", "my-observer", "my_observer2", "a.b", "package.module.tell", "_x"};
    static const char *const bad[] = {"",     ".",   "..",      ".email",      "email.",
                                      "a..b", "a/b", "/bin/sh", "../x",        "-x",
                                      "a.-b", "a b", "a\nb",    "caf\xc3\xa9", "a=b"};
    struct error error;
    char longest[OBSERVER_MAX_NAME_BYTES + 2];

    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        assert_int_equal(observer_check_name(good[i], &error), 0);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        assert_int_equal(observer_check_name(bad[i], &error), -EINVAL);
        assert_non_null(strstr(error.text, "is no name of an observer"));
    }
    memset(longest, 'x', sizeof longest);
    longest[OBSERVER_MAX_NAME_BYTES] = '\0';
    assert_int_equal(observer_check_name(longest, &error), 0);
    longest[OBSERVER_MAX_NAME_BYTES] = 'x';
    longest[OBSERVER_MAX_NAME_BYTES + 1] = '\0';
    assert_int_equal(observer_check_name(longest, &error), -EINVAL);
    assert_false(observer_is_callable("email"));
    assert_true(observer_is_callable("a.b"));
}

static void test_options(void **state _unused_)
{
    static const char *const bad[] = {
        "",         "email",    "email=x",     "email.=x",      ".to=x",
        "email.to", "e/m.to=x", "email.t o=x", "email.to=a\nb", "email.to=\x80"};
    char key[OBSERVER_MAX_KEY_BYTES + 1];
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        assert_int_equal(observer_check_option(bad[i], &error), -EINVAL);
    }
    assert_int_equal(observer_check_option("email.recipient=a.b@example.org=", &error), 0);
    assert_int_equal(observer_check_option("email.recipient=", &error), 0);
    assert_int_equal(observer_check_option("a.b.some-key=x", &error), 0);

    assert_true(observer_option_is_of("email.recipient=a.b", "email"));
    assert_false(observer_option_is_of("email.recipient=a.b", "mail"));
    assert_false(observer_option_is_of("email.recipient=a.b", "email.recipient"));
    assert_true(observer_option_is_of("a.b.some-key=x", "a.b"));
    assert_false(observer_option_is_of("a.b.some-key=x", "a"));
    assert_string_equal(observer_option_split("a.b.some-key=x=y", key), "x=y");
    assert_string_equal(key, "some_key");
    assert_string_equal(observer_option_split("email.recipient=", key), "");
    assert_string_equal(key, "recipient");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
