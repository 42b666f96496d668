/* SPDX-License-Identifier: MPL-2.0 */
/* Runs as JSON, for answers and messages: docs/protocol.md has the form. Each function returns a
 * new reference, or NULL without memory. */
#ifndef LOADS_BROKER_REPORT_H
#define LOADS_BROKER_REPORT_H

#include "registry.h"
#include "run.h"
#include "wire/json.h"

/* A run, from memory or from the database; all borrowed. */
struct report {
    const struct store_run *row;
    const struct store_source *sources;
    size_t n_sources;
    struct results *results; /* may be NULL: nothing was counted */
    uint64_t number;         /* of the last live message */
};

/* `full`: with what only CTRL_SNAPSHOT shows. */
json_t *report_run(const struct report *report, bool full);

json_t *report_snapshot(const struct report *report);

/* CTRL_TIMELINE's answer from memory: seconds from `start`, `size` of them. `timeline` may be NULL.
 */
json_t *report_timeline(const struct timeline *timeline, uint64_t start, uint64_t size);
json_t *report_counts(const struct report *report);
json_t *report_urls(const struct report *report);
json_t *report_metadata(const struct report *report);

/* How far a run is at a time of our monotonic clock. */
json_t *report_live(const struct run *run, uint64_t now_usec);

json_t *report_agent(const struct agent *agent);

#endif
