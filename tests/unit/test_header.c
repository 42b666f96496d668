/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "worker/header.h"

static void test_parse(void **state _unused_)
{
    static const struct {
        const char *line, *name, *value;
    } cases[] = {
        {"Content-Type: text/html", "Content-Type", "text/html"},
        {"Content-Type:text/html", "Content-Type", "text/html"},
        {"a: \t b c \t", "a", "b c"},
        {"a:", "a", ""},
        {"a:   ", "a", ""},
        {"a: b: c", "a", "b: c"},
        {"a : b", "a", "b"},
        {"X-Odd~!: \x80\xff", "X-Odd~!", "\x80\xff"},
    };
    static const char *const bad[] = {
        "", ":", ": value", "no colon", "two words: x", "n\xc3\xa4: x"};
    struct header_field field;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_true(header_parse(cases[i].line, strlen(cases[i].line), &field));
        assert_int_equal(field.name_size, strlen(cases[i].name));
        assert_memory_equal(field.name, cases[i].name, field.name_size);
        assert_int_equal(field.value_size, strlen(cases[i].value));
        assert_memory_equal(field.value, cases[i].value, field.value_size);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        assert_false(header_parse(bad[i], strlen(bad[i]), &field));
    }
    assert_false(header_parse("a\0b: x", 6, &field));
    assert_false(header_parse(NULL, 0, &field));
    assert_true(header_parse("a: bcd", 4, &field)); /* only as far as told */
    assert_int_equal(field.value_size, 1);
}

static void test_find(void **state _unused_)
{
    static const char *const lines[] = {"Host: a", "garbage", "SET-cookie: x=1", "Set-Cookie: y=2",
                                        NULL};
    struct header_field field;

    assert_int_equal(header_find(lines, 0, "set-cookie", &field), 2);
    assert_memory_equal(field.value, "x=1", field.value_size);
    assert_int_equal(header_find(lines, 3, "Set-Cookie", &field), 3);
    assert_memory_equal(field.value, "y=2", field.value_size);
    assert_int_equal(header_find(lines, 4, "Set-Cookie", &field), -ENOENT);
    assert_int_equal(header_find(lines, 0, "Set-Cook", NULL), -ENOENT);
    assert_int_equal(header_find(lines, 0, "HOST", NULL), 0);
    assert_int_equal(header_find(NULL, 0, "Host", NULL), -ENOENT);
}

static void check_bad(const char *line, size_t size, const char *part)
{
    struct error error = {0};

    assert_int_equal(header_check(line, size, &error), -EINVAL);
    assert_non_null(strstr(error.text, part));
    assert_int_equal(header_check(line, size, NULL), -EINVAL);
}

static void test_check(void **state _unused_)
{
    static const char *const good[] = {"A: b", "A:", "A:b", "X-1_2.3: \t\x80 \x7f", "A: b: c"};
    static char long_line[HEADER_MAX_BYTES + 1];

    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        assert_int_equal(header_check(good[i], strlen(good[i]), NULL), 0);
    }
    check_bad("A: b\r\nB: c", 10, "'A'");
    check_bad("A: b\n", 5, "line end");
    check_bad("A: \0", 4, "zero byte");
    check_bad("A", 1, "no colon");
    check_bad("", 0, "no colon");
    check_bad(": b", 3, "name");
    check_bad("A : b", 5, "'A…' has no valid name");
    check_bad("A\r\nB: c", 7, "name");
    memset(long_line, 'a', sizeof long_line);
    long_line[1] = ':';
    check_bad(long_line, sizeof long_line, "65537");
    assert_int_equal(header_check(long_line, sizeof long_line - 1, NULL), 0);
}

/* What isn't the name of a header may be its value. */
static void test_no_secret_in_a_message(void **state _unused_)
{
    static const char *const lines[] = {"Authorization Bearer hush", "Authorization Bearer: hush",
                                        "hush", "Cookie: hush\n", "Bearer hush: x"};
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
        assert_int_equal(header_check(lines[i], strlen(lines[i]), &error), -EINVAL);
        assert_null(strstr(error.text, "hush"));
    }
    assert_int_equal(header_check("Cookie hush", 11, &error), -EINVAL);
    assert_non_null(strstr(error.text, "header 'Cookie…' has no colon"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_no_secret_in_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
