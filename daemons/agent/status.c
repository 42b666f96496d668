/* SPDX-License-Identifier: MPL-2.0 */
/* Where the broker is comes first: an agent that has none waits, whatever else it does. */
#include "status.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/figure.h"

struct sight {
    struct agent_run_status active; /* run_id NULL: none is on */
    unsigned n_over;
};

static void look(const struct agent_run_status *run, void *context)
{
    struct sight *sight = context;

    if (run->is_over) {
        sight->n_over++;
    } else {
        sight->active = *run;
    }
}

static double hits_per_sec(struct status *status, const struct agent_run_status *run,
                           uint64_t now_usec)
{
    if (strcmp(status->run_id, run->run_id) != 0) {
        (void)snprintf(status->run_id, sizeof status->run_id, "%s", run->run_id); /* it fits */
        status->rate = (struct rate){.n = 0};
    }
    rate_add(&status->rate, now_usec, run->hits);
    return rate_per_sec(&status->rate);
}

static void describe(struct status *status, const struct sight *sight, uint64_t now_usec,
                     char *text, size_t size)
{
    const struct agent_run_status *run = &sight->active;
    char users[FIGURE_BYTES], rate[FIGURE_BYTES];

    if (!run->run_id && sight->n_over > 0) {
        (void)snprintf(text, size, "results of %u run%s wait to be stored", sight->n_over,
                       sight->n_over == 1 ? "" : "s");
    } else if (!run->run_id) {
        (void)snprintf(text, size, "idle");
    } else if (run->users == 0) {
        (void)snprintf(text, size, "run %s, %s", run->run_id, run->state);
    } else {
        (void)snprintf(text, size, "run %s, %s, %s user%s, %s hits/s", run->run_id, run->state,
                       figure_whole(run->users, users), run->users == 1 ? "" : "s",
                       figure_rounded(hits_per_sec(status, run, now_usec), rate));
    }
}

void status_tick(struct status *status, const struct agent *agent)
{
    struct sight sight = {.n_over = 0};
    struct agent_status is;
    uint64_t now_usec = clock_monotonic_usec();
    char activity[256];

    if (!daemon_status_is_due(&status->line, now_usec)) {
        return;
    }
    agent_status(agent, &is);
    agent_each_run(agent, look, &sight);
    describe(status, &sight, now_usec, activity, sizeof activity);
    daemon_tell_status(&status->line, now_usec, "%s broker at %s%s%s%s, %s%s",
                       is.connected ? "registered with" : "waiting for", is.options->broker,
                       *is.trouble ? " (" : "", is.trouble, *is.trouble ? ")" : "", activity,
                       is.draining ? ", leaving" : "");
}
