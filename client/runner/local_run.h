/* SPDX-License-Identifier: MPL-2.0 */
/* A run on this machine, from the options to the exit code. */
#ifndef LOADS_RUNNER_LOCAL_RUN_H
#define LOADS_RUNNER_LOCAL_RUN_H

#include "shared/exit_code.h"
#include "shared/run_options.h"

/* Runs to the end. debug_http: shows what the first user sends and gets. What goes wrong is said on
 * standard error. */
enum exit_code local_run(const struct run_options *options, bool debug_http);

/* Lists the tests of a module on standard output. */
enum exit_code local_list(const struct run_options *options, const char *module);

#endif
