/* SPDX-License-Identifier: MPL-2.0 */
/* Log lines: to the journal with structured fields when stderr is the journal, else to stderr as
 * "PROGRAM: text". Libraries don't log above debug; who handles an error logs it, once. */
#ifndef LOADS_BASE_LOG_H
#define LOADS_BASE_LOG_H

#include <syslog.h>

#include "base/events.h"
#include "base/macros.h"

/* Names the program and sets the least important level that is shown (LOG_ERR … LOG_DEBUG). */
void log_open(const char *program, int level);

/* From here on a line on a terminal takes the place of what stands there from the current line on:
 * how far the run is, which another process draws. */
void log_over_progress(void);

/* What text of others' that begins a line of standard error has to begin with for the same; "" if
 * there is nothing to take the place of. */
const char *log_line_start(void);

/* One structured field beside the text, such as {"RUN_ID", id}; value NULL: left out. */
struct log_field {
    const char *name;
    const char *value;
};

void log_fields(int level, const struct log_field *fields, size_t count, const char *format, ...)
    _printf_(4, 5);

/* The same about something that operators search for: its level and id are the table's. */
void log_event(enum log_event event, const struct log_field *fields, size_t count,
               const char *format, ...) _printf_(4, 5);

#define log_error(...)   log_fields(LOG_ERR, NULL, 0, __VA_ARGS__)
#define log_warning(...) log_fields(LOG_WARNING, NULL, 0, __VA_ARGS__)
#define log_notice(...)  log_fields(LOG_NOTICE, NULL, 0, __VA_ARGS__)
#define log_info(...)    log_fields(LOG_INFO, NULL, 0, __VA_ARGS__)
#define log_debug(...)   log_fields(LOG_DEBUG, NULL, 0, __VA_ARGS__)

#endif
