/* SPDX-License-Identifier: MPL-2.0 */
/* A line of JSON as a row of named texts. */
#ifndef LOADS_WIRE_JSON_ROW_H
#define LOADS_WIRE_JSON_ROW_H

#include <stddef.h>

#include "base/error.h"

#define JSON_ROW_MAX_DEPTH 100

/* Names and values, `count` of each, in the order in which they stand there. */
struct json_row {
    size_t count;
    const char **names, **values;
};

/* Reads one JSON object. A value that is a string becomes its text, another one its JSON. All
 * memory comes from allocate(context, size), which returns NULL when there is none. -EBADMSG: it
 * isn't an object, or nested too deeply; the text has the column. -ENOMEM. */
int json_row_read(const char *bytes, size_t size, void *(*allocate)(void *context, size_t size),
                  void *context, struct json_row *ret, struct error *error) _must_check_;

#endif
