/* SPDX-License-Identifier: MPL-2.0 */
/* A run on this machine, from the options to the exit code. */
#ifndef LOADS_RUNNER_LOCAL_RUN_H
#define LOADS_RUNNER_LOCAL_RUN_H

#include "base/error.h"
#include "options.h"

/* What loads-runner exits with; docs/loads-runner.md has the table. */
enum exit_code {
    EXIT_PASSED = 0,
    EXIT_FAILED = 1, /* some test failed or had an error */
    EXIT_USAGE = 2,  /* usage, configuration, a test that can't be found or built */
    EXIT_ABORTED = 4,
    EXIT_INTERRUPTED = 130,
};

/* Runs to the end. What goes wrong is said on standard error. */
enum exit_code local_run(const struct runner_options *options);

/* Lists the tests of options->list on standard output. */
enum exit_code local_list(const struct runner_options *options);

#endif
