/* SPDX-License-Identifier: MPL-2.0 */
/* What the files that implement loads/loads.h share. */
#ifndef LOADS_WORKER_CALL_H
#define LOADS_WORKER_CALL_H

#include <stdbool.h>

#include "loads/loads.h"
#include "metrics/names.h"

/* Whether a call with this user may do its work: it is the one that runs, on its own stack, and not
 * on its way out. */
bool call_allowed(const loads_user *user);

/* Whether it is the one that runs, on its own stack; it may be on its way out. */
bool call_owned(const loads_user *user);

/* The user for calls that don't name one; NULL: there is none, or it is on its way out. */
loads_user *call_user(void);

/* What a request gets while its user is on its way out. */
loads_response *call_refused(void);

/* Counts an error or failure and leaves the iteration. `file` "" when there is no place. */
void call_fail(loads_user *user, enum error_kind kind, const char *class, const char *file,
               int line, const char *message) __attribute__((noreturn));

#endif
