/* SPDX-License-Identifier: MPL-2.0 */
/* A cluster from its start to its end. */
#ifndef LOADS_CLUSTER_CLUSTER_H
#define LOADS_CLUSTER_CLUSTER_H

#include "command.h"
#include "options.h"

/* Starts all, runs the command, stops all. Says what goes wrong. What to exit with: the command's
 * code, or if there was none COMMAND_NOT_STARTED, or 128 and the signal that we were ended by. */
int cluster_run(const struct cluster_options *options, const struct command *command);

#endif
