/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "wire/json.h"

#define LIMIT 100

static int load(const char *text, json_t **ret, struct error *error)
{
    return wire_json_load(text, strlen(text), LIMIT, ret, error);
}

static void test_object(void **state _unused_)
{
    _cleanup_(json_decrefp) json_t *json = NULL;

    assert_int_equal(load(" {\"a\": [1, true, \"x\"]} \n", &json, NULL), 0);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(json, "a"), 0)), 1);
}

static void test_what_is_no_object(void **state _unused_)
{
    static const char *const wrong[] = {
        "",
        "{",
        "[]",
        "1",
        "\"x\"",
        "null",
        "{} {}",
        "{}x",
        "{\"a\": 1,}",
        "{'a': 1}",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": \"\xff\"}",
        "{\"a\": 1e999}",
    };

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        json_t *json = NULL;
        struct error error = {0};
        assert_int_equal(load(wrong[i], &json, &error), -EBADMSG);
        assert_null(json);
        assert_int_equal(error.code, -EBADMSG);
        assert_true(error.text[0] != '\0');
    }
}

/* The words are jansson's. */
static void test_no_secret_in_a_message(void **state _unused_)
{
    static const char *const wrong[] = {"{hush}",        "hush",    "{\"a\": hush}",
                                        "{\"hush\", 1}", "{} hush", "{\"hush\": 1, \"hush\": 2}"};
    json_error_t reason;

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        json_t *json = NULL;
        struct error error = {0};
        assert_int_equal(load(wrong[i], &json, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "not JSON: line 1, column "));
        assert_null(strstr(error.text, "hush"));
    }
    json_t *json = NULL;
    assert_int_equal(wire_json_load_any("hush", 4, &json, &reason), -EBADMSG);
    assert_string_equal(reason.text, "invalid token");
}

static void test_nul_is_no_end(void **state _unused_)
{
    json_t *json = NULL;

    assert_int_equal(wire_json_load("{}\0x", 4, LIMIT, &json, NULL), -EBADMSG);
    assert_null(json);
}

/* A parser that goes down a level with each '[' would run out of stack. */
static void test_deep(void **state _unused_)
{
    static char text[1 << 20];
    json_t *json = NULL;

    memset(text, '[', sizeof text);
    memcpy(text, "{\"a\":", 5);
    assert_int_equal(wire_json_load(text, sizeof text, sizeof text, &json, NULL), -EBADMSG);
    assert_null(json);
}

static void test_limit(void **state _unused_)
{
    char text[LIMIT + 1];
    struct error error = {0};
    _cleanup_(json_decrefp) json_t *json = NULL;

    memset(text, ' ', sizeof text);
    text[0] = '{';
    text[1] = '}';
    assert_int_equal(wire_json_load(text, LIMIT + 1, LIMIT, &json, &error), -E2BIG);
    assert_non_null(strstr(error.text, "101"));
    assert_null(json);
    assert_int_equal(wire_json_load(text, LIMIT, LIMIT, &json, &error), 0);
}

static void test_dump_keeps_the_order_in_one_line(void **state _unused_)
{
    _cleanup_(json_decrefp) json_t *json = NULL;
    _cleanup_free_ char *text = NULL;

    assert_int_equal(load("{\"z\": 1,\n\"a\": {\"k\": \"two\\nlines\"}, \"m\": []}", &json, NULL),
                     0);
    assert_int_equal(wire_json_dump(json, &text), 0);
    assert_string_equal(text, "{\"z\":1,\"a\":{\"k\":\"two\\nlines\"},\"m\":[]}");
}

static void test_depth(void **state _unused_)
{
    static const struct {
        const char *text;
        size_t depth;
    } cases[] = {
        {"", 0},        {"1", 0},           {"[]", 1},   {"[[], {\"a\": [1]}]", 3},
        {"\"[[[\"", 0}, {"\"\\\"[[[\"", 0}, {"]]][", 1}, {"[[[", 3},
        {"\"\\", 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(wire_json_depth(cases[i].text, strlen(cases[i].text)), cases[i].depth);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object),
        cmocka_unit_test(test_what_is_no_object),
        cmocka_unit_test(test_no_secret_in_a_message),
        cmocka_unit_test(test_nul_is_no_end),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_dump_keeps_the_order_in_one_line),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
