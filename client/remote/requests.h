/* SPDX-License-Identifier: MPL-2.0 */
/* The requests that programs make, one function each. All return what frontend_ask() does; -EBADMSG
 * also for a result that isn't what docs/protocol.md says. */
#ifndef LOADS_REMOTE_REQUESTS_H
#define LOADS_REMOTE_REQUESTS_H

#include "remote/frontend.h"
#include "remote/snapshot.h"
#include "shared/exit_code.h"

/* A command that takes nothing, or (where they aren't NULL) a run, an agent. */
int request_simple(struct frontend *frontend, const char *command, const char *run_id,
                   const char *agent_id, json_t **ret, struct error *error) _must_check_;

int request_snapshot(struct frontend *frontend, const char *run_id, struct snapshot **ret,
                     struct error *error) _must_check_;

/* `at_once`: without grace. */
int request_stop(struct frontend *frontend, const char *run_id, bool at_once, struct error *error)
    _must_check_;

/* Stored runs and those that are on, newest first, as objects of CTRL_RUNS. */
int request_runs(struct frontend *frontend, unsigned limit, bool active, json_t **ret,
                 struct error *error) _must_check_;

/* What a program exits with that could not go on for what a function here, or frontend_open(),
 * returned. `frontend` may be NULL. */
enum exit_code request_exit_code(const struct frontend *frontend, int result);

#endif
