/* SPDX-License-Identifier: MPL-2.0 */
/* An agent: the broker's orders on one side, runs on the other. */
#ifndef LOADS_AGENT_AGENT_H
#define LOADS_AGENT_AGENT_H

#include <ev.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strlist.h"
#include "loop/mq.h"
#include "run/enclosure.h"
#include "run/supervisor.h"
#include "run_state.h"

struct agent;

struct agent_options {
    const char *broker;   /* address of its frontend */
    const char *agent_id; /* HOST-INSTANCE */
    const char *hostname;
    const char *incarnation;       /* UUID of this process */
    const struct strlist *control; /* addresses at which others reach our control socket */
    const char *worker_program;
    const char *work_dir;
    unsigned workers;                          /* per run */
    const struct enclosure_options *enclosure; /* of each run, but for the name */
    uint64_t idle_exit_usec;                   /* without a run for that long it drains; 0: never */
};

/* Borrows loop, mq and all in `options`. Connects as soon as the loop runs. */
int agent_new(struct agent **ret, struct ev_loop *loop, struct mq *mq,
              const struct agent_options *options) _must_check_;
struct agent *agent_free(struct agent *agent);
DEFINE_CLEANUP(struct agent, agent_free)

/* Takes no more runs, but one that the broker has given it already, and breaks the loop when none
 * is left and the broker has let it go, or isn't there. */
void agent_drain(struct agent *agent);

/* The same, and runs that are on are stopped. The loop is broken even if the broker doesn't hear of
 * it in some seconds. */
void agent_end(struct agent *agent);

/* Tries to reach the broker now, if it isn't reached; and there is something to do soon. */
void agent_wake(struct agent *agent);

/* What it is and does, for who asks. Texts are borrowed until the loop runs again. */
struct agent_status {
    const struct agent_options *options;
    bool connected, draining;
    const char *trouble;  /* why not connected; "" when nothing was tried yet */
    int64_t offset_usec;  /* the broker's clock less ours */
    size_t waiting_bytes; /* of results that the broker has not stored */
    size_t n_runs;
};

struct agent_run_status {
    const char *run_id;
    const char *state; /* the protocol's word */
    bool is_over;
    unsigned cycle;
    unsigned users; /* of the cycle; 0 before there are workers */
    uint64_t hits;
    size_t waiting; /* intervals that the broker has not stored */
};

void agent_status(const struct agent *agent, struct agent_status *ret);
void agent_each_run(const struct agent *agent,
                    void (*visit)(const struct agent_run_status *run, void *context),
                    void *context);
void agent_each_worker(const struct agent *agent,
                       void (*visit)(const struct supervisor_worker *worker, const char *state,
                                     const char *run_id, void *context),
                       void *context);

#endif
