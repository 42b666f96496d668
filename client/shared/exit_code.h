/* SPDX-License-Identifier: MPL-2.0 */
/* What programs exit with; docs/loads-runner.md has the table. */
#ifndef LOADS_SHARED_EXIT_CODE_H
#define LOADS_SHARED_EXIT_CODE_H

enum exit_code {
    EXIT_PASSED = 0,
    EXIT_FAILED = 1,     /* some test failed or had an error */
    EXIT_USAGE = 2,      /* usage, configuration, a test that can't be found or built */
    EXIT_NO_BROKER = 3,  /* it (or the database) can't be reached, or doesn't answer */
    EXIT_ABORTED = 4,    /* the run was given up, lost an agent, or was refused */
    EXIT_THRESHOLD = 99, /* a threshold does not hold */
    EXIT_INTERRUPTED = 130,
};

#endif
