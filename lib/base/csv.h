/* SPDX-License-Identifier: MPL-2.0 */
/* Comma-separated values by RFC 4180, with any separator: where rows of a file lie, and what is in
 * one. Lines end with LF or CRLF; a value in quotes may have separators, line ends and doubled
 * quotes in it. A line with nothing in it is no row. */
#ifndef LOADS_BASE_CSV_H
#define LOADS_BASE_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum csv_state {
    CSV_ROW,      /* nothing of the next row was seen */
    CSV_ROW_CR,   /* a CR at its beginning */
    CSV_VALUE,    /* at the beginning of a value */
    CSV_PLAIN,    /* in one without quotes */
    CSV_QUOTED,   /* between quotes */
    CSV_QUOTE,    /* behind a quote that was in quotes: the value's end, or doubled */
    CSV_QUOTE_CR, /* a CR behind it */
};

/* A look at a file that comes in pieces. To begin with only the separator is set, and the offset if
 * it isn't 0. */
struct csv_scan {
    char separator;
    uint64_t offset; /* of the next byte */
    /* found() is given each row that is over. Other than 0 ends the scan. */
    int (*found)(const struct csv_scan *scan, void *context, struct error *error);
    void *context;

    uint64_t row_offset; /* where the row begins, */
    uint64_t row_lines;  /* how many lines are before it, */
    size_t values;       /* how many values it has, so far */
    enum csv_state state;
    uint64_t lines;       /* that are over */
    uint64_t quote_lines; /* before the last quote that opened */
};

/* The next bytes, the end of the file. -EBADMSG: they can't be such a file's; a text begins with
 * "line N: ". Else what found() returns. */
int csv_scan_bytes(struct csv_scan *scan, const char *bytes, size_t size, struct error *error)
    _must_check_;
int csv_scan_end(struct csv_scan *scan, struct error *error) _must_check_;

/* Takes the row apart that the bytes begin with, in place: values become NUL-terminated strings in
 * them, which must have room for a NUL behind the last one. The number of values, `max` at most;
 * -EBADMSG: no row that csv_scan_bytes() would have found, or more values. */
int csv_split(char *bytes, size_t size, char separator, char **values, size_t max) _must_check_;

#endif
