/* SPDX-License-Identifier: MPL-2.0 */
/* A console: shows a run that is on somewhere else, and hands on what the person in front of it
 * wants.
 *
 * Ctrl-C on a terminal shows the numbers so far and asks whether to stop the run or to leave it;
 * off a terminal, and by SIGTERM, it stops the run. A terminal that goes away (SIGHUP) leaves it.
 */
#ifndef LOADS_REMOTE_CONSOLE_H
#define LOADS_REMOTE_CONSOLE_H

#include "remote/frontend.h"
#include "shared/exit_code.h"
#include "shared/reports.h"

#define CONSOLE_SILENCE_SEC  5   /* then it asks how the run is */
#define CONSOLE_PATIENCE_SEC 120 /* for a broker that went away */

struct console_options {
    struct ev_loop *loop;
    struct frontend *frontend;
    struct reports *reports; /* opened; they get the result */
    bool quiet;
};

/* Signals that would end us wait from here on; a console takes them over. Nobody else's business:
 * until then nothing can be left alone or stopped. */
void console_hold_signals(void);

/* Shows the run until it is over or the console lets go of it; `run_id` is a whole one. What goes
 * wrong is said on standard error. Returns what the program shall exit with: as the run ended, or
 * EXIT_PASSED when it was left. All of `options` is borrowed. */
enum exit_code console_attach(const struct console_options *options, const char *run_id);

#endif
