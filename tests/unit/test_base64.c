/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"

static const struct {
    const char *bytes, *text;
} pairs[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+"},
};

static void test_there_and_back(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t length = strlen(pairs[i].bytes), size = 99;

        assert_int_equal(base64_encode(pairs[i].bytes, length, &text), 0);
        assert_string_equal(text, pairs[i].text);
        assert_int_equal(base64_decode(text, strlen(text), &bytes, &size), 0);
        assert_int_equal(size, length);
        assert_memory_equal(bytes, pairs[i].bytes, length);
    }
}

static void test_line_ends_are_left_out(void **state _unused_)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    static const char text[] = "Zm\r\n9v\nYg=\n=\n";
    assert_int_equal(base64_decode(text, strlen(text), &bytes, &size), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "foob", 4);
}

static void test_what_is_none(void **state _unused_)
{
    static const char *const texts[] = {
        "Z",    "Zg",   "Zg=",     "=",        "====",     "Z===",     "Zg=a", "Zh==",
        "Zm9=", "Zm 9", "Zm9v Yg", "Zg==Zg==", "Zg==\nZg", "Zm9vYg=x", "Zm-_", "Zm9v=",
    };

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        uint8_t *bytes = NULL;
        size_t size = 99;
        assert_int_equal(base64_decode(texts[i], strlen(texts[i]), &bytes, &size), -EBADMSG);
        assert_null(bytes);
        assert_int_equal(size, 99);
    }
}

/* Any bytes, by their length. */
static void test_all_lengths(void **state _unused_)
{
    uint8_t bytes[300];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 37 + i / 3);
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ uint8_t *back = NULL;
        size_t back_size;
        assert_int_equal(base64_encode(bytes, size, &text), 0);
        assert_int_equal(strlen(text), (size + 2) / 3 * 4);
        assert_int_equal(base64_decode(text, strlen(text), &back, &back_size), 0);
        assert_int_equal(back_size, size);
        assert_memory_equal(back, bytes, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_line_ends_are_left_out),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_all_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
