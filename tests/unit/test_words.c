/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "base/words.h"

static void check(const char *text, const char *joined)
{
    struct strlist list = {0};
    char got[512] = "";
    struct error error;

    assert_int_equal(words_split(text, &list, &error), 0);
    for (size_t i = 0; i < list.count; i++) {
        strcat(got, "<");
        strcat(got, list.items[i]);
        strcat(got, ">");
    }
    assert_string_equal(got, joined);
    assert_true(list.count == 0 || list.items[list.count] == NULL);
    strlist_clear(&list);
}

static void test_split(void **state _unused_)
{
    check("", "");
    check(" \t\n ", "");
    check(" -a  -b\t-c\n", "<-a><-b><-c>");
    check("-DNAME='a b' \"c d\"e", "<-DNAME=a b><c de>");
    check("'' \"\"", "<><>");
    check("a\\ b \\'c\\\\", "<a b><'c\\>");
    check("\"a\\\"b\\$c\\d\"", "<a\"b$c\\d>");
    check("'a\\'b", "<a\\b>");
    check("$HOME `id` $(id) * ~ & ; |", "<$HOME><`id`><$(id)><*><~><&><;><|>");
    check("a\\", "<a\\>");
}

static void test_split_errors(void **state _unused_)
{
    static const char *const wrong[] = {"'", "a 'b", "\"", "\"\\\"", "a\"b'c"};
    char many[2 * WORDS_MAX + 3] = "";
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        struct strlist list = {0};
        assert_int_equal(words_split(wrong[i], &list, &error), -EINVAL);
        assert_non_null(strstr(error.text, "has a quote without its end"));
        strlist_clear(&list);
    }
    for (int i = 0; i <= WORDS_MAX; i++) {
        strcat(many, "a ");
    }
    struct strlist list = {0};
    assert_int_equal(words_split(many, &list, &error), -EINVAL);
    assert_non_null(strstr(error.text, "more than 256 words"));
    strlist_clear(&list);
}

static void test_utf8(void **state _unused_)
{
    static const char *const right[] = {"",
                                        "a",
                                        "é",
                                        "€",
                                        "😀",
                                        "\xC2\x80",
                                        "\xE0\xA0\x80",
                                        "\xED\x9F\xBF",
                                        "\xF0\x90\x80\x80",
                                        "\xF4\x8F\xBF\xBF"};
    static const char *const wrong[] = {"\x80",
                                        "\xC0\x80",
                                        "\xC1\xBF",
                                        "\xE0\x9F\xBF",
                                        "\xED\xA0\x80",
                                        "\xF0\x8F\xBF\xBF",
                                        "\xF4\x90\x80\x80",
                                        "\xF5\x80\x80\x80",
                                        "\xFF",
                                        "a\xC3",
                                        "\xE2\x82",
                                        "\xE2\x28\xA1",
                                        "\xF0\x9F\x98",
                                        "\xC3\x28"};

    for (size_t i = 0; i < ELEMENTSOF(right); i++) {
        assert_true(utf8_valid(right[i], strlen(right[i])));
    }
    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        assert_false(utf8_valid(wrong[i], strlen(wrong[i])));
    }
    assert_true(utf8_valid("a\0b", 3));
}

static void test_utf8_character(void **state _unused_)
{
    static const struct {
        const char *text;
        size_t length;
        uint32_t character;
    } rows[] = {
        {"a\xC3", 1, 'a'},
        {"\x7F", 1, 0x7F},
        {"\xC3\xA9", 2, 0xE9},
        {"\xE2\x82\xACx", 3, 0x20AC},
        {"\xF0\x9F\x98\x80", 4, 0x1F600},
        {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
        {"\xA9", 0, 0},
        {"\xE2\x82", 0, 0},
        {"\xED\xA0\x80", 0, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        uint32_t character = 0;
        assert_int_equal(utf8_character(rows[i].text, strlen(rows[i].text), &character),
                         rows[i].length);
        assert_int_equal(character, rows[i].character);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_errors),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
