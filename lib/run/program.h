/* SPDX-License-Identifier: MPL-2.0 */
/* Where the suite's other programs are. */
#ifndef LOADS_RUN_PROGRAM_H
#define LOADS_RUN_PROGRAM_H

#include "base/error.h"

/* Path of a program such as "loads-worker": beside the running one (a build directory), else where
 * it is installed, in sbin or libexec. Malloc'ed, the caller's. -ENOENT with a text that names the
 * places. */
int program_find(const char *name, char **ret, struct error *error) _must_check_;

#endif
