/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/suggest.h"

static void test_bool(void **state _unused_)
{
    static const char *const yes[] = {"True", "yes", "1", "on", "ON"};
    static const char *const no[] = {"False", "no", "0", "off", "NO"};
    static const char *const wrong[] = {"", "y", "2", " yes", "truee"};
    struct error error;
    bool value;

    for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
        value = false;
        assert_int_equal(parse_bool(yes[i], &value, NULL), 0);
        assert_true(value);
        assert_int_equal(parse_bool(no[i], &value, NULL), 0);
        assert_false(value);
        assert_int_equal(parse_bool(wrong[i], &value, &error), -EINVAL);
    }
    assert_string_equal(error.text, "'truee' is neither yes (true, 1, on) nor no (false, 0, off)");
}

static void test_unsigned(void **state _unused_)
{
    static const char *const wrong[] = {"",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "0x1",
                                        "1e3",
                                        "0",
                                        "21",
                                        "x",
                                        "1.0",
                                        "99999999999999999999999",
                                        "18446744073709551617"};
    uint64_t value = 7;
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        assert_int_equal(parse_unsigned(wrong[i], 1, 20, &value, &error), -EINVAL);
        assert_int_equal(value, 7);
    }
    assert_int_equal(parse_unsigned("x", 1, 20, &value, &error), -EINVAL);
    assert_string_equal(error.text, "'x' is not a number from 1 to 20");
    assert_int_equal(parse_unsigned("20", 1, 20, &value, NULL), 0);
    assert_int_equal(value, 20);
    assert_int_equal(parse_unsigned("007", 1, 20, &value, NULL), 0);
    assert_int_equal(value, 7);
    assert_int_equal(parse_unsigned("18446744073709551615", 0, UINT64_MAX, &value, NULL), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(parse_unsigned("18446744073709551616", 0, UINT64_MAX, &value, NULL), -EINVAL);
    assert_int_equal(parse_unsigned("9", 0, 5, &value, NULL), -EINVAL);
}

static void test_duration(void **state _unused_)
{
    static const struct {
        const char *text;
        uint64_t usec;
    } right[] = {{"90", 90000000},       {"0", 0},
                 {"1.5", 1500000},       {"0.0000019", 1},
                 {"1m30s", 90000000},    {"2h", 7200000000},
                 {"500ms", 500000},      {"250us", 250},
                 {"1.5h", 5400000000},   {"1h1m1s1ms1us", 3661001001},
                 {"1.5m0.5s", 90500000}, {"8784h", PARSE_MAX_DURATION_USEC}};
    static const char *const wrong[] = {
        "",    "s",     "1m30",       "1s1m",     "5m5m", "1 s",  "1.",
        ".5",  "1,5",   "1x",         "1d",       "m1",   "inf",  "nan",
        "1e3", "0x10",  "8785h",      "8784h1us", "1ss",  "1mss", "99999999999999999999",
        "+1",  "1.5.5", "5124095576h"};
    uint64_t usec = 3;
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(right); i++) {
        assert_int_equal(parse_duration(right[i].text, &usec, NULL), 0);
        assert_true(usec == right[i].usec);
    }
    usec = 3;
    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        assert_int_equal(parse_duration(wrong[i], &usec, &error), -EINVAL);
        assert_true(usec == 3);
        assert_non_null(strstr(error.text, "is not a duration such as 90"));
    }
    assert_int_equal(parse_duration("-5", &usec, &error), -EINVAL);
    assert_string_equal(error.text, "'-5' is a negative duration; it can be 0 or more");
}

static void test_size(void **state _unused_)
{
    static const char *const wrong[] = {
        "", "K", "1T", "-1K", "1KB", "1.5K", "1 K", "1KK", "1152921504606846977", "1073741825G"};
    uint64_t bytes = 3;
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        assert_int_equal(parse_size(wrong[i], &bytes, &error), -EINVAL);
        assert_true(bytes == 3);
    }
    assert_int_equal(parse_size("256K", &bytes, NULL), 0);
    assert_true(bytes == 262144);
    assert_int_equal(parse_size("64m", &bytes, NULL), 0);
    assert_true(bytes == 67108864);
    assert_int_equal(parse_size("1G", &bytes, NULL), 0);
    assert_true(bytes == 1073741824);
    assert_int_equal(parse_size("17", &bytes, NULL), 0);
    assert_true(bytes == 17);
    assert_int_equal(parse_size("1073741824G", &bytes, NULL), 0);
    assert_true(bytes == UINT64_C(1) << 60);
}

static void test_numbers(void **state _unused_)
{
    static const char *const wrong[] = {"",       ":",    "10:",        ":10",
                                        "10::20", "10:x", "10,20",      "-1",
                                        "0",      "10:0", "1000000001", "99999999999999999999",
                                        "1 :2"};
    struct number_list list = {.count = 9};
    struct error error;
    char text[512] = "1";

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        assert_int_equal(parse_numbers(wrong[i], &list, &error), -EINVAL);
        assert_int_equal(list.count, 9);
    }
    assert_int_equal(parse_numbers("10:x", &list, &error), -EINVAL);
    assert_string_equal(error.text, "'10:x' is not a list of numbers such as 10:20:30");
    assert_int_equal(parse_numbers("0", &list, &error), -EINVAL);
    assert_string_equal(error.text, "'0' has a step that is not a number from 1 to 1000000000");
    assert_int_equal(parse_numbers("10:20:1000000000", &list, NULL), 0);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.values[0], 10);
    assert_int_equal(list.values[1], 20);
    assert_int_equal(list.values[2], 1000000000);
    for (unsigned i = 1; i < PARSE_MAX_NUMBERS; i++) {
        strcat(text, ":1");
    }
    assert_int_equal(parse_numbers(text, &list, NULL), 0);
    assert_int_equal(list.count, PARSE_MAX_NUMBERS);
    strcat(text, ":1");
    assert_int_equal(parse_numbers(text, &list, &error), -EINVAL);
    assert_non_null(strstr(error.text, "more than 100 steps"));
}

static void test_key_value(void **state _unused_)
{
    static const char *const wrong[] = {"",
                                        "=",
                                        "=v",
                                        "k",
                                        "k v=1",
                                        "k:v",
                                        ("01234567890123456789012345678901234567890123456789"
                                         "012345678901234=v")};
    size_t length = 9;
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        assert_int_equal(parse_key_value(wrong[i], &length, &error), -EINVAL);
        assert_int_equal(length, 9);
    }
    assert_int_equal(parse_key_value("k=", &length, NULL), 0);
    assert_int_equal(length, 1);
    assert_int_equal(parse_key_value("a_b-c.1=x=y", &length, NULL), 0);
    assert_int_equal(length, 7);
}

/* A wrong value may be long; its text must not be. */
static void test_long_values_are_cut(void **state _unused_)
{
    char text[10000];
    struct error error;
    uint64_t value;

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(parse_duration(text, &value, &error), -EINVAL);
    assert_true(strlen(error.text) < 400);
}

static void test_suggest(void **state _unused_)
{
    struct suggest suggest = {.word = "user"};
    char longer[80];

    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("users", "users"), 0);
    assert_int_equal(suggest_distance("suers", "users"), 1);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
    assert_int_equal(suggest_distance("http_timeout", "http-timeout"), 0);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_true(suggest_distance(longer, "a") > 1000);

    suggest_consider(&suggest, "hits");
    assert_null(suggest.nearest);
    suggest_consider(&suggest, "used-by");
    assert_null(suggest.nearest);
    suggest_consider(&suggest, "xusers");
    suggest_consider(&suggest, "users");
    suggest_consider(&suggest, "us");
    assert_string_equal(suggest.nearest, "users");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bool),     cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_duration), cmocka_unit_test(test_size),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_key_value),
        cmocka_unit_test(test_suggest),  cmocka_unit_test(test_long_values_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
