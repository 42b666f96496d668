/* SPDX-License-Identifier: MPL-2.0 */
/* Which run is meant. */
#ifndef LOADS_REMOTE_CHOOSE_H
#define LOADS_REMOTE_CHOOSE_H

#include "remote/frontend.h"
#include "shared/exit_code.h"

/* The whole id of a run: of one that `given` is the beginning of; if that is NULL or "", of the one
 * that is on. Several are asked about on a terminal, and listed on standard error otherwise.
 * Malloc'ed, the caller's. Returns EXIT_PASSED, or, when all has been said, what to exit with. */
enum exit_code choose_run(struct frontend *frontend, const char *given, char **ret) _must_check_;

#endif
