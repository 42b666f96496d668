/* SPDX-License-Identifier: MPL-2.0 */
/* A file of rows that tests are fed with: CSV, whose first row names the columns, or JSON lines,
 * one object each. It is looked through once, and remembered is where rows begin: eight bytes for
 * each; what is in them is read when it is asked for. */
#ifndef LOADS_RUN_DATA_FILE_H
#define LOADS_RUN_DATA_FILE_H

#include <stdint.h>

#include "base/error.h"

#define DATA_FILE_MAX_ROW_BYTES (1 << 20)
#define DATA_FILE_MAX_COLUMNS   1000

struct data_file;

struct data_row {
    uint64_t number;  /* of the file's rows, from 0 */
    const char *text; /* as it stands there, without its line end */
    size_t count;     /* of its names and values */
    const char *const *names, *const *values;
};

/* Opens and looks through it. Names that end in .json, .jsonl or .ndjson are JSON lines, others CSV
 * with that separator. turn(context) is called now and then (may be NULL). -errno with a text that
 * begins with the path: it isn't there, is no regular file, has no rows; -EBADMSG: a row is no CSV,
 * or has other than as many values as there are columns; with the line. JSON is only looked at when
 * it is read. */
int data_file_open(struct data_file **ret, const char *path, char separator,
                   void (*turn)(void *context), void *context, struct error *error) _must_check_;
struct data_file *data_file_free(struct data_file *file);
DEFINE_CLEANUP(struct data_file, data_file_free)

/* How many rows there are: 1 at least. */
uint64_t data_file_count(const struct data_file *file);

/* Reads a row, whose number must be below that, into memory of allocate(context, size), which
 * returns NULL when there is none. Names of CSV are the file's. -EBADMSG: the row is no JSON
 * object, or the file was changed; with a text that has path and line; -ENOMEM; other -errno of
 * reading. */
int data_file_read(const struct data_file *file, uint64_t number,
                   void *(*allocate)(void *context, size_t size), void *context,
                   struct data_row *ret, struct error *error) _must_check_;

/* The line of the file, from 1, in which a row begins. */
uint64_t data_file_line(const struct data_file *file, uint64_t number);

#endif
