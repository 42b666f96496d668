/* SPDX-License-Identifier: MPL-2.0 */
/* Control sockets of this machine that nobody has written down. */
#ifndef LOADS_BROKER_WAKE_FIND_H
#define LOADS_BROKER_WAKE_FIND_H

#include <stdbool.h>

#include "base/strlist.h"

/* Whether an address stands for all that match it, such as ipc:///run/loads/agent-*.sock. Only the
 * last part of a path can be a pattern. */
bool wake_is_pattern(const char *address);

/* Appends the addresses of the sockets that match a pattern and aren't in the list yet, until it
 * has `max` of them. -ENOMEM: some are missing. A directory that can't be read has none. */
int wake_find(const char *pattern, size_t max, struct strlist *list) _must_check_;

#endif
