/* SPDX-License-Identifier: MPL-2.0 */
/* What runs while the cluster does: a command, or a shell. */
#ifndef LOADS_CLUSTER_COMMAND_H
#define LOADS_CLUSTER_COMMAND_H

#include <stdbool.h>

#include "base/error.h"

struct command {
    const char *shell[2]; /* argv of a shell */
    const char *const *argv;
    int end_signal; /* what asks it to end */
};

/* What shells exit with, and what programs that run commands (timeout, env) have agreed on. */
enum command_exit {
    COMMAND_NOT_STARTED = 125, /* we failed */
    COMMAND_NOT_EXECUTABLE = 126,
    COMMAND_NOT_FOUND = 127,
};

/* The command, or $SHELL (NULL). `ret` stays where it is. -ENOENT, -EACCES, … with a text: it can't
 * be run. */
int command_choose(struct command *ret, char *const *argv, struct error *error) _must_check_;

/* What to exit with when a command can't be run for that reason. */
int command_failure_code(int r);

/* What to exit with when it ended with a status as of waitpid(). */
int command_exit_code(int status);

#endif
