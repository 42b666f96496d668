/* SPDX-License-Identifier: MPL-2.0 */
/* The command that executes an external test, --test-runner's or Python: its words, and whether
 * there is such a program. */
#ifndef LOADS_RUN_RUNNER_COMMAND_H
#define LOADS_RUN_RUNNER_COMMAND_H

#include "base/strlist.h"
#include "wire/spec.h"

/* Appends the words of the specification's test_runner, as a shell would split them; in each,
 * "{test}" is replaced by the name of the test, and nothing else is expanded. With `python`, those
 * that start Loads' own runner (client/runners/python). -EINVAL with a text; then `list` may have
 * some of them. */
int runner_command_split(const struct run_spec *spec, struct strlist *list, struct error *error)
    _must_check_;

/* Whether its program can be started in that directory: -ENOENT, -EACCES, -EINVAL with a text that
 * names it. */
int runner_command_check(const struct run_spec *spec, const char *directory, struct error *error)
    _must_check_;

/* Appends what such a process finds in its environment of all that we have: of what begins with
 * LOADS_ nothing but, with `python`, what only that understands. -ENOMEM. */
int runner_command_environment(const struct run_spec *spec, struct strlist *list) _must_check_;

#endif
