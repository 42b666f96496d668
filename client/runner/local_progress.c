/* SPDX-License-Identifier: MPL-2.0 */
/* Hits come from the workers' memory, so they are of this moment; the rest is of the seconds that
 * workers have told of. */
#include "local_progress.h"

#include <string.h>

#include "base/clock.h"

static void look_at_recent(const struct local_progress *run, struct progress_numbers *ret)
{
    const struct names *names = supervisor_names(run->supervisor);

    ret->has_recent = true;
    recent_look(run->recent, run->start_usec > 0 ? clock_monotonic_usec() - run->start_usec : 0,
                &ret->recent);
    if (ret->recent.last_error > 0) {
        error_key_line(names_text(names, NAME_ERROR, ret->recent.last_error), ret->last_error,
                       sizeof ret->last_error);
    }
}

void local_progress_look(struct progress_numbers *ret, void *context)
{
    const struct local_progress *run = context;
    struct supervisor_live live;
    unsigned cycles = cycles_count(run->spec);

    supervisor_live(run->supervisor, &live);
    double total = run->spec->duration_usec > 0 ? (double)run->spec->duration_usec * cycles
                                                : (double)cycles_iterations(run->spec);
    *ret = (struct progress_numbers){
        .done = (run->spec->duration_usec > 0 ? (double)live.active_usec
                                              : (double)live.iterations_done) /
                total,
        .hits = live.hits,
        .errors = totals_outcome(run->totals, OUTCOME_ERROR),
        .failures = totals_outcome(run->totals, OUTCOME_FAILURE),
        .users = live.users,
        .cycle = live.cycle,
        .cycles = cycles,
        .elapsed_sec = (double)live.active_usec / 1e6,
    };
    if (run->stopping) {
        (void)strcpy(ret->state, "stopping");
    }
    if (run->recent) {
        look_at_recent(run, ret);
    }
}
