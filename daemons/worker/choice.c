/* SPDX-License-Identifier: MPL-2.0 */
/* Each iteration has a generator of its own rather than going on with the user's: where the one
 * before ended, how many numbers it took, makes no difference then. */
#include "choice.h"

static struct chance chance_of(const struct loads_user *user)
{
    const struct worker *worker = user->worker;

    return (struct chance){worker->spec->seed, worker->share.cycle, user->number};
}

uint64_t choice_key(const struct loads_user *user, enum choice_purpose purpose, uint64_t which)
{
    const struct chance chance = chance_of(user);
    return chance_key(&chance, purpose, which);
}

void choice_begin_life(struct loads_user *user)
{
    prng_seed(&user->prng, choice_key(user, CHOICE_LIFE, 0));
}

void choice_begin_iteration(struct loads_user *user)
{
    const struct worker *worker = user->worker;
    const struct chance chance = chance_of(user);

    user->test = &worker->tests[chance_test(&chance, worker->mix, user->iteration)];
    prng_seed(&user->prng, choice_key(user, CHOICE_ITERATION, user->iteration));
}
