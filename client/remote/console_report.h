/* SPDX-License-Identifier: MPL-2.0 */
/* The numbers of a run elsewhere, as local runs show theirs. */
#ifndef LOADS_REMOTE_CONSOLE_REPORT_H
#define LOADS_REMOTE_CONSOLE_REPORT_H

#include "remote/frontend.h"
#include "remote/publication.h"
#include "remote/snapshot.h"
#include "shared/exit_code.h"
#include "shared/progress.h"
#include "shared/reports.h"

/* How far the run is, by a message, or by a snapshot. */
void console_report_live(const struct publication *live, struct progress_numbers *ret);
void console_report_numbers(const struct snapshot *snapshot, struct progress_numbers *ret);

/* The summary so far, on standard output. */
void console_report_so_far(const struct snapshot *snapshot);

/* The same as an object, the caller's; NULL: no memory. */
json_t *console_report_json(const struct snapshot *snapshot);

/* The results of a run that is over, to all outputs, for which the broker is asked how it went over
 * time if one of them shows that; what kept it from starting, on standard error.
 * `stopped`: from here, so that "aborted" means what an interrupt of a local run means. Returns
 * what to exit with. */
/* The numbers up to now of a run, which may be on, to all outputs. EXIT_PASSED, or what to exit
 * with when they could not be had or written. */
enum exit_code console_report_now(const struct snapshot *snapshot, struct frontend *frontend,
                                  struct reports *reports);

/* Whether what outputs show of a run can be had: those that get every hit need one that keeps them.
 * -EINVAL with a text. */
int console_report_check(const struct snapshot *snapshot, const struct reports *reports,
                         struct error *error) _must_check_;

enum exit_code console_report_end(const struct snapshot *snapshot, bool stopped,
                                  struct frontend *frontend, struct reports *reports);

#endif
