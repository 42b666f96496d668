/* SPDX-License-Identifier: MPL-2.0 */
/* Standard error is a file here, looked at after each line. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/log.h"

struct capture {
    int file, before;
    char text[16384];
};

static int begin(void **state)
{
    static struct capture capture;

    (void)unsetenv("JOURNAL_STREAM"); /* fails only for bad names */
    capture.file = memfd_create("stderr", MFD_CLOEXEC);
    capture.before = fcntl(2, F_DUPFD_CLOEXEC, 3);
    *state = &capture;
    return capture.file >= 0 && capture.before >= 0 && dup2(capture.file, 2) == 2 ? 0 : -1;
}

static int end(void **state)
{
    struct capture *capture = *state;

    if (dup2(capture->before, 2) != 2) {
        return -1;
    }
    close_fd(capture->before);
    close_fd(capture->file);
    return 0;
}

static const char *captured(struct capture *capture)
{
    ssize_t n = pread(capture->file, capture->text, sizeof capture->text - 1, 0);

    capture->text[n > 0 ? n : 0] = '\0';
    return capture->text;
}

static void test_program_and_text(void **state)
{
    log_open("loads-test", LOG_INFO);
    log_info("%s: %d", "users", 7);
    assert_string_equal(captured(*state), "loads-test: users: 7\n");
}

static void test_level(void **state)
{
    log_open("loads-test", LOG_WARNING);
    log_debug("no");
    log_info("no");
    log_notice("no");
    log_warning("yes");
    log_error("yes");
    assert_string_equal(captured(*state), "loads-test: yes\nloads-test: yes\n");
}

/* Fields are for the journal. */
static void test_fields_are_not_text(void **state)
{
    const struct log_field fields[] = {{"RUN_ID", "1234"}, {"AGENT_ID", NULL}};

    log_open("loads-test", LOG_INFO);
    log_fields(LOG_INFO, fields, ELEMENTSOF(fields), "text");
    assert_string_equal(captured(*state), "loads-test: text\n");
}

static void test_long_lines_are_cut_and_end(void **state)
{
    static char text[8192];
    const char *line;

    memset(text, 'x', sizeof text - 1);
    log_open("loads-test", LOG_INFO);
    log_info("%s", text);
    line = captured(*state);
    assert_in_range(strlen(line), ERROR_TEXT_BYTES, ERROR_TEXT_BYTES + 200);
    assert_string_equal(line + strlen(line) - 2, "x\n");
}

/* A file that isn't the journal's stream gets text, whatever the environment says. */
static void test_another_stream_than_the_journals(void **state)
{
    assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    log_open("loads-test", LOG_INFO);
    log_info("here");
    assert_int_equal(setenv("JOURNAL_STREAM", "nonsense", 1), 0);
    log_open("loads-test", LOG_INFO);
    log_info("here, too");
    assert_string_equal(captured(*state), "loads-test: here\nloads-test: here, too\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_program_and_text, begin, end),
        cmocka_unit_test_setup_teardown(test_level, begin, end),
        cmocka_unit_test_setup_teardown(test_fields_are_not_text, begin, end),
        cmocka_unit_test_setup_teardown(test_long_lines_are_cut_and_end, begin, end),
        cmocka_unit_test_setup_teardown(test_another_stream_than_the_journals, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
