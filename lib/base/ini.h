/* SPDX-License-Identifier: MPL-2.0 */
/* Configuration files: "[section]", "key = value", indented lines that go on with a value, comment
 * lines that begin with '#' or ';'; a ';' behind a blank begins a comment, too. */
#ifndef LOADS_BASE_INI_H
#define LOADS_BASE_INI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

#define INI_FILE_MAX_LINES 10000

/* One thing that stands in a file; all pointers are valid during the call only. */
struct ini_line {
    unsigned number;     /* of the line, from 1 */
    const char *section; /* "" before the first one */
    const char *key;     /* NULL: the line opens the section */
    const char *value;   /* without blanks around it; NULL beside a NULL key */
    bool continued;      /* the line goes on with the value of the key before */
};

/* Returns 0 to go on, or -errno with a text that names file and line itself (what is wrong may be
 * the line before). */
typedef int (*ini_visit)(const struct ini_line *line, void *context, struct error *error);

/* Reads a file; `name` is what it is called in texts. -EINVAL with "name:line: what is wrong" for
 * bad syntax and lines that are too long (inih has a buffer of 200 bytes), what `visit` returned,
 * or the -errno of reading. Stops at the first error. */
int ini_file_read(FILE *file, const char *name, ini_visit visit, void *context, struct error *error)
    _must_check_;

#endif
