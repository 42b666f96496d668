/* SPDX-License-Identifier: MPL-2.0 */
/* The figures of a local run that is on. */
#ifndef LOADS_RUNNER_LOCAL_PROGRESS_H
#define LOADS_RUNNER_LOCAL_PROGRESS_H

#include "metrics/recent.h"
#include "metrics/totals.h"
#include "run/supervisor.h"
#include "shared/progress.h"

/* All borrowed. */
struct local_progress {
    struct supervisor *supervisor;
    const struct run_spec *spec;
    const struct totals *totals;
    struct recent *recent; /* NULL: nobody watches */
    uint64_t start_usec;   /* of the first cycle, monotonic; 0: none began */
    bool stopping;
};

/* What a panel looks at; `context` is a struct local_progress. */
void local_progress_look(struct progress_numbers *ret, void *context);

#endif
