/* SPDX-License-Identifier: MPL-2.0 */
/* The processes of a test runner: one per user, or one for all of a worker's. */
#ifndef LOADS_EXTERNAL_PROCESSES_H
#define LOADS_EXTERNAL_PROCESSES_H

#include <ev.h>

#include "count.h"

struct processes;

struct processes_options {
    struct count *count;  /* what becomes of one that fails */
    const char *receiver; /* where they send what they report */
    const char *agent_id;
    unsigned iterations; /* of each user; 0: no bound */

    /* All that processes_prepare() started are ready, or gone. */
    void (*ready)(void *context);
    void *context;
};

/* Borrows all of the options but the struct. -errno with a text. */
int processes_new(struct processes **ret, struct ev_loop *loop,
                  const struct processes_options *options, struct error *error) _must_check_;
struct processes *processes_free(struct processes *processes);
DEFINE_CLEANUP(struct processes, processes_free)

/* Starts those that are to be ready before the cycle begins (control.h), and calls ready(), perhaps
 * at once. processes_start_next() then lets them go. */
void processes_prepare(struct processes *processes);

/* Starts the next one; false: there is none to be started any more. deadline_usec: CLOCK_MONOTONIC,
 * when the cycle's time is over; 0: it has none. */
bool processes_start_next(struct processes *processes, uint64_t deadline_usec);

/* None is started any more, and those that are on are ended at that time. */
void processes_stop(struct processes *processes, uint64_t at_usec);

/* Ends those whose time is over, and counts how those that are gone ended, when all is counted that
 * they had sent. dry: nothing lies there to be counted; unconnected: and nothing can come;
 * heard_usec: when something last came (CLOCK_MONOTONIC). To be called some times a second. */
void processes_tick(struct processes *processes, bool dry, bool unconnected, uint64_t heard_usec);

/* Some are gone, and it isn't counted yet how they ended. */
bool processes_waiting(const struct processes *processes);

/* All are gone, and counted. */
bool processes_over(const struct processes *processes);

#endif
