/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/strlist.h"

static void test_copies(void **state _unused_)
{
    _cleanup_(strlist_clear) struct strlist list = {0};
    char text[] = "first";

    assert_int_equal(strlist_add(&list, text), 0);
    text[0] = 'X';
    assert_int_equal(strlist_add_bytes(&list, "second and more", 6), 0);
    assert_int_equal(strlist_add(&list, ""), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "first");
    assert_string_equal(list.items[1], "second");
    assert_string_equal(list.items[2], "");
    char *const more[] = {(char *)"fourth", (char *)"fifth", (char *)"sixth"};
    assert_int_equal(strlist_add_all(&list, more, 2), 0);
    assert_int_equal(list.count, 5);
    assert_string_equal(list.items[4], "fifth");
}

static void test_variables(void **state _unused_)
{
    struct strlist list = {0};

    assert_int_equal(strlist_add_variable(&list, "PATH", "/a:/b=c"), 0);
    assert_int_equal(strlist_add_variable(&list, "EMPTY", ""), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0], "PATH=/a:/b=c");
    assert_string_equal(list.items[1], "EMPTY=");
    strlist_clear(&list);
}

static void test_has(void **state _unused_)
{
    _cleanup_(strlist_clear) struct strlist list = {0};

    assert_false(strlist_has(&list, ""));
    assert_int_equal(strlist_add(&list, "first"), 0);
    assert_int_equal(strlist_add(&list, "second"), 0);
    assert_true(strlist_has(&list, "second"));
    assert_false(strlist_has(&list, "sec"));
    assert_false(strlist_has(&list, ""));
}

static void test_ends_with_null_after_each(void **state _unused_)
{
    _cleanup_(strlist_clear) struct strlist list = {0};
    char text[16];

    assert_null(list.items);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof text, "%u", i); /* fits */
        assert_int_equal(strlist_add(&list, text), 0);
        assert_int_equal(list.count, i + 1);
        assert_null(list.items[list.count]);
    }
    assert_string_equal(list.items[99], "99");
}

static void test_can_be_used_again(void **state _unused_)
{
    _cleanup_(strlist_clear) struct strlist list = {0};

    strlist_clear(&list);
    assert_int_equal(strlist_add(&list, "a"), 0);
    strlist_clear(&list);
    assert_int_equal(list.count, 0);
    assert_null(list.items);
    assert_int_equal(strlist_add(&list, "b"), 0);
    assert_string_equal(list.items[0], "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_has),
        cmocka_unit_test(test_ends_with_null_after_each),
        cmocka_unit_test(test_can_be_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
