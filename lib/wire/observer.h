/* SPDX-License-Identifier: MPL-2.0 */
/* How observers are named, and their options as texts: "email", and
 * "email.recipient=a@example.org". A name with dots is that of a callable in Python. */
#ifndef LOADS_WIRE_OBSERVER_H
#define LOADS_WIRE_OBSERVER_H

#include <stdbool.h>

#include "base/error.h"

#define OBSERVER_MAX_NAME_BYTES   100
#define OBSERVER_MAX              16 /* of a run */
#define OBSERVER_MAX_OPTIONS      100
#define OBSERVER_MAX_OPTION_BYTES 9000 /* a URL has room in it */
#define OBSERVER_MAX_KEY_BYTES    64

/* Letters, digits, '_' and '-', in parts with dots between; no part is empty or begins with '-'.
 * So it is never a path. -EINVAL with a text. */
int observer_check_name(const char *text, struct error *error) _must_check_;

/* Whether it is one of a callable in Python. */
bool observer_is_callable(const char *name);

/* "NAME.KEY=VALUE"; the KEY is what is behind the last dot before '='. The value is text without
 * control characters, and may be empty. -EINVAL with a text. */
int observer_check_option(const char *text, struct error *error) _must_check_;

/* Whether an option that passes the check is one of that observer. */
bool observer_option_is_of(const char *option, const char *name);

/* Its key, with '_' for each '-'; returns where its value is. */
const char *observer_option_split(const char *option, char key[static OBSERVER_MAX_KEY_BYTES + 1]);

#endif
