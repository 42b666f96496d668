/* SPDX-License-Identifier: MPL-2.0 */
/* Texts by the width of characters; the rest of client/outputs/text.c is in test_outputs.c. */
#include "test.h"

#include <string.h>

#include "outputs/text.h"

static locale_t utf8;

static int make_locale(void **state _unused_)
{
    utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return utf8 ? 0 : -1;
}

static int free_locale(void **state _unused_)
{
    freelocale(utf8);
    return 0;
}

static void check(const char *text, unsigned columns, locale_t locale, const char *expected,
                  unsigned used)
{
    char buffer[200];

    assert_int_equal(text_fit(buffer, sizeof buffer, text, strlen(text), columns, locale), used);
    assert_string_equal(buffer, expected);
}

static void test_what_fits(void **state _unused_)
{
    check("", 5, utf8, "", 0);
    check("abc", 3, utf8, "abc", 3);
    check("abcd", 3, utf8, "ab…", 3);
    check("abcd", 1, utf8, "a", 1);
    check("abcd", 0, utf8, "", 0);
    check("café", 4, utf8, "café", 4);
    check("日本語", 6, utf8, "日本語", 6);
    check("日本語", 5, utf8, "日本…", 5);
    check("日本語", 4, utf8, "日…", 3);
    check("日本語", 1, utf8, "", 0);
}

static void test_only_ascii(void **state _unused_)
{
    check("caf\xc3\xa9 \xe6\x97\xa5!", 10, 0, "caf? ?!", 7);
    check("abcdefgh", 6, 0, "abc...", 6);
    check("abcdefgh", 3, 0, "abc", 3);
    check("\xff\xc3", 6, 0, "??", 2);
    check("\x1b[0m\xc2\x9b", 20, 0, "\\x1b[0m\\u009b", 13);
}

static void test_what_has_no_width(void **state _unused_)
{
    check("e\xcc\x81!", 5, utf8, "e\xcc\x81!", 2); /* a combining accent */
    check("e\xcc\x81\xcc\x81\xcc\x81\xcc\x81!", 5, utf8, "e\xcc\x81\xcc\x81!", 2);
    check("a\xe2\x80\x8d\xef\xb8\x8f\xef\xbb\xbf\xc2\xad!", 5, utf8, "a!", 2);
    check("\xe2\x80\xae!", 20, utf8, "\\u202e!", 7);
    check("\xff!", 5, utf8, "\xef\xbf\xbd!", 2);
    check("\x1b[2J", 20, utf8, "\\x1b[2J", 7);
}

static void test_room(void **state _unused_)
{
    char buffer[8];

    assert_int_equal(text_fit(buffer, sizeof buffer, "abcdefgh", 8, 80, utf8), 5);
    assert_string_equal(buffer, "abcd…");
    assert_int_equal(text_fit(buffer, 3, "abcdefgh", 8, 80, utf8), 2);
    assert_string_equal(buffer, "ab");
    assert_int_equal(text_fit(buffer, 1, "abcdefgh", 8, 80, utf8), 0);
    assert_string_equal(buffer, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits),
        cmocka_unit_test(test_only_ascii),
        cmocka_unit_test(test_what_has_no_width),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, make_locale, free_locale);
}
