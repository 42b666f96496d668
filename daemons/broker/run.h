/* SPDX-License-Identifier: MPL-2.0 */
/* A run: what was asked for, the agents that have a part in it, and how far it is.
 *
 * What agents report changes their members; run_check() then looks whether something follows for
 * the run. It is told in one place, changed(), which does what the change is to cause. */
#ifndef LOADS_BROKER_RUN_H
#define LOADS_BROKER_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "kept_log.h"
#include "results.h"
#include "run_table.h"
#include "wire/spec.h"

#define RUN_MAX_TROUBLE_BYTES 4000
#define RUN_RETURN_USEC       (15 * USEC_PER_SEC) /* how long all agents may be away */
#define RUN_STOP_USEC         (20 * USEC_PER_SEC) /* beyond the grace, for agents to end */
#define RUN_MAX_IDENTITY      256

enum member_state {
    MEMBER_PREPARING,
    MEMBER_READY,   /* waits for the start of cycle `ready_cycles` - 1 */
    MEMBER_RUNNING, /* was told to start one */
    MEMBER_ENDED,
    MEMBER_FAILED, /* could not prepare it */
};

/* The part of an agent in a run; its index is the number of the source. */
struct member {
    char *agent_id;
    char *incarnation; /* of its process: another one has no part in it */
    char *hostname;
    uint64_t pid;
    enum member_state state;
    bool away;          /* not heard since the broker was started */
    bool lost;          /* not heard any more */
    uint64_t lost_usec; /* dates; 0: not so */
    uint64_t ended_usec;
    unsigned ready_cycles;      /* it was ready for so many */
    uint64_t last_seq[STREAMS]; /* once it ended: the last of each that there is */
    uint64_t active_usec;
    uint64_t cpu_usec, memory_peak_bytes; /* 0: not known */
    int result;
    char *reason;
    uint64_t archive_offset;                  /* how much of the archive it was sent */
    char receiver_identity[RUN_MAX_IDENTITY]; /* of its connection to the receiver */
    size_t receiver_identity_size;
    bool expecting[STREAMS];   /* it was told what to send */
    bool was_refused[STREAMS]; /* there was no room for it */
};

struct run;

struct run_hooks {
    /* The run's state is another one, or the same again. Does what it is to cause; may make other
     * events happen only by run_happen(). */
    void (*changed)(struct run *run, enum run_state from, enum run_action action, void *context);
    void *context;
};

struct run {
    char run_id[SPEC_RUN_ID_BYTES + 1];
    char *request_id;      /* of the client; NULL: none */
    struct run_spec *spec; /* its run_id is set */
    char *spec_text;       /* run_spec_encode()'s, for its agents */
    char *shown_spec;      /* run_spec_encode_shown()'s, for everybody else */
    char *name;            /* the test or the URL, as it may be shown */
    unsigned n_agents;     /* asked for */
    bool abort_on_loss, save_hits;
    struct run_hooks hooks;

    enum run_state state;
    enum run_state end;  /* which state RUN_ENDING leads to */
    const char *outcome; /* passed, failed, aborted, lost; NULL before the end */
    char *trouble;       /* what a person should know; NULL: nothing */
    uint64_t submitted_usec, started_usec, finished_usec; /* dates; 0: not yet */

    /* By our monotonic clock: */
    uint64_t start_usec;       /* second 0; 0: not yet */
    uint64_t cycle_start_usec; /* of the cycle that is on */
    uint64_t stop_by_usec;     /* RUN_STOPPING: when it is given up */
    uint64_t return_by_usec;   /* no agent is there: when it is given up; 0: one is */

    unsigned cycles;      /* how many there are */
    unsigned begun;       /* how many have begun */
    uint64_t active_usec; /* of those that are over */
    bool cycle_is_on;
    bool start_is_stored; /* second 0 is: agents may be told */
    uint64_t stop_grace_usec;

    struct member *members; /* n_members, once agents were found */
    unsigned n_members;
    struct results *results;       /* NULL until then */
    struct thresholds *thresholds; /* judge.c; NULL: there are none */
    uint64_t judge_at_usec;
    const char *stopped_for; /* the threshold for whose sake it was stopped; NULL */
    char *judged;            /* JSON: what thresholds came to; NULL before the end */
    void *archive;           /* the files; NULL: none, or nobody needs them any more */
    size_t archive_size;
    const char *missing; /* what went with the broker before this one: agents can't be told any
                            more. NULL: nothing */

    /* Of those who store and publish: */
    unsigned calls;      /* to the store that are not answered */
    bool row_is_unsaved; /* the store could not take its row, */
    bool end_is_unsaved; /* its end */
    bool restored;       /* it is from before the broker was started */
    uint64_t number;     /* of the last live message */
    uint64_t published_usec, reminded_usec;
    bool has_news;
    bool is_rated; /* so many hits of it are in the broker's rate, or are none of its */
    uint64_t rated_hits;
    struct kept_log log; /* where no database keeps it */

    struct run *next, *previous; /* in struct runs */
};

struct run_options {
    struct run_spec **spec; /* taken over */
    const char *request_id;
    unsigned n_agents;
    bool abort_on_loss, save_hits;
    struct run_hooks hooks;
};

/* In the state RUN_NEW, or `state` for one that is read back. -EINVAL with a text: the
 * specification makes no sense; -ENOMEM. */
int run_new(struct run **ret, const struct run_options *options, enum run_state state,
            struct error *error) _must_check_;
struct run *run_free(struct run *run);
DEFINE_CLEANUP(struct run, run_free)

/* One that is read back: no agent of it has been heard yet. -EBADMSG with a text: what is stored of
 * it doesn't fit together; others as run_new(). */
int run_restore(struct run **ret, const struct store_record *record, const struct run_hooks *hooks,
                uint64_t now_usec, struct error *error) _must_check_;

/* Gives it its agents: once. */
struct run_agent {
    const char *agent_id, *incarnation, *hostname;
    uint64_t pid;
};
int run_set_agents(struct run *run, const struct run_agent *agents, unsigned count) _must_check_;

/* The member of a process, or NULL; its number. */
struct member *run_member(struct run *run, const char *agent_id, const char *incarnation);
unsigned run_member_number(const struct run *run, const struct member *member);

/* Whether it has a part still: it is there and has neither ended nor failed. */
bool member_is_on(const struct member *member);

/* "preparing", "ready", "running", "stopping", "ended", "failed", "lost": as the database has it.
 */
const char *run_member_word(const struct run *run, const struct member *member);

/* ---- what happens ---- */

/* The one function that changes the state. */
void run_happen(struct run *run, enum run_event event);

/* Looks at all members and at the time, and lets happen what follows. */
void run_check(struct run *run, uint64_t now_usec);

/* Reports of agents; run_check() comes after them. */
void run_member_is_ready(struct run *run, struct member *member, unsigned cycle);
void run_member_has_failed(struct run *run, struct member *member, const char *reason);
void run_member_has_ended(struct run *run, struct member *member, int result, const char *reason,
                          const uint64_t last_seq[static STREAMS], uint64_t active_usec);
/* True: it was not lost before. */
bool run_member_is_lost(struct run *run, struct member *member, const char *reason);
void run_member_is_back(struct run *run, struct member *member);
/* One that is back tells in which cycle it is; the beginning of it may be news. */
void run_member_is_running(struct run *run, struct member *member, unsigned cycle);

/* A client asks for the end. */
void run_stop(struct run *run, uint64_t grace_usec);

/* The broker wants it to end. */
void run_give_up(struct run *run);

/* Adds a sentence to what a person should know, once. */
void run_add_trouble(struct run *run, const char *format, ...) _printf_(2, 3);

/* How long its cycles took so far. */
uint64_t run_active_usec(const struct run *run, uint64_t now_usec);

#endif
