/* SPDX-License-Identifier: MPL-2.0 */
/* A virtual user: a coroutine with what belongs to it. It runs only when the loop resumes it, and
 * never while a library is on the stack. What it does with its life is iteration.c's business. */
#ifndef LOADS_WORKER_USER_H
#define LOADS_WORKER_USER_H

#include <ev.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <unwind.h>

#include "arena.h"
#include "base/prng.h"
#include "context.h"
#include "metrics/interval.h"
#include "session.h"
#include "stack.h"
#include "worker.h"

struct answer;
struct deferred;
struct kept;
struct state;

struct loads_user {
    struct worker *worker;
    unsigned index;           /* in this worker */
    unsigned number;          /* over all workers of the cycle */
    unsigned iteration;       /* the one that is on, or the next */
    unsigned first_iteration; /* in this worker */
    struct context context;
    struct stack stack;
    const struct worker_test *test; /* of the iteration that is on, or the last */
    uint32_t set_up;    /* suites whose user set-up it had: bits by number of their first test */
    unsigned stalls;    /* stall.c: not recorded yet; stalled_usec: their time in all */
    struct arena arena; /* of this iteration */
    struct kept *kept;  /* journey.c: from one to the next */
    struct session session;
    struct loads_user *next;                /* in the queue that it is in */
    struct loads_ws *sockets;               /* websocket.c */
    struct loads_transaction_ *transaction; /* transaction.c: the innermost; on its stack */
    bool queued;
    bool cancelled;     /* it was told to leave: it does when it is resumed */
    bool leaving;       /* its stack is being unwound */
    bool stopped;       /* no iteration of it starts any more */
    bool pausing;       /* pace.c: it waits until next_start_usec */
    unsigned streaming; /* stream.c: functions for bodies that it is in, one within the other */
    ev_timer sleep;
    void (*on_loop)(void *argument); /* to be called there; NULL: nothing */
    void *on_loop_argument;
    jmp_buf *base; /* where leaving ends */
    uintptr_t base_frame;
    struct _Unwind_Exception unwind;
    struct deferred *deferred;                /* iteration.c */
    void (*release)(struct loads_user *user); /* frees `released` at the end of the iteration */
    void *released;
    const struct answer *last_answer; /* debug.c; NULL: none */
    struct page *pages;               /* page.c: answers of the iteration that were read as HTML */
    const struct url *server_url;     /* request.c: instead of the worker's; NULL: none */
    char *server_url_text;            /* as the test gave it */
    enum outcome outcome;             /* of the iteration that is on */
    unsigned error_id;                /* what made it an error or a failure */
    uint64_t iteration_started_usec;  /* CLOCK_MONOTONIC */
    uint64_t next_start_usec;         /* pace.c: when the next one may begin; 0: at once */
    uint64_t resumed_usec;            /* stall.c: since when it holds the loop */
    uint64_t stalled_usec;
    struct prng prng;     /* choice.c: of this iteration */
    struct state *states; /* journey.c: modules' variables for the user */
    uint64_t *taken;      /* feeder.c: rows that it had, by feeder */
    size_t n_taken;
};

/* Readies a user (all zero) that begins with iteration `iteration`. */
void user_init(struct loads_user *user, struct worker *worker, unsigned index, unsigned iteration);

/* Takes a stack on which `life` will run, from the first time that it is woken. */
int user_start(struct loads_user *user, void (*life)(void *user), struct error *error) _must_check_;

/* ---- from the loop ---- */

/* Resumes the users that are ready, each until it waits for something; over() gets those whose life
 * ended. */
void users_run_ready(struct worker *worker, void (*over)(struct loads_user *user));

/* Puts a user that waits in the ready queue; harmless when it is there. */
void user_wake(struct loads_user *user);

/* Makes it leave its iteration, which counts as interrupted. */
void user_cancel(struct loads_user *user);

/* ---- from the user's own stack ---- */

/* The user that runs now; NULL on the loop's stack. */
struct loads_user *user_current(void);

/* Suspends until somebody wakes it. Whoever waits for something checks whether it came, and waits
 * again if not. -ECANCELED: it shall leave: clean up and call user_leave(). */
int user_wait(struct loads_user *user) _must_check_;

/* Calls function(argument); returns true when it does, false when the user leaves. May be nested.
 * In a process that the function forked it ends that process: there is only one worker. */
bool user_guard(struct loads_user *user, void (*function)(void *argument), void *argument);

/* Calls function(argument) on the loop's stack, which is as large as any program's, while the user
 * waits and nobody else goes on. For what a library does deeper than a small stack allows. */
void user_on_loop(struct loads_user *user, void (*function)(void *argument), void *argument);

/* Leaves the innermost user_guard() through the frames above, whose cleanups run. While that goes
 * on user->leaving is set. */
void user_leave(struct loads_user *user) __attribute__((noreturn));

/* The same, but it wakes by itself at a time of CLOCK_MONOTONIC. */
int user_wait_until(struct loads_user *user, uint64_t until_usec) _must_check_;

/* Sleeps. -ECANCELED as for user_wait(). */
int user_sleep(struct loads_user *user, double seconds) _must_check_;

/* Whether the user ends its thread by pthread_exit(), which ends the worker. Async-signal-safe. */
bool user_exits_thread(void);

/* From now on it is known whether this is a process that a test forked. -errno. */
int user_watch_forks(void) _must_check_;
bool user_is_forked(void);

/* Whether an address lies on the user's stack: who calls us is it. */
bool user_stack_contains(const struct loads_user *user, const void *address);

#endif
