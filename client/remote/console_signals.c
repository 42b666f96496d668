/* SPDX-License-Identifier: MPL-2.0 */
/* Ctrl-C means something else once a run is on elsewhere. Until the broker has said that it is,
 * signals are blocked; they stay pending and reach the console. */
#include "remote/console_signals.h"

#include <signal.h>
#include <stddef.h>

#include "remote/console.h"

static const int numbers[CONSOLE_SIGNALS] = {SIGHUP, SIGTERM, SIGINT};

static void all_signals(sigset_t *set)
{
    (void)sigemptyset(set); /* can't fail, nor can what follows for these numbers */
    for (size_t i = 0; i < CONSOLE_SIGNALS; i++) {
        (void)sigaddset(set, numbers[i]);
    }
}

void console_hold_signals(void)
{
    sigset_t set;

    all_signals(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void on_signal(struct ev_loop *loop _unused_, ev_signal *watcher, int events _unused_)
{
    struct console_signals *signals = watcher->data;

    signals->pending[watcher - signals->watchers]++;
    signals->came(signals->context);
}

void console_signals_watch(struct console_signals *signals, struct ev_loop *loop,
                           void (*came)(void *context), void *context)
{
    struct sigaction before;
    sigset_t set;

    *signals = (struct console_signals){.loop = loop, .came = came, .context = context};
    for (size_t i = 0; i < CONSOLE_SIGNALS; i++) {
        ev_signal_init(&signals->watchers[i], on_signal, numbers[i]);
        signals->watchers[i].data = signals;
        if (numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 &&
            before.sa_handler == SIG_IGN) {
            continue; /* nohup: the console outlives the terminal */
        }
        ev_signal_start(loop, &signals->watchers[i]);
    }
    all_signals(&set);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void console_signals_stop(struct console_signals *signals)
{
    for (size_t i = 0; signals->loop && i < CONSOLE_SIGNALS; i++) {
        ev_signal_stop(signals->loop, &signals->watchers[i]);
    }
}

int console_signals_next(struct console_signals *signals)
{
    for (size_t i = 0; i < CONSOLE_SIGNALS; i++) {
        if (signals->pending[i] > 0) {
            signals->pending[i]--;
            return numbers[i];
        }
    }
    return 0;
}
