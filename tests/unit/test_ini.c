/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/ini.h"

/* What was visited, one line of text for each. */
struct seen {
    char text[4096];
    unsigned count;
};

static int note(const struct ini_line *line, void *context, struct error *error)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);

    if (line->key && strcmp(line->key, "stop") == 0) {
        return error_set(error, -EPERM, "stopped on line %u", line->number);
    }
    seen->count++;
    if (line->key) {
        (void)snprintf(seen->text + used, sizeof seen->text - used, "%u [%s] %s%s=%s\n",
                       line->number, line->section, line->continued ? "+" : "", line->key,
                       line->value);
    } else {
        (void)snprintf(seen->text + used, sizeof seen->text - used, "%u [%s]\n", line->number,
                       line->section);
    }
    return 0;
}

static int read_bytes(const char *bytes, size_t size, struct seen *seen, struct error *error)
{
    *seen = (struct seen){.count = 0};
    FILE *file = fmemopen((void *)bytes, size, "r");
    assert_non_null(file);
    int r = ini_file_read(file, "run.ini", note, seen, error);
    fclose(file);
    return r;
}

static int read_text(const char *text, struct seen *seen, struct error *error)
{
    return read_bytes(text, strlen(text), seen, error);
}

static void test_everything_that_is_allowed(void **state _unused_)
{
    struct seen seen;
    struct error error;

    assert_int_equal(read_text("# comment\n"
                               "; another\n"
                               "\n"
                               "[loads]\r\n"
                               "users = 10:20\r\n"
                               "output =\n"
                               "    json=a.json\n"
                               "    # comment\n"
                               "\n"
                               "    [::1]\n"
                               "    k = v\n"
                               "tag: a=b\n"
                               "[ next ]   ; comment\n"
                               "  url = http://h/?a=1;b=2 ; comment\n"
                               "last=",
                               &seen, &error),
                     0);
    assert_string_equal(seen.text, "4 [loads]\n"
                                   "5 [loads] users=10:20\n"
                                   "6 [loads] output=\n"
                                   "7 [loads] +output=json=a.json\n"
                                   "10 [loads] +output=[::1]\n"
                                   "11 [loads] +output=k = v\n"
                                   "12 [loads] tag=a=b\n"
                                   "13 [ next ]\n"
                                   "14 [ next ] url=http://h/?a=1;b=2\n"
                                   "15 [ next ] last=\n");
}

static void test_byte_order_mark(void **state _unused_)
{
    struct seen seen;

    assert_int_equal(read_text("\xEF\xBB\xBF[loads]\na=1\n", &seen, NULL), 0);
    assert_string_equal(seen.text, "1 [loads]\n2 [loads] a=1\n");
    assert_int_equal(read_text("\n", &seen, NULL), 0);
    assert_int_equal(seen.count, 0);
}

static void test_syntax_errors(void **state _unused_)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[loads]\nusers 10\n", "run.ini:2: neither 'key = value' nor '[section]'"},
        {"[loads]\nusers 10\n[x] y\nz=1", "run.ini:2: neither 'key = value' nor '[section]'"},
        {"[loads\nusers=1\n", "run.ini:1: '[' without ']'"},
        {"[loads] users=1\n", "run.ini:1: text behind '[loads]'"},
        {"\n\nx=1\nstop=2\nx=3\n", "stopped on line 4"},
    };
    struct seen seen;
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_true(read_text(cases[i].text, &seen, &error) < 0);
        assert_string_equal(error.text, cases[i].error);
    }
    assert_int_equal(seen.count, 1); /* nothing behind the error */
    assert_int_equal(read_text("stop=1\n", &seen, NULL), -EPERM);
}

/* The visitor was told what follows a line that is wrong, and once took a line both for a section
 * and for the value of a key before it. */
static void test_nothing_is_told_behind_an_error(void **state _unused_)
{
    struct seen seen;
    struct error error;

    assert_int_equal(read_text("[a]\nwrong\nk = v\n[b]\nx\n", &seen, &error), -EINVAL);
    assert_string_equal(seen.text, "1 [a]\n");
    assert_string_equal(error.text, "run.ini:2: neither 'key = value' nor '[section]'");

    assert_int_equal(read_text("[a]\nk =\n[v;c ; b]\n [c]\n", &seen, &error), -EINVAL);
    assert_string_equal(seen.text, "1 [a]\n2 [a] k=\n");
    assert_string_equal(error.text, "run.ini:3: '[' without ']'");
}

/* inih would take the rest of a long line for another one. */
static void test_long_lines(void **state _unused_)
{
    char text[600] = "[loads]\nkey=";
    size_t start = strlen(text);
    struct seen seen;
    struct error error;

    memset(text + start, 'x', 195);
    strcpy(text + start + 195, "\nb=2\n"); /* 199 bytes in that line */
    assert_int_equal(read_text(text, &seen, &error), 0);
    assert_int_equal(seen.count, 3);

    memset(text + start, 'x', 196);
    strcpy(text + start + 196, "\nb=2\n");
    assert_int_equal(read_text(text, &seen, &error), -EINVAL);
    assert_string_equal(error.text, "run.ini:2: the line is longer than 199 bytes");
    assert_int_equal(seen.count, 1);

    memset(text, '#', 500);
    assert_int_equal(read_text(text, &seen, &error), -EINVAL);
}

static void test_other_bad_bytes(void **state _unused_)
{
    static const char zero[] = "[loads]\na=1\0b=2\n";
    _cleanup_free_ char *many = calloc(INI_FILE_MAX_LINES + 2, 1);
    struct seen seen;
    struct error error;

    assert_int_equal(read_bytes(zero, sizeof zero - 1, &seen, &error), -EINVAL);
    assert_string_equal(error.text, "run.ini:2: a zero byte: this is not a text file");

    assert_non_null(many);
    memset(many, '\n', INI_FILE_MAX_LINES);
    assert_int_equal(read_text(many, &seen, &error), 0);
    memset(many, '\n', INI_FILE_MAX_LINES + 1);
    assert_int_equal(read_text(many, &seen, &error), -EINVAL);
    assert_string_equal(error.text, "run.ini:10001: the file has more than 10000 lines");

    FILE *folder = fopen("/", "r");
    assert_non_null(folder);
    assert_int_equal(ini_file_read(folder, "/", note, &seen, &error), -EISDIR);
    fclose(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_that_is_allowed),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_syntax_errors),
        cmocka_unit_test(test_nothing_is_told_behind_an_error),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_other_bad_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
