/* SPDX-License-Identifier: MPL-2.0 */
/* Runs a program to its end, without a shell. Blocks: for processes that prepare, not for loops. */
#ifndef LOADS_WORKER_COMMAND_H
#define LOADS_WORKER_COMMAND_H

#include <stdbool.h>

#include "base/strlist.h"

struct command {
    const struct strlist *words; /* the program, looked up in $PATH, and its arguments */
    const char *directory;       /* to run in */
    bool mute;                   /* its stderr is dropped; else it is ours */

    /* Gets what it writes to stdout; NULL: stdout is dropped (our own stays untouched). */
    void (*output)(const void *bytes, size_t size, void *context);
    void *context;
};

/* Returns the exit status (0 to 255), 256 + signal for a program that a signal ended, or -errno: it
 * could not be started (-ENOENT: there is no such program) or read from. */
int command_run(const struct command *command) _must_check_;

#endif
