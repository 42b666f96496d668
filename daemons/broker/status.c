/* SPDX-License-Identifier: MPL-2.0 */
/* Runs come and go, so hits are added up as they grow: what a run had before we first looked, from
 * before a restart, counts for nothing. */
#include "status.h"

#include <stdio.h>

#include "base/figure.h"
#include "broker.h"

static unsigned count_agents(const struct broker *broker)
{
    size_t count;
    struct agent *const *agents = registry_agents(broker->registry, &count);
    unsigned n = 0;

    for (size_t i = 0; i < count; i++) {
        n += agents[i]->lost ? 0 : 1;
    }
    return n;
}

/* How many are on, and what they have counted since the last time. */
static unsigned look_at_runs(struct broker *broker)
{
    unsigned n = 0;

    for (struct run *run = runs_first(broker->runs); run; run = run->next) {
        uint64_t hits = run->results ? results_totals(run->results)->hits : 0;
        n += run_state_is_over(run->state) ? 0 : 1;
        broker->status.hits += run->is_rated ? hits - run->rated_hits : 0;
        run->is_rated = true;
        run->rated_hits = hits;
    }
    return n;
}

static const char *database_word(const struct broker *broker)
{
    return !store_keeps(broker->store)             ? "no database"
           : store_is_up(broker->store)            ? "database ok"
           : *store_trouble(broker->store) != '\0' ? "database away: "
                                                   : "database is being reached";
}

void status_tick(struct broker *broker)
{
    struct status *status = &broker->status;
    unsigned n_agents = count_agents(broker), n_runs = look_at_runs(broker);
    uint64_t now_usec = clock_monotonic_usec();
    char agents[FIGURE_BYTES], runs[FIGURE_BYTES], rate[FIGURE_BYTES];

    rate_add(&status->rate, now_usec, status->hits);
    daemon_tell_status(&status->line, now_usec, "%s%s agent%s, %s run%s, %s hits/s, %s%s",
                       broker->ending ? "ending: " : "", figure_whole(n_agents, agents),
                       n_agents == 1 ? "" : "s", figure_whole(n_runs, runs), n_runs == 1 ? "" : "s",
                       figure_rounded(rate_per_sec(&status->rate), rate), database_word(broker),
                       store_trouble(broker->store));
}
