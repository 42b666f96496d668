/* SPDX-License-Identifier: MPL-2.0 */
/* One iteration after the other: record its start, run the test, then what it deferred, give its
 * memory back, record how it ended. */
#include "iteration.h"

#include <errno.h>

#include "base/clock.h"
#include "choice.h"
#include "pace.h"
#include "record.h"
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
    user->worker->test->body(user);
}

static void iterate(struct loads_user *user)
{
    user->outcome = OUTCOME_SUCCESS;
    user->error_id = 0;
    choice_begin_iteration(user);
    record_start(user);
    pace_begin(user);
    user_guard(user, run_body, user);
    while (user->deferred) {
        struct deferred deferred = *user->deferred;
        user->deferred = deferred.next;
        user_guard(user, deferred.function, deferred.argument);
    }
    websockets_end(user);
    if (user->release) {
        user->release(user);
    }
    arena_reset(&user->arena);
    if (user->cancelled) {
        iteration_judge(user, OUTCOME_INTERRUPTED, 0);
    }
    record_outcome(user);
    user->iteration++;
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
    if (user->stopped) {
        record_over(user);
    }
}
