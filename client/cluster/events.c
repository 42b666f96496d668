/* SPDX-License-Identifier: MPL-2.0 */
/* Signals are handled, never ignored: a handler is undone by exec, so commands get them as we did.
 * One that was ignored when we started (nohup) stays so, for us and for the command. */
#include "events.h"

#include <errno.h>
#include <signal.h>

static void on_signal(struct ev_loop *loop _unused_, ev_signal *watcher, int events _unused_)
{
    struct events *all = watcher->data;

    if (watcher->signum == SIGCHLD) {
        for (size_t i = 0; i < all->count; i++) {
            process_reap(&all->processes[i]);
        }
        return;
    }
    if (all->foreground && (watcher->signum == SIGINT || watcher->signum == SIGQUIT)) {
        return;
    }
    all->ending = all->ending ? all->ending : watcher->signum;
    all->asked++;
}

static void on_limit(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct events *all = timer->data;

    all->late = true;
}

static bool is_ignored(int number)
{
    struct sigaction action;

    return number != SIGCHLD && sigaction(number, NULL, &action) == 0 &&
           action.sa_handler == SIG_IGN;
}

static void do_nothing(int number _unused_)
{
}

int events_init(struct events *events, struct process *processes, size_t count)
{
    static const int numbers[EVENTS_SIGNALS] = {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT};

    *events = (struct events){.processes = processes, .count = count};
    events->loop = ev_loop_new(EVFLAG_AUTO);
    if (!events->loop) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < EVENTS_SIGNALS; i++) {
        if (!is_ignored(numbers[i])) {
            ev_signal_init(&events->signals[i], on_signal, numbers[i]);
            events->signals[i].data = events;
            ev_signal_start(events->loop, &events->signals[i]);
        }
    }
    if (!is_ignored(SIGPIPE)) {
        (void)signal(SIGPIPE, do_nothing); /* who went away is seen where it is written to */
    }
    ev_timer_init(&events->limit, on_limit, 0, 0);
    events->limit.data = events;
    return 0;
}

void events_release(struct events *events)
{
    if (!events->loop) {
        return;
    }
    for (size_t i = 0; i < EVENTS_SIGNALS; i++) {
        if (ev_is_active(&events->signals[i])) {
            ev_signal_stop(events->loop, &events->signals[i]);
        }
    }
    ev_loop_destroy(events->loop);
    events->loop = NULL;
}

int events_wait(struct events *events, bool (*holds)(const void *context), const void *context,
                double limit_sec, unsigned patience)
{
    events->late = false;
    if (limit_sec > 0) {
        ev_now_update(events->loop);
        ev_timer_set(&events->limit, limit_sec, 0);
        ev_timer_start(events->loop, &events->limit);
    }
    while (!holds(context) && events->asked <= patience && !events->late) {
        ev_run(events->loop, EVRUN_ONCE);
    }
    ev_timer_stop(events->loop, &events->limit);
    return holds(context) ? 0 : events->asked > patience ? -EINTR : -ETIMEDOUT;
}

bool events_is_gone(const void *process)
{
    return ((const struct process *)process)->gone;
}
