/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "wire/copy_rows.h"

#include <errno.h>
#include <string.h>

static void assert_bytes(const struct copy_rows *rows, const void *expected, size_t size)
{
    assert_int_equal(copy_rows_finish(rows), 0);
    assert_int_equal(rows->size, size);
    assert_memory_equal(rows->bytes, expected, size);
}

#define ASSERT_BYTES(rows, literal) assert_bytes(rows, literal, sizeof(literal) - 1)

static void test_scalars(void **state _unused_)
{
    struct copy_rows rows = {0};

    copy_rows_begin(&rows, 4);
    copy_rows_int4(&rows, -2);
    copy_rows_int8(&rows, INT64_C(0x0102030405060708));
    copy_rows_text(&rows, "h\xc3\xa4", 3);
    copy_rows_null(&rows);
    copy_rows_begin(&rows, 1);
    copy_rows_text(&rows, NULL, 0);
    ASSERT_BYTES(&rows, "\0\4"
                        "\0\0\0\4\377\377\377\376"
                        "\0\0\0\10\1\2\3\4\5\6\7\10"
                        "\0\0\0\3h\xc3\xa4"
                        "\377\377\377\377"
                        "\0\1"
                        "\0\0\0\0");
    assert_int_equal(rows.count, 2);
    copy_rows_clear(&rows);
    assert_int_equal(rows.size, 0);
}

static void test_times(void **state _unused_)
{
    struct copy_rows rows = {0};

    copy_rows_time(&rows, UINT64_C(946684800000000));
    copy_rows_time(&rows, UINT64_C(946684799999999));
    ASSERT_BYTES(&rows, "\0\0\0\10\0\0\0\0\0\0\0\0"
                        "\0\0\0\10\377\377\377\377\377\377\377\377");
    copy_rows_time(&rows, UINT64_MAX); /* no date, and no overflow */
    assert_int_equal(copy_rows_finish(&rows), 0);
    copy_rows_clear(&rows);
}

static void test_uuids(void **state _unused_)
{
    static const char *const bad[] = {
        "",
        "6b0f7d5c",
        "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e1",
        "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e111",
        "6B0F7D5C-0c5e-4c52-9d8e-5a3c2a1f0e11",
        "6b0f7d5c00c5e-4c52-9d8e-5a3c2a1f0e11",
        "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e1g",
    };
    struct copy_rows rows = {0};

    copy_rows_uuid(&rows, "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e11");
    ASSERT_BYTES(&rows,
                 "\0\0\0\20\x6b\x0f\x7d\x5c\x0c\x5e\x4c\x52\x9d\x8e\x5a\x3c\x2a\x1f\x0e\x11");
    copy_rows_clear(&rows);
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        copy_rows_uuid(&rows, bad[i]);
        assert_int_equal(copy_rows_finish(&rows), -EINVAL);
        copy_rows_int4(&rows, 1); /* a failure stays */
        copy_rows_begin_int8s(&rows);
        copy_rows_end_array(&rows);
        assert_int_equal(copy_rows_finish(&rows), -EINVAL);
        assert_int_equal(rows.size, 0);
        copy_rows_clear(&rows);
    }
}

static void test_arrays(void **state _unused_)
{
    struct copy_rows rows = {0};

    copy_rows_begin_int2s(&rows);
    copy_rows_add_int2(&rows, 7);
    copy_rows_add_int2(&rows, 12122);
    copy_rows_end_array(&rows);
    copy_rows_begin_int8s(&rows);
    copy_rows_add_int8(&rows, 1);
    copy_rows_end_array(&rows);
    copy_rows_begin_int8s(&rows);
    copy_rows_end_array(&rows);
    ASSERT_BYTES(&rows, "\0\0\0\40\0\0\0\1\0\0\0\0\0\0\0\25\0\0\0\2\0\0\0\1"
                        "\0\0\0\2\0\7\0\0\0\2\x2f\x5a"
                        "\0\0\0\40\0\0\0\1\0\0\0\0\0\0\0\24\0\0\0\1\0\0\0\1"
                        "\0\0\0\10\0\0\0\0\0\0\0\1"
                        "\0\0\0\14\0\0\0\0\0\0\0\0\0\0\0\24");
    copy_rows_clear(&rows);
}

static void test_size_is_bounded(void **state _unused_)
{
    struct copy_rows rows = {0};

    copy_rows_text(&rows, "x", COPY_ROWS_MAX_BYTES + 1);
    assert_int_equal(copy_rows_finish(&rows), -E2BIG);
    copy_rows_clear(&rows);
    copy_rows_text(&rows, "x", COPY_ROWS_MAX_BYTES);
    assert_int_equal(copy_rows_finish(&rows), -E2BIG);
    copy_rows_clear(&rows);
}

static void test_many_rows(void **state _unused_)
{
    struct copy_rows rows = {0};

    for (int i = 0; i < 10000; i++) {
        copy_rows_begin(&rows, 1);
        copy_rows_int4(&rows, i);
    }
    assert_int_equal(copy_rows_finish(&rows), 0);
    assert_int_equal(rows.size, 100000);
    assert_int_equal(rows.count, 10000);
    assert_memory_equal(rows.bytes + rows.size - 10, "\0\1\0\0\0\4\0\0\x27\x0f", 10);
    copy_rows_clear(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),         cmocka_unit_test(test_times),
        cmocka_unit_test(test_uuids),           cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_size_is_bounded), cmocka_unit_test(test_many_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
