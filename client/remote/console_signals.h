/* SPDX-License-Identifier: MPL-2.0 */
/* Signals that a console takes instead of ending. */
#ifndef LOADS_REMOTE_CONSOLE_SIGNALS_H
#define LOADS_REMOTE_CONSOLE_SIGNALS_H

#include <ev.h>

#define CONSOLE_SIGNALS 3

struct console_signals {
    struct ev_loop *loop;
    ev_signal watchers[CONSOLE_SIGNALS];
    unsigned pending[CONSOLE_SIGNALS];
    void (*came)(void *context);
    void *context;
};

/* SIGINT, SIGTERM, and SIGHUP unless that is ignored: `came` is called on the loop. Those that were
 * held back come at once. */
void console_signals_watch(struct console_signals *signals, struct ev_loop *loop,
                           void (*came)(void *context), void *context);
void console_signals_stop(struct console_signals *signals);

/* The number of one that came and wasn't told yet, SIGHUP first; 0: none. */
int console_signals_next(struct console_signals *signals);

#endif
