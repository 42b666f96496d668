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
#include <systemd/sd-journal.h>

#define LINE_BYTES 2048
#define MAX_FIELDS 16

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
    bool bars = isatty(STDERR_FILENO) && (!term || strcmp(term, "dumb") != 0);

    line_start = bars ? "\r\033[K" : "";
}

static void send_to_journal(int level, const struct log_field *fields, size_t count,
                            const char *text)
{
    char lines[MAX_FIELDS + 2][LINE_BYTES];
    struct iovec vector[MAX_FIELDS + 2];
    int used = 0;

    (void)snprintf(lines[used++], LINE_BYTES, "MESSAGE=%s", text);
    (void)snprintf(lines[used++], LINE_BYTES, "PRIORITY=%d", level);
    for (size_t i = 0; i < count && i < MAX_FIELDS; i++) {
        if (fields[i].value) {
            (void)snprintf(lines[used++], LINE_BYTES, "%s=%s", fields[i].name, fields[i].value);
        }
    }
    for (int i = 0; i < used; i++) {
        vector[i] = (struct iovec){lines[i], strlen(lines[i])};
    }
    (void)sd_journal_sendv(vector, used); /* a journal that is away can't be told of it */
}

void log_fields(int level, const struct log_field *fields, size_t count, const char *format, ...)
{
    if (level > max_level) {
        return;
    }
    char text[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    if (to_journal) {
        send_to_journal(level, fields, count, text);
        return;
    }
    char line[LINE_BYTES + 64];
    int length = snprintf(line, sizeof line, "%s%s: %s\n", line_start, program_name, text);
    (void)!write(2, line, MIN((size_t)length, sizeof line - 1)); /* stderr closed: nobody to tell */
}
