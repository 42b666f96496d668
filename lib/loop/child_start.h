/* SPDX-License-Identifier: MPL-2.0 */
/* How a child comes to be, for child.c: from fork() to exec(). */
#ifndef LOADS_LOOP_CHILD_START_H
#define LOADS_LOOP_CHILD_START_H

#include "loop/child.h"

/* Starts the program with `error_fd` as its descriptor 2, and waits until it is that program: 0, or
 * -errno of what didn't succeed, and there is no child. */
int child_start(pid_t *ret, const struct child_options *options, int error_fd) _must_check_;

#endif
