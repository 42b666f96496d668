/* SPDX-License-Identifier: MPL-2.0 */
/* Header lines, "Name: value" without their line end: those of answers, and those that tests give.
 */
#ifndef LOADS_WORKER_HEADER_H
#define LOADS_WORKER_HEADER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* The longest line that a test may give. */
#define HEADER_MAX_BYTES ((size_t)64 * 1024)

/* A line taken apart. Both point into the line and don't end with NUL. */
struct header_field {
    const char *name, *value;
    size_t name_size, value_size;
};

/* Takes a line from outside apart; white space around name and value doesn't count, the value may
 * be empty. False: it isn't a header line (no colon, or a name that is no token). */
bool header_parse(const char *line, size_t size, struct header_field *ret);

/* Whether a field has this name, in any case. */
bool header_is(const struct header_field *field, const char *name);

/* The first of `lines` (NULL-terminated; NULL: none), from index `from` on, that has this name, in
 * any case: its index, with the line taken apart in *ret (may be NULL); -ENOENT. To see all, go on
 * from one behind it. */
ssize_t header_find(const char *const *lines, size_t from, const char *name,
                    struct header_field *ret);

/* Whether a test may send this line: a token, a colon, no CR, LF or NUL, at most HEADER_MAX_BYTES.
 * -EINVAL, with a text that quotes the line (cut) and says what is wrong. */
int header_check(const char *line, size_t size, struct error *error) _must_check_;

#endif
