/* SPDX-License-Identifier: MPL-2.0 */
/* What a supervisor is made of: for supervisor.c, which has the states of a run, and
 * supervisor_workers.c, which has its workers. */
#ifndef LOADS_RUN_SUPERVISOR_STATE_H
#define LOADS_RUN_SUPERVISOR_STATE_H

#include "run/supervisor.h"
#include "run/worker_process.h"

enum state { NEW, PREPARING, WAITING, RUNNING, STOPPING, ABANDONING, FINISHED, STATES };

enum event {
    START,      /* the first cycle */
    READY,      /* all workers are */
    GO,         /* the cycle's time has come */
    STOP,       /* asked for from outside */
    CYCLE_OVER, /* all workers are gone, cycles are left */
    RUN_OVER,   /* all workers are gone, and that was it */
    FAIL,       /* there is no way on */
    EVENTS
};

struct supervisor {
    struct ev_loop *loop;
    struct supervisor_options options;
    enum state state;
    struct names_file *names;
    ev_timer tick;
    ev_timer killer;   /* ends workers that don't end by themselves */
    ev_timer starting; /* until a cycle's start */
    ev_timer ending;   /* tells the end a turn later, when nothing of ours is on the stack */
    bool asked;        /* they were sent TERM */
    bool cutting;      /* users of a worker that is killed now were interrupted, not in error */
    unsigned cycle;
    struct worker_process **workers; /* of this cycle; NULL: gone */
    unsigned n_workers;
    unsigned next_serial;
    unsigned takeovers;
    uint64_t start_usec; /* of the cycle that waits; 0: not known yet */
    uint64_t run_start_usec, cycle_start_usec, active_usec;
    uint64_t deadline_usec;
    uint64_t hits_before, iterations_before; /* of workers that are gone */
    uint64_t stop_grace_usec;
    struct error error;
};

/* The one function that changes the state, by the table in supervisor.c. */
void supervisor_happen(struct supervisor *s, enum event event);

/* Starts a worker for users of this cycle, in place of what is in the slot. -errno; s->error has
 * the text. */
int supervisor_launch(struct supervisor *s, unsigned slot, unsigned first_user, unsigned n_users,
                      const uint64_t *words) _must_check_;

/* How many workers of this cycle are not gone yet. */
unsigned supervisor_alive(const struct supervisor *s);

/* Kills those that are left. */
void supervisor_drop_workers(struct supervisor *s);

#endif
