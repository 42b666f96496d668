/* SPDX-License-Identifier: MPL-2.0 */
/* What programs do about runs on agents, from the options to the exit code. What goes wrong is said
 * on standard error. */
#ifndef LOADS_REMOTE_REMOTE_RUN_H
#define LOADS_REMOTE_REMOTE_RUN_H

#include "remote/frontend.h"
#include "remote/submit_options.h"
#include "shared/exit_code.h"
#include "shared/run_options.h"

/* A connection to the broker that `option` (NULL: this machine's) names, on a loop of its own.
 * Returns EXIT_PASSED, or what to exit with. */
struct remote {
    struct ev_loop *loop;
    struct frontend *frontend;
};
enum exit_code remote_open(struct remote *remote, const char *option) _must_check_;
void remote_close(struct remote *remote);

/* Starts a run. Attaches to it and returns as it ended; or, with `detach`, prints its id (as an
 * object if `json`). */
enum exit_code remote_run(const struct run_options *run, const struct submit_options *submit,
                          bool detach, bool json);

/* Attaches to a run; NULL or "": to the one that is on, or one that is asked for. */
enum exit_code remote_attach(const char *broker, const char *run_id, const struct strlist *outputs,
                             const struct output_options *options, bool quiet);

/* The result of one request on the loop's back: prints the error and returns what to exit with. */
enum exit_code remote_fail(const struct remote *remote, int result, const struct error *error);

#endif
