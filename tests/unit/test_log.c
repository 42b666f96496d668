/* SPDX-License-Identifier: MPL-2.0 */
/* Standard error is a file here, looked at after each line. What would go to the journal is taken
 * by
 * __wrap_sd_journal_sendv_with_location(), as the linker is told to. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/error.h"
#include "base/log.h"

struct capture {
    int file, before;
    char text[16384];
};

/* The fields of the last entry, each with a '|' behind it. */
static char entry[1 << 18];
static unsigned entries;

/* What sd_journal_sendv() is in <systemd/sd-journal.h>. */
int __wrap_sd_journal_sendv_with_location(const char *file, const char *line, const char *function,
                                          const struct iovec *fields, int count);

int __wrap_sd_journal_sendv_with_location(const char *file, const char *line, const char *function,
                                          const struct iovec *fields, int count)
{
    size_t used = 0;

    assert_non_null(strstr(file, "CODE_FILE="));
    assert_non_null(strstr(line, "CODE_LINE="));
    assert_string_equal(function, "send_to_journal");
    for (int i = 0; i < count; i++) {
        assert_in_range(fields[i].iov_len, 1, sizeof entry - 2 - used);
        memcpy(entry + used, fields[i].iov_base, fields[i].iov_len);
        used += fields[i].iov_len;
        entry[used++] = '|';
    }
    entry[used] = '\0';
    entries++;
    return 0;
}

/* As systemd tells a service whose standard error is the journal's. */
static void open_journal(int level)
{
    struct stat status;
    char stream[64];

    assert_int_equal(fstat(2, &status), 0);
    (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino); /* it fits */
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_open("loads-test", level);
    entries = 0;
    entry[0] = '\0';
}

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

static void test_line_start(void **state _unused_)
{
    log_over_progress(); /* standard error is no terminal here */
    assert_string_equal(log_line_start(), "");
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

static void test_journal(void **state)
{
    const struct log_field fields[] = {{"RUN_ID", "1234"}, {"AGENT_ID", NULL}, {"USERS", "7"}};

    open_journal(LOG_INFO);
    log_fields(LOG_ERR, fields, ELEMENTSOF(fields), "run %d", 5);
    assert_string_equal(
        entry, "MESSAGE=run 5|PRIORITY=3|SYSLOG_IDENTIFIER=loads-test|RUN_ID=1234|USERS=7|");
    log_info("plain");
    assert_string_equal(entry, "MESSAGE=plain|PRIORITY=6|SYSLOG_IDENTIFIER=loads-test|");
    log_debug("no");
    assert_int_equal(entries, 2);
    assert_string_equal(captured(*state), "");
}

/* The table has level and id. */
static void test_events(void **state)
{
    const struct log_field fields[] = {{"AGENT_ID", "box1-1"}};

    open_journal(LOG_WARNING);
    log_event(EVENT_AGENT_LOST, fields, ELEMENTSOF(fields), "agent %s", "is gone");
    assert_string_equal(entry, "MESSAGE=agent is gone|PRIORITY=4|SYSLOG_IDENTIFIER=loads-test|"
                               "MESSAGE_ID=e4d0054497f54582bb9fbd49184d652e|AGENT_ID=box1-1|");
    log_event(EVENT_AGENT_JOINED, fields, ELEMENTSOF(fields), "no");
    assert_int_equal(entries, 1);
    (void)unsetenv("JOURNAL_STREAM"); /* fails only for bad names */
    log_open("loads-test", LOG_INFO);
    log_event(EVENT_AGENT_JOINED, fields, ELEMENTSOF(fields), "agent %s", "is here");
    assert_string_equal(captured(*state), "loads-test: agent is here\n");
}

/* A line that is too long is cut, fields that are too many are left out. */
static void test_journal_limits(void **state)
{
    static char text[8192];
    struct log_field fields[40];

    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        fields[i] = (struct log_field){"FIELD", text};
    }
    open_journal(LOG_INFO);
    log_fields(LOG_INFO, fields, ELEMENTSOF(fields), "%s", text);
    assert_in_range(strcspn(entry, "|"), 1000, 6000);
    size_t count = 0;
    for (const char *field = entry; *field; field = strchr(field, '|') + 1) {
        if (strncmp(field, "FIELD=", 6) == 0) {
            assert_int_equal(strcspn(field, "|"), 6 + sizeof text - 1);
            count++;
        }
    }
    assert_in_range(count, 8, ELEMENTSOF(fields) - 1);
    assert_int_equal(entries, 1);
    assert_string_equal(captured(*state), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_program_and_text, begin, end),
        cmocka_unit_test_setup_teardown(test_line_start, begin, end),
        cmocka_unit_test_setup_teardown(test_level, begin, end),
        cmocka_unit_test_setup_teardown(test_fields_are_not_text, begin, end),
        cmocka_unit_test_setup_teardown(test_long_lines_are_cut_and_end, begin, end),
        cmocka_unit_test_setup_teardown(test_another_stream_than_the_journals, begin, end),
        cmocka_unit_test_setup_teardown(test_journal, begin, end),
        cmocka_unit_test_setup_teardown(test_events, begin, end),
        cmocka_unit_test_setup_teardown(test_journal_limits, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
