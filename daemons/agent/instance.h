/* SPDX-License-Identifier: MPL-2.0 */
/* Which of the agents of this machine we are. */
#ifndef LOADS_AGENT_INSTANCE_H
#define LOADS_AGENT_INSTANCE_H

#include "base/error.h"

#define INSTANCE_MAX       1000
#define INSTANCE_MAX_BYTES 64

/* Whether it can name one: letters, digits, '-', '_', '.', not '.' first. -EINVAL with a text. */
int instance_check(const char *name, struct error *error) _must_check_;

/* Takes the name for as long as *ret_lock is open: that which is asked for, or (NULL) the first
 * number from 1 that nobody has. *ret_name is malloc'ed, the caller's. -EBUSY: somebody has it;
 * other -errno; each with a text. */
int instance_take(const char *directory, const char *wanted, char **ret_name, int *ret_lock,
                  struct error *error) _must_check_;

#endif
