/* SPDX-License-Identifier: MPL-2.0 */
/* A program that gets an output on its standard input. */
#ifndef LOADS_OUTPUTS_EXEC_H
#define LOADS_OUTPUTS_EXEC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

struct exec;

/* Starts a command, whose words are taken apart as a shell does it. Its standard output and error
 * are ours. -errno with a text when there is no such program. */
int exec_start(struct exec **ret, const char *command, uint64_t timeout_usec, struct error *error)
    _must_check_;

/* A stream to it, the caller's to close, before exec_end(). What a slow program doesn't take yet is
 * kept, some megabytes of it; then writing waits, as closing does. It fails for good when the
 * program took nothing for the timeout, or is gone. NULL: no memory. */
FILE *exec_stream(struct exec *exec);

/* Whether there is room to write without waiting; never waits itself. -errno: writing failed, see
 * exec_failure(). To be called now and then while something may be kept. */
int exec_takes_more(struct exec *exec, bool *ret) _must_check_;

/* Why writing failed: -errno with a text. A program that took nothing is told to end. */
int exec_failure(struct exec *exec, struct error *error) _must_check_;

/* Waits for its end, for the timeout at most; then it is told to, and killed. -errno with a text
 * unless it ended by itself, with status 0. */
int exec_end(struct exec *exec, struct error *error) _must_check_;

/* One that is still there is killed. */
struct exec *exec_free(struct exec *exec);
DEFINE_CLEANUP(struct exec, exec_free)

#endif
