/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "rows_memory.h"
#include "wire/json_row.h"

static int read_row(const char *text, struct rows_memory *memory, struct json_row *ret,
                    struct error *error)
{
    return json_row_read(text, strlen(text), rows_allocate, memory, ret, error);
}

static void test_values_are_texts(void **state _unused_)
{
    static const char *const expected[][2] = {
        {"name", "Ada \"A\" é"}, {"age", "36"},
        {"price", "1.1"},        {"big", "9007199254740993"},
        {"yes", "true"},         {"none", "null"},
        {"list", "[1,\"a\"]"},   {"object", "{\"b\":{\"a\":0.1}}"},
        {"", "empty"},
    };
    struct rows_memory memory = {.count = 0};
    struct json_row row;

    assert_int_equal(read_row("{\"name\": \"Ada \\\"A\\\" \\u00e9\", \"age\": 36, \"price\": 1.10, "
                              "\"big\": 9007199254740993, \"yes\": true, \"none\": null, "
                              "\"list\": [1, \"a\"], \"object\": {\"b\": {\"a\": 0.1}}, \"\": "
                              "\"empty\"} ",
                              &memory, &row, NULL),
                     0);
    assert_int_equal(row.count, ELEMENTSOF(expected));
    for (size_t i = 0; i < row.count; i++) {
        assert_string_equal(row.names[i], expected[i][0]);
        assert_string_equal(row.values[i], expected[i][1]);
    }
    assert_int_equal(read_row("{}", &memory, &row, NULL), 0);
    assert_int_equal(row.count, 0);
    rows_free(&memory);
}

static void test_what_is_wrong(void **state _unused_)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "not JSON: column "},
        {"{\"a\": 1, b}", "not JSON: column 10: "},
        {"{\"a\": 1} x", "not JSON: column 10: "},
        {"{\"a\": 1, \"a\": 2}", "not JSON: column 12: duplicate object key"},
        {"{\"a\": \"\xFF\"}", "not JSON: column "},
        {"{\"a\": \"\\u0000\"}", "not JSON: column "},
        {"[1]", "not a JSON object"},
        {"\"a\"", "not a JSON object"},
    };
    struct rows_memory memory = {.count = 0};
    struct json_row row = {.count = 77};
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(read_row(cases[i].text, &memory, &row, &error), -EBADMSG);
        if (strstr(error.text, cases[i].error) != error.text) {
            fail_msg("%s", error.text);
        }
        assert_int_equal(row.count, 77);
    }
    rows_free(&memory);
}

static void test_depth(void **state _unused_)
{
    char text[3 * JSON_ROW_MAX_DEPTH + 20] = "{\"[[{\\\"[\": ";
    struct rows_memory memory = {.count = 0};
    struct json_row row;
    struct error error;

    for (unsigned i = 1; i < JSON_ROW_MAX_DEPTH; i++) {
        strcat(text, "[");
    }
    size_t inside = strlen(text);
    for (unsigned i = 1; i < JSON_ROW_MAX_DEPTH; i++) {
        strcat(text, "]");
    }
    strcat(text, "}");
    assert_int_equal(read_row(text, &memory, &row, NULL), 0);
    text[inside - 1] = '{'; /* not as deep, and wrong */
    text[inside] = '{';
    assert_int_equal(read_row(text, &memory, &row, &error), -EBADMSG);
    assert_string_equal(error.text, "JSON that is nested deeper than 100");
    rows_free(&memory);
}

static void test_no_memory(void **state _unused_)
{
    const char text[] = "{\"a\": \"b\", \"c\": [1]}";
    struct rows_memory memory = {.count = 0};
    struct json_row row;
    struct error error;

    for (size_t limit = 1; limit < 6; limit++) {
        memory.limit = limit;
        assert_int_equal(read_row(text, &memory, &row, &error), -ENOMEM);
        rows_free(&memory);
    }
    memory.limit = 6;
    assert_int_equal(read_row(text, &memory, &row, &error), 0);
    rows_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_texts),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
