/* SPDX-License-Identifier: MPL-2.0 */
/* A state machine that looks at each byte once and keeps none, so that a file of any size can be
 * looked through in pieces. It is strict: a quote in the middle of a value, or something behind a
 * closing one, is a mistake more often than meant, and what follows would be read in another way by
 * each program. A CR that no LF follows is a letter like others. */
#include "base/csv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>

static int row_over(struct csv_scan *scan, struct error *error)
{
    scan->values++;
    scan->state = CSV_ROW;
    return scan->found ? scan->found(scan, scan->context, error) : 0;
}

static int wrong(const struct csv_scan *scan, const char *what, struct error *error)
{
    return error_set(error, -EBADMSG, "line %" PRIu64 ": %s", scan->lines + 1, what);
}

static void begin_row(struct csv_scan *scan, uint64_t before)
{
    scan->row_offset = scan->offset - before;
    scan->row_lines = scan->lines;
    scan->values = 0;
}

/* In front of a value. */
static void begin_value(struct csv_scan *scan, char c)
{
    if (c == '"') {
        scan->quote_lines = scan->lines;
        scan->state = CSV_QUOTED;
    } else if (c == scan->separator) {
        scan->values++;
        scan->state = CSV_VALUE;
    } else {
        scan->state = CSV_PLAIN;
    }
}

/* In a value without quotes, or at the beginning of any but the first of a row. */
static int in_value(struct csv_scan *scan, char c, struct error *error)
{
    if (c == '\n') {
        return row_over(scan, error);
    }
    if (scan->state == CSV_VALUE || c == scan->separator) {
        if (scan->state == CSV_PLAIN) {
            scan->values++;
            scan->state = CSV_VALUE;
        } else {
            begin_value(scan, c);
        }
    } else if (c == '"') {
        return wrong(scan, "a quote in a value that doesn't begin with one", error);
    }
    return 0;
}

static int behind_quote(struct csv_scan *scan, char c, struct error *error)
{
    if (c == '\n') {
        return row_over(scan, error);
    }
    if (scan->state == CSV_QUOTE && c == '"') {
        scan->state = CSV_QUOTED;
    } else if (scan->state == CSV_QUOTE && c == scan->separator) {
        scan->values++;
        scan->state = CSV_VALUE;
    } else if (scan->state == CSV_QUOTE && c == '\r') {
        scan->state = CSV_QUOTE_CR;
    } else {
        return wrong(scan,
                     "something stands behind a value's closing quote (a quote in a value is "
                     "doubled)",
                     error);
    }
    return 0;
}

static int step(struct csv_scan *scan, char c, struct error *error)
{
    switch (scan->state) {
    case CSV_ROW:
        begin_row(scan, 0);
        if (c == '\r') {
            scan->state = CSV_ROW_CR;
        } else if (c != '\n') {
            begin_value(scan, c);
        }
        return 0;
    case CSV_ROW_CR:
        if (c == '\n') {
            scan->state = CSV_ROW;
            return 0;
        }
        scan->state = CSV_PLAIN;
        return in_value(scan, c, error);
    case CSV_VALUE:
    case CSV_PLAIN:
        return in_value(scan, c, error);
    case CSV_QUOTED:
        if (c == '"') {
            scan->state = CSV_QUOTE;
        }
        return 0;
    case CSV_QUOTE:
    case CSV_QUOTE_CR:
        return behind_quote(scan, c, error);
    }
    return 0;
}

int csv_scan_bytes(struct csv_scan *scan, const char *bytes, size_t size, struct error *error)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\0') {
            return wrong(scan, "there is a NUL byte in it: it isn't text in UTF-8", error);
        }
        int r = step(scan, bytes[i], error);
        scan->offset++;
        scan->lines += bytes[i] == '\n' ? 1 : 0;
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

int csv_scan_end(struct csv_scan *scan, struct error *error)
{
    switch (scan->state) {
    case CSV_ROW:
    case CSV_ROW_CR:
        scan->state = CSV_ROW;
        return 0;
    case CSV_QUOTED:
        return error_set(error, -EBADMSG, "line %" PRIu64 ": a quote opens there and is not closed",
                         scan->quote_lines + 1);
    default:
        return row_over(scan, error);
    }
}

/* Where the line ends that an unquoted value is in: at an LF, with a CR before it, or at the end.
 */
static bool ends_here(const char *bytes, size_t size, size_t at, size_t *ret_behind)
{
    size_t cr = at < size && bytes[at] == '\r' ? 1 : 0;

    if (at + cr >= size) {
        *ret_behind = size;
        return true;
    }
    *ret_behind = at + cr + 1;
    return bytes[at + cr] == '\n';
}

/* The value in quotes at `at`, unquoted into `to`. Returns where it ends, 0 if nowhere. */
static size_t take_quoted(const char *bytes, size_t size, size_t at, char **to)
{
    for (at++; at < size; at++) {
        if (bytes[at] == '"' && !(at + 1 < size && bytes[at + 1] == '"')) {
            return at + 1;
        }
        at += bytes[at] == '"' ? 1 : 0;
        *(*to)++ = bytes[at];
    }
    return 0;
}

int csv_split(char *bytes, size_t size, char separator, char **values, size_t max)
{
    size_t at = 0, behind, count = 0;
    char *to = bytes;

    for (;;) {
        if (count == max) {
            return -EBADMSG;
        }
        values[count++] = to;
        if (at < size && bytes[at] == '"') {
            at = take_quoted(bytes, size, at, &to);
            if (at == 0) {
                return -EBADMSG;
            }
        } else {
            while (at < size && bytes[at] != separator && !ends_here(bytes, size, at, &behind)) {
                *to++ = bytes[at++];
            }
        }
        bool over = ends_here(bytes, size, at, &behind);
        if (!over && bytes[at] != separator) {
            return -EBADMSG;
        }
        *to++ = '\0'; /* in place of the separator, or of what ended the row */
        if (over) {
            return (int)count;
        }
        at++;
    }
}
