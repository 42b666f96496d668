/* SPDX-License-Identifier: MPL-2.0 */
/* What a cluster waits for: processes that end, signals that ask it to end, time. Starting and
 * stopping are sequences, so each step waits here until it is done. */
#ifndef LOADS_CLUSTER_EVENTS_H
#define LOADS_CLUSTER_EVENTS_H

#include <ev.h>
#include <stdbool.h>

#include "process.h"

#define EVENTS_SIGNALS 5

struct events {
    struct ev_loop *loop;
    ev_signal signals[EVENTS_SIGNALS];
    ev_timer limit;
    bool late;
    struct process *processes; /* borrowed: those that are waited for */
    size_t count;
    bool foreground; /* what the terminal sends (SIGINT, SIGQUIT) is for the command */
    int ending;      /* the first signal that asked us to end; 0: none did */
    unsigned asked;  /* how often that was asked */
};

/* To be released in either case. `events` stays where it is. -ENOMEM. */
int events_init(struct events *events, struct process *processes, size_t count) _must_check_;
void events_release(struct events *events);

#define EVENTS_PATIENT (~0U) /* whatever is asked */

/* Turns the loop until the condition holds. -ETIMEDOUT: it took longer than that (0: it may take
 * for ever); -EINTR: it has been asked to end more often than `patience`. */
int events_wait(struct events *events, bool (*holds)(const void *context), const void *context,
                double limit_sec, unsigned patience) _must_check_;

/* The simplest of conditions: a process is gone. */
bool events_is_gone(const void *process);

#endif
