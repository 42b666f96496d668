/* SPDX-License-Identifier: MPL-2.0 */
/* A user that waits for its next iteration is in none: at the end of a cycle it has nothing to
 * finish, and leaves at once. Until then it stays, so that a cycle lasts as long as it was to. */
#include "pace.h"

#include "base/clock.h"
#include "choice.h"

void pace_set(struct loads_user *user, uint64_t distance_usec)
{
    user->next_start_usec = user->iteration_started_usec + distance_usec;
}

void pace_begin(struct loads_user *user)
{
    const struct worker *worker = user->worker;
    struct prng prng;

    user->next_start_usec = 0;
    if (worker->spec->pace) {
        prng_seed(&prng, choice_key(user, CHOICE_PACE, user->iteration));
        pace_set(user, distribution_draw_usec(&worker->pace, &prng));
    }
}

void pace_wait(struct loads_user *user)
{
    const struct worker *worker = user->worker;
    uint64_t until = user->next_start_usec;

    if (worker->deadline_usec > 0) {
        until = MIN(until, worker->deadline_usec);
    }
    user->pausing = true;
    while (!worker->stopping && clock_monotonic_usec() < until) {
        if (user_wait_until(user, until) < 0) {
            break; /* being cancelled ends its life */
        }
    }
    user->pausing = false;
}

void pace_end(struct worker *worker)
{
    for (unsigned i = 0; i < worker->n_users; i++) {
        if (worker->users[i].pausing) {
            user_wake(&worker->users[i]);
        }
    }
}
