/* SPDX-License-Identifier: MPL-2.0 */
/* Runs a specification on this machine: cycle after cycle, each with worker processes that share
 * its users. What a local loads-runner and an agent have in common. */
#ifndef LOADS_RUN_SUPERVISOR_H
#define LOADS_RUN_SUPERVISOR_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "metrics/detail.h"
#include "metrics/interval.h"
#include "metrics/names.h"
#include "run/cycles.h"
#include "wire/spec.h"

#define SUPERVISOR_MAX_USERS_PER_WORKER 30000
#define SUPERVISOR_MAX_TAKEOVERS        3

struct supervisor;

struct supervisor_options {
    const struct run_spec *spec; /* borrowed; prepared: module_paths are set, or url */
    const char *worker_program;  /* loads-worker; loads-external if the specification is external */
    const char *agent_id;        /* for the latter; NULL: there is none */
    const char *run_dir;         /* exists; files of this run are made in it */
    const char *cgroup;          /* where workers begin (loop/child.h); NULL: in ours */
    unsigned workers;            /* per cycle at most; never more than users */
    /* Others run the same at the same time: this one's users are numbered from agent_index × users
     * of the cycle. 0 and 0: we are alone. */
    unsigned agents, agent_index;
    /* A worker that hasn't ended this long after its time gets TERM, then KILL. 0: 3 s, 5 s. */
    uint64_t late_usec, kill_after_usec;
    struct supervisor_callbacks {
        /* What one worker counted in a second, and what the supervisor itself counts of workers
         * that died. Borrowed during the call, as all below. */
        void (*interval)(const struct interval *interval, void *context);
        void (*detail)(const struct detail *detail, void *context);
        /* Whether there is room for more of it: users wait until there is. NULL: always. */
        bool (*wants_detail)(void *context);
        /* All workers of a cycle wait for supervisor_go(). NULL: it begins by itself. */
        void (*ready)(unsigned cycle, void *context);
        void (*cycle)(unsigned index, const struct cycle *cycle, void *context); /* begins */
        void (*problem)(pid_t worker, const char *text, void *context); /* it crashed, for people */
        /* What a worker (numbered over the run) writes to its standard output and error. NULL: it
         * goes to our standard error. */
        void (*output)(unsigned worker, const char *text, size_t size, void *context);
        /* The end, once: 0, or -errno with a text when the run could not be made or was given up.
         * The supervisor may be freed in it. */
        void (*finished)(int result, const struct error *error, void *context);
        void *context;
    } callbacks;
};

/* Whether so many workers can hold the users of each cycle: known before anything is made. -EINVAL
 * with a text. */
int supervisor_check_users(const struct run_spec *spec, unsigned workers, struct error *error)
    _must_check_;

/* Borrows the loop and all of `options` but the struct itself. */
int supervisor_new(struct supervisor **ret, struct ev_loop *loop,
                   const struct supervisor_options *options, struct error *error) _must_check_;
struct supervisor *supervisor_free(struct supervisor *supervisor);
DEFINE_CLEANUP(struct supervisor, supervisor_free)

/* Starts the first cycle. Failures come through finished(). */
void supervisor_start(struct supervisor *supervisor);

/* Begins the cycle that ready() told of at `start_usec` (CLOCK_MONOTONIC), which may lie ahead or
 * back; may be said again as long as that lies ahead. The run's second 0 begins with the first
 * cycle; a cycle's duration is counted from here. Means nothing at any other time. */
void supervisor_go(struct supervisor *supervisor, uint64_t start_usec);

/* No iteration starts any more; those that are on have `grace_usec` to end and are cut then. May be
 * called again with less. */
void supervisor_stop(struct supervisor *supervisor, uint64_t grace_usec);

/* The names that ids in intervals and detail stand for. */
struct names *supervisor_names(struct supervisor *supervisor);

/* A look at a run that is on. */
struct supervisor_live {
    uint64_t hits;            /* so far */
    uint64_t iterations_done; /* of all cycles, workers that died included */
    unsigned users;           /* of this cycle */
    unsigned cycle;           /* 0-based */
    uint64_t active_usec;     /* what the cycles took so far, without the time to start workers */
};

void supervisor_live(const struct supervisor *supervisor, struct supervisor_live *ret);

/* Calls `visit` for each worker that is there. */
struct supervisor_worker {
    pid_t pid;
    unsigned users;
    bool ready;
};

void supervisor_each_worker(const struct supervisor *supervisor,
                            void (*visit)(const struct supervisor_worker *worker, void *context),
                            void *context);

#endif
