/* SPDX-License-Identifier: MPL-2.0 */
/* --include-file: what a test needs beside its module. */
#ifndef LOADS_RUNNER_INCLUDE_FILES_H
#define LOADS_RUNNER_INCLUDE_FILES_H

#include "base/error.h"
#include "base/strlist.h"

/* Makes the directory, with its parents, and copies into it what the patterns name, as an agent
 * does: files and directories (recursively) keep the path they have below the current directory,
 * others get their last name. -ENOENT: a pattern that matches nothing; else -errno; with a text. */
int include_files_copy(const struct strlist *patterns, const char *directory, struct error *error)
    _must_check_;

#endif
