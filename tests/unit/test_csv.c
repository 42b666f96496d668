/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/csv.h"

/* Where rows were found: "offset:lines:values " each. */
static int note(const struct csv_scan *scan, void *context, struct error *error _unused_)
{
    char *notes = context;
    size_t used = strlen(notes);

    (void)snprintf(notes + used, 1000 - used, "%d:%d:%d ", (int)scan->row_offset,
                   (int)scan->row_lines, (int)scan->values);
    return 0;
}

/* The whole in one go, and byte by byte: it makes no difference. */
static int scan(const char *text, char separator, char *notes, struct error *error)
{
    char other_notes[1000] = "";
    struct error other_error = {.text = ""};
    struct csv_scan all = {.separator = separator, .found = note, .context = notes};
    struct csv_scan each = {.separator = separator, .found = note, .context = other_notes};

    notes[0] = '\0';
    error->text[0] = '\0';
    int r = csv_scan_bytes(&all, text, strlen(text), error), other = 0;
    if (r == 0) {
        r = csv_scan_end(&all, error);
    }
    for (const char *c = text; other == 0 && *c; c++) {
        other = csv_scan_bytes(&each, c, 1, &other_error);
    }
    if (other == 0) {
        other = csv_scan_end(&each, &other_error);
    }
    assert_int_equal(r, other);
    assert_string_equal(notes, other_notes);
    assert_string_equal(error->text, other_error.text);
    return r;
}

static void test_rows(void **state _unused_)
{
    static const struct {
        const char *text, *rows;
    } cases[] = {
        {"", ""},
        {"\n", ""},
        {"\r\n\n\r", ""},
        {"a", "0:0:1 "},
        {"a\n", "0:0:1 "},
        {"a\r\n", "0:0:1 "},
        {"a,b\n1,2\n", "0:0:2 4:1:2 "},
        {"a,b\r\n1,2", "0:0:2 5:1:2 "},
        {"\n\na\n\nb\n", "2:2:1 5:4:1 "},
        {",\n,,\n", "0:0:2 2:1:3 "},
        {"\"\"\n\"\"\"\"", "0:0:1 3:1:1 "},
        {"\"a\nb\",c\nd,e\n", "0:0:2 8:2:2 "},
        {"\"a\",\"b\"\r\n\"c\",\"d\"\r", "0:0:2 9:1:2 "},
        {"a\rb\nc\r,d", "0:0:1 4:1:2 "},
        {"\rb\nc", "0:0:1 3:1:1 "},
        {" \n\t", "0:0:1 2:1:1 "},
        {"a;b", "0:0:1 "},
    };
    char notes[1000];
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(scan(cases[i].text, ',', notes, &error), 0);
        assert_string_equal(notes, cases[i].rows);
    }
    assert_int_equal(scan("a;b,c\n", ';', notes, &error), 0);
    assert_string_equal(notes, "0:0:2 ");
}

static void test_what_is_wrong(void **state _unused_)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"a\nb\"c\n", "line 2: a quote in a value that doesn't begin with one"},
        {"a, \"b\"", "line 1: a quote in a value that doesn't begin with one"},
        {"\r\"", "line 1: a quote in a value that doesn't begin with one"},
        {"\"a\"b", "line 1: something stands behind a value's closing quote"},
        {"\"a\" ,b", "line 1: something stands behind a value's closing quote"},
        {"\"a\"\r,b", "line 1: something stands behind a value's closing quote"},
        {"a\n1,\"b\n\nc", "line 2: a quote opens there and is not closed"},
        {"\"a\"\"", "line 1: a quote opens there and is not closed"},
    };
    char notes[1000];
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(scan(cases[i].text, ',', notes, &error), -EBADMSG);
        assert_ptr_equal(strstr(error.text, cases[i].error), error.text);
    }
    struct csv_scan nul = {.separator = ','};
    assert_int_equal(csv_scan_bytes(&nul, "a\n\0", 3, &error), -EBADMSG);
    assert_string_equal(error.text, "line 2: there is a NUL byte in it: it isn't text in UTF-8");
}

static int refuse(const struct csv_scan *scan _unused_, void *context _unused_, struct error *error)
{
    return error_set(error, -E2BIG, "enough");
}

static void test_found_may_end_it(void **state _unused_)
{
    struct csv_scan scan = {.separator = ',', .found = refuse};
    struct error error;

    assert_int_equal(csv_scan_bytes(&scan, "a", 1, &error), 0);
    assert_int_equal(csv_scan_bytes(&scan, "\nb", 2, &error), -E2BIG);
    assert_string_equal(error.text, "enough");
}

/* The values of a row, with '|' between. */
static void check_split(const char *text, const char *expected)
{
    char bytes[100] = "", joined[200] = "", *values[10];

    memcpy(bytes, text, strlen(text)); /* too short by a NUL on purpose */
    int n = csv_split(bytes, strlen(text), ',', values, ELEMENTSOF(values));
    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        strcat(joined, i > 0 ? "|" : "");
        strcat(joined, values[i]);
    }
    assert_string_equal(joined, expected);
}

static void test_split(void **state _unused_)
{
    check_split("", "");
    check_split("a", "a");
    check_split("a,b,c\n", "a|b|c");
    check_split("a,b\r\nc,d", "a|b");
    check_split(",,", "||");
    check_split("a,\r\n", "a|");
    check_split("\"a,b\",c", "a,b|c");
    check_split("\"say \"\"hello\"\"\",\"\"\n", "say \"hello\"|");
    check_split("\"\"\"\"", "\"");
    check_split("\"two\r\nlines\",x\r\nnext", "two\r\nlines|x");
    check_split("a\rb,c\r", "a\rb|c");
    check_split("\"a\"\r", "a");
    check_split(" a , b ", " a | b ");
}

static void test_split_refuses(void **state _unused_)
{
    static const char *const wrong[] = {"\"a", "\"a\"b", "\"a\"\"", "1,2,3", "\"a\"\rb"};
    char *values[2];

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        char bytes[20];
        strcpy(bytes, wrong[i]);
        assert_int_equal(csv_split(bytes, strlen(bytes), ',', values, ELEMENTSOF(values)),
                         -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_found_may_end_it),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
