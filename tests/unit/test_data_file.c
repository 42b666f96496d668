/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "rows_memory.h"
#include "run/data_file.h"
#include "temporary_dir.h"

static struct data_file *made(const char *path, const char *text)
{
    struct data_file *file;
    struct error error = {.text = ""};

    write_file(path, text, 0600);
    if (data_file_open(&file, path, ',', NULL, NULL, &error) < 0) {
        fail_msg("%s", error.text);
    }
    return file;
}

/* A row as "name=value|…". */
static void check_row(const struct data_file *file, uint64_t number, const char *expected)
{
    struct rows_memory memory = {.count = 0};
    struct data_row row;
    char joined[1000] = "";

    assert_int_equal(data_file_read(file, number, rows_allocate, &memory, &row, NULL), 0);
    assert_int_equal(row.number, number);
    for (size_t i = 0; i < row.count; i++) {
        size_t used = strlen(joined);
        (void)snprintf(joined + used, sizeof joined - used, "%s%s=%s", i > 0 ? "|" : "",
                       row.names[i], row.values[i]);
    }
    assert_string_equal(joined, expected);
    rows_free(&memory);
}

static void check_text(const struct data_file *file, uint64_t number, const char *expected)
{
    struct rows_memory memory = {.count = 0};
    struct data_row row;

    assert_int_equal(data_file_read(file, number, rows_allocate, &memory, &row, NULL), 0);
    assert_string_equal(row.text, expected);
    rows_free(&memory);
}

static void test_csv(void **state _unused_)
{
    _cleanup_(data_file_freep) struct data_file *file = made(
        "people.csv", "\xEF\xBB\xBF"
                      "name,say\r\n\r\nada,\"hello, \"\"you\"\"\"\r\n\r\n\r\nbob,\"two\nlines\""
                      "\neve,");

    assert_int_equal(data_file_count(file), 3);
    check_row(file, 0, "name=ada|say=hello, \"you\"");
    check_row(file, 1, "name=bob|say=two\nlines");
    check_row(file, 2, "name=eve|say=");
    check_row(file, 0, "name=ada|say=hello, \"you\"");
    check_text(file, 0, "ada,\"hello, \"\"you\"\"\"");
    check_text(file, 1, "bob,\"two\nlines\"");
    check_text(file, 2, "eve,");
    assert_int_equal(data_file_line(file, 0), 3);
    assert_int_equal(data_file_line(file, 1), 6);
    assert_int_equal(data_file_line(file, 2), 8);
}

static void test_json_lines(void **state _unused_)
{
    static const char *const names[] = {"a.jsonl", "a.ndjson", "a.json", "a.JSONL"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        _cleanup_(data_file_freep) struct data_file *file =
            made(names[i], "\xEF\xBB\xBF{\"a\": 1}\r\n\n  \t\r\n {\"a\": [2]} \n{\"b\": \"x\"}");
        assert_int_equal(data_file_count(file), 3);
        check_row(file, 0, "a=1");
        check_row(file, 1, "a=[2]");
        check_row(file, 2, "b=x");
        check_text(file, 0, "{\"a\": 1}");
        check_text(file, 1, " {\"a\": [2]} ");
        assert_int_equal(data_file_line(file, 1), 4);
        assert_int_equal(data_file_line(file, 2), 5);
    }
}

static void test_separator(void **state _unused_)
{
    _cleanup_(data_file_freep) struct data_file *file = NULL;

    write_file("semicolons", "a;b\n1,5;2\n", 0600);
    assert_int_equal(data_file_open(&file, "semicolons", ';', NULL, NULL, NULL), 0);
    check_row(file, 0, "a=1,5|b=2");
}

static void count_turn(void *context)
{
    ++*(unsigned *)context;
}

/* More rows than there are steps between kept lines, more bytes than are read at a time, and rows
 * across the seams. */
static void test_many_rows(void **state _unused_)
{
    const unsigned count = 100000;
    FILE *stream = fopen("many.csv", "we");
    _cleanup_(data_file_freep) struct data_file *file = NULL;
    unsigned turns = 0;

    assert_non_null(stream);
    (void)fprintf(stream, "n,text\n");
    for (unsigned i = 0; i < count; i++) {
        (void)fprintf(stream, i % 3 == 0 ? "%u,\"a\n%u\"\n" : "%u,b%u\n", i, i);
    }
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(data_file_open(&file, "many.csv", ',', count_turn, &turns, NULL), 0);
    assert_int_equal(data_file_count(file), count);
    assert_true(turns > 3);
    for (unsigned i = 0; i < count; i += 997) {
        char expected[100];
        (void)snprintf(expected, sizeof expected, i % 3 == 0 ? "n=%u|text=a\n%u" : "n=%u|text=b%u",
                       i, i);
        check_row(file, i, expected);
        assert_int_equal(data_file_line(file, i), 2 + i + (i + 2) / 3);
    }
}

static void test_what_is_wrong(void **state _unused_)
{
    static const struct {
        const char *path, *text, *error;
        int code;
    } cases[] = {
        {"e.csv", "", "e.csv: is empty; a first line with the names of the columns is expected",
         -EBADMSG},
        {"e.csv", "\n\n", "e.csv: is empty; a first line with", -EBADMSG},
        {"e.csv", "a,b\n", "e.csv: there are no rows in it", -EBADMSG},
        {"e.jsonl", "\n", "e.jsonl: there are no rows in it", -EBADMSG},
        {"e.csv", "a,b\n1,2\n3\n", "e.csv: line 3: 1 value, but there are 2 columns", -EBADMSG},
        {"e.csv", "a\n\n1,2,3\n", "e.csv: line 3: 3 values, but there is 1 column", -EBADMSG},
        {"e.csv", "a,b\n1,\"2\n", "e.csv: line 2: a quote opens there and is not closed", -EBADMSG},
        {"e.csv", "\na,b,a\n1,2,3", "e.csv: line 2: two columns are called 'a'", -EBADMSG},
    };
    struct data_file *file = NULL;
    struct error error;
    char here[200];

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        write_file(cases[i].path, cases[i].text, 0600);
        assert_int_equal(data_file_open(&file, cases[i].path, ',', NULL, NULL, &error),
                         cases[i].code);
        if (strstr(error.text, cases[i].error) != error.text) {
            fail_msg("%s", error.text);
        }
    }
    assert_int_equal(data_file_open(&file, "none.csv", ',', NULL, NULL, &error), -ENOENT);
    (void)snprintf(here, sizeof here,
                   "none.csv: it isn't there, in the test's directory %s (--include-file takes "
                   "files there)",
                   temporary_dir);
    assert_string_equal(error.text, here);
    assert_int_equal(data_file_open(&file, "/none.csv", ',', NULL, NULL, &error), -ENOENT);
    assert_string_equal(error.text, "/none.csv: cannot read it: No such file or directory");
    assert_int_equal(data_file_open(&file, ".", ',', NULL, NULL, &error), -EINVAL);
    assert_string_equal(error.text, ".: it is no regular file");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(data_file_open(&file, "fifo", ',', NULL, NULL, &error), -EINVAL);
    assert_null(file);
}

static void test_columns_without_a_name(void **state _unused_)
{
    _cleanup_(data_file_freep) struct data_file *file = made("f.csv", "a,,\n1,2,3\n");
    check_row(file, 0, "a=1|=2|=3");
}

/* `count` letters and what is around them. */
static void write_long(const char *path, const char *before, size_t count, const char *after)
{
    FILE *stream = fopen(path, "we");

    assert_non_null(stream);
    (void)fputs(before, stream);
    for (size_t i = 0; i < count; i++) {
        (void)fputc('x', stream);
    }
    (void)fputs(after, stream);
    assert_int_equal(fclose(stream), 0);
}

static void test_limits(void **state _unused_)
{
    struct rows_memory memory = {.count = 0};
    struct data_file *file = NULL;
    struct data_row row;
    struct error error;

    write_long("long.csv", "a\n", DATA_FILE_MAX_ROW_BYTES, "\r\n\n\n");
    assert_int_equal(data_file_open(&file, "long.csv", ',', NULL, NULL, &error), -EBADMSG);
    write_long("long.csv", "a\n", DATA_FILE_MAX_ROW_BYTES - 1, "\r\n\n\nb");
    assert_int_equal(data_file_open(&file, "long.csv", ',', NULL, NULL, NULL), 0);
    assert_int_equal(data_file_count(file), 2);
    assert_int_equal(data_file_read(file, 0, rows_allocate, &memory, &row, NULL), 0);
    assert_int_equal(strlen(row.values[0]), DATA_FILE_MAX_ROW_BYTES - 1);
    rows_free(&memory);
    file = data_file_free(file);

    write_long("open.csv", "a\n\"", (size_t)DATA_FILE_MAX_ROW_BYTES + 300000, "");
    assert_int_equal(data_file_open(&file, "open.csv", ',', NULL, NULL, &error), -EBADMSG);
    assert_string_equal(error.text, "open.csv: line 2: a row of more than 1048576 bytes begins "
                                    "there (is a quote not closed?)");
    write_long("long.jsonl", "{}\n{\"a\":\"", DATA_FILE_MAX_ROW_BYTES, "\"}\n");
    assert_int_equal(data_file_open(&file, "long.jsonl", ',', NULL, NULL, &error), -EBADMSG);
    assert_string_equal(error.text, "long.jsonl: line 2: is longer than 1048576 bytes");
    FILE *stream = fopen("wide.csv", "we");
    assert_non_null(stream);
    for (unsigned i = 0; i < DATA_FILE_MAX_COLUMNS; i++) {
        (void)fprintf(stream, "c%u,", i);
    }
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(data_file_open(&file, "wide.csv", ',', NULL, NULL, &error), -EBADMSG);
    assert_string_equal(error.text, "wide.csv: line 1: 1001 columns, of 1000 at most");
    assert_null(file);
}

static void test_json_that_does_not_parse(void **state _unused_)
{
    _cleanup_(data_file_freep) struct data_file *file =
        made("wrong.jsonl", "{\"a\": 1}\n\n{\"a\": oops}\n[]\n");
    struct rows_memory memory = {.count = 0};
    struct data_row row;
    struct error error;

    check_row(file, 0, "a=1");
    assert_int_equal(data_file_read(file, 1, rows_allocate, &memory, &row, &error), -EBADMSG);
    assert_ptr_equal(strstr(error.text, "wrong.jsonl: line 3: not JSON: column 10: "), error.text);
    assert_int_equal(data_file_read(file, 2, rows_allocate, &memory, &row, &error), -EBADMSG);
    assert_string_equal(error.text, "wrong.jsonl: line 4: not a JSON object");
    rows_free(&memory);
}

static void test_a_file_that_is_changed_meanwhile(void **state _unused_)
{
    _cleanup_(data_file_freep) struct data_file *file = made("c.csv", "a,b\n1,2\n3,4\n");
    struct rows_memory memory = {.count = 0};
    struct data_row row;
    struct error error;

    write_file("c.csv", "a,b\n1,2\n\"", 0600);
    assert_int_equal(data_file_read(file, 1, rows_allocate, &memory, &row, &error), -EBADMSG);
    assert_string_equal(error.text, "c.csv: it was changed while it was in use");
    assert_true(data_file_line(file, 1) <= 3);
    write_file("c.csv", "a,b\n1,2\n1234", 0600);
    assert_int_equal(data_file_read(file, 1, rows_allocate, &memory, &row, &error), -EBADMSG);
    rows_free(&memory);
}

static void test_no_memory(void **state _unused_)
{
    _cleanup_(data_file_freep) struct data_file *file = made("m.csv", "a,b\n1,2\n");
    struct rows_memory memory = {.limit = 1};
    struct data_row row;
    struct error error;

    for (; memory.limit < 3; memory.limit++) {
        assert_int_equal(data_file_read(file, 0, rows_allocate, &memory, &row, &error), -ENOMEM);
        rows_free(&memory);
    }
    assert_int_equal(data_file_read(file, 0, rows_allocate, &memory, &row, &error), 0);
    rows_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_separator),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_columns_without_a_name),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_json_that_does_not_parse),
        cmocka_unit_test(test_a_file_that_is_changed_meanwhile),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, enter_temporary_dir, leave_temporary_dir);
}
