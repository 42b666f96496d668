/* SPDX-License-Identifier: MPL-2.0 */
/* The states of a run on one agent, as a table. */
#ifndef LOADS_AGENT_RUN_STATE_H
#define LOADS_AGENT_RUN_STATE_H

#include <stdbool.h>

enum run_state {
    RUN_NEW,       /* told of, nothing done */
    RUN_FETCHING,  /* its archive comes in pieces */
    RUN_PREPARING, /* a child unpacks, compiles, loads */
    RUN_STARTING,  /* workers of the first cycle start */
    RUN_READY,     /* all workers of a cycle wait for its start */
    RUN_RUNNING,   /* a cycle is on, or workers of the next one start */
    RUN_STOPPING,
    RUN_ENDING,  /* workers are gone, or there never were any; what they have left is ended */
    RUN_FAILING, /* could not be prepared: likewise */
    RUN_ENDED,   /* nothing of it is left: kept until the broker drops it */
    RUN_FAILED,
    RUN_STATES
};

enum run_event {
    RUN_ARCHIVE,  /* it has files: their archive will come */
    RUN_COMPLETE, /* all of it is here, or there are no files */
    RUN_PREPARED,
    RUN_CANT, /* what was to be done before workers start did not succeed */
    RUN_WORKERS_READY,
    RUN_START,    /* the broker named the time */
    RUN_BEGUN,    /* and it has come */
    RUN_FINISHED, /* all workers are gone */
    RUN_CLEARED,  /* and so is what they had left */
    RUN_STOP,
    RUN_EVENTS
};

/* What an event is to cause beside the next state. */
enum run_action {
    RUN_IGNORE, /* the event means nothing now: neither state nor anything else changes */
    RUN_NOTHING,
    RUN_FETCH,
    RUN_PREPARE,
    RUN_SUPERVISE,
    RUN_REPORT_READY,
    RUN_GO,
    RUN_STOP_SUPERVISOR,
    RUN_CLEAR,
    RUN_REPORT_FAILED,
    RUN_REPORT_ENDED
};

struct run_transition {
    enum run_state next;
    enum run_action action;
};

struct run_transition run_state_after(enum run_state state, enum run_event event);

/* The word of the protocol: "fetching" (the archive), "preparing", "ready" (for a cycle),
 * "running", "stopping", "ended". */
const char *run_state_word(enum run_state state);

#endif
