/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void test_set(void **state _unused_)
{
    struct error error = {0};

    assert_int_equal(error_set(&error, -EINVAL, "--users %s: %d", "x", 7), -EINVAL);
    assert_int_equal(error.code, -EINVAL);
    assert_string_equal(error.text, "--users x: 7");
}

static void test_set_errno_adds_the_reason(void **state _unused_)
{
    struct error error = {0};

    assert_int_equal(error_set_errno(&error, -ENOENT, "can't open %s", "a"), -ENOENT);
    assert_int_equal(error.code, -ENOENT);
    assert_string_equal(error.text, "can't open a: No such file or directory");
}

static void test_prefix_says_where(void **state _unused_)
{
    struct error error = {0};

    (void)error_set(&error, -E2BIG, "too long"); /* the code is what is looked at next */
    assert_int_equal(error_prefix(&error, -EINVAL, "line %d", 3), -EINVAL);
    assert_int_equal(error.code, -EINVAL);
    assert_string_equal(error.text, "line 3: too long");
}

static void test_nobody_interested(void **state _unused_)
{
    assert_int_equal(error_set(NULL, -EINVAL, "x"), -EINVAL);
    assert_int_equal(error_set_errno(NULL, -ENOENT, "x"), -ENOENT);
    assert_int_equal(error_prefix(NULL, -EIO, "x"), -EIO);
}

static void test_control_characters_become_question_marks(void **state _unused_)
{
    struct error error = {0};

    (void)error_set(&error, -EIO, "a\033[2Jb\r\x7f\tc\nd"); /* the text is what is looked at */
    assert_string_equal(error.text, "a?[2Jb??\tc\nd");
    (void)error_prefix(&error, -EIO, "\001%s", "x"); /* the same */
    assert_string_equal(error.text, "?x: a?[2Jb??\tc\nd");
}

/* Bytes of a text that isn't ASCII are no control characters. */
static void test_other_languages_stay(void **state _unused_)
{
    struct error error = {0};

    (void)error_set(&error, -EIO, "%s", "grüß"); /* the text is what is looked at */
    assert_string_equal(error.text, "grüß");
}

static void test_cut_at_the_end(void **state _unused_)
{
    static char text[2 * ERROR_TEXT_BYTES];
    static struct error error;

    memset(text, 'x', sizeof text - 1);
    assert_int_equal(error_set(&error, -EIO, "%s", text), -EIO);
    assert_int_equal(strlen(error.text), ERROR_TEXT_BYTES - 1);
    assert_int_equal(error_set_errno(&error, -EIO, "%s", text), -EIO);
    assert_int_equal(strlen(error.text), ERROR_TEXT_BYTES - 1);
    assert_int_equal(error_prefix(&error, -EIO, "%s", text), -EIO);
    assert_int_equal(strlen(error.text), ERROR_TEXT_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_errno_adds_the_reason),
        cmocka_unit_test(test_prefix_says_where),
        cmocka_unit_test(test_nobody_interested),
        cmocka_unit_test(test_control_characters_become_question_marks),
        cmocka_unit_test(test_other_languages_stay),
        cmocka_unit_test(test_cut_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
