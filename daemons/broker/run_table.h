/* SPDX-License-Identifier: MPL-2.0 */
/* The states of a run, as a table. */
#ifndef LOADS_BROKER_RUN_TABLE_H
#define LOADS_BROKER_RUN_TABLE_H

#include <stdbool.h>

enum run_state {
    RUN_NEW,       /* its row is being stored: nobody has its id yet */
    RUN_QUEUED,    /* waits for agents */
    RUN_PREPARING, /* agents unpack, compile, start the first workers */
    RUN_RUNNING,   /* a cycle is on, or workers of the next one start */
    RUN_STOPPING,  /* agents were told to stop */
    RUN_ENDING,    /* its end is being stored */
    RUN_FINISHED,
    RUN_FAILED,  /* it never started: an agent could not prepare it */
    RUN_ABORTED, /* it was stopped or given up */
    RUN_STATES
};

enum run_event {
    RUN_STORED,   /* the row is there, and agents are reserved */
    RUN_WAITS,    /* the row is there; there are too few agents */
    RUN_AGENTS,   /* agents were found for it */
    RUN_READY,    /* all agents that are left wait for the next cycle */
    RUN_CANT,     /* an agent could not prepare it */
    RUN_STOP,     /* a client asks for its end */
    RUN_GIVE_UP,  /* the broker does: an agent was lost that must not be, results can't be stored */
    RUN_OVER,     /* all agents that are left have ended, and what they counted is stored */
    RUN_DESERTED, /* no agent is left, or they don't end */
    RUN_FINISHED_STORED,
    RUN_FAILED_STORED,
    RUN_ABORTED_STORED,
    RUN_EVENTS
};

/* What an event is to cause beside the next state. */
enum run_action {
    RUN_IGNORE, /* the event means nothing now: neither state nor anything else changes */
    RUN_NOTHING,
    RUN_PREPARE, /* tell its agents of it */
    RUN_BEGIN,   /* the next cycle */
    RUN_HALT,    /* tell its agents to stop */
    RUN_FINISH,  /* store that it is finished, */
    RUN_FAIL,    /* failed, */
    RUN_ABORT,   /* aborted */
    RUN_CLOSE,   /* let its agents go, and tell who watches */
};

struct run_transition {
    enum run_state next;
    enum run_action action;
};

struct run_transition run_table_after(enum run_state state, enum run_event event);

/* The word of the protocol and the database. One whose end is not stored yet is "stopping". */
const char *run_state_word(enum run_state state);

/* The state of a word; RUN_STATES: there is no such word. */
enum run_state run_state_of(const char *word);

/* Whether nothing will change any more. */
bool run_state_is_over(enum run_state state);

#endif
