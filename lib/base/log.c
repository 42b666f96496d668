/* SPDX-License-Identifier: MPL-2.0 */
/* One line, one write: several processes share a terminal, and their lines must not mix. Whether
 * stderr is the journal is decided as systemd documents it, by comparing $JOURNAL_STREAM with the
 * device and inode of the descriptor. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "base/error.h"

#define LINE_BYTES (ERROR_TEXT_BYTES + 64) /* a whole error text and what stands before it */
#define MAX_FIELDS 16

static const struct {
    int level;
    const char *id;
} events[LOG_EVENTS_COUNT] = {
#define X(name, level, id) [EVENT_##name] = {level, id},
    LOG_EVENTS(X)
#undef X
};

static const char *program_name = "loads";
static int max_level = LOG_INFO;
static bool to_journal;
static const char *line_start = "";

static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long device, inode;
    struct stat status;

    return stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 && fstat(2, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

void log_open(const char *program, int level)
{
    program_name = program;
    max_level = level;
    to_journal = stderr_is_journal();
}

void log_over_progress(void)
{
    const char *term = getenv("TERM");
    bool draws = isatty(STDERR_FILENO) && (!term || strcmp(term, "dumb") != 0);

    line_start = draws ? "\r\033[J" : "";
}

const char *log_line_start(void)
{
    return line_start;
}

/* "NAME=value" in memory of its own: users' stacks are small. The number of fields added. */
static int add_field(struct iovec *ret, const char *name, const char *value)
{
    char *text;
    int size = asprintf(&text, "%s=%s", name, value);

    if (size < 0) {
        return 0;
    }
    *ret = (struct iovec){text, (size_t)size};
    return 1;
}

/* `id` NULL: it is no event. */
static void send_to_journal(int level, const char *id, const struct log_field *fields, size_t count,
                            const char *text)
{
    struct iovec vector[MAX_FIELDS + 4];
    int used = 0;

    /* What finds no memory is left out: the rest of the line is worth having. */
    used += add_field(&vector[used], "MESSAGE", text);
    char priority[8];
    (void)snprintf(priority, sizeof priority, "%d", level);
    used += add_field(&vector[used], "PRIORITY", priority);
    used += add_field(&vector[used], "SYSLOG_IDENTIFIER", program_name); /* for journalctl -t */
    used += id ? add_field(&vector[used], "MESSAGE_ID", id) : 0;
    for (size_t i = 0; i < count && i < MAX_FIELDS; i++) {
        used += fields[i].value ? add_field(&vector[used], fields[i].name, fields[i].value) : 0;
    }
    (void)sd_journal_sendv(vector, used); /* a journal that is away can't be told of it */
    for (int i = 0; i < used; i++) {
        free(vector[i].iov_base);
    }
}

static _printf_(5, 0) void put(int level, const char *id, const struct log_field *fields,
                               size_t count, const char *format, va_list arguments)
{
    char text[LINE_BYTES];

    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    if (to_journal) {
        send_to_journal(level, id, fields, count, text);
        return;
    }
    char line[LINE_BYTES + 64];
    int length = snprintf(line, sizeof line, "%s%s: %s\n", line_start, program_name, text);
    (void)!write(2, line, MIN((size_t)length, sizeof line - 1)); /* stderr closed: nobody to tell */
}

void log_fields(int level, const struct log_field *fields, size_t count, const char *format, ...)
{
    if (level <= max_level) {
        va_list arguments;
        va_start(arguments, format);
        put(level, NULL, fields, count, format, arguments);
        va_end(arguments);
    }
}

void log_event(enum log_event event, const struct log_field *fields, size_t count,
               const char *format, ...)
{
    if (events[event].level <= max_level) {
        va_list arguments;
        va_start(arguments, format);
        put(events[event].level, events[event].id, fields, count, format, arguments);
        va_end(arguments);
    }
}
