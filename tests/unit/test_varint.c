/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "allocation.h"
#include "base/varint.h"

static struct error error;

static struct varint_reader reader_of(const void *bytes, size_t size)
{
    error = (struct error){0};
    return (struct varint_reader){
        .at = bytes, .end = (const uint8_t *)bytes + size, .what = "thing", .error = &error};
}

static void test_numbers(void **state _unused_)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    static const int64_t signed_values[] = {0, -1, 1, -64, 64, INT64_MIN, INT64_MAX};
    struct varint_writer writer = {0};

    for (size_t i = 0; i < ELEMENTSOF(values); i++) {
        varint_put(&writer, values[i]);
    }
    for (size_t i = 0; i < ELEMENTSOF(signed_values); i++) {
        varint_put_signed(&writer, signed_values[i]);
    }
    varint_put_bytes(&writer, "text", 4);
    assert_false(writer.failed);
    struct varint_reader reader = reader_of(writer.bytes, writer.size);
    for (size_t i = 0; i < ELEMENTSOF(values); i++) {
        assert_true(varint_get(&reader) == values[i]);
    }
    for (size_t i = 0; i < ELEMENTSOF(signed_values); i++) {
        assert_true(varint_get_signed(&reader) == signed_values[i]);
    }
    assert_memory_equal(varint_get_bytes(&reader, 4), "text", 4);
    assert_true(reader.at == reader.end && reader.r == 0);
    free(writer.bytes);
}

static void test_what_is_no_number(void **state _unused_)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } cases[] = {
        {"", 0, "thing: it ends in the middle"},
        {"\x80", 1, "thing: it ends in the middle"},
        {"\x80\x00", 2, "thing: a number is not in its shortest form"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, "thing: a number has more than 64 bits"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct varint_reader reader = reader_of(cases[i].bytes, cases[i].size);
        assert_true(varint_get(&reader) == 0);
        assert_int_equal(reader.r, -EBADMSG);
        assert_string_equal(error.text, cases[i].text);
        assert_true(varint_get(&reader) == 0 && varint_get_signed(&reader) == 0);
        assert_null(varint_get_bytes(&reader, 0)); /* the first failure stays */
    }
    struct varint_reader reader = reader_of("abc", 3);
    assert_null(varint_get_bytes(&reader, 4));
    assert_int_equal(reader.r, -EBADMSG);
}

/* What had room before stays. */
static void test_without_memory(void **state _unused_)
{
    struct varint_writer writer = {0};

    allocation_fails_after = 0;
    varint_put(&writer, 1);
    allocation_fails_after = -1;
    assert_true(writer.failed && writer.size == 0);
    writer.failed = false;
    varint_put(&writer, 1);
    allocation_fails_after = 0;
    static const char many[1000];
    varint_put_bytes(&writer, many, sizeof many);
    allocation_fails_after = -1;
    assert_true(writer.failed && writer.size == 1);
    free(writer.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_what_is_no_number),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests_name("varint", tests, NULL, NULL);
}
