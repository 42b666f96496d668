/* SPDX-License-Identifier: MPL-2.0 */
/* Runs that wait for agents get them in the order in which they came: one that needs many isn't
 * overtaken by those that need few. */
#include <stdlib.h>

#include "conduct.h"
#include "scheduler.h"
#include "wake_wait.h"

/* False: too few are free. */
static bool serve(struct broker *broker, struct run *run)
{
    _cleanup_free_ struct agent **chosen = NULL;
    size_t count;
    struct agent *const *agents = registry_agents(broker->registry, &count);

    if (scheduler_choose(agents, count, run->n_agents, &chosen, NULL) < 0 ||
        conduct_reserve(broker, run, chosen, run->n_agents) < 0) {
        return false;
    }
    run_happen(run, RUN_AGENTS);
    return true;
}

void conduct_queue(struct broker *broker)
{
    bool served = true;

    for (struct run *run = runs_first(broker->runs); served && run; run = run->next) {
        served = run->state != RUN_QUEUED || broker->ending || serve(broker, run);
    }
    if (!served) {
        wake_for_queue(broker);
    }
}
