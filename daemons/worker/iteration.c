/* SPDX-License-Identifier: MPL-2.0 */
/* One iteration after the other: record its start, run the test between what its suite does around
 * it, then what it deferred, give its memory back, record how it ended. */
#include "iteration.h"

#include <errno.h>

#include "base/clock.h"
#include "choice.h"
#include "loop/transport.h"
#include "pace.h"
#include "record.h"
#include "stall.h"
#include "websocket.h"

struct deferred {
    struct deferred *next;
    void (*function)(void *argument);
    void *argument;
};

void iteration_judge(struct loads_user *user, enum outcome outcome, unsigned error_id)
{
    if (user->outcome == OUTCOME_SUCCESS) { /* the first is what made it end */
        user->outcome = outcome;
        user->error_id = error_id;
    }
}

int iteration_defer(struct loads_user *user, void (*function)(void *argument), void *argument)
{
    struct deferred *deferred = arena_alloc(&user->arena, sizeof *deferred);
    if (!deferred) {
        return -ENOMEM;
    }
    *deferred = (struct deferred){user->deferred, function, argument};
    user->deferred = deferred;
    return 0;
}

static void run_body(void *argument)
{
    struct loads_user *user = argument;
    user->test->test->body(user);
}

struct hook_call {
    struct loads_user *user;
    void (*body)(loads_user *user);
};

static void run_hook(void *argument)
{
    struct hook_call *call = argument;
    call->body(call->user);
}

/* True: all is well still. */
static bool do_hook(struct loads_user *user, enum loads_hook_kind_ kind)
{
    struct hook_call call = {user, user->test->hooks[kind]};

    if (call.body && !user->cancelled) {
        (void)user_guard(user, run_hook, &call); /* the outcome tells */
    }
    return user->outcome == OUTCOME_SUCCESS && !user->cancelled;
}

static uint32_t suite_bit(const struct worker_test *test)
{
    return UINT32_C(1) << test->suite;
}

static bool set_up_user(struct loads_user *user)
{
    if (!(user->set_up & suite_bit(user->test)) && do_hook(user, LOADS_USER_SET_UP_)) {
        user->set_up |= suite_bit(user->test);
    }
    return user->set_up & suite_bit(user->test);
}

static void run_test(struct loads_user *user)
{
    if (set_up_user(user) && do_hook(user, LOADS_SET_UP_)) {
        (void)user_guard(user, run_body, user);
        (void)do_hook(user, LOADS_TEAR_DOWN_);
    }
}

static void begin(struct loads_user *user)
{
    user->outcome = OUTCOME_SUCCESS;
    user->error_id = 0;
    user->transaction = NULL;
}

/* What it leaves behind, however it ended. */
static void clean_up(struct loads_user *user)
{
    while (user->deferred) {
        struct deferred deferred = *user->deferred;
        user->deferred = deferred.next;
        (void)user_guard(user, deferred.function, deferred.argument);
    }
    websockets_end(user);
    if (user->worker->connections == CONNECTIONS_ITERATION) {
        user->session.connections = connections_free(user->session.connections);
    }
    if (user->release) {
        user->release(user);
    }
    user->last_answer = NULL;
    user->pages = NULL;
    arena_reset(&user->arena);
}

static void iterate(struct loads_user *user)
{
    begin(user);
    choice_begin_iteration(user);
    record_start(user);
    pace_begin(user);
    run_test(user);
    clean_up(user);
    if (user->cancelled) {
        iteration_judge(user, OUTCOME_INTERRUPTED, 0);
    }
    stall_record(user);
    record_outcome(user);
    user->iteration++;
}

static void end_life(struct loads_user *user)
{
    const struct worker *worker = user->worker;

    for (unsigned i = 0; i < worker->n_tests; i++) {
        const struct worker_test *test = &worker->tests[i];
        if (test->suite == i && (user->set_up & suite_bit(test)) &&
            test->hooks[LOADS_USER_TEAR_DOWN_]) {
            begin(user);
            user->test = test;
            (void)do_hook(user, LOADS_USER_TEAR_DOWN_);
            clean_up(user);
        }
    }
    record_rest(user);
}

static bool may_iterate(const struct loads_user *user)
{
    const struct worker *worker = user->worker;

    return !worker->stopping && !user->cancelled && !user->stopped &&
           (worker->share.iterations == 0 || user->iteration < worker->share.iterations) &&
           (worker->deadline_usec == 0 || clock_monotonic_usec() < worker->deadline_usec);
}

void iteration_loop(void *argument)
{
    struct loads_user *user = argument;

    while (may_iterate(user)) {
        pace_wait(user);
        if (!may_iterate(user)) {
            break;
        }
        iterate(user);
        user_wake(user);        /* others first: a test that never waits must not keep the loop */
        (void)!user_wait(user); /* being cancelled here ends the loop above */
    }
    end_life(user);
}
