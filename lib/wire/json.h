/* SPDX-License-Identifier: MPL-2.0 */
/* The home of jansson: nothing else in lib/ below run includes it. For a cleanup attribute it has
 * json_decrefp() itself. */
#ifndef LOADS_WIRE_JSON_H
#define LOADS_WIRE_JSON_H

#include <jansson.h>

#include "base/error.h"

/* Reads one JSON object of at most `max_bytes`. -EBADMSG: it isn't one (keys that stand twice,
 * bytes that are not UTF-8, anything behind it), -E2BIG, -ENOMEM; each with a text. */
int wire_json_load(const char *bytes, size_t size, size_t max_bytes, json_t **ret,
                   struct error *error) _must_check_;

/* Reads one JSON value of any kind. As above, but not bounded; `reason` (may be NULL) says where it
 * went wrong. */
int wire_json_load_any(const char *bytes, size_t size, json_t **ret, json_error_t *reason)
    _must_check_;

/* The same, but keys that stand twice are an error. */
int wire_json_load_row(const char *bytes, size_t size, json_t **ret, json_error_t *reason)
    _must_check_;

/* How deep brackets are nested, whatever else is wrong. Reading is recursive: a small stack holds
 * so many levels only. */
size_t wire_json_depth(const char *bytes, size_t size);

/* Writes JSON in one line, keys in the order they were put in. The text is malloc'ed, the caller's.
 * -ENOMEM. */
int wire_json_dump(const json_t *json, char **ret) _must_check_;

#endif
